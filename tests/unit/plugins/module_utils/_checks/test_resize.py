# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import resize
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import (
    GIB,
    MIB,
    NO_OBJECT,
    Answers,
    Facts,
    World,
    answered,
    changed,
    changed_who,
    decide,
    failed,
    filled,
    find,
    given,
    posix_object,
    seen,
    steps_that,
    unreported,
    who,
    without,
)


def at_creation() -> Answers:
    return {**who(resized={}), **filled("fellow", 16 * MIB), **posix_object()}


def twice(size_bytes: int = 16 * MIB) -> Answers:
    """One container before something happened and after it."""
    same = who(one={})["who_one"]
    return changed({"before": same, "after": same}, "after", size_bytes=size_bytes)


def volume(after: int, problem: str = "", **fill: t.Any) -> World:
    """A volume of 16 MiB that was resized in place."""
    return lambda: {
        **twice(after),
        "resize": seen("@resize_volume", resized=not problem, problem=problem),
        "fill": seen("fill", verified=True, **fill),
        "drop": seen("fill_drop"),
    }


GOOD: dict[str, World] = {
    "SHM401": at_creation,
    "SHM402": lambda: {**twice(), **posix_object(), "restart": seen("@restart", restarts=1)},
    "SHM403": lambda: {**twice(), **posix_object(), "restart": seen("@restart_kubelet", restarts=0)},
    "SHM404": lambda: {**twice(), "resize": seen("@resize", memory_bytes=80 * MIB)},
    "SHM405": volume(32 * MIB, written_bytes=32 * MIB, available_bytes=32 * MIB, stopped_by="ENOSPC"),
    "SHM406": volume(8 * MIB),
    "SHM407": volume(16 * MIB, problem="no room", written_bytes=7 * MIB),
}


def test_every_check_has_a_good_world() -> None:
    assert [check.id for check in resize.CHECKS] == list(GOOD)


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


@pytest.mark.parametrize("check", ["SHM401", "SHM405", "SHM407"])
def test_an_answer_that_is_absent_is_no_option_that_is_off(check: str) -> None:
    with pytest.raises(Inconclusive, match="there is no answer to the step fill") as caught:
        decide(check, without(GOOD[check](), "fill"))
    assert caught.value.reason is Reason.INTERNAL


@pytest.mark.parametrize("check", ["SHM401", "SHM405"])
def test_a_size_that_was_not_filled_is_no_pass(check: str) -> None:
    for answers in (GOOD[check](), without(GOOD[check](), "fill")):
        decision = decide(check, answers, fill=False)
        assert decision.verdict is Verdict.WARN
        assert "statvfs only: fill is off" in decision.observed
        assert "the option fill " in decision.fix


def test_a_size_that_was_not_filled_to_its_end_is_no_pass() -> None:
    cut = changed(at_creation(), "fill", stopped_by="max", written_bytes=MIB)
    decision = decide("SHM401", cut, max_write_bytes=MIB)
    assert (decision.verdict, "the option max_write " in decision.fix) == (Verdict.WARN, True)


def test_without_the_fill_nothing_is_in_use() -> None:
    with pytest.raises(Inconclusive, match="the option fill is off") as caught:
        decide("SHM407", GOOD["SHM407"](), fill=False)
    assert caught.value.reason is Reason.NOT_REQUESTED
    assert caught.value.reason in find("SHM407").skips


@pytest.mark.parametrize(
    ("check", "label", "change", "verdict", "words"),
    [
        ("SHM401", "who_resized", {"size_bytes": 64 * MIB}, "FAIL", "not 16777216 (sizeLimit)"),
        ("SHM401", "who_fellow", {"size_bytes": 64 * MIB}, "FAIL", "not 16777216 (sizeLimit)"),
        ("SHM401", "who_fellow", {"mount_fs": "ext4"}, "FAIL", "not a tmpfs"),
        ("SHM401", "get", NO_OBJECT, "FAIL", "does not find the object"),
        ("SHM401", "get", {"peer_nonce": "x"}, "FAIL", "something else"),
        ("SHM401", "fill", {"stopped_by": "max", "written_bytes": 17 * MIB}, "FAIL", "does not end there"),
        ("SHM402", "after", {"size_bytes": 8 * MIB}, "FAIL", "16777216 bytes before, 8388608 after"),
        # sandboxed runtimes give devices another number at each start
        ("SHM402", "after", {"path_dev": "0:9"}, "PASS", "the object is there"),
        ("SHM402", "get", NO_OBJECT, "FAIL", "is gone"),
        ("SHM402", "get", {"peer_nonce": "x"}, "FAIL", "something else"),
        ("SHM404", "after", {"size_bytes": 8 * MIB}, "FAIL", "16777216 bytes before, 8388608 after"),
        ("SHM403", "restart", {"restarts": 1}, "FAIL", "restarted the container (1 restarts)"),
        ("SHM403", "get", NO_OBJECT, "FAIL", "is gone"),
        ("SHM403", "after", {"size_bytes": MIB}, "FAIL", "1048576 after"),
        ("SHM404", "after", {"size_bytes": 32 * MIB}, "FAIL", "33554432 after"),
        ("SHM405", "after", {"size_bytes": 16 * MIB}, "FAIL", "though the kubelet reports that the resize is done"),
        ("SHM405", "resize", {"resized": False, "problem": "remount"}, "FAIL", "after: remount"),
        ("SHM405", "fill", {"written_bytes": 16 * MIB}, "FAIL", "ENOSPC after 16777216"),
        ("SHM406", "after", {"size_bytes": 16 * MIB}, "FAIL", "not 8388608"),
        ("SHM406", "resize", {"resized": False, "problem": "busy"}, "FAIL", "after: busy"),
        ("SHM407", "after", {"size_bytes": 4 * MIB}, "FAIL", "4194304 after"),
        ("SHM407", "resize", {"resized": True}, "FAIL", "16777216 after"),
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
        ("SHM401", "who_fellow", {"size_bytes": 64 * MIB}, "a kubelet of 1.22"),
        ("SHM401", "who_fellow", {"mount_fs": "ext4"}, "set medium: Memory"),
        ("SHM401", "get", NO_OBJECT, "mounts one volume into all containers"),
        ("SHM401", "fill", {"stopped_by": "max", "written_bytes": 17 * MIB}, "honours the size that it shows"),
        ("SHM402", "get", NO_OBJECT, "keeps the pod's mounts"),
        ("SHM402", "after", {"size_bytes": 8 * MIB}, "keeps the pod's mounts"),
        ("SHM403", "restart", {"restarts": 1}, "the kubelet's log"),
        ("SHM403", "after", {"size_bytes": MIB}, "the kubelet's log"),
        ("SHM404", "after", {"size_bytes": 32 * MIB}, "find what mounts the volume again"),
        ("SHM405", "resize", {"resized": False, "problem": "remount"}, "Kubernetes 1.37"),
        ("SHM405", "after", {"size_bytes": 16 * MIB}, "shows a remounted volume"),
        ("SHM405", "fill", {"written_bytes": 16 * MIB}, "honours the size that it shows"),
        ("SHM406", "resize", {"resized": False, "problem": "busy"}, "Kubernetes 1.37"),
        ("SHM406", "after", {"size_bytes": 16 * MIB}, "shows a remounted volume"),
        ("SHM407", "resize", {"resized": True}, "the maker of the kubelet"),
    ],
)
def test_the_fix_is_of_the_branch(check: str, label: str, change: Facts, words: str) -> None:
    fix = decide(check, changed(GOOD[check](), label, **change)).fix
    assert words in fix
    # a version is named where a newer one is what helps
    assert ("1.22" in fix) == (words == "a kubelet of 1.22")
    assert ("1.37" in fix) == (words == "Kubernetes 1.37")


@pytest.mark.parametrize(
    ("check", "label", "change", "words"),
    [
        ("SHM402", "put", {"made": False, "calls": [failed("shm_open", "EROFS")]}, "nothing can be put into it"),
        ("SHM403", "put", {"made": False, "calls": [failed("shm_open", "EROFS")]}, "nothing can be put into it"),
        ("SHM405", "before", {"size_bytes": 32 * MIB}, "had that size already"),
        ("SHM406", "before", {"size_bytes": 8 * MIB}, "had that size already"),
    ],
)
def test_a_world_that_decides_nothing(check: str, label: str, change: Facts, words: str) -> None:
    with pytest.raises(Inconclusive, match=words) as caught:
        decide(check, changed(GOOD[check](), label, **change))
    assert caught.value.reason is Reason.PREMISE_FAILED


@pytest.mark.parametrize("check", ["SHM401", "SHM405"])
def test_what_a_deadline_cut_short_decides_nothing(check: str) -> None:
    answers = changed(GOOD[check](), "fill", timeout=10000, stopped_by="deadline")
    with pytest.raises(Inconclusive, match="did not finish within step_timeout") as caught:
        decide(check, answers)
    assert caught.value.reason is Reason.TIMEOUT


def test_permissions_of_two_users_decide_nothing_where_one_was_requested() -> None:
    answers = changed_who(changed_who(at_creation(), "resized", uid=65532), "fellow", uid=1000)
    with pytest.raises(Inconclusive, match="run as users 1000 and 65532, though one was requested"):
        decide("SHM401", answers)
    assert decide("SHM401", changed_who(answers, "fellow", uid=65532)).verdict is Verdict.PASS


@pytest.mark.parametrize(("used", "decided"), [(4 * MIB + 1, True), (4 * MIB, False), (MIB, False)])
def test_less_in_use_than_the_new_size_keeps_nothing_from_shrinking(used: int, decided: bool) -> None:
    answers = changed(GOOD["SHM407"](), "fill", written_bytes=used)
    if decided:
        assert decide("SHM407", answers).verdict is Verdict.PASS
        return
    with pytest.raises(Inconclusive, match=f"max_write leaves only {used} bytes in use") as caught:
        decide("SHM407", answers)
    assert caught.value.reason is Reason.NOT_REQUESTED
    assert caught.value.reason in find("SHM407").skips


def test_a_memory_that_was_not_resized_shows_nothing_of_the_volume() -> None:
    def limits(before: int, after: int) -> Answers:
        answers = changed(GOOD["SHM404"](), "before", memory_limit_bytes=before)
        return changed(answers, "after", memory_limit_bytes=after)

    with pytest.raises(Inconclusive, match="nothing was resized") as caught:
        decide("SHM404", limits(64 * MIB, 64 * MIB))
    assert caught.value.reason is Reason.PREMISE_FAILED
    assert decide("SHM404", limits(64 * MIB, 80 * MIB)).verdict is Verdict.PASS
    # to what the pod was created with
    assert decide("SHM404", limits(48 * MIB, 64 * MIB)).verdict is Verdict.PASS
    # that of the node
    assert decide("SHM404", limits(GIB, GIB)).verdict is Verdict.PASS


@pytest.mark.parametrize("check", ["SHM404", "SHM405", "SHM406", "SHM407"])
def test_a_cluster_that_does_not_resize_in_place_is_skipped(check: str) -> None:
    assert find(check).skips - {Reason.NOT_REQUESTED} == {Reason.FORBIDDEN, Reason.INFEASIBLE, Reason.FEATURE_GATE_OFF}


def test_only_the_restart_of_the_kubelet_needs_an_option() -> None:
    assert {check.id: check.option for check in resize.CHECKS if check.option} == {"SHM403": "restart_kubelet"}


def test_a_kill_is_no_answer_where_the_volume_is_resized() -> None:
    """The container has memory for all that is written then: one that is killed shows nothing of the volume."""
    assert steps_that(resize.CHECKS, lambda step: step.may_be_oom_killed) == ["SHM401 fill"]


def test_what_is_looked_for_later_stays() -> None:
    assert given(resize.CHECKS, "keep") == {"SHM402 put": "1", "SHM403 put": "1", "SHM407 fill": "1"}
