# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""TensorRT-LLM."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs import nccl
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Marks,
    Need,
    Program,
    Setting,
    Uses,
    Values,
    option,
    runs,
)


def _ranks(values: Values) -> int:
    return nccl.ranks_of(values, "tp")


PROGRAM: t.Final = Program(
    name="tensorrt_llm",
    title="TensorRT-LLM",
    marks=Marks(
        # NVIDIA's own image is called release: too common for a mark
        images=r"tensorrt-?llm(-(release|runtime|devel).*)?|trt-?llm(-.*)?",
        unless=r".*(exporter|operator|frontend|benchmark).*",
        command=runs("trtllm-(serve|llmapi-launch)") + r"|-m dynamo\.trtllm\b",
        unless_command=r"(^|[\s/])trtllm-(build|refit|prune)\b",
        env=r"TRTLLM_.*|TLLM_.*",
        ports=(8000, 8001),
    ),
    settings=(Setting("tp", 1, option("--tp-size", "--tensor-parallel-size", "--world-size")), *nccl.SETTINGS),
    needs=(Need(Uses.DEV_SHM, "MPI and tensors that processes share"), nccl.need(_ranks)),
    workarounds=nccl.WORKAROUNDS,
    sources=("https://github.com/triton-inference-server/tensorrtllm_backend/blob/main/README.md",),
)
