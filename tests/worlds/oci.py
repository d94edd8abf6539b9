# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A runtime that lies: edits a container's config.json before runc sees it, then becomes runc.

containerd calls a wrapper as the BinaryName of a runtime handler: C(exec PYTHON oci.py WORLD "$@"). Pods start normally
in every world; a checker that passes there is worth nothing.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

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
    path = str(_namespace(config, "ipc").get("path", ""))
    if not _is_sandbox(config) and path:
        _namespace(config, "pid")["path"] = path.removesuffix("ipc") + "pid"


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


def _deny(*calls: str) -> t.Callable[[Config], None]:
    def edit(config: Config) -> None:
        if _is_sandbox(config):
            return
        seccomp = config["linux"].setdefault("seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []})
        for rule in seccomp["syscalls"]:
            rule["names"] = [name for name in rule["names"] if name not in calls]
        seccomp["syscalls"] = [rule for rule in seccomp["syscalls"] if rule["names"]]
        seccomp["syscalls"].append({"names": list(calls), "action": "SCMP_ACT_ERRNO", "errnoRet": 1})

    return edit


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
}


#: Worlds that do it to what is exec'd.
EXEC: dict[str, t.Callable[[Config], None]] = {"short-writes": short_writes}


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


TAMPER: dict[str, t.Callable[[bytes], bytes]] = {
    "cut-output": _cut,
    "wrong-nonce": _wrong_nonce,
    "flipped-output": _flip,
    "stale-output": _stale,
    "doubled-output": lambda data: data * 2,
    "nul-output": lambda data: data[:40] + b"\0" + data[40:],
    "garbage-output": lambda data: os.urandom(len(data)),
    "endless-output": lambda data: b"x" * (4 << 20),
    "escapes-output": lambda data: b"\x1b]0;pwned\x07\x1b[2J" + data,
    "empty-output": lambda data: b"",
}


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
    while data := os.read(reading, 1 << 20):
        altered = tamper(data)
        while altered:
            altered = altered[os.write(1, altered) :]
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
    if "exec" in words and world in TAMPER:
        _relay(TAMPER[world])
    runc = shutil.which("runc")
    if not runc:
        sys.exit("there is no runc in PATH")
    os.execv(runc, ["runc", *words])


if __name__ == "__main__":
    main()
