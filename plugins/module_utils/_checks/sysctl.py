# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""IPC sysctls and limits of the kernel: SHM601 to SHM606, SHM608 (pure)."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _profiles
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.common import (
    SECCOMP,
    SYSV_LIMITS,
    ending,
    errno,
    failed,
    passed,
    premise_failed,
    require_fact,
    require_in_time,
    warned,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import (
    FIRST,
    GUEST,
    PAIR,
    SAFE,
    SAFE_POD,
    UNSAFE,
    UNSAFE_POD,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Container,
    Context,
    Decision,
    Group,
    Seen,
    Step,
    check,
    texts,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import KIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import POLICIES, Inconclusive, Reason

_APPLY_SYSCTLS: t.Final = "use a runtime that applies the sysctls of the pod (gVisor ignores them)"


def _sysctls(container: Container) -> Step:
    return Step("sysctls", container, "sysctls")


_FIRST: t.Final = _sysctls(FIRST)


@check(
    "SHM601",
    "sysctl_profile",
    group=Group.LIMITS,
    tags="sysctls postgresql oracle",
    layout=PAIR,
    steps=(_FIRST,),
    question="Are the IPC sysctls of a pod large enough for {profiles}?",
    expected="at least what the makers of these programs require; a pod has the kernel's defaults, whatever its node has",
    skips=(Reason.NOT_VISIBLE,),
)
def sysctl_profile(seen: Seen, context: Context) -> Decision:
    """The values of the pod's IPC namespace, which are not the node's."""
    settings, facts = context.settings, seen[_FIRST].facts
    required = {**{name: _profiles.PROFILES[name] for name in settings.profiles}, "minimum": settings.minimums}
    wrong, unknown = [], set()
    for profile, minimums in required.items():
        for sysctl, least in minimums.items():
            value = facts.get(sysctl.replace(".", "_"))
            if value is None:
                unknown.add(sysctl)
                continue
            found = _profiles.numbers(sysctl, value)
            wrong += [f"{text} ({profile})" for text in _profiles.unmet(sysctl, least, found)]
    if wrong:
        return failed(
            "; ".join(wrong),
            "set these sysctls in the pod (securityContext.sysctls), and allow them in the kubelet's allowedUnsafeSysctls "
            "(SHM603)",
        )
    if unknown:
        raise Inconclusive(Reason.NOT_VISIBLE, f"the container does not see {', '.join(sorted(unknown))}")
    return passed(f"enough for {texts(settings, context.sizes)['profiles']}")


_SAFE: t.Final = _sysctls(SAFE)
_FORCED: t.Final = Step("forced", SAFE, "rmid_forced", lambda i: {"key": i.key})


@check(
    "SHM602",
    "sysctl_safe",
    group=Group.LIMITS,
    tags="sysctls",
    layout=SAFE_POD,
    steps=(_SAFE, _FORCED),
    question="Does the safe sysctl kernel.shm_rmid_forced take effect in the pod?",
    expected="the value is 1, and a segment is gone at its last detach",
    skips=(*POLICIES, Reason.NOT_VISIBLE),
)
def sysctl_safe(seen: Seen, context: Context) -> Decision:
    """Every pod is free to set it."""
    value = seen[_SAFE].facts.get("kernel_shm_rmid_forced")
    survived = require_fact(seen[_FORCED], "survived")
    if value is None and not survived:
        raise Inconclusive(
            Reason.NOT_VISIBLE, "a segment is gone at its last detach, but the container does not see the sysctl"
        )
    observed = (
        f"kernel.shm_rmid_forced is {value}, a segment {'survives' if survived else 'is gone at'} its last detach"
    )
    if str(value) == "1" and not survived:
        return passed(observed)
    if str(value) == "1":
        return failed(observed, "use a runtime whose kernel applies the sysctl that it shows")
    return failed(observed, _APPLY_SYSCTLS)


_UNSAFE: t.Final = _sysctls(UNSAFE)
_OVER: t.Final = Step(
    "over",
    UNSAFE,
    "sysv_shm_create",
    lambda i: {"key": i.key, "size": i.sizes.over_shmmax, "text": i.text},
)


@check(
    "SHM603",
    "sysctl_unsafe",
    group=Group.LIMITS,
    tags="sysctls oracle",
    layout=UNSAFE_POD,
    steps=(_UNSAFE, _OVER),
    question="Does the node admit the unsafe sysctl kernel.shmmax, and does it take effect?",
    expected="the value that the pod requests, and EINVAL for a larger segment",
    skips=(Reason.SYSCTL_FORBIDDEN, *POLICIES, Reason.NOT_VISIBLE),
)
def sysctl_unsafe(seen: Seen, context: Context) -> Decision:
    """The kubelet must allow it."""
    value, wanted = seen[_UNSAFE].facts.get("kernel_shmmax"), context.sizes.shmmax
    observed = f"kernel.shmmax is {value}, the pod requests {wanted}"
    if require_fact(seen[_OVER], "attached"):
        return failed(f"{observed}, but a larger segment can be created", _APPLY_SYSCTLS)
    if value is None:
        raise Inconclusive(
            Reason.NOT_VISIBLE, "the container does not see kernel.shmmax, though a larger segment is refused"
        )
    refused = errno(seen[_OVER], "shmget")
    observed = f"{observed}, beyond it {refused}"
    if str(value) != str(wanted):
        return failed(observed, _APPLY_SYSCTLS)
    return passed(observed) if refused == "EINVAL" else failed(observed, SYSV_LIMITS)


_LIMITS: t.Final = Step("limits", FIRST, "limits")


@check(
    "SHM604",
    "limits_errno",
    group=Group.LIMITS,
    tags="sysctls oracle",
    layout=PAIR,
    steps=(_FIRST, _LIMITS),
    question="Do the IPC limits of the kernel fail with the errno that programs expect?",
    expected="EINVAL beyond shmmax, and for a segment of 0 bytes",
    skips=(Reason.NOT_VISIBLE,),
)
def limits_errno(seen: Seen, context: Context) -> Decision:
    """Programs retry with less when they meet these."""
    limits = seen[_LIMITS]
    if "shmget_over_shmmax" not in limits.facts and "shmget_zero" in limits.facts:
        raise Inconclusive(Reason.NOT_VISIBLE, "the container does not see kernel.shmmax")
    over, zero = require_fact(limits, "shmget_over_shmmax"), require_fact(limits, "shmget_zero")
    observed = ", ".join(f"{name} {value}" for name, value in sorted(limits.facts.items()))
    if over in ("EINVAL", "unlimited") and zero == "EINVAL":
        return passed(observed)
    return failed(
        observed,
        "do not rely on these limits: the kernel that this runtime gives the pod does not enforce what it shows",
    )


_HUGE: t.Final = Step("huge", FIRST, "hugepage")

#: What a fact of the step says of a size of huge pages: C(map_2048kB).
_OF_A_SIZE: t.Final = re.compile(r"(?:total|free|overcommit|map|shmget)_([0-9]+)kB")

#: The facts of what the kernel does where a program names no size. It is tried where no size is visible.
_DEFAULT: t.Final = "default"


@check(
    "SHM605",
    "huge_pages",
    group=Group.LIMITS,
    tags="postgresql oracle",
    layout=PAIR,
    steps=(_FIRST, _HUGE),
    question="Does a huge page that the pod has no limit for kill the process, like a full /dev/shm would?",
    expected="no huge pages of any size on the node, or a mapping and a System V segment that fail cleanly",
)
def huge_pages(seen: Seen, context: Context) -> Decision:
    """A Bus error that looks like a full /dev/shm, and is not."""
    huge = seen[_HUGE]
    require_in_time(huge)
    sizes = sorted({int(match[1]) for name in huge.facts if (match := _OF_A_SIZE.fullmatch(name))})
    ends = {
        size: {call: str(require_fact(huge, f"{call}_{size}")) for call in ("map", "shmget")}
        for size in [f"{kib}kB" for kib in sizes] or [_DEFAULT]
    }
    words = [
        f"{_pool(huge, size)}mmap {ending(end['map'])}, shmget {ending(end['shmget'])}" for size, end in ends.items()
    ]
    group = seen[_FIRST].facts.get("vm_hugetlb_shm_group", "not visible")
    observed = f"{'; '.join(words)} (vm.hugetlb_shm_group {group})"
    found = {end for both in ends.values() for end in both.values()}
    if "signal:7" in found:
        return warned(f"programs that try huge pages die of a Bus error that is not /dev/shm's: {observed}", _HUGE_FIX)
    if "deadline" in found:
        raise Inconclusive(Reason.TIMEOUT, f"a huge page was not there within step_timeout: {observed}")
    if killers := sorted(end for end in found if end.startswith("signal:")):
        raise premise_failed(
            f"{', '.join(map(ending, killers))} is no Bus error: something else killed the child; {observed}"
        )
    # a kernel without huge pages can ignore the flag: gVisor gives usual pages
    if "ok" in found and (sizes or "hugepages_total" in seen[_FIRST].facts):
        return warned(
            f"the container gets huge pages that it has no limit for: {observed}",
            "enable the hugetlb controller of the node's cgroups, so that one pod cannot use up the huge pages of others",
        )
    if "mapped" in found:
        return warned(
            f"programs can map huge pages that the container has no limit for, and can die of a Bus error: {observed}",
            _HUGE_FIX,
        )
    return passed(observed)


_HUGE_FIX: t.Final = (
    "set a limit for huge pages of that size in the container (hugepages-2Mi, hugepages-1Gi), or turn huge pages off in the "
    "program (huge_pages=off in PostgreSQL)"
)


def _pool(huge: Observation, size: str) -> str:
    """How many pages of one size the node has, in words that what was tried follows."""
    if size == _DEFAULT:
        return "default size: "
    total, free, more = (huge.facts.get(f"{name}_{size}") for name in ("total", "free", "overcommit"))
    if total is None:
        return f"pages of {size}: "
    used = f"{free} free, " if total else ""
    return f"pages of {size}: {total}, {used}{f'{more} more on demand, ' if more else ''}"


#: What a POSIX queue of default size (10 messages of 8192 bytes) is charged at least (mq_overview(7)).
_QUEUE_BYTES: t.Final = 10 * 8192

_GUEST: t.Final = _sysctls(GUEST)
# twice: while another pod of a run on the same node asks, it has all of them
_BUDGET: t.Final = Step("budget", GUEST, "msgqueue_budget")
_BUDGET_AGAIN: t.Final = Step("budget_again", GUEST, "msgqueue_budget")


@check(
    "SHM606",
    "msgqueue_budget",
    group=Group.LIMITS,
    tags="posix_mq",
    layout=PAIR,
    steps=(_GUEST, _BUDGET, _BUDGET_AGAIN),
    question="How many POSIX message queues of default size can the pod's user open?",
    expected="at least one; about nine in all, since RLIMIT_MSGQUEUE counts per user and node",
    skips=POLICIES,
)
def msgqueue_budget(seen: Seen, context: Context) -> Decision:
    """The budget is the user's on the whole node, across pods."""
    most = max((seen[step] for step in (_BUDGET, _BUDGET_AGAIN)), key=lambda one: int(require_fact(one, "queues")))
    queues, stopped = (require_fact(most, name) for name in ("queues", "stopped_by"))
    observed = f"{queues} queues, then {stopped}"
    if queues >= 1:
        return passed(observed)
    budget = seen[_GUEST].facts.get("rlimit_msgqueue")
    if stopped == "EMFILE" and isinstance(budget, int) and budget < _QUEUE_BYTES:
        return failed(
            f"{observed}: RLIMIT_MSGQUEUE is {budget} bytes, less than one of {_QUEUE_BYTES}",
            "raise the RLIMIT_MSGQUEUE that the runtime starts containers with, or use smaller queues (mq_attr)",
        )
    if stopped == "EMFILE":
        return warned(
            f"{observed}: the budget of this user on this node is used up by others",
            "run each workload as a user of its own (runAsUser), or use smaller queues (mq_attr)",
        )
    full = "raise fs.mqueue.queues_max in the pod, or remove queues that nobody uses"
    return failed(observed, full if stopped == "ENOSPC" else SECCOMP)


#: The kernel's default of RLIMIT_MEMLOCK before 5.16, and since. io_uring counts its rings against it before 5.12.
_LEAST_MEMLOCK: t.Final = 64 * KIB
#: The soft limit that systemd and POSIX programs start from; select(2) ends there.
_LEAST_NOFILE: t.Final = 1024
#: What databases and PyTorch's file_descriptor strategy ask for.
_MANY_FILES: t.Final = 65536

_RLIMITS: t.Final = Step("rlimits", FIRST, "rlimits")


@check(
    "SHM608",
    "rlimits",
    group=Group.LIMITS,
    tags="memory nccl oracle",
    layout=PAIR,
    steps=(_RLIMITS,),
    question="Are RLIMIT_MEMLOCK and RLIMIT_NOFILE of a container enough for RDMA, io_uring and shared huge pages?",
    expected="locked memory without limit, and at least 65536 open files: a pod cannot ask for more than the runtime gives",
)
def rlimits(seen: Seen, context: Context) -> Decision:
    """Containers inherit them from the runtime; CAP_IPC_LOCK lifts the first for root alone (KEP-5758)."""
    limits = {name: require_fact(seen[_RLIMITS], f"rlimit_{name}_soft") for name in ("memlock", "nofile")}
    hard = require_fact(seen[_RLIMITS], "rlimit_nofile_hard")
    observed = f"RLIMIT_MEMLOCK {limits['memlock']}, RLIMIT_NOFILE {limits['nofile']} (hard limit {hard})"
    memlock, nofile = (float("inf") if value == "unlimited" else int(value) for value in limits.values())
    if memlock < _LEAST_MEMLOCK:
        return failed(f"{observed}: less than {_LEAST_MEMLOCK} bytes can be locked", _RAISE_MEMLOCK)
    if nofile < _LEAST_NOFILE:
        return failed(f"{observed}: fewer than {_LEAST_NOFILE} files can be open", _RAISE_NOFILE)
    if memlock != float("inf"):
        return warned(f"{observed}: RDMA and shared huge pages lock more than that", _RAISE_MEMLOCK)
    if nofile < _MANY_FILES:
        return warned(f"{observed}: a program that opens many objects must raise it first", _RAISE_NOFILE)
    return passed(observed)


_RAISE_MEMLOCK: t.Final = "set LimitMEMLOCK=infinity in the systemd unit of the runtime, if RDMA or locked memory is needed; CAP_IPC_LOCK helps root only"
_RAISE_NOFILE: t.Final = (
    "raise it in the program up to the hard limit (ulimit -n), or set LimitNOFILE in the systemd unit of the runtime"
)


CHECKS: t.Final = (sysctl_profile, sysctl_safe, sysctl_unsafe, limits_errno, huge_pages, msgqueue_budget, rlimits)
