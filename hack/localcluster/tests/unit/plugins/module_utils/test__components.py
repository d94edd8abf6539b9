# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines of a cluster's processes."""

from __future__ import annotations

import pytest

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _components, _documents
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._layout import Layout

ALPHA = Layout("alpha", 0)


@pytest.mark.parametrize("component", _components.components(ALPHA, {}), ids=lambda component: component.name)
def test_components_reach_each_other_by_tls_only(component: _components.Component) -> None:
    flags = " ".join(component.argv)
    assert "http://" not in flags
    assert "insecure" not in flags
    assert all(argument.startswith("/var/lib/podshm/alpha/") for argument in component.argv[:1])


def test_who_must_show_a_certificate() -> None:
    etcd, _containerd, apiserver, *_rest = _components.components(ALPHA, {})
    assert {"--client-cert-auth", "--peer-client-cert-auth"} <= set(etcd.argv)
    assert "--authorization-mode=Node,RBAC" in apiserver.argv
    assert "--kubelet-certificate-authority=/var/lib/podshm/alpha/pki/ca.crt" in apiserver.argv
    # Another authority than that of the cluster.
    assert "--trusted-ca-file=/var/lib/podshm/alpha/pki/etcd-ca.crt" in etcd.argv


def test_feature_gates_are_written_alike_whatever_their_order() -> None:
    assert _components.feature_gates({"B": False, "A": True}) == ("--feature-gates=A=true,B=false",)
    assert _components.feature_gates({}) == ()
    with_gates = {c.name for c in _components.components(ALPHA, {"A": True}) if "--feature-gates=A=true" in c.argv}
    assert with_gates == {"kube-apiserver", "kube-controller-manager", "kube-scheduler"}
    assert _documents.kubelet_config(ALPHA, {"A": True}, {}, "")["featureGates"] == {"A": True}
