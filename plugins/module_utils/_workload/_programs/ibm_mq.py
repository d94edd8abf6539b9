# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""IBM MQ."""

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

PROGRAM: t.Final = Program(
    name="ibm_mq",
    title="IBM MQ",
    marks=Marks(
        images=r"mq|ibm-mq|ibm-mqadvanced-server(-integration|-dev)?",
        unless=r".*(exporter|operator|metric|client).*",
        command=runs("runmqserver|runmqdevserver|runmqintegrationserver|strmqm"),
        env=r"MQ_QMGR_NAME|MQ_ADMIN_PASSWORD|MQ_APP_PASSWORD",
        ports=(1414, 9443),
    ),
    needs=(Need(Uses.SYSV_SHM, "queue managers"), Need(Uses.SYSV_SEM, "queue managers")),
    # what a pod has by default is more
    sysctls={
        "kernel.shmmax": (268435456,),
        "kernel.shmall": (2097152,),
        "kernel.shmmni": (4096,),
        "kernel.sem": (32, 4096, 32, 128),
    },
    signs=(
        Sign(
            r"(AMQ6119|AMQ6183|xecF_E_UNEXPECTED_SYSTEM_RC).*(shmget|semget|shared memory)",
            Sure.LIKELY,
            "an IPC sysctl of the pod is too small",
            "remove what the pod sets of kernel.shm* and kernel.sem: the defaults are enough",
            ("SHM601",),
        ),
    ),
    sources=(
        "https://www.ibm.com/docs/en/ibm-mq/9.4?topic=linux-configuring-tuning-operating-system",
        "https://github.com/ibm-messaging/mq-container/blob/master/docs/troubleshooting.md",
    ),
)
