# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Plan + cluster -> checks with verdicts, under one deadline, with nothing left behind."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import itertools
import os
import secrets
import time
import traceback
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import (
    _ask,
    _catalog,
    _cluster,
    _plan,
    _pod,
    _stored,
    _verdict,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import payload as _payload
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import (
    REMEDIES,
    UNREACHABLE,
    Undecided,
    printable,
)

#: The anchor outlives the run by this much (seconds) beside the clean-up; then the cluster removes everything.
_ANCHOR_SLACK: t.Final = 30

#: Where no check is meant to be asked.
_FOR_NONE: t.Final = frozenset({"NotLinux"})

#: Scenarios that are asked side by side: neither the API server nor a node must feel a run.
_AT_ONCE: t.Final = 12


@dataclasses.dataclass
class Result:
    """What a run returns, whatever happened."""

    cluster: str
    run: str
    checks: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    controls: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    targets: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    unasked: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    server: str = ""
    residue: list[str] = dataclasses.field(default_factory=list)
    problem: Undecided | None = None
    duration: float = 0.0

    @property
    def status(self) -> str:
        """The verdict on the cluster: V(UNREACHABLE), or the worst of its checks."""
        if self.problem and self.problem.reason in UNREACHABLE:
            return "UNREACHABLE"
        reasons = {check["reason"] for check in self.checks}
        if "CheckMode" in reasons and reasons <= {"CheckMode", "NotAsked"}:
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


@dataclasses.dataclass
class _Target:
    """One node and RuntimeClass of a run: what is planned there, and what was answered."""

    target: _plan.Target
    common: _pod.Common
    scenarios: tuple[_plan.ScenarioPlan, ...]
    asked: dict[str, _ask.Asked] = dataclasses.field(default_factory=dict)


def run(
    module: t.Any, cluster_name: str, checks: t.Sequence[_catalog.Check], settings: _plan.Settings, check_mode: bool
) -> Result:
    """Answer the checks on the cluster that the module's parameters name."""
    began = time.monotonic()
    result = Result(cluster=cluster_name, run=secrets.token_hex(5))
    targets: list[_Target] = []
    with _cluster.interruptible():
        try:
            cluster = _cluster.Cluster(module, settings.namespace, settings.timeout)
            result.server = cluster.server
            found, unasked = _plan.choose(cluster.nodes(), settings, _payload.BINARIES)
            result.unasked = [dataclasses.asdict(one) for one in unasked]
            wanted = [*_catalog.CONTROLS, *checks]
            for index, target in enumerate(found):
                common = _common(result.run, str(index) if len(found) > 1 else "", target, settings)
                targets.append(_Target(target, common, _plan.plan(wanted, settings, result.run, _nonces())))
            result.targets = [one.target.facts() for one in targets]
            _ask_all(cluster, result, targets, settings, check_mode, began)
        except Undecided as problem:
            result.problem = problem
        except _cluster.Interrupt as signal:
            result.problem = Undecided("Interrupted", f"the run was ended by {signal}")
        except Exception as error:  # noqa: BLE001
            # its message may quote anything, so only its place is told
            result.problem = Undecided("Internal", f"{type(error).__name__} in {_place(error)}")
    for one in targets:
        _judge_all(result, one, checks, settings)
    if not targets:
        _judge_all(result, None, checks, settings)
    result.duration = round(time.monotonic() - began, 3)
    return result


def _place(error: BaseException) -> str:
    """Where an error comes from, without what was in its hands."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{os.path.basename(frame.filename)}:{frame.lineno}"


def _common(run_id: str, index: str, target: _plan.Target, settings: _plan.Settings) -> _pod.Common:
    return _pod.Common(
        run=run_id,
        target=index,
        namespace=settings.namespace,
        node=target.node.name,
        architecture=target.node.architecture,
        image=target.node.image,
        pull_policy=target.node.pull_policy,
        runtime_class=target.runtime_class,
        tolerations=settings.tolerations,
        labels=dict(settings.labels),
        annotations=dict(settings.annotations),
        deadline_seconds=settings.timeout + settings.cleanup_timeout + _ANCHOR_SLACK,
    )


def _ask_all(
    cluster: _cluster.Cluster,
    result: Result,
    targets: t.Sequence[_Target],
    settings: _plan.Settings,
    dry_run: bool,
    began: float,
) -> None:
    """Create, ask and remove everything; each target gets what its scenarios answered."""
    until = began + settings.timeout
    # follows the pods until long after every wait in here has ended
    watch = _cluster.PodWatch(cluster, result.run, until + settings.cleanup_timeout)
    shared = _ask.Shared(cluster, settings, watch, until, dry_run)
    try:
        anchor = shared.create(_pod.anchor(targets[0].common))
        shared.owner = str(anchor["metadata"]["uid"])
        if not dry_run:
            watch.start()
        by_architecture = {target.common.architecture: target.common for target in targets}
        for architecture, common in by_architecture.items():
            shared.create(_pod.probe_config(common, shared.owner, _payload.binary(architecture)))
        _ask_scenarios(shared, targets)
    finally:
        if not dry_run:
            with _cluster.uninterruptible():
                _clean_up(shared, result)


def _ask_scenarios(shared: _ask.Shared, targets: t.Sequence[_Target]) -> None:
    jobs = [(target, plan) for target in targets for plan in target.scenarios]
    together = [(target, plan) for target, plan in jobs if not plan.layout.alone]
    executor = concurrent.futures.ThreadPoolExecutor(min(len(jobs), _AT_ONCE), thread_name_prefix="scenario")
    try:
        for batch in (together, *([job] for job in jobs if job not in together)):
            futures = {
                executor.submit(_ask.Scenario(shared, target.common, plan).ask): (target, plan)
                for target, plan in batch
            }
            for future in concurrent.futures.as_completed(futures):
                target, plan = futures[future]
                target.asked[plan.layout.name] = future.result()
    finally:
        # an interrupt must not wait for the threads: their waits end here, and none begins
        shared.ending = True
        shared.watch.stop()
        for session in shared.sessions:
            session.shutdown()
        executor.shutdown(wait=True, cancel_futures=True)


def _clean_up(shared: _ask.Shared, result: Result) -> None:
    """Remove what was created, on a budget of its own, and look whether something stays."""
    until = shared.cluster.until = time.monotonic() + shared.settings.cleanup_timeout
    left: list[dict[str, t.Any]] | None = list(shared.created)
    pause = 0.2
    while True:
        left, problems = _remove(shared, left or (), result.run, until)
        hopeless = any(problem.reason not in _cluster.PASSING for problem in problems)
        if left == [] or hopeless or time.monotonic() + pause >= until:
            break
        # an API server that restarts, or a watch that broke: nothing tells when to try again
        time.sleep(pause)
        pause = min(pause * 2, 2.0)
    shared.watch.close()
    result.residue = _residue(left, problems)


def _remove(
    shared: _ask.Shared, objects: t.Sequence[dict[str, t.Any]], run_id: str, until: float
) -> tuple[list[dict[str, t.Any]] | None, list[Undecided]]:
    """Delete objects and wait until they are gone; returns what is left, if one could look, and what went wrong."""
    problems: list[Undecided] = []
    # the anchor last: as long as it is there, the cluster itself will finish this
    for stored in sorted(objects, key=lambda stored: bool(stored["kind"] == "Job")):
        try:
            shared.cluster.delete(stored)
        except Undecided as problem:
            problems.append(problem)
    if not problems:
        for stored in objects:
            if stored["kind"] == "Pod":
                # without a watch there is still the look below
                with contextlib.suppress(Undecided):
                    shared.watch.wait(stored["metadata"]["name"], lambda pod: not pod, until, stoppable=False)
    try:
        # by label: also what was created while the answer was lost
        return shared.cluster.left(run_id), problems
    except Undecided as problem:
        return None, [*problems, problem]


def _residue(left: t.Sequence[dict[str, t.Any]] | None, problems: t.Sequence[Undecided]) -> list[str]:
    """What stays, for people, each with why it could not be removed."""
    if left is None:
        return [f"could not look: {problems[-1]}"]
    causes = {problem.subject: str(problem) for problem in problems}
    return [causes.get(_cluster.title(stored), _cluster.title(stored)) for stored in left]


def _judge_all(
    result: Result, target: _Target | None, checks: t.Sequence[_catalog.Check], settings: _plan.Settings
) -> None:
    """The verdicts on one target. If a control does not hold there, nothing is decided there."""
    controls = [_judge(check, result, target, settings) for check in _catalog.CONTROLS]
    judged = [_judge(check, result, target, settings) for check in checks]
    broken = [control for control in controls if control["verdict"] in (_verdict.FAIL, _verdict.ERROR)]
    for check, one in zip(checks, judged, strict=True):
        control = next((control for control in broken if _leans(check, control["id"])), None)
        refused = one["verdict"] == _verdict.SKIP and one["reason"] in _REFUSALS
        if control and (refused or one["verdict"] in (_verdict.PASS, _verdict.FAIL, _verdict.WARN)):
            told = f"could not tell: cluster {result.cluster}, {control['id']} does not hold: {control['observed']}"
            one.update(verdict=_verdict.ERROR, reason="ControlFailed", observed=told, remedy=REMEDIES["ControlFailed"])
    result.controls += controls
    result.checks += judged


#: Why a cluster may rightly keep a check from being asked. Where it refuses the controls, too, it refuses everything.
_REFUSALS: t.Final = frozenset({"AdmissionDenied", "PodSecurity", "Forbidden"})


def _leans(check: _catalog.Check, control: str) -> bool:
    """Whether a check leans on a control: who asks the API server alone needs no probe that works."""
    asks_probe = not _catalog.SCENARIOS[check.scenario].dry
    return asks_probe or not any(one.steps for one in _catalog.CONTROLS if one.id == control)


def _judge(check: _catalog.Check, result: Result, target: _Target | None, settings: _plan.Settings) -> dict[str, t.Any]:
    """One check as it is returned: its verdict, what was expected and observed, the remedy and the evidence."""
    values = _plan.variables(settings, result.run)
    asked = (target.asked.get(check.scenario) if target else None) or _ask.Asked()
    answers = {label: answer for (name, label), answer in asked.answers.items() if name == check.id}
    verdict, reason, observed, remedy = _decide(check, result, target, answers, settings)
    if verdict in (_verdict.FAIL, _verdict.WARN, _verdict.ERROR):
        observed += _changed(check, asked)
    return {
        "id": check.id,
        "name": check.name,
        "group": check.group,
        "node": target.target.node.name if target else "",
        "runtime_class": target.target.runtime_class if target else "",
        "question": check.question.format_map(values),
        "verdict": verdict,
        "reason": reason,
        "expected": check.expected.format_map(values),
        # it may quote what a container printed, which the roles show as it is
        "observed": printable(observed),
        "remedy": remedy,
        "evidence": {label: _evidence(answer) for label, answer in answers.items()},
        "duration": round(asked.seconds.get(check.id, 0.0), 3),
    }


def _changed(check: _catalog.Check, asked: _ask.Asked) -> str:
    """What the cluster changed of the check's pods, which may be the cause of its verdict."""
    containers = tuple(dict.fromkeys(step.container for step in check.steps))
    changes = [text for pod in asked.pods.values() for text in _stored.changes(*pod, containers)]
    return f"; the cluster changed the pod: {', '.join(dict.fromkeys(changes))}" if changes else ""


def _decide(
    check: _catalog.Check,
    result: Result,
    target: _Target | None,
    answers: t.Mapping[str, _ask.Answer],
    settings: _plan.Settings,
) -> tuple[str, str, str, str]:
    """Verdict, reason, observed and remedy."""
    if not _plan.asked_for(check, settings):
        return _verdict.SKIP, "NotAsked", f"not asked without the option {check.option}", REMEDIES["NotAsked"]
    problem = next((answer for answer in answers.values() if isinstance(answer, Undecided)), None) or result.problem
    if problem is None and target is not None:
        asked = target.asked[check.scenario]
        if check.steps and not answers:
            return (
                _verdict.SKIP,
                "CheckMode",
                "the API server would admit every object of the run",
                REMEDIES["CheckMode"],
            )
        plan = next(plan for plan in target.scenarios if plan.layout.name == check.scenario)
        values = _plan.variables(settings, result.run)
        stored = {part: pod for part, (_before, pod) in asked.pods.items()}
        context = _verdict.Context(settings, target.target.node, plan, asked.after, values, stored)
        try:
            decision = _verdict.RULES[check.id](t.cast(_verdict.Observations, answers), context)
            return _verdict.accepted(decision, check, settings, target.target.runtime_class)
        except Undecided as undecided:
            problem = undecided
        except (KeyError, TypeError, ValueError) as error:
            # a complete answer without what the rule needs: a probe of another version, or a bug
            problem = Undecided("Internal", f"the rule of {check.id} cannot read the evidence: {error!r}")
    if problem is None:
        problem = Undecided("NoNode", "there is no node to ask")
    if problem.reason in check.skips | _FOR_NONE:
        return _verdict.SKIP, problem.reason, f"not applicable: {problem}", problem.remedy
    return _verdict.ERROR, problem.reason, f"could not tell: cluster {result.cluster}, {problem}", problem.remedy


def _evidence(answer: _ask.Answer) -> dict[str, t.Any]:
    if isinstance(answer, Undecided):
        return {"undecided": answer.reason, "detail": str(answer)}
    return {"step": answer.step, "nonce": answer.nonce, "facts": dict(answer.facts), "calls": list(answer.calls)}
