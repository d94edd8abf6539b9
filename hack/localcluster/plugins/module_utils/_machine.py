# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clusters share with their machine, and give back.

This file is PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import socket
import typing as t

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._layout import Layout

CAP_SYS_RESOURCE = 24

# What kubelet and containerd create at fixed places, whatever their settings; children before parents.
SHARED_FILES = ("/var/lib/kubelet/device-plugins/kubelet.sock",)
SHARED_FOLDERS = (
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/lib/cni/results",
    "/var/lib/cni",
    "/run/containerd",
)
# Where kubelets before 1.30 keep the logs of their pods.
POD_LOGS = "/var/log/pods"
# What the kubelet sets for the whole machine.
SYSCTLS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def boot_id() -> str:
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def lacks_sys_resource() -> bool:
    status = pathlib.Path("/proc/self/status").read_text()
    match = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    return match is None or not int(match.group(1), 16) >> CAP_SYS_RESOURCE & 1


def machine_before() -> dict[str, t.Any]:
    """To be recorded before the first cluster, and put back after the last."""
    return {
        "absent": [path for path in (*SHARED_FILES, *SHARED_FOLDERS, POD_LOGS) if not os.path.lexists(path)],
        "sysctls": {name: _sysctl(name).read_text().strip() for name in SYSCTLS if _sysctl(name).exists()},
    }


def _sysctl(name: str) -> pathlib.Path:
    return pathlib.Path("/proc/sys", name)


def restore_machine(before: t.Mapping[str, t.Any]) -> None:
    for path in SHARED_FILES:
        if path in before.get("absent", []) and not _listening(path):
            pathlib.Path(path).unlink(missing_ok=True)
    for path in SHARED_FOLDERS:
        # Whatever is in it belongs to somebody else.
        if path in before.get("absent", []):
            with contextlib.suppress(OSError):
                os.rmdir(path)
    if POD_LOGS in before.get("absent", []):
        shutil.rmtree(POD_LOGS, ignore_errors=True)
    for name, value in before.get("sysctls", {}).items():
        if _sysctl(name).read_text().strip() != value:
            _sysctl(name).write_text(value)


def _listening(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0


def remove_strewn(layout: Layout) -> None:
    """Files of this cluster at the places that clusters share."""
    for pod in pathlib.Path(layout.path("kubelet", "pods")).glob("*"):
        for folder in pathlib.Path(POD_LOGS).glob(f"*_{pod.name}"):
            shutil.rmtree(folder)
    for link in pathlib.Path("/var/log/containers").glob("*"):
        with contextlib.suppress(OSError):
            target = os.readlink(link)
            if target.startswith(layout.path("")) or (target.startswith(f"{POD_LOGS}/") and not link.exists()):
                link.unlink()
    for file in pathlib.Path("/var/lib/cni/results").glob("*"):
        if re.match(rf"{re.escape(layout.cni_network)}-[0-9a-f]{{64}}-", file.name):
            file.unlink(missing_ok=True)
