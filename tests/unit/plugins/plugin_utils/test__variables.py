# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _variables


class UndefinedError(Exception):
    """What Ansible raises for a value that cannot be resolved."""


def read(**variables: t.Any) -> tuple[dict[str, t.Any], list[str]]:
    def resolve(name: str) -> t.Any:
        value = variables[name]
        if isinstance(value, Exception):
            raise value
        return value

    return _variables.read(variables, resolve)


def test_variables_of_others_are_left_alone() -> None:
    assert read(ansible_connection="local", podshm=UndefinedError("x"), xpodshm_fill="perhaps") == ({}, [])


def test_values_have_the_type_of_their_option() -> None:
    values, wrong = read(podshm_fill="no", podshm_timeout="7", podshm_checks="sysv,SHM301", podshm_validate_certs="no")
    assert wrong == []
    assert values == {"fill": False, "timeout": 7, "checks": ["sysv", "SHM301"], "validate_certs": False}


def test_what_the_playbook_registers_is_no_variable() -> None:
    assert read(podshm_answer=UndefinedError("not looked at"), podshm_report={}) == ({}, [])


def test_omit_is_not_set() -> None:
    assert read(podshm_timeout=_variables.NotSetError()) == ({}, [])


@pytest.mark.parametrize("name", sorted(_variables.KNOWN))
def test_no_known_variable_that_cannot_be_resolved_is_passed_over(name: str) -> None:
    values, wrong = read(**{f"podshm_{name}": UndefinedError("'vault' is undefined")})
    assert values == {}
    assert wrong == [
        f"podshm_{name} cannot be resolved: 'vault' is undefined; define what it refers to, or load the vault that defines it"
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("podshm_fil", "did you mean podshm_fill?"),
        ("podshm_kubeconfg", "did you mean podshm_kubeconfig?"),
        ("podshm_sizelimit", "did you mean podshm_size_limit?"),
        ("podshm_answers", "lists them"),
        ("podshm_", "lists them"),
    ],
)
def test_an_unknown_name(name: str, hint: str) -> None:
    _values, (message,) = read(**{name: 1})
    assert message.startswith(f"there is no variable {name}; ")
    assert message.endswith(hint)


@pytest.mark.parametrize("value", ["", None, {}, [], [""]])
@pytest.mark.parametrize("name", ["podshm_kubeconfig", "podshm_context", "podshm_host", "podshm_impersonate_groups"])
def test_nothing_is_not_taken_for_the_default_cluster_or_user(name: str, value: t.Any) -> None:
    """An environment variable that is not set, or what YAML makes of a lone tilde."""
    _values, (message,) = read(**{name: value})
    assert message.startswith(f"{name}: the value is empty; ")


def test_an_empty_folder_is_not_the_current_one() -> None:
    _values, (message,) = read(podshm_reports="")
    assert message.startswith("podshm_reports: the value is empty; ")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("resources", {"cpus": 1}, "podshm_resources: {'cpus': 1}: there is no resources.cpus. Supported parameters"),
        ("resources", "abc", "podshm_resources: 'abc' is not of the type dict"),
        ("tolerations", ["x"], "podshm_tolerations: ['x']: Elements value for option"),
        ("tolerations", {"a": 1}, "podshm_tolerations: {'a': 1} is not of the type list"),
        ("profiles", ["nope"], "podshm_profiles: ['nope'] is not one of db2, oracle, postgresql"),
        ("accept", {"SHM101": {"reason": "x", "until": "2020"}}, "podshm_accept: the reason of SHM101 is no text"),
        ("accept", {"SHM101": True}, "podshm_accept: the reason of SHM101 is no text"),
    ],
)
def test_what_is_wrong_within_a_value(name: str, value: t.Any, words: str) -> None:
    """A dict with a wrong key is no value of a wrong type."""
    _values, (message,) = read(**{f"podshm_{name}": value})
    assert message.startswith(words)


def test_an_empty_word_of_a_selection() -> None:
    """What a comma at the end leaves."""
    with pytest.raises(ValueError, match="a word of the selection is empty"):
        _variables.selection(["sysv", ""], (), ())


def test_a_proxy_can_be_empty() -> None:
    assert read(podshm_proxy="", podshm_no_proxy="") == ({"proxy": "", "no_proxy": ""}, [])


def test_everything_wrong_is_named() -> None:
    _values, wrong = read(podshm_fil=1, podshm_fill="perhaps", podshm_image=UndefinedError("x"), podshm_nodes="some")
    assert [re.split("[:;]", message, maxsplit=1)[0] for message in wrong] == [
        "there is no variable podshm_fil",
        "podshm_fill",
        "podshm_image cannot be resolved",
        "podshm_nodes",
    ]


def test_foreign_words_are_one_printable_line() -> None:
    _values, (message,) = read(podshm_image=UndefinedError("a\n\x1b[31mb"))
    assert message.isprintable()


def test_which_cluster_it_is() -> None:
    words = _variables.announcement("eu-1", {"host": "https://u:secret@h:6443"}, {})
    assert words == "cluster eu-1: https://h:6443 (options)"
    words = _variables.announcement("eu-1", {}, {"K8S_AUTH_HOST": "https://h", "K8S_AUTH_API_KEY": "secret"})
    assert words.startswith("cluster eu-1: https://h (the environment: K8S_AUTH_HOST, K8S_AUTH_API_KEY)")
    assert "secret" not in words


@pytest.mark.parametrize(
    ("values", "environment", "words"),
    [
        ({}, {}, "kubectl"),
        ({"kubeconfig": "/a", "context": "x"}, {"K8S_AUTH_KUBECONFIG": "/b"}, "kubectl --kubeconfig /a --context x"),
        ({"context": "x"}, {"K8S_AUTH_HOST": "https://h"}, "kubectl --context x"),
        ({}, {"K8S_AUTH_KUBECONFIG": "/b", "K8S_AUTH_CONTEXT": "x"}, "kubectl --kubeconfig /b --context x"),
        ({"kubeconfig": "/a:/b"}, {}, "env KUBECONFIG=/a:/b kubectl"),
        ({"kubeconfig": {"users": []}}, {}, "kubectl --kubeconfig FILE"),
        ({"kubeconfig": "/a", "host": "https://h"}, {}, "kubectl --kubeconfig /a --server https://h"),
        # not the user of the current context
        (
            {"host": "https://u:secret@h", "api_key": "secret"},
            {"K8S_AUTH_KUBECONFIG": "/b"},
            "kubectl --kubeconfig /dev/null --server https://h --token TOKEN",
        ),
    ],
)
def test_how_to_look_at_that_cluster(values: dict[str, t.Any], environment: dict[str, str], words: str) -> None:
    command, _space, rest = _variables.look(values, environment).partition(" --namespace ")
    assert command == words
    assert rest == "default get pods,configmaps,jobs --selector app.kubernetes.io/name=podshm"


def test_which_cluster_it_is_is_not_said_of_another_machine() -> None:
    """The same path, and the same environment, are others there."""
    words = _variables.announcement("eu-1", {"kubeconfig": "/none"}, {"K8S_AUTH_HOST": "https://h"}, "connection ssh")
    assert words == "cluster eu-1: decided where its modules run (connection ssh); the report names it"


def test_which_cluster_it_is_can_be_unclear() -> None:
    words = _variables.announcement("eu-1", {"api_key": "secret"}, {})
    assert words.startswith("cluster eu-1: AmbiguousCluster: api_key is set")


@pytest.mark.parametrize(
    ("checks", "run_tags", "skip_tags", "words"),
    [
        (None, ["all"], [], []),
        (["sysv"], ["all"], [], ["sysv"]),
        (None, ["sysv", "SHM301"], [], ["sysv", "SHM301"]),
        (["posix", "!SHM105"], ["sysv"], [], ["sysv", "!SHM105"]),
        (["posix"], ["all"], ["users"], ["posix", "!users"]),
        (None, ["tagged"], ["never"], []),
    ],
)
def test_tags_select(checks: list[str] | None, run_tags: list[str], skip_tags: list[str], words: list[str]) -> None:
    assert _variables.selection(checks, run_tags, skip_tags) == words


@pytest.mark.parametrize(
    ("checks", "run_tags", "message"),
    [
        ([], ["all"], "the list is empty"),
        (["sysvv"], ["all"], "did you mean sysv?"),
        (None, ["sysvv"], "did you mean sysv?"),
        (["!sysv"], ["sysv"], "no check is left"),
    ],
)
def test_words_that_select_nothing(checks: list[str] | None, run_tags: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _variables.selection(checks, run_tags, [])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["postgresql", "postgres"], "there is no program 'postgres'; did you mean postgresql?"),
        ([], "the list is empty; name programs, or remove the variable to hear of all of them"),
    ],
)
def test_programs_that_there_are_not(names: list[str], words: str) -> None:
    assert read(podshm_programs=names)[1] == [f"podshm_programs: {words}"]


def test_programs_that_there_are() -> None:
    assert read(podshm_programs="postgresql,redis") == ({"programs": ["postgresql", "redis"]}, [])
    assert [one.name for one in _variables.programs(["redis"])] == ["redis"]
