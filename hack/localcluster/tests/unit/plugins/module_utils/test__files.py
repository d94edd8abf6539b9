# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and locks."""

from __future__ import annotations

import os
import pathlib
import threading

import pytest

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _files


def test_write_tells_whether_it_changed_anything(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "below" / "file"
    assert _files.write(str(file), "text")
    assert file.read_text() == "text"
    assert file.stat().st_mode & 0o777 == 0o600
    assert not _files.write(str(file), "text")
    assert _files.write(str(file), "text", 0o644)
    assert _files.write(str(file), "other", 0o644)
    assert os.listdir(file.parent) == ["file"]


@pytest.mark.parametrize(("content", "expected"), [('{"a": 1}', {"a": 1}), ('{"a', {}), ("", {}), ("[1]", {})])
def test_read_json_takes_what_is_whole(tmp_path: pathlib.Path, content: str, expected: dict[str, int]) -> None:
    file = tmp_path / "file"
    assert _files.read_json(str(file)) == {}
    file.write_text(content)
    assert _files.read_json(str(file)) == expected


def test_digest_keeps_parts_apart() -> None:
    assert _files.digest(b"ab", b"c") != _files.digest(b"a", b"bc")


def test_last_error_finds_the_line_that_tells(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "log"
    assert _files.last_error(str(log)) == "it wrote no log"
    log.write_text("I1124 all is well\nE1124 it is broken\nI1124 shutting down\n")
    assert _files.last_error(str(log)) == "E1124 it is broken"


def test_locked_keeps_others_out_and_survives_removal(tmp_path: pathlib.Path) -> None:
    folder = str(tmp_path / "locked")
    entered = threading.Event()

    def other() -> None:
        with _files.locked(folder):
            entered.set()

    thread = threading.Thread(target=other)
    with _files.locked(folder):
        thread.start()
        assert not entered.wait(0.1)
        os.rmdir(folder)
    thread.join(10)
    assert entered.is_set()
    assert os.path.isdir(folder)


def test_errors_inside_the_lock_pass_through(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileExistsError), _files.locked(str(tmp_path)):
        raise FileExistsError
