# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A driver that counts wrongly would call a broken build good."""

from __future__ import annotations

import dataclasses
import sys
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import run as driver

PASSED = '<testcase name="a"/>'
FAILED = '<testcase name="b"><failure message="m">text</failure></testcase>'
BROKEN = '<testcase name="c"><error message="m">text</error></testcase>'
SKIPPED = '<testcase name="d"><skipped message="m">no qemu</skipped></testcase>'
NOTHING = f'<testcase name="e"><skipped>{driver.NOTHING_TO_DO}</skipped></testcase>'


def write(folder: Path, *files: str) -> Path:
    for number, cases in enumerate(files):
        (folder / f"{number}.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", "utf-8")
    return folder


@pytest.mark.parametrize(
    ("files", "succeeded", "count"),
    [
        ((PASSED + PASSED, SKIPPED), True, driver.Count(2, 0, 1)),
        ((PASSED + FAILED + BROKEN,), False, driver.Count(1, 2, 0)),
        ((PASSED + NOTHING,), True, driver.Count(1, 0, 0)),
        # the tool broke after its last case
        ((PASSED,), False, driver.Count(1, 1, 0)),
        # nothing was executed
        ((SKIPPED,), True, driver.Count(0, 1, 1)),
        ((NOTHING,), True, driver.Count(0, 1, 0)),
        ((), True, driver.Count(0, 1, 0)),
    ],
)
def test_count_cases(tmp_path: Path, files: tuple[str, ...], succeeded: bool, count: driver.Count) -> None:
    assert driver.count_cases(driver.cases_of(write(tmp_path, *files)), succeeded) == count


@pytest.fixture(autouse=True)
def junit(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the run's own reports from being overwritten."""
    path = tmp_path_factory.mktemp("report") / "junit.xml"
    monkeypatch.setattr(driver, "JUNIT", path)
    return path


def python(code: str, junit: Path | None = None) -> driver.Command:
    return driver.Command("tool", [sys.executable, "-c", code], junit=junit)


def test_other_tools_count_as_one() -> None:
    assert driver.run_command(python("")) == driver.Count(1, 0, 0)
    assert driver.run_command(python("raise SystemExit(2)")) == driver.Count(0, 1, 0)


def test_results_of_an_earlier_run_do_not_count(tmp_path: Path) -> None:
    assert driver.run_command(python("", junit=write(tmp_path, PASSED))) == driver.Count(0, 1, 0)


def test_a_tool_that_hangs_fails() -> None:
    hanging = dataclasses.replace(python("import signal; signal.pause()"), seconds=0.2)
    assert driver.run_command(hanging) == driver.Count(0, 1, 0)


def test_a_tool_that_is_missing_fails_and_the_others_run(capfd: pytest.CaptureFixture[str]) -> None:
    assert driver.run_command(driver.Command("tool", ["no-such-tool"])) == driver.Count(0, 1, 0)
    assert "no-such-tool" in capfd.readouterr().out


def test_main_adds_up_and_ends_with_the_count(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(driver, "SUMMARY", tmp_path / "summary")
    stages = {"good": lambda: [python("")] * 2, "bad": lambda: [python("raise SystemExit(1)")], "empty": list}
    monkeypatch.setattr(driver, "STAGES", stages)
    assert driver.main(["good"]) == 0
    assert capfd.readouterr().out.endswith("\n2 passed, 0 failed, 0 skipped\n")
    assert driver.main(["good", "bad", "empty"]) == 1
    assert capfd.readouterr().out.endswith("\n2 passed, 2 failed, 0 skipped\n")
    assert (tmp_path / "summary").read_text("utf-8") == "2 passed, 2 failed, 0 skipped\n"


def suites(junit: Path) -> dict[str, list[tuple[str, str]]]:
    """Return each suite's counts, as names and values."""
    keys = ("tests", "failures", "errors", "skipped")
    return {suite.attrib["name"]: [(key, suite.attrib[key]) for key in keys] for suite in ET.parse(junit).getroot()}


def counts(*numbers: int) -> list[tuple[str, str]]:
    return list(zip(("tests", "failures", "errors", "skipped"), map(str, numbers), strict=True))


def test_one_junit_file_has_every_tool(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, junit: Path
) -> None:
    monkeypatch.setattr(driver, "SUMMARY", tmp_path / "summary")
    xml = f"<testsuites><testsuite>{PASSED}{FAILED}{BROKEN}{SKIPPED}</testsuite></testsuites>"
    cases = tmp_path / "cases"
    code = f"import pathlib; f = pathlib.Path({str(cases)!r}); f.mkdir(); (f / 'a.xml').write_text({xml!r})"
    broken = tmp_path / "broken"
    stages = {
        "pytest": lambda: [dataclasses.replace(python(code + "; raise SystemExit(1)", junit=cases), name="pytest")],
        "linters": lambda: [
            dataclasses.replace(python(""), name="good"),
            dataclasses.replace(python("raise SystemExit(2)"), name="bad"),
        ],
        # it failed, but wrote no case that did
        "crash": lambda: [dataclasses.replace(python("raise SystemExit(3)", junit=broken), name="crash")],
        "empty": list,
    }
    monkeypatch.setattr(driver, "STAGES", stages)
    junit.write_text("of an earlier run", "utf-8")
    assert driver.main(list(stages)) == 1
    assert suites(junit) == {
        "pytest": counts(4, 1, 1, 1),
        "good": counts(1, 0, 0, 0),
        "bad": counts(1, 1, 0, 0),
        "crash": counts(1, 1, 0, 0),
        "empty": counts(1, 1, 0, 0),
    }
    assert "exit code 3" in junit.read_text("utf-8")
    # whoever sees only the end of the log learns what failed, a line for each cause
    assert [line for line in capfd.readouterr().out.splitlines() if line.startswith("FAILED")] == [
        "FAILED pytest: m: b, c",
        "FAILED bad: exit code 2: bad",
        "FAILED crash: exit code 3: crash",
        "FAILED empty: nothing to run: empty",
    ]


def test_many_failures_are_cut(junit: Path) -> None:
    cases = "".join(f'<testcase name="{name}"><error message="of one &#10;cause"/></testcase>' for name in "abcde")
    others = "".join(f'<testcase name="x"><failure message="{number}"/></testcase>' for number in range(30))
    junit.write_text(f'<testsuites><testsuite name="s">{cases}{others}</testsuite></testsuites>', "utf-8")
    lines = driver.failures()
    assert lines[0] == "FAILED s: of one cause: a, b, c and 2 more"
    assert len(lines) == driver.CAUSES + 1
    assert lines[-1] == f"FAILED for {31 - driver.CAUSES} more causes; see {junit}"


class Ready:
    """Clusters that run."""

    log = Path("clusters.log")

    def ready(self) -> bool:
        return True

    def stop(self) -> None:
        pass


WAIT = "import pathlib; file = pathlib.Path({!r})\nwhile not file.exists(): pass"


def test_what_only_calculates_runs_beside_and_what_must_be_alone_waits(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, junit: Path
) -> None:
    monkeypatch.setattr(driver, "SUMMARY", tmp_path / "summary")
    monkeypatch.setattr(driver, "BUILD", tmp_path)
    monkeypatch.setattr(driver, "Clusters", Ready)
    (tmp_path / "log").mkdir()
    began, pods, over = (str(tmp_path / name) for name in ("began", "pods", "over"))
    touch = "import pathlib; pathlib.Path({!r}).touch()\n"
    stages = {
        "sanity": [
            touch.format(began) + WAIT.format(pods) + "\n" + touch.format(over) + "print('calculated', flush=True)"
        ],
        "test-clusters": [WAIT.format(began) + "\n" + touch.format(pods)],
        "localcluster": [f"import os; raise SystemExit(not os.path.exists({over!r}))"],
    }
    made = {
        name: (lambda codes=codes: [dataclasses.replace(python(codes[0]), seconds=30)])
        for name, codes in stages.items()
    }
    monkeypatch.setattr(driver, "STAGES", made)
    assert driver.main(list(made)) == 0
    out = capfd.readouterr().out
    assert out.count("calculated") == 1
    assert out.index("=== localcluster") < out.index("calculated")
    assert out.endswith("\n3 passed, 0 failed, 0 skipped\n")


def test_a_stage_that_breaks_beside_the_others_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, junit: Path
) -> None:
    monkeypatch.setattr(driver, "SUMMARY", tmp_path / "summary")
    monkeypatch.setattr(driver, "BUILD", tmp_path)
    monkeypatch.setattr(driver, "Clusters", Ready)
    (tmp_path / "log").mkdir()
    monkeypatch.setattr(driver, "STAGES", {"sanity": lambda: 1 // 0, "test-clusters": lambda: [python("")]})
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    assert driver.main(["sanity", "test-clusters"]) == 1
    assert suites(junit)["sanity"] == counts(1, 1, 0, 0)
    assert (tmp_path / "summary").read_text("utf-8") == "1 passed, 1 failed, 0 skipped\n"


def test_stages_without_their_clusters_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, junit: Path) -> None:
    monkeypatch.setattr(driver, "SUMMARY", tmp_path / "summary")

    class Broken(Ready):
        def ready(self) -> bool:
            return False

    monkeypatch.setattr(driver, "Clusters", Broken)
    monkeypatch.setattr(driver, "STAGES", {"molecule": lambda: [python("")]})
    assert driver.main(["molecule"]) == 1
    assert suites(junit) == {"molecule": counts(1, 1, 0, 0)}


def test_no_cluster_of_the_caller_reaches_the_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "K8S_AUTH_API_KEY", "INVENTORY", "LIMIT", "CONTEXT", "MAKEFLAGS"):
        monkeypatch.setenv(name, "of the caller")
    assert "of the caller" not in driver.environment().values()
