# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SHM301 takes any size for the right one."""

from __future__ import annotations

from broken import rules

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import common, size
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Context, Decision, Seen


def _rule(seen: Seen, context: Context) -> Decision:
    identity, fill = size.shm_size_default.steps
    return common.enforced(seen, fill, context, common.require_size(seen[identity]), "any")


def inject() -> None:
    rules.replace("SHM301", _rule)
