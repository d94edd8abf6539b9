# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import pod_status


def pod(*states: dict[str, t.Any], phase: str = "Pending", **status: t.Any) -> dict[str, t.Any]:
    names = [f"c{number}" for number in range(2)]
    return {
        "metadata": {"namespace": "default", "name": "podshm-1-pair"},
        "spec": {
            "containers": [
                *({"name": name, "command": ["/podshm/probe", "hold"]} for name in names),
                {"name": "mesh", "command": ["/proxy"]},
            ],
            "nodeName": "n",
        },
        "status": {
            "phase": phase,
            "containerStatuses": [{"name": name, "state": state} for name, state in zip(names, states, strict=False)],
            **status,
        },
    }


RUNNING: dict[str, t.Any] = {"running": {}}
CREATING = {"waiting": {"reason": "ContainerCreating"}}


@pytest.mark.parametrize(
    ("states", "wanted"),
    [
        ((), False),
        ((RUNNING,), False),
        ((RUNNING, CREATING), False),
        ((RUNNING, RUNNING), True),
        ((RUNNING, {"terminated": {"reason": "Completed", "exitCode": 0}}), True),
    ],
)
def test_started(states: t.Any, wanted: bool) -> None:
    # the sidecar that was injected does not count
    assert pod_status.started(pod(*states)) is wanted


def with_foreign(kind: str, state: dict[str, t.Any]) -> dict[str, t.Any]:
    """A pod in which all of ours run, and a container that was injected."""
    one = pod(RUNNING, RUNNING)
    if kind == "initContainers":
        one["spec"]["initContainers"] = [{"name": "foreign"}]
        one["status"]["initContainerStatuses"] = [{"name": "foreign", "state": state}]
    else:
        one["status"]["containerStatuses"].append({"name": "mesh", "state": state})
    return one


def test_an_injected_container_that_cannot_be_pulled_keeps_ours_from_nothing() -> None:
    broken = {"waiting": {"reason": "ErrImagePull", "message": "no route"}}
    assert pod_status.started(with_foreign("containers", broken))
    with pytest.raises(Inconclusive, match="container foreign of pod") as caught:
        pod_status.started(with_foreign("initContainers", broken))
    assert caught.value.reason == "ImagePull"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"waiting": {"reason": "ErrImagePull", "message": "no route"}}, "ImagePull"),
        ({"waiting": {"reason": "ErrImageNeverPull"}}, "ImageRefused"),
        ({"waiting": {"reason": "InvalidImageName"}}, "ImagePull"),
        ({"waiting": {"reason": "CreateContainerError", "message": "boom"}}, "ContainerStart"),
        ({"terminated": {"reason": "StartError", "message": "exec /podshm/probe: exec format error"}}, "ProbeArch"),
        (
            {"terminated": {"reason": "StartError", "message": 'exec: "/podshm/probe": permission denied'}},
            "ProbeNoExec",
        ),
        ({"terminated": {"reason": "StartError", "message": "mkdir: permission denied"}}, "ContainerStart"),
    ],
)
def test_what_never_starts(state: dict[str, t.Any], reason: str) -> None:
    """It costs the other container nothing."""
    one = pod(RUNNING, state)
    assert pod_status.started(one)
    lost = pod_status.never_start(one)
    assert list(lost) == ["c1"]
    assert (lost["c1"].reason, lost["c1"].subject) == (reason, "container c1 of pod default/podshm-1-pair")
    for states in ((state, state), (RUNNING, CREATING)):
        assert bool(pod_status.not_up(pod(*states))) == (CREATING in states)
    with pytest.raises(Inconclusive) as caught:
        pod_status.started(pod(state, state))
    assert (caught.value.reason, caught.value.subject) == (reason, "container c0 of pod default/podshm-1-pair")


@pytest.mark.parametrize(
    ("second", "other", "wanted"),
    [(CREATING, "", True), (RUNNING, "", False), (CREATING, "other", False)],
)
def test_an_image_that_all_containers_lack_is_not_waited_for(second: t.Any, other: str, wanted: bool) -> None:
    one = pod({"waiting": {"reason": "ErrImagePull", "message": "no route"}}, second)
    if other:
        one["spec"]["containers"][1]["image"] = other
    if not wanted:
        assert pod_status.started(one) is (second is RUNNING)
        return
    with pytest.raises(Inconclusive, match="container c0"):
        pod_status.started(one)


@pytest.mark.parametrize("restart_policy", ["", "Always"])
def test_what_starts_after_a_container_that_never_does_is_lost_with_it(restart_policy: str) -> None:
    one = pod(CREATING, CREATING)
    first = {"name": "i", "command": ["/podshm/probe"], **({"restartPolicy": "Always"} if restart_policy else {})}
    one["spec"]["initContainers"] = [first]
    broken = {"waiting": {"reason": "CreateContainerError", "message": "boom"}}
    one["status"]["initContainerStatuses"] = [{"name": "i", "state": broken}]
    with pytest.raises(Inconclusive, match="container i of pod") as caught:
        pod_status.started(one)
    assert caught.value.reason == "ContainerStart"


def test_the_containers_that_did_not_start_in_time_are_named() -> None:
    assert pod_status.not_started(pod(RUNNING, CREATING), [], 30).detail == "c1 did not start within 30 s"


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("Evicted", "Evicted"),
        ("DeadlineExceeded", "Timeout"),
        ("OutOfmemory", "Unschedulable"),
        ("OutOfpods", "Unschedulable"),
        ("OutOfephemeral-storage", "Unschedulable"),
        ("UnexpectedAdmissionError", "KubeletRejected"),
        ("TopologyAffinityError", "KubeletRejected"),
        ("NodeAffinity", "KubeletRejected"),
        ("NodeShutdown", "KubeletRejected"),
        ("InitContainerRestartPolicyForbidden", "FeatureGateOff"),
        ("Terminated", "KubeletRejected"),
        ("", "PodFailed"),
    ],
)
def test_a_pod_that_failed(reason: str, wanted: str) -> None:
    with pytest.raises(Inconclusive) as caught:
        pod_status.started(pod(phase="Failed", reason=reason))
    assert caught.value.reason == wanted


def test_a_pod_that_somebody_deletes() -> None:
    deleted = pod(RUNNING, RUNNING)
    deleted["metadata"]["deletionTimestamp"] = "now"
    with pytest.raises(Inconclusive, match=r"is being deleted, and not by podshm$"):
        pod_status.started(deleted)


def test_what_the_cluster_deletes_a_pod_for_is_named() -> None:
    disrupted = pod(RUNNING, RUNNING)
    disrupted["metadata"]["deletionTimestamp"] = "now"
    condition = {
        "type": "DisruptionTarget",
        "reason": "PreemptionByScheduler",
        "message": "default-scheduler: preempting",
    }
    disrupted["status"]["conditions"] = [{"type": "Ready"}, condition]
    found = pod_status.lost(disrupted)
    assert found
    assert found.detail == (
        "it is being deleted, and not by podshm: PreemptionByScheduler: default-scheduler: preempting"
    )


@pytest.mark.parametrize(
    ("phase", "reason", "wanted"), [("Failed", "Evicted", True), ("Failed", "", False), ("Running", "", False)]
)
def test_a_pod_that_the_kubelet_ended(phase: str, reason: str, wanted: bool) -> None:
    assert bool(pod_status.lost(pod(RUNNING, phase=phase, reason=reason))) is wanted


def event(reason: str, message: str) -> dict[str, str]:
    return {"reason": reason, "message": message}


@pytest.mark.parametrize(
    ("conditions", "events", "reason", "words"),
    [
        ([], [], "Timeout", "within 30 s"),
        ([], [event("Pulled", "x"), event("FailedCreatePodSandBox", "no CNI")], "SandboxCreate", "no CNI"),
        ([], [event("FailedCreatePodSandBox", 'no runtime for "kata" is configured')], "RuntimeClassMissing", "kata"),
        ([], [event("FailedCreatePodSandBox", "fork: resource temporarily unavailable")], "PidsLimit", "fork"),
        ([], [event("FailedMount", "no configmap")], "ContainerStart", "no configmap"),
        (
            [],
            [event("FailedCreatePodSandBox", "runtime handler x does not support user namespaces")],
            "Unsupported",
            "handler x",
        ),
        ([], [event("FailedCreatePodSandBox", "failed to create idmapped mount")], "Unsupported", "idmapped"),
        ([], [event("FailedCreatePodSandBox", "setting namespace of type user")], "Unsupported", "type user"),
        (
            [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient memory"}],
            [],
            "Unschedulable",
            "Insufficient memory",
        ),
    ],
)
def test_why_a_pod_has_not_started(conditions: t.Any, events: t.Any, reason: str, words: str) -> None:
    problem = pod_status.not_started(pod(conditions=conditions), events, 30)
    assert problem.reason == reason
    assert words in problem.detail


NO_NAMESPACE = "failed to start noop process for unshare: fork/exec /proc/self/exe: no space left on device"
NO_MAPPING = (
    "failed to set MOUNT_ATTR_IDMAP on /x: invalid argument (maybe the filesystem used doesn't support idmap mounts)"
)
CRUN = "mount_setattr `/podshm` (maybe the file system used doesn't support idmap mounts on this kernel?): Invalid argument"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (NO_NAMESPACE, "user.max_user_namespaces"),
        (NO_NAMESPACE.replace("no space left on device", "invalid argument"), "user.max_user_namespaces"),
        (NO_MAPPING, "idmapped mounts"),
        (CRUN, "idmapped mounts"),
    ],
)
def test_a_node_without_user_namespaces(message: str, words: str) -> None:
    """Only of a pod that has one: elsewhere a full disk is a full disk."""
    made = pod(CREATING)
    made["spec"]["hostUsers"] = False
    events = [event("FailedCreatePodSandBox", message)]
    problem = pod_status.not_started(made, events, 30)
    assert problem.reason == "Unsupported"
    assert words in problem.detail
    assert pod_status.not_started(pod(CREATING), events, 30).reason == "SandboxCreate"
    state = {"waiting": {"reason": "CreateContainerError", "message": message}}
    for host_users, reason in ((False, "Unsupported"), (True, "ContainerStart")):
        failing = pod(RUNNING, state)
        failing["spec"]["hostUsers"] = host_users
        assert pod_status.never_start(failing)["c1"].reason == reason


def test_a_full_disk_is_no_missing_user_namespace() -> None:
    made = pod(CREATING)
    made["spec"]["hostUsers"] = False
    events = [event("FailedCreatePodSandBox", "mkdir /run/containerd/x: no space left on device")]
    assert pod_status.not_started(made, events, 30).reason == "SandboxCreate"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "the scheduler default-scheduler has not looked at it within 30 s"),
        ({"schedulerName": "volcano"}, "the scheduler volcano has not looked at it within 30 s"),
    ],
)
def test_a_scheduler_that_does_nothing_is_named(spec: dict[str, str], words: str) -> None:
    made = pod(CREATING)
    made["spec"] |= spec
    del made["spec"]["nodeName"]
    problem = pod_status.not_started(made, [], 30)
    assert (problem.reason, problem.detail) == ("NotScheduled", words)


def test_closed_gates_are_named() -> None:
    made = pod(
        conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "blocked"}]
    )
    assert pod_status.not_started(made, [], 30).reason == "SchedulingGated"
    made["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}]
    problem = pod_status.not_started(made, [], 30)
    assert problem.reason == "SchedulingGated"
    assert "the gates kueue.x-k8s.io/admission are closed" in problem.detail


def test_aftermath_tells_who_was_killed() -> None:
    after = pod_status.aftermath(
        pod(RUNNING, {"terminated": {"reason": "OOMKilled", "exitCode": 137}}, phase="Running")
    )
    assert after["terminated"] == {"c1": {"reason": "OOMKilled", "exit_code": 137}}


DONE = {"terminated": {"reason": "Completed", "exitCode": 0}}


@pytest.mark.parametrize(
    ("states", "phase", "injected", "wanted"),
    [
        ((DONE, DONE), "Running", True, True),  # a mesh sidecar runs on
        ((DONE, RUNNING), "Running", True, False),
        ((DONE, DONE), "Running", False, False),  # the phase follows a moment later
        ((DONE, DONE), "Succeeded", False, True),
        ((DONE, RUNNING), "Failed", False, True),
    ],
)
def test_completed(states: t.Any, phase: str, injected: bool, wanted: bool) -> None:
    made = pod(*states, phase=phase)
    if not injected:
        made["spec"]["containers"].pop()
    assert pod_status.completed(made) is wanted


@pytest.mark.parametrize(
    ("exit_code", "log", "reason"),
    [
        (255, b"exec /podshm/probe: exec format error", "ProbeArch"),
        (137, b"", "PodFailed"),
        (0, b"", None),
    ],
)
def test_why_a_container_ended(exit_code: int, log: bytes, reason: str | None) -> None:
    ended = pod(RUNNING, {"terminated": {"reason": "Error", "exitCode": exit_code}})
    problem = pod_status.failure(ended, "c1", log)
    assert (problem and problem.reason) == reason


def resizing(observed: int, *conditions: dict[str, str]) -> dict[str, t.Any]:
    return {
        "metadata": {"namespace": "n", "name": "p"},
        "status": {"observedGeneration": observed, "conditions": list(conditions)},
    }


IN_PROGRESS = {"type": "PodResizeInProgress", "status": "True"}


@pytest.mark.parametrize(
    ("pod", "wanted"),
    [
        (resizing(1), None),
        (resizing(2), ""),
        (resizing(3), ""),
        (resizing(2, IN_PROGRESS), None),
        (resizing(2, {"type": "PodResizePending", "status": "True", "reason": "Deferred"}), None),
        (resizing(2, {**IN_PROGRESS, "reason": "Error", "message": "no room"}), "no room"),
        (resizing(1, {**IN_PROGRESS, "reason": "Error", "message": "of an earlier one"}), None),
    ],
)
def test_what_became_of_a_volume_resize(pod: dict[str, t.Any], wanted: str | None) -> None:
    assert pod_status.volume_resize(pod, 2) == wanted


def test_a_volume_that_the_node_cannot_resize() -> None:
    told = {"type": "PodResizePending", "status": "True", "reason": "Infeasible", "message": "cgroups v1"}
    with pytest.raises(Inconclusive, match="cgroups v1") as caught:
        pod_status.volume_resize(resizing(2, told), 2)
    assert caught.value.reason == "Infeasible"


def test_why_a_run_of_a_container_ended() -> None:
    def pod(**entry: t.Any) -> dict[str, t.Any]:
        return {"status": {"containerStatuses": [{"name": "c", **entry}]}}

    ended = {"terminated": {"containerID": "one", "reason": "OOMKilled"}}
    assert pod_status.finished(pod(containerID="one", state={"running": {}}), "c", "one") is None
    assert pod_status.finished(pod(containerID="one", state=ended), "c", "one") == "OOMKilled"
    assert (
        pod_status.finished(pod(containerID="two", state={"running": {}}, lastState=ended), "c", "one") == "OOMKilled"
    )
    assert pod_status.finished(pod(containerID="two", state={"running": {}}, lastState=ended), "c", "two") is None


def restarted(*counts: int, address: str = "10.0.0.1") -> dict[str, t.Any]:
    found = pod(RUNNING, RUNNING, podIP=address)
    for status, count in zip(found["status"]["containerStatuses"], counts, strict=True):
        status["restartCount"] = count
    return found


@pytest.mark.parametrize(
    ("after", "anew"),
    [
        (restarted(1, 0), False),
        (restarted(1, 0, address=""), False),
        (restarted(1, 1), True),
        # a pod of one container
        (restarted(1, 0, address="10.0.0.2"), True),
    ],
)
def test_a_pod_that_is_sandbox_replaced_is_no_restart_of_a_container(after: dict[str, t.Any], anew: bool) -> None:
    assert pod_status.sandbox_replaced(restarted(0, 0), after, "c0") is anew


FULL: t.Final = (
    "0/3 nodes are available: 1 {}, 2 node(s) didn't match Pod's node affinity/selector. "
    "preemption: 0/3 nodes are available: 1 Insufficient cpu."
)


@pytest.mark.parametrize(
    ("missing", "wanted"),
    [
        ("Insufficient memory", "Insufficient memory"),
        ("Insufficient cpu, 1 Insufficient memory", "Insufficient cpu, Insufficient memory"),
        ("Too many pods", "Too many pods"),
        # nobody leaves these
        ("Insufficient example.com/gpu", ""),
        ("node(s) had untolerated taint {a: b}", ""),
    ],
)
def test_what_room_a_pod_waits_for(missing: str, wanted: str) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": FULL.format(missing)}
    assert pod_status.lacks_room(pod(conditions=[condition])) == wanted
    assert pod_status.lacks_room(pod(conditions=[{**condition, "reason": "SchedulingGated"}])) == ""
    assert pod_status.lacks_room(pod(conditions=[{"type": "PodScheduled", "status": "True"}])) == ""


def requesting(*amounts: str, sidecar: str = "1Mi", init: str = "1Mi", overhead: str = "1Mi") -> dict[str, t.Any]:
    def one(amount: str) -> dict[str, t.Any]:
        return {"resources": {"requests": {"memory": amount, "cpu": "100m"}}}

    spec = {
        "initContainers": [{**one(sidecar), "restartPolicy": "Always"}, one(init)],
        "containers": [one(amount) for amount in amounts],
        "overhead": {"memory": overhead},
    }
    return {"spec": spec}


@pytest.mark.parametrize(
    ("made", "allocatable", "wanted"),
    [
        (requesting("30Mi", "30Mi"), {"memory": "62Mi", "cpu": "300m"}, ""),
        (
            requesting("30Mi", "30Mi"),
            {"memory": "61Mi", "cpu": "1"},
            "it requests 62Mi of memory, and the node has 61Mi for all pods",
        ),
        (
            requesting("30Mi", "30Mi"),
            {"memory": "1Gi", "cpu": "299m"},
            "it requests 0.3 of cpu, and the node has 299m for all pods",
        ),
        # an init container runs alone, but for the sidecars before it
        (requesting("30Mi", init="60Mi"), {"memory": "62Mi", "cpu": "1"}, ""),
        (
            requesting("30Mi", init="61Mi"),
            {"memory": "62Mi", "cpu": "1"},
            "it requests 63Mi of memory, and the node has 62Mi for all pods",
        ),
        # who may not see the node waits
        (requesting("1Ti"), {}, ""),
        (requesting("odd"), {"memory": "1Mi", "cpu": "1"}, ""),
    ],
)
def test_what_a_node_can_never_hold(made: dict[str, t.Any], allocatable: dict[str, str], wanted: str) -> None:
    assert pod_status.too_large(made, {"status": {"allocatable": allocatable}} if allocatable else {}) == wanted


QUOTA: t.Final = (
    'the API server answers 403: pods "p" is forbidden: exceeded quota: all, requested: {}, used: {}, limited: {}'
)


@pytest.mark.parametrize(
    ("requested", "hard", "wanted"),
    [
        ("limits.memory=32Mi,pods=1", "limits.memory=64Mi,pods=4", True),
        ("limits.memory=64Mi", "limits.memory=64Mi", True),
        ("limits.memory=65Mi", "limits.memory=64Mi", False),
        ("limits.memory=32Mi,pods=1", "limits.memory=64Mi,pods=0", False),
        # cut off
        ("limits.memory=32Mi,pods=1", "limits.memory=64Mi,po", False),
        ("limits.memory=32Mi,pods=1", "limits.memory=64Mi", False),
    ],
)
def test_whether_a_quota_is_only_used_up(requested: str, hard: str, wanted: bool) -> None:
    detail = QUOTA.format(requested, "limits.memory=64Mi", hard)
    assert pod_status.quota_is_taken(Inconclusive(Reason.QUOTA_EXCEEDED, detail)) is wanted
    assert not pod_status.quota_is_taken(Inconclusive(Reason.ADMISSION_DENIED, detail))
    assert not pod_status.quota_is_taken(Inconclusive(Reason.QUOTA_EXCEEDED, "failed quota: must specify limits.cpu"))


FAILED = {"terminated": {"reason": "Error", "exitCode": 1}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting failed container"}}


def with_injected(state: dict[str, t.Any], phase: str = "Pending", **more: t.Any) -> dict[str, t.Any]:
    """A pod whose containers wait for an injected init container, or sidecar."""
    one = pod(CREATING, CREATING, phase=phase)
    one["spec"]["initContainers"] = [{"name": "istio-init", **more.pop("spec", {})}]
    one["status"]["initContainerStatuses"] = [{"name": "istio-init", "state": state, **more}]
    return one


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("made", "reason", "words"),
    [
        (with_injected(FAILED), "PodFailed", r"ended: Error \(exit 1\)"),
        (with_injected(BACK_OFF, lastState=FAILED), "PodFailed", r"ended: Error \(exit 1\)"),
        (with_injected(BACK_OFF, lastState=FAILED, spec=SIDECAR), "PodFailed", r"ended: Error \(exit 1\)"),
        (with_injected(RUNNING), "Timeout", "did not end within 30 s"),
        (with_injected(RUNNING, started=False, spec=SIDECAR), "Timeout", "did not become ready within 30 s"),
    ],
)
def test_an_injected_container_that_all_wait_for_is_named(made: dict[str, t.Any], reason: str, words: str) -> None:
    problem = pod_status.not_started(made, [], 30)
    # of a pod: its node can be lost
    assert (problem.reason, problem.subject) == (reason, "pod default/podshm-1-pair")
    with pytest.raises(Inconclusive, match=f"container istio-init {words}, and what starts after it waits"):
        raise problem


@pytest.mark.parametrize(
    "made", [with_injected(DONE), with_injected(RUNNING, started=True, spec=SIDECAR), with_injected(CREATING)]
)
def test_an_injected_container_that_nobody_waits_for_is_not_named(made: dict[str, t.Any]) -> None:
    assert pod_status.not_started(made, [], 30).detail == "its containers did not start within 30 s"


def test_a_pod_that_an_injected_container_fails_says_which() -> None:
    """Without a restart the whole pod has failed, and has no message."""
    with pytest.raises(Inconclusive, match=r"it failed: istio-init Error \(exit 1\)") as caught:
        pod_status.started(with_injected(FAILED, phase="Failed"))
    assert caught.value.reason == "PodFailed"
    # the log of the container that failed is what explains it
    found = pod_status.failure(with_injected(FAILED, phase="Failed"), "istio-init", b"iptables: denied")
    assert "iptables: denied" in str(found)
    # a sidecar is ended when all others have
    ended = pod_status.aftermath(with_injected(FAILED, phase="Succeeded", spec=SIDECAR))
    assert ended["terminated"] == {}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            'Error syncing to host cluster: pods "a" is forbidden: violates PodSecurity "restricted:latest"',
            "PodSecurity",
        ),
        (
            'Error syncing to physical cluster: admission webhook "w" denied the request: [restricted] no',
            "AdmissionDenied",
        ),
        ('Error syncing: pods "a" is forbidden: exceeded quota: q', "QuotaExceeded"),
        ("Error updating pod: context deadline exceeded", "ApiError"),
    ],
)
def test_what_the_host_of_a_virtual_cluster_refuses_is_told(message: str, reason: str) -> None:
    made = pod(CREATING)
    del made["spec"]["nodeName"]
    problem = pod_status.not_started(made, [event("SyncError", message)], 30)
    assert problem.reason == reason
    assert message in problem.detail
