# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print the catalog, on the controller. Documented in the module of the same name."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _catalog_text, _terminal


class ActionModule(ActionBase):
    """The checks of the catalog; no cluster is contacted."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Print the checks that the options name, and return them."""
        super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(
            argument_spec={
                "checks": {"type": "list", "elements": "str", "default": []},
                "verbose": {"type": "bool", "default": False},
            }
        )
        try:
            listed = _catalog_text.entries(args["checks"])
        except ValueError as error:
            return {"changed": False, "failed": True, "msg": f"checks: {error}", "checks": []}
        _terminal.show(["", *_catalog_text.lines(listed, args["verbose"])])
        return {"changed": False, "checks": listed}
