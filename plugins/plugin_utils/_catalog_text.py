# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The catalog for people: its checks with their texts filled in, and as lines for the terminal (pure)."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _catalog, _plan

#: Where the page of a check is.
_PAGES: t.Final = "https://github.com/abcdesktopio/podshm/blob/main/docs/checks/{id}.md"


def entry(check: _catalog.Check) -> dict[str, t.Any]:
    """A check as a person or a program reads it, with the sizes that hold when nothing is set."""
    # no text names the run
    values = _plan.variables(_plan.Settings(), run="0")
    return {
        "id": check.id,
        "name": check.name,
        "group": check.group,
        "tags": sorted(check.tags),
        "scenario": _catalog.SCENARIOS[check.scenario].layout,
        "question": check.question.format_map(values),
        "expected": check.expected.format_map(values),
        "remedy": check.remedy,
        "skips": sorted(check.skips),
        "page": _PAGES.format(id=check.id),
    }


def entries(words: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """The checks that ids, groups and tags name; without any, all of them and the controls.

    :raises ValueError: a word names nothing.
    """
    return [entry(check) for check in (*_catalog.select(words), *(() if words else _catalog.CONTROLS))]


def lines(listed: t.Sequence[dict[str, t.Any]], verbose: bool) -> list[str]:
    """A line for each check, and the tags; with C(verbose) also its pods, what is expected, the remedy and its page."""
    width = max(len(one["group"]) for one in listed)
    told = []
    for one in listed:
        told.append(f"{one['id']}  {one['group'].ljust(width)}  {one['question']}")
        if verbose:
            told.append(f"  tags      {', '.join(one['tags']) or '-'}")
            told += [f"  {part:9} {one[part]}" for part in ("scenario", "expected", "remedy", "page")]
            told.append("")
    return [*told, *([] if verbose else [""]), f"Tags: {', '.join(sorted(_catalog.TAGS))}"]
