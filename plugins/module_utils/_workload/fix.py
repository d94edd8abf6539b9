# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""Findings -> a spec without them, and the difference as a patch (pure)."""

from __future__ import annotations

import collections.abc
import contextlib
import copy
import difflib
import posixpath
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import SHM
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB, memory_text, parse_bytes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.rules import Finding

with contextlib.suppress(ImportError):
    import yaml  # it comes with ansible-core, and with the Kubernetes client

Spec: t.TypeAlias = "dict[str, t.Any]"

#: The name of a volume that a fix adds; most charts and operators call theirs so.
_VOLUME: t.Final = "dshm"

#: The sizeLimit of a volume of which no program says how large it has to be.
_USUAL: t.Final = 512 * MIB


def fixed(spec: t.Mapping[str, t.Any], findings: t.Sequence[Finding]) -> Spec:
    """A copy of a pod's spec in which the findings that a spec can mend are mended."""
    changed = copy.deepcopy(dict(spec))
    for finding in findings:
        change = _CHANGES.get(finding.rule)
        # a container that admission adds is not in the template
        if change and finding.container in {one["name"] for one in _every(changed)}:
            change(changed, finding)
    return changed


def _every(spec: Spec) -> list[Spec]:
    return [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]


def _container(spec: Spec, name: str) -> Spec:
    return next(one for one in _every(spec) if one["name"] == name)


def _mount_on_dev_shm(container: Spec) -> Spec | None:
    return next((one for one in container.get("volumeMounts") or () if _is_dev_shm(one)), None)


def _is_dev_shm(mount: Spec) -> bool:
    return posixpath.normpath(str(mount.get("mountPath"))) == SHM


def _volume_of(spec: Spec, container: Spec) -> Spec | None:
    mount = _mount_on_dev_shm(container)
    return mount and next((one for one in spec.get("volumes") or () if one["name"] == mount["name"]), None)


def _grow_memory(container: Spec, added: int) -> None:
    """Add to the memory limit of a container, where it has one, what its volume can take more than before."""
    limits = (container.get("resources") or {}).get("limits") or {}
    if "memory" in limits and added > 0:
        limits["memory"] = memory_text(parse_bytes(limits["memory"]) + added)


def _new_volume(spec: Spec, size: int) -> str:
    """Add a volume of medium Memory; returns its name."""
    taken = {one["name"] for one in spec.get("volumes") or ()}
    name = next(each for each in (_VOLUME, *(f"{_VOLUME}-{number}" for number in range(2, 99))) if each not in taken)
    volume = {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": memory_text(size)}}
    spec["volumes"] = [*(spec.get("volumes") or ()), volume]
    return name


def _add_volume(spec: Spec, finding: Finding) -> None:
    """A volume for every container that has the default: they see one /dev/shm before and after."""
    size = finding.size_bytes or _USUAL
    container = _container(spec, finding.container)
    volume = _volume_of(spec, container)
    if volume is not None:
        # that of another finding: of one that needed a size, or of containers that must share
        _raise_limit(volume, size)
    else:
        name = _new_volume(spec, size)
        for one in _every(spec):
            if not _mount_on_dev_shm(one):
                one["volumeMounts"] = [*(one.get("volumeMounts") or ()), {"name": name, "mountPath": SHM}]
    _grow_memory(container, size)


def _limit_of(volume: Spec) -> int:
    """The sizeLimit of an emptyDir, in bytes; 0 where it has none, or is none."""
    return parse_bytes((volume.get("emptyDir") or {}).get("sizeLimit") or 0)


def _raise_limit(volume: Spec, size: int) -> None:
    """Let a volume that has a limit hold so much. One without holds all that memory allows."""
    before = _limit_of(volume)
    if before:
        volume["emptyDir"]["sizeLimit"] = memory_text(max(before, size))


def _enlarge(spec: Spec, finding: Finding) -> None:
    container = _container(spec, finding.container)
    volume = _volume_of(spec, container)
    if volume is None:
        return
    size, before = finding.size_bytes or _USUAL, _limit_of(volume)
    _raise_limit(volume, size)
    _grow_memory(container, max(0, size - before))


def _share_volume(spec: Spec, finding: Finding) -> None:
    """Mount the volume of the other containers in the one that lacks it."""
    mount = next((found for one in _every(spec) if (found := _mount_on_dev_shm(one))), None)
    container = _container(spec, finding.container)
    if mount:
        others = [one for one in container.get("volumeMounts") or () if not _is_dev_shm(one)]
        container["volumeMounts"] = [*others, copy.deepcopy(mount)]


def _set_medium(spec: Spec, finding: Finding) -> None:
    container = _container(spec, finding.container)
    volume = _volume_of(spec, container)
    # what else is storage may have files that must stay
    if volume is not None and volume.get("emptyDir") is not None:
        size = finding.size_bytes or _limit_of(volume) or _USUAL
        volume["emptyDir"] = {**volume["emptyDir"], "sizeLimit": memory_text(size), "medium": "Memory"}
        _grow_memory(container, size)


def _set_size(spec: Spec, finding: Finding) -> None:
    volume = _volume_of(spec, _container(spec, finding.container))
    if volume is not None and not volume["emptyDir"].get("sizeLimit"):
        volume["emptyDir"]["sizeLimit"] = memory_text(finding.size_bytes or _USUAL)


def _leave_memory(spec: Spec, finding: Finding) -> None:
    container = _container(spec, finding.container)
    limits = (container.get("resources") or {}).get("limits") or {}
    if "memory" in limits and finding.size_bytes:
        # as much for the program as it had with the volume
        limits["memory"] = memory_text(finding.size_bytes + parse_bytes(limits["memory"]))


def _remove_host_ipc(spec: Spec, finding: Finding) -> None:
    """Without it /dev/shm is the runtime's: a volume takes its place where a program needs more."""
    spec.pop("hostIPC", None)
    if finding.size_bytes:
        _add_volume(spec, finding)


def _replace_host_path(spec: Spec, finding: Finding) -> None:
    volume = _volume_of(spec, _container(spec, finding.container))
    if volume is not None and volume.pop("hostPath", None) is not None:
        volume["emptyDir"] = {"medium": "Memory", "sizeLimit": memory_text(finding.size_bytes or _USUAL)}


_CHANGES: t.Final[dict[str, collections.abc.Callable[[Spec, Finding], None]]] = {
    "SHM701": _add_volume,
    "SHM702": _enlarge,
    "SHM703": _share_volume,
    "SHM704": _set_medium,
    "SHM705": _leave_memory,
    "SHM706": _set_size,
    "SHM707": _leave_memory,
    "SHM710": _remove_host_ipc,
    "SHM711": _replace_host_path,
}

#: By which field the items of a list of a pod's spec are one and the same (Kubernetes' patchMergeKey).
_MERGE_KEYS: t.Final = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "env": "name",
}


def patch(before: t.Any, after: t.Any) -> dict[str, t.Any]:
    """The strategic merge patch that makes one mapping of the other."""
    changed: dict[str, t.Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if old == value:
            continue
        key = _MERGE_KEYS.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            changed[name] = patch(old, value)
        elif key and isinstance(old, list):
            changed[name] = _list_patch(old, value, key)
        else:
            changed[name] = value
    return changed


def _list_patch(before: list[t.Any], after: list[t.Any], key: str) -> list[dict[str, t.Any]]:
    old = {one[key]: one for one in before}
    new = {one[key]: one for one in after}
    changes = [{key: name, **patch(old.get(name, {}), one)} for name, one in new.items() if old.get(name) != one]
    return changes + [{key: name, "$patch": "delete"} for name in old if name not in new]


def at(path: t.Sequence[str | int], value: t.Any) -> t.Any:
    """A value wrapped in the mappings that lead to it."""
    for step in reversed(path):
        value = {step: value}
    return value


#: Of a spec and of its containers, what a fix can change, and what names it. Commands and variables can hold secrets.
_SHOWN: t.Final = ("containers", "initContainers", "volumes", "hostIPC", "shareProcessNamespace", "securityContext")
_SHOWN_OF_CONTAINER: t.Final = ("name", "resources", "volumeMounts", "securityContext")


def difference(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> list[str]:
    """What changes in a pod's spec, as lines of a unified diff of YAML."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    one, other = (yaml.dump(_shown(spec), Dumper=dumper, sort_keys=False).splitlines() for spec in (before, after))
    return list(difflib.unified_diff(one, other, "before", "after", lineterm="", n=2))


def _shown(spec: t.Mapping[str, t.Any]) -> Spec:
    shown = {name: copy.deepcopy(spec[name]) for name in _SHOWN if spec.get(name)}
    for field in {"containers", "initContainers"} & set(shown):
        shown[field] = [{name: one[name] for name in _SHOWN_OF_CONTAINER if one.get(name)} for one in shown[field]]
    return shown
