# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every wait in the plugins has a bound, and a test that has seen it: the table, which a new wait makes red."""

from __future__ import annotations

import ast
import collections
import pathlib
import typing as t

import pytest

CHECKOUT = pathlib.Path(__file__).parents[2]
UTILS = "plugins/module_utils"

#: Where anything can wait: what acts. What decides is pure (import-linter), and what runs on the controller reads answers.
PLACES = (f"{UTILS}/_kube", f"{UTILS}/_run", f"{UTILS}/_command.py", "playbooks/callback_plugins", "plugins/action")

#: Calls that wait, by their last name.
CALLS = {
    *("sleep", "wait", "select", "acquire", "result", "shutdown", "communicate", "check_output", "check_call"),
    *("recv", "_recv", "recv_data", "send_binary", "stream", "urlopen", "read_bytes", "read_text", "getaddrinfo"),
}

_KUBE = "tests/unit/plugins/module_utils/_kube"
_RUN = "tests/unit/plugins/module_utils/_run"
_FAULTS = "tests/cluster/test_faults.py"


class Wait(t.NamedTuple):
    """A wait: what bounds it, and the test that is red without the bound."""

    bound: str
    file: str
    test: str


#: File and function, and what is called there.
WAITS: dict[tuple[str, str, str], Wait] = {
    ("_command.py", "Command.output", "select"): Wait(
        "20 s of a credential plugin and the request that it is for; start_timeout of restart_kubelet",
        f"{_KUBE}/test_plugin.py",
        "test_a_plugin_that_hangs_is_killed_with_what_it_started",
    ),
    ("_command.py", "Command.output", "wait"): Wait(
        "the same: a command that closed its output and stays",
        f"{_KUBE}/test_plugin.py",
        "test_a_plugin_that_hangs_is_killed_with_what_it_started",
    ),
    ("_command.py", "Command.kill", "wait"): Wait(
        "2 s after SIGKILL",
        f"{_RUN}/test_actions.py",
        "test_a_command_that_leaves_something_running_does_not_hold_the_run_up",
    ),
    ("_kube/client.py", "Cluster._through_weather", "wait"): Wait(
        "the time of the run, 6 tries, 25 s for an API server that is away",
        f"{_KUBE}/test_client.py",
        "test_retry_after_is_obeyed_within_the_time_of_the_run",
    ),
    ("_kube/client.py", "Cluster._chunks", "stream"): Wait(
        "5 s longer than the watch lasts between two reads; nobody waits for its thread, who waits for a pod looks himself",
        _FAULTS,
        "test_no_answer_that_drips_holds_a_run_past_its_time",
    ),
    ("_kube/exec.py", "_Socket._recv", "_recv"): Wait(
        "what settimeout was given, as a whole", f"{_KUBE}/test_exec.py", "test_what_comes_a_bit_at_a_time_has_an_end"
    ),
    ("_kube/exec.py", "Session.send", "send_binary"): Wait(
        "3 s longer than step_timeout", f"{_KUBE}/test_exec.py", "test_a_peer_that_reads_nothing_holds_nobody_up"
    ),
    ("_kube/exec.py", "Session.close", "send_binary"): Wait(
        "2 s", f"{_KUBE}/test_exec.py", "test_a_peer_that_reads_nothing_holds_nobody_up"
    ),
    ("_kube/exec.py", "Session._receive", "recv_data"): Wait(
        "3 s longer than step_timeout, and the time of the run",
        f"{_KUBE}/test_exec.py",
        "test_what_comes_a_bit_at_a_time_has_an_end",
    ),
    ("_kube/signals.py", "ended", "wait"): Wait(
        "in turns of 0.5 s, as long as the caller says",
        f"{_KUBE}/test_signals.py",
        "test_a_signal_that_another_thread_receives_ends_a_wait",
    ),
    ("_kube/signals.py", "bounded", "result"): Wait(
        "none is needed: it has ended", f"{_KUBE}/test_signals.py", "test_a_call_without_a_timeout_is_bounded"
    ),
    ("_kube/signals.py", "bounded.left", "result"): Wait(
        "none is needed: it has ended", f"{_KUBE}/test_signals.py", "test_a_call_without_a_timeout_is_bounded"
    ),
    ("_kube/source.py", "read", "read_bytes"): Wait(
        "5 s", f"{_KUBE}/test_source.py", "test_a_file_that_has_no_end_is_no_kubeconfig"
    ),
    ("_kube/watch.py", "follow_pods", "sleep"): Wait(
        "2 s, and the time of the watch", f"{_KUBE}/test_watch.py", "test_an_api_server_is_not_hammered"
    ),
    ("_kube/watch.py", "PodWatch.wait", "wait"): Wait(
        "the time that the caller gives: start_timeout, the run, the clean-up",
        f"{_KUBE}/test_watch.py",
        "test_a_stop_ends_only_waits_that_can_be_stopped",
    ),
    ("_kube/watch.py", "PodWatch._look", "acquire"): Wait(
        "none is needed: who has the lock never waits with it",
        f"{_KUBE}/test_watch.py",
        "test_a_list_that_hangs_does_not_hold_who_waits_for_a_pod",
    ),
    ("_run/actions.py", "restart_kubelet", "sleep"): Wait(
        "start_timeout", f"{_RUN}/test_actions.py", "test_a_kubelet_that_does_not_come_back"
    ),
    ("_run/lost.py", "Pulse._run", "wait"): Wait(
        "1 s; nobody waits for its thread", f"{_RUN}/test_lost.py", "test_a_process_that_was_stopped_notices"
    ),
    ("_run/lost.py", "Losses._look_again", "wait"): Wait(
        "15 s in turns of 3 s, and the time of the run",
        f"{_RUN}/test_lost.py",
        "test_a_node_that_says_later_what_is_wrong_is_waited_for_once",
    ),
    ("_run/proof.py", "_prove_in", "result"): Wait(
        "none is needed: it has ended",
        "tests/cluster/test_proof.py",
        "test_needs_are_measured_as_it_is_and_with_the_fix",
    ),
    ("_run/run.py", "_run_layouts", "result"): Wait("none is needed: it has ended", _FAULTS, "test_timeout"),
    ("_run/owned.py", "threads", "shutdown"): Wait(
        "every wait of the layouts ends at the same time", _FAULTS, "test_told_to_end"
    ),
    ("_run/owned.py", "_clean_up", "sleep"): Wait(
        "2 s, and cleanup_timeout", _FAULTS, "test_api_server_that_falls_silent"
    ),
    ("_run/owned.py", "_remove", "wait"): Wait(
        "cleanup_timeout", _FAULTS, "test_api_server_that_answers_deletes_with_silence"
    ),
    ("_run/logged.py", "LoggedRun.patiently", "wait"): Wait(
        "3 s longer than step_timeout and start_timeout together, in turns of 5 s, and the time of the run",
        f"{_RUN}/test_logged.py",
        "test_a_grant_that_is_never_shown_has_an_end",
    ),
    ("_run/session.py", "ContainerRun.patiently", "wait"): Wait(
        "3 s longer than step_timeout, and the time of the run",
        f"{_KUBE}/test_exec.py",
        "test_what_comes_a_bit_at_a_time_has_an_end",
    ),
    ("_run/session.py", "PodRun.wait", "wait"): Wait(
        "the time that the caller gives, and the run",
        f"{_RUN}/test_session.py",
        "test_what_did_not_happen_in_time_is_named",
    ),
    ("_run/session.py", "PodRun.require", "wait"): Wait(
        "start_timeout", f"{_RUN}/test_session.py", "test_what_did_not_happen_in_time_is_named"
    ),
    ("_run/session.py", "PodRun.await_start", "wait"): Wait(
        "start_timeout", f"{_RUN}/test_session.py", "test_events_say_why_a_pod_does_not_start"
    ),
    ("_run/session.py", "PodRun.await_place", "wait"): Wait(
        "5 s, and the run", f"{_RUN}/test_session.py", "test_a_pod_has_its_place_before_it_runs"
    ),
    ("_run/session.py", "PodRun._require_room.look", "wait"): Wait(
        "4 s in turns, to two thirds of timeout",
        f"{_RUN}/test_session.py",
        "test_a_pod_that_waited_for_room_in_vain_says_so",
    ),
    ("_run/session.py", "Shared.when_free.attempt", "wait"): Wait(
        "4 s in turns, to two thirds of timeout",
        f"{_RUN}/test_session.py",
        "test_a_quota_that_stays_used_up_says_how_long_it_was_waited_for",
    ),
    ("_run/runner.py", "LayoutRun._start", "wait"): Wait(
        "9 s, and the end of the run",
        f"{_RUN}/test_runner.py",
        "test_a_layout_that_has_part_of_its_room_leaves_it_to_others_and_begins_again",
    ),
    ("_run/run.py", "_Place.__init__", "acquire"): Wait(
        "the layouts that have a place, which end with the time of the run", _FAULTS, "test_timeout"
    ),
    ("_run/session.py", "PodRun._cause", "wait"): Wait(
        "2 s for all containers of a pod", f"{_RUN}/test_session.py", "test_the_cause_behind_a_broken_connection"
    ),
    ("_run/session.py", "ContainerRun._out_of_memory", "wait"): Wait(
        "start_timeout", f"{_RUN}/test_session.py", "test_a_slow_step_is_not_taken_for_killed"
    ),
}


def found() -> collections.Counter[tuple[str, str, str]]:
    """The waits in the source."""
    every: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for place in PLACES:
        path = CHECKOUT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name = file.relative_to(CHECKOUT / UTILS if UTILS in place else CHECKOUT).as_posix()
            for where, call in _calls(ast.parse(file.read_text("utf-8")), ()):
                every[name, where, call] += 1
    return every


def _calls(node: ast.AST, where: tuple[str, ...]) -> t.Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        inside = where
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inside = (*where, child.name)
        if isinstance(child, ast.Call):
            name = getattr(child.func, "attr", "") or getattr(child.func, "id", "")
            if name in CALLS:
                yield ".".join(inside), name
        yield from _calls(child, inside)


def test_every_wait_is_in_the_table() -> None:
    assert set(found()) == set(WAITS)


@pytest.mark.parametrize("wait", WAITS.values(), ids=lambda wait: wait.test)
def test_every_bound_has_a_test(wait: Wait) -> None:
    tree = ast.parse((CHECKOUT / wait.file).read_text("utf-8"))
    assert wait.test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
