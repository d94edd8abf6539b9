# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine has that honest verdicts depend on."""

from __future__ import annotations

import pathlib


def has_swap() -> bool:
    """Whether anything can go to swap."""
    return len(pathlib.Path("/proc/swaps").read_text("utf-8").splitlines()) > 1


def has_huge_pages() -> bool:
    """Whether a process gets a huge page of any size, from the pool or on demand."""
    pools = pathlib.Path("/sys/kernel/mm/hugepages")
    return any(
        path.read_text("utf-8").strip() != "0"
        for name in ("nr_hugepages", "nr_overcommit_hugepages")
        for path in pools.glob(f"*/{name}")
    )
