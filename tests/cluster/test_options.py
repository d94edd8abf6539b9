# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clusters demand of every pod, on a real one: policies that refuse pods without it, and options that satisfy them."""

from __future__ import annotations

import collections.abc
import contextlib
import time
import typing as t

import harness
import pytest
from harness import Cluster, ask, call, fails, passes
from table import honest, verdict_of

Object = dict[str, t.Any]


def only(namespace: str) -> Object:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}


POD: Object = {"containers": [{"name": "c", "image": "x"}], "restartPolicy": "Never"}
SPECS: dict[str, Object] = {"pods": POD, "jobs": {"template": {"spec": POD}}}


def until(
    cluster: Cluster,
    namespace: str,
    took_effect: collections.abc.Callable[[Object], bool],
    kind: str = "pods",
    labels: Object | None = None,
) -> None:
    """Wait by dry runs: nothing tells when a policy takes effect."""
    stranger = {"metadata": {"name": "stranger", "labels": labels or {}}, "spec": SPECS[kind]}
    for _attempt in range(400):
        try:
            stored = cluster.request("POST", cluster.path(kind, namespace), stranger, {"dryRun": "All"})
        except harness.ApiError as error:
            stored = {"refused": str(error)}
        if took_effect(stored):
            return
        time.sleep(0.05)
    raise AssertionError("the policy never took effect")


@contextlib.contextmanager
def demanded(cluster: Cluster, namespace: str, expression: str) -> t.Iterator[None]:
    """A policy about the pods of a namespace, and about the templates of its Jobs, as Kyverno's generated rules are."""
    rules = [
        {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [kind]}
        for group, kind in (("", "pods"), ("batch", "jobs"))
    ]
    spec = {
        "matchConstraints": {"resourceRules": rules},
        "variables": [{"name": "pod", "expression": "has(object.spec.template) ? object.spec.template : object"}],
        "validations": [{"expression": expression, "message": "not without it"}],
    }
    with cluster.wide("validatingadmissionpolicies", {"spec": spec}) as name:
        binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": only(namespace)}
        with cluster.wide("validatingadmissionpolicybindings", {"spec": binding}):
            until(cluster, namespace, lambda stored: "refused" in stored)
            yield


@contextlib.contextmanager
def changing(
    cluster: Cluster,
    namespace: str,
    field: str,
    value: str,
    kind: str = "pods",
    only_if: str = "true",
    labels: Object | None = None,
) -> t.Iterator[None]:
    """A policy that sets a field of the spec of every pod of a namespace.

    :param value: as CEL.
    :param labels: of an object that it is for.
    """
    group = {"pods": "", "jobs": "batch"}[kind]
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [kind]}
    patch = f'[JSONPatch{{op: "add", path: "/spec/{field}", value: {value}}}]'
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [{"name": "for-these", "expression": only_if}],
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
    }
    with cluster.wide("mutatingadmissionpolicies", {"spec": spec}) as name:
        binding = {"policyName": name, "matchResources": only(namespace)}
        with cluster.wide("mutatingadmissionpolicybindings", {"spec": binding}):
            until(
                cluster, namespace, lambda stored: "refused" in stored or bool(stored["spec"].get(field)), kind, labels
            )
            yield


@pytest.fixture(scope="module")
def low(alpha: Cluster) -> t.Iterator[str]:
    """A PriorityClass that is not the default."""
    with alpha.wide("priorityclasses", {"value": -5}) as name:
        yield name


# what a pod must have, as CEL, and the options that give it
DEMANDS: dict[str, tuple[str, Object]] = {
    "image_pull_secrets": (
        'has(variables.pod.spec.imagePullSecrets) && variables.pod.spec.imagePullSecrets.exists(x, x.name == "registry")',
        {"image_pull_secrets": ["registry"]},
    ),
    "ephemeral_storage": (
        (
            "variables.pod.spec.containers.all(c, has(c.resources) && has(c.resources.limits) && "
            '"ephemeral-storage" in c.resources.limits && "ephemeral-storage" in c.resources.requests)'
        ),
        {"resources": {"ephemeral_storage": "10Mi"}},
    ),
    "labels": (
        'has(variables.pod.metadata.labels) && "cost-center" in variables.pod.metadata.labels',
        {"labels": {"cost-center": "x"}},
    ),
    "pod_overlay": (
        (
            'has(variables.pod.metadata.labels) && "cost-center" in variables.pod.metadata.labels && '
            'variables.pod.spec.dnsPolicy == "Default"'
        ),
        {"pod_overlay": {"metadata": {"labels": {"cost-center": "x"}}, "spec": {"dnsPolicy": "Default"}}},
    ),
}


@pytest.mark.parametrize("demand", DEMANDS)
def test_what_a_policy_demands_of_pods_and_templates(alpha: Cluster, namespace: str, demand: str) -> None:
    expression, options = DEMANDS[demand]
    with demanded(alpha, namespace, expression):
        refused = ask(alpha, namespace=namespace)
        fails(refused, "AdmissionDenied", "not without it")
        passes(ask(alpha, namespace=namespace, checks=["basic", "SHM107", "SHM205", "SHM404"], **options))
        # the dry runs have it, too
        (check,) = ask(alpha, namespace=namespace, checks=["SHM607"], **options).checks.values()
        assert (check["verdict"], check["observed"]) == ("PASS", "nothing is refused: as at level privileged")


def test_every_option_at_once_and_the_whole_catalog(alpha: Cluster, namespace: str, low: str) -> None:
    alpha.create("serviceaccounts", {"metadata": {"name": "podshm"}}, namespace)
    answer = ask(
        alpha,
        namespace=namespace,
        checks=None,
        timeout=120,
        image_pull_secrets=["registry"],
        priority_class=low,
        service_account="podshm",
        resources={"ephemeral_storage": "10Mi"},
        pod_overlay={"spec": {"nodeSelector": {"kubernetes.io/os": "linux"}, "dnsPolicy": "Default"}},
    )
    assert {name: verdict_of(check) for name, check in answer.checks.items()} == honest()
    assert answer.result["leftovers"] == []


def test_the_pods_are_as_the_options_say_and_have_no_token(alpha: Cluster, namespace: str, low: str) -> None:
    alpha.create("serviceaccounts", {"metadata": {"name": "podshm"}}, namespace)
    running = call(alpha, namespace=namespace, service_account="podshm", priority_class=low)
    seen = alpha.until("pods", namespace, bool)
    passes(running.answer())
    for one in seen.values():
        spec = one["spec"]
        assert (spec["serviceAccountName"], spec["priorityClassName"], spec["priority"]) == ("podshm", low, -5)
        assert "kube-api-access" not in str(spec)


def test_a_quota_of_a_class(alpha: Cluster, namespace: str, low: str) -> None:
    scope = {"scopeName": "PriorityClass", "operator": "In", "values": [low]}
    spec = {"hard": {"pods": "0"}, "scopeSelector": {"matchExpressions": [scope]}}
    alpha.create("resourcequotas", {"metadata": {"name": "low"}, "spec": spec}, namespace)
    alpha.until(
        "resourcequotas", namespace, lambda seen: all(one.get("status", {}).get("hard") for one in seen.values())
    )
    passes(ask(alpha, namespace=namespace))
    fails(ask(alpha, namespace=namespace, priority_class=low), "QuotaExceeded", "low", "priority_class")


def test_a_class_that_does_not_exist(alpha: Cluster, namespace: str) -> None:
    answer = ask(alpha, namespace=namespace, priority_class="no-such")
    fails(answer, "PriorityClassMissing", "no-such", "option priority_class")


def test_a_service_account_that_does_not_exist(alpha: Cluster, namespace: str) -> None:
    answer = ask(alpha, namespace=namespace, service_account="no-such")
    fails(answer, "NamespaceNotReady", "no-such", "create the service account")


def test_a_class_that_the_cluster_changes_is_named(alpha: Cluster, namespace: str, low: str) -> None:
    with (
        # of the same value: the API server refuses a pod whose priority is not that of its class
        alpha.wide("priorityclasses", {"value": -5}) as other,
        changing(alpha, namespace, "priorityClassName", f'"{other}"'),
    ):
        answer = ask(alpha, namespace=namespace, checks=["SHM101", "SHM607"], priority_class=low)
    words = f"priorityClassName {low} -> {other}"
    assert (answer.checks["SHM607"]["verdict"], words in answer.checks["SHM607"]["observed"]) == ("WARN", True)
    # a PASS has it in its evidence
    assert answer.checks["SHM101"]["verdict"] == "PASS"
    assert words in answer.checks["SHM101"]["evidence"]["admission"]["changed"]


def test_a_runtime_class_that_admission_gives_is_shown(alpha: Cluster, namespace: str) -> None:
    with (
        alpha.wide("runtimeclasses", {"handler": "runc"}) as given,
        changing(alpha, namespace, "runtimeClassName", f'"{given}"'),
    ):
        answer = ask(alpha, namespace=namespace)
    passes(answer)
    (target,) = answer.result["run"]["targets"]
    assert (target["runtime_class"], target["admitted_runtime_class"]) == ("", given)
    changed = answer.checks["SHM101"]["evidence"]["admission"]["changed"]
    assert f"runtimeClassName none -> {given}" in changed


QUEUE = {"kueue.x-k8s.io/queue-name": "team"}
HAS_QUEUE = 'has(object.metadata.labels) && "kueue.x-k8s.io/queue-name" in object.metadata.labels'


def test_a_queue_is_for_the_pods_and_not_for_the_anchor(alpha: Cluster, namespace: str) -> None:
    """As Kueue: it suspends a Job that names a queue, and holds pods that name none, if it manages them all."""
    gates = '[{"name": "kueue.x-k8s.io/admission"}]'
    with (
        changing(alpha, namespace, "suspend", "true", kind="jobs", only_if=HAS_QUEUE, labels=QUEUE),
        changing(alpha, namespace, "schedulingGates", gates, only_if=f"!({HAS_QUEUE})"),
    ):
        fails(ask(alpha, namespace=namespace, start_timeout=5), "SchedulingGated", "option pod_overlay")
        fails(ask(alpha, namespace=namespace, labels=QUEUE), "AnchorChanged", "suspend false -> true", "pod_overlay")
        passes(ask(alpha, namespace=namespace, pod_overlay={"metadata": {"labels": QUEUE}}))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pod_overlay": {"spec": {"hostIPC": True}}}, "pod_overlay: spec.hostIPC is refused"),
        ({"pod_overlay": {"spec": {"priorityClassName": "x"}}}, "use the option priority_class"),
        ({"image_pull_secrets": ["My_Secret"]}, "image_pull_secrets: 'My_Secret' is no name of a Secret"),
    ],
)
def test_what_is_refused_sends_nothing(alpha: Cluster, options: Object, words: str) -> None:
    # nobody answers there
    answer = ask(alpha, host="https://127.0.0.1:1", api_key="0123456789", **options)
    assert answer.code != 0
    assert words in answer.msg
    assert "127.0.0.1" not in answer.msg
