# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check in namespaces whose admission changes or refuses pods: no wrong verdict, and the change is told.

A world is a namespace (policies.py). The kubelet of the cluster allows no unsafe sysctl, unlike that of test_worlds.py.
"""

from __future__ import annotations

import concurrent.futures
import platform
import threading
import typing as t

import harness
import local
import policies
import pytest
import throwaway
from oci import EVERYTHING
from table import Table, honest

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._cluster import ARCHITECTURES
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._image import archive

NAME = throwaway.new_name()

HONEST = honest()
EXPECTED = {name: world.expected for name, world in policies.WORLDS.items()}


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
def table(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Table]:
    """All worlds, two at a time."""
    found = Table(HONEST, EXPECTED)
    images = tmp_path_factory.mktemp("images") / "images.tar"
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    images.write_bytes(archive([policies.VOLUME_IMAGE], architecture))
    kubelet = {"cpuCFSQuota": False, "maxPods": 250}
    with local.cluster(NAME, local_cluster_kubelet_config=kubelet, local_cluster_images=[str(images)]) as cluster:
        honest = cluster.make_namespace()
        spaces = {"": honest, **{name: make(cluster, honest, name) for name in policies.WORLDS}}

        def ask(world: str) -> harness.Answer:
            return harness.call(
                cluster,
                checks=None,
                namespace=spaces[world],
                resources={"cpu": "10m"},
                size_limit="80Mi",
                timeout=240,
                start_timeout=40,
                transport=local.TRANSPORT,
            ).answer(seconds=300)

        with concurrent.futures.ThreadPoolExecutor(2) as executor:
            for world, answer in zip(spaces, executor.map(ask, spaces), strict=True):
                assert answer.result.get("leftovers") == [], answer.output
                for check in answer.result["checks"]:
                    found.add(world, check)
                print(f"{world or 'honest'}: {answer.seconds:.0f} s", flush=True)
        print(found.text())
        yield found


def test_the_honest_world_is_as_it_is_pinned(table: Table) -> None:
    assert table.wrong("") == {}


@pytest.mark.parametrize("world", policies.WORLDS)
def test_exactly_the_right_checks_change(table: Table, world: str) -> None:
    assert table.wrong(world) == {}


@pytest.mark.parametrize("world", [name for name, world in policies.WORLDS.items() if world.changed])
def test_checks_say_what_the_cluster_changed(table: Table, world: str) -> None:
    checks, words = table.checks[world], policies.WORLDS[world].changed
    # a PASS has nothing to explain
    expected = checks if EVERYTHING in EXPECTED[world] else EXPECTED[world]
    changed = {name: checks[name]["observed"] for name in expected if checks[name]["verdict"] not in ("SKIP", "PASS")}
    assert {name: text for name, text in changed.items() if "the cluster changed the pod: " not in text} == {}
    assert {name: text for name, text in changed.items() if words not in text} == {}
