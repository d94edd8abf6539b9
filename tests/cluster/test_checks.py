# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole catalog on an honest cluster, and checks that depend on more than the runtime: the kubelet, the namespace.

What a runtime can do to each check is in tests/worlds.
"""

from __future__ import annotations

import pathlib
import sys
import typing as t

import harness
import pytest
from harness import Cluster, ask, fails, passes
from table import expect, honest, verdict_of

RESTART = pathlib.Path(__file__).with_name("restart_kubelet.py")

#: What a restart of the kubelet that changes the volume must do to a check (read by tests/unit/test_worlds.py, too).
HARM = expect(FAIL="SHM403")


def test_the_whole_catalog(alpha: Cluster, namespace: str) -> None:
    answer = ask(alpha, namespace=namespace, checks=None)
    assert answer.code == 0, answer.msg
    assert {name: verdict_of(check) for name, check in answer.checks.items()} == honest()
    assert answer.result["leftovers"] == []


@pytest.fixture
def windows(own: Cluster) -> t.Iterator[str]:
    """A node that runs Windows, as far as the API server knows."""
    name = f"windows-{harness.SESSION}"
    metadata = {"name": name, "labels": {"kubernetes.io/os": "windows", harness.LABEL: harness.SESSION}}
    own.create("nodes", {"metadata": metadata})
    try:
        node = own.request("GET", own.path("nodes", name=name))
        # controllers write to it, too
        del node["metadata"]["resourceVersion"]
        node["status"]["nodeInfo"] = {**own.list("nodes")[0]["status"]["nodeInfo"], "operatingSystem": "windows"}
        own.request("PUT", own.path("nodes", name=name) + "/status", node)
        yield name
    finally:
        own.delete("nodes", name)


def test_a_node_that_runs_windows_is_skipped(own: Cluster, there: str, windows: str) -> None:
    answer = ask(own, namespace=there, checks=["SHM105"])
    passes(answer)
    (left,) = answer.result["run"]["skipped_nodes"]
    assert (left["nodes"], left["reason"]) == ([windows], "NotLinux")


def test_nothing_but_windows_is_no_pass(own: Cluster, there: str, windows: str) -> None:
    answer = ask(own, namespace=there, checks=["SHM105"], node_selector={"kubernetes.io/os": "windows"})
    assert answer.code != 0
    assert (answer.verdicts, answer.reasons, answer.result["status"]) == ({"SKIP"}, {"NotLinux"}, "ERROR")
    assert f"NotLinux: node {windows}: runs windows" in answer.msg


def test_a_kubelet_that_is_restarted(own: Cluster, there: str) -> None:
    command = [sys.executable, str(RESTART), "{node}"]
    answer = ask(own, namespace=there, checks=["SHM101", "SHM403"], restart_kubelet=command)
    passes(answer)
    assert list(answer.checks) == ["SHM101", "SHM403"]


def test_a_kubelet_that_is_restarted_and_does_harm(own: Cluster, there: str) -> None:
    command = [sys.executable, str(RESTART), "{node}", "8m"]
    answer = ask(own, namespace=there, checks=["SHM403"], restart_kubelet=command)
    assert {name: verdict_of(check) for name, check in answer.checks.items()} == HARM
    assert answer.checks["SHM403"]["observed"] == "16777216 bytes before, 8388608 after; the object is there"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["true"], "it left the kubelet running"),
        (["sh", "-c", "echo no such unit >&2; exit 5"], "sh ended with 5: no such unit"),
        (["no-such-command"], "no-such-command: No such file"),
    ],
)
def test_a_command_that_restarts_no_kubelet(own: Cluster, there: str, command: list[str], words: str) -> None:
    answer = ask(own, namespace=there, checks=["SHM403"], restart_kubelet=command, start_timeout=5)
    fails(answer, "CommandFailed", words, cluster=own.name)


LEVELS = {
    "privileged": ("PASS", "PASS", "nothing is refused"),
    "baseline": ("PASS", "SKIP", "hostIPC (PodSecurity), a hostPath volume (PodSecurity)"),
    "restricted": (
        "PASS",
        "SKIP",
        "a pod without a securityContext (PodSecurity), the sysctl kernel.shmmax (PodSecurity), root (PodSecurity)",
    ),
}


@pytest.mark.parametrize("level", LEVELS)
def test_levels_of_pod_security(alpha: Cluster, level: str) -> None:
    verdict, host, words = LEVELS[level]
    name = alpha.make_namespace({"pod-security.kubernetes.io/enforce": level})
    try:
        answer = ask(alpha, namespace=name, checks=["SHM503", "SHM504", "SHM607"])
        got = {check: one["verdict"] for check, one in answer.checks.items()}
        assert got == {"SHM503": host, "SHM504": host, "SHM607": verdict}, answer.msg
        assert words in answer.checks["SHM607"]["observed"]
        assert answer.checks["SHM607"]["observed"].endswith(f"as at level {level}")
        assert alpha.left(name) == []
    finally:
        alpha.delete("namespaces", name)


@pytest.mark.parametrize(
    ("args", "verdict", "words"),
    [
        ({"profiles": ["db2"]}, "FAIL", "kernel.msgmax 8192 < 65536 (db2)"),
        ({"profiles": [], "minimums": {"kernel.sem": "250 32000 501 128"}}, "FAIL", "semopm 500 < 501 (minimum)"),
        ({"minimums": {"fs.mqueue.msg_max": 10}}, "PASS", "postgresql, oracle, fs.mqueue.msg_max"),
    ],
)
def test_sysctl_profiles(alpha: Cluster, namespace: str, args: dict[str, t.Any], verdict: str, words: str) -> None:
    answer: harness.Answer = ask(alpha, namespace=namespace, checks=["SHM601"], **args)
    check = answer.checks["SHM601"]
    assert (check["verdict"], words in check["observed"]) == (verdict, True), check["observed"]
