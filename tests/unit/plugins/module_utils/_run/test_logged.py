# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import json
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Step, Transport
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import logged, manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import PlannedStep
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._run.support import (
    Bench,
    bench,
    block,
    connected,
    status,
)

FORBIDDEN: t.Final = Inconclusive(Reason.FORBIDDEN, "cannot patch pods", "pod n/x")
NO_EXEC: t.Final = Inconclusive(Reason.EXEC_DENIED, "not here", "pod n/x")


def by_log(check: str, container: str) -> Bench:
    return bench(check, container, status(container), transport=Transport.LOG)


def granted(one: Bench) -> list[object]:
    assert all((name, subresource) == (one.pod.name, "") for name, subresource, _patch in one.cluster.patches)
    return [patch["metadata"]["annotations"][manifests.GRANT_ANNOTATION] for _name, _sub, patch in one.cluster.patches]


def test_a_step_that_begins_by_itself_is_only_read() -> None:
    one = by_log("SHM101", "first")
    first, create = one.steps["who_first"], one.steps["create"]
    # the peer's step and its answer are in the log of the peer
    session = connected(one, b"earlier\n" + block(first, uid=7), block(create, shmid=1))
    one.run.begin(first)
    assert one.run.finish(first).facts == {"uid": 7}
    t.cast("t.Any", one.run)._marks.add("2.done")
    one.run.begin(create)
    assert one.run.finish(create).facts == {"shmid": 1}
    assert granted(one) == []
    assert session.sent == []


def test_a_container_that_cannot_take_turns_says_so() -> None:
    one = by_log("SHM101", "first")
    step = one.steps["who_first"]
    whole = b"earlier\n" + block(step, uid=7)
    assert one.run.complete(whole, step.nonce) == len(whole)
    script = PlannedStep(Step("script", step.step.container, "script"), "", {})
    call = {"call": "open", "path": f"{manifests.TURNS}/1.begun", "flags": "O_CREAT", "result": -1, "errno": "EROFS"}
    # as the probe writes it
    output = block(script, lines=1) + json.dumps(call, separators=(",", ":")).encode() + b"\n"
    with pytest.raises(Inconclusive) as caught:
        one.run.complete(output, step.nonce)
    assert caught.value.reason is Reason.PREMISE_FAILED
    assert caught.value.detail.startswith("it cannot write whose turn it is to the pod's emptyDir (EROFS)")


def test_what_waits_for_an_answer_that_never_came_is_granted() -> None:
    one = by_log("SHM101", "first")
    connected(one, block(one.steps["create"], shmid=1))
    one.run.begin(one.steps["create"])
    assert one.run.finish(one.steps["create"]).facts == {"shmid": 1}
    assert granted(one) == ["3\n"]


def test_after_a_step_in_another_pod_the_run_grants() -> None:
    one = by_log("SHM501", "stranger")
    connected(one, block(one.steps["who_stranger"], uid=7))
    one.run.begin(one.steps["who_stranger"])
    assert granted(one) == ["2\n"]


def test_a_grant_that_the_kubelet_missed_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logged, "_AGAIN_SECONDS", 0)
    one = by_log("SHM501", "stranger")
    late = Inconclusive(Reason.TIMEOUT, "no answer of the probe within 0 s")
    connected(one, late, late, block(one.steps["who_stranger"], uid=7))
    one.run.begin(one.steps["who_stranger"])
    assert one.run.finish(one.steps["who_stranger"]).facts == {"uid": 7}
    assert granted(one) == ["2\n"] * 3
    # each differs from the one before: what is the same would change nothing
    assert len({str(patch) for _name, _sub, patch in one.cluster.patches}) == 3


def test_a_grant_that_is_never_shown_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logged, "_AGAIN_SECONDS", 0)
    monkeypatch.setattr(logged.LoggedRun, "seconds", lambda self: 0.2)
    one = by_log("SHM501", "stranger")
    connected(one, *itertools.repeat(Inconclusive(Reason.TIMEOUT, "no answer of the probe within 0 s"), 10**5))
    one.run.begin(one.steps["who_stranger"])
    with pytest.raises(Inconclusive) as caught:
        one.run.finish(one.steps["who_stranger"])
    assert caught.value.detail == "no answer of the probe within 0.2 s"


def test_a_step_that_was_not_granted_is_waited_for_as_long_as_ever() -> None:
    one = by_log("SHM101", "first")
    late = Inconclusive(Reason.TIMEOUT, "no answer of the probe within 0 s")
    connected(one, late)
    one.run.begin(one.steps["who_first"])
    with pytest.raises(Inconclusive) as caught:
        one.run.finish(one.steps["who_first"])
    assert caught.value.detail == "no answer of the probe within 16 s"
    assert granted(one) == []


def test_who_waits_for_the_run_has_the_time_of_a_kubelet() -> None:
    assert bench("SHM101", "first", step_timeout=5, start_timeout=3).run.seconds() == 8
    assert by_log("SHM101", "first").run.seconds() == 16
    assert bench("SHM101", "first", step_timeout=100, transport=Transport.LOG).run.seconds() <= 60


@pytest.mark.parametrize("refused", [FORBIDDEN, Inconclusive(Reason.LOGS_UNAVAILABLE, "cannot patch pods", "pod n/x")])
def test_without_exec_and_without_log_the_reason_is_that_of_the_exec(refused: Inconclusive) -> None:
    one = bench("SHM501", "stranger", status("stranger"), transport=Transport.LOG)
    one.shared.no_exec.append(NO_EXEC)
    one.cluster.sessions.append(refused)
    one.run.connect()
    assert one.run.problem
    assert one.run.problem.reason is Reason.EXEC_DENIED
    assert str(one.run.problem) == f"{one.run.subject}: not here; nor is its log a way: cannot patch pods"


@pytest.mark.parametrize(
    ("problem", "no_exec"),
    [(FORBIDDEN, ()), (Inconclusive(Reason.POD_GONE, "gone"), (NO_EXEC,))],
)
def test_another_problem_of_the_log_stays_what_it_is(problem: Inconclusive, no_exec: tuple[Inconclusive, ...]) -> None:
    one = by_log("SHM501", "stranger")
    one.shared.no_exec.extend(no_exec)
    connected(one)
    one.cluster.stored = problem
    with pytest.raises(Inconclusive) as caught:
        one.run.begin(one.steps["who_stranger"])
    assert caught.value is problem
