# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""iceoryx' RouDi with its defaults, which is ended when it has run for some seconds."""

from __future__ import annotations

from shapes import Came, Container, Entry, Shape
from trees import Parts


def _roudi(*options: str) -> tuple[Container, ...]:
    return (Container("roudi", "docker.io/library/iceoryx:{version}", ("timeout", "5", "iox-roudi", *options)),)


ENTRY = Entry(
    "iceoryx",
    Parts(debian=("iceoryx",)),
    (
        Shape("64Mi", Came.FAILS, _roudi(), frozenset({"SHM701 FAIL"}), sign="SHM724 iceoryx"),
        Shape("128Mi", Came.FAILS, _roudi(), frozenset({"SHM702 FAIL"}), dev_shm="128Mi", sign="SHM724 iceoryx"),
        Shape("64Mi, mended", Came.WORKS, mends="64Mi"),
        Shape("128Mi, mended", Came.WORKS, mends="128Mi"),
    ),
    works="RouDi is ready for clients",
    fails="a fatal SIGBUS signal appeared",
    ends=frozenset({124, 143}),
    version_of="iceoryx",
)
