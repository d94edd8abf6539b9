# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import itertools
import time
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID, CONTROLS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Check, Settings, Sizes, Transport
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import manifests, runner
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.logged import LoggedRun
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import PlannedStep, plan
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.runner import LayoutRun
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.session import (
    ContainerRun,
    Crowded,
    NoExec,
    PodRun,
    Shared,
)

from .support import FakeCluster, FakeWatch


def meta(runtime_class: str = "") -> manifests.RunMeta:
    return manifests.RunMeta("ff", "0", "default", "n", "amd64", "pause", "Never", runtime_class, (), {}, {}, 120)


def shared(cluster: t.Any = None) -> Shared:
    watch = t.cast("t.Any", FakeWatch())
    return Shared(cluster or t.cast("t.Any", FakeCluster()), Settings(), watch, 0.0, dry_run=False)


def layouts(together: Shared, *checks: Check) -> dict[str, t.Any]:
    """The layouts of some checks on one target, without a cluster."""
    nonces = (f"{number:032x}" for number in itertools.count())
    plans = plan(checks, Settings(), Sizes.of(Settings()), "ff", nonces)
    return {one.layout.name: LayoutRun(together, meta(), one) for one in plans}


def containers(layout: t.Any) -> dict[str, ContainerRun]:
    return {container.name: run for container, run in layout._containers.items()}


def test_an_answer_is_read_before_what_it_waits_in_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else semtimedop meets a semaphore that is gone (EINVAL), and an honest cluster fails SHM103."""
    (layout,) = layouts(shared(), BY_ID["SHM103"]).values()
    done: list[str] = []
    for name in ("begin", "finish"):
        monkeypatch.setattr(ContainerRun, name, lambda self, step, name=name: done.append(f"{name} {step.step.label}"))
    layout._run_check(layout._plan.checks[0])
    begun = done.index("begin create")
    assert done[begun:] == [
        "begin create",
        "finish create",
        "begin wait",
        "begin post",
        "finish post",
        "finish wait",
        "begin remove",
        "finish remove",
    ]


@pytest.mark.parametrize(("restarts", "last"), [(0, "drop"), (2, "again")])
def test_a_container_that_lives_removes_what_it_kept(monkeypatch: pytest.MonkeyPatch, restarts: int, last: str) -> None:
    """It can be the node's /dev/shm that it lies in."""
    (layout,) = layouts(shared(), BY_ID["SHM312"]).values()
    containers(layout)["tight"].restarts = restarts
    done: list[str] = []
    monkeypatch.setattr(LayoutRun, "_run_step", lambda self, step: done.append(step.step.label))
    layout._run_check(layout._plan.checks[0])
    assert done[-1] == last


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        (Reason.EXEC_TRANSPORT, ["second"]),
        (Reason.API_UNREACHABLE, ["second"]),
        (Reason.TIMEOUT, []),
        (Reason.POD_FAILED, []),
    ],
)
def test_a_session_lost_in_one_check_does_not_fail_the_next(
    monkeypatch: pytest.MonkeyPatch, reason: Reason, again: list[str]
) -> None:
    (layout,) = layouts(shared(), BY_ID["SHM104"], BY_ID["SHM106"]).values()
    connected: list[str] = []
    monkeypatch.setattr(ContainerRun, "connect", lambda self: connected.append(self.name))
    monkeypatch.setattr(LayoutRun, "_run_step", lambda self, step: None)
    for name in ("second", "guest"):
        containers(layout)[name].problem = Inconclusive(reason, "it broke")
    layout._run_check(layout._plan.checks[0])
    assert connected == again


def test_why_nobody_saw_a_pod_after_the_last_step_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API server that is lost deletes no pod."""
    cluster = FakeCluster()
    cluster.now = Inconclusive(Reason.API_UNREACHABLE, "refused")
    cluster.node = Inconclusive(Reason.API_UNREACHABLE, "refused")
    (layout,) = layouts(shared(cluster), BY_ID["SHM301"]).values()
    monkeypatch.setattr(ContainerRun, "connect", lambda self: None)
    monkeypatch.setattr(LayoutRun, "_run_checks", lambda self: None)
    layout._run_sessions()
    (why,) = layout._result.unseen.values()
    assert (why.reason, layout._result.after) == (Reason.API_UNREACHABLE, {})
    assert "it has not answered since" in why.detail


def test_a_container_that_was_killed_is_not_connected_to_again(monkeypatch: pytest.MonkeyPatch) -> None:
    (layout,) = layouts(shared(), BY_ID["SHM312"]).values()
    connected: list[str] = []
    monkeypatch.setattr(ContainerRun, "connect", lambda self: connected.append(self.name))
    tight = containers(layout)["tight"]
    tight.problem, tight.restarts = Inconclusive(Reason.EXEC_TRANSPORT, "it was killed"), 1
    tight.reconnect()
    assert connected == []
    tight.restarts = 0
    tight.reconnect()
    assert connected == ["tight"]


@pytest.mark.parametrize(
    ("requested", "given", "words"),
    [
        ("own-ipc", "own-ipc", ""),
        ("", "own-ipc", ""),
        ("own-ipc", "", "runtimeClassName own-ipc -> none"),
        ("own-ipc", "runc", "runtimeClassName own-ipc -> runc"),
    ],
)
def test_a_runtime_is_not_judged_by_the_answers_of_another(requested: str, given: str, words: str) -> None:
    pod = PodRun(shared(), meta(requested), t.cast("t.Any", type("Plan", (), {"name": "x"})))
    pod.stored = {"spec": {"runtimeClassName": given} if given else {}}
    if not words:
        pod.require_runtime_class()
        return
    with pytest.raises(Inconclusive, match=words) as caught:
        pod.require_runtime_class()
    assert caught.value.reason is Reason.PREMISE_FAILED


def test_once_a_control_has_no_answer_no_step_of_its_mechanism_runs_on_the_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What cannot be decided is not waited for, in no container of any pod."""
    ran: list[str] = []

    def answer(self: t.Any, step: PlannedStep) -> Observation:
        ran.append(next(one.check.id for one in self._plan.checks if step in one.steps))
        raise Inconclusive(Reason.TIMEOUT, "no answer of the probe within 13 s")

    monkeypatch.setattr(ContainerRun, "connect", lambda self: None)
    monkeypatch.setattr(LayoutRun, "_run_step", answer)
    together = shared(FakeCluster())
    on_target = layouts(together, *CONTROLS, BY_ID["SHM106"], BY_ID["SHM108"], BY_ID["SHM301"])
    on_target["control"]._run_sessions()
    ran.clear()
    on_target["pair"]._run_sessions()
    on_target["sidecar"]._run_sessions()
    # a size has no control
    assert set(ran) == {"SHM301"}
    answers = on_target["pair"]._result.answers["SHM106"]
    assert {str(answer) for answer in answers.values()} == {"no answer of the probe within 13 s"}


def test_a_check_without_an_answer_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def answer(self: t.Any, step: PlannedStep) -> Observation:
        check = next(one.check.id for one in self._plan.checks if step in one.steps)
        ran.append(check)
        if check == "SHM106":
            raise Inconclusive(Reason.TIMEOUT, "no answer of the probe within 13 s")
        return Observation(step.name, step.nonce, {}, (), None)

    monkeypatch.setattr(ContainerRun, "connect", lambda self: None)
    monkeypatch.setattr(LayoutRun, "_run_step", answer)
    cluster = FakeCluster()
    for layout in layouts(shared(cluster), *CONTROLS, BY_ID["SHM106"], BY_ID["SHM108"]).values():
        layout._run_sessions()
    assert set(ran) == {*(control.id for control in CONTROLS if control.steps), "SHM106", "SHM108"}


LOST: t.Final = Inconclusive(Reason.CONTAINER_START, "boom")


def running(
    monkeypatch: pytest.MonkeyPatch,
    await_start: t.Callable[[PodRun], t.Any],
    create: t.Callable[[PodRun], None] | None = None,
    await_place: t.Callable[[PodRun], None] = lambda pod: None,
) -> dict[str, dict[str, t.Any]]:
    """What checks of the layout of two pods are answered, whose pods start as the test says."""

    def created(pod: PodRun) -> None:
        pod.stored = pod.requested = {"metadata": {"name": pod.name}, "spec": {}}
        if create:
            create(pod)

    monkeypatch.setattr(PodRun, "create", created)
    monkeypatch.setattr(PodRun, "await_place", await_place)
    monkeypatch.setattr(PodRun, "await_start", lambda self, is_alone: await_start(self))
    monkeypatch.setattr(ContainerRun, "connect", lambda self: None)
    monkeypatch.setattr(LayoutRun, "_run_step", lambda self, step: Observation(step.name, step.nonce, {}, (), None))
    together = shared()
    together.until = time.monotonic() + 60
    # two containers of the first pod; the first pod and the other; one container of the first pod
    (layout,) = layouts(together, BY_ID["SHM104"], BY_ID["SHM501"], BY_ID["SHM301"]).values()
    return t.cast("dict[str, dict[str, t.Any]]", layout.run().answers)


def lost(answers: dict[str, dict[str, t.Any]]) -> set[str]:
    return {check for check, steps in answers.items() if LOST in steps.values()}


def test_a_container_that_does_not_start_costs_the_checks_that_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(pod: PodRun) -> t.Any:
        return {one.container: LOST for one in pod.plan.containers if one.name == "second"}

    answers = running(monkeypatch, start)
    assert lost(answers) == {"SHM104"}
    assert len(answers) == 3


def failing(*roles: str) -> t.Callable[[PodRun], t.Any]:
    def fail(pod: PodRun) -> t.Any:
        if pod.plan.role in roles:
            raise LOST
        return {}

    return fail


@pytest.mark.parametrize("when", ["create", "start"])
@pytest.mark.parametrize(
    ("roles", "wanted"),
    [
        (["other"], {"SHM501"}),
        (["pair"], {"SHM104", "SHM501", "SHM301"}),
        (["pair", "other"], {"SHM104", "SHM501", "SHM301"}),
    ],
)
def test_a_pod_that_fails_costs_the_checks_that_need_it(
    monkeypatch: pytest.MonkeyPatch, roles: list[str], wanted: set[str], when: str
) -> None:
    fails = failing(*roles)
    answers = running(monkeypatch, failing(), fails) if when == "create" else running(monkeypatch, fails)
    assert lost(answers) == wanted
    assert len(answers) == 3


def test_the_larger_pod_of_a_layout_is_created_first_and_waits_as_long_as_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[tuple[str, bool]] = []
    running(monkeypatch, failing(), lambda pod: order.append((pod.plan.role, pod.patience < 10)))
    assert order == [("pair", False), ("other", True)]


@pytest.mark.parametrize("when", ["create", "place", "start"])
def test_a_layout_that_has_part_of_its_room_leaves_it_to_others_and_begins_again(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Else two runs wait for what the other one has, until the time of one is up."""
    monkeypatch.setattr(runner, "_AWAY_SECONDS", (0, 0))
    deleted: list[str] = []
    monkeypatch.setattr(PodRun, "delete", lambda self: deleted.append(self.name))

    def crowded(pod: PodRun) -> t.Any:
        if pod.name.endswith(("-other", "-other-2")):
            raise Crowded
        return {}

    never = failing()
    on = {"create": never, "place": never, "start": never, when: crowded}
    answers = running(monkeypatch, on["start"], on["create"], on["place"])
    assert lost(answers) == set()
    assert len(answers) == 3
    assert deleted[-2:] == ["podshm-ff-0-pair-3", "podshm-ff-0-other-3"]
    assert {"podshm-ff-0-pair", "podshm-ff-0-pair-2"} < set(deleted)


def test_a_run_that_ends_creates_no_pod_again(monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[str] = []

    def crowded(pod: PodRun) -> t.Any:
        created.append(pod.name)
        pod.shared.stopping.set()
        raise Crowded

    answers = running(monkeypatch, failing(), crowded)
    assert created == ["podshm-ff-0-pair"]
    assert {answer.reason for steps in answers.values() for answer in steps.values()} == {Reason.INTERRUPTED}


def test_a_pod_with_another_runtime_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def require(pod: PodRun) -> None:
        if pod.plan.role == "other":
            raise LOST

    monkeypatch.setattr(PodRun, "require_runtime_class", require)
    awaited: list[str] = []

    def start(pod: PodRun) -> t.Any:
        awaited.append(pod.plan.role)
        return {}

    answers = running(monkeypatch, start)
    assert awaited == ["pair"]
    assert lost(answers) == {"SHM501"}


def test_where_nothing_can_be_execd_another_way_is_taken() -> None:
    together = shared()
    (by_exec,) = layouts(together, BY_ID["SHM101"]).values()
    refused(by_exec, together)
    with pytest.raises(NoExec):
        by_exec._run_sessions()
    # where the log is no way either, there is no third
    (by_log,) = layouts(together, BY_ID["SHM101"]).values()
    refused(by_log, together)
    by_log._run_sessions()
    answers = by_log._result.answers["SHM101"].values()
    assert {str(answer.reason) for answer in answers if isinstance(answer, Inconclusive)} == {"ExecForbidden"}


def refused(layout: t.Any, together: Shared) -> None:
    """Let every way into its containers be refused."""
    problem = Inconclusive(Reason.EXEC_FORBIDDEN, "no")
    together.until = time.monotonic() + 60
    t.cast("t.Any", together.cluster).sessions = [problem] * len(containers(layout))


def test_another_way_means_other_pods() -> None:
    together = shared()
    (by_exec,) = layouts(together, BY_ID["SHM101"]).values()
    together.no_exec.append(Inconclusive(Reason.EXEC_DENIED, "no"))
    (by_log,) = layouts(together, BY_ID["SHM101"]).values()
    assert {type(one) for one in containers(by_exec).values()} == {ContainerRun}
    assert {type(one) for one in containers(by_log).values()} == {LoggedRun}
    assert [pod.name for pod in by_log._pods] == [f"{pod.name}-log" for pod in by_exec._pods]


class NoDownwardApi(FakeCluster):
    """A policy that refuses downwardAPI volumes."""

    def create(self, manifest: dict[str, t.Any], dry_run: bool) -> dict[str, t.Any]:
        if any("downwardAPI" in volume for volume in manifest["spec"]["volumes"]):
            raise Inconclusive(Reason.ADMISSION_DENIED, "no downwardAPI")
        return super().create(manifest, dry_run)


def test_a_dry_run_is_of_pods_as_they_go_without_exec() -> None:
    for transport, refused in ((Transport.AUTO, set()), (Transport.LOG, {"pair", "volumes", "control"})):
        together = shared(NoDownwardApi())
        together.settings = dataclasses.replace(together.settings, transport=transport)
        together.until = time.monotonic() + 60
        (layout,) = layouts(together, BY_ID["SHM607"]).values()
        answers = layout.run().answers["SHM607"]
        found = {role for role, answer in answers.items() if not answer.facts["admitted"]}
        assert refused <= found
        assert all(answers[role].facts["by_log"] for role in found)
        assert not found & {"volume-on-dev-shm", "relaxed", "complete"}
