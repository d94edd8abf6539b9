#!/usr/bin/python
# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shm_probe
short_description: Find out whether the containers of a pod share memory
version_added: 0.1.0
description:
  - Starts pods with a probe in their containers, lets the containers hand each other random values by the mechanisms asked
    for, and tells with evidence whether they met.
  - A verdict other than C(ERROR) rests on what was seen in this run alone.
author:
  - abcdesktop.io contributors (@abcdesktopio)
extends_documentation_fragment:
  - abcdesktopio.podshm._auth
  - abcdesktopio.podshm._run
  - abcdesktopio.podshm._run.attributes
options:
  mechanisms:
    description:
      - The mechanisms to check.
      - V(posix_shm) and V(posix_sem) are checked together, since named semaphores order who writes and who reads.
    type: list
    elements: str
    choices: [sysv_shm, sysv_sem, sysv_msg, posix_shm, posix_sem, posix_mq]
    default: [sysv_shm, sysv_sem, sysv_msg, posix_shm, posix_sem, posix_mq]
  ftok:
    description:
      - For V(sysv_shm), whether the file that makes the key by C(ftok) is one that both containers share (V(shared)), or
        one that each has to itself (V(private)).
    type: list
    elements: str
    choices: [shared, private]
    default: [shared, private]
seealso:
  - module: abcdesktopio.podshm.shm_size
  - module: abcdesktopio.podshm.shm_check
"""

EXAMPLES = r"""
- name: Ask whether containers of a pod share memory
  abcdesktopio.podshm.shm_probe:
    kubeconfig: ~/.kube/config
    context: production
    namespace: default
  register: result

- name: Ask about System V alone, under another runtime
  abcdesktopio.podshm.shm_probe:
    mechanisms: [sysv_shm]
    runtime_class: gvisor
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

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _options

_MECHANISMS: t.Final = ["sysv_shm", "sysv_sem", "sysv_msg", "posix_shm", "posix_sem", "posix_mq"]

_SPEC: t.Final[dict[str, t.Any]] = {
    "mechanisms": {
        "type": "list",
        "elements": "str",
        "choices": _MECHANISMS,
        "default": _MECHANISMS,
    },
    "ftok": {"type": "list", "elements": "str", "choices": ["shared", "private"], "default": ["shared", "private"]},
}


def select(params: t.Mapping[str, t.Any]) -> list[str]:
    """The ids of the checks that the options ask for."""
    mechanisms, ftok = params["mechanisms"], params["ftok"]
    checks = []
    if "sysv_shm" in mechanisms:
        checks += [check for scenario, check in (("shared", "SHM101"), ("private", "SHM102")) if scenario in ftok]
    checks += [
        check for mechanism, check in (("sysv_sem", "SHM103"), ("sysv_msg", "SHM104")) if mechanism in mechanisms
    ]
    if "posix_shm" in mechanisms or "posix_sem" in mechanisms:
        checks.append("SHM201")
    if "posix_mq" in mechanisms:
        checks.append("SHM203")
    return checks


def main() -> None:
    """Run the module."""
    _options.answer(_SPEC, select)


if __name__ == "__main__":
    main()
