# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What changes devices by the device mapper (LVM, cryptsetup), and waits for udev, which runs on the node."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Marks,
    Need,
    Program,
    Uses,
    runs,
)

PROGRAM: t.Final = Program(
    name="device_mapper",
    title="LVM or cryptsetup",
    marks=Marks(command=runs("cryptsetup|dmsetup|ceph-volume|lvmd|(vg|lv|pv)(create|change|extend|remove)")),
    needs=(Need(Uses.SYSV_SEM, "a semaphore by which udev of the node says that a device is there"),),
    is_library=True,
    across_pods=True,
    sources=(
        "https://github.com/rook/rook/blob/master/pkg/operator/ceph/cluster/osd/spec.go",
        "https://github.com/rook/rook/blob/master/pkg/operator/ceph/cluster/osd/key_rotation.go",
    ),
)
