# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""QEMU, where the memory of its guest is a file in /dev/shm."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Marks,
    Need,
    Program,
    Setting,
    Sign,
    Sure,
    Uses,
    Values,
    bytes_in,
    flag,
    runs,
)


def _guest(values: Values) -> Amount | None:
    size = values["size"]
    return Amount.of(("for the memory of its guest", size)) if size else None


PROGRAM: t.Final = Program(
    name="qemu",
    title="QEMU",
    marks=Marks(
        images=r"qemu(-(kvm|system.*))?",
        unless=r".*(user-static|exporter|binfmt|operator|agent|img).*",
        command=runs(r"qemu-system-\w+|qemu-kvm"),
        unless_command=r"(^|[\s/])qemu-(img|nbd|io)\b",
    ),
    settings=(
        Setting("in_dev_shm", 0, r"mem-path=(/dev/shm)\b", read=flag),
        Setting("size", 0, r"memory-backend-file,\S*?\bsize=(\d+[kKmMgG]?)", read=bytes_in(MIB)),
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "the memory of its guest (mem-path=/dev/shm)",
            _guest,
            symptom="it does not start, or its guest dies (Bad address)",
            when=lambda values: bool(values["in_dev_shm"]),
        ),
        Need(Uses.MEMFD, "the memory of its guest", when=lambda values: not values["in_dev_shm"]),
    ),
    signs=(
        Sign(
            r"unable to map backing store for guest RAM|os_mem_prealloc: Insufficient free host memory pages",
            Sure.LIKELY,
            "/dev/shm is smaller than the memory of the guest",
            "use memory-backend-memfd, or mount an emptyDir of medium Memory on /dev/shm that holds it",
            ("SHM301", "SHM605"),
        ),
        Sign(
            r"kvm run failed Bad address|kvm: bad address",
            Sure.LIKELY,
            "/dev/shm is full: that of the pod with mem-path=/dev/shm, that of the node with Kata Containers",
            "use memory-backend-memfd, or mount an emptyDir of medium Memory on /dev/shm that holds the guest",
            ("SHM309",),
        ),
    ),
    sources=("https://github.com/kata-containers/kata-containers/issues/12919",),
)
