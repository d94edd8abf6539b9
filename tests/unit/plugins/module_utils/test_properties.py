# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold for all quantities, all runs and all foreign words, not for examples alone."""

from __future__ import annotations

import contextlib
import typing as t

from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import CHECKS, CONTROLS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Inputs, Settings, Sizes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import (
    memory_text,
    page_rounded,
    parse_bytes,
    parse_millis,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import printable, quote

SIZES: t.Final = Sizes.of(Settings())
UNITS: t.Final = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": 1024**power for power, unit in enumerate("KMGTPE", 1)},
}

amounts = st.integers(0, 2**63)
runs = st.integers(0, 2**40 - 1).map(lambda number: f"{number:010x}")

# --------------------------------------------------------------------------------------------- quantities


@given(amounts)
def test_what_is_written_as_a_quantity_is_read_as_the_same_amount(size: int) -> None:
    assert parse_bytes(memory_text(size)) == size


@given(amounts, st.sampled_from(["Ki", "Mi", "Gi", "Ti"]))
def test_a_quantity_is_written_in_its_largest_unit(count: int, unit: str) -> None:
    text = memory_text(count * UNITS[unit])
    number = int(text.rstrip("KMGTi"))
    assert number % 1024 or text.endswith("Ti") or count == 0


@given(st.integers(0, 2**20), st.sampled_from(sorted(UNITS)))
def test_units(count: int, unit: str) -> None:
    assert parse_bytes(f"{count}{unit}") == count * UNITS[unit]
    assert parse_millis(f"{count}{unit}") == 1000 * count * UNITS[unit]


@given(amounts)
def test_a_fraction_of_a_byte_is_rounded_up(milli: int) -> None:
    assert parse_bytes(f"{milli}m") == -(-milli // 1000)
    assert parse_millis(f"{milli}m") == milli


@given(st.text(alphabet=st.characters(exclude_characters="eE")))
def test_what_is_no_quantity_is_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_bytes(text)


@given(amounts, st.sampled_from([4096, 16384, 65536]))
def test_whole_pages_hold_it_and_are_no_page_too_many(size: int, page: int) -> None:
    rounded = page_rounded(size, page)
    assert rounded % page == 0
    assert size <= rounded < size + page


# ------------------------------------------------------------------------------------- keys and names


@given(runs)
def test_no_two_checks_of_a_run_have_one_key_or_name(run: str) -> None:
    inputs = [Inputs.of(run, check.id, SIZES) for check in (*CHECKS, *CONTROLS)]
    keys = {int(one.key, 16) for one in inputs}
    assert len(keys) == len({one.name for one in inputs}) == len(inputs)
    # 0 is IPC_PRIVATE, and key_t has a sign
    assert all(0 < key <= 0x7FFFFFFF for key in keys)


@given(runs, runs)
def test_two_runs_have_no_name_in_common(one: str, other: str) -> None:
    assume(one != other)
    assert Inputs.of(one, "SHM101", SIZES).file != Inputs.of(other, "SHM101", SIZES).file


# ------------------------------------------------------------------------------------- foreign words


@given(st.text())
def test_foreign_words_are_one_printable_line(text: str) -> None:
    line = printable(text)
    assert line.isprintable()
    assert printable(line) == line


@given(st.text(min_size=1))
def test_words_that_are_printable_already_are_not_changed(text: str) -> None:
    words = [word for word in text.split() if word.isprintable()]
    assert printable(" ".join(words)) == " ".join(words)


@given(st.text(min_size=1).map(lambda text: 300 * text))
def test_a_quotation_is_bounded(text: str) -> None:
    assert printable(text).startswith(quote(text))
    assert len(quote(text)) <= 400
