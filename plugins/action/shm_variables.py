# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the variables of a host before anything is requested from its cluster. Documented in the module of the same name."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _variables


class ActionModule(ActionBase):
    """Unknown names, wrong values, and values that cannot be resolved."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Resolve and check all variables; return the words that select checks."""
        super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        variables = task_vars or {}
        host = str(variables.get("inventory_hostname", ""))

        def resolve(name: str) -> t.Any:
            return self._templar.template(variables[name])

        wrong, values = _variables.problems(variables, resolve)
        checks: list[str] = []
        if not wrong:
            try:
                checks = _variables.selection(
                    values.get("checks"), variables.get("ansible_run_tags", ()), variables.get("ansible_skip_tags", ())
                )
            except ValueError as error:
                wrong = [f"podshm_checks or --tags: {error}"]
        if wrong:
            msg = f"cluster {host}: wrong variable: {'; '.join(wrong)}; nothing was requested from the cluster"
            return {"changed": False, "failed": True, "msg": msg, "checks": []}
        return {
            "changed": False,
            "msg": _variables.announcement(host, values),
            "checks": checks,
            # shown without -v: everybody should see which cluster it is
            "_ansible_verbose_always": True,
        }
