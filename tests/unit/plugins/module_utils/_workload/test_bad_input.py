# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever stands in whatever place of a manifest: it is said what is wrong, all else is audited, and no secret is shown."""

from __future__ import annotations

import collections.abc
import copy
import json
import typing as t

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit, manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _kustomize, _workload_text

SECRET: t.Final = "s3cr3tVALUE"

WHOLE: t.Final = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: n, labels: {x: y}, annotations: {k: v}}
spec:
  replicas: 1
  selector: {matchLabels: {x: y}}
  template:
    metadata: {labels: {x: y}, annotations: {podshm.abcdesktop.io/needs.c1: posix_shm=1Gi across=c0}}
    spec:
      hostIPC: true
      runtimeClassName: r
      overhead: {memory: 1Mi}
      shareProcessNamespace: false
      nodeSelector: {a: b}
      os: {name: linux}
      affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}}
      securityContext: {runAsUser: 1, fsGroup: 2, sysctls: [{name: kernel.sem, value: '1'}]}
      resources: {limits: {memory: 4Gi}, requests: {memory: 1Gi}}
      volumes:
        - {name: dshm, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
        - {name: disk, emptyDir: {sizeLimit: 1Gi}}
        - {name: host, hostPath: {path: /dev/shm, type: Directory}}
      initContainers:
        - {name: i, image: 'postgres:15', restartPolicy: Always, volumeMounts: [{name: host, mountPath: /dev/shm}]}
      containers:
        - name: c0
          image: postgres:15
          command: [postgres, -c, shared_buffers=128MB]
          args: [--password=s3cr3tVALUE]
          env: [{name: PGPASSWORD, value: s3cr3tVALUE}, {name: X, valueFrom: {secretKeyRef: {name: a, key: b}}}]
          ports: [{containerPort: 5432}]
          securityContext: {runAsUser: 5}
          resources: {limits: {memory: 1Gi, hugepages-2Mi: 4Mi, nvidia.com/gpu: 1}, requests: {memory: 1Gi}}
          volumeMounts: [{name: dshm, mountPath: /dev/shm, subPath: a, readOnly: false}]
        - {name: c1, image: mpich, volumeMounts: [{name: disk, mountPath: /dev/shm}]}
"""
GOOD: t.Final = "\n---\nkind: Pod\nmetadata: {name: good}\nspec: {containers: [{name: c, image: redis}]}\n"

#: Values of every type, and such as end a process or a conversion.
VALUES: t.Final = (
    *(
        "null",
        "[]",
        "[1]",
        "[null]",
        "[{}]",
        "text",
        "''",
        "7",
        "-5",
        "0",
        "1" + "0" * 40,
        "0x" + "f" * 6000,
        "9" * 6000,
    ),
    *("1.5", ".nan", "-.inf", "'1e999999999'", "'1e5000'", "true", "{}", "{a: b}", "{null: null}", "{1: 2}"),
    *("2020-01-01", "2020-99-99", "!!binary aGk=", "!!set {a, b}", "!!omap [a: 1]", "'{{ .Values.x }}'", '"a\\nb"'),
    '"\\e[31m"',
)


def places(value: t.Any, path: tuple[t.Any, ...] = ()) -> collections.abc.Iterator[tuple[t.Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield (*path, key)
        yield from places(one, (*path, key))


DOCUMENT: t.Final = yaml.safe_load(WHOLE)
PLACES: t.Final = tuple(places(DOCUMENT))


def written(path: tuple[t.Any, ...], value: str) -> str:
    """The manifest with another value in one place."""
    document = copy.deepcopy(DOCUMENT)
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = "HERE"
    return yaml.safe_dump(document, sort_keys=False, width=100_000).replace("HERE", value, 1)


@settings(max_examples=250)
@given(st.sampled_from(PLACES), st.sampled_from(VALUES))
def test_any_value_in_any_place(path: tuple[t.Any, ...], value: str) -> None:
    workloads, problems = manifests.read(written(path, value) + GOOD, "f.yaml")
    facts = [audit.facts_of(one, PROGRAMS) for one in workloads]
    words = [str(one) for one in problems]
    answer = {"workloads": facts, "problems": words, "notes": [], "msg": audit.headline(facts, words)}
    told = json.dumps(answer, allow_nan=False) + "\n".join(_workload_text.lines(answer, True, "patch"))
    told += _kustomize.component(facts)
    assert SECRET not in told
    assert "report this as a bug" not in told
    assert workloads[-1].name == "good"
    # what is no workload by its kind or its group is none, and neither is a patch without a template
    assert len(workloads) == 2 or problems or path[0] in ("kind", "apiVersion") or path == ("spec",)
