# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make site` with a cluster of one's own: no root, and nothing written outside the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from tree import copy_collection

# Belongs to nobody, so that whatever it owns was made by the test.
USER = 64123
SYSTEM = Path("/usr/bin/python3")
KUBECONFIG = Path("/var/lib/podshm/alpha/kubeconfig")


@pytest.fixture(scope="module")
def own_folder() -> t.Iterator[Path]:
    """Return a folder that the user can reach (pytest's own folders are closed to others)."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    usable = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run([SYSTEM, "-c", usable], check=False, capture_output=True).returncode != 0:
        pytest.skip(f"{SYSTEM} is older than 3.11 or has no ensurepip; the user cannot reach another Python for sure")
    folder = Path(tempfile.mkdtemp(prefix="podshm-", dir="/var/tmp"))
    try:
        copy_collection(folder / "checkout")
        (folder / "home").mkdir()
        shutil.copy(KUBECONFIG, folder / "kubeconfig")
        subprocess.run(["chown", "-R", f"{USER}:{USER}", folder], check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


def make_site(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make site as the user, with the settings for package indexes and proxies and nothing else."""
    kept = {name: value for name, value in os.environ.items() if name.lower().startswith(("pip_", "http", "no_proxy"))}
    return subprocess.run(
        ["make", "site", f"PYTHON={SYSTEM}"],
        cwd=folder / "checkout",
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder / "home"), **kept, **variables},
        user=USER,
        group=USER,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def owned_by_user() -> set[Path]:
    """Return everything that belongs to the user, wherever files can be made."""
    find = ["find", "/", "/dev/shm", "/run", "/tmp", "-xdev", "-uid", str(USER)]
    listed = subprocess.run(find, capture_output=True, text=True, check=False).stdout
    return {Path(line) for line in listed.splitlines()}


def test_kubeconfig_needs_no_root_and_stays_in_the_checkout(own_folder: Path) -> None:
    # also what an earlier run of this test left, if it was killed
    before = owned_by_user()
    result = make_site(own_folder, KUBECONFIG=str(own_folder / "kubeconfig"))
    assert result.returncode == 0, result.stdout + result.stderr
    # says which cluster before it touches it
    said = result.stdout.index(f"context alpha of {own_folder / 'kubeconfig'}")
    assert said < result.stdout.index("PLAY [")
    assert json.loads((own_folder / "checkout" / "reports" / "alpha.json").read_text("utf-8"))["checks"]
    assert {path for path in owned_by_user() - before if not path.is_relative_to(own_folder / "checkout")} == set()


def test_local_clusters_need_root_and_say_so(own_folder: Path) -> None:
    result = make_site(own_folder)
    assert result.returncode != 0
    assert "local clusters need root" in result.stderr
    assert "PLAY [" not in result.stdout


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"KUBECONFIG": "/nonexistent/kubeconfig"}, "site: KUBECONFIG /nonexistent/kubeconfig: No such file"),
        ({"KUBECONFIG": "kubeconfig", "CONTEXT": "nope"}, "site: CONTEXT nope: not in KUBECONFIG; it has: alpha"),
        ({"KUBECONFIG": "kubeconfig", "LIMIT": "nope"}, "nope"),
        ({"INVENTORY": "/nonexistent/inventory"}, "/nonexistent/inventory"),
    ],
)
def test_what_selects_no_cluster_fails_and_is_named(own_folder: Path, variables: dict[str, str], message: str) -> None:
    if variables.get("KUBECONFIG") == "kubeconfig":
        variables = {**variables, "KUBECONFIG": str(own_folder / "kubeconfig")}
    result = make_site(own_folder, **variables)
    assert result.returncode != 0
    assert message in result.stdout + result.stderr
