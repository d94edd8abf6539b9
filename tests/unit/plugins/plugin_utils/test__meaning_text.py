# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.meaning import Meaning, Outcome
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _meaning_text

HEAD = "What it means for your programs (/dev/shm by default: 64Mi):"
TAIL = "  all of this with default settings; the playbook workloads says it of your own pods and manifests"


def said(name: str, outcome: Outcome, size: int | None = None, *because: str, default: str = "64Mi") -> Meaning:
    return Meaning(name, name.title(), outcome, size, "", because, (), default)


def report(cluster: str, *meanings: Meaning, node: str = "n", runtime_class: str = "") -> dict[str, t.Any]:
    return {
        "cluster": cluster,
        "programs": [{"node": node, "runtime_class": runtime_class, **one.facts()} for one in meanings],
    }


GOOD = (
    said("redis", Outcome.NOTHING),
    said("a", Outcome.WORKS),
    said("b", Outcome.WORKS),
    said("pg", Outcome.LOAD, 256 * MIB),
    said("c", Outcome.VOLUME, 2048 * MIB),
)


def test_programs_are_grouped_by_what_is_said_of_them() -> None:
    assert _meaning_text.block([report("alpha", *GOOD)]) == [
        HEAD,
        "  work with the default: A, B",
        "  need no shared memory: 1 other; -v names them",
        "  need a volume on /dev/shm under load: Pg 256Mi",
        "  need a volume on /dev/shm: C 2Gi",
        TAIL,
    ]


def test_what_is_said_of_all_clusters_is_said_once() -> None:
    reports = [report(f"c{number}", *GOOD) for number in range(50)]
    assert _meaning_text.block(reports) == _meaning_text.block([report("alpha", *GOOD)])


def test_clusters_are_named_where_they_differ() -> None:
    bad = (*GOOD[:1], said("a", Outcome.FAILS, None, "SHM101 FAIL"), said("b", Outcome.UNKNOWN, None, "SHM1 ERROR X"))
    lines = _meaning_text.block([report("alpha", *GOOD), report("beta", *bad, *GOOD[3:])])
    assert "  work with the default on alpha: A, B" in lines
    assert "  need a volume on /dev/shm: C 2Gi" in lines
    assert "  do not work here on beta: A (SHM101 FAIL)" in lines
    assert "  cannot be said on beta: B (SHM1 ERROR X)" in lines


def test_nodes_and_runtime_classes_are_named_where_they_differ() -> None:
    one = report("alpha", said("a", Outcome.WORKS))
    one["programs"] += report("alpha", said("a", Outcome.FAILS, None, "SHM1 FAIL"), runtime_class="kata")["programs"]
    lines = _meaning_text.block([one])
    assert "  work with the default on alpha n: A" in lines
    assert "  do not work here on alpha n kata: A (SHM1 FAIL)" in lines


def test_default_sizes_that_differ_are_named() -> None:
    larger = report("beta", said("a", Outcome.WORKS, default="1Gi"))
    lines = _meaning_text.block([report("alpha", said("a", Outcome.WORKS)), larger])
    assert lines[0] == "What it means for your programs (/dev/shm by default: 64Mi on alpha, 1Gi on beta):"


def test_what_was_not_measured_is_counted() -> None:
    unmeasured = [said(one, Outcome.NOT_MEASURED, None, "SHM601", "SHM101") for one in "bc"]
    lines = _meaning_text.block([report("alpha", said("a", Outcome.WORKS), *unmeasured)])
    assert "  not measured in this run: 2 programs that need SHM101, SHM601" in lines


def test_without_a_size_only_programs_that_are_named_have_a_line() -> None:
    unmeasured = said("pg", Outcome.NOT_MEASURED, None, "SHM301", default="")
    one = report("alpha", unmeasured, said("a", Outcome.WORKS, default=""), said("b", Outcome.NOTHING, default=""))
    assert _meaning_text.block([one]) == []
    named = _meaning_text.block([report("alpha", unmeasured)], is_named=True)
    assert named == ["What it means for your programs:", "  Pg: not measured in this run (SHM301)"]
    assert _meaning_text.block([{"cluster": "gone", "programs": []}], is_named=True) == []
    assert _meaning_text.every_line([{"cluster": "gone", "programs": []}]) == []


def test_a_size_that_was_not_decided_is_said() -> None:
    one = report("alpha", said("pg", Outcome.UNKNOWN, None, "SHM301 ERROR Timeout", default=""))
    lines = _meaning_text.block([one])
    assert lines[:2] == ["What it means for your programs:", "  cannot be said: Pg (SHM301 ERROR Timeout)"]


def test_many_programs_of_which_it_cannot_be_said_are_counted() -> None:
    many = [
        said(f"p{number}", Outcome.UNKNOWN, None, f"SHM30{number % 2} ERROR X", "SHM601 ERROR X")
        for number in range(13)
    ]
    lines = _meaning_text.block([report("alpha", *many)])
    words = "cannot be said: 13 programs that depend on SHM300, SHM301, SHM601, which were not decided"
    assert f"  {words}" in lines


def test_programs_that_are_named_have_a_line_and_a_manifest() -> None:
    lines = _meaning_text.block([report("alpha", GOOD[3], GOOD[0])], is_named=True)
    assert lines[0] == HEAD
    assert lines[1].startswith("  Pg: needs a volume on /dev/shm of at least 256Mi under load")
    assert lines[2].startswith("    spec: {containers: [{name: NAME,")
    assert "sizeLimit: 256Mi" in lines[2]
    assert lines[3] == "  Redis: needs no shared memory"


def test_every_program_has_a_line() -> None:
    lines = _meaning_text.every_line([report("alpha", *GOOD), report("beta", *GOOD)])
    assert [line.split()[0] for line in lines] == ["A:", "B:", "Pg:", "C:", "need", "a"]
    assert lines[4] == "  need no shared memory: Redis"
    assert "sizeLimit: SIZE" in lines[5]


def test_the_block_fits_a_screen() -> None:
    programs = [
        said(f"program number {number}", outcome, 128 * MIB, "SHM101 FAIL")
        for number, outcome in enumerate([*Outcome] * 20)
    ]
    reports = [report(f"c{number}", *programs[number:]) for number in range(30)]
    lines = _meaning_text.block(reports)
    assert len(lines) <= 26
    # the worst comes last, and stays
    assert any("do not work here" in line for line in lines)
    assert "lines that are no worse than these: the summary has them" in lines[1]
    assert all(len(line) <= 110 for line in lines)


def test_nothing_from_a_cluster_reaches_the_terminal_raw() -> None:
    evil = report("\x1b]0;title\x07", *GOOD, node="\x1b")
    other = report("beta", said("a", Outcome.WORKS))
    for line in (
        *_meaning_text.block([evil, other]),
        *_meaning_text.block([evil, other], is_named=True),
        *_meaning_text.every_line([evil, other]),
    ):
        assert line.isprintable()
