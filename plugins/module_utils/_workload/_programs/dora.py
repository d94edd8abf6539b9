# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""dora, dataflows of robots, which takes the heap where /dev/shm is not there."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Less,
    Marks,
    Need,
    Program,
    Uses,
    runs,
)

PROGRAM: t.Final = Program(
    name="dora",
    title="dora",
    marks=Marks(
        images=r"dora(-rs)?(-(daemon|coordinator))?",
        unless=r".*(exporter|operator|metrics).*",
        command=runs("dora (daemon|up|run|coordinator)"),
        unless_command=r"(^|[\s/])dora (doctor|build|graph)\b",
    ),
    needs=(Need(Uses.DEV_SHM, "messages", less=Less.ADAPTS, symptom="it takes the heap"),),
    sources=("https://github.com/dora-rs/dora/pull/1818",),
)
