# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import dataclasses
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import (
    BY_ID,
    CHECKS,
    CONTROLS,
    controls_of,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.features import SIDECARS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import (
    ADMISSION,
    FIRST,
    PAIR,
    UNSIZED,
    VOLUMES,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Check,
    Decision,
    Group,
    Layout,
    Mechanism,
    Node,
    Settings,
    Sizes,
    Step,
    Target,
    Verdict,
    texts,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import (
    POLICIES,
    REMEDIES,
    Inconclusive,
    Reason,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import judge
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.results import Answer, LayoutResult

NODE: t.Final = Node("n", "amd64", 2**30, "pause", "Never", "containerd://2.4.2", "6.18", "v1.37.2")
SETTINGS: t.Final = Settings()
POD: t.Final[dict[str, t.Any]] = {"spec": {"containers": [{"name": "first"}]}}

PASS: t.Final = Decision(Verdict.PASS, "fine")
WARN: t.Final = Decision(Verdict.WARN, "a remark", "read it")
FAIL: t.Final = Decision(Verdict.FAIL, "noexec", "mount a volume")


def decides(outcome: Decision | Exception, id_: str = "SHM101", layout: Layout = PAIR, **changes: t.Any) -> Check:
    """A check of one step whose rule decides or raises this."""

    def rule(seen: t.Any, context: t.Any) -> Decision:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    step = Step("step", layout.containers[0], "identity" if layout.dry_run_only else "sysv_shm_create")
    usual = Check(id_, "a_check", Group.SYSV, frozenset(), layout, (step,), "Is it?", "it is", rule)
    return dataclasses.replace(usual, **changes)


def observation(**facts: t.Any) -> Observation:
    return Observation("identity", "aa", facts, (), None)


def answered(*checks: Check, same: Answer | None = None, **steps: Answer) -> dict[str, LayoutResult]:
    """The results of a run in which the controls hold, and each check has these answers.

    :param same: the answer of the controls instead.
    """
    control = same or observation(positive=True, negative=True)
    held = LayoutResult(answers={one.id: {"same": control} for one in CONTROLS[:2]})
    results = {"control": held, "pair": LayoutResult(pods={"pair": (POD, POD)})}
    for check in checks:
        result = results.setdefault(check.layout.name, LayoutResult())
        result.answers[check.id] = dict(steps or {"step": observation()})
        result.seconds[check.id] = 0.25049
    return results


def bench(results: dict[str, LayoutResult], runtime_class: str = "", **changes: t.Any) -> judge.Judge:
    usual = judge.Judge(
        cluster="alpha",
        settings=SETTINGS,
        sizes=Sizes.of(SETTINGS),
        texts=texts(SETTINGS, Sizes.of(SETTINGS)),
        target=Target(NODE, runtime_class, ()),
        results=results,
        problem=None,
    )
    return dataclasses.replace(usual, **changes)


def judged(check: Check, results: dict[str, LayoutResult] | None = None, **changes: t.Any) -> dict[str, t.Any]:
    """What is returned of one check."""
    (returned,), _controls = bench(answered(check) if results is None else results, **changes).judge([check])
    return returned


def said(check: Check, results: dict[str, LayoutResult] | None = None, **changes: t.Any) -> tuple[str, str]:
    """Its verdict and its reason."""
    returned = judged(check, results, **changes)
    return returned["verdict"], returned["reason"]


# ------------------------------------------------------------------------------------------------- decisions


@pytest.mark.parametrize("decision", [PASS, WARN, FAIL])
def test_what_a_rule_decides_is_returned_with_its_fix(decision: Decision) -> None:
    assert judged(decides(decision)) == {
        "id": "SHM101",
        "name": "a_check",
        "group": "sysv",
        "node": "n",
        "runtime_class": "",
        "question": "Is it?",
        "verdict": decision.verdict.value,
        "reason": "",
        "expected": "it is",
        "observed": decision.observed,
        "remedy": decision.fix,
        "evidence": {"step": {"step": "identity", "nonce": "aa", "facts": {}, "calls": []}},
        "duration": 0.25,
    }


def test_sizes_stand_in_question_and_expectation() -> None:
    returned = judged(decides(PASS, question="Is it {size_limit_text}?", expected="{small} bytes"))
    assert (returned["question"], returned["expected"]) == ("Is it 512Mi?", "16777216 bytes")


def test_what_a_container_printed_is_safe_for_a_terminal() -> None:
    assert judged(decides(dataclasses.replace(FAIL, observed="\x1b[2Jall\nis fine")))["observed"] == "?[2Jall is fine"


def test_an_accepted_failure_is_a_warning_with_its_reason() -> None:
    settings = Settings(accept={"SHM313": "hardened on purpose"})
    accepted = judged(decides(FAIL, "SHM313"), settings=settings)
    assert (accepted["verdict"], accepted["reason"]) == ("WARN", "")
    assert accepted["observed"] == "noexec; accepted: hardened on purpose"
    assert accepted["remedy"] == "mount a volume"
    assert said(decides(FAIL, "SHM101"), settings=settings) == ("FAIL", "")


@pytest.mark.parametrize("decision", [PASS, WARN])
def test_only_a_failure_is_accepted(decision: Decision) -> None:
    returned = judged(decides(decision, "SHM313"), settings=Settings(accept={"SHM313": "hardened on purpose"}))
    assert (returned["verdict"], returned["observed"]) == (decision.verdict, decision.observed)


def test_what_is_undecided_is_not_accepted() -> None:
    lost = decides(Inconclusive(Reason.TIMEOUT, "slow"), "SHM313")
    assert said(lost, settings=Settings(accept={"SHM313": "hardened on purpose"})) == ("ERROR", "Timeout")


@pytest.mark.parametrize(
    ("check", "runtime_class", "verdict", "observed"),
    [
        ("SHM101", "gvisor", "WARN", "noexec; accepted: devices"),
        ("SHM101", "", "FAIL", "noexec"),
        ("SHM102", "gvisor", "WARN", "noexec; accepted: there"),
        ("SHM102", "", "WARN", "noexec; accepted: everywhere"),
    ],
)
def test_what_is_accepted_under_one_runtime_class_is_not_accepted_under_another(
    check: str, runtime_class: str, verdict: str, observed: str
) -> None:
    settings = Settings(accept={"SHM101@gvisor": "devices", "SHM102@gvisor": "there", "SHM102": "everywhere"})
    returned = judged(decides(FAIL, check), settings=settings, runtime_class=runtime_class)
    assert (returned["verdict"], returned["observed"]) == (verdict, observed)
    assert returned["runtime_class"] == runtime_class


# ------------------------------------------------------------------------------------------------- undecided


def test_what_decides_nothing_is_an_error_with_the_remedy_of_its_reason() -> None:
    returned = judged(decides(Inconclusive(Reason.PREMISE_FAILED, "stat is denied", "pod default/x")))
    assert (returned["verdict"], returned["reason"]) == ("ERROR", "PremiseFailed")
    assert returned["observed"] == "undecided: cluster alpha, pod default/x: stat is denied"
    assert returned["remedy"] == REMEDIES[Reason.PREMISE_FAILED]


def test_what_a_cluster_is_free_to_refuse_is_skipped_by_the_checks_that_declare_it() -> None:
    refused = Inconclusive(Reason.FEATURE_GATE_OFF, "the gate is off")
    declared = judged(decides(refused, skips=frozenset({Reason.FEATURE_GATE_OFF})))
    assert (declared["verdict"], declared["reason"]) == ("SKIP", "FeatureGateOff")
    assert declared["observed"] == "not applicable: the gate is off"
    assert declared["remedy"] == REMEDIES[Reason.FEATURE_GATE_OFF]
    assert said(decides(refused)) == ("ERROR", "FeatureGateOff")


def test_what_a_version_of_kubernetes_lacks_is_skipped_with_the_version_that_has_it() -> None:
    check = dataclasses.replace(
        decides(
            Inconclusive(Reason.FEATURE_GATE_OFF, "it is not known", "pod default/x"),
            skips=frozenset({Reason.FEATURE_GATE_OFF, Reason.FORBIDDEN}),
        ),
        needs=SIDECARS,
    )
    assert judged(check)["observed"] == (
        "not applicable: pod default/x: it is not known; Kubernetes 1.29 and newer have sidecars"
    )
    # another version does not help
    other = dataclasses.replace(check, rule=decides(Inconclusive(Reason.FORBIDDEN, "no patch")).rule)
    assert judged(other)["observed"] == "not applicable: no patch"


@pytest.mark.parametrize("skips", [frozenset[Reason](), frozenset({Reason.FORBIDDEN})])
def test_a_step_without_an_answer_decides_before_the_rule(skips: frozenset[Reason]) -> None:
    check = decides(FAIL, skips=skips)
    lost = Inconclusive(Reason.FORBIDDEN, "no exec", "pods/exec")
    returned = judged(check, answered(check, who=observation(), step=lost))
    assert (returned["verdict"], returned["reason"]) == ("SKIP" if skips else "ERROR", "Forbidden")
    assert returned["evidence"]["step"] == {"undecided": "Forbidden", "detail": "pods/exec: no exec"}


def test_a_step_that_the_probe_refused_decides_nothing() -> None:
    check = decides(FAIL)
    refused = Observation("sysv_shm_crate", "aa", {}, (), "unknown step", refused=True)
    returned = judged(check, answered(check, step=refused))
    assert (returned["verdict"], returned["reason"]) == ("ERROR", "ProbeError")
    assert "the probe refused the step sysv_shm_crate: unknown step" in returned["observed"]


@pytest.mark.parametrize(
    ("errno", "reason"),
    [("EAGAIN", "PidsLimit"), ("EPERM", "ProbeError"), ("ENOSYS", "ProbeError"), ("ENOMEM", "PremiseFailed")],
)
def test_a_node_that_starts_no_further_process_decides_nothing(errno: str, reason: str) -> None:
    check = decides(PASS)
    call = {"call": "fork", "errno": errno}
    returned = judged(check, answered(check, step=Observation("shm_fill", "aa", {}, (call,), None)))
    assert (returned["verdict"], returned["reason"]) == ("ERROR", reason)


def test_an_error_of_the_session_is_for_the_rule() -> None:
    check = decides(FAIL)
    answer = Observation("sysv_shm_detach", "aa", {}, (), "key this session holds no such segment")
    assert judged(check, answered(check, step=answer))["verdict"] == "FAIL"


def test_a_rule_that_cannot_read_the_evidence_is_a_bug() -> None:
    for error in (KeyError("size_bytes"), TypeError("no number"), ValueError("no")):
        returned = judged(decides(error))
        assert (returned["verdict"], returned["reason"]) == ("ERROR", "Internal")
        assert f"the rule of SHM101 cannot read the evidence: {error!r}" in returned["observed"]


def test_what_ended_the_run_is_said_of_every_check() -> None:
    problem = Inconclusive(Reason.INTERRUPTED, "SIGTERM")
    assert said(decides(FAIL), problem=problem) == ("ERROR", "Interrupted")
    # a step that has an answer of its own says more
    check = decides(FAIL)
    lost = answered(check, step=Inconclusive(Reason.TIMEOUT, "slow"))
    assert said(check, lost, problem=problem) == ("ERROR", "Timeout")


def test_windows_is_skipped_by_every_check() -> None:
    problem = Inconclusive(Reason.NOT_LINUX, "windows")
    check = decides(FAIL)
    assert not check.skips
    assert said(check, {}, target=None, problem=problem) == ("SKIP", "NotLinux")


def test_without_a_node_nothing_is_decided() -> None:
    check = decides(PASS)
    returned = judged(check, {}, target=None)
    assert (returned["verdict"], returned["reason"]) == ("ERROR", "NoNode")
    assert (returned["node"], returned["runtime_class"], returned["duration"]) == ("", "", 0.0)
    # nor by a rule that needs no answer
    assert said(decides(PASS, steps=()), {}, target=None) == ("ERROR", "NoNode")


def test_a_dry_run_has_no_answers() -> None:
    returned = judged(decides(FAIL), {})
    assert (returned["verdict"], returned["reason"]) == ("SKIP", "CheckMode")
    assert returned["remedy"] == REMEDIES[Reason.CHECK_MODE]
    assert returned["evidence"] == {}


def test_a_check_whose_option_is_not_set_did_not_run() -> None:
    check = decides(FAIL, option="restart_kubelet")
    returned = judged(check)
    assert (returned["verdict"], returned["reason"]) == ("SKIP", "NotRequested")
    assert returned["observed"] == "not applicable: the option restart_kubelet is not set"
    assert said(check, settings=Settings(restart_kubelet=("true",))) == ("FAIL", "")


# -------------------------------------------------------------------------------------------------- controls


def test_controls_that_hold_change_nothing() -> None:
    check = decides(PASS)
    _returned, controls = bench(answered(check)).judge([check])
    assert [(one["id"], one["verdict"]) for one in controls] == [
        ("SHM901", "PASS"),
        ("SHM902", "PASS"),
        ("SHM903", "PASS"),
    ]


@pytest.mark.parametrize("decision", [PASS, WARN, FAIL])
@pytest.mark.parametrize(
    ("same", "words"),
    [
        (observation(positive=False, negative=True), "SHM901 does not hold: not found"),
        (observation(positive=True, negative=False), "SHM902 does not hold: a segment that nobody created is found"),
        (observation(), "SHM901 does not hold: undecided: cluster alpha, the step identity did not report positive"),
        (Inconclusive(Reason.TIMEOUT, "slow"), "SHM901 does not hold: undecided: cluster alpha, slow"),
    ],
)
def test_nothing_is_decided_if_a_control_does_not_hold(decision: Decision, same: Answer, words: str) -> None:
    check = decides(decision)
    returned = judged(check, answered(check, same=same))
    assert (returned["verdict"], returned["reason"]) == ("ERROR", "ControlFailed")
    assert words in returned["observed"]
    assert returned["remedy"] == REMEDIES[Reason.CONTROL_FAILED]


BROKEN: t.Final = observation(positive=False, negative=True)


def test_a_refusal_is_no_skip_if_a_control_does_not_hold() -> None:
    """A probe that sees wrong can report a refusal that is none."""
    for reason, expected in (
        (Reason.FORBIDDEN, ("ERROR", "ControlFailed")),
        (Reason.ADMISSION_DENIED, ("ERROR", "ControlFailed")),
        (Reason.FEATURE_GATE_OFF, ("SKIP", "FeatureGateOff")),
    ):
        check = decides(Inconclusive(reason, "no"), skips=frozenset({reason}))
        assert said(check, answered(check, same=BROKEN)) == expected
        assert said(check) == ("SKIP", reason.value)


def test_a_refusal_is_no_skip_where_nothing_is_admitted() -> None:
    """What is refused is then not what the check demands."""
    for reason in POLICIES:
        check = decides(Inconclusive(reason, "no"), skips=frozenset({reason}))
        assert said(check) == ("SKIP", reason.value)
        assert said(check, is_closed=True) == ("ERROR", reason.value)


@pytest.mark.parametrize("reason", POLICIES)
def test_a_refusal_that_ends_the_run_is_no_skip(reason: Reason) -> None:
    """The anchor is refused: no pod was requested at all."""
    check = decides(PASS, skips=frozenset({reason}))
    assert said(check, problem=Inconclusive(reason, "no")) == ("ERROR", reason.value)


def test_an_error_keeps_its_own_reason_if_a_control_does_not_hold() -> None:
    check = decides(Inconclusive(Reason.TIMEOUT, "slow"))
    assert said(check, answered(check, same=BROKEN)) == ("ERROR", "Timeout")


def test_a_dry_run_does_not_depend_on_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    check = decides(FAIL, "SHM607", layout=ADMISSION)
    assert said(check, answered(check, same=BROKEN)) == ("FAIL", "")
    canary = dataclasses.replace(CONTROLS[2], rule=decides(FAIL).rule)
    assert not canary.steps
    monkeypatch.setattr(judge, "controls_of", lambda checks: [canary])
    assert said(check, answered(check)) == ("ERROR", "ControlFailed")


def test_what_each_control_is_depended_on_by() -> None:
    for checks, expected in (
        (["SHM101"], ["SHM901", "SHM902", "SHM903"]),
        (["SHM103"], ["SHM903", "SHM904", "SHM905"]),
        (["SHM104"], ["SHM903", "SHM906", "SHM907"]),
        (["SHM202"], ["SHM903", "SHM908", "SHM909"]),
        (["SHM201"], ["SHM903", "SHM908", "SHM909", "SHM910", "SHM911"]),
        (["SHM203"], ["SHM903", "SHM912", "SHM913"]),
        (["SHM301", "SHM607"], ["SHM903"]),
        (["SHM301", "SHM204"], ["SHM901", "SHM902", "SHM903", "SHM908", "SHM909"]),
    ):
        assert [control.id for control in controls_of([BY_ID[check] for check in checks])] == expected


@pytest.mark.parametrize("missing", Mechanism)
def test_a_mechanism_that_is_missing_costs_its_own_checks_only(missing: Mechanism) -> None:
    for mechanism, step in (("sysv_shm", "sysv_shm_create"), ("posix_mq", "mq_create"), ("", "fill")):
        check = decides(PASS, steps=(Step("step", PAIR.containers[0], step),))
        results = answered(check)
        for control in CONTROLS:
            problem = control.mechanisms == {missing} and Inconclusive(Reason.POD_FAILED, "it ended")
            fine = Observation("x", "aa", {"positive": True, "negative": True, "found": False, "made": False}, (), None)
            results["control"].answers[control.id] = {one.label: problem or fine for one in control.steps}
        assert said(check, results) == (("ERROR", "ControlFailed") if mechanism == missing.value else ("PASS", ""))


# ------------------------------------------------------------------------------------------------------ pods


def changed_pod(check: Check) -> dict[str, LayoutResult]:
    """The results of a run whose pod a policy changed."""
    results = answered(check)
    stored = copy.deepcopy(POD)
    stored["spec"]["hostIPC"] = True
    results["pair"].pods["pair"] = (POD, stored)
    return results


@pytest.mark.parametrize("outcome", [WARN, FAIL, Inconclusive(Reason.TIMEOUT, "slow")])
def test_what_the_cluster_changed_can_be_the_cause_of_a_finding(outcome: Decision | Exception) -> None:
    check = decides(outcome)
    observed = judged(check, changed_pod(check))["observed"]
    assert observed.endswith("; the cluster changed the pod: hostIPC false -> true")


@pytest.mark.parametrize("outcome", [PASS, Inconclusive(Reason.FORBIDDEN, "no")])
def test_where_nothing_is_wrong_no_cause_is_sought(outcome: Decision | Exception) -> None:
    check = decides(outcome, skips=frozenset({Reason.FORBIDDEN}))
    assert "changed" not in judged(check, changed_pod(check))["observed"]


@pytest.mark.parametrize("outcome", [PASS, FAIL, Inconclusive(Reason.FORBIDDEN, "no")])
def test_what_the_cluster_changed_is_in_the_evidence(outcome: Decision | Exception) -> None:
    check = decides(outcome, skips=frozenset({Reason.FORBIDDEN}))
    assert judged(check, changed_pod(check))["evidence"]["admission"] == {"changed": ["hostIPC false -> true"]}
    assert "admission" not in judged(check)["evidence"]


@pytest.mark.parametrize(("skips", "verdict"), [(frozenset(POLICIES), "SKIP"), (frozenset(), "ERROR")])
def test_a_check_about_what_the_cluster_took_away_is_not_decided(skips: frozenset[Reason], verdict: str) -> None:
    check = decides(FAIL, skips=skips)
    results = answered(check)
    asked = copy.deepcopy(POD)
    asked["spec"]["shareProcessNamespace"] = True
    results["pair"].pods["pair"] = (asked, POD)
    returned = judged(check, results)
    assert (returned["verdict"], returned["reason"]) == (verdict, "AdmissionDenied")
    assert "the cluster changed shareProcessNamespace true -> false" in returned["observed"]


def test_no_step_takes_the_place_of_admission_in_the_evidence() -> None:
    assert "admission" not in {step.label for check in (*CHECKS, *CONTROLS) for step in check.steps}


def test_a_pod_that_the_check_does_not_use_does_not_matter() -> None:
    check = decides(FAIL, steps=(Step("step", PAIR.containers[1], "identity"),))
    assert judged(check, changed_pod(check))["observed"] == FAIL.observed


def test_a_rule_knows_the_pods_of_its_layout() -> None:
    known: list[t.Any] = []

    def rule(seen: t.Any, context: t.Any) -> Decision:
        known.append(context)
        return PASS

    check = decides(PASS, layout=VOLUMES, rule=rule)
    results = answered(check)
    results["volumes"].pods["volumes"] = (POD, POD)
    results["volumes"].after["volumes"] = {"phase": "Failed", "reason": "Evicted", "terminated": {}}
    judged(check, results)
    assert list(known[0].pods) == ["volumes"]
    assert (known[0].pods["volumes"].phase, known[0].pods["volumes"].reason) == ("Failed", "Evicted")
    assert (known[0].node, known[0].settings, known[0].layout) == (NODE, SETTINGS, VOLUMES)


def test_a_pod_for_the_rules() -> None:
    stored = {
        "spec": {
            "containers": [
                {"name": "one", "resources": {"limits": {"memory": "32Mi"}}},
                {"name": "two", "resources": {"limits": {"memory": "64Mi"}}},
            ]
        }
    }
    ended = {"one": {"reason": "Completed", "exit_code": 0}, "two": {"reason": "Error", "exit_code": 2}}
    pod = judge.pod_seen("pair", stored, {"phase": "Failed", "reason": "Evicted", "terminated": ended})
    assert (pod.role, pod.phase, pod.reason) == ("pair", "Failed", "Evicted")
    assert pod.spec == stored["spec"]
    assert pod.memory_limit == 96 * 2**20
    assert pod.container_limits == {"one": 32 * 2**20, "two": 64 * 2**20}
    assert pod.exit_codes == {"one": 0, "two": 2}
    unseen = judge.pod_seen("pair", stored, None)
    assert (unseen.phase, unseen.reason, unseen.exit_codes) == (None, "", {})


# ----------------------------------------------------------------------------------- what the image declares

#: /dev/shm of a container whose image declares a volume there: containerd, CRI-O, Docker.
_ID: t.Final = "0123456789abcdef" * 4
IMAGE_VOLUMES: t.Final = (
    f"/var/lib/containerd/io.containerd.grpc.v1.cri/containers/{_ID}/volumes/{_ID}",
    f"/containers/storage/overlay-containers/{_ID}/userdata/mounts/{_ID}",
    f"/docker/volumes/{_ID}/_data",
)
#: What it is not: the runtime's own, a volume of the pod, a bind mount of the node's.
OTHERS: t.Final = ("/", f"/kubelet/pods/{_ID}/volumes/kubernetes.io~empty-dir/disk", "/shm", f"/sandboxes/{_ID}/shm")


def mounted(root: str) -> LayoutResult:
    """A layout that another check runs on: what one of its containers has on /dev/shm."""
    asked: dict[str, t.Any] = {"spec": {"containers": [{"name": "alone", "image": "corp/base:1"}]}}
    stored = {"spec": {"containers": [{"name": "proxy", "image": "istio/proxyv2"}, *asked["spec"]["containers"]]}}
    answer = observation(mount_point="/dev/shm", mount_root=root)
    return LayoutResult(answers={"SHM908": {"who_alone": answer}}, pods={"control": (asked, stored)})


@pytest.mark.parametrize("decision", [PASS, WARN, FAIL])
def test_a_volume_that_the_image_declares_decides_nothing(decision: Decision) -> None:
    check = decides(decision)
    check = dataclasses.replace(check, steps=(Step("step", FIRST, "object_put"),))
    for root in IMAGE_VOLUMES:
        returned = judged(check, {**answered(check), "others": mounted(root)})
        assert (returned["verdict"], returned["reason"]) == ("ERROR", "ImageVolume")
        assert "image corp/base:1: it declares a VOLUME on /dev/shm" in returned["observed"]
    for root in OTHERS:
        assert said(check, {**answered(check), "others": mounted(root)}) == (decision.verdict.value, "")


@pytest.mark.parametrize(
    "step",
    [Step("step", FIRST, "sysv_shm_create"), Step("step", FIRST, "mq_create"), Step("step", UNSIZED, "object_put")],
)
def test_a_volume_of_the_image_does_not_concern_what_is_elsewhere(step: Step) -> None:
    """System V memory and message queues are in no file system, and a volume of the pod hides that of the image."""
    check = dataclasses.replace(decides(PASS), steps=(step,))
    assert said(check, {**answered(check), "others": mounted(IMAGE_VOLUMES[0])}) == ("PASS", "")


def test_a_control_does_not_depend_on_the_file_system_of_the_image() -> None:
    check = dataclasses.replace(decides(PASS), steps=(Step("step", UNSIZED, "object_put"),))
    control = next(one for one in CONTROLS if one.id == "SHM908")
    results = {**answered(check), "control": mounted(IMAGE_VOLUMES[0])}
    answers = {"put": Observation("object_put", "aa", {"made": True}, (), None), "get": observation(peer_nonce="aa")}
    results["control"].answers[control.id].update(answers)
    _checks, controls = bench(results).judge([check])
    assert {one["id"]: one["verdict"] for one in controls}["SHM908"] == "PASS"


def test_each_refusal_of_a_pod_that_is_there_in_part_belongs_to_the_pod() -> None:
    first, second, other = (
        Inconclusive(Reason.POD_SECURITY, words, subject)
        for words, subject in (("container a", "pod n/p"), ("container b", "pod n/p"), ("hostIPC", "pod n/q"))
    )
    result = LayoutResult(refused={"ipc-owner": first}, answers={"SHM110": {"one": second, "two": other}})
    settings = Settings()
    one = judge.Judge("alpha", settings, Sizes.of(settings), {}, None, {"ipc-owner": result}, None)
    assert one._refusals() == {"ipc-owner": str(first), str(other): str(other)}
