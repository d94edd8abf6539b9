# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The catalog as text: its checks with their texts filled in, and as lines for the terminal (pure)."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import CONTROLS, select
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import TAGS, Check, Settings, Sizes, texts

#: Where the page of a check is.
PAGES: t.Final = "https://github.com/abcdesktopio/podshm/blob/main/docs/checks/{id}.md"


def entry(check: Check) -> dict[str, t.Any]:
    """A check as a person or a program reads it, with the sizes that hold when nothing is set."""
    values = texts(Settings(), Sizes.of(Settings()))
    return {
        "id": check.id,
        "name": check.name,
        "group": check.group.value,
        "tags": sorted(check.tags),
        "layout": check.layout.text,
        "question": check.question.format_map(values),
        "expected": check.expected.format_map(values),
        "skips": sorted(reason.value for reason in check.skips),
        "page": PAGES.format(id=check.id),
    }


def entries(words: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """The checks that ids, groups and tags name; without any, all of them and the controls.

    :raises ValueError: a word names nothing.
    """
    return [entry(check) for check in (*select(words), *(() if words else CONTROLS))]


def lines(listed: t.Sequence[dict[str, t.Any]], verbose: bool) -> list[str]:
    """A line for each check, and the tags; with C(verbose) also its pods, what is expected and its page."""
    width = max(len(one["group"]) for one in listed)
    listing = []
    for one in listed:
        listing.append(f"{one['id']}  {one['group'].ljust(width)}  {one['question']}")
        if verbose:
            listing.append(f"  tags      {', '.join(one['tags']) or '-'}")
            listing += [f"  {part:9} {one[part]}" for part in ("layout", "expected", "page")]
            listing.append("")
    return [*listing, *([] if verbose else [""]), f"Tags: {', '.join(sorted(TAGS))}"]
