# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the generated parts of docs/ from the catalog, or compare them: docs.py [--lint].

Generated are the title, the question and the marked blocks of each page in docs/checks/, and the marked tables in
docs/checks.md, docs/reasons.md and docs/workloads.md. A check without a page gets an empty one with all sections.
"""

from __future__ import annotations

import collections.abc
import functools
import sys
import textwrap
import typing as t
from pathlib import Path

from blocks import block, with_block
from tree import CHECKOUT

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import CHECKS, CONTROLS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.features import FEATURES
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _catalog_text

MAIN: t.Final = "https://github.com/abcdesktopio/podshm/blob/main"
#: The sections of a page, in their order. The accept block stands before the last one.
SECTIONS: t.Final = ("What a PASS proves", "How it is measured", "What a FAIL means", "The fix", "Sources")
#: Controls can be neither selected nor accepted, so their pages have no accept block.
CONTROL: t.Final = "control"
_GROUPS: t.Final = {
    "sysv": "System V",
    "posix": "POSIX",
    "resize": "Size and resize of /dev/shm",
    "isolation": "Between pods",
    "limits": "Sysctls and limits",
    CONTROL: "Controls, in every run",
}
_WIDTH: t.Final = 120


class Entry(t.NamedTuple):
    """What the documentation needs to know of a check."""

    id: str
    name: str
    group: str
    tags: tuple[str, ...]
    layout: str
    question: str
    skips: tuple[str, ...]


def entries() -> list[dict[str, t.Any]]:
    """Return every check and control as users get it. Nothing else knows where the catalog is."""
    return [_catalog_text.entry(check) for check in (*CHECKS, *CONTROLS)]


def catalog() -> list[Entry]:
    """Return every check and control as the documentation needs it."""
    return [
        Entry(
            id=str(check["id"]),
            name=str(check["name"]),
            group=str(check["group"]),
            tags=tuple(check["tags"]),
            layout=str(check["layout"]),
            question=str(check["question"]),
            skips=tuple(str(reason) for reason in check["skips"]),
        )
        for check in entries()
    ]


def remedies() -> dict[str, str]:
    """Return every reason with its remedy, in the order of the code."""
    return {str(code): remedy for code, remedy in _reason.REMEDIES.items()}


def page_of(check: Entry) -> Path:
    """Return the path of a check's page, below the checkout."""
    return Path("docs", "checks", f"{check.id}.md")


def _codes(words: collections.abc.Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words) or "none"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _wrapped(first: str, text: str) -> list[str]:
    return textwrap.wrap(first + text, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def facts(check: Entry) -> list[str]:
    """Return the block under the question."""
    return [
        f"- Group: `{check.group}`",
        *_wrapped("- Tags: ", _codes(check.tags)),
        *_wrapped("- Pods: ", check.layout),
        *_wrapped("- SKIP instead of ERROR: ", _codes(check.skips)),
    ]


def accept(check: Entry) -> list[str]:
    """Return the block that says how to accept a FAIL."""
    return [
        f"If you intend what a FAIL says, [accept it]({MAIN}/docs/deviations.md) with a reason:",
        f"`podshm_accept: {{{check.id}: the reason}}`. The verdict is then WARN.",
    ]


def empty_page(check: Entry) -> str:
    """Return the frame of a page that nobody has written yet."""
    parts = [f"# {check.id} {check.name}", check.question, block("facts")]
    for section in SECTIONS:
        if section == SECTIONS[-1] and check.group != CONTROL:
            parts.append(block("accept"))
        parts.append(f"## {section}")
    return "\n\n".join(parts) + "\n"


def page(check: Entry, text: str) -> str:
    """Return a page with its generated parts up to date.

    :raises ValueError: the page lacks a part of the frame.
    """
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0].startswith("# ") or (lines[1], lines[3]) != ("", ""):
        raise ValueError("a page begins with its title, an empty line, the question and an empty line")
    text = "\n".join((f"# {check.id} {check.name}", "", check.question, *lines[3:]))
    text = with_block(text, "facts", facts(check))
    return text if check.group == CONTROL else with_block(text, "accept", accept(check))


def _check_tables(checks: collections.abc.Sequence[Entry]) -> list[str]:
    lines = []
    for group in dict.fromkeys(check.group for check in checks):
        lines += ["", f"### {_GROUPS.get(group, group)}: `{group}`", "", "| id | question |", "| --- | --- |"]
        lines += [
            f"| [{check.id}]({MAIN}/{page_of(check)}) | {_cell(check.question)} |"
            for check in checks
            if check.group == group
        ]
    return [*lines, ""]


def _tag_table(checks: collections.abc.Sequence[Entry]) -> list[str]:
    tags = sorted({tag for check in checks for tag in check.tags})
    rows = [f"| `{tag}` | {', '.join(check.id for check in checks if tag in check.tags)} |" for tag in tags]
    return ["", "| tag | checks |", "| --- | --- |", *rows, ""]


def _version_table() -> list[str]:
    rows = []
    for feature in FEATURES:
        checks = ", ".join(check.id for check in CHECKS if check.needs is feature)
        name = feature.name.removeprefix("the ")
        rows.append(f"| {checks} | {name} | {feature.default or 'not yet'} | {feature.gated} (`{feature.gate}`) |")
    head = ["| checks | need | on by default since | behind a gate since |", "| --- | --- | --- | --- |"]
    return ["", *head, *rows, ""]


def _finding_table() -> list[str]:
    rows = [
        f"| [{kind.id}]({MAIN}/docs/findings/{kind.id}.md) `{kind.name}` | {_cell(kind.question)} |"
        for kind in audit.KINDS
    ]
    return ["", "| id | question |", "| --- | --- |", *rows, ""]


def _reason_table() -> list[str]:
    rows = [f"| {code} | {_cell(remedy[0].upper() + remedy[1:])}. |" for code, remedy in remedies().items()]
    return ["", "| reason | what to do |", "| --- | --- |", *rows, ""]


def generated(root: Path = CHECKOUT) -> tuple[dict[Path, str], list[str]]:
    """Return the text of every file with generated parts as it has to be, and the problems of those that have no frame."""
    checks = catalog()
    texts: dict[Path, str] = {}
    problems: list[str] = []

    def add(path: Path, change: collections.abc.Callable[[str], str], default: str = "") -> None:
        file = root / path
        try:
            texts[path] = change(file.read_text(encoding="utf-8") if file.exists() else default)
        except ValueError as error:
            problems.append(f"{path}: {error}")

    for check in checks:
        add(page_of(check), functools.partial(page, check), empty_page(check))
    add(
        Path("docs", "checks.md"),
        lambda text: with_block(
            with_block(with_block(text, "checks", _check_tables(checks)), "tags", _tag_table(checks)),
            "versions",
            _version_table(),
        ),
    )
    add(Path("docs", "workloads.md"), lambda text: with_block(text, "findings", _finding_table()))
    add(Path("docs", "reasons.md"), lambda text: with_block(text, "reasons", _reason_table()))
    return texts, problems


def main(arguments: collections.abc.Sequence[str]) -> int:
    """Write the files, or only compare them; returns the exit code."""
    texts, problems = generated()
    stale = [
        path
        for path, text in texts.items()
        if not (CHECKOUT / path).exists() or (CHECKOUT / path).read_text(encoding="utf-8") != text
    ]
    if "--lint" in arguments:
        problems += [f"{path}: a generated part is not up to date; run: python tests/tools/docs.py" for path in stale]
    else:
        for path in stale:
            (CHECKOUT / path).write_text(texts[path], encoding="utf-8")
            print(f"docs: wrote {path}")
    for problem in problems:
        print(f"docs: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
