# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""A fix -> the dry runs that show whether a cluster would take it, and what their answers say (pure).

The object that owns the pods is patched: that is what validation and policies about it say. Quotas, limit ranges and the Pod
Security Standards are about pods, so one of the changed pods is created, too.
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import UNREACHABLE, Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.kinds import BUILT_IN, FIXED
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.manifests import Workload

#: What only a pod that is already there has.
_OF_LIVE_PODS: t.Final = ("nodeName", "ephemeralContainers")

#: Words of an API server that does not know: a webhook that cannot be dry run is not called.
_NO_DRY_RUN: t.Final = "does not support dry run"

#: Reasons that are no answer about the object.
_NO_ANSWER: t.Final = UNREACHABLE | {
    Reason.FORBIDDEN,
    Reason.WEBHOOK_FAILED,
    Reason.API_ERROR,
    Reason.TIMEOUT,
    # it was deleted meanwhile
    Reason.POD_GONE,
}


@dataclasses.dataclass(frozen=True)
class Trial:
    """One request that is sent as a dry run.

    :param method: V(patch) or V(create).
    :param resource: in the plural, as in URLs.
    :param words: what it is about.
    """

    method: str
    resource: str
    namespace: str
    name: str
    body: t.Mapping[str, t.Any]
    words: str

    @property
    def grant(self) -> str:
        """What the account needs for it."""
        return f"{self.method} on {self.resource}"


def trials(work: Workload, patch: t.Mapping[str, t.Any], changed: t.Mapping[str, t.Any]) -> list[Trial]:
    """What is sent for a workload of a cluster.

    :param patch: of the whole object; nothing where there is no fix.
    :param changed: the spec of its pods with the fix.
    """
    if not patch:
        return []
    found = []
    if work.kind in BUILT_IN.keys() - FIXED:
        found.append(Trial("patch", BUILT_IN[work.kind].plural, work.namespace, work.name, patch, work.kind))
    words = "a new pod in its place" if work.kind in FIXED else "a pod of it"
    return [*found, Trial("create", "pods", work.namespace, "", _pod(work, changed), words)]


def _pod(work: Workload, changed: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A pod as its owner would create it."""
    spec = {name: copy.deepcopy(value) for name, value in changed.items() if name not in _OF_LIVE_PODS}
    for volume in spec.get("volumes") or ():
        # of a StatefulSet, which names it
        if volume.get("persistentVolumeClaim") == {}:
            volume["persistentVolumeClaim"] = {"claimName": f"{volume['name']}-{work.name}-0"}
    if work.kind in ("Job", "CronJob"):
        spec.setdefault("restartPolicy", "Never")
    metadata = {name: dict(work.metadata.get(name) or {}) for name in ("labels", "annotations")}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        # one that is there has the name
        "metadata": {**metadata, "namespace": work.namespace, "generateName": f"{work.name[:50]}-"},
        "spec": spec,
    }


def accepted(trial: Trial, warnings: t.Sequence[str]) -> dict[str, t.Any]:
    """An answer that is a success, as data."""
    return _answer(trial, "accepted", "", "", warnings)


def refused(trial: Trial, problem: Inconclusive) -> dict[str, t.Any]:
    """An answer that is none, as data: V(unknown) where nobody has looked at the object."""
    is_unknown = problem.reason in _NO_ANSWER or _NO_DRY_RUN in problem.detail
    return _answer(trial, "unknown" if is_unknown else "refused", problem.reason.value, problem.detail, ())


def _answer(trial: Trial, outcome: str, reason: str, detail: str, warnings: t.Sequence[str]) -> dict[str, t.Any]:
    return {
        "request": f"{trial.method} {trial.resource}",
        "about": trial.words,
        "outcome": outcome,
        "reason": reason,
        "detail": detail,
        "warnings": list(warnings),
    }
