# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import common, control
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import CHECKS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import CONTROL as CONTROL_LAYOUT
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Mechanism,
    PodOptions,
    Settings,
    Sizes,
    Verdict,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import protocol
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import plan
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import (
    Answers,
    changed,
    context,
    decide,
    failed,
    find,
    judge,
    seen,
    unreported,
)

CONTROL: Answers = {"same": seen("control_same", positive=True, negative=True)}


def test_every_control_is_here() -> None:
    assert sorted(check.id for check in control.CHECKS) == [f"SHM{number}" for number in range(901, 914)]


@pytest.mark.parametrize("mechanism", Mechanism)
def test_each_mechanism_has_a_positive_and_a_negative_control(mechanism: Mechanism) -> None:
    assert len([check for check in control.CHECKS if check.mechanisms == {mechanism}]) == 2


def test_the_steps_of_the_probe_say_which_mechanism_they_use() -> None:
    """The names that a check's tags have, and those of the steps, are of one kind: neither can drift."""
    names = {mechanism.value for mechanism in Mechanism}
    for check in CHECKS:
        assert check.tags & names <= {mechanism.value for mechanism in check.mechanisms}, check.id
        for step in check.steps:
            family = next((name for name in ("sysv_shm", "sysv_sem", "sysv_msg") if step.name.startswith(name)), "")
            family = family or ("posix_mq" if step.name.startswith("mq_") else "")
            family = family or ("posix_shm" if step.name.startswith(("object_", "mutex_")) else "")
            assert not family or step.mechanisms == {family}, step.name


def test_no_pod_is_smaller_than_that_of_the_controls() -> None:
    settings = Settings()
    plans = plan(
        [*CHECKS, *control.CHECKS], settings, Sizes.of(settings), "ff", (f"{n:032x}" for n in itertools.count())
    )
    needs = {one.role: sum(each.memory_bytes for each in one.containers) for layout in plans for one in layout.pods}
    assert needs["control"] == min(needs.values())
    (pod,) = next(layout.pods for layout in plans if layout.layout is CONTROL_LAYOUT)
    assert (pod.volumes, pod.sysctls, pod.options) == ((), (), PodOptions())


NOT_MADE: Answers = {
    "create": seen("sysv_sem_create", made=False, calls=[failed("semget", "ENOSYS")]),
    "post": seen("sysv_sem_post", found=False, calls=[failed("semget", "ENOSYS")]),
}


@pytest.mark.parametrize(("errno", "verdict"), [("ENOSYS", "FAIL"), ("EPERM", "FAIL"), ("ENOSPC", "WARN")])
def test_what_is_denied_to_everybody_fails_and_a_limit_does_not(errno: str, verdict: str) -> None:
    decision = decide(
        "SHM904",
        changed(NOT_MADE, "create", calls=[failed("semget", errno)])
        | {"post": seen("sysv_sem_post", found=False, calls=[failed("semget", "ENOENT")])},
    )
    assert (decision.verdict, errno in decision.observed) == (verdict, True)
    assert ("CONFIG_SYSVIPC" in decision.fix) == (verdict == "FAIL")


@pytest.mark.parametrize(("posted", "verdict"), [(True, "PASS"), (False, "FAIL")])
def test_a_semaphore_that_a_container_created_itself(posted: bool, verdict: str) -> None:
    answers = {"create": seen("sysv_sem_create", made=True), "post": seen("sysv_sem_post", found=True, posted=posted)}
    assert decide("SHM904", answers).verdict == verdict


@pytest.mark.parametrize(("errno", "words"), [("ENOSYS", "CONFIG_SYSVIPC"), ("ENOSPC", "kernel.shmmni")])
def test_a_segment_that_is_denied_to_everybody_needs_another_fix_than_one_too_many(errno: str, words: str) -> None:
    answers = changed(CONTROL, "same", calls=[failed("shmget", errno)], positive=False)
    assert words in decide("SHM901", answers).fix


@pytest.mark.parametrize(
    ("check", "label", "step", "call"),
    [
        ("SHM905", "post", "sysv_sem_post", "semget"),
        ("SHM907", "receive", "sysv_msg_receive", "msgget"),
        ("SHM909", "get", "object_get", "shm_open"),
        ("SHM913", "receive", "mq_receive", "mq_open"),
    ],
)
def test_what_nobody_created(check: str, label: str, step: str, call: str) -> None:
    for found, errno, verdict in ((False, "ENOENT", "PASS"), (False, "ENOSYS", "FAIL"), (True, "", "FAIL")):
        calls = [failed(call, errno)] if errno else []
        decision = decide(check, {label: seen(step, found=found, calls=calls)})
        assert decision.verdict == verdict
        assert ("nobody created" in decision.observed) == found


@pytest.mark.parametrize(
    ("check", "labels", "call"),
    [
        ("SHM906", ("create", "send", "receive"), "msgget"),
        ("SHM908", ("put", "get"), "shm_open"),
        ("SHM912", ("create", "send", "receive"), "mq_open"),
    ],
)
def test_what_a_container_created_itself(check: str, labels: tuple[str, ...], call: str) -> None:
    *_before, sender, receiver = labels
    for nonce, verdict in ((f"of {sender}", "PASS"), (f"of {receiver}", "FAIL"), ("of create", "FAIL")):
        answers = {label: seen("x", f"of {label}", made=True, found=True) for label in labels}
        answers[receiver] = seen("x", f"of {receiver}", found=True, peer_nonce=nonce)
        assert decide(check, answers).verdict == verdict
    lost = seen("x", "r", found=False, calls=[failed("mmap", "ENOMEM")])
    assert decide(check, {**answers, receiver: lost}).observed == "not found (mmap: ENOMEM)"
    denied = {label: seen("x", "n", made=False, found=False, calls=[failed(call, "ENOSYS")]) for label in labels}
    decision = decide(check, denied)
    assert (decision.verdict, decision.observed) == ("FAIL", f"not found ({call}: ENOSYS)")
    assert ("CONFIG_POSIX_MQUEUE" in decision.fix) == (call == "mq_open")


def test_a_semaphore_of_posix() -> None:
    held = {"same": seen("control_sem", made=True, found=True, absent=True)}
    assert [decide(check, held).verdict for check in ("SHM910", "SHM911")] == ["PASS", "PASS"]
    wrong = {"same": seen("control_sem", made=True, found=False, absent=False)}
    assert [decide(check, wrong).verdict for check in ("SHM910", "SHM911")] == ["FAIL", "FAIL"]
    full = {"same": seen("control_sem", made=False, absent=True, calls=[failed("sem_open", "ENOSPC")])}
    assert [decide(check, full).verdict for check in ("SHM910", "SHM911")] == ["WARN", "PASS"]


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
    decision = decide(check, changed(CONTROL, "same", **change))
    assert (decision.verdict, bool(decision.fix)) == (verdict, verdict == "FAIL")


@pytest.mark.parametrize("check", ["SHM901", "SHM902"])
def test_what_the_probe_did_not_report_decides_nothing(check: str) -> None:
    with pytest.raises(Inconclusive):
        decide(check, unreported(CONTROL))


def test_the_canary_notices_a_rule_that_passes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find("SHM903").steps == ()
    world = context("SHM901")
    assert judge("SHM903", {}, world).verdict is Verdict.PASS
    # what compares nonces is one function for all rules
    monkeypatch.setattr(common, "failed_crossing", lambda *args: None)
    decision = judge("SHM903", {}, world)
    assert (decision.verdict, "a wrong nonce is PASS" in decision.observed) == (Verdict.FAIL, True)
    assert decision.fix


def test_the_canary_notices_a_reader_that_reads_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "parse", lambda *args: seen("identity"))
    decision = judge("SHM903", {}, context("SHM903"))
    assert (decision.verdict, decision.observed) == (Verdict.FAIL, "a damaged output is read")
