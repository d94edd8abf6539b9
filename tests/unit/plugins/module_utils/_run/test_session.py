# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Transport
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.session import Crowded, NoExec
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._run.support import (
    META,
    Bench,
    FakeSession,
    FakeWatch,
    bench,
    block,
    connected,
    status,
)

BROKE: t.Final = Inconclusive(Reason.EXEC_TRANSPORT, "the connection broke")

# ---------------------------------------------------------------------------------------------------- the run


def test_no_step_begins_after_the_end_of_the_run() -> None:
    shared = bench("SHM301", "first").shared
    assert 0 < shared.remaining() <= 60
    shared.until = time.monotonic()
    with pytest.raises(Inconclusive, match="the run took longer than its time") as caught:
        shared.remaining()
    assert caught.value.reason is Reason.TIMEOUT
    shared.stopping.set()
    with pytest.raises(Inconclusive) as caught:
        shared.remaining()
    assert caught.value.reason is Reason.INTERRUPTED


@pytest.mark.parametrize(
    ("reason", "transport", "raises"),
    [
        (Reason.EXEC_FORBIDDEN, Transport.AUTO, True),
        (Reason.EXEC_DENIED, Transport.AUTO, True),
        (Reason.EXEC_UPGRADE, Transport.AUTO, True),
        (Reason.PROXY_UNUSABLE, Transport.AUTO, True),
        (Reason.KUBELET_UNREACHABLE, Transport.AUTO, False),
        (Reason.EXEC_FORBIDDEN, Transport.EXEC, False),
        (Reason.EXEC_FORBIDDEN, Transport.LOG, False),
    ],
)
def test_which_problem_of_an_exec_opens_another_way(reason: Reason, transport: Transport, raises: bool) -> None:
    shared = bench("SHM301", "first", transport=transport).shared
    shared.require_way(None)
    with pytest.raises(NoExec) if raises else contextlib.nullcontext():
        shared.require_way(Inconclusive(reason, "no"))
    assert shared.by_log is (raises or transport is Transport.LOG)
    assert shared.why_no_exec == (f"{reason}: no" if raises else "")


def test_what_is_created_is_remembered_for_the_clean_up() -> None:
    one = bench("SHM301", "first")
    one.pod.create()
    assert one.shared.created == [one.pod.stored]
    assert one.pod.requested["metadata"]["name"] == one.pod.name
    # the clean-up of the run reports what stays
    one.pod.delete()
    assert one.cluster.deleted == [one.pod.stored]


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_pod_that_is_stored_without_what_it_is_about_is_deleted_at_once(dry_run: bool) -> None:
    one = bench("SHM109", "one")
    one.shared.dry_run = dry_run
    requested = one.pod.manifest()
    one.cluster.stored = {**requested, "spec": {**requested["spec"]}}
    del one.cluster.stored["spec"]["hostUsers"]
    with pytest.raises(Inconclusive, match="the API server drops hostUsers: it does not know that") as caught:
        one.pod.create()
    assert caught.value.reason is Reason.FEATURE_GATE_OFF
    assert one.cluster.deleted == ([] if dry_run else [one.pod.stored])


# -------------------------------------------------------------------------------------------------- the pod


def test_a_pod_that_starts_on_the_planned_node() -> None:
    waiting = status("first", state={"waiting": {"reason": "ContainerCreating"}})
    bench("SHM301", "first", waiting, status("first")).pod.await_start()


def test_a_pod_on_another_node_answers_for_that_one() -> None:
    elsewhere = status("first")
    elsewhere["spec"]["nodeName"] = "other"
    with pytest.raises(Inconclusive, match="runs on node other, not on n") as caught:
        bench("SHM301", "first", elsewhere).pod.await_start()
    assert caught.value.reason is Reason.PREMISE_FAILED


WAITING: t.Final = status("first", state={"waiting": {"reason": "ContainerCreating"}})


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], Reason.TIMEOUT),
        ([{"reason": "FailedMount", "message": "no volume"}], Reason.CONTAINER_START),
        (
            [{"reason": "FailedCreatePodSandBox", "message": "the runtime does not support user namespaces"}],
            Reason.UNSUPPORTED,
        ),
    ],
)
def test_events_say_why_a_pod_does_not_start(events: list[dict[str, t.Any]], reason: Reason) -> None:
    one = bench("SHM301", "first", WAITING)
    one.cluster.recent = events
    with pytest.raises(Inconclusive) as caught:
        one.pod.await_start()
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ({"waiting": {"reason": "CreateContainerError", "message": "boom"}}, Reason.CONTAINER_START, "boom"),
        ({"waiting": {"reason": "ContainerCreating"}}, Reason.TIMEOUT, "guest did not start within 3 s"),
    ],
)
def test_a_container_that_does_not_start_costs_no_other_of_its_pod(
    state: dict[str, t.Any], reason: Reason, words: str
) -> None:
    made = status("first", pod={"containerStatuses": [{"name": "first", "state": {"running": {}}}]})
    made["spec"]["containers"].append({"name": "guest", "command": [manifests.PROBE, "hold"]})
    made["status"]["containerStatuses"].append({"name": "guest", "state": state})
    ((container, problem),) = bench("SHM106", "guest", made).pod.await_start().items()
    assert (container.name, problem.reason) == ("guest", reason)
    assert words in problem.detail


def unscheduled(missing: str = "Insufficient memory", memory: str = "32Mi") -> dict[str, t.Any]:
    """The pod while its node has no room for it."""
    message = f"0/1 nodes are available: 1 {missing}. preemption: none"
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    made = status("first", pod={"phase": "Pending", "containerStatuses": [], "conditions": [condition]})
    del made["spec"]["nodeName"]
    made["spec"]["containers"][0]["resources"] = {"requests": {"memory": memory}}
    return made


NODE: t.Final = {"status": {"allocatable": {"memory": "64Mi", "cpu": "1", "pods": "9"}}}


def in_a_hurry(one: Bench) -> Bench:
    """A wait for room may take a second."""
    one.shared.until = time.monotonic() + 20 + 1.2
    one.cluster.node = NODE
    return one


def test_a_pod_waits_for_room_on_its_node_longer_than_for_its_start() -> None:
    """As long as others have the room, no start_timeout counts."""

    class Slow(FakeWatch):
        def wait(self, name: str, test: t.Any, until: float) -> dict[str, t.Any] | None:
            if time.monotonic() < free:
                time.sleep(0.1)
                return self.seen[0] if test(self.seen[0]) else None
            return super().wait(name, test, until)

    one = bench("SHM301", "first", start_timeout=1)
    one.cluster.node = NODE
    free = time.monotonic() + 1.2
    one.shared.watch = t.cast("t.Any", Slow(unscheduled(), WAITING, status("first")))
    given: list[bool] = []
    one.shared.give_place = lambda: given.append(True)
    assert one.pod.await_start() == {}
    assert given


def test_a_pod_that_waited_for_room_in_vain_says_so() -> None:
    one = in_a_hurry(bench("SHM301", "first", unscheduled(), start_timeout=1))
    with pytest.raises(
        Inconclusive, match=r"waited 1 s \(option timeout\) for room on node n: Insufficient memory"
    ) as caught:
        one.pod.await_start()
    assert (caught.value.reason, caught.value.subject) == (Reason.UNSCHEDULABLE, one.pod.subject)


@pytest.mark.parametrize(("left", "error"), [(60, Crowded), (20 + 1, Inconclusive)])
def test_a_pod_that_loses_patience_leaves_time_to_begin_again(left: float, error: type[Exception]) -> None:
    one = in_a_hurry(bench("SHM301", "first", unscheduled()))
    one.shared.until = time.monotonic() + left
    one.pod.patience = 0.1
    with pytest.raises(error):
        one.pod.await_place()


@pytest.mark.parametrize(
    ("left", "memory", "error"), [(60, "32Mi", Crowded), (20 + 1, "32Mi", Inconclusive), (60, "65Mi", Inconclusive)]
)
def test_a_pod_that_the_kubelet_has_no_room_for_is_created_again(
    left: float, memory: str, error: type[Exception]
) -> None:
    """The scheduler gives away the room of pods that are being removed before the kubelet has it back."""
    refused = unscheduled(memory=memory)
    refused["spec"]["nodeName"] = "n"
    refused["status"] = {"phase": "Failed", "reason": "OutOfmemory", "message": "Node didn't have enough resource"}
    one = bench("SHM301", "first", refused)
    one.cluster.node = NODE
    one.shared.until = time.monotonic() + left
    with pytest.raises(error):
        one.pod.await_start()


def test_a_pod_has_its_place_before_it_runs() -> None:
    one = bench("SHM301", "first", unscheduled(), WAITING)
    one.cluster.node = NODE
    one.pod.await_place()
    assert one.pod.latest() == WAITING


def test_a_pod_that_its_node_can_never_hold_is_not_waited_for() -> None:
    one = bench("SHM301", "first", unscheduled(memory="65Mi"))
    one.cluster.node = NODE
    with pytest.raises(Inconclusive, match="Insufficient memory: it requests 65Mi of memory") as caught:
        one.pod.await_start()
    assert caught.value.reason is Reason.UNSCHEDULABLE


def test_the_end_of_a_run_ends_the_wait_for_room() -> None:
    one = bench("SHM301", "first", unscheduled())
    one.shared.stopping.set()
    with pytest.raises(Inconclusive) as caught:
        one.pod.await_start()
    assert caught.value.reason is Reason.INTERRUPTED


def taken(hard: str) -> Inconclusive:
    words = f'pods "p" is forbidden: exceeded quota: all, requested: pods=1, used: pods={hard}, limited: pods={hard}'
    return Inconclusive(Reason.QUOTA_EXCEEDED, words, "pod default/podshm-ff-pair")


def refusing(monkeypatch: pytest.MonkeyPatch, one: Bench, *refusals: Inconclusive) -> list[bool]:
    """Refuse the first creations; returns of each request whether it is a dry run."""
    left, requests = list(refusals), []

    def create(manifest: dict[str, t.Any], dry_run: bool) -> dict[str, t.Any]:
        requests.append(dry_run)
        if left:
            raise left.pop(0)
        return manifest

    monkeypatch.setattr(one.cluster, "create", create)
    return requests


def test_a_pod_waits_for_room_in_a_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    one = bench("SHM301", "first")
    requests = refusing(monkeypatch, one, taken("4"))
    one.pod.create()
    assert requests == [False, False]
    assert one.pod.stored["kind"] == "Pod"


def test_a_quota_that_stays_used_up_says_how_long_it_was_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    one = in_a_hurry(bench("SHM301", "first"))
    refusing(monkeypatch, one, *[taken("4")] * 9)
    with pytest.raises(
        Inconclusive, match=r"waited \d s \(option timeout\) for room in the quota: .*exceeded quota: all"
    ) as caught:
        one.pod.create()
    assert caught.value.reason is Reason.QUOTA_EXCEEDED


@pytest.mark.parametrize(("hard", "dry_run"), [("0", False), ("4", True)])
def test_a_quota_is_not_waited_for_in_vain(monkeypatch: pytest.MonkeyPatch, hard: str, dry_run: bool) -> None:
    one = bench("SHM301", "first")
    one.shared.dry_run = dry_run
    refusing(monkeypatch, one, *[taken(hard)] * 99)
    monkeypatch.setattr(one.shared.stopping, "wait", lambda seconds: seconds and pytest.fail("it waits"))
    with pytest.raises(Inconclusive, match="exceeded quota: all"):
        one.pod.create()


def test_a_pod_that_does_not_start_leaves_time_for_the_other_of_its_layout() -> None:
    """Also where the option start_timeout is as long as the run."""
    one = bench("SHM301", "first", WAITING, start_timeout=60)
    one.shared.until = time.monotonic() + 20 + 2
    with pytest.raises(Inconclusive, match="its containers did not start within 2 s") as caught:
        one.pod.await_start(is_alone=False)
    assert caught.value.reason is Reason.TIMEOUT


def test_nobody_asks_why_a_pod_has_not_started_when_the_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    one = bench("SHM301", "first", WAITING)
    one.pod.shared.stopping.set()
    monkeypatch.setattr(one.cluster, "events", lambda _pod: pytest.fail("it asked"))
    with pytest.raises(Inconclusive, match="the run ends") as caught:
        one.pod.await_start()
    assert caught.value.reason is Reason.INTERRUPTED


def test_a_pod_that_somebody_deleted_is_not_waited_for() -> None:
    one = bench("SHM301", "first", {})
    with pytest.raises(Inconclusive, match="it was deleted, and not by podshm") as caught:
        one.pod.require(lambda pod: True, "it did not run")
    assert caught.value.reason is Reason.POD_GONE


def test_what_did_not_happen_in_time_is_named() -> None:
    one = bench("SHM301", "first", status("first"))
    with pytest.raises(Inconclusive, match="first did not restart within 3 s") as caught:
        one.pod.require(lambda pod: False, "first did not restart")
    assert (caught.value.reason, caught.value.subject) == (Reason.TIMEOUT, one.pod.subject)


def ended(code: int, **metadata: t.Any) -> dict[str, t.Any]:
    pod = status("first", state={"terminated": {"reason": "Error", "exitCode": code}})
    pod["metadata"] |= metadata
    return pod


@pytest.mark.parametrize(
    ("pod", "log", "reason", "words"),
    [
        (ended(2), b"panic", Reason.POD_FAILED, r"it ended: Error \(exit 2\): panic"),
        (ended(255), b"exec format error", Reason.PROBE_ARCH, "does not run on this architecture"),
        (ended(2, deletionTimestamp="now"), b"", Reason.POD_GONE, "it is being deleted, and not by podshm"),
        (
            {**ended(137), "status": {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}},
            b"",
            Reason.EVICTED,
            "low on memory",
        ),
        ({}, b"", Reason.POD_GONE, "it was deleted"),
        # nothing that the node reports explains it
        (ended(0), b"", Reason.EXEC_TRANSPORT, "the connection broke"),
        (status("first"), b"", Reason.EXEC_TRANSPORT, "the connection broke"),
        (ended(2), Inconclusive(Reason.LOGS_UNAVAILABLE, "no"), Reason.EXEC_TRANSPORT, "the connection broke"),
    ],
)
def test_the_cause_behind_a_broken_connection(
    pod: dict[str, t.Any], log: bytes | Inconclusive, reason: Reason, words: str
) -> None:
    one = bench("SHM301", "first", pod)
    one.cluster.logs = log
    with pytest.raises(Inconclusive, match=words) as caught, one.pod.explained("first"):
        raise BROKE
    assert caught.value.reason is reason


def test_another_container_that_ended_is_not_the_cause() -> None:
    one = bench("SHM301", "first", ended(2))
    with pytest.raises(Inconclusive, match="the connection broke"), one.pod.explained("second"):
        raise BROKE


def test_what_explains_itself_has_no_other_cause() -> None:
    slow = Inconclusive(Reason.TIMEOUT, "no answer")
    with pytest.raises(Inconclusive) as caught, bench("SHM301", "first", ended(2)).pod.explained():
        raise slow
    assert caught.value is slow


# -------------------------------------------------------------------------------------------- the container


def test_a_session_ends_by_itself() -> None:
    one = bench("SHM301", "first", status("first"))
    session = connected(one)
    assert one.cluster.commands == [(manifests.PROBE, "session", "deadline=63")]
    assert one.run.session is t.cast("t.Any", session)
    assert one.shared.sessions == [one.run.session]
    one.run.close()
    assert session.closed


def test_without_a_session_no_step_runs() -> None:
    one = bench("SHM301", "first", status("first"))
    one.run.close()
    with pytest.raises(Inconclusive, match="there is no session with the probe"):
        one.run.begin(one.steps["who_first"])
    one = bench("SHM301", "first", status("first"))
    refused = Inconclusive(Reason.EXEC_FORBIDDEN, "no")
    one.cluster.sessions.append(refused)
    one.run.connect()
    for step in (one.run.begin, one.run.finish):
        with pytest.raises(Inconclusive) as caught:
            step(one.steps["who_first"])
        assert caught.value is refused


def test_a_step_is_sent_and_its_answer_read() -> None:
    one = bench("SHM301", "first", status("first"))
    step = one.steps["who_first"]
    session = connected(one, block(step, ns_ipc=7))
    one.run.begin(step)
    assert session.sent == [f"identity nonce={step.nonce} deadline=10000 path=/dev/shm\n"]
    assert session.waited == 0
    assert one.run.finish(step).facts == {"ns_ipc": 7}


def test_a_step_that_blocks_is_begun_when_it_waits() -> None:
    one = bench("SHM103", "second", status("second"))
    session = connected(one)
    assert one.steps["wait"].step.blocks
    one.run.begin(one.steps["wait"])
    assert session.waited == 1


def test_a_stream_out_of_step_is_read_no_more() -> None:
    """What follows a bad answer can be the answer to another step."""
    one = bench("SHM301", "first", status("first"))
    who, fill = one.steps["who_first"], one.steps["fill"]
    connected(one, b"noise\n", block(fill))
    with pytest.raises(Inconclusive, match="output is unusable") as caught:
        one.run.finish(who)
    assert (caught.value.reason, caught.value.subject) == (Reason.BAD_OUTPUT, one.run.subject)
    with pytest.raises(Inconclusive, match="output is unusable"):
        one.run.finish(fill)


def test_the_next_check_connects_again_where_the_connection_broke() -> None:
    one = bench("SHM301", "first", status("first"))
    step = one.steps["who_first"]
    connected(one, BROKE)
    with pytest.raises(Inconclusive, match="the connection broke"):
        one.run.finish(step)
    one.cluster.sessions.append(FakeSession(block(step, ns_ipc=7)))
    one.run.reconnect()
    assert one.run.finish(step).facts == {"ns_ipc": 7}


def test_the_next_check_has_a_new_session_where_the_last_is_out_of_step() -> None:
    one = bench("SHM301", "first", status("first"))
    step = one.steps["who_first"]
    bad = connected(one, b"noise\n")
    with pytest.raises(Inconclusive, match="output is unusable"):
        one.run.finish(step)
    one.cluster.sessions.append(FakeSession(block(step, ns_ipc=7)))
    one.run.reconnect()
    assert bad.closed
    assert one.run.finish(step).facts == {"ns_ipc": 7}


def test_a_container_that_never_answers_does_not_use_up_the_time_of_the_others() -> None:
    """Each session without an answer takes the time of a step."""
    one = bench("SHM301", "first", status("first"))
    slow = Inconclusive(Reason.TIMEOUT, "no answer")
    connected(one, slow)
    for _again in range(5):
        one.cluster.sessions.append(FakeSession(slow))
        one.run.reconnect()
        with pytest.raises(Inconclusive, match="no answer"):
            one.run.finish(one.steps["who_first"])
    # the first, and one more
    assert len(one.cluster.commands) == 2


def test_a_container_that_does_not_run_is_not_connected_to() -> None:
    one = bench("SHM301", "first", WAITING)
    connected(one, Inconclusive(Reason.TIMEOUT, "no answer"))
    with pytest.raises(Inconclusive, match="no answer"):
        one.run.finish(one.steps["who_first"])
    one.run.reconnect()
    assert len(one.cluster.commands) == 1


def test_the_output_of_a_containers_own_command_is_its_log() -> None:
    one = bench("SHM201", "writer", status("writer"))
    one.cluster.logs = block(one.steps["write"], left=0)
    assert one.run.logged(one.steps["write"]).facts == {"left": 0}


# ------------------------------------------------------------------------------------------------ killed


def killed(one_reason: str, container_id: str = "run-1") -> list[dict[str, t.Any]]:
    """The pod before and after its container was killed and started again."""
    last = {"terminated": {"reason": one_reason, "containerID": container_id, "exitCode": 137}}
    return [
        status("tight", restarts=1, containerID="run-1"),
        status("tight", restarts=2, containerID="run-2", lastState=last),
    ]


def filling(*pods: dict[str, t.Any], broken: Inconclusive = BROKE, check: str = "SHM310") -> Bench:
    one = bench(check, "tight", *pods)
    connected(one, broken)
    return one


@pytest.mark.parametrize("reason", [Reason.EXEC_TRANSPORT, Reason.POD_FAILED])
def test_a_container_that_the_kernel_killed_answers_the_step(reason: Reason) -> None:
    one = filling(*killed("OOMKilled"), broken=Inconclusive(reason, "it ended"))
    session = one.run.session
    assert one.run.finish(one.steps["fill"]).facts == {"stopped_by": "OOMKilled"}
    assert (one.run.restarts, one.run.was_killed) == (2, True)
    assert t.cast("t.Any", session).closed
    # a container that the kubelet has still to start again is not connected to
    one.run.reconnect()
    assert one.run.problem is not None


@pytest.mark.parametrize(
    ("pods", "words"),
    [
        (killed("Error"), "the connection broke"),
        # an earlier run of the container
        (killed("OOMKilled", "run-0"), "the connection broke"),
        ([status("tight", containerID="run-1")], "the connection broke"),
    ],
)
def test_a_container_that_ended_for_another_reason_does_not(pods: list[dict[str, t.Any]], words: str) -> None:
    one = filling(*pods)
    with pytest.raises(Inconclusive, match=words):
        one.run.finish(one.steps["fill"])
    assert not one.run.was_killed


def test_only_a_step_that_is_expected_to_can_be_killed() -> None:
    one = filling(*killed("OOMKilled"), check="SHM312")
    assert not one.steps["fits"].step.may_be_oom_killed
    with pytest.raises(Inconclusive, match="the connection broke"):
        one.run.finish(one.steps["fits"])


def test_a_slow_step_is_not_taken_for_killed() -> None:
    one = filling(*killed("OOMKilled"), broken=Inconclusive(Reason.TIMEOUT, "no answer"))
    with pytest.raises(Inconclusive, match="no answer"):
        one.run.finish(one.steps["fill"])


# ------------------------------------------------------------------------------------------------- refusals


def test_what_says_nothing_of_a_policy_closes_no_target() -> None:
    """A webhook that gives no answer, or none to a dry run: else what a policy refuses later would be an error, not SKIP."""
    one = bench("SHM301", "first")
    silent = Inconclusive(Reason.WEBHOOK_FAILED, "it does not support dry run")
    policy = Inconclusive(Reason.ADMISSION_DENIED, "no")
    one.cluster.stored = silent
    # nothing is asked of what no policy refuses
    with pytest.raises(Inconclusive, match="dry run"):
        one.shared.fitted(META, one.pod.plan, silent)
    assert one.cluster.dry_runs == []
    # and what a policy refuses stays its refusal
    with pytest.raises(Inconclusive) as caught:
        one.shared.fitted(META, one.pod.plan, policy)
    assert (caught.value, one.shared.ways, len(one.cluster.dry_runs)) == (policy, {}, 1)
    one.cluster.stored = policy
    with pytest.raises(Inconclusive, match="no"):
        one.shared.fitted(META, one.pod.plan, policy)
    assert one.shared.ways == {META.target: None}
