# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _catalog, _plan, _verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Undecided

MIB = 1024 * 1024
GIB = 1024 * MIB
NODE = _plan.Node("n", "amd64", 24 * GIB, "pause", "Never", "containerd://2.4.2", "6.18", "v1.37.2")

Answers = dict[str, Observation]


def seen(step: str, nonce: str = "aa", calls: t.Sequence[dict[str, t.Any]] = (), **facts: t.Any) -> Observation:
    return Observation(step=step, nonce=nonce, facts=facts, calls=tuple(calls), error=None)


def failed(call: str, errno: str) -> dict[str, t.Any]:
    return {"call": call, "result": -1, "errno": errno}


def context(check: str, phase: str = "Running", **settings: t.Any) -> _verdict.Context:
    chosen = _plan.Settings(**settings)
    (pod,) = _plan.plan([_catalog.BY_ID[check]], chosen, "ff", (f"{n:032x}" for n in itertools.count()))
    done = {"reason": "Completed", "exit_code": 0}
    terminated = {container.name: done for container in pod.containers} if pod.completes else {}
    return _verdict.Context(chosen, NODE, pod, {"phase": phase, "reason": "", "terminated": terminated})


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
            "posix_write", "w", reply_nonce="r", timed_out=False, left=0, posted_at_ns=10**9, wait_began_ns=1, **dev
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


GOOD: dict[str, tuple[t.Callable[[], Answers], str]] = {
    "SHM101": (shared_path, "Running"),
    "SHM102": (private_path, "Running"),
    "SHM201": (posix, "Succeeded"),
    "SHM301": (default, "Running"),
    "SHM302": (memory, "Running"),
    "SHM303": (limited, "Running"),
}


def test_every_check_has_a_rule_and_a_good_world_here() -> None:
    assert set(_verdict.RULES) == set(_catalog.BY_ID) == set(GOOD)


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
        assert decide(check, empty, phase=phase).verdict == "FAIL"  # each side tells that it began to wait, or cannot
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
        ("read", {"peer_nonce": "of an earlier run"}, "another segment"),
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


@pytest.mark.parametrize("posted", [None, 2 * 10**9 - 1, 3 * 10**9])
def test_a_reader_that_gave_up_before_the_writer_posted_decides_nothing(posted: int | None) -> None:
    answers = changed(changed(posix(), "read", timed_out=True), "write", posted_at_ns=posted)
    with pytest.raises(Undecided, match="gave up before") as caught:
        decide("SHM201", answers, phase="Succeeded")
    assert caught.value.reason == "Timeout"


def test_posix_needs_a_pod_that_succeeded() -> None:
    with pytest.raises(Undecided, match="pod is Failed"):
        decide("SHM201", posix(), phase="Failed")


@pytest.mark.parametrize(
    ("answers", "settings", "verdict", "words"),
    [
        (default(1 * MIB), {}, "FAIL", "set by containerd://2.4.2 on node n"),
        (default(128 * MIB), {}, "FAIL", "134217728 bytes"),
        (default(128 * MIB), {"default_size_bytes": 128 * MIB}, "PASS", "ENOSPC after 134217728"),
        (default(stopped_by="max", written_bytes=65 * MIB), {}, "FAIL", "not by ENOSPC"),
        (default(written_bytes=MIB), {}, "FAIL", "but ENOSPC after 1048576"),
        (default(verified=False), {}, "FAIL", "read back"),
        (default(stopped_by="signal:9", written_bytes=7), {}, "FAIL", "killed by signal:9 after 7 bytes"),
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
        (limited(stopped_by="max", written_bytes=513 * MIB), "not by ENOSPC"),
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
