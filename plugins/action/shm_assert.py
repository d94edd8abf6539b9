# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print each verdict in a line and fail once, on the controller. Documented in the module of the same name."""

from __future__ import annotations

import typing as t

from ansible import constants
from ansible.plugins.action import ActionBase

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Verdict
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _terminal, _verdicts


class ActionModule(ActionBase):
    """The verdicts of one run."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Print what the answer holds; a verdict that does not hold is a failure."""
        super().run(tmp, task_vars)
        spec = {
            "answer": {"type": "dict", "required": True},
            "group": {"type": "str", "default": ""},
            "brief": {"type": "bool", "default": False},
        }
        _unused, args = self.validate_argument_spec(argument_spec=spec)
        host = str((task_vars or {}).get("inventory_hostname", ""))
        answer = args["answer"]
        if args["brief"]:
            result = _verdicts.summarized(host, answer, self._task.check_mode)
            if result.is_failed and (answer.get("status") == Verdict.UNREACHABLE or answer.get("unreachable")):
                # Ansible has a word for it, too, and needs one line to say it
                return {"unreachable": True, "msg": result.message}
            return {"changed": False, "failed": result.is_failed, "msg": result.message}
        is_verbose = bool(self._display.verbosity)
        result = _verdicts.asserted(host, answer, args["group"], is_verbose, self._task.check_mode)
        for line in result.lines:
            _terminal.show([line.text], constants.COLOR_ERROR if line.is_bad else constants.COLOR_OK)
        if not result.is_failed:
            _terminal.show([result.message], constants.COLOR_OK)
        return {
            "changed": False,
            "failed": result.is_failed,
            "msg": result.message,
            "failed_checks": list(result.failed_checks),
        }
