# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Every check: what it asks, the pods and steps it needs, what is expected and what to do about a failure.

A new check is one entry in :data:`CHECKS`, one rule of the same id in C(_verdict.py), and a page under C(docs/).
Texts and arguments may hold C({placeholders}); C(_plan.py) fills them (see :func:`_plan.variables`).
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._pod import PodOptions

#: What the original podshmtest let its receiver read.
SENTENCE: t.Final = "This is the way the world ends..."

MIB: t.Final = 1024 * 1024

#: /dev/shm of a container that nobody sized: containerd and CRI-O hard-code it (kubernetes#28272, containerd#3654).
DEFAULT_SHM_BYTES: t.Final = 64 * MIB


@dataclasses.dataclass(frozen=True)
class Volume:
    """An emptyDir: on the node's disk, or a tmpfs (medium V(Memory)), with a sizeLimit or without (empty).

    With C(host_path) it is that folder of the node instead.
    """

    name: str
    medium: str = ""
    size_limit: str = ""
    host_path: str = ""


@dataclasses.dataclass(frozen=True)
class Container:
    """A container of a scenario and where its volumes are mounted (path, volume).

    C(kind) is V(main), V(init) (its one step is its own command), V(sidecar) (an init container that keeps running,
    Kubernetes 1.29) or V(ephemeral) (added to the running pod by the step V(@ephemeral)).
    C(memory) is what its limit must leave room for, in bytes (a placeholder): Kubernetes clips a sizeLimit to the pod's
    memory limit without a word. C(limited) false leaves the limit out, for checks that are about that.
    """

    name: str
    mounts: tuple[tuple[str, Volume], ...] = ()
    memory: str = "0"
    pod: str = ""
    kind: str = "main"
    user: int = 0
    limited: bool = True
    read_only: bool = False


@dataclasses.dataclass(frozen=True)
class Pod:
    """A pod of a scenario, beside its containers. The name V() is that of the scenario."""

    name: str = ""
    options: PodOptions = dataclasses.field(default_factory=PodOptions)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A layout of one or more pods, which the checks of the scenario share.

    Only the containers that a step names are made, and only the pods that have one.

    C(completes) means that each step is its container's own command and the pod runs to completion;
    otherwise the containers hold and the steps are exec'd. The pods of a scenario that is C(dry) are never made: its
    steps are V(@admit) alone. One that is C(alone) is asked when all others are done, since it disturbs them.
    """

    name: str
    #: what it is, for people
    layout: str
    containers: tuple[Container, ...]
    pods: tuple[Pod, ...] = (Pod(),)
    completes: bool = False
    dry: bool = False
    alone: bool = False


@dataclasses.dataclass(frozen=True)
class Step:
    """One run of the probe in one container; C(label) is how the check's rule finds its observation.

    A name that begins with V(@) is done by the run itself, not by the probe: V(@restart) ends the container and waits until
    the kubelet has started it again, V(@ephemeral) adds the container to the running pod, V(@resize) changes its resources,
    V(@restart_kubelet) runs the command of that option and waits until the node's kubelet is back,
    V(@resize_volume) the sizeLimit of a volume, V(@admit) asks the API server whether it would admit the container's pod (a dry run).
    V(@up) waits until a container that was killed runs again.
    C(writes) is the number of bytes (a placeholder) that the step may put into the container's memory. C(fatal) means that
    the kernel may kill the whole container for it, which answers the step: cgroup v2 does (memory.oom.group, Kubernetes
    1.28). C(waits) means that the probe says when it begins to wait; the next step ends the wait, and only then the answer
    is read. C(spare) means that it is left out where the container was killed.
    """

    label: str
    container: str
    name: str
    args: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    writes: str = ""
    fatal: bool = False
    waits: bool = False
    spare: bool = False


@dataclasses.dataclass(frozen=True)
class Check:
    """One question with a stable id. The group is the role that bundles it.

    C(skips) are reasons that make it SKIP instead of ERROR: what a cluster may rightly refuse.
    C(option) names the setting without which it is not asked at all (SKIP).
    C(tags) (:data:`TAGS`) select it beside its id and its group.
    """

    id: str
    name: str
    group: str
    question: str
    scenario: str
    steps: tuple[Step, ...]
    expected: str
    remedy: str
    skips: frozenset[str] = frozenset()
    option: str = ""

    @property
    def tags(self) -> frozenset[str]:
        """The tags that select it."""
        return frozenset(tag for tag, numbers in TAGS.items() if int(self.id.removeprefix("SHM")) in numbers)


#: Tag -> the numbers of its checks: the mechanisms, what is at stake, and programs that rely on it.
TAGS: t.Final[dict[str, tuple[int, ...]]] = {
    # the six of podshmtest
    "basic": (101, 102, 201, 301, 302, 303),
    "sysv_shm": (101, 102, 106, 107, 108, 109, 204, 207, 208, 316, 501),
    "sysv_sem": (103,),
    "sysv_msg": (104,),
    "posix_shm": (201, 202, 204, 205, 206, 207, 208, 209, 210, 211, 401, 502, 504),
    "posix_sem": (201, 212),
    "posix_mq": (203, 215, 606),
    "size": (301, 302, 303, 304, 305, 306, 307, 308, 309, 313, 315, 316, 401),
    "memory": (310, 311, 312),
    "in_place": (404, 405, 406, 407),
    "restart": (207, 312, 402, 403),
    "handoff": (107, 108, 205, 206),
    "users": (106, 209, 210),
    "user_namespace": (109, 211, 215),
    "locks": (103, 212, 213, 214),
    "sysctls": (601, 602, 603, 604),
    "host": (503, 504),
    "postgresql": (101, 105, 201, 202, 301, 303, 308, 401, 601, 605),
    "oracle": (101, 103, 105, 106, 316, 501, 601, 603, 604, 605),
    "nccl": (202, 204, 207, 301, 303, 308, 309, 310, 312, 401),
    "chrome": (201, 301, 303, 309, 313, 401),
    "ros2": (202, 203, 209, 210, 213, 214, 301, 401),
}


#: 64 MiB more than enough for what is written beside the point
_SMALL: t.Final = "{small}"

_SHARED = Volume("shared")
_KEPT = Volume("kept", "Memory", _SMALL)
_HOST_SHM = Volume("host-shm", host_path="/dev/shm")

#: A sysctl that any pod may set, and one that the kubelet must allow.
_SAFE: t.Final = (("kernel.shm_rmid_forced", "1"),)
_UNSAFE: t.Final = (("kernel.shmmax", "{shmmax}"),)

SCENARIOS: t.Final[dict[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        # what takes longest comes first: pods are made in this order
        Scenario(
            "volumes",
            "a pod whose containers have volumes on /dev/shm: shared, restarted and resized, and what people get wrong "
            "(too large, of size 0, on disk, read-only); an ephemeral container joins them",
            (
                Container("kept", (("/dev/shm", _KEPT),), memory="{grown}"),
                # the layout that everybody should have: one volume on /dev/shm of both
                Container("fellow", (("/dev/shm", _KEPT),)),
                Container("debug", kind="ephemeral"),
                # more than the pod's memory limit, which clips it
                Container("clipped", (("/dev/shm", Volume("clipped", "Memory", "{too_much}")),)),
                Container("zero", (("/dev/shm", Volume("zero", "Memory", "0")),)),
                Container("disk", (("/dev/shm", Volume("disk")),)),
                Container("readonly", (("/dev/shm", Volume("readonly", "Memory", _SMALL)),), read_only=True),
            ),
            pods=(Pod(options=PodOptions(restarts=True)),),
        ),
        Scenario(
            "life",
            "a pod with init containers, a sidecar and a main container that restarts",
            (
                Container("before", kind="init"),
                Container("earlier", kind="init"),
                Container("beside", kind="sidecar"),
                Container("main"),
            ),
            pods=(Pod(options=PodOptions(restarts=True)),),
        ),
        Scenario(
            "tight",
            "a pod of one container with less memory than its /dev/shm",
            (Container("tight"),),
            pods=(Pod(options=PodOptions(restarts=True)),),
        ),
        Scenario(
            "pair",
            "two pods side by side; the containers of the first have the runtime's own /dev/shm or volumes on it",
            (
                # /dev/shm as the runtime makes it; one volume for both, one for the first alone, one each at the same path
                Container(
                    "first", (("/shared", _SHARED), ("/private", Volume("private")), ("/own", Volume("own-first")))
                ),
                Container("second", (("/shared", _SHARED), ("/own", Volume("own-second")))),
                Container("guest", user=65533),
                # the most common mistake: the volume is mounted in one container only
                Container("lonely", (("/dev/shm", Volume("lonely", "Memory", _SMALL)),)),
                Container("memory", (("/dev/shm", Volume("memory", "Memory")),)),
                Container(
                    "limited", (("/dev/shm", Volume("limited", "Memory", "{size_limit}")),), memory="{size_limit}"
                ),
                Container("stranger", pod="other"),
            ),
            pods=(Pod(), Pod("other")),
        ),
        Scenario(
            "complete",
            "a pod of two containers that hand each other values and end",
            (Container("writer"), Container("reader")),
            completes=True,
        ),
        Scenario(
            "users",
            "a pod of two containers with a user namespace of its own (hostUsers: false)",
            (Container("one"), Container("two")),
            pods=(Pod(options=PodOptions(own_users=True)),),
        ),
        Scenario(
            "processes",
            "a pod of two containers with shareProcessNamespace",
            (Container("holder"), Container("taker")),
            pods=(Pod(options=PodOptions(share_pids=True)),),
        ),
        # of its own: a policy that refuses sysctls must not keep anything else from being asked
        Scenario(
            "safe", "a pod with a safe sysctl", (Container("safe"),), pods=(Pod(options=PodOptions(sysctls=_SAFE)),)
        ),
        Scenario(
            "unsafe",
            "a pod with an unsafe sysctl",
            (Container("unsafe"),),
            pods=(Pod(options=PodOptions(sysctls=_UNSAFE)),),
        ),
        Scenario(
            "undeclared",
            "a pod of one container without a memory limit",
            (Container("bare", (("/dev/shm", Volume("bare", "Memory")),), limited=False),),
        ),
        Scenario(
            "kubelet",
            "a pod with a volume on /dev/shm, whose node's kubelet restarts",
            (Container("kept", (("/dev/shm", _KEPT),), memory=_SMALL),),
            alone=True,
        ),
        # what is made on the node has the run's name and goes with the session that made it
        Scenario(
            "host",
            "a pod with hostIPC, and one with a hostPath volume on /dev/shm",
            (
                Container("ipc", pod="host-ipc"),
                Container("path", (("/dev/shm", _HOST_SHM),), pod="host-path", read_only=True),
                Container("plain", pod="host-path"),
            ),
            pods=(Pod("host-ipc", PodOptions(host_ipc=True)), Pod("host-path")),
        ),
        Scenario(
            "admission",
            "no pod: several are sent to the API server as a dry run",
            (
                Container("volume", (("/dev/shm", _KEPT),), memory=_SMALL, pod="admit-volume"),
                Container("relaxed", pod="admit-relaxed"),
                Container("ipc", pod="admit-ipc"),
                Container("path", (("/dev/shm", _HOST_SHM),), pod="admit-path", read_only=True),
                Container("sysctl", pod="admit-sysctl"),
            ),
            pods=(
                Pod("admit-volume"),
                Pod("admit-relaxed", PodOptions(relaxed=True)),
                Pod("admit-ipc", PodOptions(host_ipc=True)),
                Pod("admit-path"),
                Pod("admit-sysctl", PodOptions(sysctls=_UNSAFE)),
            ),
            dry=True,
        ),
    )
}


#: Beyond what the processes of a container have used by then.
_THREAD: t.Final = "100"


def _identities(*containers: str, path: str = "/dev/shm") -> tuple[Step, ...]:
    return tuple(Step(f"who_{name}", name, "identity", {"path": path}) for name in containers)


def _segment(creator: str, reader: str, mode: str = "0600") -> tuple[Step, ...]:
    """A segment under a fixed key, made by one and read by the other."""
    return (
        Step("create", creator, "sysv_shm_create", {"key": "{key}", "size": "512", "mode": mode, "text": "{text}"}),
        Step("read", reader, "sysv_shm_read", {"key": "{key}"}),
        Step("finish", creator, "sysv_shm_finish"),
    )


def _object(creator: str, reader: str, mode: str = "0600", umask: str = "022") -> tuple[Step, ...]:
    """A POSIX object, made by one and read by the other."""
    return (
        Step(
            "put",
            creator,
            "object_put",
            {"name": "{name}", "mode": mode, "umask": umask, "size": "512", "text": "{text}"},
        ),
        Step("get", reader, "object_get", {"name": "{name}", "write": "1"}),
        Step("drop", creator, "object_drop", {"name": "{name}"}),
    )


#: An object that every user may read and write.
_PUBLIC: t.Final = {"name": "{name}", "mode": "0666", "umask": "0", "size": "512", "text": "{text}"}


def _queue(creator: str, receiver: str) -> tuple[Step, ...]:
    """A POSIX message queue, made by one and read by the other."""
    return (
        Step("create", creator, "mq_create", {"name": "{name}"}),
        Step("send", creator, "mq_send", {"name": "{name}", "text": "{text}"}),
        Step("receive", receiver, "mq_receive", {"name": "{name}"}),
        Step("remove", creator, "mq_unlink", {"name": "{name}"}),
    )


def _mutex(holder: str, taker: str) -> tuple[Step, ...]:
    """A recursive mutex that a thread of one container holds and one of the other tries, both of one id if they can."""
    return (
        *_identities(holder, taker),
        Step("hold", holder, "mutex_hold", {"name": "{name}", "type": "recursive", "tid": _THREAD}),
        Step("try", taker, "mutex_try", {"name": "{name}", "tid": _THREAD}),
        Step("drop", holder, "mutex_drop", {"name": "{name}"}),
    )


_ONE_NAMESPACE: t.Final = (
    "use a RuntimeClass that keeps one IPC namespace per pod; hostIPC is not needed for containers of one pod"
)
_OWN_USERS: t.Final = "user namespaces need Kubernetes 1.33, a runtime and a kernel (6.3) that support them"
_ONE_VOLUME: t.Final = "mount one emptyDir of medium Memory on /dev/shm in every container of the pod, init containers and sidecars included"
_KUBELET: t.Final = (
    "use a kubelet of 1.22 or newer (SizeMemoryBackedVolumes) and a runtime that honours the volume's size"
)

_IN_PLACE: t.Final = (
    "resize the volume's sizeLimit with Kubernetes 1.37, cgroup v2 and the gate "
    "InPlacePodVerticalScalingMemoryBackedVolumes on API server and kubelet, or make the pod anew"
)
#: What a cluster, a node or a Role may rightly lack to resize a running pod.
_NO_RESIZE: t.Final = frozenset({"Forbidden", "Infeasible", "FeatureGateOff"})
#: An object of the pod with hostIPC, looked for where hostPath shows the node's /dev/shm, and in an ordinary container.
_NODE_VIEWS: t.Final = (
    *_identities("ipc", "path", "plain"),
    Step("put", "ipc", "object_put", _PUBLIC),
    Step("get_path", "path", "object_get", {"name": "{name}"}),
    Step("get_plain", "plain", "object_get", {"name": "{name}"}),
    Step("drop", "ipc", "object_drop", {"name": "{name}"}),
)
#: A node may be without user namespaces, and a namespace may rightly refuse what looks at the node.
_NO_USERS: t.Final = frozenset({"Unsupported"})
_NO_HOST: t.Final = frozenset({"PodSecurity", "AdmissionDenied"})

CHECKS: t.Final[tuple[Check, ...]] = (
    Check(
        id="SHM101",
        name="sysv_shm_shared_path",
        group="sysv",
        question="Do two containers that share the ftok file share a System V segment?",
        scenario="pair",
        steps=(
            *_identities("first", "second"),
            Step(
                "create",
                "first",
                "sysv_shm_create",
                {"path": "/shared/ftok", "id": "80", "make": "1", "size": "512", "mode": "0600", "text": "{text}"},
            ),
            Step("read", "second", "sysv_shm_read", {"path": "/shared/ftok", "id": "80"}),
            Step("finish", "first", "sysv_shm_finish"),
        ),
        expected="each side reads the other's nonce, and the sentence; the segment is gone afterwards",
        remedy="if the two ftok keys differ, the runtime numbers the shared volume anew in each container: use a fixed key; "
        "if the IPC namespaces differ, " + _ONE_NAMESPACE,
    ),
    Check(
        id="SHM102",
        name="sysv_shm_private_path",
        group="sysv",
        question="Without a shared ftok file: does ftok fail cleanly while the IPC namespace is shared all the same?",
        scenario="pair",
        steps=(
            *_identities("first", "second"),
            Step("made", "first", "ftok", {"path": "/private/ftok", "id": "80", "make": "1"}),
            Step("absent", "second", "ftok", {"path": "/private/ftok", "id": "80"}),
            Step("own_first", "first", "ftok", {"path": "/own/ftok", "id": "80", "make": "1"}),
            Step("own_second", "second", "ftok", {"path": "/own/ftok", "id": "80", "make": "1"}),
            Step(
                "create",
                "first",
                "sysv_shm_create",
                {"key": "{key}", "size": "512", "mode": "0600", "text": "{text}"},
            ),
            Step("read", "second", "sysv_shm_read", {"key": "{key}"}),
            Step("finish", "first", "sysv_shm_finish"),
        ),
        expected="the peer's ftok fails with ENOENT; own files at one path give different keys; a fixed key still meets",
        remedy="share the ftok file by a volume that both containers mount, or use a fixed key",
    ),
    Check(
        id="SHM103",
        name="sysv_sem_wake",
        group="sysv",
        question="Does a System V semaphore wake a peer that is blocked in another container?",
        scenario="pair",
        steps=(
            *_identities("first", "second"),
            Step("create", "first", "sysv_sem_create", {"key": "{key}", "mode": "0600"}),
            Step("wait", "second", "sysv_sem_wait", {"key": "{key}"}, waits=True),
            Step("post", "first", "sysv_sem_post", {"key": "{key}"}),
            Step("remove", "first", "sysv_sem_remove"),
        ),
        expected="the blocked peer is woken by the post; the semaphore is gone afterwards",
        remedy=_ONE_NAMESPACE + "; if no semaphore can be made, look at the seccomp profile and at kernel.sem",
    ),
    Check(
        id="SHM104",
        name="sysv_msg",
        group="sysv",
        question="Does a System V message cross from one container to the other?",
        scenario="pair",
        steps=(
            *_identities("first", "second"),
            Step("create", "first", "sysv_msg_create", {"key": "{key}", "mode": "0600"}),
            Step("send", "first", "sysv_msg_send", {"key": "{key}", "text": "{text}"}),
            Step("receive", "second", "sysv_msg_receive", {"key": "{key}"}),
            Step("remove", "first", "sysv_msg_remove"),
        ),
        expected="the peer receives the sender's nonce, and the sentence; the queue is gone afterwards",
        remedy=_ONE_NAMESPACE + "; if no queue can be made, look at the seccomp profile and at kernel.msgmni",
    ),
    Check(
        id="SHM105",
        name="ipc_namespace",
        group="sysv",
        question="Are all containers of the pod in one IPC namespace?",
        scenario="pair",
        steps=_identities("first", "second", "guest", "lonely", "memory", "limited"),
        expected="one IPC namespace in every container",
        remedy=_ONE_NAMESPACE,
    ),
    Check(
        id="SHM106",
        name="sysv_shm_users",
        group="sysv",
        question="Do containers with different users share a System V segment of mode 0666?",
        scenario="pair",
        steps=(*_identities("first", "guest"), *_segment("first", "guest", mode="0666")),
        expected="each side reads the other's nonce: the umask does not apply to System V modes",
        remedy=_ONE_NAMESPACE,
    ),
    Check(
        id="SHM107",
        name="sysv_shm_handoff",
        group="sysv",
        question="Does a System V segment that an init container made outlive it?",
        scenario="life",
        steps=(
            Step(
                "create",
                "before",
                "sysv_shm_create",
                {"key": "{key}", "size": "512", "mode": "0600", "text": "{text}", "keep": "1"},
            ),
            Step("read", "main", "sysv_shm_read", {"key": "{key}"}),
            Step("drop", "main", "sysv_shm_drop", {"key": "{key}"}),
        ),
        expected="the main container reads the init container's nonce, and the sentence",
        remedy="do not set kernel.shm_rmid_forced, which removes a segment at its last detach; " + _ONE_NAMESPACE,
    ),
    Check(
        id="SHM108",
        name="sysv_shm_sidecar",
        group="sysv",
        question="Does a native sidecar share System V segments with the main container?",
        scenario="life",
        steps=(*_identities("beside", "main"), *_segment("beside", "main")),
        expected="each side reads the other's nonce, and the sentence; the segment is gone afterwards",
        remedy=_ONE_NAMESPACE,
    ),
    Check(
        id="SHM109",
        name="sysv_shm_user_namespace",
        group="sysv",
        question="In a pod with a user namespace of its own: do two containers share a System V segment?",
        scenario="users",
        steps=(*_identities("one", "two"), *_segment("one", "two")),
        expected="each side reads the other's nonce, and the sentence, in a user namespace that is not the kernel's first",
        remedy=_OWN_USERS + "; " + _ONE_NAMESPACE,
        skips=_NO_USERS,
    ),
    Check(
        id="SHM201",
        name="posix_shm_sem",
        group="posix",
        question="Do two containers share a POSIX shared memory object and named semaphores?",
        scenario="complete",
        steps=(
            Step("write", "writer", "posix_write", {"name": "{name}", "size": "512", "text": "{text}"}),
            Step("read", "reader", "posix_read", {"name": "{name}"}),
        ),
        expected="both containers end well, each side reads the other's nonce, and the sentence; nothing stays in /dev/shm",
        remedy="mount one emptyDir of medium Memory on /dev/shm in every container of the pod, init containers and "
        "sidecars included",
    ),
    Check(
        id="SHM202",
        name="devshm_identity",
        group="posix",
        question="Is /dev/shm one file system in every container that has no volume on it?",
        scenario="pair",
        steps=(
            *_identities("first", "second", "guest"),
            Step("put", "first", "object_put", _PUBLIC),
            Step("get_second", "second", "object_get", {"name": "{name}"}),
            Step("get_guest", "guest", "object_get", {"name": "{name}"}),
            Step("drop", "first", "object_drop", {"name": "{name}"}),
        ),
        expected="an object of the first container is in all of them",
        remedy=_ONE_VOLUME,
    ),
    Check(
        id="SHM203",
        name="posix_mq",
        group="posix",
        question="Does a POSIX message cross from one container to the other?",
        scenario="pair",
        steps=(*_identities("first", "second"), *_queue("first", "second")),
        expected="the peer receives the sender's nonce, and the sentence; the queue is gone afterwards",
        remedy=_ONE_NAMESPACE
        + "; if no queue can be made or used, look at the seccomp profile and at fs.mqueue.queues_max (gVisor "
        "has no mq_timedsend)",
    ),
    Check(
        id="SHM204",
        name="posix_one_sided_volume",
        group="posix",
        question="If a volume is on /dev/shm of one container only: is System V shared and POSIX split, as must be?",
        scenario="pair",
        steps=(*_identities("first", "lonely"), *_segment("first", "lonely"), *_object("first", "lonely")),
        expected="the segment is shared, the POSIX object is not found",
        remedy="if the segment is not shared, "
        + _ONE_NAMESPACE
        + "; if the object is found, the runtime or a policy mounts the volume "
        "where the manifest does not say so",
    ),
    Check(
        id="SHM205",
        name="posix_handoff",
        group="posix",
        question="Does a POSIX object that an init container made outlive it?",
        scenario="life",
        steps=(
            Step(
                "put",
                "earlier",
                "object_put",
                {"name": "{name}", "mode": "0600", "size": "512", "text": "{text}", "keep": "1"},
            ),
            Step("get", "main", "object_get", {"name": "{name}"}),
            Step("drop", "main", "object_drop", {"name": "{name}"}),
        ),
        expected="the main container reads the init container's nonce, and the sentence",
        remedy=_ONE_VOLUME,
    ),
    Check(
        id="SHM206",
        name="posix_sidecar",
        group="posix",
        question="Does a native sidecar share POSIX objects with the main container?",
        scenario="life",
        steps=(*_identities("beside", "main"), *_object("beside", "main")),
        expected="each side reads the other's nonce, and the sentence",
        remedy=_ONE_VOLUME,
    ),
    Check(
        id="SHM207",
        name="posix_restart",
        group="posix",
        question="Do System V segments and POSIX objects outlive the restart of the container that made them?",
        scenario="life",
        steps=(
            Step(
                "create",
                "main",
                "sysv_shm_create",
                {"key": "{key}", "size": "512", "mode": "0600", "text": "{text}", "keep": "1"},
            ),
            Step(
                "put",
                "main",
                "object_put",
                {"name": "{name}", "mode": "0600", "size": "512", "text": "{text}", "keep": "1"},
            ),
            Step("restart", "main", "@restart"),
            Step("read", "main", "sysv_shm_read", {"key": "{key}"}),
            Step("get", "main", "object_get", {"name": "{name}"}),
            Step("drop_segment", "main", "sysv_shm_drop", {"key": "{key}"}),
            Step("drop", "main", "object_drop", {"name": "{name}"}),
        ),
        expected="both are found with their nonces: the pod holds them, not the container",
        remedy="do not set kernel.shm_rmid_forced; put what must outlive a restart on an emptyDir of medium Memory on /dev/shm, "
        "or use a RuntimeClass whose pod keeps its memory",
    ),
    Check(
        id="SHM208",
        name="ephemeral_container",
        group="posix",
        question="What does a debug container see of a pod whose /dev/shm is a volume?",
        scenario="volumes",
        steps=(
            Step("add", "debug", "@ephemeral"),
            *_identities("kept", "debug"),
            *_segment("kept", "debug"),
            *_object("kept", "debug"),
        ),
        expected="the segment, but not the POSIX object: an ephemeral container cannot mount the volume on /dev/shm",
        remedy="the runtime gives ephemeral containers other namespaces or mounts than the manifest says: use another RuntimeClass, "
        "or look at the program from inside with kubectl exec",
        skips=frozenset({"Forbidden", "AdmissionDenied"}),
    ),
    Check(
        id="SHM209",
        name="posix_users",
        group="posix",
        question="Do containers with different users share a POSIX object once the umask allows it?",
        scenario="pair",
        steps=(
            *_identities("first", "guest"),
            Step(
                "put_masked",
                "first",
                "object_put",
                {"name": "{name}", "mode": "0666", "umask": "022", "size": "512", "text": "{text}"},
            ),
            Step("get_masked", "guest", "object_get", {"name": "{name}", "write": "1"}),
            Step("drop_masked", "first", "object_drop", {"name": "{name}"}),
            *_object("first", "guest", mode="0666", umask="0"),
        ),
        expected="with umask 022 the peer may read but not write (EACCES); with umask 0 it does both",
        remedy="run the containers with one runAsUser, or set umask 0 before shm_open and sem_open; fsGroup does not help",
    ),
    Check(
        id="SHM210",
        name="protected_regular",
        group="posix",
        question="May a container open another user's object with O_CREAT, as fs.protected_regular decides?",
        scenario="pair",
        steps=(
            *_identities("first", "guest"),
            Step("policy", "guest", "protected", {"path": "/dev/shm"}),
            Step("put", "first", "object_put", _PUBLIC),
            Step("get", "guest", "object_get", {"name": "{name}", "create": "1", "write": "1"}),
            Step("drop", "first", "object_drop", {"name": "{name}"}),
        ),
        expected="EACCES if fs.protected_regular is 1 or more, else allowed",
        remedy="look whether /dev/shm is shared (SHM202) and has the sticky bit (SHM313); without O_CREAT objects of other users can "
        "be opened either way",
    ),
    Check(
        id="SHM211",
        name="posix_user_namespace",
        group="posix",
        question="In a pod with a user namespace of its own: do two containers share a POSIX object?",
        scenario="users",
        steps=(*_identities("one", "two"), *_object("one", "two")),
        expected="each side reads the other's nonce, and the sentence, in a user namespace that is not the kernel's first",
        remedy=_OWN_USERS + "; " + _ONE_VOLUME,
        skips=_NO_USERS,
    ),
    Check(
        id="SHM212",
        name="semaphore_names",
        group="posix",
        question="Do glibc's and musl's named semaphores of one name meet?",
        scenario="pair",
        steps=(*_identities("first"), Step("names", "first", "sem_names", {"name": "{file}"})),
        expected="no: glibc's is the file /dev/shm/sem.NAME, musl's is /dev/shm/NAME",
        remedy="build the programs that share a semaphore against one C library (a Debian and an Alpine image never meet), "
        "or put the semaphore into shared memory (sem_init with pshared)",
    ),
    Check(
        id="SHM213",
        name="mutex_pids_apart",
        group="posix",
        question="Does a recursive mutex in shared memory let two containers in at once?",
        scenario="pair",
        steps=_mutex("first", "second"),
        expected="yes, if their thread ids are equal, as they are in PID namespaces apart: the mutex knows its owner by that id",
        remedy="if the containers are in one PID namespace, find out whether a policy or the runtime sets shareProcessNamespace (the "
        "mutex is safe then); otherwise look at the seccomp profile",
    ),
    Check(
        id="SHM214",
        name="mutex_pids_shared",
        group="posix",
        question="With shareProcessNamespace: does a recursive mutex in shared memory keep the second container out?",
        scenario="processes",
        steps=_mutex("holder", "taker"),
        expected="EBUSY: in one PID namespace no two threads have one id",
        remedy="use a RuntimeClass that honours shareProcessNamespace, or mutexes that do not know their owner",
    ),
    Check(
        id="SHM215",
        name="posix_mq_user_namespace",
        group="posix",
        question="In a pod with a user namespace of its own: does a POSIX message cross to the other container?",
        scenario="users",
        steps=(*_identities("one", "two"), *_queue("one", "two")),
        expected="the peer receives the sender's nonce, and the sentence, in a user namespace that is not the kernel's first",
        remedy=_OWN_USERS + "; " + _ONE_NAMESPACE,
        skips=_NO_USERS,
    ),
    Check(
        id="SHM301",
        name="shm_size_default",
        group="resize",
        question="How large is /dev/shm when nobody sizes it, and is that the real limit?",
        scenario="pair",
        steps=(
            *_identities("first"),
            Step("fill", "first", "fill", {"path": "/dev/shm", "max": "{fill_default}"}, "{fill_default}", fatal=True),
        ),
        expected="{default_size} bytes, ENOSPC after exactly that many",
        remedy="mount an emptyDir of medium Memory with a sizeLimit on /dev/shm in every container; if this default is "
        "meant, say so with the option default_size",
    ),
    Check(
        id="SHM302",
        name="shm_size_memory",
        group="resize",
        question="Does an emptyDir of medium Memory without sizeLimit grow /dev/shm to what Kubernetes promises?",
        scenario="pair",
        steps=(
            *_identities("memory"),
            Step("fill", "memory", "fill", {"path": "/dev/shm", "max": "{fill_memory}"}, "{fill_memory}", fatal=True),
        ),
        expected="min(node allocatable memory, pod memory limit), page-rounded, and {fill_memory} bytes can be written",
        remedy="use a kubelet of 1.22 or newer (SizeMemoryBackedVolumes) and a runtime that honours the volume's size; "
        "give every container a memory limit",
    ),
    Check(
        id="SHM303",
        name="shm_size_limit",
        group="resize",
        question="Does sizeLimit {size_limit_text} on /dev/shm hold: that size, enforced, without eviction or OOM kill?",
        scenario="pair",
        steps=(
            *_identities("limited"),
            Step("fill", "limited", "fill", {"path": "/dev/shm", "max": "{fill_limit}"}, "{fill_limit}", fatal=True),
        ),
        expected="{size_limit} bytes, ENOSPC after exactly that many, the pod keeps running",
        remedy="use a kubelet of 1.22 or newer (SizeMemoryBackedVolumes) and a runtime that honours the volume's size; "
        "keep sizeLimit plus the program's own memory within the container's memory limit",
    ),
    Check(
        id="SHM304",
        name="shm_limit_undeclared",
        group="resize",
        question="How large is a volume of medium Memory if a container declares no memory limit?",
        scenario="undeclared",
        steps=_identities("bare"),
        expected="the node's allocatable memory, page-rounded: nothing else bounds it",
        remedy=_KUBELET + "; declare a memory limit for every container, and a sizeLimit",
        skips=frozenset({"QuotaExceeded", "LimitRange"}),
    ),
    Check(
        id="SHM305",
        name="shm_limit_clipped",
        group="resize",
        question="Is a sizeLimit beyond the pod's memory limit clipped to it?",
        scenario="volumes",
        steps=_identities("clipped"),
        expected="the pod's memory limit, page-rounded, not the sizeLimit",
        remedy=_KUBELET + "; raise the memory limits of the pod above the sizeLimit",
    ),
    Check(
        id="SHM306",
        name="shm_limit_zero",
        group="resize",
        question="Does sizeLimit 0 mean no sizeLimit?",
        scenario="volumes",
        steps=_identities("zero"),
        expected="the pod's memory limit, page-rounded, as without a sizeLimit",
        remedy=_KUBELET + "; leave sizeLimit out instead of setting it to 0",
    ),
    Check(
        id="SHM307",
        name="shm_wrong_medium",
        group="resize",
        question="Is an emptyDir without medium Memory on /dev/shm what it must be: the node's disk?",
        scenario="volumes",
        steps=_identities("disk"),
        expected="a file system that is not tmpfs: shm_open works, at the speed of a disk",
        remedy="find out who puts a tmpfs there: the runtime, or a kubelet whose root directory is one; what looks like disk counts "
        "as memory",
        skips=frozenset({"NotVisible"}),
    ),
    Check(
        id="SHM308",
        name="shm_fallocate",
        group="resize",
        question="Does fallocate beyond the sizeLimit fail with ENOSPC, and does the process live on?",
        scenario="pair",
        steps=(
            *_identities("limited"),
            Step("allocate", "limited", "fallocate", {"path": "/dev/shm", "size": "{beyond_limit}"}),
        ),
        expected="ENOSPC (NCCL 2.7 and newer, and PostgreSQL, reserve their memory so)",
        remedy=_KUBELET + "; EOPNOTSUPP means that the file system is not tmpfs: set medium: Memory",
    ),
    Check(
        id="SHM309",
        name="shm_sparse",
        group="resize",
        question="Does a sparse mapping beyond the size end in SIGBUS exactly at the size?",
        scenario="pair",
        steps=(
            *_identities("lonely"),
            Step("touch", "lonely", "sparse", {"path": "/dev/shm", "size": "{beyond_small}"}, writes=_SMALL),
        ),
        expected="SIGBUS after exactly the size of /dev/shm: the Bus error of PyTorch's data loaders",
        remedy=_KUBELET + "; size /dev/shm for the workers times the batch",
    ),
    Check(
        id="SHM310",
        name="shm_memory_first",
        group="resize",
        question="Is a writer whose memory limit is smaller than /dev/shm killed before ENOSPC?",
        scenario="tight",
        steps=(
            *_identities("tight"),
            Step("fill", "tight", "fill", {"path": "/dev/shm", "max": "{fill_default}"}, fatal=True),
        ),
        expected="the writer is killed (OOM) before ENOSPC: the capacity is the smaller of /dev/shm and the memory limit",
        remedy="if ENOSPC came first, /dev/shm is smaller than the limit (SHM301); if all could be written, the memory limit does not "
        "hold: look at how the runtime sets up cgroups",
    ),
    Check(
        id="SHM311",
        name="shm_charge",
        group="resize",
        question="Whose memory is what is written into /dev/shm?",
        scenario="pair",
        steps=(
            *_identities("first", "second"),
            Step(
                "put",
                "first",
                "object_put",
                {"name": "{name}", "mode": "0600", "size": "{charge}", "text": "{text}", "fill": "1"},
                writes="{charge}",
            ),
            Step("writer", "first", "identity", {"path": "/dev/shm"}),
            Step("get", "second", "object_get", {"name": "{name}"}),
            Step("reader", "second", "identity", {"path": "/dev/shm"}),
            Step("drop", "first", "object_drop", {"name": "{name}"}),
        ),
        expected="the writer's container is charged with all of it, the reader's with none",
        remedy="the cgroups count otherwise here: size memory limits by what they measure, not by who writes",
    ),
    Check(
        id="SHM312",
        name="shm_after_kill",
        group="resize",
        question="After an OOM kill and a restart: is what was written into /dev/shm still there, and does it still count?",
        scenario="tight",
        steps=(
            Step("up", "tight", "@up"),
            Step("fits", "tight", "fill", {"path": "/dev/shm", "max": "{nearly_all}"}),
            Step("put", "tight", "object_put", {**_PUBLIC, "size": "{charge}", "fill": "1", "keep": "1"}),
            Step("kill", "tight", "fill", {"path": "/dev/shm", "max": "{fill_default}"}, fatal=True),
            Step("restart", "tight", "@restart"),
            Step("get", "tight", "object_get", {"name": "{name}"}),
            Step("again", "tight", "fill", {"path": "/dev/shm", "max": "{nearly_all}"}, fatal=True),
            # it goes with the pod, unless a cluster or a runtime gave the pod the node's /dev/shm
            Step("drop", "tight", "object_drop", {"name": "{name}"}, spare=True),
        ),
        expected="both: the object outlives its container, and the next one is killed by writing what fitted before",
        remedy="if the object is gone, the runtime makes /dev/shm anew at each start: keep data elsewhere; if it no longer counts, the "
        "memory limit does not hold for what is left",
    ),
    Check(
        id="SHM313",
        name="shm_flags",
        group="resize",
        question="May /dev/shm be written to and executed from, and has it the usual mode?",
        scenario="pair",
        steps=(*_identities("first"), Step("flags", "first", "flags", {"path": "/dev/shm"})),
        expected="writable, mode 1777, and memory of it can be mapped executable",
        remedy="programs that compile at run time need exec: mount an emptyDir of medium Memory on /dev/shm; if the runtime hardens "
        "/dev/shm on purpose, accept it with a reason",
    ),
    Check(
        id="SHM315",
        name="shm_read_only",
        group="resize",
        question="Does a read-only mount of a volume on /dev/shm refuse writes?",
        scenario="volumes",
        steps=(*_identities("readonly"), Step("flags", "readonly", "flags", {"path": "/dev/shm"})),
        expected="EROFS",
        remedy="leave readOnly out of the volumeMount; readOnlyRootFilesystem does not touch /dev/shm",
    ),
    Check(
        id="SHM316",
        name="shm_beyond",
        group="resize",
        question="Are System V segments and memfd bounded by memory alone, not by /dev/shm?",
        scenario="pair",
        steps=(
            *_identities("lonely"),
            Step("beyond", "lonely", "beyond", {"size": "{beyond_small}"}, writes="{beyond_small}"),
        ),
        expected="both can be larger than /dev/shm",
        remedy="raise kernel.shmmax and kernel.shmall in the pod (SHM603), or look at the seccomp profile and at rlimits",
    ),
    Check(
        id="SHM401",
        name="resize_at_creation",
        group="resize",
        question="Is a volume on /dev/shm of two containers one memory, of the size that was asked for when the pod was made?",
        scenario="volumes",
        steps=(
            *_identities("kept", "fellow"),
            *_object("kept", "fellow"),
            Step("fill", "fellow", "fill", {"path": "/dev/shm", "max": "{fill_small}"}, "{fill_small}", fatal=True),
        ),
        expected="{small} bytes in both containers, each side reads the other's nonce, ENOSPC after exactly that many",
        remedy="use a runtime that mounts one volume into all containers instead of making each its own (gVisor needs mount "
        "hints for some volumes: gvisor#11326); " + _KUBELET,
    ),
    Check(
        id="SHM402",
        name="resize_restart",
        group="resize",
        question="Does the size of a volume on /dev/shm outlive the restart of its container?",
        scenario="volumes",
        steps=(
            Step("before", "kept", "identity", {"path": "/dev/shm"}),
            Step("put", "kept", "object_put", {**_PUBLIC, "keep": "1"}),
            Step("restart", "kept", "@restart"),
            Step("after", "kept", "identity", {"path": "/dev/shm"}),
            Step("get", "kept", "object_get", {"name": "{name}"}),
            Step("drop", "kept", "object_drop", {"name": "{name}"}),
        ),
        expected="the same size, and the object with its nonce",
        remedy="use a runtime that keeps the pod's mounts when a container restarts",
    ),
    Check(
        id="SHM403",
        name="resize_kubelet_restart",
        group="resize",
        question="Do the size and the content of a volume on /dev/shm outlive a restart of the kubelet?",
        scenario="kubelet",
        steps=(
            Step("before", "kept", "identity", {"path": "/dev/shm"}),
            Step("put", "kept", "object_put", {**_PUBLIC, "keep": "1"}),
            Step("restart", "kept", "@restart_kubelet"),
            Step("after", "kept", "identity", {"path": "/dev/shm"}),
            Step("get", "kept", "object_get", {"name": "{name}"}),
            Step("drop", "kept", "object_drop", {"name": "{name}"}),
        ),
        expected="the same size, and the object with its nonce, in a container that was not started anew",
        remedy="look into the kubelet's log: it mounts volumes again that it no longer knows, or kills their containers",
        option="restart_kubelet",
    ),
    Check(
        id="SHM404",
        name="resize_memory_in_place",
        group="resize",
        question="Does an in-place resize of the pod's memory leave the size of /dev/shm as it was?",
        scenario="volumes",
        steps=(
            Step("before", "kept", "identity", {"path": "/dev/shm"}),
            Step("resize", "kept", "@resize", {"memory": "{more_memory}"}),
            Step("after", "kept", "identity", {"path": "/dev/shm"}),
        ),
        expected="the size of before: it is computed when the volume is mounted (stale until the pod is made anew)",
        remedy="the size follows the memory here; if that is meant, accept it, else look for who mounts the volume anew",
        skips=_NO_RESIZE,
    ),
    Check(
        id="SHM405",
        name="resize_volume_grow",
        group="resize",
        question="Does /dev/shm of a running container grow when the sizeLimit of its volume does?",
        scenario="volumes",
        steps=(
            Step("before", "kept", "identity", {"path": "/dev/shm"}),
            Step("resize", "kept", "@resize_volume", {"volume": "kept", "size": "{grown}"}),
            Step("after", "kept", "identity", {"path": "/dev/shm"}),
            Step("fill", "kept", "fill", {"path": "/dev/shm", "max": "{fill_grown}"}, writes="{fill_grown}"),
        ),
        expected="{grown} bytes without a restart, ENOSPC after exactly that many (KEP-6030, Kubernetes 1.37)",
        remedy=_IN_PLACE,
        skips=_NO_RESIZE,
    ),
    Check(
        id="SHM406",
        name="resize_volume_shrink",
        group="resize",
        question="Does /dev/shm of a running container shrink when the sizeLimit of its volume does?",
        scenario="volumes",
        steps=(
            Step("before", "kept", "identity", {"path": "/dev/shm"}),
            Step("resize", "kept", "@resize_volume", {"volume": "kept", "size": "{shrunk}"}),
            Step("after", "kept", "identity", {"path": "/dev/shm"}),
        ),
        expected="{shrunk} bytes without a restart",
        remedy=_IN_PLACE,
        skips=_NO_RESIZE,
    ),
    Check(
        id="SHM407",
        name="resize_volume_used",
        group="resize",
        question="Is /dev/shm kept from shrinking below what is used of it?",
        scenario="volumes",
        steps=(
            Step("before", "kept", "identity", {"path": "/dev/shm"}),
            Step("fill", "kept", "fill", {"path": "/dev/shm", "max": "{used}", "keep": "1"}, writes="{used}"),
            Step("resize", "kept", "@resize_volume", {"volume": "kept", "size": "{too_small}"}),
            Step("after", "kept", "identity", {"path": "/dev/shm"}),
            Step("drop", "kept", "fill_drop"),
        ),
        expected="the size of before, and a pod status that says that the resize failed",
        remedy="nothing may be cut off that is in use: report it to the maker of the kubelet",
        skips=_NO_RESIZE,
    ),
    Check(
        id="SHM501",
        name="isolation_sysv",
        group="isolation",
        question="Does a second pod on the node see the first one's System V objects?",
        scenario="pair",
        steps=(*_identities("first", "stranger"), *_segment("first", "stranger", mode="0666")),
        expected="it does not find the segment of the same key, and is in another IPC namespace",
        remedy="look for a policy or webhook that gives pods hostIPC (the observed line names what was changed), or find out why the "
        "runtime leaks the node's IPC namespace",
    ),
    Check(
        id="SHM502",
        name="isolation_posix",
        group="isolation",
        question="Does a second pod on the node see the first one's POSIX objects?",
        scenario="pair",
        steps=(*_identities("first", "stranger"), *_object("first", "stranger", mode="0666", umask="0")),
        expected="it does not find the object of the same name, and has another /dev/shm",
        remedy="look for a policy or webhook that gives pods hostIPC or a hostPath (the observed line names what was changed), or find "
        "out why the runtime leaks the node's /dev/shm",
    ),
    Check(
        id="SHM503",
        name="host_ipc",
        group="isolation",
        question="Is a pod with hostIPC in the node's IPC namespace, with the node's /dev/shm?",
        scenario="host",
        steps=_NODE_VIEWS,
        expected="an IPC namespace that is not an ordinary pod's, and an object of its own that hostPath shows",
        remedy="the runtime gives hostIPC another meaning, as sandboxed runtimes do: put the programs into one pod instead",
        skips=_NO_HOST,
    ),
    Check(
        id="SHM504",
        name="host_path",
        group="isolation",
        question="Does a hostPath volume on /dev/shm share the node's POSIX objects, and nothing of System V?",
        scenario="host",
        steps=_NODE_VIEWS,
        expected="an object of a pod with hostIPC, in the pod's own IPC namespace: all that CUDA IPC between pods needs",
        remedy="the runtime shows the pod another /dev/shm than the node's: put the programs into one pod instead",
        skips=_NO_HOST | {"NotVisible"},
    ),
    Check(
        id="SHM601",
        name="sysctl_profile",
        group="limits",
        question="Are the IPC sysctls of a pod large enough for {profiles}?",
        scenario="pair",
        steps=(Step("sysctls", "first", "sysctls"),),
        expected="at least what the makers of these programs ask for; a pod has the kernel's defaults, whatever its node has",
        remedy="set them in the pod: securityContext.sysctls, and allowedUnsafeSysctls of the kubelet (see SHM603)",
        skips=frozenset({"NotVisible"}),
    ),
    Check(
        id="SHM602",
        name="sysctl_safe",
        group="limits",
        question="Does the safe sysctl kernel.shm_rmid_forced take effect in the pod?",
        scenario="safe",
        steps=(
            Step("sysctls", "safe", "sysctls"),
            Step("forced", "safe", "rmid_forced", {"key": "{key}"}),
        ),
        expected="the value is 1, and a segment is gone at its last detach",
        remedy="use a runtime that applies the sysctls of the pod (gVisor ignores them)",
        skips=frozenset({"AdmissionDenied", "NotVisible"}),
    ),
    Check(
        id="SHM603",
        name="sysctl_unsafe",
        group="limits",
        question="Does the node admit the unsafe sysctl kernel.shmmax, and does it take effect?",
        scenario="unsafe",
        steps=(
            Step("sysctls", "unsafe", "sysctls"),
            Step("over", "unsafe", "sysv_shm_create", {"key": "{key}", "size": "{over_shmmax}", "text": "{text}"}),
        ),
        expected="the value that the pod asked for, and EINVAL for a segment beyond it",
        remedy="use a runtime that applies the sysctls of the pod (gVisor ignores them)",
        skips=frozenset({"SysctlForbidden", "PodSecurity", "AdmissionDenied", "NotVisible"}),
    ),
    Check(
        id="SHM604",
        name="limits_errno",
        group="limits",
        question="Do the IPC limits of the kernel fail with the errno that programs expect?",
        scenario="pair",
        steps=(Step("sysctls", "first", "sysctls"), Step("limits", "first", "limits")),
        expected="EINVAL beyond shmmax, and for a segment of 0 bytes",
        remedy="the kernel of this runtime does not enforce the limits that it shows: do not rely on them",
        skips=frozenset({"NotVisible"}),
    ),
    Check(
        id="SHM605",
        name="huge_pages",
        group="limits",
        question="Does a huge page that the pod has no limit for kill the process, like a full /dev/shm would?",
        scenario="pair",
        steps=(Step("sysctls", "first", "sysctls"), Step("huge", "first", "hugepage")),
        expected="no huge pages on the node, or a mapping that fails cleanly",
        remedy="limits: {hugepages-2Mi: ...} in the container, or huge_pages=off in PostgreSQL: this Bus error is not /dev/shm",
    ),
    Check(
        id="SHM606",
        name="msgqueue_budget",
        group="limits",
        question="How many POSIX message queues of default size can the pod's user open?",
        scenario="pair",
        steps=(Step("sysctls", "guest", "sysctls"), Step("budget", "guest", "msgqueue_budget")),
        expected="at least one; about nine in all, since RLIMIT_MSGQUEUE counts per user and node",
        remedy="if the first queue fails, look at the seccomp profile and at fs.mqueue.queues_max; if others used up the budget, use "
        "smaller queues (mq_attr), or a user of its own for each workload",
    ),
    Check(
        id="SHM607",
        name="pod_security",
        group="limits",
        question="Which ways to share and size memory does the namespace admit?",
        scenario="admission",
        steps=tuple(Step(name, name, "@admit") for name in ("volume", "relaxed", "ipc", "path", "sysctl")),
        expected="a volume of medium Memory always; hostIPC, hostPath and unsafe sysctls all or none, as one level of the "
        "Pod Security Standards has it",
        remedy="a volume of medium Memory complies with every level: look for the policy that refuses it; nothing here "
        "needs hostIPC",
    ),
)

#: Asked in every run: their answers are known. If one does not hold, nothing that leans on it is decided.
CONTROLS: t.Final[tuple[Check, ...]] = (
    Check(
        id="SHM901",
        name="control_positive",
        group="control",
        question="Does a process find the segment that its own parent made?",
        scenario="pair",
        steps=(Step("same", "first", "control_same", {"key": "{key}"}),),
        expected="yes: there is no boundary in between",
        remedy="look at seccomp profiles and IPC limits: System V memory does not work at all in this container",
    ),
    Check(
        id="SHM902",
        name="control_negative",
        group="control",
        question="Is a segment that nobody made not found?",
        scenario="pair",
        steps=(Step("same", "first", "control_same", {"key": "{key}"}),),
        expected="ENOENT",
        remedy="report this with the evidence: the probe finds what is not there",
    ),
    Check(
        id="SHM903",
        name="control_canary",
        group="control",
        question="Does a doctored observation fail?",
        scenario="pair",
        steps=(),
        expected="FAIL for a wrong nonce, undecided for a damaged output",
        remedy="report this as a bug of podshm: its rules pass what they must not",
    ),
)

BY_ID: t.Final[dict[str, Check]] = {check.id: check for check in CHECKS}


def select(words: t.Iterable[str]) -> list[Check]:
    """The checks of the catalog that the words name: ids, groups or tags. No word at all means every check.

    A word after C(!) leaves out what it names, of what the others name.

    :raises ValueError: a word names nothing, or no check is left.
    """
    given = list(words)
    without = {word[1:] for word in given if word.startswith("!")}
    wanted = {word for word in given if not word.startswith("!")}
    named = {check.id: {check.id, check.group, *check.tags} for check in CHECKS}
    known = set().union(*named.values())
    unknown = sorted((wanted | without) - known)
    if unknown:
        others = sorted(word for word in known if not word.startswith("SHM"))
        raise ValueError(
            f"there is no check, group or tag {', '.join(unknown)}; groups and tags are {', '.join(others)}"
        )
    found = [check for check in CHECKS if (not wanted or wanted & named[check.id]) and not without & named[check.id]]
    if not found:
        raise ValueError(f"no check is left of {', '.join(given)}")
    return found
