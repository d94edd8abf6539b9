# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""X servers, and what shows their screens: MIT-SHM is System V shared memory of clients in other containers."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Less,
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
    Workaround,
    runs,
)

_SCREEN: t.Final = Need(Uses.DEV_SHM, "what applications on its screen share")

_X11: t.Final = Program(
    name="x11",
    title="X11",
    marks=Marks(
        images=r"xvfb|xpra|x11vnc|(tiger|turbo)vnc(-server)?|webtop|xrdp|x11docker.*|docker-headless-vnc-container",
        unless=r".*(exporter|operator|client).*",
        # with a & it is beside another program
        command=runs(r"Xvfb(?![^\n]*&)|Xvnc|Xtigervnc|Xorg|Xdummy|Xephyr|xpra|x11vnc|vncserver"),
    ),
    needs=(
        Need(
            Uses.SYSV_SHM,
            "windows and images",
            less=Less.DEGRADES,
            symptom="clients send images over the socket, or fail (BadAccess)",
            across=True,
        ),
        _SCREEN,
    ),
    one_user=True,
    workarounds=(
        Workaround(
            r"QT_X11_NO_MITSHM=1|--no-xshm|-extension MIT-SHM|sun\.java2d\.xrender.*false|J2D_USE_MITSHM=false",
            "MIT-SHM is switched off",
            "each image goes over the socket, which is slower",
            "have server and clients in one pod with one runAsUser, and remove the setting",
        ),
    ),
    signs=(
        Sign(
            r"BadAccess.*(MIT-SHM|X_ShmAttach)|X_ShmAttach|BadShmSeg|X_ShmPutImage|(request_code|Major opcode.*) ?130 ?\(MIT-SHM\)",
            Sure.CERTAIN,
            "client and server are in different pods, or have different users",
            "have both in one pod with one runAsUser, or set QT_X11_NO_MITSHM=1",
            ("SHM101", "SHM105", "SHM106"),
        ),
        Sign(
            r"x11perf.*failed to attach shared memory|^failed to attach shared memory",
            Sure.LIKELY,
            "client and server are in different pods, or have different users",
            "have both in one pod with one runAsUser",
            ("SHM101", "SHM106"),
        ),
        Sign(
            r"shmget failed: error 28",
            Sure.CERTAIN,
            "kernel.shmmni or shmall of the pod is too small, or segments were leaked",
            "set the sysctl in the securityContext of the pod",
            ("SHM601",),
        ),
    ),
    sources=(
        "https://gitlab.freedesktop.org/xorg/xserver/-/blob/master/Xext/shm.c",
        "measured: Xvfb with x11perf, 640,000 images a second in one IPC namespace, none from another",
        "measured: Xvfb and Xtigervnc with screens of 144 and 256 MB take nothing of /dev/shm",
    ),
)

_AROUND: t.Final = Program(
    name="xvfb_run",
    title="Xvfb for one program",
    marks=Marks(command=runs("xvfb-run") + r"|\bXvfb\b[^\n]*&"),
    needs=(Need(Uses.SYSV_SHM, "windows and images"), _SCREEN),
    is_library=True,
    sources=("measured: Xvfb with screens of 144 and 256 MB takes nothing of /dev/shm",),
)

PROGRAMS: t.Final = (_X11, _AROUND)
