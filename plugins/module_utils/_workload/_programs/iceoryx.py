# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""iceoryx: RouDi, its daemon, holds the memory of all applications, which map it."""

from __future__ import annotations

import typing as t

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


def _pools(_values: Values) -> Amount:
    return Amount.of(("for its management", 66_761_736), ("for the built-in memory pools", 149_264_720))


#: One title, so that RouDi and its applications are found to share.
_TITLE: t.Final = "iceoryx"

_SIGNS: t.Final = (
    Sign(
        r"While setting the acquired shared memory to zero a fatal SIGBUS signal appeared(.*sizeInBytes = (?P<bytes>\d+))?",
        Sure.CERTAIN,
        "/dev/shm is smaller than its memory pools",
        "mount an emptyDir of medium Memory on /dev/shm, or configure smaller pools",
        ("SHM309",),
    ),
    Sign(
        r"POSH__SHM_APP_MAPP_ERR|Unable to create a? ?shared memory( object)? with the following properties "
        r"\[ name = iceoryx_mgmt, .*OpenMode::OPEN_EXISTING",
        Sure.CERTAIN,
        "the application has another /dev/shm than RouDi",
        "mount one volume of medium Memory on /dev/shm in both containers",
        ("SHM204",),
    ),
)

_ROUDI: t.Final = Program(
    name="iceoryx",
    title=_TITLE,
    marks=Marks(
        images=r"(iceoryx-?)?roudi",
        unless=r".*(exporter|introspection).*",
        command=runs("iox-roudi"),
        version=r"^v?(\d+)\.(\d+)",
    ),
    settings=(Setting("configured", 0, r"iox-roudi\b.*\s(-c|--config-file)\b", read=flag),),
    needs=(
        Need(
            Uses.DEV_SHM,
            "memory pools",
            _pools,
            symptom="it ends at once (SIGBUS by memset)",
            across=True,
            when=lambda values: not values["configured"],
        ),
        Need(
            Uses.DEV_SHM,
            "memory pools as its file has them",
            symptom="its applications do not start",
            across=True,
            when=lambda values: bool(values["configured"]),
        ),
    ),
    one_user=True,
    signs=_SIGNS,
    sources=(
        "https://github.com/eclipse-iceoryx/iceoryx",
        "measured: 2.0.3 ends with code 1 at 64 and at 128 MiB, and runs at 256",
    ),
)

_ALONE: t.Final = "it does not start (POSH__SHM_APP_MAPP_ERR), or waits for RouDi"

_APPLICATION: t.Final = Program(
    name="iceoryx_application",
    title=_TITLE,
    marks=Marks(
        images=r"iceoryx-(examples|app|application|publisher|subscriber|introspection.*)",
        unless=r".*exporter.*",
        command=runs(r"iox-(?!roudi\b)[\w-]+"),
    ),
    needs=(Need(Uses.DEV_SHM, "the memory pools of RouDi", across=True, symptom=_ALONE),),
    one_user=True,
    sources=(
        "https://github.com/eclipse-iceoryx/iceoryx",
        "measured: an application of 2.0.3 that sees RouDi's socket in /tmp, but another /dev/shm, aborts",
    ),
)

PROGRAMS: t.Final = (_ROUDI, _APPLICATION)
