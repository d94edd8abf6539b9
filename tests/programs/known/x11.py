# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""X11 with MIT-SHM between two containers: the client makes a System V segment, the server attaches it."""

from __future__ import annotations

from shapes import FILES, Came, Container, Entry, Shape
from trees import Parts

#: Of its client, which nothing shows: its program is any.
_SAID = (("podshm.abcdesktop.io/program.client", "x11"),)


def _pod(client_user: int = 65534, *options: str) -> tuple[Container, ...]:
    client = ("sh", f"{FILES}/x11.sh", "/usr/bin/python3", f"{FILES}/x11.py")
    server = ("Xvfb", ":7", "-screen", "0", "800x600x24", "-nolisten", "tcp", "-ac", *options)
    return (
        Container("client", "docker.io/library/desktop:1", client, (("DISPLAY", ":7"),), user=client_user),
        Container("server", "docker.io/library/xvfb:1", server),
    )


_SOCKET = ("/tmp/.X11-unix",)

ENTRY = Entry(
    "x11",
    Parts(debian=("xvfb", "x11-apps", "python3", "libxext6", "libx11-6")),
    (
        Shape("one user", Came.WORKS, _pod(), annotations=_SAID, shared=_SOCKET),
        Shape(
            "two users",
            Came.FAILS,
            _pod(1001),
            frozenset({"SHM713 WARN"}),
            annotations=_SAID,
            shared=_SOCKET,
        ),
        Shape(
            "without MIT-SHM",
            Came.DEGRADED,
            _pod(65534, "-extension", "MIT-SHM"),
            frozenset({"SHM715 WARN"}),
            annotations=_SAID,
            shared=_SOCKET,
        ),
    ),
    works="the server has the image",
    fails="BadAccess|X_ShmAttach",
    degraded="no MIT-SHM",
)
