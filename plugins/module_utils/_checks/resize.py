# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Whether the size of a volume on /dev/shm holds: at creation, over restarts, and resized in place: SHM4xx (pure)."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import features
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.common import (
    enforced,
    failed,
    failed_kept_object,
    failed_medium,
    failed_object,
    failed_size,
    last_failed,
    passed,
    premise_failed,
    require_fact,
    require_fill,
    require_one_user,
    require_size,
    shown,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import (
    FELLOW,
    KEPT,
    KUBELET,
    RESIZED,
    VOLUMES,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.steps import (
    drop_object,
    fill,
    get_object,
    identities,
    identity,
    public_object,
    shared_object,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Action,
    Context,
    Decision,
    Group,
    Seen,
    Size,
    Step,
    check,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason

_BOTH: t.Final = identities(RESIZED, FELLOW)
_OBJECT: t.Final = shared_object(RESIZED, FELLOW)
_FILL_BOTH: t.Final = fill(FELLOW, lambda sizes: sizes.fill_small)
_ONE_MEMORY: t.Final = (
    "use a runtime that mounts one volume into all containers instead of giving each its own (gVisor needs mount hints for "
    "some volumes: gvisor#11326)"
)


@check(
    "SHM401",
    "resize_at_creation",
    group=Group.RESIZE,
    tags="posix_shm size postgresql nccl chrome ros2",
    layout=VOLUMES,
    steps=(*_BOTH, *_OBJECT.steps, _FILL_BOTH),
    question="Is a volume on /dev/shm of two containers one memory, of the size that was requested at creation?",
    expected="{small} bytes in both containers, each side reads the other's nonce, ENOSPC after exactly that many",
)
def resize_at_creation(seen: Seen, context: Context) -> Decision:
    """The layout that everybody should have."""
    require_one_user(seen, *_BOTH)
    one, other = (seen[who] for who in _BOTH)
    wanted = context.sizes.small
    missed = (
        failed_medium(other)
        or failed_size(one, wanted, "sizeLimit")
        or failed_size(other, wanted, "sizeLimit")
        or failed_object(seen, _OBJECT, _ONE_MEMORY)
    )
    size = f"{shown(other)} in both, both nonces and the sentence crossed"
    return missed or enforced(seen, _FILL_BOTH, context, require_size(other), size)


# ----------------------------------------------------------------------------------------------- restarts

_BEFORE: t.Final = identity(RESIZED, "before")
_AFTER: t.Final = identity(RESIZED, "after")
_PUT: t.Final = public_object(RESIZED, keep=True)
_GET: t.Final = get_object(RESIZED)
_KEEPS_MOUNTS: t.Final = "use a runtime that keeps the pod's mounts when a container restarts"


@check(
    "SHM402",
    "resize_restart",
    group=Group.RESIZE,
    tags="restart",
    layout=VOLUMES,
    steps=(
        _BEFORE,
        _PUT,
        Step("restart", RESIZED, Action.RESTART),
        _AFTER,
        _GET,
        drop_object(RESIZED),
    ),
    question="Does the size of a volume on /dev/shm outlive the restart of its container?",
    expected="the same size, and the object with its nonce",
)
def resize_restart(seen: Seen, context: Context) -> Decision:
    """The pod has the volume, not the container."""
    return _same_volume(seen, _BEFORE, _AFTER, _PUT, _GET, _KEEPS_MOUNTS)


def _same_volume(seen: Seen, before: Step, after: Step, put: Step, get: Step, fix: str) -> Decision:
    """Size and content: sandboxed runtimes give devices another number at each start of a container (gVisor)."""
    sizes = _sizes(seen, before, after)
    if not require_fact(seen[put], "made"):
        raise premise_failed(f"nothing can be put into it ({last_failed(seen[put])})")
    lost = failed_kept_object(seen, put, get, "the container before", fix)
    if lost:
        return lost
    observed = f"{sizes[0]} bytes before, {sizes[1]} after; the object is there"
    return passed(observed) if sizes[0] == sizes[1] else failed(observed, fix)


def _sizes(seen: Seen, before: Step, after: Step) -> tuple[int, int]:
    return require_size(seen[before]), require_size(seen[after])


_KUBELET_BEFORE: t.Final = identity(KEPT, "before")
_KUBELET_PUT: t.Final = public_object(KEPT, keep=True)
_KUBELET_RESTART: t.Final = Step("restart", KEPT, Action.RESTART_KUBELET)
_KUBELET_AFTER: t.Final = identity(KEPT, "after")
_KUBELET_GET: t.Final = get_object(KEPT)
_KUBELET_LOG: t.Final = (
    "read the kubelet's log: it mounts volumes again that it no longer knows, or kills their containers"
)


@check(
    "SHM403",
    "resize_kubelet_restart",
    group=Group.RESIZE,
    tags="restart",
    layout=KUBELET,
    steps=(_KUBELET_BEFORE, _KUBELET_PUT, _KUBELET_RESTART, _KUBELET_AFTER, _KUBELET_GET, drop_object(KEPT)),
    question="Do the size and the content of a volume on /dev/shm outlive a restart of the kubelet?",
    expected="the same size, and the object with its nonce, in a container that was not restarted",
    skips=(Reason.NOT_REQUESTED,),
    option="restart_kubelet",
)
def resize_kubelet_restart(seen: Seen, context: Context) -> Decision:
    """A kubelet that comes back finds its volumes again."""
    restarts = require_fact(seen[_KUBELET_RESTART], "restarts")
    if restarts:
        return failed(f"the kubelet restarted the container ({restarts} restarts)", _KUBELET_LOG)
    return _same_volume(seen, _KUBELET_BEFORE, _KUBELET_AFTER, _KUBELET_PUT, _KUBELET_GET, _KUBELET_LOG)


# ------------------------------------------------------------------------------------- resized in place

#: What a cluster, a node or a Role is free to lack for the resize of a running pod.
_NO_RESIZE: t.Final = (Reason.FORBIDDEN, Reason.INFEASIBLE)
_IN_PLACE: t.Final = (
    "resize the volume's sizeLimit with Kubernetes 1.37, cgroup v2 and the gate "
    "InPlacePodVerticalScalingMemoryBackedVolumes on API server and kubelet, or replace the pod"
)


@check(
    "SHM404",
    "resize_memory_in_place",
    group=Group.RESIZE,
    tags="in_place",
    layout=VOLUMES,
    steps=(
        _BEFORE,
        Step("resize", RESIZED, Action.RESIZE, lambda i: {"memory": i.sizes.more_memory}),
        _AFTER,
    ),
    question="Does an in-place resize of the pod's memory leave the size of /dev/shm as it was?",
    expected="the size of before: it is computed when the volume is mounted (stale until the pod is replaced)",
    skips=_NO_RESIZE,
    needs=features.RESIZE,
)
def resize_memory_in_place(seen: Seen, context: Context) -> Decision:
    """More memory for the pod is no larger /dev/shm (KEP-1287)."""
    limits = [seen[step].facts.get("memory_limit_bytes") for step in (_BEFORE, _AFTER)]
    # a sandbox can show the node's memory instead, which proves nothing (gVisor)
    if limits[0] is not None and limits[0] == limits[1] == context.container_limit(RESIZED):
        raise premise_failed(f"the memory limit is {limits[0]} bytes as before: nothing was resized")
    sizes = _sizes(seen, _BEFORE, _AFTER)
    observed = f"{sizes[0]} bytes before, {sizes[1]} after"
    if sizes[0] == sizes[1]:
        return passed(observed)
    return failed(
        observed,
        "accept it if the size follows the memory on purpose here; if not, find what mounts the volume again",
    )


def _resize_volume(size: Size) -> Step:
    return Step(
        "resize",
        RESIZED,
        Action.RESIZE_VOLUME,
        lambda i: {"volume": RESIZED.mounts[0].volume.name, "size": size(i.sizes)},
    )


def _failed_resize(seen: Seen, resize: Step, wanted: int) -> Decision | None:
    """The FAIL of a volume that does not have the requested size, or nothing."""
    before, after = _sizes(seen, _BEFORE, _AFTER)
    observed = f"{before} bytes before, {after} after"
    if before == wanted:
        raise premise_failed(f"{observed}: it had that size already, nothing was tried")
    if not require_fact(seen[resize], "resized"):
        return failed(f"{observed}: {require_fact(seen[resize], 'problem')}", _IN_PLACE)
    if after != wanted:
        return failed(
            f"{observed}, not {wanted}, though the kubelet reports that the resize is done",
            "use a runtime that shows a remounted volume to running containers, or replace the pod",
        )
    return None


_GROW: t.Final = _resize_volume(lambda sizes: sizes.grown)
_FILL_GROWN: t.Final = fill(RESIZED, lambda sizes: sizes.fill_grown, may_be_oom_killed=False)


@check(
    "SHM405",
    "resize_volume_grow",
    group=Group.RESIZE,
    tags="in_place",
    layout=VOLUMES,
    steps=(_BEFORE, _GROW, _AFTER, _FILL_GROWN),
    question="Does /dev/shm of a running container grow when the sizeLimit of its volume does?",
    expected="{grown} bytes without a restart, ENOSPC after exactly that many (KEP-6030, Kubernetes 1.37)",
    skips=_NO_RESIZE,
    needs=features.VOLUME_RESIZE,
)
def resize_volume_grow(seen: Seen, context: Context) -> Decision:
    """KEP-6030, Kubernetes 1.37."""
    wanted = context.sizes.grown
    size = f"{require_size(seen[_BEFORE])} bytes before, {shown(seen[_AFTER])} after"
    return _failed_resize(seen, _GROW, wanted) or enforced(seen, _FILL_GROWN, context, wanted, size)


_SHRINK: t.Final = _resize_volume(lambda sizes: sizes.shrunk)


@check(
    "SHM406",
    "resize_volume_shrink",
    group=Group.RESIZE,
    tags="in_place",
    layout=VOLUMES,
    steps=(_BEFORE, _SHRINK, _AFTER),
    question="Does /dev/shm of a running container shrink when the sizeLimit of its volume does?",
    expected="{shrunk} bytes without a restart",
    skips=_NO_RESIZE,
    needs=features.VOLUME_RESIZE,
)
def resize_volume_shrink(seen: Seen, context: Context) -> Decision:
    """The same in the other direction."""
    before, after = _sizes(seen, _BEFORE, _AFTER)
    return _failed_resize(seen, _SHRINK, context.sizes.shrunk) or passed(f"{before} bytes before, {after} after")


_FILL_USED: t.Final = fill(RESIZED, lambda sizes: sizes.used, keep=True, may_be_oom_killed=False)
_SHRINK_USED: t.Final = _resize_volume(lambda sizes: sizes.too_small)


@check(
    "SHM407",
    "resize_volume_used",
    group=Group.RESIZE,
    tags="in_place",
    layout=VOLUMES,
    steps=(_BEFORE, _FILL_USED, _SHRINK_USED, _AFTER, Step("drop", RESIZED, "fill_drop")),
    question="Is /dev/shm kept from shrinking below what is used of it?",
    expected="the size of before, and a pod status that says that the resize failed",
    skips=(*_NO_RESIZE, Reason.NOT_REQUESTED),
    needs=features.VOLUME_RESIZE,
)
def resize_volume_used(seen: Seen, context: Context) -> Decision:
    """Nothing that is in use is cut off."""
    require_fill(context)
    used, wanted = require_fact(seen[_FILL_USED], "written_bytes"), context.sizes.too_small
    if used <= wanted:
        raise Inconclusive(Reason.NOT_REQUESTED, f"max_write leaves only {used} bytes in use")
    before, after = _sizes(seen, _BEFORE, _AFTER)
    observed = f"{before} bytes before, {after} after a resize to {wanted} with {used} in use"
    if after != before or require_fact(seen[_SHRINK_USED], "resized"):
        return failed(observed, "report it to the maker of the kubelet: what is in use must not be cut off")
    return passed(f"{observed}: {require_fact(seen[_SHRINK_USED], 'problem')}")


CHECKS: t.Final = (
    resize_at_creation,
    resize_restart,
    resize_kubelet_restart,
    resize_memory_in_place,
    resize_volume_grow,
    resize_volume_shrink,
    resize_volume_used,
)
