# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

from __future__ import annotations

import typing as t

import yaml

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _options

_REQUIREMENTS: t.Final = ["python >= 3.11", "kubernetes >= 24.2.0", "PyYAML >= 3.11"]

_NOTES: t.Final = [
    (
        "Creates one Job without pods (the anchor), one ConfigMap per architecture and the pods of the checks, and removes them. "
        "The anchor owns the others and has a deadline, so that the cluster removes all of it even if this process is killed."
    ),
    (
        "Pods comply with the Pod Security Standard V(restricted), except those of SHM111 (root and a capability), SHM503 and "
        "SHM504 (hostIPC, hostPath) and SHM603 (an unsafe sysctl)."
    ),
    (
        "Needs C(list) on nodes, and in the namespace C(create), C(delete), C(get), C(list) and C(watch) on pods, "
        "C(create), C(delete) and C(list) on configmaps and jobs, C(get) on pods/log, and C(get) and C(create) on pods/exec or "
        "C(patch) on pods (see O(transport)). C(list) on events helps to explain a pod that does not start. C(patch) on "
        "pods/ephemeralcontainers and pods/resize is for SHM208, SHM216 and SHM404 to SHM407, which are V(SKIP) without."
    ),
]


def _options_of(scope: str) -> dict[str, t.Any]:
    return {option.name: option.documentation() for option in _options.of_scope(scope)}


class ModuleDocFragment:
    """What all modules of the collection have in common. The options stand in module_utils/_options.py."""

    # Those that are computed are annotated: sanity's yamllint takes what is not for literals, and fails.

    # the options of a run
    DOCUMENTATION: str = yaml.safe_dump(
        {"options": _options_of(_options.RUN), "requirements": _REQUIREMENTS, "notes": _NOTES}, sort_keys=False
    )

    # what is written into /dev/shm
    SIZE: str = yaml.safe_dump({"options": _options_of(_options.SIZE)}, sort_keys=False)

    # which checks run, and what single ones need
    CHECK: str = yaml.safe_dump({"options": _options_of(_options.CHECK)}, sort_keys=False)

    # which workloads are audited
    WORKLOAD: str = yaml.safe_dump({"options": _options_of(_options.WORKLOAD)}, sort_keys=False)

    # what a report is about
    REPORT: str = yaml.safe_dump({"options": _options_of(_options.REPORT)}, sort_keys=False)

    # what a module of a run is and is not
    ATTRIBUTES = r"""
attributes:
  check_mode:
    support: partial
    details:
      - Sends every object as a server-side dry run, which shows whether permissions, quota and admission allow it, and
        writes nothing. Each check is then V(SKIP).
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    support: full
    details:
      - What it creates is gone when it returns, so that RV(ignore:changed) is V(false).
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
  action_group:
    support: full
    membership:
      - abcdesktopio.podshm.podshm
    description: Use C(group/abcdesktopio.podshm.podshm) in C(module_defaults) to set defaults for this module.
"""
