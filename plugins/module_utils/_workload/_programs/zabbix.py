# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Zabbix: its agent, and its server and proxy, whose caches are System V segments."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
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
    runs,
)

_SIGNS: t.Final = (
    Sign(
        r"cannot (allocate|get private) shared memory of size (?P<bytes>\d+).*Invalid argument",
        Sure.CERTAIN,
        "kernel.shmmax of the pod is smaller than a cache",
        "set kernel.shmmax in the securityContext of the pod, or lower the cache",
        ("SHM601", "SHM604"),
    ),
    Sign(
        r"cannot create locks: cannot allocate shared memory for locks",
        Sure.CERTAIN,
        "kernel.shmmni of the pod allows no further segment",
        "set kernel.shmmni in the securityContext of the pod",
        ("SHM601", "SHM604"),
    ),
    Sign(
        r"cannot allocate shared memory for (collector|\w+ cache)",
        Sure.LIKELY,
        "kernel.shmmax or shmall of the pod is too small",
        "set the sysctl in the securityContext of the pod",
        ("SHM601", "SHM604"),
    ),
    Sign(
        r"cannot create semaphore: \[28\]",
        Sure.LIKELY,
        "kernel.sem of the pod is too small, or sets were leaked",
        "set kernel.sem in the securityContext of the pod",
        ("SHM601", "SHM604"),
    ),
)

_AGENT: t.Final = Program(
    name="zabbix_agent",
    title="Zabbix agent",
    marks=Marks(
        images=r"zabbix-agent",
        unless=r".*exporter.*",
        command=runs("zabbix_agentd"),
        unless_command=r"(^|[\s/])zabbix_(get|sender)\b",
        env=r"ZBX_HOSTNAME|ZBX_SERVER_HOST",
        ports=(10050,),
    ),
    needs=(Need(Uses.SYSV_SHM, "its collector", symptom="it does not start"),),
    sysctls={"kernel.shmmax": (219_056,), "kernel.shmmni": (2,)},
    signs=_SIGNS,
    sources=("measured: 6.0.14 has segments of 728 and of 219,056 bytes, and no semaphore",),
)

_CACHES: t.Final = ("CACHESIZE", "HISTORYCACHESIZE", "TRENDCACHESIZE", "VALUECACHESIZE")


def _caches(values: Values) -> Amount:
    return Amount.of(*((f"for {name}", values[name]) for name in _CACHES))


_SERVER: t.Final = Program(
    name="zabbix_server",
    title="Zabbix server or proxy",
    marks=Marks(
        images=r"zabbix-(server|proxy)(-(mysql|pgsql|sqlite3))?",
        unless=r".*exporter.*",
        command=runs("zabbix_(server|proxy)"),
        env=r"ZBX_(CACHESIZE|VALUECACHESIZE|STARTPOLLERS)",
        ports=(10051,),
    ),
    settings=tuple(Setting(name, 8 * MIB, env=(f"ZBX_{name}",), read=bytes_in(1)) for name in _CACHES),
    needs=(Need(Uses.SYSV_SHM, "its caches", _caches, symptom="it does not start"),),
    # its smallest cache; the default of a pod is more than any
    sysctls={"kernel.shmmax": (8 * MIB,), "kernel.shmmni": (4,)},
    sources=("https://github.com/zabbix/zabbix/blob/master/src/libs/zbxshmem/shmem.c",),
)

PROGRAMS: t.Final = (_AGENT, _SERVER)
