# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JVM with its heap in /dev/shm, and with ZGC, which has it in a memfd."""

from __future__ import annotations

from known import aeron
from shapes import Came, Container, Entry, Shape


def _java(*options: str) -> tuple[Container, ...]:
    argv = ("java", *options, "-Xms256m", "-Xmx256m", "-XX:+AlwaysPreTouch", "-version")
    return (Container("app", "docker.io/library/eclipse-temurin:17", argv),)


ENTRY = Entry(
    "jvm",
    aeron.ENTRY.parts,
    (
        Shape(
            "heap in /dev/shm, 64Mi",
            Came.FAILS,
            _java("-XX:AllocateHeapAt=/dev/shm"),
            frozenset({"SHM701 FAIL"}),
            sign="SHM724 Java",
        ),
        Shape("heap in /dev/shm, mended", Came.WORKS, mends="heap in /dev/shm, 64Mi"),
        Shape("ZGC, 64Mi", Came.WORKS, _java("-XX:+UseZGC")),
    ),
    works="OpenJDK 64-Bit Server VM",
    fails=r"Error in mapping Java heap|error\(28\)",
    etc=("java-17-openjdk",),
)
