# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL: a parallel hash join, and VACUUM of a large table with default settings."""

from __future__ import annotations

from shapes import FILES, Came, Container, Entry, Shape
from trees import Parts


def _server(statements: str, *options: str) -> tuple[Container, ...]:
    argv = ("sh", f"{FILES}/postgresql.sh", f"{FILES}/{statements}.sql", "postgres", *options)
    return (Container("db", "docker.io/library/postgres:{version}", argv, memory="2Gi"),)


_FAIL = frozenset({"SHM701 FAIL"})
_SIGN = "SHM724 PostgreSQL"
_JOIN = ("-c", "work_mem=64MB")
#: On Linux its semaphores are no System V ones.
_NO_SEMAPHORES = (("kernel.sem", "250 32000 32 0"),)

ENTRY = Entry(
    "postgresql",
    Parts(debian=("postgresql-15",)),
    (
        Shape("join, 64Mi", Came.FAILS, _server("join", *_JOIN), _FAIL, sign=_SIGN),
        Shape("join, mended", Came.WORKS, mends="join, 64Mi"),
        Shape(
            "join, min_dynamic",
            Came.WORKS,
            _server("join", *_JOIN, "-c", "min_dynamic_shared_memory=512MB"),
        ),
        Shape("vacuum, 64Mi", Came.FAILS, _server("vacuum"), _FAIL, sign=_SIGN),
        Shape("vacuum, mended", Came.WORKS, mends="vacuum, 64Mi"),
        Shape(
            "no System V semaphores",
            Came.WORKS,
            _server("serve"),
            frozenset({"SHM709 WARN"}),
            dev_shm="1Gi",
            sysctls=_NO_SEMAPHORES,
        ),
    ),
    works="it is done",
    fails="could not resize shared memory segment",
    version_of="postgresql-15",
    seconds=240,
)
