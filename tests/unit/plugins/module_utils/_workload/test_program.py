# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What files of programs are written with."""

from __future__ import annotations

import re

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import KIB, MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import program


@pytest.mark.parametrize(
    ("line", "is_started"),
    [
        ("frames", True),
        ("/usr/lib/frames/2.4/bin/frames --port 1", True),
        ("sh -c frames", True),
        ("/bin/bash -ec set -e; exec frames", True),
        ("bash -c \n  ulimit -n 65536\n  frames --head", True),
        ("sh -c A=1 B=2 frames", True),
        ("A=1 frames", True),
        ("env A=1 frames", True),
        ("tini -- frames", True),
        ("docker-entrypoint.sh frames -c x", True),
        ("gosu frames frames", True),
        ("sudo -u app frames", True),
        ("timeout 60 frames", True),
        ("sh -c init & frames", True),
        ("sh -c (frames)", True),
        ("frames; sleep 1", True),
        ("echo frames", False),
        ("client -U frames", False),
        ("client --db frames", False),
        ("wait-for frames 5432", False),
        ("sh -c until client -h frames; do sleep 1; done", False),
        ("sudo -u frames client", False),
        ("curl http://frames/", False),
        ("cat /etc/frames", False),
        ("framesctl", False),
        ("frames.sh", False),
        ("my-frames", False),
        ("", False),
    ],
)
def test_runs(line: str, is_started: bool) -> None:
    assert bool(re.search(program.runs("frames"), line, re.IGNORECASE)) == is_started


def test_runs_takes_several_words_and_stands_beside_other_patterns() -> None:
    pattern = program.runs("frames serve|pixels") + r"|-m frames\b"
    assert [
        bool(re.search(pattern, line)) for line in ("frames serve x", "/bin/pixels", "python -m frames", "frames")
    ] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("x --frame-size 6m", "6m"),
        ("x --frame-size=6m", "6m"),
        ("x --frame_size='6m'", "6m"),
        ("--FRAME-SIZE=6m x", "6m"),
        ("x -f 6m", "6m"),
        ("x --other-frame-size 6m", None),
        ("x --frame-sizes 6m", None),
        ("x --frame-size", None),
    ],
)
def test_option(line: str, value: str | None) -> None:
    match = re.search(program.option("--frame-size", "-f"), line, re.IGNORECASE)
    assert (match[1] if match else None) == value


@pytest.mark.parametrize(("text", "number"), [("0", 0), (" 8 ", 8), ("9" * 18, int("9" * 18))])
def test_count(text: str, number: int) -> None:
    assert program.count(text) == number


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1e9", "9" * 19, "eight", "0x10"])
def test_what_is_no_count(text: str) -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        program.count(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("64MB", 64 * MIB), ("64", 64 * KIB), ("1GB", 1024 * MIB), ("8kB", 8 * KIB), ("512B", 512), ("'2g'", 2048 * MIB)],
)
def test_bytes_in(text: str, size: int) -> None:
    assert program.bytes_in(KIB)(text) == size


@pytest.mark.parametrize("text", ["", "64 MB of it", "-1", "1.5GB", "9" * 30])
def test_what_is_no_amount_of_memory(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount of memory"):
        program.bytes_in(KIB)(text)


def _need(since: program.Version = (), until: program.Version = ()) -> program.Need:
    return program.Need(program.Uses.DEV_SHM, "frames", since=since, until=until)


@pytest.mark.parametrize(
    ("need", "old", "new", "unknown"),
    [
        (_need(), True, True, True),
        (_need(since=(3,)), False, True, True),
        (_need(until=(3,)), True, False, False),
        (_need(since=program.NOT_KNOWN), False, False, True),
    ],
)
def test_a_need_has_releases(need: program.Need, old: bool, new: bool, unknown: bool) -> None:
    values = program.Values({})
    assert [need.applies(values, version) for version in ((2, 9), (3, 0), ())] == [old, new, unknown]


def test_without_a_least_nothing_is_sure() -> None:
    assert program.no_least(program.Values({})).size_bytes == 0
