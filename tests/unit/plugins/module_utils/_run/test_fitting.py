# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections.abc
import itertools
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import CHECKS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Settings, Sizes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import fitting, manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import plan
from ansible_collections.abcdesktopio.podshm.tests.unit.plugins.module_utils._run.support import META

Object = dict[str, t.Any]
#: Whether a namespace admits a pod's spec.
Policy = collections.abc.Callable[[Object], bool]

PODS: t.Final = {
    pod.role: pod
    for layout in plan(CHECKS, Settings(), Sizes.of(Settings()), "ff", itertools.repeat("0" * 32))
    if not layout.layout.dry_run_only
    for pod in layout.pods
}


def containers(spec: Object) -> list[Object]:
    return [*spec["initContainers"], *spec["containers"]]


def sized(spec: Object) -> bool:
    return all("emptyDir" not in one or "sizeLimit" in one["emptyDir"] for one in spec["volumes"])


def of_the_namespace(spec: Object) -> bool:
    return all("runAsUser" not in one["securityContext"] for one in containers(spec))


def even(spec: Object) -> bool:
    return all(one["resources"]["requests"]["cpu"] == one["resources"]["limits"]["cpu"] for one in containers(spec))


def ask(policy: Policy) -> fitting.Ask:
    def asked(meta: manifests.RunMeta, pod: manifests.PodPlan) -> Inconclusive | None:
        admits = policy(manifests.pod(meta, pod, "uid")["spec"])
        return None if admits else Inconclusive(Reason.ADMISSION_DENIED, f"not {policy.__name__}")

    return asked


def fitted(role: str, policy: Policy) -> fitting.Fitted:
    way = fitting.found_way(META, PODS[role], ask(policy))
    assert way
    return fitting.fitted(way, PODS[role], Inconclusive(Reason.ADMISSION_DENIED, "first"), ask(policy))


def test_only_the_refused_container_is_left_out_with_its_own_refusal() -> None:
    left = fitted("pair", sized)
    assert {one.name: str(why) for one, why in left.dropped.items()} == {"unsized": "not sized"}
    assert [one.name for one in left.plan.containers] == ["first", "second", "guest", "one-sided", "sized"]
    assert "unsized" not in [volume.name for volume, _size in left.plan.volumes]


def test_users_are_left_to_a_cluster_that_gives_them() -> None:
    left = fitted("pair", of_the_namespace)
    assert not left.meta.names_users
    assert [one.name for one in left.dropped] == ["guest"]
    assert "the cluster gives every container its user" in str(next(iter(left.dropped.values())))


def test_requests_follow_a_ratio_that_is_too_small() -> None:
    left = fitted("life", even)
    assert (left.meta.cpu_share, left.meta.names_users, left.dropped) == (1, True, {})


def test_init_containers_are_tried_beside_a_main_one() -> None:
    def not_before(spec: Object) -> bool:
        return all(one["name"] != "before" for one in spec["initContainers"])

    left = fitted("life", not_before)
    assert [one.name for one in left.dropped] == ["before"]
    assert [one.name for one in left.plan.containers] == ["earlier", "main"]


def test_where_the_simplest_pod_is_refused_every_pod_is() -> None:
    assert fitting.found_way(META, PODS["pair"], ask(lambda spec: False)) is None


@pytest.mark.parametrize("role", ["host-ipc", "fs-group", "unsafe"])
def test_a_pod_that_is_refused_for_what_it_is_stays_refused(role: str) -> None:
    def plain(spec: Object) -> bool:
        return not spec.get("hostIPC") and not {"fsGroup", "sysctls"} & spec["securityContext"].keys()

    with pytest.raises(Inconclusive, match="not plain"):
        fitted(role, plain)
