# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Commands in containers: a WebSocket to the exec subresource, and the session that runs over it.

kubernetes.stream is not used: it drops impersonation headers, some of which have equal names, and it connects without
a timeout. So an exec would run as somebody else, or hang.
"""

from __future__ import annotations

import base64
import collections.abc
import contextlib
import importlib.util
import math
import re
import ssl
import time
import typing as t
import urllib.parse

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.errors import Explain, failed_command
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason, quote

with contextlib.suppress(ImportError):
    import websocket  # it comes with the Kubernetes client; without that client nothing in here is called

    try:
        from kubernetes.client.rest import should_bypass_proxies as _bypasses
    except ImportError:
        # what older clients use
        from requests.utils import should_bypass_proxies as _bypasses

    class _Socket(websocket.WebSocket):
        """A WebSocket whose timeout bounds what follows as a whole: a frame can drip, and pings can come for ever."""

        _until: float = math.inf

        def settimeout(self, timeout: float) -> None:
            self._until = time.monotonic() + timeout
            super().settimeout(timeout)

        def _recv(self, bufsize: int) -> bytes:
            remaining = self._until - time.monotonic()
            if remaining <= 0:
                raise websocket.WebSocketTimeoutException("timed out")
            if remaining < math.inf:
                super().settimeout(remaining)
            return bytes(super()._recv(bufsize))


__all__ = ("OUTPUT_BYTES", "Session", "open_websocket")

#: How much is kept of one step's output.
OUTPUT_BYTES: t.Final = 65536

#: How long (seconds) the end of a command's input may take to send.
_CLOSE_SECONDS: t.Final = 2

#: The version that can end the input of a command, and the one before it.
_V5: t.Final = "v5.channel.k8s.io"
_V4: t.Final = "v4.channel.k8s.io"


def open_websocket(configuration: t.Any, path: str, headers: t.Sequence[tuple[str, str]], timeout: float) -> t.Any:
    """Open a WebSocket to a path of the API server.

    :param configuration: the Configuration of the Kubernetes client: address, TLS and proxy.
    :param headers: credentials and impersonation; names may repeat.
    :param timeout: for each read of the handshake, in seconds.
    :raises Inconclusive: ProxyUnusable.
    :raises websocket.WebSocketBadStatusException: an HTTP answer came instead; see :func:`errors.failed_exec`.
    :raises websocket.WebSocketException, OSError: no answer came; see :func:`errors.failed_upgrade`.
    """
    socket = _Socket(sslopt=_ssl_options(configuration), skip_utf8_validation=True)
    socket.connect(
        re.sub("^http", "ws", configuration.host, count=1) + path,
        header=[f"{name}: {value}" for name, value in headers],
        subprotocols=[_V5, _V4],
        timeout=timeout,
        # the credentials are for this server alone, and go along with every redirection
        redirect_limit=0,
        **_proxy_options(configuration),
    )
    status = getattr(socket.handshake_response, "status", 101)
    if status != 101:
        # older versions take a redirection that they do not follow for a connection
        socket.abort()
        raise websocket.WebSocketException(f"the answer is {status}, which leads to another address")
    return socket


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


#: What websocket-client takes for "never a proxy", and for "none of your own exceptions": with nothing it would read the
#: environment, by other rules than those of the client (kubernetes-client/python#2321).
_NO_PROXY: t.Final[dict[str, t.Any]] = {
    # without a host it would not read the exceptions
    "http_proxy_host": "none.invalid",
    "http_proxy_port": 9,
    "proxy_type": "http",
    "http_no_proxy": ["*"],
}
_NO_EXCEPTION: t.Final = ["none.invalid"]

#: Schemes of proxies that websocket-client knows, and the port where the URL has none.
_SCHEMES: t.Final = {"http": 80, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}


def _proxy_options(configuration: t.Any) -> dict[str, t.Any]:
    """The way that the other requests take: the client's own function says whether the proxy is used for the server.

    :raises Inconclusive: ProxyUnusable, the WebSocket cannot take it.
    """
    if not configuration.proxy or _bypasses(configuration.host, getattr(configuration, "no_proxy", None) or ""):
        return dict(_NO_PROXY)
    proxy = urllib.parse.urlparse(configuration.proxy)
    scheme = proxy.scheme or "http"
    if scheme not in _SCHEMES:
        raise Inconclusive(
            Reason.PROXY_UNUSABLE, f"a WebSocket cannot go through a proxy of the scheme {quote(scheme)}; http is known"
        )
    if scheme != "http" and not importlib.util.find_spec("python_socks"):
        raise Inconclusive(
            Reason.PROXY_UNUSABLE,
            f"a WebSocket needs the Python package python-socks for a proxy of the scheme {scheme}",
        )
    options: dict[str, t.Any] = {
        "http_proxy_host": proxy.hostname,
        "http_proxy_port": proxy.port or _SCHEMES[scheme],
        "proxy_type": scheme,
        "http_no_proxy": _NO_EXCEPTION,
    }
    header = str((getattr(configuration, "proxy_headers", None) or {}).get("proxy-authorization", ""))
    if proxy.username:
        options["http_proxy_auth"] = (
            urllib.parse.unquote(proxy.username),
            urllib.parse.unquote(proxy.password or ""),
        )
    elif header.startswith("Basic "):
        user, _colon, password = (
            base64.b64decode(header.removeprefix("Basic ")).decode("utf-8", "replace").partition(":")
        )
        options["http_proxy_auth"] = (user, password)
    return options


class Session:
    """One command that runs in a container: lines in, bytes out, a deadline for each exchange.

    :param socket: from :func:`open_websocket`.
    :param subject: the container, for messages.
    :param explain: knows what the words of a command that did not start mean.
    """

    #: How many bytes of output are kept for who reads them.
    LIMIT: t.ClassVar[int] = OUTPUT_BYTES

    # the channels of v4 and v5, by the first byte of a message
    _STDIN, _STDOUT, _STDERR, _STATUS, _CLOSE = 0, 1, 2, 3, 255

    def __init__(self, socket: t.Any, subject: str, explain: Explain) -> None:
        self._socket = socket
        self._subject = subject
        self._explain = explain
        self._out = b""
        self._err = b""

    def send(self, line: str, timeout: float) -> None:
        """Send one line.

        :raises Inconclusive: Timeout, ExecTransport.
        """
        with self._translated(timeout):
            self._socket.settimeout(timeout)
            self._socket.send_binary(bytes([self._STDIN]) + line.encode("ascii"))

    def read_answer(self, complete: t.Callable[[bytes], int | None], timeout: float) -> bytes:
        """Take an answer out of the output; what follows it stays for the next call.

        :param complete: called with all output so far; returns the index after the answer, or None if it is not complete.
        :raises Inconclusive: Timeout, BadOutput, ExecTransport, and what C(explain) returns.
        """
        end = self._receive_until(complete, timeout)
        answer, self._out = self._out[:end], self._out[end:]
        return answer

    def wait_for(self, seen: t.Callable[[bytes], int | None], timeout: float) -> None:
        """Wait until the output contains something, and leave it there.

        :param seen: called with all output so far; returns any index, or None as long as it is not there.
        :raises Inconclusive: as :meth:`read_answer`.
        """
        self._receive_until(seen, timeout)

    def wait_closed(self, timeout: float) -> bool:
        """Wait until the command or its connection ends; False if neither does in time."""
        try:
            self._receive_until(lambda output: None, timeout)
        except Inconclusive as problem:
            return problem.reason != Reason.TIMEOUT
        return False

    def close(self) -> None:
        """End the command: it reads the end of its input and removes what it created."""
        with contextlib.suppress(websocket.WebSocketException, OSError):
            self._socket.settimeout(_CLOSE_SECONDS)
            if self._socket.subprotocol == _V5:
                self._socket.send_binary(bytes([self._CLOSE, self._STDIN]))
            self._socket.close(timeout=0)

    def abort(self) -> None:
        """Drop the connection, so that a thread that waits in it wakes up."""
        with contextlib.suppress(websocket.WebSocketException, OSError):
            self._socket.abort()

    def _receive_until(self, found: t.Callable[[bytes], int | None], timeout: float) -> int:
        until = time.monotonic() + timeout
        with self._translated(timeout):
            while True:
                end = found(self._out)
                if end is not None:
                    return end
                if len(self._out) > self.LIMIT:
                    raise Inconclusive(
                        Reason.BAD_OUTPUT,
                        f"the probe wrote more than {self.LIMIT} bytes without the end of an answer",
                        self._subject,
                    )
                self._receive(until)

    @contextlib.contextmanager
    def _translated(self, timeout: float) -> collections.abc.Iterator[None]:
        """Let errors of the WebSocket leave as Inconclusive."""
        try:
            yield
        except (websocket.WebSocketTimeoutException, TimeoutError):
            raise Inconclusive(
                Reason.TIMEOUT, f"no answer of the probe within {round(timeout, 1):g} s", self._subject
            ) from None
        except (websocket.WebSocketException, OSError) as error:
            raise Inconclusive(Reason.EXEC_TRANSPORT, f"the connection broke: {quote(error)}", self._subject) from None

    def _receive(self, until: float) -> None:
        remaining = until - time.monotonic()
        if remaining <= 0:
            raise websocket.WebSocketTimeoutException
        self._socket.settimeout(remaining)
        opcode, frame = self._socket.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise Inconclusive(
                Reason.EXEC_TRANSPORT, "the connection was closed before the answer was complete", self._subject
            )
        if not frame:
            return
        channel, data = frame[0], bytes(frame[1:])
        if channel == self._STDOUT:
            self._out += data
        elif channel == self._STDERR:
            self._err = (self._err + data)[:OUTPUT_BYTES]
        elif channel == self._STATUS:
            raise failed_command(data, self._err, self._subject, self._explain)
