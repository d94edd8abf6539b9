# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What begins and ends a run: its anchor, the probe, its threads, the removal of everything, and why it was no run."""

from __future__ import annotations

import collections.abc
import concurrent.futures
import contextlib
import functools
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.client import Cluster
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.errors import describe
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.signals import (
    Interrupt,
    interruptible,
    uninterruptible,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Settings
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import payload
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import (
    TRANSIENT,
    Inconclusive,
    Reason,
    internal,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import admission, manifests, nodes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.session import Object, Shared

#: The anchor outlives a run by this much (seconds) beside the clean-up; then the cluster removes everything.
_ANCHOR_SLACK: t.Final = 30

#: Creates an object as soon as no quota is used up that could hold it.
Create: t.TypeAlias = "collections.abc.Callable[[Object], Object]"


class HasProblem(t.Protocol):
    """What a module returns, whatever happened."""

    problem: Inconclusive | None


@contextlib.contextmanager
def reported(outcome: HasProblem, what: str) -> collections.abc.Iterator[None]:
    """Let what ends the block be the problem of an outcome: also a signal, and an error of ours.

    :param what: is done in it, in words: V(the run).
    """
    with interruptible():
        try:
            yield
        except Inconclusive as problem:
            outcome.problem = problem
        except Interrupt as signal:
            outcome.problem = Inconclusive(Reason.INTERRUPTED, f"{what} was ended by {signal}")
        except Exception as error:  # noqa: BLE001
            outcome.problem = internal(error)


def node_named(cluster: Cluster, name: str) -> Object:
    """A node; one that the account is not allowed to look at has no more than its name.

    :raises Inconclusive: NoNode, there is none of the name.
    """
    return cluster.node(name) or {"metadata": {"name": name}}


def runtime_classes(cluster: Cluster, settings: Settings) -> dict[str, nodes.RuntimeClass]:
    """What is known of the RuntimeClasses: the account may not be allowed to look at them."""
    return {name: nodes.RuntimeClass.of(cluster.runtime_class(name)) for name in settings.runtime_classes if name}


def deadline_seconds(seconds: float, cleanup_seconds: int) -> int:
    """When the cluster itself removes what a run has created that takes so long at most."""
    return round(seconds) + cleanup_seconds + _ANCHOR_SLACK


@contextlib.contextmanager
def anchored(shared: Shared, meta: manifests.RunMeta, leftovers: list[str]) -> collections.abc.Iterator[Create]:
    """An anchor for everything that is created in the block; all of it is removed at the end.

    :param leftovers: gets what could not be removed.
    """
    shared.losses.pulse.start()
    try:
        requested = manifests.anchor(meta)
        began, waiting = time.monotonic(), shared.within(shared.settings.timeout)

        def create(manifest: Object) -> Object:
            return waiting.when_free(functools.partial(shared.create, manifest), began)

        anchor = create(requested)
        admission.require_deadline(requested, anchor, shared.until - began)
        shared.anchor_uid = str(anchor["metadata"]["uid"])
        if not shared.dry_run:
            shared.watch.start()
        yield create
    finally:
        shared.losses.pulse.stop()
        if not shared.dry_run:
            with uninterruptible():
                leftovers += _clean_up(shared, manifests.run_selector(meta.run))


def mounted(shared: Shared, metas: t.Iterable[manifests.RunMeta], create: Create) -> dict[str, Inconclusive]:
    """Bring the probe to the cluster, for each architecture; returns those for which that was refused, and why."""
    problems: dict[str, Inconclusive] = {}
    for architecture, meta in {meta.architecture: meta for meta in metas}.items():
        try:
            create(manifests.probe_config(meta, shared.anchor_uid, payload.binary(architecture)))
        except Inconclusive as problem:
            problems[architecture] = problem
    return problems


@contextlib.contextmanager
def threads(shared: Shared, count: int) -> collections.abc.Iterator[concurrent.futures.ThreadPoolExecutor]:
    """Threads for the parts of a run. At the end of the block none of them waits any more."""
    executor = concurrent.futures.ThreadPoolExecutor(count, thread_name_prefix="layout")
    try:
        yield executor
    finally:
        # an interrupt must not wait for the threads: their waits end here, and none begins
        shared.stopping.set()
        shared.cluster.stopping.set()
        shared.watch.stop()
        for session in shared.sessions:
            session.abort()
        executor.shutdown(wait=True, cancel_futures=True)


def _clean_up(shared: Shared, selector: str) -> list[str]:
    """Remove what was created, on a budget of its own; returns what stays, in words."""
    until = shared.cluster.until = time.monotonic() + shared.settings.cleanup_timeout
    shared.cluster.stopping.clear()
    left: list[Object] | None = list(shared.created)
    pause = 0.2
    while True:
        left, problems = _remove(shared, left or (), selector, until)
        hopeless = any(problem.reason not in TRANSIENT for problem in problems)
        if left == [] or hopeless or time.monotonic() + pause >= until:
            break
        # an API server that restarts, or a watch that broke: nothing announces when to try again
        time.sleep(pause)
        pause = min(pause * 2, 2.0)
    shared.watch.close()
    return _leftovers(left, problems)


def _remove(
    shared: Shared, objects: t.Sequence[Object], selector: str, until: float
) -> tuple[list[Object] | None, list[Inconclusive]]:
    """Delete objects and wait until they are gone; returns what is left, None if that is not known, and all problems."""
    problems: list[Inconclusive] = []
    # the anchor last: as long as it is there, the cluster itself will finish this
    for stored in sorted(objects, key=lambda stored: bool(stored["kind"] == "Job")):
        if problems and time.monotonic() >= until:
            break
        try:
            shared.cluster.delete(stored)
        except Inconclusive as problem:
            problems.append(problem)
    if not problems:
        for stored in objects:
            if stored["kind"] == "Pod":
                # without a watch there is still the list below
                with contextlib.suppress(Inconclusive):
                    shared.watch.wait(stored["metadata"]["name"], lambda pod: not pod, until, stoppable=False)
    try:
        # by label: also what was created while the answer was lost
        return shared.cluster.list_run_objects(selector), problems
    except Inconclusive as problem:
        return None, [*problems, problem]


def _leftovers(left: t.Sequence[Object] | None, problems: t.Sequence[Inconclusive]) -> list[str]:
    """What stays, each with why it could not be removed."""
    if left is None:
        return [f"unknown: {problems[-1]}"]
    causes = {problem.subject: str(problem) for problem in problems}
    return [causes.get(describe(stored), describe(stored)) for stored in left]
