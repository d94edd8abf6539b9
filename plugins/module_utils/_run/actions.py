# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Steps that the run does itself: restart a container, resize, request admission."""

from __future__ import annotations

import collections.abc
import time
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._command import Command
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.errors import describe
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.exec import Session
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Action
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import parse_bytes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason, quote
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import admission, fitting, manifests, pod_status
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import PlannedStep
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.session import ContainerRun, done


def restart(container: ContainerRun, step: PlannedStep) -> Observation:
    """End the container's own process and wait until the kubelet has started the container again."""
    if container.was_killed:
        return await_restart(container, step)
    before = container.pod.latest()
    restarts = pod_status.restarts(before, container.name) + 1
    with container.exchange() as session:
        container.send(session, step)
        refusal = _refusal(container, session, step)
    if refusal:
        detail = f"process 1, which would end the container, is not its own or cannot be ended ({refusal})"
        raise Inconclusive(Reason.PREMISE_FAILED, detail, container.subject)
    with container.exchange():
        after = container.pod.require(
            lambda pod: pod_status.running(pod, container.name, restarts), f"{container.name} did not restart"
        )
        if pod_status.sandbox_replaced(before, after, container.name):
            raise Inconclusive(
                Reason.PREMISE_FAILED, "the whole pod was restarted, not the container alone", container.pod.subject
            )
    session.close()
    container.connect()
    return done(step, restarts=restarts)


def _refusal(container: ContainerRun, session: Session, step: PlannedStep) -> str:
    """The errno of a process 1 that cannot be ended. The answer of one that ends can be lost with the container."""
    try:
        ended = container.read(session, step)
    except Inconclusive:
        return ""
    return next((str(call["errno"]) for call in ended.calls if "errno" in call), "")


def await_restart(container: ContainerRun, step: PlannedStep) -> Observation:
    """Wait until a container that was killed is started again; one that was not killed is up."""
    restarts, container.restarts = container.restarts, 0
    if restarts:
        container.pod.require(
            lambda pod: pod_status.running(pod, container.name, restarts), f"{container.name} did not restart"
        )
        container.connect()
    return done(step, restarts=restarts)


def add_ephemeral(container: ContainerRun, step: PlannedStep) -> Observation:
    """Add the ephemeral container to the running pod."""
    container.problem = Inconclusive(Reason.CONTAINER_START, f"the ephemeral container {container.name} was not added")
    # the user of the others: admission can have given them one
    user = admission.user(container.pod.stored)
    patch = manifests.ephemeral_patch(container.plan, container.pod.meta, user)
    container.shared.cluster.patch(container.pod.name, "ephemeralcontainers", patch)
    container.pod.require(lambda pod: pod_status.running(pod, container.name), f"{container.name} did not start")
    container.connect()
    return done(step)


def resize(container: ContainerRun, step: PlannedStep) -> Observation:
    """Change the container's memory in place."""
    memory = int(step.args["memory"])
    patch = manifests.resize_patch(container.plan, container.pod.meta, memory)
    container.shared.cluster.patch(container.pod.name, "resize", patch)
    container.pod.require(
        lambda pod: pod_status.resized(pod, container.name, memory), "the kubelet did not finish the resize"
    )
    return done(step, memory_bytes=memory)


def resize_volume(container: ContainerRun, step: PlannedStep) -> Observation:
    """Change the sizeLimit of a volume in place. Whether the kubelet did it is its own claim, not yet a size."""
    volume, size = str(step.args["volume"]), int(step.args["size"])
    patch = manifests.resize_volume_patch(volume, size)
    stored = container.shared.cluster.patch(container.pod.name, "resize", patch)
    limits = {one["name"]: (one.get("emptyDir") or {}).get("sizeLimit") for one in stored["spec"]["volumes"]}
    if limits[volume] is None or parse_bytes(limits[volume]) != size:
        # with the gate off the field is dropped silently
        raise Inconclusive(
            Reason.FEATURE_GATE_OFF, "the API server does not change the sizeLimit of volumes", describe(stored)
        )
    generation = int(stored["metadata"]["generation"])
    pod = container.pod.require(
        lambda pod: pod_status.volume_resize(pod, generation) is not None, "the kubelet did not answer the resize"
    )
    problem = pod_status.volume_resize(pod, generation) or ""
    return done(step, resized=not problem, problem=problem)


def restart_kubelet(container: ContainerRun, step: PlannedStep) -> Observation:
    """Run the user's command. The connection that breaks shows that the kubelet ended, the next one that it is back."""
    node = container.pod.meta.node
    words = [word.replace("{node}", node) for word in container.shared.settings.restart_kubelet]
    seconds = min(container.shared.settings.start_timeout, container.shared.remaining())
    _run_command(words, seconds)
    if not container.session.wait_closed(seconds):
        detail = f"it left the kubelet running: a connection through it did not end in {seconds:g} s"
        raise Inconclusive(Reason.COMMAND_FAILED, f"{words[0]}: {detail}", f"node {node}")
    until = time.monotonic() + seconds
    pause = 0.2
    container.connect()
    while container.problem and time.monotonic() + pause < until:
        # nothing announces when a kubelet serves again
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)
        container.connect()
    pod = container.shared.cluster.get_pod(container.pod.name)
    return done(step, restarts=pod_status.restarts(pod, container.name))


def _run_command(words: t.Sequence[str], seconds: float) -> None:
    """Run a command of the user's. What it prints can hold anything, so only its last line is quoted.

    :raises Inconclusive: CommandFailed.
    """
    try:
        command = Command(words, "stderr")
        stderr = command.output(seconds)
    except OverflowError:
        raise Inconclusive(Reason.COMMAND_FAILED, f"{words[0]} wrote too much, and was killed") from None
    except TimeoutError:
        raise Inconclusive(Reason.COMMAND_FAILED, f"{words[0]} did not end within {seconds:g} s") from None
    except OSError as error:
        raise Inconclusive(Reason.COMMAND_FAILED, f"{words[0]}: {error.strerror}") from None
    if command.code:
        last = (stderr.decode("utf-8", "replace").strip().splitlines() or ["it wrote nothing to stderr"])[-1]
        raise Inconclusive(Reason.COMMAND_FAILED, f"{words[0]} ended with {command.code}: {quote(last)}")


def admit(container: ContainerRun, step: PlannedStep) -> Observation:
    """Send the container's pod as a dry run: what of it would the API server admit, and what would it change?"""
    pod = container.pod
    manifest = pod.manifest()
    refused_by, detail, refused = "", "", [one.name for one in pod.plan.containers]
    by_log = {"by_log": True} if pod.plan.has_scripts else {}
    try:
        stored = pod.when_free(lambda: container.shared.cluster.create(manifest, dry_run=True))
    except Inconclusive as problem:
        refusal = pod.explained_invalid(problem) if problem.reason is Reason.INVALID else problem
        if refusal.reason not in fitting.REFUSED or pod_status.quota_is_taken(refusal):
            raise refusal from None
        refused_by, detail = refusal.reason.value, refusal.detail
        try:
            left = container.shared.fitted(pod.meta, pod.plan, refusal)
        except Inconclusive:
            return done(step, admitted=False, refused_by=refused_by, detail=detail, refused=" ".join(refused), **by_log)
        manifest = manifests.pod(left.meta, left.plan, container.shared.anchor_uid)
        stored = pod.when_free(lambda: container.shared.cluster.create(manifest, dry_run=True))
        adapted = {"users": not left.meta.names_users, "cpu": left.meta.cpu_share != pod.meta.cpu_share}
        return done(
            step,
            admitted=False,
            refused_by=refused_by,
            detail=detail,
            refused=" ".join(one.name for one in left.dropped),
            without=" ".join(name for name, is_without in adapted.items() if is_without),
            changed="; ".join(admission.changes(manifest, stored, [one.name for one in left.plan.containers])),
            **by_log,
        )
    return done(
        step,
        admitted=True,
        changed="; ".join(admission.changes(manifest, stored, refused)),
        unknown=", ".join(admission.unknown(manifest, stored)),
        **by_log,
    )


ACTIONS: t.Final[dict[str, collections.abc.Callable[[ContainerRun, PlannedStep], Observation]]] = {
    Action.RESTART: restart,
    Action.AWAIT_RESTART: await_restart,
    Action.ADD_EPHEMERAL: add_ephemeral,
    Action.RESIZE: resize,
    Action.RESIZE_VOLUME: resize_volume,
    Action.RESTART_KUBELET: restart_kubelet,
    Action.ADMIT: admit,
}
