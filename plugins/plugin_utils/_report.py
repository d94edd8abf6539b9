# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What modules returned -> reports for people and programs (pure)."""

from __future__ import annotations

import json
import re
import typing as t

#: Of the JSON report; a field may be added under the same number, none is renamed or removed.
SCHEMA: t.Final = "podshm/1"

#: Worst last: a terminal shows its end.
_ORDER: t.Final = ("SKIP", "PASS", "WARN", "ERROR", "FAIL", "UNREACHABLE")

_BAD: t.Final = frozenset({"ERROR", "FAIL", "UNREACHABLE"})


def report(cluster: str, answer: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    """The report on one cluster.

    :param answer: what the module returned; nothing, or no checks, if it did not even start.
    """
    answer = answer or {}
    checks = list(answer.get("checks") or ())
    return {
        "schema": SCHEMA,
        "cluster": cluster,
        "status": str(answer.get("status") or "ERROR"),
        "message": str(answer.get("msg") or f"cluster {cluster}: nothing was asked"),
        "run": dict(answer.get("run") or {}),
        "residue": list(answer.get("residue") or ()),
        "checks": checks,
    }


def to_json(one: t.Mapping[str, t.Any]) -> str:
    """A report as it is written: readable, and the same bytes for the same report."""
    return json.dumps(one, indent=2, ensure_ascii=True) + "\n"


def file_name(cluster: str) -> str:
    """The name of a cluster's report. A host name may hold what a file name must not."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", cluster).lstrip(".") + ".json"


def printable(text: object) -> str:
    """Text from a cluster, safe for a terminal and for one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(str(text).split()))


def order(reports: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Clusters by name, the worst last."""
    return sorted(reports, key=lambda one: (_ORDER.index(one["status"]), one["cluster"]))


def _ids(reports: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    return sorted({check["id"] for one in reports for check in one["checks"]})


def _rows(reports: t.Sequence[t.Mapping[str, t.Any]]) -> list[list[str]]:
    ids = _ids(reports)
    rows = [["CLUSTER", "STATUS", *ids, "NODE", "TIME"]]
    for one in reports:
        verdicts = {check["id"]: check["verdict"] for check in one["checks"]}
        run = one["run"]
        rows.append(
            [
                printable(one["cluster"]),
                one["status"],
                *(verdicts.get(check, "-") for check in ids),
                printable((run.get("node") or {}).get("name") or "-"),
                f"{run.get('duration') or 0:.1f} s",
            ]
        )
    return rows


def _findings(one: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Checks worth a word, the worst last."""
    found = [check for check in one["checks"] if check["verdict"] not in ("PASS", "SKIP")]
    return sorted(found, key=lambda check: (_ORDER.index(check["verdict"]), check["id"]))


def _headline(reports: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    counts = {status: sum(one["status"] == status for one in reports) for status in reversed(_ORDER)}
    decided = sum(check["verdict"] in ("PASS", "WARN", "FAIL") for one in reports for check in one["checks"])
    planned = sum(len(one["checks"]) for one in reports)
    words = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return f"{len(reports)} cluster{'' if len(reports) == 1 else 's'}: {words or 'none'}; {decided} of {planned} checks decided"


def table(reports: t.Sequence[dict[str, t.Any]]) -> list[str]:
    """The lines for the terminal: cluster by check, then what is to be done, the worst last."""
    reports = order(reports)
    rows = _rows(reports)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for one in reports:
        if one["status"] in _BAD and not one["checks"]:
            lines += ["", printable(one["message"])]
        reasons = {check["observed"] for check in one["checks"]}
        findings = _findings(one)
        if len(findings) > 1 and len(reasons) == 1:
            # one cause for all: say it once
            findings = [{**findings[0], "id": f"{findings[0]['id']}..{findings[-1]['id']}", "name": ""}]
        for check in findings:
            name = f"{check['verdict']} {printable(one['cluster'])} {check['id']} {check['name']} {check['reason']}"
            lines += ["", " ".join(name.split())]
            if check["name"]:
                lines.append(f"  expected  {printable(check['expected'])}")
            lines += [f"  observed  {printable(check['observed'])}", f"  remedy    {printable(check['remedy'])}"]
        if one["residue"]:
            lines += ["", f"left behind on {printable(one['cluster'])}: {printable(', '.join(one['residue']))}"]
    return [*lines, "", _headline(reports)]


def _cell(text: object) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", printable(text))


def _node_line(node: t.Mapping[str, t.Any], run: t.Mapping[str, t.Any]) -> str:
    versions = f"{node['architecture']}, kernel {node['kernel']}, kubelet {node['kubelet']}, {node['runtime']}"
    return f"Node {_cell(node['name'])} ({_cell(versions)}), image {_cell(node['image'])}, run {_cell(run.get('id'))}"


def _check_line(check: t.Mapping[str, t.Any]) -> str:
    line = f"- **{check['verdict']}** {check['id']} {_cell(check['question'])} {_cell(check['observed'])}"
    if check["remedy"]:
        line += f" *Expected:* {_cell(check['expected'])} *Remedy:* {_cell(check['remedy'])}"
    return line


def summary(reports: t.Sequence[dict[str, t.Any]]) -> str:
    """The summary of all clusters in Markdown."""
    reports = order(reports)
    head, *rows = _rows(reports)
    lines = ["# podshm", "", _headline(reports), ""]
    lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    for one in reports:
        node = one["run"].get("node") or {}
        lines += ["", f"## {_cell(one['cluster'])}", "", _cell(one["message"]), ""]
        if node:
            lines += [_node_line(node, one["run"]), ""]
        lines += [_check_line(check) for check in one["checks"]]
        if one["residue"]:
            lines += ["", f"**Left behind:** {_cell(', '.join(one['residue']))}"]
    return "\n".join(lines) + "\n"
