# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Checks -> pods and steps (pure)."""

from __future__ import annotations

import collections.abc
import dataclasses
import itertools
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import CHECKS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import LAYOUTS, SAMPLES
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    BEYOND,
    FILL,
    SMALL,
    Action,
    Check,
    Container,
    ContainerKind,
    Inputs,
    Layout,
    Pod,
    Settings,
    Sizes,
    Step,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import protocol
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.manifests import ContainerPlan, PodPlan

#: The step of the probe that a restart begins with.
_END: t.Final = "end"

#: The command of a container that waits for steps.
HOLD: t.Final = ("hold",)


@dataclasses.dataclass(frozen=True)
class PlannedStep:
    """A step with its nonce, its arguments and its deadline filled in.

    :param is_optional: earlier answers decide whether the run takes it.
    """

    step: Step
    nonce: str
    args: t.Mapping[str, protocol.Scalar]
    is_optional: bool = False

    @property
    def name(self) -> str:
        """The name of the probe's step, or an action."""
        return self.step.name

    @property
    def container(self) -> Container:
        """Where it runs."""
        return self.step.container

    @property
    def request(self) -> tuple[str, str, t.Mapping[str, protocol.Scalar]]:
        """What the probe does of it: the step's name there, the nonce and the arguments."""
        if self.name == Action.RESTART:
            return _END, self.nonce, {}
        return self.name, self.nonce, self.args


@dataclasses.dataclass(frozen=True)
class PlannedCheck:
    """The steps of one check, in order."""

    check: Check
    steps: tuple[PlannedStep, ...]


@dataclasses.dataclass(frozen=True)
class LayoutPlan:
    """The pods of one layout and the checks that run in them, in order."""

    layout: Layout
    pods: tuple[PodPlan, ...]
    checks: tuple[PlannedCheck, ...]

    @property
    def has_sessions(self) -> bool:
        """Whether its containers wait for steps; otherwise they are not created, or have one as their command."""
        return not (self.layout.dry_run_only or self.layout.runs_to_completion)

    @property
    def steps(self) -> list[PlannedStep]:
        """The steps of all checks, in order."""
        return [step for check in self.checks for step in check.steps]


#: CPU of a container that writes little. Less would throttle the runtime itself while it starts the container.
_LIGHT_MILLIS: t.Final = 100


def plan(
    checks: t.Sequence[Check],
    settings: Settings,
    sizes: Sizes,
    scope: str,
    nonces: collections.abc.Iterator[str],
) -> tuple[LayoutPlan, ...]:
    """The layouts that answer the checks, with the pods and containers that a step names.

    :param scope: of a run on one target, in hexadecimal digits: what keys and names are made of.
    :param nonces: fresh random nonces, one is taken per step.
    """
    layouts = []
    for layout in LAYOUTS:
        planned = []
        for check in checks:
            if check.layout is layout and check.is_enabled(settings):
                inputs = Inputs.of(scope, check.id, sizes)
                steps = tuple(
                    PlannedStep(step, next(nonces), _arguments(step, inputs, settings))
                    for step in check.steps
                    if settings.fill or step.name != FILL
                )
                if steps:
                    planned.append(PlannedCheck(check, steps))
        if planned:
            pods = _samples(settings, sizes, scope) if layout.dry_run_only else _pods(layout, planned, settings, sizes)
            layouts.append(LayoutPlan(layout, tuple(pods), tuple(planned)))
    return tuple(layouts)


#: Of steps that no container takes.
_NO_NONCE: t.Final = "0" * 32


def _samples(settings: Settings, sizes: Sizes, scope: str) -> collections.abc.Iterator[PodPlan]:
    """Every pod that the whole catalog would create, for dry runs."""
    every = plan(
        [check for check in CHECKS if not check.layout.dry_run_only],
        # what needs an option is admitted with it
        dataclasses.replace(settings, restart_kubelet=("true",)),
        sizes,
        scope,
        itertools.repeat(_NO_NONCE),
    )
    planned = {one.layout: one.checks for one in every}
    for sample in SAMPLES:
        steps: dict[Container, list[PlannedStep]] = {}
        for check in planned.get(sample.layout, ()) if sample.layout else ():
            for step in check.steps:
                steps.setdefault(step.container, []).append(step)
        completes = sample.layout is not None and sample.layout.runs_to_completion
        yield _pod(f"admit-{sample.role}", sample.pod, sample.containers, steps, completes, settings, sizes)


def _arguments(step: Step, inputs: Inputs, settings: Settings) -> dict[str, protocol.Scalar]:
    args = step.arguments(inputs)
    return dict(args) if isinstance(step.name, Action) else {"deadline": settings.step_timeout * 1000, **args}


def _pods(
    layout: Layout, planned: t.Sequence[PlannedCheck], settings: Settings, sizes: Sizes
) -> collections.abc.Iterator[PodPlan]:
    steps: dict[Container, list[PlannedStep]] = {}
    for check in planned:
        for step in check.steps:
            steps.setdefault(step.container, []).append(step)
    for pod in layout.pods:
        here = [container for container in layout.containers if container.pod == pod.role]
        used = [container for container in here if container in steps]
        if not used:
            continue
        # an ephemeral container needs a pod that it is added to
        if all(container.kind is not ContainerKind.MAIN for container in used):
            mains = [container for container in here if container.kind is ContainerKind.MAIN]
            used.append(mains[0])
        yield _pod(pod.role or layout.name, pod, used, steps, layout.runs_to_completion, settings, sizes)


def _pod(
    role: str,
    pod: Pod,
    containers: t.Sequence[Container],
    steps: t.Mapping[Container, t.Sequence[PlannedStep]],
    completes: bool,
    settings: Settings,
    sizes: Sizes,
) -> PodPlan:
    volumes = dict.fromkeys(mount.volume for container in containers for mount in container.mounts)
    return PodPlan(
        role=role,
        options=pod.options,
        containers=tuple(_container(one, steps.get(one, ()), completes, settings, sizes) for one in containers),
        volumes=tuple((one, one.size_limit(sizes) if one.size_limit else None) for one in volumes),
        sysctls=tuple((name, str(value(sizes))) for name, value in pod.options.sysctls),
    )


def _container(
    container: Container, steps: t.Sequence[PlannedStep], completes: bool, settings: Settings, sizes: Sizes
) -> ContainerPlan:
    command: tuple[str, ...] = HOLD
    if completes or container.kind is ContainerKind.INIT:
        (step,) = steps
        command = tuple(protocol.argv(step.name, step.nonce, step.args))
    writes = max((step.step.writes(sizes) for step in steps if step.step.writes), default=0)
    room = container.memory(sizes) if container.memory else 0
    light = writes <= SMALL + BEYOND
    storage = settings.additions.ephemeral_storage_bytes
    return ContainerPlan(
        container,
        command,
        memory_bytes=settings.memory_bytes + max(writes, room),
        cpu_millis=min(_LIGHT_MILLIS, settings.cpu_millis) if light else settings.cpu_millis,
        ephemeral_storage_bytes=storage and storage + _on_disk(container, sizes),
    )


def _on_disk(container: Container, sizes: Sizes) -> int:
    """What the volumes of a container hold on the node's disk, in bytes; the kubelet counts it for the pod."""
    volumes = {mount.volume for mount in container.mounts if not (mount.volume.host_path or mount.volume.medium)}
    return sum(volume.size_limit(sizes) for volume in volumes if volume.size_limit)
