# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""NVIDIA NIM, by its operator."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs import nccl
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Knob,
    Marks,
    Need,
    Program,
    Uses,
)

PROGRAM: t.Final = Program(
    name="nim",
    title="NVIDIA NIM",
    marks=Marks(
        images=r"nim-llm(-.*)?|llm-nim",
        unless=r".*(operator|exporter|cache).*",
        command=r"/opt/nim/start[-_]server\.sh",
        env=r"NIM_.*",
        ports=(8000,),
        labels=("app.kubernetes.io/managed-by=k8s-nim-operator",),
        containers=r".*-ctr",
    ),
    settings=nccl.SETTINGS,
    needs=(Need(Uses.DEV_SHM, "tensors that processes share"), nccl.need()),
    knobs=(
        Knob(
            "NIM operator",
            "spec of the NIMService",
            ("app.kubernetes.io/managed-by=k8s-nim-operator",),
            ("NIMService",),
            "spec: {{storage: {{sharedMemorySizeLimit: {size}}}}}",
        ),
    ),
    workarounds=nccl.WORKAROUNDS,
    sources=("https://github.com/NVIDIA/k8s-nim-operator",),
)
