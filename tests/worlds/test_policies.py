# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check in namespaces whose admission changes or refuses pods: no wrong verdict, and the change is told.

A world is a namespace (policies.py). The kubelet of the cluster allows no unsafe sysctl, unlike that of test_worlds.py.
"""

from __future__ import annotations

import concurrent.futures
import pathlib
import sys
import threading
import typing as t

import pytest
import throwaway

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "cluster")]

import harness  # noqa: E402
import local  # noqa: E402
import policies  # noqa: E402
from table import EVERYTHING, Expected, Table  # noqa: E402

NAME = throwaway.new_name()

#: Nothing can be asked there, not even what the honest world skips.
NOTHING = {EVERYTHING: "ERROR", **dict.fromkeys(("SHM405", "SHM406", "SHM407", "SHM603"), "ERROR")}

#: World -> the checks that must not be as in the honest world, and what they must be.
EXPECTED: Expected = {
    "no-medium": {
        **dict.fromkeys(("SHM302", "SHM303", "SHM304", "SHM305", "SHM306", "SHM308", "SHM401"), "FAIL"),
        "SHM607": "WARN",
        # on a disk there is no end that they could go beyond
        **dict.fromkeys(("SHM309", "SHM316"), "ERROR"),
    },
    "no-size-limit": {
        "SHM303": "FAIL",
        "SHM308": "FAIL",
        "SHM401": "FAIL",
        "SHM309": "ERROR",
        "SHM316": "ERROR",
        "SHM607": "WARN",
    },
    "small-size-limit": {
        **dict.fromkeys(("SHM303", "SHM305", "SHM306", "SHM401"), "FAIL"),
        "SHM607": "WARN",
        # it is that small already
        "SHM406": "ERROR",
    },
    # but for the one container that had less
    "small-limits": {
        **dict.fromkeys(("SHM301", "SHM302", "SHM303"), "FAIL"),
        "SHM304": "SKIP",
        "SHM312": "WARN",
        "SHM607": "WARN",
    },
    "no-limits": {
        "SHM305": "WARN",
        "SHM607": "WARN",
        # the resize of what is not there
        **dict.fromkeys(("SHM310", "SHM312", "SHM404"), "ERROR"),
    },
    # a resize of a container is then refused: the pod's own request is too small for it
    "pod-limit": {"SHM304": "SKIP", "SHM312": "WARN", "SHM404": "ERROR", "SHM607": "WARN"},
    "one-unmounted": {"SHM303": "FAIL"},
    "one-user": dict.fromkeys(("SHM106", "SHM209", "SHM210"), "ERROR"),
    "host-ipc": {**dict.fromkeys(("SHM301", "SHM501", "SHM502", "SHM504"), "FAIL"), "SHM503": "WARN", "SHM607": "WARN"},
    # process 1 is the sandbox's: nothing here may end it
    "shared-pids": {"SHM213": "FAIL", "SHM607": "WARN", **dict.fromkeys(("SHM207", "SHM312", "SHM402"), "ERROR")},
    "rmid-forced": {"SHM107": "FAIL", "SHM207": "FAIL", "SHM607": "WARN"},
    # its container has no limit, so the pod has none
    "injected-sidecar": {"SHM305": "WARN", "SHM312": "WARN"},
    "unpullable-sidecar": {"SHM305": "WARN", "SHM312": "WARN"},
    # each of both pods is what the other is compared with
    "host-ipc-stripped": {"SHM503": "SKIP", "SHM504": "SKIP", "SHM607": "WARN"},
    "no-host-path": {"SHM503": "SKIP", "SHM504": "SKIP", "SHM607": "WARN"},
    # but for init containers and sidecars
    "shm-everywhere": {
        **dict.fromkeys(("SHM205", "SHM206", "SHM301"), "FAIL"),
        **dict.fromkeys(("SHM503", "SHM504"), "SKIP"),
        "SHM607": "WARN",
    },
    "second-user": dict.fromkeys(
        ("SHM101", "SHM102", "SHM103", "SHM104", "SHM201", "SHM203", "SHM213", "SHM311"), "ERROR"
    ),
    "ratio": NOTHING | {"SHM304": "SKIP", "SHM607": "ERROR"},
    "no-exec": NOTHING | {"SHM603": "SKIP"},
    "no-host-ipc": {"SHM503": "SKIP", "SHM504": "SKIP", "SHM607": "WARN"},
    "no-sysctls": {"SHM602": "SKIP", "SHM607": "WARN"},
    "no-memory-volumes": NOTHING | {"SHM603": "SKIP", "SHM607": "FAIL"},
    "no-ephemeral": {"SHM208": "SKIP"},
    "baseline": {"SHM503": "SKIP", "SHM504": "SKIP"},
    "restricted": {"SHM503": "SKIP", "SHM504": "SKIP"},
    "default-limit": {"SHM304": "SKIP"},
    "largest-limit": {EVERYTHING: "ERROR", "SHM304": "SKIP"},
    "quota": {"SHM304": "SKIP"},
    "small-quota": NOTHING | {"SHM304": "SKIP", "SHM607": "ERROR"},
}

#: World -> what every verdict that is not as in the honest world must say of the pod.
TOLD = {
    "no-medium": "medium Memory -> none",
    "no-size-limit": "sizeLimit ",
    "small-size-limit": " -> 8Mi",
    "small-limits": " -> 40Mi",
    "no-limits": "memory limit ",
    "pod-limit": "pod memory limit none -> 900Mi",
    "one-unmounted": "container limited: mount on /dev/shm limited -> none",
    "one-user": "container guest: runAsUser 65533 -> 65532",
    "host-ipc": "hostIPC false -> true",
    "shared-pids": "shareProcessNamespace false -> true",
    "second-user": "runAsUser 65532 -> 1000",
    "shm-everywhere": "mount on /dev/shm none -> dshm",
    "rmid-forced": "sysctl kernel.shm_rmid_forced none -> 1",
}


def _spec(cluster: harness.Cluster, namespace: str, pod: dict[str, t.Any]) -> t.Any:
    """What the API server would store, or that it refuses."""
    try:
        return cluster.request("POST", cluster.path("pods", namespace), pod, {"dryRun": "All"})["spec"]
    except harness.ApiError as error:
        return str(error)


def make(cluster: harness.Cluster, honest: str, name: str) -> str:
    """The namespace of a world, when its admission has taken effect: nothing tells when that is."""
    world = policies.WORLDS[name]
    namespace = cluster.make_namespace({policies.WORLD: name, **world.labels})
    for kind, body in policies.policies(name, world):
        cluster.create(kind, body)
    for kind, body in world.objects:
        cluster.create(kind, body, namespace)
    pod = policies.sample(world)
    usual = _spec(cluster, honest, pod)
    assert isinstance(usual, dict), usual
    pause = threading.Event()
    for _attempt in range(400):
        if _spec(cluster, namespace, pod) != usual:
            return namespace
        pause.wait(0.05)
    raise AssertionError(f"{name} never took effect")


@pytest.fixture(scope="module")
def table() -> t.Iterator[Table]:
    """All worlds, two at a time."""
    found = Table(EXPECTED)
    with local.cluster(NAME, local_cluster_kubelet_config={"cpuCFSQuota": False, "maxPods": 250}) as cluster:
        honest = cluster.make_namespace()
        spaces = {"": honest, **{name: make(cluster, honest, name) for name in policies.WORLDS}}

        def ask(world: str) -> harness.Answer:
            return harness.call(
                cluster,
                checks=[],
                namespace=spaces[world],
                resources={"cpu": "10m"},
                size_limit="80Mi",
                timeout=240,
                start_timeout=40,
            ).answer(seconds=300)

        with concurrent.futures.ThreadPoolExecutor(2) as executor:
            for world, answer in zip(spaces, executor.map(ask, spaces), strict=True):
                assert answer.result.get("residue") == [], answer.output
                for check in answer.result["checks"]:
                    found.add(world, check)
                print(f"{world or 'honest'}: {answer.seconds:.0f} s", flush=True)
        print(found.text())
        yield found


def test_the_honest_world_has_nothing_to_hide(table: Table) -> None:
    assert {name: verdict for name, verdict in table.verdicts("").items() if verdict not in ("PASS", "SKIP")} == {}


@pytest.mark.parametrize("world", policies.WORLDS)
def test_exactly_the_right_checks_change(table: Table, world: str) -> None:
    assert world in EXPECTED, "a world must say what it changes"
    assert table.wrong(world) == {}


@pytest.mark.parametrize("world", TOLD)
def test_what_the_cluster_changed_is_told(table: Table, world: str) -> None:
    checks = table.checks[world]
    changed = {name: checks[name]["observed"] for name in EXPECTED[world] if checks[name]["verdict"] != "SKIP"}
    assert {name: text for name, text in changed.items() if "the cluster changed the pod: " not in text} == {}
    assert {name: text for name, text in changed.items() if TOLD[world] not in text} == {}
