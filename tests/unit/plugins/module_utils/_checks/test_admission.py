# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import admission
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import (
    Answers,
    Facts,
    World,
    answered,
    changed,
    decide,
    seen,
    unreported,
)

REFUSED: Facts = {"admitted": False, "refused_by": "PodSecurity", "detail": "violates"}


def admitted(*refused: str) -> Answers:
    names = ("volume", "relaxed", "ipc", "path", "sysctl")
    return {name: seen("@admit", **(REFUSED if name in refused else {"admitted": True})) for name in names}


GOOD: dict[str, World] = {"SHM607": admitted}


def test_every_check_has_a_good_world() -> None:
    assert [check.id for check in admission.CHECKS] == list(GOOD)


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
        ("SHM607", "volume", REFUSED, "FAIL", "volume: PodSecurity (violates)"),
        ("SHM607", "ipc", REFUSED, "WARN", "a policy of the cluster's own"),
    ],
)
def test_both_directions(check: str, label: str, change: Facts, verdict: str, words: str) -> None:
    decision = decide(check, changed(GOOD[check](), label, **change))
    assert decision.verdict == verdict, decision.observed
    assert words in decision.observed
    assert bool(decision.fix) == (verdict != "PASS")


@pytest.mark.parametrize(
    ("refused", "level"),
    [((), "privileged"), (("ipc", "path", "sysctl"), "baseline"), (("relaxed", "ipc", "path", "sysctl"), "restricted")],
)
def test_the_level_of_pod_security(refused: tuple[str, ...], level: str) -> None:
    decision = decide("SHM607", admitted(*refused))
    assert (decision.verdict, decision.observed.endswith(f"as at level {level}")) == (Verdict.PASS, True)


def test_what_admission_changed_of_a_pod_is_not_admitted_as_it_is() -> None:
    decision = decide("SHM607", changed(admitted(), "volume", changed="volume kept: medium Memory -> none"))
    assert decision.verdict is Verdict.WARN
    assert decision.observed.endswith("the cluster changed the pod: volume: volume kept: medium Memory -> none")
    assert "changes these pods" in decision.fix


def test_who_refuses_is_named_in_the_order_of_the_ways() -> None:
    decision = decide("SHM607", admitted("sysctl", "ipc", "path"))
    assert decision.observed.startswith("refused: ipc: PodSecurity, path: PodSecurity, sysctl: PodSecurity")
