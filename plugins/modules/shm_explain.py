#!/usr/bin/python
# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shm_explain
short_description: Say what a line of a log has to do with shared memory
version_added: 0.4.0
description:
  - Looks in a text, for example from a ticket, a log or an event, for the signs of shared memory that is missing, and prints
    the cause and the first thing to do.
  - Says also what only looks like it, for example a full lock table of PostgreSQL.
  - Runs on the controller and needs no cluster.
requirements:
  - python >= 3.11
author:
  - abcdesktop.io contributors (@abcdesktopio)
options:
  text:
    description:
      - The text, of one or more lines.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
seealso:
  - module: abcdesktopio.podshm.shm_workload
"""

EXAMPLES = r"""
- name: Explain a line from a ticket
  abcdesktopio.podshm.shm_explain:
    text: "Bus error (core dumped)"
"""

RETURN = r"""
matches:
  description:
    - The lines that are about shared memory, in their order.
  returned: always
  type: list
  elements: dict
  contains:
    line:
      description: The line.
      type: str
      returned: always
      sample: Bus error (core dumped)
    program:
      description: The program that writes it. Empty where many do.
      type: str
      returned: always
    cause:
      description: What happened.
      type: str
      returned: always
    fix:
      description: The first thing to do.
      type: str
      returned: always
    sure:
      description: How sure it is, V(certain), V(likely) or V(possible).
      type: str
      returned: always
      sample: likely
    checks:
      description: The ids of the checks that measure it.
      type: list
      elements: str
      returned: always
      sample: [SHM309]
    size_bytes:
      description: The size that was requested, in bytes. Null where the line does not have it.
      type: int
      returned: always
other:
  description:
    - What the text is about where it only looks like shared memory between processes. Usually empty.
  returned: always
  type: str
"""
