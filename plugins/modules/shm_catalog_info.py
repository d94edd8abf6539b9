#!/usr/bin/python
# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shm_catalog_info
short_description: Print the checks of the catalog
version_added: 0.3.0
description:
  - Prints a line for each check that M(abcdesktopio.podshm.shm_check) knows, and returns them.
  - Runs on the controller and needs no cluster.
requirements:
  - python >= 3.11
author:
  - abcdesktop.io contributors (@abcdesktopio)
options:
  checks:
    description:
      - The ids of the checks, for example V(SHM101), or groups (V(sysv), V(posix), V(resize), V(isolation), V(limits)) or
        tags (V(basic), V(postgresql)). C(!) before a word leaves out what it names.
      - By default all of the catalog, and the controls that are part of every run.
    type: list
    elements: str
    default: []
  verbose:
    description:
      - Whether to print also tags, pods, what is expected, and the page.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
seealso:
  - module: abcdesktopio.podshm.shm_check
"""

EXAMPLES = r"""
- name: List all checks
  abcdesktopio.podshm.shm_catalog_info:

- name: Print what the System V checks and one other expect
  abcdesktopio.podshm.shm_catalog_info:
    checks: [sysv, SHM301]
    verbose: true
"""

RETURN = r"""
checks:
  description:
    - The checks, in the order of the catalog. Texts that hold a size have the one that is expected when nothing is set.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The stable id of the check.
      type: str
      returned: always
      sample: SHM101
    name:
      description: The name of the check.
      type: str
      returned: always
      sample: sysv_shm_shared_path
    group:
      description: The role that bundles it; V(control) for a control.
      type: str
      returned: always
      sample: sysv
    tags:
      description: What else selects it.
      type: list
      elements: str
      returned: always
      sample: [basic]
    layout:
      description: The pods that it runs in. Checks of one layout share them.
      type: str
      returned: always
    page:
      description: Where its page is, with what it proves, how it is measured, the fix and the sources.
      type: str
      returned: always
    question:
      description: The question that it answers.
      type: str
      returned: always
    expected:
      description: What a V(PASS) requires.
      type: str
      returned: always
    skips:
      description: The reasons that make it V(SKIP) instead of V(ERROR).
      type: list
      elements: str
      returned: always
      sample: [Forbidden]
"""
