# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import FIRST, SIZED
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Decision,
    Seen,
    Settings,
    Sizes,
    Step,
    Verdict,
    worst,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], Verdict.ERROR),
        ([Verdict.SKIP, Verdict.SKIP], Verdict.ERROR),
        ([Verdict.PASS, Verdict.SKIP], Verdict.PASS),
        ([Verdict.PASS, Verdict.WARN], Verdict.WARN),
        ([Verdict.WARN, Verdict.ERROR], Verdict.ERROR),
        ([Verdict.ERROR, Verdict.FAIL, Verdict.PASS], Verdict.FAIL),
        ([Verdict.FAIL, Verdict.UNREACHABLE], Verdict.UNREACHABLE),
    ],
)
def test_the_worst_verdict_stands_for_all_and_nothing_decided_is_an_error(
    verdicts: list[Verdict], expected: Verdict
) -> None:
    assert worst(verdicts) is expected


def test_bad_and_decided_verdicts() -> None:
    assert {verdict for verdict in Verdict if verdict.is_bad} == {Verdict.UNREACHABLE, Verdict.FAIL, Verdict.ERROR}
    assert {verdict for verdict in Verdict if verdict.is_decided} == {Verdict.FAIL, Verdict.WARN, Verdict.PASS}


@pytest.mark.parametrize(
    ("verdict", "fix"),
    [(Verdict.SKIP, ""), (Verdict.ERROR, "x"), (Verdict.PASS, "x"), (Verdict.WARN, ""), (Verdict.FAIL, "")],
)
def test_a_rule_decides_and_has_a_fix_for_what_is_not_as_expected(verdict: Verdict, fix: str) -> None:
    with pytest.raises(ValueError, match=verdict.value):
        Decision(verdict, "seen", fix)


STEPS = (Step("one", FIRST, "identity"), Step("two", FIRST, "identity"))


def test_an_answer_that_is_missing_or_foreign_decides_nothing() -> None:
    answer = Observation("identity", "a", {}, (), None)
    seen = Seen(STEPS, {"one": answer, "three": answer})
    assert seen[STEPS[0]] is answer
    assert seen.values() == [answer]
    for step in (STEPS[1], Step("one", FIRST, "identity")):
        with pytest.raises(Inconclusive, match=f"no answer to the step {step.label}"):
            seen[step]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": (STEPS[0], Step("one", FIRST, "ftok"))}, "two steps have one label"),
        ({"tags": frozenset({"unheard-of"})}, "there is no tag unheard-of"),
        (
            {"steps": (Step("one", dataclasses.replace(SIZED, name="x"), "identity"),)},
            "the layout pair has no container x",
        ),
    ],
)
def test_a_check_that_cannot_work_is_refused_at_import(change: dict[str, t.Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"SHM301: {words}"):
        dataclasses.replace(BY_ID["SHM301"], **change)


def test_max_write_bounds_what_is_written_into_dev_shm_and_nothing_that_is_expected() -> None:
    wide, tight = (Sizes.of(Settings(max_write_bytes=size)) for size in (1024 * MIB, MIB))
    bounded = {"fill_default", "fill_memory", "fill_limit", "fill_small", "fill_grown", "used"}
    for field in dataclasses.fields(Sizes):
        one, other = getattr(wide, field.name), getattr(tight, field.name)
        assert (one, other) == (one, MIB) if field.name in bounded else one == other, field.name
    assert wide.fill_limit == 513 * MIB
