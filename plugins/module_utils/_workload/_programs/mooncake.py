# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Mooncake, a store of models' keys and values."""

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
    name="mooncake",
    title="Mooncake",
    marks=Marks(
        images=r"mooncake(-(store|master|client|transfer-engine).*)?",
        unless=r".*(operator|exporter).*",
        command=runs("mooncake_(master|client|store_service)") + r"|-m mooncake\.mooncake_store_service\b",
        env=r"MOONCAKE_.*",
        ports=(50051, 8080),
    ),
    needs=(Need(Uses.DEV_SHM, "its segment, as large as it is configured"),),
    sources=("https://github.com/kvcache-ai/Mooncake/tree/main/docs",),
)
