#!/usr/bin/python
# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shm_variables
short_description: Check the variables of a host before its cluster is contacted
version_added: 0.3.0
description:
  - Resolves every variable of the host that begins with C(podshm_), and fails on a name that the playbooks do not know, on a
    value of another type, and on a value that cannot be resolved, for example from a vault that was not loaded.
  - Names the cluster that the checks will run on.
  - Runs on the controller and contacts no cluster. The playbooks C(abcdesktopio.podshm.site) and
    C(abcdesktopio.podshm.workloads) begin with it.
requirements:
  - python >= 3.11
author:
  - abcdesktop.io contributors (@abcdesktopio)
options:
  cluster:
    description:
      - Whether a cluster will be contacted. If not, none is named.
    type: bool
    default: true
    version_added: 0.4.0
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
- name: Check the variables
  abcdesktopio.podshm.shm_variables:
  register: variables

- name: Run the checks that the variables and the tags of the command line select
  abcdesktopio.podshm.shm_check:
    # what it names is what the variables say only if they reach the module
    kubeconfig: "{{ podshm_kubeconfig | default(omit) }}"
    context: "{{ podshm_context | default(omit) }}"
    checks: "{{ variables.checks | default(omit, true) }}"
"""

RETURN = r"""
checks:
  description:
    - The words that select checks, from C(podshm_checks), C(--tags) and C(--skip-tags). Empty for the whole catalog.
  returned: always
  type: list
  elements: str
  sample: [sysv]
look:
  description: The command that shows what runs of podshm have created on the cluster.
  returned: success, with O(cluster)
  type: str
msg:
  description: The cluster that the checks will run on, or what is wrong, in one line.
  returned: always
  type: str
"""
