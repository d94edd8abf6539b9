# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check under kubelets with other settings: what they change is told, what they do not is not."""

from __future__ import annotations

import dataclasses
import pathlib
import subprocess
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


def _kubelet(**settings: t.Any) -> dict[str, t.Any]:
    return {"cpuCFSQuota": False, "maxPods": 250, **settings}


@pytest.fixture(scope="module")
def table() -> Table:
    """All worlds, one after the other on one cluster."""
    found = Table(HONEST, EXPECTED)
    with local.cluster(NAME):
        for name, world in {"": World(), **WORLDS}.items():
            kubelet = _kubelet(**world.settings)
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


#: Settings with which no check can be decided -> the reason, and the same words in each.
REFUSALS: dict[str, tuple[dict[str, t.Any], str, str]] = {
    # an image that was imported was pulled by nobody (KEP-2535)
    "verified-images": (
        {"imagePullCredentialsVerificationPolicy": "AlwaysVerify"},
        "ImageRefused",
        "the node lists the image that was requested",
    ),
    # nobody approves its request for one
    "no-serving-certificate": (
        {"serverTLSBootstrap": True, "tlsCertFile": "", "tlsPrivateKeyFile": ""},
        "KubeletUnreachable",
        "error dialing backend",
    ),
}


@pytest.fixture(scope="module")
def other() -> t.Iterator[str]:
    """The name of a cluster for the tests that need no table."""
    name = throwaway.new_name()
    with local.cluster(name):
        yield name


@pytest.mark.parametrize("world", REFUSALS)
def test_a_kubelet_that_refuses_is_named_as_the_cause(other: str, world: str) -> None:
    settings, reason, words = REFUSALS[world]
    cluster = local.start(other, local_cluster_kubelet_config=_kubelet(**settings))
    answer = harness.call(cluster, checks=["basic"], resources={"cpu": "10m"}).answer()
    assert answer.result["leftovers"] == []
    assert {(check["verdict"], check["reason"]) for check in answer.result["checks"]} == {("ERROR", reason)}
    assert all(words in check["observed"] for check in answer.result["checks"])


def test_a_file_system_without_idmapped_mounts_costs_user_namespaces_alone(other: str, tmp_path: pathlib.Path) -> None:
    """The kubelet's volumes on overlayfs, as on nodes that boot from an image (nebius/soperator#1510)."""
    folder = throwaway.HOME / other / "kubelet"
    layers = [tmp_path / layer for layer in ("lower", "upper", "work")]
    for layer in layers:
        layer.mkdir()
    options = "lowerdir={},upperdir={},workdir={}".format(*layers)
    subprocess.run(["mount", "-t", "overlay", "podshm-test", "-o", options, str(folder)], check=True)
    try:
        # other settings: the kubelet starts again, on what is mounted there now
        cluster = local.start(other, local_cluster_kubelet_config=_kubelet(maxPods=249))
        checks = ["SHM101", "SHM109", "SHM211", "SHM215", "SHM303"]
        answer = harness.call(cluster, checks=checks, resources={"cpu": "10m"}, size_limit="80Mi").answer()
    finally:
        throwaway.remove(other)
        # removed with its mounts, or else by hand
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)
    found = {check["id"]: (check["verdict"], check["reason"]) for check in answer.result["checks"]}
    unsupported = ("SKIP", "Unsupported")
    assert found["SHM101"] == found["SHM303"] == ("PASS", "")
    assert found["SHM109"] == found["SHM211"] == found["SHM215"] == unsupported
