#!/usr/bin/python
# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: local_cluster
short_description: Run a real Kubernetes cluster of one node from plain processes
version_added: 0.1.0
author:
  - abcdesktop.io contributors (@abcdesktopio)
description:
  - Starts, stops or removes a cluster of one node on the machine where the module runs. It consists of etcd,
    kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, containerd and runc, and needs no container
    registry.
  - Several clusters run side by side. Each has its own certificate authority, ports, addresses, interface and cgroups.
  - The role P(abcdesktopio.localcluster.local_cluster#role) builds the binaries and then calls this module.
requirements:
  - root
  - Python libraries cryptography and psutil
  - iproute2, and the CNI plugins bridge, host-local and loopback in C(/usr/lib/cni)
attributes:
  check_mode:
    description: Can run without changing anything.
    support: full
    details:
      - Returns what would be done. Objects in the cluster are compared only when its processes all run as they should.
  diff_mode:
    description: Shows what changed in files.
    support: none
  platform:
    description: Target operating systems.
    platforms: linux
    support: full
options:
  name:
    description:
      - The name of the cluster, of its node, and of its context in the kubeconfig.
      - At most 15 lower-case letters, digits and hyphens. It starts with a letter and does not end with a hyphen.
    type: str
    required: true
  state:
    description:
      - With V(started) the node is Ready, the service account C(default) exists, and a pod can be scheduled. Whatever
        is missing is repaired. Only what has other settings than before is restarted. A cluster that was never
        completed is created again from nothing.
      - With V(stopped) no process, mount, interface or cgroup is left, but V(started) brings back the same cluster.
      - With V(absent) nothing is left.
    type: str
    choices: [started, stopped, absent]
    default: started
  binaries:
    description:
      - Paths of the programs C(etcd), C(kube-apiserver), C(kube-controller-manager), C(kube-scheduler), C(kubelet),
        C(kubectl), C(containerd), C(containerd-shim-runc-v2), C(ctr), C(runc), and of the static programs C(pause) and
        C(busybox), from which images are built.
      - Further ones are for the O(handlers), which find them in their C(PATH).
      - Required when O(state=started).
    type: dict
    default: {}
  kubelet_config:
    description:
      - Settings that are merged into the C(KubeletConfiguration) of the node.
    type: dict
    default: {}
  feature_gates:
    description:
      - Feature gates and whether they are on. They go to all Kubernetes components.
    type: dict
    default: {}
  handlers:
    description:
      - Additional OCI runtimes. For each name, the path of a program that takes the arguments of runc.
      - Each gets a RuntimeClass of the same name.
    type: dict
    default: {}
  images:
    description:
      - Archives of images (OCI or Docker) to import on the node.
      - An archive that is taken out of the list is not removed from the node.
    type: list
    elements: path
    default: []
  cgroup2_node:
    description:
      - Whether the cluster has a second node, O(name) with C(-cgroup2), with a kernel of its own and cgroup v2 alone. It
        is a User Mode Linux, an ordinary process that needs no virtualization and is slow.
      - Needs the Debian packages user-mode-linux and socat, and the binaries C(linux.uml) and C(socat).
    type: bool
    default: false
  timeout:
    description:
      - How many seconds the cluster has to become ready.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Start a cluster whose pods can set the limits of System V shared memory
  abcdesktopio.localcluster.local_cluster:
    name: alpha
    binaries: "{{ binaries }}"
    kubelet_config:
      allowedUnsafeSysctls: ["kernel.shm*"]

- name: Remove it
  abcdesktopio.localcluster.local_cluster:
    name: alpha
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, in order; in check mode, what would be done.
  returned: always
  type: list
  elements: str
  sample: [restart containerd, create RuntimeClass gvisor]
kubeconfig:
  description: Path of the administrator's kubeconfig.
  returned: when the cluster exists
  type: str
  sample: /var/lib/podshm/alpha/kubeconfig
server:
  description: URL of the API server.
  returned: when the cluster exists
  type: str
  sample: https://127.0.0.1:23430
"""

import re

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _pki, _processes
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._cluster import Cluster, Settings
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._errors import ClusterError
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._layout import NAME


def main() -> None:
    """Bring the cluster to the state."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped", "absent"], "default": "started"},
            "binaries": {"type": "dict", "default": {}},
            "kubelet_config": {"type": "dict", "default": {}},
            "feature_gates": {"type": "dict", "default": {}},
            "handlers": {"type": "dict", "default": {}},
            "images": {"type": "list", "elements": "path", "default": []},
            "cgroup2_node": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    given = dict(module.params)
    state, name = given.pop("state"), given["name"]
    if not re.fullmatch(NAME, name):
        module.fail_json(
            msg=f"cluster {name}: the name is not valid; use 1 to 15 lower-case letters, digits and hyphens", actions=[]
        )
    for library, missing in (("cryptography", _pki.IMPORT_ERROR), ("psutil", _processes.IMPORT_ERROR)):
        if missing:
            module.fail_json(msg=f"cluster {name}: {missing_required_lib(library)}", actions=[])
    cluster = Cluster(Settings(**given), module.check_mode, module.warn, module.run_command)
    try:
        {"started": cluster.started, "stopped": cluster.stopped, "absent": cluster.absent}[state]()
    except ClusterError as error:
        module.fail_json(msg=str(error), actions=cluster.actions)
    module.exit_json(changed=bool(cluster.actions), actions=cluster.actions, **cluster.facts())


if __name__ == "__main__":
    main()
