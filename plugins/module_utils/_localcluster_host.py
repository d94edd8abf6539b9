# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a local cluster takes from its machine and gives back: processes, mounts, interfaces, cgroups, files.

This file is PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import ipaddress
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._localcluster_config import SLOTS, Layout

# Every process of a cluster carries this, and so do the shims and runtimes that containerd starts.
MARK = "PODSHM_CLUSTER"
CAP_SYS_RESOURCE = 24
CGROUPS = "/sys/fs/cgroup"

# What kubelet and containerd make at fixed places, whatever they are told; children before parents.
SHARED_FILES = ("/var/lib/kubelet/device-plugins/kubelet.sock",)
SHARED_FOLDERS = (
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/lib/cni/results",
    "/var/lib/cni",
    "/run/containerd",
)
# What the kubelet sets for the whole machine.
SYSCTLS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


class ClusterError(Exception):
    """One line: which cluster or object, the cause, the remedy."""


class Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def until(self, condition: t.Callable[[], bool], longest_pause: float = 0.2) -> bool:
        """For what cannot be watched: ask again after growing pauses. False when time is up."""
        pause = 0.01
        while not condition():
            if not self.left():
                return False
            time.sleep(min(pause, longest_pause, self.left()))
            pause *= 1.5
        return True


# Files


def write(path: str, content: str | bytes, mode: int = 0o600) -> bool:
    """Replace the file in one step when its content or mode differ. True if it did."""
    data = content.encode() if isinstance(content, str) else content
    file = pathlib.Path(path)
    with contextlib.suppress(FileNotFoundError):
        if file.read_bytes() == data and file.stat().st_mode & 0o777 == mode:
            return False
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "wb") as stream:
        os.fchmod(descriptor, mode)
        stream.write(data)
    temporary.replace(file)
    return True


def read_json(path: str) -> dict[str, t.Any]:
    """The object in the file; empty when there is none or it was cut short."""
    try:
        document = json.loads(pathlib.Path(path).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def last_error(log: str) -> str:
    """The last line of a log that tells of an error, else the last line."""
    try:
        lines = pathlib.Path(log).read_text(errors="replace").strip().splitlines()
    except OSError:
        return "it wrote no log"
    errors = [line for line in lines if re.match(r"[EF]\d{4} ", line) or "error" in line.lower()]
    return (errors or lines or ["its log is empty"])[-1][:400]


def digest(*parts: bytes) -> str:
    result = hashlib.sha256()
    for part in parts:
        result.update(len(part).to_bytes(8, "big") + part)
    return result.hexdigest()


@contextlib.contextmanager
def locked(folder: str) -> t.Iterator[None]:
    """Hold the folder for this process alone. The lock is the folder itself, so that none stays behind."""
    descriptor = _lock(folder)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(folder: str) -> int:
    while True:
        with contextlib.suppress(FileExistsError):
            os.makedirs(folder, mode=0o711)
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Whoever held it before may have removed the folder.
            if os.path.exists(folder) and os.path.samestat(os.stat(folder), os.fstat(descriptor)):
                return descriptor
            os.close(descriptor)


def boot_id() -> str:
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def lacks_sys_resource() -> bool:
    status = pathlib.Path("/proc/self/status").read_text()
    match = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    return match is None or not int(match.group(1), 16) >> CAP_SYS_RESOURCE & 1


# Processes


def start_time(pid: int) -> int | None:
    """When the process started, in ticks since boot; with its id that names it for ever. None if it is gone."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


@dataclasses.dataclass(frozen=True)
class Process:
    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        started = start_time(pid)
        return None if started is None else cls(pid, started)

    def alive(self) -> bool:
        return start_time(self.pid) == self.started


def spawn(argv: t.Sequence[str], log: str, mark: str) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one, with nothing of our surroundings: no terminal, no proxy variables."""
    file = pathlib.Path(log)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if file.exists():
        file.replace(f"{log}.1")
    folder = os.path.dirname(argv[0])
    environment = {"PATH": f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", MARK: mark}
    with file.open("wb") as output:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd="/",
            umask=0o022,
            start_new_session=True,
        )


def end(processes: t.Collection[Process], number: signal.Signals, patience: float) -> None:
    """Signal the processes and wait until they are gone; those that are not get SIGKILL when patience is over."""
    handles: dict[int, Process] = {}
    try:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                handle = os.pidfd_open(process.pid)
                handles[handle] = process
                # The handle may be of a newer process with the same id: look again, now that it is pinned.
                if process.alive():
                    signal.pidfd_send_signal(handle, number)
                else:
                    os.close(handle)
                    del handles[handle]
        waiting = _await_exit(set(handles), patience)
        for handle in waiting:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        for handle in _await_exit(waiting, 10):
            raise ClusterError(f"process {handles[handle].pid} does not end even by SIGKILL: it hangs in the kernel")
    finally:
        for handle in handles:
            os.close(handle)


def _await_exit(handles: set[int], seconds: float) -> set[int]:
    waiting, deadline = set(handles), Deadline(seconds)
    poll = select.poll()
    for handle in waiting:
        poll.register(handle, select.POLLIN)
    while waiting and deadline.left():
        for handle, _event in poll.poll(deadline.left() * 1000):
            poll.unregister(handle)
            waiting.discard(handle)
    return waiting


def marked(mark: str) -> set[int]:
    """Ids of the processes that were started for this cluster, shims and left-over runtimes included.

    :param mark: the cluster's folder.
    """
    wanted = f"{MARK}={mark}".encode()
    # gVisor's sandboxes begin with an empty environment, but are told where their state is.
    state = f"--root={mark}/run/oci/".encode()
    found = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                environment, arguments = (
                    pathlib.Path(entry.path, file).read_bytes().split(b"\0") for file in ("environ", "cmdline")
                )
                if wanted in environment or any(each.startswith(state) for each in arguments):
                    found.add(int(entry.name))
    return found


# Cgroups


def cgroup_parents() -> list[str]:
    """The root of each hierarchy: one on cgroup v2, many on v1 and hybrid."""
    return sorted({target for target, kind in mounts() if kind in ("cgroup", "cgroup2") and _below(target, CGROUPS)})


def _is_v2(parent: str) -> bool:
    return os.path.exists(f"{parent}/cgroup.controllers")


def cgroups_missing(name: str) -> bool:
    return not all(os.path.isdir(f"{parent}/{name}") for parent in cgroup_parents())


def make_cgroups(name: str) -> None:
    for parent in cgroup_parents():
        folder = pathlib.Path(parent, name)
        folder.mkdir(exist_ok=True)
        if _is_v2(parent):
            controllers = pathlib.Path(parent, "cgroup.controllers").read_text().split()
            for controller in controllers:
                # A controller that cannot be passed on is reported by the kubelet if it needs it.
                with contextlib.suppress(OSError):
                    pathlib.Path(parent, "cgroup.subtree_control").write_text(f"+{controller}")
        # A new cpuset of v1 is empty, and no process can enter it.
        for file in ("cpuset.cpus", "cpuset.mems"):
            own = folder / file
            if own.exists() and not _is_v2(parent) and not own.read_text().strip():
                own.write_text(pathlib.Path(parent, file).read_text())


def cgroup_processes(name: str) -> set[int]:
    found: set[int] = set()
    for parent in cgroup_parents():
        for folder, _folders, _files in os.walk(f"{parent}/{name}"):
            with contextlib.suppress(OSError):
                found.update(map(int, pathlib.Path(folder, "cgroup.procs").read_text().split()))
    return found


def remove_cgroups(name: str, deadline: Deadline) -> None:
    for parent in cgroup_parents():
        for folder, _folders, _files in os.walk(f"{parent}/{name}", topdown=False):
            # A cgroup stays busy for a moment after its last process has gone.
            if not deadline.until(lambda folder=folder: _removed(folder)):  # type: ignore[misc]
                raise ClusterError(f"cgroup {folder} stays busy: see which processes are in its cgroup.procs")


def _removed(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


# Mounts


def mounts() -> list[tuple[str, str]]:
    """Mount points and their file system, in the order they were mounted."""
    result = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        target = re.sub(r"\\(\d{3})", lambda match: chr(int(match.group(1), 8)), fields[4])
        result.append((target, fields[fields.index("-") + 1]))
    return result


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def unmount_below(folder: str) -> None:
    """Afterwards nothing is mounted below the folder, so that removing it touches nobody's files."""
    while targets := [target for target, _kind in mounts() if _below(target, folder)]:
        command = ["umount", "--lazy", "--no-canonicalize", *reversed(targets)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise ClusterError(f"cannot unmount below {folder}: {result.stderr.strip().splitlines()[-1]}")


# Network


def ip_json(*arguments: str) -> list[dict[str, t.Any]]:
    result = subprocess.run(["ip", "-json", *arguments], capture_output=True, text=True, check=False)
    return json.loads(result.stdout or "[]") if result.returncode == 0 else []


def ip(*arguments: str) -> None:
    result = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise ClusterError(f"`ip {' '.join(arguments)}` failed: {result.stderr.strip()}")


def bridge_missing(layout: Layout) -> bool:
    links = ip_json("address", "show", "dev", layout.bridge)
    addresses = {address["local"] for link in links for address in link.get("addr_info", [])}
    complete = layout.node_address in addresses and "UP" in links[0]["flags"]
    return not complete or layout.bridge not in bridges(layout.cni_network)


def make_bridge(layout: Layout) -> None:
    if not os.path.exists(f"/sys/class/net/{layout.bridge}"):
        # Without an address of its own a bridge takes one of its ports', and another when that goes.
        ip("link", "add", layout.bridge, "address", f"0a:58:0a:b7:{layout.slot:02x}:01", "type", "bridge")
    ip("link", "set", layout.bridge, "alias", layout.cni_network)
    ip("address", "replace", f"{layout.node_address}/{layout.pod_subnet.prefixlen}", "dev", layout.bridge)
    ip("link", "set", layout.bridge, "up")


def make_tap(name: str, address: str, alias: str) -> None:
    """An interface for a guest. By its alias it goes with the bridge of its cluster."""
    if not os.path.exists(f"/sys/class/net/{name}"):
        ip("tuntap", "add", "dev", name, "mode", "tap")
    ip("link", "set", name, "alias", alias)
    ip("address", "replace", f"{address}/24", "dev", name)
    ip("link", "set", name, "up")


def bridges(cni_network: str) -> list[str]:
    """The bridge of the cluster, found by its alias: also when the record of its slot is lost."""
    aliases = pathlib.Path("/sys/class/net").glob("*/ifalias")
    return [file.parent.name for file in aliases if file.read_text().strip() == cni_network]


def remove_bridge(cni_network: str) -> None:
    for bridge in bridges(cni_network):
        # The ends of the pods' cables go with their network namespaces, but not at once.
        for link in ip_json("link", "show", "master", bridge):
            with contextlib.suppress(ClusterError):
                ip("link", "delete", link["ifname"])
        ip("link", "delete", bridge)


def port_free(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def subnets_in_use(routes: t.Iterable[t.Mapping[str, t.Any]]) -> list[ipaddress.IPv4Network]:
    """The IPv4 networks that the machine has routes to (pure).

    A route to a great range, the default route first of all, does not say that each address in it is in use.
    """
    found = []
    for route in routes:
        with contextlib.suppress(ValueError):
            network = ipaddress.IPv4Network(route["dst"], strict=False)
            if network.prefixlen >= 16:
                found.append(network)
    return found


def free_slot(name: str, taken: t.Collection[int]) -> int:
    """The lowest slot that no cluster has and whose ports, interface and addresses nobody uses."""
    in_use = subnets_in_use(ip_json("-4", "route", "show", "table", "all"))
    for slot in range(SLOTS):
        layout = Layout(name, slot)
        if slot in taken or os.path.exists(f"/sys/class/net/{layout.bridge}"):
            continue
        # The addresses of services are never on a wire.
        if any(each.overlaps(own) for each in in_use for own in (layout.pod_subnet, layout.v2_subnet)):
            continue
        if all(port_free("0.0.0.0", port) for port in layout.ports.values()):
            return slot
    raise ClusterError(
        f"cluster {name}: none of the {SLOTS} sets of ports (from {min(Layout(name, 0).ports.values())}) and subnets "
        f"(from {Layout(name, 0).pod_subnet}) is free; remove a cluster or a route that is not needed"
    )


# What clusters share with the machine


def machine_before() -> dict[str, t.Any]:
    """To be recorded before the first cluster, and put back after the last."""
    return {
        "absent": [path for path in (*SHARED_FILES, *SHARED_FOLDERS) if not os.path.lexists(path)],
        "sysctls": {name: _sysctl(name).read_text().strip() for name in SYSCTLS if _sysctl(name).exists()},
    }


def _sysctl(name: str) -> pathlib.Path:
    return pathlib.Path("/proc/sys", name)


def restore_machine(before: t.Mapping[str, t.Any]) -> None:
    for path in SHARED_FILES:
        if path in before.get("absent", []) and not _listening(path):
            pathlib.Path(path).unlink(missing_ok=True)
    for path in SHARED_FOLDERS:
        # Whatever is in it belongs to somebody else.
        if path in before.get("absent", []):
            with contextlib.suppress(OSError):
                os.rmdir(path)
    for name, value in before.get("sysctls", {}).items():
        if _sysctl(name).read_text().strip() != value:
            _sysctl(name).write_text(value)


def _listening(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0


def remove_strewn(layout: Layout) -> None:
    """Files of this cluster at the places that clusters share."""
    for link in pathlib.Path("/var/log/containers").glob("*"):
        with contextlib.suppress(OSError):
            if os.readlink(link).startswith(layout.path("")):
                link.unlink()
    for file in pathlib.Path("/var/lib/cni/results").glob("*"):
        if re.match(rf"{re.escape(layout.cni_network)}-[0-9a-f]{{64}}-", file.name):
            file.unlink(missing_ok=True)
