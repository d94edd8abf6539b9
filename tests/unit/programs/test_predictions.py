# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make programs` runs (tests/programs): its predictions, which need no program, and what it makes of an end."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest
import shapes
import trial
from shapes import Came, Entry
from trees import Parts

ENTRIES = trial.entries()
#: Where the release decides.
RELEASES = {"postgresql": "15.18", "chromium": "156.0.8078"}


def where(entry: Entry) -> tuple[pathlib.Path, str]:
    return pathlib.Path("/"), RELEASES.get(entry.name, "1.0")


ROWS = trial.predict(ENTRIES, where)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_audit_predicts_what_is_known_to_come(row: trial.Row) -> None:
    assert row.finds == (frozenset() if row.shape.mends else row.shape.finds)
    assert not row.predicted or row.shape.came in row.predicted


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_program_has_a_shape_that_works_and_one_that_does_not(entry: Entry) -> None:
    came = {shape.came for shape in entry.shapes}
    assert Came.WORKS in came
    assert came & {Came.FAILS, Came.DEGRADED}
    names = [shape.name for shape in entry.shapes]
    assert {shape.mends for shape in entry.shapes if shape.mends} <= {*names}
    assert len({shapes.pod_name(entry, shape) for shape in entry.shapes}) == len(names)


def test_there_are_at_least_twelve_programs() -> None:
    assert len(ENTRIES) >= 12


def test_a_failure_is_never_predicted_without_a_finding_and_no_finding_is_a_failure() -> None:
    workload = {"status": "PASS", "findings": []}
    assert shapes.predicted(workload) == (Came.WORKS,)
    assert shapes.predicted({**workload, "status": "SKIP"}) == ()
    unsafe = {"status": "WARN", "findings": [{"rule": "SHM709", "severity": "WARN"}]}
    assert shapes.predicted(unsafe) == (Came.WORKS,)
    warned = {"status": "WARN", "findings": [{"rule": "SHM701", "severity": "WARN"}]}
    assert shapes.predicted(warned) == (Came.DEGRADED, Came.FAILS)
    assert shapes.predicted(warned, is_idle=True) == (Came.DEGRADED, Came.FAILS, Came.WORKS)
    failed = {"status": "FAIL", "findings": [{"rule": "SHM701", "severity": "FAIL"}]}
    assert shapes.predicted(failed) == (Came.FAILS,)


@pytest.mark.parametrize(
    ("exit_code", "log", "came"),
    [
        (0, "it is done", Came.WORKS),
        (1, "it is done", Came.UNCLEAR),
        (0, "", Came.UNCLEAR),
        (0, "it is done, slowly", Came.DEGRADED),
        (124, "it is done", Came.WORKS),
        (0, "it is done\nit broke", Came.FAILS),
        (135, "", Came.FAILS),
        (137, "it is done", Came.UNCLEAR),
    ],
)
def test_what_became_of_a_program(exit_code: int, log: str, came: Came) -> None:
    entry = shapes.Entry("one", Parts(), (), works="is done", degraded="slowly", fails="broke", ends=frozenset({124}))
    assert entry.came(exit_code, log) is came


def test_a_row_that_is_not_as_predicted_says_so() -> None:
    row = next(row for row in ROWS if row.name == "iceoryx: 64Mi")
    good = trial.Row(
        row.entry,
        row.shape,
        row.manifest,
        row.predicted,
        row.finds,
        came=Came.FAILS,
        exit_code=1,
        signs=frozenset({row.shape.sign}),
    )
    assert good.wrong() == ""
    lying = dataclasses.replace(good, proved="PASS", evidence="256Mi filled")
    assert lying.wrong() == "the proof is PASS (256Mi filled), and it came as fails"
    bad = trial.Row(row.entry, row.shape, row.manifest, row.predicted, came=Came.WORKS, exit_code=0)
    assert bad.wrong() == (
        "the audit found nothing, not SHM701 FAIL; it works (exit code 0), and should be: fails; the audit predicted "
        "fails, and it came as works; afterwards the audit found nothing, not SHM724 iceoryx"
    )
    assert "iceoryx  64Mi   fails      -      works !  0     0  -      -" in trial.table([bad])


def test_a_patch_merges_lists_by_name() -> None:
    before = {"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}], "hostIPC": True}
    patch = {
        "hostIPC": None,
        "containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}]}, {"name": "b", "$patch": "delete"}],
    }
    assert shapes.merged(before, patch) == {
        "containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]}]
    }
