# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apache httpd, with System V semaphores as its mutex and without, where the pod has none."""

from __future__ import annotations

from shapes import FILES, Came, Container, Entry, Shape
from trees import Parts

#: The fourth: how many sets there may be.
_NONE = (("kernel.sem", "250 32000 32 0"),)


def _server(*options: str) -> tuple[Container, ...]:
    argv = ("timeout", "5", "apache2", "-DFOREGROUND", "-f", f"{FILES}/apache.conf", *options)
    return (Container("web", "docker.io/library/httpd:{version}", argv),)


_SYSVSEM = _server("-c", "Mutex sysvsem default")

ENTRY = Entry(
    "apache",
    Parts(debian=("apache2-bin",)),
    (
        Shape(
            "sysvsem, no semaphores",
            Came.FAILS,
            _SYSVSEM,
            frozenset({"SHM708 FAIL", "SHM709 WARN"}),
            sysctls=_NONE,
            sign="SHM724 Apache httpd",
        ),
        Shape("sysvsem", Came.WORKS, _SYSVSEM),
        Shape("default, no semaphores", Came.WORKS, _server(), frozenset({"SHM709 WARN"}), sysctls=_NONE),
    ),
    works="resuming normal operations",
    fails="AH00023: Couldn't create",
    ends=frozenset({124, 143}),
    version_of="apache2-bin",
)
