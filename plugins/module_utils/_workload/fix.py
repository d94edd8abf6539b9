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
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import SHM
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._pod import memory_of
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB, memory_text, parse_bytes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.rules import Finding
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.shape import normal

with contextlib.suppress(ImportError):
    import yaml  # it comes with ansible-core, and with the Kubernetes client

Spec: t.TypeAlias = "dict[str, t.Any]"

#: The name of a volume that a fix adds; most charts and operators call theirs so.
_VOLUME: t.Final = "dshm"

#: The sizeLimit of a volume of which no program says how large it has to be.
_USUAL: t.Final = 512 * MIB

#: A fix brings findings that are mended in turn. More in a row than a pod has containers are a circle.
_ROUNDS: t.Final = 12


def fixed(
    spec: t.Mapping[str, t.Any],
    findings: t.Iterable[Finding],
    again: collections.abc.Callable[[Spec], t.Iterable[Finding]] = lambda _changed: (),
) -> Spec:
    """A copy of a pod's spec in which the findings that a spec can mend are mended.

    :param again: the findings of a changed spec. A volume that one container needs is too much for the limit of another,
        and containers that get one volume need more of it than each alone.
    """
    changed = copy.deepcopy(dict(spec))
    #: by container, how much more than before it can have on /dev/shm
    more: dict[str, int] = {}
    for _round in range(_ROUNDS):
        before = copy.deepcopy(changed)
        # a container that admission adds is not in the template
        names = {one["name"] for one in _every(changed)}
        found = [one for one in findings if one.container in names and not one.by_hand]
        for rule, change in _CHANGES.items():
            for finding in found:
                if finding.rule == rule:
                    more[finding.container] = max(more.get(finding.container, 0), change(changed, finding))
        _grow_limits(changed, spec, more)
        if changed == before:
            break
        findings = again(changed)
    return changed


def _every(spec: t.Mapping[str, t.Any]) -> list[Spec]:
    return [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]


def _container(spec: Spec, name: str) -> Spec:
    return next(one for one in _every(spec) if one["name"] == name)


def _mount_on_dev_shm(container: Spec) -> Spec | None:
    return next((one for one in container.get("volumeMounts") or () if _is_dev_shm(one)), None)


def _is_dev_shm(mount: Spec) -> bool:
    return normal(mount["mountPath"]) == SHM


def _volume_of(spec: Spec, container: Spec) -> Spec | None:
    mount = _mount_on_dev_shm(container)
    return mount and next((one for one in spec.get("volumes") or () if one["name"] == mount["name"]), None)


def _grow_limits(changed: Spec, before: t.Mapping[str, t.Any], more: t.Mapping[str, int]) -> None:
    """Add to the memory limits that containers and their pod had what volumes can take of them.

    :param more: by container. Containers that have one volume take it of their pod once.
    """
    was = {one["name"]: one for one in _every(before)}
    volumes: dict[str, int] = {}
    for name, added in more.items():
        mount = _mount_on_dev_shm(_container(changed, name)) or {"name": ""}
        volumes[mount["name"]] = max(volumes.get(mount["name"], 0), added)
        _grow(_container(changed, name), was[name], added)
    _grow(changed, before, sum(volumes.values()))


def _grow(part: Spec, before: t.Mapping[str, t.Any], added: int) -> None:
    limit = memory_of(before)
    if limit and added:
        part["resources"]["limits"]["memory"] = memory_text(limit + added)


def _new_volume(spec: Spec, size: int) -> str:
    """Add a volume of medium Memory; returns its name."""
    taken = {one["name"] for one in spec.get("volumes") or ()}
    name = next(each for each in (_VOLUME, *(f"{_VOLUME}-{number}" for number in range(2, 99))) if each not in taken)
    volume = {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": memory_text(size)}}
    spec["volumes"] = [*(spec.get("volumes") or ()), volume]
    return name


def _add_volume(spec: Spec, finding: Finding) -> int:
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
    return size


def _limit_of(volume: Spec) -> int:
    """The sizeLimit of an emptyDir, in bytes; 0 where it has none, or is none."""
    return parse_bytes((volume.get("emptyDir") or {}).get("sizeLimit") or 0)


def _raise_limit(volume: Spec, size: int) -> None:
    """Let a volume that has a limit hold so much. One without holds all that memory allows."""
    before = _limit_of(volume)
    if before:
        volume["emptyDir"]["sizeLimit"] = memory_text(max(before, size))


def _enlarge(spec: Spec, finding: Finding) -> int:
    volume = _volume_of(spec, _container(spec, finding.container))
    if volume is None:
        return 0
    size, before = finding.size_bytes or _USUAL, _limit_of(volume)
    _raise_limit(volume, size)
    return max(0, size - before)


def _share_volume(spec: Spec, finding: Finding) -> int:
    """Mount the volume of the other container in the one that lacks it."""
    mount = next(
        (found for one in _every(spec) if one["name"] == finding.peer and (found := _mount_on_dev_shm(one))), None
    )
    container = _container(spec, finding.container)
    if mount:
        others = [one for one in container.get("volumeMounts") or () if not _is_dev_shm(one)]
        shared = {name: value for name, value in mount.items() if name not in ("readOnly", "recursiveReadOnly")}
        container["volumeMounts"] = [*others, shared]
    return 0


def _set_medium(spec: Spec, finding: Finding) -> int:
    volume = _volume_of(spec, _container(spec, finding.container))
    # what else is storage may have files that must stay
    if volume is None or not _is_empty_dir(volume):
        return 0
    size = finding.size_bytes or _limit_of(volume) or _USUAL
    volume["emptyDir"] = {**(volume.get("emptyDir") or {}), "sizeLimit": memory_text(size), "medium": "Memory"}
    return size


def _is_empty_dir(volume: Spec) -> bool:
    return all(name in ("name", "emptyDir") or value is None for name, value in volume.items())


def _set_size(spec: Spec, finding: Finding) -> int:
    """A sizeLimit for what somebody has on /dev/shm; the container of the finding can have it somewhere else."""
    mounted = {mount["name"] for mount in _container(spec, finding.container).get("volumeMounts") or ()}
    found = [volume for one in _every(spec) if (volume := _volume_of(spec, one))]
    for volume in found:
        directory = volume.get("emptyDir") or {}
        if volume["name"] in mounted and directory.get("medium") == "Memory" and not _limit_of(volume):
            directory["sizeLimit"] = memory_text(finding.size_bytes or _USUAL)
    return 0


def _leave_memory(_spec: Spec, finding: Finding) -> int:
    """As much for the program as it had with the volume."""
    return finding.size_bytes or 0


def _remove_host_ipc(spec: Spec, finding: Finding) -> int:
    """Without it /dev/shm is the runtime's: a volume takes its place where a program needs more."""
    spec.pop("hostIPC", None)
    return _add_volume(spec, finding) if finding.size_bytes else 0


def _replace_host_path(spec: Spec, finding: Finding) -> int:
    volume = _volume_of(spec, _container(spec, finding.container))
    if volume is not None and volume.pop("hostPath", None) is not None:
        volume["emptyDir"] = {"medium": "Memory", "sizeLimit": memory_text(finding.size_bytes or _USUAL)}
    # what it wrote to the node's memory counted, too
    return 0


def _share_pids(spec: Spec, _finding: Finding) -> int:
    spec["shareProcessNamespace"] = True
    return 0


#: In the order in which they are made: a container that gets the volume of another needs none of its own.
#: Each returns how much more the container of the finding can have on /dev/shm.
_CHANGES: t.Final[dict[str, collections.abc.Callable[[Spec, Finding], int]]] = {
    "SHM703": _share_volume,
    "SHM701": _add_volume,
    "SHM702": _enlarge,
    "SHM704": _set_medium,
    "SHM705": _leave_memory,
    "SHM706": _set_size,
    "SHM707": _leave_memory,
    "SHM710": _remove_host_ipc,
    "SHM711": _replace_host_path,
    "SHM717": _share_pids,
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


#: Of a spec and of its containers, what a fix can change, and what names it. Commands, variables and options of drivers can hold secrets.
_SHOWN: t.Final = (
    "resources",
    "containers",
    "initContainers",
    "volumes",
    "hostIPC",
    "shareProcessNamespace",
    "securityContext",
)
_SHOWN_OF_VOLUME: t.Final = ("name", "emptyDir", "hostPath")
_SHOWN_OF_CONTAINER: t.Final = ("name", "resources", "volumeMounts", "securityContext")


def difference(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> list[str]:
    """What changes in a pod's spec, as lines of a unified diff of YAML."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    one, other = (yaml.dump(_shown(spec), Dumper=dumper, sort_keys=False).splitlines() for spec in (before, after))
    return list(difflib.unified_diff(one, other, "before", "after", lineterm="", n=2))


def _shown(spec: t.Mapping[str, t.Any]) -> Spec:
    shown = {name: copy.deepcopy(spec[name]) for name in _SHOWN if spec.get(name)}
    if "volumes" in shown:
        shown["volumes"] = [
            {name: value if name in _SHOWN_OF_VOLUME else {} for name, value in one.items()} for one in shown["volumes"]
        ]
    for field in {"containers", "initContainers"} & set(shown):
        shown[field] = [{name: one[name] for name in _SHOWN_OF_CONTAINER if one.get(name)} for one in shown[field]]
    return shown
