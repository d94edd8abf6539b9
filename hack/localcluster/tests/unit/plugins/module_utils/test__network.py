# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports, subnets and slots, as far as they need no root."""

from __future__ import annotations

import ipaddress
import json
import os
import socket

import pytest

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _network
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._commands import Run
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._errors import ClusterError


def routes(*destinations: str) -> Run:
    """A machine with these routes."""
    return lambda args: (0, json.dumps([{"dst": each} for each in destinations]), "")


def test_a_port_is_free_until_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not _network.port_free("127.0.0.1", port)
        assert not _network.port_free("0.0.0.0", port)
    assert _network.port_free("127.0.0.1", port)


def test_subnets_in_use() -> None:
    routes = [{"dst": dst} for dst in ("default", "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "192.0.2.7", "unreachable")]
    assert _network.subnets_in_use(routes) == [
        ipaddress.IPv4Network("10.1.0.0/16"),
        ipaddress.IPv4Network("192.0.2.7/32"),
    ]


def test_a_slot_is_free_of_other_clusters_and_foreign_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_network, "port_free", lambda address, port: port not in (23460, 23466))
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/sys/class/net/podshm1")
    # 0 is another cluster's, 1 has an interface, 2 a route, 3 two ports in use.
    assert _network.free_slot(routes("10.183.2.128/25"), "alpha", {0}) == 4
    with pytest.raises(ClusterError, match="cluster alpha: none of the 50 sets of ports"):
        _network.free_slot(routes("10.183.0.0/16"), "alpha", set())


def test_a_failed_command_is_named_with_what_it_wrote() -> None:
    def fails(args: list[str]) -> tuple[int, str, str]:
        return 2, "", "RTNETLINK answers: Operation not permitted\n"

    assert _network.ip_json(fails, "link") == []
    with pytest.raises(ClusterError, match="`ip link set x up` failed: RTNETLINK answers: Operation not"):
        _network.ip(fails, "link", "set", "x", "up")
