# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The pods and containers of a run as objects: create a pod, wait for it, and talk to the probe in a container."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import math
import threading
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.client import Cluster
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.errors import describe_container, describe_pod
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.exec import Session
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.watch import PodWatch
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Container,
    ContainerKind,
    PodOptions,
    Settings,
    Transport,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import protocol
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import BROKEN, NO_EXEC, Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import admission, fitting, manifests, pod_status
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.lost import Losses
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import PlannedStep

Object: t.TypeAlias = "dict[str, t.Any]"

T = t.TypeVar("T")

#: The probe keeps a step's deadline itself; this much later (seconds) it is taken for dead.
_STEP_SLACK: t.Final = 3

#: When (seconds) to look for the first time why a pod has not started; then after twice as long, and so on.
_LOOK_SECONDS: t.Final = 5

#: Room is looked for so often (seconds), and this part of a target's time is left for what runs in it.
_ROOM_SECONDS: t.Final = 4
_REST: t.Final = 3

#: What a layout needs (seconds) to leave its room to others and begin again.
_AGAIN_SECONDS: t.Final = 20

#: Reasons after which what comes over a session is no longer the answer to what was sent.
_OUT_OF_STEP: t.Final = frozenset({Reason.TIMEOUT, Reason.BAD_OUTPUT})

#: After so many sessions in a row without an answer, none is opened again.
_SILENT_SESSIONS: t.Final = 2

#: How long (seconds) the node gets to report a container whose probe has just ended.
_REPORT_SECONDS: t.Final = 2


class Crowded(Exception):
    """Others have the room that a pod waits for, and it has lost patience."""


class NoExec(Exception):
    """Nothing can be exec'd in a container, and another way is open (:attr:`Shared.no_exec`)."""


@dataclasses.dataclass
class Shared:
    """What all layouts of a run share."""

    cluster: Cluster
    settings: Settings
    watch: PodWatch
    #: the end of the run (monotonic)
    until: float
    dry_run: bool
    anchor_uid: str = ""
    #: what the end means, in words
    out_of_time: str = "the run took longer than its time"
    #: no step begins any more
    stopping: threading.Event = dataclasses.field(default_factory=threading.Event)
    losses: Losses = dataclasses.field(default_factory=Losses)
    #: by target and control: why it has no answer there
    failed_controls: dict[tuple[str, str], Inconclusive] = dataclasses.field(default_factory=dict)
    #: everything that was created, for the clean-up
    created: list[Object] = dataclasses.field(default_factory=list)
    #: every session that was opened, to wake the threads that wait in it
    sessions: list[Session] = dataclasses.field(default_factory=list)
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    #: why steps cannot be exec'd, where they go by log instead
    no_exec: list[Inconclusive] = dataclasses.field(default_factory=list)
    #: by target: in which way pods are admitted where the usual one is refused, None where none is
    ways: dict[str, manifests.RunMeta | None] = dataclasses.field(default_factory=dict)
    ways_lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    #: lets another layout begin: this one waits, and does no work
    give_place: collections.abc.Callable[[], None] = lambda: None

    @property
    def by_log(self) -> bool:
        """Whether containers run their steps themselves, and their answers come by log."""
        return self.settings.transport is Transport.LOG or bool(self.no_exec)

    def choose_way(self, no_pod: str) -> None:
        """Go without exec from the start where it is refused whatever the pod; :meth:`require_way` finds what else hinders it.

        :param no_pod: the name of none.
        """
        if self.settings.transport is Transport.AUTO and not self.dry_run:
            refusal = self.cluster.exec_refusal(no_pod, self.remaining())
            self.no_exec += [refusal] if refusal else []

    def require_way(self, problem: Inconclusive | None) -> None:
        """Go without exec from now on if that is why there is no session with a container.

        :raises NoExec: it is; begin again.
        """
        if problem and problem.reason in NO_EXEC and self.settings.transport is Transport.AUTO:
            self.no_exec.append(problem)
            raise NoExec

    @property
    def why_no_exec(self) -> str:
        """Why steps go by log, in words; nothing where nobody was refused an exec."""
        return next((f"{one.reason}: {one}" for one in self.no_exec), "")

    def refusal(self, meta: manifests.RunMeta, plan: manifests.PodPlan) -> Inconclusive | None:
        """Why a pod would be refused (a dry run), or nothing. Room in a quota is what the pod itself waits for."""
        try:
            self.cluster.create(manifests.pod(meta, plan, self.anchor_uid), dry_run=True)
        except Inconclusive as problem:
            return None if pod_status.quota_is_taken(problem) else problem
        return None

    def fitted(self, meta: manifests.RunMeta, plan: manifests.PodPlan, refusal: Inconclusive) -> fitting.Fitted:
        """What is admitted of a refused pod.

        :raises Inconclusive: nothing is.
        """
        if refusal.reason not in fitting.REFUSED:
            raise refusal
        with self.ways_lock:
            if meta.target not in self.ways:
                try:
                    self.ways[meta.target] = fitting.found_way(meta, plan, self.refusal)
                except Inconclusive:
                    # another pod can know more
                    raise refusal from None
            way = self.ways[meta.target]
        if way is None:
            raise refusal
        return fitting.fitted(way, plan, refusal, self.refusal)

    def create(self, manifest: Object) -> Object:
        """Create an object and remember it."""
        stored = self.cluster.create(manifest, self.dry_run)
        with self.lock:
            self.created.append(stored)
        admission.require_owner(manifest, stored)
        return stored

    def remaining(self) -> float:
        """How much time is left for the run, in seconds.

        :raises Inconclusive: Timeout, none is; Interrupted, the run ends.
        """
        if self.stopping.is_set():
            raise Inconclusive(Reason.INTERRUPTED, "the run ends")
        remaining = self.until - time.monotonic()
        if remaining <= 0:
            raise Inconclusive(Reason.TIMEOUT, self.out_of_time)
        return remaining

    def last_start(self) -> float:
        """Until when (monotonic) to wait so that there is time for what is to run then."""
        return self.until - self.settings.timeout / _REST

    def can_begin_again(self, after: float = 0) -> bool:
        """Whether there is time to leave room to others after some seconds, and to begin again."""
        return time.monotonic() + after + _AGAIN_SECONDS <= self.last_start()

    def when_free(
        self, create: collections.abc.Callable[[], Object], began: float, patience: float = math.inf
    ) -> Object:
        """What a request for an object returns, as soon as no quota is used up that could hold the object.

        :param began, patience: as of :meth:`await_room`.
        :raises Inconclusive: it is refused.
        """
        stored: Object = {}

        def attempt(seconds: float) -> Inconclusive | None:
            self.stopping.wait(seconds)
            try:
                stored.update(create())
            except Inconclusive as refusal:
                if self.dry_run or not pod_status.quota_is_taken(refusal):
                    raise
                return refusal
            return None

        self.await_room("in the quota", attempt, began, patience)
        return stored

    def await_room(
        self,
        where: str,
        look: collections.abc.Callable[[float], Inconclusive | None],
        began: float,
        patience: float = math.inf,
    ) -> None:
        """Wait until others leave room, without the time that start_timeout counts.

        The wait ends early enough for what is to run then.

        :param look: looks for so many seconds, and returns what is missing.
        :param began: since when (monotonic) it is waited for.
        :param patience: for how long (seconds) to wait, if not as long as there is time.
        :raises Crowded: there was none for as long as patience lasts.
        :raises Inconclusive: what is missing, with how long it was waited for; Interrupted.
        """
        until = self.last_start()
        crowded = time.monotonic() + patience if self.can_begin_again(patience) else until
        missing, pause = look(0), 1
        while missing:
            self.give_place()
            # nothing is waited for when the run ends
            self.remaining()
            now = time.monotonic()
            if now >= until:
                words = f"waited {now - began:.0f} s (option timeout) for room {where}: {missing.detail}"
                raise Inconclusive(missing.reason, words if now - began >= 1 else missing.detail, missing.subject)
            if now >= crowded:
                raise Crowded
            missing, pause = look(min(pause, crowded - now)), min(pause + 1, _ROOM_SECONDS)

    def within(self, seconds: float) -> Shared:
        """The same for one target that has so many seconds from now on, and no more than the run."""
        until = time.monotonic() + seconds
        if until >= self.until:
            return self
        words = f"the checks of this target took longer than {seconds:g} s (option timeout)"
        return dataclasses.replace(self, until=until, out_of_time=words)


class PodRun:
    """One pod of a run."""

    def __init__(self, shared: Shared, meta: manifests.RunMeta, plan: manifests.PodPlan) -> None:
        self.shared = shared
        self.meta = meta
        self.plan = plan
        self.name = manifests.object_name(meta, plan.name)
        self.subject = describe_pod(meta.namespace, self.name)
        #: as it was requested, and as the API server stored it
        self.requested: Object = {}
        self.stored: Object = {}
        #: until when (monotonic) to wait for the node's report of the pod's first trouble
        self._report_until: float | None = None
        #: since when (monotonic) it waits for room, and for how long (seconds) it does if not as long as there is time
        self.began = time.monotonic()
        self.patience = math.inf
        #: what of the pod is refused, and why
        self.dropped: dict[Container, Inconclusive] = {}

    def manifest(self) -> Object:
        """The pod as it is requested."""
        return manifests.pod(self.meta, self.plan, self.shared.anchor_uid)

    def create(self) -> None:
        """Create it, or what the cluster admits of it (:attr:`dropped`).

        :raises Inconclusive: FeatureGateOff, the cluster drops what the pod is about; and what the API server says.
        """
        self._create()
        try:
            admission.require_known(self.requested, self.stored)
        except Inconclusive:
            if not self.shared.dry_run:
                self.delete()
            raise

    def _create(self) -> None:
        try:
            self.requested = self.manifest()
            self.stored = self.when_free(lambda: self.shared.create(self.requested))
        except Inconclusive as refusal:
            if refusal.reason is Reason.INVALID:
                raise self.explained_invalid(refusal) from None
            if pod_status.quota_is_taken(refusal):
                raise
            left = self.shared.fitted(self.meta, self.plan, refusal)
            self.meta, self.plan, self.dropped = left.meta, left.plan, left.dropped
            self.requested = self.manifest()
            self.stored = self.when_free(lambda: self.shared.create(self.requested))

    def when_free(self, create: collections.abc.Callable[[], Object]) -> Object:
        """What a request for the pod returns, as soon as no quota is used up that could hold the pod."""
        return self.shared.when_free(create, self.began, self.patience)

    def explained_invalid(self, refusal: Inconclusive) -> Inconclusive:
        """A pod that is invalid because admission changed it: hostUsers false beside hostIPC."""
        plain = dataclasses.replace(self.plan, options=PodOptions(), sysctls=())
        requested = manifests.pod(self.meta, plain, self.shared.anchor_uid)
        try:
            stored = self.shared.cluster.create(requested, dry_run=True)
        except Inconclusive:
            return refusal
        changed = admission.changes(requested, stored, [one.name for one in plain.containers])
        if not changed:
            return refusal
        detail = f"the cluster changed the pod: {', '.join(changed)}; then {refusal.detail}"
        return Inconclusive(Reason.ADMISSION_DENIED, detail, refusal.subject)

    def delete(self) -> None:
        """Delete it, without waiting. The clean-up of the run reports what stays."""
        with contextlib.suppress(Inconclusive):
            self.shared.cluster.delete(self.stored)

    def require_runtime_class(self) -> None:
        """Raise Inconclusive if admission gave the pod another runtime than the one whose name its answers bear."""
        wanted, given = self.meta.runtime_class, self.stored["spec"].get("runtimeClassName", "")
        if wanted and given != wanted:
            detail = f"the cluster changed runtimeClassName {wanted} -> {given or 'none'}"
            raise Inconclusive(Reason.PREMISE_FAILED, detail, self.subject)

    def latest(self) -> Object:
        """The pod as it was last seen; empty where it was not."""
        return self.shared.watch.latest(self.name)

    def wait(self, test: collections.abc.Callable[[Object], bool], seconds: float) -> Object | None:
        """The pod as soon as the test holds, or nothing after some seconds or at the end of the run.

        :raises Inconclusive: PodGone, and what the test raises.
        """
        until = min(self.shared.until, time.monotonic() + seconds)
        return self.shared.watch.wait(self.name, lambda pod: test(self._require_present(pod)), until)

    def _require_present(self, pod: Object) -> Object:
        if not pod:
            raise Inconclusive(Reason.POD_GONE, "it was deleted, and not by podshm", self.subject)
        return pod

    def require(self, test: collections.abc.Callable[[Object], bool], missing: str) -> Object:
        """The pod as soon as the test holds.

        :param missing: what did not happen, in words.
        :raises Inconclusive: Timeout, it took longer than start_timeout; PodGone; what the test raises.
        """
        seconds = self.shared.settings.start_timeout
        pod = self.wait(test, seconds)
        if not pod:
            raise Inconclusive(Reason.TIMEOUT, f"{missing} within {seconds} s", self.subject)
        return pod

    def await_place(self) -> None:
        """Wait until it has room on its node. Of one that does not come so far, :meth:`await_start` says why."""
        pod = self.wait(lambda pod: bool(pod_status.lacks_room(pod) or pod["spec"].get("nodeName")), _LOOK_SECONDS)
        if pod and pod_status.lacks_room(pod):
            self._require_room(pod)

    def await_start(self, is_alone: bool = True) -> dict[Container, Inconclusive]:
        """Wait until its containers run, on the node that was planned; returns those that do not, and why.

        :param is_alone: whether nothing else waits for it, which needs time afterwards.
        :raises Crowded: the kubelet refused it for lack of room, and there is time to begin again.
        :raises Inconclusive: none does; the reason says why, as far as status and events tell.
        """
        seconds: float = self.shared.settings.start_timeout
        if not is_alone:
            seconds = min(seconds, round(max(0, self.shared.last_start() - time.monotonic())))
        waited, patience = 0.0, float(_LOOK_SECONDS)
        while True:
            patience = min(patience, seconds - waited)
            try:
                started = self.wait(lambda pod: bool(pod_status.lacks_room(pod)) or pod_status.started(pod), patience)
            except Inconclusive as refusal:
                # what is being removed is gone for the scheduler, and still there for the kubelet
                if refusal.reason is Reason.UNSCHEDULABLE and self.shared.can_begin_again():
                    self._require_fit(self.latest(), refusal.detail)
                    raise Crowded from None
                raise
            if started and pod_status.lacks_room(started):
                self._require_room(started)
                waited, patience = 0.0, float(_LOOK_SECONDS)
                continue
            if started:
                self._require_node(started)
                return self._by_container(pod_status.never_start(started))
            if self.shared.stopping.is_set():
                # nobody wants to know why any more, and the clean-up waits for this
                raise Inconclusive(Reason.INTERRUPTED, "the run ends", self.subject)
            waited, patience = waited + patience, patience * 2
            self.shared.give_place()
            self.shared.losses.note_lease(self.shared.cluster, self.meta.node)
            pod = self.latest() or self.stored
            problem = pod_status.not_started(pod, self.shared.cluster.events(pod), seconds)
            # the kubelet tries again and again what the node does not support
            hopeless = problem.reason is Reason.UNSUPPORTED
            if hopeless or waited >= seconds or time.monotonic() >= self.shared.until:
                broken = pod_status.never_start(pod)
                lost = broken | dict.fromkeys(pod_status.not_up(pod), problem)
                if len(lost) == len(pod_status.probe_containers(pod)):
                    raise next(iter(lost.values()))
                self._require_node(pod)
                return self._by_container(lost)

    def _require_fit(self, pod: Object, missing: str) -> None:
        """Raise Inconclusive (Unschedulable) if its node could not hold it alone either."""
        node: Object = {}
        with contextlib.suppress(Inconclusive):
            node = self.shared.cluster.node_now(self.meta.node)
        beyond = pod_status.too_large(pod, node)
        if beyond:
            raise Inconclusive(Reason.UNSCHEDULABLE, f"{missing}: {beyond}", self.subject)

    def _require_room(self, pod: Object) -> None:
        """Wait until its node has room for it.

        :raises Inconclusive: Unschedulable, there is none, or the node can never hold it.
        """
        self._require_fit(pod, pod_status.lacks_room(pod))

        def look(seconds: float) -> Inconclusive | None:
            self.wait(lambda pod: not pod_status.lacks_room(pod), seconds)
            words = pod_status.lacks_room(self.latest())
            return Inconclusive(Reason.UNSCHEDULABLE, words, self.subject) if words else None

        self.shared.await_room(f"on node {self.meta.node}", look, self.began, self.patience)

    def _require_node(self, pod: Object) -> None:
        """Raise Inconclusive (PremiseFailed) if it does not run on the node that was planned."""
        node = pod["spec"].get("nodeName", "")
        if node != self.meta.node:
            detail = f"it runs on node {node}, not on {self.meta.node}: the cluster changed where it can run"
            raise Inconclusive(Reason.PREMISE_FAILED, detail, self.subject)

    def _by_container(self, lost: t.Mapping[str, Inconclusive]) -> dict[Container, Inconclusive]:
        return {one.container: lost[one.name] for one in self.plan.containers if one.name in lost}

    @contextlib.contextmanager
    def explained(self, container: str = "") -> collections.abc.Iterator[None]:
        """Raise the cause behind a failed pod, a broken connection or bad output, as far as pod and log show it.

        :param container: the one that it is about; by default the first that ended.
        """
        try:
            yield
        except Inconclusive as problem:
            if problem.reason not in {Reason.POD_FAILED, Reason.BAD_OUTPUT, *BROKEN}:
                raise
            raise self._cause(container) or problem from None

    def _cause(self, container: str) -> Inconclusive | None:
        def ended(pod: Object) -> list[str]:
            return [each for each in pod_status.aftermath(pod)["terminated"] if container in ("", each)]

        def reported(pod: Object) -> bool:
            return not pod or bool(pod_status.lost(pod) or ended(pod))

        if self._report_until is None:
            self._report_until = time.monotonic() + _REPORT_SECONDS
        try:
            pod = self.shared.watch.wait(self.name, reported, self._report_until)
            if pod is None:
                return None
            if not pod:
                return Inconclusive(Reason.POD_GONE, "it was deleted, and not by podshm", self.subject)
            return pod_status.lost(pod) or pod_status.failure(
                pod, ended(pod)[0], self.shared.cluster.log(self.name, ended(pod)[0])
            )
        except Inconclusive:
            return None


class ContainerRun:
    """One container of a run: the session with its probe, or what keeps steps from running in it.

    It is open, broken (:attr:`problem`), or killed: then :attr:`restarts` says how often the kubelet has started it when it
    is back.
    """

    def __init__(self, pod: PodRun, plan: manifests.ContainerPlan) -> None:
        self.pod = pod
        self.plan = plan
        self.shared = pod.shared
        self.name = plan.name
        self.subject = describe_container(pod.meta.namespace, pod.name, plan.name)
        self.problem: Inconclusive | None = None
        self.restarts = 0
        self._session: Session | None = None
        #: how many exchanges in a row had no answer in time
        self._silent = 0

    @property
    def has_session(self) -> bool:
        """Whether its steps are exec'd, from the start of the pod on."""
        return self.plan.container.kind in (ContainerKind.MAIN, ContainerKind.SIDECAR)

    @property
    def was_killed(self) -> bool:
        """Whether it was killed and has not been connected to again."""
        return bool(self.restarts)

    @property
    def session(self) -> Session:
        """The open session.

        :raises Inconclusive: ExecTransport, there is none.
        """
        if self._session is None:
            raise Inconclusive(Reason.EXEC_TRANSPORT, "there is no session with the probe", self.subject)
        return self._session

    def connect(self) -> None:
        """Open a session. What prevents it becomes :attr:`problem`, for the steps that need the container."""
        try:
            with self.pod.explained(self.name):
                session = self.open()
        except Inconclusive as problem:
            self.problem = problem
            return
        self.problem, self._session = None, session
        with self.shared.lock:
            self.shared.sessions.append(session)

    def open(self) -> Session:
        """A new session."""
        # it ends by itself if nobody is left to end it
        seconds = self.shared.settings.timeout + _STEP_SLACK
        return self.shared.cluster.exec(
            self.pod.name,
            self.name,
            (manifests.PROBE, "session", f"deadline={seconds}"),
            self.shared.remaining(),
            explain=pod_status.start_failure,
        )

    def reconnect(self) -> None:
        """Open a session again where the last one is of no use: one lost in one check must not fail the next."""
        if self.problem and not self.was_killed and (self.problem.reason in BROKEN or self._is_out_of_step()):
            self.close()
            self.connect()

    def _is_out_of_step(self) -> bool:
        """Whether a session went bad in a container that runs on.

        Not where a second session in a row got no answer: it would cost the other containers the time of the run.
        """
        if not self.problem or self.problem.reason not in _OUT_OF_STEP or self._silent >= _SILENT_SESSIONS:
            return False
        return "running" in ((pod_status.states(self.pod.latest()).get(self.name) or {}).get("state") or {})

    def close(self) -> None:
        """End the session: the probe sees the end of its input and removes what it created."""
        if self._session:
            self._session.close()

    def seconds(self) -> float:
        """How long to wait for the probe."""
        return min(self.shared.settings.step_timeout + _STEP_SLACK, self.shared.remaining())

    @contextlib.contextmanager
    def exchange(self) -> collections.abc.Iterator[Session]:
        """The session for one exchange. After a bad answer its stream is out of step for good.

        :raises Inconclusive: what broke it, now or earlier.
        """
        if self.problem:
            raise self.problem
        try:
            with self.pod.explained(self.name):
                yield self.session
        except Inconclusive as problem:
            self.problem = problem
            self._silent += problem.reason is Reason.TIMEOUT
            raise

    def begin(self, step: PlannedStep) -> None:
        """Send a step; if it is one that blocks, wait until it does."""
        with self.exchange() as session:
            self.send(session, step)
            if step.step.blocks:
                self.patiently(lambda seconds: session.wait_for(lambda data: protocol.ready(data, step.nonce), seconds))

    def finish(self, step: PlannedStep) -> Observation:
        """Read the answer of a step that was sent."""
        entry = pod_status.states(self.pod.latest()).get(self.name) or {}
        try:
            with self.exchange() as session:
                return self.read(session, step)
        except Inconclusive as problem:
            if step.step.may_be_oom_killed and problem.reason in (Reason.EXEC_TRANSPORT, Reason.POD_FAILED):
                return self._out_of_memory(step, entry, problem)
            raise

    def send(self, session: Session, step: PlannedStep) -> None:
        """Let the probe begin a step."""
        session.send(protocol.command(*step.request), self.seconds())

    def read(self, session: Session, step: PlannedStep) -> Observation:
        """Read the answer of a step."""
        answer = self.patiently(
            lambda seconds: session.read_answer(lambda data: self.complete(data, step.nonce), seconds)
        )
        self._silent = 0
        return self.parsed(answer, step)

    def complete(self, data: bytes, nonce: str) -> int | None:
        """Where the answer to a step ends in all that came; nothing as long as it is not complete."""
        return protocol.complete(data, nonce)

    def patiently(self, wait: collections.abc.Callable[[float], T]) -> T:
        """What a wait for the probe returns, which takes so many seconds at most."""
        return wait(self.seconds())

    def _out_of_memory(self, step: PlannedStep, entry: Object, problem: Inconclusive) -> Observation:
        """The answer of a step whose container ended with it, if the kubelet reports that the kernel killed it for memory.

        :param entry: the status of the container while it ran.
        """
        run = str(entry.get("containerID", ""))
        pod = self.pod.wait(
            lambda pod: pod_status.finished(pod, self.name, run) is not None, self.shared.settings.start_timeout
        )
        if not pod or pod_status.finished(pod, self.name, run) != "OOMKilled":
            raise problem
        self.restarts = int(entry.get("restartCount", 0)) + 1
        self.close()
        return done(step, stopped_by="OOMKilled")

    def logged(self, step: PlannedStep) -> Observation:
        """The answer of a step that was the container's own command."""
        with self.pod.explained(self.name):
            return self.parsed(self.shared.cluster.log(self.pod.name, self.name), step)

    def parsed(self, answer: bytes, step: PlannedStep) -> Observation:
        """The observation in an answer.

        :raises Inconclusive: BadOutput, with the container that it is about.
        """
        try:
            return protocol.parse(answer, step.request[0], step.nonce)
        except Inconclusive as problem:
            raise Inconclusive(problem.reason, problem.detail, problem.subject or self.subject) from None


def done(step: PlannedStep, **facts: int | str) -> Observation:
    """The observation of a step that the run itself did."""
    return Observation(step.name, step.nonce, facts, (), None)
