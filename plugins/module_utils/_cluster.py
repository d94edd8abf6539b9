# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The one place that talks to Kubernetes: connect, create, watch, exec, read logs, delete.

Everything that goes wrong here leaves as :class:`Undecided` with a reason of the closed list. The paths of the few
resources used are stable since Kubernetes 1.9, so nothing is discovered but what the client itself asks for.
"""

from __future__ import annotations

import collections.abc
import contextlib
import json
import logging
import os
import re
import signal
import ssl
import threading
import time
import typing as t
import urllib.parse

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _pod, _status
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Undecided, quote
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.core import AnsibleK8SModule
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.exceptions import CoreException

try:
    import urllib3
    import websocket
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException
    from kubernetes.dynamic.exceptions import DynamicApiError
except ImportError:
    pass  # AnsibleK8SModule says so before any of these names is used

__all__ = ("AUTH_ARG_SPEC", "AnsibleK8SModule", "Cluster", "Session", "interruptible")

#: One request to the API server at the longest: connect and read, in seconds.
_REQUEST_SECONDS: t.Final = (5, 20)

#: What one request may take when the time of the run is up, in seconds: enough for an answer, too little to wait.
_LAST_SECONDS: t.Final = 1

#: From kubeconfig to the first answer, in seconds: discovery and credential plugins have no timeout of their own.
_CONNECT_SECONDS: t.Final = 15

#: What is kept of one step's output.
OUTPUT_BYTES: t.Final = 65536


_ENDING: t.Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Interrupt(BaseException):
    """The process was told to end; raised in the main thread, so that what was made is removed."""


class _Expired(BaseException):
    """The alarm of :func:`_alarm` rang. Not an Exception: libraries must not swallow it."""


@contextlib.contextmanager
def _alarm(seconds: float) -> collections.abc.Iterator[None]:
    def ring(number: int, frame: t.Any) -> None:
        raise _Expired

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextlib.contextmanager
def interruptible() -> collections.abc.Iterator[None]:
    """Turn the first SIGTERM, SIGINT or SIGHUP into :class:`Interrupt`; later ones must not stop the clean-up."""

    def stop(number: int, frame: t.Any) -> None:
        for other in _ENDING:
            signal.signal(other, signal.SIG_IGN)
        raise Interrupt(signal.Signals(number).name)

    previous = {number: signal.signal(number, stop) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def uninterruptible() -> collections.abc.Iterator[None]:
    """Ignore the signals of :func:`interruptible`: a clean-up that has begun goes on to its end."""
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


_FORBIDDEN: t.Final = (
    ("exceeded quota", "QuotaExceeded"),
    ("failed quota", "QuotaExceeded"),
    ("status unknown for quota", "QuotaExceeded"),
    ("violates PodSecurity", "PodSecurity"),
    ("is being terminated", "NamespaceTerminating"),
    ("error looking up service account", "NamespaceNotReady"),
    ("RuntimeClass", "RuntimeClassMissing"),
    ("usage per", "LimitRange"),
    ("ratio per", "LimitRange"),
    ("cannot ", "Forbidden"),
)


def _by_policy(message: str) -> bool:
    """Whether it is an admission policy or webhook that refuses."""
    return any(words in message for words in ("ValidatingAdmissionPolicy", "admission webhook", "calling webhook"))


def refusal(status: int, message: str, subject: str) -> Undecided:
    """What an answer of the API server other than success means.

    :param status: the HTTP status code.
    :param message: the message of the Status object, or the body.
    """
    detail = f"the API server answers {status}: {quote(message)}"
    if _by_policy(message):
        return Undecided("AdmissionDenied", detail, subject)
    if status == 401:
        return Undecided("Unauthorized", "it does not accept the credentials", subject)
    if status == 403:
        if 'User "system:anonymous"' in message:
            return Undecided("Unauthorized", "it saw no credentials", subject)
        reason = next((reason for words, reason in _FORBIDDEN if words in message), "AdmissionDenied")
        return Undecided(reason, detail, subject)
    if status == 404:
        return Undecided("NamespaceMissing" if "namespaces " in message else "PodGone", detail, subject)
    if status in (400, 422):
        return Undecided("Invalid", detail, subject)
    return Undecided("ApiError", detail, subject)


def _message(body: object) -> str:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    with contextlib.suppress(ValueError, LookupError, TypeError, RecursionError):
        return str(json.loads(text)["message"])
    return text


def _transport(error: BaseException, subject: str) -> Undecided:
    """What an error below HTTP means."""
    cause: object = getattr(error, "reason", None) or error
    if isinstance(cause, (urllib3.exceptions.SSLError, ssl.SSLError)):
        words = str(cause)
        if re.search(r"\[(X509|PEM|ASN1)|PEM lib", words):
            return Undecided(
                "BadKubeconfig", f"the certificates or keys given for it cannot be read: {quote(words)}", subject
            )
        if "CERTIFICATE_VERIFY_FAILED" in words or "doesn't match" in words:
            found = re.search(r"certificate verify failed: ([^(]+)", words)
            return Undecided(
                "TlsUntrusted",
                f"the API server's certificate is not trusted: {quote(found[1] if found else words)}",
                subject,
            )
        return Undecided("ApiUnreachable", f"TLS fails: {quote(words)}", subject)
    words = re.sub(r"<[^>]*>:?|HTTPS?Connection\([^)]*\):?", "", str(cause)).strip()
    return Undecided("ApiUnreachable", quote(words) or type(cause).__name__, subject)


class _Said(logging.Handler):
    """What the client only logs, above all why a credential plugin gave nothing. It must not go to stderr."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.words = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the last word."""
        self.words = quote(record.getMessage())

    @contextlib.contextmanager
    def listening(self) -> collections.abc.Iterator[None]:
        """Take what is logged meanwhile."""
        root = logging.getLogger()
        root.addHandler(self)
        try:
            yield
        finally:
            root.removeHandler(self)


def _source(params: t.Mapping[str, t.Any]) -> str:
    """Where the client is told of the cluster, for a person. Content is never shown."""
    given = params.get("kubeconfig") or os.environ.get("K8S_AUTH_KUBECONFIG") or os.environ.get("KUBECONFIG")
    if not given:
        return "kubeconfig ~/.kube/config"
    return f"kubeconfig {given}" if isinstance(given, str) and "\n" not in given else "kubeconfig from variables"


def _server(params: t.Mapping[str, t.Any]) -> str:
    """The API server's URL, as far as it is known when connecting has failed."""
    host = params.get("host") or os.environ.get("K8S_AUTH_HOST") or Configuration.get_default_copy().host
    return "" if host == Configuration().host else str(host)


def _garbled(error: Exception, subject: str) -> Undecided:
    """What an error means that the client did not expect when it talked to the API server."""
    if isinstance(error, ValueError) and "header value" in str(error):
        # http.client quotes the header: it must not be told
        return Undecided(
            "BadKubeconfig", "a credential holds a line break or something else that no header can", subject
        )
    return Undecided("ApiError", f"it does not answer as an API server does ({type(error).__name__})", subject)


def _unusable(error: Exception, params: t.Mapping[str, t.Any]) -> Undecided:
    """What an error means that the client gives without a kind of its own.

    A message may quote the file, so only what surely holds nothing of it is told.
    """
    source, server = _source(params), _server(params)
    if source.startswith("kubeconfig from") and not isinstance(params.get("kubeconfig"), dict):
        return Undecided(
            "BadKubeconfig", "it is text; give a path or a mapping (the filter from_yaml makes one)", source
        )
    if isinstance(error, OSError):
        return Undecided("BadKubeconfig", f"{error.strerror or type(error).__name__}: {error.filename}", source)
    if isinstance(error, (CoreException, ConfigException)):
        path = params.get("kubeconfig")
        missing = isinstance(path, str) and not os.path.exists(os.path.expanduser(path))
        words = quote(error).removeprefix("Could not create API client: ")
        return Undecided("BadKubeconfig", "there is no such file" if missing else words, source)
    if server.startswith(("http://", "https://")):
        return _garbled(error, f"API server {server}")
    if server:
        return Undecided("BadKubeconfig", f"the server {quote(server)} is no URL", source)
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}" if mark else type(error).__name__
    return Undecided("BadKubeconfig", f"it cannot be read as a kubeconfig ({where})", source)


def title(stored: dict[str, t.Any]) -> str:
    """An object for people: kind, namespace and name."""
    metadata = stored["metadata"]
    return f"{str(stored['kind']).lower()} {metadata['namespace']}/{metadata['name']}"


class Cluster:
    """One cluster, connected.

    :param module: its parameters hold the authentication options of kubernetes.core.
    :raises Undecided: BadKubeconfig, ApiUnreachable, TlsUntrusted, Unauthorized, ApiError.
    """

    def __init__(self, module: t.Any, namespace: str, timeout: float) -> None:
        self.namespace = namespace
        self.server = ""
        #: until when (monotonic) requests may take their time
        self.until = time.monotonic() + timeout
        self._said = _Said()
        seconds = min(_CONNECT_SECONDS, timeout)
        try:
            with self._said.listening(), _alarm(seconds):
                self._client = get_api_client(module=module).client
        except _Expired:
            server = _server(module.params)
            # a credential plugin runs before the address is known
            subject = f"API server {server}" if server else _source(module.params)
            raise Undecided("ApiUnreachable", f"no answer within {seconds:g} s", subject) from None
        except DynamicApiError as error:
            raise self._refusal(error.status, _message(error.body), f"API server {_server(module.params)}") from None
        except urllib3.exceptions.HTTPError as error:
            raise _transport(error, f"API server {_server(module.params)}") from None
        except Exception as error:  # noqa: BLE001
            raise _unusable(error, module.params) from None
        self.server = str(self._client.configuration.host)
        # the client repeats a request three times, each with the full timeout: a silent address would take minutes
        pools = self._client.client.rest_client.pool_manager
        pools.connection_pool_kw["retries"] = urllib3.Retry(total=3, connect=1, read=0, redirect=0)
        pools.clear()

    # ------------------------------------------------------------------ requests

    def _path(self, kind: str, name: str = "") -> str:
        group = "apis/batch/v1" if kind == "jobs" else "api/v1"
        if kind == "nodes":
            return f"/{group}/{kind}/{name}".rstrip("/")
        return f"/{group}/namespaces/{self.namespace}/{kind}/{name}".rstrip("/")

    def _request(
        self,
        method: str,
        path: str,
        subject: str,
        body: dict[str, t.Any] | None = None,
        query: t.Sequence[tuple[str, str]] = (),
        read_seconds: float = _REQUEST_SECONDS[1],
        content_type: str = "application/json",
    ) -> t.Any:
        most = max(_LAST_SECONDS, self.until - time.monotonic())
        timeout = (min(_REQUEST_SECONDS[0], most), min(read_seconds, most))
        try:
            return self._client.request(
                method,
                path,
                body=body,
                query_params=list(query),
                content_type=content_type,
                serialize=False,
                _request_timeout=timeout,
            )
        except DynamicApiError as error:
            raise self._refusal(error.status, _message(error.body), subject) from None
        except urllib3.exceptions.HTTPError as error:
            raise _transport(error, f"API server {self.server}") from None
        except ValueError as error:
            raise _garbled(error, f"API server {self.server}") from None

    def _refusal(self, status: t.Any, message: str, subject: str) -> Undecided:
        problem = refusal(int(status or 0), message, subject)
        if problem.reason != "Unauthorized":
            return problem
        said = f"; the client said: {self._said.words}" if self._said.words else ""
        return Undecided(
            problem.reason, f"{problem.detail}{said}", f"API server {self.server}" if self.server else subject
        )

    def _json(self, *args: t.Any, **kwargs: t.Any) -> dict[str, t.Any]:
        response = self._request(*args, **kwargs)
        try:
            answer = json.loads(response.data)
        except urllib3.exceptions.HTTPError as error:
            raise _transport(error, f"API server {self.server}") from None
        except (ValueError, RecursionError) as error:
            raise _garbled(error, f"API server {self.server}") from None
        return t.cast("dict[str, t.Any]", answer)

    def nodes(self) -> list[dict[str, t.Any]]:
        """All nodes, as the API server returns them."""
        # resourceVersion 0: from the API server's cache, which is cheap in large clusters
        answer = self._json("get", self._path("nodes"), "nodes", query=[("resourceVersion", "0")])
        return list(answer.get("items") or [])

    def create(self, manifest: dict[str, t.Any], dry_run: bool = False) -> dict[str, t.Any]:
        """Create one object in the run's namespace; returns it as stored."""
        kind = str(manifest["kind"])
        return self._json(
            "post",
            self._path(f"{kind.lower()}s"),
            title(manifest),
            body=manifest,
            query=[("dryRun", "All")] if dry_run else [],
        )

    def patch(self, pod: str, subresource: str, patch: dict[str, t.Any]) -> dict[str, t.Any]:
        """Change a subresource of a pod that this run created (strategic merge); returns the pod as stored."""
        subject = f"pod {self.namespace}/{pod}"
        try:
            return self._json(
                "patch",
                f"{self._path('pods', pod)}/{subresource}",
                subject,
                body=patch,
                content_type="application/strategic-merge-patch+json",
            )
        except Undecided as problem:
            if problem.reason == "PodGone" and "could not find the requested resource" in problem.detail:
                raise Undecided("FeatureGateOff", f"the API server has no pods/{subresource}", subject) from None
            raise

    def delete(self, stored: dict[str, t.Any]) -> None:
        """Delete an object that this run created; one that is gone already is fine."""
        kind, metadata = str(stored["kind"]).lower(), stored["metadata"]
        try:
            self._request(
                "delete",
                self._path(f"{kind}s", metadata["name"]),
                title(stored),
                # the uid: never another object that has the name by now
                body={"propagationPolicy": "Background", "preconditions": {"uid": metadata["uid"]}},
            )
        except Undecided as problem:
            if problem.reason not in ("PodGone", "NamespaceMissing"):
                raise

    def left(self, run: str) -> list[dict[str, t.Any]]:
        """What still carries the run's label, as stored."""
        found = []
        for kind in ("Pod", "ConfigMap", "Job"):
            answer = self._json(
                "get",
                self._path(f"{kind.lower()}s"),
                f"{kind.lower()}s of namespace {self.namespace}",
                query=[("labelSelector", f"{_pod.RUN_LABEL}={run}")],
            )
            # a list does not repeat the kind
            found += [{**item, "kind": kind} for item in answer.get("items") or ()]
        return found

    def pod(self, name: str) -> dict[str, t.Any]:
        """One pod as it is now."""
        return self._json("get", self._path("pods", name), f"pod {self.namespace}/{name}")

    def events(self, pod: dict[str, t.Any]) -> list[dict[str, t.Any]]:
        """The events about a pod; none if they may not be read."""
        try:
            answer = self._json(
                "get",
                self._path("events"),
                f"events of namespace {self.namespace}",
                query=[("fieldSelector", f"involvedObject.uid={pod['metadata']['uid']}")],
            )
        except Undecided:
            return []
        return list(answer.get("items") or [])

    def log(self, pod: str, container: str) -> bytes:
        """What a container wrote, at most one step's output and a byte."""
        subject = f"container {container} of pod {self.namespace}/{pod}"
        try:
            response = self._request(
                "get",
                f"{self._path('pods', pod)}/log",
                subject,
                query=[("container", container), ("limitBytes", str(OUTPUT_BYTES + 1))],
            )
            return bytes(response.data)
        except Undecided as problem:
            if problem.reason in ("Forbidden", "ApiError", "Invalid"):
                raise Undecided("LogsUnavailable", problem.detail, subject) from None
            raise

    # --------------------------------------------------------------------- watch

    def watch_pods(self, run: str, until: float) -> collections.abc.Iterator[tuple[str, dict[str, t.Any]]]:
        """Follow the pods of a run: (name, pod), and (name, {}) when one is gone.

        A broken watch is taken up again until the monotonic time C(until).

        :raises Undecided: Forbidden, Unauthorized: trying again would not help.
        """
        known: set[str] = set()
        version, pause = "", 0.1
        while time.monotonic() < until:
            try:
                if not version:
                    version = yield from self._listed(run, known)
                for event in self._events(run, version, until):
                    item = event.get("object") or {}
                    if event.get("type") == "ERROR":
                        version = ""  # 410 Gone: list again
                        break
                    version = item["metadata"]["resourceVersion"]
                    if event.get("type") == "BOOKMARK":
                        continue
                    name = item["metadata"]["name"]
                    known.add(name)
                    pause = 0.1
                    yield name, ({} if event.get("type") == "DELETED" else item)
            except Undecided as problem:
                if problem.reason not in PASSING:
                    raise
                version = ""
            except (urllib3.exceptions.HTTPError, ValueError, KeyError, RecursionError):
                version = ""
            # an API server that restarts, or one that ends watches at once, is not hammered
            time.sleep(min(pause, max(0.0, until - time.monotonic())))
            pause = min(pause * 2, 2.0)

    def _listed(self, run: str, known: set[str]) -> collections.abc.Generator[tuple[str, dict[str, t.Any]], None, str]:
        answer = self._json(
            "get",
            self._path("pods"),
            f"pods of namespace {self.namespace}",
            query=[("labelSelector", f"{_pod.RUN_LABEL}={run}")],
        )
        items = {item["metadata"]["name"]: item for item in answer.get("items") or ()}
        for name in known - items.keys():
            yield name, {}
        known.clear()
        known.update(items)
        yield from items.items()
        return str(answer["metadata"]["resourceVersion"])

    def _events(self, run: str, version: str, until: float) -> collections.abc.Iterator[dict[str, t.Any]]:
        seconds = max(1, int(until - time.monotonic()) + 1)
        response = self._request(
            "get",
            self._path("pods"),
            f"pods of namespace {self.namespace}",
            query=[
                ("watch", "true"),
                ("labelSelector", f"{_pod.RUN_LABEL}={run}"),
                ("resourceVersion", version),
                ("allowWatchBookmarks", "true"),
                ("timeoutSeconds", str(seconds)),
            ],
            read_seconds=seconds + 5,
        )
        rest = b""
        try:
            for chunk in response.stream(None, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield json.loads(line)
        finally:
            response.close()

    # ---------------------------------------------------------------------- exec

    def exec(self, pod: str, container: str, command: t.Sequence[str], timeout: float) -> Session:
        """Run a command in a container over one WebSocket, with stdin open (kata-containers#13640).

        :raises Undecided: ExecForbidden, ExecTransport, PodGone, ApiUnreachable, Unauthorized.
        """
        configuration = self._client.configuration
        query = [("container", container), ("stdin", "true"), ("stdout", "true"), ("stderr", "true")]
        query += [("command", word) for word in command]
        path = f"{self._path('pods', pod)}/exec?{urllib.parse.urlencode(query)}"
        subject = f"container {container} of pod {self.namespace}/{pod}"
        socket = websocket.WebSocket(sslopt=_ssl_options(configuration), skip_utf8_validation=True)
        try:
            socket.connect(
                re.sub("^http", "ws", configuration.host, count=1) + path,
                header=[f"{name}: {value}" for name, value in self._headers()],
                subprotocols=["v5.channel.k8s.io", "v4.channel.k8s.io"],
                timeout=timeout,
                **_proxy_options(configuration),
            )
        except websocket.WebSocketBadStatusException as error:
            message = _message(error.resp_body or b"")
            problem = self._refusal(error.status_code, message, subject)
            if error.status_code == 403 or _by_policy(message):
                # of a missing verb on an upgrade the API server says no more than "forbidden"
                raise Undecided("ExecForbidden", problem.detail, subject) from None
            if error.status_code in (401, 404):
                raise problem from None
            raise Undecided("ExecTransport", problem.detail, subject) from None
        except (websocket.WebSocketException, OSError) as error:
            raise Undecided("ExecTransport", f"no WebSocket: {quote(error) or type(error).__name__}", subject) from None
        return Session(socket, subject)

    def _headers(self) -> list[tuple[str, str]]:
        """Credentials and impersonation, as the client would send them."""
        # several Impersonate-Group entries have equal names: keep a list
        headers = [(str(name), str(value)) for name, value in self._client.client.default_headers.items()]
        for setting in self._client.configuration.auth_settings().values():
            if setting.get("in") == "header" and setting.get("value"):
                headers.append((setting["key"], setting["value"]))
        return headers


def _ssl_options(configuration: t.Any) -> dict[str, t.Any]:
    options: dict[str, t.Any] = {"cert_reqs": ssl.CERT_REQUIRED if configuration.verify_ssl else ssl.CERT_NONE}
    if not configuration.verify_ssl:
        options["check_hostname"] = False
    if configuration.ssl_ca_cert:
        options["ca_certs"] = configuration.ssl_ca_cert
    if configuration.cert_file:
        options["certfile"] = configuration.cert_file
    if configuration.key_file:
        options["keyfile"] = configuration.key_file
    if getattr(configuration, "tls_server_name", None):
        options["server_hostname"] = configuration.tls_server_name
    return options


def _proxy_options(configuration: t.Any) -> dict[str, t.Any]:
    if not configuration.proxy:
        return {}
    proxy = urllib.parse.urlparse(configuration.proxy)
    options: dict[str, t.Any] = {
        "http_proxy_host": proxy.hostname,
        "http_proxy_port": proxy.port,
        "proxy_type": proxy.scheme or "http",
    }
    if proxy.username:
        options["http_proxy_auth"] = (proxy.username, proxy.password or "")
    if getattr(configuration, "no_proxy", None):
        options["http_no_proxy"] = configuration.no_proxy.split(",")
    return options


#: Reasons that may be gone a moment later: an API server that restarts or is overloaded.
PASSING: t.Final[frozenset[str]] = frozenset({"ApiUnreachable", "ApiError"})


class Session:
    """One command that runs in a container: lines in, bytes out, each exchange with a deadline of its own."""

    _STDIN, _STDOUT, _STDERR, _STATUS, _CLOSE = 0, 1, 2, 3, 255

    def __init__(self, socket: t.Any, subject: str) -> None:
        self._socket = socket
        self._subject = subject
        self._out = b""
        self._err = b""

    def send(self, line: str, timeout: float) -> None:
        """Send one line.

        :raises Undecided: ExecTransport.
        """
        with self._broken(timeout):
            self._socket.settimeout(timeout)
            self._socket.send_binary(bytes([self._STDIN]) + line.encode("ascii"))

    def take(self, complete: t.Callable[[bytes], int | None], timeout: float) -> bytes:
        """Take the output up to where C(complete) says that the answer ends.

        :param complete: given the bytes so far, the index after the answer, or nothing.
        :raises Undecided: Timeout, BadOutput, ExecTransport, ProbeArch, ProbeNoExec.
        """
        end = self._wait(complete, timeout)
        answer, self._out = self._out[:end], self._out[end:]
        return answer

    def see(self, seen: t.Callable[[bytes], int | None], timeout: float) -> None:
        """Wait until the output holds what C(seen) looks for, and leave it there."""
        self._wait(seen, timeout)

    def ends(self, timeout: float) -> bool:
        """Wait for the end of the connection; whether it came in time."""
        try:
            self._wait(lambda data: None, timeout)
        except Undecided as problem:
            return problem.reason != "Timeout"
        return False

    def _wait(self, found: t.Callable[[bytes], int | None], timeout: float) -> int:
        until = time.monotonic() + timeout
        with self._broken(timeout):
            while True:
                end = found(self._out)
                if end is not None:
                    return end
                if len(self._out) > OUTPUT_BYTES:
                    raise Undecided("BadOutput", f"more than {OUTPUT_BYTES} bytes without a sentinel", self._subject)
                self._receive(until)

    @contextlib.contextmanager
    def _broken(self, timeout: float) -> collections.abc.Iterator[None]:
        try:
            yield
        except websocket.WebSocketTimeoutException:
            raise Undecided("Timeout", f"no answer of the probe within {timeout:g} s", self._subject) from None
        except (websocket.WebSocketException, OSError) as error:
            raise Undecided("ExecTransport", f"the connection broke: {quote(error)}", self._subject) from None

    def _receive(self, until: float) -> None:
        remaining = until - time.monotonic()
        if remaining <= 0:
            raise websocket.WebSocketTimeoutException
        self._socket.settimeout(remaining)
        opcode, frame = self._socket.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise Undecided("ExecTransport", "the connection was closed before the answer was complete", self._subject)
        if not frame:
            return
        channel, data = frame[0], bytes(frame[1:])
        if channel == self._STDOUT:
            self._out += data
        elif channel == self._STDERR:
            self._err = (self._err + data)[:OUTPUT_BYTES]
        elif channel == self._STATUS:
            raise ended(data, self._err, self._subject)

    def close(self) -> None:
        """End the command: it sees the end of its input and removes what it made."""
        with contextlib.suppress(websocket.WebSocketException, OSError):
            self._socket.settimeout(2)
            if self._socket.subprotocol == "v5.channel.k8s.io":
                self._socket.send_binary(bytes([self._CLOSE, self._STDIN]))
            self._socket.close(timeout=0)

    def shutdown(self) -> None:
        """Drop the connection, so that a thread that waits in it wakes up."""
        with contextlib.suppress(websocket.WebSocketException, OSError):
            self._socket.abort()


def ended(status: bytes, stderr: bytes, subject: str) -> Undecided:
    """Why a command ended before its answer: the Status object of the error channel, and what it wrote to stderr."""
    message = _message(status) if status else ""
    words = f"{message} {stderr.decode('utf-8', 'replace')}"
    return _status.start_failure(words, subject) or Undecided(
        "ExecTransport", f"the probe ended before its answer was complete: {quote(words) or 'no status'}", subject
    )


class PodWatch:
    """The pods of one run as the one watch shows them, for several waiting threads."""

    def __init__(self, cluster: Cluster, run: str, until: float) -> None:
        self._pods: dict[str, dict[str, t.Any]] = {}
        self._changed = threading.Condition()
        self._source = cluster.watch_pods(run, until)
        self._stopped = False
        self._closed = False
        self._problem: Undecided | None = None

    def start(self) -> None:
        """Begin to follow."""
        threading.Thread(target=self._follow, name="watch", daemon=True).start()

    def _follow(self) -> None:
        try:
            for name, pod in self._source:
                with self._changed:
                    self._pods[name] = pod
                    self._changed.notify_all()
                if self._closed:
                    return
        except Undecided as problem:
            with self._changed:
                self._problem = problem
                self._changed.notify_all()

    def stop(self) -> None:
        """Wake all who wait for a pod to get on: nothing more will be asked."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody waits any more: the watch ends with its next event, at the latest with its time."""
        self._closed = True

    def wait(
        self, name: str, test: t.Callable[[dict[str, t.Any]], bool], until: float, stoppable: bool = True
    ) -> dict[str, t.Any] | None:
        """The pod as soon as the test holds ({} stands for one that is gone), or nothing when time is up.

        Whatever the test raises leaves from here, and what keeps the pods from being followed.
        """
        with self._changed:
            while True:
                pod = self._pods.get(name)
                if pod is not None and test(pod):
                    return pod
                if self._problem:
                    raise self._problem
                remaining = until - time.monotonic()
                if remaining <= 0 or (stoppable and self._stopped):
                    return None
                self._changed.wait(remaining)

    def latest(self, name: str) -> dict[str, t.Any]:
        """What was last seen of a pod."""
        with self._changed:
            return self._pods.get(name) or {}
