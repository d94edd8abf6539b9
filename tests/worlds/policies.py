# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clusters do to pods on their way in: namespaces whose admission changes or refuses them."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from oci import EVERYTHING
from table import Verdicts, expect

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._image import Image
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import PAIR

Object = dict[str, t.Any]

#: Label of a namespace: the world that it is.
WORLD = "podshm-world"


@dataclasses.dataclass(frozen=True)
class World:
    """One namespace, and what the API server does to pods there.

    :ivar mutation: a CEL expression that gives JSON patches, or nothing.
    :ivar only_if: a CEL expression about the pods that it is for.
    :ivar refusal: a CEL expression that pods must satisfy, or nothing.
    :ivar exec: whether the refusal is about exec, too.
    :ivar labels: further labels of the namespace.
    :ivar objects: further objects in it, by kind.
    :ivar sample: what a pod has, beside a volume on /dev/shm, that is treated differently here.
    :ivar expected: the checks that must not be as in the honest world, and what they must be.
    :ivar changed: what each of these that is not SKIP must say of the pod.
    """

    mutation: str = ""
    only_if: str = "true"
    refusal: str = ""
    exec: bool = False
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    objects: tuple[tuple[str, Object], ...] = ()
    sample: Object = dataclasses.field(default_factory=dict)
    unused: dataclasses.KW_ONLY
    expected: Verdicts
    changed: str = ""


def _cel(value: t.Any) -> str:
    """A value as a CEL expression, whose maps may hold values of several types."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: dyn({_cel(one)})" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(f"dyn({_cel(one)})" for one in value) + "]"
    return json.dumps(value)


def _patch(op: str, path: str, value: t.Any = None) -> str:
    """One JSON patch as a CEL expression; the path is one, too."""
    given = "" if value is None else f", value: {_cel(value)}"
    return f'JSONPatch{{op: "{op}", path: {path}{given}}}'


def _each(kind: str, where: str, *patches: str) -> str:
    """The patches of each container or volume C(x) for which a CEL expression holds; C(at) in a path is where it stands."""
    items = f"object.spec.{kind}"
    at = f'"/spec/{kind}/" + string({items}.indexOf(x)) + "'
    mapped = [patch.replace('"at', at) for patch in patches]
    return " + ".join(f"{items}.filter(x, {where}).map(x, {patch})" for patch in mapped)


_MEMORY = "has(x.emptyDir) && has(x.emptyDir.medium)"
_SIZED = "has(x.emptyDir) && has(x.emptyDir.sizeLimit)"


def _limits(memory: str) -> str:
    return _each(
        "containers",
        "has(x.resources.limits)",
        _patch("add", '"at/resources/limits/memory"', memory),
        _patch("add", '"at/resources/requests/memory"', "16Mi"),
    )


def _spec(field: str, value: t.Any) -> str:
    patch = _patch("add", f'"/spec/{field}"', value)
    return f"[{patch}]"


def _quota(hard: Object, **scope: t.Any) -> tuple[str, Object]:
    return "resourcequotas", {"metadata": {"name": "all"}, "spec": {"hard": hard, **scope}}


def _range(limits: Object) -> tuple[str, Object]:
    return "limitranges", {"metadata": {"name": "all"}, "spec": {"limits": [{"type": "Container", **limits}]}}


def _level(level: str, sample: Object) -> World:
    refused = {"PodSecurity": "SHM111 SHM503 SHM504 SHM603"}
    return World(labels={"pod-security.kubernetes.io/enforce": level}, sample=sample, expected=expect(SKIP=refused))


_SIDECAR = {"name": "injected", "image": "registry.k8s.io/pause:3.10.1"}
# an image of the node that ends is none of these; podshm knows its containers by the path of the probe
_MESH: t.Final[list[Object]] = [
    {
        "name": "istio-init",
        "image": _SIDECAR["image"],
        "command": ["/podshm/./probe", "identity", f"nonce={'0' * 32}"],
        "volumeMounts": [{"name": "probe", "mountPath": "/podshm"}],
    },
    {**_SIDECAR, "name": "istio-proxy", "restartPolicy": "Always"},
]
_INITS: t.Final = '"/spec/initContainers"'
_MESH_FIRST = (
    "has(object.spec.initContainers) && size(object.spec.initContainers) > 0 ? ["
    + ", ".join(_patch("add", f'{_INITS} + "/0"', one) for one in reversed(_MESH))
    + f"] : [{_patch('add', _INITS, _MESH)}]"
)


def _image(name: str) -> str:
    """All containers get this image."""
    patch = _patch("add", '"at/image"', name)
    inits = _each("initContainers", "true", patch)
    return f"{_each('containers', 'true', patch)} + (has(object.spec.initContainers) ? {inits} : [])"


#: An image that declares a volume on /dev/shm, and a working directory that its user must not enter.
VOLUME_IMAGE: t.Final = Image(
    "mirror.invalid/volume:1",
    {"Volumes": {"/dev/shm": {}}, "WorkingDir": "/root"},
    folders={"dev": 0o755, "dev/shm": 0o1777, "root": 0o700},
)

_SYSCTL = {"securityContext": {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}}

#: Stands for what cannot be tried without a pod.
_CRITICAL = {"priorityClassName": "system-node-critical"}
_RATIO = {"containers": [{"name": "x", "image": "x", "resources": {"requests": {"cpu": "1m"}, "limits": {"cpu": "1"}}}]}

#: Nothing can run there, not even what the honest world skips for a reason of the cluster's.
_NOTHING = f"{EVERYTHING} SHM405 SHM406 SHM407 SHM603"

#: The checks of the largest pod.
_PAIR = " ".join(name for name, check in BY_ID.items() if check.layout is PAIR)

#: Process 1 is the sandbox's: nothing in a container can end it.
_NO_END = "SHM207 SHM312 SHM402"

#: Users beyond 65535 have no place in a user namespace of a pod.
_OWN_USERS = "SHM109 SHM211 SHM215 SHM318"
_NO_USER = "has(x.securityContext) && !has(x.securityContext.runAsUser)"
_GIVE_USER = _patch("add", '"at/securityContext/runAsUser"', 1000680000)
_INIT_USERS = f"(has(object.spec.initContainers) ? {_each('initContainers', _NO_USER, _GIVE_USER)} : [])"
_GROUP = (
    "(has(object.spec.securityContext) && !has(object.spec.securityContext.fsGroup) ? "
    f"{_spec('securityContext/fsGroup', 1000680000)} : [])"
)

WORLDS: dict[str, World] = {
    "no-medium": World(
        _each("volumes", _MEMORY, _patch("remove", '"at/emptyDir/medium"')),
        expected=expect(
            FAIL="SHM302 SHM303 SHM304 SHM305 SHM306 SHM308 SHM317 SHM319 SHM401",
            # on a disk there is no end that they could go beyond
            ERROR="SHM309 SHM316",
            WARN="SHM607",
        ),
        changed="medium Memory -> none",
    ),
    "no-size-limit": World(
        _each("volumes", _SIZED, _patch("remove", '"at/emptyDir/sizeLimit"')),
        expected=expect(FAIL="SHM303 SHM308 SHM401", ERROR="SHM309 SHM316", WARN="SHM607"),
        changed="sizeLimit ",
    ),
    "small-size-limit": World(
        _each("volumes", _SIZED, _patch("replace", '"at/emptyDir/sizeLimit"', "8Mi")),
        # SHM406: it is that small already
        expected=expect(FAIL="SHM303 SHM305 SHM306 SHM401", ERROR="SHM406", WARN="SHM607"),
        changed=" -> 8Mi",
    ),
    # all but the one container that had less
    "small-limits": World(
        _limits("40Mi"),
        expected=expect(FAIL="SHM301 SHM302 SHM303", SKIP={"LimitRange": "SHM304"}, WARN="SHM312 SHM607"),
        changed=" -> 40Mi",
    ),
    "no-limits": World(
        _each(
            "containers",
            "has(x.resources.limits) && has(x.resources.limits.memory)",
            _patch("remove", '"at/resources/limits/memory"'),
        ),
        # SHM404: the resize of what is not there
        expected=expect(ERROR="SHM310 SHM312 SHM404", WARN="SHM305 SHM607"),
        changed="memory limit ",
    ),
    # more than the containers' limits together, or than what they leave open
    "pod-limit": World(
        _spec("resources", {"limits": {"memory": "900Mi"}}),
        # SHM404 is then refused: the pod's own request is too small for it
        expected=expect(SKIP={"LimitRange": "SHM304"}, ERROR="SHM404", WARN="SHM312 SHM607"),
        changed="pod memory limit none -> 900Mi",
    ),
    "one-unmounted": World(
        _each(
            "containers",
            'x.name == "sized"',
            _patch("remove", '"at/volumeMounts/" + string(x.volumeMounts.map(m, m.mountPath).indexOf("/dev/shm"))'),
        ),
        expected=expect(FAIL="SHM303", WARN="SHM607"),
        changed="container sized: mount on /dev/shm sized -> none",
    ),
    "one-user": World(
        _each("containers", "has(x.securityContext)", _patch("add", '"at/securityContext/runAsUser"', 65532)),
        expected=expect(SKIP={"AdmissionDenied": "SHM106 SHM110 SHM111 SHM209 SHM210"}, WARN="SHM607"),
        changed="runAsUser 65533 -> 65532",
    ),
    "host-ipc": World(
        _spec("hostIPC", True),
        only_if="(!has(object.spec.hostUsers) || object.spec.hostUsers) && !has(object.spec.securityContext.sysctls)",
        expected=expect(FAIL="SHM301 SHM501 SHM502 SHM504", WARN="SHM503 SHM607"),
        changed="hostIPC false -> true",
    ),
    "shared-pids": World(
        _spec("shareProcessNamespace", True),
        expected=expect(FAIL="SHM213 SHM219", ERROR=_NO_END, WARN="SHM607"),
        changed="shareProcessNamespace false -> true",
    ),
    "rmid-forced": World(
        _spec("securityContext/sysctls", _SYSCTL["securityContext"]["sysctls"]),
        only_if="!has(object.spec.securityContext.sysctls) && !has(object.spec.hostIPC)",
        expected=expect(FAIL="SHM107 SHM207", WARN="SHM607"),
        changed="sysctl kernel.shm_rmid_forced none -> 1",
    ),
    # each of both pods is what the other is compared with
    "host-ipc-stripped": World(
        "[" + _patch("remove", '"/spec/hostIPC"') + "]",
        only_if="has(object.spec.hostIPC) && object.spec.hostIPC",
        sample={"hostIPC": True},
        expected=expect(SKIP={"AdmissionDenied": "SHM503 SHM504"}, WARN="SHM607"),
    ),
    "no-host-path": World(
        _each(
            "volumes",
            "has(x.hostPath)",
            _patch("remove", '"at/hostPath"'),
            _patch("add", '"at/emptyDir"', {}),
        ),
        sample={"volumes": [{"name": "shm", "hostPath": {"path": "/dev/shm", "type": "Directory"}}]},
        expected=expect(SKIP={"AdmissionDenied": "SHM503 SHM504"}, WARN="SHM607"),
    ),
    # not in init containers and sidecars
    "shm-everywhere": World(
        _spec("volumes/-", {"name": "dshm", "emptyDir": {"medium": "Memory"}})
        + " + "
        + _each(
            "containers",
            'has(x.volumeMounts) && !x.volumeMounts.exists(m, m.mountPath == "/dev/shm")',
            _patch("add", '"at/volumeMounts/-"', {"name": "dshm", "mountPath": "/dev/shm"}),
        ),
        expected=expect(
            FAIL="SHM205 SHM206 SHM301",
            SKIP={"AdmissionDenied": "SHM503 SHM504"},
            WARN="SHM607",
            # a volume is executable, also in a user namespace
            PASS="SHM318",
        ),
        changed="mount on /dev/shm none -> dshm",
    ),
    "second-user": World(
        _each(
            "containers",
            'x.name in ["second", "reader"]',
            _patch("add", '"at/securityContext/runAsUser"', 1000),
        ),
        sample={"containers": [{"name": "second", "image": "x", "securityContext": {"runAsUser": 1}}]},
        expected=expect(ERROR="SHM101 SHM102 SHM103 SHM104 SHM201 SHM203 SHM213 SHM217 SHM219 SHM311", WARN="SHM607"),
        changed="runAsUser 65532 -> 1000",
    ),
    # its container has no limit, so the pod has none
    "unpullable-sidecar": World(
        _spec("containers/-", {**_SIDECAR, "image": "registry.invalid/none:1"}), expected=expect(WARN="SHM305 SHM312")
    ),
    "injected-sidecar": World(_spec("containers/-", _SIDECAR), expected=expect(WARN="SHM305 SHM312")),
    # as Istio with holdApplicationUntilProxyStarts: it comes first, with a user of its own
    "sidecar-first": World(
        "[" + _patch("add", '"/spec/containers/0"', {**_SIDECAR, "securityContext": {"runAsUser": 1337}}) + "]",
        expected=expect(WARN="SHM305 SHM312"),
    ),
    # as Istio: what ends comes first, what stays is a native sidecar. It has no limit, so the pod has none
    "mesh": World(
        _MESH_FIRST,
        sample={"volumes": [{"name": name, "emptyDir": {}} for name in ("shm", "probe")]},
        expected=expect(WARN="SHM305 SHM312"),
    ),
    "no-host-ipc": World(
        refusal="!has(object.spec.hostIPC) || !object.spec.hostIPC",
        sample={"hostIPC": True},
        expected=expect(SKIP={"AdmissionDenied": "SHM503 SHM504"}, WARN="SHM607"),
    ),
    "no-sysctls": World(
        refusal="!has(object.spec.securityContext) || !has(object.spec.securityContext.sysctls)",
        sample=_SYSCTL,
        expected=expect(SKIP={"AdmissionDenied": "SHM602 SHM603"}, WARN="SHM607"),
    ),
    # every pod needs a label: a refusal says nothing of what a check is about
    "labels": World(
        refusal="has(object.metadata.labels) && 'team' in object.metadata.labels",
        expected=expect(ERROR=f"{_NOTHING} SHM320 SHM607"),
    ),
    "no-memory-volumes": World(
        refusal=f"!has(object.spec.volumes) || !object.spec.volumes.exists(x, {_MEMORY})",
        expected=expect(
            ERROR="SHM105 SHM204 SHM220 SHM303 SHM305 SHM306 SHM308 SHM309 SHM315 SHM316 SHM317 SHM401 SHM402 SHM404 "
            "SHM405 SHM406 SHM407",
            SKIP={"AdmissionDenied": "SHM208 SHM216 SHM302 SHM304 SHM319 SHM320"},
            FAIL="SHM607",
        ),
    ),
    # kubeshop/testkube#7820, kyverno/policies#1365: what is about the absence of a sizeLimit, and nothing else
    "sized-volumes": World(
        refusal="!has(object.spec.volumes) || object.spec.volumes.all(v, !has(v.emptyDir) || has(v.emptyDir.sizeLimit))",
        sample={"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}]},
        expected=expect(SKIP={"AdmissionDenied": "SHM302 SHM304 SHM320"}, WARN="SHM607"),
    ),
    # Kyverno: add-emptydir-sizelimit
    "sizes-volumes": World(
        _each(
            "volumes",
            "has(x.emptyDir) && !has(x.emptyDir.sizeLimit)",
            _patch("add", '"at/emptyDir/sizeLimit"', "100Mi"),
        ),
        sample={"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}]},
        expected=expect(SKIP={"AdmissionDenied": "SHM302 SHM304"}, WARN="SHM607"),
        changed="sizeLimit none -> 100Mi",
    ),
    "no-shared-pids": World(
        refusal="!has(object.spec.shareProcessNamespace) || !object.spec.shareProcessNamespace",
        sample={"shareProcessNamespace": True},
        expected=expect(SKIP={"AdmissionDenied": "SHM214 SHM218"}, WARN="SHM607"),
    ),
    "shared-pids-stripped": World(
        "[" + _patch("remove", '"/spec/shareProcessNamespace"') + "]",
        only_if="has(object.spec.shareProcessNamespace) && object.spec.shareProcessNamespace",
        sample={"shareProcessNamespace": True},
        expected=expect(SKIP={"AdmissionDenied": "SHM214 SHM218"}, WARN="SHM607"),
        changed="shareProcessNamespace true -> false",
    ),
    "no-own-users": World(
        refusal="!has(object.spec.hostUsers) || object.spec.hostUsers",
        sample={"hostUsers": False},
        expected=expect(SKIP={"AdmissionDenied": _OWN_USERS}, WARN="SHM607"),
    ),
    "sysctls-stripped": World(
        "[" + _patch("remove", '"/spec/securityContext/sysctls"') + "]",
        only_if="has(object.spec.securityContext) && has(object.spec.securityContext.sysctls)",
        sample=_SYSCTL,
        expected=expect(SKIP={"AdmissionDenied": "SHM602 SHM603"}, WARN="SHM607"),
        changed="sysctl ",
    ),
    "capabilities-stripped": World(
        _each(
            "containers",
            "has(x.securityContext) && has(x.securityContext.capabilities) && has(x.securityContext.capabilities.add)",
            _patch("remove", '"at/securityContext/capabilities/add"'),
        ),
        sample={
            "containers": [{"name": "x", "image": "x", "securityContext": {"capabilities": {"add": ["IPC_OWNER"]}}}]
        },
        expected=expect(SKIP={"AdmissionDenied": "SHM111"}, WARN="SHM607"),
        changed="capabilities none + IPC_OWNER -> none",
    ),
    # the constraint restricted-v2 of OpenShift: users and groups are the namespace's own
    "one-range": World(
        " + ".join([*(_each(kind, _NO_USER, _GIVE_USER) for kind in ("containers",)), _INIT_USERS, _GROUP]),
        refusal=" && ".join(
            f"(!has(object.spec.{kind}) || object.spec.{kind}.all(c, !has(c.securityContext) || "
            "!has(c.securityContext.runAsUser) || c.securityContext.runAsUser == 1000680000))"
            for kind in ("containers", "initContainers")
        )
        + " && (!has(object.spec.securityContext) || !has(object.spec.securityContext.fsGroup) || "
        "object.spec.securityContext.fsGroup == 1000680000)",
        expected=expect(
            SKIP={
                "AdmissionDenied": "SHM106 SHM110 SHM111 SHM209 SHM210 SHM319 SHM606",
                "Unsupported": _OWN_USERS,
            },
            WARN="SHM607",
        ),
    ),
    # a policy that forgets init containers: they and the others are no longer one user
    "users-of-containers": World(
        _each("containers", "has(x.securityContext)", _patch("add", '"at/securityContext/runAsUser"', 1000680000)),
        expected=expect(
            SKIP={"AdmissionDenied": "SHM106 SHM110 SHM111 SHM209 SHM210", "Unsupported": _OWN_USERS},
            ERROR="SHM107 SHM108 SHM205 SHM206",
            WARN="SHM607",
        ),
        changed="runAsUser 65532 -> 1000680000",
    ),
    # Kyverno: +(hostUsers): false
    "own-users": World(
        _spec("hostUsers", False),
        only_if="!has(object.spec.hostUsers)",
        expected=expect(SKIP={"AdmissionDenied": "SHM503 SHM504"}, FAIL="SHM313", WARN="SHM607"),
    ),
    # as the admission plugin AlwaysPullImages
    "always-pull": World(
        _each("containers", "true", _patch("add", '"at/imagePullPolicy"', "Always")),
        # of an image without a tag it is Always anyway
        sample={"containers": [{"name": "x", "image": "x:1", "imagePullPolicy": "Never"}]},
        # what the kubelet refuses it refuses before it pulls
        expected=expect(ERROR=f"{EVERYTHING} SHM320 SHM405 SHM406 SHM407"),
        changed="imagePullPolicy Never -> Always",
    ),
    # all images come from a mirror, which does not have this one: the node may not pull what podshm found on it
    "registry": World(
        _image("mirror.invalid/pause:3.10.1"),
        # what the kubelet refuses it refuses before it looks for the image
        expected=expect(ERROR=f"{EVERYTHING} SHM320 SHM405 SHM406 SHM407"),
        changed="image registry.k8s.io/pause:3.10.1 -> mirror.invalid/pause:3.10.1",
    ),
    # what the image declares is no doing of the runtime
    "image-volume": World(
        _image(VOLUME_IMAGE.reference),
        expected=expect(
            ERROR="SHM201 SHM202 SHM204 SHM205 SHM206 SHM207 SHM208 SHM209 SHM210 SHM211 SHM212 SHM213 SHM214 SHM220 "
            "SHM301 SHM310 SHM311 SHM312 SHM313 SHM318 SHM502 SHM503 SHM504"
        ),
        changed=f"image registry.k8s.io/pause:3.10.1 -> {VOLUME_IMAGE.reference}",
    ),
    # as the admission plugin PodNodeSelector, for nodes that are others than the chosen one
    "pool": World(
        _spec("nodeSelector", {"pool": "batch"}),
        expected=expect(ERROR=f"{_NOTHING} SHM320"),
        changed="nodeSelector none -> pool=batch",
    ),
    # and for the chosen one: where a pod runs changes nothing of what it shares
    "own-pool": World(_spec("nodeSelector", {"kubernetes.io/os": "linux"}), expected=expect()),
    "gated": World(
        _spec("schedulingGates", [{"name": "kueue.x-k8s.io/admission"}]),
        expected=expect(ERROR=f"{_NOTHING} SHM320"),
        changed="scheduling gates none -> kueue.x-k8s.io/admission",
    ),
    "no-ephemeral": World(
        refusal='(!has(request.subResource) || request.subResource != "ephemeralcontainers")'
        " && !has(object.spec.priorityClassName)",
        sample=_CRITICAL,
        expected=expect(SKIP={"AdmissionDenied": "SHM208 SHM216"}, WARN="SHM607"),
    ),
    "baseline": _level("baseline", {"hostIPC": True}),
    "restricted": _level("restricted", {}),
    "default-limit": World(
        objects=(_range({"default": {"memory": "64Mi"}, "defaultRequest": {"memory": "16Mi"}}),),
        expected=expect(SKIP={"LimitRange": "SHM304"}, WARN="SHM607"),
    ),
    "largest-limit": World(
        objects=(_range({"max": {"memory": "96Mi"}}),),
        # the largest pod alone does not fit
        expected=expect(ERROR=_PAIR, SKIP={"LimitRange": "SHM304"}, WARN="SHM607"),
    ),
    "quota": World(
        objects=(_quota({"limits.memory": "64Gi"}),),
        expected=expect(SKIP={"QuotaExceeded": "SHM304 SHM320"}, WARN="SHM607"),
    ),
    # pods without a class are not in its scope
    "quota-of-a-class": World(
        objects=(
            _quota(
                {"pods": "0"},
                scopeSelector={
                    "matchExpressions": [
                        {"scopeName": "PriorityClass", "operator": "In", "values": ["system-node-critical"]}
                    ]
                },
            ),
        ),
        sample=_CRITICAL,
        expected=expect(),
    ),
    # every container requests CPU and memory, that of SHM304 too
    "quota-of-best-effort": World(
        objects=(_quota({"pods": "0"}, scopes=["BestEffort"]),),
        sample={"containers": [{"name": "x", "image": "x"}]},
        expected=expect(),
    ),
    # every pod has a deadline, unlike the workloads that the quota leaves alone
    "quota-of-terminating": World(
        objects=(_quota({"pods": "0"}, scopes=["Terminating"]),),
        sample={"activeDeadlineSeconds": 60},
        expected=expect(ERROR=f"{_NOTHING} SHM607", SKIP={"QuotaExceeded": "SHM304 SHM320"}),
    ),
    "quota-of-not-best-effort": World(
        objects=(_quota({"pods": "0"}, scopes=["NotBestEffort"]),),
        expected=expect(ERROR=f"{_NOTHING} SHM607", SKIP={"QuotaExceeded": "SHM304 SHM320"}),
    ),
    "ratio": World(
        objects=(_range({"maxLimitRequestRatio": {"cpu": "2"}}),),
        sample=_RATIO,
        # the pods follow: they request as much CPU as they are limited to
        expected=expect(WARN="SHM607"),
    ),
    "no-exec": World(
        refusal='request.operation != "CONNECT" && !has(object.spec.priorityClassName)',
        sample=_CRITICAL,
        exec=True,
        # the run goes on by log
        expected=expect(),
    ),
    # less than the smallest pod: for what fits alone it is waited
    "small-quota": World(
        objects=(_quota({"limits.memory": "16Mi"}),),
        expected=expect(ERROR=f"{_NOTHING} SHM607", SKIP={"QuotaExceeded": "SHM304 SHM320"}),
    ),
}


def policies(name: str, world: World) -> t.Iterator[tuple[str, Object]]:
    """The cluster-wide objects of a world, by kind."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"]}
    match = {"namespaceSelector": {"matchLabels": {WORLD: name}}}
    if world.mutation:
        spec: Object = {
            "matchConstraints": {"resourceRules": [{**rule, "operations": ["CREATE"], "resources": ["pods"]}]},
            "matchConditions": [{"name": "for-these", "expression": world.only_if}],
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": world.mutation}}],
        }
        yield "mutatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec}
        binding = {"policyName": name, "matchResources": match}
        yield "mutatingadmissionpolicybindings", {"metadata": {"name": name}, "spec": binding}
    if world.refusal:
        rules = [{**rule, "resources": ["pods", "pods/ephemeralcontainers"]}]
        if world.exec:
            rules.append({**rule, "operations": ["CONNECT"], "resources": ["pods/exec"]})
        spec = {
            "matchConstraints": {"resourceRules": rules},
            "validations": [{"expression": world.refusal, "message": "not here"}],
        }
        yield "validatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec}
        binding = {"policyName": name, "matchResources": match, "validationActions": ["Deny"]}
        yield "validatingadmissionpolicybindings", {"metadata": {"name": name}, "spec": binding}


def sample(world: World) -> Object:
    """A pod that this world treats differently, for dry runs."""
    amount = {"memory": "600Mi"}
    containers = [
        {
            "name": "sized",
            "image": "x",
            "resources": {"requests": amount, "limits": amount},
            "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
            "securityContext": {"runAsUser": 1},
        },
        {"name": "bare", "image": "x", "resources": {"limits": {"cpu": "1"}}},
    ]
    volumes = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}]
    # the volume of the token has another name each time
    spec = {"automountServiceAccountToken": False, "containers": containers, "volumes": volumes, **world.sample}
    return {"metadata": {"name": "sample"}, "spec": spec}
