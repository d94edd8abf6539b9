# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of all families of checks use: observations by label, what a rule knows, and its decision."""

from __future__ import annotations

import collections.abc
import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID, CONTROLS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    SENTENCE,
    Check,
    Container,
    ContainerKind,
    Context,
    Decision,
    Inputs,
    Node,
    Pod,
    PodSeen,
    Seen,
    Settings,
    Sizes,
    Step,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation, Scalar

MIB: t.Final = 1024 * 1024
GIB: t.Final = 1024 * MIB
NODE: t.Final = Node("n", "amd64", 24 * GIB, "pause", "Never", "containerd://2.4.2", "6.18", "v1.37.2", "", 2 * MIB)

#: Numbers of the kernel's first namespaces.
FIRST_IPC_NAMESPACE: t.Final = 4026531839
FIRST_USER_NAMESPACE: t.Final = 4026531837

#: The observations of a check by the labels of its steps.
Answers = dict[str, Observation]
#: Facts of a step, and C(calls) for :func:`changed`.
Facts = dict[str, t.Any]
World = collections.abc.Callable[[], Answers]

# ------------------------------------------------------------------------------------------- observations


def seen(step: str, nonce: str = "aa", calls: t.Sequence[dict[str, t.Any]] = (), **facts: t.Any) -> Observation:
    """What a step observed."""
    return Observation(step=step, nonce=nonce, facts=facts, calls=tuple(calls), error=None)


def failed(call: str, errno: str) -> dict[str, t.Any]:
    """A system call that failed."""
    return {"call": call, "result": -1, "errno": errno}


def changed(answers: Answers, label: str, calls: t.Sequence[dict[str, t.Any]] = (), **facts: t.Any) -> Answers:
    """The answers with some facts of one step changed; a fact of value None is missing."""
    old = answers[label]
    merged = {name: value for name, value in {**old.facts, **facts}.items() if value is not None}
    return {**answers, label: Observation(old.step, old.nonce, merged, tuple(calls) or old.calls, None)}


def without(answers: Answers, label: str) -> Answers:
    """The answers without that to one step."""
    return {name: answer for name, answer in answers.items() if name != label}


def changed_who(answers: Answers, container: str, **facts: t.Any) -> Answers:
    """The same with the identity of a container."""
    return changed(answers, f"who_{container}", **facts)


NOT_FOUND: t.Final[Facts] = {
    "calls": [failed("shmget", "ENOENT")],
    "found": False,
    "peer_nonce": None,
    "text": None,
}
NO_OBJECT: t.Final[Facts] = {"found": False, "calls": [failed("shm_open", "ENOENT")], "peer_nonce": None}
FOUND_OBJECT: t.Final[Facts] = {"found": True, "peer_nonce": "o1", "text": SENTENCE}


def who(**containers: dict[str, t.Any]) -> Answers:
    """Identity of containers, by default all in one IPC namespace with one /dev/shm of 16 MiB."""
    same = {"ns_ipc": 7, "path_dev": "0:44", "path_ino": 1, "size_bytes": 16 * MIB, "page_bytes": 4096}
    same |= {"mount_fs": "tmpfs", "mount_options": "rw", "memory_usage_bytes": MIB}
    return {f"who_{name}": seen("identity", **{**same, **change}) for name, change in containers.items()}


def two_users() -> Answers:
    """Two containers with different users."""
    return who(first={"uid": 65532}, guest={"uid": 65533})


def segment(found: bool = True) -> Answers:
    """A System V segment that the second container found, or did not; with the steps that drop it."""
    absent = seen("sysv_shm_read", "c2", calls=[failed("shmget", "ENOENT")], found=False)
    return {
        "create": seen("sysv_shm_create", "c1", attached=True),
        "read": seen("sysv_shm_read", "c2", found=True, peer_nonce="c1", text=SENTENCE) if found else absent,
        "finish": seen("sysv_shm_finish", "c3", reply_nonce="c2", gone=True),
        "drop": seen("sysv_shm_drop", "c4", found=found, gone=True),
        "drop_segment": seen("sysv_shm_drop", "c4", found=found, gone=True),
    }


def posix_object(found: bool = True) -> Answers:
    """A POSIX object that the second container found, or did not."""
    absent = seen("object_get", "o2", calls=[failed("shm_open", "ENOENT")], found=False)
    return {
        "put": seen("object_put", "o1", made=True),
        "get": seen("object_get", "o2", found=True, peer_nonce="o1", text=SENTENCE, writable=True) if found else absent,
        "drop": seen("object_drop", "o3", reply_nonce="o2", gone=True),
    }


def filled(container: str, size_bytes: int, **fill: t.Any) -> Answers:
    """A /dev/shm of this size that a fill ended in, exactly; or other facts of the fill."""
    facts = {"stopped_by": "ENOSPC", "written_bytes": size_bytes, "available_bytes": size_bytes, "verified": True}
    return {
        **who(**{container: {"size_bytes": size_bytes, "exists": True}}),
        "fill": seen("fill", **{**facts, **fill}),
    }


def message() -> Answers:
    """A message that crossed from the first container to the second."""
    return {
        **who(first={}, second={}),
        "create": seen("x_create", made=True),
        "send": seen("x_send", "m1", sent=True),
        "receive": seen("x_receive", "m2", found=True, peer_nonce="m1", text=SENTENCE),
        "remove": seen("x_remove", gone=True),
    }


def own_users(*parts: Answers) -> World:
    """The parts in two containers with a user namespace of their own."""
    whole = who(one={"ns_user": 9}, two={"ns_user": 9})
    for part in parts:
        whole |= {label: answer for label, answer in part.items() if not label.startswith("who_")}
    return lambda: whole


def steps(*containers: str, **answers: dict[str, t.Any]) -> World:
    """The usual identity of these containers, and steps that observed these facts."""
    return lambda: {
        **who(**{name: {} for name in containers}),
        **{label: seen(label, **facts) for label, facts in answers.items()},
    }


# ------------------------------------------------------------------------------------------------- context


def find(check: str) -> Check:
    """A check of the catalog, or a control, by its id."""
    return {**BY_ID, **{control.id: control for control in CONTROLS}}[check]


def given(checks: t.Iterable[Check], argument: str) -> dict[str, Scalar]:
    """What the probe gets as an argument, by check and step; nothing of steps that do without."""
    sizes = Sizes.of(Settings())
    return {
        f"{check.id} {step.label}": arguments[argument]
        for check in checks
        for step in check.steps
        if argument in (arguments := step.arguments(Inputs.of("0a1b2c3d4e", check.id, sizes)))
    }


def steps_that(checks: t.Iterable[Check], holds: t.Callable[[Step], bool]) -> list[str]:
    """The steps of checks that something holds for, as C(SHM101 create)."""
    return [f"{check.id} {step.label}" for check in checks for step in check.steps if holds(step)]


def context(check: str, phase: str = "", **settings: t.Any) -> Context:
    """What the rule of a check knows if its pods are stored as requested, and end as they should.

    :param phase: of every pod after the last step.
    :param settings: other than the usual.
    """
    chosen = Settings(**{"restart_kubelet": ("true",), **settings})
    sizes, layout = Sizes.of(chosen), find(check).layout
    used = {step.container for step in find(check).steps}
    pods = {}
    for pod in layout.pods:
        containers = [one for one in layout.containers if one.pod == pod.role and one in used]
        # an ephemeral container needs a pod that it is added to
        if containers and all(one.kind is not ContainerKind.MAIN for one in containers):
            containers.append(
                next(one for one in layout.containers if one.pod == pod.role and one.kind is ContainerKind.MAIN)
            )
        limits = {one.name: _limit(find(check), one, chosen, sizes) for one in containers}
        counted = [limit for limit in limits.values() if limit is not None]
        if containers:
            role = pod.role or layout.name
            pods[role] = PodSeen(
                role=role,
                spec=_spec(pod, containers, limits),
                memory_limit=sum(counted) if len(counted) == len(limits) else None,
                container_limits=limits,
                phase=phase or ("Succeeded" if layout.runs_to_completion else "Running"),
                exit_codes=dict.fromkeys(limits, 0) if layout.runs_to_completion else {},
            )
    return Context(chosen, sizes, NODE, pods, layout)


def _limit(check: Check, container: Container, settings: Settings, sizes: Sizes) -> int | None:
    """The memory limit of a container: what the settings give it, and what its steps write or its volume holds."""
    if not container.has_memory_limit:
        return None
    writes = [
        step.writes(sizes)
        for step in check.steps
        if step.container is container and step.writes and (settings.fill or step.name != "fill")
    ]
    return settings.memory_bytes + max([*writes, container.memory(sizes) if container.memory else 0])


def _spec(pod: Pod, containers: t.Sequence[Container], limits: t.Mapping[str, int | None]) -> dict[str, t.Any]:
    """What rules read of a pod's spec, as the API server stores it if nothing changes it."""
    volumes = {mount.volume for one in containers for mount in one.mounts}
    return {
        "hostIPC": pod.options.host_ipc,
        "securityContext": {"fsGroup": pod.options.fs_group} if pod.options.fs_group else {},
        "containers": [
            {
                "name": one.name,
                "securityContext": {"runAsUser": 0 if one.root else one.user or 65532},
                "resources": {"limits": {} if limits[one.name] is None else {"memory": str(limits[one.name])}},
                "volumeMounts": [{"name": mount.volume.name, "mountPath": mount.path} for mount in one.mounts],
            }
            for one in containers
        ],
        "volumes": [
            {"name": one.name, **({"hostPath": {"path": one.host_path}} if one.host_path else {"emptyDir": {}})}
            for one in sorted(volumes, key=lambda one: one.name)
        ],
    }


def with_pod(known: Context, role: str, **changes: t.Any) -> Context:
    """The context with another pod of a role: fields of :class:`PodSeen`."""
    return dataclasses.replace(known, pods={**known.pods, role: dataclasses.replace(known.pods[role], **changes)})


def with_spec(known: Context, role: str, **changes: t.Any) -> Context:
    """The context with fields of a pod's spec changed by the cluster."""
    return with_pod(known, role, spec={**known.pods[role].spec, **changes})


def with_limit(known: Context, role: str, memory: int | None) -> Context:
    """The context whose pod of one container got another memory limit from the cluster, or none."""
    (container,) = known.pods[role].container_limits
    return with_pod(known, role, memory_limit=memory, container_limits={container: memory})


def with_injected(known: Context, role: str) -> Context:
    """The context whose pod got a container without a memory limit from somebody else: then the pod has none."""
    pod = known.pods[role]
    return with_pod(
        known,
        role,
        spec={**pod.spec, "containers": [*pod.spec["containers"], {"name": "injected"}]},
        memory_limit=None,
        container_limits={**pod.container_limits, "injected": None},
    )


# ------------------------------------------------------------------------------------------------ decision


def judge(check: str, answers: Answers, known: Context) -> Decision:
    """What the rule of a check decides on answers by label; what the check has no step for is left out."""
    return find(check).rule(Seen(find(check).steps, answers), known)


def decide(check: str, answers: Answers, **rest: t.Any) -> Decision:
    """The same with the usual context, or one of other settings."""
    return judge(check, answers, context(check, **rest))


def answered(check: str, answers: Answers) -> bool:
    """Whether the answers hold every step of the check."""
    return {step.label for step in find(check).steps} <= set(answers)


def unreported(answers: Answers) -> Answers:
    """The same answers of a probe that reported nothing."""
    return {label: seen(answer.step, answer.nonce) for label, answer in answers.items()}
