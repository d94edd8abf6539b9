# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID, CONTROLS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Check,
    Decision,
    Node,
    Settings,
    Sizes,
    Target,
    Verdict,
    texts,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import REMEDIES, Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import judge
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.results import Answer, LayoutResult

NODE = Node("n", "amd64", 2**30, "pause", "Never", "containerd://2", "6.18", "v1.37")
STORED: dict[str, t.Any] = {"spec": {"containers": [{"name": "first"}], "volumes": []}}
CONTROL = CONTROLS[0]


def seen(step: str, **facts: t.Any) -> Observation:
    return Observation(step, "aa", facts, (), None)


#: What the controls need, and one check beside them.
HOLDS: dict[str, dict[str, Answer]] = {
    control.id: {"same": seen("control_same", positive=True, negative=True)} for control in CONTROLS if control.steps
}
PASSES = {"SHM601": {"sysctls": seen("sysctls", kernel_shmmax=2**63, kernel_shmall=2**51, kernel_shmmni=9999)}}


def judged(
    check: Check,
    answers: t.Mapping[str, dict[str, Answer]],
    problem: Inconclusive | None = None,
    runtime_class: str = "",
    no_target: bool = False,
    stored: dict[str, t.Any] = STORED,
    **settings: t.Any,
) -> dict[str, t.Any]:
    """What is returned of a check."""
    chosen = Settings(**{"profiles": (), "minimums": {"kernel.shmmax": [1]}, **settings})
    sizes = Sizes.of(chosen)
    pods = dict.fromkeys(("pair", "other", "host-ipc"), (STORED, stored))
    layouts = {one.layout.name for one in (check, *CONTROLS)}
    results = {name: LayoutResult(answers=dict(answers), pods=pods) for name in layouts}
    target = None if no_target else Target(NODE, runtime_class, ("n",))
    ((returned,), _controls) = judge.Judge("c", chosen, sizes, texts(chosen, sizes), target, results, problem).judge(
        [check]
    )
    return returned


def test_a_rule_decides_on_the_answers() -> None:
    one = judged(BY_ID["SHM601"], {**HOLDS, **PASSES})
    assert (one["verdict"], one["reason"], one["remedy"]) == ("PASS", "", "")
    assert one["observed"] == "enough for kernel.shmmax"
    assert one["evidence"]["sysctls"]["facts"]["kernel_shmmni"] == 9999


def test_a_fix_of_the_rule_becomes_the_remedy() -> None:
    one = judged(BY_ID["SHM601"], {**HOLDS, **PASSES}, minimums={"kernel.shmmni": [10**6]})
    assert one["verdict"] == "FAIL"
    assert one["remedy"].startswith("set these sysctls in the pod")


@pytest.mark.parametrize(
    ("reason", "verdict"), [(Reason.NOT_VISIBLE, "SKIP"), (Reason.TIMEOUT, "ERROR"), (Reason.NOT_LINUX, "SKIP")]
)
def test_only_reasons_that_a_check_declares_skip_it_and_nodes_without_linux_all(reason: Reason, verdict: str) -> None:
    one = judged(BY_ID["SHM601"], {**HOLDS, "SHM601": {"sysctls": Inconclusive(reason, "why")}})
    assert (one["verdict"], one["reason"], one["remedy"]) == (verdict, reason, REMEDIES[reason])
    assert one["evidence"] == {"sysctls": {"undecided": reason.value, "detail": "why"}}


def test_an_answer_that_the_rule_cannot_read_is_a_bug_and_no_verdict() -> None:
    one = judged(BY_ID["SHM601"], {**HOLDS, "SHM601": {"sysctls": seen("sysctls", kernel_shmmax="many")}})
    assert (one["verdict"], one["reason"]) == ("ERROR", "Internal")


def test_without_answers_nothing_was_created_and_nothing_passes() -> None:
    one = judged(BY_ID["SHM601"], {})
    assert (one["verdict"], one["reason"]) == ("SKIP", "CheckMode")


def test_without_a_node_nothing_is_decided() -> None:
    one = judged(BY_ID["SHM601"], {}, no_target=True)
    assert (one["verdict"], one["reason"], one["node"]) == ("ERROR", "NoNode", "")


def test_what_ended_the_run_is_said_of_every_check() -> None:
    one = judged(BY_ID["SHM601"], {}, Inconclusive(Reason.UNAUTHORIZED, "no", "API server x"))
    assert (one["verdict"], one["reason"]) == ("ERROR", "Unauthorized")
    assert one["observed"] == "undecided: cluster c, API server x: no"


def test_a_check_whose_option_is_not_set_is_skipped() -> None:
    one = judged(BY_ID["SHM403"], HOLDS)
    assert (one["verdict"], one["reason"]) == ("SKIP", "NotAsked")
    assert one["observed"] == "not applicable: the option restart_kubelet is not set"


BROKEN = {**HOLDS, CONTROL.id: {"same": seen("control_same", positive=False, negative=True)}}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (PASSES["SHM601"]["sysctls"], "ControlFailed"),
        # a refusal by a cluster whose controls do not hold says nothing
        (Inconclusive(Reason.TIMEOUT, "why"), "Timeout"),
        (Inconclusive(Reason.NOT_VISIBLE, "why"), "NotVisible"),
    ],
)
def test_a_control_that_does_not_hold_takes_every_decision_away(answer: Answer, reason: str) -> None:
    one = judged(BY_ID["SHM601"], {**BROKEN, "SHM601": {"sysctls": answer}})
    assert one["reason"] == reason
    if reason == "ControlFailed":
        assert one["verdict"] == "ERROR"
        assert one["observed"].startswith("undecided: cluster c, SHM901 does not hold: not found")


def test_a_refusal_counts_only_if_the_controls_hold() -> None:
    refused = {"SHM603": {"sysctls": Inconclusive(Reason.POD_SECURITY, "no")}}
    assert judged(BY_ID["SHM603"], {**HOLDS, **refused})["verdict"] == "SKIP"
    assert judged(BY_ID["SHM603"], {**BROKEN, **refused})["reason"] == "ControlFailed"


def accepted(check: str, runtime_class: str, accept: dict[str, str]) -> tuple[str, str, str]:
    """Verdict, words and remedy of a check that FAILs."""
    settings = Settings(accept=accept)
    target = Target(NODE, runtime_class, ("n",))
    one = judge.Judge("c", settings, Sizes.of(settings), {}, target, {}, None)
    ruling = one._accepted(BY_ID[check], Decision(Verdict.FAIL, "seen", "mend it"))
    return ruling.verdict.value, ruling.observed, ruling.remedy


def test_an_accepted_failure_is_a_warning_with_its_reason() -> None:
    accept = {"SHM313": "hardened on purpose"}
    assert accepted("SHM313", "", accept) == ("WARN", "seen; accepted: hardened on purpose", "mend it")
    assert accepted("SHM101", "", accept) == ("FAIL", "seen", "mend it")


def test_what_is_accepted_under_one_runtime_class_is_not_accepted_under_another() -> None:
    accept = {"SHM101@gvisor": "devices", "SHM102@gvisor": "there", "SHM102": "everywhere"}
    assert accepted("SHM101", "gvisor", accept)[:2] == ("WARN", "seen; accepted: devices")
    assert accepted("SHM101", "", accept)[:2] == ("FAIL", "seen")
    assert accepted("SHM102", "gvisor", accept)[:2] == ("WARN", "seen; accepted: there")
    assert accepted("SHM102", "", accept)[:2] == ("WARN", "seen; accepted: everywhere")


@pytest.mark.parametrize("verdict", [Verdict.WARN, Verdict.PASS])
def test_only_a_failure_can_be_accepted(verdict: Verdict) -> None:
    settings = Settings(accept={"SHM101": "why"})
    one = judge.Judge("c", settings, Sizes.of(settings), {}, Target(NODE, "", ("n",)), {}, None)
    decision = Decision(verdict, "seen", "" if verdict is Verdict.PASS else "fix")
    assert one._accepted(BY_ID["SHM101"], decision).observed == "seen"


CHANGED = {"spec": {**STORED["spec"], "hostIPC": True}}


def test_only_a_verdict_that_is_not_as_expected_names_what_the_cluster_changed() -> None:
    check = BY_ID["SHM601"]
    assert "changed" not in judged(check, {**HOLDS, **PASSES}, stored=CHANGED)["observed"]
    one = judged(check, {**HOLDS, **PASSES}, stored=CHANGED, minimums={"kernel.shmmni": [10**6]})
    assert one["observed"].endswith("; the cluster changed the pod: hostIPC false -> true")


def test_foreign_words_in_what_is_observed_are_printable() -> None:
    bad = Inconclusive(Reason.TIMEOUT, "\x1b[31mred")
    assert "\x1b" not in judged(BY_ID["SHM601"], {**HOLDS, "SHM601": {"sysctls": bad}})["observed"]
