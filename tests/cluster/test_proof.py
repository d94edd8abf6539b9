# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs on a real cluster: what is measured in pods of a workload's shape, what they have of it, and what stays."""

from __future__ import annotations

import collections.abc
import contextlib
import time
import typing as t

import harness
import pytest
import yaml
from harness import Answer, Cluster, ask, call

PAUSE = "registry.k8s.io/pause:3.10.1"
SECRET = "correct-horse-battery-staple"
LONG = "a-name-that-is-as-long-as-the-name-of-a-container-is-allowed-to"
MEMORY = {"medium": "Memory"}

Object = dict[str, t.Any]


def needs(text: str) -> dict[str, str]:
    return {"podshm.abcdesktop.io/needs": text}


def container(name: str, memory: str = "", volume: str = "", **more: t.Any) -> Object:
    made: Object = {"name": name, "image": PAUSE, "imagePullPolicy": "Never", **more}
    if memory:
        made["resources"] = {"limits": {"memory": memory}, "requests": {"cpu": "5m", "memory": "8Mi"}}
    if volume:
        made["volumeMounts"] = [*made.get("volumeMounts", ()), {"name": volume, "mountPath": "/dev/shm"}]
    return made


def deployment(name: str, annotations: dict[str, str], replicas: int = 0, **spec: t.Any) -> Object:
    labels = {"app": name[:6]}
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec},
        },
    }


def sized(size: str) -> list[Object]:
    return [{"name": "dshm", "emptyDir": {**MEMORY, "sizeLimit": size}}]


#: What nothing of a proof has: a Secret, a ConfigMap, a service account, variables, labels, ports, probes.
DATABASE = deployment(
    "db",
    {"podshm.abcdesktop.io/program": "postgresql"},
    1,
    serviceAccountName="app",
    volumes=[
        {"name": "probe", "emptyDir": {}},
        {"name": "secret", "secret": {"secretName": "s"}},
        {"name": "config", "configMap": {"name": "c"}},
        {"name": "projected", "projected": {"sources": [{"secret": {"name": "s"}}]}},
    ],
    initContainers=[container("first", "32Mi")],
    containers=[
        container(
            "pg",
            "256Mi",
            args=["postgres", "-c", "work_mem=12MB", "-c", "max_parallel_workers=2"],
            env=[{"name": "PASSWORD", "value": SECRET}],
            ports=[{"containerPort": 5432}],
            lifecycle={"preStop": {"sleep": {"seconds": 1}}},
            volumeMounts=[
                {"name": "probe", "mountPath": "/data"},
                *({"name": name, "mountPath": f"/{name}"} for name in ("secret", "config", "projected")),
            ],
        )
    ],
)
# the pod of the workload itself need not get further than its node
DATABASE["spec"]["template"]["spec"]["initContainers"][0]["image"] = "example.invalid/none"

WORKLOADS = (
    DATABASE,
    deployment(
        "pair",
        needs("posix_shm across=a,b; sysv_shm across=a,b; posix_mq across=a,b"),
        volumes=sized("32Mi"),
        containers=[container("a", volume="dshm"), container("b")],
    ),
    deployment(
        "desktop",
        {"podshm.abcdesktop.io/program": "x11", "podshm.abcdesktop.io/program.client": "x11"},
        containers=[
            container(name, securityContext={"runAsUser": user}) for name, user in (("x", 1000), ("client", 1001))
        ],
    ),
    deployment(
        "crowd",
        {f"podshm.abcdesktop.io/needs.{name}": "posix_shm=40Mi" for name in "ab"},
        containers=[container("a", "128Mi"), container("b", "128Mi")],
    ),
    deployment("clipped", {}, volumes=sized("256Mi"), containers=[container("a", "64Mi", "dshm")]),
    deployment(f"{LONG}-{LONG}", needs("posix_shm=8Mi"), containers=[container(LONG, "64Mi")]),
    deployment(
        "huge",
        needs("posix_shm=8Mi"),
        containers=[container("a", resources={"requests": {"memory": "900Gi"}, "limits": {"memory": "900Gi"}})],
    ),
    *(
        deployment(name, {}, securityContext={"sysctls": [{"name": sysctl, "value": "1"}]}, containers=[container("a")])
        for name, sysctl in (("safe", "kernel.shm_rmid_forced"), ("unsafe", "kernel.msgmax"))
    ),
)


def workloads(answer: Answer) -> dict[str, Object]:
    assert answer.result.get("leftovers") == [], answer.output
    return {one["name"]: one for one in answer.result["workloads"]}


def proofs(work: Object) -> dict[str, tuple[str, str]]:
    """By shape, the verdict and what decided."""
    return {one["shape"]: (one["verdict"], one["observed"][0]) for one in work["proof"]}


def prove(alpha: Cluster, namespace: str, **args: t.Any) -> Answer:
    return ask(alpha, "shm_workload", namespaces=[namespace], prove=True, **args)


def deploy(alpha: Cluster, namespace: str, *made: Object) -> None:
    for one in made:
        alpha.create("deployments", one, namespace)


class Seen(t.NamedTuple):
    """What a run answered, and the pods of it while it ran."""

    answer: Answer
    pods: dict[str, Object]


@pytest.fixture(scope="module")
def seen(alpha: Cluster) -> collections.abc.Iterator[Seen]:
    """One run over all workloads, and every pod that it created."""
    namespace = alpha.make_namespace()
    try:
        alpha.create("serviceaccounts", {"metadata": {"name": "app"}}, namespace)
        alpha.create("secrets", {"metadata": {"name": "s"}, "stringData": {"k": SECRET}}, namespace)
        alpha.create("configmaps", {"metadata": {"name": "c"}, "data": {"k": SECRET}}, namespace)
        deploy(alpha, namespace, *WORKLOADS)
        alpha.until("pods", namespace, lambda found: any(one["spec"].get("nodeName") for one in found.values()))
        running = call(alpha, "shm_workload", namespaces=[namespace], prove=True)
        pods: dict[str, Object] = {}
        while running.process.poll() is None:
            pods.update({one["metadata"]["name"]: one for one in alpha.list("pods", namespace, harness.OURS)})
            time.sleep(0.5)
        answer = running.answer()
        assert alpha.left(namespace) == []
        yield Seen(answer, pods)
    finally:
        alpha.delete("namespaces", namespace)


def test_needs_are_measured_as_it_is_and_with_the_fix(seen: Seen) -> None:
    database = workloads(seen.answer)["db"]
    assert database["status"] == "FAIL"
    assert proofs(database) == {
        "as it is": ("FAIL", "pg: /dev/shm is full after 64Mi of the 74Mi that PostgreSQL needs"),
        "with the fix": ("PASS", "pg: 256Mi filled"),
    }
    assert {one["node"] for one in database["proof"]} == {"alpha"}
    assert seen.answer.msg == (
        "cluster alpha: 9 workloads: 5 FAIL, 1 WARN, 3 PASS; proof as it is: 5 FAIL, 1 WARN, 3 PASS; with the fix: 4 PASS"
    )


def test_containers_that_must_share_and_do_not(seen: Seen) -> None:
    pair = workloads(seen.answer)["pair"]
    assert proofs(pair) == {
        "as it is": ("FAIL", "a and b do not share /dev/shm"),
        "with the fix": ("PASS", "a and b share /dev/shm"),
    }
    # one IPC namespace, whatever is mounted
    for each in pair["proof"]:
        assert {"a and b share System V IPC", "a and b share POSIX message queues"} <= set(each["observed"])


def test_segments_of_one_user_are_closed_to_another(seen: Seen) -> None:
    # measured: a client of X11 dies of BadAccess (tests/programs)
    verdict, observed = proofs(workloads(seen.answer)["desktop"])["as it is"]
    assert verdict == "FAIL"
    assert observed == "client cannot open in System V IPC what x created (EACCES): they run as other users"


def test_containers_that_have_room_alone_and_not_together(seen: Seen) -> None:
    assert proofs(workloads(seen.answer)["crowd"]) == {
        "as it is": (
            "FAIL",
            "a: /dev/shm is full after 64Mi of the 80Mi that the container in a and the container in b need",
        ),
        "with the fix": ("PASS", "a: 128Mi filled"),
    }


def test_a_container_that_is_killed_before_its_volume_is_full(seen: Seen) -> None:
    before, after = proofs(workloads(seen.answer)["clipped"]).values()
    assert before[0] == "WARN"
    assert before[1].startswith("a: killed for memory ")
    assert before[1].endswith("256Mi of the volume dshm (memory limit 64Mi)")
    assert after == ("PASS", "a: 256Mi filled")


def test_names_as_long_as_they_are_allowed_to_be(seen: Seen) -> None:
    work = workloads(seen.answer)[f"{LONG}-{LONG}"]
    assert work["status"] == "PASS"
    assert proofs(work) == {"as it is": ("PASS", f"{LONG}: 8Mi filled")}
    assert max(len(name) for name in seen.pods) <= 63


def test_nothing_of_the_workload_is_used_or_run(seen: Seen) -> None:
    database = workloads(seen.answer)["db"]
    assert database["proof"][0]["dropped"] == [
        "volume secret (secret)",
        "volume config (configMap)",
        "volume projected (projected)",
        "service account app",
        "environment",
        "lifecycle hooks",
        "ports",
    ]
    assert SECRET not in seen.answer.output
    assert len(seen.pods) >= 7
    for pod in seen.pods.values():
        spec, metadata = pod["spec"], pod["metadata"]
        assert "app" not in metadata["labels"]
        assert [one["kind"] for one in metadata["ownerReferences"]] == ["Job"]
        assert spec["serviceAccountName"] == "default"
        assert spec["automountServiceAccountToken"] is False
        kinds = {kind for one in spec["volumes"] for kind in one if kind != "name"}
        assert kinds <= {"emptyDir", "configMap"}
        configs = [one["configMap"]["name"] for one in spec["volumes"] if "configMap" in one]
        assert configs == [f"podshm-{metadata['name'].split('-')[1]}-probe-amd64"]
        for one in (*spec["containers"], *spec.get("initContainers", ())):
            assert one["command"][0] == "/podshm/probe"
            assert not {"env", "envFrom", "ports", "lifecycle", "args"} & one.keys()


@contextlib.contextmanager
def account(alpha: Cluster, namespace: str, without: str) -> collections.abc.Iterator[str]:
    """A user with the documented permissions but for one resource."""
    text = (harness.CHECKOUT / "docs/permissions.md").read_text("utf-8")
    audits, proves = (yaml.safe_load(block.partition("```")[0])["rules"] for block in text.split("```yaml")[2:4])
    rules = [rule for rule in (*audits, *proves) if rule["resources"] != [without]]
    with alpha.wide("clusterroles", {"rules": rules}) as name:
        subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        with alpha.wide("clusterrolebindings", {"roleRef": role, "subjects": [subject]}):
            yield name


def test_without_exec_by_log_the_verdicts_are_the_same(alpha: Cluster, namespace: str, seen: Seen) -> None:
    deploy(alpha, namespace, *WORKLOADS)
    with account(alpha, namespace, without="pods/exec") as name:
        answer = prove(alpha, namespace, impersonate_user=name)
    by_exec, by_log = workloads(seen.answer), workloads(answer)
    assert {one: verdicts(work) for one, work in by_log.items()} == {
        one: verdicts(work) for one, work in by_exec.items()
    }
    for one in ("db", "pair", "desktop", "crowd", "safe"):
        assert proofs(by_log[one]) == proofs(by_exec[one])
    assert proofs(by_log["db"]) == {
        "as it is": ("FAIL", "pg: /dev/shm is full after 64Mi of the 74Mi that PostgreSQL needs"),
        "with the fix": ("PASS", "pg: 256Mi filled"),
    }
    for each in by_log["db"]["proof"]:
        assert each["transport"] == "log"
        assert each["no_exec"].startswith(f"ExecForbidden: container none of pod {namespace}/podshm-")
        # the workload itself has a volume named probe
        assert each["added"] == [
            "volume probe-0 (configMap)",
            "volume podshm-turns (emptyDir)",
            "volume podshm-grants (downwardAPI)",
            "annotation podshm.abcdesktop.io/grant",
        ]
    assert answer.msg.endswith(", by log (ExecForbidden)")
    assert {each["transport"] for each in by_exec["db"]["proof"]} == {"exec"}


def verdicts(work: Object) -> dict[str, str]:
    return {one["shape"]: one["verdict"] for one in work["proof"]}


@pytest.mark.parametrize("transport", ["exec", "log"])
def test_a_resize_and_a_restart_leave_size_and_content(alpha: Cluster, namespace: str, transport: str) -> None:
    # its volume has the size of the pod's memory limit
    sizeless = deployment(
        "sizeless",
        needs("posix_shm=8Mi"),
        volumes=[{"name": "v", "emptyDir": MEMORY}],
        containers=[container("a", "64Mi", "v")],
    )
    sized_one = deployment(
        "sized", needs("posix_shm=8Mi"), volumes=sized("32Mi"), containers=[container("a", "64Mi", "dshm")]
    )
    # the kubelet restarts its container for it
    restarted = deployment(
        "restarted",
        needs("posix_shm=8Mi"),
        volumes=sized("32Mi"),
        containers=[
            container(
                "a", "64Mi", "dshm", resizePolicy=[{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
            )
        ],
    )
    deploy(alpha, namespace, sizeless, sized_one, restarted)
    found = workloads(prove(alpha, namespace, resize_holds=True, transport=transport))
    assert {one["transport"] for work in found.values() for one in work["proof"]} == {transport}
    assert found["restarted"]["proof"][1]["observed"] == found["sized"]["proof"][1]["observed"]
    assert [one["shape"] for one in found["sized"]["proof"]] == ["as it is", "resized"]
    assert found["sized"]["proof"][1]["observed"] == [
        "memory 64Mi -> 96Mi: /dev/shm 32Mi and its content hold",
        "a restart of the container: /dev/shm 32Mi and its content hold",
        "sizeLimit cannot change in place here (FeatureGateOff): a changed template replaces the pod, and what is in /dev/shm",
    ]
    assert proofs(found["sizeless"])["resized"] == (
        "WARN",
        "memory 64Mi -> 96Mi: /dev/shm stays 64Mi, as it is sized when it is mounted; its content holds",
    )


def test_sysctls_hold_or_are_refused_by_the_kubelet(seen: Seen) -> None:
    found = workloads(seen.answer)
    assert proofs(found["safe"]) == {"as it is": ("PASS", "kernel.shm_rmid_forced = 1")}
    ((verdict, words),) = proofs(found["unsafe"]).values()
    assert (verdict, 'forbidden sysctl: "kernel.msgmax"' in words) == ("FAIL", True)
    assert found["unsafe"]["status"] == "FAIL"


def test_requests_that_no_node_has_room_for_are_lowered_and_limits_are_not(seen: Seen) -> None:
    huge = workloads(seen.answer)["huge"]
    assert proofs(huge) == {"as it is": ("PASS", "a: 8Mi filled")}
    raised = "requests are lowered, as the node has no room for a second pod of this size"
    assert huge["proof"][0]["raised"] == [raised]
    limits = {
        one["resources"]["limits"]["memory"]
        for pod in seen.pods.values()
        for one in pod["spec"]["containers"]
        if "limits" in one["resources"]
    }
    assert "900Gi" in limits


def test_a_copy_that_the_cluster_refuses_costs_itself(alpha: Cluster, namespace: str) -> None:
    alpha.request(
        "PUT",
        f"api/v1/namespaces/{namespace}",
        {
            "metadata": {
                "name": namespace,
                "labels": {harness.LABEL: harness.SESSION, "pod-security.kubernetes.io/enforce": "baseline"},
            }
        },
    )
    privileged = container("a", securityContext={"privileged": True})
    deploy(
        alpha,
        namespace,
        deployment("refused", needs("posix_shm=8Mi"), containers=[privileged]),
        deployment("other", needs("posix_shm=8Mi"), containers=[container("a")]),
        deployment("most", needs("posix_shm=48Mi"), containers=[container("a")]),
    )
    found = workloads(prove(alpha, namespace, max_write="16Mi"))
    ((verdict, words),) = proofs(found["refused"]).values()
    assert verdict == "SKIP"
    assert words.startswith(f"PodSecurity: pod {namespace}/podshm-")
    assert "privileged" in words
    assert proofs(found["other"]) == {"as it is": ("PASS", "a: 8Mi filled")}
    # no more is written than the option allows, and that decides nothing
    ((verdict, words),) = proofs(found["most"]).values()
    assert (verdict, words.partition(": ")[0]) == ("ERROR", "NotRequested")
    assert "16Mi of the 48Mi that the container needs were filled" in words


def test_check_mode_sends_dry_runs_only(alpha: Cluster, namespace: str) -> None:
    deploy(alpha, namespace, deployment("some", needs("posix_shm=8Mi"), containers=[container("a")]))
    answer = prove(alpha, namespace, _ansible_check_mode=True)
    ((verdict, words),) = proofs(workloads(answer)["some"]).values()
    assert (verdict, words.partition(":")[0]) == ("SKIP", "CheckMode")


def test_what_a_killed_process_leaves_goes_with_its_anchor(alpha: Cluster, namespace: str) -> None:
    deploy(alpha, namespace, deployment("some", needs("posix_shm=8Mi"), containers=[container("a")]))
    args: Object = {"prove": True, "prove_timeout": 5, "fault": "faults.endless"}
    running = call(alpha, "shm_workload", namespaces=[namespace], **args)
    alpha.until("pods", namespace, bool, harness.OURS)
    running.process.kill()
    running.answer()
    (anchor,) = alpha.list("jobs", namespace, harness.OURS)
    assert anchor["spec"]["activeDeadlineSeconds"] <= 65
    assert len(alpha.left(namespace)) == 3
    # the deadline itself is tried by test_faults.py
    alpha.delete("jobs", anchor["metadata"]["name"], namespace, propagationPolicy="Background")
    assert alpha.left(namespace, 10) == []
