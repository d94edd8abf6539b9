# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The objects of a cluster, each pod under what owns it, and of equal pods one."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import live
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.live import Collector

Object = dict[str, t.Any]


def owned(kind: str, name: str) -> list[Object]:
    return [{"controller": True, "kind": kind, "name": name}]


def pod(name: str, owner: tuple[str, str] | None = None, **spec: t.Any) -> Object:
    return {
        "metadata": {
            "name": name,
            "namespace": "n",
            "labels": {"pod-template-hash": "7d9f"},
            "ownerReferences": owned(*owner) if owner else [],
        },
        "spec": {"containers": [{"name": "c", "image": "i"}], **spec},
        "status": {},
    }


def controller(name: str, owner: tuple[str, str] | None = None, **more: t.Any) -> Object:
    return {"metadata": {"name": name, "namespace": "n", "ownerReferences": owned(*owner) if owner else []}, **more}


TEMPLATE: Object = {
    "apiVersion": "apps/v1",
    "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}},
}


def collected(*pods: Object, collector: Collector | None = None) -> list[tuple[str, int]]:
    collector = collector or Collector()
    for one in pods:
        collector.add_pod(one)
    return [(work.subject, work.replicas) for work in collector.workloads()]


def test_a_pod_belongs_to_what_owns_its_owner() -> None:
    collector = Collector()
    collector.add_controller(controller("web-7d9f", ("Deployment", "web")), "ReplicaSet")
    collector.add_controller(controller("web", **TEMPLATE), "Deployment")
    pods = [pod(f"web-7d9f-{n}", ("ReplicaSet", "web-7d9f")) for n in range(3)]
    assert collected(*pods, collector=collector) == [("Deployment n/web", 3)]
    (work,) = collector.workloads()
    assert work.path == ("spec", "template")
    assert work.api_version == "apps/v1"


def test_without_replica_sets_the_deployment_is_known_by_the_hash() -> None:
    collector = Collector()
    collector.add_controller(controller("web", **TEMPLATE), "Deployment")
    assert collected(pod("web-7d9f-x", ("ReplicaSet", "web-7d9f")), collector=collector) == [("Deployment n/web", 1)]


def test_what_nobody_may_look_at_has_the_name_of_its_pods_owner() -> None:
    assert collected(pod("pg-1", ("Cluster", "pg"))) == [("Cluster n/pg", 1)]
    assert collected(pod("web-7d9f-x", ("ReplicaSet", "web-7d9f"))) == [("ReplicaSet n/web-7d9f", 1)]


def test_static_pods_are_pods() -> None:
    assert collected(pod("etcd", ("Node", "n1")), pod("api", ("Node", "n1"))) == [("Pod n/etcd", 1), ("Pod n/api", 1)]


def test_a_circle_of_owners_ends() -> None:
    collector = Collector()
    collector.add_controller(controller("a", ("Job", "b")), "Job")
    collector.add_controller(controller("b", ("Job", "a")), "Job")
    assert len(collected(pod("p", ("Job", "a")), collector=collector)) == 1


@pytest.mark.parametrize(
    "spec",
    [
        lambda name: {"nodeName": name, "affinity": {"nodeAffinity": name}},
        lambda name: {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": f"data-{name}"}}]},
        lambda name: {"volumes": [{"name": f"kube-api-access-{name}", "projected": {}}]},
        lambda name: {"containers": [{"name": "c", "image": "i", "env": [{"name": "POD", "value": name}]}]},
    ],
    ids=["of a DaemonSet", "claims", "token", "own name"],
)
def test_pods_that_differ_in_what_each_has_of_its_own_are_one(spec: t.Callable[[str], Object]) -> None:
    owner = ("StatefulSet", "db")
    assert collected(*(pod(f"db-{n}", owner, **spec(f"db-{n}")) for n in range(3))) == [("StatefulSet n/db", 3)]


def test_pods_that_differ_in_their_memory_are_several() -> None:
    owner = ("StatefulSet", "db")
    other = pod("db-1", owner, volumes=[{"name": "dshm", "emptyDir": {"medium": "Memory"}}])
    assert collected(pod("db-0", owner), other) == [("StatefulSet n/db", 1), ("StatefulSet n/db", 1)]


def test_what_is_not_wanted_is_not_kept() -> None:
    collector = Collector(lambda key: key[1] == "Pod")
    collector.add_controller(controller("web", **TEMPLATE), "Deployment")
    assert collected(pod("a"), pod("b", ("StatefulSet", "db")), collector=collector) == [("Pod n/a", 1)]


def test_the_least_memory_of_its_nodes_counts() -> None:
    collector = Collector()
    for bytes_of_node in (None, 8, 4, 16):
        collector.add_pod(pod("a"), bytes_of_node)
    (work,) = collector.workloads()
    assert work.allocatable == 4


def test_of_pods_that_ended_badly_the_first_are_kept() -> None:
    collector = Collector()
    for number in range(20):
        one = pod(f"db-{number}", ("StatefulSet", "db"))
        one["status"] = {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 135}}}]}
        collector.add_pod(one)
    (work,) = collector.workloads()
    assert (work.replicas, len(work.pods)) == (20, live._PODS)


def left_over(name: str, phase: str, created: str, **spec: t.Any) -> Object:
    one = pod(name, ("StatefulSet", "db"), **spec)
    one["metadata"]["creationTimestamp"] = created
    return {**one, "status": {"phase": phase}}


def test_pods_that_are_left_over_of_a_template_before_do_not_count() -> None:
    volumes = [{"name": "dshm", "emptyDir": {"medium": "Memory"}}]
    old = left_over("db-0", "Failed", "2026-11-01T00:00:00Z")
    for phase in ("Running", "Succeeded"):
        collector = Collector()
        collector.add_controller(controller("db", **TEMPLATE), "StatefulSet")
        new = left_over("db-1", phase, "2026-11-02T00:00:00Z", volumes=volumes)
        assert collected(old, new, collector=collector) == [("StatefulSet n/db", 1)]
    # during a rollout both count; pods of a custom resource differ by design
    running = [{**old, "status": {"phase": "Running"}}, new]
    collector = Collector()
    collector.add_controller(controller("db", **TEMPLATE), "StatefulSet")
    assert len(collected(*running, collector=collector)) == 2
    assert len(collected(old, new)) == 2


def test_no_copy_of_the_whole_object_is_kept() -> None:
    one = pod("a")
    one["metadata"] |= {"managedFields": [{}], "annotations": {live._LAST_APPLIED: "{}", "own": "x"}}
    collector = Collector()
    collector.add_pod(one)
    (work,) = collector.workloads()
    assert work.metadata.keys() == {"name", "labels", "annotations"}
    assert work.metadata["annotations"] == {"own": "x"}
