# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to the collection: not for use from outside, may change at any time.

"""The variables of the playbook: which there are, and what is wrong with those of a host (pure).

A variable that cannot be resolved must never be taken for one that is not set: the run would go to the default kubeconfig,
another cluster (ansible-core 2.16 to 2.18 do so silently).
"""

from __future__ import annotations

import collections.abc
import difflib
import os
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _options
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import select
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import quote

PREFIX: t.Final = "podshm_"

#: The options of kubernetes.core that reach a cluster, in words for the table of variables.
CONNECTION: t.Final[dict[str, str]] = {
    "kubeconfig": "the kubeconfig: a path, or its content as a dictionary, for example from a vault",
    "context": "the context of the kubeconfig",
    "host": "the URL of the API server",
    "api_key": "a token for it",
    "ca_cert": "the file of its certificate authority",
    "client_cert": "the file of a client certificate",
    "client_key": "the file of its key",
    "validate_certs": "whether to verify the API server's certificate",
    "proxy": "the URL of an HTTP proxy",
    "no_proxy": "hosts that are reached without it",
    "impersonate_user": "the user to impersonate",
    "impersonate_groups": "the groups to impersonate",
}

#: What the playbooks use beside the options of the modules.
_PLAYBOOK: t.Final[dict[str, dict[str, t.Any]]] = {
    "reports": {"type": "str"},
    "verbose": {"type": "bool"},
}

#: Variables that the playbooks set themselves.
_RESULTS: t.Final = frozenset({"answer", "local_clusters"})

#: The options that are variables: all but the cluster's name, which is the host's.
SETTABLE: t.Final = tuple(option for option in _options.OPTIONS if option.name != "cluster")

KNOWN: t.Final = frozenset({*CONNECTION, *_PLAYBOOK, *_RESULTS, *(option.name for option in SETTABLE)})


def problems(
    names: t.Iterable[str], resolve: collections.abc.Callable[[str], t.Any]
) -> tuple[list[str], dict[str, t.Any]]:
    """What is wrong with a host's variables, each in words, and the values of those that are right.

    :param names: the variables of the host.
    :param resolve: the value of a variable; raises whatever Ansible raises if it has none.
    """
    found: list[str] = []
    values: dict[str, t.Any] = {}
    for variable in sorted(names):
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX)
        if name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN - _RESULTS, n=1)
            hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
            found.append(f"there is no variable {variable}{hint}")
            continue
        try:
            values[name] = resolve(variable)
        except Exception as error:  # noqa: BLE001
            # of a value that cannot be resolved, whatever Ansible raises for it
            found.append(f"{variable} cannot be resolved: {quote(error)}")
    if not found:
        found = _wrong_values(values)
    return found, values


def _wrong_values(values: t.Mapping[str, t.Any]) -> list[str]:
    spec = {**_options.spec(_options.RUN, _options.SIZE, _options.CHECK), **_PLAYBOOK}
    typed: dict[str, t.Any] = {}
    for name, value in values.items():
        if name not in spec:
            continue
        checked = ArgumentSpecValidator({name: spec[name]}).validate({name: value})
        if checked.error_messages:
            return [f"{PREFIX}{name}: {quote(text)}" for text in checked.error_messages]
        typed[name] = checked.validated_parameters[name]
    try:
        _options.settings(_options.with_defaults(typed))
    except ValueError as error:
        return [f"{PREFIX}{error}"]
    return []


#: Tags of Ansible's own.
_ANY_TAGS: t.Final = frozenset({"all", "always", "never", "tagged", "untagged"})


def selection(checks: t.Any, run_tags: t.Iterable[str], skip_tags: t.Iterable[str]) -> list[str]:
    """The words that select checks: the variable's, and those of C(--tags) and C(--skip-tags).

    :param checks: the value of podshm_checks.
    :raises ValueError: a word names nothing, or no check is left.
    """
    words = [str(word) for word in (checks.split(",") if isinstance(checks, str) else checks or ())]
    tags = [tag for tag in run_tags if tag not in _ANY_TAGS]
    if tags:
        words = [*tags, *(word for word in words if word.startswith("!"))]
    words += [f"!{tag}" for tag in skip_tags if tag not in _ANY_TAGS]
    select(words)
    return words


def announcement(host: str, values: t.Mapping[str, t.Any]) -> str:
    """Which cluster the checks run on, in words. Content of a kubeconfig is never shown."""
    context = values.get("context")
    return f"cluster {host}: {_source(values)}, {f'context {context}' if context else 'its current context'}"


def _source(values: t.Mapping[str, t.Any]) -> str:
    given = values.get("kubeconfig")
    if given:
        is_path = isinstance(given, str) and "\n" not in given
        return f"kubeconfig {given}" if is_path else "a kubeconfig from variables"
    if values.get("host"):
        return f"API server {values['host']}"
    for name in ("K8S_AUTH_HOST", "K8S_AUTH_KUBECONFIG", "KUBECONFIG"):
        if os.environ.get(name):
            return f"{os.environ[name]} (from the environment: {name})"
    return "kubeconfig ~/.kube/config"
