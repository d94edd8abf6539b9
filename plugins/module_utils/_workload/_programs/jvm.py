# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Java. A virtual machine needs nothing of /dev/shm, unless its heap is put there."""

from __future__ import annotations

import collections.abc
import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Less,
    Marks,
    Need,
    Program,
    Setting,
    Sign,
    Sure,
    Uses,
    Values,
    bytes_in,
    flag,
    runs,
)


def in_text(pattern: str, read: collections.abc.Callable[[str], int]) -> collections.abc.Callable[[str], int]:
    """Reads what the one group of a pattern finds in a text, as a variable that holds many options.

    A ValueError says that the text has no such option.
    """

    def found(text: str) -> int:
        match = re.search(pattern, text)
        if not match:
            raise ValueError(f"no {pattern} in it")
        return read(match[1])

    return found


#: Variables with options of the virtual machine.
OPTIONS: t.Final = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JAVA_OPTS", "_JAVA_OPTIONS")


def java_setting(
    name: str, default: int, pattern: str, read: collections.abc.Callable[[str], int], *env: str
) -> Setting:
    """A setting among the options of the virtual machine, in the command line or in a variable.

    :param env: variables of its own, which hold nothing but the value.
    """
    among_others = in_text(pattern, read)

    def from_any(text: str) -> int:
        is_bare = env and not re.search(r"[\s$]|^-", text)
        return read(text) if is_bare else among_others(text)

    return Setting(name, default, f"((?:{pattern.replace('(', '(?:')}))", (*OPTIONS, *env), read=from_any)


def _heap(values: Values) -> Amount | None:
    size = values["heap"]
    return Amount.of(("for the heap (-Xmx, AllocateHeapAt)", size)) if size else None


PROGRAM: t.Final = Program(
    name="jvm",
    title="Java",
    marks=Marks(
        command=runs("java"),
        env=r"JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|JAVA_OPTS",
        ports=(8080, 8443, 5005, 9010),
    ),
    settings=(
        java_setting("heap_in_dev_shm", 0, r"-XX:AllocateHeapAt=(/dev/shm\S*)", flag),
        java_setting("heap", 0, r"-Xmx(\d+[kKmMgGtT]?)", bytes_in(1)),
        java_setting("large_pages", 0, r"(-XX:\+UseLargePages)", flag),
        # with these it takes ordinary memory, whatever UseLargePages says
        java_setting("transparent_pages", 0, r"(-XX:\+UseTransparentHugePages)", flag),
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "its heap",
            _heap,
            symptom="it does not start (Error in mapping Java heap)",
            when=lambda values: bool(values["heap_in_dev_shm"]),
        ),
        Need(Uses.DEV_SHM, "what its application maps there, or a browser that it starts"),
        Need(
            Uses.HUGE_PAGES,
            "UseLargePages",
            less=Less.DEGRADES,
            symptom="it warns, and takes ordinary pages",
            when=lambda values: bool(values["large_pages"]) and not values["transparent_pages"],
        ),
    ),
    signs=(
        Sign(
            r"Error in mapping Java heap at the given filesystem directory",
            Sure.CERTAIN,
            "the folder of AllocateHeapAt is smaller than the heap",
            "mount an emptyDir of medium Memory on /dev/shm that holds the heap, or remove AllocateHeapAt",
            ("SHM301",),
        ),
        Sign(
            r"a fault occurred in (a recent|an) unsafe memory access operation",
            Sure.LIKELY,
            "a mapped file could not grow: /dev/shm or a disk is full",
            "find the file; if it is in /dev/shm, mount an emptyDir of medium Memory there",
            ("SHM309",),
        ),
        Sign(
            r"Not enough space available on the backing filesystem to hold the current max Java heap",
            Sure.CERTAIN,
            "without memfd, the heap of ZGC is in /dev/shm, which is smaller",
            "mount an emptyDir of medium Memory on /dev/shm that holds the heap",
            ("SHM301",),
        ),
    ),
    sources=(
        "https://github.com/openjdk/jdk/blob/master/src/hotspot/os/linux/gc/z/zPhysicalMemoryBacking_linux.cpp",
        "measured: 17, AllocateHeapAt=/dev/shm with 256 MiB ends with code 1 at 64 MiB and runs at 512; ZGC takes memfd",
    ),
)
