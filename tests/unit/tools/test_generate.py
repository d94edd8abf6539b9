# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that follows from the table of options is up to date, and an option appears everywhere."""

from __future__ import annotations

import typing as t
from pathlib import Path

import generate
import pytest
import yaml

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _options
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _variables

CHECKOUT: t.Final = Path(__file__).parents[3]


@pytest.mark.parametrize(("path", "text"), list(generate.files()), ids=lambda value: value if len(value) < 60 else "")
def test_generated_files_are_up_to_date(path: str, text: str) -> None:
    assert (CHECKOUT / path).read_text(encoding="utf-8") == text, "run tests/tools/generate.py"


def tasks(entries: list[dict[str, t.Any]]) -> t.Iterator[dict[str, t.Any]]:
    """Yield tasks, also those of blocks."""
    for entry in entries:
        yield entry
        yield from tasks(entry.get("block", []))


def arguments(text: str) -> dict[str, t.Any]:
    """Return the arguments that the playbook gives to shm_check."""
    (found,) = (
        task["abcdesktopio.podshm.shm_check"]
        for play in yaml.safe_load(text)
        for task in tasks(play.get("tasks", []))
        if "abcdesktopio.podshm.shm_check" in task
    )
    return dict(found)


def test_the_playbook_passes_every_option_on() -> None:
    found = arguments((CHECKOUT / "playbooks" / "site.yml").read_text(encoding="utf-8"))
    assert found.keys() == {*(option.name for option in _options.OPTIONS), *_variables.CONNECTION}


@pytest.mark.parametrize(("scope", "role"), [(_options.RUN, ""), (_options.SIZE, "resize"), (_options.CHECK, "limits")])
def test_a_new_option_appears_everywhere(scope: str, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    new = _options.Option("novelty", "str", scope, ("Something new.",), "something new", default="x", role=role)
    monkeypatch.setattr(_options, "OPTIONS", (*_options.OPTIONS, new))
    monkeypatch.setattr(_variables, "SETTABLE", (*_variables.SETTABLE, new))
    texts = dict(generate.files())
    assert "lookup('vars', 'podshm_novelty', default=omit)" in arguments(texts["playbooks/site.yml"])["novelty"]
    assert "| `podshm_novelty` | something new | `x` |" in texts["docs/variables.md"]
    assert _options.spec(scope)["novelty"] == {"type": "str", "default": "x"}
    if role:
        spec = yaml.safe_load(texts[f"roles/{role}/meta/argument_specs.yml"])["argument_specs"]["main"]["options"]
        assert spec[f"{role}_novelty"] == {"description": ["Something new."], "type": "str", "default": "x"}
        assert yaml.safe_load(texts[f"roles/{role}/defaults/main.yml"])[f"{role}_novelty"] == "x"
        (task,) = yaml.safe_load(texts[f"roles/{role}/tasks/main.yml"])
        assert task["vars"]["_common_options"]["novelty"] == f"{{{{ {role}_novelty }}}}"
        assert "_common_options.novelty | default(omit)" in texts["roles/_common/tasks/main.yml"]


def test_lint_names_what_differs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert generate.main(["--lint"]) == 0
    monkeypatch.setattr(generate, "files", lambda: iter([("docs/variables.md", "other")]))
    assert generate.main(["--lint"]) == 1
    assert "is not up to date: docs/variables.md" in capsys.readouterr().out
    assert (CHECKOUT / "docs" / "variables.md").read_text(encoding="utf-8") != "other"
