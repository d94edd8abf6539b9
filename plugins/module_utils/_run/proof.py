# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Workloads of a cluster -> pods in their shape, as they are and with the fix, and what was measured in them."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import functools
import itertools
import secrets
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.client import Cluster
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.signals import ended
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.source import Source
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.watch import PodWatch
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Container,
    ContainerKind,
    NodeChoice,
    PodOptions,
    Settings,
    Target,
    Transport,
    Verdict,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import payload, protocol
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason, internal
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import manifests, nodes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.logged import containers_of
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.measures import Measure, Planner, measures
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.owned import (
    anchored,
    deadline_seconds,
    mounted,
    node_named,
    runtime_classes,
    threads,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import HOLD, PlannedStep
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.resized import Keeping
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.scripts import Scripts, command, scripts
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.session import (
    ContainerRun,
    Crowded,
    NoExec,
    Object,
    PodRun,
    Shared,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import proof
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.audit import Audit
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.proof import Form, Line, Proof, Questions

#: So many workloads are proved side by side: a node must not feel it.
_AT_ONCE: t.Final = 2

#: How long (seconds) a pod waits for room with the requests of its workload.
_PATIENCE: t.Final = 5

#: Which of its workload a pod is a copy of.
_OF: t.Final = "podshm.abcdesktop.io/proof-of"


@dataclasses.dataclass
class Job:
    """A workload that is worth a proof, and where its facts go.

    :param facts: of the workload, as :meth:`Audit.facts` has them; they get the proofs.
    :param forms: the shapes, each with its spec and what is measured in it.
    :param resizes: whether its pod is resized, too.
    """

    audit: Audit
    facts: dict[str, t.Any]
    forms: t.Mapping[Form, tuple[t.Mapping[str, t.Any], Questions]]
    resizes: bool = False
    proofs: list[Proof] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, found: Audit, facts: dict[str, t.Any], resizes: bool = False) -> Job | None:
        """The job of a workload, or nothing where there is nothing to measure."""
        try:
            forms = {form: (spec, proof.questions(found, spec)) for form, spec in proof.forms(found).items()}
        except Exception as error:  # noqa: BLE001
            # a spec that nobody has thought of costs itself alone
            facts["proof"] = [Proof(Form.AS_IS, lines=[proof.refused(internal(error))]).facts()]
            facts["status"] = Verdict.ERROR.value
            return None
        return cls(found, facts, forms, resizes) if any(wanted for _spec, wanted in forms.values()) else None

    def fail(self, problem: Inconclusive) -> None:
        """Say of all its shapes why they were not measured; of none twice."""
        known = {one.form for one in self.proofs}
        self.proofs += [Proof(form, lines=[proof.refused(problem)]) for form in self.forms if form not in known]

    @contextlib.contextmanager
    def failing(self) -> collections.abc.Iterator[None]:
        """Let what goes wrong in the block cost this workload alone."""
        try:
            yield
        except Inconclusive as problem:
            self.fail(problem)
        except Exception as error:  # noqa: BLE001
            self.fail(internal(error))


def prove(source: Source, jobs: t.Sequence[Job], settings: Settings, dry_run: bool, leftovers: list[str]) -> None:
    """Prove workloads, namespace after namespace.

    :param settings: its timeout is that of one workload, its total_timeout of all.
    :param leftovers: gets what could not be removed.
    """
    until = time.monotonic() + settings.total_timeout
    by_namespace: dict[str, list[Job]] = {}
    # the worst first: time can be over before all are proved
    for job in sorted(jobs, key=lambda job: Verdict(job.facts["status"]).severity):
        by_namespace.setdefault(job.audit.workload.namespace, []).append(job)
    run, index = secrets.token_hex(5), itertools.count()
    try:
        for namespace, here in by_namespace.items():
            try:
                _prove_in(source, namespace, here, settings, dry_run, leftovers, until, run, index)
            except Inconclusive as problem:
                for job in here:
                    job.fail(problem)
    finally:
        for job in jobs:
            job.fail(Inconclusive(Reason.INTERRUPTED, "the run ended before"))
            job.facts["proof"] = [one.facts() for one in job.proofs]
            job.facts["status"] = proof.status(job.facts["status"], job.proofs).value


def _prove_in(
    source: Source,
    namespace: str,
    jobs: t.Sequence[Job],
    settings: Settings,
    dry_run: bool,
    leftovers: list[str],
    until: float,
    run: str,
    index: collections.abc.Iterator[int],
) -> None:
    """Prove the workloads of one namespace."""
    seconds = until - time.monotonic()
    words = f"all proofs together took longer than {settings.total_timeout} s (option prove_timeout)"
    if seconds <= 0:
        raise Inconclusive(Reason.TIMEOUT, words)
    cluster = Cluster(source, namespace, seconds)
    found = _Nodes(cluster)
    able: list[tuple[Job, manifests.RunMeta]] = []
    for job in jobs:
        with job.failing():
            target = found.target(job.audit, settings)
            able.append((job, _meta(run, next(index), target, job.audit, settings, seconds)))
    if not able:
        return
    metas = [meta for _job, meta in able]
    watch = PodWatch(cluster, manifests.run_selector(run), cluster.until + settings.cleanup_timeout)
    shared = Shared(cluster, settings, watch, cluster.until, dry_run, out_of_time=words)
    with anchored(shared, metas[0], leftovers) as create:
        shared.choose_way(manifests.object_name(metas[0]))
        problems = mounted(shared, metas, create)
        with threads(shared, _AT_ONCE) as executor:
            for future in ended([executor.submit(_prove_one, shared, job, meta, problems) for job, meta in able]):
                future.result()


def _meta(run: str, index: int, target: Target, found: Audit, settings: Settings, seconds: float) -> manifests.RunMeta:
    work = found.workload
    spec = work.latest
    return manifests.RunMeta(
        run=run,
        # not the workload's name, which can be as long as a name is allowed to be
        target=f"w{index}",
        namespace=work.namespace,
        node=target.node.name,
        architecture=target.node.architecture,
        image=target.node.image,
        pull_policy=target.node.pull_policy,
        runtime_class=target.runtime_class,
        tolerations=tuple(spec.get("tolerations") or ()),
        labels=dict(settings.labels),
        annotations={**settings.annotations, _OF: f"{work.kind} {work.name}"},
        additions=settings.additions,
        deadline_seconds=deadline_seconds(seconds, settings.cleanup_timeout),
    )


class _Nodes:
    """The nodes of a cluster, and on which a workload runs."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._all: list[Object] | None = None

    def target(self, found: Audit, settings: Settings) -> Target:
        """Where a workload is proved: on the node of its pod, or on one that its template selects.

        :raises Inconclusive: there is none.
        """
        work = found.workload
        spec = work.latest
        name, runtime_class = str(spec.get("nodeName") or ""), str(spec.get("runtimeClassName") or "")
        if name:
            those = [self._named(name)]
        else:
            those = [one for one in self._every() if proof.selects(spec, one)]
            if not those:
                raise Inconclusive(Reason.NO_NODE, "no node has what the template selects", work.subject)
        chosen = dataclasses.replace(
            settings,
            node_selector={},
            tolerations=tuple(spec.get("tolerations") or ()),
            runtime_classes=(runtime_class,),
            nodes=NodeChoice.FIRST,
        )
        return nodes.choose(those, chosen, payload.BINARIES, runtime_classes(self._cluster, chosen)).targets[0]

    def _every(self) -> list[Object]:
        if self._all is None:
            self._all = self._cluster.nodes()
        return self._all

    def _named(self, name: str) -> Object:
        try:
            found = next((one for one in self._every() if one["metadata"]["name"] == name), None)
        except Inconclusive as problem:
            if problem.reason is not Reason.FORBIDDEN:
                raise
            found = node_named(self._cluster, name)
        if found is None:
            raise Inconclusive(Reason.NO_NODE, "it is not in the cluster any more", f"node {name}")
        return found


def _prove_one(shared: Shared, job: Job, meta: manifests.RunMeta, problems: t.Mapping[str, Inconclusive]) -> None:
    """Prove a workload in its shapes, one after the other."""
    problem = problems.get(meta.architecture)
    if problem:
        job.fail(problem)
        return
    words = f"the proof took longer than {shared.settings.timeout} s"
    until = min(shared.until, time.monotonic() + shared.settings.timeout)
    mine = dataclasses.replace(shared, until=until, out_of_time=words) if until < shared.until else shared
    with job.failing():
        for form, (spec, wanted) in job.forms.items():
            if not wanted:
                job.proofs.append(Proof(form, lines=[proof.NOT_ITS_OWN]))
                continue
            is_resized = job.resizes and form is list(job.forms)[-1]
            job.proofs += _ShapeRun(mine, meta, wanted, form, spec, is_resized).run()


class _CopyRun(PodRun):
    """A pod in the shape of a workload.

    :param own_steps: of the containers that run their steps themselves.
    """

    def __init__(
        self, shared: Shared, meta: manifests.RunMeta, role: str, attempt: int, spec: Object, own_steps: Scripts
    ) -> None:
        self._spec = spec
        self._own_steps = own_steps
        seconds = shared.settings.timeout
        containers = tuple(
            manifests.ContainerPlan(one, _command(one, own_steps, seconds), 0) for one in _containers(spec)
        )
        super().__init__(shared, meta, manifests.PodPlan(role, PodOptions(), containers, attempt=attempt))

    @property
    def added(self) -> list[str]:
        """What it has that is not of the workload, in words."""
        return manifests.added(self.meta, self.plan, self._spec)

    def manifest(self) -> Object:
        """The pod as it is requested."""
        return manifests.shaped_pod(self.meta, self.plan, self._spec, self.shared.anchor_uid)

    def _create(self) -> None:
        """Create it as it is: a part of it would be another shape."""
        self.requested = self.manifest()
        self.stored = self.when_free(lambda: self.shared.create(self.requested))

    def sessions(self, names: t.Iterable[str], lost: t.Mapping[Container, Inconclusive]) -> dict[str, ContainerRun]:
        """Sessions with the probes of some containers.

        :raises Inconclusive: there is none with one of them.
        :raises NoExec: another way is open.
        """
        runs = {one.name: run for one, run in containers_of(self, self._own_steps).items()}
        found = {name: runs[name] for name in names}
        for run in found.values():
            if run.plan.container in lost:
                raise lost[run.plan.container]
            run.connect()
            if not self._own_steps:
                self.shared.require_way(run.problem)
        return found


def _containers(spec: Object) -> list[Container]:
    """The containers of a pod, in the order in which they start."""
    inits = (
        (one["name"], ContainerKind.SIDECAR if one.get("restartPolicy") == "Always" else ContainerKind.INIT)
        for one in spec["initContainers"]
    )
    mains = ((one["name"], ContainerKind.MAIN) for one in spec["containers"])
    return [Container(name, kind=kind) for name, kind in (*inits, *mains)]


def _command(container: Container, own_steps: Scripts, seconds: int) -> tuple[str, ...]:
    """The arguments of the probe in a container: one that starts before the others just ends."""
    if container.kind is ContainerKind.INIT:
        return tuple(protocol.argv("selftest", secrets.token_hex(16), {}))
    return command(own_steps[container], seconds) if container in own_steps else HOLD


class _ShapeRun:
    """A workload in one shape: its pod, and what is measured in it."""

    def __init__(
        self,
        shared: Shared,
        meta: manifests.RunMeta,
        questions: Questions,
        form: Form,
        spec: t.Mapping[str, t.Any],
        is_resized: bool,
    ) -> None:
        self._shared = shared
        self._meta = meta
        self._questions = questions
        self._form = form
        self._copied = proof.copied(spec, questions.writes(form))
        self._proof = Proof(form, meta.node, copied=self._copied)
        containers = {one.name: one for one in _containers(self._copied.spec)}
        planner = Planner(containers, shared.settings.step_timeout, shared.settings.max_write_bytes)
        self._measures = measures(questions, form, planner)
        #: what is done to the pod when everything else was measured, if it is, and what became of that
        resized = next((one.container for one in questions.sizes), questions.containers[0])
        self._keeping = Keeping.planned(planner, resized) if is_resized else None
        self._resized = Proof(Form.RESIZED, meta.node, copied=self._copied)

    def run(self) -> list[Proof]:
        """Create the pod, measure, and delete the pod. Never raises Inconclusive."""
        with contextlib.suppress(NoExec):
            return self._proofs()
        return self._proofs()

    def _proofs(self) -> list[Proof]:
        """The same.

        :raises NoExec: before the first step.
        """
        began = time.monotonic()
        try:
            try:
                self._run(self._copied, 1)
            except (Crowded, Inconclusive) as problem:
                if isinstance(problem, Inconclusive) and problem.reason is not Reason.UNSCHEDULABLE:
                    raise
                self._run(proof.lowered(self._copied, self._questions.writes(self._form)), 2)
        except Inconclusive as symptom:
            self._proof.lines.append(proof.refused(self._cause(symptom)))
        except Crowded:
            words = f"node {self._meta.node} has no room for a second pod of this size"
            self._proof.lines.append(proof.refused(Inconclusive(Reason.UNSCHEDULABLE, words)))
        self._proof.seconds = time.monotonic() - began
        return [self._proof, *([self._resized] if self._resized.lines else [])]

    def _cause(self, symptom: Inconclusive) -> Inconclusive:
        return self._shared.losses.cause(self._shared.cluster, self._meta.node, symptom)

    def _run(self, copied: proof.Copied, attempt: int) -> None:
        """One attempt.

        :raises Crowded: it is the first, and the pod waits for room.
        """
        self._shared.remaining()
        role = "fixed" if self._form is Form.FIXED else "as-is"
        pod = _CopyRun(self._shared, self._meta, role, attempt, copied.spec, self._scripts())
        for one in (self._proof, self._resized):
            one.copied, one.added = copied, pod.added
            if pod.plan.has_scripts:
                one.transport, one.no_exec = Transport.LOG, self._shared.why_no_exec
        if attempt == 1:
            pod.patience = _PATIENCE
        try:
            pod.create()
            pod.require_runtime_class()
            if self._shared.dry_run:
                raise Inconclusive(Reason.CHECK_MODE, "the cluster admits the pod", pod.subject)
            pod.await_place()
            with pod.explained():
                lost = pod.await_start()
            containers = pod.sessions(self._questions.containers, lost)
            try:
                for measure in self._measures:
                    self._note(measure, containers)
                if self._keeping:
                    self._resize(self._keeping, containers)
            finally:
                for run in containers.values():
                    run.close()
        finally:
            if pod.stored and not self._shared.dry_run:
                pod.delete()

    def _scripts(self) -> Scripts:
        """What containers run themselves; nothing where steps are exec'd."""
        if not self._shared.by_log:
            return {}
        steps = [step for one in self._measures for step in one.steps]
        return scripts([*steps, *(self._keeping.steps if self._keeping else ())])

    def _resize(self, keeping: Keeping, containers: t.Mapping[str, ContainerRun]) -> None:
        """Do to a container what its owner would, if it has what it needs."""
        run = containers[keeping.container]
        if self._proof.verdict not in (Verdict.PASS, Verdict.WARN) or run.was_killed:
            self._resized.lines.append(Line(Verdict.SKIP, f"not tried, as it is {self._proof.verdict} before"))
            return
        began = time.monotonic()
        try:
            self._resized.lines += keeping.lines(run, functools.partial(_asked, containers))
        except Inconclusive as symptom:
            self._resized.lines.append(proof.refused(self._cause(symptom)))
        self._resized.seconds = time.monotonic() - began

    def _note(self, measure: Measure, containers: t.Mapping[str, ContainerRun]) -> None:
        """Note what was measured. What could not be costs itself alone."""
        try:
            self._proof.lines += measure.lines(functools.partial(_asked, containers))
        except Inconclusive as symptom:
            self._proof.lines.append(proof.refused(self._cause(symptom)))


def _asked(containers: t.Mapping[str, ContainerRun], step: PlannedStep) -> Observation:
    """What a step observes in its container."""
    run = containers[step.container.name]
    run.reconnect()
    run.begin(step)
    return run.finish(step)
