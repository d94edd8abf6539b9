# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import mutex
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import (
    Facts,
    World,
    answered,
    changed,
    decide,
    seen,
    unreported,
    who,
)


def tried(apart: bool) -> World:
    """Thread 300 holds; thread 300 of another PID namespace, or 301 of the same, tries."""
    names = ("first", "second") if apart else ("holder", "taker")
    result: Facts = (
        {"tid": 300, "result": "0", "granted": True} if apart else {"tid": 301, "result": "EBUSY", "granted": False}
    )
    return lambda: {
        **who(**{names[0]: {"ns_pid": 5}, names[1]: {"ns_pid": 6 if apart else 5}}),
        "hold": seen("mutex_hold", locked=True, tid=300),
        "try": seen("mutex_try", found=True, **result),
        "drop": seen("mutex_drop", gone=True),
    }


GOOD: dict[str, World] = {"SHM213": tried(apart=True), "SHM214": tried(apart=False)}


def test_every_check_has_a_good_world() -> None:
    assert [check.id for check in mutex.CHECKS] == list(GOOD)


@pytest.mark.parametrize("check", GOOD)
def test_good_world_passes(check: str) -> None:
    answers = GOOD[check]()
    assert answered(check, answers)
    decision = decide(check, answers)
    assert (decision.verdict, decision.observed != "") == (Verdict.PASS, True)


@pytest.mark.parametrize("check", GOOD)
def test_what_the_probe_did_not_report_decides_nothing(check: str) -> None:
    with pytest.raises(Inconclusive):
        decide(check, unreported(GOOD[check]()))


@pytest.mark.parametrize(
    ("check", "label", "change", "verdict", "words"),
    [
        ("SHM213", "try", {"result": "EBUSY", "granted": False}, "FAIL", "EBUSY"),
        ("SHM213", "who_second", {"ns_pid": 5}, "FAIL", "though the pod does not request it"),
        ("SHM214", "try", {"result": "0", "granted": True}, "FAIL", "granted"),
    ],
)
def test_both_directions(check: str, label: str, change: Facts, verdict: str, words: str) -> None:
    decision = decide(check, changed(GOOD[check](), label, **change))
    assert decision.verdict == verdict, decision.observed
    assert words in decision.observed
    assert decision.fix


def test_process_ids_that_are_not_shared_though_requested() -> None:
    separate = changed(changed(GOOD["SHM214"](), "who_taker", ns_pid=6), "try", tid=300)
    decision = decide("SHM214", separate)
    assert decision.verdict is Verdict.FAIL
    assert "shareProcessNamespace has no effect" in decision.observed
    assert "honours shareProcessNamespace" in decision.fix


@pytest.mark.parametrize("check", GOOD)
@pytest.mark.parametrize(
    ("label", "change", "words"),
    [("hold", {"locked": False}, "its own mutex"), ("try", {"found": False}, "does not find the mutex")],
)
def test_a_mutex_that_was_not_tried_decides_nothing(check: str, label: str, change: Facts, words: str) -> None:
    with pytest.raises(Inconclusive, match=words) as caught:
        decide(check, changed(GOOD[check](), label, **change))
    assert caught.value.reason is Reason.PREMISE_FAILED


def test_threads_of_unequal_ids_try_nothing() -> None:
    words = "held by thread 300, tried by thread 301: .* unequal ids"
    with pytest.raises(Inconclusive, match=words) as caught:
        decide("SHM213", changed(GOOD["SHM213"](), "try", tid=301))
    assert caught.value.reason is Reason.PREMISE_FAILED
