# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files of a folder are read as manifests, and what is said of those that cannot be."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.action import shm_workload
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.manifests import Problem


def files(folder: Path) -> tuple[list[str], list[str]]:
    problems: list[Problem] = []
    found = sorted(shm_workload._files(str(folder), "deploy", problems))
    return [os.path.relpath(each, folder) for each in found], [str(each) for each in problems]


def test_hidden_folders_and_files_are_left_out(tmp_path: Path) -> None:
    """Those of git and of CI, and the second copy of what a ConfigMap mounts."""
    for name in (
        "a.yaml",
        "in/b.yml",
        "in/c.json",
        "in/notes.txt",
        ".github/workflows/ci.yml",
        "..2026/a.yaml",
        ".d.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", "utf-8")
    assert files(tmp_path) == (["a.yaml", "in/b.yml", "in/c.json"], [])


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "a.yaml").write_text("", "utf-8")
    real = os.scandir

    def scandir(path: str) -> t.Any:
        if path.endswith("/in"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert files(tmp_path) == (["a.yaml"], ["deploy/in: it cannot be read: Permission denied"])


def test_a_link_to_a_folder_is_followed_once(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "b.yaml").write_text("", "utf-8")
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "linked").symlink_to(tmp_path / "shared")
    (tmp_path / "shared" / "loop").symlink_to(tmp_path / "deploy")
    assert files(tmp_path / "deploy") == (["linked/b.yaml"], [])
