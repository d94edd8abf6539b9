# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node whose machine has what few have: huge pages and swap. The machine has them while the tests here run."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import tempfile
import typing as t

import harness
import local
import pytest
import throwaway
from table import expect, honest, verdict_of

NAME = throwaway.new_name()

_PAGES: t.Final = 8
#: On cgroup v2 the kubelet gives containers no swap, unless its configuration says so; on v1 it cannot.
_CGROUP2 = pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists()

HONEST = honest()
EXPECTED = {
    "huge pages": expect(PASS="SHM221"),
    "swap": expect(PASS="SHM320") if _CGROUP2 else expect(WARN="SHM320"),
    # the volume is a tmpfs instead
    "own-volume": expect(FAIL="SHM221"),
}


@contextlib.contextmanager
def huge_pages() -> t.Iterator[None]:
    """The machine has huge pages of its default size, which a kubelet sees when it starts."""
    number = pathlib.Path("/proc/sys/vm/nr_hugepages")
    before = number.read_text()
    number.write_text(str(int(before) + _PAGES))
    try:
        if int(number.read_text()) < int(before) + _PAGES:
            pytest.skip("the memory of this machine has no room for huge pages")
        yield
    finally:
        number.write_text(before)


@contextlib.contextmanager
def swap() -> t.Iterator[None]:
    """The machine has swap."""
    with tempfile.NamedTemporaryFile(prefix="podshm-", dir="/var/tmp") as area:
        area.write(bytes(16 << 20))
        area.flush()
        os.fsync(area.fileno())
        subprocess.run(["mkswap", area.name], check=True, stdout=subprocess.DEVNULL)
        refused = subprocess.run(["swapon", area.name], check=False, capture_output=True, text=True).stderr
        if refused:
            pytest.skip(f"this machine cannot have swap: {refused.strip()}")
        try:
            yield
        finally:
            subprocess.run(["swapoff", area.name], check=True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[harness.Cluster]:
    handlers = local.liars(tmp_path_factory.mktemp("worlds"), ["own-volume"])
    with huge_pages(), local.cluster(NAME, local_cluster_handlers=handlers) as started:
        yield started


def answers(cluster: harness.Cluster, world: str, runtime_class: str = "") -> dict[str, dict[str, t.Any]]:
    """The answers to what the world is about, and to SHM605, which are as they must be."""
    expected = EXPECTED[world]
    answer = harness.call(cluster, checks=[*expected, "SHM605"], runtime_class=runtime_class).answer()
    assert answer.result.get("leftovers") == [], answer.output
    assert {name: verdict_of(answer.checks[name]) for name in expected} == expected, answer.output
    return answer.checks


def test_huge_pages(cluster: harness.Cluster) -> None:
    checks = answers(cluster, "huge pages")
    assert checks["SHM221"]["observed"].startswith("nonce and sentence crossed in a page of ")
    # PASS or WARN: whether the runtime and the node's cgroups limit them differs
    assert f": {_PAGES}, {_PAGES} free, mmap " in checks["SHM605"]["observed"]


def test_a_volume_of_huge_pages_that_is_none(cluster: harness.Cluster) -> None:
    checks = answers(cluster, "own-volume", "own-volume")
    assert checks["SHM221"]["observed"] == "the volume is tmpfs in the container huge"


def test_swap(cluster: harness.Cluster) -> None:
    with swap():
        checks = answers(cluster, "swap")
    assert "bytes of swap" in checks["SHM320"]["observed"]
