# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""OpenSearch and Open Distro, for their Performance Analyzer, which writes to /dev/shm."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Less,
    Marks,
    Need,
    Program,
    Sign,
    Sure,
    Uses,
    Values,
    no_least,
    runs,
)


def _metrics(_values: Values) -> Amount:
    return Amount.of(("for Performance Analyzer", 1000 * 1000 * 1000))


_SIGNS: t.Final = (
    Sign(
        r"performanceanalyzer.*No space left on device|No space left on device.*performanceanalyzer",
        Sure.CERTAIN,
        "/dev/shm is full of the metrics of Performance Analyzer",
        "disable Performance Analyzer, or mount an emptyDir of medium Memory with sizeLimit: 1Gi on /dev/shm",
        ("SHM308",),
    ),
)

_OPENSEARCH: t.Final = Program(
    name="opensearch",
    title="OpenSearch",
    marks=Marks(
        images=r"opensearch(-(master|data))?",
        unless=r".*(dashboards|exporter|operator|benchmark|curator).*",
        command=runs(r"(\./)?opensearch-docker-entrypoint\.sh|/usr/share/opensearch/bin/opensearch"),
        ports=(9200, 9300, 9600),
        version=r"^(\d+)\.(\d+)",
    ),
    needs=(
        Need(Uses.DEV_SHM, "Performance Analyzer, where it runs", less=Less.ADAPTS, symptom="its metrics have gaps"),
    ),
    signs=_SIGNS,
    sources=("https://github.com/opensearch-project/performance-analyzer",),
)

_OPEN_DISTRO: t.Final = Program(
    name="opendistro",
    title="Open Distro for Elasticsearch",
    marks=Marks(
        images=r"opendistro-for-elasticsearch",
        unless=r".*(kibana|exporter|operator).*",
        command=r"/usr/share/elasticsearch/plugins/opendistro-performance-analyzer|opendistro-tar-install\.sh",
        ports=(9200, 9300, 9600),
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "Performance Analyzer",
            no_least,
            _metrics,
            less=Less.DEGRADES,
            symptom="metrics of Performance Analyzer are lost",
        ),
    ),
    sources=("https://github.com/opendistro-for-elasticsearch/performance-analyzer/issues/173",),
)

PROGRAMS: t.Final = (_OPENSEARCH, _OPEN_DISTRO)
