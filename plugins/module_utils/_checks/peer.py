# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Memory handed over by a socket or reached by process, and names that two programs take: SHM217 to SHM220 (pure)."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.common import (
    ONE_VOLUME,
    RUNTIME_BUG,
    SECCOMP,
    errno,
    failed,
    failed_crossing,
    last_failed,
    passed,
    premise_failed,
    require_created_here,
    require_fact,
    require_one_user,
    require_stat_allowed,
    warned,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import (
    FIRST,
    HOLDER,
    ONE_SIDED,
    PAIR,
    SECOND,
    SHARED_PIDS,
    TAKER,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.steps import (
    drop_object,
    identities,
    put_object,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Container,
    Context,
    Decision,
    Group,
    Inputs,
    Seen,
    Step,
    check,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import POLICIES

Socket: t.TypeAlias = "t.Callable[[Inputs], str]"


@dataclasses.dataclass(frozen=True)
class _Handed:
    """A memfd that one container serves at a unix socket, and the other one takes."""

    serve: Step
    take: Step
    drop: Step

    @property
    def steps(self) -> tuple[Step, ...]:
        """In order."""
        return self.serve, self.take, self.drop


def _handed(server: Container, taker: Container, socket: Socket, suffix: str = "", reach: bool = False) -> _Handed:
    """A memfd of one container for another.

    :param socket: where they meet.
    :param reach: the taker also reaches for the same by the server's process.
    """
    return _Handed(
        Step(f"serve{suffix}", server, "peer_serve", lambda i: {"socket": socket(i), "text": i.text}),
        Step(f"take{suffix}", taker, "peer_take", lambda i: {"socket": socket(i), **({"reach": 1} if reach else {})}),
        Step(f"drop{suffix}", server, "peer_drop", lambda i: {"socket": socket(i)}),
    )


def _abstract(inputs: Inputs) -> str:
    """A socket of the pod's network namespace, which needs no volume."""
    return f"@{inputs.file}"


def _require_served(serve: Observation) -> None:
    """Raise Inconclusive if the first container serves nothing."""
    if not require_fact(serve, "made"):
        raise premise_failed(f"the first container cannot serve a memfd ({last_failed(serve)})")


# ------------------------------------------------------------------------------------- by a unix socket

_WHO: t.Final = identities(FIRST, SECOND)
# volumes at the same path in both, one each, and one for both
_APART: t.Final = _handed(FIRST, SECOND, lambda i: f"/own/{i.file}", "_apart")
_TOGETHER: t.Final = _handed(FIRST, SECOND, lambda i: f"/shared/{i.file}")

_ONE_FOLDER: t.Final = (
    "mount one emptyDir in both containers where the programs look for the socket (XDG_RUNTIME_DIR of Wayland and "
    "PulseAudio, /tmp/.X11-unix), and use a runtime whose volumes carry sockets"
)


@check(
    "SHM217",
    "memfd_by_socket",
    group=Group.POSIX,
    tags="desktop",
    layout=PAIR,
    steps=(*_WHO, *_APART.steps, *_TOGETHER.steps),
    question="Does a memfd cross to the other container through a unix socket on a volume that both mount?",
    expected="each side reads the other's nonce, and the sentence; on volumes of their own there is no socket to connect to",
)
def memfd_by_socket(seen: Seen, context: Context) -> Decision:
    """Wayland, PulseAudio and X11 (ShmAttachFd) share memory like this, without a name in /dev/shm."""
    require_one_user(seen, *_WHO)
    for handed in (_APART, _TOGETHER):
        _require_served(seen[handed.serve])
    apart, serve, take, drop = (seen[one] for one in (_APART.take, *_TOGETHER.steps))
    if require_fact(apart, "found"):
        return failed(
            "the socket on the first container's own volume is found in the second, too",
            "find what mounts one volume for two: a policy, or the runtime",
        )
    if not require_fact(take, "found"):
        return failed(f"the second container does not reach the socket ({last_failed(take)})", _ONE_FOLDER)
    if not require_fact(take, "passed"):
        return failed(f"no descriptor comes through the socket ({last_failed(take)})", SECCOMP)
    crossing = failed_crossing(serve, take, "from the memfd", RUNTIME_BUG)
    if crossing:
        return crossing
    if require_fact(drop, "reply_nonce") != take.nonce:
        return failed("the first container does not read the second's reply in the memfd", RUNTIME_BUG)
    return passed(f"both nonces and the sentence crossed; on volumes of their own {last_failed(apart)}")


# ----------------------------------------------------------------------------------------- by process

#: A way to what a process has: in words, the fact with the nonce that was read, and the system calls on the way.
_WAYS: t.Final = (
    ("process_vm_readv", "vm_nonce", ("process_vm_readv",)),
    ("pidfd_getfd", "pidfd_nonce", ("pidfd_open", "pidfd_getfd")),
    ("/proc/PID/fd", "file_nonce", ("open",)),
)


@dataclasses.dataclass(frozen=True)
class _Reached:
    """What a container reaches of a process of its peer.

    :param pid: the peer's process id as the container sees it; 0 if it has none there.
    :param open: the ways that lead to the peer's nonce.
    :param refused: those that do not, each with what refused it.
    """

    pid: int
    open: tuple[str, ...]
    refused: tuple[str, ...]


def _refused_by(take: Observation, calls: tuple[str, ...]) -> str:
    """Which call failed, and what refused it: of its own process only a filter of system calls refuses one."""
    for call in calls:
        number = errno(take, call)
        if number and errno(take, f"{call}_self"):
            return f"{call}: {number}, also of its own process: seccomp, or a kernel without it"
        if number:
            return f"{call}: {number}"
    return "reads something else"


def _require_reached(seen: Seen, handed: _Handed) -> _Reached:
    """Return what is reached.

    :raises Inconclusive: nothing was tried.
    """
    serve, take = seen[handed.serve], seen[handed.take]
    _require_served(serve)
    if not require_fact(take, "found") or not require_fact(take, "passed"):
        raise premise_failed(f"the second container does not meet the first one's process ({last_failed(take)})")
    if require_fact(take, "peer_nonce") != serve.nonce:
        raise premise_failed("what answers is not the first container's process")
    pid = require_fact(take, "peer_pid")
    found = [(name, take.facts.get(fact) == serve.nonce, calls) for name, fact, calls in _WAYS]
    return _Reached(
        pid,
        tuple(name for name, reached, _calls in found if reached),
        tuple(f"{name} ({_refused_by(take, calls)})" for name, reached, calls in found if not reached),
    )


def _guards(seen: Seen, handed: _Handed) -> str:
    """What the kernel looks at, in words."""
    scope = seen[handed.take].facts.get("ptrace_scope")
    dumpable = seen[handed.serve].facts.get("dumpable")
    return f"kernel.yama.ptrace_scope {'absent' if scope is None else scope}, the peer's dumpable {dumpable}"


_SHARED_WHO: t.Final = identities(HOLDER, TAKER)
_SHARED: t.Final = _handed(HOLDER, TAKER, _abstract, reach=True)


@check(
    "SHM218",
    "peer_process",
    group=Group.POSIX,
    tags="ucx nccl",
    layout=SHARED_PIDS,
    steps=(*_SHARED_WHO, *_SHARED.steps),
    question="With shareProcessNamespace: does a container reach memory and files of its peer by process?",
    expected="process_vm_readv, pidfd_getfd and /proc/PID/fd each lead to the peer's nonce",
    skips=POLICIES,
)
def peer_process(seen: Seen, context: Context) -> Decision:
    """What UCX (cma, posix) and CUDA VMM need beside a common /dev/shm."""
    require_one_user(seen, *_SHARED_WHO)
    reached = _require_reached(seen, _SHARED)
    if not reached.pid:
        return failed(
            "the peer's process has no id here: shareProcessNamespace has no effect",
            "use a RuntimeClass that honours shareProcessNamespace",
        )
    if not reached.refused:
        return passed(f"{', '.join(reached.open)} read the peer's nonce ({_guards(seen, _SHARED)})")
    observed = f"refused: {'; '.join(reached.refused)}; {_guards(seen, _SHARED)}"
    if not reached.open:
        return failed(
            observed,
            "allow ptrace between processes of one user: the seccomp profile and the security module of the pod, hidepid",
        )
    return warned(
        f"{observed}; {', '.join(reached.open)} read the peer's nonce",
        "where seccomp refuses, allow the call in the profile; where kernel.yama.ptrace_scope is 1 or more, let the peer "
        "call prctl(PR_SET_PTRACER), or set it to 0 on the node; or have programs do without (UCX_TLS=^cma)",
    )


_APART_WHO: t.Final = identities(FIRST, SECOND)
_PIDS_APART: t.Final = _handed(FIRST, SECOND, _abstract, reach=True)


@check(
    "SHM219",
    "peer_process_apart",
    group=Group.POSIX,
    tags="ucx nccl",
    layout=PAIR,
    steps=(*_APART_WHO, *_PIDS_APART.steps),
    question="Without shareProcessNamespace: is a process of the other container out of reach?",
    expected="it has no id here, so that no call can name it, though both meet at a socket",
)
def peer_process_apart(seen: Seen, context: Context) -> Decision:
    """A trap that a PASS confirms: UCX cma, UCX posix (by /proc/PID/fd) and CUDA VMM fail between these containers."""
    require_one_user(seen, *_APART_WHO)
    reached = _require_reached(seen, _PIDS_APART)
    if reached.pid:
        ways = ", ".join(reached.open) or "nothing"
        return failed(
            f"the peer's process is {reached.pid} here, though the pod does not request it; {ways} read its nonce",
            "find what sets shareProcessNamespace or hostPID: a policy, or the runtime",
        )
    return passed("the peer's process has no id here; the socket that names it is reached")


# ----------------------------------------------------------------------------------------- fixed names

_PUT: t.Final = put_object(FIRST)
_PUT_SECOND: t.Final = put_object(SECOND, "put_second")
_PUT_APART: t.Final = put_object(ONE_SIDED, "put_apart")


@check(
    "SHM220",
    "fixed_name",
    group=Group.POSIX,
    tags="posix_shm envoy",
    layout=PAIR,
    steps=(_PUT, _PUT_SECOND, _PUT_APART, drop_object(FIRST), drop_object(ONE_SIDED, "drop_apart")),
    question="Do two programs of a pod that create an object of one fixed name collide?",
    expected="yes (EEXIST) on the common /dev/shm; no where one has a volume of its own there",
)
def fixed_name(seen: Seen, context: Context) -> Decision:
    """What sharing costs: two Envoys of one pod need --base-id."""
    put, second, apart = seen[_PUT], seen[_PUT_SECOND], seen[_PUT_APART]
    require_stat_allowed(put, second, apart)
    require_created_here(put, "made", "object")
    if not put.facts["made"]:
        raise premise_failed(f"the first container cannot create an object ({last_failed(put)})")
    if require_fact(second, "made"):
        return failed(
            "the second container creates an object of the same name: there is no common /dev/shm", ONE_VOLUME
        )
    if errno(second, "shm_open") != "EEXIST":
        raise premise_failed(f"the second container cannot create anything ({last_failed(second)})")
    if require_fact(apart, "made"):
        return passed("the second program gets shm_open: EEXIST; with a volume of its own on /dev/shm it does not")
    if errno(apart, "shm_open") == "EEXIST":
        return failed(
            "the name is taken also in a container with a volume of its own on /dev/shm",
            "give each program a name of its own (Envoy: --base-id): the runtime does not keep volumes on /dev/shm apart",
        )
    raise premise_failed(f"the container with a volume of its own cannot create an object ({last_failed(apart)})")


CHECKS: t.Final = (memfd_by_socket, peer_process, peer_process_apart, fixed_name)
