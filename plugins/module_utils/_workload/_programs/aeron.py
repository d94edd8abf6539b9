# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Aeron: a media driver and its clients map logs in a folder of /dev/shm."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import KIB, MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs import jvm
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
    bytes_in,
    flag,
    runs,
)

#: The driver's own file and loss reports: what was missing of 64 MiB at the start.
_DRIVER: t.Final = 64 * MIB - 58_716_160
#: Each log has three terms and a page.
_PAGE: t.Final = 4 * KIB


def _log(term: int) -> int:
    return 3 * term + _PAGE


def _terms(values: Values) -> Amount:
    """What the channel in the command line takes."""
    driver = ("for the driver", _DRIVER)
    if values["ipc"]:
        return Amount.of(driver, ("for a publication by IPC (3 terms)", _log(values["ipc_term"])))
    if values["udp_loopback"]:
        return Amount.of(driver, ("for a publication and its image by UDP (3 terms each)", 2 * _log(values["term"])))
    return Amount.of(driver, ("for a publication by UDP (3 terms)", _log(values["term"])))


def busy(values: Values) -> Amount:
    """One publication by IPC, and one each way by UDP."""
    return Amount.of(
        ("for the driver", _DRIVER),
        ("for a publication by IPC (3 terms)", _log(values["ipc_term"])),
        ("for a publication and an image by UDP (3 terms each)", 2 * _log(values["term"])),
    )


def _shares(values: Values) -> bool:
    """Whether its folder is for others, too: that of a driver alone, or one that has been named."""
    return bool(values["driver"]) or "dir_in_dev_shm" in values.given


def _logs(across: bool) -> Need:
    return Need(
        Uses.DEV_SHM,
        "logs of driver and clients" if across else "logs of a driver inside the program",
        _terms,
        busy,
        symptom="publications are refused (insufficient usable storage), or never connect, without an error",
        across=across,
        when=lambda values: bool(values["dir_in_dev_shm"]) and _shares(values) == across,
    )


SETTINGS: t.Final = (
    jvm.java_setting(
        "ipc_term",
        64 * MIB,
        r"-Daeron\.ipc\.term\.buffer\.length=(\d+[kKmMgG]?)",
        bytes_in(1),
        "AERON_IPC_TERM_BUFFER_LENGTH",
    ),
    jvm.java_setting(
        "term", 16 * MIB, r"-Daeron\.term\.buffer\.length=(\d+[kKmMgG]?)", bytes_in(1), "AERON_TERM_BUFFER_LENGTH"
    ),
    jvm.java_setting(
        "dir_in_dev_shm", 1, r"-Daeron\.dir=(\S+)", lambda text: int(text.startswith("/dev/shm")), "AERON_DIR"
    ),
    Setting("driver", 0, r"(\baeronmd\b|\bio\.aeron\.driver\.\w*MediaDriver\b)", read=flag),
    Setting("ipc", 0, r"(aeron:ipc)\b", read=flag),
    Setting("udp_loopback", 0, r"(aeron:udp\?endpoint=(?:localhost|127\.))", read=flag),
)

PROGRAM: t.Final = Program(
    name="aeron",
    title="Aeron",
    marks=Marks(
        images=r"aeron(-(media-)?driver|-all|-cluster.*)?|aeronmd",
        unless=r".*(exporter|operator).*",
        command=runs("aeronmd") + r"|\bio\.aeron\.|-Daeron\.|\baeron:(ipc|udp)\b|\baeron-(all|driver)\S*\.jar\b",
        own_env=r"AERON_.*",
    ),
    settings=SETTINGS,
    needs=(_logs(across=False), _logs(across=True)),
    one_user=True,
    signs=(
        Sign(
            r"insufficient usable storage for new log of length=(?P<bytes>\d+) usable=\d+ in /dev/shm",
            Sure.CERTAIN,
            "/dev/shm has no room for another log",
            "mount an emptyDir of medium Memory on /dev/shm, or lower the term length",
            ("SHM301",),
        ),
        Sign(
            r"space is running low: threshold=\d+ usable=\d+ in /dev/shm",
            Sure.POSSIBLE,
            "less than 160 MiB of /dev/shm are free; it is a warning",
            "mount an emptyDir of medium Memory on /dev/shm before a log is refused",
            ("SHM301",),
        ),
    ),
    sources=(
        "https://github.com/aeron-io/aeron/blob/master/aeron-driver/src/main/java/io/aeron/driver/Configuration.java",
        "measured: 1.44.1, aeron:ipc is refused at 64 MiB, and aeron:udp to itself never connects; both work at 512",
    ),
)
