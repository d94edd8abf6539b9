# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check in every false world: exactly the right ones change their verdict.

A world is a RuntimeClass whose runtime lies (oci.py). All run beside the honest default runtime, and the confusion table
shows world by check what was expected and what came. What a world does not name must come as in the honest world.
"""

from __future__ import annotations

import os
import typing as t

import harness
import local
import oci
import pytest
import throwaway
from table import Table, expect, honest

NAME = throwaway.new_name()

#: The part of `make test`: worlds of every kind, each in both directions.
SLICE = (
    # namespaces, sysctls, the runtime's own /dev/shm and the node's
    "own-ipc",
    "host-ipc",
    "rmid-forced",
    "shared-pids",
    "own-shm",
    "small-shm",
    "noexec-shm",
    "host-shm",
    "squatted-shm",
    # volumes, system calls, what is hidden, what is late
    "volume-unlimited",
    "no-fallocate",
    "hidden-sysctls",
    "slow-reader",
    # what is exec'd, the output, a resize
    "no-ipc-owner",
    "flipped-output",
    "never-resized",
)


def chosen(words: str) -> list[str]:
    """The worlds to run: all of them, or V(slice), or those that are named with commas between them.

    Without exec, those that lie about an exec have nothing to lie about.
    """
    names = SLICE if words == "slice" else words.split(",") if words else tuple(oci.WORLDS)
    if unknown := set(names) - oci.WORLDS.keys():
        raise ValueError(f"there is no world {', '.join(sorted(unknown))}")
    by_log = local.TRANSPORT == "log"
    return [name for name in names if not (by_log and oci.WORLDS[name].changes in oci.OF_EXEC)]


#: make test sets slice; to look at some: PODSHM_WORLDS=one-shm,killed
NAMES = chosen(os.environ.get("PODSHM_WORLDS", ""))

#: The kubelet of this cluster allows kernel.shm*.
HONEST = honest(PASS="SHM603")
EXPECTED = {name: expect(**world.expected) for name, world in oci.WORLDS.items()}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[harness.Cluster]:
    """A cluster with a RuntimeClass per world."""
    handlers = local.liars(tmp_path_factory.mktemp("worlds"), NAMES)
    kubelet = {
        "allowedUnsafeSysctls": ["kernel.shm*"],
        # many pods at once on one small node: requests must fit, and nothing here is about CPU
        "cpuCFSQuota": False,
        "maxPods": 250,
    }
    with local.cluster(NAME, local_cluster_handlers=handlers, local_cluster_kubelet_config=kubelet) as started:
        yield started


@pytest.fixture(scope="module")
def table(cluster: harness.Cluster) -> Table:
    """All worlds, two at a time."""
    found = Table(HONEST, EXPECTED)
    names = ["", *NAMES]
    for batch in (names[at : at + 2] for at in range(0, len(names), 2)):
        answer = harness.call(
            cluster,
            checks=None,
            runtime_classes=batch,
            resources={"cpu": "10m"},
            size_limit="80Mi",
            timeout=240,
            start_timeout=60,
            transport=local.TRANSPORT,
        ).answer(seconds=300)
        assert answer.result.get("leftovers") == [], answer.output
        for check in answer.result["checks"]:
            found.add(check["runtime_class"], check)
        print(f"{', '.join(world or 'honest' for world in batch)}: {answer.seconds:.0f} s", flush=True)
    print(found.text())
    return found


def test_the_honest_world_is_as_it_is_pinned(table: Table) -> None:
    assert table.wrong("") == {}


@pytest.mark.parametrize("world", NAMES)
def test_exactly_the_right_checks_change(table: Table, world: str) -> None:
    if not oci.WORLDS[world].unsettled:
        assert table.wrong(world) == {}
        return
    changed = {name: verdict for name, verdict in table.verdicts(world).items() if verdict != HONEST[name]}
    assert changed, "nothing noticed it"
    wanted = table.wanted(world)
    assert {name: verdict for name, verdict in changed.items() if verdict not in ("FAIL", "ERROR", wanted[name])} == {}


#: Check -> the world that notices a rule of it that is broken, by the module of its name in broken/.
BROKEN = {"SHM105": "own-ipc", "SHM213": "shared-pids", "SHM301": "small-shm"}


@pytest.mark.parametrize("check", [check for check, world in BROKEN.items() if world in NAMES])
def test_a_rule_that_is_broken_turns_a_world_red(cluster: harness.Cluster, table: Table, check: str) -> None:
    world = BROKEN[check]
    answer = harness.call(
        cluster,
        fault=f"broken.{check.lower()}",
        checks=[check],
        runtime_classes=[world],
        timeout=120,
        start_timeout=60,
    ).answer(seconds=180)
    got, expected = answer.checks[check]["verdict"], table.wanted(world)[check]
    print(f"{check} with a broken rule is {got} in the world {world}, not {expected}", flush=True)
    assert (table.verdicts(world)[check], got) == (expected, "PASS")
    assert got != expected
