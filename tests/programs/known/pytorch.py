# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PyTorch's DataLoader, whose workers hand over batches by /dev/shm."""

from __future__ import annotations

from shapes import FILES, Came, Container, Entry, Shape
from trees import Parts

_ENV = (("LD_LIBRARY_PATH", "/usr/lib/x86_64-linux-gnu/blas:/usr/lib/x86_64-linux-gnu/lapack"),)


def _train(workers: int, batch: int = 32, side: int = 224) -> tuple[Container, ...]:
    argv = ("/usr/bin/python3", f"{FILES}/loader.py", "--num-workers", str(workers), "--batch-size", str(batch))
    image = "docker.io/pytorch/pytorch:{version}"
    return (Container("train", image, (*argv, "--side", str(side)), _ENV, memory="2Gi"),)


_SIGN = "SHM724 PyTorch"

ENTRY = Entry(
    "pytorch",
    Parts(debian=("python3-torch",)),
    (
        Shape("4 workers, 64Mi", Came.FAILS, _train(4), frozenset({"SHM701 WARN"}), sign=_SIGN),
        Shape("4 workers, mended", Came.WORKS, mends="4 workers, 64Mi"),
        Shape("no workers, 64Mi", Came.WORKS, _train(0)),
        # samples of 12 MiB, of which the pod shows nothing
        Shape(
            "large samples, 64Mi",
            Came.FAILS,
            _train(2, 8, 1024),
            frozenset({"SHM701 WARN"}),
            sign=_SIGN,
        ),
        Shape("large samples, mended", Came.WORKS, mends="large samples, 64Mi"),
    ),
    works="it is done",
    fails="Bus error|bus error|unable to allocate shared memory",
    version_of="python3-torch",
    seconds=300,
)
