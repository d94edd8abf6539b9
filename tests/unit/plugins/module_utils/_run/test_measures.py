# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a proof are known before there is a pod: a script has them all. What kernels answer is in tests/contract."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Action, Container, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.measures import Measure, Planner, measures
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import PlannedStep
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.resized import Keeping
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.scripts import scripts
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import Uses
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.proof import (
    Form,
    Line,
    Meeting,
    Questions,
    Size,
    Sysctl,
)

NAMES: t.Final = ("a", "b", "c")
PLANNER: t.Final = Planner({name: Container(name) for name in NAMES}, step_timeout=5, max_write=64 * MIB)


class Probe:
    """Answers with what is in the facts, and remembers what it was asked."""

    def __init__(self, **facts: t.Any) -> None:
        self.facts = facts
        self.asked: list[PlannedStep] = []

    def __call__(self, step: PlannedStep) -> Observation:
        self.asked.append(step)
        nonces = [one.nonce for one in self.asked]
        facts = {"made": True, "attached": True, "sent": True, "peer_nonce": (nonces[-2:])[0], **self.facts}
        return Observation(step.name, step.nonce, facts, (), None)

    @property
    def steps(self) -> list[tuple[str, str]]:
        return [(step.container.name, step.name) for step in self.asked]


def asked(questions: Questions, **facts: t.Any) -> tuple[list[Line], list[tuple[str, str]]]:
    """The lines of the only part, and the steps that were taken; all of them are planned, in their order."""
    (measure,) = measures(questions, Form.FIXED, PLANNER)
    return run(measure, Probe(**facts))


def run(measure: Measure, probe: Probe) -> tuple[list[Line], list[tuple[str, str]]]:
    lines = measure.lines(probe)
    planned = [step.nonce for step in measure.steps]
    taken = [planned.index(step.nonce) for step in probe.asked]
    assert taken == sorted(taken)
    return lines, probe.steps


@pytest.mark.parametrize(
    ("uses", "steps"),
    [
        (Uses.DEV_SHM, [("a", "object_put"), ("b", "object_get"), ("a", "object_drop")]),
        (Uses.SYSV_SHM, [("a", "sysv_shm_create"), ("b", "sysv_shm_read"), ("a", "sysv_shm_finish")]),
        (Uses.POSIX_MQ, [("a", "mq_create"), ("a", "mq_send"), ("b", "mq_receive"), ("a", "mq_unlink")]),
    ],
)
def test_who_creates_who_looks_and_who_removes(uses: Uses, steps: list[tuple[str, str]]) -> None:
    lines, taken = asked(Questions(meetings=(Meeting(uses, ("a", "b")),)))
    assert taken == steps
    assert [line.verdict for line in lines] == [Verdict.PASS]


def test_the_first_container_meets_each_of_the_others() -> None:
    found = measures(Questions(meetings=(Meeting(Uses.DEV_SHM, NAMES),)), Form.AS_IS, PLANNER)
    assert [[step.container.name for step in one.steps] for one in found] == [["a", "b", "a"], ["a", "c", "a"]]


def filled(stopped_by: str, *sizes: int) -> tuple[list[Line], list[tuple[str, str]]]:
    least, busy, promised = (size * MIB for size in sizes)
    size = Size("a", "that it needs", least, busy, promised, Verdict.FAIL)
    return asked(Questions(sizes=(size,)), stopped_by=stopped_by, verified=True, written_bytes=0)


def test_what_is_not_there_is_not_looked_for_in_larger_stages() -> None:
    lines, taken = filled("ENOSPC", 8, 16, 32)
    assert (lines[0].verdict, taken) == (Verdict.FAIL, [("a", "fill")])
    lines, taken = filled("max", 8, 16, 32)
    assert (lines[0].words, taken) == ("a: 32Mi filled", [("a", "fill")] * 3)
    with pytest.raises(Inconclusive, match="64Mi of the 128Mi that it needs were filled"):
        filled("max", 8, 16, 128)


def test_a_stage_that_a_container_can_end_with_needs_the_run() -> None:
    questions = Questions(
        sizes=(Size("a", "x", MIB, 2 * MIB, 4 * MIB, Verdict.FAIL),),
        meetings=(Meeting(Uses.DEV_SHM, ("a", "b")),),
        sysctls=(Sysctl("b", "x", "kernel.sem", (1,)),),
        disks=("c",),
    )
    steps = [step for one in measures(questions, Form.FIXED, PLANNER) for step in one.steps]
    keeping = Keeping.planned(PLANNER, "a")
    found = scripts([*steps, *keeping.steps])
    lines = sorted((line for script in found.values() for line in script), key=lambda line: line.number)
    assert {container.name for container in found} == set(NAMES)
    by_run = [line.step.name for line in lines if line.after is None]
    # an object, a resize of memory, one of the volume, a restart: each is decided on, or looked at, by the run first
    assert by_run == ["fill"] * 3 + ["object_put", "identity", "identity", Action.RESTART, "identity"]
    assert [step.name for step in keeping.steps][1:6] == [
        "identity",
        Action.RESIZE,
        "identity",
        "object_get",
        "identity",
    ]
