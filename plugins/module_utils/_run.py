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
import os
import secrets
import time
import traceback
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

#: How long (seconds) the node may take to report a container whose probe has just ended.
_REPORT_SECONDS: t.Final = 2

#: The anchor outlives the run by this much (seconds) beside the clean-up; then the cluster removes everything.
_ANCHOR_SLACK: t.Final = 30

Answer: t.TypeAlias = "_protocol.Observation | Undecided"


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
            pods = _plan.plan(checks, settings, result.run, _nonces())
            _Run(cluster, result, node, pods, settings, check_mode, began).all(outcome, context)
        except Undecided as problem:
            result.problem = problem
        except _cluster.Interrupt as signal:
            result.problem = Undecided("Interrupted", f"the run was ended by {signal}")
        except Exception as error:  # noqa: BLE001
            # its message may quote anything, so only its place is told
            result.problem = Undecided("Internal", f"{type(error).__name__} in {_place(error)}")
    result.checks = [
        _judge(check, settings, result, outcome.get(check.id, {}), context.get(check.id)) for check in checks
    ]
    result.duration = round(time.monotonic() - began, 3)
    return result


def _place(error: BaseException) -> str:
    """Where an error comes from, without what was in its hands."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{os.path.basename(frame.filename)}:{frame.lineno}"


class _Run:
    """One run on one cluster, after the plan is made."""

    def __init__(
        self,
        cluster: _cluster.Cluster,
        result: Result,
        node: _plan.Node,
        pods: tuple[_plan.PodPlan, ...],
        settings: _plan.Settings,
        check_mode: bool,
        began: float,
    ) -> None:
        self._cluster = cluster
        self._result = result
        self._node = node
        self._pods = pods
        self._settings = settings
        self._check_mode = check_mode
        self._until = began + settings.timeout
        self._created: list[dict[str, t.Any]] = []
        self._sessions: list[_cluster.Session] = []
        self._ending = False
        #: by pod, until when (monotonic) to wait for the node's word about its first trouble
        self._troubled: dict[str, float] = {}
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
                return
            self._ask_all(outcome, context)
        finally:
            with _cluster.uninterruptible():
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
        for plan in self._pods:
            manifest = _pod.pod(self._common, plan.part, owner, plan.containers, plan.volumes)
            self._created.append(self._cluster.create(manifest, dry_run))

    def _ask_all(self, outcome: dict[str, dict[str, Answer]], context: dict[str, _verdict.Context]) -> None:
        executor = concurrent.futures.ThreadPoolExecutor(len(self._pods), thread_name_prefix="pod")
        try:
            futures = {executor.submit(self._ask, plan): plan for plan in self._pods}
            for future in concurrent.futures.as_completed(futures):
                plan = futures[future]
                answers, after = future.result()
                for step in plan.steps:
                    outcome.setdefault(step.check, {})[step.label] = answers[step.check, step.label]
                    context[step.check] = _verdict.Context(self._settings, self._node, plan, after)
        finally:
            # an interrupt must not wait for the threads: their waits end here, and none begins
            self._ending = True
            self._watch.stop()
            for session in self._sessions:
                session.shutdown()
            executor.shutdown(wait=True, cancel_futures=True)

    def _ask(self, plan: _plan.PodPlan) -> tuple[dict[tuple[str, str], Answer], dict[str, t.Any]]:
        """The answers of one pod's steps, and how the pod was afterwards. Never raises Undecided."""
        answers: dict[tuple[str, str], Answer] = {}
        after: dict[str, t.Any] = {}
        name = _pod.name(self._result.run, plan.part)
        try:
            self._wait_started(name)
            if plan.completes:
                after = _cluster.aftermath(self._outputs(plan, name, answers))
            else:
                self._steps(plan, name, answers)
                after = _cluster.aftermath(self._cluster.pod(name))
        except Undecided as problem:
            problem = self._explained(name, problem)
            for step in plan.steps:
                answers.setdefault((step.check, step.label), problem)
        # the node starts to clean up while the other pods are still asked
        with contextlib.suppress(Undecided):
            self._cluster.delete(self._stored(name))
        return answers, after

    def _stored(self, name: str) -> dict[str, t.Any]:
        return next(
            stored for stored in self._created if stored["kind"] == "Pod" and stored["metadata"]["name"] == name
        )

    def _wait_started(self, name: str) -> None:
        until = min(self._until, time.monotonic() + self._settings.start_timeout)
        subject = f"pod {self._settings.namespace}/{name}"
        if not self._watch.wait(name, lambda pod: _cluster.started(_present(pod, subject)), until):
            pod = self._watch.latest(name) or self._stored(name)
            raise _cluster.not_started(pod, self._cluster.events(pod), self._settings.start_timeout)

    def _outputs(self, plan: _plan.PodPlan, name: str, answers: dict[tuple[str, str], Answer]) -> dict[str, t.Any]:
        """Wait until the pod ran to completion and read what it wrote; returns the pod as it was then."""
        subject = f"pod {self._settings.namespace}/{name}"
        until = min(self._until, time.monotonic() + _catalog.STEP_SECONDS + self._settings.start_timeout)
        pod = self._watch.wait(name, lambda pod: _cluster.completed(_present(pod, subject)), until)
        if not pod:
            raise Undecided("Timeout", "it did not run to completion in time", subject)
        for step in plan.steps:
            answers[step.check, step.label] = self._timed(step, functools.partial(self._logged, name, step))
        return pod

    def _logged(self, name: str, step: _plan.PlannedStep) -> _protocol.Observation:
        try:
            return _protocol.parse(self._cluster.log(name, step.container), step.name, step.nonce)
        except Undecided as problem:
            raise self._explained(name, self._located(problem, name, step), step.container) from None

    def _located(self, problem: Undecided, name: str, step: _plan.PlannedStep) -> Undecided:
        """A problem that says where it is."""
        subject = f"container {step.container} of pod {self._settings.namespace}/{name}"
        return problem if problem.subject else Undecided(problem.reason, problem.detail, subject)

    def _explained(self, name: str, problem: Undecided, container: str = "") -> Undecided:
        """The cause behind a failed pod, a broken connection or bad output, as far as pod and log can tell it.

        :param container: the one that it is about; by default the first that ended.
        """
        if problem.reason not in ("PodFailed", "ExecTransport", "BadOutput"):
            return problem

        def ended(pod: dict[str, t.Any]) -> list[str]:
            return [each for each in _cluster.aftermath(pod)["terminated"] if container in ("", each)]

        def told(pod: dict[str, t.Any]) -> bool:
            return not pod or "deletionTimestamp" in pod["metadata"] or bool(ended(pod))

        until = self._troubled.setdefault(name, time.monotonic() + _REPORT_SECONDS)
        try:
            pod = self._watch.wait(name, told, until)
            if pod is None:
                return problem
            if not pod or "deletionTimestamp" in pod["metadata"]:
                return Undecided("PodGone", "somebody deleted it", f"pod {self._settings.namespace}/{name}")
            return _cluster.failure(pod, ended(pod)[0], self._cluster.log(name, ended(pod)[0])) or problem
        except Undecided:
            return problem

    def _steps(self, plan: _plan.PodPlan, name: str, answers: dict[tuple[str, str], Answer]) -> None:
        sessions: dict[str, _cluster.Session] = {}
        broken: dict[str, Undecided] = {}
        try:
            # all at once, so that the node starts the processes side by side
            for container in dict.fromkeys(step.container for step in plan.steps):
                try:
                    sessions[container] = self._cluster.exec(
                        name, container, (_pod.PROBE, "session"), self._remaining()
                    )
                    self._sessions.append(sessions[container])
                except Undecided as problem:
                    broken[container] = self._explained(name, problem, container)
            for step in plan.steps:
                # after a bad answer the stream is not in step any more
                answer: Answer | None = broken.get(step.container)
                if answer is None:
                    session = sessions[step.container]
                    answer = self._timed(step, functools.partial(self._step, session, name, step))
                if isinstance(answer, Undecided):
                    broken[step.container] = answer
                answers[step.check, step.label] = answer
        finally:
            for session in sessions.values():
                session.close()

    def _step(self, session: _cluster.Session, name: str, step: _plan.PlannedStep) -> _protocol.Observation:
        line = _protocol.command(step.name, step.nonce, {"deadline": str(_catalog.STEP_SECONDS * 1000), **step.args})
        seconds = min(_catalog.STEP_SECONDS + _STEP_SLACK, self._remaining())
        try:
            answer = session.ask(line, lambda data: _protocol.complete(data, step.nonce), seconds)
            observation = _protocol.parse(answer, step.name, step.nonce)
            if observation.error:
                raise Undecided("ProbeError", observation.error)
        except Undecided as problem:
            raise self._explained(name, self._located(problem, name, step), step.container) from None
        return observation

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
        if self._ending:
            raise Undecided("Interrupted", "the run ends")
        remaining = self._until - time.monotonic()
        if remaining <= 0:
            raise Undecided("Timeout", f"the run took longer than {self._settings.timeout} s")
        return remaining

    def _clean_up(self) -> None:
        """Remove what was created, on a budget of its own, and look whether something stays."""
        if self._check_mode:
            return
        until = self._cluster.until = time.monotonic() + self._settings.cleanup_timeout
        left: list[dict[str, t.Any]] | None = self._created
        pause = 0.2
        while True:
            left, problems = self._remove(left or (), until)
            hopeless = any(problem.reason not in _cluster.PASSING for problem in problems)
            if left == [] or hopeless or time.monotonic() + pause >= until:
                break
            # an API server that restarts, or a watch that broke: nothing tells when to try again
            time.sleep(pause)
            pause = min(pause * 2, 2.0)
        self._watch.close()
        self._result.residue = _residue(left, problems)

    def _remove(
        self, objects: t.Sequence[dict[str, t.Any]], until: float
    ) -> tuple[list[dict[str, t.Any]] | None, list[Undecided]]:
        """Delete objects and wait until they are gone; returns what is left, if one could look, and what went wrong."""
        problems: list[Undecided] = []
        # the anchor last: as long as it is there, the cluster itself will finish this
        for stored in sorted(objects, key=lambda stored: bool(stored["kind"] == "Job")):
            try:
                self._cluster.delete(stored)
            except Undecided as problem:
                problems.append(problem)
        if not problems:
            for stored in objects:
                if stored["kind"] == "Pod":
                    # without a watch there is still the look below
                    with contextlib.suppress(Undecided):
                        self._watch.wait(stored["metadata"]["name"], lambda pod: not pod, until, stoppable=False)
        try:
            # by label: also what was created while the answer was lost
            return self._cluster.left(self._result.run), problems
        except Undecided as problem:
            return None, [*problems, problem]


def _residue(left: t.Sequence[dict[str, t.Any]] | None, problems: t.Sequence[Undecided]) -> list[str]:
    """What stays, for people, each with why it could not be removed."""
    if left is None:
        return [f"could not look: {problems[-1]}"]
    causes = {problem.subject: str(problem) for problem in problems}
    return [causes.get(_cluster.title(stored), _cluster.title(stored)) for stored in left]


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
    return _verdict.ERROR, problem.reason, f"could not tell: cluster {result.cluster}, {problem}", problem.remedy


def _evidence(answer: Answer) -> dict[str, t.Any]:
    if isinstance(answer, Undecided):
        return {"undecided": answer.reason, "detail": str(answer)}
    return {"step": answer.step, "nonce": answer.nonce, "facts": dict(answer.facts), "calls": list(answer.calls)}
