# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tarball that users get: built, installed without a network, stripped to what Ansible allows at run time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import typing as t
from pathlib import Path

import pytest
import yaml
from tree import CHECKOUT, copy_collection

BIN = Path(sys.executable).parent
KUBERNETES_CORE = Path(sysconfig.get_path("purelib")) / "ansible_collections" / "kubernetes"
# A collection has to work when every other folder is gone.
RUN_TIME = {"meta", "plugins", "roles", "playbooks", "MANIFEST.json", "FILES.json"}


def run(*argv: str, cwd: Path, collections: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run one of the virtual environment's commands, with no setting of the checkout."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "K8S_AUTH_"))}
    clean |= {"ANSIBLE_HOME": str(cwd / "home"), **env}
    if collections:
        clean["ANSIBLE_COLLECTIONS_PATH"] = str(collections)
        clean["ANSIBLE_COLLECTIONS_SCAN_SYS_PATH"] = "false"
    return subprocess.run(
        [str(BIN / argv[0]), *argv[1:]], cwd=cwd, env=clean, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build what git would publish, from a copy: a checkout in use has more files."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    copy_collection(source)
    built = run("ansible-galaxy", "collection", "build", str(source), "--output-path", str(folder), cwd=folder)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("abcdesktopio-podshm-*.tar.gz")
    return path


@pytest.fixture(scope="module")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the tarball beside kubernetes.core, without a network, and strip it; return the collections path."""
    folder = tmp_path_factory.mktemp("installed")
    collections = folder / "collections"
    shutil.copytree(KUBERNETES_CORE, collections / "ansible_collections" / "kubernetes")
    result = run(
        "ansible-galaxy", "collection", "install", str(tarball), "--offline", "--collections-path", str(collections),
        cwd=folder, collections=collections,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    podshm = collections / "ansible_collections" / "abcdesktopio" / "podshm"
    for entry in podshm.iterdir():
        if entry.name not in RUN_TIME:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    assert {entry.name for entry in podshm.iterdir()} == RUN_TIME
    return collections


def test_contents(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = set(archive.getnames())
    assert {"COPYING", "README.md", "CHANGELOG.md", "meta/runtime.yml", "playbooks/site.yml"} <= names
    assert {name.split("/")[0] for name in names} <= {
        ".ansible-lint-ignore", "CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "COPYING", "FILES.json", "LICENSES",
        "MANIFEST.json", "README.md", "REUSE.toml", "SECURITY.md", "changelogs", "docs", "files", "inventories", "meta",
        "playbooks", "plugins", "roles",
    }  # fmt: skip
    # Galaxy refuses roles without
    assert {f"roles/{path.name}/README.md" for path in (CHECKOUT / "roles").iterdir()} <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".tar.gz"))]
    assert tarball.stat().st_size < 2 * 1024 * 1024


def test_notices_come_with_the_binaries(tarball: Path) -> None:
    """The MIT licence of musl and Zig demands it."""
    with tarfile.open(tarball) as archive:
        names = set(archive.getnames())
        notice = archive.extractfile("files/probe/NOTICE")
        assert notice is not None
        text = notice.read().decode()
    assert {"LICENSES/MIT.txt", "LICENSES/GPL-3.0-or-later.txt"} <= names
    for owner in ("Copyright © 2005-2020 Rich Felker, et al.", "Copyright (c) Zig contributors"):
        assert "permission notice shall be" in text.split(owner)[1], owner


def test_execution_environments_learn_what_modules_need(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        described = archive.extractfile("meta/execution-environment.yml")
        assert described is not None
        python = yaml.safe_load(described)["dependencies"]["python"]
        listed = archive.extractfile(python)
        assert listed is not None
        needs = {line.split(">")[0] for line in listed.read().decode().split("\n") if line and line[0] != "#"}
    assert needs == {"kubernetes", "PyYAML", "websocket-client"}


def test_local_clusters_are_no_part_of_it(tarball: Path) -> None:
    """What the product is tried on stays in the checkout, and nothing that runs needs it."""
    with tarfile.open(tarball) as archive:
        names = set(archive.getnames())
        texts = {name: read.read() for name in names if (read := archive.extractfile(name))}
    assert not [name for name in names if "hack" in name.split("/") or "local_cluster" in name or "clusters" in name]
    assert "inventories/local.yml" not in names
    at_run_time = [name for name in texts if name.split("/")[0] in RUN_TIME - {"FILES.json"}]
    assert not [name for name in at_run_time if b"localcluster" in texts[name] or b"local_cluster" in texts[name]]


def test_names_no_machine(tarball: Path) -> None:
    """No file carries the folder that it was built in."""
    with tarfile.open(tarball) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            assert content is None or str(CHECKOUT).encode() not in content.read(), member.name


@pytest.mark.parametrize("module", ["shm_check", "shm_probe", "shm_size"])
def test_module_has_documentation(installed: Path, module: str) -> None:
    result = run("ansible-doc", "--json", f"abcdesktopio.podshm.{module}", cwd=installed.parent, collections=installed)
    assert result.returncode == 0, result.stderr
    documented = json.loads(result.stdout)[f"abcdesktopio.podshm.{module}"]
    assert str(installed) in documented["doc"]["filename"]
    assert documented["examples"]
    assert documented["return"]


def test_site_runs_from_the_installed_copy(installed: Path, tmp_path: Path) -> None:
    local = yaml.safe_load((CHECKOUT / "inventories" / "local.yml").read_text(encoding="utf-8"))
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump(local), encoding="utf-8")
    result = run(
        "ansible-playbook", "--inventory", str(inventory), "--limit", "alpha", "abcdesktopio.podshm.site",
        cwd=tmp_path, collections=installed,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    checks: list[dict[str, t.Any]] = json.loads((tmp_path / "reports" / "alpha.json").read_text("utf-8"))["checks"]
    assert checks
    assert {check["verdict"] for check in checks} <= {"PASS", "WARN", "SKIP"}
