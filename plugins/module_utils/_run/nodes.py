# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Which nodes a run uses, which nodes they represent, and which image the probe runs in (pure)."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Node,
    NodeChoice,
    Settings,
    SkippedNodes,
    Target,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import parse_bytes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason

#: What a cloud calls its pools: nodes of one pool are alike.
_POOL_LABELS: t.Final = (
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "kubernetes.azure.com/agentpool",
    "karpenter.sh/nodepool",
    "node.kubernetes.io/instance-type",
    "node-role.kubernetes.io/control-plane",
)


def choose(
    nodes: t.Sequence[dict[str, t.Any]], settings: Settings, architectures: t.Container[str]
) -> tuple[list[Target], list[SkippedNodes]]:
    """The targets of a run, and the nodes that it skips.

    One node per distinct pool, architecture, kernel, kubelet and runtime version represents the others, times each
    RuntimeClass; all nodes or only the first, if the settings say so. A kind of node that cannot be used is skipped, as
    long as there is another; so are those beside the first, if only the first is wanted.

    :param nodes: Node objects as the API server returns them.
    :raises Inconclusive: none can be used; the detail says why the nearest could not.
    """
    selected = [node for node in nodes if _selected(node, settings.node_selector)]
    if not selected:
        wanted = ",".join(f"{key}={value}" for key, value in sorted(settings.node_selector.items()))
        raise Inconclusive(
            Reason.NO_NODE, f"none of {len(nodes)} nodes has the labels {wanted}" if wanted else "there is no node"
        )
    kinds: dict[tuple[str, ...], list[dict[str, t.Any]]] = {}
    for one in sorted(selected, key=lambda one: str(one["metadata"]["name"])):
        kinds.setdefault(_kind(one, settings), []).append(one)
    usable: list[tuple[Node, tuple[str, ...]]] = []
    skipped: list[tuple[SkippedNodes, Inconclusive]] = []
    for alike in kinds.values():
        names = tuple(str(one["metadata"]["name"]) for one in alike)
        node, problem = _first_usable(alike, settings, architectures)
        if node:
            usable.append((node, names))
        elif problem:
            skipped.append((SkippedNodes(list(names), problem.reason, str(problem)), problem))
    if not usable:
        nearest = max((problem for _nodes, problem in skipped), key=_nearness)
        others = f"; the other {len(selected) - 1} cannot be used either" if len(selected) > 1 else ""
        raise Inconclusive(nearest.reason, f"{nearest.detail}{others}", nearest.subject)
    left_out = [nodes for nodes, _problem in skipped]
    if settings.nodes is NodeChoice.FIRST:
        beside = sorted(name for _node, names in usable[1:] for name in names)
        usable = usable[:1]
        if beside:
            detail = "they are of other kinds, and the option nodes is first"
            left_out.append(SkippedNodes(beside, Reason.NOT_REQUESTED, detail))
    targets = [
        Target(node, runtime_class, names) for node, names in usable for runtime_class in settings.runtime_classes
    ]
    return targets, left_out


def _kind(node: dict[str, t.Any], settings: Settings) -> tuple[str, ...]:
    """What nodes must have in common to be alike."""
    if settings.nodes is NodeChoice.ALL:
        return (str(node["metadata"]["name"]),)
    labels = node["metadata"].get("labels") or {}
    info = (node.get("status") or {}).get("nodeInfo") or {}
    facts = ("operatingSystem", "architecture", "kernelVersion", "kubeletVersion", "containerRuntimeVersion")
    return (*(str(labels.get(label)) for label in _POOL_LABELS), *(str(info.get(fact)) for fact in facts))


def _first_usable(
    nodes: t.Sequence[dict[str, t.Any]], settings: Settings, architectures: t.Container[str]
) -> tuple[Node | None, Inconclusive | None]:
    problems: list[Inconclusive] = []
    for node in nodes:
        try:
            return _usable(node, settings, architectures), None
        except Inconclusive as problem:
            problems.append(problem)
    return None, max(problems, key=_nearness)


def _nearness(problem: Inconclusive) -> int:
    """The rank of a problem: the later the test that failed, the closer the node was to being usable."""
    order = (Reason.NOT_LINUX, Reason.NO_NODE)
    return order.index(problem.reason) if problem.reason in order else len(order)


def _selected(node: dict[str, t.Any], selector: t.Mapping[str, str]) -> bool:
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def _usable(node: dict[str, t.Any], settings: Settings, architectures: t.Container[str]) -> Node:
    name = str(node["metadata"]["name"])
    subject = f"node {name}"
    status = node.get("status") or {}
    info = status.get("nodeInfo") or {}
    if info.get("operatingSystem", "linux") != "linux":
        raise Inconclusive(Reason.NOT_LINUX, f"runs {info['operatingSystem']}", subject)
    if not any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ()):
        raise Inconclusive(Reason.NO_NODE, "is not Ready", subject)
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerated(
            taint, (*_DEFAULT_TOLERATIONS, *settings.tolerations)
        ):
            raise Inconclusive(
                Reason.NO_NODE, f"has the taint {taint['key']}:{taint['effect']}, which is not tolerated", subject
            )
    architecture = str(info.get("architecture", ""))
    if architecture not in architectures:
        raise Inconclusive(
            Reason.PROBE_ARCH, f"has the architecture {architecture}, which the probe is not built for", subject
        )
    image = settings.image or _image(status.get("images") or ())
    if not image:
        raise Inconclusive(
            Reason.NO_IMAGE, "lists no image that the probe can run in; name one with the option image", subject
        )
    return Node(
        name=name,
        architecture=architecture,
        allocatable_memory_bytes=parse_bytes((status.get("allocatable") or {}).get("memory", 0)),
        image=image,
        # an image that the node lists is there: it must not be pulled without the user's consent
        pull_policy="IfNotPresent" if settings.image else "Never",
        runtime=str(info.get("containerRuntimeVersion", "")),
        kernel=str(info.get("kernelVersion", "")),
        kubelet=str(info.get("kubeletVersion", "")),
    )


#: What every pod tolerates for a while (the admission plugin DefaultTolerationSeconds): a node that is Ready again can
#: still have it.
_DEFAULT_TOLERATIONS: t.Final[tuple[dict[str, t.Any], ...]] = tuple(
    {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute"}
    for state in ("not-ready", "unreachable")
)


def _tolerated(taint: dict[str, t.Any], tolerations: t.Iterable[dict[str, t.Any]]) -> bool:
    def matches(toleration: dict[str, t.Any]) -> bool:
        if toleration.get("effect") and toleration["effect"] != taint["effect"]:
            return False
        if not toleration.get("key"):
            return bool(toleration.get("operator") == "Exists")
        if toleration["key"] != taint["key"]:
            return False
        return bool(toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", ""))

    return any(matches(toleration) for toleration in tolerations)


#: Registries that everybody has access to: an image of another one can be a tenant's own.
_PUBLIC_REGISTRIES: t.Final = (
    "registry.k8s.io/",
    "k8s.gcr.io/",
    "docker.io/",
    "quay.io/",
    "ghcr.io/",
    "gcr.io/",
    "public.ecr.aws/",
    "mcr.microsoft.com/",
    "registry.access.redhat.com/",
)


def _image(images: t.Iterable[dict[str, t.Any]]) -> str:
    """The sandbox image if the node lists it, else its smallest public one, else nothing."""
    pause: list[str] = []
    public: list[tuple[int, str]] = []
    for image in images:
        names = [str(name) for name in image.get("names") or () if "<none>" not in name]
        # a tag reads better in reports than a digest
        for name in sorted(names, key=lambda name: ("@" in name, name)):
            if re.search(r"(^|[/-])pause([:@]|-[a-z0-9]+[:@])", name):
                pause.append(name)
                break
            if name.startswith(_PUBLIC_REGISTRIES):
                public.append((int(image.get("sizeBytes") or 0), name))
                break
    if pause:
        return sorted(pause)[-1]
    return min(public)[1] if public else ""
