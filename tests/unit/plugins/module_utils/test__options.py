# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import types
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _options

PARAMS: t.Final[dict[str, t.Any]] = {
    name: {key: sub["default"] for key, sub in option["options"].items()}
    if "options" in option
    else option.get("default")
    for name, option in {**_options.RUN_SPEC, **_options.SIZE_SPEC}.items()
}


def test_settings_in_base_units() -> None:
    settings = _options.settings({**PARAMS, "size_limit": "1Gi", "max_write": "10M"})
    assert (settings.size_limit_bytes, settings.max_write_bytes) == (2**30, 10_000_000)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("size_limit", "much"),
        ("size_limit", "0"),
        ("max_write", "-5Mi"),
        ("default_size", ""),
        ("timeout", 0),
        ("cleanup_timeout", -1),
    ],
)
def test_an_option_without_meaning_is_named(option: str, value: t.Any) -> None:
    with pytest.raises(ValueError, match=f"^{option}: "):
        _options.settings({**PARAMS, option: value})


def test_memory_below_what_a_runtime_needs() -> None:
    with pytest.raises(ValueError, match=r"^resources\.memory: 1Mi"):
        _options.settings({**PARAMS, "resources": {"cpu": "1", "memory": "1Mi"}})


@pytest.mark.parametrize(
    ("accept", "words"),
    [
        ({"SHM999": "why"}, "accept: there is no SHM999"),
        ({"SHM101": " "}, "accept: SHM101 needs a reason"),
        ({"SHM101@kata": "why"}, "accept: SHM101@kata is about a RuntimeClass that is not asked for; asked is gvisor"),
    ],
)
def test_what_cannot_be_accepted(accept: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _options.settings({**PARAMS, "accept": accept, "runtime_class": "gvisor"})


def test_what_is_accepted_under_one_runtime_class() -> None:
    accept = {"SHM101@gvisor": "devices", "SHM103": "why"}
    assert _options.settings({**PARAMS, "accept": accept, "runtime_classes": ["", "gvisor"]}).accept == accept


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
    assert _options.kubeconfig_secrets(kubeconfig) == secrets


def test_nothing_but_secrets_is_hidden() -> None:
    kubeconfig = {"contexts": [{"name": "production"}], "users": [{"name": "u", "user": {"token": "secret-1"}}]}
    inner = types.SimpleNamespace(no_log_values={"production", "u", "secret-1", "secret-2"})
    module = types.SimpleNamespace(params={"kubeconfig": kubeconfig, "api_key": "secret-2"}, _module=inner)
    _options._mask(module)
    assert inner.no_log_values == {"secret-1", "secret-2"}
