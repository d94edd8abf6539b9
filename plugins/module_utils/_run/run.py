# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Checks + cluster -> verdicts, under one deadline, with nothing left behind."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import itertools
import os
import secrets
import threading
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import controls_of
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.client import Cluster
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.signals import (
    TURN,
    ended,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.source import Source, resolve
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.watch import PodWatch
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Check,
    Settings,
    Sizes,
    Target,
    Transport,
    Verdict,
    texts,
    worst,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import payload
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import (
    UNREACHABLE,
    Inconclusive,
    Reason,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import manifests, nodes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.judge import Judge
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.owned import (
    anchored,
    deadline_seconds,
    mounted,
    node_named,
    reported,
    runtime_classes,
    threads,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import LayoutPlan, plan
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.results import LayoutResult
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.runner import LayoutRun
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.session import NoExec, Shared

#: Layouts that work side by side: neither the API server nor a node must feel a run.
_AT_ONCE: t.Final = 12


@dataclasses.dataclass
class Result:
    """What a run returns, whatever happened."""

    cluster: str
    run: str
    checks: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    controls: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    targets: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    skipped_nodes: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    #: nothing if it could not be found out which cluster it is
    source: Source | None = None
    cluster_uid: str = ""
    #: of the API server
    kubernetes: str = ""
    #: how steps came to their containers; and why not by exec, where it was refused
    transport: Transport = Transport.EXEC
    no_exec: str = ""
    #: requests that were tried again, in words
    retries: list[str] = dataclasses.field(default_factory=list)
    leftovers: list[str] = dataclasses.field(default_factory=list)
    problem: Inconclusive | None = None
    duration: float = 0.0

    @property
    def status(self) -> Verdict:
        """The verdict on the cluster: V(UNREACHABLE), or the worst of its checks."""
        if self.problem and self.problem.reason in UNREACHABLE:
            return Verdict.UNREACHABLE
        verdicts = {Verdict(check["verdict"]) for check in self.checks}
        if verdicts == {Verdict.SKIP} and any(check["reason"] == Reason.CHECK_MODE for check in self.checks):
            return Verdict.SKIP
        return worst(verdicts)

    def line(self) -> str:
        """The result in one line: the count of verdicts, or what kept the checks from running."""
        if self.problem:
            return one_line(self.cluster, self.problem)
        counts = {verdict: sum(check["verdict"] == verdict for check in self.checks) for verdict in Verdict}
        text = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        text += self.transport.note(self.no_exec)
        first = next((check for check in self.checks if check["verdict"] == Verdict.ERROR), None)
        if first:
            text += f"; {first['id']} {first['reason']}: {first['observed']}; {first['remedy']}"
        return f"cluster {self.cluster}: {text or 'no check'}"


def one_line(cluster: str, problem: Inconclusive) -> str:
    """Cluster, object, cause and remedy in one line."""
    return f"cluster {cluster}: {problem.reason}: {problem}; {problem.remedy}"


def _nonces() -> collections.abc.Iterator[str]:
    return (secrets.token_hex(16) for unused in itertools.count())


@dataclasses.dataclass
class TargetRun:
    """One node and RuntimeClass of a run: what is planned there, and by layout what was answered."""

    target: Target
    meta: manifests.RunMeta
    layouts: tuple[LayoutPlan, ...]
    results: dict[str, LayoutResult] = dataclasses.field(default_factory=dict)
    #: why nothing could run there
    problem: Inconclusive | None = None
    #: its share of the run's time, once it has begun
    shared: Shared | None = None

    @property
    def is_closed(self) -> bool:
        """Whether not even a pod that demands nothing is admitted there."""
        return self.shared is not None and self.shared.ways.get(self.meta.target, self.meta) is None

    def facts(self) -> dict[str, t.Any]:
        """The target as it is returned, with the RuntimeClass that admission gave to its pods instead of the requested one."""
        stored = [stored for result in self.results.values() for _requested, stored in result.pods.values()]
        given = {str(pod["spec"].get("runtimeClassName") or "") for pod in stored} - {"", self.target.runtime_class}
        return self.target.facts(", ".join(sorted(given)))


def run(module: t.Any, cluster_name: str, checks: t.Sequence[Check], settings: Settings, check_mode: bool) -> Result:
    """Answer the checks on the cluster that the module's parameters name."""
    began = time.monotonic()
    result = Result(cluster=cluster_name, run=secrets.token_hex(5))
    sizes = Sizes.of(settings)
    targets: list[TargetRun] = []
    unplaced: dict[str, Inconclusive] = {}
    cluster: Cluster | None = None
    with reported(result, "the run"):
        result.source = source = resolve(module.params, os.environ)
        cluster = Cluster(source, settings.namespace, settings.timeout)
        result.kubernetes = cluster.version()
        result.cluster_uid = cluster.uid()
        choice = nodes.choose(_nodes(cluster, settings), settings, payload.BINARIES, runtime_classes(cluster, settings))
        result.skipped_nodes = [one.facts() for one in choice.skipped]
        unplaced = choice.unplaced
        is_alone = len(choice.targets) == 1
        for index, target in enumerate(choice.targets):
            meta = _meta(result.run, "" if is_alone else str(index), target, settings, len(choice.targets))
            here = sizes.on(target.node.huge_page_bytes)
            # targets can be on one node, where hostIPC lets their objects meet
            scope = result.run if is_alone else f"{result.run}{index:04x}"
            layouts = plan([*controls_of(checks), *checks], settings, here, scope, _nonces())
            targets.append(TargetRun(target, meta, layouts))
        cluster.until = began + settings.seconds_of_run(len(targets))
        shared = _shared(cluster, result.run, settings, check_mode, len(targets))
        try:
            _run_all(shared, targets, result.leftovers)
        finally:
            result.transport = Transport.LOG if shared.by_log else Transport.EXEC
            result.no_exec = shared.why_no_exec
    result.targets = [one.facts() for one in targets]
    if cluster:
        result.retries = [f"{what} ({count} times)" for what, count in sorted(cluster.retries.items())]
    judge = Judge(cluster_name, settings, sizes, texts(settings, sizes), None, {}, result.problem)
    judges = [
        dataclasses.replace(
            judge,
            target=one.target,
            results=one.results,
            is_closed=one.is_closed,
            problem=result.problem or one.problem,
        )
        for one in targets
    ]
    judges += [dataclasses.replace(judge, problem=why, runtime_class=name) for name, why in unplaced.items()]
    for one in judges or [judge]:
        judged, controls = one.judge(checks)
        result.checks += judged
        result.controls += controls
    result.duration = round(time.monotonic() - began, 3)
    return result


def _nodes(cluster: Cluster, settings: Settings) -> list[dict[str, t.Any]]:
    """The nodes of the cluster; those that the settings name without a list of all, which the account may not be allowed."""
    if not settings.node_names:
        try:
            return cluster.nodes()
        except Inconclusive as problem:
            if problem.reason is not Reason.FORBIDDEN:
                raise
            words = f"{problem.detail}; without this permission, name nodes with the option node_names"
            raise Inconclusive(problem.reason, words, problem.subject) from None
    return [node_named(cluster, name) for name in dict.fromkeys(settings.node_names)]


def _meta(run_id: str, index: str, target: Target, settings: Settings, targets: int) -> manifests.RunMeta:
    return manifests.RunMeta(
        run=run_id,
        target=index,
        namespace=settings.namespace,
        node=target.node.name,
        architecture=target.node.architecture,
        image=target.node.image,
        pull_policy=target.node.pull_policy,
        huge_page_bytes=target.node.huge_page_bytes,
        runtime_class=target.runtime_class,
        tolerations=settings.tolerations,
        labels=dict(settings.labels),
        annotations=dict(settings.annotations),
        additions=settings.additions,
        deadline_seconds=deadline_seconds(settings.seconds_of_run(targets), settings.cleanup_timeout),
    )


def _shared(cluster: Cluster, run_id: str, settings: Settings, dry_run: bool, targets: int) -> Shared:
    # it follows the pods until long after every wait in here has ended
    watch = PodWatch(cluster, manifests.run_selector(run_id), cluster.until + settings.cleanup_timeout)
    option = "timeout" if targets == 1 else "total_timeout"
    words = f"the run took longer than {settings.seconds_of_run(targets)} s (option {option})"
    return Shared(cluster, settings, watch, cluster.until, dry_run, out_of_time=words)


def _run_all(shared: Shared, targets: t.Sequence[TargetRun], leftovers: list[str]) -> None:
    """Create, run and remove everything; each target gets what its layouts answered.

    :param leftovers: gets what could not be removed.
    """
    with anchored(shared, targets[0].meta, leftovers) as create:
        shared.choose_way(manifests.object_name(targets[0].meta))
        problems = mounted(shared, [target.meta for target in targets], create)
        for target in targets:
            target.problem = problems.get(target.meta.architecture)
        able = [target for target in targets if not target.problem]
        if not able:
            raise next(iter(problems.values()))
        _run_layouts(shared, able)


_Job: t.TypeAlias = "tuple[TargetRun, LayoutPlan]"


def _batches(shared: Shared, jobs: t.Sequence[_Job]) -> collections.abc.Iterator[list[_Job]]:
    """What works side by side: all that can, then each of the others alone."""
    by_log = shared.by_log
    yield [job for job in jobs if not job[1].layout.exclusive]
    yield from ([job] for job in jobs if job[1].layout.exclusive)
    # pods that go without exec carry more than what was sent as a dry run before that was known
    if shared.by_log and not by_log:
        yield [job for job in jobs if job[1].layout.dry_run_only]


def _run_layouts(shared: Shared, targets: t.Sequence[TargetRun]) -> None:
    jobs = [(target, layout) for target in targets for layout in target.layouts]
    places = threading.Semaphore(_AT_ONCE)
    with threads(shared, len(jobs)) as executor:
        for batch in _batches(shared, jobs):
            futures = {}
            for target, layout in batch:
                place = _Place(places)
                futures[executor.submit(_run_layout, shared, target, layout, place)] = (target, layout)
            for future in ended(futures):
                target, layout = futures[future]
                target.results[layout.layout.name] = future.result()


class _Place:
    """A place among the layouts that work side by side. One that only waits gives it to another.

    Taken before there is a thread: a process may have few of them.
    """

    def __init__(self, places: threading.Semaphore) -> None:
        self._places = places
        # in turns: a signal is handled between two of them
        while not self._places.acquire(timeout=TURN):
            pass
        self._is_held = True

    def __enter__(self) -> _Place:
        return self

    def __exit__(self, *_error: object) -> None:
        self.give()

    def give(self) -> None:
        """Let another have it, for good: what goes on after a long wait is little."""
        if self._is_held:
            self._is_held = False
            self._places.release()


def _run_layout(shared: Shared, target: TargetRun, layout: LayoutPlan, place: _Place) -> LayoutResult:
    """One layout, in the time of its target, which begins with its first layout: one that hangs costs no other its time."""
    with place:
        with shared.lock:
            # what runs alone begins when all targets are done
            if target.shared is None or layout.layout.exclusive:
                target.shared = shared.within(shared.settings.timeout)
            mine = dataclasses.replace(target.shared, give_place=place.give)
        with contextlib.suppress(NoExec):
            return LayoutRun(mine, target.meta, layout).run()
        return LayoutRun(mine, target.meta, layout).run()
