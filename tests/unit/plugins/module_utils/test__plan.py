# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _catalog, _plan
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Undecided

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("512Mi", 512 * MIB),
        ("1Gi", 1024 * MIB),
        ("64M", 64_000_000),
        ("67108864", 67108864),
        (67108864, 67108864),
        ("1.5Ki", 1536),
        ("1e3", 1000),
        ("2k", 2000),
        ("1E", 10**18),
        ("1500m", 2),
        ("24581692Ki", 24581692 * 1024),
    ],
)
def test_quantity(text: t.Any, number: int) -> None:
    assert _plan.quantity(text) == number


@pytest.mark.parametrize("text", ["", "Mi", "12 Mi", "1mi", "1KiB", "one", None, "1.2.3", "--1"])
def test_no_quantity(text: t.Any) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        _plan.quantity(text)


def nonces() -> t.Iterator[str]:
    return (f"{number:032x}" for number in itertools.count())


def planned(*ids: str, **settings: t.Any) -> dict[str, _plan.PodPlan]:
    pods = _plan.plan([_catalog.BY_ID[check] for check in ids], _plan.Settings(**settings), "00000000ff", nonces())
    return {pod.part: pod for pod in pods}


def test_all_checks_need_two_pods() -> None:
    pods = planned(*_catalog.BY_ID)
    assert set(pods) == {"pair", "complete"}
    assert [container.name for container in pods["pair"].containers] == ["first", "second", "memory", "limited"]


def test_only_containers_that_a_check_names() -> None:
    pods = planned("SHM301")
    assert set(pods) == {"pair"}
    assert [container.name for container in pods["pair"].containers] == ["first"]
    assert {volume.name for volume in pods["pair"].volumes} == {"shared", "private", "own-first"}


def test_every_step_has_its_own_nonce() -> None:
    pods = planned(*_catalog.BY_ID)
    seen = [step.nonce for pod in pods.values() for step in pod.steps]
    assert len(seen) == len(set(seen)) == sum(len(check.steps) for check in _catalog.CHECKS)


def test_no_placeholder_is_left() -> None:
    for pod in planned(*_catalog.BY_ID).values():
        for step in pod.steps:
            assert not any("{" in value for value in step.args.values())
        for container in pod.containers:
            assert not any("{" in word for word in container.command)


def test_writer_and_reader_are_their_containers_own_commands() -> None:
    pod = planned("SHM201")["complete"]
    assert pod.completes
    commands = {container.name: container.command for container in pod.containers}
    assert commands["writer"][0] == "posix_write"
    assert "name=/podshm-00000000ff" in commands["writer"]
    assert commands["reader"][:1] == ("posix_read",)
    assert f"nonce={pod.steps[1].nonce}" in commands["reader"]


def test_a_container_has_memory_for_what_it_writes() -> None:
    pod = planned(*_catalog.BY_ID, memory_bytes=32 * MIB)["pair"]
    memory = {container.name: container.memory_bytes for container in pod.containers}
    assert memory == {"first": 97 * MIB, "second": 32 * MIB, "memory": 104 * MIB, "limited": 545 * MIB}
    assert pod.memory_limit_bytes == sum(memory.values())


def test_max_write_bounds_what_is_written_and_asked_for() -> None:
    pod = planned("SHM302", max_write_bytes=10 * MIB)["pair"]
    (fill,) = (step for step in pod.steps if step.name == "fill")
    assert fill.args["max"] == str(10 * MIB)
    assert pod.memory_limit_bytes == 42 * MIB


@pytest.mark.parametrize("settings", [{"fill": False}, {"max_write_bytes": MIB}])
def test_a_size_limit_is_never_clipped_by_our_own_memory_limit(settings: dict[str, t.Any]) -> None:
    pod = planned("SHM303", size_limit_bytes=300 * MIB, **settings)["pair"]
    assert pod.memory_limit_bytes > 300 * MIB


def test_without_fill_nothing_is_written() -> None:
    pod = planned("SHM301", "SHM302", "SHM303", fill=False)["pair"]
    assert not [step for step in pod.steps if step.name == "fill"]


def test_size_limit_reaches_the_volume() -> None:
    pod = planned("SHM302", "SHM303", size_limit_bytes=300 * MIB)["pair"]
    volumes = {volume.name: volume for volume in pod.volumes}
    assert (volumes["limited"].medium, volumes["limited"].size_limit_bytes) == ("Memory", 300 * MIB)
    assert (volumes["memory"].medium, volumes["memory"].size_limit_bytes) == ("Memory", 0)


@pytest.mark.parametrize("run", ["0000000000", "ffffffffff", "7ffffffe00", "0080000000"])
def test_key_is_valid_and_never_private(run: str) -> None:
    key = int(_plan.variables(_plan.Settings(), run)["key"], 16)
    assert 0 < key <= 0x7FFFFFFF


def node(name: str = "one", **change: t.Any) -> dict[str, t.Any]:
    made: dict[str, t.Any] = {
        "metadata": {"name": name, "labels": {"pool": "a"}},
        "spec": {},
        "status": {
            "nodeInfo": {
                "operatingSystem": "linux",
                "architecture": "amd64",
                "containerRuntimeVersion": "containerd://2.4.2",
            },
            "conditions": [{"type": "Ready", "status": "True"}],
            "allocatable": {"memory": "1Gi"},
            "images": [{"names": ["registry.k8s.io/pause:3.10.1"], "sizeBytes": 1}],
        },
    }
    for path, value in change.items():
        part = made
        *parents, last = path.split("__")
        for parent in parents:
            part = part[parent]
        part[last] = value
    return made


def choose(*nodes: dict[str, t.Any], **settings: t.Any) -> _plan.Node:
    return _plan.choose_node(nodes, _plan.Settings(**settings), {"amd64"})


def test_first_usable_node_stands_for_the_cluster() -> None:
    chosen = choose(node("c"), node("a", status__conditions=[]), node("b"))
    assert (chosen.name, chosen.allocatable_memory_bytes, chosen.runtime) == ("b", 1024 * MIB, "containerd://2.4.2")


NOT_READY = [{"type": "Ready", "status": "Unknown"}]
TAINT = [{"key": "gpu", "effect": "NoSchedule", "value": "yes"}]


@pytest.mark.parametrize(
    ("nodes", "settings", "reason", "words"),
    [
        ([], {}, "NoNode", "there is no node"),
        ([node()], {"node_selector": {"pool": "b"}}, "NoNode", "none of 1 nodes has the labels pool=b"),
        ([node(status__conditions=NOT_READY)], {}, "NoNode", "is not Ready"),
        ([node(spec__taints=TAINT)], {}, "NoNode", "taint gpu:NoSchedule"),
        ([node(status__nodeInfo={"operatingSystem": "windows"})], {}, "NoNode", "runs windows"),
        ([node(status__nodeInfo={"architecture": "mips"})], {}, "ProbeArch", "architecture mips"),
        ([node(status__images=[])], {}, "NoImage", "option image"),
        (
            [node("a", status__images=[]), node("b", spec__taints=TAINT)],
            {},
            "NoImage",
            "the other 1 cannot be used either",
        ),
    ],
)
def test_why_no_node_will_do(nodes: list[t.Any], settings: dict[str, t.Any], reason: str, words: str) -> None:
    with pytest.raises(Undecided, match=words) as caught:
        choose(*nodes, **settings)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "toleration",
    [
        {"operator": "Exists"},
        {"key": "gpu", "operator": "Exists"},
        {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
        {"key": "gpu", "value": "yes"},
    ],
)
def test_tolerated_taint(toleration: dict[str, str]) -> None:
    assert choose(node(spec__taints=TAINT), tolerations=(toleration,)).name == "one"


@pytest.mark.parametrize(
    "toleration",
    [
        {"key": "gpu", "value": "no"},
        {"key": "other", "operator": "Exists"},
        {"key": "gpu", "operator": "Exists", "effect": "NoExecute"},
    ],
)
def test_untolerated_taint(toleration: dict[str, str]) -> None:
    with pytest.raises(Undecided):
        choose(node(spec__taints=TAINT), tolerations=(toleration,))


def test_prefer_no_schedule_is_no_obstacle() -> None:
    assert choose(node(spec__taints=[{"key": "x", "effect": "PreferNoSchedule"}])).name == "one"


@pytest.mark.parametrize(
    ("images", "wanted"),
    [
        ([["registry.k8s.io/pause@sha256:0", "registry.k8s.io/pause:3.9"]], "registry.k8s.io/pause:3.9"),
        ([["docker.io/library/busybox:1"], ["corp.example/mirror/pause:3.10"]], "corp.example/mirror/pause:3.10"),
        ([["docker.io/rancher/mirrored-pause:3.6"]], "docker.io/rancher/mirrored-pause:3.6"),
        ([["corp.example/tenant/secret:1"], ["quay.io/x/y:2"]], "quay.io/x/y:2"),
    ],
)
def test_image_that_the_node_has(images: list[list[str]], wanted: str) -> None:
    chosen = choose(node(status__images=[{"names": names, "sizeBytes": 1} for names in images]))
    assert (chosen.image, chosen.pull_policy) == (wanted, "Never")


def test_smallest_public_image() -> None:
    images = [{"names": ["quay.io/big:1"], "sizeBytes": 9}, {"names": ["quay.io/small:1"], "sizeBytes": 2}]
    assert choose(node(status__images=images)).image == "quay.io/small:1"


@pytest.mark.parametrize("name", ["corp.example/tenant/secret:1", "corp.example/pauseless:1", "<none>@<none>"])
def test_an_image_of_somebody_else_is_not_borrowed(name: str) -> None:
    with pytest.raises(Undecided):
        choose(node(status__images=[{"names": [name]}]))


def test_image_option_may_be_pulled() -> None:
    chosen = choose(node(status__images=[]), image="corp.example/any:1")
    assert (chosen.image, chosen.pull_policy) == ("corp.example/any:1", "IfNotPresent")
