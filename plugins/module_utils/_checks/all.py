# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The catalog: every check of every family, and how words select them (pure).

AnsiballZ follows static imports only, so each family is imported by name.
"""

from __future__ import annotations

import difflib
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import (
    admission,
    control,
    isolation,
    mutex,
    peer,
    posix,
    resize,
    size,
    sysctl,
    sysv,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Check

#: In the order of their ids.
CHECKS: t.Final[tuple[Check, ...]] = tuple(
    sorted(
        (
            check
            for family in (sysv, posix, mutex, peer, size, resize, isolation, sysctl, admission)
            for check in family.CHECKS
        ),
        key=lambda check: check.id,
    )
)

#: Their answers are known. If one does not hold, nothing that depends on it is decided.
CONTROLS: t.Final[tuple[Check, ...]] = control.CHECKS


def depends_on(check: Check, control: Check) -> bool:
    """Whether the verdict of a check depends on a control: on those of its mechanisms, and on the one without steps."""
    return not control.steps or bool(check.mechanisms & control.mechanisms)


def controls_of(checks: t.Iterable[Check]) -> list[Check]:
    """The controls that the verdicts of some checks depend on."""
    asked = list(checks)
    return [control for control in CONTROLS if any(depends_on(check, control) for check in asked)]


BY_ID: t.Final[dict[str, Check]] = {check.id: check for check in CHECKS}


def select(words: t.Iterable[str]) -> list[Check]:
    """The checks of the catalog that the words name: ids, groups or tags. No word at all means every check.

    A word after C(!) leaves out what it names, of what the others name.

    :raises ValueError: a word names nothing, or no check is left.
    """
    given = list(words)
    if any(word in ("", "!") for word in given):
        raise ValueError("a word of the selection is empty; remove it, or name a check, a group or a tag")
    without = {word[1:] for word in given if word.startswith("!")}
    wanted = {word for word in given if not word.startswith("!")}
    named = {check.id: {check.id, check.group.value, *check.tags} for check in CHECKS}
    known = set().union(*named.values())
    unknown = sorted((wanted | without) - known)
    if unknown:
        raise ValueError(_unknown(unknown, known))
    found = [check for check in CHECKS if (not wanted or wanted & named[check.id]) and not without & named[check.id]]
    if not found:
        raise ValueError(f"no check is left of {', '.join(given)}")
    return found


def _unknown(words: list[str], known: set[str]) -> str:
    near = [near for word in words for near in difflib.get_close_matches(word, known, n=1)]
    hint = f"did you mean {', '.join(near)}? " if near else ""
    others = sorted(word for word in known if not word.startswith("SHM"))
    return f"there is no check, group or tag {', '.join(words)}; {hint}groups and tags are {', '.join(others)}"
