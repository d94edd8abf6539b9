# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Manifests of everything that a run creates (pure).

Pods comply with the Pod Security Standard V(restricted), have requests equal to limits, no service account token,
and end by themselves. Everything but the anchor is owned by the anchor: a Job without pods whose deadline makes the
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
    """One container: its command, memory in bytes, and mounts as (path, volume name)."""

    name: str
    command: tuple[str, ...]
    memory_bytes: int
    mounts: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class VolumeSpec:
    """One emptyDir; C(size_limit_bytes) 0 means no sizeLimit."""

    name: str
    medium: str
    size_limit_bytes: int


@dataclasses.dataclass(frozen=True)
class Common:
    """What all objects of a run have in common."""

    run: str
    namespace: str
    node: str
    image: str
    pull_policy: str
    runtime_class: str
    cpu: str
    tolerations: tuple[dict[str, t.Any], ...]
    labels: dict[str, str]
    annotations: dict[str, str]
    deadline_seconds: int


def name(run: str, part: str = "") -> str:
    """The name of an object of a run."""
    return f"podshm-{run}-{part}" if part else f"podshm-{run}"


def _metadata(common: Common, part: str, owner_uid: str) -> dict[str, t.Any]:
    metadata: dict[str, t.Any] = {
        "name": name(common.run, part),
        "namespace": common.namespace,
        "labels": {**common.labels, **LABELS, RUN_LABEL: common.run},
        "annotations": dict(common.annotations),
    }
    if owner_uid:
        metadata["ownerReferences"] = [
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "name": name(common.run),
                "uid": owner_uid,
                # OpenShift refuses true without update on jobs/finalizers (OwnerReferencesPermissionEnforcement)
                "blockOwnerDeletion": False,
            }
        ]
    return metadata


def _security() -> dict[str, t.Any]:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": _USER,
        "runAsGroup": _USER,
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
                "resources": _resources(common.cpu, 1024 * 1024),
            }
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(common, "", ""),
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
        "metadata": _metadata(common, "probe", owner_uid),
        "immutable": True,
        "binaryData": {"probe": base64.b64encode(binary).decode("ascii")},
    }


def _resources(cpu: str, memory_bytes: int) -> dict[str, t.Any]:
    amount = {"cpu": cpu, "memory": str(memory_bytes)}
    return {"requests": amount, "limits": dict(amount)}


def _container(spec: ContainerSpec, common: Common) -> dict[str, t.Any]:
    return {
        "name": spec.name,
        "image": common.image,
        "imagePullPolicy": common.pull_policy,
        "command": [PROBE, *spec.command],
        "securityContext": _security(),
        "resources": _resources(common.cpu, spec.memory_bytes),
        "volumeMounts": [
            {"name": "probe", "mountPath": PROBE.rsplit("/", 1)[0], "readOnly": True},
            *({"name": volume, "mountPath": path} for path, volume in spec.mounts),
        ],
    }


def _volume(spec: VolumeSpec) -> dict[str, t.Any]:
    empty_dir: dict[str, t.Any] = {}
    if spec.medium:
        empty_dir["medium"] = spec.medium
    if spec.size_limit_bytes:
        empty_dir["sizeLimit"] = str(spec.size_limit_bytes)
    return {"name": spec.name, "emptyDir": empty_dir}


def pod(
    common: Common,
    part: str,
    owner_uid: str,
    containers: t.Sequence[ContainerSpec],
    volumes: t.Sequence[VolumeSpec],
) -> dict[str, t.Any]:
    """One pod of the run, held on the node that was chosen but still admitted by the scheduler."""
    metadata = _metadata(common, part, owner_uid)
    metadata["labels"] = {**_POD_LABELS, **metadata["labels"]}
    metadata["annotations"] = {**_POD_ANNOTATIONS, **metadata["annotations"]}
    spec: dict[str, t.Any] = {
        "restartPolicy": "Never",
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
        "containers": [_container(container, common) for container in containers],
        "volumes": [
            {"name": "probe", "configMap": {"name": name(common.run, "probe"), "defaultMode": 0o555}},
            *(_volume(volume) for volume in volumes),
        ],
    }
    if common.runtime_class:
        spec["runtimeClassName"] = common.runtime_class
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
