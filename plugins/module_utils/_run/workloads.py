# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Cluster -> audits of its workloads. Nothing is created, changed or run there, unless proofs are wanted."""

from __future__ import annotations

import collections.abc
import dataclasses
import os
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.client import Cluster
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.source import Source, resolve
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Settings, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import parse_bytes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import (
    UNREACHABLE,
    Inconclusive,
    Reason,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.owned import reported
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.proof import Job, prove
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit, proof, scene, trial
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.kinds import BUILT_IN
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.live import Collector, Key
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.manifests import Workload

#: What says who owns a pod: kinds of which there are many, of which metadata is enough.
_OWNERS: t.Final = ("ReplicaSet", "Job")

#: What has a template. Custom resources are known by the pods that they own.
_CONTROLLERS: t.Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicationController", "CronJob")

#: How many logs are read: of one workload, and in all.
_LOGS_EACH: t.Final = 3
_LOGS: t.Final = 200

#: How many nodes are looked at for what is in volumes, and for how long (seconds) in all.
_STATS: t.Final = 200
_STATS_SECONDS: t.Final = 30

#: How many fixes are tried out.
_FIXES: t.Final = 200

#: What an API server lacks that has no such kind, or that the account is not allowed to list, costs this kind alone.
_OF_ALL: t.Final = UNREACHABLE - {Reason.NOT_KUBERNETES}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Which workloads are audited.

    :param namespaces: all, if there is none.
    :param selector: of the labels of pods and of what owns them.
    :param kinds: all, if there is none; C(names) likewise.
    :param logs: whether to read the last lines of containers that ended badly.
    :param fixes: whether to try out the fixes.
    :param timeout: for reading, in seconds.
    :param prove: the settings of the proofs; None, if there are to be none. C(resize_holds) whether they resize, too.
    """

    namespaces: tuple[str, ...] = ()
    selector: str = ""
    kinds: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    logs: bool = False
    fixes: bool = False
    timeout: float = 300
    prove: Settings | None = None
    resize_holds: bool = False

    @classmethod
    def of(cls, params: t.Mapping[str, t.Any], settings: Settings | None = None) -> Wanted:
        """What the options of the module say.

        :param settings: of the proofs.
        :raises ValueError: an option has no meaning; the message names it.
        """
        for name in ("namespaces", "kinds", "names"):
            if params[name] == [] or "" in (params[name] or ()):
                raise ValueError(f"{name}: nothing is named; name some, or leave the option out for all of them")
        if params["timeout"] < 1:
            raise ValueError(f"timeout: {params['timeout']} is less than 1 second")
        return cls(
            tuple(dict.fromkeys(params["namespaces"] or ())),
            params["label_selector"] or "",
            frozenset(kind.lower() for kind in params["kinds"] or ()),
            frozenset(params["names"] or ()),
            params["logs"],
            (params.get("fix") or "none") != "none",
            params["timeout"],
            settings,
            bool(params.get("resize_holds")),
        )

    def has(self, key: Key) -> bool:
        """Whether a workload is wanted."""
        _namespace, kind, name = key
        return (not self.kinds or kind.lower() in self.kinds) and (not self.names or name in self.names)


@dataclasses.dataclass
class Audited:
    """What is returned, whatever happened.

    :param problems: what could not be audited, each with its object, cause and remedy.
    :param notes: what could not be looked at beside that, and what is less well known for it.
    :param leftovers: what proofs left behind.
    :param problem: why there is no answer as a whole.
    """

    cluster: str
    workloads: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    leftovers: list[str] = dataclasses.field(default_factory=list)
    problem: Inconclusive | None = None
    source: Source | None = None
    kubernetes: str = ""
    pods: int = 0
    duration: float = 0.0

    @property
    def status(self) -> Verdict:
        """V(UNREACHABLE), or the worst of all."""
        if self.problem and self.problem.reason in _OF_ALL:
            return Verdict.UNREACHABLE
        return Verdict.ERROR if self.problem else audit.status(self.workloads, self.problems)

    def line(self) -> str:
        """The result in one line: how many workloads are well or ill, or why there is no answer."""
        if self.problem:
            return f"cluster {self.cluster}: {self.problem.reason}: {self.problem}; {self.problem.remedy}"
        return (
            f"cluster {self.cluster}: {audit.headline(self.workloads, self.problems)}{proof.headline(self.workloads)}"
        )


def run(params: t.Mapping[str, t.Any], name: str, wanted: Wanted, check_mode: bool = False) -> Audited:
    """Audit the workloads of the cluster that a module's parameters name, and prove them if that is wanted.

    :param name: of the cluster, for messages.
    """
    began = time.monotonic()
    result = Audited(name)
    with reported(result, "the audit"):
        result.source = resolve(params, os.environ)
        cluster = Cluster(result.source, "", wanted.timeout)
        result.kubernetes = cluster.version()
        jobs = audited(cluster, wanted, result)
        if wanted.prove and jobs:
            prove(result.source, jobs, wanted.prove, check_mode, result.leftovers)
    result.duration = round(time.monotonic() - began, 3)
    return result


def audited(cluster: Cluster, wanted: Wanted, result: Audited) -> list[Job]:
    """Read everything, then audit it; returns what is worth a proof, if proofs are wanted."""
    reader = _Reader(cluster, wanted)
    reader.read()
    result.problems += reader.problems()
    result.pods = reader.pods
    result.notes += [*reader.notes(), *_look_at_volumes(cluster, reader.collector)]
    logs, fixes = _Logs(cluster, wanted.logs), _DryRuns(cluster, wanted.fixes)
    jobs = []
    for work in reader.collector.workloads():
        found, facts = audit.with_facts(work, PROGRAMS, logs.of(work), fixes.of)
        result.workloads.append(facts)
        if wanted.prove and (job := Job.of(found, facts, wanted.resize_holds)):
            jobs.append(job)
    result.notes += [*logs.notes(), *fixes.notes()]
    return jobs


class _Reader:
    """Reads a cluster page by page. What is refused costs itself alone."""

    def __init__(self, cluster: Cluster, wanted: Wanted) -> None:
        self._cluster = cluster
        self._wanted = wanted
        self.collector = Collector(wanted.has)
        #: how many pods there were
        self.pods = 0
        self._allocatable: dict[str, int] = {}
        #: reason and namespace -> the kinds, and the first refusal
        self._refused: dict[tuple[Reason, str], tuple[list[str], Inconclusive]] = {}
        #: reason, namespace and what is less well known -> the kinds
        self._noted_kinds: dict[tuple[Reason, str, str], list[str]] = {}

    def read(self) -> None:
        """Read nodes, then of each namespace what owns pods, then the pods."""
        for node in self._noted("nodes", "", "how much memory a node has is not known"):
            memory = ((node.get("status") or {}).get("allocatable") or {}).get("memory")
            self._allocatable[node["metadata"]["name"]] = parse_bytes(memory or 0)
        for namespace in self._wanted.namespaces or ("",):
            try:
                if namespace:
                    self._cluster.require_namespace(namespace)
            except Inconclusive as problem:
                self._refuse("everything", namespace, problem)
            else:
                self._read(namespace)

    def _read(self, namespace: str) -> None:
        kinds, selector = self._wanted.kinds, self._wanted.selector
        for kind in _OWNERS:
            for one in self._noted(BUILT_IN[kind].plural, namespace, "what owns them is not known", metadata_only=True):
                self.collector.add_controller(one, kind)
        for kind in _CONTROLLERS:
            if not kinds or kind.lower() in kinds:
                for one in self._needed(BUILT_IN[kind].plural, namespace, selector):
                    self.collector.add_controller(one, kind)
        for pod in self._needed("pods", namespace, selector):
            self.pods += 1
            self.collector.add_pod(pod, self._allocatable.get(str((pod.get("spec") or {}).get("nodeName"))))

    def _noted(
        self, plural: str, namespace: str, less: str, metadata_only: bool = False
    ) -> collections.abc.Iterator[dict[str, t.Any]]:
        """What helps to know more."""
        try:
            yield from self._every(plural, namespace, metadata_only=metadata_only)
        except Inconclusive as problem:
            _require_own(problem)
            self._noted_kinds.setdefault((problem.reason, namespace, less), []).append(plural)

    def _needed(self, plural: str, namespace: str, selector: str) -> collections.abc.Iterator[dict[str, t.Any]]:
        """What is audited."""
        try:
            yield from self._every(plural, namespace, selector)
        except Inconclusive as problem:
            _require_own(problem)
            self._refuse(plural, namespace, problem)

    def _every(
        self, plural: str, namespace: str, selector: str = "", metadata_only: bool = False
    ) -> collections.abc.Iterator[dict[str, t.Any]]:
        for one in self._cluster.every(plural, namespace, selector, metadata_only):
            if time.monotonic() > self._cluster.until:
                words = f"to read them took longer than {self._wanted.timeout:g} s (option timeout)"
                raise Inconclusive(Reason.TIMEOUT, words, f"{plural} of {_where(namespace)}")
            yield one

    def _refuse(self, plural: str, namespace: str, problem: Inconclusive) -> None:
        kinds, _first = self._refused.setdefault((problem.reason, namespace), ([], problem))
        kinds.append(plural)

    def problems(self) -> list[str]:
        """What could not be read, each cause once."""
        return [
            f"{', '.join(kinds)} of {_where(namespace)}: {reason}: {first.detail}; {_remedy(first, namespace)}"
            for (reason, namespace), (kinds, first) in self._refused.items()
        ]

    def notes(self) -> list[str]:
        """What else could not be looked at."""
        return [
            f"{', '.join(kinds)} of {_where(namespace)}: {reason}: {less}"
            for (reason, namespace, less), kinds in self._noted_kinds.items()
        ]


def _require_own(problem: Inconclusive) -> None:
    """Raise a problem that is one of the whole cluster."""
    if problem.reason in _OF_ALL:
        raise problem


def _where(namespace: str) -> str:
    return f"namespace {namespace}" if namespace else "the cluster"


def _remedy(problem: Inconclusive, namespace: str) -> str:
    if problem.reason is Reason.FORBIDDEN:
        return "grant list on them" + ("" if namespace else ", or name namespaces with the option namespaces")
    if problem.reason is Reason.NAMESPACE_MISSING:
        return "name one that exists with the option namespaces"
    return problem.remedy


def _look_at_volumes(cluster: Cluster, collector: Collector) -> list[str]:
    """Add what is in volumes of medium Memory now, as kubelets say it; returns what could not be looked at."""
    nodes, until = collector.nodes(), min(time.monotonic() + _STATS_SECONDS, cluster.until)
    silent: list[str] = []
    seen = 0
    for node in nodes[:_STATS]:
        if time.monotonic() > until:
            break
        try:
            collector.add_stats(node, cluster.stats(node))
        except Inconclusive as problem:
            # also of an API server that is gone meanwhile: what was read is audited
            if problem.reason is Reason.FORBIDDEN:
                return ["volumes: Forbidden: what is in use of them is not known; grant get on nodes/proxy"]
            silent.append(f"{node} ({problem.reason})")
        seen += 1
    notes = [f"volumes on {_some(silent)}: what is in use of them is not known"] if silent else []
    left = len(nodes) - seen
    return [*notes, *([f"volumes on {left} of {len(nodes)} nodes: to look at all takes too long"] if left else [])]


def _some(names: t.Sequence[str]) -> str:
    more = len(names) - 1
    return names[0] + (f" and {more} other node{'' if more == 1 else 's'}" if more else "")


class _Logs:
    """Reads the last lines of containers that ended badly, where the account is allowed to."""

    def __init__(self, cluster: Cluster, is_wanted: bool) -> None:
        self._cluster = cluster
        self._is_wanted = is_wanted
        self._left = _LOGS
        #: by namespace, why none of its logs is read
        self._refused: dict[str, Inconclusive] = {}
        self._is_cut = False

    def of(self, work: Workload) -> dict[tuple[str, str], str]:
        """By pod and container, the last lines."""
        ended = [end for pod in work.pods for end in scene.ends(pod)][:_LOGS_EACH] if self._is_wanted else []
        found = {}
        for end in ended:
            if self._left <= 0 or time.monotonic() > self._cluster.until:
                self._is_cut = True
                break
            if work.namespace in self._refused:
                break
            self._left -= 1
            try:
                found[end.pod, end.container] = self._cluster.last_lines(
                    work.namespace, end.pod, end.container, end.has_restarted
                )
            except Inconclusive as problem:
                # a pod that is gone, a log that was rotated away: there is none to read
                if problem.reason in (Reason.FORBIDDEN, Reason.UNAUTHORIZED, Reason.ADMISSION_DENIED):
                    self._refused[work.namespace] = problem
        return found

    def notes(self) -> list[str]:
        """What could not be read."""
        notes = [
            f"logs of {_where(namespace)}: {problem.reason}: last lines of containers are not known"
            for namespace, problem in self._refused.items()
        ]
        return [*notes, *(["logs: not all were read, there are too many"] if self._is_cut else [])]


class _DryRuns:
    """Sends fixes as dry runs, which store nothing, where the account is allowed to."""

    def __init__(self, cluster: Cluster, is_wanted: bool) -> None:
        self._cluster = cluster
        self._is_wanted = is_wanted
        self._left = _FIXES
        #: by namespace and what the account lacks, the first refusal
        self._lacks: dict[tuple[str, str], Inconclusive] = {}
        self._is_cut = False

    def of(self, found: audit.Audit) -> list[dict[str, t.Any]]:
        """What the cluster says of the fix of a workload."""
        answers = []
        for one in trial.trials(found.workload, found.patch, found.changed) if self._is_wanted else ():
            if self._left <= 0 or time.monotonic() > self._cluster.until:
                self._is_cut = True
                break
            lacks = (one.namespace, one.grant)
            try:
                if lacks in self._lacks:
                    raise self._lacks[lacks]
                self._left -= 1
                warnings = self._cluster.try_out(one.method, one.resource, one.namespace, one.name, one.body)
                answers.append(trial.accepted(one, warnings))
            except Inconclusive as problem:
                if problem.reason is Reason.FORBIDDEN:
                    self._lacks.setdefault(lacks, problem)
                answers.append(trial.refused(one, problem))
        return answers

    def notes(self) -> list[str]:
        """What could not be tried out."""
        notes = [
            f"fixes in {_where(namespace)}: {problem.reason}: whether it takes them is not known; grant {grant}"
            for (namespace, grant), problem in self._lacks.items()
        ]
        return [*notes, *(["fixes: not all were tried out, there are too many"] if self._is_cut else [])]
