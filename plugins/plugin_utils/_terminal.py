# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Where words for people go: to the terminal, and beside what programs read."""

from __future__ import annotations

import typing as t

from ansible import constants
from ansible.utils.display import Display

#: Whether something prints the tables of reports at the end of the playbook. Set in the process of ansible-playbook, which
#: the processes that run actions are forks of.
is_last_kept: bool = False


def keep_last() -> None:
    """Promise to print the tables of reports after everything else."""
    global is_last_kept  # noqa: PLW0603
    is_last_kept = True


def is_for_programs(callback: str) -> bool:
    """Whether what a stdout callback prints is read by programs: nothing else belongs there."""
    return any(word in callback.rpartition(".")[2] for word in ("json", "xml", "junit"))


def show(lines: t.Iterable[str], color: str | None = None) -> None:
    """Print lines on stdout, or on stderr where stdout is for programs."""
    display = Display()
    is_aside = is_for_programs(str(constants.DEFAULT_STDOUT_CALLBACK))
    for line in lines:
        display.display(line, color=color, stderr=is_aside)
