# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes: known for certain, found by their mark, ended."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import psutil
import pytest

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _processes

#: The system call that ends one thread alone; ctypes lets the others run meanwhile.
FIRST_THREAD_ENDS = """
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=[1000]).start()
print("ready", flush=True)
ctypes.CDLL(None).syscall(60 if platform.machine() == "x86_64" else 93, 0)
"""
#: A shell may take note of its child before it becomes another program; this one never does.
NEVER_WAITS = """
import signal, subprocess
print(subprocess.Popen(["sleep", "1000"]).pid, flush=True)
signal.pause()
"""
IGNORES_TERM = "import signal, sys; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); signal.pause()"


def test_a_process_is_known_by_its_start_time() -> None:
    child = subprocess.Popen(["sleep", "1000"])
    process = _processes.Process.of(child.pid)
    assert process is not None
    assert process.alive()
    assert not _processes.Process(child.pid, process.started + 1).alive()
    # Somebody else got the number: not ours to end.
    _processes.end([_processes.Process(child.pid, process.started + 1)], signal.SIGKILL, 1)
    assert child.poll() is None
    _processes.end([process], signal.SIGTERM, 10)
    assert child.wait(10) == -signal.SIGTERM
    assert not process.alive()
    assert _processes.Process.of(child.pid) is None


def test_a_process_lives_as_long_as_its_last_thread() -> None:
    child = subprocess.Popen([sys.executable, "-c", FIRST_THREAD_ENDS], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    end = time.monotonic() + 10
    while pathlib.Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < end
    process = _processes.Process.of(child.pid)
    assert process is not None
    assert process.alive()
    _processes.end([process], signal.SIGKILL, 10)
    assert not process.alive()
    child.wait(10)
    child.stdout.close()


def test_end_kills_what_ignores_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", IGNORES_TERM], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    process = _processes.Process.of(child.pid)
    assert process is not None
    _processes.end([process], signal.SIGTERM, 0.05)
    assert child.wait(10) == -signal.SIGKILL
    child.stdout.close()


def test_end_does_not_wait_for_a_parent_to_take_note() -> None:
    parent = subprocess.Popen([sys.executable, "-c", NEVER_WAITS], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    process = _processes.Process.of(int(parent.stdout.readline()))
    assert process is not None
    # it would raise if it waited: the parent never takes note
    _processes.end([process], signal.SIGTERM, 10)
    assert pathlib.Path(f"/proc/{process.pid}/stat").read_text().split()[2] == "Z"
    parent.kill()
    parent.wait(10)
    parent.stdout.close()


def test_the_record_survives_a_change_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _processes.Process.of(os.getpid())
    boot_time = psutil.boot_time() + 3600
    monkeypatch.setattr(psutil, "boot_time", lambda: boot_time)
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: boot_time)
    assert _processes.Process.of(os.getpid()) == before


def test_spawned_processes_carry_the_mark_and_nothing_of_ours(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://nowhere.example")
    log = tmp_path / "log"
    log.write_text("of an earlier life")
    child = _processes.spawn(["/bin/sh", "-c", "env; kill -STOP $$"], str(log), str(tmp_path))
    process = _processes.Process.of(child.pid)
    assert process is not None
    try:
        # stopped by itself: it has written all that it ever will
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        assert os.getsid(child.pid) == child.pid
        assert _processes.marked(str(tmp_path)) == {child.pid}
        assert _processes.marked(str(tmp_path.parent)) == set()
    finally:
        _processes.end([process], signal.SIGKILL, 10)
        child.wait(10)
    assert f"PODSHM_CLUSTER={tmp_path}" in log.read_text()
    assert "PROXY" not in log.read_text()
    assert log.with_name("log.1").read_text() == "of an earlier life"


def test_a_sandbox_without_environment_is_known_by_where_its_state_is(tmp_path: pathlib.Path) -> None:
    sleeper = [sys.executable, "-c", "import signal; signal.pause()"]
    folder = tmp_path / "one"
    # the last one only reads a file of the cluster: it is somebody else's
    roots = [
        f"--root={folder}/run/oci/gvisor/k8s.io",
        f"--root={folder}s/run/oci/gvisor",
        f"--file={folder}/kubeconfig",
    ]
    children = [subprocess.Popen([*sleeper, root], env={}) for root in roots]
    try:
        assert _processes.marked(str(folder)) == {children[0].pid}
    finally:
        for child in children:
            child.kill()
            child.wait(10)
