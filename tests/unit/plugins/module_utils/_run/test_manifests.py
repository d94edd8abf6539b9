# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import dataclasses
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Additions,
    Container,
    ContainerKind,
    Mount,
    PodOptions,
    Volume,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.manifests import ContainerPlan, PodPlan

META = manifests.RunMeta(
    run="0a1b2c3d4e",
    target="",
    namespace="checks",
    node="n1",
    architecture="amd64",
    image="registry.k8s.io/pause:3.10.1",
    pull_policy="Never",
    runtime_class="kata",
    tolerations=({"operator": "Exists"},),
    labels={"team": "x", "app.kubernetes.io/name": "not ours"},
    annotations={"note": "y"},
    deadline_seconds=120,
)


@pytest.fixture
def pod() -> dict[str, t.Any]:
    volume = Volume("dshm", "Memory", lambda sizes: 4096)
    containers = (
        ContainerPlan(Container("first", (Mount("/dev/shm", volume),)), ("hold",), 1000),
        ContainerPlan(Container("second"), ("posix_read", "nonce=1"), 2000),
    )
    return manifests.pod(META, PodPlan("pair", PodOptions(), containers, ((volume, 4096),)), "uid-1")


def plan(name: str, memory_bytes: int = 1, **fields: t.Any) -> ContainerPlan:
    return ContainerPlan(Container(name, **fields), ("hold",), memory_bytes)


def all_manifests() -> list[dict[str, t.Any]]:
    return [
        manifests.anchor(META),
        manifests.probe_config(META, "uid-1", b"\x7fELF"),
        manifests.pod(META, PodPlan("pair", PodOptions(), (plan("a"),)), "uid-1"),
    ]


@pytest.mark.parametrize("manifest", all_manifests(), ids=lambda manifest: manifest["kind"])
def test_every_object_says_whose_it_is(manifest: dict[str, t.Any]) -> None:
    metadata = manifest["metadata"]
    assert metadata["namespace"] == "checks"
    assert metadata["name"].startswith("podshm-0a1b2c3d4e")
    assert metadata["labels"]["podshm.abcdesktop.io/run"] == "0a1b2c3d4e"
    assert metadata["labels"]["app.kubernetes.io/name"] == "podshm"  # ours wins
    assert metadata["labels"]["team"] == "x"
    assert metadata["annotations"]["note"] == "y"


@pytest.mark.parametrize("manifest", all_manifests()[1:], ids=lambda manifest: manifest["kind"])
def test_the_anchor_owns_the_rest(manifest: dict[str, t.Any]) -> None:
    (owner,) = manifest["metadata"]["ownerReferences"]
    assert owner == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": "podshm-0a1b2c3d4e",
        "uid": "uid-1",
        "blockOwnerDeletion": False,
    }


def test_the_anchor_runs_nothing_and_ends() -> None:
    spec = manifests.anchor(META)["spec"]
    assert (spec["parallelism"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (0, 120, 0)


def test_memory_is_requested_in_full_and_cpu_to_a_fifth(pod: dict[str, t.Any]) -> None:
    for container, memory in zip(pod["spec"]["containers"], ("1000", "2000"), strict=True):
        assert container["resources"]["limits"] == {"cpu": "100m", "memory": memory}
        assert container["resources"]["requests"] == {"cpu": "20m", "memory": memory}


def test_restricted(pod: dict[str, t.Any]) -> None:
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostIPC", "hostPID", "hostNetwork"} & spec.keys()
    for container in spec["containers"]:
        security = container["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert security["readOnlyRootFilesystem"] is True


def test_a_pod_ends_and_is_not_restarted(pod: dict[str, t.Any]) -> None:
    assert (pod["spec"]["activeDeadlineSeconds"], pod["spec"]["restartPolicy"]) == (120, "Never")


def test_the_scheduler_has_its_say_on_the_chosen_node(pod: dict[str, t.Any]) -> None:
    assert "nodeName" not in pod["spec"]
    assert '"n1"' in str(pod["spec"]["affinity"]).replace("'", '"')
    assert pod["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert pod["spec"]["runtimeClassName"] == "kata"


def test_volumes(pod: dict[str, t.Any]) -> None:
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["dshm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "4096"}
    assert volumes["probe"]["configMap"] == {"name": "podshm-0a1b2c3d4e-probe-amd64", "defaultMode": 0o555}
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounts == {"probe": "/podshm", "dshm": "/dev/shm"}


def test_no_sidecar_is_invited(pod: dict[str, t.Any]) -> None:
    assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    assert pod["metadata"]["annotations"]["linkerd.io/inject"] == "disabled"


def test_the_probe_travels_as_it_is() -> None:
    manifest = manifests.probe_config(META, "u", bytes(range(256)))
    assert base64.b64decode(manifest["binaryData"]["probe"]) == bytes(range(256))


def created(
    *containers: ContainerPlan, sysctls: tuple[tuple[str, str], ...] = (), **options: t.Any
) -> dict[str, t.Any]:
    pod = PodPlan("x", PodOptions(**options), containers, sysctls=sysctls)
    spec: dict[str, t.Any] = manifests.pod(META, pod, "u")["spec"]
    return spec


def test_kinds_of_containers() -> None:
    spec = created(
        plan("a", kind=ContainerKind.INIT),
        plan("b", kind=ContainerKind.SIDECAR),
        plan("c", user=65533),
        plan("d", kind=ContainerKind.EPHEMERAL),
    )
    assert [(c["name"], c.get("restartPolicy")) for c in spec["initContainers"]] == [("a", None), ("b", "Always")]
    assert [c["name"] for c in spec["containers"]] == ["c"]
    assert spec["containers"][0]["securityContext"]["runAsUser"] == 65533


def test_an_ephemeral_container_requests_nothing() -> None:
    patch = manifests.ephemeral_patch(plan("d", kind=ContainerKind.EPHEMERAL), META, 1)
    (container,) = patch["spec"]["ephemeralContainers"]
    assert "resources" not in container
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_container_without_a_memory_limit_still_requests() -> None:
    (container,) = created(plan("a", 5, has_memory_limit=False))["containers"]
    assert container["resources"] == {"requests": {"cpu": "20m", "memory": "5"}, "limits": {"cpu": "100m"}}


@pytest.mark.parametrize(
    ("options", "path", "value"),
    [
        ({"restarts": True}, "restartPolicy", "Always"),
        ({"share_pids": True}, "shareProcessNamespace", True),
        ({"own_users": True}, "hostUsers", False),
        ({"host_ipc": True}, "hostIPC", True),
    ],
)
def test_options_of_a_pod(options: dict[str, t.Any], path: str, value: t.Any) -> None:
    spec = plan("a")
    assert created(spec, **options)[path] == value
    assert created(spec).get(path) != value


def test_sysctls() -> None:
    spec = created(plan("a"), sysctls=(("kernel.shm_rmid_forced", "1"),))
    assert spec["securityContext"]["sysctls"] == [{"name": "kernel.shm_rmid_forced", "value": "1"}]


def test_names_differ_by_target() -> None:
    other = dataclasses.replace(META, target="1")
    assert manifests.object_name(META, "pair") == "podshm-0a1b2c3d4e-pair"
    assert manifests.object_name(other, "pair") == "podshm-0a1b2c3d4e-1-pair"
    assert manifests.object_name(other) == manifests.object_name(META) == "podshm-0a1b2c3d4e"


def test_root_has_the_capabilities_that_it_needs_and_no_others() -> None:
    (container,) = created(plan("a", root=True, capabilities=("IPC_OWNER",)))["containers"]
    security = container["securityContext"]
    assert (security["runAsUser"], security["runAsNonRoot"]) == (0, False)
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["IPC_OWNER"]}


def test_a_group_for_the_volumes_and_a_folder_of_one() -> None:
    volume = Volume("dshm", "Memory")
    (container,) = created(plan("a", mounts=(Mount("/dev/shm", volume, "sub"),)))["containers"]
    assert container["volumeMounts"][1] == {
        "name": "dshm",
        "mountPath": "/dev/shm",
        "readOnly": False,
        "subPath": "sub",
    }
    assert created(plan("a"), fs_group=65534)["securityContext"]["fsGroup"] == 65534


ADDITIONS = Additions(
    ("registry", "mirror"),
    "low",
    "podshm",
    5,
    {"team": "y", "cost": "z"},
    {"note": "z"},
    {"nodeSelector": {"pool": "x"}, "securityContext": {"seLinuxOptions": {"level": "s0"}}},
)
ADDED = dataclasses.replace(META, additions=ADDITIONS)


def added() -> list[dict[str, t.Any]]:
    """A pod, one that is relaxed, and the template of the anchor."""
    one = dataclasses.replace(plan("a"), ephemeral_storage_bytes=5)
    return [
        manifests.pod(ADDED, PodPlan("pair", PodOptions(), (one,)), "uid-1"),
        manifests.pod(ADDED, PodPlan("relaxed", PodOptions(relaxed=True), (one,)), "uid-1"),
        manifests.anchor(ADDED)["spec"]["template"],
    ]


@pytest.mark.parametrize("pod", added(), ids=["pod", "relaxed", "anchor"])
def test_what_a_cluster_demands_is_in_every_pod(pod: dict[str, t.Any]) -> None:
    spec, metadata = pod["spec"], pod["metadata"]
    assert spec["imagePullSecrets"] == [{"name": "registry"}, {"name": "mirror"}]
    assert (spec["priorityClassName"], spec["serviceAccountName"]) == ("low", "podshm")
    assert spec["automountServiceAccountToken"] is False
    assert spec["nodeSelector"] == {"pool": "x"}
    for container in spec["containers"]:
        for amounts in container["resources"].values():
            assert amounts["ephemeral-storage"] == "5"
            assert amounts["cpu"]
    assert metadata["labels"].items() >= {"team": "y", "cost": "z", "podshm.abcdesktop.io/run": "0a1b2c3d4e"}.items()
    assert metadata["annotations"]["note"] == "z"


def test_the_overlay_stands_beside_what_the_securitycontext_of_a_pod_has() -> None:
    pod, relaxed, template = (one["spec"] for one in added())
    for spec in (pod, template):
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            "seLinuxOptions": {"level": "s0"},
        }
    # what it is about
    assert "securityContext" not in relaxed


def test_the_overlay_is_of_pods_alone() -> None:
    for one in (manifests.anchor(ADDED), manifests.probe_config(ADDED, "uid-1", b"")):
        assert (one["metadata"]["labels"]["team"], one["metadata"]["annotations"]) == ("x", {"note": "y"})
        assert "cost" not in one["metadata"]["labels"]


def test_without_a_demand_nothing_is_added(pod: dict[str, t.Any]) -> None:
    assert not {"imagePullSecrets", "priorityClassName", "serviceAccountName", "nodeSelector"} & pod["spec"].keys()
    assert "ephemeral-storage" not in str(pod)
    template = manifests.anchor(META)["spec"]["template"]
    assert template["metadata"]["labels"]["team"] == "x"
    assert template["metadata"]["annotations"] == {"note": "y"}


@pytest.mark.parametrize(("size", "text"), [(0, "2Mi"), (None, "2Mi"), (2 * 1024**2, "2Mi"), (1024**3, "1Gi")])
def test_a_huge_page_of_the_size_that_the_node_has(size: int | None, text: str) -> None:
    pages = Volume("huge", "HugePages")
    containers = (
        plan("a", mounts=(Mount("/dev/shm", pages),), huge_page=True),
        plan("b", mounts=(Mount("/dev/shm", pages),)),
    )
    meta = dataclasses.replace(META, huge_page_bytes=size)
    spec = manifests.pod(meta, PodPlan("p", PodOptions(), containers, ((pages, None),)), "")["spec"]
    one, other = (container["resources"] for container in spec["containers"])
    assert one["requests"][f"hugepages-{text}"] == one["limits"][f"hugepages-{text}"] == text
    assert not any(name.startswith("hugepages-") for amounts in other.values() for name in amounts)
    assert spec["volumes"][1] == {"name": "huge", "emptyDir": {"medium": "HugePages"}}
