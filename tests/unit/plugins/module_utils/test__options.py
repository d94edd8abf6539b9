# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

import pytest
import yaml

from ansible_collections.abcdesktopio.podshm.plugins.doc_fragments import _run
from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _options
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Additions, NodeChoice, Settings
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB

SCOPES = (_options.RUN, _options.SIZE, _options.CHECK)


def settings(**params: t.Any) -> Settings:
    return _options.settings(_options.with_defaults(params))


def test_the_defaults_of_the_options_are_those_of_the_settings() -> None:
    assert settings() == Settings()


def test_settings_in_base_units() -> None:
    found = settings(size_limit="1Gi", max_write="10M", resources={"cpu": "1", "memory": "16Mi"}, nodes="all")
    assert (found.size_limit_bytes, found.max_write_bytes) == (2**30, 10_000_000)
    assert (found.cpu_millis, found.memory_bytes, found.nodes) == (1000, 16 * MIB, NodeChoice.ALL)


@pytest.mark.parametrize(
    "name", [option.name for option in _options.OPTIONS if option.name not in ("cluster", "checks")]
)
def test_every_option_changes_the_settings(name: str) -> None:
    """An option that is declared and not read would be ignored without a word."""
    others = {
        "accept": {"SHM101": "why"}, "fill": False, "image": "x", "minimums": {"kernel.shmmax": "1"}, "namespace": "x",
        "nodes": "all", "profiles": ["db2"], "resources": {"cpu": "1"}, "restart_kubelet": ["x"], "runtime_class": "x",
        "runtime_classes": ["x"], "tolerations": [{"key": "x"}],
        **{key: {"x": "y"} for key in ("annotations", "labels", "node_selector")},
        **dict.fromkeys(("default_size", "max_write", "size_limit"), "7Mi"),
        **dict.fromkeys(("cleanup_timeout", "max_kinds", "start_timeout", "step_timeout", "timeout", "total_timeout"), 7),
        "node_names": ["x"], "image_pull_secrets": ["x"], "priority_class": "x", "service_account": "x",
        "pod_overlay": {"spec": {"dnsPolicy": "None"}}, "transport": "log",
    }  # fmt: skip
    assert settings(**{name: others[name]}) != Settings()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("size_limit", "much"),
        ("size_limit", "0"),
        ("max_write", "-5Mi"),
        ("default_size", ""),
        ("timeout", 0),
        ("cleanup_timeout", -1),
        ("image_pull_secrets", ["My_Secret"]),
        ("image_pull_secrets", [{"name": "x"}]),
        ("image_pull_secrets", [""]),
        ("priority_class", "High Priority"),
        ("service_account", "system:serviceaccount:a:b"),
        ("service_account", "x" * 254),
        ("pod_overlay", {"spec": {"hostIPC": True}}),
    ],
)
def test_an_option_without_meaning_is_named(option: str, value: t.Any) -> None:
    with pytest.raises(ValueError, match=f"^{option}: "):
        settings(**{option: value})


@pytest.mark.parametrize(
    ("value", "words"),
    [("512m", "did you mean 512Mi?"), ("0.5", "add a unit"), ("1.5m", "add a unit"), ("1e-3", "add a unit")],
)
@pytest.mark.parametrize("option", ["size_limit", "default_size", "max_write"])
def test_a_fraction_of_a_byte_is_no_size(option: str, value: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{option}: {value} is a fraction of a byte; ") as error:
        settings(**{option: value})
    assert words in str(error.value)


@pytest.mark.parametrize("value", ["0.1Gi", "1.5Ki", "1e6", "100000001", 4096])
def test_a_part_of_a_unit_is_a_size(value: t.Any) -> None:
    assert settings(size_limit=value).size_limit_bytes > 1000


def test_memory_below_what_a_runtime_needs() -> None:
    with pytest.raises(ValueError, match=r"^resources\.memory: 1Mi"):
        settings(resources={"cpu": "1", "memory": "1Mi"})


@pytest.mark.parametrize(
    ("accept", "words"),
    [
        ({"SHM999": "why"}, "accept: there is no check SHM999"),
        ({"SHM101": " "}, "accept: SHM101 needs a reason"),
        (
            {"SHM101@kata": "why"},
            "accept: SHM101@kata is about a RuntimeClass that is not requested; requested is gvisor",
        ),
    ],
)
def test_what_cannot_be_accepted(accept: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        settings(accept=accept, runtime_class="gvisor")


def test_what_is_accepted_under_one_runtime_class() -> None:
    accept = {"SHM101@gvisor": "devices", "SHM103": "why"}
    assert settings(accept=accept, runtime_classes=["", "gvisor"]).accept == accept


def test_the_documentation_says_what_the_spec_says() -> None:
    documented = {
        name: option
        for fragment in ("DOCUMENTATION", "SIZE", "CHECK")
        for name, option in yaml.safe_load(getattr(_run.ModuleDocFragment, fragment))["options"].items()
    }
    spec = _options.spec(*SCOPES)
    assert documented.keys() == spec.keys()
    for name, entry in spec.items():
        assert {key: documented[name].get(key) for key in ("type", "default", "elements", "choices")} == {
            key: entry.get(key) for key in ("type", "default", "elements", "choices")
        }
        assert documented[name].get("suboptions", {}).keys() == entry.get("options", {}).keys()


def test_every_variable_has_words_for_the_table() -> None:
    assert [option.name for option in _options.OPTIONS if not option.short and option.name != "cluster"] == []


def test_what_the_cluster_demands_of_every_pod() -> None:
    found = settings(
        image_pull_secrets=["one", "two.three", "one"],
        priority_class="low",
        service_account="podshm",
        resources={"ephemeral_storage": "10Mi"},
        pod_overlay={"metadata": {"labels": {"team": "x"}}, "spec": {"nodeSelector": {"pool": "y"}}},
    ).additions
    assert found == Additions(
        ("one", "two.three"), "low", "podshm", 10 * MIB, {"team": "x"}, {}, {"nodeSelector": {"pool": "y"}}
    )


@pytest.mark.parametrize("storage", ["much", "1Ki", "5m"])
def test_ephemeral_storage_without_meaning_is_named(storage: str) -> None:
    with pytest.raises(ValueError, match=r"^resources\.ephemeral_storage: "):
        settings(resources={"ephemeral_storage": storage})


def test_an_option_that_sounds_like_a_secret_is_declared_as_none() -> None:
    """Ansible would warn in every run (PASSWORD_MATCH)."""
    sounding = [option for option in _options.OPTIONS if re.search("pass|secret|token", option.name)]
    assert [option.name for option in sounding] == ["image_pull_secrets"]
    assert all(option.spec()["no_log"] is False for option in sounding)
