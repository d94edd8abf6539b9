# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests as the public has them, each with the findings that are right: no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit, manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS

#: A file per case. Its comments have a line C(Shape:) with the project and file that it comes from, or C(composed:), and
#: a line C(Right:) for each finding, or for none.
FOLDER = Path(__file__).parents[4] / "catalogue"
CASES = sorted(FOLDER.glob("*.yaml"))

#: Longer lines are not read at 3 a.m.
LONGEST = 200


def audits(case: Path) -> list[audit.Audit]:
    workloads, problems = manifests.read(case.read_text(encoding="utf-8"), case.name)
    assert problems == []
    assert workloads
    return [audit.audit(one, PROGRAMS) for one in workloads]


def right(case: Path) -> list[str]:
    lines = re.findall(r"^# Right: (.+)$", case.read_text(encoding="utf-8"), re.MULTILINE)
    assert lines, "it has no line Right:"
    return [] if lines == ["none"] else sorted(lines)


def test_half_of_the_cases_have_nothing() -> None:
    shapes = [re.findall(r"^# Shape: (.+)$", case.read_text(encoding="utf-8"), re.MULTILINE) for case in CASES]
    assert {len(each) for each in shapes} == {1}
    assert sum(not shape.startswith("composed: ") for (shape,) in shapes) >= 40
    assert sum(bool(right(case)) for case in CASES) * 2 <= len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_findings_are_right(case: Path) -> None:
    found = audits(case)
    assert [one.problem for one in found if one.problem] == []
    assert right(case) == sorted(
        f"{each.rule} {each.severity.value} {each.container}" for one in found for each in one.findings
    )


@pytest.mark.parametrize("case", [case for case in CASES if right(case)], ids=lambda case: case.stem)
def test_findings_are_short(case: Path) -> None:
    found = [each for one in audits(case) for each in one.findings]
    lines = [line for each in found for line in (each.observed, each.computation, each.fix)]
    assert [line for line in lines if len(line) > LONGEST or "\n" in line] == []


@pytest.mark.parametrize(
    "command",
    [
        "xvfb-run -a npm test",
        "Xvfb :99 & exec python3 bot.py",
        # how much they write there
        "mysqld --tmpdir=/dev/shm",
        "memcached -e /dev/shm/warm -m 1024",
        "java -Djava.io.tmpdir=/dev/shm -jar app.jar",
    ],
)
def test_what_only_a_part_is_known_of_is_not_known(command: str) -> None:
    text = (
        f"kind: Pod\nmetadata: {{name: x}}\nspec: {{containers: [{{name: c, image: i, args: [sh, -c, '{command}']}}]}}"
    )
    (pod,), _problems = manifests.read(text, "")
    assert audit.audit(pod, PROGRAMS).unknown == ["c"]
