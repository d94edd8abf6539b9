# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print each verdict in a line and fail once, on the controller. Documented in the module of the same name."""

from __future__ import annotations

import typing as t

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _verdicts


class ActionModule(ActionBase):
    """The verdicts of one run."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Print what the answer holds; a verdict that does not hold is a failure."""
        super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(
            argument_spec={"answer": {"type": "dict", "required": True}, "group": {"type": "str", "default": ""}}
        )
        host = str((task_vars or {}).get("inventory_hostname", ""))
        result = _verdicts.asserted(host, args["answer"], args["group"])
        display = Display()
        for line in result.lines:
            display.display(line.text, color=constants.COLOR_ERROR if line.is_bad else constants.COLOR_OK)
        return {
            "changed": False,
            "failed": result.is_failed,
            "msg": result.message,
            "failed_checks": list(result.failed_checks),
        }
