# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t
import zlib

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _model
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID, CHECKS, CONTROLS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    SENTENCE,
    Check,
    Container,
    Context,
    Decision,
    Group,
    Inputs,
    Layout,
    Node,
    PodSeen,
    Seen,
    Settings,
    Sizes,
    SkippedNodes,
    Step,
    Target,
    Verdict,
    worst,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason

# -------------------------------------------------------------------------------------------------- verdicts


def test_the_worst_verdict_comes_first() -> None:
    by_severity = sorted(Verdict, key=lambda verdict: verdict.severity)
    assert by_severity == ["UNREACHABLE", "FAIL", "ERROR", "WARN", "PASS", "SKIP"]
    assert [verdict.severity for verdict in by_severity] == list(range(6))


def test_what_fails_a_run_and_what_rests_on_evidence() -> None:
    assert {verdict for verdict in Verdict if verdict.is_bad} == {"UNREACHABLE", "FAIL", "ERROR"}
    assert {verdict for verdict in Verdict if verdict.is_decided} == {"FAIL", "WARN", "PASS"}


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["PASS", "PASS"], "PASS"),
        (["PASS", "SKIP"], "PASS"),
        (["PASS", "WARN"], "WARN"),
        (["ERROR", "WARN"], "ERROR"),
        (["ERROR", "FAIL", "PASS"], "FAIL"),
        (["FAIL", "UNREACHABLE"], "UNREACHABLE"),
        (["WARN", "SKIP"], "WARN"),
        (["SKIP"], "ERROR"),
        (["SKIP", "SKIP"], "ERROR"),
        ([], "ERROR"),
    ],
)
def test_worst(verdicts: list[str], expected: str) -> None:
    assert worst(Verdict(verdict) for verdict in verdicts) == expected


@pytest.mark.parametrize("verdict", [Verdict.SKIP, Verdict.ERROR, Verdict.UNREACHABLE])
def test_a_rule_decides_or_raises(verdict: Verdict) -> None:
    with pytest.raises(ValueError, match=f"instead of deciding {verdict}"):
        Decision(verdict, "seen", "a fix")


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.WARN])
def test_a_finding_needs_a_fix(verdict: Verdict) -> None:
    assert Decision(verdict, "seen", "a fix").fix == "a fix"
    with pytest.raises(ValueError, match=f"{verdict} needs a fix: seen"):
        Decision(verdict, "seen")


def test_a_pass_has_no_fix() -> None:
    assert Decision(Verdict.PASS, "seen").fix == ""
    with pytest.raises(ValueError, match="PASS has no fix: seen"):
        Decision(Verdict.PASS, "seen", "a fix")


# ------------------------------------------------------------------------------------------------------ sizes


def test_what_fills_is_bounded_by_max_write() -> None:
    free, bounded = Sizes.of(Settings()), Sizes.of(Settings(max_write_bytes=5 * MIB))
    assert (free.fill_default, free.fill_limit) == (65 * MIB, 513 * MIB)
    changed = {
        field.name for field in dataclasses.fields(Sizes) if getattr(free, field.name) != getattr(bounded, field.name)
    }
    assert changed == {"fill_default", "fill_memory", "fill_limit", "fill_small", "fill_grown", "used"}
    assert {getattr(bounded, name) for name in changed} == {5 * MIB}


def test_texts_are_sizes_in_bytes_and_words() -> None:
    settings = Settings(size_limit_bytes=500_000_001, profiles=("db2",), minimums={"kernel.shmmni": (1,)})
    texts = _model.texts(settings, Sizes.of(settings))
    assert (texts["default_size"], texts["small"]) == ("67108864", "16777216")
    assert (texts["size_limit_text"], texts["size_limit_paged"]) == ("500000001", "500002816")
    assert texts["profiles"] == "db2, kernel.shmmni"
    assert _model.texts(Settings(profiles=()), Sizes.of(Settings()))["profiles"] == "nothing in particular"


@pytest.mark.parametrize("check", [*CHECKS, *CONTROLS], ids=lambda check: check.id)
def test_questions_and_expectations_have_texts_for_their_placeholders(check: Check) -> None:
    texts = _model.texts(Settings(), Sizes.of(Settings()))
    for text in (check.question, check.expected):
        assert "{" not in text.format_map(texts)


# ----------------------------------------------------------------------------------------------------- inputs


def inputs(run: str, check: str = "SHM101") -> Inputs:
    return Inputs.of(run, check, Sizes.of(Settings()))


def test_inputs_are_those_of_one_check_in_one_run() -> None:
    one = inputs("0a1b2c3d4e")
    assert (one.file, one.name, one.text) == (
        "podshm-0a1b2c3d4e-shm101",
        "/podshm-0a1b2c3d4e-shm101",
        SENTENCE,
    )
    keys = {inputs(run, check).key for run in ("0a1b2c3d4e", "0a1b2c3d4f") for check in BY_ID}
    assert len(keys) == 2 * len(BY_ID)


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_key_is_positive_and_never_private(offset: int) -> None:
    """IPC_PRIVATE is 0, and a key is a signed number of 32 bits."""
    wraps_at = 0x7FFFFFFE
    run = f"{4 * wraps_at - zlib.crc32(b'SHM101') + offset:x}"
    expected = {-1: wraps_at, 0: 1, 1: 2}[offset]
    assert int(inputs(run).key, 16) == expected
    assert 0 < expected <= 0x7FFFFFFF


# ----------------------------------------------------------------------------------------------------- checks

ONE: t.Final = Container("one")
TWO: t.Final = Container("two")
LAYOUT: t.Final = Layout("layout", "a pod of two containers", (ONE, TWO))


def declare(**changes: t.Any) -> Check:
    """Declare a check as a family of checks does when it is imported."""

    def rule(seen: Seen, context: Context) -> Decision:
        """Nothing is ever wrong."""
        return Decision(Verdict.PASS, "fine")

    usual = {"group": Group.SYSV, "layout": LAYOUT, "question": "Is it?", "expected": "it is"}
    return _model.check("SHM199", "a_check", **{**usual, **changes})(rule)


def test_a_rule_becomes_its_check() -> None:
    step = Step("who", ONE, "identity")
    check = declare(tags="size users", steps=[step], skips=[Reason.FORBIDDEN])
    assert (check.id, check.name, check.steps) == ("SHM199", "a_check", (step,))
    assert check.tags == {"size", "users"}
    assert check.skips == {Reason.FORBIDDEN}
    seen = Seen(check.steps, {})
    assert check.rule(seen, t.cast("Context", None)).observed == "fine"


def test_two_steps_of_one_label_are_refused() -> None:
    with pytest.raises(ValueError, match=r"SHM199: two steps have one label: \['who', 'who'\]"):
        declare(steps=(Step("who", ONE, "identity"), Step("who", TWO, "identity")))


def test_a_tag_that_nobody_describes_is_refused() -> None:
    with pytest.raises(ValueError, match="SHM199: there is no tag basik, sizes"):
        declare(tags="size sizes basik")


def test_a_container_of_another_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="SHM199: the layout layout has no container three"):
        declare(steps=(Step("who", Container("three"), "identity"),))


def test_a_check_runs_unless_its_option_is_empty() -> None:
    assert declare().is_enabled(Settings())
    check = declare(option="restart_kubelet")
    assert not check.is_enabled(Settings())
    assert check.is_enabled(Settings(restart_kubelet=("true",)))


# ------------------------------------------------------------------------------------------- what a rule sees


def observation(step: str) -> Observation:
    return Observation(step, "aa", {}, (), None)


def test_an_observation_is_found_by_the_handle_of_its_step() -> None:
    first, second = Step("first", ONE, "identity"), Step("second", TWO, "identity")
    answers = {"second": observation("b"), "first": observation("a"), "third": observation("c")}
    seen = Seen((first, second), answers)
    assert (seen[first].step, seen[second].step) == ("a", "b")
    # in the order of the steps, and none of another check
    assert [one.step for one in seen.values()] == ["a", "b"]


def test_a_step_without_an_answer_is_a_bug_and_no_evidence() -> None:
    first, same_label = Step("first", ONE, "identity"), Step("first", ONE, "identity")
    for seen, step in ((Seen((first,), {}), first), (Seen((first,), {"first": observation("a")}), same_label)):
        with pytest.raises(Inconclusive, match="there is no answer to the step first") as caught:
            seen[step]
        assert caught.value.reason is Reason.INTERNAL
    assert Seen((first,), {}).values() == []


NODE: t.Final = Node("n", "amd64", 1024 * MIB, "pause", "Never", "containerd://2.4.2", "6.18", "v1.37.2")


def knowing(**pods: PodSeen) -> Context:
    return Context(Settings(), Sizes.of(Settings()), NODE, pods, LAYOUT)


def pod(memory_limit: int | None, own: int | None = None, phase: str | None = None) -> PodSeen:
    return PodSeen("layout", {}, memory_limit, {"one": own, "three": own}, phase)


def test_the_pod_of_a_container_is_found_by_its_role() -> None:
    context = knowing(layout=pod(1), other=pod(2))
    assert context.pod_of(ONE).memory_limit == 1
    assert context.pod_of(Container("three", pod="other")).memory_limit == 2


def test_a_pod_that_nobody_saw_afterwards() -> None:
    assert knowing(layout=pod(None, phase="Running")).pod_after(ONE).phase == "Running"
    with pytest.raises(Inconclusive, match="the pod layout after the last step is not known") as caught:
        knowing(layout=pod(None)).pod_after(ONE)
    assert caught.value.reason is Reason.POD_GONE
    why = Inconclusive(Reason.API_UNREACHABLE, "it has not answered since noon")
    with pytest.raises(Inconclusive) as caught:
        knowing(layout=dataclasses.replace(pod(None), unseen=why)).pod_after(ONE)
    assert caught.value is why


@pytest.mark.parametrize(
    ("limit", "own", "expected"), [(None, None, None), (None, 5, 5), (7, None, 7), (7, 5, 5), (5, 7, 5)]
)
def test_a_container_has_the_lesser_of_its_limit_and_its_pods(
    limit: int | None, own: int | None, expected: int | None
) -> None:
    context = knowing(layout=pod(limit, own))
    assert (context.container_limit(ONE), context.memory_limit(ONE)) == (expected, limit)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, (1024 * MIB, "node allocatable")),
        (1024 * MIB, (1024 * MIB, "node allocatable")),
        (2048 * MIB, (1024 * MIB, "node allocatable")),
        (1024 * MIB - 1, (1024 * MIB - 1, "pod memory limit")),
    ],
)
def test_what_bounds_a_volume(limit: int | None, expected: tuple[int, str]) -> None:
    assert knowing(layout=pod(limit)).volume_bound(ONE, 0) == expected


def test_the_unknown_size_of_a_node_decides_nothing() -> None:
    known = knowing(layout=pod(7))
    unknown = dataclasses.replace(known, node=dataclasses.replace(known.node, allocatable_memory_bytes=None))
    assert unknown.volume_bound(ONE, 7) == (7, "pod memory limit")
    for limit, measured in ((7, 6), (None, 9)):
        context = dataclasses.replace(unknown, pods=knowing(layout=pod(limit)).pods)
        with pytest.raises(Inconclusive, match="is not known") as caught:
            context.volume_bound(ONE, measured)
        assert caught.value.reason is Reason.NODE_UNKNOWN


# ---------------------------------------------------------------------------------------------------- targets


def test_targets_and_skipped_nodes_in_results() -> None:
    facts = Target(NODE, "gvisor", ("m", "o")).facts()
    assert (facts["name"], facts["runtime_class"], facts["represents"]) == ("n", "gvisor", ["m", "o"])
    assert facts["allocatable_memory_bytes"] == 1024 * MIB
    skipped = SkippedNodes(["w"], Reason.NOT_LINUX, "Windows")
    assert skipped.facts() == {"nodes": ["w"], "reason": "NotLinux", "detail": "Windows"}
