# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Every check: what it asks, the pods and steps it needs, what is expected and what to do about a failure.

A new check is one entry in :data:`CHECKS`, one rule of the same id in C(_verdict.py), and a page under C(docs/).
Texts and arguments may hold C({placeholders}); C(_plan.py) fills them (see :func:`_plan.variables`).
"""

from __future__ import annotations

import dataclasses
import typing as t

#: What the original podshmtest let its receiver read.
SENTENCE: t.Final = "This is the way the world ends..."

MIB: t.Final = 1024 * 1024

#: /dev/shm of a container that nobody sized: containerd and CRI-O hard-code it (kubernetes#28272, containerd#3654).
DEFAULT_SHM_BYTES: t.Final = 64 * MIB


@dataclasses.dataclass(frozen=True)
class Volume:
    """An emptyDir: on the node's disk, or a tmpfs (medium V(Memory)) with or without sizeLimit."""

    name: str
    medium: str = ""
    size_limit: str = ""


@dataclasses.dataclass(frozen=True)
class Container:
    """A container of a scenario and where its volumes are mounted (path, volume).

    C(memory) is what its limit must leave room for, in bytes (a placeholder): Kubernetes clips a sizeLimit to the pod's
    memory limit without a word.
    """

    name: str
    mounts: tuple[tuple[str, Volume], ...] = ()
    memory: str = "0"


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A pod layout. Checks of one scenario share its pod; of its containers only those that a check names are made.

    O(completes) means that each step is its container's own command and the pod runs to completion;
    otherwise the containers hold and the steps are exec'd.
    """

    name: str
    containers: tuple[Container, ...]
    completes: bool = False


@dataclasses.dataclass(frozen=True)
class Step:
    """One run of the probe in one container; C(label) is how the check's rule finds its observation.

    C(writes) is the number of bytes (a placeholder) that the step may put into the container's memory.
    """

    label: str
    container: str
    name: str
    args: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    writes: str = ""


@dataclasses.dataclass(frozen=True)
class Check:
    """One question with a stable id. The group is the role that bundles it."""

    id: str
    name: str
    group: str
    question: str
    scenario: str
    steps: tuple[Step, ...]
    expected: str
    remedy: str


_SHARED = Volume("shared")

SCENARIOS: t.Final[dict[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "pair",
            (
                # /dev/shm as the runtime makes it; one volume for both, one for the first alone, one each at the same path
                Container(
                    "first", (("/shared", _SHARED), ("/private", Volume("private")), ("/own", Volume("own-first")))
                ),
                Container("second", (("/shared", _SHARED), ("/own", Volume("own-second")))),
                Container("memory", (("/dev/shm", Volume("memory", "Memory")),)),
                Container(
                    "limited", (("/dev/shm", Volume("limited", "Memory", "{size_limit}")),), memory="{size_limit}"
                ),
            ),
        ),
        Scenario("complete", (Container("writer"), Container("reader")), completes=True),
    )
}


def _identities(*containers: str, path: str = "/dev/shm") -> tuple[Step, ...]:
    return tuple(Step(f"who_{name}", name, "identity", {"path": path}) for name in containers)


CHECKS: t.Final[tuple[Check, ...]] = (
    Check(
        id="SHM101",
        name="sysv_shm_shared_path",
        group="sysv",
        question="Do two containers that share the ftok file share a System V segment?",
        scenario="pair",
        steps=(
            *_identities("first", "second"),
            Step(
                "create",
                "first",
                "sysv_shm_create",
                {"path": "/shared/ftok", "id": "80", "make": "1", "size": "512", "mode": "0600", "text": "{text}"},
            ),
            Step("read", "second", "sysv_shm_read", {"path": "/shared/ftok", "id": "80"}),
            Step("finish", "first", "sysv_shm_finish"),
        ),
        expected="each side reads the other's nonce, and the sentence; the segment is gone afterwards",
        remedy="the runtime gives each container its own IPC namespace: use a RuntimeClass that keeps one per pod, "
        "or exchange data through POSIX shared memory on a common emptyDir of medium Memory",
    ),
    Check(
        id="SHM102",
        name="sysv_shm_private_path",
        group="sysv",
        question="Without a shared ftok file: does ftok fail cleanly while the IPC namespace is shared all the same?",
        scenario="pair",
        steps=(
            *_identities("first", "second"),
            Step("made", "first", "ftok", {"path": "/private/ftok", "id": "80", "make": "1"}),
            Step("absent", "second", "ftok", {"path": "/private/ftok", "id": "80"}),
            Step("own_first", "first", "ftok", {"path": "/own/ftok", "id": "80", "make": "1"}),
            Step("own_second", "second", "ftok", {"path": "/own/ftok", "id": "80", "make": "1"}),
            Step(
                "create",
                "first",
                "sysv_shm_create",
                {"key": "{key}", "size": "512", "mode": "0600", "text": "{text}"},
            ),
            Step("read", "second", "sysv_shm_read", {"key": "{key}"}),
            Step("finish", "first", "sysv_shm_finish"),
        ),
        expected="the peer's ftok fails with ENOENT; own files at one path give different keys; a fixed key still meets",
        remedy="share the ftok file by a volume that both containers mount, or use a fixed key",
    ),
    Check(
        id="SHM201",
        name="posix_shm_sem",
        group="posix",
        question="Do two containers share a POSIX shared memory object and named semaphores?",
        scenario="complete",
        steps=(
            Step("write", "writer", "posix_write", {"name": "/podshm-{run}", "size": "512", "text": "{text}"}),
            Step("read", "reader", "posix_read", {"name": "/podshm-{run}"}),
        ),
        expected="the pod succeeds, each side reads the other's nonce, and the sentence; nothing stays in /dev/shm",
        remedy="mount one emptyDir of medium Memory on /dev/shm in every container of the pod, init containers and "
        "sidecars included",
    ),
    Check(
        id="SHM301",
        name="shm_size_default",
        group="resize",
        question="How large is /dev/shm when nobody sizes it, and is that the real limit?",
        scenario="pair",
        steps=(
            *_identities("first"),
            Step("fill", "first", "fill", {"path": "/dev/shm", "max": "{fill_default}"}, writes="{fill_default}"),
        ),
        expected="{default_size} bytes, ENOSPC after exactly that many",
        remedy="mount an emptyDir of medium Memory with a sizeLimit on /dev/shm in every container; if this default is "
        "meant, say so with the option default_size",
    ),
    Check(
        id="SHM302",
        name="shm_size_memory",
        group="resize",
        question="Does an emptyDir of medium Memory without sizeLimit grow /dev/shm to what Kubernetes promises?",
        scenario="pair",
        steps=(
            *_identities("memory"),
            Step("fill", "memory", "fill", {"path": "/dev/shm", "max": "{fill_memory}"}, writes="{fill_memory}"),
        ),
        expected="min(node allocatable memory, pod memory limit), page-rounded, and {fill_memory} bytes can be written",
        remedy="use a kubelet of 1.22 or newer (SizeMemoryBackedVolumes) and a runtime that honours the volume's size; "
        "give every container a memory limit",
    ),
    Check(
        id="SHM303",
        name="shm_size_limit",
        group="resize",
        question="Does sizeLimit {size_limit} on /dev/shm hold: that size, enforced, without eviction or OOM kill?",
        scenario="pair",
        steps=(
            *_identities("limited"),
            Step("fill", "limited", "fill", {"path": "/dev/shm", "max": "{fill_limit}"}, writes="{fill_limit}"),
        ),
        expected="{size_limit} bytes, ENOSPC after exactly that many, the pod keeps running",
        remedy="use a kubelet of 1.22 or newer (SizeMemoryBackedVolumes) and a runtime that honours the volume's size; "
        "keep sizeLimit plus the program's own memory within the container's memory limit",
    ),
)

BY_ID: t.Final[dict[str, Check]] = {check.id: check for check in CHECKS}

#: How long one step may take, in seconds; the probe itself is told the same deadline.
STEP_SECONDS: t.Final = 10
