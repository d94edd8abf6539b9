# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import itertools
import random
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import CHECKS, CONTROLS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Action,
    Container,
    ContainerKind,
    Settings,
    Sizes,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import LayoutPlan, PlannedStep, plan
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.scripts import Line, sampled, scripted, scripts


def layouts(*ids: str) -> dict[str, LayoutPlan]:
    """The layouts of some checks, or of the whole catalog."""
    settings = Settings(restart_kubelet=("true",))
    checks = [check for check in (*CHECKS, *CONTROLS) if not ids or check.id in ids]
    nonces = (f"{number:032x}" for number in itertools.count())
    return {one.layout.name: one for one in plan(checks, settings, Sizes.of(settings), "00000000ff", nonces)}


def waits(layout: LayoutPlan) -> list[str]:
    """The lines of all containers in the order of their numbers: container, number, what it waits for, step."""
    lines = sorted((line for script in scripts(layout.steps).values() for line in script), key=lambda line: line.number)
    return [f"{line.step.container.name}: {' '.join(line.text().split()[:4])}" for line in lines]


SCRIPTED = [one for one in layouts().values() if not one.layout.dry_run_only and not one.layout.runs_to_completion]


META = manifests.RunMeta("ff", "", "default", "n", "amd64", "pause", "Never", "", (), {}, {}, 120)


def requested(layout: LayoutPlan) -> dict[str, t.Any]:
    """By role: volumes and mounts of the pods."""
    specs = {pod.role.removeprefix("admit-"): manifests.pod(META, pod, "")["spec"] for pod in layout.pods}
    return {
        role: (
            spec["volumes"],
            {one["name"]: one["volumeMounts"] for one in (*spec["initContainers"], *spec["containers"])},
        )
        for role, spec in specs.items()
    }


def test_what_pods_carry_without_exec_is_in_their_samples() -> None:
    plain = layouts("SHM607")["admission"]
    samples = requested(sampled(plain))
    for layout in layouts().values():
        if layout.layout.dry_run_only:
            continue
        sent = requested(scripted(layout, 60)[0] if layout.has_sessions else layout)
        assert sent == {role: samples[role] for role in sent}
    # what is a pod of nobody but the dry run stays as it is
    assert {role for role, one in requested(plain).items() if one == samples[role]} == {
        "volume-on-dev-shm",
        "relaxed",
        "complete",
    }


def test_containers_of_a_pod_take_turns() -> None:
    assert waits(layouts("SHM101")["pair"]) == [
        "first: 1 none always identity",
        "second: 2 1.done always identity",
        "first: 3 2.done always sysv_shm_create",
        "second: 4 3.done always sysv_shm_read",
        "first: 5 4.done always sysv_shm_finish",
    ]


def test_the_next_step_ends_the_wait_of_one_that_blocks() -> None:
    assert waits(layouts("SHM103")["pair"]) == [
        "first: 1 none always identity",
        "second: 2 1.done always identity",
        "first: 3 2.done always sysv_sem_create",
        "second: 4 3.done always sysv_sem_wait",
        "first: 5 4.waits always sysv_sem_post",
        "first: 6 5.done,4.done always sysv_sem_remove",
    ]


def test_after_a_step_in_another_pod_the_run_decides() -> None:
    assert waits(layouts("SHM501")["pair"]) == [
        "first: 1 none always identity",
        "stranger: 2 run always identity",
        "first: 3 run always sysv_shm_create",
        "stranger: 4 run always sysv_shm_read",
        "first: 5 run always sysv_shm_finish",
    ]


def test_a_container_that_may_be_killed_and_is_ended() -> None:
    assert waits(layouts("SHM312")["tight"]) == [
        # it waits until the container is up
        "tight: 2 run always fill",
        "tight: 3 2.done always object_put",
        # what was answered before has to be read before the log goes with the container
        "tight: 4 run always fill",
        "tight: 5 run ends end",
        "tight: 6 run always object_get",
        "tight: 7 run always fill",
        "tight: 8 7.done unless-killed object_drop",
    ]


def test_what_an_init_container_did_is_done() -> None:
    life = layouts()["life"]
    earlier = {number for number, step in enumerate(life.steps, 1) if step.container.kind is ContainerKind.INIT}
    assert earlier
    lines = [line for script in scripts(life.steps).values() for line in script]
    assert earlier.isdisjoint(line.number for line in lines)
    assert {f"{number}.done" for number in earlier}.isdisjoint(mark for line in lines for mark in line.after or ())


def test_a_step_needs_the_run_where_a_mark_may_never_be_there() -> None:
    lines = [line for script in scripts(layouts("SHM103")["pair"].steps).values() for line in script]
    first, *_others, last = sorted(lines, key=lambda line: line.number)
    assert last.after == ("5.done", "4.done")
    assert not first.needs_grant(set())
    assert last.needs_grant({"5.done"})
    assert not last.needs_grant({"4.done", "5.done"})


def test_a_step_that_earlier_answers_decide_on_needs_the_run() -> None:
    first, *others = layouts("SHM101")["pair"].steps
    lines = [
        line
        for script in scripts([first, dataclasses.replace(others[0], is_optional=True)]).values()
        for line in script
    ]
    assert [line.after for line in lines] == [(), None]


def of_probe(step: PlannedStep) -> bool:
    """Whether a container does it by a script."""
    is_other_action = isinstance(step.name, Action) and step.name != Action.RESTART
    return not is_other_action and step.container.kind is not ContainerKind.INIT


@pytest.mark.parametrize("layout", SCRIPTED, ids=lambda layout: layout.layout.name)
def test_every_step_is_in_the_script_of_its_container(layout: LayoutPlan) -> None:
    found = scripts(layout.steps)
    wanted = [(number, step) for number, step in enumerate(layout.steps, 1) if of_probe(step)]
    assert (
        sorted(((line.number, line.step) for one in found.values() for line in one), key=lambda one: one[0]) == wanted
    )
    for container, script in found.items():
        numbers = [line.number for line in script]
        assert numbers == sorted(numbers)
        assert all(line.step.container is container for line in script)


@dataclasses.dataclass
class World:
    """Containers that run their scripts at any speed, and a run that grants what needs it when all before it is done."""

    layout: LayoutPlan
    chance: random.Random
    grants: dict[str, int] = dataclasses.field(default_factory=dict)
    marks: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    order: list[int] = dataclasses.field(default_factory=list)

    def may_begin(self, line: Line) -> bool:
        pod = line.step.container.pod
        marked = line.after is not None and all(mark in self.marks.get(pod, set()) for mark in line.after)
        assert self.grants.get(pod, 0) <= line.number, "the run is at a later step"
        return marked or self.grants.get(pod, 0) == line.number

    def play(self) -> None:
        rest: dict[Container, list[Line]] = {one: list(script) for one, script in scripts(self.layout.steps).items()}
        lines = {line.number: line for script in rest.values() for line in script}
        waiting: list[int] = []
        answered = 0
        while any(rest.values()) or waiting:
            moves: list[t.Callable[[], None]] = []
            for script in rest.values():
                if script and self.may_begin(script[0]) and script[0].step.container not in self._busy(waiting, lines):
                    moves.append(lambda script=script: self._begin(script.pop(0), waiting))  # type: ignore[misc]
            ended = [number for number in waiting if number + 1 in self.order]
            moves += [lambda number=number: self._end(number, waiting, lines) for number in ended]  # type: ignore[misc]
            # the run reads answers in the order of the plan
            while answered + 1 in self.order or (answered < len(self.layout.steps) and answered + 1 not in lines):
                answered += 1
            following = lines.get(answered + 1)
            if (
                following
                and following.after is None
                and following.number > self.grants.get(following.step.container.pod, 0)
            ):
                pod = following.step.container.pod
                moves.append(lambda pod=pod, number=following.number: self.grants.update({pod: number}))  # type: ignore[misc]
            assert moves, f"nobody can go on after {self.order}"
            self.chance.choice(moves)()

    def _busy(self, waiting: list[int], lines: dict[int, Line]) -> set[Container]:
        return {lines[number].step.container for number in waiting}

    def _mark(self, line: Line, kind: str) -> None:
        self.marks.setdefault(line.step.container.pod, set()).add(f"{line.number}.{kind}")

    def _begin(self, line: Line, waiting: list[int]) -> None:
        self.order.append(line.number)
        self._mark(line, "waits" if line.step.step.blocks else "done")
        if line.step.step.blocks:
            waiting.append(line.number)

    def _end(self, number: int, waiting: list[int], lines: dict[int, Line]) -> None:
        waiting.remove(number)
        self._mark(lines[number], "done")


@pytest.mark.parametrize("layout", SCRIPTED, ids=lambda layout: layout.layout.name)
@pytest.mark.parametrize("seed", range(5))
def test_scripts_keep_the_order_of_the_plan(layout: LayoutPlan, seed: int) -> None:
    world = World(layout, random.Random(seed))
    world.play()
    assert world.order == [number for number, step in enumerate(layout.steps, 1) if of_probe(step)]


def test_few_steps_need_the_run() -> None:
    """Each costs about a second, side by side in the layouts."""
    found = {
        one.layout.name: sum(line.after is None for script in scripts(one.steps).values() for line in script)
        for one in SCRIPTED
    }
    assert {name: number for name, number in found.items() if number} == {
        "volumes": 9,
        "life": 2,
        "tight": 6,
        "pair": 11,
        "kubelet": 1,
        "host": 8,
    }


META = manifests.RunMeta("ff", "0", "default", "n", "amd64", "pause", "Never", "", (), {}, {}, 120)


def test_a_pod_whose_containers_have_scripts() -> None:
    layout, _found = scripted(layouts("SHM101")["pair"], 60)
    (pod,) = layout.pods
    manifest = manifests.pod(META, pod, "")
    first, second = manifest["spec"]["containers"]
    assert first["command"][:5] == [
        "/podshm/probe",
        "script",
        "turns=/podshm-turns",
        "grants=/podshm-grants/number",
        "deadline=90",
    ]
    assert [line.split()[:4] for line in second["command"][5:]] == [
        ["2", "1.done", "always", "identity"],
        ["4", "3.done", "always", "sysv_shm_read"],
    ]
    assert manifest["metadata"]["annotations"][manifests.GRANT_ANNOTATION] == "0\n"
    # another name than that of the pod that nothing could be exec'd in
    assert manifest["metadata"]["name"] == "podshm-ff-0-pair-log"
    granted = {manifests.GRANT_ANNOTATION: "7\n", f"{manifests.GRANT_ANNOTATION}s": "1"}
    assert manifests.grant_patch(7, 1) == {"metadata": {"annotations": granted}}


@pytest.mark.parametrize("layout", SCRIPTED, ids=lambda layout: layout.layout.name)
def test_what_a_container_with_a_script_mounts_is_there(layout: LayoutPlan) -> None:
    plain = layout
    layout, found = scripted(plain, 60)
    for before, pod in zip(plain.pods, layout.pods, strict=True):
        manifest = manifests.pod(META, pod, "")
        volumes = {volume["name"]: volume for volume in manifest["spec"]["volumes"]}
        assert volumes["podshm-turns"]["emptyDir"].keys() == {"sizeLimit"}
        for one in pod.containers:
            command = one.command
            assert (command[0] == "script") == (one.container in found)
            assert sum(map(len, command)) < 100_000
            mounts = {mount["name"] for mount in manifests._container(one, META)["volumeMounts"]}
            assert mounts <= volumes.keys()
            assert ("podshm-turns" in mounts) == (one.container in found)
        plain_manifest = manifests.pod(META, before, "")
        assert "podshm-turns" not in {volume["name"] for volume in plain_manifest["spec"]["volumes"]}
        assert manifests.GRANT_ANNOTATION not in plain_manifest["metadata"]["annotations"]


def test_no_argument_is_taken_for_a_variable() -> None:
    """Kubernetes replaces $(NAME) in commands."""
    commands = [one.command for layout in SCRIPTED for pod in scripted(layout, 60)[0].pods for one in pod.containers]
    assert all("$" not in word for command in commands for word in command)
