# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open MPI with a window of shared memory, whose size only its program knows: the pod says it."""

from __future__ import annotations

from shapes import FILES, Came, Container, Entry, Shape
from trees import Parts

_SAID = (("podshm.abcdesktop.io/needs", "posix_shm=128Mi"),)


def _ranks(count: int, file: str) -> tuple[Container, ...]:
    # it does not end by itself after the error
    argv = ("timeout", "40", "mpirun", "--oversubscribe", "-np", str(count), "/usr/bin/python3", f"{FILES}/{file}")
    # what Debian has as an alternative
    env = (("LD_LIBRARY_PATH", "/usr/lib/x86_64-linux-gnu/blas:/usr/lib/x86_64-linux-gnu/lapack"),)
    return (Container("job", "docker.io/library/job:1", argv, env, memory="1Gi"),)


ENTRY = Entry(
    "openmpi",
    Parts(debian=("openmpi-bin", "python3-mpi4py", "python3-numpy"), links=(("usr/bin/mpirun", "mpirun.openmpi"),)),
    (
        Shape(
            "window, 64Mi",
            Came.FAILS,
            _ranks(2, "window.py"),
            frozenset({"SHM701 FAIL"}),
            annotations=_SAID,
            sign="SHM724 Open MPI",
        ),
        Shape("window, mended", Came.WORKS, mends="window, 64Mi"),
        Shape("messages, 64Mi", Came.WORKS, _ranks(8, "messages.py")),
    ),
    works="it is done",
    fails="there is not enough space for /dev/shm/",
    etc=("openmpi",),
)
