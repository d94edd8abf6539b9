# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Whether /dev/shm of a workload's container outlives what its owner does to it: a resize in place, a restart."""

from __future__ import annotations

import collections.abc
import dataclasses
import secrets
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import SHM, Action, Step, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation, Scalar
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import actions, pod_status
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import PlannedStep
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.session import ContainerRun
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import proof
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import rounded_text
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.proof import Line

#: What a step of the probe observes in the container.
Ask: t.TypeAlias = collections.abc.Callable[[str, t.Mapping[str, Scalar]], Observation]


@dataclasses.dataclass(frozen=True)
class Keeping:
    """An object in /dev/shm of a container, and what becomes of it."""

    container: ContainerRun
    ask: Ask

    def lines(self) -> list[Line]:
        """Resize the memory, resize the volume, restart the container; what is refused costs itself alone."""
        name = f"/podshm-{secrets.token_hex(6)}"
        put = self.ask("object_put", {"name": name, "keep": 1, "text": "proof"})
        try:
            found = []
            for act in (self._memory, self._volume, self._restart):
                try:
                    found += act(name, put)
                except Inconclusive as problem:
                    found.append(proof.refused(problem))
            return found
        finally:
            self.ask("object_drop", {"name": name})

    def _where(self) -> Observation:
        return self.ask("identity", {"path": SHM})

    def _kept(self, what: str, name: str, put: Observation, before: Observation) -> tuple[Line, Observation]:
        after = self._where()
        return proof.kept(what, put, self.ask("object_get", {"name": name}), before, after), after

    def _memory(self, name: str, put: Observation) -> list[Line]:
        pod = self.container.pod
        growth = proof.growth(pod.stored["spec"], self.container.name)
        if growth is None:
            return []
        before, restarts = self._where(), pod_status.restarts(pod.latest(), growth.container) + growth.restarts
        pod.shared.cluster.patch(pod.name, "resize", growth.patch)
        pod.require(
            lambda now: (
                pod_status.resized(now, growth.container, growth.after)
                and pod_status.running(now, growth.container, restarts)
            ),
            "the kubelet did not finish the resize",
        )
        if growth.restarts:
            self.container.close()
            self.container.connect()
        line, after = self._kept(str(growth), name, put, before)
        return [proof.resized(growth, line, before, after)]

    def _volume(self, name: str, put: Observation) -> list[Line]:
        volume = proof.volume_of(self.container.pod.stored["spec"], self.container.name)
        if volume is None:
            return []
        before, size = self._where(), 2 * volume[1]
        try:
            actions.resize_volume(self.container, self._step(Action.RESIZE_VOLUME, {"volume": volume[0], "size": size}))
        except Inconclusive as problem:
            if problem.reason not in (Reason.FEATURE_GATE_OFF, Reason.INFEASIBLE):
                raise
            words = f"sizeLimit cannot change in place here ({problem.reason}): a changed template replaces the pod"
            return [Line(Verdict.SKIP, f"{words}, and what is in /dev/shm")]
        return [self._kept(f"sizeLimit {rounded_text(size)}", name, put, before)[0]]

    def _restart(self, name: str, put: Observation) -> list[Line]:
        if self.container.pod.stored["spec"].get("shareProcessNamespace"):
            return [
                Line(
                    Verdict.SKIP,
                    "no container was restarted: with shareProcessNamespace, none has a process 1 of its own",
                )
            ]
        before = self._where()
        actions.restart(self.container, self._step(Action.RESTART, {}))
        return [self._kept("a restart of the container", name, put, before)[0]]

    def _step(self, name: str, args: t.Mapping[str, Scalar]) -> PlannedStep:
        return PlannedStep(Step(name, self.container.plan.container, name), secrets.token_hex(16), args)
