# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What modules returned -> the table on the terminal, JSON for programs, a summary in Markdown (pure)."""

from __future__ import annotations

import collections
import hashlib
import json
import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Transport, Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.payload import VERSION
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Reason, printable
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import meaning
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import Program
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _catalog_text, _meaning_text, _verdicts

#: Of the JSON report; fields can be added under the same number, none is renamed or removed.
SCHEMA: t.Final = "podshm/2"

#: How much of a host name is kept in the name of its file.
_NAME: t.Final = 100


def report(
    cluster: str,
    answer: t.Mapping[str, t.Any] | None,
    written: str = "",
    programs: t.Sequence[Program] = PROGRAMS,
) -> dict[str, t.Any]:
    """The report on one cluster.

    :param answer: what the module returned; nothing, or no checks, if the module did not start.
    :param written: the time of the report.
    :param programs: those of which it is said what the verdicts mean for them.
    """
    answer = answer or {}
    checks = [{**check, "page": _catalog_text.PAGES.format(id=check["id"])} for check in answer.get("checks") or ()]
    return {
        "schema": SCHEMA,
        "podshm": VERSION,
        "written": written,
        "cluster": cluster,
        "status": str(answer.get("status") or (Verdict.UNREACHABLE if answer.get("unreachable") else Verdict.ERROR)),
        "message": _verdicts.message(cluster, answer),
        "run": dict(answer.get("run") or {}),
        "leftovers": list(answer.get("leftovers") or ()),
        "checks": checks,
        "controls": list(answer.get("controls") or ()),
        "programs": _programs(answer, programs),
    }


def _programs(answer: t.Mapping[str, t.Any], programs: t.Sequence[Program]) -> list[dict[str, t.Any]]:
    """What the verdicts mean for programs, on each node and RuntimeClass where something was decided."""
    places: dict[tuple[str, str], list[t.Mapping[str, t.Any]]] = {}
    for check in (*(answer.get("checks") or ()), *(answer.get("controls") or ())):
        places.setdefault((check.get("node", ""), check.get("runtime_class", "")), []).append(check)
    return [
        {"node": node, "runtime_class": runtime_class, **one.facts()}
        for (node, runtime_class), checks in places.items()
        for results in (meaning.Results(checks),)
        if results.has_decided
        for one in meaning.meanings(results, programs)
    ]


def to_json(one: t.Mapping[str, t.Any]) -> str:
    """A report as it is written: readable, and the same bytes for the same report."""
    return json.dumps(one, indent=2, ensure_ascii=True) + "\n"


def file_names(clusters: t.Sequence[str]) -> dict[str, str]:
    """The names of the reports of clusters: another one for every host.

    The file systems of macOS take names that differ in case alone for one.
    """
    folded = collections.Counter(cluster.lower() for cluster in set(clusters))
    return {cluster: f"{folder(cluster, is_alone=folded[cluster.lower()] == 1)}.json" for cluster in clusters}


def folder(cluster: str, is_alone: bool = True) -> str:
    """The name of a file or a folder of a cluster.

    A host name can contain what a file name must not, and be longer than one: then a checksum of it tells it apart.

    :param is_alone: no other cluster has this name in another case.
    """
    name = re.sub(r"[^A-Za-z0-9._-]", "_", cluster).lstrip(".")[:_NAME]
    if name != cluster or not name or not is_alone:
        name += "-" + hashlib.sha256(cluster.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return name


def order(reports: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Clusters by name, the worst last."""
    return sorted(reports, key=lambda one: (-Verdict(one["status"]).severity, one["cluster"]))


def twins(reports: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """Hosts of the inventory that are one cluster, in words: by the uid, or by the server where no uid is known."""
    hosts: dict[str, list[str]] = {}
    every = [(one["cluster"], one["run"]) for one in reports]
    # an account that does not see the uid asks a server of which another one knows it
    uids = {run.get("server"): run["cluster_uid"] for _cluster, run in every if run.get("cluster_uid")}
    for cluster, run in every:
        uid = run.get("cluster_uid") or (run.get("server") and uids.get(run["server"]))
        identity = f"uid {uid}" if uid else run.get("server")
        if identity:
            hosts.setdefault(identity, []).append(cluster)
    return [
        f"{_hosts([printable(name) for name in names])} are one cluster "
        f"({printable(identity)}): check kubeconfig and context of these hosts"
        for identity, names in hosts.items()
        if len(names) > 1
    ]


def _hosts(names: t.Sequence[str]) -> str:
    """Names in words, the first of many."""
    return _verdicts.listed(names) if len(names) > _NAMED else f"{', '.join(names[:-1])} and {names[-1]}"


#: Of so many hosts each is named.
_NAMED: t.Final = 4

#: More columns than this do not fit a terminal.
_COLUMNS: t.Final = 10


def _targets(one: t.Mapping[str, t.Any]) -> list[tuple[str, str]]:
    """The nodes and RuntimeClasses of a report, in its order."""
    return list(dict.fromkeys((check.get("node", ""), check.get("runtime_class", "")) for check in one["checks"])) or [
        ("", "")
    ]


def _rows(reports: t.Sequence[t.Mapping[str, t.Any]]) -> list[list[str]]:
    """Cluster by check; with many checks, cluster by group, since a terminal is only so wide."""
    checks = {check["id"]: check["group"] for one in reports for check in one["checks"]}
    by_group = len(checks) > _COLUMNS
    columns = list(dict.fromkeys(checks[check] for check in sorted(checks))) if by_group else sorted(checks)
    rows = [["CLUSTER", "STATUS", *columns, "NODE", "RUNTIMECLASS", "TIME"]]
    for one in reports:
        for node, runtime_class in _targets(one):
            here = [
                c for c in one["checks"] if (c.get("node", ""), c.get("runtime_class", "")) == (node, runtime_class)
            ]
            rows.append(
                [
                    printable(one["cluster"]),
                    one["status"],
                    *(
                        "-"
                        if one["status"] == Verdict.UNREACHABLE
                        else _column([c for c in here if column in (c["id"], c["group"])])
                        for column in columns
                    ),
                    _node(node, one["run"]),
                    printable(runtime_class or _admitted(node, one["run"]) or "-"),
                    f"{one['run'].get('duration') or 0:.1f} s",
                ]
            )
    return rows


def _node(name: str, run: t.Mapping[str, t.Any]) -> str:
    """A node, and how many of its kind it represents, itself among them: the summary names them."""
    alike = next((len(one["represents"]) for one in run.get("targets") or () if one["name"] == name), 1)
    return printable(f"{name} (1 of {alike})" if alike > 1 else name or "-")


def _admitted(node: str, run: t.Mapping[str, t.Any]) -> str:
    """The RuntimeClass that admission gave to the pods of a node that requested none."""
    here = [one for one in run.get("targets") or () if one["name"] == node and not one.get("runtime_class")]
    return next((one.get("admitted_runtime_class", "") for one in here), "")


def _column(checks: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """The verdict of one check; of several, how many have which, the worst first."""
    counts = {verdict: sum(check["verdict"] == verdict for check in checks) for verdict in Verdict}
    found = [f"{count} {verdict}" for verdict, count in counts.items() if count]
    return "-" if not checks else str(checks[0]["verdict"]) if len(checks) == 1 else " ".join(found)


def _headline(reports: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    counts = {status: sum(one["status"] == status for one in reports) for status in Verdict}
    decided = sum(Verdict(check["verdict"]).is_decided for one in reports for check in one["checks"])
    planned = sum(len(one["checks"]) for one in reports)
    words = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return f"{len(reports)} cluster{'' if len(reports) == 1 else 's'}: {words or 'none'}; {decided} of {planned} checks decided"


def table(reports: t.Sequence[dict[str, t.Any]], names_programs: bool = False) -> list[str]:
    """The lines for the terminal: cluster by check, what that means for programs, then what to do, the worst last.

    :param names_programs: the user named the programs that it is said of.
    """
    reports = order(reports)
    rows = _rows(reports)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for one in reports:
        lines += [
            f"{verdict} {printable(one['cluster'])} {printable(_verdicts.listed(left['nodes']))} "
            f"{left['reason']}: {printable(left['detail'])}"
            for verdict, left in _skipped(one["run"])
        ]
    lines += [*_skips(reports), *_by_log(reports)]
    meant = _meaning_text.block(reports, names_programs)
    lines += ["", *meant] if meant else []
    for one in reports:
        if Verdict(one["status"]).is_bad and not one["checks"]:
            lines += ["", printable(one["message"])]
        for finding in _verdicts.findings(one["checks"]):
            lines += ["", *_finding(one, finding)]
        if one["leftovers"]:
            lines += ["", f"left behind on {printable(one['cluster'])}: {printable(', '.join(one['leftovers']))}"]
    for words in twins(reports):
        lines += ["", words]
    return [*lines, "", _headline(reports)]


def _finding(one: t.Mapping[str, t.Any], finding: _verdicts.Finding) -> list[str]:
    """At most five lines: what, expected, observed, remedy, page."""
    check = finding.check
    cluster = printable(one["cluster"])
    is_cluster = one["status"] == Verdict.UNREACHABLE and check["verdict"] == Verdict.ERROR
    if is_cluster:
        words = [Verdict.UNREACHABLE.value, cluster, check["reason"]]
    else:
        words = [check["verdict"], cluster, printable(finding.where), finding.ids]
        words += [check["reason"] if finding.is_fold else f"{check['name']} {check['reason']}"]
    lines = [" ".join(" ".join(words).split())]
    # what a check expects says nothing of a cluster that is not reached
    if not finding.is_fold and not is_cluster:
        lines.append(f"  expected  {printable(check['expected'])}")
    # the first line names the cluster; a run has another name of it where a playbook gave it none
    name = one["run"].get("cluster") or one["cluster"]
    observed = printable(check["observed"]).removeprefix(f"undecided: cluster {printable(name)}, ")
    return [*lines, f"  observed  {observed}", f"  remedy    {printable(check['remedy'])}", *_page(check)]


def _page(check: t.Mapping[str, t.Any]) -> list[str]:
    """Where there is more about a check that was decided; about reasons the remedy says all."""
    is_decided = check["verdict"] != Verdict.ERROR
    return [f"  page      {check['page']}"] if is_decided and check.get("page") else []


def _skips(reports: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """What was not applicable, in one line for all clusters that were reached."""
    ids: dict[str, dict[str, None]] = {}
    for one in reports:
        for check in one["checks"]:
            if check["verdict"] == Verdict.SKIP and one["status"] != Verdict.UNREACHABLE:
                ids.setdefault(check["reason"], {})[check["id"]] = None
    parts = [f"{_verdicts.listed(sorted(ids[reason]))} ({reason})" for reason in sorted(ids)]
    return ["", f"SKIP {', '.join(parts)}: the summary says why"] if parts else []


def _by_log(reports: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Where exec was refused, in one line for all clusters: nothing is wrong with the answers."""
    clusters: dict[str, list[str]] = {}
    for one in reports:
        if one["run"].get("no_exec"):
            clusters.setdefault(one["run"]["no_exec"].partition(":")[0], []).append(printable(one["cluster"]))
    parts = [f"{_verdicts.listed(names)} ({reason})" for reason, names in clusters.items()]
    return ["", f"by log, since exec is refused: {', '.join(parts)}: the summary says why"] if parts else []


def _cell(text: object) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", printable(text))


def _cluster_line(run: t.Mapping[str, t.Any]) -> list[str]:
    if not run.get("server"):
        return []
    context = f", context {_cell(run['context'])}" if run.get("context") else ""
    uid = f", uid {_cell(run['cluster_uid'])}" if run.get("cluster_uid") else ""
    version = f", Kubernetes {_cell(run['kubernetes'])}" if run.get("kubernetes") else ""
    server = f"- API server {_cell(run['server'])}{context}, {_cell(run.get('source', ''))}{uid}{version}"
    if run.get("transport") != Transport.LOG:
        return [server]
    return [server, f"- Without exec, by log{': ' if run.get('no_exec') else ''}{_cell(run.get('no_exec', ''))}"]


def _target_line(target: t.Mapping[str, t.Any], run: t.Mapping[str, t.Any]) -> str:
    versions = f"{target['architecture']}, kernel {target['kernel']}, kubelet {target['kubelet']}, {target['runtime']}"
    # what such a node says of itself is not so, or not known
    versions = target.get("note") or versions
    runtime_class = f", RuntimeClass {_cell(target['runtime_class'])}" if target["runtime_class"] else ""
    if target.get("admitted_runtime_class"):
        runtime_class += f", RuntimeClass {_cell(target['admitted_runtime_class'])} (given by admission)"
    others = [name for name in target["represents"] if name != target["name"]]
    represents = f", represents {_cell(', '.join(others))}" if others else ""
    return (
        f"- Node {_cell(target['name'])} ({_cell(versions)}){runtime_class}, image {_cell(target['image'])}, "
        f"run {_cell(run.get('id'))}{represents}"
    )


def _skipped(run: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, t.Mapping[str, t.Any]]]:
    """The nodes on which nothing ran, each kind with SKIP or C(skipped)."""
    for left in run.get("skipped_nodes") or ():
        yield Verdict.SKIP.value if left["reason"] == Reason.NOT_LINUX else "skipped", left


def _check_lines(checks: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """A line for each check, in their order; one for all that one cause kept from being decided."""
    lines = [_check_line(check, check["id"], _where(check)) for check in checks if check["verdict"] != Verdict.ERROR]
    for one in _verdicts.findings(checks):
        if one.check["verdict"] == Verdict.ERROR:
            check = {**one.check, "question": "", "expected": ""} if one.is_fold else one.check
            lines.append(_check_line(check, one.ids, one.where))
    return lines


def _where(check: t.Mapping[str, t.Any]) -> str:
    return " ".join(check[part] for part in ("node", "runtime_class") if check.get(part))


def _check_line(check: t.Mapping[str, t.Any], ids: str, where: str) -> str:
    words = [f"- **{check['verdict']}** {ids}", f"({_cell(where)})" if where else "", check["reason"]]
    words += [_cell(check["question"]), _cell(check["observed"])]
    if check["remedy"]:
        words.append(f"*Expected:* {_cell(check['expected'])}" if check["expected"] else "")
        words.append(f"*Remedy:* {_cell(check['remedy'])}")
        words.append(f"[{check['id']}]({check['page']})" if check.get("page") else "")
    return " ".join(word for word in words if word)


def summary(reports: t.Sequence[dict[str, t.Any]]) -> str:
    """The summary of all clusters in Markdown."""
    reports = order(reports)
    head, *rows = _rows(reports)
    written = next((f"Written {one['written']} by podshm {VERSION}." for one in reports if one.get("written")), "")
    lines = ["# podshm", "", _headline(reports), "", *([written, ""] if written else [])]
    lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    for words in twins(reports):
        lines += ["", f"**{_cell(words)}**"]
    lines += _meaning_section(reports)
    for one in reports:
        lines += ["", f"## {_cell(one['cluster'])}", "", _cell(one["message"]), ""]
        lines += _cluster_line(one["run"])
        lines += [_target_line(target, one["run"]) for target in one["run"].get("targets") or ()]
        lines += [
            f"- {verdict} {left['reason']}: {_cell(', '.join(left['nodes']))}: {_cell(left['detail'])}"
            for verdict, left in _skipped(one["run"])
        ]
        lines.append("")
        lines += _check_lines(one["checks"])
        if one["leftovers"]:
            lines += ["", f"**Left behind:** {_cell(', '.join(one['leftovers']))}"]
    return "\n".join(lines) + "\n"


def _meaning_section(reports: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    lines = [f"- {_cell(line)}" for line in _meaning_text.every_line(reports)]
    return ["", f"## {_meaning_text.TITLE}", "", *lines] if lines else []
