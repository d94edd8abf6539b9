# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role local_cluster on this machine: a cluster of its own, started, broken, repaired, changed and removed."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
import typing as t

import pytest
import throwaway
import yaml

NAME = throwaway.new_name()
ROOT = throwaway.HOME / NAME
COMPONENTS = ("etcd", "containerd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")


def playbook(file: str, *options: str, **variables: t.Any) -> throwaway.Result:
    """Run a playbook for the cluster of this file."""
    return throwaway.run(file, NAME, *options, **variables)


def started(*options: str, **variables: t.Any) -> throwaway.Result:
    return throwaway.start(NAME, *options, **variables)


def kubectl(*arguments: str, root: pathlib.Path = ROOT, text: str | None = None) -> str:
    command = [str(root / "bin/kubectl"), "--kubeconfig", str(root / "kubeconfig"), *arguments]
    run = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, f"{arguments}: {run.stderr}"
    return run.stdout.strip()


def manifest(name: str, runtime_class: str | None = None) -> str:
    images = json.loads(kubectl("get", "node", NAME, "--output=json"))["status"]["images"]
    busybox = next(name for image in images for name in image["names"] if "busybox" in name)
    container = {
        "name": "main",
        "image": busybox,
        "command": ["sh", "-c", "echo here; exec sleep 3600"],
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}],
        "terminationGracePeriodSeconds": 0,
        "runtimeClassName": runtime_class,
    }
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


@contextlib.contextmanager
def pod(name: str, runtime_class: str | None = None) -> t.Iterator[str]:
    kubectl("create", "--filename=-", text=manifest(name, runtime_class))
    try:
        kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=30s")
        yield name
    finally:
        kubectl("delete", "pod", name, "--now")


def works(name: str) -> bool:
    """True when exec and logs, which go from the API server to the kubelet, both answer."""
    said = kubectl("exec", name, "--", "sh", "-c", "echo $((6 * 7))")
    return said == "42" and kubectl("logs", name) == "here"


def still_works(name: str) -> bool:
    """The same, once a kubelet that was just started has read its list of pods."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(AssertionError):
            return works(name)
    return False


def record(component: str) -> dict[str, t.Any]:
    document: dict[str, t.Any] = json.loads((ROOT / "run" / f"{component}.json").read_text())
    return document


def pids() -> dict[str, int]:
    return {component: record(component)["pid"] for component in COMPONENTS}


def restarted(before: dict[str, int]) -> set[str]:
    return {component for component, pid in pids().items() if before[component] != pid}


def processes_of(cluster: str) -> set[int]:
    """Processes that are or were started for the cluster: by environment, command line or cgroup."""
    found = set()
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parts = [(entry / file).read_bytes() for file in ("environ", "cmdline", "cgroup")]
            wanted = (
                f"PODSHM_CLUSTER=/var/lib/podshm/{cluster}\0",
                f"/var/lib/podshm/{cluster}/",
                f"/podshm-{cluster}/",
            )
            if any(want.encode() in part + b"\0" for want in wanted for part in parts):
                found.add(int(entry.name))
    return found


@pytest.fixture(scope="module", autouse=True)
def cluster() -> t.Iterator[None]:
    """Leave nothing. Another checkout's tests wait: what they start and stop would change the snapshots of the machine."""
    lock = os.open("/var/cache/podshm", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        throwaway.remove(NAME)
        os.close(lock)


def test_what_started_means() -> None:
    started()
    node = json.loads(kubectl("get", "node", NAME, "--output=json"))
    assert {each["status"] for each in node["status"]["conditions"] if each["type"] == "Ready"} == {"True"}
    assert "taints" not in node["spec"]
    assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.37.")
    kubectl("get", "serviceaccount", "default")
    with pod("first") as name:
        assert works(name)


def test_a_second_start_changes_nothing() -> None:
    started()
    before = pids()
    assert started().changed == 0
    assert not restarted(before)


def test_check_mode_says_the_truth_and_does_nothing() -> None:
    started()
    before = pids()
    assert started("--check").changed == 0
    assert started("--check", local_cluster_kubelet_config={"maxPods": 50}).changed == 1
    assert not restarted(before)
    assert json.loads((ROOT / "etc/kubelet.json").read_text()).get("maxPods") is None
    other = throwaway.new_name()
    assert throwaway.start(other, "--check").changed == 1
    assert not (throwaway.HOME / other).exists()


def test_the_kubeconfig_trusts_this_cluster_only() -> None:
    started()
    file = ROOT / "kubeconfig"
    assert file.stat().st_mode & 0o777 == 0o600
    (entry,) = yaml.safe_load(file.read_text())["clusters"]
    assert entry["cluster"].keys() == {"server", "certificate-authority-data"}
    assert "insecure" not in file.read_text()
    foreign = pathlib.Path("/var/lib/podshm/alpha/pki/ca.crt")
    if foreign.exists():
        context = ssl.create_default_context(cafile=str(foreign))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", int(entry["cluster"]["server"].rpartition(":")[2]), context=context
        )
        with pytest.raises(ssl.SSLCertVerificationError):
            connection.request("GET", "/readyz")


def get(port: int, path: str, address: str = "127.0.0.1", user: str | None = None, ca: str = "ca") -> int:
    context = ssl.create_default_context(cafile=str(ROOT / f"pki/{ca}.crt"))
    if user:
        context.load_cert_chain(ROOT / f"pki/{user}.crt", ROOT / f"pki/{user}.key")
    connection = http.client.HTTPSConnection(address, port, context=context, timeout=10)
    connection.request("GET", path)
    return connection.getresponse().status


def test_every_door_asks_who_is_there() -> None:
    started()
    base = int(
        json.loads(kubectl("config", "view", "--output=json"))["clusters"][0]["cluster"]["server"].rpartition(":")[2]
    )
    node = json.loads(kubectl("get", "node", NAME, "--output=json"))
    address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
    kubelet = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    assert get(base, "/api/v1/namespaces") == 403
    assert get(base, "/api/v1/secrets", user="kubelet-client") == 403
    assert get(base, "/api/v1/namespaces", user="admin") == 200
    assert get(kubelet, "/pods", address) == 401
    assert get(kubelet, "/pods", address, user="kube-scheduler") == 403
    assert get(base + 3, "/metrics") in (401, 403)
    assert get(base + 4, "/metrics") in (401, 403)
    assert get(base + 1, "/health", user="apiserver-etcd", ca="etcd-ca") == 200
    # Neither somebody without a certificate nor an administrator of the cluster can talk to its etcd.
    for user in (None, "admin"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            get(base + 1, "/health", user=user, ca="etcd-ca")


def test_tokens_of_service_accounts_work() -> None:
    started()
    token = kubectl("create", "token", "default", "--duration=10m")
    command = [str(ROOT / "bin/kubectl"), "--kubeconfig=/dev/null", f"--certificate-authority={ROOT}/pki/ca.crt"]
    server = yaml.safe_load((ROOT / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    run = subprocess.run(
        [*command, f"--server={server}", f"--token={token}", "auth", "whoami"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "system:serviceaccount:default:default" in run.stdout, run.stderr


def test_pod_security_is_enforced() -> None:
    started()
    kubectl("create", "namespace", "strict")
    try:
        kubectl("label", "namespace", "strict", "pod-security.kubernetes.io/enforce=restricted")
        with pytest.raises(AssertionError, match="violates PodSecurity"):
            kubectl("create", "--namespace=strict", "--dry-run=server", "--filename=-", text=manifest("root"))
    finally:
        kubectl("delete", "namespace", "strict", "--wait=false")


def test_stopped_keeps_the_cluster_and_runs_nothing() -> None:
    started()
    kubectl("create", "configmap", "kept", "--from-literal=a=b")
    kubectl("create", "--filename=-", text=manifest("stays"))
    kubectl("wait", "--for=condition=Ready", "pod/stays", "--timeout=30s")
    assert started(local_cluster_state="stopped").changed == 1
    assert not processes_of(NAME)
    assert str(ROOT) not in pathlib.Path("/proc/self/mountinfo").read_text()
    assert started(local_cluster_state="stopped").changed == 0
    assert started().changed == 1
    assert kubectl("get", "configmap", "kept", "--output=jsonpath={.data.a}") == "b"
    # Until the kubelet has looked, the status is that of the pod's former life.
    kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "pod/stays", "--timeout=30s")
    kubectl("wait", "--for=condition=Ready", "pod/stays", "--timeout=30s")
    assert kubectl("exec", "stays", "--", "echo", "back") == "back"
    kubectl("delete", "pod", "stays", "--now")


def kill(process_ids: t.Iterable[int]) -> None:
    for pid in process_ids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> set[int]:
    """The process and all below it."""
    parents = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while new := {child for child, parent in parents.items() if parent in found} - found:
        found |= new
    return found


def shims() -> set[int]:
    found = set()
    for pid in processes_of(NAME):
        with contextlib.suppress(OSError):
            if b"containerd-shim-runc-v2" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
    return found


def test_half_of_the_processes_killed() -> None:
    started()
    with pod("survivor") as name:
        before = pids()
        kill([before["etcd"], before["containerd"], before["kubelet"]])
        started()
        assert restarted(before) == {"etcd", "containerd", "kubelet"}
        # The pod was in nobody's way: it is still the same.
        assert still_works(name)
        assert kubectl("get", "pod", name, "--output=jsonpath={.status.containerStatuses[0].restartCount}") == "0"


def test_everything_killed_shims_and_containers_too() -> None:
    started()
    kubectl("create", "configmap", "outlives", "--from-literal=a=b")
    with pod("victim"):
        assert shims()
        kill(processes_of(NAME))
        started()
        assert kubectl("get", "configmap", "outlives", "--output=jsonpath={.data.a}") == "b"
        with pod("next") as name:
            assert works(name)


def test_after_a_restart_of_the_machine() -> None:
    """The records are of another boot: what runs under these numbers now must be left alone."""
    started()
    with pod("old"):
        kill(processes_of(NAME))
        file = ROOT / "cluster.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "boot_id": "another"}))
        innocent = subprocess.Popen(["sleep", "1000"])
        try:
            (ROOT / "run/etcd.json").write_text(json.dumps({**record("etcd"), "pid": innocent.pid}))
            started()
            assert innocent.poll() is None
        finally:
            innocent.kill()
            innocent.wait()
        with pod("new") as name:
            assert works(name)


@pytest.mark.parametrize("content", [None, '{"slot": 0, "compl'])
def test_a_cluster_without_its_record_is_created_again(content: str | None) -> None:
    started()
    old = processes_of(NAME)
    file = ROOT / "cluster.json"
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    assert started().changed == 1
    assert not old & processes_of(NAME)
    kubectl("get", "serviceaccount", "default")


def test_a_start_that_was_killed_halfway() -> None:
    playbook("clusters_clean")
    command = throwaway.command("clusters", NAME)
    run = subprocess.Popen(command, cwd=throwaway.CHECKOUT, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not (ROOT / "run/kube-apiserver.json").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    kill(descendants(run.pid) - processes_of(NAME))
    run.wait()
    half = processes_of(NAME)
    assert half
    assert not json.loads((ROOT / "cluster.json").read_text())["complete"]
    assert started().changed == 1
    assert not half & processes_of(NAME)
    with pod("whole") as name:
        assert works(name)


def test_lost_data_is_reported_and_the_cluster_rebuilt() -> None:
    started()
    kill(processes_of(NAME))
    for file in (ROOT / "etcd/member/snap").glob("db"):
        file.write_bytes(b"no database" * 1000)
    result = started()
    assert "rebuilt without its old objects" in result.output
    kubectl("get", "serviceaccount", "default")


def test_lost_interface_is_made_again() -> None:
    started()
    slot = json.loads((ROOT / "cluster.json").read_text())["slot"]
    subprocess.run(["ip", "link", "delete", f"podshm{slot}"], check=True)
    assert started().changed == 1
    with pod("wired") as name:
        assert works(name)


def test_certificates_are_renewed_in_time() -> None:
    started()
    kubectl("create", "configmap", "renewed", "--from-literal=a=b")
    old = (ROOT / "kubeconfig").read_text()
    file = ROOT / "cluster.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "expires": "2000-01-01T00:00:00+00:00"}))
    before = pids()
    assert started("--check").changed == 1
    assert started().changed == 1
    assert restarted(before) == set(COMPONENTS) - {"containerd"}
    assert (ROOT / "kubeconfig").read_text() != old
    assert kubectl("get", "configmap", "renewed", "--output=jsonpath={.data.a}") == "b"
    with pod("renewed") as name:
        assert works(name)
    assert started().changed == 0


def test_kubelet_settings_restart_only_the_kubelet() -> None:
    started()
    with pod("quiet") as name:
        before = pids()
        settings = {"maxPods": 50, "allowedUnsafeSysctls": ["kernel.shm*"]}
        assert started(local_cluster_kubelet_config=settings).changed == 1
        assert restarted(before) == {"kubelet"}
        assert still_works(name)
    assert kubectl("get", "node", NAME, "--output=jsonpath={.status.capacity.pods}") == "50"
    configz = json.loads(kubectl("get", "--raw", f"/api/v1/nodes/{NAME}/proxy/configz"))["kubeletconfig"]
    assert configz["allowedUnsafeSysctls"] == ["kernel.shm*"]
    assert configz["authentication"]["anonymous"] == {"enabled": False}


def test_feature_gates_reach_every_component() -> None:
    started()
    before = pids()
    gates = {"InPlacePodVerticalScalingMemoryBackedVolumes": True}
    assert started(local_cluster_feature_gates=gates).changed == 1
    assert restarted(before) == {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"}
    configz = json.loads(kubectl("get", "--raw", f"/api/v1/nodes/{NAME}/proxy/configz"))["kubeletconfig"]
    assert configz["featureGates"] == gates
    assert 'name="InPlacePodVerticalScalingMemoryBackedVolumes",stage="ALPHA"} 1' in kubectl("get", "--raw", "/metrics")


@pytest.fixture
def wrapper(tmp_path: pathlib.Path) -> pathlib.Path:
    """An OCI runtime of somebody else: it notes that it was called, then is runc."""
    file = tmp_path / "wrapper"
    file.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\nexec {ROOT}/bin/runc "$@"\n')
    file.chmod(0o755)
    return file


def test_a_handler_gets_a_runtime_class_that_works(wrapper: pathlib.Path) -> None:
    started()
    with pod("bystander") as bystander:
        before = pids()
        handlers = {"own": str(wrapper)}
        assert started(local_cluster_handlers=handlers).changed == 1
        assert restarted(before) == {"containerd"}
        with pod("wrapped", runtime_class="own") as name:
            assert works(name)
            assert "create" in wrapper.with_name("calls").read_text()
            assert started(local_cluster_handlers=handlers).changed == 0
        assert works(bystander)
    assert started().changed == 1
    assert kubectl("get", "runtimeclass", "--output=name") == ""


def test_images_are_imported_from_files(tmp_path: pathlib.Path) -> None:
    started()
    archive = tmp_path / "images.tar"
    archive.write_bytes(
        (ROOT / "images.tar").read_bytes().replace(b"docker.io/library/busybox:", b"docker.io/library/besybox:")
    )
    assert started(local_cluster_images=[str(archive)]).changed == 1
    assert started(local_cluster_images=[str(archive)]).changed == 0
    command = [
        str(ROOT / "bin/ctr"),
        f"--address={ROOT}/run/containerd.sock",
        "--namespace=k8s.io",
        "images",
        "list",
        "--quiet",
    ]
    assert "docker.io/library/besybox:" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("variables", "parts"),
    [
        (
            {"local_cluster_feature_gates": {"NoSuchGate": True}},
            ["kube-apiserver ended", "NoSuchGate", "log/kube-apiserver.log"],
        ),
        (
            {"local_cluster_kubelet_config": {"evictionHard": {"no.such": "1"}}},
            ["kubelet ended", "no.such", "log/kubelet.log"],
        ),
        ({"local_cluster_images": ["/etc/passwd"]}, ["/etc/passwd", "cannot be imported"]),
    ],
)
def test_bad_settings_are_named_and_spoil_nothing(variables: dict[str, t.Any], parts: list[str]) -> None:
    started()
    kubectl("create", "configmap", "spared", "--from-literal=a=b")
    result = playbook("clusters", **variables)
    assert result.failed == 1
    (line,) = [line for line in result.output.splitlines() if f"cluster {NAME}: " in line and "fatal" not in line]
    assert all(part in line for part in parts), line
    started()
    kubectl("delete", "configmap", "spared")


def test_a_port_in_use_is_named() -> None:
    started()
    assert started(local_cluster_state="stopped").changed
    port = 23430 + 10 * json.loads((ROOT / "cluster.json").read_text())["slot"]
    with socket.create_server(("127.0.0.1", port)):
        result = playbook("clusters")
        assert result.failed
        assert f"cluster {NAME}: port {port}, which kube-apiserver needs, is in use" in result.output
    started()


def snapshot() -> dict[str, set[str]]:
    """What of the machine a cluster could leave something on. Other clusters and their pods are left out."""

    def lines(*command: str) -> set[str]:
        # nothing can be said with a tool that a machine lacks
        if not shutil.which(command[0]):
            return set()
        return set(subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines())

    def files(*folders: str) -> set[str]:
        found = set()
        for folder in folders:
            for top, below, names in os.walk(folder):
                for path in (os.path.join(top, each) for each in (*below, *names)):
                    with contextlib.suppress(FileNotFoundError):
                        found.add(f"{path} -> {os.readlink(path)}" if os.path.islink(path) else path)
        return found

    def own(entries: t.Iterable[str]) -> set[str]:
        others = re.compile(rf"/podshm[/-](?!{NAME}\b)[a-z]|^veth.* inet6 ")
        return {entry for entry in entries if not others.search(entry)}

    rows = pathlib.Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    idle_segments = {row for row in rows if row.split()[6] == "0"}
    # A cable has a master as long as its bridge is there.
    links = json.loads(subprocess.run(["ip", "-json", "link"], capture_output=True, check=True).stdout)
    cgroups = {top for top, _below, _names in os.walk("/sys/fs/cgroup") if "podshm-" in top}
    sysctls = {file: pathlib.Path("/proc/sys", file).read_text() for file in SYSCTLS}
    return {
        "mounts": own(line.split(" ", 2)[2] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()),
        "links": {link["ifname"] for link in links if "master" not in link},
        "addresses": own(re.sub(r"^\d+: ", "", line) for line in lines("ip", "-oneline", "address")),
        # the last pod of another cluster may end meanwhile, which takes the carrier of its bridge
        "routes": own(line.replace(" linkdown", "") for line in lines("ip", "route", "show", "table", "all")),
        "named namespaces": lines("ip", "netns"),
        "iptables": {
            re.sub(r"\[\d+:\d+\]", "", line)
            for line in lines("iptables-save") | lines("ip6tables-save")
            if not line.startswith("#")
        },
        "nftables": lines("nft", "--stateless", "list", "ruleset"),
        "cgroups": own(cgroups),
        "segments": idle_segments,
        "sysctls": {f"{name}={value}" for name, value in sysctls.items()},
        "files": own(
            files(
                "/var/lib/podshm",
                "/run",
                "/etc",
                "/opt",
                "/var/lib/cni",
                "/var/lib/kubelet",
                "/var/log",
                "/usr/libexec/kubernetes",
                "/dev/shm",
                "/dev/mqueue",
                "/var/lib/containerd",
                "/root/.kube",
            )
        ),
    }


SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/forwarding",
    "net/ipv6/conf/all/forwarding",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)


def test_absent_leaves_nothing(wrapper: pathlib.Path) -> None:
    playbook("clusters_clean")
    before = snapshot()
    started(local_cluster_handlers={"own": str(wrapper)})
    kubectl("create", "--filename=-", text=manifest("running"))
    kubectl("create", "--filename=-", text=manifest("wrapped", "own"))
    kubectl("wait", "--for=condition=Ready", "pod/running", "pod/wrapped", "--timeout=30s")
    during = snapshot()
    grown = {what: sorted(during[what] - before[what]) for what in before if during[what] - before[what]}
    # The comparison sees what a cluster creates, else it would prove nothing.
    assert grown.keys() >= {"mounts", "links", "addresses", "routes", "cgroups", "files"}
    assert not {what: grown[what] for what in ("iptables", "nftables", "named namespaces") if what in grown}
    assert processes_of(NAME)

    assert playbook("clusters_clean").changed == 1
    after = snapshot()
    assert {what: after[what] - before[what] for what in before if after[what] - before[what]} == {}
    assert {what: before[what] - after[what] for what in before if before[what] - after[what]} == {}
    assert processes_of(NAME) == set()
    assert playbook("clusters_clean").changed == 0


def test_absent_after_the_folder_was_removed_by_hand() -> None:
    started()
    for file in ("cluster.json", "run/etcd.json", "run/kubelet.json", "run/containerd.json"):
        (ROOT / file).unlink()
    assert playbook("clusters_clean").changed == 1
    assert processes_of(NAME) == set()
    assert not ROOT.exists()
    assert f"podshm-{NAME}" not in "".join(
        file.read_text() for file in pathlib.Path("/sys/class/net").glob("*/ifalias")
    )
