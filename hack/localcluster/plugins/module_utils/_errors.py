# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a cluster fails, and how long it is given.

This file is PRIVATE to the collection.
"""

from __future__ import annotations

import time
import typing as t


class ClusterError(Exception):
    """One line: which cluster or object, the cause, the remedy."""


class LostData(ClusterError):
    """etcd cannot read what an earlier life of the cluster left."""


class Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def until(self, condition: t.Callable[[], bool], longest_pause: float = 0.2) -> bool:
        """For what cannot be watched: look again after growing pauses. False when time is up."""
        pause = 0.01
        while not condition():
            if not self.left():
                return False
            time.sleep(min(pause, longest_pause, self.left()))
            pause *= 1.5
        return True
