# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections.abc
import queue
import threading
import time

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.log import LogSession
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason

SUBJECT = "container a of pod n/x"


def after_line(data: bytes) -> int | None:
    return data.index(b"\n") + 1 if b"\n" in data else None


def chunks(*script: bytes | Inconclusive) -> collections.abc.Iterator[bytes]:
    for item in script:
        if isinstance(item, Inconclusive):
            raise item
        yield item


def test_answers_come_as_the_log_grows() -> None:
    grows: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    session = LogSession(iter(grows.get, b""), SUBJECT)
    grows.put(b"on")
    threading.Timer(0.05, grows.put, [b"e\ntwo\nthr"]).start()
    session.wait_for(after_line, 5)
    assert session.read_answer(after_line, 5) == b"one\n"
    assert session.read_answer(after_line, 5) == b"two\n"
    began = time.monotonic()
    with pytest.raises(Inconclusive) as caught:
        session.read_answer(after_line, 0.2)
    assert caught.value.reason is Reason.TIMEOUT
    assert 0.2 <= time.monotonic() - began < 2
    assert not session.wait_closed(0.1)
    grows.put(b"")
    assert session.wait_closed(5)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ((), "its log ended before the answer was complete"),
        ((Inconclusive(Reason.API_UNREACHABLE, "reset", "API server s"),), "the connection broke: reset"),
    ],
)
def test_a_log_that_ends_too_early(trouble: tuple[Inconclusive, ...], words: str) -> None:
    session = LogSession(chunks(b"one\ntw", *trouble), SUBJECT)
    assert session.read_answer(after_line, 5) == b"one\n"
    # whoever reads next hears it, too
    for _time in range(2):
        with pytest.raises(Inconclusive) as caught:
            session.read_answer(after_line, 5)
        assert (caught.value.reason, str(caught.value)) == (Reason.EXEC_TRANSPORT, f"{SUBJECT}: {words}")


def test_who_waits_for_a_log_can_be_woken() -> None:
    never: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    session = LogSession(iter(never.get, b""), SUBJECT)
    threading.Timer(0.05, session.abort).start()
    with pytest.raises(Inconclusive):
        session.read_answer(after_line, 60)


def test_a_log_has_a_bound() -> None:
    session = LogSession(chunks(b"x" * 100_000, b"\n", b"y" * LogSession.LIMIT, b"y"), SUBJECT)
    assert len(session.read_answer(after_line, 5)) == 100_001
    with pytest.raises(Inconclusive) as caught:
        session.read_answer(after_line, 5)
    assert caught.value.reason is Reason.BAD_OUTPUT
