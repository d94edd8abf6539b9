# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import types
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _module

PLUGIN = {
    "command": "get-token",
    "args": ["--cluster", "production"],
    "env": [{"name": "PROFILE", "value": "production"}, {"name": "API_TOKEN", "value": "secret-1"}],
}


@pytest.mark.parametrize(
    ("kubeconfig", "secrets"),
    [
        (None, set()),
        ("/home/me/kubeconfig", set()),
        ("users:\n- token: secret-1", {"users:\n- token: secret-1"}),
        ({}, set()),
        ({"users": None, "contexts": [{"name": "production"}]}, set()),
        ({"users": "secret-1"}, set()),
        ({"users": ["secret-1"]}, {"secret-1"}),
        ({"users": [{"name": "production", "user": None}]}, set()),
        ({"users": [{"name": "u", "user": "secret-1"}]}, {"secret-1"}),
        ({"users": [{"name": "u", "user": {"token": "secret-1", "username": "somebody"}}]}, {"secret-1"}),
        ({"users": [{"user": {"client-key-data": "secret-1", "client-certificate-data": "public-1"}}]}, {"secret-1"}),
        ({"users": [{"user": {"auth-provider": {"config": {"refresh": "secret-1"}}}}]}, {"secret-1"}),
        ({"users": [{"user": {"unheard-of": ["secret-1", 12345678]}}]}, {"secret-1", "12345678"}),
        ({"users": [{"user": {"exec": PLUGIN}}]}, {"secret-1"}),
    ],
)
def test_what_is_secret_in_a_kubeconfig(kubeconfig: t.Any, secrets: set[str]) -> None:
    assert _module.kubeconfig_secrets(kubeconfig) == secrets


def test_nothing_but_secrets_is_hidden() -> None:
    kubeconfig = {"contexts": [{"name": "production"}], "users": [{"name": "u", "user": {"token": "secret-1"}}]}
    inner = types.SimpleNamespace(no_log_values={"production", "u", "secret-1", "secret-2"})
    module = types.SimpleNamespace(params={"kubeconfig": kubeconfig, "api_key": "secret-2"}, _module=inner)
    _module._mask(module)
    assert inner.no_log_values == {"secret-1", "secret-2"}


def test_passwords_in_urls_are_secret() -> None:
    assert _module.url_secrets("https://u:a%2Fb@h:6443", None, "http://p:1", "") == {"a%2Fb", "a/b"}
