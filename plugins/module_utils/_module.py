# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""A module's C(main): read the options, run the checks, exit. Nothing secret leaves (_secrets)."""

from __future__ import annotations

import collections.abc
import os
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _options
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import client, source
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Check, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.run import Result, run
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._secrets import KNOWN

#: What is returned in words of a closed list, and the names that they belong to.
_OURS: t.Final = ("id", "name", "group", "verdict", "reason", "status")

#: What stands for an option of which nothing is shown, as in Ansible.
_WITHHELD: t.Final = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def _spec() -> dict[str, t.Any]:
    """The options of kubernetes.core. What AnsibleModule logs of them, before anything of ours runs, is no URL with a password."""
    return {
        name: {**each, "no_log": True} if name in source.URLS else each for name, each in client.AUTH_ARG_SPEC.items()
    }


def main(scopes: t.Sequence[str], own: dict[str, t.Any], select: Select) -> t.NoReturn:
    """Run a module.

    :param scopes: which options of :data:`_options.OPTIONS` it has.
    :param own: the argument spec of its own options.
    :param select: the checks that the parameters name; a ValueError names the option that is wrong.
    """
    module = client.AnsibleK8SModule(
        argument_spec={**_spec(), **_options.spec(*scopes), **own}, supports_check_mode=True
    )
    params = module.params
    source.note_secrets(params, os.environ)
    # Ansible's own way would cut even a password of one letter out of every word: from here on _secrets does it
    module._module.no_log_values.clear()
    name = params["cluster"] or params["context"] or source.without_login(params["host"]) or "of the current context"
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
    """End the module. All that leaves it goes through here: what it returns, and what Ansible shows of its options."""
    answer = {"msg": msg, **exit_fields(result), "invocation": {"module_args": _shown(module.params)}}
    answer = KNOWN.hidden_in(answer, but=_OURS)
    if answer["leftovers"]:
        left = ", ".join(answer["leftovers"])
        module.warn(f"cluster {answer['run']['cluster']}: left behind: {left}; the cluster removes it by itself")
    (module.fail_json if failed else module.exit_json)(**answer)
    raise AssertionError("neither returns")


def _shown(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The options, for -vvv."""
    withheld = {*source.SECRET, "proxy_headers"}
    if not source.is_path(params["kubeconfig"]):
        withheld.add("kubeconfig")
    return {name: _WITHHELD if value and name in withheld else value for name, value in params.items()}


def exit_fields(result: Result) -> dict[str, t.Any]:
    """What a module returns, the same on success and on failure."""
    found = result.source
    return {
        "changed": bool(result.leftovers),
        "checks": result.checks,
        "controls": result.controls,
        "status": result.status.value,
        "run": {
            "id": result.run,
            "cluster": result.cluster,
            "server": found.shown_server if found else "",
            "context": found.context if found else "",
            "source": found.origin if found else "",
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
