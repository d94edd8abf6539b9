# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""The kinds of Kubernetes that have pods, or are pods (pure). Custom resources are known by the pods that they own."""

from __future__ import annotations

import typing as t


class BuiltIn(t.NamedTuple):
    """A kind that every API server has.

    :param plural: its name in URLs.
    :param api_version: which the items of a list do not have.
    :param template: where its objects have the template of their pods.
    :param is_fixed: whether its pods cannot be changed once they are there.
    """

    plural: str
    api_version: str
    template: tuple[str, ...] = ("spec", "template")
    is_fixed: bool = False


BUILT_IN: t.Final = {
    "Pod": BuiltIn("pods", "v1", (), is_fixed=True),
    "Deployment": BuiltIn("deployments", "apps/v1"),
    "StatefulSet": BuiltIn("statefulsets", "apps/v1"),
    "DaemonSet": BuiltIn("daemonsets", "apps/v1"),
    "ReplicaSet": BuiltIn("replicasets", "apps/v1"),
    "ReplicationController": BuiltIn("replicationcontrollers", "v1"),
    "Job": BuiltIn("jobs", "batch/v1", is_fixed=True),
    "CronJob": BuiltIn("cronjobs", "batch/v1", ("spec", "jobTemplate", "spec", "template")),
}

#: Those whose pods are fixed once they are there.
FIXED: t.Final = frozenset(kind for kind, one in BUILT_IN.items() if one.is_fixed)
