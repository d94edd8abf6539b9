# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each finding has a page, with a pod that has it and one that does not: nothing else is found in either."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.manifests import Workload
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.rules import Kind

PAGES = Path(__file__).parents[5] / "docs" / "findings"
SECTIONS = ["What it means", "How it is known", "The fix", "A pod that has it", "A pod that does not"]

each_kind = pytest.mark.parametrize("kind", audit.KINDS, ids=lambda kind: kind.id)


def page(kind: Kind) -> str:
    return (PAGES / f"{kind.id}.md").read_text(encoding="utf-8")


def blocks(kind: Kind, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page(kind), flags=re.MULTILINE | re.DOTALL)


def found(text: str, log: str) -> list[str]:
    pod = yaml.safe_load(text)
    name = pod["metadata"]["name"]
    logs = {(name, one["name"]): log for one in pod["spec"]["containers"]}
    work = Workload("v1", "Pod", "", name, (), pod["metadata"], pod["spec"], pods=[pod])
    seen = audit.audit(work, PROGRAMS, logs)
    assert seen.problem == ""
    return [one.rule for one in seen.findings]


def test_there_is_no_page_without_a_finding() -> None:
    assert {each.name for each in PAGES.iterdir()} == {f"{kind.id}.md" for kind in audit.KINDS}


@each_kind
def test_a_page_has_its_frame(kind: Kind) -> None:
    head, *parts = re.split(r"^## ", page(kind), flags=re.MULTILINE)
    assert head == f"# {kind.id} {kind.name}\n\n{kind.question}\n\n"
    assert [part.split("\n", 1)[0] for part in parts] == SECTIONS


@each_kind
def test_one_pod_has_the_finding_and_the_other_has_not(kind: Kind) -> None:
    ill, well = blocks(kind, "yaml")
    last_words, others = blocks(kind, "text") or ("", "")
    assert found(ill, last_words) == [kind.id]
    assert found(well, others) == []
