# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real programs consist of, from the registries as this machine is set up for them, unpacked once per machine."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import typing as t
import zipfile

#: Where the local clusters keep their build, too.
CACHE = pathlib.Path("/var/cache/podshm/programs")

#: What a change of this file makes of a tree: raise it, and all are made again.
_FORMAT = 1

#: Of a package, what no program reads.
_NOT_UNPACKED = ("./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*", "./usr/share/help/*")

#: A program's own folders, where Debian's packages have nothing: of PyPI, of npm, of Maven.
PYTHON, NODE, JARS = "opt/python", "opt/node", "opt/jars"


class NotThereError(Exception):
    """A program cannot be had; the message says why."""


@dataclasses.dataclass(frozen=True)
class Parts:
    """What to download. Without any, the tree is that of the node itself.

    :param debian: packages; with them comes everything that they need, whatever the machine has.
    :param pypi: requirements, as V(ray==2.60.0). The Python is that of the packages.
    :param npm: packages, as V(puppeteer-core@24.1.0); none of their scripts is run.
    :param maven: artifacts, as V(io.aeron:aeron-all:1.44.1), without what they depend on.
    :param links: further links, from their path in the tree, that a package makes only when it is installed.
    """

    debian: tuple[str, ...] = ()
    pypi: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    maven: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """The name of the tree's folder."""
        text = json.dumps([_FORMAT, _release(), dataclasses.asdict(self)])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _release() -> str:
    return pathlib.Path("/etc/os-release").read_text("utf-8") if os.path.exists("/etc/os-release") else ""


def _run(argv: t.Sequence[str], cwd: pathlib.Path | None = None, **env: str) -> str:
    try:
        done = subprocess.run(
            argv, cwd=cwd, env=os.environ | env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise NotThereError(f"this machine has no {argv[0]}") from None
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise NotThereError(f"{' '.join(argv[:3])} ends with {done.returncode}: {' | '.join(words[-3:])}")
    return done.stdout


def tree(parts: Parts) -> pathlib.Path:
    """The folder of a tree, which is made if it is not there.

    :raises NotThereError: a registry does not have a part, or this machine has not the registry's tool.
    """
    if not any((parts.debian, parts.pypi, parts.npm, parts.maven)):
        return pathlib.Path("/")
    folder = CACHE / parts.key
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="part-") as name:
                root = pathlib.Path(name, "root")
                _make(parts, root)
                root.rename(folder)
    return folder


def versions(parts: Parts) -> dict[str, str]:
    """The release of each Debian package of a tree: V(15.18) of V(15.18-0+deb12u1)."""
    found: dict[str, str] = json.loads((tree(parts) / "versions.json").read_text("utf-8"))
    return found


def _make(parts: Parts, root: pathlib.Path) -> None:
    # a usr that is merged, whatever the packages were built for
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    (root / "etc").mkdir()
    (root / "versions.json").write_text(json.dumps(_unpack_debian(parts.debian, root)), "utf-8")
    if parts.pypi:
        _install_pypi(parts.pypi, root)
    if parts.npm:
        _run(["npm", "install", "--ignore-scripts", "--no-save", "--prefix", str(root / NODE), *parts.npm], root)
        for packed in (root / NODE).rglob("*.br"):
            _decompress(packed)
    for artifact in parts.maven:
        _get_maven(artifact, root / JARS)
    for name, target in parts.links:
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(target)
    # everybody may read it: programs run as nobody, too
    root.chmod(0o755)


def _unpack_debian(packages: t.Sequence[str], root: pathlib.Path) -> dict[str, str]:
    with tempfile.TemporaryDirectory(dir=root.parent) as name:
        folder = pathlib.Path(name)
        (folder / "partial").mkdir()
        (folder / "status").touch()
        command = ["apt-get", "install", "--yes", "-qq", "--no-install-recommends", "--download-only"]
        # as on a machine on which nothing is installed
        command += ["-o", f"Dir::State::status={folder / 'status'}", "-o", f"Dir::Cache::archives={folder}"]
        command += ["-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=true"]
        try:
            _run([*command, *packages])
        except NotThereError:
            # it has not looked for long, or never
            _run(["apt-get", "update", "-qq"])
            _run([*command, *packages])
        found = {}
        for file in sorted(folder.glob("*.deb")):
            with contextlib.ExitStack() as stack:
                data = stack.enter_context(
                    subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(file)], stdout=subprocess.PIPE)
                )
                excluded = [f"--exclude={pattern}" for pattern in _NOT_UNPACKED]
                argv = ["tar", "--extract", "--keep-directory-symlink", "--no-same-owner", f"--directory={root}"]
                subprocess.run([*argv, *excluded], stdin=data.stdout, check=True)
            package, version, _architecture = file.stem.replace("%3a", ":").split("_")
            found[package] = re.sub(r"^\d+:|[-+~].*", "", version)
        return found


def _install_pypi(requirements: t.Sequence[str], root: pathlib.Path) -> None:
    pythons = sorted((root / "usr/lib").glob("python3.[0-9]*"))
    if not pythons:
        raise NotThereError("no Python among the Debian packages")
    pip = [sys.executable, "-m", "pip"]
    options = ["--quiet", "--only-binary=:all:", "--implementation=cp"]
    options += [f"--python-version={pythons[0].name.removeprefix('python')}"]
    with tempfile.TemporaryDirectory(dir=root.parent) as wheels:
        _run([*pip, "download", *options, f"--dest={wheels}", *requirements])
        options += ["--no-index", f"--find-links={wheels}", f"--target={root / PYTHON}"]
        _run([*pip, "install", *options, *requirements])
        # libraries of a wheel, which pip leaves out of a folder
        for file in pathlib.Path(wheels).glob("*.whl"):
            with zipfile.ZipFile(file) as wheel:
                for name in wheel.namelist():
                    _head, found, rest = name.partition(".data/data/lib/")
                    if found and rest and not name.endswith("/"):
                        path = root / PYTHON / "lib" / rest
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_bytes(wheel.read(name))
    # its scripts name the Python that has unpacked them
    for script in (root / PYTHON / "bin").glob("*"):
        text = script.read_bytes()
        if text.startswith(b"#!"):
            script.write_bytes(b"#!/usr/bin/python3\n" + text.partition(b"\n")[2])


def _decompress(packed: pathlib.Path) -> None:
    """Unpack what npm's packages have compressed by brotli, which needs node."""
    script = (
        "const [, i, o] = process.argv, fs = require('fs');"
        "fs.writeFileSync(o, require('zlib').brotliDecompressSync(fs.readFileSync(i)), {mode: 0o755})"
    )
    _run(["node", "-e", script, str(packed), str(packed.with_suffix(""))])


def _get_maven(artifact: str, folder: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parents[2]) as repository:
        plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.11.0"
        options = [f"-Dmaven.repo.local={repository}", "-Dtransitive=false"]
        _run(["mvn", "--batch-mode", "--quiet", *options, f"{plugin}:get", f"-Dartifact={artifact}"])
        group, name, version = artifact.split(":")
        jar = pathlib.Path(repository, *group.split("."), name, version, f"{name}-{version}.jar")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(jar, folder)
