# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generated blocks in files that people write: from a marked line to another, in the comments of that kind of file."""

from __future__ import annotations

import collections.abc
import re
import typing as t

MARKDOWN: t.Final = "<!-- {} -->"
YAML: t.Final = "# {}"


def _marks(name: str, comment: str) -> tuple[str, str]:
    return comment.format(f"begin generated: {name}"), comment.format(f"end generated: {name}")


def block(name: str, lines: collections.abc.Iterable[str] = (), comment: str = MARKDOWN) -> str:
    """Return a marked block."""
    begin, end = _marks(name, comment)
    return "\n".join((begin, *lines, end))


def with_block(text: str, name: str, lines: collections.abc.Iterable[str], comment: str = MARKDOWN) -> str:
    """Return a text with new lines in its block of that name; the marks keep their indentation.

    :raises ValueError: it does not have exactly one such block.
    """
    begin, end = _marks(name, comment)
    pattern = re.compile(rf"^( *{re.escape(begin)}\n).*?^( *{re.escape(end)})$", re.MULTILINE | re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"exactly one block from {begin} to {end} is needed")
    new = "".join(f"{line}\n" for line in lines)
    return pattern.sub(lambda match: f"{match[1]}{new}{match[2]}", text)


def without_blocks(text: str) -> str:
    """Return what people wrote of a text in Markdown."""
    return re.sub(r"^<!-- begin generated: (\w+) -->\n.*?^<!-- end generated: \1 -->$", "", text, flags=re.M | re.S)
