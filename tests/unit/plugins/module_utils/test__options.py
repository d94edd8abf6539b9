# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _options
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Settings

PARAMS: t.Final = _options.with_defaults({})


def test_settings_in_base_units() -> None:
    settings = _options.settings({**PARAMS, "size_limit": "1Gi", "max_write": "10M"})
    assert (settings.size_limit_bytes, settings.max_write_bytes) == (2**30, 10_000_000)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("size_limit", "much"),
        ("size_limit", "0"),
        ("max_write", "-5Mi"),
        ("default_size", ""),
        ("timeout", 0),
        ("cleanup_timeout", -1),
    ],
)
def test_an_option_without_meaning_is_named(option: str, value: t.Any) -> None:
    with pytest.raises(ValueError, match=f"^{option}: "):
        _options.settings({**PARAMS, option: value})


def test_memory_below_what_a_runtime_needs() -> None:
    with pytest.raises(ValueError, match=r"^resources\.memory: 1Mi"):
        _options.settings({**PARAMS, "resources": {"cpu": "1", "memory": "1Mi"}})


@pytest.mark.parametrize(
    ("accept", "words"),
    [
        ({"SHM999": "why"}, "accept: there is no SHM999"),
        ({"SHM101": " "}, "accept: SHM101 needs a reason"),
        (
            {"SHM101@kata": "why"},
            "accept: SHM101@kata is about a RuntimeClass that is not requested; requested is gvisor",
        ),
    ],
)
def test_what_cannot_be_accepted(accept: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _options.settings({**PARAMS, "accept": accept, "runtime_class": "gvisor"})


def test_what_is_accepted_under_one_runtime_class() -> None:
    accept = {"SHM101@gvisor": "devices", "SHM103": "why"}
    assert _options.settings({**PARAMS, "accept": accept, "runtime_classes": ["", "gvisor"]}).accept == accept


def test_the_defaults_of_options_are_those_of_settings() -> None:
    assert _options.settings(PARAMS) == Settings()
