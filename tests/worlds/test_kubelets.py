# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check under kubelets with other settings: what they change is told, what they do not is not."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
import typing as t

import pytest
import throwaway

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "cluster")]

import harness  # noqa: E402
import local  # noqa: E402
from table import EVERYTHING, Expected, Table  # noqa: E402

NAME = throwaway.new_name()


@dataclasses.dataclass(frozen=True)
class World:
    """Settings of the kubelet, and feature gates of the whole cluster."""

    settings: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    gates: t.Mapping[str, bool] = dataclasses.field(default_factory=dict)


WORLDS: dict[str, World] = {
    "": World(),
    "unsafe-sysctls": World({"allowedUnsafeSysctls": ["kernel.shm*"]}),
    "no-debugging": World({"enableDebuggingHandlers": False}),
    "no-isolation": World({"localStorageCapacityIsolation": False}),
    "reserved-memory": World({"systemReserved": {"memory": "16Gi"}}),
    "seccomp-default": World({"seccompDefault": True}),
    "default-sysctls": World({"defaultPodSysctls": {"kernel.shm_rmid_forced": "1"}}, {"DefaultPodSysctls": True}),
    "volume-resize": World(gates={"InPlacePodVerticalScalingMemoryBackedVolumes": True}),
}

#: World -> the checks that must not be as in the honest world, and what they must be.
EXPECTED: Expected = {
    "unsafe-sysctls": {"SHM603": "PASS"},
    "no-debugging": {EVERYTHING: "ERROR", **dict.fromkeys(("SHM405", "SHM406", "SHM407"), "ERROR"), "SHM603": "SKIP"},
    "no-isolation": {},
    "reserved-memory": {},
    "seccomp-default": {},
    "default-sysctls": {"SHM107": "FAIL", "SHM207": "FAIL"},
    # on cgroup v1 it is Infeasible: tests/worlds/test_v2.py shows it done
    "volume-resize": {},
}


@pytest.fixture(scope="module")
def table() -> Table:
    """All worlds, one after the other on one cluster."""
    found = Table(EXPECTED)
    with local.cluster(NAME):
        for name, world in WORLDS.items():
            kubelet = {"cpuCFSQuota": False, "maxPods": 250, **world.settings}
            cluster = local.start(NAME, local_cluster_kubelet_config=kubelet, local_cluster_feature_gates=world.gates)
            answer = harness.call(cluster, checks=[], resources={"cpu": "10m"}, size_limit="80Mi").answer()
            assert answer.result.get("residue") == [], answer.output
            for check in answer.result["checks"]:
                found.add(name, check)
            print(f"{name or 'honest'}: {answer.seconds:.0f} s", flush=True)
    print(found.text())
    return found


def test_the_honest_world_has_nothing_to_hide(table: Table) -> None:
    assert {name: verdict for name, verdict in table.verdicts("").items() if verdict not in ("PASS", "SKIP")} == {}


@pytest.mark.parametrize("world", [name for name in WORLDS if name])
def test_exactly_the_right_checks_change(table: Table, world: str) -> None:
    assert table.wrong(world) == {}


def test_what_a_node_cannot_resize_is_infeasible(table: Table) -> None:
    reasons = {name: table.checks["volume-resize"][name]["reason"] for name in ("SHM405", "SHM406", "SHM407")}
    assert reasons == dict.fromkeys(reasons, "Infeasible")
