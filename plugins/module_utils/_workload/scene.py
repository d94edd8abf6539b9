# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""What became of the pods of a workload: exit codes, kills, evictions and last words -> findings SHM72x (pure)."""

from __future__ import annotations

import collections.abc
import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import memory_text
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._secrets import KNOWN, Secrets
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import signs
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import Program, Sure
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.rules import Finding, Kind, Severity
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.shape import (
    Backing,
    ContainerShape,
    PodShape,
)

KINDS: t.Final = (
    Kind("SHM721", "died_of_sigbus", "Did a container end with code 135 (SIGBUS)?"),
    Kind("SHM722", "killed_for_memory", "Was a container killed for memory with a volume on /dev/shm?"),
    Kind("SHM723", "evicted", "Was a pod evicted for what it wrote to a volume?"),
    Kind("SHM724", "last_words", "Do the last lines of a container name shared memory?"),
)

#: 128 + SIGBUS: the process touched a mapping that could not grow.
_SIGBUS: t.Final = 135


@dataclasses.dataclass(frozen=True)
class End:
    """How a container of a live pod ended, the last time that it did.

    :param reason: V(OOMKilled), V(Error), as the kubelet reports it.
    :param has_restarted: whether it runs again, or will: its log is that of the container before.
    """

    pod: str
    container: str
    exit_code: int
    reason: str
    restarts: int
    has_restarted: bool = False


def ends(pod: t.Mapping[str, t.Any]) -> list[End]:
    """How the containers of a live pod ended that have ended badly, the last time."""
    status = pod.get("status") or {}
    every = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    found: list[End] = []
    for one in every:
        now = (one.get("state") or {}).get("terminated")
        state = now or (one.get("lastState") or {}).get("terminated")
        if state and state.get("exitCode"):
            found.append(
                End(
                    pod["metadata"]["name"],
                    str(one.get("name")),
                    int(state["exitCode"]),
                    str(state.get("reason") or ""),
                    int(one.get("restartCount") or 0),
                    has_restarted=not now,
                )
            )
    return found


def eviction(pod: t.Mapping[str, t.Any]) -> str:
    """Why a pod was evicted, in the kubelet's words; nothing if it was not."""
    status = pod.get("status") or {}
    return str(status.get("message") or "") if status.get("reason") == "Evicted" else ""


def findings(
    shape: PodShape,
    pods: t.Sequence[t.Mapping[str, t.Any]],
    logs: t.Mapping[tuple[str, str], str],
    programs: t.Sequence[Program],
) -> list[Finding]:
    """What became of the pods, one finding per container and kind of end.

    :param logs: by pod and container, the last lines, where they could be read.
    """
    found: dict[tuple[str, str], Finding] = {}
    for pod in pods:
        for finding in (*_evictions(pod), *_ends(shape, pod, logs, programs)):
            found.setdefault((finding.rule, finding.container), finding)
    return list(found.values())


def _evictions(pod: t.Mapping[str, t.Any]) -> collections.abc.Iterator[Finding]:
    for match in signs.matches(eviction(pod), ()):
        yield Finding(
            "SHM723",
            Severity.FAIL,
            "",
            f"pod {pod['metadata']['name']} was evicted: {match.line}: {match.sign.cause}",
            match.sign.fix,
            match.sign.sure,
        )


def _ends(
    shape: PodShape,
    pod: t.Mapping[str, t.Any],
    logs: t.Mapping[tuple[str, str], str],
    programs: t.Sequence[Program],
) -> collections.abc.Iterator[Finding]:
    by_name = {one.name: one for one in shape.containers}
    for end in ends(pod):
        container = by_name.get(end.container)
        if container is None:
            continue
        yield from _exit_code(end, container)
        for match in signs.matches(logs.get((end.pod, end.container), ""), programs)[-1:]:
            size = f" ({memory_text(match.size_bytes)} were asked for)" if match.size_bytes else ""
            yield Finding(
                "SHM724",
                Severity.FAIL,
                end.container,
                f"its last words in pod {end.pod}: {_without_values(match.line, container)!r}: {match.sign.cause}{size}",
                match.sign.fix,
                match.sign.sure,
                match.program,
            )


def _without_values(line: str, container: ContainerShape) -> str:
    """A line of a log, as far as it may be quoted: programs print what their variables hold."""
    secrets = Secrets()
    secrets.add(*filter(None, container.env.values()))
    return secrets.hidden(KNOWN.hidden(line))


def _exit_code(end: End, container: ContainerShape) -> collections.abc.Iterator[Finding]:
    times = f", {end.restarts} restarts" if end.restarts else ""
    folder = container.dev_shm
    if end.exit_code == _SIGBUS:
        yield Finding(
            "SHM721",
            Severity.FAIL,
            end.container,
            f"it ended with code 135 (SIGBUS) in pod {end.pod}{times}: it touched a mapped file that could not grow; /dev/shm "
            f"has {memory_text(folder.size_bytes) if folder.size_bytes else 'an unknown size'} ({folder.bound})",
            "give /dev/shm the size that the program needs; where the node has huge pages, set a limit for them",
            Sure.LIKELY,
        )
    elif end.reason == "OOMKilled" and folder.backing is Backing.MEMORY:
        limit = f" of {memory_text(container.memory_limit)}" if container.memory_limit else ""
        yield Finding(
            "SHM722",
            Severity.FAIL,
            end.container,
            f"it was killed for memory (OOMKilled) in pod {end.pod}{times}: what it writes to the volume {folder.volume} on "
            f"/dev/shm counts against its memory limit{limit}",
            "set the memory limit to sizeLimit plus what the program itself needs",
            Sure.LIKELY,
        )
