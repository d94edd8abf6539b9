# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The options that all modules share, and the one way from options to a result."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _profiles
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import all as checks
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import client
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import NodeChoice, Settings, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB, parse_bytes, parse_millis
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.run import Result, run

#: Described in the doc fragment C(_run).
RUN_SPEC: t.Final[dict[str, t.Any]] = {
    "cluster": {"type": "str"},
    "namespace": {"type": "str", "default": "default"},
    "image": {"type": "str", "default": ""},
    "node_selector": {"type": "dict", "default": {}},
    "tolerations": {"type": "list", "elements": "dict", "default": []},
    "runtime_class": {"type": "str", "default": ""},
    "runtime_classes": {"type": "list", "elements": "str", "default": []},
    "nodes": {"type": "str", "choices": ["representative", "first", "all"], "default": "representative"},
    "accept": {"type": "dict", "default": {}},
    "resources": {
        "type": "dict",
        "default": {},
        "options": {"cpu": {"type": "str", "default": "250m"}, "memory": {"type": "str", "default": "32Mi"}},
    },
    "labels": {"type": "dict", "default": {}},
    "annotations": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 60},
    "start_timeout": {"type": "int", "default": 30},
    "cleanup_timeout": {"type": "int", "default": 30},
    "step_timeout": {"type": "int", "default": 10},
}

#: Described in the doc fragment C(_size).
SIZE_SPEC: t.Final[dict[str, t.Any]] = {
    "size_limit": {"type": "str", "default": "512Mi"},
    "default_size": {"type": "str", "default": "64Mi"},
    "fill": {"type": "bool", "default": True},
    "max_write": {"type": "str", "default": "1Gi"},
}


def settings(params: t.Mapping[str, t.Any]) -> Settings:
    """The options of a module call in base units.

    :raises ValueError: an option has no meaning; the message names it.
    """

    def number(name: str, text: t.Any, read: t.Callable[[t.Any], int], least: int, least_text: str) -> int:
        try:
            found = read(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if found < least:
            raise ValueError(f"{name}: {text} is less than {least_text}")
        return found

    def size(name: str, text: t.Any, least: int = 1) -> int:
        return number(name, text, parse_bytes, least, f"{least} bytes")

    for name in ("timeout", "start_timeout", "cleanup_timeout", "step_timeout"):
        if params[name] < 1:
            raise ValueError(f"{name}: {params[name]} is less than 1 second")
    resources = params["resources"] or {}
    # an empty name is the cluster's default runtime
    runtime_classes = tuple(params["runtime_classes"] or [params["runtime_class"]])
    chosen = Settings(
        namespace=params["namespace"],
        image=params["image"],
        node_selector={str(key): str(value) for key, value in params["node_selector"].items()},
        tolerations=tuple(params["tolerations"]),
        runtime_classes=runtime_classes,
        nodes=NodeChoice(params["nodes"]),
        accept=_accept(params["accept"], runtime_classes),
        cpu_millis=number("resources.cpu", resources.get("cpu") or "250m", parse_millis, 1, "1m"),
        # below this the runtime itself does not fit into the container's cgroup
        memory_bytes=size("resources.memory", resources.get("memory") or Settings.memory_bytes, 16 * MIB),
        labels={str(key): str(value) for key, value in params["labels"].items()},
        annotations={str(key): str(value) for key, value in params["annotations"].items()},
        timeout=params["timeout"],
        start_timeout=params["start_timeout"],
        cleanup_timeout=params["cleanup_timeout"],
        step_timeout=params["step_timeout"],
    )
    if "size_limit" not in params:
        return chosen
    return dataclasses.replace(
        chosen,
        size_limit_bytes=size("size_limit", params["size_limit"]),
        default_size_bytes=size("default_size", params["default_size"]),
        fill=params["fill"],
        max_write_bytes=size("max_write", params["max_write"]),
        profiles=tuple(params.get("profiles") or ()),
        minimums=_minimums(params.get("minimums") or {}),
        restart_kubelet=tuple(params.get("restart_kubelet") or ()),
    )


def _minimums(minimums: t.Mapping[str, t.Any]) -> _profiles.Minimums:
    try:
        return {str(sysctl): _profiles.numbers(str(sysctl), text) for sysctl, text in minimums.items()}
    except ValueError as error:
        raise ValueError(f"minimums: {error}") from None


def _accept(accept: t.Mapping[str, t.Any], runtime_classes: t.Collection[str]) -> dict[str, str]:
    for key, why in accept.items():
        check, at, runtime_class = str(key).partition("@")
        if check not in checks.BY_ID:
            raise ValueError(f"accept: there is no {check}; there are {', '.join(checks.BY_ID)}")
        if at and runtime_class not in runtime_classes:
            asked = ", ".join(name or "the default runtime" for name in runtime_classes)
            raise ValueError(f"accept: {key} is about a RuntimeClass that is not asked for; asked is {asked}")
        if not str(why or "").strip():
            raise ValueError(f"accept: {key} needs a reason")
    return {str(key): str(why) for key, why in accept.items()}


#: Of a kubeconfig's user, what may be shown. What is not known is secret.
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


def answer(spec: dict[str, t.Any], select: t.Callable[[t.Mapping[str, t.Any]], t.Sequence[str]]) -> t.NoReturn:
    """A module's whole C(main): read options, run the selected checks, exit.

    :param spec: the options of this module beside those that all share.
    :param select: given the parameters, the ids of the checks.
    """
    module = client.AnsibleK8SModule(
        argument_spec={**client.AUTH_ARG_SPEC, **RUN_SPEC, **spec}, supports_check_mode=True
    )
    _mask(module)
    params = module.params
    name = params["cluster"] or params["context"] or params["host"] or "of the current context"
    try:
        chosen = settings(params)
        ids = select(params)
        if not ids:
            raise ValueError("no check is selected")
    except ValueError as error:
        _leave(module, f"cluster {name}: wrong option: {error}", Result(name, ""), failed=True)
    result = run(module, name, [checks.BY_ID[check] for check in ids], chosen, module.check_mode)
    if result.leftovers:
        module.warn(f"cluster {name}: left behind: {', '.join(result.leftovers)}; the cluster removes it by itself")
    undecided = any(check["verdict"] == Verdict.ERROR for check in result.checks)
    _leave(module, result.line(), result, failed=bool(result.problem) or undecided)


def _leave(module: t.Any, msg: str, result: Result, failed: bool) -> t.NoReturn:
    """End the module. The content of a kubeconfig is not among the arguments that are shown with -vvv."""
    if not isinstance(module.params["kubeconfig"], str) or "\n" in module.params["kubeconfig"]:
        module.params["kubeconfig"] = None
    (module.fail_json if failed else module.exit_json)(msg=msg, **exit_fields(result))
    raise AssertionError("neither returns")


def exit_fields(result: Result) -> dict[str, t.Any]:
    """What a module returns, the same on success and on failure."""
    return {
        "changed": bool(result.leftovers),
        "checks": result.checks,
        "controls": result.controls,
        "status": result.status.value,
        "run": {
            "id": result.run,
            "cluster": result.cluster,
            "server": result.server,
            "targets": result.targets,
            "skipped_nodes": result.skipped_nodes,
            "duration": result.duration,
        },
        "leftovers": result.leftovers,
    }
