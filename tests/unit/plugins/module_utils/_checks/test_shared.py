# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the families share, where the tests of one of them do not show it."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import common
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import (
    FIRST,
    GUEST,
    READ_ONLY,
    SAMPLES,
    SECOND,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.steps import identities
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Seen
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._checks.support import (
    failed,
    seen,
    who,
)

CALLS: t.Final = [failed("open", "ENOENT"), {"call": "close", "result": 0}, failed("mmap", "ENOMEM")]


def test_the_first_and_the_last_call_that_failed() -> None:
    assert common.first_failed(seen("x", calls=CALLS)) == "open: ENOENT"
    assert common.last_failed(seen("x", calls=CALLS)) == "mmap: ENOMEM"
    assert common.first_failed(seen("x", calls=[*CALLS, CALLS[1]])) == "open: ENOENT"
    assert common.first_failed(seen("x")) == "no system call failed"


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (7, 7, "one IPC namespace"),
        (7, 8, "IPC namespaces 7 and 8"),
        # one of them is no pair
        (7, None, "IPC namespaces not reported"),
        (None, 7, "IPC namespaces not reported"),
    ],
)
def test_namespaces_are_named_of_the_first_two(first: int | None, second: int | None, words: str) -> None:
    steps = identities(FIRST, SECOND, GUEST)
    answers = who(first={"ns_ipc": first}, second={"ns_ipc": second}, guest={"ns_ipc": 9})
    assert common.namespaces(Seen(steps, answers), *steps) == words


@pytest.mark.parametrize("facts", [{"timeout": 10000}, {"stopped_by": "deadline"}])
def test_either_sign_of_a_deadline_is_enough(facts: dict[str, t.Any]) -> None:
    with pytest.raises(Inconclusive) as caught:
        common.require_in_time(seen("x", **facts))
    assert caught.value.reason is Reason.TIMEOUT
    common.require_in_time(seen("x", stopped_by="ENOSPC"))


@pytest.mark.parametrize("size", [1, 4095, 4096])
def test_a_volume_within_its_size_limit(size: int) -> None:
    common.require_within(size, 4096)


@pytest.mark.parametrize("size", [-1, 0, 4097])
def test_a_volume_without_an_end_or_beyond_its_size_limit_shows_nothing(size: int) -> None:
    with pytest.raises(Inconclusive, match=f"the volume has {size} bytes"):
        common.require_within(size, 4096)


# ------------------------------------------------------------------------------- what is requested of pods


def test_what_sets_a_pod_apart() -> None:
    """A pod demands nothing but what its checks are about: each demand is one more that a policy can refuse."""
    apart = {}
    for sample in SAMPLES:
        options = sample.pod.options
        fields = [one for one in dataclasses.fields(options) if one.name != "sysctls"]
        demands = {one.name: value for one in fields if (value := getattr(options, one.name)) != one.default}
        sysctls = {"sysctls": [name for name, _size in options.sysctls]} if options.sysctls else {}
        if demands or sysctls:
            apart[sample.role] = {**demands, **sysctls}
    assert apart == {
        "relaxed": {"relaxed": True},
        # a container that ends starts again
        "volumes": {"restarts": True},
        "life": {"restarts": True},
        "tight": {"restarts": True},
        "users": {"own_users": True},
        "processes": {"share_pids": True},
        "safe": {"sysctls": ["kernel.shm_rmid_forced"]},
        "unsafe": {"sysctls": ["kernel.shmmax"]},
        "fs-group": {"fs_group": 65531},
        "huge-pages": {"fs_group": 65531},
        "host-ipc": {"host_ipc": True},
    }


def test_nothing_is_written_to_a_path_of_the_node() -> None:
    containers = [one for sample in SAMPLES for one in sample.containers]
    read_only = {one.name for one in containers if one.read_only}
    assert read_only >= {one.name for one in containers if any(mount.volume.host_path for mount in one.mounts)}
    # and what is about a mount that refuses writes
    assert read_only == {"path", READ_ONLY.name}
