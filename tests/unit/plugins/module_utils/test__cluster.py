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


def pod(*states: dict[str, t.Any], phase: str = "Pending", **status: t.Any) -> dict[str, t.Any]:
    names = [f"c{number}" for number in range(2)]
    return {
        "metadata": {"namespace": "default", "name": "podshm-1-pair"},
        "spec": {
            "containers": [
                *({"name": name, "command": ["/podshm/probe", "hold"]} for name in names),
                {"name": "mesh", "command": ["/proxy"]},
            ]
        },
        "status": {
            "phase": phase,
            "containerStatuses": [{"name": name, "state": state} for name, state in zip(names, states, strict=False)],
            **status,
        },
    }


RUNNING = {"running": {}}
CREATING = {"waiting": {"reason": "ContainerCreating"}}


@pytest.mark.parametrize(
    ("states", "wanted"),
    [
        ((), False),
        ((RUNNING,), False),
        ((RUNNING, CREATING), False),
        ((RUNNING, RUNNING), True),
        ((RUNNING, {"terminated": {"reason": "Completed", "exitCode": 0}}), True),
    ],
)
def test_started(states: t.Any, wanted: bool) -> None:
    # the sidecar that somebody injected does not count
    assert _cluster.started(pod(*states)) is wanted


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"waiting": {"reason": "ErrImagePull", "message": "no route"}}, "ImagePull"),
        ({"waiting": {"reason": "ErrImageNeverPull"}}, "ImagePull"),
        ({"waiting": {"reason": "InvalidImageName"}}, "ImagePull"),
        ({"waiting": {"reason": "CreateContainerError", "message": "boom"}}, "ContainerStart"),
        ({"terminated": {"reason": "StartError", "message": "exec /podshm/probe: exec format error"}}, "ProbeArch"),
        (
            {"terminated": {"reason": "StartError", "message": 'exec: "/podshm/probe": permission denied'}},
            "ProbeNoExec",
        ),
        ({"terminated": {"reason": "StartError", "message": "mkdir: permission denied"}}, "ContainerStart"),
    ],
)
def test_what_never_starts(state: dict[str, t.Any], reason: str) -> None:
    with pytest.raises(Undecided) as caught:
        _cluster.started(pod(RUNNING, state))
    assert caught.value.reason == reason
    assert caught.value.subject == "container c1 of pod default/podshm-1-pair"


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [("Evicted", "Evicted"), ("DeadlineExceeded", "Timeout"), ("OutOfmemory", "Unschedulable"), ("", "PodFailed")],
)
def test_a_pod_that_failed(reason: str, wanted: str) -> None:
    with pytest.raises(Undecided) as caught:
        _cluster.started(pod(phase="Failed", reason=reason))
    assert caught.value.reason == wanted


def test_a_pod_that_somebody_deletes() -> None:
    deleted = pod(RUNNING, RUNNING)
    deleted["metadata"]["deletionTimestamp"] = "now"
    with pytest.raises(Undecided, match="somebody deletes it"):
        _cluster.started(deleted)


def event(reason: str, message: str) -> dict[str, str]:
    return {"reason": reason, "message": message}


@pytest.mark.parametrize(
    ("conditions", "events", "reason", "words"),
    [
        ([], [], "Timeout", "within 30 s"),
        ([], [event("Pulled", "x"), event("FailedCreatePodSandBox", "no CNI")], "SandboxCreate", "no CNI"),
        ([], [event("FailedMount", "no configmap")], "ContainerStart", "no configmap"),
        (
            [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient memory"}],
            [],
            "Unschedulable",
            "Insufficient memory",
        ),
    ],
)
def test_why_a_pod_has_not_started(conditions: t.Any, events: t.Any, reason: str, words: str) -> None:
    problem = _cluster.not_started(pod(conditions=conditions), events, 30)
    assert problem.reason == reason
    assert words in problem.detail


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


def test_aftermath_tells_who_was_killed() -> None:
    after = _cluster.aftermath(pod(RUNNING, {"terminated": {"reason": "OOMKilled", "exitCode": 137}}, phase="Running"))
    assert after["terminated"] == {"c1": {"reason": "OOMKilled", "exit_code": 137}}


DONE = {"terminated": {"reason": "Completed", "exitCode": 0}}


@pytest.mark.parametrize(
    ("states", "phase", "injected", "wanted"),
    [
        ((DONE, DONE), "Running", True, True),  # a mesh sidecar runs on
        ((DONE, RUNNING), "Running", True, False),
        ((DONE, DONE), "Running", False, False),  # the phase follows a moment later
        ((DONE, DONE), "Succeeded", False, True),
        ((DONE, RUNNING), "Failed", False, True),
    ],
)
def test_completed(states: t.Any, phase: str, injected: bool, wanted: bool) -> None:
    made = pod(*states, phase=phase)
    if not injected:
        made["spec"]["containers"].pop()
    assert _cluster.completed(made) is wanted


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
        yield "seen", pod(RUNNING, RUNNING)
        raise Undecided("Forbidden", "no watch")


def test_who_waits_for_a_pod_hears_why_none_is_shown() -> None:
    watch = _cluster.PodWatch(t.cast("_cluster.Cluster", Watched()), "1", time.monotonic() + 60)
    watch.start()
    assert watch.wait("seen", _cluster.started, time.monotonic() + 60)
    with pytest.raises(Undecided, match="no watch"):
        watch.wait("unseen", _cluster.started, time.monotonic() + 60)


@pytest.mark.parametrize(
    ("exit_code", "log", "reason"),
    [
        (255, b"exec /podshm/probe: exec format error", "ProbeArch"),
        (137, b"", "PodFailed"),
        (0, b"", None),
    ],
)
def test_why_a_container_ended(exit_code: int, log: bytes, reason: str | None) -> None:
    ended = pod(RUNNING, {"terminated": {"reason": "Error", "exitCode": exit_code}})
    problem = _cluster.failure(ended, "c1", log)
    assert (problem and problem.reason) == reason


def resizing(observed: int, *conditions: dict[str, str]) -> dict[str, t.Any]:
    return {
        "metadata": {"namespace": "n", "name": "p"},
        "status": {"observedGeneration": observed, "conditions": list(conditions)},
    }


IN_PROGRESS = {"type": "PodResizeInProgress", "status": "True"}


@pytest.mark.parametrize(
    ("pod", "wanted"),
    [
        (resizing(1), None),
        (resizing(2), ""),
        (resizing(3), ""),
        (resizing(2, IN_PROGRESS), None),
        (resizing(2, {"type": "PodResizePending", "status": "True", "reason": "Deferred"}), None),
        (resizing(2, {**IN_PROGRESS, "reason": "Error", "message": "no room"}), "no room"),
        (resizing(1, {**IN_PROGRESS, "reason": "Error", "message": "of an earlier one"}), None),
    ],
)
def test_what_became_of_a_volume_resize(pod: dict[str, t.Any], wanted: str | None) -> None:
    assert _cluster.volume_resize(pod, 2) == wanted


def test_a_volume_that_the_node_cannot_resize() -> None:
    told = {"type": "PodResizePending", "status": "True", "reason": "Infeasible", "message": "cgroups v1"}
    with pytest.raises(Undecided, match="cgroups v1") as caught:
        _cluster.volume_resize(resizing(2, told), 2)
    assert caught.value.reason == "Infeasible"


def test_why_a_run_of_a_container_ended() -> None:
    def pod(**entry: t.Any) -> dict[str, t.Any]:
        return {"status": {"containerStatuses": [{"name": "c", **entry}]}}

    ended = {"terminated": {"containerID": "one", "reason": "OOMKilled"}}
    assert _cluster.finished(pod(containerID="one", state={"running": {}}), "c", "one") is None
    assert _cluster.finished(pod(containerID="one", state=ended), "c", "one") == "OOMKilled"
    assert _cluster.finished(pod(containerID="two", state={"running": {}}, lastState=ended), "c", "one") == "OOMKilled"
    assert _cluster.finished(pod(containerID="two", state={"running": {}}, lastState=ended), "c", "two") is None


def restarted(*counts: int, address: str = "10.0.0.1") -> dict[str, t.Any]:
    found = pod(RUNNING, RUNNING, podIP=address)
    for status, count in zip(found["status"]["containerStatuses"], counts, strict=True):
        status["restartCount"] = count
    return found


@pytest.mark.parametrize(
    ("after", "anew"),
    [
        (restarted(1, 0), False),
        (restarted(1, 0, address=""), False),
        (restarted(1, 1), True),
        # a pod of one container
        (restarted(1, 0, address="10.0.0.2"), True),
    ],
)
def test_a_pod_that_is_made_anew_is_no_restart_of_a_container(after: dict[str, t.Any], anew: bool) -> None:
    assert _cluster.made_anew(restarted(0, 0), after, "c0") is anew
