# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Firefox, which shares memory by memfd."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Knob,
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
    runs,
)

PROGRAM: t.Final = Program(
    name="firefox",
    title="Firefox",
    marks=Marks(
        images=r"(standalone|node)-firefox(-debug)?|firefox(-esr)?",
        unless=r".*(exporter|operator|send|accounts|sync).*",
        command=runs("firefox(-esr)?"),
        unless_command=r"geckodriver --version",
        version=r"^(\d{2,3})\.",
    ),
    needs=(Need(Uses.MEMFD, "tabs", since=(79,)), Need(Uses.DEV_SHM, "tabs", until=(79,))),
    knobs=(
        Knob(
            "Selenium Grid chart",
            "values of the chart: its default of 2Gi is more than Firefox needs",
            ("app.kubernetes.io/name=selenium-firefox-node",),
            (),
            "firefoxNode: {{dshmVolumeSizeLimit: {size}}}",
        ),
    ),
    signs=(
        Sign(
            r"Gah\. Your tab just crashed",
            Sure.POSSIBLE,
            "in releases that are older than memfd, /dev/shm is full",
            "use a newer release, and look at the memory limit",
            ("SHM301", "SHM310"),
        ),
    ),
    sources=("https://github.com/mozilla-firefox/firefox/blob/main/ipc/glue/SharedMemoryPlatform_posix.cpp",),
)
