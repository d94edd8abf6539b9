# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clusters do to pods on their way in: namespaces whose admission changes or refuses them."""

from __future__ import annotations

import dataclasses
import json
import typing as t

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
    :ivar sample: what a pod has, beside a volume on /dev/shm, that is treated otherwise here than elsewhere.
    """

    mutation: str = ""
    only_if: str = "true"
    refusal: str = ""
    exec: bool = False
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    objects: tuple[tuple[str, Object], ...] = ()
    sample: Object = dataclasses.field(default_factory=dict)


def _cel(value: t.Any) -> str:
    """A value as a CEL expression, whose maps may hold values of several types."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: dyn({_cel(one)})" for name, one in value.items()) + "}"
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


def _quota(hard: Object) -> tuple[str, Object]:
    return "resourcequotas", {"metadata": {"name": "all"}, "spec": {"hard": hard}}


def _range(limits: Object) -> tuple[str, Object]:
    return "limitranges", {"metadata": {"name": "all"}, "spec": {"limits": [{"type": "Container", **limits}]}}


def _level(level: str, sample: Object) -> World:
    return World(labels={"pod-security.kubernetes.io/enforce": level}, sample=sample)


_SIDECAR = {"name": "injected", "image": "registry.k8s.io/pause:3.10.1"}
_SYSCTL = {"securityContext": {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}}

#: Stands for what cannot be tried without a pod.
_CRITICAL = {"priorityClassName": "system-node-critical"}
_RATIO = {"containers": [{"name": "x", "image": "x", "resources": {"requests": {"cpu": "1m"}, "limits": {"cpu": "1"}}}]}

WORLDS: dict[str, World] = {
    "no-medium": World(_each("volumes", _MEMORY, _patch("remove", '"at/emptyDir/medium"'))),
    "no-size-limit": World(_each("volumes", _SIZED, _patch("remove", '"at/emptyDir/sizeLimit"'))),
    "small-size-limit": World(_each("volumes", _SIZED, _patch("replace", '"at/emptyDir/sizeLimit"', "8Mi"))),
    "small-limits": World(_limits("40Mi")),
    "no-limits": World(
        _each(
            "containers",
            "has(x.resources.limits) && has(x.resources.limits.memory)",
            _patch("remove", '"at/resources/limits/memory"'),
        )
    ),
    # more than the containers' limits together, or than what they leave open
    "pod-limit": World(_spec("resources", {"limits": {"memory": "900Mi"}})),
    "one-unmounted": World(
        _each(
            "containers",
            'x.name == "limited"',
            _patch("remove", '"at/volumeMounts/" + string(x.volumeMounts.map(m, m.mountPath).indexOf("/dev/shm"))'),
        )
    ),
    "one-user": World(
        _each("containers", "has(x.securityContext)", _patch("add", '"at/securityContext/runAsUser"', 65532))
    ),
    "host-ipc": World(
        _spec("hostIPC", True),
        only_if="(!has(object.spec.hostUsers) || object.spec.hostUsers) && !has(object.spec.securityContext.sysctls)",
    ),
    "shared-pids": World(_spec("shareProcessNamespace", True)),
    "rmid-forced": World(
        _spec("securityContext/sysctls", _SYSCTL["securityContext"]["sysctls"]),
        only_if="!has(object.spec.securityContext.sysctls) && !has(object.spec.hostIPC)",
    ),
    "host-ipc-stripped": World(
        "[" + _patch("remove", '"/spec/hostIPC"') + "]",
        only_if="has(object.spec.hostIPC) && object.spec.hostIPC",
        sample={"hostIPC": True},
    ),
    "no-host-path": World(
        _each(
            "volumes",
            "has(x.hostPath)",
            _patch("remove", '"at/hostPath"'),
            _patch("add", '"at/emptyDir"', {}),
        ),
        sample={"volumes": [{"name": "shm", "hostPath": {"path": "/dev/shm", "type": "Directory"}}]},
    ),
    "shm-everywhere": World(
        _spec("volumes/-", {"name": "dshm", "emptyDir": {"medium": "Memory"}})
        + " + "
        + _each(
            "containers",
            'has(x.volumeMounts) && !x.volumeMounts.exists(m, m.mountPath == "/dev/shm")',
            _patch("add", '"at/volumeMounts/-"', {"name": "dshm", "mountPath": "/dev/shm"}),
        ),
    ),
    "second-user": World(
        _each(
            "containers",
            'x.name in ["second", "reader"]',
            _patch("add", '"at/securityContext/runAsUser"', 1000),
        ),
        sample={"containers": [{"name": "second", "image": "x", "securityContext": {"runAsUser": 1}}]},
    ),
    "unpullable-sidecar": World(_spec("containers/-", {**_SIDECAR, "image": "registry.invalid/none:1"})),
    "injected-sidecar": World(_spec("containers/-", _SIDECAR)),
    "no-host-ipc": World(refusal="!has(object.spec.hostIPC) || !object.spec.hostIPC", sample={"hostIPC": True}),
    "no-sysctls": World(
        refusal="!has(object.spec.securityContext) || !has(object.spec.securityContext.sysctls)", sample=_SYSCTL
    ),
    "no-memory-volumes": World(refusal=f"!has(object.spec.volumes) || !object.spec.volumes.exists(x, {_MEMORY})"),
    "no-ephemeral": World(
        refusal='(!has(request.subResource) || request.subResource != "ephemeralcontainers")'
        " && !has(object.spec.priorityClassName)",
        sample=_CRITICAL,
    ),
    "baseline": _level("baseline", {"hostIPC": True}),
    "restricted": _level("restricted", {}),
    "default-limit": World(objects=(_range({"default": {"memory": "64Mi"}, "defaultRequest": {"memory": "16Mi"}}),)),
    "largest-limit": World(objects=(_range({"max": {"memory": "96Mi"}}),)),
    "quota": World(objects=(_quota({"limits.memory": "64Gi"}),)),
    "ratio": World(objects=(_range({"maxLimitRequestRatio": {"cpu": "2"}}),), sample=_RATIO),
    "no-exec": World(
        refusal='request.operation != "CONNECT" && !has(object.spec.priorityClassName)', sample=_CRITICAL, exec=True
    ),
    "small-quota": World(objects=(_quota({"limits.memory": "64Mi"}),)),
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
    """A pod that is treated otherwise in this world than elsewhere, for dry runs."""
    amount = {"memory": "600Mi"}
    containers = [
        {
            "name": "limited",
            "image": "x",
            "resources": {"requests": amount, "limits": amount},
            "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
            "securityContext": {"runAsUser": 1},
        },
        {"name": "bare", "image": "x", "resources": {"limits": {"cpu": "1"}}},
    ]
    volumes = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}]
    return {"metadata": {"name": "sample"}, "spec": {"containers": containers, "volumes": volumes, **world.sample}}
