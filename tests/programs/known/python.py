# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python's multiprocessing, with the Python that the node has."""

from __future__ import annotations

from shapes import Came, Container, Entry, Shape
from trees import Parts


def _python(code: str) -> tuple[Container, ...]:
    return (Container("app", "docker.io/library/python:3.11", ("/usr/bin/python3", "-c", code)),)


_SHARED = (
    "from multiprocessing import shared_memory as m; s=m.SharedMemory(create=True,size=100<<20); "
    "s.buf[:]=bytes(100<<20); s.close(); s.unlink(); print('wrote it')"
)
_ARRAY = "import multiprocessing as m; a=m.RawArray('b',100<<20); a[(100<<20)-1]=1; print('wrote it')"

ENTRY = Entry(
    "python",
    Parts(),
    (
        Shape("64Mi", Came.FAILS, _python(_SHARED), frozenset({"SHM701 FAIL"}), sign="SHM721"),
        Shape("64Mi, mended", Came.WORKS, mends="64Mi"),
        # it sees that there is too little, and takes a file in /tmp
        Shape("Array", Came.WORKS, _python(_ARRAY)),
    ),
    works="wrote it",
    fails="Bus error|Errno 28",
)
