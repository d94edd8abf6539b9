# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""PulseAudio. With its default settings it shares memory by memfd."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Less,
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
    runs,
)

PROGRAM: t.Final = Program(
    name="pulseaudio",
    title="PulseAudio",
    marks=Marks(
        images=r"pulseaudio(-server)?|oc\.pulseaudio.*",
        unless=r".*(exporter|client).*",
        command=runs("pulseaudio"),
        env=r"PULSE_.*",
        ports=(4713,),
    ),
    needs=(
        Need(Uses.MEMFD, "sound of its clients", across=True),
        Need(Uses.DEV_SHM, "sound of clients without memfd", less=Less.ADAPTS, symptom="sound is copied"),
    ),
    one_user=True,
    signs=(
        Sign(
            r"shm_open\(\) failed: No such file or directory",
            Sure.LIKELY,
            "client and server have different folders on /dev/shm; sound is copied",
            "leave enable-memfd=yes, or mount one volume on /dev/shm in both containers",
            ("SHM202", "SHM204"),
        ),
    ),
    sources=("https://gitlab.freedesktop.org/pulseaudio/pulseaudio/-/blob/master/src/pulsecore/shm.c",),
)
