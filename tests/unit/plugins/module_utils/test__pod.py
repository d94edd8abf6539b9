# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import dataclasses
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _pod

COMMON = _pod.Common(
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
    containers = [
        _pod.ContainerSpec("first", ("hold",), 1000, (("/dev/shm", "dshm"),)),
        _pod.ContainerSpec("second", ("posix_read", "nonce=1"), 2000, ()),
    ]
    return _pod.pod(COMMON, "pair", "uid-1", containers, [_pod.VolumeSpec("dshm", "Memory", "4096")])


def manifests() -> list[dict[str, t.Any]]:
    return [
        _pod.anchor(COMMON),
        _pod.probe_config(COMMON, "uid-1", b"\x7fELF"),
        _pod.pod(COMMON, "pair", "uid-1", [_pod.ContainerSpec("a", ("hold",), 1, ())], []),
    ]


@pytest.mark.parametrize("manifest", manifests(), ids=lambda manifest: manifest["kind"])
def test_every_object_says_whose_it_is(manifest: dict[str, t.Any]) -> None:
    metadata = manifest["metadata"]
    assert metadata["namespace"] == "checks"
    assert metadata["name"].startswith("podshm-0a1b2c3d4e")
    assert metadata["labels"]["podshm.abcdesktop.io/run"] == "0a1b2c3d4e"
    assert metadata["labels"]["app.kubernetes.io/name"] == "podshm"  # ours wins
    assert metadata["labels"]["team"] == "x"
    assert metadata["annotations"]["note"] == "y"


@pytest.mark.parametrize("manifest", manifests()[1:], ids=lambda manifest: manifest["kind"])
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
    spec = _pod.anchor(COMMON)["spec"]
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
    manifest = _pod.probe_config(COMMON, "u", bytes(range(256)))
    assert base64.b64decode(manifest["binaryData"]["probe"]) == bytes(range(256))


def made(*specs: _pod.ContainerSpec, **options: t.Any) -> dict[str, t.Any]:
    spec: dict[str, t.Any] = _pod.pod(COMMON, "x", "u", specs, [], _pod.PodOptions(**options))["spec"]
    return spec


def test_kinds_of_containers() -> None:
    spec = made(
        _pod.ContainerSpec("a", ("x",), 1, (), kind="init"),
        _pod.ContainerSpec("b", ("hold",), 1, (), kind="sidecar"),
        _pod.ContainerSpec("c", ("hold",), 1, (), user=65533),
        _pod.ContainerSpec("d", ("hold",), 1, (), kind="ephemeral"),
    )
    assert [(c["name"], c.get("restartPolicy")) for c in spec["initContainers"]] == [("a", None), ("b", "Always")]
    assert [c["name"] for c in spec["containers"]] == ["c"]
    assert spec["containers"][0]["securityContext"]["runAsUser"] == 65533


def test_an_ephemeral_container_asks_for_nothing() -> None:
    (container,) = _pod.ephemeral(_pod.ContainerSpec("d", ("hold",), 1, (), kind="ephemeral"), COMMON)["spec"][
        "ephemeralContainers"
    ]
    assert "resources" not in container
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_container_without_a_memory_limit_still_requests() -> None:
    (container,) = made(_pod.ContainerSpec("a", ("hold",), 5, (), limited=False))["containers"]
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
    spec = _pod.ContainerSpec("a", ("hold",), 1, ())
    assert made(spec, **options)[path] == value
    assert made(spec).get(path) != value


def test_sysctls() -> None:
    spec = made(_pod.ContainerSpec("a", ("hold",), 1, ()), sysctls=(("kernel.shm_rmid_forced", "1"),))
    assert spec["securityContext"]["sysctls"] == [{"name": "kernel.shm_rmid_forced", "value": "1"}]


@pytest.mark.parametrize(
    ("size", "text"), [(64 << 20, "64Mi"), (1 << 30, "1Gi"), (1536, "1536"), (2048, "2Ki"), (1, "1")]
)
def test_memory_as_the_api_server_writes_it(size: int, text: str) -> None:
    assert _pod.memory_text(size) == text


def test_names_differ_by_target() -> None:
    other = dataclasses.replace(COMMON, target="1")
    assert _pod.name(COMMON, "pair") == "podshm-0a1b2c3d4e-pair"
    assert _pod.name(other, "pair") == "podshm-0a1b2c3d4e-1-pair"
    assert _pod.name(other) == _pod.name(COMMON) == "podshm-0a1b2c3d4e"
