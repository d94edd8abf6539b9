# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Manifests of everything that a run creates (pure).

Pods comply with the Pod Security Standard V(restricted) unless their options are about the opposite, have limits, no service
account token, and end by themselves. Everything but the anchor is owned by the anchor: a Job without pods whose deadline makes the
cluster itself remove the whole run, even if nobody is left to do it.
"""

from __future__ import annotations

import base64
import dataclasses
import typing as t

PROBE: t.Final = "/podshm/probe"
RUN_LABEL: t.Final = "podshm.abcdesktop.io/run"

#: On every object of every run.
LABELS: t.Final[dict[str, str]] = {
    "app.kubernetes.io/name": "podshm",
    "app.kubernetes.io/managed-by": "abcdesktopio.podshm",
}

# a mesh sidecar would keep a pod from completing and add a container that nobody asked about
_POD_LABELS: t.Final = {"sidecar.istio.io/inject": "false"}
_POD_ANNOTATIONS: t.Final = {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"}

#: Neither root nor an id that images commonly give to users of their own.
_USER: t.Final = 65532


@dataclasses.dataclass(frozen=True)
class ContainerSpec:
    """One container: its command, memory in bytes, mounts as (path, volume name), and what sets it apart."""

    name: str
    command: tuple[str, ...]
    memory_bytes: int
    mounts: tuple[tuple[str, str], ...]
    kind: str = "main"
    user: int = 0
    limited: bool = True
    read_only: bool = False
    cpu_millis: int = 100


@dataclasses.dataclass(frozen=True)
class VolumeSpec:
    """One emptyDir, where an empty C(size_limit) means that it has none, or a folder of the node."""

    name: str
    medium: str
    size_limit: str
    host_path: str = ""


@dataclasses.dataclass(frozen=True)
class PodOptions:
    """What sets a pod apart from others. C(relaxed) leaves out what the Pod Security Standard V(restricted) demands."""

    restarts: bool = False
    share_pids: bool = False
    own_users: bool = False
    host_ipc: bool = False
    relaxed: bool = False
    sysctls: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Common:
    """What all objects of a run on one target have in common."""

    run: str
    target: str
    namespace: str
    node: str
    architecture: str
    image: str
    pull_policy: str
    runtime_class: str
    tolerations: tuple[dict[str, t.Any], ...]
    labels: dict[str, str]
    annotations: dict[str, str]
    deadline_seconds: int


def name(common: Common, part: str = "") -> str:
    """The name of a pod of a run; without a part, that of the anchor."""
    if not part:
        return f"podshm-{common.run}"
    return "-".join(word for word in ("podshm", common.run, common.target, part) if word)


def _metadata(common: Common, full_name: str, owner_uid: str) -> dict[str, t.Any]:
    metadata: dict[str, t.Any] = {
        "name": full_name,
        "namespace": common.namespace,
        "labels": {**common.labels, **LABELS, RUN_LABEL: common.run},
        "annotations": dict(common.annotations),
    }
    if owner_uid:
        metadata["ownerReferences"] = [
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "name": name(common),
                "uid": owner_uid,
                # OpenShift refuses true without update on jobs/finalizers (OwnerReferencesPermissionEnforcement)
                "blockOwnerDeletion": False,
            }
        ]
    return metadata


def _config_name(common: Common) -> str:
    return f"{name(common)}-probe-{common.architecture}"


def _security(user: int = 0) -> dict[str, t.Any]:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": user or _USER,
        "runAsGroup": user or _USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def anchor(common: Common) -> dict[str, t.Any]:
    """The Job that owns the run: no pods (parallelism 0), a deadline, and removal as soon as it is reached.

    The garbage collector then removes all that it owns. Nothing here runs, so its template only has to be valid.
    """
    template = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "none",
                "image": common.image,
                "securityContext": _security(),
                "resources": _resources(100, 1024 * 1024),
            }
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(common, name(common), ""),
        "spec": {
            "parallelism": 0,
            "backoffLimit": 0,
            "activeDeadlineSeconds": common.deadline_seconds,
            "ttlSecondsAfterFinished": 0,
            "template": {"metadata": {"labels": {**LABELS, RUN_LABEL: common.run}}, "spec": template},
        },
    }


def probe_config(common: Common, owner_uid: str, binary: bytes) -> dict[str, t.Any]:
    """The ConfigMap that carries the probe to the node."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(common, _config_name(common), owner_uid),
        "immutable": True,
        "binaryData": {"probe": base64.b64encode(binary).decode("ascii")},
    }


#: Pods of a run use CPU in turns: requests equal to limits would keep most of them off a small node.
_CPU_SHARE: t.Final = 5


def _resources(cpu_millis: int, memory_bytes: int, limited: bool = True) -> dict[str, t.Any]:
    memory = {"memory": str(memory_bytes)}
    return {
        "requests": {"cpu": f"{max(1, cpu_millis // _CPU_SHARE)}m", **memory},
        "limits": {"cpu": f"{cpu_millis}m", **(memory if limited else {})},
    }


def _container(spec: ContainerSpec, common: Common) -> dict[str, t.Any]:
    container: dict[str, t.Any] = {
        "name": spec.name,
        "image": common.image,
        "imagePullPolicy": common.pull_policy,
        "command": [PROBE, *spec.command],
        "securityContext": _security(spec.user),
        "volumeMounts": [
            {"name": "probe", "mountPath": PROBE.rsplit("/", 1)[0], "readOnly": True},
            *({"name": volume, "mountPath": path, "readOnly": spec.read_only} for path, volume in spec.mounts),
        ],
    }
    # the API server refuses resources for ephemeral containers
    if spec.kind != "ephemeral":
        container["resources"] = _resources(spec.cpu_millis, spec.memory_bytes, spec.limited)
    if spec.kind == "sidecar":
        container["restartPolicy"] = "Always"
    return container


def memory_text(memory_bytes: int) -> str:
    """How the API server writes an amount of memory, in its canonical form (V(64Mi), not V(67108864))."""
    for power, suffix in enumerate(("Ti", "Gi", "Mi", "Ki") if memory_bytes else ()):
        unit = 1024 ** (4 - power)
        if memory_bytes % unit == 0:
            return f"{memory_bytes // unit}{suffix}"
    return str(memory_bytes)


def resize(container: str, cpu_millis: int, memory_bytes: int) -> dict[str, t.Any]:
    """The patch that changes the resources of a container in place."""
    return {"spec": {"containers": [{"name": container, "resources": _resources(cpu_millis, memory_bytes)}]}}


def resize_volume(volume: str, size_bytes: int) -> dict[str, t.Any]:
    """The patch that changes the sizeLimit of a volume in place (KEP-6030)."""
    return {"spec": {"volumes": [{"name": volume, "emptyDir": {"sizeLimit": memory_text(size_bytes)}}]}}


def ephemeral(spec: ContainerSpec, common: Common) -> dict[str, t.Any]:
    """The patch that adds an ephemeral container to a running pod."""
    return {"spec": {"ephemeralContainers": [_container(spec, common)]}}


def _volume(spec: VolumeSpec) -> dict[str, t.Any]:
    if spec.host_path:
        return {"name": spec.name, "hostPath": {"path": spec.host_path, "type": "Directory"}}
    empty_dir: dict[str, t.Any] = {}
    if spec.medium:
        empty_dir["medium"] = spec.medium
    if spec.size_limit:
        empty_dir["sizeLimit"] = spec.size_limit
    return {"name": spec.name, "emptyDir": empty_dir}


def pod(
    common: Common,
    part: str,
    owner_uid: str,
    containers: t.Sequence[ContainerSpec],
    volumes: t.Sequence[VolumeSpec],
    options: PodOptions = PodOptions(),
) -> dict[str, t.Any]:
    """One pod of the run, held on the node that was chosen but still admitted by the scheduler."""
    metadata = _metadata(common, name(common, part), owner_uid)
    metadata["labels"] = {**_POD_LABELS, **metadata["labels"]}
    metadata["annotations"] = {**_POD_ANNOTATIONS, **metadata["annotations"]}
    spec: dict[str, t.Any] = {
        "restartPolicy": "Always" if options.restarts else "Never",
        "activeDeadlineSeconds": common.deadline_seconds,
        # the probe obeys SIGTERM at once; 0 would drop the object before the node has cleaned up
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [common.node]}]}
                    ]
                }
            }
        },
        "tolerations": list(common.tolerations),
        "initContainers": [_container(spec, common) for spec in containers if spec.kind in ("init", "sidecar")],
        "containers": [_container(spec, common) for spec in containers if spec.kind == "main"],
        "volumes": [
            {"name": "probe", "configMap": {"name": _config_name(common), "defaultMode": 0o555}},
            *(_volume(volume) for volume in volumes),
        ],
    }
    if options.sysctls:
        spec["securityContext"]["sysctls"] = [{"name": name, "value": value} for name, value in options.sysctls]
    if options.share_pids:
        spec["shareProcessNamespace"] = True
    if options.own_users:
        spec["hostUsers"] = False
    if options.host_ipc:
        spec["hostIPC"] = True
    if options.relaxed:
        del spec["securityContext"]
        for container in spec["containers"]:
            del container["securityContext"]
    if common.runtime_class:
        spec["runtimeClassName"] = common.runtime_class
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
