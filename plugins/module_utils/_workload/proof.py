# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""A workload -> a pod in its shape, what to measure in it, and what the answers mean (pure). Sizes are in bytes."""

from __future__ import annotations

import collections.abc
import copy
import dataclasses
import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _pod, _profiles
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Transport, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB, memory_text, parse_bytes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import (
    POLICIES,
    Inconclusive,
    Reason,
    TextEnum,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import rules
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.audit import Audit
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import Less, Uses, rounded_text
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.shape import (
    POD_LIMIT,
    Backing,
    ContainerShape,
    is_token,
    shape,
)

Spec: t.TypeAlias = "dict[str, t.Any]"


class Form(TextEnum):
    """Which of its shapes a workload is proved in."""

    AS_IS = "as it is"
    FIXED = "with the fix"
    #: the last of the two, resized in place and with a container restarted
    RESIZED = "resized"


# ---------------------------------------------------------------------------------------- what is measured


@dataclasses.dataclass(frozen=True)
class Size:
    """What a container has to be able to write to /dev/shm.

    :param who: what needs it, in a clause: V(that PostgreSQL needs).
    :param least: without it, the verdict is C(short); C(busy) is what it needs under load, C(promised) the size of the fix.
    :param limit: the memory limit of the container; None where it has none.
    """

    container: str
    who: str
    least: int
    busy: int
    promised: int
    short: Verdict
    limit: int | None = None

    def stages(self, form: Form) -> list[int]:
        """How much is written, one after the other."""
        most = (self.least, self.busy, *((self.promised,) if form is Form.FIXED else ()))
        return sorted({size for size in most if size})

    def missed(self, wanted: int) -> Verdict:
        """What it means that so much could not be written."""
        return self.short if wanted <= self.least else Verdict.WARN


@dataclasses.dataclass(frozen=True)
class Meeting:
    """Containers that have to share by a mechanism.

    :param writes: whether each has to be able to change what another created.
    """

    uses: Uses
    containers: tuple[str, ...]
    writes: bool = False


@dataclasses.dataclass(frozen=True)
class Sysctl:
    """A sysctl in a container: the least value that a program needs, or the one that the pod sets."""

    container: str
    who: str
    name: str
    least: tuple[int, ...]
    is_exact: bool = False


@dataclasses.dataclass(frozen=True)
class Questions:
    """What a proof measures."""

    sizes: tuple[Size, ...] = ()
    meetings: tuple[Meeting, ...] = ()
    sysctls: tuple[Sysctl, ...] = ()
    #: the containers whose /dev/shm is no memory
    disks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sizes or self.meetings or self.sysctls or self.disks)

    @property
    def containers(self) -> list[str]:
        """Those that something is measured in."""
        alone = [*(one.container for one in self.sizes), *(one.container for one in self.sysctls), *self.disks]
        return list(dict.fromkeys([*alone, *(name for one in self.meetings for name in one.containers)]))

    def writes(self, form: Form) -> dict[str, int]:
        """By container: the most that is written to /dev/shm."""
        return {one.container: max(one.stages(form), default=0) for one in self.sizes}


def questions(found: Audit, spec: t.Mapping[str, t.Any]) -> Questions:
    """What a proof of a workload measures in one of its shapes; nothing where nothing is known to be needed."""
    if found.pod is None or found.pod.is_windows or found.problem:
        return Questions()
    # what its owner mounts in pods that it creates
    others = {one.name: one.dev_shm for one in found.pod.containers if one.dev_shm.backing is Backing.OTHER}
    pod = shape(found.workload.metadata, spec, found.workload.allocatable).with_default(others)
    audited = rules.Audited(pod, found.runs, found.stated, found.workload.is_owned)
    return Questions(
        tuple(_sizes(audited, found)),
        tuple(_meetings(audited)),
        tuple(_sysctls(audited)),
        tuple(one.name for one in pod.containers if one.runs and one.dev_shm.backing is Backing.DISK),
    )


#: Findings about a volume of which no program says how much of it is needed.
_OF_VOLUMES: t.Final = ("SHM705", "SHM707")


def _sizes(audited: rules.Audited, found: Audit) -> collections.abc.Iterator[Size]:
    for container in audited.pod.containers:
        folder = container.dev_shm
        # never the node's own memory or disk
        if not container.runs or not folder.is_memory or folder.read_only:
            continue
        promised = max((one.size_bytes or 0 for one in found.findings if one.container == container.name), default=0)
        wanted = rules.joint_demand(audited, container)
        if wanted is not None and wanted.less is not Less.ADAPTS and wanted.busy.size_bytes:
            short = Verdict.FAIL if wanted.less is Less.FAILS else Verdict.WARN
            least, busy = wanted.least.size_bytes, max(wanted.least.size_bytes, wanted.busy.size_bytes)
            who = f"that {wanted.programs} {'need' if wanted.is_plural else 'needs'}"
            yield Size(container.name, who, least, busy, max(busy, promised), short, container.memory_limit)
        elif folder.size_limit and any(
            one.rule in _OF_VOLUMES and one.container == container.name for one in found.findings
        ):
            who, size = f"of the volume {folder.volume}", folder.size_limit
            yield Size(container.name, who, size, size, size, Verdict.WARN, container.memory_limit)


def _meetings(audited: rules.Audited) -> collections.abc.Iterator[Meeting]:
    for uses in (Uses.DEV_SHM, Uses.SYSV_SHM, Uses.SYSV_SEM, Uses.SYSV_MSG, Uses.POSIX_MQ):
        for title, _symptom, who in rules.sharing(audited, uses):
            running = [one for one in who if one.runs]
            if len(running) > 1 and not _is_hidden(uses, running):
                yield Meeting(uses, tuple(one.name for one in running), _has_one_user(audited, title))


def _is_hidden(uses: Uses, who: t.Sequence[ContainerShape]) -> bool:
    """Whether they share by a volume that a proof does not mount."""
    return uses is Uses.DEV_SHM and any(
        one.dev_shm.backing is Backing.OTHER or (one.dev_shm.backing is Backing.HOST and one.dev_shm.volume)
        for one in who
    )


def _has_one_user(audited: rules.Audited, title: str) -> bool:
    return any(run.program.title == title and run.program.one_user for runs in audited.runs.values() for run in runs)


def _sysctls(audited: rules.Audited) -> collections.abc.Iterator[Sysctl]:
    if audited.pod.host_ipc:
        return
    for container in audited.pod.containers:
        if container.runs:
            for run in audited.runs.get(container.name, ()):
                for name, least in run.program.sysctls.items():
                    yield Sysctl(container.name, run.program.title, name, tuple(least))
    for name, text in audited.pod.sysctls.items():
        # others the probe does not read
        if name in (*_profiles.SYSCTLS, *rules.SAFE) and all(word.isdecimal() for word in text.split()):
            yield Sysctl(audited.pod.main.name, "the pod", name, tuple(map(int, text.split())), is_exact=True)


# ------------------------------------------------------------------------------------------------ the copy


@dataclasses.dataclass(frozen=True)
class Copied:
    """A pod's spec for a proof.

    :param spec: without what the run adds to it: node, image, commands, the probe.
    :param dropped: what of the workload it does not have, in words; C(raised) what it has more of.
    """

    spec: Spec
    dropped: tuple[str, ...]
    raised: tuple[str, ...] = ()


#: Of a pod's spec, what decides how its containers share memory and how much of it they have.
_KEPT: t.Final = (
    "runtimeClassName",
    "hostIPC",
    "hostUsers",
    "shareProcessNamespace",
    "securityContext",
    "resources",
    "tolerations",
)

#: The same of a container. An init container that is restarted is a sidecar.
_KEPT_OF_CONTAINER: t.Final = ("name", "securityContext", "resizePolicy")

#: What is worth a word where it is dropped, and the word. The node is held, so that what chooses it is no loss.
_WORTH: t.Final[dict[str, str]] = {
    "hostNetwork": "hostNetwork",
    "hostPID": "hostPID",
    "priorityClassName": "priorityClassName",
    "resourceClaims": "resource claims",
}
_WORTH_OF_CONTAINER: t.Final[dict[str, str]] = {
    **dict.fromkeys(("env", "envFrom"), "environment"),
    **dict.fromkeys(("livenessProbe", "readinessProbe", "startupProbe"), "probes"),
    "lifecycle": "lifecycle hooks",
    "ports": "ports",
    "volumeDevices": "block devices",
}

#: Resources of containers that every node has, or that the memory of a pod consists of.
_RESOURCES: t.Final = re.compile("cpu|memory|ephemeral-storage|hugepages-.*")

#: What a container has beside what is written to /dev/shm.
_OWN_BYTES: t.Final = 16 * MIB

_NO_ROOT: t.Final = 65532


def copied(spec: t.Mapping[str, t.Any], writes: t.Mapping[str, int]) -> Copied:
    """The shape of a pod, and what is left out of it.

    :param writes: by container: how much the proof writes to /dev/shm. So much memory is requested, that the scheduler
        finds it free, within the limit of the container.
    """
    lost: dict[str, None] = {}
    raised: list[str] = []
    kept: Spec = {name: copy.deepcopy(spec[name]) for name in _KEPT if spec.get(name) is not None}
    if "resources" in kept:
        kept["resources"] = _resources(kept["resources"], lost)
    volumes = []
    for one in spec.get("volumes") or ():
        if "emptyDir" in one or len(one) == 1:
            volumes.append({"name": one["name"], "emptyDir": copy.deepcopy(one.get("emptyDir") or {})})
        elif not is_token(one):
            kind = next((name for name in one if name != "name"), "emptyDir")
            lost[f"volume {one['name']} ({kind})"] = None
    kept["volumes"] = volumes
    mounted = {one["name"] for one in volumes}
    has_pod_request = bool(((kept.get("resources") or {}).get("requests") or {}).get("memory"))
    known = {one["name"] for one in spec.get("volumes") or ()}
    for field in ("initContainers", "containers"):
        kept[field] = [_container(one, mounted, lost) for one in spec.get(field) or ()]
        for mount in (each for one in spec.get(field) or () for each in one.get("volumeMounts") or ()):
            if mount["name"] not in known:
                # a StatefulSet's, whose pods get it
                lost[f"volume {mount['name']} (volumeClaimTemplates)"] = None
        for one in kept[field]:
            if writes.get(one["name"]) and not has_pod_request:
                raised += _raise_request(one, writes[one["name"]])
    if _must_not_be_root(kept):
        kept["securityContext"]["runAsUser"] = _NO_ROOT
    lost |= dict.fromkeys(words for name, words in _WORTH.items() if spec.get(name))
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account and account != "default":
        lost[f"service account {account}"] = None
    for one in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        lost |= dict.fromkeys(words for name, words in _WORTH_OF_CONTAINER.items() if one.get(name))
    return Copied(kept, tuple(lost), tuple(raised))


def _container(one: t.Mapping[str, t.Any], mounted: t.Container[str], lost: dict[str, None]) -> Spec:
    kept: Spec = {name: copy.deepcopy(one[name]) for name in _KEPT_OF_CONTAINER if one.get(name) is not None}
    if one.get("resources"):
        kept["resources"] = _resources(one["resources"], lost)
    if one.get("restartPolicy") == "Always":
        kept["restartPolicy"] = "Always"
    kept["volumeMounts"] = [_mount(each) for each in one.get("volumeMounts") or () if each["name"] in mounted]
    return kept


def _mount(mount: t.Mapping[str, t.Any]) -> Spec:
    kept = {name: mount[name] for name in ("name", "mountPath", "subPath", "readOnly") if mount.get(name)}
    if mount.get("subPathExpr"):
        # its variables are not there; equal ones stay equal
        kept["subPath"] = re.sub(r"\$\((\w+)\)", r"\1", str(mount["subPathExpr"]))
    return kept


def _resources(resources: t.Mapping[str, t.Any], lost: dict[str, None]) -> Spec:
    kept: Spec = {}
    for kind in ("requests", "limits"):
        amounts = resources.get(kind) or {}
        lost.update({f"resource {name}": None for name in amounts if not _RESOURCES.fullmatch(name)})
        if known := {name: value for name, value in amounts.items() if _RESOURCES.fullmatch(name)}:
            kept[kind] = known
    return kept


def _raise_request(container: Spec, writes: int) -> list[str]:
    resources = container.setdefault("resources", {})
    limit = _pod.memory_of(container)
    # without a request, the limit is the request
    has = parse_bytes((resources.get("requests") or {}).get("memory", 0)) or limit or 0
    wanted = min(writes + _OWN_BYTES, limit or writes + _OWN_BYTES)
    if has >= wanted:
        return []
    resources["requests"] = {**(resources.get("requests") or {}), "memory": str(wanted)}
    return [f"memory request of {container['name']}: {rounded_text(wanted)}"]


def lowered(whole: Copied, writes: t.Mapping[str, int]) -> Copied:
    """The same with requests no larger than what the proof takes: limits are what is measured."""
    spec = copy.deepcopy(whole.spec)
    total = 0
    for one in (*spec["initContainers"], *spec["containers"]):
        resources = one.setdefault("resources", {})
        limit = _pod.memory_of(one)
        memory = _OWN_BYTES + writes.get(one["name"], 0)
        total += memory
        resources["requests"] = _least_requests(resources, min(memory, limit or memory))
    if "resources" in spec:
        limit = _pod.memory_of(spec)
        spec["resources"]["requests"] = _least_requests(spec["resources"], min(total, limit or total))
    words = "requests are lowered, as the node has no room for a second pod of this size"
    return Copied(spec, whole.dropped, (words,))


def _least_requests(resources: Spec, memory: int) -> Spec:
    huge = {name: each for name, each in (resources.get("requests") or {}).items() if name.startswith("hugepages-")}
    return {"cpu": "10m", "memory": str(memory), **huge}


def _must_not_be_root(spec: Spec) -> bool:
    """Whether the user of the image must not be root, and no user is named: that of another image can be."""
    security = spec.setdefault("securityContext", {})
    if security.get("runAsUser") is not None:
        return False
    own = [one.get("securityContext") or {} for one in (*spec["initContainers"], *spec["containers"])]
    return any(
        one.get("runAsUser") is None and one.get("runAsNonRoot", security.get("runAsNonRoot", False)) for one in own
    )


_Values: t.TypeAlias = "t.Sequence[str]"

#: The operators of a node affinity: whether a label, None where there is none, fits the values.
_OPERATORS: t.Final[dict[str, collections.abc.Callable[[str | None, _Values], bool]]] = {
    "In": lambda label, values: label in values,
    "NotIn": lambda label, values: label not in values,
    "Exists": lambda label, _values: label is not None,
    "DoesNotExist": lambda label, _values: label is None,
    "Gt": lambda label, values: label is not None and label.isdecimal() and int(label) > int(values[0]),
    "Lt": lambda label, values: label is not None and label.isdecimal() and int(label) < int(values[0]),
}


def selects(spec: t.Mapping[str, t.Any], node: t.Mapping[str, t.Any]) -> bool:
    """Whether a template lets its pods run on a node, by labels and by name; taints are another matter."""
    labels = node["metadata"].get("labels") or {}
    fields = {"metadata.name": node["metadata"]["name"]}
    if any(labels.get(name) != value for name, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms")
    return terms is None or any(
        _fits(term.get("matchExpressions") or (), labels) and _fits(term.get("matchFields") or (), fields)
        for term in terms
    )


def _fits(expressions: t.Iterable[t.Mapping[str, t.Any]], labels: t.Mapping[str, str]) -> bool:
    return all(_OPERATORS[one["operator"]](labels.get(one["key"]), one.get("values") or ()) for one in expressions)


def forms(found: Audit) -> dict[Form, Spec]:
    """The specs in which a workload is proved: as it is, and with the fix where there is one."""
    before = dict(found.workload.latest)
    after = found.with_fix(before)
    return {Form.AS_IS: before, **({Form.FIXED: after} if after != before else {})}


# ---------------------------------------------------------------------------------------- what answers mean


@dataclasses.dataclass(frozen=True)
class Line:
    """A part of a proof: a verdict and the evidence in a few words. What is less worth reading has a higher rank."""

    verdict: Verdict
    words: str
    rank: int = 0


@dataclasses.dataclass
class Proof:
    """What was measured of a workload in one shape.

    :param added: what its pod had that is not of the workload, in words.
    :param transport: how steps came to its containers; C(no_exec) says why not by exec, where it was refused.
    """

    form: Form
    node: str = ""
    lines: list[Line] = dataclasses.field(default_factory=list)
    copied: Copied | None = None
    seconds: float = 0.0
    added: list[str] = dataclasses.field(default_factory=list)
    transport: Transport = Transport.EXEC
    no_exec: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of its parts."""
        found = {one.verdict for one in self.lines} or {Verdict.ERROR}
        return min(found, key=lambda verdict: verdict.severity)

    def facts(self) -> dict[str, t.Any]:
        """It as data: what decides comes first."""
        return {
            "shape": self.form.value,
            "verdict": self.verdict.value,
            "observed": [one.words for one in sorted(self.lines, key=lambda one: (one.verdict.severity, one.rank))]
            or ["nothing was measured"],
            "node": self.node,
            "dropped": list(self.copied.dropped) if self.copied else [],
            "raised": list(self.copied.raised) if self.copied else [],
            "added": list(self.added),
            "transport": self.transport.value,
            "no_exec": self.no_exec,
            "seconds": round(self.seconds, 1),
        }


#: What a cluster is free to refuse, or a user.
_FREE: t.Final = frozenset(
    {
        *POLICIES,
        Reason.CHECK_MODE,
        Reason.LIMIT_RANGE,
        Reason.QUOTA_EXCEEDED,
        Reason.FEATURE_GATE_OFF,
        Reason.INFEASIBLE,
        Reason.NOT_VISIBLE,
    }
)


def refused(problem: Inconclusive) -> Line:
    """What a proof says that could not be finished."""
    words = f"{problem.reason}: {problem}"
    if problem.reason is Reason.SYSCTL_FORBIDDEN:
        # the same kubelet refuses the workload, too
        return Line(Verdict.FAIL, problem.detail)
    if problem.reason in _FREE:
        return Line(Verdict.SKIP, words)
    return Line(Verdict.ERROR, f"{words}; {problem.remedy}")


#: Why a write ended before all was written: the file system has no more room.
_FULL: t.Final = ("ENOSPC", "EDQUOT")


def sized(size: Size, wanted: int, seen: Observation) -> Line:
    """What it means how a write of so many bytes ended.

    :raises Inconclusive: it did not end by itself.
    """
    where, text = f"{size.container}: ", rounded_text(wanted)
    failed = next((one for one in seen.calls if one["call"] in ("statfs", "open") and "errno" in one), None)
    if failed:
        return Line(size.missed(wanted), f"{where}nothing can be written to /dev/shm ({failed['errno']})")
    stopped, written = str(_fact(seen, "stopped_by")), seen.facts.get("written_bytes")
    if "timeout" in seen.facts or stopped == "deadline":
        words = f"{text} were not written to /dev/shm in time: its CPU is throttled, or the node is busy"
        raise Inconclusive(Reason.TIMEOUT, words, f"container {size.container}")
    if stopped == "max":
        if not _fact(seen, "verified"):
            return Line(Verdict.FAIL, f"{where}what was written to /dev/shm is not what is read back")
        return Line(Verdict.PASS, f"{where}{text} filled")
    part = f"{rounded_text(written)} of " if isinstance(written, int) else ""
    who = f"{size.who} under load" if wanted > size.least else size.who
    if stopped in ("OOMKilled", "signal:9"):
        limit = f" (memory limit {memory_text(size.limit)})" if size.limit else ""
        when = "after" if part else "before"
        end = "" if part else " were written"
        return Line(size.missed(wanted), f"{where}killed for memory {when} {part}the {text} {who}{end}{limit}")
    if stopped in _FULL:
        return Line(size.missed(wanted), f"{where}/dev/shm is full after {part}the {text} {who}")
    if stopped == "signal:7":
        return Line(size.missed(wanted), f"{where}SIGBUS after {part}the {text} {who}")
    raise Inconclusive(
        Reason.PREMISE_FAILED, f"writing to /dev/shm was refused ({stopped})", f"container {size.container}"
    )


def _fact(seen: Observation, name: str) -> t.Any:
    if name not in seen.facts:
        raise Inconclusive(Reason.PREMISE_FAILED, seen.error or f"the step {seen.step} did not measure {name}")
    return seen.facts[name]


def on_disk(container: str, seen: Observation) -> Line:
    """What it means what is mounted on a /dev/shm that has no medium Memory."""
    kind = str(_fact(seen, "mount_fs"))
    if kind == "tmpfs":
        return Line(Verdict.PASS, f"{container}: /dev/shm is memory")
    return Line(Verdict.WARN, f"{container}: /dev/shm is files on a disk ({kind})")


#: Why nothing is measured in a shape.
NOT_ITS_OWN: t.Final = Line(
    Verdict.SKIP, "its /dev/shm is not the pod's own (of the node, or a claim), which no proof uses"
)


#: How a mechanism is called.
_NAMES: t.Final = {
    Uses.DEV_SHM: "/dev/shm",
    Uses.POSIX_MQ: "POSIX message queues",
    **dict.fromkeys((Uses.SYSV_SHM, Uses.SYSV_SEM, Uses.SYSV_MSG), "System V IPC"),
}


def met(meeting: Meeting, one: str, other: str, put: Observation, got: Observation) -> Line:
    """What it means that a container found what another created, or did not.

    :param put, got: what the one wrote, and what the other read.
    :raises Inconclusive: nothing was created.
    """
    what, who = _NAMES[meeting.uses], f"{one} and {other}"
    created = put.facts.get("made", put.facts.get("attached", put.facts.get("sent")))
    if not created:
        raise Inconclusive(Reason.PREMISE_FAILED, f"nothing could be created by {what}", f"container {one}")
    if got.facts.get("peer_nonce") == put.nonce:
        if meeting.writes and got.facts.get("writable") is False:
            return Line(Verdict.WARN, f"{other} cannot change in {what} what {one} created (EACCES)")
        return Line(Verdict.PASS, f"{who} share {what}")
    if any(call.get("errno") == "EACCES" for call in got.calls):
        return Line(Verdict.FAIL, f"{other} cannot open in {what} what {one} created (EACCES): they run as other users")
    if got.facts.get("found") is False or got.facts.get("timed_out"):
        return Line(Verdict.FAIL, f"{who} do not share {what}")
    raise Inconclusive(Reason.PREMISE_FAILED, f"what was read by {what} is not what {one} wrote", f"container {other}")


def held(sysctl: Sysctl, seen: Observation) -> Line:
    """What it means that a sysctl has a value.

    :raises Inconclusive: the kernel does not show it.
    """
    fact = sysctl.name.replace(".", "_")
    if fact not in seen.facts:
        raise Inconclusive(Reason.NOT_VISIBLE, f"{sysctl.name} cannot be read", f"container {sysctl.container}")
    words = str(seen.facts[fact]).split()
    found = tuple(int(word) for word in words)
    text = f"{sysctl.name} = {' '.join(words)}"
    if sysctl.is_exact:
        is_held, missing = found == sysctl.least, f"{text}, not {' '.join(map(str, sysctl.least))} as the pod sets it"
    else:
        unmet = _profiles.unmet(sysctl.name, sysctl.least, found)
        is_held, missing = not unmet, f"{', '.join(unmet)} ({sysctl.who})"
    return Line(Verdict.PASS, text, rank=1) if is_held else Line(Verdict.FAIL, missing)


# ----------------------------------------------------------------------------------------------- a resize

#: How much memory a resize adds.
_MORE_BYTES: t.Final = 32 * MIB


@dataclasses.dataclass(frozen=True)
class Growth:
    """A resize of a container's memory in place.

    :param restarts: whether the kubelet restarts the container for it.
    :param follows: whether its volume has the size of the pod's memory limit.
    """

    container: str
    before: int
    after: int
    patch: Spec
    restarts: bool
    follows: bool

    def __str__(self) -> str:
        """It in words."""
        return f"memory {memory_text(self.before)} -> {memory_text(self.after)}"


def growth(stored: t.Mapping[str, t.Any], name: str) -> Growth | None:
    """The resize of a container of a pod as the API server stored it; nothing where it has no memory limit.

    The class of the pod (Guaranteed, Burstable) cannot change, so that an equal request grows with the limit.
    """
    one = next(each for each in stored["containers"] if each["name"] == name)
    limit = _pod.memory_of(one)
    if limit is None:
        return None
    after = limit + _MORE_BYTES
    request = parse_bytes((one["resources"].get("requests") or {}).get("memory", limit))
    amount = {"memory": memory_text(after)}
    patch = {"limits": amount, **({"requests": amount} if request == limit else {})}
    policies = {each["resourceName"]: each["restartPolicy"] for each in one.get("resizePolicy") or ()}
    return Growth(
        name,
        limit,
        after,
        {"spec": {"containers": [{"name": name, "resources": patch}]}},
        policies.get("memory") == "RestartContainer",
        shape({}, stored).container(name).dev_shm.bound == POD_LIMIT,
    )


def volume_of(stored: t.Mapping[str, t.Any], name: str) -> tuple[str, int] | None:
    """The volume of medium Memory on a container's /dev/shm and its sizeLimit; nothing where it has none."""
    folder = shape({}, stored).container(name).dev_shm
    return (folder.volume, folder.size_limit) if folder.backing is Backing.MEMORY and folder.size_limit else None


def kept(what: str, put: Observation, got: Observation, before: Observation, after: Observation) -> Line:
    """Whether the content of /dev/shm and its size are what they were.

    :param what: was done in between, in words.
    :param put, got: the object before, and what was read of it; C(before), C(after) where the container was.
    """
    was, now = _fact(before, "size_bytes"), _fact(after, "size_bytes")
    if got.facts.get("peer_nonce") != put.nonce:
        return Line(Verdict.FAIL, f"{what}: what was in /dev/shm is lost")
    if now < was:
        return Line(Verdict.FAIL, f"{what}: /dev/shm has {rounded_text(now)}, and had {rounded_text(was)}")
    grew = f" -> {rounded_text(now)}" if now > was else ""
    return Line(Verdict.PASS, f"{what}: /dev/shm {rounded_text(was)}{grew} and its content hold")


def resized(proof: Growth, line: Line, before: Observation, after: Observation) -> Line:
    """The same of a resize of memory: a volume without sizeLimit is expected to follow it."""
    if line.verdict is Verdict.PASS and proof.follows and after.facts["size_bytes"] == before.facts["size_bytes"]:
        size = rounded_text(int(after.facts["size_bytes"]))
        return Line(
            Verdict.WARN, f"{proof}: /dev/shm stays {size}, as it is sized when it is mounted; its content holds"
        )
    return line


def status(audited: str, proofs: t.Iterable[Proof]) -> Verdict:
    """The status of a workload: what was measured of it as it is makes it no better than its audit."""
    found = {one.verdict for one in proofs if one.form is Form.AS_IS} - {Verdict.PASS, Verdict.SKIP}
    return min({Verdict(audited), *found}, key=lambda verdict: verdict.severity)


def headline(audits: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    """How many proofs ended how, for a line; nothing where there are none."""
    found = [(one["verdict"], one["shape"]) for audit in audits for one in audit["proof"]]
    parts = []
    for form in Form:
        counts = {verdict: found.count((verdict.value, form.value)) for verdict in Verdict}
        if any(counts.values()):
            parts.append(f"{form}: {', '.join(f'{count} {verdict}' for verdict, count in counts.items() if count)}")
    notes = dict.fromkeys(note(one) for audit in audits for one in audit["proof"])
    return f"; proof {'; '.join(parts)}{''.join(notes)}" if parts else ""


def note(one: t.Mapping[str, t.Any]) -> str:
    """That a proof, as data, went by log, for the end of a line; nothing where its steps were exec'd."""
    return Transport(one["transport"]).note(one["no_exec"])
