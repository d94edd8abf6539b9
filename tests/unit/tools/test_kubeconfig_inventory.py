# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import kubeconfig_inventory as tool
import pytest
import yaml

CONTENT: dict[str, t.Any] = {
    "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1"}}],
    "contexts": [
        {"name": "admin@c:/one", "context": {"cluster": "c", "user": "u"}},
        {"name": "admin-c-one", "context": {"cluster": "c", "user": "u"}},
        {"name": "elsewhere", "context": {"cluster": "gone", "user": "u"}},
    ],
    "users": [{"name": "u", "user": {"token": "very-secret"}}],
    "current-context": "admin@c:/one",
}


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(CONTENT), encoding="utf-8")
    return path


def test_current_context(kubeconfig: Path) -> None:
    assert tool.targets(str(kubeconfig), "") == [tool.Target("admin@c:/one", kubeconfig, "https://192.0.2.1")]


@pytest.mark.parametrize("contexts", ["admin-c-one,admin@c:/one", " admin-c-one admin@c:/one,admin-c-one "])
def test_several_contexts_in_the_order_given(kubeconfig: Path, contexts: str) -> None:
    assert [target.context for target in tool.targets(str(kubeconfig), contexts)] == ["admin-c-one", "admin@c:/one"]


def test_the_first_of_several_files_wins(kubeconfig: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(
        yaml.safe_dump(
            {
                "clusters": [{"name": "d", "cluster": {"server": "https://192.0.2.2"}}],
                "contexts": [
                    {"name": "admin-c-one", "context": {"cluster": "d"}},
                    {"name": "only-here", "context": {"cluster": "d"}},
                ],
                "current-context": "only-here",
            }
        ),
        encoding="utf-8",
    )
    paths = f"{tmp_path / 'missing'}:{kubeconfig}:{other}"
    assert tool.targets(paths, "")[0].context == "admin@c:/one"
    assert [target.kubeconfig for target in tool.targets(paths, "admin-c-one,only-here")] == [kubeconfig, other]


def test_inventory_has_safe_unique_names_and_no_credentials(kubeconfig: Path) -> None:
    content = tool.inventory(tool.targets(str(kubeconfig), "admin@c:/one,admin-c-one"))
    assert content["all"]["hosts"] == {
        "admin-c-one": {"podshm_kubeconfig": str(kubeconfig), "podshm_context": "admin@c:/one"},
        "admin-c-one-2": {"podshm_kubeconfig": str(kubeconfig), "podshm_context": "admin-c-one"},
    }
    assert content["all"]["vars"]["ansible_connection"] == "local"
    assert "very-secret" not in yaml.safe_dump(content)


@pytest.mark.parametrize(("context", "name"), [("@@", "cluster"), ("arn:aws:eks:x/y", "arn-aws-eks-x-y"), ("-a-", "a")])
def test_host_name(context: str, name: str) -> None:
    assert tool.host_name(context, ()) == name


@pytest.mark.parametrize(
    ("contexts", "message"),
    [
        ("nope", "CONTEXT nope: not in KUBECONFIG; it has: admin-c-one, admin@c:/one, elsewhere"),
        ("elsewhere", "context elsewhere names the cluster gone"),
    ],
)
def test_unusable_context(kubeconfig: Path, contexts: str, message: str) -> None:
    with pytest.raises(tool.Unusable, match=message):
        tool.targets(str(kubeconfig), contexts)


@pytest.mark.parametrize("content", ["", "[", "just text", "\ttoken: very-secret", "- very-secret"])
def test_no_kubeconfig_is_named_but_not_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(tool.Unusable) as caught:
        tool.targets(str(path), "")
    assert str(path) in str(caught.value)
    assert "very-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_no_current_context(tmp_path: Path) -> None:
    with pytest.raises(tool.Unusable, match="No such file"):
        tool.targets(str(tmp_path / "missing"), "")
    path = tmp_path / "empty"
    path.write_text("contexts: []", encoding="utf-8")
    with pytest.raises(tool.Unusable, match="no current context"):
        tool.targets(str(path), "")
