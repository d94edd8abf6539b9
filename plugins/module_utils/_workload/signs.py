# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""Lines of a log, exit codes and events -> the cause, if it is shared memory, and how sure that is (pure)."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import Program, Sign, Sure, pattern

#: What a terminal is told by: colours, and other sequences.
_ESCAPES: t.Final = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])")

#: Longer lines are data, not words.
_MAX_LINE: t.Final = 4000


@dataclasses.dataclass(frozen=True)
class Match:
    """A line that a sign was found in.

    :param program: the one whose words they are, nothing where many programs say so.
    :param size_bytes: what the program asked for, as far as the line says it.
    """

    line: str
    sign: Sign
    program: str = ""
    size_bytes: int | None = None


#: A full folder says ENOSPC, or no error at all: a line with another one has another cause.
_FULL: t.Final = "/dev/shm is full"
_OTHER_ERRORS: t.Final = (
    r"Permission denied|Too many open files|No such file or directory|Cannot allocate memory|Operation not permitted|File exists"
    r"|Read-only file system|Invalid argument|Function not implemented"
    r"|\b(EACCES|EMFILE|ENFILE|ENOENT|ENOMEM|EPERM|EEXIST|EROFS|EINVAL|ENOSYS)\b"
)

#: Words that no single program has. The first that fits counts.
GENERAL: t.Final = (
    Sign(
        r"Usage of EmptyDir volume \"[^\"]+\" exceeds the limit",
        Sure.CERTAIN,
        "an emptyDir on the disk has grown beyond its sizeLimit",
        "set medium: Memory, where the limit is the size of the file system",
        ("SHM303", "SHM307"),
    ),
    Sign(
        r"SysctlForbidden|forbidden sysctl",
        Sure.CERTAIN,
        "the kubelet does not allow a sysctl of the pod",
        "name it in the kubelet's allowedUnsafeSysctls",
        ("SHM603",),
    ),
    Sign(
        r"violates PodSecurity.*hostIPC",
        Sure.CERTAIN,
        "the namespace's Pod Security level refuses hostIPC",
        "do without hostIPC: containers of one pod share without it",
        ("SHM503", "SHM607"),
    ),
    Sign(
        r"violates PodSecurity.*hostPath volumes? \(volumes? [^)]*shm",
        Sure.LIKELY,
        "the namespace's Pod Security level refuses a hostPath, which is the node's /dev/shm by its name",
        "mount an emptyDir of medium Memory instead; containers that share belong in one pod",
        ("SHM504", "SHM607"),
    ),
    Sign(
        r"spec\.volumes\[\d+\]\.emptyDir\.sizeLimit",
        Sure.LIKELY,
        "the sizeLimit of a volume is no quantity that Kubernetes takes",
        "write it as 512Mi",
        ("SHM303",),
    ),
    Sign(
        r"(StartError|CreateContainerError|runc create failed).*signal: killed",
        Sure.LIKELY,
        "the memory of the pod is used up before the container starts: what is in /dev/shm has survived a restart",
        "delete the pod, and raise its memory limit above sizeLimit plus what the program needs",
        ("SHM312",),
    ),
    Sign(
        r"container init was OOM-killed",
        Sure.POSSIBLE,
        "the memory limit has no room for the start: it is too low, or what is in /dev/shm has survived a restart",
        "compare the limit with what is in volumes of medium Memory; a new pod has them empty",
        ("SHM312",),
    ),
    Sign(
        r"\bOOMKilled\b|Memory cgroup out of memory|\bexit(ed|s)?[ -]?(with )?(code|status)( is)?[ :=]+137\b",
        Sure.POSSIBLE,
        "the memory limit is reached: what is in /dev/shm and in volumes of medium Memory counts against it",
        "raise the memory limit above sizeLimit plus what the program needs",
        ("SHM310", "SHM311"),
    ),
    Sign(
        r"The node was low on resource: memory",
        Sure.POSSIBLE,
        "pods of the node took more memory than they requested, perhaps in volumes of medium Memory without a sizeLimit",
        "set sizeLimit on such volumes, and memory limits on their containers",
        ("SHM304",),
    ),
    Sign(
        r"low on resource: ephemeral-storage|ephemeral(-| local )storage.*exceeds",
        Sure.POSSIBLE,
        "the disk is full, perhaps of files that a program writes to /tmp because /dev/shm is too small",
        "mount an emptyDir of medium Memory on /dev/shm if the program has such a fallback, as Chromium and Ray",
    ),
    Sign(
        r"failed to map segment from shared object: Operation not permitted",
        Sure.POSSIBLE,
        "the folder is mounted with noexec, as /dev/shm by some runtimes",
        "mount an emptyDir on that folder",
        ("SHM313",),
    ),
    Sign(
        r"filling up the filesystem where cache resides",
        Sure.LIKELY,
        "the cache of Knot Resolver has filled its folder, /tmp or /dev/shm",
        "mount an emptyDir of medium Memory that is as large as the cache",
        ("SHM309",),
    ),
    Sign(
        r"(/dev/shm|\bshm_open\b).*(No space left on device|ENOSPC|\berrno:? 28\b)|(No space left on device|ENOSPC).*/dev/shm",
        Sure.CERTAIN,
        "/dev/shm is full",
        "mount an emptyDir of medium Memory and a sizeLimit on /dev/shm",
        ("SHM301", "SHM308"),
    ),
    Sign(
        r"(ftruncate|fallocate).*(No space left on device|ENOSPC)",
        Sure.POSSIBLE,
        "the folder of the file is full, which is /dev/shm for POSIX shared memory",
        "mount an emptyDir of medium Memory and a sizeLimit on /dev/shm",
        ("SHM301", "SHM308"),
    ),
    Sign(
        r"(insufficient|not enough|too small|exceeds|increase)\b.*(/dev/shm\b|--?shm[-_]size)"
        r"|/dev/shm\b.*\b(insufficient|not enough|too small|full|exhausted|exceeded)\b",
        Sure.LIKELY,
        "/dev/shm is too small",
        "mount an emptyDir of medium Memory and a sizeLimit on /dev/shm",
        ("SHM301", "SHM303"),
    ),
    Sign(
        r"(shmget|shmat)\b.*(Cannot allocate memory|ENOMEM)",
        Sure.POSSIBLE,
        "there is no memory for a segment: no huge page is free (SHM_HUGETLB), or vm.overcommit_memory of the node is 2",
        "request huge pages if the program uses them, or do without; compare vm.overcommit_memory of the node",
        ("SHM605",),
    ),
    Sign(
        r"(shm|sem|msg)(get|at|op|ctl|snd|rcv)\b.*(Permission denied|EACCES)",
        Sure.LIKELY,
        "another user has made the segment, the semaphores or the queue, and their mode keeps others out",
        "set one runAsUser for all containers that share",
        ("SHM106", "SHM110"),
    ),
    Sign(
        r"(shm|sem|msg)get\b.*(No such file or directory|ENOENT)",
        Sure.POSSIBLE,
        "nobody has made it under this key in this pod: pods have an IPC namespace each, and a key of ftok comes from one file",
        "put containers that share in one pod, and the file for ftok on a volume that all of them mount",
        ("SHM101", "SHM102", "SHM501"),
    ),
    Sign(
        r"((shm|sem|msg)get|shm_open|mq_open)\b.*(Function not implemented|ENOSYS|Operation not permitted|EPERM)",
        Sure.LIKELY,
        "a seccomp profile refuses the call, or the kernel under the pod does not have it",
        "compare seccompProfile and runtimeClassName of the pod with one where it works",
        ("SHM101", "SHM104", "SHM201", "SHM203"),
    ),
    Sign(
        r"(shm_open\b|/dev/shm/).*(Too many open files|EMFILE)",
        Sure.LIKELY,
        "the process has too many files open; not the size of /dev/shm",
        "raise the limit of open files",
        ("SHM608",),
    ),
    Sign(
        r"shmget.*(No space left on device|ENOSPC|Invalid argument|EINVAL)",
        Sure.LIKELY,
        "kernel.shmmax, shmall or shmmni of the pod is too small",
        "set the sysctl in the securityContext of the pod",
        ("SHM601", "SHM604"),
    ),
    Sign(
        r"/dev/shm.*Read-only file system|Read-only file system.*/dev/shm",
        Sure.LIKELY,
        "the volume on /dev/shm is mounted read-only",
        "remove readOnly from its volumeMount",
        ("SHM315",),
    ),
    Sign(
        r"(/dev/shm|\bshm_open\b).*Permission denied|Permission denied.*/dev/shm",
        Sure.LIKELY,
        "another user has created the file, or the mode of /dev/shm is not 1777",
        "set one runAsUser for all containers that share",
        ("SHM209", "SHM210", "SHM313"),
    ),
    Sign(
        r"sem_get\(\): failed for key \S+: No space left on device",
        Sure.LIKELY,
        "kernel.sem of the pod is too small, or sets were leaked; no disk is full",
        "set kernel.sem in the securityContext of the pod",
        ("SHM601", "SHM604"),
    ),
    Sign(
        r"(/dev/shm/|\bshm_open\b).*(No such file or directory|ENOENT)|(No such file or directory|ENOENT).*/dev/shm/(?!sem\.)",
        Sure.POSSIBLE,
        "nobody has made it in this /dev/shm: containers have one each unless they mount one volume, or it was removed",
        "mount one emptyDir of medium Memory on /dev/shm of all containers that share",
        ("SHM202", "SHM204", "SHM205"),
    ),
    Sign(
        r"sem_open.*(No such file or directory|Unable to open semaphore)|Unable to open semaphore",
        Sure.POSSIBLE,
        "containers have different C libraries, or different volumes on /dev/shm",
        "build the images of containers that share on one C library, and mount one volume in all of them",
        ("SHM212", "SHM204"),
    ),
    Sign(
        r"(mq_open|msgget).*(No space left on device|Too many open files)",
        Sure.LIKELY,
        "fs.mqueue or kernel.msg* of the pod, or its limit of bytes in queues, is too small",
        "set the sysctl in the securityContext of the pod, or have fewer and smaller queues",
        ("SHM604", "SHM606"),
    ),
    Sign(
        r"semget.*No space left on device",
        Sure.LIKELY,
        "kernel.sem of the pod is too small, or sets were leaked",
        "set kernel.sem in the securityContext of the pod",
        ("SHM601", "SHM604"),
    ),
    Sign(
        r"\b(exit|return) ?code( is)?[ :=]+-7\b|Signal 7 \(SIGBUS\) received by PID",
        Sure.LIKELY,
        "a process died by SIGBUS: /dev/shm is full, or huge pages without a limit",
        "compare the size of /dev/shm with what the program needs; podshm's audit does",
        ("SHM309", "SHM605"),
    ),
    Sign(
        r"\bbus error\b|\bSIGBUS\b|signal 7\b|signal: 7\b|\bexit(ed|s)?[ -]?(with )?(code|status)( is)?[ :=]+135\b",
        Sure.LIKELY,
        "a mapped file could not grow: /dev/shm is full, or huge pages without a limit",
        "compare the size of /dev/shm with what the program needs; podshm's audit does",
        ("SHM309", "SHM605"),
    ),
)

#: Words that look like shared memory between processes, and are something else.
FALSE_FRIENDS: t.Final = (
    (
        r"max_locks_per_transaction|max_pred_locks_per_transaction|\b(ERROR|FATAL):\s+out of shared memory",
        "the lock table of PostgreSQL is full; not /dev/shm",
    ),
    (
        r"RESOURCE_EXHAUSTED: Shared memory size limit|out of resource: shared memory",
        "the shared memory of a GPU's core; not /dev/shm",
    ),
    (
        r"ngx_slab_alloc\(\) failed|lua_shared_dict.*no memory|could not allocate new session in SSL session shared cache",
        "a zone of nginx is full; its own size counts, not /dev/shm",
    ),
    (
        r"No available shared memory broadcast block found",
        "vLLM waits for a worker, which mostly has other reasons than the size of /dev/shm",
    ),
    (r"opcache.*shared memory|shared memory.*opcache", "the cache of PHP, which is anonymous memory; not /dev/shm"),
    (r"inotify.*No space left on device|No space left on device.*inotify", "fs.inotify.max_user_watches; not /dev/shm"),
)


def plain(line: str) -> str:
    """A line without the sequences of a terminal, and no longer than words are."""
    return _ESCAPES.sub("", line)[:_MAX_LINE].strip()


def matches(text: str, programs: t.Sequence[Program]) -> list[Match]:
    """What the lines of a text say about shared memory, in their order. Each sign counts once, the last time it is seen."""
    signs = [(sign, program.title) for program in programs for sign in program.signs] + [(one, "") for one in GENERAL]
    found: dict[str, Match] = {}
    for line in map(plain, text.splitlines()):
        match = _match(line, signs)
        if match:
            found.pop(match.sign.pattern, None)
            found[match.sign.pattern] = match
    return list(found.values())


def false_friend(text: str) -> str:
    """What words are about that only look like shared memory between processes, or nothing."""
    return next((words for friend, words in FALSE_FRIENDS if pattern(friend).search(text)), "")


def _match(line: str, signs: t.Iterable[tuple[Sign, str]]) -> Match | None:
    """The first sign that a line has; each comes with the title of its program."""
    if not line or false_friend(line):
        return None
    for sign, title in signs:
        match = pattern(sign.pattern).search(line)
        if match and not (sign.cause == _FULL and pattern(_OTHER_ERRORS).search(line)):
            size = match.groupdict().get("bytes")
            return Match(line, sign, title, int(size) if size else None)
    return None
