# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The verdicts that a module returned: which are findings, which share one cause, and what an assertion says (pure)."""

from __future__ import annotations

import dataclasses
import re
import signal
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Reason, printable, quote

Check: t.TypeAlias = "t.Mapping[str, t.Any]"


@dataclasses.dataclass(frozen=True)
class Finding:
    """A check that is worth a word, or several that have one cause.

    :param check: the check, or the first of them.
    :param ids: its id; C(FIRST..LAST) of all, or some of them and how many more.
    :param where: the nodes and RuntimeClasses.
    :param is_fold: several checks, each with an expectation of its own, were kept from being decided.
    """

    check: Check
    ids: str
    where: str = ""
    is_fold: bool = False


#: How many of a list are named.
_NAMED: t.Final = 3


def findings(checks: t.Sequence[Check]) -> list[Finding]:
    """The checks that are neither V(PASS) nor V(SKIP), the worst last. Those with one cause are one finding."""
    causes: dict[tuple[str, ...], list[Check]] = {}
    # what was kept from being decided by a control that is itself undecided comes after that cause
    for check in sorted(checks, key=lambda check: check["reason"] == Reason.CONTROL_FAILED):
        if check["verdict"] not in (Verdict.PASS, Verdict.SKIP):
            cause = _cause(check)
            known = (one for one in causes if check["reason"] == Reason.CONTROL_FAILED and one[::2] == cause[::2])
            causes.setdefault(next(known, cause), []).append(check)
    undecided = {check["id"] for check in checks if check["verdict"] == Verdict.ERROR}
    found = [_finding(group, undecided) for group in causes.values()]
    found.sort(key=lambda one: (-Verdict(one.check["verdict"]).severity, one.check["id"]))
    return found


def _finding(group: t.Sequence[Check], undecided: t.AbstractSet[str]) -> Finding:
    ids = sorted({str(check["id"]) for check in group})
    words = f"{ids[0]}..{ids[-1]}" if len(ids) > 1 and set(ids) == undecided else listed(ids)
    where = listed(dict.fromkeys(_where(check) for check in group if _where(check)))
    return Finding(group[0], words, where, is_fold=len(ids) > 1)


def _where(check: Check) -> str:
    return " ".join(str(check.get(part, "")) for part in ("node", "runtime_class") if check.get(part))


def listed(names: t.Iterable[str]) -> str:
    """The names in a line, the first of many."""
    every = list(names)
    more = len(every) - _NAMED
    return ", ".join(every) if more <= 1 else f"{', '.join(every[:_NAMED])} and {more} more"


#: What tells the objects of a run apart, and what differs from one to the next, in words that are the same otherwise.
_SUBJECT: t.Final = re.compile(r"(container \S+ of )?pod \S+: ")
_OBJECT: t.Final = re.compile(r"podshm-[0-9a-f]{6,}[a-z0-9-]*")
_NUMBER: t.Final = re.compile(r"\d[\w.]*")
_CONTROL: t.Final = re.compile(r"^undecided: cluster [^,]*, SHM\d+ does not hold: (?=undecided: )")


def _cause(check: Check) -> tuple[str, ...]:
    """What checks with one cause have in common. What was decided has an expectation and a remedy of its own."""
    observed = str(check["observed"])
    if check["verdict"] != Verdict.ERROR:
        return (check["verdict"], check["id"], _NUMBER.sub("0", observed))
    words = _NUMBER.sub("0", _OBJECT.sub("podshm", _SUBJECT.sub("", _CONTROL.sub("", observed))))
    return (check["verdict"], check["reason"], words)


@dataclasses.dataclass(frozen=True)
class Line:
    """One line for the terminal."""

    text: str
    is_bad: bool


@dataclasses.dataclass(frozen=True)
class Assertion:
    """What an assertion prints and returns."""

    lines: tuple[Line, ...]
    message: str
    failed_checks: tuple[str, ...]
    is_failed: bool


def asserted(host: str, answer: t.Mapping[str, t.Any], group: str = "", is_verbose: bool = True) -> Assertion:
    """The verdicts of an answer, of one group or of all.

    :param is_verbose: also lines for the checks that hold.
    """
    cluster = str((answer.get("run") or {}).get("cluster") or host)
    checks = [check for check in answer.get("checks") or () if not group or check["group"] == group]
    bad = tuple(dict.fromkeys(str(check["id"]) for check in checks if Verdict(check["verdict"]).is_bad))
    if not answer.get("checks") or answer.get("status") == Verdict.UNREACHABLE:
        return Assertion((), message(cluster, answer), bad, is_failed=True)
    lines = tuple(every_line(cluster, checks) if is_verbose else _lines(cluster, checks))
    if not bad:
        return Assertion(lines, f"cluster {cluster}: {len(checks)} of {len(checks)} checks hold", (), is_failed=False)
    count = sum(Verdict(check["verdict"]).is_bad for check in checks)
    words = ", ".join(f"{one.ids} {one.check['verdict']}" for one in findings(checks) if _is_bad(one.check))
    text = f"cluster {cluster}: {count} of {len(checks)} checks do{'es' if count == 1 else ''} not hold: {words}"
    return Assertion(lines, text, bad, is_failed=True)


def summarized(host: str, answer: t.Mapping[str, t.Any], check_mode: bool) -> Assertion:
    """The verdict on a whole cluster, in words that leave the causes to the report."""
    cluster = str((answer.get("run") or {}).get("cluster") or host)
    status = Verdict(answer.get("status") or (Verdict.UNREACHABLE if answer.get("unreachable") else Verdict.ERROR))
    checks = answer.get("checks") or ()
    bad = tuple(dict.fromkeys(str(check["id"]) for check in checks if _is_bad(check)))
    holds = status in (Verdict.PASS, Verdict.WARN) or (status is Verdict.SKIP and check_mode)
    text = f"cluster {cluster}: {status}"
    if not holds and checks and status is not Verdict.UNREACHABLE:
        count = sum(_is_bad(check) for check in checks)
        text += f": {count} of {len(checks)} checks do not hold" if bad else ": no check was decided"
    return Assertion((), printable(text if holds else f"{text}; the report says why"), bad, is_failed=not holds)


def message(cluster: str, answer: t.Mapping[str, t.Any]) -> str:
    """An answer in one line; of a module that died, the kind of error that it wrote last."""
    text = str(answer.get("msg") or f"cluster {cluster}: no check ran")
    last_words = str(answer.get("module_stderr") or answer.get("module_stdout") or "").strip()
    if last_words and not answer.get("checks"):
        text = f"cluster {cluster}: the module did not run: {_harmless(last_words.splitlines()[-1])}"
    elif not answer.get("checks") and answer.get("rc") not in (None, 0) and "status" not in answer:
        text = f"cluster {cluster}: the module wrote nothing and ended with {_exit(int(answer['rc']))}"
    return printable(text)


def _exit(code: int) -> str:
    """An exit code in words; a signal has its name."""
    number = -code if code < 0 else code - 128
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"exit code {code}"
    hint = ", as when its machine is out of memory" if name == "SIGKILL" else ""
    return f"exit code {code} ({name}{hint})"


def _harmless(line: str) -> str:
    """What an interpreter or a loader wrote; of any other exception only its type, since its message can quote anything."""
    kind, colon, _text = line.partition(":")
    harmless = (
        not colon
        or not kind.endswith(("Error", "Exception"))
        or kind in ("ModuleNotFoundError", "ImportError", "SyntaxError")
    )
    return quote(line if harmless else kind)


def _is_bad(check: Check) -> bool:
    return Verdict(check["verdict"]).is_bad


def every_line(cluster: str, checks: t.Sequence[Check]) -> t.Iterator[Line]:
    """A line for each check that was decided or left out, and one for each cause that kept others from that."""
    found = [one for one in findings(checks) if one.check["verdict"] == Verdict.ERROR]
    yield from (
        _line(cluster, check, _where(check), str(check["id"])) for check in checks if check["verdict"] != Verdict.ERROR
    )
    yield from (_line(cluster, one.check, one.where, one.ids) for one in found)


def _lines(cluster: str, checks: t.Sequence[Check]) -> t.Iterator[Line]:
    """A line for each finding."""
    for one in findings(checks):
        yield _line(cluster, one.check, one.where, one.ids)


def _line(cluster: str, check: Check, where: str, ids: str) -> Line:
    words = (
        f"{' '.join(word for word in (cluster, where) if word)}: {ids} {check['verdict']} {check['reason']}".rstrip()
    )
    if _is_bad(check):
        text = f"{words}: {check['observed']}; expected: {check['expected']}; remedy: {check['remedy']}"
    else:
        text = f"{words}: {check['question']} {check['observed']}"
    return Line(printable(text), _is_bad(check))
