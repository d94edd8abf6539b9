# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The right cluster, or none: what options, kubeconfigs and the environment say together."""

from __future__ import annotations

import base64
import contextlib
import pathlib
import socket
import typing as t
import urllib.parse

import pytest
import yaml
from harness import Answer, Cluster, call, passes


@contextlib.contextmanager
def admin(cluster: Cluster) -> t.Iterator[str]:
    """A token that is good for everything on a cluster."""
    namespace = cluster.make_namespace()
    binding = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
    }
    try:
        with cluster.wide("clusterrolebindings", binding):
            yield cluster.token(namespace, "default")
    finally:
        cluster.delete("namespaces", namespace)


@pytest.fixture
def tokens(alpha: Cluster, beta: Cluster) -> t.Iterator[dict[str, str]]:
    """A token of each cluster."""
    with admin(alpha) as one, admin(beta) as other:
        yield {"alpha": one, "beta": other}


def run(cluster: Cluster, env: dict[str, str], **options: t.Any) -> Answer:
    """The module with these options and this environment, and nothing else that names a cluster."""
    # harness.call names a kubeconfig unless there is one
    return call(cluster, env=env, **{"kubeconfig": None, **options}).answer()


def in_pod(cluster: Cluster, token: str, folder: pathlib.Path) -> dict[str, str]:
    """The environment of a pod of this cluster."""
    (folder / "token").write_text(token)
    (folder / "ca.crt").write_bytes(base64.b64decode(cluster.ca_data))
    url = urllib.parse.urlsplit(cluster.server)
    return {
        "KUBERNETES_SERVICE_HOST": str(url.hostname),
        "KUBERNETES_SERVICE_PORT": str(url.port),
        "PODSHM_TEST_SERVICE_ACCOUNT": str(folder),
    }


def is_of(answer: Answer, cluster: Cluster, source: str) -> None:
    """Everything passed, on this cluster: requests and execs."""
    passes(answer)
    assert answer.result["run"]["server"] == cluster.server
    assert [target["name"] for target in answer.result["run"]["targets"]] == [cluster.name]
    uid = cluster.request("GET", "api/v1/namespaces/kube-system")["metadata"]["uid"]
    assert answer.result["run"]["cluster_uid"] == uid
    assert source in answer.result["run"]["source"]


def awx(cluster: Cluster, token: str) -> dict[str, str]:
    """What AWX gives to every job."""
    return {"K8S_AUTH_HOST": cluster.server, "K8S_AUTH_API_KEY": token, "K8S_AUTH_VERIFY_SSL": "false"}


def test_the_environment_of_a_job_is_not_the_host_of_the_inventory(
    alpha: Cluster, beta: Cluster, tokens: dict[str, str]
) -> None:
    answer = run(beta, awx(alpha, tokens["alpha"]), kubeconfig=str(beta.kubeconfig), context="beta")
    is_of(answer, beta, f"kubeconfig {beta.kubeconfig}")
    # where the host says nothing, it counts, completely
    answer = run(alpha, {**awx(alpha, tokens["alpha"]), "KUBECONFIG": str(beta.kubeconfig)})
    is_of(answer, alpha, "K8S_AUTH_HOST")
    assert tokens["alpha"] not in answer.output


def test_no_credentials_go_to_the_server_of_another_source(beta: Cluster) -> None:
    with socket.socket() as decoy:
        decoy.bind(("127.0.0.1", 0))
        decoy.listen()
        decoy.settimeout(0)
        host = f"https://127.0.0.1:{decoy.getsockname()[1]}"
        answer = run(beta, {"K8S_AUTH_HOST": host}, kubeconfig=str(beta.kubeconfig), context="beta")
        is_of(answer, beta, f"kubeconfig {beta.kubeconfig}")
        # a token without a server of its own
        answer = run(beta, {"K8S_AUTH_HOST": host}, api_key="correct-horse-battery-staple")
        assert answer.reasons == {"AmbiguousCluster"}
        assert answer.result["status"] == "UNREACHABLE"
        with pytest.raises(BlockingIOError):
            decoy.accept()


def test_the_check_of_certificates_is_not_switched_off_by_the_environment(alpha: Cluster, beta: Cluster) -> None:
    config = alpha.kubeconfig_with({"token": "x"}, **{"certificate-authority-data": beta.ca_data})
    answer = run(alpha, {"K8S_AUTH_VERIFY_SSL": "false"}, kubeconfig=config)
    assert answer.reasons == {"TlsUntrusted"}


def test_several_files_are_merged_as_kubectl_does_it(
    alpha: Cluster, beta: Cluster, tokens: dict[str, str], tmp_path: pathlib.Path
) -> None:
    # both have a cluster, a user and a context of one name: c, u and that of the cluster
    for cluster in (alpha, beta):
        config = cluster.kubeconfig_with({"token": tokens[cluster.name]})
        (tmp_path / cluster.name).write_text(yaml.safe_dump(config))
    is_of(run(alpha, {"KUBECONFIG": f"{tmp_path}/alpha:{tmp_path}/beta"}), alpha, "KUBECONFIG")
    is_of(run(beta, {"KUBECONFIG": f"{tmp_path}/none:{tmp_path}/beta:{tmp_path}/alpha"}), beta, "KUBECONFIG")


def test_options_take_effect_beside_a_kubeconfig(
    alpha: Cluster, beta: Cluster, tokens: dict[str, str], tmp_path: pathlib.Path
) -> None:
    authority = tmp_path / "ca"
    authority.write_bytes(base64.b64decode(beta.ca_data))
    config = alpha.kubeconfig_with({"token": tokens["alpha"]})
    answer = run(beta, {}, kubeconfig=config, host=beta.server, ca_cert=str(authority), api_key=tokens["beta"])
    is_of(answer, beta, "a kubeconfig from variables")


def test_the_pod_that_it_runs_in_is_the_last_place_to_look(
    alpha: Cluster, beta: Cluster, tokens: dict[str, str], tmp_path: pathlib.Path
) -> None:
    pod = in_pod(alpha, tokens["alpha"], tmp_path)
    is_of(run(alpha, pod, fault="faults.in_pod"), alpha, "the service account of this pod")
    answer = run(beta, {**pod, "KUBECONFIG": str(beta.kubeconfig)}, fault="faults.in_pod")
    is_of(answer, beta, f"kubeconfig {beta.kubeconfig}")
    authority = tmp_path / "ca"
    authority.write_bytes(base64.b64decode(beta.ca_data))
    options = {"host": beta.server, "ca_cert": str(authority)}
    is_of(run(beta, pod, fault="faults.in_pod", api_key=tokens["beta"], **options), beta, "options")
    # without credentials, nobody else's are sent
    answer = run(beta, pod, fault="faults.in_pod", **options)
    assert answer.reasons == {"Unauthorized"}
    assert "no credentials" in answer.msg


@pytest.mark.parametrize(
    ("proxy", "exceptions"),
    [
        ("http://127.0.0.1:9", "example.com, {address}"),
        ("http://127.0.0.1:9", "{address}:{port}"),
        ("http://127.0.0.1:9", "127.1.2.3/8"),
        ("https://127.0.0.1:9", "{address}:{port}"),
        ("http://127.0.0.1", "{address}:{port}"),
    ],
)
def test_requests_and_execs_make_the_same_exceptions_from_a_proxy(alpha: Cluster, proxy: str, exceptions: str) -> None:
    url = urllib.parse.urlsplit(alpha.server)
    options = {"proxy": proxy, "no_proxy": exceptions.format(address=url.hostname, port=url.port)}
    # those of the environment are for proxies of the environment
    answer = run(alpha, {"NO_PROXY": "none.invalid"}, kubeconfig=str(alpha.kubeconfig), **options)
    is_of(answer, alpha, f"kubeconfig {alpha.kubeconfig}")


def test_the_environment_makes_no_exceptions_from_a_proxy_of_the_source(alpha: Cluster) -> None:
    """The address of the server can be that of another machine on this side of the proxy."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0)
        options = {
            "kubeconfig": str(alpha.kubeconfig),
            "proxy": f"http://127.0.0.1:{proxy.getsockname()[1]}",
            "timeout": 3,
        }
        answer = run(alpha, {"NO_PROXY": "*"}, **options)
        assert answer.reasons == {"ApiUnreachable"}
        proxy.accept()[0].close()


def test_this_machine_itself_is_reached_without_the_proxy_of_the_environment(alpha: Cluster) -> None:
    assert str(urllib.parse.urlsplit(alpha.server).hostname).startswith("127.")
    answer = run(alpha, {"HTTPS_PROXY": "http://127.0.0.1:9"}, kubeconfig=str(alpha.kubeconfig))
    is_of(answer, alpha, f"kubeconfig {alpha.kubeconfig}")


def test_a_proxy_that_needs_a_package_names_it(alpha: Cluster) -> None:
    answer = run(alpha, {}, kubeconfig=str(alpha.kubeconfig), proxy="socks5://user:battery%2Fstaple@127.0.0.1:9")
    assert answer.reasons == {"ProxyUnusable"}
    assert "Python package" in answer.msg
    assert "battery" not in answer.output
