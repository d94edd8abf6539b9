# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put kubernetes.core (out of the PyPI package ansible) and the collections of this checkout where ansible-core looks.

Run by the interpreter of the virtual environment that gets them. No galaxy server is needed, and no
environment variable afterwards: ansible-core searches site-packages/ansible_collections by itself.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PREFIX = "ansible_collections/kubernetes/core/"
#: What is linked, by the name of the collection below abcdesktopio.
OWN = {"podshm": CHECKOUT, "localcluster": CHECKOUT / "hack" / "localcluster"}


def download(requirements: Path, folder: Path) -> Path:
    """Return the one wheel that the requirements file names."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--no-deps"]
    subprocess.run([*pip, "--dest", str(folder), "--requirement", str(requirements)], check=True)
    (wheel,) = folder.glob("ansible-*.whl")
    return wheel


def extract(wheel: Path, site_packages: Path) -> None:
    """Replace kubernetes.core in site_packages by the one in the wheel."""
    shutil.rmtree(site_packages / PREFIX, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(PREFIX)]
        if not names:
            raise SystemExit(f"{wheel.name} contains no kubernetes.core: check requirements/collections.txt")
        archive.extractall(site_packages, names)


def link_checkout(site_packages: Path) -> None:
    """Make the collections of this checkout importable and callable as abcdesktopio.NAME."""
    namespace = site_packages / "ansible_collections" / "abcdesktopio"
    namespace.mkdir(parents=True, exist_ok=True)
    for name, folder in OWN.items():
        link = namespace / name
        link.unlink(missing_ok=True)
        link.symlink_to(folder, target_is_directory=True)


def main() -> None:
    """Install all collections into the running interpreter's site-packages."""
    site_packages = Path(sysconfig.get_path("purelib"))
    with tempfile.TemporaryDirectory() as folder:
        extract(download(CHECKOUT / "requirements" / "collections.txt", Path(folder)), site_packages)
    link_checkout(site_packages)


if __name__ == "__main__":
    main()
