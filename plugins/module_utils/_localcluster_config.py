# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, addresses, configuration files and command lines of one local cluster.

Everything here is pure: the same input gives the same text, nothing is read or written.
This file is PRIVATE to the collection.
"""

from __future__ import annotations

import base64
import dataclasses
import ipaddress
import json
import re
import typing as t

HOME = "/var/lib/podshm"
CNI_BIN = "/usr/lib/cni"
PAUSE_IMAGE = "registry.k8s.io/pause:3.10.1"
MANAGED_BY = "abcdesktopio.podshm"
SLOTS = 50
# Unix socket paths end at 107 bytes; the longest one below a cluster's folder takes 76.
NAME = re.compile(r"[a-z]([a-z0-9-]{0,13}[a-z0-9])?")
# What the API server takes for the handler of a RuntimeClass.
HANDLER = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

BINARIES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kubectl",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "runc",
)


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where one cluster keeps what: all that follows from its name and its slot."""

    name: str
    slot: int

    @property
    def root(self) -> str:
        return f"{HOME}/{self.name}"

    def path(self, *parts: str) -> str:
        return "/".join((self.root, *parts))

    def pki(self, file: str) -> str:
        return self.path("pki", file)

    def bin(self, binary: str) -> str:
        return self.path("bin", binary)

    @property
    def kubeconfig(self) -> str:
        return self.path("kubeconfig")

    @property
    def containerd_socket(self) -> str:
        return self.path("run", "containerd.sock")

    @property
    def bridge(self) -> str:
        return f"podshm{self.slot}"

    @property
    def cgroup(self) -> str:
        return f"podshm-{self.name}"

    @property
    def cni_network(self) -> str:
        return f"podshm-{self.name}"

    @property
    def pod_subnet(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(f"10.183.{self.slot}.0/24")

    @property
    def service_subnet(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(f"10.184.{self.slot}.0/24")

    @property
    def v2_subnet(self) -> ipaddress.IPv4Network:
        """Between the machine and the second node."""
        return ipaddress.IPv4Network(f"10.185.{self.slot}.0/24")

    @property
    def node_address(self) -> str:
        return str(self.pod_subnet[1])

    @property
    def service_address(self) -> str:
        return str(self.service_subnet[1])

    @property
    def ports(self) -> dict[str, int]:
        users = ("apiserver", "etcd", "etcd_peer", "controller_manager", "scheduler", "kubelet", "kubelet_healthz")
        return {user: 23430 + 10 * self.slot + offset for offset, user in enumerate(users)}

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.ports['apiserver']}"


@dataclasses.dataclass(frozen=True)
class Component:
    """One long-running process: its command line, and the files that need a restart when they change."""

    name: str
    argv: tuple[str, ...]
    reads: tuple[str, ...]


def feature_gates(gates: t.Mapping[str, bool]) -> tuple[str, ...]:
    if not gates:
        return ()
    return ("--feature-gates=" + ",".join(f"{gate}={str(gates[gate]).lower()}" for gate in sorted(gates)),)


def etcd(layout: Layout) -> Component:
    client = f"https://127.0.0.1:{layout.ports['etcd']}"
    peer = f"https://127.0.0.1:{layout.ports['etcd_peer']}"
    cert, key, ca = layout.pki("etcd.crt"), layout.pki("etcd.key"), layout.pki("etcd-ca.crt")
    argv = (
        layout.bin("etcd"),
        f"--name={layout.name}",
        f"--data-dir={layout.path('etcd')}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={layout.name}={peer}",
        f"--cert-file={cert}",
        f"--key-file={key}",
        f"--trusted-ca-file={ca}",
        "--client-cert-auth",
        f"--peer-cert-file={cert}",
        f"--peer-key-file={key}",
        f"--peer-trusted-ca-file={ca}",
        "--peer-client-cert-auth",
        "--log-level=warn",
        # Killed processes lose nothing; after a crash of the machine the cluster is rebuilt if need be.
        "--unsafe-no-fsync",
    )
    return Component("etcd", argv, (cert, key, ca))


def apiserver(layout: Layout, gates: t.Mapping[str, bool]) -> Component:
    pki = layout.pki
    argv = (
        layout.bin("kube-apiserver"),
        f"--etcd-servers=https://127.0.0.1:{layout.ports['etcd']}",
        f"--etcd-cafile={pki('etcd-ca.crt')}",
        f"--etcd-certfile={pki('apiserver-etcd.crt')}",
        f"--etcd-keyfile={pki('apiserver-etcd.key')}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={layout.ports['apiserver']}",
        "--endpoint-reconciler-type=none",
        f"--tls-cert-file={pki('apiserver.crt')}",
        f"--tls-private-key-file={pki('apiserver.key')}",
        f"--client-ca-file={pki('ca.crt')}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--service-account-key-file={pki('service-accounts.pub')}",
        f"--service-account-signing-key-file={pki('service-accounts.key')}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={layout.service_subnet}",
        "--allow-privileged",
        f"--kubelet-certificate-authority={pki('ca.crt')}",
        f"--kubelet-client-certificate={pki('apiserver-kubelet.crt')}",
        f"--kubelet-client-key={pki('apiserver-kubelet.key')}",
        "--kubelet-preferred-address-types=InternalIP",
        "--profiling=false",
        *feature_gates(gates),
    )
    reads = ("ca.crt", "apiserver.crt", "apiserver-etcd.crt", "apiserver-kubelet.crt", "etcd-ca.crt")
    return Component("kube-apiserver", argv, (*map(pki, reads), pki("service-accounts.pub")))


def delegating(layout: Layout, binary: str, port: str, gates: t.Mapping[str, bool]) -> tuple[str, ...]:
    """The flags that controller-manager and scheduler have in common."""
    own = layout.path("etc", f"{binary}.kubeconfig")
    return (
        layout.bin(binary),
        f"--kubeconfig={own}",
        f"--authentication-kubeconfig={own}",
        f"--authorization-kubeconfig={own}",
        f"--client-ca-file={layout.pki('ca.crt')}",
        "--authentication-skip-lookup",
        "--bind-address=127.0.0.1",
        f"--secure-port={layout.ports[port]}",
        f"--tls-cert-file={layout.pki(binary + '-serving.crt')}",
        f"--tls-private-key-file={layout.pki(binary + '-serving.key')}",
        "--leader-elect=false",
        "--profiling=false",
        *feature_gates(gates),
    )


def controller_manager(layout: Layout, gates: t.Mapping[str, bool]) -> Component:
    binary = "kube-controller-manager"
    argv = (
        *delegating(layout, binary, "controller_manager", gates),
        "--use-service-account-credentials",
        # Each controller asks for its own token: at the default rate that alone takes 5 s.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        f"--service-account-private-key-file={layout.pki('service-accounts.key')}",
        f"--root-ca-file={layout.pki('ca.crt')}",
    )
    reads = (layout.path("etc", f"{binary}.kubeconfig"), layout.pki(f"{binary}-serving.crt"), layout.pki("ca.crt"))
    return Component(binary, argv, reads)


def scheduler(layout: Layout, gates: t.Mapping[str, bool]) -> Component:
    binary = "kube-scheduler"
    reads = (layout.path("etc", f"{binary}.kubeconfig"), layout.pki(f"{binary}-serving.crt"))
    return Component(binary, delegating(layout, binary, "scheduler", gates), reads)


def containerd(layout: Layout) -> Component:
    config = layout.path("etc", "containerd.toml")
    return Component("containerd", (layout.bin("containerd"), f"--config={config}"), (config,))


def kubelet(layout: Layout) -> Component:
    config, kubeconfig = layout.path("etc", "kubelet.json"), layout.path("etc", "kubelet.kubeconfig")
    argv = (
        layout.bin("kubelet"),
        f"--config={config}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={layout.name}",
        f"--node-ip={layout.node_address}",
        f"--root-dir={layout.path('kubelet')}",
        f"--cert-dir={layout.path('kubelet', 'pki')}",
    )
    return Component("kubelet", argv, (config, kubeconfig, layout.pki("ca.crt"), layout.pki("kubelet.crt")))


def components(layout: Layout, gates: t.Mapping[str, bool]) -> list[Component]:
    return [
        etcd(layout),
        containerd(layout),
        apiserver(layout, gates),
        controller_manager(layout, gates),
        scheduler(layout, gates),
        kubelet(layout),
    ]


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
    """JSON is YAML, and needs no library that the interpreter may lack."""
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def node_ready(node: t.Mapping[str, t.Any], not_before: str, handlers: t.Collection[str]) -> bool:
    """True when the kubelet itself said Ready (not before the given RFC 3339 time) and nothing keeps pods away."""
    status = node.get("status", {})
    ready = any(
        condition["type"] == "Ready" and condition["status"] == "True" and condition["lastHeartbeatTime"] >= not_before
        for condition in status.get("conditions", [])
    )
    known = {handler["name"] for handler in status.get("runtimeHandlers", [])}
    return ready and not node.get("spec", {}).get("taints") and known.issuperset(handlers)
