# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written for a cluster, without one."""

from __future__ import annotations

import base64
import json
import re
import tomllib
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _localcluster_config as config

ALPHA, BETA = config.Layout("alpha", 0), config.Layout("beta", 1)
LONGEST = config.Layout("a" * 15, config.SLOTS - 1)


def test_clusters_share_no_port_address_interface_or_cgroup() -> None:
    layouts = [config.Layout(f"c{slot}", slot) for slot in range(config.SLOTS)]
    ports = [port for layout in layouts for port in layout.ports.values()]
    assert len(ports) == len(set(ports))
    # Below the range from which the kernel takes ports for outgoing connections.
    assert max(ports) < 32768
    for what in (
        "bridge",
        "cgroup",
        "node_address",
        "pod_subnet",
        "service_subnet",
        "v2_subnet",
        "root",
        "cni_network",
    ):
        assert len({getattr(layout, what) for layout in layouts}) == config.SLOTS, what
    assert not {str(layout.pod_subnet) for layout in layouts} & {str(layout.service_subnet) for layout in layouts}


def test_the_longest_name_fits_the_limits_of_the_kernel() -> None:
    assert re.fullmatch(config.NAME, LONGEST.name)
    assert len(LONGEST.bridge) <= 15
    # containerd names a shim's socket by a SHA-256 sum.
    assert len(LONGEST.path("run", "s", "0" * 64)) <= 107
    assert len(LONGEST.containerd_socket + ".ttrpc") <= 107


@pytest.mark.parametrize("name", ["", "A", "1a", "a-", "-a", "a_b", "a.b", "a/b", "a" * 16, "..", "a\n"])
def test_names_that_are_not_valid(name: str) -> None:
    assert not re.fullmatch(config.NAME, name)


@pytest.mark.parametrize("component", config.components(ALPHA, {}), ids=lambda component: component.name)
def test_components_reach_each_other_by_tls_only(component: config.Component) -> None:
    flags = " ".join(component.argv)
    assert "http://" not in flags
    assert "insecure" not in flags
    assert all(argument.startswith("/var/lib/podshm/alpha/") for argument in component.argv[:1])


def test_who_must_show_a_certificate() -> None:
    etcd, _containerd, apiserver, *_rest = config.components(ALPHA, {})
    assert {"--client-cert-auth", "--peer-client-cert-auth"} <= set(etcd.argv)
    assert "--authorization-mode=Node,RBAC" in apiserver.argv
    assert "--kubelet-certificate-authority=/var/lib/podshm/alpha/pki/ca.crt" in apiserver.argv
    # Another authority than that of the cluster.
    assert "--trusted-ca-file=/var/lib/podshm/alpha/pki/etcd-ca.crt" in etcd.argv


def test_feature_gates_are_written_alike_whatever_their_order() -> None:
    assert config.feature_gates({"B": False, "A": True}) == ("--feature-gates=A=true,B=false",)
    assert config.feature_gates({}) == ()
    with_gates = {c.name for c in config.components(ALPHA, {"A": True}) if "--feature-gates=A=true" in c.argv}
    assert with_gates == {"kube-apiserver", "kube-controller-manager", "kube-scheduler"}
    assert config.kubelet_config(ALPHA, {"A": True}, {}, "")["featureGates"] == {"A": True}


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 9}}, {"a": {"b": 9, "c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
    ],
)
def test_merged(base: dict[str, t.Any], over: dict[str, t.Any], expected: dict[str, t.Any]) -> None:
    before = json.dumps(base)
    assert config.merged(base, over) == expected
    assert json.dumps(base) == before


def test_the_kubelet_asks_who_is_there() -> None:
    kubelet = config.kubelet_config(ALPHA, {}, {"authentication": {"webhook": {"cacheTTL": "1s"}}}, "/etc/resolv.conf")
    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    assert kubelet["authentication"]["webhook"] == {"enabled": True, "cacheTTL": "1s"}
    assert kubelet["authorization"] == {"mode": "Webhook"}
    assert kubelet["readOnlyPort"] == 0


def test_nothing_is_asked_of_iptables() -> None:
    assert config.kubelet_config(ALPHA, {}, {}, "")["makeIPTablesUtilChains"] is False
    (bridge,) = config.cni_config(ALPHA)["plugins"]
    assert not bridge["ipMasq"]
    assert not bridge["isGateway"]


def test_containerd_config_is_toml_with_every_handler() -> None:
    document = tomllib.loads(config.containerd_config(ALPHA, {"z": "/opt/z", 'odd".name': "/opt/a b"}, True))
    runtime = document["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is True
    runtimes = runtime["containerd"]["runtimes"]
    assert {name: each["options"]["BinaryName"] for name, each in runtimes.items()} == {
        "runc": "/var/lib/podshm/alpha/bin/runc",
        "z": "/opt/z",
        'odd".name': "/opt/a b",
    }
    assert len({each["options"]["Root"] for each in runtimes.values()}) == 3
    pinned = document["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]
    assert pinned == {"sandbox": config.PAUSE_IMAGE}


def test_kubeconfig_carries_its_authority() -> None:
    document = config.kubeconfig(BETA, "somebody", b"CA", b"CERT", b"KEY")
    (cluster,) = document["clusters"]
    assert cluster["cluster"] == {
        "server": "https://127.0.0.1:23440",
        "certificate-authority-data": base64.b64encode(b"CA").decode(),
    }
    assert document["current-context"] == "beta"


def node(ready: str = "True", heartbeat: str = "2026-01-01T00:00:05Z", **spec: t.Any) -> dict[str, t.Any]:
    condition = {"type": "Ready", "status": ready, "lastHeartbeatTime": heartbeat}
    return {"spec": spec, "status": {"conditions": [condition], "runtimeHandlers": [{"name": "runc"}]}}


@pytest.mark.parametrize(
    ("given", "handlers", "expected"),
    [
        (node(), [], True),
        (node(), ["runc"], True),
        (node(), ["other"], False),
        (node(ready="False"), [], False),
        (node(heartbeat="2026-01-01T00:00:04Z"), [], False),
        (node(taints=[{"key": "node.kubernetes.io/not-ready"}]), [], False),
        ({}, [], False),
    ],
)
def test_node_ready(given: dict[str, t.Any], handlers: list[str], expected: bool) -> None:
    assert config.node_ready(given, "2026-01-01T00:00:05Z", handlers) is expected
