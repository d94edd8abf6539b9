# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe of another architecture."""

from __future__ import annotations

from unittest import mock

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import payload

_binary = payload.binary


def _other(architecture: str) -> bytes:
    return _binary("arm64" if architecture == "amd64" else "amd64")


def inject() -> None:
    mock.patch.object(payload, "binary", _other).start()
