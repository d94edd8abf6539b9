# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""SGLang."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs import nccl
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Marks,
    Need,
    Program,
    Setting,
    Sign,
    Sure,
    Uses,
    Values,
    option,
    runs,
)


def _ranks(values: Values) -> int:
    return nccl.ranks_of(values, "tp")


PROGRAM: t.Final = Program(
    name="sglang",
    title="SGLang",
    marks=Marks(
        images=r"sglang(-(runtime|dev|rocm|blackwell|cuda).*)?|sgl-(rocm|dev)",
        unless=r".*(router|exporter|operator|benchmark|model-gateway).*",
        command=runs("sglang serve") + r"|-m sglang\.launch_server\b",
        unless_command=r"sglang(_router|\.bench_serving|-router)",
        env=r"SGLANG_.*|SGL_.*",
        ports=(30000,),
    ),
    settings=(Setting("tp", 1, option("--tp", "--tp-size", "--tensor-parallel-size")), *nccl.SETTINGS),
    needs=(Need(Uses.DEV_SHM, "tensors that processes share"), nccl.need(_ranks)),
    workarounds=nccl.WORKAROUNDS,
    signs=(
        Sign(
            r"scheduler died during initialization \(exit code: -7\)",
            Sure.LIKELY,
            "a process died by SIGBUS: /dev/shm is full",
            "mount an emptyDir of medium Memory on /dev/shm; its own documentation has 32g",
            ("SHM309",),
        ),
    ),
    sources=(
        "https://github.com/sgl-project/sglang/issues/4259",
        "https://github.com/sgl-project/sglang/issues/1986",
    ),
)
