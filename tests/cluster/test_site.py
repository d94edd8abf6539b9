# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main playbook and the roles over several clusters, some of them broken."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import http.server
import json
import os
import pathlib
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import typing as t

import pytest
import yaml
from harness import CHECKOUT, OURS, Cluster

SECRET = "correct-horse-battery-staple"


@dataclasses.dataclass(frozen=True)
class Played:
    code: int
    output: str
    reports: pathlib.Path

    def report(self, cluster: str) -> dict[str, t.Any]:
        return dict(json.loads((self.reports / f"{cluster}.json").read_text("utf-8")))

    @property
    def summary(self) -> str:
        return (self.reports / "summary.md").read_text("utf-8")


@dataclasses.dataclass
class Play:
    """A playbook over an inventory of its own."""

    tmp: pathlib.Path
    namespaces: dict[str, str]

    def host(self, cluster: Cluster, **variables: t.Any) -> dict[str, t.Any]:
        return {
            "podshm_kubeconfig": str(cluster.kubeconfig),
            "podshm_context": cluster.name,
            "podshm_namespace": self.namespaces[cluster.name],
            **variables,
        }

    def run(
        self,
        hosts: dict[str, t.Any],
        *options: str,
        playbook: str = "playbooks/site.yml",
        env: dict[str, str] | None = None,
        **extra: t.Any,
    ) -> Played:
        command = self._command(hosts, options, playbook, env or {}, extra)
        done = subprocess.run(**command, capture_output=True, text=True, timeout=120, check=False)
        return Played(done.returncode, done.stdout + done.stderr, self.tmp / "reports")

    @contextlib.contextmanager
    def started(self, hosts: dict[str, t.Any]) -> t.Iterator[subprocess.Popen[bytes]]:
        """The main playbook while it runs; in the end nothing of it runs any more."""
        command = self._command(hosts, (), "playbooks/site.yml", {}, {})
        nothing = subprocess.DEVNULL
        with subprocess.Popen(**command, stdin=nothing, stdout=nothing, stderr=nothing) as process:
            try:
                yield process
            finally:
                process.kill()
                # a worker of Ansible outlives it
                for worker in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                    with contextlib.suppress(OSError):
                        if str(self.tmp).encode() in worker.read_bytes():
                            os.kill(int(worker.parent.name), signal.SIGKILL)

    def _command(
        self,
        hosts: dict[str, t.Any],
        options: t.Sequence[str],
        playbook: str,
        env: dict[str, str],
        extra: dict[str, t.Any],
    ) -> dict[str, t.Any]:
        # no ansible_connection: the playbook itself stays on this machine, and with this interpreter
        inventory = self.tmp / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), "utf-8")
        variables = json.dumps({"podshm_reports": str(self.tmp / "reports"), **extra})
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("K8S_AUTH_", "KUBE"))}
        return {
            "args": [
                *(str(pathlib.Path(sys.executable).with_name("ansible-playbook")), playbook),
                *("--inventory", str(inventory), "--extra-vars", variables, *options),
            ],
            "cwd": CHECKOUT,
            "env": {**environment, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), **env},
        }

    def written(self, tasks: list[dict[str, t.Any]], **play: t.Any) -> str:
        """A playbook that somebody else wrote."""
        file = self.tmp / "play.yml"
        here = {"connection": "local", "vars": {"ansible_python_interpreter": sys.executable}}
        whole = {"hosts": "all", "gather_facts": False, **here, "tasks": tasks, **play}
        file.write_text(yaml.safe_dump([whole]), "utf-8")
        return str(file)


@pytest.fixture
def play(clusters: dict[str, Cluster], tmp_path: pathlib.Path) -> t.Iterator[Play]:
    namespaces = {name: cluster.make_namespace() for name, cluster in clusters.items()}
    try:
        yield Play(tmp_path, namespaces)
        for name, cluster in clusters.items():
            assert cluster.left(namespaces[name]) == []
    finally:
        for name, cluster in clusters.items():
            cluster.delete("namespaces", namespaces[name])


def statuses(played: Played) -> dict[str, str]:
    return {file.stem: played.report(file.stem)["status"] for file in played.reports.glob("*.json")}


def verdicts(played: Played, cluster: str) -> list[str]:
    return [check["verdict"] for check in played.report(cluster)["checks"]]


def test_two_clusters(play: Play, alpha: Cluster, beta: Cluster) -> None:
    played = play.run({"alpha": play.host(alpha), "beta": play.host(beta)}, podshm_checks=["basic"])
    assert played.code == 0, played.output
    assert statuses(played) == {"alpha": "PASS", "beta": "PASS"}
    assert played.report("alpha")["run"]["kubernetes"].startswith("v1.")
    assert "12 of 12 checks decided" in played.output
    assert "12 of 12 checks decided" in played.summary


def test_a_good_cluster_is_one_row_and_the_table_comes_last(play: Play, alpha: Cluster, beta: Cluster) -> None:
    played = play.run({"alpha": play.host(alpha), "beta": play.host(beta)}, podshm_checks=["basic"])
    lines = played.output.splitlines()
    recap = next(number for number, line in enumerate(lines) if line.startswith("PLAY RECAP"))
    after = [line for line in lines[recap + 1 :] if line and "unreachable=" not in line]
    # what it means for programs is said once, and not of each cluster
    assert [line.split()[0] for line in after if line[0] != " "] == ["CLUSTER", "alpha", "beta", "What", "2", "reports"]
    assert len(after) < 24
    assert "SHM101 PASS" not in played.output
    played = play.run({"alpha": play.host(alpha)}, "-v", podshm_checks=["basic"])
    assert "alpha alpha: SHM101 PASS" in played.output
    assert played.output.index("PLAY RECAP") < played.output.index("CLUSTER ")
    # not the whole answer
    assert '"evidence"' not in played.output


def test_what_it_means_for_a_program(play: Play, alpha: Cluster) -> None:
    """All checks of PostgreSQL hold, and its parallel queries need a volume all the same: by the size that was measured."""
    played = play.run({"alpha": play.host(alpha)}, podshm_checks=["postgresql"], podshm_programs=["postgresql"])
    assert played.code == 0, played.output
    (line,) = (line for line in played.output.splitlines() if line.startswith("  PostgreSQL: "))
    assert line.startswith("  PostgreSQL: needs a volume on /dev/shm of at least 256Mi under load (SHM301, SHM303,")
    assert "/dev/shm by default: 64Mi" in line
    assert "emptyDir: {medium: Memory, sizeLimit: 256Mi}" in played.output
    (said,) = played.report("alpha")["programs"]
    assert (said["program"], said["size_bytes"]) == ("postgresql", 256 * 1024**2)
    assert "PostgreSQL: needs a volume" in played.summary


def test_secrets_are_not_shown_where_everything_works(play: Play, alpha: Cluster, tmp_path: pathlib.Path) -> None:
    """A token from a plugin that is given secrets, a login in the URL of the proxy, at -vvvv, in the log as well."""
    binding = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": play.namespaces["alpha"]}],
    }
    planted = {name: f"{name}-{secrets.token_hex(8)}" for name in ("variable", "argument", "stderr", "login")}
    with alpha.wide("clusterrolebindings", binding), proxy(f"eve:{planted['login']}") as port:
        token = alpha.token(play.namespaces["alpha"], "default")
        version = "client.authentication.k8s.io/v1"
        answer = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": {"token": token}})
        plugin = {
            "apiVersion": version,
            "command": "sh",
            "args": ["-c", f"echo {planted['stderr']} >&2; echo '{answer}'", "--password", planted["argument"]],
            "env": [{"name": "CLIENT_SECRET", "value": planted["variable"]}],
        }
        config = alpha.kubeconfig_with(
            {"exec": plugin}, **{"proxy-url": f"http://eve:{planted['login']}@127.0.0.1:{port}"}
        )
        host = play.host(alpha, podshm_kubeconfig=config)
        log = tmp_path / "log"
        played = play.run({"alpha": host}, "-vvvv", env={"ANSIBLE_LOG_PATH": str(log)}, podshm_checks=["basic"])
    assert played.code == 0, played.output
    assert statuses(played) == {"alpha": "PASS"}
    text = (
        played.output + log.read_text("utf-8") + "".join(file.read_text("utf-8") for file in played.reports.iterdir())
    )
    for name, value in {**planted, "token": token, "signature": token.rpartition(".")[2]}.items():
        assert value not in text, name


@contextlib.contextmanager
def proxy(login: str) -> t.Iterator[int]:
    """An HTTP proxy that lets nobody else through."""
    wanted = base64.b64encode(login.encode()).decode()

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            if wanted not in str(self.headers.get("Proxy-Authorization")):
                self.send_error(407)
                return
            host, _colon, port = self.path.partition(":")
            with socket.create_connection((host, int(port))) as behind:
                self.send_response(200)
                self.end_headers()
                sides = {self.connection: behind, behind: self.connection}
                while True:
                    for side in select.select(list(sides), [], [])[0]:
                        data = side.recv(65536)
                        if not data:
                            return
                        sides[side].sendall(data)

        def log_message(self, *_words: object) -> None:
            """Write nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_playbook_that_is_ended_alone_leaves_nothing(play: Play, alpha: Cluster, number: signal.Signals) -> None:
    """SIGTERM is passed on to the modules; after SIGKILL nobody can do that, and they run to their end."""
    namespace = play.namespaces["alpha"]
    with play.started({"alpha": play.host(alpha, podshm_timeout=30)}) as process:
        alpha.until("pods", namespace, bool, OURS, seconds=60)
        process.send_signal(number)
        assert process.wait(20) == -number
        # the worker of Ansible that nobody waits for any more is none of ours
        assert alpha.left(namespace, seconds=90) == []


def test_one_cause_in_many_pods_is_one_finding(play: Play, alpha: Cluster) -> None:
    """No quota for pods: each pod has words of its own for it, and the controls have no answer either."""
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    alpha.create("resourcequotas", quota, play.namespaces["alpha"])
    played = play.run({"alpha": play.host(alpha)}, "--tags", "sysv,posix")
    assert played.code != 0
    assert len([line for line in played.output.splitlines() if line.startswith("ERROR ")]) == 1, played.output


def test_one_of_two_is_broken(play: Play, alpha: Cluster, beta: Cluster) -> None:
    broken = play.host(beta, podshm_kubeconfig=beta.kubeconfig_with({"token": SECRET}))
    played = play.run({"alpha": play.host(alpha), "beta": broken}, "-vvv", podshm_checks=["basic"])
    assert played.code != 0
    assert statuses(played) == {"alpha": "PASS", "beta": "UNREACHABLE"}
    assert verdicts(played, "alpha") == ["PASS"] * 6
    assert verdicts(played, "beta") == ["ERROR"] * 6
    message = played.report("beta")["message"]
    for words in ("cluster beta: Unauthorized", beta.server, "renew the token"):
        assert words in message
        assert words in played.output
    for check in played.report("beta")["checks"]:
        assert check["reason"] == "Unauthorized"
        assert check["expected"]
        assert check["remedy"]
    # six checks and one cause are one finding
    assert played.output.count("UNREACHABLE beta Unauthorized") == 1
    assert played.summary.count("**ERROR**") == 1
    assert "| beta | UNREACHABLE |" in played.summary
    assert "| alpha | PASS |" in played.summary
    for text in (played.output, played.summary, json.dumps(played.report("beta"))):
        assert SECRET not in text


def test_broken_in_different_ways(play: Play, alpha: Cluster, beta: Cluster, tmp_path: pathlib.Path) -> None:
    hosts = {
        "good": play.host(alpha, podshm_checks=["SHM301"]),
        "ca": play.host(
            alpha, podshm_kubeconfig=alpha.kubeconfig_with({}, **{"certificate-authority-data": beta.ca_data})
        ),
        "file": play.host(alpha, podshm_kubeconfig=str(tmp_path / "none")),
        "text": play.host(alpha, podshm_kubeconfig=yaml.safe_dump(alpha.kubeconfig_with({"token": SECRET}))),
        "down": play.host(alpha, podshm_kubeconfig=alpha.kubeconfig_with({}, server="https://127.0.0.1:1")),
        "namespace": play.host(alpha, podshm_namespace="podshm-test-nowhere"),
        "option": play.host(alpha, podshm_size_limit="much"),
        "type": play.host(alpha, podshm_timeout="soon"),
        "undefined": play.host(alpha, podshm_kubeconfig="{{ vault_of_nobody.alpha }}"),
    }
    played = play.run(hosts)
    assert played.code != 0
    assert SECRET not in played.output
    assert statuses(played) == {
        "good": "PASS",
        "ca": "UNREACHABLE",
        "file": "UNREACHABLE",
        "text": "UNREACHABLE",
        "down": "UNREACHABLE",
        "namespace": "ERROR",
        "option": "ERROR",
        "type": "ERROR",
        "undefined": "ERROR",
    }
    words = {
        "ca": "TlsUntrusted",
        "file": "no such file",
        "text": "from_yaml",
        "down": "refused",
        "namespace": "podshm-test-nowhere",
        "option": "size_limit",
        "type": "timeout",
        "undefined": "vault_of_nobody",
    }
    for cluster, word in words.items():
        assert word in played.report(cluster)["message"]
        assert word in played.output


def test_a_check_fails(play: Play, alpha: Cluster) -> None:
    played = play.run({"alpha": play.host(alpha, podshm_default_size="128Mi")}, podshm_checks=["basic"])
    assert played.code != 0
    assert statuses(played) == {"alpha": "FAIL"}
    assert sorted(verdicts(played, "alpha")) == ["FAIL", *["PASS"] * 5]
    assert "FAIL alpha alpha SHM301" in played.output
    for line in ("expected  134217728 bytes", "observed  67108864 bytes", "remedy    "):
        assert line in played.output


def test_tags(play: Play, alpha: Cluster) -> None:
    played = play.run({"alpha": play.host(alpha)}, "--tags", "isolation,SHM101", "--skip-tags", "host")
    assert played.code == 0, played.output
    assert [check["id"] for check in played.report("alpha")["checks"]] == ["SHM101", "SHM501", "SHM502"]
    assert verdicts(played, "alpha") == ["PASS"] * 3


def test_a_tag_that_names_nothing(play: Play, alpha: Cluster) -> None:
    played = play.run({"alpha": play.host(alpha)}, "--tags", "sysvv")
    assert played.code != 0
    assert "did you mean sysv?" in played.output
    assert statuses(played) == {"alpha": "ERROR"}


def test_no_cluster(play: Play) -> None:
    played = play.run({})
    assert played.code != 0
    assert "the inventory has no cluster" in played.output


def test_limit(play: Play, alpha: Cluster, beta: Cluster) -> None:
    played = play.run(
        {"alpha": play.host(alpha), "beta": play.host(beta)}, "--limit", "alpha", podshm_checks=["SHM301"]
    )
    assert played.code == 0, played.output
    assert statuses(played) == {"alpha": "PASS"}


def test_limit_to_nothing(play: Play, alpha: Cluster) -> None:
    played = play.run({"alpha": play.host(alpha)}, "--limit", "nowhere")
    assert played.code != 0


def test_reports_that_cannot_be_written(play: Play, alpha: Cluster, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "file"
    file.touch()
    played = play.run({"alpha": play.host(alpha)}, podshm_reports=str(file / "reports"), podshm_checks=["SHM301"])
    assert played.code != 0
    assert "the reports cannot be written to" in played.output
    assert "1 of 1 checks decided" in played.output


def test_one_report_that_cannot_be_written_costs_no_other(play: Play, alpha: Cluster, beta: Cluster) -> None:
    # a folder is where the file of one host belongs
    (play.tmp / "reports" / "alpha.json.part").mkdir(parents=True)
    hosts = {"alpha": play.host(alpha), "beta": play.host(beta)}
    played = play.run(hosts, podshm_checks=["SHM301"])
    assert played.code != 0
    assert "alpha.json: Is a directory; name another" in played.output
    assert played.report("beta")["status"] == "PASS"
    assert "alpha" in played.summary


def test_two_hosts_that_are_one_cluster_are_named(play: Play, alpha: Cluster) -> None:
    played = play.run({"eu-1": play.host(alpha), "eu/2": play.host(alpha)}, podshm_checks=["SHM301"])
    assert played.code == 0, played.output
    assert "eu-1 and eu/2 are one cluster (uid " in played.output
    assert f"cluster eu-1: {alpha.server} (context alpha of kubeconfig {alpha.kubeconfig})" in played.output
    assert {file.name.split("-")[0] for file in played.reports.glob("*.json")} == {"eu", "eu_2"}


def test_check_mode(play: Play, alpha: Cluster) -> None:
    played = play.run({"alpha": play.host(alpha)}, "--check")
    assert played.code == 0, played.output
    assert not played.reports.exists()
    assert "SKIP" in played.output


def test_check_mode_with_a_wrong_option(play: Play, alpha: Cluster) -> None:
    played = play.run({"alpha": play.host(alpha, podshm_size_limit="much")}, "--check")
    assert played.code != 0
    assert "podshm_size_limit" in played.output
    assert "undefined" not in played.output


def test_roles_alone(play: Play, alpha: Cluster) -> None:
    defaults = {
        "kubeconfig": str(alpha.kubeconfig),
        "context": "alpha",
        "namespace": play.namespaces["alpha"],
    }
    tasks = [{"ansible.builtin.include_role": {"name": f"abcdesktopio.podshm.{role}"}} for role in ("sysv", "posix")]
    playbook = play.written(tasks, module_defaults={"group/abcdesktopio.podshm.podshm": defaults})
    played = play.run({"anything": {}}, playbook=playbook)
    assert played.code == 0, played.output
    assert "SHM101 PASS" not in played.output
    assert "checks hold" in played.output
    played = play.run({"anything": {}}, "-v", playbook=playbook)
    for check in ("SHM101 PASS", "SHM102 PASS", "SHM201 PASS"):
        assert check in played.output


def test_role_alone_on_a_failure(play: Play, alpha: Cluster) -> None:
    defaults = {"kubeconfig": str(alpha.kubeconfig), "namespace": play.namespaces["alpha"]}
    role = {"name": "abcdesktopio.podshm.resize"}
    variables = {"resize_checks": ["SHM301"], "resize_default_size": "128Mi"}
    playbook = play.written(
        [{"ansible.builtin.include_role": role, "vars": variables}],
        module_defaults={"group/abcdesktopio.podshm.podshm": defaults},
    )
    played = play.run({"anything": {}}, playbook=playbook)
    assert played.code != 0
    assert "FAIL" in played.output
    assert "remedy: mount an emptyDir" in played.output


def test_a_role_asserts_every_check_that_it_runs(play: Play, alpha: Cluster) -> None:
    defaults = {"kubeconfig": str(alpha.kubeconfig), "namespace": play.namespaces["alpha"]}
    role = {"name": "abcdesktopio.podshm.sysv"}
    playbook = play.written(
        [{"ansible.builtin.include_role": role, "vars": {"sysv_checks": ["SHM105", "SHM202"]}}],
        module_defaults={"group/abcdesktopio.podshm.podshm": defaults},
    )
    played = play.run({"anything": {}}, "-v", playbook=playbook)
    assert played.code == 0, played.output
    for check in ("SHM105 PASS", "SHM202 PASS"):
        assert check in played.output


def test_role_alone_on_a_cluster_that_is_unreachable(play: Play, alpha: Cluster) -> None:
    defaults = {"kubeconfig": alpha.kubeconfig_with({"token": SECRET}), "cluster": "alpha"}
    tasks = [{"ansible.builtin.include_role": {"name": "abcdesktopio.podshm.posix"}}]
    playbook = play.written(tasks, module_defaults={"group/abcdesktopio.podshm.podshm": defaults})
    played = play.run({"anything": {}}, playbook=playbook)
    assert played.code != 0
    assert "Unauthorized" in played.output
    assert SECRET not in played.output
