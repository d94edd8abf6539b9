# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the playbook's offline tests on other releases of ansible-core: try_core.py 2.16 [2.18 ...].

Each release gets a virtual environment in .build/core, with the pinned Kubernetes client and this checkout. Before 2.19 a
variable that cannot be resolved leads silently to the default kubeconfig, another cluster: the tests show that it is never
contacted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

CHECKOUT: t.Final = Path(__file__).resolve().parents[2]
TESTS: t.Final = "tests/playbooks"
CONSTRAINTS: t.Final = CHECKOUT / "requirements" / "constraints.txt"


def pinned(*names: str) -> list[str]:
    """Return the lines of constraints.txt for some packages, as requirements."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.partition("==")[0] in names]


def environment(release: str) -> Path:
    """Return the interpreter of a virtual environment with that release of ansible-core."""
    folder = CHECKOUT / ".build" / "core" / release
    python = folder / "bin" / "python"
    if not (folder / ".done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        wanted = [f"ansible-core=={release}.*", *pinned("kubernetes", "PyYAML", "pytest", "jinja2", "Jinja2")]
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted], check=True)
        subprocess.run([str(python), "requirements/install_collections.py"], cwd=CHECKOUT, check=True)
        (folder / ".done").touch()
    return python


def main(releases: list[str]) -> int:
    """Run the tests on every release; 1 if they fail on one."""
    failed = []
    for release in releases:
        python = environment(release)
        print(f"--- ansible-core {release}", flush=True)
        env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        options = ["-q", TESTS]
        if subprocess.run([str(python), "-m", "pytest", *options], cwd=CHECKOUT, env=env, check=False).returncode:
            failed.append(release)
    if failed:
        print(f"try_core: failed on {', '.join(failed)}", flush=True)
    return 1 if failed or not releases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
