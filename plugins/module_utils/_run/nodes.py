# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Which nodes a run uses, which nodes they represent, and which image the probe runs in (pure)."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Node,
    NodeChoice,
    Settings,
    SkippedNodes,
    Target,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import parse_bytes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason, quote

Object: t.TypeAlias = "dict[str, t.Any]"

#: What clouds and their users call pools (V(worker.gardener.cloud/pool), V(lke.linode.com/pool-id)): nodes of one pool are
#: alike. An address pool is none of these.
_POOL_LABEL: t.Final = re.compile(
    r"(^|/)((gke|civo|node|worker|agent|machine)-?)*pool(-(id|name))?$|/node-?group(-name)?$|/provisioner-name$"
    r"|^kops\.k8s\.io/instancegroup$|^node\.kubernetes\.io/instance-type$"
)

#: Other labels that tell of something that answers depend on: roles, cgroups, huge pages, sandboxes, shared GPUs.
_TELLING_LABEL: t.Final = re.compile(
    r"^node-role\.kubernetes\.io/|cgroup|hugepage|sandbox|runtime-?class|kata|gvisor|gpu\.present|mps\.capable|sharing-strategy",
    re.IGNORECASE,
)

#: What a node says of itself, and must be the same on all nodes of a kind.
_INFO: t.Final = (
    "operatingSystem",
    "architecture",
    "osImage",
    "kernelVersion",
    "kubeletVersion",
    "containerRuntimeVersion",
)

#: The same, of a node's status.
_STATUS: t.Final = ("runtimeHandlers", "features", "declaredFeatures")


@dataclasses.dataclass(frozen=True)
class RuntimeClass:
    """What a RuntimeClass says of where it can run; nothing where it is not known.

    :param handler: the name of the runtime on the node.
    """

    handler: str = ""
    node_selector: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    tolerations: tuple[Object, ...] = ()

    @classmethod
    def of(cls, stored: Object | None) -> RuntimeClass:
        """That of an object of the API, or of none."""
        scheduling = (stored or {}).get("scheduling") or {}
        return cls(
            str((stored or {}).get("handler", "")),
            scheduling.get("nodeSelector") or {},
            tuple(scheduling.get("tolerations") or ()),
        )


class Choice(t.NamedTuple):
    """Where a run runs.

    :ivar unplaced: RuntimeClass -> why no node can run it, though nodes can run another.
    """

    targets: list[Target]
    skipped: list[SkippedNodes]
    unplaced: dict[str, Inconclusive]


def choose(
    nodes: t.Sequence[Object],
    settings: Settings,
    architectures: t.Container[str],
    classes: t.Mapping[str, RuntimeClass] = types.MappingProxyType({}),
) -> Choice:
    """The targets of a run, and the nodes that it skips.

    One node of each kind represents the others, for each RuntimeClass; all nodes or only the first, if the settings say
    so. A node that cannot be used represents no other and is represented by none: it is skipped with its reason. So are
    kinds beyond the settings' bound, and those beside the first, if only the first is wanted.

    :param nodes: Node objects as the API server returns them; one without a status is a node that nobody may look at.
    :param classes: by name, those of the settings that are known.
    :raises Inconclusive: none can be used; the detail says why the nearest could not.
    """
    # that of the overlay is in every pod
    selector = {**(settings.additions.spec.get("nodeSelector") or {}), **settings.node_selector}
    selected = sorted((one for one in nodes if _selected(one, selector)), key=_name)
    if not selected:
        raise _nothing(nodes, selector)
    usable: dict[str, dict[str, Node]] = {}
    problems: dict[str, dict[str, Inconclusive]] = {}
    for name in settings.runtime_classes:
        usable[name], problems[name] = _sorted_out(selected, settings, architectures, classes.get(name, RuntimeClass()))
    if not any(usable.values()):
        everything = [problem for by_node in problems.values() for problem in by_node.values()]
        raise _nearest(everything, len(selected) - 1)
    kept, beside = _bounded(_kinds(selected, settings, usable), settings)
    targets = [
        Target(usable[name][here[0]], name, here)
        for kind in kept
        for name in settings.runtime_classes
        if (here := tuple(node for node in kind if node in usable[name]))
    ]
    unplaced = {name: _nearest(list(problems[name].values()), len(selected) - 1) for name in usable if not usable[name]}
    return Choice(targets, [*_skipped(problems), *beside], unplaced)


def _nothing(nodes: t.Sequence[Object], selector: t.Mapping[str, str]) -> Inconclusive:
    """Why no node is eligible."""
    wanted = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    if nodes:
        return Inconclusive(Reason.NO_NODE, f"none of {len(nodes)} nodes has the labels {wanted}")
    return Inconclusive(
        Reason.NO_NODE,
        "there is no node; a virtual cluster (vCluster) shows a node once a pod runs there: start a pod, then run again",
    )


def _sorted_out(
    nodes: t.Sequence[Object], settings: Settings, architectures: t.Container[str], runtime_class: RuntimeClass
) -> tuple[dict[str, Node], dict[str, Inconclusive]]:
    """By name: the nodes that can run a RuntimeClass, and why others cannot."""
    usable: dict[str, Node] = {}
    problems: dict[str, Inconclusive] = {}
    for node in nodes:
        try:
            usable[_name(node)] = _usable(node, settings, architectures, runtime_class)
        except Inconclusive as problem:
            problems[_name(node)] = problem
    return usable, problems


def _kinds(
    nodes: t.Sequence[Object], settings: Settings, usable: t.Mapping[str, t.Mapping[str, Node]]
) -> list[list[str]]:
    """The names of the nodes that some RuntimeClass can run on, by kind."""
    kinds: dict[tuple[str, ...], list[str]] = {}
    for node in nodes:
        name = _name(node)
        if any(name in here for here in usable.values()):
            kinds.setdefault((name,) if settings.nodes is NodeChoice.ALL else _kind(node), []).append(name)
    return list(kinds.values())


def _bounded(kinds: list[list[str]], settings: Settings) -> tuple[list[list[str]], list[SkippedNodes]]:
    """The kinds that are used, and what is left out; the largest kinds where there are too many."""
    if settings.nodes is NodeChoice.FIRST:
        most, why = 1, "they are of other kinds, and the option nodes is first"
    elif settings.nodes is NodeChoice.REPRESENTATIVE:
        most, why = (
            settings.max_kinds,
            f"there are {len(kinds)} kinds of nodes, and the option max_kinds is {settings.max_kinds}",
        )
    else:
        most, why = len(kinds), ""
    largest = kinds if settings.nodes is NodeChoice.FIRST else sorted(kinds, key=lambda kind: -len(kind))
    beside = sorted(name for kind in largest[most:] for name in kind)
    kept = [kind for kind in kinds if kind in largest[:most]]
    return kept, [SkippedNodes(beside, Reason.NOT_REQUESTED, why)] if beside else []


def _skipped(problems: t.Mapping[str, t.Mapping[str, Inconclusive]]) -> list[SkippedNodes]:
    """The nodes that cannot be used, those with one cause together; the RuntimeClass is named where it is not the same for all."""
    causes: dict[tuple[Reason, str], dict[str, list[str]]] = {}
    for runtime_class, by_node in problems.items():
        for name, problem in by_node.items():
            causes.setdefault((problem.reason, problem.detail), {}).setdefault(name, []).append(runtime_class)
    found: dict[tuple[Reason, str, tuple[str, ...]], list[str]] = {}
    for (reason, detail), by_name in causes.items():
        for name, classes in by_name.items():
            found.setdefault((reason, detail, tuple(classes)), []).append(name)
    return [
        SkippedNodes(
            names,
            reason,
            detail if len(classes) == len(problems) else f"{detail} ({_classes(classes)})",
        )
        for (reason, detail, classes), names in found.items()
    ]


def _classes(names: t.Iterable[str]) -> str:
    return ", ".join(f"RuntimeClass {name}" if name else "the default runtime" for name in names)


def _nearest(problems: t.Sequence[Inconclusive], others: int) -> Inconclusive:
    """The problem of the node that is closest to being usable, and that the others are not either."""
    nearest = max(problems, key=_nearness)
    more = f"; the other {others} cannot be used either" if others else ""
    return Inconclusive(nearest.reason, f"{nearest.detail}{more}", nearest.subject)


def _name(node: Object) -> str:
    return str(node["metadata"]["name"])


def _labels(node: Object) -> dict[str, str]:
    return dict(node["metadata"].get("labels") or {})


def _kind(node: Object) -> tuple[str, ...]:
    """What nodes must have in common to be alike: all that an answer of podshm can depend on, as far as a Node tells it."""
    labels, status = _labels(node), node.get("status") or {}
    info = status.get("nodeInfo") or {}
    pool = {key: labels[key] for key in sorted(labels) if _POOL_LABEL.search(key) or _TELLING_LABEL.search(key)}
    said = {**{key: info.get(key) for key in _INFO}, **{key: status.get(key) for key in _STATUS}}
    taints = [(taint.get("key"), taint.get("value"), taint.get("effect")) for taint in _taints(node)]
    parts = (pool, _order_free(said), sorted(map(str, taints)), _resources(status))
    return (virtual(node), *(json.dumps(part, sort_keys=True, default=str) for part in parts))


def _order_free(value: t.Any) -> t.Any:
    """A value whose lists are sorted: the order in which a runtime names its handlers says nothing."""
    if isinstance(value, dict):
        return {key: _order_free(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted((_order_free(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
    return value


def _resources(status: Object) -> dict[str, t.Any]:
    """The resources of a node that answers depend on.

    Huge pages count by their number. Of what a device plugin offers it matters that there is some, not how much. Memory
    and swap count by their power of two: nodes of one size differ by a few pages, and the answers name the size of each.
    """
    found: dict[str, t.Any] = {}
    for part in ("capacity", "allocatable"):
        for name, quantity in (status.get(part) or {}).items():
            if name.startswith("hugepages-"):
                found[f"{part} {name}"] = _number(quantity)
            elif "/" in name:
                found[f"{part} {name}"] = _number(quantity) != 0
    sizes = {
        "memory": (status.get("capacity") or status.get("allocatable") or {}).get("memory", 0),
        "swap": ((status.get("nodeInfo") or {}).get("swap") or {}).get("capacity") or 0,
    }
    for name, size in sizes.items():
        number = _number(size)
        found[name] = number.bit_length() if isinstance(number, int) else number
    return found


def _number(quantity: t.Any) -> int | str:
    """A quantity as a number; one that cannot be read stands for itself."""
    try:
        return parse_bytes(quantity)
    except ValueError:
        return str(quantity)


def _taints(node: Object) -> list[Object]:
    """The taints that keep pods away from a node."""
    taints = (node.get("spec") or {}).get("taints") or ()
    return [
        taint
        for taint in taints
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerated(taint, _DEFAULT_TOLERATIONS)
    ]


#: What only a node has that is not there: of which software, by what it writes into labels and annotations.
_VIRTUAL_MARKS: t.Final[dict[str, tuple[str, str]]] = {
    "vcluster.loft.sh/fake-node": ("true", "fake node of a virtual cluster (vCluster)"),
    "type": ("virtual-kubelet", "virtual node (virtual kubelet)"),
    "liqo.io/type": ("virtual-node", "virtual node (Liqo)"),
}


def virtual(node: Object) -> str:
    """What kind of node that is not real it is, in words; nothing for a real one. Such a node's sizes are made up."""
    labels = _labels(node)
    for key, (value, words) in _VIRTUAL_MARKS.items():
        if labels.get(key) == value:
            return words
    info = (node.get("status") or {}).get("nodeInfo") or {}
    if "fakelinux" in str(info.get("kernelVersion")) or "Fake Kubernetes" in str(info.get("osImage")):
        return _VIRTUAL_MARKS["vcluster.loft.sh/fake-node"][1]
    return ""


def _nearness(problem: Inconclusive) -> int:
    """The rank of a problem: the later the test that failed, the closer the node was to being usable."""
    order = (Reason.NOT_LINUX, Reason.NO_NODE)
    return order.index(problem.reason) if problem.reason in order else len(order)


def _selected(node: Object, selector: t.Mapping[str, str]) -> bool:
    labels = _labels(node)
    # nobody may look at the labels of a node without a status
    return "status" not in node or all(labels.get(key) == value for key, value in selector.items())


def _unseen(node: Object, settings: Settings, architectures: t.Container[str]) -> Node:
    """A node that is used by its name alone: nothing of it is known."""
    subject = f"node {_name(node)}"
    architecture = settings.node_selector.get("kubernetes.io/arch", "amd64")
    if architecture not in architectures:
        raise Inconclusive(
            Reason.PROBE_ARCH, f"has the architecture {architecture}, which the probe is not built for", subject
        )
    if not settings.image:
        words = "is not visible to this account, and neither are its images: name one with the option image"
        raise Inconclusive(Reason.NO_IMAGE, words, subject)
    return Node(
        name=_name(node),
        architecture=architecture,
        allocatable_memory_bytes=None,
        image=settings.image,
        pull_policy="IfNotPresent",
        runtime="",
        kernel="",
        kubelet="",
        note="used by its name: the account may not look at it",
        huge_page_bytes=None,
    )


def _usable(node: Object, settings: Settings, architectures: t.Container[str], runtime_class: RuntimeClass) -> Node:
    if "status" not in node:
        return _unseen(node, settings, architectures)
    name = _name(node)
    subject = f"node {name}"
    status = node.get("status") or {}
    info = status.get("nodeInfo") or {}
    if info.get("operatingSystem", "linux") != "linux":
        raise Inconclusive(Reason.NOT_LINUX, f"runs {info['operatingSystem']}", subject)
    if "kwok.x-k8s.io/node" in (node["metadata"].get("annotations") or {}):
        raise Inconclusive(Reason.NO_NODE, "is a fake node (KWOK), which runs no containers", subject)
    if _labels(node).get("eks.amazonaws.com/compute-type") == "fargate":
        raise Inconclusive(Reason.NO_NODE, "is a node of EKS Fargate, which runs one pod and no other", subject)
    if node["metadata"].get("deletionTimestamp"):
        raise Inconclusive(Reason.NO_NODE, "is being removed", subject)
    if not any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ()):
        raise Inconclusive(Reason.NO_NODE, "is not Ready", subject)
    _require_schedulable(node, subject, (*_DEFAULT_TOLERATIONS, *settings.tolerations, *runtime_class.tolerations))
    _require_handler(node, subject, runtime_class)
    architecture = str(info.get("architecture", ""))
    if architecture not in architectures:
        raise Inconclusive(
            Reason.PROBE_ARCH, f"has the architecture {architecture}, which the probe is not built for", subject
        )
    note = virtual(node)
    image = settings.image or _image(status.get("images") or ())
    if not image:
        raise Inconclusive(Reason.NO_IMAGE, _no_image(note, len(status.get("images") or ())), subject)
    return Node(
        name=name,
        architecture=architecture,
        allocatable_memory_bytes=None if note else parse_bytes((status.get("allocatable") or {}).get("memory", 0)),
        image=image,
        # an image that the node lists is there: it must not be pulled without the user's consent
        pull_policy="IfNotPresent" if settings.image else "Never",
        runtime=quote(info.get("containerRuntimeVersion", "")),
        kernel=quote(info.get("kernelVersion", "")),
        kubelet=quote(info.get("kubeletVersion", "")),
        note=note,
        huge_page_bytes=None if note else _huge_page(status.get("allocatable") or {}),
    )


def _huge_page(allocatable: Object) -> int:
    """The smallest size of huge pages of which a node has at least one for pods; 0 where it has none."""
    sizes = []
    for name, quantity in allocatable.items():
        size = _number(name.removeprefix("hugepages-")) if name.startswith("hugepages-") else 0
        amount = _number(quantity)
        if isinstance(size, int) and isinstance(amount, int) and 0 < size <= amount:
            sizes.append(size)
    return min(sizes, default=0)


def _require_schedulable(node: Object, subject: str, tolerations: tuple[Object, ...]) -> None:
    """Raise Inconclusive if the node keeps the pods away."""
    spec = node.get("spec") or {}
    for taint in spec.get("taints") or ():
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerated(taint, tolerations):
            words = f"has the taint {taint['key']}:{taint['effect']}, which is not tolerated"
            raise Inconclusive(Reason.NO_NODE, words, subject)
    # the scheduler asks for this toleration even before the controller has set the taint
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    if spec.get("unschedulable") and not _tolerated(cordon, tolerations):
        raise Inconclusive(Reason.NO_NODE, "is cordoned (unschedulable)", subject)


def _require_handler(node: Object, subject: str, runtime_class: RuntimeClass) -> None:
    """Raise Inconclusive if the RuntimeClass cannot run on the node, as far as both tell."""
    labels = _labels(node)
    missing = {key: value for key, value in runtime_class.node_selector.items() if labels.get(key) != value}
    if missing:
        words = ",".join(f"{key}={value}" for key, value in sorted(missing.items()))
        raise Inconclusive(Reason.NO_NODE, f"lacks the labels {words} that the RuntimeClass selects", subject)
    handlers = {str(one.get("name", "")) for one in (node.get("status") or {}).get("runtimeHandlers") or ()}
    if runtime_class.handler and handlers and runtime_class.handler not in handlers:
        words = f"its runtime has no handler {runtime_class.handler}, which the RuntimeClass names"
        raise Inconclusive(Reason.RUNTIME_CLASS_MISSING, words, subject)


def _no_image(note: str, count: int) -> str:
    """Why no image of a node can be used, in words."""
    if note:
        return f"is a {note}, which lists no image that can be used; name one with the option image"
    most = f" (kubelets list their {count} largest only, and pause is small)" if count >= _LISTED else ""
    return f"lists no image that the probe can run in{most}; name one with the option image"


#: How many images a kubelet lists by default (nodeStatusMaxImages).
_LISTED: t.Final = 50

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
        if toleration.get("operator") in ("Gt", "Lt"):
            return _compared(taint.get("value"), str(toleration["operator"]), toleration.get("value"))
        return bool(toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", ""))

    return any(matches(toleration) for toleration in tolerations)


def _compared(taint: t.Any, operator: str, wanted: t.Any) -> bool:
    """Whether the number of a taint is greater or less than that of a toleration (KEP-5471, Kubernetes 1.35)."""
    if not all(re.fullmatch("0|-?[1-9][0-9]*", str(value)) for value in (taint, wanted)):
        return False
    return int(taint) > int(wanted) if operator == "Gt" else int(taint) < int(wanted)


#: Where the images of sandboxes come from, without a registry's name of one's own.
_PAUSE: t.Final = re.compile(r"(^|[/-])pause([:@]|-[a-z0-9]+[:@])")
_KNOWN_PAUSE: t.Final = re.compile(
    r"^(registry\.k8s\.io/|k8s\.gcr\.io/|gke\.gcr\.io/|gcr\.io/(google-containers|gke-release)/|mcr\.microsoft\.com/"
    r"|public\.ecr\.aws/|docker\.io/(rancher|k8s|kubernetes)/|\d+\.dkr\.ecr\.[^/]+/eks/)"
)

#: What everybody may pull, or what is the platform's own: any other image can be a tenant's. Most registries have
#: private repositories beside public ones, so of these only whose owners publish everything there.
_PUBLIC: t.Final = re.compile(
    r"^(registry\.k8s\.io/|k8s\.gcr\.io/|gke\.gcr\.io/|gcr\.io/(distroless|google-containers|gke-release)/"
    r"|public\.ecr\.aws/|mcr\.microsoft\.com/|registry\.access\.redhat\.com/|\d+\.dkr\.ecr\.[^/]+/eks/"
    r"|docker\.io/(library|calico|flannel|rancher|kindest|coredns|grafana|prom|envoyproxy|istio|hashicorp|kubernetesui)/"
    r"|quay\.io/(cilium|calico|tigera|coreos|jetstack|prometheus|prometheus-operator|metallb|openshift-release-dev|k8scsi|argoproj)/"
    r"|ghcr\.io/(flannel-io|kube-vip|fluxcd|kyverno|cloudnative-pg|siderolabs|k3s-io|open-telemetry|kubereboot)/)"
)


def _image(images: t.Iterable[Object]) -> str:
    """The sandbox image if the node lists it, else its smallest public one, else nothing."""
    pause: list[tuple[bool, tuple[int, ...], str]] = []
    public: list[tuple[int, str]] = []
    for image in images:
        names = [str(name) for name in image.get("names") or () if "<none>" not in name]
        # a tag reads better in reports than a digest
        for name in sorted(names, key=lambda name: ("@" in name, name)):
            if _PAUSE.search(name):
                pause.append((bool(_KNOWN_PAUSE.search(name)), _version(name), name))
                break
            if _PUBLIC.search(name):
                public.append((int(image.get("sizeBytes") or 0), name))
                break
    if pause:
        # the newest is most likely the one that the runtime uses, which is never collected
        return max(pause)[-1]
    return min(public)[1] if public else ""


def _version(name: str) -> tuple[int, ...]:
    """The numbers of an image's tag: 3.10.1 is after 3.9."""
    tag = name.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return tuple(int(number) for number in re.findall(r"\d{1,9}", tag))
