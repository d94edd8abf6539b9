# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copy the collection without what make and the tools left in the checkout."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def copy_collection(target: Path, source: Path = CHECKOUT, without: str = "") -> None:
    """Make target a copy of what git knows or would take of the source, and nothing that it ignores.

    :param without: a folder of the source to leave out.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=source,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    shutil.rmtree(target, ignore_errors=True)
    for name in filter(None, listed.split("\0")):
        file, copy = source / name, target / name
        if without and name.startswith(f"{without}/"):
            continue
        # a file that is deleted but not committed is still listed
        if file.is_symlink() or file.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, copy, follow_symlinks=False)
