# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Ray, alone and by KubeRay."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Knob,
    Less,
    Marks,
    Need,
    Program,
    Setting,
    Sign,
    Sure,
    Uses,
    Values,
    Workaround,
    flag,
    option,
    runs,
)

_GB: t.Final = 1000**3
#: What a store takes at least, and above which it does not start where /dev/shm is smaller.
_LEAST: t.Final = 75 * MIB
_REFUSES: t.Final = 10 * _GB


def _store(values: Values) -> Amount | None:
    """Its objects: 30 % of memory, and no more than 10 GB where /dev/shm has less."""
    given = values["object_store_memory"]
    if given:
        return Amount.of(("for its object store (object_store_memory)", given + 1))
    if values.memory_bytes is None:
        return None
    share = min(_REFUSES, max(_LEAST, values.memory_bytes * 30 // 100))
    return Amount.of(("for its object store (30 % of the memory limit)", share + 1))


def _in_dev_shm(values: Values) -> bool:
    return not values["plasma_directory_elsewhere"]


def _refuses(values: Values) -> bool:
    return values["object_store_memory"] > _REFUSES and not values["allow_slow_storage"]


PROGRAM: t.Final = Program(
    name="ray",
    title="Ray",
    marks=Marks(
        images=r"ray(-(ml|llm))?",
        unless=r".*(operator|apiserver|exporter|dashboard).*",
        command=runs("ray start"),
        unless_command=r"(^|[\s/])ray (job|submit|status|list|summary)\b",
        env=r"RAY_.*",
        ports=(6379, 8265, 10001),
        labels=("ray.io/node-type",),
        containers="ray-head|ray-worker|ray-.*|head|worker",
        version=r"^(\d+)\.(\d+)",
    ),
    settings=(
        Setting("object_store_memory", 0, option("--object-store-memory")),
        Setting(
            "plasma_directory_elsewhere",
            0,
            option("--plasma-directory"),
            read=lambda text: int(not text.startswith("/dev/shm")),
        ),
        Setting("allow_slow_storage", 0, env=("RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE",), read=flag),
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "its object store",
            _store,
            less=Less.DEGRADES,
            symptom="it has its objects in /tmp/ray, on the disk",
            when=lambda values: _in_dev_shm(values) and not _refuses(values),
        ),
        Need(
            Uses.DEV_SHM,
            "its object store",
            _store,
            symptom="it does not start (The configured object store size exceeds /dev/shm size)",
            when=lambda values: _in_dev_shm(values) and _refuses(values),
        ),
    ),
    knobs=(
        Knob(
            "KubeRay",
            "it mounts a volume as large as the container's memory request, else its limit: set resources in the group's "
            "template, or mount a volume of your own on /dev/shm there",
            ("ray.io/node-type",),
            ("RayCluster", "RayJob", "RayService"),
            mounts=True,
        ),
    ),
    workarounds=(
        Workaround(
            r"RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE=1",
            "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE=1",
            "it has its objects in /tmp/ray, on the disk",
            "mount an emptyDir of medium Memory on /dev/shm that is larger than object_store_memory",
        ),
    ),
    signs=(
        Sign(
            r"The object store is using /tmp\S* instead of /dev/shm because /dev/shm has only \d+ bytes available",
            Sure.CERTAIN,
            "/dev/shm is smaller than its object store: its objects are on the disk",
            "mount an emptyDir of medium Memory on /dev/shm that is larger than object_store_memory",
            ("SHM301",),
        ),
        Sign(
            r"The configured object store size .*exceeds /dev/shm size",
            Sure.CERTAIN,
            "/dev/shm is smaller than its object store",
            "mount an emptyDir of medium Memory on /dev/shm that is larger than object_store_memory",
            ("SHM301",),
        ),
        Sign(
            r"System memory request exceeds memory available in /dev/shm(\. The request is for (?P<bytes>\d+) bytes)?",
            Sure.CERTAIN,
            "/dev/shm is smaller than its object store",
            "mount an emptyDir of medium Memory on /dev/shm that is larger than object_store_memory",
            ("SHM301",),
        ),
    ),
    sources=(
        "https://github.com/ray-project/ray/blob/master/python/ray/_private/services.py",
        "https://github.com/ray-project/kuberay/blob/master/ray-operator/controllers/ray/common/pod.go",
        "measured: 2.60.0 takes /tmp/ray at 64 MiB, and refuses a store of 12 GB",
    ),
)
