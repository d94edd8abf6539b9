# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""A module's C(main): read the options, run the checks, exit. Secrets of a kubeconfig are hidden here."""

from __future__ import annotations

import collections.abc
import re
import typing as t
import urllib.parse

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _options
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import client
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Check, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.run import Result, run

#: Of a kubeconfig's user, what is shown. What is not known is secret.
_PUBLIC: t.Final = frozenset(
    {"exec", "username", "client-certificate", "client-certificate-data", "client-key", "tokenFile"}
)

#: Of a credential plugin's environment, what must not be shown.
_SECRET_NAME: t.Final = re.compile("token|secret|pass|key|cred", re.IGNORECASE)


def kubeconfig_secrets(kubeconfig: t.Any) -> set[str]:
    """The texts in a kubeconfig's content that must never be shown.

    All of it would be too much: the name of a context or of a namespace is a word that results are full of.
    """
    if not isinstance(kubeconfig, dict):
        # a path; with a line break it is content that was given as text by mistake
        return {kubeconfig} if isinstance(kubeconfig, str) and "\n" in kubeconfig else set()
    found: set[str] = set()
    for entry in kubeconfig.get("users") or ():
        user = (entry.get("user") if isinstance(entry, dict) else entry) or {}
        if not isinstance(user, dict):
            found |= _leaves(user)
            continue
        found |= _leaves([value for key, value in user.items() if key not in _PUBLIC])
        plugin = user.get("exec")
        for variable in (plugin.get("env") or ()) if isinstance(plugin, dict) else ():
            if _SECRET_NAME.search(str(variable.get("name"))):
                found |= _leaves(variable.get("value"))
    # shorter ones are no secrets, and would be cut out of other words
    return {text for text in found if len(text) >= 6}


def url_secrets(*urls: t.Any) -> set[str]:
    """The passwords in URLs, as they are written there and decoded."""
    found = {urllib.parse.urlsplit(str(url or "")).password or "" for url in urls}
    return {text for one in found for text in (one, urllib.parse.unquote(one)) if text}


def _leaves(value: t.Any) -> set[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return {leaf for each in value for leaf in _leaves(each)}
    return {str(value)} if value not in (None, True, False) else set()


def _mask(module: t.Any) -> None:
    """Hide the secrets of the kubeconfig, and no more than that, in whatever the module returns."""
    kubeconfig = module.params.get("kubeconfig")
    inner = module._module  # the AnsibleModule inside
    inner.no_log_values -= _leaves(kubeconfig)
    inner.no_log_values |= kubeconfig_secrets(kubeconfig)
    # what other options hold as secret stays secret
    inner.no_log_values |= _leaves([module.params.get(name) for name in ("api_key", "password", "proxy_headers")])
    inner.no_log_values |= url_secrets(module.params.get("host"), module.params.get("proxy"))


def main(scopes: t.Sequence[str], own: dict[str, t.Any], select: Select) -> t.NoReturn:
    """Run a module.

    :param scopes: which options of :data:`_options.OPTIONS` it has.
    :param own: the argument spec of its own options.
    :param select: the checks that the parameters name; a ValueError names the option that is wrong.
    """
    module = client.AnsibleK8SModule(
        argument_spec={**client.AUTH_ARG_SPEC, **_options.spec(*scopes), **own}, supports_check_mode=True
    )
    _mask(module)
    params = module.params
    name = params["cluster"] or params["context"] or params["host"] or "of the current context"
    try:
        settings = _options.settings(_options.with_defaults(params))
        checks = select(params)
        if not checks:
            raise ValueError("no check is selected")
    except ValueError as error:
        _leave(module, f"cluster {name}: wrong option: {error}", Result(name, ""), failed=True)
    result = run(module, name, checks, settings, module.check_mode)
    if result.leftovers:
        module.warn(f"cluster {name}: left behind: {', '.join(result.leftovers)}; the cluster removes it by itself")
    undecided = any(check["verdict"] == Verdict.ERROR for check in result.checks)
    _leave(module, result.line(), result, failed=bool(result.problem) or undecided)


Select: t.TypeAlias = collections.abc.Callable[[t.Mapping[str, t.Any]], t.Sequence[Check]]


def _leave(module: t.Any, msg: str, result: Result, failed: bool) -> t.NoReturn:
    """End the module. The content of a kubeconfig is not among the arguments that are shown with -vvv."""
    source = result.source
    if source:
        module._module.no_log_values |= kubeconfig_secrets(source.kubeconfig)
        module._module.no_log_values |= url_secrets(source.server, source.beside.get("proxy"))
    if not isinstance(module.params["kubeconfig"], str) or "\n" in module.params["kubeconfig"]:
        module.params["kubeconfig"] = None
    (module.fail_json if failed else module.exit_json)(msg=msg, **exit_fields(result))
    raise AssertionError("neither returns")


def exit_fields(result: Result) -> dict[str, t.Any]:
    """What a module returns, the same on success and on failure."""
    source = result.source
    return {
        "changed": bool(result.leftovers),
        "checks": result.checks,
        "controls": result.controls,
        "status": result.status.value,
        "run": {
            "id": result.run,
            "cluster": result.cluster,
            "server": source.shown_server if source else "",
            "context": source.context if source else "",
            "source": source.origin if source else "",
            "cluster_uid": result.cluster_uid,
            "kubernetes": result.kubernetes,
            "retries": result.retries,
            "targets": result.targets,
            "skipped_nodes": result.skipped_nodes,
            "duration": result.duration,
        },
        "leftovers": result.leftovers,
    }
