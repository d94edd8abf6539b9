# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import lost

from .support import FakeCluster

SYMPTOM = Inconclusive(Reason.TIMEOUT, "its containers did not start within 30 s", "pod n/p")


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(lost, "_clock", lambda: self.now)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_where_nothing_was_lost_a_symptom_stays_what_it_is(clock: Clock) -> None:
    assert lost.Losses().cause(FakeCluster(), "n", SYMPTOM) is SYMPTOM


def test_what_explains_itself_is_no_symptom(clock: Clock) -> None:
    problem = Inconclusive(Reason.IMAGE_PULL, "no such image")
    cluster = FakeCluster()
    cluster.node = {}
    assert lost.Losses().cause(cluster, "n", problem) is problem


@pytest.mark.parametrize(("seconds", "reason"), [(4, Reason.TIMEOUT), (60, Reason.SUSPENDED)])
def test_a_process_that_was_stopped_notices(clock: Clock, seconds: int, reason: Reason) -> None:
    losses = lost.Losses()
    clock.now += 1 + seconds
    found = losses.cause(FakeCluster(), "n", SYMPTOM)
    assert found.reason is reason
    if reason is Reason.SUSPENDED:
        assert "did not run for 60 s" in found.detail
        # the words do not change with the next beats
        clock.now += 1
        assert losses.cause(FakeCluster(), "n", SYMPTOM).detail == found.detail


def test_an_api_server_that_is_lost_is_named_with_when_it_was_last_heard(clock: Clock) -> None:
    losses, cluster = lost.Losses(), FakeCluster()
    cluster.heard = 45.0
    cluster.node = Inconclusive(Reason.API_UNREACHABLE, "Connection refused", "API server https://h:6443")
    found = losses.cause(cluster, "n", SYMPTOM)
    assert (found.reason, found.subject) == (Reason.API_UNREACHABLE, "API server https://h:6443")
    assert found.detail == "it has not answered since 00:00:45 UTC: Connection refused"
    # all checks get the same words, whatever the next request meets
    clock.now += 30
    losses.pulse = lost.Pulse()
    cluster.node = Inconclusive(Reason.API_UNREACHABLE, "no complete answer within 5 s", "API server https://h:6443")
    assert losses.cause(cluster, "m", found) is found


def test_who_may_not_see_nodes_gets_the_symptom(clock: Clock) -> None:
    cluster = FakeCluster()
    cluster.node = Inconclusive(Reason.FORBIDDEN, "cannot list nodes")
    assert lost.Losses().cause(cluster, "n", SYMPTOM) is SYMPTOM


def test_a_node_that_is_not_ready_is_named(clock: Clock) -> None:
    cluster = FakeCluster()
    ready = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": "T"}
    cluster.node = {"status": {"conditions": [{**ready, "message": "Kubelet stopped posting node status."}]}}
    found = lost.Losses().cause(cluster, "n", SYMPTOM)
    assert (found.reason, found.subject) == (Reason.NODE_NOT_READY, "node n")
    assert found.detail == "it is not Ready since T: NodeStatusUnknown: Kubelet stopped posting node status."
    cluster.node = {}
    assert lost.Losses().cause(cluster, "n", SYMPTOM).detail == "it is not in the cluster any more"


@pytest.mark.parametrize(("seconds", "reason"), [(20, Reason.POD_GONE), (60, Reason.SUSPENDED)])
def test_the_cluster_removes_the_pods_of_a_process_that_was_stopped_for_long(
    clock: Clock, seconds: int, reason: Reason
) -> None:
    problem, losses = Inconclusive(Reason.POD_GONE, "it was deleted, and not by podshm", "pod n/p"), lost.Losses()
    clock.now += seconds
    assert losses.cause(FakeCluster(), "n", problem).reason is reason


@pytest.mark.parametrize("reason", [Reason.UNSCHEDULABLE, Reason.POD_GONE, Reason.KUBELET_REJECTED])
def test_what_befalls_the_pods_of_a_lost_node_has_its_cause(clock: Clock, reason: Reason) -> None:
    problem, losses, cluster = Inconclusive(reason, "had untolerated taint", "pod n/p"), lost.Losses(), FakeCluster()
    # it was stopped, and neither that nor a lost API server takes a pod away so soon
    clock.now += 20
    assert losses.cause(cluster, "n", problem) is problem
    clock.now += 25
    cluster.node = Inconclusive(Reason.API_UNREACHABLE, "Connection refused", "API server")
    assert losses.cause(cluster, "n", problem) is problem
    clock.now += 25
    cluster.heard, cluster.node = 1.0, {}
    assert losses.cause(cluster, "n", problem).reason is Reason.NODE_NOT_READY


def test_a_node_that_says_later_what_is_wrong_is_waited_for_once(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    losses, cluster = lost.Losses(), FakeCluster()
    cluster.until = clock.now + 60
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        clock.now += seconds
        if len(waited) == 3:
            cluster.node = {
                "status": {"conditions": [{"type": "Ready", "status": "False", "message": "runtime is down"}]}
            }
        return False

    monkeypatch.setattr(cluster.stopping, "wait", wait)
    assert "runtime is down" in losses.cause(cluster, "n", SYMPTOM).detail
    assert waited == [3, 3, 3]
    # a node that stays Ready costs the time once
    losses, cluster.node = lost.Losses(), FakeCluster().node
    assert losses.cause(cluster, "n", SYMPTOM) is SYMPTOM
    losses.pulse = lost.Pulse()
    assert losses.cause(cluster, "n", SYMPTOM) is SYMPTOM
    assert len(waited) == 3 + 4


@pytest.mark.parametrize(
    ("first", "then", "seconds", "reason"),
    [
        ("1", "1", 25, Reason.NODE_NOT_READY),
        ("1", "1", 15, Reason.TIMEOUT),
        ("1", "2", 25, Reason.TIMEOUT),
        ("", "", 25, Reason.TIMEOUT),
    ],
)
def test_a_kubelet_that_renews_its_lease_no_more_is_named(
    clock: Clock, first: str, then: str, seconds: int, reason: Reason
) -> None:
    losses, cluster = lost.Losses(), FakeCluster()
    cluster.renewed = first
    losses.note_lease(cluster, "n")
    clock.now += seconds
    losses.pulse = lost.Pulse()
    cluster.renewed = then
    assert losses.cause(cluster, "n", SYMPTOM).reason is reason
