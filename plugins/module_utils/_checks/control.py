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

import collections.abc
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
    Check,
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


# ----------------------------------------------------------------------------------- the other mechanisms


def _controls(
    ids: tuple[str, str],
    name: str,
    thing: str,
    *,
    created: tuple[Step, ...],
    is_found: collections.abc.Callable[..., bool],
    looked: Step,
    calls: str,
    fix: str,
    who: tuple[Step, ...] = (),
    is_there: collections.abc.Callable[[Observation], bool] = lambda looked: bool(require_fact(looked, "found")),
) -> tuple[Check, Check]:
    """Declare both controls of a mechanism: what a container created itself it finds, what nobody created it does not.

    :param ids: of the positive and of the negative one.
    :param is_found: by the observations of the steps that create and look.
    :param looked: the step that looks for what nobody created.
    :param calls: the system calls of the mechanism, separated by blanks; the first is the one that looks.
    :param who: what the judge needs to know of the container, whatever the rule says.
    :param is_there: by the observation of the step that looked.
    """
    positive_id, negative_id = ids

    @check(
        positive_id,
        f"control_{name}",
        group=Group.CONTROL,
        layout=CONTROL,
        steps=(*created, *who),
        question=f"Does a container find the {thing} that it created itself?",
        expected="yes: there is no boundary in between",
    )
    def positive(seen: Seen, context: Context) -> Decision:
        """If this fails, the mechanism does not work in the container at all."""
        observations = [seen[step] for step in created]
        return _positive(is_found(*observations), observations, calls, fix)

    @check(
        negative_id,
        f"control_{name}_negative",
        group=Group.CONTROL,
        layout=CONTROL,
        steps=(looked,),
        question=f"Is a {thing} that nobody created not found?",
        expected="ENOENT",
    )
    def negative(seen: Seen, context: Context) -> Decision:
        """If this fails, nothing that is found proves anything."""
        first, *_others = calls.split()
        return _negative(is_there(seen[looked]), seen[looked], first, fix)

    return positive, negative


def _crossed(*observations: Observation) -> bool:
    """Whether the last step read the nonce of the one before."""
    *_before, sender, receiver = observations
    return receiver.facts.get("peer_nonce") == sender.nonce


_POST: t.Final = Step("post", ALONE, "sysv_sem_post", lambda i: {"key": i.key})
_SYSV_QUEUE: t.Final = sysv_queue(ALONE, ALONE)
_POSIX_QUEUE: t.Final = posix_queue(ALONE, ALONE)
_POSIX_SEM: t.Final = Step("same", ALONE, "control_sem", lambda i: {"name": i.name})

_OTHERS: t.Final = (
    *_controls(
        ("SHM904", "SHM905"),
        "sysv_sem",
        "System V semaphore",
        created=(Step("create", ALONE, "sysv_sem_create", lambda i: {"key": i.key, "mode": "0600"}), _POST),
        is_found=lambda create, post: bool(post.facts.get("posted")),
        looked=_POST,
        calls="semget semtimedop",
        fix=_NO_SYSV,
    ),
    *_controls(
        ("SHM906", "SHM907"),
        "sysv_msg",
        "System V message queue",
        created=_SYSV_QUEUE.steps[:3],
        is_found=_crossed,
        looked=_SYSV_QUEUE.receive,
        calls="msgget msgsnd msgrcv",
        fix=_NO_SYSV,
    ),
    *_controls(
        ("SHM908", "SHM909"),
        "posix_shm",
        "POSIX shared memory object",
        created=(put_object(ALONE), get_object(ALONE)),
        is_found=_crossed,
        looked=get_object(ALONE),
        calls="shm_open",
        fix=SECCOMP,
        who=identities(ALONE),
    ),
    *_controls(
        ("SHM910", "SHM911"),
        "posix_sem",
        "POSIX semaphore",
        created=(_POSIX_SEM,),
        is_found=lambda same: bool(same.facts.get("found")),
        looked=_POSIX_SEM,
        calls="sem_open",
        fix=SECCOMP,
        is_there=lambda same: not require_fact(same, "absent") and not _denied([same], "sem_open"),
    ),
    *_controls(
        ("SHM912", "SHM913"),
        "posix_mq",
        "POSIX message queue",
        created=_POSIX_QUEUE.steps[:3],
        is_found=_crossed,
        looked=_POSIX_QUEUE.receive,
        calls="mq_open mq_send mq_receive",
        fix=_NO_MQUEUE,
    ),
)


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


CHECKS: t.Final = (control_positive, control_negative, control_canary, *_OTHERS)
