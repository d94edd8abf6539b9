# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _mounts


def test_mounts_are_read_with_their_odd_names(monkeypatch: pytest.MonkeyPatch) -> None:
    line = r"36 35 0:1 / /mnt/a\040b\134c rw shared:1 master:2 - tmpfs none rw"
    monkeypatch.setattr(pathlib.Path, "read_text", lambda self: f"{line}\n")
    assert _mounts.mounts() == [("/mnt/a b\\c", "tmpfs")]
