# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes a run uses: on a cluster of its own, since Node objects and RuntimeClasses concern everybody."""

from __future__ import annotations

import contextlib
import copy
import typing as t

import harness
import pytest
from harness import Cluster, ask, call, fails, passes


@contextlib.contextmanager
def further_node(cluster: Cluster, name: str, **spec: t.Any) -> t.Iterator[None]:
    """A node that is like the real one, as far as the API server knows."""
    real = cluster.request("GET", cluster.path("nodes", name=cluster.name))
    labels = {**real["metadata"]["labels"], "kubernetes.io/hostname": name}
    cluster.create("nodes", {"metadata": {"name": name, "labels": labels}, "spec": spec})
    try:
        node = cluster.request("GET", cluster.path("nodes", name=name))
        del node["metadata"]["resourceVersion"]
        node["status"] = copy.deepcopy(real["status"])
        cluster.request("PUT", cluster.path("nodes", name=name) + "/status", node)
        yield
    finally:
        cluster.delete("nodes", name)


def test_a_node_that_keeps_pods_away_is_represented_by_none(own: Cluster, there: str) -> None:
    taints = [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]
    with further_node(own, "gpu-0", taints=taints):
        answer = ask(own, namespace=there, checks=["SHM105"])
    passes(answer)
    (target,) = answer.result["run"]["targets"]
    assert target["represents"] == [own.name]
    (left,) = answer.result["run"]["skipped_nodes"]
    assert (left["nodes"], left["reason"]) == (["gpu-0"], "NoNode")
    assert "taint" in left["detail"]


def runtime_class(**scheduling: t.Any) -> dict[str, t.Any]:
    return {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "runc", "scheduling": scheduling}


def test_a_runtime_class_that_no_node_can_run(own: Cluster, there: str) -> None:
    with own.wide("runtimeclasses", runtime_class(nodeSelector={"pool": "sandbox"})) as name:
        answer = ask(own, namespace=there, checks=["SHM105"], runtime_classes=["", name])
    got = {check["runtime_class"]: (check["verdict"], check["reason"]) for check in answer.result["checks"]}
    assert got == {"": ("PASS", ""), name: ("ERROR", "NoNode")}
    (left,) = answer.result["run"]["skipped_nodes"]
    assert left["nodes"] == [own.name]
    assert f"lacks the labels pool=sandbox that the RuntimeClass selects (RuntimeClass {name})" in left["detail"]


def test_a_runtime_class_that_tolerates_the_taint(own: Cluster, there: str) -> None:
    path = own.path("nodes", name=own.name)
    node = own.request("GET", path)
    own.request("PUT", path, {**node, "spec": {**node["spec"], "taints": [{"key": "sandbox", "effect": "NoSchedule"}]}})
    try:
        with own.wide("runtimeclasses", runtime_class(tolerations=[{"key": "sandbox", "operator": "Exists"}])) as name:
            answer = ask(own, namespace=there, checks=["SHM105"], runtime_classes=[name])
    finally:
        node = own.request("GET", path)
        own.request("PUT", path, {**node, "spec": {**node["spec"], "taints": []}})
    passes(answer)


def test_a_fake_node_decides_no_size(own: Cluster, there: str) -> None:
    answer = call(own, fault="faults.fake_node", namespace=there, checks=["SHM302", "SHM304"]).answer()
    assert answer.code == 0, answer.output
    got = {name: (check["verdict"], check["reason"]) for name, check in answer.checks.items()}
    assert got == {"SHM302": ("PASS", ""), "SHM304": ("SKIP", "NodeUnknown")}
    assert "fake node of a virtual cluster" in answer.checks["SHM304"]["observed"]


@pytest.fixture
def tenant(own: Cluster, there: str) -> dict[str, t.Any]:
    """The kubeconfig of an account that is the administrator of one namespace, and nothing else."""
    own.create("serviceaccounts", {"metadata": {"name": "tenant"}}, there)
    binding = {
        "metadata": {"name": "tenant"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": there}],
    }
    own.create("rolebindings", binding, there)
    return own.kubeconfig_with({"token": own.token(there, "tenant")})


def test_a_tenant_names_the_node(own: Cluster, there: str, tenant: dict[str, t.Any]) -> None:
    given: dict[str, t.Any] = {"namespace": there, "kubeconfig": tenant}
    fails(ask(own, **given), "Forbidden", "name nodes with the option node_names", cluster=own.name)
    named = {**given, "node_names": [own.name], "image": "registry.k8s.io/pause:3.10.1"}
    answer = ask(own, checks=["basic", "SHM304"], **named)
    assert answer.code == 0, answer.output
    others = {check["verdict"] for name, check in answer.checks.items() if name != "SHM304"}
    assert (others, answer.checks["SHM304"]["reason"]) == ({"PASS"}, "NodeUnknown")


def test_what_has_no_time_is_told_at_once(own: Cluster, there: str) -> None:
    with contextlib.ExitStack() as stack:
        classes = [stack.enter_context(own.wide("runtimeclasses", runtime_class())) for _number in range(16)]
        answer = ask(
            own, namespace=there, checks=["sysv", "posix"], runtime_classes=classes, timeout=20, total_timeout=20
        )
    assert answer.result["run"]["duration"] < 60
    got = {(check["verdict"], check["reason"]) for check in answer.result["checks"]}
    assert ("ERROR", "Timeout") in got
    assert ("PASS", "") in got
    assert any("option total_timeout" in check["observed"] for check in answer.result["checks"])
    assert answer.result["leftovers"] == []


def test_time_grows_with_the_targets(own: Cluster, there: str) -> None:
    with contextlib.ExitStack() as stack:
        classes = [stack.enter_context(own.wide("runtimeclasses", runtime_class())) for _number in range(3)]
        answer = harness.ask(own, namespace=there, checks=["SHM105", "SHM201"], runtime_classes=classes, timeout=20)
    assert {check["verdict"] for check in answer.result["checks"]} == {"PASS"}, answer.msg
