#!/usr/bin/python
# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shm_check
short_description: Run any checks of the catalog in one run
version_added: 0.1.0
description:
  - Runs checks by id, group or tag, with as few pods as they need together, and returns their verdicts with the evidence.
  - The playbook C(abcdesktopio.podshm.site) calls it once per cluster. M(abcdesktopio.podshm.shm_probe) and
    M(abcdesktopio.podshm.shm_size) select checks by mechanism and by volume.
author:
  - abcdesktop.io contributors (@abcdesktopio)
extends_documentation_fragment:
  - abcdesktopio.podshm._auth
  - abcdesktopio.podshm._run
  - abcdesktopio.podshm._run.attributes
  - abcdesktopio.podshm._run.size
  - abcdesktopio.podshm._run.check
seealso:
  - module: abcdesktopio.podshm.shm_probe
  - module: abcdesktopio.podshm.shm_size
"""

EXAMPLES = r"""
- name: Run all checks
  abcdesktopio.podshm.shm_check:
    kubeconfig: ~/.kube/config
    context: production
  register: result

- name: Run one check
  abcdesktopio.podshm.shm_check:
    checks: [SHM303]
    size_limit: 1Gi

- name: Check the IPC sysctls against a program's own needs
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
    - The selected checks, in the order of their ids, once per target.
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
      description: The role that bundles it.
      type: str
      returned: always
      sample: sysv
    node:
      description: The node that it ran on.
      type: str
      returned: always
    runtime_class:
      description: The RuntimeClass that it ran under, empty for the default runtime.
      type: str
      returned: always
    question:
      description: The question that it answers.
      type: str
      returned: always
    verdict:
      description:
        - V(PASS) decided and as expected, V(FAIL) decided and not as expected, V(WARN) holds with a finding worth reading,
          V(SKIP) not applicable by a declared rule, V(ERROR) could not be decided.
      type: str
      returned: always
      sample: PASS
    reason:
      description: For V(SKIP) and V(ERROR), the code of the reason.
      type: str
      returned: always
      sample: ''
    expected:
      description: What a V(PASS) requires.
      type: str
      returned: always
    observed:
      description: What was observed; for V(ERROR), why nothing could be decided.
      type: str
      returned: always
    remedy:
      description: What to do about this outcome. Empty for V(PASS).
      type: str
      returned: always
    evidence:
      description:
        - By step of the check. A step that was answered has C(step), its C(nonce), the C(facts) that the probe measured, and
          its system C(calls) with their errno. A step without an answer has the reason C(undecided), and its C(detail).
        - C(admission) is there if the cluster changed the pods of the check before it stored them. It has what it C(changed).
      type: dict
      returned: always
    duration:
      description: How long its steps took, in seconds.
      type: float
      returned: always
controls:
  description:
    - The checks with known answers, one set per target, with the fields of RV(checks). If one does not hold, every verdict of
      its target that depends on it is V(ERROR).
  returned: always
  type: list
  elements: dict
status:
  description:
    - V(UNREACHABLE) if the cluster is out of reach, else the worst verdict.
  returned: always
  type: str
  sample: PASS
msg:
  description: The result in one line; on failure cluster, object, cause and remedy.
  returned: always
  type: str
  sample: 'cluster eu-1: 56 PASS, 6 SKIP'
run:
  description:
    - The run itself.
  returned: always
  type: dict
  contains:
    id:
      description: The id of the run, ten hexadecimal digits. It is a label of every object that the run created.
      type: str
      returned: always
    cluster:
      description: The name of the cluster.
      type: str
      returned: always
    server:
      description: The URL of the API server that the run was connected to, without user and password.
      type: str
      returned: always
    context:
      description: The context of the kubeconfig; empty if the options name the server without a kubeconfig.
      type: str
      returned: always
    source:
      description:
        - Where server and credentials come from, for example V(kubeconfig /etc/clusters/eu-1). Empty, as the server is, if
          it is not clear which cluster is meant.
      type: str
      returned: always
    cluster_uid:
      description: The uid of the cluster's namespace kube-system. Empty if the account is not allowed to get it.
      type: str
      returned: always
    kubernetes:
      description: The version of Kubernetes that the API server named, for example V(v1.37.2).
      type: str
      returned: always
    transport:
      description: How steps came to their containers, V(exec) or V(log); see O(transport).
      type: str
      returned: always
      sample: exec
    no_exec:
      description: Why not by exec, with the code of the reason; empty unless an exec was refused and the run went on by log.
      type: str
      returned: always
      sample: ''
    retries:
      description: Requests that were sent again, each with the answer that was the reason (429, 503, a lost connection) and how often.
      type: list
      elements: str
      returned: always
    targets:
      description: The nodes and RuntimeClasses that the checks ran on.
      type: list
      elements: dict
      returned: always
      contains:
        name:
          description: The name of the node.
          type: str
          returned: always
        runtime_class:
          description: The RuntimeClass, empty for the default runtime.
          type: str
          returned: always
        admitted_runtime_class:
          description: The RuntimeClass that admission gave to pods that requested another or none; usually empty.
          type: str
          returned: always
          version_added: 0.3.0
        represents:
          description: The nodes of the same kind, itself among them.
          type: list
          elements: str
          returned: always
        architecture:
          description: The architecture of the node.
          type: str
          returned: always
        huge_page_bytes:
          description: The smallest size of huge pages that the node has for pods, in bytes. 0 if it has none; null if that is not known.
          type: int
          returned: always
        allocatable_memory_bytes:
          description: The allocatable memory of the node, in bytes. Null where it is not known.
          type: int
          returned: always
        image:
          description: The image of the probe's containers.
          type: str
          returned: always
        pull_policy:
          description: How it is pulled.
          type: str
          returned: always
        runtime:
          description: The version of the container runtime.
          type: str
          returned: always
        kernel:
          description: The version of the kernel.
          type: str
          returned: always
        kubelet:
          description: The version of the kubelet.
          type: str
          returned: always
        note:
          description: Why little is known of the node, for example V(fake node of a virtual cluster (vCluster\)); usually empty.
          type: str
          returned: always
    skipped_nodes:
      description: Nodes on which nothing ran, by kind.
      type: list
      elements: dict
      returned: always
      contains:
        nodes:
          description: The names of the nodes.
          type: list
          elements: str
          returned: always
        reason:
          description: The code of the reason.
          type: str
          returned: always
        detail:
          description: The cause in one line.
          type: str
          returned: always
    duration:
      description: How long the run took, in seconds.
      type: float
      returned: always
leftovers:
  description:
    - What the run could not remove. Must be empty.
  returned: always
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _module, _options
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import select as select_checks
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Check


def select(params: t.Mapping[str, t.Any]) -> list[Check]:
    """The checks that the options name, in the order of the catalog.

    :raises ValueError: there is no such check.
    """
    words = params["checks"]
    if words is not None and not words:
        raise ValueError("checks: the list is empty; name checks, or leave the option out to run all of them")
    try:
        return select_checks(words or ())
    except ValueError as error:
        raise ValueError(f"checks: {error}") from None


def main() -> None:
    """Run the module."""
    _module.main((_options.RUN, _options.SIZE, _options.CHECK), {}, select)


if __name__ == "__main__":
    main()
