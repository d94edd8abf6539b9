# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""How large /dev/shm is, whether that is the real limit, and whom it costs memory: SHM3xx (pure)."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import features
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.common import (
    HONOURED_SIZE,
    NO_USER_NAMESPACES,
    SET_FILL,
    SIZED_VOLUME,
    ending,
    enforced,
    errno,
    failed,
    failed_kept_object,
    failed_medium,
    failed_size,
    failed_writing,
    fix_of_other_end,
    in_own_user_namespace,
    killed,
    last_failed,
    passed,
    premise_failed,
    require_fact,
    require_fill,
    require_in_time,
    require_one_user,
    require_size,
    require_stat_allowed,
    require_within,
    require_writable,
    shown,
    warned,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import (
    BARE,
    CLIPPED,
    DISK,
    FELLOW,
    FIRST,
    FS_GROUP,
    GROUP,
    GROUPED,
    ONE,
    ONE_SIDED,
    OWN_USERS,
    PAIR,
    READ_ONLY,
    SECOND,
    SIZED,
    SUB_PATH,
    SWAPPABLE,
    TIGHT,
    TIGHT_POD,
    UNDECLARED,
    UNSIZED,
    VOLUMES,
    ZERO,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.steps import (
    drop_object,
    fill,
    get_object,
    identities,
    identity,
    put_object,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    MEMORY_FILE_SYSTEMS,
    SHM,
    Action,
    Container,
    Context,
    Decision,
    Group,
    Seen,
    Step,
    check,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import parse_bytes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import POLICIES, Inconclusive, Reason

# ------------------------------------------------------------------------------------- the three sizes

_FIRST: t.Final = identity(FIRST)
_FILL_DEFAULT: t.Final = fill(FIRST, lambda sizes: sizes.fill_default)
_SIZE_IT: t.Final = "mount an emptyDir of medium Memory with a sizeLimit on /dev/shm in every container"
_PROVIDE_SHM: t.Final = (
    "use a runtime that mounts /dev/shm, or mount an emptyDir of medium Memory on it in every container"
)


@check(
    "SHM301",
    "shm_size_default",
    group=Group.RESIZE,
    tags="basic size postgresql nccl chrome ros2",
    layout=PAIR,
    steps=(_FIRST, _FILL_DEFAULT),
    question="How large is /dev/shm when nobody sizes it, and is that the real limit?",
    expected="{default_size} bytes, ENOSPC after exactly that many",
)
def shm_size_default(seen: Seen, context: Context) -> Decision:
    """The 64 MB that podshmtest found."""
    who = seen[_FIRST]
    require_stat_allowed(who)
    if who.facts.get("exists") is False:
        return failed("there is no /dev/shm", _PROVIDE_SHM)
    size = require_size(who)
    wrong = failed_medium(who, _PROVIDE_SHM)
    if wrong:
        return wrong
    if size != context.sizes.default_size:
        runtime = f"set by {context.node.runtime} on node {context.node.name}"
        intended = "if this default is intended, set the option default_size to it"
        return failed(f"{shown(who)}, {runtime}", f"{_SIZE_IT}; {intended}")
    return enforced(seen, _FILL_DEFAULT, context, size, shown(who), _SIZE_IT)


def _failed_bound(
    who: Observation, context: Context, container: Container, fix: str = SIZED_VOLUME
) -> tuple[Decision | None, str]:
    """The FAIL of a volume without a sizeLimit that is no memory of the size that bounds it, or nothing; and what does, in words."""
    wrong = failed_medium(who)
    if wrong:
        return wrong, ""
    wanted, source = context.volume_bound(container, require_size(who))
    return failed_size(who, wanted, source, fix), source


def _require_unsized(context: Context, container: Container) -> None:
    """Raise Inconclusive (AdmissionDenied) if the cluster gave the volume a sizeLimit: there is none without one."""
    mounted = {mount.volume.name for mount in container.mounts}
    for volume in context.pod_of(container).spec["volumes"]:
        size_limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if volume["name"] in mounted and parse_bytes(size_limit or 0):
            raise Inconclusive(Reason.ADMISSION_DENIED, f"the cluster gives the volume a sizeLimit of {size_limit}")


_UNSIZED: t.Final = identity(UNSIZED)
_FILL_UNSIZED: t.Final = fill(UNSIZED, lambda sizes: sizes.fill_memory)


@check(
    "SHM302",
    "shm_size_memory",
    group=Group.RESIZE,
    tags="basic size",
    layout=PAIR,
    steps=(_UNSIZED, _FILL_UNSIZED),
    question="Does an emptyDir of medium Memory without sizeLimit grow /dev/shm to what Kubernetes promises?",
    expected="min(node allocatable memory, pod memory limit), page-rounded, and {fill_memory} bytes can be written",
    skips=POLICIES,
)
def shm_size_memory(seen: Seen, context: Context) -> Decision:
    """KEP-1967, Kubernetes 1.22."""
    who = seen[_UNSIZED]
    _require_unsized(context, UNSIZED)
    wrong, source = _failed_bound(who, context, UNSIZED)
    if wrong:
        return wrong
    size = f"{shown(who)} = {source}"
    if not context.settings.fill:
        return warned(f"{size}, measured by statvfs only: fill is off", SET_FILL)
    written_out = seen[_FILL_UNSIZED]
    wrong = failed_writing(written_out, context, UNSIZED, size)
    if wrong:
        return wrong
    written, stopped = require_fact(written_out, "written_bytes"), require_fact(written_out, "stopped_by")
    more = written > context.sizes.default_size
    if stopped == "max" and not more:
        return warned(
            f"{size}, {written} bytes written; max_write ended the writing",
            "raise the option max_write above default_size to measure with real writes that the volume is larger",
        )
    if more and (stopped == "max" or (stopped == "ENOSPC" and written == require_size(who))):
        return passed(f"{size}, {written} bytes written")
    fix = HONOURED_SIZE if stopped == "ENOSPC" else fix_of_other_end(stopped)
    return failed(f"{size}, but writing stopped after {written} bytes by {stopped}", fix)


_SIZED: t.Final = identity(SIZED)
_FILL_SIZED: t.Final = fill(SIZED, lambda sizes: sizes.fill_limit)


@check(
    "SHM303",
    "shm_size_limit",
    group=Group.RESIZE,
    tags="basic size postgresql nccl chrome",
    layout=PAIR,
    steps=(_SIZED, _FILL_SIZED),
    question="Does sizeLimit {size_limit_text} on /dev/shm hold: that size, enforced, without eviction or OOM kill?",
    expected="{size_limit_paged} bytes, ENOSPC after exactly that many, the pod keeps running",
)
def shm_size_limit(seen: Seen, context: Context) -> Decision:
    """The growth of podshmtest, with sizeLimit 512Mi."""
    who = seen[_SIZED]
    wrong = failed_medium(who) or failed_size(who, context.sizes.size_limit, "sizeLimit")
    return wrong or enforced(seen, _FILL_SIZED, context, require_size(who), shown(who))


# ------------------------------------------------------------------------------------- frequent mistakes

_BARE: t.Final = identity(BARE)


@check(
    "SHM304",
    "shm_limit_undeclared",
    group=Group.RESIZE,
    tags="size",
    layout=UNDECLARED,
    steps=(_BARE,),
    question="How large is a volume of medium Memory if a container declares no memory limit?",
    expected="the node's allocatable memory, page-rounded: nothing else bounds it",
    skips=(Reason.QUOTA_EXCEEDED, Reason.LIMIT_RANGE, *POLICIES, Reason.NODE_UNKNOWN),
)
def shm_limit_undeclared(seen: Seen, context: Context) -> Decision:
    """One container without a limit, and the pod has none."""
    who = seen[_BARE]
    _require_unsized(context, BARE)
    wrong, source = _failed_bound(who, context, BARE)
    if wrong:
        return wrong
    size = f"{shown(who)} = {source}"
    if context.memory_limit(BARE) is not None:
        raise Inconclusive(Reason.LIMIT_RANGE, f"{size}: the cluster gives the container a limit")
    return passed(f"{size}: one undeclared limit opens the whole node")


_CLIPPED: t.Final = identity(CLIPPED)


@check(
    "SHM305",
    "shm_limit_clipped",
    group=Group.RESIZE,
    tags="size",
    layout=VOLUMES,
    steps=(_CLIPPED,),
    question="Is a sizeLimit beyond the pod's memory limit clipped to it?",
    expected="the pod's memory limit, page-rounded, not the sizeLimit",
)
def shm_limit_clipped(seen: Seen, context: Context) -> Decision:
    """Kubernetes clips silently: the manifest shows a size that the pod does not get."""
    who = seen[_CLIPPED]
    wrong = failed_medium(who)
    if wrong:
        return wrong
    (bound, source), size_limit = context.volume_bound(CLIPPED, require_size(who)), context.sizes.too_much
    wrong = failed_size(who, *min((bound, source), (size_limit, "sizeLimit")))
    if wrong:
        return wrong
    if size_limit <= bound:
        return warned(
            f"not tried: {shown(who)} = sizeLimit, and the {source} is not less: {bound}",
            "run in a namespace whose admission does not raise the memory limit of pods",
        )
    return passed(f"{shown(who)} = {source}")


_ZERO: t.Final = identity(ZERO)


@check(
    "SHM306",
    "shm_limit_zero",
    group=Group.RESIZE,
    tags="size",
    layout=VOLUMES,
    steps=(_ZERO,),
    question="Does sizeLimit 0 mean no sizeLimit?",
    expected="the pod's memory limit, page-rounded, as without a sizeLimit",
)
def shm_limit_zero(seen: Seen, context: Context) -> Decision:
    """A template that renders 0 does not get a /dev/shm of size 0."""
    who = seen[_ZERO]
    wrong, source = _failed_bound(
        who, context, ZERO, "leave sizeLimit out instead of setting it to 0, or " + SIZED_VOLUME
    )
    return wrong or passed(f"{shown(who)} = {source}")


_DISK: t.Final = identity(DISK)


@check(
    "SHM307",
    "shm_wrong_medium",
    group=Group.RESIZE,
    tags="size",
    layout=VOLUMES,
    steps=(_DISK,),
    question="Is an emptyDir without medium Memory on /dev/shm what it must be: the node's disk?",
    expected="a file system that is not tmpfs: shm_open works, at the speed of a disk",
    skips=(Reason.NOT_VISIBLE,),
)
def shm_wrong_medium(seen: Seen, context: Context) -> Decision:
    """A forgotten medium."""
    file_system = require_fact(seen[_DISK], "mount_fs")
    if file_system in ("tmpfs", "ramfs", "hugetlbfs"):
        return failed(
            f"an emptyDir without medium Memory is {file_system}",
            "find what puts memory there: the runtime, or a kubelet whose root directory is in memory; what looks like disk "
            "counts as memory",
        )
    if file_system in MEMORY_FILE_SYSTEMS:
        raise Inconclusive(
            Reason.NOT_VISIBLE, f"/dev/shm is {file_system}, which hides whether disk or memory is behind it"
        )
    return passed(f"/dev/shm is {file_system}, the node's disk")


# ----------------------------------------------------------------------------------- how a limit is met

_ALLOCATE: t.Final = Step("allocate", SIZED, "fallocate", lambda i: {"path": SHM, "size": i.sizes.beyond_limit})


@check(
    "SHM308",
    "shm_fallocate",
    group=Group.RESIZE,
    tags="size postgresql nccl",
    layout=PAIR,
    steps=(_SIZED, _ALLOCATE),
    question="Does fallocate beyond the sizeLimit fail with ENOSPC, and does the process live on?",
    expected="ENOSPC (NCCL 2.7 and newer, and PostgreSQL, reserve their memory so)",
)
def shm_fallocate(seen: Seen, context: Context) -> Decision:
    """The polite way to run out of memory."""
    allocate = seen[_ALLOCATE]
    require_writable(allocate)
    if require_fact(allocate, "allocated"):
        return failed(f"fallocate reserves more than {shown(seen[_SIZED])}", HONOURED_SIZE)
    code = errno(allocate, "fallocate")
    if code == "ENOSPC":
        return passed(f"fallocate: {code}")
    if code == "EOPNOTSUPP":
        return failed(f"fallocate: {code}", "set medium: Memory on the emptyDir: this file system is not tmpfs")
    return failed(f"fallocate: {code}", fix_of_other_end(code))


_ONE_SIDED: t.Final = identity(ONE_SIDED)
_TOUCH: t.Final = Step(
    "touch",
    ONE_SIDED,
    "sparse",
    lambda i: {"path": SHM, "size": i.sizes.beyond_small},
    writes=lambda sizes: sizes.small,
)


@check(
    "SHM309",
    "shm_sparse",
    group=Group.RESIZE,
    tags="size nccl chrome",
    layout=PAIR,
    steps=(_ONE_SIDED, _TOUCH),
    question="Does a sparse mapping beyond the size end in SIGBUS exactly at the size?",
    expected="SIGBUS after exactly the size of /dev/shm: the Bus error of PyTorch's data loaders",
)
def shm_sparse(seen: Seen, context: Context) -> Decision:
    """The impolite way."""
    touch = seen[_TOUCH]
    require_writable(touch)
    require_in_time(touch)
    touched, stopped = require_fact(touch, "touched_bytes"), require_fact(touch, "stopped_by")
    size = require_size(seen[_ONE_SIDED])
    require_within(size, context.sizes.small)
    observed = f"{ending(stopped)} after {touched} of {size} bytes"
    return passed(observed) if stopped == "signal:7" and touched == size else failed(observed, HONOURED_SIZE)


# ------------------------------------------------------------------------------------------ whose memory

_TIGHT: t.Final = identity(TIGHT)
_FILL_TIGHT: t.Final = fill(TIGHT, lambda sizes: sizes.fill_default, counted=False)


@check(
    "SHM310",
    "shm_memory_first",
    group=Group.RESIZE,
    tags="memory nccl",
    layout=TIGHT_POD,
    steps=(_TIGHT, _FILL_TIGHT),
    question="Is a writer whose memory limit is smaller than /dev/shm killed before ENOSPC?",
    expected="the writer is killed (OOM) before ENOSPC: the capacity is the smaller of /dev/shm and the memory limit",
    skips=(Reason.NOT_REQUESTED,),
)
def shm_memory_first(seen: Seen, context: Context) -> Decision:
    """The size that df shows is more than the memory limit lets a program use."""
    require_fill(context)
    written_out = seen[_FILL_TIGHT]
    require_writable(written_out)
    require_in_time(written_out)
    limit = context.container_limit(TIGHT)
    if limit is None:
        raise premise_failed("the cluster left the container without a memory limit")
    most = min(context.sizes.default_size, context.settings.max_write_bytes)
    if limit >= most:
        raise Inconclusive(
            Reason.NOT_REQUESTED, f"the memory limit of the container is {limit} bytes, and max_write allows {most}"
        )
    if require_fact(written_out, "stopped_by") == "OOMKilled":
        return passed(f"{killed(written_out)} with a memory limit of {limit}")
    written, stopped = require_fact(written_out, "written_bytes"), require_fact(written_out, "stopped_by")
    observed = f"{ending(stopped)} after {written} bytes with a memory limit of {limit}"
    if stopped == "signal:9" and written <= limit:
        return passed(observed)
    if stopped == "ENOSPC":
        return failed(observed, "enlarge /dev/shm if programs need it: here it ends before the memory limit (SHM301)")
    return failed(observed, "check how the runtime sets up memory cgroups: the memory limit does not hold")


_BOTH: t.Final = identities(FIRST, SECOND)
_PUT_CHARGED: t.Final = put_object(FIRST, size=lambda sizes: sizes.charge, fill=True, writes=lambda sizes: sizes.charge)
_WRITER: t.Final = identity(FIRST, "writer")
_GET_CHARGED: t.Final = get_object(SECOND)
_READER: t.Final = identity(SECOND, "reader")


@check(
    "SHM311",
    "shm_charge",
    group=Group.RESIZE,
    tags="memory",
    layout=PAIR,
    steps=(*_BOTH, _PUT_CHARGED, _WRITER, _GET_CHARGED, _READER, drop_object(FIRST)),
    question="Which container is charged for the memory written to /dev/shm?",
    expected="the writer's container is charged with all of it, the reader's with none",
    skips=(Reason.NOT_VISIBLE,),
)
def shm_charge(seen: Seen, context: Context) -> Decision:
    """The kernel charges the cgroup of the process that first touches a page."""
    require_one_user(seen, *_BOTH)
    put, get = seen[_PUT_CHARGED], seen[_GET_CHARGED]
    if not require_fact(put, "made") or not require_fact(get, "found"):
        raise premise_failed(f"the object could not be shared ({last_failed(put)}, {last_failed(get)})")
    writer = _charged(seen, context, _BOTH[0], _WRITER)
    reader = _charged(seen, context, _BOTH[1], _READER)
    size = context.sizes.charge
    observed = f"writer {writer:+}, reader {reader:+} bytes for {size} written"
    if writer >= size * 9 // 10 and reader < size // 2:
        return passed(observed)
    return failed(observed, "size memory limits by what the cgroups measure here, not by which container writes")


def _charged(seen: Seen, context: Context, before: Step, after: Step) -> int:
    """By how many bytes the memory usage of a container grew."""
    usage = [seen[step].facts.get("memory_usage_bytes") for step in (before, after)]
    known = [value for value in usage if isinstance(value, int)]
    if len(known) < len(usage):
        raise Inconclusive(Reason.NOT_VISIBLE, "the container does not see its memory cgroup")
    limit = context.container_limit(before.container)
    if limit is not None and max(known) > limit:
        raise Inconclusive(Reason.NOT_VISIBLE, "the container sees the memory cgroup of others")
    return known[1] - known[0]


_FITS: t.Final = fill(TIGHT, lambda sizes: sizes.nearly_all, "fits", counted=False, may_be_oom_killed=False)
_PUT_KEPT: t.Final = put_object(TIGHT, mode="0666", umask="0", size=lambda sizes: sizes.charge, fill=True, keep=True)
_KILL: t.Final = fill(TIGHT, lambda sizes: sizes.fill_default, "kill", counted=False)
_GET_KEPT: t.Final = get_object(TIGHT)
_AGAIN: t.Final = fill(TIGHT, lambda sizes: sizes.nearly_all, "again", counted=False)


@check(
    "SHM312",
    "shm_after_kill",
    group=Group.RESIZE,
    tags="memory restart nccl",
    layout=TIGHT_POD,
    steps=(
        Step("up", TIGHT, Action.AWAIT_RESTART),
        _FITS,
        _PUT_KEPT,
        _KILL,
        Step("restart", TIGHT, Action.RESTART),
        _GET_KEPT,
        _AGAIN,
        # it goes with the pod, unless a cluster or a runtime gave the pod the node's /dev/shm
        drop_object(TIGHT, skip_if_killed=True),
    ),
    question="After an OOM kill and a restart: is what was written into /dev/shm still there, and does it still count?",
    expected="both: the object outlives its container, and the next one is killed by writing what fitted before",
    skips=(Reason.NOT_REQUESTED,),
)
def shm_after_kill(seen: Seen, context: Context) -> Decision:
    """Why a container that was killed once is killed again and again."""
    require_fill(context)
    size, most = context.sizes.charge, context.sizes.nearly_all
    require_writable(seen[_FITS])
    for step in (_FITS, _KILL, _AGAIN):
        require_in_time(seen[step])
    stopped = require_fact(seen[_FITS], "stopped_by")
    if stopped != "max":
        raise premise_failed(f"{most} bytes do not fit before anything is left ({ending(stopped)})")
    if not killed(seen[_KILL]):
        ended = ending(require_fact(seen[_KILL], "stopped_by"))
        raise premise_failed(f"nothing was killed ({ended}): see SHM310")
    lost = failed_kept_object(
        seen,
        _PUT_KEPT,
        _GET_KEPT,
        "the container before its restart",
        "keep data elsewhere: the runtime gives each start of a container a new /dev/shm",
    )
    if lost:
        return lost
    kill = killed(seen[_AGAIN])
    observed = f"{size} bytes are there after kill and restart"
    limit = context.container_limit(TIGHT)
    if not kill and (limit is None or limit >= size + most or context.memory_limit(TIGHT) != limit):
        return warned(
            f"{observed}; whether they count is not tried: the pod got more memory than requested",
            "run in a namespace whose admission does not raise the memory limit of pods",
        )
    if not kill:
        return failed(
            f"{observed}, but no longer count: {most} more could be written",
            "do not rely on the memory limit here: it does not hold for what a killed container left in /dev/shm",
        )
    return passed(f"{observed}, and count: {kill} when {most} were to be written, which fitted before")


# -------------------------------------------------------------------------------------------- the mount


def _flags_of(container: Container, label: str) -> Step:
    """What the directory allows, tried."""
    return Step(label, container, "flags", lambda i: {"path": SHM})


_NOEXEC: t.Final = "noexec: memory of it cannot be mapped executable"


def _missing(flags: Observation, mode: str = "1777") -> dict[str, str]:
    """What /dev/shm lacks of what programs expect of it, each in words, and how to mount what has it.

    :param mode: in octal digits.
    """
    missing = {}
    if not require_fact(flags, "writable"):
        fix = "mount an emptyDir of medium Memory on /dev/shm, without readOnly"
        missing[f"not writable ({last_failed(flags)})"] = fix
    elif not require_fact(flags, "exec_map"):
        missing[_NOEXEC] = "mount an emptyDir of medium Memory on /dev/shm for programs that compile at run time"
    found = str(require_fact(flags, "dir_mode"))
    if found != mode:
        missing[f"mode {found}, not {mode}"] = "mount an emptyDir of medium Memory on /dev/shm, which has mode 1777"
    return missing


_FLAGS: t.Final = _flags_of(FIRST, "flags")


@check(
    "SHM313",
    "shm_flags",
    group=Group.RESIZE,
    tags="size chrome",
    layout=PAIR,
    steps=(_FIRST, _FLAGS),
    question="Can a program write to /dev/shm and execute from it, and is its mode the usual one?",
    expected="writable, mode 1777, and memory of it can be mapped executable",
)
def shm_flags(seen: Seen, context: Context) -> Decision:
    """Programs that compile at run time need exec."""
    flags, who = seen[_FLAGS], seen[_FIRST]
    require_stat_allowed(who)
    if who.facts.get("exists") is False:
        return failed("there is no /dev/shm", _PROVIDE_SHM)
    missing = _missing(flags)
    options = require_fact(who, "mount_options")
    if not missing:
        return passed(f"writable, executable, mode 1777 ({options})")
    fix = next(iter(missing.values()))
    if _NOEXEC in missing:
        fix += "; if the runtime hardens /dev/shm on purpose, accept it with a reason"
    return failed(f"{'; '.join(missing)} ({options})", fix)


_READ_ONLY: t.Final = identity(READ_ONLY)
_WRITE_ANYWAY: t.Final = _flags_of(READ_ONLY, "flags")


@check(
    "SHM315",
    "shm_read_only",
    group=Group.RESIZE,
    tags="size",
    layout=VOLUMES,
    steps=(_READ_ONLY, _WRITE_ANYWAY),
    question="Does a read-only mount of a volume on /dev/shm refuse writes?",
    expected="EROFS",
)
def shm_read_only(seen: Seen, context: Context) -> Decision:
    """ReadOnlyRootFilesystem does not concern /dev/shm; readOnly of the mount does."""
    flags = seen[_WRITE_ANYWAY]
    if require_fact(flags, "writable"):
        return failed(
            "a read-only mount can be written to",
            "use a runtime that honours readOnly of a volumeMount, and do not rely on it until then",
        )
    if not last_failed(flags).endswith("EROFS"):
        raise premise_failed(f"writing is refused, but not because the mount is read-only ({last_failed(flags)})")
    return passed(last_failed(flags))


_BEYOND: t.Final = Step(
    "beyond",
    ONE_SIDED,
    "beyond",
    lambda i: {"size": i.sizes.beyond_small},
    writes=lambda sizes: sizes.beyond_small,
)


@check(
    "SHM316",
    "shm_beyond",
    group=Group.RESIZE,
    tags="sysv_shm size oracle",
    layout=PAIR,
    steps=(_ONE_SIDED, _BEYOND),
    question="Are System V segments and memfd bounded by memory alone, not by /dev/shm?",
    expected="both can be larger than /dev/shm",
)
def shm_beyond(seen: Seen, context: Context) -> Decision:
    """What does not live in /dev/shm does not need a larger one."""
    beyond, size = seen[_BEYOND], require_size(seen[_ONE_SIDED])
    require_within(size, context.sizes.small)
    require_in_time(beyond)
    reached = {kind: require_fact(beyond, f"{kind}_bytes") for kind in ("sysv", "memfd")}
    observed = ", ".join(f"{kind} {value}" for kind, value in reached.items()) + f" bytes beside a /dev/shm of {size}"
    if all(value > size for value in reached.values()):
        return passed(observed)
    if reached["sysv"] <= size:
        fix = "raise kernel.shmmax and kernel.shmall in the pod (SHM603), or allow shmget in the seccomp profile"
    else:
        fix = "allow memfd_create in the seccomp profile, and raise RLIMIT_FSIZE if it is smaller"
    return failed(f"{observed} ({last_failed(beyond)})", fix)


_FELLOW: t.Final = identity(FELLOW)
_FELLOW_FLAGS: t.Final = _flags_of(FELLOW, "flags")
_SUB_PATH: t.Final = identity(SUB_PATH)
_SUB_PATH_FLAGS: t.Final = _flags_of(SUB_PATH, "sub_path_flags")


_FIND_CHANGE: t.Final = "find what mounts or changes the volume: the runtime, or a policy"


@check(
    "SHM317",
    "shm_volume_flags",
    group=Group.RESIZE,
    tags="size users",
    layout=VOLUMES,
    steps=(_FELLOW, _FELLOW_FLAGS, _SUB_PATH, _SUB_PATH_FLAGS),
    question="Does a volume on /dev/shm allow what programs expect there, also when a subPath of it is mounted?",
    expected="writable, mode 1777 with the sticky bit, and memory of it can be mapped executable, of both",
)
def shm_volume_flags(seen: Seen, context: Context) -> Decision:
    """SHM313 shows what the runtime mounts; a volume is mounted by the kubelet."""
    parts = (("the volume", _FELLOW, _FELLOW_FLAGS), ("a subPath of it", _SUB_PATH, _SUB_PATH_FLAGS))
    for what, who, _flags in parts:
        require_stat_allowed(seen[who])
        wrong = failed_medium(seen[who])
        if wrong:
            return dataclasses.replace(wrong, observed=f"{what}: {wrong.observed}")
    # the kubelet sets the bit for the group that OpenShift gives every pod of a namespace
    has_group = (context.pod_of(FELLOW).spec.get("securityContext") or {}).get("fsGroup") is not None
    mode = "3777" if has_group else "1777"
    missing = {what: _missing(seen[flags], mode) for what, _who, flags in parts}
    owners = ", ".join(f"{what} belongs to user {require_fact(seen[flags], 'dir_uid')}" for what, _who, flags in parts)
    if any(missing.values()):
        texts = [f"{what}: {text}" for what, texts in missing.items() for text in texts]
        fix = _FIND_CHANGE if missing["the volume"] else "mount the whole volume instead of a subPath of it"
        return failed(f"{'; '.join(texts)} ({owners})", fix)
    return passed(f"writable, executable, mode {mode} ({owners})")


_ONE: t.Final = identity(ONE)
_ONE_FLAGS: t.Final = _flags_of(ONE, "flags")


@check(
    "SHM318",
    "shm_flags_user_namespace",
    group=Group.RESIZE,
    tags="size user_namespace",
    layout=OWN_USERS,
    steps=(_ONE, _ONE_FLAGS),
    question="In a pod with a user namespace of its own: can a program write to /dev/shm and execute from it?",
    expected="writable, mode 1777, and memory of it can be mapped executable",
    skips=NO_USER_NAMESPACES,
    needs=features.USER_NAMESPACES,
)
def shm_flags_user_namespace(seen: Seen, context: Context) -> Decision:
    """Containerd 2.4 mounts the /dev/shm of such a pod with noexec, unlike that of any other."""
    who = seen[_ONE]
    require_stat_allowed(who)
    if who.facts.get("exists") is False:
        return failed("there is no /dev/shm", _PROVIDE_SHM)
    missing = _missing(seen[_ONE_FLAGS])
    observed = f"{'; '.join(missing) or 'writable, executable, mode 1777'} ({require_fact(who, 'mount_options')})"
    noexec = missing.pop(_NOEXEC, "")
    if missing:
        decision = failed(observed, next(iter(missing.values())))
    else:
        decision = warned(observed, noexec) if noexec else passed(observed)
    return in_own_user_namespace(context, decision, seen, _ONE)


_GROUPED: t.Final = identity(GROUPED)
_GROUPED_FLAGS: t.Final = _flags_of(GROUPED, "flags")


@check(
    "SHM319",
    "shm_volume_group",
    group=Group.RESIZE,
    tags="size users",
    layout=FS_GROUP,
    steps=(_GROUPED, _GROUPED_FLAGS),
    question="With fsGroup: does a volume on /dev/shm belong to the group, and does what is created there?",
    expected="mode 3777 (setgid and the sticky bit) and the group of the pod, also of a new file; executable",
    skips=POLICIES,
)
def shm_volume_group(seen: Seen, context: Context) -> Decision:
    """The kubelet sets the group of volumes, but no permission of what programs create there (SHM209)."""
    flags = seen[_GROUPED_FLAGS]
    require_stat_allowed(seen[_GROUPED])
    wrong = failed_medium(seen[_GROUPED])
    if wrong:
        return wrong
    fix, group = "use a kubelet that applies fsGroup to volumes of medium Memory", require_fact(flags, "dir_gid")
    missing = {text: fix if text.startswith("mode") else _FIND_CHANGE for text in _missing(flags, "3777")}
    if group != GROUP:
        missing[f"of group {group}, not {GROUP}"] = fix
    if flags.facts["writable"] and not require_fact(flags, "inherits_group"):
        missing["a new file there is not of the group"] = fix
    if missing:
        return failed("; ".join(missing), "; ".join(dict.fromkeys(missing.values())))
    return passed(f"writable, executable, mode 3777, group {group}")


_VOLUME: t.Final = identity(BARE)
_RUNTIME: t.Final = identity(SWAPPABLE)
_SWAP: t.Final = Step("swap", SWAPPABLE, "swap")


@check(
    "SHM320",
    "shm_swap",
    group=Group.RESIZE,
    tags="size memory",
    layout=UNDECLARED,
    steps=(_VOLUME, _RUNTIME, _SWAP),
    question="Where the node has swap: does what is in /dev/shm stay in memory?",
    expected="the runtime and the kubelet mount /dev/shm with noswap, or containers get no swap",
    skips=(Reason.QUOTA_EXCEEDED, Reason.LIMIT_RANGE, *POLICIES, Reason.NODE_HAS_NONE, Reason.NOT_VISIBLE),
)
def shm_swap(seen: Seen, context: Context) -> Decision:
    """Swap makes shared memory slow, and writes to a disk what was thought to be in memory alone."""
    swap = seen[_SWAP].facts
    if "swap_areas" not in swap:
        raise Inconclusive(Reason.NOT_VISIBLE, "the container does not see /proc/swaps")
    if not swap["swap_areas"]:
        raise Inconclusive(Reason.NODE_HAS_NONE, "the node has no swap", f"node {context.node.name}")
    kept = {"the runtime's own /dev/shm": _keeps(seen[_RUNTIME]), "a volume of medium Memory": _keeps(seen[_VOLUME])}
    node = f"the node has {require_fact(seen[_SWAP], 'swap_bytes')} bytes of swap"
    if all(kept.values()):
        return passed(f"{node}, but {' and '.join(kept)} are mounted with noswap")
    if context.container_limit(SWAPPABLE) is not None:
        raise Inconclusive(Reason.LIMIT_RANGE, f"{node}, but the cluster gives the container a memory limit")
    limit = swap.get("swap_limit")
    if limit == 0:
        return passed(f"{node}, but a container without a memory limit gets none of it")
    gets = (
        "whether containers get it is not visible"
        if limit is None
        else f"a container without a memory limit gets {limit}"
    )
    swapped = [what for what, stays in kept.items() if not stays]
    return warned(
        f"{node}, {gets}: {' and '.join(swapped)} can go to swap (mounted without noswap)",
        _NO_SWAP if len(swapped) == len(kept) or kept["the runtime's own /dev/shm"] else f"{_SIZE_IT}, or {_NO_SWAP}",
    )


_NO_SWAP: t.Final = (
    "set the kubelet's memorySwap.swapBehavior to NoSwap, or memory requests equal to limits (Linux 6.4 and newer can mount "
    "volumes with noswap)"
)


def _keeps(who: Observation) -> bool:
    """Whether the tmpfs on /dev/shm never goes to swap."""
    require_stat_allowed(who)
    file_system = require_fact(who, "mount_fs")
    if file_system != "tmpfs":
        raise Inconclusive(
            Reason.NOT_VISIBLE, f"/dev/shm is {file_system}, which hides whether its memory can be swapped"
        )
    return "noswap" in str(require_fact(who, "mount_super_options")).split(",")


CHECKS: t.Final = (
    shm_size_default,
    shm_size_memory,
    shm_size_limit,
    shm_limit_undeclared,
    shm_limit_clipped,
    shm_limit_zero,
    shm_wrong_medium,
    shm_fallocate,
    shm_sparse,
    shm_memory_first,
    shm_charge,
    shm_after_kill,
    shm_flags,
    shm_read_only,
    shm_beyond,
    shm_volume_flags,
    shm_flags_user_namespace,
    shm_volume_group,
    shm_swap,
)
