# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a rule is broken: the check stays as it is, with another rule."""

from __future__ import annotations

from unittest import mock

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import all as catalog
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Rule


def replace(check: str, rule: Rule) -> None:
    """Give a check of the catalog another rule, for the rest of this process."""
    # a check is the same object in the catalog and in the selection, and frozen
    mock.patch.dict(catalog.BY_ID[check].__dict__, rule=rule).start()
