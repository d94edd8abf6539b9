# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _ask, _catalog, _plan, _pod, _protocol
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Undecided


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
    scenario._broken, scenario._killed = {}, {}
    scenario._check(_ask.Asked(), list(plan.steps))
    assert done[-5:] == ["_step create", "_begin wait", "_step post", "_finish wait", "_step remove"]


@pytest.mark.parametrize(("killed", "last"), [({}, "drop"), ({"tight": 2}, "again")])
def test_a_container_that_lives_removes_what_it_kept(
    monkeypatch: pytest.MonkeyPatch, killed: dict[str, int], last: str
) -> None:
    """It may be the node's /dev/shm that it lies in."""
    nonces = (f"{number:032x}" for number in itertools.count())
    (plan,) = _plan.plan([_catalog.BY_ID["SHM312"]], _plan.Settings(), "ff", nonces)
    done: list[str] = []
    monkeypatch.setattr(_ask.Scenario, "_step", lambda self, step: done.append(step.label))
    scenario = t.cast("t.Any", object.__new__(_ask.Scenario))
    scenario._broken, scenario._killed = {}, killed
    scenario._check(_ask.Asked(), list(plan.steps))
    assert done[-1] == last


@pytest.mark.parametrize(("reason", "again"), [("ExecTransport", ["second"]), ("Timeout", []), ("PodFailed", [])])
def test_a_step_that_killed_its_session_is_no_matter_of_the_next_check(
    monkeypatch: pytest.MonkeyPatch, reason: str, again: list[str]
) -> None:
    nonces = (f"{number:032x}" for number in itertools.count())
    (plan,) = _plan.plan([_catalog.BY_ID["SHM104"]], _plan.Settings(), "ff", nonces)
    connected: list[str] = []
    monkeypatch.setattr(_ask.Scenario, "_connect", lambda self, container: connected.append(container))
    monkeypatch.setattr(_ask.Scenario, "_step", lambda self, step: None)
    scenario = t.cast("t.Any", object.__new__(_ask.Scenario))
    scenario._broken, scenario._killed = {"second": Undecided(reason, "it broke"), "guest": Undecided(reason, "")}, {}
    scenario._check(_ask.Asked(), list(plan.steps))
    assert connected == again


@pytest.mark.parametrize(
    ("asked", "given", "words"),
    [
        ("own-ipc", "own-ipc", ""),
        ("", "own-ipc", ""),
        ("own-ipc", "", "runtimeClassName own-ipc -> none"),
        ("own-ipc", "runc", "runtimeClassName own-ipc -> runc"),
    ],
)
def test_a_runtime_is_not_judged_by_the_answers_of_another(asked: str, given: str, words: str) -> None:
    scenario = t.cast("t.Any", object.__new__(_ask.Scenario))
    scenario._common = _pod.Common("ff", "", "default", "n", "amd64", "pause", "Never", asked, (), {}, {}, 120)
    stored: dict[str, t.Any] = {"kind": "Pod", "metadata": {"namespace": "default", "name": "x"}, "spec": {}}
    if given:
        stored["spec"]["runtimeClassName"] = given
    if not words:
        scenario._as_asked(stored)
        return
    with pytest.raises(Undecided, match=words) as caught:
        scenario._as_asked(stored)
    assert caught.value.reason == "PremiseFailed"


def scenarios(shared: t.Any) -> dict[str, t.Any]:
    """The scenarios of two checks and the controls, on one target, without a cluster."""
    nonces = (f"{number:032x}" for number in itertools.count())
    checks = [*_catalog.CONTROLS, _catalog.BY_ID["SHM106"], _catalog.BY_ID["SHM108"]]
    common = _pod.Common("ff", "0", "default", "n", "amd64", "pause", "Never", "", (), {}, {}, 120)
    plans = _plan.plan(checks, _plan.Settings(), "ff", nonces)
    return {plan.layout.name: _ask.Scenario(shared, common, plan) for plan in plans}


def test_without_a_control_nothing_more_is_asked_on_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be decided is not waited for, in no container of any pod."""
    asked: list[str] = []

    def answer(self: t.Any, step: _plan.PlannedStep) -> _protocol.Observation:
        asked.append(step.check)
        raise Undecided("Timeout", "no answer of the probe within 13 s")

    monkeypatch.setattr(_ask.Scenario, "_connect", lambda self, container: None)
    monkeypatch.setattr(_ask.Scenario, "_step", answer)
    shared = _ask.Shared(*t.cast("t.Any", (None, None, None, 0.0, False)))
    on_target = scenarios(shared)
    with pytest.raises(Undecided, match="no answer"):
        on_target["pair"]._steps(_ask.Asked())
    assert asked == ["SHM901"]
    with pytest.raises(Undecided, match="no answer"):
        on_target["life"]._steps(_ask.Asked())
    # what was under way when the control was lost
    assert set(asked) == {"SHM901", "SHM108"}


def test_a_check_without_an_answer_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(self: t.Any, step: _plan.PlannedStep) -> _protocol.Observation:
        asked.append(step.check)
        if step.check == "SHM106":
            raise Undecided("Timeout", "no answer of the probe within 13 s")
        return _protocol.Observation(step.name, step.nonce, {}, (), None)

    monkeypatch.setattr(_ask.Scenario, "_connect", lambda self, container: None)
    monkeypatch.setattr(_ask.Scenario, "_step", answer)
    cluster = type("Fake", (), {"pod": lambda self, name: {}})()
    shared = _ask.Shared(*t.cast("t.Any", (cluster, None, None, 0.0, False)))
    on_target = scenarios(shared)
    for scenario in on_target.values():
        scenario._steps(_ask.Asked())
    assert set(asked) == {"SHM901", "SHM902", "SHM106", "SHM108"}
