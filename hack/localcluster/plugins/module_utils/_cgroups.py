# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cgroups of a cluster, on cgroup v1, hybrid and v2.

This file is PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import os
import pathlib

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _mounts as mounts
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._errors import ClusterError, Deadline

ROOT = "/sys/fs/cgroup"


def parents() -> list[str]:
    """The root of each hierarchy: one on cgroup v2, many on v1 and hybrid."""
    return sorted(
        {target for target, kind in mounts.mounts() if kind in ("cgroup", "cgroup2") and mounts.below(target, ROOT)}
    )


def _is_v2(parent: str) -> bool:
    return os.path.exists(f"{parent}/cgroup.controllers")


def missing(name: str) -> bool:
    return not all(os.path.isdir(f"{parent}/{name}") for parent in parents())


def create(name: str) -> None:
    for parent in parents():
        folder = pathlib.Path(parent, name)
        folder.mkdir(exist_ok=True)
        if _is_v2(parent):
            controllers = pathlib.Path(parent, "cgroup.controllers").read_text().split()
            for controller in controllers:
                # A controller that cannot be passed on is reported by the kubelet if it needs it.
                with contextlib.suppress(OSError):
                    pathlib.Path(parent, "cgroup.subtree_control").write_text(f"+{controller}")
        # A new cpuset of v1 is empty, and no process can enter it.
        for file in ("cpuset.cpus", "cpuset.mems"):
            own = folder / file
            if own.exists() and not _is_v2(parent) and not own.read_text().strip():
                own.write_text(pathlib.Path(parent, file).read_text())


def processes(name: str) -> set[int]:
    found: set[int] = set()
    for parent in parents():
        for folder, _folders, _files in os.walk(f"{parent}/{name}"):
            with contextlib.suppress(OSError):
                found.update(map(int, pathlib.Path(folder, "cgroup.procs").read_text().split()))
    return found


def remove(name: str, deadline: Deadline) -> None:
    for parent in parents():
        for folder, _folders, _files in os.walk(f"{parent}/{name}", topdown=False):
            # A cgroup stays busy for a moment after its last process has gone.
            if not deadline.until(lambda folder=folder: _removed(folder)):  # type: ignore[misc]
                raise ClusterError(f"cgroup {folder} stays busy: see which processes are in its cgroup.procs")


def _removed(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
