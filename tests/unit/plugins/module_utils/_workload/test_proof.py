# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a proof measures, what its pods have of the workload, and what the answers mean."""

from __future__ import annotations

import copy
import json
import pathlib
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Transport, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB, parse_bytes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit, manifests, proof
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import Uses
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.proof import (
    Form,
    Line,
    Meeting,
    Proof,
    Size,
)

CATALOGUE = pathlib.Path(__file__).parents[4] / "catalogue"
SHM = {"name": "v", "mountPath": "/dev/shm"}
NONCE = "0" * 32

Spec = dict[str, t.Any]


def audited(spec: Spec, needs: str = "") -> audit.Audit:
    annotations = {"podshm.abcdesktop.io/needs": needs} if needs else {}
    pod = {"kind": "Pod", "metadata": {"name": "p", "namespace": "n", "annotations": annotations}, "spec": spec}
    (work,) = manifests.workloads_of(pod)
    return audit.audit(work, PROGRAMS)


def questions(spec: Spec, needs: str = "") -> proof.Questions:
    found = audited(spec, needs)
    return proof.questions(found, found.workload.spec)


def one(name: str = "c", limit: str = "", **more: t.Any) -> Spec:
    return {"name": name, "image": "x", **({"resources": {"limits": {"memory": limit}}} if limit else {}), **more}


def volume(**directory: t.Any) -> list[Spec]:
    return [{"name": "v", "emptyDir": {"medium": "Memory", **directory}}]


# ------------------------------------------------------------------------------------------- what is measured


def test_what_is_not_known_to_need_anything_is_not_measured() -> None:
    assert not questions({"containers": [one()]})
    assert not questions({"containers": [one()]}, "nothing")
    assert not proof.questions(audit.Audit(audited({"containers": [one()]}).workload, problem="broken"), {})


def test_a_need_is_written_least_first_and_with_the_fix_up_to_what_it_promises() -> None:
    (size,) = questions({"containers": [one(limit="1Gi")]}, "posix_shm=100Mi").sizes
    assert size.limit == 1024 * MIB
    assert size.stages(Form.AS_IS) == [100 * MIB]
    assert size.stages(Form.FIXED) == [100 * MIB, 128 * MIB]
    assert size.short is Verdict.FAIL


def test_a_volume_that_cannot_be_filled_is_measured_whatever_runs_there() -> None:
    spec = {"containers": [one(limit="64Mi", volumeMounts=[SHM])], "volumes": volume(sizeLimit="256Mi")}
    (size,) = questions(spec).sizes
    assert (size.least, size.short, size.who) == (256 * MIB, Verdict.WARN, "of the volume v")


@pytest.mark.parametrize(
    "where",
    [
        {"volumes": [{"name": "v", "hostPath": {"path": "/dev/shm"}}]},
        {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}]},
        {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
    ],
)
def test_memory_and_disks_of_nobody_s_own_are_never_filled(where: Spec) -> None:
    found = audited({"containers": [one(volumeMounts=[SHM])], **where}, "posix_shm=1Gi")
    (before, after) = (proof.questions(found, spec) for spec in [*proof.forms(found).values(), found.workload.spec][:2])
    assert not before.sizes
    # the fix gives it memory of its own, where it can
    assert bool(after.sizes) is ("persistentVolumeClaim" not in where["volumes"][0])
    assert not questions({"containers": [one()], "hostIPC": True}, "posix_shm=1Gi").sizes


def test_what_is_mounted_without_a_medium_is_looked_at() -> None:
    spec = {"containers": [one(volumeMounts=[SHM])], "volumes": [{"name": "v", "emptyDir": {}}]}
    assert questions(spec).disks == ("c",)
    assert proof.on_disk("c", seen(mount_fs="ext4")) == Line(Verdict.WARN, "c: /dev/shm is files on a disk (ext4)")
    assert proof.on_disk("c", seen(mount_fs="tmpfs")).verdict is Verdict.PASS


def test_what_an_operator_mounts_in_pods_that_it_creates_is_not_measured_without_it() -> None:
    ray = {"containers": [one(image="rayproject/ray:2.9.0", args=["ray", "start", "--object-store-memory=200000000"])]}
    for kind, measured in (("RayCluster", False), ("Deployment", True)):
        (work,) = manifests.workloads_of({"kind": kind, "metadata": {"name": "p"}, "spec": {"template": {"spec": ray}}})
        found = audit.audit(work, PROGRAMS)
        assert bool(proof.questions(found, work.spec).sizes) is measured


def test_containers_that_share_by_a_volume_that_is_not_mounted_are_not_measured() -> None:
    spec = {
        "containers": [one("a", volumeMounts=[SHM]), one("b", volumeMounts=[SHM])],
        "volumes": [{"name": "v", "hostPath": {"path": "/dev/shm"}}],
    }
    assert not questions(spec, "posix_shm across=a,b").meetings
    assert questions(spec, "sysv_shm across=a,b").meetings == (Meeting(Uses.SYSV_SHM, ("a", "b")),)


def test_sysctls_of_the_pod_have_to_hold() -> None:
    spec = {
        "containers": [one()],
        "securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "9000"}, {"name": "net.x", "value": "1"}]},
    }
    (sysctl,) = questions(spec).sysctls
    assert (sysctl.container, sysctl.name, sysctl.least) == ("c", "kernel.msgmax", (9000,))
    assert proof.held(sysctl, seen(kernel_msgmax=9000)).verdict is Verdict.PASS
    line = proof.held(sysctl, seen(kernel_msgmax=9001))
    assert line == Line(Verdict.FAIL, "kernel.msgmax = 9001, not 9000 as the pod sets it")


# ------------------------------------------------------------------------------------------------- the copy


def test_of_a_spec_only_what_decides_its_memory_is_kept() -> None:
    spec = {
        "serviceAccountName": "app",
        "priorityClassName": "high",
        "hostNetwork": True,
        "runtimeClassName": "r",
        "nodeName": "n",
        "shareProcessNamespace": True,
        "securityContext": {"fsGroup": 5},
        "containers": [
            one(
                "c",
                volumeMounts=[SHM, {"name": "s", "mountPath": "/s"}, {"name": "t", "mountPath": "/t"}],
                env=[{"name": "A", "value": "b"}],
                resources={"limits": {"cpu": "1", "nvidia.com/gpu": 1}},
                livenessProbe={"exec": {"command": ["true"]}},
                securityContext={"runAsUser": 5},
                lifecycle={},
            )
        ],
        "initContainers": [one("i", restartPolicy="Always")],
        "volumes": [
            *volume(),
            {"name": "s", "secret": {"secretName": "s"}},
            {"name": "t"},
            {"name": "kube-api-access-x", "projected": {}},
        ],
    }
    before = copy.deepcopy(spec)
    copied = proof.copied(spec, {})
    assert spec == before
    assert copied.spec == {
        "runtimeClassName": "r",
        "shareProcessNamespace": True,
        "securityContext": {"fsGroup": 5},
        "volumes": [*volume(), {"name": "t", "emptyDir": {}}],
        "initContainers": [{"name": "i", "volumeMounts": [], "restartPolicy": "Always"}],
        "containers": [
            {
                "name": "c",
                "securityContext": {"runAsUser": 5},
                "resources": {"limits": {"cpu": "1"}},
                "volumeMounts": [SHM, {"name": "t", "mountPath": "/t"}],
            }
        ],
    }
    assert copied.dropped == (
        "volume s (secret)",
        "resource nvidia.com/gpu",
        "hostNetwork",
        "priorityClassName",
        "service account app",
        "environment",
        "probes",
    )


def test_a_claim_of_a_stateful_set_is_named() -> None:
    mount = {"name": "data", "mountPath": "/data"}
    copied = proof.copied({"containers": [one(volumeMounts=[mount])]}, {})
    assert copied.dropped == ("volume data (volumeClaimTemplates)",)
    assert copied.spec["containers"][0]["volumeMounts"] == []


def test_what_a_path_is_made_of_is_not_there_but_equal_paths_stay_equal() -> None:
    mount = {"name": "v", "mountPath": "/x", "subPathExpr": "$(POD_NAME)/x"}
    copied = proof.copied({"containers": [one(volumeMounts=[mount])], "volumes": volume()}, {})
    assert copied.spec["containers"][0]["volumeMounts"] == [{"name": "v", "mountPath": "/x", "subPath": "POD_NAME/x"}]


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ({}, 80 * MIB),
        ({"requests": {"memory": "8Mi"}}, 80 * MIB),
        ({"requests": {"memory": "1Gi"}}, 1024 * MIB),
        # without a request, the limit is the request
        ({"limits": {"memory": "1Gi"}}, 0),
        ({"limits": {"memory": "64Mi"}, "requests": {"memory": "8Mi"}}, 64 * MIB),
    ],
)
def test_memory_that_is_written_is_requested_within_the_limit(resources: Spec, wanted: int) -> None:
    copied = proof.copied({"containers": [one(resources=resources)]}, {"c": 64 * MIB})
    requests = copied.spec["containers"][0]["resources"].get("requests") or {}
    assert parse_bytes(requests.get("memory", 0)) == wanted
    assert bool(copied.raised) is (resources != copied.spec["containers"][0]["resources"])


def test_lowered_requests_stay_within_limits_and_keep_huge_pages() -> None:
    huge = {"hugepages-2Mi": "4Mi"}
    resources = {"limits": {"memory": "8Mi", **huge}, "requests": {"memory": "8Mi", "cpu": "2", **huge}}
    low = proof.lowered(proof.copied({"containers": [one(resources=resources), one("d")]}, {}), {"d": MIB})
    first, second = (each["resources"] for each in low.spec["containers"])
    assert first == {"limits": resources["limits"], "requests": {"cpu": "10m", "memory": str(8 * MIB), **huge}}
    assert second == {"requests": {"cpu": "10m", "memory": str(17 * MIB)}}


@pytest.mark.parametrize(
    ("pod", "container", "user"),
    [
        ({}, {}, None),
        ({"runAsNonRoot": True}, {}, 65532),
        ({}, {"runAsNonRoot": True}, 65532),
        ({"runAsNonRoot": True, "runAsUser": 7}, {}, 7),
        ({"runAsNonRoot": True}, {"runAsUser": 7}, None),
        ({"runAsNonRoot": True}, {"runAsNonRoot": False}, None),
    ],
)
def test_who_must_not_be_root_is_not(pod: Spec, container: Spec, user: int | None) -> None:
    copied = proof.copied({"containers": [one(securityContext=container)], "securityContext": pod}, {})
    assert copied.spec["securityContext"].get("runAsUser") == user


def _specs() -> list[Spec]:
    found = [
        each for path in sorted(CATALOGUE.glob("*.yaml")) for each in manifests.read(path.read_text("utf-8"), "c")[0]
    ]
    return [dict(each.spec) for each in found]


def test_no_manifest_of_the_catalogue_gets_more_into_a_proof() -> None:
    specs = _specs()
    assert len(specs) > 40
    for spec in specs:
        copied = proof.copied(spec, {each["name"]: MIB for each in spec["containers"]})
        assert copied.spec.keys() <= {*proof._KEPT, "volumes", "containers", "initContainers"}
        assert all(each.keys() == {"name", "emptyDir"} for each in copied.spec["volumes"])
        names = {each["name"] for each in copied.spec["volumes"]}
        for field in ("containers", "initContainers"):
            assert [each["name"] for each in copied.spec[field]] == [each["name"] for each in spec.get(field) or ()]
            for each in copied.spec[field]:
                assert each.keys() <= {*proof._KEPT_OF_CONTAINER, "resources", "volumeMounts", "restartPolicy"}
                assert {mount["name"] for mount in each["volumeMounts"]} <= names
                resources = [
                    *each.get("resources", {}).get("limits", {}),
                    *each.get("resources", {}).get("requests", {}),
                ]
                assert all(proof._RESOURCES.fullmatch(name) for name in resources)
        json.dumps(copied.spec)


# ------------------------------------------------------------------------------------------------ the node


LABELS = {"disk": "ssd", "cores": "8"}


@pytest.mark.parametrize(
    ("key", "operator", "values", "fits"),
    [
        ("disk", "In", ["ssd", "hdd"], True),
        ("disk", "In", ["hdd"], False),
        ("disk", "NotIn", ["hdd"], True),
        ("other", "NotIn", ["hdd"], True),
        ("disk", "Exists", None, True),
        ("other", "Exists", None, False),
        ("other", "DoesNotExist", None, True),
        ("disk", "DoesNotExist", None, False),
        ("cores", "Gt", ["4"], True),
        ("cores", "Gt", ["8"], False),
        ("cores", "Lt", ["9"], True),
        ("disk", "Lt", ["9"], False),
    ],
)
def test_a_template_selects_nodes_by_labels(key: str, operator: str, values: list[str] | None, fits: bool) -> None:
    node = {"metadata": {"name": "n", "labels": LABELS}}
    never = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["m"]}]}
    term = {"matchExpressions": [{"key": key, "operator": operator, **({"values": values} if values else {})}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [never, term]}}
    assert proof.selects({"affinity": {"nodeAffinity": required}}, node) is fits
    assert proof.selects({"affinity": {"podAntiAffinity": {}}, "nodeSelector": {"disk": "ssd"}}, node)
    assert not proof.selects({"nodeSelector": {"disk": "hdd"}}, node)


# ----------------------------------------------------------------------------------------- what answers mean

SIZE = Size("c", "that x needs", 64 * MIB, 200 * MIB, 256 * MIB, Verdict.FAIL, 128 * MIB)


def seen(step: str = "fill", calls: tuple[Spec, ...] = (), **facts: t.Any) -> Observation:
    return Observation(step, NONCE, facts, calls, None)


@pytest.mark.parametrize(
    ("wanted", "facts", "verdict", "words"),
    [
        (64, {"stopped_by": "max", "written_bytes": 64 * MIB, "verified": True}, "PASS", "c: 64Mi filled"),
        (64, {"stopped_by": "max", "written_bytes": 64 * MIB, "verified": False}, "FAIL", "what was written"),
        (64, {"stopped_by": "ENOSPC", "written_bytes": MIB}, "FAIL", "full after 1Mi of the 64Mi that x needs"),
        (200, {"stopped_by": "ENOSPC", "written_bytes": 70 * MIB}, "WARN", "70Mi of the 200Mi that x needs under load"),
        (64, {"stopped_by": "OOMKilled"}, "FAIL", "c: killed for memory before the 64Mi that x needs were written (memory limit 128Mi)"),
        (64, {"stopped_by": "signal:9", "written_bytes": 9 * MIB}, "FAIL", "killed for memory after 9Mi of the 64Mi that x needs"),
        (64, {"stopped_by": "signal:7", "written_bytes": 0}, "FAIL", "SIGBUS after 0 of the 64Mi"),
    ],
)  # fmt: skip
def test_what_the_end_of_a_write_means(wanted: int, facts: Spec, verdict: str, words: str) -> None:
    line = proof.sized(SIZE, wanted * MIB, seen(**facts))
    assert line.verdict == verdict
    assert words in line.words


def test_a_write_that_cannot_begin_is_no_pass() -> None:
    calls = ({"call": "statfs", "result": 0}, {"call": "open", "result": -1, "errno": "EROFS"})
    line = proof.sized(SIZE, 64 * MIB, seen(calls=calls))
    assert line == Line(Verdict.FAIL, "c: nothing can be written to /dev/shm (EROFS)")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({}, Reason.PREMISE_FAILED),
        ({"stopped_by": "deadline", "written_bytes": 5}, Reason.TIMEOUT),
        ({"stopped_by": "max", "timeout": 5}, Reason.TIMEOUT),
        ({"stopped_by": "EFBIG", "written_bytes": 5}, Reason.PREMISE_FAILED),
        ({"stopped_by": "max", "written_bytes": 5}, Reason.PREMISE_FAILED),
    ],
)
def test_what_decides_nothing_is_no_verdict(facts: Spec, reason: Reason) -> None:
    with pytest.raises(Inconclusive) as problem:
        proof.sized(SIZE, 64 * MIB, seen(**facts))
    assert problem.value.reason is reason


@given(
    st.integers(1, 2**40),
    st.sampled_from(["max", "ENOSPC", "OOMKilled", "signal:9", "signal:7", "deadline", "EFBIG", "?"]),
    st.booleans() | st.none(),
)
def test_only_what_was_written_and_read_back_passes(wanted: int, stopped: str, verified: bool | None) -> None:
    facts: Spec = {
        "stopped_by": stopped,
        "written_bytes": wanted,
        **({} if verified is None else {"verified": verified}),
    }
    try:
        verdict = proof.sized(SIZE, wanted, seen(**facts)).verdict
    except Inconclusive:
        return
    assert (verdict is Verdict.PASS) is (stopped == "max" and verified is True)


MEETING = Meeting(Uses.DEV_SHM, ("a", "b"), True)


@pytest.mark.parametrize(
    ("got", "calls", "verdict", "words"),
    [
        ({"found": True, "peer_nonce": NONCE, "writable": True}, (), "PASS", "a and b share /dev/shm"),
        ({"found": True, "peer_nonce": NONCE, "writable": False}, (), "WARN", "b cannot change"),
        ({"found": False}, (), "FAIL", "a and b do not share /dev/shm"),
        ({"timed_out": True}, (), "FAIL", "a and b do not share /dev/shm"),
        ({"found": False}, ({"call": "open", "errno": "EACCES"},), "FAIL", "other users"),
    ],
)
def test_sharing_needs_the_nonce(got: Spec, calls: tuple[Spec, ...], verdict: str, words: str) -> None:
    line = proof.met(MEETING, "a", "b", seen(made=True), seen(calls=calls, **got))
    assert line.verdict == verdict
    assert words in line.words


@pytest.mark.parametrize(("put", "got"), [({"made": False}, {"found": False}), ({"made": True}, {"found": True, "peer_nonce": "1" * 32})])  # fmt: skip
def test_what_was_not_created_or_is_foreign_decides_nothing(put: Spec, got: Spec) -> None:
    with pytest.raises(Inconclusive):
        proof.met(MEETING, "a", "b", seen(**put), seen(**got))


def test_sysctls_are_read_in_the_container() -> None:
    sysctl = proof.Sysctl("c", "x", "kernel.sem", (250, 32000, 100, 128))
    assert proof.held(sysctl, seen(kernel_sem="32000\t1024000000\t500\t32000")).verdict is Verdict.PASS
    line = proof.held(sysctl, seen(kernel_sem="250 32000 32 128"))
    assert line == Line(Verdict.FAIL, "kernel.sem semopm 32 < 100 (x)")
    with pytest.raises(Inconclusive):
        proof.held(sysctl, seen())


def stored(directory: Spec, **resources: Spec) -> Spec:
    container = {"name": "c", "volumeMounts": [SHM], "resources": resources}
    return {"containers": [container], "volumes": [{"name": "v", "emptyDir": {"medium": "Memory", **directory}}]}


@pytest.mark.parametrize(
    ("resources", "patch"),
    [
        ({"limits": {"memory": "64Mi"}}, {"limits": {"memory": "96Mi"}, "requests": {"memory": "96Mi"}}),
        (
            {"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi"}},
            {"limits": {"memory": "96Mi"}, "requests": {"memory": "96Mi"}},
        ),
        ({"limits": {"memory": "64Mi"}, "requests": {"memory": "8Mi"}}, {"limits": {"memory": "96Mi"}}),
    ],
)
def test_a_resize_keeps_the_class_of_the_pod(resources: Spec, patch: Spec) -> None:
    growth = proof.growth(stored({"sizeLimit": "32Mi"}, **resources), "c")
    assert growth is not None
    assert growth.patch == {"spec": {"containers": [{"name": "c", "resources": patch}]}}
    assert (str(growth), growth.restarts, growth.follows) == ("memory 64Mi -> 96Mi", False, False)


def test_what_has_no_limit_or_no_size_is_not_resized() -> None:
    assert proof.growth(stored({}), "c") is None
    assert proof.volume_of(stored({}), "c") is None
    assert proof.volume_of(stored({"sizeLimit": "32Mi"}), "c") == ("v", 32 * MIB)


def test_a_policy_of_the_container_restarts_it() -> None:
    spec = stored({}, limits={"memory": "64Mi"})
    spec["containers"][0]["resizePolicy"] = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    growth = proof.growth(spec, "c")
    assert growth is not None
    assert (growth.restarts, growth.follows) == (True, True)


@pytest.mark.parametrize(
    ("got", "was", "now", "verdict", "words"),
    [
        (NONCE, 8, 8, "PASS", "x: /dev/shm 8Mi and its content hold"),
        (NONCE, 8, 16, "PASS", "x: /dev/shm 8Mi -> 16Mi and its content hold"),
        (NONCE, 8, 4, "FAIL", "x: /dev/shm has 4Mi, and had 8Mi"),
        ("1" * 32, 8, 8, "FAIL", "x: what was in /dev/shm is lost"),
        (None, 8, 8, "FAIL", "x: what was in /dev/shm is lost"),
    ],
)
def test_size_and_content_hold_or_not(got: str | None, was: int, now: int, verdict: str, words: str) -> None:
    facts: Spec = {"peer_nonce": got} if got else {}
    found = seen("object_get", **facts)
    line = proof.kept("x", seen("object_put"), found, seen(size_bytes=was * MIB), seen(size_bytes=now * MIB))
    assert line == Line(Verdict(verdict), words)


def test_a_volume_without_a_size_is_expected_to_follow_the_memory_limit() -> None:
    growth = proof.growth(stored({}, limits={"memory": "64Mi"}), "c")
    assert growth is not None
    assert growth.follows
    fine, before = Line(Verdict.PASS, "x"), seen(size_bytes=64 * MIB)
    assert proof.resized(growth, fine, before, seen(size_bytes=96 * MIB)) is fine
    assert "stays 64Mi" in proof.resized(growth, fine, before, before).words
    lost = Line(Verdict.FAIL, "lost")
    assert proof.resized(growth, lost, before, before) is lost


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [
        (Reason.SYSCTL_FORBIDDEN, "FAIL"),
        (Reason.POD_SECURITY, "SKIP"),
        (Reason.ADMISSION_DENIED, "SKIP"),
        (Reason.QUOTA_EXCEEDED, "SKIP"),
        (Reason.CHECK_MODE, "SKIP"),
        (Reason.FORBIDDEN, "ERROR"),
        (Reason.TIMEOUT, "ERROR"),
        (Reason.UNSCHEDULABLE, "ERROR"),
    ],
)
def test_what_a_refusal_says(reason: Reason, verdict: str) -> None:
    line = proof.refused(Inconclusive(reason, "so it is", "pod n/p"))
    assert line.verdict == verdict
    # a kubelet that refuses a sysctl has decided
    start = "so it is" if verdict == "FAIL" else f"{reason}: pod n/p: so it is"
    assert line.words.startswith(start)


def test_a_proof_is_as_bad_as_its_worst_part_and_without_any_it_is_none() -> None:
    lines = [Line(Verdict.PASS, "b", 1), Line(Verdict.PASS, "a"), Line(Verdict.WARN, "w")]
    facts = Proof(Form.AS_IS, "n", lines).facts()
    assert (facts["verdict"], facts["observed"]) == ("WARN", ["w", "a", "b"])
    assert Proof(Form.AS_IS).verdict is Verdict.ERROR


@pytest.mark.parametrize(
    ("audited", "as_is", "fixed", "status"),
    [
        ("PASS", "FAIL", "PASS", "FAIL"),
        ("FAIL", "PASS", "FAIL", "FAIL"),
        ("PASS", "ERROR", "PASS", "ERROR"),
        ("WARN", "SKIP", "SKIP", "WARN"),
        ("SKIP", "PASS", "PASS", "SKIP"),
        ("PASS", "PASS", "ERROR", "PASS"),
    ],
)
def test_a_workload_is_no_better_for_its_proof(audited: str, as_is: str, fixed: str, status: str) -> None:
    proofs = [
        Proof(form, lines=[Line(Verdict(verdict), "")]) for form, verdict in ((Form.AS_IS, as_is), (Form.FIXED, fixed))
    ]
    assert proof.status(audited, proofs) == status


def test_proofs_in_the_headline() -> None:
    assert proof.headline([{"proof": []}]) == ""
    done = [Proof(Form.AS_IS, lines=[Line(Verdict.FAIL, "")]), Proof(Form.FIXED, lines=[Line(Verdict.PASS, "")])]
    facts = [{"proof": [one.facts() for one in done]}] * 2
    assert proof.headline(facts) == "; proof as it is: 2 FAIL; with the fix: 2 PASS"
    done[1].transport, done[1].no_exec = Transport.LOG, "ExecForbidden: container none of pod n/p: no"
    facts.append({"proof": [one.facts() for one in done]})
    words = "; proof as it is: 3 FAIL; with the fix: 3 PASS, by log (ExecForbidden)"
    assert proof.headline(facts) == words
