# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bad input and bad luck get: one line that names cluster, object, cause and remedy, and nothing left behind."""

from __future__ import annotations

import contextlib
import copy
import http.server
import json
import pathlib
import re
import secrets
import select
import signal
import socket
import socketserver
import ssl
import threading
import time
import typing as t

import harness
import pytest
import yaml
from harness import CHECKOUT, Answer, Cluster, ask, call, fails, passes

SECRET = "correct-horse-battery-staple"


def unreachable(answer: harness.Answer, reason: str, *words: str) -> None:
    fails(answer, reason, *words)
    assert answer.result["status"] == "UNREACHABLE"
    assert SECRET not in answer.output


# ------------------------------------------------------------------------- kubeconfigs


def test_unknown_context(alpha: Cluster) -> None:
    unreachable(ask(alpha, context="nowhere"), "BadKubeconfig", "nowhere")


def test_missing_kubeconfig(alpha: Cluster) -> None:
    unreachable(ask(alpha, kubeconfig="/nonexistent/kubeconfig"), "BadKubeconfig", "/nonexistent/kubeconfig")


def test_no_kubeconfig_at_all(alpha: Cluster) -> None:
    unreachable(ask(alpha, kubeconfig=None), "BadKubeconfig")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        f"just {SECRET}",
        f"apiVersion: v1\nusers: [{{name: u, user: {{token: {SECRET}\n  }}}}",
        f"apiVersion: v1\nkind: Config\nusers:\n\t- token: {SECRET}\n",
        f"apiVersion: v1\nkind: Config\nusers: {SECRET}\nclusters: {SECRET}\ncontexts: {SECRET}\n",
        "\x00\x01\x02",
    ],
)
def test_malformed_kubeconfig(alpha: Cluster, tmp_path: pathlib.Path, text: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text, "utf-8")
    unreachable(ask(alpha, kubeconfig=str(file)), "BadKubeconfig", str(file))


@pytest.mark.parametrize(
    ("cluster", "user", "words"),
    [
        ({"certificate-authority-data": "%%%"}, {"token": SECRET}, "certificates or keys"),
        ({"certificate-authority-data": "bm8gY2VydGlmaWNhdGU="}, {"token": SECRET}, "certificates or keys"),
        ({"certificate-authority-data": None, "certificate-authority": "/no/ca"}, {"token": SECRET}, "/no/ca"),
        ({}, {"client-certificate-data": "bm8gY2VydA==", "client-key-data": "bm8ga2V5"}, "certificates or keys"),
        ({"server": "not an address"}, {"token": SECRET}, "not an address"),
        ({"server": None}, {"token": SECRET}, "kubeconfig from variables"),
        ({}, {"token": f"{SECRET}\n"}, "line break"),
    ],
)
def test_kubeconfig_that_cannot_be_used(
    alpha: Cluster, cluster: dict[str, t.Any], user: dict[str, str], words: str
) -> None:
    unreachable(ask(alpha, kubeconfig=alpha.kubeconfig_with(user, **cluster)), "BadKubeconfig", words)


def test_kubeconfig_given_as_text(alpha: Cluster) -> None:
    # what a lookup of a file gives: neither a path nor a mapping
    text = yaml.safe_dump(alpha.kubeconfig_with({"token": SECRET}))
    unreachable(ask(alpha, kubeconfig=text), "BadKubeconfig", "from_yaml")


@pytest.mark.parametrize(
    ("command", "words"), [("/no/plugin", "No such file or directory: /no/plugin"), ("false", "false ended with 1")]
)
def test_credential_plugin_that_gives_nothing(alpha: Cluster, command: str, words: str) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": command}}
    answer = ask(alpha, kubeconfig=alpha.kubeconfig_with(user))
    unreachable(answer, "PluginFailed", alpha.server, words)


def test_what_a_credential_plugin_writes_is_not_shown(alpha: Cluster) -> None:
    for script in (f"echo {SECRET} >&2; exit 1", f"echo {SECRET}", f'echo \'{{"apiVersion": "{SECRET}"}}\''):
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script]}
        answer = ask(alpha, kubeconfig=alpha.kubeconfig_with({"exec": plugin}))
        assert answer.reasons == {"PluginFailed"}
        assert SECRET not in answer.output


@pytest.mark.parametrize("script", ["exec sleep 60", "sleep 60 & wait"])
def test_credential_plugin_that_hangs(alpha: Cluster, tmp_path: pathlib.Path, script: str) -> None:
    answer = ask(alpha, kubeconfig=hanging(alpha, tmp_path, script), timeout=3)
    unreachable(answer, "PluginFailed", "sh did not end within 3 s, and was killed")
    assert is_gone(tmp_path)


def test_credential_plugin_that_hangs_is_killed_with_the_run(alpha: Cluster, tmp_path: pathlib.Path) -> None:
    running = call(alpha, kubeconfig=hanging(alpha, tmp_path, "sleep 60 & wait"))
    until = time.monotonic() + 20
    while not (tmp_path / "group").exists() and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.2)
    running.process.send_signal(signal.SIGTERM)
    answer = running.answer()
    assert answer.reasons == {"Interrupted"}
    assert answer.seconds < 20
    assert is_gone(tmp_path)


def hanging(cluster: Cluster, folder: pathlib.Path, script: str) -> dict[str, t.Any]:
    """A kubeconfig with a plugin that writes down its process group first."""
    whole = f"echo $$ > {folder}/group; {script}"
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", whole]}
    return cluster.kubeconfig_with({"exec": plugin})


def is_gone(folder: pathlib.Path) -> bool:
    """Whether no process of the plugin's group runs any more; one that nobody waits for has ended, too."""
    group = (folder / "group").read_text().strip()
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, of_group, *_rest = status.read_text().rpartition(")")[2].split()
            if of_group == group and state != "Z":
                return False
    return True


# ------------------------------------------------------------------------- credentials


def test_wrong_certificate_authority(alpha: Cluster, beta: Cluster) -> None:
    config = alpha.kubeconfig_with({"token": SECRET}, **{"certificate-authority-data": beta.ca_data})
    unreachable(ask(alpha, kubeconfig=config), "TlsUntrusted", alpha.server)


def test_wrong_token(alpha: Cluster) -> None:
    unreachable(ask(alpha, kubeconfig=alpha.kubeconfig_with({"token": SECRET})), "Unauthorized", alpha.server)


def test_token_that_is_valid_no_more(alpha: Cluster, namespace: str) -> None:
    alpha.create("serviceaccounts", {"metadata": {"name": "gone"}}, namespace)
    token = alpha.token(namespace, "gone")
    alpha.delete("serviceaccounts", "gone", namespace)
    answer = ask(alpha, kubeconfig=alpha.kubeconfig_with({"token": token}))
    unreachable(answer, "Unauthorized", alpha.server)
    assert token not in answer.output


def test_token_in_options(alpha: Cluster, tmp_path: pathlib.Path) -> None:
    answer = ask(alpha, host=alpha.server, api_key=SECRET, validate_certs=False)
    unreachable(answer, "Unauthorized", alpha.server)


# ------------------------------------------------------------------------------ network


@contextlib.contextmanager
def listening(backlog: int = 16) -> t.Iterator[socket.socket]:
    """A socket that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(backlog)
        yield server


def at(alpha: Cluster, port: int, scheme: str = "https") -> dict[str, t.Any]:
    """A kubeconfig for another port of this machine."""
    return alpha.kubeconfig_with({"token": SECRET}, server=f"{scheme}://127.0.0.1:{port}")


def test_api_server_down(alpha: Cluster) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    unreachable(ask(alpha, kubeconfig=at(alpha, port)), "ApiUnreachable", f"127.0.0.1:{port}", "refused")


def test_name_that_does_not_resolve(alpha: Cluster) -> None:
    config = alpha.kubeconfig_with({"token": SECRET}, server="https://nowhere.invalid:6443")
    unreachable(ask(alpha, kubeconfig=config, timeout=5), "ApiUnreachable", "nowhere.invalid")


def test_silent_address(alpha: Cluster) -> None:
    with listening() as server:
        port = server.getsockname()[1]
        answer = ask(alpha, kubeconfig=at(alpha, port), timeout=3)
    unreachable(answer, "ApiUnreachable", f"127.0.0.1:{port}", "3 s")


def test_black_hole(alpha: Cluster) -> None:
    # the backlog is full, so the kernel drops what comes: a connection is neither taken nor refused
    with listening(backlog=0) as server, contextlib.ExitStack() as clients:
        for _client in range(3):
            client = clients.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        port = server.getsockname()[1]
        answer = ask(alpha, kubeconfig=at(alpha, port), timeout=3)
    unreachable(answer, "ApiUnreachable", f"127.0.0.1:{port}", "3 s")


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>Welcome to nginx!</html>")

    do_POST = do_GET

    def log_message(self, *args: t.Any) -> None:
        pass


@contextlib.contextmanager
def serving(server: socketserver.TCPServer) -> t.Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("scheme", "reason"), [("http", "NotKubernetes"), ("https", "ApiUnreachable")])
def test_something_else_on_the_port(alpha: Cluster, scheme: str, reason: str) -> None:
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)) as port:
        answer = ask(alpha, kubeconfig=at(alpha, port, scheme), timeout=5)
    fails(answer, reason, f"127.0.0.1:{port}")
    assert SECRET not in answer.output


# -------------------------------------------------------------------------- permissions


def documented() -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """The ClusterRole and the Role that docs/permissions.md promises to suffice."""
    text = (CHECKOUT / "docs/permissions.md").read_text("utf-8")
    cluster_role, role = yaml.safe_load_all(text.split("```yaml")[1].split("```")[0])
    return cluster_role, role


@contextlib.contextmanager
def user(alpha: Cluster, namespace: str, without: tuple[str, ...] = ()) -> t.Iterator[str]:
    """A user with the documented permissions but for some (resource/verb, or a resource with all its verbs)."""
    name = f"{harness.LABEL}-user-{secrets.token_hex(4)}"
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}
    cluster_role, role = copy.deepcopy(documented())
    for rule in (*cluster_role["rules"], *role["rules"]):
        (resource,) = rule["resources"]
        rule["verbs"] = [v for v in rule["verbs"] if not {resource, f"{resource}:{v}"} & set(without)]
    cluster_role["rules"] = [rule for rule in cluster_role["rules"] if rule["verbs"]]
    alpha.create(
        "roles", {"metadata": {"name": name}, "rules": [rule for rule in role["rules"] if rule["verbs"]]}, namespace
    )
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    alpha.create("rolebindings", {"metadata": {"name": name}, "roleRef": ref, "subjects": [subject]}, namespace)
    with alpha.wide("clusterroles", {"rules": cluster_role["rules"]}) as wide:
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": wide}
        with alpha.wide("clusterrolebindings", {"roleRef": ref, "subjects": [subject]}):
            yield name


def test_documented_permissions_suffice(alpha: Cluster, namespace: str) -> None:
    with user(alpha, namespace) as name:
        passes(ask(alpha, namespace=namespace, impersonate_user=name))


@pytest.mark.parametrize(
    ("without", "reason", "words"),
    [
        ("nodes", "Forbidden", ("nodes", "list")),
        ("jobs:create", "Forbidden", ("jobs", "create")),
        ("configmaps:create", "Forbidden", ("configmaps", "create")),
        ("pods:create", "Forbidden", ("pods", "create")),
        ("pods:watch", "Forbidden", ("pods", "watch")),
    ],
)
def test_what_is_forbidden(alpha: Cluster, namespace: str, without: str, reason: str, words: tuple[str, ...]) -> None:
    with user(alpha, namespace, (without,)) as name:
        answer = ask(alpha, namespace=namespace, impersonate_user=name, timeout=20)
    fails(answer, reason, name, *words)


def test_list_forbidden(alpha: Cluster, namespace: str) -> None:
    with user(alpha, namespace, ("pods:list",)) as name:
        answer = ask(alpha, namespace=namespace, impersonate_user=name)
    # nobody could look whether something stays, and that is said; nothing does
    assert answer.reasons == {"Forbidden"}
    assert len(answer.result["leftovers"]) == 1
    assert "unknown: " in answer.result["leftovers"][0]
    assert alpha.left(namespace, 10) == []


def goes_by_log(answer: Answer, reason: str) -> None:
    """Everything was decided without exec, and the report says so, and why; nothing stays."""
    assert answer.verdicts <= {"PASS", "WARN", "SKIP"}, answer.output
    run = answer.result["run"]
    assert run["transport"] == "log"
    assert run["no_exec"].startswith(f"{reason}: container ")
    assert answer.msg.endswith(f", by log ({reason})")
    assert answer.result["leftovers"] == []


@pytest.mark.parametrize("without", ["pods/exec", "pods/exec:create"])
def test_exec_forbidden(alpha: Cluster, namespace: str, without: str) -> None:
    # impersonation reaches exec too: the administrator himself may
    with user(alpha, namespace, (without,)) as name:
        answer = ask(alpha, "shm_size", namespace=namespace, impersonate_user=name)
    goes_by_log(answer, "ExecForbidden")


def test_the_whole_catalog_without_exec(alpha: Cluster, namespace: str) -> None:
    with user(alpha, namespace, ("pods/exec",)) as name:
        running = call(alpha, checks=None, namespace=namespace, impersonate_user=name, timeout=120, start_timeout=60)
        goes_by_log(running.answer(170), "ExecForbidden")


def test_neither_exec_nor_patch(alpha: Cluster, namespace: str) -> None:
    with user(alpha, namespace, ("pods/exec", "pods:patch")) as name:
        answer = ask(alpha, checks=["SHM402"], namespace=namespace, impersonate_user=name)
    fails(answer, "ExecForbidden", f"of pod {namespace}/podshm-", "nor is its log a way", "patch")


def test_only_exec(alpha: Cluster, namespace: str) -> None:
    with user(alpha, namespace, ("pods/exec",)) as name:
        answer = ask(alpha, "shm_size", namespace=namespace, impersonate_user=name, transport="exec")
    fails(answer, "ExecForbidden", f"of pod {namespace}/podshm-")
    assert answer.result["run"]["transport"] == "exec"


def test_log_forbidden(alpha: Cluster, namespace: str) -> None:
    with user(alpha, namespace, ("pods/log",)) as name:
        answer = ask(alpha, checks=["SHM201"], namespace=namespace, impersonate_user=name)
    fails(answer, "LogsUnavailable", f"of pod {namespace}/podshm-", name)


def test_delete_forbidden(alpha: Cluster, namespace: str) -> None:
    with user(alpha, namespace, ("pods:delete", "jobs:delete", "configmaps:delete")) as name:
        answer = ask(
            alpha,
            "shm_size",
            volumes=["none"],
            namespace=namespace,
            impersonate_user=name,
            timeout=10,
            cleanup_timeout=1,
        )
    # the answer is there; that objects are left is told, and that it is a change
    assert answer.checks["SHM301"]["verdict"] == "PASS"
    assert len(answer.result["leftovers"]) == 3
    assert answer.result["changed"] is True
    assert "left behind" in json.dumps(answer.result["warnings"])
    # what the cluster does by itself when the anchor's deadline is reached
    alpha.delete("jobs", f"podshm-{answer.result['run']['id']}", namespace, propagationPolicy="Background")
    assert alpha.left(namespace, 10) == []


# ---------------------------------------------------------------------------- admission


def test_namespace_missing(alpha: Cluster) -> None:
    fails(ask(alpha, namespace="podshm-test-nowhere"), "NamespaceMissing", "podshm-test-nowhere")


def test_namespace_terminating(alpha: Cluster) -> None:
    name = alpha.make_namespace()
    body = {"metadata": {"name": "stays", "finalizers": ["podshm.abcdesktop.io/test"]}}
    alpha.create("configmaps", body, name)
    alpha.delete("namespaces", name)
    try:
        answer = ask(alpha, namespace=name)
    finally:
        body["metadata"]["finalizers"] = []
        alpha.request("PUT", alpha.path("configmaps", name, "stays"), body)
    fails(answer, "NamespaceTerminating", name)


@pytest.mark.parametrize(
    "hard",
    [
        {"pods": "0"},
        {"count/jobs.batch": "0"},
        {"count/configmaps": "0"},
        {"limits.memory": "48Mi"},
        {"requests.storage": "1", "requests.cpu": "10m"},
    ],
)
def test_quota_exhausted(alpha: Cluster, namespace: str, hard: dict[str, str]) -> None:
    alpha.create("resourcequotas", {"metadata": {"name": "tight"}, "spec": {"hard": hard}}, namespace)
    alpha.until("resourcequotas", namespace, lambda seen: all("hard" in one.get("status", {}) for one in seen.values()))
    fails(ask(alpha, namespace=namespace), "QuotaExceeded", namespace, "tight")


@pytest.mark.parametrize("limit", [{"max": {"memory": "16Mi"}}, {"min": {"cpu": "2"}}])
@pytest.mark.parametrize("kind", ["Container", "Pod"])
def test_limit_range(alpha: Cluster, namespace: str, kind: str, limit: dict[str, t.Any]) -> None:
    alpha.create(
        "limitranges", {"metadata": {"name": "narrow"}, "spec": {"limits": [{"type": kind, **limit}]}}, namespace
    )
    fails(ask(alpha, namespace=namespace), "LimitRange", namespace, f"per {kind}")


def test_pod_security_restricted(alpha: Cluster) -> None:
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    namespace = alpha.make_namespace(levels)
    try:
        answer = ask(alpha, namespace=namespace)
    finally:
        alpha.delete("namespaces", namespace)
    passes(answer)
    assert not answer.result.get("warnings")


def test_pod_security_violated(alpha: Cluster) -> None:
    namespace = alpha.make_namespace({"pod-security.kubernetes.io/enforce": "restricted"})
    try:
        answer = ask(alpha, namespace=namespace, fault="faults.host_ipc")
    finally:
        alpha.delete("namespaces", namespace)
    fails(answer, "PodSecurity", namespace, "restricted")


def only(namespace: str) -> dict[str, t.Any]:
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


def rules(resource: str) -> list[dict[str, t.Any]]:
    return [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": [resource]}]


def test_admission_policy(alpha: Cluster, namespace: str) -> None:
    policy = {
        "spec": {
            "matchConstraints": {"resourceRules": rules("pods"), "namespaceSelector": only(namespace)},
            "validations": [{"expression": "false", "message": "pods of strangers are not welcome"}],
        }
    }
    with alpha.wide("validatingadmissionpolicies", policy) as name:
        binding = {"spec": {"policyName": name, "validationActions": ["Deny"]}}
        with alpha.wide("validatingadmissionpolicybindings", binding):
            # a policy is compiled and takes effect a moment after it was made
            pod = {
                "metadata": {"name": "stranger"},
                "spec": {"containers": [{"name": "c", "image": "x"}]},
            }
            wait_refused(alpha, namespace, pod)
            answer = ask(alpha, namespace=namespace)
    fails(answer, "AdmissionDenied", namespace, "not welcome", name)


def wait_refused(cluster: Cluster, namespace: str, pod: dict[str, t.Any]) -> None:
    """Ask by dry runs until admission refuses the pod: that an admission rule took effect can't be watched."""
    pause = threading.Event()
    for _attempt in range(200):
        try:
            cluster.request("POST", cluster.path("pods", namespace), pod, {"dryRun": "All"})
        except harness.ApiError:
            return
        pause.wait(0.05)
    raise AssertionError("the admission rule never took effect")


def test_admission_webhook_that_is_dead(alpha: Cluster, namespace: str) -> None:
    webhook = {
        "webhooks": [
            {
                "name": "dead.podshm-test.invalid",
                "clientConfig": {"url": "https://127.0.0.1:1/"},
                "rules": rules("pods"),
                "namespaceSelector": only(namespace),
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "timeoutSeconds": 2,
                "admissionReviewVersions": ["v1"],
            }
        ]
    }
    with alpha.wide("validatingwebhookconfigurations", webhook):
        pod = {"metadata": {"name": "stranger"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
        wait_refused(alpha, namespace, pod)
        answer = ask(alpha, namespace=namespace)
    fails(answer, "WebhookFailed", namespace, "dead.podshm-test.invalid")


def test_runtime_class_missing(alpha: Cluster, namespace: str) -> None:
    fails(ask(alpha, namespace=namespace, runtime_class="no-such"), "RuntimeClassMissing", namespace, "no-such")


# ------------------------------------------------------------------------ pods and nodes


def test_runtime_handler_that_the_node_lacks(alpha: Cluster, namespace: str) -> None:
    with alpha.wide("runtimeclasses", {"handler": "podshm-test-none"}) as name:
        answer = ask(alpha, namespace=namespace, runtime_class=name, start_timeout=8)
    fails(answer, "RuntimeClassMissing", "node alpha", "podshm-test-none")


def test_no_node_is_selected(alpha: Cluster, namespace: str) -> None:
    fails(ask(alpha, namespace=namespace, node_selector={"disk": "floppy"}), "NoNode", "disk=floppy")


def test_scheduler_missing(alpha: Cluster, namespace: str) -> None:
    """As where a webhook names one that nobody installed."""
    overlay = {"spec": {"schedulerName": "volcano"}}
    answer = ask(alpha, namespace=namespace, pod_overlay=overlay, start_timeout=4)
    fails(answer, "NotScheduled", f"pod {namespace}/podshm-", "the scheduler volcano has not looked at it within 4 s")


def test_node_too_small(alpha: Cluster, namespace: str) -> None:
    answer = ask(alpha, namespace=namespace, resources={"memory": "1000Gi"}, start_timeout=3)
    fails(answer, "Unschedulable", f"pod {namespace}/podshm-", "Insufficient memory")


def test_image_that_cannot_be_pulled(alpha: Cluster, namespace: str) -> None:
    answer = ask(alpha, namespace=namespace, image="127.0.0.1:1/nowhere:1")
    fails(answer, "ImagePull", f"of pod {namespace}/podshm-", "127.0.0.1:1/nowhere:1")


def test_image_name_invalid(alpha: Cluster, namespace: str) -> None:
    answer = ask(alpha, namespace=namespace, image="UPPER CASE:1")
    fails(answer, "ImagePull", f"of pod {namespace}/podshm-", "InvalidImageName")


@pytest.mark.parametrize("fault", ["foreign_probe", "no_program"])
def test_probe_of_another_architecture(alpha: Cluster, namespace: str, fault: str) -> None:
    answer = ask(alpha, namespace=namespace, fault=f"faults.{fault}")
    fails(answer, "ProbeArch", f"of pod {namespace}/podshm-", "exec format error")


def test_probe_that_may_not_be_executed(alpha: Cluster, namespace: str) -> None:
    fails(ask(alpha, namespace=namespace, fault="faults.no_exec"), "ProbeNoExec", f"of pod {namespace}/podshm-")


def test_probe_that_ends_at_once(alpha: Cluster, namespace: str) -> None:
    answer = ask(alpha, "shm_size", namespace=namespace, fault="faults.nonsense")
    fails(answer, "PodFailed", f"pod {namespace}/podshm-")


# ------------------------------------------------------------------------- time and luck


def pods_run(alpha: Cluster, namespace: str) -> dict[str, dict[str, t.Any]]:
    """Wait until all pods of a run run; they are made one by one, the one that completes last."""
    return alpha.until(
        "pods",
        namespace,
        lambda seen: len(seen) == 1 and all(pod["status"]["phase"] == "Running" for pod in seen.values()),
        harness.OURS,
    )


#: The run waits for an answer until its time is up.
ENDLESS = "faults.endless"


def test_pod_deleted_by_somebody(alpha: Cluster, namespace: str) -> None:
    running = call(alpha, "shm_size", namespace=namespace)
    alpha.until("pods", namespace, bool, harness.OURS)
    (pod,) = alpha.list("pods", namespace)
    alpha.delete("pods", pod["metadata"]["name"], namespace)
    answer = running.answer()
    fails(answer, "PodGone", f"pod {namespace}/podshm-")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_told_to_end(alpha: Cluster, namespace: str, number: signal.Signals) -> None:
    running = call(alpha, "shm_size", namespace=namespace, fault=ENDLESS)
    pods_run(alpha, namespace)
    running.process.send_signal(number)
    answer = running.answer(20)
    fails(answer, "Interrupted", number.name)


def test_a_process_that_is_stopped_says_so(alpha: Cluster, namespace: str) -> None:
    running = call(alpha, "shm_size", namespace=namespace, fault=ENDLESS, timeout=20)
    pods_run(alpha, namespace)
    running.process.send_signal(signal.SIGSTOP)
    time.sleep(20)
    running.process.send_signal(signal.SIGCONT)
    fails(running.answer(), "Suspended", "it did not run for")


def test_two_runs_at_once(alpha: Cluster, namespace: str) -> None:
    for running in [call(alpha, namespace=namespace) for _unused in range(2)]:
        passes(running.answer())


def test_timeout(alpha: Cluster, namespace: str) -> None:
    answer = ask(alpha, "shm_size", namespace=namespace, fault=ENDLESS, timeout=5)
    fails(answer, "Timeout", f"of pod {namespace}/podshm-")


def test_pod_deleted_while_it_is_asked(alpha: Cluster, namespace: str) -> None:
    running = call(alpha, "shm_size", namespace=namespace, fault=ENDLESS)
    (pod,) = pods_run(alpha, namespace).values()
    alpha.delete("pods", pod["metadata"]["name"], namespace)
    fails(running.answer(), "PodGone", f"pod {namespace}/podshm-")


def test_pod_evicted_while_it_is_asked(alpha: Cluster, namespace: str) -> None:
    """As by kubectl drain."""
    running = call(alpha, "shm_size", namespace=namespace, fault=ENDLESS)
    (pod,) = pods_run(alpha, namespace).values()
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    alpha.request("POST", f"{alpha.path('pods', namespace, name)}/eviction", eviction)
    fails(running.answer(), "PodGone", f"pod {namespace}/podshm-", "EvictionByEvictionAPI: Eviction API: evicting")


def _rest_of(request: bytes, client: socket.socket) -> bytes:
    """The part of a request's body that has not come yet."""
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    missing = int(length[1]) - len(body) if end and length else 0
    rest = b""
    while len(rest) < missing:
        part = client.recv(65536)
        if not part:
            break
        rest += part
    return rest


class Relay:
    """An address that leads to an API server as its administrator, and drops what a test says.

    :param drops: given what the client sent last and what the server sends on this connection, whether to cut it now.
    :param answers: given a whole request, the answer that comes instead of the server's; nothing to pass it on.
    :param drips: given what the client sent last, whether the answer comes a byte at a time.
    """

    def __init__(
        self,
        cluster: Cluster,
        drops: t.Callable[[bytes, bytes], bool] = lambda asked, answer: False,
        answers: t.Callable[[bytes], bytes] = lambda asked: b"",
        drips: t.Callable[[bytes], bool] = lambda asked: False,
    ) -> None:
        self.cut = 0
        self.silent = threading.Event()
        #: whether it refuses connections, and drops those that there are
        self.down = threading.Event()
        relay, address = self, cluster.server.removeprefix("https://").split(":")

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                if relay.down.is_set():
                    return
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection((address[0], int(address[1]))) as raw,
                    cluster.tls.wrap_socket(raw, server_hostname=address[0]) as server,
                ):
                    self._splice(self.request, server)

            @staticmethod
            def _splice(client: socket.socket, server: ssl.SSLSocket) -> None:
                asked = b""
                while True:
                    # one thread for both ways: a TLS socket is not for two at once before Python 3.13
                    ready = [server] if server.pending() else select.select([client, server], [], [], 0.2)[0]
                    if relay.down.is_set():
                        return
                    if client in ready:
                        asked = client.recv(65536)
                        if not asked:
                            return
                        asked += _rest_of(asked, client)
                        own = answers(asked)
                        if own:
                            client.sendall(own)
                            return
                        if not relay.silent.is_set():
                            server.settimeout(20)
                            server.sendall(asked)
                    if server in ready:
                        server.settimeout(0)
                        try:
                            answer = server.recv(65536)
                        except ssl.SSLWantReadError:
                            # a session ticket, or half a record
                            continue
                        if not answer:
                            return
                        if relay.silent.is_set():
                            continue
                        if drops(asked, answer):
                            relay.cut += 1
                            return
                        if drips(asked):
                            for byte in answer:
                                client.sendall(bytes([byte]))
                                time.sleep(2)
                        client.sendall(answer)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False

    @contextlib.contextmanager
    def serving(self, cluster: Cluster) -> t.Iterator[dict[str, t.Any]]:
        """A kubeconfig that leads here."""
        with serving(self._server) as port:
            yield cluster.kubeconfig_with(
                {}, **{"server": f"http://127.0.0.1:{port}", "certificate-authority-data": None}
            )


def test_watches_that_break(alpha: Cluster, namespace: str) -> None:
    # each watch shows a single event, and the next one is lost
    relay = Relay(alpha, lambda asked, answer: b"watch=true" in asked and answer.count(b'"type":') > 0)
    with relay.serving(alpha) as kubeconfig:
        passes(ask(alpha, "shm_size", namespace=namespace, kubeconfig=kubeconfig))
    assert relay.cut > 1


def status(code: int, message: str, *headers: str) -> bytes:
    """An answer of an API server that did not do what was requested."""
    body = json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message})
    lines = [f"HTTP/1.1 {code} Weather", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "Content-Type: application/json", "", body]).encode()


class Once:
    """Answers the first requests whose head matches itself."""

    def __init__(self, pattern: bytes, answer: bytes, times: int = 1) -> None:
        self._pattern, self._answer = re.compile(pattern), answer
        self._left = times
        self._lock = threading.Lock()

    def __call__(self, asked: bytes) -> bytes:
        with self._lock:
            if not self._left or not self._pattern.match(asked):
                return b""
            self._left -= 1
            return self._answer


QUOTA = (
    'Operation cannot be fulfilled on resourcequotas "gke-resource-quotas": the object has been modified; please apply your '
    "changes to the latest version and try again"
)


@pytest.mark.parametrize(
    ("pattern", "answer", "words"),
    [
        (rb"POST \S*/pods ", status(409, QUOTA), "resourcequotas"),
        (rb"POST \S*/pods ", status(429, "too many requests", "Retry-After: 1"), "429"),
        (rb"POST \S*/pods ", status(500, "etcdserver: leader changed"), "leader changed"),
        (rb"POST \S*/configmaps ", status(504, "timeout"), "504"),
        (rb"POST \S*/jobs ", status(503, "the server is currently unable to handle the request"), "503"),
        (rb"GET \S*/nodes\?", status(503, "starting"), "503"),
        (rb"GET \S*/pods\?labelSelector", status(429, "busy", "Retry-After: 1"), "429"),
        (rb"DELETE \S*/pods/", status(500, "etcdserver: request timed out"), "etcdserver"),
    ],
)
def test_weather_at_the_api_server_passes(
    alpha: Cluster, namespace: str, pattern: bytes, answer: bytes, words: str
) -> None:
    relay = Relay(alpha, answers=Once(pattern, answer))
    with relay.serving(alpha) as kubeconfig:
        done = ask(alpha, "shm_size", volumes=["none"], namespace=namespace, kubeconfig=kubeconfig)
    passes(done)
    # the clean-up and the watch end in their own way
    if not pattern.startswith(b"DELETE"):
        assert any(words in retry for retry in done.result["run"]["retries"]), done.result["run"]


class Dripping:
    """Lets the answers to some requests drip, the first of them or all."""

    def __init__(self, pattern: bytes, times: int) -> None:
        self._pattern, self._left = re.compile(pattern), times
        self.seen = 0

    def __call__(self, asked: bytes) -> bool:
        found = bool(self._pattern.match(asked)) and self.seen < self._left
        self.seen += found
        return found


DRIPPING = [
    rb"GET \S*/nodes\?",
    rb"POST \S*/pods ",
    rb"GET \S*/log\?",
    rb"GET \S*/pods\?watch",
    rb"GET \S*/pods\?labelSelector",
    rb"DELETE \S*/pods/",
    rb"GET \S*/exec\?",
]


@pytest.mark.parametrize("pattern", DRIPPING)
def test_an_answer_that_drips_once_is_requested_again(alpha: Cluster, namespace: str, pattern: bytes) -> None:
    drips = Dripping(pattern, 1)
    with Relay(alpha, drips=drips).serving(alpha) as kubeconfig:
        # with volume and log: SHM201 runs to completion
        answer = call(
            alpha, "shm_check", checks=["SHM201"], namespace=namespace, kubeconfig=kubeconfig, fault="faults.impatient"
        ).answer()
    passes(answer)
    assert drips.seen == 1


@pytest.mark.parametrize("pattern", DRIPPING)
def test_no_answer_that_drips_holds_a_run_past_its_time(alpha: Cluster, namespace: str, pattern: bytes) -> None:
    drips = Dripping(pattern, 1000)
    with Relay(alpha, drips=drips).serving(alpha) as kubeconfig:
        options: dict[str, t.Any] = {"checks": ["SHM201"], "timeout": 8, "cleanup_timeout": 4, "namespace": namespace}
        answer = ask(alpha, kubeconfig=kubeconfig, **options)
    assert drips.seen
    # both timeouts, and what the last requests may take
    assert answer.result["run"]["duration"] < 8 + 4 + 4, answer.output
    assert answer.verdicts <= {"ERROR", "PASS"}, answer.output
    if b"watch" not in pattern and b"DELETE" not in pattern:
        assert answer.verdicts == {"ERROR"}, answer.output
    # what the clean-up could not remove
    for stored in alpha.list("jobs", namespace, harness.OURS):
        alpha.delete("jobs", stored["metadata"]["name"], namespace, propagationPolicy="Background")
    assert alpha.left(namespace, 20) == []


def test_an_api_server_that_restarts_is_waited_for(alpha: Cluster, namespace: str) -> None:
    def restart(asked: bytes) -> bytes:
        if re.match(rb"POST \S*/pods ", asked) and not relay.down.is_set() and not done:
            done.append(asked)
            relay.down.set()
            threading.Timer(8, relay.down.clear).start()
        return b""

    done: list[bytes] = []
    relay = Relay(alpha, answers=restart)
    with relay.serving(alpha) as kubeconfig:
        answer = ask(alpha, "shm_size", volumes=["none"], namespace=namespace, kubeconfig=kubeconfig)
    passes(answer)
    assert answer.result["run"]["retries"]


@pytest.mark.parametrize("kind", [b"pods", b"configmaps", b"jobs"])
def test_the_answer_to_a_creation_is_lost(alpha: Cluster, namespace: str, kind: bytes) -> None:
    lost: list[bytes] = []

    def drops(asked: bytes, answer: bytes) -> bool:
        if lost or not re.match(rb"POST \S*/" + kind + rb" ", asked):
            return False
        lost.append(answer)
        return True

    relay = Relay(alpha, drops)
    with relay.serving(alpha) as kubeconfig:
        passes(ask(alpha, "shm_size", volumes=["none"], namespace=namespace, kubeconfig=kubeconfig))
    assert lost[0].startswith(b"HTTP/1.1 201")


def test_retry_after_does_not_carry_a_run_past_its_time(alpha: Cluster, namespace: str) -> None:
    busy = status(503, "busy", "Retry-After: 600")
    relay = Relay(alpha, answers=Once(rb"GET \S*/nodes\?", busy, times=100))
    with relay.serving(alpha) as kubeconfig:
        answer = ask(alpha, namespace=namespace, kubeconfig=kubeconfig, timeout=20)
    fails(answer, "ApiError", "503: busy", "Retry-After")


@pytest.mark.parametrize(
    ("code", "words", "reason"),
    [
        (500, "error dialing backend: remote error: tls: internal error", "KubeletUnreachable"),
        (502, "bad gateway", "ExecUpgrade"),
        (403, "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: no exec", "ExecDenied"),
    ],
)
def test_exec_that_is_answered_by_something_else(
    alpha: Cluster, namespace: str, code: int, words: str, reason: str
) -> None:
    relay = Relay(alpha, answers=Once(rb"GET \S*/exec\?", status(code, words), times=100))
    options = {"volumes": ["none"], "namespace": namespace}
    with relay.serving(alpha) as kubeconfig:
        answer = ask(alpha, "shm_size", kubeconfig=kubeconfig, transport="exec", **options)
        fails(answer, reason, f"of pod {namespace}/podshm-")
        if reason != "KubeletUnreachable":
            goes_by_log(ask(alpha, "shm_size", kubeconfig=kubeconfig, **options), reason)


def test_an_api_server_without_ephemeral_containers(alpha: Cluster, namespace: str) -> None:
    missing = status(404, "the server could not find the requested resource")
    relay = Relay(alpha, answers=Once(rb"PATCH \S*/ephemeralcontainers", missing, times=100))
    with relay.serving(alpha) as kubeconfig:
        answer = ask(alpha, checks=["SHM208", "SHM216"], namespace=namespace, kubeconfig=kubeconfig)
    assert answer.verdicts == {"SKIP"}
    assert answer.reasons == {"FeatureGateOff"}


def test_exec_that_breaks(alpha: Cluster, namespace: str) -> None:
    relay = Relay(alpha, lambda asked, answer: answer.startswith(b"\x82"))
    with relay.serving(alpha) as kubeconfig:
        answer = ask(alpha, "shm_size", volumes=["none"], namespace=namespace, kubeconfig=kubeconfig)
    fails(answer, "ExecTransport", f"of pod {namespace}/podshm-")
    assert relay.cut


def test_api_server_that_answers_deletes_with_silence(alpha: Cluster, namespace: str) -> None:
    seen: list[bytes] = []

    def drops(asked: bytes, answer: bytes) -> bool:
        if not asked.startswith(b"DELETE") or len(seen) > 2:
            return False
        seen.append(asked)
        return True

    with Relay(alpha, drops).serving(alpha) as kubeconfig:
        passes(ask(alpha, "shm_size", volumes=["none"], namespace=namespace, kubeconfig=kubeconfig))
    assert len(seen) == 3


def test_api_server_that_falls_silent(alpha: Cluster, namespace: str) -> None:
    relay = Relay(alpha, lambda asked, answer: False)
    with relay.serving(alpha) as kubeconfig:
        options = {"namespace": namespace, "kubeconfig": kubeconfig, "timeout": 6, "cleanup_timeout": 2}
        running = call(alpha, "shm_size", fault=ENDLESS, **options)
        pods_run(alpha, namespace)
        relay.silent.set()
        # both timeouts and what the last requests may take: a hang is what this is about
        answer = running.answer(30)
    assert answer.code != 0
    assert answer.verdicts == {"ERROR"}
    # named as what was lost, not as the probe or the pod that was not heard of
    assert answer.reasons == {"ApiUnreachable"}
    assert "it has not answered since" in answer.msg
    assert answer.result["status"] == "ERROR"
    assert "unknown: " in answer.result["leftovers"][0]
    (anchor,) = alpha.list("jobs", namespace, harness.OURS)
    alpha.delete("jobs", anchor["metadata"]["name"], namespace, propagationPolicy="Background")
    assert alpha.left(namespace, 10) == []


# -------------------------------------------------------------------------------- kill -9


def test_killed(alpha: Cluster, namespace: str) -> None:
    options = {"timeout": 45, "cleanup_timeout": 1, "volumes": ["none"]}
    running = call(alpha, "shm_size", namespace=namespace, fault=ENDLESS, **options)
    pods_run(alpha, namespace)
    running.process.kill()
    assert running.answer().result == {}
    assert len(alpha.left(namespace)) == 3
    # nobody of ours is left to clean up: the cluster itself does it, when the deadline of the anchor is over
    assert alpha.left(namespace, seconds=120) == []


def test_a_namespace_that_suspends_jobs_is_refused_before_a_pod_is_created(alpha: Cluster, namespace: str) -> None:
    rule = {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}
    patch = '[JSONPatch{op: "add", path: "/spec/suspend", value: true}]'
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
    }
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    job = {
        "metadata": {"name": "sample"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": "x"}]}}},
    }
    with alpha.wide("mutatingadmissionpolicies", {"spec": spec}) as policy:
        binding = {"spec": {"policyName": policy, "matchResources": {"namespaceSelector": selector}}}
        with alpha.wide("mutatingadmissionpolicybindings", binding):
            for _attempt in range(400):
                stored = alpha.request("POST", alpha.path("jobs", namespace), job, {"dryRun": "All"})
                if stored["spec"].get("suspend"):
                    break
                time.sleep(0.05)
            answer = ask(alpha, namespace=namespace)
    fails(answer, "AnchorChanged", "suspend false -> true", f"job {namespace}/")
    assert alpha.left(namespace, 10) == []
