# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SHM213 never looks at the PID namespaces."""

from __future__ import annotations

from broken import rules

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Decision, Verdict


def inject() -> None:
    rules.replace("SHM213", lambda seen, context: Decision(Verdict.PASS, "never looks at the PID namespaces"))
