# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import sys
import time
import types
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Action
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import actions
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._run.support import (
    Bench,
    FakeSession,
    bench,
    block,
    connected,
    status,
)

BROKE: t.Final = Inconclusive(Reason.EXEC_TRANSPORT, "the connection broke")


def test_every_action_is_done_by_the_run() -> None:
    assert set(actions.ACTIONS) == set(Action)


def acted(one: Bench, label: str) -> dict[str, t.Any]:
    """The facts of an action's observation."""
    step = one.steps[label]
    observed = actions.ACTIONS[step.name](one.run, step)
    assert (observed.step, observed.nonce) == (step.name, step.nonce)
    return dict(observed.facts)


# ----------------------------------------------------------------------------------------------- restarts


def restarted(*seen: dict[str, t.Any], answer: bytes | Inconclusive = BROKE) -> tuple[Bench, FakeSession]:
    one = bench("SHM402", "resized", *seen)
    old = connected(one, answer)
    one.cluster.sessions.append(FakeSession())
    return one, old


def test_a_container_is_restarted_by_ending_its_process() -> None:
    one, old = restarted(status("resized", restarts=1), status("resized", restarts=2))
    assert acted(one, "restart") == {"restarts": 2}
    assert old.sent == [f"end nonce={one.steps['restart'].nonce}\n"]
    assert old.closed
    assert one.run.session is not t.cast("t.Any", old)
    assert one.run.problem is None


def test_a_process_that_cannot_be_ended_restarts_nothing() -> None:
    one = bench("SHM402", "resized", status("resized"))
    refusal = {"call": "kill", "result": -1, "errno": "EPERM"}
    connected(one, block(one.steps["restart"], "end", calls=[refusal]))
    with pytest.raises(Inconclusive, match=r"cannot be ended \(EPERM\)") as caught:
        acted(one, "restart")
    assert caught.value.reason is Reason.PREMISE_FAILED
    # the session is as it was
    assert one.run.problem is None


def test_a_container_that_stays_away() -> None:
    one, _old = restarted(status("resized"))
    with pytest.raises(Inconclusive, match="resized did not restart within 3 s") as caught:
        acted(one, "restart")
    assert caught.value.reason is Reason.TIMEOUT
    assert one.run.problem is caught.value


def test_a_pod_that_was_restarted_as_a_whole_shows_nothing_of_a_container() -> None:
    one, _old = restarted(
        status("resized", pod={"podIP": "10.0.0.1"}), status("resized", restarts=1, pod={"podIP": "10.0.0.2"})
    )
    with pytest.raises(Inconclusive, match="the whole pod was restarted") as caught:
        acted(one, "restart")
    assert caught.value.reason is Reason.PREMISE_FAILED


def test_a_container_that_was_killed_restarts_by_itself() -> None:
    one = bench("SHM312", "tight", status("tight", restarts=1), status("tight", restarts=2))
    one.cluster.sessions.append(FakeSession())
    one.run.restarts = 2
    assert acted(one, "restart") == {"restarts": 2}
    assert not one.run.was_killed
    assert len(one.watch.seen) == 1
    # one that was not killed is up
    assert acted(one, "up") == {"restarts": 0}


# ------------------------------------------------------------------------------------------------ ephemeral


def test_an_ephemeral_container_is_added_to_the_running_pod() -> None:
    kind = "ephemeralContainerStatuses"
    one = bench("SHM208", "debug", status("resized"), status("debug", kind))
    one.pod.stored = one.pod.manifest()
    one.cluster.sessions.append(FakeSession())
    assert acted(one, "add") == {}
    ((_pod, subresource, patch),) = one.cluster.patches
    assert subresource == "ephemeralcontainers"
    assert [each["name"] for each in patch["spec"]["ephemeralContainers"]] == ["debug"]
    assert patch["spec"]["ephemeralContainers"][0]["securityContext"]["runAsUser"] == 65532
    assert one.run.problem is None


def test_steps_in_an_ephemeral_container_that_was_refused_have_its_reason() -> None:
    one = bench("SHM208", "debug", status("resized"))
    one.pod.stored = one.pod.manifest()
    one.cluster.stored = Inconclusive(Reason.FORBIDDEN, "no ephemeralcontainers")
    with pytest.raises(Inconclusive, match="no ephemeralcontainers"):
        acted(one, "add")
    with pytest.raises(Inconclusive, match="the ephemeral container debug was not added") as caught:
        one.run.begin(one.steps["get"])
    assert caught.value.reason is Reason.CONTAINER_START


# -------------------------------------------------------------------------------------------------- resizes


def test_the_memory_of_a_container_is_resized() -> None:
    done = status("resized", resources={"limits": {"memory": "80Mi"}})
    one = bench("SHM404", "resized", status("resized"), done)
    assert acted(one, "resize") == {"memory_bytes": 80 * MIB}
    ((_pod, subresource, patch),) = one.cluster.patches
    assert subresource == "resize"
    assert patch["spec"]["containers"][0]["resources"]["limits"]["memory"] == str(80 * MIB)


def test_a_node_that_cannot_resize_says_so() -> None:
    condition = {"type": "PodResizePending", "reason": "Infeasible", "message": "cgroup v1"}
    one = bench("SHM404", "resized", status("resized", pod={"conditions": [condition]}))
    with pytest.raises(Inconclusive, match="cgroup v1") as caught:
        acted(one, "resize")
    assert caught.value.reason is Reason.INFEASIBLE


def resized_volume(size_limit: str | None, *seen: dict[str, t.Any]) -> Bench:
    one = bench("SHM405", "resized", *seen)
    empty_dir = {} if size_limit is None else {"sizeLimit": size_limit}
    one.cluster.stored = {
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": "default", "generation": 2},
        "spec": {"volumes": [{"name": "config", "configMap": {}}, {"name": "resized", "emptyDir": empty_dir}]},
    }
    return one


def answered(generation: int = 2, **condition: str) -> dict[str, t.Any]:
    conditions = [{"type": "PodResizeInProgress", **condition}] if condition else []
    return status("resized", pod={"observedGeneration": generation, "conditions": conditions})


def test_the_size_limit_of_a_volume_is_resized() -> None:
    one = resized_volume("32Mi", answered(1), answered())
    assert acted(one, "resize") == {"resized": True, "problem": ""}
    ((_pod, subresource, patch),) = one.cluster.patches
    assert (subresource, patch["spec"]["volumes"]) == (
        "resize",
        [{"name": "resized", "emptyDir": {"sizeLimit": "32Mi"}}],
    )


def test_a_resize_that_failed_has_the_words_of_the_kubelet() -> None:
    one = resized_volume("32Mi", answered(reason="Error", message="remount: busy"))
    assert acted(one, "resize") == {"resized": False, "problem": "remount: busy"}


@pytest.mark.parametrize("stored", ["16Mi", None])
def test_a_size_limit_that_the_api_server_drops_silently(stored: str | None) -> None:
    with pytest.raises(Inconclusive, match="does not change the sizeLimit of volumes") as caught:
        acted(resized_volume(stored, answered()), "resize")
    assert caught.value.reason is Reason.FEATURE_GATE_OFF


def test_a_kubelet_that_does_not_answer_a_resize() -> None:
    with pytest.raises(Inconclusive, match="the kubelet did not answer the resize within 3 s"):
        acted(resized_volume("32Mi", answered(1)), "resize")


# ---------------------------------------------------------------------------------------------- the kubelet


def kubelet(command: str, **settings: t.Any) -> Bench:
    words = (sys.executable, "-c", command, "{node}")
    one = bench("SHM403", "kept", status("kept"), restart_kubelet=words, **settings)
    connected(one)
    one.cluster.now = status("kept", restarts=1)
    return one


def test_a_kubelet_is_back_when_a_connection_through_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    # of this module alone: threads of other tests sleep, too
    monkeypatch.setattr(actions, "time", types.SimpleNamespace(monotonic=time.monotonic, sleep=slept.append))
    one = kubelet("import sys; sys.exit(sys.argv[1] != 'n')")
    one.cluster.sessions += [BROKE, BROKE, FakeSession()]
    assert acted(one, "restart") == {"restarts": 1}
    assert slept == [0.2, pytest.approx(0.3)]
    assert one.run.problem is None


def test_a_kubelet_that_does_not_come_back() -> None:
    one = kubelet("", start_timeout=1)
    one.cluster.sessions += [BROKE] * 9
    acted(one, "restart")
    assert one.run.problem is not None


def test_a_command_that_leaves_the_kubelet_running() -> None:
    one = kubelet("")
    t.cast("t.Any", one.run.session).ends_in_time = False
    with pytest.raises(
        Inconclusive, match="it left the kubelet running: a connection through it did not end"
    ) as caught:
        acted(one, "restart")
    assert (caught.value.reason, caught.value.subject) == (Reason.COMMAND_FAILED, "node n")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("import sys; print('unseen'); sys.exit('first\\nno such unit')", "ended with 1: no such unit"),
        ("import sys; print('unseen'); sys.exit(3)", "ended with 3: it wrote nothing to stderr"),
        ("import time; time.sleep(30)", "did not end within 1 s"),
    ],
)
def test_a_command_that_fails_is_quoted_with_its_last_line_only(command: str, words: str) -> None:
    with pytest.raises(Inconclusive, match=words) as caught:
        acted(kubelet(command, start_timeout=1), "restart")
    assert caught.value.reason is Reason.COMMAND_FAILED
    assert "unseen" not in caught.value.detail
    assert "first" not in caught.value.detail


def test_a_command_that_leaves_something_running_does_not_hold_the_run_up() -> None:
    script = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    began = time.monotonic()
    with pytest.raises(Inconclusive, match="did not end within 1 s"):
        acted(kubelet(script, start_timeout=1), "restart")
    assert time.monotonic() - began < 10


def test_a_command_that_is_not_there() -> None:
    one = bench("SHM403", "kept", status("kept"), restart_kubelet=("/nowhere/restart",))
    connected(one)
    with pytest.raises(Inconclusive, match="/nowhere/restart: No such file or directory") as caught:
        acted(one, "restart")
    assert caught.value.reason is Reason.COMMAND_FAILED


# ------------------------------------------------------------------------------------------------ admission


SAMPLE = "volume-on-dev-shm"


def test_admission_is_a_dry_run() -> None:
    one = bench("SHM607", "volume")
    assert acted(one, SAMPLE) == {"admitted": True, "changed": "", "unknown": ""}
    assert one.cluster.dry_runs == [True]
    assert one.shared.created == []


def test_what_admission_would_change_is_named() -> None:
    one = bench("SHM607", "volume")
    stored = copy.deepcopy(one.pod.manifest())
    stored["spec"]["hostIPC"] = True
    one.cluster.stored = stored
    assert acted(one, SAMPLE) == {"admitted": True, "changed": "hostIPC false -> true", "unknown": ""}


@pytest.mark.parametrize("reason", [Reason.POD_SECURITY, Reason.ADMISSION_DENIED])
def test_a_refusal_is_an_answer(reason: Reason) -> None:
    one = bench("SHM607", "volume")
    one.cluster.stored = Inconclusive(reason, "violates restricted")
    assert acted(one, SAMPLE) == {
        "admitted": False,
        "refused_by": reason.value,
        "detail": "violates restricted",
        "refused": "volume",
    }


def test_a_quota_that_the_run_itself_uses_up_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own pods go, and then the pod is admitted or not."""
    one = bench("SHM607", "volume")
    words = "exceeded quota: all, requested: pods=1, used: pods=4, limited: pods=4"
    left = [Inconclusive(Reason.QUOTA_EXCEEDED, words)]

    def create(manifest: dict[str, t.Any], dry_run: bool) -> dict[str, t.Any]:
        if left:
            raise left.pop()
        return manifest

    monkeypatch.setattr(one.cluster, "create", create)
    assert acted(one, SAMPLE) == {"admitted": True, "changed": "", "unknown": ""}
    one.cluster.stored = Inconclusive(Reason.QUOTA_EXCEEDED, words)
    monkeypatch.undo()
    # no time is left to wait for room
    one.shared.until = time.monotonic() + 10
    with pytest.raises(Inconclusive, match="exceeded quota: all"):
        acted(one, SAMPLE)


def test_an_api_server_that_does_not_answer_refuses_nothing() -> None:
    one = bench("SHM607", "volume")
    one.cluster.stored = Inconclusive(Reason.API_UNREACHABLE, "refused")
    with pytest.raises(Inconclusive) as caught:
        acted(one, SAMPLE)
    assert caught.value.reason is Reason.API_UNREACHABLE


def test_an_ephemeral_container_has_the_user_that_the_cluster_gave_the_others() -> None:
    one = bench("SHM208", "debug", status("resized"), status("debug", "ephemeralContainerStatuses"))
    one.pod.stored = one.pod.manifest()
    for container in one.pod.stored["spec"]["containers"]:
        container["securityContext"]["runAsUser"] = 1000680000
    one.cluster.sessions.append(FakeSession())
    acted(one, "add")
    ((_pod, _subresource, patch),) = one.cluster.patches
    assert patch["spec"]["ephemeralContainers"][0]["securityContext"]["runAsUser"] == 1000680000
