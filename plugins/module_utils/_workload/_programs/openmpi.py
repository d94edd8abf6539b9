# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Open MPI. What it takes at the start is small; windows of MPI_Win_allocate_shared are what fills /dev/shm."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import KIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Knob,
    Marks,
    Need,
    Program,
    Setting,
    Sign,
    Sure,
    Uses,
    Values,
    Workaround,
    option,
    rounded_text,
    runs,
)

#: Of each rank after MPI_Init.
_RANK: t.Final = 72 * KIB


#: More ranks than a node has cores run in several pods, and a launcher has none.
_OF_ONE_POD: t.Final = 512


def _ranks(values: Values) -> Amount:
    count = min(_OF_ONE_POD, values["ranks"])
    return Amount.of((f"for ranks at the start ({count} x {rounded_text(_RANK)})", count * _RANK))


PROGRAM: t.Final = Program(
    name="openmpi",
    title="Open MPI",
    marks=Marks(
        images=r"open-?mpi(-.*)?",
        unless=r".*(operator|exporter|controller).*",
        command=runs(
            r"mpirun(?!.*\s-(genv|ppn|bootstrap|hosts)\s)|mpiexec(?=.*\s(--mca|--oversubscribe|--allow-run-as-root)\b)"
            r"|orterun|prterun|prte|orted|prted"
        ),
        own_env=r"OMPI_.*|PRTE_MCA_.*",
    ),
    settings=(Setting("ranks", 1, option("-np", "-n", "--np", "-c")),),
    needs=(
        Need(
            Uses.DEV_SHM,
            "messages and windows of ranks of one pod",
            _ranks,
            symptom="windows are refused, and the job ends or hangs",
        ),
    ),
    is_library=True,
    knobs=(
        Knob(
            "MPI operator",
            "it has no value for it: a volume in the pod template of the Worker",
            ("training.kubeflow.org/job-role",),
            ("MPIJob",),
        ),
    ),
    workarounds=(
        Workaround(
            r"(btl_(sm|vader)|osc_sm)_backing_directory[\s=]+/(?!dev/shm)",
            "backing_directory",
            "shared memory of ranks is files on the disk",
            "mount an emptyDir of medium Memory on /dev/shm, and remove the setting",
        ),
    ),
    signs=(
        Sign(
            r"there is not enough space for /dev/shm/\S+",
            Sure.CERTAIN,
            "/dev/shm has no room for a window or a segment",
            "mount an emptyDir of medium Memory on /dev/shm that holds the windows of all ranks",
            ("SHM301",),
        ),
        Sign(
            r"Space Requested: (?P<bytes>\d+) B",
            Sure.LIKELY,
            "/dev/shm has no room for a window or a segment",
            "mount an emptyDir of medium Memory on /dev/shm that holds the windows of all ranks",
            ("SHM301",),
        ),
    ),
    sources=(
        "https://github.com/open-mpi/ompi/blob/main/opal/mca/shmem/mmap/shmem_mmap_module.c",
        "measured: 4.1.4, 32 ranks take 2.3 MiB at the start; two windows of 50 MiB are refused at 64 MiB, and the job hangs",
    ),
)
