# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of a real cluster's workloads: what it says of fixes, and of what is in volumes."""

from __future__ import annotations

import time
import typing as t

import pytest
from harness import Cluster, ask

MIB = 1024**2


@pytest.fixture(scope="module", autouse=True)
def written(alpha: Cluster) -> t.Iterator[str]:
    """The namespace of a pod that has 40 MiB in a volume of 64 MiB. Its kubelet sees that within a minute or two."""
    name = alpha.make_namespace()
    limits = {"memory": "96Mi", "cpu": "100m"}
    pod = {
        "metadata": {"name": "db", "annotations": {"podshm.abcdesktop.io/program": "postgresql"}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "pg",
                    "image": "docker.io/library/busybox:1.35.0",
                    "imagePullPolicy": "Never",
                    "command": ["sh", "-c", "dd if=/dev/zero of=/dev/shm/file bs=1M count=40 && exec sleep 600"],
                    "resources": {"limits": limits, "requests": {"memory": "64Mi", "cpu": "1m"}},
                    "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
                }
            ],
            "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}],
        },
    }
    try:
        alpha.create("pods", pod, name)
        yield name
    finally:
        alpha.delete("namespaces", name)


@pytest.fixture
def namespace(alpha: Cluster) -> t.Iterator[str]:
    name = alpha.make_namespace({"pod-security.kubernetes.io/warn": "restricted"})
    try:
        yield name
    finally:
        alpha.delete("namespaces", name)


def container(memory: str = "256Mi") -> dict[str, t.Any]:
    limits = {"memory": memory, "cpu": "10m"}
    return {
        "name": "pg",
        "image": "postgres:15",
        "imagePullPolicy": "Never",
        "args": ["-c", "work_mem=16MB"],
        "resources": {"limits": limits, "requests": {"memory": "1Mi", "cpu": "1m"}},
    }


def owner(name: str, labels: t.Mapping[str, str] | None = None, **change: t.Any) -> dict[str, t.Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container(**change)]}}
    return {
        "metadata": {"name": name, **({"labels": labels} if labels else {})},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def test_a_fix_is_tried_out_and_nothing_of_it_stored(alpha: Cluster, namespace: str) -> None:
    """Validation, an admission policy, and the quota speak, each of its own object."""
    policy = {
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["apps"],
                        "apiVersions": ["v1"],
                        "operations": ["UPDATE"],
                        "resources": ["deployments"],
                    }
                ]
            },
            "validations": [{"expression": "!has(object.metadata.labels)", "message": "frozen by the team"}],
        }
    }
    quota = {"metadata": {"name": "team"}, "spec": {"hard": {"limits.memory": "3Gi"}}}
    alpha.create("resourcequotas", quota, namespace)
    alpha.create("deployments", owner("good"), namespace)
    alpha.create("deployments", owner("frozen", {"frozen": "yes"}), namespace)
    alpha.create("statefulsets", owner("large", memory="2900Mi"), namespace)
    bare = {"metadata": {"name": "bare"}, "spec": {"containers": [container()], "automountServiceAccountToken": False}}
    alpha.create("pods", bare, namespace)
    with alpha.wide("validatingadmissionpolicies", policy) as name:
        selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        binding = {
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": selector},
            }
        }
        with alpha.wide("validatingadmissionpolicybindings", binding):
            before = versions(alpha, namespace)
            # a new policy takes effect some moments later
            for _try in range(10):
                answer = ask(alpha, "shm_workload", namespaces=[namespace], fix="patch")
                found = {one["name"]: one for one in answer.result["workloads"]}
                if outcomes(found["frozen"])[0] != "accepted":
                    break
            assert versions(alpha, namespace) == before
    assert outcomes(found["good"]) == ["accepted", "accepted"], answer.output
    assert found["good"]["api_version"] == "apps/v1"
    # the namespace warns of what the standard restricted forbids
    assert any("would violate PodSecurity" in words for one in found["good"]["dry_run"] for words in one["warnings"])
    frozen, pod = found["frozen"]["dry_run"]
    assert (frozen["outcome"], frozen["reason"], pod["outcome"]) == ("refused", "AdmissionDenied", "accepted")
    assert "frozen by the team" in frozen["detail"]
    large, pod = found["large"]["dry_run"]
    assert (large["outcome"], pod["outcome"], pod["reason"]) == ("accepted", "refused", "QuotaExceeded")
    assert "exceeded quota: team" in pod["detail"]
    # it would have to be created again
    (pod,) = found["bare"]["dry_run"]
    assert (pod["request"], pod["outcome"]) == ("create pods", "accepted")
    assert answer.result["notes"] == []


def outcomes(one: dict[str, t.Any]) -> list[str]:
    return [each["outcome"] for each in one["dry_run"]]


def versions(cluster: Cluster, namespace: str) -> list[t.Any]:
    kinds = ("deployments", "statefulsets", "pods")
    return [(one["metadata"]["name"], one["spec"]) for kind in kinds for one in cluster.list(kind, namespace)]


def test_an_account_that_only_reads_learns_nothing_about_a_fix(alpha: Cluster, namespace: str) -> None:
    alpha.create("deployments", owner("good"), namespace)
    alpha.create("deployments", owner("other"), namespace)
    role = {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["list"]}]}
    with alpha.wide("clusterroles", role) as name:
        subject = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
        binding = {
            "metadata": {"name": "reads"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [subject],
        }
        alpha.create("rolebindings", binding, namespace)
        config = alpha.kubeconfig_with({"token": alpha.token(namespace, "default")})
        answer = ask(alpha, "shm_workload", kubeconfig=config, namespaces=[namespace], fix="diff")
    assert [outcomes(one) for one in answer.result["workloads"]] == [["unknown", "unknown"]] * 2, answer.output
    assert [note for note in answer.result["notes"] if note.startswith("fixes")] == [
        f"fixes in namespace {namespace}: Forbidden: whether it takes them is not known; grant patch on deployments",
        f"fixes in namespace {namespace}: Forbidden: whether it takes them is not known; grant create on pods",
    ]


def test_what_is_in_a_volume_is_what_its_kubelet_says(alpha: Cluster, written: str) -> None:
    until = time.monotonic() + 150
    while True:
        answer = ask(alpha, "shm_workload", namespaces=[written])
        (one,) = answer.result["workloads"]
        in_use = one["containers"][0]["dev_shm"]["in_use_bytes"]
        if in_use or time.monotonic() > until:
            break
        time.sleep(5)
    assert in_use == 40 * MIB, answer.output
    assert [finding["rule"] for finding in one["findings"]] == ["SHM702"]
    assert answer.result["notes"] == []
