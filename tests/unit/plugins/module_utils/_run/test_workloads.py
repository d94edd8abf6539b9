# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit of a cluster over a cluster that is made up: what is refused, what vanishes, and ten thousand pods."""

from __future__ import annotations

import collections.abc
import json
import math
import time
import tracemalloc
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import workloads
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.workloads import Audited, Wanted
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit

Object = dict[str, t.Any]
SECRET = "correct-horse-battery-staple"


def forbidden(kind: str, namespace: str = "") -> Inconclusive:
    words = f'the API server answers 403: {kind} is forbidden: User "u" cannot list resource "{kind}"'
    where = f"namespace {namespace}" if namespace else "the cluster"
    return Inconclusive(Reason.FORBIDDEN, words, f"{kind} of {where}")


class Fake:
    """A cluster: its objects by kind, and what is raised instead of them."""

    def __init__(self, **objects: list[Object] | Inconclusive) -> None:
        self.objects = objects
        self.namespaces: tuple[str, ...] = ("n", "m")
        self.until = time.monotonic() + 60
        self.logs: list[str | Inconclusive] = []
        self.looked: list[tuple[str, ...]] = []
        self.summaries: dict[str, Object | Inconclusive] = {}
        self.asked: list[str] = []
        self.tried: list[tuple[str, ...]] = []
        self.refusals: dict[str, Inconclusive] = {}

    def require_namespace(self, name: str) -> None:
        if name not in self.namespaces:
            raise Inconclusive(Reason.NAMESPACE_MISSING, "the API server answers 404", f"namespace {name}")

    def every(
        self, kind: str, namespace: str = "", selector: str = "", metadata_only: bool = False
    ) -> collections.abc.Iterator[Object]:
        found = self.objects.get(kind, [])
        if isinstance(found, Inconclusive):
            raise found
        for one in found:
            if not namespace or one["metadata"].get("namespace") == namespace:
                yield one

    def stats(self, node: str) -> Object:
        self.asked.append(node)
        found = self.summaries.get(node, {})
        if isinstance(found, Inconclusive):
            raise found
        return found

    def try_out(self, method: str, kind: str, namespace: str, name: str, body: t.Mapping[str, t.Any]) -> list[str]:
        self.tried.append((method, kind, namespace, name))
        if kind in self.refusals:
            raise self.refusals[kind]
        return ["deprecated"]

    def last_lines(self, namespace: str, pod: str, container: str, previous: bool) -> str:
        self.looked.append((namespace, pod, container, "previous" if previous else "now"))
        found = self.logs.pop(0)
        if isinstance(found, Inconclusive):
            raise found
        return found


def pod(name: str, namespace: str = "n", **status: t.Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": name},
        "spec": {
            "nodeName": "node",
            "containers": [{"name": "c", "image": "postgres:15", "env": [{"name": "PASSWORD", "value": SECRET}]}],
        },
        "status": {"containerStatuses": [{"name": "c", **status}]} if status else {},
    }


def audited(fake: Fake, **wanted: t.Any) -> Audited:
    result = Audited("c")
    workloads.audited(t.cast("t.Any", fake), Wanted(**wanted), result)
    return result


def subjects(result: Audited) -> list[str]:
    return [one["workload"] for one in result.workloads]


def test_what_is_refused_costs_itself_and_one_cause_is_said_once() -> None:
    fake = Fake(pods=[pod("a")], deployments=forbidden("deployments"), cronjobs=forbidden("cronjobs"))
    result = audited(fake)
    assert subjects(result) == ["Pod n/a"]
    (problem,) = result.problems
    assert problem.startswith("deployments, cronjobs of the cluster: Forbidden: the API server answers 403")
    assert "name namespaces with the option namespaces" in problem
    assert result.status == "FAIL"


def test_what_only_helps_is_a_note() -> None:
    result = audited(
        Fake(pods=[pod("a")], nodes=forbidden("nodes"), replicasets=forbidden("replicasets"), jobs=forbidden("jobs"))
    )
    assert result.problems == []
    assert result.notes == [
        "nodes of the cluster: Forbidden: how much memory a node has is not known",
        "replicasets, jobs of the cluster: Forbidden: what owns them is not known",
    ]


def test_a_namespace_that_is_missing_does_not_hide_the_others() -> None:
    result = audited(Fake(pods=[pod("a"), pod("b", "m")]), namespaces=("typo", "m"))
    assert subjects(result) == ["Pod m/b"]
    (problem,) = result.problems
    assert problem.startswith("everything of namespace typo: NamespaceMissing: the API server answers 404; name one")


def test_a_cluster_that_goes_away_is_no_matter_of_one_kind() -> None:
    away = Inconclusive(Reason.API_UNREACHABLE, "refused", "API server h")
    with pytest.raises(Inconclusive, match="refused"):
        audited(Fake(pods=away))


def test_time_that_is_over_is_said() -> None:
    fake = Fake(pods=[pod("a"), pod("b")])
    fake.until = 0
    result = audited(fake, timeout=5)
    assert result.workloads == []
    assert result.problems[0].startswith("pods of the cluster: Timeout: to read them took longer than 5 s")
    assert result.status == "ERROR"


def test_nothing_to_audit_is_no_pass() -> None:
    result = audited(Fake())
    assert result.status == "ERROR"
    assert result.line() == "cluster c: 0 workloads: nothing was audited"


def test_only_some_kinds_and_names() -> None:
    fake = Fake(pods=[pod("a"), pod("b")])
    assert subjects(audited(fake, names=frozenset({"b"}))) == ["Pod n/b"]
    assert subjects(audited(fake, kinds=frozenset({"deployment"}))) == []


def test_a_spec_that_nobody_has_thought_of_costs_itself() -> None:
    odd = pod("odd")
    odd["spec"]["volumes"] = [{"name": "v", "emptyDir": {"sizeLimit": ["x"]}}]
    odd["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/dev/shm"}]
    result = audited(Fake(pods=[odd, pod("a")]))
    assert {one["workload"]: one["status"] for one in result.workloads} == {"Pod n/odd": "ERROR", "Pod n/a": "FAIL"}


def test_an_error_of_ours_quotes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> t.NoReturn:
        raise KeyError(SECRET)

    monkeypatch.setattr(audit, "audit", fail)
    (one,) = audited(Fake(pods=[pod("a")])).workloads
    assert one["status"] == "ERROR"
    assert one["problem"].startswith("Internal: KeyError in test_workloads.py:")
    assert SECRET not in json.dumps(one)


# -------------------------------------------------------------------------------------------------------- logs

BAD: t.Final[Object] = {"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}}, "restartCount": 3}


def test_logs_are_read_only_if_wanted() -> None:
    fake = Fake(pods=[pod("a", "n", **BAD)])
    audited(fake)
    assert fake.looked == []


def test_the_log_of_the_container_that_ended_is_read() -> None:
    fake = Fake(pods=[pod("a", "n", **BAD), pod("b", state={"terminated": {"exitCode": 1}})])
    line = (
        'could not resize shared memory segment "/PostgreSQL.1" to 16777216 bytes: No space left on device for '
        + SECRET
    )
    fake.logs = [f"hello\n{line}\n", ""]
    result = audited(fake, logs=True)
    assert fake.looked == [("n", "a", "c", "previous"), ("n", "b", "c", "now")]
    finding = next(one for one in result.workloads[0]["findings"] if one["rule"] == "SHM724")
    assert "could not resize shared memory segment" in finding["observed"]
    # programs print what their variables hold
    assert SECRET not in json.dumps(result.workloads)
    assert "********" in finding["observed"]


def test_logs_that_are_forbidden_are_a_note_and_asked_for_once() -> None:
    fake = Fake(pods=[pod("a", "n", **BAD), pod("b", "n", **BAD)])
    fake.logs = [forbidden("pods/log", "n")]
    result = audited(fake, logs=True)
    assert len(fake.looked) == 1
    assert result.problems == []
    assert result.notes == ["logs of namespace n: Forbidden: last lines of containers are not known"]


def test_pods_that_vanish_are_no_problem() -> None:
    fake = Fake(pods=[pod("a", "n", **BAD), pod("b", "n", **BAD)])
    fake.logs = [Inconclusive(Reason.POD_GONE, "gone"), "x"]
    result = audited(fake, logs=True)
    assert len(fake.looked) == 2
    assert (result.problems, result.notes) == ([], [])


def test_no_more_logs_are_read_than_a_report_can_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads, "_LOGS", 1)
    fake = Fake(pods=[pod("a", "n", **BAD), pod("b", "n", **BAD)])
    fake.logs = [""]
    assert audited(fake, logs=True).notes == ["logs: not all were read, there are too many"]


# ----------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("namespaces", [], "^namespaces: nothing is named"),
        ("kinds", [""], "^kinds: nothing is named"),
        ("timeout", 0, "^timeout: 0 is less than 1 second"),
    ],
)
def test_options_without_meaning(option: str, value: object, words: str) -> None:
    params = {"namespaces": None, "label_selector": "", "kinds": None, "names": None, "logs": False, "timeout": 1}
    assert Wanted.of(params) == Wanted(timeout=1)
    with pytest.raises(ValueError, match=words):
        Wanted.of({**params, option: value})


# ------------------------------------------------------------------------------------------------ ten thousand


class Large(Fake):
    """Ten thousand pods of a thousand Deployments, of which a page at a time exists."""

    def every(
        self, kind: str, namespace: str = "", selector: str = "", metadata_only: bool = False
    ) -> collections.abc.Iterator[Object]:
        for app in range(1000):
            owner = {"namespace": "n", "labels": {"app": str(app)}}
            if kind == "replicasets":
                above = [{"controller": True, "kind": "Deployment", "name": f"app-{app}"}]
                yield {"metadata": {**owner, "name": f"app-{app}-7d9f", "ownerReferences": above}}
            elif kind == "deployments":
                yield {"metadata": {**owner, "name": f"app-{app}"}, "spec": {"template": {"spec": pod("a")["spec"]}}}
            elif kind == "pods":
                for number in range(10):
                    one = pod(f"app-{app}-7d9f-{number}")
                    one["metadata"]["ownerReferences"] = [
                        {"controller": True, "kind": "ReplicaSet", "name": f"app-{app}-7d9f"}
                    ]
                    # what a real pod has beside that
                    one["metadata"]["managedFields"] = [{str(field): {} for field in range(200)}]
                    yield one


def test_ten_thousand_pods_take_the_memory_of_what_differs() -> None:
    large = Large()
    large.until = math.inf
    tracemalloc.start()
    try:
        result = audited(large)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (result.pods, len(result.workloads)) == (10_000, 1000)
    # 30 MiB were measured; all pods at once take 150
    assert peak < 60 * 1024 * 1024, peak


# ------------------------------------------------------------------------------------------ what is in volumes


def with_volume(name: str, node: str = "node", **volume: t.Any) -> Object:
    one = pod(name)
    one["spec"]["nodeName"] = node
    one["spec"]["containers"][0]["volumeMounts"] = [{"name": "shm", "mountPath": "/dev/shm"}]
    one["spec"]["volumes"] = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"} | volume}]
    return one


def summary(**used: t.Any) -> Object:
    return {
        "pods": [
            {"podRef": {"namespace": "n", "name": name}, "volume": [{"name": "shm", "usedBytes": size}, {"name": "x"}]}
            for name, size in used.items()
        ]
    }


def in_use(result: Audited) -> dict[str, int | None]:
    return {one["name"]: one["containers"][0]["dev_shm"]["in_use_bytes"] for one in result.workloads}


def test_what_is_in_volumes_is_read_from_the_nodes_that_have_some() -> None:
    fake = Fake(pods=[with_volume("a", "n1"), with_volume("b", "n2"), with_volume("d", "n3", medium=""), pod("c")])
    fake.summaries = {
        "n1": summary(a=7, other=9),
        "n2": {"pods": ["odd", {"podRef": None}, {"podRef": {}, "volume": 1}]},
    }
    result = audited(fake)
    assert sorted(fake.asked) == ["n1", "n2"]
    assert in_use(result) == {"a": 7, "b": None, "c": None, "d": None}
    assert result.notes == []


def test_of_several_pods_the_fullest_volume_counts() -> None:
    owner = [{"controller": True, "kind": "StatefulSet", "name": "db"}]
    pods = [with_volume("db-0"), with_volume("db-1")]
    for one in pods:
        one["metadata"]["ownerReferences"] = owner
    fake = Fake(pods=pods)
    fake.summaries = {"node": summary(**{"db-0": 7, "db-1": 9})}
    assert in_use(audited(fake)) == {"db": 9}
    assert fake.asked == ["node"]


def test_who_may_not_look_at_kubelets_looks_once() -> None:
    fake = Fake(pods=[with_volume("a", "n1"), with_volume("b", "n2")])
    fake.summaries = dict.fromkeys(("n1", "n2"), forbidden("nodes"))
    result = audited(fake)
    assert fake.asked == ["n1"]
    assert result.notes == ["volumes: Forbidden: what is in use of them is not known; grant get on nodes/proxy"]
    assert (result.problems, len(result.workloads)) == ([], 2)


@pytest.mark.parametrize("reason", [Reason.KUBELET_UNREACHABLE, Reason.API_UNREACHABLE, Reason.NOT_KUBERNETES])
def test_a_kubelet_that_does_not_answer_costs_its_own_pods_alone(reason: Reason) -> None:
    fake = Fake(pods=[with_volume(f"p{number}", f"n{number}") for number in range(3)])
    fake.summaries = {"n0": Inconclusive(reason, "no", "x"), "n1": Inconclusive(reason, "no", "x"), "n2": summary(p2=5)}
    result = audited(fake)
    assert in_use(result) == {"p0": None, "p1": None, "p2": 5}
    assert result.notes == [f"volumes on n0 ({reason}) and 1 other node: what is in use of them is not known"]


def test_not_more_nodes_are_looked_at_than_the_time_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(pods=[with_volume(f"p{number}", f"n{number}") for number in range(9)])
    monkeypatch.setattr(workloads, "_STATS", 4)
    result = audited(fake)
    assert len(fake.asked) == 4
    assert result.notes == ["volumes on 5 of 9 nodes: to look at all takes too long"]
    monkeypatch.setattr(workloads, "_STATS_SECONDS", -1)
    assert audited(fake).notes == ["volumes on 9 of 9 nodes: to look at all takes too long"]


def test_a_volume_with_something_in_it_is_not_for_nothing() -> None:
    one = with_volume("a", sizeLimit="2Gi")
    one["spec"]["containers"][0]["image"] = "nginx:1"
    fake = Fake(pods=[one])
    assert [each["rule"] for each in audited(fake).workloads[0]["findings"]] == ["SHM716"]
    fake.summaries = {"node": summary(a=0)}
    assert [each["rule"] for each in audited(fake).workloads[0]["findings"]] == ["SHM716"]
    fake.summaries = {"node": summary(a=4096)}
    assert audited(fake).workloads[0]["findings"] == []


# ------------------------------------------------------------------------------------------------ dry runs


def deployment(name: str) -> Object:
    template = {"spec": {"containers": [{"name": "c", "image": "postgres:15"}]}}
    return {"metadata": {"name": name, "namespace": "n", "uid": name}, "spec": {"template": template}}


def test_fixes_are_tried_out_only_where_that_is_wanted() -> None:
    fake = Fake(deployments=[deployment("db")])
    assert audited(fake).workloads[0]["dry_run"] == []
    assert fake.tried == []
    answers = audited(fake, fixes=True).workloads[0]["dry_run"]
    assert fake.tried == [("patch", "deployments", "n", "db"), ("create", "pods", "n", "")]
    assert [(one["outcome"], one["warnings"]) for one in answers] == [("accepted", ["deprecated"])] * 2


def test_what_the_account_lacks_is_tried_once_and_noted_once() -> None:
    fake = Fake(deployments=[deployment("a"), deployment("b")])
    fake.refusals = {"deployments": forbidden("deployments", "n")}
    result = audited(fake, fixes=True)
    assert [one[1] for one in fake.tried] == ["deployments", "pods", "pods"]
    assert [one["outcome"] for each in result.workloads for one in each["dry_run"]] == ["unknown", "accepted"] * 2
    words = "fixes in namespace n: Forbidden: whether it takes them is not known; grant patch on deployments"
    assert result.notes == [words]


def test_not_more_fixes_are_tried_out_than_the_bound_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads, "_FIXES", 3)
    fake = Fake(deployments=[deployment("a"), deployment("b")])
    result = audited(fake, fixes=True)
    assert len(fake.tried) == 3
    assert result.notes == ["fixes: not all were tried out, there are too many"]
