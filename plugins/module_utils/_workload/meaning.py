# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""The results of a run -> what they mean for programs: which work here, which need a volume, and which do not work (pure).

Programs count with their default settings and in a release that is not known. Sizes are in bytes.
"""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import difflib
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _profiles
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import ACCEPTED, MEMORY_FILE_SYSTEMS, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import memory_text
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import TextEnum
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Less,
    Need,
    Program,
    Uses,
    Values,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.rules import fitting_size

#: A check as a module returns it.
Check: t.TypeAlias = "t.Mapping[str, t.Any]"

#: Checks of which each alone is enough: a control, which is part of every run that selects a check of its mechanism, and such
#: a check, which shows more. The last of a row is one that can be selected.
Row: t.TypeAlias = "tuple[str, ...]"


# ------------------------------------------------------------------------------ which checks a need leans on

#: How large the default of /dev/shm is, and whether that is real.
DEFAULT_SIZE: t.Final = "SHM301"
#: The sysctls of a pod.
_SYSCTLS: t.Final = "SHM601"

#: A mechanism that one container uses alone; of /dev/shm beside its size.
_ALONE: t.Final[dict[Uses, tuple[Row, ...]]] = {
    Uses.DEV_SHM: (),
    Uses.SYSV_SHM: (("SHM901", "SHM101"),),
    Uses.SYSV_SEM: (("SHM904", "SHM103"),),
    Uses.SYSV_MSG: (("SHM906", "SHM104"),),
    Uses.POSIX_MQ: (("SHM912", "SHM203"),),
    Uses.MEMFD: (("SHM316",),),
    Uses.HUGE_PAGES: (("SHM221",),),
}

#: A mechanism that containers of a pod share by.
_ACROSS: t.Final[dict[Uses, tuple[Row, ...]]] = {
    **_ALONE,
    Uses.DEV_SHM: (("SHM201",),),
    Uses.SYSV_SHM: (("SHM101",),),
    Uses.SYSV_SEM: (("SHM103",),),
    Uses.SYSV_MSG: (("SHM104",),),
    Uses.POSIX_MQ: (("SHM203",),),
    Uses.MEMFD: (("SHM217",),),
}

#: What shares with the node.
_HOST_IPC: t.Final[Row] = ("SHM503",)

#: A volume on /dev/shm of one container, and of several that share by it.
_VOLUME: t.Final[tuple[Row, ...]] = (("SHM303",),)
_VOLUME_ACROSS: t.Final[tuple[Row, ...]] = (*_VOLUME, ("SHM401",))


# --------------------------------------------------------------------------------------------- what is said


class Outcome(TextEnum):
    """What is said of a program, the worst first."""

    FAILS = "does not work"
    #: under load, or by another way that is worse, it does not have what it needs
    PART = "works in part"
    #: a check that it leans on was not decided
    UNKNOWN = "cannot be said"
    #: a check that it leans on was not selected
    NOT_MEASURED = "not measured"
    VOLUME = "needs a volume"
    #: the default is enough for one user at a time
    LOAD = "needs a volume under load"
    #: nobody knows how much
    OPEN = "needs as much as it shares"
    WORKS = "works with the default"
    #: with the node, or with other pods of it
    HOST = "works with hostIPC"
    #: it shares no memory
    NOTHING = "needs nothing"


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What the results mean for one program.

    :param size_bytes: how large its volume has to be; None where it needs none, or nobody knows.
    :param computation: how much it takes, and why.
    :param because: the checks that decided against it, each with its verdict; of a sysctl what is too small.
    :param leans: the ids of all checks that it leans on.
    :param default: the size of /dev/shm that nobody sized, in words.
    """

    name: str
    title: str
    outcome: Outcome
    size_bytes: int | None = None
    computation: str = ""
    because: tuple[str, ...] = ()
    leans: tuple[str, ...] = ()
    default: str = ""

    @property
    def manifest(self) -> str:
        """A patch for its pod template with the volume; nothing where no volume helps."""
        if self.outcome not in (Outcome.VOLUME, Outcome.LOAD, Outcome.OPEN):
            return ""
        return manifest(memory_text(self.size_bytes) if self.size_bytes else "SIZE")

    def words(self) -> str:
        """It in one line."""
        because = f" ({', '.join(self.because)})" if self.because else ""
        size = f" of at least {memory_text(self.size_bytes)}" if self.size_bytes else ""
        leans = f" ({', '.join(self.leans)})" if self.leans else ""
        default = f"/dev/shm by default: {self.default}"
        takes = f"; it takes {self.computation}" if self.computation else ""
        text = {
            Outcome.FAILS: f"does not work here{because}",
            Outcome.PART: f"works in part here{because}",
            Outcome.UNKNOWN: f"cannot be said{because}",
            Outcome.NOT_MEASURED: f"not measured in this run{because}",
            Outcome.VOLUME: f"needs a volume on /dev/shm{size}{leans}; {default}{takes}",
            Outcome.LOAD: f"needs a volume on /dev/shm{size} under load{leans}; {default}{takes}",
            Outcome.OPEN: f"needs as much of /dev/shm as it shares, a volume if that is more than the default{leans}; {default}",
            Outcome.WORKS: f"works with the default{leans}{takes}",
            Outcome.HOST: f"works with hostIPC{leans}",
            Outcome.NOTHING: "needs no shared memory",
        }
        return f"{self.title}: {text[self.outcome]}"

    def facts(self) -> dict[str, t.Any]:
        """It as data, for reports."""
        return {
            "program": self.name,
            "title": self.title,
            "outcome": self.outcome.value,
            "size_bytes": self.size_bytes,
            "because": list(self.because),
            "checks": list(self.leans),
            "words": self.words(),
            "manifest": self.manifest,
            "default_size": self.default,
        }


def manifest(size: str) -> str:
    """A volume on /dev/shm as a strategic merge patch of a pod's spec."""
    mount = "containers: [{name: NAME, volumeMounts: [{name: dshm, mountPath: /dev/shm}]}]"
    return f"spec: {{{mount}, volumes: [{{name: dshm, emptyDir: {{medium: Memory, sizeLimit: {size}}}}}]}}"


# --------------------------------------------------------------------------------------- what was observed


class State(TextEnum):
    """What is known of a premise, the worst first."""

    FAILS = "fails"
    UNDECIDED = "undecided"
    MISSING = "missing"
    HOLDS = "holds"


@dataclasses.dataclass(frozen=True)
class Premise:
    """Whether something holds, and if not, by which checks."""

    state: State
    because: tuple[str, ...] = ()


def _all(premises: collections.abc.Iterable[Premise]) -> Premise:
    """The worst of several premises, with everything that is as bad."""
    every = list(premises)
    worst = min((one.state for one in every), key=list(State).index, default=State.HOLDS)
    because = dict.fromkeys(word for one in every if one.state is worst for word in one.because)
    return Premise(worst, tuple(because))


@dataclasses.dataclass(frozen=True)
class DefaultSize:
    """The size of /dev/shm that nobody sized.

    :param least: so much can be written; C(most) is what its file system says.
    """

    premise: Premise
    least: int = 0
    most: int = 0

    def fits(self, size_bytes: int) -> Premise:
        """Whether so much can be written there."""
        if not self.is_known or size_bytes <= self.least:
            return Premise(State.HOLDS) if self.is_known else self.premise
        return Premise(State.FAILS if size_bytes > self.most else State.UNDECIDED, self.premise.because)

    @property
    def is_known(self) -> bool:
        """Whether it was measured."""
        return self.premise.state in (State.HOLDS, State.FAILS)

    @property
    def text(self) -> str:
        """It in words; nothing where it was not decided."""
        if not self.is_known:
            return ""
        if not self.most:
            return "none"
        least, most = memory_text(self.least), memory_text(self.most)
        return most if least == most else f"{least} to {most}"


class Results:
    """The checks and controls of a run on one node and RuntimeClass, by id."""

    def __init__(self, checks: collections.abc.Iterable[Check]) -> None:
        self._checks = {str(check["id"]): check for check in checks}

    @property
    def has_decided(self) -> bool:
        """Whether anything was decided."""
        return any(Verdict(check["verdict"]).is_decided for check in self._checks.values())

    def holds(self, row: Row) -> Premise:
        """Whether one of a row of checks holds. Only the first says that it does not: the others ask for more."""
        found = [self._checks[one] for one in row if one in self._checks]
        decided = [check for check in found if Verdict(check["verdict"]).is_decided]
        if any(not _fails(check) for check in decided):
            return Premise(State.HOLDS)
        if not found:
            return Premise(State.MISSING, row[-1:])
        is_first = bool(decided) and decided[0]["id"] == row[0]
        return Premise(State.FAILS if is_first else State.UNDECIDED, (_said((decided or found)[0]),))

    def default_size(self) -> DefaultSize:
        """What is known of /dev/shm of a container that has no volume there."""
        premise = self.holds((DEFAULT_SIZE,))
        check = self._checks.get(DEFAULT_SIZE, {})
        facts = {
            str(seen.get("step")): seen.get("facts") or {} for seen in (check.get("evidence") or {}).values() if seen
        }
        identity, fill = facts.get("identity", {}), facts.get("fill", {})
        size = identity.get("size_bytes")
        if premise.state in (State.UNDECIDED, State.MISSING):
            return DefaultSize(premise)
        if identity.get("exists") is False or identity.get("mount_fs", "tmpfs") not in MEMORY_FILE_SYSTEMS:
            # none, a folder on the disk, or memory without an end
            return DefaultSize(premise)
        if not isinstance(size, int):
            return DefaultSize(Premise(State.UNDECIDED, (f"{DEFAULT_SIZE} without a size",)))
        if premise.state is State.HOLDS:
            return DefaultSize(premise, size, size)
        # another size than expected, or one that is not real: what was written is there all the same
        written = fill.get("written_bytes") if fill.get("stopped_by") in ("ENOSPC", "max") else 0
        least = written if isinstance(written, int) else 0
        return DefaultSize(premise, least, max(size, least))

    def sysctls(self, wanted: _profiles.Minimums) -> Premise:
        """Whether the sysctls of a pod that sets none are large enough."""
        if not wanted:
            return Premise(State.HOLDS)
        premise = self.holds((_SYSCTLS,))
        if premise.state in (State.UNDECIDED, State.MISSING):
            return premise
        seen = (self._checks[_SYSCTLS].get("evidence") or {}).get("sysctls") or {}
        values = {
            name: value
            for name in wanted
            if (value := (seen.get("facts") or {}).get(name.replace(".", "_"))) is not None
        }
        unmet = [
            text
            for name, value in values.items()
            for text in _profiles.unmet(name, wanted[name], _profiles.numbers(name, value))
        ]
        if unmet:
            return Premise(State.FAILS, tuple(f"{_SYSCTLS} {text}" for text in unmet))
        missing = sorted(wanted.keys() - values.keys())
        return Premise(State.UNDECIDED, (f"{_SYSCTLS} without {missing[0]}",)) if missing else Premise(State.HOLDS)


#: Checks of what containers of a pod share with each other: a program in one of them does not depend on it.
_BETWEEN: t.Final = frozenset({"SHM101", "SHM103", "SHM104", "SHM201", "SHM203", "SHM217", "SHM401"})


def _fails(check: Check) -> bool:
    """Whether a check FAILs, or would, if nobody accepted it."""
    return check["verdict"] == Verdict.FAIL or _is_accepted(check)


def _is_accepted(check: Check) -> bool:
    return check["verdict"] == Verdict.WARN and ACCEPTED in str(check["observed"])


def _said(check: Check) -> str:
    between = " between containers" if check["id"] in _BETWEEN and _fails(check) else ""
    verdict = f"{Verdict.FAIL}, accepted" if _is_accepted(check) else f"{check['verdict']} {check['reason']}".rstrip()
    return f"{check['id']} {verdict}{between}"


# -------------------------------------------------------------------------------------- what follows from it


def meanings(results: Results, programs: t.Sequence[Program]) -> list[Meaning]:
    """What the results of a run on one node and RuntimeClass mean for programs."""
    size = results.default_size()
    titles = collections.Counter(program.title for program in programs)
    return [
        _meaning(results, size, program, program.title if titles[program.title] == 1 else program.name)
        for program in programs
    ]


def _meaning(results: Results, size: DefaultSize, program: Program, title: str) -> Meaning:
    values = Values({setting.name: setting.default for setting in program.settings})
    if not program.needs and not program.sysctls:
        return Meaning(program.name, title, Outcome.NOTHING)
    # of no known release
    needs = [need for need in program.needs if need.applies(values, ())]
    others = [(need.less, row) for need in needs if need.uses is not Uses.DEV_SHM for row in _rows(need)]
    others += [(Less.FAILS, _HOST_IPC)] if program.across_pods else []
    said = [_of_mechanism(results, less, row) for less, row in others]
    said += [_outcome(results.sysctls(program.sysctls), Outcome.FAILS)]
    shm = _of_dev_shm(results, size, program, values)
    worst = min((*said, shm), key=lambda one: list(Outcome).index(one.outcome)).outcome
    because = dict.fromkeys(word for one in (*said, shm) if one.outcome is worst for word in one.because)
    leans = {*shm.leans, *(_named(results, row) for _less, row in others), *([_SYSCTLS] if program.sysctls else [])}
    return Meaning(
        program.name,
        title,
        Outcome.HOST if program.across_pods and worst in (Outcome.WORKS, Outcome.OPEN) else worst,
        shm.size_bytes,
        shm.computation,
        tuple(because),
        tuple(sorted(leans)),
        size.text,
    )


@dataclasses.dataclass(frozen=True)
class _Said:
    """What follows from one of the needs of a program."""

    outcome: Outcome
    because: tuple[str, ...] = ()
    size_bytes: int | None = None
    computation: str = ""
    leans: tuple[str, ...] = ()


def _rows(need: Need) -> tuple[Row, ...]:
    return (_ACROSS if need.across else _ALONE)[need.uses]


def _named(results: Results, row: Row) -> str:
    """The check of a row that was decided, or else the one to select."""
    return next((one for one in row if results.holds((one,)).state in (State.HOLDS, State.FAILS)), row[-1])


def _outcome(premise: Premise, failed: Outcome) -> _Said:
    outcomes = {
        State.HOLDS: Outcome.WORKS,
        State.FAILS: failed,
        State.UNDECIDED: Outcome.UNKNOWN,
        State.MISSING: Outcome.NOT_MEASURED,
    }
    return _Said(outcomes[premise.state], premise.because)


def _of_mechanism(results: Results, less: Less, row: Row) -> _Said:
    """What is said of a program for a mechanism that has no size."""
    return _Said(Outcome.WORKS) if less is Less.ADAPTS else _outcome(results.holds(row), _FAILED[less])


#: What is said of a program whose need is not met.
_FAILED: t.Final = {Less.FAILS: Outcome.FAILS, Less.DEGRADES: Outcome.PART, Less.ADAPTS: Outcome.WORKS}


def _of_dev_shm(results: Results, size: DefaultSize, program: Program, values: Values) -> _Said:
    """What is said of a program for what it needs of /dev/shm: its needs add up."""
    every = [need for need in program.needs if need.uses is Uses.DEV_SHM and need.less is not Less.ADAPTS]
    needs = [need for need in every if need.applies(values, ())]
    # what it takes with other settings, and what else a program takes that it is a part of
    is_more = program.is_library or any(not need.when(values) for need in every if not need.until)
    if not every or not (needs or is_more):
        return _Said(Outcome.WORKS)
    sized = [amounts for need in needs if (amounts := need.takes(values))]
    least, busy = Amount.sum(each for each, _busy in sized), Amount.sum(each for _least, each in sized)
    across = any(need.across for need in needs)
    shared = _all(results.holds(row) for row in _ACROSS[Uses.DEV_SHM]) if across else Premise(State.HOLDS)
    rows = _VOLUME_ACROSS if across else _VOLUME
    volume = _all(results.holds(row) for row in rows)
    is_open = is_more or len(sized) < len(needs)
    by_default = (DEFAULT_SIZE, *(_ACROSS[Uses.DEV_SHM][0] if across else ()))
    failed = _FAILED[min((need.less for need in every), key=list(Less).index)]

    def said(outcome: Outcome, because: tuple[str, ...] = ()) -> _Said:
        wants = outcome in (Outcome.VOLUME, Outcome.LOAD)
        takes = busy if outcome is Outcome.LOAD or busy.size_bytes > least.size_bytes else least
        computation = takes.text() if takes.terms and outcome in (Outcome.VOLUME, Outcome.LOAD, Outcome.WORKS) else ""
        fitting = fitting_size(busy) if wants and busy.size_bytes else None
        leans = by_default if outcome is Outcome.WORKS else (*by_default, *(row[-1] for row in rows))
        return _Said(outcome, because, fitting, computation, leans)

    def by_volume(outcome: Outcome, without: Outcome) -> _Said:
        """It needs a volume: whether that holds decides."""
        if volume.state is State.HOLDS:
            return said(outcome)
        return said(_outcome(volume, without).outcome, volume.because)

    alone, at_once = _all([shared, size.fits(least.size_bytes)]), size.fits(busy.size_bytes)
    if not size.is_known:
        also = volume.because if volume.state is size.premise.state else ()
        return said(_outcome(size.premise, failed).outcome, (*size.premise.because, *also))
    if alone.state is State.FAILS:
        return by_volume(Outcome.VOLUME, failed)
    if alone.state is not State.HOLDS:
        return said(_outcome(alone, failed).outcome, alone.because)
    if at_once.state is State.FAILS:
        return by_volume(Outcome.LOAD, Outcome.PART)
    if at_once.state is not State.HOLDS:
        return said(Outcome.UNKNOWN, at_once.because)
    if is_open:
        return by_volume(Outcome.OPEN, Outcome.UNKNOWN)
    return said(Outcome.WORKS)


# --------------------------------------------------------------------------------------- programs by name


def named(names: collections.abc.Iterable[str], programs: t.Sequence[Program]) -> list[Program]:
    """The programs of these names, or all of them if no name is given.

    :raises ValueError: there is none of a name.
    """
    by_name = {program.name: program for program in programs}
    found = []
    for name in dict.fromkeys(names):
        if name not in by_name:
            words = {**{one.lower(): one for one in by_name}, **{one.title.lower(): one.name for one in programs}}
            near = difflib.get_close_matches(str(name).lower(), words, n=1)
            hint = f"did you mean {words[near[0]]}?" if near else "docs/adding-a-program.md lists them"
            raise ValueError(f"there is no program {name!r}; {hint}")
        found.append(by_name[name])
    return found or list(programs)
