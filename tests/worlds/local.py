# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local cluster for the tests of one file, with settings and runtimes of its own."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import typing as t

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "cluster")]

import harness  # noqa: E402
import oci  # noqa: E402


def _playbook(file: str, name: str, variables: dict[str, t.Any]) -> None:
    command = [pathlib.Path(sys.executable).with_name("ansible-playbook"), file]
    extra = json.dumps({"podshm_local_clusters": [name], **variables})
    run = subprocess.run(
        [*command, "--extra-vars", extra], cwd=harness.CHECKOUT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def liars(folder: pathlib.Path, worlds: t.Iterable[str]) -> dict[str, str]:
    """The runtimes of false worlds (oci.py), for the variable local_cluster_handlers.

    All that they need is in the folder, but for the Python that this one was made from.
    """
    script = shutil.copy(oci.__file__, folder)
    python = pathlib.Path(sys.executable).resolve()
    handlers = {}
    for world in worlds:
        wrapper = folder / world
        # Python only where something is edited: a runtime is called a dozen times per container
        wrapper.write_text(
            '#!/bin/sh\ncase " $* " in *" create "*|*" exec "*|*" update "*)'
            f' exec {python} -S {script} {world} "$@";; esac\nexec runc "$@"\n'
        )
        wrapper.chmod(0o755)
        handlers[world] = str(wrapper)
    return handlers


def start(name: str, **variables: t.Any) -> harness.Cluster:
    """Start a cluster, or give one that runs other settings.

    :param variables: of the role local_cluster.
    """
    _playbook("playbooks/clusters.yml", name, variables)
    return harness.Cluster(name)


@contextlib.contextmanager
def cluster(name: str, **variables: t.Any) -> t.Iterator[harness.Cluster]:
    """Start it, and remove it when the block ends.

    :param variables: of the role local_cluster.
    """
    try:
        yield start(name, **variables)
    finally:
        _playbook("playbooks/clusters_clean.yml", name, {})
