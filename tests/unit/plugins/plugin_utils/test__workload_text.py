# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import yaml

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit, manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _workload_text


def pod(name: str, image: str) -> str:
    return f"kind: Deployment\nmetadata: {{name: {name}}}\nspec: {{template: {{spec: {{containers: [{{name: c, image: {image}}}]}}}}}}\n"


def answer(*documents: str, problems: t.Sequence[str] = (), notes: t.Sequence[str] = ()) -> dict[str, t.Any]:
    found, _problems = manifests.read("---\n".join(documents), "f.yaml")
    audits = [audit.facts_of(one, PROGRAMS) for one in found]
    return {"workloads": audits, "problems": problems, "notes": notes, "msg": audit.headline(audits, problems)}


def test_what_is_wrong_comes_first_and_the_count_last() -> None:
    lines = _workload_text.lines(
        answer(pod("db", "postgres:15"), pod("odd", "x/y"), problems=["pods: Forbidden"], notes=["nodes: Forbidden"])
    )
    assert lines[0] == "FAIL Deployment db (f.yaml:1)"
    assert lines[1].startswith("  SHM701 FAIL (likely) c: /dev/shm has 64Mi")
    assert lines[2].startswith("    size: 2Mi at rest + ")
    assert lines[3].startswith("    fix: mount an emptyDir")
    assert lines[4:] == [
        "ERROR pods: Forbidden",
        "",
        "not known, so not judged: Deployment odd (c)",
        "not looked at: nodes: Forbidden",
        "2 workloads: 1 FAIL, 1 not known; 1 part could not be read",
    ]


def test_what_is_not_known_beside_what_is_wrong_is_said() -> None:
    beside = pod("db", "postgres:15").replace("[{name: c", "[{name: odd, image: x/y}, {name: c")
    assert _workload_text.lines(answer(beside))[-2:] == [
        "not known, so not judged: Deployment db (odd)",
        "1 workload: 1 FAIL",
    ]


def test_what_an_operator_makes_of_custom_resources_is_not_passed_over() -> None:
    head = "apiVersion: {}/v1\nkind: {}\nmetadata: {{name: a}}\nspec: {{instances: 3}}\n"
    found = answer(head.format("postgresql.cnpg.io", "Cluster"), head.format("odd.io", "Odd"))
    assert _workload_text.lines(found) == [
        "without their pods, so not judged (audit the cluster where they run): Cluster a, Odd a",
        "2 workloads: 2 not known",
    ]
    assert [one["unjudged"] for one in found["workloads"]] == [
        "CloudNativePG makes its pods; audit the cluster where they run",
        "it has no pod template; audit the cluster where they run",
    ]


def test_the_change_of_a_fix_can_be_read_as_yaml() -> None:
    lines = _workload_text.lines(answer(pod("db", "postgres:15")), verbose=True)
    start = lines.index("    +volumes:")
    added = yaml.safe_load("\n".join(line[5:] for line in lines[start : start + 5]))
    assert added == {"volumes": [{"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}}]}


def test_of_very_many_the_worst_are_printed() -> None:
    many = answer(*(pod(f"db-{number}", "postgres:15") for number in range(30)))
    lines = _workload_text.lines(many)
    assert lines[0] == "10 more with findings that are no worse than these; -v prints them"
    assert sum(line.startswith("FAIL") for line in lines) == 20
    assert sum(line.startswith("FAIL") for line in _workload_text.lines(many, verbose=True)) == 30


def test_nothing_of_a_terminal_gets_out() -> None:
    lines = _workload_text.lines(answer(problems=["f\x1b[31m.yaml: odd"]))
    assert "\x1b" not in "".join(lines)


def test_fixes_are_printed_as_it_is_wanted() -> None:
    found = answer(pod("db", "postgres:15"))
    assert not any(line.startswith("    +") for line in _workload_text.lines(found))
    assert "    +volumes:" in _workload_text.lines(found, fix="diff")
    printed = _workload_text.lines(found, fix="patch")
    begin = printed.index("    apiVersion: v1")
    patch = yaml.safe_load("\n".join(printed[begin : printed.index("", begin) if "" in printed[begin:] else -1]))
    assert patch["metadata"] == {"name": "db"}
    assert patch["spec"]["template"]["spec"]["volumes"][0]["name"] == "dshm"


def dry_run(about: str, outcome: str, reason: str = "", detail: str = "", *warnings: str) -> dict[str, t.Any]:
    return {"about": about, "outcome": outcome, "reason": reason, "detail": detail, "warnings": warnings}


def test_what_a_cluster_says_of_a_fix_is_printed() -> None:
    found = answer(pod("db", "postgres:15"))
    found["workloads"][0]["dry_run"] = [
        dry_run("Deployment", "accepted", "", "", "it is old"),
        dry_run("a pod of it", "refused", "QuotaExceeded", "exceeded quota: \x1b[1mteam"),
    ]
    lines = _workload_text.lines(found)
    assert "  dry run: Deployment: warning: it is old" in lines
    assert "  dry run: a pod of it is refused: QuotaExceeded: exceeded quota: ?[1mteam" in lines
    found["workloads"][0]["dry_run"] = [dry_run("Deployment", "accepted"), dry_run("a pod of it", "accepted")]
    assert "  dry run: accepted (Deployment and a pod of it)" in _workload_text.lines(found)
    found["workloads"][0]["dry_run"] = [dry_run("Deployment", "unknown", "Forbidden")]
    assert "  dry run: whether Deployment is accepted is not known: Forbidden" in _workload_text.lines(found)
    found["workloads"][0] |= {"kind": "Pod", "dry_run": [dry_run("a new pod in its place", "accepted")]}
    assert "  a Pod cannot be changed: delete it, and create it with the fix" in _workload_text.lines(found)


def test_what_is_in_use_stands_beside_a_finding_about_size() -> None:
    text = """\
kind: Pod
metadata: {name: db}
spec:
  containers: [{name: pg, image: "postgres:15", volumeMounts: [{name: v, mountPath: /dev/shm}]}]
  volumes: [{name: v, emptyDir: {medium: Memory, sizeLimit: 64Mi}}]
"""
    found = answer(text)
    assert not any("in use" in line for line in _workload_text.lines(found))
    found["workloads"][0]["containers"][0]["dev_shm"]["in_use_bytes"] = 61 * 1024**2
    lines = _workload_text.lines(found)
    assert lines[1].startswith("  SHM702")
    assert "    in use now: 61Mi of 64Mi" in lines


def proofs(*found: tuple[str, str, str, str], transport: str = "exec", no_exec: str = "") -> list[str]:
    audited = answer(pod("db", "postgres:15"))
    way = {"transport": transport, "no_exec": no_exec}
    audited["workloads"][0]["proof"] = [
        {"shape": shape, "verdict": verdict, "observed": words.split("|"), "node": node, **way}
        for shape, verdict, words, node in found
    ]
    return [line for line in _workload_text.lines(audited) if "proof: " in line]


def test_proofs_are_a_line_each_and_the_node_stands_once() -> None:
    assert proofs(("as it is", "FAIL", "full|more|more", "n1"), ("with the fix", "PASS", "filled", "n1")) == [
        "  proof: FAIL as it is: full (and 2 more)",
        "  proof: PASS with the fix: filled, node n1",
    ]


def test_proofs_by_log_say_so_once() -> None:
    found = (("as it is", "FAIL", "full", "n1"), ("with the fix", "PASS", "filled", "n1"))
    assert proofs(*found, transport="log", no_exec="ExecForbidden: container none of pod n/p: no") == [
        "  proof: FAIL as it is: full",
        "  proof: PASS with the fix: filled, node n1, by log (ExecForbidden)",
    ]
    assert proofs(*found, transport="log")[-1] == "  proof: PASS with the fix: filled, node n1, by log"


def test_what_kept_all_shapes_from_being_measured_stands_once() -> None:
    assert proofs(("as it is", "ERROR", "Forbidden: no", ""), ("with the fix", "ERROR", "Forbidden: no", "")) == [
        "  proof: ERROR as it is, with the fix: Forbidden: no"
    ]
