# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""prometheus_client in several processes, where its folder is on /dev/shm."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import KIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Marks,
    Need,
    Program,
    Setting,
    Uses,
    Values,
    option,
    rounded_text,
)

#: A file for each process and kind of metric: of its 64 KiB and more, only pages that are written to take memory.
_PAGE: t.Final = 4 * KIB
_KINDS: t.Final = 4
#: Of a process whose metrics have many label values: measured, 1.42 MiB with 12,000.
_LABELS: t.Final = 10_000
_OF_LABELS: t.Final = _LABELS * 124


def _files(values: Values) -> Amount:
    workers = max(1, values["workers"])
    words = f"for metrics ({workers} processes x {_KINDS} files of {rounded_text(_PAGE)} at the start)"
    return Amount.of((words, workers * _KINDS * _PAGE))


def _labels(values: Values) -> Amount:
    workers = max(1, values["workers"])
    words = f"for metrics ({workers} processes x {_LABELS} label values {rounded_text(_OF_LABELS)})"
    return Amount.of((words, workers * _OF_LABELS))


PROGRAM: t.Final = Program(
    name="prometheus_client",
    title="prometheus_client",
    marks=Marks(
        command=r"PROMETHEUS_MULTIPROC_DIR=/dev/shm",
        own_env=r"PROMETHEUS_MULTIPROC_DIR",
        env=r"PROMETHEUS_MULTIPROC_DIR",
        ports=(80, 5000, 8000, 8080, 9090),
    ),
    settings=(
        Setting(
            "in_dev_shm",
            0,
            r"PROMETHEUS_MULTIPROC_DIR=(\S+)",
            ("PROMETHEUS_MULTIPROC_DIR",),
            read=lambda text: int(text.startswith("/dev/shm")),
        ),
        Setting("workers", 1, option("--workers", "-w"), ("WEB_CONCURRENCY",)),
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "metrics of each process that ever ran, which grow with their labels",
            _files,
            _labels,
            symptom="a process dies by SIGBUS",
            when=lambda values: bool(values["in_dev_shm"]),
        ),
    ),
    is_library=True,
    sources=(
        "https://github.com/prometheus/client_python",
        "measured: 0.26, 12,000 label sets in each of 47 processes, and 140,000 in one, die by SIGBUS at 64 MiB",
        "measured: 0.26, 300 processes with a metric of each kind take 4.7 MiB",
    ),
)
