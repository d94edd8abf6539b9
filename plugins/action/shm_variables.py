# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check the variables of a host before anything is requested from its cluster. Documented in the module of the same name."""

from __future__ import annotations

import os
import typing as t

from ansible import errors
from ansible.plugins.action import ActionBase

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import source
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._secrets import KNOWN
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _terminal, _variables

#: What ansible-core 2.19 and newer raise for the value C(omit); older ones return a placeholder.
_OMITTED: t.Final = getattr(errors, "AnsibleValueOmittedError", ())


class ActionModule(ActionBase):
    """Unknown names, wrong values, and values that cannot be resolved."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Resolve and check all variables; return the words that select checks."""
        super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(argument_spec={"cluster": {"type": "bool", "default": True}})
        variables = task_vars or {}
        host = str(variables.get("inventory_hostname", ""))

        def resolve(name: str) -> t.Any:
            # as it stands in the inventory: an error can quote it
            source.note_secrets({name.removeprefix(_variables.PREFIX): variables[name]}, os.environ)
            try:
                value = self._templar.template(variables[name])
            except _OMITTED:
                raise _variables.NotSetError from None
            if isinstance(value, str) and value == variables.get("omit"):
                raise _variables.NotSetError
            _decrypt(value)
            source.note_secrets({name.removeprefix(_variables.PREFIX): value}, {})
            return value

        values, wrong = _variables.read(variables, resolve)
        checks: list[str] = []
        if not wrong:
            try:
                checks = _variables.selection(
                    values.get("checks"), variables.get("ansible_run_tags", ()), variables.get("ansible_skip_tags", ())
                )
            except ValueError as error:
                wrong = [f"podshm_checks, --tags or --skip-tags: {error}"]
        if wrong:
            words = KNOWN.hidden("; ".join(wrong))
            msg = f"cluster {host}: wrong variable: {words}; nothing was requested from the cluster"
            if not args["cluster"]:
                msg = f"wrong variable: {words}; nothing was read"
            return {"changed": False, "failed": True, "msg": msg, "checks": []}
        if not args["cluster"]:
            return {"changed": False, "msg": "no cluster is contacted", "checks": checks}
        environment = {**os.environ, **self._environment()}
        source.note_secrets({}, environment)
        words = KNOWN.hidden(_variables.announcement(host, values, environment, self._elsewhere()))
        # shown without -v: everybody should see which cluster it is
        _terminal.show([words])
        return {
            "changed": False,
            "msg": words,
            "checks": checks,
            "look": KNOWN.hidden(_variables.look(values, environment)),
        }

    def _environment(self) -> dict[str, str]:
        """What the keyword C(environment) of play and task adds for the modules."""
        found: dict[str, str] = {}
        self._compute_environment_string(found)
        return {str(name): str(value) for name, value in found.items()}

    def _elsewhere(self) -> str:
        """Where the modules run, if that is not this process's own place: other files, and another environment."""
        transport = str(self._connection.transport)
        if transport not in ("local", "ansible.builtin.local"):
            return f"connection {transport}"
        return "become" if getattr(self._connection, "become", None) else ""


def _decrypt(value: t.Any) -> None:
    """Raise what Ansible raises if a part of the value is encrypted and its vault is not loaded.

    Before ansible-core 2.19 such a value fails only when its text is read.
    """
    if isinstance(value, dict):
        for part in value.values():
            _decrypt(part)
    elif isinstance(value, list):
        for part in value:
            _decrypt(part)
    else:
        str(value)
