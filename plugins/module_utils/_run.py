# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Plan + cluster -> checks with verdicts, under one deadline, with nothing left behind."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
import secrets
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import (
    _catalog,
    _cluster,
    _payload,
    _plan,
    _pod,
    _protocol,
    _verdict,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import REMEDIES, UNREACHABLE, Undecided

#: The probe keeps a step's deadline itself; this much later (seconds) it is taken for dead.
_STEP_SLACK: t.Final = 3

#: The anchor outlives the run by this much (seconds) beside the clean-up; then the cluster removes everything.
_ANCHOR_SLACK: t.Final = 30

Answer = _protocol.Observation | Undecided

#: by check id and label of the step
Answers = dict[tuple[str, str], Answer]


@dataclasses.dataclass
class Result:
    """What a run returns, whatever happened."""

    cluster: str
    run: str
    checks: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    node: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    server: str = ""
    residue: list[str] = dataclasses.field(default_factory=list)
    problem: Undecided | None = None
    duration: float = 0.0
    #: how long the steps of each check took, by its id
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def status(self) -> str:
        """The verdict on the cluster: V(UNREACHABLE), or the worst of its checks."""
        if self.problem and self.problem.reason in UNREACHABLE:
            return "UNREACHABLE"
        if self.checks and all(check["reason"] == "CheckMode" for check in self.checks):
            return _verdict.SKIP
        return _verdict.worst(check["verdict"] for check in self.checks)

    def line(self) -> str:
        """The result in one line: the count of verdicts, or what kept the cluster from being asked."""
        if self.problem:
            return one_line(self.cluster, self.problem)
        counts = {verdict: sum(check["verdict"] == verdict for check in self.checks) for verdict in _verdict.ORDER}
        text = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        first = next((check for check in self.checks if check["verdict"] == _verdict.ERROR), None)
        if first:
            text += f"; {first['id']} {first['reason']}: {first['observed']}; {first['remedy']}"
        return f"cluster {self.cluster}: {text or 'no check'}"


def one_line(cluster: str, problem: Undecided) -> str:
    """Cluster, object, cause and remedy in one line."""
    return f"cluster {cluster}: {problem.reason}: {problem}; {problem.remedy}"


def _nonces() -> t.Iterator[str]:
    return (secrets.token_hex(16) for unused in itertools.count())


def run(
    module: t.Any, cluster_name: str, checks: t.Sequence[_catalog.Check], settings: _plan.Settings, check_mode: bool
) -> Result:
    """Answer the checks on the cluster that the module's parameters name."""
    began = time.monotonic()
    result = Result(cluster=cluster_name, run=secrets.token_hex(5))
    outcome: dict[str, dict[str, Answer]] = {}
    context: dict[str, _verdict.Context] = {}
    with _cluster.interruptible():
        try:
            cluster = _cluster.Cluster(module, settings.namespace, settings.timeout)
            result.server = cluster.server
            node = _plan.choose_node(cluster.nodes(), settings, _payload.BINARIES)
            result.node = node.facts()
            scenarios = _plan.plan(checks, settings, result.run, _nonces())
            _Run(cluster, result, node, scenarios, settings, check_mode, began).all(outcome, context)
        except Undecided as problem:
            result.problem = problem
        except _cluster.Interrupt as signal:
            result.problem = Undecided("Interrupted", f"the run was ended by {signal}")
    result.checks = [
        _judge(check, settings, result, outcome.get(check.id, {}), context.get(check.id)) for check in checks
    ]
    result.duration = round(time.monotonic() - began, 3)
    return result


class _Run:
    """One run on one cluster, after the plan is made."""

    def __init__(
        self,
        cluster: _cluster.Cluster,
        result: Result,
        node: _plan.Node,
        scenarios: tuple[_plan.ScenarioPlan, ...],
        settings: _plan.Settings,
        check_mode: bool,
        began: float,
    ) -> None:
        self._cluster = cluster
        self._result = result
        self._node = node
        self._scenarios = scenarios
        self._settings = settings
        self._check_mode = check_mode
        self._until = began + settings.timeout
        self._created: list[dict[str, t.Any]] = []
        self._refused: dict[str, Undecided] = {}
        self._sessions: list[_cluster.Session] = []
        # follows the pods until long after every wait in here has ended
        self._watch = _cluster.PodWatch(cluster, result.run, self._until + settings.cleanup_timeout)
        self._common = _pod.Common(
            run=result.run,
            namespace=settings.namespace,
            node=node.name,
            image=node.image,
            pull_policy=node.pull_policy,
            runtime_class=settings.runtime_class,
            cpu=settings.cpu,
            tolerations=settings.tolerations,
            labels=dict(settings.labels),
            annotations=dict(settings.annotations),
            deadline_seconds=settings.timeout + settings.cleanup_timeout + _ANCHOR_SLACK,
        )

    def all(self, outcome: dict[str, dict[str, Answer]], context: dict[str, _verdict.Context]) -> None:
        """Create, ask and remove everything; fills C(outcome) and C(context) by check id."""
        try:
            self._create()
            if self._check_mode:
                self._dry_refusals(outcome)
                return
            self._ask_all(outcome, context)
        finally:
            self._clean_up()

    def _create(self) -> None:
        dry_run = self._check_mode
        anchor = self._cluster.create(_pod.anchor(self._common), dry_run)
        self._created.append(anchor)
        owner = str(anchor["metadata"]["uid"])
        if not dry_run:
            self._watch.start()
        binary = _payload.binary(self._node.architecture)
        self._created.append(self._cluster.create(_pod.probe_config(self._common, owner, binary), dry_run))
        pods = [(scenario, pod) for scenario in self._scenarios for pod in scenario.pods]
        for scenario, plan in pods:
            manifest = _pod.pod(self._common, plan.part, owner, plan.containers, plan.volumes, plan.options)
            try:
                self._created.append(self._cluster.create(manifest, dry_run))
            except Undecided as problem:
                # one layout that is refused must not keep the others from being asked
                self._refused[scenario.name] = problem

    def _dry_refusals(self, outcome: dict[str, dict[str, Answer]]) -> None:
        for scenario in self._scenarios:
            if scenario.name in self._refused:
                for step in scenario.steps:
                    outcome.setdefault(step.check, {})[step.label] = self._refused[scenario.name]

    def _ask_all(self, outcome: dict[str, dict[str, Answer]], context: dict[str, _verdict.Context]) -> None:
        executor = concurrent.futures.ThreadPoolExecutor(len(self._scenarios), thread_name_prefix="scenario")
        try:
            futures = {executor.submit(self._ask, scenario): scenario for scenario in self._scenarios}
            for future in concurrent.futures.as_completed(futures):
                scenario = futures[future]
                answers, after = future.result()
                for step in scenario.steps:
                    outcome.setdefault(step.check, {})[step.label] = answers[step.check, step.label]
                    context[step.check] = _verdict.Context(
                        self._settings,
                        self._node,
                        scenario,
                        after,
                        _plan.variables(self._settings, self._result.run),
                    )
        finally:
            # an interrupt must not wait for the threads: their waits end here
            self._watch.stop()
            for session in self._sessions:
                session.shutdown()
            executor.shutdown(wait=True, cancel_futures=True)

    def _ask(self, scenario: _plan.ScenarioPlan) -> tuple[Answers, dict[str, dict[str, t.Any]]]:
        """The answers of one scenario's steps, and how each pod was afterwards. Never raises Undecided."""
        answers: Answers = {}
        after: dict[str, dict[str, t.Any]] = {}
        names = {pod.part: _pod.name(self._result.run, pod.part) for pod in scenario.pods}
        try:
            if scenario.name in self._refused:
                raise self._refused[scenario.name]
            for name in names.values():
                self._wait_started(name)
            if scenario.completes:
                for part, name in names.items():
                    after[part] = _cluster.aftermath(self._wait_completed(name))
                for step in scenario.steps:
                    answers[step.check, step.label] = self._timed(
                        step, functools.partial(self._logged, names, scenario, step)
                    )
            else:
                self._steps(scenario, names, answers)
                for part, name in names.items():
                    after[part] = _cluster.aftermath(self._cluster.pod(name))
        except Undecided as problem:
            for step in scenario.steps:
                answers.setdefault((step.check, step.label), problem)
        # the node starts to clean up while the other pods are still asked
        for stored in self._stored(set(names.values())):
            with contextlib.suppress(Undecided):
                self._cluster.delete(stored)
        return answers, after

    def _stored(self, names: set[str]) -> list[dict[str, t.Any]]:
        return [item for item in self._created if item["kind"] == "Pod" and item["metadata"]["name"] in names]

    def _wait_started(self, name: str) -> None:
        until = min(self._until, time.monotonic() + self._settings.start_timeout)
        subject = f"pod {self._settings.namespace}/{name}"
        if not self._watch.wait(name, lambda pod: _cluster.started(_present(pod, subject)), until):
            pod = self._watch.latest(name) or self._stored({name})[0]
            raise _cluster.not_started(pod, self._cluster.events(pod), self._settings.start_timeout)

    def _wait_completed(self, name: str) -> dict[str, t.Any]:
        """The pod as it was when it had run to completion."""
        subject = f"pod {self._settings.namespace}/{name}"
        until = min(self._until, time.monotonic() + _catalog.STEP_SECONDS + self._settings.start_timeout)
        pod = self._watch.wait(name, lambda pod: _cluster.completed(_present(pod, subject)), until)
        if not pod:
            raise Undecided("Timeout", "it did not run to completion in time", subject)
        return pod

    def _logged(
        self, names: t.Mapping[str, str], scenario: _plan.ScenarioPlan, step: _plan.PlannedStep
    ) -> _protocol.Observation:
        name = names[scenario.pod_of(step.container).part]
        return _read(self._cluster.log(name, step.container), step, name)

    def _steps(self, scenario: _plan.ScenarioPlan, names: t.Mapping[str, str], answers: Answers) -> None:
        sessions = _Sessions(self, scenario, names)
        try:
            sessions.open()
            for _check, group in itertools.groupby(scenario.steps, key=lambda step: step.check):
                steps = list(group)
                for step in steps:
                    if not step.waits:
                        answers[step.check, step.label] = self._timed(step, functools.partial(sessions.ask, step))
                    else:
                        problem = sessions.begin(step)
                        if problem:
                            answers[step.check, step.label] = problem
                for step in steps:
                    if (step.check, step.label) not in answers:
                        answers[step.check, step.label] = self._timed(step, functools.partial(sessions.finish, step))
        finally:
            sessions.close()

    def _timed(self, step: _plan.PlannedStep, ask: t.Callable[[], _protocol.Observation]) -> Answer:
        began = time.monotonic()
        try:
            return ask()
        except Undecided as problem:
            return problem
        finally:
            seconds = self._result.seconds
            seconds[step.check] = seconds.get(step.check, 0.0) + time.monotonic() - began

    def _remaining(self) -> float:
        remaining = self._until - time.monotonic()
        if remaining <= 0:
            raise Undecided("Timeout", f"the run took longer than {self._settings.timeout} s")
        return remaining

    def _clean_up(self) -> None:
        """Remove what was created, on a budget of its own, and look whether something stays."""
        if self._check_mode:
            return
        until = time.monotonic() + self._settings.cleanup_timeout
        troubles: list[str] = []
        # the anchor last: as long as it is there, the cluster itself will finish this
        for stored in reversed(self._created):
            try:
                self._cluster.delete(stored)
            except Undecided as problem:
                troubles.append(str(problem))
        for stored in self._created:
            if stored["kind"] == "Pod":
                self._watch.wait(stored["metadata"]["name"], lambda pod: not pod, until, stoppable=False)
        self._watch.close()
        try:
            self._result.residue = self._cluster.left(self._result.run)
        except Undecided as problem:
            self._result.residue = [f"could not look: {trouble}" for trouble in [*troubles, str(problem)]]


class _Sessions:
    """The sessions of a scenario's containers, one each, and the steps that the run itself does."""

    def __init__(self, owner: _Run, scenario: _plan.ScenarioPlan, names: t.Mapping[str, str]) -> None:
        self._owner = owner
        self._scenario = scenario
        self._names = names
        self._open: dict[str, _cluster.Session] = {}
        self._broken: dict[str, Undecided] = {}

    def _spec(self, container: str) -> _pod.ContainerSpec:
        pod = self._scenario.pod_of(container)
        return next(spec for spec in pod.containers if spec.name == container)

    def _pod(self, container: str) -> str:
        return self._names[self._scenario.pod_of(container).part]

    def open(self) -> None:
        """Open all at once, so that the node starts the processes side by side."""
        for container in dict.fromkeys(step.container for step in self._scenario.steps):
            if self._spec(container).kind in ("main", "sidecar"):
                self._connect(container)

    def _connect(self, container: str) -> None:
        try:
            session = self._owner._cluster.exec(
                self._pod(container), container, (_pod.PROBE, "session"), self._owner._remaining()
            )
        except Undecided as problem:
            self._broken[container] = problem
            return
        self._broken.pop(container, None)
        self._open[container] = session
        self._owner._sessions.append(session)

    def close(self) -> None:
        """End them all."""
        for session in self._open.values():
            session.close()

    def _session(self, container: str) -> _cluster.Session:
        if container in self._broken:
            raise self._broken[container]
        return self._open[container]

    def ask(self, step: _plan.PlannedStep) -> _protocol.Observation:
        """One step from beginning to end."""
        if step.name in self._ACTIONS:
            return self._ACTIONS[step.name](self, step)
        if self._spec(step.container).kind == "init":
            name = self._pod(step.container)
            return _read(self._owner._cluster.log(name, step.container), step, name)
        problem = self.begin(step)
        if problem:
            raise problem
        return self.finish(step)

    def begin(self, step: _plan.PlannedStep) -> Undecided | None:
        """Send a step; if it is one that waits, see it wait."""
        args = {"deadline": str(_catalog.STEP_SECONDS * 1000), **step.args}
        try:
            session = self._session(step.container)
            session.send(_protocol.command(step.name, step.nonce, args), self._seconds())
            if step.waits:
                session.see(lambda data: _protocol.ready(data, step.nonce), self._seconds())
        except Undecided as problem:
            self._broken[step.container] = problem
            return problem
        return None

    def finish(self, step: _plan.PlannedStep) -> _protocol.Observation:
        """Read the answer of a step that was sent."""
        try:
            session = self._session(step.container)
            answer = session.take(lambda data: _protocol.complete(data, step.nonce), self._seconds())
            return _read(answer, step, self._pod(step.container))
        except Undecided as problem:
            # after a bad answer the stream is not in step any more
            self._broken[step.container] = problem
            raise

    def _seconds(self) -> float:
        return min(_catalog.STEP_SECONDS + _STEP_SLACK, self._owner._remaining())

    def _wait(self, name: str, test: t.Callable[[dict[str, t.Any]], bool], what: str) -> dict[str, t.Any]:
        subject = f"pod {self._owner._settings.namespace}/{name}"
        until = min(self._owner._until, time.monotonic() + self._owner._settings.start_timeout)
        pod = self._owner._watch.wait(name, lambda pod: test(_present(pod, subject)), until)
        if not pod:
            raise Undecided("Timeout", f"{what} within {self._owner._settings.start_timeout} s", subject)
        return pod

    def _restart(self, step: _plan.PlannedStep) -> _protocol.Observation:
        """End the container's own process and wait until the kubelet has started the container again."""
        name = self._pod(step.container)
        before = _cluster.states(self._owner._watch.latest(name)).get(step.container) or {}
        restarts = int(before.get("restartCount", 0)) + 1
        # the answer may be lost with the container: only the kubelet's word counts
        session = self._session(step.container)
        session.send(_protocol.command("end", step.nonce, {}), self._seconds())
        self._wait(
            name, lambda pod: _cluster.running(pod, step.container, restarts), f"{step.container} did not restart"
        )
        session.close()
        self._connect(step.container)
        return _done(step, restarts=restarts)

    def _ephemeral(self, step: _plan.PlannedStep) -> _protocol.Observation:
        """Add the ephemeral container to the running pod."""
        name, spec = self._pod(step.container), self._spec(step.container)
        self._owner._cluster.patch(name, "ephemeralcontainers", _pod.ephemeral(spec, self._owner._common))
        self._wait(name, lambda pod: _cluster.running(pod, spec.name), f"{spec.name} did not start")
        self._connect(spec.name)
        return _done(step)

    def _resize(self, step: _plan.PlannedStep) -> _protocol.Observation:
        """Change the container's memory in place."""
        name, memory = self._pod(step.container), int(step.args["memory"])
        patch = _pod.resize(step.container, self._owner._common.cpu, memory)
        self._owner._cluster.patch(name, "resize", patch)
        self._wait(name, lambda pod: _cluster.resized(pod, step.container, memory), "the resize was not done")
        return _done(step, memory_bytes=memory)

    _ACTIONS: t.ClassVar[dict[str, t.Callable[[_Sessions, _plan.PlannedStep], _protocol.Observation]]] = {
        "@restart": _restart,
        "@ephemeral": _ephemeral,
        "@resize": _resize,
    }


def _done(step: _plan.PlannedStep, **facts: int) -> _protocol.Observation:
    return _protocol.Observation(step.name, step.nonce, facts, (), None)


def _read(answer: bytes, step: _plan.PlannedStep, pod: str) -> _protocol.Observation:
    """The observation of a step, or Undecided with the container that it is about."""
    subject = f"container {step.container} of pod {pod}"
    try:
        observation = _protocol.parse(answer, step.name, step.nonce)
    except Undecided as problem:
        raise Undecided(problem.reason, problem.detail, problem.subject or subject) from None
    if observation.error:
        raise Undecided("ProbeError", observation.error, subject)
    return observation


def _present(pod: dict[str, t.Any], subject: str) -> dict[str, t.Any]:
    if not pod:
        raise Undecided("PodGone", "somebody deleted it", subject)
    return pod


def _judge(
    check: _catalog.Check,
    settings: _plan.Settings,
    result: Result,
    answers: t.Mapping[str, Answer],
    context: _verdict.Context | None,
) -> dict[str, t.Any]:
    """One check as it is returned: its verdict, what was expected and observed, the remedy and the evidence."""
    values = _plan.variables(settings, result.run)
    verdict, reason, observed, remedy = _decide(check, result, answers, context)
    return {
        "id": check.id,
        "name": check.name,
        "group": check.group,
        "question": check.question.format_map(values),
        "verdict": verdict,
        "reason": reason,
        "expected": check.expected.format_map(values),
        "observed": observed,
        "remedy": remedy,
        "evidence": {label: _evidence(answer) for label, answer in answers.items()},
        "duration": round(result.seconds.get(check.id, 0.0), 3),
    }


def _decide(
    check: _catalog.Check,
    result: Result,
    answers: t.Mapping[str, Answer],
    context: _verdict.Context | None,
) -> tuple[str, str, str, str]:
    """Verdict, reason, observed and remedy."""
    problem = next((answer for answer in answers.values() if isinstance(answer, Undecided)), None) or result.problem
    if problem is None:
        if context is None:
            return (
                _verdict.SKIP,
                "CheckMode",
                "the API server would admit every object of the run",
                REMEDIES["CheckMode"],
            )
        try:
            decision = _verdict.RULES[check.id](t.cast("t.Mapping[str, _protocol.Observation]", answers), context)
            return decision.verdict, "", decision.observed, "" if decision.verdict == _verdict.PASS else check.remedy
        except Undecided as undecided:
            problem = undecided
        except (KeyError, TypeError, ValueError) as error:
            # a complete answer without what the rule needs: a probe of another version, or a bug
            problem = Undecided("Internal", f"the rule of {check.id} cannot read the evidence: {error!r}")
    if problem.reason in check.skips:
        return _verdict.SKIP, problem.reason, f"not applicable: {problem}", problem.remedy
    return _verdict.ERROR, problem.reason, f"could not tell: cluster {result.cluster}, {problem}", problem.remedy


def _evidence(answer: Answer) -> dict[str, t.Any]:
    if isinstance(answer, Undecided):
        return {"undecided": answer.reason, "detail": str(answer)}
    return {"step": answer.step, "nonce": answer.nonce, "facts": dict(answer.facts), "calls": list(answer.calls)}
