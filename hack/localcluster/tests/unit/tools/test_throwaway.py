# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests remove clusters as root: never those of somebody else."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
import throwaway

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._layout import NAME

FOREIGN = ("alpha", "beta", "gamma", "v2", "test-000000-1")


@pytest.fixture(autouse=True)
def runs(monkeypatch: pytest.MonkeyPatch) -> list[t.Any]:
    """No test of this file starts a playbook: attempts are counted."""
    called: list[t.Any] = []
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **_options: called.append(arguments))
    return called


def test_names_are_valid_and_never_the_same() -> None:
    names = [throwaway.new_name() for _attempt in range(30)]
    assert len(set(names)) == 30
    assert all(NAME.fullmatch(name) for name in names)
    assert all(name.startswith(throwaway.PREFIX) for name in names)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_cluster_of_somebody_else_is_neither_removed_nor_changed(name: str, runs: list[t.Any]) -> None:
    for act in (throwaway.remove, throwaway.start):
        with pytest.raises(throwaway.ForeignClusterError, match=f"the cluster {name} is not of this session"):
            act(name)
    assert runs == []


def test_a_name_that_is_taken_is_not_used(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throwaway, "HOME", tmp_path)
    taken, number = throwaway.new_name().rsplit("-", 1)
    name = f"{taken}-{int(number) + 1}"
    (tmp_path / name).mkdir()
    with pytest.raises(throwaway.ForeignClusterError, match="is there already"):
        throwaway.new_name()
    with pytest.raises(throwaway.ForeignClusterError):
        throwaway.require_own(name)
