# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""How a module that reaches a cluster begins and ends. Nothing secret leaves (_secrets)."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import client, source
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import NO_NAME
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._secrets import KNOWN

#: What is returned in words of a closed list, and the names that they belong to.
_OURS: t.Final = ("id", "name", "group", "verdict", "reason", "status")

#: What stands for an option of which nothing is shown, as in Ansible.
_WITHHELD: t.Final = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def spec() -> dict[str, t.Any]:
    """The options of kubernetes.core. AnsibleModule logs them before anything of ours runs.

    That must be no URL with a password, and no key that stands where its path should be.
    """
    unsaid = (*source.URLS, *source.SECRET_FILES)
    return {name: {**each, "no_log": True} if name in unsaid else each for name, each in client.AUTH_ARG_SPEC.items()}


def begin(own: dict[str, t.Any]) -> t.Any:
    """The module, with the secrets of its options known.

    :param own: the argument spec of the options beside those that reach a cluster.
    """
    module = client.AnsibleK8SModule(argument_spec={**spec(), **own}, supports_check_mode=True)
    source.note_secrets(module.params, os.environ)
    # Ansible's own way would cut even a password of one letter out of every word: from here on _secrets does it
    module._module.no_log_values.clear()
    return module


def name(params: t.Mapping[str, t.Any]) -> str:
    """The name of the cluster."""
    return params["cluster"] or params["context"] or source.without_login(params["host"]) or NO_NAME


def asked(cluster: str, found: source.Source | None) -> dict[str, str]:
    """Which cluster it was, as returned: its name, and where server and credentials came from, as far as that is known."""
    return {
        "cluster": cluster,
        "server": found.shown_server if found else "",
        "context": found.context if found else "",
        "source": found.origin if found else "",
    }


def leave(module: t.Any, answer: dict[str, t.Any], failed: bool) -> t.NoReturn:
    """End the module. All that leaves it goes through here: what it returns, and what Ansible shows of its options."""
    answer = {**answer, "invocation": {"module_args": _shown(module.params)}}
    answer = KNOWN.hidden_in(answer, but=_OURS)
    if answer.get("leftovers"):
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
