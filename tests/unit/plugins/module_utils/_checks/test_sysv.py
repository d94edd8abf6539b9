# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import functools

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import sysv
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import SENTENCE, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import (
    FIRST_USER_NAMESPACE,
    NOT_FOUND,
    Answers,
    Facts,
    World,
    answered,
    changed,
    context,
    decide,
    failed,
    judge,
    message,
    own_users,
    seen,
    segment,
    two_users,
    unreported,
    who,
)

FILE: Facts = {"ftok_dev": "8:1", "ftok_ino": 5, "ftok_key": "0x50080005"}
OTHER: Facts = {"ftok_dev": "8:1", "ftok_ino": 6, "ftok_key": "0x50080006"}


def shared(key: Facts | None = None) -> Answers:
    """Two containers that met in a segment."""
    return {
        "who_first": seen("identity", ns_ipc=7),
        "who_second": seen("identity", ns_ipc=7),
        "create": seen("sysv_shm_create", "c1", attached=True, **(key or {})),
        "read": seen("sysv_shm_read", "c2", found=True, peer_nonce="c1", text=SENTENCE, **(key or {})),
        "finish": seen("sysv_shm_finish", "c3", reply_nonce="c2", gone=True),
    }


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


def semaphore() -> Answers:
    return {
        **who(first={}, second={}),
        "create": seen("sysv_sem_create", made=True),
        "wait": seen("sysv_sem_wait", found=True, woken=True, wait_began_ns=1000, wait_ended_ns=9000),
        "post": seen("sysv_sem_post", found=True, posted=True, posted_at_ns=5000),
        "remove": seen("sysv_sem_remove", gone=True),
    }


DENIED: Facts = {"found": True, "peer_nonce": None, "text": None, "calls": [failed("shmat", "EACCES")]}
ATTACHED: Facts = {"found": True, "peer_nonce": "c1", "text": SENTENCE}


def private_mode() -> Answers:
    return changed({**two_users(), **segment()}, "read", **DENIED)


def ipc_owner() -> Answers:
    """Root with the capability attaches the segment; root without it, and a user with it, do not."""
    denied = changed(segment(), "read", **DENIED)
    others: Facts = {"uid": 0}
    users = who(**{"owner": {"uid": 65532}, "root": others, "root-ipc-owner": others, "user-ipc-owner": {"uid": 65533}})
    return {**users, **denied, "read_user": denied["read"], "read_capability": segment()["read"]}


GOOD: dict[str, World] = {
    "SHM101": shared_path,
    "SHM102": private_path,
    "SHM103": semaphore,
    "SHM104": message,
    "SHM105": functools.partial(
        who, **{name: {} for name in ("first", "second", "guest", "one-sided", "unsized", "sized")}
    ),
    "SHM106": lambda: {**two_users(), **segment()},
    "SHM107": segment,
    "SHM108": lambda: {**who(beside={}, served={}), **segment()},
    "SHM109": own_users(segment()),
    "SHM110": private_mode,
    "SHM111": ipc_owner,
}


def test_every_check_has_a_good_world() -> None:
    assert [check.id for check in sysv.CHECKS] == list(GOOD)


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


@pytest.mark.parametrize("check", ["SHM101", "SHM102"])
@pytest.mark.parametrize(
    ("label", "change", "words"),
    [
        ("read", NOT_FOUND, "does not find the segment (shmget: ENOENT"),
        ("read", {"peer_nonce": "of an earlier run"}, "something else"),
        ("read", {"text": "ends"}, "not the sentence"),
        ("finish", {"reply_nonce": ""}, "does not read the second's reply"),
        ("finish", {"gone": False}, "stays"),
        (
            "create",
            {"attached": False, "calls": [failed("shmget", "ENOSPC")]},
            "cannot create a segment (shmget: ENOSPC",
        ),
    ],
)
def test_sysv_fails(check: str, label: str, change: Facts, words: str) -> None:
    decision = decide(check, changed(GOOD[check](), label, **change))
    assert decision.verdict is Verdict.FAIL
    assert words in decision.observed


def test_sysv_names_both_namespaces() -> None:
    answers = changed(changed(shared_path(), "who_second", ns_ipc=8), "read", **NOT_FOUND)
    assert "IPC namespaces 7 and 8" in decide("SHM101", answers).observed


def test_a_foreign_segment_under_our_key_decides_nothing() -> None:
    answers = changed(shared_path(), "create", calls=[failed("shmget", "EEXIST")], attached=False)
    with pytest.raises(Inconclusive, match="foreign segment") as caught:
        decide("SHM101", answers)
    assert caught.value.reason is Reason.PREMISE_FAILED


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ftok_key": None, "calls": [failed("ftok", "ENOENT")]}, "does not see the ftok file"),
        ({"ftok_key": "0x1"}, "for one shared file"),
    ],
)
def test_shared_path_fails(change: Facts, words: str) -> None:
    decision = decide("SHM101", changed(shared_path(), "read", **change))
    assert decision.verdict is Verdict.FAIL
    assert words in decision.observed


@pytest.mark.parametrize(
    ("label", "change", "verdict", "words"),
    [
        ("absent", FILE, "FAIL", "private volume"),
        ("absent", {"calls": [failed("ftok", "EACCES")]}, "FAIL", "does not fail with ENOENT"),
        ("own_second", FILE, "FAIL", "same device and inode"),
        ("own_second", {**OTHER, "ftok_key": FILE["ftok_key"]}, "WARN", "by accident"),
    ],
)
def test_private_path(label: str, change: Facts, verdict: str, words: str) -> None:
    decision = decide("SHM102", changed(private_path(), label, **change))
    assert decision.verdict == verdict
    assert words in decision.observed


@pytest.mark.parametrize(
    ("check", "label", "change", "verdict", "words"),
    [
        ("SHM103", "wait", {"woken": False, "calls": [failed("semtimedop", "EAGAIN")]}, "FAIL", "not woken"),
        ("SHM103", "wait", {"found": False, "calls": [failed("semget", "ENOENT")]}, "FAIL", "does not find"),
        ("SHM103", "create", {"made": False, "calls": [failed("semget", "ENOSPC")]}, "FAIL", "ENOSPC"),
        ("SHM103", "post", {"posted": False, "calls": [failed("semop", "EPERM")]}, "FAIL", "cannot post its own"),
        ("SHM103", "remove", {"gone": False}, "FAIL", "stays"),
        ("SHM104", "receive", {"peer_nonce": "stale"}, "FAIL", "something else"),
        ("SHM104", "receive", {"found": False}, "FAIL", "does not find"),
        ("SHM104", "send", {"sent": False}, "FAIL", "cannot send"),
        ("SHM105", "who_one-sided", {"ns_ipc": 8}, "FAIL", "one-sided 8"),
        ("SHM106", "read", NOT_FOUND, "FAIL", "does not find"),
        ("SHM107", "read", NOT_FOUND, "FAIL", "the init container is gone"),
        ("SHM107", "read", {"peer_nonce": "x"}, "FAIL", "something else"),
        ("SHM109", "who_one", {"ns_user": FIRST_USER_NAMESPACE}, "WARN", "hostUsers false has no effect"),
        ("SHM109", "read", NOT_FOUND, "FAIL", "user namespace 9"),
        ("SHM110", "read", ATTACHED, "FAIL", "another user attaches"),
        ("SHM111", "read", ATTACHED, "FAIL", "root without CAP_IPC_OWNER attaches"),
        ("SHM111", "read_user", ATTACHED, "FAIL", "a user other than root attaches"),
        ("SHM111", "read_capability", DENIED, "FAIL", "root with CAP_IPC_OWNER cannot attach"),
    ],
)
def test_both_directions(check: str, label: str, change: Facts, verdict: str, words: str) -> None:
    decision = decide(check, changed(GOOD[check](), label, **change))
    assert decision.verdict == verdict, decision.observed
    assert words in decision.observed
    assert bool(decision.fix) == (verdict != "PASS")


@pytest.mark.parametrize(
    ("times", "micros"),
    [
        ({}, 4),
        ({"wait_ended_ns": 5000}, 0),
        ({"wait_began_ns": 5000, "wait_ended_ns": 5000}, 0),
        ({"wait_ended_ns": 1_005_000}, 1000),
    ],
)
def test_a_peer_is_woken_at_the_post_or_later(times: Facts, micros: int) -> None:
    decision = decide("SHM103", changed(semaphore(), "wait", **times))
    assert decision.verdict is Verdict.PASS
    assert f"woken {micros} microseconds after the post" in decision.observed


def test_a_pass_names_the_keys() -> None:
    observed = decide("SHM101", shared_path()).observed
    assert observed == "both nonces and the sentence crossed under key 0x50080005; the segment is gone"
    observed = decide("SHM102", private_path()).observed
    assert "own files give 0x50080005 and 0x50080006 since the inode differs" in observed
    observed = decide("SHM102", changed(private_path(), "own_second", ftok_dev="8:2")).observed
    assert "since the device differs" in observed


def test_a_failure_names_both_keys() -> None:
    observed = decide("SHM101", changed(shared_path(), "read", ftok_key="0x50080009")).observed
    assert observed == "ftok gives 0x50080005 and 0x50080009 for one shared file"


def test_a_peer_that_began_to_wait_after_the_post_was_not_woken() -> None:
    with pytest.raises(Inconclusive, match="only after the post") as caught:
        decide("SHM103", changed(semaphore(), "wait", wait_began_ns=6000))
    assert caught.value.reason is Reason.PREMISE_FAILED


@pytest.mark.parametrize(
    ("check", "label", "change", "words"),
    [
        # its wait returned at once, or the two containers have clocks of their own
        ("SHM103", "wait", {"wait_ended_ns": 1}, "woken before the post"),
        ("SHM103", "wait", {"wait_ended_ns": 4999}, "woken before the post"),
        # nothing was tried
        ("SHM106", "who_guest", {"uid": 65532}, "both containers run as user 65532"),
        ("SHM110", "who_guest", {"uid": 65532}, "both containers run as user 65532"),
        ("SHM110", "create", {"attached": False, "calls": [failed("shmget", "ENOSPC")]}, "cannot create a segment"),
        ("SHM110", "create", {"attached": False, "calls": [failed("shmget", "EEXIST")]}, "foreign segment"),
        ("SHM110", "read", NOT_FOUND, "is not refused for its mode"),
        ("SHM110", "read", {"calls": [failed("shmat", "ENOMEM")]}, "is not refused for its mode"),
        ("SHM111", "create", {"attached": False, "calls": [failed("shmget", "ENOSPC")]}, "cannot create a segment"),
        ("SHM111", "create", {"attached": False, "calls": [failed("shmget", "EEXIST")]}, "foreign segment"),
        ("SHM111", "read", NOT_FOUND, "is not refused for its mode"),
        ("SHM111", "who_root", {"uid": 65532}, "both containers run as user 65532"),
        ("SHM111", "who_user-ipc-owner", {"uid": 65532}, "both containers run as user 65532"),
        ("SHM111", "who_root-ipc-owner", {"uid": 65532}, "both containers run as user 65532"),
        ("SHM111", "read_user", NOT_FOUND, "is not refused for its mode"),
        ("SHM111", "read_capability", NOT_FOUND, "does not find the segment"),
        ("SHM111", "read_capability", {**DENIED, "calls": [failed("shmat", "ENOMEM")]}, "shmat: ENOMEM"),
        ("SHM111", "read_capability", {**DENIED, "found": False}, "does not find the segment"),
        ("SHM101", "read", {"calls": [failed("ftok", "EPERM")], "ftok_key": None}, "stat is denied to the probe"),
        ("SHM102", "absent", {"calls": [failed("ftok", "ENOSYS")]}, "stat is denied to the probe"),
        ("SHM101", "read", {"calls": [failed("shmctl", "EPERM")]}, "its state is denied to the probe"),
        ("SHM106", "read", {"segment_bytes": 0, "peer_nonce": None}, "its answers are wrong"),
        ("SHM104", "create", {"made": False, "calls": [failed("msgget", "EMFILE")]}, "RLIMIT_MSGQUEUE"),
        ("SHM104", "create", {"made": False, "calls": [failed("msgget", "EEXIST")]}, "foreign queue"),
    ],
)
def test_a_world_that_decides_nothing(check: str, label: str, change: Facts, words: str) -> None:
    with pytest.raises(Inconclusive, match=words) as caught:
        decide(check, changed(GOOD[check](), label, **change))
    assert caught.value.reason is Reason.PREMISE_FAILED


@pytest.mark.parametrize(
    ("check", "label"), [("SHM101", "create"), ("SHM102", "made"), ("SHM102", "own_first"), ("SHM102", "own_second")]
)
def test_a_file_that_could_not_be_created_decides_nothing(check: str, label: str) -> None:
    gone: Facts = {"ftok_dev": None, "ftok_ino": None, "ftok_key": None, "calls": [failed("open", "ENOSPC")]}
    with pytest.raises(Inconclusive, match="could not be created") as caught:
        decide(check, changed(GOOD[check](), label, **gone))
    assert caught.value.reason is Reason.PROBE_ERROR


@pytest.mark.parametrize("check", ["SHM101", "SHM102", "SHM103", "SHM104", "SHM108", "SHM109"])
def test_permissions_of_two_users_decide_nothing_where_one_was_requested(check: str) -> None:
    answers = GOOD[check]()
    one, other = [label for label in answers if label.startswith("who_")]
    answers = changed(changed(answers, one, uid=65532), other, uid=1000)
    with pytest.raises(Inconclusive, match="run as users 1000 and 65532, though one was requested"):
        decide(check, answers)


def test_what_the_probe_refused_is_reported() -> None:
    refused = dataclasses.replace(seen("sysv_shm_finish"), error="this session made none")
    with pytest.raises(Inconclusive, match="this session made none"):
        decide("SHM106", {**GOOD["SHM106"](), "finish": refused})
    # but not before what is plain: nothing was created in the first place
    none = {**GOOD["SHM106"](), "finish": refused}
    none = changed(none, "create", attached=False, calls=[failed("shmget", "EPERM")])
    assert decide("SHM106", none).verdict is Verdict.FAIL


def test_a_kubelet_that_is_too_old_for_user_namespaces_decides_nothing() -> None:
    answers = changed(GOOD["SHM109"](), "who_one", ns_user=FIRST_USER_NAMESPACE)
    usual = context("SHM109")
    old = dataclasses.replace(usual, node=dataclasses.replace(usual.node, kubelet="v1.32.1"))
    with pytest.raises(Inconclusive, match=r"the kubelet v1\.32\.1 leaves the pod") as caught:
        judge("SHM109", answers, old)
    assert caught.value.reason is Reason.FEATURE_GATE_OFF
    # with the gate on, it gives one
    assert judge("SHM109", GOOD["SHM109"](), old).verdict == "PASS"


def test_an_answer_that_is_missing_is_a_bug() -> None:
    answers = GOOD["SHM108"]()
    del answers["finish"]
    with pytest.raises(Inconclusive, match="no answer to the step finish") as caught:
        decide("SHM108", answers)
    assert caught.value.reason is Reason.INTERNAL
