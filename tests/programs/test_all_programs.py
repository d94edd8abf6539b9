# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program decides: what the audit says of a manifest is what becomes of the program when it is run.

PODSHM_PROGRAMS=postgresql,ray runs some of them.
"""

from __future__ import annotations

import os

import local
import pytest
import throwaway
import trees
import trial
from trial import Row

NAME = throwaway.new_name()
ENTRIES = trial.entries(filter(None, os.environ.get("PODSHM_PROGRAMS", "").split(",")))
SHAPES = [(entry.name, shape.name) for entry in ENTRIES for shape in entry.shapes]

#: Of a kubelet, so that shapes with other sysctls are admitted.
KUBELET = {"allowedUnsafeSysctls": ["kernel.shm*", "kernel.sem"], "cpuCFSQuota": False}


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], Row | str]:
    """By program and shape, what was predicted and what came; or why there is none."""
    missing: dict[str, str] = {}
    for entry in ENTRIES:
        try:
            trees.tree(entry.parts)
        except trees.NotThereError as error:
            missing[entry.name] = str(error)
    found = trial.predict([entry for entry in ENTRIES if entry.name not in missing])
    with local.cluster(NAME, local_cluster_kubelet_config=KUBELET) as cluster, trial.named_images(cluster, found):
        namespace = cluster.make_namespace()
        trial.prove(cluster, namespace, found)
        trial.run(cluster, namespace, found)
    print(trial.table(found))
    return {key: missing.get(key[0], "") for key in SHAPES} | {(row.entry.name, row.shape.name): row for row in found}


@pytest.mark.parametrize(("program", "shape"), SHAPES)
def test_the_audit_and_the_program_agree(rows: dict[tuple[str, str], Row | str], program: str, shape: str) -> None:
    row = rows[program, shape]
    if isinstance(row, str):
        pytest.skip(f"{program} cannot be had: {row}")
    assert row.wrong() == "", row.log[-2000:]
