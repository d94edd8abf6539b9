# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The words of the collection as types: verdicts, checks, layouts, settings (pure). Sizes are in bytes, times in seconds."""

from __future__ import annotations

import collections.abc
import dataclasses
import re
import typing as t
import zlib

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _profiles
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation, Scalar
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB, memory_text, page_rounded
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason, TextEnum

#: What the original podshmtest let its receiver read.
SENTENCE: t.Final = "This is the way the world ends..."

#: /dev/shm of a container that nobody sized: containerd and CRI-O hard-code it (kubernetes#28272, containerd#3654).
DEFAULT_SHM_BYTES: t.Final = 64 * MIB


#: The name of a cluster that nothing names, after "cluster".
NO_NAME: t.Final = "of the current context"


# ------------------------------------------------------------------------------------------------- verdicts


class Verdict(TextEnum):
    """What is said of a check, the worst first. V(UNREACHABLE) is said of a whole cluster only."""

    UNREACHABLE = "UNREACHABLE"
    FAIL = "FAIL"
    ERROR = "ERROR"
    WARN = "WARN"
    PASS = "PASS"
    SKIP = "SKIP"

    @property
    def severity(self) -> int:
        """How bad it is; 0 is the worst."""
        return list(Verdict).index(self)

    @property
    def is_bad(self) -> bool:
        """Whether a run that has it fails."""
        return self in (Verdict.UNREACHABLE, Verdict.FAIL, Verdict.ERROR)

    @property
    def is_decided(self) -> bool:
        """Whether it rests on what was observed."""
        return self in (Verdict.FAIL, Verdict.WARN, Verdict.PASS)


def worst(verdicts: t.Iterable[Verdict]) -> Verdict:
    """The one verdict that stands for several; none at all, or V(SKIP) alone, is V(ERROR): nothing was decided."""
    found = set(verdicts)
    return Verdict.ERROR if found <= {Verdict.SKIP} else min(found, key=lambda verdict: verdict.severity)


#: Between what was observed and why somebody accepts a FAIL.
ACCEPTED: t.Final = "; accepted: "


@dataclasses.dataclass(frozen=True)
class Decision:
    """What a rule decides: V(PASS), V(WARN) or V(FAIL), what was observed in one line, and the fix for this very outcome."""

    verdict: Verdict
    observed: str
    fix: str = ""

    def __post_init__(self) -> None:
        if not self.verdict.is_decided:
            raise ValueError(f"a rule raises Inconclusive instead of deciding {self.verdict}")
        if (self.verdict is Verdict.PASS) == bool(self.fix):
            raise ValueError(f"{self.verdict} {'has no fix' if self.fix else 'needs a fix'}: {self.observed}")


# ------------------------------------------------------------------------------------------------- settings


class NodeChoice(TextEnum):
    """Which of the eligible nodes a run uses."""

    REPRESENTATIVE = "representative"
    FIRST = "first"
    ALL = "all"


class Transport(TextEnum):
    """How steps come to their containers, and the answers back."""

    #: by exec, and by log where exec is not possible
    AUTO = "auto"
    EXEC = "exec"
    #: containers run their steps themselves
    LOG = "log"

    def note(self, no_exec: str) -> str:
        """That steps went by log, for the end of a line; nothing where they were exec'd.

        :param no_exec: why not by exec, with the code of the reason first; empty where nobody tried.
        """
        if self is not Transport.LOG:
            return ""
        return f", by log ({no_exec.partition(':')[0]})" if no_exec else ", by log"


@dataclasses.dataclass(frozen=True)
class Additions:
    """What a cluster demands of every pod, beside what the checks need.

    :param image_pull_secrets: names of Secrets in the namespace of the run.
    :param ephemeral_storage_bytes: of each container, beside the volumes that it mounts; 0 requests none.
    :param spec: fields of a pod's spec that no check depends on.
    """

    image_pull_secrets: tuple[str, ...] = ()
    priority_class: str = ""
    service_account: str = ""
    ephemeral_storage_bytes: int = 0
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    spec: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Settings:
    """The options of a run, checked and in base units (bytes, seconds)."""

    namespace: str = "default"
    image: str = ""
    node_selector: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    tolerations: tuple[dict[str, t.Any], ...] = ()
    runtime_classes: tuple[str, ...] = ("",)
    nodes: NodeChoice = NodeChoice.REPRESENTATIVE
    #: the only nodes, each by name, whether or not the account may list nodes
    node_names: tuple[str, ...] = ()
    #: how many kinds of nodes are represented at most
    max_kinds: int = 12
    cpu_millis: int = 250
    memory_bytes: int = 32 * MIB
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    additions: Additions = dataclasses.field(default_factory=Additions)
    #: of one target
    timeout: int = 60
    #: of all targets together
    total_timeout: int = 600
    start_timeout: int = 30
    cleanup_timeout: int = 30
    #: how long one step takes at most; the probe itself has the same deadline
    step_timeout: int = 10
    transport: Transport = Transport.AUTO
    size_limit_bytes: int = 512 * MIB
    default_size_bytes: int = DEFAULT_SHM_BYTES
    fill: bool = True
    max_write_bytes: int = 1024 * MIB
    #: what SHM601 requires of the IPC sysctls: names of profiles, and least values of one's own
    profiles: tuple[str, ...] = ("postgresql", "oracle")
    minimums: _profiles.Minimums = dataclasses.field(default_factory=dict)
    #: the command that restarts the kubelet of C({node}), for SHM403
    restart_kubelet: tuple[str, ...] = ()
    #: check id, or check id@RuntimeClass -> why its FAIL is accepted
    accept: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def seconds_of_run(self, targets: int) -> int:
        """How long a run with so many targets takes at most."""
        return max(self.timeout, min(self.timeout * targets, self.total_timeout))


#: Written beyond what is expected, so that a limit that does not hold is seen.
BEYOND: t.Final = MIB

#: Written beyond the default of /dev/shm, to show that the volume really is larger.
_MORE_THAN_DEFAULT: t.Final = 8 * MIB

#: The size of every volume whose exact size is not what the check is about.
SMALL: t.Final = 16 * MIB

#: What the charge of a write is measured with.
_CHARGE: t.Final = 8 * MIB

#: Where no node says another size: that of most of them.
_HUGE_PAGE: t.Final = 2 * MIB

#: No default of any kernel.
_SHMMAX: t.Final = 123 * MIB


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Every size that layouts, steps and rules use, in bytes. What fills /dev/shm is bounded by the option max_write."""

    size_limit: int
    default_size: int
    fill_default: int
    fill_memory: int
    fill_limit: int
    beyond_limit: int
    small: int
    fill_small: int
    beyond_small: int
    charge: int
    #: fits into the container's memory on its own, but not beside the 8 MiB left by a killed container
    nearly_all: int
    #: larger than the memory limit of any pod of the catalog
    too_much: int
    #: a volume of the size small, resized in place: how far, and how much of it is used meanwhile
    grown: int
    fill_grown: int
    shrunk: int
    used: int
    too_small: int
    more_memory: int
    shmmax: int
    over_shmmax: int
    #: the node's, see :meth:`on`
    huge_page: int

    @classmethod
    def of(cls, settings: Settings) -> Sizes:
        """The sizes of a run."""

        def bounded(wanted: int) -> int:
            return min(wanted, settings.max_write_bytes)

        return cls(
            size_limit=settings.size_limit_bytes,
            default_size=settings.default_size_bytes,
            fill_default=bounded(settings.default_size_bytes + BEYOND),
            fill_memory=bounded(settings.default_size_bytes + _MORE_THAN_DEFAULT),
            fill_limit=bounded(settings.size_limit_bytes + BEYOND),
            beyond_limit=settings.size_limit_bytes + BEYOND,
            small=SMALL,
            fill_small=bounded(SMALL + BEYOND),
            beyond_small=SMALL + BEYOND,
            charge=_CHARGE,
            nearly_all=settings.memory_bytes - _CHARGE * 3 // 4,
            too_much=1024 * MIB,
            grown=2 * SMALL,
            fill_grown=bounded(2 * SMALL + BEYOND),
            shrunk=SMALL // 2,
            used=bounded(SMALL // 2 - BEYOND),
            too_small=SMALL // 4,
            more_memory=settings.memory_bytes + 3 * SMALL,
            shmmax=_SHMMAX,
            over_shmmax=_SHMMAX + 1,
            huge_page=_HUGE_PAGE,
        )

    def on(self, huge_page_bytes: int | None) -> Sizes:
        """The sizes on a node with huge pages of this size."""
        return dataclasses.replace(self, huge_page=huge_page_bytes or _HUGE_PAGE)


#: A size that the settings of a run decide.
Size: t.TypeAlias = "collections.abc.Callable[[Sizes], int]"


def texts(settings: Settings, sizes: Sizes) -> dict[str, str]:
    """What the C({placeholders}) in questions and expectations stand for: the sizes in bytes, and a few words."""
    return {
        **{name: str(value) for name, value in dataclasses.asdict(sizes).items()},
        "size_limit_text": memory_text(sizes.size_limit),
        "size_limit_paged": str(page_rounded(sizes.size_limit)),
        "profiles": ", ".join([*settings.profiles, *settings.minimums]) or "nothing in particular",
    }


# -------------------------------------------------------------------------------------------------- layouts


class ContainerKind(TextEnum):
    """How a container lives. V(init): its one step is its own command. V(sidecar): Kubernetes 1.29."""

    MAIN = "main"
    INIT = "init"
    SIDECAR = "sidecar"
    #: added to the running pod by :attr:`Action.ADD_EPHEMERAL`
    EPHEMERAL = "ephemeral"


@dataclasses.dataclass(frozen=True)
class Volume:
    """An emptyDir: on the node's disk, a tmpfs (medium V(Memory)) or huge pages (V(HugePages)), with a sizeLimit or without.

    With C(host_path) it is that folder of the node instead.
    """

    name: str
    medium: str = ""
    size_limit: Size | None = None
    host_path: str = ""


@dataclasses.dataclass(frozen=True)
class Mount:
    """Where a container has a volume, or a folder of it."""

    path: str
    volume: Volume
    sub_path: str = ""


@dataclasses.dataclass(frozen=True)
class PodOptions:
    """What sets a pod apart from others. C(relaxed) leaves out what the Pod Security Standard V(restricted) demands."""

    restarts: bool = False
    share_pids: bool = False
    own_users: bool = False
    host_ipc: bool = False
    relaxed: bool = False
    fs_group: int = 0
    sysctls: tuple[tuple[str, Size], ...] = ()


@dataclasses.dataclass(frozen=True)
class Pod:
    """A pod of a layout, beside its containers. The role V() is the layout's own name."""

    role: str = ""
    options: PodOptions = dataclasses.field(default_factory=PodOptions)


@dataclasses.dataclass(frozen=True)
class Container:
    """A container of a layout.

    :param pod: the role of its pod.
    :param memory: what its memory limit leaves room for: Kubernetes clips a sizeLimit to the pod's memory limit silently.
    :param user: its uid and gid; 0 is the default user of all containers, which is not root.
    :param root: it runs as root, with these capabilities (none beside them).
    :param has_memory_limit: false for checks that are about the opposite.
    :param huge_page: it requests a huge page of the node's.
    """

    name: str
    mounts: tuple[Mount, ...] = ()
    pod: str = ""
    kind: ContainerKind = ContainerKind.MAIN
    memory: Size | None = None
    user: int = 0
    root: bool = False
    capabilities: tuple[str, ...] = ()
    has_memory_limit: bool = True
    read_only: bool = False
    huge_page: bool = False


@dataclasses.dataclass(frozen=True)
class Layout:
    """One or more pods that checks share. Only the containers that a step names are created, and only pods that have one.

    :param text: what it is, for the catalog.
    :param runs_to_completion: each step is its container's own command; otherwise containers hold and steps are exec'd.
    :param dry_run_only: the pods are sent to the API server as a dry run, never created.
    :param exclusive: it runs when all other layouts are done, since it disturbs them.
    """

    name: str
    text: str
    containers: tuple[Container, ...]
    pods: tuple[Pod, ...] = (Pod(),)
    runs_to_completion: bool = False
    dry_run_only: bool = False
    exclusive: bool = False


# --------------------------------------------------------------------------------------------------- checks


class Action(TextEnum):
    """A step that the run itself does, not the probe."""

    #: end the container's process and wait until the kubelet has started the container again
    RESTART = "@restart"
    #: wait until a container that was killed runs again
    AWAIT_RESTART = "@await_restart"
    #: add the container to the running pod
    ADD_EPHEMERAL = "@ephemeral"
    #: change the container's memory in place
    RESIZE = "@resize"
    #: change the sizeLimit of a volume in place
    RESIZE_VOLUME = "@resize_volume"
    #: run the command of the option restart_kubelet and wait until the node's kubelet is back
    RESTART_KUBELET = "@restart_kubelet"
    #: request the admission of the container's pod (a dry run)
    ADMIT = "@admit"


#: Where POSIX shared memory is.
SHM: t.Final = "/dev/shm"

#: What memory of a size is. gVisor shows its volumes by the protocol they come over.
MEMORY_FILE_SYSTEMS: t.Final = frozenset({"tmpfs", "9p"})

#: The name of the step that fills a file system; the option fill leaves it out.
FILL: t.Final = "fill"


class Mechanism(TextEnum):
    """What programs share by. Each has a positive and a negative control."""

    SYSV_SHM = "sysv_shm"
    SYSV_SEM = "sysv_sem"
    SYSV_MSG = "sysv_msg"
    POSIX_SHM = "posix_shm"
    POSIX_SEM = "posix_sem"
    POSIX_MQ = "posix_mq"


def _named(mechanism: Mechanism, names: str) -> dict[str, frozenset[Mechanism]]:
    return dict.fromkeys(names.split(), frozenset({mechanism}))


#: Step of the probe -> the mechanisms that its facts are about. The others measure a file system, or the container
#: itself: what they see of a size is decided by what they write.
_MECHANISMS: t.Final[dict[str, frozenset[Mechanism]]] = {
    **_named(
        Mechanism.SYSV_SHM,
        "sysv_shm_create sysv_shm_read sysv_shm_finish sysv_shm_drop rmid_forced limits beyond control_same",
    ),
    **_named(Mechanism.SYSV_SEM, "sysv_sem_create sysv_sem_wait sysv_sem_post sysv_sem_remove"),
    **_named(Mechanism.SYSV_MSG, "sysv_msg_create sysv_msg_send sysv_msg_receive sysv_msg_remove"),
    **_named(Mechanism.POSIX_SHM, "object_put object_get object_drop mutex_hold mutex_try mutex_drop"),
    **_named(Mechanism.POSIX_SEM, "sem_names control_sem"),
    **_named(Mechanism.POSIX_MQ, "mq_create mq_send mq_receive mq_unlink msgqueue_budget"),
    **dict.fromkeys(("posix_write", "posix_read"), frozenset({Mechanism.POSIX_SHM, Mechanism.POSIX_SEM})),
}


#: Steps that measure the file system of a path, which is C(/dev/shm) in most of them.
_MEASURES: t.Final = frozenset({FILL, "flags", "protected"})


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What a step's arguments are computed from. Key and names are the check's own: a runtime that leaks lets pods meet."""

    sizes: Sizes
    key: str
    file: str
    text: str = SENTENCE

    @property
    def name(self) -> str:
        """The name of a POSIX object."""
        return f"/{self.file}"

    @classmethod
    def of(cls, scope: str, check: str, sizes: Sizes) -> Inputs:
        """Those of one check in one run on one target.

        :param scope: the id of the run, and of its target where it has several, in hexadecimal digits.
        """
        number = int(scope, 16) + zlib.crc32(check.encode("ascii"))
        # never 0, which is IPC_PRIVATE
        return cls(sizes, key=f"0x{number % 0x7FFFFFFE + 1:x}", file=f"podshm-{scope}-{check.lower()}")


Arguments: t.TypeAlias = "collections.abc.Callable[[Inputs], t.Mapping[str, Scalar]]"


def no_arguments(unused: Inputs) -> t.Mapping[str, Scalar]:
    """The arguments of a step that takes none."""
    return {}


# a handle: two steps are equal only if they are one
@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """One run of the probe in one container, or an :class:`Action`; also the handle of its observation.

    :param label: its name in the evidence, unique within a check.
    :param writes: how many bytes it puts into the container's memory at most.
    :param may_be_oom_killed: the kernel may kill the whole container for it, which answers the step: cgroup v2 does
        (memory.oom.group, Kubernetes 1.28).
    :param blocks: the probe reports when it begins to wait; the next step ends the wait, then the answer is read.
    :param skip_if_killed: it is left out where the container was killed.
    """

    label: str
    container: Container
    name: str
    arguments: Arguments = no_arguments
    writes: Size | None = None
    may_be_oom_killed: bool = False
    blocks: bool = False
    skip_if_killed: bool = False

    @property
    def mechanisms(self) -> frozenset[Mechanism]:
        """What its facts are about."""
        return _MECHANISMS.get(self.name, frozenset())

    @property
    def uses_runtime_shm(self) -> bool:
        """Whether its facts are about the C(/dev/shm) that the runtime mounts in its container."""
        is_about = self.name in _MEASURES or bool(self.mechanisms & {Mechanism.POSIX_SHM, Mechanism.POSIX_SEM})
        return is_about and not any(mount.path == SHM for mount in self.container.mounts)


class Seen:
    """The observations of a check by the handles of its steps."""

    def __init__(self, steps: t.Iterable[Step], observations: t.Mapping[str, Observation]) -> None:
        self._found = {step: observations.get(step.label) for step in steps}

    def __getitem__(self, step: Step) -> Observation:
        """What a step observed.

        :raises Inconclusive: Internal, it has no answer, or is none of this check.
        """
        found = self._found.get(step)
        if found is None:
            raise Inconclusive(Reason.INTERNAL, f"there is no answer to the step {step.label}")
        return found

    def values(self) -> list[Observation]:
        """All observations, in the order of the steps."""
        return [found for found in self._found.values() if found is not None]


@dataclasses.dataclass(frozen=True)
class Node:
    """What the plan and the rules need to know of a node.

    :param allocatable_memory_bytes: None where nobody knows it.
    :param huge_page_bytes: the smallest size of huge pages of which pods can request one; 0 is none, None where nobody knows it.
    :param note: why what is known of it is not all, in words; nothing for a node like any other.
    """

    name: str
    architecture: str
    allocatable_memory_bytes: int | None
    image: str
    pull_policy: str
    runtime: str
    kernel: str
    kubelet: str
    note: str = ""
    huge_page_bytes: int | None = 0


@dataclasses.dataclass(frozen=True)
class PodSeen:
    """A pod as the API server stored it, which is not always what was requested, and how it was after the last step.

    :param memory_limit: of the pod, as the kubelet computes it; None where it has none.
    :param container_limits: by container; None where it has none.
    :param phase: None where nobody saw the pod after the last step.
    :param unseen: why nobody did.
    :param exit_codes: of the containers that have ended.
    """

    role: str
    spec: t.Mapping[str, t.Any]
    memory_limit: int | None
    container_limits: t.Mapping[str, int | None]
    phase: str | None = None
    reason: str = ""
    exit_codes: t.Mapping[str, int | None] = dataclasses.field(default_factory=dict)
    unseen: Inconclusive | None = None


@dataclasses.dataclass(frozen=True)
class Context:
    """What a rule knows beside its observations.

    :param pods: by role.
    :param refusals: what a rule of the cluster refused in this run, by role of the pod, in words.
    """

    settings: Settings
    sizes: Sizes
    node: Node
    pods: t.Mapping[str, PodSeen]
    layout: Layout
    refusals: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def pod_of(self, container: Container) -> PodSeen:
        """The pod of a container."""
        return self.pods[container.pod or self.layout.name]

    def pod_after(self, container: Container) -> PodSeen:
        """The same, seen after the last step.

        :raises Inconclusive: nobody saw it: the cause, or PodGone.
        """
        pod = self.pod_of(container)
        if pod.phase is None:
            raise pod.unseen or Inconclusive(
                Reason.POD_GONE, f"the state of the pod {pod.role} after the last step is not known"
            )
        return pod

    def memory_limit(self, container: Container) -> int | None:
        """The memory limit of a container's pod, or None where the stored pod has none."""
        return self.pod_of(container).memory_limit

    def container_limit(self, container: Container) -> int | None:
        """How much memory a container's own processes get: its limit, or its pod's where that is less."""
        pod = self.pod_of(container)
        limits = (pod.container_limits[container.name], pod.memory_limit)
        return min((limit for limit in limits if limit is not None), default=None)

    def volume_bound(self, container: Container, measured: int) -> tuple[int, str]:
        """What bounds a volume of medium Memory without a sizeLimit, and its name (KEP-1967).

        :param measured: the size of the volume. It decides nothing but what the unknown size of a node can explain.
        :raises Inconclusive: NodeUnknown, only the node's allocatable memory could explain it, which is not known.
        """
        limit = self.memory_limit(container)
        allocatable = self.node.allocatable_memory_bytes
        if allocatable is None:
            if limit is None or measured < limit:
                bound = "" if limit is None else f", less than the pod memory limit {limit}"
                detail = f"{measured} bytes{bound}; the node's allocatable memory is not known ({self.node.note})"
                raise Inconclusive(Reason.NODE_UNKNOWN, detail, f"node {self.node.name}")
            return limit, "pod memory limit"
        if limit is None or allocatable <= limit:
            return allocatable, "node allocatable"
        return limit, "pod memory limit"


Rule: t.TypeAlias = "collections.abc.Callable[[Seen, Context], Decision]"


#: The oldest Kubernetes that the collection is tested with.
LEAST_KUBERNETES: t.Final = "1.28"


@dataclasses.dataclass(frozen=True)
class Feature:
    """What not every supported Kubernetes has.

    :param name: in words.
    :param gate: its feature gate.
    :param gated: the first minor version where the gate can be turned on.
    :param default: the first minor version where it is on; nothing as long as there is none.
    """

    name: str
    gate: str
    gated: str
    default: str = ""

    @property
    def words(self) -> str:
        """Which versions have it."""
        if self.default:
            return f"Kubernetes {self.default} and newer have {self.name}"
        return f"Kubernetes {self.gated} and newer have {self.name}, if the gate {self.gate} is on"

    def is_usual_in(self, version: str) -> bool:
        """Whether a Kubernetes of this version (V(v1.30.14)) has it, unless somebody turned it off; so too where it is not known."""
        numbers = re.match(r"v(\d+)\.(\d+)", version)
        if numbers is None:
            return True
        least = self.default.split(".")
        return bool(self.default) and [int(number) for number in numbers.groups()] >= [int(number) for number in least]


class Group(TextEnum):
    """What a role bundles."""

    SYSV = "sysv"
    POSIX = "posix"
    RESIZE = "resize"
    ISOLATION = "isolation"
    LIMITS = "limits"
    CONTROL = "control"


#: Tag -> what it selects, for the catalog.
TAGS: t.Final[dict[str, str]] = {
    "basic": "the six questions of podshmtest",
    "sysv_shm": "System V shared memory",
    "sysv_sem": "System V semaphores",
    "sysv_msg": "System V message queues",
    "posix_shm": "POSIX shared memory",
    "posix_sem": "POSIX semaphores",
    "posix_mq": "POSIX message queues",
    "locks": "semaphores and mutexes",
    "size": "how large /dev/shm is",
    "memory": "which container is charged and killed",
    "in_place": "resized while the pod runs",
    "restart": "what outlives a restart",
    "handoff": "what outlives an init container, or is shared with a sidecar",
    "users": "containers with different users",
    "user_namespace": "pods with hostUsers: false",
    "host": "hostIPC and hostPath",
    "sysctls": "IPC sysctls and limits of the kernel",
    "postgresql": "PostgreSQL relies on it",
    "oracle": "Oracle Database relies on it",
    "nccl": "NCCL and PyTorch rely on it",
    "chrome": "Chrome relies on it",
    "ros2": "ROS 2 relies on it",
    "ucx": "UCX relies on it",
    "desktop": "Wayland, PulseAudio and X11 rely on it",
    "envoy": "Envoy relies on it",
}


@dataclasses.dataclass(frozen=True)
class Check:
    """One question with a stable id.

    :param group: the role that bundles it.
    :param tags: of :data:`TAGS`; they select it beside its id and its group.
    :param question: may hold C({placeholders}) of :func:`texts`, as may C(expected).
    :param skips: reasons that make it SKIP instead of ERROR: what a cluster is free to refuse.
    :param option: the setting without which it does not run (SKIP).
    :param needs: what of Kubernetes it is about, if not all supported versions have it: without that it is SKIP.
    """

    id: str
    name: str
    group: Group
    tags: frozenset[str]
    layout: Layout
    steps: tuple[Step, ...]
    question: str
    expected: str
    rule: Rule
    skips: frozenset[Reason] = frozenset()
    option: str = ""
    needs: Feature | None = None

    def __post_init__(self) -> None:
        labels = [step.label for step in self.steps]
        if len(set(labels)) < len(labels):
            raise ValueError(f"{self.id}: two steps have one label: {labels}")
        if unknown := self.tags - TAGS.keys():
            raise ValueError(f"{self.id}: there is no tag {', '.join(sorted(unknown))}")
        if strangers := {step.container.name for step in self.steps if step.container not in self.layout.containers}:
            raise ValueError(
                f"{self.id}: the layout {self.layout.name} has no container {', '.join(sorted(strangers))}"
            )

    @property
    def mechanisms(self) -> frozenset[Mechanism]:
        """What its steps use: its verdict depends on the controls of these."""
        return frozenset().union(*(step.mechanisms for step in self.steps))

    def is_enabled(self, settings: Settings) -> bool:
        """Whether the option is set that the check needs."""
        return not self.option or bool(getattr(settings, self.option))


def check(
    id_: str,
    name: str,
    *,
    group: Group,
    layout: Layout,
    question: str,
    expected: str,
    tags: str = "",
    steps: t.Iterable[Step] = (),
    skips: t.Iterable[Reason] = (),
    option: str = "",
    needs: Feature | None = None,
) -> collections.abc.Callable[[Rule], Check]:
    """Declare a check: the decorator of its rule, which becomes the check.

    :param tags: separated by blanks.
    """

    def declared(rule: Rule) -> Check:
        return Check(
            id_,
            name,
            group,
            frozenset(tags.split()),
            layout,
            tuple(steps),
            question,
            expected,
            rule,
            frozenset(skips) | ({Reason.FEATURE_GATE_OFF} if needs else frozenset()),
            option,
            needs,
        )

    return declared


# -------------------------------------------------------------------------------------------------- targets


@dataclasses.dataclass(frozen=True)
class Target:
    """Where checks run: a node, which represents others of its kind, and a RuntimeClass."""

    node: Node
    runtime_class: str
    represents: tuple[str, ...]

    def facts(self, admitted_runtime_class: str = "") -> dict[str, t.Any]:
        """The target as it stands in results and reports.

        :param admitted_runtime_class: what admission gave to pods that requested another or none.
        """
        return {
            **dataclasses.asdict(self.node),
            "runtime_class": self.runtime_class,
            "admitted_runtime_class": admitted_runtime_class,
            "represents": list(self.represents),
        }


@dataclasses.dataclass(frozen=True)
class SkippedNodes:
    """Nodes of one kind on which nothing runs, and why."""

    nodes: list[str]
    reason: Reason
    detail: str

    def facts(self) -> dict[str, t.Any]:
        """The nodes as they stand in results and reports."""
        return {"nodes": self.nodes, "reason": self.reason.value, "detail": self.detail}
