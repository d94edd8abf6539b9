# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""iceoryx' RouDi with its defaults, which is ended when it has run for some seconds, and an application of it."""

from __future__ import annotations

import dataclasses

from shapes import FILES, Came, Container, Entry, Shape
from trees import Parts

_IMAGE = "docker.io/library/iceoryx:{version}"


def _roudi(seconds: int = 5) -> Container:
    return Container("roudi", _IMAGE, ("timeout", str(seconds), "iox-roudi"))


#: It takes the whole terminal, and says what it sees there.
_APPLICATION = Container(
    "application",
    _IMAGE,
    ("sh", f"{FILES}/iceoryx.sh", "timeout", "10", "iox-introspection-client", "--process"),
    (("TERM", "xterm"),),
)


def _pod(has_volume: bool) -> tuple[Container, ...]:
    return (dataclasses.replace(_APPLICATION, has_volume=has_volume), _roudi(60))


ENTRY = Entry(
    "iceoryx",
    Parts(debian=("iceoryx", "ncurses-base")),
    (
        Shape("64Mi", Came.FAILS, (_roudi(),), frozenset({"SHM701 FAIL"}), sign="SHM724 iceoryx"),
        Shape("128Mi", Came.FAILS, (_roudi(),), frozenset({"SHM702 FAIL"}), dev_shm="128Mi", sign="SHM724 iceoryx"),
        Shape("64Mi, mended", Came.WORKS, mends="64Mi"),
        Shape("128Mi, mended", Came.WORKS, mends="128Mi"),
        Shape(
            "volume in one of two",
            Came.FAILS,
            _pod(has_volume=False),
            frozenset({"SHM703 FAIL"}),
            dev_shm="256Mi",
            shared=("/tmp",),
            sign="SHM724 iceoryx",
        ),
        Shape("volume in one of two, mended", Came.WORKS, mends="volume in one of two"),
    ),
    works="RouDi is ready for clients|the application sees RouDi",
    fails="a fatal SIGBUS signal appeared|POSH__SHM_APP_MAPP_ERR",
    ends=frozenset({124, 143}),
    version_of="iceoryx",
)
