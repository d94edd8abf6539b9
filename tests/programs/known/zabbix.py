# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zabbix' agent, whose collector is a System V segment."""

from __future__ import annotations

from shapes import FILES, Came, Container, Entry, Shape
from trees import Parts

_AGENT = (
    Container(
        "agent",
        "docker.io/zabbix/zabbix-agent:{version}",
        ("timeout", "5", "zabbix_agentd", "-f", "-c", f"{FILES}/zabbix.conf"),
    ),
)
_BAD = frozenset({"SHM708 FAIL", "SHM709 WARN"})
_SIGN = "SHM724 Zabbix agent"

ENTRY = Entry(
    "zabbix",
    Parts(debian=("zabbix-agent",)),
    (
        Shape("shmmax 4096", Came.FAILS, _AGENT, _BAD, sysctls=(("kernel.shmmax", "4096"),), sign=_SIGN),
        Shape("shmmni 0", Came.FAILS, _AGENT, _BAD, sysctls=(("kernel.shmmni", "0"),), sign=_SIGN),
        Shape("usual sysctls", Came.WORKS, _AGENT),
        Shape(
            "its least",
            Came.WORKS,
            _AGENT,
            frozenset({"SHM709 WARN"}),
            sysctls=(("kernel.shmmax", "219056"), ("kernel.shmmni", "2")),
        ),
    ),
    works=r"agent #\d+ started \[(collector|listener)",
    fails="cannot (create locks|allocate shared memory)",
    ends=frozenset({124, 143}),
    version_of="zabbix-agent",
)
