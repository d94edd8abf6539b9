# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""NVIDIA's Multi-Process Service: a daemon on the node, whose clients are other pods."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Marks,
    Need,
    Program,
    Uses,
    runs,
)

PROGRAM: t.Final = Program(
    name="nvidia_mps",
    title="NVIDIA MPS",
    marks=Marks(
        command=runs("mps-control-daemon|nvidia-cuda-mps-(control|server)"),
        own_env=r"CUDA_MPS_.*",
        # the device plugin mounts what its clients need; on GKE they are in the node's namespace
        nodes=("cloud.google.com/gke-gpu-sharing-strategy=mps",),
    ),
    needs=(Need(Uses.DEV_SHM, "what the daemon and its clients share"),),
    is_library=True,
    across_pods=True,
    sources=(
        "https://github.com/NVIDIA/k8s-device-plugin/tree/main/deployments/helm/nvidia-device-plugin/templates",
        "https://cloud.google.com/kubernetes-engine/docs/how-to/nvidia-mps-gpus",
    ),
)
