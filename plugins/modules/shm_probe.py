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
  - Starts pods with a probe in their containers. The containers hand each other random values by the selected mechanisms.
    Returns, with evidence, whether they met.
  - A verdict other than V(ERROR) rests on the observations of this run alone.
author:
  - abcdesktop.io contributors (@abcdesktopio)
extends_documentation_fragment:
  - abcdesktopio.podshm._auth
  - abcdesktopio.podshm._run
  - abcdesktopio.podshm._run.attributes
options:
  mechanisms:
    description:
      - The mechanisms to check. Each selects the same checks as the tag of that name in O(abcdesktopio.podshm.shm_check#module:checks).
    type: list
    elements: str
    choices: [sysv_shm, sysv_sem, sysv_msg, posix_shm, posix_sem, posix_mq]
    default: [sysv_shm, sysv_sem, sysv_msg, posix_shm, posix_sem, posix_mq]
  ftok:
    description:
      - Which of the two scenarios of podshmtest to run for V(sysv_shm).
      - V(shared) is SHM101, both containers call C(ftok) with one file. V(private) is SHM102, each calls it with a file of its
        own.
      - All other checks of the mechanism run in any case.
    type: list
    elements: str
    choices: [shared, private]
    default: [shared, private]
seealso:
  - module: abcdesktopio.podshm.shm_size
  - module: abcdesktopio.podshm.shm_check
"""

EXAMPLES = r"""
- name: Check whether containers of a pod share memory
  abcdesktopio.podshm.shm_probe:
    kubeconfig: ~/.kube/config
    context: production
    namespace: default
  register: result

- name: Check System V shared memory alone, under another runtime
  abcdesktopio.podshm.shm_probe:
    mechanisms: [sysv_shm]
    runtime_class: gvisor
"""

RETURN = r"""
checks:
  description:
    - As RV(abcdesktopio.podshm.shm_check#module:checks).
  returned: always
  type: list
  elements: dict
controls:
  description:
    - As RV(abcdesktopio.podshm.shm_check#module:controls).
  returned: always
  type: list
  elements: dict
status:
  description:
    - As RV(abcdesktopio.podshm.shm_check#module:status).
  returned: always
  type: str
  sample: PASS
msg:
  description:
    - As RV(abcdesktopio.podshm.shm_check#module:msg).
  returned: always
  type: str
  sample: 'cluster eu-1: 6 PASS'
run:
  description:
    - As RV(abcdesktopio.podshm.shm_check#module:run).
  returned: always
  type: dict
leftovers:
  description:
    - As RV(abcdesktopio.podshm.shm_check#module:leftovers).
  returned: always
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _module, _options
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import select as select_checks
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Check

_MECHANISMS: t.Final = ["sysv_shm", "sysv_sem", "sysv_msg", "posix_shm", "posix_sem", "posix_mq"]

#: The checks of one ftok scenario.
_FTOK: t.Final = {"shared": "SHM101", "private": "SHM102"}

_SPEC: t.Final[dict[str, t.Any]] = {
    "mechanisms": {"type": "list", "elements": "str", "choices": _MECHANISMS, "default": _MECHANISMS},
    "ftok": {"type": "list", "elements": "str", "choices": list(_FTOK), "default": list(_FTOK)},
}


def select(params: t.Mapping[str, t.Any]) -> list[Check]:
    """The checks of the mechanisms, without those of ftok scenarios that are left out."""
    left_out = {check for scenario, check in _FTOK.items() if scenario not in params["ftok"]}
    if not params["mechanisms"]:
        return []
    return [check for check in select_checks(params["mechanisms"]) if check.id not in left_out]


def main() -> None:
    """Run the module."""
    _module.main((_options.RUN,), _SPEC, select)


if __name__ == "__main__":
    main()
