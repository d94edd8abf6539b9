# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node with another kernel and cgroup v2 alone: memory accounting, effective capacity, and volumes resized in place.

The node is a User Mode Linux: slow, so nothing here is about time.
"""

from __future__ import annotations

import pathlib
import sys
import tempfile
import typing as t

import pytest
import throwaway

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "cluster")]

import harness  # noqa: E402
import local  # noqa: E402

NAME = throwaway.new_name()
GATES = {"InPlacePodVerticalScalingMemoryBackedVolumes": True}

#: What is otherwise on this node, and why.
OTHERWISE = {
    # tmpfs cannot be mapped to other users before Linux 6.3
    "SHM109": ("SKIP", "Unsupported"),
    "SHM211": ("SKIP", "Unsupported"),
    "SHM215": ("SKIP", "Unsupported"),
    # it keeps everything in its memory, the kubelet's directory too
    "SHM307": ("FAIL", ""),
    "SHM403": ("SKIP", "NotAsked"),
    "SHM603": ("SKIP", "SysctlForbidden"),
}


#: A false world: the volume that the kubelet resizes is not the memory that the container has.
LIAR = "own-volume"


@pytest.fixture(scope="module")
def cluster() -> t.Iterator[harness.Cluster]:
    # the node sees it, unlike /tmp
    with tempfile.TemporaryDirectory(prefix="podshm-", dir="/var/tmp") as folder:
        variables = {
            "local_cluster_cgroup2_node": True,
            "local_cluster_feature_gates": GATES,
            "local_cluster_handlers": local.liars(pathlib.Path(folder), [LIAR]),
            "local_cluster_timeout": 300,
        }
        with local.cluster(NAME, **variables) as started:
            yield started


def asked(cluster: harness.Cluster, *checks: str, runtime_class: str = "") -> dict[str, dict[str, t.Any]]:
    """The answers of the node with cgroup v2."""
    answer = harness.call(
        cluster,
        checks=list(checks),
        runtime_class=runtime_class,
        node_selector={"kubernetes.io/hostname": f"{NAME}-cgroup2"},
        timeout=900,
        start_timeout=400,
        cleanup_timeout=200,
        step_timeout=60,
    ).answer(seconds=1500)
    assert answer.result.get("residue") == [], answer.output
    (target,) = answer.result["run"]["targets"]
    assert target["name"] == f"{NAME}-cgroup2"
    print(f"\n{target['kernel']}, {', '.join(checks)}: {answer.seconds:.0f} s")
    for check in answer.checks.values():
        print(f"{check['id']} {check['verdict']} {check['reason']} {check['observed']}", flush=True)
    return answer.checks


def test_a_volume_is_resized_in_place(cluster: harness.Cluster) -> None:
    checks = asked(cluster, "SHM404", "SHM405", "SHM406", "SHM407")
    assert {name: check["verdict"] for name, check in checks.items()} == dict.fromkeys(checks, "PASS")
    assert checks["SHM405"]["observed"].startswith("16777216 bytes before, 33554432 bytes")
    assert checks["SHM406"]["observed"] == "33554432 bytes before, 8388608 after"
    assert "with 7340032 in use: failed to resize volume kept" in checks["SHM407"]["observed"]


def test_a_resize_that_does_not_reach_the_container(cluster: harness.Cluster) -> None:
    checks = asked(cluster, "SHM401", "SHM405", "SHM406", "SHM407", runtime_class=LIAR)
    assert {name: check["verdict"] for name, check in checks.items()} == dict.fromkeys(checks, "FAIL")
    assert checks["SHM405"]["observed"] == (
        "16777216 bytes before, 16777216 after, not 33554432, though the kubelet says that it is done"
    )
    assert checks["SHM406"]["observed"].endswith("not 8388608, though the kubelet says that it is done")


def test_the_effective_capacity_and_who_is_charged(cluster: harness.Cluster) -> None:
    checks = asked(cluster, "SHM310", "SHM311", "SHM312")
    assert {name: check["verdict"] for name, check in checks.items()} == dict.fromkeys(checks, "PASS")
    # the kernel kills the whole container there
    assert "OOMKilled" in checks["SHM310"]["observed"]


@pytest.mark.parametrize("group", ["sysv", "posix", "resize", "isolation", "limits"])
def test_everything_else(cluster: harness.Cluster, group: str) -> None:
    checks = asked(cluster, group)
    others = {name: check for name, check in checks.items() if check["verdict"] != "PASS"}
    assert {name: (check["verdict"], check["reason"]) for name, check in others.items()} == {
        name: told for name, told in OTHERWISE.items() if name in checks
    }
