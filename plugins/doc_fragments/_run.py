# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

from __future__ import annotations


class ModuleDocFragment:
    """What all modules of the collection have in common."""

    # the options of a run
    DOCUMENTATION = r"""
options:
  cluster:
    description:
      - What the cluster is called in results and messages.
      - By default the O(context), else the O(host).
    type: str
  namespace:
    description:
      - The namespace for the pods of the run. It must exist. It is not changed.
    type: str
    default: default
  image:
    description:
      - The image that the probe's containers run in. Nothing of it is executed, so any Linux image will do.
      - By default one that the node already has, so that nothing is pulled, the sandbox image (C(pause)) if the node
        lists it, else its smallest one from a public registry.
    type: str
    default: ''
  node_selector:
    description:
      - Only nodes with these labels come into question.
    type: dict
    default: {}
  tolerations:
    description:
      - Tolerations of the pods, as in a pod's C(spec.tolerations).
    type: list
    elements: dict
    default: []
  runtime_class:
    description:
      - The RuntimeClass of the pods. By default the cluster's default runtime.
    type: str
    default: ''
  runtime_classes:
    description:
      - Several RuntimeClasses; every check is asked under each. The empty name is the cluster's default runtime.
      - Overrides O(runtime_class).
    type: list
    elements: str
    default: []
  nodes:
    description:
      - V(representative) asks one node of each kind, the first by name that is ready; nodes are of one kind if pool,
        architecture, kernel, kubelet and runtime version are the same. RV(run.targets) tells which stand for which.
      - V(all) asks every node, V(first) only one.
    type: str
    choices: [representative, first, all]
    default: representative
  accept:
    description:
      - Check ids whose V(FAIL) is accepted, each with a reason. It is V(WARN) then, with the reason.
      - C(ID@RUNTIMECLASS), for example C(SHM101@gvisor), accepts it under that RuntimeClass alone.
    type: dict
    default: {}
  resources:
    description:
      - The limits of each container. Memory is requested in full (only SHM304, which is about it, sets no limit), CPU to a
        fifth, since the pods of a run use it in turns.
    type: dict
    default: {}
    suboptions:
      cpu:
        description:
          - CPU of a container that fills C(/dev/shm), a Kubernetes quantity. The others get V(100m) at most.
        type: str
        default: 250m
      memory:
        description:
          - Memory of each container beside what a check writes, a Kubernetes quantity of at least V(16Mi).
        type: str
        default: 32Mi
  labels:
    description:
      - Labels for all objects of the run. Those that the collection itself needs win.
    type: dict
    default: {}
  annotations:
    description:
      - Annotations for all objects of the run.
    type: dict
    default: {}
  timeout:
    description:
      - How long the whole run may take, in seconds, without the removal of its objects.
    type: int
    default: 60
  start_timeout:
    description:
      - How long a pod may take to start, in seconds.
    type: int
    default: 30
  cleanup_timeout:
    description:
      - How long the removal of the run's objects may take, in seconds. What is not gone by then is reported in
        RV(residue); the cluster removes it when the anchor's deadline is reached.
    type: int
    default: 30
  step_timeout:
    description:
      - How long one step of a check may take in a container, in seconds, and how long two containers wait for each other.
        On a slow node, above all an emulated one, more is needed.
    type: int
    default: 10
    version_added: 0.2.0
requirements:
  - kubernetes >= 24.2.0
  - PyYAML >= 3.11
notes:
  - Creates one Job without pods (the anchor), one ConfigMap per architecture and the pods of the checks, and removes them.
    The anchor owns the others and has a deadline, so that the cluster removes all of it even if this process is killed.
  - Pods comply with the Pod Security Standard V(restricted), but for those of SHM503, SHM504 (hostIPC, hostPath) and SHM603
    (an unsafe sysctl).
  - Needs C(list) on nodes, and in the namespace C(create), C(delete), C(get), C(list) and C(watch) on pods,
    C(create), C(delete) and C(list) on configmaps and jobs, C(get) and C(create) on pods/exec, C(get) on pods/log. C(list) on
    events helps to explain a pod that does not start; C(patch) on pods/ephemeralcontainers and pods/resize is for SHM208
    and SHM404 to SHM407, which are C(SKIP) without.
"""

    # what a module of a run is and is not
    ATTRIBUTES = r"""
attributes:
  check_mode:
    support: partial
    details:
      - Sends every object as a server-side dry run, which tells whether permissions, quota and admission allow it, and
        writes nothing. Each check is then C(SKIP).
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    support: full
    details:
      - What it creates is gone when it returns, so that RV(ignore:changed) is V(false).
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
  action_group:
    support: full
    membership:
      - abcdesktopio.podshm.podshm
    description: Use C(group/abcdesktopio.podshm.podshm) in C(module_defaults) to set defaults for this module.
"""

    # what is written into /dev/shm
    SIZE = r"""
options:
  size_limit:
    description:
      - The C(sizeLimit) to check, a Kubernetes quantity. The pod asks for this much memory on its node, and fills it.
    type: str
    default: 512Mi
  default_size:
    description:
      - The size that C(/dev/shm) is expected to have when nobody sizes it, a Kubernetes quantity.
      - Containerd and CRI-O use V(64Mi); a cluster that was set up otherwise on purpose says so here.
    type: str
    default: 64Mi
  fill:
    description:
      - Whether to fill C(/dev/shm) with real writes. Otherwise its size is only measured, and a check that would pass
        is C(WARN), since nothing shows that the limit is real; one that is about writing alone is C(SKIP).
    type: bool
    default: true
  max_write:
    description:
      - No check fills C(/dev/shm) with more than this, a Kubernetes quantity. A size that is not smaller is C(WARN) for
        the same reason. SHM309, SHM311, SHM312 and SHM316 write up to 34 MiB each beside it.
    type: str
    default: 1Gi
"""
