# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make what the tests share importable for ansible-test, too, which reads no pyproject.toml."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: In the checkout, or where run.py copies both collections to.
LOCALCLUSTER = (ROOT / "hack" / "localcluster", ROOT.parent / "localcluster")

for folder in (
    ROOT / "tests" / "cluster",
    ROOT / "tests" / "worlds",
    ROOT / "tests" / "programs",
    *(path / "tests" / "tools" for path in LOCALCLUSTER),
):
    if folder.is_dir() and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
