# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes are those of a virtual cluster: what they say of themselves is made up."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.client import Cluster


def inject() -> None:
    """Let every node say what vCluster lets its fake nodes say, but for the images."""
    nodes = Cluster.nodes

    def fake(self: Cluster) -> list[dict[str, t.Any]]:
        found = nodes(self)
        for node in found:
            node["status"]["allocatable"]["memory"] = "32Gi"
            node["status"]["nodeInfo"] |= {"kernelVersion": "4.19.76-fakelinux", "osImage": "Fake Kubernetes Image"}
        return found

    Cluster.nodes = fake  # type: ignore[method-assign]
