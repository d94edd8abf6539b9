# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The confusion table: what every check said in every world, against what it must say there."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _catalog

#: In an expectation: all checks that are not named beside it, but for those that are SKIP in the honest world, and those
#: that ask the API server alone.
EVERYTHING = "*"

Expected = dict[str, dict[str, str]]


def _dry(check: str) -> bool:
    return _catalog.SCENARIOS[_catalog.BY_ID[check].scenario].dry


class Table:
    """Checks by world; the honest world has no name.

    :param expected: world -> the checks that must not be as in the honest world, and what they must be.
    """

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self.checks: dict[str, dict[str, dict[str, t.Any]]] = collections.defaultdict(dict)

    def add(self, world: str, check: dict[str, t.Any]) -> None:
        """Take up what a check returned."""
        self.checks[world][check["id"]] = check

    def verdicts(self, world: str) -> dict[str, str]:
        """What every check said."""
        return {name: check["verdict"] for name, check in self.checks[world].items()}

    def wanted(self, world: str) -> dict[str, str]:
        """What every check must say."""
        expected = dict(self._expected.get(world, {}))
        everything = expected.pop(EVERYTHING, "")
        honest = {
            name: everything if everything and verdict != "SKIP" and not _dry(name) else verdict
            for name, verdict in self.verdicts("").items()
        }
        return {**honest, **expected}

    def wrong(self, world: str) -> dict[str, str]:
        """What is not as it must be, each for people."""
        wanted, got = self.wanted(world), self.verdicts(world)
        return {
            name: f"{got.get(name)}, not {wanted.get(name)}: {self.checks[world].get(name, {}).get('observed')}"
            for name in sorted({*wanted, *got})
            if got.get(name) != wanted.get(name)
        }

    def text(self) -> str:
        """World by check: the first letter of what came; where it is not as expected, in capitals with what was."""
        names = sorted(self.checks[""])
        lines = ["world".ljust(20) + " ".join(name.removeprefix("SHM") for name in names)]
        for world in self.checks:
            wanted, got = self.wanted(world), self.verdicts(world)
            cells = []
            for name in names:
                one, other = got.get(name, "none"), wanted[name]
                cells.append((one[0].lower() if one == other else f"{one[0]}!{other[0]}").center(3))
            lines.append((world or "honest").ljust(20) + " ".join(cells).rstrip())
        for world in self.checks:
            lines += [f"{world or 'honest'} {name} {text}" for name, text in self.wrong(world).items()]
        return "\n".join(lines)
