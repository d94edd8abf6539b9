# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""UCX, by which MPI and others talk between processes, and between containers."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Less,
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
    Values,
    runs,
)


def _buffers(_values: Values) -> Amount:
    return Amount.of(("for its buffers", 16 * MIB))


PROGRAM: t.Final = Program(
    name="ucx",
    title="UCX",
    marks=Marks(
        images=r"ucx(-perftest)?",
        unless=r".*(exporter|operator|build|ci).*",
        command=runs("ucx_perftest") + r"|\bUCX_TLS=",
        unless_command=r"(^|[\s/])ucx_info\b",
        own_env=r"UCX_.*",
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "buffers between processes",
            _buffers,
            less=Less.DEGRADES,
            symptom="it takes another way, or fails (Failed to allocate memory pool)",
        ),
    ),
    # containers that are peers need one PID namespace (issue 8511); which are, no pod shows
    is_library=True,
    signs=(
        Sign(
            r"Not enough memory to write total of (?P<bytes>\d+) bytes\. Please check that /dev/shm"
            r"|uct_iface_open\(posix/memory\) failed: Out of memory",
            Sure.CERTAIN,
            "/dev/shm is full",
            "mount an emptyDir of medium Memory on /dev/shm, or set UCX_TLS=^posix",
            ("SHM308",),
        ),
        Sign(
            r"Failed to allocate memory pool \(name=mm_recv_desc\)|Failed to allocate memory pool chunk",
            Sure.LIKELY,
            "/dev/shm is full",
            "mount an emptyDir of medium Memory on /dev/shm",
            ("SHM308",),
        ),
        Sign(
            r"mm ep failed to connect to remote FIFO|open\(file_name=/proc/\d+/fd/\d+.*No such file",
            Sure.LIKELY,
            "containers have PID namespaces of their own",
            "set shareProcessNamespace: true on the pod, or UCX_POSIX_USE_PROC_LINK=n",
            ("SHM213", "SHM214"),
        ),
        Sign(
            r"shmget\(size=(?P<bytes>\d+) flags=\S+\).*(No space left on device|shmmax)",
            Sure.CERTAIN,
            "kernel.shmmni, shmall or shmmax of the pod is too small",
            "set the sysctl in the securityContext of the pod, or UCX_TLS=^sysv",
            ("SHM601", "SHM604"),
        ),
        Sign(
            r"please check for CAP_IPC_LOCK privilege for using SHM_HUGETLB",
            Sure.LIKELY,
            "it requested huge pages, which the container has not",
            "set a limit hugepages-2Mi on the container, or UCX_SYSV_HUGETLB_MODE=n",
            ("SHM605",),
        ),
        Sign(
            r"Caught signal 7 \(Bus error: nonexistent physical address\)",
            Sure.LIKELY,
            "a mapped file could not grow: /dev/shm is full",
            "mount an emptyDir of medium Memory on /dev/shm",
            ("SHM309",),
        ),
    ),
    sources=(
        "https://github.com/openucx/ucx/issues/8511",
        "https://github.com/openucx/ucx/pull/8508",
        "measured: 1.13 fails at 8 MiB and works at 64",
    ),
)
