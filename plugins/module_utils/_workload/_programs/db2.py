# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""IBM Db2."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Knob,
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
    runs,
)

PROGRAM: t.Final = Program(
    name="db2",
    title="Db2",
    marks=Marks(
        images=r"db2(_community|_ee|wh)?|db2u(\.(instdb|db2u))?|s11\..*db2u",
        unless=r".*(exporter|operator|client|rest|console|tools).*",
        command=runs("db2start") + r"|/var/db2_setup/lib/setup_db2_instance\.sh",
        unless_command=r"(^|[\s/])db2 (connect|export|import|backup)\b",
        env=r"DB2INSTANCE|DB2INST1_PASSWORD",
        ports=(50000, 25000),
        labels=("formation_id",),
        containers="db2u",
    ),
    needs=(
        Need(Uses.SYSV_SHM, "buffers and locks"),
        Need(Uses.SYSV_SEM, "agents"),
        Need(Uses.SYSV_MSG, "agents"),
    ),
    # for 4 GiB; msgmax and msgmnb are left out: it wants 65536, a pod has 8192 and 16384, and db2u raises them itself
    sysctls={"kernel.shmmni": (1024,), "kernel.sem": (250, 256000, 32, 1024)},
    knobs=(
        Knob(
            "Db2 operator",
            "the ConfigMap db2u-product-cm decides whether its init container sets the sysctls (DB2U_RUN_WITH_LIMITED_PRIVS)",
            ("formation_id",),
            ("Db2uCluster", "Db2uInstance"),
        ),
    ),
    signs=(
        Sign(
            r"SQL1220N|SQL1042C.*shm|SQL1084C",
            Sure.LIKELY,
            "kernel.shmmax, shmall or shmmni of the pod is too small, or its memory limit",
            "set the sysctls in the securityContext of the pod; db2diag.log names the call",
            ("SHM601",),
        ),
    ),
    sources=("https://www.ibm.com/docs/en/db2/11.5?topic=unix-kernel-parameter-requirements-linux",),
)
