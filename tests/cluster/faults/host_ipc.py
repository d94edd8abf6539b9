# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that violate every level of the Pod Security Standards but one. No option of the collection can do that."""

from __future__ import annotations

import typing as t
from unittest import mock

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import manifests

_pod = manifests.pod


def _spoilt(meta: manifests.RunMeta, plan: manifests.PodPlan, anchor_uid: str) -> dict[str, t.Any]:
    manifest = _pod(meta, plan, anchor_uid)
    manifest["spec"]["hostIPC"] = True
    return manifest


def inject() -> None:
    mock.patch.object(manifests, "pod", _spoilt).start()
