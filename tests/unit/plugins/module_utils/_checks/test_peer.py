# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import peer
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import SENTENCE, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import (
    Answers,
    Facts,
    World,
    answered,
    changed,
    changed_who,
    decide,
    failed,
    given,
    seen,
    unreported,
    who,
)

_TAKEN: Facts = {"found": True, "passed": True, "peer_nonce": "p1", "text": SENTENCE}


def handed(**take: object) -> Answers:
    """A memfd that crossed, and what else the taker saw."""
    return {
        "serve": seen("peer_serve", "p1", made=True, dumpable=1),
        "take": seen("peer_take", "p2", **{**_TAKEN, **take}),
        "drop": seen("peer_drop", "p3", reply_nonce="p2", gone=True),
    }


def by_socket() -> Answers:
    apart = [failed("connect", "ENOENT")]
    return {
        **who(first={"uid": 65532}, second={"uid": 65532}),
        "serve_apart": seen("peer_serve", "p0", made=True, dumpable=1),
        "take_apart": seen("peer_take", "p9", calls=apart, found=False),
        "drop_apart": seen("peer_drop", "p8", reply_nonce="", gone=True),
        **handed(),
    }


def by_process() -> Answers:
    return {
        **who(holder={"uid": 65532}, taker={"uid": 65532}),
        **handed(peer_pid=12, vm_nonce="p1", pidfd_nonce="p1", file_nonce="p1"),
    }


def apart() -> Answers:
    return {**who(first={"uid": 65532}, second={"uid": 65532}), **handed(peer_pid=0)}


def one_name() -> Answers:
    return {
        "put": seen("object_put", "o1", made=True),
        "put_second": seen("object_put", "o2", calls=[failed("shm_open", "EEXIST")], made=False),
        "put_apart": seen("object_put", "o3", made=True),
        "drop": seen("object_drop", "o4", reply_nonce="", gone=True),
        "drop_apart": seen("object_drop", "o5", reply_nonce="", gone=True),
    }


GOOD: dict[str, World] = {"SHM217": by_socket, "SHM218": by_process, "SHM219": apart, "SHM220": one_name}


def test_every_check_has_a_good_world() -> None:
    assert [check.id for check in peer.CHECKS] == list(GOOD)


@pytest.mark.parametrize("check", GOOD)
def test_good_world_passes(check: str) -> None:
    answers = GOOD[check]()
    assert answered(check, answers)
    decision = decide(check, answers)
    assert (decision.verdict, decision.observed != "") == (Verdict.PASS, True)


@pytest.mark.parametrize("check", GOOD)
def test_what_the_probe_did_not_report_decides_nothing(check: str) -> None:
    with pytest.raises(Inconclusive):
        decide(check, unreported(GOOD[check]()))


_NO_WAY: Facts = {"vm_nonce": None, "pidfd_nonce": None, "file_nonce": None}


@pytest.mark.parametrize(
    ("check", "label", "change", "verdict", "words"),
    [
        ("SHM217", "take_apart", {"found": True}, "FAIL", "own volume is found in the second, too"),
        ("SHM217", "take", {"found": False, "calls": [failed("connect", "ENOENT")]}, "FAIL", "connect: ENOENT"),
        ("SHM217", "take", {"passed": False}, "FAIL", "no descriptor comes"),
        ("SHM217", "take", {"peer_nonce": "xx"}, "FAIL", "reads something else from the memfd"),
        ("SHM217", "drop", {"reply_nonce": ""}, "FAIL", "does not read the second's reply"),
        ("SHM218", "take", {"peer_pid": 0}, "FAIL", "shareProcessNamespace has no effect"),
        ("SHM218", "take", _NO_WAY, "FAIL", "reads something else"),
        ("SHM219", "take", {"peer_pid": 12}, "FAIL", "nothing read its nonce"),
        ("SHM219", "take", {"peer_pid": 12, "vm_nonce": "p1"}, "FAIL", "process_vm_readv read its nonce"),
        ("SHM220", "put_second", {"made": True}, "FAIL", "no common /dev/shm"),
        ("SHM220", "put_apart", {"made": False, "calls": [failed("shm_open", "EEXIST")]}, "FAIL", "taken also"),
    ],
)
def test_both_directions(check: str, label: str, change: Facts, verdict: str, words: str) -> None:
    decision = decide(check, changed(GOOD[check](), label, **change))
    assert decision.verdict == verdict, decision.observed
    assert words in decision.observed
    assert decision.fix


@pytest.mark.parametrize(
    ("calls", "change", "words"),
    [
        # Yama refuses what attaches, and lets files be read
        (
            [failed("process_vm_readv", "EPERM"), failed("pidfd_getfd", "EPERM")],
            {"vm_nonce": None, "pidfd_nonce": None, "ptrace_scope": "1"},
            "pidfd_getfd (pidfd_getfd: EPERM); kernel.yama.ptrace_scope 1, the peer's dumpable 1; /proc/PID/fd read",
        ),
        (
            [failed("process_vm_readv_self", "EPERM"), failed("process_vm_readv", "EPERM")],
            {"vm_nonce": None},
            "process_vm_readv: EPERM, also of its own process: seccomp",
        ),
        ([failed("pidfd_open", "ENOSYS")], {"pidfd_nonce": None}, "pidfd_getfd (pidfd_open: ENOSYS); "),
        (
            [failed("open", "EACCES")],
            {"file_nonce": None},
            "/proc/PID/fd (open: EACCES); kernel.yama.ptrace_scope absent",
        ),
    ],
)
def test_what_refuses_is_named(calls: list[Facts], change: Facts, words: str) -> None:
    decision = decide("SHM218", changed(by_process(), "take", calls, **change))
    assert decision.verdict is Verdict.WARN
    assert words in decision.observed
    assert "UCX_TLS" in decision.fix


@pytest.mark.parametrize("check", ["SHM218", "SHM219"])
@pytest.mark.parametrize(
    ("label", "change", "words"),
    [
        ("serve", {"made": False}, "cannot serve a memfd"),
        ("take", {"found": False}, "does not meet"),
        ("take", {"passed": False}, "does not meet"),
        ("take", {"peer_nonce": "xx"}, "not the first container's process"),
    ],
)
def test_a_process_that_was_not_met_decides_nothing(check: str, label: str, change: Facts, words: str) -> None:
    with pytest.raises(Inconclusive, match=words) as caught:
        decide(check, changed(GOOD[check](), label, **change))
    assert caught.value.reason is Reason.PREMISE_FAILED


@pytest.mark.parametrize(("check", "container"), [("SHM217", "second"), ("SHM218", "taker"), ("SHM219", "second")])
def test_other_users_try_nothing(check: str, container: str) -> None:
    with pytest.raises(Inconclusive, match="user"):
        decide(check, changed_who(GOOD[check](), container, uid=65533))


@pytest.mark.parametrize("label", ["serve_apart", "serve"])
def test_a_memfd_that_is_not_served_decides_nothing(label: str) -> None:
    with pytest.raises(Inconclusive, match="cannot serve a memfd"):
        decide("SHM217", changed(by_socket(), label, made=False))


@pytest.mark.parametrize(
    ("label", "change", "words"),
    [
        ("put", {"made": False, "calls": [failed("shm_open", "EEXIST")]}, "a foreign object"),
        ("put", {"made": False, "calls": [failed("shm_open", "EACCES")]}, "first container cannot create"),
        ("put_second", {"calls": [failed("shm_open", "EACCES")]}, "second container cannot create"),
        # what was created, and could not be looked at
        ("put", {"made": False, "calls": [failed("statx", "EPERM")]}, "stat is denied to the probe"),
        ("put_second", {"calls": [failed("statx", "EPERM")]}, "stat is denied to the probe"),
        ("put_apart", {"made": False, "calls": [failed("statx", "EPERM")]}, "stat is denied to the probe"),
        ("put_apart", {"made": False, "calls": [failed("shm_open", "EROFS")]}, "volume of its own cannot create"),
    ],
)
def test_a_name_that_nobody_takes_decides_nothing(label: str, change: Facts, words: str) -> None:
    with pytest.raises(Inconclusive, match=words) as caught:
        decide("SHM220", changed(one_name(), label, **change))
    assert caught.value.reason is Reason.PREMISE_FAILED


def test_a_process_is_reached_for_where_a_rule_is_about_it() -> None:
    assert given(peer.CHECKS, "reach") == {"SHM218 take": 1, "SHM219 take": 1}
