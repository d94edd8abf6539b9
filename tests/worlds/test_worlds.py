# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check in every false world: exactly the right ones change their verdict.

A world is a RuntimeClass whose runtime lies (oci.py). All are asked in one run beside the honest default runtime,
and the confusion table tells world by check what was expected and what came. What the table of a world does not name must
come as in the honest world.
"""

from __future__ import annotations

import os
import pathlib
import sys
import typing as t

import pytest
import throwaway

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "cluster")]

import harness  # noqa: E402
import local  # noqa: E402
import oci  # noqa: E402
from table import EVERYTHING, Expected, Table  # noqa: E402

NAME = throwaway.new_name()
#: What comes there depends on the moment of the blow: only to be looked at, by name.
UNSETTLED = frozenset({"other-peer", "killed", "late-shm"})
#: Some of them only, to look at them: PODSHM_WORLDS=one-shm,killed
NAMES = [
    name
    for name in (*oci.WORLDS, *oci.EXEC, *oci.BESIDE, *oci.TAMPER, *oci.PARTLY, *oci.LOGS)
    if name in os.environ.get("PODSHM_WORLDS", "" if name in UNSETTLED else name).split(",")
]

SYSV = dict.fromkeys(("SHM101", "SHM102", "SHM103", "SHM104", "SHM106", "SHM204"), "FAIL")

VOLUME_RESIZE = ("SHM405", "SHM406", "SHM407")

#: What nobody can write to: sharing fails, and absence proves nothing.
UNUSABLE = {
    **dict.fromkeys(("SHM201", "SHM205", "SHM206", "SHM207", "SHM211", "SHM301", "SHM313"), "FAIL"),
    **dict.fromkeys(("SHM202", "SHM204", "SHM209", "SHM210", "SHM212", "SHM213", "SHM214"), "ERROR"),
    **dict.fromkeys(("SHM310", "SHM311", "SHM312", "SHM502"), "ERROR"),
}

#: What takes a look at a segment.
LOOKLESS = dict.fromkeys(
    ("SHM101", "SHM102", "SHM106", "SHM107", "SHM108", "SHM109", "SHM204", "SHM207", "SHM208"), "ERROR"
)

#: World -> the checks that must not be as in the honest world, and what they must be.
EXPECTED: Expected = {
    # System V is keyed by the IPC namespace, and so are POSIX message queues and the sysctls
    "own-ipc": {
        **SYSV,
        **dict.fromkeys(("SHM105", "SHM107", "SHM108", "SHM109", "SHM203", "SHM207", "SHM208", "SHM215"), "FAIL"),
        **dict.fromkeys(("SHM504", "SHM602", "SHM603"), "FAIL"),
        # it might be that of a node in a container
        "SHM503": "WARN",
    },
    "own-shm": {
        **dict.fromkeys(("SHM201", "SHM202", "SHM205", "SHM206", "SHM207", "SHM209", "SHM211"), "FAIL"),
        # a new one at each start of a container, and also instead of the node's
        **dict.fromkeys(("SHM312", "SHM503", "SHM504"), "FAIL"),
        # an object that is not shared has no reader to be charged, and a mutex in it nobody else to try it
        **dict.fromkeys(("SHM210", "SHM213", "SHM214", "SHM311"), "ERROR"),
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
        **dict.fromkeys(("SHM302", "SHM303", "SHM304", "SHM305", "SHM306", "SHM307", "SHM315"), "FAIL"),
        **dict.fromkeys(("SHM401", "SHM402"), "FAIL"),
        **dict.fromkeys(("SHM309", "SHM316"), "ERROR"),
    },
    "volume-unlimited": {
        **dict.fromkeys(("SHM302", "SHM303", "SHM304", "SHM305", "SHM306", "SHM307"), "FAIL"),
        **dict.fromkeys(("SHM308", "SHM315", "SHM401", "SHM402"), "FAIL"),
        **dict.fromkeys(("SHM309", "SHM316"), "ERROR"),
    },
    "short-writes": {
        **dict.fromkeys(("SHM301", "SHM302", "SHM303", "SHM308", "SHM310", "SHM316", "SHM401"), "FAIL"),
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
        # process 1 is the sandbox's: nothing here may end it
        **dict.fromkeys(("SHM207", "SHM312", "SHM402"), "ERROR"),
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
    "no-fork": {EVERYTHING: "ERROR"},
    "no-memfd": {"SHM316": "FAIL"},
    "no-fallocate": {
        # the probe reserves its objects: without that nothing is told of sharing
        **dict.fromkeys(("SHM201", "SHM202", "SHM204", "SHM205", "SHM206", "SHM207", "SHM208", "SHM209"), "ERROR"),
        **dict.fromkeys(("SHM210", "SHM211", "SHM311", "SHM312", "SHM401", "SHM402"), "ERROR"),
        **dict.fromkeys(("SHM502", "SHM503", "SHM504"), "ERROR"),
        "SHM308": "FAIL",
    },
    # a call that says that it worked, and did nothing
    "lying-semtimedop": {"SHM103": "ERROR"},
    "lying-shmctl": LOOKLESS,
    "lying-mq-unlink": {"SHM203": "FAIL", "SHM215": "FAIL"},
    "lying-fallocate": {"SHM308": "FAIL"},
    "few-inodes": UNUSABLE,
    "huge-shm": {},
    "used-shm": {"SHM301": "FAIL", "SHM310": "FAIL", "SHM311": "ERROR", "SHM312": "ERROR"},
    "disk-shm": {"SHM301": "FAIL", "SHM310": "FAIL", "SHM312": "ERROR", "SHM502": "WARN"},
    # what has the run's own name and is not of this run says nothing
    "squatted-shm": {
        **dict.fromkeys(("SHM201", "SHM202", "SHM204", "SHM205", "SHM206", "SHM207", "SHM208", "SHM209"), "ERROR"),
        **dict.fromkeys(("SHM210", "SHM211", "SHM212", "SHM213", "SHM214", "SHM311", "SHM312", "SHM502"), "ERROR"),
        # a few pages are used
        "SHM301": "WARN",
    },
    "one-shm": {"SHM502": "FAIL"},
    "volume-everywhere": {"SHM204": "FAIL", "SHM208": "FAIL", "SHM301": "FAIL"},
    "odd-volume": dict.fromkeys(("SHM302", "SHM303", "SHM305", "SHM306", "SHM401"), "FAIL"),
    "small-pod-memory": dict.fromkeys(("SHM301", "SHM302", "SHM303"), "FAIL"),
    "hidden-processes": {},
    "hidden-sysctls": {"SHM601": "SKIP", "SHM602": "SKIP", "SHM603": "SKIP", "SHM604": "SKIP"},
    # its times compare with nothing
    "skewed-clock": {"SHM103": "ERROR"},
    "one-user": dict.fromkeys(("SHM106", "SHM209", "SHM210"), "ERROR"),
    "no-queue-budget": {
        # the runtime itself cannot exec in a user namespace then
        **dict.fromkeys(("SHM109", "SHM203", "SHM211", "SHM215"), "ERROR"),
        "SHM606": "FAIL",
    },
    # two that never waited for each other tell nothing of what they share
    "slow-reader": {"SHM201": "ERROR"},
    "full-shm": {**UNUSABLE, "SHM310": "FAIL"},
    "ramfs-shm": {"SHM301": "FAIL"},
    "no-shmctl": LOOKLESS,
    "no-shmat": {EVERYTHING: "ERROR"},
    "unsupported-fallocate": {"SHM308": "FAIL"},
    "blind-stranger": {"SHM501": "ERROR"},
    "killing-msgget": {"SHM104": "ERROR", "SHM604": "ERROR"},
    "no-readlink": dict.fromkeys(
        ("SHM105", "SHM109", "SHM211", "SHM213", "SHM214", "SHM215", "SHM501", "SHM503", "SHM504"), "ERROR"
    ),
    "endless-volume": {
        **dict.fromkeys(("SHM302", "SHM303", "SHM304", "SHM305", "SHM306", "SHM307"), "FAIL"),
        **dict.fromkeys(("SHM308", "SHM315", "SHM401", "SHM402"), "FAIL"),
        **dict.fromkeys(("SHM309", "SHM316"), "ERROR"),
    },
    "closed-volume": {
        **dict.fromkeys(("SHM302", "SHM303", "SHM401"), "FAIL"),
        **dict.fromkeys(("SHM204", "SHM208", "SHM308", "SHM309", "SHM315", "SHM402"), "ERROR"),
    },
    "some-own-ipc": {"SHM105": "FAIL"},
    "sidecar-own-ipc": {"SHM108": "FAIL"},
    "debug-own-ipc": {"SHM208": "FAIL"},
    "init-own-shm": {"SHM205": "FAIL"},
    # what nobody else can open cannot be refused to anybody
    "guest-own-shm": {"SHM202": "FAIL", "SHM209": "FAIL", "SHM210": "ERROR"},
    "ram-disk": {"SHM307": "FAIL"},
    "readonly-guest": {"SHM209": "FAIL", "SHM210": "ERROR"},
    "node-cgroup": {"SHM311": "SKIP"},
    "no-writes": {
        **dict.fromkeys(("SHM206", "SHM207", "SHM301", "SHM302", "SHM303", "SHM308", "SHM310"), "FAIL"),
        **dict.fromkeys(("SHM313", "SHM316", "SHM401"), "FAIL"),
        **dict.fromkeys(("SHM202", "SHM204", "SHM208", "SHM209", "SHM210", "SHM212", "SHM213", "SHM214"), "ERROR"),
        **dict.fromkeys(("SHM309", "SHM311", "SHM312", "SHM402", "SHM502", "SHM503", "SHM504"), "ERROR"),
        **dict.fromkeys(("SHM109", "SHM211", "SHM215"), "ERROR"),
    },
    "capped-writes": {
        **dict.fromkeys(("SHM302", "SHM303", "SHM308"), "FAIL"),
        # the runtime itself cannot exec in a user namespace then
        **dict.fromkeys(("SHM109", "SHM211", "SHM215"), "ERROR"),
    },
    "other-user": dict.fromkeys(("SHM101", "SHM102", "SHM103", "SHM104", "SHM203", "SHM213", "SHM311"), "ERROR"),
    "never-resized": {"SHM404": "ERROR"},
    "odd-errno": {"SHM604": "FAIL"},
    "no-creat": {"SHM210": "FAIL"},
    "unsticky-shm": {"SHM313": "FAIL"},
    "own-volume": {"SHM401": "FAIL", "SHM402": "FAIL"},
    "used-volume": dict.fromkeys(("SHM303", "SHM309", "SHM401"), "FAIL"),
    "elsewhere-charged": {"SHM311": "FAIL"},
    "resized-along": {"SHM404": "FAIL"},
    "one-name": {"SHM212": "FAIL"},
    "huge-trap": {"SHM605": "WARN"},
    "dribbled-output": {},
    "cut-logs": {"SHM107": "ERROR", "SHM201": "ERROR", "SHM205": "ERROR"},
}


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
    found = Table(EXPECTED)
    names = ["", *NAMES]
    for batch in (names[at : at + 2] for at in range(0, len(names), 2)):
        answer = harness.call(
            cluster,
            checks=[],
            runtime_classes=batch,
            resources={"cpu": "10m"},
            size_limit="80Mi",
            timeout=240,
            start_timeout=60,
        ).answer(seconds=300)
        assert answer.result.get("residue") == [], answer.output
        for check in answer.result["checks"]:
            found.add(check["runtime_class"], check)
        print(f"{', '.join(world or 'honest' for world in batch)}: {answer.seconds:.0f} s", flush=True)
    print(found.text())
    return found


def test_the_honest_world_has_nothing_to_hide(table: Table) -> None:
    assert {name: verdict for name, verdict in table.verdicts("").items() if verdict not in ("PASS", "SKIP")} == {}


@pytest.mark.parametrize("world", NAMES)
def test_exactly_the_right_checks_change(table: Table, world: str) -> None:
    assert world in EXPECTED, "a world must say what it breaks"
    assert table.wrong(world) == {}


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
def test_a_rule_that_is_broken_turns_a_world_red(cluster: harness.Cluster, table: Table, check: str) -> None:
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
    got, expected = answer.checks[check]["verdict"], table.wanted(world)[check]
    print(f"{check} with a broken rule is {got} in the world {world}, not {expected}", flush=True)
    assert (table.verdicts(world)[check], got) == (expected, "PASS")
    assert got != expected
