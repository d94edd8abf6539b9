# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""One layout on one target: create its pods, run its steps, delete its pods."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import functools
import itertools
import secrets
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import CONTROLS, depends_on
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import CONTROL
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Container,
    ContainerKind,
    Layout,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import pod_status
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.actions import ACTIONS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.fitting import REFUSED
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.logged import containers_of
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.manifests import RunMeta
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import LayoutPlan, PlannedCheck, PlannedStep
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.results import Answer, LayoutResult
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.scripts import Scripts, sampled, scripted
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.session import (
    ContainerRun,
    Crowded,
    PodRun,
    Shared,
)

#: How long (seconds) a pod waits for room while another of its layout has some, and how long the layout then has none. By
#: chance, because two runs that wait for each other must not do the same.
_HOLDING_SECONDS: t.Final = (3, 9)
_AWAY_SECONDS: t.Final = (1, 9)
_CHANCE: t.Final = secrets.SystemRandom()


class LayoutRun:
    """One layout on one target."""

    def __init__(self, shared: Shared, meta: RunMeta, plan: LayoutPlan) -> None:
        self._shared = shared
        self._meta = meta
        self._by_log = shared.by_log and plan.has_sessions
        #: by container: the script that it runs itself
        self._scripts: Scripts = {}
        if self._by_log:
            plan, self._scripts = scripted(plan, shared.settings.timeout)
        elif shared.by_log and plan.layout.dry_run_only:
            plan = sampled(plan)
        self._plan = plan
        self._pods: list[PodRun] = []
        self._containers: dict[Container, ContainerRun] = {}
        #: why a container of the pods is refused or does not start
        self._lost: dict[Container, Inconclusive] = {}
        self._result = LayoutResult()
        self._began = time.monotonic()
        self._begin(1)

    def _begin(self, attempt: int) -> None:
        plans = [dataclasses.replace(pod, attempt=attempt) for pod in self._plan.pods]
        self._pods = [PodRun(self._shared, self._meta, pod) for pod in plans]
        self._containers = {}
        for pod in self._pods:
            pod.began = self._began
            self._containers |= containers_of(pod, self._scripts)
        self._lost = {}

    def run(self) -> LayoutResult:
        """Create the pods, run all steps, delete the pods. Never raises Inconclusive.

        :raises NoExec: before the first step.
        """
        created: list[PodRun] = []
        try:
            if self._plan.layout.dry_run_only:
                if not self._shared.dry_run:
                    self._run_checks()
                return self._result
            _require_huge_pages(self._plan.layout, self._meta)
            self._start(created)
            lost = [self._loss(check) for check in self._plan.checks]
            for check, why in zip(self._plan.checks, lost, strict=True):
                if why:
                    self._leave_out(check, why)
            if self._shared.dry_run or all(lost):
                return self._result
            self._pods = created
            if self._plan.layout.runs_to_completion:
                self._read_outputs()
            else:
                self._run_sessions()
        except Inconclusive as symptom:
            problem = self._cause(symptom)
            for check in self._plan.checks:
                answers = self._result.answers.setdefault(check.check.id, {})
                for step in check.steps:
                    answers.setdefault(step.step.label, problem)
        finally:
            # the node starts to clean up while other layouts still run
            for pod in [] if self._shared.dry_run else created:
                pod.delete()
        return self._result

    def _cause(self, symptom: Inconclusive) -> Inconclusive:
        """What was lost, or the problem itself."""
        return self._shared.losses.cause(self._shared.cluster, self._meta.node, symptom)

    def _start(self, created: list[PodRun]) -> None:
        """Create the pods and wait until they run.

        Where one waits for room while another of them has some, that can be what others wait for who have the room. So the
        layout leaves all of it to them after a while, and begins again.
        """
        for attempt in itertools.count(2):
            try:
                self._create_all(created)
                coming = [pod for pod in created if not self._is_lost(pod)]
                for pod in [] if self._shared.dry_run else coming:
                    with self._only_its_own(pod), pod.explained():
                        self._lose(pod.await_start(is_alone=len(coming) == 1))
                return
            except Crowded:
                for pod in created:
                    pod.delete()
                created.clear()
                self._shared.stopping.wait(_CHANCE.uniform(*_AWAY_SECONDS))
                self._begin(attempt)

    def _create_all(self, created: list[PodRun]) -> None:
        """Create the pods, the largest first: it waits longest for room, and must not have any meanwhile."""
        # what has no time left creates nothing
        self._shared.remaining()
        for pod in sorted(self._pods, key=lambda pod: -pod.plan.memory_bytes):
            for each in [*created, pod] if created else []:
                each.patience = _CHANCE.uniform(*_HOLDING_SECONDS)
            with self._only_its_own(pod):
                self._create(pod, created)
                if not self._shared.dry_run:
                    pod.await_place()

    @contextlib.contextmanager
    def _only_its_own(self, pod: PodRun) -> collections.abc.Iterator[None]:
        """Let what befalls a pod cost its containers, and no other pod."""
        containers = [one.container for one in pod.plan.containers]
        try:
            yield
        except Inconclusive as problem:
            self._lose(dict.fromkeys(containers, problem))

    def _lose(self, lost: t.Mapping[Container, Inconclusive]) -> None:
        """Remember why containers are not there. What was known before comes first."""
        causes = {id(problem): self._cause(problem) for problem in lost.values()}
        self._lost = {**{container: causes[id(problem)] for container, problem in lost.items()}, **self._lost}

    def _create(self, pod: PodRun, created: list[PodRun]) -> None:
        """Create a pod, or what the cluster admits of it."""
        try:
            pod.create()
        except Inconclusive as problem:
            if problem.reason in REFUSED:
                self._result.refused[pod.plan.role] = problem
            raise
        created.append(pod)
        self._lose(pod.dropped)
        for refusal in pod.dropped.values():
            self._result.refused.setdefault(pod.plan.role, refusal)
        self._result.pods[pod.plan.role] = (pod.requested, pod.stored)
        pod.require_runtime_class()

    def _leave_out(self, check: PlannedCheck, why: Inconclusive) -> None:
        """Run no step of a check, and say why."""
        self._result.answers[check.check.id] = {step.step.label: why for step in check.steps}

    def _is_lost(self, pod: PodRun) -> bool:
        return all(one.container in self._lost for one in pod.plan.containers)

    def _loss(self, check: PlannedCheck) -> Inconclusive | None:
        """Why a container that the check needs is not there, or nothing."""
        return next((self._lost[step.container] for step in check.steps if step.container in self._lost), None)

    def _read_outputs(self) -> None:
        """Wait until the pods ran to completion and read what they wrote."""
        for pod in self._pods:
            ended = pod.require(pod_status.completed, "it did not run to completion")
            self._result.after[pod.plan.role] = pod_status.aftermath(ended)
        self._run_checks()

    def _run_sessions(self) -> None:
        containers = [self._containers[step.container] for step in self._plan.steps if step.container not in self._lost]
        try:
            # all at once, so that the node starts the processes side by side
            for container in dict.fromkeys(containers):
                if container.has_session:
                    container.connect()
                    if not self._by_log:
                        self._shared.require_way(container.problem)
            self._run_checks()
            # no control looks at what became of its pod
            for pod in [] if self._plan.layout is CONTROL else self._pods:
                try:
                    self._result.after[pod.plan.role] = pod_status.aftermath(self._shared.cluster.get_pod(pod.name))
                except Inconclusive as symptom:
                    self._result.unseen[pod.plan.role] = self._cause(symptom)
        finally:
            for container in self._containers.values():
                container.close()

    def _run_checks(self) -> None:
        for check in self._plan.checks:
            # nothing can be decided then, and steps that run in vain take long
            why = self._failed_control(check) or self._loss(check)
            if why:
                self._leave_out(check, why)
            else:
                self._run_check(check)
            self._note_control(check)

    def _failed_control(self, check: PlannedCheck) -> Inconclusive | None:
        """Why a control that a check depends on has no answer on this target, as far as that is known by now."""
        if check.check in CONTROLS:
            return None
        known = ((control, self._shared.failed_controls.get((self._meta.target, control.id))) for control in CONTROLS)
        return next((problem for control, problem in known if problem and depends_on(check.check, control)), None)

    def _note_control(self, check: PlannedCheck) -> None:
        if check.check not in CONTROLS:
            return
        for answer in self._result.answers.get(check.check.id, {}).values():
            if isinstance(answer, Inconclusive):
                self._shared.failed_controls.setdefault((self._meta.target, check.check.id), answer)

    def _run_check(self, check: PlannedCheck) -> None:
        """The steps of one check in order. One that blocks is read when the step after it has ended its wait.

        Not later: what it waits in can be removed next.
        """
        answers = self._result.answers.setdefault(check.check.id, {})
        blocking: list[PlannedStep] = []
        for container in dict.fromkeys(step.container for step in check.steps):
            self._containers[container].reconnect()
        for step in check.steps:
            container_run = self._containers[step.container]
            if step.step.skip_if_killed and container_run.was_killed:
                continue
            if step.step.blocks:
                try:
                    container_run.begin(step)
                    blocking.append(step)
                except Inconclusive as symptom:
                    answers[step.step.label] = self._cause(symptom)
                continue
            self._timed(check, step, functools.partial(self._run_step, step))
            while blocking:
                first = blocking.pop(0)
                self._timed(check, first, functools.partial(self._containers[first.container].finish, first))

    def _run_step(self, step: PlannedStep) -> Observation:
        container = self._containers[step.container]
        if step.name in ACTIONS:
            return ACTIONS[step.name](container, step)
        if self._plan.layout.runs_to_completion or step.container.kind is ContainerKind.INIT:
            return container.logged(step)
        container.begin(step)
        return container.finish(step)

    def _timed(self, check: PlannedCheck, step: PlannedStep, run: collections.abc.Callable[[], Observation]) -> None:
        began = time.monotonic()
        answer: Answer
        try:
            answer = run()
        except Inconclusive as symptom:
            answer = self._cause(symptom)
        seconds = self._result.seconds
        self._result.answers.setdefault(check.check.id, {})[step.step.label] = answer
        seconds[check.check.id] = seconds.get(check.check.id, 0.0) + time.monotonic() - began


def _require_huge_pages(layout: Layout, meta: RunMeta) -> None:
    """Raise Inconclusive (NodeHasNone, NodeUnknown) if the pods of a layout would wait for huge pages in vain."""
    if meta.huge_page_bytes or not any(container.huge_page for container in layout.containers):
        return
    subject = f"node {meta.node}"
    if meta.huge_page_bytes is None:
        raise Inconclusive(Reason.NODE_UNKNOWN, "whether it has huge pages is not known", subject)
    raise Inconclusive(Reason.NODE_HAS_NONE, "no huge pages are allocatable", subject)
