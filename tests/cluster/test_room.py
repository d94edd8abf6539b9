# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that find no room because others have it: they wait, within the time of their run."""

from __future__ import annotations

import typing as t

import pytest
from harness import Cluster, ask, call, fails, passes

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
        fails(answer, "QuotaExceeded", "waited 1", "s for room in the quota", "exceeded quota: tight")
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
