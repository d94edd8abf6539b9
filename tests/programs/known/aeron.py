# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Aeron on the JVM: by IPC, where it is refused, and by UDP, where it fails without a word."""

from __future__ import annotations

from shapes import FILES, Came, Container, Entry, Shape
from trees import JARS, Parts

_VERSION = "1.44.1"
_JAR = f"/{JARS}/aeron-all-{_VERSION}.jar"
_OPENS = (
    "--add-opens",
    "java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens",
    "java.base/jdk.internal.misc=ALL-UNNAMED",
)


def _java(channel: str, *options: str) -> tuple[Container, ...]:
    argv = ("java", "-XX:+UseSerialGC", *_OPENS, *options, "-cp", _JAR, f"{FILES}/Aeron.java", channel)
    return (Container("app", "docker.io/library/eclipse-temurin:17", argv, memory="1Gi"),)


_FAIL = frozenset({"SHM701 FAIL"})
_UDP = "aeron:udp?endpoint=localhost:40123"

ENTRY = Entry(
    "aeron",
    Parts(
        debian=("openjdk-17-jdk-headless",),
        maven=(f"io.aeron:aeron-all:{_VERSION}",),
        links=(("usr/bin/java", "../lib/jvm/java-17-openjdk-amd64/bin/java"),),
    ),
    (
        Shape("IPC, 64Mi", Came.FAILS, _java("aeron:ipc"), _FAIL, sign="SHM724 Aeron"),
        Shape("IPC, mended", Came.WORKS, mends="IPC, 64Mi"),
        Shape("UDP, 64Mi", Came.FAILS, _java(_UDP), _FAIL),
        Shape("UDP, mended", Came.WORKS, mends="UDP, 64Mi"),
        Shape("in /tmp", Came.WORKS, _java("aeron:ipc", "-Daeron.dir=/tmp/aeron")),
    ),
    works="ok aeron:",
    fails="insufficient usable storage|never connected",
    etc=("java-17-openjdk",),
)
