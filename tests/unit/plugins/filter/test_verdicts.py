# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.filter import verdicts


def check(check_id: str, group: str, verdict: str, reason: str = "") -> dict[str, t.Any]:
    words = {"question": "Does it?", "observed": "so", "expected": "this", "remedy": "do that"}
    return {
        "id": check_id,
        "group": group,
        "verdict": verdict,
        "reason": reason,
        "evidence": {"long": "x" * 999},
        **words,
    }


CHECKS = [check("SHM101", "sysv", "PASS"), check("SHM201", "posix", "ERROR", "Timeout")]


def test_a_group_or_all() -> None:
    lines = [one["line"] for one in verdicts.verdicts(CHECKS)]
    assert lines == ["SHM101 PASS Does it? so", "SHM201 ERROR Does it? so"]
    assert [one["line"] for one in verdicts.verdicts(CHECKS, "sysv")] == lines[:1]


def test_the_detail_is_one_line_without_evidence() -> None:
    (one,) = verdicts.verdicts(CHECKS, "posix")
    assert one["detail"] == "ERROR Timeout observed: so; expected: this; remedy: do that"
    assert "xxx" not in str(one)


@pytest.mark.parametrize(
    ("verdict", "holds"), [("PASS", True), ("WARN", True), ("SKIP", True), ("FAIL", False), ("ERROR", False)]
)
def test_what_holds(verdict: str, holds: bool) -> None:
    assert verdicts.verdicts([check("SHM101", "sysv", verdict)])[0]["holds"] is holds


def test_its_name() -> None:
    assert verdicts.FilterModule().filters() == {"verdicts": verdicts.verdicts}
