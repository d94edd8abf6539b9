# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Kubernetes quantities as whole numbers, and memory as text (pure).

C(kubernetes.utils.quantity) does the first half, but reports and the catalog must work without the client.
"""

from __future__ import annotations

import decimal
import re
import typing as t

KIB: t.Final = 1024
MIB: t.Final = 1024 * KIB

_SUFFIXES: t.Final[dict[str, decimal.Decimal]] = {
    "": decimal.Decimal(1),
    "m": decimal.Decimal("0.001"),
    **{letter: decimal.Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": decimal.Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}


def parse_bytes(text: t.Any) -> int:
    """A quantity (V(512Mi), V(1G), V(1e3), V(67108864)) as a whole number, rounded up.

    :raises ValueError: it is none.
    """
    return _rounded_up(_parse(text))


def parse_millis(text: t.Any) -> int:
    """A quantity (V(250m), V(1)) in thousandths, rounded up.

    :raises ValueError: it is none.
    """
    return _rounded_up(_parse(text) * 1000)


def is_fraction(text: t.Any) -> bool:
    """Whether a quantity counts single units, but not a whole number of them (V(0.5), V(512m); not V(0.1Gi))."""
    match = re.fullmatch(_PATTERN, str(text).strip())
    return match is not None and match[2] in ("", "m") and _parse(text) % 1 != 0


def memory_text(memory_bytes: int) -> str:
    """How the API server writes an amount of memory, in its canonical form (V(64Mi), not V(67108864))."""
    for power, suffix in enumerate(("Ti", "Gi", "Mi", "Ki") if memory_bytes else ()):
        unit = 1024 ** (4 - power)
        if memory_bytes % unit == 0:
            return f"{memory_bytes // unit}{suffix}"
    return str(memory_bytes)


def page_rounded(size_bytes: int, page_bytes: object = 4096) -> int:
    """A size as a tmpfs has it: whole pages. A page size that is not known counts as 4096 bytes."""
    page = page_bytes if isinstance(page_bytes, int) and page_bytes > 0 else 4096
    return -(-size_bytes // page) * page


def _rounded_up(number: decimal.Decimal) -> int:
    return int(number.to_integral_value(rounding=decimal.ROUND_CEILING))


#: No memory is as large. An exponent can stand for a number that takes for ever to write out.
_MOST: t.Final = decimal.Decimal(10) ** 30

#: A number and a suffix.
_PATTERN: t.Final = r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]{0,2})"


def _parse(text: t.Any) -> decimal.Decimal:
    match = re.fullmatch(_PATTERN, str(text).strip())
    try:
        number = decimal.Decimal(match[1]) * _SUFFIXES[match[2]] if match else _MOST
    except (KeyError, decimal.InvalidOperation, decimal.Overflow):
        number = _MOST
    if abs(number) >= _MOST:
        shown = repr(text) if len(str(text)) < 50 else f"{str(text)[:50]!r}..."
        raise ValueError(f"not a quantity: {shown}; write for example 512Mi")
    return number
