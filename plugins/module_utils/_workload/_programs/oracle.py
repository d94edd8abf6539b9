# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Oracle Database."""

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


def _target(values: Values) -> Amount:
    return Amount.of(("for MEMORY_TARGET", values["memory_target"]))


def _of_image(text: str) -> int:
    return 1024 * MIB if text.endswith("-xe") else 4 * 1000**3


def _check(values: Values) -> Amount:
    return Amount.of(("by the check of its image", values["of_image"]))


PROGRAM: t.Final = Program(
    name="oracle",
    title="Oracle Database",
    marks=Marks(
        # Oracle's own images are called free, express or enterprise: a mark with the folder that they are in alone
        images=r"database/(free|express|enterprise|enterprise_ru|standard|rac|rac_ru)|oracle/database|database-rac"
        r"|oracle-(free|xe|database)(-.*)?|oracledb(-\d.*)?|oracle(\d+c?|-ee|-se2)(-.*)?|sidb",
        unless=r".*(exporter|operator|client|tools).*",
        command=runs(r"runOracle\.sh|dbstart"),
        unless_command=r"(^|[\s/])(sqlplus|expdp|impdp|rman|sqlcl)\b",
        env=r"ORACLE_SID|ORACLE_PDB|ORACLE_PWD|ORACLE_PASSWORD|INIT_SGA_SIZE",
        ports=(1521, 2484, 5500),
        version=r"^(\d+)(?:\.(\d+))?",
    ),
    settings=(
        Setting("memory_target", 0, r"memory_(?:max_)?target\s*=\s*[\"']?(\w+)", read=bytes_in(1)),
        Setting(
            "of_image", 0, read=_of_image, image=r"(oracle/database:11\.2\.0\.2-xe|database[-/]rac(?:_ru)?)(?::|$)?"
        ),
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "Express Edition 11g and RAC",
            _check,
            symptom="it refuses to start",
            when=lambda values: values["of_image"] > 0,
        ),
        Need(
            Uses.DEV_SHM,
            "all of its memory with MEMORY_TARGET",
            _target,
            symptom="it does not start (ORA-00845)",
            when=lambda values: values["memory_target"] > 0,
        ),
        Need(Uses.DEV_SHM, "Java in the database (JOXSHM), which needs it without noexec"),
        Need(Uses.SYSV_SHM, "its memory with SGA_TARGET"),
        Need(Uses.SYSV_SEM, "processes"),
    ),
    sysctls={"kernel.shmall": (2097152,), "kernel.shmmni": (4096,), "kernel.sem": (250, 32000, 100, 128)},
    one_user=True,
    signs=(
        Sign(
            r"ORA-00845",
            Sure.CERTAIN,
            "/dev/shm is smaller than MEMORY_TARGET or MEMORY_MAX_TARGET",
            "mount an emptyDir of medium Memory on /dev/shm that is larger, or set SGA_TARGET instead of MEMORY_TARGET",
            ("SHM301", "SHM303"),
        ),
        Sign(
            r"ORA-27104|DBT-11207.*shmmax",
            Sure.CERTAIN,
            "kernel.shmmax or shmall of the pod is too small",
            "set the sysctl in the securityContext of the pod",
            ("SHM601",),
        ),
        Sign(
            r"ORA-27102|ORA-2712[35]|ORA-2730[0-2].*semget",
            Sure.LIKELY,
            "an IPC sysctl of the pod is too small, or its memory limit",
            "compare kernel.shmmax, shmall, shmmni and sem of the pod with the installation guide",
            ("SHM601", "SHM310"),
        ),
        Sign(
            r"ORA-04035.*JOXSHM|JOXSHM_EXT",
            Sure.CERTAIN,
            "/dev/shm is full, or mounted with noexec",
            "mount an emptyDir of medium Memory with sizeLimit: 1Gi on /dev/shm",
            ("SHM301", "SHM313"),
        ),
        Sign(
            r"/dev/shm \(--shm-size\) needs to be at least 1G|Low free space .*in /dev/shm\. Need at least",
            Sure.CERTAIN,
            "/dev/shm is smaller than its image wants",
            "mount an emptyDir of medium Memory on /dev/shm with the size that the line names",
            ("SHM301",),
        ),
    ),
    sources=(
        "https://github.com/oracle/docker-images/issues/223",
        "https://github.com/oracle/docker-images/issues/297",
        "https://github.com/gvenzl/oci-oracle-free/issues/70",
    ),
)
