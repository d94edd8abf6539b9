# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""NCCL and RCCL: what GPUs of one pod share memory by. Frameworks that use it take its need from here."""

from __future__ import annotations

import collections.abc
import math
import typing as t

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
    Workaround,
    flag,
    no_least,
    rounded_text,
    runs,
)

#: What each rank takes for its proxies, whichever way the GPUs are connected, and each channel to a peer over shared memory.
_PER_RANK: t.Final = 33_030_532
_PER_CHANNEL: t.Final = 9_637_888
_CHANNELS: t.Final = 2


def connections(ranks: int) -> Amount:
    """What one communicator of as many GPUs in one pod takes."""
    words = f"for {ranks} GPUs of NCCL ({rounded_text(_PER_RANK)} each, and {_CHANNELS} channels to each peer)"
    return Amount.of((words, ranks * _PER_RANK + _CHANNELS * (ranks - 1) * _PER_CHANNEL))


def need(ranks: collections.abc.Callable[[Values], int] = lambda values: values.gpus) -> Need:
    """The need of a program that has as many ranks in one container. Sure is none of it: NVLink and cuMem take less."""
    return Need(
        Uses.DEV_SHM,
        "NCCL between the GPUs of a pod",
        no_least,
        lambda values: connections(ranks(values)),
        symptom="NCCL fails (unhandled system error)",
        when=lambda values: ranks(values) > 1 and not values["nccl_shm_disable"],
    )


def ranks_of(values: Values, *settings: str) -> int:
    """The ranks in a container by settings of which the product is their number: no more than it has GPUs.

    One that cannot be read stands for all GPUs, as people write it.
    """
    if values.unread.intersection(settings) and values.gpus:
        return values.gpus
    count = math.prod(values[name] for name in settings)
    return min(count, values.gpus) if values.gpus else count


SETTINGS: t.Final = (Setting("nccl_shm_disable", 0, env=("NCCL_SHM_DISABLE",), read=flag),)

WORKAROUNDS: t.Final = (
    Workaround(
        r"NCCL_SHM_DISABLE=1",
        "NCCL_SHM_DISABLE=1",
        "GPUs of one pod talk over network sockets, which is slower",
        "mount an emptyDir of medium Memory with sizeLimit: 1Gi on /dev/shm, and remove the variable",
    ),
)

_FIX: t.Final = "mount an emptyDir of medium Memory with sizeLimit: 1Gi or more on /dev/shm"

PROGRAM: t.Final = Program(
    name="nccl",
    title="NCCL",
    marks=Marks(
        images=r"nccl-tests?(-.*)?|rccl-tests?",
        unless=r".*(exporter|operator|plugin|installer).*",
        command=r"(^|[\s/])(all_reduce|all_gather|alltoall|reduce_scatter|broadcast|sendrecv)_perf(\s|$)|"
        + runs("horovodrun"),
        own_env=r"N?RCCL_.*|NCCL_.*",
    ),
    settings=SETTINGS,
    needs=(need(),),
    is_library=True,
    workarounds=WORKAROUNDS,
    signs=(
        Sign(
            r"failed to extend /dev/shm/nccl-\S+ to (?P<bytes>\d+) bytes",
            Sure.CERTAIN,
            "/dev/shm is full",
            _FIX,
            ("SHM308",),
        ),
        Sign(
            # with a failure of CUDA it is the registration of the memory, not its size
            r"Error while creating shared memory segment \S*nccl-\S* \(size (?P<bytes>\d+)\)(?!.*Cuda failure)",
            Sure.CERTAIN,
            "/dev/shm is full",
            _FIX,
            ("SHM308",),
        ),
        Sign(
            r"NCCL WARN Call to posix_fallocate failed ?: No space left on device",
            Sure.CERTAIN,
            "/dev/shm is full",
            _FIX,
            ("SHM308",),
        ),
        Sign(
            r"Error while attaching to shared memory segment /dev/shm/nccl-\S+",
            Sure.LIKELY,
            "ranks have different volumes on /dev/shm, or its file was removed",
            "mount one volume on /dev/shm in all containers of the job",
            ("SHM204",),
        ),
        Sign(
            r"unlink shared memory /dev/shm/nccl-\S+ failed",
            Sure.LIKELY,
            "its file was removed, by systemd's RemoveIPC on the node with hostIPC",
            "do without hostIPC",
            ("SHM503",),
        ),
        Sign(
            r"(DistBackendError|NCCL error).*unhandled system error|ncclSystemError: System call",
            Sure.POSSIBLE,
            "/dev/shm is full, or another call of NCCL failed: it does not say which",
            "set NCCL_DEBUG=WARN and look for failed to extend /dev/shm/nccl",
            ("SHM301", "SHM308"),
        ),
    ),
    sources=(
        "https://github.com/NVIDIA/nccl/issues/342",
        "https://github.com/NVIDIA/nccl/issues/1518",
        "https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/troubleshooting.html",
        "https://github.com/vllm-project/production-stack/issues/276",
    ),
)
