# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check under kubelets with other settings: what they change is told, what they do not is not."""

from __future__ import annotations

import dataclasses
import typing as t

import harness
import local
import pytest
import throwaway
from oci import EVERYTHING
from table import Table, Verdicts, expect, honest

NAME = throwaway.new_name()


@dataclasses.dataclass(frozen=True)
class World:
    """Settings of the kubelet, and feature gates of the whole cluster.

    :ivar expected: the checks that must not be as in the honest world, and what they must be.
    """

    settings: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    gates: t.Mapping[str, bool] = dataclasses.field(default_factory=dict)
    expected: Verdicts = dataclasses.field(default_factory=dict)


_VOLUME_RESIZE = "SHM405 SHM406 SHM407"

WORLDS: dict[str, World] = {
    "unsafe-sysctls": World({"allowedUnsafeSysctls": ["kernel.shm*"]}, expected=expect(PASS="SHM603")),
    "no-debugging": World(
        {"enableDebuggingHandlers": False}, expected=expect(ERROR=f"{EVERYTHING} {_VOLUME_RESIZE} SHM320")
    ),
    "no-isolation": World({"localStorageCapacityIsolation": False}),
    "reserved-memory": World({"systemReserved": {"memory": "16Gi"}}),
    "seccomp-default": World({"seccompDefault": True}),
    "default-sysctls": World(
        {"defaultPodSysctls": {"kernel.shm_rmid_forced": "1"}},
        {"DefaultPodSysctls": True},
        expect(FAIL="SHM107 SHM207"),
    ),
    # on cgroup v1 the kubelet cannot: tests/worlds/test_v2.py shows it done
    "volume-resize": World(
        gates={"InPlacePodVerticalScalingMemoryBackedVolumes": True},
        expected=expect(SKIP={"Infeasible": _VOLUME_RESIZE}),
    ),
}

HONEST = honest()
EXPECTED = {name: world.expected for name, world in WORLDS.items()}


@pytest.fixture(scope="module")
def table() -> Table:
    """All worlds, one after the other on one cluster."""
    found = Table(HONEST, EXPECTED)
    with local.cluster(NAME):
        for name, world in {"": World(), **WORLDS}.items():
            kubelet = {"cpuCFSQuota": False, "maxPods": 250, **world.settings}
            cluster = local.start(NAME, local_cluster_kubelet_config=kubelet, local_cluster_feature_gates=world.gates)
            answer = harness.call(cluster, checks=None, resources={"cpu": "10m"}, size_limit="80Mi").answer()
            assert answer.result.get("leftovers") == [], answer.output
            for check in answer.result["checks"]:
                found.add(name, check)
            print(f"{name or 'honest'}: {answer.seconds:.0f} s", flush=True)
    print(found.text())
    return found


def test_the_honest_world_is_as_it_is_pinned(table: Table) -> None:
    assert table.wrong("") == {}


@pytest.mark.parametrize("world", WORLDS)
def test_exactly_the_right_checks_change(table: Table, world: str) -> None:
    assert table.wrong(world) == {}
