# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What was lost in the middle of a run: this process for some time, the API server, the node.

A wait that ends in vain, a connection that breaks: of such a symptom the cause is read here, by what was last heard and
by the state of the node. All checks that meet one loss get the same words.
"""

from __future__ import annotations

import threading
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import BROKEN, Inconclusive, Reason, quote

__all__ = ("Losses", "NodeSource", "Pulse")

#: What can be the symptom of a loss.
_SYMPTOMS: t.Final = frozenset(
    {
        Reason.TIMEOUT,
        Reason.NOT_SCHEDULED,
        Reason.API_UNREACHABLE,
        Reason.API_ERROR,
        *BROKEN,
        Reason.LOGS_UNAVAILABLE,
        Reason.SANDBOX_CREATE,
        Reason.CONTAINER_START,
    }
)

#: What befalls pods of a node that is lost: taints keep new ones out, and the cluster deletes the others.
_OF_A_NODE: t.Final = frozenset({Reason.UNSCHEDULABLE, Reason.POD_GONE, Reason.KUBELET_REJECTED})

#: A process that did not run for so long (seconds) can have missed the deadline of its anchor (owned.py), with which the
#: cluster removes all pods.
_ANCHOR_SECONDS: t.Final = 30

#: The pulse beats so often (seconds); one that is so late was not late because of a busy machine.
_BEAT: t.Final = 1
_LATE: t.Final = 5

#: A kubelet renews its lease every 10 s, or a quarter of the lease; without news for so long (seconds) it is lost.
_LEASE_SECONDS: t.Final = 20

#: A node says only later (seconds) that its runtime is down: so long it is watched after a pod that did not start.
_NODE_SECONDS: t.Final = 15
_NODE_PAUSE: t.Final = 3

#: What was found is good for so long (seconds): many checks meet one loss at once.
_FRESH_SECONDS: t.Final = 5


def _clock() -> float:
    """Seconds, with those in which the machine slept."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def utc(seconds: float) -> str:
    """A time of day, from seconds since the epoch."""
    return time.strftime("%H:%M:%S UTC", time.gmtime(seconds))


class Pulse:
    """Notices that this process did not run for some time: it was stopped, or the machine slept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = _clock()
        self._stopped = threading.Event()
        #: the longest time without a beat, in words
        self.words = ""
        #: in seconds
        self.longest = 0.0

    def start(self) -> None:
        """Beat in a thread of its own, until :meth:`stop`."""
        threading.Thread(target=self._run, name="pulse", daemon=True).start()

    def _run(self) -> None:
        while not self._stopped.wait(_BEAT):
            self.beat()

    def stop(self) -> None:
        """Beat no more."""
        self._stopped.set()

    def beat(self) -> None:
        """Look how long ago the last beat was."""
        with self._lock:
            now = _clock()
            late, self._last = now - self._last - _BEAT, now
            if late >= max(_LATE, self.longest):
                self.longest = late
                self.words = (
                    f"it did not run for {late:.0f} s, until {utc(time.time())}: it was stopped, or the machine slept"
                )


class NodeSource(t.Protocol):
    """Where the causes are read: a connected :class:`client.Cluster`."""

    server: str
    heard: float
    until: float
    stopping: threading.Event

    def node_now(self, name: str) -> dict[str, t.Any]:
        """A node as it is now, or nothing if there is none of the name."""

    def lease(self, node: str) -> str:
        """When the kubelet of a node last said that it lives; nothing if that cannot be seen."""


class Losses:
    """The causes of a run's symptoms."""

    def __init__(self) -> None:
        self.pulse = Pulse()
        self._lock = threading.Lock()
        #: by node: its lease, and when (monotonic) it was first seen so
        self._leases: dict[str, tuple[str, float]] = {}
        #: by node: what was found, and when (monotonic)
        self._found: dict[str, tuple[Inconclusive | None, float]] = {}
        #: the nodes that were watched once
        self._watched: set[str] = set()
        #: what was last heard of an API server that is lost (Cluster.heard), and the words about it
        self._api: tuple[float, Inconclusive] | None = None

    def note_lease(self, source: NodeSource, node: str) -> None:
        """Look at the lease of a node, to see later whether it was renewed. The clocks of nodes are not compared."""
        lease = source.lease(node)
        if lease and self._leases.get(node, ("", 0.0))[0] != lease:
            self._leases[node] = (lease, time.monotonic())

    def cause(self, source: NodeSource, node: str, problem: Inconclusive) -> Inconclusive:
        """The loss that a problem is the symptom of, or the problem itself."""
        if problem.reason not in _SYMPTOMS | _OF_A_NODE:
            return problem
        is_symptom = problem.reason in _SYMPTOMS
        self.pulse.beat()
        is_removed = problem.reason is Reason.POD_GONE and self.pulse.longest >= _ANCHOR_SECONDS
        if (is_symptom or is_removed) and self.pulse.words:
            return Inconclusive(Reason.SUSPENDED, self.pulse.words, "the process of podshm")
        with self._lock:
            found, when = self._found.get(node, (None, -float("inf")))
            if time.monotonic() - when > _FRESH_SECONDS:
                found = self._look(source, node)
                if not found and _can_be_the_node(problem) and node not in self._watched:
                    self._watched.add(node)
                    found = self._look_again(source, node)
                self._found[node] = (found, time.monotonic())
        if found and (is_symptom or found.reason is Reason.NODE_NOT_READY):
            return found
        return problem

    def _look_again(self, source: NodeSource, node: str) -> Inconclusive | None:
        """Look until something is found, within the time of the run."""
        until = min(time.monotonic() + _NODE_SECONDS, source.until)
        while time.monotonic() + _NODE_PAUSE < until and not source.stopping.wait(_NODE_PAUSE):
            found = self._look(source, node)
            if found:
                return found
        return None

    def _look(self, source: NodeSource, node: str) -> Inconclusive | None:
        heard = source.heard
        if self._api and self._api[0] == heard:
            return self._api[1]
        try:
            now = source.node_now(node)
        except Inconclusive as problem:
            if problem.reason not in (Reason.API_UNREACHABLE, Reason.API_ERROR):
                return None
            words = f"it has not answered since {utc(heard)}: {problem.detail}"
            self._api = (heard, Inconclusive(Reason.API_UNREACHABLE, words, f"API server {source.server}"))
            return self._api[1]
        return not_ready(now, node) or self._not_renewed(source, node)

    def _not_renewed(self, source: NodeSource, node: str) -> Inconclusive | None:
        self.note_lease(source, node)
        lease, first = self._leases.get(node, ("", time.monotonic()))
        if time.monotonic() - first < _LEASE_SECONDS:
            return None
        words = (
            f"its kubelet has not renewed its lease since {lease}: it does not run, or does not reach the API server"
        )
        return Inconclusive(Reason.NODE_NOT_READY, words, f"node {node}")


def _can_be_the_node(problem: Inconclusive) -> bool:
    """Whether a pod did not start, and it is not said why, or its runtime was not there."""
    is_slow = problem.reason is Reason.TIMEOUT and problem.subject.startswith("pod ")
    return is_slow or (problem.reason is Reason.SANDBOX_CREATE and "connect: connection refused" in problem.detail)


def not_ready(node: t.Mapping[str, t.Any], name: str) -> Inconclusive | None:
    """What keeps a node from being Ready; nothing, if it is."""
    subject = f"node {name}"
    if not node:
        return Inconclusive(Reason.NODE_NOT_READY, "it is not in the cluster any more", subject)
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready: dict[str, t.Any] = next((one for one in conditions if one.get("type") == "Ready"), {})
    if ready.get("status", "True") == "True":
        return None
    since, why = ready.get("lastTransitionTime", ""), f"{ready.get('reason', '')}: {ready.get('message', '')}"
    return Inconclusive(Reason.NODE_NOT_READY, quote(f"it is not Ready since {since}: {why}"), subject)
