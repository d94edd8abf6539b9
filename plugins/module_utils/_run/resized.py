# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Whether /dev/shm of a workload's container outlives what its owner does to it: a resize in place, a restart."""

from __future__ import annotations

import dataclasses
import secrets

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import SHM, Action, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import actions, pod_status
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.measures import Ask, Planner
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import PlannedStep
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.session import ContainerRun
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import proof
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import rounded_text
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.proof import Line


@dataclasses.dataclass(frozen=True)
class Act:
    """Something that is done to a container.

    :param where, after: the steps that say what is mounted, before and after it; C(get) reads the object.
    """

    where: PlannedStep
    do: PlannedStep
    after: PlannedStep
    get: PlannedStep

    @classmethod
    def planned(cls, planner: Planner, container: str, action: Action, name: str) -> Act:
        """An act on a container that has an object of a name."""
        return cls(
            planner.step(container, "identity", {"path": SHM}),
            planner.action(container, action),
            planner.step(container, "identity", {"path": SHM}),
            planner.step(container, "object_get", {"name": name}),
        )

    @property
    def steps(self) -> tuple[PlannedStep, ...]:
        """In order."""
        return self.where, self.do, self.after, self.get

    def kept(self, what: str, ask: Ask, put: Observation, before: Observation) -> tuple[Line, Observation]:
        """What became of the object and of what is mounted, and where that is."""
        after = ask(self.after)
        return proof.kept(what, put, ask(self.get), before, after), after


@dataclasses.dataclass(frozen=True)
class Keeping:
    """An object in /dev/shm of a container, and what becomes of it.

    :param container: the name of the container.
    """

    container: str
    put: PlannedStep
    memory: Act
    volume: Act
    restart: Act
    drop: PlannedStep

    @classmethod
    def planned(cls, planner: Planner, container: str) -> Keeping:
        """What is done to a container, if it has what it needs."""
        name = f"/podshm-{secrets.token_hex(6)}"
        put = planner.step(container, "object_put", {"name": name, "keep": 1, "text": "proof"})
        return cls(
            container,
            dataclasses.replace(put, is_optional=True),
            memory=Act.planned(planner, container, Action.RESIZE, name),
            volume=Act.planned(planner, container, Action.RESIZE_VOLUME, name),
            restart=Act.planned(planner, container, Action.RESTART, name),
            drop=planner.step(container, "object_drop", {"name": name}),
        )

    @property
    def steps(self) -> tuple[PlannedStep, ...]:
        """In order."""
        return self.put, *self.memory.steps, *self.volume.steps, *self.restart.steps, self.drop

    def lines(self, run: ContainerRun, ask: Ask) -> list[Line]:
        """Resize the memory, resize the volume, restart the container; what is refused costs itself alone."""
        put = ask(self.put)
        try:
            found = []
            for act in (self._memory, self._volume, self._restart):
                try:
                    found += act(run, ask, put)
                except Inconclusive as problem:
                    found.append(proof.refused(problem))
            return found
        finally:
            ask(self.drop)

    def _memory(self, run: ContainerRun, ask: Ask, put: Observation) -> list[Line]:
        pod, act = run.pod, self.memory
        growth = proof.growth(pod.stored["spec"], self.container)
        if growth is None:
            return []
        before, restarts = ask(act.where), pod_status.restarts(pod.latest(), growth.container) + growth.restarts
        pod.shared.cluster.patch(pod.name, "resize", growth.patch)
        pod.require(
            lambda now: (
                pod_status.resized(now, growth.container, growth.after)
                and pod_status.running(now, growth.container, restarts)
            ),
            "the kubelet did not finish the resize",
        )
        if growth.restarts:
            run.close()
            run.connect()
        line, after = act.kept(str(growth), ask, put, before)
        return [proof.resized(growth, line, before, after)]

    def _volume(self, run: ContainerRun, ask: Ask, put: Observation) -> list[Line]:
        volume, act = proof.volume_of(run.pod.stored["spec"], self.container), self.volume
        if volume is None:
            return []
        before, size = ask(act.where), 2 * volume[1]
        try:
            actions.resize_volume(run, dataclasses.replace(act.do, args={"volume": volume[0], "size": size}))
        except Inconclusive as problem:
            if problem.reason not in (Reason.FEATURE_GATE_OFF, Reason.INFEASIBLE):
                raise
            words = f"sizeLimit cannot change in place here ({problem.reason}): a changed template replaces the pod"
            return [Line(Verdict.SKIP, f"{words}, and what is in /dev/shm")]
        return [act.kept(f"sizeLimit {rounded_text(size)}", ask, put, before)[0]]

    def _restart(self, run: ContainerRun, ask: Ask, put: Observation) -> list[Line]:
        if run.pod.stored["spec"].get("shareProcessNamespace"):
            return [
                Line(
                    Verdict.SKIP,
                    "no container was restarted: with shareProcessNamespace, none has a process 1 of its own",
                )
            ]
        before = ask(self.restart.where)
        actions.restart(run, self.restart.do)
        return [self.restart.kept("a restart of the container", ask, put, before)[0]]
