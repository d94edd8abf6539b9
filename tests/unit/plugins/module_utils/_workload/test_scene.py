# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of live pods: what shared memory has to do with it, and what it has not."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.manifests import Workload

PRESSURE: t.Final = (
    "The node was low on resource: {}. Threshold quantity: 100Mi, available: 73Mi. Container c was using 3Gi, "
)
MEMORY: t.Final = {"volumes": [{"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}}]}
RUNC: t.Final = (
    "failed to create containerd task: runc create failed: container init was OOM-killed (memory limit too low?)"
)
SYSCTLS: t.Final = {"sysctls": [{"name": "kernel.shmmax", "value": "68719476736"}]}


def found(status: dict[str, t.Any], image: str = "nginx:1.27", **spec: t.Any) -> list[tuple[str, str, str]]:
    mounts = [{"name": "dshm", "mountPath": "/dev/shm"}] if "volumes" in spec else []
    one = {"name": "c", "image": image, "volumeMounts": mounts, "resources": {"limits": {"memory": "2Gi"}}}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [one], **spec}, "status": status}
    work = Workload("v1", "Pod", "", "p", (), pod["metadata"], pod["spec"], pods=[pod])
    return [(each.rule, each.severity.value, each.observed) for each in audit.audit(work, PROGRAMS).findings]


def rules(*args: t.Any, **spec: t.Any) -> list[str]:
    return [rule for rule, _severity, _observed in found(*args, **spec)]


def evicted(message: str) -> dict[str, t.Any]:
    return {"phase": "Failed", "reason": "Evicted", "message": message}


def ended(**state: t.Any) -> dict[str, t.Any]:
    return {"containerStatuses": [{"name": "c", "restartCount": 3, "lastState": {"terminated": state}}]}


def test_an_eviction_counts_where_the_pod_can_have_led_to_it() -> None:
    memory, disk = (evicted(PRESSURE.format(resource)) for resource in ("memory", "ephemeral-storage"))
    assert rules(memory) == []
    assert rules(memory, image="redis:7", **MEMORY) == ["SHM723"]
    assert rules(disk) == []
    assert rules(disk, image="postgres:17", **MEMORY) == []
    assert rules(disk, image="rayproject/ray:2.9.0", volumes=[{"name": "dshm", "emptyDir": {"medium": "Memory"}}]) == [
        "SHM723"
    ]


@pytest.mark.parametrize("code", [0, 137])
def test_a_kill_for_memory_counts_whatever_the_code(code: int) -> None:
    assert rules(ended(exitCode=code, reason="OOMKilled"), image="registry.example.com/a:1", **MEMORY) == ["SHM722"]
    assert rules(ended(exitCode=code, reason="OOMKilled")) == []
    assert rules(ended(exitCode=0, reason="Completed"), **MEMORY) == []


def test_a_container_that_has_no_memory_to_start_has_what_is_in_its_volume() -> None:
    state = ended(exitCode=128, reason="StartError", message=RUNC)
    (one,) = found(state, image="registry.example.com/a:1", **MEMORY)
    assert one[:2] == ("SHM724", "FAIL")
    assert RUNC in one[2]
    assert rules(state) == []


def test_a_message_of_the_program_is_read_and_not_quoted() -> None:
    line = "RuntimeError: unable to write to file </torch_41_2837_0>: No space left on device (28), password=hunter2"
    (one,) = found(ended(exitCode=1, reason="Error", message=f"Traceback\n{line}"))
    assert one[:2] == ("SHM724", "FAIL")
    assert "/dev/shm is full" in one[2]
    assert "torch_41" not in one[2]
    assert "hunter2" not in one[2]
    assert rules(ended(exitCode=1, reason="Error", message="ValueError: abc")) == []


def test_a_pod_that_a_kubelet_refused_is_not_one_that_it_may_refuse() -> None:
    status = {
        "phase": "Failed",
        "reason": "SysctlForbidden",
        "message": 'Pod was rejected: forbidden sysctl: "kernel.shmmax" not allowlisted',
    }
    selectors: tuple[dict[str, str], ...] = ({}, {"example.com/sysctls": "shm"})
    for labels in selectors:
        (one,) = found(status, securityContext=SYSCTLS, nodeSelector=labels)
        assert one[:2] == ("SHM709", "FAIL")
        assert "kernel.shmmax" in one[2]
