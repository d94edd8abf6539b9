# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster without Kubernetes: what a run uses of `_kube.client.Cluster`, with this machine as its one node (fake_node.py)."""

from __future__ import annotations

import base64
import collections
import collections.abc
import contextlib
import copy
import dataclasses
import json
import os
import pathlib
import platform
import secrets
import select
import socket
import subprocess
import sys
import threading
import time
import typing as t

import fake_node
import websocket

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import errors
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.exec import Session
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.log import LogSession
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason

Object: t.TypeAlias = "dict[str, t.Any]"

ARCHITECTURES: t.Final = {"x86_64": "amd64", "aarch64": "arm64", "riscv64": "riscv64", "s390x": "s390x"}
ALLOCATABLE: t.Final = 1024 * MIB

#: The size of /dev/shm that the fake runtime gives to pods.
SHM_BYTES: t.Final = 12 * MIB

#: How long (seconds) anything in here waits for the node.
_PATIENCE: t.Final = 10

#: How often (seconds) to look whether a log has grown.
_TURN: t.Final = 0.01


class Unable(Exception):
    """This machine cannot be a node, and why."""


class Node:
    """The node of a fake cluster, until it is closed.

    :param folder: on a disk, for what is not in memory.
    :raises Unable: the kernel does not let this user have the namespaces.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        if platform.system() != "Linux" or platform.machine() not in ARCHITECTURES:
            raise Unable(f"the probe is not built for {platform.system()} on {platform.machine()}")
        self.folder = folder
        #: an ordinary user cannot give a namespace more users than one
        self.one_user = os.geteuid() != 0
        # users of the node's own: what the kernel counts per user, it does not count for anybody else
        first = os.geteuid() if self.one_user else 1_000_000_000 + secrets.randbelow(8192) * 2 * fake_node.IDS
        self._prepare(first)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_PATIENCE)
        self._log = folder / "log"
        with theirs, self._log.open("wb") as log:
            # its working folder: paths to it can lead through folders that the node's users have no access to
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", fake_node.__file__], cwd=folder, stdin=theirs.fileno(), stderr=log
            )
        try:
            self._expect(b"map me")
            self._map_users(first)
            world = {"one_user": self.one_user, "shm_bytes": SHM_BYTES}
            self._control.send(json.dumps(world).encode())
            self._expect(b"ready")
        except BaseException:
            self.close()
            raise

    def _prepare(self, user: int) -> None:
        paths = [self.folder / "run", self.folder / "disk"]
        for path in paths:
            path.mkdir()
        for path in (self.folder, *paths):
            os.chown(path, user, -1)
            path.chmod(0o777)

    def _expect(self, message: bytes) -> None:
        if self._control.recv(100) != message:
            self.process.wait(_PATIENCE)
            lines = self.errors().splitlines()
            raise Unable(f"no namespaces for this user: {lines[-1] if lines else 'the node ended'}")

    def _map_users(self, first: int) -> None:
        proc = pathlib.Path("/proc", str(self.process.pid))
        count = 1 if self.one_user else 2 * fake_node.IDS
        try:
            if self.one_user:
                (proc / "setgroups").write_text("deny")
            (proc / "uid_map").write_text(f"0 {first} {count}")
            (proc / "gid_map").write_text(f"0 {os.getegid() if self.one_user else first} {count}")
        except OSError as error:
            raise Unable(f"no users for a namespace: {error}") from None

    def start(self, manifest: Object, bound: int, world: dict[str, bool]) -> socket.socket:
        """Start a pod; returns the socket that its status comes from."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        message = json.dumps({"pod": manifest, "bound": bound, "world": world})
        with theirs:
            socket.send_fds(self._control, [message.encode()], [theirs.fileno()])
        return ours

    def errors(self) -> str:
        """What went wrong on it; nothing, if it is as it should be."""
        return self._log.read_text("utf-8")

    def close(self) -> None:
        """End it. With it, by its PID namespace, everything that ran on it ends."""
        self._control.close()
        try:
            self.process.wait(_PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()


class Wire:
    """The WebSocket of an exec, as `_kube.exec.Session` uses one, over the descriptors of the command itself.

    :param stream: its input and output.
    :param stderr: its error output.
    :param code: its exit code, as text; nothing if it was killed.
    """

    subprotocol = "v5.channel.k8s.io"

    def __init__(self, stream: socket.socket, stderr: int, code: int) -> None:
        self._stream = stream
        self._stderr = stderr
        self._code = code
        self._open = {stream.fileno(), stderr}
        self._ended = False
        self._seconds: float | None = None

    def settimeout(self, seconds: float) -> None:
        self._seconds = seconds

    def send_binary(self, frame: bytes) -> None:
        if frame == bytes([255, 0]):
            self._stream.shutdown(socket.SHUT_WR)
        elif frame[0] == 0:
            self._stream.sendall(frame[1:])
        else:
            raise AssertionError(f"nobody reads the channel of {frame[:10]!r}")

    def recv_data(self) -> tuple[int, bytes]:
        """The next frame: the channel, and what the command wrote to it; at its end the status, then a close."""
        while self._open:
            ready, _out, _err = select.select([*self._open], [], [], self._seconds)
            if not ready:
                raise websocket.WebSocketTimeoutException("nothing came")
            for descriptor in ready:
                # the reset of a command that ended before it had read everything
                with contextlib.suppress(ConnectionResetError):
                    data = b""
                    data = os.read(descriptor, 65536)
                if data:
                    return websocket.ABNF.OPCODE_BINARY, bytes([2 if descriptor == self._stderr else 1]) + data
                self._open.remove(descriptor)
        if self._ended:
            return websocket.ABNF.OPCODE_CLOSE, b""
        self._ended = True
        return websocket.ABNF.OPCODE_BINARY, b"\x03" + json.dumps(self._status()).encode()

    def _status(self) -> Object:
        code = os.read(self._code, 20).decode()
        if code == "0":
            return {"status": "Success"}
        ending = f"command terminated with exit code {code}" if code else "the container is gone"
        return {"status": "Failure", "message": ending}

    def close(self, timeout: int = 0) -> None:
        self.abort()

    def release(self) -> None:
        """Close the descriptors, when no thread is left that uses them."""
        self._stream.close()
        os.close(self._stderr)
        os.close(self._code)

    def abort(self) -> None:
        # a thread that waits in a read wakes up
        with contextlib.suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)


@dataclasses.dataclass
class RunningPod:
    """A pod that was created: as it is stored, and the socket of its sandbox."""

    stored: Object
    control: socket.socket


class FakeCluster:
    """The API server of the fake cluster.

    :param node: where its pods run.
    :param old_kubernetes: it knows no more than Kubernetes 1.28.
    :param world: what the runtime does differently from an honest one: fields of `fake_node.World`.
    """

    server = "https://fake"

    def __init__(self, node: Node, old_kubernetes: bool = False, **world: bool) -> None:
        self.until = 0.0
        self.stopping = threading.Event()
        self.retries: collections.Counter[str] = collections.Counter()
        #: when it was last heard of
        self.heard = 0.0
        self._node = node
        self._old = old_kubernetes
        self._world = world
        self._objects: dict[tuple[str, str], Object] = {}
        self._pods: dict[str, RunningPod] = {}
        #: of the watch: version, type, pod
        self._events: list[tuple[int, str, Object]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._wires: list[Wire] = []
        #: how often the kubelet was restarted
        self._restarts = 0

    def close(self) -> None:
        """End the threads that follow it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for wire in self._wires:
            wire.release()

    def restart_kubelet(self) -> None:
        """Do what is seen of it from outside: every connection through it ends."""
        self._restarts += 1
        for wire in list(self._wires):
            wire.abort()

    # ------------------------------------------------------------------------------------------------- objects

    def version(self) -> str:
        return "v1.0.0"

    def runtime_class(self, name: str) -> None:
        return None

    def uid(self) -> str:
        return "fake"

    def nodes(self) -> list[Object]:
        return [
            {
                "metadata": {"name": "fake"},
                "status": {
                    "nodeInfo": {
                        "operatingSystem": "linux",
                        "architecture": ARCHITECTURES[platform.machine()],
                        "containerRuntimeVersion": "fake://1",
                        "kernelVersion": platform.release(),
                        "kubeletVersion": "v1.37.0",
                    },
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "allocatable": {"memory": str(ALLOCATABLE), "cpu": "8", "pods": "110"},
                    "images": [{"names": ["registry.k8s.io/pause:3.10"], "sizeBytes": 1}],
                },
            }
        ]

    def node(self, name: str) -> Object:
        return self.nodes()[0]

    def node_now(self, name: str) -> Object:
        return self.nodes()[0]

    def lease(self, node: str) -> str:
        return ""

    def create(self, manifest: Object, dry_run: bool = False) -> Object:
        stored = copy.deepcopy(manifest)
        stored["metadata"] |= {"uid": secrets.token_hex(8), "generation": 1}
        if stored["kind"] == "Pod":
            _require_valid(stored)
            if self._old:
                stored["spec"].pop("hostUsers", None)
                for container in stored["spec"]["initContainers"]:
                    container.pop("restartPolicy", None)
        if dry_run:
            return stored
        with self._changed:
            self._objects[stored["kind"], stored["metadata"]["name"]] = stored
        if stored["kind"] == "ConfigMap":
            folder = self._node.folder / "disk" / stored["metadata"]["name"]
            folder.mkdir()
            for name, data in stored["binaryData"].items():
                (folder / name).write_bytes(base64.b64decode(data))
        if stored["kind"] == "Pod":
            self._start(stored)
        return copy.deepcopy(stored)

    def _start(self, stored: Object) -> None:
        stored["status"] = {"phase": "Pending"}
        # the scheduler
        (term,) = stored["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
            "nodeSelectorTerms"
        ]
        stored["spec"]["nodeName"] = term["matchFields"][0]["values"][0]
        bound = min(pod_memory_limit(stored["spec"]) or ALLOCATABLE, ALLOCATABLE)
        pod = RunningPod(stored, self._node.start(stored, bound, self._world))
        with self._changed:
            self._pods[stored["metadata"]["name"]] = pod
            self._announce("ADDED", stored)
        threading.Thread(target=self._follow, args=[pod], name=f"pod {stored['metadata']['name']}", daemon=True).start()

    def _follow(self, pod: RunningPod) -> None:
        """Take over the status that the pod reports, until its sandbox is gone."""
        # the reset of a pod that ended before it had read everything
        with contextlib.suppress(ConnectionResetError):
            while data := pod.control.recv(fake_node.PACKET):
                with self._changed:
                    pod.stored["status"] = json.loads(data)
                    self._announce("MODIFIED", pod.stored)
        pod.control.close()
        with self._changed:
            name = pod.stored["metadata"]["name"]
            del self._pods[name], self._objects["Pod", name]
            self._announce("DELETED", pod.stored)

    def _announce(self, kind: str, pod: Object) -> None:
        version = len(self._events) + 1
        pod["metadata"]["resourceVersion"] = str(version)
        self._events.append((version, kind, copy.deepcopy(pod)))
        self._changed.notify_all()

    def patch(self, pod: str, subresource: str, patch: Object) -> Object:
        """Merge as strategic merge patches of a pod do: lists of objects with a name by that name."""
        if self._old and subresource == "resize":
            subject = errors.describe_pod("fake", pod)
            raise errors.failed_request(404, "the server could not find the requested resource", subject, subresource)
        with self._changed:
            running = self._pods[pod]
            before = copy.deepcopy(running.stored["spec"])
            _merge(running.stored, patch)
            if running.stored["spec"] != before and subresource == "resize":
                running.stored["metadata"]["generation"] += 1
            self._announce("MODIFIED", running.stored)
            metadata = running.stored["metadata"]
            message = {
                "spec": running.stored["spec"],
                "generation": metadata["generation"],
                "annotations": metadata["annotations"],
            }
            running.control.send(json.dumps(message).encode())
            return copy.deepcopy(running.stored)

    def delete(self, stored: Object) -> None:
        with self._changed:
            pod = self._pods.get(stored["metadata"]["name"]) if stored["kind"] == "Pod" else None
            if pod is None:
                self._objects.pop((stored["kind"], stored["metadata"]["name"]), None)
            elif "deletionTimestamp" not in pod.stored["metadata"]:
                pod.stored["metadata"]["deletionTimestamp"] = "now"
                self._announce("MODIFIED", pod.stored)
                pod.control.send(b'{"stop": true}')

    def list_run_objects(self, selector: str) -> list[Object]:
        key, _equals, value = selector.partition("=")
        with self._changed:
            found = [one for one in self._objects.values() if one["metadata"]["labels"].get(key) == value]
            return copy.deepcopy(found)

    def get_pod(self, name: str) -> Object:
        with self._changed:
            return copy.deepcopy(self._pods[name].stored)

    def events(self, pod: Object) -> list[Object]:
        return []

    def log(self, pod: str, container: str) -> bytes:
        return self._log(pod, container).read_bytes()

    def _log(self, pod: str, container: str) -> pathlib.Path:
        return self._node.folder / "disk" / f"{pod}.{container}.log"

    def follow_log(self, pod: str, container: str, timeout: float) -> LogSession:
        return LogSession(
            self._growing(pod, container, time.monotonic() + timeout),
            errors.describe_container("fake", pod, container),
        )

    def _growing(self, pod: str, container: str, until: float) -> collections.abc.Iterator[bytes]:
        """A log until its container ends. One of a later start begins anew, as the kubelet's does."""
        restarts = self._restarts
        with self._log(pod, container).open("rb") as log:
            while pod in self._pods and restarts == self._restarts and time.monotonic() < until:
                has_ended = self._closed or os.fstat(log.fileno()).st_nlink == 0
                yield log.read()
                if has_ended:
                    return
                time.sleep(_TURN)

    # --------------------------------------------------------------------------------------------------- watch

    def list_pods(self, selector: str) -> Object:
        with self._changed:
            if self._closed:
                raise Inconclusive(Reason.FORBIDDEN, "the fake cluster is closed")
            items = [one for one in self.list_run_objects(selector) if one["kind"] == "Pod"]
            return {"metadata": {"resourceVersion": str(len(self._events))}, "items": items}

    def pod_events(self, selector: str, version: str, seconds: int) -> collections.abc.Iterator[Object]:
        seen, until = int(version), time.monotonic() + seconds
        key, _equals, value = selector.partition("=")
        while not self._closed and time.monotonic() < until:
            with self._changed:
                while not self._closed and len(self._events) == seen and time.monotonic() < until:
                    self._changed.wait(until - time.monotonic())
                new, seen = self._events[seen:], len(self._events)
            for _version, kind, pod in new:
                if pod["metadata"]["labels"].get(key) == value:
                    yield {"type": kind, "object": copy.deepcopy(pod)}

    # ---------------------------------------------------------------------------------------------------- exec

    def exec_refusal(self, pod: str, timeout: float) -> Inconclusive | None:
        return None

    def exec(
        self, pod: str, container: str, command: t.Sequence[str], timeout: float, *, explain: errors.Explain
    ) -> Session:
        subject = errors.describe_container("fake", pod, container)
        stream, theirs = socket.socketpair()
        (err, their_err), (code, their_code) = os.pipe(), os.pipe()
        message = json.dumps({"container": container, "command": list(command)}).encode()
        with self._changed:
            running = self._pods.get(pod)
            if running is None:
                raise Inconclusive(Reason.POD_GONE, "it is gone", subject)
            socket.send_fds(running.control, [message], [theirs.fileno(), their_err, their_code])
            wire = Wire(stream, err, code)
            self._wires.append(wire)
        theirs.close()
        os.close(their_err)
        os.close(their_code)
        return Session(wire, subject, explain)


def _merge(stored: Object, patch: Object) -> None:
    for key, value in patch.items():
        if isinstance(value, dict):
            _merge(stored.setdefault(key, {}), value)
        elif isinstance(value, list):
            known = {one["name"]: one for one in stored.setdefault(key, [])}
            for one in value:
                if one["name"] in known:
                    _merge(known[one["name"]], one)
                else:
                    stored[key].append(copy.deepcopy(one))
        else:
            stored[key] = value


def _require_valid(pod: Object) -> None:
    """Raise Inconclusive for what every API server refuses."""
    spec = pod["spec"]
    volumes = [one["name"] for one in spec["volumes"]]
    containers = [*spec["initContainers"], *spec["containers"]]
    names = [one["name"] for one in containers]
    mounts = [mount["name"] for one in containers for mount in one["volumeMounts"]]
    if len(set(volumes)) < len(volumes) or len(set(names)) < len(names) or set(mounts) - set(volumes):
        raise Inconclusive(Reason.INVALID, f"volumes {volumes}, containers {names}, mounts {mounts}")


def pod_memory_limit(spec: Object) -> int | None:
    """The memory limit of a pod, by playing its life: the most that runs at any one moment; none if one has none."""
    limits = {
        one["name"]: node_bytes((one.get("resources") or {}).get("limits") or {})
        for kind in ("initContainers", "containers")
        for one in spec.get(kind) or ()
    }
    if None in limits.values():
        return None
    moments: list[list[str]] = []
    sidecars: list[str] = []
    for one in spec.get("initContainers") or ():
        moments.append([*sidecars, one["name"]])
        if one.get("restartPolicy") == "Always":
            sidecars.append(one["name"])
    moments.append([*sidecars, *(one["name"] for one in spec["containers"])])
    return max(sum(limits[name] or 0 for name in moment) for moment in moments)


def node_bytes(limits: Object) -> int | None:
    """The memory limit among the limits of a container; 0 is none."""
    return fake_node.byte_count(limits.get("memory", 0)) or None
