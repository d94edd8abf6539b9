# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import (
    MIB,
    is_fraction,
    memory_text,
    page_rounded,
    parse_bytes,
    parse_millis,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("512Mi", 512 * MIB),
        ("1Gi", 1024 * MIB),
        ("64M", 64_000_000),
        ("67108864", 67108864),
        (67108864, 67108864),
        ("1.5Ki", 1536),
        ("1e3", 1000),
        ("2k", 2000),
        ("1E", 10**18),
        ("1500m", 2),
        ("24581692Ki", 24581692 * 1024),
    ],
)
def test_quantity(text: t.Any, number: int) -> None:
    assert parse_bytes(text) == number


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0.5", True),
        ("512m", True),
        ("1000m", False),
        ("5e-1", True),
        ("1.5Ki", False),
        ("0.1Gi", False),
        ("7", False),
        ("much", False),
    ],
)
def test_fraction_of_a_unit(text: str, wanted: bool) -> None:
    assert is_fraction(text) is wanted


@pytest.mark.parametrize(
    "text", ["", "Mi", "12 Mi", "1mi", "1KiB", "one", None, "1.2.3", "--1", "1e40", "1e999999999", "-1e999999999"]
)
def test_no_quantity(text: t.Any) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        parse_bytes(text)


@pytest.mark.parametrize(("text", "wanted"), [("250m", 250), ("1", 1000), ("0.05", 50), ("1.0001", 1001)])
def test_cpu_in_thousandths(text: str, wanted: int) -> None:
    assert parse_millis(text) == wanted


@pytest.mark.parametrize(
    ("size", "text"), [(64 << 20, "64Mi"), (1 << 30, "1Gi"), (1536, "1536"), (2048, "2Ki"), (1, "1")]
)
def test_memory_as_the_api_server_writes_it(size: int, text: str) -> None:
    assert memory_text(size) == text


@pytest.mark.parametrize(
    ("size", "page", "wanted"), [(1, 4096, 4096), (8192, 4096, 8192), (1, 65536, 65536), (5, None, 4096)]
)
def test_whole_pages(size: int, page: object, wanted: int) -> None:
    assert page_rounded(size, page) == wanted
