# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""What results mean for programs, as lines for the terminal and for the summary (pure).

What is said of a program is said once for all clusters, nodes and RuntimeClasses of which it is true.
"""

from __future__ import annotations

import textwrap
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import memory_text
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import printable
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.meaning import (
    DEFAULT_SIZE,
    Outcome,
    manifest,
)
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _verdicts

#: What is said of a program, as a report has it.
Said: t.TypeAlias = "t.Mapping[str, t.Any]"

#: What is said in the block, in its order; C({where}) is nothing where it is true everywhere.
_PHRASES: t.Final = {
    Outcome.WORKS: "work with the default{where}",
    Outcome.HOST: "work with hostIPC{where}",
    Outcome.OPEN: "need as much as they share, a volume if that is more than the default{where}",
    Outcome.LOAD: "need a volume on /dev/shm under load{where}",
    Outcome.VOLUME: "need a volume on /dev/shm{where}",
    Outcome.PART: "work in part{where}",
    Outcome.FAILS: "do not work here{where}",
    Outcome.UNKNOWN: "cannot be said{where}",
    Outcome.NOT_MEASURED: "not measured in this run{where}",
}

#: What the block is headed.
TITLE: t.Final = "What it means for your programs"

#: How wide lines are at most.
_WIDTH: t.Final = 110

#: Of so many programs each is named of which it cannot be said.
_UNKNOWN: t.Final = 12

#: How many lines the block has at most.
_MOST: t.Final = 24


def block(reports: t.Sequence[t.Mapping[str, t.Any]], is_named: bool = False) -> list[str]:
    """The programs by what is said of them; none where the size of /dev/shm was not measured.

    :param is_named: the user named the programs: each has a line, and its manifest.
    """
    places = _places(reports)
    # without a size, almost nothing can be said of almost all
    if not is_named and not any(_is_about_size(said) for _place, programs in places for said in programs):
        return []
    found = _each(places, with_manifest=True) if is_named else _groups(places)
    if len(found) > _MOST:
        # the worst comes last
        found = [f"  {len(found) - _MOST} lines that are no worse than these: the summary has them", *found[-_MOST:]]
    return [f"{TITLE}{_default(places)}:", *found] if found else []


def _is_about_size(said: Said) -> bool:
    """Whether the size of /dev/shm was measured, or should have been."""
    return bool(said["default_size"]) or any(words.startswith(f"{DEFAULT_SIZE} ") for words in said["because"])


def every_line(reports: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """A line for each program."""
    places = _places(reports)
    found = _each(places, with_manifest=False)
    if not found:
        return []
    idle = [said["title"] for said in places[0][1] if said["outcome"] == Outcome.NOTHING]
    lines = [*found, *([f"  need no shared memory: {printable(', '.join(idle))}"] if idle else [])]
    if any(said["manifest"] for _place, programs in places for said in programs):
        lines.append(f"  a volume of SIZE, for a pod template: {manifest('SIZE')}")
    return lines


def _places(reports: t.Sequence[t.Mapping[str, t.Any]]) -> list[tuple[str, list[Said]]]:
    """Where something was decided, each place by a name that tells it from the others, with what is said there."""
    places = []
    for one in reports:
        here: dict[tuple[str, str], list[Said]] = {}
        for said in one.get("programs") or ():
            here.setdefault((said["node"], said["runtime_class"]), []).append(said)
        for (node, runtime_class), programs in here.items():
            words = [one["cluster"], *([node, runtime_class] if len(here) > 1 else [])]
            places.append((" ".join(word for word in words if word), programs))
    return places


def _where(where: t.Sequence[str], count: int) -> str:
    return f" on {_verdicts.listed(where)}" if len(where) < count else ""


def _default(places: t.Sequence[tuple[str, list[Said]]]) -> str:
    """The size of /dev/shm that nobody sized, in words."""
    sizes: dict[str, list[str]] = {}
    for place, programs in places:
        size = next((said["default_size"] for said in programs if said["default_size"]), "")
        sizes.setdefault(size, []).append(place)
    if set(sizes) == {""}:
        return ""
    parts = [f"{size or 'not known'}{_where(where, len(places))}" for size, where in sizes.items()]
    return f" (/dev/shm by default: {', '.join(parts)})"


def _each(places: t.Sequence[tuple[str, list[Said]]], with_manifest: bool) -> list[str]:
    """What is said of each program that shares memory."""
    where: dict[tuple[str, str], list[str]] = {}
    for place, programs in places:
        for said in programs:
            if said["outcome"] != Outcome.NOTHING or with_manifest:
                where.setdefault((said["words"], said["manifest"] if with_manifest else ""), []).append(place)
    lines = []
    for (words, patch), here in where.items():
        lines += [f"  {printable(words + _where(here, len(places)))}", *([f"    {printable(patch)}"] if patch else [])]
    return lines


def _groups(places: t.Sequence[tuple[str, list[Said]]]) -> list[str]:
    """Programs of which the same is said in the same places, in one line."""
    where: dict[tuple[str, str, str, str], list[str]] = {}
    for place, programs in places:
        for said in programs:
            size = f" {memory_text(said['size_bytes'])}" if said["size_bytes"] else ""
            key = (said["outcome"], f"{said['title']}{size}", ", ".join(said["because"]), said["program"])
            where.setdefault(key, []).append(place)
    lines = []
    for outcome, phrase in _PHRASES.items():
        groups: dict[tuple[str, ...], dict[str, list[str]]] = {}
        for (each, name, because, _program), here in where.items():
            if each == outcome:
                groups.setdefault(tuple(here), {}).setdefault(because, []).append(name)
        for together, names in groups.items():
            text = _listed(names)
            if outcome is Outcome.NOT_MEASURED:
                text = _counted(names, "need", "needs")
            elif outcome is Outcome.UNKNOWN and sum(map(len, names.values())) > _UNKNOWN:
                # one cause is behind them, and its finding is below
                text = f"{_counted(names, 'depend on', 'depends on')}, which were not decided"
            lines.append(f"{phrase.format(where=_where(together, len(places)))}: {text}")
        if outcome is Outcome.WORKS:
            idle = sum(said["outcome"] == Outcome.NOTHING for said in places[0][1])
            if idle:
                lines.append(f"need no shared memory: {idle} other{'' if idle == 1 else 's'}; -v names them")
    lines.append("all of this with default settings; the playbook workloads says it of your own pods and manifests")
    return [wrapped for line in lines for wrapped in _wrapped(line)]


def _listed(names: t.Mapping[str, t.Sequence[str]]) -> str:
    parts = [f"{', '.join(each)}{f' ({because})' if because else ''}" for because, each in names.items()]
    return "; ".join(parts)


def _counted(names: t.Mapping[str, t.Sequence[str]], verb: str, verb_of_one: str) -> str:
    """How many programs there are, and of which checks."""
    ids = sorted({one.partition(" ")[0] for because in names for one in because.split(", ")})
    count = sum(map(len, names.values()))
    return f"{count} program{'' if count == 1 else 's'} that {verb_of_one if count == 1 else verb} {', '.join(ids)}"


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(
        printable(line),
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
