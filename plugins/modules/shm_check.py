#!/usr/bin/python
# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shm_check
short_description: Answer any checks of the catalog in one run
version_added: 0.1.0
description:
  - Answers checks by their id, with as few pods as they need together. This is what the playbook
    C(abcdesktopio.podshm.site) calls once for all roles; M(abcdesktopio.podshm.shm_probe) and
    M(abcdesktopio.podshm.shm_size) are the ways in by what one wants to know.
author:
  - abcdesktop.io contributors (@abcdesktopio)
extends_documentation_fragment:
  - abcdesktopio.podshm._auth
  - abcdesktopio.podshm._run
  - abcdesktopio.podshm._run.attributes
  - abcdesktopio.podshm._run.size
options:
  checks:
    description:
      - The ids of the checks, for example V(SHM101), or groups (V(sysv), V(posix), V(resize), V(isolation), V(limits)) or
        tags (V(basic), V(postgresql); M(abcdesktopio.podshm.shm_catalog) lists them). By default all of the catalog.
      - A word after C(!) leaves out what it names, of what the others name, or of the catalog.
    type: list
    elements: str
    default: []
  profiles:
    description:
      - What SHM601 asks of the IPC sysctls. V(db2) is for 8 GiB of memory, V(postgresql) for 1000 connections.
    type: list
    elements: str
    choices: [db2, oracle, postgresql]
    default: [postgresql, oracle]
  minimums:
    description:
      - Least values that SHM601 asks for beside the O(profiles), by sysctl, for example V(kernel.shmmax) or
        V(fs.mqueue.msg_max); V(kernel.sem) is four numbers.
    type: dict
    default: {}
  restart_kubelet:
    description:
      - The command and its arguments that restart the kubelet of a node, for SHM403, for example
        V([ssh, "{node}", sudo, systemctl, restart, kubelet]); C({node}) stands for the name of the node. It runs on the
        host that the module runs on, once per target, when all other checks are done.
      - By default nothing is restarted, and SHM403 is C(SKIP).
    type: list
    elements: str
    default: []
seealso:
  - module: abcdesktopio.podshm.shm_probe
  - module: abcdesktopio.podshm.shm_size
"""

EXAMPLES = r"""
- name: Answer all checks
  abcdesktopio.podshm.shm_check:
    kubeconfig: ~/.kube/config
    context: production
  register: result

- name: Answer one
  abcdesktopio.podshm.shm_check:
    checks: [SHM303]
    size_limit: 1Gi

- name: Ask whether a program's own needs are met
  abcdesktopio.podshm.shm_check:
    checks: [SHM601]
    profiles: [db2]
    minimums:
      kernel.sem: 250 32000 100 128
      fs.mqueue.msg_max: 100
"""

RETURN = r"""
checks:
  description:
    - The checks that were asked for, in the order of their ids.
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
      description: What the check is called.
      type: str
      returned: always
      sample: sysv_shm_shared_path
    group:
      description: The role that bundles it.
      type: str
      returned: always
      sample: sysv
    node:
      description: The node that it was asked on.
      type: str
      returned: always
    runtime_class:
      description: The RuntimeClass that it was asked under, empty for the default runtime.
      type: str
      returned: always
    question:
      description: What it asks.
      type: str
      returned: always
    verdict:
      description:
        - V(PASS) decided and as expected, V(FAIL) decided and not as expected, V(WARN) holds with a finding worth reading,
          V(SKIP) not applicable, V(ERROR) could not be decided.
      type: str
      returned: always
      sample: PASS
    reason:
      description: For V(SKIP) and V(ERROR), the code of the reason.
      type: str
      returned: always
      sample: ''
    expected:
      description: What a V(PASS) takes.
      type: str
      returned: always
    observed:
      description: What was seen; for V(ERROR), why nothing could be told.
      type: str
      returned: always
    remedy:
      description: What to do about it, unless it is V(PASS).
      type: str
      returned: always
    evidence:
      description: Per step of the probe its facts and system calls.
      type: dict
      returned: always
    duration:
      description: How long its steps took, in seconds.
      type: float
      returned: always
controls:
  description:
    - The checks whose answer is known, one set per target, like RV(checks). If one does not hold, what was decided on its
      target is C(ERROR).
  returned: always
  type: list
  elements: dict
status:
  description:
    - V(UNREACHABLE) if the cluster could not be asked, else the worst verdict.
  returned: always
  type: str
  sample: PASS
run:
  description:
    - The run, with its RV(run.id), which is a label of every object that it created, the RV(run.cluster), the
      RV(run.server), the RV(run.targets) with image and versions, and its RV(run.duration) in seconds.
  returned: always
  type: dict
  contains:
    id:
      description: The id of the run, ten hexadecimal digits.
      type: str
      returned: always
    cluster:
      description: What the cluster is called.
      type: str
      returned: always
    server:
      description: The URL of the API server.
      type: str
      returned: always
    targets:
      description: The nodes and RuntimeClasses that were asked, and which nodes each stands for.
      type: list
      elements: dict
      returned: always
    unasked:
      description: The nodes that were left out, and why.
      type: list
      elements: dict
      returned: always
    duration:
      description: How long the run took, in seconds.
      type: float
      returned: always
residue:
  description:
    - What the run could not remove. Must be empty.
  returned: always
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _options, _profiles
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks import all as catalog

_SPEC: t.Final[dict[str, t.Any]] = {
    **_options.SIZE_SPEC,
    "checks": {"type": "list", "elements": "str", "default": []},
    "profiles": {
        "type": "list",
        "elements": "str",
        "choices": sorted(_profiles.PROFILES),
        "default": ["postgresql", "oracle"],
    },
    "minimums": {"type": "dict", "default": {}},
    "restart_kubelet": {"type": "list", "elements": "str", "default": []},
}


def select(params: t.Mapping[str, t.Any]) -> list[str]:
    """The ids of the checks that the options ask for, in the order of the catalog.

    :raises ValueError: there is no such check.
    """
    try:
        return [check.id for check in catalog.select(params["checks"])]
    except ValueError as error:
        raise ValueError(f"checks: {error}") from None


def main() -> None:
    """Run the module."""
    _options.answer(_SPEC, select)


if __name__ == "__main__":
    main()
