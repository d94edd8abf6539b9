# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import itertools
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _pod
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID, CHECKS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Settings, Sizes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import memory_text
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import admission, manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import plan

MIB = 1024 * 1024
META = manifests.RunMeta("ff", "", "default", "n", "amd64", "pause", "Never", "", (), {}, {}, 120)

Pod = dict[str, t.Any]


def pods(*ids: str) -> dict[str, Pod]:
    """The pods that checks ask for, by their role."""
    checks = [BY_ID[check] for check in ids]
    plans = plan(checks, Settings(), Sizes.of(Settings()), "ff", (f"{n:032x}" for n in itertools.count()))
    return {pod.role: manifests.pod(META, pod, "") for layout in plans for pod in layout.pods}


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
    assert _pod.memory_limit(pod["spec"]) == limit


def test_a_container_has_a_limit_of_its_own() -> None:
    pod = pods("SHM304")["undeclared"]
    assert admission.container_limits(pod)["bare"] is None
    assert admission.container_limits(pair())["sized"] == 545 * MIB


def test_what_is_asked_for_has_the_limits_that_the_plan_means() -> None:
    assert _pod.memory_limit(pods("SHM304")["undeclared"]["spec"]) is None
    assert _pod.memory_limit(pods("SHM107")["life"]["spec"]) == 32 * MIB
    assert _pod.memory_limit(pods("SHM108")["sidecar"]["spec"]) == 64 * MIB


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
                amounts["memory"] = memory_text(int(amounts["memory"]))
    return stored


@pytest.mark.parametrize("check", [check.id for check in CHECKS if check.steps])
def test_what_the_api_server_fills_in_is_no_change(check: str) -> None:
    for pod in pods(check).values():
        names = [one["name"] for one in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])]
        assert admission.changes(pod, as_stored(pod), names) == []


def _strip(part: str) -> t.Callable[[Pod], None]:
    return lambda pod: volume(pod, "sized")["emptyDir"].pop(part)


def _limit(memory: str) -> t.Callable[[Pod], None]:
    return lambda pod: container(pod, "sized")["resources"]["limits"].update(memory=memory)


def _unmount(pod: Pod) -> None:
    limited = container(pod, "sized")
    limited["volumeMounts"] = [mount for mount in limited["volumeMounts"] if mount["mountPath"] != "/dev/shm"]


def _hide(pod: Pod) -> None:
    container(pod, "first")["volumeMounts"].append({"name": "sized", "mountPath": "/dev/shm"})


def _on_disk(pod: Pod) -> None:
    found = volume(pod, "sized")
    del found["emptyDir"]
    found["hostPath"] = {"path": "/tmp"}


def _lost(pod: Pod) -> None:
    pod["spec"]["volumes"].remove(volume(pod, "sized"))


def _replaced(pod: Pod) -> None:
    container(pod, "sized")["name"] = "other"


def _sysctl(pod: Pod) -> None:
    pod["spec"]["securityContext"]["sysctls"] = [{"name": "kernel.shm_rmid_forced", "value": "1"}]


def _user(pod: Pod) -> None:
    container(pod, "sized")["securityContext"]["runAsUser"] = 1000


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_strip("medium"), ["volume sized: medium Memory -> none"]),
        (_strip("sizeLimit"), ["volume sized: sizeLimit 512Mi -> none"]),
        (
            lambda pod: volume(pod, "sized")["emptyDir"].update(sizeLimit="8Mi"),
            ["volume sized: sizeLimit 512Mi -> 8Mi"],
        ),
        (
            lambda pod: volume(pod, "sized")["emptyDir"].update(sizeLimit="0"),
            ["volume sized: sizeLimit 512Mi -> 0"],
        ),
        (_on_disk, ["volume sized: kind emptyDir -> hostPath"]),
        (_lost, ["volume sized: it is not there"]),
        (_limit("64Mi"), ["container sized: memory limit 545Mi -> 64Mi"]),
        (_limit("0"), ["container sized: memory limit 545Mi -> none"]),
        (_unmount, ["container sized: mount on /dev/shm sized -> none"]),
        (_hide, ["container first: mount on /dev/shm none -> sized"]),
        (_replaced, ["container sized is not there"]),
        (_user, ["container sized: runAsUser 65532 -> 1000"]),
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
        (lambda pod: volume(pod, "one-sided")["emptyDir"].clear(), []),
        (lambda pod: container(pod, "one-sided")["resources"].clear(), []),
    ],
)
def test_what_was_changed_is_told(change: t.Callable[[Pod], None], told: list[str]) -> None:
    asked, stored = pair(), as_stored(pair())
    change(stored)
    assert admission.changes(asked, stored, ("first", "sized")) == told


def test_what_the_api_server_does_not_know_is_no_change_of_the_cluster() -> None:
    asked = pair()
    asked["spec"] |= {"hostUsers": False, "initContainers": [{"name": "beside", "restartPolicy": "Always"}]}
    stored = as_stored(asked)
    assert admission.unknown(asked, stored) == []
    admission.require_known(asked, stored)
    del stored["spec"]["hostUsers"], stored["spec"]["initContainers"][0]["restartPolicy"]
    assert admission.unknown(asked, stored) == ["hostUsers", "restartPolicy of the init container beside"]
    assert admission.changes(asked, stored, ("first", "beside")) == []
    with pytest.raises(Inconclusive) as caught:
        admission.require_known(asked, stored)
    assert caught.value.reason is Reason.FEATURE_GATE_OFF
    # a policy that sets it is a policy
    stored["spec"]["hostUsers"] = True
    assert admission.unknown(asked, stored) == ["restartPolicy of the init container beside"]
    assert admission.changes(asked, stored, ("first",)) == ["hostUsers false -> true"]
    # and so is a container that somebody took away
    stored["spec"]["initContainers"] = []
    assert admission.unknown(asked, stored) == []


def test_a_pod_that_the_check_is_not_about_does_not_matter() -> None:
    stored = as_stored(pair())
    stored["spec"]["hostIPC"] = True
    assert admission.changes(pair(), stored, ("stranger",)) == []


def test_what_an_option_names_and_the_cluster_changes_is_told() -> None:
    asked = pair()
    names = {"priorityClassName": "low", "serviceAccountName": "podshm", "imagePullSecrets": [{"name": "registry"}]}
    asked["spec"].update(names)
    stored = as_stored(pair())
    stored["spec"].update(names)
    assert admission.changes(asked, stored, ("first",)) == []
    stored["spec"]["imagePullSecrets"] = [{"name": "mirror"}, {"name": "registry"}]
    assert admission.changes(asked, stored, ("first",)) == []
    del stored["spec"]["imagePullSecrets"]
    stored["spec"].update(priorityClassName="high", serviceAccountName="other")
    assert admission.changes(asked, stored, ("first",)) == [
        "priorityClassName low -> high",
        "serviceAccountName podshm -> other",
        "image pull secrets registry -> none",
    ]


def test_what_the_cluster_gives_where_no_option_names_it_is_placing() -> None:
    stored = as_stored(pair())
    stored["spec"].update(priorityClassName="usual", imagePullSecrets=[{"name": "x"}])
    assert admission.changes(pair(), stored, ("first",)) == []
    assert "priorityClassName none -> usual" in admission.placing_changes(pair(), stored)


def test_what_several_containers_get_is_told_once() -> None:
    stored = pair()
    for name in ("first", "sized"):
        container(stored, name)["image"] = "mirror/pause"
    assert admission.placing_changes(pair(), stored) == ["containers first, sized: image pause -> mirror/pause"]
    container(stored, "sized")["image"] = "pause"
    assert admission.placing_changes(pair(), stored) == ["container first: image pause -> mirror/pause"]


def test_a_node_selector_is_told_in_words() -> None:
    stored = as_stored(pair())
    stored["spec"]["nodeSelector"] = {"pool": "batch", "disk": "fast"}
    assert "nodeSelector none -> pool=batch, disk=fast" in admission.placing_changes(pair(), stored)
    stored["spec"]["nodeSelector"] = {}
    assert admission.placing_changes(pair(), stored) == ["container istio-proxy added"]


def _secured(**security: t.Any) -> t.Callable[[Pod], None]:
    return lambda pod: container(pod, "sized")["securityContext"].update(security)


def _pod_secured(**security: t.Any) -> t.Callable[[Pod], None]:
    def change(pod: Pod) -> None:
        pod["spec"]["securityContext"].update(security)
        for field in security:
            container(pod, "sized")["securityContext"].pop(field, None)

    return change


LOCALHOST: t.Final = {"type": "Localhost", "localhostProfile": "ipc.json"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_secured(seccompProfile=LOCALHOST), ["seccompProfile RuntimeDefault -> Localhost ipc.json"]),
        (_pod_secured(seccompProfile=LOCALHOST), ["seccompProfile RuntimeDefault -> Localhost ipc.json"]),
        # the pod has the same
        (lambda pod: container(pod, "sized")["securityContext"].pop("seccompProfile"), []),
        (_pod_secured(appArmorProfile=LOCALHOST), ["appArmorProfile none -> Localhost ipc.json"]),
        (_secured(privileged=True), ["privileged false -> true"]),
        (_secured(capabilities={"drop": ["ALL", "KILL"]}), []),
        (_secured(capabilities={"drop": ["KILL"]}), ["capabilities none -> the runtime's"]),
        (_secured(capabilities={"drop": ["ALL"], "add": ["B", "A"]}), ["capabilities none -> none + A + B"]),
        # what is left to the cluster
        (_pod_secured(fsGroup=1000680000, seLinuxOptions={"level": "s0:c26,c5"}, supplementalGroups=[1]), []),
        (_secured(runAsNonRoot=None), []),
    ],
)
def test_what_was_changed_of_the_security_of_a_container_is_told(
    change: t.Callable[[Pod], None], told: list[str]
) -> None:
    asked, stored = pair(), as_stored(pair())
    change(stored)
    assert admission.changes(asked, stored, ("sized",)) == [f"container sized: {text}" for text in told]


def test_root_that_the_cluster_does_not_let_run_is_told() -> None:
    asked, stored = pods("SHM111")["ipc-owner"], pods("SHM111")["ipc-owner"]
    container(stored, "root")["securityContext"]["runAsNonRoot"] = True
    assert admission.changes(asked, stored, ("root",)) == ["container root: runAsNonRoot false -> true"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda pod: pod["spec"].update(
                topologySpreadConstraints=[{"topologyKey": "zone"}, {"topologyKey": "rack"}]
            ),
            ["topology spread over none -> zone, rack"],
        ),
        (lambda pod: pod["spec"].update(hostNetwork=True), ["hostNetwork false -> true"]),
        (
            lambda pod: pod["spec"]["volumes"].extend(
                [{"name": "ca", "secret": {}}, {"name": "agent", "hostPath": {}}]
            ),
            ["volumes ca, agent added"],
        ),
        (
            lambda pod: container(pod, "sized")["resources"]["requests"].update(
                {"memory": "2Gi", "x.example/gpu": "1"}
            ),
            ["requests memory of all containers 690Mi -> 2193Mi", "container sized: requests x.example/gpu none -> 1"],
        ),
        # a memory limit is told by what decides sizes
        (_limit("2Gi"), []),
        (
            lambda pod: container(pod, "sized").update(command=["/wrap", manifests.PROBE, "hold"]),
            ["container sized: command /podshm/probe -> /wrap"],
        ),
        (
            lambda pod: container(pod, "sized").update(livenessProbe={"exec": {"command": ["true"]}}),
            ["container sized: livenessProbe false -> true"],
        ),
    ],
)
def test_what_can_keep_a_pod_from_running_is_told(change: t.Callable[[Pod], None], told: list[str]) -> None:
    stored = as_stored(pair())
    change(stored)
    assert [text for text in admission.placing_changes(pair(), stored) if "istio-proxy" not in text] == told


@pytest.mark.parametrize(
    ("check", "role", "change", "told"),
    [
        ("SHM109", "users", lambda pod: pod["spec"].update(hostUsers=True), "hostUsers false -> true"),
        (
            "SHM218",
            "processes",
            lambda pod: pod["spec"].pop("shareProcessNamespace"),
            "shareProcessNamespace true -> false",
        ),
        (
            "SHM602",
            "safe",
            lambda pod: pod["spec"]["securityContext"].pop("sysctls"),
            "sysctl kernel.shm_rmid_forced 1 -> none",
        ),
        (
            "SHM319",
            "fs-group",
            lambda pod: pod["spec"]["securityContext"].update(fsGroup=2000),
            "fsGroup 65531 -> 2000",
        ),
        (
            "SHM111",
            "ipc-owner",
            lambda pod: container(pod, "root-ipc-owner")["securityContext"].update(runAsUser=1000),
            "container root-ipc-owner: runAsUser 0 -> 1000",
        ),
        (
            "SHM111",
            "ipc-owner",
            lambda pod: container(pod, "root-ipc-owner")["securityContext"]["capabilities"].pop("add"),
            "container root-ipc-owner: capability IPC_OWNER taken",
        ),
        # what is added is not taken
        ("SHM301", "pair", _sysctl, ""),
        ("SHM301", "pair", lambda pod: pod["spec"].update(hostUsers=False, shareProcessNamespace=True), ""),
        ("SHM301", "pair", lambda pod: pod["spec"]["securityContext"].update(fsGroup=1000680000), ""),
    ],
)
def test_what_the_cluster_takes_of_what_a_check_is_about(
    check: str, role: str, change: t.Callable[[Pod], t.Any], told: str
) -> None:
    asked, stored = pods(check)[role], pods(check)[role]
    names = [one["name"] for one in asked["spec"]["containers"]]
    assert admission.taken(asked, as_stored(asked), names) == ""
    change(stored)
    assert admission.taken(asked, stored, names) == told
    assert admission.taken(asked, stored, ("elsewhere",)) == ""


def test_an_injected_container_that_comes_first_does_not_decide_who_we_are() -> None:
    stored = as_stored(pair())
    stored["spec"]["containers"].insert(0, {"name": "proxy", "image": "proxy", "securityContext": {"runAsUser": 1337}})
    assert admission.user(stored) == 65532
