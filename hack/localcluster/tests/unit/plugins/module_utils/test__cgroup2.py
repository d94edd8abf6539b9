# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written for the node with cgroup v2, without one."""

from __future__ import annotations

import json
import subprocess

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _cgroup2, _documents
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._layout import SLOTS, Layout

ALPHA = Layout("alpha", 3)
LONGEST = Layout("a" * 15, SLOTS - 1)
KUBECONFIG = _documents.kubeconfig(ALPHA, "system:node:alpha-cgroup2", b"ca", b"cert", b"key")
TEXTS = _cgroup2.texts(ALPHA, {"Gate": True}, {"maxPods": 7}, {"liar": "/opt/liar"}, KUBECONFIG)


def test_names_fit_the_limits_of_the_kernel() -> None:
    assert len(_cgroup2.tap(LONGEST)) <= 15
    assert len(_cgroup2._guest(LONGEST).path("run", "s", "0" * 64)) <= 107


def test_the_guest_cannot_write_to_the_machine() -> None:
    _forward, kernel = _cgroup2.components(ALPHA)
    assert "ro" in kernel.argv
    assert "rw" not in kernel.argv
    assert f"mem={_cgroup2.MEMORY}" in kernel.argv


def test_the_api_server_is_reached_on_the_tap_only() -> None:
    forward, _kernel = _cgroup2.components(ALPHA)
    assert forward.argv[1] == "TCP-LISTEN:23460,bind=10.185.3.1,fork,reuseaddr"
    assert forward.argv[2] == "TCP:127.0.0.1:23460"
    cluster = json.loads(TEXTS[ALPHA.path("cgroup2", "etc", "kubelet.kubeconfig")])["clusters"][0]["cluster"]
    # the name that the server's certificate has
    assert (cluster["server"], cluster["tls-server-name"]) == ("https://10.185.3.1:23460", "localhost")
    assert "certificate-authority-data" in cluster


def test_the_kubelet_has_the_clusters_settings_and_its_own_places() -> None:
    kubelet = json.loads(TEXTS[ALPHA.path("cgroup2", "etc", "kubelet.json")])
    assert (kubelet["featureGates"], kubelet["maxPods"]) == ({"Gate": True}, 7)
    assert (kubelet["address"], kubelet["cgroupRoot"]) == ("10.185.3.2", "/")
    assert kubelet["containerRuntimeEndpoint"] == "unix:///var/lib/podshm/alpha-cg2/run/containerd.sock"
    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    init = TEXTS[ALPHA.path("cgroup2", "init")]
    assert "--node-ip=10.185.3.2 " in init
    assert "--hostname-override=alpha-cgroup2 " in init


def test_further_runtimes_are_those_of_the_cluster_too() -> None:
    assert 'BinaryName = "/opt/liar"' in TEXTS[ALPHA.path("cgroup2", "etc", "containerd.toml")]


def test_a_change_of_any_file_restarts_the_node() -> None:
    _forward, kernel = _cgroup2.components(ALPHA)
    assert TEXTS.keys() <= set(kernel.reads)


def test_init_is_a_script_that_parses() -> None:
    subprocess.run(["sh", "-n"], input=TEXTS[ALPHA.path("cgroup2", "init")], text=True, check=True)
