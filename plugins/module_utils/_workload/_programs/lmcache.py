# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""LMCache, a cache of models' keys and values beside their server."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Knob,
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
    runs,
)

PROGRAM: t.Final = Program(
    name="lmcache",
    title="LMCache",
    marks=Marks(
        images=r"lmcache(-(server|mp|standalone).*)?",
        unless=r".*(operator|exporter|controller|vllm).*",
        command=runs("lmcache(_server|_v0_server| server)") + r"|-m lmcache\.(v1|server)\b",
        env=r"LMCACHE_.*",
        ports=(65432,),
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "handles of CUDA events, and the cache on the CPU",
            across=True,
            symptom="handles of the GPU cannot be opened",
        ),
    ),
    one_user=True,
    knobs=(
        Knob(
            "LMCache operator",
            "spec of the LMCacheEngine; with isolatedIPC it needs neither hostIPC nor one /dev/shm",
            (),
            ("LMCacheEngine",),
            "spec: {{isolatedIPC: true}}",
        ),
    ),
    signs=(
        Sign(
            r"cudaIpcOpenMemHandle|cudaErrorMapBufferObjectFailed",
            Sure.POSSIBLE,
            "the processes have different folders on /dev/shm",
            "mount one volume on /dev/shm in both containers; hostIPC is not needed",
            ("SHM204",),
        ),
    ),
    sources=(
        "https://github.com/LMCache/LMCache/issues/4394",
        "https://github.com/LMCache/LMCache/issues/4807",
    ),
)
