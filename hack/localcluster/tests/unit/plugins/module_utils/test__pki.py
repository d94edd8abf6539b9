# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates: who is who, for how long, and signed by whom."""

from __future__ import annotations

import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _pki as pki

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
FILES = pki.certificates("alpha", "10.183.0.1", "10.184.0.1", ("alpha-cgroup2", "10.185.0.2"), NOW)
LEAVES = sorted(name.removesuffix(".key") for name in FILES if name.endswith(".key"))
OF_ETCD = {"etcd", "apiserver-etcd"}


def load(name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(FILES[f"{name}.crt"])


@pytest.mark.parametrize("name", LEAVES)
def test_each_certificate_is_signed_by_its_authority_and_has_its_key(name: str) -> None:
    certificate = load(name)
    own, foreign = ("etcd-ca", "ca") if name in OF_ETCD else ("ca", "etcd-ca")
    certificate.verify_directly_issued_by(load(own))
    with pytest.raises(ValueError, match="does not match"):
        certificate.verify_directly_issued_by(load(foreign))
    key = load_pem_private_key(FILES[f"{name}.key"], None)
    assert key.public_key() == certificate.public_key()


@pytest.mark.parametrize("name", [*LEAVES, "ca", "etcd-ca"])
def test_they_live_for_a_year(name: str) -> None:
    certificate = load(name)
    assert certificate.not_valid_before_utc < NOW
    assert certificate.not_valid_after_utc == NOW + datetime.timedelta(days=365)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints.ca == (name in ("ca", "etcd-ca"))


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("admin", "CN=podshm-admin,O=system:masters"),
        ("kubelet-client", "CN=system:node:alpha,O=system:nodes"),
        ("kube-scheduler", "CN=system:kube-scheduler"),
        ("kube-controller-manager", "CN=system:kube-controller-manager"),
        ("apiserver-kubelet", "CN=kube-apiserver-kubelet-client"),
    ],
)
def test_clients_are_who_kubernetes_knows(name: str, subject: str) -> None:
    certificate = load(name)
    assert certificate.subject.rfc4514_string() == subject
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize(
    ("name", "addresses"),
    [("apiserver", {"127.0.0.1", "10.184.0.1"}), ("kubelet", {"10.183.0.1"}), ("etcd", {"127.0.0.1"})],
)
def test_servers_are_where_they_are_reached(name: str, addresses: set[str]) -> None:
    names = load(name).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.IPAddress)) == {ipaddress.ip_address(each) for each in addresses}


def test_keys_of_the_authorities_are_not_kept() -> None:
    assert "ca.key" not in FILES
    assert "etcd-ca.key" not in FILES


def test_service_account_keys_are_a_pair_and_never_the_same() -> None:
    first, second = pki.service_account_keys(), pki.service_account_keys()
    assert first.keys() == {"service-accounts.key", "service-accounts.pub"}
    assert first != second
