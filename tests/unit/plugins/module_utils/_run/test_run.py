# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import collections.abc
import copy
import dataclasses
import threading
import time
import types
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.errors import describe
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.signals import Interrupt
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Additions,
    NodeChoice,
    Settings,
    Transport,
    Verdict,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._overlay import RUN_LABEL
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import REMEDIES, Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import owned, run

SETTINGS = Settings(namespace="n", timeout=5, start_timeout=5, cleanup_timeout=5)
CHECKS = [BY_ID["SHM301"]]
NO_EXEC = Inconclusive(Reason.EXEC_FORBIDDEN, "no", "pod n/x")

NODE: dict[str, t.Any] = {
    "metadata": {"name": "node"},
    "status": {
        "nodeInfo": {"architecture": "amd64"},
        "conditions": [{"type": "Ready", "status": "True"}],
        "allocatable": {"memory": "1Gi"},
        "images": [{"names": ["registry.k8s.io/pause:3.10"]}],
    },
}


class FakeCluster:
    """A cluster without a kubelet: pods never start. It fails when and as a test says."""

    server, heard = "https://fake", 0.0

    def __init__(self) -> None:
        self.until = 0.0
        self.stopping = threading.Event()
        self.retries: collections.Counter[str] = collections.Counter()
        self.objects: dict[str, dict[str, t.Any]] = {}
        #: method -> errors that it raises, one per call, before it works
        self.trouble: dict[str, list[BaseException]] = {}
        self.lost = False
        self.refusal: Inconclusive | None = None

    def exec_refusal(self, pod: str, timeout: float) -> Inconclusive | None:
        return self.refusal

    def _raise(self, method: str) -> None:
        if self.trouble.get(method):
            raise self.trouble[method].pop(0)

    def version(self) -> str:
        return "v1.0.0"

    def runtime_class(self, name: str) -> None:
        return None

    def uid(self) -> str:
        return "u-1"

    def nodes(self) -> list[dict[str, t.Any]]:
        self._raise("nodes")
        return [NODE]

    def node_now(self, name: str) -> dict[str, t.Any]:
        return NODE

    def lease(self, node: str) -> str:
        return ""

    def create(self, manifest: dict[str, t.Any], dry_run: bool) -> dict[str, t.Any]:
        stored = {**manifest, "metadata": {**manifest["metadata"], "uid": f"uid-{len(self.objects)}"}}
        if not dry_run:
            self.objects[describe(stored)] = stored
        self._raise("create")
        return stored

    def delete(self, stored: dict[str, t.Any]) -> None:
        self._raise("delete")
        self.objects.pop(describe(stored), None)

    def list_run_objects(self, selector: str) -> list[dict[str, t.Any]]:
        self._raise("list_run_objects")
        return [
            one for one in self.objects.values() if f"{RUN_LABEL}={one['metadata']['labels'][RUN_LABEL]}" == selector
        ]

    def list_pods(self, selector: str) -> dict[str, t.Any]:
        raise Inconclusive(Reason.POD_GONE, "the fake shows no pods")

    def pod_events(self, selector: str, version: str, seconds: int) -> collections.abc.Iterator[dict[str, t.Any]]:
        yield from ()

    def events(self, pod: dict[str, t.Any]) -> list[dict[str, t.Any]]:
        return []


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    cluster = FakeCluster()
    monkeypatch.setattr(run, "resolve", lambda params, environment: None)
    monkeypatch.setattr(run, "Cluster", lambda source, namespace, timeout: cluster)
    return cluster


def ran(check_mode: bool = False) -> run.Result:
    return run.run(types.SimpleNamespace(params={}), "c", CHECKS, SETTINGS, check_mode)


def test_nothing_is_left_when_nothing_works(fake: FakeCluster) -> None:
    result = ran()
    assert [check["reason"] for check in result.checks] == ["PodGone"]
    assert result.leftovers == []
    assert fake.objects == {}


def test_on_windows_nothing_runs_and_nothing_passes(fake: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    info = {**NODE["status"]["nodeInfo"], "operatingSystem": "windows"}
    monkeypatch.setattr(fake, "nodes", lambda: [{**NODE, "status": {**NODE["status"], "nodeInfo": info}}])
    result = ran()
    assert [(check["verdict"], check["reason"]) for check in result.checks] == [("SKIP", "NotLinux")]
    assert result.status is Verdict.ERROR


@pytest.mark.parametrize(
    ("transport", "refusal", "used", "words"),
    [
        (Transport.AUTO, None, Transport.EXEC, "1 ERROR; "),
        (Transport.AUTO, NO_EXEC, Transport.LOG, "1 ERROR, by log (ExecForbidden); "),
        (Transport.EXEC, NO_EXEC, Transport.EXEC, "1 ERROR; "),
        (Transport.LOG, NO_EXEC, Transport.LOG, "1 ERROR, by log; "),
    ],
)
def test_the_report_names_the_way_and_why(
    fake: FakeCluster, transport: Transport, refusal: Inconclusive | None, used: Transport, words: str
) -> None:
    fake.refusal = refusal
    settings = dataclasses.replace(SETTINGS, transport=transport)
    result = run.run(types.SimpleNamespace(params={}), "c", CHECKS, settings, check_mode=False)
    assert result.transport is used
    assert result.no_exec == ("ExecForbidden: pod n/x: no" if "(" in words else "")
    assert words in result.line()


def test_check_mode_writes_nothing(fake: FakeCluster) -> None:
    result = ran(check_mode=True)
    assert result.status is Verdict.SKIP
    assert fake.objects == {}


def test_what_is_left_out_in_check_mode_makes_no_error_of_it() -> None:
    checks = [{"verdict": "SKIP", "reason": reason} for reason in ("CheckMode", "FeatureGateOff", "Forbidden")]
    assert run.Result("c", "ff", checks=checks).status is Verdict.SKIP
    assert run.Result("c", "ff", checks=checks[1:]).status is Verdict.ERROR


@pytest.mark.parametrize("method", ["nodes", "create"])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Inconclusive(Reason.FORBIDDEN, "no", "nodes"), "Forbidden"),
        (Interrupt("SIGTERM"), "Interrupted"),
        (RuntimeError("with a secret"), "Internal"),
    ],
)
def test_every_error_is_one_line_with_a_remedy(
    fake: FakeCluster, method: str, error: BaseException, reason: str
) -> None:
    fake.trouble[method] = [error]
    result = ran()
    assert result.line().startswith(f"cluster c: {reason}: ")
    assert result.line().endswith(REMEDIES[Reason(reason)])
    assert "secret" not in result.line()
    assert result.checks[0]["verdict"] == "ERROR"
    # also what was created while the answer was lost
    assert fake.objects == {}
    assert result.leftovers == []


def test_a_clean_up_is_tried_again_while_the_api_server_restarts(
    fake: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    down = Inconclusive(Reason.API_UNREACHABLE, "refused", "API server x")
    fake.trouble = {"create": [RuntimeError()], "delete": [down], "list_run_objects": [down]}
    assert ran().leftovers == []
    assert fake.objects == {}


def test_the_verdict_names_what_the_cluster_changed(fake: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    create = fake.create

    def mutating(manifest: dict[str, t.Any], dry_run: bool) -> dict[str, t.Any]:
        stored = create(copy.deepcopy(manifest), dry_run)
        if stored["kind"] == "Pod":
            stored["spec"]["hostIPC"] = True
        return stored

    monkeypatch.setattr(fake, "create", mutating)
    (check,) = ran().checks
    assert check["verdict"] == "ERROR"
    assert check["observed"].endswith("; the cluster changed the pod: hostIPC false -> true")


def test_a_target_has_the_runtime_class_that_admission_gave(fake: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one["admitted_runtime_class"] for one in ran().targets] == [""]
    create = fake.create

    def mutating(manifest: dict[str, t.Any], dry_run: bool) -> dict[str, t.Any]:
        stored = create(copy.deepcopy(manifest), dry_run)
        if stored["kind"] == "Pod":
            stored["spec"]["runtimeClassName"] = "gvisor"
        return stored

    monkeypatch.setattr(fake, "create", mutating)
    (target,) = ran().targets
    assert (target["runtime_class"], target["admitted_runtime_class"]) == ("", "gvisor")


def test_a_forbidden_deletion_is_reported_with_its_cause_and_not_tried_again(fake: FakeCluster) -> None:
    title = "configmap n/podshm-1-probe"
    fake.trouble = {"delete": [Inconclusive(Reason.FORBIDDEN, "no delete", title)] * 9}
    leftovers = ran().leftovers
    assert len(leftovers) == len(fake.objects) == 3
    left = [{"kind": "ConfigMap", "metadata": {"namespace": "n", "name": "podshm-1-probe"}}]
    assert owned._leftovers(left, [Inconclusive(Reason.FORBIDDEN, "no delete", title)]) == [f"{title}: no delete"]


def test_leftovers_that_cannot_be_listed_are_reported_as_unknown(fake: FakeCluster) -> None:
    fake.trouble = {"list_run_objects": [Inconclusive(Reason.FORBIDDEN, "no list", "pods")]}
    assert ran().leftovers == ["unknown: pods: no list"]


def test_nothing_is_left_if_the_list_is_empty() -> None:
    assert owned._leftovers([], [Inconclusive(Reason.API_ERROR, "a delete failed, but it had worked")]) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"suspend": True}, "suspend false -> true"),
        ({"activeDeadlineSeconds": None}, "activeDeadlineSeconds 40 -> none"),
        ({"activeDeadlineSeconds": 10**6}, "activeDeadlineSeconds 40 -> 1000000"),
        ({"ttlSecondsAfterFinished": None}, "ttlSecondsAfterFinished 0 -> none"),
        ({"activeDeadlineSeconds": 1}, "activeDeadlineSeconds 40 -> 1; it would remove the run before its end"),
    ],
)
def test_nothing_starts_that_nobody_would_remove(
    fake: FakeCluster, monkeypatch: pytest.MonkeyPatch, change: dict[str, t.Any], words: str
) -> None:
    create = fake.create

    def changed(manifest: dict[str, t.Any], dry_run: bool) -> dict[str, t.Any]:
        return create({**manifest, "spec": {**manifest["spec"], **change}}, dry_run)

    monkeypatch.setattr(fake, "create", changed)
    result = ran()
    assert result.problem
    assert result.problem.reason is Reason.ANCHOR_CHANGED
    assert words in str(result.problem)
    assert fake.objects == {}


def test_every_pod_and_every_dry_run_has_what_the_cluster_demands(
    fake: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, t.Any]] = []
    create = fake.create

    def noting(manifest: dict[str, t.Any], dry_run: bool) -> dict[str, t.Any]:
        seen.append(copy.deepcopy(manifest))
        return create(manifest, dry_run)

    monkeypatch.setattr(fake, "create", noting)
    labelled = {**NODE, "metadata": {**NODE["metadata"], "labels": {"pool": "x"}}}
    monkeypatch.setattr(fake, "nodes", lambda: [labelled])
    additions = Additions(("registry",), "low", "podshm", spec={"nodeSelector": {"pool": "x"}})
    settings = dataclasses.replace(SETTINGS, additions=additions)
    run.run(types.SimpleNamespace(params={}), "c", [*CHECKS, BY_ID["SHM607"]], settings, check_mode=False)
    specs = [one["spec"] for one in seen if one["kind"] == "Pod"]
    specs += [one["spec"]["template"]["spec"] for one in seen if one["kind"] == "Job"]
    assert len(specs) > 20
    for spec in specs:
        assert (spec["priorityClassName"], spec["serviceAccountName"]) == ("low", "podshm")
        assert (spec["imagePullSecrets"], spec["nodeSelector"]) == ([{"name": "registry"}], {"pool": "x"})
        assert spec["automountServiceAccountToken"] is False


def test_a_target_that_waits_does_not_keep_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """All places are taken by layouts whose pods do not start, when the layouts of another target come."""
    released = threading.Event()

    class Waiting:
        def __init__(self, shared: t.Any, meta: str, plan: t.Any) -> None:
            self.shared, self.meta, self.plan = shared, meta, plan

        def run(self) -> str:
            if self.meta == "quick":
                released.set()
                return "quick"
            self.shared.give_place()
            return "slow" if released.wait(5) else "alone"

    monkeypatch.setattr(run, "LayoutRun", Waiting)
    layouts = [
        types.SimpleNamespace(layout=types.SimpleNamespace(name=f"l{number}", exclusive=False)) for number in range(12)
    ]
    targets = [
        run.TargetRun(t.cast("t.Any", None), t.cast("t.Any", meta), t.cast("t.Any", tuple(layouts)))
        for meta in ("slow", "quick")
    ]
    shared = run._shared(t.cast("t.Any", FakeCluster()), "ff", SETTINGS, False, 2)
    run._run_layouts(shared, targets)
    for target in targets:
        assert set(t.cast("t.Any", target.results.values())) == {target.meta}


def test_no_more_layouts_work_side_by_side_than_there_are_places(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, now, most = threading.Lock(), 0, 0

    class Working:
        def __init__(self, shared: t.Any, meta: str, plan: t.Any) -> None:
            pass

        def run(self) -> str:
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.02)
            with lock:
                now -= 1
            return ""

    monkeypatch.setattr(run, "LayoutRun", Working)
    layouts = [
        types.SimpleNamespace(layout=types.SimpleNamespace(name=f"l{number}", exclusive=False)) for number in range(40)
    ]
    target = run.TargetRun(t.cast("t.Any", None), t.cast("t.Any", ""), t.cast("t.Any", tuple(layouts)))
    run._run_layouts(run._shared(t.cast("t.Any", FakeCluster()), "ff", SETTINGS, False, 1), [target])
    assert most == run._AT_ONCE
    assert len(target.results) == 40


@pytest.mark.parametrize("kind", ["Job", "ConfigMap"])
def test_a_run_waits_for_the_room_that_others_have_in_a_quota_of_objects(
    fake: FakeCluster, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    words = "exceeded quota: few, requested: count/x=1, used: count/x=4, limited: count/x=4"
    refusals = [Inconclusive(Reason.QUOTA_EXCEEDED, words)]
    create = fake.create

    def creating(manifest: dict[str, t.Any], dry_run: bool) -> dict[str, t.Any]:
        if manifest["kind"] == kind and refusals:
            raise refusals.pop()
        return create(manifest, dry_run)

    monkeypatch.setattr(fake, "create", creating)
    result = ran()
    assert {check["reason"] for check in result.checks} == {"PodGone"}
    assert refusals == []


def test_an_architecture_without_a_probe_costs_its_own_nodes(
    fake: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = copy.deepcopy(NODE)
    arm["metadata"]["name"], arm["status"]["nodeInfo"]["architecture"] = "arm", "arm64"
    monkeypatch.setattr(fake, "nodes", lambda: [NODE, arm])
    refused = Inconclusive(Reason.QUOTA_EXCEEDED, "no more ConfigMaps")
    create = fake.create

    def creating(manifest: dict[str, t.Any], dry_run: bool) -> dict[str, t.Any]:
        if manifest["kind"] == "ConfigMap" and manifest["metadata"]["name"].endswith("arm64"):
            raise refused
        return create(manifest, dry_run)

    monkeypatch.setattr(fake, "create", creating)
    settings = dataclasses.replace(SETTINGS, nodes=NodeChoice.ALL)
    result = run.run(types.SimpleNamespace(params={}), "c", CHECKS, settings, check_mode=False)
    assert result.problem is None
    assert {(check["node"], check["reason"]) for check in result.checks} == {
        ("arm", "QuotaExceeded"),
        ("node", "PodGone"),
    }
    assert fake.objects == {}


@pytest.mark.parametrize(
    ("allocatable", "reason"),
    [({}, "NodeHasNone"), ({"hugepages-2Mi": "0"}, "NodeHasNone"), ({"hugepages-1Gi": "1Gi"}, "PodGone")],
)
def test_no_pod_waits_for_huge_pages_that_the_node_does_not_have(
    fake: FakeCluster, monkeypatch: pytest.MonkeyPatch, allocatable: dict[str, str], reason: str
) -> None:
    created: list[dict[str, t.Any]] = []
    create = fake.create

    def noted(manifest: dict[str, t.Any], dry_run: bool) -> dict[str, t.Any]:
        created.append(manifest)
        return create(manifest, dry_run)

    status = {**NODE["status"], "allocatable": {"memory": "1Gi", **allocatable}}
    monkeypatch.setattr(fake, "nodes", lambda: [{**NODE, "status": status}])
    monkeypatch.setattr(fake, "create", noted)
    result = run.run(types.SimpleNamespace(params={}), "c", [BY_ID["SHM221"]], SETTINGS, False)
    (check,) = result.checks
    assert check["reason"] == reason
    pods = [one for one in created if one["kind"] == "Pod" and "huge" in one["metadata"]["name"]]
    assert len(pods) == (reason == "PodGone")
    for pod in pods:
        assert pod["spec"]["containers"][0]["resources"]["limits"]["hugepages-1Gi"] == "1Gi"


def test_a_node_that_is_named_twice_is_one() -> None:
    asked: list[str] = []
    cluster = t.cast("t.Any", types.SimpleNamespace(node=asked.append))
    found = run._nodes(cluster, Settings(node_names=("a", "b", "a")))
    assert [one["metadata"]["name"] for one in found] == asked == ["a", "b"]


@pytest.mark.parametrize(("transport", "times"), [(Transport.AUTO, 2), (Transport.LOG, 1)])
def test_what_was_sent_as_a_dry_run_is_sent_again_where_exec_turns_out_to_be_no_way(
    monkeypatch: pytest.MonkeyPatch, transport: Transport, times: int
) -> None:
    """Its pods carry two volumes more then."""
    ran: list[str] = []

    class Running:
        def __init__(self, shared: t.Any, meta: str, plan: t.Any) -> None:
            self.shared, self.name = shared, str(plan.layout.name)

        def run(self) -> str:
            ran.append(self.name)
            if self.name == "pair":
                # of all that share it
                self.shared.no_exec.append(NO_EXEC)
            return self.name

    monkeypatch.setattr(run, "LayoutRun", Running)
    layouts = [
        types.SimpleNamespace(layout=types.SimpleNamespace(name=name, exclusive=name == "kubelet", dry_run_only=dry))
        for name, dry in (("admission", True), ("pair", False), ("kubelet", False))
    ]
    target = run.TargetRun(t.cast("t.Any", None), t.cast("t.Any", ""), t.cast("t.Any", tuple(layouts)))
    settings = dataclasses.replace(SETTINGS, transport=transport)
    run._run_layouts(run._shared(t.cast("t.Any", FakeCluster()), "ff", settings, False, 1), [target])
    assert collections.Counter(ran) == {"admission": times, "pair": 1, "kubelet": 1}
    assert ran[2] == "kubelet"
