#!/usr/bin/python
# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shm_assert
short_description: Assert each verdict of a run by name
version_added: 0.3.0
description:
  - Prints one line for each finding in what M(abcdesktopio.podshm.shm_check) or another module of the collection returned,
    with C(-v) one for each check, and fails once if a verdict is V(FAIL) or V(ERROR), or if no check was decided.
  - V(SKIP) alone is no pass, except in check mode, where nothing is decided.
  - Checks that one cause kept from being decided are one line. A cluster that is V(UNREACHABLE) is one, too.
  - Runs on the controller and contacts no cluster.
requirements:
  - python >= 3.11
author:
  - abcdesktop.io contributors (@abcdesktopio)
options:
  answer:
    description:
      - The result of the module, as it was registered.
    type: dict
    required: true
  group:
    description:
      - Only the checks of this group, for example V(sysv). By default all.
    type: str
    default: ''
  brief:
    description:
      - Print nothing, and fail with a short message, since M(abcdesktopio.podshm.shm_report) says the rest. A cluster that is
        V(UNREACHABLE) is unreachable for Ansible, too.
    type: bool
    default: false
    version_added: 0.3.0
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
seealso:
  - module: abcdesktopio.podshm.shm_check
  - module: abcdesktopio.podshm.shm_report
"""

EXAMPLES = r"""
- name: Run the checks for PostgreSQL
  abcdesktopio.podshm.shm_check:
    checks: [postgresql]
  register: result
  # a check that is FAIL or ERROR is asserted below
  failed_when: false

- name: Assert each verdict
  abcdesktopio.podshm.shm_assert:
    answer: "{{ result }}"
"""

RETURN = r"""
msg:
  description: How many checks hold, or which do not, in one line.
  returned: always
  type: str
  sample: 'cluster eu-1: 2 of 9 checks do not hold: SHM301 FAIL, SHM308 FAIL'
failed_checks:
  description: The ids of the checks whose verdict is V(FAIL) or V(ERROR).
  returned: without O(brief)
  type: list
  elements: str
  sample: [SHM301, SHM308]
"""
