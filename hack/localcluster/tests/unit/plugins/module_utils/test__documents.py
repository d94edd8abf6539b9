# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written for a cluster, without one."""

from __future__ import annotations

import base64
import json
import tomllib
import typing as t

import pytest

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _documents
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._layout import Layout

ALPHA, BETA = Layout("alpha", 0), Layout("beta", 1)


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
    assert _documents.merged(base, over) == expected
    assert json.dumps(base) == before


def test_the_kubelet_asks_who_is_there() -> None:
    kubelet = _documents.kubelet_config(
        ALPHA, {}, {"authentication": {"webhook": {"cacheTTL": "1s"}}}, "/etc/resolv.conf"
    )
    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    assert kubelet["authentication"]["webhook"] == {"enabled": True, "cacheTTL": "1s"}
    assert kubelet["authorization"] == {"mode": "Webhook"}
    assert kubelet["readOnlyPort"] == 0


def test_nothing_is_asked_of_iptables() -> None:
    assert _documents.kubelet_config(ALPHA, {}, {}, "")["makeIPTablesUtilChains"] is False
    (bridge,) = _documents.cni_config(ALPHA)["plugins"]
    assert not bridge["ipMasq"]
    assert not bridge["isGateway"]


def test_containerd_config_is_toml_with_every_handler() -> None:
    document = tomllib.loads(_documents.containerd_config(ALPHA, {"z": "/opt/z", 'odd".name': "/opt/a b"}, True))
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
    assert pinned == {"sandbox": _documents.PAUSE_IMAGE}


def test_kubeconfig_carries_its_authority() -> None:
    document = _documents.kubeconfig(BETA, "somebody", b"CA", b"CERT", b"KEY")
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
        # a kubelet of 1.28
        ({"status": {"conditions": node()["status"]["conditions"]}}, ["other"], True),
        (node(ready="False"), [], False),
        (node(heartbeat="2026-01-01T00:00:04Z"), [], False),
        (node(taints=[{"key": "node.kubernetes.io/not-ready"}]), [], False),
        ({}, [], False),
    ],
)
def test_node_ready(given: dict[str, t.Any], handlers: list[str], expected: bool) -> None:
    assert _documents.node_ready(given, "2026-01-01T00:00:05Z", handlers) is expected
