# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second node of a local cluster: another kernel with cgroup v2 alone, as an ordinary process (User Mode Linux).

The guest sees the machine's files read-only and writes to memory only. It reaches the API server, and is reached, over a
tap interface whose addresses only this machine has. Everything here is pure.
This file is PRIVATE to the collection.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _components, _documents
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._components import Component
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._layout import Layout

#: What the role installs from Debian for it.
BINARIES = ("linux.uml", "socat")
COMPONENTS = ("cgroup2-forward", "cgroup2-node")
#: The guest's memory, all of it taken from the machine only as it is used.
MEMORY = "3G"

_MODULES = "/usr/lib/uml/modules"


def node(name: str) -> str:
    """The name of the node."""
    return f"{name}-cgroup2"


def tap(layout: Layout) -> str:
    """The interface, on the machine."""
    return f"podshm{layout.slot}cg2"


def gateway(layout: Layout) -> str:
    """The machine's address on the tap."""
    return str(layout.guest_subnet[1])


def address(layout: Layout) -> str:
    """The node's address on the tap."""
    return str(layout.guest_subnet[2])


def _guest(layout: Layout) -> Layout:
    """Where the node keeps its own, in its memory. Unix socket paths leave no room for the node's name."""
    return Layout(f"{layout.name}-cg2", layout.slot)


def _file(layout: Layout, name: str) -> str:
    return layout.path("cgroup2", "etc", name)


def components(layout: Layout) -> list[Component]:
    """The forwarder of the API server's port, and the kernel."""
    port = layout.ports["apiserver"]
    init = layout.path("cgroup2", "init")
    kernel = (
        layout.bin("linux.uml"),
        f"mem={MEMORY}",
        "rootfstype=hostfs",
        "rootflags=/",
        "ro",
        "con=null",
        "con0=null,fd:1",
        f"vec0:transport=tap,ifname={tap(layout)}",
        f"uml_dir={layout.path('run', 'uml')}",
        "init=/bin/dash",
        "--",
        init,
    )
    names = ("containerd.toml", "kubelet.json", "cni/10-podshm.conflist", "kubelet.kubeconfig")
    reads = (init, *(_file(layout, name) for name in names), *map(layout.pki, ("cgroup2-kubelet.crt", "ca.crt")))
    forward = (
        layout.bin("socat"),
        f"TCP-LISTEN:{port},bind={gateway(layout)},fork,reuseaddr",
        f"TCP:127.0.0.1:{port}",
    )
    return [Component(COMPONENTS[0], forward, ()), Component(COMPONENTS[1], kernel, reads)]


def texts(
    layout: Layout,
    gates: t.Mapping[str, bool],
    overrides: t.Mapping[str, t.Any],
    handlers: t.Mapping[str, str],
    kubeconfig: dict[str, t.Any],
) -> dict[str, str]:
    """All files of the node, by path.

    :param handlers: further OCI runtimes, which the guest sees where the machine has them, but for those in /tmp.
    :param kubeconfig: the node's, for the API server as the machine reaches it.
    """
    guest = _guest(layout)
    cluster = kubeconfig["clusters"][0]["cluster"]
    reached = {
        **cluster,
        "server": f"https://{gateway(layout)}:{layout.ports['apiserver']}",
        "tls-server-name": "localhost",
    }
    own = {
        "address": address(layout),
        "tlsCertFile": layout.pki("cgroup2-kubelet.crt"),
        "tlsPrivateKeyFile": layout.pki("cgroup2-kubelet.key"),
        "authentication": {"x509": {"clientCAFile": layout.pki("ca.crt")}},
        "cgroupRoot": "/",
    }
    kubelet = _documents.kubelet_config(guest, gates, overrides, "")
    return {
        layout.path("cgroup2", "init"): _init(layout),
        _file(layout, "containerd.toml"): _documents.containerd_config(guest, handlers, restrict_oom_score_adj=False),
        _file(layout, "kubelet.json"): _documents.text(_documents.merged(kubelet, own)),
        _file(layout, "cni/10-podshm.conflist"): _documents.text(_documents.cni_config(guest)),
        _file(layout, "kubelet.kubeconfig"): json.dumps(
            {**kubeconfig, "clusters": [{**kubeconfig["clusters"][0], "cluster": reached}]}, indent=2
        ),
    }


def _init(layout: Layout) -> str:
    """The first process of the guest."""
    guest = _guest(layout)
    own = {"--node-ip": address(layout), "--hostname-override": node(layout.name)}
    words = (word.partition("=") for word in _components.kubelet(guest).argv)
    kubelet = [f"{flag}{equals}{own.get(flag, value)}" for flag, equals, value in words]
    containerd = _components.containerd(guest).argv
    ctr = f"{guest.bin('ctr')} --address={guest.containerd_socket}"
    modules = " ".join(
        f"kernel/{module}.ko" for module in ("net/bridge/bridge", "drivers/net/veth", "fs/overlayfs/overlay")
    )
    return f"""#!/bin/dash
set -eu
export PATH={guest.root}/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mkdir /dev/pts /dev/shm /dev/mqueue
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
# the cluster's own folder stays in sight, everything else below here is the guest's
mkdir /run/cluster
mount --bind {layout.root} /run/cluster
mount -t tmpfs -o mode=755 lib /var/lib
mount -t tmpfs -o mode=755 log /var/log
mkdir -p {layout.root} {guest.root}/run
mount --move /run/cluster {layout.root}
ln -s {layout.root}/bin {layout.root}/cgroup2/etc {guest.root}/
modules={_MODULES}/$(uname -r)
for module in {modules}; do
    order=$module
    for needed in $(sed -n "s|^$module:||p" "$modules/modules.dep"); do order="$needed $order"; done
    for each in $order; do
        [ -d "/sys/module/$(basename "$each" .ko | tr - _)" ] || busybox insmod "$modules/$each"
    done
done
# cadvisor wants a clock speed, which this processor does not tell
{{ grep -v '^$' /proc/cpuinfo; echo 'cpu MHz : 2000.000'; }} >/run/cpuinfo
mount --bind /run/cpuinfo /proc/cpuinfo
echo {node(layout.name)} >/proc/sys/kernel/hostname
ip link set lo up
ip address add {address(layout)}/24 dev vec0
ip link set vec0 up
{" ".join(containerd)} &
until {ctr} version >/dev/null 2>&1; do sleep 0.5; done
{ctr} --namespace=k8s.io images import --local {layout.path("images.tar")}
{" ".join(kubelet)}
"""
