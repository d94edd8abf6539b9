# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""A module's C(main): read the options, run the checks, exit. Nothing secret leaves (_secrets)."""

from __future__ import annotations

import collections.abc
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _answer, _options
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Check, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.run import Result, run


def main(scopes: t.Sequence[str], own: dict[str, t.Any], select: Select) -> t.NoReturn:
    """Run a module.

    :param scopes: which options of :data:`_options.OPTIONS` it has.
    :param own: the argument spec of its own options.
    :param select: the checks that the parameters name; a ValueError names the option that is wrong.
    """
    module = _answer.begin({**_options.spec(*scopes), **own})
    params = module.params
    name = _answer.name(params)
    try:
        settings = _options.settings(_options.with_defaults(params))
        checks = select(params)
        if not checks:
            raise ValueError("no check is selected")
    except ValueError as error:
        _leave(module, f"cluster {name}: wrong option: {error}", Result(name, ""), failed=True)
    result = run(module, name, checks, settings, module.check_mode)
    undecided = any(check["verdict"] == Verdict.ERROR for check in result.checks)
    _leave(module, result.line(), result, failed=bool(result.problem) or undecided)


Select: t.TypeAlias = collections.abc.Callable[[t.Mapping[str, t.Any]], t.Sequence[Check]]


def _leave(module: t.Any, msg: str, result: Result, failed: bool) -> t.NoReturn:
    _answer.leave(module, {"msg": msg, **exit_fields(result)}, failed)


def exit_fields(result: Result) -> dict[str, t.Any]:
    """What a module returns, the same on success and on failure."""
    return {
        "changed": bool(result.leftovers),
        "checks": result.checks,
        "controls": result.controls,
        "status": result.status.value,
        "run": {
            "id": result.run,
            **_answer.asked(result.cluster, result.source),
            "cluster_uid": result.cluster_uid,
            "kubernetes": result.kubernetes,
            "transport": result.transport.value,
            "no_exec": result.no_exec,
            "retries": result.retries,
            "targets": result.targets,
            "skipped_nodes": result.skipped_nodes,
            "duration": result.duration,
        },
        "leftovers": result.leftovers,
    }
