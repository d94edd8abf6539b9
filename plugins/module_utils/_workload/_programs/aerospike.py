# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Aerospike Enterprise, whose primary index is in System V segments that outlive a restart of the server."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
    runs,
)

PROGRAM: t.Final = Program(
    name="aerospike",
    title="Aerospike",
    marks=Marks(
        images=r"aerospike-server(-(enterprise|federal|community))?",
        unless=r".*(exporter|operator|tools|init|client).*",
        command=runs("asd"),
        unless_command=r"(^|[\s/])(asadm|asbackup|asrestore|asinfo)\b",
        ports=(3000, 3001),
        env=r"AEROSPIKE_.*",
    ),
    needs=(Need(Uses.SYSV_SHM, "its primary index"),),
    signs=(
        Sign(
            r"You can increase shared memory size by: sysctl -w kernel\.shm(max|all)",
            Sure.CERTAIN,
            "kernel.shmmax or shmall of the pod is too small",
            "set the sysctl in the securityContext of the pod",
            ("SHM601",),
        ),
    ),
    sources=("https://github.com/aerospike/aerospike-server",),
)
