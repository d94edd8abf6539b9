# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""MPICH with a window of shared memory, whose size only its program knows: the pod says it."""

from __future__ import annotations

from shapes import FILES, Came, Container, Entry, Shape
from trees import PYTHON, Parts

_SAID = (("podshm.abcdesktop.io/needs", "posix_shm=128Mi"),)


def _ranks(file: str) -> tuple[Container, ...]:
    argv = ("mpiexec", "-n", "2", "/usr/bin/python3", f"{FILES}/{file}")
    env = (("LD_LIBRARY_PATH", f"/{PYTHON}/lib"),)
    return (Container("job", "docker.io/library/job:1", argv, env),)


ENTRY = Entry(
    "mpich",
    Parts(debian=("python3", "libstdc++6"), pypi=("mpich==5.0.2", "mpi4py==4.1.2", "numpy==2.4.6")),
    (
        Shape(
            "window, 64Mi",
            Came.FAILS,
            _ranks("window.py"),
            frozenset({"SHM701 FAIL"}),
            annotations=_SAID,
            sign="SHM724 MPICH or Intel MPI",
        ),
        Shape("window, mended", Came.WORKS, mends="window, 64Mi"),
        Shape("messages, 64Mi", Came.WORKS, _ranks("messages.py")),
    ),
    works="it is done",
    fails=r"EXIT STRING: Bus error",
)
