# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What several rules have in common: decisions, guards that raise (C(require_...)) and failures (C(failed_...)) (pure).

A guard raises :class:`Inconclusive` where the evidence decides nothing. A function that looks for a failure returns the
FAIL that it found, or nothing.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import features
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.steps import Queue, Segment, SharedObject
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    MEMORY_FILE_SYSTEMS,
    SENTENCE,
    Container,
    Context,
    Decision,
    Seen,
    Step,
    Verdict,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import page_rounded
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import POLICIES, Inconclusive, Reason

# -------------------------------------------------------------------------------------------------- fixes

ONE_NAMESPACE: t.Final = (
    "use a RuntimeClass that keeps one IPC namespace per pod; hostIPC is not needed for containers of one pod"
)
ONE_VOLUME: t.Final = "mount one emptyDir of medium Memory on /dev/shm in every container of the pod, init containers and sidecars included"
SIZED_VOLUME: t.Final = "use a kubelet of 1.22 or newer and a runtime that honours the size of volumes of medium Memory"
HONOURED_SIZE: t.Final = "use a runtime that honours the size that it shows of /dev/shm"
MEDIUM_MEMORY: t.Final = (
    "set medium: Memory on the emptyDir, and find what mounts another file system there: a policy, or the runtime"
)
SECCOMP: t.Final = "allow the system call that failed in the seccomp profile of the runtime or of the pod"
ENOUGH_ROOM: t.Final = "free or enlarge /dev/shm of the container, and allow writes to it"
RUNTIME_BUG: t.Final = "report it to the maker of the runtime with the evidence: the kernel does not behave like this"
SET_FILL: t.Final = "set the option fill to measure with real writes whether the limit holds"
RAISE_MAX_WRITE: t.Final = (
    "raise the option max_write above the size to measure with real writes whether the limit holds"
)

# ---------------------------------------------------------------------------------------------- decisions


def passed(observed: str) -> Decision:
    """A PASS."""
    return Decision(Verdict.PASS, observed)


def failed(observed: str, fix: str) -> Decision:
    """A FAIL, and the fix for it."""
    return Decision(Verdict.FAIL, observed, fix)


def warned(observed: str, fix: str) -> Decision:
    """A WARN, and what to do about it."""
    return Decision(Verdict.WARN, observed, fix)


def premise_failed(detail: str) -> Inconclusive:
    """What a check builds on does not hold here."""
    return Inconclusive(Reason.PREMISE_FAILED, detail)


# --------------------------------------------------------------------------------------------- observations


def errno(observation: Observation, call: str) -> str:
    """The errno name of the last such call that failed, or nothing."""
    for record in reversed(observation.calls):
        if record.get("call") == call and "errno" in record:
            return str(record["errno"])
    return ""


def last_failed(observation: Observation) -> str:
    """The last system call that failed, in words: C(shmget: ENOENT)."""
    for record in reversed(observation.calls):
        if "errno" in record:
            return f"{record['call']}: {record['errno']}"
    return "no system call failed"


def first_failed(observation: Observation) -> str:
    """The first system call that failed, where the later ones only follow from it."""
    return last_failed(dataclasses.replace(observation, calls=observation.calls[::-1]))


def ending(stopped: object) -> str:
    """How a child of the probe ended, in words: signals by name."""
    number = str(stopped).removeprefix("signal:")
    known = {"7": "SIGBUS", "9": "SIGKILL", "11": "SIGSEGV", "31": "SIGSYS"}
    return str(stopped) if number == stopped else known.get(number, f"signal {number}")


def namespaces(seen: Seen, *who: Step) -> str:
    """The IPC namespaces of two containers in words, by their identities; of more, those of the first two."""
    one, other = (seen[step].facts.get("ns_ipc") for step in who[:2])
    if one is None or other is None:
        return "IPC namespaces not reported"
    return "one IPC namespace" if one == other else f"IPC namespaces {one} and {other}"


def shown(identity: Observation) -> str:
    """The size and the file system of /dev/shm in words."""
    return f"{identity.facts.get('size_bytes')} bytes ({identity.facts.get('mount_fs', 'no mount')})"


# --------------------------------------------------------------------------------------------------- guards


def require_fact(observation: Observation, name: str) -> t.Any:
    """Return a fact that the step always reports.

    :raises Inconclusive: ProbeError, it is missing.
    """
    if name not in observation.facts:
        why = observation.error or last_failed(observation)
        raise Inconclusive(Reason.PROBE_ERROR, f"the step {observation.step} did not report {name} ({why})")
    return observation.facts[name]


def require_created_here(create: Observation, fact: str, what: str) -> None:
    """Raise Inconclusive if the object existed before (EEXIST): a leftover proves nothing about sharing."""
    if not require_fact(create, fact) and any(record.get("errno") == "EEXIST" for record in create.calls):
        raise premise_failed(f"a foreign {what} has the run's own name: the IPC namespace is not the pod's")
    require_reservable(create)


def require_stat_allowed(*observations: Observation) -> None:
    """Raise Inconclusive if stat is denied to the probe: what it cannot see is not therefore absent."""
    for observation in observations:
        denied = errno(observation, "statx")
        if denied not in ("", "ENOENT"):
            raise premise_failed(f"stat is denied to the probe here (statx: {denied})")


#: What a kernel or a seccomp profile answers to a system call that it allows to nobody.
_DENIED: t.Final = frozenset({"EPERM", "ENOSYS"})


def require_ftok_allowed(observation: Observation) -> None:
    """Raise Inconclusive if ftok failed since stat is denied."""
    denied = errno(observation, "ftok")
    if denied in _DENIED:
        raise premise_failed(f"stat is denied to the probe here (ftok: {denied})")


def require_in_time(observation: Observation) -> None:
    """Raise Inconclusive (Timeout) if the step hit its deadline."""
    if "timeout" in observation.facts or observation.facts.get("stopped_by") == "deadline":
        raise Inconclusive(
            Reason.TIMEOUT,
            f"the step {observation.step} did not finish within step_timeout: check whether its CPU is throttled",
        )


def require_reservable(creator: Observation) -> None:
    """Raise Inconclusive if fallocate is forbidden. ENOSPC and EOPNOTSUPP are real answers and pass through."""
    denied = errno(creator, "fallocate")
    if denied and denied not in ("ENOSPC", "EOPNOTSUPP"):
        raise premise_failed(f"the probe cannot reserve memory here (fallocate: {denied}): see SHM308")


def require_writable(fill: Observation) -> None:
    """Raise Inconclusive if the file was not opened for writing."""
    for call in ("statfs", "open"):
        if errno(fill, call):
            raise premise_failed(f"nothing can be written ({call}: {errno(fill, call)}): see SHM301")


def require_own_object(creator: Observation, finder: Observation, what: str) -> None:
    """Raise Inconclusive if what was found where nothing should be is not this run's: only its nonce shows that."""
    if finder.facts.get("peer_nonce") != creator.nonce:
        raise premise_failed(f"a foreign {what} has the run's own name, and is not the one that was created")


def require_same_user(users: t.Iterable[object]) -> None:
    """Raise Inconclusive if these are several users: then their permissions decide, not the mechanism."""
    names = sorted({str(user) for user in users})
    if len(names) > 1:
        raise premise_failed(f"the containers run as users {' and '.join(names)}, though one was requested")


def require_one_user(seen: Seen, *who: Step) -> None:
    """The same for containers that took their identity."""
    require_same_user(seen[step].facts["uid"] for step in who if "uid" in seen[step].facts)


def require_one_requested_user(context: Context, *containers: Container) -> None:
    """The same for containers that took none: as the API server stored them."""
    names = {container.name for container in containers}
    spec = context.pod_of(containers[0]).spec
    require_same_user(
        (one.get("securityContext") or {}).get("runAsUser") for one in spec["containers"] if one["name"] in names
    )


def require_two_users(seen: Seen, one: Step, other: Step) -> None:
    """Raise Inconclusive if a runtime or a policy gave both containers one user: then the check tried nothing."""
    users = [require_fact(seen[who], "uid") for who in (one, other)]
    if users[0] == users[1]:
        raise premise_failed(f"both containers run as user {users[0]}: nothing was tried")


def require_size(identity: Observation) -> int:
    """Return the size of /dev/shm in bytes.

    :raises Inconclusive: it was not measured.
    """
    size = identity.facts.get("size_bytes")
    if size == 0 and identity.facts.get("fs_type") == "0x00000000":
        raise premise_failed(
            "the kernel reports nothing of the file system, though statfs works: its answers are wrong"
        )
    if not isinstance(size, int):
        raise Inconclusive(Reason.PROBE_ERROR, f"the size of /dev/shm could not be measured ({last_failed(identity)})")
    return size


def require_within(size: int, size_limit: int) -> None:
    """Raise Inconclusive if the volume is larger than its sizeLimit: then the step did not exceed it."""
    # a tmpfs of size 0 has no end
    if not 0 < size <= size_limit:
        raise premise_failed(f"the volume has {size} bytes, though its sizeLimit is {size_limit}: see SHM303")


def require_fill(context: Context) -> None:
    """Raise Inconclusive (NotRequested) if the option fill is off."""
    if not context.settings.fill:
        raise Inconclusive(Reason.NOT_REQUESTED, "the option fill is off")


# ------------------------------------------------------------------------------------------------- failures


def failed_crossing(sender: Observation, receiver: Observation, where: str, fix: str) -> Decision | None:
    """The FAIL of a receiver that did not read the sender's nonce and the sentence, or nothing."""
    if errno(receiver, "shmctl"):
        raise premise_failed(
            f"the segment is found, but its state is denied to the probe (shmctl: {errno(receiver, 'shmctl')})"
        )
    if receiver.facts.get("segment_bytes") == 0:
        raise premise_failed("the kernel reports a segment of 0 bytes: its answers are wrong")
    if "peer_nonce" not in receiver.facts:
        return failed(f"the second container reads nothing {where} ({last_failed(receiver)})", fix)
    if receiver.facts["peer_nonce"] != sender.nonce:
        return failed(f"the second container reads something else {where}", fix)
    if receiver.facts.get("text") != SENTENCE:
        return failed(f"the second container reads the nonce but not the sentence {where}", fix)
    return None


def failed_segment(seen: Seen, segment: Segment, *who: Step) -> Decision | None:
    """The FAIL of creator and reader that did not meet in a System V segment, or nothing.

    :param who: the identities of both, for the words.
    """
    create, read, finish = (seen[step] for step in segment.steps)
    spaces = namespaces(seen, *who)
    require_created_here(create, "attached", "segment")
    if not create.facts["attached"]:
        return failed(f"the first container cannot create a segment ({last_failed(create)})", SYSV_LIMITS)
    if not require_fact(read, "found"):
        return failed(f"the second container does not find the segment ({last_failed(read)}; {spaces})", ONE_NAMESPACE)
    crossing = failed_crossing(create, read, f"under the same key ({spaces})", ONE_NAMESPACE)
    if crossing:
        return crossing
    if require_fact(finish, "reply_nonce") != read.nonce:
        return failed(f"the first container does not read the second's reply ({spaces})", ONE_NAMESPACE)
    if not require_fact(finish, "gone"):
        return failed("the segment stays after IPC_RMID and the last detach", RUNTIME_BUG)
    return None


SYSV_LIMITS: t.Final = (
    "allow shmget and shmat in the seccomp profile, and raise kernel.shmmni and kernel.shmall if they are used up"
)


def failed_kept_segment(seen: Seen, create: Step, read: Step, creator: str, fix: str) -> Decision | None:
    """The FAIL of a segment that did not outlive its creator, or nothing.

    :param creator: who created it, in words.
    """
    created, found = seen[create], seen[read]
    require_created_here(created, "attached", "segment")
    if not created.facts["attached"]:
        return failed(f"{creator} cannot create a segment ({last_failed(created)})", SYSV_LIMITS)
    if not require_fact(found, "found"):
        return failed(f"the segment of {creator} is gone ({last_failed(found)})", fix)
    return failed_crossing(created, found, "under the same key", fix)


def failed_kept_object(seen: Seen, put: Step, get: Step, creator: str, fix: str) -> Decision | None:
    """The FAIL of a POSIX object that did not outlive its creator, or nothing."""
    created, found = seen[put], seen[get]
    require_stat_allowed(*seen.values())
    require_created_here(created, "made", "object")
    if not created.facts["made"]:
        return failed(f"{creator} cannot create an object ({last_failed(created)})", ENOUGH_ROOM)
    if not require_fact(found, "found"):
        return failed(f"the object of {creator} is gone ({last_failed(found)})", fix)
    return failed_crossing(created, found, "under the same name", fix)


def failed_object(seen: Seen, shared: SharedObject, fix: str = ONE_VOLUME) -> Decision | None:
    """The FAIL of creator and opener that did not meet in a POSIX object, or nothing."""
    put, get, drop = (seen[step] for step in shared.steps)
    require_stat_allowed(*seen.values())
    require_created_here(put, "made", "object")
    if not put.facts["made"]:
        return failed(f"the first container cannot create an object ({last_failed(put)})", ENOUGH_ROOM)
    if not require_fact(get, "found"):
        return failed(f"the second container does not find the object ({last_failed(get)})", fix)
    crossing = failed_crossing(put, get, "under the same name", fix)
    if crossing:
        return crossing
    if require_fact(drop, "reply_nonce") != get.nonce:
        return failed(f"the first container does not read the second's reply ({last_failed(get)})", fix)
    return None if require_fact(drop, "gone") else failed("the object stays after shm_unlink", RUNTIME_BUG)


def failed_absence(seen: Seen, shared: SharedObject, fix: str) -> Decision | None:
    """The FAIL of an object that the second container finds though it must not, or nothing."""
    put, get = seen[shared.put], seen[shared.get]
    require_stat_allowed(*seen.values())
    require_created_here(put, "made", "object")
    if not put.facts["made"]:
        raise premise_failed(f"the first container cannot create an object ({last_failed(put)})")
    if require_fact(get, "found"):
        require_own_object(put, get, "object")
        return failed("the second container finds the object", fix)
    if errno(get, "shm_open") != "ENOENT":
        raise premise_failed(f"the second container cannot look for the object ({last_failed(get)})")
    return None


def failed_medium(who: Observation, fix: str = MEDIUM_MEMORY) -> Decision | None:
    """The FAIL of a /dev/shm that is no memory with a size, or nothing."""
    file_system = require_fact(who, "mount_fs")
    if file_system in MEMORY_FILE_SYSTEMS:
        return None
    return failed(f"/dev/shm is {file_system}, not a tmpfs", fix)


def failed_size(who: Observation, wanted: int, source: str, fix: str = SIZED_VOLUME) -> Decision | None:
    """The FAIL of another size than expected, or nothing.

    :param source: what the expected size comes from, in words.
    """
    rounded = page_rounded(wanted, who.facts.get("page_bytes"))
    return None if require_size(who) == rounded else failed(f"{shown(who)}, not {rounded} ({source})", fix)


def killed(fill: Observation) -> str:
    """How the writer was killed, or nothing. On cgroup v2 the whole container is, and nobody reports after how much."""
    require_in_time(fill)
    stopped = str(require_fact(fill, "stopped_by"))
    if stopped == "OOMKilled":
        return "the container was killed (OOMKilled)"
    if stopped.startswith("signal:"):
        return f"the writer was killed by {ending(stopped)} after {require_fact(fill, 'written_bytes')} bytes"
    return ""


#: errno of a write that ends before the file system is full -> what to do about it.
_OTHER_ENDS: t.Final[dict[str, str]] = {
    "EFBIG": "raise RLIMIT_FSIZE of the container, which ends files before /dev/shm is full",
    "EDQUOT": "raise the quota that ends writes before /dev/shm is full",
    "EPERM": SECCOMP,
    "ENOSYS": SECCOMP,
}


def fix_of_other_end(stopped: object) -> str:
    """What to do about writes that are refused by another errno than ENOSPC."""
    return _OTHER_ENDS.get(str(stopped), "find what refuses the writes: the file system, or a policy of the runtime")


LEAVE_ROOM: t.Final = "keep the size of /dev/shm plus the program's own memory within the container's memory limit"


def failed_writing(fill: Observation, context: Context, container: Container, size: str) -> Decision | None:
    """The FAIL of a fill that did not begin, ended in a kill or was not read back; or nothing.

    :param size: what the container showed of /dev/shm, in words.
    """
    if errno(fill, "open"):
        return failed(f"{size}, but nothing can be written ({last_failed(fill)})", ENOUGH_ROOM)
    after = context.pod_after(container)
    # Pending: an injected container does not start
    if after.phase not in ("Running", "Pending") and not killed(fill):
        return failed(f"{size}, but the pod is {after.phase} {after.reason}".rstrip(), LEAVE_ROOM)
    if killed(fill):
        return failed(f"{size}, but {killed(fill)}", LEAVE_ROOM)
    if require_fact(fill, "written_bytes") and not require_fact(fill, "verified"):
        return failed(f"{size}, but what was written is not what is read back", RUNTIME_BUG)
    return None


def enforced(seen: Seen, step: Step, context: Context, size: int, size_text: str, fix: str = HONOURED_SIZE) -> Decision:
    """Decide on a size that statvfs shows as expected: do real writes end there?

    :param step: the fill.
    :param fix: for a limit that does not hold.
    """
    if not context.settings.fill:
        return warned(f"{size_text}, measured by statvfs only: fill is off", SET_FILL)
    fill = seen[step]
    problem = failed_writing(fill, context, step.container, size_text)
    if problem:
        return problem
    written, stopped, free = (require_fact(fill, name) for name in ("written_bytes", "stopped_by", "available_bytes"))
    if stopped == "max" and context.settings.max_write_bytes <= size:
        return warned(f"{size_text}, {written} bytes written; max_write ended the writing", RAISE_MAX_WRITE)
    if stopped == "max":
        return failed(f"{size_text}, but it does not end there: all of {written} bytes could be written", fix)
    if stopped != "ENOSPC":
        observed = f"{size_text}, but writing stopped after {written} bytes by {stopped}, not by ENOSPC"
        return failed(observed, fix_of_other_end(stopped))
    if written != free:
        return failed(f"{size_text}, {free} free, but ENOSPC after {written} bytes", fix)
    if free != size:
        observed = f"{size_text}, but only {free} of them are free: ENOSPC after {written} bytes"
        # a file system's own pages (gVisor takes three) are a remark; foreign files are not its size
        if free > size * 99 // 100:
            return warned(observed, "nothing to do: the file system keeps a few pages for itself")
        return failed(observed, "find what else writes into this /dev/shm, and give it another place")
    return passed(f"{size_text}, ENOSPC after {written} bytes")


MQ_LIMITS: t.Final = "allow the system call that failed in the seccomp profile, and raise kernel.msgmni or fs.mqueue.queues_max if it is used up"


def crossed_message(seen: Seen, queue: Queue, *who: Step) -> Decision:
    """Decide whether a message crossed from one container to the other."""
    create, send, receive, remove = (seen[step] for step in queue.steps)
    spaces = namespaces(seen, *who)
    if not require_fact(create, "made") and last_failed(create).endswith("EMFILE"):
        raise premise_failed("RLIMIT_MSGQUEUE of the pod's user is used up on this node (EMFILE)")
    require_created_here(create, "made", "queue")
    if not create.facts["made"]:
        return failed(f"the first container cannot create a queue ({last_failed(create)})", MQ_LIMITS)
    if not require_fact(send, "sent"):
        return failed(f"the first container cannot send into its own queue ({last_failed(send)})", MQ_LIMITS)
    if not require_fact(receive, "found"):
        return failed(f"the second container does not find the queue ({last_failed(receive)}; {spaces})", ONE_NAMESPACE)
    crossing = failed_crossing(send, receive, f"from the queue ({last_failed(receive)}; {spaces})", MQ_LIMITS)
    if crossing:
        return crossing
    if not require_fact(remove, "gone"):
        return failed("the queue stays after its removal", RUNTIME_BUG)
    return passed(f"nonce and sentence crossed, the queue is gone ({spaces})")


#: A node without user namespaces is no fault of the cluster, and a policy is free to refuse them.
NO_USER_NAMESPACES: t.Final = (Reason.UNSUPPORTED, *POLICIES)

#: The number of the kernel's first user namespace (PROC_USER_INIT_INO).
_FIRST_USER_NAMESPACE: t.Final = 4026531837


def in_own_user_namespace(context: Context, decision: Decision, seen: Seen, who: Step) -> Decision:
    """A decision about a pod with hostUsers false: it needs a user namespace other than the kernel's first.

    :raises Inconclusive: FeatureGateOff, the kubelet is too old to give one.
    """
    number = require_fact(seen[who], "ns_user")
    observed = f"{decision.observed}; user namespace {number}"
    kubelet = context.node.kubelet
    if number == _FIRST_USER_NAMESPACE and not features.USER_NAMESPACES.is_usual_in(kubelet):
        words = f"the kubelet {kubelet} leaves the pod in the kernel's first user namespace"
        raise Inconclusive(Reason.FEATURE_GATE_OFF, words, f"node {context.node.name}")
    if decision.verdict is Verdict.PASS and number == _FIRST_USER_NAMESPACE:
        return warned(
            f"{observed}, the kernel's first: hostUsers false has no effect",
            "use Kubernetes 1.33 or newer with a runtime and a kernel (6.3) that support user namespaces",
        )
    return dataclasses.replace(decision, observed=observed)
