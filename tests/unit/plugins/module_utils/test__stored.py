# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import itertools
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _catalog, _plan, _pod, _stored

MIB = 1024 * 1024
COMMON = _pod.Common("ff", "", "default", "n", "amd64", "pause", "Never", "", (), {}, {}, 120)

Pod = dict[str, t.Any]


def pods(*ids: str) -> dict[str, Pod]:
    """The pods that checks ask for, by their part."""
    checks = [_catalog.BY_ID[check] for check in ids]
    plans = _plan.plan(checks, _plan.Settings(), "ff", (f"{n:032x}" for n in itertools.count()))
    return {
        pod.part: _pod.pod(COMMON, pod.part, "", pod.containers, pod.volumes, pod.options)
        for plan in plans
        for pod in plan.pods
    }


def pair() -> Pod:
    return pods("SHM301", "SHM303", "SHM309")["pair"]


def container(pod: Pod, name: str) -> dict[str, t.Any]:
    found = [one for kind in ("initContainers", "containers") for one in pod["spec"][kind] if one["name"] == name]
    return t.cast("dict[str, t.Any]", found[0])


def volume(pod: Pod, name: str) -> dict[str, t.Any]:
    return next(one for one in pod["spec"]["volumes"] if one["name"] == name)


# ------------------------------------------------------------------ memory limits


def limits(*amounts: str | None, **spec: t.Any) -> Pod:
    return {"spec": {"containers": [limited(amount) for amount in amounts], **spec}}


def limited(amount: str | None, **more: t.Any) -> dict[str, t.Any]:
    return {"resources": {"limits": {"memory": amount} if amount else {}}, **more}


@pytest.mark.parametrize(
    ("pod", "limit"),
    [
        (limits("64Mi", "1Mi"), 65 * MIB),
        (limits("64Mi", None), None),
        (limits("64Mi", "0"), None),
        (limits("64Mi", overhead={"memory": "10Mi", "cpu": "1"}), 74 * MIB),
        # one that ends needs no room beside the others, unless it needs more
        (limits("64Mi", initContainers=[limited("1Mi"), limited("2Mi")]), 64 * MIB),
        (limits("64Mi", initContainers=[limited("1Mi"), limited("99Mi")]), 99 * MIB),
        (limits("64Mi", initContainers=[limited(None)]), None),
        # a sidecar stays, and runs beside the init containers that come after it
        (limits("64Mi", initContainers=[limited("8Mi", restartPolicy="Always")]), 72 * MIB),
        (limits("64Mi", initContainers=[limited("8Mi", restartPolicy="Always"), limited("60Mi")]), 72 * MIB),
        (limits("64Mi", initContainers=[limited("8Mi", restartPolicy="Always"), limited("99Mi")]), 107 * MIB),
        (limits("64Mi", initContainers=[limited("99Mi"), limited("8Mi", restartPolicy="Always")]), 99 * MIB),
        # that of the pod itself
        (limits("64Mi", None, resources={"limits": {"memory": "1Gi"}}), 1024 * MIB),
        (limits("64Mi", "1Mi", resources={"limits": {"cpu": "1"}}), 65 * MIB),
    ],
)
def test_memory_limit(pod: Pod, limit: int | None) -> None:
    assert _stored.memory_limit(pod) == limit


def test_a_container_has_a_limit_of_its_own() -> None:
    pod = pods("SHM304")["undeclared"]
    assert _stored.container_limit(pod, "bare") is None
    assert _stored.container_limit(pair(), "limited") == 545 * MIB


def test_what_is_asked_for_has_the_limits_that_the_plan_means() -> None:
    assert _stored.memory_limit(pods("SHM304")["undeclared"]) is None
    assert _stored.memory_limit(pods("SHM107", "SHM108")["life"]) == 64 * MIB


# ------------------------------------------------------------------------ changes


def as_stored(pod: Pod) -> Pod:
    """What an API server makes of a pod that it stores unchanged, with what admission commonly adds."""
    stored = copy.deepcopy(pod)
    spec = stored["spec"]
    spec.update(
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        serviceAccountName="default",
        priority=0,
        tolerations=[*spec["tolerations"], {"key": "node.kubernetes.io/not-ready", "operator": "Exists"}],
    )
    spec["containers"].append({"name": "istio-proxy", "image": "proxy", "resources": {}})
    spec["volumes"].append({"name": "kube-api-access", "projected": {"sources": []}})
    for one in spec["containers"]:
        one.setdefault("terminationMessagePath", "/dev/termination-log")
        one["volumeMounts"] = [
            # false is left out
            *({key: value for key, value in mount.items() if value} for mount in one.get("volumeMounts", ())),
            {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
        ]
        for amounts in one["resources"].values():
            if "memory" in amounts:
                amounts["memory"] = _pod.memory_text(int(amounts["memory"]))
    return stored


@pytest.mark.parametrize("check", [check.id for check in _catalog.CHECKS if check.steps])
def test_what_the_api_server_fills_in_is_no_change(check: str) -> None:
    for pod in pods(check).values():
        names = [one["name"] for one in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])]
        assert _stored.changes(pod, as_stored(pod), names) == []


def _strip(part: str) -> t.Callable[[Pod], None]:
    return lambda pod: volume(pod, "limited")["emptyDir"].pop(part)


def _limit(memory: str) -> t.Callable[[Pod], None]:
    return lambda pod: container(pod, "limited")["resources"]["limits"].update(memory=memory)


def _unmount(pod: Pod) -> None:
    limited = container(pod, "limited")
    limited["volumeMounts"] = [mount for mount in limited["volumeMounts"] if mount["mountPath"] != "/dev/shm"]


def _hide(pod: Pod) -> None:
    container(pod, "first")["volumeMounts"].append({"name": "limited", "mountPath": "/dev/shm"})


def _on_disk(pod: Pod) -> None:
    found = volume(pod, "limited")
    del found["emptyDir"]
    found["hostPath"] = {"path": "/tmp"}


def _lost(pod: Pod) -> None:
    pod["spec"]["volumes"].remove(volume(pod, "limited"))


def _replaced(pod: Pod) -> None:
    container(pod, "limited")["name"] = "other"


def _sysctl(pod: Pod) -> None:
    pod["spec"]["securityContext"]["sysctls"] = [{"name": "kernel.shm_rmid_forced", "value": "1"}]


def _user(pod: Pod) -> None:
    container(pod, "limited")["securityContext"]["runAsUser"] = 1000


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_strip("medium"), ["volume limited: medium Memory -> none"]),
        (_strip("sizeLimit"), ["volume limited: sizeLimit 512Mi -> none"]),
        (
            lambda pod: volume(pod, "limited")["emptyDir"].update(sizeLimit="8Mi"),
            ["volume limited: sizeLimit 512Mi -> 8Mi"],
        ),
        (
            lambda pod: volume(pod, "limited")["emptyDir"].update(sizeLimit="0"),
            ["volume limited: sizeLimit 512Mi -> 0"],
        ),
        (_on_disk, ["volume limited: kind emptyDir -> hostPath"]),
        (_lost, ["volume limited: it is not there"]),
        (_limit("64Mi"), ["container limited: memory limit 545Mi -> 64Mi"]),
        (_limit("0"), ["container limited: memory limit 545Mi -> none"]),
        (_unmount, ["container limited: mount on /dev/shm limited -> none"]),
        (_hide, ["container first: mount on /dev/shm none -> limited"]),
        (_replaced, ["container limited is not there"]),
        (_user, ["container limited: runAsUser 65532 -> 1000"]),
        (_sysctl, ["sysctl kernel.shm_rmid_forced none -> 1"]),
        (lambda pod: pod["spec"].update(hostIPC=True), ["hostIPC false -> true"]),
        (lambda pod: pod["spec"].update(shareProcessNamespace=True), ["shareProcessNamespace false -> true"]),
        (lambda pod: pod["spec"].update(hostUsers=False), ["hostUsers true -> false"]),
        (lambda pod: pod["spec"].update(runtimeClassName="kata"), ["runtimeClassName none -> kata"]),
        (
            lambda pod: pod["spec"].update(resources={"limits": {"memory": "2Gi"}}),
            ["pod memory limit none -> 2Gi"],
        ),
        # of a container that no step of the check runs in
        (lambda pod: volume(pod, "lonely")["emptyDir"].clear(), []),
        (lambda pod: container(pod, "lonely")["resources"].clear(), []),
    ],
)
def test_what_was_changed_is_told(change: t.Callable[[Pod], None], told: list[str]) -> None:
    asked, stored = pair(), as_stored(pair())
    change(stored)
    assert _stored.changes(asked, stored, ("first", "limited")) == told


def test_a_pod_that_the_check_is_not_about_does_not_matter() -> None:
    stored = as_stored(pair())
    stored["spec"]["hostIPC"] = True
    assert _stored.changes(pair(), stored, ("stranger",)) == []
