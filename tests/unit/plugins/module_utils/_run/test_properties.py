# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold for all clusters and all pods: no node is lost, and memory limits are what the kubelet computes."""

from __future__ import annotations

import collections
import random
import typing as t

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _pod
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import NodeChoice, Settings
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import nodes

Object: t.TypeAlias = "dict[str, t.Any]"

# --------------------------------------------------------------------------------------------------- nodes


@st.composite
def some_node(draw: st.DrawFn) -> Object:
    """A node without a name: of one of a few kinds, more often usable than not."""
    return {
        "metadata": {"labels": {"node.kubernetes.io/instance-type": draw(st.sampled_from(["small", "large"]))}},
        "spec": {"taints": draw(st.sampled_from([[], [], [], [{"key": "gpu", "effect": "NoSchedule"}]]))},
        "status": {
            "nodeInfo": {
                "operatingSystem": draw(st.sampled_from(["linux", "linux", "linux", "windows"])),
                "architecture": draw(st.sampled_from(["amd64", "arm64", "mips"])),
                "kernelVersion": draw(st.sampled_from(["6.1", "6.12"])),
            },
            "conditions": [{"type": "Ready", "status": draw(st.sampled_from(["True", "True", "True", "Unknown"]))}],
            "allocatable": {"memory": "1Gi"},
            "images": [{"names": ["registry.k8s.io/pause:3.10"]}] * draw(st.sampled_from([1, 1, 1, 0])),
        },
    }


@st.composite
def clusters(draw: st.DrawFn) -> list[Object]:
    """The nodes of a cluster."""
    found = draw(st.lists(some_node(), min_size=1, max_size=8))
    for number, node in enumerate(found):
        node["metadata"]["name"] = f"node-{number:02}"
    return found


choices = st.sampled_from(NodeChoice)
runtime_classes = st.sampled_from([("",), ("", "gvisor"), ("kata", "gvisor", "")])


def choose(
    found: list[Object], choice: NodeChoice, classes: tuple[str, ...]
) -> tuple[list[tuple[str, str, tuple[str, ...]]], list[str]]:
    """Node, RuntimeClass and represented nodes of each target, and the nodes that are skipped."""
    try:
        settings = Settings(nodes=choice, runtime_classes=classes)
        targets, skipped, _unplaced = nodes.choose(found, settings, {"amd64", "arm64"})
    except Inconclusive:
        return [], sorted(node["metadata"]["name"] for node in found)
    names = [(one.node.name, one.runtime_class, one.represents) for one in targets]
    return names, [name for one in skipped for name in one.nodes]


@given(clusters(), choices, runtime_classes)
def test_every_node_is_used_represented_or_skipped_exactly_once(
    found: list[Object], choice: NodeChoice, classes: tuple[str, ...]
) -> None:
    targets, skipped = choose(found, choice, classes)
    for runtime_class in classes:
        here = [name for _node, one, alike in targets if one == runtime_class for name in alike]
        times = collections.Counter([*here, *skipped])
        assert set(times.values()) <= {1}
        assert times.keys() == {node["metadata"]["name"] for node in found}


@given(clusters(), choices)
def test_a_target_can_be_used_and_is_like_those_that_it_represents(found: list[Object], choice: NodeChoice) -> None:
    by_name = {node["metadata"]["name"]: node for node in found}
    for name, _runtime_class, alike in choose(found, choice, ("",))[0]:
        node = by_name[name]
        assert node["status"]["conditions"][0]["status"] == "True"
        assert node["status"]["nodeInfo"]["operatingSystem"] == "linux"
        assert node["status"]["nodeInfo"]["architecture"] != "mips"
        assert node["spec"]["taints"] == []
        assert node["status"]["images"]
        assert name in alike
        for other in (by_name[one] for one in alike):
            assert other["metadata"]["labels"] == node["metadata"]["labels"]
            assert other["status"]["nodeInfo"] == node["status"]["nodeInfo"]


@given(clusters(), choices, st.randoms(use_true_random=False))
def test_the_order_of_the_api_server_does_not_matter(
    found: list[Object], choice: NodeChoice, order: random.Random
) -> None:
    shuffled = order.sample(found, len(found))
    assert choose(found, choice, ("",)) == choose(shuffled, choice, ("",))


# ------------------------------------------------------------------------------------------- memory limits

#: None is no limit, and so is 0.
limits = st.one_of(st.none(), st.just(0), st.integers(1, 64))


def container(limit: int | None, **more: t.Any) -> Object:
    return {"resources": {} if limit is None else {"limits": {"memory": f"{limit}Mi"}}, **more}


@st.composite
def pods(draw: st.DrawFn) -> Object:
    """A pod with every kind of container, a limit of its own or none, and overhead or none."""
    own, overhead = draw(st.one_of(st.none(), limits)), draw(st.sampled_from([0, 0, 5]))
    inits = draw(st.lists(st.tuples(limits, st.booleans()), max_size=4))
    mains = draw(st.lists(limits, min_size=1, max_size=3))
    return {
        "spec": {
            "initContainers": [
                container(one, **({"restartPolicy": "Always"} if stays else {})) for one, stays in inits
            ],
            "containers": [container(one) for one in mains],
            **({"resources": {"limits": {"memory": f"{own}Mi"}}} if own is not None else {}),
            **({"overhead": {"memory": f"{overhead}Mi"}} if overhead else {}),
        }
    }


def mebibytes(part: Object) -> int:
    """The memory limit of a container, or of a pod itself; 0 is none."""
    text = ((part.get("resources") or {}).get("limits") or {}).get("memory", "0Mi")
    return int(text.removesuffix("Mi"))


def played(pod: Object) -> int | None:
    """The memory limit of a pod in MiB, by playing its life and weighing at each moment what runs."""
    spec = pod["spec"]
    overhead = int(spec.get("overhead", {}).get("memory", "0Mi").removesuffix("Mi"))
    if mebibytes(spec):
        return mebibytes(spec) + overhead
    everybody = [*spec["initContainers"], *spec["containers"]]
    if not all(mebibytes(one) for one in everybody):
        return None
    running: list[Object] = []
    most = 0
    for one in spec["initContainers"]:
        running.append(one)
        most = max(most, sum(map(mebibytes, running)))
        if one.get("restartPolicy") != "Always":
            running.remove(one)
    running += spec["containers"]
    return max(most, sum(map(mebibytes, running))) + overhead


@given(pods())
def test_the_memory_limit_of_a_pod_is_the_most_that_runs_at_any_moment(pod: Object) -> None:
    expected = played(pod)
    assert _pod.memory_limit(pod["spec"]) == (None if expected is None else expected * 1024**2)
