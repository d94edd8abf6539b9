# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that find no room because others have it: they wait, within the time of their run."""

from __future__ import annotations

import os
import typing as t

import harness
import local
import pytest
import throwaway
from harness import Cluster, ask, call, fails, passes
from table import Table, honest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import parse_bytes

#: Three pods: 32Mi for the controls, and two for the checks, of which one fills /dev/shm (64Mi and more).
CHECKS = ["SHM101", "SHM301", "SHM501"]


def limit(cluster: Cluster, namespace: str, **hard: str) -> None:
    """Give a namespace a quota, and wait until it counts."""
    body = {"metadata": {"name": "tight"}, "spec": {"hard": {name.replace("_", "."): hard[name] for name in hard}}}
    cluster.create("resourcequotas", body, namespace)
    cluster.until(
        "resourcequotas", namespace, lambda seen: all("hard" in one.get("status", {}) for one in seen.values())
    )


def allocatable(cluster: Cluster) -> int:
    (node,) = cluster.list("nodes")
    return parse_bytes(node["status"]["allocatable"]["memory"])


def test_two_runs_at_once_in_a_quota_for_one(alpha: Cluster, namespace: str) -> None:
    limit(alpha, namespace, limits_memory="250Mi")
    runs = [call(alpha, namespace=namespace, checks=CHECKS) for _number in range(2)]
    for one in runs:
        passes(one.answer())


def test_runs_that_each_have_what_another_waits_for(alpha: Cluster, namespace: str) -> None:
    """The check needs two pods at once, and four runs could have one each."""
    limit(alpha, namespace, pods="2")
    runs = [call(alpha, namespace=namespace, checks=["SHM501"], timeout=150) for _number in range(4)]
    for one in runs:
        passes(one.answer(180))


def test_runs_wait_for_each_other_where_a_quota_counts_objects(alpha: Cluster, namespace: str) -> None:
    """The probe is in a ConfigMap, and the namespace has one of its own."""
    limit(alpha, namespace, configmaps="2")
    runs = [call(alpha, namespace=namespace, checks=["SHM101"]) for _number in range(2)]
    for one in runs:
        passes(one.answer())


def test_four_whole_runs_at_once_on_a_small_node() -> None:
    """No run has the room of its own pods at once: 1.5 GiB, of which two pods have 340 and 460 MiB."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") - parse_bytes("1Gi")
    kubelet = {"cpuCFSQuota": False, "systemReserved": {"memory": str(memory)}}
    name = throwaway.new_name()
    with local.cluster(name, local_cluster_kubelet_config=kubelet) as cluster:
        spaces = [cluster.make_namespace() for _number in range(4)]
        options: dict[str, t.Any] = {"resources": {"cpu": "10m"}, "size_limit": "80Mi", "timeout": 360}
        runs = [call(cluster, namespace=space, checks=None, **options) for space in spaces]
        table = Table(honest(), {space: {} for space in spaces})
        for space, running in zip(spaces, runs, strict=True):
            answer = running.answer(420)
            print(f"{answer.seconds:.0f} s", flush=True)
            assert answer.result.get("leftovers") == [], answer.output
            for check in answer.result["checks"]:
                table.add(space, check)
        print(table.text())
        assert [table.wrong(space) for space in spaces] == [{}] * 4
        assert not cluster.list("pods", selector=harness.OURS)


def test_a_quota_that_stays_used_up_is_told_with_the_time(alpha: Cluster, namespace: str) -> None:
    neighbour: dict[str, t.Any] = {
        "metadata": {"name": "neighbour"},
        "spec": {
            # nobody schedules it, and the quota counts it
            "schedulingGates": [{"name": "example.com/never"}],
            "containers": [{"name": "c", "image": "none", "resources": {"limits": {"memory": "240Mi"}}}],
        },
    }
    limit(alpha, namespace, limits_memory="250Mi")
    alpha.create("pods", neighbour, namespace)
    try:
        answer = ask(alpha, namespace=namespace, checks=["SHM301"], timeout=15)
        # two thirds of the time
        fails(answer, "QuotaExceeded", "waited 1", "s (option timeout) for room in the quota", "exceeded quota: tight")
        assert answer.seconds < 15 + 10
    finally:
        alpha.delete("pods", "neighbour", namespace)


def test_the_pods_of_a_run_wait_for_each_other(alpha: Cluster, namespace: str) -> None:
    """The controls are decided first, in a pod that leaves no room for the other."""
    memory = allocatable(alpha) * 6 // 10
    passes(ask(alpha, namespace=namespace, checks=["SHM301"], resources={"memory": str(memory)}))


@pytest.mark.parametrize("start_timeout", [5, 60])
def test_what_the_node_can_never_hold_is_not_waited_for(alpha: Cluster, namespace: str, start_timeout: int) -> None:
    memory = str(allocatable(alpha) + 1)
    answer = ask(alpha, namespace=namespace, resources={"memory": memory}, start_timeout=start_timeout)
    fails(answer, "Unschedulable", "Insufficient memory: it requests", "for all pods")
    assert answer.seconds < 30
