# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import posix
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import SENTENCE, Context, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import POLICIES, Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import (
    FIRST_USER_NAMESPACE,
    FOUND_OBJECT,
    MIB,
    NO_OBJECT,
    NOT_FOUND,
    Answers,
    Facts,
    World,
    answered,
    changed,
    context,
    decide,
    failed,
    given,
    judge,
    message,
    own_users,
    posix_object,
    seen,
    segment,
    steps,
    two_users,
    unreported,
    who,
    with_pod,
    with_spec,
)

OPENED: Facts = {"writable": True, "found": True, "peer_nonce": "aa", "calls": [{"call": "shm_open", "result": 3}]}


def handed_over() -> Answers:
    """A writer and a reader that end."""
    dev: Facts = {"path_dev": "0:44", "path_ino": 1}
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
            # the writer had created the semaphores first
            calls=[failed("sem_open", "EEXIST")],
            peer_nonce="w",
            text=SENTENCE,
            timed_out=False,
            wait_began_ns=1,
            wait_ended_ns=2 * 10**9,
            **dev,
        ),
    }


def one_file_system() -> Answers:
    found = posix_object()
    return {
        **who(first={}, second={}),
        "put": found["put"],
        "get_second": found["get"],
        "drop": found["drop"],
    }


def one_sided(one: str, other: str) -> World:
    return lambda: {
        **who(**{one: {}, other: {"path_dev": "0:45"}}),
        **segment(),
        **posix_object(found=False),
        "add": seen("@ephemeral"),
    }


def users() -> Answers:
    return {
        **two_users(),
        **posix_object(),
        "put_masked": seen("object_put", made=True),
        "get_masked": seen("object_get", calls=[failed("shm_open", "EACCES")], found=True, writable=False),
        "drop_masked": seen("object_drop", gone=True),
    }


def protected() -> Answers:
    return {
        **two_users(),
        "policy": seen("protected", protected_regular=1),
        "put": seen("object_put", made=True),
        "get": seen("object_get", calls=[failed("shm_open", "EACCES")], writable=False, found=True, peer_nonce="aa"),
        "drop": seen("object_drop", gone=True),
    }


PAGES: t.Final[Facts] = {"mount_fs": "hugetlbfs", "block_bytes": 2 * MIB, "uid": 65532}

GOOD: dict[str, World] = {
    "SHM201": handed_over,
    "SHM202": one_file_system,
    "SHM203": message,
    "SHM204": one_sided("first", "one-sided"),
    "SHM205": posix_object,
    "SHM206": lambda: {**who(beside={}, served={}), **posix_object()},
    "SHM207": lambda: {**segment(), **posix_object(), "restart": seen("@restart", restarts=1)},
    "SHM208": one_sided("resized", "debug"),
    "SHM209": users,
    "SHM210": protected,
    "SHM211": own_users(posix_object()),
    "SHM212": steps("first", names={"glibc_made": True, "musl_found": False, "musl_made": True, "glibc_found": False}),
    "SHM215": own_users(message()),
    "SHM216": lambda: {**who(resized={}, application={}), **segment(), **posix_object(), "add": seen("@ephemeral")},
    "SHM221": lambda: {**who(**{"huge": PAGES, "huge-peer": PAGES}), **posix_object()},
}


def test_every_check_has_a_good_world() -> None:
    assert [check.id for check in posix.CHECKS] == list(GOOD)


@pytest.mark.parametrize("check", GOOD)
def test_good_world_passes(check: str) -> None:
    answers = GOOD[check]()
    assert answered(check, answers)
    decision = decide(check, answers)
    assert (decision.verdict, decision.observed != "") == (Verdict.PASS, True)


@pytest.mark.parametrize("check", GOOD)
def test_what_the_probe_did_not_report_decides_nothing(check: str) -> None:
    empty = unreported(GOOD[check]())
    if check == "SHM201":
        # each side reports that it began to wait, or it cannot use the mechanism
        assert decide(check, empty).verdict is Verdict.FAIL
    else:
        with pytest.raises(Inconclusive):
            decide(check, empty)


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
def test_handing_over_fails(label: str, change: Facts, words: str) -> None:
    decision = decide("SHM201", changed(handed_over(), label, **change))
    assert decision.verdict is Verdict.FAIL
    assert words in decision.observed


@pytest.mark.parametrize(
    ("errno", "words"), [("EPERM", "seccomp"), ("ENOSYS", "seccomp"), ("ENOSPC", "enlarge"), ("EACCES", "allow writes")]
)
def test_who_cannot_use_posix_memory_alone_gets_the_fix_for_that(errno: str, words: str) -> None:
    alone = changed(handed_over(), "write", calls=[failed("shm_open", errno)], wait_began_ns=None)
    assert words in decide("SHM201", alone).fix


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
def test_two_that_did_not_wait_at_the_same_time_decide_nothing(writer: dict[str, t.Any]) -> None:
    answers = changed(changed(handed_over(), "read", timed_out=True), "write", **writer)
    with pytest.raises(Inconclusive, match="started far apart") as caught:
        decide("SHM201", answers)
    assert caught.value.reason is Reason.TIMEOUT


@pytest.mark.parametrize(("wait", "verdict"), [(500_000_000, "FAIL"), (499_999_999, "")])
def test_half_a_second_beside_a_post_is_long_enough(wait: int, verdict: str) -> None:
    answers = changed(handed_over(), "read", timed_out=True, wait_ended_ns=10**9 + wait)
    if verdict:
        assert decide("SHM201", answers).verdict == verdict
    else:
        with pytest.raises(Inconclusive, match="started far apart"):
            decide("SHM201", answers)


def ended(**codes: int) -> Context:
    """SHM201 with containers that ended so."""
    known = context("SHM201", phase="Failed" if any(codes.values()) else "Succeeded")
    return with_pod(known, "complete", exit_codes=codes)


def test_handing_over_needs_containers_that_ended_well() -> None:
    with pytest.raises(Inconclusive, match="pod is Failed") as caught:
        judge("SHM201", handed_over(), ended(writer=0, reader=2))
    assert caught.value.reason is Reason.POD_FAILED
    with pytest.raises(Inconclusive, match="pod is Succeeded"):
        judge("SHM201", handed_over(), ended(writer=0))
    # an injected container may end as it likes
    assert judge("SHM201", handed_over(), ended(writer=0, reader=0, injected=1)).verdict is Verdict.PASS


def test_a_pod_that_nobody_saw_afterwards_decides_nothing() -> None:
    with pytest.raises(Inconclusive) as caught:
        judge("SHM201", handed_over(), with_pod(context("SHM201"), "complete", phase=None))
    assert caught.value.reason is Reason.POD_GONE


def test_the_stored_pod_names_the_users_of_containers_that_do_not() -> None:
    known = context("SHM201")
    writer, reader = known.pods["complete"].spec["containers"]
    other = {**reader, "securityContext": {"runAsUser": 1000}}
    with pytest.raises(Inconclusive, match="run as users 1000 and 65532"):
        judge("SHM201", handed_over(), with_spec(known, "complete", containers=[writer, other]))


@pytest.mark.parametrize(
    ("check", "label", "change", "verdict", "words"),
    [
        ("SHM202", "get_second", NO_OBJECT, "FAIL", "is not in the second"),
        ("SHM202", "get_second", {"peer_nonce": "of an earlier run"}, "FAIL", "is not in the second"),
        ("SHM202", "who_second", {"path_dev": "0:9"}, "PASS", "second 0:9:1"),
        ("SHM202", "who_second", {"exists": False}, "FAIL", "no /dev/shm in second"),
        ("SHM203", "create", {"made": False, "calls": [failed("mq_open", "ENOSYS")]}, "FAIL", "ENOSYS"),
        ("SHM203", "remove", {"gone": False}, "FAIL", "stays"),
        ("SHM204", "get", FOUND_OBJECT, "FAIL", "finds the object"),
        ("SHM204", "read", NOT_FOUND, "FAIL", "does not find the segment"),
        ("SHM205", "get", NO_OBJECT, "FAIL", "the init container is gone"),
        (
            "SHM205",
            "put",
            {"made": False, "calls": [failed("open", "ENOSPC")]},
            "FAIL",
            "the init container cannot create",
        ),
        (
            "SHM206",
            "put",
            {"made": False, "calls": [failed("open", "ENOSPC")]},
            "FAIL",
            "the first container cannot create",
        ),
        ("SHM206", "get", {"peer_nonce": "x"}, "FAIL", "something else"),
        ("SHM206", "drop", {"reply_nonce": ""}, "FAIL", "reply"),
        ("SHM206", "drop", {"gone": False}, "FAIL", "stays"),
        (
            "SHM207",
            "create",
            {"attached": False, "calls": [failed("shmget", "ENOSPC")]},
            "FAIL",
            "cannot create a segment",
        ),
        ("SHM207", "read", NOT_FOUND, "FAIL", "before its restart"),
        ("SHM207", "get", NO_OBJECT, "FAIL", "before its restart"),
        ("SHM208", "get", FOUND_OBJECT, "FAIL", "finds the object"),
        ("SHM208", "read", NOT_FOUND, "FAIL", "does not find the segment"),
        ("SHM209", "get_masked", {"writable": True}, "FAIL", "does not keep"),
        ("SHM209", "get", NO_OBJECT, "FAIL", "does not find"),
        ("SHM210", "get", OPENED, "FAIL", "allowed"),
        ("SHM210", "policy", {"protected_regular": 0}, "FAIL", "EACCES"),
        ("SHM210", "policy", {"protected_regular": None}, "PASS", "unknown"),
        ("SHM211", "get", NO_OBJECT, "FAIL", "does not find the object"),
        ("SHM211", "who_one", {"ns_user": FIRST_USER_NAMESPACE}, "WARN", "hostUsers false has no effect"),
        ("SHM212", "names", {"musl_found": True}, "FAIL", "musl's finds glibc's"),
        ("SHM212", "names", {"glibc_found": True}, "FAIL", "glibc's finds musl's"),
        ("SHM215", "receive", {"found": False}, "FAIL", "does not find the queue"),
        ("SHM216", "get", NO_OBJECT, "FAIL", "does not find the object"),
        ("SHM216", "read", NOT_FOUND, "FAIL", "does not find the segment"),
        ("SHM215", "who_one", {"ns_user": FIRST_USER_NAMESPACE}, "WARN", "hostUsers false has no effect"),
    ],
)
def test_both_directions(check: str, label: str, change: Facts, verdict: str, words: str) -> None:
    decision = decide(check, changed(GOOD[check](), label, **change))
    assert decision.verdict == verdict, decision.observed
    assert words in decision.observed
    assert bool(decision.fix) == (verdict != "PASS")


@pytest.mark.parametrize(
    ("check", "label", "change", "words"),
    [
        # a fix for what is wrong, and for nothing else
        ("SHM204", "read", NOT_FOUND, "one IPC namespace per pod"),
        ("SHM204", "get", FOUND_OBJECT, "find what mounts one /dev/shm"),
        ("SHM207", "read", NOT_FOUND, "kernel.shm_rmid_forced"),
        ("SHM207", "get", NO_OBJECT, "emptyDir of medium Memory"),
        ("SHM208", "get", FOUND_OBJECT, "in ephemeral containers"),
        ("SHM209", "get", NO_OBJECT, "mount one emptyDir"),
        ("SHM209", "get", {**NO_OBJECT, "calls": [failed("shm_open", "EACCES")]}, "one runAsUser"),
        ("SHM210", "get", OPENED, "do not rely on fs.protected_regular"),
        ("SHM210", "policy", {"protected_regular": 0}, "without O_CREAT"),
    ],
)
def test_the_fix_is_of_the_branch(check: str, label: str, change: Facts, words: str) -> None:
    assert words in decide(check, changed(GOOD[check](), label, **change)).fix


@pytest.mark.parametrize(("mode", "words"), [("1777", ""), ("0777", "has no sticky bit"), (None, "")])
def test_without_the_sticky_bit_nothing_is_protected(mode: str | None, words: str) -> None:
    decision = decide("SHM210", changed(changed(protected(), "policy", path_mode=mode), "get", **OPENED))
    assert decision.verdict is Verdict.FAIL
    assert ("sticky" in decision.observed, "sticky" in decision.fix) == (bool(words), bool(words))
    assert words in decision.observed


def test_absence_proves_nothing_if_nothing_was_created() -> None:
    nothing: Facts = {"made": False, "calls": [failed("open", "ENOSPC")]}
    for check in ("SHM202", "SHM204", "SHM209", "SHM210"):
        label = "put_masked" if check == "SHM209" else "put"
        with pytest.raises(Inconclusive) as caught:
            decide(check, changed(GOOD[check](), label, **nothing))
        assert caught.value.reason is Reason.PREMISE_FAILED


@pytest.mark.parametrize(
    ("check", "label", "change", "words"),
    [
        # under the run's own name, but not of this run
        ("SHM201", "write", {"text": None, "calls": [failed("shm_open", "EEXIST")]}, "foreign object"),
        ("SHM204", "get", {"found": True, "peer_nonce": "x"}, "foreign object"),
        # nothing was tried
        ("SHM209", "who_guest", {"uid": 65532}, "both containers run as user 65532"),
        ("SHM210", "who_guest", {"uid": 65532}, "both containers run as user 65532"),
        ("SHM210", "get", {**OPENED, "peer_nonce": "of another"}, "is not the first container's object"),
        ("SHM210", "get", {**OPENED, "found": False, "peer_nonce": None}, "is not the first container's object"),
        (
            "SHM210",
            "get",
            {"calls": [failed("shm_open", "EROFS")], "found": False},
            "cannot open anything with O_CREAT",
        ),
        (
            "SHM202",
            "who_second",
            {"calls": [failed("statx", "ENOSYS")], "exists": False},
            "stat is denied to the probe",
        ),
        ("SHM206", "put", {"calls": [failed("statx", "EPERM")]}, "stat is denied to the probe"),
        ("SHM201", "read", {"calls": [failed("statx", "EPERM")]}, "stat is denied to the probe"),
        ("SHM206", "get", {"calls": [failed("statx", "EPERM")]}, "stat is denied to the probe"),
        ("SHM205", "get", {"calls": [failed("statx", "EPERM")]}, "stat is denied to the probe"),
        ("SHM204", "get", {"calls": [failed("statx", "EPERM")]}, "stat is denied to the probe"),
        # nothing shows where its /dev/shm is
        (
            "SHM204",
            "who_one-sided",
            {"calls": [failed("statx", "EPERM")], "path_dev": None},
            "stat is denied to the probe",
        ),
        ("SHM208", "get", {"calls": [failed("shm_open", "EACCES")]}, "cannot look for the object"),
        ("SHM212", "names", {"calls": [failed("statx", "EPERM")]}, "stat is denied to the probe"),
        # semaphores that nobody can create do not miss each other
        ("SHM212", "names", {"glibc_made": False}, "cannot create"),
        ("SHM212", "names", {"musl_made": False}, "cannot create"),
    ],
)
def test_a_world_that_decides_nothing(check: str, label: str, change: Facts, words: str) -> None:
    with pytest.raises(Inconclusive, match=words) as caught:
        decide(check, changed(GOOD[check](), label, **change))
    assert caught.value.reason is Reason.PREMISE_FAILED


@pytest.mark.parametrize("check", ["SHM203", "SHM204", "SHM206", "SHM208", "SHM211", "SHM215", "SHM216"])
def test_permissions_of_two_users_decide_nothing_where_one_was_requested(check: str) -> None:
    answers = GOOD[check]()
    one, other = [label for label in answers if label.startswith("who_")]
    answers = changed(changed(answers, one, uid=65532), other, uid=1000)
    with pytest.raises(Inconclusive, match="run as users 1000 and 65532, though one was requested"):
        decide(check, answers)


@pytest.mark.parametrize(
    ("check", "label"), [("SHM205", "put"), ("SHM206", "put"), ("SHM207", "put"), ("SHM201", "write")]
)
def test_a_probe_that_cannot_reserve_memory_shows_nothing_of_sharing(check: str, label: str) -> None:
    nothing: Facts = {"made": False, "wait_began_ns": None, "calls": [failed("fallocate", "EPERM")]}
    with pytest.raises(Inconclusive, match="cannot reserve memory") as caught:
        decide(check, changed(GOOD[check](), label, **nothing))
    assert caught.value.reason is Reason.PREMISE_FAILED


def test_a_node_without_user_namespaces_is_skipped() -> None:
    assert all(
        check.skips == {Reason.UNSUPPORTED, Reason.FEATURE_GATE_OFF, *POLICIES}
        for check in (posix.posix_user_namespace, posix.posix_mq_user_namespace)
    )


@pytest.mark.parametrize(
    ("flag", "steps"),
    [
        # what is looked for after its creator ended
        ("keep", ["SHM205 put", "SHM207 create", "SHM207 put"]),
        # the probe reports that an object can be written, and writes a reply, only where it opens it for writing
        ("write", [*(f"SHM{number} get" for number in (204, 206, 208, 209, 210, 211, 216, 221)), "SHM209 get_masked"]),
        # and that O_CREAT is refused only where it opens with it
        ("create", ["SHM210 get"]),
    ],
)
def test_the_probe_gets_the_flags_that_its_facts_depend_on(flag: str, steps: list[str]) -> None:
    assert {step: str(value) for step, value in given(posix.CHECKS, flag).items()} == dict.fromkeys(steps, "1")


@pytest.mark.parametrize(
    ("label", "change", "words", "fix"),
    [
        (
            "who_huge",
            {"mount_fs": "tmpfs"},
            "the volume is tmpfs in the container huge",
            "mount an emptyDir of medium HugePages",
        ),
        (
            "who_huge-peer",
            {"mount_fs": "ext4"},
            "is ext4 in the container huge-peer",
            "mount an emptyDir of medium HugePages",
        ),
        (
            "who_huge",
            {"block_bytes": 4096},
            "pages of 4096 bytes, not of 2097152",
            "mount an emptyDir of medium HugePages",
        ),
        ("put", {"made": False, "calls": [failed("shm_open", "EACCES")]}, "shm_open: EACCES", "set fsGroup"),
        ("put", {"made": False, "calls": [failed("fallocate", "ENOSPC")]}, "fallocate: ENOSPC", "find what uses up"),
        ("get", NO_OBJECT, "does not find the object", "mount an emptyDir of medium HugePages"),
        ("drop", {"reply_nonce": "x"}, "does not read the second's reply", "mount an emptyDir of medium HugePages"),
        ("drop", {"gone": False}, "stays after shm_unlink", "report it"),
    ],
)
def test_pages_that_are_not_shared(label: str, change: Facts, words: str, fix: str) -> None:
    decision = decide("SHM221", changed(GOOD["SHM221"](), label, **change))
    assert decision.verdict is Verdict.FAIL
    assert words in decision.observed
    assert fix in decision.fix


def test_a_shared_page_says_its_size() -> None:
    assert (
        decide("SHM221", GOOD["SHM221"]()).observed
        == "nonce and sentence crossed in a page of 2097152 bytes (hugetlbfs)"
    )


def test_users_that_the_cluster_gave_decide_nothing_about_pages() -> None:
    with pytest.raises(Inconclusive) as caught:
        decide("SHM221", changed(GOOD["SHM221"](), "who_huge", uid=1))
    assert caught.value.reason is Reason.PREMISE_FAILED
