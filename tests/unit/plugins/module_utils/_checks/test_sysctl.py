# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import sysctl
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import (
    MIB,
    Answers,
    Facts,
    World,
    answered,
    changed,
    decide,
    failed,
    find,
    seen,
    steps,
    unreported,
)


def sysctls(**changes: t.Any) -> World:
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


def unsafe() -> Answers:
    refused = seen("sysv_shm_create", calls=[failed("shmget", "EINVAL")], attached=False)
    return {"sysctls": seen("sysctls", kernel_shmmax=123 * MIB), "over": refused}


def huge(**changes: t.Any) -> Facts:
    """A node that could have huge pages of two sizes, and has none."""
    sizes = ("2048kB", "1048576kB")
    pools = {f"{name}_{size}": 0 for size in sizes for name in ("total", "free", "overcommit")}
    ends = {f"map_{size}": "ENOMEM" for size in sizes}
    return {**pools, **ends, **{name.replace("map", "shmget"): "EPERM" for name in ends}, **changes}


GOOD: dict[str, World] = {
    "SHM601": sysctls(),
    "SHM602": steps(sysctls={"kernel_shm_rmid_forced": 1}, forced={"survived": False}),
    "SHM603": unsafe,
    "SHM604": steps(sysctls={}, limits={"shmget_over_shmmax": "EINVAL", "shmget_zero": "EINVAL"}),
    "SHM605": steps(sysctls={"vm_hugetlb_shm_group": 0}, huge=huge()),
    "SHM606": steps(
        sysctls={"rlimit_msgqueue": 819200},
        budget={"queues": 9, "stopped_by": "EMFILE"},
        budget_again={"queues": 0, "stopped_by": "EMFILE"},
    ),
    "SHM608": steps(
        rlimits={"rlimit_memlock_soft": "unlimited", "rlimit_nofile_soft": 65536, "rlimit_nofile_hard": 1048576}
    ),
}


def test_every_check_has_a_good_world() -> None:
    assert [check.id for check in sysctl.CHECKS] == list(GOOD)


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


@pytest.mark.parametrize(
    ("check", "label", "change", "verdict", "words"),
    [
        ("SHM601", "sysctls", {"kernel_shmmni": 4095}, "FAIL", "kernel.shmmni 4095 < 4096 (oracle)"),
        ("SHM601", "sysctls", {"kernel_sem": "250 32000 32 128"}, "FAIL", "kernel.sem semopm 32 < 100 (oracle)"),
        ("SHM602", "forced", {"survived": True}, "FAIL", "survives"),
        ("SHM602", "sysctls", {"kernel_shm_rmid_forced": 0}, "FAIL", "is 0"),
        ("SHM603", "over", {"attached": True}, "FAIL", "larger segment can be created"),
        ("SHM603", "over", {"calls": [failed("shmget", "ENOSPC")]}, "FAIL", "beyond it ENOSPC"),
        ("SHM603", "sysctls", {"kernel_shmmax": 1}, "FAIL", "is 1"),
        ("SHM604", "limits", {"shmget_zero": "ok"}, "FAIL", "shmget_zero ok"),
        ("SHM604", "limits", {"shmget_over_shmmax": "ok"}, "FAIL", "shmget_over_shmmax ok"),
        ("SHM604", "limits", {"shmget_over_shmmax": "unlimited"}, "PASS", "unlimited"),
        ("SHM605", "huge", {"map_2048kB": "signal:7"}, "WARN", "Bus error"),
        (
            "SHM605",
            "huge",
            {"map_1048576kB": "signal:7", "total_1048576kB": 1},
            "WARN",
            "pages of 1048576kB: 1, 0 free, mmap SIGBUS",
        ),
        ("SHM605", "huge", {"shmget_2048kB": "signal:7"}, "WARN", "Bus error"),
        (
            "SHM605",
            "huge",
            {"map_2048kB": "signal:7", "overcommit_2048kB": 8},
            "WARN",
            "pages of 2048kB: 0, 8 more on demand, mmap",
        ),
        ("SHM605", "huge", {"map_2048kB": "signal:7", "map_1048576kB": "signal:9"}, "WARN", "Bus error"),
        ("SHM605", "huge", {"map_1048576kB": "mapped"}, "WARN", "can die of a Bus error"),
        ("SHM605", "huge", {"map_1048576kB": "mapped", "map_2048kB": "ok"}, "WARN", "the container gets huge pages"),
        ("SHM605", "huge", {"shmget_2048kB": "ok"}, "WARN", "the container gets huge pages"),
        ("SHM605", "huge", {"shmget_2048kB": "ENOSYS"}, "PASS", "shmget ENOSYS"),
        ("SHM606", "budget", {"queues": 0}, "WARN", "used up"),
        ("SHM606", "budget", {"queues": 0, "stopped_by": "ENOSPC"}, "FAIL", "0 queues, then ENOSPC"),
        ("SHM606", "budget", {"queues": 1}, "PASS", "1 queues"),
        ("SHM608", "rlimits", {"rlimit_memlock_soft": 65535}, "FAIL", "less than 65536 bytes"),
        ("SHM608", "rlimits", {"rlimit_memlock_soft": 65536}, "WARN", "RDMA and shared huge pages lock more"),
        ("SHM608", "rlimits", {"rlimit_nofile_soft": 1023}, "FAIL", "fewer than 1024 files"),
        ("SHM608", "rlimits", {"rlimit_nofile_soft": 1024}, "WARN", "must raise it first"),
        ("SHM608", "rlimits", {"rlimit_nofile_soft": 65535}, "WARN", "must raise it first"),
        ("SHM608", "rlimits", {"rlimit_nofile_soft": "unlimited"}, "PASS", "RLIMIT_NOFILE unlimited"),
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
        ("SHM602", "forced", {"survived": True}, "applies the sysctl that it shows"),
        ("SHM602", "sysctls", {"kernel_shm_rmid_forced": 0}, "applies the sysctls of the pod"),
        ("SHM603", "sysctls", {"kernel_shmmax": 1}, "applies the sysctls of the pod"),
        ("SHM603", "over", {"calls": [failed("shmget", "ENOSPC")]}, "kernel.shmmni"),
        ("SHM606", "budget", {"queues": 0}, "a user of its own"),
        ("SHM606", "budget", {"queues": 0, "stopped_by": "ENOSPC"}, "fs.mqueue.queues_max"),
        ("SHM606", "budget", {"queues": 0, "stopped_by": "ENOSYS"}, "seccomp"),
    ],
)
def test_the_fix_is_of_the_branch(check: str, label: str, change: Facts, words: str) -> None:
    assert words in decide(check, changed(GOOD[check](), label, **change)).fix


@pytest.mark.parametrize(
    ("check", "label", "change", "words"),
    [
        ("SHM605", "huge", {"map_2048kB": "signal:31"}, "SIGSYS is no Bus error: something else killed the child"),
        ("SHM605", "huge", {"shmget_2048kB": "signal:9", "map_2048kB": "ok"}, "SIGKILL is no Bus error"),
    ],
)
def test_a_world_that_decides_nothing(check: str, label: str, change: Facts, words: str) -> None:
    with pytest.raises(Inconclusive, match=words) as caught:
        decide(check, changed(GOOD[check](), label, **change))
    assert caught.value.reason is Reason.PREMISE_FAILED


@pytest.mark.parametrize("change", [{"timeout": 10000}, {"map_2048kB": "deadline"}])
def test_what_a_deadline_cut_short_decides_nothing(change: Facts) -> None:
    with pytest.raises(Inconclusive, match="within step_timeout") as caught:
        decide("SHM605", changed(GOOD["SHM605"](), "huge", **change))
    assert caught.value.reason is Reason.TIMEOUT


@pytest.mark.parametrize("missing", ["map_2048kB", "shmget_1048576kB"])
def test_one_size_that_was_not_tried_decides_nothing(missing: str) -> None:
    with pytest.raises(Inconclusive, match=f"did not report {missing}") as caught:
        decide("SHM605", changed(GOOD["SHM605"](), "huge", **t.cast("Facts", {missing: None})))
    assert caught.value.reason is Reason.PROBE_ERROR


def test_a_budget_that_another_pod_of_the_run_has_for_a_moment_is_asked_for_again() -> None:
    answers = changed(changed(GOOD["SHM606"](), "budget", queues=0), "budget_again", queues=9)
    assert decide("SHM606", answers).verdict is Verdict.PASS


def test_a_budget_that_no_queue_fits_into_is_not_used_up_by_others() -> None:
    answers = changed(changed(GOOD["SHM606"](), "budget", queues=0), "sysctls", rlimit_msgqueue=0)
    decision = decide("SHM606", answers)
    assert decision.verdict is Verdict.FAIL
    assert "raise the RLIMIT_MSGQUEUE" in decision.fix
    assert "RLIMIT_MSGQUEUE is 0 bytes, less than one of 81920" in decision.observed
    assert decide("SHM606", changed(answers, "sysctls", rlimit_msgqueue=81919)).verdict is Verdict.FAIL
    enough = changed(answers, "sysctls", rlimit_msgqueue=81920)
    assert decide("SHM606", enough).verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("check", "label", "change"),
    [
        ("SHM601", "sysctls", {"kernel_sem": None}),
        ("SHM602", "sysctls", {"kernel_shm_rmid_forced": None}),
        ("SHM603", "sysctls", {"kernel_shmmax": None}),
        ("SHM604", "limits", {"shmget_over_shmmax": None}),
    ],
)
def test_what_is_hidden_decides_nothing(check: str, label: str, change: Facts) -> None:
    with pytest.raises(Inconclusive) as caught:
        decide(check, changed(GOOD[check](), label, **change))
    assert caught.value.reason is Reason.NOT_VISIBLE
    assert caught.value.reason in find(check).skips


def test_a_sysctl_that_is_neither_there_nor_heeded() -> None:
    hidden = changed(GOOD["SHM602"](), "sysctls", kernel_shm_rmid_forced=None)
    assert decide("SHM602", changed(hidden, "forced", survived=True)).verdict is Verdict.FAIL
    hidden = changed(GOOD["SHM603"](), "sysctls", kernel_shmmax=None)
    assert decide("SHM603", changed(hidden, "over", attached=True)).verdict is Verdict.FAIL


def test_a_profile_of_ones_own() -> None:
    settings = {"profiles": ("db2",), "minimums": {"kernel.msgmni": (32001,), "kernel.shmmni": (1,)}}
    decision = decide("SHM601", sysctls()(), **settings)
    assert decision.verdict is Verdict.FAIL
    assert decision.observed == (
        "kernel.msgmax 8192 < 65536 (db2); kernel.msgmnb 16384 < 65536 (db2); kernel.msgmni 32000 < 32001 (minimum)"
    )
    assert decide("SHM601", sysctls()(), profiles=()).verdict is Verdict.PASS


def test_a_hidden_sysctl_hides_no_other() -> None:
    decision = decide("SHM601", sysctls(kernel_shmmax=None, kernel_shmall=None, kernel_shmmni=1, kernel_msgmni=1)())
    assert decision.verdict is Verdict.FAIL
    assert "kernel.shmmni 1 <" in decision.observed


def test_huge_pages_where_the_container_sees_no_pools() -> None:
    hidden = {"map_default": "EINVAL", "shmget_default": "EPERM"}
    decision = decide("SHM605", steps(sysctls={}, huge=hidden)())
    assert decision.verdict is Verdict.PASS
    assert decision.observed == "default size: mmap EINVAL, shmget EPERM (vm.hugetlb_shm_group not visible)"
    dies = decide("SHM605", steps(sysctls={}, huge={**hidden, "map_default": "signal:7"})())
    assert (dies.verdict, "default size: mmap SIGBUS" in dies.observed) == (Verdict.WARN, True)
    # a kernel that knows no huge pages gives usual ones
    given = {"map_default": "ok", "shmget_default": "ok"}
    assert decide("SHM605", steps(sysctls={}, huge=given)()).verdict is Verdict.PASS
    assert decide("SHM605", steps(sysctls={"hugepages_total": 0}, huge=given)()).verdict is Verdict.WARN
    with pytest.raises(Inconclusive, match="did not report map_default"):
        decide("SHM605", steps(sysctls={}, huge={})())


def test_a_pass_names_every_size_of_huge_pages() -> None:
    decision = decide("SHM605", changed(GOOD["SHM605"](), "huge", total_2048kB=16, free_2048kB=3))
    assert decision.observed == (
        "pages of 2048kB: 16, 3 free, mmap ENOMEM, shmget EPERM; pages of 1048576kB: 0, mmap ENOMEM, shmget EPERM "
        "(vm.hugetlb_shm_group 0)"
    )


def test_a_pass_names_the_profiles() -> None:
    assert decide("SHM601", sysctls()()).observed == "enough for postgresql, oracle"


def test_postgresql_needs_no_system_v_semaphores() -> None:
    answers = sysctls(kernel_sem="250 32000 32 0")()
    assert decide("SHM601", answers, profiles=("postgresql",)).observed == "enough for postgresql"
    assert "kernel.sem semmni 0 < 128 (oracle)" in decide("SHM601", answers).observed
