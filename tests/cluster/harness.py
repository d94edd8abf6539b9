# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The local clusters, seen from outside: what the tests make there, and the modules run against them."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
import typing as t
import urllib.parse

import urllib3
import yaml

CHECKOUT = pathlib.Path(__file__).parents[2]
NAMES = ("alpha", "beta")

#: On every namespace and cluster-wide object that a test makes; the value is this session's.
LABEL = "podshm-test"
SESSION = secrets.token_hex(3)
MINE = f"{LABEL}={SESSION}"

#: On every object that the collection makes.
OURS = "app.kubernetes.io/name=podshm"

_GROUPS = {
    "deployments": "apis/apps/v1",
    "jobs": "apis/batch/v1",
    **dict.fromkeys(("deployments", "statefulsets"), "apis/apps/v1"),
    "leases": "apis/coordination.k8s.io/v1",
    "roles": "apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "apis/rbac.authorization.k8s.io/v1",
    "clusterroles": "apis/rbac.authorization.k8s.io/v1",
    "clusterrolebindings": "apis/rbac.authorization.k8s.io/v1",
    "runtimeclasses": "apis/node.k8s.io/v1",
    "priorityclasses": "apis/scheduling.k8s.io/v1",
    "mutatingadmissionpolicies": "apis/admissionregistration.k8s.io/v1",
    "mutatingadmissionpolicybindings": "apis/admissionregistration.k8s.io/v1",
    "validatingwebhookconfigurations": "apis/admissionregistration.k8s.io/v1",
    "validatingadmissionpolicies": "apis/admissionregistration.k8s.io/v1",
    "validatingadmissionpolicybindings": "apis/admissionregistration.k8s.io/v1",
}


class ApiError(Exception):
    """The API server refused; the message is its own."""


def _key(item: dict[str, t.Any]) -> str:
    return f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


class Cluster:
    """One local cluster and its administrator."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kubeconfig = pathlib.Path("/var/lib/podshm", name, "kubeconfig")
        if not self.kubeconfig.is_file():
            raise FileNotFoundError(f"the local cluster {name} is not there; start it with: make clusters")
        self.config = yaml.safe_load(self.kubeconfig.read_text("utf-8"))
        cluster = self.config["clusters"][0]["cluster"]
        self.server: str = cluster["server"]
        self.ca_data: str = cluster["certificate-authority-data"]

    @functools.cached_property
    def tls(self) -> ssl.SSLContext:
        """The administrator's way to the API server."""
        user = self.config["users"][0]["user"]
        context = ssl.create_default_context(cadata=base64.b64decode(self.ca_data).decode("ascii"))
        # it wants a file
        with tempfile.NamedTemporaryFile() as file:
            file.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
            file.flush()
            context.load_cert_chain(file.name)
        return context

    @functools.cached_property
    def _pool(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(ssl_context=self.tls, retries=False)

    def request(
        self, method: str, path: str, body: t.Any = None, query: dict[str, str] | None = None, stream_seconds: int = 0
    ) -> t.Any:
        """One request; the parsed answer, or the lines of a stream that the server ends after so many seconds."""
        url = f"{self.server}/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        response = self._pool.request(
            method,
            url,
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": "application/json"},
            preload_content=not stream_seconds,
            timeout=urllib3.Timeout(connect=5, read=60 + stream_seconds),
        )
        if response.status >= 300:
            raise ApiError(f"{method} {path}: {response.status} {response.data.decode('utf-8', 'replace')}")
        return response if stream_seconds else json.loads(response.data)

    @staticmethod
    def path(kind: str, namespace: str = "", name: str = "") -> str:
        parts = [_GROUPS.get(kind, "api/v1"), *(("namespaces", namespace) if namespace else ()), kind, name]
        return "/".join(part for part in parts if part)

    def create(self, kind: str, body: dict[str, t.Any], namespace: str = "") -> t.Any:
        return self.request("POST", self.path(kind, namespace), body)

    def delete(self, kind: str, name: str, namespace: str = "", **options: t.Any) -> None:
        with contextlib.suppress(ApiError):
            self.request("DELETE", self.path(kind, namespace, name), options)

    def list(self, kind: str, namespace: str = "", selector: str = "") -> list[dict[str, t.Any]]:
        query = {"labelSelector": selector} if selector else None
        return list(self.request("GET", self.path(kind, namespace), query=query)["items"])

    def until(
        self,
        kind: str,
        namespace: str,
        test: t.Callable[[dict[str, dict[str, t.Any]]], bool],
        selector: str = "",
        seconds: int = 60,
    ) -> dict[str, dict[str, t.Any]]:
        """Follow objects by a watch until the test holds for all of them, by namespace and name."""
        query = {"labelSelector": selector} if selector else {}
        answer = self.request("GET", self.path(kind, namespace), query=query)
        seen = {_key(item): item for item in answer["items"]}
        if test(seen):
            return seen
        query |= {
            "watch": "true",
            "timeoutSeconds": str(seconds),
            "resourceVersion": answer["metadata"]["resourceVersion"],
        }
        response = self.request("GET", self.path(kind, namespace), query=query, stream_seconds=seconds)
        with contextlib.closing(response):
            for line in response:
                event = json.loads(line)
                if event["type"] == "DELETED":
                    seen.pop(_key(event["object"]), None)
                else:
                    seen[_key(event["object"])] = event["object"]
                if test(seen):
                    return seen
        raise AssertionError(f"{self.name}: {kind} of {namespace or 'all namespaces'} after {seconds} s: {list(seen)}")

    def left(self, namespace: str = "", seconds: int = 1) -> t.Sequence[str]:
        """What the collection left behind, but for what belongs to somebody else's tests.

        Objects that are just being removed get some time.
        """

        def none(seen: dict[str, t.Any]) -> bool:
            return all(key.startswith(f"{LABEL}-") and not key.startswith(f"{LABEL}-{SESSION}-") for key in seen)

        found = []
        for kind in ("pods", "configmaps", "jobs"):
            try:
                self.until(kind, namespace, none, OURS, seconds)
            except AssertionError as error:
                found.append(str(error))
        return found

    # -------------------------------------------------------------- what tests make

    def make_namespace(self, labels: dict[str, str] | None = None) -> str:
        """A namespace in which pods can be made."""
        name = f"{LABEL}-{SESSION}-{secrets.token_hex(4)}"
        metadata = {"name": name, "labels": {LABEL: SESSION, **(labels or {})}}
        self.create("namespaces", {"metadata": metadata})
        # admission refuses pods until the controller has made it
        self.until("serviceaccounts", name, lambda seen: f"{name}/default" in seen, seconds=20)
        return name

    @contextlib.contextmanager
    def wide(self, kind: str, body: dict[str, t.Any]) -> t.Iterator[str]:
        """A cluster-wide object, for as long as the block runs."""
        name = f"{LABEL}-{SESSION}-{secrets.token_hex(4)}"
        metadata = {**body.get("metadata", {}), "name": name, "labels": {LABEL: SESSION}}
        self.create(kind, {**body, "metadata": metadata})
        try:
            yield name
        finally:
            self.delete(kind, name)

    def token(self, namespace: str, account: str, seconds: int = 600) -> str:
        """A token of a service account."""
        body = {"spec": {"expirationSeconds": seconds, "audiences": []}}
        path = self.path("serviceaccounts", namespace, account) + "/token"
        return str(self.request("POST", path, body)["status"]["token"])

    def kubeconfig_with(self, user: dict[str, t.Any], **cluster: t.Any) -> dict[str, t.Any]:
        """A kubeconfig for another user, or with another way to the cluster."""
        entry = {"server": self.server, "certificate-authority-data": self.ca_data, **cluster}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {key: value for key, value in entry.items() if value is not None}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": self.name, "context": {"cluster": "c", "user": "u"}}],
            "current-context": self.name,
        }


# ------------------------------------------------------------------------ the modules

#: Where faults are: faults.NAME, broken.NAME.
_FAULTS = os.pathsep.join(str(CHECKOUT / "tests" / folder) for folder in ("cluster", "worlds"))


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a module call returned."""

    code: int
    result: dict[str, t.Any]
    output: str
    seconds: float

    @property
    def msg(self) -> str:
        return str(self.result.get("msg", ""))

    @property
    def checks(self) -> dict[str, dict[str, t.Any]]:
        return {check["id"]: check for check in self.result.get("checks", ())}

    @property
    def verdicts(self) -> set[str]:
        return {check["verdict"] for check in self.checks.values()}

    @property
    def reasons(self) -> set[str]:
        return {check["reason"] for check in self.checks.values()}


class Call:
    """A module call in a process of its own.

    :param fault: a Python module that breaks what a test wants broken, for example faults.endless (run_module.py).
    """

    def __init__(self, module: str, args: dict[str, t.Any], fault: str = "", env: dict[str, str] | None = None) -> None:
        self._began = time.monotonic()
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("K8S_AUTH_", "KUBE"))}
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(CHECKOUT / "tests" / "cluster" / "run_module.py"),
                module,
                *([fault] if fault else ()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment, "PYTHONPATH": _FAULTS, "HOME": "/nonexistent", **(env or {})},
        )
        assert self.process.stdin
        self.process.stdin.write(json.dumps(args))
        self.process.stdin.close()
        self.process.stdin = None

    def answer(self, seconds: float = 90) -> Answer:
        """Wait for the end and read what was returned."""
        try:
            out, err = self.process.communicate(timeout=seconds)
        finally:
            self.process.kill()
        try:
            result = json.loads(out)
        except ValueError:
            result = {}
        return Answer(self.process.returncode, result, out + err, time.monotonic() - self._began)


def call(cluster: Cluster, module: str = "shm_check", fault: str = "", env: t.Any = None, **args: t.Any) -> Call:
    """Start a module on a cluster, as its administrator unless the arguments say otherwise."""
    if not {"kubeconfig", "host"} & args.keys():
        args["kubeconfig"] = str(cluster.kubeconfig)
    args.setdefault("cluster", cluster.name)
    if module == "shm_check":
        # the whole catalog is asked where it is the point (test_worlds.py)
        args.setdefault("checks", ["basic"])
    return Call(module, {key: value for key, value in args.items() if value is not None}, fault, env)


def ask(cluster: Cluster, module: str = "shm_check", **args: t.Any) -> Answer:
    """Run a module on a cluster to its end."""
    return call(cluster, module, **args).answer()


def passes(answer: Answer) -> None:
    """Everything was decided, as expected, and nothing stays."""
    assert answer.code == 0, answer.output
    assert answer.verdicts == {"PASS"}, answer.msg
    assert answer.result["leftovers"] == []
    assert answer.result["changed"] is False


def fails(answer: Answer, reason: str, *words: str, cluster: str = "alpha") -> None:
    """Nothing was decided; one line names cluster, object, cause and remedy; nothing stays."""
    assert answer.code != 0, answer.output
    assert answer.result["failed"] is True
    assert answer.verdicts == {"ERROR"}, answer.msg
    assert answer.reasons == {reason}, {check["observed"] for check in answer.checks.values()}
    line = answer.msg
    assert "\n" not in line
    assert len(line) < 1000
    remedy = next(iter(answer.checks.values()))["remedy"]
    for word in (f"cluster {cluster}", remedy, *words):
        assert word in line, f"{word!r} is not in: {line}"
    assert remedy
    assert "Traceback" not in answer.output, answer.output
    assert answer.result["leftovers"] == []
