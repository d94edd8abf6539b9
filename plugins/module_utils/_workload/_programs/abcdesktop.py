# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""abcdesktop: a desktop's pod, where applications in containers of their own draw on one X server."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Knob,
    Less,
    Marks,
    Need,
    Program,
    Uses,
)

PROGRAM: t.Final = Program(
    name="abcdesktop",
    title="abcdesktop",
    marks=Marks(
        images=r"oc\.user\..*",
        unless=r".*exporter.*",
        command=r"/composer/docker-entrypoint\.sh",
    ),
    needs=(
        Need(
            Uses.SYSV_SHM,
            "windows of its applications (MIT-SHM)",
            less=Less.DEGRADES,
            symptom="applications send images over the socket",
            across=True,
        ),
        Need(Uses.DEV_SHM, "what its applications share"),
    ),
    one_user=True,
    knobs=(
        Knob(
            "abcdesktop",
            "od.config; its default of 64M is less than the 64Mi of the runtime",
            ("type=x11server",),
            (),
            "desktop.pod.spec: {{shareProcessMemory: True, shareProcessMemorySize: '{size}'}}",
        ),
    ),
    sources=("https://github.com/abcdesktopio/pyos/blob/main/oc/od/orchestrator.py",),
)
