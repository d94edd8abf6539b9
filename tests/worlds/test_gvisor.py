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
import sys
import typing as t

import pytest
import throwaway

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "cluster")]

import harness  # noqa: E402
import local  # noqa: E402

NAME = throwaway.new_name()

#: Verdict and, where something could not be asked, the reason. What is not named comes as under runc.
EXPECTED = {
    # a file on a shared volume has another device in each container, and so another key
    "SHM101": "FAIL",
    # the kernel of the sandbox has mq_open, but not mq_timedsend
    "SHM203": "FAIL",
    # no user namespace of its own with this shim
    **dict.fromkeys(("SHM109", "SHM211", "SHM215"), "SKIP Unsupported"),
    # a few pages are the file system's own
    "SHM301": "WARN",
    "SHM401": "WARN",
    # disk and memory are 9p alike
    "SHM307": "SKIP NotVisible",
    # it runs without cgroups here: nothing is charged, nothing is killed
    "SHM310": "FAIL",
    "SHM311": "FAIL",
    "SHM312": "ERROR PremiseFailed",
    # two sandboxes with kernels of their own, which number alike
    "SHM501": "WARN",
    # hostIPC leads to the sandbox, though to the node's /dev/shm
    "SHM503": "FAIL",
    "SHM504": "SKIP NotVisible",
    # IPC sysctls are neither there nor heeded
    "SHM601": "SKIP NotVisible",
    "SHM602": "FAIL",
    "SHM603": "FAIL",
    "SHM604": "SKIP NotVisible",
}


@pytest.fixture(scope="module")
def answer() -> t.Iterator[harness.Answer]:
    """The whole catalog under runc and under gVisor, on a cluster of its own."""
    kubelet = {"allowedUnsafeSysctls": ["kernel.shm*"]}
    with local.cluster(NAME, local_cluster_gvisor=True, local_cluster_kubelet_config=kubelet) as cluster:
        yield harness.call(
            cluster,
            checks=[],
            runtime_classes=["", "gvisor"],
            size_limit="80Mi",
            timeout=240,
            start_timeout=120,
        ).answer(seconds=300)


def test_gvisor_differs_where_it_is_known_to(answer: harness.Answer) -> None:
    told: dict[str, dict[str, str]] = {"": {}, "gvisor": {}}
    for check in answer.result["checks"]:
        told[check["runtime_class"]][check["id"]] = f"{check['verdict']} {check['reason']}".rstrip()
        if check["verdict"] != "PASS":
            print(f"{check['runtime_class'] or 'runc'} {check['id']} {check['verdict']} {check['observed']}")
    assert {name: verdict for name, verdict in told[""].items() if not verdict.startswith(("PASS", "SKIP "))} == {}
    assert told["gvisor"] == {**told[""], **EXPECTED}


def test_nothing_stays(answer: harness.Answer) -> None:
    assert answer.result["residue"] == []


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
