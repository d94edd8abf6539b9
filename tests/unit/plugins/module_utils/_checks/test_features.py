# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which check needs which version of Kubernetes."""

from __future__ import annotations

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import CHECKS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.features import (
    FEATURES,
    RESIZE,
    SIDECARS,
    USER_NAMESPACES,
    VOLUME_RESIZE,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import ContainerKind, Feature
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Reason


def test_every_feature_is_needed_by_a_check() -> None:
    assert {check.needs for check in CHECKS if check.needs} == set(FEATURES)


def test_what_is_about_a_feature_needs_it() -> None:
    for check in CHECKS:
        if check.layout.dry_run_only:
            continue
        needs = check.needs
        assert (needs is SIDECARS) == any(s.container.kind is ContainerKind.SIDECAR for s in check.steps)
        assert (needs is USER_NAMESPACES) == check.layout.pods[0].options.own_users
        assert (needs in (RESIZE, VOLUME_RESIZE)) == any(s.name in ("@resize", "@resize_volume") for s in check.steps)


def test_where_it_is_missing_the_check_is_left_out() -> None:
    assert all(Reason.FEATURE_GATE_OFF in check.skips for check in CHECKS if check.needs)


@pytest.mark.parametrize(
    ("feature", "version", "usual"),
    [
        (SIDECARS, "v1.28.15", False),
        (SIDECARS, "v1.29.0", True),
        (USER_NAMESPACES, "v1.32.9-gke.100", False),
        (USER_NAMESPACES, "v1.33.0-rc.1", True),
        (USER_NAMESPACES, "v2.0.0", True),
        (USER_NAMESPACES, "v1.4.0", False),
        (VOLUME_RESIZE, "v1.37.2", False),
        # nobody knows
        (USER_NAMESPACES, "", True),
    ],
)
def test_which_versions_have_it(feature: Feature, version: str, usual: bool) -> None:
    assert feature.is_usual_in(version) is usual


def test_the_version_in_words() -> None:
    assert SIDECARS.words == "Kubernetes 1.29 and newer have sidecars"
    assert VOLUME_RESIZE.words == (
        "Kubernetes 1.37 and newer have the in-place resize of memory-backed volumes, if the gate "
        "InPlacePodVerticalScalingMemoryBackedVolumes is on"
    )
