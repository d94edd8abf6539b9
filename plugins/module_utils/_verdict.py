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

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _catalog, _plan
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Undecided

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


@dataclasses.dataclass(frozen=True)
class Context:
    """What a rule may know beside the observations: the plan, the node, and how the pod was afterwards."""

    settings: _plan.Settings
    node: _plan.Node
    pod: _plan.PodPlan
    #: phase, reason and terminated containers of the pod after the last step
    pod_after: t.Mapping[str, t.Any]


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
        raise Undecided("ProbeError", f"the step {observation.step} did not tell {name} ({_failed(observation)})")
    return observation.facts[name]


def _failed(observation: Observation) -> str:
    """The last system call that failed, for a person: C(shmget: ENOENT)."""
    for record in reversed(observation.calls):
        if "errno" in record:
            return f"{record['call']}: {record['errno']}"
    return "no system call failed"


def _namespaces(seen: Observations, first: str, second: str) -> str:
    one, other = _told(seen[first], "ns_ipc"), _told(seen[second], "ns_ipc")
    return "one IPC namespace" if one == other else f"IPC namespaces {one} and {other}"


def _meeting(seen: Observations) -> Decision | None:
    """Nothing when creator and reader met in a System V segment, else the FAIL that says how they did not."""
    create, read, finish = seen["create"], seen["read"], seen["finish"]
    who = _namespaces(seen, "who_first", "who_second")
    if not _told(create, "attached"):
        if _errno(create, "shmget") == "EEXIST":
            raise Undecided(
                "ControlFailed", "a foreign segment has the run's own key: the IPC namespace is not the pod's"
            )
        return Decision(FAIL, f"the first container cannot make a segment ({_failed(create)})")
    if not _told(read, "found"):
        return Decision(FAIL, f"the second container does not find the segment ({_failed(read)}; {who})")
    if read.facts.get("peer_nonce") != create.nonce:
        return Decision(FAIL, f"the second container reads another segment under the same key ({who})")
    if read.facts.get("text") != _catalog.SENTENCE:
        return Decision(FAIL, f"the second container reads the nonce but not the sentence ({who})")
    if _told(finish, "reply_nonce") != read.nonce:
        return Decision(FAIL, f"the first container does not read the second's reply ({who})")
    if not _told(finish, "gone"):
        return Decision(FAIL, "the segment stays after IPC_RMID and the last detach")
    return None


def _sysv_shm_shared_path(seen: Observations, context: Context) -> Decision:
    create, read = seen["create"].facts, seen["read"].facts
    if "ftok_key" not in create:
        raise Undecided("ProbeError", f"the ftok file could not be made ({_failed(seen['create'])})")
    if "ftok_key" not in read:
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
    # each side gets as far as waiting for the other, or it cannot use the mechanism at all
    for name, observation in (("writer", seen["write"]), ("reader", seen["read"])):
        if "wait_began_ns" not in observation.facts:
            return Decision(FAIL, f"the {name} cannot use POSIX shared memory ({_failed(observation)})")
    same = (write.get("path_dev"), write.get("path_ino")) == (read.get("path_dev"), read.get("path_ino"))
    where = "one /dev/shm" if same else f"/dev/shm on devices {write.get('path_dev')} and {read.get('path_dev')}"
    if read.get("timed_out"):
        if not _waited_beside(write.get("posted_at_ns"), read):
            raise Undecided("Timeout", "the reader gave up before the writer had posted the semaphore")
        return Decision(FAIL, f"the reader waited for a semaphore that the writer had posted ({where})")
    if read.get("peer_nonce") != seen["write"].nonce:
        return Decision(FAIL, f"the reader does not read the writer's nonce ({_failed(seen['read'])}; {where})")
    if read.get("text") != _catalog.SENTENCE:
        return Decision(FAIL, f"the reader reads the nonce but not the sentence ({where})")
    if write.get("timed_out") or write.get("reply_nonce") != seen["read"].nonce:
        return Decision(FAIL, f"the writer does not read the reader's reply ({where})")
    codes = [state["exit_code"] for state in context.pod_after["terminated"].values()]
    if context.pod_after["phase"] == "Failed" or len(codes) < len(seen) or any(codes):
        raise Undecided(
            "PodFailed", f"both outputs are complete, but the pod is {context.pod_after['phase']} ({codes})"
        )
    if write.get("left"):
        return Decision(FAIL, f"{write['left']} objects of the run stay in /dev/shm")
    return Decision(PASS, f"the pod succeeded, both nonces and the sentence crossed, nothing stays ({where})")


def _waited_beside(posted_at: t.Any, reader: t.Mapping[str, t.Any]) -> bool:
    """Whether the reader still waited for some time after the writer had posted (one clock: CLOCK_BOOTTIME)."""
    ended = reader.get("wait_ended_ns")
    return isinstance(posted_at, int) and isinstance(ended, int) and ended - posted_at >= _POSTED_BEFORE_NS


def _survived(fill: Observation, context: Context) -> str:
    """What became of pod and writer, if not all went well."""
    if context.pod_after.get("phase") != "Running":
        return f"the pod is {context.pod_after.get('phase')} {context.pod_after.get('reason') or ''}".rstrip()
    stopped = str(_told(fill, "stopped_by"))
    if stopped.startswith("signal:"):
        return f"the writer was killed by {stopped} after {_told(fill, 'written_bytes')} bytes"
    return ""


def _enforced(seen: Observations, context: Context, size: int, shown: str) -> Decision:
    """The verdict on a size that statvfs shows as expected: do real writes end there?"""
    fill = seen.get("fill")
    if fill is None:
        return Decision(WARN, f"{shown}, measured by statvfs only: fill is off")
    trouble = _survived(fill, context)
    if trouble:
        return Decision(FAIL, f"{shown}, but {trouble}")
    written, stopped, free = (_told(fill, name) for name in ("written_bytes", "stopped_by", "available_bytes"))
    if not _told(fill, "verified"):
        return Decision(FAIL, f"{shown}, but what was written is not what is read back")
    if stopped == "max" and context.settings.max_write_bytes < size:
        return Decision(WARN, f"{shown}, {written} bytes written; the option max_write kept from filling it")
    if stopped != "ENOSPC":
        return Decision(FAIL, f"{shown}, but writing stopped after {written} bytes by {stopped}, not by ENOSPC")
    if written != free:
        return Decision(FAIL, f"{shown}, {free} free, but ENOSPC after {written} bytes")
    return Decision(PASS, f"{shown}, ENOSPC after {written} bytes")


def _shown(identity: t.Mapping[str, t.Any]) -> str:
    return f"{identity.get('size_bytes')} bytes ({identity.get('mount_fs', 'no mount')})"


def _size(identity: Observation) -> int:
    size = identity.facts.get("size_bytes")
    if not isinstance(size, int):
        raise Undecided("ProbeError", f"the size of /dev/shm could not be measured ({_failed(identity)})")
    return size


def _shm_size_default(seen: Observations, context: Context) -> Decision:
    who = seen["who_first"]
    if who.facts.get("exists") is False:
        return Decision(FAIL, "there is no /dev/shm")
    size = _size(who)
    runtime = f"set by {context.node.runtime} on node {context.node.name}"
    if size != context.settings.default_size_bytes:
        return Decision(FAIL, f"{_shown(who.facts)}, {runtime}")
    return _enforced(seen, context, size, _shown(who.facts))


def _page_rounded(size: int, page: object) -> int:
    page_bytes = page if isinstance(page, int) and page > 0 else 4096
    return -(-size // page_bytes) * page_bytes


def _shm_size_memory(seen: Observations, context: Context) -> Decision:
    who = seen["who_memory"]
    size = _size(who)
    limits = {
        "node allocatable": context.node.allocatable_memory_bytes,
        "pod memory limit": context.pod.memory_limit_bytes,
    }
    source = min(limits, key=lambda name: limits[name])
    wanted = _page_rounded(limits[source], who.facts.get("page_bytes"))
    if size != wanted:
        return Decision(FAIL, f"{_shown(who.facts)}, not {wanted} ({source})")
    shown = f"{_shown(who.facts)} = {source}"
    fill = seen.get("fill")
    if fill is None:
        return Decision(WARN, f"{shown}, measured by statvfs only: fill is off")
    trouble = _survived(fill, context)
    if trouble:
        return Decision(FAIL, f"{shown}, but {trouble}")
    written = _told(fill, "written_bytes")
    if not _told(fill, "verified"):
        return Decision(FAIL, f"{shown}, but what was written is not what is read back")
    if written > context.settings.default_size_bytes:
        return Decision(PASS, f"{shown}, {written} bytes written")
    if _told(fill, "stopped_by") == "max":
        return Decision(WARN, f"{shown}, {written} bytes written; the option max_write kept from writing more")
    return Decision(FAIL, f"{shown}, but writing stopped after {written} bytes by {_told(fill, 'stopped_by')}")


def _shm_size_limit(seen: Observations, context: Context) -> Decision:
    who = seen["who_limited"]
    size = _size(who)
    wanted = _page_rounded(context.settings.size_limit_bytes, who.facts.get("page_bytes"))
    if size != wanted:
        return Decision(FAIL, f"{_shown(who.facts)}, not {wanted}")
    return _enforced(seen, context, size, _shown(who.facts))


RULES: t.Final[dict[str, Rule]] = {
    "SHM101": _sysv_shm_shared_path,
    "SHM102": _sysv_shm_private_path,
    "SHM201": _posix_shm_sem,
    "SHM301": _shm_size_default,
    "SHM302": _shm_size_memory,
    "SHM303": _shm_size_limit,
}


def worst(verdicts: t.Iterable[str]) -> str:
    """The one verdict that stands for several; none at all, or SKIP alone, is ERROR: nothing was decided."""
    seen = set(verdicts)
    if seen <= {SKIP}:
        return ERROR
    return next(verdict for verdict in ORDER if verdict in seen)
