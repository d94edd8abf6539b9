# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Frigate, which records cameras; its documentation has the formula."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
    Values,
)

#: Frames of a camera that it keeps, and what each camera takes beside them.
_FRAMES: t.Final = 20
_EXTRA: t.Final = 270_480


def _camera(width: int, height: int) -> tuple[str, int]:
    return f"for a camera of {width} x {height}", width * height * 3 // 2 * _FRAMES + _EXTRA


def _small(_values: Values) -> Amount:
    return Amount.of(("for logs", 40 * MIB), _camera(640, 480))


def _usual(_values: Values) -> Amount:
    return Amount.of(("for logs", 40 * MIB), _camera(1280, 720))


PROGRAM: t.Final = Program(
    name="frigate",
    title="Frigate",
    marks=Marks(
        images=r"frigate(-(tensorrt|rocm|rk|standard).*)?",
        unless=r".*(exporter|notify|card|proxy|plus).*",
        command=r"\bpython3? -m frigate\b",
        env=r"FRIGATE_.*",
        ports=(5000, 8971, 8554),
    ),
    needs=(Need(Uses.DEV_SHM, "frames of its cameras", _small, _usual, symptom="it dies by SIGBUS (Bus error)"),),
    signs=(
        Sign(
            r"current SHM size of \S+ is too small",
            Sure.CERTAIN,
            "/dev/shm is smaller than its cameras need",
            "mount an emptyDir of medium Memory on /dev/shm, with a sizeLimit as the line has it",
            ("SHM301",),
        ),
    ),
    sources=("https://docs.frigate.video/frigate/installation/#calculating-required-shm-size",),
)
