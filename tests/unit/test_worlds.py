# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every check is shown to fail: the tables of the false worlds (tests/worlds) leave none out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _catalog

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "worlds"))

import test_kubelets  # noqa: E402
import test_policies  # noqa: E402
import test_worlds  # noqa: E402

#: Shown elsewhere, since it takes more than a table.
ELSEWHERE = {
    "SHM403": "cluster/test_checks.py",
    **dict.fromkeys(("SHM405", "SHM406", "SHM407"), "worlds/test_v2.py"),
}

#: The worst that it comes to.
NEVER_FAILS = {"SHM605": "WARN"}

TABLES = (test_worlds.EXPECTED, test_policies.EXPECTED, test_kubelets.EXPECTED)


@pytest.mark.parametrize("check", _catalog.BY_ID)
def test_a_world_turns_it_red(check: str) -> None:
    if check in ELSEWHERE:
        assert check in (TESTS / ELSEWHERE[check]).read_text(encoding="utf-8")
        return
    verdicts = {expected.get(check) for table in TABLES for expected in table.values()}
    assert NEVER_FAILS.get(check, "FAIL") in verdicts


def test_worlds_name_checks_that_exist() -> None:
    named = {check for table in TABLES for expected in table.values() for check in expected}
    assert named - {test_worlds.EVERYTHING} <= _catalog.BY_ID.keys()
