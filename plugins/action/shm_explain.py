# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say what a line of a log has to do with shared memory, on the controller. Documented in the module of the same name."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import printable, quote
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._secrets import KNOWN
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import signs
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _catalog_text, _terminal


class ActionModule(ActionBase):
    """The signs in a text; no cluster is contacted."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Explain the text, and print it."""
        super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(argument_spec={"text": {"type": "str", "required": True}})
        # a log that was copied can hold the login of a URL
        text = KNOWN.hidden(args["text"])
        matches = signs.matches(text, PROGRAMS)
        friend = signs.false_friend(text)
        _terminal.show(["", *_lines(text, matches, friend)])
        return {
            "changed": False,
            "matches": [
                {
                    "line": one.line,
                    "program": one.program,
                    "cause": one.sign.cause,
                    "fix": one.sign.fix,
                    "sure": one.sign.sure.value,
                    "checks": list(one.sign.checks),
                    "size_bytes": one.size_bytes,
                }
                for one in matches
            ],
            "other": friend,
        }


def _lines(text: str, matches: t.Sequence[signs.Match], friend: str) -> list[str]:
    printed: list[str] = []
    for one in matches:
        program = f" ({one.program})" if one.program else ""
        printed += [
            printable(one.line),
            f"  {one.sign.sure.value}: {one.sign.cause}{program}",
            f"  fix: {one.sign.fix}",
            *(f"  {check}: {_catalog_text.PAGES.format(id=check)}" for check in one.sign.checks),
        ]
    if friend:
        printed.append(f"no shared memory between processes: {friend}")
    # what was looked at is shown: a shell may have passed less of it than was typed
    return printed or [f"nothing of this is known to be about shared memory: {quote(text)}"]
