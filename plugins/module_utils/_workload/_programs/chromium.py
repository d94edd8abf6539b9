# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Chromium, and browsers and tools that are built on it."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    NOT_KNOWN,
    Amount,
    Knob,
    Marks,
    Need,
    Program,
    Setting,
    Sign,
    Sure,
    Uses,
    Values,
    Workaround,
    flag,
    no_least,
    runs,
)

#: It uses memfd by 156.0.8078; 153.0.8010 does not. Of the releases between nothing is known.
_MEMFD: t.Final = (156,)
_UNKNOWN: t.Final = (154,)

_FLAG: t.Final = "--disable-dev-shm-usage"


def _page(_values: Values) -> Amount:
    return Amount.of(("for a page with 8 canvases of 1500 x 1500", 8 * 1500 * 1500 * 4))


def _pages(_values: Values) -> Amount:
    return Amount.of(("for pages with canvases or video", 256 * MIB))


def _in_dev_shm(values: Values) -> bool:
    return not values["disable_dev_shm_usage"]


_SYMPTOM: t.Final = "pages crash (tab crashed, Page crashed!)"

PROGRAM: t.Final = Program(
    name="chromium",
    title="Chromium",
    marks=Marks(
        images=r"(standalone|node)-(chrome|chromium|edge|all-browsers)(-debug)?|(google-)?chrome(-stable)?|chromium"
        r"|alpine-chrome|headless-(shell|chrome)|chrome-headless(-shell)?|browserless|chromium-headless|rendertron|gotenberg",
        unless=r".*(firefox|driver|exporter|operator).*",
        command=runs(
            "google-chrome(-stable)?|chrome(-headless-shell)?|chromium(-browser)?|headless[_-]shell|msedge"
            "|microsoft-edge(-stable)?|electron"
        ),
        env=r"SE_NODE_.*|CHROME_BIN",
        ports=(4444, 5555, 9222),
        # Selenium's own releases up to 2025 (3.141, 4.38, or any with a date) have browsers that are older than 156
        version=r"^(\d{2,3})(?:[.-]|$)|^(3)\.141|^(4)\.(?:\d|[12]\d|3[0-8])(?:[.-]|$)|^(4)\.\d+(?:\.\d+)?-20(?:1\d|2[0-5])",
    ),
    settings=(
        Setting(
            "disable_dev_shm_usage",
            0,
            rf"({_FLAG}|(?:^|\s)gotenberg(?:\s|$))",
            ("SE_BROWSER_ARGS_DISABLE_DSHM",),
            read=flag,
            # these start it with the flag themselves
            image=r"(?:^|/)(alpine-chrome|gotenberg|browserless|rendertron)\b",
        ),
    ),
    needs=(
        Need(Uses.DEV_SHM, "pages", _page, _pages, symptom=_SYMPTOM, when=_in_dev_shm, until=_UNKNOWN),
        Need(Uses.DEV_SHM, "pages", no_least, _pages, symptom=_SYMPTOM, when=_in_dev_shm, since=_UNKNOWN, until=_MEMFD),
        Need(Uses.MEMFD, "pages", since=_MEMFD),
        # so that a volume is not found to be for nothing
        Need(Uses.DEV_SHM, "pages, if it is older than 156", since=NOT_KNOWN),
    ),
    knobs=(
        Knob(
            "Selenium Grid chart",
            "values of the chart; edgeNode and firefoxNode have the same",
            ("app.kubernetes.io/name=selenium-chrome-node", "app.kubernetes.io/name=selenium-edge-node"),
            (),
            "chromeNode: {{dshmVolumeSizeLimit: {size}}}",
        ),
    ),
    workarounds=(
        Workaround(
            _FLAG,
            _FLAG,
            "up to release 153 what browser processes share is files in /tmp, on the disk; from 156 on it avoids nothing",
            "use release 156 or newer without the flag, or mount an emptyDir of medium Memory on /dev/shm",
            until=_MEMFD,
        ),
    ),
    signs=(
        Sign(
            r"session deleted because of page crash|page crashed|tab crashed|Inspector\.targetCrashed|Aw, Snap",
            Sure.LIKELY,
            "up to release 153, /dev/shm is full",
            "use release 156 or newer, or mount an emptyDir of medium Memory on /dev/shm",
            ("SHM301",),
        ),
        Sign(
            r"Target closed|Target page, context or browser has been closed",
            Sure.POSSIBLE,
            "a page or the browser has crashed: up to release 153, /dev/shm may be full; or it was killed for memory",
            "look for Page crashed, and at the memory limit",
            ("SHM301", "SHM310"),
        ),
        Sign(
            r"Less than 64MB of free space in temporary directory for shared memory files: (\d+)",
            Sure.POSSIBLE,
            "/dev/shm has the default size; every browser up to release 153 says so after one page, it is no crash",
            "mount an emptyDir of medium Memory on /dev/shm if pages crash",
            ("SHM301",),
        ),
        Sign(
            r"FATAL:memory\.cc.*Out of memory\. size=(?P<bytes>\d+)",
            Sure.POSSIBLE,
            "shared memory could not be allocated, or the memory limit is reached",
            "mount an emptyDir of medium Memory on /dev/shm, or raise the memory limit",
            ("SHM301", "SHM310"),
        ),
        Sign(
            r"Unable to access\((W_OK|X_OK)[^)]*\) /dev/shm|incorrect permissions on /dev/shm"
            r"|Creating shared memory in /dev/shm/\S* failed: (Permission denied|Read-only|No such)",
            Sure.CERTAIN,
            "/dev/shm has another mode than 1777, is mounted read-only, or is not there",
            "mount an emptyDir of medium Memory on /dev/shm, without readOnly",
            ("SHM313", "SHM315"),
        ),
    ),
    sources=(
        "https://github.com/SeleniumHQ/docker-selenium/blob/trunk/README.md",
        "https://github.com/Zenika/alpine-chrome/blob/master/Dockerfile",
        "measured: 153.0.8010 crashes at 64 MiB and works at 512; 156.0.8078 uses no byte of /dev/shm",
    ),
)
