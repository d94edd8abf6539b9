# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proofs over a cluster that is made up: on which node, what costs whom, and the pods. The rest needs a kernel (tests/cluster)."""

from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Settings
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._overlay import RUN_LABEL
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import manifests, proof
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.measures import Planner
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.scripts import Scripts, scripts
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import proof as pure
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.manifests import workloads_of

Object = dict[str, t.Any]
SETTINGS = Settings(timeout=30, total_timeout=60)


def node(name: str, **more: t.Any) -> Object:
    status = {
        "nodeInfo": {"architecture": "amd64", "operatingSystem": "linux"},
        "conditions": [{"type": "Ready", "status": "True"}],
        "allocatable": {"memory": "1Gi"},
        "images": [{"names": ["registry.k8s.io/pause:3.10"], "sizeBytes": 1}],
    }
    return {"metadata": {"name": name, "labels": {"n": name}}, "spec": more, "status": status}


class Fake:
    """A cluster: its nodes, or why they are not shown."""

    def __init__(self, *nodes: Object | Inconclusive) -> None:
        self._nodes = nodes

    def nodes(self) -> list[Object]:
        for one in self._nodes:
            if isinstance(one, Inconclusive):
                raise one
        return list(t.cast("tuple[Object, ...]", self._nodes))

    def node(self, name: str) -> Object | None:
        return None

    def runtime_class(self, name: str) -> Object | None:
        return None


def audited(namespace: str = "n", **spec: t.Any) -> audit.Audit:
    metadata = {"name": "p", "namespace": namespace, "annotations": {"podshm.abcdesktop.io/needs": "posix_shm=100Mi"}}
    pod = {"kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "c", "image": "x"}], **spec}}
    return audit.audit(workloads_of(pod)[0], PROGRAMS)


def target(*nodes: Object | Inconclusive, image: str = "", **spec: t.Any) -> t.Any:
    settings = Settings(image=image)
    return proof._Nodes(t.cast("t.Any", Fake(*nodes))).target(audited(**spec), settings)


def test_a_live_pod_is_proved_on_its_node() -> None:
    found = target(node("a"), node("b"), nodeName="b")
    assert (found.node.name, found.node.image, found.runtime_class) == ("b", "registry.k8s.io/pause:3.10", "")


def test_a_template_is_proved_on_a_node_that_it_selects_and_tolerates() -> None:
    taint = [{"key": "t", "value": "v", "effect": "NoSchedule"}]
    nodes = (node("a"), node("b", taints=taint))
    assert target(*nodes).node.name == "a"
    tolerations = [{"key": "t", "operator": "Exists"}]
    assert target(*nodes, nodeSelector={"n": "b"}, tolerations=tolerations).node.name == "b"
    for wrong, words in (({"n": "c"}, "no node has what the template selects"), ({"n": "b"}, "taint t")):
        with pytest.raises(Inconclusive, match=words):
            target(*nodes, nodeSelector=wrong)


def test_a_node_that_is_gone_or_that_nobody_may_look_at() -> None:
    with pytest.raises(Inconclusive, match="not in the cluster any more"):
        target(node("a"), nodeName="b")
    forbidden = Inconclusive(Reason.FORBIDDEN, "no", "nodes")
    with pytest.raises(Inconclusive, match="name one with the option image"):
        target(forbidden, nodeName="b")
    assert target(forbidden, nodeName="b", image="i").node.image == "i"
    with pytest.raises(Inconclusive, match="no"):
        target(forbidden)


def jobs(*namespaces: str) -> list[proof.Job]:
    found = [proof.Job.of(one, one.facts()) for one in map(audited, namespaces)]
    assert all(found)
    return t.cast("list[proof.Job]", found)


def test_only_what_has_known_needs_is_worth_a_proof() -> None:
    (work,) = workloads_of({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}})
    found = audit.audit(work, PROGRAMS)
    assert proof.Job.of(found, found.facts()) is None


def test_a_spec_that_nobody_has_thought_of_costs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pure, "questions", lambda _found, _spec: 1 / 0)
    found = audited()
    facts = found.facts()
    assert proof.Job.of(found, facts) is None
    assert facts["status"] == "ERROR"
    assert facts["proof"][0]["observed"][0].startswith("Internal: ZeroDivisionError in test_proof.py:")


def test_a_namespace_that_is_refused_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def cluster(_source: object, namespace: str, _seconds: float) -> Fake:
        if namespace == "n":
            raise Inconclusive(Reason.UNAUTHORIZED, "no", "API server x")
        return Fake()

    monkeypatch.setattr(proof, "Cluster", cluster)
    made, left = jobs("n", "m"), []  # type: tuple[list[proof.Job], list[str]]
    proof.prove(t.cast("t.Any", None), made, SETTINGS, False, left)
    first, second = (job.facts["proof"] for job in made)
    assert [each["shape"] for each in first] == ["as it is", "with the fix"]
    assert {each["verdict"] for each in (*first, *second)} == {"ERROR"}
    assert first[0]["observed"][0].startswith("Unauthorized: API server x: no; ")
    assert second[0]["observed"][0].startswith("NoNode: Pod m/p: ")
    # what the audit found is worse
    assert [job.facts["status"] for job in made] == ["FAIL", "FAIL"]


def test_a_node_that_nobody_has_thought_of_costs_its_workload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "Cluster", lambda *_args: Fake({"metadata": {}}))
    made = jobs("n")
    proof.prove(t.cast("t.Any", None), made, SETTINGS, False, [])
    assert made[0].facts["proof"][0]["observed"][0].startswith("Internal: KeyError in proof.py:")


def test_what_is_not_begun_in_time_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 61.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now, 61.0))
    made = jobs("n")
    proof.prove(t.cast("t.Any", None), made, SETTINGS, False, [])
    assert "longer than 60 s (option prove_timeout)" in made[0].facts["proof"][0]["observed"][0]


def test_an_interrupt_leaves_no_workload_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def cluster(*_args: object) -> Fake:
        raise KeyboardInterrupt

    monkeypatch.setattr(proof, "Cluster", cluster)
    made = jobs("n")
    with pytest.raises(KeyboardInterrupt):
        proof.prove(t.cast("t.Any", None), made, SETTINGS, False, [])
    assert made[0].facts["proof"][0]["observed"][0].startswith("Interrupted: ")


SPEC: t.Final[Object] = {
    "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}],
    "containers": [{"name": "c", "command": ["sh"], "args": ["-c"]}, {"name": "idle"}],
    "volumes": [{"name": "probe", "emptyDir": {}}, {"name": "probe-0", "emptyDir": {}}],
    "tolerations": [{"operator": "Exists"}],
}


def copy_of(own_steps: Scripts, **spec: t.Any) -> proof._CopyRun:
    """The second pod of a workload with the fix."""
    found = audited(**{**SPEC, **spec})
    meta = proof._meta("ff" * 5, 3, target(node("a")), found, SETTINGS, 60)
    copied = pure.copied(found.workload.spec, {"c": 1})
    return proof._CopyRun(t.cast("t.Any", _Shared()), meta, "fixed", 2, copied.spec, own_steps)


def test_the_pod_is_the_run_s_own_in_the_workload_s_shape() -> None:
    run = copy_of({})
    pod = run.manifest()
    assert run.added == ["volume probe-1 (configMap)"]
    assert pod["metadata"]["name"] == "podshm-ffffffffff-w3-fixed-2"
    assert pod["metadata"]["annotations"]["podshm.abcdesktop.io/proof-of"] == "Pod p"
    assert pod["metadata"]["labels"][RUN_LABEL] == "ff" * 5
    assert pod["metadata"]["ownerReferences"][0]["uid"] == "u"
    done = pod["spec"]
    assert (done["automountServiceAccountToken"], done["activeDeadlineSeconds"]) == (False, 120)
    assert done["affinity"] == manifests._on_node(run.meta)
    assert done["tolerations"] == [{"operator": "Exists"}]
    probe = "/podshm/probe"
    hold = [probe, "hold"]
    assert commands(pod) == {"i": [probe, "selftest"], "s": hold, "c": hold, "idle": hold}
    # a volume of the workload can have the name of the run's own
    names = [one["name"] for one in done["volumes"]]
    assert names == ["probe-1", "probe", "probe-0"]
    container = done["containers"][0]
    assert container["volumeMounts"][0] == {"name": "probe-1", "mountPath": "/podshm", "readOnly": True}
    assert "args" not in container


def commands(pod: Object) -> dict[str, list[str]]:
    """By container, what its command begins with."""
    return {one["name"]: one["command"][:2] for one in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])}


def own_steps(*names: str) -> Scripts:
    """A step in each container."""
    containers = [one for one in proof._containers(SPEC) if one.name in names]
    planner = Planner({one.name: one for one in containers}, 5, 2**30)
    return scripts(planner.step(name, "sysctls") for name in names)


def test_by_log_the_pod_has_what_this_needs_and_nothing_else() -> None:
    taken: list[Object] = [{"name": name, "emptyDir": {}} for name in ("podshm-turns", "podshm-grants")]
    by_exec, by_log = copy_of({}, volumes=taken), copy_of(own_steps("s", "c"), volumes=taken)
    before, after = by_exec.manifest(), by_log.manifest()
    assert by_log.added == [
        "volume probe (configMap)",
        "volume podshm-turns-0 (emptyDir)",
        "volume podshm-grants-0 (downwardAPI)",
        "annotation podshm.abcdesktop.io/grant",
    ]
    probe = "/podshm/probe"
    assert commands(after) == {
        "i": [probe, "selftest"],
        "s": [probe, "script"],
        "c": [probe, "script"],
        "idle": [probe, "hold"],
    }
    # another name than that of the pod that nothing could be exec'd in
    assert after["metadata"].pop("name") == f"{by_exec.name.removesuffix('-2')}-log-2"
    assert after["metadata"]["annotations"].pop(manifests.GRANT_ANNOTATION) == "0\n"
    own = [one["name"] for one in after["spec"]["volumes"][1:3]]
    assert own == ["podshm-turns-0", "podshm-grants-0"]
    del after["spec"]["volumes"][1:3]
    for field in ("initContainers", "containers"):
        for one in after["spec"][field]:
            if one["command"][1] == "script":
                assert [each["name"] for each in one["volumeMounts"][1:3]] == own
                del one["volumeMounts"][1:3]
    for pod in (before, after):
        pod["metadata"].pop("name", None)
        for one in (*pod["spec"]["initContainers"], *pod["spec"]["containers"]):
            del one["command"]
    assert after == before


class _Shared:
    """What a pod that is never created knows of its run."""

    anchor_uid = "u"
    settings = SETTINGS
