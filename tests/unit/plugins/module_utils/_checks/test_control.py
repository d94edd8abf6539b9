# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import common, control
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import protocol
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import (
    Answers,
    changed,
    context,
    decide,
    find,
    judge,
    seen,
    unreported,
)

CONTROL: Answers = {"same": seen("control_same", positive=True, negative=True)}


def test_every_control_is_here() -> None:
    assert [check.id for check in control.CHECKS] == ["SHM901", "SHM902", "SHM903"]


@pytest.mark.parametrize(
    ("check", "change", "verdict"),
    [
        ("SHM901", {}, "PASS"),
        ("SHM901", {"positive": False}, "FAIL"),
        ("SHM902", {}, "PASS"),
        ("SHM902", {"negative": False}, "FAIL"),
    ],
)
def test_controls(check: str, change: dict[str, t.Any], verdict: str) -> None:
    decision = decide(check, changed(CONTROL, "same", **change))
    assert (decision.verdict, bool(decision.fix)) == (verdict, verdict == "FAIL")


@pytest.mark.parametrize("check", ["SHM901", "SHM902"])
def test_what_the_probe_did_not_report_decides_nothing(check: str) -> None:
    with pytest.raises(Inconclusive):
        decide(check, unreported(CONTROL))


def test_the_canary_notices_a_rule_that_passes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find("SHM903").steps == ()
    world = context("SHM901")
    assert judge("SHM903", {}, world).verdict is Verdict.PASS
    # what compares nonces is one function for all rules
    monkeypatch.setattr(common, "failed_crossing", lambda *args: None)
    decision = judge("SHM903", {}, world)
    assert (decision.verdict, "a wrong nonce is PASS" in decision.observed) == (Verdict.FAIL, True)
    assert decision.fix


def test_the_canary_notices_a_reader_that_reads_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "parse", lambda *args: seen("identity"))
    decision = judge("SHM903", {}, context("SHM903"))
    assert (decision.verdict, decision.observed) == (Verdict.FAIL, "a damaged output is read")
