# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Live pods and what owns them, as a cluster lists them."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.live import Collector


def owned(name: str, kind: str, owner: str) -> dict[str, t.Any]:
    reference = {"kind": kind, "name": owner, "controller": True}
    return {"name": name, "namespace": "shop", "ownerReferences": [reference]}


def replica(number: int, memory: str = "1Gi") -> dict[str, t.Any]:
    """A pod of a StatefulSet, with everything that differs between its replicas."""
    name, token = f"db-{number}", f"kube-api-access-{number}"
    container = {
        "name": "db",
        "image": "postgres:16",
        "env": [{"name": "POD_NAME", "value": name}],
        "resources": {"limits": {"memory": memory}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": token, "mountPath": "/var/run/secrets"}],
    }
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": f"data-{name}"}}, {"name": token}]
    spec = {"containers": [container], "volumes": volumes, "hostname": name, "nodeName": f"node-{number}"}
    return {"metadata": owned(name, "StatefulSet", "db"), "spec": spec}


def collected(*pods: dict[str, t.Any]) -> list[tuple[str, int]]:
    collector = Collector()
    template = {"spec": {"containers": [{"name": "db", "image": "postgres:16"}]}}
    stateful_set = {"metadata": {"name": "db", "namespace": "shop"}, "spec": {"template": template}}
    collector.add_controller(stateful_set, "StatefulSet")
    for pod in pods:
        collector.add_pod(pod)
    return [(one.subject, one.replicas) for one in collector.workloads()]


def test_replicas_of_one_template_are_one_workload() -> None:
    assert collected(*map(replica, range(3))) == [("StatefulSet shop/db", 3)]


def test_replicas_that_differ_are_two_workloads() -> None:
    assert collected(replica(0), replica(1), replica(2, "2Gi")) == [
        ("StatefulSet shop/db", 2),
        ("StatefulSet shop/db", 1),
    ]


def test_an_owner_without_pods_is_audited_by_its_template() -> None:
    assert collected() == [("StatefulSet shop/db", 0)]
