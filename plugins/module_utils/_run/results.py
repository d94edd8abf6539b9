# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What the layouts of a run answered, for the judge."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Observation
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive

Answer: t.TypeAlias = Observation | Inconclusive


@dataclasses.dataclass
class LayoutResult:
    """What a layout answered.

    :param answers: by check id and label of the step.
    :param pods: by role: as it was requested, and as the API server stored it.
    :param refused: by role: why the pod, or a container of it, was refused.
    :param after: by role: how the pod was after the last step.
    :param unseen: by role: why nobody saw the pod then.
    :param seconds: how long the steps of each check took.
    """

    answers: dict[str, dict[str, Answer]] = dataclasses.field(default_factory=dict)
    pods: dict[str, tuple[dict[str, t.Any], dict[str, t.Any]]] = dataclasses.field(default_factory=dict)
    refused: dict[str, Inconclusive] = dataclasses.field(default_factory=dict)
    after: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    unseen: dict[str, Inconclusive] = dataclasses.field(default_factory=dict)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
