# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the reports and print the table, on the controller. Documented in the module of the same name."""

from __future__ import annotations

import datetime
import os
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _options
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import (
    _disk,
    _meaning_text,
    _report,
    _terminal,
    _variables,
    _verdicts,
)


class ActionModule(ActionBase):
    """The reports of all clusters of a play."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Report what every cluster's variable holds."""
        super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(
            argument_spec={
                "clusters": {"type": "list", "elements": "str", "required": True},
                "variable": {"type": "str", "required": True},
                "directory": {"type": "str", "required": True},
                **_options.spec(_options.REPORT),
            }
        )
        try:
            programs = _variables.programs(args["programs"])
        except ValueError as error:
            return {"changed": False, "failed": True, "msg": f"wrong option: {error}"}
        hostvars = (task_vars or {})["hostvars"]
        now = datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017 (imported with Python 3.10, too)
        written = now.isoformat(timespec="seconds")
        reports = [
            _report.report(
                cluster, hostvars[cluster].get(args["variable"]) if cluster in hostvars else None, written, programs
            )
            for cluster in args["clusters"]
        ]
        if self._display.verbosity:
            for one in reports:
                _terminal.show(line.text for line in _verdicts.every_line(one["cluster"], one["checks"]))
            _terminal.show(_meaning_text.every_line(reports))
        directory = os.path.abspath(os.path.expanduser(args["directory"]))
        table = _report.table(reports, names_programs=bool(args["programs"]))
        result: dict[str, t.Any] = {
            "changed": False,
            "directory": directory,
            "clusters": {one["cluster"]: one["status"] for one in reports},
            "messages": {one["cluster"]: one["message"] for one in reports},
            # the table is printed anyway
            "_ansible_verbose_override": True,
        }
        if not self._task.check_mode:
            names = _report.file_names(args["clusters"])
            files = {names[one["cluster"]]: _report.to_json(one) for one in reports}
            failed = _write_all(directory, {**files, "summary.md": _report.summary(reports)})
            if failed:
                words = (
                    f"the reports cannot be written to {directory}: {'; '.join(failed)}; "
                    "name another with podshm_reports"
                )
                result |= {"failed": True, "msg": words}
                table.append(words)
            else:
                table.append(f"reports in {directory}")
        if not _terminal.is_last_kept:
            _terminal.show(["", *table])
        return {**result, "table": table}


def _write_all(directory: str, files: dict[str, str]) -> list[str]:
    """Write what can be written; returns what cannot, in words."""
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        return [str(error.strerror)]
    failed = []
    for name, text in files.items():
        try:
            _disk.write(os.path.join(directory, name), text)
        except OSError as error:
            failed.append(f"{name}: {error.strerror}")
    return failed
