# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check in every false world: exactly the right ones change their verdict.

A world is a RuntimeClass whose runtime lies (oci.py). All are asked in one run beside the honest default runtime,
and the confusion table tells world by check what was expected and what came. What the table of a world does not name must
come as in the honest world.
"""

from __future__ import annotations

import collections
import pathlib
import sys
import typing as t

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "cluster")]

import harness  # noqa: E402
import local  # noqa: E402
import oci  # noqa: E402

NAME = "worlds"
NAMES = [*oci.WORLDS, *oci.EXEC, *oci.TAMPER]

SYSV = dict.fromkeys(("SHM101", "SHM102", "SHM103", "SHM104", "SHM106", "SHM204"), "FAIL")
EVERYTHING = "*"

VOLUME_RESIZE = ("SHM405", "SHM406", "SHM407")

#: What nobody can write to: sharing fails, and absence proves nothing.
UNUSABLE = {
    **dict.fromkeys(("SHM201", "SHM205", "SHM206", "SHM207", "SHM211", "SHM301", "SHM313"), "FAIL"),
    **dict.fromkeys(("SHM202", "SHM204", "SHM209", "SHM210", "SHM212", "SHM213", "SHM214"), "ERROR"),
    **dict.fromkeys(("SHM310", "SHM311", "SHM312", "SHM502"), "ERROR"),
}

#: World -> the checks that must not be as in the honest world, and what they must be.
EXPECTED: dict[str, dict[str, str]] = {
    # System V is keyed by the IPC namespace, and so are POSIX message queues and the sysctls
    "own-ipc": {
        **SYSV,
        **dict.fromkeys(("SHM105", "SHM107", "SHM108", "SHM109", "SHM203", "SHM207", "SHM208", "SHM215"), "FAIL"),
        **dict.fromkeys(("SHM504", "SHM602", "SHM603"), "FAIL"),
        # it might be that of a node in a container
        "SHM503": "WARN",
    },
    "own-shm": {
        **dict.fromkeys(("SHM201", "SHM202", "SHM205", "SHM206", "SHM207", "SHM209", "SHM210", "SHM211"), "FAIL"),
        # a new one at each start of a container, and also instead of the node's
        **dict.fromkeys(("SHM312", "SHM503", "SHM504"), "FAIL"),
        # an object that is not shared has no reader to be charged, and a mutex in it nobody else to try it
        **dict.fromkeys(("SHM213", "SHM214", "SHM311"), "ERROR"),
    },
    "small-shm": {"SHM301": "FAIL", "SHM310": "FAIL", "SHM311": "ERROR", "SHM312": "ERROR"},
    "odd-shm": {"SHM301": "FAIL"},
    "large-shm": {"SHM301": "FAIL"},
    "noexec-shm": {"SHM313": "FAIL"},
    "readonly-shm": {**UNUSABLE, "SHM503": "ERROR", "SHM504": "ERROR"},
    "closed-shm": UNUSABLE,
    "host-ipc": {
        **dict.fromkeys(("SHM501", "SHM504", "SHM602", "SHM603"), "FAIL"),
        # an ordinary pod is where hostIPC leads to
        "SHM503": "WARN",
        # the kernel itself refuses: a user namespace may not have the node's IPC namespace
        **dict.fromkeys(("SHM109", "SHM211", "SHM215"), "ERROR"),
    },
    "host-shm": {
        **dict.fromkeys(("SHM301", "SHM502", "SHM504"), "FAIL"),
    },
    "no-shm": {**UNUSABLE, "SHM202": "FAIL", "SHM503": "ERROR", "SHM504": "ERROR"},
    "no-mqueue": {},
    # every volume on /dev/shm, whatever it asked for
    "volume-ignored": {
        **dict.fromkeys(("SHM302", "SHM303", "SHM304", "SHM305", "SHM306", "SHM307", "SHM315", "SHM402"), "FAIL"),
        **dict.fromkeys(("SHM309", "SHM316"), "ERROR"),
    },
    "volume-unlimited": {
        **dict.fromkeys(("SHM302", "SHM303", "SHM304", "SHM305", "SHM306", "SHM307"), "FAIL"),
        **dict.fromkeys(("SHM308", "SHM315", "SHM402"), "FAIL"),
        **dict.fromkeys(("SHM309", "SHM316"), "ERROR"),
    },
    "short-writes": {
        **dict.fromkeys(("SHM301", "SHM302", "SHM303", "SHM308", "SHM310", "SHM316"), "FAIL"),
        # nothing of the size that is asked for can be made
        **dict.fromkeys(("SHM309", "SHM311", "SHM312"), "ERROR"),
        # the runtime itself cannot exec in a user namespace then
        **dict.fromkeys(("SHM109", "SHM211", "SHM215"), "ERROR"),
    },
    # the pod's own cgroup still holds
    "no-memory-limit": {},
    "no-sysctls": {"SHM602": "FAIL", "SHM603": "FAIL"},
    "rmid-forced": {"SHM107": "FAIL", "SHM207": "FAIL"},
    "small-sysctls": {"SHM316": "FAIL", "SHM601": "FAIL"},
    # which of both lies cannot be told, but that they do not agree
    "host-path-ignored": dict.fromkeys(("SHM503", "SHM504"), "FAIL"),
    "host-ipc-ignored": {"SHM503": "WARN"},
    "shared-pids": {
        "SHM213": "FAIL",
        # who ends process 1 ends the pod
        **dict.fromkeys(("SHM207", "SHM312", "SHM402", "SHM404", "SHM405", "SHM406", "SHM407"), "ERROR"),
    },
    "apart-pids": {"SHM214": "FAIL"},
    "no-users": dict.fromkeys(("SHM109", "SHM211", "SHM215"), "WARN"),
    "split-volumes": {"SHM101": "FAIL"},
    # a control does not hold: nothing is decided
    "no-shmget": {EVERYTHING: "ERROR"},
    "no-semget": {"SHM103": "FAIL"},
    "no-msgget": {"SHM104": "FAIL"},
    "no-mq-open": dict.fromkeys(("SHM203", "SHM215", "SHM606"), "FAIL"),
    # also what would be SKIP for a reason of the cluster's
    **{world: {EVERYTHING: "ERROR", **dict.fromkeys(VOLUME_RESIZE, "ERROR")} for world in oci.TAMPER},
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[harness.Cluster]:
    """A cluster with a RuntimeClass per world."""
    folder = tmp_path_factory.mktemp("worlds")
    handlers = {}
    for world in NAMES:
        wrapper = folder / world
        # Python only where something is edited: a runtime is called a dozen times per container
        wrapper.write_text(
            '#!/bin/sh\ncase " $* " in *" create "*|*" exec "*)'
            f' exec {sys.executable} -S {oci.__file__} {world} "$@";; esac\nexec runc "$@"\n'
        )
        wrapper.chmod(0o755)
        handlers[world] = str(wrapper)
    kubelet = {
        "allowedUnsafeSysctls": ["kernel.shm*"],
        # many pods at once on one small node: requests must fit, and nothing here is about CPU
        "cpuCFSQuota": False,
        "maxPods": 250,
    }
    with local.cluster(NAME, local_cluster_handlers=handlers, local_cluster_kubelet_config=kubelet) as started:
        yield started


Verdicts = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def verdicts(cluster: harness.Cluster) -> Verdicts:
    """World -> check -> verdict; the honest world has no name."""
    table: Verdicts = collections.defaultdict(dict)
    checks = {}
    names = ["", *NAMES]
    for batch in (names[at : at + 2] for at in range(0, len(names), 2)):
        answer = harness.call(
            cluster,
            checks=[],
            runtime_classes=batch,
            resources={"cpu": "10m"},
            size_limit="80Mi",
            timeout=240,
            start_timeout=120,
        ).answer(seconds=300)
        for check in answer.result.get("checks", ()):
            table[check["runtime_class"]][check["id"]] = check["verdict"]
            checks[check["runtime_class"], check["id"]] = check
        assert answer.result.get("residue") == [], answer.output
        print(f"{', '.join(world or 'honest' for world in batch)}: {answer.seconds:.0f} s", flush=True)
    print(confusion(table))
    for (world, name), check in checks.items():
        if check["verdict"] != wanted(table, world)[name]:
            print(f"{world} {name} {check['verdict']} {check['reason']} {check['observed']}")
    return table


def wanted(table: Verdicts, world: str) -> dict[str, str]:
    """What every check of a world must say."""
    expected = dict(EXPECTED.get(world, {}))
    everything = expected.pop(EVERYTHING, "")
    honest = {
        check: everything if everything and verdict != "SKIP" else verdict for check, verdict in table[""].items()
    }
    return {**honest, **expected}


def confusion(table: Verdicts) -> str:
    """World by check: one letter each, got; in capitals where it is not as expected."""
    names = sorted(table[""])
    lines = ["world".ljust(18) + " ".join(name.removeprefix("SHM") for name in names)]
    for world, got in table.items():
        expected = wanted(table, world)
        cells = []
        for name in names:
            verdict = got.get(name, "none")
            same = verdict == expected[name]
            cells.append((verdict[0].lower() if same else f"{verdict[0]}!{expected[name][0]}").center(3))
        lines.append((world or "honest").ljust(18) + " ".join(cells))
    return "\n".join(lines)


def test_the_honest_world_has_nothing_to_hide(verdicts: Verdicts) -> None:
    assert {check: verdict for check, verdict in verdicts[""].items() if verdict not in ("PASS", "SKIP")} == {}


@pytest.mark.parametrize("world", NAMES)
def test_exactly_the_right_checks_change(verdicts: Verdicts, world: str) -> None:
    assert world in EXPECTED, "a world must say what it breaks"
    expected = wanted(verdicts, world)
    wrong = {
        name: f"{verdict}, not {expected[name]}"
        for name, verdict in verdicts[world].items()
        if verdict != expected[name]
    }
    assert wrong == {}
    assert verdicts[world].keys() == expected.keys()


#: Check -> the world that notices a rule of it that is broken, and how it is broken.
BROKEN = {
    "SHM105": ("own-ipc", "lambda seen, context: v.Decision('PASS', 'never compares the numbers')"),
    "SHM213": ("shared-pids", "lambda seen, context: v.Decision('PASS', 'never looks at the PID namespaces')"),
    "SHM301": (
        "small-shm",
        "lambda seen, context: v._enforced(seen, context, 'first', v._size(seen['who_first']), 'any')",
    ),
}


@pytest.mark.parametrize("check", BROKEN)
def test_a_rule_that_is_broken_turns_a_world_red(cluster: harness.Cluster, verdicts: Verdicts, check: str) -> None:
    world, rule = BROKEN[check]
    module = "ansible_collections.abcdesktopio.podshm.plugins.module_utils"
    answer = harness.call(
        cluster,
        before=f"from {module} import _verdict as v; v.RULES['{check}'] = {rule}",
        checks=[check],
        runtime_classes=[world],
        timeout=120,
        start_timeout=60,
    ).answer(seconds=180)
    got = answer.checks[check]["verdict"]
    print(f"{check} with a broken rule is {got} in the world {world}, not {wanted(verdicts, world)[check]}", flush=True)
    assert (verdicts[world][check], got) == (wanted(verdicts, world)[check], "PASS")
    assert got != wanted(verdicts, world)[check]
