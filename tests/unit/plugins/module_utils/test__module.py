# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _answer, _module
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.run import Result

SECRET = "correct-horse-battery-staple"


class Left(Exception):
    """What a module returned."""


class Module:
    """An AnsibleK8SModule: its options, and what it returns."""

    def __init__(self, params: dict[str, t.Any]) -> None:
        self.params = {"cluster": "c", "kubeconfig": None, "context": None, "host": None, "api_key": None, **params}
        self._module = self
        self.no_log_values = {SECRET, "a"}
        self.check_mode = False
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def exit_json(self, **answer: t.Any) -> t.NoReturn:
        raise Left({**answer, "warnings": self.warnings})

    fail_json = exit_json


def left(monkeypatch: pytest.MonkeyPatch, result: Result, **params: t.Any) -> dict[str, t.Any]:
    """What a module with these options returns whose run has this result."""
    module = Module(params)
    monkeypatch.setattr(f"{_answer.__name__}.client.AnsibleK8SModule", lambda **_spec: module)
    monkeypatch.setattr(f"{_module.__name__}._options.settings", lambda _params: None)
    monkeypatch.setattr(f"{_module.__name__}._options.with_defaults", lambda params: params)
    monkeypatch.setattr(f"{_module.__name__}.run", lambda *_arguments: result)
    with pytest.raises(Left) as caught:
        _module.main((), {}, lambda _params: [t.cast("t.Any", "check")])
    assert module.no_log_values == set()
    return t.cast("dict[str, t.Any]", caught.value.args[0])


def test_all_that_a_module_returns_is_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    check = {
        "id": "SHM101",
        "verdict": "ERROR",
        "reason": SECRET,
        "observed": SECRET,
        "remedy": "",
        "evidence": [SECRET],
    }
    result = Result(
        SECRET, "id", checks=[check], retries=[SECRET], leftovers=[SECRET], skipped_nodes=[{"detail": SECRET}]
    )
    answer = left(
        monkeypatch, result, api_key=SECRET, context=SECRET, no_proxy=SECRET, kubeconfig="/home/me/kubeconfig"
    )
    # a reason is of a closed list
    assert answer["checks"][0].pop("reason") == SECRET
    assert SECRET not in json.dumps(answer)
    assert answer["warnings"] == ["cluster ********: left behind: ********; the cluster removes it by itself"]
    shown = answer["invocation"]["module_args"]
    assert shown["api_key"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    assert shown["kubeconfig"] == "/home/me/kubeconfig"


@pytest.mark.parametrize("kubeconfig", [{"users": []}, '{"users": []}', "users:\n- x"])
def test_the_content_of_a_kubeconfig_is_not_shown(monkeypatch: pytest.MonkeyPatch, kubeconfig: t.Any) -> None:
    answer = left(monkeypatch, Result("c", "id"), kubeconfig=kubeconfig)
    assert answer["invocation"]["module_args"]["kubeconfig"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


@pytest.mark.parametrize("password", ["a", "e", "pod", "PASS", "SHM1"])
def test_a_short_password_does_not_blank_what_is_returned(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    check = {"id": "SHM101", "verdict": "PASS", "reason": "", "observed": "each pod reads", "remedy": ""}
    answer = left(monkeypatch, Result("c", "id", checks=[check]), password=password, proxy=f"http://u:{password}@h")
    assert answer["checks"] == [check]
    assert answer["status"] == "PASS"
    assert answer["invocation"]["module_args"]["proxy"] == "http://********@h"


def test_no_url_with_a_password_is_logged_by_ansible() -> None:
    spec = _answer.spec()
    assert {name for name, one in spec.items() if one.get("no_log")} == {
        "kubeconfig",
        "host",
        "api_key",
        "password",
        "proxy",
        # the key itself, by mistake
        "client_key",
    }
