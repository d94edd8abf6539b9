# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What the status of a pod says: whether it runs, what became of a resize, why it does not start or has ended (pure)."""

from __future__ import annotations

import collections
import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.errors import (
    describe_container,
    describe_pod,
    failed_request,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import memory_text, parse_millis
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason, quote
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.manifests import PROBE


def start_failure(message: str, subject: str) -> Inconclusive | None:
    """What a runtime's message about a program that did not start means, if it is one of the known causes."""
    if "exec format error" in message:
        return Inconclusive(
            Reason.PROBE_ARCH, f"the probe does not run on this architecture: {quote(message)}", subject
        )
    if re.search("resource temporarily unavailable", message, re.IGNORECASE):
        return Inconclusive(Reason.PIDS_LIMIT, f"no further process can be started: {quote(message)}", subject)
    if "permission denied" in message and PROBE in message:
        return Inconclusive(Reason.PROBE_NO_EXEC, f"the probe is not allowed to be executed: {quote(message)}", subject)
    return None


def failure(pod: dict[str, t.Any], container: str, log: bytes) -> Inconclusive | None:
    """Why a container ended that should have gone on, by its state and what it wrote; nothing if it ended well."""
    state = aftermath(pod)["terminated"][container]
    if not state["exit_code"]:
        return None
    subject = describe_container(pod["metadata"]["namespace"], pod["metadata"]["name"], container)
    words = log.decode("utf-8", "replace")
    return start_failure(words, subject) or Inconclusive(
        Reason.POD_FAILED, f"it ended: {state['reason']} (exit {state['exit_code']}): {quote(words)}", subject
    )


_PULL: t.Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
_START: t.Final = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"}
)


def probe_containers(pod: dict[str, t.Any]) -> list[str]:
    """The containers that run the probe and keep running; an admission webhook can have added others."""
    sidecars = [c for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"]
    containers = [*sidecars, *pod["spec"]["containers"]]
    return [container["name"] for container in containers if PROBE in (container.get("command") or ())]


def states(pod: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """The status of every container of a pod, of whatever kind, by name."""
    status = pod.get("status") or {}
    kinds = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    return {entry["name"]: entry for kind in kinds for entry in status.get(kind) or ()}


def restarts(pod: dict[str, t.Any], container: str) -> int:
    """How often the kubelet has restarted a container."""
    return int((states(pod).get(container) or {}).get("restartCount", 0))


def sandbox_replaced(before: dict[str, t.Any], after: dict[str, t.Any], container: str) -> bool:
    """Whether the pod's sandbox was replaced between the two, instead of the container alone restarted."""
    address, now = ((pod.get("status") or {}).get("podIP") for pod in (before, after))
    others = [name for name in probe_containers(before) if name != container]
    return bool(address and now and address != now) or any(
        restarts(before, name) != restarts(after, name) for name in others
    )


def running(pod: dict[str, t.Any], container: str, least: int = 0) -> bool:
    """Whether a container runs, after at least so many restarts.

    :raises Inconclusive: it never will.
    """
    entry = states(pod).get(container) or {}
    _raise_for(pod, entry.get("state") or {}, f"container {container} of {_subject(pod)}")
    return "running" in (entry.get("state") or {}) and restarts(pod, container) >= least


def finished(pod: dict[str, t.Any], container: str, container_id: str) -> str | None:
    """Why a run of a container ended (C(OOMKilled)), by the runtime's id of it; nothing as long as it has not."""
    entry = states(pod).get(container) or {}
    for state in (entry.get("state") or {}, entry.get("lastState") or {}):
        ended = state.get("terminated") or {}
        if ended.get("containerID") == container_id:
            return str(ended.get("reason", ""))
    return None


def _resizing(pod: dict[str, t.Any]) -> dict[str, t.Any]:
    """The condition that says that a resize is under way or has failed, or nothing (KEP-1287, Kubernetes 1.33).

    :raises Inconclusive: Infeasible, the kubelet says that it cannot.
    """
    found: dict[str, t.Any] = {}
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodResizePending" and condition.get("reason") == "Infeasible":
            raise Inconclusive(Reason.INFEASIBLE, quote(condition.get("message", "")), _subject(pod))
        if condition.get("type") in ("PodResizePending", "PodResizeInProgress"):
            found = condition
    return found


def volume_resize(pod: dict[str, t.Any], generation: int) -> str | None:
    """What became of the resize that made this generation of a pod: V() done, the kubelet's words if it failed.

    Nothing as long as it has not said. It tells the size of no volume; that is for the probe to measure.

    :raises Inconclusive: Infeasible, it says that it cannot.
    """
    condition = _resizing(pod)
    if int((pod.get("status") or {}).get("observedGeneration") or 0) < generation:
        return None
    if condition.get("reason") == "Error":
        return quote(condition.get("message", "")) or "Error"
    return None if condition else ""


def resized(pod: dict[str, t.Any], container: str, memory_bytes: int) -> bool:
    """Whether the kubelet reports that it gave a container this memory limit (KEP-1287, Kubernetes 1.33).

    :raises Inconclusive: Infeasible, it says that it cannot.
    """
    _resizing(pod)
    resources = (states(pod).get(container) or {}).get("resources") or {}
    return str((resources.get("limits") or {}).get("memory", "")) == memory_text(memory_bytes)


def _subject(pod: dict[str, t.Any]) -> str:
    return describe_pod(pod["metadata"]["namespace"], pod["metadata"]["name"])


def completed(pod: dict[str, t.Any]) -> bool:
    """Whether a pod ran to completion. An injected container does not keep it from that."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return True
    ours = probe_containers(pod)
    return len(ours) < len(pod["spec"]["containers"]) and set(ours) <= aftermath(pod)["terminated"].keys()


def started(pod: dict[str, t.Any]) -> bool:
    """Whether every container of ours runs, has run or never will (:func:`never_start`), and one of them runs or has run.

    :raises Inconclusive: none ever will: ImagePull, ContainerStart, ProbeArch, ProbeNoExec, Evicted, PodFailed, PodGone, Timeout.
    """
    subject = _subject(pod)
    if pod["metadata"].get("deletionTimestamp"):
        raise _deleted(pod)
    now = {name: entry.get("state") or {} for name, entry in states(pod).items()}
    # what starts after an init container or a sidecar never starts without it, also after one that was injected
    before = {container["name"]: container for container in pod["spec"].get("initContainers") or ()}
    for name, state in now.items():
        ended = state.get("terminated", {}).get("reason")
        is_ours = PROBE in (before.get(name, {}).get("command") or ())
        if name in before and (is_ours or ended in _START or "waiting" in state):
            _raise_for(pod, state, f"container {name} of {subject}")
    status = pod.get("status") or {}
    broken = never_start(pod)
    has_failed = status.get("phase") == "Failed"
    if broken and (has_failed or len(broken) == len(probe_containers(pod)) or _lacks_image(pod, broken)):
        raise next(iter(broken.values()))
    if has_failed:
        raise _failure(pod)
    return not _awaited(pod, broken)


def never_start(pod: dict[str, t.Any]) -> dict[str, Inconclusive]:
    """By name: why a container of ours never starts. It costs no other container of its pod."""
    found, now = {}, states(pod)
    for name in probe_containers(pod):
        try:
            _raise_for(pod, (now.get(name) or {}).get("state") or {}, f"container {name} of {_subject(pod)}")
        except Inconclusive as problem:
            found[name] = problem
    return found


def not_up(pod: dict[str, t.Any]) -> list[str]:
    """The containers of ours of which nothing is known yet: they neither run, nor have run, nor never will."""
    return _awaited(pod, never_start(pod))


def _awaited(pod: dict[str, t.Any], broken: t.Collection[str]) -> list[str]:
    known = {*_up(pod), *broken}
    return [name for name in probe_containers(pod) if name not in known]


def _up(pod: dict[str, t.Any]) -> set[str]:
    """The containers that run or have run."""
    return {
        name for name, entry in states(pod).items() if {"running", "terminated"} & (entry.get("state") or {}).keys()
    }


def _lacks_image(pod: dict[str, t.Any], broken: t.Mapping[str, Inconclusive]) -> bool:
    """Whether an image is missing that all containers of ours have, so that nobody has to wait for the others."""
    ours = probe_containers(pod)
    images = {one.get("image") for one in pod["spec"]["containers"] if one["name"] in ours}
    reasons = {problem.reason for problem in broken.values()}
    return reasons <= {Reason.IMAGE_PULL, Reason.IMAGE_REFUSED} and len(images) == 1 and not _up(pod) & set(ours)


#: What kubelets and runtimes say where a user namespace cannot be made, or cannot map a file system: containerd, runc, crun, gVisor.
_USER_NAMESPACE: t.Final = re.compile(
    r"user.?namespace|userns|noop process for unshare|unshare.*/proc/self/exe|namespace of type user|newuidmap|uid_map"
    r"|idmap|mount_setattr",
    re.IGNORECASE,
)

#: Of them those that say that the kernel makes none.
_NO_USER_NAMESPACE: t.Final = re.compile(
    r"(unshare|clone|newuserns|noop process).*(no space left on device|invalid argument|operation not permitted)",
    re.IGNORECASE,
)


def _without_user_namespace(pod: dict[str, t.Any], message: str, subject: str) -> Inconclusive | None:
    """What a pod meets that has a user namespace of its own on a node that makes none."""
    if pod["spec"].get("hostUsers") is not False or not _USER_NAMESPACE.search(message):
        return None
    cause = "the node makes no user namespace for pods"
    if _NO_USER_NAMESPACE.search(message):
        cause += " (look at the sysctl user.max_user_namespaces)"
    elif re.search("idmap|mount_setattr", message, re.IGNORECASE):
        cause = "a file system under the pod has no idmapped mounts"
    return Inconclusive(Reason.UNSUPPORTED, f"{cause}: {quote(message)}", subject)


def _raise_for(pod: dict[str, t.Any], state: dict[str, t.Any], subject: str) -> None:
    for detail in (state.get("waiting") or {}, state.get("terminated") or {}):
        reason, message = str(detail.get("reason", "")), str(detail.get("message", ""))
        if reason == "ErrImageNeverPull":
            words = f"{reason}: {quote(message)}; the node lists the image that was requested"
            raise Inconclusive(Reason.IMAGE_REFUSED, words, subject)
        if reason in _PULL:
            raise Inconclusive(Reason.IMAGE_PULL, f"{reason}: {quote(message)}", subject)
        if reason in _START and "cannot be mapped to a host ID" in message:
            # OpenShift gives namespaces users beyond the 65536 of a user namespace
            raise Inconclusive(Reason.UNSUPPORTED, f"{reason}: {quote(message)}", subject)
        if reason in _START:
            raise (
                start_failure(message, subject)
                or _without_user_namespace(pod, message, subject)
                or Inconclusive(Reason.CONTAINER_START, f"{reason}: {quote(message)}", subject)
            )


#: Why a kubelet does not admit a pod that was scheduled to it, or ends it again, in words.
_REJECTED: t.Final[dict[str, str]] = {
    "UnexpectedAdmissionError": "the kubelet could not allocate what the pod requests, for example from a device plugin",
    "TopologyAffinityError": "the kubelet's topology manager finds no NUMA node for the pod",
    "SMTAlignmentError": "the kubelet's static CPU manager wants whole cores",
    "NodeAffinity": "the labels of the node no longer match the pod",
    "NodeName": "another node is named in the pod",
    "NodePorts": "a port of the node is taken",
    "NodeShutdown": "the node is shutting down",
    "Terminated": "the node is shutting down",
    "Shutdown": "the node is shutting down",
    "NodeLost": "the node is lost",
    "Preempting": "a critical pod took its place",
    "Preempted": "a pod of higher priority took its place",
    "AppArmor": "the node has no AppArmor or not this profile",
    "InvalidNodeInfo": "the kubelet does not know its own node yet",
    "PodOSNotSupported": "the node has another operating system",
    "PodOSSelectorNodeLabelDoesNotMatch": "the node has another operating system",
    "PodLevelResourcesNotSupported": "the kubelet does not know resources of a pod",
    "InitContainerRestartPolicyForbidden": "the kubelet does not know sidecars",
}

#: Reason in the status of a pod that ended -> reason.
_ENDED: t.Final = {
    "Evicted": Reason.EVICTED,
    "DeadlineExceeded": Reason.TIMEOUT,
    "SysctlForbidden": Reason.SYSCTL_FORBIDDEN,
    **dict.fromkeys(_REJECTED, Reason.KUBELET_REJECTED),
    "InitContainerRestartPolicyForbidden": Reason.FEATURE_GATE_OFF,
}


def _failure(pod: dict[str, t.Any]) -> Inconclusive:
    status = pod["status"]
    reason, message = str(status.get("reason", "")), quote(status.get("message", ""))
    # what a node lacks: OutOfcpu, OutOfmemory, OutOfpods and every other resource
    known = Reason.UNSCHEDULABLE if reason.startswith("OutOf") else _ENDED.get(reason, Reason.POD_FAILED)
    hint = f" ({_REJECTED[reason]})" if reason in _REJECTED else ""
    return Inconclusive(known, f"{reason or 'it failed'}{hint}: {message or _aftermath_text(pod)}", _subject(pod))


def _deleted(pod: dict[str, t.Any]) -> Inconclusive:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    # Kubernetes 1.26: a pod of higher priority takes its place, a taint, the eviction API, a node that is gone
    why = "".join(
        f": {one.get('reason')}: {quote(one.get('message', ''))}"
        for one in conditions
        if one.get("type") == "DisruptionTarget"
    )
    return Inconclusive(Reason.POD_GONE, f"it is being deleted, and not by podshm{why}", _subject(pod))


def lost(pod: dict[str, t.Any]) -> Inconclusive | None:
    """What ended a pod as a whole: somebody deletes it, or the kubelet ended it; nothing if neither did."""
    if pod["metadata"].get("deletionTimestamp"):
        return _deleted(pod)
    status = pod.get("status") or {}
    return _failure(pod) if status.get("phase") == "Failed" and status.get("reason") else None


def aftermath(pod: dict[str, t.Any]) -> dict[str, t.Any]:
    """How a pod was after the last step: phase, reason, and its containers that ended; of init containers those that failed."""
    status = pod.get("status") or {}
    inits = [one["name"] for one in _inits(pod) if one.get("restartPolicy") != "Always"]
    failed = [
        entry for entry in status.get("initContainerStatuses") or () if entry["name"] in inits and _exit_code(entry)
    ]
    return {
        "phase": status.get("phase", ""),
        "reason": status.get("reason", ""),
        "terminated": {
            entry["name"]: {
                "reason": entry["state"]["terminated"].get("reason", ""),
                "exit_code": entry["state"]["terminated"].get("exitCode"),
            }
            for entry in (*(status.get("containerStatuses") or ()), *failed)
            if "terminated" in (entry.get("state") or {})
        },
    }


def _inits(pod: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """The init containers and sidecars of a pod, also those that were injected."""
    return list((pod.get("spec") or {}).get("initContainers") or ())


def _exit_code(entry: dict[str, t.Any]) -> int:
    return int(((entry.get("state") or {}).get("terminated") or {}).get("exitCode") or 0)


def _aftermath_text(pod: dict[str, t.Any]) -> str:
    """The terminated containers of a pod in one line."""
    terminated = aftermath(pod)["terminated"]
    return ", ".join(f"{name} {state['reason']} (exit {state['exit_code']})" for name, state in terminated.items())


#: What a scheduler says of room on a node that others have taken, and can leave again.
_NO_ROOM: t.Final = re.compile(r"Insufficient (?:cpu|memory|ephemeral-storage|pods)\b|Too many pods")


def lacks_room(pod: dict[str, t.Any]) -> str:
    """What room on its node a pod waits for, in the scheduler's words; nothing if it does not wait for that."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            # what follows is about pods that could be preempted
            message = str(condition.get("message", "")).partition("preemption:")[0]
            return ", ".join(dict.fromkeys(_NO_ROOM.findall(message)))
    return ""


def _requests(container: t.Mapping[str, t.Any]) -> collections.Counter[str]:
    requests = (container.get("resources") or {}).get("requests") or {}
    return collections.Counter({name: parse_millis(amount) for name, amount in requests.items()})


def too_large(pod: dict[str, t.Any], node: dict[str, t.Any]) -> str:
    """What a pod alone requests beyond what its node has for pods, in words; nothing if it fits, or that is not known."""
    spec, allocatable = pod["spec"], (node.get("status") or {}).get("allocatable") or {}
    try:
        total, largest = _requests({"resources": {"requests": spec.get("overhead")}}), collections.Counter[str]()
        for one in spec.get("initContainers") or ():
            if one.get("restartPolicy") == "Always":
                total += _requests(one)
            else:
                largest |= total + _requests(one)
        for one in spec["containers"]:
            total += _requests(one)
        beyond = {
            name: amount
            for name, amount in (total | largest).items()
            if amount > parse_millis(allocatable.get(name, 0))
        }
    except ValueError:
        return ""
    words = (
        f"it requests {memory_text(amount // 1000) if name == 'memory' else f'{amount / 1000:g}'} of {name}, and the node "
        f"has {allocatable.get(name, 0)} for all pods"
        for name, amount in beyond.items()
    )
    return ", ".join(words) if allocatable else ""


def quota_is_taken(refusal: Inconclusive) -> bool:
    """Whether a quota refuses a pod for what others use of it: by the API server's words, it could hold the pod alone."""
    found = re.search(r"exceeded quota: .*requested: (\S+), used: \S+, limited: (\S+)", refusal.detail)
    if refusal.reason is not Reason.QUOTA_EXCEEDED or not found:
        return False
    try:
        requested, hard = (dict(one.split("=", 1) for one in found[number].split(",")) for number in (1, 2))
        return all(parse_millis(amount) <= parse_millis(hard[name]) for name, amount in requested.items())
    except (LookupError, ValueError):
        return False


#: What events about a pod that does not start must say, the most telling first.
_TELLING_EVENTS: t.Final = (
    # the kubelet's words of a runtime that has none, and containerd's and gVisor's, whatever the pod says
    (("FailedCreatePodSandBox", "does not support user namespaces"), Reason.UNSUPPORTED),
    (("FailedCreatePodSandBox", "create idmapped mount"), Reason.UNSUPPORTED),
    (("FailedCreatePodSandBox", "setting namespace of type user"), Reason.UNSUPPORTED),
    # containerd's words, and CRI-O's
    (("FailedCreatePodSandBox", "no runtime for"), Reason.RUNTIME_CLASS_MISSING),
    (("FailedCreatePodSandBox", "failed to find runtime handler"), Reason.RUNTIME_CLASS_MISSING),
    (("FailedCreatePodSandBox", "resource temporarily unavailable"), Reason.PIDS_LIMIT),
    (("FailedCreatePodSandBox",), Reason.SANDBOX_CREATE),
    (("FailedMount",), Reason.CONTAINER_START),
    (("FailedAttachVolume",), Reason.CONTAINER_START),
)


def _not_synced(events: t.Sequence[dict[str, t.Any]], subject: str) -> Inconclusive | None:
    """Why the host of a virtual cluster (vCluster) did not take a pod: its refusal is an event."""
    for message in (str(event.get("message", "")) for event in reversed(events) if event.get("reason") == "SyncError"):
        status = 403 if re.search("is forbidden|denied the request", message) else 500
        words = f"the host of the virtual cluster does not take the pod: {quote(message)}"
        return Inconclusive(failed_request(status, message, subject).reason, words, subject)
    return None


def _held_up(pod: dict[str, t.Any], seconds: float) -> Inconclusive | None:
    """Which init container or sidecar all that starts after it waits for, if it has started itself; it can be an injected one."""
    now = states(pod)
    for one in _inits(pod):
        entry, stays = now.get(one["name"]) or {}, one.get("restartPolicy") == "Always"
        state = entry.get("state") or {}
        runs = "running" in state
        if (runs and entry.get("started", True)) if stays else ("terminated" in state and not _exit_code(entry)):
            continue
        ended = state.get("terminated") or (entry.get("lastState") or {}).get("terminated")
        if ended:
            words = f"ended: {quote(ended.get('reason', ''))} (exit {ended.get('exitCode')})"
        elif runs:
            words = f"did not {'become ready' if stays else 'end'} within {seconds:g} s"
        else:
            return None
        reason = Reason.POD_FAILED if ended else Reason.TIMEOUT
        return Inconclusive(reason, f"container {one['name']} {words}, and what starts after it waits", _subject(pod))
    return None


def not_started(pod: dict[str, t.Any], events: t.Sequence[dict[str, t.Any]], seconds: float) -> Inconclusive:
    """Why a pod has not started in time: the scheduler's word, else the last telling event, else only the time."""
    subject = _subject(pod)
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") != "True":
            gates = [str(gate.get("name")) for gate in pod["spec"].get("schedulingGates") or ()]
            if gates or condition.get("reason") == "SchedulingGated":
                words = f"the gates {', '.join(gates)} are closed" if gates else condition.get("message", "")
                return Inconclusive(Reason.SCHEDULING_GATED, f"it waits to be scheduled: {quote(words)}", subject)
            return Inconclusive(Reason.UNSCHEDULABLE, quote(condition.get("message", "")), subject)
    if not pod["spec"].get("nodeName"):
        refused = _not_synced(events, subject)
        if refused:
            return refused
        name = pod["spec"].get("schedulerName") or "default-scheduler"
        return Inconclusive(
            Reason.NOT_SCHEDULED, f"the scheduler {name} has not looked at it within {seconds:g} s", subject
        )
    words_of = [f"{event.get('reason')}: {event.get('message', '')}" for event in reversed(events)]
    for message in words_of:
        unsupported = message.startswith("Failed") and _without_user_namespace(pod, message, subject)
        if unsupported:
            return unsupported
    for words, reason in _TELLING_EVENTS:
        for message in words_of:
            if all(word in message for word in words):
                return Inconclusive(reason, quote(message), subject)
    held_up = _held_up(pod, seconds)
    if held_up:
        return held_up
    missing = not_up(pod)
    names = "its containers" if missing == probe_containers(pod) else ", ".join(missing)
    return Inconclusive(Reason.TIMEOUT, f"{names} did not start within {seconds:g} s", subject)
