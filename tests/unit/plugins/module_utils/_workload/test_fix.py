# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A patch does what it says: applied as the API server merges it, its findings are gone, and no other one came."""

from __future__ import annotations

import copy
import typing as t
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB, parse_bytes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS as KNOWN
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.kinds import BUILT_IN
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.live import Collector
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.manifests import workloads_of
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Less,
    Marks,
    Need,
    Program,
    Uses,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.shape import normal

Spec: t.TypeAlias = "dict[str, t.Any]"

SHM: t.Final = {"name": "dshm", "mountPath": "/dev/shm"}


def program(name: str, least: int = 0, busy: int = 0, across: bool = False, **more: t.Any) -> Program:
    """A program that is recognised by its image and needs so many MiB of /dev/shm."""
    need = Need(
        Uses.DEV_SHM,
        "data",
        lambda _values: Amount.of(("for data", least * MIB)),
        lambda _values: Amount.of(("for data", max(least, busy) * MIB)),
        less=more.pop("less", Less.FAILS),
        across=across,
    )
    return Program(name, name, Marks(images=name), needs=(need,) if least or busy else (), **more)


PROGRAMS: t.Final = (
    program("large", 200),
    program("varies", 10, 200),
    program("slow", 200, less=Less.DEGRADES),
    program("clever", 200, less=Less.ADAPTS),
    program("half", 40),
    program("small", 1),
    program("pair", 1, across=True, one_user=True, one_pid_namespace=True),
    program("pairs", 40, across=True),
    program("sysv", sysctls={"kernel.msgmax": (65536,)}),
    program("node", across_pods=True),
    program("nothing"),
)

#: By which field the API server merges lists.
KEYS: t.Final = {"containers": "name", "initContainers": "name", "volumes": "name", "volumeMounts": "mountPath"}


def merged(base: t.Any, patch: Spec) -> Spec:
    """What a strategic merge patch makes of an object."""
    result = dict(base) if isinstance(base, dict) else {}
    for field, value in patch.items():
        if value is None:
            result.pop(field, None)
        elif isinstance(value, dict):
            result[field] = merged(result.get(field), value)
        elif field in KEYS:
            result[field] = merged_list(list(result.get(field) or ()), value, KEYS[field])
        else:
            result[field] = value
    return copy.deepcopy(result)


def merged_list(items: list[Spec], patches: list[Spec], key: str) -> list[Spec]:
    for patch in patches:
        at = next((number for number, one in enumerate(items) if one[key] == patch[key]), len(items))
        if patch.get("$patch") == "delete":
            del items[at : at + 1]
        else:
            items[at : at + 1] = [merged(items[at] if at < len(items) else {}, patch)]
    return items


def in_order(value: t.Any) -> t.Any:
    """A value of which lists with a key have no order."""
    if isinstance(value, dict):
        return {name: in_order(value[name]) for name in sorted(value)}
    return sorted(map(in_order, value), key=repr) if isinstance(value, list) else value


def manifest(kind: str, spec: Spec, annotations: dict[str, str] | None = None, **more: t.Any) -> Spec:
    """An object of a kind that creates such pods."""
    own = {"annotations": annotations or {}}
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", **own}, "spec": spec}
    inner: Spec = {"metadata": own, "spec": spec}
    for step in reversed(BUILT_IN[kind].template):
        inner = {step: inner}
    inner["spec"] |= more
    return {"apiVersion": BUILT_IN[kind].api_version, "kind": kind, "metadata": {"name": "a"}, **inner}


def audited(document: Spec) -> audit.Audit:
    (work,) = workloads_of(document)
    found = audit.audit(work, PROGRAMS)
    assert found.problem == ""
    return found


def faults(spec: t.Mapping[str, t.Any]) -> set[str]:
    """What an API server refuses of a pod."""
    found = set()
    volumes = [one["name"] for one in spec.get("volumes") or ()]
    found |= {f"two volumes {name}" for name in volumes if volumes.count(name) > 1}
    for one in spec.get("volumes") or ():
        if sum(value is not None for value in one.values()) > 2:
            found.add(f"{one['name']} is two kinds")
    limit = limit_of(spec)
    for one in [*spec["containers"], *(spec.get("initContainers") or ())]:
        paths = [normal(mount["mountPath"]) for mount in one.get("volumeMounts") or ()]
        found |= {f"{one['name']} has two mounts on {path}" for path in paths if paths.count(path) > 1}
        found |= {
            f"no volume {mount['name']}" for mount in one.get("volumeMounts") or () if mount["name"] not in volumes
        }
        if limit and limit_of(one) > limit:
            found.add(f"{one['name']} has a limit above that of the pod")
    return found


def limit_of(part: t.Mapping[str, t.Any]) -> int:
    return parse_bytes(((part.get("resources") or {}).get("limits") or {}).get("memory") or 0)


# ------------------------------------------------------------------------------------------------ any pod

QUANTITIES: t.Final = st.sampled_from(
    ["64Mi", 67108864, "65536Ki", "100Mi", "0.125Gi", "512Mi", "536870912", "1Gi", "2G", "8Gi", "8589934592000m", "1e9"]
)
MEMORY: t.Final = st.fixed_dictionaries({"medium": st.just("Memory")}, optional={"sizeLimit": QUANTITIES})
DISK: t.Final = st.fixed_dictionaries({}, optional={"sizeLimit": QUANTITIES})
KINDS_OF_VOLUMES: t.Final = st.one_of(
    st.builds(lambda directory: {"emptyDir": directory}, MEMORY | DISK),
    st.sampled_from(
        [
            {},
            {"emptyDir": None},
            {"emptyDir": {"medium": "HugePages"}},
            {"hostPath": {"path": "/dev/shm", "type": "Directory"}},
            {"hostPath": {"path": "/tmp"}, "emptyDir": None},
            {"persistentVolumeClaim": {"claimName": "x"}},
            {"configMap": {"name": "x"}},
            {"projected": {"sources": []}},
        ]
    ),
)
RESOURCES: t.Final = st.one_of(
    st.builds(lambda memory: {"limits": {"memory": memory, "cpu": 1}}, QUANTITIES),
    st.builds(lambda memory: {"limits": {"memory": memory}, "requests": {"memory": memory}}, QUANTITIES),
    st.sampled_from([{}, {"limits": None}, {"limits": {"memory": 0}}, {"limits": {"cpu": 1}}]),
)


@st.composite
def containers(draw: st.DrawFn, name: str, volumes: t.Sequence[str]) -> Spec:
    one: Spec = {"name": name, "image": draw(st.sampled_from([*(each.name for each in PROGRAMS), "unknown"]))}
    if draw(st.booleans()):
        one["resources"] = draw(RESOURCES)
    mounts: list[Spec] = []
    more: Spec
    if draw(st.booleans()) and volumes:
        path = draw(st.sampled_from(["/dev/shm", "/dev/shm/", "//dev/shm", "/dev/shm/."]))
        more = draw(st.sampled_from([{}, {}, {}, {"readOnly": True}, {"subPath": "a"}]))
        mounts.append({"name": draw(st.sampled_from(volumes)), "mountPath": path, **more})
    if volumes and draw(st.integers(0, 3)) == 0:
        path = draw(st.sampled_from(["/dev/shm/below", "/cache", "/dev"]))
        mounts.append({"name": draw(st.sampled_from(volumes)), "mountPath": path})
    return {**one, **draw(st.sampled_from([{"volumeMounts": mounts}, {"volumeMounts": mounts or None}]))}


@st.composite
def manifests(draw: st.DrawFn) -> Spec:
    volumes = draw(st.lists(st.sampled_from(["dshm", "dshm-2", "shm"]), max_size=3, unique=True))
    names = [f"c{number}" for number in range(draw(st.integers(1, 4)))]
    spec: Spec = {"containers": [draw(containers(name, volumes)) for name in names]}
    if volumes:
        spec["volumes"] = [{"name": name, **draw(KINDS_OF_VOLUMES)} for name in volumes]
    if draw(st.integers(0, 3)) == 0:
        init = draw(containers("i0", volumes))
        spec["initContainers"] = [init | draw(st.sampled_from([{}, {"restartPolicy": "Always"}]))]
    if draw(st.integers(0, 5)) == 0:
        spec["hostIPC"] = True
    if draw(st.integers(0, 5)) == 0:
        most = max([64 * MIB, *(limit_of(one) for one in spec["containers"] + spec.get("initContainers", []))])
        spec["resources"] = {"limits": {"memory": most}}
    annotations: dict[str, str] = {}
    if draw(st.integers(0, 3)) == 0:
        says = draw(st.sampled_from(["posix_shm=300Mi", "posix_shm=1Gi across={}", "posix_shm across={}"]))
        annotations[f"podshm.abcdesktop.io/needs.{draw(st.sampled_from(names))}"] = says.format(",".join(names))
    kind = draw(st.sampled_from(sorted(BUILT_IN)))
    claims = {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]} if kind == "StatefulSet" else {}
    return manifest(kind, spec, annotations, **claims)


#: What a patch mends. Of SHM704 it is emptyDirs alone: other storage can have files that must stay.
MENDED: t.Final = frozenset({"SHM701", "SHM702", "SHM703", "SHM705", "SHM706", "SHM707", "SHM710", "SHM711", "SHM717"})


@settings(max_examples=200)
@given(manifests())
def test_of_any_pod_what_is_mended_is_gone_and_nothing_comes(document: Spec) -> None:
    first = audited(document)
    after = merged(document, first.patch)
    again = audited(after)
    assert in_order(again.workload.spec) == in_order(first.changed)
    assert [one for one in again.findings if one.rule in MENDED and not one.by_hand] == []
    assert {one.rule for one in again.findings} <= {one.rule for one in first.findings}
    assert faults(again.workload.spec) <= faults(first.workload.spec)


CATALOGUE: t.Final = Path(__file__).parents[4] / "catalogue"


def test_the_fixes_of_real_manifests_leave_nothing_to_mend() -> None:
    count = 0
    documents = [
        one for file in sorted(CATALOGUE.glob("*.yaml")) for one in yaml.safe_load_all(file.read_text("utf-8"))
    ]
    for document in documents:
        for work in workloads_of(document):
            first = audit.audit(work, KNOWN)
            if first.patch:
                count += 1
                again = [one for one in workloads_of(merged(document, first.patch)) if one.path == work.path]
                left = audit.audit(again[0], KNOWN).findings
                assert [one.rule for one in left if one.rule in MENDED and not one.by_hand] == [], work.subject
                assert {one.rule for one in left} <= {one.rule for one in first.findings}, work.subject
    assert count >= 20


# ------------------------------------------------------------------------------------------ what was wrong once


def changed(*containers: Spec, **spec: t.Any) -> Spec:
    """The spec of a pod of these containers with the fix, in which nothing is left to mend."""
    named = [{"name": f"c{number}", **one} for number, one in enumerate(containers)]
    annotations = spec.pop("annotations", None)
    document = manifest("Deployment", {"containers": named, **spec}, annotations)
    first = audited(document)
    assert first.findings
    assert audited(merged(document, first.patch)).findings == []
    return dict(first.changed)


def sizes(spec: Spec) -> dict[str, str]:
    return {one["name"]: one["emptyDir"]["sizeLimit"] for one in spec["volumes"]}


def limit(memory: str) -> Spec:
    return {"limits": {"memory": memory}}


def memory(**directory: str) -> list[Spec]:
    return [{"name": "dshm", "emptyDir": {"medium": "Memory", **directory}}]


def test_without_host_ipc_a_volume_holds_what_all_containers_need_together() -> None:
    assert sizes(changed({"image": "half"}, {"image": "pairs"}, hostIPC=True)) == {"dshm": "128Mi"}
    assert sizes(changed({"image": "large"}, {"image": "large"}, hostIPC=True)) == {"dshm": "512Mi"}


def test_host_ipc_stays_where_the_program_needs_other_sysctls_than_a_pod_has() -> None:
    found = audited(manifest("Deployment", {"hostIPC": True, "containers": [{"name": "c", "image": "sysv"}]}))
    assert found.patch == {}
    (one,) = found.findings
    assert one.by_hand
    assert one.fix.endswith("; set in securityContext.sysctls of the pod: kernel.msgmax=65536")


@pytest.mark.parametrize("volume", [{"hostPath": {"path": "/dev/shm"}}, {"emptyDir": {}}, {"emptyDir": None}, {}])
def test_what_replaces_a_folder_of_the_node_or_a_disk_holds_what_all_containers_need(volume: Spec) -> None:
    one = {"image": "large", "volumeMounts": [SHM]}
    assert sizes(changed(one, one, one, volumes=[{"name": "dshm", **volume}])) == {"dshm": "1Gi"}


def test_limits_of_all_who_get_the_volume_grow_and_each_once() -> None:
    small = {"image": "small", "resources": limit("64Mi")}
    after = changed({"image": "large", "resources": limit("1Gi")}, small)
    assert [one["resources"] for one in after["containers"]] == [limit("1280Mi"), limit("320Mi")]
    one = {"image": "large", "resources": limit("64Mi"), "volumeMounts": [SHM]}
    assert changed(one, volumes=memory(sizeLimit="64Mi"))["containers"][0]["resources"] == limit("320Mi")


def test_a_limit_of_the_pod_grows_with_those_of_its_containers() -> None:
    after = changed({"image": "large", "resources": limit("100Mi")}, resources=limit("100Mi"))
    assert (after["resources"], after["containers"][0]["resources"]) == (limit("356Mi"), limit("356Mi"))
    one = {"image": "small", "volumeMounts": [SHM]}
    assert changed(one, volumes=memory(sizeLimit="1Gi"), resources=limit("100Mi"))["resources"] == limit("1124Mi")


def test_a_container_gets_the_volume_of_the_one_that_it_shares_with() -> None:
    other = {"image": "small", "volumeMounts": [{"name": "other", "mountPath": "/dev/shm"}]}
    mine = {"image": "x", "volumeMounts": [{**SHM, "readOnly": True}]}
    after = changed(
        other,
        mine,
        {"image": "x"},
        {"image": "x"},
        annotations={"podshm.abcdesktop.io/needs.c1": "posix_shm across=c2,c3"},
        volumes=[*memory(sizeLimit="1Gi"), {"name": "other", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}],
    )
    assert [one["volumeMounts"] for one in after["containers"][2:]] == [[SHM], [SHM]]


def test_a_volume_gets_a_limit_for_a_container_that_has_it_somewhere_else() -> None:
    after = changed(
        {"image": "small", "resources": limit("1Gi"), "volumeMounts": [SHM]},
        {
            "image": "small",
            "volumeMounts": [{"name": "dshm", "mountPath": "/cache"}, {"name": "x", "mountPath": "/dev/shm"}],
        },
        volumes=[*memory(), {"name": "x", "configMap": {"name": "x"}}],
    )
    assert after["volumes"][0]["emptyDir"]["sizeLimit"] == "512Mi"


def test_containers_share_one_pid_namespace_with_the_fix() -> None:
    assert changed({"image": "pair"}, {"image": "pair"})["shareProcessNamespace"] is True


def test_a_volume_that_another_container_uses_is_not_for_nothing() -> None:
    for mount in ({**SHM, "subPath": "a"}, {"name": "dshm", "mountPath": "/cache"}):
        spec = {
            "containers": [
                {"name": "c0", "image": "nothing", "volumeMounts": [SHM]},
                {"name": "c1", "image": "half", "volumeMounts": [mount]},
            ],
            "volumes": memory(sizeLimit="2Gi"),
        }
        assert audited(manifest("Pod", spec)).findings == []


def test_a_disk_is_no_matter_where_nobody_uses_shared_memory() -> None:
    one = {"name": "c", "image": "nothing", "volumeMounts": [SHM]}
    spec = {"containers": [one], "volumes": [{"name": "dshm", "emptyDir": {"sizeLimit": "2Gi"}}]}
    assert audited(manifest("Pod", spec)).findings == []
    one["args"] = ["--temporary=/dev/shm"]
    assert [each.rule for each in audited(manifest("Pod", spec)).findings] == ["SHM704"]


def test_pods_that_are_older_than_their_template_do_not_fix_it_again() -> None:
    """An update that is under way, or waits for somebody to delete the pods (OnDelete)."""
    old: Spec = {"containers": [{"name": "c", "image": "large", "resources": limit("1Gi")}]}
    new: Spec = {
        "containers": [{"name": "c", "image": "large", "resources": limit("2Gi"), "volumeMounts": [SHM]}],
        "volumes": memory(sizeLimit="256Mi"),
    }
    collector = Collector()
    collector.add_controller(manifest("DaemonSet", new), "DaemonSet")
    owner = [{"kind": "DaemonSet", "name": "a", "controller": True}]
    collector.add_pod({"metadata": {"name": "a-1", "ownerReferences": owner}, "spec": old})
    (work,) = collector.workloads()
    found = audit.audit(work, PROGRAMS)
    assert [one.rule for one in found.findings] == ["SHM701"]
    assert found.patch == {}


def test_a_difference_shows_no_options_of_a_driver_and_the_limit_of_the_pod() -> None:
    driver = {"name": "files", "flexVolume": {"driver": "cifs", "options": {"password": "s3cr3tVALUE"}}}
    one = {"name": "c", "image": "large", "resources": limit("100Mi")}
    found = audited(manifest("Pod", {"containers": [one], "volumes": [driver], "resources": limit("100Mi")}))
    told = "\n".join(found.facts()["diff"])
    assert "s3cr3tVALUE" not in told
    assert told.count("memory: 356Mi") == 2
