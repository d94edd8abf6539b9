# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the role builds, with compilers that only pretend to."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

import pytest
import throwaway

ROLE = pathlib.Path(__file__).parents[2] / "roles/local_cluster"
PARTS = {
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "pause",
    "runc",
}
# Notes how it is called, waits while the file HOLD exists, and writes the file that -o names, unless it must fail there.
COMPILER = """#!/bin/bash
[ "$1" != env ] || { echo go1.99; exit; }
echo "$0 $*" >>"$CALLS"
while [ -e "$HOLD" ]; do sleep 0.05; done
while [ "$1" != -o ]; do shift; done
[ "$(basename "$2")" != "$FAIL_AT" ] || { echo "cannot compile $2"; exit 1; }
echo program >"$2"
"""


class Builder:
    """A copy of the role with a cache of its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.role, self.cache, self._folder = folder / "roles/local_cluster", folder / "cache", folder
        self.hold = folder / "hold"
        shutil.copytree(ROLE, self.role)
        (folder / "bin").mkdir()
        for name in ("go", "gcc"):
            (folder / "bin" / name).write_text(COMPILER)
            (folder / "bin" / name).chmod(0o755)
        (folder / "build.yml").write_text(
            "- hosts: localhost\n  gather_facts: false\n  tasks:\n"
            "    - ansible.builtin.import_role: {name: local_cluster, tasks_from: build}\n"
        )

    def start(self, fail_at: str = "", **variables: t.Any) -> subprocess.Popen[str]:
        ansible = pathlib.Path(sys.executable).with_name("ansible-playbook")
        environment = {
            **os.environ,
            "PATH": f"{self._folder}/bin:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(throwaway.CHECKOUT / "ansible.cfg"),
            "CALLS": str(self._folder / "calls"),
            "HOLD": str(self.hold),
            "FAIL_AT": fail_at,
        }
        (self._folder / "calls").write_text("")
        extra = json.dumps({"local_cluster_cache": str(self.cache), **variables})
        command = [ansible, self._folder / "build.yml", "--extra-vars", extra]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=self._folder, env=environment, text=True, **pipes)  # type: ignore[call-overload,no-any-return]

    def run(self, fail_at: str = "", **variables: t.Any) -> tuple[int, str]:
        process = self.start(fail_at, **variables)
        output, _nothing = process.communicate()
        return process.returncode, output

    def called(self) -> list[str]:
        return (self._folder / "calls").read_text().splitlines()

    def built(self) -> set[str]:
        there = self.cache.iterdir() if self.cache.exists() else ()
        return {folder.name for folder in there if folder.name not in ("log", ".lock")}


@pytest.fixture
def builder(tmp_path: pathlib.Path) -> Builder:
    return Builder(tmp_path)


def test_each_part_is_built_once(builder: Builder) -> None:
    code, output = builder.run()
    assert code == 0, output
    said = " ".join(output.split())
    assert "Parts: 11. Minutes on two cores: about 17." in said
    assert f"Building kube-apiserver (about 7 minutes), part 1 of 11. Log: {builder.cache}/log/kube-apiserver" in said
    assert "Building etcd (about 1 minute), part 9 of 11" in said
    assert "Building pause (seconds), part 11 of 11" in said
    assert {path.name for path in builder.cache.glob("*/*") if path.parent.name != "log"} == PARTS
    version = next(call for call in builder.called() if "kube-apiserver" in call)
    assert "version.gitVersion=v1.37." in version
    assert "version.gitMinor=37" in version

    code, output = builder.run()
    assert code == 0, output
    assert "changed=0" in output
    assert "Announce" not in output
    assert "Building" not in output
    assert builder.called() == []


def test_a_part_is_announced_while_it_is_built(builder: Builder) -> None:
    builder.hold.touch()
    process = builder.start()
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "Building kube-apiserver" in line:
                break
        else:
            pytest.fail("the first part was never announced")
        assert not [name for name in builder.built() if not name.endswith(".partial")]
    finally:
        builder.hold.unlink()
        output, _nothing = process.communicate()
    assert process.returncode == 0, output
    assert "Building kubelet" in output


def test_a_failed_part_says_why_and_the_next_run_resumes_there(builder: Builder) -> None:
    code, output = builder.run(fail_at="ctr")
    assert code != 0
    assert f"ctr cannot be built; see {builder.cache}/log/ctr.log, which ends with:" in " ".join(output.split())
    assert "cannot compile" in output
    assert not [name for name in builder.built() if name.startswith("ctr-") and not name.endswith(".partial")]
    before = builder.built()

    code, output = builder.run()
    assert code == 0, output
    assert "Building ctr (seconds), part 1 of 4" in output
    assert len(builder.called()) == 4
    assert {name for name in before if not name.endswith(".partial")} < builder.built()
    assert not [name for name in builder.built() if name.endswith(".partial")]


def test_a_changed_pin_rebuilds_what_depends_on_it(builder: Builder) -> None:
    builder.run()
    before = builder.built()
    sums = builder.role / "files/build/containerd/go.sum"
    sums.write_text(sums.read_text().replace("h1:", "h1:0", 1))
    code, output = builder.run()
    assert code == 0, output
    new = {name.rsplit("-v", 1)[0] for name in builder.built() - before}
    assert new == {"containerd", "containerd-shim-runc-v2", "ctr"}


def test_each_version_of_kubernetes_is_built_beside_the_others(builder: Builder) -> None:
    builder.run()
    before = builder.built()
    code, output = builder.run(local_cluster_kubernetes="1.28")
    assert code == 0, output
    assert {name.rsplit("-", 1)[0] for name in builder.built() - before} == {
        f"{part}-v1.28.15" for part in PARTS if part.startswith("kube")
    }
    assert all("version.gitMinor=28" in call for call in builder.called())

    code, output = builder.run(local_cluster_kubernetes="1.27")
    assert code != 0
    assert "value of local_cluster_kubernetes must be one of: 1.28, 1.37, got: 1.27" in " ".join(output.split())


def test_gvisor_is_built_only_when_it_is_asked_for(builder: Builder) -> None:
    builder.run()
    before = builder.built()
    code, output = builder.run(local_cluster_gvisor=True)
    assert code == 0, output
    assert "Building runsc (about 2 minutes), part 1 of 1" in output
    (new,) = builder.built() - before
    assert new.startswith("runsc-v0.0.0-")
    (call,) = builder.called()
    assert call.endswith(" gvisor.dev/gvisor/runsc")


def test_two_checkouts_do_not_build_the_same_twice(builder: Builder) -> None:
    processes = [builder.start(), builder.start()]
    for process in processes:
        output, _nothing = process.communicate()
        assert process.returncode == 0, output
    assert len(builder.called()) == len(set(builder.called())) == len(PARTS)
