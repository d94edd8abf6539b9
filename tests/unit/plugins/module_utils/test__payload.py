# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The payload gives whole binaries or none. (tests/unit/files compares them with the sources.)"""

from __future__ import annotations

import hashlib
import pathlib

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _payload


def test_each_binary_is_the_one_with_its_digest() -> None:
    assert set(_payload.BINARIES) == set(_payload.SHA256)
    assert {"amd64", "arm64"} <= set(_payload.BINARIES)
    for arch, digest in _payload.SHA256.items():
        assert hashlib.sha256(_payload.binary(arch)).hexdigest() == digest


def test_an_architecture_without_a_probe() -> None:
    with pytest.raises(KeyError):
        _payload.binary("m68k")


def test_a_damaged_binary_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_payload.BINARIES, "amd64", _payload.BINARIES["arm64"])
    with pytest.raises(ValueError, match="the probe for amd64 is damaged"):
        _payload.binary("amd64")


def test_all_fit_into_one_config_map() -> None:
    assert max(len(_payload.binary(arch)) for arch in _payload.BINARIES) * 4 / 3 < 1024 * 1024 / 2


def test_lines_are_as_long_as_ansible_test_allows() -> None:
    text = pathlib.Path(_payload.__file__).read_text(encoding="ascii")
    assert max(map(len, text.splitlines())) <= 160
