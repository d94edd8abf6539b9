# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the families share, where the tests of one of them do not show it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import common
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import failed, seen

CALLS: t.Final = [failed("open", "ENOENT"), {"call": "close", "result": 0}, failed("mmap", "ENOMEM")]


def test_the_first_and_the_last_call_that_failed() -> None:
    assert common.first_failed(seen("x", calls=CALLS)) == "open: ENOENT"
    assert common.last_failed(seen("x", calls=CALLS)) == "mmap: ENOMEM"
    assert common.first_failed(seen("x")) == "no system call failed"


@pytest.mark.parametrize("facts", [{"timeout": 10000}, {"stopped_by": "deadline"}])
def test_either_sign_of_a_deadline_is_enough(facts: dict[str, t.Any]) -> None:
    with pytest.raises(Inconclusive) as caught:
        common.require_in_time(seen("x", **facts))
    assert caught.value.reason is Reason.TIMEOUT
    common.require_in_time(seen("x", stopped_by="ENOSPC"))


@pytest.mark.parametrize("size", [1, 4095, 4096])
def test_a_volume_within_its_size_limit(size: int) -> None:
    common.require_within(size, 4096)


@pytest.mark.parametrize("size", [-1, 0, 4097])
def test_a_volume_without_an_end_or_beyond_its_size_limit_shows_nothing(size: int) -> None:
    with pytest.raises(Inconclusive, match=f"the volume has {size} bytes"):
        common.require_within(size, 4096)
