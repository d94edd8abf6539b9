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

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import NO_NAME, Verdict
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
_CONTROL: t.Final = re.compile(r"^undecided: cluster .*?, SHM\d+ does not hold: (?=undecided: )")


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


def asserted(
    host: str, answer: t.Mapping[str, t.Any], group: str = "", is_verbose: bool = True, check_mode: bool = False
) -> Assertion:
    """The verdicts of an answer, of one group or of all.

    :param is_verbose: also lines for the checks that hold.
    :param check_mode: nothing was to be decided.
    """
    cluster = _cluster(host, answer)
    checks = [check for check in answer.get("checks") or () if not group or check["group"] == group]
    bad = tuple(dict.fromkeys(str(check["id"]) for check in checks if Verdict(check["verdict"]).is_bad))
    if not answer.get("checks") or answer.get("status") == Verdict.UNREACHABLE:
        return Assertion((), message(cluster, answer), bad, is_failed=True)
    if not checks:
        return Assertion((), f"cluster {cluster}: the answer has no check of the group {group}", (), is_failed=True)
    lines = tuple(every_line(cluster, checks) if is_verbose else _lines(cluster, checks))
    if not bad:
        held = sum(Verdict(check["verdict"]).is_decided for check in checks)
        text = f"cluster {cluster}: {held} of {len(checks)} checks hold{_skipped(checks)}"
        return Assertion(lines, text, (), is_failed=not held and not check_mode)
    count = sum(Verdict(check["verdict"]).is_bad for check in checks)
    words = ", ".join(f"{one.ids} {one.check['verdict']}" for one in findings(checks) if _is_bad(one.check))
    text = f"cluster {cluster}: {count} of {len(checks)} checks do{'es' if count == 1 else ''} not hold: {words}"
    return Assertion(lines, text, bad, is_failed=True)


def _skipped(checks: t.Sequence[Check]) -> str:
    """What was not applicable, in words, with the reasons."""
    ids: dict[str, dict[str, None]] = {}
    for check in checks:
        if check["verdict"] == Verdict.SKIP:
            ids.setdefault(str(check["reason"]), {})[str(check["id"])] = None
    return "".join(f"; SKIP {listed(ids[reason])} ({reason})" for reason in sorted(ids))


def _cluster(host: str, answer: t.Mapping[str, t.Any]) -> str:
    """The name of the cluster; that of the host where a run has none of its own."""
    name = str((answer.get("run") or {}).get("cluster") or "")
    return name if name and name != NO_NAME else host


def summarized(host: str, answer: t.Mapping[str, t.Any], check_mode: bool) -> Assertion:
    """The verdict on a whole cluster, in words that leave the causes to the report."""
    cluster = _cluster(host, answer)
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
    """An answer in one line; of a module that died, what it said."""
    text = str(answer.get("msg") or "no check ran")
    last_words = "" if answer.get("checks") else _last_words(answer)
    if last_words:
        text = f"the module did not run: {last_words}"
    elif not answer.get("checks") and answer.get("rc") not in (None, 0) and "status" not in answer:
        text = f"the module wrote nothing and ended with {_exit(int(answer['rc']))}"
    # what Ansible says of a host does not name it
    return printable(text if text.startswith("cluster ") else f"cluster {cluster}: {text}")


#: What ssh says of itself, whatever happened.
_OF_SSH: t.Final = re.compile(r"(Shared connection|Connection) to \S+ closed\.|Warning: Permanently added |\*\* ")

#: The last line of a traceback.
_ERROR: t.Final = re.compile(r"[\w.]+(Error|Exception)(:|$)")


def _last_words(answer: t.Mapping[str, t.Any]) -> str:
    """What a module that died said: its error, or what kept its interpreter from starting, from the first line to the last.

    An interpreter that is not there is named in the first line: of its shell, or of what chooses interpreters.
    """
    for part in ("module_stderr", "module_stdout"):
        lines = [line.strip() for line in str(answer.get(part) or "").splitlines()]
        lines = [line for line in lines if line and not _OF_SSH.match(line)]
        if lines and (_ERROR.match(lines[-1]) or lines[0].startswith("Traceback")):
            return _harmless(lines[-1])
        if lines:
            return " ... ".join(dict.fromkeys((_harmless(lines[0]), _harmless(lines[-1]))))
    return ""


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
