# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Manifests of everything that a run creates (pure).

Pods comply with the Pod Security Standard V(restricted) unless their options are about the opposite, have limits, no service
account token, and end by themselves. Everything but the anchor is owned by the anchor: a Job without pods whose deadline lets the
cluster itself remove the whole run, even if nobody is left to do it.
"""

from __future__ import annotations

import base64
import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Additions,
    Container,
    ContainerKind,
    PodOptions,
    Volume,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._overlay import LABELS, RUN_LABEL
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB, memory_text

PROBE: t.Final = "/podshm/probe"

#: Where containers with a script leave their marks, and where they read up to which number the run lets them begin.
TURNS: t.Final = "/podshm-turns"
GRANTS: t.Final = "/podshm-grants/number"
GRANT_ANNOTATION: t.Final = "podshm.abcdesktop.io/grant"

# a mesh sidecar would keep a pod from completing and add a container that is none of ours
_POD_LABELS: t.Final = {"sidecar.istio.io/inject": "false"}
_POD_ANNOTATIONS: t.Final = {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"}

#: Pods of a run use CPU in turns: requests equal to limits would keep most of them off a small node.
_CPU_SHARE: t.Final = 5

#: Neither root nor an id that images commonly give to users of their own.
_USER: t.Final = 65532


@dataclasses.dataclass(frozen=True)
class ContainerPlan:
    """A container of a run: its command, its CPU, and its memory and ephemeral storage in bytes (0: none requested)."""

    container: Container
    command: tuple[str, ...]
    memory_bytes: int
    cpu_millis: int = 100
    ephemeral_storage_bytes: int = 0

    @property
    def name(self) -> str:
        """The name of the container."""
        return self.container.name

    @property
    def has_script(self) -> bool:
        """Whether it runs its steps itself."""
        return self.command[0] == "script"


@dataclasses.dataclass(frozen=True)
class PodPlan:
    """A pod of a run: its role, what it is, and its containers.

    :param volumes: with the sizeLimit in bytes, None where it has none.
    :param sysctls: name and value.
    :param attempt: the how many-eth of it this is; each has a name of its own, because the one before may not be gone yet.
    """

    role: str
    options: PodOptions
    containers: tuple[ContainerPlan, ...]
    volumes: tuple[tuple[Volume, int | None], ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    attempt: int = 1

    @property
    def name(self) -> str:
        """What of its name is not common to all pods of a run on its target."""
        # one that cannot be exec'd into can be there beside the one that stands in for it
        words = (self.role, "log" if self.has_scripts else "", str(self.attempt) if self.attempt > 1 else "")
        return "-".join(word for word in words if word)

    @property
    def memory_bytes(self) -> int:
        """How much memory its containers have together."""
        return sum(one.memory_bytes for one in self.containers)

    @property
    def has_scripts(self) -> bool:
        """Whether its containers run their steps themselves."""
        return any(one.has_script for one in self.containers)


@dataclasses.dataclass(frozen=True)
class RunMeta:
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
    #: whether containers name their users, or leave that to the cluster (OpenShift gives each namespace its own)
    names_users: bool = True
    #: containers request this part of their CPU limit
    cpu_share: int = _CPU_SHARE
    #: what every pod has beside what the checks need
    additions: Additions = dataclasses.field(default_factory=Additions)
    #: of the node, as in Node
    huge_page_bytes: int | None = 0


def run_selector(run: str) -> str:
    """The label selector of everything that a run created."""
    return f"{RUN_LABEL}={run}"


def object_name(meta: RunMeta, pod: str = "") -> str:
    """The name of a pod of a run (:attr:`PodPlan.name`); without one, that of the anchor."""
    if not pod:
        return f"podshm-{meta.run}"
    return "-".join(word for word in ("podshm", meta.run, meta.target, pod) if word)


def _metadata(meta: RunMeta, name: str, anchor_uid: str) -> dict[str, t.Any]:
    metadata: dict[str, t.Any] = {
        "name": name,
        "namespace": meta.namespace,
        "labels": {**meta.labels, **LABELS, RUN_LABEL: meta.run},
        "annotations": dict(meta.annotations),
    }
    if anchor_uid:
        metadata["ownerReferences"] = [
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "name": object_name(meta),
                "uid": anchor_uid,
                # OpenShift refuses true without update on jobs/finalizers (OwnerReferencesPermissionEnforcement)
                "blockOwnerDeletion": False,
            }
        ]
    return metadata


def _config_name(meta: RunMeta) -> str:
    return f"{object_name(meta)}-probe-{meta.architecture}"


def _security(user: int | None, capabilities: tuple[str, ...] = ()) -> dict[str, t.Any]:
    """What the level restricted demands.

    :param user: None leaves it to the cluster.
    """
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], **({"add": list(capabilities)} if capabilities else {})},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": user != 0,
        **({} if user is None else {"runAsUser": user, "runAsGroup": user}),
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _add(spec: dict[str, t.Any], additions: Additions) -> None:
    """Add to the spec of a pod what the cluster demands of every pod."""
    if additions.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in additions.image_pull_secrets]
    if additions.priority_class:
        spec["priorityClassName"] = additions.priority_class
    if additions.service_account:
        spec["serviceAccountName"] = additions.service_account
    for field, value in additions.spec.items():
        if field != "securityContext":
            spec[field] = value
        elif field in spec:
            # not where a pod without one is what the check is about
            spec[field] = {**spec[field], **value}


def _with_storage(resources: dict[str, t.Any], storage_bytes: int) -> dict[str, t.Any]:
    """The resources of a container, and its ephemeral storage if it requests any."""
    storage = {"ephemeral-storage": str(storage_bytes)} if storage_bytes else {}
    return {kind: {**amounts, **storage} for kind, amounts in resources.items()}


def anchor(meta: RunMeta) -> dict[str, t.Any]:
    """The Job that owns the run: no pods (parallelism 0), a deadline, and removal as soon as it is reached.

    The garbage collector then removes all that it owns. Nothing here runs, so its template only has to be valid, and to
    satisfy policies about pods, which many engines apply to templates, too.
    """
    additions, metadata = meta.additions, _metadata(meta, object_name(meta), "")
    template: dict[str, t.Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "none",
                "image": meta.image,
                "securityContext": _security(None),
                "resources": _with_storage(_resources(100, MIB, 1), additions.ephemeral_storage_bytes),
            }
        ],
    }
    _add(template, additions)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "parallelism": 0,
            "backoffLimit": 0,
            "activeDeadlineSeconds": meta.deadline_seconds,
            "ttlSecondsAfterFinished": 0,
            "template": {
                "metadata": {
                    "labels": {**metadata["labels"], **additions.labels},
                    "annotations": {**metadata["annotations"], **additions.annotations},
                },
                "spec": template,
            },
        },
    }


def probe_config(meta: RunMeta, anchor_uid: str, binary: bytes) -> dict[str, t.Any]:
    """The ConfigMap that carries the probe to the node."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(meta, _config_name(meta), anchor_uid),
        "immutable": True,
        "binaryData": {"probe": base64.b64encode(binary).decode("ascii")},
    }


def _resources(cpu_millis: int, memory_bytes: int, cpu_share: int, has_memory_limit: bool = True) -> dict[str, t.Any]:
    memory = {"memory": str(memory_bytes)}
    return {
        "requests": {"cpu": f"{max(1, cpu_millis // cpu_share)}m", **memory},
        "limits": {"cpu": f"{cpu_millis}m", **(memory if has_memory_limit else {})},
    }


_PROBE_MOUNT: t.Final = {"name": "probe", "mountPath": PROBE.rsplit("/", 1)[0], "readOnly": True}

_SCRIPT_MOUNTS: t.Final = (
    {"name": "podshm-turns", "mountPath": TURNS},
    {"name": "podshm-grants", "mountPath": GRANTS.rsplit("/", 1)[0], "readOnly": True},
)

#: Marks are empty files on disk; policies ask for a sizeLimit of every volume.
_SCRIPT_VOLUMES: t.Final = (
    {"name": "podshm-turns", "emptyDir": {"sizeLimit": str(MIB)}},
    {
        "name": "podshm-grants",
        "downwardAPI": {
            "items": [
                {
                    "path": GRANTS.rsplit("/", 1)[1],
                    "fieldRef": {"fieldPath": f"metadata.annotations['{GRANT_ANNOTATION}']"},
                }
            ]
        },
    },
)


def _grant(number: int) -> dict[str, str]:
    # the end of the line shows that the number is whole
    return {GRANT_ANNOTATION: f"{number}\n"}


def grant_patch(number: int, times: int) -> dict[str, t.Any]:
    """The patch that lets the scripts of a pod begin all steps up to a number.

    :param times: how many it is of its container: what is the same would change nothing, and no kubelet would look.
    """
    return {"metadata": {"annotations": {**_grant(number), f"{GRANT_ANNOTATION}s": str(times)}}}


def _user(container: Container) -> int:
    return 0 if container.root else container.user or _USER


def _container(plan: ContainerPlan, meta: RunMeta) -> dict[str, t.Any]:
    one = plan.container
    container: dict[str, t.Any] = {
        "name": one.name,
        "image": meta.image,
        "imagePullPolicy": meta.pull_policy,
        "command": [PROBE, *plan.command],
        # not the image's, which its user can be unable to enter
        "workingDir": "/",
        "securityContext": _security(_user(one) if meta.names_users else None, one.capabilities),
        "volumeMounts": [
            _PROBE_MOUNT,
            *(
                {
                    "name": mount.volume.name,
                    "mountPath": mount.path,
                    "readOnly": one.read_only,
                    **({"subPath": mount.sub_path} if mount.sub_path else {}),
                }
                for mount in one.mounts
            ),
            *(_SCRIPT_MOUNTS if plan.has_script else ()),
        ],
    }
    # the API server refuses resources for ephemeral containers
    if one.kind is not ContainerKind.EPHEMERAL:
        resources = _resources(plan.cpu_millis, plan.memory_bytes, meta.cpu_share, one.has_memory_limit)
        container["resources"] = _with_storage(resources, plan.ephemeral_storage_bytes)
        if one.huge_page:
            size = memory_text(meta.huge_page_bytes or 2 * MIB)
            for amounts in container["resources"].values():
                amounts[f"hugepages-{size}"] = size
    if one.kind is ContainerKind.SIDECAR:
        container["restartPolicy"] = "Always"
    return container


def resize_patch(plan: ContainerPlan, meta: RunMeta, memory_bytes: int) -> dict[str, t.Any]:
    """The patch that changes the memory of a container in place."""
    resources = _resources(plan.cpu_millis, memory_bytes, meta.cpu_share)
    return {"spec": {"containers": [{"name": plan.name, "resources": resources}]}}


def resize_volume_patch(volume: str, size_bytes: int) -> dict[str, t.Any]:
    """The patch that changes the sizeLimit of a volume in place (KEP-6030)."""
    return {"spec": {"volumes": [{"name": volume, "emptyDir": {"sizeLimit": memory_text(size_bytes)}}]}}


def ephemeral_patch(plan: ContainerPlan, meta: RunMeta, user: int | None) -> dict[str, t.Any]:
    """The patch that adds an ephemeral container to a running pod.

    :param user: that of the pod's other containers; None leaves it to the cluster.
    """
    container = {**_container(plan, meta), "securityContext": _security(user)}
    return {"spec": {"ephemeralContainers": [container]}}


def _volume(volume: Volume, size_limit: int | None) -> dict[str, t.Any]:
    if volume.host_path:
        return {"name": volume.name, "hostPath": {"path": volume.host_path, "type": "Directory"}}
    empty_dir: dict[str, t.Any] = {}
    if volume.medium:
        empty_dir["medium"] = volume.medium
    if size_limit is not None:
        empty_dir["sizeLimit"] = str(size_limit)
    return {"name": volume.name, "emptyDir": empty_dir}


def _on_node(meta: RunMeta) -> dict[str, t.Any]:
    """The affinity of a pod that is held on its node, but still admitted by the scheduler."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [meta.node]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


def _ending(meta: RunMeta) -> dict[str, t.Any]:
    """What lets a pod end by itself and at once, and keeps from it what it has no use for."""
    return {
        "activeDeadlineSeconds": meta.deadline_seconds,
        # the probe obeys SIGTERM at once; 0 would drop the object before the node has cleaned up
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
    }


def _pod_metadata(meta: RunMeta, plan: PodPlan, anchor_uid: str) -> dict[str, t.Any]:
    metadata = _metadata(meta, object_name(meta, plan.name), anchor_uid)
    metadata["labels"] = {**_POD_LABELS, **metadata["labels"], **meta.additions.labels}
    metadata["annotations"] = {**_POD_ANNOTATIONS, **metadata["annotations"], **meta.additions.annotations}
    if plan.has_scripts:
        metadata["annotations"].update(_grant(0))
    return metadata


def _own_volumes(meta: RunMeta, plan: PodPlan, shape: t.Mapping[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """By their usual name: the volumes that the pod has beside those of the shape, with names that none of these has."""
    taken = {one["name"] for one in shape["volumes"]}
    found = {}
    for volume in (_probe_volume(meta), *(_SCRIPT_VOLUMES if plan.has_scripts else ())):
        name = volume["name"]
        names = (name, *(f"{name}-{number}" for number in range(len(taken))))
        found[name] = {**volume, "name": next(one for one in names if one not in taken)}
    return found


def added(meta: RunMeta, plan: PodPlan, shape: t.Mapping[str, t.Any]) -> list[str]:
    """What :func:`shaped_pod` adds to the shape, in words."""
    own = _own_volumes(meta, plan, shape).values()
    volumes = [f"volume {one['name']} ({next(kind for kind in one if kind != 'name')})" for one in own]
    return [*volumes, *([f"annotation {GRANT_ANNOTATION}"] if plan.has_scripts else [])]


def shaped_pod(meta: RunMeta, plan: PodPlan, shape: t.Mapping[str, t.Any], anchor_uid: str) -> dict[str, t.Any]:
    """A pod in the shape of a workload, with the probe as the command of every container.

    :param plan: its name, and its containers with what the probe does in them.
    :param shape: what is kept of the workload's spec.
    """
    own = _own_volumes(meta, plan, shape)
    planned = {one.name: one for one in plan.containers}

    def mounts(one: ContainerPlan) -> list[dict[str, t.Any]]:
        wanted = (_PROBE_MOUNT, *(_SCRIPT_MOUNTS if one.has_script else ()))
        return [{**mount, "name": own[mount["name"]]["name"]} for mount in wanted]

    def containers(field: str) -> list[dict[str, t.Any]]:
        return [
            {
                **one,
                "image": meta.image,
                "imagePullPolicy": meta.pull_policy,
                "command": [PROBE, *planned[one["name"]].command],
                "workingDir": "/",
                "volumeMounts": [*mounts(planned[one["name"]]), *one["volumeMounts"]],
            }
            for one in shape[field]
        ]

    spec = {
        **shape,
        "restartPolicy": "Always",
        **_ending(meta),
        "affinity": _on_node(meta),
        "initContainers": containers("initContainers"),
        "containers": containers("containers"),
        "volumes": [*own.values(), *shape["volumes"]],
    }
    _add(spec, meta.additions)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _pod_metadata(meta, plan, anchor_uid), "spec": spec}


def _probe_volume(meta: RunMeta) -> dict[str, t.Any]:
    return {"name": "probe", "configMap": {"name": _config_name(meta), "defaultMode": 0o555}}


def pod(meta: RunMeta, plan: PodPlan, anchor_uid: str) -> dict[str, t.Any]:
    """One pod of the run, held on the node that was chosen but still admitted by the scheduler."""
    options = plan.options

    def containers(*kinds: ContainerKind) -> list[dict[str, t.Any]]:
        return [_container(one, meta) for one in plan.containers if one.container.kind in kinds]

    spec: dict[str, t.Any] = {
        "restartPolicy": "Always" if options.restarts else "Never",
        **_ending(meta),
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "affinity": _on_node(meta),
        "tolerations": list(meta.tolerations),
        "initContainers": containers(ContainerKind.INIT, ContainerKind.SIDECAR),
        "containers": containers(ContainerKind.MAIN),
        "volumes": [
            _probe_volume(meta),
            *(_volume(volume, size_limit) for volume, size_limit in plan.volumes),
            *(_SCRIPT_VOLUMES if plan.has_scripts else ()),
        ],
    }
    if plan.sysctls:
        spec["securityContext"]["sysctls"] = [{"name": name, "value": value} for name, value in plan.sysctls]
    if options.fs_group:
        spec["securityContext"]["fsGroup"] = options.fs_group
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
    if meta.runtime_class:
        spec["runtimeClassName"] = meta.runtime_class
    _add(spec, meta.additions)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _pod_metadata(meta, plan, anchor_uid), "spec": spec}
