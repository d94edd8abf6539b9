# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Checks whose answers are known: SHM9xx (pure). Every run has them, and the verdicts of the others depend on them."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.common import (
    SYSV_LIMITS,
    failed,
    failed_segment,
    first_failed,
    passed,
    require_fact,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import FIRST, PAIR, SECOND
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.steps import identities, segment
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

_SAME: t.Final = Step("same", FIRST, "control_same", lambda i: {"key": i.key})


@check(
    "SHM901",
    "control_positive",
    group=Group.CONTROL,
    layout=PAIR,
    steps=(_SAME,),
    question="Does a process find the segment that its own parent created?",
    expected="yes: there is no boundary in between",
)
def control_positive(seen: Seen, context: Context) -> Decision:
    """If this fails, System V memory does not work in the container at all."""
    if require_fact(seen[_SAME], "positive"):
        return passed("found")
    return failed(f"not found ({first_failed(seen[_SAME])})", SYSV_LIMITS)


@check(
    "SHM902",
    "control_negative",
    group=Group.CONTROL,
    layout=PAIR,
    steps=(_SAME,),
    question="Is a segment that nobody created not found?",
    expected="ENOENT",
)
def control_negative(seen: Seen, context: Context) -> Decision:
    """If this fails, nothing that is found proves anything."""
    if require_fact(seen[_SAME], "negative"):
        return passed("not found")
    return failed(
        "a segment that nobody created is found", "report this with the evidence: the probe finds what does not exist"
    )


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
    layout=PAIR,
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


CHECKS: t.Final = (control_positive, control_negative, control_canary)
