# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""joblib, with which scikit-learn works in parallel."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Less,
    Marks,
    Need,
    Program,
    Uses,
)

PROGRAM: t.Final = Program(
    name="joblib",
    title="joblib",
    marks=Marks(
        images=r"sklearnserver|scikit-learn(-inference)?|sklearn",
        unless=r".*(exporter|operator).*",
        command=r"\bjoblib\b",
        own_env=r"JOBLIB_TEMP_FOLDER|JOBLIB_MULTIPROCESSING",
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "arrays that workers map, where 2 GB of /dev/shm are free",
            less=Less.ADAPTS,
            symptom="it has its arrays in /tmp",
        ),
    ),
    is_library=True,
    sources=(
        "https://github.com/joblib/joblib/blob/main/joblib/_memmapping_reducer.py",
        "measured: 1.6.0 takes /tmp at 64 and at 512 MiB, and /dev/shm at 3 GiB",
    ),
)
