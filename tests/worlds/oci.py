# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A runtime that lies: edits a container's config.json before runc sees it, then becomes runc.

containerd calls a wrapper as the BinaryName of a runtime handler: C(exec PYTHON oci.py WORLD "$@"). Pods start normally
in every world; a checker that passes there is worth nothing.
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


def _is_sandbox(config: Config) -> bool:
    return bool(config.get("annotations", {}).get("io.kubernetes.cri.container-type") == "sandbox")


def _shm(config: Config) -> list[dict[str, t.Any]]:
    return [mount for mount in config["mounts"] if mount["destination"] == "/dev/shm"]


def _from_kubelet(mount: dict[str, t.Any]) -> bool:
    """Whether a mount is a volume of the pod, not the sandbox's own."""
    return "kubernetes.io~empty-dir" in str(mount.get("source", ""))


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


def _sandbox_sysctl(config: Config, name: str, value: str) -> None:
    """Set an IPC sysctl of the pod, unless its IPC namespace is the node's or it asks for another value."""
    if _is_sandbox(config) and any(namespace["type"] == "ipc" for namespace in config["linux"]["namespaces"]):
        config["linux"].setdefault("sysctl", {}).setdefault(name, value)


def _note(config: Config, name: str) -> str:
    """What containerd notes of a container: V(sandbox-name) is that of its pod, V(container-name) its own."""
    return str(config.get("annotations", {}).get(f"io.kubernetes.cri.{name}", ""))


def _own_namespace(config: Config, kind: str) -> bool:
    """Whether the container has such a namespace beside the node's."""
    return any(namespace["type"] == kind for namespace in config["linux"]["namespaces"])


def _root() -> pathlib.Path:
    """A folder of this cluster, below which whatever is mounted goes with the cluster."""
    return pathlib.Path(sys.argv[sys.argv.index("--root") + 1]).parent


def _once(path: pathlib.Path, make: t.Callable[[], None]) -> pathlib.Path:
    """Make what all pods of a world have in common."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            make()
    return path


def own_ipc(config: Config) -> None:
    """Each container gets an IPC namespace of its own."""
    if not _is_sandbox(config):
        _namespace(config, "ipc").pop("path", None)


def own_shm(config: Config) -> None:
    """Each container gets a /dev/shm of its own, of the usual size."""
    for mount in _shm(config):
        if not _from_kubelet(mount):
            _own_tmpfs(mount, "size=65536k")


def small_shm(config: Config) -> None:
    """The default is 1 MiB."""
    _remount(config, "size=1m")


def odd_shm(config: Config) -> None:
    """The default is a page larger than it should be."""
    _remount(config, "size=65540k")


def few_inodes(config: Config) -> None:
    """The default has the usual size, but no file fits into it."""
    _remount(config, "nr_inodes=1")


def huge_shm(config: Config) -> None:
    """The default is made of huge pages. Nothing needs to know."""
    _remount(config, "huge=always")


def used_shm(config: Config) -> None:
    """Of the default 60 MiB are used by somebody, from the start."""
    for source in _sandbox_shm(config):
        path = pathlib.Path(source, "used")
        if not path.exists():
            path.write_bytes(bytes(60 << 20))


def disk_shm(config: Config) -> None:
    """The default is a folder on the node's disk."""
    for mount in _shm(config):
        if mount["source"] in _sandbox_shm(config):
            folder = _root() / f"shm-{_note(config, 'sandbox-id')}"
            folder.mkdir(exist_ok=True)
            folder.chmod(0o1777)
            mount["source"] = str(folder)


def squatted_shm(config: Config) -> None:
    """Objects of the run's own names are there before the run makes them, as from an earlier run."""
    found = re.match(r"podshm-([0-9a-f]+)-", _note(config, "sandbox-name"))
    for source in _sandbox_shm(config) if found else ():
        for check in (*range(201, 216), 311, 312, 502):
            for end in ("", "-m"):
                path = pathlib.Path(source, f"podshm-{found[1]}-shm{check}{end}")  # type: ignore[index]
                if not path.exists():
                    path.write_bytes(bytes(512))
                    path.chmod(0o644)


def late_shm(pid: int) -> None:
    """A small tmpfs is mounted over /dev/shm of a container that runs."""
    if os.fork():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    failed = libc.setns(namespace, 0) or libc.mount(b"late", b"/dev/shm", b"tmpfs", 0, b"size=1m,mode=1777")
    os._exit(bool(failed))


def one_shm(config: Config) -> None:
    """Both pods of the scenario V(pair) have one /dev/shm, in IPC namespaces of their own."""

    def make() -> None:
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=1777", "shm", path], check=True)

    if _note(config, "sandbox-name").endswith(("-pair", "-other")):
        path = _root() / f"one-shm-{_note(config, 'sandbox-name').split('-')[1]}"
        for mount in _shm(config):
            if mount["source"] in _sandbox_shm(config):
                mount["source"] = str(_once(path, make))


def volume_everywhere(config: Config) -> None:
    """A volume on /dev/shm of one container is on that of the others, too."""
    volumes = [mount["source"] for mount in config["mounts"] if "kubernetes.io~configmap" in str(mount.get("source"))]
    for source in volumes[:1]:
        for name in ("lonely", "kept"):
            volume = pathlib.Path(source).parents[1] / "kubernetes.io~empty-dir" / name
            for mount in _shm(config):
                if not _from_kubelet(mount) and volume.exists():
                    mount["source"] = str(volume)


def odd_volume(config: Config) -> None:
    """Volumes of medium Memory are a page smaller than they should be."""
    for mount in _shm(config):
        source = pathlib.Path(str(mount["source"]))
        if _from_kubelet(mount) and source.is_mount():
            told = os.statvfs(source)
            size = told.f_blocks * told.f_frsize
            if size % (1 << 20) == 0:
                subprocess.run(["mount", "-o", f"remount,size={size - 4096}", source], check=True)


def small_pod_memory(config: Config) -> None:
    """The cgroup of the pod has less memory than its containers together."""
    parent = pathlib.Path("/sys/fs/cgroup/memory", config["linux"]["cgroupsPath"].lstrip("/")).parent
    limit = parent / "memory.limit_in_bytes"
    if limit.exists() and int(limit.read_text()) > 48 << 20:
        limit.write_text(str(48 << 20))


def hidden_processes(config: Config) -> None:
    """/proc shows a process only itself. Nothing needs more."""
    for mount in config["mounts"]:
        if mount["destination"] == "/proc":
            mount["options"] = [*mount.get("options", ()), "hidepid=2"]


def hidden_sysctls(config: Config) -> None:
    """The sysctls that are looked at cannot be read."""
    names = ("kernel/shmmax", "kernel/shm_rmid_forced", "kernel/sem", "fs/protected_regular")
    config["linux"].setdefault("maskedPaths", []).extend(f"/proc/sys/{name}" for name in names)


def skewed_clock(config: Config) -> None:
    """The clock of each second container is a minute slow."""
    if _note(config, "container-name") in ("second", "reader", "stranger", "two"):
        config["linux"]["namespaces"].append({"type": "time"})
        config["linux"]["timeOffsets"] = {"boottime": {"secs": -60}, "monotonic": {"secs": -60}}


def large_shm(config: Config) -> None:
    """The default is 128 MiB."""
    _remount(config, "size=128m")


def noexec_shm(config: Config) -> None:
    """Nothing can be executed from /dev/shm."""
    for mount in _shm(config):
        mount["options"] = [*mount.get("options", ()), "noexec"]


def readonly_shm(config: Config) -> None:
    """The default /dev/shm cannot be written to."""
    for mount in _shm(config):
        if not _from_kubelet(mount):
            mount["options"] = [option for option in mount.get("options", ()) if option != "rw"] + ["ro"]


def closed_shm(config: Config) -> None:
    """Only root may write to the default /dev/shm."""
    for source in _sandbox_shm(config):
        os.chmod(source, 0o755)


def host_ipc(config: Config) -> None:
    """The host's IPC namespace leaks into the pod."""
    if not _is_sandbox(config):
        config["linux"]["namespaces"].remove(_namespace(config, "ipc"))
        config["linux"].pop("sysctl", None)


def host_shm(config: Config) -> None:
    """The host's /dev/shm leaks into the pod."""
    for mount in _shm(config):
        if not _from_kubelet(mount) and not _is_sandbox(config):
            mount.update(type="bind", source="/dev/shm", options=["rbind", "rw"])


def no_shm(config: Config) -> None:
    """There is no /dev/shm but a directory of the image, or none at all."""
    if not _is_sandbox(config):
        config["mounts"] = [mount for mount in config["mounts"] if mount not in _shm(config) or _from_kubelet(mount)]


def host_path_ignored(config: Config) -> None:
    """A hostPath volume on /dev/shm is a tmpfs of the container's own, as gVisor makes of it."""
    for mount in _shm(config):
        if mount["source"] == "/dev/shm" and any(n["type"] == "ipc" for n in config["linux"]["namespaces"]):
            _own_tmpfs(mount, "size=65536k")


def host_ipc_ignored(config: Config) -> None:
    """hostIPC gives a new IPC namespace, though the node's /dev/shm."""
    if not any(namespace["type"] == "ipc" for namespace in config["linux"]["namespaces"]):
        config["linux"]["namespaces"].append({"type": "ipc"})


def shared_pids(config: Config) -> None:
    """All containers of a pod are in the sandbox's PID namespace, though the pod does not ask for it."""
    # that of the sandbox's process, which every container has, also with hostIPC
    path = str(_namespace(config, "uts").get("path", ""))
    if not _is_sandbox(config) and path:
        _namespace(config, "pid")["path"] = path.removesuffix("uts") + "pid"


def apart_pids(config: Config) -> None:
    """Each container has a PID namespace of its own, whatever the pod asks for."""
    if not _is_sandbox(config):
        _namespace(config, "pid").pop("path", None)


def no_users(config: Config) -> None:
    """hostUsers false is silently ignored."""
    linux = config["linux"]
    linux["namespaces"] = [namespace for namespace in linux["namespaces"] if namespace["type"] != "user"]
    for part in ("uidMappings", "gidMappings"):
        linux.pop(part, None)
    for mount in config["mounts"]:
        for part in ("uidMappings", "gidMappings"):
            mount.pop(part, None)


def no_mqueue(config: Config) -> None:
    """/dev/mqueue is not mounted. Nothing needs it."""
    config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/dev/mqueue"]


def volume_ignored(config: Config) -> None:
    """A volume on /dev/shm is replaced by a tmpfs of the usual size."""
    for mount in _shm(config):
        if _from_kubelet(mount):
            _own_tmpfs(mount, "size=65536k")


def volume_unlimited(config: Config) -> None:
    """A volume on /dev/shm is replaced by a tmpfs without a size, as Kata did (kata-containers#6417)."""
    for mount in _shm(config):
        if _from_kubelet(mount):
            _own_tmpfs(mount)


def short_writes(process: Config) -> None:
    """statvfs shows the size, but no file may grow beyond a mebibyte."""
    process.setdefault("rlimits", []).append({"type": "RLIMIT_FSIZE", "soft": 1 << 20, "hard": 1 << 20})


def no_memory_limit(config: Config) -> None:
    """The container's memory limit does not reach the cgroup."""
    config["linux"]["resources"].pop("memory", None)
    config["linux"]["resources"].pop("unified", None)


def no_sysctls(config: Config) -> None:
    """The pod's sysctls are silently ignored, as gVisor does."""
    config["linux"].pop("sysctl", None)


def rmid_forced(config: Config) -> None:
    """Segments are removed at their last detach, though nobody asked for it."""
    _sandbox_sysctl(config, "kernel.shm_rmid_forced", "1")


def small_sysctls(config: Config) -> None:
    """A System V segment may have a mebibyte."""
    _sandbox_sysctl(config, "kernel.shmmax", str(1 << 20))


def split_volumes(config: Config) -> None:
    """A volume on the node's disk is not shared: each container gets a tmpfs of its own."""
    for mount in config["mounts"]:
        if mount["destination"] == "/shared":
            _own_tmpfs(mount, "size=1m")


def no_writes(process: Config) -> None:
    """No file may have a byte."""
    process.setdefault("rlimits", []).append({"type": "RLIMIT_FSIZE", "soft": 0, "hard": 0})


def capped_writes(process: Config) -> None:
    """No file may grow beyond a bit more than the default of /dev/shm."""
    process.setdefault("rlimits", []).append({"type": "RLIMIT_FSIZE", "soft": 70 << 20, "hard": 70 << 20})


def other_user(process: Config) -> None:
    """The second container has another user than the first."""
    if _state().get("annotations", {}).get("io.kubernetes.cri.container-name") == "second":
        process["user"].update(uid=1000, gid=1000)


def one_user(process: Config) -> None:
    """Whatever user is asked for, it is the same."""
    process["user"].update(uid=65532, gid=65532)


def no_queue_budget(process: Config) -> None:
    """The user may not have any POSIX message queue."""
    process.setdefault("rlimits", []).append({"type": "RLIMIT_MSGQUEUE", "soft": 0, "hard": 0})


def _in(names: t.Container[str], edit: t.Callable[[Config], None]) -> t.Callable[[Config], None]:
    """Only some containers, by name."""
    return lambda config: edit(config) if _note(config, "container-name") in names else None


def _deny(*calls: str, errno: int = 1, action: str = "SCMP_ACT_ERRNO") -> t.Callable[[Config], None]:
    """System calls that fail, or with errno 0 only say that they worked."""

    def edit(config: Config) -> None:
        if _is_sandbox(config):
            return
        seccomp = config["linux"].setdefault("seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []})
        for rule in seccomp["syscalls"]:
            rule["names"] = [name for name in rule["names"] if name not in calls]
        seccomp["syscalls"] = [rule for rule in seccomp["syscalls"] if rule["names"]]
        told = {"errnoRet": errno} if action == "SCMP_ACT_ERRNO" else {}
        seccomp["syscalls"].append({"names": list(calls), "action": action, **told})

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


def odd_errno(config: Config) -> None:
    """A segment of 0 bytes is refused otherwise than programs expect."""
    # looking for a segment is a shmget of size 0 with a key
    _allow_only("shmget", *({"index": index, "value": 0, "op": "SCMP_CMP_NE"} for index in (0, 1)))(config)


def no_creat(config: Config) -> None:
    """The container with another user may not open with O_CREAT, whatever fs.protected_regular says."""
    for call, index in (("open", 1), ("openat", 2)):
        _in(("guest",), _deny_if(call, index, os.O_CREAT, errnos.EACCES))(config)


def unsticky_shm(config: Config) -> None:
    """Everybody may remove anybody's objects from the default /dev/shm."""
    for source in _sandbox_shm(config):
        os.chmod(source, 0o777)


def own_volume(config: Config) -> None:
    """A volume of medium Memory on /dev/shm is another memory of the same size in each container."""
    for mount in _shm(config):
        source = pathlib.Path(str(mount["source"]))
        if _from_kubelet(mount) and source.is_mount():
            told = os.statvfs(source)
            kept = [option for option in ("ro",) if option in mount.get("options", ())]
            _own_tmpfs(mount, f"size={told.f_blocks * told.f_frsize}", *kept)


def used_volume(config: Config) -> None:
    """Of a volume of medium Memory on /dev/shm 4 MiB are used by somebody, from the start."""
    for mount in _shm(config):
        path = pathlib.Path(str(mount["source"]), "used")
        if _from_kubelet(mount) and path.parent.is_mount() and not path.exists():
            path.write_bytes(bytes(4 << 20))


def slow_reader(config: Config) -> None:
    """The second of two containers that need each other starts when the first has given up."""
    time.sleep(12)


def full_shm(config: Config) -> None:
    """Of the default nothing is left, from the start."""
    for source in _sandbox_shm(config):
        path = pathlib.Path(source, "used")
        if not path.exists():
            with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(1 << 20)):
                    pass


def ramfs_shm(config: Config) -> None:
    """The default is memory without any size."""

    def make() -> None:
        path.mkdir()
        subprocess.run(["mount", "-t", "ramfs", "shm", path], check=True)
        path.chmod(0o1777)

    path = _root() / f"ramfs-{_note(config, 'sandbox-id')}"
    for mount in _shm(config):
        if mount["source"] in _sandbox_shm(config) and not _own_namespace(config, "user"):
            mount["source"] = str(_once(path, make))


def endless_volume(config: Config) -> None:
    """A volume on /dev/shm is a tmpfs whose size is 0, which is none."""
    for mount in _shm(config):
        if _from_kubelet(mount):
            _own_tmpfs(mount, "size=0")


def closed_volume(config: Config) -> None:
    """Only root may look into volumes of medium Memory."""
    for mount in _shm(config):
        source = pathlib.Path(str(mount["source"]))
        if _from_kubelet(mount) and source.is_mount():
            source.chmod(0o700)


def ram_disk(config: Config) -> None:
    """A volume on the node's disk is memory without a size."""
    for mount in _shm(config):
        mount.update(type="ramfs", source="disk", options=["nosuid", "nodev"])


def node_cgroup(config: Config) -> None:
    """The container sees the node's cgroups."""
    for mount in config["mounts"]:
        if mount["destination"] == "/sys/fs/cgroup":
            mount.update(type="bind", source="/sys/fs/cgroup", options=["rbind", "ro"])


WORLDS: dict[str, t.Callable[[Config], None]] = {
    "own-ipc": own_ipc,
    "own-shm": own_shm,
    "small-shm": small_shm,
    "odd-shm": odd_shm,
    "large-shm": large_shm,
    "noexec-shm": noexec_shm,
    "readonly-shm": readonly_shm,
    "closed-shm": closed_shm,
    "host-ipc": host_ipc,
    "host-shm": host_shm,
    "no-shm": no_shm,
    "no-mqueue": no_mqueue,
    "volume-ignored": volume_ignored,
    "volume-unlimited": volume_unlimited,
    "no-memory-limit": no_memory_limit,
    "no-sysctls": no_sysctls,
    "rmid-forced": rmid_forced,
    "small-sysctls": small_sysctls,
    "host-path-ignored": host_path_ignored,
    "host-ipc-ignored": host_ipc_ignored,
    "shared-pids": shared_pids,
    "apart-pids": apart_pids,
    "no-users": no_users,
    "split-volumes": split_volumes,
    "no-shmget": _deny("shmget"),
    "no-semget": _deny("semget"),
    "no-msgget": _deny("msgget"),
    "no-mq-open": _deny("mq_open"),
    "no-fork": _deny("clone", "clone3", "fork", "vfork"),
    "no-memfd": _deny("memfd_create"),
    "no-fallocate": _deny("fallocate"),
    "lying-semtimedop": _deny("semtimedop", errno=0),
    "lying-shmctl": _deny("shmctl", errno=0),
    "lying-mq-unlink": _deny("mq_unlink", errno=0),
    "lying-fallocate": _deny("fallocate", errno=0),
    "few-inodes": few_inodes,
    "huge-shm": huge_shm,
    "used-shm": used_shm,
    "disk-shm": disk_shm,
    "squatted-shm": squatted_shm,
    "one-shm": one_shm,
    "volume-everywhere": volume_everywhere,
    "odd-volume": odd_volume,
    "small-pod-memory": small_pod_memory,
    "hidden-processes": hidden_processes,
    "hidden-sysctls": hidden_sysctls,
    "skewed-clock": skewed_clock,
    "odd-errno": odd_errno,
    "no-creat": no_creat,
    "unsticky-shm": unsticky_shm,
    "slow-reader": _in(("reader",), slow_reader),
    "full-shm": full_shm,
    "ramfs-shm": ramfs_shm,
    "no-shmctl": _deny("shmctl"),
    "no-shmat": _deny("shmat"),
    "unsupported-fallocate": _deny("fallocate", errno=errnos.EOPNOTSUPP),
    "blind-stranger": _in(("stranger",), _deny("shmget")),
    "killing-msgget": _deny("msgget", action="SCMP_ACT_KILL_PROCESS"),
    "no-readlink": _deny("readlinkat", "readlink"),
    "endless-volume": endless_volume,
    "closed-volume": closed_volume,
    "some-own-ipc": _in(("memory", "limited"), own_ipc),
    "sidecar-own-ipc": _in(("beside",), own_ipc),
    "debug-own-ipc": _in(("debug",), own_ipc),
    "init-own-shm": _in(("earlier",), own_shm),
    "guest-own-shm": _in(("guest",), own_shm),
    "ram-disk": _in(("disk",), ram_disk),
    "readonly-guest": _in(("guest",), readonly_shm),
    "node-cgroup": node_cgroup,
    "own-volume": own_volume,
    "used-volume": used_volume,
}


#: Worlds that do it to what is exec'd.
EXEC: dict[str, t.Callable[[Config], None]] = {
    "short-writes": short_writes,
    "one-user": one_user,
    "no-queue-budget": no_queue_budget,
    "no-writes": no_writes,
    "capped-writes": capped_writes,
    "other-user": other_user,
}


def _elsewhere_charged(words: list[str]) -> None:
    """What is exec'd is in the pod's memory cgroup, not in the container's."""
    told = pathlib.Path(words[words.index("--pid-file") + 1])
    parent = pathlib.Path("/sys/fs/cgroup/memory", _memory_cgroup(_container_pid())).parent
    if os.fork():
        return
    until = time.monotonic() + 10
    # nobody tells when runc has started it
    while time.monotonic() < until and not (told.exists() and told.read_text()):
        time.sleep(0.002)
    (parent / "cgroup.procs").write_text(told.read_text())
    os._exit(0)


def _memory_cgroup(pid: int) -> str:
    """Where the memory of a process is charged, on cgroup v1."""
    lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    return next(line.split(":")[2].lstrip("/") for line in lines if line.split(":")[1] == "memory")


def _resized_along(words: list[str]) -> None:
    """With the memory of a container its volumes of medium Memory change."""
    bundle = pathlib.Path(_state()["bundle"])
    for mount in _shm(json.loads((bundle / "config.json").read_text(encoding="utf-8"))):
        if _from_kubelet(mount) and pathlib.Path(mount["source"]).is_mount():
            subprocess.run(["mount", "-o", "remount,size=32m", mount["source"]], check=True)


#: Worlds that do something beside a command of the runtime: the command, and what.
BESIDE: dict[str, tuple[str, t.Callable[[list[str]], None]]] = {
    "elsewhere-charged": ("exec", _elsewhere_charged),
    "resized-along": ("update", _resized_along),
    "never-resized": ("update", lambda words: sys.exit(0)),
}


#: Worlds whose containers are what they should be, but whose output on the way is not.
def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _wrong_nonce(data: bytes) -> bytes:
    at = data.find(b'"nonce":"')
    return data if at < 0 else data[: at + 9] + b"0" * 32 + data[at + 41 :]


def _flip(data: bytes) -> bytes:
    at = data.find(b'"fact"')
    return (
        data if at < 0 else data.replace(b"true", b"false", 1) if b"true" in data else data[:at] + b"X" + data[at + 1 :]
    )


_FIRST: list[bytes] = []


def _stale(data: bytes) -> bytes:
    """Every answer is the first one of this session again."""
    _FIRST.append(data)
    return _FIRST[0]


def _flood(data: bytes) -> bytes:
    """A hundred megabytes without a line break."""
    for _chunk in range(1600):
        os.write(1, b"x" * 65536)
    return b""


def _dribble(data: bytes) -> bytes:
    """In pieces, as networks may deliver it."""
    for at in range(0, len(data), 400):
        os.write(1, data[at : at + 400])
    return b""


def _sealed(change: t.Callable[[bytes], bytes]) -> t.Callable[[bytes], bytes]:
    """Whole answers with something changed, and a checksum that is right again."""

    def alter(data: bytes) -> bytes:
        body, found, sentinel = data.rpartition(b'{"end":')
        if not found:
            return data
        body = change(body)
        return body + found + re.sub(rb'"crc32":"[0-9a-f]{8}"', b'"crc32":"%08x"' % zlib.crc32(body), sentinel)

    return alter


_NONCE = re.compile(rb'("nonce":")[0-9a-f]{32}')
_PEER = re.compile(rb'("peer_nonce","value":")[0-9a-f]{32}')


def _other_run(data: bytes) -> bytes:
    """Complete answers, but of another run."""
    return _sealed(lambda body: body)(_NONCE.sub(rb"\g<1>" + b"0" * 32, data))


def _told(fact: str, one: bytes, other: bytes) -> t.Callable[[bytes], bytes]:
    """A fact that is told otherwise."""
    record = b'{"fact":"%s","value":%s}'
    before, after = (record % (fact.encode("ascii"), value) for value in (one, other))
    change = _sealed(lambda body: body.replace(before, after))
    # an answer that comes in pieces cannot be sealed anew
    return lambda data: change(data) if before in data else data


_ENDS: list[int] = []


def _state() -> dict[str, t.Any]:
    """What the runtime knows of the container that the command is about."""
    words = [shutil.which("runc") or "", "--root", sys.argv[sys.argv.index("--root") + 1], "state", sys.argv[-1]]
    state: dict[str, t.Any] = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    return state


def _container_pid() -> int:
    return int(_state()["pid"])


def _kill(data: bytes) -> bytes:
    """With its third answer the container is killed."""
    _ENDS.extend([1] * data.count(b'{"end":'))
    if len(_ENDS) < 3:
        return data
    os.kill(_container_pid(), 9)
    return b""


def _mount_late(data: bytes) -> bytes:
    """When a container has said for the first time what its /dev/shm is, it gets another."""
    if b'{"end":"identity"' in data and not _ENDS:
        _ENDS.append(1)
        late_shm(_container_pid())
        os.wait()
    return data


TAMPER: dict[str, t.Callable[[bytes], bytes]] = {
    "cut-output": _cut,
    "wrong-nonce": _wrong_nonce,
    "flipped-output": _flip,
    "stale-output": _stale,
    "other-run": _other_run,
    "first-line-of-other": _sealed(lambda body: _NONCE.sub(rb"\g<1>" + b"0" * 32, body, count=1)),
    "doubled-output": lambda data: data * 2,
    "two-sentinels": lambda data: data + data[data.rfind(b'{"end":') :],
    "nul-output": lambda data: data[:40] + b"\0" + data[40:],
    "garbage-output": lambda data: os.urandom(len(data)),
    "endless-output": _flood,
    "escapes-output": lambda data: b"\x1b]0;pwned\x07\x1b[2J" + data,
    "warned-output": lambda data: b"warning: cgroup v1 is deprecated\n" + data,
    "empty-output": lambda data: b"",
}

#: Such worlds that leave something to decide.
PARTLY: dict[str, t.Callable[[bytes], bytes]] = {
    "dribbled-output": _dribble,
    "other-peer": _sealed(lambda body: _PEER.sub(rb"\g<1>" + b"0" * 32, body)),
    "killed": _kill,
    # what no kernel at hand can be made to do
    "one-name": _told("musl_found", b"false", b"true"),
    "huge-trap": _told("stopped_by", b'"ENOMEM"', b'"signal:7"'),
    "late-shm": _mount_late,
}

#: Worlds that do it to the output of a container's own command, its log.
LOGS: dict[str, t.Callable[[bytes], bytes]] = {"cut-logs": _cut}


def _relay(tamper: t.Callable[[bytes], bytes]) -> None:
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
            altered = tamper(data)
            while altered:
                altered = altered[os.write(1, altered) :]
    finally:
        # who reads may leave first
        os._exit(0)


def main() -> None:
    """Edit the bundle of a C(create), or the output of an C(exec), and hand over."""
    world, *words = sys.argv[1:]
    for command, option, name, edits in (
        ("create", "--bundle", "config.json", WORLDS),
        ("exec", "--process", "", EXEC),
    ):
        if command in words and option in words and world in edits:
            path = pathlib.Path(words[words.index(option) + 1], name)
            config = json.loads(path.read_text(encoding="utf-8"))
            edits[world](config)
            path.write_text(json.dumps(config), encoding="utf-8")
    if world in BESIDE and BESIDE[world][0] in words:
        BESIDE[world][1](words)
    for command, tampers in (("exec", {**TAMPER, **PARTLY}), ("create", LOGS)):
        if command in words and world in tampers:
            _relay(tampers[world])
    runc = shutil.which("runc")
    if not runc:
        sys.exit("there is no runc in PATH")
    os.execv(runc, ["runc", *words])


if __name__ == "__main__":
    main()
