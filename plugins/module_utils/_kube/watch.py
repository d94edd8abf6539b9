# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The pods of one run, as a single watch shows them to all threads that wait for one."""

from __future__ import annotations

import collections.abc
import threading
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.signals import Expired, bounded
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import TRANSIENT, Inconclusive

__all__ = ("PodSource", "PodWatch", "follow_pods")

#: The pause (seconds) before a watch is resumed: at first, and at most.
_PAUSE: t.Final = (0.1, 2.0)

#: After so much silence (seconds) of the watch, who waits lists the pods: what lies in between can hold events back.
_LOOK_SECONDS: t.Final = 5


class PodSource(t.Protocol):
    """What a watch reads from: a connected :class:`client.Cluster`."""

    def list_pods(self, selector: str) -> dict[str, t.Any]:
        """The PodList of all pods with these labels, as the API server returns it."""

    def pod_events(self, selector: str, version: str, seconds: int) -> collections.abc.Iterator[dict[str, t.Any]]:
        """The watch events since a resourceVersion, for so many seconds or until the connection ends."""


def follow_pods(
    source: PodSource, selector: str, until: float
) -> collections.abc.Iterator[tuple[str, dict[str, t.Any]]]:
    """Yield every change of the pods with these labels: (name, pod), and (name, {}) for one that is gone.

    A watch that broke is resumed until the monotonic time C(until).

    :raises Inconclusive: with a reason that is not transient, for example Forbidden or Unauthorized.
    """
    known: set[str] = set()
    version, pause = "", _PAUSE[0]
    while time.monotonic() < until:
        try:
            if not version:
                version = yield from _list(source, selector, known)
            since = version
            for event in source.pod_events(selector, version, max(1, int(until - time.monotonic()) + 1)):
                item = event.get("object") or {}
                if event.get("type") == "ERROR":
                    version = ""  # 410 Gone: list again
                    break
                version = item["metadata"]["resourceVersion"]
                if event.get("type") == "BOOKMARK":
                    continue
                name = item["metadata"]["name"]
                known.add(name)
                pause = _PAUSE[0]
                yield name, ({} if event.get("type") == "DELETED" else item)
            if version == since:
                version = ""  # what lies in between ends watches before they show anything
        except Inconclusive as problem:
            if problem.reason not in TRANSIENT:
                raise
            version = ""
        except (KeyError, TypeError):
            version = ""  # an object without metadata, or none
        # do not hammer an API server that restarts, or one that ends watches at once
        time.sleep(min(pause, max(0.0, until - time.monotonic())))
        pause = min(pause * 2, _PAUSE[1])


def _list(
    source: PodSource, selector: str, known: set[str]
) -> collections.abc.Generator[tuple[str, dict[str, t.Any]], None, str]:
    """Yield all pods as they are now, and those that are gone; return the version to watch from."""
    answer = source.list_pods(selector)
    items = {item["metadata"]["name"]: item for item in answer.get("items") or ()}
    for name in known - items.keys():
        yield name, {}
    known.clear()
    known.update(items)
    yield from items.items()
    return str(answer["metadata"]["resourceVersion"])


def _version(item: t.Mapping[str, t.Any] | None) -> int:
    """The resourceVersion of an object, which grows with every change (Kubernetes 1.35 says so; it was so before)."""
    version = str(((item or {}).get("metadata") or {}).get("resourceVersion"))
    return int(version) if version.isdigit() else 0


class PodWatch:
    """The pods of one run, for several waiting threads.

    :param source: the cluster.
    :param selector: the labels of the run's pods.
    :param until: when (monotonic) the watch ends by itself.
    """

    def __init__(self, source: PodSource, selector: str, until: float) -> None:
        self._source = source
        self._selector = selector
        self._pods: dict[str, dict[str, t.Any]] = {}
        #: when (monotonic) anything was last seen, or looked for
        self._seen = time.monotonic()
        self._changed = threading.Condition()
        self._updates = follow_pods(source, selector, until)
        self._stopped = False
        self._closed = False
        self._problem: Inconclusive | None = None

    def start(self) -> None:
        """Follow the pods in a thread of its own."""
        threading.Thread(target=self._follow, name="watch", daemon=True).start()

    def _follow(self) -> None:
        try:
            for name, pod in self._updates:
                with self._changed:
                    self._seen = time.monotonic()
                    self._pods[name] = pod
                    self._changed.notify_all()
                if self._closed:
                    return
        except Inconclusive as problem:
            with self._changed:
                self._problem = problem
                self._changed.notify_all()

    def stop(self) -> None:
        """Wake all threads that wait for progress of a pod: the run ends. Waits of the clean-up still work."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """End the watch with its next event, at the latest when its time is up. No thread must wait after that."""
        self._closed = True

    def wait(
        self, name: str, test: t.Callable[[dict[str, t.Any]], bool], until: float, stoppable: bool = True
    ) -> dict[str, t.Any] | None:
        """Wait until a pod passes a test; returns the pod, or None if time is up or the watch was stopped.

        :param test: called with the pod, or {} for one that is gone. What it raises leaves from here.
        :param until: a monotonic time.
        :param stoppable: whether :meth:`stop` ends the wait.
        :raises Inconclusive: what keeps the watch from following the pods.
        """
        with self._changed:
            while True:
                pod = self._pods.get(name)
                if pod is not None and test(pod):
                    return pod
                if self._problem:
                    raise self._problem
                remaining = until - time.monotonic()
                if remaining <= 0 or (stoppable and self._stopped):
                    return None
                silence = _LOOK_SECONDS - (time.monotonic() - self._seen)
                if silence > 0:
                    self._changed.wait(min(remaining, silence))
                else:
                    self._seen = time.monotonic()
                    self._look(min(remaining, _LOOK_SECONDS))

    def _look(self, seconds: float) -> None:
        """List the pods, without the lock, and take those that are newer than what the watch has shown."""
        self._changed.release()
        try:
            answer = bounded(lambda: self._source.list_pods(self._selector), seconds)
        except (Expired, Inconclusive):
            answer = {}
        finally:
            self._changed.acquire()
        listed = {item["metadata"]["name"]: item for item in answer.get("items") or ()}
        for name in self._pods.keys() | listed.keys() if answer else ():
            if _version(self._pods.get(name)) <= _version(answer):
                self._pods[name] = listed.get(name, {})
        self._changed.notify_all()

    def latest(self, name: str) -> dict[str, t.Any]:
        """The pod as it was last seen; {} if it never was, or is gone."""
        with self._changed:
            return self._pods.get(name) or {}
