# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""Audits of workloads as lines for the terminal (pure): what is wrong, what to do, and what nobody knows."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import memory_text
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import printable
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import proof
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.kinds import FIXED
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import rounded_text
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _kustomize

PAGES: t.Final = "https://github.com/abcdesktopio/podshm/blob/main/docs/findings/{id}.md"

#: How many ill workloads are printed.
_ILL: t.Final = 20

#: How many names of workloads are listed that nothing is said of.
_NAMES: t.Final = 8

Facts: t.TypeAlias = "t.Mapping[str, t.Any]"


def lines(answer: t.Mapping[str, t.Any], verbose: bool = False, fix: str = "none") -> list[str]:
    """Everything that was audited: the ill workloads, the worst last, then how many are well or not known.

    :param answer: what the module returns.
    :param fix: what is printed of the fixes, as the option has it.
    """
    audits = answer["workloads"]
    ill = sorted((one for one in audits if one["findings"] or one["problem"] or one["proof"]), key=_badness)
    shown = ill if verbose else ill[-_ILL:]
    printed = [line for one in shown for line in _workload(one, verbose, fix)]
    if len(shown) < len(ill):
        count = len(ill) - len(shown)
        printed.insert(0, f"{count} more with findings that are no worse than these; -v prints them")
    printed += [printable(f"ERROR {problem}") for problem in answer["problems"]]
    notes = [printable(f"not looked at: {note}") for note in answer["notes"]]
    return [*printed, *([""] if printed else []), *_quiet(audits), *notes, printable(answer["msg"])]


def _badness(one: Facts) -> tuple[int, str]:
    return -Verdict(one["status"]).severity, one["workload"]


def _workload(one: Facts, verbose: bool, fix: str) -> list[str]:
    origin = f" ({one['origin']})" if one["origin"] else ""
    printed = [_line(0, f"{one['status']} {one['workload']}{origin}")]
    if one["problem"]:
        return [*printed, _line(1, one["problem"])]
    for finding in one["findings"]:
        where = f" {finding['container']}:" if finding["container"] else ""
        doubt = "" if finding["sure"] == "certain" else f" ({finding['sure']})"
        printed.append(_line(1, f"{finding['rule']} {finding['severity']}{doubt}{where} {finding['observed']}"))
        if finding["computation"]:
            printed.append(_line(2, f"size: {finding['computation']}"))
        if finding["size_bytes"]:
            printed += [_line(2, text) for text in _in_use(one, finding["container"])]
        printed.append(_line(2, f"fix: {finding['fix']}"))
    printed += [_line(2, f"or, as its pods belong to {knob}") for knob in one["knobs"]]
    if verbose or fix == "diff":
        printed += [f"    {_kept(line)}" for line in one["diff"]]
    if fix == "patch" and one["patch"]:
        printed += [f"    {_indented(line)}" for line in _kustomize.as_yaml(_kustomize.patch_of(one)).splitlines()]
    printed += [_line(1, text) for text in _dry_run(one)]
    printed += _proofs(one["proof"])
    if verbose:
        pages = dict.fromkeys(PAGES.format(id=finding["rule"]) for finding in one["findings"])
        printed += [_line(2, page) for page in pages]
    return printed


def _in_use(one: Facts, container: str) -> list[str]:
    """How much is in the volume on /dev/shm of a container, where its kubelet says it."""
    folders = [each["dev_shm"] for each in one["containers"] if each["name"] == container]
    return [
        f"in use now: {rounded_text(folder['in_use_bytes'])}"
        + (f" of {memory_text(folder['size_bytes'])}" if folder["size_bytes"] else "")
        for folder in folders
        if folder["in_use_bytes"] is not None
    ]


def _dry_run(one: Facts) -> list[str]:
    """What the cluster says of the fix."""
    words = []
    for answer in one["dry_run"]:
        if answer["outcome"] == "refused":
            words.append(f"dry run: {answer['about']} is refused: {answer['reason']}: {answer['detail']}")
        elif answer["outcome"] == "unknown":
            words.append(f"dry run: whether {answer['about']} is accepted is not known: {answer['reason']}")
        words += [f"dry run: {answer['about']}: warning: {warning}" for warning in answer["warnings"]]
    if one["dry_run"] and all(answer["outcome"] == "accepted" for answer in one["dry_run"]):
        words.append(f"dry run: accepted ({' and '.join(answer['about'] for answer in one['dry_run'])})")
    if one["dry_run"] and one["kind"] in FIXED:
        words.append(f"a {one['kind']} cannot be changed: delete it, and create it with the fix")
    return words


def _indented(line: str) -> str:
    """A line with its indentation."""
    return " " * (len(line) - len(line.lstrip(" "))) + printable(line)


def _proofs(proofs: t.Sequence[Facts]) -> list[str]:
    """What was measured in each shape, a line each; shapes with one answer together. The last one says where and in which way."""
    shapes: dict[tuple[str, str], list[str]] = {}
    for one in proofs:
        shapes.setdefault((one["verdict"], _evidence(one)), []).append(one["shape"])
    printed = [f"proof: {verdict} {', '.join(names)}: {words}" for (verdict, words), names in shapes.items()]
    nodes = [f", node {one['node']}" for one in proofs if one["node"]]
    ways = dict.fromkeys(proof.note(one) for one in proofs)
    ends = [*[""] * (len(printed) - 1), "".join([*nodes[:1], *ways])]
    return [_line(1, line + end) for line, end in zip(printed, ends, strict=False)]


def _evidence(one: Facts) -> str:
    first, *others = one["observed"]
    return f"{first}{f' (and {len(others)} more)' if others else ''}"


def _kept(line: str) -> str:
    """A line of a diff with its mark and its indentation."""
    return line[:1] + _indented(line[1:])


def _line(level: int, text: str) -> str:
    return "  " * level + printable(text)


def _quiet(audits: t.Sequence[Facts]) -> list[str]:
    """What nothing is said of: names of what is well, and of what nobody knows."""
    well = [one["workload"] for one in audits if one["status"] == Verdict.PASS and not one["proof"]]
    unknown = [f"{one['workload']} ({', '.join(one['unknown'])})" for one in audits if one["unknown"]]
    elsewhere = [one["workload"] for one in audits if one["unjudged"]]
    texts = [f"nothing to say: {_some(well)}"] if well else []
    if unknown:
        texts.append(f"not known, so not judged: {_some(unknown)}")
    if elsewhere:
        texts.append(f"without their pods, so not judged (audit the cluster where they run): {_some(elsewhere)}")
    return [printable(text) for text in texts]


def _some(found: t.Iterable[str]) -> str:
    """Names, each once: an object may have several pod templates."""
    names = list(dict.fromkeys(found))
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
