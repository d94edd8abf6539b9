# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the module of the same name. With -v its whole answer would be thousands of lines: it is printed with -vvv."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

#: From how many v on the whole answer is printed.
_WHOLE: t.Final = 3


class ActionModule(ActionBase):
    """The module, with an answer that is not printed."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the module."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        result.update(self._execute_module(task_vars=task_vars))
        if self._display.verbosity < _WHOLE:
            result["_ansible_verbose_override"] = True
        return result
