# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of X11 that shares an image with the server, with the mode that Qt and GTK have: 0600."""

from __future__ import annotations

import ctypes
import sys

IPC_PRIVATE, IPC_CREAT, IPC_RMID, Z_PIXMAP = 0, 0o1000, 0, 2
WIDTH, HEIGHT = 640, 480


class Segment(ctypes.Structure):
    """XShmSegmentInfo."""

    _fields_ = (
        ("shmseg", ctypes.c_ulong),
        ("shmid", ctypes.c_int),
        ("shmaddr", ctypes.c_void_p),
        ("readOnly", ctypes.c_int),
    )


x11, xext, libc = (ctypes.CDLL(name, use_errno=True) for name in ("libX11.so.6", "libXext.so.6", None))
for function in (x11.XOpenDisplay, x11.XDefaultVisual, xext.XShmCreateImage, libc.shmat):
    function.restype = ctypes.c_void_p
x11.XDefaultRootWindow.restype = ctypes.c_ulong
x11.XCreateGC.restype = ctypes.c_void_p
libc.shmat.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)

display = ctypes.c_void_p(x11.XOpenDisplay(None))
if not display:
    sys.exit("no display")
if not xext.XShmQueryExtension(display):
    print("the server has no MIT-SHM: images go over the socket")
    sys.exit()
shmid = libc.shmget(IPC_PRIVATE, WIDTH * HEIGHT * 4, IPC_CREAT | 0o600)
segment = Segment(0, shmid, libc.shmat(shmid, None, 0), 0)
xext.XShmAttach(display, ctypes.byref(segment))
# an error comes now, and ends the process
x11.XSync(display, 0)
libc.shmctl(shmid, IPC_RMID, None)
visual = ctypes.c_void_p(x11.XDefaultVisual(display, 0))
image = ctypes.c_void_p(
    xext.XShmCreateImage(
        display, visual, 24, Z_PIXMAP, ctypes.c_void_p(segment.shmaddr), ctypes.byref(segment), WIDTH, HEIGHT
    )
)
window = ctypes.c_ulong(x11.XDefaultRootWindow(display))
gc = ctypes.c_void_p(x11.XCreateGC(display, window, ctypes.c_ulong(0), None))
ctypes.memset(segment.shmaddr, 0x5A, WIDTH * HEIGHT * 4)
xext.XShmPutImage(display, window, gc, image, 0, 0, 0, 0, WIDTH, HEIGHT, 0)
x11.XSync(display, 0)
# the server writes what it has now into the segment, over the one byte that says so
ctypes.memset(segment.shmaddr, 0, WIDTH * HEIGHT * 4)
xext.XShmGetImage(display, window, image, 0, 0, ctypes.c_ulong(0xFFFFFF))
got = ctypes.string_at(segment.shmaddr, 4)
print("the server has the image" if got[:3] == b"\x5a\x5a\x5a" else f"the server has something else: {got!r}")
