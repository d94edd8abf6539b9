# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Signals: end a run early, bound a call that has no timeout of its own, protect the clean-up."""

from __future__ import annotations

import collections.abc
import contextlib
import signal
import typing as t

__all__ = ("Expired", "Interrupt", "alarm", "interruptible", "uninterruptible")

#: The signals that end a run.
_ENDING: t.Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Interrupt(BaseException):
    """The process received a signal to end; raised in the main thread, so that every created object is removed."""


class Expired(BaseException):
    """The time of :func:`alarm` is up. Not an Exception: libraries must not swallow it."""


@contextlib.contextmanager
def alarm(seconds: float) -> collections.abc.Iterator[None]:
    """Bound a block of the main thread that has no timeout of its own.

    :raises Expired: in the block, after so many seconds.
    """

    def ring(number: int, frame: t.Any) -> None:
        raise Expired

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextlib.contextmanager
def interruptible() -> collections.abc.Iterator[None]:
    """Turn the first SIGTERM, SIGINT or SIGHUP into :class:`Interrupt`; later ones must not stop the clean-up."""

    def stop(number: int, frame: t.Any) -> None:
        for other in _ENDING:
            signal.signal(other, signal.SIG_IGN)
        raise Interrupt(signal.Signals(number).name)

    previous = {number: signal.signal(number, stop) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def uninterruptible() -> collections.abc.Iterator[None]:
    """Ignore the signals of :func:`interruptible`: a clean-up that has begun runs to its end."""
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
