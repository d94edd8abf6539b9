# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""vLLM, alone and in what serves models with it."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs import nccl
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Knob,
    Marks,
    Need,
    Program,
    Setting,
    Sign,
    Sure,
    Uses,
    Values,
    flag,
    option,
    runs,
)

#: Chunks of the ring that processes of one server talk by, and bytes of a worker's own ring for its answers.
_CHUNKS: t.Final = 10
_RESPONSES: t.Final = 240 * MIB


def _workers(values: Values) -> int:
    """Worker processes in this container: of a model on several nodes, those of its own GPUs."""
    return nccl.ranks_of(values, "tensor_parallel_size", "pipeline_parallel_size")


def _by_ray(values: Values) -> bool:
    """Whether Ray starts the workers, which then have no queues in /dev/shm: always where there are more than GPUs here."""
    count = values["tensor_parallel_size"] * values["pipeline_parallel_size"]
    return bool(values["by_ray"]) or (0 < values.gpus < count and values["nodes"] == 1)


def _ranks(values: Values) -> int:
    """Of NCCL in this container: a node of a cluster of Ray that others start models on has all of its GPUs for them."""
    if values["joins"] and "tensor_parallel_size" not in values.given:
        return values.gpus
    if not values["expert_parallel"]:
        return _workers(values)
    return nccl.ranks_of(values, "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")


def _ring(values: Values) -> Amount:
    return Amount.of(("for the queue to the workers", _CHUNKS * values["chunk_mib"] * MIB))


def _rings(values: Values) -> Amount:
    workers = _workers(values)
    return Amount.of(
        ("for the queue to the workers", _CHUNKS * values["chunk_mib"] * MIB),
        (f"for the queues of {workers} workers", workers * _RESPONSES),
    )


PROGRAM: t.Final = Program(
    name="vllm",
    title="vLLM",
    marks=Marks(
        images=r"vllm(-(openai|cpu|rocm|tpu|xpu|gaudi|hpu|neuron|runtime|dev|ci).*)?|llm-d-(cuda|cpu|xpu|hpu|rocm|aws).*"
        r"|huggingfaceserver(-.*)?|tgis-vllm",
        unless=r".*(router|exporter|operator|sim|simulator|benchmark|frontend)(-.*)?",
        command=runs("vllm serve") + r"|-m vllm\.entrypoints\b",
        unless_command=r"(^|[\s/])vllm (bench|chat|complete)\b|benchmark_serving",
        env=r"VLLM_.*",
        ports=(8000, 8080),
        labels=("app.kubernetes.io/name=vllm",),
        containers="vllm.*|main|kserve-container",
    ),
    settings=(
        Setting("tensor_parallel_size", 1, option("--tensor-parallel-size", "-tp")),
        Setting("pipeline_parallel_size", 1, option("--pipeline-parallel-size", "-pp")),
        Setting("data_parallel_size", 1, option("--data-parallel-size", "-dp")),
        Setting("expert_parallel", 0, r"(--enable[-_]expert[-_]parallel)\b", read=flag),
        Setting("by_ray", 0, r"--distributed[-_]executor[-_]backend[=\s]+(ray)\b", read=flag),
        Setting("nodes", 1, option("--nnodes")),
        Setting("joins", 0, r"(\bray start\b|multi-node-serving\.sh worker)", read=flag),
        Setting("chunk_mib", 16, env=("VLLM_MQ_MAX_CHUNK_BYTES_MB",)),
        *nccl.SETTINGS,
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "queues between the processes of a model on several GPUs",
            _ring,
            _rings,
            symptom="it does not start (since July 2026: Insufficient space in /dev/shm), or dies under load (SIGBUS)",
            when=lambda values: _workers(values) > 1 and not _by_ray(values),
        ),
        Need(Uses.DEV_SHM, "tensors that processes share"),
        nccl.need(_ranks),
    ),
    knobs=(
        Knob(
            "vLLM production stack chart",
            "values of the chart; it counts only where vllmConfig.tensorParallelSize is set there, too",
            ("helm-release-name",),
            (),
            "servingEngineSpec: {{modelSpec: [{{shmSize: {size}}}]}}",
        ),
        Knob(
            "vLLM production stack operator",
            "spec of the VLLMRuntime",
            (),
            ("VLLMRuntime",),
            "spec: {{deploymentConfig: {{shmSize: {size}}}}}",
        ),
        Knob(
            "KServe",
            "the volume on /dev/shm in the ServingRuntime or the LLMInferenceServiceConfig",
            ("serving.kserve.io/inferenceservice",),
            ("InferenceService", "LLMInferenceService"),
        ),
    ),
    workarounds=nccl.WORKAROUNDS,
    signs=(
        Sign(
            r"Insufficient space in /dev/shm: \d+ MiB required, \d+ MiB free",
            Sure.CERTAIN,
            "/dev/shm is smaller than the queue to its workers",
            "mount an emptyDir of medium Memory with sizeLimit: 2Gi on /dev/shm, or set VLLM_MQ_MAX_CHUNK_BYTES_MB",
            ("SHM301",),
        ),
        Sign(
            r"EngineDeadError|Engine core initialization failed|WorkerProc failed to start",
            Sure.POSSIBLE,
            "a worker died; if by SIGBUS or an error of NCCL, /dev/shm is full",
            "look for bus error, exitcode: -7 or /dev/shm/nccl in the lines above",
            ("SHM309", "SHM308"),
        ),
    ),
    sources=(
        "https://github.com/vllm-project/vllm/pull/48879",
        "https://github.com/vllm-project/vllm/blob/main/docs/deployment/k8s.md",
        "https://github.com/vllm-project/production-stack/issues/276",
        "measured: its ring as Python has it dies by SIGBUS in the sixth chunk at 64 MiB",
    ),
)
