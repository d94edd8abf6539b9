# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _disk


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("before", "utf-8")
    _disk.write(str(file), "after")
    assert [(each.name, each.read_text("utf-8")) for each in tmp_path.iterdir()] == [("a.json", "after")]


def test_nothing_stays_of_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        _disk.write(str(tmp_path / "a.json"), "text")
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]
