# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The log of a container as it grows, in place of an exec."""

from __future__ import annotations

import collections.abc
import queue
import threading
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.exec import Session
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason

__all__ = ("LogSession",)


class LogSession(Session):
    """A session that reads a log from its start. Nothing can be sent: the container knows what to do.

    :param chunks: what the log has, as it comes; it ends with the container, or raises Inconclusive.
    :param subject: the container, for messages.
    """

    #: A container can be far ahead of who reads its answers.
    LIMIT: t.ClassVar[int] = 1 << 20

    def __init__(self, chunks: collections.abc.Iterator[bytes], subject: str) -> None:
        super().__init__(None, subject, lambda _words, _subject: None)
        self._chunks: queue.SimpleQueue[bytes | Inconclusive] = queue.SimpleQueue()
        threading.Thread(target=self._follow, args=(chunks,), name="log", daemon=True).start()

    def _follow(self, chunks: collections.abc.Iterator[bytes]) -> None:
        try:
            for chunk in chunks:
                self._chunks.put(chunk)
            words = "its log ended before the answer was complete"
        except Inconclusive as problem:
            words = f"the connection broke: {problem.detail}"
        self._chunks.put(Inconclusive(Reason.EXEC_TRANSPORT, words, self._subject))

    def _receive(self, until: float) -> None:
        try:
            more = self._chunks.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(more, Inconclusive):
            # for whoever reads next
            self._chunks.put(more)
            raise more
        self._out += more

    def close(self) -> None:
        """Read no more. The log ends with the container, and the script removes what it created."""
        self.abort()

    def abort(self) -> None:
        """Wake a thread that waits for more."""
        self._chunks.put(Inconclusive(Reason.EXEC_TRANSPORT, "nobody reads its log any more", self._subject))
