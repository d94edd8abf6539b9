# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import types
import typing as t

import pytest
import websocket

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import exec as kube_exec
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason

STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
BINARY, CLOSING = websocket.ABNF.OPCODE_BINARY, websocket.ABNF.OPCODE_CLOSE


class FakeSocket:
    """A WebSocket that receives from a script: frames by channel, the end of the connection, or an error."""

    def __init__(self, *script: t.Any, subprotocol: str = "v5.channel.k8s.io") -> None:
        self.script = list(script)
        self.subprotocol = subprotocol
        self.sent: list[bytes] = []
        self.timeouts: list[float] = []
        self.ended: list[str] = []
        self.trouble: BaseException | None = None

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def send_binary(self, data: bytes) -> None:
        if self.trouble:
            raise self.trouble
        self.sent.append(data)

    def recv_data(self) -> tuple[int, bytes]:
        if not self.script:
            raise websocket.WebSocketTimeoutException
        item = self.script.pop(0)
        if isinstance(item, BaseException):
            raise item
        if isinstance(item, int):
            return item, b""
        channel, data = item
        return BINARY, bytes([channel]) + data

    def close(self, timeout: float) -> None:
        self.ended.append("close")
        if self.trouble:
            raise self.trouble

    def abort(self) -> None:
        self.ended.append("abort")
        if self.trouble:
            raise self.trouble


def explained(words: str, subject: str) -> Inconclusive | None:
    return Inconclusive(Reason.PROBE_ARCH, words, subject) if "exec format error" in words else None


def session(fake: FakeSocket) -> kube_exec.Session:
    return kube_exec.Session(fake, "container a of pod n/x", explained)


def line(output: bytes) -> int | None:
    """An answer is a line."""
    return output.find(b"\n") + 1 or None


def failed(fake: FakeSocket) -> Inconclusive:
    with pytest.raises(Inconclusive) as caught:
        session(fake).read_answer(line, 5)
    assert caught.value.subject == "container a of pod n/x"
    return caught.value


def test_answers_are_put_together_from_frames_and_taken_one_by_one() -> None:
    run = session(FakeSocket((STDOUT, b"on"), (STDERR, b"noise"), BINARY, (STDOUT, b"e\ntwo\nth"), (STDOUT, b"ree\n")))
    assert [run.read_answer(line, 5) for unused in range(3)] == [b"one\n", b"two\n", b"three\n"]


def test_what_is_waited_for_stays() -> None:
    run = session(FakeSocket((STDOUT, b"ready\n"), (STDOUT, b"done\n")))
    run.wait_for(line, 5)
    assert run.read_answer(lambda output: len(output) if b"done" in output else None, 5) == b"ready\ndone\n"


def test_a_line_is_sent_to_stdin() -> None:
    fake = FakeSocket()
    session(fake).send("step a=b\n", 5)
    assert fake.sent == [b"\x00step a=b\n"]
    assert fake.timeouts == [5]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (websocket.WebSocketTimeoutException(), Reason.TIMEOUT),
        (websocket.WebSocketConnectionClosedException("gone"), Reason.EXEC_TRANSPORT),
        (BrokenPipeError("gone"), Reason.EXEC_TRANSPORT),
    ],
)
def test_a_line_that_cannot_be_sent(trouble: BaseException, reason: Reason) -> None:
    fake = FakeSocket()
    fake.trouble = trouble
    with pytest.raises(Inconclusive) as caught:
        session(fake).send("step\n", 5)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("item", "reason", "words"),
    [
        (websocket.WebSocketTimeoutException(), Reason.TIMEOUT, "within 5 s"),
        (websocket.WebSocketConnectionClosedException("gone"), Reason.EXEC_TRANSPORT, "the connection broke: gone"),
        (ConnectionResetError(104, "reset"), Reason.EXEC_TRANSPORT, "reset"),
        (CLOSING, Reason.EXEC_TRANSPORT, "was closed before"),
        ((STATUS, b'{"status":"Failure","message":"exit code 137"}'), Reason.EXEC_TRANSPORT, "137"),
        ((STATUS, b'{"status":"Failure","message":"exec format error"}'), Reason.PROBE_ARCH, "exec format error"),
        ((STDOUT, b"x" * (kube_exec.OUTPUT_BYTES + 1)), Reason.BAD_OUTPUT, "65536"),
    ],
)
def test_an_answer_that_does_not_come(item: t.Any, reason: Reason, words: str) -> None:
    problem = failed(FakeSocket((STDOUT, b"half"), item))
    assert problem.reason == reason
    assert words in problem.detail


def test_what_a_command_wrote_to_stderr_explains_its_end() -> None:
    assert failed(FakeSocket((STDERR, b"exec format "), (STDERR, b"error"), (STATUS, b""))).reason == Reason.PROBE_ARCH


def test_a_probe_that_writes_without_end_does_not_fill_the_memory() -> None:
    fake = FakeSocket(*[(STDERR, b"x" * 40000)] * 4, (STDOUT, b"\n"))
    run = session(fake)
    run.read_answer(line, 5)
    assert len(run._err) == kube_exec.OUTPUT_BYTES


def test_time_runs_out_while_frames_still_come() -> None:
    fake = FakeSocket(*[(STDERR, b"noise")] * 3)
    with pytest.raises(Inconclusive) as caught:
        session(fake).read_answer(line, 0)
    assert caught.value.reason == Reason.TIMEOUT
    assert len(fake.script) == 3


@pytest.mark.parametrize(
    ("script", "closed"),
    [([(STDOUT, b"more"), CLOSING], True), ([(STATUS, b"{}")], True), ([ConnectionResetError()], True), ([], False)],
)
def test_whether_a_command_ends_in_time(script: list[t.Any], closed: bool) -> None:
    assert session(FakeSocket(*script)).wait_closed(5) is closed


@pytest.mark.parametrize(("subprotocol", "sent"), [("v5.channel.k8s.io", [b"\xff\x00"]), ("v4.channel.k8s.io", [])])
def test_a_command_is_ended_by_the_end_of_its_input(subprotocol: str, sent: list[bytes]) -> None:
    fake = FakeSocket(subprotocol=subprotocol)
    session(fake).close()
    assert (fake.sent, fake.ended) == (sent, ["close"])


@pytest.mark.parametrize("trouble", [BrokenPipeError(), websocket.WebSocketConnectionClosedException()])
def test_a_connection_that_is_gone_can_be_closed_and_aborted(trouble: BaseException) -> None:
    fake = FakeSocket()
    fake.trouble = trouble
    session(fake).close()
    session(fake).abort()
    assert fake.ended == ["abort"]


# ------------------------------------------------------------------------- the set-up


#: What keeps websocket-client from the environment.
NEVER = {"http_proxy_host": "none.invalid", "http_proxy_port": 9, "proxy_type": "http", "http_no_proxy": ["*"]}


def configuration(**settings: t.Any) -> types.SimpleNamespace:
    """What is read of the client's Configuration."""
    defaults: dict[str, t.Any] = {
        "host": "https://h:6443",
        "verify_ssl": True,
        "ssl_ca_cert": None,
        "cert_file": None,
        "key_file": None,
        "proxy": None,
    }
    return types.SimpleNamespace(**(defaults | settings))


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, {"cert_reqs": ssl.CERT_REQUIRED}),
        ({"verify_ssl": False}, {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}),
        (
            {"ssl_ca_cert": "/ca", "cert_file": "/c", "key_file": "/k", "tls_server_name": "n"},
            {
                "cert_reqs": ssl.CERT_REQUIRED,
                "ca_certs": "/ca",
                "certfile": "/c",
                "keyfile": "/k",
                "server_hostname": "n",
            },
        ),
        ({"tls_server_name": None}, {"cert_reqs": ssl.CERT_REQUIRED}),
    ],
)
def test_tls_is_as_the_client_has_it(settings: dict[str, t.Any], options: dict[str, t.Any]) -> None:
    assert kube_exec._ssl_options(configuration(**settings)) == options


WAY = {"http_no_proxy": ["none.invalid"]}


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, NEVER),
        (
            {"proxy": "http://p:3128"},
            {"http_proxy_host": "p", "http_proxy_port": 3128, "proxy_type": "http", **WAY},
        ),
        (
            {"proxy": "http://p:3128", "proxy_headers": {"proxy-authorization": "Basic dTp3QHJk"}},
            {
                "http_proxy_host": "p",
                "http_proxy_port": 3128,
                "proxy_type": "http",
                "http_proxy_auth": ("u", "w@rd"),
                **WAY,
            },
        ),
        # without a port
        ({"proxy": "http://p"}, {"http_proxy_host": "p", "http_proxy_port": 80, "proxy_type": "http", **WAY}),
        (
            {"proxy": "http://u:w%40rd@p:3128", "no_proxy": "a,b"},
            {
                "http_proxy_host": "p",
                "http_proxy_port": 3128,
                "proxy_type": "http",
                "http_proxy_auth": ("u", "w@rd"),
                **WAY,
            },
        ),
        # all forms that the client knows, and websocket-client does not: kubernetes-client/python#2321
        ({"proxy": "http://p:1", "no_proxy": "example.com, 10.0.0.5"}, NEVER),
        ({"proxy": "http://p:1", "no_proxy": "10.0.0.5:6443"}, NEVER),
        ({"proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, NEVER),
        # a proxy that is not used may be of any kind
        ({"proxy": "https://p:1", "no_proxy": "10.0.0.5"}, NEVER),
    ],
)
def test_the_proxy_is_as_the_client_has_it(settings: dict[str, t.Any], options: dict[str, t.Any]) -> None:
    chosen = configuration(**{"host": "https://10.0.0.5:6443", **settings})
    assert kube_exec._proxy_options(chosen) == options


@pytest.mark.parametrize(
    ("proxy", "words"),
    [("https://u:secret@p:1", "of the scheme https"), ("socks5://u:secret@p:1", "package python-socks")],
)
def test_a_proxy_that_a_websocket_cannot_take(proxy: str, words: str) -> None:
    with pytest.raises(Inconclusive, match=words) as caught:
        kube_exec._proxy_options(configuration(host="https://10.0.0.5:6443", proxy=proxy))
    assert caught.value.reason is Reason.PROXY_UNUSABLE
    assert "secret" not in str(caught.value)


def test_equal_header_names_all_reach_the_api_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason for a set-up of our own."""
    connected: list[t.Any] = []
    monkeypatch.setattr(
        websocket.WebSocket, "connect", lambda self, url, **options: connected.append((url, options)), raising=True
    )
    headers = [("Impersonate-Group", "a"), ("Impersonate-Group", "b")]
    kube_exec.open_websocket(configuration(), "/api/v1/x/exec?command=y", headers, 7)
    ((url, options),) = connected
    assert url == "wss://h:6443/api/v1/x/exec?command=y"
    assert options == {
        "header": ["Impersonate-Group: a", "Impersonate-Group: b"],
        "subprotocols": ["v5.channel.k8s.io", "v4.channel.k8s.io"],
        "timeout": 7,
        "redirect_limit": 0,
        **NEVER,
    }


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_credentials_follow_no_redirection(status: int) -> None:
    answered: list[bytes] = []

    def answer(server: socket.socket, head: str) -> None:
        connection, _address = server.accept()
        with connection:
            answered.append(connection.recv(65536))
            connection.sendall(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode())

    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        to = f"ws://127.0.0.1:{other.getsockname()[1]}/"
        heads = {server: f"{status} Found\r\nLocation: {to}", other: "403 No"}
        for each, head in heads.items():
            threading.Thread(target=answer, args=(each, head), daemon=True).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(websocket.WebSocketException):
            kube_exec.open_websocket(configuration(host=address), "/exec", [("authorization", "Bearer x")], 5)
        assert len(answered) == 1


def test_a_redirection_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """As older versions of websocket-client see it."""

    def connect(self: t.Any, *_arguments: object, **_options: object) -> None:
        self.handshake_response = types.SimpleNamespace(status=302)

    monkeypatch.setattr(websocket.WebSocket, "connect", connect)
    with pytest.raises(websocket.WebSocketException, match="302, which leads to another address"):
        kube_exec.open_websocket(configuration(), "/exec", [], 7)


def test_a_silent_address_does_not_hold_a_connection_up() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises((websocket.WebSocketException, OSError)):
            kube_exec.open_websocket(configuration(host=address), "/exec", [], 0.2)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("part", [b"\x82", b"\x89\x00"])
def test_what_comes_a_bit_at_a_time_has_an_end(monkeypatch: pytest.MonkeyPatch, part: bytes) -> None:
    """A frame that drips, and pings without an end: each read is answered in time, and the whole is not."""
    ours, theirs = socket.socketpair()
    opened: list[t.Any] = []

    def connect(self: t.Any, *_arguments: object, **_options: object) -> None:
        self.sock, self.connected = ours, True
        opened.append(self)

    monkeypatch.setattr(websocket.WebSocket, "connect", connect)
    configuration = types.SimpleNamespace(
        host="https://h", verify_ssl=True, ssl_ca_cert=None, cert_file=None, key_file=None, proxy=None
    )
    session = kube_exec.Session(
        kube_exec.open_websocket(configuration, "/exec", [], 7), "s", lambda words, subject: None
    )
    stop = threading.Event()

    def drip() -> None:
        with contextlib.suppress(OSError):
            theirs.sendall(part)
            while not stop.wait(0.05):
                # a length of 126 and its bytes, or the next ping
                theirs.sendall(b"\x7e" if part == b"\x82" else part)

    dripping = threading.Thread(target=drip)
    dripping.start()
    began = time.monotonic()
    with pytest.raises(Inconclusive) as caught:
        session.read_answer(lambda output: None, 0.5)
    assert caught.value.reason is Reason.TIMEOUT
    assert time.monotonic() - began < 10
    stop.set()
    ours.close()
    dripping.join()
    theirs.close()


def test_a_peer_that_reads_nothing_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    opened: list[t.Any] = []

    def connect(self: t.Any, *_arguments: object, **_options: object) -> None:
        self.sock, self.connected = ours, True
        self.handshake_response = types.SimpleNamespace(subprotocol="v5.channel.k8s.io")
        opened.append(self)

    monkeypatch.setattr(websocket.WebSocket, "connect", connect)
    monkeypatch.setattr(kube_exec, "_CLOSE_SECONDS", 0.2)
    opening = kube_exec.open_websocket(configuration(), "/exec", [], 7)
    waiting = kube_exec.Session(opening, "s", lambda words, subject: None)
    began = time.monotonic()
    with pytest.raises(Inconclusive) as caught:
        waiting.send("x" * 10_000_000, 0.5)
    assert caught.value.reason is Reason.TIMEOUT
    waiting.close()
    assert time.monotonic() - began < 10
    for end in (ours, theirs):
        end.close()
