# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request has 3 s instead of 20, so that a test of an answer that does not come takes less time."""

from __future__ import annotations

from unittest import mock

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import client


def inject() -> None:
    mock.patch.object(client, "_REQUEST_SECONDS", (3, 3)).start()
