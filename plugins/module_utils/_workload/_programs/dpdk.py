# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""DPDK, which needs huge pages."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Marks,
    Need,
    Program,
    Setting,
    Sign,
    Sure,
    Uses,
    flag,
    runs,
)

PROGRAM: t.Final = Program(
    name="dpdk",
    title="DPDK",
    marks=Marks(
        images=r"(.*-)?dpdk(-(app|testpmd|pktgen|l[23]fwd).*)?|testpmd|pktgen-dpdk",
        unless=r".*(device-plugin|operator|exporter|cni|build|devbind|admission).*",
        command=runs("dpdk-(testpmd|l2fwd|l3fwd|pktgen|simple_mp|skeleton)|testpmd|pktgen")
        + r"|\s--(socket-mem|huge-dir|file-prefix|legacy-mem)\b",
        unless_command=r"dpdk-(devbind|hugepages|pmdinfo)",
    ),
    settings=(Setting("no_huge", 0, r"(--no-huge)\b", read=flag),),
    needs=(
        Need(
            Uses.HUGE_PAGES,
            "packets",
            symptom="it does not start (No free hugepages reported)",
            when=lambda values: not values["no_huge"],
        ),
        Need(Uses.MEMFD, "packets", when=lambda values: bool(values["no_huge"])),
    ),
    signs=(
        Sign(
            r"No free \d+ kB hugepages reported|Cannot get hugepage information",
            Sure.LIKELY,
            "the container has no limit for huge pages, or the node has none left",
            "set a limit hugepages-2Mi, and mount an emptyDir of medium HugePages on /dev/hugepages",
            ("SHM605",),
        ),
    ),
    sources=("https://github.com/DPDK/dpdk/blob/main/lib/eal/linux/eal_hugepage_info.c",),
)
