# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node with another kernel and cgroup v2 alone: memory accounting, effective capacity, and volumes resized in place.

The node is a User Mode Linux: slow, so nothing here is about time.
"""

from __future__ import annotations

import pathlib
import tempfile
import typing as t

import harness
import local
import pytest
import throwaway
from table import expect, honest, verdict_of

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import select

NAME = throwaway.new_name()
GATES = {"InPlacePodVerticalScalingMemoryBackedVolumes": True}

HONEST = honest(
    PASS="SHM405 SHM406 SHM407",
    # tmpfs cannot be mapped to other users before Linux 6.3
    SKIP={"Unsupported": "SHM109 SHM211 SHM215 SHM318"},
    # the node keeps everything in its memory, the kubelet's directory too
    FAIL="SHM307",
    # the node starts containers with the limits that its kernel starts with
    WARN="SHM608",
)

#: The volume that the kubelet resizes is not the memory that the container has.
_OWN_VOLUME = "own-volume"
#: Worlds here, and what some checks must be there. What is about cgroups must lie on cgroup v2, too.
EXPECTED = {
    _OWN_VOLUME: expect(FAIL="SHM401 SHM405 SHM406 SHM407"),
    "small-pod-memory": expect(FAIL="SHM303"),
    "elsewhere-charged": expect(FAIL="SHM311"),
}


@pytest.fixture(scope="module")
def cluster() -> t.Iterator[harness.Cluster]:
    # the node sees it, unlike /tmp
    with tempfile.TemporaryDirectory(prefix="podshm-", dir="/var/tmp") as folder:
        variables = {
            "local_cluster_cgroup2_node": True,
            "local_cluster_feature_gates": GATES,
            "local_cluster_handlers": local.liars(pathlib.Path(folder), EXPECTED),
            "local_cluster_timeout": 300,
        }
        with local.cluster(NAME, **variables) as started:
            yield started


def answers(cluster: harness.Cluster, *checks: str, runtime_class: str = "") -> dict[str, dict[str, t.Any]]:
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
    assert answer.result.get("leftovers") == [], answer.output
    (target,) = answer.result["run"]["targets"]
    assert target["name"] == f"{NAME}-cgroup2"
    print(f"\n{target['kernel']}, {', '.join(checks)}: {answer.seconds:.0f} s")
    for check in answer.checks.values():
        print(f"{check['id']} {check['verdict']} {check['reason']} {check['observed']}", flush=True)
    return answer.checks


def test_a_volume_is_resized_in_place(cluster: harness.Cluster) -> None:
    checks = answers(cluster, "SHM404", "SHM405", "SHM406", "SHM407")
    assert {name: check["verdict"] for name, check in checks.items()} == dict.fromkeys(checks, "PASS")
    assert checks["SHM405"]["observed"].startswith("16777216 bytes before, 33554432 bytes")
    assert checks["SHM406"]["observed"] == "33554432 bytes before, 8388608 after"
    assert "with 7340032 in use: failed to resize volume resized" in checks["SHM407"]["observed"]


def test_a_resize_that_does_not_reach_the_container(cluster: harness.Cluster) -> None:
    checks = answers(cluster, *EXPECTED[_OWN_VOLUME], runtime_class=_OWN_VOLUME)
    assert {name: check["verdict"] for name, check in checks.items()} == EXPECTED[_OWN_VOLUME]
    assert checks["SHM405"]["observed"] == (
        "16777216 bytes before, 16777216 after, not 33554432, though the kubelet reports that the resize is done"
    )
    assert checks["SHM406"]["observed"].endswith("not 8388608, though the kubelet reports that the resize is done")


@pytest.mark.parametrize("world", [name for name in EXPECTED if name != _OWN_VOLUME])
def test_a_world_about_cgroups(cluster: harness.Cluster, world: str) -> None:
    checks = answers(cluster, *EXPECTED[world], runtime_class=world)
    assert {name: check["verdict"] for name, check in checks.items()} == EXPECTED[world]


def test_the_effective_capacity_and_who_is_charged(cluster: harness.Cluster) -> None:
    checks = answers(cluster, "SHM310", "SHM311", "SHM312")
    assert {name: check["verdict"] for name, check in checks.items()} == dict.fromkeys(checks, "PASS")
    # the kernel kills the whole container there
    assert "OOMKilled" in checks["SHM310"]["observed"]


@pytest.mark.parametrize("group", ["sysv", "posix", "resize", "isolation", "limits"])
def test_everything_else(cluster: harness.Cluster, group: str) -> None:
    checks = answers(cluster, group)
    assert {name: verdict_of(check) for name, check in checks.items()} == {
        check.id: HONEST[check.id] for check in select([group])
    }
