# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""End a run early by a signal, bound a call that has no timeout of its own, protect the clean-up."""

from __future__ import annotations

import collections.abc
import concurrent.futures
import contextlib
import signal
import threading
import time
import typing as t

__all__ = ("TURN", "Expired", "Interrupt", "bounded", "ended", "interruptible", "uninterruptible")

T = t.TypeVar("T")

#: The signals that end a run.
_ENDING: t.Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

#: A signal that another thread receives does not wake the main one, which handles it: so that one waits in turns (seconds).
TURN: t.Final = 0.5


class Interrupt(BaseException):
    """The process received a signal to end; raised in the main thread, so that every created object is removed."""


class Expired(Exception):
    """The time of :func:`bounded` is up."""


def ended(
    futures: collections.abc.Iterable[concurrent.futures.Future[T]], seconds: float = float("inf")
) -> collections.abc.Iterator[concurrent.futures.Future[T]]:
    """The futures as they end, for so many seconds; a signal is handled meanwhile."""
    until = time.monotonic() + seconds
    pending = set(futures)
    while pending:
        remaining = until - time.monotonic()
        done, pending = concurrent.futures.wait(
            pending, max(0.0, min(TURN, remaining)), concurrent.futures.FIRST_COMPLETED
        )
        yield from done
        if not done and remaining <= 0:
            return


def bounded(
    call: collections.abc.Callable[[], T],
    seconds: float,
    late: collections.abc.Callable[[T], None] = lambda _result: None,
    is_over: collections.abc.Callable[[], bool] = lambda: False,
) -> T:
    """Bound a call as a whole: it runs in a thread of its own, which is left behind when its time is up.

    The timeout of a socket bounds one read and not an answer, which can drip; and the look-up of a name has none.

    :param late: gets what the call returns when nobody waits for it any more.
    :param is_over: whether nobody wants to know any more; asked in turns.
    :raises Expired: after so many seconds, or when it is over.
    """
    future: concurrent.futures.Future[T] = concurrent.futures.Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001
            future.set_exception(error)

    def left(over: concurrent.futures.Future[T]) -> None:
        if not over.exception():
            late(over.result())

    threading.Thread(target=work, name="bounded", daemon=True).start()
    until = time.monotonic() + seconds
    while not list(ended([future], min(TURN, until - time.monotonic()))):
        if is_over() or time.monotonic() >= until:
            future.add_done_callback(left)
            raise Expired
    return future.result()


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
