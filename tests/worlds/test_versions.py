# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check on the oldest and on the newest Kubernetes that builds: what a version cannot answer is SKIP, nothing else."""

from __future__ import annotations

import typing as t

import harness
import local
import pytest
import throwaway
from table import Table, Verdicts, honest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID

#: Kubernetes -> the whole catalog on a local cluster of it.
VERSIONS: dict[str, Verdicts] = {
    "1.28": honest(
        SKIP={
            # no sidecars, no user namespaces of pods, no pods/resize
            "FeatureGateOff": "SHM108 SHM109 SHM206 SHM211 SHM215 SHM318 SHM404",
        }
    ),
    "1.37": honest(),
}


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def answer(version: str) -> t.Iterator[harness.Answer]:
    with local.cluster(throwaway.new_name(), local_cluster_kubernetes=version) as cluster:
        yield harness.call(cluster, checks=None, timeout=240, start_timeout=60).answer(seconds=300)


def test_every_check_answers(version: str, answer: harness.Answer) -> None:
    table = Table(VERSIONS[version], {})
    for check in answer.result["checks"]:
        table.add("", check)
    print(f"\nKubernetes {answer.result['run']['kubernetes']}, {answer.seconds:.0f} s\n{table.text()}", flush=True)
    assert answer.result["run"]["kubernetes"].startswith(f"v{version}.")
    assert table.wrong("") == {}
    assert answer.result["leftovers"] == []


def test_a_skip_names_the_version_that_can(version: str, answer: harness.Answer) -> None:
    skipped = {
        check["id"]: check["observed"] for check in answer.checks.values() if check["reason"] == "FeatureGateOff"
    }
    needs = {name: check.needs for name, check in BY_ID.items() if check.needs}
    expected = {name: feature.words for name, feature in needs.items() if not feature.is_usual_in(f"v{version}.0")}
    assert skipped.keys() == expected.keys()
    assert {name: words for name, words in expected.items() if words not in skipped[name]} == {}
