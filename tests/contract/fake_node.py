# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node without Kubernetes: kubelet and runtime of the fake cluster, in one program of the standard library.

fake_cluster.py starts it with a socket as standard input, in a folder that holds the folders run and disk. A process per pod
 holds what the pod shares: IPC namespace, volumes, and its own PID namespace, in which each container gets one of its
own. All of it lives in a user namespace and ends with this process, mounts included.

Messages are JSON, one per packet. To the node: a pod, with the socket of the pod. To a pod: its spec as it is now, a
command to run in a container (with its descriptors), or to stop. From a pod: its status, whenever that changes.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import json
import os
import pathlib
import re
import resource
import select
import shutil
import signal
import socket
import time
import typing as t

#: The largest message.
PACKET: t.Final = 131072

#: How many ids a user namespace of a pod has; that of the node has twice as many.
IDS: t.Final = 65536

_NEWNS, _NEWIPC, _NEWUSER, _NEWPID = 0x00020000, 0x08000000, 0x10000000, 0x20000000
_RDONLY, _NOSUID, _NODEV, _REMOUNT, _BIND, _MOVE, _REC, _PRIVATE = 1, 2, 4, 32, 4096, 8192, 16384, 1 << 18
_PDEATHSIG, _DUMPABLE, _CAPBSET_DROP, _NO_NEW_PRIVS = 1, 4, 24, 38
#: capability(7): those that a container of a check adds.
_CAPABILITIES: t.Final = {"IPC_OWNER": 15}

#: RLIMIT_MEMLOCK of containers: the kernel's default.
_LOCKED: t.Final = 8 * 1024**2

#: The node's folder from that of a pod.
_NODE: t.Final = "../.."

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: t.Any) -> None:
    if getattr(_libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {errno.errorcode.get(number, number)}")


def _prctl(option: int, value: int) -> None:
    _call("prctl", option, value, 0, 0, 0)


def _mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    _call(
        "mount", source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None
    )


def _bind(source: str, target: str, read_only: bool = False) -> None:
    _mount(source, target, flags=_BIND | _REC)
    if read_only:
        _mount("none", target, flags=_REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)


def _tmpfs(target: str, size: int) -> None:
    os.makedirs(target)
    _mount("tmpfs", target, "tmpfs", _NOSUID | _NODEV, f"mode=1777,size={size}")


def _become_root() -> None:
    """Take the ids of a user namespace that has just been mapped."""
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _wait_and_exit(child: int) -> t.NoReturn:
    """Keep nothing open, and end as the child does."""
    os.closerange(0, 1024)
    _pid, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def receive(control: socket.socket) -> tuple[dict[str, t.Any], list[int]]:
    """The next message and its descriptors; an empty one if nobody is there any more."""
    data, descriptors, _flags, _address = socket.recv_fds(control, PACKET, 4, socket.MSG_CMSG_CLOEXEC)
    return json.loads(data or "{}"), descriptors


def binary_text(size: int) -> str:
    """How a kubelet reports an amount of memory."""
    units = [(unit, 1024**power) for power, unit in enumerate(("Ki", "Mi", "Gi"), 1) if not size % 1024**power]
    return f"{size // units[-1][1]}{units[-1][0]}" if units else str(size)


def byte_count(amount: str | int) -> int:
    """An amount of memory as a manifest has it."""
    text = str(amount)
    units = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
    return int(text[:-2]) * units[text[-2:]] if text[-2:] in units else int(text)


@dataclasses.dataclass(frozen=True)
class World:
    """What a runtime does differently from an honest one."""

    #: an IPC namespace per container
    own_ipc: bool = False
    #: a tmpfs on /dev/shm per container, where the pod mounts no volume
    own_shm: bool = False
    #: the kernel has one user only (the node was started by an ordinary user)
    one_user: bool = False
    shm_bytes: int = 0


@dataclasses.dataclass
class Container:
    """A container of a pod: as its manifest has it, and what became of it."""

    spec: dict[str, t.Any]
    #: init, main or ephemeral
    kind: str
    pidfd: int = -1
    pid: int = 0
    starts: int = 0
    state: dict[str, t.Any] = dataclasses.field(default_factory=lambda: {"waiting": {"reason": "PodInitializing"}})
    last_state: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def stays(self) -> bool:
        """Whether it is started again when it ends, if the pod is one that restarts."""
        return self.kind == "main" or self.spec.get("restartPolicy") == "Always"

    def status(self) -> dict[str, t.Any]:
        limits = (self.spec.get("resources") or {}).get("limits") or {}
        memory = {"memory": binary_text(byte_count(limits["memory"]))} if "memory" in limits else {}
        return {
            "name": self.name,
            "state": self.state,
            "lastState": self.last_state,
            "restartCount": max(0, self.starts - 1),
            "containerID": f"fake://{self.name}/{self.starts}",
            "resources": {"limits": memory},
        }


class Pod:
    """A pod on the node; runs in a process of its own, from the folder in which the node has its mounts."""

    def __init__(self, control: socket.socket, manifest: dict[str, t.Any], bound: int, world: World) -> None:
        self._control = control
        self._spec: dict[str, t.Any] = manifest["spec"]
        self._generation: int = manifest["metadata"]["generation"]
        self._name: str = manifest["metadata"]["name"]
        self._annotations: dict[str, str] = manifest["metadata"]["annotations"]
        #: what bounds a volume of medium Memory beside its sizeLimit
        self._bound = bound
        self._world = world
        self._sizes: dict[str, int] = {}
        self._conditions: list[dict[str, str]] = []
        self._queue = [Container(one, "init") for one in self._spec.get("initContainers") or ()]
        self._queue += [Container(one, "main") for one in self._spec["containers"]]
        self._containers: list[Container] = []
        self._all = list(self._queue)

    # ------------------------------------------------------------------------------------------------ the sandbox

    def run(self) -> t.NoReturn:
        """Set up what the containers share, and serve until the pod is stopped."""
        folder = pathlib.Path("pods", self._name)
        folder.mkdir(parents=True)
        folder.chmod(0o777)
        if self._spec.get("hostUsers") is False:
            self._own_users()
        _call("unshare", _NEWNS | _NEWPID | (0 if self._spec.get("hostIPC") else _NEWIPC))
        child = os.fork()
        if child:
            _wait_and_exit(child)
        _prctl(_PDEATHSIG, signal.SIGKILL)
        _mount("tmpfs", str(folder), "tmpfs", data="mode=755")
        # paths from here on are relative: the folder of the node can be in one that its users have no access to
        os.chdir(folder)
        os.mkdir("proc")
        _mount("proc", "proc", "proc")
        if self._spec.get("hostIPC"):
            os.mkdir("shm")
            _bind(f"{_NODE}/shm", "shm")
        else:
            _tmpfs("shm", self._world.shm_bytes)
        for one in (self._spec.get("securityContext") or {}).get("sysctls") or ():
            pathlib.Path("proc/sys", one["name"].replace(".", "/")).write_text(one["value"])
        for volume in self._spec["volumes"]:
            self._mount_volume(volume)
        self._own_pids = os.open("proc/self/ns/pid", os.O_RDONLY)
        self._serve()
        os._exit(0)

    def _own_users(self) -> None:
        """Enter a user namespace. A process that stays outside writes its ids: those inside are not allowed to."""
        ready, go = os.pipe()
        pod = os.getpid()
        mapper = os.fork()
        if not mapper:
            os.close(go)
            os.read(ready, 1)
            ids = "0 0 1" if self._world.one_user else f"0 {IDS} {IDS}"
            for kind in ("gid_map", "uid_map"):
                pathlib.Path("proc", str(pod), kind).write_text(ids)
            os._exit(0)
        _call("unshare", _NEWUSER)
        # else its files in /proc are those of a user who is not in the namespace
        _prctl(_DUMPABLE, 1)
        os.close(go)
        os.waitpid(mapper, 0)
        os.close(ready)
        _become_root()

    def _mount_volume(self, volume: dict[str, t.Any]) -> None:
        target = f"volumes/{volume['name']}"
        if "emptyDir" in volume and volume["emptyDir"].get("medium") == "Memory":
            self._sizes[volume["name"]] = self._size(volume)
            _tmpfs(target, self._sizes[volume["name"]])
            group = (self._spec.get("securityContext") or {}).get("fsGroup")
            if group and not self._world.one_user:
                os.chown(target, -1, group)
                os.chmod(target, 0o3777)
            return
        os.makedirs(target)
        if "hostPath" in volume:
            path = volume["hostPath"]["path"]
            _bind(f"{_NODE}/shm" if path == "/dev/shm" else path, target)
        elif "configMap" in volume:
            for file in pathlib.Path(_NODE, "disk", volume["configMap"]["name"]).iterdir():
                shutil.copyfile(file, f"{target}/{file.name}")
                os.chmod(f"{target}/{file.name}", volume["configMap"]["defaultMode"])
        elif "downwardAPI" in volume:
            self._show_annotations(volume)
        else:
            disk = f"{_NODE}/disk/{self._name}.{volume['name']}"
            os.mkdir(disk)
            os.chmod(disk, 0o777)
            _bind(disk, target)

    def _show_annotations(self, volume: dict[str, t.Any]) -> None:
        """Write the files of a downwardAPI volume; each is complete or not there."""
        for item in volume["downwardAPI"]["items"]:
            (name,) = re.findall(r"^metadata\.annotations\['(.*)'\]$", item["fieldRef"]["fieldPath"])
            draft = pathlib.Path(f"volumes/{volume['name']}/..draft")
            draft.write_text(self._annotations[name])
            draft.chmod(0o644)
            draft.rename(draft.with_name(item["path"]))

    def _size(self, volume: dict[str, t.Any]) -> int:
        limit = byte_count(volume["emptyDir"].get("sizeLimit") or 0)
        return min(limit or self._bound, self._bound)

    # ---------------------------------------------------------------------------------------- messages and children

    def _serve(self) -> None:
        self._start_next()
        self._report()
        until = 0.0
        while True:
            running = {one.pidfd: one for one in self._all if one.pid}
            if until and (not running or time.monotonic() > until):
                return
            sources = [*running] if until else [self._control.fileno(), *running]
            ready, _out, _err = select.select(sources, [], [], 0.1 if until else None)
            ended = [running[each] for each in ready if each in running]
            for one in ended:
                self._end(one, restart=not until)
            if self._control.fileno() in ready and not self._read():
                # the probe obeys SIGTERM at once; a kubelet kills after the grace period of one second
                until = time.monotonic() + 1
                for one in running.values():
                    if one.pid:
                        signal.pidfd_send_signal(one.pidfd, signal.SIGTERM)
            if ended:
                self._start_next()
                self._report()

    def _read(self) -> bool:
        """Follow one message; false if it is the one to stop, or nobody is there any more."""
        message, descriptors = receive(self._control)
        if "spec" in message:
            self._annotations = message["annotations"]
            self._change(message["spec"], message["generation"])
        elif "command" in message:
            self._exec(message["container"], message["command"], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return bool(message) and not message.get("stop")

    def _change(self, spec: dict[str, t.Any], generation: int) -> None:
        """Do what a resize or an ephemeral container changed of the spec."""
        self._conditions = []
        for volume in spec["volumes"]:
            name = volume["name"]
            if "downwardAPI" in volume:
                self._show_annotations(volume)
            if name in self._sizes and self._size(volume) != self._sizes[name]:
                flags = _REMOUNT | _NOSUID | _NODEV
                try:
                    _mount("tmpfs", f"volumes/{name}", "tmpfs", flags, f"size={self._size(volume)}")
                    self._sizes[name] = self._size(volume)
                except OSError as error:
                    failed = {"reason": "Error", "message": f"remount of {name}: {error}"}
                    self._conditions = [{"type": "PodResizeInProgress", "status": "True", **failed}]
        specs = {one["name"]: one for kind in ("initContainers", "containers") for one in spec.get(kind) or ()}
        for container in self._all:
            container.spec = specs.get(container.name, container.spec)
        known = {container.name for container in self._all}
        for one in spec.get("ephemeralContainers") or ():
            if one["name"] not in known:
                self._all.append(Container(one, "ephemeral"))
                self._start(self._all[-1])
        self._spec, self._generation = spec, generation
        self._report()

    def _start_next(self) -> None:
        """Start the containers in order: an init container that does not stay must end before the next."""
        while self._queue and not any(one.kind == "init" and not one.stays and one.pid for one in self._all):
            self._start(self._queue.pop(0))

    def _end(self, container: Container, restart: bool) -> None:
        _pid, status = os.waitpid(container.pid, 0)
        os.close(container.pidfd)
        container.pid = 0
        code = os.waitstatus_to_exitcode(status)
        ended = {
            "exitCode": code if code >= 0 else 128 - code,
            "reason": "Error" if code else "Completed",
            "containerID": container.status()["containerID"],
        }
        container.state = {"terminated": ended}
        if restart and container.stays and (self._spec["restartPolicy"] == "Always" or container.kind == "init"):
            container.last_state = container.state
            self._start(container)

    def _report(self) -> None:
        mains = [one.state.get("terminated") for one in self._all if one.kind == "main"]
        phase = "Pending" if self._queue else "Running"
        if all(mains):
            phase = "Failed" if any(ended["exitCode"] for ended in mains if ended) else "Succeeded"
        kinds = {
            "init": "initContainerStatuses",
            "main": "containerStatuses",
            "ephemeral": "ephemeralContainerStatuses",
        }
        status: dict[str, t.Any] = {"phase": phase, "conditions": self._conditions}
        status["observedGeneration"] = self._generation
        for one in self._all:
            status.setdefault(kinds[one.kind], []).append(one.status())
        # nobody needs the status of a pod whose cluster is gone
        with contextlib.suppress(OSError):
            self._control.send(json.dumps(status).encode())

    # ------------------------------------------------------------------------------------------------- containers

    def _start(self, container: Container) -> None:
        container.starts += 1
        path = pathlib.Path(_NODE, "disk", f"{self._name}.{container.name}.log")
        # who follows the log of an earlier start sees its end
        path.unlink(missing_ok=True)
        log = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        # it closes when the command begins
        begun, begins = os.pipe()
        if not self._spec.get("shareProcessNamespace"):
            _call("unshare", _NEWPID)
        container.pid = os.fork()
        if not container.pid:
            os.dup2(log, 1)
            os.dup2(log, 2)
            self._become(container, lambda: self._build_root(container), container.spec["command"])
        # the next one must not be born into it
        _call("setns", self._own_pids, _NEWPID)
        os.close(log)
        os.close(begins)
        os.read(begun, 1)
        os.close(begun)
        container.pidfd = os.pidfd_open(container.pid)
        container.state = {"running": {}}

    def _build_root(self, container: Container) -> None:
        """A root folder with nothing but what the manifest mounts, and what every runtime adds."""
        _call("unshare", _NEWNS | (_NEWIPC if self._world.own_ipc else 0))
        root = f"roots/{container.name}-{container.starts}"
        _tmpfs(root, 65536)
        mounts = {one["mountPath"]: one for one in container.spec.get("volumeMounts") or ()}
        for path in ("/proc", "/dev/mqueue", *(() if "/dev/shm" in mounts or self._world.own_shm else ("/dev/shm",))):
            os.makedirs(root + path)
        for path, one in mounts.items():
            os.makedirs(root + path)
            source = f"volumes/{one['name']}"
            if "subPath" in one:
                mode = os.stat(source).st_mode
                source += f"/{one['subPath']}"
                os.makedirs(source, exist_ok=True)
                os.chmod(source, mode & 0o7777)
            _bind(source, root + path, bool(one.get("readOnly")))
        if "/dev/shm" not in mounts:
            if self._world.own_shm:
                _tmpfs(f"{root}/dev/shm", self._world.shm_bytes)
            else:
                _bind("shm", f"{root}/dev/shm")
        _mount("proc", f"{root}/proc", "proc")
        _mount("mqueue", f"{root}/dev/mqueue", "mqueue")
        os.chdir(root)
        _mount(".", "/", flags=_MOVE)
        os.chroot(".")

    def _exec(self, name: str, command: list[str], descriptors: list[int]) -> None:
        """Run a command in a container.

        :param descriptors: its input and output, its error output, and where its exit code goes, which is closed
            without one if it was killed.
        """
        stream, errors, code = descriptors
        (container,) = (one for one in self._all if one.name == name)
        if os.fork():
            return

        def enter() -> None:
            # only a child gets into a PID namespace
            _call("setns", container.pidfd, _NEWNS | _NEWIPC | _NEWPID)
            child = os.fork()
            if child:
                for descriptor in (stream, errors):
                    os.close(descriptor)
                os.closerange(0, 3)
                _pid, status = os.waitpid(child, 0)
                os.write(code, str(os.waitstatus_to_exitcode(status)).encode())
                os._exit(0)

        os.dup2(stream, 0)
        os.dup2(stream, 1)
        os.dup2(errors, 2)
        self._become(container, enter, command)

    def _become(self, container: Container, enter: t.Callable[[], None], command: list[str]) -> t.NoReturn:
        """Turn this process into one of a container's: in its namespaces, as its user, with no rights beside."""
        try:
            enter()
            os.chdir("/")
            context = container.spec.get("securityContext") or {}
            _prctl(_NO_NEW_PRIVS, 1)
            kept = {_CAPABILITIES[one] for one in (context.get("capabilities") or {}).get("add") or ()}
            last = int(pathlib.Path("/proc/sys/kernel/cap_last_cap").read_text())
            for capability in range(last + 1):
                if capability not in kept:
                    _prctl(_CAPBSET_DROP, capability)
            if not self._world.one_user:
                group = (self._spec.get("securityContext") or {}).get("fsGroup")
                os.setgroups([group] if group else [])
                os.setresgid(*[context["runAsGroup"]] * 3)
                os.setresuid(*[context["runAsUser"]] * 3)
            # as the kernel gives it, whatever this machine has
            locked = min(_LOCKED, resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] % 2**64)
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (locked, locked))
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.execv(command[0], command)
        except BaseException as error:  # noqa: BLE001
            # never back into the loop of the pod
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(128)


def main() -> None:
    """Enter namespaces of the node's own, and start a process per pod."""
    control = socket.socket(fileno=0)
    _call("unshare", _NEWUSER)
    control.send(b"map me")
    world = World(**json.loads(control.recv(PACKET)))
    _become_root()
    _call("unshare", _NEWNS | _NEWIPC | _NEWPID)
    child = os.fork()
    if child:
        _wait_and_exit(child)
    _prctl(_PDEATHSIG, signal.SIGKILL)
    # whatever runs in this PID namespace ends with this process
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _mount("none", "/", flags=_REC | _PRIVATE)
    _mount("tmpfs", "run", "tmpfs", data="mode=755")
    os.mkdir("run/disk")
    _bind("disk", "run/disk")
    os.chdir("run")
    os.mkdir("proc")
    _mount("proc", "proc", "proc")
    _tmpfs("shm", world.shm_bytes)
    control.send(b"ready")
    while True:
        message, descriptors = receive(control)
        if not message:
            return
        if not os.fork():
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            pod = socket.socket(fileno=descriptors[0])
            Pod(pod, message["pod"], message["bound"], dataclasses.replace(world, **message["world"])).run()
        os.close(descriptors[0])


if __name__ == "__main__":
    main()
