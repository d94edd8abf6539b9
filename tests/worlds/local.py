# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local cluster for the tests of one file, with settings of its own."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cluster"))

import harness


def _playbook(file: str, name: str, variables: dict[str, t.Any]) -> None:
    command = [pathlib.Path(sys.executable).with_name("ansible-playbook"), file]
    extra = json.dumps({"podshm_local_clusters": [name], **variables})
    run = subprocess.run(
        [*command, "--extra-vars", extra], cwd=harness.CHECKOUT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@contextlib.contextmanager
def cluster(name: str, **variables: t.Any) -> t.Iterator[harness.Cluster]:
    """Start it, and remove it when the block ends.

    :param variables: of the role local_cluster.
    """
    _playbook("playbooks/clusters.yml", name, variables)
    try:
        yield harness.Cluster(name)
    finally:
        _playbook("playbooks/clusters_clean.yml", name, {})
