# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Python's multiprocessing. A program that uses it is seen by its log, or by what it is started with."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Marks,
    Need,
    Program,
    Setting,
    Sign,
    Sure,
    Uses,
    Values,
    count,
)


def _shifted(text: str) -> int:
    """A size as Python has it: V(104857600), V(100<<20)."""
    number, _shift, bits = text.partition("<<")
    shift = count(bits or "0")
    if shift > 50:
        raise ValueError(f"not a size: {text[:20]!r}")
    return count(number) << shift


def _segment(values: Values) -> Amount:
    return Amount.of(("for SharedMemory", values["shared_memory"]))


_SEMAPHORE: t.Final = r"(SemLock|multiprocessing|_multiprocessing|sem_open)"

PROGRAM: t.Final = Program(
    name="python_multiprocessing",
    title="Python multiprocessing",
    marks=Marks(
        command=r"\bmultiprocessing(\.|\s+import\s+)(shared_memory|managers|Pool|Process)\b|\bSharedMemory\(",
    ),
    settings=(Setting("shared_memory", 0, r"SharedMemory\([^)]*size\s*=\s*(\d+(?:\s*<<\s*\d+)?)", read=_shifted),),
    needs=(
        Need(
            Uses.DEV_SHM,
            "SharedMemory",
            _segment,
            symptom="it dies by SIGBUS (exit code 135)",
            when=lambda values: values["shared_memory"] > 0,
        ),
        Need(Uses.DEV_SHM, "locks, queues and SharedMemory"),
    ),
    is_library=True,
    signs=(
        Sign(
            r"resource_tracker: There appear to be \d+ leaked shared_memory objects",
            Sure.POSSIBLE,
            "a process was killed; its segments stay in /dev/shm as long as the pod lives",
            "delete the pod, or clean /dev/shm before the program starts",
            ("SHM207", "SHM312"),
        ),
        Sign(
            r"No such file or directory: '/psm_",
            Sure.POSSIBLE,
            "its segment was removed by a process that ended (before 3.13, every one that attaches does), or is in another /dev/shm",
            "attach with track=False where another process owns it, and mount one volume in all containers that share",
            ("SHM202", "SHM204"),
        ),
        Sign(
            rf"{_SEMAPHORE}.*\[Errno 28\]|\[Errno 28\].*{_SEMAPHORE}",
            Sure.LIKELY,
            "/dev/shm is full of something else: a lock takes 32 bytes",
            "find what fills /dev/shm, and mount an emptyDir of medium Memory there",
            ("SHM308",),
        ),
        Sign(
            rf"{_SEMAPHORE}.*\[Errno 30\]|\[Errno 30\].*{_SEMAPHORE}",
            Sure.LIKELY,
            "/dev/shm is mounted read-only",
            "mount an emptyDir of medium Memory on /dev/shm, without readOnly",
            ("SHM315",),
        ),
        Sign(
            rf"{_SEMAPHORE}.*\[Errno (2|13|38)\]|\[Errno (2|13|38)\].*{_SEMAPHORE}",
            Sure.LIKELY,
            "there is no /dev/shm, or its mode is not 1777",
            "mount an emptyDir of medium Memory on /dev/shm",
            ("SHM313",),
        ),
        Sign(
            r"multiprocessing/synchronize\.py\"?, line \d+, in __init__|\b_multiprocessing\.SemLock\(",
            Sure.POSSIBLE,
            "a lock, which is a file of 32 bytes in /dev/shm, could not be created",
            "look at the errno in the lines below: 28 is a full /dev/shm, 30 one that is read-only, 2 and 13 one with another mode",
            ("SHM308", "SHM313", "SHM315"),
        ),
    ),
    sources=(
        "https://docs.python.org/3/library/multiprocessing.shared_memory.html",
        "measured: 3.11, SharedMemory of 100 MiB dies with 135 at 64 MiB, and RawArray of 100 MiB takes /tmp",
        "measured: 3.11, a Lock fails with Errno 28 where /dev/shm is full",
    ),
)
