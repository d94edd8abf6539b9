# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What to do about a refused pod: request it as the namespace has it, or without the containers that it refuses (pure).

A refusal costs the checks that need what is refused, and no other. So a refused pod is cut to what is admitted, by dry runs.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Container, ContainerKind, PodOptions
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.manifests import ContainerPlan, PodPlan, RunMeta

#: Refusals by a rule of the cluster, which can be about a part of the pod.
REFUSED: t.Final = frozenset(
    {
        Reason.ADMISSION_DENIED,
        Reason.SECURITY_CONSTRAINT,
        Reason.POD_SECURITY,
        Reason.LIMIT_RANGE,
        Reason.QUOTA_EXCEEDED,
    }
)

#: A dry run of a pod: why it is refused, or nothing.
Ask: t.TypeAlias = "collections.abc.Callable[[RunMeta, PodPlan], Inconclusive | None]"


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What is left of a refused pod.

    :param dropped: by container: why it is refused.
    """

    meta: RunMeta
    plan: PodPlan
    dropped: dict[Container, Inconclusive]


def ways(meta: RunMeta) -> collections.abc.Iterator[RunMeta]:
    """How pods can be requested: as usual, with the users that the cluster gives, with CPU requests equal to the limits."""
    for names_users in (True, False):
        for cpu_share in dict.fromkeys((meta.cpu_share, 1)):
            yield dataclasses.replace(meta, names_users=names_users, cpu_share=cpu_share)


def simplest(plan: PodPlan) -> PodPlan:
    """The pod of one container that nothing is particular about; if it is refused, all are."""
    (one, *_others) = [one for one in plan.containers if one.container.kind is not ContainerKind.EPHEMERAL]
    return PodPlan(plan.role, PodOptions(), (dataclasses.replace(one, container=Container("plain")),))


def found_way(meta: RunMeta, plan: PodPlan, ask: Ask) -> RunMeta | None:
    """The way in which the simplest pod is admitted, or nothing.

    :raises Inconclusive: the cluster does not say: a webhook gives no answer.
    """
    for way in ways(meta):
        refusal = ask(way, simplest(plan))
        if refusal is None:
            return way
        if refusal.reason not in REFUSED:
            raise refusal
    return None


def fitted(way: RunMeta, plan: PodPlan, refusal: Inconclusive, ask: Ask) -> Fitted:
    """What is admitted of a refused pod.

    :param way: that of :func:`found_way`.
    :raises Inconclusive: the refusal, nothing is.
    """
    dropped: dict[Container, Inconclusive] = {}
    if not way.names_users:
        detail = f"the cluster gives every container its user and does not admit others: {refusal.detail}"
        dropped = {
            one.container: Inconclusive(refusal.reason, detail, refusal.subject)
            for one in plan.containers
            if one.container.user or one.container.root
        }
    kept = _without(plan, dropped)
    again = ask(way, kept) if _runs(kept) else refusal
    if again is None:
        return Fitted(way, kept, dropped)
    mains = [one for one in kept.containers if one.container.kind is ContainerKind.MAIN]
    for one in kept.containers:
        if one.container.kind is ContainerKind.EPHEMERAL:
            continue
        # Kubernetes has no pod without a main container
        beside = () if one.container.kind is ContainerKind.MAIN else tuple(mains[:1])
        alone = ask(way, _only(kept, (one, *beside)))
        if alone:
            dropped[one.container] = alone
    for one in kept.containers:
        # it is added to the running pod later, which must have its volumes
        mounts = {mount.volume for other in mains if other.container not in dropped for mount in other.container.mounts}
        if one.container.kind is ContainerKind.EPHEMERAL and not {m.volume for m in one.container.mounts} <= mounts:
            dropped[one.container] = again
    smaller = _without(plan, dropped)
    if smaller == kept or not _runs(smaller) or ask(way, smaller):
        raise again
    return Fitted(way, smaller, dropped)


def _runs(plan: PodPlan) -> bool:
    return any(one.container.kind is ContainerKind.MAIN for one in plan.containers)


def _without(plan: PodPlan, dropped: collections.abc.Container[Container]) -> PodPlan:
    return _only(plan, [one for one in plan.containers if one.container not in dropped])


def _only(plan: PodPlan, containers: collections.abc.Sequence[ContainerPlan]) -> PodPlan:
    """The pod with some of its containers, and the volumes that these mount."""
    mounted = {mount.volume for one in containers for mount in one.container.mounts}
    volumes = tuple((volume, size) for volume, size in plan.volumes if volume in mounted)
    return dataclasses.replace(plan, containers=tuple(containers), volumes=volumes)
