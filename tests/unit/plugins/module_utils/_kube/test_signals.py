# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import concurrent.futures
import os
import queue
import signal
import threading
import time

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_first_signal_interrupts_and_a_clean_up_goes_on(number: signal.Signals) -> None:
    def ended() -> None:
        try:
            os.kill(os.getpid(), number)
            signal.sigtimedwait([], 1)
        finally:
            # ignored already by what raised the interrupt, and by a clean-up that no signal began
            os.kill(os.getpid(), signal.SIGTERM)
            with signals.uninterruptible():
                os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(True)

    cleaned: list[bool] = []
    before = signal.getsignal(number)
    with signals.interruptible(), pytest.raises(signals.Interrupt, match=number.name):
        ended()
    assert cleaned
    assert signal.getsignal(number) is before


def test_a_clean_up_that_no_signal_began_is_not_interrupted() -> None:
    with signals.interruptible():
        with signals.uninterruptible():
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(signals.Interrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_that_another_thread_receives_ends_a_wait() -> None:
    def receive() -> None:
        # that the main thread waits cannot be watched
        threading.Event().wait(0.2)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    never: concurrent.futures.Future[None] = concurrent.futures.Future()
    with signals.interruptible():
        threading.Thread(target=receive).start()
        with pytest.raises(signals.Interrupt, match="SIGTERM"):
            list(signals.ended([never], 20))


def test_a_wait_returns_what_ended() -> None:
    over, never = (concurrent.futures.Future[int]() for _unused in range(2))
    over.set_result(1)
    assert list(signals.ended([over, never], 0.01)) == [over]
    assert list(signals.ended([over])) == [over]


def test_a_call_without_a_timeout_is_bounded() -> None:
    began, go, late = time.monotonic(), threading.Event(), queue.SimpleQueue[str]()
    with pytest.raises(signals.Expired):
        signals.bounded(lambda: str(go.wait(60)), 0.05, late.put)
    assert time.monotonic() - began < 30
    # what comes when nobody waits any more is still put away
    go.set()
    assert late.get(timeout=30) == "True"


def test_a_bounded_call_returns_and_raises_as_the_call_itself() -> None:
    def fail() -> None:
        raise TimeoutError("its own")

    assert signals.bounded(lambda: 7, 60) == 7
    with pytest.raises(TimeoutError, match="its own"):
        signals.bounded(fail, 60)


def test_libraries_cannot_swallow_what_ends_a_run() -> None:
    assert not issubclass(signals.Interrupt, Exception)
