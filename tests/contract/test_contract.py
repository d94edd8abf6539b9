# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the catalog to the verdict without Kubernetes: real runs, real probe, this machine's kernel.

A label, a fact or the name of a step that drifts apart between catalog, plan, probe and rule turns a check red here.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import pathlib
import signal
import subprocess
import threading
import time
import types
import typing as t

import machine
import pytest
from fake_cluster import SHM_BYTES, FakeCluster, Node, Unable

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import CHECKS, CONTROLS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.client import Cluster
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Settings, Transport
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import proof, run
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.manifests import workloads_of

#: Check -> why the fake cluster has no answer to it.
NOT_COVERED = {
    "SHM310": "the kernel kills a container for its memory: that needs a memory cgroup",
    "SHM312": "the kernel kills a container for its memory: that needs a memory cgroup",
}

#: What needs a second user or group, whom an ordinary user cannot give to a namespace.
TWO_USERS = ("SHM106", "SHM110", "SHM111", "SHM209", "SHM210", "SHM319")

COVERED = [check for check in CHECKS if check.id not in NOT_COVERED]
IDS = [check.id for check in (*COVERED, *CONTROLS)]

#: What is not PASS on an honest node of this kind: verdict and reason.
HONEST = {
    # containers have no memory cgroup
    "SHM311": "SKIP NotVisible",
    # the fake node has no huge pages that pods can request; of this machine's, containers see all
    "SHM221": "SKIP NodeHasNone",
    "SHM320": "WARN " if machine.has_swap() else "SKIP NodeHasNone",
    **({"SHM605": "WARN "} if machine.has_huge_pages() else {}),
    # a node in a container: its IPC namespace is not the kernel's first
    "SHM503": "WARN ",
    # containers have the kernel's RLIMIT_MEMLOCK
    "SHM608": "WARN ",
}

#: World -> what changes in it.
FALSE_WORLDS: dict[str, dict[str, str]] = {
    # System V is keyed by the IPC namespace, and so are POSIX message queues and the sysctls
    "own_ipc": {
        **dict.fromkeys(("SHM101", "SHM102", "SHM103", "SHM104", "SHM105", "SHM106", "SHM107", "SHM108"), "FAIL "),
        **dict.fromkeys(("SHM109", "SHM203", "SHM204", "SHM207", "SHM208", "SHM215", "SHM216"), "FAIL "),
        **dict.fromkeys(("SHM504", "SHM602", "SHM603"), "FAIL "),
        # a segment that is not found is refused to nobody
        **dict.fromkeys(("SHM110", "SHM111"), "ERROR PremiseFailed"),
    },
    "own_shm": {
        **dict.fromkeys(("SHM201", "SHM202", "SHM205", "SHM206", "SHM207", "SHM209", "SHM211", "SHM220"), "FAIL "),
        # instead of the node's, too
        **dict.fromkeys(("SHM503", "SHM504"), "FAIL "),
        # an object that is not shared has no reader, and a mutex in it nobody else to try it
        **dict.fromkeys(("SHM210", "SHM213", "SHM214", "SHM311"), "ERROR PremiseFailed"),
    },
    # it drops the fields that it does not know, and has no pods/resize
    "old_kubernetes": {check.id: "SKIP FeatureGateOff" for check in CHECKS if check.needs},
}

WORLDS = ["", *FALSE_WORLDS]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Node]:
    """This machine as a node. When all tests are done, no process and no mount may be left."""
    folder = tmp_path_factory.mktemp("node")
    try:
        started = Node(folder)
    except Unable as reason:
        pytest.skip(f"this machine cannot be a node: {reason}")
    yield started
    started.close()
    assert started.errors() == ""
    assert started.process.returncode == 0
    assert str(folder) not in pathlib.Path("/proc/self/mountinfo").read_text("utf-8")


@contextlib.contextmanager
def kubelet(cluster: FakeCluster, folder: pathlib.Path) -> t.Iterator[tuple[str, ...]]:
    """The command that restarts the kubelet of the fake cluster, which is in this process."""
    pipe = folder / f"restart-{id(cluster)}"
    os.mkfifo(pipe)
    # both ends: neither side waits for the other to open it
    descriptor = os.open(pipe, os.O_RDWR)

    def follow() -> None:
        while os.read(descriptor, 1) == b"r":
            cluster.restart_kubelet()

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield ("sh", "-c", f"printf r >'{pipe}'")
    finally:
        os.write(descriptor, b"e")
        thread.join()
        os.close(descriptor)
        pipe.unlink()


#: For how many pods a crowded cluster has room. Two layouts have two pods each, and one of each layout could hold both places.
PODS = 2


class SmallQuota(FakeCluster):
    """A cluster whose quota has room for a few pods."""

    def create(self, manifest: dict[str, t.Any], dry_run: bool = False) -> dict[str, t.Any]:
        used = len(self._pods)
        if manifest["kind"] == "Pod" and used >= PODS:
            words = f"exceeded quota: few, requested: pods=1, used: pods={used}, limited: pods={PODS}"
            raise Inconclusive(Reason.QUOTA_EXCEEDED, words)
        return super().create(manifest, dry_run)


class SmallNode(FakeCluster):
    """A cluster whose node has room for a few pods."""

    def _start(self, stored: dict[str, t.Any]) -> None:
        threading.Thread(target=self._schedule, args=[stored], daemon=True).start()

    def _schedule(self, stored: dict[str, t.Any]) -> None:
        name = stored["metadata"]["name"]
        with self._changed:
            if len(self._pods) >= PODS:
                message = "0/1 nodes are available: 1 Too many pods. preemption: none"
                condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
                stored["status"] = {"phase": "Pending", "conditions": [condition]}
                self._announce("ADDED", stored)
            while len(self._pods) >= PODS:
                self._changed.wait()
            if ("Pod", name) in self._objects:
                super()._start(stored)


class Refusing(FakeCluster):
    """A cluster that refuses one of the two pods of a layout, in a way that is no policy's."""

    def create(self, manifest: dict[str, t.Any], dry_run: bool = False) -> dict[str, t.Any]:
        if manifest["metadata"]["name"].endswith("-other") and not dry_run:
            raise Inconclusive(Reason.WEBHOOK_FAILED, "failed calling webhook")
        return super().create(manifest, dry_run)


#: How steps come to containers: by exec, or by scripts.
TRANSPORTS = ("exec", "log")


def ask(node: Node, world: str, transport: str = "exec", cluster: FakeCluster | None = None) -> run.Result:
    """Run all checks in a world."""
    cluster = cluster or FakeCluster(node, **({world: True} if world else {}))
    with pytest.MonkeyPatch.context() as patch, kubelet(cluster, node.folder) as command:
        if transport == "log":
            patch.setattr(cluster, "exec", None)
        patch.setattr(run, "resolve", lambda _params, _environment: None)
        patch.setattr(run, "Cluster", lambda _source, _namespace, _timeout: cluster)
        settings = Settings(
            namespace="n",
            # pods that wait for each other's room take their time on a slow machine
            timeout=240,
            start_timeout=60,
            step_timeout=3,
            size_limit_bytes=5 * MIB,
            default_size_bytes=SHM_BYTES,
            restart_kubelet=command,
            transport=Transport(transport),
        )
        try:
            return run.run(types.SimpleNamespace(params={}), "fake", COVERED, settings, check_mode=False)
        finally:
            cluster.close()


@pytest.fixture(scope="module")
def results(node: Node) -> dict[tuple[str, str], run.Result]:
    """One run per world and transport."""
    return {(world, transport): ask(node, world, transport) for transport in TRANSPORTS for world in WORLDS}


def wanted(world: str, check: str, node: Node) -> str:
    """Verdict and reason of a check."""
    if check == "SHM307" and in_memory(node.folder):
        return "FAIL "
    return FALSE_WORLDS.get(world, {}).get(check) or HONEST.get(check, "PASS ")


def in_memory(folder: pathlib.Path) -> bool:
    """Whether the disk of the node is none."""
    found = subprocess.run(["stat", "-f", "-c", "%T", folder], check=True, capture_output=True, text=True)
    return found.stdout.strip() in ("tmpfs", "ramfs")


@pytest.mark.parametrize("check", IDS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_verdict(
    node: Node, results: dict[tuple[str, str], run.Result], transport: str, world: str, check: str
) -> None:
    if check in TWO_USERS and node.one_user:
        pytest.skip("an ordinary user cannot give the node a second user; run as root")
    result = results[world, transport]
    (answer,) = (one for one in (*result.checks, *result.controls) if one["id"] == check)
    assert f"{answer['verdict']} {answer['reason']}" == wanted(world, check, node), answer["observed"]


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nothing_is_left(results: dict[tuple[str, str], run.Result], transport: str, world: str) -> None:
    assert results[world, transport].problem is None
    assert results[world, transport].leftovers == []


def verdicts(result: run.Result) -> dict[str, str]:
    return {one["id"]: f"{one['verdict']} {one['reason']}" for one in (*result.checks, *result.controls)}


@pytest.mark.parametrize("crowded", [SmallQuota, SmallNode])
def test_room_for_a_few_pods_changes_no_verdict(
    node: Node, results: dict[tuple[str, str], run.Result], crowded: type[FakeCluster]
) -> None:
    """The pods wait for each other."""
    result = ask(node, "", cluster=crowded(node))
    assert verdicts(result) == verdicts(results["", "exec"])
    assert (result.problem, result.leftovers) == (None, [])


def test_a_pod_that_cannot_be_created_costs_the_checks_that_need_it(
    node: Node, results: dict[tuple[str, str], run.Result]
) -> None:
    result = ask(node, "", cluster=Refusing(node))
    lost = {
        check.id: "ERROR WebhookFailed"
        for check in COVERED
        if not check.layout.dry_run_only and any(step.container.pod == "other" for step in check.steps)
    }
    assert lost
    assert verdicts(result) == verdicts(results["", "exec"]) | lost


#: Workloads by name: what they need, their containers with what is mounted on /dev/shm, and the volumes.
WORKLOADS: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "small": ("posix_shm=70Mi", {"c": ""}, {}),
    "pair": ("posix_shm across=a,b; sysv_shm across=a,b; posix_mq across=a,b", {"a": "v", "b": ""}, {"v": "16Mi"}),
    "sized": ("posix_shm=8Mi", {"c": "v"}, {"v": "16Mi"}),
}


def workload(name: str) -> proof.Job:
    needs, containers, volumes = WORKLOADS[name]
    # the fake node has no user of an image
    user = {"runAsUser": 65532, "runAsGroup": 65532}
    spec = {
        "containers": [
            {
                "name": one,
                "resources": {"limits": {"memory": str(256 * MIB)}},
                "securityContext": user,
                "volumeMounts": [{"name": volume, "mountPath": "/dev/shm"}] if volume else [],
            }
            for one, volume in containers.items()
        ],
        "volumes": [
            {"name": one, "emptyDir": {"medium": "Memory", "sizeLimit": size}} for one, size in volumes.items()
        ],
    }
    metadata = {"name": name, "namespace": "n", "annotations": {"podshm.abcdesktop.io/needs": needs}}
    found = audit.audit(workloads_of({"kind": "Pod", "metadata": metadata, "spec": spec})[0], PROGRAMS)
    job = proof.Job.of(found, found.facts(), resizes=name == "sized")
    assert job
    return job


class NoExec(FakeCluster):
    """A cluster that refuses every exec, and says so before there is a pod."""

    def exec_refusal(self, pod: str, timeout: float) -> Inconclusive | None:
        return Inconclusive(Reason.EXEC_FORBIDDEN, "no", f"container none of pod n/{pod}")

    def exec(self, pod: str, container: str, *_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise Inconclusive(Reason.EXEC_FORBIDDEN, "no", f"container {container} of pod n/{pod}")


class NoUpgrade(NoExec):
    """The same, and it shows with the first container."""

    def exec_refusal(self, pod: str, timeout: float) -> Inconclusive | None:
        return None


class NoLog(NoExec):
    """A cluster that shows no log either."""

    def follow_log(self, pod: str, container: str, timeout: float) -> t.NoReturn:
        raise Inconclusive(Reason.LOGS_UNAVAILABLE, "nor that", f"container {container} of pod n/{pod}")


def prove(cluster: FakeCluster, transport: str) -> dict[tuple[str, str], dict[str, t.Any]]:
    """Prove all workloads; by name and shape, what the proofs returned."""
    settings = Settings(
        timeout=60, total_timeout=120, start_timeout=20, step_timeout=10, transport=Transport(transport)
    )
    jobs, leftovers = [workload(name) for name in WORKLOADS], []  # type: tuple[list[proof.Job], list[str]]
    cluster.until = time.monotonic() + settings.total_timeout
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof, "Cluster", lambda _source, _namespace, _seconds: cluster)
        try:
            proof.prove(t.cast("t.Any", None), jobs, settings, False, leftovers)
        finally:
            cluster.close()
    assert leftovers == []
    return {(job.audit.workload.name, one["shape"]): one for job in jobs for one in job.facts["proof"]}


def proved(found: dict[tuple[str, str], dict[str, t.Any]]) -> dict[tuple[str, str], tuple[str, list[str]]]:
    return {key: (one["verdict"], one["observed"]) for key, one in found.items()}


IPC = ["a and b share System V IPC", "a and b share POSIX message queues"]
PROVED = {
    ("small", "as it is"): ("FAIL", ["c: /dev/shm is full after 12Mi of the 70Mi that the container needs"]),
    ("small", "with the fix"): ("PASS", ["c: 128Mi filled"]),
    ("pair", "as it is"): ("FAIL", ["a and b do not share /dev/shm", *IPC]),
    ("pair", "with the fix"): ("PASS", ["a and b share /dev/shm", *IPC]),
    ("sized", "as it is"): ("PASS", ["c: 8Mi filled"]),
    ("sized", "resized"): (
        "PASS",
        [
            "memory 256Mi -> 288Mi: /dev/shm 16Mi and its content hold",
            "sizeLimit 32Mi: /dev/shm 16Mi -> 32Mi and its content hold",
            "a restart of the container: /dev/shm 32Mi and its content hold",
        ],
    ),
}


def test_proofs_by_exec(node: Node) -> None:
    found = prove(FakeCluster(node), "auto")
    assert proved(found) == PROVED
    assert {(one["transport"], one["no_exec"], *one["added"]) for one in found.values()} == {
        ("exec", "", "volume probe (configMap)")
    }


@pytest.mark.parametrize(
    ("cluster", "transport", "why"),
    [(FakeCluster, "log", ""), (NoExec, "auto", "container none"), (NoUpgrade, "auto", "container ")],
)
def test_proofs_by_log_say_the_same(node: Node, cluster: type[FakeCluster], transport: str, why: str) -> None:
    found = prove(cluster(node), transport)
    assert proved(found) == PROVED
    for one in found.values():
        assert one["transport"] == "log"
        assert one["no_exec"].startswith(why and f"ExecForbidden: {why}")
        assert one["added"] == [
            "volume probe (configMap)",
            "volume podshm-turns (emptyDir)",
            "volume podshm-grants (downwardAPI)",
            "annotation podshm.abcdesktop.io/grant",
        ]


@pytest.mark.parametrize(
    ("cluster", "transport", "words"),
    [(NoExec, "exec", ": no; "), (NoLog, "auto", ": no; nor is its log a way: nor that; ")],
)
def test_proofs_without_any_way_are_not_decided(
    node: Node, cluster: type[FakeCluster], transport: str, words: str
) -> None:
    found = prove(cluster(node), transport)
    assert {one["verdict"] for key, one in found.items() if key != ("sized", "resized")} == {"ERROR"}
    for (_name, shape), one in found.items():
        if shape != "resized":
            assert one["observed"][0].startswith("ExecForbidden: container ")
            assert words in one["observed"][0]


def test_what_is_not_covered_exists() -> None:
    assert NOT_COVERED.keys() < {check.id for check in CHECKS}
    assert {*TWO_USERS, *HONEST, *(check for changes in FALSE_WORLDS.values() for check in changes)} < set(IDS)


def test_the_processes_of_a_pod_end_with_the_node(tmp_path: pathlib.Path) -> None:
    """Also if nobody deletes the pod: a test that was killed leaves nothing."""
    try:
        node = Node(tmp_path)
    except Unable as reason:
        pytest.skip(f"this machine cannot be a node: {reason}")
    children = pathlib.Path("/proc", str(node.process.pid), "task", str(node.process.pid), "children")
    (first,) = children.read_text("ascii").split()
    os.kill(int(first), signal.SIGKILL)
    node.process.wait(5)
    node.close()
    assert not pathlib.Path("/proc", first).exists()


#: What only an audit of workloads calls; the fake stands for a cluster that checks run on.
AUDIT = {"every", "require_namespace", "last_lines", "stats", "try_out"}


@pytest.mark.parametrize("method", [name for name in vars(Cluster) if not name.startswith("_") and name not in AUDIT])
def test_the_fake_is_called_as_the_client_is(method: str) -> None:
    def called(cls: type) -> list[tuple[str, t.Any, t.Any]]:
        signature = inspect.signature(getattr(cls, method))
        return [(one.name, one.kind, one.default) for one in signature.parameters.values()]

    assert called(FakeCluster) == called(Cluster)
