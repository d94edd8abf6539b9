#!/usr/bin/python
# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shm_size
short_description: Find out how large /dev/shm is and whether the limit is real
version_added: 0.1.0
description:
  - Starts a pod with one container per kind of volume on C(/dev/shm), measures its size, and fills it with real writes to
    see where the kernel ends them.
author:
  - abcdesktop.io contributors (@abcdesktopio)
extends_documentation_fragment:
  - abcdesktopio.podshm._auth
  - abcdesktopio.podshm._run
  - abcdesktopio.podshm._run.attributes
  - abcdesktopio.podshm._run.size
options:
  volumes:
    description:
      - What is mounted on C(/dev/shm).
      - V(none) leaves it as the runtime mounts it.
      - V(memory) mounts an emptyDir of medium Memory without C(sizeLimit).
      - V(limit) mounts an emptyDir of medium Memory with the O(size_limit).
    type: list
    elements: str
    choices: [none, memory, limit]
    default: [none, memory, limit]
seealso:
  - module: abcdesktopio.podshm.shm_probe
  - module: abcdesktopio.podshm.shm_check
"""

EXAMPLES = r"""
- name: Measure how large /dev/shm is
  abcdesktopio.podshm.shm_size:
    kubeconfig: ~/.kube/config
    context: production
  register: result

- name: Measure whether PyTorch gets its 8 GiB on the GPU nodes, without filling them
  abcdesktopio.podshm.shm_size:
    volumes: [limit]
    size_limit: 8Gi
    fill: false
    node_selector:
      pool: gpu
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
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Check

_CHECKS: t.Final = {"none": "SHM301", "memory": "SHM302", "limit": "SHM303"}

_SPEC: t.Final[dict[str, t.Any]] = {
    "volumes": {"type": "list", "elements": "str", "choices": list(_CHECKS), "default": list(_CHECKS)},
}


def select(params: t.Mapping[str, t.Any]) -> list[Check]:
    """The checks of the volumes."""
    return [BY_ID[check] for volume, check in _CHECKS.items() if volume in params["volumes"]]


def main() -> None:
    """Run the module."""
    _module.main((_options.RUN, _options.SIZE), _SPEC, select)


if __name__ == "__main__":
    main()
