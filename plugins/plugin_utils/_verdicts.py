# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The verdicts that a module returned: which are findings, which share one cause, and what an assertion says (pure)."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import printable, quote

Check: t.TypeAlias = "t.Mapping[str, t.Any]"


@dataclasses.dataclass(frozen=True)
class Finding:
    """A check that is worth a word, or several that one cause kept from being decided.

    :param check: the check, or the first of them.
    :param ids: its id, or C(FIRST..LAST).
    """

    check: Check
    ids: str
    is_fold: bool = False


def findings(checks: t.Iterable[Check]) -> list[Finding]:
    """The checks that are neither V(PASS) nor V(SKIP), the worst last. Those with one cause are one finding."""
    found = [check for check in checks if check["verdict"] not in (Verdict.PASS, Verdict.SKIP)]
    causes = {(check["verdict"], check["reason"], check["observed"]) for check in found}
    if len(found) > 1 and len(causes) == 1 and found[0]["verdict"] == Verdict.ERROR:
        ids = sorted({str(check["id"]) for check in found})
        where = {name: _common(check.get(name, "") for check in found) for name in ("node", "runtime_class")}
        return [Finding({**found[0], **where}, f"{ids[0]}..{ids[-1]}" if len(ids) > 1 else ids[0], is_fold=True)]
    found.sort(key=lambda check: (-Verdict(check["verdict"]).severity, check["id"]))
    return [Finding(check, str(check["id"])) for check in found]


def _common(values: t.Iterable[t.Any]) -> str:
    """The value, if all are the same."""
    found = set(values)
    return str(found.pop()) if len(found) == 1 else ""


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


def asserted(host: str, answer: t.Mapping[str, t.Any], group: str = "") -> Assertion:
    """The verdicts of an answer, of one group or of all."""
    cluster = str((answer.get("run") or {}).get("cluster") or host)
    checks = [check for check in answer.get("checks") or () if not group or check["group"] == group]
    bad = tuple(dict.fromkeys(str(check["id"]) for check in checks if Verdict(check["verdict"]).is_bad))
    if not answer.get("checks") or answer.get("status") == Verdict.UNREACHABLE:
        return Assertion((), message(cluster, answer), bad, is_failed=True)
    lines = tuple(_lines(cluster, checks))
    if not bad:
        return Assertion(lines, f"cluster {cluster}: {len(checks)} of {len(checks)} checks hold", (), is_failed=False)
    count = sum(Verdict(check["verdict"]).is_bad for check in checks)
    words = ", ".join(f"{one.ids} {one.check['verdict']}" for one in findings(checks) if _is_bad(one.check))
    text = f"cluster {cluster}: {count} of {len(checks)} checks do{'es' if count == 1 else ''} not hold: {words}"
    return Assertion(lines, text, bad, is_failed=True)


def message(cluster: str, answer: t.Mapping[str, t.Any]) -> str:
    """An answer in one line; of a module that died, the kind of error that it wrote last."""
    text = str(answer.get("msg") or f"cluster {cluster}: no check ran")
    last_words = str(answer.get("module_stderr") or answer.get("module_stdout") or "").strip()
    if last_words and not answer.get("checks"):
        text = f"cluster {cluster}: the module did not run: {_harmless(last_words.splitlines()[-1])}"
    return printable(text)


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


def _lines(cluster: str, checks: t.Sequence[Check]) -> t.Iterator[Line]:
    found = findings(checks)
    if found and found[0].is_fold:
        yield from (_line(cluster, check, str(check["id"])) for check in checks if check["verdict"] != Verdict.ERROR)
        yield _line(cluster, found[0].check, found[0].ids)
    else:
        yield from (_line(cluster, check, str(check["id"])) for check in checks)


def _line(cluster: str, check: Check, ids: str) -> Line:
    where = " ".join(word for word in (cluster, check["node"], check["runtime_class"]) if word)
    words = f"{where}: {ids} {check['verdict']} {check['reason']}".rstrip()
    if _is_bad(check):
        text = f"{words}: {check['observed']}; expected: {check['expected']}; remedy: {check['remedy']}"
    else:
        text = f"{words}: {check['question']} {check['observed']}"
    return Line(printable(text), _is_bad(check))
