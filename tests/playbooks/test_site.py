# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook site without any cluster: wrong variables, tags, check mode, and a cluster out of reach.

The default kubeconfig leads to a decoy on the loopback interface, which counts connections: a cluster that nobody named.
tests/tools/try_core.py runs this file on other releases of ansible-core.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.release import __version__

SITE = "abcdesktopio.podshm.site"

#: Encrypted with a password that nobody loads.
VAULTED = """$ANSIBLE_VAULT;1.1;AES256
66626361376538333436353932383666623432303662336561363631653762616131656436313539
3536633738613465316233383863623833623233653362380a366232333432346438353436646430
33326266313037653461316138303236366264653237656238373138303430353339306464313434
6663386636393963360a306430333339646331643261326462356639336537303963366161356636
3730
"""


class Decoy:
    """The cluster that must not be contacted: counts connections, and refuses every request."""

    def __init__(self) -> None:
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self._socket.accept()
                self.connections += 1
                with connection:
                    connection.settimeout(5)
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


def kubeconfig(port: int) -> dict[str, t.Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "correct-horse-battery-staple"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }


@dataclasses.dataclass(frozen=True)
class Played:
    code: int
    stdout: str
    stderr: str
    reports: Path

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    def report(self, cluster: str) -> dict[str, t.Any]:
        return dict(json.loads((self.reports / f"{cluster}.json").read_text("utf-8")))


@dataclasses.dataclass(frozen=True)
class Play:
    """The playbook over an inventory that says nothing but what a test is about."""

    tmp: Path
    decoy: Decoy

    def _command(
        self, hosts: dict[str, t.Any], options: t.Sequence[str], inventory: str, playbook: str, changes: dict[str, str]
    ) -> dict[str, t.Any]:
        file = self.tmp / "inventory.yml"
        file.write_text(inventory or yaml.safe_dump({"all": {"hosts": hosts}}), "utf-8")
        foreign = ("K8S_AUTH_", "KUBE", "ANSIBLE_")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        environment |= {key: os.environ[key] for key in ("ANSIBLE_COLLECTIONS_PATH",) if key in os.environ}
        environment |= {"HOME": str(self.tmp), "ANSIBLE_HOME": str(self.tmp / "ansible"), "ANSIBLE_NOCOLOR": "1"}
        variables = json.dumps({"podshm_reports": str(self.tmp / "reports")})
        arguments = ["--inventory", str(file), "--extra-vars", variables, *options]
        return {
            "args": [sys.executable, "-m", "ansible", "playbook", playbook, *arguments],
            "cwd": self.tmp,
            "env": environment | changes,
            "text": True,
        }

    def run(
        self,
        hosts: dict[str, t.Any],
        *options: str,
        inventory: str = "",
        playbook: str = SITE,
        **environment: str,
    ) -> Played:
        command = self._command(hosts, options, inventory, playbook, environment)
        done = subprocess.run(**command, capture_output=True, timeout=120, check=False)
        return Played(done.returncode, done.stdout, done.stderr, self.tmp / "reports")

    def interrupted(self, hosts: dict[str, t.Any], signum: signal.Signals) -> str:
        """The output of a playbook that is interrupted while the checks run."""
        file = self.tmp / "output"
        with file.open("w", encoding="utf-8") as output:
            command = self._command(hosts, (), "", SITE, {})
            process = subprocess.Popen(**command, stdout=output, stderr=output)
        until = time.monotonic() + 60
        while "TASK [Run the checks" not in file.read_text("utf-8") and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(2)
        process.send_signal(signum)
        assert process.wait(30) != 0
        return file.read_text("utf-8")


@pytest.fixture
def play(tmp_path: Path) -> t.Iterator[Play]:
    decoy = Decoy()
    home = tmp_path / ".kube"
    home.mkdir()
    (home / "config").write_text(yaml.safe_dump(kubeconfig(decoy.port)), "utf-8")
    try:
        yield Play(tmp_path, decoy)
    finally:
        decoy.close()


def test_without_variables_the_default_kubeconfig_is_used(play: Play) -> None:
    """The premise of all tests below: the decoy is what a variable that is lost leads to."""
    played = play.run({"eu-1": {}})
    assert played.code != 0
    assert play.decoy.connections > 0, played.output
    assert f"of kubeconfig {play.tmp}/.kube/config)" in played.output


#: Host -> its variables, and the words that the message must have.
WRONG: t.Final[dict[str, tuple[dict[str, t.Any], tuple[str, ...]]]] = {
    "undefined": (
        {"podshm_kubeconfig": "{{ vault_kubeconfigs.eu }}"},
        ("podshm_kubeconfig cannot be", "vault_kubeconfigs"),
    ),
    "missing-key": (
        {"podshm_kubeconfig": "{{ kubeconfigs.eu }}", "kubeconfigs": {"us": "x"}},
        ("podshm_kubeconfig cannot be resolved", "eu"),
    ),
    "within": (
        {"podshm_kubeconfig": {"users": [{"user": {"token": "{{ vault_token }}"}}]}},
        ("podshm_kubeconfig cannot be resolved", "vault_token"),
    ),
    "context": ({"podshm_context": "{{ contexts_of_nobody }}"}, ("podshm_context cannot be", "contexts_of_nobody")),
    "host": ({"podshm_host": "https://{{ name_of_nobody }}:6443"}, ("podshm_host cannot be", "name_of_nobody")),
    "empty-kubeconfig": (
        {"podshm_kubeconfig": "{{ lookup('ansible.builtin.env', 'PODSHM_NOT_SET') }}"},
        ("podshm_kubeconfig: the value is empty",),
    ),
    "unknown": ({"podshm_fil": False}, ("there is no variable podshm_fil; did you mean podshm_fill?",)),
    "far": ({"podshm_zzzzzz": 1}, ("there is no variable podshm_zzzzzz",)),
    "bool": ({"podshm_fill": "perhaps"}, ("podshm_fill: 'perhaps' is not of the type bool",)),
    "int": ({"podshm_timeout": "soon"}, ("podshm_timeout: 'soon' is not of the type int",)),
    "choice": ({"podshm_nodes": "maybe"}, ("podshm_nodes: ", "'maybe' is not one of representative, first, all")),
    "least": ({"podshm_timeout": 0}, ("podshm_timeout: 0 is less than 1 second",)),
    "quantity": ({"podshm_size_limit": "1GB"}, ("podshm_size_limit: not a quantity: '1GB'",)),
    "fraction": (
        {"podshm_size_limit": "512m"},
        ("podshm_size_limit: 512m is a fraction of a byte; did you mean 512Mi?",),
    ),
    "certs": ({"podshm_validate_certs": "maybe"}, ("podshm_validate_certs: 'maybe' is not of the type bool",)),
    "accept": ({"podshm_accept": {"SHM100": "why"}}, ("podshm_accept: there is no check SHM100;",)),
    "word": ({"podshm_checks": ["sysvv"]}, ("there is no check, group or tag sysvv; did you mean sysv?",)),
    "empty": ({"podshm_checks": []}, ("podshm_checks", "the list is empty")),
    "reason": ({"podshm_accept": {"SHM101": {"reason": "why", "until": "2020"}}}, ("the reason of SHM101 is no text",)),
    "resource": ({"podshm_resources": {"cpus": 1}}, ("there is no resources.cpus",)),
    "several": ({"podshm_fil": 1, "podshm_node": 1}, ("podshm_fil;", "podshm_node;")),
}


def test_a_wrong_variable_is_one_line_and_nothing_is_requested(play: Play) -> None:
    played = play.run({host: variables for host, (variables, _words) in WRONG.items()})
    assert played.code != 0
    assert play.decoy.connections == 0, played.output
    failures = [line for line in played.output.splitlines() if line.startswith("fatal: ")]
    assert len(failures) == len(WRONG)
    for host, (_variables, words) in WRONG.items():
        (line,) = (line for line in failures if line.startswith(f"fatal: [{host}]"))
        assert f"cluster {host}: wrong variable: " in line
        assert "nothing was requested from the cluster" in line
        message = json.loads(line.partition(" => ")[2])["msg"]
        for word in words:
            assert word in message
        # a report that an earlier run left would say something else
        assert (played.report(host)["status"], played.report(host)["message"]) == ("ERROR", message)


def test_what_the_guard_is_for(play: Play) -> None:
    """Without it, a variable that cannot be resolved leads older releases of ansible-core to another cluster."""
    site = yaml.safe_load((Path(__file__).parents[2] / "playbooks" / "site.yml").read_text("utf-8"))
    guard, check, *rest = site[0]["tasks"][0]["block"]
    assert "abcdesktopio.podshm.shm_variables" in guard
    check["abcdesktopio.podshm.shm_check"]["checks"] = ["SHM301"]
    site[0]["tasks"][0]["block"] = [check, *rest]
    playbook = play.tmp / "unguarded.yml"
    playbook.write_text(yaml.safe_dump(site), "utf-8")
    played = play.run({"eu-1": {"podshm_kubeconfig": "{{ vault_kubeconfigs.eu }}"}}, playbook=str(playbook))
    assert played.code != 0
    is_older = tuple(int(part) for part in __version__.split(".")[:2]) < (2, 19)
    assert bool(play.decoy.connections) == is_older, played.output


def test_a_vault_that_is_not_loaded(play: Play) -> None:
    inventory = f"all:\n  hosts:\n    eu-1:\n      podshm_kubeconfig: !vault |\n{_indented(VAULTED, 8)}"
    played = play.run({}, inventory=inventory)
    assert played.code != 0
    assert play.decoy.connections == 0, played.output
    message = played.report("eu-1")["message"]
    assert message.startswith("cluster eu-1: wrong variable: podshm_kubeconfig cannot be resolved: ")
    assert "no vault secrets found" in message


def _indented(text: str, spaces: int) -> str:
    return "".join(f"{' ' * spaces}{line}\n" for line in text.splitlines())


def test_a_wrong_variable_keeps_no_other_cluster_from_being_checked(play: Play) -> None:
    played = play.run({"wrong": {"podshm_fil": 1}, "other": {}}, "--extra-vars", '{"podshm_checks": ["SHM301"]}')
    assert played.code != 0
    assert (played.report("wrong")["status"], played.report("other")["status"]) == ("ERROR", "UNREACHABLE")
    assert "did you mean podshm_fill?" in played.report("wrong")["message"]


def test_a_value_of_omit_is_not_set(play: Play) -> None:
    hosts = {"eu-1": {"podshm_timeout": "{{ nobody | default(omit) }}", "podshm_checks": ["SHM301"]}}
    played = play.run(hosts)
    assert "wrong variable" not in played.output
    assert [check["id"] for check in played.report("eu-1")["checks"]] == ["SHM301"]


def selected(play: Play, *options: str, **variables: t.Any) -> list[str]:
    played = play.run({"eu-1": variables}, *options)
    assert "undefined" not in played.output
    return [check["id"] for check in played.report("eu-1")["checks"]]


def test_tags_select_checks(play: Play) -> None:
    ids = selected(play, "--tags", "sysv,SHM301", "--skip-tags", "users")
    assert "SHM101" in ids
    assert "SHM301" in ids
    assert "SHM106" not in ids
    assert {check for check in ids if not check.startswith("SHM1")} == {"SHM301"}


def test_tags_keep_out_what_the_variable_leaves_out(play: Play) -> None:
    assert selected(play, "--tags", "basic", podshm_checks=["resize", "!SHM303"]) == [
        "SHM101", "SHM102", "SHM201", "SHM301", "SHM302",
    ]  # fmt: skip


def test_a_tag_that_names_nothing(play: Play) -> None:
    played = play.run({"eu-1": {}}, "--tags", "sysvv")
    assert played.code != 0
    assert "there is no check, group or tag sysvv; did you mean sysv?" in played.output
    assert play.decoy.connections == 0


def test_a_cluster_out_of_reach_is_one_finding_of_three_lines(play: Play) -> None:
    played = play.run({"eu-1": {}})
    assert played.code != 0
    lines = played.output.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("UNREACHABLE eu-1 Unauthorized"))
    assert [line.split()[0] for line in lines[start + 1 : start + 3]] == ["observed", "remedy"]
    assert sum("  observed  " in line for line in lines) == 1
    # one cause is named once
    assert played.output.count("are not accepted") == 1
    assert len(lines) < 35
    summary = (played.reports / "summary.md").read_text("utf-8")
    assert summary.count("**ERROR**") == 1
    checks = played.report("eu-1")["checks"]
    assert len([check for check in checks if check["verdict"] == "ERROR"]) > 50


def test_a_cluster_out_of_reach_is_three_lines_also_of_one_check(play: Play) -> None:
    """A report that cannot be written is named, and nothing of it stays."""
    (play.tmp / "reports" / "eu-1.json").mkdir(parents=True)
    played = play.run({"eu-1": {"podshm_checks": ["SHM301"]}})
    lines = played.output.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("UNREACHABLE eu-1 Unauthorized"))
    assert [line.partition("  ")[2].split(" ")[0] for line in lines[start + 1 : start + 4]] == [
        "observed",
        "remedy",
        "",
    ]
    assert "eu-1.json: Is a directory" in lines[-1]
    assert sorted(path.name for path in played.reports.iterdir()) == ["eu-1.json", "summary.md"]


@pytest.mark.parametrize("option", ["", "-v"])
def test_many_clusters_out_of_reach_and_the_table_comes_last(play: Play, option: str) -> None:
    hosts: dict[str, t.Any] = {f"eu-{number}": {} for number in range(8)}
    played = play.run(hosts, *filter(None, [option]), "--forks", "8")
    assert played.code != 0
    lines = played.output.splitlines()
    assert len(lines) < 30 + 15 * len(hosts)
    recap = next(number for number, line in enumerate(lines) if line.startswith("PLAY RECAP"))
    table = next(number for number, line in enumerate(lines) if line.startswith("CLUSTER "))
    assert recap < table
    assert sum(line.startswith("CLUSTER ") for line in lines) == 1
    assert lines[-1] == f"reports in {play.tmp}/reports"
    assert lines[-2].startswith("8 clusters: 8 UNREACHABLE; 0 of ")


def test_other_callbacks_print_before_the_table(play: Play) -> None:
    """As profile_tasks and timer do, which many have enabled: they print after PLAY RECAP."""
    folder = play.tmp / "callbacks"
    folder.mkdir()
    (folder / "zz_profile.py").write_text(
        "DOCUMENTATION = 'name: zz_profile\\ntype: aggregate\\nshort_description: x\\ndescription: x'\n"
        "from ansible.plugins.callback import CallbackBase\n"
        "class CallbackModule(CallbackBase):\n"
        "    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, 'aggregate', 'zz_profile'\n"
        "    CALLBACK_NEEDS_ENABLED = True\n"
        "    def v2_playbook_on_stats(self, stats):\n"
        "        self._display.display('the profile')\n",
        "utf-8",
    )
    played = play.run({"eu-1": {}}, ANSIBLE_CALLBACK_PLUGINS=str(folder), ANSIBLE_CALLBACKS_ENABLED="zz_profile")
    assert "the profile" in played.stdout
    assert played.stdout.splitlines()[-1] == f"reports in {play.tmp}/reports"


@pytest.mark.parametrize(
    "setting", ["ANSIBLE_STRATEGY=free", "ANSIBLE_NO_LOG=1", "ANSIBLE_ANY_ERRORS_FATAL=1", "ANSIBLE_BECOME=1"]
)
def test_settings_of_ansible_change_no_report(play: Play, setting: str) -> None:
    """With the strategy free there were as many reports as clusters, with no_log none, and with become root asked."""
    name, _equals, value = setting.partition("=")
    hosts: dict[str, t.Any] = {"eu-1": {}, "eu-2": {}, "wrong": {"podshm_fil": 1}}
    played = play.run(hosts, **{name: value, "ANSIBLE_BECOME_EXE": "/nonexistent/sudo"})
    assert sum(line.startswith("CLUSTER ") for line in played.output.splitlines()) == 1, played.output
    assert "3 clusters: 2 UNREACHABLE, 1 ERROR; " in played.output
    for host in ("eu-1", "eu-2"):
        assert f"UNREACHABLE {host} Unauthorized" in played.output
        assert played.report(host)["checks"]


def test_hosts_that_ansible_does_not_reach_have_a_report(play: Play) -> None:
    """The clusters are asked from a machine that is away: all of them, so that no host is left in the play."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": port}
    played = play.run({"eu-1": away, "eu-2": away})
    assert played.code == 4
    assert "2 clusters: 2 UNREACHABLE; 0 of 0 checks decided" in played.output
    for host in ("eu-1", "eu-2"):
        assert played.report(host)["message"].startswith(f"cluster {host}: ")
        assert "Connection refused" in played.report(host)["message"]


def test_what_is_for_programs_stays_for_programs(play: Play) -> None:
    """A stdout callback whose output is JSON: the words for people go to stderr."""
    folder = play.tmp / "callbacks"
    folder.mkdir()
    (folder / "its_json.py").write_text(
        "DOCUMENTATION = 'name: its_json\\ntype: stdout\\nshort_description: x\\ndescription: x'\n"
        "from ansible.plugins.callback import CallbackBase\n"
        "class CallbackModule(CallbackBase):\n"
        "    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, 'stdout', 'its_json'\n"
        "    def v2_playbook_on_stats(self, stats):\n"
        "        self._display.display('{}')\n",
        "utf-8",
    )
    played = play.run({"eu-1": {}}, ANSIBLE_CALLBACK_PLUGINS=str(folder), ANSIBLE_STDOUT_CALLBACK="its_json")
    assert played.code != 0
    assert json.loads(played.stdout) == {}
    assert "UNREACHABLE eu-1" in played.output


def test_an_interruption_says_that_the_removal_goes_on(play: Play) -> None:
    """The cluster answers nothing, so that the run is under way until the signal comes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for signum in (signal.SIGINT, signal.SIGTERM):
            hosts = {"eu-1": {"podshm_kubeconfig": kubeconfig(port), "podshm_namespace": "here"}}
            output = play.interrupted(hosts, signum)
            assert "podshm: interrupted while it ran on eu-1. The removal of what it created there goes on" in output
            assert (
                "kubectl --kubeconfig FILE --namespace here get pods,configmaps,jobs --selector app.kubernetes.io/name=podshm"
                in output
            )


def test_check_mode_with_a_wrong_option(play: Play) -> None:
    played = play.run({"eu-1": {"podshm_size_limit": "much"}}, "--check")
    assert played.code != 0
    assert "undefined" not in played.output
    assert "podshm_size_limit: not a quantity" in played.output
    assert play.decoy.connections == 0


def test_connection_and_interpreter_of_the_inventory_win(play: Play) -> None:
    hosts = {
        "python": {"ansible_python_interpreter": "/nonexistent/python"},
        "connection": {"ansible_connection": "podshm.test.none"},
    }
    played = play.run(hosts, "--extra-vars", '{"podshm_checks": ["SHM301"]}')
    assert played.code != 0
    assert "/nonexistent/python" in played.report("python")["message"]
    assert "podshm.test.none" in played.report("connection")["message"]
    assert play.decoy.connections == 0


def test_the_line_that_names_the_cluster_is_about_where_the_modules_run(play: Play) -> None:
    server = f"http://127.0.0.1:{play.decoy.port}"
    tasks: list[dict[str, t.Any]] = [{"abcdesktopio.podshm.shm_variables": {}}]
    environment = {"K8S_AUTH_HOST": server, "K8S_AUTH_API_KEY": "correct-horse-battery-staple"}
    other = {"hosts": "all", "gather_facts": False, "environment": environment, "tasks": tasks}
    file = play.tmp / "play.yml"
    file.write_text(yaml.safe_dump([other]), "utf-8")
    hosts = {
        "here": {"ansible_connection": "local"},
        "there": {"ansible_connection": "ssh", "ansible_host": "h.invalid"},
    }
    hosts["root"] = {"ansible_connection": "local", "ansible_become": "true"}
    played = play.run(hosts, playbook=str(file))
    assert f"cluster here: {server} (the environment: K8S_AUTH_HOST, K8S_AUTH_API_KEY)\n" in played.output
    assert "cluster there: decided where its modules run (connection ssh); the report names it\n" in played.output
    assert "cluster root: decided where its modules run (become); the report names it\n" in played.output
    assert "correct-horse" not in played.output
    assert play.decoy.connections == 0
