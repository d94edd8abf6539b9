# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The payload gives whole binaries or none. (tests/unit/files compares them with the sources.)"""

from __future__ import annotations

import hashlib
import pathlib

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import payload


def test_each_binary_is_the_one_with_its_digest() -> None:
    assert set(payload.BINARIES) == set(payload.SHA256) == {"amd64", "arm64", "ppc64le", "riscv64", "s390x"}
    for arch, digest in payload.SHA256.items():
        assert hashlib.sha256(payload.binary(arch)).hexdigest() == digest


def test_an_architecture_without_a_probe() -> None:
    with pytest.raises(KeyError):
        payload.binary("m68k")


def test_a_damaged_binary_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(payload.BINARIES, "amd64", payload.BINARIES["arm64"])
    with pytest.raises(ValueError, match="the probe for amd64 is damaged"):
        payload.binary("amd64")


def test_lines_are_as_long_as_ansible_test_allows() -> None:
    text = pathlib.Path(payload.__file__).read_text(encoding="ascii")
    assert max(map(len, text.splitlines())) <= 160
