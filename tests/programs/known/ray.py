# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ray: degraded where its object store does not fit, and refused where that store is large."""

from __future__ import annotations

from shapes import FILES, Came, Container, Entry, Shape
from trees import Parts

_VERSION = "2.60.0"


def _head(store: int, memory: str = "3Gi") -> tuple[Container, ...]:
    argv = ("sh", f"{FILES}/ray.sh", "ray", "start", "--head", "--num-cpus=1", "--include-dashboard=false")
    options = ("--disable-usage-stats", f"--object-store-memory={store}")
    image = f"docker.io/rayproject/ray:{_VERSION}"
    return (Container("ray", image, (*argv, *options), memory=memory),)


_STORE = 150_000_000

ENTRY = Entry(
    "ray",
    Parts(debian=("python3", "libstdc++6", "procps"), pypi=(f"ray=={_VERSION}", "numpy==2.4.6")),
    (
        Shape("150 MB, 64Mi", Came.DEGRADED, _head(_STORE), frozenset({"SHM701 WARN"})),
        Shape("150 MB, mended", Came.WORKS, mends="150 MB, 64Mi"),
        Shape("12 GB, 64Mi", Came.FAILS, _head(12_000_000_000, "16Gi"), frozenset({"SHM701 FAIL"}), sign="SHM724 Ray"),
    ),
    works=r"its objects are in /dev/shm",
    degraded=r"its objects are in /tmp",
    fails="The configured object store size .*exceeds /dev/shm size",
    seconds=300,
)
