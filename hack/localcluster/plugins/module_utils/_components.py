# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The long-running processes of one cluster: command lines, and the files that they read.

Everything here is pure.
This file is PRIVATE to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._layout import Layout


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
        # Each controller requests a token of its own: at the default rate that alone takes 5 s.
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
