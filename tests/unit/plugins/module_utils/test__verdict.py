# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import itertools
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _catalog, _plan, _pod, _verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Undecided

MIB = 1024 * 1024
GIB = 1024 * MIB
NODE = _plan.Node("n", "amd64", 24 * GIB, "pause", "Never", "containerd://2.4.2", "6.18", "v1.37.2")
COMMON = _pod.Common("ff", "", "default", "n", "amd64", "pause", "Never", "", (), {}, {}, 120)

Answers = dict[str, Observation]


def seen(step: str, nonce: str = "aa", calls: t.Sequence[dict[str, t.Any]] = (), **facts: t.Any) -> Observation:
    return Observation(step=step, nonce=nonce, facts=facts, calls=tuple(calls), error=None)


def failed(call: str, errno: str) -> dict[str, t.Any]:
    return {"call": call, "result": -1, "errno": errno}


def context(check: str, phase: str = "Running", **settings: t.Any) -> _verdict.Context:
    chosen = _plan.Settings(**{"restart_kubelet": ("true",), **settings})
    wanted = [one for one in (*_catalog.CHECKS, *_catalog.CONTROLS) if one.id == check]
    plans = _plan.plan(wanted, chosen, "ff", (f"{n:032x}" for n in itertools.count()))
    (plan,) = plans
    done = {"reason": "Completed", "exit_code": 0}
    after = {
        pod.part: {
            "phase": phase,
            "reason": "",
            "terminated": {container.name: done for container in pod.containers} if plan.layout.completes else {},
        }
        for pod in plan.pods
    }
    stored = {pod.part: _pod.pod(COMMON, pod.part, "", pod.containers, pod.volumes, pod.options) for pod in plan.pods}
    return _verdict.Context(chosen, NODE, plan, after, _plan.variables(chosen, "ff"), stored)


def decide(check: str, answers: Answers, **rest: t.Any) -> _verdict.Decision:
    return _verdict.RULES[check](answers, context(check, **rest))


def shared(key: dict[str, t.Any] | None = None) -> Answers:
    """Two containers that met in a segment."""
    return {
        "who_first": seen("identity", ns_ipc=7),
        "who_second": seen("identity", ns_ipc=7),
        "create": seen("sysv_shm_create", "c1", attached=True, **(key or {})),
        "read": seen("sysv_shm_read", "c2", found=True, peer_nonce="c1", text=_catalog.SENTENCE, **(key or {})),
        "finish": seen("sysv_shm_finish", "c3", reply_nonce="c2", gone=True),
    }


FILE = {"ftok_dev": "8:1", "ftok_ino": 5, "ftok_key": "0x50080005"}
OTHER = {"ftok_dev": "8:1", "ftok_ino": 6, "ftok_key": "0x50080006"}


def shared_path() -> Answers:
    return shared(FILE)


def private_path() -> Answers:
    return {
        **shared(),
        "made": seen("ftok", **FILE),
        "absent": seen("ftok", calls=[failed("ftok", "ENOENT")]),
        "own_first": seen("ftok", **FILE),
        "own_second": seen("ftok", **OTHER),
    }


def posix() -> Answers:
    dev = {"path_dev": "0:44", "path_ino": 1}
    return {
        "write": seen(
            "posix_write",
            "w",
            reply_nonce="r",
            timed_out=False,
            left=0,
            posted_at_ns=10**9,
            wait_began_ns=10**9,
            wait_ended_ns=2 * 10**9,
            **dev,
        ),
        "read": seen(
            "posix_read",
            "r",
            # the writer had made the semaphores first
            calls=[failed("sem_open", "EEXIST")],
            peer_nonce="w",
            text=_catalog.SENTENCE,
            timed_out=False,
            wait_began_ns=1,
            wait_ended_ns=2 * 10**9,
            **dev,
        ),
    }


def size(who: str, size_bytes: int, **fill: t.Any) -> Answers:
    filled = {
        "stopped_by": "ENOSPC",
        "written_bytes": size_bytes,
        "available_bytes": size_bytes,
        "verified": True,
        **fill,
    }
    return {
        who: seen("identity", size_bytes=size_bytes, page_bytes=4096, mount_fs="tmpfs", exists=True),
        "fill": seen("fill", **filled),
    }


def default(size_bytes: int = 64 * MIB, **fill: t.Any) -> Answers:
    return size("who_first", size_bytes, **fill)


def memory(size_bytes: int = 104 * MIB, **fill: t.Any) -> Answers:
    return size("who_memory", size_bytes, **{"stopped_by": "max", "written_bytes": 72 * MIB, **fill})


def limited(size_bytes: int = 512 * MIB, **fill: t.Any) -> Answers:
    return size("who_limited", size_bytes, **fill)


def who(**containers: dict[str, t.Any]) -> Answers:
    """Identity of containers, by default all in one IPC namespace with one /dev/shm of 16 MiB."""
    same = {"ns_ipc": 7, "path_dev": "0:44", "path_ino": 1, "size_bytes": 16 * MIB, "page_bytes": 4096}
    same |= {"mount_fs": "tmpfs", "mount_options": "rw", "memory_usage_bytes": MIB}
    return {f"who_{name}": seen("identity", **{**same, **change}) for name, change in containers.items()}


def segment(found: bool = True) -> Answers:
    absent = seen("sysv_shm_read", "c2", calls=[failed("shmget", "ENOENT")], found=False)
    return {
        "create": seen("sysv_shm_create", "c1", attached=True),
        "read": seen("sysv_shm_read", "c2", found=True, peer_nonce="c1", text=_catalog.SENTENCE) if found else absent,
        "finish": seen("sysv_shm_finish", "c3", reply_nonce="c2", gone=True),
        "drop": seen("sysv_shm_drop", "c4", found=found, gone=True),
        "drop_segment": seen("sysv_shm_drop", "c4", found=found, gone=True),
    }


def posix_object(found: bool = True) -> Answers:
    absent = seen("object_get", "o2", calls=[failed("shm_open", "ENOENT")], found=False)
    return {
        "put": seen("object_put", "o1", made=True),
        "get": seen("object_get", "o2", found=True, peer_nonce="o1", text=_catalog.SENTENCE, writable=True)
        if found
        else absent,
        "drop": seen("object_drop", "o3", reply_nonce="o2", gone=True),
    }


def one_file_system() -> Answers:
    found = posix_object()
    return {
        **who(first={}, second={}, guest={}),
        "put": found["put"],
        "get_second": found["get"],
        "get_guest": found["get"],
        "drop": found["drop"],
    }


def message() -> Answers:
    return {
        **who(first={}, second={}),
        "create": seen("x_create", made=True),
        "send": seen("x_send", "m1", sent=True),
        "receive": seen("x_receive", "m2", found=True, peer_nonce="m1", text=_catalog.SENTENCE),
        "remove": seen("x_remove", gone=True),
    }


def semaphore() -> Answers:
    return {
        **who(first={}, second={}),
        "create": seen("sysv_sem_create", made=True),
        "wait": seen("sysv_sem_wait", found=True, woken=True, wait_began_ns=1000, wait_ended_ns=9000),
        "post": seen("sysv_sem_post", found=True, posted=True, posted_at_ns=5000),
        "remove": seen("sysv_sem_remove", gone=True),
    }


def one_sided(other: str) -> t.Callable[[], Answers]:
    return lambda: {
        **who(**{"first": {}, other: {"path_dev": "0:45"}}),
        **segment(),
        **posix_object(found=False),
        "add": seen("@ephemeral"),
    }


def isolated(part: t.Callable[[bool], Answers]) -> t.Callable[[], Answers]:
    return lambda: {**who(first={}, stranger={"ns_ipc": 8, "path_dev": "0:45"}), **part(False)}


def two_users() -> Answers:
    return who(first={"uid": 65532}, guest={"uid": 65533})


def unsafe() -> Answers:
    refused = seen("sysv_shm_create", calls=[failed("shmget", "EINVAL")], attached=False)
    return {"sysctls": seen("sysctls", kernel_shmmax=123 * MIB), "over": refused}


def users() -> Answers:
    return {
        **two_users(),
        **posix_object(),
        "put_masked": seen("object_put", made=True),
        "get_masked": seen("object_get", calls=[failed("shm_open", "EACCES")], found=True, writable=False),
    }


def protected() -> Answers:
    return {
        **two_users(),
        "policy": seen("protected", protected_regular=1),
        "put": seen("object_put", made=True),
        "get": seen("object_get", calls=[failed("shm_open", "EACCES")], writable=False, found=True, peer_nonce="aa"),
    }


def bare(size_bytes: int) -> t.Callable[[str], t.Callable[[], Answers]]:
    return lambda container: lambda: who(**{container: {"size_bytes": size_bytes}})


def charge() -> Answers:
    usage = {"memory_usage_bytes": 9 * MIB}
    return {
        **who(first={}, second={}),
        "put": seen("object_put", made=True),
        "writer": seen("identity", **usage),
        "get": seen("object_get", found=True),
        "reader": seen("identity", memory_usage_bytes=MIB),
    }


def steps(*containers: str, **answers: dict[str, t.Any]) -> t.Callable[[], Answers]:
    return lambda: {
        **who(**{name: {} for name in containers}),
        **{label: seen(label, **facts) for label, facts in answers.items()},
    }


def twice() -> Answers:
    same = who(kept={})["who_kept"]
    return {"before": same, "after": same, "restart": seen("@restart"), "resize": seen("@resize")}


def own_users(*parts: Answers) -> t.Callable[[], Answers]:
    whole = who(one={"ns_user": 9}, two={"ns_user": 9})
    for part in parts:
        whole |= {label: answer for label, answer in part.items() if not label.startswith("who_")}
    return lambda: whole


def mutex(apart: bool) -> t.Callable[[], Answers]:
    """Thread 300 holds; thread 300 of another PID namespace, or 301 of the same, tries."""
    names = ("first", "second") if apart else ("holder", "taker")
    result = (
        {"tid": 300, "result": "0", "granted": True} if apart else {"tid": 301, "result": "EBUSY", "granted": False}
    )
    return lambda: {
        **who(**{names[0]: {"ns_pid": 5}, names[1]: {"ns_pid": 6 if apart else 5}}),
        "hold": seen("mutex_hold", locked=True, tid=300),
        "try": seen("mutex_try", found=True, **result),
        "drop": seen("mutex_drop", gone=True),
    }


def after_kill() -> Answers:
    return {
        "up": seen("@up", restarts=0),
        "fits": seen("fill", stopped_by="max", written_bytes=26 * MIB),
        **posix_object(),
        "kill": seen("fill", stopped_by="signal:9", written_bytes=22 * MIB),
        "restart": seen("@restart", restarts=1),
        "again": seen("fill", stopped_by="signal:9", written_bytes=22 * MIB),
        "drop": seen("object_drop", gone=True),
    }


def node_views() -> Answers:
    found = posix_object()
    return {
        **who(ipc={"ns_ipc": 4026531839}, path={}, plain={}),
        "put": found["put"],
        "get_path": found["get"],
        "get_plain": posix_object(found=False)["get"],
        "drop": found["drop"],
    }


def sysctls(**changes: t.Any) -> t.Callable[[], Answers]:
    usual = {
        "kernel_shmmax": 18446744073692774399,
        "kernel_shmall": 18446744073692774399,
        "kernel_shmmni": 4096,
        "kernel_sem": "32000\t1024000000\t500\t32000",
        "kernel_msgmax": 8192,
        "kernel_msgmnb": 16384,
        "kernel_msgmni": 32000,
    }
    return lambda: {"sysctls": seen("sysctls", **{**usual, **changes})}


REFUSED = {"admitted": False, "refused_by": "PodSecurity", "detail": "violates"}


def admission(*refused: str) -> t.Callable[[], Answers]:
    names = ("volume", "relaxed", "ipc", "path", "sysctl")
    return lambda: {name: seen("@admit", **(REFUSED if name in refused else {"admitted": True})) for name in names}


def volume(after: int, problem: str = "", **fill: dict[str, t.Any]) -> t.Callable[[], Answers]:
    """A volume of 16 MiB that was resized in place."""
    before = who(kept={})["who_kept"]
    return lambda: {
        "before": before,
        "resize": seen("@resize_volume", resized=not problem, problem=problem),
        **{label: seen("fill", verified=True, **facts) for label, facts in fill.items()},
        "after": Observation("identity", "i", {**before.facts, "size_bytes": after}, (), None),
        "drop": seen("fill_drop"),
    }


GOOD: dict[str, tuple[t.Callable[[], Answers], str]] = {
    "SHM101": (shared_path, "Running"),
    "SHM102": (private_path, "Running"),
    "SHM201": (posix, "Succeeded"),
    "SHM103": (semaphore, "Running"),
    "SHM104": (message, "Running"),
    "SHM105": (lambda: who(first={}, second={}, guest={}, lonely={}, memory={}, limited={}), "Running"),
    "SHM106": (lambda: {**two_users(), **segment()}, "Running"),
    "SHM107": (segment, "Running"),
    "SHM108": (lambda: {**who(beside={}, main={}), **segment()}, "Running"),
    "SHM202": (one_file_system, "Running"),
    "SHM203": (message, "Running"),
    "SHM204": (one_sided("lonely"), "Running"),
    "SHM205": (posix_object, "Running"),
    "SHM206": (lambda: {**who(beside={}, main={}), **posix_object()}, "Running"),
    "SHM207": (lambda: {**segment(), **posix_object(), "restart": seen("@restart", restarts=1)}, "Running"),
    "SHM208": (one_sided("debug"), "Running"),
    "SHM209": (users, "Running"),
    "SHM210": (protected, "Running"),
    "SHM304": (bare(24 * GIB)("bare"), "Running"),
    "SHM305": (bare(32 * MIB)("clipped"), "Running"),
    "SHM306": (bare(32 * MIB)("zero"), "Running"),
    "SHM307": (lambda: who(disk={"mount_fs": "ext4"}), "Running"),
    "SHM308": (
        lambda: {
            **who(limited={}),
            "allocate": seen("fallocate", calls=[failed("fallocate", "ENOSPC")], allocated=False),
        },
        "Running",
    ),
    "SHM309": (steps("lonely", touch={"touched_bytes": 16 * MIB, "stopped_by": "signal:7"}), "Running"),
    "SHM310": (steps("tight", fill={"written_bytes": 20 * MIB, "stopped_by": "signal:9"}), "Running"),
    "SHM311": (charge, "Running"),
    "SHM313": (steps("first", flags={"writable": True, "exec_map": True, "dir_mode": "1777"}), "Running"),
    "SHM315": (
        lambda: {
            **who(readonly={}),
            "flags": seen("flags", calls=[failed("open", "EROFS")], writable=False),
        },
        "Running",
    ),
    "SHM316": (steps("lonely", beyond={"sysv_bytes": 17 * MIB, "memfd_bytes": 17 * MIB}), "Running"),
    "SHM401": (
        lambda: {
            **{f"who_{name}": size(name, 16 * MIB)[name] for name in ("kept", "fellow")},
            **posix_object(),
            "fill": size("", 16 * MIB)["fill"],
        },
        "Running",
    ),
    "SHM402": (lambda: {**twice(), **posix_object()}, "Running"),
    "SHM403": (lambda: {**twice(), **posix_object(), "restart": seen("@restart_kubelet", restarts=0)}, "Running"),
    "SHM404": (twice, "Running"),
    "SHM405": (
        volume(32 * MIB, fill={"written_bytes": 32 * MIB, "available_bytes": 32 * MIB, "stopped_by": "ENOSPC"}),
        "Running",
    ),
    "SHM406": (volume(8 * MIB), "Running"),
    "SHM407": (volume(16 * MIB, problem="no room", fill={"written_bytes": 7 * MIB}), "Running"),
    "SHM501": (isolated(segment), "Running"),
    "SHM502": (isolated(posix_object), "Running"),
    "SHM602": (steps(sysctls={"kernel_shm_rmid_forced": 1}, forced={"survived": False}), "Running"),
    "SHM603": (unsafe, "Running"),
    "SHM604": (steps(sysctls={}, limits={"shmget_over_shmmax": "EINVAL", "shmget_zero": "EINVAL"}), "Running"),
    "SHM605": (steps(sysctls={"hugepages_total": 0}, huge={"stopped_by": "ENOMEM"}), "Running"),
    "SHM606": (
        steps(sysctls={"rlimit_msgqueue": 819200}, budget={"queues": 9, "stopped_by": "EMFILE"}),
        "Running",
    ),
    "SHM109": (own_users(segment()), "Running"),
    "SHM211": (own_users(posix_object()), "Running"),
    "SHM212": (
        steps(
            "first",
            names={"glibc_made": True, "musl_found": False, "musl_made": True, "glibc_found": False},
        ),
        "Running",
    ),
    "SHM213": (mutex(apart=True), "Running"),
    "SHM214": (mutex(apart=False), "Running"),
    "SHM215": (own_users(message()), "Running"),
    "SHM312": (after_kill, "Running"),
    "SHM503": (node_views, "Running"),
    "SHM504": (node_views, "Running"),
    "SHM601": (sysctls(), "Running"),
    "SHM607": (admission(), "Running"),
    "SHM301": (default, "Running"),
    "SHM302": (memory, "Running"),
    "SHM303": (limited, "Running"),
}


def test_every_check_has_a_rule_and_a_good_world_here() -> None:
    controls = {check.id for check in _catalog.CONTROLS}
    assert set(_verdict.RULES) - controls == set(_catalog.BY_ID) == set(GOOD)


@pytest.mark.parametrize("check", GOOD)
def test_good_world_passes(check: str) -> None:
    answers, phase = GOOD[check]
    decision = decide(check, answers(), phase=phase)
    assert (decision.verdict, decision.observed != "") == ("PASS", True)


@pytest.mark.parametrize("check", GOOD)
def test_what_the_probe_did_not_tell_decides_nothing(check: str) -> None:
    answers, phase = GOOD[check]
    empty = {label: seen(answer.step, answer.nonce) for label, answer in answers().items()}
    if check == "SHM201":
        # each side tells that it began to wait, or it cannot
        assert decide(check, empty, phase=phase).verdict == "FAIL"
    else:
        with pytest.raises(Undecided):
            decide(check, empty, phase=phase)


def changed(answers: Answers, label: str, calls: t.Sequence[dict[str, t.Any]] = (), **facts: t.Any) -> Answers:
    """The answers with some facts of one step changed; a fact of value None is missing."""
    old = answers[label]
    merged = {name: value for name, value in {**old.facts, **facts}.items() if value is not None}
    return {**answers, label: Observation(old.step, old.nonce, merged, tuple(calls) or old.calls, None)}


NOT_FOUND = {"calls": [failed("shmget", "ENOENT")], "found": False, "peer_nonce": None, "text": None}


@pytest.mark.parametrize("check", ["SHM101", "SHM102"])
@pytest.mark.parametrize(
    ("label", "change", "words"),
    [
        ("read", NOT_FOUND, "does not find the segment .shmget: ENOENT"),
        ("read", {"peer_nonce": "of an earlier run"}, "something else"),
        ("read", {"text": "ends"}, "not the sentence"),
        ("finish", {"reply_nonce": ""}, "does not read the second's reply"),
        ("finish", {"gone": False}, "stays"),
        ("create", {"attached": False, "calls": [failed("shmget", "ENOSPC")]}, "cannot make a segment .shmget: ENOSPC"),
    ],
)
def test_sysv_fails(check: str, label: str, change: dict[str, t.Any], words: str) -> None:
    answers, phase = GOOD[check]
    decision = decide(check, changed(answers(), label, **change), phase=phase)
    assert decision.verdict == "FAIL"
    assert words.replace(".", "(", 1) in decision.observed or words in decision.observed


def test_sysv_names_both_namespaces() -> None:
    answers = changed(changed(shared_path(), "who_second", ns_ipc=8), "read", **NOT_FOUND)
    assert "IPC namespaces 7 and 8" in decide("SHM101", answers).observed


def test_a_foreign_segment_under_our_key_decides_nothing() -> None:
    answers = changed(shared_path(), "create", calls=[failed("shmget", "EEXIST")], attached=False)
    with pytest.raises(Undecided, match="foreign segment"):
        decide("SHM101", answers)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ftok_key": None, "calls": [failed("ftok", "ENOENT")]}, "does not see the ftok file"),
        ({"ftok_key": "0x1"}, "for one shared file"),
    ],
)
def test_shared_path_fails(change: dict[str, t.Any], words: str) -> None:
    decision = decide("SHM101", changed(shared_path(), "read", **change))
    assert decision.verdict == "FAIL"
    assert words in decision.observed


@pytest.mark.parametrize(
    ("label", "change", "verdict", "words"),
    [
        ("absent", FILE, "FAIL", "private volume"),
        ("absent", {"calls": [failed("ftok", "EACCES")]}, "FAIL", "otherwise than with ENOENT"),
        ("own_second", FILE, "FAIL", "same device and inode"),
        ("own_second", {**OTHER, "ftok_key": FILE["ftok_key"]}, "WARN", "by accident"),
    ],
)
def test_private_path(label: str, change: dict[str, t.Any], verdict: str, words: str) -> None:
    decision = decide("SHM102", changed(private_path(), label, **change))
    assert decision.verdict == verdict
    assert words in decision.observed


@pytest.mark.parametrize(
    ("label", "change", "words"),
    [
        ("read", {"peer_nonce": "x"}, "does not read the writer's nonce"),
        ("read", {"text": "x"}, "not the sentence"),
        ("write", {"reply_nonce": "x"}, "does not read the reader's reply"),
        ("write", {"timed_out": True}, "does not read the reader's reply"),
        ("write", {"left": 2}, "2 objects"),
        ("write", {"calls": [failed("shm_open", "ENOENT")], "wait_began_ns": None}, "the writer cannot use POSIX"),
        (
            "read",
            {"calls": [failed("sem_open", "EACCES")], "wait_began_ns": None},
            "cannot use POSIX shared memory (sem_open: EACCES",
        ),
        (
            "read",
            {"calls": [failed("shm_open", "ENOENT")], "peer_nonce": None},
            "nonce (shm_open: ENOENT; one /dev/shm)",
        ),
        ("read", {"timed_out": True, "path_dev": "0:45"}, "on devices 0:44 and 0:45"),
    ],
)
def test_posix_fails(label: str, change: dict[str, t.Any], words: str) -> None:
    decision = decide("SHM201", changed(posix(), label, **change), phase="Succeeded")
    assert decision.verdict == "FAIL"
    assert words in decision.observed


@pytest.mark.parametrize(
    "writer",
    [
        {"wait_ended_ns": None},
        # it began when the reader had nearly, or long, given up
        {"wait_began_ns": 2 * 10**9 - 1, "wait_ended_ns": 9 * 10**9},
        {"wait_began_ns": 3 * 10**9, "wait_ended_ns": 9 * 10**9},
        # and gave up before the reader began
        {"wait_began_ns": -9, "wait_ended_ns": -1},
    ],
)
def test_two_that_did_not_wait_at_one_time_decide_nothing(writer: dict[str, t.Any]) -> None:
    answers = changed(changed(posix(), "read", timed_out=True), "write", **writer)
    with pytest.raises(Undecided, match="started far apart") as caught:
        decide("SHM201", answers, phase="Succeeded")
    assert caught.value.reason == "Timeout"


def ended(**codes: int) -> _verdict.Context:
    """SHM201 with containers that ended so."""
    told = context("SHM201", phase="Failed" if any(codes.values()) else "Succeeded")
    terminated = {name: {"reason": "", "exit_code": code} for name, code in codes.items()}
    return dataclasses.replace(told, after={"complete": {**told.after["complete"], "terminated": terminated}})


def test_posix_needs_containers_that_ended_well() -> None:
    with pytest.raises(Undecided, match="pod is Failed"):
        _verdict.RULES["SHM201"](posix(), ended(writer=0, reader=2))
    with pytest.raises(Undecided, match="pod is Succeeded"):
        _verdict.RULES["SHM201"](posix(), ended(writer=0))
    # what somebody injected may end as it likes
    assert _verdict.RULES["SHM201"](posix(), ended(writer=0, reader=0, injected=1)).verdict == "PASS"


@pytest.mark.parametrize(
    ("answers", "settings", "verdict", "words"),
    [
        (default(1 * MIB), {}, "FAIL", "set by containerd://2.4.2 on node n"),
        (default(128 * MIB), {}, "FAIL", "134217728 bytes"),
        (default(128 * MIB), {"default_size_bytes": 128 * MIB}, "PASS", "ENOSPC after 134217728"),
        (default(stopped_by="max", written_bytes=65 * MIB), {}, "FAIL", "does not end there"),
        # exactly the size, since no more may be written: nothing is told of an end
        (default(stopped_by="max"), {"max_write_bytes": 64 * MIB}, "WARN", "the option max_write kept"),
        (default(written_bytes=MIB), {}, "FAIL", "but ENOSPC after 1048576"),
        (default(verified=False), {}, "FAIL", "read back"),
        (default(stopped_by="signal:9", written_bytes=7), {}, "FAIL", "killed by SIGKILL after 7 bytes"),
        (default(stopped_by="EIO"), {}, "FAIL", "by EIO"),
        (default(stopped_by="max", written_bytes=MIB), {"max_write_bytes": MIB}, "WARN", "max_write"),
        (changed(default(), "who_first", exists=False), {}, "FAIL", "no /dev/shm"),
    ],
)
def test_default_size(answers: Answers, settings: dict[str, t.Any], verdict: str, words: str) -> None:
    decision = decide("SHM301", answers, **settings)
    assert decision.verdict == verdict
    assert words in decision.observed


@pytest.mark.parametrize("check", ["SHM301", "SHM302", "SHM303"])
def test_a_size_that_was_not_filled_is_no_pass(check: str) -> None:
    answers, unused = GOOD[check]
    measured = answers()
    if check == "SHM302":
        measured = memory(32 * MIB)  # without fill the container asks for no memory to write
    del measured["fill"]
    decision = decide(check, measured, fill=False)
    assert decision.verdict == "WARN"
    assert "statvfs only" in decision.observed


@pytest.mark.parametrize("check", ["SHM301", "SHM302", "SHM303"])
def test_a_pod_that_did_not_survive_fails(check: str) -> None:
    answers, unused = GOOD[check]
    assert "the pod is Failed" in decide(check, answers(), phase="Failed").observed


@pytest.mark.parametrize(
    ("answers", "verdict", "words"),
    [
        (memory(24 * GIB), "FAIL", f"not {104 * MIB} (pod memory limit)"),
        (memory(64 * MIB), "FAIL", "not"),
        (memory(written_bytes=64 * MIB, stopped_by="ENOSPC"), "FAIL", "by ENOSPC"),
        (memory(written_bytes=MIB), "WARN", "max_write"),
        (memory(verified=False), "FAIL", "read back"),
    ],
)
def test_memory(answers: Answers, verdict: str, words: str) -> None:
    decision = decide("SHM302", answers)
    assert decision.verdict == verdict
    assert words in decision.observed


@pytest.mark.parametrize(("size_limit", "shown"), [(500_000_001, 500_002_816), (512 * MIB, 512 * MIB)])
def test_size_limit_is_rounded_up_to_pages(size_limit: int, shown: int) -> None:
    assert decide("SHM303", limited(shown), size_limit_bytes=size_limit).verdict == "PASS"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (limited(64 * MIB), "not 536870912"),
        (limited(24 * GIB), "not 536870912"),
        (limited(stopped_by="max", written_bytes=513 * MIB), "does not end there"),
        (limited(stopped_by="signal:9", written_bytes=1), "killed"),
    ],
)
def test_size_limit_fails(answers: Answers, words: str) -> None:
    decision = decide("SHM303", answers)
    assert decision.verdict == "FAIL"
    assert words in decision.observed


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        (["PASS", "PASS"], "PASS"),
        (["PASS", "SKIP"], "PASS"),
        (["PASS", "WARN"], "WARN"),
        (["ERROR", "WARN"], "ERROR"),
        (["ERROR", "FAIL", "PASS"], "FAIL"),
        (["SKIP"], "ERROR"),
        ([], "ERROR"),
    ],
)
def test_worst(verdicts: list[str], worst: str) -> None:
    assert _verdict.worst(verdicts) == worst


def changed_who(answers: Answers, container: str, **facts: t.Any) -> Answers:
    return changed(answers, f"who_{container}", **facts)


def good(check: str) -> Answers:
    return GOOD[check][0]()


NO_OBJECT = {"found": False, "calls": [failed("shm_open", "ENOENT")], "peer_nonce": None}
OPENED = {"writable": True, "found": True, "peer_nonce": "aa", "calls": [{"call": "shm_open", "result": 3}]}
FOUND_OBJECT = {"found": True, "peer_nonce": "o1", "text": _catalog.SENTENCE}


@pytest.mark.parametrize(
    ("check", "label", "change", "verdict", "words"),
    [
        ("SHM103", "wait", {"woken": False, "calls": [failed("semtimedop", "EAGAIN")]}, "FAIL", "not woken"),
        ("SHM103", "wait", {"found": False, "calls": [failed("semget", "ENOENT")]}, "FAIL", "does not find"),
        ("SHM103", "create", {"made": False, "calls": [failed("semget", "ENOSPC")]}, "FAIL", "ENOSPC"),
        ("SHM103", "remove", {"gone": False}, "FAIL", "stays"),
        ("SHM104", "receive", {"peer_nonce": "stale"}, "FAIL", "something else"),
        ("SHM104", "receive", {"found": False}, "FAIL", "does not find"),
        ("SHM104", "send", {"sent": False}, "FAIL", "cannot send"),
        ("SHM203", "create", {"made": False, "calls": [failed("mq_open", "ENOSYS")]}, "FAIL", "ENOSYS"),
        ("SHM203", "remove", {"gone": False}, "FAIL", "stays"),
        ("SHM105", "who_lonely", {"ns_ipc": 8}, "FAIL", "lonely 8"),
        ("SHM202", "get_guest", NO_OBJECT, "FAIL", "is not in guest"),
        ("SHM202", "get_second", {"peer_nonce": "of an earlier run"}, "FAIL", "is not in second"),
        ("SHM202", "who_guest", {"path_dev": "0:9"}, "PASS", "guest 0:9:1"),
        ("SHM106", "read", NOT_FOUND, "FAIL", "does not find"),
        ("SHM107", "read", NOT_FOUND, "FAIL", "the init container is gone"),
        ("SHM107", "read", {"peer_nonce": "x"}, "FAIL", "something else"),
        ("SHM205", "get", NO_OBJECT, "FAIL", "the init container is gone"),
        ("SHM206", "drop", {"reply_nonce": ""}, "FAIL", "reply"),
        ("SHM206", "drop", {"gone": False}, "FAIL", "stays"),
        ("SHM207", "read", NOT_FOUND, "FAIL", "before its restart"),
        ("SHM207", "get", NO_OBJECT, "FAIL", "before its restart"),
        ("SHM204", "get", FOUND_OBJECT, "FAIL", "finds the object"),
        ("SHM204", "read", NOT_FOUND, "FAIL", "does not find the segment"),
        ("SHM208", "get", FOUND_OBJECT, "FAIL", "finds the object"),
        ("SHM209", "get_masked", {"writable": True}, "FAIL", "does not keep"),
        ("SHM209", "get", NO_OBJECT, "FAIL", "does not find"),
        ("SHM210", "get", OPENED, "FAIL", "allowed"),
        ("SHM210", "policy", {"protected_regular": 0}, "FAIL", "EACCES"),
        ("SHM210", "policy", {"protected_regular": None}, "PASS", "unknown"),
        ("SHM304", "who_bare", {"size_bytes": 12 * GIB}, "FAIL", "node allocatable"),
        ("SHM304", "who_bare", {"mount_fs": "ext4"}, "FAIL", "not a tmpfs"),
        ("SHM305", "who_clipped", {"size_bytes": GIB}, "FAIL", "pod memory limit"),
        ("SHM306", "who_zero", {"size_bytes": 4096}, "FAIL", "pod memory limit"),
        ("SHM307", "who_disk", {"mount_fs": "tmpfs"}, "FAIL", "is tmpfs"),
        ("SHM308", "allocate", {"allocated": True}, "FAIL", "reserves more"),
        ("SHM308", "allocate", {"calls": [failed("fallocate", "EOPNOTSUPP")]}, "FAIL", "EOPNOTSUPP"),
        ("SHM202", "who_guest", {"exists": False}, "FAIL", "no /dev/shm in guest"),
        ("SHM313", "who_first", {"exists": False}, "FAIL", "no /dev/shm"),
        ("SHM301", "fill", {"calls": [failed("open", "EROFS")]}, "FAIL", "nothing can be written (open: EROFS)"),
        ("SHM301", "who_first", {"mount_fs": "ext4"}, "FAIL", "ext4, not a tmpfs"),
        ("SHM301", "fill", {"available_bytes": MIB, "written_bytes": MIB}, "FAIL", "only 1048576 of them are free"),
        ("SHM303", "fill", {"available_bytes": MIB, "written_bytes": MIB}, "FAIL", "only 1048576 of them are free"),
        ("SHM301", "fill", {"available_bytes": 67096576, "written_bytes": 67096576}, "WARN", "only 67096576 of them"),
        ("SHM309", "touch", {"stopped_by": "size"}, "FAIL", "size after"),
        ("SHM309", "touch", {"touched_bytes": MIB}, "FAIL", "1048576 of"),
        ("SHM310", "fill", {"stopped_by": "ENOSPC"}, "FAIL", "ENOSPC"),
        ("SHM310", "fill", {"written_bytes": 64 * MIB}, "FAIL", "67108864"),
        ("SHM311", "writer", {"memory_usage_bytes": MIB}, "FAIL", "writer +0"),
        ("SHM311", "reader", {"memory_usage_bytes": 9 * MIB}, "FAIL", "reader +8388608"),
        ("SHM311", "writer", {"memory_usage_bytes": None}, "SKIP", "cgroup"),
        ("SHM313", "flags", {"exec_map": False}, "FAIL", "noexec"),
        ("SHM313", "flags", {"writable": False}, "FAIL", "not writable"),
        ("SHM313", "flags", {"dir_mode": "0755"}, "FAIL", "mode 0755"),
        ("SHM315", "flags", {"writable": True}, "FAIL", "can be written"),
        ("SHM316", "beyond", {"memfd_bytes": MIB}, "FAIL", "memfd 1048576"),
        ("SHM401", "who_kept", {"size_bytes": 64 * MIB}, "FAIL", "not 16777216 (sizeLimit)"),
        ("SHM401", "who_fellow", {"size_bytes": 64 * MIB}, "FAIL", "not 16777216 (sizeLimit)"),
        ("SHM401", "who_fellow", {"mount_fs": "ext4"}, "FAIL", "not a tmpfs"),
        ("SHM401", "get", NO_OBJECT, "FAIL", "does not find the object"),
        ("SHM401", "fill", {"stopped_by": "max", "written_bytes": 17 * MIB}, "FAIL", "does not end there"),
        ("SHM402", "after", {"size_bytes": 8 * MIB}, "FAIL", "8388608 after"),
        ("SHM402", "after", {"path_dev": "0:9"}, "PASS", "the object is there"),
        ("SHM402", "get", NO_OBJECT, "FAIL", "is gone"),
        ("SHM403", "restart", {"restarts": 1}, "FAIL", "started the container anew"),
        ("SHM403", "get", NO_OBJECT, "FAIL", "is gone"),
        ("SHM403", "after", {"size_bytes": MIB}, "FAIL", "1048576 after"),
        ("SHM404", "after", {"size_bytes": 32 * MIB}, "FAIL", "33554432 after"),
        ("SHM501", "read", {"found": True, "peer_nonce": "c1"}, "FAIL", "finds the segment"),
        ("SHM501", "who_stranger", {"ns_ipc": 7}, "WARN", "one number of IPC namespace"),
        ("SHM502", "get", {"found": True, "peer_nonce": "o1"}, "FAIL", "finds the object"),
        ("SHM502", "who_stranger", {"path_dev": "0:44"}, "WARN", "device 0:44"),
        ("SHM602", "forced", {"survived": True}, "FAIL", "survives"),
        ("SHM602", "sysctls", {"kernel_shm_rmid_forced": 0}, "FAIL", "is 0"),
        ("SHM603", "over", {"attached": True}, "FAIL", "larger segment can be made"),
        ("SHM603", "over", {"calls": [failed("shmget", "ENOSPC")]}, "FAIL", "beyond it ENOSPC"),
        ("SHM603", "sysctls", {"kernel_shmmax": 1}, "FAIL", "is 1"),
        ("SHM604", "limits", {"shmget_zero": "ok"}, "FAIL", "shmget_zero ok"),
        ("SHM605", "huge", {"stopped_by": "signal:7"}, "WARN", "Bus error"),
        ("SHM606", "budget", {"queues": 0}, "WARN", "used up"),
        ("SHM606", "budget", {"queues": 0, "stopped_by": "ENOSPC"}, "FAIL", "0 queues, then ENOSPC"),
        ("SHM109", "who_one", {"ns_user": 4026531837}, "WARN", "hostUsers false has no effect"),
        ("SHM109", "read", NOT_FOUND, "FAIL", "user namespace 9"),
        ("SHM211", "get", NO_OBJECT, "FAIL", "does not find the object"),
        ("SHM215", "receive", {"found": False}, "FAIL", "does not find the queue"),
        ("SHM212", "names", {"musl_found": True}, "FAIL", "musl's finds glibc's"),
        ("SHM212", "names", {"glibc_found": True}, "FAIL", "glibc's finds musl's"),
        ("SHM213", "try", {"result": "EBUSY", "granted": False}, "FAIL", "EBUSY"),
        ("SHM213", "who_second", {"ns_pid": 5}, "FAIL", "though nobody asked"),
        ("SHM214", "try", {"result": "0", "granted": True}, "FAIL", "granted"),
        ("SHM312", "get", NO_OBJECT, "FAIL", "is gone"),
        ("SHM312", "again", {"stopped_by": "max"}, "FAIL", "no longer count"),
        ("SHM312", "again", {"stopped_by": "OOMKilled", "written_bytes": None}, "PASS", "OOMKilled"),
        ("SHM312", "kill", {"stopped_by": "OOMKilled", "written_bytes": None}, "PASS", "and count"),
        ("SHM310", "fill", {"stopped_by": "OOMKilled", "written_bytes": None}, "PASS", "the container was killed"),
        ("SHM303", "fill", {"stopped_by": "OOMKilled", "written_bytes": None}, "FAIL", "the container was killed"),
        ("SHM405", "after", {"size_bytes": 16 * MIB}, "FAIL", "though the kubelet says that it is done"),
        ("SHM405", "resize", {"resized": False, "problem": "remount"}, "FAIL", "after: remount"),
        ("SHM405", "fill", {"written_bytes": 16 * MIB}, "FAIL", "ENOSPC after 16777216"),
        ("SHM406", "after", {"size_bytes": 16 * MIB}, "FAIL", "not 8388608"),
        ("SHM407", "after", {"size_bytes": 4 * MIB}, "FAIL", "4194304 after"),
        ("SHM407", "resize", {"resized": True}, "FAIL", "16777216 after"),
        ("SHM407", "fill", {"written_bytes": MIB}, "SKIP", "not asked"),
        ("SHM503", "who_ipc", {"ns_ipc": 7}, "FAIL", "the namespace is an ordinary pod's"),
        ("SHM503", "who_plain", {"ns_ipc": 4026531839}, "WARN", "an ordinary pod is in the same namespace"),
        ("SHM503", "who_ipc", {"ns_ipc": 8}, "WARN", "only a node that is no container"),
        ("SHM503", "get_path", NO_OBJECT, "FAIL", "is not what hostPath shows"),
        ("SHM504", "get_path", NO_OBJECT, "FAIL", "is not the node's"),
        ("SHM504", "get_plain", FOUND_OBJECT, "FAIL", "an ordinary container has"),
        ("SHM504", "who_path", {"ns_ipc": 4026531839}, "FAIL", "that of its pod is 7"),
        ("SHM601", "sysctls", {"kernel_shmmni": 4095}, "FAIL", "kernel.shmmni 4095 < 4096 (oracle)"),
        ("SHM601", "sysctls", {"kernel_sem": "250 32000 32 128"}, "FAIL", "kernel.sem semopm 32 < 100 (oracle)"),
        ("SHM607", "volume", REFUSED, "FAIL", "volume: PodSecurity (violates)"),
        ("SHM607", "ipc", REFUSED, "WARN", "a policy of the cluster's own"),
    ],
)
def test_both_directions(check: str, label: str, change: dict[str, t.Any], verdict: str, words: str) -> None:
    decision = decide(check, changed(good(check), label, **change))
    assert decision.verdict == verdict, decision.observed
    assert words in decision.observed


def test_a_peer_that_began_to_wait_after_the_post_was_not_woken() -> None:
    with pytest.raises(Undecided, match="only after the post"):
        decide("SHM103", changed(semaphore(), "wait", wait_began_ns=6000))


@pytest.mark.parametrize(
    ("check", "label"),
    [
        ("SHM202", "put"),
        ("SHM503", "put"),
        ("SHM504", "put"),
        ("SHM204", "put"),
        ("SHM502", "put"),
        ("SHM501", "create"),
    ],
)
def test_absence_proves_nothing_if_nothing_was_made(check: str, label: str) -> None:
    nothing = {"made": False, "attached": False, "calls": [failed("open", "ENOSPC")]}
    with pytest.raises(Undecided):
        decide(check, changed(good(check), label, **nothing))


@pytest.mark.parametrize(
    ("refused", "level"),
    [((), "privileged"), (("ipc", "path", "sysctl"), "baseline"), (("relaxed", "ipc", "path", "sysctl"), "restricted")],
)
def test_the_level_of_pod_security(refused: tuple[str, ...], level: str) -> None:
    decision = decide("SHM607", admission(*refused)())
    assert (decision.verdict, decision.observed.endswith(f"as at level {level}")) == ("PASS", True)


@pytest.mark.parametrize(("check", "apart"), [("SHM213", True), ("SHM214", False)])
@pytest.mark.parametrize(
    ("label", "change", "words"),
    [("hold", {"locked": False}, "its own mutex"), ("try", {"found": False}, "does not find the mutex")],
)
def test_a_mutex_that_was_not_tried_decides_nothing(
    check: str, apart: bool, label: str, change: dict[str, t.Any], words: str
) -> None:
    with pytest.raises(Undecided, match=words):
        decide(check, changed(mutex(apart)(), label, **change))


def test_threads_of_unequal_ids_try_nothing() -> None:
    with pytest.raises(Undecided, match="unequal ids"):
        decide("SHM213", changed(mutex(apart=True)(), "try", tid=301))


@pytest.mark.parametrize(
    ("check", "label", "change", "words"),
    [
        # its wait returned at once, or the two containers have clocks of their own
        ("SHM103", "wait", {"wait_ended_ns": 1}, "woken before the post"),
        # under the run's own name, but not of this run
        ("SHM201", "write", {"text": None, "calls": [failed("shm_open", "EEXIST")]}, "foreign object"),
        ("SHM204", "get", {"found": True, "peer_nonce": "x"}, "foreign object"),
        ("SHM501", "read", {"found": True, "peer_nonce": "x"}, "foreign segment"),
        ("SHM502", "get", {"found": True}, "foreign object"),
        # nothing was tried
        ("SHM106", "who_guest", {"uid": 65532}, "both containers run as user 65532"),
        ("SHM209", "who_guest", {"uid": 65532}, "both containers run as user 65532"),
        ("SHM210", "who_guest", {"uid": 65532}, "both containers run as user 65532"),
        ("SHM210", "get", {**OPENED, "peer_nonce": "of another"}, "is not the first container's object"),
        ("SHM210", "get", {**OPENED, "found": False, "peer_nonce": None}, "is not the first container's object"),
        ("SHM605", "huge", {"stopped_by": "signal:31"}, "something else killed the child"),
        ("SHM406", "before", {"size_bytes": 8 * MIB}, "had that size already"),
        (
            "SHM210",
            "get",
            {"calls": [failed("shm_open", "EROFS")], "found": False},
            "cannot open anything with O_CREAT",
        ),
        ("SHM315", "flags", {"calls": [failed("open", "EACCES")]}, "not because the mount is read-only"),
        ("SHM402", "put", {"made": False, "calls": [failed("shm_open", "EROFS")]}, "nothing can be put into it"),
        ("SHM301", "who_first", {"calls": [failed("statx", "EPERM")], "exists": False}, "cannot look at files"),
        ("SHM202", "who_guest", {"calls": [failed("statx", "ENOSYS")], "exists": False}, "cannot look at files"),
        ("SHM206", "put", {"calls": [failed("statx", "EPERM")]}, "cannot look at files"),
        ("SHM101", "read", {"calls": [failed("ftok", "EPERM")], "ftok_key": None}, "cannot look at files"),
        ("SHM102", "absent", {"calls": [failed("ftok", "ENOSYS")]}, "cannot look at files"),
        ("SHM101", "read", {"calls": [failed("shmctl", "EPERM")]}, "may not be looked at"),
        ("SHM301", "who_first", {"size_bytes": 0, "fs_type": "0x00000000"}, "does not tell the truth"),
        ("SHM309", "who_lonely", {"size_bytes": 0}, "the volume has 0 bytes"),
        ("SHM316", "who_lonely", {"size_bytes": 0}, "the volume has 0 bytes"),
        ("SHM308", "allocate", {"calls": [failed("open", "EACCES")]}, "nothing can be written"),
        ("SHM309", "touch", {"calls": [failed("open", "EACCES")]}, "nothing can be written"),
        ("SHM501", "read", {"calls": [failed("shmget", "EPERM")]}, "the second pod cannot look"),
        ("SHM502", "get", {"calls": [failed("shm_open", "EACCES")]}, "cannot look for the object"),
        ("SHM310", "fill", {"calls": [failed("open", "EROFS")]}, "nothing can be written"),
        ("SHM312", "fits", {"calls": [failed("statfs", "ENOENT")]}, "nothing can be written"),
    ],
)
def test_a_world_in_which_nothing_can_be_told(check: str, label: str, change: dict[str, t.Any], words: str) -> None:
    with pytest.raises(Undecided, match=words) as caught:
        decide(check, changed(good(check), label, **change))
    assert caught.value.reason == "PremiseFailed"


@pytest.mark.parametrize(
    ("check", "label"),
    [
        ("SHM301", "fill"),
        ("SHM302", "fill"),
        ("SHM309", "touch"),
        ("SHM310", "fill"),
        ("SHM312", "again"),
        ("SHM316", "beyond"),
        ("SHM605", "huge"),
    ],
)
def test_what_a_deadline_cut_short_decides_nothing(check: str, label: str) -> None:
    answers = changed(good(check), label, timeout=10000, stopped_by="deadline")
    with pytest.raises(Undecided, match="was not done within step_timeout") as caught:
        decide(check, answers)
    assert caught.value.reason == "Timeout"


@pytest.mark.parametrize("check", ["SHM101", "SHM102", "SHM103", "SHM104", "SHM203"])
def test_permissions_of_two_users_decide_nothing_where_one_was_asked_for(check: str) -> None:
    answers = changed(changed(good(check), "who_first", uid=65532), "who_second", uid=1000)
    with pytest.raises(Undecided, match="run as users 1000 and 65532, though one was asked for"):
        decide(check, answers)


def test_the_stored_pod_tells_the_users_of_containers_that_do_not() -> None:
    told = context("SHM201", phase="Succeeded")
    pod = told.stored["complete"]
    reader = {**pod["spec"]["containers"][1], "securityContext": {"runAsUser": 1000}}
    stored = {"complete": {**pod, "spec": {**pod["spec"], "containers": [pod["spec"]["containers"][0], reader]}}}
    with pytest.raises(Undecided, match="run as users 1000 and 65532"):
        _verdict.RULES["SHM201"](posix(), dataclasses.replace(told, stored=stored))


def test_who_may_not_write_a_byte_fails() -> None:
    """The probe then has nothing to read back."""
    nothing = {"written_bytes": 0, "stopped_by": "EFBIG", "verified": None}
    for check in ("SHM301", "SHM302", "SHM303"):
        decision = decide(check, changed(good(check), "fill", **nothing))
        assert (decision.verdict, "after 0 bytes by EFBIG" in decision.observed) == ("FAIL", True)


@pytest.mark.parametrize("errno", ["EDQUOT", "EFBIG"])
def test_less_than_promised_is_less(errno: str) -> None:
    decision = decide("SHM302", changed(good("SHM302"), "fill", stopped_by=errno, written_bytes=70 * MIB))
    assert decision.verdict == "FAIL"


def test_a_memory_that_was_not_resized_shows_nothing_of_the_volume() -> None:
    def told(before: int, after: int) -> Answers:
        answers = changed(good("SHM404"), "before", memory_limit_bytes=before)
        return changed(answers, "after", memory_limit_bytes=after)

    with pytest.raises(Undecided, match="nothing was resized"):
        decide("SHM404", told(64 * MIB, 64 * MIB))
    assert decide("SHM404", told(64 * MIB, 80 * MIB)).verdict == "PASS"
    # that of the node
    assert decide("SHM404", told(GIB, GIB)).verdict == "PASS"


def test_a_cgroup_of_others_is_not_the_containers() -> None:
    answers = changed(good("SHM311"), "writer", memory_usage_bytes=GIB)
    assert decide("SHM311", answers).reason == "NotVisible"


def test_a_budget_that_no_queue_fits_into_is_not_used_up_by_others() -> None:
    answers = changed(changed(good("SHM606"), "budget", queues=0), "sysctls", rlimit_msgqueue=0)
    assert decide("SHM606", answers).verdict == "FAIL"


def test_what_admission_changed_of_a_pod_is_not_admitted_as_it_is() -> None:
    decision = decide("SHM607", changed(good("SHM607"), "volume", changed="volume kept: medium Memory -> none"))
    assert decision.verdict == "WARN"
    assert decision.observed.endswith("the cluster changed the pod: volume: volume kept: medium Memory -> none")


@pytest.mark.parametrize("check", ["SHM503", "SHM504"])
@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("host-ipc", {"hostIPC": False}, "took hostIPC"),
        ("host-path", {"volumes": [{"name": "host-shm", "emptyDir": {}}]}, "took the hostPath volume"),
        ("host-ipc", {"containers": [{"name": "ipc", "volumeMounts": [{"mountPath": "/dev/shm"}]}]}, "mounts a volume"),
    ],
)
def test_what_was_taken_of_one_pod_decides_on_neither(
    check: str, part: str, change: dict[str, t.Any], words: str
) -> None:
    told = context(check)
    pod = told.stored[part]
    stored = {**told.stored, part: {**pod, "spec": {**pod["spec"], **change}}}
    with pytest.raises(Undecided, match=words) as caught:
        _verdict.RULES[check](good(check), dataclasses.replace(told, stored=stored))
    assert caught.value.reason in _catalog.BY_ID[check].skips


@pytest.mark.parametrize(
    ("check", "label", "change"),
    [
        ("SHM602", "sysctls", {"kernel_shm_rmid_forced": None}),
        ("SHM603", "sysctls", {"kernel_shmmax": None}),
    ],
)
def test_a_sysctl_that_is_hidden(check: str, label: str, change: dict[str, t.Any]) -> None:
    with pytest.raises(Undecided) as caught:
        decide(check, changed(good(check), label, **change))
    assert caught.value.reason == "NotVisible"


def test_a_sysctl_that_is_neither_there_nor_heeded() -> None:
    hidden = changed(good("SHM602"), "sysctls", kernel_shm_rmid_forced=None)
    assert decide("SHM602", changed(hidden, "forced", survived=True)).verdict == "FAIL"
    hidden = changed(good("SHM603"), "sysctls", kernel_shmmax=None)
    assert decide("SHM603", changed(hidden, "over", attached=True)).verdict == "FAIL"


def test_a_size_limit_that_nothing_clips() -> None:
    """Since the containers may have more than it, by option or because an injected one has no limit."""
    clipped = changed(good("SHM305"), "who_clipped", size_bytes=GIB)
    assert decide("SHM305", clipped, memory_bytes=GIB).verdict == "WARN"
    assert decide("SHM305", good("SHM305"), memory_bytes=2 * GIB).verdict == "FAIL"


def test_what_stays_after_a_kill_counts_for_the_pod_alone() -> None:
    lived = changed(after_kill(), "again", stopped_by="max")
    assert decide("SHM312", lived).verdict == "FAIL"
    injected = context("SHM312")
    injected.stored["tight"]["spec"]["containers"].append({"name": "injected"})
    decision = _verdict.RULES["SHM312"](lived, injected)
    assert decision.verdict == "WARN"
    assert "the pod may have more" in decision.observed
    raised = with_limit("SHM312", "tight", "40Mi")
    assert _verdict.RULES["SHM312"](lived, raised).verdict == "WARN"
    # what it does count is told all the same
    assert _verdict.RULES["SHM312"](after_kill(), injected).verdict == "PASS"


def test_a_container_has_its_own_limit_beside_an_injected_one() -> None:
    injected = context("SHM310")
    injected.stored["tight"]["spec"]["containers"].append({"name": "injected"})
    assert _verdict.RULES["SHM310"](good("SHM310"), injected).verdict == "PASS"


def test_without_a_kill_nothing_is_told_of_what_stays_after_it() -> None:
    with pytest.raises(Undecided, match="see SHM310"):
        decide("SHM312", changed(after_kill(), "kill", stopped_by="ENOSPC"))


@pytest.mark.parametrize(
    ("check", "label", "change"),
    [("SHM307", "who_disk", {"mount_fs": "9p"}), ("SHM604", "limits", {"shmget_over_shmmax": None})],
)
def test_what_a_sandbox_hides(check: str, label: str, change: dict[str, t.Any]) -> None:
    with pytest.raises(Undecided) as caught:
        decide(check, changed(good(check), label, **change))
    assert caught.value.reason in _catalog.BY_ID[check].skips


def test_the_nodes_namespace_is_not_a_pods() -> None:
    leaked = {"ns_ipc": 4026531839}
    answers = changed_who(changed_who(node_views(), "plain", **leaked), "path", **leaked)
    assert decide("SHM504", answers).verdict == "FAIL"


def test_equal_numbers_of_every_sandbox_tell_nothing() -> None:
    with pytest.raises(Undecided, match="shows the number 7"):
        decide("SHM504", changed_who(node_views(), "ipc", ns_ipc=7))


def test_without_a_host_to_compare_with_nothing_is_told_of_its_path() -> None:
    answers = changed(changed_who(node_views(), "ipc", ns_ipc=7), "get_path", **NO_OBJECT)
    with pytest.raises(Undecided) as caught:
        decide("SHM504", answers)
    assert caught.value.reason in _catalog.BY_ID["SHM504"].skips


def test_what_does_not_even_fit_before_tells_nothing_of_what_stays() -> None:
    with pytest.raises(Undecided, match="do not fit"):
        decide("SHM312", changed(after_kill(), "fits", stopped_by="signal:9"))


@pytest.mark.parametrize(
    ("check", "label"), [("SHM205", "put"), ("SHM206", "put"), ("SHM207", "put"), ("SHM201", "write")]
)
def test_who_may_not_reserve_memory_tells_nothing_of_sharing(check: str, label: str) -> None:
    nothing = {"made": False, "wait_began_ns": None, "calls": [failed("fallocate", "EPERM")]}
    with pytest.raises(Undecided, match="cannot reserve memory"):
        decide(check, changed(good(check), label, **nothing), phase=GOOD[check][1])


def test_a_segment_without_bytes_is_a_lie() -> None:
    with pytest.raises(Undecided, match="does not tell the truth"):
        decide("SHM106", changed(good("SHM106"), "read", segment_bytes=0, peer_nonce=None))


def test_semaphores_that_nobody_can_make_do_not_miss_each_other() -> None:
    with pytest.raises(Undecided, match="cannot make"):
        decide("SHM212", changed(good("SHM212"), "names", glibc_made=False))


def test_a_profile_of_ones_own() -> None:
    settings = {"profiles": ("db2",), "minimums": {"kernel.msgmni": (32001,), "kernel.shmmni": (1,)}}
    decision = decide("SHM601", sysctls()(), **settings)
    assert decision.verdict == "FAIL"
    assert decision.observed == (
        "kernel.msgmax 8192 < 65536 (db2); kernel.msgmnb 16384 < 65536 (db2); kernel.msgmni 32000 < 32001 (minimum)"
    )
    assert decide("SHM601", sysctls()(), profiles=()).verdict == "PASS"


def test_a_sysctl_that_is_not_there_is_not_enough() -> None:
    with pytest.raises(Undecided) as caught:
        decide("SHM601", changed(sysctls()(), "sysctls", kernel_sem=None))
    assert caught.value.reason == "NotVisible"


CONTROL: Answers = {"same": seen("control_same", positive=True, negative=True)}


@pytest.mark.parametrize(
    ("check", "change", "verdict"),
    [
        ("SHM901", {}, "PASS"),
        ("SHM901", {"positive": False}, "FAIL"),
        ("SHM902", {}, "PASS"),
        ("SHM902", {"negative": False}, "FAIL"),
    ],
)
def test_controls(check: str, change: dict[str, t.Any], verdict: str) -> None:
    assert decide(check, changed(CONTROL, "same", **change)).verdict == verdict


def test_the_canary_notices_a_rule_that_passes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decide("SHM901", CONTROL).verdict == "PASS"
    world = context("SHM101")
    assert _verdict.RULES["SHM903"]({}, world).verdict == "PASS"
    monkeypatch.setattr(_verdict, "_meeting", lambda seen: None)
    assert _verdict.RULES["SHM903"]({}, world).verdict == "FAIL"


def test_the_canary_notices_a_reader_that_reads_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_verdict._protocol, "parse", lambda *args: seen("identity"))
    assert _verdict.RULES["SHM903"]({}, context("SHM101")).verdict == "FAIL"


def test_an_accepted_failure_is_a_warning_with_its_reason() -> None:
    settings = _plan.Settings(accept={"SHM313": "hardened on purpose"})
    failed_decision = _verdict.Decision("FAIL", "noexec")
    verdict, _reason, observed, _remedy = _verdict.accepted(failed_decision, _catalog.BY_ID["SHM313"], settings, "")
    assert (verdict, observed) == ("WARN", "noexec; accepted: hardened on purpose")
    assert _verdict.accepted(failed_decision, _catalog.BY_ID["SHM101"], settings, "")[0] == "FAIL"


def test_what_is_accepted_under_one_runtime_class_is_not_accepted_under_another() -> None:
    settings = _plan.Settings(accept={"SHM101@gvisor": "devices", "SHM102@gvisor": "there", "SHM102": "everywhere"})
    decision = _verdict.Decision("FAIL", "seen")

    def accepted(check: str, runtime_class: str) -> tuple[str, str]:
        verdict, _reason, observed, _remedy = _verdict.accepted(
            decision, _catalog.BY_ID[check], settings, runtime_class
        )
        return verdict, observed

    assert accepted("SHM101", "gvisor") == ("WARN", "seen; accepted: devices")
    assert accepted("SHM101", "") == ("FAIL", "seen")
    assert accepted("SHM102", "gvisor") == ("WARN", "seen; accepted: there")
    assert accepted("SHM102", "") == ("WARN", "seen; accepted: everywhere")


def test_a_writer_with_memory_enough_is_not_killed() -> None:
    decision = decide("SHM310", good("SHM310"), memory_bytes=128 * MIB)
    assert (decision.verdict, decision.reason) == ("SKIP", "NotAsked")
    assert decision.observed == "not asked: the container may have 134217728 bytes, of which 67108864 may be written"


def with_limit(check: str, part: str, memory: str) -> _verdict.Context:
    """The context of a check whose pod of one container the cluster gave another memory limit."""
    asked = context(check)
    (container,) = asked.stored[part]["spec"]["containers"]
    container["resources"]["limits"]["memory"] = memory
    return asked


def test_sizes_are_those_of_the_pod_that_was_stored() -> None:
    stored = with_limit("SHM302", "pair", "1Gi")
    assert _verdict.RULES["SHM302"](good("SHM302"), stored).verdict == "FAIL"
    assert _verdict.RULES["SHM302"](changed(good("SHM302"), "who_memory", size_bytes=GIB), stored).verdict == "PASS"


def test_a_limit_that_the_cluster_gives_closes_the_trap() -> None:
    stored = with_limit("SHM304", "undeclared", "64Mi")
    assert _verdict.RULES["SHM304"](good("SHM304"), stored).verdict == "FAIL"
    decision = _verdict.RULES["SHM304"](changed(good("SHM304"), "who_bare", size_bytes=64 * MIB), stored)
    assert (decision.verdict, decision.reason) == ("SKIP", "LimitRange")
    assert "64" in decision.observed


def test_without_the_limit_that_was_asked_for_nothing_is_told_of_who_is_killed() -> None:
    with pytest.raises(Undecided, match="without a memory limit"):
        _verdict.RULES["SHM310"](good("SHM310"), with_limit("SHM310", "tight", "0"))


@pytest.mark.parametrize("check", ["SHM309", "SHM316"])
def test_a_volume_that_is_larger_than_asked_decides_nothing(check: str) -> None:
    with pytest.raises(Undecided, match="see SHM303"):
        decide(check, changed(good(check), "who_lonely", size_bytes=64 * MIB))


def test_what_the_probe_refused_is_told() -> None:
    refused = Observation("sysv_shm_finish", "x", {}, (), "this session made none")
    with pytest.raises(Undecided, match="this session made none"):
        decide("SHM106", {**good("SHM106"), "finish": refused})
    # but not before what is plain: nothing was made in the first place
    none = changed({**good("SHM106"), "finish": refused}, "create", attached=False, calls=[failed("shmget", "EPERM")])
    assert decide("SHM106", none).verdict == "FAIL"
