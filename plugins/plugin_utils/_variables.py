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
import shlex
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _options
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import select
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import source
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, quote
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import meaning
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import Program

PREFIX: t.Final = "podshm_"

#: The options of kubernetes.core that reach a cluster, in words for the table of variables.
CONNECTION: t.Final[dict[str, str]] = {
    "kubeconfig": "the kubeconfig: a path, or its content as a dictionary, for example from a vault",
    "context": "the context of the kubeconfig",
    "host": "the URL of the API server",
    "api_key": "a token for the API server",
    "ca_cert": "the file of its certificate authority",
    "client_cert": "the file of a client certificate",
    "client_key": "the file of its key",
    "validate_certs": "whether to verify the API server's certificate; by default as the kubeconfig says",
    "proxy": "the URL of an HTTP proxy",
    "no_proxy": "hosts that are reached without the proxy",
    "impersonate_user": "the user to impersonate",
    "impersonate_groups": "the groups to impersonate",
}

#: Of those, what is no text.
_CONNECTION_TYPES: t.Final = {"kubeconfig": "raw", "validate_certs": "bool", "impersonate_groups": "list"}

#: What leads to another cluster, another user or another folder where it is empty. A proxy is allowed to be.
_NEVER_EMPTY: t.Final = frozenset(
    {"kubeconfig", "context", "host", "api_key", "client_cert", "client_key", "impersonate_user", "impersonate_groups"}
    | {"reports"}
)

#: What the playbooks use beside the options of the modules.
_PLAYBOOK: t.Final = {"reports": "str", "verbose": "bool"}

#: Variables that the playbooks set themselves.
_RESULTS: t.Final = frozenset({"answer", "report"})

#: The options that are variables: all but the cluster's name, which is the host's.
SETTABLE: t.Final = tuple(option for option in _options.OPTIONS if option.name != "cluster")

#: Those of the playbook workloads that are no options of a run.
OF_WORKLOADS: t.Final = tuple(
    option for option in _options.WORKLOADS if option.name not in {*_options.BY_NAME, *_PLAYBOOK}
)

#: Those of the report.
OF_REPORTS: t.Final = _options.REPORTS

#: Every variable that a user sets, without the prefix.
KNOWN: t.Final = frozenset(
    {*CONNECTION, *_PLAYBOOK, *(option.name for option in (*SETTABLE, *OF_WORKLOADS, *OF_REPORTS))}
)

_BY_NAME: t.Final = {**_options.BY_NAME, **{option.name: option for option in (*OF_WORKLOADS, *OF_REPORTS)}}


class NotSetError(Exception):
    """The value of a variable is C(omit): the same as no variable."""


def read(names: t.Iterable[str], resolve: collections.abc.Callable[[str], t.Any]) -> tuple[dict[str, t.Any], list[str]]:
    """The values of a host's variables, without the prefix and of the right type, and what is wrong with them, in words.

    :param names: the variables of the host.
    :param resolve: the value of a variable. Raises :class:`NotSetError`, or whatever Ansible raises if there is no value.
    """
    values: dict[str, t.Any] = {}
    wrong: list[str] = []
    for variable in sorted(name for name in names if name.startswith(PREFIX)):
        name = variable.removeprefix(PREFIX)
        if name in _RESULTS:
            continue
        if name not in KNOWN:
            wrong.append(f"there is no variable {variable}{_did_you_mean(name)}")
            continue
        try:
            values[name] = _typed(name, resolve(variable))
        except NotSetError:
            continue
        except ValueError as error:
            wrong.append(f"{variable}: {error}")
        except Exception as error:  # noqa: BLE001
            # Ansible has many errors for a value that cannot be resolved, and all mean the same here
            wrong.append(
                f"{variable} cannot be resolved: {quote(error)}; define what it refers to, or load the vault that defines it"
            )
    return values, wrong or _wrong_options(values)


def _did_you_mean(name: str) -> str:
    near = difflib.get_close_matches(name, KNOWN, n=1)
    return f"; did you mean {PREFIX}{near[0]}?" if near else "; docs/variables.md lists them"


def _typed(name: str, value: t.Any) -> t.Any:
    """A value of the type that its option has.

    :raises ValueError: it has another one, or is empty where nothing would be taken for the default.
    """
    if name in _NEVER_EMPTY and (not value or value == [""]):
        raise ValueError("the value is empty; give it one, or remove the variable to use the default")
    kind = _PLAYBOOK.get(name) or _CONNECTION_TYPES.get(name, "str")
    spec = _BY_NAME[name].spec() if name in _BY_NAME else {"type": kind}
    checked = ArgumentSpecValidator({name: spec}).validate({name: value})
    if checked.error_messages:
        choices = spec.get("choices")
        shown = quote(repr(_plain(value)))
        if _is_within(value, spec):
            # the type is right: it is about what is in it
            unknown = "there is no " if isinstance(checked.errors[0], UnsupportedError) else ""
            raise ValueError(f"{shown}: {unknown}{quote(checked.error_messages[0])}")
        wanted = f"one of {', '.join(choices)}" if choices else f"of the type {spec['type']}"
        raise ValueError(f"{shown} is not {wanted}")
    return checked.validated_parameters[name]


def _is_within(value: t.Any, spec: t.Mapping[str, t.Any]) -> bool:
    """Whether what is wrong with a value is something in it, which has no choices of its own to be named."""
    kinds = {"dict": collections.abc.Mapping, "list": collections.abc.Sequence}
    kind = kinds.get(str(spec["type"]))
    return kind is not None and isinstance(value, kind) and not isinstance(value, str) and "choices" not in spec


def _plain(value: t.Any) -> t.Any:
    """The value without the types that Ansible gives it, for messages."""
    return str(value) if isinstance(value, str) else value


def _wrong_options(values: t.Mapping[str, t.Any]) -> list[str]:
    """What is wrong with values that have the right type."""
    try:
        programs(values.get("programs"))
        _options.settings(_options.with_defaults(values))
    except ValueError as error:
        return [f"{PREFIX}{error}"]
    return []


def programs(names: t.Sequence[str] | None) -> list[Program]:
    """The programs that a report is about; all of them if none is named.

    :raises ValueError: there is none of a name, or the list is empty.
    """
    if names is not None and not names:
        raise ValueError("programs: the list is empty; name programs, or remove the variable to hear of all of them")
    try:
        return meaning.named(names or (), PROGRAMS)
    except ValueError as error:
        raise ValueError(f"programs: {error}") from None


#: Tags of Ansible's own.
_ANY_TAGS: t.Final = frozenset({"all", "always", "never", "tagged", "untagged"})


def selection(checks: t.Sequence[str] | None, run_tags: t.Iterable[str], skip_tags: t.Iterable[str]) -> list[str]:
    """The words that select checks: of the variable, of C(--tags) and of C(--skip-tags). None means the whole catalog.

    Tags select; what the variable leaves out stays left out.

    :param checks: the value of podshm_checks, if it is set.
    :raises ValueError: a word names nothing, or no check is left.
    """
    if checks is not None and not checks:
        raise ValueError("the list is empty; name checks, or remove the variable to run all of them")
    words = [str(word) for word in checks or ()]
    tags = [tag for tag in run_tags if tag not in _ANY_TAGS]
    if tags:
        words = [*tags, *(word for word in words if word.startswith("!"))]
    words += [f"!{tag}" for tag in skip_tags if tag not in _ANY_TAGS]
    select(words)
    return words


def announcement(
    host: str, values: t.Mapping[str, t.Any], environment: t.Mapping[str, str], elsewhere: str = ""
) -> str:
    """Which cluster the checks run on, in words: server, context and where that is said. Never a secret.

    What is wrong with it is no failure yet: the module fails before its first request, and has a reason for the report.

    :param elsewhere: where the modules run, if their files and their environment are not those of this process.
    """
    if elsewhere:
        return f"cluster {host}: decided where its modules run ({elsewhere}); the report names it"
    try:
        return f"cluster {host}: {source.resolve(values, environment)}"
    except Inconclusive as problem:
        return f"cluster {host}: {problem.reason}: {problem}"


def look(values: t.Mapping[str, t.Any], environment: t.Mapping[str, str]) -> str:
    """The command that shows what runs of podshm have created on the cluster, with what is known of the cluster."""
    place = {name: values.get(name) for name in ("kubeconfig", "context", "host")}
    if not any(values.get(name) for name in CONNECTION):
        place = {name: environment.get(f"{source.PREFIX}{name.upper()}") for name in place}
    kubeconfig, context, host = place.values()
    if kubeconfig and not source.is_path(kubeconfig):
        kubeconfig = "FILE"
    # it takes one file; of several the environment tells it
    several = os.pathsep in str(kubeconfig or "")
    words = ["env", f"KUBECONFIG={kubeconfig}", "kubectl"] if several else ["kubectl"]
    if host and not kubeconfig:
        # nobody else's credentials are sent there
        kubeconfig = os.devnull
    words += ["--kubeconfig", str(kubeconfig)] if kubeconfig and not several else []
    words += ["--context", str(context)] if context else []
    words += ["--server", source.without_login(host)] if host else []
    words += ["--token", "TOKEN"] if kubeconfig == os.devnull else []
    words += ["--namespace", str(values.get("namespace") or _options.BY_NAME["namespace"].default)]
    return shlex.join([*words, "get", "pods,configmaps,jobs", "--selector", "app.kubernetes.io/name=podshm"])
