# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _profiles


@pytest.mark.parametrize(
    ("sysctl", "text", "wanted"),
    [
        ("kernel.shmmax", 1073741824, (1073741824,)),
        ("kernel.shmmax", " 7\n", (7,)),
        ("kernel.sem", "250\t32000\t100\t128", (250, 32000, 100, 128)),
    ],
)
def test_numbers(sysctl: str, text: t.Any, wanted: tuple[int, ...]) -> None:
    assert _profiles.numbers(sysctl, text) == wanted


@pytest.mark.parametrize(
    ("sysctl", "text", "words"),
    [
        ("kernel.sem", "250 32000 100", "kernel.sem is 4 whole numbers"),
        ("kernel.shmmax", "1 2", "kernel.shmmax is 1 whole number,"),
        ("kernel.shmmax", "", "kernel.shmmax is 1 whole number,"),
        ("kernel.shmmax", "-1", "not '-1'"),
        ("kernel.shmmax", "1Gi", "not '1Gi'"),
        ("kernel.hostname", "1", "there is no kernel.hostname; there are kernel.shmmax"),
    ],
)
def test_what_is_no_value(sysctl: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _profiles.numbers(sysctl, text)


def test_unmet() -> None:
    assert _profiles.unmet("kernel.shmmni", (2,), (1,)) == ["kernel.shmmni 1 < 2"]
    assert _profiles.unmet("kernel.shmmni", (2,), (2,)) == []
    assert _profiles.unmet("kernel.sem", (1, 2, 3, 4), (1, 1, 9, 3)) == [
        "kernel.sem semmns 1 < 2",
        "kernel.sem semmni 3 < 4",
    ]


@pytest.mark.parametrize("profile", _profiles.PROFILES)
def test_every_profile_names_sysctls_that_the_probe_tells(profile: str) -> None:
    minimums = _profiles.PROFILES[profile]
    assert {name: _profiles.numbers(name, " ".join(map(str, least))) for name, least in minimums.items()} == minimums
