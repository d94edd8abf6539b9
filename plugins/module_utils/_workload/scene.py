# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""What became of the pods of a workload: exit codes, kills, evictions and last words -> findings SHM72x (pure)."""

from __future__ import annotations

import collections.abc
import dataclasses
import re
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

_OOM: t.Final = "OOMKilled"

#: The runtime could not start the container: the message is its own, and not the program's.
_NOT_STARTED: t.Final = ("StartError", "ContainerCannotRun")


@dataclasses.dataclass(frozen=True)
class End:
    """How a container of a live pod ended, the last time that it did.

    :param reason: V(OOMKilled), V(Error), as the kubelet reports it.
    :param has_restarted: whether it runs again, or will: its log is that of the container before.
    :param message: the container's own last words, where its pod has them, or the runtime's where it did not start.
    """

    pod: str
    container: str
    exit_code: int
    reason: str
    restarts: int
    has_restarted: bool = False
    message: str = ""


def ends(pod: t.Mapping[str, t.Any]) -> list[End]:
    """How the containers of a live pod ended that have ended badly, the last time.

    A container of which a child was killed for memory can end with code 0.
    """
    status = pod.get("status") or {}
    every = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    found: list[End] = []
    for one in every:
        now = (one.get("state") or {}).get("terminated")
        state = now or (one.get("lastState") or {}).get("terminated")
        if state and (state.get("exitCode") or state.get("reason") == _OOM):
            found.append(
                End(
                    pod["metadata"]["name"],
                    str(one.get("name")),
                    int(state.get("exitCode") or 0),
                    str(state.get("reason") or ""),
                    int(one.get("restartCount") or 0),
                    has_restarted=not now,
                    message=str(state.get("message") or ""),
                )
            )
    return found


def eviction(pod: t.Mapping[str, t.Any]) -> str:
    """Why a pod was evicted, in the kubelet's words; nothing if it was not."""
    status = pod.get("status") or {}
    return str(status.get("message") or "") if status.get("reason") == "Evicted" else ""


def refusal(pod: t.Mapping[str, t.Any]) -> str:
    """Why a kubelet refused a pod for its sysctls, in its words; nothing if it did not."""
    status = pod.get("status") or {}
    return str(status.get("message") or "") if status.get("reason") == "SysctlForbidden" else ""


def is_over(pod: t.Mapping[str, t.Any]) -> bool:
    """Whether a pod will never run again."""
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def findings(
    shape: PodShape,
    pods: t.Sequence[t.Mapping[str, t.Any]],
    logs: t.Mapping[tuple[str, str], str],
    programs: t.Sequence[Program],
    falls_back: bool = False,
) -> list[Finding]:
    """What became of the pods, one finding per container and kind of end.

    :param logs: by pod and container, the last lines, where they could be read.
    :param falls_back: whether something in them writes to a disk what has no room in /dev/shm.
    """
    found: dict[tuple[str, str], Finding] = {}
    for pod in pods:
        for finding in (
            *_refusals(shape, pod),
            *_evictions(shape, pod, falls_back),
            *_ends(shape, pod, logs, programs),
        ):
            found.setdefault((finding.rule, finding.container), finding)
    return list(found.values())


def _refusals(shape: PodShape, pod: t.Mapping[str, t.Any]) -> collections.abc.Iterator[Finding]:
    words = refusal(pod)
    if words:
        yield Finding(
            "SHM709",
            Severity.FAIL,
            shape.main.name,
            f"a kubelet refused pod {pod['metadata']['name']}: {signs.plain(words)}",
            "name the sysctls in allowedUnsafeSysctls of the kubelets that the pod is bound to",
        )


def _evictions(shape: PodShape, pod: t.Mapping[str, t.Any], falls_back: bool) -> collections.abc.Iterator[Finding]:
    for match in signs.matches(eviction(pod), ()):
        is_memory = re.search(r"low on resource: memory", match.line) is not None
        # an eviction that no volume in memory and no file instead of one can have led to
        if match.sign.sure is Sure.POSSIBLE and not (_has_memory(shape) if is_memory else falls_back):
            continue
        yield Finding(
            "SHM723",
            Severity.FAIL,
            "",
            f"pod {pod['metadata']['name']} was evicted: {match.line}: {match.sign.cause}",
            match.sign.fix,
            match.sign.sure,
        )


def _has_memory(shape: PodShape) -> bool:
    return any((one.get("emptyDir") or {}).get("medium") == "Memory" for one in shape.volumes.values())


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
        yield from _last_words(end, container, shape, logs, programs)


def _last_words(
    end: End,
    container: ContainerShape,
    shape: PodShape,
    logs: t.Mapping[tuple[str, str], str],
    programs: t.Sequence[Program],
) -> collections.abc.Iterator[Finding]:
    """What a log says, or the message of its end. A program's message is a log that nobody asked for: it is not quoted."""
    log = logs.get((end.pod, end.container), "")
    is_quoted = bool(log) or end.reason in _NOT_STARTED
    for match in signs.matches(log or end.message, programs)[-1:]:
        if match.sign.sure is Sure.POSSIBLE and end.reason in _NOT_STARTED and not _has_memory(shape):
            continue
        size = f" ({memory_text(match.size_bytes)} were asked for)" if match.size_bytes else ""
        words = f"{_without_values(match.line, container)!r}: " if is_quoted else "they are of shared memory: "
        yield Finding(
            "SHM724",
            Severity.FAIL,
            end.container,
            f"its last words in pod {end.pod}: {words}{match.sign.cause}{size}",
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
    elif end.reason == _OOM and folder.backing is Backing.MEMORY:
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
