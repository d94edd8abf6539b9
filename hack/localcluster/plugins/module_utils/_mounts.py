# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts: which there are, and how those of a cluster go.

This file is PRIVATE to the collection.
"""

from __future__ import annotations

import pathlib
import re

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._commands import Run
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._errors import ClusterError


def mounts() -> list[tuple[str, str]]:
    """Mount points and their file system, in the order they were mounted."""
    result = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        target = re.sub(r"\\(\d{3})", lambda match: chr(int(match.group(1), 8)), fields[4])
        result.append((target, fields[fields.index("-") + 1]))
    return result


def below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def unmount_below(run: Run, folder: str) -> None:
    """Afterwards nothing is mounted below the folder, so that removing it touches nobody's files."""
    while targets := [target for target, _kind in mounts() if below(target, folder)]:
        command = ["umount", "--lazy", "--no-canonicalize", *reversed(targets)]
        code, _output, message = run(command)
        if code:
            raise ClusterError(f"cannot unmount below {folder}: {message.strip().splitlines()[-1]}")
