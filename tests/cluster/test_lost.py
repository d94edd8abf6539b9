# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is lost in the middle of a run, on a cluster of its own: killed, and not back."""

from __future__ import annotations

import json
import os
import pathlib
import signal

import harness
import pytest
import throwaway
from harness import call


@pytest.fixture
def whole(own: harness.Cluster) -> harness.Cluster:
    """A whole cluster: what the test before killed is back."""
    throwaway.start(own.name)
    return own


@pytest.mark.parametrize(
    ("component", "reason", "words"),
    [
        ("kubelet", "NodeNotReady", "node {name}: its kubelet has not renewed its lease since"),
        ("containerd", "NodeNotReady", "node {name}: it is not Ready since"),
        ("kube-apiserver", "ApiUnreachable", "it has not answered since"),
    ],
)
def test_what_is_lost_is_named_once(whole: harness.Cluster, component: str, reason: str, words: str) -> None:
    namespace = whole.make_namespace()
    # a new cluster has none for some seconds
    whole.until("leases", "kube-node-lease", bool)
    # controls and checks of several pods: all that meet one loss have one cause
    running = call(whole, checks=["sysv"], namespace=namespace, cleanup_timeout=5)
    whole.until("pods", namespace, bool, harness.OURS)
    record = json.loads(pathlib.Path("/var/lib/podshm", whole.name, "run", f"{component}.json").read_text("utf-8"))
    os.kill(record["pid"], signal.SIGKILL)
    answer = running.answer(150)
    assert answer.result["status"] == "ERROR", answer.output
    undecided = [check for check in answer.result["checks"] if check["verdict"] == "ERROR"]
    assert {check["reason"] for check in undecided} == {reason}, answer.msg
    (line,) = {check["observed"] for check in undecided}
    assert words.format(name=whole.name) in line
    assert answer.seconds < 60 + 5 + 20
