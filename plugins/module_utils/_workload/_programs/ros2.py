# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""ROS 2 with Fast DDS, its default; and Fast DDS alone."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Less,
    Marks,
    Need,
    Program,
    Setting,
    Sign,
    Sure,
    Uses,
    Values,
    runs,
)


def _participant(_values: Values) -> Amount:
    return Amount.of(("for a participant of Fast DDS (its segment and ports)", MIB))


def _in_shm(values: Values) -> bool:
    return bool(values["fastdds"]) and bool(values["shm_transport"])


PROGRAM: t.Final = Program(
    name="ros2",
    title="ROS 2 with Fast DDS",
    marks=Marks(
        # an image that is called ros runs ROS 1 as well, which shares no memory
        images=r"ros2(-.*)?|micro-ros-agent|autoware(-.*)?|nav2(-.*)?|fast-?dds(-.*)?",
        unless=r".*(exporter|operator|bridge-suite).*",
        command=runs("ros2 (run|launch|daemon|bag|component|topic)|fastdds discovery"),
        unless_command=r"(^|[\s/])(roscore|roslaunch|rosrun)\b",
        env=r"ROS_DOMAIN_ID|RMW_IMPLEMENTATION|FASTRTPS_DEFAULT_PROFILES_FILE|FASTDDS_.*",
        own_env=r"ROS_DOMAIN_ID|RMW_IMPLEMENTATION|FASTRTPS_DEFAULT_PROFILES_FILE|FASTDDS_.*",
        ports=(7400, 8888, 9090, 11811),
    ),
    settings=(
        Setting("fastdds", 1, env=("RMW_IMPLEMENTATION",), read=lambda text: int("fastrtps" in text)),
        Setting(
            "shm_transport",
            1,
            env=("FASTDDS_BUILTIN_TRANSPORTS",),
            read=lambda text: int(not text.upper().startswith(("UDP", "TCP", "LARGE_DATAV"))),
        ),
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "messages between nodes",
            _participant,
            less=Less.DEGRADES,
            symptom="nodes find each other and get no data",
            across=True,
            when=_in_shm,
        ),
    ),
    one_user=True,
    signs=(
        Sign(
            r"RTPS_TRANSPORT_SHM Error|Failed init_port fast(dds|rtps)_port|Failed to create segment \w+: Permission denied",
            Sure.LIKELY,
            "nodes run as different users, or /dev/shm is full",
            "set one runAsUser for all containers, or FASTDDS_BUILTIN_TRANSPORTS=UDPv4",
            ("SHM209", "SHM210", "SHM301"),
        ),
    ),
    sources=(
        "https://github.com/eProsima/Fast-DDS/issues/5265",
        "https://github.com/eProsima/Fast-DDS/tree/master/src/cpp/rtps/transport/shared_mem",
    ),
)
