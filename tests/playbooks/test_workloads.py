# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks workloads and explain without any cluster: what they print, how they end, and that no value gets out."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
import typing as t
import urllib.parse
from pathlib import Path

import pytest
import yaml

WORKLOADS = "abcdesktopio.podshm.workloads"

GOOD = """\
kind: Pod
metadata: {name: good, namespace: shop}
spec:
  containers:
  - name: pg
    image: postgres:15
    resources: {limits: {memory: 2Gi}}
    volumeMounts: [{name: dshm, mountPath: /dev/shm}]
  volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 512Mi}}]
"""
BAD = """\
kind: Deployment
apiVersion: apps/v1
metadata: {name: db, namespace: shop}
spec: {template: {spec: {containers: [{name: pg, image: "postgres:15"}]}}}
"""

SECRET = "correct-horse-battery-staple"
#: Wherever a manifest can have a value that nobody may see.
PLANTED = f"""\
kind: Secret
metadata: {{name: s}}
stringData: {{password: {SECRET}}}
---
kind: ConfigMap
metadata: {{name: c}}
data: {{password: {SECRET}}}
---
kind: Deployment
apiVersion: apps/v1
metadata:
  name: db
  annotations: {{kubectl.kubernetes.io/last-applied-configuration: '{{"value": "{SECRET}"}}'}}
spec:
  template:
    spec:
      containers:
      - name: pg
        image: postgres:15
        command: [sh, -c, "postgres --password={SECRET}"]
        env:
        - {{name: POSTGRES_PASSWORD, value: {SECRET}}}
        - {{name: PGOPTIONS, value: "-c work_mem={SECRET} -c dynamic_shared_memory_type=mmap {SECRET}"}}
        - {{name: RAY_OBJECT_STORE_MEMORY, value: {SECRET}}}
      - {{name: ray, image: "rayproject/ray:2.9", args: [--object-store-memory={SECRET}]}}
---
kind: Pod
metadata: {{name: strange}}
spec: {{containers: [{{name: c, image: x, env: [{{name: A, value: [{SECRET}]}}], resources: {{limits: {{memory: [1]}}}}}}]}}
---
kind: Pod
metadata: {{name: odd}}
spec: {{containers: [{{name: c, image: x, env: {{value: {SECRET}}}}}]}}
---
kind: Pod
metadata: {{name: broken}}
spec:
  containers:
  - env: [{{name: A, value: {SECRET}}}, {{{{ .Values.x }}}} {SECRET}: ]
"""


def play(
    tmp: Path, *options: str, playbook: str = WORKLOADS, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("K8S_AUTH_", "KUBE", "ANSIBLE_"))
    }
    environment |= {key: os.environ[key] for key in ("ANSIBLE_COLLECTIONS_PATH",) if key in os.environ}
    environment |= {"HOME": str(tmp), "ANSIBLE_HOME": str(tmp / "ansible"), "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", playbook, *options],
        cwd=tmp,
        env=environment,
        input=stdin,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def audit(tmp: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (tmp / "f.yaml").write_text(text, "utf-8")
    return play(tmp, "--extra-vars", "podshm_manifests=f.yaml", *options)


def test_what_is_well_is_a_pass(tmp_path: Path) -> None:
    played = audit(tmp_path, GOOD)
    assert played.returncode == 0, played.stdout
    assert "nothing to say: Pod shop/good\n1 workload: 1 PASS\n" in played.stdout


def test_a_finding_fails_the_play_in_one_short_line(tmp_path: Path) -> None:
    played = audit(tmp_path, f"{GOOD}---\n{BAD}")
    assert played.returncode == 2
    assert "FAIL Deployment shop/db (f.yaml:11)\n  SHM701 FAIL" in played.stdout
    assert "2 workloads: 1 FAIL, 1 PASS\n" in played.stdout
    (fatal,) = (line for line in played.stdout.splitlines() if line.startswith("fatal:"))
    assert len(fatal) < 120
    assert "Pod shop/good" in played.stdout
    # no dump of the answer
    assert "memory_limit_bytes" not in played.stdout + played.stderr


def test_manifests_come_from_stdin(tmp_path: Path) -> None:
    played = play(tmp_path, "--extra-vars", "podshm_manifests=-", stdin=BAD)
    assert played.returncode == 2
    assert "FAIL Deployment shop/db (stdin:1)" in played.stdout


def test_manifests_come_from_folders(tmp_path: Path) -> None:
    folder = tmp_path / "manifests" / "within"
    folder.mkdir(parents=True)
    (folder / "a.yml").write_text(BAD, "utf-8")
    (folder / "notes.txt").write_text("no manifest", "utf-8")
    played = play(tmp_path, "--extra-vars", "podshm_manifests=manifests")
    assert "FAIL Deployment shop/db (manifests/within/a.yml:1)" in played.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: Pod\nmetadata: {name: {{ .Values.a }}}\n", "ERROR f.yaml:2: it is a template that is not rendered"),
        ("", "0 workloads: nothing was audited"),
        ("- 1\n", "ERROR f.yaml:1: it is no object of Kubernetes"),
    ],
)
def test_what_cannot_be_audited_is_no_pass(tmp_path: Path, text: str, words: str) -> None:
    played = audit(tmp_path, text)
    assert played.returncode == 2
    assert words in played.stdout


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    played = play(tmp_path, "--extra-vars", "podshm_manifests=nobody.yaml")
    assert played.returncode == 2
    assert "ERROR nobody.yaml: it cannot be read: No such file or directory" in played.stdout


@pytest.mark.parametrize("verbosity", ["-v", "-vvvv"])
def test_no_value_of_a_variable_or_a_secret_is_shown(tmp_path: Path, verbosity: str) -> None:
    played = audit(tmp_path, PLANTED, verbosity)
    output = played.stdout + played.stderr
    assert "Deployment db" in output
    assert "Pod strange" in output
    assert "Pod odd" in output
    assert "it is a template that is not rendered" in output
    assert SECRET not in output
    # at -vvvv the whole answer is there, and names of what was read
    assert ("memory_limit_bytes" in output) == (verbosity == "-vvvv")


def test_without_clusters_and_manifests_nothing_is_a_pass(tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text("all: {hosts: {}}\n", "utf-8")
    played = play(tmp_path, "--inventory", "inventory.yml")
    assert played.returncode == 2
    assert "the inventory has no cluster" in played.stdout


def test_a_line_is_explained(tmp_path: Path) -> None:
    played = play(tmp_path, "--extra-vars", "text='Bus error (core dumped)'", playbook="abcdesktopio.podshm.explain")
    assert played.returncode == 0
    assert "Bus error (core dumped)\n  likely: a mapped file could not grow" in played.stdout


def test_a_line_that_the_shell_has_unquoted_is_explained(tmp_path: Path) -> None:
    """C(-e text='Bus error (core dumped)') has one pair of quotes, which is the shell's."""
    played = play(tmp_path, "--extra-vars", "text=Bus error (core dumped)", playbook="abcdesktopio.podshm.explain")
    assert "Bus error (core dumped)\n  likely: a mapped file could not grow" in played.stdout


def test_without_a_text_there_is_nothing_to_explain(tmp_path: Path) -> None:
    for options in ((), ("--extra-vars", "text=")):
        played = play(tmp_path, *options, playbook="abcdesktopio.podshm.explain")
        assert played.returncode == 2
        assert "there is no text to explain; give it with -e" in played.stdout
        assert "undefined" not in played.stdout


def test_of_a_line_that_is_not_known_it_is_said_what_was_read(tmp_path: Path) -> None:
    played = play(tmp_path, "--extra-vars", "text='hello you'", playbook="abcdesktopio.podshm.explain")
    assert "nothing of this is known to be about shared memory: hello you\n" in played.stdout


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ('{"podshm_fxi": "diff"}', "wrong variable: there is no variable podshm_fxi; did you mean podshm_fix?"),
        ('{"podshm_fix": "{{ nobody }}"}', "wrong variable: podshm_fix cannot be resolved: "),
    ],
)
def test_a_wrong_variable_beside_manifests(tmp_path: Path, variable: str, words: str) -> None:
    """Manifests need no cluster, but a variable that is lost is lost there, too."""
    played = audit(tmp_path, GOOD, "--extra-vars", variable)
    assert played.returncode == 2
    assert words in played.stdout
    assert "; nothing was read" in played.stdout
    assert "nothing to say" not in played.stdout


def test_tags_leave_nothing_out(tmp_path: Path) -> None:
    """They select checks of site; an audit that was not made must not end with 0."""
    played = audit(tmp_path, BAD, "--tags", "sysv")
    assert played.returncode == 2
    assert "SHM701 FAIL" in played.stdout


def test_what_is_secret_in_a_line_that_is_explained_is_not_shown(tmp_path: Path) -> None:
    line = f"Bus error at postgres://u:{SECRET}@h, Authorization: Bearer {SECRET}"
    played = play(tmp_path, "--extra-vars", json.dumps({"text": line}), "-v", playbook="abcdesktopio.podshm.explain")
    assert "Bus error at postgres://********@h, Authorization: ********\n  likely" in played.stdout
    assert SECRET not in played.stdout


# ---------------------------------------------------------------------------------------------------- a cluster


class Api(http.server.BaseHTTPRequestHandler):
    """An API server that has pods on two pages, and lets nobody look at Deployments."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        self.server.paths.append(url.path)  # type: ignore[attr-defined]
        if url.path.endswith("/log"):
            return self.send(200, f"ready\nPANIC: Bus error {SECRET}\n".encode())
        if url.path.endswith("/pods"):
            number = int(query.get("continue") or 0)
            metadata = {"continue": str(number + 1)} if number < 1 else {}
            return self.send(200, {"metadata": metadata, "items": [self.pod(f"db-{number}")]})
        if url.path.endswith("/deployments"):
            return self.send(
                403,
                {"kind": "Status", "message": 'deployments is forbidden: User "u" cannot list resource "deployments"'},
            )
        answer = {
            "kind": "APIGroupList",
            "gitVersion": "v1.37.0",
            "major": "1",
            "minor": "37",
            "versions": ["v1"],
            "groups": [],
            "items": [],
            "resources": [],
        }
        return self.send(200, answer)

    def pod(self, name: str) -> dict[str, t.Any]:
        ended = {"terminated": {"exitCode": 135}}
        owner = {"controller": True, "kind": "StatefulSet", "name": "db", "apiVersion": "apps/v1", "uid": "1"}
        container = {"name": "pg", "image": "postgres:15", "env": [{"name": "PASSWORD", "value": SECRET}]}
        return {
            "metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences": [owner]},
            "spec": {"containers": [container]},
            "status": {"containerStatuses": [{"name": "pg", "restartCount": 2, "lastState": ended}]},
        }

    def send(self, status: int, answer: object) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: t.Any) -> None:
        pass


@pytest.fixture
def api() -> t.Iterator[t.Any]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.paths = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.parametrize("verbosity", ["", "-vvvv"])
def test_a_cluster_is_read_and_nothing_else(tmp_path: Path, api: t.Any, verbosity: str) -> None:
    def host(port: int) -> dict[str, t.Any]:
        return {"podshm_host": f"http://127.0.0.1:{port}", "podshm_api_key": "a-token-of-the-test"}

    hosts = {"eu-1": host(api.server_address[1]), "us-1": host(1)}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}), "utf-8")
    options = ["--extra-vars", "podshm_logs=true", *filter(None, [verbosity])]
    played = play(tmp_path, "--inventory", "inventory.yml", *options)
    output = played.stdout + played.stderr
    assert played.returncode == 2
    assert "FAIL StatefulSet shop/db\n" in played.stdout
    assert "SHM721" in output
    assert "last words in pod db-0: 'PANIC: Bus error ********'" in output
    assert "ERROR deployments of the cluster: Forbidden: the API server answers 403" in output
    assert "cluster eu-1: 1 workload: 1 FAIL; 1 part could not be read" in output
    assert "cluster us-1: ApiUnreachable" in output
    assert SECRET not in output
    assert "a-token-of-the-test" not in output
    # read only, and no Secret
    assert all(path.startswith(("/api", "/version")) for path in api.paths)
    assert not any(word in path for word in ("secret", "configmap") for path in api.paths)
    if not verbosity:
        assert "memory_limit_bytes" not in output
