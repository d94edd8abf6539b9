# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""corosync and Pacemaker, which talk by libqb."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
    Values,
    runs,
)


def _blackbox(_values: Values) -> Amount:
    return Amount.of(("for its blackbox", 8 * MIB))


PROGRAM: t.Final = Program(
    name="corosync",
    title="corosync or Pacemaker",
    marks=Marks(
        images=r"corosync|pacemaker(-remote)?",
        unless=r".*(exporter|qnetd|qdevice|operator).*",
        command=runs("corosync|pacemakerd|pacemaker[-_]remoted?"),
        unless_command=r"(^|[\s/])(corosync-(cfgtool|quorumtool|cmapctl)|crm_mon|pcs)\b",
        ports=(5405, 3121),
        env=r"PCMK_.*",
    ),
    needs=(Need(Uses.DEV_SHM, "connections of libqb", _blackbox, symptom="connections are refused"),),
    signs=(
        Sign(
            r"/dev/shm/qb-.*No space left on device|couldn't create circular mmap|couldn't allocate file /dev/shm/qb-",
            Sure.LIKELY,
            "/dev/shm has no room for another connection",
            "mount an emptyDir of medium Memory on /dev/shm",
            ("SHM308",),
        ),
    ),
    sources=(
        "https://github.com/corosync/corosync/issues/358",
        "https://github.com/ClusterLabs/libqb/blob/main/lib/unix.c",
    ),
)
