# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""MPICH and Intel MPI. As with Open MPI, windows are what fills /dev/shm."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
    Workaround,
    runs,
)

PROGRAM: t.Final = Program(
    name="mpich",
    title="MPICH or Intel MPI",
    marks=Marks(
        images=r"mpich(-.*)?|mvapich2?(-.*)?|intel-?mpi(-.*)?",
        unless=r".*(operator|exporter|controller).*",
        command=runs(
            r"mpiexec(\.hydra)?(?!.*\s(--mca|--oversubscribe|--allow-run-as-root)\b)|mpirun(?=.*\s-(genv|ppn|bootstrap|hosts)\s)"
            r"|hydra_pmi_proxy"
        ),
        own_env=r"MPIR_CVAR_.*|I_MPI_.*|HYDRA_.*",
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "messages and windows of ranks of one pod",
            symptom="ranks die by SIGBUS (exit code 7)",
        ),
    ),
    is_library=True,
    workarounds=(
        Workaround(
            r"MPIR_CVAR_NOLOCAL=1|I_MPI_SHM=off|I_MPI_FABRICS=ofi",
            "shared memory between ranks is switched off",
            "ranks of one pod talk over the network, which is slower",
            "mount an emptyDir of medium Memory on /dev/shm, and remove the setting",
        ),
    ),
    signs=(
        Sign(
            r"EXIT STRING: Bus error \(signal 7\)|EXIT CODE: 7\b",
            Sure.LIKELY,
            "a rank died by SIGBUS: /dev/shm has no room for its window",
            "mount an emptyDir of medium Memory on /dev/shm that holds the windows of all ranks, or set MPIR_CVAR_NOLOCAL=1",
            ("SHM309",),
        ),
    ),
    sources=(
        "https://github.com/pmodels/mpich/blob/main/doc/wiki/faq/Frequently_Asked_Questions.md",
        "measured: 5.0.2, two windows of 50 MiB end with code 7 at 64 MiB, and work at 512",
    ),
)
