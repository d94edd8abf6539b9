# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""Workloads -> what is known of them and what is wrong with them, as data for reports (pure)."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Verdict, worst
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import memory_text
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import internal
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import fix, recognise, rules, scene
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.kinds import BUILT_IN
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.manifests import Workload
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Knob,
    Less,
    Program,
    Uses,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.rules import Audited, Finding, Kind
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.shape import (
    POD_LIMIT,
    Backing,
    Folder,
    PodShape,
    SpecError,
    shape,
)

#: All that can be found.
KINDS: t.Final[tuple[Kind, ...]] = (*rules.RULES, *scene.KINDS)


@dataclasses.dataclass(frozen=True)
class Audit:
    """What is said of one workload.

    :param problem: why it could not be audited, or nothing.
    :param unknown: the containers of which nobody knows what they run, or not its release, where that decides, or how much
        they write to /dev/shm, where they are configured to.
    :param unjudged: why nothing of it could be judged, or nothing.
    :param stated: by container: what the pod itself says that it needs.
    :param programs: those that are known.
    """

    workload: Workload
    pod: PodShape | None = None
    runs: t.Mapping[str, t.Sequence[recognise.Recognised]] = dataclasses.field(default_factory=dict)
    findings: t.Sequence[Finding] = ()
    unknown: t.Sequence[str] = ()
    unjudged: str = ""
    problem: str = ""
    stated: t.Mapping[str, t.Sequence[recognise.Stated]] = dataclasses.field(default_factory=dict)
    programs: t.Sequence[Program] = ()

    @property
    def status(self) -> Verdict:
        """V(PASS) only where everything that runs is known, and nothing is wrong with it."""
        if self.problem:
            return Verdict.ERROR
        if self.findings:
            return Verdict(self.findings[0].severity.value)
        return Verdict.SKIP if self.unknown or self.unjudged else Verdict.PASS

    @functools.cached_property
    def changed(self) -> t.Mapping[str, t.Any]:
        """The template of its pods with the fix."""
        work = self.workload
        if not self.findings:
            return work.spec
        return self.with_fix(work.spec) if not work.seen else fix.fixed(work.spec, self._of_template(), self._of)

    def with_fix(self, spec: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """A spec of its pods with the fix."""
        return fix.fixed(spec, self.findings, self._of)

    def _of(self, spec: t.Mapping[str, t.Any]) -> t.Sequence[Finding]:
        """The findings of its pods, if they had this spec."""
        return self._with(spec).findings

    def _with(self, spec: t.Mapping[str, t.Any]) -> Audit:
        return audit(dataclasses.replace(self.workload, spec=spec, seen=None, pods=(), used={}), self.programs)

    def _of_template(self) -> list[Finding]:
        """The findings that its template has, and those of live pods that are not older than it is."""
        now = self._with(self.workload.spec)
        if now.pod is None or self.pod is None:
            return []
        volumes = {one.name: _volume(one.dev_shm) for one in now.pod.containers}
        changed = {one.name for one in self.pod.containers if volumes.get(one.name) != _volume(one.dev_shm)}
        have = {(one.rule, one.container) for one in now.findings}
        live = [one for one in self.findings if one.container not in changed and (one.rule, one.container) not in have]
        return [*now.findings, *live]

    @functools.cached_property
    def patch(self) -> dict[str, t.Any]:
        """The fix as a strategic merge patch of the object; nothing where it has none."""
        work = self.workload
        # of others, the API server merges whole lists only
        patch = fix.patch(work.spec, self.changed) if work.kind in BUILT_IN else {}
        return t.cast("dict[str, t.Any]", fix.at((*work.path, "spec"), patch)) if patch else {}

    def facts(self) -> dict[str, t.Any]:
        """It as data. Nothing of it is the value of a variable or of a Secret."""
        work = self.workload
        return {
            "workload": work.subject,
            "api_version": work.api_version,
            "kind": work.kind,
            "namespace": work.namespace,
            "name": work.name,
            "origin": work.origin,
            "template": ".".join(map(str, work.path)),
            "replicas": work.replicas,
            "status": self.status.value,
            "problem": self.problem,
            "unknown": list(self.unknown),
            "unjudged": self.unjudged,
            "containers": self._containers(),
            "pod": self._pod(),
            "findings": [
                {**dataclasses.asdict(one), "severity": one.severity.value, "sure": one.sure.value}
                for one in self.findings
            ],
            "patch": self.patch,
            "knobs": self._knobs(),
            "proof": [],
            "diff": fix.difference(work.spec, self.changed) if self.changed != work.spec else [],
            "dry_run": [],
        }

    def _containers(self) -> list[dict[str, t.Any]]:
        pod = self.pod
        if pod is None:
            return []
        return [
            {
                "name": one.name,
                "starts": one.starts,
                "programs": [
                    {
                        "name": run.program.name,
                        "by": run.by.value,
                        "version": ".".join(map(str, run.version)),
                        "settings": dict(run.values.given),
                    }
                    for run in self.runs.get(one.name, ())
                ],
                "dev_shm": {
                    "backing": one.dev_shm.backing.value,
                    "volume": one.dev_shm.volume,
                    "size_bytes": one.dev_shm.size_bytes,
                    "bound": one.dev_shm.bound,
                    "in_use_bytes": self.workload.used.get(one.dev_shm.volume),
                    "shared_with": [
                        each.name for each in pod.containers if each is not one and one.sees_files_of(each)
                    ],
                },
                "memory_limit_bytes": one.memory_limit,
                "memory_left_bytes": one.memory_left,
                "user": one.user,
                "huge_pages_bytes": {
                    name.removeprefix("hugepages-"): size
                    for name, size in one.resources.items()
                    if name.startswith("hugepages-")
                },
            }
            for one in pod.containers
        ]

    def _pod(self) -> dict[str, t.Any]:
        pod = self.pod
        if pod is None:
            return {}
        return {
            "memory_limit_bytes": pod.memory_limit,
            "host_ipc": pod.host_ipc,
            "host_pid": pod.host_pid,
            "share_process_namespace": pod.share_pids,
            "sysctls": dict(pod.sysctls),
            "fs_group": pod.fs_group,
            "runtime_class": pod.runtime_class,
        }

    def _knobs(self) -> list[str]:
        if not self.pod:
            return []
        folders = {one.name: one.dev_shm for one in self.pod.containers}
        # where the memory limit bounds a volume, its size is not the matter
        sizes = {
            one.container: one.size_bytes
            for one in self.findings
            if one.size_bytes and one.container in folders and folders[one.container].bound != POD_LIMIT
        }
        size = max(sizes.values(), default=0)
        has_volume = all(folders[name].volume for name in sizes)
        known = [knob for runs in self.runs.values() for run in runs for knob in run.program.knobs]
        return [
            _knob_words(knob, size)
            for knob in known
            if size and self._is_owner(knob) and not (has_volume and knob.set and "{size}" not in knob.set)
        ]

    def _is_owner(self, knob: Knob) -> bool:
        labels = self.pod.labels if self.pod else {}
        return self.workload.kind in knob.kinds or any(recognise.has_label(labels, label) for label in knob.labels)


def _volume(folder: Folder) -> tuple[str, ...]:
    """What a spec says of a folder, without what else bounds it."""
    return folder.backing.value, folder.volume, folder.sub_path, str(folder.size_limit)


def _knob_words(knob: Knob, size: int) -> str:
    value = knob.set.format(size=memory_text(size))
    return f"{knob.owner}: {value} ({knob.words})" if value else f"{knob.owner}: {knob.words}"


def facts_of(workload: Workload, programs: t.Sequence[Program]) -> dict[str, t.Any]:
    """One workload of a manifest as data."""
    return with_facts(workload, programs)[1]


def with_facts(
    workload: Workload,
    programs: t.Sequence[Program],
    logs: t.Mapping[tuple[str, str], str] | None = None,
    try_out: collections.abc.Callable[[Audit], list[dict[str, t.Any]]] = lambda _found: [],
) -> tuple[Audit, dict[str, t.Any]]:
    """One workload, and the same as data. A spec that nobody has thought of costs itself alone.

    :param try_out: says what a cluster thinks of the fix.
    """
    try:
        found = audit(workload, programs, logs)
        return found, {**found.facts(), "dry_run": try_out(found)}
    except Exception as error:  # noqa: BLE001
        problem = internal(error)
        found = Audit(workload, problem=f"{problem.reason}: {problem}; {problem.remedy}")
        return found, found.facts()


def audit(
    workload: Workload,
    programs: t.Sequence[Program],
    logs: t.Mapping[tuple[str, str], str] | None = None,
) -> Audit:
    """One workload.

    :param logs: by pod and container, the last lines of containers that ended badly.
    """
    if workload.is_without_pods:
        return Audit(workload, unjudged=f"{_maker(workload, programs)}; audit the cluster where they run")
    try:
        pod = shape(workload.metadata, workload.latest, workload.allocatable)
        # a Job's template may leave the policy out here; a pod without an owner is tried by hand, with any
        is_to_end = workload.kind in ("Job", "CronJob") or (workload.is_owned and pod.is_to_end)
        pod = dataclasses.replace(pod, is_to_end=is_to_end)
        recognise.require_placed(pod)
        runs = {one.name: recognise.recognised(pod, one, programs) for one in pod.containers}
        stated = {one.name: said for one in pod.containers if (said := recognise.stated(pod, one)) is not None}
    except (SpecError, recognise.AnnotationError) as error:
        return Audit(workload, problem=str(error))
    pod = _as_created(pod, runs, workload)
    audited = Audited(pod, runs, stated, workload.is_owned)
    found = rules.findings(audited)
    # where something is in a volume, somebody uses it
    in_use = {one.name for one in pod.containers if workload.used.get(one.dev_shm.volume)}
    found = [one for one in found if one.rule != rules.FOR_NOTHING or one.container not in in_use]
    seen = scene.findings(pod, workload.pods, logs or {}, programs, _falls_back(runs, found))
    # what has been seen says more than that it can be
    certain = {one.rule for one in seen}
    found = rules.worst_first([*seen, *(one for one in found if one.rule not in certain)])
    told = {name for each in stated.values() for need in each for name in need.across} | stated.keys()
    too_small = {one.container for one in found if one.size_bytes}
    unknown = [
        one.name
        for one in pod.containers
        if one.runs
        and one.name not in told
        and (
            all(run.program.is_library for run in runs[one.name])
            or (one.name not in too_small and rules.is_release_decisive(one, runs[one.name]))
            # it is configured to write there, and nobody knows how much
            or (rules.names_dev_shm(one) and rules.demand(audited, one) is None)
        )
    ]
    return Audit(workload, pod, runs, found, unknown, stated=stated, programs=programs)


def _falls_back(runs: t.Mapping[str, t.Sequence[recognise.Recognised]], found: t.Sequence[Finding]) -> bool:
    """Whether a program takes another way where /dev/shm has no room, or is configured to."""
    needs = [need for each in runs.values() for run in each for need in run.needs()]
    is_adapting = any(need.uses is Uses.DEV_SHM and need.less is not Less.FAILS for need in needs)
    return is_adapting or any(one.rule == rules.WORKAROUND for one in found)


def _maker(workload: Workload, programs: t.Sequence[Program]) -> str:
    """Who makes the pods of a custom resource without a pod template."""
    owners = [knob.owner for one in programs for knob in one.knobs if workload.kind in knob.kinds]
    return f"{owners[0]} makes its pods" if owners else "it has no pod template"


def _as_created(pod: PodShape, runs: t.Mapping[str, t.Sequence[recognise.Recognised]], workload: Workload) -> PodShape:
    """A template's pod with what its owner mounts on /dev/shm in pods that it creates; live pods have it already."""
    if workload.seen:
        return pod
    knobs = {name: [knob for run in found for knob in run.program.knobs] for name, found in runs.items()}
    added = {
        name: Folder(Backing.OTHER, bound=f"a volume that {knob.owner} mounts")
        for name, found in knobs.items()
        for knob in found
        if knob.mounts and workload.kind in knob.kinds
    }
    return pod.with_default(added)


def status(audits: t.Sequence[t.Mapping[str, t.Any]], problems: t.Sequence[str]) -> Verdict:
    """The worst of all, V(ERROR) if there was nothing to audit. V(SKIP), if nothing of it is known, is no failure."""
    found = {Verdict(one["status"]) for one in audits} | ({Verdict.ERROR} if problems else set())
    return Verdict.SKIP if found == {Verdict.SKIP} else worst(found)


def headline(audits: t.Sequence[t.Mapping[str, t.Any]], problems: t.Sequence[str]) -> str:
    """How many workloads are well, ill or not known, in one line."""
    counts = {verdict: sum(one["status"] == verdict for one in audits) for verdict in Verdict}
    words = {Verdict.SKIP: "not known"}
    parts = [f"{count} {words.get(verdict, verdict.value)}" for verdict, count in counts.items() if count]
    plural = "" if len(audits) == 1 else "s"
    unread = f"; {len(problems)} part{'' if len(problems) == 1 else 's'} could not be read" if problems else ""
    return f"{len(audits)} workload{plural}: {', '.join(parts) or 'nothing was audited'}{unread}"
