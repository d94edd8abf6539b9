# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages of the checks, the README and the reasons say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _catalog, _reason
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _catalog_text

CHECKOUT = Path(__file__).parents[2]
PAGES = CHECKOUT / "docs" / "checks"
SECTIONS = ["What a PASS proves", "How it is measured", "What a FAIL means", "The fix", "Sources"]
EVERY = (*_catalog.CHECKS, *_catalog.CONTROLS)

each_check = pytest.mark.parametrize("check", EVERY, ids=lambda check: check.id)


def page(check: _catalog.Check) -> str:
    return (PAGES / f"{check.id}.md").read_text(encoding="utf-8")


def test_there_is_no_page_without_a_check() -> None:
    assert {file.name for file in PAGES.iterdir()} == {f"{check.id}.md" for check in EVERY}


@each_check
def test_a_page_begins_with_name_and_question(check: _catalog.Check) -> None:
    question = _catalog_text.entry(check)["question"]
    assert page(check).splitlines()[:4] == [f"# {check.id} {check.name}", "", question, ""]


@each_check
def test_a_page_has_its_sections(check: _catalog.Check) -> None:
    _head, *parts = re.split(r"^## ", page(check), flags=re.MULTILINE)
    assert [part.split("\n", 1)[0] for part in parts] == SECTIONS
    assert all(part.split("\n", 1)[1].strip() for part in parts)


@each_check
def test_a_page_tells_what_makes_it_skip(check: _catalog.Check) -> None:
    text = page(check)
    assert [reason for reason in check.skips if f"`{reason}`" not in text] == []
    assert not check.skips or "**SKIP**" in text


@each_check
def test_a_page_tells_how_to_accept_it(check: _catalog.Check) -> None:
    can_be = check.id in _catalog.BY_ID
    assert (f"podshm_accept: {{{check.id}: " in page(check)) == can_be


@each_check
def test_a_page_points_to_checks_that_exist(check: _catalog.Check) -> None:
    assert set(re.findall(r"\bSHM\d{3}\b", page(check))) <= {one.id for one in EVERY}


def test_the_readme_lists_every_check_with_its_question() -> None:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(SHM\d+)\]\(docs/checks/(SHM\d+)\.md\) \| (.*?) \|", text, flags=re.MULTILINE)
    assert rows == [(check.id, check.id, _catalog_text.entry(check)["question"]) for check in EVERY]


def test_the_readme_lists_every_tag() -> None:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert [tag for tag in _catalog.TAGS if f"`{tag}`" not in text] == []


@pytest.mark.parametrize("file", ["README.md", *(f"docs/{path.name}" for path in (CHECKOUT / "docs").glob("*.md"))])
def test_relative_links_lead_somewhere(file: str) -> None:
    text = (CHECKOUT / file).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (CHECKOUT / file).parent.joinpath(link).exists()] == []


def test_every_reason_is_listed_with_its_remedy() -> None:
    text = (CHECKOUT / "docs" / "reasons.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([A-Z]\w+) \| (.*) \|$", text, flags=re.MULTILINE))
    assert {code: remedy[0].lower() + remedy[1:].rstrip(".") for code, remedy in rows.items()} == _reason.REMEDIES
