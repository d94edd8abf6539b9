# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
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


def test_an_alarm_ends_what_has_no_timeout() -> None:
    before, began = signal.getsignal(signal.SIGALRM), time.monotonic()
    with pytest.raises(signals.Expired), signals.alarm(0.05):
        time.sleep(60)
    assert time.monotonic() - began < 30
    assert signal.getsignal(signal.SIGALRM) is before


def test_an_alarm_that_was_not_needed_does_not_ring_later() -> None:
    with signals.alarm(60):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_libraries_cannot_swallow_what_ends_a_run() -> None:
    assert not issubclass(signals.Interrupt, Exception)
    assert not issubclass(signals.Expired, Exception)
