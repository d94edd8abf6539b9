# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
import yaml

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID, CONTROLS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import meaning
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.meaning import Meaning, Outcome
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Less,
    Marks,
    Need,
    Program,
    Setting,
    Uses,
    Values,
)

SYSCTLS = {
    "kernel_shmmax": 2**63,
    "kernel_shmall": 2**52,
    "kernel_shmmni": 4096,
    "kernel_sem": "32000 1024000 500 32000",
}


def check(check_id: str, verdict: str = "PASS", **change: t.Any) -> dict[str, t.Any]:
    return {"id": check_id, "verdict": verdict, "reason": "", "observed": "", "evidence": {}, **change}


def sized(
    size: int, verdict: str = "PASS", written: int | None = None, stopped: str = "ENOSPC", **change: t.Any
) -> t.Any:
    fill = {"written_bytes": size if written is None else written, "stopped_by": stopped}
    evidence = {
        "who_first": {"step": "identity", "facts": {"exists": True, "size_bytes": size}},
        "fill": {"step": "fill", "facts": fill},
    }
    return check("SHM301", verdict, evidence=evidence, **change)


def sysctls(**values: t.Any) -> t.Any:
    return check("SHM601", evidence={"sysctls": {"step": "sysctls", "facts": {**SYSCTLS, **values}}})


def run(*changed: dict[str, t.Any], without: str = "") -> dict[str, dict[str, t.Any]]:
    """A run of every check, all PASS beside those that are changed."""
    checks = {one: check(one) for one in (*BY_ID, *(control.id for control in CONTROLS))}
    checks |= {"SHM301": sized(64 * MIB), "SHM601": sysctls()}
    checks |= {one["id"]: one for one in changed}
    return {name: one for name, one in checks.items() if name not in without.split()}


def said(program: Program, *changed: dict[str, t.Any], without: str = "") -> Meaning:
    (found,) = meaning.meanings(meaning.Results(run(*changed, without=without).values()), [program])
    return found


def amount(mebibytes: int) -> t.Any:
    return lambda _values: Amount.of(("for it", mebibytes * MIB))


def program(*needs: Need, **change: t.Any) -> Program:
    return Program("p", "P", Marks(), needs, **change)


def shm(least: int, busy: int | None = None, **change: t.Any) -> Program:
    return program(Need(Uses.DEV_SHM, "it", amount(least), None if busy is None else amount(busy), **change))


UNSIZED = program(Need(Uses.DEV_SHM, "it"))
POSTGRESQL = next(one for one in PROGRAMS if one.name == "postgresql")


# ---------------------------------------------------------------------------------------- the size of /dev/shm


@pytest.mark.parametrize(
    ("needs", "outcome", "size"),
    [
        (shm(64), Outcome.WORKS, None),
        (shm(65), Outcome.VOLUME, 128 * MIB),
        (shm(10, 65), Outcome.LOAD, 128 * MIB),
        (shm(200, 600), Outcome.VOLUME, 1024 * MIB),
        (UNSIZED, Outcome.OPEN, None),
        (program(Need(Uses.DEV_SHM, "it"), Need(Uses.DEV_SHM, "it", amount(65))), Outcome.VOLUME, 128 * MIB),
        # they add up
        (program(Need(Uses.DEV_SHM, "a", amount(40)), Need(Uses.DEV_SHM, "b", amount(40))), Outcome.VOLUME, 128 * MIB),
        # one that depends on what the pod does not show
        (program(Need(Uses.DEV_SHM, "it", lambda _values: None)), Outcome.OPEN, None),
        (shm(65, less=Less.ADAPTS), Outcome.WORKS, None),
        (program(), Outcome.NOTHING, None),
    ],
)
def test_what_a_size_means(needs: Program, outcome: Outcome, size: int | None) -> None:
    found = said(needs)
    assert (found.outcome, found.size_bytes) == (outcome, size)


def test_the_size_is_the_one_that_was_measured() -> None:
    assert said(shm(65), sized(128 * MIB)).outcome is Outcome.WORKS
    assert said(shm(40), sized(32 * MIB)).outcome is Outcome.VOLUME
    assert said(
        shm(1), check("SHM301", "FAIL", evidence={"a": {"step": "identity", "facts": {"exists": False}}})
    ) == Meaning("p", "P", Outcome.VOLUME, 128 * MIB, "1Mi for it", (), ("SHM301", "SHM303"), "none")


def test_a_size_that_was_not_filled_to_its_end_is_not_known_beyond_what_was_written() -> None:
    larger = sized(1024 * MIB, "FAIL", written=65 * MIB, stopped="max")
    assert said(shm(65), larger).outcome is Outcome.WORKS
    assert said(shm(66), larger).outcome is Outcome.UNKNOWN
    assert said(shm(66), larger).because == ("SHM301 FAIL",)
    assert said(shm(1025), larger).outcome is Outcome.VOLUME
    assert said(shm(66), larger).default == "65Mi to 1Gi"


def test_a_folder_on_the_disk_is_no_memory() -> None:
    disk = sized(50 * 1024 * MIB, "FAIL", written=65 * MIB, stopped="max")
    disk["evidence"]["who_first"]["facts"]["mount_fs"] = "ext4"
    found = said(shm(1), disk)
    assert (found.outcome, found.default) == (Outcome.VOLUME, "none")


def test_a_size_that_is_not_real_is_none() -> None:
    liar = sized(64 * MIB, "FAIL", written=0, stopped="EDQUOT")
    assert said(shm(10), liar).outcome is Outcome.UNKNOWN
    assert said(shm(65), liar).outcome is Outcome.VOLUME


def test_a_fail_that_is_accepted_does_not_hold_all_the_same() -> None:
    accepted = check("SHM303", "WARN", observed="64Mi; accepted: the runtime is old")
    found = said(shm(65), accepted)
    assert (found.outcome, found.because) == (Outcome.FAILS, ("SHM303 FAIL, accepted",))
    assert said(shm(65), check("SHM303", "WARN", observed="not filled")).outcome is Outcome.VOLUME


@pytest.mark.parametrize(
    ("needs", "volume", "outcome"),
    [
        (shm(65), "FAIL", Outcome.FAILS),
        (shm(65, less=Less.DEGRADES), "FAIL", Outcome.PART),
        # it has enough as long as few use it
        (shm(10, 65), "FAIL", Outcome.PART),
        (shm(10), "FAIL", Outcome.WORKS),
        (UNSIZED, "FAIL", Outcome.UNKNOWN),
        (shm(65), "ERROR", Outcome.UNKNOWN),
        (shm(65), "SKIP", Outcome.UNKNOWN),
    ],
)
def test_a_volume_that_does_not_hold_is_no_help(needs: Program, volume: str, outcome: Outcome) -> None:
    found = said(needs, check("SHM303", volume, reason="" if volume == "FAIL" else "Timeout"))
    assert found.outcome is outcome
    assert not found.manifest
    words = {"FAIL": "SHM303 FAIL"}.get(volume, f"SHM303 {volume} Timeout")
    assert found.because == (() if outcome is Outcome.WORKS else (words,))


def test_what_was_not_selected_is_not_measured() -> None:
    found = said(shm(1), without="SHM301 SHM303")
    assert (found.outcome, found.because) == (Outcome.NOT_MEASURED, ("SHM301", "SHM303"))
    assert said(shm(65), without="SHM303").outcome is Outcome.NOT_MEASURED
    assert said(shm(1), without="SHM303").outcome is Outcome.WORKS
    assert said(shm(1), check("SHM301", "ERROR", reason="Timeout")).because == ("SHM301 ERROR Timeout",)


def test_containers_that_share_by_dev_shm_need_it_to_be_one() -> None:
    across = program(Need(Uses.DEV_SHM, "it", amount(1), across=True))
    assert said(across).outcome is Outcome.WORKS
    # each has a default of its own, and a volume mends that
    assert said(across, check("SHM201", "FAIL")).outcome is Outcome.VOLUME
    found = said(across, check("SHM201", "FAIL"), check("SHM401", "FAIL"))
    assert (found.outcome, found.because) == (Outcome.FAILS, ("SHM401 FAIL between containers",))
    assert said(shm(1), check("SHM201", "FAIL")).outcome is Outcome.WORKS


def test_other_settings_and_other_programs_can_need_more() -> None:
    setting = Setting("s", 0)
    sometimes = Need(Uses.DEV_SHM, "it", when=lambda values: values["s"] > 0)
    assert said(program(sometimes, settings=(setting,))).outcome is Outcome.OPEN
    # what no newer release needs does not count
    old = Need(Uses.DEV_SHM, "it", amount(999), until=(2,))
    assert said(program(old)).outcome is Outcome.WORKS
    assert said(program(Need(Uses.DEV_SHM, "it", amount(1)), is_library=True)).outcome is Outcome.OPEN


# -------------------------------------------------------------------------------------------- other mechanisms


@pytest.mark.parametrize(
    ("uses", "alone", "across"),
    [
        (Uses.SYSV_SHM, "SHM901", "SHM101"),
        (Uses.SYSV_SEM, "SHM904", "SHM103"),
        (Uses.SYSV_MSG, "SHM906", "SHM104"),
        (Uses.POSIX_MQ, "SHM912", "SHM203"),
        (Uses.MEMFD, "SHM316", "SHM217"),
        (Uses.HUGE_PAGES, "SHM221", "SHM221"),
    ],
)
def test_each_mechanism_leans_on_its_checks(uses: Uses, alone: str, across: str) -> None:
    for is_across, one in ((False, alone), (True, across)):
        needs = program(Need(uses, "it", across=is_across))
        assert said(needs).leans == (one,)
        # a check that crosses containers shows more than its control
        other = across if one != across else ""
        failed = said(needs, check(one, "FAIL"), without=other)
        between = " between containers" if one in meaning._BETWEEN else ""
        assert (failed.outcome, failed.because) == (Outcome.FAILS, (f"{one} FAIL{between}",))
        undecided = said(needs, check(one, "ERROR", reason="Timeout"), without=other)
        assert (undecided.outcome, undecided.because) == (Outcome.UNKNOWN, (f"{one} ERROR Timeout",))


def test_one_container_alone_does_not_need_what_crosses() -> None:
    assert said(POSTGRESQL, check("SHM101", "FAIL")).outcome is Outcome.LOAD
    x11 = next(one for one in PROGRAMS if one.name == "x11")
    assert said(x11, check("SHM101", "FAIL")).outcome is Outcome.PART


def test_a_control_that_is_not_decided_leaves_it_to_the_check() -> None:
    needs = program(Need(Uses.SYSV_SHM, "it"))
    assert said(needs, check("SHM901", "ERROR", reason="Timeout")).outcome is Outcome.WORKS
    assert said(needs, without="SHM901").outcome is Outcome.WORKS
    # what does not cross says nothing of one container
    alone = said(needs, check("SHM101", "FAIL"), without="SHM901")
    assert (alone.outcome, alone.because) == (Outcome.UNKNOWN, ("SHM101 FAIL between containers",))
    found = said(needs, without="SHM901 SHM101")
    assert (found.outcome, found.because) == (Outcome.NOT_MEASURED, ("SHM101",))


def test_sysctls_are_compared_with_those_of_a_pod() -> None:
    needs = program(Need(Uses.SYSV_SEM, "it"), sysctls={"kernel.sem": (250, 256000, 32, 1024)})
    assert said(needs).outcome is Outcome.WORKS
    found = said(needs, sysctls(kernel_sem="250 32000 32 128"))
    assert found.outcome is Outcome.FAILS
    assert found.because == ("SHM601 kernel.sem semmns 32000 < 256000", "SHM601 kernel.sem semmni 128 < 1024")
    # the verdict is about other programs
    failed = {**sysctls(), "verdict": "FAIL"}
    assert said(needs, failed).outcome is Outcome.WORKS
    assert said(needs, sysctls(kernel_sem=None)).outcome is Outcome.UNKNOWN
    assert said(needs, without="SHM601").outcome is Outcome.NOT_MEASURED


def test_what_shares_with_the_node_needs_host_ipc() -> None:
    needs = program(Need(Uses.SYSV_SEM, "it"), across_pods=True)
    assert said(needs).outcome is Outcome.HOST
    assert said(needs, check("SHM503", "SKIP", reason="AdmissionDenied")).outcome is Outcome.UNKNOWN


# ------------------------------------------------------------------------------------------------ all programs


def test_every_check_that_something_leans_on_exists() -> None:
    known = {*BY_ID, *(control.id for control in CONTROLS)}
    found = meaning.meanings(meaning.Results(run().values()), PROGRAMS)
    leans = {one for each in found for one in each.leans}
    assert leans <= known
    # every program with needs leans on something, or has another way
    assert {each.name for each in found if not each.leans and each.outcome is not Outcome.NOTHING} == {
        "dora",
        "joblib",
        "opensearch",
    }


def test_a_pass_of_everything_does_not_read_as_if_postgresql_worked() -> None:
    found = said(POSTGRESQL)
    assert (found.outcome, found.size_bytes) == (Outcome.LOAD, 256 * MIB)
    assert found.words() == (
        "PostgreSQL: needs a volume on /dev/shm of at least 256Mi under load (SHM301, SHM303, SHM601, SHM901); "
        f"/dev/shm by default: 64Mi; it takes {found.computation}"
    )
    spec = yaml.safe_load(found.manifest)["spec"]
    assert spec["volumes"] == [{"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}}]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "dshm", "mountPath": "/dev/shm"}]


def test_no_program_is_said_to_work_where_nothing_was_decided() -> None:
    undecided = [check(one, "ERROR", reason="Timeout") for one in run()]
    results = meaning.Results(undecided)
    assert not results.has_decided
    outcomes = {one.name: one.outcome for one in meaning.meanings(results, PROGRAMS)}
    adapts = {"dora", "joblib", "opensearch"}
    assert {name for name, outcome in outcomes.items() if outcome is Outcome.WORKS} == adapts


def test_two_programs_of_one_title_are_told_apart() -> None:
    titles = [one.title for one in meaning.meanings(meaning.Results(()), PROGRAMS)]
    assert len(set(titles)) == len(titles)


def test_programs_are_named() -> None:
    assert [one.name for one in meaning.named(["postgresql", "postgresql"], PROGRAMS)] == ["postgresql"]
    assert meaning.named([], PROGRAMS) == list(PROGRAMS)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("postgres", "did you mean postgresql?"),
        ("PostgreSQL", "did you mean postgresql?"),
        ("Java", "did you mean jvm?"),
        ("qqqqqq", "docs/adding-a-program.md lists them"),
    ],
)
def test_a_name_that_is_none_is_an_error(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"^there is no program '{name}'; {hint.replace('?', '.')}$"):
        meaning.named([name], PROGRAMS)


def test_values_are_those_that_nobody_set() -> None:
    assert Values({"a": 1})["a"] == 1
