# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The pods that checks share: most checks run in the two pods of :data:`PAIR` (pure)."""

from __future__ import annotations

import collections.abc
import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    SHM,
    Container,
    ContainerKind,
    Layout,
    Mount,
    Pod,
    PodOptions,
    Sizes,
    Volume,
)

_MEMORY: t.Final = "Memory"


def _small(sizes: Sizes) -> int:
    return sizes.small


def _on_shm(volume: Volume) -> tuple[Mount, ...]:
    return (Mount(SHM, volume),)


#: Sysctls: one that any pod is free to set, and one that the kubelet must allow.
_SAFE_SYSCTL: t.Final = PodOptions(sysctls=(("kernel.shm_rmid_forced", lambda sizes: 1),))
_UNSAFE_SYSCTL: t.Final = PodOptions(sysctls=(("kernel.shmmax", lambda sizes: sizes.shmmax),))

#: What the runtime itself mounts on the node.
_NODE_SHM: t.Final = Volume("host-shm", host_path=SHM)

# ------------------------------------------------------------------------------------- the controls

# what can be refused of a pod is not in it, and none is smaller
ALONE: t.Final = Container("alone")
CONTROL: t.Final = Layout(
    "control", "a pod of one container without volumes, smaller than the pods of all checks", (ALONE,)
)

# ------------------------------------------------------------ two pods, the layout of most checks

# policies ask for a sizeLimit of every volume; those without one are about its absence
_SHARED: t.Final = Volume("shared", size_limit=_small)
# /dev/shm as the runtime mounts it; one volume for both, one for the first alone, one each at the same path
FIRST: t.Final = Container(
    "first",
    (
        Mount("/shared", _SHARED),
        Mount("/private", Volume("private", size_limit=_small)),
        Mount("/own", Volume("own-first", size_limit=_small)),
    ),
)
SECOND: t.Final = Container(
    "second", (Mount("/shared", _SHARED), Mount("/own", Volume("own-second", size_limit=_small)))
)
GUEST: t.Final = Container("guest", user=65533)
# the most common mistake: the volume is mounted in one container only
ONE_SIDED: t.Final = Container("one-sided", _on_shm(Volume("one-sided", _MEMORY, _small)))
UNSIZED: t.Final = Container("unsized", _on_shm(Volume("unsized", _MEMORY)))
SIZED: t.Final = Container(
    "sized",
    _on_shm(Volume("sized", _MEMORY, lambda sizes: sizes.size_limit)),
    memory=lambda sizes: sizes.size_limit,
)
STRANGER: t.Final = Container("stranger", pod="other")
PAIR: t.Final = Layout(
    "pair",
    "two pods side by side; the containers of the first have the runtime's own /dev/shm or volumes on it",
    (FIRST, SECOND, GUEST, ONE_SIDED, UNSIZED, SIZED, STRANGER),
    pods=(Pod(), Pod("other")),
)

# ---------------------------------------------------------------------------- volumes on /dev/shm

_RESIZED: t.Final = Volume("resized", _MEMORY, _small)
RESIZED: t.Final = Container("resized", _on_shm(_RESIZED), memory=lambda sizes: sizes.grown)
# the layout that everybody should have: one volume on /dev/shm of both
FELLOW: t.Final = Container("fellow", _on_shm(_RESIZED))
# many charts mount a folder of one volume
SUB_PATH: t.Final = Container("sub-path", (Mount(SHM, _RESIZED, sub_path="shm"),))
DEBUG: t.Final = Container("debug", kind=ContainerKind.EPHEMERAL)
# as abcdesktop.io starts its applications
APPLICATION: t.Final = Container("application", _on_shm(_RESIZED), kind=ContainerKind.EPHEMERAL)
# more than the pod's memory limit, which clips it
CLIPPED: t.Final = Container("clipped", _on_shm(Volume("clipped", _MEMORY, lambda sizes: sizes.too_much)))
ZERO: t.Final = Container("zero", _on_shm(Volume("zero", _MEMORY, lambda sizes: 0)))
DISK: t.Final = Container("disk", _on_shm(Volume("disk", size_limit=_small)))
READ_ONLY: t.Final = Container("readonly", _on_shm(Volume("readonly", _MEMORY, _small)), read_only=True)
VOLUMES: t.Final = Layout(
    "volumes",
    "a pod whose containers have volumes on /dev/shm: shared, restarted and resized, and frequent mistakes (too large, of "
    "size 0, on disk, read-only); ephemeral containers join them",
    (RESIZED, FELLOW, SUB_PATH, DEBUG, APPLICATION, CLIPPED, ZERO, DISK, READ_ONLY),
    pods=(Pod(options=PodOptions(restarts=True)),),
)

#: A group that is no user's own.
GROUP: t.Final = 65531
_GROUPED: t.Final = Volume("grouped", _MEMORY, _small)
GROUPED: t.Final = Container("grouped", _on_shm(_GROUPED))
# of its own: platforms that choose groups themselves refuse the pod (OpenShift)
FS_GROUP: t.Final = Layout(
    "fs-group",
    "a pod with fsGroup and a volume on /dev/shm",
    (GROUPED,),
    pods=(Pod(options=PodOptions(fs_group=GROUP)),),
)

# of its own: few nodes have huge pages. The first container allocates the page, the second maps the same one. The
# kubelet mounts hugetlbfs with mode 0755: without fsGroup only root can write there
_HUGE: t.Final = Volume("huge", "HugePages", lambda sizes: 2 * sizes.huge_page)
HUGE: t.Final = Container("huge", _on_shm(_HUGE), huge_page=True)
HUGE_PEER: t.Final = Container("huge-peer", _on_shm(_HUGE))
HUGE_PAGES: t.Final = Layout(
    "huge-pages",
    "a pod with fsGroup whose containers have an emptyDir of medium HugePages on /dev/shm",
    (HUGE, HUGE_PEER),
    pods=(Pod(options=PodOptions(fs_group=GROUP)),),
)

# ------------------------------------------------------- init containers, sidecars and restarts

INIT_SYSV: t.Final = Container("before", kind=ContainerKind.INIT)
INIT_POSIX: t.Final = Container("earlier", kind=ContainerKind.INIT)
MAIN: t.Final = Container("main")
LIFE: t.Final = Layout(
    "life",
    "a pod with init containers and a main container that restarts",
    (INIT_SYSV, INIT_POSIX, MAIN),
    pods=(Pod(options=PodOptions(restarts=True)),),
)

SIDECAR: t.Final = Container("beside", kind=ContainerKind.SIDECAR)
SERVED: t.Final = Container("served")
# of its own: where sidecars are not known, it is an init container that never ends
SIDECARS: t.Final = Layout("sidecar", "a pod of a sidecar and a main container", (SIDECAR, SERVED))

TIGHT: t.Final = Container("tight")
TIGHT_POD: t.Final = Layout(
    "tight",
    "a pod of one container with less memory than its /dev/shm",
    (TIGHT,),
    pods=(Pod(options=PodOptions(restarts=True)),),
)

WRITER: t.Final = Container("writer")
READER: t.Final = Container("reader")
COMPLETE: t.Final = Layout(
    "complete",
    "a pod of two containers that hand each other values and end",
    (WRITER, READER),
    runs_to_completion=True,
)

# --------------------------------------------------------------------------------- other namespaces

ONE: t.Final = Container("one")
TWO: t.Final = Container("two")
OWN_USERS: t.Final = Layout(
    "users",
    "a pod of two containers with a user namespace of its own (hostUsers: false)",
    (ONE, TWO),
    pods=(Pod(options=PodOptions(own_users=True)),),
)

HOLDER: t.Final = Container("holder")
TAKER: t.Final = Container("taker")
SHARED_PIDS: t.Final = Layout(
    "processes",
    "a pod of two containers with shareProcessNamespace",
    (HOLDER, TAKER),
    pods=(Pod(options=PodOptions(share_pids=True)),),
)

# what is created on the node has the run's name and goes with the session that created it
HOST_IPC: t.Final = Container("ipc", pod="host-ipc")
HOST_PATH: t.Final = Container("path", _on_shm(_NODE_SHM), pod="host-path", read_only=True)
HOST_PLAIN: t.Final = Container("plain", pod="host-path")
HOST: t.Final = Layout(
    "host",
    "a pod with hostIPC, and one with a hostPath volume on /dev/shm",
    (HOST_IPC, HOST_PATH, HOST_PLAIN),
    pods=(Pod("host-ipc", PodOptions(host_ipc=True)), Pod("host-path")),
)

# ---------------------------------------------------------------------------- sysctls and limits

# pods of their own: a policy that refuses sysctls must not keep any other check from running
SAFE: t.Final = Container("safe")
SAFE_POD: t.Final = Layout("safe", "a pod with a safe sysctl", (SAFE,), pods=(Pod(options=_SAFE_SYSCTL),))

UNSAFE: t.Final = Container("unsafe")
UNSAFE_POD: t.Final = Layout("unsafe", "a pod with an unsafe sysctl", (UNSAFE,), pods=(Pod(options=_UNSAFE_SYSCTL),))

BARE: t.Final = Container("bare", _on_shm(Volume("bare", _MEMORY)), has_memory_limit=False)
# where the kubelet's swapBehavior is LimitedSwap, it gives swap to containers whose memory request is not their limit
SWAPPABLE: t.Final = Container("swappable", has_memory_limit=False)
UNDECLARED: t.Final = Layout("undeclared", "a pod whose containers have no memory limit", (BARE, SWAPPABLE))

# of its own: the Pod Security Standards refuse root and capabilities
SEGMENT_OWNER: t.Final = Container("owner")
ROOT: t.Final = Container("root", root=True)
ROOT_IPC_OWNER: t.Final = Container("root-ipc-owner", root=True, capabilities=("IPC_OWNER",))
USER_IPC_OWNER: t.Final = Container("user-ipc-owner", user=65533, capabilities=("IPC_OWNER",))
IPC_OWNER: t.Final = Layout(
    "ipc-owner",
    "a pod whose containers run as root and with the capability IPC_OWNER",
    (SEGMENT_OWNER, ROOT, ROOT_IPC_OWNER, USER_IPC_OWNER),
)

# --------------------------------------------------------------------------------------- the kubelet

KEPT: t.Final = Container("kept", _on_shm(Volume("kept", _MEMORY, _small)), memory=_small)
KUBELET: t.Final = Layout(
    "kubelet", "a pod with a volume on /dev/shm, whose node's kubelet restarts", (KEPT,), exclusive=True
)

# ------------------------------------------------------------------------------------------ admission

#: What everybody should have, which complies with every level of the Pod Security Standards.
ADMIT_VOLUME: t.Final = Container(
    "volume", _on_shm(Volume("admitted", _MEMORY, _small)), memory=_small, pod="volume-on-dev-shm"
)
ADMIT_RELAXED: t.Final = Container("relaxed", pod="relaxed")

#: In the order in which pods are created: the controls, which no large pod must take the room of; then what takes longest.
_CREATED: t.Final[tuple[Layout, ...]] = (
    CONTROL,
    VOLUMES,
    LIFE,
    SIDECARS,
    TIGHT_POD,
    PAIR,
    COMPLETE,
    OWN_USERS,
    SHARED_PIDS,
    SAFE_POD,
    UNSAFE_POD,
    UNDECLARED,
    FS_GROUP,
    HUGE_PAGES,
    IPC_OWNER,
    KUBELET,
    HOST,
)


@dataclasses.dataclass(frozen=True)
class Sample:
    """A pod that is sent as a dry run.

    :param layout: whose pod it is; nothing where the dry run is all that there is of it.
    """

    role: str
    layout: Layout | None
    pod: Pod
    containers: tuple[Container, ...]


def _samples() -> collections.abc.Iterator[Sample]:
    """Every pod of every layout: what a run can request, and nothing else."""
    yield Sample(ADMIT_VOLUME.pod, None, Pod(ADMIT_VOLUME.pod), (ADMIT_VOLUME,))
    yield Sample(ADMIT_RELAXED.pod, None, Pod(ADMIT_RELAXED.pod, PodOptions(relaxed=True)), (ADMIT_RELAXED,))
    for layout in _CREATED:
        for pod in layout.pods:
            inside = tuple(container for container in layout.containers if container.pod == pod.role)
            yield Sample(pod.role or layout.name, layout, pod, inside)


SAMPLES: t.Final[tuple[Sample, ...]] = tuple(_samples())

ADMISSION: t.Final = Layout(
    "admission",
    "no pod: every pod of every layout is sent to the API server as a dry run",
    tuple(container for sample in SAMPLES for container in sample.containers),
    dry_run_only=True,
)

LAYOUTS: t.Final[tuple[Layout, ...]] = (*_CREATED, ADMISSION)
