# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ssl
import typing as t

import pytest
import urllib3
import yaml

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import errors
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (401, "Unauthorized", Reason.UNAUTHORIZED),
        (403, 'pods "x" is forbidden: exceeded quota: q, requested: pods=1', Reason.QUOTA_EXCEEDED),
        (403, 'pods "x" is forbidden: failed quota: q: must specify limits.cpu', Reason.QUOTA_EXCEEDED),
        (403, 'pods "x" is forbidden: status unknown for quota: q', Reason.QUOTA_EXCEEDED),
        (
            403,
            'pods "x" is forbidden: insufficient quota to match these scopes: [{PriorityClass In [system-node-critical]}]',
            Reason.QUOTA_EXCEEDED,
        ),
        (403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest": hostIPC', Reason.POD_SECURITY),
        (
            403,
            "unable to create new content in namespace x because it is being terminated",
            Reason.NAMESPACE_TERMINATING,
        ),
        (403, 'pods "x" is forbidden: pod rejected: RuntimeClass "kata" not found', Reason.RUNTIME_CLASS_MISSING),
        (403, 'pods "x" is forbidden: no PriorityClass with name low was found', Reason.PRIORITY_CLASS_MISSING),
        (
            403,
            'pods "x" is forbidden: maximum memory usage per Container is 8Mi, but limit is 32Mi',
            Reason.LIMIT_RANGE,
        ),
        (403, 'pods "x" is forbidden: memory max limit to request ratio per Container is 1', Reason.LIMIT_RANGE),
        (403, 'pods is forbidden: User "u" cannot create resource "pods" in API group ""', Reason.FORBIDDEN),
        (403, 'nodes is forbidden: User "system:anonymous" cannot list resource "nodes"', Reason.UNAUTHORIZED),
        (
            403,
            'pods "x" is forbidden: error looking up service account n/default: not found',
            Reason.NAMESPACE_NOT_READY,
        ),
        (403, "something that nobody has heard of", Reason.ADMISSION_DENIED),
        (403, 'admission webhook "w" denied the request: no', Reason.ADMISSION_DENIED),
        (
            422,
            "pods is invalid: ValidatingAdmissionPolicy 'p' with binding 'b' denied request",
            Reason.ADMISSION_DENIED,
        ),
        (500, 'Internal error occurred: failed calling webhook "w": timeout', Reason.WEBHOOK_FAILED),
        # many webhooks listen where kubelets do, and the way to both goes through one agent
        (
            500,
            'failed calling webhook "w": Post "https://w.n.svc:443/": dial tcp 10.96.0.1:10250: connection refused',
            Reason.WEBHOOK_FAILED,
        ),
        (500, 'failed calling webhook "w": Post "https://w.n.svc:443/": No agent available', Reason.WEBHOOK_FAILED),
        (400, 'admission webhook "w" does not support dry run', Reason.WEBHOOK_FAILED),
        # what a policy says that cannot be is no missing permission
        (
            403,
            'pods "x" is forbidden: image policy webhook backend denied one or more images: it cannot be verified',
            Reason.ADMISSION_DENIED,
        ),
        (
            403,
            'pods "x" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you cannot',
            Reason.FORBIDDEN,
        ),
        # one that listens on the kubelet's port, as GKE's firewall wants it, and one behind Konnectivity
        (500, 'failed calling webhook "w": dial tcp 10.1.2.3:10250: connect: refused', Reason.WEBHOOK_FAILED),
        (500, 'failed calling webhook "w": Post "https://w.n.svc": No agent available', Reason.WEBHOOK_FAILED),
        (403, 'pods "x" is forbidden: not yet ready to handle request', Reason.API_ERROR),
        (403, "<html><h1>403 Forbidden</h1></html>", Reason.NOT_KUBERNETES),
        (400, "Client sent an HTTP request to an HTTPS server.\n", Reason.NOT_KUBERNETES),
        (307, "", Reason.NOT_KUBERNETES),
        (407, "<html>", Reason.PROXY_UNUSABLE),
        (404, 'namespaces "x" not found', Reason.NAMESPACE_MISSING),
        (404, 'pods "x" not found', Reason.POD_GONE),
        (404, "the server could not find the requested resource", Reason.NOT_KUBERNETES),
        (404, "404 page not found", Reason.NOT_KUBERNETES),
        (500, "error dialing backend: remote error: tls: internal error", Reason.KUBELET_UNREACHABLE),
        (500, 'Get "https://10.0.0.5:10250/containerLogs/n/x/a": EOF', Reason.KUBELET_UNREACHABLE),
        (503, "error dialing backend: No agent available", Reason.KUBELET_UNREACHABLE),
        (400, "bad request", Reason.INVALID),
        (422, "Pod is invalid: spec.containers[0].image: Required value", Reason.INVALID),
        (429, "too many requests", Reason.API_ERROR),
        (500, "etcdserver: request timed out", Reason.API_ERROR),
        (0, "", Reason.API_ERROR),
    ],
)
def test_what_a_refusal_means(status: int, message: str, reason: Reason) -> None:
    problem = errors.failed_request(status, message, "pod default/x")
    assert (problem.reason, problem.subject) == (reason, "pod default/x")


@pytest.mark.parametrize(
    ("message", "reason", "detail"),
    [
        (
            "the server could not find the requested resource",
            Reason.FEATURE_GATE_OFF,
            "the API server has no pods/resize",
        ),
        ('pods "x" not found', Reason.POD_GONE, 'the API server answers 404: pods "x" not found'),
        ('namespaces "x" not found', Reason.NAMESPACE_MISSING, 'the API server answers 404: namespaces "x" not found'),
    ],
)
def test_a_subresource_that_is_missing_is_not_a_pod_that_is_gone(message: str, reason: Reason, detail: str) -> None:
    problem = errors.failed_request(404, message, "pod default/x", "resize")
    assert (problem.reason, problem.detail) == (reason, detail)


def test_a_kubelet_that_is_too_old_for_a_resize_is_no_invalid_request() -> None:
    message = 'Pod "x" is invalid: spec: Forbidden: Pod running on node without support for resize'
    problem = errors.failed_request(422, message, "pod default/x", "resize")
    assert problem.reason is Reason.FEATURE_GATE_OFF
    assert problem.detail.startswith("the kubelet does not know it: Pod")
    assert errors.failed_request(422, message, "pod default/x").reason is Reason.INVALID


def test_foreign_words_stay_on_one_line_and_printable() -> None:
    problem = errors.failed_request(500, "a\nb\x1b[31mred" + "x" * 5000, "")
    assert "\n" not in str(problem)
    assert "\x1b" not in str(problem)
    assert len(str(problem)) < 500


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"kind":"Status","message":"no"}', "no"),
        ('{"kind":"Status","message":"no"}', "no"),
        (b'{"kind":"Status"}', '{"kind":"Status"}'),
        (b"[]", "[]"),
        (b"<html>\xff", "\ufffd"),
        (b"<html><style>a {}</style>\n<h1>502 Bad Gateway</h1></html>", "502 Bad Gateway"),
        (b"<html>", "<html>"),
        (b"[" * 100000, "[" * 100000),
        (None, "None"),
    ],
)
def test_the_message_of_a_body_of_any_kind(body: object, message: str) -> None:
    assert errors.status_message(body) == message


def test_objects_have_one_name_in_all_messages() -> None:
    stored = {"kind": "Pod", "metadata": {"namespace": "n", "name": "x"}}
    assert errors.describe(stored) == errors.describe_pod("n", "x") == "pod n/x"
    assert errors.describe_container("n", "x", "a") == "container a of pod n/x"


# ------------------------------------------------------------------------------- exec


@pytest.mark.parametrize(
    ("status", "message", "reason", "subject"),
    [
        (403, 'pods "x" is forbidden: User "u" cannot create resource "pods/exec"', Reason.EXEC_FORBIDDEN, "container"),
        (403, 'User "system:anonymous" cannot create resource "pods/exec"', Reason.EXEC_FORBIDDEN, "container"),
        (400, 'admission webhook "w" denied the request: no', Reason.EXEC_DENIED, "container"),
        (
            403,
            "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: no",
            Reason.EXEC_DENIED,
            "container",
        ),
        (500, 'failed calling webhook "w": refused', Reason.WEBHOOK_FAILED, "container"),
        (403, "<html>no</html>", Reason.EXEC_UPGRADE, "container"),
        (407, "<html>no</html>", Reason.PROXY_UNUSABLE, "API server"),
        (500, "error dialing backend: dial tcp 10.0.0.5:10250: i/o timeout", Reason.KUBELET_UNREACHABLE, "container"),
        (
            403,
            "Forbidden (user=kube-apiserver-kubelet-client, verb=create, resource=nodes)",
            Reason.KUBELET_UNREACHABLE,
            "container",
        ),
        (404, "404 page not found", Reason.EXEC_UPGRADE, "container"),
        (401, "Unauthorized", Reason.UNAUTHORIZED, "API server"),
        (404, 'pods "x" not found', Reason.POD_GONE, "API server"),
        (404, 'namespaces "x" not found', Reason.NAMESPACE_MISSING, "API server"),
        (502, "bad gateway", Reason.EXEC_UPGRADE, "container"),
        (400, "Upgrade request required", Reason.EXEC_UPGRADE, "container"),
    ],
)
def test_what_an_answer_instead_of_a_websocket_means(status: int, message: str, reason: Reason, subject: str) -> None:
    problem = errors.failed_exec(status, errors.failed_request(status, message, "API server"), "container")
    assert (problem.reason, problem.subject) == (reason, subject)


@pytest.mark.parametrize(("error", "words"), [(OSError("no route"), "no route"), (TimeoutError(), "TimeoutError")])
def test_what_keeps_a_websocket_from_being_opened(error: Exception, words: str) -> None:
    problem = errors.failed_upgrade(error, "container")
    assert problem.reason == Reason.EXEC_UPGRADE
    assert words in problem.detail


def explained(words: str, subject: str) -> Inconclusive | None:
    return Inconclusive(Reason.PROBE_ARCH, words, subject) if "exec format error" in words else None


@pytest.mark.parametrize(
    ("status", "stderr", "reason", "words"),
    [
        (b'{"status":"Failure","message":"exec /podshm/probe: exec format error"}', b"", Reason.PROBE_ARCH, "format"),
        (b'{"status":"Failure","message":"exit 1"}', b"exec format error", Reason.PROBE_ARCH, "exit 1"),
        (b'{"status":"Failure","message":"exit code 137"}', b"", Reason.EXEC_TRANSPORT, "137"),
        (b'{"status":"Success"}', b"", Reason.EXEC_TRANSPORT, "ended before"),
        (
            b'{"message":"error dialing backend: remote error: tls: internal error"}',
            b"",
            Reason.KUBELET_UNREACHABLE,
            "tls",
        ),
        (
            b'{"message":"OCI runtime exec failed: Resource temporarily unavailable"}',
            b"",
            Reason.PIDS_LIMIT,
            "exec failed",
        ),
        (b"", b"runtime: failed to create new OS thread (have 5 already; errno=11)", Reason.PIDS_LIMIT, "OS thread"),
        (b"", b"", Reason.EXEC_TRANSPORT, "no status"),
        (b"not json", b"oops", Reason.EXEC_TRANSPORT, "oops"),
    ],
)
def test_a_command_that_ended_early(status: bytes, stderr: bytes, reason: Reason, words: str) -> None:
    problem = errors.failed_command(status, stderr, "container a of pod b", explained)
    assert (problem.reason, problem.subject) == (reason, "container a of pod b")
    assert words in problem.detail


# ------------------------------------------------------------------------- connecting


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found", Reason.BAD_KUBECONFIG),
        ("[SSL] PEM lib (_ssl.c:3905)", Reason.BAD_KUBECONFIG),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed (_ssl.c:1)", Reason.TLS_UNTRUSTED),
        ("hostname 'a' doesn't match 'b'", Reason.TLS_UNTRUSTED),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", Reason.API_UNREACHABLE),
        # a front that demands a certificate, or another one
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:1)", Reason.UNAUTHORIZED),
        ("[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca (_ssl.c:1)", Reason.UNAUTHORIZED),
        ("[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] sslv3 alert certificate expired (_ssl.c:1)", Reason.UNAUTHORIZED),
        ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure", Reason.API_UNREACHABLE),
    ],
)
def test_what_a_tls_error_means(words: str, reason: Reason) -> None:
    problem = errors.failed_connection(urllib3.exceptions.SSLError(ssl.SSLError(words)), "API server x")
    assert (problem.reason, problem.subject) == (reason, "API server x")


def test_a_redirect_is_no_weather() -> None:
    error = urllib3.exceptions.MaxRetryError(
        t.cast("t.Any", None), "/", urllib3.exceptions.ResponseError("too many redirects")
    )
    problem = errors.failed_connection(error, "API server x")
    assert problem.reason is Reason.NOT_KUBERNETES
    assert problem.detail.startswith("it redirects requests to another address")


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (
            urllib3.exceptions.MaxRetryError(
                t.cast("t.Any", None), "/", urllib3.exceptions.ProtocolError("<pool object at 0x1>: refused")
            ),
            "refused",
        ),
        (urllib3.exceptions.ProtocolError("HTTPSConnection(host='h', port=1): refused"), "refused"),
        (urllib3.exceptions.ProtocolError(""), "ProtocolError"),
    ],
)
def test_what_an_error_below_http_means(error: Exception, detail: str) -> None:
    problem = errors.failed_connection(error, "API server x")
    assert (problem.reason, problem.detail) == (Reason.API_UNREACHABLE, detail)


SECRET = "correct-horse-battery-staple"


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (ValueError(f"Invalid header value b'{SECRET}'"), Reason.BAD_KUBECONFIG, "line break"),
        (ValueError(SECRET), Reason.NOT_KUBERNETES, "(ValueError)"),
        (RecursionError(SECRET), Reason.NOT_KUBERNETES, "(RecursionError)"),
    ],
)
def test_what_an_answer_that_is_none_means(error: Exception, reason: Reason, words: str) -> None:
    problem = errors.failed_answer(error, "API server x")
    assert problem.reason == reason
    assert words in problem.detail
    assert SECRET not in str(problem)


def yaml_error() -> Exception:
    try:
        yaml.safe_load(f"users:\n\t- token: {SECRET}")
    except yaml.YAMLError as error:
        return error
    raise AssertionError("it is valid")


@pytest.mark.parametrize(
    ("error", "quotable", "reason", "words"),
    [
        (FileNotFoundError(2, "No such file", "/ca"), False, Reason.BAD_KUBECONFIG, "kubeconfig /k: No such file: /ca"),
        (ValueError(SECRET), False, Reason.NOT_KUBERNETES, "API server https://h"),
        (TypeError(SECRET), False, Reason.NOT_KUBERNETES, "(TypeError)"),
        (ValueError(f"Invalid header value b'{SECRET}'"), False, Reason.BAD_KUBECONFIG, "line break"),
        (ValueError("Could not create API client: no c"), True, Reason.BAD_KUBECONFIG, "kubeconfig /k: no c"),
    ],
)
def test_what_an_unexpected_error_means(error: Exception, quotable: bool, reason: Reason, words: str) -> None:
    problem = errors.failed_client(error, "kubeconfig /k", "API server https://h", quotable)
    assert problem.reason == reason
    assert words in str(problem)
    assert SECRET not in str(problem)
