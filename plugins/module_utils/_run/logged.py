# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""A container that runs its steps itself: the run grants what needs it, and reads the answers in the log."""

from __future__ import annotations

import collections.abc
import re
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.exec import Session
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Container
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import protocol
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import PlannedStep
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.scripts import Line, Scripts
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.session import ContainerRun, PodRun

#: Reasons of an account that may not read the log, or not grant a step.
_REFUSED: t.Final = (Reason.FORBIDDEN, Reason.LOGS_UNAVAILABLE)

#: A kubelet shows a grant within about a second, unless it missed that the pod has changed: after so many seconds it is
#: written again. By itself the kubelet looks once in about a minute.
_AGAIN_SECONDS: t.Final = 5

#: What a script writes last that cannot create a mark.
_NO_MARK: t.Final = re.compile(rb'"call":"open","path":"%s/[^\n]*"errno":"(\w+)"' % manifests.TURNS.encode("ascii"))

T = t.TypeVar("T")


class LoggedRun(ContainerRun):
    """A container with a script.

    :param lines: of the script.
    :param marks: what the run knows to be done in the pod, shared by its containers.
    """

    def __init__(self, pod: PodRun, plan: manifests.ContainerPlan, lines: t.Sequence[Line], marks: set[str]) -> None:
        super().__init__(pod, plan)
        self._lines = {line.step.nonce: line for line in lines}
        self._marks = marks
        #: the step that was granted last, while its answer is waited for; and how often it was
        self._granted: int | None = None
        self._times = 0

    def open(self) -> Session:
        """The log from its start."""
        try:
            return self.shared.cluster.follow_log(self.pod.name, self.name, self.shared.remaining())
        except Inconclusive as problem:
            raise self._explained(problem) from None

    def seconds(self) -> float:
        """How long to wait for the probe: the kubelet of a busy node takes its time to show a grant."""
        return min(super().seconds() + self.shared.settings.start_timeout, self.shared.remaining())

    def send(self, _session: Session, step: PlannedStep) -> None:
        """Grant a step that does not begin by itself."""
        line = self._lines[step.nonce]
        self._granted = line.number if line.needs_grant(self._marks) else None
        if self._granted is not None:
            self._grant(self._granted)

    def _grant(self, number: int) -> None:
        self._times += 1
        try:
            self.shared.cluster.patch(self.pod.name, "", manifests.grant_patch(number, self._times))
        except Inconclusive as problem:
            raise self._explained(problem) from None

    def patiently(self, wait: collections.abc.Callable[[float], T]) -> T:
        """What a wait for the probe returns. A grant is written again until the step answers."""
        seconds = self.seconds()
        until = time.monotonic() + seconds
        turn = seconds if self._granted is None else _AGAIN_SECONDS
        while True:
            try:
                return wait(max(0.0, min(turn, until - time.monotonic())))
            except Inconclusive as problem:
                if problem.reason is not Reason.TIMEOUT:
                    raise
            if self._granted is None or time.monotonic() >= until:
                raise Inconclusive(Reason.TIMEOUT, f"no answer of the probe within {seconds:.3g} s", self.subject)
            self._grant(self._granted)

    def read(self, session: Session, step: PlannedStep) -> Observation:
        """Read the answer of a step, wherever it stands in the log."""
        found = super().read(session, step)
        self._marks |= self._lines[step.nonce].marks
        return found

    def complete(self, data: bytes, nonce: str) -> int | None:
        """Where the answer to a step ends in the log so far.

        :raises Inconclusive: PremiseFailed, the script ended as it cannot take turns.
        """
        refused = _NO_MARK.search(data)
        if refused:
            words = f"it cannot write whose turn it is to the pod's emptyDir ({refused[1].decode('ascii')}), as steps by log need"
            raise Inconclusive(Reason.PREMISE_FAILED, words, self.subject)
        return super().complete(data, nonce)

    def parsed(self, answer: bytes, step: PlannedStep) -> Observation:
        """The observation in the last block of the log so far."""
        return super().parsed(protocol.last_block(answer), step)

    def _explained(self, problem: Inconclusive) -> Inconclusive:
        """Why neither way is open, where exec was not."""
        first = next(iter(self.shared.no_exec), None)
        if problem.reason not in _REFUSED or first is None:
            return problem
        return Inconclusive(first.reason, f"{first.detail}; nor is its log a way: {problem.detail}", self.subject)


def containers_of(pod: PodRun, scripts: Scripts) -> dict[Container, ContainerRun]:
    """The containers of a pod. Those with a script run their steps themselves."""
    marks: set[str] = set()
    return {
        one.container: LoggedRun(pod, one, scripts[one.container], marks)
        if one.container in scripts
        else ContainerRun(pod, one)
        for one in pod.plan.containers
    }
