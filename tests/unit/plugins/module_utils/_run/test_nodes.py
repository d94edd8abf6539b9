# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Additions, Node, NodeChoice, Settings
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
    return nodes.choose(found, Settings(**settings), {"amd64"}).targets[0].node


def test_first_usable_node_represents_its_kind() -> None:
    (target,), skipped, _unplaced = nodes.choose(
        [node("c"), node("a", status__conditions=[]), node("b")], Settings(), {"amd64"}
    )
    # one that cannot be used is represented by none
    assert (target.node.name, target.represents) == ("b", ("b", "c"))
    assert (target.node.allocatable_memory_bytes, target.node.runtime) == (1024 * MIB, "containerd://2.4.2")
    assert [(one.nodes, one.reason, one.detail) for one in skipped] == [(["a"], "NoNode", "is not Ready")]


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
    targets, skipped, _unplaced = nodes.choose(
        [node("a"), node("b", status__nodeInfo=KERNEL), node("c"), node("d", status__nodeInfo=KERNEL)],
        Settings(nodes=NodeChoice(choice)),
        {"amd64"},
    )
    assert [target.node.name for target in targets] == wanted
    assert [(one.nodes, one.reason) for one in skipped] == left_out


def test_a_node_that_the_overlay_does_not_select_is_none() -> None:
    additions = Additions(spec={"nodeSelector": {"pool": "b"}})
    found = [node("a"), node("b", metadata__labels={"pool": "b"})]
    (target,), left, _unplaced = nodes.choose(found, Settings(additions=additions), {"amd64"})
    assert (target.represents, left) == (("b",), [])
    with pytest.raises(Inconclusive, match="none of 1 nodes has the labels disk=fast,pool=b"):
        choose(node("a"), additions=additions, node_selector={"disk": "fast"})


def test_every_runtime_class_on_every_kind_of_node() -> None:
    targets, _skipped, _unplaced = nodes.choose(
        [node("a"), node("b", status__nodeInfo=KERNEL)], Settings(runtime_classes=("", "kata")), {"amd64"}
    )
    assert [(target.node.name, target.runtime_class) for target in targets] == [
        ("a", ""),
        ("a", "kata"),
        ("b", ""),
        ("b", "kata"),
    ]


def test_a_kind_that_cannot_be_used_is_left_out_with_its_reason() -> None:
    targets, skipped, _unplaced = nodes.choose([node("a", status__nodeInfo=WINDOWS), node("b")], Settings(), {"amd64"})
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


@pytest.mark.parametrize(
    ("operator", "value", "usable"),
    [("Gt", "900", True), ("Gt", "950", False), ("Lt", "951", True), ("Lt", "950", False), ("Gt", "090", False)],
)
def test_a_taint_whose_number_is_tolerated(operator: str, value: str, usable: bool) -> None:
    tainted = node("a", spec__taints=[{"key": "sla", "value": "950", "effect": "NoSchedule"}])
    tolerations = ({"key": "sla", "operator": operator, "value": value},)
    found = nodes.choose([tainted, node("b")], Settings(tolerations=tolerations), {"amd64"})
    assert [one.node.name for one in found.targets] == (["a", "b"] if usable else ["b"])


def test_prefer_no_schedule_is_no_obstacle() -> None:
    assert choose(node(spec__taints=[{"key": "x", "effect": "PreferNoSchedule"}])).name == "one"


@pytest.mark.parametrize(
    ("images", "wanted"),
    [
        ([["registry.k8s.io/pause@sha256:0", "registry.k8s.io/pause:3.9"]], "registry.k8s.io/pause:3.9"),
        ([["docker.io/library/busybox:1"], ["corp.example/mirror/pause:3.10"]], "corp.example/mirror/pause:3.10"),
        ([["docker.io/rancher/mirrored-pause:3.6"]], "docker.io/rancher/mirrored-pause:3.6"),
        ([["corp.example/tenant/secret:1"], ["quay.io/cilium/y:2"]], "quay.io/cilium/y:2"),
        ([["registry.k8s.io/pause:3.9"], ["registry.k8s.io/pause:3.10.1"]], "registry.k8s.io/pause:3.10.1"),
        ([["registry.k8s.io/pause:3.9"], ["corp.example/tenant/pause:9"]], "registry.k8s.io/pause:3.9"),
    ],
)
def test_image_that_the_node_has(images: list[list[str]], wanted: str) -> None:
    chosen = choose(node(status__images=[{"names": names, "sizeBytes": 1} for names in images]))
    assert (chosen.image, chosen.pull_policy) == (wanted, "Never")


def test_smallest_public_image() -> None:
    images = [
        {"names": ["registry.k8s.io/big:1"], "sizeBytes": 9},
        {"names": ["registry.k8s.io/small:1"], "sizeBytes": 2},
    ]
    assert choose(node(status__images=images)).image == "registry.k8s.io/small:1"


@pytest.mark.parametrize(
    "name",
    [
        "corp.example/tenant/secret:1",
        "corp.example/pauseless:1",
        "quay.io/corp/private:1",
        "docker.io/corp/private:1",
        "<none>@<none>",
    ],
)
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


def kinds(*found: dict[str, t.Any], **settings: t.Any) -> list[tuple[str, ...]]:
    return [target.represents for target in nodes.choose(found, Settings(**settings), {"amd64"}).targets]


@pytest.mark.parametrize(
    "change",
    [
        {"metadata__labels": {"pool": "a", "node-role.kubernetes.io/infra": ""}},
        {"metadata__labels": {"pool": "a", "nvidia.com/gpu.present": "true"}},
        {"status__capacity": {"memory": "1Gi", "hugepages-2Mi": "4Mi"}},
        {"status__capacity": {"memory": "1Gi", "nvidia.com/gpu": "1"}},
        {"status__capacity": {"memory": "9Gi"}},
        {"status__allocatable": {"memory": "1Gi", "hugepages-1Gi": "1Gi"}},
        {"status__runtimeHandlers": [{"name": "", "features": {"userNamespaces": True}}]},
        {"status__nodeInfo__swap": {"capacity": 2**31}},
        *(
            {"metadata__labels": {"pool": "a", label: "b"}}
            for label in (
                "cloud.google.com/gke-nodepool",
                "eks.amazonaws.com/nodegroup",
                "alpha.eksctl.io/nodegroup-name",
                "kubernetes.azure.com/agentpool",
                "karpenter.sh/nodepool",
                "karpenter.sh/provisioner-name",
                "kops.k8s.io/instancegroup",
                "node.kubernetes.io/instance-type",
                "doks.digitalocean.com/node-pool",
                "ibm-cloud.kubernetes.io/worker-pool-name",
                "lke.linode.com/pool-id",
                "k8s.scaleway.com/pool-name",
                "worker.gardener.cloud/pool",
                "alibabacloud.com/nodepool-id",
                "nodepool",
            )
        ),
        {"metadata__labels": {"pool": "b"}},
        {"status__nodeInfo__osImage": "other"},
        {"status__nodeInfo__kubeletVersion": "v1.37.3"},
    ],
)
def test_what_makes_another_kind(change: dict[str, t.Any]) -> None:
    alike = {"status__capacity": {"memory": "1Gi", "hugepages-2Mi": "0"}}
    assert kinds(node("a", **alike), node("b", **alike)) == [("a", "b")]
    assert kinds(node("a", **alike), node("b", **{**alike, **change})) == [("a",), ("b",)]


def test_what_makes_no_other_kind() -> None:
    handlers = [{"name": ""}, {"name": "runc"}]
    assert kinds(
        node("a", status__runtimeHandlers=handlers, status__capacity={"memory": "1000Mi", "x.example/gpu": "8"}),
        node("b", status__runtimeHandlers=handlers[::-1], status__capacity={"memory": "1010Mi", "x.example/gpu": "2"}),
    ) == [("a", "b")]


def test_a_few_pages_of_swap_and_a_pool_of_addresses_make_no_other_kind() -> None:
    def swapping(name: str, capacity: int) -> dict[str, t.Any]:
        labels = {"pool": "a", "ipam.example/ip-pool": name}
        return node(name, status__nodeInfo__swap={"capacity": capacity}, metadata__labels=labels)

    assert kinds(swapping("a", 2147479552), swapping("b", 2147471360)) == [("a", "b")]


def test_a_node_that_runs_one_pod_only_is_no_target_even_where_everything_is_tolerated() -> None:
    fargate = node("f", metadata__labels={"eks.amazonaws.com/compute-type": "fargate"}, spec__taints=TAINT)
    everything = ({"operator": "Exists"},)
    (target,), (left,), _unplaced = nodes.choose([fargate, node("a")], Settings(tolerations=everything), {"amd64"})
    assert (target.represents, left.nodes) == (("a",), ["f"])
    assert "EKS Fargate, which runs one pod" in left.detail


def test_a_node_that_keeps_pods_away_is_left_out_by_name() -> None:
    (target,), skipped, _unplaced = nodes.choose(
        [node("a"), node("b", spec__taints=TAINT), node("c", spec__unschedulable=True)], Settings(), {"amd64"}
    )
    assert target.represents == ("a",)
    assert [(one.nodes, one.detail) for one in skipped] == [
        (["b"], "has the taint gpu:NoSchedule, which is not tolerated"),
        (["c"], "is cordoned (unschedulable)"),
    ]


def test_kinds_beyond_the_bound_are_left_out_by_name_the_smallest_first() -> None:
    (target,), (left,), _unplaced = nodes.choose(
        [node("a", status__nodeInfo=KERNEL), node("b"), node("c")], Settings(max_kinds=1), {"amd64"}
    )
    assert target.represents == ("b", "c")
    assert (left.nodes, left.reason) == (["a"], "NotRequested")
    assert "max_kinds is 1" in left.detail


SANDBOX = nodes.RuntimeClass.of(
    {
        "handler": "runsc",
        "scheduling": {"nodeSelector": {"pool": "b"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]},
    }
)


def test_where_a_runtime_class_can_run() -> None:
    handlers = [{"name": ""}, {"name": "runsc"}]
    found = [
        node("a"),
        node("b", metadata__labels={"pool": "b"}, spec__taints=TAINT, status__runtimeHandlers=handlers),
        node("c", metadata__labels={"pool": "b"}, status__runtimeHandlers=[{"name": ""}]),
    ]
    settings = Settings(runtime_classes=("", "sandbox"))
    targets, skipped, unplaced = nodes.choose(found, settings, {"amd64"}, {"sandbox": SANDBOX})
    assert [(one.node.name, one.runtime_class) for one in targets] == [("a", ""), ("b", "sandbox"), ("c", "")]
    assert [(one.nodes, one.detail) for one in skipped] == [
        (["b"], "has the taint gpu:NoSchedule, which is not tolerated (the default runtime)"),
        (["a"], "lacks the labels pool=b that the RuntimeClass selects (RuntimeClass sandbox)"),
        (["c"], "its runtime has no handler runsc, which the RuntimeClass names (RuntimeClass sandbox)"),
    ]
    assert unplaced == {}


def test_a_runtime_class_that_no_node_can_run_is_no_pass() -> None:
    settings = Settings(runtime_classes=("", "sandbox"))
    targets, _skipped, unplaced = nodes.choose([node("a")], settings, {"amd64"}, {"sandbox": SANDBOX})
    assert [one.runtime_class for one in targets] == [""]
    assert unplaced["sandbox"].reason == "NoNode"


FAKE = {"operatingSystem": "linux", "architecture": "amd64", "kernelVersion": "4.19.76-fakelinux"}


def test_a_fake_node_decides_no_size() -> None:
    chosen = choose(node(status__nodeInfo=FAKE))
    assert (chosen.note, chosen.allocatable_memory_bytes) == ("fake node of a virtual cluster (vCluster)", None)
    with pytest.raises(Inconclusive, match="fake node of a virtual cluster") as caught:
        choose(node(status__nodeInfo=FAKE, status__images=[]))
    assert caught.value.reason == "NoImage"


def test_a_node_that_runs_no_containers() -> None:
    with pytest.raises(Inconclusive, match="KWOK"):
        choose(node(metadata__annotations={"kwok.x-k8s.io/node": "fake"}))


def test_a_node_that_nobody_may_look_at() -> None:
    chosen = choose({"metadata": {"name": "n"}}, image="corp.example/any:1")
    assert (chosen.name, chosen.architecture, chosen.allocatable_memory_bytes) == ("n", "amd64", None)
    with pytest.raises(Inconclusive, match="option image"):
        choose({"metadata": {"name": "n"}})


def test_a_full_list_of_images_explains_why_pause_is_missing() -> None:
    images = [{"names": [f"corp.example/{number}:1"]} for number in range(50)]
    with pytest.raises(Inconclusive, match="their 50 largest only"):
        choose(node(status__images=images))


@pytest.mark.parametrize(
    ("allocatable", "wanted"),
    [
        ({}, 0),
        ({"hugepages-2Mi": "0", "hugepages-1Gi": "0"}, 0),
        ({"hugepages-2Mi": "32Mi", "hugepages-1Gi": "0"}, 2 * MIB),
        ({"hugepages-2Mi": "0", "hugepages-1Gi": "2Gi"}, 1024 * MIB),
        ({"hugepages-1Gi": "2Gi", "hugepages-2Mi": "2Mi", "hugepages-32Mi": "0"}, 2 * MIB),
        ({"hugepages-64Ki": "128Ki", "hugepages-2Mi": "2Mi"}, 64 * 1024),
        # less than one page
        ({"hugepages-2Mi": "1Mi"}, 0),
        ({"hugepages-2Mi": "?", "hugepages-x": "1"}, 0),
    ],
)
def test_huge_pages_that_pods_can_request(allocatable: dict[str, str], wanted: int) -> None:
    (target,) = nodes.choose(
        [node("a", status__allocatable={"memory": "1Gi", **allocatable})], Settings(), {"amd64"}
    ).targets
    assert target.node.huge_page_bytes == wanted


def test_huge_pages_of_a_node_that_is_not_real_are_not_known() -> None:
    fake = node(
        "a", metadata__labels={"vcluster.loft.sh/fake-node": "true"}, status__allocatable={"hugepages-2Mi": "4Mi"}
    )
    (target,) = nodes.choose([fake], Settings(image="i"), {"amd64"}).targets
    assert target.node.huge_page_bytes is None
    unseen = {"metadata": {"name": "n"}}
    (target,) = nodes.choose([unseen], Settings(image="i"), {"amd64"}).targets
    assert target.node.huge_page_bytes is None
