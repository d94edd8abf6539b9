# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module refuses before it touches anything."""

from __future__ import annotations

import contextlib
import json
import typing as t

import pytest
from ansible.module_utils import basic

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _cluster, _layout
from ansible_collections.abcdesktopio.localcluster.plugins.modules import local_cluster

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:
    # before ansible-core 2.19

    @contextlib.contextmanager
    def patch_module_args(args: dict[str, t.Any] | None = None) -> t.Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": args or {}}).encode())
            yield


BINARIES = dict.fromkeys((*_layout.BINARIES, "pause", "busybox"), "/bin/sh")
GOOD = {"name": "alpha", "binaries": BINARIES}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in a test must not reach the clusters of this machine."""
    monkeypatch.setattr(_layout, "HOME", "/nonexistent/podshm")

    def touch(*arguments: object) -> t.NoReturn:
        raise AssertionError("the module went on")

    monkeypatch.setattr(_cluster.Cluster, "_start", touch)
    monkeypatch.setattr(_cluster.Cluster, "_halt", touch)


def run(arguments: dict[str, t.Any], capfd: pytest.CaptureFixture[str]) -> dict[str, t.Any]:
    with patch_module_args({"_ansible_check_mode": True, **arguments}), pytest.raises(SystemExit):
        local_cluster.main()
    result: dict[str, t.Any] = json.loads(capfd.readouterr().out)
    return result


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "Alpha"}, "cluster Alpha: the name is not valid"),
        ({"name": "../alpha"}, "cluster ../alpha: the name is not valid"),
        ({"binaries": {}}, "cluster alpha: no path is given for the binary etcd"),
        (
            {"binaries": BINARIES | {"runc": "/no/runc"}},
            "cluster alpha: /no/runc, given for runc, is not an executable",
        ),
        ({"handlers": {"own": "/etc/passwd"}}, "/etc/passwd, given for own, is not an executable file"),
        ({"handlers": {"runc": "/bin/sh"}}, "the handler name runc is taken"),
        ({"handlers": {"Own_One": "/bin/sh"}}, "the handler name Own_One is not valid"),
        ({"images": ["/no/such.tar"]}, "the image archive /no/such.tar does not exist"),
    ],
)
def test_bad_options_are_named(arguments: dict[str, t.Any], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    result = run(GOOD | arguments, capfd)
    assert result["failed"]
    assert message in result["msg"]
    assert result["actions"] == []


@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_what_is_not_there_needs_no_change(state: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run({"name": "nobody", "state": state}, capfd)["changed"] is False
