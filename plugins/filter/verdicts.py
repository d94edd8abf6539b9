# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: verdicts
short_description: What a play needs to assert the verdicts of checks
version_added: 0.2.0
description:
  - Turns the checks that M(abcdesktopio.podshm.shm_check) and its siblings return into what an assert with a loop needs, a
    line for each. The evidence, which is long, is left out.
author:
  - abcdesktop.io contributors (@abcdesktopio)
positional: group
options:
  _input:
    description:
      - The checks, as in RV(abcdesktopio.podshm.shm_check#module:checks).
    type: list
    elements: dict
    required: true
  group:
    description:
      - Only the checks of this group, for example V(sysv). By default all.
    type: str
    default: ''
seealso:
  - module: abcdesktopio.podshm.shm_check
"""

EXAMPLES = r"""
- name: Assert the System V checks by name
  ansible.builtin.assert:
    that: item.holds
    quiet: true
    fail_msg: "{{ item.detail }}"
  loop: "{{ answer.checks | abcdesktopio.podshm.verdicts('sysv') }}"
  loop_control:
    label: "{{ item.line }}"
"""

RETURN = r"""
_value:
  description:
    - For each check C(holds), whether it is V(PASS), V(WARN) or V(SKIP); C(line), with id, verdict, question and what was
      observed; and C(detail), with verdict, reason, what was observed and expected, and the remedy.
  type: list
  elements: dict
"""

import collections.abc
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Verdict


def verdicts(checks: t.Iterable[t.Mapping[str, t.Any]], group: str = "") -> list[dict[str, t.Any]]:
    """The checks of a group (V() stands for all), each with C(holds), C(line) and C(detail)."""
    return [_verdict(check) for check in checks if not group or check["group"] == group]


def _verdict(check: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    words = f"{check['verdict']} {check['reason']}".rstrip()
    return {
        "holds": not Verdict(check["verdict"]).is_bad,
        "line": f"{check['id']} {check['verdict']} {check['question']} {check['observed']}",
        "detail": f"{words} observed: {check['observed']}; expected: {check['expected']}; remedy: {check['remedy']}",
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, collections.abc.Callable[..., t.Any]]:
        """By name."""
        return {"verdicts": verdicts}
