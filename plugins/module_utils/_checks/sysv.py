# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""System V shared memory, semaphores and messages between the containers of a pod: SHM1xx (pure)."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import features
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.common import (
    NO_USER_NAMESPACES,
    ONE_NAMESPACE,
    RUNTIME_BUG,
    SECCOMP,
    crossed_message,
    errno,
    failed,
    failed_kept_segment,
    failed_segment,
    in_own_user_namespace,
    last_failed,
    namespaces,
    passed,
    premise_failed,
    require_created_here,
    require_fact,
    require_ftok_allowed,
    require_one_user,
    require_two_users,
    warned,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import (
    FIRST,
    GUEST,
    INIT_SYSV,
    IPC_OWNER,
    LIFE,
    MAIN,
    ONE,
    ONE_SIDED,
    OWN_USERS,
    PAIR,
    ROOT,
    ROOT_IPC_OWNER,
    SECOND,
    SEGMENT_OWNER,
    SERVED,
    SIDECAR,
    SIDECARS,
    TWO,
    USER_IPC_OWNER,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.steps import (
    Segment,
    identities,
    identity,
    kept_segment,
    segment,
    sysv_queue,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Context,
    Decision,
    Group,
    Seen,
    Step,
    check,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import POLICIES, Inconclusive, Reason

_BOTH: t.Final = identities(FIRST, SECOND)
_SEGMENT: t.Final = segment(FIRST, SECOND)

# ------------------------------------------------------------------------------------------------- segments

_FTOK_SEGMENT: t.Final = Segment(
    Step(
        "create",
        FIRST,
        "sysv_shm_create",
        lambda i: {"path": "/shared/ftok", "id": 80, "make": 1, "size": 512, "mode": "0600", "text": i.text},
    ),
    Step("read", SECOND, "sysv_shm_read", lambda i: {"path": "/shared/ftok", "id": 80}),
    Step("finish", FIRST, "sysv_shm_finish"),
)
_SHARE_THE_FILE: t.Final = "share the ftok file by a volume that both containers mount, or use a fixed key"


@check(
    "SHM101",
    "sysv_shm_shared_path",
    group=Group.SYSV,
    tags="basic sysv_shm postgresql oracle",
    layout=PAIR,
    steps=(*_BOTH, *_FTOK_SEGMENT.steps),
    question="Do two containers that share the ftok file share a System V segment?",
    expected="each side reads the other's nonce, and the sentence; the segment is gone afterwards",
)
def sysv_shm_shared_path(seen: Seen, context: Context) -> Decision:
    """The case of podshmtest: the key comes from a file in a shared volume."""
    require_one_user(seen, *_BOTH)
    create, read = seen[_FTOK_SEGMENT.create], seen[_FTOK_SEGMENT.read]
    if "ftok_key" not in create.facts:
        raise Inconclusive(Reason.PROBE_ERROR, f"the ftok file could not be created ({last_failed(create)})")
    if "ftok_key" not in read.facts:
        require_ftok_allowed(read)
        return failed(f"the second container does not see the ftok file ({last_failed(read)})", _SHARE_THE_FILE)
    keys = create.facts["ftok_key"], read.facts["ftok_key"]
    if keys[0] != keys[1]:
        return failed(
            f"ftok gives {keys[0]} and {keys[1]} for one shared file",
            "use a fixed key: the runtime numbers the devices or inodes of a shared volume differently in each container",
        )
    return failed_segment(seen, _FTOK_SEGMENT, *_BOTH) or passed(
        f"both nonces and the sentence crossed under key {keys[0]}; the segment is gone"
    )


_CREATED: t.Final = Step("made", FIRST, "ftok", lambda i: {"path": "/private/ftok", "id": 80, "make": 1})
_ABSENT: t.Final = Step("absent", SECOND, "ftok", lambda i: {"path": "/private/ftok", "id": 80})
_OWN: t.Final = tuple(
    Step(f"own_{container.name}", container, "ftok", lambda i: {"path": "/own/ftok", "id": 80, "make": 1})
    for container in (FIRST, SECOND)
)


@check(
    "SHM102",
    "sysv_shm_private_path",
    group=Group.SYSV,
    tags="basic sysv_shm",
    layout=PAIR,
    steps=(*_BOTH, _CREATED, _ABSENT, *_OWN, *_SEGMENT.steps),
    question="Without a shared ftok file: does ftok fail cleanly while the IPC namespace is shared all the same?",
    expected="the peer's ftok fails with ENOENT; own files at one path give different keys; a fixed key still meets",
)
def sysv_shm_private_path(seen: Seen, context: Context) -> Decision:
    """Without the file the key is the problem, not the memory."""
    require_one_user(seen, *_BOTH)
    if "ftok_key" not in seen[_CREATED].facts:
        raise Inconclusive(Reason.PROBE_ERROR, f"the private file could not be created ({last_failed(seen[_CREATED])})")
    absent = seen[_ABSENT]
    if "ftok_key" in absent.facts:
        return failed(
            "the second container sees a file of the first one's private volume",
            "find what mounts the volume where the manifest does not: the runtime, or a policy",
        )
    require_ftok_allowed(absent)
    if errno(absent, "ftok") != "ENOENT":
        return failed(f"the second container's ftok does not fail with ENOENT ({last_failed(absent)})", _SHARE_THE_FILE)
    own = [seen[step].facts for step in _OWN]
    if not all("ftok_key" in facts for facts in own):
        raise Inconclusive(Reason.PROBE_ERROR, "the files at the same path could not be created")
    if all(own[0][part] == own[1][part] for part in ("ftok_dev", "ftok_ino")):
        return failed(
            "two volumes give the same device and inode at the same path",
            "use fixed keys: ftok cannot distinguish the volumes of this runtime",
        )
    missed = failed_segment(seen, _SEGMENT, *_BOTH)
    if missed:
        return missed
    keys = f"{own[0]['ftok_key']} and {own[1]['ftok_key']}"
    parts = "device" if own[0]["ftok_dev"] != own[1]["ftok_dev"] else "inode"
    if own[0]["ftok_key"] == own[1]["ftok_key"]:
        # ftok keeps 8 bits of the device and 16 of the inode
        return warned(f"ENOENT as expected, but two different files give one key by accident: {keys}", "use fixed keys")
    return passed(
        f"ENOENT; own files give {keys} since the {parts} differs; the IPC namespace is shared: a fixed key meets"
    )


# ----------------------------------------------------------------------------------- semaphores and messages

_CREATE_SEM: t.Final = Step("create", FIRST, "sysv_sem_create", lambda i: {"key": i.key, "mode": "0600"})
_WAIT: t.Final = Step("wait", SECOND, "sysv_sem_wait", lambda i: {"key": i.key}, blocks=True)
_POST: t.Final = Step("post", FIRST, "sysv_sem_post", lambda i: {"key": i.key})
_REMOVE_SEM: t.Final = Step("remove", FIRST, "sysv_sem_remove")
_SEM_LIMITS: t.Final = f"{SECCOMP}, and raise kernel.sem if it is used up"


@check(
    "SHM103",
    "sysv_sem_wake",
    group=Group.SYSV,
    tags="sysv_sem locks oracle",
    layout=PAIR,
    steps=(*_BOTH, _CREATE_SEM, _WAIT, _POST, _REMOVE_SEM),
    question="Does a System V semaphore wake a peer that is blocked in another container?",
    expected="the blocked peer is woken by the post; the semaphore is gone afterwards",
)
def sysv_sem_wake(seen: Seen, context: Context) -> Decision:
    """Finding a semaphore is not enough: the peer must sleep in it and wake up."""
    require_one_user(seen, *_BOTH)
    create, wait, post = seen[_CREATE_SEM], seen[_WAIT], seen[_POST]
    spaces = namespaces(seen, *_BOTH)
    require_created_here(create, "made", "semaphore")
    if not create.facts["made"]:
        return failed(f"the first container cannot create a semaphore ({last_failed(create)})", _SEM_LIMITS)
    if not require_fact(post, "posted"):
        return failed(f"the first container cannot post its own semaphore ({last_failed(post)})", SECCOMP)
    if not require_fact(wait, "found"):
        return failed(
            f"the second container does not find the semaphore ({last_failed(wait)}; {spaces})", ONE_NAMESPACE
        )
    if not require_fact(wait, "woken"):
        return failed(f"the second container is not woken ({last_failed(wait)}; {spaces})", ONE_NAMESPACE)
    if not require_fact(seen[_REMOVE_SEM], "gone"):
        return failed("the semaphore stays after IPC_RMID", RUNTIME_BUG)
    if require_fact(wait, "wait_began_ns") > require_fact(post, "posted_at_ns"):
        raise premise_failed("the peer began to wait only after the post: nothing was woken")
    micros = (require_fact(wait, "wait_ended_ns") - require_fact(post, "posted_at_ns")) // 1000
    if micros < 0:
        raise premise_failed("the peer was woken before the post: it did not wait, or its clock differs")
    return passed(f"the blocked peer was woken {micros} microseconds after the post ({spaces})")


_QUEUE: t.Final = sysv_queue(FIRST, SECOND)


@check(
    "SHM104",
    "sysv_msg",
    group=Group.SYSV,
    tags="sysv_msg",
    layout=PAIR,
    steps=(*_BOTH, *_QUEUE.steps),
    question="Does a System V message cross from one container to the other?",
    expected="the peer receives the sender's nonce, and the sentence; the queue is gone afterwards",
)
def sysv_msg(seen: Seen, context: Context) -> Decision:
    """Messages are keyed by the IPC namespace, as segments are."""
    require_one_user(seen, *_BOTH)
    return crossed_message(seen, _QUEUE, *_BOTH)


# ----------------------------------------------------------------------------------- who is in the namespace

# not those that policies are likely to refuse
_EVERYBODY: t.Final = identities(FIRST, SECOND, ONE_SIDED)


@check(
    "SHM105",
    "ipc_namespace",
    group=Group.SYSV,
    tags="postgresql oracle",
    layout=PAIR,
    steps=_EVERYBODY,
    question="Are all containers of the pod in one IPC namespace?",
    expected="one IPC namespace in every container",
)
def ipc_namespace(seen: Seen, context: Context) -> Decision:
    """What all of System V stands on."""
    numbers = {who.container.name: require_fact(seen[who], "ns_ipc") for who in _EVERYBODY}
    if len(set(numbers.values())) == 1:
        return passed(f"IPC namespace {next(iter(numbers.values()))} in {', '.join(numbers)}")
    each = ", ".join(f"{name} {number}" for name, number in numbers.items())
    return failed(f"the IPC namespaces differ: {each}", ONE_NAMESPACE)


def _crossed(seen: Seen, shared: Segment, *who: Step) -> Decision:
    return failed_segment(seen, shared, *who) or passed(
        f"both nonces and the sentence crossed ({namespaces(seen, *who)})"
    )


_TWO_USERS: t.Final = identities(FIRST, GUEST)
_PUBLIC: t.Final = segment(FIRST, GUEST, mode="0666")


@check(
    "SHM106",
    "sysv_shm_users",
    group=Group.SYSV,
    tags="sysv_shm users oracle",
    layout=PAIR,
    steps=(*_TWO_USERS, *_PUBLIC.steps),
    question="Do containers with different users share a System V segment of mode 0666?",
    expected="each side reads the other's nonce: the umask does not apply to System V modes",
    skips=POLICIES,
)
def sysv_shm_users(seen: Seen, context: Context) -> Decision:
    """The mode is the whole permission."""
    require_two_users(seen, *_TWO_USERS)
    return _crossed(seen, _PUBLIC, *_TWO_USERS)


_PRIVATE: t.Final = segment(FIRST, GUEST)


@check(
    "SHM110",
    "sysv_shm_private_mode",
    group=Group.SYSV,
    tags="sysv_shm users",
    layout=PAIR,
    steps=(*_TWO_USERS, *_PRIVATE.steps),
    question="Is a System V segment of mode 0600 closed to a container with another user?",
    expected="EACCES: the peer finds the segment, and cannot attach it (X11 MIT-SHM and Db2 meet this)",
    skips=POLICIES,
)
def sysv_shm_private_mode(seen: Seen, context: Context) -> Decision:
    """The usual mode of segments: what SHM106 shows of mode 0666 is no help there."""
    require_two_users(seen, *_TWO_USERS)
    create, read = seen[_PRIVATE.create], seen[_PRIVATE.read]
    require_created_here(create, "attached", "segment")
    if not create.facts["attached"]:
        raise premise_failed(f"the first container cannot create a segment ({last_failed(create)})")
    if read.facts.get("peer_nonce") == create.nonce:
        return failed("another user attaches a segment of mode 0600", _FIND_IPC_OWNER)
    return _refused(read)


def _refused(read: Observation) -> Decision:
    """The PASS of a reader that finds a segment and is denied access to it."""
    if require_fact(read, "found") and errno(read, "shmat") == "EACCES":
        return passed(last_failed(read))
    raise premise_failed(f"the segment is not refused for its mode ({last_failed(read)}): see SHM106")


_FIND_IPC_OWNER: t.Final = "find what gives the container CAP_IPC_OWNER or the same user: the runtime, or a policy"
_WHO_OWNS: t.Final = identity(SEGMENT_OWNER)
_OTHER_USERS: t.Final = identities(ROOT, USER_IPC_OWNER, ROOT_IPC_OWNER)
_BY_OWNER: t.Final = segment(SEGMENT_OWNER, ROOT)
_BY_ROOT: t.Final = _BY_OWNER.read
_BY_CAPABILITY: t.Final = Step("read_capability", ROOT_IPC_OWNER, "sysv_shm_read", lambda i: {"key": i.key})
_BY_USER: t.Final = Step("read_user", USER_IPC_OWNER, "sysv_shm_read", lambda i: {"key": i.key})


@check(
    "SHM111",
    "sysv_shm_ipc_owner",
    group=Group.SYSV,
    tags="sysv_shm users",
    layout=IPC_OWNER,
    steps=(_WHO_OWNS, *_OTHER_USERS, _BY_OWNER.create, _BY_ROOT, _BY_USER, _BY_CAPABILITY, _BY_OWNER.finish),
    question="Does CAP_IPC_OWNER open another user's segment of mode 0600?",
    expected="only to root with the capability: not to root without it, and not to another user who has it in the manifest",
    skips=POLICIES,
)
def sysv_shm_ipc_owner(seen: Seen, context: Context) -> Decision:
    """Kubernetes has no ambient capabilities: a capability of a user other than root is not effective."""
    for other in _OTHER_USERS:
        require_two_users(seen, _WHO_OWNS, other)
    create = seen[_BY_OWNER.create]
    require_created_here(create, "attached", "segment")
    if not create.facts["attached"]:
        raise premise_failed(f"the owner cannot create a segment ({last_failed(create)})")
    for step, who in ((_BY_ROOT, "root without CAP_IPC_OWNER"), (_BY_USER, "a user other than root")):
        if seen[step].facts.get("peer_nonce") == create.nonce:
            return failed(f"{who} attaches a segment of mode 0600", _FIND_IPC_OWNER)
        _refused(seen[step])
    by_capability = seen[_BY_CAPABILITY]
    if by_capability.facts.get("peer_nonce") == create.nonce:
        return passed("root with CAP_IPC_OWNER attaches the segment; root without it and another user do not (EACCES)")
    if require_fact(by_capability, "found") and errno(by_capability, "shmat") == "EACCES":
        return failed(
            f"root with CAP_IPC_OWNER cannot attach the segment ({last_failed(by_capability)})",
            "run the programs as one user: the runtime drops CAP_IPC_OWNER",
        )
    raise premise_failed(
        f"root with CAP_IPC_OWNER does not find the segment ({last_failed(by_capability)}): see SHM101"
    )


# ------------------------------------------------------------------------------ other lives, other users

_CREATE_KEPT: t.Final = kept_segment(INIT_SYSV)
_READ_KEPT: t.Final = Step("read", MAIN, "sysv_shm_read", lambda i: {"key": i.key})
_DROP_KEPT: t.Final = Step("drop", MAIN, "sysv_shm_drop", lambda i: {"key": i.key})


@check(
    "SHM107",
    "sysv_shm_handoff",
    group=Group.SYSV,
    tags="sysv_shm handoff",
    layout=LIFE,
    steps=(_CREATE_KEPT, _READ_KEPT, _DROP_KEPT),
    question="Does a System V segment that an init container created outlive it?",
    expected="the main container reads the init container's nonce, and the sentence",
)
def sysv_shm_handoff(seen: Seen, context: Context) -> Decision:
    """The pod holds the namespace, not the container."""
    return failed_kept_segment(
        seen,
        _CREATE_KEPT,
        _READ_KEPT,
        "the init container",
        "unset kernel.shm_rmid_forced, which removes a segment at its last detach, or " + ONE_NAMESPACE,
    ) or passed("the main container read nonce and sentence")


_WITH_SIDECAR: t.Final = identities(SIDECAR, SERVED)
_SIDECAR_SEGMENT: t.Final = segment(SIDECAR, SERVED)


@check(
    "SHM108",
    "sysv_shm_sidecar",
    group=Group.SYSV,
    tags="sysv_shm handoff",
    layout=SIDECARS,
    steps=(*_WITH_SIDECAR, *_SIDECAR_SEGMENT.steps),
    question="Does a native sidecar share System V segments with the main container?",
    expected="each side reads the other's nonce, and the sentence; the segment is gone afterwards",
    needs=features.SIDECARS,
)
def sysv_shm_sidecar(seen: Seen, context: Context) -> Decision:
    """A sidecar is an init container that stays (Kubernetes 1.29)."""
    require_one_user(seen, *_WITH_SIDECAR)
    return _crossed(seen, _SIDECAR_SEGMENT, *_WITH_SIDECAR)


_OWN_USERS: t.Final = identities(ONE, TWO)
_OWN_USERS_SEGMENT: t.Final = segment(ONE, TWO)


@check(
    "SHM109",
    "sysv_shm_user_namespace",
    group=Group.SYSV,
    tags="sysv_shm user_namespace",
    layout=OWN_USERS,
    steps=(*_OWN_USERS, *_OWN_USERS_SEGMENT.steps),
    question="In a pod with a user namespace of its own: do two containers share a System V segment?",
    expected="each side reads the other's nonce, and the sentence, in a user namespace that is not the kernel's first",
    skips=NO_USER_NAMESPACES,
    needs=features.USER_NAMESPACES,
)
def sysv_shm_user_namespace(seen: Seen, context: Context) -> Decision:
    """KEP-127, on by default since Kubernetes 1.33."""
    require_one_user(seen, *_OWN_USERS)
    return in_own_user_namespace(context, _crossed(seen, _OWN_USERS_SEGMENT, *_OWN_USERS), seen, _OWN_USERS[0])


CHECKS: t.Final = (
    sysv_shm_shared_path,
    sysv_shm_private_path,
    sysv_sem_wake,
    sysv_msg,
    ipc_namespace,
    sysv_shm_users,
    sysv_shm_handoff,
    sysv_shm_sidecar,
    sysv_shm_user_namespace,
    sysv_shm_private_mode,
    sysv_shm_ipc_owner,
)
