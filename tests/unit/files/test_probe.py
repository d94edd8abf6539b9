# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The committed probe, run for real on this machine."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import pathlib
import platform
import re
import resource
import secrets
import select
import shutil
import signal
import subprocess
import threading
import time
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import protocol

SOURCES = pathlib.Path(__file__).resolve().parents[3] / "files" / "probe"
ARCHES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "riscv64": "riscv64", "s390x": "s390x"}
PATIENCE = 30  # seconds; reached only when something hangs

CLONE_NEWNS, CLONE_NEWIPC = 0x20000, 0x8000000
MS_RDONLY, MS_NODEV, MS_NOEXEC, MS_REC_PRIVATE = 1, 4, 8, 0x44000

READY = b'{"ready":true}\n'

Before = t.Callable[[], object]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for namespaces and mounts")


def nonce() -> str:
    """Fresh for each step."""
    return secrets.token_hex(16)


def segments(maker: int) -> int:
    """How many System V segments there are of this process's making."""
    lines = pathlib.Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
    return [int(line.split()[4]) for line in lines].count(maker)


def children(pid: int) -> list[int]:
    """Its child processes."""
    return [
        int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    ]


def in_shm(part: str) -> list[str]:
    """Names in /dev/shm."""
    return [name for name in os.listdir("/dev/shm") if part in name]


def is_there(pidfd: int) -> bool:
    """Whether a process runs or is a zombie."""
    try:
        signal.pidfd_send_signal(pidfd, 0)
    except ProcessLookupError:
        return False
    return True


def enter(
    flags: int = 0, shm: str = "", mount_flags: int = MS_NODEV, sysctls: t.Mapping[str, str] | None = None
) -> Before:
    """New namespaces, perhaps another /dev/shm, for the process that is about to become the probe."""
    libc = ctypes.CDLL(None, use_errno=True)

    def before() -> None:
        if libc.unshare(flags | (CLONE_NEWNS if shm else 0)):
            raise OSError(ctypes.get_errno(), "unshare")
        if shm:
            if libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None):
                raise OSError(ctypes.get_errno(), "mount --make-rprivate /")
            if libc.mount(b"podshm", b"/dev/shm", b"tmpfs", mount_flags, shm.encode()):
                raise OSError(ctypes.get_errno(), "mount /dev/shm")
        for sysctl, value in (sysctls or {}).items():
            pathlib.Path("/proc/sys", sysctl).write_text(value, encoding="ascii")

    return before


def as_user(number: int, first: Before | None = None) -> Before:
    """Another user of a group of the same number, without further groups or capabilities."""

    def before() -> None:
        if first is not None:
            first()
        os.setgroups([])
        os.setgid(number)
        os.setuid(number)

    return before


class Running:
    """A probe that runs, and what it has printed so far."""

    def __init__(self, path: pathlib.Path, args: t.Sequence[str], before: Before | None) -> None:
        self.process = subprocess.Popen(
            [path, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=before,  # noqa: PLW1509 - no threads here
        )
        self.seen = b""

    def until(self, done: t.Callable[[bytes], int | None]) -> bytes:
        """Read until done says where the wanted part ends."""
        assert self.process.stdout is not None
        while True:
            end = done(self.seen)
            if end is not None:
                part, self.seen = self.seen[:end], self.seen[end:]
                return part
            # what holds a container does not end with its script
            assert select.select([self.process.stdout], [], [], PATIENCE)[0], f"nothing came after {self.seen!r}"
            more = os.read(self.process.stdout.fileno(), 65536)
            assert more, f"the probe ended after {self.seen!r}"
            self.seen += more

    def send(self, text: str) -> None:
        """To its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def ask(self, step: str, **args: str | int) -> protocol.Observation:
        """One step of a session."""
        fresh = nonce()
        self.send(protocol.command(step, fresh, args))
        return protocol.parse(self.until(lambda data: protocol.complete(data, fresh)), step, fresh)

    def begin(self, step: str, **args: str | int) -> str:
        """Let a session begin to wait; its nonce."""
        fresh = nonce()
        self.send(protocol.command(step, fresh, args))
        while READY not in self.seen:
            more = os.read(self.process.stdout.fileno(), 65536) if self.process.stdout else b""
            assert more, f"the probe ended after {self.seen!r}"
            self.seen += more
        return fresh

    def answer(self, step: str, fresh: str) -> protocol.Observation:
        """What became of it."""
        return protocol.parse(self.until(lambda data: protocol.complete(data, fresh)), step, fresh)

    def finish(self) -> int:
        """Close its standard input; its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """For the end of a test."""
        self.process.terminate()  # not kill: it has to clean up
        self.process.wait(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


class Probe:
    """The committed probe for this machine."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.running: list[Running] = []

    def start(self, *args: str, before: Before | None = None) -> Running:
        """Start it and go on."""
        running = Running(self.path, args, before)
        self.running.append(running)
        return running

    def session(self, before: Before | None = None) -> Running:
        """Start a session."""
        return self.start("session", before=before)

    def session_with(self, *command: str) -> Running:
        """Start a session by a command that sets something up and then becomes it."""
        running = Running(pathlib.Path(shutil.which(command[0]) or ""), [*command[1:], str(self.path), "session"], None)
        self.running.append(running)
        return running

    def begin(self, step: str, before: Before | None = None, **args: str | int) -> tuple[Running, str]:
        """Start a single step and go on; its nonce, too."""
        fresh = nonce()
        return self.start(*protocol.argv(step, fresh, args), before=before), fresh

    def step(self, step: str, before: Before | None = None, **args: str | int) -> protocol.Observation:
        """Run a single step to its end."""
        running, fresh = self.begin(step, before, **args)
        output, _unused = running.process.communicate(timeout=PATIENCE)
        observation = protocol.parse(output, step, fresh)
        assert running.process.returncode == (0 if observation.error is None else 2)
        return observation


@pytest.fixture
def probe() -> t.Iterator[Probe]:
    """Run this machine's probe; what still runs at the end is ended."""
    arch = ARCHES.get(platform.machine())
    if arch is None:
        pytest.skip(f"the probe is not built for {platform.machine()}")
    found = Probe(SOURCES / "bin" / arch)
    yield found
    for running in found.running:
        running.close()


# ---- what the probe says about itself and its place


def test_selftest_runs_here(probe: Probe) -> None:
    seen = probe.step("selftest")
    assert seen.facts == {"version": "0.3.0", "arch": ARCHES[platform.machine()]}


def test_identity_agrees_with_the_kernel(probe: Probe) -> None:
    seen = probe.step("identity", path="/dev/shm")
    facts, stat, space = seen.facts, os.stat("/dev/shm"), os.statvfs("/dev/shm")
    assert facts["path_dev"] == f"{os.major(stat.st_dev)}:{os.minor(stat.st_dev)}" == facts["mount_dev"]
    assert facts["path_ino"] == stat.st_ino
    assert facts["path_mode"] == f"{stat.st_mode & 0o7777:04o}"
    assert (facts["path_uid"], facts["path_gid"]) == (stat.st_uid, stat.st_gid)
    assert facts["size_bytes"] == space.f_blocks * space.f_frsize
    assert facts["inodes"] == space.f_files
    assert facts["page_bytes"] == os.sysconf("SC_PAGESIZE")
    assert facts["kernel"] == platform.release()
    assert facts["mount_point"] == "/dev/shm"
    assert (facts["fs_type"], facts["mount_fs"]) == ("0x01021994", "tmpfs")
    for name in ("ipc", "mnt", "pid", "user", "net"):
        assert os.readlink(f"/proc/self/ns/{name}") == f"{name}:[{facts[f'ns_{name}']}]"


@needs_root
def test_identity_sees_its_own_namespaces_and_mount(probe: Probe) -> None:
    outside = probe.step("identity").facts
    inside = probe.step("identity", before=enter(CLONE_NEWIPC, shm="size=300k,mode=1733")).facts
    assert inside["ns_ipc"] != outside["ns_ipc"]
    assert inside["ns_net"] == outside["ns_net"]
    assert inside["size_bytes"] == 75 * 4096
    assert inside["path_mode"] == "1733"
    assert inside["mount_source"] == "podshm"
    assert "nodev" in str(inside["mount_options"])


def test_identity_says_which_capabilities_are_effective(probe: Probe) -> None:
    status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    assert [probe.step("identity").facts["cap_effective"]] == re.findall(r"^CapEff:\s+(\w+)$", status, re.MULTILINE)


def test_identity_of_a_path_that_is_not_there(probe: Probe, tmp_path: pathlib.Path) -> None:
    seen = probe.step("identity", path=str(tmp_path / "none"))
    assert seen.facts["exists"] is False
    assert {call["call"]: call["errno"] for call in seen.calls} == {"statx": "ENOENT", "statfs": "ENOENT"}


@needs_root
def test_mount_that_covers_a_path_and_not_one_that_looks_like_it(probe: Probe, tmp_path: pathlib.Path) -> None:
    base = tmp_path / "a b\\c"
    for name in ("xy", "x"):
        (base / name).mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", f"podshm-{name}", base / name], check=True)
    try:
        facts = probe.step("identity", path=str(base / "xy" / ".")).facts
        assert (facts["mount_point"], facts["mount_source"]) == (str(base / "xy"), "podshm-xy")
    finally:
        for name in ("xy", "x"):
            subprocess.run(["umount", base / name], check=True)


@needs_root
def test_runs_with_nothing_but_itself(probe: Probe, tmp_path: pathlib.Path) -> None:
    """No libc, no /proc, no /dev, a uid that nobody knows: missing things are reported, not fatal."""
    shutil.copy(probe.path, tmp_path / "probe")
    tmp_path.chmod(0o755)

    def alone() -> None:
        os.chroot(tmp_path)
        os.chdir("/")
        os.setgroups([])
        os.setgid(65532)
        os.setuid(65532)

    fresh = nonce()
    answer = subprocess.run(
        ["/probe", *protocol.argv("identity", fresh, {})], stdout=subprocess.PIPE, preexec_fn=alone, check=True
    )
    seen = protocol.parse(answer.stdout, "identity", fresh)
    assert (seen.facts["uid"], seen.facts["gid"], seen.facts["exists"]) == (65532, 65532, False)
    assert seen.facts["cap_effective"] == "0" * 16  # by system call, not from /proc
    assert [call["errno"] for call in seen.calls if call["call"] == "readlink"] == ["ENOENT"] * 5


# ---- requests and answers


def test_a_session_answers_in_order_and_ends_with_its_input(probe: Probe) -> None:
    session = probe.session()
    session.send("\n  \n")
    first, second = nonce(), nonce()
    session.send(protocol.command("selftest", first, {}) + protocol.command("identity", second, {}))
    for step, fresh in (("selftest", first), ("identity", second)):
        session.answer(step, fresh)
    assert session.finish() == 0
    assert session.seen == b""


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("teleport", "unknown step"),
        ("selftest who=me", "who unknown argument"),
        ("identity path=relative", "path not an absolute path of fewer than 192 bytes"),
        ("identity path=/" + "x" * 300, "path not an absolute path of fewer than 192 bytes"),
        ("identity path=%zz", "path not a single, well encoded name=value"),
        ("identity path=/a%00b", "path not a single, well encoded name=value"),
        ("identity path=/ path=/", "path not a single, well encoded name=value"),
        ("identity path", "path not a single, well encoded name=value"),
        ("identity deadline=0", "deadline not a number in range"),
        ("fill path=/dev/shm", "max missing"),
        ("fill path=/dev/shm max=1k", "max not a number in range"),
        ("fill path=/dev/shm max=18446744073709551617", "max not a number in range"),
        ("ftok path=/dev", "id missing"),
        ("ftok path=/dev id=256", "id not a number in range"),
        ("sysv_shm_create size=512", "key missing: key, or path and id"),
        ("sysv_shm_create key=0x0 size=512", "key not a number in range"),
        ("sysv_shm_create key=0x1 size=343", "size not a number in range"),
        ("sysv_shm_create key=0x1 mode=0778", "mode not a number in range"),
        ("sysv_shm_create key=0x1 text=" + "x" * 256, "text longer than 255 bytes"),
        ("sysv_shm_finish", "key this session holds no such segment"),
        ("posix_read name=podshm", "name not a name of the form /NAME"),
        ("posix_read name=/pod/shm", "name not a name of the form /NAME"),
    ],
)
def test_a_request_that_makes_no_sense(probe: Probe, words: str, problem: str) -> None:
    step, *rest = words.split()
    fresh = nonce()
    session = probe.session()
    session.send(f"{step} nonce={fresh} {' '.join(rest)}\n")
    answer = session.until(lambda data: protocol.complete(data, fresh))
    assert protocol.parse(answer, step, fresh).error == problem
    session.ask("selftest")
    alone = probe.start(step, f"nonce={fresh}", *rest)
    assert alone.process.wait(PATIENCE) == 2
    assert [segments(running.process.pid) for running in (session, alone)] == [0, 0]


@pytest.mark.parametrize("bad", ["", "nonce=", "nonce=" + "A" * 32, "nonce=" + "a" * 31, "nonce=" + "a" * 33])
def test_a_nonce_that_is_none(probe: Probe, bad: str) -> None:
    running = probe.start("selftest", *bad.split())
    output, _unused = running.process.communicate(timeout=PATIENCE)
    assert b'"error":"not 32 lower case hex digits"' in output
    assert running.process.returncode == 2


@pytest.mark.parametrize("args", [[], ["session", "deadline=x"], ["session", "deadline=0"], ["session", "1"]])
def test_a_call_that_makes_no_sense(probe: Probe, args: list[str]) -> None:
    running = probe.start(*args)
    assert running.process.wait(PATIENCE) == 2


def test_a_line_that_never_ends(probe: Probe) -> None:
    session = probe.session()
    session.send("x" * 5000)
    assert session.process.wait(PATIENCE) == 0


def test_any_text_survives_and_only_ascii_is_printed(probe: Probe) -> None:
    text = "".join(map(chr, range(1, 128))) + "käfig \u2620"
    key = secrets.randbelow(2**31) + 1
    creator, reader = probe.session(), probe.session()
    creator.ask("sysv_shm_create", key=hex(key), size=512, text=text)
    seen = reader.ask("sysv_shm_read", key=hex(key))
    assert str(seen.facts["text"]).encode("latin-1").decode() == text  # bytes as U+0000 to U+00FF


def test_errno_names_are_this_kernels() -> None:
    data = (SOURCES / "bin" / "amd64").read_bytes()
    table = data[data.index(b"EPERM\0ENOENT\0") :].split(b"\0")[:40]
    assert [name.decode() for name in table] == [errno.errorcode[number] for number in range(1, 35)] + [
        "EDEADLK",
        *(errno.errorcode[number] for number in range(36, 41)),
    ]
    others = re.findall(r"\{(E\w+), \"(E\w+)\"\}", (SOURCES / "errno.c").read_text(encoding="ascii"))
    assert len(others) > 10
    for symbol, text in others:
        assert symbol == text
        number = {"EHWPOISON": 133}.get(symbol) or getattr(errno, symbol)
        assert bytes([number]) + text.encode() in data


# ---- life and death


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_hold_obeys_at_once_and_prints_nothing(probe: Probe, number: int) -> None:
    running = probe.start("hold", before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {number}))  # pending if early
    running.process.send_signal(number)
    output, _unused = running.process.communicate(timeout=PATIENCE)
    assert (running.process.returncode, output) == (0, b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_session_that_is_told_to_end_removes_what_it_made(probe: Probe, tmp_path: pathlib.Path, number: int) -> None:
    session = probe.session()
    session.ask("sysv_shm_create", path=str(tmp_path / "key"), id=7, make=1, size=512)
    session.ask("ftok", path=str(tmp_path / "other"), id=7, make=1)
    assert segments(session.process.pid) == 1
    assert len(os.listdir(tmp_path)) == 2
    session.process.send_signal(number)
    assert session.process.wait(PATIENCE) == 0
    assert segments(session.process.pid) == 0
    assert os.listdir(tmp_path) == []


def test_a_session_ends_by_itself(probe: Probe) -> None:
    session = probe.start("session", "deadline=1")
    session.ask("sysv_shm_create", key=hex(secrets.randbelow(2**31) + 1), size=512)
    assert session.process.wait(PATIENCE) == 0
    assert segments(session.process.pid) == 0


def test_a_session_that_nobody_reads_ends(probe: Probe) -> None:
    session = probe.session()
    session.ask("sysv_shm_create", key=hex(secrets.randbelow(2**31) + 1), size=512)
    assert session.process.stdout is not None
    session.process.stdout.close()
    session.send(protocol.command("selftest", nonce(), {}))
    assert session.process.wait(PATIENCE) == 0
    assert segments(session.process.pid) == 0


@needs_root
def test_hold_as_process_1_passes_the_word_on_and_reaps(probe: Probe) -> None:
    """As in a pod: the kubelet tells only process 1; a session was exec'd beside it."""
    outer = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", probe.path, "hold"])
    try:
        while not children(outer.pid):
            assert outer.poll() is None
        first = children(outer.pid)[0]
        while pathlib.Path(f"/proc/{first}/cmdline").read_bytes().split(b"\0")[1:2] != [b"hold"]:
            assert outer.poll() is None
        join = ["nsenter", "--target", str(first), "--pid"]

        # An orphan becomes hold's child, and must not stay as a zombie.
        shell = subprocess.Popen([*join, "sh", "-c", "exec 3<&0; cat <&3 &"], stdin=subprocess.PIPE)
        assert shell.wait(PATIENCE) == 0
        orphan = os.pidfd_open(children(first)[0])
        assert shell.stdin is not None
        shell.stdin.close()
        patience = time.monotonic() + PATIENCE
        while is_there(orphan):
            assert time.monotonic() < patience
        os.close(orphan)

        beside = probe.start("hold")  # an outsider: it must not be told
        inside = probe.session_with(*join)
        inside.ask("sysv_shm_create", key=hex(secrets.randbelow(2**31) + 1), size=512)
        session = children(inside.process.pid)[0]
        assert segments(session) == 1
        os.kill(first, signal.SIGTERM)
        assert outer.wait(PATIENCE) == 0
        assert inside.process.wait(PATIENCE) == 0
        assert segments(session) == 0
        assert beside.process.poll() is None
    finally:
        outer.kill()
        outer.wait(PATIENCE)


# ---- System V shared memory and ftok

SENTENCE = "This is the way the world ends..."


def test_sysv_both_ways_through_a_shared_path(probe: Probe, tmp_path: pathlib.Path) -> None:
    where: dict[str, str | int] = {"path": str(tmp_path / "key"), "id": 80}
    creator, reader = probe.session(), probe.session()
    create = creator.ask("sysv_shm_create", **where, make=1, size=4096, mode="0600", text=SENTENCE)
    assert create.facts["attached"] is True
    read = reader.ask("sysv_shm_read", **where)
    stat = os.stat(tmp_path / "key")
    key = f"0x{80 << 24 | (stat.st_dev & 0xFF) << 16 | stat.st_ino & 0xFFFF:08x}"
    for seen in (create, read):
        assert seen.facts["ftok_key"] == key
        assert seen.facts["ftok_dev"] == f"{os.major(stat.st_dev)}:{os.minor(stat.st_dev)}"
        assert seen.facts["ftok_ino"] == stat.st_ino
    assert read.facts["found"] is True
    assert read.facts["peer_nonce"] == create.nonce
    assert read.facts["text"] == SENTENCE
    assert (read.facts["segment_bytes"], read.facts["nattch"]) == (4096, 2)
    assert read.facts["cpid"] == creator.process.pid
    assert not any("IPC_CREAT" in str(call.get("flags")) for call in read.calls)
    finish = creator.ask("sysv_shm_finish")
    assert finish.facts["reply_nonce"] == read.nonce
    assert (finish.facts["nattch"], finish.facts["gone"]) == (1, True)
    assert segments(creator.process.pid) == 0
    assert os.listdir(tmp_path) == []


@needs_root
def test_sysv_does_not_cross_ipc_namespaces(probe: Probe) -> None:
    key = hex(secrets.randbelow(2**31) + 1)
    creator, reader = probe.session(), probe.session(before=enter(CLONE_NEWIPC))
    creator.ask("sysv_shm_create", key=key, size=512, text=SENTENCE)
    read = reader.ask("sysv_shm_read", key=key)
    assert read.facts == {"found": False}
    assert [(call["call"], call["errno"]) for call in read.calls] == [("shmget", "ENOENT")]
    finish = creator.ask("sysv_shm_finish")
    assert (finish.facts["reply_nonce"], finish.facts["gone"]) == ("", True)


def test_ftok_of_a_path_that_only_one_side_has(probe: Probe, tmp_path: pathlib.Path) -> None:
    seen = probe.step("sysv_shm_read", path=str(tmp_path / "dummy"), id=80)
    assert [(call["call"], call["errno"]) for call in seen.calls] == [("ftok", "ENOENT")]
    assert seen.facts == {}


def test_a_foreign_segment_is_left_alone(probe: Probe) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
    key = secrets.randbelow(2**31) + 1
    foreign = libc.shmget(key, 512, 0o1600)
    assert foreign >= 0
    try:
        address = libc.shmat(foreign, None, 0)
        ctypes.memset(address, 0x5A, 512)
        session = probe.session()
        create = session.ask("sysv_shm_create", key=hex(key), size=512)
        assert create.facts["attached"] is False
        assert create.calls[0]["errno"] == "EEXIST"
        read = session.ask("sysv_shm_read", key=hex(key))
        assert (read.facts["found"], read.facts["magic"]) == (True, False)
        assert "peer_nonce" not in read.facts
        drop = session.ask("sysv_shm_drop", key=hex(key))
        assert (drop.facts["magic"], drop.facts["gone"]) == (False, False)
        assert session.ask("sysv_shm_finish").error is not None
        assert session.finish() == 0
        assert ctypes.string_at(address, 512) == b"\x5a" * 512
        assert segments(os.getpid()) == 1
    finally:
        libc.shmctl(foreign, 0, None)


def test_a_foreign_ftok_file_is_used_but_not_removed(probe: Probe, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "key"
    path.write_text("mine")
    session = probe.session()
    seen = session.ask("sysv_shm_create", path=str(path), id=1, make=1, size=512)
    assert (seen.calls[0]["errno"], seen.facts["attached"]) == ("EEXIST", True)
    session.ask("sysv_shm_finish")
    session.finish()
    assert path.read_text() == "mine"


def test_a_made_file_that_was_replaced_is_not_removed(probe: Probe, tmp_path: pathlib.Path) -> None:
    session = probe.session()
    session.ask("ftok", path=str(tmp_path / "key"), id=1, make=1)
    (tmp_path / "new").write_text("mine")
    os.replace(tmp_path / "new", tmp_path / "key")
    assert session.finish() == 0
    assert (tmp_path / "key").read_text() == "mine"


def test_segments_are_finished_by_key_or_youngest_first(probe: Probe) -> None:
    session = probe.session()
    base = secrets.randbelow(2**30) + 1
    made = [session.ask("sysv_shm_create", key=hex(base + i), size=512).facts["key"] for i in range(4)]
    assert segments(session.process.pid) == 4
    fifth = session.ask("sysv_shm_create", key=hex(base + 4), size=512)
    assert fifth.error == "this session holds too many segments"
    finished = [session.ask("sysv_shm_finish", key=made[1]), *(session.ask("sysv_shm_finish") for _unused in range(3))]
    assert sorted(seen.facts["key"] for seen in finished) == sorted(made)
    assert finished[0].facts["key"] == made[1]
    assert all(seen.facts["gone"] for seen in finished)
    assert segments(session.process.pid) == 0


# ---- POSIX shared memory and semaphores


def name() -> str:
    return f"/podshm-test-{secrets.token_hex(6)}"


@pytest.mark.parametrize("first", ["posix_write", "posix_read"])
def test_posix_both_ways_in_any_order(probe: Probe, first: str) -> None:
    shared = name()
    args: dict[str, dict[str, t.Any]] = {"posix_write": {"size": 512, "text": SENTENCE}, "posix_read": {}}
    second = "posix_read" if first == "posix_write" else "posix_write"
    waiting, first_nonce = probe.begin(first, name=shared, **args[first])
    begun = waiting.until(lambda data: data.find(b'{"ready":true}\n') + 15 if b'{"ready":true}\n' in data else None)
    other = probe.step(second, name=shared, **args[second])
    rest = waiting.until(lambda data: protocol.complete(data, first_nonce))
    seen = {first: protocol.parse(begun + rest, first, first_nonce), second: other}
    write, read = seen["posix_write"], seen["posix_read"]
    assert waiting.process.wait(PATIENCE) == 0
    assert (read.facts["peer_nonce"], read.facts["text"]) == (write.nonce, SENTENCE)
    assert write.facts["reply_nonce"] == read.nonce
    assert (write.facts["timed_out"], read.facts["timed_out"], write.facts["left"]) == (False, False, 0)
    assert (read.facts["shm_dev"], read.facts["shm_ino"]) == (write.facts["shm_dev"], write.facts["shm_ino"])
    assert int(write.facts["posted_at_ns"]) <= int(read.facts["wait_ended_ns"])
    assert int(read.facts["posted_at_ns"]) <= int(write.facts["wait_ended_ns"])
    assert in_shm(shared[1:]) == []


@needs_root
def test_posix_does_not_cross_mounts(probe: Probe) -> None:
    shared = name()
    running, fresh = probe.begin("posix_read", before=enter(shm="size=1m"), name=shared, deadline=300)
    write = probe.step("posix_write", name=shared, deadline=300, text=SENTENCE)
    output, _unused = running.process.communicate(timeout=PATIENCE)
    read = protocol.parse(output, "posix_read", fresh)
    for seen in (write, read):
        assert (seen.facts["timed_out"], seen.facts["timeout"]) == (True, 300)
        assert next(call["errno"] for call in seen.calls if call["call"] == "sem_timedwait") in {"ETIMEDOUT", "EINTR"}
    assert write.facts["path_dev"] != read.facts["path_dev"]
    assert "peer_nonce" not in read.facts
    assert "reply_nonce" not in write.facts
    assert write.facts["left"] == 0
    assert in_shm(shared[1:]) == []


@pytest.mark.parametrize("step", ["posix_write", "posix_read"])
def test_posix_that_is_told_to_end_removes_what_it_made(probe: Probe, step: str) -> None:
    shared = name()
    running, fresh = probe.begin(step, name=shared)
    begun = running.until(lambda data: len(data) if b"ready" in data else None)
    assert in_shm(shared[1:]) != []
    running.process.send_signal(signal.SIGTERM)
    seen = protocol.parse(begun + running.until(lambda data: protocol.complete(data, fresh)), step, fresh)
    assert (seen.facts["interrupted"], seen.facts["timed_out"]) == (True, True)
    assert running.process.wait(PATIENCE) == 0
    assert in_shm(shared[1:]) == []


@pytest.mark.parametrize("step", ["posix_write", "posix_read"])
def test_posix_at_its_deadline_leaves_nothing_in_a_session_that_goes_on(probe: Probe, step: str) -> None:
    shared = name()
    session = probe.session()
    assert session.ask(step, name=shared, deadline=20).facts["timed_out"] is True
    assert in_shm(shared[1:]) == []
    assert session.ask("selftest").error is None


@needs_root
def test_posix_without_room_in_shm(probe: Probe) -> None:
    """Two blocks are for the semaphores: the memory gets ENOSPC, not SIGBUS."""
    seen = probe.step("posix_write", before=enter(shm="size=8k"), name=name())
    assert [call["errno"] for call in seen.calls if call["call"] == "fallocate"] == ["ENOSPC"]
    assert "wait_began_ns" not in seen.facts
    assert seen.facts["left"] == 0


def test_posix_takes_no_foreign_object(probe: Probe) -> None:
    shared = name()
    foreign = pathlib.Path(f"/dev/shm{shared}-m")
    foreign.write_text("mine")
    try:
        seen = probe.step("posix_write", name=shared)
        assert [call["errno"] for call in seen.calls if call["call"] == "shm_open"] == ["EEXIST"]
        assert seen.facts["left"] == 1
        assert foreign.read_text() == "mine"
    finally:
        foreign.unlink()


# ---- how much can be written

PAGE = os.sysconf("SC_PAGESIZE")


@needs_root
@pytest.mark.parametrize("pages", [1, 2, 7, 63, 64, 65, 129, 1000])
def test_fill_counts_to_the_byte(probe: Probe, pages: int) -> None:
    size = pages * PAGE
    seen = probe.step("fill", before=enter(shm=f"size={size}"), path="/dev/shm", max=2 * size)
    assert seen.facts["size_bytes"] == seen.facts["available_bytes"] == size
    assert seen.facts["written_bytes"] == size
    assert (seen.facts["stopped_by"], seen.facts["verified"], seen.facts["freed"]) == ("ENOSPC", True, True)
    assert seen.facts["available_bytes_after"] == size


@needs_root
@pytest.mark.parametrize("most", [1, 511, 512, 513, 4095, 4097, 262143, 262145, 1000001])
def test_fill_stops_at_its_bound(probe: Probe, most: int) -> None:
    seen = probe.step("fill", before=enter(shm="size=4m"), path="/dev/shm", max=most)
    assert (seen.facts["written_bytes"], seen.facts["stopped_by"]) == (most, "max")
    assert (seen.facts["verified"], seen.facts["freed"]) == (True, True)


@needs_root
def test_fill_ends_at_a_file_size_limit(probe: Probe) -> None:
    """It would be killed by SIGXFSZ, with all that it asks after that."""

    def before() -> None:
        enter(shm="size=4m")()
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000))

    seen = probe.step("fill", before=before, path="/dev/shm", max=2000000)
    assert seen.facts["stopped_by"] == "EFBIG"
    assert (seen.facts["written_bytes"], seen.facts["verified"], seen.facts["freed"]) == (1000000, True, True)


@needs_root
def test_fill_ends_at_its_deadline(probe: Probe) -> None:
    seen = probe.step("fill", before=enter(shm="size=1g"), path="/dev/shm", max=2**30, deadline=1)
    assert (seen.facts["stopped_by"], seen.facts["timeout"], seen.facts["freed"]) == ("deadline", 1, True)


@needs_root
def test_fill_leaves_nothing_even_when_it_is_killed(probe: Probe, tmp_path: pathlib.Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "podshm", tmp_path], check=True)
    try:
        running, _fresh = probe.begin("fill", path=str(tmp_path), max=2**30)
        while os.statvfs(tmp_path).f_bavail * PAGE > 2**30 - 2**20:
            assert running.process.poll() is None
        assert os.listdir(tmp_path) == []
        writer = os.pidfd_open(children(running.process.pid)[0])
        running.process.kill()
        signal.pidfd_send_signal(writer, signal.SIGKILL)
        os.close(writer)
        running.process.wait(PATIENCE)
    finally:
        while subprocess.run(["umount", tmp_path], check=False, stderr=subprocess.DEVNULL).returncode:
            pass


def test_fill_where_nothing_can_be_made(probe: Probe, tmp_path: pathlib.Path) -> None:
    seen = probe.step("fill", path="/proc", max=100)
    assert "written_bytes" not in seen.facts
    assert "errno" in next(call for call in seen.calls if call["call"] == "open")
    (tmp_path / "file").touch()
    seen = probe.step("fill", path=str(tmp_path / "file"), max=100)
    assert [call["errno"] for call in seen.calls if call["call"] == "open"] == ["ENOTDIR"]


def test_fill_that_is_kept_until_it_is_dropped(probe: Probe) -> None:
    session = probe.session(before=enter(shm="size=1m"))
    kept = session.ask("fill", path="/dev/shm", max=2**19, keep=1)
    assert (kept.facts["written_bytes"], "freed" in kept.facts) == (2**19, False)
    assert session.ask("fill", path="/dev/shm", max=1, keep=1).error == "keep this session keeps a file already"
    assert session.ask("fill", path="/dev/shm", max=2**20).facts["written_bytes"] == 2**19
    dropped = session.ask("fill_drop")
    assert (dropped.facts["available_bytes_after"], dropped.facts["freed"]) == (2**20, True)
    assert session.ask("fill_drop").error == "this session keeps no file"


@needs_root
def test_fallocate_at_the_size_and_beyond(probe: Probe) -> None:
    session = probe.session(before=enter(shm="size=1m"))
    seen = session.ask("fallocate", path="/dev/shm", size=2**20)
    assert (seen.facts["allocated"], seen.facts["removed"], seen.facts["freed"]) == (True, True, True)
    seen = session.ask("fallocate", path="/dev/shm", size=2**20 + 1)
    assert (seen.facts["allocated"], seen.facts["available_bytes_after"]) == (False, 2**20)
    assert [call["errno"] for call in seen.calls if call["call"] == "fallocate"] == ["ENOSPC"]


@needs_root
@pytest.mark.parametrize("pages", [1, 75])
def test_sparse_is_sigbus_at_the_size(probe: Probe, pages: int) -> None:
    seen = probe.step("sparse", before=enter(shm=f"size={pages * PAGE}"), path="/dev/shm", size=2**20)
    assert (seen.facts["truncated"], seen.facts["touched_bytes"]) == (True, pages * PAGE)
    assert seen.facts["stopped_by"] == f"signal:{int(signal.SIGBUS)}"
    assert seen.facts["freed"] is True


@needs_root
def test_sparse_that_has_room(probe: Probe) -> None:
    seen = probe.step("sparse", before=enter(shm="size=1m"), path="/dev/shm", size=2**19 + 1)
    assert (seen.facts["touched_bytes"], seen.facts["stopped_by"]) == (2**19 + 1, "size")


@needs_root
def test_memory_beyond_shm(probe: Probe) -> None:
    session = probe.session(before=enter(CLONE_NEWIPC, shm="size=64k"))
    seen = session.ask("beyond", size=2**20)
    assert (seen.facts["sysv_bytes"], seen.facts["memfd_bytes"]) == (2**20, 2**20)
    assert (seen.facts["sysv_stopped_by"], seen.facts["memfd_stopped_by"]) == ("size", "size")


@needs_root
def test_memory_beyond_shm_that_a_limit_forbids(probe: Probe) -> None:
    before = enter(CLONE_NEWIPC, sysctls={"kernel/shmmax": "65536"})
    seen = probe.step("beyond", before=before, size=2**20)
    assert (seen.facts["sysv_bytes"], seen.facts["memfd_bytes"]) == (0, 2**20)
    assert [call["errno"] for call in seen.calls if call["call"] == "shmget"] == ["EINVAL"]


@needs_root
@pytest.mark.parametrize(
    ("flags", "writable", "exec_map"), [(0, True, True), (MS_NOEXEC, True, False), (MS_RDONLY, False, None)]
)
def test_flags_are_tried(probe: Probe, flags: int, writable: bool, exec_map: bool | None) -> None:
    seen = probe.step("flags", before=enter(shm="size=1m,mode=1770", mount_flags=flags), path="/dev/shm")
    assert (seen.facts["writable"], seen.facts.get("exec_map")) == (writable, exec_map)
    assert (seen.facts["dir_mode"], seen.facts["sticky"], seen.facts["setgid"]) == ("1770", True, False)
    assert seen.facts.get("file_uid") == (0 if writable else None)
    failed = [call["errno"] for call in seen.calls if "errno" in call]
    assert failed == {True: [], False: ["EPERM"], None: ["EROFS"]}[exec_map]


@needs_root
@pytest.mark.parametrize(
    ("mode", "sticky", "setgid", "group"),
    [
        ("1777", True, False, 65531),
        ("3777", True, True, 2000),
        ("2777", False, True, 2000),
        ("0777", False, False, 65531),
    ],
)
def test_whose_a_new_file_is(probe: Probe, mode: str, sticky: bool, setgid: bool, group: int) -> None:
    """3777 is what the kubelet gives an emptyDir with fsGroup."""
    before = as_user(65531, enter(shm=f"size=1m,mode={mode},uid=1000,gid=2000"))
    facts = probe.step("flags", before=before, path="/dev/shm").facts
    assert (facts["dir_mode"], facts["sticky"], facts["setgid"]) == (mode, sticky, setgid)
    assert (facts["dir_uid"], facts["dir_gid"]) == (1000, 2000)
    assert (facts["file_uid"], facts["file_gid"], facts["inherits_group"]) == (65531, group, group == 2000)


@needs_root
def test_flags_of_a_directory_of_somebody_else(probe: Probe) -> None:
    before = as_user(65531, enter(shm="size=1m,mode=0755"))
    seen = probe.step("flags", before=before, path="/dev/shm")
    assert (seen.facts["dir_mode"], seen.facts["writable"]) == ("0755", False)
    assert "inherits_group" not in seen.facts
    assert [call["errno"] for call in seen.calls if "errno" in call] == ["EACCES"]


# ---- System V semaphores and queues


def key() -> str:
    return hex(secrets.randbelow(2**31) + 1)


def objects(kind: str, number: int) -> bool:
    """Whether there is a System V object of this kind and id."""
    lines = pathlib.Path(f"/proc/sysvipc/{kind}").read_text(encoding="ascii").splitlines()[1:]
    return number in [int(line.split()[1]) for line in lines]


def test_a_blocked_peer_is_woken(probe: Probe) -> None:
    first, second, where = probe.session(), probe.session(), key()
    made = first.ask("sysv_sem_create", key=where)
    assert made.facts["made"] is True
    assert objects("sem", int(made.facts["semid"]))
    fresh = second.begin("sysv_sem_wait", key=where)
    post = first.ask("sysv_sem_post", key=where)
    assert (post.facts["found"], post.facts["posted"]) == (True, True)
    wait = second.answer("sysv_sem_wait", fresh)
    assert (wait.facts["found"], wait.facts["woken"], wait.facts["timed_out"]) == (True, True, False)
    assert int(wait.facts["wait_began_ns"]) < int(post.facts["posted_at_ns"]) < int(wait.facts["wait_ended_ns"])
    assert first.ask("sysv_sem_remove").facts["gone"] is True
    assert first.ask("sysv_sem_remove").error == "this session made none"
    assert not objects("sem", int(made.facts["semid"]))


def test_a_peer_that_nobody_wakes(probe: Probe) -> None:
    session, where = probe.session(), key()
    made = session.ask("sysv_sem_create", key=where)
    wait = session.ask("sysv_sem_wait", key=where, deadline=20)
    assert (wait.facts["woken"], wait.facts["timed_out"], wait.facts["timeout"]) == (False, True, 20)
    assert session.finish() == 0
    assert not objects("sem", int(made.facts["semid"]))


@needs_root
def test_semaphores_and_queues_do_not_cross_ipc_namespaces(probe: Probe) -> None:
    first, second = probe.session(), probe.session(before=enter(CLONE_NEWIPC))
    where, shared = key(), name()
    first.ask("sysv_sem_create", key=where)
    first.ask("sysv_msg_create", key=where)
    first.ask("mq_create", name=shared)
    for step, args in (
        ("sysv_sem_wait", {"key": where}),
        ("sysv_sem_post", {"key": where}),
        ("sysv_msg_receive", {"key": where}),
        ("sysv_msg_send", {"key": where}),
        ("mq_receive", {"name": shared}),
        ("mq_send", {"name": shared}),
    ):
        seen = second.ask(step, **args)
        assert seen.facts == {"found": False}
        assert [call["errno"] for call in seen.calls] == ["ENOENT"]


@pytest.mark.parametrize("first", ["send", "receive"])
@pytest.mark.parametrize("kind", ["sysv_msg", "mq"])
def test_messages_in_any_order(probe: Probe, kind: str, first: str) -> None:
    sender, receiver = probe.session(), probe.session()
    where = {"name": name()} if kind == "mq" else {"key": key()}
    made = sender.ask(f"{kind}_create", **where)
    assert made.facts["made"] is True
    fresh = "" if first == "send" else receiver.begin(f"{kind}_receive", **where)
    send = sender.ask(f"{kind}_send", **where, text=SENTENCE)
    assert (send.facts["found"], send.facts["sent"]) == (True, True)
    receive = receiver.answer(f"{kind}_receive", fresh) if fresh else receiver.ask(f"{kind}_receive", **where)
    assert (receive.facts["peer_nonce"], receive.facts["text"]) == (send.nonce, SENTENCE)
    assert (receive.facts["timed_out"], "wait_began_ns" in receive.facts) == (False, bool(fresh))
    late = receiver.ask(f"{kind}_receive", **where, deadline=20)
    assert (late.facts["timed_out"], "peer_nonce" in late.facts) == (True, False)
    remove = sender.ask("mq_unlink", **where) if kind == "mq" else sender.ask("sysv_msg_remove")
    assert remove.facts["gone"] is True
    assert receiver.ask(f"{kind}_receive", **where).facts == {"found": False}


@pytest.mark.parametrize("kind", ["sysv_msg", "mq", "sysv_sem"])
def test_queues_do_not_outlive_their_session(probe: Probe, kind: str) -> None:
    session, other = probe.session(), probe.session()
    where = {"name": name()} if kind == "mq" else {"key": key()}
    session.ask(f"{kind}_create", **where)
    assert session.ask(f"{kind}_create", **where).facts["made"] is False
    assert session.finish() == 0
    assert other.ask(f"{kind}_create", **where).facts["made"] is True


def test_a_foreign_message_is_left_alone(probe: Probe) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    where = secrets.randbelow(2**31) + 1
    queue = libc.msgget(where, 0o1600)
    assert queue >= 0
    try:
        text = ctypes.create_string_buffer((1).to_bytes(8, "little") + b"mine", 12)
        assert libc.msgsnd(queue, text, 4, 0) == 0
        seen = probe.step("sysv_msg_receive", key=hex(where), deadline=20)
        assert (seen.facts["found"], seen.facts["timed_out"]) == (True, True)
        assert libc.msgrcv(queue, text, 4, 1, 0o4000) == 4
    finally:
        libc.msgctl(queue, 0, None)


@needs_root
def test_a_queue_that_the_user_may_not_have(probe: Probe) -> None:
    def before() -> None:
        resource.setrlimit(resource.RLIMIT_MSGQUEUE, (0, 0))
        os.setgroups([])
        os.setuid(65531)

    seen = probe.step("mq_create", before=before, name=name())
    assert seen.facts == {"made": False}
    assert [call["errno"] for call in seen.calls] == ["EMFILE"]
    assert probe.step("msgqueue_budget", before=before).facts == {"queues": 0, "stopped_by": "EMFILE"}


@needs_root
def test_the_budget_of_queues_is_counted_and_given_back(probe: Probe) -> None:
    def before() -> None:
        enter(CLONE_NEWIPC)()
        resource.setrlimit(resource.RLIMIT_MSGQUEUE, (200000, 200000))
        os.setgroups([])
        os.setuid(65531)

    session = probe.session(before=before)
    for _unused in range(2):
        assert session.ask("msgqueue_budget").facts == {"queues": 2, "stopped_by": "EMFILE"}


# ---- objects that one leaves and another finds


def test_an_object_both_ways(probe: Probe) -> None:
    first, second, shared = probe.session(), probe.session(), name()
    put = first.ask("object_put", name=shared, text=SENTENCE, size=70000, fill=1)
    stat = os.stat(f"/dev/shm{shared}")
    assert (put.facts["made"], put.facts["object_mode"], put.facts["object_uid"]) == (True, "0600", os.getuid())
    assert (put.facts["shm_ino"], stat.st_size, stat.st_blocks * 512 // PAGE) == (stat.st_ino, 70000, -(-70000 // PAGE))
    read = second.ask("object_get", name=shared)
    assert (read.facts["found"], read.facts["magic"], read.facts["writable"]) == (True, True, False)
    get = second.ask("object_get", name=shared, write=1)
    assert (get.facts["peer_nonce"], get.facts["text"], get.facts["writable"]) == (put.nonce, SENTENCE, True)
    drop = first.ask("object_drop", name=shared)
    assert (drop.facts["reply_nonce"], drop.facts["gone"]) == (get.nonce, True)
    assert second.ask("object_get", name=shared).facts == {"writable": False, "found": False}
    assert in_shm(shared[1:]) == []


def test_an_object_ends_with_its_session_unless_it_is_kept(probe: Probe) -> None:
    shared, kept = name(), name()
    session = probe.session()
    session.ask("object_put", name=shared)
    session.ask("object_put", name=kept, keep=1)
    assert session.finish() == 0
    assert in_shm(shared[1:]) == []
    assert in_shm(kept[1:]) == [kept[1:]]
    drop = probe.step("object_drop", name=kept)
    assert (drop.facts["found"], drop.facts["reply_nonce"], drop.facts["gone"]) == (True, "", True)
    assert in_shm(kept[1:]) == []


def test_a_foreign_object_is_not_dropped(probe: Probe) -> None:
    shared = name()
    foreign = pathlib.Path(f"/dev/shm{shared}")
    foreign.write_bytes(b"m" * 5000)
    try:
        drop = probe.step("object_drop", name=shared)
        assert (drop.facts["found"], drop.facts["magic"], drop.facts["gone"]) == (True, False, False)
        assert probe.step("object_get", name=shared, write=1).facts["magic"] is False
        assert probe.step("object_put", name=shared).facts == {"made": False}
        assert foreign.read_bytes() == b"m" * 5000
    finally:
        foreign.unlink()


@needs_root
@pytest.mark.parametrize(("umask", "mode", "writable"), [("022", "0644", False), ("0", "0666", True)])
def test_another_user_may_write_only_without_umask(probe: Probe, umask: str, mode: str, writable: bool) -> None:
    first, second, shared = probe.session(as_user(65531)), probe.session(as_user(65532)), name()
    put = first.ask("object_put", name=shared, mode="0666", umask=umask)
    assert (put.facts["object_mode"], put.facts["object_uid"]) == (mode, 65531)
    get = second.ask("object_get", name=shared, write=1)
    assert (get.facts["writable"], get.facts["found"], get.facts["peer_nonce"]) == (writable, True, put.nonce)
    assert [call["errno"] for call in get.calls if "errno" in call] == ([] if writable else ["EACCES"])
    assert first.ask("object_drop", name=shared).facts["reply_nonce"] == (get.nonce if writable else "")


@needs_root
def test_protected_regular_is_what_the_kernel_does(probe: Probe) -> None:
    """O_CREAT on another user's object in a sticky directory."""
    first, second, shared = probe.session(as_user(65531)), probe.session(as_user(65532)), name()
    policy = second.ask("protected", path="/dev/shm")
    level = int(pathlib.Path("/proc/sys/fs/protected_regular").read_text(encoding="ascii"))
    assert (policy.facts["protected_regular"], policy.facts["path_mode"]) == (level, "1777")
    first.ask("object_put", name=shared, mode="0666", umask="0")
    get = second.ask("object_get", name=shared, create=1, write=1)
    assert get.facts["writable"] is (level == 0)
    assert get.facts["found"] is True


def test_creating_does_not_count_as_finding(probe: Probe) -> None:
    shared = name()
    seen = probe.step("object_get", name=shared, create=1, write=1)
    assert seen.facts["found"] is False
    assert "peer_nonce" not in seen.facts
    assert in_shm(shared[1:]) == []


def test_semaphores_of_two_c_libraries_never_meet(probe: Probe) -> None:
    shared = name()[1:]
    seen = probe.step("sem_names", name=shared)
    assert seen.facts == {"glibc_made": True, "musl_found": False, "musl_made": True, "glibc_found": False}
    assert in_shm(shared) == []


@pytest.mark.skipif(not hasattr(os, "confstr") or "glibc" not in str(os.confstr("CS_GNU_LIBC_VERSION")), reason="glibc")
def test_glibc_names_its_semaphores_as_the_probe_says() -> None:
    libc, shared = ctypes.CDLL(None, use_errno=True), name()
    libc.sem_open.restype = ctypes.c_void_p
    assert libc.sem_open(shared.encode(), os.O_CREAT | os.O_EXCL, 0o600, 0)
    try:
        assert os.stat(f"/dev/shm/sem.{shared[1:]}").st_size == 32
    finally:
        libc.sem_unlink(shared.encode())


@pytest.mark.parametrize("at", ["@{}", "/tmp/{}"])
def test_a_memfd_that_crosses_a_socket_and_is_reached_by_process(probe: Probe, at: str) -> None:
    where, session = at.format(name()[1:]), probe.session()
    serve = session.ask("peer_serve", socket=where, text=SENTENCE)
    assert (serve.facts["made"], serve.facts["dumpable"]) == (True, 1)
    take = probe.step("peer_take", socket=where, reach=1)
    assert (take.facts["found"], take.facts["passed"], take.facts["peer_pid"]) == (True, True, session.process.pid)
    assert (take.facts["peer_nonce"], take.facts["text"]) == (serve.nonce, SENTENCE)
    if take.facts.get("ptrace_scope", "0") == "0":
        assert {take.facts[way] for way in ("vm_nonce", "pidfd_nonce", "file_nonce")} == {serve.nonce}
    drop = session.ask("peer_drop", socket=where)
    assert drop.facts == {"reply_nonce": take.nonce, "gone": True}
    assert children(session.process.pid) == []
    assert probe.step("peer_take", socket=where).facts == {"found": False}


def test_what_is_served_ends_with_its_session(probe: Probe) -> None:
    where, session = f"/tmp/{name()[1:]}", probe.session()
    assert session.ask("peer_serve", socket=where).facts["made"]
    (child,) = children(session.process.pid)
    session.close()
    assert not os.path.exists(where)
    assert not os.path.exists(f"/proc/{child}")


def test_a_process_whose_id_is_unknown_is_not_reached(probe: Probe) -> None:
    where, session = f"@{name()[1:]}", probe.session()
    session.ask("peer_serve", socket=where)
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    apart = probe.session_with("unshare", "--user", "--map-current-user", "--pid", "--fork")
    take = apart.ask("peer_take", socket=where, reach=1)
    assert (take.facts["passed"], take.facts["peer_pid"]) == (True, 0)
    assert "vm_nonce" not in take.facts
    assert apart.finish() == 0  # unshare ignores SIGTERM


@pytest.mark.parametrize("socket", ["", "@", "name", "/" + "x" * 107])
def test_a_socket_has_a_name(probe: Probe, socket: str) -> None:
    assert probe.step("peer_take", socket=socket).error


def test_a_segment_that_is_kept_and_dropped(probe: Probe) -> None:
    where = key()
    create = probe.step("sysv_shm_create", key=where, text=SENTENCE, keep=1)
    read = probe.step("sysv_shm_read", key=where)
    assert (read.facts["peer_nonce"], read.facts["text"], read.facts["nattch"]) == (create.nonce, SENTENCE, 1)
    drop = probe.step("sysv_shm_drop", key=where)
    assert (drop.facts["found"], drop.facts["magic"], drop.facts["gone"]) == (True, True, True)
    assert probe.step("sysv_shm_drop", key=where).facts == {"found": False}


# ---- a segment of mode 0600, and whom the kernel lets in

USER = ("setpriv", "--reuid", "65532", "--regid", "65532", "--clear-groups")
CAP_IPC_OWNER, CAP_SYS_ADMIN = 15, 21


@needs_root
@pytest.mark.parametrize(
    ("reader", "capable", "allowed"),
    [
        (("setpriv", "--reuid", "65531", "--clear-groups"), False, True),  # its owner
        (USER, False, False),  # as `capabilities.add: [IPC_OWNER]` does for a user: not effective
        ((*USER, "--inh-caps", "+ipc_owner", "--ambient-caps", "+ipc_owner"), True, True),
        (("setpriv", "--inh-caps", "-ipc_owner", "--bounding-set", "-ipc_owner"), False, False),  # root in a container
        (("setpriv", "--inh-caps", "-all"), True, True),  # root with everything
    ],
    ids=["owner", "other-user", "other-user-ipc-owner", "root", "root-ipc-owner"],
)
def test_a_private_segment_and_another_user(
    probe: Probe, reader: tuple[str, ...], capable: bool, allowed: bool
) -> None:
    where = key()
    creator, other = probe.session(as_user(65531)), probe.session_with(*reader)
    create = creator.ask("sysv_shm_create", key=where, mode="0600", text=SENTENCE)
    assert create.facts["attached"] is True
    effective = int(str(other.ask("identity").facts["cap_effective"]), 16)
    assert bool(effective >> CAP_IPC_OWNER & 1) is capable
    read = other.ask("sysv_shm_read", key=where)
    # shmget without mode bits asks for no access, so only shmat is refused
    assert (read.facts["found"], read.facts.get("peer_nonce")) == (True, create.nonce if allowed else None)
    refused = [(call["call"], call["errno"]) for call in read.calls if "errno" in call]
    assert refused == ([] if allowed else [("shmat", "EACCES")])
    # IPC_OWNER is for access alone: who removes a segment must own it, or have SYS_ADMIN
    owner = other.ask("identity").facts["uid"] == 65531
    drop = other.ask("sysv_shm_drop", key=where)
    assert drop.facts.get("gone", False) is (allowed and (owner or bool(effective >> CAP_SYS_ADMIN & 1)))
    finish = creator.ask("sysv_shm_finish")
    assert finish.facts["reply_nonce"] == (read.nonce if allowed else "")


@needs_root
def test_a_private_segment_of_a_key_that_is_taken(probe: Probe) -> None:
    where = key()
    first, second = probe.session(as_user(65531)), probe.session(as_user(65532))
    first.ask("sysv_shm_create", key=where, mode="0600")
    create = second.ask("sysv_shm_create", key=where, mode="0600")
    assert create.facts["attached"] is False
    assert [(call["call"], call["errno"]) for call in create.calls] == [("shmget", "EEXIST")]


@needs_root
def test_a_segment_that_its_own_creator_cannot_attach(probe: Probe) -> None:
    """Mode 0 is refused by shmat, and the step shows it and leaves nothing."""
    session = probe.session(as_user(65531))
    create = session.ask("sysv_shm_create", key=key(), mode="0")
    assert create.facts["attached"] is False
    assert [(call["call"], call.get("errno")) for call in create.calls] == [("shmget", None), ("shmat", "EACCES")]
    assert segments(session.process.pid) == 0


# ---- a lock that is granted twice


@needs_root
@pytest.mark.parametrize(
    ("kind", "shared_pids", "granted"),
    [("recursive", False, True), ("recursive", True, False), ("normal", False, False)],
)
def test_a_recursive_mutex_across_pid_namespaces(probe: Probe, kind: str, shared_pids: bool, granted: bool) -> None:
    def session() -> Running:
        return probe.session_with("unshare", "--pid", "--fork", "--kill-child")

    holder, shared = session(), name()
    hold = holder.ask("mutex_hold", name=shared, type=kind, tid=40)
    assert (hold.facts["locked"], hold.facts["tid"]) == (True, 40)
    trier = holder if shared_pids else session()
    tried = trier.ask("mutex_try", name=shared, tid=40)
    assert (tried.facts["granted"], tried.facts["result"]) == (granted, "0" if granted else "EBUSY")
    assert (tried.facts["owner"], tried.facts["tid"] == 40) == (40, not shared_pids)
    assert holder.ask("mutex_drop", name=shared).facts["gone"] is True
    assert in_shm(shared[1:]) == []
    for running in dict.fromkeys((holder, trier)):  # unshare itself does not obey SIGTERM
        assert running.finish() == 0


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the layout is that of 64-bit little-endian machines")
def test_the_mutex_is_glibcs(probe: Probe) -> None:
    """The C library of this Python takes and refuses the probe's mutex, and the other way round."""
    libc, shared, session = ctypes.CDLL(None), name(), probe.session()
    holder = session.ask("mutex_hold", name=shared, type="recursive").facts["tid"]
    assert children(session.process.pid) == [holder]
    with open(f"/dev/shm{shared}", "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        mutex = (ctypes.c_int * 5).from_buffer(memory)
        assert libc.pthread_mutex_trylock(mutex) == errno.EBUSY
        mutex[2] = threading.get_native_id()  # the owner
        assert libc.pthread_mutex_trylock(mutex) == 0
        mutex[0:5] = [0, 0, 0, 0, mutex[4]]
        assert libc.pthread_mutex_trylock(mutex) == 0
        tried = session.ask("mutex_try", name=shared)
        assert (tried.facts["owner"], tried.facts["result"]) == (threading.get_native_id(), "EBUSY")
        del mutex
    assert session.ask("mutex_drop", name=shared).facts == {"gone": True}
    assert children(session.process.pid) == []


def test_the_holder_of_a_mutex_dies_with_its_session(probe: Probe) -> None:
    shared, session = name(), probe.session()
    holder = os.pidfd_open(int(session.ask("mutex_hold", name=shared, type="normal").facts["tid"]))
    try:
        session.process.kill()
        session.process.wait(PATIENCE)
        assert select.select([holder], [], [], PATIENCE)[0] == [holder]
    finally:
        os.close(holder)
        os.unlink(f"/dev/shm{shared}")


# ---- limits


@needs_root
def test_sysctls_are_those_of_the_namespace(probe: Probe) -> None:
    inside = probe.step("sysctls", before=enter(CLONE_NEWIPC, sysctls={"kernel/shmmni": "17", "kernel/msgmax": "99"}))
    assert (inside.facts["kernel_shmmni"], inside.facts["kernel_msgmax"]) == (17, 99)
    outside = probe.step("sysctls")
    for fact in ("kernel_shmmax", "kernel_shmmni", "fs_mqueue_msg_max", "vm_overcommit_memory"):
        path = pathlib.Path("/proc/sys", fact.replace("_", "/", 2 if "mqueue" in fact else 1))
        assert outside.facts[fact] == int(path.read_text(encoding="ascii"))
    sem = pathlib.Path("/proc/sys/kernel/sem").read_text(encoding="ascii").split()
    assert str(outside.facts["kernel_sem"]).split() == sem
    assert outside.facts["rlimit_msgqueue"] == resource.getrlimit(resource.RLIMIT_MSGQUEUE)[0] % 2**64
    meminfo = pathlib.Path("/proc/meminfo").read_text(encoding="ascii")
    assert [str(outside.facts["hugepages_total"])] == re.findall(r"HugePages_Total:\s+(\d+)", meminfo)


@pytest.mark.parametrize(
    ("memlock", "nofile"),
    [((4096, 8192), (64, 128)), ((0, 0), (1024, 1024)), ((4096, resource.RLIM_INFINITY), (9, 64))],
)
def test_rlimits_soft_and_hard(probe: Probe, memlock: tuple[int, int], nofile: tuple[int, int]) -> None:
    if memlock[1] == resource.RLIM_INFINITY != resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]:
        pytest.skip("this machine limits RLIMIT_MEMLOCK")

    def before() -> None:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, memlock)
        resource.setrlimit(resource.RLIMIT_NOFILE, nofile)

    def text(limit: int) -> int | str:
        return "unlimited" if limit == resource.RLIM_INFINITY else limit

    seen = probe.step("rlimits", before=before)
    assert seen.facts == {
        "rlimit_memlock_soft": text(memlock[0]),
        "rlimit_memlock_hard": text(memlock[1]),
        "rlimit_nofile_soft": nofile[0],
        "rlimit_nofile_hard": nofile[1],
    }
    assert [call["result"] for call in seen.calls] == [0, 0]


@needs_root
def test_limits_are_tried(probe: Probe) -> None:
    limits = {"kernel/shmmax": "65536", "kernel/sem": "7 32000 100 128", "kernel/msgmax": "99"}
    small = dict(probe.step("limits", before=enter(CLONE_NEWIPC, sysctls=limits)).facts)
    del small["mq_open_over_msg_max"]  # depends on CAP_SYS_RESOURCE
    assert small == dict.fromkeys(
        ("shmget_zero", "shmget_over_shmmax", "semget_over_semmsl", "msgsnd_over_msgmax"), "EINVAL"
    )
    endless = enter(CLONE_NEWIPC, sysctls={"kernel/shmmax": str(2**64 - 1)})
    assert probe.step("limits", before=endless).facts["shmget_over_shmmax"] == "unlimited"


@needs_root
@pytest.mark.parametrize("forced", [0, 1])
def test_a_segment_after_its_last_detach(probe: Probe, forced: int) -> None:
    session = probe.session(before=enter(CLONE_NEWIPC, sysctls={"kernel/shm_rmid_forced": str(forced)}))
    where = key()
    assert session.ask("rmid_forced", key=where).facts["survived"] is (not forced)
    assert session.ask("sysv_shm_read", key=where).facts["found"] is False


def test_swap_of_the_node_and_of_the_container(probe: Probe) -> None:
    areas = [line.split() for line in pathlib.Path("/proc/swaps").read_text("utf-8").splitlines()[1:]]
    facts = dict(probe.step("swap").facts)
    limit = facts.pop("swap_limit", "unlimited")
    assert facts == {"swap_areas": len(areas), "swap_bytes": sum(int(area[2]) for area in areas) * 1024}
    assert limit == "unlimited" or isinstance(limit, int)


@needs_root
def test_swap_that_the_kernel_lists(probe: Probe, tmp_path: pathlib.Path) -> None:
    head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    listed = tmp_path / "swaps"
    for text, areas, size in (
        (head, 0, 0),
        (f"{head}/dev/dm-1                               partition\t1048572\t\t0\t\t-2\n", 1, 1048572),
        (f"{head}/dev/dm-1 partition\t4\t\t0\t\t-2\n/swap\\040file file\t\t8\t\t0\t\t-3\n", 2, 12),
    ):
        listed.write_text(text, encoding="ascii")
        session = probe.session_with(
            "unshare", "--mount", "sh", "-c", 'mount --bind "$1" /proc/swaps && shift && exec "$@"', "sh", str(listed)
        )
        facts = session.ask("swap").facts
        assert (facts["swap_areas"], facts["swap_bytes"]) == (areas, size * 1024)


def test_huge_pages_of_every_size(probe: Probe) -> None:
    facts = probe.step("hugepage").facts
    folders = list(pathlib.Path("/sys/kernel/mm/hugepages").glob("hugepages-*"))
    sizes = [folder.name.removeprefix("hugepages-") for folder in folders]
    ends = {f"{call}_{size}" for call in ("map", "shmget") for size in sizes or ["default"]}
    pools = {f"{name}_{size}" for name in ("total", "free", "overcommit") for size in sizes}
    assert set(facts) == ends | pools
    for folder, size in zip(folders, sizes, strict=True):
        total, more = (int((folder / name).read_text("ascii")) for name in ("nr_hugepages", "nr_overcommit_hugepages"))
        assert (facts[f"total_{size}"], facts[f"overcommit_{size}"]) == (total, more)
        if not total + more:
            assert facts[f"map_{size}"] == "ENOMEM"
            assert facts[f"shmget_{size}"] in {"ENOMEM", "EPERM"}
    assert all(facts[end] in {"ok", "mapped", "ENOMEM", "EPERM", f"signal:{int(signal.SIGBUS)}"} for end in ends)


@needs_root
def test_a_size_that_the_kernel_does_not_have(probe: Probe, tmp_path: pathlib.Path) -> None:
    pools = {"nr_hugepages": 5, "free_hugepages": 3, "nr_overcommit_hugepages": 2}
    for name in ("hugepages-8kB", "hugepages-", "hugepages-8MB", "other"):
        (tmp_path / name).mkdir()
    for name, number in pools.items():
        (tmp_path / "hugepages-8kB" / name).write_text(f"{number}\n", encoding="ascii")
    bound = 'mount --bind "$1" /sys/kernel/mm/hugepages && shift && exec "$@"'
    session = probe.session_with("unshare", "--mount", "sh", "-c", bound, "sh", str(tmp_path))
    assert session.ask("hugepage").facts == {
        "total_8kB": 5,
        "free_8kB": 3,
        "overcommit_8kB": 2,
        "map_8kB": "EINVAL",
        "shmget_8kB": "EINVAL",
    }


def test_the_controls_hold(probe: Probe) -> None:
    where = key()
    assert probe.step("control_same", key=where).facts == {"positive": True, "negative": True}
    other = probe.session()
    other.ask("sysv_shm_create", key=hex(int(where, 16) ^ 0x5A5A5A5A))
    assert probe.step("control_same", key=where).facts == {"positive": True, "negative": False}
    other.ask("sysv_shm_create", key=where)
    assert probe.step("control_same", key=where).facts["positive"] is False
    assert segments(other.process.pid) == 2


def test_the_controls_of_semaphores_hold(probe: Probe) -> None:
    shared = name()
    facts = probe.step("control_sem", name=shared).facts
    assert (facts["made"], facts["found"], facts["absent"]) == (True, True, True)
    assert in_shm(shared[1:]) == []


@needs_root
def test_end_is_for_process_1(probe: Probe) -> None:
    outer = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", probe.path, "hold"])
    try:
        while not children(outer.pid):
            assert outer.poll() is None
        first = children(outer.pid)[0]
        while pathlib.Path(f"/proc/{first}/cmdline").read_bytes().split(b"\0")[1:2] != [b"hold"]:
            assert outer.poll() is None
        inside = probe.session_with("nsenter", "--target", str(first), "--pid")
        assert inside.ask("end").facts["asked"] is True  # and perhaps interrupted: hold told us, too
        assert outer.wait(PATIENCE) == 0
        assert inside.process.wait(PATIENCE) == 0
    finally:
        outer.kill()
        outer.wait(PATIENCE)


# ---- other architectures


@pytest.mark.parametrize(
    ("arch", "qemu"), [("arm64", "aarch64"), ("ppc64le", "ppc64le"), ("riscv64", "riscv64"), ("s390x", "s390x")]
)
def test_foreign_binaries_run(arch: str, qemu: str) -> None:
    emulator = shutil.which(f"qemu-{qemu}-static")
    if emulator is None:
        pytest.skip(f"no qemu-{qemu}-static here (Debian: qemu-user-static)")
    fresh, where, shared = nonce(), key(), name()
    commands: list[tuple[str, dict[str, str | int]]] = [
        ("selftest", {}),
        ("identity", {}),
        ("rlimits", {}),
        ("sysctls", {}),
        ("sysv_shm_create", {"key": where, "size": 512, "text": "a b"}),
        ("sysv_shm_read", {"key": where}),
        ("sysv_shm_finish", {}),
        ("sysv_sem_create", {"key": where}),
        ("sysv_sem_post", {"key": where}),
        ("sysv_sem_wait", {"key": where}),
        ("sysv_msg_create", {"key": where}),
        ("sysv_msg_send", {"key": where, "text": "a b"}),
        ("sysv_msg_receive", {"key": where}),
        ("posix_read", {"name": shared, "deadline": 20}),
        ("object_put", {"name": shared, "text": "a b"}),
        ("object_get", {"name": shared}),
        ("object_drop", {"name": shared}),
        ("control_same", {"key": hex(int(where, 16) ^ 1)}),
        ("fill", {"path": "/dev/shm", "max": 300001}),
        ("flags", {"path": "/dev/shm"}),
    ]
    lines = "".join(protocol.command(step, fresh, args) for step, args in commands)
    output = subprocess.run(
        [emulator, SOURCES / "bin" / arch, "session"], input=lines.encode(), stdout=subprocess.PIPE, check=True
    ).stdout
    seen = {}
    for step, _unused in commands:
        end = protocol.complete(output, fresh)
        assert end is not None
        seen[step] = protocol.parse(output[:end], step, fresh).facts
        output = output[end:]
    assert output == b""
    assert seen["selftest"]["arch"] == arch
    assert seen["identity"]["path_ino"] == os.stat("/dev/shm").st_ino
    assert seen["identity"]["size_bytes"] == os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize
    assert seen["rlimits"]["rlimit_nofile_soft"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert seen["sysctls"]["kernel_shmmni"] == int(pathlib.Path("/proc/sys/kernel/shmmni").read_text(encoding="ascii"))
    assert (seen["sysv_shm_create"]["attached"], seen["sysv_shm_finish"]["gone"]) == (True, True)
    assert (seen["sysv_shm_read"]["peer_nonce"], seen["sysv_shm_read"]["text"]) == (fresh, "a b")
    assert (seen["sysv_shm_read"]["nattch"], seen["sysv_shm_read"]["segment_bytes"]) == (2, 512)
    assert (seen["sysv_sem_post"]["posted"], seen["sysv_sem_wait"]["woken"]) == (True, True)
    assert (seen["sysv_msg_send"]["sent"], seen["sysv_msg_receive"]["text"]) == (True, "a b")
    assert seen["posix_read"]["timed_out"] is True
    assert (seen["object_get"]["text"], seen["object_drop"]["gone"]) == ("a b", True)
    assert seen["control_same"] == {"positive": True, "negative": True}
    assert (seen["fill"]["written_bytes"], seen["fill"]["verified"]) == (300001, True)
    assert (seen["flags"]["writable"], seen["flags"]["exec_map"], seen["flags"]["file_uid"]) == (
        True,
        True,
        os.getuid(),
    )
    assert in_shm(shared[1:]) == []


# ---- scripts: steps that nobody sends


def _after_block(data: bytes) -> int | None:
    """The index after the first block of a script, which has no nonce."""
    return protocol.complete(data, "")


class Turns:
    """What the containers of a pod share to run their scripts in turns."""

    def __init__(self, probe: Probe, folder: pathlib.Path) -> None:
        self.probe = probe
        self.folder = folder / "turns"
        self.grants = folder / "grants"
        self.folder.mkdir(exist_ok=True)

    def start(self, *lines: str, deadline: int = PATIENCE) -> Running:
        """Start the script of one container."""
        running = self.probe.start(
            "script", f"turns={self.folder}", f"grants={self.grants}", f"deadline={deadline}", *lines
        )
        # a log can be read from its first words on
        assert b'"fact":"lines","value":%d}' % len(lines) in running.until(_after_block)
        return running

    def grant(self, number: int) -> None:
        """As a downwardAPI volume shows it: complete or not at all."""
        draft = self.grants.with_name("draft")
        draft.write_text(f"{number}\n", encoding="ascii")
        draft.rename(self.grants)

    def until_marked(self, *marks: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not set(marks) <= self.marks():
            assert time.monotonic() < deadline, f"{marks} are not among {self.marks()}"
            time.sleep(0.01)

    def marks(self) -> set[str]:
        """Who has done what."""
        return set(os.listdir(self.folder))


@pytest.fixture
def turns(probe: Probe, tmp_path: pathlib.Path) -> Turns:
    """A pod's."""
    return Turns(probe, tmp_path)


def line(prefix: str, step: str, fresh: str, **args: str | int) -> str:
    """A line of a script."""
    return f"{prefix} {protocol.command(step, fresh, args).rstrip()}"


def test_scripts_run_their_steps_in_turns(turns: Turns) -> None:
    one, two, three, four = (nonce() for unused in range(4))
    where = key()
    reader = turns.start(line("2 1.done always", "sysv_shm_read", two, key=where))
    writer = turns.start(
        line("1 none always", "sysv_shm_create", one, key=where, text="a b"),
        line("3 2.done always", "sysv_shm_finish", three),
        line("4 3.done always", "selftest", four),
    )
    writer.answer("sysv_shm_create", one)
    assert reader.answer("sysv_shm_read", two).facts["text"] == "a b"
    assert writer.answer("sysv_shm_finish", three).facts["reply_nonce"] == two
    writer.answer("selftest", four)
    for running in (reader, writer):
        assert running.process.poll() is None
        running.process.terminate()
        assert running.process.wait(PATIENCE) == 0


def test_what_a_script_created_stays_until_it_ends(turns: Turns) -> None:
    one, two, shared = nonce(), nonce(), name()
    maker = turns.start(line("1 none always", "object_put", one, name=shared, text="a b"))
    maker.answer("object_put", one)
    time.sleep(0.2)
    reader = turns.start(line("2 1.done always", "object_get", two, name=shared))
    assert reader.answer("object_get", two).facts["text"] == "a b"
    assert in_shm(shared[1:]) != []
    maker.process.terminate()
    assert maker.process.wait(PATIENCE) == 0
    assert in_shm(shared[1:]) == []


def test_a_step_that_waits_lets_the_next_one_end_its_wait(turns: Turns) -> None:
    one, two, three, four = (nonce() for unused in range(4))
    where = key()
    waiter = turns.start(
        line("1 none always", "sysv_sem_create", one, key=where),
        line("2 1.done always", "sysv_sem_wait", two, key=where),
        line("4 3.done,2.done always", "sysv_sem_remove", four),
    )
    poster = turns.start(line("3 2.waits always", "sysv_sem_post", three, key=where))
    waiter.answer("sysv_sem_create", one)
    waited = waiter.answer("sysv_sem_wait", two).facts
    assert waited["woken"] is True
    assert waiter.answer("sysv_sem_remove", four).facts["gone"] is True
    posted = poster.answer("sysv_sem_post", three).facts
    assert int(posted["posted_at_ns"]) >= int(waited["wait_began_ns"])


def test_who_fails_before_it_waits_holds_nobody_up(turns: Turns) -> None:
    one, two = nonce(), nonce()
    running = turns.start(
        line("1 none always", "sysv_sem_wait", one, key=key()), line("2 1.waits always", "selftest", two)
    )
    assert running.answer("sysv_sem_wait", one).facts["found"] is False
    running.answer("selftest", two)
    assert "1.waits" not in turns.marks()


def test_the_run_leaves_out_what_it_no_longer_waits_for(turns: Turns) -> None:
    one = nonce()
    running = turns.start(line("5 4.done always", "selftest", nonce()), line("6 run always", "selftest", one))
    turns.grant(6)
    running.answer("selftest", one)
    time.sleep(0.1)
    assert turns.marks() == {"5.done", "6.begun", "6.done"}


def test_the_run_lets_a_step_begin_whatever_is_missing(turns: Turns) -> None:
    one, two, three = nonce(), nonce(), nonce()
    running = turns.start(
        line("5 run always", "selftest", one),
        line("7 6.done always", "selftest", two),
        line("8 run always", "selftest", three),
    )
    turns.grant(4)
    time.sleep(0.1)
    assert turns.marks() == set()
    turns.grant(5)
    running.answer("selftest", one)
    time.sleep(0.1)
    assert turns.marks() == {"5.begun", "5.done"}
    turns.grant(7)  # the one that should do 6 is dead
    running.answer("selftest", two)
    time.sleep(0.1)
    assert "8.begun" not in turns.marks()
    turns.grant(8)
    running.answer("selftest", three)


def test_a_script_goes_on_where_the_container_was_killed(turns: Turns) -> None:
    steps = [nonce() for unused in range(4)]
    lines = [
        line("1 none always", "selftest", steps[0]),
        line("2 1.done always", "posix_read", steps[1], name=name(), deadline=60000),
        line("3 2.done unless-killed", "selftest", steps[2]),
        line("4 run always", "selftest", steps[3]),
    ]
    first = turns.start(*lines)
    first.answer("selftest", steps[0])
    first.until(lambda data: protocol.ready(data, steps[1]))
    # it says so first, and leaves the mark then
    turns.until_marked("2.begun", "2.waits")
    first.process.kill()
    first.process.wait(PATIENCE)
    assert "2.done" not in turns.marks()
    second = turns.start(*lines)
    turns.grant(4)
    second.answer("selftest", steps[3])
    assert {"2.done", "3.done"} <= turns.marks()
    assert "3.begun" not in turns.marks()


def test_a_container_that_a_step_ends_was_not_killed(turns: Turns) -> None:
    one, two = nonce(), nonce()
    lines = [
        line("1 none ends", "posix_read", one, name=name(), deadline=60000),
        line("2 run unless-killed", "selftest", two),
    ]
    first = turns.start(*lines)
    first.until(lambda data: protocol.ready(data, one))
    first.process.kill()
    first.process.wait(PATIENCE)
    second = turns.start(*lines)
    turns.grant(2)
    second.answer("selftest", two)


def test_the_deadline_of_a_script_ends_its_waits_and_no_container(turns: Turns) -> None:
    running = turns.start(line("2 1.done always", "selftest", nonce()), deadline=1)
    time.sleep(1.2)
    turns.grant(2)
    time.sleep(0.1)
    assert turns.marks() == set()
    assert running.process.poll() is None
    running.process.terminate()
    assert running.process.wait(PATIENCE) == 0


def test_who_cannot_leave_a_mark_ends_and_says_so(turns: Turns) -> None:
    turns.folder.rmdir()
    running = turns.start(line("1 none always", "selftest", nonce()))
    said = running.until(_after_block)
    assert f'"path":"{turns.folder}/1.begun"' in said.decode()
    assert b'"errno":"ENOENT"' in said
    # so its container fails, and is not waited for
    assert running.process.wait(PATIENCE) == 1


def test_a_container_whose_script_is_killed_ends(turns: Turns) -> None:
    running = turns.start(line("1 run always", "selftest", nonce()))
    (child,) = pathlib.Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    assert running.process.wait(PATIENCE) == 1


@pytest.mark.parametrize("words", [[], ["turns=t", "grants=/g", "deadline=1"], ["1", "2", "3", "4"]])
def test_a_script_needs_its_settings(probe: Probe, words: list[str]) -> None:
    assert probe.start("script", *words).process.wait(PATIENCE) == 2
