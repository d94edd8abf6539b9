# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The option pod_overlay: what of a pod users may add to, and what they must not (pure).

An overlay satisfies a demand of the cluster that no other option is about. It must not change what a check finds, nor whether
the run is removed: so it merges a few fields by name, and refuses all others before anything is requested.
"""

from __future__ import annotations

import difflib
import typing as t

#: The label of a run, with its id.
RUN_LABEL: t.Final = "podshm.abcdesktop.io/run"

#: On every object of every run.
LABELS: t.Final[dict[str, str]] = {
    "app.kubernetes.io/name": "podshm",
    "app.kubernetes.io/managed-by": "abcdesktopio.podshm",
}

#: What is merged, and its type.
MERGED: t.Final[dict[str, type]] = {
    "metadata.labels": dict,
    "metadata.annotations": dict,
    "spec.nodeSelector": dict,
    "spec.schedulerName": str,
    "spec.preemptionPolicy": str,
    "spec.topologySpreadConstraints": list,
    "spec.dnsPolicy": str,
    "spec.dnsConfig": dict,
    "spec.hostAliases": list,
    "spec.os": dict,
    "spec.securityContext.seLinuxOptions": dict,
    "spec.securityContext.appArmorProfile": dict,
}

_TYPES: t.Final[dict[type, str]] = {dict: "a dictionary", list: "a list", str: "a text"}

#: What has fields of its own.
_PARTS: t.Final = frozenset(path.rpartition(".")[0] for path in MERGED)

_NAMES: t.Final = "podshm names its pods; remove it"
_SHARES: t.Final = "it decides who shares memory, and the checks that are about it set it; remove it"
_OURS: t.Final = "the checks depend on them"
_USERS: t.Final = "the checks set users and groups; let the namespace give pods its own instead"
_WHERE: t.Final = "podshm holds each pod on its node; use the options node_names and node_selector"

#: What is refused, and why, or what to do instead.
REFUSED: t.Final[dict[str, str]] = {
    "metadata.name": _NAMES,
    "metadata.generateName": _NAMES,
    "metadata.namespace": "use the option namespace",
    "metadata.ownerReferences": "the anchor owns each pod, so that nothing is left behind; remove it",
    "metadata.finalizers": "they keep the pods from being removed; remove them",
    "spec.activeDeadlineSeconds": "it removes a run that was killed; use the options timeout and cleanup_timeout",
    "spec.terminationGracePeriodSeconds": "the removal counts on it; use the option cleanup_timeout",
    "spec.restartPolicy": "the checks of restarts depend on it; remove it",
    "spec.containers": f"{_OURS}; use the options image and resources",
    "spec.initContainers": f"{_OURS}; use the options image and resources",
    "spec.ephemeralContainers": f"{_OURS}; use the option image",
    "spec.volumes": f"{_OURS}; remove them",
    "spec.resources": "a limit of the pod decides the size of its volumes; use the option resources",
    "spec.hostIPC": _SHARES,
    "spec.hostPID": _SHARES,
    "spec.hostNetwork": "the pods need no network, and less of the node is safer; remove it",
    "spec.hostUsers": _SHARES,
    "spec.shareProcessNamespace": _SHARES,
    "spec.runtimeClassName": "use the option runtime_class or runtime_classes",
    "spec.overhead": "the RuntimeClass sets it; use the option runtime_class",
    "spec.nodeName": _WHERE,
    "spec.affinity": _WHERE,
    "spec.tolerations": "use the option tolerations",
    "spec.imagePullSecrets": "use the option image_pull_secrets",
    "spec.priorityClassName": "use the option priority_class",
    "spec.priority": "use the option priority_class",
    "spec.serviceAccountName": "use the option service_account",
    "spec.serviceAccount": "use the option service_account",
    "spec.automountServiceAccountToken": "the token is never mounted; remove it",
    "spec.enableServiceLinks": "the pods need no service; remove it",
    "spec.schedulingGates": "pods with gates do not start; remove them",
    "spec.securityContext.runAsUser": _USERS,
    "spec.securityContext.runAsGroup": _USERS,
    "spec.securityContext.runAsNonRoot": _USERS,
    "spec.securityContext.fsGroup": _USERS,
    "spec.securityContext.fsGroupChangePolicy": _USERS,
    "spec.securityContext.supplementalGroups": _USERS,
    "spec.securityContext.supplementalGroupsPolicy": _USERS,
    "spec.securityContext.sysctls": "the checks that are about sysctls set them; remove them",
    "spec.securityContext.seccompProfile": "the containers have the profile RuntimeDefault; remove it",
    **{f"metadata.labels.{name}": "podshm finds its objects by it; remove it" for name in (*LABELS, RUN_LABEL)},
}


class Overlay(t.NamedTuple):
    """What is added to every pod."""

    labels: dict[str, str]
    annotations: dict[str, str]
    spec: dict[str, t.Any]


def overlay(given: t.Mapping[str, t.Any]) -> Overlay:
    """The option as it is merged.

    :raises ValueError: it has a field that is not merged, or of another type; the message names it, and what to do instead.
    """
    found = _merged("", given)
    metadata = found.get("metadata", {})
    return Overlay(metadata.get("labels", {}), metadata.get("annotations", {}), found.get("spec", {}))


def _merged(path: str, given: t.Any) -> dict[str, t.Any]:
    """A part of the overlay whose every field is merged."""
    if not isinstance(given, dict):
        raise ValueError(f"pod_overlay: {path.removesuffix('.')} is not a dictionary")
    found: dict[str, t.Any] = {}
    for key, value in given.items():
        where = f"{path}{key}"
        if where in REFUSED:
            raise ValueError(f"pod_overlay: {where} is refused: {REFUSED[where]}")
        if where in _PARTS:
            found[str(key)] = _merged(f"{where}.", value)
        elif where in MERGED:
            found[str(key)] = _value(where, value)
        else:
            raise ValueError(f"pod_overlay: {where} is not merged; {_instead(where)}")
    return found


def _value(where: str, value: t.Any) -> t.Any:
    has_type = isinstance(value, MERGED[where])
    if not has_type or not value:
        raise ValueError(f"pod_overlay: {where} is not {_TYPES[MERGED[where]]} with content; correct it, or remove it")
    if where not in ("metadata.labels", "metadata.annotations", "spec.nodeSelector"):
        return value
    for key in value:
        if f"{where}.{key}" in REFUSED:
            raise ValueError(f"pod_overlay: {where}.{key} is refused: {REFUSED[f'{where}.{key}']}")
    # Kubernetes takes texts alone, and YAML reads yes and 1 as others
    other = next((key for key, one in value.items() if not isinstance(one, str)), None)
    if other is not None:
        raise ValueError(f"pod_overlay: the value of {where}.{other} is not a text; put it in quotes")
    return {str(key): str(one) for key, one in value.items()}


def _instead(where: str) -> str:
    known = {path.lower(): path for path in MERGED}
    near = difflib.get_close_matches(where.lower(), known, n=1, cutoff=0.9)
    return f"did you mean {known[near[0]]}?" if near else f"merged are {', '.join(MERGED)}"
