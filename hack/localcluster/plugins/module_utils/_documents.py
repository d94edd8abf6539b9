# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written for one cluster: configuration files, credentials, and the objects that it starts with.

Everything here is pure: the same input gives the same text.
This file is PRIVATE to the collection.
"""

from __future__ import annotations

import base64
import json
import re
import typing as t

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._layout import Layout

CNI_BIN = "/usr/lib/cni"
PAUSE_IMAGE = "registry.k8s.io/pause:3.10.1"
MANAGED_BY = "abcdesktopio.podshm"
# What the API server takes for the handler of a RuntimeClass.
HANDLER = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def merged(base: t.Mapping[str, t.Any], over: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Base with the settings of over: mappings are merged, anything else is replaced."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def kubelet_config(
    layout: Layout, gates: t.Mapping[str, bool], overrides: t.Mapping[str, t.Any], resolv_conf: str
) -> dict[str, t.Any]:
    # A kubelet leaves out the fields that are newer than it is, and says so in its log.
    base: dict[str, t.Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": layout.node_address,
        "port": layout.ports["kubelet"],
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": layout.ports["kubelet_healthz"],
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": layout.pki("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": layout.pki("kubelet.crt"),
        "tlsPrivateKeyFile": layout.pki("kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.cgroup}",
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        # Nothing of the machine is the cluster's to clean: no iptables chains, no image collection, late eviction.
        "makeIPTablesUtilChains": False,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "resolvConf": resolv_conf,
        # Kubelets before 1.30 do not know it and keep to /var/log/pods.
        "podLogsDir": layout.path("pods"),
        "volumePluginDir": layout.path("kubelet", "volume-plugins"),
        "featureGates": dict(gates),
    }
    return merged(base, overrides)


def containerd_config(layout: Layout, handlers: t.Mapping[str, str], restrict_oom_score_adj: bool) -> str:
    def quoted(value: str) -> str:
        return json.dumps(value)

    def runtime(handler: str, binary: str) -> list[str]:
        table = f"plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{quoted(handler)}"
        return [
            f"[{table}]",
            "runtime_type = 'io.containerd.runc.v2'",
            f"runtime_path = {quoted(layout.bin('containerd-shim-runc-v2'))}",
            f"[{table}.options]",
            f"BinaryName = {quoted(binary)}",
            f"Root = {quoted(layout.path('run', 'oci', handler))}",
            "SystemdCgroup = false",
        ]

    lines = [
        "version = 3",
        f"root = {quoted(layout.path('containerd'))}",
        f"state = {quoted(layout.path('run', 'containerd'))}",
        # Both write outside of the cluster's folder, and nothing here needs them.
        "disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.internal.v1.opt']",
        "[grpc]",
        f"address = {quoted(layout.containerd_socket)}",
        "[ttrpc]",
        f"address = {quoted(layout.containerd_socket + '.ttrpc')}",
        "[plugins.'io.containerd.shim.v1.manager']",
        f"socket_dir = {quoted(layout.path('run', 's'))}",
        "[plugins.'io.containerd.cri.v1.images'.pinned_images]",
        f"sandbox = {quoted(PAUSE_IMAGE)}",
        "[plugins.'io.containerd.cri.v1.runtime']",
        f"restrict_oom_score_adj = {str(restrict_oom_score_adj).lower()}",
        "netns_mounts_under_state_dir = true",
        "[plugins.'io.containerd.cri.v1.runtime'.cni]",
        f"bin_dirs = [{quoted(CNI_BIN)}]",
        f"conf_dir = {quoted(layout.path('etc', 'cni'))}",
        # The loopback plugin would leave a file per pod in /var/lib/cni.
        "use_internal_loopback = true",
        "[plugins.'io.containerd.cri.v1.runtime'.containerd]",
        "default_runtime_name = 'runc'",
        *runtime("runc", layout.bin("runc")),
    ]
    for handler in sorted(handlers):
        lines += runtime(handler, handlers[handler])
    return "\n".join(lines) + "\n"


def cni_config(layout: Layout) -> dict[str, t.Any]:
    # Pods are reached from their node only. So the plugin need not be a gateway, which would
    # switch on forwarding for the whole machine, nor masquerade, which needs iptables rules.
    bridge = {
        "type": "bridge",
        "bridge": layout.bridge,
        "isGateway": False,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": layout.path("run", "cni"),
            "ranges": [[{"subnet": str(layout.pod_subnet), "gateway": layout.node_address}]],
        },
    }
    return {"cniVersion": "1.0.0", "name": layout.cni_network, "plugins": [bridge]}


def kubeconfig(layout: Layout, user: str, ca: bytes, cert: bytes, key: bytes) -> dict[str, t.Any]:
    def data(pem: bytes) -> str:
        return base64.b64encode(pem).decode()

    credentials = {"client-certificate-data": data(cert), "client-key-data": data(key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": layout.name, "cluster": {"server": layout.server, "certificate-authority-data": data(ca)}}
        ],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": layout.name, "context": {"cluster": layout.name, "user": user}}],
        "current-context": layout.name,
    }


def kubelet_api_binding() -> dict[str, t.Any]:
    """Lets the API server reach the kubelet (exec, logs); its certificate is nobody's administrator."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "podshm:kubelet-api", "labels": {"app.kubernetes.io/managed-by": MANAGED_BY}},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:kubelet-api-admin",
        },
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "kube-apiserver-kubelet-client"}
        ],
    }


def runtime_class(handler: str) -> dict[str, t.Any]:
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": handler, "labels": {"app.kubernetes.io/managed-by": MANAGED_BY}},
        "handler": handler,
    }


def text(document: t.Mapping[str, t.Any]) -> str:
    """JSON is YAML, and needs no library."""
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def node_ready(node: t.Mapping[str, t.Any], not_before: str, handlers: t.Collection[str]) -> bool:
    """True when the kubelet itself said Ready (not before the given RFC 3339 time) and nothing keeps pods away."""
    status = node.get("status", {})
    ready = any(
        condition["type"] == "Ready" and condition["status"] == "True" and condition["lastHeartbeatTime"] >= not_before
        for condition in status.get("conditions", [])
    )
    # kubelets before 1.30 do not name them
    known = {handler["name"] for handler in status.get("runtimeHandlers") or ()}
    return ready and not node.get("spec", {}).get("taints") and (not known or known.issuperset(handlers))
