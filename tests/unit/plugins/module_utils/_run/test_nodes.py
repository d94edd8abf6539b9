# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Node, NodeChoice, Settings
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import nodes


def node(name: str = "one", **change: t.Any) -> dict[str, t.Any]:
    built: dict[str, t.Any] = {
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
        part = built
        *parents, last = path.split("__")
        for parent in parents:
            part = part[parent]
        part[last] = value
    return built


def choose(*found: dict[str, t.Any], **settings: t.Any) -> Node:
    targets, _skipped = nodes.choose(found, Settings(**settings), {"amd64"})
    return targets[0].node


def test_first_usable_node_represents_its_kind() -> None:
    targets, skipped = nodes.choose([node("c"), node("a", status__conditions=[]), node("b")], Settings(), {"amd64"})
    (target,) = targets
    assert (target.node.name, target.represents) == ("b", ("a", "b", "c"))
    assert (target.node.allocatable_memory_bytes, target.node.runtime) == (1024 * MIB, "containerd://2.4.2")
    assert skipped == []


KERNEL = {"operatingSystem": "linux", "architecture": "amd64", "kernelVersion": "6.1"}
WINDOWS = {"operatingSystem": "windows", "architecture": "amd64"}


@pytest.mark.parametrize(
    ("choice", "wanted", "left_out"),
    [
        ("representative", ["a", "b"], []),
        ("first", ["a"], [(["b", "d"], "NotRequested")]),
        ("all", ["a", "b", "c", "d"], []),
    ],
)
def test_which_nodes_are_used(choice: str, wanted: list[str], left_out: list[tuple[list[str], str]]) -> None:
    targets, skipped = nodes.choose(
        [node("a"), node("b", status__nodeInfo=KERNEL), node("c"), node("d", status__nodeInfo=KERNEL)],
        Settings(nodes=NodeChoice(choice)),
        {"amd64"},
    )
    assert [target.node.name for target in targets] == wanted
    assert [(one.nodes, one.reason) for one in skipped] == left_out


def test_every_runtime_class_on_every_kind_of_node() -> None:
    targets, _skipped = nodes.choose(
        [node("a"), node("b", status__nodeInfo=KERNEL)], Settings(runtime_classes=("", "kata")), {"amd64"}
    )
    assert [(target.node.name, target.runtime_class) for target in targets] == [
        ("a", ""),
        ("a", "kata"),
        ("b", ""),
        ("b", "kata"),
    ]


def test_a_kind_that_cannot_be_used_is_left_out_with_its_reason() -> None:
    targets, skipped = nodes.choose([node("a", status__nodeInfo=WINDOWS), node("b")], Settings(), {"amd64"})
    assert [target.node.name for target in targets] == ["b"]
    assert [(one.nodes, one.reason) for one in skipped] == [(["a"], "NotLinux")]
    assert "windows" in skipped[0].detail


NOT_READY = [{"type": "Ready", "status": "Unknown"}]
TAINT = [{"key": "gpu", "effect": "NoSchedule", "value": "yes"}]


@pytest.mark.parametrize(
    ("found", "settings", "reason", "words"),
    [
        ([], {}, "NoNode", "there is no node"),
        ([node()], {"node_selector": {"pool": "b"}}, "NoNode", "none of 1 nodes has the labels pool=b"),
        ([node(status__conditions=NOT_READY)], {}, "NoNode", "is not Ready"),
        ([node(spec__taints=TAINT)], {}, "NoNode", "taint gpu:NoSchedule"),
        ([node(status__nodeInfo={"operatingSystem": "windows"})], {}, "NotLinux", "runs windows"),
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
def test_why_no_node_will_do(found: list[t.Any], settings: dict[str, t.Any], reason: str, words: str) -> None:
    with pytest.raises(Inconclusive, match=words) as caught:
        choose(*found, **settings)
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
    with pytest.raises(Inconclusive):
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
    with pytest.raises(Inconclusive):
        choose(node(status__images=[{"names": [name]}]))


def test_image_option_may_be_pulled() -> None:
    chosen = choose(node(status__images=[]), image="corp.example/any:1")
    assert (chosen.image, chosen.pull_policy) == ("corp.example/any:1", "IfNotPresent")


@pytest.mark.parametrize(("effect", "usable"), [("NoExecute", True), ("NoSchedule", False)])
def test_a_node_that_is_ready_again_may_still_have_a_taint_that_every_pod_tolerates(effect: str, usable: bool) -> None:
    tainted = node(spec__taints=[{"key": "node.kubernetes.io/not-ready", "effect": effect}])
    if usable:
        assert choose(tainted).name == "one"
        return
    with pytest.raises(Inconclusive, match="not-ready:NoSchedule"):
        choose(tainted)
