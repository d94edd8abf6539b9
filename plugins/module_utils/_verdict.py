# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Observations -> verdicts (pure). One rule per check, found by its id.

A rule may only say PASS on positive evidence of this run, and FAIL on evidence of the opposite. Whatever it cannot
tell, it raises as :class:`Undecided`, which becomes ERROR.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import (
    _catalog,
    _plan,
    _profiles,
    _protocol,
    _stored,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import REMEDIES, Undecided

PASS: t.Final = "PASS"
FAIL: t.Final = "FAIL"
WARN: t.Final = "WARN"
SKIP: t.Final = "SKIP"
ERROR: t.Final = "ERROR"

#: Worst first: what a summary of several verdicts is called.
ORDER: t.Final = (FAIL, ERROR, WARN, PASS, SKIP)

#: A reader that waited this long (nanoseconds) beside a writer that had posted was not served by the same semaphore.
_POSTED_BEFORE_NS: t.Final = 500_000_000


@dataclasses.dataclass(frozen=True)
class Decision:
    """A verdict other than ERROR, and what was observed, in one line."""

    verdict: str
    observed: str
    #: for SKIP, the code of the reason
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Context:
    """What a rule may know beside the observations: the plan, the node, and how the pods were afterwards."""

    settings: _plan.Settings
    node: _plan.Node
    scenario: _plan.ScenarioPlan
    #: by pod: phase, reason and terminated containers after the last step
    after: t.Mapping[str, t.Mapping[str, t.Any]]
    #: what the catalog's placeholders stand for
    variables: t.Mapping[str, str]
    #: by pod: the pod as the API server stored it, which may not be as it was asked for
    stored: t.Mapping[str, _stored.Pod]

    def pod_after(self, container: str) -> t.Mapping[str, t.Any]:
        """How the pod of a container was after the last step."""
        part = self.scenario.pod_of(container).part
        if part not in self.after:
            raise Undecided("PodGone", f"how the pod {part} was after the last step is not known")
        return self.after[part]

    def memory_limit(self, container: str) -> int | None:
        """The memory limit of a container's pod in bytes, or None where the stored pod has none."""
        return _stored.memory_limit(self.stored[self.scenario.pod_of(container).part])

    def container_limit(self, container: str) -> int | None:
        """What a container's own processes may have, in bytes: its limit, or its pod's where that is less."""
        limits = (
            _stored.container_limit(self.stored[self.scenario.pod_of(container).part], container),
            self.memory_limit(container),
        )
        return min((limit for limit in limits if limit is not None), default=None)

    def memory(self, container: str) -> tuple[int, str]:
        """What bounds a volume of medium Memory without a sizeLimit, in bytes, and its name (KEP-1967)."""
        limit = self.memory_limit(container)
        allocatable = self.node.allocatable_memory_bytes
        if limit is None or allocatable <= limit:
            return allocatable, "node allocatable"
        return limit, "pod memory limit"


Observations = t.Mapping[str, Observation]
Rule = t.Callable[[Observations, Context], Decision]


def _errno(observation: Observation, call: str) -> str:
    """The errno name of the last such call that failed, or nothing."""
    for record in reversed(observation.calls):
        if record.get("call") == call and "errno" in record:
            return str(record["errno"])
    return ""


def _told(observation: Observation, name: str) -> t.Any:
    """A fact that the step always tells. Its absence is no evidence of anything.

    :raises Undecided: the probe did not tell it.
    """
    if name not in observation.facts:
        why = observation.error or _failed(observation)
        raise Undecided("ProbeError", f"the step {observation.step} did not tell {name} ({why})")
    return observation.facts[name]


def _failed(observation: Observation) -> str:
    """The last system call that failed, for a person: C(shmget: ENOENT)."""
    for record in reversed(observation.calls):
        if "errno" in record:
            return f"{record['call']}: {record['errno']}"
    return "no system call failed"


def _first_failed(observation: Observation) -> str:
    """The first system call that failed, where the later ones only follow from it."""
    return _failed(dataclasses.replace(observation, calls=observation.calls[::-1]))


def _namespaces(seen: Observations) -> str:
    who = [observation for label, observation in seen.items() if label.startswith("who_")]
    if len(who) < 2:
        return "no identity was taken"
    one, other = (observation.facts.get("ns_ipc") for observation in who[:2])
    if one is None or other is None:
        return "IPC namespaces that are not told"
    return "one IPC namespace" if one == other else f"IPC namespaces {one} and {other}"


def _meeting(seen: Observations) -> Decision | None:
    """Nothing when creator and reader met in a System V segment, else the FAIL that says how they did not."""
    create, read, finish = seen["create"], seen["read"], seen["finish"]
    who = _namespaces(seen)
    _made(create, "attached", "segment")
    if not create.facts["attached"]:
        return Decision(FAIL, f"the first container cannot make a segment ({_failed(create)})")
    if not _told(read, "found"):
        return Decision(FAIL, f"the second container does not find the segment ({_failed(read)}; {who})")
    crossed = _crossed(create, read, f"under the same key ({who})")
    if crossed:
        return crossed
    if _told(finish, "reply_nonce") != read.nonce:
        return Decision(FAIL, f"the first container does not read the second's reply ({who})")
    if not _told(finish, "gone"):
        return Decision(FAIL, "the segment stays after IPC_RMID and the last detach")
    return None


def _made(create: Observation, fact: str, what: str) -> None:
    """Whether an object is of this run: one that was there already says nothing about sharing."""
    if not _told(create, fact) and any(record.get("errno") == "EEXIST" for record in create.calls):
        raise Undecided("PremiseFailed", f"a foreign {what} has the run's own name: the IPC namespace is not the pod's")
    _reserved(create)


#: What a kernel or a seccomp profile says of a system call that nobody may make.
_REFUSED: t.Final = frozenset({"EPERM", "ENOSYS"})


def _looked(seen: Observations) -> None:
    """Whether the probe could look at all: what it may not see is not therefore absent."""
    for observation in seen.values():
        errno = _errno(observation, "statx")
        if errno not in ("", "ENOENT"):
            raise Undecided("PremiseFailed", f"the probe cannot look at files here (statx: {errno})")


def _in_time(observation: Observation) -> None:
    """Whether a step that waits for nobody was done: what its deadline cut short says nothing."""
    if "timeout" in observation.facts or observation.facts.get("stopped_by") == "deadline":
        told = f"the step {observation.step} was not done within step_timeout: is its CPU throttled?"
        raise Undecided("Timeout", told)


def _reserved(maker: Observation) -> None:
    """The probe reserves its objects. Where it may not, that says nothing about sharing; no room is another thing."""
    _looked({"maker": maker})
    errno = _errno(maker, "fallocate")
    # where reserving is not supported it does without
    if errno and errno not in ("ENOSPC", "EOPNOTSUPP"):
        raise Undecided("PremiseFailed", f"the probe cannot reserve memory here (fallocate: {errno}): see SHM308")


def _ours(maker: Observation, finder: Observation, what: str) -> None:
    """Whether what was found where nothing should be is what this run made: only its nonce tells."""
    if finder.facts.get("peer_nonce") != maker.nonce:
        raise Undecided("PremiseFailed", f"a foreign {what} has the run's own name, and is not the one that was made")


def _crossed(sender: Observation, receiver: Observation, where: str) -> Decision | None:
    """Nothing when the receiver read the sender's nonce and the sentence, else the FAIL."""
    if _errno(receiver, "shmctl"):
        raise Undecided(
            "PremiseFailed", f"the segment is found, but may not be looked at (shmctl: {_errno(receiver, 'shmctl')})"
        )
    if receiver.facts.get("segment_bytes") == 0:
        raise Undecided("PremiseFailed", "the kernel says that the segment has no bytes: it does not tell the truth")
    if "peer_nonce" not in receiver.facts:
        return Decision(FAIL, f"the second container reads nothing {where} ({_failed(receiver)})")
    if receiver.facts["peer_nonce"] != sender.nonce:
        return Decision(FAIL, f"the second container reads something else {where}")
    if receiver.facts.get("text") != _catalog.SENTENCE:
        return Decision(FAIL, f"the second container reads the nonce but not the sentence {where}")
    return None


def _may_look(observation: Observation) -> None:
    errno = _errno(observation, "ftok")
    if errno in _REFUSED:
        raise Undecided("PremiseFailed", f"the probe cannot look at files here (ftok: {errno})")


def _sysv_shm_shared_path(seen: Observations, context: Context) -> Decision:
    create, read = seen["create"].facts, seen["read"].facts
    if "ftok_key" not in create:
        raise Undecided("ProbeError", f"the ftok file could not be made ({_failed(seen['create'])})")
    if "ftok_key" not in read:
        _may_look(seen["read"])
        return Decision(FAIL, f"the second container does not see the ftok file ({_failed(seen['read'])})")
    if create["ftok_key"] != read["ftok_key"]:
        return Decision(FAIL, f"ftok gives {create['ftok_key']} and {read['ftok_key']} for one shared file")
    return _meeting(seen) or Decision(
        PASS, f"both nonces and the sentence crossed under key {create['ftok_key']}; the segment is gone"
    )


def _sysv_shm_private_path(seen: Observations, context: Context) -> Decision:
    if "ftok_key" not in seen["made"].facts:
        raise Undecided("ProbeError", f"the private file could not be made ({_failed(seen['made'])})")
    absent = seen["absent"]
    if "ftok_key" in absent.facts:
        return Decision(FAIL, "the second container sees a file of the first one's private volume")
    _may_look(absent)
    if _errno(absent, "ftok") != "ENOENT":
        return Decision(FAIL, f"the second container's ftok fails otherwise than with ENOENT ({_failed(absent)})")
    own = [seen[label].facts for label in ("own_first", "own_second")]
    if not all("ftok_key" in facts for facts in own):
        raise Undecided("ProbeError", "the files at the same path could not be made")
    if all(own[0][part] == own[1][part] for part in ("ftok_dev", "ftok_ino")):
        return Decision(FAIL, "two volumes give the same device and inode at the same path")
    missed = _meeting(seen)
    if missed:
        return missed
    keys = f"{own[0]['ftok_key']} and {own[1]['ftok_key']}"
    parts = "device" if own[0]["ftok_dev"] != own[1]["ftok_dev"] else "inode"
    if own[0]["ftok_key"] == own[1]["ftok_key"]:
        # ftok keeps 8 bits of the device and 16 of the inode
        return Decision(WARN, f"ENOENT as expected, but two different files give one key by accident: {keys}")
    return Decision(
        PASS,
        f"ENOENT; own files give {keys} since the {parts} differs; the IPC namespace is shared: a fixed key meets",
    )


def _posix_shm_sem(seen: Observations, context: Context) -> Decision:
    write, read = seen["write"].facts, seen["read"].facts
    if "text" not in write and _errno(seen["write"], "shm_open") == "EEXIST":
        raise Undecided("PremiseFailed", "a foreign object has the run's own name: /dev/shm is not the pod's alone")
    _reserved(seen["write"])
    _looked(seen)
    _one_user_asked(context, "writer", "reader")
    # each side gets as far as waiting for the other, or it cannot use the mechanism at all
    for name, observation in (("writer", seen["write"]), ("reader", seen["read"])):
        if "wait_began_ns" not in observation.facts:
            return Decision(FAIL, f"the {name} cannot use POSIX shared memory ({_failed(observation)})")
    same = (write.get("path_dev"), write.get("path_ino")) == (read.get("path_dev"), read.get("path_ino"))
    where = "one /dev/shm" if same else f"/dev/shm on devices {write.get('path_dev')} and {read.get('path_dev')}"
    if read.get("timed_out"):
        if not _waited_beside(write, read):
            raise Undecided("Timeout", "writer and reader did not wait at one time: their containers started far apart")
        return Decision(FAIL, f"the reader waited for a semaphore that the writer had posted ({where})")
    if read.get("peer_nonce") != seen["write"].nonce:
        return Decision(FAIL, f"the reader does not read the writer's nonce ({_failed(seen['read'])}; {where})")
    if read.get("text") != _catalog.SENTENCE:
        return Decision(FAIL, f"the reader reads the nonce but not the sentence ({where})")
    if write.get("timed_out") or write.get("reply_nonce") != seen["read"].nonce:
        return Decision(FAIL, f"the writer does not read the reader's reply ({where})")
    after = context.pod_after("writer")
    # a container that somebody injected may end as it likes
    codes = [state["exit_code"] for name, state in after["terminated"].items() if name in ("writer", "reader")]
    if len(codes) < len(seen) or any(codes):
        raise Undecided("PodFailed", f"both outputs are complete, but the pod is {after['phase']} ({codes})")
    if write.get("left"):
        return Decision(FAIL, f"{write['left']} objects of the run stay in /dev/shm")
    return Decision(PASS, f"both ended well, both nonces and the sentence crossed, nothing stays ({where})")


def _waited_beside(writer: t.Mapping[str, t.Any], reader: t.Mapping[str, t.Any]) -> bool:
    """Whether the reader waited for some time while the writer had posted and was still there (one clock: CLOCK_BOOTTIME)."""
    began, ended = (
        [time for end in (writer, reader) if isinstance(time := end.get(name), int)]
        for name in ("wait_began_ns", "wait_ended_ns")
    )
    return len(began) == len(ended) == 2 and min(ended) - max(began) >= _POSTED_BEFORE_NS


def _survived(fill: Observation, after: t.Mapping[str, t.Any]) -> str:
    """What became of pod and writer, if not all went well."""
    # Pending: a container that somebody injected does not start
    if after["phase"] not in ("Running", "Pending") and not _killed(fill):
        return f"the pod is {after['phase']} {after['reason']}".rstrip()
    return _killed(fill)


def _killed(fill: Observation) -> str:
    """How the writer was killed, or nothing. On cgroup v2 the whole container is, and nobody can say after how much."""
    _in_time(fill)
    stopped = str(_told(fill, "stopped_by"))
    if stopped == "OOMKilled":
        return "the container was killed (OOMKilled)"
    if stopped.startswith("signal:"):
        return f"the writer was killed by {_ending(stopped)} after {_told(fill, 'written_bytes')} bytes"
    return ""


def _ending(stopped: object) -> str:
    """How a child of the probe ended, for people: signals by name."""
    number = str(stopped).removeprefix("signal:")
    known = {"7": "SIGBUS", "9": "SIGKILL", "11": "SIGSEGV", "31": "SIGSYS"}
    return str(stopped) if number == stopped else known.get(number, f"signal {number}")


def _not_written(fill: Observation, context: Context, container: str, shown: str) -> Decision | None:
    """The FAIL of a fill that did not even begin, killed somebody or was not read back; or nothing."""
    if _errno(fill, "open"):
        return Decision(FAIL, f"{shown}, but nothing can be written ({_failed(fill)})")
    trouble = _survived(fill, context.pod_after(container))
    if trouble:
        return Decision(FAIL, f"{shown}, but {trouble}")
    if _told(fill, "written_bytes") and not _told(fill, "verified"):
        return Decision(FAIL, f"{shown}, but what was written is not what is read back")
    return None


def _enforced(seen: Observations, context: Context, container: str, size: int, shown: str) -> Decision:
    """The verdict on a size that statvfs shows as expected: do real writes end there?"""
    fill = seen.get("fill")
    if fill is None:
        return Decision(WARN, f"{shown}, measured by statvfs only: fill is off")
    wrong = _not_written(fill, context, container, shown)
    if wrong:
        return wrong
    written, stopped, free = (_told(fill, name) for name in ("written_bytes", "stopped_by", "available_bytes"))
    if stopped == "max" and context.settings.max_write_bytes <= size:
        return Decision(WARN, f"{shown}, {written} bytes written; the option max_write kept from filling it")
    if stopped == "max":
        return Decision(FAIL, f"{shown}, but it does not end there: all of {written} bytes could be written")
    if stopped != "ENOSPC":
        return Decision(FAIL, f"{shown}, but writing stopped after {written} bytes by {stopped}, not by ENOSPC")
    if written != free:
        return Decision(FAIL, f"{shown}, {free} free, but ENOSPC after {written} bytes")
    if free != size:
        # a file system's own pages (gVisor takes three) are worth a word, somebody else's files are not its size
        verdict = WARN if free > size * 99 // 100 else FAIL
        return Decision(verdict, f"{shown}, but only {free} of them are free: ENOSPC after {written} bytes")
    return Decision(PASS, f"{shown}, ENOSPC after {written} bytes")


def _shown(identity: t.Mapping[str, t.Any]) -> str:
    return f"{identity.get('size_bytes')} bytes ({identity.get('mount_fs', 'no mount')})"


def _size(identity: Observation) -> int:
    size = identity.facts.get("size_bytes")
    if size == 0 and identity.facts.get("fs_type") == "0x00000000":
        raise Undecided(
            "PremiseFailed",
            "the kernel says nothing of the file system, though statfs works: it does not tell the truth",
        )
    if not isinstance(size, int):
        raise Undecided("ProbeError", f"the size of /dev/shm could not be measured ({_failed(identity)})")
    return size


def _shm_size_default(seen: Observations, context: Context) -> Decision:
    who = seen["who_first"]
    _looked({"first": who})
    if who.facts.get("exists") is False:
        return Decision(FAIL, "there is no /dev/shm")
    size = _size(who)
    wrong = _not_memory(who)
    if wrong:
        return wrong
    runtime = f"set by {context.node.runtime} on node {context.node.name}"
    if size != context.settings.default_size_bytes:
        return Decision(FAIL, f"{_shown(who.facts)}, {runtime}")
    return _enforced(seen, context, "first", size, _shown(who.facts))


def _page_rounded(size: int, page: object) -> int:
    page_bytes = page if isinstance(page, int) and page > 0 else 4096
    return -(-size // page_bytes) * page_bytes


#: gVisor shows its volumes by the protocol they come over
_MEMORY_FS: t.Final = frozenset({"tmpfs", "9p"})


def _not_memory(who: Observation) -> Decision | None:
    """The FAIL of a /dev/shm that is no memory with a size, or nothing."""
    fs = _told(who, "mount_fs")
    return None if fs in _MEMORY_FS else Decision(FAIL, f"/dev/shm is {fs}, not a tmpfs")


def _is_size(who: Observation, wanted: int, source: str) -> Decision | None:
    """The FAIL of another size than what it should be, or nothing."""
    rounded = _page_rounded(wanted, who.facts.get("page_bytes"))
    return None if _size(who) == rounded else Decision(FAIL, f"{_shown(who.facts)}, not {rounded} ({source})")


def _shm_size_memory(seen: Observations, context: Context) -> Decision:
    who = seen["who_memory"]
    wanted, source = context.memory("memory")
    wrong = _not_memory(who) or _is_size(who, wanted, source)
    if wrong:
        return wrong
    shown = f"{_shown(who.facts)} = {source}"
    fill = seen.get("fill")
    if fill is None:
        return Decision(WARN, f"{shown}, measured by statvfs only: fill is off")
    wrong = _not_written(fill, context, "memory", shown)
    if wrong:
        return wrong
    written, stopped = _told(fill, "written_bytes"), _told(fill, "stopped_by")
    more = written > context.settings.default_size_bytes
    if stopped == "max" and not more:
        return Decision(WARN, f"{shown}, {written} bytes written; the option max_write kept from writing more")
    if more and (stopped == "max" or (stopped == "ENOSPC" and written == _size(who))):
        return Decision(PASS, f"{shown}, {written} bytes written")
    return Decision(FAIL, f"{shown}, but writing stopped after {written} bytes by {stopped}")


def _shm_size_limit(seen: Observations, context: Context) -> Decision:
    who = seen["who_limited"]
    wrong = _not_memory(who) or _is_size(who, context.settings.size_limit_bytes, "sizeLimit")
    return wrong or _enforced(seen, context, "limited", _size(who), _shown(who.facts))


def _sysv_sem_wake(seen: Observations, context: Context) -> Decision:
    create, wait, post = seen["create"], seen["wait"], seen["post"]
    who = _namespaces(seen)
    _made(create, "made", "semaphore")
    if not create.facts["made"]:
        return Decision(FAIL, f"the first container cannot make a semaphore ({_failed(create)})")
    if not _told(post, "posted"):
        return Decision(FAIL, f"the first container cannot post its own semaphore ({_failed(post)})")
    if not _told(wait, "found"):
        return Decision(FAIL, f"the second container does not find the semaphore ({_failed(wait)}; {who})")
    if not _told(wait, "woken"):
        return Decision(FAIL, f"the second container is not woken ({_failed(wait)}; {who})")
    if not _told(seen["remove"], "gone"):
        return Decision(FAIL, "the semaphore stays after IPC_RMID")
    if _told(wait, "wait_began_ns") > _told(post, "posted_at_ns"):
        raise Undecided("PremiseFailed", "the peer began to wait only after the post: nothing was woken")
    micros = (_told(wait, "wait_ended_ns") - _told(post, "posted_at_ns")) // 1000
    if micros < 0:
        raise Undecided("PremiseFailed", "the peer was woken before the post: its wait is none, or its clock another")
    return Decision(PASS, f"the blocked peer was woken {micros} microseconds after the post ({who})")


def _message(seen: Observations, context: Context) -> Decision:
    create, send, receive = seen["create"], seen["send"], seen["receive"]
    who = _namespaces(seen)
    if not _told(create, "made") and _failed(create).endswith("EMFILE"):
        raise Undecided("PremiseFailed", "RLIMIT_MSGQUEUE of the pod's user is used up on this node (EMFILE)")
    _made(create, "made", "queue")
    if not create.facts["made"]:
        return Decision(FAIL, f"the first container cannot make a queue ({_failed(create)})")
    if not _told(send, "sent"):
        return Decision(FAIL, f"the first container cannot send into its own queue ({_failed(send)})")
    if not _told(receive, "found"):
        return Decision(FAIL, f"the second container does not find the queue ({_failed(receive)}; {who})")
    crossed = _crossed(send, receive, f"from the queue ({_failed(receive)}; {who})")
    if crossed:
        return crossed
    if not _told(seen["remove"], "gone"):
        return Decision(FAIL, "the queue stays after its removal")
    return Decision(PASS, f"nonce and sentence crossed, the queue is gone ({who})")


def _ipc_namespace(seen: Observations, context: Context) -> Decision:
    numbers = {label.removeprefix("who_"): _told(who, "ns_ipc") for label, who in seen.items()}
    if len(set(numbers.values())) == 1:
        return Decision(PASS, f"IPC namespace {next(iter(numbers.values()))} in {', '.join(numbers)}")
    told = ", ".join(f"{name} {number}" for name, number in numbers.items())
    return Decision(FAIL, f"the IPC namespaces differ: {told}")


def _devshm_identity(seen: Observations, context: Context) -> Decision:
    names = {label.removeprefix("who_"): who for label, who in seen.items() if label.startswith("who_")}
    _looked(seen)
    missing = [name for name, who in names.items() if who.facts.get("exists") is False]
    if missing:
        return Decision(FAIL, f"there is no /dev/shm in {', '.join(missing)}")
    put = seen["put"]
    _made(put, "made", "object")
    if not put.facts["made"]:
        raise Undecided("PremiseFailed", f"the first container cannot make an object ({_failed(put)})")
    # the content decides: sandboxed runtimes number their devices per container (gVisor)
    devices = ", ".join(f"{name} {_told(who, 'path_dev')}:{_told(who, 'path_ino')}" for name, who in names.items())
    gets = {name: seen[f"get_{name}"] for name in names if name != "first"}
    apart = [name for name, get in gets.items() if not _told(get, "found") or get.facts.get("peer_nonce") != put.nonce]
    if apart:
        return Decision(FAIL, f"the first container's object is not in {', '.join(apart)}: /dev/shm is {devices}")
    return Decision(PASS, f"the first container's object is in {', '.join(gets)}: /dev/shm is {devices}")


def _sysv_shm_met(seen: Observations, context: Context) -> Decision:
    return _meeting(seen) or Decision(PASS, f"both nonces and the sentence crossed ({_namespaces(seen)})")


def _kept_segment(seen: Observations, maker: str) -> Decision | None:
    create, read = seen["create"], seen["read"]
    _made(create, "attached", "segment")
    if not create.facts["attached"]:
        return Decision(FAIL, f"{maker} cannot make a segment ({_failed(create)})")
    if not _told(read, "found"):
        return Decision(FAIL, f"the segment of {maker} is gone ({_failed(read)})")
    return _crossed(create, read, "under the same key")


def _kept_object(seen: Observations, maker: str) -> Decision | None:
    put, get = seen["put"], seen["get"]
    _looked(seen)
    _made(put, "made", "object")
    if not put.facts["made"]:
        return Decision(FAIL, f"{maker} cannot make an object ({_failed(put)})")
    if not _told(get, "found"):
        return Decision(FAIL, f"the object of {maker} is gone ({_failed(get)})")
    return _crossed(put, get, "under the same name")


def _sysv_shm_handoff(seen: Observations, context: Context) -> Decision:
    return _kept_segment(seen, "the init container") or Decision(PASS, "the main container read nonce and sentence")


def _posix_handoff(seen: Observations, context: Context) -> Decision:
    return _kept_object(seen, "the init container") or Decision(PASS, "the main container read nonce and sentence")


def _posix_restart(seen: Observations, context: Context) -> Decision:
    maker = "the container before its restart"
    return (
        _kept_segment(seen, maker)
        or _kept_object(seen, maker)
        or Decision(PASS, f"segment and object are there after restart {_told(seen['restart'], 'restarts')}")
    )


def _object_met(seen: Observations) -> Decision | None:
    """Nothing when both met in a POSIX object, else the FAIL."""
    put, get, drop = seen["put"], seen["get"], seen["drop"]
    _looked(seen)
    _made(put, "made", "object")
    if not put.facts["made"]:
        return Decision(FAIL, f"the first container cannot make an object ({_failed(put)})")
    if not _told(get, "found"):
        return Decision(FAIL, f"the second container does not find the object ({_failed(get)})")
    crossed = _crossed(put, get, "under the same name")
    if crossed:
        return crossed
    if _told(drop, "reply_nonce") != get.nonce:
        return Decision(FAIL, f"the first container does not read the second's reply ({_failed(get)})")
    return None if _told(drop, "gone") else Decision(FAIL, "the object stays after shm_unlink")


def _posix_met(seen: Observations, context: Context) -> Decision:
    return _object_met(seen) or Decision(PASS, "both nonces and the sentence crossed")


def _absent_object(seen: Observations) -> Decision | None:
    """Nothing when the second container does not find the first one's object, else the FAIL."""
    put, get = seen["put"], seen["get"]
    _looked(seen)
    _made(put, "made", "object")
    if not put.facts["made"]:
        raise Undecided("PremiseFailed", f"the first container cannot make an object ({_failed(put)})")
    if _told(get, "found"):
        _ours(put, get, "object")
        return Decision(FAIL, "the second container finds the object")
    if _errno(get, "shm_open") != "ENOENT":
        raise Undecided("PremiseFailed", f"the second container cannot look for the object ({_failed(get)})")
    return None


def _split(seen: Observations, context: Context) -> Decision:
    missed = _meeting(seen) or _absent_object(seen)
    devices = [observation.facts.get("path_dev") for label, observation in seen.items() if label.startswith("who_")]
    return missed or Decision(
        PASS, f"System V is shared, POSIX is not: /dev/shm on devices {' and '.join(str(dev) for dev in devices)}"
    )


def _two_users(rule: Rule) -> Rule:
    """A rule about containers with users of their own. A runtime or a policy may have given both the same."""

    def judge(seen: Observations, context: Context) -> Decision:
        users = [_told(seen[label], "uid") for label in ("who_first", "who_guest")]
        if users[0] == users[1]:
            raise Undecided("PremiseFailed", f"both containers run as user {users[0]}: nothing was tried")
        return rule(seen, context)

    return judge


def _same(users: t.Iterable[object]) -> None:
    """Whether these are one user, as was asked for."""
    names = sorted({str(user) for user in users})
    if len(names) > 1:
        raise Undecided("PremiseFailed", f"the containers run as users {' and '.join(names)}, though one was asked for")


def _one_user(rule: Rule) -> Rule:
    """A rule about containers of one user. If a runtime or a policy gave them several, their permissions decide."""

    def judge(seen: Observations, context: Context) -> Decision:
        users = {who.facts["uid"] for label, who in seen.items() if label.startswith("who_") and "uid" in who.facts}
        _same(users)
        return rule(seen, context)

    return judge


def _one_user_asked(context: Context, *containers: str) -> None:
    """The same for containers that do not tell who they are: as the API server stored them."""
    pod = context.stored[context.scenario.pod_of(containers[0]).part]
    _same(
        (one.get("securityContext") or {}).get("runAsUser")
        for one in pod["spec"]["containers"]
        if one["name"] in containers
    )


def _posix_users(seen: Observations, context: Context) -> Decision:
    put, get = seen["put_masked"], seen["get_masked"]
    if not _told(put, "made"):
        raise Undecided("PremiseFailed", f"the first container cannot make an object ({_failed(put)})")
    if _told(get, "writable"):
        return Decision(FAIL, "umask 022 does not keep another user from writing")
    return _object_met(seen) or Decision(
        PASS, f"umask 022: {_failed(get)}; umask 0: both nonces and the sentence crossed"
    )


#: The number of the kernel's first user namespace (PROC_USER_INIT_INO).
_FIRST_USERS: t.Final = 4026531837


def _in_own_users(rule: Rule) -> Rule:
    """A rule on a pod with hostUsers false: a PASS wants a user namespace other than the kernel's first."""

    def judge(seen: Observations, context: Context) -> Decision:
        decision = rule(seen, context)
        number = _told(seen["who_one"], "ns_user")
        observed = f"{decision.observed}; user namespace {number}"
        if decision.verdict == PASS and number == _FIRST_USERS:
            return Decision(WARN, f"{observed}, the kernel's first: hostUsers false has no effect")
        return dataclasses.replace(decision, observed=observed)

    return judge


def _semaphore_names(seen: Observations, context: Context) -> Decision:
    names = seen["names"]
    _looked(seen)
    if not _told(names, "glibc_made") or not _told(names, "musl_made"):
        raise Undecided("PremiseFailed", f"the container cannot make a semaphore's file ({_first_failed(names)})")
    met = [
        f"{mine}'s finds {other}'s"
        for mine, other in (("musl", "glibc"), ("glibc", "musl"))
        if _told(names, f"{mine}_found")
    ]
    return Decision(FAIL, ", ".join(met)) if met else Decision(PASS, "neither finds the other's file of one name")


def _tried(seen: Observations) -> tuple[bool, bool, str]:
    """Of a mutex that is held: whether both are in one PID namespace, whether the second got it too, and how it went."""
    hold, attempt = seen["hold"], seen["try"]
    spaces = [_told(observation, "ns_pid") for label, observation in seen.items() if label.startswith("who_")]
    if not _told(hold, "locked"):
        raise Undecided("PremiseFailed", f"the first container cannot take its own mutex ({_failed(hold)})")
    if not _told(attempt, "found"):
        raise Undecided(
            "PremiseFailed", f"the second container does not find the mutex ({_failed(attempt)}): see SHM202"
        )
    threads = [_told(observation, "tid") for observation in (hold, attempt)]
    got = _told(attempt, "result")
    told = f"held by thread {threads[0]}, tried by thread {threads[1]}: {'granted' if got == '0' else got}"
    one = spaces[0] == spaces[1]
    if not one and threads[0] != threads[1]:
        raise Undecided("PremiseFailed", f"{told}: unequal ids try nothing")
    return one, bool(attempt.facts["granted"]), told


def _mutex_apart(seen: Observations, context: Context) -> Decision:
    one, granted, told = _tried(seen)
    if one:
        return Decision(FAIL, f"the containers are in one PID namespace, though nobody asked for it; {told}")
    return Decision(PASS if granted else FAIL, told)


def _mutex_together(seen: Observations, context: Context) -> Decision:
    one, granted, told = _tried(seen)
    if not one:
        return Decision(
            FAIL, f"the containers are in PID namespaces apart: shareProcessNamespace has no effect; {told}"
        )
    return Decision(FAIL if granted else PASS, told)


def _protected_regular(seen: Observations, context: Context) -> Decision:
    policy, put, get = seen["policy"], seen["put"], seen["get"]
    if not _told(put, "made"):
        raise Undecided("PremiseFailed", f"the first container cannot make an object ({_failed(put)})")
    level = policy.facts.get("protected_regular")
    # who is refused may still read without O_CREAT: only what was opened for writing was opened with it
    opened = bool(_told(get, "writable"))
    if opened and (not _told(get, "found") or get.facts.get("peer_nonce") != put.nonce):
        raise Undecided("PremiseFailed", "what was opened is not the first container's object: see SHM202")
    refused = _errno(get, "shm_open") == "EACCES"
    told = f"fs.protected_regular is {'unknown' if level is None else level}, O_CREAT is {'allowed' if opened else _failed(get)}"
    if not opened and not refused:
        raise Undecided("PremiseFailed", f"the second container cannot open anything with O_CREAT ({_failed(get)})")
    if (opened and not level) or (refused and level != 0):
        return Decision(PASS, told)
    sticky = "" if int(str(policy.facts.get("path_mode", "1777")), 8) & 0o1000 else ", and /dev/shm has no sticky bit"
    return Decision(FAIL, f"{told}{sticky}")


def _undeclared(seen: Observations, context: Context) -> Decision:
    wanted, source = context.memory("bare")
    who = seen["who_bare"]
    wrong = _not_memory(who) or _is_size(who, wanted, source)
    if wrong:
        return wrong
    shown = f"{_shown(who.facts)} = {source}"
    if context.memory_limit("bare") is not None:
        return Decision(SKIP, f"not applicable: {shown}: the cluster gives the container a limit", "LimitRange")
    return Decision(PASS, f"{shown}: one undeclared limit opens the whole node")


def _clipped(seen: Observations, context: Context) -> Decision:
    (bound, source), asked = context.memory("clipped"), int(context.variables["too_much"])
    who = seen["who_clipped"]
    wrong = _not_memory(who) or _is_size(who, *min((bound, source), (asked, "sizeLimit")))
    if wrong:
        return wrong
    if asked <= bound:
        return Decision(WARN, f"not tried: {_shown(who.facts)} = sizeLimit, and the {source} is not less: {bound}")
    return Decision(PASS, f"{_shown(who.facts)} = {source}")


def _zero(seen: Observations, context: Context) -> Decision:
    wanted, source = context.memory("zero")
    who = seen["who_zero"]
    wrong = _not_memory(who) or _is_size(who, wanted, source)
    return wrong or Decision(PASS, f"{_shown(who.facts)} = {source}")


def _wrong_medium(seen: Observations, context: Context) -> Decision:
    fs = _told(seen["who_disk"], "mount_fs")
    if fs in ("tmpfs", "ramfs", "hugetlbfs"):
        return Decision(FAIL, f"an emptyDir without medium Memory is {fs}")
    if fs in _MEMORY_FS:
        raise Undecided("NotVisible", f"/dev/shm is {fs}, which hides whether disk or memory is behind it")
    return Decision(PASS, f"/dev/shm is {fs}, the node's disk")


def _fallocate(seen: Observations, context: Context) -> Decision:
    allocate = seen["allocate"]
    _writable(allocate)
    if _told(allocate, "allocated"):
        return Decision(FAIL, f"fallocate reserves more than {_shown(seen['who_limited'].facts)}")
    errno = _errno(allocate, "fallocate")
    return Decision(PASS if errno == "ENOSPC" else FAIL, f"fallocate: {errno}")


def _sparse(seen: Observations, context: Context) -> Decision:
    who, touch = seen["who_lonely"], seen["touch"]
    _writable(touch)
    _in_time(touch)
    touched, stopped, size = _told(touch, "touched_bytes"), _told(touch, "stopped_by"), _size(who)
    _small_enough(size, context)
    told = f"{_ending(stopped)} after {touched} of {size} bytes"
    return Decision(PASS if stopped == "signal:7" and touched == size else FAIL, told)


def _small_enough(size: int, context: Context) -> None:
    """Beyond a size that is larger than asked for, nothing was tried."""
    asked = int(context.variables["small"])
    # a tmpfs of size 0 has no end
    if not 0 < size <= asked:
        raise Undecided("PremiseFailed", f"the volume has {size} bytes, though its sizeLimit is {asked}: see SHM303")


_FILL_OFF: t.Final = Decision(SKIP, "not asked: the option fill is off", "NotAsked")


def _writable(fill: Observation) -> None:
    """Who cannot write at all meets no end of it."""
    for call in ("statfs", "open"):
        if _errno(fill, call):
            raise Undecided("PremiseFailed", f"nothing can be written ({call}: {_errno(fill, call)}): see SHM301")


def _memory_first(seen: Observations, context: Context) -> Decision:
    fill = seen.get("fill")
    if fill is None:
        return _FILL_OFF
    _writable(fill)
    _in_time(fill)
    limit = context.container_limit("tight")
    if limit is None:
        raise Undecided("PremiseFailed", "the cluster left the container without a memory limit")
    if limit >= min(context.settings.default_size_bytes, context.settings.max_write_bytes):
        most = min(context.settings.default_size_bytes, context.settings.max_write_bytes)
        return Decision(
            SKIP, f"not asked: the container may have {limit} bytes, of which {most} may be written", "NotAsked"
        )
    if _told(fill, "stopped_by") == "OOMKilled":
        return Decision(PASS, f"{_killed(fill)} with a memory limit of {limit}")
    written, stopped = _told(fill, "written_bytes"), _told(fill, "stopped_by")
    told = f"{_ending(stopped)} after {written} bytes with a memory limit of {limit}"
    return Decision(PASS if stopped == "signal:9" and written <= limit else FAIL, told)


def _after_kill(seen: Observations, context: Context) -> Decision:
    if not {"fits", "kill", "again"} <= seen.keys():
        return _FILL_OFF
    size, most = (int(context.variables[name]) for name in ("charge", "nearly_all"))
    _writable(seen["fits"])
    for label in ("fits", "kill", "again"):
        _in_time(seen[label])
    if _told(seen["fits"], "stopped_by") != "max":
        stopped = _told(seen["fits"], "stopped_by")
        raise Undecided("PremiseFailed", f"{most} bytes do not fit before anything is left ({_ending(stopped)})")
    if not _killed(seen["kill"]):
        stopped = _ending(_told(seen["kill"], "stopped_by"))
        raise Undecided("PremiseFailed", f"nothing was killed ({stopped}): see SHM310")
    lost = _kept_object(seen, "the container before its restart")
    if lost:
        return lost
    killed = _killed(seen["again"])
    told = f"{size} bytes are there after kill and restart"
    limit = context.container_limit("tight")
    if not killed and (limit is None or limit >= size + most or context.memory_limit("tight") != limit):
        return Decision(WARN, f"{told}; whether they count is not tried: the pod may have more than was asked for")
    if not killed:
        return Decision(FAIL, f"{told}, but no longer count: {most} more could be written")
    return Decision(PASS, f"{told}, and count: {killed} when {most} were to be written, which fitted before")


def _charge(seen: Observations, context: Context) -> Decision:
    put = seen["put"]
    if not _told(put, "made") or not _told(seen["get"], "found"):
        raise Undecided("PremiseFailed", f"the object could not be shared ({_failed(put)}, {_failed(seen['get'])})")
    usage = {}
    for role, before, after in (("writer", "who_first", "writer"), ("reader", "who_second", "reader")):
        told = [seen[label].facts.get("memory_usage_bytes") for label in (before, after)]
        facts = [value for value in told if isinstance(value, int)]
        if len(facts) < len(told):
            return Decision(SKIP, "the container does not see its memory cgroup", "NotVisible")
        limit = context.container_limit(before.removeprefix("who_"))
        if limit is not None and max(facts) > limit:
            return Decision(SKIP, "the container sees the memory cgroup of others", "NotVisible")
        usage[role] = facts[1] - facts[0]
    size = int(context.variables["charge"])
    found = f"writer {usage['writer']:+}, reader {usage['reader']:+} bytes for {size} written"
    return Decision(PASS if usage["writer"] >= size * 9 // 10 and usage["reader"] < size // 2 else FAIL, found)


def _flags(seen: Observations, context: Context) -> Decision:
    flags = seen["flags"]
    _looked({"first": seen["who_first"]})
    if seen["who_first"].facts.get("exists") is False:
        return Decision(FAIL, "there is no /dev/shm")
    wrong = []
    if not _told(flags, "writable"):
        wrong.append(f"not writable ({_failed(flags)})")
    elif not _told(flags, "exec_map"):
        wrong.append("noexec: memory of it cannot be mapped executable")
    mode = str(_told(flags, "dir_mode"))
    if mode != "1777":
        wrong.append(f"mode {mode}, not 1777")
    options = _told(seen["who_first"], "mount_options")
    return Decision(FAIL if wrong else PASS, f"{'; '.join(wrong) or 'writable, executable, mode 1777'} ({options})")


def _read_only(seen: Observations, context: Context) -> Decision:
    flags = seen["flags"]
    if _told(flags, "writable"):
        return Decision(FAIL, "a read-only mount can be written to")
    if not _failed(flags).endswith("EROFS"):
        raise Undecided(
            "PremiseFailed", f"writing is refused, but not because the mount is read-only ({_failed(flags)})"
        )
    return Decision(PASS, _failed(flags))


def _beyond(seen: Observations, context: Context) -> Decision:
    beyond, size = seen["beyond"], _size(seen["who_lonely"])
    _small_enough(size, context)
    _in_time(beyond)
    reached = {kind: _told(beyond, f"{kind}_bytes") for kind in ("sysv", "memfd")}
    told = ", ".join(f"{kind} {value}" for kind, value in reached.items()) + f" bytes beside a /dev/shm of {size}"
    if all(value > size for value in reached.values()):
        return Decision(PASS, told)
    return Decision(FAIL, f"{told} ({_failed(beyond)})")


def _resize_at_creation(seen: Observations, context: Context) -> Decision:
    kept, fellow = seen["who_kept"], seen["who_fellow"]
    wanted = int(context.variables["small"])
    missed = (
        _not_memory(fellow)
        or _is_size(kept, wanted, "sizeLimit")
        or _is_size(fellow, wanted, "sizeLimit")
        or _object_met(seen)
    )
    shown = f"{_shown(fellow.facts)} in both, both nonces and the sentence crossed"
    return missed or _enforced(seen, context, "fellow", _size(fellow), shown)


def _same_size(seen: Observations, context: Context) -> Decision:
    sizes = [_size(seen[label]) for label in ("before", "after")]
    return Decision(PASS if sizes[0] == sizes[1] else FAIL, f"{sizes[0]} bytes before, {sizes[1]} after")


def _memory_in_place(seen: Observations, context: Context) -> Decision:
    limits = [seen[label].facts.get("memory_limit_bytes") for label in ("before", "after")]
    # a sandbox may show the node's memory instead, which says nothing (gVisor)
    if limits[0] is not None and limits[0] == limits[1] == context.container_limit("kept"):
        raise Undecided("PremiseFailed", f"the memory limit is {limits[0]} bytes as before: nothing was resized")
    return _same_size(seen, context)


def _same_volume(seen: Observations, context: Context) -> Decision:
    """Size and content: sandboxed runtimes number the devices of each start of a container anew (gVisor)."""
    same = _same_size(seen, context)
    if not _told(seen["put"], "made"):
        raise Undecided("PremiseFailed", f"nothing can be put into it ({_failed(seen['put'])})")
    return _kept_object(seen, "the container before") or dataclasses.replace(
        same, observed=f"{same.observed}; the object is there"
    )


def _kubelet_restart(seen: Observations, context: Context) -> Decision:
    restarts = _told(seen["restart"], "restarts")
    if restarts:
        return Decision(FAIL, f"the kubelet started the container anew ({restarts} restarts)")
    return _same_volume(seen, context)


def _volume_resized(seen: Observations, wanted: int) -> Decision | None:
    """Nothing when the volume has the size that was asked for, else the FAIL."""
    resize, after = seen["resize"], _size(seen["after"])
    told = f"{_size(seen['before'])} bytes before, {after} after"
    if _size(seen["before"]) == wanted:
        raise Undecided("PremiseFailed", f"{told}: it had that size already, nothing was tried")
    if not _told(resize, "resized"):
        return Decision(FAIL, f"{told}: {_told(resize, 'problem')}")
    return None if after == wanted else Decision(FAIL, f"{told}, not {wanted}, though the kubelet says that it is done")


def _volume_grow(seen: Observations, context: Context) -> Decision:
    wanted = int(context.variables["grown"])
    shown = f"{_size(seen['before'])} bytes before, {_shown(seen['after'].facts)} after"
    return _volume_resized(seen, wanted) or _enforced(seen, context, "kept", wanted, shown)


def _volume_shrink(seen: Observations, context: Context) -> Decision:
    told = f"{_size(seen['before'])} bytes before, {_size(seen['after'])} after"
    return _volume_resized(seen, int(context.variables["shrunk"])) or Decision(PASS, told)


def _volume_used(seen: Observations, context: Context) -> Decision:
    fill = seen.get("fill")
    if fill is None:
        return _FILL_OFF
    used, wanted = _told(fill, "written_bytes"), int(context.variables["too_small"])
    if used <= wanted:
        return Decision(SKIP, f"not asked: the option max_write leaves {used} bytes in use", "NotAsked")
    before, after = _size(seen["before"]), _size(seen["after"])
    told = f"{before} bytes before, {after} after it was to be {wanted} with {used} in use"
    if after != before or _told(seen["resize"], "resized"):
        return Decision(FAIL, told)
    return Decision(PASS, f"{told}: {_told(seen['resize'], 'problem')}")


def _isolation_sysv(seen: Observations, context: Context) -> Decision:
    create, read = seen["create"], seen["read"]
    _made(create, "attached", "segment")
    if not create.facts["attached"]:
        raise Undecided("PremiseFailed", f"the first pod cannot make a segment ({_failed(create)})")
    if _told(read, "found"):
        _ours(create, read, "segment")
        return Decision(FAIL, f"the second pod finds the segment ({_namespaces(seen)})")
    if _errno(read, "shmget") != "ENOENT":
        raise Undecided("PremiseFailed", f"the second pod cannot look for it ({_failed(read)})")
    if _told(seen["who_first"], "ns_ipc") == _told(seen["who_stranger"], "ns_ipc"):
        # two sandboxes with kernels of their own may count alike (gVisor, Kata)
        return Decision(WARN, "the second pod does not find the segment, though both show one number of IPC namespace")
    return Decision(PASS, f"the second pod does not find the segment ({_failed(read)}; {_namespaces(seen)})")


def _isolation_posix(seen: Observations, context: Context) -> Decision:
    missed = _absent_object(seen)
    if missed:
        return missed
    devices = [_told(seen[label], "path_dev") for label in ("who_first", "who_stranger")]
    if devices[0] == devices[1]:
        return Decision(WARN, f"the second pod does not find the object, though both show device {devices[0]}")
    return Decision(PASS, f"the second pod does not find the object ({_failed(seen['get'])})")


def _both_views(context: Context) -> None:
    """Each of the two pods is what the other is compared with: what admission took of one decides on neither."""
    ipc, path = (context.stored[part]["spec"] for part in ("host-ipc", "host-path"))
    taken = ""
    if not ipc.get("hostIPC"):
        taken = "took hostIPC from the pod that asks for it"
    elif any(mount["mountPath"] == "/dev/shm" for one in ipc["containers"] for mount in one.get("volumeMounts") or ()):
        taken = "mounts a volume on /dev/shm of the pod with hostIPC"
    elif not any("hostPath" in volume for volume in path.get("volumes") or ()):
        taken = "took the hostPath volume from the pod that asks for it"
    if taken:
        raise Undecided("AdmissionDenied", f"the cluster {taken}")


def _node_views(seen: Observations, context: Context) -> tuple[dict[str, t.Any], dict[str, bool]]:
    """The IPC namespaces of the containers of V(host), and which find the object of the pod with hostIPC."""
    _both_views(context)
    _looked(seen)
    put = seen["put"]
    spaces = {name: _told(seen[f"who_{name}"], "ns_ipc") for name in ("ipc", "path", "plain")}
    _made(put, "made", "object")
    if not put.facts["made"]:
        raise Undecided("PremiseFailed", f"the pod with hostIPC cannot make an object ({_failed(put)})")
    gets = {name: seen[f"get_{name}"] for name in ("path", "plain")}
    found = {name: bool(_told(get, "found")) and get.facts.get("peer_nonce") == put.nonce for name, get in gets.items()}
    return spaces, found


#: The number of the kernel's first IPC namespace (PROC_IPC_INIT_INO).
_FIRST_IPC: t.Final = 4026531839


def _host_ipc(seen: Observations, context: Context) -> Decision:
    spaces, found = _node_views(seen, context)
    first = spaces["ipc"] == _FIRST_IPC
    number = f"{spaces['ipc']}, the kernel's first" if first else str(spaces["ipc"])
    told = f"IPC namespace {number}; /dev/shm {_shown(seen['who_ipc'].facts)}"
    if not found["path"]:
        return Decision(FAIL, f"{told} is not what hostPath shows of the node")
    if spaces["ipc"] == spaces["plain"]:
        if first:
            return Decision(WARN, f"{told} is the node's, but an ordinary pod is in the same namespace: see SHM501")
        return Decision(FAIL, f"{told} is the node's, but the namespace is an ordinary pod's")
    if not first:
        return Decision(
            WARN, f"{told} is the node's; whether the namespace is, too, only a node that is no container shows"
        )
    return Decision(PASS, f"{told} is the node's")


def _host_path(seen: Observations, context: Context) -> Decision:
    spaces, found = _node_views(seen, context)
    if found["plain"]:
        return Decision(FAIL, "an ordinary container has the node's /dev/shm, too")
    if spaces["path"] != spaces["plain"]:
        return Decision(FAIL, f"the IPC namespace is {spaces['path']}, though that of its pod is {spaces['plain']}")
    if found["path"] and spaces["path"] == spaces["ipc"]:
        if spaces["ipc"] == _FIRST_IPC:
            return Decision(FAIL, f"the IPC namespace {spaces['path']} is the node's, too")
        raise Undecided("NotVisible", f"the node's objects, but every IPC namespace shows the number {spaces['path']}")
    if found["path"]:
        return Decision(PASS, f"the node's objects, the pod's IPC namespace {spaces['path']}")
    if spaces["ipc"] == spaces["plain"]:
        raise Undecided("NotVisible", "hostIPC has no effect (SHM503), so nothing shows what the node's /dev/shm is")
    return Decision(FAIL, f"/dev/shm {_shown(seen['who_path'].facts)} is not the node's")


def _sysctl_profile(seen: Observations, context: Context) -> Decision:
    settings, facts = context.settings, seen["sysctls"].facts
    asked = {**{name: _profiles.PROFILES[name] for name in settings.profiles}, "minimum": settings.minimums}
    wrong, unknown = [], set()
    for profile, minimums in asked.items():
        for sysctl, least in minimums.items():
            value = facts.get(sysctl.replace(".", "_"))
            if value is None:
                unknown.add(sysctl)
                continue
            found = _profiles.numbers(sysctl, value)
            wrong += [f"{text} ({profile})" for text in _profiles.unmet(sysctl, least, found)]
    if wrong:
        return Decision(FAIL, "; ".join(wrong))
    if unknown:
        raise Undecided("NotVisible", f"the container does not see {', '.join(sorted(unknown))}")
    return Decision(PASS, f"enough for {context.variables['profiles']}")


#: What each level of the Pod Security Standards refuses of what is tried.
_LEVELS: t.Final[dict[str, frozenset[str]]] = {
    "privileged": frozenset(),
    "baseline": frozenset({"ipc", "path", "sysctl"}),
    "restricted": frozenset({"ipc", "path", "sysctl", "relaxed"}),
}


def _pod_security(seen: Observations, context: Context) -> Decision:
    refused = {name: answer for name, answer in seen.items() if not _told(answer, "admitted")}
    by = ", ".join(f"{name}: {_told(answer, 'refused_by')}" for name, answer in sorted(refused.items()))
    told = f"refused: {by}" if refused else "nothing is refused"
    changed = [
        f"{name}: {answer.facts['changed']}" for name, answer in sorted(seen.items()) if answer.facts.get("changed")
    ]
    if "volume" in refused:
        return Decision(FAIL, f"{told} ({_told(refused['volume'], 'detail')})")
    if changed:
        return Decision(WARN, f"{told}; the cluster changed the pod: {'; '.join(changed)}")
    level = next((level for level, names in _LEVELS.items() if refused.keys() == names), None)
    if level is None:
        return Decision(WARN, f"{told}: no level of the Pod Security Standards, but a policy of the cluster's own")
    return Decision(PASS, f"{told}: as at level {level}")


def _sysctl_safe(seen: Observations, context: Context) -> Decision:
    value = seen["sysctls"].facts.get("kernel_shm_rmid_forced")
    survived = _told(seen["forced"], "survived")
    if value is None and not survived:
        raise Undecided("NotVisible", "a segment is gone at its last detach, but the container does not see the sysctl")
    told = f"kernel.shm_rmid_forced is {value}, a segment {'survives' if survived else 'is gone at'} its last detach"
    return Decision(PASS if str(value) == "1" and not survived else FAIL, told)


def _sysctl_unsafe(seen: Observations, context: Context) -> Decision:
    value, wanted = seen["sysctls"].facts.get("kernel_shmmax"), context.variables["shmmax"]
    told = f"kernel.shmmax is {value}, asked for {wanted}"
    if _told(seen["over"], "attached"):
        return Decision(FAIL, f"{told}, but a larger segment can be made")
    if value is None:
        raise Undecided("NotVisible", "the container does not see kernel.shmmax, though a larger segment is refused")
    refused = _errno(seen["over"], "shmget")
    return Decision(PASS if str(value) == wanted and refused == "EINVAL" else FAIL, f"{told}, beyond it {refused}")


def _limits_errno(seen: Observations, context: Context) -> Decision:
    limits = seen["limits"].facts
    if "shmget_over_shmmax" not in limits and "shmget_zero" in limits:
        raise Undecided("NotVisible", "the container does not see kernel.shmmax")
    over, zero = _told(seen["limits"], "shmget_over_shmmax"), _told(seen["limits"], "shmget_zero")
    told = ", ".join(f"{name} {value}" for name, value in sorted(limits.items()))
    return Decision(PASS if over in ("EINVAL", "unlimited") and zero == "EINVAL" else FAIL, told)


def _huge_pages(seen: Observations, context: Context) -> Decision:
    _in_time(seen["huge"])
    total, stopped = seen["sysctls"].facts.get("hugepages_total", 0), _told(seen["huge"], "stopped_by")
    told = f"{total} huge pages on the node, a mapping ends in {_ending(stopped)}"
    if str(stopped) == "signal:7":
        return Decision(WARN, f"{told}: programs that try huge pages die of a Bus error that is not /dev/shm's")
    if str(stopped).startswith("signal:"):
        raise Undecided("PremiseFailed", f"{told}, which is no Bus error: something else killed the child")
    return Decision(PASS, told)


#: What a POSIX queue of default size (10 messages of 8192 bytes) is charged at least (mq_overview(7)).
_QUEUE_BYTES: t.Final = 10 * 8192


def _msgqueue_budget(seen: Observations, context: Context) -> Decision:
    queues, stopped = _told(seen["budget"], "queues"), _told(seen["budget"], "stopped_by")
    told = f"{queues} queues, then {stopped}"
    if queues >= 1:
        return Decision(PASS, told)
    budget = seen["sysctls"].facts.get("rlimit_msgqueue")
    if stopped == "EMFILE" and isinstance(budget, int) and budget < _QUEUE_BYTES:
        return Decision(FAIL, f"{told}: RLIMIT_MSGQUEUE is {budget} bytes, less than one of {_QUEUE_BYTES}")
    if stopped == "EMFILE":
        return Decision(WARN, f"{told}: the budget of this user on this node is used up by others")
    return Decision(FAIL, told)


def _control_positive(seen: Observations, context: Context) -> Decision:
    found = _told(seen["same"], "positive")
    return Decision(PASS if found else FAIL, "found" if found else f"not found ({_first_failed(seen['same'])})")


def _control_negative(seen: Observations, context: Context) -> Decision:
    absent = _told(seen["same"], "negative")
    return Decision(PASS if absent else FAIL, "not found" if absent else "a segment that nobody made is found")


def _control_canary(seen: Observations, context: Context) -> Decision:
    """A world that must FAIL, and an output that must not be read: whoever breaks rule or reader hears of it here."""
    who = Observation("identity", "0", {"ns_ipc": 1}, (), None)
    create = Observation("sysv_shm_create", "a", {"attached": True}, (), None)
    read = Observation("sysv_shm_read", "b", {"found": True, "peer_nonce": "c", "text": _catalog.SENTENCE}, (), None)
    finish = Observation("sysv_shm_finish", "d", {"reply_nonce": "b", "gone": True}, (), None)
    doctored = {"who_first": who, "who_second": who, "create": create, "read": read, "finish": finish}
    verdict = _sysv_shm_met(doctored, context).verdict
    try:
        _protocol.parse(b'{"podshm":1}\n', "identity", "0" * 32)
    except Undecided:
        return Decision(PASS if verdict == FAIL else FAIL, f"a wrong nonce is {verdict}, a damaged output is not read")
    return Decision(FAIL, "a damaged output is read")


def accepted(
    decision: Decision, check: _catalog.Check, settings: _plan.Settings, runtime_class: str
) -> tuple[str, str, str, str]:
    """Verdict, reason, observed and remedy of a decision, after what the user accepts with a reason.

    What is accepted under one RuntimeClass alone (V(SHM101@gvisor)) goes before what is accepted everywhere.
    """
    why = settings.accept.get(f"{check.id}@{runtime_class}") or settings.accept.get(check.id)
    if decision.verdict == FAIL and why:
        return WARN, "", f"{decision.observed}; accepted: {why}", check.remedy
    remedy = {PASS: "", SKIP: REMEDIES.get(decision.reason, "")}.get(decision.verdict, check.remedy)
    return decision.verdict, decision.reason, decision.observed, remedy


RULES: t.Final[dict[str, Rule]] = {
    "SHM101": _one_user(_sysv_shm_shared_path),
    "SHM102": _one_user(_sysv_shm_private_path),
    "SHM103": _one_user(_sysv_sem_wake),
    "SHM104": _one_user(_message),
    "SHM105": _ipc_namespace,
    "SHM106": _two_users(_sysv_shm_met),
    "SHM107": _sysv_shm_handoff,
    "SHM108": _one_user(_sysv_shm_met),
    "SHM109": _in_own_users(_one_user(_sysv_shm_met)),
    "SHM201": _posix_shm_sem,
    "SHM202": _devshm_identity,
    "SHM203": _one_user(_message),
    "SHM204": _one_user(_split),
    "SHM205": _posix_handoff,
    "SHM206": _one_user(_posix_met),
    "SHM207": _posix_restart,
    "SHM208": _one_user(_split),
    "SHM209": _two_users(_posix_users),
    "SHM210": _two_users(_protected_regular),
    "SHM211": _in_own_users(_one_user(_posix_met)),
    "SHM212": _semaphore_names,
    "SHM213": _mutex_apart,
    "SHM214": _mutex_together,
    "SHM215": _in_own_users(_one_user(_message)),
    "SHM301": _shm_size_default,
    "SHM302": _shm_size_memory,
    "SHM303": _shm_size_limit,
    "SHM304": _undeclared,
    "SHM305": _clipped,
    "SHM306": _zero,
    "SHM307": _wrong_medium,
    "SHM308": _fallocate,
    "SHM309": _sparse,
    "SHM310": _memory_first,
    "SHM311": _one_user(_charge),
    "SHM312": _after_kill,
    "SHM313": _flags,
    "SHM315": _read_only,
    "SHM316": _beyond,
    "SHM401": _one_user(_resize_at_creation),
    "SHM402": _same_volume,
    "SHM403": _kubelet_restart,
    "SHM404": _memory_in_place,
    "SHM405": _volume_grow,
    "SHM406": _volume_shrink,
    "SHM407": _volume_used,
    "SHM501": _isolation_sysv,
    "SHM502": _isolation_posix,
    "SHM503": _host_ipc,
    "SHM504": _host_path,
    "SHM601": _sysctl_profile,
    "SHM602": _sysctl_safe,
    "SHM603": _sysctl_unsafe,
    "SHM604": _limits_errno,
    "SHM605": _huge_pages,
    "SHM606": _msgqueue_budget,
    "SHM607": _pod_security,
    "SHM901": _control_positive,
    "SHM902": _control_negative,
    "SHM903": _control_canary,
}


def worst(verdicts: t.Iterable[str]) -> str:
    """The one verdict that stands for several; none at all, or SKIP alone, is ERROR: nothing was decided."""
    seen = set(verdicts)
    if seen <= {SKIP}:
        return ERROR
    return next(verdict for verdict in ORDER if verdict in seen)
