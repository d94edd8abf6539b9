# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import admission
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import LAYOUTS, SAMPLES, Sample
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Container, Mount, Seen, Verdict, Volume
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import (
    Answers,
    Facts,
    World,
    answered,
    changed,
    context,
    decide,
    seen,
    unreported,
)

SIDE_BY_SIDE: t.Final = {sample.role: sample for sample in SAMPLES}


def refusal(*containers: str, by: str = "PodSecurity") -> Facts:
    return {"admitted": False, "refused_by": by, "detail": "violates", "refused": " ".join(containers)}


def admitted(**refused: str) -> Answers:
    """The answers about all samples.

    :param refused: containers by the role of their pod, with C(_) for C(-).
    """
    by_role = {role.replace("_", "-"): containers.split() for role, containers in refused.items()}
    return {
        role: seen("@admit", **(refusal(*by_role[role]) if role in by_role else {"admitted": True}))
        for role in SIDE_BY_SIDE
    }


GOOD: dict[str, World] = {"SHM607": admitted}
_OTHERS: t.Final = {"undeclared": "bare swappable", "ipc-owner": "root root-ipc-owner user-ipc-owner"}
_BASELINE: t.Final = {
    "host_ipc": "ipc",
    "host_path": "path",
    "unsafe": "unsafe",
    "ipc_owner": "root-ipc-owner user-ipc-owner",
}


def test_every_check_has_a_good_world() -> None:
    assert [check.id for check in admission.CHECKS] == list(GOOD)


def test_every_pod_of_every_layout_is_a_sample() -> None:
    pods = {pod.role or layout.name for layout in LAYOUTS if not layout.dry_run_only for pod in layout.pods}
    assert pods < SIDE_BY_SIDE.keys()
    assert len(SIDE_BY_SIDE) == len(SAMPLES)
    in_layouts = {one for layout in LAYOUTS if not layout.dry_run_only for one in layout.containers}
    assert in_layouts < {one for sample in SAMPLES for one in sample.containers}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.role)
def test_what_is_refused_of_one_pod_alone_is_said_in_words(sample: Sample) -> None:
    containers = " ".join(one.name for one in sample.containers)
    decision = decide("SHM607", admitted(**{sample.role.replace("-", "_"): containers}))
    assert decision.verdict is not Verdict.PASS
    assert "refused: " in decision.observed


@pytest.mark.parametrize(
    ("role", "container", "words"),
    [
        ("tight", "tight", []),
        ("life", "before", ["an init container"]),
        ("sidecar", "beside", ["a sidecar container"]),
        ("pair", "guest", ["the user 65533"]),
        ("pair", "sized", ["a volume of medium Memory"]),
        ("volumes", "sub-path", ["a volume of medium Memory", "a subPath"]),
        ("volumes", "disk", ["a volume on the node's disk"]),
        (
            "undeclared",
            "bare",
            ["a container without a memory limit", "a volume of medium Memory", "a volume without sizeLimit"],
        ),
        ("ipc-owner", "root-ipc-owner", ["root", "the capability IPC_OWNER"]),
        ("host-path", "path", ["a hostPath volume"]),
        ("huge-pages", "huge", ["fsGroup", "a limit of huge pages", "a volume of medium HugePages"]),
        ("huge-pages", "huge-peer", ["fsGroup", "a volume of medium HugePages"]),
    ],
)
def test_what_a_container_asks_of_a_namespace(role: str, container: str, words: list[str]) -> None:
    sample = SIDE_BY_SIDE[role]
    (asking,) = (one for one in sample.containers if one.name == container)
    assert list(admission.demands(sample, asking)) == words


def test_a_path_of_the_node_hides_no_other_volume() -> None:
    mounts = (Mount("/node", Volume("node", host_path="/x")), Mount("/dev/shm", Volume("memory", "Memory")))
    words = list(admission.demands(SIDE_BY_SIDE["tight"], Container("both", mounts)))
    assert words == ["a hostPath volume", "a volume of medium Memory", "a volume without sizeLimit"]


def test_good_world_passes() -> None:
    assert answered("SHM607", admitted())
    assert decide("SHM607", admitted()).verdict is Verdict.PASS


def test_what_the_api_server_does_not_know_is_told() -> None:
    answers = changed(admitted(), "users", unknown="hostUsers")
    decision = decide("SHM607", answers)
    assert decision.verdict is Verdict.PASS
    assert "nothing is refused; this Kubernetes leaves out what it does not know: hostUsers:" in decision.observed


def test_what_is_not_answered_decides_nothing() -> None:
    with pytest.raises(Inconclusive):
        decide("SHM607", unreported(admitted()))


def test_a_refused_volume_fails() -> None:
    decision = decide("SHM607", admitted(volume_on_dev_shm="volume"))
    assert decision.verdict is Verdict.FAIL
    assert "(violates)" in decision.observed


@pytest.mark.parametrize("by", ["AdmissionDenied", "SecurityConstraint"])
def test_what_refuses_every_pod_says_nothing_of_the_volume(by: str) -> None:
    """A policy about namespaces, labels or registries."""
    everything = {sample.role: refusal(*(one.name for one in sample.containers), by=by) for sample in SAMPLES}
    answers = {role: seen("@admit", **facts) for role, facts in everything.items()}
    with pytest.raises(Inconclusive, match="violates") as caught:
        decide("SHM607", answers)
    assert caught.value.reason == by
    # one pod that is admitted shows that the volume is what is refused
    assert decide("SHM607", {**answers, "complete": seen("@admit", admitted=True)}).verdict is Verdict.FAIL


@pytest.mark.parametrize("by", ["QuotaExceeded", "LimitRange"])
def test_where_nothing_has_room_nothing_is_decided(by: str) -> None:
    answers = changed(admitted(), "volume-on-dev-shm", **refusal("volume", by=by))
    with pytest.raises(Inconclusive, match="violates") as caught:
        decide("SHM607", answers)
    assert caught.value.reason == by


def test_one_demand_explains_all_that_is_refused_for_it() -> None:
    decision = decide("SHM607", admitted(pair="unsized", undeclared="bare"))
    assert decision.verdict is Verdict.WARN
    assert decision.observed.startswith("refused: a volume without sizeLimit (PodSecurity): no level")
    # by the first that is refused for it
    answers = changed(admitted(pair="unsized"), "undeclared", **refusal("bare", by="LimitRange"))
    assert decide("SHM607", answers).observed.startswith("refused: a volume without sizeLimit (PodSecurity): no level")


def test_a_pod_that_is_too_large_is_refused_as_a_whole() -> None:
    """A LimitRange of pods: each of its containers alone would be admitted."""
    pair = " ".join(one.name for one in SIDE_BY_SIDE["pair"].containers)
    decision = decide("SHM607", changed(admitted(), "pair", **refusal(*pair.split(), by="LimitRange")))
    assert decision.observed.startswith("refused: the pod pair as a whole (LimitRange): no level")
    decision = decide("SHM607", admitted(pair="first second"))
    assert "container first of the pod pair (PodSecurity), container second of the pod pair" in decision.observed


def test_what_pods_carry_without_exec_is_told_as_that() -> None:
    alone = ("volume-on-dev-shm", "relaxed", "complete")
    refused = {sample.role: " ".join(one.name for one in sample.containers) for sample in SAMPLES}
    answers = admitted(**{role.replace("-", "_"): names for role, names in refused.items() if role not in alone})
    for role in refused.keys() - set(alone):
        answers = changed(answers, role, by_log=True)
    decision = decide("SHM607", answers)
    words = "what pods carry without exec (a downwardAPI volume, and one on the node's disk) (PodSecurity)"
    assert (decision.verdict, decision.observed.partition(":")[2]) == (
        Verdict.WARN,
        f" {words}: no level of the Pod Security Standards, but a policy of the cluster's own",
    )


def test_users_that_the_cluster_gives_explain_other_users() -> None:
    answers = changed(admitted(), "pair", **refusal("guest", by="SecurityConstraint"), without="users")
    decision = decide("SHM607", answers)
    assert decision.verdict is Verdict.WARN
    assert decision.observed.startswith("refused: a user that the pod names, where the cluster gives each its own")
    assert "65533" not in decision.observed
    # and nothing else
    users = "a user that the pod names, where the cluster gives each its own (SecurityConstraint)"
    answers |= {role: seen("@admit", **refusal(*names.split())) for role, names in _OTHERS.items()}
    others = "a container without a memory limit (PodSecurity)"
    assert decide("SHM607", answers).observed.startswith(f"refused: {users}, {others}: no level")


def test_a_user_is_named_where_the_cluster_gives_none() -> None:
    decision = decide("SHM607", admitted(pair="guest", ipc_owner="root root-ipc-owner user-ipc-owner"))
    assert "the user 65533 (PodSecurity)" in decision.observed


@pytest.mark.parametrize(
    ("refused", "level"),
    [
        ({}, "privileged"),
        (_BASELINE, "baseline"),
        ({**_BASELINE, "relaxed": "relaxed", "ipc_owner": "root root-ipc-owner user-ipc-owner"}, "restricted"),
    ],
)
def test_the_level_of_pod_security(refused: dict[str, str], level: str) -> None:
    decision = decide("SHM607", admitted(**refused))
    assert (decision.verdict, decision.observed.endswith(f"as at level {level}")) == (Verdict.PASS, True)


def test_what_the_run_was_refused_is_never_passed_over() -> None:
    check, answers = BY_ID["SHM607"], admitted()
    found = dataclasses.replace(context("SHM607"), refusals={"pair": "pod n/podshm-1-pair: exceeded quota"})
    decision = check.rule(Seen(check.steps, answers), found)
    assert decision.verdict is Verdict.WARN
    assert decision.observed.endswith("refused in this run: pod n/podshm-1-pair: exceeded quota")
    # and is not said twice
    known = admitted(**_BASELINE)
    found = dataclasses.replace(found, refusals={"host-ipc": "pod n/podshm-1-host-ipc: violates"})
    assert check.rule(Seen(check.steps, known), found).verdict is Verdict.PASS


def test_what_admission_changed_of_a_pod_is_not_admitted_as_it_is() -> None:
    answers = changed(admitted(), "volume-on-dev-shm", changed="volume kept: medium Memory -> none")
    decision = decide("SHM607", answers)
    assert decision.verdict is Verdict.WARN
    assert decision.observed.endswith(
        "the cluster changed the pod: volume-on-dev-shm: volume kept: medium Memory -> none"
    )
    assert "changes these pods" in decision.fix


def test_what_admission_changed_of_many_pods_is_said_once() -> None:
    answers = admitted()
    for role in ("pair", "tight"):
        answers = changed(answers, role, changed=f"container {role}: runAsUser 1 -> 2")
    assert decide("SHM607", answers).observed.endswith("the cluster changed the pod: runAsUser 1 -> 2 (2 times)")
