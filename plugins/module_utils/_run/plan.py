# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Checks -> pods and steps, and which node they run on (pure)."""

from __future__ import annotations

import collections.abc
import dataclasses
import decimal
import re
import typing as t
import zlib

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _catalog, _pod, _profiles, _protocol
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Undecided

#: Written beyond what is expected, so that a limit that does not hold is seen.
_BEYOND: t.Final = _catalog.MIB

#: Written beyond the default of /dev/shm, to show that the volume really is larger.
_MORE_THAN_DEFAULT: t.Final = 8 * _catalog.MIB

_SUFFIXES: t.Final[dict[str, decimal.Decimal]] = {
    "": decimal.Decimal(1),
    "m": decimal.Decimal("0.001"),
    **{letter: decimal.Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": decimal.Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """The options of a run, checked and in base units (bytes, seconds)."""

    namespace: str = "default"
    image: str = ""
    node_selector: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    tolerations: tuple[dict[str, t.Any], ...] = ()
    runtime_classes: tuple[str, ...] = ("",)
    nodes: str = "representative"
    cpu_millis: int = 250
    memory_bytes: int = 32 * _catalog.MIB
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    timeout: int = 60
    start_timeout: int = 30
    cleanup_timeout: int = 30
    #: how long one step may take; the probe itself is told the same deadline
    step_timeout: int = 10
    size_limit_bytes: int = 512 * _catalog.MIB
    default_size_bytes: int = _catalog.DEFAULT_SHM_BYTES
    fill: bool = True
    max_write_bytes: int = 1024 * _catalog.MIB
    #: what SHM601 asks of the IPC sysctls: names of profiles, and least values of one's own
    profiles: tuple[str, ...] = ("postgresql", "oracle")
    minimums: _profiles.Minimums = dataclasses.field(default_factory=dict)
    #: the command that restarts the kubelet of C({node}), for SHM403
    restart_kubelet: tuple[str, ...] = ()
    #: check id, or check id@RuntimeClass -> why its FAIL is accepted
    accept: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Node:
    """What the plan and the verdicts need to know of the node that stands for the cluster."""

    name: str
    architecture: str
    allocatable_memory_bytes: int
    image: str
    pull_policy: str
    runtime: str
    kernel: str
    kubelet: str


@dataclasses.dataclass(frozen=True)
class Target:
    """Where questions are asked: a node, which stands for others of its kind, and a RuntimeClass."""

    node: Node
    runtime_class: str
    stands_for: tuple[str, ...]

    def facts(self) -> dict[str, t.Any]:
        """The target as it stands in results and reports."""
        return {
            **dataclasses.asdict(self.node),
            "runtime_class": self.runtime_class,
            "stands_for": list(self.stands_for),
        }


@dataclasses.dataclass(frozen=True)
class Unasked:
    """Nodes that nothing is asked of, and why."""

    nodes: list[str]
    reason: str
    detail: str


@dataclasses.dataclass(frozen=True)
class PlannedStep:
    """A step with its nonce and its arguments filled in."""

    check: str
    label: str
    container: str
    name: str
    nonce: str
    args: dict[str, str]
    fatal: bool = False
    waits: bool = False
    spare: bool = False


@dataclasses.dataclass(frozen=True)
class PodPlan:
    """One pod: its name within the run, what it is, and its containers and volumes."""

    part: str
    options: _pod.PodOptions
    containers: tuple[_pod.ContainerSpec, ...]
    volumes: tuple[_pod.VolumeSpec, ...]


@dataclasses.dataclass(frozen=True)
class ScenarioPlan:
    """The pods of one scenario and the steps that run in them, in order."""

    layout: _catalog.Scenario
    pods: tuple[PodPlan, ...]
    steps: tuple[PlannedStep, ...]

    def pod_of(self, container: str) -> PodPlan:
        """The pod that a container is in, or will be added to."""
        return next(pod for pod in self.pods if any(spec.name == container for spec in pod.containers))


def quantity(text: t.Any) -> int:
    """A Kubernetes quantity (V(512Mi), V(1G), V(1e3), V(67108864)) as a whole number, rounded up.

    :raises ValueError: it is none.
    """
    return _rounded_up(_quantity(text))


def millis(text: t.Any) -> int:
    """A Kubernetes quantity (V(250m), V(1)) in thousandths, rounded up.

    :raises ValueError: it is none.
    """
    return _rounded_up(_quantity(text) * 1000)


def _rounded_up(number: decimal.Decimal) -> int:
    return int(number.to_integral_value(rounding=decimal.ROUND_CEILING))


def _quantity(text: t.Any) -> decimal.Decimal:
    match = re.fullmatch(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]{0,2})", str(text).strip())
    if not match or match.group(2) not in _SUFFIXES:
        raise ValueError(f"not a quantity: {text!r}; write for example 512Mi")
    try:
        return decimal.Decimal(match.group(1)) * _SUFFIXES[match.group(2)]
    except decimal.InvalidOperation:
        raise ValueError(f"not a quantity: {text!r}; write for example 512Mi") from None


#: CPU of a container that writes little. Less would throttle the runtime itself while it starts the container.
_LIGHT_MILLIS: t.Final = 100

#: A tmpfs that is written to beside the point, and what the charge of a write is measured with.
_SMALL: t.Final = 16 * _catalog.MIB
_CHARGE: t.Final = 8 * _catalog.MIB


def variables(settings: Settings, run: str) -> dict[str, str]:
    """What the catalog's C({placeholders}) stand for in this run."""

    def bound(wanted: int) -> str:
        return str(min(wanted, settings.max_write_bytes))

    return {
        "run": run,
        "text": _catalog.SENTENCE,
        "size_limit": str(settings.size_limit_bytes),
        "size_limit_text": _pod.memory_text(settings.size_limit_bytes),
        "default_size": str(settings.default_size_bytes),
        "fill_default": bound(settings.default_size_bytes + _BEYOND),
        "fill_memory": bound(settings.default_size_bytes + _MORE_THAN_DEFAULT),
        "fill_limit": bound(settings.size_limit_bytes + _BEYOND),
        "beyond_limit": str(settings.size_limit_bytes + _BEYOND),
        "small": str(_SMALL),
        "fill_small": bound(_SMALL + _BEYOND),
        "beyond_small": str(_SMALL + _BEYOND),
        "charge": str(_CHARGE),
        # with what was charged before, too much for a container of this memory; without it, not
        "nearly_all": str(settings.memory_bytes - _CHARGE * 3 // 4),
        # beyond any pod of the catalog
        "too_much": str(1024 * _catalog.MIB),
        # a volume of the size small, resized in place: how far, and how much of it is used meanwhile
        "grown": str(2 * _SMALL),
        "fill_grown": bound(2 * _SMALL + _BEYOND),
        "shrunk": str(_SMALL // 2),
        "used": bound(_SMALL // 2 - _BEYOND),
        "too_small": str(_SMALL // 4),
        "more_memory": str(settings.memory_bytes + 3 * _SMALL),
        "profiles": ", ".join([*settings.profiles, *settings.minimums]) or "nothing in particular",
        # no default of any kernel
        "shmmax": str(123 * _catalog.MIB),
        "over_shmmax": str(123 * _catalog.MIB + 1),
    }


def asked_for(check: _catalog.Check, settings: Settings) -> bool:
    """Whether the option is given that a check needs."""
    return not check.option or bool(getattr(settings, check.option))


def _own(check: str, values: t.Mapping[str, str]) -> dict[str, str]:
    """The placeholders of one check: key and name are its own, since a runtime that leaks may make pods meet."""
    number = int(values["run"], 16) + zlib.crc32(check.encode("ascii"))
    # never 0, which is IPC_PRIVATE
    file = f"podshm-{values['run']}-{check.lower()}"
    return {**values, "key": f"0x{number % 0x7FFFFFFE + 1:x}", "file": file, "name": f"/{file}"}


def plan(
    checks: t.Sequence[_catalog.Check],
    settings: Settings,
    run: str,
    nonces: collections.abc.Iterator[str],
) -> tuple[ScenarioPlan, ...]:
    """The scenarios that answer the checks, with the pods and containers that a step names.

    :param nonces: fresh random nonces, one is taken per step.
    """
    values = variables(settings, run)
    scenarios = []
    for scenario in _catalog.SCENARIOS.values():
        steps = [
            (check, step)
            for check in checks
            if check.scenario == scenario.name and asked_for(check, settings)
            for step in check.steps
            if settings.fill or step.name != "fill"
        ]
        if steps:
            scenarios.append(_scenario_plan(scenario, steps, settings, values, nonces))
    return tuple(scenarios)


def _scenario_plan(
    scenario: _catalog.Scenario,
    steps: t.Sequence[tuple[_catalog.Check, _catalog.Step]],
    settings: Settings,
    values: t.Mapping[str, str],
    nonces: collections.abc.Iterator[str],
) -> ScenarioPlan:
    planned = tuple(
        PlannedStep(
            check=check.id,
            label=step.label,
            container=step.container,
            name=step.name,
            nonce=next(nonces),
            args={key: value.format_map(_own(check.id, values)) for key, value in step.args.items()},
            fatal=step.fatal,
            waits=step.waits,
            spare=step.spare,
        )
        for check, step in steps
    )
    writes: dict[str, int] = {}
    for _check, wanted in steps:
        if wanted.writes:
            writes[wanted.container] = max(writes.get(wanted.container, 0), int(wanted.writes.format_map(values)))
    used = {step.container for step in planned}
    pods = []
    for pod in scenario.pods:
        containers = [
            container for container in scenario.containers if container.pod == pod.name and container.name in used
        ]
        if not containers:
            continue
        # an ephemeral container needs a pod that it is added to
        if all(container.kind != "main" for container in containers):
            containers.append(next(c for c in scenario.containers if c.pod == pod.name and c.kind == "main"))
        specs = tuple(
            _container_spec(container, scenario.completes, planned, settings, writes.get(container.name, 0), values)
            for container in containers
        )
        volumes = {volume.name: volume for container in containers for _path, volume in container.mounts}
        pods.append(
            PodPlan(
                part=pod.name or scenario.name,
                options=dataclasses.replace(
                    pod.options,
                    sysctls=tuple((name, value.format_map(values)) for name, value in pod.options.sysctls),
                ),
                containers=specs,
                volumes=tuple(
                    _pod.VolumeSpec(volume.name, volume.medium, volume.size_limit.format_map(values), volume.host_path)
                    for volume in volumes.values()
                ),
            )
        )
    return ScenarioPlan(scenario, tuple(pods), planned)


def _container_spec(
    container: _catalog.Container,
    completes: bool,
    steps: t.Iterable[PlannedStep],
    settings: Settings,
    writes: int,
    values: t.Mapping[str, str],
) -> _pod.ContainerSpec:
    command: tuple[str, ...] = ("hold",)
    if completes or container.kind == "init":
        (step,) = (step for step in steps if step.container == container.name)
        args = {"deadline": str(settings.step_timeout * 1000), **step.args}
        command = tuple(_protocol.argv(step.name, step.nonce, args))
    light = writes <= _SMALL + _BEYOND
    return _pod.ContainerSpec(
        name=container.name,
        command=command,
        cpu_millis=min(_LIGHT_MILLIS, settings.cpu_millis) if light else settings.cpu_millis,
        memory_bytes=settings.memory_bytes + max(writes, int(container.memory.format_map(values))),
        mounts=tuple((path, volume.name) for path, volume in container.mounts),
        kind=container.kind,
        user=container.user,
        limited=container.limited,
        read_only=container.read_only,
    )


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
) -> tuple[list[Target], list[Unasked]]:
    """The targets of a run, and the nodes that it leaves out.

    One node per distinct pool, architecture, kernel, kubelet and runtime version stands for the others, times each
    RuntimeClass; all nodes or only the first, if the settings say so. A kind of node that cannot be used is left out, as
    long as there is another.

    :param nodes: Node objects as the API server returns them.
    :raises Undecided: none can be used; the detail says why the nearest could not.
    """
    selected = [node for node in nodes if _selected(node, settings.node_selector)]
    if not selected:
        wanted = ",".join(f"{key}={value}" for key, value in sorted(settings.node_selector.items()))
        raise Undecided(
            "NoNode", f"none of {len(nodes)} nodes has the labels {wanted}" if wanted else "there is no node"
        )
    kinds: dict[tuple[str, ...], list[dict[str, t.Any]]] = {}
    for one in sorted(selected, key=lambda one: str(one["metadata"]["name"])):
        kinds.setdefault(_kind(one, settings), []).append(one)
    usable: list[tuple[Node, tuple[str, ...]]] = []
    unasked: list[tuple[Unasked, Undecided]] = []
    for alike in kinds.values():
        names = tuple(str(one["metadata"]["name"]) for one in alike)
        node, problem = _first_usable(alike, settings, architectures)
        if node:
            usable.append((node, names))
        elif problem:
            unasked.append((Unasked(list(names), problem.reason, str(problem)), problem))
    if not usable:
        worst = max((problem for _left, problem in unasked), key=_how_far)
        others = f"; the other {len(selected) - 1} cannot be used either" if len(selected) > 1 else ""
        raise Undecided(worst.reason, f"{worst.detail}{others}", worst.subject)
    if settings.nodes == "first":
        usable = usable[:1]
    targets = [
        Target(node, runtime_class, names) for node, names in usable for runtime_class in settings.runtime_classes
    ]
    return targets, [left for left, _problem in unasked]


def _kind(node: dict[str, t.Any], settings: Settings) -> tuple[str, ...]:
    """What nodes must have in common to be alike."""
    if settings.nodes == "all":
        return (str(node["metadata"]["name"]),)
    labels = node["metadata"].get("labels") or {}
    info = (node.get("status") or {}).get("nodeInfo") or {}
    facts = ("operatingSystem", "architecture", "kernelVersion", "kubeletVersion", "containerRuntimeVersion")
    return (*(str(labels.get(label)) for label in _POOL_LABELS), *(str(info.get(fact)) for fact in facts))


def _first_usable(
    nodes: t.Sequence[dict[str, t.Any]], settings: Settings, architectures: t.Container[str]
) -> tuple[Node | None, Undecided | None]:
    problems: list[Undecided] = []
    for node in nodes:
        try:
            return _usable(node, settings, architectures), None
        except Undecided as problem:
            problems.append(problem)
    return None, max(problems, key=_how_far)


def _how_far(problem: Undecided) -> int:
    """How much of a node fitted: images are looked at when all else does."""
    return ("NotLinux", "NoNode").index(problem.reason) if problem.reason in ("NotLinux", "NoNode") else 2


def _selected(node: dict[str, t.Any], selector: t.Mapping[str, str]) -> bool:
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def _usable(node: dict[str, t.Any], settings: Settings, architectures: t.Container[str]) -> Node:
    name = str(node["metadata"]["name"])
    subject = f"node {name}"
    status = node.get("status") or {}
    info = status.get("nodeInfo") or {}
    if info.get("operatingSystem", "linux") != "linux":
        raise Undecided("NotLinux", f"runs {info['operatingSystem']}", subject)
    if not any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ()):
        raise Undecided("NoNode", "is not Ready", subject)
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerated(
            taint, (*_EVERY_POD, *settings.tolerations)
        ):
            raise Undecided(
                "NoNode", f"has the taint {taint['key']}:{taint['effect']}, which is not tolerated", subject
            )
    architecture = str(info.get("architecture", ""))
    if architecture not in architectures:
        raise Undecided("ProbeArch", f"has the architecture {architecture}, which the probe is not built for", subject)
    image = settings.image or _image(status.get("images") or ())
    if not image:
        raise Undecided("NoImage", "lists no image that the probe may run in; name one with the option image", subject)
    return Node(
        name=name,
        architecture=architecture,
        allocatable_memory_bytes=quantity((status.get("allocatable") or {}).get("memory", 0)),
        image=image,
        # an image that the node lists is there: it must not be pulled behind the user's back
        pull_policy="IfNotPresent" if settings.image else "Never",
        runtime=str(info.get("containerRuntimeVersion", "")),
        kernel=str(info.get("kernelVersion", "")),
        kubelet=str(info.get("kubeletVersion", "")),
    )


#: What every pod tolerates for a while (the admission plugin DefaultTolerationSeconds): a node that is Ready again may
#: still have it.
_EVERY_POD: t.Final[tuple[dict[str, t.Any], ...]] = tuple(
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


#: Registries that anybody may pull from: an image of another one may be a tenant's own.
_PUBLIC: t.Final = (
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
            if name.startswith(_PUBLIC):
                public.append((int(image.get("sizeBytes") or 0), name))
                break
    if pause:
        return sorted(pause)[-1]
    return min(public)[1] if public else ""
