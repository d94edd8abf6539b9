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


def planned(*ids: str, **settings: t.Any) -> dict[str, _plan.ScenarioPlan]:
    checks = [check for check in (*_catalog.CHECKS, *_catalog.CONTROLS) if check.id in ids]
    scenarios = _plan.plan(checks, _plan.Settings(**settings), "00000000ff", nonces())
    return {scenario.layout.name: scenario for scenario in scenarios}


def pair(*ids: str, **settings: t.Any) -> _plan.PodPlan:
    return planned(*ids, **settings)["pair"].pods[0]


def names(pod: _plan.PodPlan) -> list[str]:
    return [container.name for container in pod.containers]


BASIC = [check.id for check in _catalog.CHECKS if "basic" in check.tags]


def test_the_six_basic_checks_need_two_pods() -> None:
    plans = planned(*BASIC)
    assert {name: [pod.part for pod in plan.pods] for name, plan in plans.items()} == {
        "pair": ["pair"],
        "complete": ["complete"],
    }
    assert names(plans["pair"].pods[0]) == ["first", "second", "memory", "limited"]


def test_only_containers_and_pods_that_a_check_names() -> None:
    plans = planned("SHM301")
    assert set(plans) == {"pair"}
    assert names(plans["pair"].pods[0]) == ["first"]
    assert {volume.name for volume in plans["pair"].pods[0].volumes} == {"shared", "private", "own-first"}


def test_isolation_needs_a_second_pod() -> None:
    plan = planned("SHM501")["pair"]
    assert [(pod.part, names(pod)) for pod in plan.pods] == [("pair", ["first"]), ("other", ["stranger"])]
    assert plan.pod_of("stranger").part == "other"


def test_a_check_that_needs_an_option_is_not_asked_without_it() -> None:
    assert planned("SHM403") == {}
    assert planned("SHM403", restart_kubelet=("true",)).keys() == {"kubelet"}


@pytest.mark.parametrize(("text", "wanted"), [("250m", 250), ("1", 1000), ("0.05", 50), ("1.0001", 1001)])
def test_cpu_in_thousandths(text: str, wanted: int) -> None:
    assert _plan.millis(text) == wanted


def test_every_step_has_its_own_nonce() -> None:
    plans = planned(*_catalog.BY_ID, restart_kubelet=("true",))
    seen = [step.nonce for plan in plans.values() for step in plan.steps]
    assert len(seen) == len(set(seen)) == sum(len(check.steps) for check in _catalog.CHECKS)


def test_no_placeholder_is_left() -> None:
    for plan in planned(*_catalog.BY_ID).values():
        for step in plan.steps:
            assert not any("{" in value for value in step.args.values())
        for pod in plan.pods:
            assert not any("{" in word for container in pod.containers for word in container.command)
            assert not any("{" in volume.size_limit for volume in pod.volumes)
            assert not any("{" in value for _name, value in pod.options.sysctls)


def test_writer_and_reader_are_their_containers_own_commands() -> None:
    plan = planned("SHM201")["complete"]
    assert plan.layout.completes
    commands = {container.name: container.command for container in plan.pods[0].containers}
    assert commands["writer"][0] == "posix_write"
    assert "name=/podshm-00000000ff-shm201" in commands["writer"]
    assert commands["reader"][:1] == ("posix_read",)
    assert f"nonce={plan.steps[1].nonce}" in commands["reader"]


def test_an_init_container_runs_its_step_and_a_sidecar_holds() -> None:
    pod = planned("SHM107", "SHM108")["life"].pods[0]
    commands = {container.name: (container.kind, container.command[0]) for container in pod.containers}
    assert commands == {
        "before": ("init", "sysv_shm_create"),
        "beside": ("sidecar", "hold"),
        "main": ("main", "hold"),
    }


def test_a_container_has_memory_for_what_it_writes() -> None:
    pod = pair(*BASIC, memory_bytes=32 * MIB)
    memory = {container.name: container.memory_bytes for container in pod.containers}
    assert memory == {"first": 97 * MIB, "second": 32 * MIB, "memory": 104 * MIB, "limited": 545 * MIB}


def test_max_write_bounds_what_is_written_and_asked_for() -> None:
    plan = planned("SHM302", max_write_bytes=10 * MIB)["pair"]
    (fill,) = (step for step in plan.steps if step.name == "fill")
    assert fill.args["max"] == str(10 * MIB)
    assert plan.pods[0].containers[0].memory_bytes == 42 * MIB


@pytest.mark.parametrize("settings", [{"fill": False}, {"max_write_bytes": MIB}])
def test_a_size_limit_is_never_clipped_by_our_own_memory_limit(settings: dict[str, t.Any]) -> None:
    (limited,) = pair("SHM303", size_limit_bytes=300 * MIB, **settings).containers
    assert limited.memory_bytes > 300 * MIB


def test_without_fill_nothing_is_written() -> None:
    plan = planned("SHM301", "SHM302", "SHM303", fill=False)["pair"]
    assert not [step for step in plan.steps if step.name == "fill"]


def test_size_limit_reaches_the_volume() -> None:
    pod = pair("SHM302", "SHM303", size_limit_bytes=300 * MIB)
    volumes = {volume.name: (volume.medium, volume.size_limit) for volume in pod.volumes}
    assert volumes["limited"] == ("Memory", str(300 * MIB))
    assert volumes["memory"] == ("Memory", "")


@pytest.mark.parametrize("run", ["0000000000", "ffffffffff", "7ffffffe00", "0080000000"])
def test_keys_are_valid_never_private_and_each_check_s_own(run: str) -> None:
    plans = _plan.plan(_catalog.CHECKS, _plan.Settings(), run, nonces())
    keys = {step.check: int(step.args["key"], 16) for plan in plans for step in plan.steps if "key" in step.args}
    assert all(0 < key <= 0x7FFFFFFF for key in keys.values())
    assert len(set(keys.values())) == len(keys)


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
    targets, _unasked = _plan.choose(nodes, _plan.Settings(**settings), {"amd64"})
    return targets[0].node


def test_first_usable_node_stands_for_its_kind() -> None:
    targets, unasked = _plan.choose(
        [node("c"), node("a", status__conditions=[]), node("b")], _plan.Settings(), {"amd64"}
    )
    (target,) = targets
    assert (target.node.name, target.stands_for) == ("b", ("a", "b", "c"))
    assert (target.node.allocatable_memory_bytes, target.node.runtime) == (1024 * MIB, "containerd://2.4.2")
    assert unasked == []


KERNEL = {"operatingSystem": "linux", "architecture": "amd64", "kernelVersion": "6.1"}
WINDOWS = {"operatingSystem": "windows", "architecture": "amd64"}


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [("representative", ["a", "b"]), ("first", ["a"]), ("all", ["a", "b", "c"])],
)
def test_which_nodes_are_asked(nodes: str, wanted: list[str]) -> None:
    targets, _unasked = _plan.choose(
        [node("a"), node("b", status__nodeInfo=KERNEL), node("c")], _plan.Settings(nodes=nodes), {"amd64"}
    )
    assert [target.node.name for target in targets] == wanted


def test_every_runtime_class_on_every_kind_of_node() -> None:
    targets, _unasked = _plan.choose(
        [node("a"), node("b", status__nodeInfo=KERNEL)], _plan.Settings(runtime_classes=("", "kata")), {"amd64"}
    )
    assert [(target.node.name, target.runtime_class) for target in targets] == [
        ("a", ""),
        ("a", "kata"),
        ("b", ""),
        ("b", "kata"),
    ]


def test_a_kind_that_cannot_be_used_is_left_out_with_its_reason() -> None:
    targets, unasked = _plan.choose([node("a", status__nodeInfo=WINDOWS), node("b")], _plan.Settings(), {"amd64"})
    assert [target.node.name for target in targets] == ["b"]
    assert [(left.nodes, left.reason) for left in unasked] == [(["a"], "NotLinux")]
    assert "windows" in unasked[0].detail


NOT_READY = [{"type": "Ready", "status": "Unknown"}]
TAINT = [{"key": "gpu", "effect": "NoSchedule", "value": "yes"}]


@pytest.mark.parametrize(
    ("nodes", "settings", "reason", "words"),
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


@pytest.mark.parametrize(("cpu", "light", "heavy"), [(250, 100, 250), (1000, 100, 1000), (50, 50, 50)])
def test_only_a_container_that_fills_gets_the_cpu_for_it(cpu: int, light: int, heavy: int) -> None:
    containers = {container.name: container.cpu_millis for container in pair(*BASIC, cpu_millis=cpu).containers}
    assert containers == {"first": heavy, "second": light, "memory": heavy, "limited": heavy}


@pytest.mark.parametrize(("effect", "usable"), [("NoExecute", True), ("NoSchedule", False)])
def test_a_node_that_is_ready_again_may_still_have_a_taint_that_every_pod_tolerates(effect: str, usable: bool) -> None:
    tainted = node(spec__taints=[{"key": "node.kubernetes.io/not-ready", "effect": effect}])
    if usable:
        assert choose(tainted).name == "one"
        return
    with pytest.raises(Undecided, match="not-ready:NoSchedule"):
        choose(tainted)
