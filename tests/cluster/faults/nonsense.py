# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers whose command the probe does not know, so that they end at once."""

from __future__ import annotations

import dataclasses
from unittest import mock

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import manifests

_pod = manifests.pod


def _spoilt(meta: manifests.RunMeta, plan: manifests.PodPlan, anchor_uid: str) -> dict[str, object]:
    containers = tuple(dataclasses.replace(one, command=("nonsense",)) for one in plan.containers)
    return _pod(meta, dataclasses.replace(plan, containers=containers), anchor_uid)


def inject() -> None:
    mock.patch.object(manifests, "pod", _spoilt).start()
