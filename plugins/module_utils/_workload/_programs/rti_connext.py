# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""RTI Connext, which shares memory by System V, and takes process ids for those of one PID namespace."""

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
    name="rti_connext",
    title="RTI Connext",
    marks=Marks(
        images=r"dds-ping|rti(-connext|-dds|-ddsping|-routing-service|-recording-service)(-.*)?",
        unless=r".*(exporter|operator|license).*",
        command=runs("rti(ddsping|ddsspy|routingservice|recordingservice|persistenceservice)"),
        unless_command=r"(^|[\s/])rti(ddsgen|setenv)\b",
        own_env=r"NDDS_.*|CONNEXTDDS_.*",
    ),
    needs=(
        Need(Uses.SYSV_SHM, "messages between participants", symptom="participants get no data", across=True),
        Need(Uses.SYSV_SEM, "messages between participants", across=True),
    ),
    one_pid_namespace=True,
    signs=(
        Sign(
            r"NDDS_Transport_Shmem.{0,200}fail",
            Sure.LIKELY,
            "containers have PID namespaces of their own, or an IPC sysctl of the pod is too small",
            "set shareProcessNamespace: true on the pod",
            ("SHM103", "SHM214"),
        ),
    ),
    sources=("https://github.com/rticommunity/kubernetes-examples/tree/main/intra_pod_shmem",),
)
