# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Triton Inference Server: its Python backend, and clients that pass tensors in shared memory."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
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
    flag,
    no_least,
    rounded_text,
    runs,
)

#: Since then a Python model starts with 1 MiB instead of 64.
_SMALL: t.Final = (23, 9)


def _instances(values: Values) -> int:
    """By default, a model has one on each GPU."""
    return max(1, values.gpus)


def _old(values: Values) -> Amount:
    count = _instances(values)
    return Amount.of((f"for a Python model ({count} instances x 64Mi)", count * 64 * MIB))


def _new(values: Values) -> Amount:
    count, each = _instances(values), values["shm_default_byte_size"]
    return Amount.of((f"for a Python model ({count} instances x {rounded_text(each)})", count * each))


_SYMPTOM: t.Final = "its Python models are not loaded"

PROGRAM: t.Final = Program(
    name="triton",
    title="Triton Inference Server",
    marks=Marks(
        images=r"tritonserver(-pyt?\w*)?",
        unless=r".*(sdk|client|exporter|operator|perf).*",
        command=runs("tritonserver"),
        unless_command=r"(^|[\s/])(perf_analyzer|genai-perf|model-analyzer)\b",
        env=r"TRITON_.*",
        ports=(8000, 8001, 8002),
        version=r"^(\d{2})\.(\d{2})-",
    ),
    settings=(
        Setting("python", 0, r"--backend-config[=\s]+(python),", read=flag),
        Setting("shm_default_byte_size", MIB, r"python,shm-default-byte-size=(\d+)"),
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "Python models",
            _old,
            symptom=_SYMPTOM,
            when=lambda values: bool(values["python"]),
            until=_SMALL,
        ),
        Need(
            Uses.DEV_SHM,
            "Python models, where it has some",
            no_least,
            _old,
            symptom=_SYMPTOM,
            when=lambda values: not values["python"],
            until=_SMALL,
        ),
        Need(Uses.DEV_SHM, "Python models, where it has some", _new, symptom=_SYMPTOM, since=_SMALL),
        # not across: two servers of a pod share nothing, and clients are not recognised
        Need(Uses.DEV_SHM, "tensors of clients that share them", symptom="clients fail (Unable to open)"),
    ),
    signs=(
        Sign(
            r"Unable to initialize shared memory key '[^']*' to requested size(?: \((?P<bytes>\d+) bytes\))?",
            Sure.CERTAIN,
            "/dev/shm is full",
            "mount an emptyDir of medium Memory on /dev/shm, or lower shm-default-byte-size of the Python backend",
            ("SHM308", "SHM309"),
        ),
        Sign(
            r"Failed to increase the shared memory pool size(?: to (?P<bytes>\d+) bytes)?",
            Sure.CERTAIN,
            "/dev/shm is full",
            "mount an emptyDir of medium Memory on /dev/shm",
            ("SHM308", "SHM309"),
        ),
        Sign(
            r"(Unable|failed) to open shared memory region",
            Sure.LIKELY,
            "client and server have different volumes on /dev/shm",
            "mount one volume on /dev/shm in both containers",
            ("SHM204",),
        ),
        Sign(
            r"Stub process .*is not healthy",
            Sure.POSSIBLE,
            "the process of a Python model died; if by SIGBUS, /dev/shm is full",
            "mount an emptyDir of medium Memory on /dev/shm, and look at the memory limit",
            ("SHM309", "SHM310"),
        ),
    ),
    sources=(
        "https://github.com/triton-inference-server/python_backend/pull/291",
        "https://github.com/triton-inference-server/python_backend/blob/main/src/shm_manager.cc",
        "https://github.com/triton-inference-server/server/issues/6195",
    ),
)
