# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print the tables of reports after everything else, and what becomes of a playbook that is interrupted.

A callback beside a playbook is loaded with it, without a setting of the user. Everything that Ansible prints comes before:
PLAY RECAP, what other callbacks print after it (profile_tasks, timer), and the words of an interruption.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: podshm_last
type: aggregate
short_description: Print the reports of podshm last
description:
  - Prints the table of M(abcdesktopio.podshm.shm_report) after everything else.
  - If the playbook is interrupted, says that the removal goes on, and how to look.
author:
  - abcdesktop.io contributors (@abcdesktopio)
"""

import atexit
import os
import signal
import types
import typing as t

from ansible import constants
from ansible.plugins.callback import CallbackBase

from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _terminal, _verdicts

_REPORT: t.Final = ("shm_report", "abcdesktopio.podshm.shm_report")
_VARIABLES: t.Final = ("shm_variables", "abcdesktopio.podshm.shm_variables")
_RUN: t.Final = ("shm_check", "abcdesktopio.podshm.shm_check")


class CallbackModule(CallbackBase):
    """Keeps what is to be printed last."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "podshm_last"

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        #: host -> how to look for what its run created
        self._looks: dict[str, str] = {}
        #: the hosts whose run has begun and not ended
        self._running: dict[str, None] = {}
        self._process = os.getpid()
        _terminal.keep_last()
        atexit.register(self._last)
        previous = signal.getsignal(signal.SIGTERM)

        def terminated(number: int, frame: types.FrameType | None) -> None:
            self._interrupted()
            if callable(previous):
                previous(number, frame)
            else:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                os.kill(os.getpid(), signal.SIGTERM)

        signal.signal(signal.SIGTERM, terminated)

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        """A run begins."""
        if task.action in _RUN:
            self._running[host.get_name()] = None

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """A task has ended."""
        self._ended(result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """A task has failed: a report that could not be written has a table all the same."""
        self._ended(result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """A task has not begun."""
        self._ended(result)

    def _ended(self, result: t.Any) -> None:
        # before ansible-core 2.19 the attributes are private
        task = getattr(result, "task", None) or result._task
        host = getattr(result, "host", None) or result._host
        answer = getattr(result, "result", None) or result._result
        if task.action in _REPORT:
            # of several reports, each apart
            self._lines += [*([""] if self._lines else []), *(str(line) for line in answer.get("table") or ())]
        elif task.action in _VARIABLES and answer.get("look"):
            self._looks[host.get_name()] = str(answer["look"])
        elif task.action in _RUN:
            self._running.pop(host.get_name(), None)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """The end of the playbook."""
        self._running.clear()

    def _last(self) -> None:
        """The end of ansible-playbook: other callbacks have printed what they had for the end of the playbook."""
        if os.getpid() == self._process:
            self._interrupted()
            _terminal.show(self._lines)
            self._lines = []

    def _interrupted(self) -> None:
        """Say what goes on when ansible-playbook ends in the middle."""
        if not self._running or os.getpid() != self._process:
            return
        hosts, self._running = list(self._running), {}
        looks = dict.fromkeys(f"  {self._looks[host]}" for host in hosts if host in self._looks)
        where = _verdicts.listed(hosts)
        words = [
            "",
            f"podshm: interrupted while it ran on {where}. The removal of what it created there goes on for some seconds.",
            "What stays is removed by the clusters themselves when the time of the run is over.",
            *(["To look:", *looks] if looks else []),
        ]
        self._display.display("\n".join(words), color=constants.COLOR_ERROR, stderr=True)
