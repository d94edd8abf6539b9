# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chromium 153, whose pages crash at 64 MiB, and the release that Debian has, which takes nothing of /dev/shm."""

from __future__ import annotations

from shapes import FILES, Came, Container, Entry, Shape
from trees import NODE, Parts

_OLD = f"/{NODE}/node_modules/@sparticuz/chromium/bin/chromium"
_NEW = "/usr/lib/chromium/chromium"
_FLAG = "--disable-dev-shm-usage"


def _browser(tag: str, program: str, *flags: str) -> tuple[Container, ...]:
    argv = ("node", f"{FILES}/chromium.js", program, f"{FILES}/canvases.html", *flags)
    return (Container("browser", f"docker.io/zenika/alpine-chrome:{tag}", argv, memory="2Gi"),)


ENTRY = Entry(
    "chromium",
    Parts(debian=("chromium", "nodejs"), npm=("@sparticuz/chromium@153.0.0", "puppeteer-core@24.1.0")),
    (
        Shape("153, 64Mi", Came.FAILS, _browser("153", _OLD), frozenset({"SHM701 FAIL"}), sign="SHM724 Chromium"),
        Shape("153, mended", Came.WORKS, mends="153, 64Mi"),
        Shape("153 with the flag, 64Mi", Came.DEGRADED, _browser("153", _OLD, _FLAG), frozenset({"SHM715 WARN"})),
        Shape("newer, 64Mi", Came.WORKS, _browser("{version}", _NEW)),
    ),
    works=r"the page is there in \S*Chrome/",
    fails="Page crashed",
    degraded=r"shares memory in .*/tmp",
    version_of="chromium",
    etc=("fonts",),
    seconds=240,
)
