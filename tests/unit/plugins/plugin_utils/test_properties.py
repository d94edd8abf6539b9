# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold for all foreign words in a report."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import printable
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _report

#: What means something in Markdown, more often than chance has it.
words = st.text(alphabet=st.one_of(st.sampled_from("\\`*_{}[]<>|#\n"), st.characters()))


@given(words)
def test_a_cell_shows_its_words_and_nothing_of_them_is_markdown(text: str) -> None:
    cell = _report._cell(text)
    assert re.sub(r"\\(.)", r"\1", cell) == printable(text)
    assert not re.search(r"[`*_{}\[\]<>|#]", re.sub(r"\\.", "", cell))


@given(words)
def test_the_file_of_a_report_stays_in_its_folder(cluster: str) -> None:
    name = _report.file_names([cluster])[cluster]
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.json", name)
