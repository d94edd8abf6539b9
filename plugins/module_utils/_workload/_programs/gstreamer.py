# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""GStreamer's shmsink and shmsrc, which pass frames between processes and containers."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Marks,
    Need,
    Program,
    Setting,
    Uses,
    Values,
    flag,
    no_least,
)

#: Its property shm-size, where the pipeline does not set it.
_DEFAULT: t.Final = 64 * MIB


def _size(values: Values) -> Amount:
    return Amount.of(("for frames (shm-size)", values["shm_size"]))


PROGRAM: t.Final = Program(
    name="gstreamer",
    title="GStreamer shmsink",
    marks=Marks(command=r"\bshmsink\b|\bshmsrc\b"),
    settings=(
        Setting("shm_size", _DEFAULT, r"\bshm-size\s*=\s*(\d+)"),
        Setting("sink", 0, r"\b(shmsink)\b", read=flag),
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "frames",
            no_least,
            _size,
            symptom="frames are lost, or it dies by SIGBUS",
            across=True,
            when=lambda values: bool(values["sink"]),
        ),
        Need(
            Uses.DEV_SHM,
            "frames",
            symptom="shmsrc does not find the frames of shmsink",
            across=True,
            when=lambda values: not values["sink"],
        ),
    ),
    one_user=True,
    sources=("https://github.com/GStreamer/gst-plugins-bad/blob/master/sys/shm/gstshmsink.c",),
)
