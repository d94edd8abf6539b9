# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real program in a pod: in which shapes it is run, what was predicted of each, and what came (pure)."""

from __future__ import annotations

import dataclasses
import enum
import json
import pathlib
import re
import typing as t

from trees import NODE, PYTHON, Parts

#: Where a pod has the files of tests/programs/files, from a ConfigMap of this name.
FILES: t.Final = "/programs"
CONFIG_MAP: t.Final = "programs"

_DSHM: t.Final = "dshm"


class Came(enum.Enum):
    """What became of a program, by its own words and exit code."""

    WORKS = "works"
    #: it took another way, which is slower or loses something
    DEGRADED = "degraded"
    FAILS = "fails"
    #: it said nothing that its entry knows
    UNCLEAR = "unclear"


@dataclasses.dataclass(frozen=True)
class Container:
    """A container as a person would write it.

    :param image: the image of a pod outside; V({version}) is the release of the entry's package.
    :param user: the uid that it runs as.
    :param memory: its memory limit.
    :param has_volume: whether it mounts the shape's volume on /dev/shm.
    """

    name: str
    image: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    user: int = 65534
    memory: str = "512Mi"
    has_volume: bool = True


@dataclasses.dataclass(frozen=True)
class Shape:
    """A pod that runs a program, and what is right for it.

    :param containers: the first is the one whose end counts.
    :param finds: what the audit must find, as V(SHM701 FAIL).
    :param dev_shm: the sizeLimit of a volume on /dev/shm; without it there is the default.
    :param is_idle: whether the program has less to do than it could, so that a warning about load need not come true.
    :param mends: the shape whose patch, as the audit wrote it, makes this one; it has nothing else of its own.
    :param sign: what the audit must say of the pod afterwards, by its exit code and its log: V(SHM721), V(SHM724 postgresql).
    """

    name: str
    came: Came
    containers: tuple[Container, ...] = ()
    finds: frozenset[str] = frozenset()
    dev_shm: str = ""
    sysctls: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    shared: tuple[str, ...] = ()
    is_idle: bool = False
    mends: str = ""
    sign: str = ""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A program: what it consists of, its shapes, and the words by which it says how it went.

    :param version_of: the Debian package whose release is that of the program.
    :param etc: folders of its tree below /etc.
    :param works: found in the log of the first container, and it ends with 0 or V(ends); so C(degraded), C(fails).
    :param ends: other exit codes of a run that works, as of a server that is ended by timeout.
    :param seconds: how long a pod may run.
    """

    name: str
    parts: Parts
    shapes: tuple[Shape, ...]
    works: str
    fails: str
    degraded: str = r"(?!)"
    ends: frozenset[int] = frozenset()
    version_of: str = ""
    etc: tuple[str, ...] = ()
    seconds: int = 180

    def came(self, exit_code: int, log: str) -> Came:
        """What became of it."""
        if re.search(self.fails, log) or exit_code == 128 + 7:
            return Came.FAILS
        if exit_code in {0, *self.ends} and re.search(self.degraded, log):
            return Came.DEGRADED
        return Came.WORKS if exit_code in {0, *self.ends} and re.search(self.works, log) else Came.UNCLEAR


def image(container: Container, version: str) -> str:
    return container.image.replace("{version}", version)


def pod(entry: Entry, shape: Shape, tree: pathlib.Path, version: str) -> dict[str, t.Any]:
    """The manifest of a shape: it is audited, and then it is run."""
    paths = [
        ("usr", "/usr"),
        ("usr/lib", "/lib"),
        ("usr/lib64", "/lib64"),
        *((f"etc/{name}",) * 2 for name in entry.etc),
    ]
    paths += [("opt", "/opt")] if (tree / "opt").is_dir() and tree != pathlib.Path("/") else []
    mounts = [
        {"name": "tree", "subPath": path, "mountPath": f"/{target.lstrip('/')}", "readOnly": True}
        for path, target in paths
    ]
    mounts.append({"name": "files", "mountPath": FILES, "readOnly": True})
    mounts += [{"name": f"shared-{index}", "mountPath": path} for index, path in enumerate(shape.shared)]
    volumes: list[dict[str, t.Any]] = [
        {"name": "tree", "hostPath": {"path": str(tree), "type": "Directory"}},
        {"name": "files", "configMap": {"name": CONFIG_MAP}},
        *({"name": f"shared-{index}", "emptyDir": {}} for index in range(len(shape.shared))),
    ]
    on_dev_shm = []
    if shape.dev_shm:
        volumes.append({"name": _DSHM, "emptyDir": {"medium": "Memory", "sizeLimit": shape.dev_shm}})
        on_dev_shm = [{"name": _DSHM, "mountPath": "/dev/shm"}]
    # busybox's own tools first: the tree has those of a machine on which little is installed
    usual = {
        "PATH": f"/bin:/usr/bin:/usr/sbin:/{PYTHON}/bin",
        "PYTHONPATH": f"/{PYTHON}",
        "NODE_PATH": f"/{NODE}/node_modules",
        "HOME": "/tmp",
    }
    spec: dict[str, t.Any] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": entry.seconds,
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "volumes": volumes,
        "containers": [
            {
                "name": one.name,
                "image": image(one, version),
                "imagePullPolicy": "Never",
                "command": list(one.argv),
                "env": [{"name": name, "value": value} for name, value in (usual | dict(one.env)).items()],
                "resources": {"limits": {"memory": one.memory}, "requests": {"memory": "32Mi"}},
                "securityContext": {"runAsUser": one.user},
                "volumeMounts": [*mounts, *(on_dev_shm if one.has_volume else [])],
            }
            for one in shape.containers
        ],
    }
    if shape.sysctls:
        spec["securityContext"] = {"sysctls": [{"name": name, "value": value} for name, value in shape.sysctls]}
    metadata = {"name": pod_name(entry, shape), "annotations": dict(shape.annotations)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def pod_name(entry: Entry, shape: Shape) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{entry.name}-{shape.name}".lower()).strip("-")


#: By which field the items of a list are one and the same, as Kubernetes merges them.
_KEYS = {"containers": "name", "volumes": "name", "volumeMounts": "mountPath", "env": "name"}


def merged(before: t.Any, patch: t.Any) -> t.Any:
    """A strategic merge patch, applied."""
    result = json.loads(json.dumps(before))
    for name, value in patch.items():
        key = _KEYS.get(name)
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        elif key and isinstance(result.get(name), list):
            old = {one[key]: one for one in result[name]}
            for one in value:
                if one.get("$patch") == "delete":
                    old.pop(one[key], None)
                else:
                    old[one[key]] = merged(old.get(one[key], {}), one)
            result[name] = list(old.values())
        else:
            result[name] = value
    return result


#: Of a kubelet, not of the program.
_NOT_OF_THE_PROGRAM = ("SHM709",)


def predicted(workload: t.Mapping[str, t.Any], is_idle: bool = False) -> tuple[Came, ...]:
    """What the audit says will come; of some it leaves two, and nothing of what it does not know."""
    found = {(one["rule"], one["severity"]) for one in workload["findings"]}
    if workload["status"] in ("SKIP", "ERROR"):
        return ()
    if any(severity == "FAIL" for _rule, severity in found):
        return (Came.FAILS,)
    if any(rule not in _NOT_OF_THE_PROGRAM for rule, _severity in found):
        return (Came.DEGRADED, Came.FAILS, *([Came.WORKS] if is_idle else []))
    return (Came.WORKS,)
