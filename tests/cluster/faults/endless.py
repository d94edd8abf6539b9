# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No answer is ever complete, so that the run waits for one until its time is up."""

from __future__ import annotations

from unittest import mock

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import protocol


def inject() -> None:
    mock.patch.object(protocol, "complete", return_value=None).start()
