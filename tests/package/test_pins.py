# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pins install on every supported Python, also on those that this machine does not have.

uv resolves for another interpreter; pip evaluates the markers of the running one only.
"""

from __future__ import annotations

import concurrent.futures
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tree import CHECKOUT

Result = subprocess.CompletedProcess[str]
FILES = ("run", "local", "quick", "test", "docs", "mutants", "collections")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def pip_index() -> dict[str, str]:
    """Return uv's words for the package index that pip uses, since uv does not read pip's settings."""
    pip = [sys.executable, "-m", "pip", "config", "list"]
    settings = subprocess.run(pip, check=True, capture_output=True, text=True).stdout
    found = re.search(r"^\S+\.index-url='(.+)'$", settings, re.MULTILINE)
    return {"UV_DEFAULT_INDEX": found[1]} if found else {}


def resolve(python: str) -> Result:
    """Resolve everything for a Python, from wheels; reuse and yattag are all that comes as source."""
    uv = [str(Path(sys.executable).with_name("uv")), "--no-config", "pip", "compile", "--quiet", "--no-header"]
    how = ["--no-annotate", "--only-binary=:all:", "--no-binary=reuse", "--no-binary=yattag", "--cache-dir=.build/uv"]
    files = ["--constraint=requirements/constraints.txt", *(f"requirements/{name}.txt" for name in FILES)]
    return subprocess.run(
        [*uv, *how, f"--python-version={python}", *files],
        cwd=CHECKOUT,
        env=os.environ | pip_index(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """Resolve for all at once: uv mostly waits for the index."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return dict(zip(PYTHONS, pool.map(resolve, PYTHONS), strict=True))


def normal(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("python", PYTHONS)
def test_pins_resolve(python: str, results: dict[str, Result]) -> None:
    assert results[python].returncode == 0, results[python].stderr
    names = {normal(line.split("==")[0]) for line in results[python].stdout.splitlines()}
    assert {"ansible-core", "kubernetes", "pytest"} <= names
    pins = (CHECKOUT / "requirements" / "constraints.txt").read_text("utf-8")
    pinned = {normal(name) for name in re.findall(r"^([\w.-]+)==", pins, re.MULTILINE)}
    # of ansible only kubernetes.core is taken, but it has to fit the ansible-core that is pinned
    assert names - pinned == {"ansible"}, "missing in constraints.txt"
