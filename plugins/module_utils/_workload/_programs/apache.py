# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Apache httpd, which takes System V semaphores only where it is configured so."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
    runs,
)

_SIGNS: t.Final = (
    Sign(
        r"AH00023: Couldn't create the \S+ mutex|could not create accept mutex|Couldn't create accept (lock|mutex)",
        Sure.CERTAIN,
        "the pod has no System V semaphores left; neither a disk nor /dev/shm is full",
        "remove Mutex sysvsem, or set kernel.sem in the securityContext of the pod",
        ("SHM601", "SHM604"),
    ),
    Sign(
        r"AH00004: Unable to create or access scoreboard",
        Sure.POSSIBLE,
        "memory for the scoreboard could not be mapped",
        "look at the memory limit",
        ("SHM310",),
    ),
)

_HTTPD: t.Final = Program(
    name="apache",
    title="Apache httpd",
    marks=Marks(
        images=r"httpd(-\d.*)?|apache2?(-httpd)?",
        unless=r".*(exporter|operator|airflow|kafka|spark).*",
        command=runs("httpd|apache2|apache2ctl|apachectl|(httpd|apache2)-foreground|run-httpd"),
        unless_command=r"(^|[\s/])(ab|htpasswd|rotatelogs)(\s|$)",
        env=r"APACHE_(?!KAFKA|SPARK).*|HTTPD_.*",
        ports=(80, 8080, 443),
    ),
    signs=_SIGNS,
    sources=("measured: 2.4.71 with its default mutex starts without System V semaphores",),
)

_SYSVSEM: t.Final = Program(
    name="apache_sysvsem",
    title="Apache httpd with Mutex sysvsem",
    marks=Marks(command=r"(httpd|apache2).*\bMutex\s+sysvsem\b"),
    needs=(Need(Uses.SYSV_SEM, "Mutex sysvsem", symptom="it does not start (AH00023, No space left on device)"),),
    sysctls={"kernel.sem": (1, 1, 1, 1)},
    sources=("measured: 2.4.71 with Mutex sysvsem ends with code 1 where kernel.sem allows no set",),
)

PROGRAMS: t.Final = (_HTTPD, _SYSVSEM)
