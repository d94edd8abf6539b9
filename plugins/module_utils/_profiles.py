# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What programs ask of the IPC sysctls: the least values that their makers name (pure)."""

from __future__ import annotations

import typing as t

#: The fields of kernel.sem, in their order.
SEM: t.Final = ("semmsl", "semmns", "semopm", "semmni")

#: The sysctls that the probe reports, each one number, kernel.sem four.
SYSCTLS: t.Final = (
    "kernel.shmmax",
    "kernel.shmall",
    "kernel.shmmni",
    "kernel.sem",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "fs.mqueue.msg_max",
    "fs.mqueue.msgsize_max",
    "fs.mqueue.queues_max",
)

Minimums: t.TypeAlias = "t.Mapping[str, tuple[int, ...]]"

PROFILES: t.Final[dict[str, Minimums]] = {
    # one small segment; on Linux its semaphores are no System V ones, whatever the number of connections (tests/programs)
    "postgresql": {"kernel.shmmax": (1024,), "kernel.shmmni": (1,)},
    # Oracle Database installation guide for Linux; shmmax and shmall as its preinstallation package sets them
    "oracle": {
        "kernel.shmmax": (4398046511104,),
        "kernel.shmall": (1073741824,),
        "kernel.shmmni": (4096,),
        "kernel.sem": (250, 32000, 100, 128),
    },
    # Db2 11.5, "Modifying kernel parameters (Linux)", for 8 GiB of memory: several values grow with it
    "db2": {
        "kernel.shmmax": (8589934592,),
        "kernel.shmall": (4194304,),
        "kernel.shmmni": (2048,),
        "kernel.sem": (250, 256000, 32, 2048),
        "kernel.msgmax": (65536,),
        "kernel.msgmnb": (65536,),
        "kernel.msgmni": (8192,),
    },
}


def numbers(sysctl: str, text: t.Any) -> tuple[int, ...]:
    """The value of a sysctl as numbers: four of kernel.sem, one of any other.

    :raises ValueError: it is none, or no sysctl that the probe tells.
    """
    if sysctl not in SYSCTLS:
        raise ValueError(f"there is no {sysctl}; there are {', '.join(SYSCTLS)}")
    words = str(text).split()
    wanted = len(SEM) if sysctl == "kernel.sem" else 1
    if len(words) != wanted or not all(word.isdecimal() for word in words):
        raise ValueError(f"{sysctl} is {wanted} whole number{'s'[: wanted - 1]}, not {text!r}")
    return tuple(map(int, words))


def unmet(sysctl: str, least: t.Sequence[int], found: t.Sequence[int]) -> list[str]:
    """What of a sysctl is less than it should be, each in words: V(kernel.sem semopm 32 < 100)."""
    names = [f"{sysctl} {part}" for part in SEM] if sysctl == "kernel.sem" else [sysctl]
    return [f"{name} {got} < {want}" for name, want, got in zip(names, least, found, strict=True) if got < want]
