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
    see where they end.
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
      - V(none) leaves it as the runtime makes it.
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
- name: Ask how large /dev/shm is
  abcdesktopio.podshm.shm_size:
    kubeconfig: ~/.kube/config
    context: production
  register: result

- name: Ask whether PyTorch gets its 8 GiB on the GPU nodes, without filling them
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
    - The checks that were asked for, in the order of their ids.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The stable id of the check.
      type: str
      returned: always
      sample: SHM301
    name:
      description: What the check is called.
      type: str
      returned: always
      sample: shm_size_default
    group:
      description: The role that bundles it.
      type: str
      returned: always
      sample: resize
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

_CHECKS: t.Final = {"none": "SHM301", "memory": "SHM302", "limit": "SHM303"}

_SPEC: t.Final[dict[str, t.Any]] = {
    **_options.SIZE_SPEC,
    "volumes": {
        "type": "list",
        "elements": "str",
        "choices": ["none", "memory", "limit"],
        "default": ["none", "memory", "limit"],
    },
}


def select(params: t.Mapping[str, t.Any]) -> list[str]:
    """The ids of the checks that the options ask for."""
    return [check for volume, check in _CHECKS.items() if volume in params["volumes"]]


def main() -> None:
    """Run the module."""
    _options.answer(_SPEC, select)


if __name__ == "__main__":
    main()
