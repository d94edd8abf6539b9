# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runtimes that lie: each changes what a container gets, or what it says, and then becomes runc.

A world stands in one place: the decorator :func:`world` above the function that does it says what it is called, which checks
notice it, and why. A check that it does not name must come as in the honest world.

containerd calls a wrapper as the BinaryName of a runtime handler: C(exec PYTHON -S oci.pyc WORLD "$@"), for each command
of the runtime. So this file needs nothing but itself, and starts fast. Pods start normally in every world: a checker that
passes there is worth nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno as errnos
import fcntl
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import typing as t
import zlib

Config = dict[str, t.Any]
#: Ids of checks, separated by blanks; of SKIP by the reason.
Checks = str | dict[str, str]
_Does = t.TypeVar("_Does", bound=t.Callable[..., object])

#: What a world changes.
CONTAINER = "container"  # config.json of a container, before it is created
PROCESS = "process"  # the description of what is exec'd
EXEC = "exec"  # something beside the command exec
UPDATE = "update"  # something beside the command update, which resizes
OUTPUT = "output"  # the output of what is exec'd
LOG = "log"  # the output of a container's own command

#: What means something else, or nothing, where no step is exec'd.
OF_EXEC = (PROCESS, EXEC, OUTPUT, LOG)

#: In an expectation: every check but those that are named beside it, those that are SKIP in the honest world, and those
#: that ask the API server alone.
EVERYTHING = "*"
#: The verdict, beside EVERYTHING, of those that come as in the honest world.
UNCHANGED = "UNCHANGED"
#: Where only what comes after the first answer of a container is wrong: checks that ask each of theirs once, or nothing yet.
ONE_ANSWER = "SHM105 SHM304 SHM305 SHM306 SHM307"
AFTER_THE_FIRST = f"{EVERYTHING} SHM320 SHM407"
#: Really every check: also those that are SKIP in the honest world for a reason of the cluster's, or of its machine's.
NOTHING_LEFT = f"{AFTER_THE_FIRST} SHM405 SHM406"


class World:
    """One way to lie."""

    def __init__(
        self,
        does: t.Callable[..., t.Any],
        changes: str,
        only: tuple[str, ...],
        unsettled: bool,
        why: str,
        expected: dict[str, Checks],
    ) -> None:
        self.does = does
        self.changes = changes
        self.only = only
        self.unsettled = unsettled
        self.why = why
        self.expected = expected

    @property
    def text(self) -> str:
        """What it does, in words."""
        where = f"In {', '.join(self.only)}: " if self.only else ""
        return where + str(self.does.__doc__ or "").partition("\n")[0]


WORLDS: dict[str, World] = {}


def world(
    name: str,
    *,
    changes: str = CONTAINER,
    only: tuple[str, ...] = (),
    unsettled: bool = False,
    why: str = "",
    **expected: Checks,
) -> t.Callable[[_Does], _Does]:
    """Declare a world: the decorator of what does it, which may do it in several worlds.

    :param only: the names of the containers that it is done to; all if there is none.
    :param unsettled: what comes depends on the moment, so a check may also come as in the honest world.
    :param why: why these checks, where that is not plain.
    :param expected: by verdict the checks that must come so: C(FAIL="SHM101 SHM102", SKIP={"NotVisible": "SHM601"}).
    """

    def declare(does: _Does) -> _Does:
        if name in WORLDS:
            raise ValueError(f"there are two worlds {name}")
        WORLDS[name] = World(does, changes, only, unsettled, why, expected)
        return does

    return declare


# ------------------------------------------------------------------------------------------------- config.json


def _is_sandbox(config: Config) -> bool:
    return bool(config.get("annotations", {}).get("io.kubernetes.cri.container-type") == "sandbox")


def _note(config: Config, name: str) -> str:
    """What containerd notes of a container: V(sandbox-name) is that of its pod, V(container-name) its own."""
    return str(config.get("annotations", {}).get(f"io.kubernetes.cri.{name}", ""))


def _shm(config: Config) -> list[dict[str, t.Any]]:
    return [mount for mount in config["mounts"] if mount["destination"] == "/dev/shm"]


def _from_kubelet(mount: dict[str, t.Any]) -> bool:
    """Whether a mount is a volume of the pod or a subPath of one, not the sandbox's own."""
    source = str(mount.get("source", ""))
    return "kubernetes.io~empty-dir" in source or "/volume-subpaths/" in source


def _memory_volumes(config: Config) -> list[dict[str, t.Any]]:
    """The mounts of volumes of medium Memory on /dev/shm."""
    found = [mount for mount in _shm(config) if _from_kubelet(mount)]
    return [mount for mount in found if pathlib.Path(mount["source"]).is_mount()]


def _own_tmpfs(mount: dict[str, t.Any], *options: str) -> None:
    mount.update(type="tmpfs", source="shm", options=["nosuid", "nodev", "mode=1777", *options])


def _sandbox_shm(config: Config) -> list[str]:
    """Where the sandbox's own /dev/shm is on the node. The node's own, which hostIPC binds, is nobody's to change."""
    bound = [mount for mount in _shm(config) if mount.get("type") == "bind" and not _from_kubelet(mount)]
    return [mount["source"] for mount in bound if mount["source"] != "/dev/shm"]


def _remount(config: Config, options: str) -> None:
    """Change the sandbox's own /dev/shm on the node, so that it stays shared."""
    for source in _sandbox_shm(config):
        subprocess.run(["mount", "-o", f"remount,{options}", source], check=True)


def _namespace(config: Config, kind: str) -> dict[str, t.Any]:
    return next(namespace for namespace in config["linux"]["namespaces"] if namespace["type"] == kind)


def _has_namespace(config: Config, kind: str) -> bool:
    """Whether the container has such a namespace that is not the node's."""
    return any(namespace["type"] == kind for namespace in config["linux"]["namespaces"])


def _sandbox_sysctl(config: Config, name: str, value: str) -> None:
    """Set an IPC sysctl of the pod, unless its IPC namespace is the node's or it requests another value."""
    if _is_sandbox(config) and _has_namespace(config, "ipc"):
        config["linux"].setdefault("sysctl", {}).setdefault(name, value)


def _root() -> pathlib.Path:
    """A folder of this cluster, below which whatever is mounted goes with the cluster."""
    root = pathlib.Path(sys.argv[sys.argv.index("--root") + 1]).parent
    # runc creates it for the first container, which may be this one
    root.mkdir(mode=0o711, parents=True, exist_ok=True)
    return root


def _once(path: pathlib.Path, create: t.Callable[[], None]) -> pathlib.Path:
    """Create what all pods of a world have in common."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            create()
    return path


# ----------------------------------------------------------------------------------------------------- cgroups

_CGROUPS = pathlib.Path("/sys/fs/cgroup")


def memory_cgroup(path: str, root: pathlib.Path = _CGROUPS) -> pathlib.Path:
    """The folder of a memory cgroup, on a host with cgroup v1 (also the hybrid layout) or v2."""
    below = root if (root / "cgroup.controllers").exists() else root / "memory"
    return below / path.lstrip("/")


def limit_memory(group: pathlib.Path, limit: int) -> None:
    """Lower the memory limit of a cgroup, unless it is that low."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        file = group / name
        if file.exists():
            found = file.read_text(encoding="utf-8").strip()
            if found == "max" or int(found) > limit:
                file.write_text(str(limit), encoding="utf-8")


def memory_cgroup_of(lines: str) -> str:
    """Where the memory of a process is charged, by its /proc/PID/cgroup: the line of the controller, else that of cgroup v2."""
    found = [line.split(":", 2)[1:] for line in lines.splitlines()]
    charged = [path for controllers, path in found if "memory" in controllers.split(",")]
    return (charged or [path for controllers, path in found if not controllers])[0]


# --------------------------------------------------------------------------------------- the IPC namespace

_USERS_REFUSED = "a user namespace of its own is refused the IPC namespace of the node"


@world(
    "own-ipc",
    FAIL="SHM101 SHM102 SHM103 SHM104 SHM105 SHM106 SHM107 SHM108 SHM109 SHM203 SHM204 SHM207 SHM208 SHM215 SHM216 "
    "SHM504 SHM602 SHM603",
    ERROR="SHM110 SHM111",
    WARN="SHM503",
    why="System V is keyed by the IPC namespace, and so are POSIX message queues and the sysctls. A segment that is not found "
    "is refused to nobody. SHM503: it might be the namespace of a node in a container",
)
@world("some-own-ipc", only=("one-sided",), FAIL="SHM105 SHM204")
@world("sidecar-own-ipc", only=("beside",), FAIL="SHM108")
@world("debug-own-ipc", only=("debug",), FAIL="SHM208")
def own_ipc(config: Config) -> None:
    """Each container gets an IPC namespace of its own."""
    if not _is_sandbox(config):
        _namespace(config, "ipc").pop("path", None)


@world(
    "host-ipc",
    FAIL="SHM501 SHM504 SHM602 SHM603",
    WARN="SHM503",
    ERROR="SHM109 SHM211 SHM215 SHM318",
    why=f"SHM503: an ordinary pod is where hostIPC leads to. {_USERS_REFUSED}",
)
def host_ipc(config: Config) -> None:
    """The IPC namespace of the node leaks into the pod."""
    if not _is_sandbox(config):
        config["linux"]["namespaces"].remove(_namespace(config, "ipc"))
        config["linux"].pop("sysctl", None)


@world("host-ipc-ignored", WARN="SHM503")
def host_ipc_ignored(config: Config) -> None:
    """hostIPC gives a new IPC namespace, though the node's /dev/shm."""
    if not _has_namespace(config, "ipc"):
        config["linux"]["namespaces"].append({"type": "ipc"})


@world("no-sysctls", FAIL="SHM602 SHM603")
def no_sysctls(config: Config) -> None:
    """The pod's sysctls are silently ignored, as gVisor does."""
    config["linux"].pop("sysctl", None)


@world("rmid-forced", FAIL="SHM107 SHM207")
def rmid_forced(config: Config) -> None:
    """Segments are removed at their last detach, though no pod requests it."""
    _sandbox_sysctl(config, "kernel.shm_rmid_forced", "1")


@world("small-sysctls", FAIL="SHM316 SHM601")
def small_sysctls(config: Config) -> None:
    """A System V segment is a mebibyte at most."""
    _sandbox_sysctl(config, "kernel.shmmax", str(1 << 20))


@world("no-mqueue")
def no_mqueue(config: Config) -> None:
    """/dev/mqueue is not mounted. Nothing needs it."""
    config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/dev/mqueue"]


# ---------------------------------------------------------------------------- the runtime's own /dev/shm

#: Of a /dev/shm that nobody can write to: sharing fails, and absence proves nothing.
_UNUSABLE_FAIL = "SHM201 SHM205 SHM206 SHM207 SHM211 SHM301 SHM313 SHM318"
_UNUSABLE_ERROR = "SHM204 SHM209 SHM210 SHM212 SHM213 SHM214 SHM220 SHM310 SHM311 SHM312 SHM502"


@world(
    "own-shm",
    FAIL="SHM201 SHM202 SHM205 SHM206 SHM207 SHM209 SHM211 SHM220 SHM312 SHM503 SHM504",
    ERROR="SHM210 SHM213 SHM214 SHM311",
    PASS="SHM318",
    why="a restarted container gets a new one, and hostIPC gets one instead of the node's. An object that is not shared has "
    "no reader who could be charged, and a mutex in it no other container to try it. The mount of a tmpfs is executable",
)
@world("init-own-shm", only=("earlier",), FAIL="SHM205")
@world(
    "guest-own-shm",
    only=("guest",),
    FAIL="SHM209",
    ERROR="SHM210",
    why="what another user does not find is refused to nobody",
)
def own_shm(config: Config) -> None:
    """Each container gets a /dev/shm of its own, of the usual size."""
    for mount in _shm(config):
        if not _from_kubelet(mount):
            _own_tmpfs(mount, "size=65536k")


@world("small-shm", FAIL="SHM301 SHM310", ERROR="SHM311 SHM312")
def small_shm(config: Config) -> None:
    """The default is 1 MiB."""
    _remount(config, "size=1m")


@world("large-shm", FAIL="SHM301")
def large_shm(config: Config) -> None:
    """The default is 128 MiB."""
    _remount(config, "size=128m")


@world("odd-shm", FAIL="SHM301")
def odd_shm(config: Config) -> None:
    """The default is a page larger than it should be."""
    _remount(config, "size=65540k")


@world("few-inodes", FAIL=_UNUSABLE_FAIL, ERROR=f"SHM202 {_UNUSABLE_ERROR}")
def few_inodes(config: Config) -> None:
    """The default has the usual size, but no file fits into it."""
    _remount(config, "nr_inodes=1")


@world("huge-shm")
def huge_shm(config: Config) -> None:
    """The default consists of huge pages. Nothing needs to know."""
    _remount(config, "huge=always")


@world("used-shm", FAIL="SHM301 SHM310", ERROR="SHM311 SHM312")
def used_shm(config: Config) -> None:
    """60 MiB of the default are in use from the start."""
    for source in _sandbox_shm(config):
        path = pathlib.Path(source, "used")
        if not path.exists():
            path.write_bytes(bytes(60 << 20))


@world("full-shm", FAIL=f"{_UNUSABLE_FAIL} SHM310", ERROR=f"SHM202 {_UNUSABLE_ERROR.replace(' SHM310', '')}")
def full_shm(config: Config) -> None:
    """Nothing of the default is left from the start."""
    for source in _sandbox_shm(config):
        path = pathlib.Path(source, "used")
        if not path.exists():
            with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(1 << 20)):
                    pass


@world("disk-shm", FAIL="SHM301 SHM310", ERROR="SHM312", WARN="SHM502", PASS="SHM318")
def disk_shm(config: Config) -> None:
    """The default is a folder on the node's disk."""
    for mount in _shm(config):
        if mount["source"] in _sandbox_shm(config):
            folder = _root() / f"shm-{_note(config, 'sandbox-id')}"
            folder.mkdir(exist_ok=True)
            folder.chmod(0o1777)
            mount["source"] = str(folder)


@world("ramfs-shm", FAIL="SHM301")
def ramfs_shm(config: Config) -> None:
    """The default is memory without any size."""

    def create() -> None:
        path.mkdir()
        subprocess.run(["mount", "-t", "ramfs", "shm", path], check=True)
        path.chmod(0o1777)

    path = _root() / f"ramfs-{_note(config, 'sandbox-id')}"
    for mount in _shm(config):
        if mount["source"] in _sandbox_shm(config) and not _has_namespace(config, "user"):
            mount["source"] = str(_once(path, create))


@world(
    "squatted-shm",
    ERROR="SHM201 SHM202 SHM204 SHM205 SHM206 SHM207 SHM208 SHM209 SHM210 SHM211 SHM212 SHM213 SHM214 SHM220 SHM311 "
    "SHM312 SHM502",
    WARN="SHM301",
    why="what has the run's own name and is not of this run proves nothing. SHM301: a few pages are in use",
)
def squatted_shm(config: Config) -> None:
    """Objects with the names of this run are there before the run creates them, as from an earlier run."""
    found = re.match(r"podshm-([0-9a-f]+)-(?:(\d+)-)?", _note(config, "sandbox-name"))
    if not found:
        return
    # names have the number of the target where the run has several
    scope = found[1] + (f"{int(found[2]):04x}" if found[2] else "")
    for source in _sandbox_shm(config):
        for check in (*range(201, 221), 311, 312, 502):
            for end in ("", "-m"):
                path = pathlib.Path(source, f"podshm-{scope}-shm{check}{end}")
                if not path.exists():
                    path.write_bytes(bytes(512))
                    path.chmod(0o644)


@world("one-shm", FAIL="SHM502")
def one_shm(config: Config) -> None:
    """Both pods of the layout V(pair) have one /dev/shm, in IPC namespaces of their own."""

    def create() -> None:
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=1777", "shm", path], check=True)

    if _note(config, "sandbox-name").endswith(("-pair", "-other")):
        path = _root() / f"one-shm-{_note(config, 'sandbox-name').split('-')[1]}"
        for mount in _shm(config):
            if mount["source"] in _sandbox_shm(config):
                mount["source"] = str(_once(path, create))


@world("noexec-shm", FAIL="SHM313 SHM317 SHM319")
def noexec_shm(config: Config) -> None:
    """Nothing on /dev/shm is executable, neither on the default nor on a volume."""
    for mount in _shm(config):
        mount["options"] = [*mount.get("options", ()), "noexec"]


@world("exec-users-shm", PASS="SHM318")
def exec_users_shm(config: Config) -> None:
    """The default is executable, also in a user namespace, where containerd leaves it noexec."""
    _remount(config, "bind,exec,nosuid,nodev")


@world(
    "readonly-shm",
    FAIL=_UNUSABLE_FAIL,
    ERROR=f"SHM202 {_UNUSABLE_ERROR} SHM503 SHM504",
    why="also the node's own, where hostIPC leads to it",
)
@world("readonly-guest", only=("guest",), FAIL="SHM209", ERROR="SHM210")
def readonly_shm(config: Config) -> None:
    """The default /dev/shm is read-only."""
    for mount in _shm(config):
        if not _from_kubelet(mount):
            mount["options"] = [option for option in mount.get("options", ()) if option != "rw"] + ["ro"]


@world("closed-shm", FAIL=_UNUSABLE_FAIL, ERROR=f"SHM202 {_UNUSABLE_ERROR}")
def closed_shm(config: Config) -> None:
    """Only root can write to the default /dev/shm."""
    for source in _sandbox_shm(config):
        os.chmod(source, 0o755)


@world("unsticky-shm", FAIL="SHM313 SHM318")
def unsticky_shm(config: Config) -> None:
    """Every user can remove the objects of every other from the default /dev/shm."""
    for source in _sandbox_shm(config):
        os.chmod(source, 0o777)


@world("host-shm", FAIL="SHM301 SHM502 SHM504")
def host_shm(config: Config) -> None:
    """The node's /dev/shm leaks into the pod."""
    # whether the node's is executable is not the point
    options = ["rbind", "rw", *(["noexec"] if _has_namespace(config, "user") else [])]
    for mount in _shm(config):
        if not _from_kubelet(mount) and not _is_sandbox(config):
            mount.update(type="bind", source="/dev/shm", options=options)


@world("no-shm", FAIL=f"{_UNUSABLE_FAIL} SHM202", ERROR=f"{_UNUSABLE_ERROR} SHM503 SHM504")
def no_shm(config: Config) -> None:
    """There is no /dev/shm but a directory of the image, or none at all."""
    if not _is_sandbox(config):
        config["mounts"] = [mount for mount in config["mounts"] if mount not in _shm(config) or _from_kubelet(mount)]


@world(
    "host-path-ignored", FAIL="SHM503 SHM504", why="which of the two lies cannot be decided, but that they do not agree"
)
def host_path_ignored(config: Config) -> None:
    """A hostPath volume on /dev/shm is a tmpfs of the container's own, as in gVisor."""
    for mount in _shm(config):
        if mount["source"] == "/dev/shm" and _has_namespace(config, "ipc"):
            _own_tmpfs(mount, "size=65536k")


# ----------------------------------------------------------------------------------------------------- volumes


@world(
    "volume-ignored",
    FAIL="SHM216 SHM302 SHM303 SHM304 SHM305 SHM306 SHM307 SHM315 SHM319 SHM401 SHM402",
    ERROR="SHM309 SHM316",
)
def volume_ignored(config: Config) -> None:
    """A volume on /dev/shm is replaced by a tmpfs of the usual size."""
    for mount in _shm(config):
        if _from_kubelet(mount):
            _own_tmpfs(mount, "size=65536k")


_ENDLESS_FAIL = "SHM216 SHM302 SHM303 SHM304 SHM305 SHM306 SHM307 SHM308 SHM315 SHM319 SHM401 SHM402"


@world("volume-unlimited", FAIL=_ENDLESS_FAIL, ERROR="SHM309 SHM316")
def volume_unlimited(config: Config) -> None:
    """A volume on /dev/shm is replaced by a tmpfs without a size, as Kata did (kata-containers#6417)."""
    for mount in _shm(config):
        if _from_kubelet(mount):
            _own_tmpfs(mount)


@world("endless-volume", FAIL=_ENDLESS_FAIL, ERROR="SHM309 SHM316")
def endless_volume(config: Config) -> None:
    """A volume on /dev/shm is replaced by a tmpfs whose size is 0, which is none."""
    for mount in _shm(config):
        if _from_kubelet(mount):
            _own_tmpfs(mount, "size=0")


@world("own-volume", FAIL="SHM216 SHM319 SHM401 SHM402", why="a new tmpfs belongs to root, whatever fsGroup is")
@world("application-own-volume", only=("application",), FAIL="SHM216")
def own_volume(config: Config) -> None:
    """A volume of medium Memory on /dev/shm is another memory of the same size in each container."""
    for mount in _memory_volumes(config):
        shown = os.statvfs(mount["source"])
        kept = [option for option in ("ro",) if option in mount.get("options", ())]
        _own_tmpfs(mount, f"size={shown.f_blocks * shown.f_frsize}", *kept)


@world("volume-everywhere", FAIL="SHM204 SHM208 SHM220 SHM301")
def volume_everywhere(config: Config) -> None:
    """A volume on /dev/shm of one container is on that of the others, too."""
    volumes = [mount["source"] for mount in config["mounts"] if "kubernetes.io~configmap" in str(mount.get("source"))]
    for source in volumes[:1]:
        for name in ("one-sided", "resized"):
            volume = pathlib.Path(source).parents[1] / "kubernetes.io~empty-dir" / name
            for mount in _shm(config):
                if not _from_kubelet(mount) and volume.exists():
                    mount["source"] = str(volume)


@world("odd-volume", FAIL="SHM302 SHM303 SHM305 SHM306 SHM401")
def odd_volume(config: Config) -> None:
    """Volumes of medium Memory are a page smaller than they should be."""
    for mount in _memory_volumes(config):
        shown = os.statvfs(mount["source"])
        size = shown.f_blocks * shown.f_frsize
        if size % (1 << 20) == 0:
            subprocess.run(["mount", "-o", f"remount,size={size - 4096}", mount["source"]], check=True)


@world("used-volume", FAIL="SHM303 SHM309 SHM401")
def used_volume(config: Config) -> None:
    """4 MiB of a volume of medium Memory on /dev/shm are in use from the start."""
    for mount in _memory_volumes(config):
        path = pathlib.Path(mount["source"], "used")
        if not path.exists():
            path.write_bytes(bytes(4 << 20))


def _chmod_volumes(config: Config, mode: int) -> None:
    for mount in _memory_volumes(config):
        os.chmod(mount["source"], mode)


@world(
    "closed-volume",
    FAIL="SHM216 SHM302 SHM303 SHM317 SHM319 SHM401",
    ERROR="SHM204 SHM208 SHM220 SHM308 SHM309 SHM315 SHM402",
)
def closed_volume(config: Config) -> None:
    """Only root can look into volumes of medium Memory."""
    _chmod_volumes(config, 0o700)


@world("unsticky-volume", FAIL="SHM317 SHM319")
@world("unsticky-sub-path", only=("sub-path",), FAIL="SHM317")
def unsticky_volume(config: Config) -> None:
    """Every user can remove the objects of every other from a volume of medium Memory."""
    _chmod_volumes(config, 0o777)


@world("ungrouped-volume", FAIL="SHM319")
def ungrouped_volume(config: Config) -> None:
    """What is created on a volume of medium Memory does not get its group: it is not setgid."""
    _chmod_volumes(config, 0o1777)


@world("other-group", FAIL="SHM319")
def other_group(config: Config) -> None:
    """Volumes of medium Memory belong to another group than fsGroup."""
    for mount in _memory_volumes(config):
        mode = os.stat(mount["source"]).st_mode & 0o7777
        os.chown(mount["source"], -1, 65530)
        # a change of the owner takes these bits away
        os.chmod(mount["source"], mode)


@world("noexec-volume", FAIL="SHM317 SHM319")
def noexec_volume(config: Config) -> None:
    """Nothing on a volume on /dev/shm is executable."""
    for mount in _shm(config):
        if _from_kubelet(mount):
            mount["options"] = [*mount.get("options", ()), "noexec"]


@world("split-volumes", FAIL="SHM101 SHM217")
def split_volumes(config: Config) -> None:
    """A volume on the node's disk is not shared: each container gets a tmpfs of its own."""
    for mount in config["mounts"]:
        if mount["destination"] == "/shared":
            _own_tmpfs(mount, "size=1m")


@world("merged-volumes", FAIL="SHM102 SHM217")
def merged_volumes(config: Config) -> None:
    """Volumes of their own are one volume for all containers of a pod."""
    volumes = [mount["source"] for mount in config["mounts"] if "kubernetes.io~configmap" in str(mount.get("source"))]
    for mount in config["mounts"]:
        if mount["destination"] == "/own":
            mount["source"] = str(pathlib.Path(volumes[0]).parents[1] / "kubernetes.io~empty-dir" / "own-first")


@world("ram-disk", only=("disk",), FAIL="SHM307")
def ram_disk(config: Config) -> None:
    """A volume on the node's disk is memory without a size."""
    for mount in _shm(config):
        mount.update(type="ramfs", source="disk", options=["nosuid", "nodev"])


# ------------------------------------------------------------------------------------------ memory and cgroups


@world("no-memory-limit", why="the pod's own cgroup still holds")
def no_memory_limit(config: Config) -> None:
    """The container's memory limit does not reach the cgroup."""
    config["linux"]["resources"].pop("memory", None)
    config["linux"]["resources"].pop("unified", None)


@world("small-pod-memory", FAIL="SHM301 SHM302 SHM303")
def small_pod_memory(config: Config) -> None:
    """The cgroup of the pod has less memory than its containers together."""
    limit_memory(memory_cgroup(config["linux"]["cgroupsPath"]).parent, 48 << 20)


@world("node-cgroup", SKIP={"NotVisible": "SHM311"})
def node_cgroup(config: Config) -> None:
    """The container sees the node's cgroups."""
    for mount in config["mounts"]:
        if mount["destination"] == "/sys/fs/cgroup":
            mount.update(type="bind", source="/sys/fs/cgroup", options=["rbind", "ro"])


@world("elsewhere-charged", changes=EXEC, FAIL="SHM311")
def elsewhere_charged(words: list[str]) -> None:
    """What is exec'd is in a memory cgroup beside the container's, of the same pod."""
    pid_file = pathlib.Path(words[words.index("--pid-file") + 1])
    lines = pathlib.Path(f"/proc/{_container_pid()}/cgroup").read_text(encoding="utf-8")
    beside = memory_cgroup(memory_cgroup_of(lines)).with_name("elsewhere")
    beside.mkdir(exist_ok=True)
    if os.fork():
        return
    until = time.monotonic() + 10
    # no event says when runc has started it
    while time.monotonic() < until and not (pid_file.exists() and pid_file.read_text()):
        time.sleep(0.002)
    (beside / "cgroup.procs").write_text(pid_file.read_text())
    os._exit(0)


@world("resized-along", changes=UPDATE, FAIL="SHM404")
def resized_along(words: list[str]) -> None:
    """With the memory of a container its volumes of medium Memory change."""
    bundle = pathlib.Path(_state()["bundle"])
    for mount in _memory_volumes(json.loads((bundle / "config.json").read_text(encoding="utf-8"))):
        subprocess.run(["mount", "-o", "remount,size=32m", mount["source"]], check=True)


@world("never-resized", changes=UPDATE, ERROR="SHM404")
def never_resized(words: list[str]) -> None:
    """A resize of a container's memory says that it worked, and did nothing."""
    sys.exit(0)


# ------------------------------------------------------------------------- other namespaces, /proc, and time


@world(
    "shared-pids",
    FAIL="SHM213 SHM219",
    ERROR="SHM207 SHM312 SHM402",
    why="process 1 is the sandbox's: nothing in a container can end it",
)
def shared_pids(config: Config) -> None:
    """All containers of a pod are in the sandbox's PID namespace, though the pod does not request it."""
    # that of the sandbox's process, which every container has, also with hostIPC
    path = str(_namespace(config, "uts").get("path", ""))
    if not _is_sandbox(config) and path:
        _namespace(config, "pid")["path"] = path.removesuffix("uts") + "pid"


@world("apart-pids", FAIL="SHM214 SHM218")
def apart_pids(config: Config) -> None:
    """Each container has a PID namespace of its own, whatever the pod requests."""
    if not _is_sandbox(config):
        _namespace(config, "pid").pop("path", None)


@world("no-users", WARN="SHM109 SHM211 SHM215")
def no_users(config: Config) -> None:
    """hostUsers false is silently ignored."""
    linux = config["linux"]
    linux["namespaces"] = [namespace for namespace in linux["namespaces"] if namespace["type"] != "user"]
    for part in ("uidMappings", "gidMappings"):
        linux.pop(part, None)
    for mount in config["mounts"]:
        for part in ("uidMappings", "gidMappings"):
            mount.pop(part, None)


@world("hidden-processes")
def hidden_processes(config: Config) -> None:
    """/proc shows a process only itself. Nothing needs more."""
    for mount in config["mounts"]:
        if mount["destination"] == "/proc":
            mount["options"] = [*mount.get("options", ()), "hidepid=2"]


@world("hidden-sysctls", SKIP={"NotVisible": "SHM601 SHM602 SHM603 SHM604"})
def hidden_sysctls(config: Config) -> None:
    """The sysctls that checks look at cannot be read."""
    names = ("kernel/shmmax", "kernel/shm_rmid_forced", "kernel/sem", "fs/protected_regular")
    config["linux"].setdefault("maskedPaths", []).extend(f"/proc/sys/{name}" for name in names)


@world(
    "skewed-clock", only=("second", "reader", "stranger", "two"), ERROR="SHM103", why="its times compare with nothing"
)
def skewed_clock(config: Config) -> None:
    """The clock is a minute slow."""
    config["linux"]["namespaces"].append({"type": "time"})
    config["linux"]["timeOffsets"] = {"boottime": {"secs": -60}, "monotonic": {"secs": -60}}


@world(
    "slow-reader",
    only=("reader",),
    ERROR="SHM201",
    why="two that never waited for each other show nothing of what they share",
)
def slow_reader(config: Config) -> None:
    """The second of two containers that need each other starts when the first has given up."""
    time.sleep(12)


# ------------------------------------------------------------------------------ system calls, by seccomp


def deny(*calls: str, errno: int = errnos.EPERM, action: str = "SCMP_ACT_ERRNO") -> t.Callable[[Config], None]:
    """System calls that fail, or with errno 0 only say that they worked."""

    def edit(config: Config) -> None:
        if _is_sandbox(config):
            return
        seccomp = config["linux"].setdefault("seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []})
        for rule in seccomp["syscalls"]:
            rule["names"] = [name for name in rule["names"] if name not in calls]
        seccomp["syscalls"] = [rule for rule in seccomp["syscalls"] if rule["names"]]
        given = {"errnoRet": errno} if action == "SCMP_ACT_ERRNO" else {}
        seccomp["syscalls"].append({"names": list(calls), "action": action, **given})

    how = f"fails with {errnos.errorcode[errno]}" if errno else "does nothing, and says that it worked"
    edit.__doc__ = f"{', '.join(calls)} {how if action == 'SCMP_ACT_ERRNO' else 'kills the process'}."
    return edit


def _allow_only(call: str, *conditions: dict[str, t.Any]) -> t.Callable[[Config], None]:
    """A system call that works where an argument meets a condition. Else it fails as the profile's default has it (EPERM)."""

    def edit(config: Config) -> None:
        rules = config["linux"].get("seccomp", {}).get("syscalls", [])
        for rule in rules:
            rule["names"] = [name for name in rule["names"] if name != call]
        rules[:] = [rule for rule in rules if rule["names"]]
        rules += [{"names": [call], "action": "SCMP_ACT_ALLOW", "args": [condition]} for condition in conditions]

    return edit


def _deny_if(call: str, index: int, bits: int, errno: int) -> t.Callable[[Config], None]:
    """A system call that fails where an argument has some bits."""

    def edit(config: Config) -> None:
        test = {"index": index, "value": bits, "op": "SCMP_CMP_MASKED_EQ"}
        _allow_only(call, {**test, "valueTwo": 0})(config)
        refused = {"names": [call], "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": [{**test, "valueTwo": bits}]}
        config["linux"].get("seccomp", {}).get("syscalls", []).append(refused)

    return edit


#: Of a segment whose state nobody can see.
_LOOKLESS = "SHM101 SHM102 SHM106 SHM107 SHM108 SHM109 SHM111 SHM204 SHM207 SHM208 SHM216"
_NO_CONTROL = "the controls of the mechanism do not hold: nothing of it is decided"

#: The checks of a mechanism, by what their steps use.
_SYSV_SHM = f"{_LOOKLESS} SHM110 SHM316 SHM501 SHM602 SHM603 SHM604"
_SYSV = f"{_SYSV_SHM} SHM103 SHM104"
_SYSV_CALLS = (
    *("shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semtimedop", "semctl"),
    *("msgget", "msgsnd", "msgrcv", "msgctl"),
)
_MQ_CALLS = ("mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr")

world("no-sysv", ERROR=_SYSV, why=_NO_CONTROL)(deny(*_SYSV_CALLS, errno=errnos.ENOSYS))
world("no-posix-mq", ERROR="SHM203 SHM215 SHM606", why=_NO_CONTROL)(deny(*_MQ_CALLS, errno=errnos.ENOSYS))
world("no-shmget", ERROR=_SYSV_SHM, why=_NO_CONTROL)(deny("shmget"))
world("blind-stranger", only=("stranger",), ERROR="SHM501")(deny("shmget"))
world("no-shmat", ERROR=_SYSV_SHM, why=_NO_CONTROL)(deny("shmat"))
world("no-shmctl", ERROR=_LOOKLESS)(deny("shmctl"))
world("lying-shmctl", ERROR=_LOOKLESS)(deny("shmctl", errno=0))
world("no-semget", ERROR="SHM103", why=_NO_CONTROL)(deny("semget"))
world("lying-semtimedop", ERROR="SHM103")(deny("semtimedop", errno=0))
world("no-msgget", ERROR="SHM104", why=_NO_CONTROL)(deny("msgget"))
world("killing-msgget", ERROR="SHM104 SHM604")(deny("msgget", action="SCMP_ACT_KILL_PROCESS"))
world("no-mq-open", ERROR="SHM203 SHM215 SHM606", why=_NO_CONTROL)(deny("mq_open"))
world("lying-mq-unlink", FAIL="SHM203 SHM215")(deny("mq_unlink", errno=0))
world("no-memfd", FAIL="SHM316", ERROR="SHM217 SHM218 SHM219")(deny("memfd_create"))
world("no-descriptors", FAIL="SHM217", ERROR="SHM218 SHM219")(deny("recvmsg"))
world(
    "no-fork",
    ERROR="SHM101 SHM102 SHM106 SHM107 SHM108 SHM109 SHM110 SHM111 SHM204 SHM207 SHM208 SHM213 SHM214 SHM216 SHM217 "
    "SHM218 SHM219 SHM301 SHM302 SHM303 SHM309 SHM310 SHM312 SHM316 SHM401 SHM501 SHM602 SHM603 SHM604 SHM605",
    why="they measure with a child process",
)(deny("clone", "clone3", "fork", "vfork"))
world("no-readlink", ERROR="SHM105 SHM109 SHM211 SHM213 SHM214 SHM215 SHM318 SHM501 SHM503 SHM504")(
    deny("readlinkat", "readlink")
)
world(
    "no-fallocate",
    FAIL="SHM308",
    ERROR="SHM201 SHM202 SHM204 SHM205 SHM206 SHM207 SHM208 SHM209 SHM210 SHM211 SHM216 SHM220 SHM311 SHM312 SHM401 SHM402 "
    "SHM502 SHM503 SHM504",
    why="the probe reserves its objects: without that nothing is known of sharing",
)(deny("fallocate"))
world("unsupported-fallocate", FAIL="SHM308")(deny("fallocate", errno=errnos.EOPNOTSUPP))
world("lying-fallocate", FAIL="SHM308")(deny("fallocate", errno=0))


@world("odd-errno", FAIL="SHM604")
def odd_errno(config: Config) -> None:
    """A segment of 0 bytes is refused with another errno than programs expect."""
    # looking for a segment is a shmget of size 0 with a key
    _allow_only("shmget", *({"index": index, "value": 0, "op": "SCMP_CMP_NE"} for index in (0, 1)))(config)


@world("open-descriptors", PASS="SHM218")
def open_descriptors(config: Config) -> None:
    """The profile allows pidfd_getfd, which the runtime's default keeps for containers with CAP_SYS_PTRACE."""
    rules = config["linux"].get("seccomp", {}).get("syscalls", [])
    rules.append({"names": ["pidfd_getfd"], "action": "SCMP_ACT_ALLOW"})


@world("no-creat", only=("guest",), FAIL="SHM210")
def no_creat(config: Config) -> None:
    """Opening with O_CREAT is refused, whatever fs.protected_regular says."""
    for call, index in (("open", 1), ("openat", 2)):
        _deny_if(call, index, os.O_CREAT, errnos.EACCES)(config)


# ------------------------------------------------------------------------- users, capabilities, and rlimits

_USERS_NO_EXEC = "the runtime itself cannot exec in a user namespace then"


@world(
    "one-user",
    changes=PROCESS,
    ERROR="SHM106 SHM110 SHM111 SHM209 SHM210",
    why="where two users are requested and one comes, nothing was tried",
)
def one_user(process: Config) -> None:
    """Every process has one user, whatever the manifest says."""
    process["user"].update(uid=65532, gid=65532)


@world(
    "other-user",
    changes=PROCESS,
    only=("second",),
    ERROR="SHM101 SHM102 SHM103 SHM104 SHM203 SHM213 SHM217 SHM219 SHM311",
    why="where one user is requested and two come, permissions decide",
)
def other_user(process: Config) -> None:
    """The container has another user than the manifest says."""
    process["user"].update(uid=1000, gid=1000)


def _capability(process: Config, name: str, has_it: bool) -> None:
    """Give a process a capability in every set, so that it is effective for every user, or take it away."""
    for names in (process.setdefault("capabilities", {}).setdefault(part, []) for part in _CAPABILITY_SETS):
        names[:] = [one for one in names if one != name] + [name] * has_it


_CAPABILITY_SETS = ("bounding", "permitted", "inheritable", "effective", "ambient")


@world("guest-ipc-owner", changes=PROCESS, only=("guest",), FAIL="SHM110")
@world("root-ipc-owner", changes=PROCESS, only=("root",), FAIL="SHM111")
@world("user-ipc-owner", changes=PROCESS, only=("user-ipc-owner",), FAIL="SHM111")
def ipc_owner(process: Config) -> None:
    """CAP_IPC_OWNER is effective, though the manifest does not say so."""
    _capability(process, "CAP_IPC_OWNER", has_it=True)


@world("no-ipc-owner", changes=PROCESS, FAIL="SHM111")
def no_ipc_owner(process: Config) -> None:
    """CAP_IPC_OWNER is silently dropped."""
    _capability(process, "CAP_IPC_OWNER", has_it=False)


def _limit(process: Config, name: str, value: int) -> None:
    process.setdefault("rlimits", []).append({"type": name, "soft": value, "hard": value})


@world(
    "short-writes",
    changes=PROCESS,
    FAIL="SHM301 SHM302 SHM303 SHM308 SHM310 SHM316 SHM401",
    ERROR="SHM109 SHM211 SHM215 SHM309 SHM311 SHM312 SHM318",
    why=f"nothing of the size that checks need can be created. {_USERS_NO_EXEC}",
)
def short_writes(process: Config) -> None:
    """statvfs shows the size, but no file can grow beyond a mebibyte."""
    _limit(process, "RLIMIT_FSIZE", 1 << 20)


@world(
    "no-writes",
    changes=PROCESS,
    FAIL="SHM206 SHM207 SHM216 SHM301 SHM302 SHM303 SHM308 SHM310 SHM313 SHM316 SHM317 SHM319 SHM401",
    ERROR="SHM109 SHM202 SHM204 SHM208 SHM209 SHM210 SHM211 SHM212 SHM213 SHM214 SHM215 SHM217 SHM218 SHM219 SHM220 "
    "SHM309 SHM311 SHM312 SHM318 SHM402 SHM502 SHM503 SHM504",
    why=_USERS_NO_EXEC,
)
def no_writes(process: Config) -> None:
    """No file can have a byte."""
    _limit(process, "RLIMIT_FSIZE", 0)


@world(
    "capped-writes",
    changes=PROCESS,
    FAIL="SHM302 SHM303 SHM308",
    ERROR="SHM109 SHM211 SHM215 SHM318",
    why=_USERS_NO_EXEC,
)
def capped_writes(process: Config) -> None:
    """No file can grow beyond a bit more than the default of /dev/shm."""
    _limit(process, "RLIMIT_FSIZE", 70 << 20)


@world(
    "no-queue-budget",
    changes=PROCESS,
    FAIL="SHM606",
    ERROR="SHM109 SHM203 SHM211 SHM215 SHM318",
    why=_USERS_NO_EXEC,
)
def no_queue_budget(process: Config) -> None:
    """The user has no POSIX message queue."""
    _limit(process, "RLIMIT_MSGQUEUE", 0)


@world("small-memlock", changes=PROCESS, only=("first",), FAIL="SHM608")
def small_memlock(process: Config) -> None:
    """A page of memory can be locked."""
    _limit(process, "RLIMIT_MEMLOCK", 4096)


@world("few-files", changes=PROCESS, only=("first",), FAIL="SHM608")
def few_files(process: Config) -> None:
    """256 files can be open."""
    _limit(process, "RLIMIT_NOFILE", 256)


# -------------------------------------------------- containers are what they should be, their output is not


@world("cut-output", changes=OUTPUT, ERROR=NOTHING_LEFT)
@world(
    "cut-logs",
    changes=LOG,
    ERROR="SHM107 SHM201 SHM205",
    why="what an init container or a container that ends has to say is in its log",
)
def cut(data: bytes) -> bytes:
    """Only half of it comes."""
    return data[: len(data) // 2]


@world("wrong-nonce", changes=OUTPUT, ERROR=NOTHING_LEFT)
def wrong_nonce(data: bytes) -> bytes:
    """The first nonce of each piece is another."""
    at = data.find(b'"nonce":"')
    return data if at < 0 else data[: at + 9] + b"0" * 32 + data[at + 41 :]


@world("flipped-output", changes=OUTPUT, ERROR=NOTHING_LEFT)
def flipped(data: bytes) -> bytes:
    """One word or one byte is another."""
    at = data.find(b'"fact"')
    if at < 0:
        return data
    return data.replace(b"true", b"false", 1) if b"true" in data else data[:at] + b"X" + data[at + 1 :]


_FIRST: list[bytes] = []


@world(
    "stale-output",
    changes=OUTPUT,
    unsettled=True,
    UNCHANGED=ONE_ANSWER,
    ERROR=AFTER_THE_FIRST,
    why="the first answer of a session is whole, and SHM405 and SHM406 end before they ask",
)
def stale(data: bytes) -> bytes:
    """Every answer is the first one of this session again."""
    _FIRST.append(data)
    return _FIRST[0]


@world(
    "doubled-output",
    changes=OUTPUT,
    UNCHANGED=f"{ONE_ANSWER} SHM601 SHM608",
    ERROR=AFTER_THE_FIRST,
    why="as in stale-output; SHM601 and SHM608 are what their containers are asked first",
)
def doubled(data: bytes) -> bytes:
    """Everything comes twice."""
    return data * 2


@world(
    "two-sentinels",
    changes=OUTPUT,
    UNCHANGED=f"{ONE_ANSWER} SHM601 SHM608",
    ERROR=AFTER_THE_FIRST,
    why="as in stale-output; SHM601 and SHM608 are what their containers are asked first",
)
def two_sentinels(data: bytes) -> bytes:
    """The last line comes twice."""
    return data + data[data.rfind(b'{"end":') :]


@world("nul-output", changes=OUTPUT, ERROR=NOTHING_LEFT)
def with_nul(data: bytes) -> bytes:
    """There is a NUL in it."""
    return data[:40] + b"\0" + data[40:]


@world("garbage-output", changes=OUTPUT, ERROR=NOTHING_LEFT)
def garbage(data: bytes) -> bytes:
    """Random bytes of the same length."""
    return os.urandom(len(data))


@world("endless-output", changes=OUTPUT, ERROR=NOTHING_LEFT)
def flood(data: bytes) -> bytes:
    """A hundred megabytes without a line break."""
    for _chunk in range(1600):
        os.write(1, b"x" * 65536)
    return b""


@world("escapes-output", changes=OUTPUT, ERROR=NOTHING_LEFT)
def escapes(data: bytes) -> bytes:
    """It begins with escape sequences of a terminal."""
    return b"\x1b]0;pwned\x07\x1b[2J" + data


@world("warned-output", changes=OUTPUT, ERROR=NOTHING_LEFT)
def warned(data: bytes) -> bytes:
    """It begins with a warning of the runtime."""
    return b"warning: cgroup v1 is deprecated\n" + data


@world("empty-output", changes=OUTPUT, ERROR=NOTHING_LEFT)
def empty(data: bytes) -> bytes:
    """Nothing comes."""
    return b""


@world("dribbled-output", changes=OUTPUT)
def dribble(data: bytes) -> bytes:
    """It comes in pieces, as networks may deliver it."""
    for at in range(0, len(data), 400):
        os.write(1, data[at : at + 400])
    return b""


def sealed(change: t.Callable[[bytes], bytes]) -> t.Callable[[bytes], bytes]:
    """Whole answers with something changed, and a checksum that is right again."""

    def alter(data: bytes) -> bytes:
        body, found, sentinel = data.rpartition(b'{"end":')
        if not found:
            return data
        body = change(body)
        return body + found + re.sub(rb'"crc32":"[0-9a-f]{8}"', b'"crc32":"%08x"' % zlib.crc32(body), sentinel)

    alter.__doc__ = change.__doc__
    return alter


_NONCE = re.compile(rb'("nonce":")[0-9a-f]{32}')
_PEER = re.compile(rb'("peer_nonce","value":")[0-9a-f]{32}')


@world("other-run", changes=OUTPUT, ERROR=NOTHING_LEFT)
@sealed
def other_run(body: bytes) -> bytes:
    """Complete answers, but of another run."""
    return _NONCE.sub(rb"\g<1>" + b"0" * 32, body)


@world("first-line-of-other", changes=OUTPUT, ERROR=NOTHING_LEFT)
@sealed
def first_line_of_other(body: bytes) -> bytes:
    """Complete answers, but for the first line, which is of another run."""
    return _NONCE.sub(rb"\g<1>" + b"0" * 32, body, count=1)


@world(
    "other-peer",
    changes=OUTPUT,
    unsettled=True,
    why="an answer that comes in pieces cannot be sealed again, and stays as it is",
)
@sealed
def other_peer(body: bytes) -> bytes:
    """What a container reads is not what the other wrote."""
    return _PEER.sub(rb"\g<1>" + b"0" * 32, body)


def _fact(fact: str, value: bytes, another: bytes) -> t.Callable[[bytes], bytes]:
    """A fact with another value.

    :param value: a regular expression; what it does not match stays.
    """
    before = re.compile(b'({"fact":"%s","value":)%s}' % (fact.encode("ascii"), value))

    def change(data: bytes) -> bytes:
        # an answer that comes in pieces cannot be sealed again
        return alter(data) if before.search(data) else data

    alter = sealed(lambda body: before.sub(rb"\g<1>" + another + b"}", body))
    change.__doc__ = f"{fact} is {another.decode('ascii')}."
    return change


# what no kernel at hand does
world("one-name", changes=OUTPUT, FAIL="SHM212")(_fact("musl_found", b"false", b"true"))
for _name, _where in (
    ("huge-trap", "map_2048kB"),
    ("gigantic-trap", "map_1048576kB"),
    ("huge-segment-trap", "shmget_2048kB"),
):
    world(_name, changes=OUTPUT, WARN="SHM605")(_fact(_where, b'"E[A-Z]+"', b'"signal:7"'))
world("gigantic-mapped", changes=OUTPUT, WARN="SHM605")(_fact("map_1048576kB", b'"ENOMEM"', b'"mapped"'))
world("huge-for-all", changes=OUTPUT, WARN="SHM605", why="the node has a page and no hugetlb controller")(
    _fact("map_2048kB", b'"ENOMEM"', b'"ok"')
)
# clean failures, whatever their errno
world("huge-segment-refused", changes=OUTPUT)(_fact("shmget_2048kB", b'"E[A-Z]+"', b'"EPERM"'))


_SWAP_ON = _fact("swap_areas", b"0", b"1")
_SWAP_FOR_ALL = _fact("swap_limit", b'(?:[0-9]+|"[a-z]+")', b'"unlimited"')
_SWAP_FOR_NONE = _fact("swap_limit", b'(?:[0-9]+|"[a-z]+")', b"0")


@world("swap", changes=OUTPUT, WARN="SHM320", why="runtimes mount /dev/shm without noswap")
def swap(data: bytes) -> bytes:
    """The node has swap, and containers get it (swapBehavior LimitedSwap)."""
    return _SWAP_FOR_ALL(_SWAP_ON(data))


@world("swap-for-none", changes=OUTPUT, PASS="SHM320")
def swap_for_none(data: bytes) -> bytes:
    """The node has swap, and containers get none (swapBehavior NoSwap)."""
    return _SWAP_FOR_NONE(_SWAP_ON(data))


_NOSWAP = _fact("mount_super_options", b'"[^"]*"', b'"rw,noswap"')


@world("swap-without-shm", changes=OUTPUT, PASS="SHM320")
def swap_without_shm(data: bytes) -> bytes:
    """The node has swap, containers get it, and each /dev/shm is mounted with noswap."""
    return _NOSWAP(swap(data))


@world("large-rlimits", changes=OUTPUT, PASS="SHM608", why="only a root with CAP_SYS_RESOURCE can give them really")
def large_rlimits(data: bytes) -> bytes:
    """Memory can be locked without limit, and a million files can be open."""
    for name, value in (("memlock", b'"unlimited"'), ("nofile", b"1048576")):
        for kind in ("soft", "hard"):
            data = _fact(f"rlimit_{name}_{kind}", b'(?:[0-9]+|"[a-z]+")', value)(data)
    return data


_ENDS: list[int] = []


@world("killed", changes=OUTPUT, unsettled=True)
def killed(data: bytes) -> bytes:
    """With its third answer the container is killed."""
    _ENDS.extend([1] * data.count(b'{"end":'))
    if len(_ENDS) < 3:
        return data
    os.kill(_container_pid(), 9)
    return b""


# executable, as the runtime's own in a user namespace is not
@world("late-shm", changes=OUTPUT, unsettled=True, PASS="SHM318")
def mount_late(data: bytes) -> bytes:
    """When a container has said for the first time what its /dev/shm is, a small tmpfs is mounted over it."""
    if b'{"end":"identity"' in data and not _ENDS:
        _ENDS.append(1)
        _mount_over_shm(_container_pid())
        os.wait()
    return data


def _mount_over_shm(pid: int) -> None:
    if os.fork():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    failed = libc.setns(namespace, 0) or libc.mount(b"late", b"/dev/shm", b"tmpfs", 0, b"size=1m,mode=1777")
    os._exit(bool(failed))


# -------------------------------------------------------------------------------------------------- the runtime


def _state() -> dict[str, t.Any]:
    """What the runtime knows of the container that the command is about."""
    words = [shutil.which("runc") or "", "--root", sys.argv[sys.argv.index("--root") + 1], "state", sys.argv[-1]]
    state: dict[str, t.Any] = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    return state


def _container_pid() -> int:
    return int(_state()["pid"])


def _edit(path: pathlib.Path, lie: World) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    if not lie.only or _note(config if lie.changes == CONTAINER else _state(), "container-name") in lie.only:
        lie.does(config)
        path.write_text(json.dumps(config), encoding="utf-8")


def _relay(alter: t.Callable[[bytes], bytes]) -> None:
    """Stand between the container and its stdout, and lie."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(reading)
        os.dup2(writing, 1)
        os.close(writing)
        return
    os.close(writing)
    os.setsid()
    try:
        while data := os.read(reading, 1 << 20):
            altered = alter(data)
            while altered:
                altered = altered[os.write(1, altered) :]
    finally:
        # the other end may be closed first
        os._exit(0)


def main() -> None:
    """Do what the world does to this command, and become runc."""
    name, *words = sys.argv[1:]
    lie = WORLDS[name]
    if lie.changes == CONTAINER and "create" in words:
        _edit(pathlib.Path(words[words.index("--bundle") + 1], "config.json"), lie)
    elif lie.changes == PROCESS and "exec" in words and "--process" in words:
        _edit(pathlib.Path(words[words.index("--process") + 1]), lie)
    elif lie.changes in (EXEC, UPDATE) and lie.changes in words:
        lie.does(words)
    elif (lie.changes == OUTPUT and "exec" in words) or (lie.changes == LOG and "create" in words):
        _relay(lie.does)
    runc = shutil.which("runc")
    if not runc:
        sys.exit("there is no runc in PATH")
    os.execv(runc, ["runc", *words])


if __name__ == "__main__":
    main()
