# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""prometheus_client with its folder on /dev/shm: few metrics in many processes, and many labels in one."""

from __future__ import annotations

from shapes import FILES, Came, Container, Entry, Shape
from trees import Parts

_ENV = (("PROMETHEUS_MULTIPROC_DIR", "/dev/shm/metrics"),)


def _web(workers: int, labels: int) -> tuple[Container, ...]:
    argv = ("/usr/bin/python3", f"{FILES}/prometheus.py", "--workers", str(workers), "--labels", str(labels))
    return (Container("web", "docker.io/library/web:1", argv, _ENV),)


ENTRY = Entry(
    "prometheus_client",
    Parts(debian=("python3",), pypi=("prometheus-client==0.26.0",)),
    (
        Shape("300 processes, 64Mi", Came.WORKS, _web(300, 1), frozenset({"SHM701 WARN"}), is_idle=True),
        Shape("many labels, 64Mi", Came.FAILS, _web(60, 12000), frozenset({"SHM701 WARN"})),
        Shape("many labels, mended", Came.WORKS, mends="many labels, 64Mi"),
    ),
    works="it is done",
    fails="signal 7",
)
