# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second real runtime: every check under gVisor, whose known differences are expected verdicts (docs/runtimes.md).

What the table does not name must come as under runc.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import typing as t

import harness
import local
import pytest
import throwaway
from table import Table, expect, honest

NAME = throwaway.new_name()

#: The kubelet of this cluster allows kernel.shm*.
HONEST = honest(PASS="SHM603")
#: What is not named comes as under runc.
EXPECTED = {
    "gvisor": expect(
        FAIL="SHM101 SHM217 SHM310 SHM311 SHM503 SHM602 SHM603",
        ERROR="SHM203 SHM312 SHM606",
        WARN="SHM301 SHM401 SHM501",
        SKIP={
            # no user namespace of its own with this shim
            "Unsupported": "SHM109 SHM211 SHM215 SHM318",
            # SHM307: disk and memory are 9p alike. SHM601, SHM604: IPC sysctls are neither there nor heeded
            "NotVisible": "SHM307 SHM320 SHM504 SHM601 SHM604",
        },
    )
    # SHM101: a file on a shared volume has another device in each container, and so another key
    # SHM203, SHM606: the kernel of the sandbox has mq_open, but not mq_timedsend: the control SHM912 does not hold
    # SHM217: a socket on a shared volume is there for the container alone that binds it
    # SHM301, SHM401: a few pages are the file system's own
    # SHM310, SHM311, SHM312: it runs without cgroups here: nothing is charged, nothing is killed
    # SHM501: two sandboxes with kernels of their own, which number alike
    # SHM503, SHM504: hostIPC leads to the sandbox, though to the node's /dev/shm
}


@pytest.fixture(scope="module")
def answer() -> t.Iterator[harness.Answer]:
    """The whole catalog under runc and under gVisor, on a cluster of its own."""
    kubelet = {"allowedUnsafeSysctls": ["kernel.shm*"]}
    with local.cluster(NAME, local_cluster_gvisor=True, local_cluster_kubelet_config=kubelet) as cluster:
        yield harness.call(
            cluster,
            checks=None,
            runtime_classes=["", "gvisor"],
            size_limit="80Mi",
            timeout=240,
            start_timeout=120,
        ).answer(seconds=300)


def test_gvisor_differs_where_it_is_known_to(answer: harness.Answer) -> None:
    table = Table(HONEST, EXPECTED)
    for check in answer.result["checks"]:
        table.add(check["runtime_class"], check)
    print(table.text())
    assert table.wrong("") == {}
    assert table.wrong("gvisor") == {}


def test_nothing_stays(answer: harness.Answer) -> None:
    assert answer.result["leftovers"] == []


def sandboxes(cluster: str) -> list[int]:
    """The ids of gVisor's sandboxes of the cluster."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if command.startswith(b"runsc-sandbox\0") and f"/var/lib/podshm/{cluster}/".encode() in command:
                found.append(int(entry.name))
    return found


def test_a_sandbox_that_hangs_goes_with_its_cluster() -> None:
    name = throwaway.new_name()
    with local.cluster(name, local_cluster_gvisor=True) as cluster:
        namespace = cluster.make_namespace()
        container = {"name": "main", "image": "registry.k8s.io/pause:3.10.1"}
        spec = {"runtimeClassName": "gvisor", "containers": [container]}
        cluster.create("pods", {"metadata": {"name": "hangs"}, "spec": spec}, namespace)
        cluster.until("pods", namespace, lambda seen: all(pod["status"]["phase"] == "Running" for pod in seen.values()))
        (sandbox,) = sandboxes(name)
        os.kill(sandbox, signal.SIGSTOP)
    assert sandboxes(name) == []
