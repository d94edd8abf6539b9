# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every check is shown to fail: the tables of the false worlds (tests/worlds) leave none out. And their runtimes start."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys

import local
import oci
import pytest
import test_checks
import test_gvisor
import test_kubelets
import test_machine
import test_policies
import test_v2
import test_worlds
from oci import EVERYTHING, UNCHANGED
from table import Table, expect, honest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Reason

#: The worst that it comes to.
NEVER_FAILS = {"SHM320": "WARN", "SHM605": "WARN"}

#: Table -> world -> what it must change, and what is pinned where nothing lies.
TABLES = {
    "worlds": (test_worlds.HONEST, test_worlds.EXPECTED),
    "policies": (test_policies.HONEST, test_policies.EXPECTED),
    "kubelets": (test_kubelets.HONEST, test_kubelets.EXPECTED),
    "v2": (test_v2.HONEST, test_v2.EXPECTED),
    "gvisor": (test_gvisor.HONEST, test_gvisor.EXPECTED),
    "machine": (test_machine.HONEST, test_machine.EXPECTED),
    "checks": (honest(), {"a kubelet that does harm": test_checks.HARM}),
}


@pytest.mark.parametrize("check", BY_ID)
def test_a_world_turns_it_red(check: str) -> None:
    verdicts = {expected.get(check) for _honest, worlds in TABLES.values() for expected in worlds.values()}
    assert NEVER_FAILS.get(check, "FAIL") in verdicts


@pytest.mark.parametrize("check", BY_ID)
def test_a_table_shows_it_green(check: str) -> None:
    shown = {pinned[check] for pinned, _worlds in TABLES.values()}
    shown |= {expected.get(check, "") for _honest, worlds in TABLES.values() for expected in worlds.values()}
    # a kubelet that is restarted: tests/cluster/test_checks.py
    assert "PASS" in shown or check == "SHM403"


@pytest.mark.parametrize("table", TABLES)
def test_worlds_name_checks_and_reasons_that_exist(table: str) -> None:
    reasons = {reason.value for reason in Reason}
    pinned, worlds = TABLES[table]
    assert pinned.keys() == BY_ID.keys()
    for expected in (pinned, *worlds.values()):
        assert expected.keys() - {EVERYTHING} <= BY_ID.keys()
        for verdict, _blank, reason in (text.partition(" ") for text in expected.values()):
            assert verdict in ("PASS", "FAIL", "WARN", "SKIP", "ERROR") or (
                verdict == UNCHANGED and EVERYTHING in expected
            )
            assert (reason in reasons) if verdict == "SKIP" else not reason


@pytest.mark.parametrize("table", TABLES)
def test_worlds_name_only_what_changes(table: str) -> None:
    pinned, worlds = TABLES[table]
    unchanged = {
        (world, check)
        for world, expected in worlds.items()
        for check, verdict in expected.items()
        if check != EVERYTHING and pinned[check] == verdict
    }
    # where the limits of this machine are large
    assert unchanged <= {("large-rlimits", "SHM608")}


# ------------------------------------------------------------------------------------------------- the table


def row(check: str, verdict: str, reason: str = "") -> dict[str, str]:
    return {"id": check, "verdict": verdict, "reason": reason, "observed": "seen"}


def filled(world: str, **others: str) -> Table:
    """A table whose answers are those of the honest world, except some."""
    worlds = {"w": expect(FAIL="SHM101", ERROR=EVERYTHING, UNCHANGED="SHM105 SHM218"), "x": expect(FAIL="SHM101")}
    table = Table(honest(), worlds)
    for check, text in {**honest(), **others}.items():
        table.add(world, row(check, *text.split()))
    return table


def test_the_honest_world_as_it_is_pinned() -> None:
    assert filled("").wrong("") == {}


@pytest.mark.parametrize(
    ("check", "text"),
    [("SHM101", "SKIP Unsupported"), ("SHM101", "WARN"), ("SHM403", "SKIP Unsupported"), ("SHM318", "PASS")],
)
def test_the_honest_world_with_another_verdict_or_reason(check: str, text: str) -> None:
    assert filled("", **{check: text}).wrong("").keys() == {check}


def test_a_check_that_is_missing_in_the_honest_world() -> None:
    table = filled("")
    del table.checks[""]["SHM101"]
    assert table.wrong("").keys() == {"SHM101"}


def test_a_world_without_effect_is_wrong_in_what_it_names() -> None:
    assert filled("x").wrong("x").keys() == {"SHM101"}
    assert filled("x", SHM101="FAIL").wrong("x") == {}
    assert filled("x", SHM101="FAIL", SHM102="FAIL").wrong("x").keys() == {"SHM102"}


def test_everything_is_all_that_is_not_skipped_or_a_dry_run() -> None:
    wanted = filled("w").wanted("w")
    assert (wanted["SHM101"], wanted["SHM102"], wanted["SHM318"]) == ("FAIL", "ERROR", "ERROR")
    assert (wanted["SHM403"], wanted["SHM607"]) == ("SKIP NotRequested", "PASS")
    assert (wanted["SHM105"], wanted["SHM218"]) == ("PASS", "WARN")


def test_a_check_has_one_verdict_in_a_world() -> None:
    with pytest.raises(ValueError, match="SHM101 is expected to be FAIL and ERROR"):
        expect(FAIL="SHM101", ERROR="SHM102 SHM101")


# ---------------------------------------------------------------------------------------------- the runtimes


@pytest.mark.parametrize("name", oci.WORLDS)
def test_a_world_says_what_it_does(name: str) -> None:
    assert oci.WORLDS[name].text.endswith(".")


def test_the_slice_has_worlds_of_every_kind() -> None:
    assert len(test_worlds.chosen("slice")) >= 12
    assert {oci.WORLDS[name].changes for name in test_worlds.SLICE} >= {
        oci.CONTAINER,
        oci.PROCESS,
        oci.OUTPUT,
        oci.UPDATE,
    }
    verdicts = {verdict for name in test_worlds.SLICE for verdict in test_worlds.EXPECTED[name].values()}
    assert {verdict.partition(" ")[0] for verdict in verdicts} >= {"FAIL", "ERROR", "WARN", "SKIP", "PASS"}


def test_worlds_that_do_not_exist_are_not_chosen() -> None:
    with pytest.raises(ValueError, match="there is no world no-such"):
        test_worlds.chosen("own-ipc,no-such")


RUNC = """#!/bin/sh
case " $* " in *" state "*) printf '{"annotations": {"io.kubernetes.cri.container-name": "guest"}}'; exit;; esac
echo "$@" >>"$CALLS"
printf 'said'
"""


def lie(folder: pathlib.Path, world: str, *words: str) -> str:
    """Call the runtime of a world as containerd does, before a runc that only notes its words; what it says."""
    (wrapper,) = local.liars(folder, [world]).values()
    (folder / "bin").mkdir()
    runc = folder / "bin" / "runc"
    runc.write_text(RUNC)
    runc.chmod(0o755)
    # nothing of this process's environment, and from a folder that holds nothing
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "CALLS": str(folder / "calls")}
    command = [wrapper, "--root", str(folder / "oci" / "root"), *words, "id"]
    done = subprocess.run(command, env=environment, cwd=folder / "bin", capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def edited(file: pathlib.Path, content: object, folder: pathlib.Path, world: str, *words: str) -> object:
    file.write_text(json.dumps(content))
    lie(folder, world, *words)
    found: object = json.loads(file.read_text())
    return found


def config(name: str) -> dict[str, object]:
    namespaces = [{"type": "ipc", "path": "/proc/1/ns/ipc"}]
    return {"annotations": {"io.kubernetes.cri.container-name": name}, "linux": {"namespaces": namespaces}}


@pytest.mark.parametrize(("name", "changes"), [("one-sided", True), ("first", False)])
def test_a_container_is_edited_before_it_is_created(tmp_path: pathlib.Path, name: str, changes: bool) -> None:
    words = ("create", "--bundle", str(tmp_path))
    found = edited(tmp_path / "config.json", config(name), tmp_path, "some-own-ipc", *words)
    assert (found != config(name)) == changes
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"--root {tmp_path}/oci/root create --bundle {tmp_path} id"
    ]


@pytest.mark.parametrize(("world", "has_it"), [("guest-ipc-owner", True), ("root-ipc-owner", False)])
def test_what_is_execd_is_edited_in_the_containers_of_a_world(tmp_path: pathlib.Path, world: str, has_it: bool) -> None:
    process = tmp_path / "process.json"
    found = edited(process, {"capabilities": {"bounding": []}}, tmp_path, world, "exec", "--process", str(process))
    given = {part: ["CAP_IPC_OWNER"] for part in ("bounding", "permitted", "inheritable", "effective", "ambient")}
    assert found == {"capabilities": given if has_it else {"bounding": []}}


def test_the_first_container_of_a_cluster_gets_a_folder(tmp_path: pathlib.Path) -> None:
    shm = {"destination": "/dev/shm", "type": "bind", "source": "/run/shm", "options": ["rbind", "ro"]}
    words = ("create", "--bundle", str(tmp_path))
    edited(tmp_path / "config.json", {**config("first"), "mounts": [shm]}, tmp_path, "disk-shm", *words)
    mounts = json.loads((tmp_path / "config.json").read_text())["mounts"]
    assert pathlib.Path(mounts[0]["source"]).stat().st_mode & 0o7777 == 0o1777


def test_the_output_is_changed_on_its_way(tmp_path: pathlib.Path) -> None:
    assert lie(tmp_path, "doubled-output", "exec") == "saidsaid"


def test_a_command_that_a_world_is_not_about_is_runcs(tmp_path: pathlib.Path) -> None:
    assert lie(tmp_path, "doubled-output", "kill") == "said"


def test_a_resize_that_does_nothing(tmp_path: pathlib.Path) -> None:
    assert lie(tmp_path, "never-resized", "update") == ""
    assert not (tmp_path / "calls").exists()


def test_a_runtime_needs_nothing_but_its_file(tmp_path: pathlib.Path) -> None:
    script = shutil.copy(oci.__file__, tmp_path)
    command = [str(pathlib.Path(sys.executable).resolve()), "-S", "-I", script, "own-ipc", "state"]
    done = subprocess.run(command, env={"PATH": "/nowhere"}, cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "there is no runc in PATH\n")


# ---------------------------------------------------------------------------------------------- the cgroups

V1 = """9:name=systemd:/
4:cpu,memory:/kubepods/pod1/one
0::/somewhere
"""


def test_the_memory_cgroup_of_a_process() -> None:
    assert oci.memory_cgroup_of(V1) == "/kubepods/pod1/one"
    assert oci.memory_cgroup_of("0::/kubepods/pod1/one\n") == "/kubepods/pod1/one"


@pytest.mark.parametrize(
    ("controllers", "below", "file", "unlimited"),
    [
        (False, "memory/pods/pod1", "memory.limit_in_bytes", "9223372036854771712"),
        (True, "pods/pod1", "memory.max", "max"),
    ],
)
def test_the_memory_of_a_pod_is_limited_on_both_layouts(
    tmp_path: pathlib.Path, controllers: bool, below: str, file: str, unlimited: str
) -> None:
    if controllers:
        (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    group = oci.memory_cgroup("/pods/pod1/one", tmp_path).parent
    assert group == tmp_path / below
    # a pod without a cgroup of its own, as that of a sandbox that is only being created
    oci.limit_memory(group, 48)
    group.mkdir(parents=True)
    for before, after in ((unlimited, "48"), ("64", "48"), ("32", "32")):
        (group / file).write_text(f"{before}\n")
        oci.limit_memory(group, 48)
        assert (group / file).read_text().strip() == after
