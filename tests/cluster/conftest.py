# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests against the local clusters alpha and beta, which `make clusters` starts."""

from __future__ import annotations

import typing as t

import harness
import local
import pytest
import throwaway

_WIDE = (
    "clusterroles",
    "clusterrolebindings",
    "runtimeclasses",
    "priorityclasses",
    "validatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
)


@pytest.fixture(scope="session")
def clusters() -> t.Iterator[dict[str, harness.Cluster]]:
    """Both clusters. When all tests are done, nothing of the collection and nothing of the tests may be left there."""
    try:
        found = {name: harness.Cluster(name) for name in harness.NAMES}
    except FileNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    yield found
    for cluster in found.values():
        assert cluster.left(seconds=30) == []
        cluster.until("namespaces", "", lambda seen: not seen, harness.MINE, seconds=60)
        assert [kind for kind in _WIDE if cluster.list(kind, selector=harness.MINE)] == []


@pytest.fixture(scope="session")
def alpha(clusters: dict[str, harness.Cluster]) -> harness.Cluster:
    return clusters["alpha"]


@pytest.fixture(scope="session")
def beta(clusters: dict[str, harness.Cluster]) -> harness.Cluster:
    return clusters["beta"]


@pytest.fixture
def namespace(alpha: harness.Cluster) -> t.Iterator[str]:
    """A namespace of alpha for one test. When the test ends, no object of the collection may be in it."""
    name = alpha.make_namespace()
    try:
        yield name
        assert alpha.left(name) == []
    finally:
        alpha.delete("namespaces", name)


@pytest.fixture(scope="module")
def own() -> t.Iterator[harness.Cluster]:
    """A cluster for the tests of one file, whose Node objects, RuntimeClasses or kubelet concern everybody on it."""
    with local.cluster(throwaway.new_name()) as started:
        yield started


@pytest.fixture
def there(own: harness.Cluster) -> t.Iterator[str]:
    """A namespace in it; when the test ends, no object of the collection may be in it."""
    name = own.make_namespace()
    yield name
    assert own.left(name) == []
    own.delete("namespaces", name)
