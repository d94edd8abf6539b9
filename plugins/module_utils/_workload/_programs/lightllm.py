# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""LightLLM, which computes what it needs itself and warns."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs import nccl
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
    no_least,
)


def _least_of_its_own(_values: Values) -> Amount:
    return Amount.of(("for images and requests, by its own computation at least", 2048 * MIB))


PROGRAM: t.Final = Program(
    name="lightllm",
    title="LightLLM",
    marks=Marks(
        images=r"lightllm",
        unless=r".*(router|exporter|operator).*",
        command=r"\blightllm\.server\b",
        unless_command=r"lightllm\.server\.(config_server|router)",
        env=r"LIGHTLLM_.*",
        ports=(8000, 8080),
    ),
    settings=nccl.SETTINGS,
    needs=(
        Need(
            Uses.DEV_SHM,
            "images and requests",
            no_least,
            _least_of_its_own,
            less=Less.DEGRADES,
            symptom="it warns every two minutes, and large requests fail",
        ),
        nccl.need(),
    ),
    workarounds=nccl.WORKAROUNDS,
    signs=(
        Sign(
            r"Insufficient shared memory \(SHM\) available\. Required: ([\d.]+)G",
            Sure.CERTAIN,
            "/dev/shm is smaller than it computed",
            "mount an emptyDir of medium Memory on /dev/shm with the size that the line names",
            ("SHM301",),
        ),
    ),
    sources=("https://github.com/ModelTC/LightLLM/blob/main/lightllm/utils/shm_size_check.py",),
)
