# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import yaml

from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _kustomize


def workload(name: str, namespace: str = "", **change: t.Any) -> dict[str, t.Any]:
    return {
        "workload": f"Deployment {name}",
        "api_version": "apps/v1",
        "kind": "Deployment",
        "namespace": namespace,
        "name": name,
        "patch": {"spec": {"template": {"spec": {"hostIPC": None}}}},
        "knobs": [],
        **change,
    }


def patches(*workloads: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    component = yaml.safe_load(_kustomize.component(workloads))
    assert (component["apiVersion"], component["kind"]) == ("kustomize.config.k8s.io/v1alpha1", "Component")
    return list(component["patches"])


def test_each_object_is_a_target_with_its_patch() -> None:
    (one,) = patches(workload("db"), workload("well", patch={}))
    assert one["target"] == {"group": "apps", "version": "v1", "kind": "Deployment", "name": "db"}
    assert yaml.safe_load(one["patch"]) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "db"},
        "spec": {"template": {"spec": {"hostIPC": None}}},
    }


def test_an_object_of_the_core_has_no_group() -> None:
    (one,) = patches(workload("p", api_version="", kind="Pod"))
    assert one["target"] == {"version": "v1", "kind": "Pod", "name": "p"}


def test_a_namespace_is_named_only_where_the_name_is_not_enough() -> None:
    # an overlay sets it later
    assert "namespace" not in patches(workload("db", "shop"))[0]["target"]
    found = patches(workload("db", "shop"), workload("db", "blog"), workload("db", "shop"))
    assert [one["target"]["namespace"] for one in found] == ["shop", "blog"]


def test_values_of_operators_are_comments() -> None:
    text = _kustomize.component([workload("db"), workload("pg", patch={}, knobs=["Operator: size: 1Gi"])])
    assert text.startswith(_kustomize.MARK)
    assert "# Deployment pg: Operator: size: 1Gi\n" in text


def test_without_a_patch_there_is_no_component() -> None:
    assert _kustomize.component([workload("well", patch={})]) == ""


def test_a_name_writes_no_line_of_its_own() -> None:
    one = workload("a", workload="Deployment a\nresources: [evil]", knobs=["Operator: size: 1Gi"])
    assert yaml.safe_load(_kustomize.component([one])).keys() == {"apiVersion", "kind", "patches"}


def test_of_two_objects_of_one_name_it_is_said_which_fix_is_left_out() -> None:
    dev = workload("a", origin="dev.yaml:1", patch={"spec": {"template": {"spec": {"hostIPC": False}}}})
    text = _kustomize.component([dev, workload("a", origin="prod.yaml:1")])
    assert "# Deployment a (dev.yaml:1) needs another fix than this one of the same name.\n" in text
    assert "prod.yaml" not in text
    assert len(patches(dev, workload("a", origin="prod.yaml:1"))) == 1
