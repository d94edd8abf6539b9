# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.payload import VERSION
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _report


def check(check_id: str, verdict: str, **change: t.Any) -> dict[str, t.Any]:
    return {
        "id": check_id,
        "name": f"name_{check_id}",
        "group": "sysv" if check_id < "SHM200" else "posix",
        "node": "n1",
        "runtime_class": "",
        "question": "Does it?",
        "verdict": verdict,
        "reason": "",
        "expected": "so",
        "observed": f"observed {check_id}",
        "remedy": "" if verdict == "PASS" else "do that",
        **change,
    }


def report(cluster: str, status: str, *checks: dict[str, t.Any], **change: t.Any) -> dict[str, t.Any]:
    answer = {
        "status": status,
        "msg": f"cluster {cluster}: message",
        "checks": list(checks),
        "run": {"duration": 2.345},
    }
    # what verdicts mean for programs has tests of its own
    return _report.report(cluster, {**answer, **change}, programs=())


GOOD = report("alpha", "PASS", check("SHM101", "PASS"), check("SHM201", "PASS"))
BAD = report("beta", "FAIL", check("SHM101", "PASS"), check("SHM201", "FAIL"))
GONE = report(
    "gamma", "UNREACHABLE", *(check(i, "ERROR", reason="ApiUnreachable", observed="same") for i in ("SHM101", "SHM201"))
)


def test_a_cluster_that_returned_nothing_is_an_error() -> None:
    one = _report.report("delta", None)
    assert (one["status"], one["checks"]) == ("ERROR", [])
    assert "no check ran" in one["message"]


def test_a_module_that_failed_before_any_check_is_an_error() -> None:
    one = _report.report("delta", {"failed": True, "msg": "no kubernetes"})
    assert (one["status"], one["message"]) == ("ERROR", "cluster delta: no kubernetes")
    assert "no kubernetes" in "\n".join(_report.table([one]))


def test_worst_cluster_last() -> None:
    lines = _report.table([GONE, BAD, GOOD])
    assert [line.split()[0] for line in lines[1:4]] == ["alpha", "beta", "gamma"]


def test_table_shows_expected_observed_and_remedy() -> None:
    text = "\n".join(_report.table([GOOD, BAD]))
    assert "FAIL beta n1 SHM201 name_SHM201" in text
    assert "expected  so" in text
    assert "observed  observed SHM201" in text
    assert "remedy    do that" in text
    assert "observed SHM101" not in text


def test_one_cause_for_all_is_named_once() -> None:
    text = "\n".join(_report.table([GONE]))
    assert text.count("observed  same") == 1
    assert "UNREACHABLE gamma ApiUnreachable" in text


def test_a_skip_does_not_keep_one_cause_from_being_named_once() -> None:
    same = [check(i, "ERROR", reason="ApiUnreachable", observed="same") for i in ("SHM101", "SHM201")]
    gone = report("gamma", "UNREACHABLE", *same, check("SHM403", "SKIP", reason="NotRequested", observed="not set"))
    lines = _report.table([gone])
    finding = lines.index("UNREACHABLE gamma ApiUnreachable")
    assert lines[finding + 1 : finding + 4] == ["  observed  same", "  remedy    do that", ""]
    assert len(lines) == finding + 5
    assert lines[1].split()[:4] == ["gamma", "UNREACHABLE", "-", "-"]
    text = _report.summary([gone])
    assert text.count("**ERROR**") == 1
    assert "**SKIP** SHM403" in text


def test_a_good_cluster_is_one_row() -> None:
    assert len(_report.table([GOOD])) == len(["head", "row", "", "headline"])
    assert len(_report.table([GOOD, report("beta", "PASS", check("SHM101", "PASS"))])) == 5


def test_what_is_skipped_is_one_line_for_all_clusters() -> None:
    skips = [check(f"SHM10{n}", "SKIP", reason="NotVisible") for n in range(6)]
    more = check("SHM201", "SKIP", reason="NotRequested")
    found = [report(name, "PASS", *skips, more, check("SHM301", "PASS")) for name in ("alpha", "beta")]
    (line,) = (line for line in _report.table(found) if line.startswith("SKIP"))
    assert line == "SKIP SHM201 (NotRequested), SHM100, SHM101, SHM102 and 3 more (NotVisible): the summary says why"


def test_a_finding_is_at_most_five_lines() -> None:
    lines = _report.table([BAD])
    begin = next(number for number, line in enumerate(lines) if line.startswith("FAIL beta"))
    assert [line.split()[0] for line in lines[begin + 1 : begin + 5]] == ["expected", "observed", "remedy", "page"]
    assert lines[begin + 5] == ""


def test_summary_names_every_check_beside_one_cause() -> None:
    same = [check(i, "ERROR", reason="Timeout", observed="same") for i in ("SHM101", "SHM102")]
    text = _report.summary([report("gamma", "ERROR", *same, check("SHM201", "PASS"))])
    assert "**PASS** SHM201" in text
    assert "**ERROR** SHM101..SHM102 (n1) Timeout same" in text


@pytest.mark.parametrize("name", ["gamma", "of the current context"])
def test_the_name_of_a_cluster_is_told_once(name: str) -> None:
    """A playbook of the user's names no cluster: its name in the run is another than that of the host."""
    one = check(
        "SHM101", "ERROR", reason="ApiUnreachable", observed=f"undecided: cluster {name}, API server x: refused"
    )
    lines = _report.table([report("gamma", "UNREACHABLE", one, run={"cluster": name})])
    start = lines.index("UNREACHABLE gamma ApiUnreachable")
    assert lines[start + 1 : start + 4] == ["  observed  API server x: refused", "  remedy    do that", ""]


def test_a_host_that_ansible_cannot_reach_is_unreachable() -> None:
    assert _report.report("delta", {"unreachable": True, "msg": "no route"})["status"] == "UNREACHABLE"


def test_headline_has_a_denominator() -> None:
    assert _report.table([GOOD, BAD, GONE])[-1] == "3 clusters: 1 UNREACHABLE, 1 FAIL, 1 PASS; 4 of 6 checks decided"


def test_what_is_left_behind_is_named() -> None:
    left = report("alpha", "PASS", check("SHM101", "PASS"), leftovers=["pod default/x"])
    assert "left behind on alpha: pod default/x" in _report.table([left])


def test_what_verdicts_mean_for_programs_comes_after_the_table_and_before_what_is_to_be_done() -> None:
    facts = {"exists": True, "size_bytes": 64 * 1024**2}
    size = check("SHM301", "PASS", evidence={"who": {"step": "identity", "facts": facts}})
    answer = {"status": "FAIL", "checks": [*BAD["checks"], size], "run": {}}
    one = _report.report("beta", answer)
    lines = _report.table([one])
    block = lines.index("What it means for your programs (/dev/shm by default: 64Mi):")
    assert lines[block - 2].startswith("beta ")
    assert block < lines.index("FAIL beta n1 SHM201 name_SHM201")
    assert lines[-1].startswith("1 cluster: ")
    assert "## What it means for your programs" in _report.summary([one])
    postgresql = next(each for each in one["programs"] if each["program"] == "postgresql")
    assert (postgresql["node"], postgresql["outcome"]) == ("n1", "not measured")
    aerospike = next(each for each in one["programs"] if each["program"] == "aerospike")
    assert (aerospike["outcome"], aerospike["checks"]) == ("works with the default", ["SHM101"])


def test_of_a_cluster_where_nothing_was_decided_nothing_is_said_about_programs() -> None:
    checks = [check("SHM101", "ERROR", reason="Timeout"), check("SHM201", "SKIP", reason="CheckMode")]
    assert _report.report("beta", {"status": "ERROR", "checks": checks})["programs"] == []


def test_json_has_what_programs_read() -> None:
    one = json.loads(_report.to_json(BAD))
    assert one["schema"] == "podshm/2"
    assert {"id", "verdict", "reason", "expected", "observed"} <= one["checks"][0].keys()


def test_nothing_from_a_cluster_reaches_the_terminal_raw() -> None:
    evil = report("alpha", "FAIL", check("SHM101", "FAIL", observed="\x1b]0;title\x07a\nb"))
    for line in _report.table([evil]):
        assert line.isprintable()


def test_summary_escapes_markdown() -> None:
    evil = report("alpha", "FAIL", check("SHM101", "FAIL", observed="<script>|x|"))
    text = _report.summary([evil])
    assert "<script>" not in text
    assert "\\|x\\|" in text


def test_file_name_stays_in_its_folder() -> None:
    hosts = ["../../etc/passwd", "eu-1.example"]
    evil, good = (_report.file_names(hosts)[host] for host in hosts)
    assert re.fullmatch(r"_\.\._etc_passwd-[0-9a-f]{8}\.json", evil)
    assert good == "eu-1.example.json"


def test_no_two_hosts_have_one_file() -> None:
    hosts = ["a/b", "a:b", "a_b", ".a_b", "..", ".", "x" * 300, "x" * 299, "x" * 100, "summary"]
    names = set(_report.file_names(hosts).values())
    assert len(names) == len(hosts)
    assert "a_b.json" in names
    assert max(map(len, names)) < 120


def test_names_that_differ_in_case_alone_have_files_that_differ_in_more() -> None:
    """The file systems of macOS take them for one."""
    names = _report.file_names(["EU-1", "eu-1", "Us-1", "eu-1"])
    assert len({name.lower() for name in names.values()}) == len(names) == 3
    assert names["Us-1"] == "Us-1.json"


def test_a_report_says_when_it_was_written_and_by_what() -> None:
    one = _report.report("alpha", {"status": "PASS", "checks": [check("SHM101", "FAIL")]}, "2026-11-25T20:00:00+00:00")
    assert (one["podshm"], one["written"]) == (VERSION, "2026-11-25T20:00:00+00:00")
    assert one["checks"][0]["page"].endswith("/docs/checks/SHM101.md")
    text = _report.summary([one])
    assert f"Written 2026-11-25T20:00:00+00:00 by podshm {VERSION}." in text
    assert f"[SHM101]({one['checks'][0]['page']})" in text


def test_many_checks_are_shown_by_group() -> None:
    many = report(
        "alpha", "FAIL", *(check(f"SHM{number}", "PASS") for number in range(101, 112)), check("SHM201", "FAIL")
    )
    head, row, *_rest = _report.table([many])
    assert head.split()[:4] == ["CLUSTER", "STATUS", "sysv", "posix"]
    assert row.split()[:5] == ["alpha", "FAIL", "11", "PASS", "FAIL"]


def test_every_target_has_a_row() -> None:
    two = report("alpha", "PASS", check("SHM101", "PASS"), check("SHM101", "PASS", runtime_class="kata"))
    lines = _report.table([two])
    assert [line.split()[4] for line in lines[1:3]] == ["-", "kata"]


def test_table_shows_how_many_nodes_one_represents_and_which_are_skipped() -> None:
    run = {
        "targets": [{"name": "n1", "represents": ["n1", "n2"]}],
        "skipped_nodes": [
            {"nodes": ["w1"], "reason": "NotLinux", "detail": "runs windows"},
            {"nodes": ["n3", "n4"], "reason": "NoNode", "detail": "is not Ready"},
        ],
    }
    _head, row, *rest = _report.table([report("alpha", "PASS", check("SHM101", "PASS"), run=run)])
    assert "n1 (1 of 2)" in row
    assert "SKIP alpha w1 NotLinux: runs windows" in rest
    assert "skipped alpha n3, n4 NoNode: is not Ready" in rest


def test_summary_shows_which_nodes_represent_which() -> None:
    target = {"name": "n1", "represents": ["n1", "n2"], "runtime_class": "kata", "image": "pause"}
    target |= dict.fromkeys(("architecture", "kernel", "kubelet", "runtime"), "x")
    run = {
        "id": "1",
        "targets": [target],
        "skipped_nodes": [{"nodes": ["w1"], "reason": "NotLinux", "detail": "runs windows"}],
    }
    text = _report.summary([report("alpha", "PASS", check("SHM101", "PASS"), run=run)])
    assert "represents n2" in text
    assert "SKIP NotLinux: w1: runs windows" in text


def test_hosts_that_are_one_cluster_are_named() -> None:
    def one(cluster: str, **run: str) -> dict[str, t.Any]:
        return _report.report(cluster, {"status": "PASS", "run": run})

    reports = [
        one("eu-1", server="https://a", cluster_uid="u-1"),
        one("eu-2", server="https://b", cluster_uid="u-2"),
        one("eu-3", server="https://vip", cluster_uid="u-1"),
        one("us-1", server="https://c"),
        one("us-2", server="https://c"),
        one("us-3"),
        one("us-4"),
        # its account does not see the uid
        one("eu-4", server="https://vip"),
    ]
    expected = [
        "eu-1, eu-3 and eu-4 are one cluster (uid u-1): check kubeconfig and context of these hosts",
        "us-1 and us-2 are one cluster (https://c): check kubeconfig and context of these hosts",
    ]
    assert _report.twins(reports) == expected
    assert set(expected) < set(_report.table(reports))
    assert "eu-1, eu-3 and eu-4 are one cluster" in _report.summary(reports)


def test_the_summary_says_which_cluster_it_was() -> None:
    run = {"server": "https://h:6443", "context": "c", "source": "kubeconfig /k", "cluster_uid": "u-1"}
    run["kubernetes"] = "v1.37.2"
    text = _report.summary([_report.report("eu-1", {"status": "PASS", "run": run})])
    assert "- API server https://h:6443, context c, kubeconfig /k, uid u-1, Kubernetes v1.37.2" in text


def test_a_runtime_class_that_admission_gave_is_shown() -> None:
    node = {
        "name": "n1",
        "represents": ["n1"],
        "architecture": "amd64",
        "kernel": "6",
        "kubelet": "v1",
        "image": "pause",
    }
    given = {**node, "runtime": "containerd", "runtime_class": "", "admitted_runtime_class": "gvisor"}
    run = {"duration": 1.0, "id": "ff", "targets": [given]}
    one = report("alpha", "PASS", check("SHM101", "PASS"), run=run)
    assert _report.table([one])[1].split()[:5] == ["alpha", "PASS", "PASS", "n1", "gvisor"]
    assert "RuntimeClass gvisor (given by admission)" in _report.summary([one])
    named = report("alpha", "PASS", check("SHM101", "PASS", runtime_class="kata"), run=run)
    assert _report.table([named])[1].split()[4] == "kata"
    # of an earlier version
    del given["admitted_runtime_class"]
    assert _report.table([one])[1].split()[4] == "-"


def test_of_many_hosts_that_are_one_cluster_the_first_are_named() -> None:
    reports = [{"cluster": f"h{number}", "run": {"cluster_uid": "u"}} for number in range(60)]
    (words,) = _report.twins(reports)
    assert words.startswith("h0, h1, h2 and 57 more are one cluster (uid u): ")


def test_what_went_by_log_is_said_in_one_line_and_why_in_the_summary() -> None:
    why = 'ExecForbidden: container none of pod n/p: User "u" cannot create resource "pods/exec"'
    found = [report(name, "PASS", check("SHM101", "PASS")) for name in ("alpha", "beta", "gamma", "delta")]
    for one in found[:2]:
        one["run"].update(transport="log", no_exec=why)
    # it was chosen, and nothing was refused
    found[2]["run"].update(server="https://gamma", transport="log", no_exec="")
    found[3]["run"].update(server="https://delta", transport="exec", no_exec="")
    lines = [line for line in _report.table(found) if "log" in line]
    assert lines == ["by log, since exec is refused: alpha, beta (ExecForbidden): the summary says why"]
    assert "by log" not in "\n".join(_report.table(found[2:]))
    found[0]["run"]["server"] = "https://alpha"
    assert f"- Without exec, by log: {why}" in _report.summary(found[:1]).replace("\\", "")
    assert "- Without exec, by log\n" in _report.summary(found[2:3])
    assert "log" not in _report.summary(found[3:])
