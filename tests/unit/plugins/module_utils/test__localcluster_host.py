# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, locks, processes and addresses of the machine, as far as they need no root."""

from __future__ import annotations

import ipaddress
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _localcluster_host as host

IGNORES_TERM = "import signal, sys; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); signal.pause()"


def test_write_tells_whether_it_changed_anything(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "below" / "file"
    assert host.write(str(file), "text")
    assert file.read_text() == "text"
    assert file.stat().st_mode & 0o777 == 0o600
    assert not host.write(str(file), "text")
    assert host.write(str(file), "text", 0o644)
    assert host.write(str(file), "other", 0o644)
    assert os.listdir(file.parent) == ["file"]


@pytest.mark.parametrize(("content", "expected"), [('{"a": 1}', {"a": 1}), ('{"a', {}), ("", {}), ("[1]", {})])
def test_read_json_takes_what_is_whole(tmp_path: pathlib.Path, content: str, expected: dict[str, int]) -> None:
    file = tmp_path / "file"
    assert host.read_json(str(file)) == {}
    file.write_text(content)
    assert host.read_json(str(file)) == expected


def test_digest_keeps_parts_apart() -> None:
    assert host.digest(b"ab", b"c") != host.digest(b"a", b"bc")


def test_last_error_finds_the_line_that_tells(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "log"
    assert host.last_error(str(log)) == "it wrote no log"
    log.write_text("I1124 all is well\nE1124 it is broken\nI1124 shutting down\n")
    assert host.last_error(str(log)) == "E1124 it is broken"


def test_locked_keeps_others_out_and_survives_removal(tmp_path: pathlib.Path) -> None:
    folder = str(tmp_path / "locked")
    entered = threading.Event()

    def other() -> None:
        with host.locked(folder):
            entered.set()

    thread = threading.Thread(target=other)
    with host.locked(folder):
        thread.start()
        assert not entered.wait(0.1)
        os.rmdir(folder)
    thread.join(10)
    assert entered.is_set()
    assert os.path.isdir(folder)


def test_errors_inside_the_lock_pass_through(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileExistsError), host.locked(str(tmp_path)):
        raise FileExistsError


def test_a_process_is_known_by_its_start_time() -> None:
    child = subprocess.Popen(["sleep", "1000"])
    process = host.Process.of(child.pid)
    assert process is not None
    assert process.alive()
    assert not host.Process(child.pid, process.started + 1).alive()
    # Somebody else got the number: not ours to end.
    host.end([host.Process(child.pid, process.started + 1)], signal.SIGKILL, 1)
    assert child.poll() is None
    host.end([process], signal.SIGTERM, 10)
    assert child.wait(10) == -signal.SIGTERM
    assert not process.alive()
    assert host.Process.of(child.pid) is None


def test_end_kills_what_ignores_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", IGNORES_TERM], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    process = host.Process.of(child.pid)
    assert process is not None
    host.end([process], signal.SIGTERM, 0.05)
    assert child.wait(10) == -signal.SIGKILL
    child.stdout.close()


def test_spawned_processes_carry_the_mark_and_nothing_of_ours(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://nowhere.example")
    log = tmp_path / "log"
    log.write_text("of an earlier life")
    child = host.spawn(["/bin/sh", "-c", "env; kill -STOP $$"], str(log), str(tmp_path))
    process = host.Process.of(child.pid)
    assert process is not None
    try:
        # stopped by itself: it has written all that it ever will
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        assert os.getsid(child.pid) == child.pid
        assert host.marked(str(tmp_path)) == {child.pid}
        assert host.marked(str(tmp_path.parent)) == set()
    finally:
        host.end([process], signal.SIGKILL, 10)
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
        assert host.marked(str(folder)) == {children[0].pid}
    finally:
        for child in children:
            child.kill()
            child.wait(10)


def test_a_port_is_free_until_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not host.port_free("127.0.0.1", port)
        assert not host.port_free("0.0.0.0", port)
    assert host.port_free("127.0.0.1", port)


def test_subnets_in_use() -> None:
    routes = [{"dst": dst} for dst in ("default", "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "192.0.2.7", "unreachable")]
    assert host.subnets_in_use(routes) == [
        ipaddress.IPv4Network("10.1.0.0/16"),
        ipaddress.IPv4Network("192.0.2.7/32"),
    ]


def test_a_slot_is_free_of_other_clusters_and_foreign_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "port_free", lambda address, port: port not in (23460, 23466))
    monkeypatch.setattr(host.os.path, "exists", lambda path: path == "/sys/class/net/podshm1")
    monkeypatch.setattr(host, "ip_json", lambda *arguments: [{"dst": "10.183.2.128/25"}])
    # 0 is another cluster's, 1 has an interface, 2 a route, 3 two ports in use.
    assert host.free_slot("alpha", {0}) == 4
    monkeypatch.setattr(host, "ip_json", lambda *arguments: [{"dst": "10.183.0.0/16"}])
    with pytest.raises(host.ClusterError, match="cluster alpha: none of the 50 sets of ports"):
        host.free_slot("alpha", set())


def test_the_machine_gets_back_what_it_had(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sysctl, socket_file = tmp_path / "panic", tmp_path / "made/plugins/kubelet.sock"
    there_before, filled = tmp_path / "there", tmp_path / "filled"
    there_before.mkdir()
    sysctl.write_text("0\n")
    monkeypatch.setattr(host, "_sysctl", lambda name: sysctl)
    monkeypatch.setattr(host, "SYSCTLS", ("kernel/panic",))
    monkeypatch.setattr(host, "SHARED_FILES", (str(socket_file),))
    folders = (socket_file.parent, socket_file.parent.parent, there_before, filled)
    monkeypatch.setattr(host, "SHARED_FOLDERS", tuple(map(str, folders)))
    before = host.machine_before()

    socket_file.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_file))
        listener.listen()
        # Somebody else's kubelet: left alone.
        host.restore_machine(before)
        assert socket_file.exists()
    filled.mkdir()
    (filled / "of somebody else").touch()
    sysctl.write_text("10\n")

    host.restore_machine(before)
    assert not (tmp_path / "made").exists()
    assert there_before.exists()
    assert filled.exists()
    assert sysctl.read_text() == "0"


def test_mounts_are_read_with_their_odd_names(monkeypatch: pytest.MonkeyPatch) -> None:
    line = r"36 35 0:1 / /mnt/a\040b\134c rw shared:1 master:2 - tmpfs none rw"
    monkeypatch.setattr(host.pathlib.Path, "read_text", lambda self: f"{line}\n")
    assert host.mounts() == [("/mnt/a b\\c", "tmpfs")]
