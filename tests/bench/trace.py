# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the module shm_check in this process and show where its time goes: trace.py KUBECONFIG CONTEXT.

A line per call to the cluster: which thread, when it began, how long it took and how much of that was the CPU of that
thread. The rest of a call is waiting for the cluster. Then what the main thread's CPU went into. bench.py --profile
calls it.
"""

from __future__ import annotations

import contextlib
import cProfile
import dataclasses
import functools
import io
import json
import pstats
import sys
import threading
import time
import typing as t

BEGAN = time.monotonic()

# Imported after the clock is started: the imports are part of what is measured.
from ansible.module_utils import basic  # noqa: E402

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import client, watch  # noqa: E402
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import exec as kube_exec  # noqa: E402
from ansible_collections.abcdesktopio.podshm.plugins.modules import shm_check  # noqa: E402

IMPORTED = time.monotonic()

TRACED: t.Final = (
    (
        client.Cluster,
        ("__init__", "nodes", "create", "delete", "list_run_objects", "get_pod", "events", "log", "exec"),
    ),
    (kube_exec.Session, ("wait_for", "read_answer", "close")),
    (watch.PodWatch, ("wait",)),
)


@dataclasses.dataclass(frozen=True)
class Call:
    """One call to the cluster."""

    thread: str
    name: str
    began: float
    wall: float
    cpu: float


def about(arguments: t.Sequence[t.Any]) -> str:
    """What a call is about, from its arguments: kind and name of an object, or the step."""
    words = []
    for argument in arguments:
        if isinstance(argument, dict) and "kind" in argument:
            words.append(f"{argument['kind']} {argument['metadata']['name']}")
        elif isinstance(argument, str):
            words.append(argument.split(" ")[0])
    return " ".join(words)


def trace(calls: list[Call]) -> None:
    """Have every traced method note what it took; a call inside another is noted too."""

    def traced(name: str, method: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        @functools.wraps(method)
        def wrapper(self: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
            began, cpu = time.monotonic(), time.thread_time()
            try:
                return method(self, *args, **kwargs)
            finally:
                wall = time.monotonic() - began
                words = " ".join(f"{name} {about(args)} {getattr(self, '_subject', '')}".split())
                calls.append(
                    Call(threading.current_thread().name, words, began - BEGAN, wall, time.thread_time() - cpu)
                )

        return wrapper

    for owner, names in TRACED:
        for name in names:
            label = "connect" if name == "__init__" else name
            setattr(owner, name, traced(label, getattr(owner, name)))


def main(kubeconfig: str, context: str) -> int:
    calls: list[Call] = []
    trace(calls)
    arguments = {"ANSIBLE_MODULE_ARGS": {"cluster": context, "kubeconfig": kubeconfig, "context": context}}
    # the way ansible-core's own tests give a module its parameters
    basic._ANSIBLE_ARGS = json.dumps(arguments).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    profile, answer, code = cProfile.Profile(), io.StringIO(), 0
    with contextlib.redirect_stdout(answer):
        try:
            profile.runcall(shm_check.main)
        except SystemExit as end:
            code = int(end.code or 0)
    ended = time.monotonic()

    print(
        f"imports {IMPORTED - BEGAN:.2f} s, run {ended - IMPORTED:.2f} s, CPU of the process {time.process_time():.2f} s"
    )
    print(f"{'at':>6} {'wall':>6} {'CPU':>6}  thread      call (seconds; profiling adds to CPU)")
    for call in sorted(calls, key=lambda call: call.began):
        print(f"{call.began:6.2f} {call.wall:6.2f} {call.cpu:6.3f}  {call.thread:<10}  {call.name}")
    table = io.StringIO()
    pstats.Stats(profile, stream=table).sort_stats("tottime").print_stats(15)
    print("main thread, without imports, by own time:")
    print(*(line for line in table.getvalue().splitlines()[2:] if line.strip()), sep="\n")
    print(json.loads(answer.getvalue())["msg"])
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
