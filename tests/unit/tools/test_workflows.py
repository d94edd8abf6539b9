# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workflows run elsewhere: a role that none of them tests, or an action that moves, would go unnoticed."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
ROLES = sorted(path.name for path in (CHECKOUT / "roles").iterdir() if not path.name.startswith("_"))
SLOW = {"worlds", "gvisor", "v2", "versions"}
PINNED = re.compile(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def read(name: str) -> dict[str, t.Any]:
    content: dict[str, t.Any] = yaml.safe_load((CHECKOUT / ".github" / "workflows" / name).read_text("utf-8"))
    return content


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_permissions_few(path: Path) -> None:
    text = path.read_text("utf-8")
    used = re.findall(r"^ *(?:- )?uses: (.*)$", text, re.MULTILINE)
    assert used
    assert [action for action in used if not PINNED.fullmatch(action)] == []
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


def test_one_version_of_each_action() -> None:
    used = {line for path in WORKFLOWS for line in PINNED.findall(path.read_text("utf-8"))}
    assert len(used) == len({line.split("@")[0] for line in used})


@pytest.mark.parametrize("job", ["local", "kind"])
def test_every_role_has_a_scenario_that_runs(job: str) -> None:
    assert sorted(read("molecule.yml")["jobs"][job]["strategy"]["matrix"]["role"]) == ROLES
    scenarios = CHECKOUT / "extensions" / "molecule"
    assert [role for role in ROLES if not (scenarios / role / "molecule.yml").exists()] == []


def test_the_slow_stages_run_each_week() -> None:
    workflow = read("worlds.yml")
    assert workflow["on"]["schedule"]
    assert set(workflow["jobs"]["worlds"]["strategy"]["matrix"]["stage"]) == SLOW


@pytest.mark.skipif(not (CHECKOUT / "hack").exists(), reason="the copy for ansible-test has no local clusters")
def test_the_cache_holds_what_is_built_from_the_same_files() -> None:
    """The patterns exist: of files that have moved the hash is constant, and the cache never renewed."""
    for path in WORKFLOWS:
        for patterns in re.findall(r"hashFiles\((.*?)\)", path.read_text("utf-8"), re.DOTALL):
            for pattern in re.findall(r"'(.*?)'", patterns):
                assert any(CHECKOUT.glob(pattern.removesuffix("**") + ("**/*" if pattern.endswith("**") else ""))), (
                    pattern
                )
