# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What the namespace admits: SHM607 (pure)."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.common import (
    failed,
    passed,
    require_fact,
    warned,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.layouts import (
    ADMISSION,
    ADMIT_IPC,
    ADMIT_PATH,
    ADMIT_RELAXED,
    ADMIT_SYSCTL,
    ADMIT_VOLUME,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Action,
    Container,
    Context,
    Decision,
    Group,
    Seen,
    Step,
    check,
)


def _admit(container: Container) -> Step:
    return Step(container.name, container, Action.ADMIT)


_VOLUME: t.Final = _admit(ADMIT_VOLUME)
_RELAXED: t.Final = _admit(ADMIT_RELAXED)
_IPC: t.Final = _admit(ADMIT_IPC)
_PATH: t.Final = _admit(ADMIT_PATH)
_SYSCTL: t.Final = _admit(ADMIT_SYSCTL)
_ALL: t.Final = (_VOLUME, _RELAXED, _IPC, _PATH, _SYSCTL)

#: What each level of the Pod Security Standards refuses of it.
_LEVELS: t.Final[dict[str, set[Step]]] = {
    "privileged": set(),
    "baseline": {_IPC, _PATH, _SYSCTL},
    "restricted": {_IPC, _PATH, _SYSCTL, _RELAXED},
}


@check(
    "SHM607",
    "pod_security",
    group=Group.LIMITS,
    layout=ADMISSION,
    steps=_ALL,
    question="Which ways to share and size memory does the namespace admit?",
    expected="a volume of medium Memory always; hostIPC, hostPath and unsafe sysctls all or none, as one level of the "
    "Pod Security Standards has it",
)
def pod_security(seen: Seen, context: Context) -> Decision:
    """Nothing is created: the API server answers dry runs."""
    by_label = sorted(_ALL, key=lambda step: step.label)
    refused = [step for step in by_label if not require_fact(seen[step], "admitted")]
    by = ", ".join(f"{step.label}: {require_fact(seen[step], 'refused_by')}" for step in refused)
    observed = f"refused: {by}" if refused else "nothing is refused"
    if _VOLUME in refused:
        return failed(
            f"{observed} ({require_fact(seen[_VOLUME], 'detail')})",
            "find the policy that refuses volumes of medium Memory, which comply with every level, and have it admit them",
        )
    changed = [f"{step.label}: {seen[step].facts['changed']}" for step in by_label if seen[step].facts.get("changed")]
    if changed:
        return warned(
            f"{observed}; the cluster changed the pod: {'; '.join(changed)}",
            "find the policy or webhook that changes these pods; what it changes does not reach your workloads as written",
        )
    level = next((level for level, steps in _LEVELS.items() if set(refused) == steps), None)
    if level is None:
        return warned(
            f"{observed}: no level of the Pod Security Standards, but a policy of the cluster's own",
            "nothing to do to share memory within a pod: it needs none of what is refused",
        )
    return passed(f"{observed}: as at level {level}")


CHECKS: t.Final = (pod_security,)
