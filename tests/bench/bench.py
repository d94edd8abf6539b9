# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare site.yml with plain kubernetes.core tasks and with the floor, on one running cluster: `make bench`.

All runs are made in turn (a b c d a b c d ...), so that what else the machine does falls on all of them; ratios are
taken turn by turn. The first turn warms caches and is not counted. What each one includes:

a  ansible-playbook playbooks/site.yml: the six basic checks, asserted and reported, everything removed and looked after.
b  ansible-playbook plain.yml: the same questions by kubernetes.core tasks, asserted, everything removed.
c  floor.py: one process, one pod without the probe created, seen running, deleted and seen gone. No check at all.
d  a's one call of the module shm_check, started directly: what is left of a without Ansible.
e  as a, with every check of the catalog.

Wall seconds are from start to end of the process. CPU seconds are user and system time of the process and of all that it
started on this machine as a client; the cluster's own processes are not in it.
Exit code: 0 if every run passed its checks, however long it took; 1 if not.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
BUILD = CHECKOUT / ".build" / "bench"
PYTHON = CHECKOUT / ".venv" / "bin" / "python"
PLAYBOOK = PYTHON.with_name("ansible-playbook")
SHM_CHECK = "ansible_collections.abcdesktopio.podshm.plugins.modules.shm_check"
CHECKS = {"SHM101", "SHM102", "SHM201", "SHM301", "SHM302", "SHM303"}
RUN_SECONDS = 600
#: What a is meant to reach, and the whole catalog of e on one node and one runtime; only reported.
TARGET_WALL, TARGET_CPU = 5.0, 3.0
TARGET_ALL = 10.0


class NotPassedError(Exception):
    """A run did not pass its checks; what it took means nothing."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """What one run took, in seconds; C(module) is the part of a that its report claims."""

    wall: float
    cpu: float
    module: float = 0.0


@dataclasses.dataclass(frozen=True)
class Subject:
    """One way to do it; C(verify) is given the output of a run that exited 0 and returns the module's own seconds."""

    key: str
    title: str
    argv: tuple[str, ...]
    verify: t.Callable[[str], float]


def six_passed(checks: t.Iterable[t.Mapping[str, t.Any]]) -> None:
    """All six and nothing but PASS.

    :raises NotPassedError: something else.
    """
    verdicts = {str(check["id"]): str(check["verdict"]) for check in checks}
    if verdicts != dict.fromkeys(CHECKS, "PASS"):
        raise NotPassedError(f"the verdicts are {verdicts}")


def verify_report(path: Path) -> float:
    """The report of site.yml: six times PASS; how long the module says that its run took."""
    report = json.loads(path.read_text(encoding="utf-8"))
    six_passed(report["checks"])
    return float(report["run"]["duration"])


def verify_module(output: str) -> float:
    """The answer of the module: six times PASS; how long it says that its run took."""
    answer = json.loads(output)
    six_passed(answer["checks"])
    return float(answer["run"]["duration"])


def subjects(cluster: str, kubeconfig: str) -> tuple[Subject, ...]:
    """What is compared, in the order of a turn."""
    playbook = (str(PLAYBOOK), "-i", str(CHECKOUT / "inventories" / "local.yml"))
    limit = ("--limit", cluster)
    reports = BUILD / "reports"
    options = {"cluster": cluster, "kubeconfig": kubeconfig, "context": cluster, "checks": ["basic"]}
    arguments = BUILD / "shm_check.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}), encoding="utf-8")

    def site(*checks: str) -> tuple[str, ...]:
        # without the variable, all
        chosen = {"podshm_checks": checks} if checks else {}
        extra = json.dumps({"podshm_reports": str(reports), **chosen})
        return (*playbook, str(CHECKOUT / "playbooks" / "site.yml"), *limit, "-e", extra)

    def verify_site(output: str) -> float:
        return verify_report(reports / f"{cluster}.json")

    def verify_all(output: str) -> float:
        report = json.loads((reports / f"{cluster}.json").read_text(encoding="utf-8"))
        verdicts = {check["id"]: check["verdict"] for check in report["checks"]}
        if len(verdicts) <= len(CHECKS) or not set(verdicts.values()) <= {"PASS", "SKIP", "WARN"}:
            raise NotPassedError(f"the verdicts are {verdicts}")
        return float(report["run"]["duration"])

    def exited(output: str) -> float:
        return 0.0

    return (
        Subject("a", "site.yml, six checks", site("basic"), verify_site),
        Subject("b", "plain kubernetes.core tasks", (*playbook, str(HERE / "plain.yml"), *limit), exited),
        Subject("c", "floor: one pod", (str(PYTHON), str(HERE / "floor.py"), kubeconfig, cluster), exited),
        Subject("d", "module of a, no Ansible", (str(PYTHON), "-m", SHM_CHECK, str(arguments)), verify_module),
        Subject("e", "site.yml, whole catalog", site(), verify_all),
    )


def environment() -> dict[str, str]:
    """Ours, without what would point the runs at another cluster or change what they print."""
    foreign = ("ANSIBLE_", "K8S_AUTH_", "KUBE")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**env, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "NO_COLOR": "1"}


def cpu_of_children() -> float:
    """User and system time of all processes waited for so far, theirs included."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(subject: Subject) -> Sample:
    """Run it once.

    :raises NotPassedError: it failed or took longer than RUN_SECONDS; its output is quoted.
    """
    cpu, began = cpu_of_children(), time.monotonic()
    try:
        done = subprocess.run(
            subject.argv,
            cwd=CHECKOUT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotPassedError(f"{subject.key} ({subject.title}) did not end within {RUN_SECONDS} s") from None
    wall, cpu = time.monotonic() - began, cpu_of_children() - cpu
    try:
        if done.returncode:
            raise NotPassedError(f"exit code {done.returncode}")
        return Sample(wall, cpu, subject.verify(done.stdout))
    except (NotPassedError, OSError, ValueError, LookupError) as error:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise NotPassedError(f"{tail}\n{subject.key} ({subject.title}) did not pass its checks: {error}") from None


def spread(values: t.Sequence[float]) -> str:
    """Least, median and greatest."""
    return "".join(f"{value:8.2f}" for value in (min(values), statistics.median(values), max(values)))


def ratio(ones: t.Sequence[Sample], others: t.Sequence[Sample], field: str) -> float:
    """The median of one by the other, turn by turn."""
    return statistics.median(
        float(getattr(one, field)) / float(getattr(other, field)) for one, other in zip(ones, others, strict=True)
    )


def against(value: float, target: float) -> str:
    """A figure and what it should have been."""
    return f"{value:.2f} s, target {target:g} s: {'met' if value <= target else 'missed'}"


def table(samples: t.Mapping[str, t.Sequence[Sample]], titles: t.Mapping[str, str]) -> list[str]:
    """The result for people."""
    lines = [
        f"{'':31}{'wall s':>8}{'':16}{'CPU s':>8}",
        f"{'':31}" + f"{'min':>8}{'median':>8}{'max':>8}" * 2,
        *(
            f"{key}  {titles[key]:<28}{spread([one.wall for one in runs])}{spread([one.cpu for one in runs])}"
            for key, runs in samples.items()
        ),
        "",
        "ratio, median over the turns      wall     CPU",
    ]
    a = samples["a"]
    for one, other in (("a", "b"), ("b", "a"), ("a", "c"), ("a", "d")):
        wall, cpu = (ratio(samples[one], samples[other], field) for field in ("wall", "cpu"))
        lines.append(f"{one}/{other}{wall:>35.2f}{cpu:>8.2f}")
    module = statistics.median(run.module for run in a)
    ansible = statistics.median(run.wall - run.module for run in a)
    extra = statistics.median(run.cpu - alone.cpu for run, alone in zip(a, samples["d"], strict=True))
    wall, cpu = (statistics.median(getattr(run, field) for run in a) for field in ("wall", "cpu"))
    return [
        *lines,
        "",
        f"of a's wall time the module's run is {module:.2f} s, Ansible and the start of the module {ansible:.2f} s",
        f"of a's CPU time Ansible is {extra:.2f} s (a - d)",
        f"a, median: wall {against(wall, TARGET_WALL)}; CPU {against(cpu, TARGET_CPU)}",
        f"e, median: the module's run {against(statistics.median(run.module for run in samples['e']), TARGET_ALL)}",
    ]


def circumstances(cluster: str, rounds: int) -> str:
    """What else one must know to compare with another day."""
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("ansible-core", "kubernetes"))
    python = ".".join(str(number) for number in sys.version_info[:3])
    return (
        f"cluster {cluster}, {rounds} rounds in turn after one to warm up; {os.cpu_count()} CPUs, "
        f"Python {python}, {packages}"
    )


def profile(cluster: str, kubeconfig: str, site: Subject) -> None:
    """Print where the time of a goes: the module's imports, its run, and the controller.

    :raises NotPassedError: a run failed.
    """
    stages = (
        ("the module: imports, ms by package", (str(PYTHON), "-X", "importtime", "-c", f"import {SHM_CHECK}")),
        ("the module: its run", (str(PYTHON), str(HERE / "trace.py"), kubeconfig, cluster)),
        (
            "the controller, without its workers, by own time",
            (str(PYTHON), "-m", "cProfile", "-s", "tottime", *site.argv),
        ),
    )
    for title, argv in stages:
        done = subprocess.run(
            argv, cwd=CHECKOUT, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NotPassedError(f"{done.stdout}{done.stderr}\n{title}: exit code {done.returncode}")
        print(f"\n== {title}")
        if "importtime" in argv:
            print(*by_package(done.stderr.splitlines()), sep="\n")
        elif "cProfile" in argv:
            text = done.stdout[done.stdout.index("function calls") :]
            print(*[line for line in text.splitlines() if line.strip()][1:22], sep="\n")
        else:
            print(done.stdout, end="")


def by_package(lines: t.Iterable[str], most: int = 15) -> list[str]:
    """What Python's C(-X importtime) tells, added up by top package: the greatest first."""
    packages: dict[str, int] = {}
    for line in lines:
        head, _bar, rest = line.partition(":")
        columns = rest.split("|")
        if head == "import time" and len(columns) == 3 and columns[0].strip().isdigit():
            package = columns[2].strip().split(".")[0]
            packages[package] = packages.get(package, 0) + int(columns[0])
    greatest = sorted(packages.items(), key=lambda item: -item[1])[:most]
    return [f"{'all':<24}{sum(packages.values()) / 1000:8.1f}"] + [
        f"{name:<24}{microseconds / 1000:8.1f}" for name, microseconds in greatest
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--cluster", default="alpha", help="a local cluster that runs (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="counted turns (default: %(default)s)")
    parser.add_argument("--profile", action="store_true", help="show where the time of a goes instead of comparing")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    kubeconfig = f"/var/lib/podshm/{options.cluster}/kubeconfig"
    if not os.path.exists(kubeconfig):
        parser.error(f"there is no {kubeconfig}; start the cluster with make clusters")
    BUILD.mkdir(parents=True, exist_ok=True)
    ways = subjects(options.cluster, kubeconfig)
    print(f"bench: {circumstances(options.cluster, options.rounds)}", flush=True)
    try:
        if options.profile:
            profile(options.cluster, kubeconfig, ways[0])
            return 0
        load = os.getloadavg()[0]
        samples: dict[str, list[Sample]] = {way.key: [] for way in ways}
        for turn in range(options.rounds + 1):
            for way in ways:
                sample = measure(way)
                name = f"round {turn}" if turn else "warm-up"
                print(f"{name}: {way.key} {sample.wall:6.2f} s wall {sample.cpu:6.2f} s CPU", flush=True)
                if turn:
                    samples[way.key].append(sample)
    except NotPassedError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"load of the machine (1 min): {load:.1f} before, {os.getloadavg()[0]:.1f} after\n")
    print(*table(samples, {way.key: way.title for way in ways}), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
