# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""IBM Informix. Its sizes are not known well enough for a verdict: only what it shares memory by."""

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
    name="informix",
    title="Informix",
    marks=Marks(
        images=r"(ibm-)?informix(-(developer|server|innovator).*)?",
        unless=r".*(exporter|client|operator|hq|sdk).*",
        command=runs("oninit"),
        env=r"INFORMIXSERVER|ONCONFIG",
        ports=(9088, 9089),
    ),
    needs=(
        Need(Uses.SYSV_SHM, "its resident, virtual and message segments"),
        Need(Uses.SYSV_SEM, "virtual processors"),
    ),
    signs=(
        Sign(
            r"oninit: Fatal error in shared memory|shmget: \[\w+\]\[\d+\]: key .*shared memory creation",
            Sure.LIKELY,
            "kernel.shmmax, shmall or shmmni of the pod is too small, or its memory limit",
            "set the sysctl in the securityContext of the pod",
            ("SHM601",),
        ),
    ),
    sources=("general knowledge; not measured",),
)
