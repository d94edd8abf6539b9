# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import logging
import os
import signal
import ssl
import time
import typing as t

import pytest
import urllib3
import yaml

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _cluster
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Undecided


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (401, "Unauthorized", "Unauthorized"),
        (403, 'pods "x" is forbidden: exceeded quota: q, requested: pods=1', "QuotaExceeded"),
        (403, 'pods "x" is forbidden: failed quota: q: must specify limits.cpu', "QuotaExceeded"),
        (403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest": hostIPC', "PodSecurity"),
        (403, "unable to create new content in namespace x because it is being terminated", "NamespaceTerminating"),
        (403, 'pods "x" is forbidden: pod rejected: RuntimeClass "kata" not found', "RuntimeClassMissing"),
        (403, 'pods "x" is forbidden: maximum memory usage per Container is 8Mi, but limit is 32Mi', "LimitRange"),
        (403, 'pods is forbidden: User "u" cannot create resource "pods" in API group ""', "Forbidden"),
        (403, 'nodes is forbidden: User "system:anonymous" cannot list resource "nodes"', "Unauthorized"),
        (403, 'pods "x" is forbidden: error looking up service account n/default: not found', "NamespaceNotReady"),
        (403, "something that nobody has heard of", "AdmissionDenied"),
        (403, 'admission webhook "w" denied the request: no', "AdmissionDenied"),
        (422, "pods is invalid: ValidatingAdmissionPolicy 'p' with binding 'b' denied request", "AdmissionDenied"),
        (500, 'Internal error occurred: failed calling webhook "w": timeout', "AdmissionDenied"),
        (404, 'namespaces "x" not found', "NamespaceMissing"),
        (404, 'pods "x" not found', "PodGone"),
        (422, "Pod is invalid: spec.containers[0].image: Required value", "Invalid"),
        (429, "too many requests", "ApiError"),
        (500, "etcdserver: request timed out", "ApiError"),
    ],
)
def test_what_a_refusal_means(status: int, message: str, reason: str) -> None:
    problem = _cluster.refusal(status, message, "pod default/x")
    assert (problem.reason, problem.subject) == (reason, "pod default/x")


def test_somebody_elses_words_stay_on_one_line_and_printable() -> None:
    problem = _cluster.refusal(500, "a\nb\x1b[31mred" + "x" * 5000, "")
    assert "\n" not in str(problem)
    assert "\x1b" not in str(problem)
    assert len(str(problem)) < 500


@pytest.mark.parametrize(
    ("status", "stderr", "reason", "words"),
    [
        (b'{"status":"Failure","message":"exec /podshm/probe: exec format error"}', b"", "ProbeArch", "format"),
        (b'{"status":"Failure","message":"command terminated with exit code 137"}', b"", "ExecTransport", "137"),
        (b'{"status":"Success"}', b"", "ExecTransport", "ended before"),
        (b"", b"", "ExecTransport", "no status"),
        (b"not json", b"oops", "ExecTransport", "oops"),
    ],
)
def test_a_command_that_ended_early(status: bytes, stderr: bytes, reason: str, words: str) -> None:
    problem = _cluster.ended(status, stderr, "container a of pod b")
    assert problem.reason == reason
    assert words in problem.detail


# ------------------------------------------------------------------------ connecting


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found", "BadKubeconfig"),
        ("[SSL] PEM lib (_ssl.c:3905)", "BadKubeconfig"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed (_ssl.c:1)", "TlsUntrusted"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "ApiUnreachable"),
    ],
)
def test_what_a_tls_error_means(words: str, reason: str) -> None:
    problem = _cluster._transport(urllib3.exceptions.SSLError(ssl.SSLError(words)), "API server x")
    assert (problem.reason, problem.subject) == (reason, "API server x")


SECRET = "correct-horse-battery-staple"


def yaml_error() -> Exception:
    try:
        yaml.safe_load(f"users:\n\t- token: {SECRET}")
    except yaml.YAMLError as error:
        return error
    raise AssertionError("it is valid")


@pytest.mark.parametrize(
    ("error", "params", "reason", "words"),
    [
        (
            yaml_error(),
            {"kubeconfig": "/k"},
            "BadKubeconfig",
            "kubeconfig /k: it cannot be read as a kubeconfig (line 2)",
        ),
        (TypeError(SECRET), {"kubeconfig": "/k"}, "BadKubeconfig", "(TypeError)"),
        (FileNotFoundError(2, "No such file", "/ca"), {"kubeconfig": "/k"}, "BadKubeconfig", "No such file: /ca"),
        (TypeError(SECRET), {"kubeconfig": {"users": SECRET}}, "BadKubeconfig", "kubeconfig from variables"),
        (OSError(36, "File name too long", SECRET), {"kubeconfig": f"users:\n{SECRET}"}, "BadKubeconfig", "it is text"),
        (ValueError(SECRET), {"host": "https://h"}, "ApiError", "API server https://h"),
        (ValueError(f"Invalid header value b'{SECRET}'"), {"host": "https://h"}, "BadKubeconfig", "line break"),
        (ValueError(SECRET), {"host": "nonsense"}, "BadKubeconfig", "nonsense is no URL"),
    ],
)
def test_what_an_unexpected_error_means(error: Exception, params: dict[str, t.Any], reason: str, words: str) -> None:
    problem = _cluster._unusable(error, params)
    assert problem.reason == reason
    assert words in str(problem)
    assert SECRET not in str(problem)


def test_what_the_client_only_logs_is_kept_from_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    said = _cluster._Said()
    with said.listening():
        logging.error("exec: process returned 1")
    assert said.words == "exec: process returned 1"
    assert capfd.readouterr().err == ""


def test_the_first_signal_interrupts_and_a_clean_up_goes_on() -> None:
    def ended() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.sigtimedwait([], 1)
        finally:
            with _cluster.uninterruptible():
                os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(True)

    cleaned: list[bool] = []
    before = signal.getsignal(signal.SIGTERM)
    with _cluster.interruptible(), pytest.raises(_cluster.Interrupt, match="SIGTERM"):
        ended()
    assert cleaned
    assert signal.getsignal(signal.SIGTERM) is before


# ---------------------------------------------------------------------------- the watch


class Watched:
    """A cluster whose watch shows a pod, and then cannot go on."""

    def watch_pods(self, run: str, until: float) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
        yield "seen", {"metadata": {"name": "seen"}}
        raise Undecided("Forbidden", "no watch")


def test_who_waits_for_a_pod_hears_why_none_is_shown() -> None:
    watch = _cluster.PodWatch(t.cast("_cluster.Cluster", Watched()), "1", time.monotonic() + 60)
    watch.start()
    assert watch.wait("seen", bool, time.monotonic() + 60)
    with pytest.raises(Undecided, match="no watch"):
        watch.wait("unseen", bool, time.monotonic() + 60)
