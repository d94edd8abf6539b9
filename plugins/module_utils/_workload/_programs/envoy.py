# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Envoy, whose hot restart has an object of a few KiB in /dev/shm."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import KIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Marks,
    Need,
    Program,
    Setting,
    Sign,
    Sure,
    Uses,
    Values,
    flag,
    runs,
)


def _object(_values: Values) -> Amount:
    return Amount.of(("for hot restart", 64 * KIB))


PROGRAM: t.Final = Program(
    name="envoy",
    title="Envoy",
    marks=Marks(
        images=r"envoy(-(alpine|distroless|debug|contrib|google-vrp|dev))*",
        unless=r".*(gateway|ratelimit|exporter|operator|control-plane).*",
        command=runs("envoy"),
        env=r"ENVOY_.*",
        ports=(9901, 15000, 10000),
        version=r"^v?(\d+)\.(\d+)",
    ),
    settings=(Setting("hot_restart_disabled", 0, r"(--disable-hot-restart)", read=flag),),
    needs=(
        Need(
            Uses.DEV_SHM,
            "hot restart; two of one base id in a pod collide",
            _object,
            symptom="it does not start",
            when=lambda values: not values["hot_restart_disabled"],
        ),
    ),
    signs=(
        Sign(
            r"cannot open shared memory region /envoy_shared_memory_\d+.*File exists",
            Sure.CERTAIN,
            "two Envoys of one base id share /dev/shm, as containers of a pod do",
            "start one with --use-dynamic-base-id or --disable-hot-restart",
            ("SHM201", "SHM202"),
        ),
        Sign(
            r"cannot open shared memory region /envoy_shared_memory_\d+",
            Sure.LIKELY,
            "its object in /dev/shm belongs to another user",
            "start it with --disable-hot-restart, or set one runAsUser for both containers",
            ("SHM210",),
        ),
    ),
    sources=(
        "https://github.com/envoyproxy/envoy/issues/11310",
        "https://github.com/envoyproxy/envoy/blob/main/source/server/hot_restart_impl.cc",
    ),
)
