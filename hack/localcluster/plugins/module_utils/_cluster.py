# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a local cluster up, down, or away.

Each step first looks whether it is needed, so the same path creates, repairs, changes and confirms a cluster.
This file is PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import typing as t

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import (
    _cgroup2,
    _cgroups,
    _components,
    _documents,
    _files,
    _image,
    _layout,
    _machine,
    _mounts,
    _network,
    _pki,
    _processes,
)
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._api import Api
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._commands import Run
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._components import Component
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._errors import (
    ClusterError,
    Deadline,
    LostData,
)
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._layout import Layout

if t.TYPE_CHECKING:
    import psutil

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}


@dataclasses.dataclass(frozen=True)
class Settings:
    name: str
    binaries: t.Mapping[str, str]
    kubelet_config: t.Mapping[str, t.Any]
    feature_gates: t.Mapping[str, bool]
    handlers: t.Mapping[str, str]
    images: t.Sequence[str]
    cgroup2_node: bool
    timeout: float


class Cluster:
    def __init__(self, settings: Settings, check_mode: bool, warn: t.Callable[[str], None], execute: Run) -> None:
        self.settings, self.check_mode, self._warn, self._execute = settings, check_mode, warn, execute
        self.actions: list[str] = []
        self._root = f"{_layout.HOME}/{settings.name}"
        self._record_file = f"{self._root}/cluster.json"
        self._record = _files.read_json(self._record_file)
        self._children: dict[str, psutil.Popen] = {}

    # What there is

    @property
    def layout(self) -> Layout:
        return Layout(self.settings.name, self._record["slot"])

    def facts(self) -> dict[str, str]:
        if not self._complete():
            return {}
        return {"kubeconfig": self.layout.kubeconfig, "server": self.layout.server}

    def _complete(self) -> bool:
        return bool(self._record.get("complete"))

    def _run_record(self, component: str) -> str:
        return f"{self._root}/run/{component}.json"

    def _process(self, component: str) -> _processes.Process | None:
        record = _files.read_json(self._run_record(component))
        process = _processes.Process(record.get("pid", 0), record.get("started", 0))
        return process if process.pid and process.alive() else None

    def _remains(self) -> list[str]:
        """What of the cluster is on the machine, its folder aside."""
        name = f"podshm-{self.settings.name}"
        found = {
            "processes": _processes.marked(self._root) | _cgroups.processes(name),
            "mounts": [target for target, _kind in _mounts.mounts() if target.startswith(f"{self._root}/")],
            "interface": _network.bridges(name),
            "cgroups": [parent for parent in _cgroups.parents() if os.path.isdir(f"{parent}/{name}")],
        }
        return [what for what, items in found.items() if items]

    # States

    def started(self) -> None:
        self._check_input()
        if self.check_mode:
            self._start(Deadline(self.settings.timeout))
            return
        with _files.locked(self._root):
            self._record = _files.read_json(self._record_file)
            deadline = Deadline(self.settings.timeout)
            try:
                self._start(deadline)
            except LostData as error:
                self._warn(f"{error}; the cluster is rebuilt without its old objects")
                self._record = {}
                self._start(deadline)

    def stopped(self) -> None:
        if not self._complete():
            # Half a cluster cannot be kept: there is nothing in it yet.
            self.absent()
        elif self._remains():
            self._act("stop")
            if not self.check_mode:
                with _files.locked(self._root):
                    self._halt(gently=True)

    def absent(self) -> None:
        if not os.path.exists(self._root) and not self._remains():
            return
        self._act("remove")
        if self.check_mode:
            return
        with _files.locked(self._root):
            self._halt(gently=False)
            shutil.rmtree(self._root)
            self._record = {}
            with _files.locked(_layout.HOME):
                self._leave_machine()

    # Steps

    def _act(self, action: str) -> None:
        self.actions.append(action)

    def _fail(self, cause: str, remedy: str) -> ClusterError:
        return ClusterError(f"cluster {self.settings.name}: {cause}; {remedy}")

    def _check_input(self) -> None:
        for name in self.settings.handlers:
            if name == "runc":
                raise self._fail("the handler name runc is taken by the default runtime", "choose another name")
            if not _documents.HANDLER.fullmatch(name):
                raise self._fail(f"the handler name {name} is not valid", "use lower-case letters, digits and hyphens")
        for name in (*_layout.BINARIES, "pause", "busybox", *(_cgroup2.BINARIES if self.settings.cgroup2_node else ())):
            if name not in self.settings.binaries:
                raise self._fail(f"no path is given for the binary {name}", "add it to binaries")
        for name, path in (*self.settings.binaries.items(), *self.settings.handlers.items()):
            if not os.access(path, os.X_OK) or not os.path.isfile(path):
                raise self._fail(f"{path}, given for {name}, is not an executable file", "build it or correct the path")
        for path in self.settings.images:
            if not os.path.isfile(path):
                raise self._fail(f"the image archive {path} does not exist", "correct the path")

    def _start(self, deadline: Deadline) -> None:
        if not self._complete():
            self._act("create")
            if self.check_mode:
                return
            self._create()
        elif self._record["boot_id"] != _machine.boot_id() and not self.check_mode:
            # Records of processes, sockets and pods of a life before the machine was restarted.
            self._halt(gently=False)
        if self._expiring():
            self._act("renew certificates")
            if self.check_mode:
                return
            self._issue_certificates()

        self._write_files()
        wanted = _components.components(self.layout, self.settings.feature_gates)
        if self.settings.cgroup2_node:
            wanted += _cgroup2.components(self.layout)
        todo = [each for each in wanted if self._stale(each)]
        unwanted = [] if self.settings.cgroup2_node else [name for name in _cgroup2.COMPONENTS if self._process(name)]
        for component in todo:
            self._act(f"{'restart' if self._process(component.name) else 'start'} {component.name}")
        for name in unwanted:
            self._act(f"end {name}")
        if _network.bridge_missing(self._execute, self.layout):
            self._act("create interface")
        if _cgroups.missing(self.layout.cgroup):
            self._act("create cgroups")
        archives = self._archives_to_import()
        self._actions_for_images(archives)
        if not self.check_mode:
            self._end_components(unwanted)
            self._run(todo, archives, deadline)
            self._save(complete=True, boot_id=_machine.boot_id())
        elif not todo:
            self._reconcile(Api(self.layout, deadline, self._check_children))

    def _actions_for_images(self, archives: dict[str, str]) -> None:
        self.actions += [f"import {os.path.basename(path)}" for path in archives]

    def _save(self, **changes: t.Any) -> None:
        self._record |= changes
        _files.write(self._record_file, _documents.text(self._record))

    def _create(self) -> None:
        """From nothing, whatever an interrupted attempt has left."""
        self._halt(gently=False)
        for entry in os.scandir(self._root):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
        with _files.locked(_layout.HOME):
            machine = f"{_layout.HOME}/machine.json"
            if not _files.read_json(machine):
                _files.write(machine, _documents.text(_machine.machine_before()))
            records = [_files.read_json(str(file)) for file in pathlib.Path(_layout.HOME).glob("*/cluster.json")]
            taken = {record["slot"] for record in records if "slot" in record}
            self._record = {}
            self._save(slot=_network.free_slot(self._execute, self.settings.name, taken), complete=False, imported={})
        self._issue_certificates()

    def _expiring(self) -> bool:
        if self.settings.cgroup2_node and not os.path.exists(self.layout.pki("cgroup2-kubelet.crt")):
            # The cluster is of an older version of this collection.
            return True
        expires = datetime.datetime.fromisoformat(self._record["expires"])
        return expires - datetime.datetime.now(datetime.UTC) < _pki.RENEW_BEFORE

    def _issue_certificates(self) -> None:
        now = datetime.datetime.now(datetime.UTC)
        layout = self.layout
        second = (_cgroup2.node(layout.name), _cgroup2.address(layout))
        files = _pki.certificates(layout.name, layout.node_address, layout.service_address, second, now)
        if not os.path.exists(layout.pki("service-accounts.pub")):
            files |= _pki.service_account_keys()
        for name, content in files.items():
            _files.write(layout.pki(name), content)
        self._save(expires=(now + _pki.LIFETIME).isoformat())

    def _texts(self) -> dict[str, str]:
        """All files that are written for the cluster, by path."""
        layout, settings = self.layout, self.settings

        def pem(name: str) -> bytes:
            return pathlib.Path(layout.pki(name)).read_bytes()

        def document(user: str, files: str) -> dict[str, t.Any]:
            return _documents.kubeconfig(layout, user, pem("ca.crt"), pem(f"{files}.crt"), pem(f"{files}.key"))

        def credentials(user: str, files: str) -> str:
            return _documents.text(document(user, files))

        resolv_conf = "/etc/resolv.conf" if os.path.exists("/etc/resolv.conf") else ""
        kubelet = _documents.kubelet_config(layout, settings.feature_gates, settings.kubelet_config, resolv_conf)
        texts = {
            layout.path("etc", "containerd.toml"): _documents.containerd_config(
                layout, settings.handlers, _machine.lacks_sys_resource()
            ),
            layout.path("etc", "kubelet.json"): _documents.text(kubelet),
            layout.path("etc", "cni", "10-podshm.conflist"): _documents.text(_documents.cni_config(layout)),
            layout.path("etc", "kubelet.kubeconfig"): credentials(f"system:node:{layout.name}", "kubelet-client"),
            layout.kubeconfig: credentials("podshm-admin", "admin"),
        }
        for binary in ("kube-controller-manager", "kube-scheduler"):
            texts[layout.path("etc", f"{binary}.kubeconfig")] = credentials(f"system:{binary}", binary)
        if settings.cgroup2_node:
            own = document(f"system:node:{_cgroup2.node(layout.name)}", "cgroup2-kubelet-client")
            texts |= _cgroup2.texts(layout, settings.feature_gates, settings.kubelet_config, settings.handlers, own)
        return texts

    def _write_files(self) -> None:
        self._contents = self._texts()
        if self.check_mode:
            return
        for path, content in self._contents.items():
            if _files.write(path, content) and path == self.layout.kubeconfig and self._complete():
                self._act("write kubeconfig")
        os.makedirs(self.layout.path("bin"), mode=0o755, exist_ok=True)
        # the root of a pod's own user namespace must get through to the root file system of its containers
        os.makedirs(self.layout.path("run"), exist_ok=True)
        pathlib.Path(self.layout.path("run")).chmod(0o711)
        # further ones are for the handlers, which find them in PATH
        for name in self.settings.binaries.keys() - {"pause", "busybox"}:
            link = pathlib.Path(self.layout.bin(name))
            target = os.path.realpath(self.settings.binaries[name])
            if not link.is_symlink() or os.readlink(link) != target:
                link.unlink(missing_ok=True)
                link.symlink_to(target)

    def _fingerprint(self, component: Component) -> str:
        binary = os.path.realpath(self.settings.binaries[os.path.basename(component.argv[0])])
        parts = [binary.encode(), *(argument.encode() for argument in component.argv)]
        for path in component.reads:
            written = self._contents.get(path)
            parts.append(written.encode() if written is not None else pathlib.Path(path).read_bytes())
        return _files.digest(*parts)

    def _stale(self, component: Component) -> bool:
        """True when the component does not run, or runs with other settings."""
        known = _files.read_json(self._run_record(component.name)).get("fingerprint")
        return self._process(component.name) is None or known != self._fingerprint(component)

    def _archives_to_import(self) -> dict[str, str]:
        """Archives that containerd does not have yet, and what to remember when it does."""

        def key(*paths: str) -> str:
            stats = [(os.path.realpath(path), os.stat(path)) for path in paths]
            return " ".join(f"{path}:{stat.st_size}:{stat.st_mtime_ns}" for path, stat in stats)

        binaries = self.settings.binaries
        wanted = {self.layout.path("images.tar"): key(binaries["pause"], binaries["busybox"])}
        wanted |= {path: key(path) for path in self.settings.images}
        return {path: each for path, each in wanted.items() if self._record["imported"].get(path) != each}

    def _write_own_images(self, path: str) -> None:
        busybox = self.settings.binaries["busybox"]
        _code, greeting, _message = self._execute([busybox])
        version = re.match(r"BusyBox v(\S+)", greeting)
        if version is None:
            raise self._fail(f"{busybox} does not say its version", "give the path of a static busybox")
        _code, applets, _message = self._execute([busybox, "--list"])
        images = [
            _image.pause(_documents.PAUSE_IMAGE, pathlib.Path(self.settings.binaries["pause"]).read_bytes()),
            _image.busybox(version.group(1), pathlib.Path(busybox).read_bytes(), applets.split()),
        ]
        _files.write(path, _image.archive(images, ARCHITECTURES.get(platform.machine(), platform.machine())))

    # Running

    def _run(self, todo: list[Component], archives: dict[str, str], deadline: Deadline) -> None:
        by_name = {component.name: component for component in todo}
        # The API server would wait up to a minute for watchers that come back anyway.
        self._end_components(by_name, patience=3)
        self._check_ports(by_name)
        if _network.bridge_missing(self._execute, self.layout):
            _network.create_bridge(self._execute, self.layout)
        if _cgroups.missing(self.layout.cgroup):
            _cgroups.create(self.layout.cgroup)

        def start(*names: str) -> None:
            for name in names:
                if name in by_name:
                    self._spawn(by_name[name])

        api = Api(self.layout, deadline, self._check_children)
        start("etcd", "containerd")
        self._await("etcd", lambda: self._accepts(self.layout.ports["etcd"]), deadline)
        start("kube-apiserver")
        # The API server takes longer than an import, and it is busy by itself.
        self._import(archives, deadline)
        self._await("kube-apiserver", lambda: api.healthy("apiserver", "/readyz"), deadline)
        start("kube-controller-manager", "kube-scheduler")
        kubelet_since = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        start("kubelet")
        if self.settings.cgroup2_node:
            _network.create_tap(
                self._execute, _cgroup2.tap(self.layout), _cgroup2.gateway(self.layout), self.layout.cni_network
            )
            start(*_cgroup2.COMPONENTS)
        self._reconcile(api)
        self._await_ready(api, kubelet_since if "kubelet" in by_name else "", deadline)

    def _check_ports(self, starting: t.Collection[str]) -> None:
        users = {
            "etcd": ("etcd", "etcd_peer"),
            "kube-apiserver": ("apiserver",),
            "kube-controller-manager": ("controller_manager",),
            "kube-scheduler": ("scheduler",),
            "kubelet": ("kubelet_healthz",),
        }
        for component in starting:
            for user in users.get(component, ()):
                port = self.layout.ports[user]
                if not _network.port_free("127.0.0.1", port):
                    raise self._fail(
                        f"port {port}, which {component} needs, is in use",
                        f"end its user (`ss -tlnp sport = :{port}`), or remove the cluster (state absent) and start it again",
                    )

    def _spawn(self, component: Component) -> None:
        log = self.layout.path("log", f"{component.name}.log")
        child = _processes.spawn(component.argv, log, self._root)
        self._children[component.name] = child
        # A process that has ended already is found by _check_children.
        process = _processes.Process.of(child.pid) or _processes.Process(child.pid, 0)
        record = {**dataclasses.asdict(process), "fingerprint": self._fingerprint(component)}
        _files.write(self._run_record(component.name), _documents.text(record))

    def _check_children(self) -> None:
        for name, child in self._children.items():
            if child.poll() is not None:
                log = self.layout.path("log", f"{name}.log")
                message = f"{name} ended while it was starting: {_files.last_error(log)}"
                if name == "etcd" and self._complete():
                    raise LostData(f"cluster {self.settings.name}: {message}")
                raise self._fail(message, f"see {log}")

    def _accepts(self, port: int) -> bool:
        self._check_children()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def _await(self, component: str, condition: t.Callable[[], bool], deadline: Deadline) -> None:
        if not deadline.until(condition):
            raise self._late(f"{component} does not answer", component)

    def _late(self, what: str, component: str) -> ClusterError:
        log = self.layout.path("log", f"{component}.log")
        cause = f"{what} after {self.settings.timeout:g} s: {_files.last_error(log)}"
        return self._fail(cause, f"see {log}, or allow more time")

    def _import(self, archives: dict[str, str], deadline: Deadline) -> None:
        def answers() -> bool:
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect_ex(self.layout.containerd_socket) == 0

        if not deadline.until(answers):
            raise self._late("containerd does not answer", "containerd")
        for path, key in archives.items():
            if path == self.layout.path("images.tar"):
                self._write_own_images(path)
            address = f"--address={self.layout.containerd_socket}"
            command = [self.layout.bin("ctr"), address, "--namespace=k8s.io", "images", "import", "--local", path]
            code, _output, message = self._execute(command)
            if code:
                cause = (message.strip().splitlines() or ["no message"])[-1]
                raise self._fail(f"the image archive {path} cannot be imported: {cause}", "is it an OCI archive?")
            self._record["imported"][path] = key

    def _reconcile(self, api: Api) -> None:
        """RuntimeClasses and the one binding of ours: create what is missing, delete what is no longer wanted."""
        selector = f"?labelSelector=app.kubernetes.io%2Fmanaged-by%3D{_documents.MANAGED_BY}"
        bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        classes = "/apis/node.k8s.io/v1/runtimeclasses"
        nodes = {item["metadata"]["name"] for item in api.request("GET", "/api/v1/nodes")["items"]}
        second = _cgroup2.node(self.settings.name)
        if second in nodes and not self.settings.cgroup2_node:
            self._act(f"delete node {second}")
            if not self.check_mode:
                api.request("DELETE", f"/api/v1/nodes/{second}")
        wanted = {
            bindings: [_documents.kubelet_api_binding()],
            classes: [_documents.runtime_class(handler) for handler in sorted(self.settings.handlers)],
        }
        for path, objects in wanted.items():
            there = {item["metadata"]["name"] for item in api.request("GET", path + selector)["items"]}
            names = {each["metadata"]["name"] for each in objects}
            for each in objects:
                if each["metadata"]["name"] not in there:
                    self._act(f"create {each['kind']} {each['metadata']['name']}")
                    if not self.check_mode:
                        api.request("POST", path, each)
            for name in sorted(there - names):
                self._act(f"delete {path.rpartition('/')[2]} {name}")
                if not self.check_mode:
                    api.request("DELETE", f"{path}/{name}")

    def _await_ready(self, api: Api, kubelet_since: str, deadline: Deadline) -> None:
        handlers = self.settings.handlers
        self._await("kube-controller-manager", lambda: api.healthy("controller_manager", "/healthz"), deadline)
        self._await("kube-scheduler", lambda: api.healthy("scheduler", "/healthz"), deadline)
        namespace = "/api/v1/namespaces/default"
        name = self.settings.name
        awaited: list[tuple[str, str, str, str, t.Callable[[dict[str, t.Any]], bool]]] = [
            (
                "the service account default is missing",
                "kube-controller-manager",
                f"{namespace}/serviceaccounts",
                "default",
                bool,
            ),
            (
                "the ConfigMap kube-root-ca.crt is missing",
                "kube-controller-manager",
                f"{namespace}/configmaps",
                "kube-root-ca.crt",
                bool,
            ),
            (
                "the node is not Ready",
                "kubelet",
                "/api/v1/nodes",
                name,
                lambda node: _documents.node_ready(node, kubelet_since, handlers),
            ),
        ]
        if self.settings.cgroup2_node:
            second = _cgroup2.node(name)
            awaited.append(
                (
                    f"the node {second} is not Ready",
                    _cgroup2.COMPONENTS[1],
                    "/api/v1/nodes",
                    second,
                    lambda node: _documents.node_ready(
                        node, kubelet_since if _cgroup2.COMPONENTS[1] in self._children else "", handlers
                    ),
                )
            )
        for what, component, path, item, condition in awaited:
            if not api.watch(path, item, condition):
                raise self._late(what, component)

    # Ending

    def _halt(self, gently: bool) -> None:
        """End all that runs, and undo all that was created outside of the cluster's folder."""
        name = self.settings.name
        last = ("etcd", "containerd")
        if gently:
            self._end_components(("kubelet", "kube-controller-manager", "kube-scheduler", "kube-apiserver"))
        spared = {process.pid for each in last if gently and (process := self._process(each))}
        for _attempt in range(10):
            ids = (_processes.marked(self._root) | _cgroups.processes(f"podshm-{name}")) - spared
            if not ids:
                break
            processes = [process for pid in ids if (process := _processes.Process.of(pid))]
            _processes.end(processes, signal.SIGKILL, 10)
        else:
            raise self._fail("its processes are started again and again", "end whoever starts them")
        self._end_components(last)
        self._children.clear()
        _mounts.unmount_below(self._execute, self._root)
        _network.remove_bridge(self._execute, f"podshm-{name}")
        _cgroups.remove(f"podshm-{name}", Deadline(10))
        _machine.remove_strewn(Layout(name, 0))
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(f"{self._root}/run")

    def _end_components(self, names: t.Iterable[str], patience: float = 10) -> None:
        processes = [process for name in names if (process := self._process(name))]
        _processes.end(processes, signal.SIGTERM, patience)

    def _leave_machine(self) -> None:
        """After the last cluster nothing of any remains."""
        if any(entry.is_dir() for entry in os.scandir(_layout.HOME)):
            return
        machine = f"{_layout.HOME}/machine.json"
        _machine.restore_machine(_files.read_json(machine))
        pathlib.Path(machine).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.rmdir(_layout.HOME)
