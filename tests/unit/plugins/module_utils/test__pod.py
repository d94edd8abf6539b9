# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _pod

COMMON = _pod.Common(
    run="0a1b2c3d4e",
    namespace="checks",
    node="n1",
    image="registry.k8s.io/pause:3.10.1",
    pull_policy="Never",
    runtime_class="kata",
    cpu="250m",
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
    return _pod.pod(COMMON, "pair", "uid-1", containers, [_pod.VolumeSpec("dshm", "Memory", 4096)])


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


def test_requests_equal_limits(pod: dict[str, t.Any]) -> None:
    for container, memory in zip(pod["spec"]["containers"], ("1000", "2000"), strict=True):
        assert container["resources"]["limits"] == {"cpu": "250m", "memory": memory}
        assert container["resources"]["requests"] == container["resources"]["limits"]


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
    assert volumes["probe"]["configMap"] == {"name": "podshm-0a1b2c3d4e-probe", "defaultMode": 0o555}
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounts == {"probe": "/podshm", "dshm": "/dev/shm"}


def test_no_sidecar_is_invited(pod: dict[str, t.Any]) -> None:
    assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    assert pod["metadata"]["annotations"]["linkerd.io/inject"] == "disabled"


def test_the_probe_travels_as_it_is() -> None:
    manifest = _pod.probe_config(COMMON, "u", bytes(range(256)))
    assert base64.b64decode(manifest["binaryData"]["probe"]) == bytes(range(256))
