# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A probe that is no program."""

from __future__ import annotations

from unittest import mock

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import payload


def inject() -> None:
    mock.patch.object(payload, "binary", return_value=b"no program at all").start()
