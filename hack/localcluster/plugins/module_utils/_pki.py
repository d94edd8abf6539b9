# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates of one local cluster.

The cluster and its etcd have an authority each: whoever holds a certificate of the cluster
(a kubelet, say) must not be able to read etcd behind the back of the API server.
This file is PRIVATE to the collection.
"""

from __future__ import annotations

import datetime
import ipaddress
import typing as t

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    IMPORT_ERROR: ImportError | None = None
except ImportError as error:
    IMPORT_ERROR = error

LIFETIME = datetime.timedelta(days=365)
RENEW_BEFORE = datetime.timedelta(days=30)

if t.TYPE_CHECKING:
    Issuer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> t.Any:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A clock that is put back a little must not make the cluster invalid.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
    )


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(name: str, now: datetime.datetime) -> Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject, subject, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _leaf(
    issuer: Issuer,
    now: datetime.datetime,
    name: str,
    group: str = "",
    client: bool = False,
    addresses: t.Sequence[str] = (),
    names: t.Sequence[str] = (),
) -> tuple[bytes, bytes]:
    """A certificate and its key; with addresses or names it can serve, with client it can authenticate."""
    ca, ca_key = issuer
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH] if client else []
    builder = _builder(x509.Name(subject), ca.subject, key, now)
    if addresses or names:
        uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
        alternatives: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
        alternatives += [x509.DNSName(each) for each in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), _private(key)


def service_account_keys() -> dict[str, bytes]:
    """The pair that signs service-account tokens. It outlives the certificates: tokens stay valid."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {"service-accounts.key": _private(key), "service-accounts.pub": public}


def certificates(
    cluster: str, node_address: str, service_address: str, second: tuple[str, str], now: datetime.datetime
) -> dict[str, bytes]:
    """All certificates and keys by file name. The keys of the authorities are not kept: renewing creates new ones.

    :param second: name and address of a second node, whether it is there or not.
    """
    ca = _authority(f"podshm {cluster}", now)
    etcd_ca = _authority(f"podshm {cluster} etcd", now)
    local = ("127.0.0.1",)
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    leaves = {
        "etcd": _leaf(etcd_ca, now, "etcd", client=True, addresses=local, names=("localhost",)),
        "apiserver-etcd": _leaf(etcd_ca, now, "kube-apiserver", client=True),
        "apiserver": _leaf(
            ca, now, "kube-apiserver", addresses=(*local, service_address), names=("localhost", *service)
        ),
        "apiserver-kubelet": _leaf(ca, now, "kube-apiserver-kubelet-client", client=True),
        "kubelet": _leaf(ca, now, f"system:node:{cluster}", addresses=(node_address,), names=(cluster,)),
        "kubelet-client": _leaf(ca, now, f"system:node:{cluster}", "system:nodes", client=True),
        "cgroup2-kubelet": _leaf(ca, now, f"system:node:{second[0]}", addresses=(second[1],), names=(second[0],)),
        "cgroup2-kubelet-client": _leaf(ca, now, f"system:node:{second[0]}", "system:nodes", client=True),
        "kube-controller-manager-serving": _leaf(ca, now, "kube-controller-manager", addresses=local),
        "kube-controller-manager": _leaf(ca, now, "system:kube-controller-manager", client=True),
        "kube-scheduler-serving": _leaf(ca, now, "kube-scheduler", addresses=local),
        "kube-scheduler": _leaf(ca, now, "system:kube-scheduler", client=True),
        "admin": _leaf(ca, now, "podshm-admin", "system:masters", client=True),
    }
    files = {f"{name}.crt": pair[0] for name, pair in leaves.items()}
    files |= {f"{name}.key": pair[1] for name, pair in leaves.items()}
    for name, (certificate, _key) in (("ca", ca), ("etcd-ca", etcd_ca)):
        files[f"{name}.crt"] = certificate.public_bytes(serialization.Encoding.PEM)
    return files
