# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What follows from the spec of a pod, as Kubernetes computes it (pure)."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import parse_bytes

#: The spec of a pod.
Spec: t.TypeAlias = "t.Mapping[str, t.Any]"


def memory_limit(spec: Spec) -> int | None:
    """The memory limit of a pod in bytes as the kubelet computes it, or None where it has none.

    The limits of all that run at once, plus the overhead of the RuntimeClass; one container without a limit, and the
    pod has none. A limit of the pod itself (Kubernetes 1.34) stands above them (PodLimits in component-helpers, and
    ResourceConfigForPod in the kubelet).
    """
    total = memory_of(spec)
    if total is None:
        inits = [(memory_of(one), one.get("restartPolicy") == "Always") for one in spec.get("initContainers") or ()]
        mains = [memory_of(one) for one in spec["containers"]]
        if None in mains or any(limit is None for limit, _stays in inits):
            return None
        beside = most = 0
        for limit, stays in inits:
            # one that ends runs beside the sidecars that were started before it
            most = max(most, beside + (limit or 0))
            beside += (limit or 0) if stays else 0
        total = max(most, beside + sum(limit or 0 for limit in mains))
    return total + parse_bytes((spec.get("overhead") or {}).get("memory") or 0)


def memory_of(part: Spec) -> int | None:
    """The memory limit of a container, or of a pod's spec itself; 0 is none."""
    limits = (part.get("resources") or {}).get("limits") or {}
    return parse_bytes(limits.get("memory") or 0) or None


def volume_bound(limit: int | None, allocatable: int | None) -> tuple[int | None, str]:
    """What bounds a volume of medium Memory without a sizeLimit, and its name (KEP-1967).

    :param limit: the memory limit of the pod; None where it has none.
    :param allocatable: the memory of the node that pods can have; None where that is not known.
    :returns: None where nothing that is known bounds it.
    """
    known = [(size, name) for size, name in ((limit, "pod memory limit"), (allocatable, "node allocatable")) if size]
    return min(known, default=(None, "node allocatable"))
