# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters for tests: nobody else has their names, and only the session that created one removes it."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
import re
import secrets
import subprocess
import sys
import typing as t

CHECKOUT = pathlib.Path(__file__).resolve().parents[4]
HOME = pathlib.Path("/var/lib/podshm")
#: The cgroups of a cluster of this session begin with podshm-test-SESSION.
PREFIX = f"test-{secrets.token_hex(3)}"

_numbers = itertools.count(1)
_own: set[str] = set()


class ForeignClusterError(Exception):
    """A test was about to touch a cluster that this session did not create."""


@dataclasses.dataclass(frozen=True)
class Result:
    """What a playbook did to one cluster."""

    changed: int
    failed: int
    output: str


def new_name() -> str:
    """A name for a cluster, at most 15 characters long. From now on this session can create and remove it."""
    name = f"{PREFIX}-{next(_numbers)}"
    if (HOME / name).exists():
        raise ForeignClusterError(f"the cluster {name} is there already, and is not of this session")
    _own.add(name)
    return name


def require_own(name: str) -> None:
    """Raise unless the name is one of this session's."""
    if name not in _own:
        raise ForeignClusterError(f"the cluster {name} is not of this session: tests use throwaway.new_name()")


def command(playbook: str, name: str, *options: str, **variables: t.Any) -> list[str]:
    """The command that runs one of the collection's playbooks for this cluster alone."""
    require_own(name)
    program = pathlib.Path(sys.executable).with_name("ansible-playbook")
    extra = json.dumps({"localcluster_names": [name], **variables})
    return [str(program), f"abcdesktopio.localcluster.{playbook}", "--extra-vars", extra, *options]


def run(playbook: str, name: str, *options: str, **variables: t.Any) -> Result:
    """Run one of the collection's playbooks for this cluster alone."""
    argv = command(playbook, name, *options, **variables)
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    recap = re.search(rf"^{name} .* changed=(\d+) .* failed=(\d+)", output, re.MULTILINE)
    assert recap, output
    assert (done.returncode == 0) == (recap[2] == "0"), output
    return Result(int(recap[1]), int(recap[2]), output)


def start(name: str, *options: str, **variables: t.Any) -> Result:
    """Start a cluster, or give one that runs other settings.

    :param variables: of the role local_cluster.
    """
    result = run("clusters", name, *options, **variables)
    assert not result.failed, result.output
    return result


def remove(name: str) -> Result:
    """Remove a cluster of this session."""
    result = run("clusters_clean", name)
    assert not result.failed, result.output
    return result
