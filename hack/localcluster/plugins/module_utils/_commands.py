# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that the module runs to their end.

This file is PRIVATE to the collection.
"""

from __future__ import annotations

import typing as t


class Run(t.Protocol):
    """AnsibleModule.run_command: sanity tests forbid subprocess in modules."""

    def __call__(self, args: list[str]) -> tuple[int, str, str]:
        """Run a command; return its exit code, what it wrote to stdout, and what it wrote to stderr."""
        raise NotImplementedError
