# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Write files on the controller."""

from __future__ import annotations

import contextlib
import os


def write(path: str, text: str) -> None:
    """Whole or not at all: a reader never sees half a file, and a full disk keeps nothing of one.

    :raises OSError: it cannot be written; what was there before is there still.
    """
    part = f"{path}.part"
    try:
        with open(part, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(part, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.remove(part)
        raise
