# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""JAX on several GPUs."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs import nccl
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
)

PROGRAM: t.Final = Program(
    name="jax",
    title="JAX",
    marks=Marks(
        images=r"jax(-(rocm|training|toolbox|cuda|community|gpu).*)?|rocm-jax(-.*)?|maxtext(-.*)?",
        unless=r".*(exporter|operator|build|ci).*",
        command=r"\bjax\.distributed\b|\bMaxText\.train\b",
        own_env=r"JAX_.*",
    ),
    settings=nccl.SETTINGS,
    needs=(nccl.need(), Need(Uses.DEV_SHM, "what processes share")),
    workarounds=nccl.WORKAROUNDS,
    signs=(
        Sign(
            r"Detected multiple GPUs but /dev/shm size is only ([\d.]+) MB",
            Sure.LIKELY,
            "/dev/shm is small for several GPUs; it is a warning",
            "mount an emptyDir of medium Memory with sizeLimit: 1Gi or more on /dev/shm; 64g, as it says, is more than needed",
            ("SHM301",),
        ),
        Sign(
            r"Your shm is current?ly less than 1GB",
            Sure.LIKELY,
            "/dev/shm is small; it is a warning",
            "mount an emptyDir of medium Memory with sizeLimit: 1Gi on /dev/shm",
            ("SHM301",),
        ),
    ),
    sources=(
        "https://github.com/ROCm/rocm-jax/pull/273",
        "https://github.com/NVIDIA/JAX-Toolbox/blob/main/rosetta/systemchecks.sh",
        "https://github.com/jax-ml/jax/issues/26465",
    ),
)
