# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine gets back after its last cluster."""

from __future__ import annotations

import pathlib
import socket

import pytest

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _machine


def test_the_machine_gets_back_what_it_had(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sysctl, socket_file = tmp_path / "panic", tmp_path / "made/plugins/kubelet.sock"
    there_before, filled = tmp_path / "there", tmp_path / "filled"
    there_before.mkdir()
    sysctl.write_text("0\n")
    monkeypatch.setattr(_machine, "_sysctl", lambda name: sysctl)
    monkeypatch.setattr(_machine, "SYSCTLS", ("kernel/panic",))
    monkeypatch.setattr(_machine, "SHARED_FILES", (str(socket_file),))
    folders = (socket_file.parent, socket_file.parent.parent, there_before, filled)
    monkeypatch.setattr(_machine, "SHARED_FOLDERS", tuple(map(str, folders)))
    logs = tmp_path / "pods"
    monkeypatch.setattr(_machine, "POD_LOGS", str(logs))
    before = _machine.machine_before()

    socket_file.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_file))
        listener.listen()
        # Somebody else's kubelet: left alone.
        _machine.restore_machine(before)
        assert socket_file.exists()
    filled.mkdir()
    (filled / "of somebody else").touch()
    sysctl.write_text("10\n")
    (logs / "default_one_uid/main").mkdir(parents=True)

    _machine.restore_machine(before)
    assert not (tmp_path / "made").exists()
    assert there_before.exists()
    assert not logs.exists()
    assert filled.exists()
    assert sysctl.read_text() == "0"
