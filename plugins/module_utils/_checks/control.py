# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Checks whose answers are known: SHM9xx (pure). A positive and a negative one stand for each mechanism.

A run has those of the mechanisms that its checks use, in a pod of their own. A positive control FAILs where the kernel or a
seccomp profile denies the mechanism to everybody, or where what was created is not found. Where the place is at fault (a
/dev/shm that is full, a limit that is used up) the checks themselves say so: the control is WARN, and costs them nothing.

What a control creates goes with its session.
"""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.common import (
    RUNTIME_BUG,
    SECCOMP,
    SYSV_LIMITS,
    errno,
    failed,
    failed_segment,
    first_failed,
    last_failed,
    passed,
    require_fact,
    warned,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import (
    ALONE,
    CONTROL,
    FIRST,
    SECOND,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.steps import (
    get_object,
    identities,
    posix_queue,
    put_object,
    segment,
    sysv_queue,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    SENTENCE,
    Context,
    Decision,
    Group,
    Seen,
    Step,
    Verdict,
    check,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import protocol
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive

#: What a kernel without the mechanism, or a seccomp profile, answers to everybody.
_DENIED: t.Final = frozenset({"EPERM", "ENOSYS"})

_NO_SYSV: t.Final = f"use a node whose kernel has System V IPC (CONFIG_SYSVIPC), or {SECCOMP}"
_NO_MQUEUE: t.Final = f"use a node whose kernel has POSIX message queues (CONFIG_POSIX_MQUEUE), or {SECCOMP}"
_SEE_OTHERS: t.Final = "read what the checks of this mechanism say: they meet the same"
_FOUND_NOTHING: t.Final = "report this with the evidence: the probe finds what does not exist"


def _denied(observations: t.Iterable[Observation], calls: str) -> str:
    """The first of a mechanism's own system calls that is denied to everybody, in words, or nothing."""
    for observation in observations:
        for call in calls.split():
            if errno(observation, call) in _DENIED:
                return f"{call}: {errno(observation, call)}"
    return ""


def _positive(found: bool, observations: t.Sequence[Observation], calls: str, fix: str) -> Decision:
    """Decide on what a container finds of what it created itself.

    :param observations: the first is of the step that created it.
    :param calls: the system calls of the mechanism, separated by blanks.
    :param fix: where they are denied.
    """
    if found:
        return passed("found")
    if denied := _denied(observations, calls):
        return failed(f"not found ({denied})", fix)
    if not require_fact(observations[0], "made"):
        return warned(f"not tried ({first_failed(observations[0])})", _SEE_OTHERS)
    return failed(f"not found ({last_failed(observations[-1])})", RUNTIME_BUG)


def _negative(found: bool, observation: Observation, call: str, fix: str) -> Decision:
    """Decide on what a container finds of what nobody created."""
    if found:
        return failed("what nobody created is found", _FOUND_NOTHING)
    if denied := _denied([observation], call):
        return failed(f"it cannot be looked for ({denied})", fix)
    return passed(f"not found ({last_failed(observation)})")


# ------------------------------------------------------------------------------------------ System V memory

_SAME: t.Final = Step("same", ALONE, "control_same", lambda i: {"key": i.key})


@check(
    "SHM901",
    "control_positive",
    group=Group.CONTROL,
    layout=CONTROL,
    steps=(_SAME,),
    question="Does a process find the segment that its own parent created?",
    expected="yes: there is no boundary in between",
)
def control_positive(seen: Seen, context: Context) -> Decision:
    """If this fails, System V memory does not work in the container at all."""
    if require_fact(seen[_SAME], "positive"):
        return passed("found")
    denied = _denied([seen[_SAME]], "shmget shmat")
    return failed(f"not found ({first_failed(seen[_SAME])})", _NO_SYSV if denied else SYSV_LIMITS)


@check(
    "SHM902",
    "control_negative",
    group=Group.CONTROL,
    layout=CONTROL,
    steps=(_SAME,),
    question="Is a segment that nobody created not found?",
    expected="ENOENT",
)
def control_negative(seen: Seen, context: Context) -> Decision:
    """If this fails, nothing that is found proves anything."""
    same = seen[_SAME]
    if require_fact(same, "negative"):
        return passed("not found")
    if denied := _denied([same], "shmget"):
        return failed(f"it cannot be looked for ({denied})", _NO_SYSV)
    return failed("a segment that nobody created is found", _FOUND_NOTHING)


# --------------------------------------------------------------------------------- System V semaphores

_SEM: t.Final = (
    Step("create", ALONE, "sysv_sem_create", lambda i: {"key": i.key, "mode": "0600"}),
    Step("post", ALONE, "sysv_sem_post", lambda i: {"key": i.key}),
)


@check(
    "SHM904",
    "control_sysv_sem",
    group=Group.CONTROL,
    layout=CONTROL,
    steps=_SEM,
    question="Does a container find the System V semaphore that it created itself?",
    expected="yes: there is no boundary in between",
)
def control_sysv_sem(seen: Seen, context: Context) -> Decision:
    """If this fails, the mechanism does not work in the container at all."""
    observations = [seen[step] for step in _SEM]
    return _positive(bool(observations[-1].facts.get("posted")), observations, "semget semtimedop", _NO_SYSV)


_NO_SEM: t.Final = Step("post", ALONE, "sysv_sem_post", lambda i: {"key": i.key})


@check(
    "SHM905",
    "control_sysv_sem_negative",
    group=Group.CONTROL,
    layout=CONTROL,
    steps=(_NO_SEM,),
    question="Is a System V semaphore that nobody created not found?",
    expected="ENOENT",
)
def control_sysv_sem_negative(seen: Seen, context: Context) -> Decision:
    """If this fails, nothing that is found proves anything."""
    looked = seen[_NO_SEM]
    return _negative(bool(require_fact(looked, "found")), looked, "semget", _NO_SYSV)


# ----------------------------------------------------------------------------------- System V messages

_SYSV_QUEUE: t.Final = sysv_queue(ALONE, ALONE).steps[:3]


@check(
    "SHM906",
    "control_sysv_msg",
    group=Group.CONTROL,
    layout=CONTROL,
    steps=_SYSV_QUEUE,
    question="Does a container find the System V message queue that it created itself?",
    expected="yes: there is no boundary in between",
)
def control_sysv_msg(seen: Seen, context: Context) -> Decision:
    """If this fails, the mechanism does not work in the container at all."""
    observations = [seen[step] for step in _SYSV_QUEUE]
    return _positive(
        observations[-1].facts.get("peer_nonce") == observations[-2].nonce,
        observations,
        "msgget msgsnd msgrcv",
        _NO_SYSV,
    )


_NO_SYSV_QUEUE: t.Final = sysv_queue(ALONE, ALONE).receive


@check(
    "SHM907",
    "control_sysv_msg_negative",
    group=Group.CONTROL,
    layout=CONTROL,
    steps=(_NO_SYSV_QUEUE,),
    question="Is a System V message queue that nobody created not found?",
    expected="ENOENT",
)
def control_sysv_msg_negative(seen: Seen, context: Context) -> Decision:
    """If this fails, nothing that is found proves anything."""
    looked = seen[_NO_SYSV_QUEUE]
    return _negative(bool(require_fact(looked, "found")), looked, "msgget", _NO_SYSV)


# ---------------------------------------------------------------------------------------- POSIX memory

_OBJECT: t.Final = (put_object(ALONE), get_object(ALONE))


@check(
    "SHM908",
    "control_posix_shm",
    group=Group.CONTROL,
    layout=CONTROL,
    steps=_OBJECT,
    question="Does a container find the POSIX shared memory object that it created itself?",
    expected="yes: there is no boundary in between",
)
def control_posix_shm(seen: Seen, context: Context) -> Decision:
    """If this fails, the mechanism does not work in the container at all."""
    observations = [seen[step] for step in _OBJECT]
    return _positive(
        observations[1].facts.get("peer_nonce") == observations[0].nonce, observations, "shm_open", SECCOMP
    )


_NO_OBJECT: t.Final = get_object(ALONE)


@check(
    "SHM909",
    "control_posix_shm_negative",
    group=Group.CONTROL,
    layout=CONTROL,
    steps=(_NO_OBJECT,),
    question="Is a POSIX shared memory object that nobody created not found?",
    expected="ENOENT",
)
def control_posix_shm_negative(seen: Seen, context: Context) -> Decision:
    """If this fails, nothing that is found proves anything."""
    looked = seen[_NO_OBJECT]
    return _negative(bool(require_fact(looked, "found")), looked, "shm_open", SECCOMP)


# ------------------------------------------------------------------------------------ POSIX semaphores

_POSIX_SEM: t.Final = (Step("same", ALONE, "control_sem", lambda i: {"name": i.name}),)


@check(
    "SHM910",
    "control_posix_sem",
    group=Group.CONTROL,
    layout=CONTROL,
    steps=_POSIX_SEM,
    question="Does a container find the POSIX semaphore that it created itself?",
    expected="yes: there is no boundary in between",
)
def control_posix_sem(seen: Seen, context: Context) -> Decision:
    """If this fails, the mechanism does not work in the container at all."""
    observations = [seen[step] for step in _POSIX_SEM]
    return _positive(bool(observations[0].facts.get("found")), observations, "sem_open", SECCOMP)


_NO_POSIX_SEM: t.Final = _POSIX_SEM[0]


@check(
    "SHM911",
    "control_posix_sem_negative",
    group=Group.CONTROL,
    layout=CONTROL,
    steps=(_NO_POSIX_SEM,),
    question="Is a POSIX semaphore that nobody created not found?",
    expected="ENOENT",
)
def control_posix_sem_negative(seen: Seen, context: Context) -> Decision:
    """If this fails, nothing that is found proves anything."""
    looked = seen[_NO_POSIX_SEM]
    return _negative(
        not require_fact(looked, "absent") and not _denied([looked], "sem_open"), looked, "sem_open", SECCOMP
    )


# -------------------------------------------------------------------------------- POSIX message queues

_POSIX_QUEUE: t.Final = posix_queue(ALONE, ALONE).steps[:3]


@check(
    "SHM912",
    "control_posix_mq",
    group=Group.CONTROL,
    layout=CONTROL,
    steps=_POSIX_QUEUE,
    question="Does a container find the POSIX message queue that it created itself?",
    expected="yes: there is no boundary in between",
)
def control_posix_mq(seen: Seen, context: Context) -> Decision:
    """If this fails, the mechanism does not work in the container at all."""
    observations = [seen[step] for step in _POSIX_QUEUE]
    return _positive(
        observations[-1].facts.get("peer_nonce") == observations[-2].nonce,
        observations,
        "mq_open mq_send mq_receive",
        _NO_MQUEUE,
    )


_NO_POSIX_QUEUE: t.Final = posix_queue(ALONE, ALONE).receive


@check(
    "SHM913",
    "control_posix_mq_negative",
    group=Group.CONTROL,
    layout=CONTROL,
    steps=(_NO_POSIX_QUEUE,),
    question="Is a POSIX message queue that nobody created not found?",
    expected="ENOENT",
)
def control_posix_mq_negative(seen: Seen, context: Context) -> Decision:
    """If this fails, nothing that is found proves anything."""
    looked = seen[_NO_POSIX_QUEUE]
    return _negative(bool(require_fact(looked, "found")), looked, "mq_open", _NO_MQUEUE)


# ---------------------------------------------------------------------------------------------- the rules

_WHO: t.Final = identities(FIRST, SECOND)
_SEGMENT: t.Final = segment(FIRST, SECOND)


def _doctored() -> Seen:
    """Two containers that met in a segment, except that the second read another nonce."""

    def observed(step: Step, nonce: str, **facts: str | int | bool) -> tuple[str, Observation]:
        return step.label, Observation(step.name, nonce, facts, (), None)

    observations = (
        *(observed(who, "0") for who in _WHO),
        observed(_SEGMENT.create, "a", attached=True),
        observed(_SEGMENT.read, "b", found=True, peer_nonce="c", text=SENTENCE),
        observed(_SEGMENT.finish, "d", reply_nonce="b", gone=True),
    )
    return Seen((*_WHO, *_SEGMENT.steps), dict(observations))


_BUG: t.Final = "report this as a bug of podshm: it accepts evidence that it must refuse"


@check(
    "SHM903",
    "control_canary",
    group=Group.CONTROL,
    layout=CONTROL,
    question="Does a doctored observation fail?",
    expected="FAIL for a wrong nonce, undecided for a damaged output",
)
def control_canary(seen: Seen, context: Context) -> Decision:
    """A world that must FAIL, and an output that must not be read: this notices a broken rule or reader."""
    decision = failed_segment(_doctored(), _SEGMENT, *_WHO)
    verdict = decision.verdict if decision else Verdict.PASS
    try:
        protocol.parse(b'{"podshm":1}\n', "identity", "0")
    except Inconclusive:
        observed = f"a wrong nonce is {verdict}, a damaged output is not read"
        return passed(observed) if verdict is Verdict.FAIL else failed(observed, _BUG)
    return failed("a damaged output is read", _BUG)


CHECKS: t.Final = (
    control_positive,
    control_negative,
    control_canary,
    control_sysv_sem,
    control_sysv_sem_negative,
    control_sysv_msg,
    control_sysv_msg_negative,
    control_posix_shm,
    control_posix_shm_negative,
    control_posix_sem,
    control_posix_sem_negative,
    control_posix_mq,
    control_posix_mq_negative,
)
