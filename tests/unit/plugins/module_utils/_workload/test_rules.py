# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with workloads, and what mends it: every rule in both directions, with programs made for the tests."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit, fix, rules
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.manifests import Workload
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Knob,
    Less,
    Marks,
    Need,
    Program,
    Setting,
    Uses,
    Workaround,
)

SHM: t.Final = {"name": "dshm", "mountPath": "/dev/shm"}


def program(name: str, *needs: Need, marks_version: str = "", **more: t.Any) -> Program:
    """A program that is recognised by its image."""
    return Program(name, name, Marks(images=name, version=marks_version), needs=needs, **more)


def need(size: int, busy: int | None = None, **more: t.Any) -> Need:
    """A need of so many MiB of /dev/shm."""
    return Need(
        Uses.DEV_SHM,
        "data",
        lambda values: Amount.of(("for data", size * MIB)),
        (lambda values: Amount.of(("for data", busy * MIB))) if busy else None,
        symptom="it dies",
        **more,
    )


PROGRAMS: t.Final = (
    program("large", need(200)),
    program("varies", need(10, 200)),
    program("slow", need(200, less=Less.DEGRADES)),
    program("clever", need(200, less=Less.ADAPTS)),
    program("small", need(1)),
    program("half", need(40)),
    program("pair", need(1, across=True), one_user=True, one_pid_namespace=True),
    program("pairs", need(40, across=True)),
    program("sysv", sysctls={"kernel.sem": (250, 32000, 100, 128), "kernel.msgmax": (65536,)}),
    program("pages", Need(Uses.HUGE_PAGES, "its pool", symptom="it does not start")),
    program("avoids", workarounds=(Workaround("--no-shm", "--no-shm", "it is slow", "remove it"),)),
    program(
        "avoided",
        marks_version=r"(\d+)",
        workarounds=(Workaround("--no-shm", "--no-shm", "it is slow", "remove it", (156,)),),
    ),
    program("ages", need(200, until=(156,)), marks_version=r"(\d+)"),
    program("shrinks", need(200, until=(156,)), need(100, since=(156,)), marks_version=r"(\d+)"),
    program("node", across_pods=True),
    program("nothing"),
    program(
        "tuned",
        Need(
            Uses.DEV_SHM,
            "data",
            lambda values: Amount.of(("for size", values["size"] * MIB)),
            when=lambda values: values["size"] > 0,
        ),
        settings=(Setting("size", 1, r"--size=(\S+)", ("SIZE",)),),
    ),
)


def workload(*containers: dict[str, t.Any], annotations: dict[str, str] | None = None, **spec: t.Any) -> Workload:
    """A Deployment of these containers."""
    named = [{"name": f"c{number}", **one} for number, one in enumerate(containers)]
    metadata = {"annotations": annotations or {}}
    return Workload("apps/v1", "Deployment", "n", "a", ("spec", "template"), metadata, {"containers": named, **spec})


def audited(*containers: dict[str, t.Any], **spec: t.Any) -> audit.Audit:
    """What is said of such a Deployment."""
    return audit.audit(workload(*containers, **spec), PROGRAMS)


def found(*containers: dict[str, t.Any], **spec: t.Any) -> list[str]:
    """The rules that find something, each with its severity and container."""
    one = audited(*containers, **spec)
    assert not one.problem
    return [f"{each.rule} {each.severity.value} {each.container}" for each in one.findings]


def memory(**directory: str) -> list[dict[str, t.Any]]:
    """The volumes of a pod with one of medium Memory."""
    return [{"name": "dshm", "emptyDir": {"medium": "Memory", **directory}}]


def limit(memory: str) -> dict[str, t.Any]:
    """The resources of a container with a memory limit."""
    return {"limits": {"memory": memory}}


@pytest.mark.parametrize(
    ("image", "findings"),
    [
        ("large", ["SHM701 FAIL c0"]),
        ("varies", ["SHM701 WARN c0"]),
        ("slow", ["SHM701 WARN c0"]),
        ("clever", []),
        ("small", []),
        ("unknown", []),
    ],
)
def test_the_default_is_compared_with_what_the_program_needs(image: str, findings: list[str]) -> None:
    assert found({"image": image}) == findings


def test_a_volume_that_is_large_enough_is_no_finding() -> None:
    one = {"image": "large", "volumeMounts": [SHM], "resources": limit("1Gi")}
    assert found(one, volumes=memory(sizeLimit="256Mi")) == []
    assert found(one, volumes=memory(sizeLimit="128Mi")) == ["SHM702 FAIL c0"]
    # without a sizeLimit the memory limit bounds it
    limited = {**one, "resources": limit("100Mi")}
    assert found(limited, volumes=memory()) == ["SHM702 FAIL c0"]
    assert "OOMKilled" in audited(limited, volumes=memory()).findings[0].observed


def test_an_owner_may_mount_a_volume_in_pods_that_it_creates() -> None:
    programs = (
        program("large", need(200), knobs=(Knob("Its operator", "it mounts one", kinds=("Thing",), mounts=True),)),
    )
    work = dataclasses.replace(workload({"image": "large"}), kind="Thing")
    assert audit.audit(work, programs).findings == []
    # a pod that it has created has the volume, or has none
    assert [one.rule for one in audit.audit(dataclasses.replace(work, seen=work.spec), programs).findings] == ["SHM701"]
    assert [one.rule for one in audit.audit(workload({"image": "large"}), programs).findings] == ["SHM701"]


def test_the_value_of_an_owner_is_named_where_it_helps() -> None:
    sized = Knob("Its chart", "values", kinds=("Deployment",), set="size: {size}")
    switch = Knob("Its operator", "spec", kinds=("Deployment",), set="volume: true")
    programs = (program("large", need(200), knobs=(sized, switch)),)

    def knobs(one: dict[str, t.Any], **spec: t.Any) -> list[str]:
        return [str(text) for text in audit.audit(workload(one, **spec), programs).facts()["knobs"]]

    volume = {"image": "large", "volumeMounts": [SHM]}
    assert knobs({"image": "large"}) == ["Its chart: size: 256Mi (values)", "Its operator: volume: true (spec)"]
    assert knobs(volume, volumes=memory(sizeLimit="128Mi")) == ["Its chart: size: 256Mi (values)"]
    assert knobs({**volume, "resources": limit("100Mi")}, volumes=memory()) == []


def test_the_needs_of_one_container_add_up() -> None:
    programs = (program("half", need(40)), program("half-too", need(40)))
    work = workload({"image": "x"}, annotations={"podshm.abcdesktop.io/program": "half, half-too"})
    assert [one.rule for one in audit.audit(work, programs).findings] == ["SHM701"]


def test_the_settings_of_a_program_decide() -> None:
    assert found({"image": "tuned"}) == []
    assert found({"image": "tuned", "args": ["--size=100"]}) == ["SHM701 FAIL c0"]
    assert found({"image": "tuned", "env": [{"name": "SIZE", "value": "100"}]}) == ["SHM701 FAIL c0"]
    assert found({"image": "tuned", "env": [{"name": "SIZE", "valueFrom": {}}]}) == []
    # arguments win, and what cannot be read is the default
    assert found({"image": "tuned", "args": ["--size=1"], "env": [{"name": "SIZE", "value": "100"}]}) == []
    assert found({"image": "tuned", "args": ["--size=many"]}) == []


def test_what_a_pod_says_itself_wins() -> None:
    says = {"podshm.abcdesktop.io/needs": "posix_shm=100Mi"}
    assert found({"image": "nothing"}, annotations=says) == ["SHM701 FAIL c0"]
    assert found({"image": "large"}, annotations={"podshm.abcdesktop.io/needs": "nothing"}) == []
    assert found({"image": "large"}, annotations={"podshm.abcdesktop.io/program": "small"}) == []
    assert found({"image": "x"}, {"image": "x"}, annotations={"podshm.abcdesktop.io/program.c1": "large"}) == [
        "SHM701 FAIL c1"
    ]


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("program", "larg", "there is no program larg"),
        ("needs", "posix_shm=many", "not a quantity"),
        ("needs", "posix=1Gi", "'posix=1Gi'"),
        ("needs", "sysv_shm across=c0,c9", "there is no container c9"),
        ("needs", "sysv_shm with=c0", "write for example"),
        ("needs.c9", "sysv_shm", "annotation podshm.abcdesktop.io/needs.c9: there is no container c9; there are c0"),
        ("program.", "large", "there is no container "),
    ],
)
def test_an_annotation_that_cannot_be_read_is_an_error(key: str, text: str, words: str) -> None:
    one = audited({"image": "x"}, annotations={f"podshm.abcdesktop.io/{key}": text})
    assert one.status.value == "ERROR"
    assert words in one.problem


def test_containers_that_share_need_one_volume() -> None:
    with_volume = {
        "image": "pair",
        "volumeMounts": [SHM],
        "securityContext": {"runAsUser": 1},
        "resources": limit("1Gi"),
    }
    without = {**with_volume, "volumeMounts": []}
    volumes = memory(sizeLimit="128Mi")
    assert found(with_volume, without, volumes=volumes, shareProcessNamespace=True) == ["SHM703 FAIL c1"]
    assert found(with_volume, with_volume, volumes=volumes, shareProcessNamespace=True) == []
    # both have the runtime's own, which is one
    assert found(without, without, shareProcessNamespace=True) == []


def test_containers_that_share_need_what_the_program_says() -> None:
    one = {"image": "pair", "securityContext": {"runAsUser": 1}}
    assert found(one, one) == ["SHM717 FAIL c1"]
    assert found(one, {**one, "securityContext": {"runAsUser": 2}}, shareProcessNamespace=True) == ["SHM713 WARN c1"]


def test_a_folder_on_the_disk_is_no_shared_memory() -> None:
    one = {"image": "small", "volumeMounts": [SHM]}
    assert found(one, volumes=[{"name": "dshm", "emptyDir": {}}]) == ["SHM704 WARN c0"]
    claim = [{"name": "dshm", "persistentVolumeClaim": {"claimName": "files"}}]
    assert found(one, volumes=claim) == ["SHM704 WARN c0"]
    # it may hold files that must stay
    assert audited(one, volumes=claim).patch == {}
    # what is no storage of its own says nothing of its size
    assert found(one, volumes=[{"name": "dshm", "csi": {"driver": "memory.example.com"}}]) == []


def test_limits_bound_a_volume() -> None:
    one = {"image": "small", "volumeMounts": [SHM]}
    assert found({**one, "resources": limit("1Gi")}, volumes=memory(sizeLimit="2Gi")) == ["SHM705 WARN c0"]
    assert found({**one, "resources": limit("1Gi")}, volumes=memory(sizeLimit="1Gi")) == ["SHM707 WARN c0"]
    assert found({**one, "resources": limit("1Gi")}, volumes=memory(sizeLimit="512Mi")) == []
    # a small container beside it, which is known to write nothing there, or cannot
    beside = {"image": "nothing", "volumeMounts": [SHM], "resources": limit("64Mi")}
    assert found({**one, "resources": limit("1Gi")}, beside, volumes=memory(sizeLimit="512Mi")) == []
    reader = {"image": "unknown", "volumeMounts": [{**SHM, "readOnly": True}], "resources": limit("64Mi")}
    assert found({**one, "resources": limit("1Gi")}, reader, volumes=memory(sizeLimit="512Mi")) == []
    writer = {**reader, "volumeMounts": [SHM]}
    assert found({**one, "resources": limit("1Gi")}, writer, volumes=memory(sizeLimit="512Mi")) == ["SHM707 WARN c1"]
    assert found(one, volumes=memory()) == ["SHM706 WARN c0"]
    # what counts is a container that can write there
    limited = {**one, "resources": limit("1Gi")}
    assert found(limited, {"image": "small"}, volumes=memory()) == []
    assert found(limited, one, volumes=memory()) == ["SHM706 WARN c1"]
    elsewhere = {"image": "small", "volumeMounts": [{**SHM, "mountPath": "/cache"}]}
    assert found(limited, elsewhere, volumes=memory()) == ["SHM706 WARN c1"]


def test_sysctls_are_compared_with_what_the_program_needs() -> None:
    assert found({"image": "sysv"}) == ["SHM708 FAIL c0"]
    enough = {"sysctls": [{"name": "kernel.msgmax", "value": "65536"}]}
    assert found({"image": "sysv"}, securityContext=enough) == ["SHM709 WARN c0"]
    less = {"sysctls": [*enough["sysctls"], {"name": "kernel.sem", "value": "250 32000 32 128"}]}
    assert found({"image": "sysv"}, securityContext=less) == ["SHM708 FAIL c0", "SHM709 WARN c0"]
    required: dict[str, t.Any] = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}
    assert found({"image": "sysv"}, securityContext=enough, nodeSelector={"pool": "database"}) == []
    assert found({"image": "sysv"}, securityContext=enough, affinity={"nodeAffinity": required}) == []
    every = {"kubernetes.io/os": "linux"}
    assert found({"image": "sysv"}, securityContext=enough, nodeSelector=every) == ["SHM709 WARN c0"]
    safe = {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}, {"name": "net.core.somaxconn", "value": "1"}]}
    assert found({"image": "small"}, securityContext=safe) == []


def test_sysctls_are_named_as_a_kubelet_allows_them() -> None:
    names = ("kernel.shmmax", "kernel.shmall", "kernel.sem", "kernel.msgmax")
    spec = {"securityContext": {"sysctls": [{"name": name, "value": "65536"} for name in names]}}
    observed = audited({"image": "small"}, **spec).findings[0].observed
    assert observed.startswith("kernel.msgmax, kernel.sem, kernel.shm*: a kubelet refuses the pod")


def test_a_sum_is_computed_apart_from_what_is_observed() -> None:
    programs = (program("half", need(40)), program("half-too", need(40)))
    work = workload({"image": "x"}, annotations={"podshm.abcdesktop.io/program": "half, half-too"})
    (finding,) = audit.audit(work, programs).findings
    assert "half and half-too need 80Mi;" in finding.observed
    assert finding.computation == "40Mi for data + 40Mi for data = 80Mi"
    assert audited({"image": "large"}).findings[0].computation == ""


def test_the_nodes_own_memory_is_not_needed() -> None:
    assert found({"image": "small"}, hostIPC=True) == ["SHM710 WARN c0"]
    volumes = [{"name": "dshm", "hostPath": {"path": "/dev/shm"}}]
    assert found({"image": "small", "volumeMounts": [SHM]}, volumes=volumes) == ["SHM711 WARN c0"]
    both = [{"image": "small", "volumeMounts": [SHM]}, {"image": "nothing", "volumeMounts": [SHM]}]
    assert found(*both, volumes=volumes) == ["SHM711 WARN c0"]
    # some share with other pods of the node by design
    assert found({"image": "node", "volumeMounts": [SHM]}, volumes=volumes, hostIPC=True) == []
    assert found({"image": "small"}, initContainers=[{"name": "i0", "image": "x"}], hostIPC=True) == ["SHM710 WARN c0"]


@pytest.mark.parametrize("spec", [{"os": {"name": "windows"}}, {"nodeSelector": {"kubernetes.io/os": "windows"}}])
def test_windows_has_no_shared_memory_of_this_kind(spec: dict[str, t.Any]) -> None:
    assert found({"image": "large"}, **spec) == []
    assert found({"image": "large"}, os={"name": "linux"}) == ["SHM701 FAIL c0"]


def test_huge_pages_need_a_limit() -> None:
    assert found({"image": "pages"}) == ["SHM712 FAIL c0"]
    assert found({"image": "pages", "resources": {"limits": {"hugepages-2Mi": "64Mi"}}}) == []


def test_two_c_libraries_do_not_meet() -> None:
    says = {"podshm.abcdesktop.io/needs": "posix_sem across=c0,c1"}
    assert found({"image": "a:1-alpine"}, {"image": "b:1"}, annotations=says) == ["SHM714 WARN c0"]
    assert found({"image": "a:1-alpine"}, {"image": "b:1-alpine"}, annotations=says) == []


def test_a_workaround_has_its_price() -> None:
    assert found({"image": "avoids", "args": ["--no-shm"]}) == ["SHM715 WARN c0"]
    assert found({"image": "avoids", "env": [{"name": "FLAGS", "value": "--no-shm"}]}) == ["SHM715 WARN c0"]
    assert found({"image": "avoids"}) == []
    assert found({"image": "avoided:155", "args": ["--no-shm"]}) == ["SHM715 WARN c0"]
    assert found({"image": "avoided:156", "args": ["--no-shm"]}) == []
    assert found({"image": "avoided:latest", "args": ["--no-shm"]}) == ["SHM715 WARN c0"]


def test_memory_that_nobody_uses_is_a_finding() -> None:
    one = {"image": "nothing", "volumeMounts": [SHM], "resources": limit("4Gi")}
    assert found(one, volumes=memory(sizeLimit="2Gi")) == ["SHM716 WARN c0"]
    assert found(one, volumes=memory(sizeLimit="512Mi")) == []
    # it is configured to write there
    assert found({**one, "args": ["--tmpdir=/dev/shm"]}, volumes=memory(sizeLimit="2Gi")) == []
    assert found({**one, "env": [{"name": "T", "value": "/dev/shm/t"}]}, volumes=memory(sizeLimit="2Gi")) == []
    # a file that is not read may have its folder there; the token of a service account has not
    for volume, said in (
        ({"name": "conf", "configMap": {"name": "x"}}, []),
        ({"name": "kube-api-access-x", "projected": {}}, 1),
    ):
        mounts = [SHM, {"name": volume["name"], "mountPath": "/etc/x"}]
        volumes = [*memory(sizeLimit="2Gi"), volume]
        assert found({**one, "volumeMounts": mounts}, volumes=volumes) == (["SHM716 WARN c0"] if said else [])
    # another container of the pod may be the one that uses it, or nobody knows what this one runs
    assert found(one, {**one, "image": "small"}, volumes=memory(sizeLimit="2Gi")) == []
    assert found({**one, "image": "unknown"}, volumes=memory(sizeLimit="2Gi")) == []


def test_containers_that_have_one_folder_need_it_together() -> None:
    both = audited({"image": "half"}, {"image": "half"})
    assert [f"{one.rule} {one.severity.value} {one.container}" for one in both.findings] == ["SHM701 FAIL c0"]
    assert "half in c0 and half in c1 need 80Mi" in both.findings[0].observed
    # each of them alone is written where there is room for both
    wide = {"image": "half", "volumeMounts": [SHM]}
    enough = audited(wide, wide, volumes=memory(sizeLimit="80Mi"))
    assert enough.pod
    needs = rules.Audited(enough.pod, enough.runs, enough.stated)
    joint = [rules.joint_demand(needs, one) for one in enough.pod.containers]
    assert [one and (one.busy.size_bytes, one.beside.size_bytes) for one in joint] == [(40 * MIB, 40 * MIB)] * 2
    # a volume each, or what ended before
    mount = {"image": "half", "volumeMounts": [SHM], "resources": limit("1Gi")}
    assert found({"image": "half"}, mount, volumes=memory(sizeLimit="64Mi")) == []
    before = [{"name": "before", "image": "half", "args": ["half"]}]
    assert found({"image": "half"}, initContainers=before) == []
    # one volume, of which each sees a folder
    parts = [{**mount, "volumeMounts": [{**SHM, "subPath": name}]} for name in "ab"]
    assert found(*parts, volumes=memory(sizeLimit="64Mi")) == ["SHM702 FAIL c0"]
    # where one does not fit alone, the size is that of all
    sizes = {one.container: one.size_bytes for one in audited({"image": "large"}, {"image": "half"}).findings}
    assert sizes == {"c0": 256 * MIB}
    assert {one.size_bytes for one in audited({"image": "large"}, {"image": "large"}).findings} == {512 * MIB}
    # what they share counts once
    assert found(*[{"image": "pairs", "securityContext": {"runAsUser": 1}}] * 2) == []
    says = {f"podshm.abcdesktop.io/needs.c{at}": "posix_shm=40Mi across=c0,c1" for at in (0, 1)}
    assert found({"image": "x"}, {"image": "y"}, annotations=says) == []


def test_a_release_that_is_not_known_and_decides_is_not_known() -> None:
    volume = memory(sizeLimit="512Mi")
    assert audited({"image": "ages:155"}).status.value == "FAIL"
    assert audited({"image": "ages:156"}).status.value == "PASS"
    assert audited({"image": "ages:latest"}).unknown == ["c0"]
    # where the newest has too little, it is known
    assert audited({"image": "shrinks:latest"}).unknown == []
    assert (
        audited({"image": "ages:latest", "volumeMounts": [SHM], "resources": limit("1Gi")}, volumes=volume).unknown
        == []
    )
    assert audited({"image": "ages:latest"}, annotations={"podshm.abcdesktop.io/needs": "nothing"}).unknown == []


def test_what_a_pod_says_of_containers_that_share_is_known_of_each_of_them() -> None:
    says = {"podshm.abcdesktop.io/needs": "sysv_shm across=c0,c1"}
    assert audited({"image": "unknown"}, {"image": "unknown"}, annotations=says).unknown == []
    assert audited(*[{"image": "unknown"}] * 3, annotations=says).unknown == ["c2"]


def test_what_containers_have_is_told_as_data() -> None:
    facts = audited(
        {"image": "small", "resources": {"limits": {"memory": "100Mi", "hugepages-2Mi": "64Mi"}}},
        {"image": "small", "securityContext": {"runAsUser": 7}},
        {"image": "small", "volumeMounts": [SHM], "resources": limit("1Gi")},
        volumes=memory(sizeLimit="2Gi"),
        runtimeClassName="sandbox",
        shareProcessNamespace=True,
        securityContext={"fsGroup": 5, "sysctls": [{"name": "kernel.shmmax", "value": "1"}]},
    ).facts()
    assert [one["dev_shm"]["shared_with"] for one in facts["containers"]] == [["c1"], ["c0"], []]
    # of a pod without a limit of its own, the volume has what it says
    assert [one["memory_left_bytes"] for one in facts["containers"]] == [36 * MIB, None, -1024 * MIB]
    assert [one["user"] for one in facts["containers"]] == [None, 7, None]
    assert facts["containers"][0]["huge_pages_bytes"] == {"2Mi": 64 * MIB}
    assert facts["pod"] == {
        "memory_limit_bytes": None,
        "host_ipc": False,
        "host_pid": False,
        "share_process_namespace": True,
        "sysctls": {"kernel.shmmax": "1"},
        "fs_group": 5,
        "runtime_class": "sandbox",
    }


def test_only_what_is_known_passes() -> None:
    assert audited({"image": "small"}).status.value == "PASS"
    assert audited({"image": "unknown"}).status.value == "SKIP"
    assert audited({"image": "small"}, {"image": "unknown"}).status.value == "SKIP"
    assert audited({"image": "large"}, {"image": "unknown"}).status.value == "FAIL"


@pytest.mark.parametrize(
    ("containers", "spec"),
    [
        ([{"image": "large", "resources": {"limits": {"memory": "1Gi"}}}], {}),
        ([{"image": "large"}, {"image": "small"}], {}),
        (
            [{"image": "large", "volumeMounts": [SHM], "resources": {"limits": {"memory": "1Gi"}}}],
            {"volumes": memory(sizeLimit="128Mi")},
        ),
        (
            [{"image": "large", "volumeMounts": [SHM], "resources": {"limits": {"memory": "100Mi"}}}],
            {"volumes": memory()},
        ),
        ([{"image": "small", "volumeMounts": [SHM]}], {"volumes": [{"name": "dshm", "emptyDir": {}}]}),
        ([{"image": "small", "volumeMounts": [SHM]}], {"volumes": memory()}),
        (
            [{"image": "small", "volumeMounts": [SHM]}],
            {"volumes": [{"name": "dshm", "hostPath": {"path": "/dev/shm"}}]},
        ),
        ([{"image": "small"}], {"hostIPC": True}),
        ([{"image": "small"}, {"image": "large"}], {"hostIPC": True}),
        (
            [{"image": "small", "volumeMounts": [SHM], "resources": {"limits": {"memory": "1Gi"}}}],
            {"volumes": memory(sizeLimit="2Gi")},
        ),
        ([{"image": "large"}], {"volumes": [{"name": "dshm", "emptyDir": {}}]}),
        ([{"image": "large"}, {"image": "large", "resources": limit("1Gi")}], {}),
        ([{"image": "half"}, {"image": "half"}], {}),
        (
            [{"image": "large", "volumeMounts": [SHM], "resources": {"limits": {"memory": "1Gi"}}}],
            {"volumes": [{"name": "dshm", "emptyDir": {"sizeLimit": "100Mi"}}]},
        ),
        (
            [
                {
                    "image": "large",
                    "volumeMounts": [{"name": "dshm", "mountPath": "/dev/shm/"}],
                    "resources": limit("1Gi"),
                }
            ],
            {"volumes": memory(sizeLimit="128Mi")},
        ),
    ],
)
def test_what_is_fixed_has_no_finding_any_more(containers: list[dict[str, t.Any]], spec: dict[str, t.Any]) -> None:
    work = workload(*containers, **spec)
    first = audit.audit(work, PROGRAMS)
    assert first.findings
    again = audit.audit(
        Workload("apps/v1", "Deployment", "n", "a", (), work.metadata, fix.fixed(work.spec, first.findings)), PROGRAMS
    )
    assert [one.rule for one in again.findings] == []


def test_a_fix_grows_the_memory_limit_by_the_volume() -> None:
    work = workload({"image": "large", "resources": {"limits": {"memory": "1Gi"}}})
    changed = fix.fixed(work.spec, audit.audit(work, PROGRAMS).findings)
    assert changed["volumes"] == memory(sizeLimit="256Mi")
    assert changed["containers"][0]["resources"]["limits"]["memory"] == "1280Mi"
    assert "volumes" not in work.spec
    disk = [{"name": "dshm", "emptyDir": {"sizeLimit": "512Mi"}}]
    work = workload({"image": "large", "volumeMounts": [SHM], "resources": limit("1Gi")}, volumes=disk)
    changed = fix.fixed(work.spec, audit.audit(work, PROGRAMS).findings)
    assert changed["volumes"] == memory(sizeLimit="512Mi")
    assert changed["containers"][0]["resources"]["limits"]["memory"] == "1536Mi"


@pytest.mark.parametrize(
    ("volume", "limit_after"),
    [
        # SHM706 and SHM704 give one to a volume that has none
        ({"emptyDir": {"medium": "Memory"}}, "512Mi"),
        ({"emptyDir": {"medium": "Memory", "sizeLimit": None}}, "512Mi"),
        ({"emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}, "256Mi"),
        ({"emptyDir": {"sizeLimit": None}}, "512Mi"),
        ({"persistentVolumeClaim": {"claimName": "files"}}, None),
    ],
)
def test_a_container_that_gets_the_volume_of_another_keeps_what_that_is(
    volume: dict[str, t.Any], limit_after: str | None
) -> None:
    says = {"podshm.abcdesktop.io/needs.c1": "posix_shm across=c0,c1"}
    work = workload(
        {"image": "varies"},
        {"image": "x", "volumeMounts": [SHM]},
        annotations=says,
        volumes=[{"name": "dshm", **volume}],
    )
    found = audit.audit(work, PROGRAMS).findings
    assert {"SHM701", "SHM703"} <= {one.rule for one in found}
    (after,) = fix.fixed(work.spec, found)["volumes"]
    assert after.keys() == {"name", *volume}
    assert (after.get("emptyDir") or {}).get("sizeLimit") == limit_after


def test_a_patch_says_only_what_changes() -> None:
    before = {"a": 1, "containers": [{"name": "a", "x": 1}, {"name": "b"}], "gone": 1, "list": [1]}
    after = {"a": 1, "containers": [{"name": "a", "x": 2}, {"name": "c"}], "list": [2]}
    assert fix.patch(before, after) == {
        "gone": None,
        "containers": [{"name": "a", "x": 2}, {"name": "c"}, {"name": "b", "$patch": "delete"}],
        "list": [2],
    }


def test_nothing_of_a_variable_or_a_command_is_in_what_is_said() -> None:
    secret = "s3cr3t-value"
    one = {
        "image": "tuned",
        "args": ["--size=100", f"--password={secret}"],
        "env": [{"name": "SIZE", "value": "100"}, {"name": "FLAGS", "value": secret}],
    }
    facts = audited(one).facts()
    assert all(facts[name] for name in ("findings", "diff", "patch"))
    assert secret not in str(facts)


def test_every_rule_has_an_id_and_a_name_of_its_own() -> None:
    assert len({one.id for one in rules.RULES}) == len({one.name for one in rules.RULES}) == len(rules.RULES)
