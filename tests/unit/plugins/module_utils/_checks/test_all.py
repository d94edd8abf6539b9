# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import (
    BY_ID,
    CHECKS,
    CONTROLS,
    controls_of,
    select,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import TAGS, Group


def selected(*words: str) -> list[str]:
    return [check.id for check in select(words)]


def test_the_catalog_is_in_order_without_a_second_check_of_one_id_and_without_controls() -> None:
    ids = [check.id for check in CHECKS]
    assert ids == sorted(BY_ID)
    assert not {control.id for control in CONTROLS} & set(ids)
    assert {control.group for control in CONTROLS} == {Group.CONTROL}


@pytest.mark.parametrize(
    ("check", "controls"),
    [
        # of no mechanism
        ("SHM607", ["SHM903"]),
        ("SHM104", ["SHM903", "SHM906", "SHM907"]),
        ("SHM201", ["SHM903", "SHM908", "SHM909", "SHM910", "SHM911"]),
    ],
)
def test_a_check_depends_on_the_controls_of_its_mechanisms_and_on_the_one_without_steps(
    check: str, controls: list[str]
) -> None:
    assert [control.id for control in controls_of([BY_ID[check]])] == controls


def test_without_words_every_check() -> None:
    assert selected() == [check.id for check in CHECKS]


def test_ids_groups_and_tags_add_up_in_the_order_of_the_catalog() -> None:
    assert selected("SHM301", "SHM101") == ["SHM101", "SHM301"]
    assert selected("isolation", "SHM301") == ["SHM301", "SHM501", "SHM502", "SHM503", "SHM504"]
    assert set(selected("sysv_sem", "posix_sem")) == set(selected("sysv_sem")) | set(selected("posix_sem"))


def test_a_word_after_an_exclamation_mark_leaves_out() -> None:
    assert selected("isolation", "!host") == ["SHM501", "SHM502"]
    assert selected("!isolation") == [check.id for check in CHECKS if check.group is not Group.ISOLATION]
    assert selected("!sysv", "!SHM301", "SHM101", "SHM301", "SHM302") == ["SHM302"]


@pytest.mark.parametrize("word", [*TAGS, *(group.value for group in Group if group is not Group.CONTROL)])
def test_every_tag_and_group_selects_some_checks_but_not_all(word: str) -> None:
    assert 0 < len(selected(word)) < len(CHECKS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sysw"], "there is no check, group or tag sysw; did you mean sysv\\? "),
        (["!postgres"], "there is no check, group or tag postgres; did you mean postgresql"),
        (["qqqq"], "there is no check, group or tag qqqq; groups and tags are basic, "),
        (["SHM903"], "there is no check, group or tag SHM903; did you mean SHM\\d{3}\\? "),
        (["SHM301", "!size"], "no check is left of SHM301, !size"),
    ],
)
def test_words_that_select_nothing_are_named(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        select(words)
    assert "SHM1" not in str(caught.value).partition("groups and tags are")[2]
