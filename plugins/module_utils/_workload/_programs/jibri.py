# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Jibri, which records Jitsi's meetings with a Chrome of its own."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
    Values,
    runs,
)


def _least(_values: Values) -> Amount:
    return Amount.of(("by the check of its image", 2000 * 1000 * 1000))


PROGRAM: t.Final = Program(
    name="jibri",
    title="Jibri",
    marks=Marks(
        images=r"jibri",
        unless=r".*(exporter|queue|autoscaler).*",
        command=runs("jibri") + r"|/jibri\.jar\b",
        env=r"JIBRI_.*",
        ports=(2222, 3333),
    ),
    needs=(Need(Uses.DEV_SHM, "its Chrome", _least, symptom="it refuses to start"),),
    signs=(
        Sign(
            r"/dev/shm must be at least 2GB",
            Sure.CERTAIN,
            "/dev/shm is smaller than its image wants",
            "mount an emptyDir of medium Memory with sizeLimit: 2Gi on /dev/shm",
            ("SHM301",),
        ),
    ),
    sources=("https://github.com/jitsi/docker-jitsi-meet/blob/master/jibri/rootfs/etc/cont-init.d/10-config",),
)
