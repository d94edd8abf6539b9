# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""One scenario on one target: make its pods, ask its steps, delete its pods."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import subprocess
import threading
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import (
    _catalog,
    _cluster,
    _plan,
    _pod,
    _protocol,
    _status,
    _stored,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Undecided

#: The probe keeps a step's deadline itself; this much later (seconds) it is taken for dead.
_STEP_SLACK: t.Final = 3

#: When (seconds) to look for the first time why a pod has not started; then after twice as long, and so on.
_LOOK_SECONDS: t.Final = 5

#: How long (seconds) the node may take to report a container whose probe has just ended.
_REPORT_SECONDS: t.Final = 2

#: Reasons of an API server that will not have a pod, whoever asks.
_REFUSED: t.Final = frozenset({"PodSecurity", "AdmissionDenied"})

_CONTROLS: t.Final = frozenset(check.id for check in _catalog.CONTROLS)

Answer: t.TypeAlias = "_protocol.Observation | Undecided"

#: by check id and label of the step
Answers = dict[tuple[str, str], Answer]


@dataclasses.dataclass
class Shared:
    """What all scenarios of a run share."""

    cluster: _cluster.Cluster
    settings: _plan.Settings
    watch: _cluster.PodWatch
    until: float
    dry_run: bool
    #: the uid of the anchor
    owner: str = ""
    #: nothing more is asked
    ending: bool = False
    #: by target: why a control has no answer there
    lost: dict[str, Undecided] = dataclasses.field(default_factory=dict)
    #: everything that was created, for the clean-up
    created: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    #: every session that was opened, to wake who waits in it
    sessions: list[_cluster.Session] = dataclasses.field(default_factory=list)
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def create(self, manifest: dict[str, t.Any]) -> dict[str, t.Any]:
        """Create an object and remember it."""
        stored = self.cluster.create(manifest, self.dry_run)
        with self.lock:
            self.created.append(stored)
        return stored

    def remaining(self) -> float:
        """How much time is left for the run, in seconds.

        :raises Undecided: Timeout, none is; Interrupted, the run ends.
        """
        if self.ending:
            raise Undecided("Interrupted", "the run ends")
        remaining = self.until - time.monotonic()
        if remaining <= 0:
            raise Undecided("Timeout", f"the run took longer than {self.settings.timeout} s")
        return remaining


@dataclasses.dataclass
class Asked:
    """What a scenario answered: per step, how its pods were afterwards, and how long each check took (seconds)."""

    answers: Answers = dataclasses.field(default_factory=dict)
    #: by pod: as it was asked for, and as the API server stored it
    pods: dict[str, tuple[_stored.Pod, _stored.Pod]] = dataclasses.field(default_factory=dict)
    after: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)


class Scenario:
    """One scenario on one target."""

    def __init__(self, shared: Shared, common: _pod.Common, plan: _plan.ScenarioPlan) -> None:
        self._shared = shared
        self._common = common
        self._plan = plan
        self._names = {pod.part: _pod.name(common, pod.part) for pod in plan.pods}
        self._open: dict[str, _cluster.Session] = {}
        self._broken: dict[str, Undecided] = {}
        #: containers that were killed, and how often they have been started when they are back
        self._killed: dict[str, int] = {}
        #: by pod, until when (monotonic) to wait for the node's word about its first trouble
        self._troubled: dict[str, float] = {}

    def ask(self) -> Asked:
        """Create the pods, ask all steps, delete the pods. Never raises Undecided."""
        asked = Asked()
        pods: list[dict[str, t.Any]] = []
        try:
            if self._plan.layout.dry:
                for step in () if self._shared.dry_run else self._plan.steps:
                    self._timed(asked, step, functools.partial(self._admit, step))
                return asked
            for plan in self._plan.pods:
                manifest = self._manifest(plan)
                pods.append(self._shared.create(manifest))
                asked.pods[plan.part] = (manifest, pods[-1])
            for pod in pods:
                self._as_asked(pod)
            if self._shared.dry_run:
                return asked
            for pod in pods:
                with self._explained(pod["metadata"]["name"]):
                    self._wait_started(pod)
            if self._plan.layout.completes:
                self._outputs(asked)
            else:
                self._steps(asked)
        except Undecided as problem:
            for step in self._plan.steps:
                asked.answers.setdefault((step.check, step.label), problem)
        finally:
            # the node starts to clean up while the other scenarios are still asked
            for pod in [] if self._shared.dry_run else pods:
                with contextlib.suppress(Undecided):
                    self._shared.cluster.delete(pod)
        return asked

    # ---------------------------------------------------------------------- pods

    def _manifest(self, plan: _plan.PodPlan) -> dict[str, t.Any]:
        return _pod.pod(self._common, plan.part, self._shared.owner, plan.containers, plan.volumes, plan.options)

    def _as_asked(self, stored: dict[str, t.Any]) -> None:
        """Whether a pod has the runtime whose name its answers will bear.

        :raises Undecided: PremiseFailed, admission gave it another.
        """
        wanted, given = self._common.runtime_class, stored["spec"].get("runtimeClassName", "")
        if wanted and given != wanted:
            told = f"the cluster changed runtimeClassName {wanted} -> {given or 'none'}"
            raise Undecided("PremiseFailed", told, _cluster.title(stored))

    def _admit(self, step: _plan.PlannedStep) -> _protocol.Observation:
        """Whether the API server would admit the pod of a container: a dry run, nothing is made."""
        manifest = self._manifest(self._plan.pod_of(step.container))
        try:
            stored = self._shared.cluster.create(manifest, dry_run=True)
        except Undecided as problem:
            if problem.reason not in _REFUSED:
                raise
            return _done(step, admitted=False, refused_by=problem.reason, detail=problem.detail)
        return _done(step, admitted=True, changed=", ".join(_stored.changes(manifest, stored, (step.container,))))

    def _wait(self, name: str, test: t.Callable[[dict[str, t.Any]], bool], seconds: float) -> dict[str, t.Any] | None:
        """The pod as soon as the test holds, or nothing after some seconds or at the end of the run."""
        subject = f"pod {self._common.namespace}/{name}"
        until = min(self._shared.until, time.monotonic() + seconds)
        return self._shared.watch.wait(name, lambda pod: test(_present(pod, subject)), until)

    def _wait_for(self, name: str, test: t.Callable[[dict[str, t.Any]], bool], missing: str) -> dict[str, t.Any]:
        seconds = self._shared.settings.start_timeout
        pod = self._wait(name, test, seconds)
        if not pod:
            raise Undecided("Timeout", f"{missing} within {seconds} s", f"pod {self._common.namespace}/{name}")
        return pod

    def _wait_started(self, stored: dict[str, t.Any]) -> None:
        name, seconds = stored["metadata"]["name"], self._shared.settings.start_timeout
        waited, patience = 0, _LOOK_SECONDS
        while True:
            patience = min(patience, seconds - waited)
            started = self._wait(name, _status.started, patience)
            if started:
                node = started["spec"].get("nodeName", "")
                if node != self._common.node:
                    told = f"it runs on node {node}, not on {self._common.node}: the cluster changed where it may run"
                    raise Undecided("PremiseFailed", told, f"pod {self._common.namespace}/{name}")
                return
            waited, patience = waited + patience, patience * 2
            pod = self._shared.watch.latest(name) or stored
            problem = _status.not_started(pod, self._shared.cluster.events(pod), seconds)
            # the kubelet tries again and again what the node cannot do
            if problem.reason == "Unsupported" or waited >= seconds or time.monotonic() >= self._shared.until:
                raise problem

    def _outputs(self, asked: Asked) -> None:
        """Wait until the pods ran to completion and read what they wrote."""
        for part, name in self._names.items():
            pod = self._wait_for(name, _status.completed, "it did not run to completion")
            asked.after[part] = _status.aftermath(pod)
        for step in self._plan.steps:
            self._timed(asked, step, functools.partial(self._logged, step))

    def _logged(self, step: _plan.PlannedStep) -> _protocol.Observation:
        name = self._pod(step.container)
        with self._explained(name, step.container):
            return self._read(self._shared.cluster.log(name, step.container), step)

    # --------------------------------------------------------------------- steps

    def _spec(self, container: str) -> _pod.ContainerSpec:
        pod = self._plan.pod_of(container)
        return next(spec for spec in pod.containers if spec.name == container)

    def _pod(self, container: str) -> str:
        return self._names[self._plan.pod_of(container).part]

    def _timed(self, asked: Asked, step: _plan.PlannedStep, ask: t.Callable[[], _protocol.Observation]) -> None:
        began = time.monotonic()
        answer: Answer
        try:
            answer = ask()
        except Undecided as problem:
            answer = problem
        asked.answers[step.check, step.label] = answer
        asked.seconds[step.check] = asked.seconds.get(step.check, 0.0) + time.monotonic() - began

    def _steps(self, asked: Asked) -> None:
        try:
            # all at once, so that the node starts the processes side by side
            for container in dict.fromkeys(step.container for step in self._plan.steps):
                if self._spec(container).kind in ("main", "sidecar"):
                    self._connect(container)
            for _check, group in itertools.groupby(self._plan.steps, key=lambda step: step.check):
                self._check(asked, list(group))
                self._stop_if_lost(asked)
            for part, name in self._names.items():
                asked.after[part] = _status.aftermath(self._shared.cluster.pod(name))
        finally:
            for session in self._open.values():
                session.close()

    def _stop_if_lost(self, asked: Asked) -> None:
        """Once a control has no answer nothing can be decided on the target, and what is asked in vain takes long.

        :raises Undecided: that of the control.
        """
        target = self._common.target
        for (check, _label), answer in asked.answers.items():
            if check in _CONTROLS and isinstance(answer, Undecided):
                self._shared.lost.setdefault(target, answer)
        if target in self._shared.lost:
            raise self._shared.lost[target]

    def _check(self, asked: Asked, steps: list[_plan.PlannedStep]) -> None:
        """The steps of one check, one after the other; one that waits is read when the step after it has ended its wait.

        Not later: what it waits in may be removed next.
        """
        waiting: list[_plan.PlannedStep] = []
        # a connection that broke, or a step that killed its session, is no matter of the next check
        for container in dict.fromkeys(step.container for step in steps):
            broken = self._broken.get(container)
            if broken and broken.reason == "ExecTransport" and container not in self._killed:
                self._connect(container)
        for step in steps:
            if step.spare and step.container in self._killed:
                continue
            if step.waits:
                try:
                    self._begin(step)
                    waiting.append(step)
                except Undecided as problem:
                    asked.answers[step.check, step.label] = problem
                continue
            self._timed(asked, step, functools.partial(self._step, step))
            while waiting:
                first = waiting.pop(0)
                self._timed(asked, first, functools.partial(self._finish, first))

    def _step(self, step: _plan.PlannedStep) -> _protocol.Observation:
        if step.name in self._ACTIONS:
            return self._ACTIONS[step.name](self, step)
        if self._spec(step.container).kind == "init":
            return self._logged(step)
        self._begin(step)
        return self._finish(step)

    def _begin(self, step: _plan.PlannedStep) -> None:
        """Send a step; if it is one that waits, see it wait."""
        args = {"deadline": str(self._shared.settings.step_timeout * 1000), **step.args}
        with self._in_step(step) as session:
            session.send(_protocol.command(step.name, step.nonce, args), self._seconds())
            if step.waits:
                session.see(lambda data: _protocol.ready(data, step.nonce), self._seconds())

    def _finish(self, step: _plan.PlannedStep) -> _protocol.Observation:
        """Read the answer of a step that was sent."""
        entry = _status.states(self._shared.watch.latest(self._pod(step.container))).get(step.container) or {}
        try:
            with self._in_step(step) as session:
                answer = session.take(lambda data: _protocol.complete(data, step.nonce), self._seconds())
                return self._read(answer, step)
        except Undecided as problem:
            if step.fatal and problem.reason in ("ExecTransport", "PodFailed"):
                return self._out_of_memory(step, entry, problem)
            raise

    def _out_of_memory(
        self, step: _plan.PlannedStep, entry: dict[str, t.Any], problem: Undecided
    ) -> _protocol.Observation:
        """The answer of a step whose container ended with it, if the kubelet says that the kernel killed it for memory.

        :param entry: the status of the container while it ran.
        """
        name, container = self._pod(step.container), step.container
        run = str(entry.get("containerID", ""))
        pod = self._wait(
            name, lambda pod: _status.finished(pod, container, run) is not None, self._shared.settings.start_timeout
        )
        if not pod or _status.finished(pod, container, run) != "OOMKilled":
            raise problem
        self._killed[container] = int(entry.get("restartCount", 0)) + 1
        self._open[container].close()
        return _done(step, stopped_by="OOMKilled")

    @contextlib.contextmanager
    def _in_step(self, step: _plan.PlannedStep) -> t.Iterator[_cluster.Session]:
        """The session of the step's container. After a bad answer its stream is not in step any more."""
        if step.container in self._broken:
            raise self._broken[step.container]
        try:
            with self._explained(self._pod(step.container), step.container):
                yield self._open[step.container]
        except Undecided as problem:
            self._broken[step.container] = problem
            raise

    @contextlib.contextmanager
    def _explained(self, name: str, container: str = "") -> t.Iterator[None]:
        """Give the cause behind a failed pod, a broken connection or bad output, as far as pod and log can tell it.

        :param container: the one that it is about; by default the first that ended.
        """
        try:
            yield
        except Undecided as problem:
            if problem.reason not in ("PodFailed", "ExecTransport", "BadOutput"):
                raise
            raise self._cause(name, container) or problem from None

    def _cause(self, name: str, container: str) -> Undecided | None:
        def ended(pod: dict[str, t.Any]) -> list[str]:
            return [each for each in _status.aftermath(pod)["terminated"] if container in ("", each)]

        def told(pod: dict[str, t.Any]) -> bool:
            return not pod or "deletionTimestamp" in pod["metadata"] or bool(ended(pod))

        until = self._troubled.setdefault(name, time.monotonic() + _REPORT_SECONDS)
        try:
            pod = self._shared.watch.wait(name, told, until)
            if pod is None:
                return None
            if not pod or "deletionTimestamp" in pod["metadata"]:
                return Undecided("PodGone", "somebody deleted it", f"pod {self._common.namespace}/{name}")
            return _status.failure(pod, ended(pod)[0], self._shared.cluster.log(name, ended(pod)[0]))
        except Undecided:
            return None

    def _read(self, answer: bytes, step: _plan.PlannedStep) -> _protocol.Observation:
        """The observation of a step.

        :raises Undecided: BadOutput, with the container that it is about.
        """
        subject = f"container {step.container} of pod {self._common.namespace}/{self._pod(step.container)}"
        try:
            return _protocol.parse(answer, step.name, step.nonce)
        except Undecided as problem:
            raise Undecided(problem.reason, problem.detail, problem.subject or subject) from None

    def _seconds(self) -> float:
        return min(self._shared.settings.step_timeout + _STEP_SLACK, self._shared.remaining())

    def _connect(self, container: str) -> None:
        try:
            with self._explained(self._pod(container), container):
                # it ends by itself if nobody is left to end it
                seconds = self._shared.settings.timeout + _STEP_SLACK
                session = self._shared.cluster.exec(
                    self._pod(container),
                    container,
                    (_pod.PROBE, "session", f"deadline={seconds}"),
                    self._shared.remaining(),
                )
        except Undecided as problem:
            self._broken[container] = problem
            return
        self._broken.pop(container, None)
        self._open[container] = session
        with self._shared.lock:
            self._shared.sessions.append(session)

    # ------------------------------------------------- what the run itself does

    def _restart(self, step: _plan.PlannedStep) -> _protocol.Observation:
        """End the container's own process and wait until the kubelet has started the container again."""
        if step.container in self._killed:
            return self._up(step)
        name = self._pod(step.container)
        before = self._shared.watch.latest(name)
        restarts = _status.restarts(before, step.container) + 1
        with self._in_step(step) as session:
            session.send(_protocol.command("end", step.nonce, {}), self._seconds())
            refused = self._refused(session, step)
        if refused:
            told = f"process 1, which would end the container, is not its own or cannot be ended ({refused})"
            raise Undecided("PremiseFailed", told, f"container {step.container} of pod {self._common.namespace}/{name}")
        with self._in_step(step):
            after = self._wait_for(
                name, lambda pod: _status.running(pod, step.container, restarts), f"{step.container} did not restart"
            )
            if _status.made_anew(before, after, step.container):
                told = "the whole pod was started anew, not the container alone"
                raise Undecided("PremiseFailed", told, f"pod {self._common.namespace}/{name}")
        session.close()
        self._connect(step.container)
        return _done(step, restarts=restarts)

    def _refused(self, session: _cluster.Session, step: _plan.PlannedStep) -> str:
        """The errno of a process 1 that may not be ended. The answer of one that ends may be lost with the container."""
        try:
            answer = session.take(lambda data: _protocol.complete(data, step.nonce), self._seconds())
            asked = _protocol.parse(answer, "end", step.nonce)
        except Undecided:
            return ""
        return next((str(call["errno"]) for call in asked.calls if "errno" in call), "")

    def _up(self, step: _plan.PlannedStep) -> _protocol.Observation:
        """Wait until a container that was killed is started again; one that was not is up."""
        restarts = self._killed.pop(step.container, 0)
        if restarts:
            self._wait_for(
                self._pod(step.container),
                lambda pod: _status.running(pod, step.container, restarts),
                f"{step.container} did not restart",
            )
            self._connect(step.container)
        return _done(step, restarts=restarts)

    def _ephemeral(self, step: _plan.PlannedStep) -> _protocol.Observation:
        """Add the ephemeral container to the running pod."""
        name, spec = self._pod(step.container), self._spec(step.container)
        self._broken[spec.name] = Undecided("ContainerStart", f"the ephemeral container {spec.name} was not added")
        self._shared.cluster.patch(name, "ephemeralcontainers", _pod.ephemeral(spec, self._common))
        self._wait_for(name, lambda pod: _status.running(pod, spec.name), f"{spec.name} did not start")
        self._connect(spec.name)
        return _done(step)

    def _resize(self, step: _plan.PlannedStep) -> _protocol.Observation:
        """Change the container's memory in place."""
        name, memory = self._pod(step.container), int(step.args["memory"])
        cpu = self._spec(step.container).cpu_millis
        self._shared.cluster.patch(name, "resize", _pod.resize(step.container, cpu, memory))
        self._wait_for(name, lambda pod: _status.resized(pod, step.container, memory), "the resize was not done")
        return _done(step, memory_bytes=memory)

    def _resize_volume(self, step: _plan.PlannedStep) -> _protocol.Observation:
        """Change the sizeLimit of a volume in place; whether the kubelet did it is its own word, not yet a size."""
        name, volume, size = self._pod(step.container), step.args["volume"], int(step.args["size"])
        stored = self._shared.cluster.patch(name, "resize", _pod.resize_volume(volume, size))
        limits = {one["name"]: (one.get("emptyDir") or {}).get("sizeLimit") for one in stored["spec"]["volumes"]}
        if limits[volume] is None or _plan.quantity(limits[volume]) != size:
            # with the gate off the field is dropped without a word
            raise Undecided("FeatureGateOff", "the API server keeps the sizeLimit of volumes", _cluster.title(stored))
        generation = int(stored["metadata"]["generation"])
        pod = self._wait_for(
            name,
            lambda pod: _status.volume_resize(pod, generation) is not None,
            "the kubelet did not answer the resize",
        )
        problem = _status.volume_resize(pod, generation) or ""
        return _done(step, resized=not problem, problem=problem)

    def _restart_kubelet(self, step: _plan.PlannedStep) -> _protocol.Observation:
        """Run the user's command. The connection that breaks shows that the kubelet ended, the next one that it is back."""
        name, node = self._pod(step.container), self._common.node
        words = [word.replace("{node}", node) for word in self._shared.settings.restart_kubelet]
        seconds = min(self._shared.settings.start_timeout, self._shared.remaining())
        _command(words, seconds)
        if not self._open[step.container].ends(seconds):
            told = f"it left the kubelet running: a connection through it did not end in {seconds:g} s"
            raise Undecided("CommandFailed", f"{words[0]}: {told}", f"node {node}")
        until = time.monotonic() + seconds
        pause = 0.2
        self._connect(step.container)
        while step.container in self._broken and time.monotonic() + pause < until:
            # nothing tells when a kubelet serves again
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)
            self._connect(step.container)
        pod = self._shared.cluster.pod(name)
        return _done(step, restarts=_status.restarts(pod, step.container))

    _ACTIONS: t.ClassVar[dict[str, t.Callable[[Scenario, _plan.PlannedStep], _protocol.Observation]]] = {
        "@restart": _restart,
        "@up": _up,
        "@ephemeral": _ephemeral,
        "@resize": _resize,
        "@resize_volume": _resize_volume,
        "@restart_kubelet": _restart_kubelet,
    }


def _command(words: t.Sequence[str], seconds: float) -> None:
    """Run a command of the user's. What it prints may hold anything, so only its last line is told.

    :raises Undecided: CommandFailed.
    """
    try:
        ended = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise Undecided("CommandFailed", f"{words[0]} did not end within {seconds:g} s") from None
    except OSError as error:
        raise Undecided("CommandFailed", f"{words[0]}: {error.strerror}") from None
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["it wrote nothing to stderr"])[-1]
        raise Undecided("CommandFailed", f"{words[0]} ended with {ended.returncode}: {last[:400]}")


def _present(pod: dict[str, t.Any], subject: str) -> dict[str, t.Any]:
    if not pod:
        raise Undecided("PodGone", "somebody deleted it", subject)
    return pod


def _done(step: _plan.PlannedStep, **facts: int | str) -> _protocol.Observation:
    return _protocol.Observation(step.name, step.nonce, facts, (), None)
