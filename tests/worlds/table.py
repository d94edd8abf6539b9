# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The confusion table: what every check said in every world, against what it must say there."""

from __future__ import annotations

import collections
import resource
import typing as t

import machine
from oci import EVERYTHING, UNCHANGED

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID

#: Check -> its verdict, and of a SKIP the reason: C(SKIP NotRequested).
Verdicts = dict[str, str]


def expect(**checks: str | t.Mapping[str, str]) -> Verdicts:
    """The verdicts that are not those of the honest world: C(FAIL="SHM101 SHM102", SKIP={"NotVisible": "SHM601"})."""
    found: Verdicts = {}
    for verdict, named in checks.items():
        by_reason = {"": named} if isinstance(named, str) else named
        for reason, ids in by_reason.items():
            for check in ids.split():
                if check in found:
                    raise ValueError(f"{check} is expected to be {found[check]} and {verdict}")
                found[check] = f"{verdict} {reason}".rstrip()
    return found


def _rlimits() -> str:
    """What SHM608 is here: containers of a local cluster inherit the limits of the process that starts it."""
    memlock, nofile = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_MEMLOCK, resource.RLIMIT_NOFILE))
    infinity = resource.RLIM_INFINITY
    return "PASS" if memlock == infinity and (nofile == infinity or nofile >= 65536) else "WARN"


def honest(**others: str | t.Mapping[str, str]) -> Verdicts:
    """The whole catalog on a local cluster whose runtime, kubelet and policies are honest.

    Every check is PASS that is not named here, or by the cluster's own settings.

    :param others: what is not so with the settings of the cluster.
    """
    return {
        **dict.fromkeys(BY_ID, "PASS"),
        **expect(
            # SHM218: containerd's profile keeps pidfd_getfd for CAP_SYS_PTRACE. SHM318: noexec in a user namespace
            WARN="SHM218 SHM318",
            SKIP={
                # a restart of the kubelet takes a command
                "NotRequested": "SHM403",
                "FeatureGateOff": "SHM405 SHM406 SHM407",
                "SysctlForbidden": "SHM603",
                # of a machine without huge pages and swap
                "NodeHasNone": "SHM221 SHM320",
            },
        ),
        "SHM608": _rlimits(),
        **({"SHM320": "WARN"} if machine.has_swap() else {}),
        **({"SHM605": "WARN"} if machine.has_huge_pages() else {}),
        **expect(**others),
    }


def verdict_of(check: t.Mapping[str, t.Any]) -> str:
    """The verdict of a check that ran, and of a SKIP the reason."""
    return f"{check['verdict']} {check['reason']}" if check["verdict"] == "SKIP" else str(check["verdict"])


class Table:
    """Checks by world; the honest world has no name.

    :param baseline: what every check must be in the honest world.
    :param expected: world -> the checks that must not be as in the honest world, and what they must be.
    """

    def __init__(self, baseline: Verdicts, expected: t.Mapping[str, Verdicts]) -> None:
        self._baseline = baseline
        self._expected = expected
        self.checks: dict[str, dict[str, dict[str, t.Any]]] = collections.defaultdict(dict)

    def add(self, world: str, check: dict[str, t.Any]) -> None:
        """Take up what a check returned."""
        self.checks[world][check["id"]] = check

    def verdicts(self, world: str) -> Verdicts:
        """What every check said."""
        return {name: verdict_of(check) for name, check in self.checks[world].items()}

    def wanted(self, world: str) -> Verdicts:
        """What every check must say."""
        expected = dict(self._expected[world]) if world else {}
        everything = expected.pop(EVERYTHING, "")
        usual = {
            name: everything if everything and not verdict.startswith("SKIP") and not _dry(name) else verdict
            for name, verdict in self._baseline.items()
        }
        return {
            **usual,
            **{name: self._baseline[name] if text == UNCHANGED else text for name, text in expected.items()},
        }

    def wrong(self, world: str) -> dict[str, str]:
        """What is not as it must be, each in words."""
        wanted, got = self.wanted(world), self.verdicts(world)
        return {
            name: f"{got.get(name)}, not {wanted.get(name)}: {self.checks[world].get(name, {}).get('observed')}"
            for name in sorted({*wanted, *got})
            if got.get(name) != wanted.get(name)
        }

    def text(self) -> str:
        """World by check: the first letter of what came; where it is not as expected, in capitals with what was."""
        names = sorted(self._baseline)
        lines = ["world".ljust(24) + " ".join(name.removeprefix("SHM") for name in names)]
        for world in self.checks:
            wanted, got = self.wanted(world), self.verdicts(world)
            cells = []
            for name in names:
                one, other = got.get(name, "none"), wanted[name]
                cells.append((one[0].lower() if one == other else f"{one[0]}!{other[0]}").center(3))
            lines.append((world or "honest").ljust(24) + " ".join(cells).rstrip())
        for world in self.checks:
            lines += [f"{world or 'honest'} {name} {text}" for name, text in self.wrong(world).items()]
        return "\n".join(lines)


def _dry(check: str) -> bool:
    return BY_ID[check].layout.dry_run_only
