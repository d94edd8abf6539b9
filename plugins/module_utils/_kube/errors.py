# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What an error on the way to Kubernetes means: every failure becomes an :class:`Inconclusive` with one line.

Nothing here talks to a cluster. No message contains the content of a kubeconfig, a header or a credential.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason, quote

with contextlib.suppress(ImportError):
    import urllib3  # it comes with the Kubernetes client; without that client nothing in here is called

__all__ = (
    "Explain",
    "GoneError",
    "WeatherError",
    "describe",
    "describe_container",
    "describe_pod",
    "failed_answer",
    "failed_client",
    "failed_command",
    "failed_connection",
    "failed_exec",
    "failed_request",
    "failed_upgrade",
    "is_weather",
    "retry_after",
    "status_message",
    "warnings_of",
)

#: The words of a command that ended early, and its subject -> the known cause, or None.
Explain: t.TypeAlias = t.Callable[[str, str], Inconclusive | None]

#: Words in the message of a 403 -> reason; the first match counts.
_FORBIDDEN: t.Final = (
    ("exceeded quota", Reason.QUOTA_EXCEEDED),
    ("failed quota", Reason.QUOTA_EXCEEDED),
    ("status unknown for quota", Reason.QUOTA_EXCEEDED),
    # a class that pods may have only where a quota allows it (system-node-critical on GKE)
    ("insufficient quota to match these scopes", Reason.QUOTA_EXCEEDED),
    ("violates PodSecurity", Reason.POD_SECURITY),
    ("security context constraint", Reason.SECURITY_CONSTRAINT),
    ("is being terminated", Reason.NAMESPACE_TERMINATING),
    ("error looking up service account", Reason.NAMESPACE_NOT_READY),
    # a pod whose overhead is not that of its RuntimeClass was changed by admission: the class is there
    ("Overhead", Reason.ADMISSION_DENIED),
    ("RuntimeClass", Reason.RUNTIME_CLASS_MISSING),
    ("no PriorityClass with name", Reason.PRIORITY_CLASS_MISSING),
    ("usage per", Reason.LIMIT_RANGE),
    ("ratio per", Reason.LIMIT_RANGE),
)

#: Words of a 403 about a permission of the account. Policies say of many things that they cannot be.
_NO_PERMISSION: t.Final = re.compile(r'User (?:"[^"]*" )?cannot |cannot set (?:blockOwnerDeletion|an ownerRef)')

#: Words of an admission webhook that gave no answer: it said nothing of the object.
_WEBHOOK: t.Final = "failed calling webhook"

#: The same of a webhook that has no answer to a dry run.
_NO_DRY_RUN: t.Final = "does not support dry run"

#: Words of an API server that has just begun, and does not know yet what its admission goes by: no policy refuses anything.
_NOT_READY: t.Final = (
    "not yet ready to handle request",
    "at this time because there was an error",
    "cache is not synchronized",
    "cache is missing",
)

#: What comes instead of an answer of Kubernetes: a page, and what a server for TLS says to a request without it.
_FOREIGN: t.Final = re.compile(r"\s*<|.*HTTP request to an HTTPS server", re.DOTALL)

#: Words of a proxy that demands a login before it opens a tunnel: of urllib3's, and of websocket-client's error.
_PROXY_LOGIN: t.Final = re.compile(r"(Tunnel connection failed|failed CONNECT via proxy status): 407")

#: Words of an API server that has no way to the kubelet, or that the kubelet refuses, not us.
_KUBELET: t.Final = re.compile(
    r"error dialing backend|:10250|/containerLogs/|No agent available|kube-apiserver-kubelet-client"
    r"|Forbidden \(user=.*resource=nodes"
)

#: Words of a 404 about an object. One without them is about the path.
_NO_OBJECT: t.Final = re.compile(r'"[^"]*" not found')

#: Words of a node or pod that can start no further process.
_NO_PROCESS: t.Final = re.compile(
    r"resource temporarily unavailable|failed to create new OS thread|can(no|')?t fork", re.IGNORECASE
)

#: Words of admission policies and webhooks, whatever the status is.
_ADMISSION: t.Final = ("ValidatingAdmissionPolicy", "admission webhook")


# ------------------------------------------------------------------------ subjects


def describe(stored: t.Mapping[str, t.Any]) -> str:
    """An object in one line: kind, namespace and name."""
    metadata = stored["metadata"]
    return f"{str(stored['kind']).lower()} {metadata['namespace']}/{metadata['name']}"


def describe_pod(namespace: str, name: str) -> str:
    """A pod as the subject of a message."""
    return f"pod {namespace}/{name}"


def describe_container(namespace: str, pod: str, container: str) -> str:
    """A container as the subject of a message."""
    return f"container {container} of {describe_pod(namespace, pod)}"


# ------------------------------------------------------------------ answers over HTTP


class GoneError(Inconclusive):
    """The API server no longer knows the version of a list that the next page should be of."""


def _text(body: object) -> str:
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)


def status_message(body: object) -> str:
    """The message of a Status object, or the whole body if it is none."""
    text = _text(body)
    with contextlib.suppress(ValueError, LookupError, TypeError, RecursionError):
        return str(json.loads(text)["message"])
    # the page of a load balancer or a proxy
    page = re.sub(r"(?is)<(style|script)\b.*?</\1>|<[^>]*>", " ", text).strip() if text.lstrip().startswith("<") else ""
    return page or text


def failed_request(status: int, body: object, subject: str, subresource: str = "") -> Inconclusive:
    """What an answer of the API server other than success means: the one place that reads the words of a Status.

    :param status: the HTTP status code.
    :param body: of the answer: a Status object, or anything.
    :param subresource: the subresource of a pod that the request was for, if API servers exist that lack it.
    """
    message = status_message(body)
    detail = f"the API server answers {status}: {quote(message)}"
    # webhooks first: they can listen on the port of the kubelet, and be reached by its tunnel
    if _WEBHOOK in message or _NO_DRY_RUN in message:
        return Inconclusive(Reason.WEBHOOK_FAILED, detail, subject)
    if any(words in message for words in _ADMISSION):
        return Inconclusive(Reason.ADMISSION_DENIED, detail, subject)
    if _KUBELET.search(message):
        return Inconclusive(Reason.KUBELET_UNREACHABLE, detail, subject)
    if status == 401:
        return Inconclusive(Reason.UNAUTHORIZED, "the credentials are not accepted", subject)
    if status == 407:
        return _proxy_login(subject)
    if 300 <= status < 400:
        words = f"it answers {status}, which leads to another address"
        return Inconclusive(Reason.NOT_KUBERNETES, words, subject)
    if status in (400, 403) and _FOREIGN.match(_text(body)):
        return Inconclusive(Reason.NOT_KUBERNETES, f"it answers {status}: {quote(message)}", subject)
    if status == 403:
        if is_weather(status, message):
            return Inconclusive(Reason.API_ERROR, detail, subject)
        if 'User "system:anonymous"' in message:
            return Inconclusive(Reason.UNAUTHORIZED, "the request carried no credentials", subject)
        other = Reason.FORBIDDEN if _NO_PERMISSION.search(message) else Reason.ADMISSION_DENIED
        reason = next((reason for words, reason in _FORBIDDEN if words in message), other)
        return Inconclusive(reason, detail, subject)
    if status == 404:
        if "namespaces " in message:
            return Inconclusive(Reason.NAMESPACE_MISSING, detail, subject)
        if subresource and "could not find the requested resource" in message:
            return Inconclusive(Reason.FEATURE_GATE_OFF, f"the API server has no pods/{subresource}", subject)
        if not _NO_OBJECT.search(message):
            return Inconclusive(Reason.NOT_KUBERNETES, detail, subject)
        return Inconclusive(Reason.POD_GONE, detail, subject)
    if subresource and "without support for resize" in message:
        return Inconclusive(Reason.FEATURE_GATE_OFF, f"the kubelet does not know it: {quote(message)}", subject)
    if status in (400, 422):
        return Inconclusive(Reason.INVALID, detail, subject)
    if status == 410:
        return GoneError(Reason.API_ERROR, detail, subject)
    return Inconclusive(Reason.API_ERROR, detail, subject)


def _proxy_login(subject: str) -> Inconclusive:
    return Inconclusive(Reason.PROXY_UNUSABLE, "the proxy on the way demands a login (407)", subject)


#: A warning of an API server, as RFC 7234 writes it.
_WARNING: t.Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


def warnings_of(headers: t.Any) -> list[str]:
    """What an API server warns of, each in words."""
    texts = [text for name, text in headers.items() if name.lower() == "warning"]
    found = [re.sub(r"\\(.)", r"\1", words) for text in texts for words in _WARNING.findall(text)]
    return [quote(words) for words in dict.fromkeys(found)]


#: Answers of an API server, or of what lies before it, that is overloaded, restarts or changes its leader.
_WEATHER: t.Final = frozenset({408, 425, 429, 502, 503, 504, *range(520, 600)})

#: Those that say that the API server itself is not there, or has only just begun.
_AWAY: t.Final = frozenset({401, 403, 407, *_WEATHER}) - {408, 425, 429}

#: Words of an answer that another try can change, by status. A 500 or 409 without them is an answer.
_WEATHER_WORDS: t.Final[dict[int, tuple[str, ...]]] = {
    403: _NOT_READY,
    409: ("the object has been modified", "already exists"),
    500: (
        "etcdserver",
        "leader changed",
        "rpc error: code = Unavailable",
        "database is locked",
        "context deadline exceeded",
        "request timed out",
        "evaluation timed out",
        "could not be completed at this time",
        "no endpoints available",
        "No agent available",
        "connection refused",
        "connection reset by peer",
        "http2: ",
        "GOAWAY",
        "unexpected EOF",
        _WEBHOOK,
    ),
}


def is_weather(status: int, message: str, headers: t.Mapping[str, str] | None = None) -> bool:
    """Whether another try can have another outcome, with nobody having changed anything in between."""
    says_so = status in _WEATHER or any(words in message for words in _WEATHER_WORDS.get(status, ()))
    return says_so or (status == 500 and retry_after(headers or {}) > 0)


class WeatherError(Exception):
    """A request failed in a way that another try can change.

    :param reason: what it means if it is the last try.
    :param status: of the answer; 0, there was none.
    :param headers: of the answer.
    """

    def __init__(self, reason: Inconclusive, status: int = 0, headers: t.Mapping[str, str] | None = None) -> None:
        super().__init__(reason.detail)
        self._reason = reason
        self.detail = reason.detail
        #: for how long (seconds) the server wants to be left alone
        self.retry_after = retry_after(headers or {})
        #: nobody answers, or nobody but what lies before the API server: a restart takes its time
        self.is_away = not status or status in _AWAY
        #: an object of the name is there
        self.already_exists = "already exists" in reason.detail

    def problem(self, tries: int) -> Inconclusive:
        """What the failure means after so many tries before it."""
        words = self.detail + (f"; tried {tries + 1} times" if tries else "")
        if self.retry_after:
            words += f"; the server wants to be left alone for {self.retry_after:g} s (Retry-After)"
        return Inconclusive(self._reason.reason, words, self._reason.subject)


def retry_after(headers: t.Mapping[str, str]) -> float:
    """Retry-After in seconds; its other form, a date, is not used by API servers."""
    # websocket-client keeps the names in small letters
    text = str(headers.get("Retry-After") or headers.get("retry-after") or "")
    return float(text) if re.fullmatch(r"\d{1,9}", text) else 0.0


def failed_answer(error: Exception, subject: str) -> Inconclusive:
    """What an error means that the client raises over an exchange with the API server without a class for it."""
    if isinstance(error, ValueError) and "header value" in str(error):
        # http.client quotes the header, which is a secret
        return Inconclusive(
            Reason.BAD_KUBECONFIG,
            "a credential contains a line break or another character that an HTTP header cannot carry",
            subject,
        )
    return Inconclusive(
        Reason.NOT_KUBERNETES, f"the answer is not that of a Kubernetes API server ({type(error).__name__})", subject
    )


# ------------------------------------------------------------------------ below HTTP


def failed_connection(error: BaseException, subject: str) -> Inconclusive:
    """What an error below HTTP means: TLS, name resolution, TCP, timeouts."""
    cause: object = getattr(error, "reason", None) or error
    if isinstance(cause, (urllib3.exceptions.SSLError, ssl.SSLError)):
        return _failed_tls(str(cause), subject)
    if "too many redirects" in str(cause):
        # none is followed with credentials
        words = "it redirects requests to another address, as a login page does, or HTTP where HTTPS is wanted"
        return Inconclusive(Reason.NOT_KUBERNETES, words, subject)
    if _PROXY_LOGIN.search(str(cause)):
        return _proxy_login(subject)
    words = re.sub(r"<[^>]*>:?|HTTPS?Connection\([^)]*\):?", "", str(cause)).strip()
    return Inconclusive(Reason.API_UNREACHABLE, quote(words) or type(cause).__name__, subject)


def _failed_tls(words: str, subject: str) -> Inconclusive:
    if re.search(r"\[(X509|PEM|ASN1)|PEM lib", words):
        return Inconclusive(
            Reason.BAD_KUBECONFIG, f"the client cannot read the given certificates or keys: {quote(words)}", subject
        )
    if "CERTIFICATE_VERIFY_FAILED" in words or "doesn't match" in words:
        found = re.search(r"certificate verify failed: ([^(]+)", words)
        return Inconclusive(
            Reason.TLS_UNTRUSTED,
            f"the API server's certificate is not trusted: {quote(found[1] if found else words)}",
            subject,
        )
    if re.search("alert (certificate|bad certificate|unsupported certificate|unknown ca)", words):
        return Inconclusive(Reason.UNAUTHORIZED, f"the client certificate is not accepted: {quote(words)}", subject)
    return Inconclusive(Reason.API_UNREACHABLE, f"TLS fails: {quote(words)}", subject)


# ------------------------------------------------------------------------ the client


def failed_client(error: Exception, origin: str, subject: str, quotable: bool) -> Inconclusive:
    """What an error means that the client raises while it connects without saying which part of the input is wrong.

    :param origin: where server and credentials come from, in words.
    :param subject: the API server.
    :param quotable: whether the error's message is known to contain nothing of the kubeconfig's content.
    """
    if isinstance(error, OSError):
        return Inconclusive(
            Reason.BAD_KUBECONFIG, f"{error.strerror or type(error).__name__}: {error.filename}", origin
        )
    if quotable:
        words = quote(error).removeprefix("Could not create API client: ")
        return Inconclusive(Reason.BAD_KUBECONFIG, words, origin)
    return failed_answer(error, subject)


# ------------------------------------------------------------------------------ exec


def failed_exec(status: int, problem: Inconclusive, subject: str) -> Inconclusive:
    """What an HTTP answer means that came instead of a WebSocket.

    :param status: the HTTP status code.
    :param problem: what :func:`failed_request` says of the same answer.
    """
    if problem.reason is Reason.KUBELET_UNREACHABLE:
        return Inconclusive(problem.reason, problem.detail, subject)
    if problem.reason in (Reason.ADMISSION_DENIED, Reason.WEBHOOK_FAILED) and any(
        words in problem.detail for words in (*_ADMISSION, _WEBHOOK)
    ):
        reason = Reason.EXEC_DENIED if problem.reason is Reason.ADMISSION_DENIED else problem.reason
        return Inconclusive(reason, problem.detail, subject)
    if status == 403 and problem.reason is not Reason.NOT_KUBERNETES:
        # of a missing verb on an upgrade the API server says no more than "forbidden"
        return Inconclusive(Reason.EXEC_FORBIDDEN, problem.detail, subject)
    if status == 401 or problem.reason in (Reason.POD_GONE, Reason.NAMESPACE_MISSING, Reason.PROXY_UNUSABLE):
        return problem
    return Inconclusive(Reason.EXEC_UPGRADE, problem.detail, subject)


def failed_upgrade(error: Exception, subject: str) -> Inconclusive:
    """What an error means that kept a WebSocket from being opened, without an HTTP answer.

    It is about the WebSocket only if the API server was reached: after name, connection and TLS.
    """
    if isinstance(error, ssl.SSLError):
        return _failed_tls(str(error), subject)
    if isinstance(error, (socket.gaierror, ConnectionRefusedError)) or _PROXY_LOGIN.search(str(error)):
        return failed_connection(error, subject)
    words = "" if isinstance(error, (ValueError, LookupError)) else quote(error)
    return Inconclusive(Reason.EXEC_UPGRADE, f"no WebSocket connection: {words or type(error).__name__}", subject)


def failed_command(status: bytes, stderr: bytes, subject: str, explain: Explain) -> Inconclusive:
    """Why a command ended before its answer.

    :param status: the Status object of the error channel, as JSON.
    :param stderr: what the command wrote there.
    :param explain: knows what the words of a command that did not start mean.
    """
    message = status_message(status) if status else ""
    words = f"{message} {stderr.decode('utf-8', 'replace')}"
    known = explain(words, subject)
    if known:
        return known
    if _KUBELET.search(words):
        return Inconclusive(Reason.KUBELET_UNREACHABLE, f"the API server says of the exec: {quote(words)}", subject)
    if _NO_PROCESS.search(words):
        return Inconclusive(Reason.PIDS_LIMIT, f"no further process can be started: {quote(words)}", subject)
    return Inconclusive(
        Reason.EXEC_TRANSPORT, f"the probe ended before its answer was complete: {quote(words) or 'no status'}", subject
    )
