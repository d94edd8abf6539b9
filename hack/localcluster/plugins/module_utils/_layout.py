# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where one cluster keeps what: names, folders, addresses and ports.

Everything here is pure.
This file is PRIVATE to the collection.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re

HOME = "/var/lib/podshm"
SLOTS = 50
# Unix socket paths end at 107 bytes; the longest one below a cluster's folder takes 76.
NAME = re.compile(r"[a-z]([a-z0-9-]{0,13}[a-z0-9])?")

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
    def guest_subnet(self) -> ipaddress.IPv4Network:
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
