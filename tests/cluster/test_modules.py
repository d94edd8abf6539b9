# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules on a real cluster: what they answer when nothing is wrong, and what their options do."""

from __future__ import annotations

import base64
import json
import pathlib
import typing as t

import harness
import pytest
from harness import Cluster, ask, call, fails, passes

MIB = 1024 * 1024


def test_all_checks(alpha: Cluster, namespace: str) -> None:
    answer = ask(alpha, namespace=namespace)
    passes(answer)
    assert list(answer.checks) == ["SHM101", "SHM102", "SHM201", "SHM301", "SHM302", "SHM303"]
    assert answer.result["status"] == "PASS"
    assert answer.result["run"]["cluster"] == "alpha"
    assert answer.result["run"]["server"] == alpha.server
    (target,) = answer.result["run"]["targets"]
    assert (target["name"], target["represents"], target["runtime_class"]) == ("alpha", ["alpha"], "")
    assert [(control["id"], control["verdict"]) for control in answer.result["controls"]] == [
        ("SHM901", "PASS"),
        ("SHM902", "PASS"),
        ("SHM903", "PASS"),
        ("SHM908", "PASS"),
        ("SHM909", "PASS"),
        ("SHM910", "PASS"),
        ("SHM911", "PASS"),
    ]


# ------------------------------------------------------------------------- credentials


def credentials(cluster: Cluster) -> dict[str, str]:
    return dict(cluster.config["users"][0]["user"])


@pytest.fixture
def token(alpha: Cluster, namespace: str) -> t.Iterator[str]:
    """A token of an administrator."""
    alpha.create("serviceaccounts", {"metadata": {"name": "admin"}}, namespace)
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"kind": "ServiceAccount", "namespace": namespace, "name": "admin"}
    with alpha.wide("clusterrolebindings", {"roleRef": ref, "subjects": [subject]}):
        yield alpha.token(namespace, "admin")


def one(cluster: Cluster, namespace: str, **args: t.Any) -> harness.Answer:
    """The smallest run that creates, watches and execs."""
    return ask(cluster, "shm_size", volumes=["none"], namespace=namespace, **args)


def test_kubeconfig_as_a_mapping(alpha: Cluster, namespace: str) -> None:
    user = credentials(alpha)
    answer = one(alpha, namespace, kubeconfig=alpha.kubeconfig_with(user))
    passes(answer)
    # only what is secret is hidden: not the word alpha, which is in the kubeconfig too
    assert answer.msg == "cluster alpha: 1 PASS"
    assert "********" not in answer.output
    assert user["client-key-data"] not in answer.output


def test_client_certificate_in_files(alpha: Cluster, namespace: str, tmp_path: pathlib.Path) -> None:
    options = {"ca_cert": alpha.ca_data}
    options |= {f"client_{kind}": credentials(alpha)[f"client-{name}-data"] for kind, name in FILES.items()}
    for name, data in options.items():
        (tmp_path / name).write_bytes(base64.b64decode(data))
    paths = {name: str(tmp_path / name) for name in options}
    passes(one(alpha, namespace, host=alpha.server, **paths))


FILES = {"cert": "certificate", "key": "key"}


def test_token_in_kubeconfig(alpha: Cluster, namespace: str, token: str) -> None:
    answer = one(alpha, namespace, kubeconfig=alpha.kubeconfig_with({"token": token}))
    passes(answer)
    assert token not in answer.output


def test_token_in_options(alpha: Cluster, namespace: str, token: str, tmp_path: pathlib.Path) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_bytes(base64.b64decode(alpha.ca_data))
    answer = one(alpha, namespace, host=alpha.server, api_key=token, ca_cert=str(ca))
    passes(answer)
    assert token not in answer.output


def test_token_in_environment(alpha: Cluster, namespace: str, token: str, tmp_path: pathlib.Path) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_bytes(base64.b64decode(alpha.ca_data))
    env = {"K8S_AUTH_HOST": alpha.server, "K8S_AUTH_API_KEY": token, "K8S_AUTH_SSL_CA_CERT": str(ca)}
    answer = one(alpha, namespace, kubeconfig=None, env=env)
    passes(answer)
    assert token not in answer.output


def test_credential_plugin(alpha: Cluster, namespace: str, token: str) -> None:
    version = "client.authentication.k8s.io/v1"
    answered = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": {"token": token}})
    plugin = {
        "apiVersion": version,
        "command": "sh",
        "args": ["-c", 'echo "$ANSWER"'],
        "env": [{"name": "ANSWER", "value": answered}],
        "interactiveMode": "Never",
    }
    answer = one(alpha, namespace, kubeconfig=alpha.kubeconfig_with({"exec": plugin}))
    passes(answer)
    assert token not in answer.output


def test_contexts_of_one_kubeconfig(alpha: Cluster, beta: Cluster, namespace: str, tmp_path: pathlib.Path) -> None:
    both: dict[str, t.Any] = {"apiVersion": "v1", "kind": "Config", "current-context": "beta"}
    for kind in ("clusters", "users", "contexts"):
        both[kind] = [{**each, "name": c.name} for c in (alpha, beta) for each in c.config[kind][:1]]
    for context in both["contexts"]:
        context["context"] = {"cluster": context["name"], "user": context["name"]}
    file = tmp_path / "both"
    file.write_text(json.dumps(both), "utf-8")
    answer = one(alpha, namespace, kubeconfig=str(file), context="alpha")
    passes(answer)
    assert answer.result["run"]["server"] == alpha.server


# ------------------------------------------------------------------------------ options


def test_probe_options(alpha: Cluster, namespace: str) -> None:
    private = call(alpha, "shm_probe", namespace=namespace, mechanisms=["sysv_shm"], ftok=["private"])
    posix = call(alpha, "shm_probe", namespace=namespace, mechanisms=["posix_sem"])
    answer = private.answer()
    passes(answer)
    assert "SHM101" not in answer.checks
    assert {"SHM102", "SHM501"} <= answer.checks.keys()
    answer = posix.answer()
    passes(answer)
    assert list(answer.checks) == ["SHM201", "SHM212"]


def test_size_without_filling(alpha: Cluster, namespace: str) -> None:
    answer = ask(alpha, "shm_size", namespace=namespace, fill=False, size_limit="100Mi")
    assert answer.code == 0
    assert answer.verdicts == {"WARN"}
    assert answer.checks["SHM303"]["evidence"]["who_sized"]["facts"]["size_bytes"] == 100 * MIB
    assert "fill" not in answer.checks["SHM303"]["evidence"]


def test_size_bounded(alpha: Cluster, namespace: str) -> None:
    answer = ask(alpha, "shm_size", namespace=namespace, max_write="10Mi", size_limit="20Mi")
    assert answer.code == 0
    assert answer.verdicts == {"WARN"}
    for check in answer.checks.values():
        assert check["evidence"]["fill"]["facts"]["written_bytes"] == 10 * MIB


def test_size_that_was_not_expected(alpha: Cluster, namespace: str) -> None:
    answer = ask(alpha, "shm_size", volumes=["none"], namespace=namespace, default_size="128Mi")
    # a FAIL is an answer: only roles and playbooks fail on it
    assert answer.code == 0
    assert answer.checks["SHM301"]["verdict"] == "FAIL"
    assert str(64 * MIB) in answer.checks["SHM301"]["observed"]


def test_what_reaches_the_objects(alpha: Cluster, namespace: str) -> None:
    toleration = {"key": "podshm-test", "operator": "Exists", "effect": "NoSchedule"}
    running = call(
        alpha,
        "shm_size",
        namespace=namespace,
        volumes=["limit"],
        size_limit="100Mi",
        labels={"team": "desktop", "app.kubernetes.io/name": "must-not-win"},
        annotations={"why": "test"},
        tolerations=[toleration],
        node_selector={"kubernetes.io/hostname": "alpha"},
        resources={"cpu": "100m", "memory": "48Mi"},
    )
    (pod,) = alpha.until("pods", namespace, bool, harness.OURS).values()
    (config,) = alpha.list("configmaps", namespace, harness.OURS)
    (anchor,) = alpha.list("jobs", namespace, harness.OURS)
    passes(running.answer())
    for stored in (pod, config, anchor):
        assert stored["metadata"]["labels"]["team"] == "desktop"
        assert stored["metadata"]["annotations"]["why"] == "test"
    spec = pod["spec"]
    assert toleration in spec["tolerations"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["activeDeadlineSeconds"] > 0
    limits = {volume["name"]: volume["emptyDir"].get("sizeLimit") for volume in spec["volumes"] if "emptyDir" in volume}
    assert limits["sized"] == str(100 * MIB)
    for container in spec["containers"]:
        resources = container["resources"]
        assert resources["requests"] == {**resources["limits"], "cpu": "20m"}
        assert resources["limits"]["cpu"] == "100m"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"size_limit": "much"}, "size_limit"),
        ({"max_write": "-1"}, "max_write"),
        ({"resources": {"memory": "1Mi"}}, "resources.memory"),
        ({"timeout": 0}, "timeout"),
        ({"checks": ["SHM000"]}, "SHM000"),
        ({"checks": []}, "the list is empty"),
        ({"minimums": {"kernel.sem": "250 32000"}}, "minimums: kernel.sem is 4 whole numbers"),
        ({"minimums": {"kernel.shm": 1}}, "minimums: there is no kernel.shm"),
    ],
)
def test_wrong_options(alpha: Cluster, args: dict[str, t.Any], words: str) -> None:
    answer = ask(alpha, **args)
    assert answer.code != 0
    assert answer.result["failed"] is True
    assert answer.msg.startswith("cluster alpha: wrong option: ")
    assert words in answer.msg
    assert answer.result["checks"] == []


# --------------------------------------------------------------------------- check mode


def test_check_mode_writes_nothing(alpha: Cluster, namespace: str) -> None:
    def everything() -> dict[str, str]:
        return {
            item["metadata"]["uid"]: item["metadata"]["resourceVersion"]
            for kind in ("pods", "configmaps", "jobs", "events", "secrets", "serviceaccounts")
            for item in alpha.list(kind, namespace)
        }

    before = everything()
    answer = ask(alpha, namespace=namespace, _ansible_check_mode=True)
    assert answer.code == 0
    assert answer.verdicts == {"SKIP"}
    assert answer.reasons == {"CheckMode"}
    assert answer.result["status"] == "SKIP"
    assert answer.result["changed"] is False
    assert everything() == before


def test_check_mode_names_what_is_refused(alpha: Cluster, namespace: str) -> None:
    quota = {"metadata": {"name": "tight"}, "spec": {"hard": {"pods": "0"}}}
    alpha.create("resourcequotas", quota, namespace)
    alpha.until("resourcequotas", namespace, lambda seen: all("hard" in q.get("status", {}) for q in seen.values()))
    fails(ask(alpha, namespace=namespace, _ansible_check_mode=True), "QuotaExceeded", namespace)


def test_check_mode_names_what_is_forbidden(alpha: Cluster, namespace: str) -> None:
    # a user who can read everything and write nothing
    user = f"{harness.LABEL}-reader"
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    with alpha.wide(
        "clusterroles", {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]}
    ) as role:
        ref["name"] = role
        subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}
        with alpha.wide("clusterrolebindings", {"roleRef": ref, "subjects": [subject]}):
            answer = ask(alpha, namespace=namespace, impersonate_user=user, _ansible_check_mode=True)
    fails(answer, "Forbidden", "create", user)
