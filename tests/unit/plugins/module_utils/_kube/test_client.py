# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections.abc
import contextlib
import json
import logging
import os
import pathlib
import re
import socket
import ssl
import threading
import time
import types
import typing as t

import pytest
import urllib3
import websocket
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException, kube_config
from kubernetes.dynamic.exceptions import api_exception

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import client, watch
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.source import Source, resolve
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._secrets import KNOWN
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.exceptions import CoreException

SECRET = "correct-horse-battery-staple"


def refused(status: int, message: str) -> Exception:
    """What the client raises for an answer of the API server."""
    error = ApiException(status=status, reason="")
    error.body = json.dumps({"kind": "Status", "message": message}).encode()
    error.headers = {}
    return t.cast("Exception", api_exception(error))


class Response:
    """An answer of the API server: its body, or what is raised instead of it."""

    def __init__(self, body: object, trouble: Exception | None = None) -> None:
        self._body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._trouble = trouble
        self.closed = False

    @property
    def data(self) -> bytes:
        if self._trouble:
            raise self._trouble
        return self._body

    def stream(self, amount: object, decode_content: bool) -> collections.abc.Iterator[bytes]:
        # as they come: a line may span chunks
        for start in range(0, len(self._body), 7):
            yield self._body[start : start + 7]
        if self._trouble:
            raise self._trouble

    def close(self) -> None:
        self.closed = True


class FakeClient:
    """The dynamic client of the Kubernetes client; answers one request after the other from a script."""

    def __init__(self) -> None:
        self.script: list[Response | Exception] = []
        self.requests: list[tuple[str, str, dict[str, t.Any]]] = []
        self.version: dict[str, t.Any] = {}
        self.configuration = types.SimpleNamespace(
            host="https://h:6443",
            api_key={},
            auth_settings=lambda: {
                "BearerToken": {"in": "header", "key": "authorization", "value": f"Bearer {SECRET}"},
                "Empty": {"in": "header", "key": "authorization", "value": None},
                "Query": {"in": "query", "key": "k", "value": "v"},
            },
        )
        pools = types.SimpleNamespace(connection_pool_kw={}, clear=lambda: None)
        self.pools = pools.connection_pool_kw
        self.client = types.SimpleNamespace(
            rest_client=types.SimpleNamespace(pool_manager=pools), default_headers={"Impersonate-User": "u"}
        )

    def request(self, method: str, path: str, **options: t.Any) -> Response:
        self.requests.append((method, path, options))
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


SOURCE = resolve({"host": "https://h:6443"}, {})


def connect(connector: t.Callable[[], t.Any], source: Source = SOURCE, timeout: float = 60) -> client.Cluster:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "get_api_client", lambda **_options: types.SimpleNamespace(client=connector()))
        return client.Cluster(source, "n", timeout)


@pytest.fixture
def fake() -> FakeClient:
    return FakeClient()


@pytest.fixture
def cluster(fake: FakeClient) -> client.Cluster:
    return connect(lambda: fake)


# ------------------------------------------------------------------------- connecting


def test_a_silent_address_is_not_tried_again_and_again(fake: FakeClient, cluster: client.Cluster) -> None:
    assert cluster.server == "https://h:6443"
    retries = fake.pools["retries"]
    assert (retries.total, retries.connect, retries.read, retries.redirect) == (3, 1, 0, 0)


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (refused(401, "Unauthorized"), Reason.UNAUTHORIZED, "API server https://h:6443: the credentials"),
        (refused(503, "starts"), Reason.API_ERROR, "API server https://h:6443: the API server answers 503: starts"),
        (urllib3.exceptions.ProtocolError("refused"), Reason.API_UNREACHABLE, "API server https://h:6443: refused"),
        (CoreException("Could not create API client: bad"), Reason.BAD_KUBECONFIG, "options: bad"),
        (ConfigException("no context"), Reason.BAD_KUBECONFIG, "options: no context"),
        (FileNotFoundError(2, "No such file", "/ca"), Reason.BAD_KUBECONFIG, "No such file: /ca"),
        (ModuleNotFoundError("no", name="socks"), Reason.PROXY_UNUSABLE, "is not installed (socks)"),
        (urllib3.exceptions.ProxySchemeUnknown("socks5"), Reason.PROXY_UNUSABLE, "unsupported scheme socks5"),
        (ValueError(SECRET), Reason.NOT_KUBERNETES, "API server https://h:6443: the answer is not"),
        (ValueError(f"Invalid header value b'{SECRET}'"), Reason.BAD_KUBECONFIG, "line break"),
    ],
)
def test_why_there_is_no_connection(error: Exception, reason: Reason, words: str) -> None:
    def fail() -> t.NoReturn:
        raise error

    with pytest.raises(Inconclusive, match=re.escape(words)) as caught:
        connect(fail, timeout=0.1)
    assert caught.value.reason == reason
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_connection_that_hangs() -> None:
    with pytest.raises(Inconclusive) as caught:
        connect(lambda: time.sleep(60), timeout=0.1)
    assert caught.value.reason == Reason.API_UNREACHABLE
    assert str(caught.value) == "API server https://h:6443: no answer within 0.1 s"


def provided(command: list[str]) -> t.Any:
    """What a credential plugin gives, as the client would get it."""
    config = {"apiVersion": "v1", "command": command[0], "args": command[1:]}
    return kube_config.ExecProvider(config, "", None).run()


def test_a_credential_plugin_that_hangs_is_named_and_killed(tmp_path: pathlib.Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/child; wait"
    with pytest.raises(Inconclusive) as caught:
        connect(lambda: provided(["/bin/sh", "-c", script]), timeout=1)
    assert caught.value.reason is Reason.PLUGIN_FAILED
    assert str(caught.value) == (
        "API server https://h:6443: the credential plugin sh did not end within 1 s, and was killed"
    )
    assert is_gone(int((tmp_path / "child").read_text()))


def is_gone(process: int) -> bool:
    """Whether a process does not run any more, at the latest in a moment."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        status = pathlib.Path(f"/proc/{process}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_nothing_is_requested_without_the_credentials_that_a_plugin_should_give(fake: FakeClient) -> None:
    def connector() -> FakeClient:
        # as the client does it
        with contextlib.suppress(Exception):
            provided(["/bin/false"])
        return fake

    with pytest.raises(Inconclusive, match="the credential plugin false ended with 1") as caught:
        connect(connector)
    assert caught.value.reason is Reason.PLUGIN_FAILED
    assert fake.requests == []


def test_a_credential_plugin_that_hangs_when_a_token_is_renewed_is_killed(
    fake: FakeClient, cluster: client.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.until = time.monotonic() + 1
    monkeypatch.setattr(fake, "request", lambda *_arguments, **_options: provided(["/bin/sleep", "60"]))
    began = time.monotonic()
    with pytest.raises(Inconclusive, match="the credential plugin sleep did not end within 1 s, and was killed"):
        cluster.nodes()
    assert time.monotonic() - began < 5


def test_the_client_gets_the_source_and_nothing_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, fake: FakeClient
) -> None:
    monkeypatch.setenv("K8S_AUTH_HOST", "https://other")
    monkeypatch.setenv("K8S_AUTH_VERIFY_SSL", "false")
    got: dict[str, t.Any] = {}

    def get_api_client(**options: t.Any) -> t.Any:
        got.update(options, environment=[name for name in os.environ if name.startswith("K8S_AUTH_")])
        return types.SimpleNamespace(client=fake)

    monkeypatch.setattr(client, "get_api_client", get_api_client)
    source = resolve({"host": "https://h:6443", "impersonate_user": "u"}, {})
    client.Cluster(source, "n", 60)
    assert got == {
        "kubeconfig": source.kubeconfig,
        "context": source.kubeconfig["current-context"],
        "impersonate_user": "u",
        "proxy": "",
        "no_proxy": "",
        "environment": [],
    }
    assert os.environ["K8S_AUTH_HOST"] == "https://other"


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"auth-provider": {"name": "oidc", "config": {"id-token": "x"}}}, "no credentials of auth-provider"),
        ({"username": "u"}, "no credentials of username"),
    ],
)
def test_nobody_asks_where_a_user_is_named(fake: FakeClient, user: dict[str, t.Any], words: str) -> None:
    """The client passes over credentials that it can make nothing of."""
    source = resolve({"host": "https://h:6443"}, {})
    source.kubeconfig["users"][0]["user"].update(user)
    with pytest.raises(Inconclusive, match=words) as caught:
        connect(lambda: fake, source)
    assert caught.value.reason is Reason.BAD_KUBECONFIG
    fake.configuration.api_key["authorization"] = f"Bearer {SECRET}"
    connect(lambda: fake, source)


def test_a_client_that_does_not_know_a_server_name_is_not_used(
    fake: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old clients pass over it, so that a good certificate seems to be untrusted."""
    source = resolve({"host": "https://h:6443"}, {})
    source.kubeconfig["clusters"][0]["cluster"]["tls-server-name"] = "kubernetes"
    connect(lambda: fake, source)
    monkeypatch.setattr(kube_config, "Configuration", types.SimpleNamespace)
    with pytest.raises(Inconclusive, match="knows no tls-server-name; install a newer one") as caught:
        connect(lambda: fake, source)
    assert caught.value.reason is Reason.BAD_KUBECONFIG
    connect(lambda: fake)


def test_another_server_than_the_source_names_is_never_asked(fake: FakeClient) -> None:
    fake.configuration.host = "https://other:6443"
    with pytest.raises(Inconclusive, match="connected to another server") as caught:
        connect(lambda: fake)
    assert caught.value.reason is Reason.INTERNAL
    assert fake.requests == []


@pytest.mark.parametrize(
    ("answer", "uid"),
    [
        (Response({"metadata": {"uid": "u-1"}}), "u-1"),
        (refused(403, 'namespaces "kube-system" is forbidden: User "x" cannot get'), ""),
        (refused(404, 'namespaces "kube-system" not found'), ""),
    ],
)
def test_the_uid_of_the_cluster(
    fake: FakeClient, cluster: client.Cluster, answer: Response | Exception, uid: str
) -> None:
    fake.script = [answer]
    assert cluster.uid() == uid


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        (Response({"gitVersion": "v1.28.15"}), "v1.28.15"),
        (Response({}), ""),
        (refused(403, 'User "u" cannot get path "/version"'), ""),
    ],
)
def test_the_version_is_what_the_api_server_says_now(
    fake: FakeClient, cluster: client.Cluster, answer: Response | Exception, version: str
) -> None:
    # what the client remembers of another cluster at this address
    fake.version = {"kubernetes": {"gitVersion": "v1.37.2"}}
    fake.script = [answer]
    assert cluster.version() == version
    assert fake.requests[-1][:2] == ("get", "/version")


def test_what_the_client_only_logs_is_kept_from_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    log = client.ClientLog()
    with log.listening():
        logging.error("oidc: the token is not renewed")
    assert log.last == "oidc: the token is not renewed"
    KNOWN.add(SECRET)
    with log.listening():
        logging.error("oidc: %s", SECRET)
    assert log.last == "oidc: ********"
    assert capfd.readouterr().err == ""


def test_what_the_client_logs_of_credentials_is_part_of_the_cause(fake: FakeClient) -> None:
    def connector() -> FakeClient:
        logging.error("oidc: the token is not renewed")
        return fake

    fake.script = [
        refused(403, 'nodes is forbidden: User "system:anonymous" cannot list'),
        refused(403, "User cannot "),
    ]
    cluster = connect(connector)
    with pytest.raises(Inconclusive) as caught:
        cluster.nodes()
    assert caught.value.reason == Reason.UNAUTHORIZED
    assert str(caught.value) == (
        "API server https://h:6443: the request carried no credentials; "
        "the client logged: oidc: the token is not renewed"
    )
    with pytest.raises(Inconclusive) as caught:
        cluster.nodes()
    assert "logged" not in str(caught.value)


# ---------------------------------------------------------------------------- weather


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch, cluster: client.Cluster) -> list[float]:
    """The pauses between tries, which take no time."""
    found: list[float] = []
    monkeypatch.setattr(cluster.stopping, "wait", found.append)
    return found


RESET = urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
POD = {"kind": "Pod", "metadata": {"namespace": "n", "name": "p", "uid": "u"}}


@pytest.mark.parametrize(
    "weather",
    [
        refused(429, "too many requests"),
        refused(409, 'cannot be fulfilled on resourcequotas "q": the object has been modified; please try again'),
        refused(500, "etcdserver: leader changed"),
        refused(500, 'failed calling webhook "w": connection refused'),
        refused(503, "apiserver is shutting down"),
        refused(504, "gateway timeout"),
        refused(408, "request timeout"),
        refused(502, "<html><title>Bad Gateway</title></html>"),
        refused(522, "connection timed out"),
        refused(500, "http2: server sent GOAWAY and closed the connection"),
        refused(500, "rpc error: code = Unavailable desc = error reading from server: EOF"),
        refused(500, "Internal error occurred: resource quota evaluation timed out"),
        refused(500, "The create operation against pods could not be completed at this time, please try again."),
        refused(403, 'pods "p" is forbidden: not yet ready to handle request'),
        refused(
            403, 'pods "p" is forbidden: securitycontextconstraints.security.openshift.io cache is not synchronized'
        ),
        RESET,
        urllib3.exceptions.ProtocolError("Connection broken: IncompleteRead(5 bytes read)"),
        urllib3.exceptions.NewConnectionError(None, "Failed to establish a new connection: Connection refused"),  # type: ignore[arg-type]
        urllib3.exceptions.SSLError("EOF occurred in violation of protocol"),
    ],
)
def test_weather_is_waited_for(
    fake: FakeClient, cluster: client.Cluster, pauses: list[float], weather: Exception
) -> None:
    fake.script = [weather, weather, Response(POD)]
    assert cluster.create(POD) == POD
    assert pauses == [0.2, 0.4]
    ((words, count),) = cluster.retries.items()
    assert (words.startswith("POST pod n/p: "), count) == (True, 2)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"kind": "Pod", "metadata": {"na', b"null", b"[]", b'"ok"', b"{}", b"[" * 100000, b"\xff"],
)
def test_an_answer_that_is_no_object_is_weather_and_none_of_ours(
    fake: FakeClient, cluster: client.Cluster, pauses: list[float], body: bytes
) -> None:
    fake.script = [Response(body), refused(409, 'pods "p" already exists'), Response(POD)]
    assert cluster.create(POD) == POD
    assert pauses == [0.2]
    for call in (cluster.nodes, cluster.uid, lambda: cluster.list_run_objects("run=1"), lambda: cluster.list_pods("a")):
        fake.script = [Response(body) for _unused in range(6)]
        with pytest.raises(Inconclusive, match=r"the answer is not .* tried 6 times") as caught:
            call()
        assert caught.value.reason is Reason.NOT_KUBERNETES
    fake.script = [Response(body)]
    assert cluster.events(POD) == []


def test_a_500_that_says_when_to_come_back_is_weather(
    fake: FakeClient, cluster: client.Cluster, pauses: list[float]
) -> None:
    error = refused(500, "nobody has heard of it")
    error.headers = {"Retry-After": "2"}  # type: ignore[attr-defined]
    fake.script = [error, Response(POD)]
    assert cluster.create(POD) == POD
    assert pauses == [2]


@pytest.mark.parametrize(
    ("answer", "before"),
    [
        (refused(401, "Unauthorized"), Response({"items": []})),
        (refused(407, "Proxy Authentication Required"), Response({"items": []})),
        # an API server that has just begun does not know its rules yet (kubernetes/kubernetes#121635)
        (refused(403, 'nodes is forbidden: User "u" cannot list resource "nodes"'), RESET),
    ],
)
def test_who_accepted_us_and_does_not_now_is_asked_again(
    fake: FakeClient, cluster: client.Cluster, pauses: list[float], answer: Exception, before: t.Any
) -> None:
    fake.script = [answer]
    with pytest.raises(Inconclusive):
        cluster.nodes()
    assert pauses == []
    fake.script = [Response({"items": []}), Response({"items": []})]
    assert cluster.nodes() == cluster.nodes()
    fake.script = [before, answer, answer, Response({"items": []})]
    if not isinstance(before, Exception):
        cluster.nodes()
    assert cluster.nodes() == []
    assert pauses[-2:] == ([0.4, 0.8] if before is RESET else [0.2, 0.4])


def test_what_an_account_may_not_is_an_answer(fake: FakeClient, cluster: client.Cluster, pauses: list[float]) -> None:
    fake.script = [Response({"items": []}), refused(403, 'nodes is forbidden: User "u" cannot list resource "nodes"')]
    assert cluster.nodes() == []
    with pytest.raises(Inconclusive) as caught:
        cluster.nodes()
    assert (caught.value.reason, pauses) == (Reason.FORBIDDEN, [])


def test_a_proxy_that_demands_a_login_is_named(fake: FakeClient, cluster: client.Cluster, pauses: list[float]) -> None:
    tunnel = OSError("Tunnel connection failed: 407 Proxy Authentication Required")
    fake.script = [urllib3.exceptions.ProxyError("Unable to connect to proxy", tunnel)] * 60
    cluster.until = time.monotonic() + 1
    with pytest.raises(Inconclusive, match=r"the proxy on the way demands a login \(407\); tried . times") as caught:
        cluster.nodes()
    assert caught.value.reason is Reason.PROXY_UNUSABLE


def test_weather_that_does_not_change_is_told_with_the_number_of_tries(
    fake: FakeClient, cluster: client.Cluster, pauses: list[float]
) -> None:
    fake.script = [refused(429, "busy") for _unused in range(6)]
    with pytest.raises(Inconclusive, match="answers 429: busy; tried 6 times") as caught:
        cluster.nodes()
    assert caught.value.reason is Reason.API_ERROR
    assert (pauses, fake.script) == ([0.2, 0.4, 0.8, 1.6, 3.2], [])


@pytest.mark.parametrize(
    ("away", "reason"), [(refused(503, "no backend"), Reason.API_ERROR), (RESET, Reason.API_UNREACHABLE)]
)
def test_an_api_server_that_is_away_gets_the_time_that_a_restart_takes(
    monkeypatch: pytest.MonkeyPatch, fake: FakeClient, cluster: client.Cluster, away: Exception, reason: Reason
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(cluster.stopping, "wait", lambda seconds: now.__setitem__(0, now[0] + seconds))
    cluster.until = now[0] + 60
    fake.script = [away] * 12
    with pytest.raises(Inconclusive, match="tried 11 times") as caught:
        cluster.nodes()
    assert caught.value.reason is reason
    assert now[0] == pytest.approx(1022.2)
    # once for all: the next request finds it as it is
    now[0] += 3
    with pytest.raises(Inconclusive) as caught:
        cluster.nodes()
    assert "tried" not in str(caught.value)
    fake.script = [Response({"items": []}), away, Response({"items": []})]
    assert cluster.nodes() == cluster.nodes() == []


def test_an_answer_that_drips_has_an_end(fake: FakeClient, cluster: client.Cluster) -> None:
    class Dripping(Response):
        @property
        def data(self) -> bytes:
            time.sleep(60)
            return b"{}"

    cluster.until = time.monotonic() + 0.5
    fake.script = [Dripping({})]
    with pytest.raises(Inconclusive, match="no complete answer within 1 s") as caught:
        cluster.nodes()
    assert caught.value.reason is Reason.API_UNREACHABLE


def with_retry_after(text: str) -> Exception:
    error = refused(429, "busy")
    error.headers = {"Retry-After": text}  # type: ignore[attr-defined]
    return error


def test_retry_after_is_obeyed_within_the_time_of_the_run(
    fake: FakeClient, cluster: client.Cluster, pauses: list[float]
) -> None:
    fake.script = [with_retry_after("7"), Response({"items": []})]
    assert cluster.nodes() == []
    assert pauses == [7]
    cluster.until = time.monotonic() + 5
    fake.script = [with_retry_after("8")]
    with pytest.raises(Inconclusive, match=r"busy; the server wants to be left alone for 8 s \(Retry-After\)"):
        cluster.nodes()
    assert pauses == [7]


def test_an_answer_that_was_lost_is_not_somebody_elses_object(
    fake: FakeClient, cluster: client.Cluster, pauses: list[float]
) -> None:
    exists = refused(409, 'pods "p" already exists')
    fake.script = [RESET, exists, Response(POD)]
    assert cluster.create(POD) == POD
    assert [(method, path) for method, path, _options in fake.requests[1:]] == [
        ("post", "/api/v1/namespaces/n/pods"),
        ("get", "/api/v1/namespaces/n/pods/p"),
    ]
    # without a lost answer it is not ours
    fake.script = [exists]
    with pytest.raises(Inconclusive, match="already exists"):
        cluster.create(POD)


@pytest.mark.parametrize(
    "answer", [refused(500, "container not found"), refused(409, "StorageError: invalid object"), refused(403, "no")]
)
def test_what_is_an_answer_is_asked_once(
    fake: FakeClient, cluster: client.Cluster, pauses: list[float], answer: Exception
) -> None:
    fake.script = [answer]
    with pytest.raises(Inconclusive):
        cluster.nodes()
    assert pauses == []


def test_no_answer_keeps_a_run_from_its_end(fake: FakeClient, cluster: client.Cluster) -> None:
    class Silent(Response):
        @property
        def data(self) -> bytes:
            time.sleep(60)
            return b"{}"

    fake.script = [Silent({})]
    threading.Timer(0.2, cluster.stopping.set).start()
    began = time.monotonic()
    with pytest.raises(Inconclusive) as caught:
        cluster.create(POD)
    assert caught.value.reason is Reason.INTERRUPTED
    assert time.monotonic() - began < 15


def test_no_pause_keeps_a_run_from_its_end(fake: FakeClient, cluster: client.Cluster) -> None:
    cluster.stopping.set()
    fake.script = [refused(503, "down")]
    with pytest.raises(Inconclusive, match="503: down"):
        cluster.nodes()


# --------------------------------------------------------------------------- requests


@pytest.mark.parametrize(("left", "timeout"), [(60, (5, 20)), (10, (5, pytest.approx(10, abs=1))), (-5, (1, 1))])
def test_no_request_waits_longer_than_the_run(
    fake: FakeClient, cluster: client.Cluster, left: float, timeout: tuple[float, float]
) -> None:
    cluster.until = time.monotonic() + left
    fake.script = [Response({"items": None})]
    assert cluster.nodes() == []
    assert fake.requests[0][2]["_request_timeout"] == timeout


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (refused(500, "etcd"), Reason.API_ERROR, "nodes: the API server answers 500: etcd"),
        (ValueError(f"Invalid header value b'{SECRET}'"), Reason.BAD_KUBECONFIG, "API server https://h:6443: a cred"),
        (
            refused(302, ""),
            Reason.NOT_KUBERNETES,
            "API server https://h:6443: it answers 302, which leads to another address",
        ),
    ],
)
def test_every_failure_of_a_request_has_a_reason(
    fake: FakeClient, cluster: client.Cluster, answer: Response | Exception, reason: Reason, words: str
) -> None:
    fake.script = [answer]
    with pytest.raises(Inconclusive, match=re.escape(words)) as caught:
        cluster.nodes()
    assert caught.value.reason == reason
    assert SECRET not in str(caught.value)


def stored(kind: str, name: str) -> dict[str, t.Any]:
    return {"kind": kind, "metadata": {"namespace": "n", "name": name, "uid": f"uid-{name}"}}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Pod", "/api/v1/namespaces/n/pods"),
        ("ConfigMap", "/api/v1/namespaces/n/configmaps"),
        ("Job", "/apis/batch/v1/namespaces/n/jobs"),
    ],
)
def test_objects_are_created_and_deleted(fake: FakeClient, cluster: client.Cluster, kind: str, path: str) -> None:
    one = stored(kind, "x")
    fake.script = [Response(one), Response(one), Response({})]
    assert cluster.create(one) == one
    assert cluster.create(one, dry_run=True) == one
    cluster.delete(one)
    create, dry_run, delete = fake.requests
    assert create[:2] == dry_run[:2] == ("post", path)
    assert (create[2]["body"], create[2]["query_params"]) == (one, [])
    assert dry_run[2]["query_params"] == [("dryRun", "All")]
    assert delete[:2] == ("delete", f"{path}/x")
    # never another object of the same name
    assert delete[2]["body"]["preconditions"] == {"uid": "uid-x"}


@pytest.mark.parametrize("message", ['pods "x" not found', 'namespaces "n" not found'])
def test_an_object_that_is_gone_counts_as_deleted(fake: FakeClient, cluster: client.Cluster, message: str) -> None:
    fake.script = [refused(404, message)]
    cluster.delete(stored("Pod", "x"))


def test_an_object_that_cannot_be_deleted_is_named(fake: FakeClient, cluster: client.Cluster) -> None:
    fake.script = [refused(403, "User cannot delete")]
    with pytest.raises(Inconclusive, match="pod n/x: ") as caught:
        cluster.delete(stored("Pod", "x"))
    assert caught.value.reason == Reason.FORBIDDEN


def test_a_subresource_is_patched(fake: FakeClient, cluster: client.Cluster) -> None:
    fake.script = [Response(stored("Pod", "x"))]
    assert cluster.patch("x", "resize", {"spec": {}}) == stored("Pod", "x")
    ((method, path, options),) = fake.requests
    assert (method, path) == ("patch", "/api/v1/namespaces/n/pods/x/resize")
    assert options["content_type"] == "application/strategic-merge-patch+json"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("the server could not find the requested resource", Reason.FEATURE_GATE_OFF),
        ('pods "x" not found', Reason.POD_GONE),
    ],
)
def test_a_subresource_that_the_api_server_lacks(
    fake: FakeClient, cluster: client.Cluster, message: str, reason: Reason
) -> None:
    fake.script = [refused(404, message), refused(404, message)]
    with pytest.raises(Inconclusive) as caught:
        cluster.patch("x", "resize", {})
    assert (caught.value.reason, caught.value.subject) == (reason, "pod n/x")
    # no other request says anything about a feature gate
    with pytest.raises(Inconclusive) as caught:
        cluster.get_pod("x")
    assert caught.value.reason != Reason.FEATURE_GATE_OFF


def test_the_objects_of_a_run_are_found_by_their_labels(fake: FakeClient, cluster: client.Cluster) -> None:
    item = {"metadata": {"namespace": "n", "name": "x"}}
    fake.script = [Response({"items": [item]}), Response({"items": None}), Response({"items": [item]})]
    assert cluster.list_run_objects("run=1") == [{**item, "kind": "Pod"}, {**item, "kind": "Job"}]
    assert [path.rsplit("/", 1)[1] for _method, path, _options in fake.requests] == ["pods", "configmaps", "jobs"]
    assert all(options["query_params"] == [("labelSelector", "run=1")] for _method, _path, options in fake.requests)


def test_events_are_those_of_the_very_pod_and_optional(fake: FakeClient, cluster: client.Cluster) -> None:
    fake.script = [Response({"items": [{"reason": "Failed"}]}), refused(403, "User cannot list")]
    assert cluster.events(stored("Pod", "x")) == [{"reason": "Failed"}]
    assert fake.requests[0][2]["query_params"] == [("fieldSelector", "involvedObject.uid=uid-x")]
    assert cluster.events(stored("Pod", "x")) == []


def test_a_log_is_read_as_it_is_and_bounded(fake: FakeClient, cluster: client.Cluster) -> None:
    fake.script = [Response(b"\xff\n")]
    assert cluster.log("x", "a") == b"\xff\n"
    assert fake.requests[0][1] == "/api/v1/namespaces/n/pods/x/log"
    assert fake.requests[0][2]["query_params"] == [("container", "a"), ("limitBytes", "65537")]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (refused(403, "User cannot get pods/log"), Reason.LOGS_UNAVAILABLE),
        (refused(500, "dial tcp: no route"), Reason.LOGS_UNAVAILABLE),
        (refused(400, "container a is waiting to start"), Reason.LOGS_UNAVAILABLE),
        (refused(404, 'pods "x" not found'), Reason.POD_GONE),
    ],
)
def test_a_log_that_cannot_be_read(
    fake: FakeClient, cluster: client.Cluster, answer: Response | Exception, reason: Reason
) -> None:
    fake.script = [answer]
    with pytest.raises(Inconclusive) as caught:
        cluster.log("x", "a")
    assert caught.value.reason == reason


def test_a_log_is_followed(fake: FakeClient, cluster: client.Cluster) -> None:
    fake.script = [Response(b"one\n")]
    session = cluster.follow_log("x", "a", 60)
    assert session.read_answer(lambda data: len(data) or None, 5) == b"one\n"
    assert fake.requests[0][1] == "/api/v1/namespaces/n/pods/x/log"
    assert fake.requests[0][2]["query_params"] == [("container", "a"), ("follow", "true")]


def test_a_pod_itself_is_patched(fake: FakeClient, cluster: client.Cluster) -> None:
    fake.script = [Response(POD)]
    assert cluster.patch("x", "", {"metadata": {}}) == POD
    assert fake.requests[0][1] == "/api/v1/namespaces/n/pods/x"


# -------------------------------------------------------------------------- the watch


def test_a_cluster_is_what_a_watch_reads_from(cluster: client.Cluster) -> None:
    source: watch.PodSource = cluster
    assert source


def test_events_of_a_watch_are_read_line_by_line(fake: FakeClient, cluster: client.Cluster) -> None:
    events = [{"type": "ADDED", "object": {"a": "b" * 20}}, {"type": "BOOKMARK"}]
    # what follows the last line break is no event yet
    response = Response(b"\n\n".join(json.dumps(each).encode() for each in events) + b'\n{"ty')
    fake.script = [response]
    assert list(cluster.pod_events("run=1", "7", 30)) == events
    options = fake.requests[0][2]
    assert dict(options["query_params"]) == {
        "watch": "true",
        "labelSelector": "run=1",
        "resourceVersion": "7",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "30",
    }
    assert options["_request_timeout"] == (5, 35)
    assert response.closed


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (Response(b'{"type":"A"}\n', urllib3.exceptions.ProtocolError("cut")), Reason.API_UNREACHABLE),
        (Response(b'{"type":"A"}\n<html>\n'), Reason.NOT_KUBERNETES),
        (Response(b'{"type":"A"}\n' + b"[" * 100000 + b"\n"), Reason.NOT_KUBERNETES),
        (Response(b'{"type":"A"}\n"ok"\n'), Reason.NOT_KUBERNETES),
    ],
)
def test_a_watch_that_breaks_is_closed(
    fake: FakeClient, cluster: client.Cluster, response: Response, reason: Reason
) -> None:
    fake.script = [response]
    events = cluster.pod_events("run=1", "7", 30)
    assert next(events) == {"type": "A"}
    with pytest.raises(Inconclusive) as caught:
        next(events)
    assert caught.value.reason == reason
    assert response.closed


def test_a_list_of_pods_keeps_its_version(fake: FakeClient, cluster: client.Cluster) -> None:
    answer = {"metadata": {"resourceVersion": "7"}, "items": []}
    fake.script = [Response(answer)]
    assert cluster.list_pods("run=1") == answer
    assert fake.requests[0][2]["query_params"] == [("labelSelector", "run=1")]


# ------------------------------------------------------------------------------- exec


def never(words: str, subject: str) -> None:
    return None


def test_a_command_runs_with_the_credentials_of_the_client(
    monkeypatch: pytest.MonkeyPatch, cluster: client.Cluster
) -> None:
    opened: list[t.Any] = []
    monkeypatch.setattr(client, "open_websocket", lambda *arguments: opened.append(arguments))
    cluster.exec("x", "a", ("/probe", "session", "d=1 2"), 7, explain=never)
    ((configuration, path, headers, timeout),) = opened
    assert configuration.host == "https://h:6443"
    assert path == (
        "/api/v1/namespaces/n/pods/x/exec?container=a&stdin=true&stdout=true&stderr=true"
        "&command=%2Fprobe&command=session&command=d%3D1+2"
    )
    assert headers == [("Impersonate-User", "u"), ("authorization", f"Bearer {SECRET}")]
    assert timeout == 7


GONE = socket.gaierror(-3, "Temporary failure in name resolution")


@pytest.mark.parametrize(
    ("weather", "pause"),
    [
        (ConnectionRefusedError(111, "refused"), 0.2),
        (ConnectionResetError(104, "reset"), 0.2),
        (websocket.WebSocketAddressException(GONE), 0.2),
        (ssl.SSLError(1, "EOF occurred in violation of protocol"), 0.2),
        (503, 0.2),
        # with Retry-After
        (429, 3),
    ],
)
def test_weather_on_the_way_to_a_command_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, cluster: client.Cluster, pauses: list[float], weather: t.Any, pause: float
) -> None:
    troubles: list[t.Any] = [weather]

    def open_websocket(*arguments: object) -> str:
        if not troubles:
            return "socket"
        trouble = troubles.pop()
        if isinstance(trouble, Exception):
            raise trouble
        headers = {"retry-after": "3"} if trouble == 429 else {}
        raise websocket.WebSocketBadStatusException("Handshake status", trouble, "", headers, b"starts")

    monkeypatch.setattr(client, "open_websocket", open_websocket)
    assert cluster.exec("x", "a", ("/probe",), 7, explain=never)
    assert pauses == [pause]


def test_an_exec_that_is_refused_by_an_api_server_that_has_just_begun_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, fake: FakeClient, cluster: client.Cluster, pauses: list[float]
) -> None:
    body = b'{"message": "pods \\"x\\" is forbidden: User \\"u\\" cannot create resource \\"pods/exec\\""}'
    troubles = [websocket.WebSocketBadStatusException("Handshake status", 403, "", {}, body)]

    def open_websocket(*_arguments: object) -> str:
        if troubles:
            raise troubles.pop()
        return "socket"

    monkeypatch.setattr(client, "open_websocket", open_websocket)
    # another request met it while it was away, and still waits for it
    fake.script = [Response({"items": []}), *[RESET] * 30]
    cluster.nodes()
    cluster.until = time.monotonic() + 1
    with pytest.raises(Inconclusive):
        cluster.nodes()
    cluster.until = time.monotonic() + 60
    assert cluster.exec("x", "a", ("/probe",), 7, explain=never)
    assert pauses[-1] == 0.2


@pytest.mark.parametrize(("status", "reason"), [(404, Reason.POD_GONE), (400, Reason.EXEC_UPGRADE)])
def test_an_older_websocket_client_keeps_no_body(
    monkeypatch: pytest.MonkeyPatch, cluster: client.Cluster, status: int, reason: Reason
) -> None:
    error = websocket.WebSocketBadStatusException("Handshake status", status, "", {}, None)
    del error.resp_body

    def fail(*_arguments: object) -> t.NoReturn:
        raise error

    monkeypatch.setattr(client, "open_websocket", fail)
    with pytest.raises(Inconclusive) as caught:
        cluster.exec("x", "a", ("/probe",), 7, explain=never)
    assert caught.value.reason is reason


def test_a_handshake_that_drips_has_an_end(monkeypatch: pytest.MonkeyPatch, cluster: client.Cluster) -> None:
    monkeypatch.setattr(client, "open_websocket", lambda *_arguments: time.sleep(60))
    with pytest.raises(Inconclusive, match="no complete answer within") as caught:
        cluster.exec("x", "a", ("/probe",), 0.1, explain=never)
    assert caught.value.subject == "container a of pod n/x"


@pytest.mark.parametrize(
    ("error", "reason", "subject"),
    [
        ((403, "User cannot create pods/exec"), Reason.EXEC_FORBIDDEN, "container a of pod n/x"),
        ((401, "Unauthorized"), Reason.UNAUTHORIZED, "API server https://h:6443"),
        ((404, 'pods "x" not found'), Reason.POD_GONE, "container a of pod n/x"),
        ((400, "no upgrade"), Reason.EXEC_UPGRADE, "container a of pod n/x"),
        ((502, "bad gateway"), Reason.EXEC_UPGRADE, "container a of pod n/x"),
        (ConnectionRefusedError(111, "refused"), Reason.API_UNREACHABLE, "container a of pod n/x"),
        (websocket.WebSocketAddressException(GONE), Reason.API_UNREACHABLE, "container a of pod n/x"),
        (ssl.SSLError(1, "EOF occurred in violation of protocol"), Reason.API_UNREACHABLE, "container a of pod n/x"),
        (ssl.SSLError(1, "CERTIFICATE_VERIFY_FAILED"), Reason.TLS_UNTRUSTED, "container a of pod n/x"),
        (websocket.WebSocketProxyException("proxy"), Reason.EXEC_UPGRADE, "container a of pod n/x"),
        (
            websocket.WebSocketProxyException("failed CONNECT via proxy status: 407"),
            Reason.PROXY_UNUSABLE,
            "container a of pod n/x",
        ),
        # what websocket-client raises of an answer that is none, before 1.9
        (IndexError("list index out of range"), Reason.EXEC_UPGRADE, "container a of pod n/x"),
        (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, SECRET), Reason.EXEC_UPGRADE, "container a of pod n/x"),
    ],
)
def test_a_command_that_cannot_be_run(
    monkeypatch: pytest.MonkeyPatch,
    cluster: client.Cluster,
    pauses: list[float],
    error: t.Any,
    reason: Reason,
    subject: str,
) -> None:
    def fail(*arguments: object) -> t.NoReturn:
        if isinstance(error, Exception):
            raise error
        status, message = error
        body = json.dumps({"message": message}).encode()
        raise websocket.WebSocketBadStatusException(
            "Handshake status %d", status_code=status, status_message="", resp_headers={}, resp_body=body
        )

    monkeypatch.setattr(client, "open_websocket", fail)
    with pytest.raises(Inconclusive) as caught:
        cluster.exec("x", "a", ("/probe",), 7, explain=never)
    assert (caught.value.reason, caught.value.subject) == (reason, subject)
    assert SECRET not in str(caught.value)


# ----------------------------------------------------------------------------------------------------- long lists


def page(*names: str, token: str = "") -> Response:
    items = [{"metadata": {"name": name, "uid": name}} for name in names]
    return Response({"metadata": {"continue": token}, "items": items})


def names_of(found: collections.abc.Iterable[dict[str, t.Any]]) -> list[str]:
    return [one["metadata"]["name"] for one in found]


def test_a_long_list_comes_in_pages(fake: FakeClient, cluster: client.Cluster) -> None:
    fake.script = [page("a", "b", token="1"), page(token="2"), page("c")]
    assert names_of(cluster.every("deployments", selector="a=b")) == ["a", "b", "c"]
    assert {path for _method, path, _options in fake.requests} == {"/apis/apps/v1/deployments"}
    fixed = [("limit", "500"), ("labelSelector", "a=b")]
    assert [options["query_params"] for _method, _path, options in fake.requests] == [
        fixed,
        [*fixed, ("continue", "1")],
        [*fixed, ("continue", "2")],
    ]


def test_of_one_namespace_metadata_alone(fake: FakeClient, cluster: client.Cluster) -> None:
    fake.script = [Response({"metadata": {}, "items": None})]
    assert names_of(cluster.every("jobs", "shop", metadata_only=True)) == []
    (_method, path, options) = fake.requests[-1]
    assert path == "/apis/batch/v1/namespaces/shop/jobs"
    assert "PartialObjectMetadataList" in options["header_params"]["Accept"]


def test_a_list_whose_place_is_lost_begins_again_once_and_brings_nothing_twice(
    fake: FakeClient, cluster: client.Cluster
) -> None:
    gone = refused(410, "The provided continue parameter is too old")
    fake.script = [page("a", "b", token="1"), gone, page("a", "b", "c", token="2"), page("d")]
    assert names_of(cluster.every("pods")) == ["a", "b", "c", "d"]
    fake.script = [page("a", token="1"), gone, page("a", token="2"), gone]
    with pytest.raises(Inconclusive, match="pods of the cluster: the API server answers 410"):
        names_of(cluster.every("pods"))


def test_what_is_refused_names_the_kind_and_the_namespace(fake: FakeClient, cluster: client.Cluster) -> None:
    fake.script = [refused(403, 'pods is forbidden: User "u" cannot list resource "pods"')]
    with pytest.raises(Inconclusive, match="pods of namespace shop: the API server answers 403") as caught:
        names_of(cluster.every("pods", "shop"))
    assert caught.value.reason is Reason.FORBIDDEN


def test_a_namespace_that_nobody_may_look_at_is_taken_for_one(fake: FakeClient, cluster: client.Cluster) -> None:
    fake.script = [refused(403, 'namespaces "n" is forbidden: User "u" cannot get'), Response({})]
    cluster.require_namespace("n")
    cluster.require_namespace("n")
    fake.script = [refused(404, 'namespaces "n" not found')]
    with pytest.raises(Inconclusive) as caught:
        cluster.require_namespace("n")
    assert caught.value.reason is Reason.NAMESPACE_MISSING


def test_the_last_lines_of_a_container_are_bounded(fake: FakeClient, cluster: client.Cluster) -> None:
    fake.script = [Response(b"last \xff words\n")]
    assert cluster.last_lines("shop", "db", "pg", previous=True) == "last \ufffd words\n"
    (_method, path, options) = fake.requests[-1]
    assert path == "/api/v1/namespaces/shop/pods/db/log"
    assert dict(options["query_params"]) == {
        "container": "pg",
        "previous": "true",
        "tailLines": "60",
        "limitBytes": "65536",
    }
    fake.script = [refused(503, "starts")]
    with pytest.raises(Inconclusive, match="container pg of pod shop/db: the API server answers 503"):
        cluster.last_lines("shop", "db", "pg", previous=False)
