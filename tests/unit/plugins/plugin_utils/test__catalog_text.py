# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID, CHECKS, CONTROLS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import TAGS, Check
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _catalog_text

EVERY = (*CHECKS, *CONTROLS)


def test_without_words_the_whole_catalog_and_the_controls() -> None:
    assert [one["id"] for one in _catalog_text.entries([])] == [check.id for check in EVERY]


def test_words_select_without_controls() -> None:
    listed = _catalog_text.entries(["isolation", "SHM301"])
    assert [one["id"] for one in listed] == ["SHM301", "SHM501", "SHM502", "SHM503", "SHM504"]


def test_words_leave_out() -> None:
    every = [one["id"] for one in _catalog_text.entries(["!isolation", "!SHM301"])]
    assert every == [check.id for check in CHECKS if check.group != "isolation" and check.id != "SHM301"]
    assert [one["id"] for one in _catalog_text.entries(["isolation", "!host"])] == ["SHM501", "SHM502"]
    with pytest.raises(ValueError, match="no check is left of SHM301, !size"):
        _catalog_text.entries(["SHM301", "!size"])


def test_every_tag_selects_checks_and_is_no_group() -> None:
    assert all(_catalog_text.entries([tag]) for tag in TAGS)
    assert not TAGS.keys() & {check.group.value for check in CHECKS}


def test_an_unknown_word_is_named() -> None:
    with pytest.raises(ValueError, match="SHM999"):
        _catalog_text.entries(["SHM999"])


@pytest.mark.parametrize("check", EVERY, ids=lambda check: check.id)
def test_no_placeholder_stays(check: Check) -> None:
    shown = _catalog_text.entry(check)
    for text in ("question", "expected"):
        assert "{" not in shown[text]


def test_sizes_are_those_of_the_defaults() -> None:
    assert "512Mi" in _catalog_text.entry(BY_ID["SHM303"])["question"]


def test_a_line_for_each_check_with_its_columns_in_place() -> None:
    listed = _catalog_text.entries(["SHM301", "SHM404", "SHM501"])
    *shown, empty, tags = _catalog_text.lines(listed, verbose=False)
    assert [line.split()[:2] for line in shown] == [["SHM301", "resize"], ["SHM404", "resize"], ["SHM501", "isolation"]]
    assert (empty, tags) == ("", f"Tags: {', '.join(sorted(TAGS))}")
    assert len({line.index(one["question"]) for line, one in zip(shown, listed, strict=True)}) == 1


def test_verbose_shows_the_pods_what_is_expected_and_the_page() -> None:
    (one,) = _catalog_text.entries(["SHM602"])
    assert _catalog_text.lines([one], verbose=True)[1:5] == [
        "  tags      sysctls",
        "  layout    a pod with a safe sysctl",
        f"  expected  {one['expected']}",
        "  page      https://github.com/abcdesktopio/podshm/blob/main/docs/checks/SHM602.md",
    ]
