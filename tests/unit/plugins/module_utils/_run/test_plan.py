# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID, CHECKS, CONTROLS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import SMALL, Additions, Settings, Sizes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.manifests import PodPlan
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import LayoutPlan, plan


def nonces() -> t.Iterator[str]:
    return (f"{number:032x}" for number in itertools.count())


def planned(*ids: str, **options: t.Any) -> dict[str, LayoutPlan]:
    checks = [check for check in (*CHECKS, *CONTROLS) if check.id in ids]
    settings = Settings(**options)
    layouts = plan(checks, settings, Sizes.of(settings), "00000000ff", nonces())
    return {one.layout.name: one for one in layouts}


def pair(*ids: str, **settings: t.Any) -> PodPlan:
    return planned(*ids, **settings)["pair"].pods[0]


def names(pod: PodPlan) -> list[str]:
    return [container.name for container in pod.containers]


BASIC = [check.id for check in CHECKS if "basic" in check.tags]


def test_the_six_basic_checks_need_two_pods() -> None:
    plans = planned(*BASIC)
    assert {name: [pod.role for pod in layout.pods] for name, layout in plans.items()} == {
        "pair": ["pair"],
        "complete": ["complete"],
    }
    assert names(plans["pair"].pods[0]) == ["first", "second", "unsized", "sized"]


def test_only_containers_and_pods_that_a_check_names() -> None:
    plans = planned("SHM301")
    assert set(plans) == {"pair"}
    assert names(plans["pair"].pods[0]) == ["first"]
    assert {volume.name for volume, _size in plans["pair"].pods[0].volumes} == {"shared", "private", "own-first"}


def test_isolation_needs_a_second_pod() -> None:
    layout = planned("SHM501")["pair"]
    assert [(pod.role, names(pod)) for pod in layout.pods] == [("pair", ["first"]), ("other", ["stranger"])]


def test_a_check_that_needs_an_option_does_not_run_without_it() -> None:
    assert planned("SHM403") == {}
    assert planned("SHM403", restart_kubelet=("true",)).keys() == {"kubelet"}


def test_every_step_has_its_own_nonce() -> None:
    plans = planned(*BY_ID, restart_kubelet=("true",))
    seen = [step.nonce for layout in plans.values() for step in layout.steps]
    assert len(seen) == len(set(seen)) == sum(len(check.steps) for check in CHECKS)


def test_writer_and_reader_are_their_containers_own_commands() -> None:
    layout = planned("SHM201")["complete"]
    assert layout.layout.runs_to_completion
    commands = {container.name: container.command for container in layout.pods[0].containers}
    assert commands["writer"][0] == "posix_write"
    assert "name=/podshm-00000000ff-shm201" in commands["writer"]
    assert commands["reader"][:1] == ("posix_read",)
    assert f"nonce={layout.steps[1].nonce}" in commands["reader"]


def test_an_init_container_runs_its_step_and_a_sidecar_holds() -> None:
    layouts = planned("SHM107", "SHM108")
    commands = {
        container.name: (container.container.kind.value, container.command[0])
        for layout in ("life", "sidecar")
        for container in layouts[layout].pods[0].containers
    }
    assert commands == {
        "before": ("init", "sysv_shm_create"),
        "main": ("main", "hold"),
        "beside": ("sidecar", "hold"),
        "served": ("main", "hold"),
    }


def test_a_container_has_memory_for_what_it_writes() -> None:
    pod = pair(*BASIC, memory_bytes=32 * MIB)
    memory = {container.name: container.memory_bytes for container in pod.containers}
    assert memory == {"first": 97 * MIB, "second": 32 * MIB, "unsized": 104 * MIB, "sized": 545 * MIB}


def test_max_write_bounds_what_is_written_and_requested() -> None:
    layout = planned("SHM302", max_write_bytes=10 * MIB)["pair"]
    (fill,) = (step for step in layout.steps if step.name == "fill")
    assert fill.args["max"] == 10 * MIB
    assert layout.pods[0].containers[0].memory_bytes == 42 * MIB


@pytest.mark.parametrize("settings", [{"fill": False}, {"max_write_bytes": MIB}])
def test_a_size_limit_is_never_clipped_by_our_own_memory_limit(settings: dict[str, t.Any]) -> None:
    (sized,) = pair("SHM303", size_limit_bytes=300 * MIB, **settings).containers
    assert sized.memory_bytes > 300 * MIB


def test_without_fill_nothing_is_written() -> None:
    layout = planned("SHM301", "SHM302", "SHM303", fill=False)["pair"]
    assert not [step for step in layout.steps if step.name == "fill"]


def test_size_limit_reaches_the_volume() -> None:
    pod = pair("SHM302", "SHM303", size_limit_bytes=300 * MIB)
    volumes = {volume.name: (volume.medium, size_limit) for volume, size_limit in pod.volumes}
    assert volumes["sized"] == ("Memory", 300 * MIB)
    assert volumes["unsized"] == ("Memory", None)


@pytest.mark.parametrize("run", ["0000000000", "ffffffffff", "7ffffffe00", "0080000000"])
def test_keys_are_valid_never_private_and_each_check_s_own(run: str) -> None:
    layouts = plan(CHECKS, Settings(), Sizes.of(Settings()), run, nonces())
    keys = {
        check.check.id: int(str(step.args["key"]), 16)
        for layout in layouts
        for check in layout.checks
        for step in check.steps
        if "key" in step.args
    }
    assert all(0 < key <= 0x7FFFFFFF for key in keys.values())
    assert len(set(keys.values())) == len(keys)


@pytest.mark.parametrize(("cpu", "light", "heavy"), [(250, 100, 250), (1000, 100, 1000), (50, 50, 50)])
def test_only_a_container_that_fills_gets_the_cpu_for_it(cpu: int, light: int, heavy: int) -> None:
    containers = {container.name: container.cpu_millis for container in pair(*BASIC, cpu_millis=cpu).containers}
    assert containers == {"first": heavy, "second": light, "unsized": heavy, "sized": heavy}


def test_ephemeral_storage_has_room_for_the_volumes_on_the_disk() -> None:
    for options, own in (({}, 0), ({"additions": Additions(ephemeral_storage_bytes=10)}, 10)):
        layouts = planned(*BY_ID, **options)
        containers = [one for layout in layouts.values() for pod in layout.pods for one in pod.containers]
        for one in containers:
            disks = {m.volume for m in one.container.mounts if not m.volume.medium and not m.volume.host_path}
            # each of them is of the small size
            assert one.ephemeral_storage_bytes == (own and own + len(disks) * SMALL)
        assert any(one.ephemeral_storage_bytes > own for one in containers) is bool(own)


def test_an_object_of_huge_pages_has_the_size_of_one() -> None:
    sizes = Sizes.of(Settings())
    for size, wanted in ((None, 2 * 1024**2), (0, 2 * 1024**2), (1024**3, 1024**3)):
        (layout,) = plan([BY_ID["SHM221"]], Settings(), sizes.on(size), "0a", itertools.repeat("0" * 32))
        (put,) = [step for step in layout.steps if step.name == "object_put"]
        assert put.args["size"] == wanted
