# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is lost in the middle of a run, on a cluster of its own: killed, and not back."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import typing as t

import harness
import pytest
import throwaway
from harness import call

NAME = throwaway.new_name()


@pytest.fixture
def cluster() -> harness.Cluster:
    """A whole cluster; what the test before killed is back."""
    throwaway.start(NAME)
    return harness.Cluster(NAME)


@pytest.fixture(scope="module", autouse=True)
def removed() -> t.Iterator[None]:
    try:
        yield
    finally:
        throwaway.remove(NAME)


@pytest.mark.parametrize(
    ("component", "reason", "words"),
    [
        ("kubelet", "NodeNotReady", f"node {NAME}: its kubelet has not renewed its lease since"),
        ("containerd", "NodeNotReady", f"node {NAME}: it is not Ready since"),
        ("kube-apiserver", "ApiUnreachable", "it has not answered since"),
    ],
)
def test_what_is_lost_is_named_once(cluster: harness.Cluster, component: str, reason: str, words: str) -> None:
    namespace = cluster.make_namespace()
    # a new cluster has none for some seconds
    cluster.until("leases", "kube-node-lease", bool)
    # controls and checks of several pods: all that meet one loss have one cause
    running = call(cluster, checks=["sysv"], namespace=namespace, cleanup_timeout=5)
    cluster.until("pods", namespace, bool, harness.OURS)
    record = json.loads(pathlib.Path("/var/lib/podshm", NAME, "run", f"{component}.json").read_text("utf-8"))
    os.kill(record["pid"], signal.SIGKILL)
    answer = running.answer(150)
    assert answer.result["status"] == "ERROR", answer.output
    undecided = [check for check in answer.result["checks"] if check["verdict"] == "ERROR"]
    assert {check["reason"] for check in undecided} == {reason}, answer.msg
    (line,) = {check["observed"] for check in undecided}
    assert words in line
    assert answer.seconds < 60 + 5 + 20
