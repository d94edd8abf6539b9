# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run without a cluster: pods whose status a test decides, and sessions whose probe answers as a test says."""

from __future__ import annotations

import collections.abc
import dataclasses
import itertools
import json
import threading
import time
import typing as t
import zlib

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Settings, Sizes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.logged import LoggedRun
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import PlannedStep, plan
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.scripts import scripts
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.session import ContainerRun, PodRun, Shared

Object = dict[str, t.Any]

META: t.Final = manifests.RunMeta("ff", "0", "default", "n", "amd64", "pause", "Never", "", (), {}, {}, 120)

_Answer = t.TypeVar("_Answer", bound="dict[str, t.Any] | bytes")


def block(step: PlannedStep, name: str = "", calls: t.Sequence[Object] = (), **facts: t.Any) -> bytes:
    """What the probe prints of a step."""
    name = name or step.name
    begin = {"podshm": 1, "step": name, "nonce": step.nonce, "probe": "0"}
    lines = [json.dumps(one) for one in (begin, *calls, *({"fact": key, "value": facts[key]} for key in facts))]
    body = "".join(f"{line}\n" for line in lines).encode()
    end = {"end": name, "nonce": step.nonce, "lines": len(lines), "crc32": f"{zlib.crc32(body):08x}"}
    return body + json.dumps(end, separators=(",", ":")).encode() + b"\n"


def status(
    name: str, kind: str = "containerStatuses", restarts: int = 0, pod: Object | None = None, **entry: t.Any
) -> Object:
    """A pod whose container runs, or is as the entry of its status says."""
    state = {"name": name, "restartCount": restarts, "state": {"running": {}}, **entry}
    return {
        "metadata": {"namespace": "default", "name": "podshm-ff-pair"},
        "spec": {"nodeName": "n", "containers": [{"name": name, "command": [manifests.PROBE, "hold"]}]},
        "status": {"phase": "Running", kind: [state], **(pod or {})},
    }


class FakeWatch:
    """The pod as it is seen, one state after the other; the last one stays."""

    def __init__(self, *seen: Object) -> None:
        self.seen = list(seen)

    def latest(self, name: str) -> Object:
        return self.seen[0] if self.seen else {}

    def wait(self, name: str, test: collections.abc.Callable[[Object], bool], until: float) -> Object | None:
        while not test(self.latest(name)):
            if len(self.seen) < 2:
                return None
            del self.seen[0]
        return self.latest(name)


class FakeSession:
    """A probe that answers as a test says; an answer that is an error breaks the connection."""

    def __init__(self, *answers: bytes | Inconclusive) -> None:
        self.answers = list(answers)
        self.sent: list[str] = []
        self.waited = 0
        self.ends_in_time = True
        self.closed = False

    def send(self, line: str, timeout: float) -> None:
        self.sent.append(line)

    def wait_for(self, found: t.Any, timeout: float) -> None:
        self.waited += 1

    def read_answer(self, complete: t.Any, timeout: float) -> bytes:
        answer = self.answers.pop(0)
        if isinstance(answer, Inconclusive):
            raise answer
        return answer

    def wait_closed(self, timeout: float) -> bool:
        return self.ends_in_time

    def close(self) -> None:
        self.closed = True


class FakeCluster:
    """The requests of a run; what they answer is in the fields."""

    def __init__(self) -> None:
        self.sessions: list[FakeSession | Inconclusive] = []
        self.patches: list[tuple[str, str, Object]] = []
        self.stored: Object | Inconclusive = {}
        self.logs: bytes | Inconclusive = b""
        self.recent: list[Object] = []
        self.dry_runs: list[bool] = []
        self.deleted: list[Object] = []
        self.commands: list[tuple[str, ...]] = []
        self.now: Object | Inconclusive = {}
        self.server, self.heard = "https://h:6443", 0.0
        self.node: Object | Inconclusive = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        self.renewed = ""
        self.until, self.stopping = 0.0, threading.Event()

    def node_now(self, name: str) -> Object:
        return self._answered(self.node)

    def lease(self, node: str) -> str:
        return self.renewed

    def exec(self, pod: str, container: str, command: tuple[str, ...], timeout: float, explain: t.Any) -> FakeSession:
        self.commands.append(command)
        opened = self.sessions.pop(0)
        if isinstance(opened, Inconclusive):
            raise opened
        return opened

    def follow_log(self, pod: str, container: str, timeout: float) -> FakeSession:
        return self.exec(pod, container, ("log",), timeout, None)

    def patch(self, pod: str, subresource: str, patch: Object) -> Object:
        self.patches.append((pod, subresource, patch))
        return self._answered(self.stored)

    def create(self, manifest: Object, dry_run: bool) -> Object:
        self.dry_runs.append(dry_run)
        return self._answered(self.stored or manifest)

    def delete(self, stored: Object) -> None:
        self.deleted.append(stored)
        raise Inconclusive(Reason.API_ERROR, "the answer was lost")

    def get_pod(self, name: str) -> Object:
        return self._answered(self.now)

    def log(self, pod: str, container: str) -> bytes:
        return self._answered(self.logs)

    def events(self, pod: Object) -> list[Object]:
        return self.recent

    @staticmethod
    def _answered(answer: _Answer | Inconclusive) -> _Answer:
        if isinstance(answer, Inconclusive):
            raise answer
        return answer


@dataclasses.dataclass
class Bench:
    """One container of one check, with what it talks to, and the steps of the check."""

    cluster: FakeCluster
    watch: FakeWatch
    shared: Shared
    pod: PodRun
    run: ContainerRun
    steps: dict[str, PlannedStep]


def bench(check: str, container: str, *seen: Object, **settings: t.Any) -> Bench:
    """A container of a check.

    :param seen: its pod, as :class:`FakeWatch` shows it.
    """
    chosen = Settings(**{"start_timeout": 3, "restart_kubelet": ("true",), **settings})
    nonces = (f"{number:032x}" for number in itertools.count(1))
    (layout,) = plan([BY_ID[check]], chosen, Sizes.of(chosen), "ff", nonces)
    cluster, watch = FakeCluster(), FakeWatch(*seen)
    until = time.monotonic() + 60
    shared = Shared(t.cast("t.Any", cluster), chosen, t.cast("t.Any", watch), until, dry_run=False)
    pod_plan = next(one for one in layout.pods if container in [each.name for each in one.containers])
    pod = PodRun(shared, META, pod_plan)
    pod._report_until = 0.0
    container_plan = next(one for one in pod_plan.containers if one.name == container)
    lines = scripts(layout.steps).get(container_plan.container, ())
    run = LoggedRun(pod, container_plan, lines, set()) if shared.by_log else ContainerRun(pod, container_plan)
    return Bench(cluster, watch, shared, pod, run, {step.step.label: step for step in layout.steps})


def connected(one: Bench, *answers: bytes | Inconclusive) -> FakeSession:
    """Open the session of the container with a probe that answers so."""
    session = FakeSession(*answers)
    one.cluster.sessions.append(session)
    one.run.connect()
    return session
