# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What pods see of each other, and of their node: SHM5xx (pure)."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.common import (
    ONE_NAMESPACE,
    errno,
    failed,
    failed_absence,
    last_failed,
    namespaces,
    passed,
    premise_failed,
    require_created_here,
    require_fact,
    require_own_object,
    require_stat_allowed,
    shown,
    warned,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import (
    FIRST,
    HOST,
    HOST_IPC,
    HOST_PATH,
    HOST_PLAIN,
    PAIR,
    STRANGER,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.steps import (
    drop_object,
    get_object,
    identities,
    public_object,
    segment,
    shared_object,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    SHM,
    Container,
    Context,
    Decision,
    Group,
    Seen,
    check,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import POLICIES, Inconclusive, Reason

# --------------------------------------------------------------------------------- two ordinary pods

_NO_HOST_IPC: t.Final = "find the policy or webhook that gives pods hostIPC, and have it leave them alone"
_NO_MOUNT: t.Final = "find the policy or webhook that mounts a volume on /dev/shm of pods, and have it leave them alone"
_NAMESPACE_PER_POD: t.Final = "use a runtime that gives each pod an IPC namespace of its own: this one leaks the node's"
_SHM_PER_POD: t.Final = "use a runtime that gives each pod a /dev/shm of its own: this one leaks the node's"


def _has_host_ipc(context: Context, *containers: Container) -> bool:
    """Whether the API server stored one of their pods with hostIPC."""
    return any(context.pod_of(container).spec.get("hostIPC") for container in containers)


def _has_mount(context: Context, *containers: Container) -> bool:
    """Whether the API server stored one of them with a volume on /dev/shm."""
    return any(
        mount["mountPath"] == SHM
        for container in containers
        for stored in context.pod_of(container).spec["containers"]
        if stored["name"] == container.name
        for mount in stored.get("volumeMounts") or ()
    )


_STRANGERS: t.Final = identities(FIRST, STRANGER)
_SEGMENT: t.Final = segment(FIRST, STRANGER, mode="0666")


@check(
    "SHM501",
    "isolation_sysv",
    group=Group.ISOLATION,
    tags="sysv_shm oracle",
    layout=PAIR,
    steps=(*_STRANGERS, *_SEGMENT.steps),
    question="Does a second pod on the node see the first one's System V objects?",
    expected="it does not find the segment of the same key, and is in another IPC namespace",
)
def isolation_sysv(seen: Seen, context: Context) -> Decision:
    """Each pod has an IPC namespace of its own."""
    create, read = seen[_SEGMENT.create], seen[_SEGMENT.read]
    spaces = namespaces(seen, *_STRANGERS)
    require_created_here(create, "attached", "segment")
    if not create.facts["attached"]:
        raise premise_failed(f"the first pod cannot create a segment ({last_failed(create)})")
    if require_fact(read, "found"):
        require_own_object(create, read, "segment")
        fix = _NO_HOST_IPC if _has_host_ipc(context, FIRST, STRANGER) else _NAMESPACE_PER_POD
        return failed(f"the second pod finds the segment ({spaces})", fix)
    if errno(read, "shmget") != "ENOENT":
        raise premise_failed(f"the second pod cannot look for it ({last_failed(read)})")
    numbers = [require_fact(seen[who], "ns_ipc") for who in _STRANGERS]
    if numbers[0] == numbers[1]:
        # two sandboxes with kernels of their own can count alike (gVisor, Kata)
        return warned(
            "the second pod does not find the segment, though both show one number of IPC namespace",
            "nothing to do where each pod has a kernel of its own (gVisor, Kata), whose numbers say nothing about others",
        )
    return passed(f"the second pod does not find the segment ({last_failed(read)}; {spaces})")


_OBJECT: t.Final = shared_object(FIRST, STRANGER, mode="0666", umask="0")


@check(
    "SHM502",
    "isolation_posix",
    group=Group.ISOLATION,
    tags="posix_shm",
    layout=PAIR,
    steps=(*_STRANGERS, *_OBJECT.steps),
    question="Does a second pod on the node see the first one's POSIX objects?",
    expected="it does not find the object of the same name, and has another /dev/shm",
)
def isolation_posix(seen: Seen, context: Context) -> Decision:
    """Each pod has a /dev/shm of its own."""
    fix = _SHM_PER_POD
    if _has_host_ipc(context, FIRST, STRANGER):
        fix = _NO_HOST_IPC
    elif _has_mount(context, FIRST, STRANGER):
        fix = _NO_MOUNT
    found = failed_absence(seen, _OBJECT, fix)
    if found:
        return found
    devices = [require_fact(seen[who], "path_dev") for who in _STRANGERS]
    if devices[0] == devices[1]:
        return warned(
            f"the second pod does not find the object, though both show device {devices[0]}",
            "nothing to do where each pod has a kernel of its own (gVisor, Kata), whose devices say nothing about others",
        )
    return passed(f"the second pod does not find the object ({last_failed(seen[_OBJECT.get])})")


# ---------------------------------------------------------------------------------- pods and their node

# an object of the pod with hostIPC, looked for where hostPath shows the node's /dev/shm, and in an ordinary container
_WHO_IPC, _WHO_PATH, _WHO_PLAIN = _NODE_VIEWS = identities(HOST_IPC, HOST_PATH, HOST_PLAIN)
_PUT: t.Final = public_object(HOST_IPC)
_GET_PATH: t.Final = get_object(HOST_PATH, "get_path")
_GET_PLAIN: t.Final = get_object(HOST_PLAIN, "get_plain")
_HOST_STEPS: t.Final = (*_NODE_VIEWS, _PUT, _GET_PATH, _GET_PLAIN, drop_object(HOST_IPC))

#: A namespace is free to refuse pods that see the node.
_NO_HOST: t.Final = POLICIES

#: The number of the kernel's first IPC namespace (PROC_IPC_INIT_INO).
_FIRST_IPC_NAMESPACE: t.Final = 4026531839

_ONE_POD: t.Final = "put the programs into one pod, whose containers share memory without hostIPC and hostPath"


@dataclasses.dataclass(frozen=True)
class _Views:
    """What the pods of the layout see of the node.

    :param ipc: the IPC namespace of the pod with hostIPC.
    :param path: that of the container with the hostPath volume.
    :param plain: that of the ordinary container beside it.
    :param path_finds: the container with the volume finds the object of the pod with hostIPC.
    :param plain_finds: the ordinary container finds it.
    """

    ipc: int
    path: int
    plain: int
    path_finds: bool
    plain_finds: bool


def _require_both_pods(context: Context) -> None:
    """Raise Inconclusive (AdmissionDenied) if the cluster took from one pod what the other is compared with."""
    ipc, path = (context.pod_of(container).spec for container in (HOST_IPC, HOST_PATH))
    if not ipc.get("hostIPC"):
        taken = "took hostIPC from the pod that requests it"
    elif any(mount["mountPath"] == SHM for one in ipc["containers"] for mount in one.get("volumeMounts") or ()):
        taken = "mounts a volume on /dev/shm of the pod with hostIPC"
    elif not any("hostPath" in volume for volume in path.get("volumes") or ()):
        taken = "took the hostPath volume from the pod that requests it"
    else:
        return
    raise Inconclusive(Reason.ADMISSION_DENIED, f"the cluster {taken}")


def _require_views(seen: Seen, context: Context) -> _Views:
    """Return what the pods see.

    :raises Inconclusive: there is nothing to compare.
    """
    _require_both_pods(context)
    require_stat_allowed(*seen.values())
    put = seen[_PUT]
    numbers = [require_fact(seen[who], "ns_ipc") for who in _NODE_VIEWS]
    require_created_here(put, "made", "object")
    if not put.facts["made"]:
        raise premise_failed(f"the pod with hostIPC cannot create an object ({last_failed(put)})")
    for get, where in ((_GET_PATH, "with the hostPath volume"), (_GET_PLAIN, "beside it")):
        denied = errno(seen[get], "shm_open")
        # the labels of SELinux keep pods apart on one /dev/shm, too
        if denied not in ("", "ENOENT"):
            raise premise_failed(f"the container {where} cannot look for the object (shm_open: {denied})")
    found = [
        bool(require_fact(seen[get], "found")) and seen[get].facts.get("peer_nonce") == put.nonce
        for get in (_GET_PATH, _GET_PLAIN)
    ]
    return _Views(*numbers, *found)


@check(
    "SHM503",
    "host_ipc",
    group=Group.ISOLATION,
    tags="host",
    layout=HOST,
    steps=_HOST_STEPS,
    question="Is a pod with hostIPC in the node's IPC namespace, with the node's /dev/shm?",
    expected="an IPC namespace that is not an ordinary pod's, and an object of its own that hostPath shows",
    skips=_NO_HOST,
)
def host_ipc(seen: Seen, context: Context) -> Decision:
    """What sandboxed runtimes cannot give."""
    views = _require_views(seen, context)
    first = views.ipc == _FIRST_IPC_NAMESPACE
    number = f"{views.ipc}, the kernel's first" if first else str(views.ipc)
    observed = f"IPC namespace {number}; /dev/shm {shown(seen[_WHO_IPC])}"
    if not views.path_finds:
        return failed(f"{observed} is not what hostPath shows of the node", _ONE_POD)
    if views.ipc == views.plain and first:
        return warned(
            f"{observed} is the node's, but an ordinary pod is in the same namespace: see SHM501", _NAMESPACE_PER_POD
        )
    if views.ipc == views.plain:
        return failed(f"{observed} is the node's, but the namespace is an ordinary pod's", _ONE_POD)
    if not first:
        return warned(
            f"{observed} is the node's; whether the namespace is too, only a node that is no container shows",
            "nothing to do where nodes are containers themselves (kind); to be sure, run on a node that is none",
        )
    return passed(f"{observed} is the node's")


@check(
    "SHM504",
    "host_path",
    group=Group.ISOLATION,
    tags="posix_shm host",
    layout=HOST,
    steps=_HOST_STEPS,
    question="Does a hostPath volume on /dev/shm share the node's POSIX objects, and nothing of System V?",
    expected="an object of a pod with hostIPC, in the pod's own IPC namespace: all that CUDA IPC between pods needs",
    skips=(*_NO_HOST, Reason.NOT_VISIBLE),
)
def host_path(seen: Seen, context: Context) -> Decision:
    """A volume shares files, no namespaces."""
    views = _require_views(seen, context)
    if views.plain_finds:
        return failed(
            "an ordinary container has the node's /dev/shm, too",
            _NO_MOUNT if _has_mount(context, HOST_PLAIN) else _SHM_PER_POD,
        )
    if views.path != views.plain:
        return failed(f"the IPC namespace is {views.path}, though that of its pod is {views.plain}", ONE_NAMESPACE)
    if views.path_finds and views.path == views.ipc == _FIRST_IPC_NAMESPACE:
        fix = _NO_HOST_IPC if _has_host_ipc(context, HOST_PATH) else _NAMESPACE_PER_POD
        return failed(f"the IPC namespace {views.path} is the node's, too", fix)
    if views.path_finds and views.path == views.ipc:
        raise Inconclusive(
            Reason.NOT_VISIBLE, f"the node's objects, but every IPC namespace shows the number {views.path}"
        )
    if views.path_finds:
        return passed(f"the node's objects, the pod's IPC namespace {views.path}")
    if views.ipc == views.plain:
        raise Inconclusive(
            Reason.NOT_VISIBLE, "hostIPC has no effect (SHM503), so nothing shows what the node's /dev/shm is"
        )
    return failed(f"/dev/shm {shown(seen[_WHO_PATH])} is not the node's", _ONE_POD)


CHECKS: t.Final = (isolation_sysv, isolation_posix, host_ipc, host_path)
