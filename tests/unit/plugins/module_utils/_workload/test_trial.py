# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit, manifests, trial
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS

CONTAINER = {"name": "pg", "image": "postgres:15", "resources": {"limits": {"memory": "1Gi"}}}


def found(kind: str, spec: dict[str, t.Any], **own: t.Any) -> audit.Audit:
    document = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "db", "namespace": "shop"}}
    template = {"metadata": {"labels": {"app": "db"}}, "spec": spec}
    own_spec = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {"template": template}
    document["spec"] = spec if kind == "Pod" else {**own_spec, **own}
    (work,) = manifests.workloads_of(document)
    return audit.audit(work, PROGRAMS)


def trials(one: audit.Audit) -> list[trial.Trial]:
    return trial.trials(one.workload, one.patch, one.changed)


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("Deployment", "deployments"),
        ("StatefulSet", "statefulsets"),
        ("DaemonSet", "daemonsets"),
        ("CronJob", "cronjobs"),
    ],
)
def test_the_owner_is_patched_and_a_pod_of_it_created(kind: str, resource: str) -> None:
    patch, create = trials(found(kind, {"containers": [CONTAINER]}))
    assert (patch.method, patch.resource, patch.namespace, patch.name) == ("patch", resource, "shop", "db")
    assert patch.grant == f"patch on {resource}"
    assert (create.method, create.resource, create.name) == ("create", "pods", "")
    assert create.body["metadata"] == {
        "labels": {"app": "db"},
        "annotations": {},
        "namespace": "shop",
        "generateName": "db-",
    }
    spec = create.body["spec"]
    assert spec["volumes"][0]["emptyDir"]["medium"] == "Memory"
    assert spec.get("restartPolicy") == ("Never" if kind == "CronJob" else None)


@pytest.mark.parametrize("kind", ["Pod", "Job"])
def test_what_cannot_be_changed_is_created_anew(kind: str) -> None:
    live = {"containers": [CONTAINER], "nodeName": "n1", "ephemeralContainers": [{"name": "debugger"}]}
    (create,) = trials(found(kind, live))
    assert (create.method, create.words) == ("create", "a new pod in its place")
    assert not {"nodeName", "ephemeralContainers"} & create.body["spec"].keys()


def test_claims_of_a_stateful_set_have_the_names_that_it_gives() -> None:
    claims = [{"metadata": {"name": "data"}}]
    _patch, create = trials(found("StatefulSet", {"containers": [CONTAINER]}, volumeClaimTemplates=claims))
    volumes = {one["name"]: one for one in create.body["spec"]["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"] == {"claimName": "data-db-0"}


def test_nothing_is_sent_where_there_is_no_fix() -> None:
    assert trials(found("Deployment", {"containers": [{"name": "n", "image": "nginx"}]})) == []
    # an operator would revert it
    assert trials(found("Cluster", {"containers": [CONTAINER]})) == []


@pytest.mark.parametrize(
    ("reason", "detail", "outcome"),
    [
        (Reason.QUOTA_EXCEEDED, "exceeded quota", "refused"),
        (Reason.ADMISSION_DENIED, "denied request", "refused"),
        (Reason.POD_SECURITY, "violates", "refused"),
        (Reason.INVALID, "no such field", "refused"),
        (Reason.INVALID, "admission webhook x does not support dry run", "unknown"),
        (Reason.FORBIDDEN, "cannot patch", "unknown"),
        (Reason.WEBHOOK_FAILED, "no answer", "unknown"),
        (Reason.API_UNREACHABLE, "gone", "unknown"),
        (Reason.POD_GONE, "deleted", "unknown"),
    ],
)
def test_only_an_answer_about_the_object_is_a_refusal(reason: Reason, detail: str, outcome: str) -> None:
    patch, _create = trials(found("Deployment", {"containers": [CONTAINER]}))
    answer = trial.refused(patch, Inconclusive(reason, detail, "deployments shop/db"))
    assert (answer["outcome"], answer["reason"], answer["about"]) == (outcome, reason.value, "Deployment")


def test_warnings_are_kept() -> None:
    patch, _create = trials(found("Deployment", {"containers": [CONTAINER]}))
    assert trial.accepted(patch, ["old"]) == {
        "request": "patch deployments",
        "about": "Deployment",
        "outcome": "accepted",
        "reason": "",
        "detail": "",
        "warnings": ["old"],
    }
