# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What is wrong with the shared memory of a workload, as far as its spec shows it: SHM7xx (pure)."""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _profiles
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import SHM
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB, memory_text
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import TextEnum
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Less,
    Need,
    Sure,
    Term,
    Uses,
    no_least,
    rounded_text,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.recognise import (
    Recognised,
    Stated,
    basename,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.recognise import tag as image_tag
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.shape import (
    POD_LIMIT,
    Backing,
    ContainerShape,
    PodShape,
    is_token,
)

#: The finding that nobody uses a volume: what is in it says more.
FOR_NOTHING: t.Final = "SHM716"

#: The finding that a program is configured to do without /dev/shm.
WORKAROUND: t.Final = "SHM715"


class Severity(TextEnum):
    """How bad a finding is."""

    #: the program, or a part of it, does not work
    FAIL = "FAIL"
    #: it works, and something is lost or risked
    WARN = "WARN"


@dataclasses.dataclass(frozen=True)
class Finding:
    """What is wrong with a container.

    :param observed: what is there, in one line; C(fix) what to do first.
    :param size_bytes: how large /dev/shm has to be; None where size is not the matter.
    :param computation: how a size in C(observed) was computed, where it is a sum.
    :param peer: the container that it shares with, where sharing is the matter.
    :param by_hand: whether to change the spec alone could make it worse, so that there is no patch.
    """

    rule: str
    severity: Severity
    container: str
    observed: str
    fix: str
    sure: Sure = Sure.CERTAIN
    program: str = ""
    size_bytes: int | None = None
    computation: str = ""
    peer: str = ""
    by_hand: bool = False


@dataclasses.dataclass(frozen=True)
class Audited:
    """A pod with what is known of its containers, by name.

    :param runs: the programs of each container; C(stated) what the pod itself says that it needs.
    :param is_owned: whether a controller creates such pods, again and again.
    """

    pod: PodShape
    runs: t.Mapping[str, t.Sequence[Recognised]]
    stated: t.Mapping[str, t.Sequence[Stated]]
    is_owned: bool = False

    def needs(self, container: str) -> list[tuple[Recognised, Need]]:
        """What the programs of a container need; nothing where the pod itself says it.

        What several of them take from one library, by its formula, counts once.
        """
        if container in self.stated:
            return []
        found = [(run, need) for run in self.runs.get(container, ()) for need in run.needs()]
        first = {_thing(need): run for run, need in reversed(found)}
        return [(run, need) for run, need in found if first[_thing(need)] is run]


def _thing(need: Need) -> tuple[Uses, t.Any]:
    """Equal for needs of several programs that are one thing: by its formula, or by its words where many have the formula."""
    return need.uses, need.words if need.size in (None, no_least) else need.size


Find: t.TypeAlias = "collections.abc.Callable[[Audited], collections.abc.Iterator[Finding]]"


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of finding: its id, its name, and what it looks for, as a question."""

    id: str
    name: str
    question: str


@dataclasses.dataclass(frozen=True)
class Rule(Kind):
    """A kind of finding that the spec of a pod shows."""

    find: Find


@dataclasses.dataclass(frozen=True)
class Demand:
    """What all programs of a container need of /dev/shm together: they add up.

    :param least: what one use of each takes; C(busy) what many at a time take.
    :param beside: what other containers need there in addition.
    """

    programs: str
    least: Amount
    busy: Amount
    less: Less
    symptom: str
    sure: Sure
    is_plural: bool = False
    beside: Amount = dataclasses.field(default_factory=Amount.of)


def demand(audited: Audited, container: ContainerShape, without: collections.abc.Container[str] = ()) -> Demand | None:
    """What a container needs of /dev/shm, or None where nothing is known to need it.

    :param without: programs, by title, of which what they share with other containers does not count.
    """
    said = [one for one in audited.stated.get(container.name, ()) if one.uses is Uses.DEV_SHM and one.size_bytes]
    if said:
        stated = Amount(tuple(Term("as its annotation has it", one.size_bytes) for one in said))
        return Demand("the container", stated, stated, Less.FAILS, "with less, it fails", Sure.CERTAIN)
    sized = [
        (run, need, *amounts)
        for run, need in audited.needs(container.name)
        if need.uses is Uses.DEV_SHM
        and not (need.across and run.program.title in without)
        and (amounts := need.takes(run.values))
    ]
    if not sized:
        return None
    worst = max(sized, key=lambda each: (list(Less)[::-1].index(each[1].less), each[2].size_bytes))[1]
    runs = list(dict.fromkeys(run.program.title for run, *_more in sized))
    sure = Sure.CERTAIN if all(run.by.sure is Sure.CERTAIN for run, *_more in sized) else Sure.LIKELY
    return Demand(
        " and ".join(runs),
        Amount.sum(least for _run, _need, least, _busy in sized),
        Amount.sum(busy for _run, _need, _least, busy in sized),
        worst.less,
        worst.symptom,
        sure,
        len(runs) > 1,
    )


def is_release_decisive(container: ContainerShape, runs: t.Sequence[Recognised]) -> bool:
    """Whether /dev/shm is too small for some releases of a program, and it is not known which this is."""
    size = container.dev_shm.size_bytes
    if size is None or not container.dev_shm.is_memory:
        return False
    amounts = [
        need.takes(run.values)
        for run in runs
        if not run.version
        for need in run.program.needs
        if need.uses is Uses.DEV_SHM and need.until and need.less is not Less.ADAPTS and need.when(run.values)
    ]
    return any(amount is not None and amount[1].size_bytes > size for amount in amounts)


def names_dev_shm(container: ContainerShape) -> bool:
    """Whether a command line or a variable names /dev/shm, as that of a folder for temporary files."""
    return any(SHM in text for text in (container.command, *filter(None, container.env.values())))


def joint_demand(audited: Audited, container: ContainerShape) -> Demand | None:
    """What a container needs of /dev/shm; where all that need it fit alone but not together, the largest speaks for all."""
    wanted = demand(audited, container)
    mates = _mates(audited, container) if wanted else {}
    if wanted is None or not mates:
        return wanted
    if not _is_first(audited, container, wanted, mates):
        return dataclasses.replace(wanted, beside=Amount.sum(one.busy for one in mates.values()))
    every = {container.name: wanted, **mates}
    names = [f"{one.programs} in {name}" for name, one in every.items()]
    worst = max(every.values(), key=lambda one: list(Less)[::-1].index(one.less))
    return dataclasses.replace(
        worst,
        programs=f"{', '.join(names[:-1])} and {names[-1]}",
        least=Amount.sum(one.least for one in every.values()),
        busy=Amount.sum(one.busy for one in every.values()),
        is_plural=True,
    )


def _mates(audited: Audited, container: ContainerShape) -> dict[str, Demand]:
    """By container, what others need of the same /dev/shm at the same time. A thing that several share counts once."""
    shared = [run.program.title for run in audited.runs.get(container.name, ())]
    folder = container.dev_shm
    found: dict[str, Demand] = {}
    for one in audited.pod.containers:
        is_mate = one.runs and container.runs and one is not container
        if any(container.name in said.across for said in audited.stated.get(one.name, ())):
            continue
        if is_mate and (one.dev_shm.backing, one.dev_shm.volume) == (folder.backing, folder.volume):
            wanted = demand(audited, one, shared)
            if wanted is not None and wanted.less is not Less.ADAPTS:
                found[one.name] = wanted
                shared += [run.program.title for run in audited.runs.get(one.name, ())]
    return found


def _is_first(audited: Audited, container: ContainerShape, wanted: Demand, mates: t.Mapping[str, Demand]) -> bool:
    """Whether each fits alone but not all together, and this one needs the most, the first of equals."""
    size = container.dev_shm.size_bytes
    if size is None or wanted.less is Less.ADAPTS:
        return False
    order = [one.name for one in audited.pod.containers]
    needs = {container.name: wanted.busy.size_bytes, **{name: one.busy.size_bytes for name, one in mates.items()}}
    most = min(needs, key=lambda name: (-needs[name], order.index(name)))
    return max(needs.values()) <= size < sum(needs.values()) and most == container.name


def _all_need(audited: Audited, container: ContainerShape) -> Amount:
    """What all need together who have what this container has on /dev/shm; nothing where no need of it is known."""
    folder = container.dev_shm
    users = [
        one
        for one in audited.pod.containers
        if (one.dev_shm.backing, one.dev_shm.volume) == (folder.backing, folder.volume)
    ]
    wanted = [one for each in users if (one := joint_demand(audited, each)) and one.less is not Less.ADAPTS]
    amounts = [Amount.sum([one.busy, one.beside]) for one in wanted]
    return max(amounts, key=lambda amount: amount.size_bytes, default=Amount.of())


def fitting_size(amount: Amount) -> int:
    """The size for a volume that has to hold an amount: a power of two of MiB, at least 128."""
    mebibytes = max(128, -(-amount.size_bytes // MIB))
    return (1 << (mebibytes - 1).bit_length()) * MIB


def _too_small(rule: str, backing: Backing) -> Find:
    def find(audited: Audited) -> collections.abc.Iterator[Finding]:
        for container in audited.pod.containers:
            folder = container.dev_shm
            if folder.backing is not backing or folder.size_bytes is None:
                continue
            wanted = joint_demand(audited, container)
            if wanted is None or wanted.less is Less.ADAPTS or folder.size_bytes >= wanted.busy.size_bytes:
                continue
            is_sure = folder.size_bytes < wanted.least.size_bytes
            amount = wanted.least if is_sure else wanted.busy
            size = fitting_size(Amount.sum([wanted.busy, wanted.beside]))
            is_sum = len(amount.terms) > 1
            computation = amount.text() if is_sum else ""
            if wanted.beside.terms:
                others = rounded_text(wanted.beside.size_bytes)
                computation = f"{amount.text()}; and {others} of other containers in the same /dev/shm"
            when = "" if is_sure else "under load, "
            # such a volume is never full: memory ends first
            is_killed = folder.bound == POD_LIMIT
            symptom = "a process is killed for memory (OOMKilled)" if is_killed else wanted.symptom
            verb = "need" if wanted.is_plural else "needs"
            yield Finding(
                rule,
                Severity.FAIL if is_sure and wanted.less is Less.FAILS else Severity.WARN,
                container.name,
                f"/dev/shm has {memory_text(folder.size_bytes)} ({folder.bound}), and {wanted.programs} {verb} "
                f"{rounded_text(amount.size_bytes) if is_sum else amount.text()}; {when}{symptom}",
                _enlarge(folder.bound, size),
                wanted.sure,
                wanted.programs,
                size,
                computation,
            )

    return find


_default_too_small: t.Final = _too_small("SHM701", Backing.DEFAULT)


def _enlarge(bound: str, size: int) -> str:
    text = memory_text(size)
    if bound == POD_LIMIT:
        return f"raise the memory limits of the pod's containers so that they leave room for {text} of /dev/shm"
    if bound == "sizeLimit":
        return f"set sizeLimit: {text} on the volume, and add as much to the container's memory limit"
    return (
        f"mount an emptyDir of medium Memory with sizeLimit: {text} on /dev/shm, and add as much to the container's "
        "memory limit"
    )


def _one_sided(audited: Audited) -> collections.abc.Iterator[Finding]:
    """Containers that share by /dev/shm and do not see the same one."""
    for run, need, who in sharing(audited, Uses.DEV_SHM):
        having = min(who, key=lambda one: (one.dev_shm.backing is not Backing.MEMORY, not one.dev_shm.volume))
        others = [one for one in who if one.dev_shm.identity != having.dev_shm.identity]
        if not others:
            continue
        lacking = next((one for one in others if not one.dev_shm.volume), others[-1])
        yield Finding(
            "SHM703",
            Severity.FAIL,
            lacking.name,
            f"{run} shares files in /dev/shm with container {having.name}, which has {_words(having)} there, and this one "
            f"{_words(lacking)}; {need}",
            "mount one volume of medium Memory on /dev/shm in both containers",
            Sure.CERTAIN,
            run,
            peer=having.name,
        )


def _words(container: ContainerShape) -> str:
    folder = container.dev_shm
    return f"the volume {folder.volume}" if folder.volume else folder.bound


def sharing(audited: Audited, uses: Uses) -> collections.abc.Iterator[tuple[str, str, list[ContainerShape]]]:
    """Which containers share by a mechanism: the program, what happens if they do not, and who."""
    pod = audited.pod
    for name, said in audited.stated.items():
        for one in said:
            if one.uses is uses and one.across:
                yield (
                    "the pod, as its annotation says,",
                    "they do not meet",
                    [pod.container(each) for each in dict.fromkeys((name, *one.across))],
                )
    by_program: dict[str, list[tuple[Need, ContainerShape]]] = {}
    for container in pod.containers:
        for run, need in audited.needs(container.name):
            if need.uses is uses and need.across and container.runs:
                by_program.setdefault(run.program.title, []).append((need, container))
    for title, found in by_program.items():
        who = list({container.name: container for _need, container in found}.values())
        if len(who) > 1:
            yield title, found[0][0].symptom or "they do not meet", who


#: Kinds of volumes that are a disk, or one behind a network.
_STORAGE: t.Final = ("persistentVolumeClaim", "ephemeral", "nfs")


def _no_medium(audited: Audited) -> collections.abc.Iterator[Finding]:
    for container in _first_of_each_volume(audited.pod, Backing.DISK):
        folder = container.dev_shm
        users = [one for one in audited.pod.containers if one.dev_shm.volume == folder.volume]
        if not any(_may_fill(audited, one) or names_dev_shm(one) for one in users):
            continue
        evicted = f"; beyond {memory_text(folder.size_limit)} the pod is evicted" if folder.size_limit else ""
        needed = _all_need(audited, container)
        size = fitting_size(needed) if needed.size_bytes > (folder.size_limit or 0) else None
        limit = f" and sizeLimit: {memory_text(size)}" if size else ""
        yield Finding(
            "SHM704",
            Severity.WARN,
            container.name,
            f"the volume {folder.volume} on /dev/shm has no medium Memory: shared memory is files on the node's disk{evicted}",
            f"set medium: Memory{limit} on the volume {folder.volume}, and add as much to the container's memory limit",
            size_bytes=size,
        )
    for container in _first_of_each_volume(audited.pod, Backing.OTHER):
        folder = container.dev_shm
        if folder.bound in _STORAGE:
            yield Finding(
                "SHM704",
                Severity.WARN,
                container.name,
                f"the volume {folder.volume} on /dev/shm is of kind {folder.bound}: shared memory is files on its storage",
                "mount an emptyDir of medium Memory on /dev/shm instead",
                Sure.LIKELY,
            )


def _clipped(audited: Audited) -> collections.abc.Iterator[Finding]:
    limit = audited.pod.memory_limit
    for container in _first_of_each_volume(audited.pod):
        folder = container.dev_shm
        if folder.size_limit and limit and folder.size_limit > limit:
            yield Finding(
                "SHM705",
                Severity.WARN,
                container.name,
                f"sizeLimit {memory_text(folder.size_limit)} of the volume {folder.volume} is more than the pod's memory "
                f"limit {memory_text(limit)}: the kubelet clips it, and the container is killed (OOMKilled) before it is full",
                "raise the memory limits of the containers above sizeLimit, or lower sizeLimit",
                size_bytes=folder.size_limit,
            )


def _unbounded(audited: Audited) -> collections.abc.Iterator[Finding]:
    """Volumes that nothing bounds: what a container writes there counts against its own limit, where it has one."""
    if audited.pod.memory_limit is not None:
        return
    for container in _first_of_each_volume(audited.pod):
        folder = container.dev_shm
        free = [
            one
            for one in audited.pod.containers
            if one.runs and one.memory_limit is None and any(mount.get("name") == folder.volume for mount in one.mounts)
        ]
        if free and not folder.size_limit:
            yield Finding(
                "SHM706",
                Severity.WARN,
                free[0].name,
                f"the volume {folder.volume} has no sizeLimit, and the container no memory limit: what it writes there can take "
                "all memory that the node has for pods",
                "set sizeLimit on the volume, and a memory limit on each container",
            )


def _first_of_each_volume(pod: PodShape, backing: Backing = Backing.MEMORY) -> collections.abc.Iterator[ContainerShape]:
    """Of the containers that see one volume on /dev/shm, the first; init containers come last."""
    seen: set[str] = set()
    for container in sorted(pod.containers, key=lambda one: not one.runs):
        folder = container.dev_shm
        if folder.backing is backing and folder.volume and folder.volume not in seen:
            seen.add(folder.volume)
            yield container


def _may_fill(audited: Audited, container: ContainerShape) -> bool:
    """Whether a container writes to /dev/shm, as far as it is known what it runs."""
    runs = audited.runs.get(container.name, ())
    if container.name in audited.stated or all(run.program.is_library for run in runs):
        return True
    return any(need.uses is Uses.DEV_SHM for run in runs for need in run.needs())


def _killed_first(audited: Audited) -> collections.abc.Iterator[Finding]:
    """A volume that a container cannot fill without being killed for memory."""
    for container in audited.pod.containers:
        folder, limit = container.dev_shm, container.memory_limit
        if folder.backing is not Backing.MEMORY or not folder.size_limit or not limit or not container.runs:
            continue
        if folder.read_only or not _may_fill(audited, container):
            continue
        # beyond the limit of the pod, it is SHM705 that says so
        if limit <= folder.size_limit <= (audited.pod.memory_limit or folder.size_limit):
            yield Finding(
                "SHM707",
                Severity.WARN,
                container.name,
                f"sizeLimit {memory_text(folder.size_limit)} leaves nothing of the memory limit {memory_text(limit)} for the "
                "program itself: what it writes to /dev/shm counts, and it is killed (OOMKilled) before the volume is full",
                f"set the memory limit to sizeLimit plus what the program itself needs, above {memory_text(folder.size_limit)}",
                size_bytes=folder.size_limit,
            )


#: What a new IPC namespace starts with (Linux 4.x to 6.x), whatever the node has.
KERNEL_DEFAULTS: t.Final[dict[str, tuple[int, ...]]] = {
    "kernel.shmmax": (18446744073692774399,),
    "kernel.shmall": (18446744073692774399,),
    "kernel.shmmni": (4096,),
    "kernel.sem": (32000, 1024000000, 500, 32000),
    "kernel.msgmax": (8192,),
    "kernel.msgmnb": (16384,),
    "kernel.msgmni": (32000,),
    "fs.mqueue.msg_max": (10,),
    "fs.mqueue.msgsize_max": (8192,),
    "fs.mqueue.queues_max": (256,),
}


def _small_sysctls(audited: Audited) -> collections.abc.Iterator[Finding]:
    if audited.pod.host_ipc:
        return
    for container in audited.pod.containers:
        for run in audited.runs.get(container.name, ()):
            found: list[str] = []
            wanted: dict[str, str] = {}
            for name, least in run.program.sysctls.items():
                text = audited.pod.sysctls.get(name)
                try:
                    has = KERNEL_DEFAULTS[name] if text is None else _profiles.numbers(name, text)
                except ValueError:
                    continue
                if unmet := _profiles.unmet(name, least, has):
                    found += [f"{each}{'' if text else ' (the default)'}" for each in unmet]
                    wanted[name] = " ".join(str(max(pair)) for pair in zip(least, has, strict=True))
            if found:
                yield Finding(
                    "SHM708",
                    Severity.FAIL,
                    container.name,
                    f"{run.program.title} needs more: {', '.join(found)}",
                    f"set in securityContext.sysctls of the pod: {', '.join(f'{k}={v}' for k, v in wanted.items())}",
                    run.by.sure,
                    run.program.title,
                )


#: The IPC sysctls that a kubelet admits without being configured for it.
SAFE: t.Final = frozenset({"kernel.shm_rmid_forced"})


#: Sysctls that kubelets allow together, as allowedUnsafeSysctls has them.
_FAMILIES: t.Final = re.compile(r"(kernel\.(?:msg|shm)|fs\.mqueue\.)\w+")


def _unsafe_sysctls(audited: Audited) -> collections.abc.Iterator[Finding]:
    unsafe = sorted(
        name for name in audited.pod.sysctls if name.startswith(("kernel.", "fs.mqueue.")) and name not in SAFE
    )
    # one that is bound to some nodes has them for this
    if not unsafe or audited.pod.selects_nodes:
        return
    families = {name: _FAMILIES.sub(r"\1*", name) for name in unsafe}
    together = collections.Counter(families.values())
    shown = dict.fromkeys(family if together[family] > 1 else name for name, family in families.items())
    storm = "; its owner then creates pod after pod" if audited.is_owned else ""
    yield Finding(
        "SHM709",
        Severity.WARN,
        audited.pod.main.name,
        f"{', '.join(shown)}: a kubelet refuses the pod (SysctlForbidden) unless its allowedUnsafeSysctls names "
        f"{'it' if len(unsafe) == 1 else 'them'}{storm}",
        "configure the kubelets of some nodes, and bind the pod to them with a nodeSelector",
    )


def _across_pods(audited: Audited) -> bool:
    """Whether something in the pod shares with the node, or with other pods of it, by design."""
    return any(run.program.across_pods for runs in audited.runs.values() for run in runs)


def _host_ipc(audited: Audited) -> collections.abc.Iterator[Finding]:
    if audited.pod.host_ipc and not _across_pods(audited):
        # without it, /dev/shm is the runtime's, which can be too small, and so can be the pod's own sysctls
        without = dataclasses.replace(audited, pod=audited.pod.without_host_ipc())
        small = max(_default_too_small(without), key=lambda one: one.size_bytes or 0, default=None)
        size = small.size_bytes if small else None
        sysctls = [one.fix for one in _small_sysctls(without)]
        volume = (
            f", and mount an emptyDir of medium Memory with sizeLimit: {memory_text(size)} on /dev/shm"
            if size
            else ", and mount an emptyDir of medium Memory on /dev/shm if its size was the reason"
        )
        yield Finding(
            "SHM710",
            Severity.WARN,
            small.container if small else audited.pod.main.name,
            "hostIPC: containers of a pod share System V and POSIX queues without it; with it the pod sees those of the node "
            "and of all other pods that have it",
            f"remove hostIPC{volume}{''.join(f'; {each}' for each in dict.fromkeys(sysctls))}",
            size_bytes=size,
            by_hand=bool(sysctls),
        )


def _host_path(audited: Audited) -> collections.abc.Iterator[Finding]:
    if _across_pods(audited):
        return
    for container in _first_of_each_volume(audited.pod, Backing.HOST):
        folder = container.dev_shm
        needed = _all_need(audited, container)
        size = fitting_size(needed) if needed.terms else None
        limit = f" with sizeLimit: {memory_text(size)}" if size else ""
        yield Finding(
            "SHM711",
            Severity.WARN,
            container.name,
            f"the volume {folder.volume} is {folder.bound}: all pods of the node that mount it see and change each "
            "other's shared memory, which outlives them, and no limit of the pod bounds it",
            f"mount an emptyDir of medium Memory{limit} on /dev/shm; containers that share belong in one pod",
            size_bytes=size,
        )


def _no_huge_pages(audited: Audited) -> collections.abc.Iterator[Finding]:
    for container in audited.pod.containers:
        if any(name.startswith("hugepages-") for name in container.resources):
            continue
        for run, need in audited.needs(container.name):
            if need.uses is Uses.HUGE_PAGES:
                yield Finding(
                    "SHM712",
                    Severity.FAIL if need.less is Less.FAILS else Severity.WARN,
                    container.name,
                    f"{run.program.title} asks for huge pages ({need.words}), and the container has no limit for them: "
                    f"{need.symptom}",
                    "set a limit hugepages-2Mi (or of another size that the nodes have) and a memory limit on the container",
                    run.by.sure,
                    run.program.title,
                )


def _own_pids(audited: Audited) -> collections.abc.Iterator[Finding]:
    if audited.pod.share_pids or audited.pod.host_pid:
        return
    for uses in (Uses.DEV_SHM, Uses.SYSV_SHM):
        for title, _symptom, who in sharing(audited, uses):
            if any(
                run.program.one_pid_namespace and run.program.title == title
                for one in who
                for run in audited.runs.get(one.name, ())
            ):
                yield Finding(
                    "SHM717",
                    Severity.FAIL,
                    who[-1].name,
                    f"{title} takes the process ids of its peers for those of one PID namespace, and each container has its own",
                    "set shareProcessNamespace: true on the pod",
                    program=title,
                )


def _different_users(audited: Audited) -> collections.abc.Iterator[Finding]:
    by_program: dict[str, list[ContainerShape]] = {}
    for container in audited.pod.containers:
        for run in audited.runs.get(container.name, ()):
            if run.program.one_user and container.runs and any(need.across for need in run.needs()):
                by_program.setdefault(run.program.title, []).append(container)
    for title, who in by_program.items():
        users = {one.user for one in who if one.user is not None}
        if len(users) > 1:
            yield Finding(
                "SHM713",
                Severity.WARN,
                who[-1].name,
                f"the containers that share run as uids {', '.join(map(str, sorted(users)))}: what one creates with the usual "
                "umask, the others cannot open for writing",
                "set one runAsUser in the securityContext of the pod",
                program=title,
            )


_MUSL: t.Final = re.compile("alpine|musl")


def _mixed_libraries(audited: Audited) -> collections.abc.Iterator[Finding]:
    for title, _symptom, who in sharing(audited, Uses.DEV_SHM):
        musl = [one for one in who if _MUSL.search(f"{basename(one.image)} {image_tag(one.image)}")]
        if musl and len(musl) < len(who):
            other = next((one for one in who if one not in musl), who[0])
            yield Finding(
                "SHM714",
                Severity.WARN,
                musl[0].name,
                f"its image is built on musl by its name, that of container {other.name} is not: the two C libraries name "
                "POSIX semaphores differently and never meet (SHM212)",
                "build the images of containers that share on one C library",
                Sure.LIKELY,
                title,
            )


def _workarounds(audited: Audited) -> collections.abc.Iterator[Finding]:
    for container in audited.pod.containers:
        text = "\n".join([container.command, *(f"{name}={value or ''}" for name, value in container.env.items())])
        found = {
            one.words: (run, one)
            for run in reversed(audited.runs.get(container.name, ()))
            for one in run.program.workarounds
            if re.search(one.pattern, text) and not (one.until and run.version >= one.until)
        }
        for run, one in found.values():
            yield Finding(
                WORKAROUND,
                Severity.WARN,
                container.name,
                f"{one.words}: {one.costs}",
                one.fix,
                run.by.sure,
                run.program.title,
            )


#: A volume is not worth a word below this, in bytes.
_LARGE: t.Final = 1024 * MIB


def _has_settings(pod: PodShape, container: ContainerShape) -> bool:
    """Whether a container has files of settings, which are not read."""
    volumes = [pod.volumes.get(str(mount.get("name")), {}) for mount in container.mounts if not is_token(mount)]
    return any(volume.get(kind) is not None for volume in volumes for kind in ("configMap", "secret", "projected"))


def _for_nothing(audited: Audited) -> collections.abc.Iterator[Finding]:
    for container in audited.pod.containers:
        folder = container.dev_shm
        runs = audited.runs.get(container.name, ())
        if folder.backing is not Backing.MEMORY or not runs or container.name in audited.stated:
            continue
        if any(need.uses is Uses.DEV_SHM for run in runs for need in run.needs()):
            continue
        # files of a ConfigMap or a Secret may name it, as that of a cache
        if _has_settings(audited.pod, container):
            continue
        mounts = [mount for one in audited.pod.containers for mount in one.mounts if mount["name"] == folder.volume]
        if (folder.size_limit or 0) >= _LARGE and len(mounts) == 1 and not names_dev_shm(container):
            titles = " and ".join(run.program.title for run in runs)
            yield Finding(
                FOR_NOTHING,
                Severity.WARN,
                container.name,
                f"the volume {folder.volume} of {rounded_text(folder.size_limit or 0)} on /dev/shm: {titles} uses nothing of it",
                f"remove the volume {folder.volume}",
                Sure.LIKELY,
                titles,
            )


RULES: t.Final = (
    Rule(
        "SHM701",
        "shm_default_too_small",
        "Is the default /dev/shm too small for the program?",
        _default_too_small,
    ),
    Rule(
        "SHM702",
        "shm_volume_too_small",
        "Is the volume on /dev/shm too small for the program?",
        _too_small("SHM702", Backing.MEMORY),
    ),
    Rule("SHM703", "shm_one_sided", "Do containers that share have different files in /dev/shm?", _one_sided),
    Rule("SHM704", "shm_no_medium", "Is /dev/shm a folder on the node's disk?", _no_medium),
    Rule("SHM705", "shm_clipped", "Is sizeLimit above the memory limit of the pod?", _clipped),
    Rule("SHM706", "shm_unbounded", "Can one pod take all memory of its node?", _unbounded),
    Rule("SHM707", "shm_killed_first", "Is the program killed before its volume is full?", _killed_first),
    Rule("SHM708", "sysctl_too_small", "Are IPC sysctls of the pod below what the program needs?", _small_sysctls),
    Rule("SHM709", "sysctl_unsafe", "Does the pod need sysctls that a kubelet refuses by default?", _unsafe_sysctls),
    Rule("SHM710", "host_ipc", "Has the pod hostIPC, which it does not need?", _host_ipc),
    Rule("SHM711", "host_path", "Is /dev/shm a folder of the node?", _host_path),
    Rule(
        "SHM712",
        "huge_pages_without_limit",
        "Does the program ask for huge pages without a limit for them?",
        _no_huge_pages,
    ),
    Rule("SHM713", "different_users", "Do containers that share run as different users?", _different_users),
    Rule("SHM714", "mixed_libraries", "Do containers that share have different C libraries?", _mixed_libraries),
    Rule(WORKAROUND, "workaround", "Does the program avoid /dev/shm at a cost?", _workarounds),
    Rule(FOR_NOTHING, "shm_for_nothing", "Is there memory on /dev/shm that nobody uses?", _for_nothing),
    Rule("SHM717", "pid_namespaces", "Do containers that share need one PID namespace?", _own_pids),
)


def findings(audited: Audited) -> list[Finding]:
    """Everything that is wrong with a pod, the worst first."""
    if audited.pod.is_windows:
        return []
    return worst_first(finding for rule in RULES for finding in rule.find(audited))


def worst_first(found: t.Iterable[Finding]) -> list[Finding]:
    """Findings in the order in which they are read."""
    return sorted(found, key=lambda one: list(Severity).index(one.severity))
