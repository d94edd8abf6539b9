# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _ask, _catalog, _plan


def test_an_answer_is_read_before_what_it_waits_in_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else semtimedop meets a semaphore that is gone (EINVAL), and an honest cluster fails SHM103."""
    nonces = (f"{number:032x}" for number in itertools.count())
    (plan,) = _plan.plan([_catalog.BY_ID["SHM103"]], _plan.Settings(), "ff", nonces)
    done: list[str] = []
    for name in ("_begin", "_finish", "_step"):
        monkeypatch.setattr(
            _ask.Scenario, name, lambda self, step, name=name: done.append(f"{name} {step.label}"), raising=True
        )
    scenario = t.cast("t.Any", object.__new__(_ask.Scenario))
    scenario._check(_ask.Asked(), list(plan.steps))
    assert done[-5:] == ["_step create", "_begin wait", "_step post", "_finish wait", "_step remove"]
