# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each container has for shared memory, from a pod's spec."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.shape import (
    Backing,
    Folder,
    PodShape,
    SpecError,
    shape,
)

SHM: t.Final = {"name": "dshm", "mountPath": "/dev/shm"}


def pod(*containers: dict[str, t.Any], allocatable: int | None = None, **spec: t.Any) -> PodShape:
    """The shape of a pod with these containers."""
    named = [{"name": f"c{number}", "image": "i", **one} for number, one in enumerate(containers)]
    return shape({}, {"containers": named, **spec}, allocatable)


def on_dev_shm(volume: dict[str, t.Any], limit: str | None = None, allocatable: int | None = None) -> Folder:
    """What is behind /dev/shm of a container that has this volume there."""
    resources = {"limits": {"memory": limit}} if limit else {}
    one = pod(
        {"volumeMounts": [SHM], "resources": resources}, volumes=[{"name": "dshm", **volume}], allocatable=allocatable
    )
    return one.containers[0].dev_shm


def test_a_container_without_a_volume_has_the_default_of_the_runtime() -> None:
    folder = pod({}).containers[0].dev_shm
    assert (folder.backing, folder.size_bytes) == (Backing.DEFAULT, 64 * MIB)


def test_with_host_ipc_it_has_the_nodes() -> None:
    folder = pod({}, hostIPC=True).containers[0].dev_shm
    assert (folder.backing, folder.size_bytes) == (Backing.HOST, None)


@pytest.mark.parametrize(
    ("directory", "limit", "allocatable", "size", "bound"),
    [
        ({"sizeLimit": "512Mi"}, None, None, 512 * MIB, "sizeLimit"),
        ({"sizeLimit": "512Mi"}, "1Gi", None, 512 * MIB, "sizeLimit"),
        ({"sizeLimit": "2Gi"}, "1Gi", None, 1024 * MIB, "pod memory limit"),
        ({"sizeLimit": "2Gi"}, None, 1024 * MIB, 1024 * MIB, "node allocatable"),
        ({}, "1Gi", None, 1024 * MIB, "pod memory limit"),
        ({}, "1Gi", 512 * MIB, 512 * MIB, "node allocatable"),
        ({}, None, None, None, "node allocatable"),
        # the kubelet takes 0 for none
        ({"sizeLimit": "0"}, "1Gi", None, 1024 * MIB, "pod memory limit"),
    ],
)
def test_the_least_of_what_bounds_a_volume_of_medium_memory_is_its_size(
    directory: dict[str, str], limit: str | None, allocatable: int | None, size: int | None, bound: str
) -> None:
    folder = on_dev_shm({"emptyDir": {"medium": "Memory", **directory}}, limit, allocatable)
    assert (folder.backing, folder.size_bytes, folder.bound) == (Backing.MEMORY, size, bound)


@pytest.mark.parametrize(
    ("volume", "backing"),
    [
        ({"emptyDir": {}}, Backing.DISK),
        ({"emptyDir": {"medium": ""}}, Backing.DISK),
        ({"emptyDir": {"medium": "HugePages-2Mi"}}, Backing.HUGE_PAGES),
        ({"hostPath": {"path": "/dev/shm"}}, Backing.HOST),
        ({"persistentVolumeClaim": {"claimName": "a"}}, Backing.OTHER),
    ],
)
def test_other_volumes_are_what_they_are(volume: dict[str, t.Any], backing: Backing) -> None:
    assert on_dev_shm(volume).backing is backing


@pytest.mark.parametrize(
    ("mounts", "volume"),
    [
        ([{"name": "dshm", "mountPath": "/dev/shm/"}], "dshm"),
        ([{"name": "dshm", "mountPath": "/dev/shm/cache"}], ""),
        ([{"name": "dshm", "mountPath": "/dev"}], ""),
        ([{"name": "dshm", "mountPath": "/dev/shmem"}], ""),
    ],
)
def test_only_a_mount_on_dev_shm_itself_counts(mounts: list[dict[str, str]], volume: str) -> None:
    one = pod({"volumeMounts": mounts}, volumes=[{"name": "dshm", "emptyDir": {"medium": "Memory"}}])
    assert one.containers[0].dev_shm.volume == volume


def test_folders_of_one_volume_are_different_folders() -> None:
    volumes = [{"name": "dshm", "emptyDir": {"medium": "Memory"}}]
    one = pod({"volumeMounts": [{**SHM, "subPath": "a"}]}, {"volumeMounts": [{**SHM, "subPath": "b"}]}, volumes=volumes)
    first, second = one.containers
    assert first.dev_shm.identity != second.dev_shm.identity


def test_any_folder_can_be_looked_at() -> None:
    volumes = [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]
    one = pod({"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}, volumes=volumes)
    container = one.containers[0]
    assert one.folder(container, "/tmp/ray").size_bytes == MIB
    assert one.folder(container, "/var").backing is Backing.IMAGE
    assert one.folder(container, "/dev/shm/ray").backing is Backing.DEFAULT


def test_the_user_of_a_container_is_its_own_or_the_pods() -> None:
    one = pod({"securityContext": {"runAsUser": 0}}, {}, securityContext={"runAsUser": 5})
    assert [each.user for each in one.containers] == [0, 5]


def test_an_init_container_that_stays_is_a_sidecar() -> None:
    inits = [{"name": "a", "image": "i"}, {"name": "b", "image": "i", "restartPolicy": "Always"}]
    one = pod({}, initContainers=inits)
    assert [(each.name, each.starts, each.runs) for each in one.containers] == [
        ("a", "init", False),
        ("b", "sidecar", True),
        ("c0", "main", True),
    ]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"containers": []}, "spec.containers is empty"),
        ({"containers": {}}, "spec.containers is no list"),
        ({"containers": ["a"]}, "spec.containers[0] is no mapping"),
        ({"containers": [{"image": "i"}]}, "spec.containers[0] has no name"),
        ({"containers": [{"name": "a"}], "volumes": [{}]}, "spec.volumes[0] has no name"),
        ({"containers": [{"name": "a", "resources": {"limits": {"memory": "lots"}}}]}, "not a quantity"),
        ({"containers": [{"name": "a", "resources": {"limits": {"memory": "-1Gi"}}}]}, "memory is negative: -1Gi"),
        ({"containers": [{"name": "a", "volumeMounts": [SHM]}]}, "the volume dshm is mounted on /dev/shm"),
        ({"containers": [{"name": "a", "volumeMounts": [{"name": "b"}]}]}, "volumeMounts[0] has no mountPath"),
        ({"containers": [{"name": "a", "volumeMounts": [{**SHM, "subPath": 1}]}]}, "volumeMounts[0] has no subPath"),
        ({"containers": [{"name": "a", "resources": {"limits": {"memory": "1e999999999"}}}]}, "not a quantity"),
        ({"containers": [{"name": "a", "securityContext": {"runAsUser": "x"}}]}, "runAsUser is no whole number"),
        ({"containers": [{"name": "a", "securityContext": []}]}, "securityContext is no mapping"),
    ],
)
def test_what_is_no_spec_is_named(spec: dict[str, t.Any], words: str) -> None:
    with pytest.raises(SpecError) as error:
        shape({}, spec)
    assert words in str(error.value)


def test_a_limit_that_is_null_is_none() -> None:
    """As a chart unsets it."""
    one = {"name": "a", "image": "i", "resources": {"limits": {"memory": None}}}
    seen = shape({}, {"containers": [one], "overhead": {"memory": None}})
    assert (seen.memory_limit, seen.main.memory_limit) == (None, None)


def test_a_path_is_what_it_is_without_slashes_too_many() -> None:
    for path in ("//dev/shm", "/dev/shm/", "/dev//shm/."):
        one = pod({"volumeMounts": [{"name": "dshm", "mountPath": path}]}, volumes=[{"name": "dshm", "emptyDir": None}])
        assert (one.main.dev_shm.backing.value, one.main.dev_shm.volume) == ("disk", "dshm")
