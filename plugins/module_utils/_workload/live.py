# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""The objects of a cluster -> its workloads, each once, with what its live pods show (pure).

A pod belongs to what owns it, up to the top: a Pod of a ReplicaSet of a Deployment to the Deployment. What is audited is
a live pod where there is one: admission and injection may have changed it. What is mended is the template.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import json
import typing as t
import zlib

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import scene
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.kinds import BUILT_IN
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.manifests import Workload, workloads_of
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.shape import is_token

Object: t.TypeAlias = "t.Mapping[str, t.Any]"

#: namespace, kind, name
Key: t.TypeAlias = "tuple[str, str, str]"

#: Of how many pods of a workload it is kept what became of them.
_PODS: t.Final = 5

#: How many owners an object has, one above the other, at most: more are a circle.
_LEVELS: t.Final = 8

#: What a pod's spec has of its own, beside the template that it comes from, and that is no matter of its memory.
_OWN: t.Final = (
    "nodeName",
    "hostname",
    "subdomain",
    "affinity",
    "tolerations",
    "nodeSelector",
    "topologySpreadConstraints",
    "schedulingGates",
)

#: An annotation that repeats the whole object.
_LAST_APPLIED: t.Final = "kubectl.kubernetes.io/last-applied-configuration"


def key_of(one: Object, kind: str) -> Key:
    """What an object is found by."""
    metadata = one["metadata"]
    return str(metadata.get("namespace") or ""), kind, str(metadata["name"])


def owner_of(one: Object) -> tuple[str, str] | None:
    """Kind and name of what owns an object as its controller, or nothing. A node owns no more than copies of static pods."""
    for reference in one["metadata"].get("ownerReferences") or ():
        if reference.get("controller") and reference.get("kind") != "Node":
            return str(reference.get("kind")), str(reference.get("name"))
    return None


@dataclasses.dataclass
class _Seen:
    """The live pods of a workload that have one spec."""

    metadata: Object
    spec: Object
    replicas: int = 0
    running: int = 0
    newest: str = ""
    ended: list[Object] = dataclasses.field(default_factory=list)
    allocatable: int | None = None
    used: dict[str, int] = dataclasses.field(default_factory=dict)


def _all(_key: Key) -> bool:
    return True


class Collector:
    """Takes objects as they come, page by page, and keeps of the pods only what differs.

    :param wants: which workloads are kept.
    """

    def __init__(self, wants: collections.abc.Callable[[Key], bool] = _all) -> None:
        self._wants = wants
        self._templates: dict[Key, list[Workload]] = {}
        self._owners: dict[Key, tuple[str, str]] = {}
        self._seen: dict[tuple[Key, int], _Seen] = {}
        #: by node, its pods that have a volume of medium Memory: namespace, name, and what is kept of them
        self._with_memory: dict[str, list[tuple[str, str, _Seen]]] = {}

    def add_controller(self, one: Object, kind: str) -> None:
        """An object that creates pods, or what creates them; without its spec it says no more than who owns it."""
        key = key_of(one, kind)
        owner = owner_of(one)
        if owner:
            self._owners[key] = owner
        elif "spec" in one and self._wants(key):
            self._templates[key] = workloads_of({"apiVersion": BUILT_IN[kind].api_version, **one, "kind": kind})

    def add_pod(self, pod: Object, allocatable: int | None = None) -> None:
        """A live pod.

        :param allocatable: the memory, in bytes, that pods can have on its node.
        """
        key = self._top(pod)
        if not self._wants(key):
            return
        spec = pod.get("spec") or {}
        digest = _digest(spec, pod["metadata"]["name"])
        seen = self._seen.get((key, digest))
        if seen is None:
            seen = self._seen[key, digest] = _Seen(_metadata(pod), spec)
        seen.replicas += 1
        seen.running += not scene.is_over(pod)
        seen.newest = max(seen.newest, str(pod["metadata"].get("creationTimestamp") or ""))
        if allocatable is not None:
            seen.allocatable = min(allocatable, seen.allocatable or allocatable)
        if any((one.get("emptyDir") or {}).get("medium") == "Memory" for one in spec.get("volumes") or ()):
            node, metadata = str(spec.get("nodeName") or ""), pod["metadata"]
            here = self._with_memory.setdefault(node, []) if node else []
            here.append((str(metadata.get("namespace") or ""), str(metadata["name"]), seen))
        if (scene.ends(pod) or scene.eviction(pod) or scene.refusal(pod)) and len(seen.ended) < _PODS:
            seen.ended.append({"metadata": {"name": pod["metadata"]["name"]}, "status": pod.get("status") or {}})

    def nodes(self) -> list[str]:
        """The nodes that run pods with a volume of medium Memory, those with most of them first."""
        return sorted(self._with_memory, key=lambda node: (-len(self._with_memory[node]), node))

    def add_stats(self, node: str, summary: Object) -> None:
        """What the kubelet of a node says is in the volumes of its pods."""
        used = used_bytes(summary)
        for namespace, name, seen in self._with_memory.get(node, ()):
            for volume, size in used.get((namespace, name), {}).items():
                seen.used[volume] = max(size, seen.used.get(volume, 0))

    def _top(self, pod: Object) -> Key:
        """What a pod belongs to. Owners of owners have been added before the pods."""
        key, owner = key_of(pod, "Pod"), owner_of(pod)
        for _level in range(_LEVELS):
            if owner:
                key = (key[0], *owner)
                owner = self._owners.get(key)
        namespace, kind, name = key
        suffix = (pod["metadata"].get("labels") or {}).get("pod-template-hash")
        deployment = (namespace, "Deployment", name.removesuffix(f"-{suffix}"))
        # where nobody may look at ReplicaSets
        return deployment if kind == "ReplicaSet" and deployment in self._templates else key

    def workloads(self) -> collections.abc.Iterator[Workload]:
        """Every workload; several of one object, if its pods differ in what they share memory with."""
        with_pods = set()
        newest: dict[Key, str] = {}
        for (key, _digest_of), seen in self._seen.items():
            newest[key] = max(seen.newest, newest.get(key, ""))
        for (key, _digest_of), seen in self._seen.items():
            # pods of a template that it had before, which are left over
            if not seen.running and seen.newest < newest[key] and key in self._templates:
                continue
            with_pods.add(key)
            templates = self._templates.get(key, [])
            work = templates[0] if len(templates) == 1 else _without_template(key, seen)
            yield dataclasses.replace(
                work,
                metadata=seen.metadata,
                seen=seen.spec,
                pods=tuple(seen.ended),
                replicas=seen.replicas,
                allocatable=seen.allocatable,
                used=seen.used,
            )
        for key, templates in self._templates.items():
            if key not in with_pods:
                yield from templates


def _without_template(key: Key, seen: _Seen) -> Workload:
    """A workload of which no more is known than its pods."""
    namespace, kind, name = key
    known = BUILT_IN.get(kind)
    version, path = (known.api_version, known.template) if known else ("", ())
    return Workload(version, kind, namespace, name, path, seen.metadata, seen.spec)


def used_bytes(summary: Object) -> dict[tuple[str, str], dict[str, int]]:
    """By namespace and name of pods, how many bytes are in each of their volumes. What is no number is left out."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for pod in _mappings(summary.get("pods")):
        reference = pod.get("podRef")
        if isinstance(reference, dict):
            found[str(reference.get("namespace")), str(reference.get("name"))] = {
                str(one.get("name")): one["usedBytes"]
                for one in _mappings(pod.get("volume"))
                if isinstance(one.get("usedBytes"), int)
            }
    return found


def _mappings(value: t.Any) -> list[Object]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _metadata(pod: Object) -> dict[str, t.Any]:
    """What says of a pod what it is."""
    metadata = pod["metadata"]
    annotations = {name: text for name, text in (metadata.get("annotations") or {}).items() if name != _LAST_APPLIED}
    return {"name": metadata["name"], "labels": metadata.get("labels") or {}, "annotations": annotations}


def _digest(spec: Object, name: str) -> int:
    """Equal for pods of one template: what the cluster or an operator gives to each pod as its own is left out."""
    volumes = [
        {**one, "persistentVolumeClaim": {}} if "persistentVolumeClaim" in one else one
        for one in spec.get("volumes") or ()
        if not is_token(one)
    ]
    containers = [
        {
            **one,
            "volumeMounts": [each for each in one.get("volumeMounts") or () if not is_token(each)],
        }
        for one in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    ]
    left_out = ("volumes", "containers", "initContainers", *_OWN)
    kept = {field: value for field, value in spec.items() if field not in left_out}
    text = json.dumps([kept, volumes, containers], sort_keys=True, default=str)
    return zlib.crc32(text.replace(name, "").encode())
