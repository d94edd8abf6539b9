# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the tests, stage by stage, and end with `N passed, N failed, N skipped`: run.py [STAGE ...].

Called by the Makefile, which sees to .venv, and by noxfile.py with other versions of ansible-core: the tools are those of
the interpreter that runs this. pytest and ansible-test count by their own cases, every other tool and every molecule
scenario as one. Without a stage, all of them run, the fast ones first, while the local clusters are built or started in
the background; those that only calculate run beside those that wait for pods. The results are in .build/junit.xml, too,
for programs that read JUnit.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

from tree import CHECKOUT, copy_collection

BUILD = CHECKOUT / ".build"
BIN = Path(sys.executable).parent
# ansible-test and the documentation tools want the collection below a folder ansible_collections. Each virtual
# environment has its own, so that sessions of nox do not replace each other's.
TREE = BUILD / "collections" / Path(sys.prefix).name / "ansible_collections"
COPY = TREE / "abcdesktopio" / "podshm"
# The collection of the local clusters, which is no part of the product.
LOCAL = CHECKOUT / "hack" / "localcluster"
LOCAL_COPY = TREE / "abcdesktopio" / "localcluster"
# Short, because it becomes part of the first line of scripts.
ANSIBLE_TEST_HOME = BUILD / "home"
# The closing line once more, for who wants it after make's own last words.
SUMMARY = BUILD / "summary"
# All cases of a run in one file.
JUNIT = BUILD / "junit.xml"
# The names under which ansible-core looks for get-pip: 2.16 and 2.17, 2.18 and 2.19, 2.20 and newer.
GET_PIP = ("get_pip_23_1_2.py", "get_pip_24_2.py", "get_pip_25_2.py")
# ansible-test's word for a test that looks at kinds of files that we do not have.
NOTHING_TO_DO = "No tests applicable."
#: How much of what failed is said once more at the end: causes, and characters of each.
CAUSES = 20
CAUSE_LENGTH = 300
COMMAND_SECONDS = 2400
SLOW_SECONDS = 7200
CLUSTERS_SECONDS = 2700


@dataclasses.dataclass(frozen=True)
class Count:
    """What one command or stage adds to the last line."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        """Add field by field."""
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        """Render the line that ends a test run."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclasses.dataclass(frozen=True)
class Command:
    """One tool run; with a folder of junit files it counts by cases."""

    name: str
    argv: list[str]
    cwd: Path = CHECKOUT
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    junit: Path | None = None
    seconds: float = COMMAND_SECONDS


def environment() -> dict[str, str]:
    """Return the environment of every tool: ours first in PATH, and no cluster of the caller's."""
    foreign = ("K8S_AUTH_", "KUBE", "MAKE", "MFLAGS", "INVENTORY", "CONTEXT", "LIMIT")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    env["PATH"] = f"{BIN}{os.pathsep}{env['PATH']}"
    env["ANSIBLE_CONFIG"] = str(CHECKOUT / "ansible.cfg")
    if not sys.stdout.isatty():
        env["NO_COLOR"] = "1"
    return env


def place_copy() -> None:
    """Copy both collections to where ansible-test wants them, beside kubernetes.core."""
    copy_collection(COPY, without="hack")
    copy_collection(LOCAL_COPY, LOCAL)
    for copy in (COPY, LOCAL_COPY):
        # A repository of its own: else ansible-test asks the one around it, which ignores all of .build.
        subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
    site_packages = Path(sysconfig.get_path("purelib"))
    core = TREE / "kubernetes" / "core"
    core.parent.mkdir(exist_ok=True)
    core.unlink(missing_ok=True)
    core.symlink_to(site_packages / "ansible_collections" / "kubernetes" / "core", target_is_directory=True)


def path_with_pyenv() -> str:
    """Put pyenv's interpreters before its shims, which stand for versions that are not switched on too."""
    path = environment()["PATH"]
    if not shutil.which("pyenv"):
        return path
    root = Path(subprocess.run(["pyenv", "root"], check=True, capture_output=True, text=True).stdout.strip())
    return os.pathsep.join([str(BIN), *(str(folder) for folder in root.glob("versions/3.*/bin")), path])


def prepare_ansible_test() -> dict[str, str]:
    """Give ansible-test a home in the checkout, with a get-pip that needs no server but PyPI."""
    cache = ANSIBLE_TEST_HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for name in GET_PIP:
        shutil.copyfile(CHECKOUT / "tests" / "tools" / "get_pip.py", cache / name)
    env = {"HOME": str(ANSIBLE_TEST_HOME), "PATH": path_with_pyenv()}
    pip_settings = Path.home() / ".config" / "pip" / "pip.conf"
    if "PIP_CONFIG_FILE" not in os.environ and pip_settings.exists():
        env["PIP_CONFIG_FILE"] = str(pip_settings)
    return env


def pytest(name: str, *arguments: str) -> Command:
    """Run pytest and count by its cases."""
    junit = BUILD / "junit" / name
    return Command(name, ["pytest", *arguments, f"--junitxml={junit / 'pytest.xml'}"], junit=junit)


def lint() -> list[Command]:
    """Return every linter."""
    place_copy()
    collections = {"ANSIBLE_COLLECTIONS_PATH": str(TREE.parent)}
    tool = str(CHECKOUT / "tests" / "tools" / "lint_docs.py")
    docs = [sys.executable, tool, "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=all", "."]
    return [
        Command("ruff check", ["ruff", "check", "."]),
        Command("ruff format", ["ruff", "format", "--check", "."]),
        Command("import-linter", ["lint-imports", "--no-cache"]),
        Command("generated from options", [sys.executable, "tests/tools/generate.py", "--lint"]),
        Command("generated from checks", [sys.executable, "tests/tools/docs.py", "--lint"]),
        Command("yamllint", ["yamllint", "--strict", "."]),
        Command("reuse", ["reuse", "lint", "--quiet"]),
        Command("actionlint", [sys.executable, "tests/tools/actionlint.py"]),
        Command("antsibull-changelog", ["antsibull-changelog", "lint"]),
        Command("antsibull-docs", docs, COPY, collections),
        Command("antsibull-docs localcluster", docs, LOCAL_COPY, collections),
        Command("ansible-lint", ["ansible-lint", "--strict"]),
    ]


def types() -> list[Command]:
    """Return mypy over plugins/, tests/ and all of hack/localcluster, in the copies, where modules have their real names."""
    place_copy()
    folders = [str(folder.relative_to(TREE.parent)) for folder in (COPY / "plugins", COPY / "tests", LOCAL_COPY)]
    settings = ["--config-file", str(COPY / "pyproject.toml"), "--cache-dir", str(BUILD / "mypy")]
    return [Command("mypy", ["mypy", *settings, *folders], TREE.parent)]


def units() -> list[Command]:
    """Return the tests that need no cluster."""
    parallel = ["--numprocesses=auto", "--dist=loadfile"]
    coverage = ["--cov", "--cov-report=term", "--cov-report=xml"]
    folders = ["tests/unit", "tests/contract", "tests/playbooks", "hack/localcluster/tests/unit"]
    return [pytest("units", *parallel, *coverage, *folders)]


def ansible_units() -> list[Command]:
    """Return the tests that need no cluster as ansible-test runs them."""
    place_copy()
    # the compiler's libraries take minutes: both runs share them
    cache = BUILD / "zig"
    cache.mkdir(exist_ok=True)
    (COPY / ".build").mkdir()
    (COPY / ".build" / "zig").symlink_to(cache, target_is_directory=True)
    python = ["--python", f"{sys.version_info[0]}.{sys.version_info[1]}", "--python-interpreter", sys.executable]
    argv = ["ansible-test", "units", "--color", "no", *python]
    junit = COPY / "tests" / "output" / "junit"
    return [Command("ansible-test units", argv, COPY, prepare_ansible_test(), junit, SLOW_SECONDS)]


def sanity() -> list[Command]:
    """Return ansible-test sanity, for every supported Python in PATH."""
    place_copy()
    argv = ["ansible-test", "sanity", "--color", "no", "--junit", *os.environ.get("SANITY_ARGUMENTS", "").split()]
    env = prepare_ansible_test()
    # The local clusters run with the Python of .venv alone.
    own = [*argv, "--python", f"{sys.version_info.major}.{sys.version_info.minor}"]
    return [
        Command("ansible-test sanity", argv, COPY, env, COPY / "tests" / "output" / "junit", SLOW_SECONDS),
        Command(
            "ansible-test sanity localcluster",
            own,
            LOCAL_COPY,
            env,
            LOCAL_COPY / "tests" / "output" / "junit",
            SLOW_SECONDS,
        ),
    ]


def package() -> list[Command]:
    """Return the tests of the built and installed tarball."""
    return [pytest("package", "tests/package")]


def molecule() -> list[Command]:
    """Return one command per scenario; `default` only creates what the others share."""

    def scenarios(collection: Path) -> list[Command]:
        names = sorted(path.parent.name for path in (collection / "extensions" / "molecule").glob("*/molecule.yml"))
        return [
            Command(f"molecule {name}", ["molecule", "test", "--scenario-name", name], collection)
            for name in names
            if name != "default"
        ]

    return [*scenarios(CHECKOUT), *scenarios(LOCAL)]


def test_clusters() -> list[Command]:
    """Return the tests against the local clusters: each has a namespace of its own, and mostly waits."""
    return [pytest("test-clusters", "--numprocesses=2", "--dist=loadfile", "tests/cluster")]


def localcluster() -> list[Command]:
    """Return the tests of the local clusters themselves."""
    return [pytest("localcluster", "hack/localcluster/tests/cluster")]


def slice_of_worlds() -> list[Command]:
    """Return the confusion table of some false worlds of every kind, on a cluster of its own."""
    command = pytest("slice", "--capture=no", "tests/worlds/test_worlds.py")
    return [dataclasses.replace(command, env={"PODSHM_WORLDS": "slice"})]


def slow(name: str) -> Command:
    """Run a file of tests/worlds, whose tables are worth reading."""
    command = pytest(name, "--capture=no", f"tests/worlds/test_{name}.py")
    return dataclasses.replace(command, seconds=SLOW_SECONDS)


def worlds() -> list[Command]:
    """Return the confusion tables: all checks in all false worlds, on clusters of their own."""
    return [slow(name) for name in ("policies", "kubelets", "machine", "worlds")]


def programs() -> list[Command]:
    """Return real programs in good and bad shapes, against what the audit predicts, on a cluster of its own."""
    return [dataclasses.replace(pytest("programs", "--capture=no", "tests/programs"), seconds=SLOW_SECONDS)]


def gvisor() -> list[Command]:
    """Return all checks under gVisor, on a cluster of its own."""
    return [slow("gvisor")]


def v2() -> list[Command]:
    """Return all checks on a node with cgroup v2, on a cluster of its own."""
    return [slow("v2")]


def versions() -> list[Command]:
    """Return all checks on the oldest and on the newest Kubernetes, each on a cluster of its own."""
    return [slow("versions")]


STAGES: dict[str, t.Callable[[], list[Command]]] = {
    "lint": lint,
    "types": types,
    "units": units,
    "ansible-units": ansible_units,
    "sanity": sanity,
    "package": package,
    "molecule": molecule,
    "test-clusters": test_clusters,
    "localcluster": localcluster,
    "slice": slice_of_worlds,
    "worlds": worlds,
    "programs": programs,
    "gvisor": gvisor,
    "v2": v2,
    "versions": versions,
}
#: Only on demand: minutes each, on clusters of their own.
SLOW = ("worlds", "programs", "gvisor", "v2", "versions")
NEED_CLUSTERS = ("package", "molecule", "test-clusters")
#: They only calculate: they run beside those that wait for pods.
BESIDE = ("ansible-units", "sanity")
#: It compares the whole machine before and after: nothing may run beside it.
ALONE = "localcluster"


def cases_of(folder: Path) -> list[ET.Element]:
    """Return the test cases that a tool wrote."""
    return [case for path in sorted(folder.glob("*.xml")) for case in ET.parse(path).getroot().iter("testcase")]


def count_cases(cases: list[ET.Element], succeeded: bool) -> Count:
    """Count the cases; a run that broke, or ran nothing, is a failure too."""
    count = Count()
    for case in cases:
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            count += Count(failed=1)
        elif skip is None:
            count += Count(passed=1)
        elif skip.text != NOTHING_TO_DO:
            count += Count(skipped=1)
    if count.failed == 0 and (not succeeded or count.passed == 0):
        count += Count(failed=1)
    return count


_reporting = threading.Lock()


def report(name: str, cases: list[ET.Element], count: Count, seconds: float, message: str) -> None:
    """Add a suite to JUNIT: the tool's own cases, and one for the tool where they do not tell all."""
    with _reporting:
        _report(name, cases, count, seconds, message)


def _report(name: str, cases: list[ET.Element], count: Count, seconds: float, message: str) -> None:
    root = ET.parse(JUNIT).getroot() if JUNIT.exists() else ET.Element("testsuites")
    suite = ET.SubElement(root, "testsuite", name=name, time=f"{seconds:.1f}")
    suite.extend(cases)
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    if not cases or count.failed > failed:
        case = ET.SubElement(suite, "testcase", classname=name, name=name, time=f"{seconds:.1f}")
        if count.failed:
            ET.SubElement(case, "failure", message=message)
    totals = {"tests": "testcase", "failures": "testcase/failure", "errors": "testcase/error"}
    for key, path in {**totals, "skipped": "testcase/skipped"}.items():
        suite.set(key, str(len(suite.findall(path))))
    JUNIT.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(JUNIT, encoding="utf-8", xml_declaration=True)


def failures() -> list[str]:
    """Say what failed, a line for each cause: whoever sees only the end of a log learns it, too."""
    names: dict[str, list[str]] = {}
    for suite in ET.parse(JUNIT).getroot() if JUNIT.exists() else ():
        for case in suite.iter("testcase"):
            problem = next((each for each in case if each.tag in ("failure", "error")), None)
            if problem is not None:
                cause = " ".join((problem.get("message") or problem.text or "").split())[:CAUSE_LENGTH]
                names.setdefault(f"{suite.get('name')}: {cause}", []).append(case.get("name", ""))
    lines = [
        f"FAILED {cause}: {', '.join(cases[:3])}" + (f" and {len(cases) - 3} more" if len(cases) > 3 else "")
        for cause, cases in names.items()
    ]
    more = len(lines) - CAUSES
    return lines[:CAUSES] + ([f"FAILED for {more} more causes; see {JUNIT}"] if more > 0 else [])


def run_command(command: Command, log: t.TextIO | None = None) -> Count:
    """Run one tool, count it and report it.

    :param log: where its output goes, instead of to that of this process.
    """
    print(f"--- {command.name}", file=log, flush=True)
    began = time.monotonic()
    if command.junit:
        shutil.rmtree(command.junit, ignore_errors=True)
    try:
        code = subprocess.run(
            command.argv,
            cwd=command.cwd,
            env=environment() | command.env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=command.seconds,
            check=False,
        ).returncode
        outcome = f"exit code {code}"
    except subprocess.TimeoutExpired:
        code, outcome = 1, f"stopped after {command.seconds} s"
    except OSError as error:
        code, outcome = 1, f"not started: {error}"
    cases = cases_of(command.junit) if command.junit else []
    count = count_cases(cases, code == 0) if command.junit else Count(passed=int(code == 0), failed=int(code != 0))
    seconds = time.monotonic() - began
    print(f"--- {command.name}: {outcome}, {count}, {seconds:.1f} s", file=log, flush=True)
    report(command.name, cases, count, seconds, outcome)
    return count


class Clusters:
    """The local clusters, started in the background, awaited when first needed."""

    def __init__(self) -> None:
        self.log = BUILD / "log" / "clusters.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._shown = 0
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                ["ansible-playbook", "abcdesktopio.localcluster.clusters"],
                cwd=CHECKOUT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _show(self) -> None:
        """Print what the log gained since last time."""
        with self.log.open("rb") as log:
            log.seek(self._shown)
            sys.stdout.buffer.write(log.read())
            self._shown = log.tell()
        sys.stdout.flush()

    def ready(self) -> bool:
        """Wait until they run, showing the log; False if they could not be started."""
        deadline = time.monotonic() + CLUSTERS_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            self._show()
            try:
                self.process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                continue
        self._show()
        if self.process.poll() is None:
            self.stop()
            print(f"clusters: not ready after {CLUSTERS_SECONDS} s; see {self.log}", flush=True)
        return self.process.returncode == 0

    def stop(self) -> None:
        """End the playbook if it still runs; what it started is the next run's to use or repair."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


def not_run(name: str, message: str, log: t.TextIO | None = None) -> tuple[Count, float]:
    """Say why a stage was not run, or broke, which is a failure."""
    print(f"{name}: {message}", file=log, flush=True)
    report(name, [], Count(failed=1), 0, message)
    return Count(failed=1), 0


def run_stage(name: str, log: t.TextIO | None = None) -> tuple[Count, float]:
    """Run one stage; what it adds, and its seconds."""
    print(f"=== {name}", file=log, flush=True)
    began = time.monotonic()
    commands = STAGES[name]()
    if not commands:
        return not_run(name, "nothing to run", log)
    return sum((run_command(command, log) for command in commands), Count()), time.monotonic() - began


class Beside(threading.Thread):
    """Stages that run when nobody else wants a processor; their output is printed when they are over."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(daemon=True)
        self._names = names
        self._log = BUILD / "log" / "beside.log"
        self._found: dict[str, tuple[Count, float]] = {}

    def run(self) -> None:
        """Run the stages one after the other."""
        # of this thread alone, and of the processes that it starts
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        with self._log.open("w", encoding="utf-8") as log:
            for name in self._names:
                self._found[name] = run_stage(name, log)

    def results(self) -> dict[str, tuple[Count, float]]:
        """Wait for the end, print what the stages printed, and return what each of them adds."""
        self.join()
        print(self._log.read_text("utf-8"), flush=True)
        return {name: self._found.get(name) or not_run(name, "it broke") for name in self._names}


def run_stages(names: list[str], clusters: Clusters | None) -> dict[str, tuple[Count, float]]:
    """Run the stages; those that need the clusters fail when these are not there."""
    waiting = [name for name in names if name in BESIDE] if clusters else []
    beside: Beside | None = None
    found: dict[str, tuple[Count, float]] = {}
    for name in [name for name in names if name not in waiting]:
        if clusters and name in NEED_CLUSTERS:
            if not clusters.ready():
                found[name] = not_run(name, f"not run, the local clusters could not be started; see {clusters.log}")
                continue
            if waiting and not beside:
                beside = Beside(waiting)
                beside.start()
        if beside and name == ALONE:
            beside.join()
        found[name] = run_stage(name)
    if beside:
        found |= beside.results()
    else:
        found |= {name: run_stage(name) for name in waiting}
    return found


def main(names: list[str]) -> int:
    """Run the stages, print a table and the closing line."""
    JUNIT.unlink(missing_ok=True)
    clusters = Clusters() if any(name in NEED_CLUSTERS for name in names) else None
    try:
        found = run_stages(names, clusters)
    finally:
        if clusters:
            clusters.stop()
    total = sum((count for count, _seconds in found.values()), Count())
    rows = [f"{name:14} {found[name][1]:7.1f} s  {found[name][0]}" for name in names]
    print("=== all", *rows, *failures(), total, sep="\n", flush=True)
    SUMMARY.write_text(f"{total}\n", "utf-8")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [stage for stage in STAGES if stage not in SLOW]))
