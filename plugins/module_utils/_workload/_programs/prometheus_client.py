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

#: A file for each process and kind of metric, which doubles.
_FILE: t.Final = 64 * KIB
_KINDS: t.Final = 4


def _files(values: Values) -> Amount:
    workers = max(1, values["workers"])
    words = f"for metrics ({workers} processes x {_KINDS} files of {rounded_text(_FILE)} at the start)"
    return Amount.of((words, workers * _KINDS * _FILE))


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
            symptom="a process dies by SIGBUS",
            when=lambda values: bool(values["in_dev_shm"]),
        ),
    ),
    is_library=True,
    sources=(
        "https://github.com/prometheus/client_python",
        "measured: 0.26, 12,000 label sets in each of 54 processes, and 140,000 in one, die by SIGBUS at 64 MiB",
    ),
)
