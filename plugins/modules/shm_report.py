#!/usr/bin/python
# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shm_report
short_description: Write reports and print a table of the verdicts of a play
version_added: 0.1.0
description:
  - Reads what M(abcdesktopio.podshm.shm_check) or another module of the collection returned for every cluster, prints a
    table with the failures last, after everything else in the playbook C(site), and writes one JSON file per cluster and a summary in Markdown.
  - Says what the verdicts mean for programs, which work with the C(/dev/shm) that they get by default, which need a volume of
    which size, which do not work here, and of which it cannot be said because a check was not decided.
  - Runs on the controller.
requirements:
  - python >= 3.11
author:
  - abcdesktop.io contributors (@abcdesktopio)
options:
  clusters:
    description:
      - The hosts of the inventory that the play ran for.
    type: list
    elements: str
    required: true
  variable:
    description:
      - The variable that holds what the module returned, for every host.
    type: str
    required: true
  directory:
    description:
      - The folder for the reports, relative to the current directory. It is created if it is missing.
    type: str
    required: true
extends_documentation_fragment:
  - abcdesktopio.podshm._run.report
attributes:
  check_mode:
    support: full
    details:
      - Prints the table and writes no file.
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
seealso:
  - module: abcdesktopio.podshm.shm_check
"""

EXAMPLES = r"""
- name: Report
  abcdesktopio.podshm.shm_report:
    clusters: "{{ ansible_play_hosts_all }}"
    variable: podshm_answer
    directory: reports
    programs: [postgresql, pytorch]
  run_once: true
"""

RETURN = r"""
directory:
  description: Where the reports are.
  returned: always
  type: str
clusters:
  description: The status of every cluster.
  returned: always
  type: dict
  sample:
    alpha: PASS
table:
  description: The lines that are printed.
  returned: always
  type: list
  elements: str
  sample: ['1 cluster: 1 PASS; 63 of 64 checks decided']
messages:
  description: The result of every cluster in one line.
  returned: always
  type: dict
  sample:
    alpha: 'cluster alpha: 56 PASS, 6 SKIP'
"""
