# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What checks need of Kubernetes that not every supported version has (pure)."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Feature

SIDECARS: t.Final = Feature("sidecars", "SidecarContainers", "1.28", "1.29")
USER_NAMESPACES: t.Final = Feature("user namespaces of pods", "UserNamespacesSupport", "1.28", "1.33")
# before 1.32 there is no pods/resize
RESIZE: t.Final = Feature("the in-place resize of pods", "InPlacePodVerticalScaling", "1.32", "1.33")
VOLUME_RESIZE: t.Final = Feature(
    "the in-place resize of memory-backed volumes", "InPlacePodVerticalScalingMemoryBackedVolumes", "1.37"
)

FEATURES: t.Final = (SIDECARS, USER_NAMESPACES, RESIZE, VOLUME_RESIZE)
