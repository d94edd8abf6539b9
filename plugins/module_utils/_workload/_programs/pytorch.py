# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""PyTorch: DataLoader's workers, and what starts them on several GPUs."""

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
    no_least,
    option,
    runs,
)

#: An image of 3 x 224 x 224 numbers of four bytes: how large a sample really is, no pod shows.
_SAMPLE: t.Final = 3 * 224 * 224 * 4
#: The least that is safe where samples are large, which no pod shows: measured, two workers with batches of 8 x 12 MiB take
#: 259 MiB.
_UNSEEN: t.Final = 512 * MIB
#: Of a training whose workers a pod does not show.
_WORKERS: t.Final = 4
_PREFETCH: t.Final = 2


def _workers(values: Values) -> int:
    return values["num_workers"] if "num_workers" in values.given else _WORKERS


def _batches(values: Values) -> Amount:
    workers, batch = _workers(values), values["batch_size"]
    size = workers * _PREFETCH * batch * _SAMPLE
    assumed = "" if "num_workers" in values.given else "assumed "
    if size < _UNSEEN:
        return Amount.of((f"for batches of {workers} {assumed}workers of DataLoader, where samples are large", _UNSEEN))
    words = f"for {workers} {assumed}workers of DataLoader x {_PREFETCH} batches of {batch} images of 224 x 224"
    return Amount.of((words, size))


def _loads(values: Values) -> bool:
    # their workers are those of a web server
    if values["serves"]:
        return False
    if "num_workers" in values.given:
        return values["num_workers"] > 0
    return bool(values["trains"]) or (values.gpus > 0 and not values["infers"])


#: What workers of DataLoader need, in any program that runs PyTorch. The size of a sample decides, so that nothing of it is sure.
BATCHES: t.Final = Need(
    Uses.DEV_SHM,
    "batches of DataLoader",
    no_least,
    _batches,
    symptom="a worker of DataLoader is killed (Bus error)",
    when=_loads,
)

SETTINGS: t.Final = (
    Setting("num_workers", 0, option("--num-workers", "--workers", "--dataloader-num-workers", "--train.num-workers")),
    Setting("batch_size", 32, option("--batch-size", "--per-device-train-batch-size")),
    Setting(
        "trains",
        0,
        r"(torchrun|torch\.distributed\.(?:run|launch)|accelerate launch|deepspeed|lightning|yolo \S*\s*train)",
        read=flag,
    ),
    Setting("serves", 0, r"\b(uvicorn|gunicorn|hypercorn|granian|flask|fastapi|streamlit|celery)\b", read=flag),
    Setting("infers", 0, r"\b(predict|infer|inference|serve|server|serving|api)\b", read=flag),
    *nccl.SETTINGS,
)

_FIX: t.Final = "mount an emptyDir of medium Memory on /dev/shm that holds workers x prefetch_factor x batch, twice"

PROGRAM: t.Final = Program(
    name="pytorch",
    title="PyTorch",
    marks=Marks(
        images=r"pytorch(-(training|cpu|gpu|cuda|ddp).*)?|torchtune|nemo|monai|ultralytics|deepspeed",
        unless=r".*(operator|exporter|serve|controller).*",
        command=runs(r"torchrun|deepspeed|dlrover-run|accelerate launch|yolo (\S+ )?train")
        + r"|-m torch\.distributed\.(run|launch)\b",
        own_env=r"PET_.*",
        # jobs of other frameworks have the label, too: a PyTorchJob's container is called so
        labels=("training.kubeflow.org/job-name",),
        containers="pytorch",
    ),
    settings=SETTINGS,
    needs=(BATCHES, Need(Uses.DEV_SHM, "tensors that processes share"), nccl.need()),
    knobs=(
        Knob(
            "Kubeflow Trainer",
            "it has no value for it: a volume in the pod template of the job, or podTemplateOverrides of the TrainJob",
            ("training.kubeflow.org/job-name",),
            ("PyTorchJob", "TrainJob"),
        ),
    ),
    workarounds=nccl.WORKAROUNDS,
    signs=(
        Sign(
            r"Unexpected bus error encountered in worker|DataLoader worker \(pid .*is killed by signal: Bus error",
            Sure.CERTAIN,
            "/dev/shm is full",
            _FIX,
            ("SHM309",),
        ),
        Sign(
            r"DataLoader worker \(pid .*is killed by signal: Killed",
            Sure.LIKELY,
            "the kernel killed it for memory: what is in /dev/shm counts against the limit of the container",
            "raise the memory limit above sizeLimit plus what the program itself needs",
            ("SHM310",),
        ),
        Sign(
            r"DataLoader worker \(pid\(s\) .*exited unexpectedly",
            Sure.POSSIBLE,
            "/dev/shm is full, or a worker was killed for memory",
            "look for bus error in the lines above",
            ("SHM309", "SHM310"),
        ),
        Sign(
            r"unable to allocate shared memory ?\(shm\) for file </?torch_",
            Sure.CERTAIN,
            "/dev/shm is full",
            _FIX,
            ("SHM308",),
        ),
        Sign(
            r"unable to open shared memory object </?torch_.*Too many open files",
            Sure.CERTAIN,
            "the process has too many files open; not the size of /dev/shm",
            "raise the limit of open files, or use torch.multiprocessing.set_sharing_strategy('file_system')",
        ),
        Sign(
            r"unable to \w+ .*</?torch_.*Cannot allocate memory",
            Sure.LIKELY,
            "no memory is left, or the process has too many mappings (vm.max_map_count of the node); not the size of /dev/shm",
            "share fewer and larger tensors, or raise vm.max_map_count on the node",
        ),
        Sign(
            r"unable to open (file|shared memory object) </?torch_.*No such file or directory",
            Sure.POSSIBLE,
            "the process that made it has ended, or it is in another /dev/shm",
            "keep the process that made the tensor until all have it, and mount one volume in all containers that share",
            ("SHM202", "SHM204"),
        ),
        Sign(
            r"unable to (write to|open shared memory object|mmap \d+ bytes from) (file )?</?torch_",
            Sure.LIKELY,
            "/dev/shm is full",
            _FIX,
            ("SHM308",),
        ),
    ),
    sources=(
        "https://github.com/pytorch/pytorch/issues/5040",
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/MapAllocator.cpp",
        "measured: 1.13.1, two workers with batches of 96 MiB fail at 64 MiB, and take 259 MiB of 512",
    ),
)
