# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local cluster for the tests of one file, with settings and runtimes of its own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import py_compile
import sys
import typing as t

import harness
import oci
import throwaway

#: How steps come to containers in all worlds: their verdicts must not depend on it.
TRANSPORT: t.Final = os.environ.get("PODSHM_TRANSPORT", "auto")


def liars(folder: pathlib.Path, worlds: t.Iterable[str]) -> dict[str, str]:
    """The runtimes of false worlds (oci.py), for the variable local_cluster_handlers.

    All that they need is in the folder, but for the Python that this one was made from.
    """
    # compiled once: a script is compiled at each start, and a runtime is called a dozen times per container
    script = py_compile.compile(oci.__file__, cfile=str(folder / "oci.pyc"), doraise=True)
    python = pathlib.Path(sys.executable).resolve()
    handlers = {}
    for world in worlds:
        wrapper = folder / world
        # Python only where something is edited
        wrapper.write_text(
            '#!/bin/sh\ncase " $* " in *" create "*|*" exec "*|*" update "*)'
            f' exec {python} -S {script} {world} "$@";; esac\nexec runc "$@"\n'
        )
        wrapper.chmod(0o755)
        handlers[world] = str(wrapper)
    return handlers


def start(name: str, **variables: t.Any) -> harness.Cluster:
    """Start a cluster of this session, or give one that runs other settings.

    :param name: from throwaway.new_name().
    :param variables: of the role local_cluster.
    """
    throwaway.start(name, **variables)
    return harness.Cluster(name)


@contextlib.contextmanager
def cluster(name: str, **variables: t.Any) -> t.Iterator[harness.Cluster]:
    """Start it, and remove it when the block ends.

    :param name: from throwaway.new_name().
    :param variables: of the role local_cluster.
    """
    try:
        yield start(name, **variables)
    finally:
        throwaway.remove(name)
