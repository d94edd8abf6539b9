# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Text Generation Inference."""

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
    return values["num_shard"] or values.gpus


PROGRAM: t.Final = Program(
    name="text_generation_inference",
    title="Text Generation Inference",
    marks=Marks(
        images=r"text-generation-inference|tgi(-(gaudi|rocm|neuronx))?",
        unless=r".*(exporter|operator|benchmark).*",
        command=runs("text-generation-(launcher|server serve)"),
        unless_command=r"(^|[\s/])text-generation-(benchmark|server (download|quantize))",
        env=r"NUM_SHARD|MAX_INPUT_(LENGTH|TOKENS)|MAX_TOTAL_TOKENS",
        ports=(80, 3000, 8080),
    ),
    settings=(Setting("num_shard", 0, option("--num-shard"), ("NUM_SHARD",)), *nccl.SETTINGS),
    needs=(Need(Uses.DEV_SHM, "tensors that processes share"), nccl.need(_ranks)),
    workarounds=nccl.WORKAROUNDS,
    sources=(
        "https://github.com/huggingface/text-generation-inference/blob/main/README.md",
        "https://github.com/huggingface/text-generation-inference/issues/869",
    ),
)
