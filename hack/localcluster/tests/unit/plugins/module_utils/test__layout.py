# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, folders, addresses and ports of clusters."""

from __future__ import annotations

import re

import pytest

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _layout

LONGEST = _layout.Layout("a" * 15, _layout.SLOTS - 1)


def test_clusters_share_no_port_address_interface_or_cgroup() -> None:
    layouts = [_layout.Layout(f"c{slot}", slot) for slot in range(_layout.SLOTS)]
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
        "guest_subnet",
        "root",
        "cni_network",
    ):
        assert len({getattr(layout, what) for layout in layouts}) == _layout.SLOTS, what
    assert not {str(layout.pod_subnet) for layout in layouts} & {str(layout.service_subnet) for layout in layouts}


def test_the_longest_name_fits_the_limits_of_the_kernel() -> None:
    assert re.fullmatch(_layout.NAME, LONGEST.name)
    assert len(LONGEST.bridge) <= 15
    # containerd names a shim's socket by a SHA-256 sum.
    assert len(LONGEST.path("run", "s", "0" * 64)) <= 107
    assert len(LONGEST.containerd_socket + ".ttrpc") <= 107


@pytest.mark.parametrize("name", ["", "A", "1a", "a-", "-a", "a_b", "a.b", "a/b", "a" * 16, "..", "a\n"])
def test_names_that_are_not_valid(name: str) -> None:
    assert not re.fullmatch(_layout.NAME, name)
