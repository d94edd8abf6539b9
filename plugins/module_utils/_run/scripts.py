# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Steps -> a script per container, for pods whose containers run their steps themselves (pure)."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import SAMPLES
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Action, Container, ContainerKind
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import protocol
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import HOLD, LayoutPlan, PlannedStep

#: How much longer than its run (seconds) a script waits: it begins with its container, the run's time with the sessions.
_SLACK: t.Final = 30

#: What a line waits for: nothing, or only the grant of the run.
_NONE: t.Final = "none"
_RUN: t.Final = "run"


@dataclasses.dataclass(frozen=True)
class Line:
    """A step in a script: the request, its number among the steps of all containers, and what it waits for.

    :param after: the marks of other steps; none where only the run lets it begin.
    """

    step: PlannedStep
    number: int
    after: tuple[str, ...] | None

    def needs_grant(self, marks: t.AbstractSet[str]) -> bool:
        """Whether it begins only when the run grants its number: a mark that it waits for may never be there.

        :param marks: those that the run knows of.
        """
        return self.after is None or not marks >= set(self.after)

    @property
    def marks(self) -> set[str]:
        """What it leaves when it is done; one that was done never has to be waited for."""
        return {f"{self.number}.waits", f"{self.number}.done"}

    def text(self) -> str:
        """The line as the probe reads it."""
        after = _RUN if self.after is None else ",".join(self.after) or _NONE
        killed = "unless-killed" if self.step.step.skip_if_killed else "always"
        # the run ends no container that was killed
        killed = "ends" if self.step.name == Action.RESTART else killed
        return " ".join((str(self.number), after, killed, *protocol.argv(*self.step.request)))


#: By container: the lines that it runs itself.
Scripts: t.TypeAlias = "dict[Container, tuple[Line, ...]]"


def scripted(plan: LayoutPlan, seconds: int) -> tuple[LayoutPlan, Scripts]:
    """The layout with containers that run their steps themselves, and their scripts.

    :param seconds: how long the run takes at most, see :func:`command`.
    """
    found = scripts(plan.steps)

    def with_script(one: manifests.ContainerPlan) -> manifests.ContainerPlan:
        lines = found.get(one.container)
        return dataclasses.replace(one, command=command(lines, seconds)) if lines else one

    pods = tuple(
        dataclasses.replace(pod, containers=tuple(with_script(one) for one in pod.containers)) for pod in plan.pods
    )
    return dataclasses.replace(plan, pods=pods), found


def sampled(plan: LayoutPlan) -> LayoutPlan:
    """The dry runs of pods whose containers run their steps themselves: what such pods carry can be refused, too."""

    def with_script(one: manifests.ContainerPlan) -> manifests.ContainerPlan:
        return dataclasses.replace(one, command=("script",)) if one.command == HOLD else one

    pods = tuple(
        dataclasses.replace(pod, containers=tuple(map(with_script, pod.containers))) if sample.layout else pod
        for sample, pod in zip(SAMPLES, plan.pods, strict=True)
    )
    return dataclasses.replace(plan, pods=pods)


def command(lines: t.Iterable[Line], seconds: int) -> tuple[str, ...]:
    """The arguments of the probe in a container that has a script.

    :param seconds: how long the run takes at most; a little later the script ends by itself.
    """
    settings = (f"turns={manifests.TURNS}", f"grants={manifests.GRANTS}", f"deadline={seconds + _SLACK}")
    return ("script", *settings, *(line.text() for line in lines))


def scripts(steps: t.Iterable[PlannedStep]) -> Scripts:
    """The script of each container that waits for requests, in the order of the steps of all.

    A step waits for the marks of those before it. It waits for the run where there are none in its pod: after a step in another
    pod, and after an action. It waits for the run, too, where earlier answers decide whether it is taken, and where the container
    can end with it: its log goes, and the run must have read it.
    """
    lines: dict[Container, list[Line]] = {}
    #: what must have happened before the next step: marks, and in which pods; or nobody but the run knows it
    marks: list[str] = []
    pods: set[str] = set()
    only_run_knows = False
    blocking: list[str] = []
    for number, step in enumerate(steps, 1):
        if step.container.kind is ContainerKind.INIT:
            continue  # it ran before any script began
        if isinstance(step.name, Action) and step.name != Action.RESTART:
            only_run_knows = True
            continue
        here = step.container.pod
        pods.add(here)
        can_end = step.name == Action.RESTART or step.step.may_be_oom_killed
        after = None if only_run_knows or can_end or step.is_optional or pods != {here} else tuple(marks)
        lines.setdefault(step.container, []).append(Line(step, number, after))
        only_run_knows = step.name == Action.RESTART
        if step.step.blocks:
            blocking.append(f"{number}.done")
            marks = [f"{number}.waits"]
        else:
            marks, blocking = [f"{number}.done", *blocking], []
            pods = {here}
    return {container: tuple(script) for container, script in lines.items()}
