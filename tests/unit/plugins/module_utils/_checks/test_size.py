# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import size
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import GROUP
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Context, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import POLICIES, Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import (
    FIRST_USER_NAMESPACE,
    GIB,
    MIB,
    NO_OBJECT,
    Answers,
    Facts,
    World,
    answered,
    changed,
    changed_who,
    context,
    decide,
    failed,
    filled,
    find,
    given,
    judge,
    own_users,
    posix_object,
    seen,
    steps,
    steps_that,
    unreported,
    who,
    with_injected,
    with_limit,
    with_pod,
    with_spec,
    without,
)


def default(size_bytes: int = 64 * MIB, **fill: t.Any) -> Answers:
    """The /dev/shm of the runtime, which a fill ended in."""
    return filled("first", size_bytes, **fill)


def unsized(size_bytes: int = 104 * MIB, **fill: t.Any) -> Answers:
    """A volume as large as the memory limit of its pod, of which a part was filled."""
    return filled("unsized", size_bytes, **{"stopped_by": "max", "written_bytes": 72 * MIB, **fill})


def sized(size_bytes: int = 512 * MIB, **fill: t.Any) -> Answers:
    """A volume with a sizeLimit, which a fill ended in."""
    return filled("sized", size_bytes, **fill)


def of_size(container: str, size_bytes: int) -> World:
    return functools.partial(who, **{container: {"size_bytes": size_bytes}})


def reserved() -> Answers:
    return {**who(sized={}), "allocate": seen("fallocate", calls=[failed("fallocate", "ENOSPC")], allocated=False)}


def charge() -> Answers:
    return {
        **who(first={}, second={}),
        "put": seen("object_put", made=True),
        "writer": seen("identity", memory_usage_bytes=9 * MIB),
        "get": seen("object_get", found=True),
        "reader": seen("identity", memory_usage_bytes=MIB),
        "drop": seen("object_drop", gone=True),
    }


def after_kill() -> Answers:
    return {
        "up": seen("@await_restart", restarts=0),
        "fits": seen("fill", stopped_by="max", written_bytes=26 * MIB),
        **posix_object(),
        "kill": seen("fill", stopped_by="signal:9", written_bytes=22 * MIB),
        "restart": seen("@restart", restarts=1),
        "again": seen("fill", stopped_by="signal:9", written_bytes=22 * MIB),
    }


USUAL: Facts = {
    "writable": True,
    "exec_map": True,
    "dir_mode": "1777",
    "dir_uid": 0,
    "dir_gid": 0,
    "inherits_group": False,
}
OF_GROUP: Facts = {**USUAL, "dir_mode": "3777", "dir_gid": GROUP, "inherits_group": True}


def swap(bare: str = "rw,noswap", swappable: str = "rw", **changes: t.Any) -> Answers:
    """A node with swap, and a container that gets none of it."""
    options = {"bare": {"mount_super_options": bare}, "swappable": {"mount_super_options": swappable}}
    return {**who(**options), "swap": seen("swap", **{"swap_areas": 1, "swap_bytes": MIB, "swap_limit": 0, **changes})}


GOOD: dict[str, World] = {
    "SHM301": default,
    "SHM302": unsized,
    "SHM303": sized,
    "SHM304": of_size("bare", 24 * GIB),
    "SHM305": of_size("clipped", 32 * MIB),
    "SHM306": of_size("zero", 32 * MIB),
    "SHM307": lambda: who(disk={"mount_fs": "ext4"}),
    "SHM308": reserved,
    "SHM309": steps("one-sided", touch={"touched_bytes": 16 * MIB, "stopped_by": "signal:7"}),
    "SHM310": steps("tight", fill={"written_bytes": 20 * MIB, "stopped_by": "signal:9"}),
    "SHM311": charge,
    "SHM312": after_kill,
    "SHM313": steps("first", flags=USUAL),
    "SHM315": lambda: {**who(readonly={}), "flags": seen("flags", calls=[failed("open", "EROFS")], writable=False)},
    "SHM316": steps("one-sided", beyond={"sysv_bytes": 17 * MIB, "memfd_bytes": 17 * MIB}),
    "SHM317": steps("fellow", "sub-path", flags=USUAL, sub_path_flags=USUAL),
    "SHM318": own_users({"flags": seen("flags", **USUAL)}),
    "SHM319": steps("grouped", flags=OF_GROUP),
    "SHM320": swap,
}

#: Checks whose rule reads a fill.
FILLED: t.Final = ("SHM301", "SHM302", "SHM303")


def test_every_check_has_a_good_world() -> None:
    assert [check.id for check in size.CHECKS] == list(GOOD)


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


# ------------------------------------------------------------------------------------------------- the fill


@pytest.mark.parametrize(
    ("answers", "settings", "verdict", "words"),
    [
        (default(1 * MIB), {}, "FAIL", "set by containerd://2.4.2 on node n"),
        (default(128 * MIB), {}, "FAIL", "134217728 bytes"),
        (default(128 * MIB), {"default_size_bytes": 128 * MIB}, "PASS", "ENOSPC after 134217728"),
        (default(stopped_by="max", written_bytes=65 * MIB), {}, "FAIL", "does not end there"),
        # exactly the size, since no more may be written: that shows no end
        (default(stopped_by="max"), {"max_write_bytes": 64 * MIB}, "WARN", "max_write ended the writing"),
        (default(written_bytes=MIB), {}, "FAIL", "but ENOSPC after 1048576"),
        (default(verified=False), {}, "FAIL", "read back"),
        (default(stopped_by="signal:9", written_bytes=7), {}, "FAIL", "killed by SIGKILL after 7 bytes"),
        (default(stopped_by="EIO"), {}, "FAIL", "by EIO"),
        (default(stopped_by="max", written_bytes=MIB), {"max_write_bytes": MIB}, "WARN", "max_write"),
        (changed_who(default(), "first", exists=False), {}, "FAIL", "no /dev/shm"),
    ],
)
def test_default_size(answers: Answers, settings: Facts, verdict: str, words: str) -> None:
    decision = decide("SHM301", answers, **settings)
    assert decision.verdict == verdict, decision.observed
    assert words in decision.observed
    assert bool(decision.fix) == (verdict != "PASS")


@pytest.mark.parametrize("check", FILLED)
def test_a_size_that_was_not_filled_is_no_pass(check: str) -> None:
    # without fill the container needs no memory to write
    answers = unsized(32 * MIB) if check == "SHM302" else GOOD[check]()
    for measured in (without(answers, "fill"), answers):
        decision = decide(check, measured, fill=False)
        assert decision.verdict is Verdict.WARN
        assert "statvfs only: fill is off" in decision.observed
        assert "the option fill " in decision.fix


@pytest.mark.parametrize("check", [check for check in GOOD if any(step.name == "fill" for step in find(check).steps)])
def test_an_answer_that_is_absent_is_no_option_that_is_off(check: str) -> None:
    for label in [step.label for step in find(check).steps if step.name == "fill"]:
        with pytest.raises(Inconclusive, match=f"there is no answer to the step {label}") as caught:
            decide(check, without(GOOD[check](), label))
        assert caught.value.reason is Reason.INTERNAL


@pytest.mark.parametrize("check", ["SHM310", "SHM312"])
def test_without_the_fill_nobody_is_killed(check: str) -> None:
    with pytest.raises(Inconclusive, match="the option fill is off") as caught:
        decide(check, GOOD[check](), fill=False)
    assert caught.value.reason is Reason.NOT_REQUESTED
    assert caught.value.reason in find(check).skips


@pytest.mark.parametrize("check", FILLED)
def test_a_pod_that_did_not_survive_fails(check: str) -> None:
    decision = decide(check, GOOD[check](), phase="Failed")
    assert "the pod is Failed" in decision.observed
    assert "within the container's memory limit" in decision.fix
    # an injected container keeps it from Running, and nothing else
    assert decide(check, GOOD[check](), phase="Pending").verdict is Verdict.PASS


@pytest.mark.parametrize("check", FILLED)
def test_a_pod_that_nobody_saw_after_the_fill_decides_nothing(check: str) -> None:
    with pytest.raises(Inconclusive) as caught:
        judge(check, GOOD[check](), with_pod(context(check), "pair", phase=None))
    assert caught.value.reason is Reason.POD_GONE


@pytest.mark.parametrize(
    ("answers", "verdict", "words"),
    [
        (unsized(24 * GIB), "FAIL", f"not {104 * MIB} (pod memory limit)"),
        (unsized(64 * MIB), "FAIL", "not"),
        (unsized(written_bytes=64 * MIB, stopped_by="ENOSPC"), "FAIL", "by ENOSPC"),
        (unsized(written_bytes=104 * MIB, stopped_by="ENOSPC"), "PASS", "109051904 bytes written"),
        # more than the default, but not all of the volume
        (unsized(written_bytes=80 * MIB, stopped_by="ENOSPC"), "FAIL", "by ENOSPC"),
        (unsized(written_bytes=64 * MIB), "WARN", "max_write"),
        (unsized(written_bytes=64 * MIB + 4096), "PASS", "67112960 bytes written"),
        (unsized(written_bytes=MIB), "WARN", "max_write"),
        (unsized(verified=False), "FAIL", "read back"),
    ],
)
def test_a_volume_without_a_size_limit(answers: Answers, verdict: str, words: str) -> None:
    decision = decide("SHM302", answers)
    assert decision.verdict == verdict, decision.observed
    assert words in decision.observed
    assert bool(decision.fix) == (verdict != "PASS")


@pytest.mark.parametrize(("size_limit", "shown"), [(500_000_001, 500_002_816), (512 * MIB, 512 * MIB)])
def test_size_limit_is_rounded_up_to_pages(size_limit: int, shown: int) -> None:
    assert decide("SHM303", sized(shown), size_limit_bytes=size_limit).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (sized(64 * MIB), "not 536870912"),
        (sized(24 * GIB), "not 536870912"),
        (sized(stopped_by="max", written_bytes=513 * MIB), "does not end there"),
        (sized(stopped_by="signal:9", written_bytes=1), "killed"),
    ],
)
def test_size_limit_fails(answers: Answers, words: str) -> None:
    decision = decide("SHM303", answers)
    assert decision.verdict is Verdict.FAIL
    assert words in decision.observed
    assert decision.fix


@pytest.mark.parametrize("check", FILLED)
def test_who_cannot_write_a_byte_fails(check: str) -> None:
    """The probe then has nothing to read back."""
    nothing: Facts = {"written_bytes": 0, "stopped_by": "EFBIG", "verified": None}
    decision = decide(check, changed(GOOD[check](), "fill", **nothing))
    assert (decision.verdict, "after 0 bytes by EFBIG" in decision.observed) == (Verdict.FAIL, True)


@pytest.mark.parametrize("errno", ["EDQUOT", "EFBIG"])
def test_less_than_promised_is_less(errno: str) -> None:
    decision = decide("SHM302", changed(unsized(), "fill", stopped_by=errno, written_bytes=70 * MIB))
    assert decision.verdict is Verdict.FAIL


@pytest.mark.parametrize(("free", "verdict"), [(64 * MIB * 99 // 100, "FAIL"), (64 * MIB * 99 // 100 + 1, "WARN")])
def test_a_few_pages_of_the_file_system_s_own_are_a_remark(free: int, verdict: str) -> None:
    assert decide("SHM301", default(available_bytes=free, written_bytes=free)).verdict == verdict


# ------------------------------------------------------------------------------------------ both directions


@pytest.mark.parametrize(
    ("check", "label", "change", "verdict", "words"),
    [
        ("SHM301", "fill", {"calls": [failed("open", "EROFS")]}, "FAIL", "nothing can be written (open: EROFS)"),
        ("SHM301", "who_first", {"mount_fs": "ext4"}, "FAIL", "ext4, not a tmpfs"),
        ("SHM301", "fill", {"available_bytes": MIB, "written_bytes": MIB}, "FAIL", "only 1048576 of them are free"),
        ("SHM301", "fill", {"available_bytes": 67096576, "written_bytes": 67096576}, "WARN", "only 67096576 of them"),
        ("SHM302", "fill", {"calls": [failed("open", "EROFS")]}, "FAIL", "nothing can be written (open: EROFS)"),
        ("SHM302", "who_unsized", {"mount_fs": "ext4"}, "FAIL", "ext4, not a tmpfs"),
        ("SHM302", "fill", {"stopped_by": "OOMKilled", "written_bytes": None}, "FAIL", "the container was killed"),
        ("SHM303", "who_sized", {"mount_fs": "ext4"}, "FAIL", "ext4, not a tmpfs"),
        ("SHM303", "fill", {"available_bytes": MIB, "written_bytes": MIB}, "FAIL", "only 1048576 of them are free"),
        ("SHM303", "fill", {"stopped_by": "OOMKilled", "written_bytes": None}, "FAIL", "the container was killed"),
        ("SHM304", "who_bare", {"size_bytes": 12 * GIB}, "FAIL", "node allocatable"),
        ("SHM304", "who_bare", {"mount_fs": "ext4"}, "FAIL", "not a tmpfs"),
        ("SHM305", "who_clipped", {"size_bytes": GIB}, "FAIL", "pod memory limit"),
        ("SHM305", "who_clipped", {"mount_fs": "ext4"}, "FAIL", "not a tmpfs"),
        ("SHM306", "who_zero", {"size_bytes": 4096}, "FAIL", "pod memory limit"),
        ("SHM306", "who_zero", {"mount_fs": "ext4"}, "FAIL", "not a tmpfs"),
        ("SHM307", "who_disk", {"mount_fs": "tmpfs"}, "FAIL", "is tmpfs"),
        ("SHM307", "who_disk", {"mount_fs": "ramfs"}, "FAIL", "is ramfs"),
        ("SHM308", "allocate", {"allocated": True}, "FAIL", "reserves more"),
        ("SHM308", "allocate", {"calls": [failed("fallocate", "EOPNOTSUPP")]}, "FAIL", "EOPNOTSUPP"),
        ("SHM308", "allocate", {"calls": [failed("fallocate", "EPERM")]}, "FAIL", "EPERM"),
        # the last call that failed is not the last call
        (
            "SHM313",
            "flags",
            {"writable": False, "calls": [failed("open", "EROFS"), {"call": "statx", "result": 0}]},
            "FAIL",
            "not writable (open: EROFS)",
        ),
        ("SHM309", "touch", {"stopped_by": "size"}, "FAIL", "size after"),
        ("SHM309", "touch", {"stopped_by": "signal:9"}, "FAIL", "SIGKILL after"),
        ("SHM309", "touch", {"touched_bytes": MIB}, "FAIL", "1048576 of"),
        ("SHM310", "fill", {"stopped_by": "ENOSPC"}, "FAIL", "ENOSPC"),
        ("SHM310", "fill", {"written_bytes": 32 * MIB}, "PASS", "SIGKILL after 33554432"),
        ("SHM310", "fill", {"written_bytes": 64 * MIB}, "FAIL", "67108864"),
        ("SHM310", "fill", {"stopped_by": "max"}, "FAIL", "max after"),
        ("SHM310", "fill", {"stopped_by": "OOMKilled", "written_bytes": None}, "PASS", "the container was killed"),
        ("SHM311", "writer", {"memory_usage_bytes": MIB}, "FAIL", "writer +0"),
        ("SHM311", "reader", {"memory_usage_bytes": 9 * MIB}, "FAIL", "reader +8388608"),
        ("SHM312", "get", NO_OBJECT, "FAIL", "is gone"),
        ("SHM312", "get", {"peer_nonce": "x"}, "FAIL", "something else"),
        ("SHM312", "get", {"peer_nonce": None}, "FAIL", "reads nothing under the same name"),
        ("SHM312", "again", {"stopped_by": "max"}, "FAIL", "no longer count"),
        ("SHM312", "again", {"stopped_by": "OOMKilled", "written_bytes": None}, "PASS", "OOMKilled"),
        ("SHM312", "kill", {"stopped_by": "OOMKilled", "written_bytes": None}, "PASS", "and count"),
        ("SHM313", "who_first", {"exists": False}, "FAIL", "no /dev/shm"),
        ("SHM313", "flags", {"exec_map": False}, "FAIL", "noexec"),
        ("SHM313", "flags", {"writable": False}, "FAIL", "not writable"),
        ("SHM313", "flags", {"dir_mode": "0755"}, "FAIL", "mode 0755"),
        ("SHM315", "flags", {"writable": True}, "FAIL", "can be written"),
        ("SHM316", "beyond", {"memfd_bytes": MIB}, "FAIL", "memfd 1048576"),
        ("SHM316", "beyond", {"sysv_bytes": 16 * MIB}, "FAIL", "sysv 16777216"),
        ("SHM317", "flags", {"exec_map": False}, "FAIL", "the volume: noexec"),
        (
            "SHM317",
            "flags",
            {"writable": False, "calls": [failed("open", "EROFS")]},
            "FAIL",
            "not writable (open: EROFS)",
        ),
        ("SHM317", "flags", {"dir_mode": "0777"}, "FAIL", "the volume: mode 0777, not 1777"),
        ("SHM317", "sub_path_flags", {"exec_map": False}, "FAIL", "a subPath of it: noexec"),
        (
            "SHM317",
            "sub_path_flags",
            {"dir_mode": "0755", "dir_uid": 1000},
            "FAIL",
            "a subPath of it belongs to user 1000",
        ),
        ("SHM317", "sub_path_flags", {"dir_mode": "0755"}, "FAIL", "a subPath of it: mode 0755"),
        ("SHM317", "who_fellow", {"mount_fs": "ext4"}, "FAIL", "the volume: /dev/shm is ext4, not a tmpfs"),
        ("SHM317", "who_sub-path", {"mount_fs": "ext4"}, "FAIL", "a subPath of it: /dev/shm is ext4, not a tmpfs"),
        ("SHM318", "flags", {"exec_map": False}, "WARN", "noexec"),
        ("SHM318", "flags", {"writable": False}, "FAIL", "not writable"),
        ("SHM318", "flags", {"dir_mode": "0755"}, "FAIL", "mode 0755"),
        ("SHM318", "flags", {"dir_mode": "0755", "exec_map": False}, "FAIL", "mode 0755"),
        ("SHM318", "who_one", {"exists": False}, "FAIL", "no /dev/shm"),
        ("SHM318", "who_one", {"ns_user": FIRST_USER_NAMESPACE}, "WARN", "hostUsers false has no effect"),
        ("SHM319", "flags", {"dir_mode": "1777"}, "FAIL", "mode 1777, not 3777"),
        ("SHM319", "flags", {"dir_gid": 0}, "FAIL", "group 0, not 65531"),
        ("SHM319", "flags", {"inherits_group": False}, "FAIL", "a new file there is not of the group"),
        ("SHM319", "flags", {"exec_map": False}, "FAIL", "noexec"),
        ("SHM319", "flags", {"writable": False, "inherits_group": None}, "FAIL", "not writable"),
        ("SHM319", "who_grouped", {"mount_fs": "ext4"}, "FAIL", "not a tmpfs"),
        (
            "SHM320",
            "swap",
            {"swap_limit": "unlimited"},
            "WARN",
            "gets unlimited: the runtime's own /dev/shm can go to swap",
        ),
        ("SHM320", "swap", {"swap_limit": MIB}, "WARN", "a container without a memory limit gets 1048576"),
        ("SHM320", "swap", {"swap_limit": None}, "WARN", "whether containers get it is not visible"),
        ("SHM320", "who_swappable", {"mount_super_options": "rw,noswap,size=64k"}, "PASS", "are mounted with noswap"),
        ("SHM320", "who_bare", {"mount_super_options": "rw"}, "PASS", "gets none of it"),
    ],
)
def test_both_directions(check: str, label: str, change: Facts, verdict: str, words: str) -> None:
    decision = decide(check, changed(GOOD[check](), label, **change))
    assert decision.verdict == verdict, decision.observed
    assert words in decision.observed
    assert bool(decision.fix) == (verdict != "PASS")


MORE_MEMORY: t.Final = "does not raise the memory limit"


@pytest.mark.parametrize(
    ("check", "label", "change", "words"),
    [
        # a fix for what is wrong, and for nothing else
        ("SHM301", "who_first", {"exists": False}, "use a runtime that mounts /dev/shm"),
        ("SHM301", "who_first", {"mount_fs": "ext4"}, "use a runtime that mounts /dev/shm"),
        ("SHM301", "who_first", {"size_bytes": MIB}, "option default_size"),
        ("SHM301", "fill", {"verified": False}, "maker of the runtime"),
        ("SHM301", "fill", {"stopped_by": "signal:9"}, "within the container's memory limit"),
        ("SHM301", "fill", {"calls": [failed("open", "EROFS")]}, "allow writes"),
        ("SHM301", "fill", {"stopped_by": "EFBIG"}, "RLIMIT_FSIZE"),
        ("SHM301", "fill", {"available_bytes": MIB, "written_bytes": MIB}, "find what else writes"),
        ("SHM301", "fill", {"available_bytes": 67096576, "written_bytes": 67096576}, "nothing to do"),
        ("SHM302", "fill", {"written_bytes": MIB}, "the option max_write above default_size"),
        ("SHM302", "who_unsized", {"size_bytes": 64 * MIB}, "a kubelet of 1.22"),
        ("SHM302", "fill", {"stopped_by": "EDQUOT"}, "quota"),
        ("SHM302", "fill", {"stopped_by": "EFBIG"}, "RLIMIT_FSIZE"),
        ("SHM302", "fill", {"stopped_by": "EIO"}, "find what refuses the writes"),
        ("SHM302", "fill", {"stopped_by": "ENOSPC", "written_bytes": 64 * MIB}, "a runtime that honours"),
        ("SHM303", "who_sized", {"mount_fs": "ext4"}, "set medium: Memory"),
        ("SHM303", "who_sized", {"size_bytes": 64 * MIB}, "a kubelet of 1.22"),
        ("SHM303", "fill", {"stopped_by": "max", "written_bytes": 513 * MIB}, "a runtime that honours"),
        ("SHM303", "fill", {"written_bytes": MIB}, "a runtime that honours"),
        ("SHM303", "fill", {"stopped_by": "EIO"}, "find what refuses the writes"),
        ("SHM304", "who_bare", {"size_bytes": 12 * GIB}, "a kubelet of 1.22"),
        ("SHM305", "who_clipped", {"size_bytes": GIB}, "a kubelet of 1.22"),
        ("SHM306", "who_zero", {"size_bytes": 4096}, "leave sizeLimit out"),
        ("SHM307", "who_disk", {"mount_fs": "tmpfs"}, "find what puts memory there"),
        ("SHM308", "allocate", {"allocated": True}, "a runtime that honours"),
        ("SHM308", "allocate", {"calls": [failed("fallocate", "EOPNOTSUPP")]}, "medium: Memory"),
        ("SHM308", "allocate", {"calls": [failed("fallocate", "EPERM")]}, "seccomp"),
        ("SHM308", "allocate", {"calls": [failed("fallocate", "EFBIG")]}, "RLIMIT_FSIZE"),
        ("SHM309", "touch", {"stopped_by": "size"}, "a runtime that honours"),
        ("SHM310", "fill", {"stopped_by": "ENOSPC"}, "enlarge /dev/shm"),
        ("SHM310", "fill", {"stopped_by": "max"}, "memory cgroups"),
        ("SHM312", "get", NO_OBJECT, "a new /dev/shm"),
        ("SHM312", "again", {"stopped_by": "max"}, "do not rely on the memory limit"),
        ("SHM313", "who_first", {"exists": False}, "use a runtime that mounts /dev/shm"),
        ("SHM313", "flags", {"exec_map": False}, "compile at run time"),
        ("SHM313", "flags", {"exec_map": False}, "hardens /dev/shm on purpose"),
        ("SHM313", "flags", {"writable": False}, "without readOnly"),
        ("SHM313", "flags", {"dir_mode": "0755"}, "which has mode 1777"),
        ("SHM315", "flags", {"writable": True}, "honours readOnly"),
        ("SHM316", "beyond", {"memfd_bytes": MIB}, "memfd_create"),
        ("SHM316", "beyond", {"sysv_bytes": 16 * MIB}, "kernel.shmmax"),
        ("SHM316", "beyond", {"sysv_bytes": MIB}, "kernel.shmmax"),
        ("SHM317", "flags", {"exec_map": False}, "find what mounts or changes the volume"),
        ("SHM317", "sub_path_flags", {"dir_mode": "0755"}, "mount the whole volume"),
        ("SHM318", "who_one", {"exists": False}, "use a runtime that mounts /dev/shm"),
        ("SHM318", "flags", {"exec_map": False}, "compile at run time"),
        ("SHM318", "flags", {"dir_mode": "0755"}, "which has mode 1777"),
        ("SHM318", "flags", {"writable": False}, "without readOnly"),
        ("SHM318", "who_one", {"ns_user": FIRST_USER_NAMESPACE}, "support user namespaces"),
        ("SHM319", "who_grouped", {"mount_fs": "ext4"}, "set medium: Memory"),
        ("SHM319", "flags", {"dir_gid": 0}, "applies fsGroup"),
        ("SHM319", "flags", {"exec_map": False}, "find what mounts or changes the volume"),
        ("SHM319", "flags", {"writable": False, "inherits_group": None}, "find what mounts or changes the volume"),
    ],
)
def test_the_fix_is_of_the_branch(check: str, label: str, change: Facts, words: str) -> None:
    fix = decide(check, changed(GOOD[check](), label, **change)).fix
    assert words in fix
    # only a kubelet that gets the size wrong is too old
    assert ("1.22" in fix) == (words == "a kubelet of 1.22" or words == "leave sizeLimit out")


def test_only_what_is_mapped_without_exec_can_be_hardened_on_purpose() -> None:
    change: Facts = {"dir_mode": "0755"}
    assert "on purpose" not in decide("SHM313", changed(GOOD["SHM313"](), "flags", **change)).fix


def test_a_fix_names_the_option_that_kept_from_measuring() -> None:
    cut = sized(stopped_by="max", written_bytes=MIB)
    assert "the option max_write " in decide("SHM303", cut, max_write_bytes=MIB).fix
    assert "the option fill " in decide("SHM303", cut, fill=False).fix


# ------------------------------------------------------------------------------------- nothing is decided


@pytest.mark.parametrize(
    ("check", "label", "change", "words"),
    [
        ("SHM301", "who_first", {"calls": [failed("statx", "EPERM")], "exists": False}, "stat is denied to the probe"),
        ("SHM301", "who_first", {"size_bytes": 0, "fs_type": "0x00000000"}, "its answers are wrong"),
        ("SHM308", "allocate", {"calls": [failed("open", "EACCES")]}, "nothing can be written"),
        ("SHM309", "who_one-sided", {"size_bytes": 0}, "the volume has 0 bytes"),
        ("SHM309", "touch", {"calls": [failed("open", "EACCES")]}, "nothing can be written"),
        ("SHM310", "fill", {"calls": [failed("open", "EROFS")]}, "nothing can be written"),
        ("SHM311", "put", {"made": False, "calls": [failed("open", "ENOSPC")]}, "could not be shared (open: ENOSPC"),
        ("SHM311", "get", {"found": False}, "could not be shared"),
        ("SHM312", "fits", {"calls": [failed("statfs", "ENOENT")]}, "nothing can be written"),
        # what does not even fit before shows nothing of what stays
        ("SHM312", "fits", {"stopped_by": "signal:9"}, "do not fit"),
        ("SHM312", "kill", {"stopped_by": "ENOSPC"}, "see SHM310"),
        ("SHM313", "who_first", {"calls": [failed("statx", "EPERM")], "exists": False}, "stat is denied to the probe"),
        ("SHM315", "flags", {"calls": [failed("open", "EACCES")]}, "not because the mount is read-only"),
        ("SHM316", "who_one-sided", {"size_bytes": 0}, "the volume has 0 bytes"),
        ("SHM317", "who_fellow", {"calls": [failed("statx", "EPERM")]}, "stat is denied to the probe"),
        ("SHM317", "who_sub-path", {"calls": [failed("statx", "EPERM")]}, "stat is denied to the probe"),
        ("SHM318", "who_one", {"calls": [failed("statx", "EPERM")], "exists": False}, "stat is denied to the probe"),
        ("SHM319", "who_grouped", {"calls": [failed("statx", "EPERM")]}, "stat is denied to the probe"),
    ],
)
def test_a_world_that_decides_nothing(check: str, label: str, change: Facts, words: str) -> None:
    with pytest.raises(Inconclusive) as caught:
        decide(check, changed(GOOD[check](), label, **change))
    assert words in caught.value.detail
    assert caught.value.reason is Reason.PREMISE_FAILED


@pytest.mark.parametrize(
    ("check", "label"),
    [
        ("SHM301", "fill"),
        ("SHM302", "fill"),
        ("SHM303", "fill"),
        ("SHM309", "touch"),
        ("SHM310", "fill"),
        ("SHM312", "fits"),
        ("SHM312", "kill"),
        ("SHM312", "again"),
        ("SHM316", "beyond"),
    ],
)
def test_what_a_deadline_cut_short_decides_nothing(check: str, label: str) -> None:
    answers = changed(GOOD[check](), label, timeout=10000, stopped_by="deadline")
    with pytest.raises(Inconclusive, match="did not finish within step_timeout") as caught:
        decide(check, answers)
    assert caught.value.reason is Reason.TIMEOUT


@pytest.mark.parametrize(
    ("check", "label", "change"),
    [
        ("SHM307", "who_disk", {"mount_fs": "9p"}),
        ("SHM311", "writer", {"memory_usage_bytes": None}),
        ("SHM311", "who_second", {"memory_usage_bytes": None}),
        # of the node, or of the whole pod
        ("SHM311", "writer", {"memory_usage_bytes": GIB}),
    ],
)
def test_what_a_sandbox_hides_decides_nothing(check: str, label: str, change: Facts) -> None:
    with pytest.raises(Inconclusive) as caught:
        decide(check, changed(GOOD[check](), label, **change))
    assert caught.value.reason is Reason.NOT_VISIBLE
    assert caught.value.reason in find(check).skips


@pytest.mark.parametrize(
    ("check", "label", "fact"),
    [
        ("SHM317", "flags", "exec_map"),
        ("SHM317", "sub_path_flags", "dir_mode"),
        ("SHM317", "sub_path_flags", "dir_uid"),
        ("SHM318", "flags", "writable"),
        ("SHM318", "who_one", "ns_user"),
        ("SHM319", "flags", "dir_gid"),
        # a group that nobody looked at is not the requested one
        ("SHM319", "flags", "inherits_group"),
    ],
)
def test_a_fact_that_is_not_reported_is_no_evidence(check: str, label: str, fact: str) -> None:
    with pytest.raises(Inconclusive, match=f"did not report {fact}") as caught:
        decide(check, changed(GOOD[check](), label, **t.cast("Facts", {fact: None})))
    assert caught.value.reason is Reason.PROBE_ERROR


@pytest.mark.parametrize(
    ("writer", "reader", "verdict"),
    [
        (8 * MIB * 9 // 10, 4 * MIB - 1, "PASS"),
        (8 * MIB * 9 // 10 - 1, 0, "FAIL"),
        (8 * MIB, 4 * MIB, "FAIL"),
    ],
)
def test_who_pays_for_a_page_is_seen_over_what_else_a_container_uses(writer: int, reader: int, verdict: str) -> None:
    answers = changed(charge(), "writer", memory_usage_bytes=MIB + writer)
    assert decide("SHM311", changed(answers, "reader", memory_usage_bytes=MIB + reader)).verdict == verdict


def test_a_container_at_its_limit_sees_its_own_cgroup() -> None:
    limit = 40 * MIB
    assert decide("SHM311", changed(charge(), "writer", memory_usage_bytes=limit)).verdict is Verdict.PASS
    with pytest.raises(Inconclusive, match="the memory cgroup of others"):
        decide("SHM311", changed(charge(), "writer", memory_usage_bytes=limit + 1))


def test_permissions_of_two_users_decide_nothing_where_one_was_requested() -> None:
    answers = changed_who(changed_who(charge(), "first", uid=65532), "second", uid=1000)
    with pytest.raises(Inconclusive, match="run as users 1000 and 65532, though one was requested"):
        decide("SHM311", answers)
    assert decide("SHM311", changed_who(answers, "second", uid=65532)).verdict is Verdict.PASS


@pytest.mark.parametrize("check", ["SHM309", "SHM316"])
def test_a_volume_that_is_larger_than_requested_decides_nothing(check: str) -> None:
    with pytest.raises(Inconclusive, match="see SHM303") as caught:
        decide(check, changed_who(GOOD[check](), "one-sided", size_bytes=64 * MIB))
    assert caught.value.reason is Reason.PREMISE_FAILED


# -------------------------------------------------------------- the pod that the API server stored


def test_sizes_are_those_of_the_pod_that_was_stored() -> None:
    stored = with_limit(context("SHM302"), "pair", GIB)
    assert judge("SHM302", unsized(), stored).verdict is Verdict.FAIL
    assert judge("SHM302", unsized(GIB), stored).verdict is Verdict.PASS


def test_a_limit_that_the_cluster_gives_closes_the_trap() -> None:
    stored = with_limit(context("SHM304"), "undeclared", 64 * MIB)
    assert judge("SHM304", GOOD["SHM304"](), stored).verdict is Verdict.FAIL
    with pytest.raises(Inconclusive, match="67108864 bytes") as caught:
        judge("SHM304", of_size("bare", 64 * MIB)(), stored)
    assert caught.value.reason is Reason.LIMIT_RANGE
    assert caught.value.reason in find("SHM304").skips


def test_a_size_limit_that_nothing_clips() -> None:
    """Since the containers have more than it, by option or because an injected one has no limit."""
    clipped = of_size("clipped", GIB)()
    decision = decide("SHM305", clipped, memory_bytes=GIB)
    assert (decision.verdict, MORE_MEMORY in decision.fix) == (Verdict.WARN, True)
    assert judge("SHM305", clipped, with_injected(context("SHM305"), "volumes")).verdict is Verdict.WARN
    assert decide("SHM305", GOOD["SHM305"](), memory_bytes=2 * GIB).verdict is Verdict.FAIL


def test_a_writer_with_memory_enough_is_not_killed() -> None:
    with pytest.raises(Inconclusive) as caught:
        decide("SHM310", GOOD["SHM310"](), memory_bytes=128 * MIB)
    assert caught.value.reason is Reason.NOT_REQUESTED
    assert caught.value.reason in find("SHM310").skips
    assert caught.value.detail == "the memory limit of the container is 134217728 bytes, and max_write allows 67108864"


@pytest.mark.parametrize(("limit", "verdict"), [(64 * MIB - 1, "PASS"), (64 * MIB, "")])
def test_a_limit_as_large_as_what_is_written_kills_nobody(limit: int, verdict: str) -> None:
    known = with_limit(context("SHM310"), "tight", limit)
    if verdict:
        assert judge("SHM310", GOOD["SHM310"](), known).verdict == verdict
    else:
        with pytest.raises(Inconclusive, match="max_write allows 67108864"):
            judge("SHM310", GOOD["SHM310"](), known)


def test_without_the_requested_limit_nothing_shows_who_is_killed() -> None:
    with pytest.raises(Inconclusive, match="without a memory limit") as caught:
        judge("SHM310", GOOD["SHM310"](), with_limit(context("SHM310"), "tight", None))
    assert caught.value.reason is Reason.PREMISE_FAILED


def test_a_container_has_its_own_limit_beside_an_injected_one() -> None:
    assert judge("SHM310", GOOD["SHM310"](), with_injected(context("SHM310"), "tight")).verdict is Verdict.PASS


def test_what_stays_after_a_kill_counts_for_the_pod_alone() -> None:
    lived = changed(after_kill(), "again", stopped_by="max")
    assert decide("SHM312", lived).verdict is Verdict.FAIL
    injected = with_injected(context("SHM312"), "tight")
    decision = judge("SHM312", lived, injected)
    assert decision.verdict is Verdict.WARN
    assert "the pod got more memory than requested" in decision.observed
    assert MORE_MEMORY in decision.fix
    # what was left and what is written fit into it together
    for limit, verdict in ((GIB, Verdict.WARN), (34 * MIB, Verdict.WARN), (34 * MIB - 1, Verdict.FAIL)):
        assert judge("SHM312", lived, with_limit(context("SHM312"), "tight", limit)).verdict is verdict
    assert judge("SHM312", lived, with_limit(context("SHM312"), "tight", None)).verdict is Verdict.WARN
    # that it does count shows all the same
    assert judge("SHM312", after_kill(), injected).verdict is Verdict.PASS


@pytest.mark.parametrize(("check", "role"), [("SHM302", "pair"), ("SHM304", "undeclared")])
def test_a_volume_that_the_cluster_sizes_shows_nothing_of_one_without_a_size(check: str, role: str) -> None:
    known = context(check)

    def sized(size_limit: str) -> Context:
        volumes = [
            {"name": one["name"], "emptyDir": {"sizeLimit": size_limit}} for one in known.pods[role].spec["volumes"]
        ]
        return with_spec(known, role, volumes=volumes)

    with pytest.raises(Inconclusive, match="gives the volume a sizeLimit of 100Mi") as caught:
        judge(check, GOOD[check](), sized("100Mi"))
    assert caught.value.reason is Reason.ADMISSION_DENIED
    # which is none
    assert judge(check, GOOD[check](), sized("0")).verdict is Verdict.PASS


def test_a_group_of_the_pod_sets_the_bit_that_files_inherit_it_by() -> None:
    stored = with_spec(context("SHM317"), "volumes", securityContext={"fsGroup": 1000})
    assert judge("SHM317", GOOD["SHM317"](), stored).verdict is Verdict.FAIL
    of_group = steps("fellow", "sub-path", flags=OF_GROUP, sub_path_flags=OF_GROUP)()
    assert judge("SHM317", of_group, stored).verdict is Verdict.PASS
    without_group = with_spec(context("SHM317"), "volumes", securityContext=None)
    assert judge("SHM317", of_group, without_group).verdict is Verdict.FAIL


def test_a_cluster_is_free_to_refuse_what_these_checks_are_about() -> None:
    assert size.shm_flags_user_namespace.skips == {Reason.UNSUPPORTED, Reason.FEATURE_GATE_OFF, *POLICIES}
    assert size.shm_volume_group.skips == {*POLICIES}
    assert size.shm_limit_undeclared.skips == {
        Reason.QUOTA_EXCEEDED,
        Reason.LIMIT_RANGE,
        Reason.NODE_UNKNOWN,
        *POLICIES,
    }


# ---------------------------------------------------------------------------- what a rule depends on


@pytest.mark.parametrize(
    ("flag", "steps"),
    [
        # what is looked for after its container was killed
        ("keep", ["SHM312 put"]),
        # what is charged: all of it is written, not its beginning alone
        ("fill", ["SHM311 put", "SHM312 put"]),
    ],
)
def test_the_probe_gets_the_flags_that_its_facts_depend_on(flag: str, steps: list[str]) -> None:
    assert given(size.CHECKS, flag) == dict.fromkeys(steps, "1")


def test_a_kill_is_no_answer_where_what_is_written_fits() -> None:
    may_be_killed = ["SHM301 fill", "SHM302 fill", "SHM303 fill", "SHM310 fill", "SHM312 kill", "SHM312 again"]
    assert steps_that(size.CHECKS, lambda step: step.may_be_oom_killed) == may_be_killed


def test_a_container_that_was_killed_is_not_waited_for_to_clean_up() -> None:
    assert steps_that(size.CHECKS, lambda step: step.skip_if_killed) == ["SHM312 drop"]


@pytest.mark.parametrize(
    ("bare", "swappable", "swapped", "fix"),
    [
        ("rw", "rw", "the runtime's own /dev/shm and a volume of medium Memory can", "set the kubelet's"),
        ("rw", "rw,noswap", ": a volume of medium Memory can", "set the kubelet's"),
        ("rw,noswap", "rw", ": the runtime's own /dev/shm can", "mount an emptyDir of medium Memory"),
    ],
)
def test_what_can_go_to_swap_is_named(bare: str, swappable: str, swapped: str, fix: str) -> None:
    decision = decide("SHM320", swap(bare, swappable, swap_limit="unlimited"))
    assert decision.verdict is Verdict.WARN
    assert swapped in decision.observed
    assert decision.fix.startswith(fix)


@pytest.mark.parametrize(
    ("label", "change", "reason"),
    [
        ("swap", {"swap_areas": 0}, Reason.NODE_HAS_NONE),
        ("swap", {"swap_areas": None}, Reason.NOT_VISIBLE),
        ("who_swappable", {"mount_fs": "9p"}, Reason.NOT_VISIBLE),
        ("who_bare", {"mount_fs": "9p"}, Reason.NOT_VISIBLE),
    ],
)
def test_where_swap_says_nothing(label: str, change: Facts, reason: Reason) -> None:
    with pytest.raises(Inconclusive) as caught:
        decide("SHM320", changed(GOOD["SHM320"](), label, **change))
    assert caught.value.reason is reason
    assert reason in find("SHM320").skips


def test_a_limit_that_the_cluster_gives_says_nothing_about_swap() -> None:
    limits = {"bare": 64 * MIB, "swappable": 64 * MIB}
    stored = with_pod(context("SHM320"), "undeclared", memory_limit=128 * MIB, container_limits=limits)
    with pytest.raises(Inconclusive, match="gives the container a memory limit") as caught:
        judge("SHM320", GOOD["SHM320"](), stored)
    assert caught.value.reason is Reason.LIMIT_RANGE
    assert caught.value.reason in find("SHM320").skips
    kept = swap(swappable="rw,noswap")
    assert judge("SHM320", kept, stored).verdict is Verdict.PASS
