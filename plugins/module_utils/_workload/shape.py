# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The spec of a pod -> what each container has for shared memory, and with whom (pure). Sizes are in bytes."""

from __future__ import annotations

import dataclasses
import posixpath
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _pod
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import SHM
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB, parse_bytes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import TextEnum

#: What bounds a volume that has no sizeLimit in a pod with a memory limit, as :func:`_pod.volume_bound` has it.
POD_LIMIT: t.Final = "pod memory limit"

#: /dev/shm of a container that nobody sized: containerd and CRI-O hard-code it (kubernetes#28272, containerd#3654).
DEFAULT_BYTES: t.Final = 64 * MIB

#: The labels of nodes that have their operating system; and those by which nobody selects some of them.
_OS_LABELS: t.Final = ("kubernetes.io/os", "beta.kubernetes.io/os")
_COMMON_LABELS: t.Final = frozenset({*_OS_LABELS, "kubernetes.io/arch", "beta.kubernetes.io/arch"})


def normal(path: object) -> str:
    """A path without what it is the same without: V(//dev/shm/) is V(/dev/shm)."""
    text = posixpath.normpath(str(path))
    # two slashes mean something of their own to POSIX alone
    return text[1:] if text.startswith("//") else text


def is_token(part: t.Mapping[str, t.Any]) -> bool:
    """Whether a volume, or a mount of it, holds the token of a service account, as every pod gets one of its own."""
    return str(part.get("name", "")).startswith("kube-api-access-")


class SpecError(ValueError):
    """A spec is not what Kubernetes accepts: which field, and what is wrong with it."""


class Backing(TextEnum):
    """What is behind a folder of a container."""

    #: the runtime's own tmpfs, one for all containers of the pod that have no volume there
    DEFAULT = "default"
    #: an emptyDir of medium Memory
    MEMORY = "memory"
    #: an emptyDir on the node's disk
    DISK = "disk"
    HUGE_PAGES = "huge pages"
    #: a folder of the node, or the node's own /dev/shm with hostIPC
    HOST = "host"
    #: another kind of volume
    OTHER = "other"
    #: the container's own file system
    IMAGE = "image"


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder of a container that programs share memory in.

    :param volume: its name; nothing where no volume is mounted.
    :param size_bytes: how large it is; None where that is not known.
    :param bound: what bounds it, in words.
    :param size_limit: of the volume; None where it has none.
    """

    backing: Backing
    volume: str = ""
    sub_path: str = ""
    size_bytes: int | None = None
    bound: str = ""
    size_limit: int | None = None
    read_only: bool = False

    @property
    def identity(self) -> tuple[str, str]:
        """Equal for containers of a pod that see the same files there."""
        return self.volume, self.sub_path

    @property
    def is_memory(self) -> bool:
        """Whether what is written there is memory of the pod."""
        return self.backing in (Backing.DEFAULT, Backing.MEMORY)


#: What a container has on /dev/shm that has nothing mounted there.
_DEFAULT: t.Final = Folder(Backing.DEFAULT, size_bytes=DEFAULT_BYTES, bound="the default of the runtime")


@dataclasses.dataclass(frozen=True)
class ContainerShape:
    """A container as its pod's spec has it.

    :param command: command and arguments, as one line.
    :param env: the names of its variables, each with its value where the spec has it in plain text. Never for output.
    :param memory_limit: in bytes, None where it has none. C(memory_request) likewise.
    :param user: its uid, None where the image decides.
    :param starts: V(main), V(init) or V(sidecar).
    """

    name: str
    image: str
    command: str
    env: t.Mapping[str, str | None]
    ports: tuple[int, ...]
    memory_limit: int | None
    memory_request: int | None
    resources: t.Mapping[str, int]
    user: int | None
    starts: str
    mounts: tuple[t.Mapping[str, t.Any], ...]
    dev_shm: Folder

    @property
    def runs(self) -> bool:
        """Whether it runs as long as its pod does."""
        return self.starts != "init"

    @property
    def memory_left(self) -> int | None:
        """What its memory limit leaves it when /dev/shm is full, in bytes; less than nothing if it is killed before.

        None where it has no limit, or the size is not known, or is no memory.
        """
        size = self.dev_shm.size_bytes
        if self.memory_limit is None or size is None or not self.dev_shm.is_memory:
            return None
        return self.memory_limit - size

    def sees_files_of(self, other: ContainerShape) -> bool:
        """Whether both have the same files in /dev/shm."""
        mine, its = self.dev_shm, other.dev_shm
        return mine.backing is not Backing.IMAGE and (mine.backing, mine.identity) == (its.backing, its.identity)


@dataclasses.dataclass(frozen=True)
class PodShape:
    """A pod as its spec has it.

    :param memory_limit: as the kubelet computes it (:func:`_pod.memory_limit`).
    :param sysctls: the pod's own, as text.
    :param node_selector: labels of the nodes that it can run on.
    :param selects_nodes: whether it runs on some nodes only, by their labels beside those that every node has.
    :param is_windows: whether it runs on Windows, which has nothing of all this.
    :param is_to_end: whether it is not restarted when its work is done, as the pods of Jobs.
    """

    containers: tuple[ContainerShape, ...]
    labels: t.Mapping[str, str]
    annotations: t.Mapping[str, str]
    memory_limit: int | None
    sysctls: t.Mapping[str, str]
    host_ipc: bool
    host_pid: bool
    share_pids: bool
    fs_group: int | None
    runtime_class: str
    volumes: t.Mapping[str, t.Mapping[str, t.Any]]
    allocatable: int | None = None
    node_selector: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    selects_nodes: bool = False
    is_windows: bool = False
    is_to_end: bool = False

    @property
    def main(self) -> ContainerShape:
        """The first container that is not an init container: what a pod is about, as kubectl has it."""
        return next(one for one in self.containers if one.starts == "main")

    def container(self, name: str) -> ContainerShape:
        """A container by its name."""
        return next(one for one in self.containers if one.name == name)

    def with_default(self, folders: t.Mapping[str, Folder]) -> PodShape:
        """The same with these folders, by container, on /dev/shm of those that have the default there."""
        containers = (
            dataclasses.replace(one, dev_shm=folders[one.name])
            if one.name in folders and one.dev_shm.backing is Backing.DEFAULT
            else one
            for one in self.containers
        )
        return dataclasses.replace(self, containers=tuple(containers))

    def without_host_ipc(self) -> PodShape:
        """The same with an IPC namespace, and a default, of its own."""
        containers = (
            dataclasses.replace(one, dev_shm=_DEFAULT)
            if one.dev_shm.backing is Backing.HOST and not one.dev_shm.volume
            else one
            for one in self.containers
        )
        return dataclasses.replace(self, containers=tuple(containers), host_ipc=False)

    def folder(self, container: ContainerShape, path: str) -> Folder:
        """What is behind a folder of a container."""
        return _folder(path, container.mounts, self.volumes, self.host_ipc, self.memory_limit, self.allocatable)


def shape(metadata: t.Mapping[str, t.Any], spec: t.Mapping[str, t.Any], allocatable: int | None = None) -> PodShape:
    """The shape of a pod, or of a pod template.

    :param allocatable: the memory of its node that pods can have, None where that is not known.
    :raises SpecError: it is not a spec that Kubernetes accepts.
    """
    for field in ("initContainers", "containers"):
        for index, one in _list(spec, field, "spec"):
            _mapping(_mapping(one, "resources", f"spec.{field}[{index}]"), "limits", f"spec.{field}[{index}].resources")
    limit = _limit(spec)
    security = _mapping(spec, "securityContext", "spec")
    volumes = {_text(one, "name", f"spec.volumes[{index}]"): one for index, one in _list(spec, "volumes", "spec")}
    host_ipc = bool(spec.get("hostIPC"))
    node_selector = _texts(spec, "nodeSelector", "spec")
    systems = {str(_mapping(spec, "os", "spec").get("name")), *(node_selector.get(label) for label in _OS_LABELS)}
    containers = [
        _container(one, starts, f"spec.{field}[{index}]", security, volumes, host_ipc, limit, allocatable)
        for field in ("initContainers", "containers")
        for index, one in _list(spec, field, "spec")
        for starts in (_starts(field, one),)
    ]
    if not any(one.starts == "main" for one in containers):
        raise SpecError("spec.containers is empty")
    return PodShape(
        containers=tuple(containers),
        labels=_texts(metadata, "labels", "metadata"),
        annotations=_texts(metadata, "annotations", "metadata"),
        memory_limit=limit,
        sysctls={
            _text(one, "name", f"spec.securityContext.sysctls[{index}]"): str(one.get("value", ""))
            for index, one in _list(security, "sysctls", "spec.securityContext")
        },
        host_ipc=host_ipc,
        host_pid=bool(spec.get("hostPID")),
        share_pids=bool(spec.get("shareProcessNamespace")),
        fs_group=_number(security, "fsGroup", "spec.securityContext"),
        runtime_class=str(spec.get("runtimeClassName") or ""),
        volumes=volumes,
        allocatable=allocatable,
        node_selector=node_selector,
        selects_nodes=bool(node_selector.keys() - _COMMON_LABELS) or _requires_nodes(spec),
        is_windows="windows" in systems,
        is_to_end=spec.get("restartPolicy") in ("OnFailure", "Never"),
    )


def _requires_nodes(spec: t.Mapping[str, t.Any]) -> bool:
    affinity = _mapping(_mapping(spec, "affinity", "spec"), "nodeAffinity", "spec.affinity")
    return bool(affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))


def _limit(spec: t.Mapping[str, t.Any]) -> int | None:
    try:
        return _pod.memory_limit({**spec, "containers": spec.get("containers") or ()})
    except (ValueError, TypeError, AttributeError) as error:
        raise SpecError(f"a memory limit cannot be read: {error}") from None


def _starts(field: str, container: t.Mapping[str, t.Any]) -> str:
    if field == "containers":
        return "main"
    return "sidecar" if container.get("restartPolicy") == "Always" else "init"


def _container(
    one: t.Mapping[str, t.Any],
    starts: str,
    where: str,
    pod_security: t.Mapping[str, t.Any],
    volumes: t.Mapping[str, t.Mapping[str, t.Any]],
    host_ipc: bool,
    pod_limit: int | None,
    allocatable: int | None,
) -> ContainerShape:
    security = _mapping(one, "securityContext", where)
    resources = _mapping(one, "resources", where)
    limits, requests = _mapping(resources, "limits", where), _mapping(resources, "requests", where)
    mounts = tuple(mount for _index, mount in _list(one, "volumeMounts", where))
    for index, mount in enumerate(mounts):
        for field in ("name", "mountPath", *({"subPath", "subPathExpr"} & {name for name in mount if mount[name]})):
            _text(mount, field, f"{where}.volumeMounts[{index}]")
    user = _number(security, "runAsUser", where)
    return ContainerShape(
        name=_text(one, "name", where),
        image=str(one.get("image") or ""),
        command=" ".join(str(word) for field in ("command", "args") for _index, word in _list(one, field, where, str)),
        env={_text(each, "name", f"{where}.env[{index}]"): _plain(each) for index, each in _list(one, "env", where)},
        ports=tuple(
            port
            for index, each in _list(one, "ports", where)
            if (port := _number(each, "containerPort", f"{where}.ports[{index}]")) is not None
        ),
        memory_limit=_bytes(limits, "memory", where) or None,
        memory_request=_bytes(requests, "memory", where),
        resources={
            str(name): parsed
            for name in limits
            if name != "memory" and (parsed := _bytes(limits, name, where)) is not None
        },
        user=user if user is not None else _number(pod_security, "runAsUser", "spec.securityContext"),
        starts=starts,
        mounts=mounts,
        dev_shm=_folder(SHM, mounts, volumes, host_ipc, pod_limit, allocatable),
    )


def _plain(variable: t.Mapping[str, t.Any]) -> str | None:
    return None if variable.get("valueFrom") else str(variable.get("value") or "")


def _folder(
    path: str,
    mounts: t.Iterable[t.Mapping[str, t.Any]],
    volumes: t.Mapping[str, t.Mapping[str, t.Any]],
    host_ipc: bool,
    pod_limit: int | None,
    allocatable: int | None,
) -> Folder:
    """What is behind a folder: the volume that is mounted nearest above it."""
    path = normal(path)
    above: list[tuple[str, t.Mapping[str, t.Any]]] = [
        (mounted, mount)
        for mount in mounts
        for mounted in (normal(mount["mountPath"]),)
        if path == mounted or path.startswith(f"{mounted.rstrip('/')}/")
    ]
    # the longest path lies on top
    mounted, mount = max(above, key=lambda each: len(each[0]), default=("", {}))
    in_dev_shm = path == SHM or path.startswith(f"{SHM}/")
    if in_dev_shm and len(mounted) < len(SHM):
        if host_ipc:
            return Folder(Backing.HOST, bound="the node's /dev/shm")
        return _DEFAULT
    if not above:
        return Folder(Backing.IMAGE, bound="the node's disk")
    name = str(mount.get("name") or "")
    volume = volumes.get(name)
    if volume is None:
        raise SpecError(f"the volume {name} is mounted on {mounted}, and spec.volumes has none of that name")
    return dataclasses.replace(
        _backing(volume, f"volume {name}", pod_limit, allocatable),
        volume=name,
        sub_path=posixpath.join(
            str(mount.get("subPath") or mount.get("subPathExpr") or ""), posixpath.relpath(path, mounted)
        ),
        read_only=bool(mount.get("readOnly")),
    )


def _backing(volume: t.Mapping[str, t.Any], where: str, pod_limit: int | None, allocatable: int | None) -> Folder:
    if volume.get("hostPath") is not None:
        host = str(_mapping(volume, "hostPath", where).get("path") or "")
        return Folder(Backing.HOST, bound=f"the node's {host}")
    # null is not there, and what has no kind is an emptyDir, as the API server has it
    other = next(
        (str(kind) for kind, value in volume.items() if kind not in ("name", "emptyDir") and value is not None), ""
    )
    if other:
        return Folder(Backing.OTHER, bound=other)
    directory = _mapping(volume, "emptyDir", where)
    # 0 is none, as the kubelet has it
    limit = _bytes(directory, "sizeLimit", where) or None
    medium = str(directory.get("medium") or "")
    if medium.startswith("HugePages"):
        return Folder(Backing.HUGE_PAGES, size_limit=limit, bound="the huge pages of its containers")
    if medium != "Memory":
        return Folder(Backing.DISK, size_limit=limit, size_bytes=limit, bound="the node's disk")
    size, bound = _pod.volume_bound(pod_limit, allocatable)
    if limit is not None and (size is None or limit < size):
        size, bound = limit, "sizeLimit"
    return Folder(Backing.MEMORY, size_limit=limit, size_bytes=size, bound=bound)


# ------------------------------------------------------------------------------ fields that may hold anything


def _mapping(of: t.Mapping[str, t.Any], field: str, where: str) -> t.Mapping[str, t.Any]:
    value = of.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SpecError(f"{where}.{field} is no mapping")
    return value


def _list(of: t.Mapping[str, t.Any], field: str, where: str, kind: type = dict) -> t.Iterator[tuple[int, t.Any]]:
    value = of.get(field)
    if value is None:
        return
    if not isinstance(value, list):
        raise SpecError(f"{where}.{field} is no list")
    for index, one in enumerate(value):
        if kind is dict and not isinstance(one, dict):
            raise SpecError(f"{where}.{field}[{index}] is no mapping")
        yield index, one


def _texts(of: t.Mapping[str, t.Any], field: str, where: str) -> dict[str, str]:
    return {str(key): str(value) for key, value in _mapping(of, field, where).items()}


def _text(of: t.Mapping[str, t.Any], field: str, where: str) -> str:
    value = of.get(field)
    if not isinstance(value, str) or not value:
        raise SpecError(f"{where} has no {field}")
    return value


def _number(of: t.Mapping[str, t.Any], field: str, where: str) -> int | None:
    value = of.get(field)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise SpecError(f"{where}.{field} is no whole number")
    return value


def _bytes(of: t.Mapping[str, t.Any], field: str, where: str) -> int | None:
    value = of.get(field)
    if value is None:
        return None
    try:
        size = parse_bytes(value)
    except ValueError as error:
        raise SpecError(f"{where}: {field} is {error}") from None
    if size < 0:
        raise SpecError(f"{where}: {field} is negative: {value}")
    return size
