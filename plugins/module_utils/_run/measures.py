# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What a proof measures -> its steps, all known before there is a pod, and what their answers say (pure)."""

from __future__ import annotations

import collections.abc
import dataclasses
import secrets
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import FILL, SHM, Container, Step, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation, Scalar
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import PlannedStep
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import proof
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import Uses, rounded_text
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.proof import Form, Line, Questions

#: What a step of the probe observes in its container.
Ask: t.TypeAlias = collections.abc.Callable[[PlannedStep], Observation]

_TEXT: t.Final = "proof"


@dataclasses.dataclass(frozen=True)
class Planner:
    """Plans the steps of a proof.

    :param containers: of its pod, by name.
    :param step_timeout: how long a step takes at most, in seconds.
    :param max_write: how much is written at most, in bytes.
    """

    containers: t.Mapping[str, Container]
    step_timeout: int
    max_write: int

    def step(
        self, container: str, name: str, args: t.Mapping[str, Scalar] | None = None, may_end: bool = False
    ) -> PlannedStep:
        """A step of the probe.

        :param may_end: whether the container can be killed for it, which is an answer.
        """
        step = Step(name, self.containers[container], name, may_be_oom_killed=may_end)
        return PlannedStep(step, secrets.token_hex(16), {"deadline": self.step_timeout * 1000, **(args or {})})

    def action(self, container: str, name: str) -> PlannedStep:
        """A step that the run itself does."""
        return PlannedStep(Step(name, self.containers[container], name), secrets.token_hex(16), {})


@dataclasses.dataclass(frozen=True)
class Measure:
    """A part of a proof.

    :param steps: in the order in which they are taken; not all of them need be.
    :param lines: what it says; lets the steps be taken.
    """

    steps: tuple[PlannedStep, ...]
    lines: collections.abc.Callable[[Ask], list[Line]]


def measures(questions: Questions, form: Form, planner: Planner) -> list[Measure]:
    """What shares, what the kernel allows, and last what fills memory, which can end a container."""
    with_sysctls = dict.fromkeys(one.container for one in questions.sysctls)
    return [
        *(
            _meeting(planner, one, one.containers[0], other)
            for one in questions.meetings
            for other in one.containers[1:]
        ),
        *(_sysctls(planner, questions, container) for container in with_sysctls),
        *(_on_disk(planner, container) for container in questions.disks),
        *(_filling(planner, size, size.stages(form)) for size in questions.sizes),
    ]


def _meeting(planner: Planner, meeting: proof.Meeting, one: str, other: str) -> Measure:
    """A container creates something, and another looks for it."""
    name, key = f"/podshm-{secrets.token_hex(6)}", f"0x5a{secrets.token_hex(3)}"
    steps: tuple[PlannedStep, ...]
    if meeting.uses is Uses.DEV_SHM:
        steps = (
            planner.step(one, "object_put", {"name": name, "mode": "0666", "text": _TEXT}),
            planner.step(other, "object_get", {"name": name, "write": 1}),
            planner.step(one, "object_drop", {"name": name}),
        )
    elif meeting.uses is Uses.POSIX_MQ:
        steps = (
            planner.step(one, "mq_create", {"name": name}),
            planner.step(one, "mq_send", {"name": name, "text": _TEXT}),
            planner.step(other, "mq_receive", {"name": name}),
            planner.step(one, "mq_unlink", {"name": name}),
        )
    else:
        # where all have to be one user, segments are open to this one alone (X11's clients)
        mode = "0600" if meeting.writes else "0666"
        steps = (
            planner.step(one, "sysv_shm_create", {"key": key, "size": 512, "mode": mode, "text": _TEXT}),
            planner.step(other, "sysv_shm_read", {"key": key}),
            planner.step(one, "sysv_shm_finish"),
        )

    def lines(ask: Ask) -> list[Line]:
        *_created, put, got, _removed = [ask(step) for step in steps]
        return [proof.met(meeting, one, other, put, got)]

    return Measure(steps, lines)


def _sysctls(planner: Planner, questions: Questions, container: str) -> Measure:
    step = planner.step(container, "sysctls")
    wanted = [one for one in questions.sysctls if one.container == container]

    def lines(ask: Ask) -> list[Line]:
        seen = ask(step)
        return [proof.held(one, seen) for one in wanted]

    return Measure((step,), lines)


def _on_disk(planner: Planner, container: str) -> Measure:
    step = planner.step(container, "identity", {"path": SHM})
    return Measure((step,), lambda ask: [proof.on_disk(container, ask(step))])


def _filling(planner: Planner, size: proof.Size, stages: t.Sequence[int]) -> Measure:
    """Write as much as is needed: the least, then what is needed under load, then what the fix promises."""
    most = planner.max_write
    steps = tuple(
        planner.step(size.container, FILL, {"path": SHM, "max": min(wanted, most)}, may_end=True) for wanted in stages
    )

    def lines(ask: Ask) -> list[Line]:
        line: Line | None = None
        for wanted, step in zip(stages, steps, strict=True):
            line = proof.sized(size, wanted, ask(step))
            if line.verdict is Verdict.PASS and wanted > most:
                words = f"{rounded_text(most)} of the {rounded_text(wanted)} {size.who} were filled, and no more is (option max_write)"
                raise Inconclusive(Reason.NOT_REQUESTED, words, f"container {size.container}")
            if line.verdict is not Verdict.PASS:
                break
        return [line] if line else []

    return Measure(steps, lines)
