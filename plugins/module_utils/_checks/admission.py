# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What the namespace admits: SHM607 (pure). What it asks about follows from the layouts."""

from __future__ import annotations

import collections
import collections.abc
import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.common import (
    failed,
    passed,
    require_fact,
    warned,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import (
    ADMISSION,
    ADMIT_VOLUME,
    SAMPLES,
    Sample,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Action,
    Container,
    ContainerKind,
    Context,
    Decision,
    Group,
    Seen,
    Step,
    check,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import POLICIES, Inconclusive, Reason

_STEPS: t.Final[dict[Sample, Step]] = {
    sample: Step(sample.role, sample.containers[0], Action.ADMIT) for sample in SAMPLES
}
_VOLUME: t.Final = next(step for sample, step in _STEPS.items() if ADMIT_VOLUME in sample.containers)

#: What no namespace refuses for its own sake: it stands beside what is refused.
_BASELINE_CAPABILITIES: t.Final = frozenset({"NET_BIND_SERVICE"})


def demands(sample: Sample, container: Container, by_log: bool = False) -> collections.abc.Iterator[str]:
    """What a container and its pod ask of a namespace, in plain words.

    :param by_log: whether the pod's containers run their steps themselves.
    """
    options = sample.pod.options
    if by_log:
        yield "what pods carry without exec (a downwardAPI volume, and one on the node's disk)"
    yield from (f"the sysctl {name}" for name, _value in options.sysctls)
    words = {
        "hostIPC": options.host_ipc,
        "hostUsers: false": options.own_users,
        "shareProcessNamespace": options.share_pids,
        "fsGroup": bool(options.fs_group),
        "a pod without a securityContext": options.relaxed,
        "root": container.root,
        f"the user {container.user}": bool(container.user),
        "a container without a memory limit": not container.has_memory_limit,
        "a limit of huge pages": container.huge_page,
        f"an {container.kind} container": container.kind is ContainerKind.INIT,
        f"a {container.kind} container": container.kind is ContainerKind.SIDECAR,
    }
    yield from (word for word, is_asked in words.items() if is_asked)
    yield from (f"the capability {name}" for name in container.capabilities)
    for mount in container.mounts:
        volume = mount.volume
        if volume.host_path:
            yield "a hostPath volume"
            continue
        yield f"a volume of medium {volume.medium}" if volume.medium else "a volume on the node's disk"
        if volume.size_limit is None:
            yield "a volume without sizeLimit"
        if mount.sub_path:
            yield "a subPath"


def _levels(sample: Sample, container: Container) -> set[str]:
    """The levels of the Pod Security Standards that refuse it."""
    options = sample.pod.options
    unsafe = any(name != "kernel.shm_rmid_forced" for name, _value in options.sysctls)
    has_path = any(mount.volume.host_path for mount in container.mounts)
    if options.host_ipc or unsafe or has_path or set(container.capabilities) - _BASELINE_CAPABILITIES:
        return {"baseline", "restricted"}
    return {"restricted"} if options.relaxed or container.root else set()


_Part: t.TypeAlias = "tuple[Sample, Container]"

# an ephemeral container is no part of the pod that is requested
_PARTS: t.Final[tuple[_Part, ...]] = tuple(
    (sample, one) for sample in SAMPLES for one in sample.containers if one.kind is not ContainerKind.EPHEMERAL
)

#: What each level refuses of it.
_REFUSED_BY: t.Final[dict[str, set[_Part]]] = {
    level: {part for part in _PARTS if level in _levels(*part)} for level in ("privileged", "baseline", "restricted")
}

#: How a pod is requested where the usual way is refused.
_WITHOUT: t.Final = {
    "users": "a user that the pod names, where the cluster gives each its own",
    "cpu": "a CPU request lower than the limit",
}


def _refused(seen: Seen) -> set[_Part]:
    return {part for part in _PARTS if part[1].name in str(seen[_STEPS[part[0]]].facts.get("refused", "")).split()}


def _words(seen: Seen, refused: set[_Part]) -> list[str]:
    """What is refused, in plain words: as few as explain it all, and none that an admitted part asks for, too."""
    demanded = {part: list(demands(*part, bool(seen[_STEPS[part[0]]].facts.get("by_log")))) for part in _PARTS}
    admitted = {word for part, words in demanded.items() if part not in refused for word in words}
    unexplained = {
        part: [word for word in demanded[part] if word not in admitted] for part in _PARTS if part in refused
    }
    found = [
        f"{_WITHOUT[word]} ({seen[step].facts.get('refused_by')})"
        for step in _STEPS.values()
        for word in str(seen[step].facts.get("without", "")).split()
    ]
    if any("users" in str(seen[step].facts.get("without", "")) for step in _STEPS.values()):
        # it explains each of them
        unexplained = {part: words for part, words in unexplained.items() if not (part[1].user or part[1].root)}
    while unexplained:
        counts = collections.Counter(word for words in unexplained.values() for word in words)
        (sample, container), words = next(iter(unexplained.items()))
        if words:
            word = max(words, key=lambda word: counts[word])
            explained = [part for part, words in unexplained.items() if word in words]
        elif all(part in refused for part in _PARTS if part[0] is sample):
            word = f"the pod {sample.role} as a whole"
            explained = [part for part in unexplained if part[0] is sample]
        else:
            word = f"container {container.name} of the pod {sample.role}"
            explained = [(sample, container)]
        found.append(f"{word} ({seen[_STEPS[explained[0][0]]].facts.get('refused_by', '')})")
        for part in explained:
            del unexplained[part]
    return list(dict.fromkeys(found))


def _changed(seen: Seen) -> list[str]:
    """What the cluster changes, each once: of which pod, or of how many."""
    found: dict[str, list[str]] = {}
    for step in _STEPS.values():
        for text in filter(None, str(seen[step].facts.get("changed", "")).split("; ")):
            found.setdefault(re.sub("^container [^:]*: ", "", text), []).append(f"{step.label}: {text}")
    return [texts[0] if len(texts) == 1 else f"{text} ({len(texts)} times)" for text, texts in found.items()]


@check(
    "SHM607",
    "pod_security",
    group=Group.LIMITS,
    layout=ADMISSION,
    steps=tuple(_STEPS.values()),
    question="Which ways to share and size memory does the namespace admit?",
    expected="every pod that the checks need, or what one level of the Pod Security Standards refuses of them",
)
def pod_security(seen: Seen, context: Context) -> Decision:
    """Nothing is created: the API server answers dry runs of every pod of every layout."""
    refused = _refused(seen)
    for step in _STEPS.values():
        require_fact(seen[step], "admitted")
    words = _words(seen, refused)
    observed = f"refused: {', '.join(words)}" if words else "nothing is refused"
    unknown = [text for text in (str(seen[step].facts.get("unknown", "")) for step in _STEPS.values()) if text]
    if unknown:
        observed += f"; this Kubernetes leaves out what it does not know: {', '.join(dict.fromkeys(unknown))}"
    volume = seen[_VOLUME].facts
    if volume.get("refused"):
        detail = str(volume.get("detail", ""))
        # what refuses every pod refuses none for its volume
        if volume["refused_by"] not in POLICIES or refused >= set(_PARTS):
            raise Inconclusive(Reason(str(volume["refused_by"])), detail)
        return failed(
            f"{observed} ({detail})",
            "find the policy that refuses volumes of medium Memory, which comply with every level, and have it admit them",
        )
    changed = _changed(seen)
    if changed:
        return warned(
            f"{observed}; the cluster changed the pod: {'; '.join(changed)}",
            "find the policy or webhook that changes these pods; what it changes does not reach your workloads as written",
        )
    # the run itself is the last word: what it was refused is never passed over
    roles = {sample.role for sample, _container in refused}
    others = [text for role, text in context.refusals.items() if role not in roles]
    if others:
        return warned(
            f"{observed}; refused in this run: {'; '.join(others)}",
            "find the policy or quota that refuses it; the checks that need it say so",
        )
    level = next((level for level, parts in _REFUSED_BY.items() if parts == refused), None)
    if level is None or any(seen[step].facts.get("without") for step in _STEPS.values()):
        return warned(
            f"{observed}: no level of the Pod Security Standards, but a policy of the cluster's own",
            "nothing to do to share memory within a pod: it needs none of what is refused",
        )
    return passed(f"{observed}: as at level {level}")


CHECKS: t.Final = (pod_security,)
