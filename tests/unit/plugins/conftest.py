# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same examples on every run and every machine, however slow it is: a red test is red for everybody. No shared secrets."""

from __future__ import annotations

import pathlib

import hypothesis
import pytest
from hypothesis import configuration

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._secrets import KNOWN, Secrets

configuration.set_hypothesis_home_dir(pathlib.Path(__file__).parents[3] / ".build" / "hypothesis")
hypothesis.settings.register_profile("settled", derandomize=True, database=None, deadline=None, max_examples=60)
# to search for more: pytest --hypothesis-profile=default
hypothesis.settings.load_profile("settled")


@pytest.fixture(autouse=True)
def nothing_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test plants is no secret of the next."""
    for name, value in vars(Secrets()).items():
        monkeypatch.setattr(KNOWN, name, value)
