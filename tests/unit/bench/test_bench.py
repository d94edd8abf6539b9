# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A benchmark that counts failed runs, or divides the wrong way, would be quoted all the same."""

from __future__ import annotations

import importlib.util
import json
import sys
import typing as t
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "bench" / "bench.py"


@pytest.fixture(scope="module")
def bench() -> t.Iterator[t.Any]:
    spec = importlib.util.spec_from_file_location("podshm_bench", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def checks(bench: t.Any, **other: str) -> list[dict[str, str]]:
    return [{"id": check, "verdict": other.get(check, "PASS")} for check in sorted(bench.CHECKS)]


def test_six_times_pass_is_a_pass(bench: t.Any, tmp_path: Path) -> None:
    answer = json.dumps({"checks": checks(bench), "run": {"duration": 3.5}})
    report = tmp_path / "alpha.json"
    report.write_text(answer, "utf-8")
    assert bench.verify_module(answer) == 3.5
    assert bench.verify_report(report) == 3.5


@pytest.mark.parametrize("verdict", ["FAIL", "ERROR", "WARN", "SKIP"])
def test_any_other_verdict_is_none(bench: t.Any, verdict: str) -> None:
    with pytest.raises(bench.NotPassedError, match=verdict):
        bench.six_passed(checks(bench, SHM303=verdict))


def test_a_missing_check_is_none(bench: t.Any) -> None:
    with pytest.raises(bench.NotPassedError):
        bench.six_passed(checks(bench)[1:])


def subject(bench: t.Any, code: str, verify: t.Callable[[str], float]) -> t.Any:
    return bench.Subject("x", "a program", (sys.executable, "-c", code), verify)


def test_a_run_is_measured_with_the_processes_that_it_started(bench: t.Any) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print(7)"
    sample = bench.measure(subject(bench, code, float))
    assert sample.module == 7
    assert sample.wall >= 0.3
    assert sample.cpu >= 0.3


def test_the_output_of_a_failed_run_is_quoted(bench: t.Any) -> None:
    with pytest.raises(bench.NotPassedError, match=r"no pod\n.*exit code 3"):
        bench.measure(subject(bench, "import sys; print('no pod'); sys.exit(3)", float))


def test_a_run_that_says_nothing_useful_has_not_passed(bench: t.Any) -> None:
    with pytest.raises(bench.NotPassedError, match="did not pass its checks"):
        bench.measure(subject(bench, "print('{}')", bench.verify_module))


def test_ratios_are_taken_turn_by_turn(bench: t.Any) -> None:
    def samples(*walls: float) -> list[t.Any]:
        return [bench.Sample(wall, 1.0) for wall in walls]

    # 1/10, 4/5, 9/10: neither the ratio of the medians (0.4) nor of the means
    assert bench.ratio(samples(1, 4, 9), samples(10, 5, 10), "wall") == pytest.approx(0.8)


def test_the_table_tells_all(bench: t.Any) -> None:
    samples = {
        "a": [bench.Sample(6.0, 2.0, 4.0)],
        "b": [bench.Sample(30.0, 24.0)],
        "c": [bench.Sample(2.0, 0.25)],
        "d": [bench.Sample(4.0, 0.5, 3.5)],
        "e": [bench.Sample(12.0, 4.0, 9.5)],
    }
    text = "\n".join(bench.table(samples, dict.fromkeys(samples, "way")))
    for line in (
        "a/b                               0.20    0.08",
        "b/a                               5.00   12.00",
        "the module's run is 4.00 s, Ansible and the start of the module 2.00 s",
        "Ansible is 1.50 s (a - d)",
        "wall 6.00 s, target 5 s: missed; CPU 2.00 s, target 3 s: met",
        "e, median: the module's run 9.50 s, target 10 s: met",
    ):
        assert line in text


def test_import_times_are_added_up_by_package(bench: t.Any) -> None:
    lines = [
        "import time: self [us] | cumulative | imported package",
        "import time:      1000 |       1000 |   yaml.reader",
        "import time:      2000 |       3000 | yaml",
        "import time:       500 |        500 | json",
        "a warning: of | something | else",
    ]
    assert bench.by_package(lines, most=1) == [f"{'all':<24}{3.5:8.1f}", f"{'yaml':<24}{3.0:8.1f}"]
