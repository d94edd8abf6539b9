# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces, addresses, routes and ports of a cluster.

This file is PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import pathlib
import socket
import typing as t

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._commands import Run
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._errors import ClusterError
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._layout import SLOTS, Layout


def ip_json(run: Run, *arguments: str) -> list[dict[str, t.Any]]:
    code, output, _message = run(["ip", "-json", *arguments])
    return json.loads(output or "[]") if code == 0 else []


def ip(run: Run, *arguments: str) -> None:
    code, _output, message = run(["ip", *arguments])
    if code:
        raise ClusterError(f"`ip {' '.join(arguments)}` failed: {message.strip()}")


def bridge_missing(run: Run, layout: Layout) -> bool:
    links = ip_json(run, "address", "show", "dev", layout.bridge)
    addresses = {address["local"] for link in links for address in link.get("addr_info", [])}
    complete = layout.node_address in addresses and "UP" in links[0]["flags"]
    return not complete or layout.bridge not in bridges(layout.cni_network)


def create_bridge(run: Run, layout: Layout) -> None:
    if not os.path.exists(f"/sys/class/net/{layout.bridge}"):
        # Without an address of its own a bridge takes one of its ports', and another when that goes.
        ip(run, "link", "add", layout.bridge, "address", f"0a:58:0a:b7:{layout.slot:02x}:01", "type", "bridge")
    ip(run, "link", "set", layout.bridge, "alias", layout.cni_network)
    ip(run, "address", "replace", f"{layout.node_address}/{layout.pod_subnet.prefixlen}", "dev", layout.bridge)
    ip(run, "link", "set", layout.bridge, "up")


def create_tap(run: Run, name: str, address: str, alias: str) -> None:
    """An interface for a guest. By its alias it goes with the bridge of its cluster."""
    if not os.path.exists(f"/sys/class/net/{name}"):
        ip(run, "tuntap", "add", "dev", name, "mode", "tap")
    ip(run, "link", "set", name, "alias", alias)
    ip(run, "address", "replace", f"{address}/24", "dev", name)
    ip(run, "link", "set", name, "up")


def bridges(cni_network: str) -> list[str]:
    """The bridge of the cluster, found by its alias: also when the record of its slot is lost."""
    aliases = pathlib.Path("/sys/class/net").glob("*/ifalias")
    return [file.parent.name for file in aliases if file.read_text().strip() == cni_network]


def remove_bridge(run: Run, cni_network: str) -> None:
    for bridge in bridges(cni_network):
        # The ends of the pods' cables go with their network namespaces, but not at once.
        for link in ip_json(run, "link", "show", "master", bridge):
            with contextlib.suppress(ClusterError):
                ip(run, "link", "delete", link["ifname"])
        ip(run, "link", "delete", bridge)


def port_free(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def subnets_in_use(routes: t.Iterable[t.Mapping[str, t.Any]]) -> list[ipaddress.IPv4Network]:
    """The IPv4 networks that the machine has routes to (pure).

    A route to a great range, the default route first of all, does not say that each address in it is in use.
    """
    found = []
    for route in routes:
        with contextlib.suppress(ValueError):
            network = ipaddress.IPv4Network(route["dst"], strict=False)
            if network.prefixlen >= 16:
                found.append(network)
    return found


def free_slot(run: Run, name: str, taken: t.Collection[int]) -> int:
    """The lowest slot that no cluster has and whose ports, interface and addresses nobody uses."""
    in_use = subnets_in_use(ip_json(run, "-4", "route", "show", "table", "all"))
    for slot in range(SLOTS):
        layout = Layout(name, slot)
        if slot in taken or os.path.exists(f"/sys/class/net/{layout.bridge}"):
            continue
        # The addresses of services are never on a wire.
        if any(each.overlaps(own) for each in in_use for own in (layout.pod_subnet, layout.guest_subnet)):
            continue
        if all(port_free("0.0.0.0", port) for port in layout.ports.values()):
            return slot
    raise ClusterError(
        f"cluster {name}: none of the {SLOTS} sets of ports (from {min(Layout(name, 0).ports.values())}) and subnets "
        f"(from {Layout(name, 0).pod_subnet}) is free; remove a cluster or a route that is not needed"
    )
