# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections.abc

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import isolation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import (
    FIRST_IPC_NAMESPACE,
    FOUND_OBJECT,
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
    find,
    judge,
    posix_object,
    segment,
    unreported,
    who,
    with_spec,
)


def isolated(part: collections.abc.Callable[[bool], Answers]) -> World:
    return lambda: {**who(first={}, stranger={"ns_ipc": 8, "path_dev": "0:45"}), **part(False)}


def node_views() -> Answers:
    found = posix_object()
    return {
        **who(ipc={"ns_ipc": FIRST_IPC_NAMESPACE}, path={}, plain={}),
        "put": found["put"],
        "get_path": found["get"],
        "get_plain": posix_object(found=False)["get"],
        "drop": found["drop"],
    }


GOOD: dict[str, World] = {
    "SHM501": isolated(segment),
    "SHM502": isolated(posix_object),
    "SHM503": node_views,
    "SHM504": node_views,
}


def test_every_check_has_a_good_world() -> None:
    assert [check.id for check in isolation.CHECKS] == list(GOOD)


def test_both_checks_of_the_node_share_their_steps() -> None:
    assert isolation.host_ipc.steps is isolation.host_path.steps


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
        ("SHM501", "read", {"found": True, "peer_nonce": "c1"}, "FAIL", "finds the segment"),
        ("SHM501", "who_stranger", {"ns_ipc": 7}, "WARN", "one number of IPC namespace"),
        ("SHM502", "get", {"found": True, "peer_nonce": "o1"}, "FAIL", "finds the object"),
        ("SHM502", "who_stranger", {"path_dev": "0:44"}, "WARN", "device 0:44"),
        ("SHM503", "who_ipc", {"ns_ipc": 7}, "FAIL", "the namespace is an ordinary pod's"),
        ("SHM503", "who_plain", {"ns_ipc": FIRST_IPC_NAMESPACE}, "WARN", "an ordinary pod is in the same namespace"),
        ("SHM503", "who_ipc", {"ns_ipc": 8}, "WARN", "only a node that is no container"),
        ("SHM503", "get_path", NO_OBJECT, "FAIL", "is not what hostPath shows"),
        # under the run's own name, but not of this run
        ("SHM503", "get_path", {"peer_nonce": "x"}, "FAIL", "is not what hostPath shows"),
        ("SHM504", "get_path", NO_OBJECT, "FAIL", "is not the node's"),
        ("SHM504", "get_plain", FOUND_OBJECT, "FAIL", "an ordinary container has"),
        ("SHM504", "who_path", {"ns_ipc": FIRST_IPC_NAMESPACE}, "FAIL", "that of its pod is 7"),
    ],
)
def test_both_directions(check: str, label: str, change: Facts, verdict: str, words: str) -> None:
    decision = decide(check, changed(GOOD[check](), label, **change))
    assert decision.verdict == verdict, decision.observed
    assert words in decision.observed
    assert bool(decision.fix) == (verdict != "PASS")


@pytest.mark.parametrize("check", ["SHM503", "SHM504"])
@pytest.mark.parametrize("label", ["get_path", "get_plain"])
def test_an_object_that_a_security_module_hides_is_not_therefore_absent(check: str, label: str) -> None:
    denied: Facts = {**NO_OBJECT, "calls": [failed("shm_open", "EACCES")]}
    with pytest.raises(Inconclusive, match="cannot look for the object") as caught:
        decide(check, changed(GOOD[check](), label, **denied))
    assert caught.value.reason is Reason.PREMISE_FAILED


@pytest.mark.parametrize(
    ("check", "label"), [("SHM501", "create"), ("SHM502", "put"), ("SHM503", "put"), ("SHM504", "put")]
)
def test_absence_proves_nothing_if_nothing_was_created(check: str, label: str) -> None:
    nothing: Facts = {"made": False, "attached": False, "calls": [failed("open", "ENOSPC")]}
    with pytest.raises(Inconclusive) as caught:
        decide(check, changed(GOOD[check](), label, **nothing))
    assert caught.value.reason is Reason.PREMISE_FAILED


@pytest.mark.parametrize(
    ("check", "label", "change", "words"),
    [
        # under the run's own name, but not of this run
        ("SHM501", "read", {"found": True, "peer_nonce": "x"}, "foreign segment"),
        ("SHM502", "get", {"found": True}, "foreign object"),
        ("SHM503", "put", {"made": False, "calls": [failed("shm_open", "EEXIST")]}, "foreign object"),
        ("SHM501", "read", {"calls": [failed("shmget", "EPERM")]}, "the second pod cannot look"),
        ("SHM502", "get", {"calls": [failed("shm_open", "EACCES")]}, "cannot look for the object"),
        ("SHM504", "get_path", {**NO_OBJECT, "calls": [failed("statx", "EPERM")]}, "stat is denied"),
    ],
)
def test_a_world_that_decides_nothing(check: str, label: str, change: Facts, words: str) -> None:
    with pytest.raises(Inconclusive, match=words) as caught:
        decide(check, changed(GOOD[check](), label, **change))
    assert caught.value.reason is Reason.PREMISE_FAILED


@pytest.mark.parametrize(
    ("check", "label", "change"),
    [
        ("SHM501", "read", {"found": True, "peer_nonce": "c1"}),
        ("SHM502", "get", {"found": True, "peer_nonce": "o1"}),
    ],
)
def test_the_fix_names_what_the_cluster_changed(check: str, label: str, change: Facts) -> None:
    leaked = changed(GOOD[check](), label, **change)
    assert "use a runtime" in judge(check, leaked, context(check)).fix
    hosted = with_spec(context(check), "other", hostIPC=True)
    assert "gives pods hostIPC" in judge(check, leaked, hosted).fix
    mount = {"name": "stranger", "volumeMounts": [{"name": "x", "mountPath": "/dev/shm"}]}
    mounted = judge(check, leaked, with_spec(context(check), "other", containers=[mount])).fix
    assert ("mounts a volume on /dev/shm" in mounted) == (check == "SHM502")


@pytest.mark.parametrize("check", ["SHM503", "SHM504"])
@pytest.mark.parametrize(
    ("role", "change", "words"),
    [
        ("host-ipc", {"hostIPC": False}, "took hostIPC"),
        ("host-path", {"volumes": [{"name": "host-shm", "emptyDir": {}}]}, "took the hostPath volume"),
        ("host-ipc", {"containers": [{"name": "ipc", "volumeMounts": [{"mountPath": "/dev/shm"}]}]}, "mounts a volume"),
    ],
)
def test_what_was_taken_from_one_pod_decides_on_neither(check: str, role: str, change: Facts, words: str) -> None:
    with pytest.raises(Inconclusive, match=words) as caught:
        judge(check, GOOD[check](), with_spec(context(check), role, **change))
    assert caught.value.reason is Reason.ADMISSION_DENIED
    assert caught.value.reason in find(check).skips


def test_the_kernels_first_namespace_is_named() -> None:
    assert f"{FIRST_IPC_NAMESPACE}, the kernel's first" in decide("SHM503", node_views()).observed
    assert "the kernel's first" not in decide("SHM503", changed_who(node_views(), "ipc", ns_ipc=8)).observed


def test_the_nodes_namespace_is_not_a_pods() -> None:
    leaked = {"ns_ipc": FIRST_IPC_NAMESPACE}
    answers = changed_who(changed_who(node_views(), "plain", **leaked), "path", **leaked)
    decision = decide("SHM504", answers)
    assert (decision.verdict, "use a runtime" in decision.fix) == (Verdict.FAIL, True)
    hosted = with_spec(context("SHM504"), "host-path", hostIPC=True)
    assert "gives pods hostIPC" in judge("SHM504", answers, hosted).fix


def test_the_nodes_objects_in_an_ordinary_container_come_from_the_runtime_or_from_a_mount() -> None:
    leaked, known = changed(node_views(), "get_plain", **FOUND_OBJECT), context("SHM504")
    assert "use a runtime" in judge("SHM504", leaked, known).fix
    stored = [
        {**one, "volumeMounts": [{"name": "x", "mountPath": "/dev/shm"}]}
        for one in known.pods["host-path"].spec["containers"]
    ]
    assert (
        "mounts a volume on /dev/shm" in judge("SHM504", leaked, with_spec(known, "host-path", containers=stored)).fix
    )


def test_equal_numbers_of_every_sandbox_show_nothing() -> None:
    with pytest.raises(Inconclusive, match="shows the number 7") as caught:
        decide("SHM504", changed_who(node_views(), "ipc", ns_ipc=7))
    assert caught.value.reason is Reason.NOT_VISIBLE
    assert caught.value.reason in find("SHM504").skips


def test_without_a_host_to_compare_with_nothing_is_known_of_its_path() -> None:
    answers = changed(changed_who(node_views(), "ipc", ns_ipc=7), "get_path", **NO_OBJECT)
    with pytest.raises(Inconclusive, match="hostIPC has no effect") as caught:
        decide("SHM504", answers)
    assert caught.value.reason is Reason.NOT_VISIBLE
