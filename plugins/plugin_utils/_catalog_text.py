# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The catalog for people: its checks with their texts filled in, and as lines for the terminal (pure)."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _catalog, _plan


def entry(check: _catalog.Check) -> dict[str, t.Any]:
    """A check as a person or a program reads it, with the sizes that hold when nothing is set."""
    # no text names the run
    values = _plan.variables(_plan.Settings(), run="0")
    return {
        "id": check.id,
        "name": check.name,
        "group": check.group,
        "tags": sorted(check.tags),
        "question": check.question.format_map(values),
        "expected": check.expected.format_map(values),
        "remedy": check.remedy,
        "skips": sorted(check.skips),
    }


def entries(words: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """The checks that ids, groups and tags name; without any, all of them and the controls.

    :raises ValueError: a word names nothing.
    """
    return [entry(check) for check in (*_catalog.select(words), *(() if words else _catalog.CONTROLS))]


def lines(listed: t.Sequence[dict[str, t.Any]], verbose: bool) -> list[str]:
    """A line for each check; with C(verbose) also what is expected and what to do otherwise."""
    rows = [[one["id"], one["group"], ",".join(one["tags"]) or "-", one["question"]] for one in listed]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    told = []
    for one, row in zip(listed, rows, strict=True):
        told.append("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))
        if verbose:
            told += [f"  expected  {one['expected']}", f"  remedy    {one['remedy']}", ""]
    return told
