# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _catalog
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _catalog_text

EVERY = (*_catalog.CHECKS, *_catalog.CONTROLS)


def test_without_words_the_whole_catalog_and_the_controls() -> None:
    assert [one["id"] for one in _catalog_text.entries([])] == [check.id for check in EVERY]


def test_words_select_without_controls() -> None:
    listed = _catalog_text.entries(["isolation", "SHM301"])
    assert [one["id"] for one in listed] == ["SHM301", "SHM501", "SHM502", "SHM503", "SHM504"]


def test_words_leave_out() -> None:
    every = [one["id"] for one in _catalog_text.entries(["!isolation", "!SHM301"])]
    assert every == [check.id for check in _catalog.CHECKS if check.group != "isolation" and check.id != "SHM301"]
    assert [one["id"] for one in _catalog_text.entries(["isolation", "!host"])] == ["SHM501", "SHM502"]
    with pytest.raises(ValueError, match="no check is left of SHM301, !size"):
        _catalog_text.entries(["SHM301", "!size"])


def test_tags_name_checks_that_exist() -> None:
    ids = {check.id for check in _catalog.CHECKS}
    assert {f"SHM{number}" for numbers in _catalog.TAGS.values() for number in numbers} <= ids
    assert not set(_catalog.TAGS) & {check.group for check in _catalog.CHECKS}


def test_an_unknown_word_is_named() -> None:
    with pytest.raises(ValueError, match="SHM999"):
        _catalog_text.entries(["SHM999"])


@pytest.mark.parametrize("check", EVERY, ids=lambda check: check.id)
def test_no_placeholder_stays(check: _catalog.Check) -> None:
    told = _catalog_text.entry(check)
    assert "{run}" not in check.question + check.expected
    for text in ("question", "expected"):
        assert "{" not in told[text]


def test_sizes_are_those_of_the_defaults() -> None:
    assert "512Mi" in _catalog_text.entry(_catalog.BY_ID["SHM303"])["question"]


def test_a_line_for_each_check_with_its_columns_in_place() -> None:
    listed = _catalog_text.entries(["SHM301", "SHM404", "SHM501"])
    *told, empty, tags = _catalog_text.lines(listed, verbose=False)
    assert [line.split()[:2] for line in told] == [["SHM301", "resize"], ["SHM404", "resize"], ["SHM501", "isolation"]]
    assert (empty, tags) == ("", f"Tags: {', '.join(sorted(_catalog.TAGS))}")
    assert len({line.index(one["question"]) for line, one in zip(told, listed, strict=True)}) == 1


def test_verbose_tells_what_is_expected_and_the_remedy() -> None:
    (one,) = _catalog_text.entries(["SHM602"])
    assert _catalog_text.lines([one], verbose=True)[1:6] == [
        "  tags      sysctls",
        "  scenario  a pod with a safe sysctl",
        f"  expected  {one['expected']}",
        f"  remedy    {one['remedy']}",
        "  page      https://github.com/abcdesktopio/podshm/blob/main/docs/checks/SHM602.md",
    ]
