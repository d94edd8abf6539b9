#!/usr/bin/python
# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shm_workload
short_description: Audit whether workloads have the shared memory that their programs need
version_added: 0.4.0
description:
  - Says of each workload of a cluster, or of manifests, which programs it runs, what they need of shared memory, and what is
    wrong with what it has. Each finding has an id (C(SHM7xx)) and a fix.
  - Reads only, unless O(prove) is set, and looks at no Secret and no ConfigMap. With O(fix) it sends dry runs, which store nothing.
  - A workload of which it is not known what it runs is said to be that, V(SKIP), and not taken for well.
  - The module does not fail because of findings. RV(status) is the verdict; the playbook C(abcdesktopio.podshm.workloads)
    fails if it is V(FAIL) or V(ERROR).
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
  - PyYAML >= 3.11
author:
  - abcdesktop.io contributors (@abcdesktopio)
extends_documentation_fragment:
  - abcdesktopio.podshm._auth
  - abcdesktopio.podshm._run.workload
attributes:
  check_mode:
    support: full
    details:
      - With O(prove), the API server gets every object as a server-side dry run, with admission. Proofs are then V(SKIP).
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    support: full
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
  action_group:
    support: full
    membership:
      - abcdesktopio.podshm.podshm
    description: Use C(group/abcdesktopio.podshm.podshm) in C(module_defaults) to set defaults for this module.
notes:
  - Needs C(list) on pods, deployments, statefulsets, daemonsets, replicationcontrollers and cronjobs. What is forbidden is
    an entry of RV(problems), and the rest is audited.
  - C(list) on replicasets, jobs and nodes helps to name workloads and to know the memory of nodes. C(get) on nodes/proxy shows
    what is in volumes of medium V(Memory) now, by one request for each node that has pods with some.
  - O(prove) needs in the namespaces of the workloads what M(abcdesktopio.podshm.shm_check) needs in its own.
seealso:
  - module: abcdesktopio.podshm.shm_explain
  - module: abcdesktopio.podshm.shm_check
"""

EXAMPLES = r"""
- name: Audit the manifests of a chart, with no cluster
  abcdesktopio.podshm.shm_workload:
    manifests: [build/manifests]

- name: Audit two namespaces of a cluster, with what killed pods wrote last
  abcdesktopio.podshm.shm_workload:
    kubeconfig: ~/.kube/config
    context: production
    namespaces: [shop, payments]
    logs: true
  register: result

- name: Write the fixes of a namespace as a component of kustomize, after the cluster has tried them out
  abcdesktopio.podshm.shm_workload:
    kubeconfig: ~/.kube/config
    namespaces: [shop]
    fix: kustomize
    fix_directory: podshm-fix

- name: Measure in pods of the same shape what the audit says of a database, before and with the fix
  abcdesktopio.podshm.shm_workload:
    kubeconfig: ~/.kube/config
    namespaces: [shop]
    names: [db]
    prove: true

- name: Fail if a program has not what it needs
  ansible.builtin.fail:
    msg: "{{ result.msg }}"
  when: result.status in ['FAIL', 'ERROR']
"""

RETURN = r"""
workloads:
  description:
    - The workloads. One object is several of them if its live pods differ.
  returned: always
  type: list
  elements: dict
  contains:
    workload:
      description: Kind, namespace and name.
      type: str
      returned: always
      sample: Deployment shop/db
    api_version:
      description: The version of its API. Empty for a custom resource of which only the pods were seen.
      type: str
      returned: always
      sample: apps/v1
    kind:
      description: Its kind.
      type: str
      returned: always
      sample: Deployment
    namespace:
      description: Its namespace. Empty where a manifest has none.
      type: str
      returned: always
      sample: shop
    name:
      description: Its name.
      type: str
      returned: always
      sample: db
    origin:
      description: The file and line of a manifest. Empty for a cluster.
      type: str
      returned: always
    template:
      description: Where in the object its pod template is. Empty for a pod.
      type: str
      returned: always
      sample: spec.template
    replicas:
      description: How many live pods were seen.
      type: int
      returned: always
    status:
      description:
        - The worst severity of its findings, V(FAIL) or V(WARN). V(PASS) if all that it runs is known and nothing is wrong,
          V(SKIP) if it is not known what it runs, or not in the manifest, V(ERROR) if it could not be audited.
      type: str
      returned: always
      sample: FAIL
    problem:
      description: Why it could not be audited; usually empty.
      type: str
      returned: always
    unknown:
      description: The containers of which it is not known what they run, or which release of it, where that decides.
      type: list
      elements: str
      returned: always
    unjudged:
      description: Why nothing of it could be judged, for example that an operator makes its pods. Usually empty.
      type: str
      returned: always
    containers:
      description: Its containers.
      type: list
      elements: dict
      returned: always
      contains:
        name:
          description: The name.
          type: str
          returned: always
        starts:
          description: When it starts, V(main), V(init) or V(sidecar).
          type: str
          returned: always
        programs:
          description: The programs that it runs, each with its C(name), what it was recognised C(by), its C(version), and by setting
            where the setting was read.
          type: list
          elements: dict
          returned: always
        dev_shm:
          description:
            - What is behind its C(/dev/shm), the C(backing), the C(volume), its C(size_bytes), what it is C(bound) by, and of a
              volume of medium V(Memory) the C(in_use_bytes) that are in it now, the most of all live pods. The kubelet measures
              it every one or two minutes. Null where that is not known. C(shared_with) are the containers of the pod that have
              the same files there.
          type: dict
          returned: always
        memory_limit_bytes:
          description: Its memory limit, in bytes. Null if it has none.
          type: int
          returned: always
        memory_left_bytes:
          description:
            - What its memory limit leaves it when its C(/dev/shm) is full, in bytes. If that is negative, it is killed before.
              Null if it has no limit, or if the size is not known or is no memory.
          type: int
          returned: always
        user:
          description: Its uid. Null if the image decides.
          type: int
          returned: always
        huge_pages_bytes:
          description: Its limits of huge pages, in bytes, by their size, for example V(2Mi).
          type: dict
          returned: always
    pod:
      description: What its containers have in common. Empty where it could not be read.
      type: dict
      returned: always
      contains:
        memory_limit_bytes:
          description: The memory limit of the pod as the kubelet computes it, in bytes. Null if it has none.
          type: int
          returned: always
        host_ipc:
          description: Whether it has the IPC namespace of the node.
          type: bool
          returned: always
        host_pid:
          description: Whether it has the PID namespace of the node.
          type: bool
          returned: always
        share_process_namespace:
          description: Whether its containers have one PID namespace.
          type: bool
          returned: always
        sysctls:
          description: Its sysctls, by name.
          type: dict
          returned: always
        fs_group:
          description: Its C(fsGroup). Null if it has none.
          type: int
          returned: always
        runtime_class:
          description: Its RuntimeClass; usually empty.
          type: str
          returned: always
    findings:
      description: What is wrong, the worst first.
      type: list
      elements: dict
      returned: always
      contains:
        rule:
          description: The stable id.
          type: str
          returned: always
          sample: SHM701
        severity:
          description: V(FAIL) the program will fail, V(WARN) worth reading.
          type: str
          returned: always
        container:
          description: The container; empty for the pod.
          type: str
          returned: always
        observed:
          description: What is wrong, with the computation of sizes.
          type: str
          returned: always
        fix:
          description: What to do.
          type: str
          returned: always
        sure:
          description: How sure it is, V(certain), V(likely) or V(possible).
          type: str
          returned: always
        program:
          description: The program that it is about.
          type: str
          returned: always
        size_bytes:
          description: The size that is needed, in bytes. Null where it is about no size.
          type: int
          returned: always
        computation:
          description: How the size was computed, where it is a sum; else empty.
          type: str
          returned: always
        peer:
          description: The container that it shares with, where sharing is the matter; else empty.
          type: str
          returned: always
        by_hand:
          description: Whether a patch of the spec alone could make it worse, so that there is none.
          type: bool
          returned: always
    patch:
      description: A strategic merge patch of the object that mends what a patch can mend. Empty for custom resources.
      type: dict
      returned: always
    knobs:
      description: The values of its operator or chart that do it, where a patch would be reverted.
      type: list
      elements: str
      returned: always
    proof:
      description: What was measured in pods of its shape. Empty without O(prove), and where nothing is known to be needed.
      type: list
      elements: dict
      returned: always
      contains:
        shape:
          description: Which shape, V(as it is) or V(with the fix).
          type: str
          returned: always
        verdict:
          description:
            - V(PASS) what its programs need is there, V(FAIL) it is not, V(WARN) it is not under load, V(ERROR) it could not be
              decided, V(SKIP) the cluster refuses the pod by a policy, or in check mode.
          type: str
          returned: always
        observed:
          description: The evidence, what decides first.
          type: list
          elements: str
          returned: always
        node:
          description: The node.
          type: str
          returned: always
        dropped:
          description: What of the workload the pod did not have.
          type: list
          elements: str
          returned: always
        raised:
          description: What of its requests was other than the workload's, so that the node has room for it.
          type: list
          elements: str
          returned: always
        added:
          description: What the pod had beside the workload's shape, for the probe and its steps. Empty if there was none.
          type: list
          elements: str
          returned: always
          sample: [volume probe (configMap)]
        transport:
          description: How steps came to its containers, V(exec) or V(log); see O(transport).
          type: str
          returned: always
          sample: exec
        no_exec:
          description: Why not by exec, with the code of the reason; empty unless an exec was refused and the proof went by log.
          type: str
          returned: always
        seconds:
          description: How long it took.
          type: float
          returned: always
    diff:
      description: What the fix changes in the pod's spec, as lines of a unified diff.
      type: list
      elements: str
      returned: always
    dry_run:
      description:
        - What the cluster says of the fix, with O(fix) other than V(none). Two dry runs are sent, the patch of what owns the pods,
          and the creation of one of the changed pods, which is what quotas, limit ranges and the Pod Security Standards are about.
          Of a pod without an owner and of a Job it is the creation alone, since theirs cannot be changed.
        - Empty for manifests, and where there is no patch.
      type: list
      elements: dict
      returned: always
      contains:
        request:
          description: The request.
          type: str
          returned: always
          sample: patch deployments
        about:
          description: What it is about.
          type: str
          returned: always
          sample: a pod of it
        outcome:
          description:
            - V(accepted), V(refused), or V(unknown) if nobody has looked at it, for example as the account lacks a permission.
          type: str
          returned: always
        reason:
          description: The code of the reason where it was not accepted.
          type: str
          returned: always
          sample: QuotaExceeded
        detail:
          description: The words of the API server where it was not accepted.
          type: str
          returned: always
        warnings:
          description: What the API server warns of.
          type: list
          elements: str
          returned: always
problems:
  description:
    - What could not be audited, each with its object or its file and line, the cause, and the remedy.
  returned: always
  type: list
  elements: str
notes:
  description:
    - What else could not be looked at, and what is not known for that reason.
  returned: always
  type: list
  elements: str
leftovers:
  description:
    - Objects of the proofs that could not be removed. The cluster removes them at the deadline of their anchor.
  returned: always
  type: list
  elements: str
status:
  description:
    - V(UNREACHABLE) if the cluster is out of reach, V(ERROR) if something could not be audited or there was nothing to audit,
      else the worst status of the workloads.
  returned: always
  type: str
  sample: FAIL
msg:
  description: The result in one line.
  returned: always
  type: str
  sample: 'cluster eu-1: 8 workloads: 4 FAIL, 1 not known, 3 PASS'
run:
  description:
    - How it was audited. Not there for manifests.
  returned: if a cluster was audited
  type: dict
  contains:
    cluster:
      description: The name of the cluster.
      type: str
      returned: always
    server:
      description: The URL of the API server, without user and password.
      type: str
      returned: always
    context:
      description: The context of the kubeconfig.
      type: str
      returned: always
    source:
      description: Where server and credentials come from.
      type: str
      returned: always
    kubernetes:
      description: The version of Kubernetes that the API server named.
      type: str
      returned: always
    pods:
      description: How many pods were read.
      type: int
      returned: always
    duration:
      description: How long it took, in seconds.
      type: float
      returned: always
"""

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _answer, _options
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.workloads import Audited, Wanted, run


def exit_fields(result: Audited) -> dict[str, t.Any]:
    """What the module returns, the same on success and on failure."""
    return {
        "changed": bool(result.leftovers),
        "workloads": result.workloads,
        "problems": result.problems,
        "notes": result.notes,
        "leftovers": result.leftovers,
        "status": result.status.value,
        "msg": result.line(),
        "run": {
            **_answer.asked(result.cluster, result.source),
            "kubernetes": result.kubernetes,
            "pods": result.pods,
            "duration": result.duration,
        },
    }


def main() -> None:
    """Run the module."""
    module = _answer.begin(_options.spec(_options.WORKLOAD))
    name = _answer.name(module.params)
    try:
        wanted = Wanted.of(module.params, _options.settings_of_proofs(module.params))
    except ValueError as error:
        answer = {**exit_fields(Audited(name)), "msg": f"cluster {name}: wrong option: {error}"}
        _answer.leave(module, answer, failed=True)
    result = run(module.params, name, wanted, module.check_mode)
    _answer.leave(module, exit_fields(result), failed=bool(result.problem))


if __name__ == "__main__":
    main()
