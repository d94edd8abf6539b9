# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Answers -> verdicts: one rule per check, and the controls above all of them (pure)."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _model, _pod
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import controls_of, depends_on
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    SHM,
    Check,
    Context,
    Group,
    PodSeen,
    Seen,
    Settings,
    Sizes,
    Target,
    Verdict,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import (
    POLICIES,
    REFUSALS,
    REMEDIES,
    Inconclusive,
    Reason,
    line,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import admission
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.results import Answer, LayoutResult

#: Reasons that make every check SKIP, whatever it declares.
_SKIPS_OF_ALL: t.Final = frozenset({Reason.NOT_LINUX})


@dataclasses.dataclass(frozen=True)
class Ruling:
    """What is said of a check on a target."""

    verdict: Verdict
    observed: str
    remedy: str = ""
    reason: Reason | None = None


@dataclasses.dataclass(frozen=True)
class Judge:
    """What all checks of one target are judged with.

    :param cluster: its name, for messages.
    :param target: nothing where no node could be used.
    :param results: by name of the layout.
    :param problem: what ended the run, if anything did.
    :param runtime_class: what is judged where no node can run it.
    :param is_closed: whether not even a pod that demands nothing is admitted: then a refusal says nothing of a demand.
    """

    cluster: str
    settings: Settings
    sizes: Sizes
    texts: t.Mapping[str, str]
    target: Target | None
    results: t.Mapping[str, LayoutResult]
    problem: Inconclusive | None
    runtime_class: str = ""
    is_closed: bool = False

    def judge(self, checks: t.Sequence[Check]) -> tuple[list[dict[str, t.Any]], list[dict[str, t.Any]]]:
        """The checks and their controls as they are returned. If a control does not hold, nothing that depends on it is decided."""
        controls = {control: self._ruling(control) for control in controls_of(checks)}
        broken = {control: ruling for control, ruling in controls.items() if ruling.verdict.is_bad}
        returned = []
        for check in checks:
            ruling = self._ruling(check)
            control = next((control for control in broken if depends_on(check, control)), None)
            refused = ruling.verdict is Verdict.SKIP and ruling.reason in REFUSALS
            if control and (refused or ruling.verdict.is_decided):
                words = f"{control.id} does not hold: {broken[control].observed}"
                ruling = self._undecided(Inconclusive(Reason.CONTROL_FAILED, words))
            returned.append(self._returned(check, ruling))
        return returned, [self._returned(control, ruling) for control, ruling in controls.items()]

    def _answers(self, check: Check) -> t.Mapping[str, Answer]:
        result = self.results.get(check.layout.name)
        return result.answers.get(check.id, {}) if result else {}

    def _ruling(self, check: Check) -> Ruling:
        ruling = self._decide(check)
        if not ruling.verdict.is_bad and ruling.verdict is not Verdict.WARN:
            return ruling
        changes = self._changes(check)
        if not changes:
            return ruling
        return dataclasses.replace(
            ruling, observed=f"{ruling.observed}; the cluster changed the pod: {', '.join(changes)}"
        )

    def _decide(self, check: Check) -> Ruling:
        if not check.is_enabled(self.settings):
            detail = f"the option {check.option} is not set"
            return self._skipped(Inconclusive(Reason.NOT_REQUESTED, detail))
        answers = self._answers(check)
        problem = next((answer for answer in answers.values() if isinstance(answer, Inconclusive)), None)
        problem = problem or self.problem or self._image_volume(check) or self._taken(check)
        if problem is None and self.target is None:
            problem = Inconclusive(Reason.NO_NODE, "there is no node to run on")
        if problem is None and check.steps and not answers:
            return Ruling(
                Verdict.SKIP,
                "the API server would admit every object of the run",
                REMEDIES[Reason.CHECK_MODE],
                Reason.CHECK_MODE,
            )
        if problem is None:
            observations = {label: answer for label, answer in answers.items() if isinstance(answer, Observation)}
            try:
                _require_done(observations.values())
                decision = check.rule(Seen(check.steps, observations), self._context(check))
                if decision.verdict is Verdict.FAIL:
                    self._require_same_users(check)
                return self._accepted(check, decision)
            except Inconclusive as undecided:
                problem = undecided
            except (KeyError, TypeError, ValueError) as error:
                # a complete answer without what the rule needs: a probe of another version, or a bug
                problem = Inconclusive(Reason.INTERNAL, f"the rule of {check.id} cannot read the evidence: {error!r}")
        # what ended the run, and what refuses every pod, says nothing of what this check demands
        is_refused_as_all = problem.reason in POLICIES and (self.is_closed or problem is self.problem)
        if problem.reason in check.skips | _SKIPS_OF_ALL and not is_refused_as_all:
            return self._skipped(_with_version(problem, check))
        return self._undecided(problem)

    def _skipped(self, problem: Inconclusive) -> Ruling:
        return Ruling(Verdict.SKIP, f"not applicable: {problem}", problem.remedy, problem.reason)

    def _undecided(self, problem: Inconclusive) -> Ruling:
        observed = f"undecided: cluster {self.cluster}, {problem}"
        return Ruling(Verdict.ERROR, observed, problem.remedy, problem.reason)

    def _accepted(self, check: Check, decision: _model.Decision) -> Ruling:
        """What the user accepts with a reason. Under one RuntimeClass (V(SHM101@gvisor)) goes before everywhere."""
        runtime_class = self.target.runtime_class if self.target else ""
        why = self.settings.accept.get(f"{check.id}@{runtime_class}") or self.settings.accept.get(check.id)
        if decision.verdict is Verdict.FAIL and why:
            return Ruling(Verdict.WARN, f"{decision.observed}{_model.ACCEPTED}{why}", decision.fix)
        return Ruling(decision.verdict, decision.observed, decision.fix)

    def _context(self, check: Check) -> Context:
        if self.target is None:
            raise Inconclusive(Reason.NO_NODE, "there is no node to run on")
        result = self.results.get(check.layout.name) or LayoutResult()
        pods = {
            role: pod_seen(role, stored, result.after.get(role), result.unseen.get(role))
            for role, (_requested, stored) in result.pods.items()
        }
        return Context(self.settings, self.sizes, self.target.node, pods, check.layout, self._refusals())

    def _refusals(self) -> dict[str, str]:
        """What a rule of the cluster refused in this run: by role of the pod, or else by its words."""
        found: dict[str, str] = {}
        for result in self.results.values():
            found |= {role: str(problem) for role, problem in result.refused.items()}
            # of a pod that is there in part, each container that is not has words of its own
            known = {problem.subject for problem in result.refused.values()}
            for answers in result.answers.values():
                found |= {
                    str(one): str(one)
                    for one in answers.values()
                    if isinstance(one, Inconclusive) and one.reason in POLICIES and one.subject not in known
                }
        return found

    def _users(self, check: Check) -> t.Iterator[tuple[str, bool]]:
        """Users that the cluster changed for containers of the check: in words, and whether two became one."""
        result = self.results.get(check.layout.name) or LayoutResult()
        for requested, stored in result.pods.values():
            inside = [step.container.name for step in check.steps]
            yield from admission.changed_users(requested, stored, inside)

    def _taken(self, check: Check) -> Inconclusive | None:
        """A check about what the cluster took away: two users where it allows one, or what sets the pod apart from others."""
        words = next((f"users: {words}" for words, became_one in self._users(check) if became_one), "")
        result = self.results.get(check.layout.name) or LayoutResult()
        inside = [step.container.name for step in check.steps]
        words = words or next(filter(None, (admission.taken(*pod, inside) for pod in result.pods.values())), "")
        return Inconclusive(Reason.ADMISSION_DENIED, f"the cluster changed {words}") if words else None

    def _image_volume(self, check: Check) -> Inconclusive | None:
        """A check about the runtime's /dev/shm where the image declares a volume there, in every container that mounts none."""
        # a control is about the mechanism, which works there, too
        if check.group is Group.CONTROL or not any(step.uses_runtime_shm for step in check.steps):
            return None
        for result in self.results.values():
            for answer in (answer for answers in result.answers.values() for answer in answers.values()):
                if isinstance(answer, Observation) and _is_image_volume(answer):
                    images = {
                        one["image"]
                        for sent, pod in result.pods.values()
                        for one in pod["spec"]["containers"]
                        # an injected container has an image of its own
                        if one["name"] in {each["name"] for each in sent["spec"]["containers"]}
                    }
                    detail = (
                        f"it declares a VOLUME on {SHM}, which hides the runtime's in containers that mount none there"
                    )
                    return Inconclusive(Reason.IMAGE_VOLUME, detail, f"image {', '.join(sorted(images))}")
        return None

    def _require_same_users(self, check: Check) -> None:
        """Raise Inconclusive (PremiseFailed) if the cluster parted containers that were requested with one user."""
        for words, became_one in self._users(check):
            if not became_one:
                raise Inconclusive(Reason.PREMISE_FAILED, f"the cluster changed users: {words}")

    def _changes(self, check: Check) -> list[str]:
        """What the cluster changed of the check's pods, which can be the cause of its verdict."""
        result = self.results.get(check.layout.name)
        containers = tuple(dict.fromkeys(step.container.name for step in check.steps))
        pods = result.pods.values() if result else ()
        texts = (
            text for pod in pods for text in (*admission.changes(*pod, containers), *admission.placing_changes(*pod))
        )
        return list(dict.fromkeys(texts))

    def _returned(self, check: Check, ruling: Ruling) -> dict[str, t.Any]:
        """One check as it is returned: its verdict, what was expected and observed, the remedy and the evidence."""
        result = self.results.get(check.layout.name)
        changes = self._changes(check)
        evidence = {label: _evidence(answer) for label, answer in self._answers(check).items()}
        return {
            "id": check.id,
            "name": check.name,
            "group": check.group.value,
            "node": self.target.node.name if self.target else "",
            "runtime_class": self.target.runtime_class if self.target else self.runtime_class,
            "question": check.question.format_map(self.texts),
            "verdict": ruling.verdict.value,
            "reason": ruling.reason.value if ruling.reason else "",
            "expected": check.expected.format_map(self.texts),
            # it can quote what a container printed, which the roles show as it is
            "observed": line(ruling.observed),
            "remedy": ruling.remedy,
            # a PASS has it here alone
            "evidence": {**evidence, **({"admission": {"changed": changes}} if changes else {})},
            "duration": round(result.seconds.get(check.id, 0.0) if result else 0.0, 3),
        }


def _with_version(problem: Inconclusive, check: Check) -> Inconclusive:
    """A problem that another version of Kubernetes does not have, with that version."""
    if problem.reason is not Reason.FEATURE_GATE_OFF or check.needs is None:
        return problem
    return Inconclusive(problem.reason, f"{problem.detail}; {check.needs.words}", problem.subject)


#: Where runtimes keep the volumes that an image declares: containerd, CRI-O, Docker.
_IMAGE_VOLUME: t.Final = re.compile(r"/(volumes|mounts)/[0-9a-f]{64}(/_data)?")


def _is_image_volume(observation: Observation) -> bool:
    """Whether the container has such a volume on /dev/shm."""
    facts = observation.facts
    return facts.get("mount_point") == SHM and bool(_IMAGE_VOLUME.search(str(facts.get("mount_root", ""))))


#: Why a process cannot start, by the errno of fork.
_NO_PROCESS: t.Final = {"EAGAIN": Reason.PIDS_LIMIT, "EPERM": Reason.PROBE_ERROR, "ENOSYS": Reason.PROBE_ERROR}


def _require_done(observations: t.Iterable[Observation]) -> None:
    """Raise Inconclusive if the probe refused a step or could not do it: that is no failure of what it measures."""
    for observation in observations:
        for call in observation.calls:
            if call.get("call") == "fork" and "errno" in call:
                # its child did nothing: that errno is none of what the child would have tried
                errno = str(call["errno"])
                raise Inconclusive(
                    _NO_PROCESS.get(errno, Reason.PREMISE_FAILED),
                    f"the step {observation.step} cannot start a process (fork: {errno})",
                )
        if observation.refused:
            raise Inconclusive(
                Reason.PROBE_ERROR,
                f"the probe refused the step {observation.step}: {observation.error or ''}",
            )


def pod_seen(
    role: str,
    stored: t.Mapping[str, t.Any],
    after: t.Mapping[str, t.Any] | None,
    unseen: Inconclusive | None = None,
) -> PodSeen:
    """A pod for the rules.

    :param stored: as the API server stored it.
    :param after: its aftermath, or nothing where nobody saw it.
    :param unseen: why nobody did.
    """
    terminated = after["terminated"] if after else {}
    return PodSeen(
        role=role,
        spec=stored["spec"],
        memory_limit=_pod.memory_limit(stored["spec"]),
        container_limits=admission.container_limits(stored),
        phase=after["phase"] if after else None,
        reason=after["reason"] if after else "",
        exit_codes={name: state["exit_code"] for name, state in terminated.items()},
        unseen=unseen,
    )


def _evidence(answer: Answer) -> dict[str, t.Any]:
    if isinstance(answer, Inconclusive):
        return {"undecided": answer.reason.value, "detail": str(answer)}
    return {
        "step": str(answer.step),
        "nonce": answer.nonce,
        "facts": dict(answer.facts),
        "calls": list(answer.calls),
    }
