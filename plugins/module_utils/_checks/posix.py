# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""POSIX shared memory, semaphores and messages between the containers of a pod: SHM201 to SHM212, SHM215 (pure)."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import features
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.common import (
    ENOUGH_ROOM,
    NO_USER_NAMESPACES,
    ONE_VOLUME,
    RUNTIME_BUG,
    SECCOMP,
    crossed_message,
    errno,
    failed,
    failed_absence,
    failed_kept_object,
    failed_kept_segment,
    failed_object,
    failed_segment,
    first_failed,
    in_own_user_namespace,
    last_failed,
    namespaces,
    passed,
    premise_failed,
    require_created_here,
    require_fact,
    require_one_requested_user,
    require_one_user,
    require_reservable,
    require_stat_allowed,
    require_two_users,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import (
    APPLICATION,
    COMPLETE,
    DEBUG,
    FIRST,
    GUEST,
    HUGE,
    HUGE_PAGES,
    HUGE_PEER,
    INIT_POSIX,
    LIFE,
    MAIN,
    ONE,
    ONE_SIDED,
    OWN_USERS,
    PAIR,
    READER,
    RESIZED,
    SECOND,
    SERVED,
    SIDECAR,
    SIDECARS,
    TWO,
    VOLUMES,
    WRITER,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.steps import (
    Segment,
    SharedObject,
    drop_object,
    get_object,
    identities,
    kept_segment,
    posix_queue,
    public_object,
    put_object,
    segment,
    shared_object,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    SENTENCE,
    SHM,
    Action,
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

# ----------------------------------------------------------------------------- the case of podshmtest

_WRITE: t.Final = Step("write", WRITER, "posix_write", lambda i: {"name": i.name, "size": 512, "text": i.text})
_READ: t.Final = Step("read", READER, "posix_read", lambda i: {"name": i.name})

#: A reader that waited this long (nanoseconds) beside a writer that had posted was not served by the same semaphore.
_POSTED_BEFORE_NS: t.Final = 500_000_000


def _unusable(observation: Observation) -> str:
    """The fix for a container that cannot use POSIX shared memory even alone."""
    return SECCOMP if last_failed(observation).endswith(("EPERM", "ENOSYS")) else ENOUGH_ROOM


def _waited_together(writer: Observation, reader: Observation) -> bool:
    """Whether the reader waited for some time while the writer had posted and was still there.

    Both read one clock (CLOCK_BOOTTIME).
    """
    began, ended = (
        [time for one in (writer, reader) if isinstance(time := one.facts.get(name), int)]
        for name in ("wait_began_ns", "wait_ended_ns")
    )
    return len(began) == len(ended) == 2 and min(ended) - max(began) >= _POSTED_BEFORE_NS


def _require_ended_well(context: Context) -> None:
    """Raise Inconclusive if a container did not end with exit code 0. How an injected container ends does not matter."""
    after = context.pod_after(WRITER)
    codes = [after.exit_codes[one.name] for one in (WRITER, READER) if one.name in after.exit_codes]
    if len(codes) < 2 or any(codes):
        raise Inconclusive(
            Reason.POD_FAILED, f"both outputs are complete, but the pod is {after.phase} (exit codes {codes})"
        )


@check(
    "SHM201",
    "posix_shm_sem",
    group=Group.POSIX,
    tags="basic posix_shm posix_sem postgresql chrome",
    layout=COMPLETE,
    steps=(_WRITE, _READ),
    question="Do two containers share a POSIX shared memory object and named semaphores?",
    expected="both containers end well, each side reads the other's nonce, and the sentence; nothing stays in /dev/shm",
)
def posix_shm_sem(seen: Seen, context: Context) -> Decision:
    """Each side gets as far as waiting for the other, or it cannot use the mechanism at all."""
    write, read = seen[_WRITE], seen[_READ]
    if "text" not in write.facts and errno(write, "shm_open") == "EEXIST":
        raise premise_failed("a foreign object has the run's own name: /dev/shm is not the pod's alone")
    require_reservable(write)
    require_stat_allowed(write, read)
    require_one_requested_user(context, WRITER, READER)
    for name, observation in (("writer", write), ("reader", read)):
        if "wait_began_ns" not in observation.facts:
            return failed(
                f"the {name} cannot use POSIX shared memory ({last_failed(observation)})", _unusable(observation)
            )
    places = [(one.facts.get("path_dev"), one.facts.get("path_ino")) for one in (write, read)]
    where = "one /dev/shm" if places[0] == places[1] else f"/dev/shm on devices {places[0][0]} and {places[1][0]}"
    if read.facts.get("timed_out"):
        if not _waited_together(write, read):
            raise Inconclusive(
                Reason.TIMEOUT, "writer and reader did not wait at the same time: their containers started far apart"
            )
        return failed(f"the reader waited for a semaphore that the writer had posted ({where})", ONE_VOLUME)
    if read.facts.get("peer_nonce") != write.nonce:
        return failed(f"the reader does not read the writer's nonce ({last_failed(read)}; {where})", ONE_VOLUME)
    if read.facts.get("text") != SENTENCE:
        return failed(f"the reader reads the nonce but not the sentence ({where})", RUNTIME_BUG)
    if write.facts.get("timed_out") or write.facts.get("reply_nonce") != read.nonce:
        return failed(f"the writer does not read the reader's reply ({where})", ONE_VOLUME)
    _require_ended_well(context)
    if write.facts.get("left"):
        return failed(f"{write.facts['left']} objects of the run stay in /dev/shm", RUNTIME_BUG)
    return passed(f"both ended well, both nonces and the sentence crossed, nothing stays ({where})")


# ------------------------------------------------------------------------------- one /dev/shm, or several

_PLAIN: t.Final = identities(FIRST, SECOND)
_PUT_PUBLIC: t.Final = public_object(FIRST)
_GET_SECOND: t.Final = get_object(SECOND, "get_second")
_DROP: t.Final = drop_object(FIRST)


@check(
    "SHM202",
    "devshm_identity",
    group=Group.POSIX,
    tags="posix_shm postgresql nccl ros2",
    layout=PAIR,
    steps=(*_PLAIN, _PUT_PUBLIC, _GET_SECOND, _DROP),
    question="Is /dev/shm one file system in every container that has no volume on it?",
    expected="the second container finds an object of the first",
)
def devshm_identity(seen: Seen, context: Context) -> Decision:
    """The content decides: sandboxed runtimes number their devices per container (gVisor)."""
    require_stat_allowed(*seen.values())
    missing = [who.container.name for who in _PLAIN if seen[who].facts.get("exists") is False]
    if missing:
        return failed(f"there is no /dev/shm in {', '.join(missing)}", ONE_VOLUME)
    put = seen[_PUT_PUBLIC]
    require_created_here(put, "made", "object")
    if not put.facts["made"]:
        raise premise_failed(f"the first container cannot create an object ({last_failed(put)})")
    devices = ", ".join(
        f"{who.container.name} {require_fact(seen[who], 'path_dev')}:{require_fact(seen[who], 'path_ino')}"
        for who in _PLAIN
    )
    get = seen[_GET_SECOND]
    if not require_fact(get, "found") or get.facts.get("peer_nonce") != put.nonce:
        return failed(f"the first container's object is not in the second: /dev/shm is {devices}", ONE_VOLUME)
    return passed(f"the first container's object is in the second: /dev/shm is {devices}")


_QUEUE: t.Final = posix_queue(FIRST, SECOND)


@check(
    "SHM203",
    "posix_mq",
    group=Group.POSIX,
    tags="posix_mq ros2",
    layout=PAIR,
    steps=(*_BOTH, *_QUEUE.steps),
    question="Does a POSIX message cross from one container to the other?",
    expected="the peer receives the sender's nonce, and the sentence; the queue is gone afterwards",
)
def posix_mq(seen: Seen, context: Context) -> Decision:
    """POSIX queues belong to the IPC namespace, not to /dev/shm."""
    require_one_user(seen, *_BOTH)
    return crossed_message(seen, _QUEUE, *_BOTH)


def _split(seen: Seen, common: Segment, apart: SharedObject, who: tuple[Step, ...], fix: str) -> Decision:
    """Decide whether System V is shared and POSIX is not.

    :param fix: for an object that the second container finds.
    """
    devices = " and ".join(str(seen[one].facts.get("path_dev")) for one in who)
    return (
        failed_segment(seen, common, *who)
        or failed_absence(seen, apart, fix)
        or passed(f"System V is shared, POSIX is not: /dev/shm on devices {devices}")
    )


_UNEQUAL: t.Final = identities(FIRST, ONE_SIDED)
_UNEQUAL_SEGMENT: t.Final = segment(FIRST, ONE_SIDED)
_UNEQUAL_OBJECT: t.Final = shared_object(FIRST, ONE_SIDED)


@check(
    "SHM204",
    "posix_one_sided_volume",
    group=Group.POSIX,
    tags="sysv_shm posix_shm nccl",
    layout=PAIR,
    steps=(*_UNEQUAL, *_UNEQUAL_SEGMENT.steps, *_UNEQUAL_OBJECT.steps),
    question="If only one container has a volume on /dev/shm: are System V segments shared, and POSIX objects not?",
    expected="the segment is shared, the POSIX object is not found",
)
def posix_one_sided_volume(seen: Seen, context: Context) -> Decision:
    """The most common mistake."""
    require_one_user(seen, *_UNEQUAL)
    return _split(
        seen,
        _UNEQUAL_SEGMENT,
        _UNEQUAL_OBJECT,
        _UNEQUAL,
        "find what mounts one /dev/shm in both containers, though the manifest does not: the runtime, or a policy",
    )


# -------------------------------------------------------------------------------- other lives than one

_PUT_KEPT: t.Final = put_object(INIT_POSIX, keep=True)
_GET_KEPT: t.Final = get_object(MAIN)
_DROP_KEPT: t.Final = drop_object(MAIN)


@check(
    "SHM205",
    "posix_handoff",
    group=Group.POSIX,
    tags="posix_shm handoff",
    layout=LIFE,
    steps=(_PUT_KEPT, _GET_KEPT, _DROP_KEPT),
    question="Does a POSIX object that an init container created outlive it?",
    expected="the main container reads the init container's nonce, and the sentence",
)
def posix_handoff(seen: Seen, context: Context) -> Decision:
    """The pod holds /dev/shm, not the container."""
    return failed_kept_object(seen, _PUT_KEPT, _GET_KEPT, "the init container", ONE_VOLUME) or passed(
        "the main container read nonce and sentence"
    )


def _crossed(seen: Seen, shared: SharedObject, fix: str = ONE_VOLUME) -> Decision:
    return failed_object(seen, shared, fix) or passed("both nonces and the sentence crossed")


_WITH_SIDECAR: t.Final = identities(SIDECAR, SERVED)
_SIDECAR_OBJECT: t.Final = shared_object(SIDECAR, SERVED)


@check(
    "SHM206",
    "posix_sidecar",
    group=Group.POSIX,
    tags="posix_shm handoff",
    layout=SIDECARS,
    steps=(*_WITH_SIDECAR, *_SIDECAR_OBJECT.steps),
    question="Does a native sidecar share POSIX objects with the main container?",
    expected="each side reads the other's nonce, and the sentence",
    needs=features.SIDECARS,
)
def posix_sidecar(seen: Seen, context: Context) -> Decision:
    """A sidecar is an init container that stays (Kubernetes 1.29)."""
    require_one_user(seen, *_WITH_SIDECAR)
    return _crossed(seen, _SIDECAR_OBJECT)


_CREATE_BEFORE: t.Final = kept_segment(MAIN)
_PUT_BEFORE: t.Final = put_object(MAIN, keep=True)
_RESTART: t.Final = Step("restart", MAIN, Action.RESTART)
_READ_AFTER: t.Final = Step("read", MAIN, "sysv_shm_read", lambda i: {"key": i.key})
_GET_AFTER: t.Final = get_object(MAIN)
_DROP_SEGMENT: t.Final = Step("drop_segment", MAIN, "sysv_shm_drop", lambda i: {"key": i.key})
_DROP_AFTER: t.Final = drop_object(MAIN)


@check(
    "SHM207",
    "posix_restart",
    group=Group.POSIX,
    tags="sysv_shm posix_shm restart nccl",
    layout=LIFE,
    steps=(_CREATE_BEFORE, _PUT_BEFORE, _RESTART, _READ_AFTER, _GET_AFTER, _DROP_SEGMENT, _DROP_AFTER),
    question="Do System V segments and POSIX objects outlive the restart of the container that created them?",
    expected="both are found with their nonces: the pod holds them, not the container",
)
def posix_restart(seen: Seen, context: Context) -> Decision:
    """What leaks after a crash is there for the next start, and counts as memory."""
    creator = "the container before its restart"
    lost = failed_kept_segment(
        seen,
        _CREATE_BEFORE,
        _READ_AFTER,
        creator,
        "unset kernel.shm_rmid_forced, which removes a segment at its last detach, or use a RuntimeClass that keeps the "
        "pod's IPC namespace when a container restarts",
    ) or failed_kept_object(
        seen,
        _PUT_BEFORE,
        _GET_AFTER,
        creator,
        "put what must outlive a restart on an emptyDir of medium Memory on /dev/shm",
    )
    return lost or passed(f"segment and object are there after restart {require_fact(seen[_RESTART], 'restarts')}")


_ADD: t.Final = Step("add", DEBUG, Action.ADD_EPHEMERAL)
_WITH_DEBUG: t.Final = identities(RESIZED, DEBUG)
_DEBUG_SEGMENT: t.Final = segment(RESIZED, DEBUG)
_DEBUG_OBJECT: t.Final = shared_object(RESIZED, DEBUG)


@check(
    "SHM208",
    "ephemeral_container",
    group=Group.POSIX,
    tags="sysv_shm posix_shm",
    layout=VOLUMES,
    steps=(_ADD, *_WITH_DEBUG, *_DEBUG_SEGMENT.steps, *_DEBUG_OBJECT.steps),
    question="What does a debug container see of a pod whose /dev/shm is a volume?",
    expected="the segment, but not the POSIX object: this ephemeral container does not mount the volume on /dev/shm",
    skips=(Reason.FORBIDDEN, *POLICIES, Reason.FEATURE_GATE_OFF),
)
def ephemeral_container(seen: Seen, context: Context) -> Decision:
    """The container of C(kubectl debug) mounts nothing, though the API lets an ephemeral container mount the volume."""
    require_one_user(seen, *_WITH_DEBUG)
    return _split(
        seen,
        _DEBUG_SEGMENT,
        _DEBUG_OBJECT,
        _WITH_DEBUG,
        "find what mounts the volume in ephemeral containers, though the manifest does not: the runtime, or a policy",
    )


_ADD_APPLICATION: t.Final = Step("add", APPLICATION, Action.ADD_EPHEMERAL)
_WITH_APPLICATION: t.Final = identities(RESIZED, APPLICATION)
_APPLICATION_SEGMENT: t.Final = segment(RESIZED, APPLICATION)
_APPLICATION_OBJECT: t.Final = shared_object(RESIZED, APPLICATION)


@check(
    "SHM216",
    "ephemeral_container_volume",
    group=Group.POSIX,
    tags="sysv_shm posix_shm",
    layout=VOLUMES,
    steps=(_ADD_APPLICATION, *_WITH_APPLICATION, *_APPLICATION_SEGMENT.steps, *_APPLICATION_OBJECT.steps),
    question="Does an ephemeral container that mounts the pod's volume on /dev/shm share it?",
    expected="the segment and the POSIX object: each side reads the other's nonce, and the sentence",
    skips=(Reason.FORBIDDEN, *POLICIES, Reason.FEATURE_GATE_OFF),
)
def ephemeral_container_volume(seen: Seen, context: Context) -> Decision:
    """The API forbids only subPath there; abcdesktop.io starts its applications like this."""
    require_one_user(seen, *_WITH_APPLICATION)
    return (
        failed_segment(seen, _APPLICATION_SEGMENT, *_WITH_APPLICATION)
        or failed_object(
            seen,
            _APPLICATION_OBJECT,
            "use a runtime that mounts the volumes that the manifest gives ephemeral containers",
        )
        or passed(f"both nonces and the sentence crossed, twice ({namespaces(seen, *_WITH_APPLICATION)})")
    )


# ------------------------------------------------------------------------------------------ other users

_TWO_USERS: t.Final = identities(FIRST, GUEST)
_PUT_MASKED: t.Final = put_object(FIRST, "put_masked", mode="0666", umask="022")
_GET_MASKED: t.Final = get_object(GUEST, "get_masked", write=True)
_DROP_MASKED: t.Final = drop_object(FIRST, "drop_masked")
_UNMASKED: t.Final = shared_object(FIRST, GUEST, mode="0666", umask="0")


@check(
    "SHM209",
    "posix_users",
    group=Group.POSIX,
    tags="posix_shm users ros2",
    layout=PAIR,
    steps=(*_TWO_USERS, _PUT_MASKED, _GET_MASKED, _DROP_MASKED, *_UNMASKED.steps),
    question="Do containers with different users share a POSIX object once the umask allows it?",
    expected="with umask 022 the peer can read but not write (EACCES); with umask 0 it can do both",
    skips=POLICIES,
)
def posix_users(seen: Seen, context: Context) -> Decision:
    """The umask applies to shm_open: a mode of 0666 alone is not enough."""
    require_two_users(seen, *_TWO_USERS)
    put, get = seen[_PUT_MASKED], seen[_GET_MASKED]
    if not require_fact(put, "made"):
        raise premise_failed(f"the first container cannot create an object ({last_failed(put)})")
    if require_fact(get, "writable"):
        return failed(
            "umask 022 does not keep another user from writing",
            "find what gives the second container more rights than its user has: a policy that adds capabilities, or a "
            "file system that ignores modes",
        )
    refused = errno(seen[_UNMASKED.get], "shm_open") == "EACCES"
    fix = "run the containers with one runAsUser; neither umask 0 nor fsGroup helps here" if refused else ONE_VOLUME
    return failed_object(seen, _UNMASKED, fix) or passed(
        f"umask 022: {last_failed(get)}; umask 0: both nonces and the sentence crossed"
    )


_POLICY: t.Final = Step("policy", GUEST, "protected", lambda i: {"path": SHM})
_GET_CREATE: t.Final = get_object(GUEST, create=True, write=True)


@check(
    "SHM210",
    "protected_regular",
    group=Group.POSIX,
    tags="posix_shm users ros2",
    layout=PAIR,
    steps=(*_TWO_USERS, _POLICY, _PUT_PUBLIC, _GET_CREATE, _DROP),
    question="Can a container open another user's object with O_CREAT, as fs.protected_regular decides?",
    expected="EACCES if fs.protected_regular is 1 or more, else allowed",
    skips=POLICIES,
)
def protected_regular(seen: Seen, context: Context) -> Decision:
    """A container that is refused can still read without O_CREAT: only what opened for writing opened with it."""
    require_two_users(seen, *_TWO_USERS)
    policy, put, get = seen[_POLICY], seen[_PUT_PUBLIC], seen[_GET_CREATE]
    if not require_fact(put, "made"):
        raise premise_failed(f"the first container cannot create an object ({last_failed(put)})")
    level = policy.facts.get("protected_regular")
    opened = bool(require_fact(get, "writable"))
    if opened and (not require_fact(get, "found") or get.facts.get("peer_nonce") != put.nonce):
        raise premise_failed("what was opened is not the first container's object: see SHM202")
    refused = errno(get, "shm_open") == "EACCES"
    if not opened and not refused:
        raise premise_failed(f"the second container cannot open anything with O_CREAT ({last_failed(get)})")
    observed = (
        f"fs.protected_regular is {'unknown' if level is None else level}, "
        f"O_CREAT is {'allowed' if opened else last_failed(get)}"
    )
    if (opened and not level) or (refused and level != 0):
        return passed(observed)
    # without the sticky bit fs.protected_regular has no effect
    if not int(str(policy.facts.get("path_mode", "1777")), 8) & 0o1000:
        return failed(
            f"{observed}, and /dev/shm has no sticky bit",
            "mount an emptyDir of medium Memory on /dev/shm: its mode is 1777, and fs.protected_regular needs the sticky bit",
        )
    if opened:
        return failed(
            observed,
            "do not rely on fs.protected_regular: the kernel that this runtime gives the pod does not apply it",
        )
    return failed(
        observed,
        "open objects of other users without O_CREAT; find what refuses it here beside fs.protected_regular: a security "
        "module, or the runtime",
    )


_OWN_USERS: t.Final = identities(ONE, TWO)
_OWN_USERS_OBJECT: t.Final = shared_object(ONE, TWO)


@check(
    "SHM211",
    "posix_user_namespace",
    group=Group.POSIX,
    tags="posix_shm user_namespace",
    layout=OWN_USERS,
    steps=(*_OWN_USERS, *_OWN_USERS_OBJECT.steps),
    question="In a pod with a user namespace of its own: do two containers share a POSIX object?",
    expected="each side reads the other's nonce, and the sentence, in a user namespace that is not the kernel's first",
    skips=NO_USER_NAMESPACES,
    needs=features.USER_NAMESPACES,
)
def posix_user_namespace(seen: Seen, context: Context) -> Decision:
    """KEP-127, on by default since Kubernetes 1.33."""
    require_one_user(seen, *_OWN_USERS)
    return in_own_user_namespace(context, _crossed(seen, _OWN_USERS_OBJECT), seen, _OWN_USERS[0])


# ------------------------------------------------------------------------------- semaphores and messages

_ALONE: t.Final = identities(FIRST)
_NAMES: t.Final = Step("names", FIRST, "sem_names", lambda i: {"name": i.file})


@check(
    "SHM212",
    "semaphore_names",
    group=Group.POSIX,
    tags="posix_sem locks",
    layout=PAIR,
    steps=(*_ALONE, _NAMES),
    question="Do named semaphores of glibc and musl with one name meet?",
    expected="no: glibc's is the file /dev/shm/sem.NAME, musl's is /dev/shm/NAME",
)
def semaphore_names(seen: Seen, context: Context) -> Decision:
    """Programs of a Debian and of an Alpine image never share a named semaphore."""
    require_stat_allowed(*seen.values())
    names = seen[_NAMES]
    if not require_fact(names, "glibc_made") or not require_fact(names, "musl_made"):
        raise premise_failed(f"the container cannot create the file of a semaphore ({first_failed(names)})")
    met = [
        f"{finder}'s finds {creator}'s"
        for finder, creator in (("musl", "glibc"), ("glibc", "musl"))
        if require_fact(names, f"{finder}_found")
    ]
    return failed(", ".join(met), RUNTIME_BUG) if met else passed("neither finds the other's file of one name")


_OWN_USERS_QUEUE: t.Final = posix_queue(ONE, TWO)


@check(
    "SHM215",
    "posix_mq_user_namespace",
    group=Group.POSIX,
    tags="posix_mq user_namespace",
    layout=OWN_USERS,
    steps=(*_OWN_USERS, *_OWN_USERS_QUEUE.steps),
    question="In a pod with a user namespace of its own: does a POSIX message cross to the other container?",
    expected="the peer receives the sender's nonce, and the sentence, in a user namespace that is not the kernel's first",
    skips=NO_USER_NAMESPACES,
    needs=features.USER_NAMESPACES,
)
def posix_mq_user_namespace(seen: Seen, context: Context) -> Decision:
    """The queue's budget is charged to a user outside of the namespace."""
    require_one_user(seen, *_OWN_USERS)
    return in_own_user_namespace(context, crossed_message(seen, _OWN_USERS_QUEUE, *_OWN_USERS), seen, _OWN_USERS[0])


_HUGE: t.Final = identities(HUGE, HUGE_PEER)
_SHARED_PAGE: t.Final = SharedObject(
    put_object(HUGE, size=lambda sizes: sizes.huge_page), get_object(HUGE_PEER, write=True), drop_object(HUGE)
)


@check(
    "SHM221",
    "huge_page_volume",
    group=Group.POSIX,
    tags="posix_shm size postgresql oracle",
    layout=HUGE_PAGES,
    steps=(*_HUGE, *_SHARED_PAGE.steps),
    question="Do two containers share memory of huge pages by an emptyDir of medium HugePages?",
    expected="the volume is a hugetlbfs in both, and the second container reads and answers what the first writes into a page of it",
    skips=(*POLICIES, Reason.NODE_HAS_NONE, Reason.NODE_UNKNOWN),
)
def huge_page_volume(seen: Seen, context: Context) -> Decision:
    """The container that allocates a page is charged; who maps the same one is not."""
    require_stat_allowed(*seen.values())
    require_one_user(seen, *_HUGE)
    fix = "use a kubelet and a runtime that mount an emptyDir of medium HugePages as hugetlbfs in every container"
    for who in _HUGE:
        found = require_fact(seen[who], "mount_fs")
        if found != "hugetlbfs":
            return failed(f"the volume is {found} in the container {who.container.name}", fix)
    pages = require_fact(seen[_HUGE[0]], "block_bytes")
    if pages != context.node.huge_page_bytes:
        return failed(f"the volume has pages of {pages} bytes, not of {context.node.huge_page_bytes}", fix)
    put = seen[_SHARED_PAGE.put]
    require_created_here(put, "made", "object")
    if not put.facts["made"]:
        why = last_failed(put)
        return failed(
            f"the container cannot allocate a page of {pages} bytes that it has a limit for ({why})",
            _HUGE_GROUP if why.endswith(("EACCES", "EPERM")) else _HUGE_FREE,
        )
    wrong = failed_object(seen, _SHARED_PAGE, fix)
    return wrong or passed(f"nonce and sentence crossed in a page of {pages} bytes (hugetlbfs)")


_HUGE_FREE: t.Final = (
    "find what uses up or limits the huge pages that the node offers: /proc/meminfo, and the hugetlb cgroups"
)
_HUGE_GROUP: t.Final = "set fsGroup in the pod: the kubelet mounts hugetlbfs so that only root and that group can write"


CHECKS: t.Final = (
    posix_shm_sem,
    devshm_identity,
    posix_mq,
    posix_one_sided_volume,
    posix_handoff,
    posix_sidecar,
    posix_restart,
    ephemeral_container,
    posix_users,
    protected_regular,
    posix_user_namespace,
    semaphore_names,
    posix_mq_user_namespace,
    ephemeral_container_volume,
    huge_page_volume,
)
