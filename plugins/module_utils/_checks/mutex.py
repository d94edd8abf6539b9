# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Mutexes in shared memory, which know their owner by its thread id: SHM213, SHM214 (pure)."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.common import (
    RUNTIME_BUG,
    failed,
    last_failed,
    passed,
    premise_failed,
    require_fact,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import (
    FIRST,
    HOLDER,
    PAIR,
    SECOND,
    SHARED_PIDS,
    TAKER,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.steps import identities
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Container,
    Context,
    Decision,
    Group,
    Seen,
    Step,
    check,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import POLICIES

#: A thread id beyond what the processes of a container have used by then.
_THREAD: t.Final = 100


@dataclasses.dataclass(frozen=True)
class _Mutex:
    """A recursive mutex that a thread of one container holds and one of the other tries, both of one id if they can."""

    who: tuple[Step, ...]
    hold: Step
    attempt: Step
    drop: Step

    @property
    def steps(self) -> tuple[Step, ...]:
        """In order."""
        return *self.who, self.hold, self.attempt, self.drop


def _mutex(holder: Container, taker: Container) -> _Mutex:
    return _Mutex(
        identities(holder, taker),
        Step("hold", holder, "mutex_hold", lambda i: {"name": i.name, "type": "recursive", "tid": _THREAD}),
        Step("try", taker, "mutex_try", lambda i: {"name": i.name, "tid": _THREAD}),
        Step("drop", holder, "mutex_drop", lambda i: {"name": i.name}),
    )


@dataclasses.dataclass(frozen=True)
class _Attempt:
    """How the second container fared with a mutex that the first holds.

    :param one_namespace: both are in one PID namespace.
    :param granted: the second got the mutex too.
    :param text: how it went, in words.
    """

    one_namespace: bool
    granted: bool
    text: str


def _require_attempt(seen: Seen, mutex: _Mutex) -> _Attempt:
    """Return how it went.

    :raises Inconclusive: nothing was tried.
    """
    hold, attempt = seen[mutex.hold], seen[mutex.attempt]
    spaces = [require_fact(seen[who], "ns_pid") for who in mutex.who]
    if not require_fact(hold, "locked"):
        raise premise_failed(f"the first container cannot take its own mutex ({last_failed(hold)})")
    if not require_fact(attempt, "found"):
        raise premise_failed(f"the second container does not find the mutex ({last_failed(attempt)}): see SHM202")
    threads = [require_fact(observation, "tid") for observation in (hold, attempt)]
    result = require_fact(attempt, "result")
    text = f"held by thread {threads[0]}, tried by thread {threads[1]}: {'granted' if result == '0' else result}"
    one_namespace = spaces[0] == spaces[1]
    if not one_namespace and threads[0] != threads[1]:
        raise premise_failed(f"{text}: threads of unequal ids try nothing")
    return _Attempt(one_namespace, bool(attempt.facts["granted"]), text)


_PIDS_APART: t.Final = _mutex(FIRST, SECOND)


@check(
    "SHM213",
    "mutex_pids_apart",
    group=Group.POSIX,
    tags="locks ros2",
    layout=PAIR,
    steps=_PIDS_APART.steps,
    question="Does a recursive mutex in shared memory let two containers in at once?",
    expected="yes, if their thread ids are equal, which happens in separate PID namespaces: the mutex knows its owner by that id",
)
def mutex_pids_apart(seen: Seen, context: Context) -> Decision:
    """A trap that a PASS confirms."""
    attempt = _require_attempt(seen, _PIDS_APART)
    if attempt.one_namespace:
        return failed(
            f"the containers are in one PID namespace, though the pod does not request it; {attempt.text}",
            "nothing to do for the mutex, which is safe here; find what sets shareProcessNamespace: a policy, or the runtime",
        )
    return passed(attempt.text) if attempt.granted else failed(attempt.text, RUNTIME_BUG)


_PIDS_SHARED: t.Final = _mutex(HOLDER, TAKER)


@check(
    "SHM214",
    "mutex_pids_shared",
    group=Group.POSIX,
    tags="locks ros2",
    layout=SHARED_PIDS,
    steps=_PIDS_SHARED.steps,
    question="With shareProcessNamespace: does a recursive mutex in shared memory keep the second container out?",
    expected="EBUSY: in one PID namespace no two threads have one id",
    skips=POLICIES,
)
def mutex_pids_shared(seen: Seen, context: Context) -> Decision:
    """What makes such a mutex safe."""
    attempt = _require_attempt(seen, _PIDS_SHARED)
    if not attempt.one_namespace:
        return failed(
            f"the containers are in separate PID namespaces: shareProcessNamespace has no effect; {attempt.text}",
            "use a RuntimeClass that honours shareProcessNamespace",
        )
    if attempt.granted:
        return failed(attempt.text, "use semaphores, or mutexes that are not recursive: they do not record their owner")
    return passed(attempt.text)


CHECKS: t.Final = (mutex_pids_apart, mutex_pids_shared)
