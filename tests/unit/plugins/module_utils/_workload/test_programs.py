# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each program's file has to hold."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import CHECKS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import recognise, signs
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs import all as all_programs
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Less,
    Program,
    Setting,
    Sign,
    Uses,
    Values,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.rules import KERNEL_DEFAULTS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.shape import shape

#: Sources of this kind are no ground for a FAIL.
GUESSED: t.Final = "general knowledge"


def values(program: Program, memory_bytes: int | None = 8192 * MIB, gpus: int = 2) -> Values:
    """The defaults of a program, on two GPUs, so that what depends on them is tried."""
    return Values({setting.name: setting.default for setting in program.settings}, {}, memory_bytes, gpus)


def patterns(program: Program) -> t.Iterator[str]:
    marks = program.marks
    yield from (marks.images, marks.unless, marks.command, marks.unless_command, marks.env, marks.own_env)
    yield from (marks.containers, marks.version)
    yield from (setting.args for setting in program.settings)
    yield from (one.pattern for one in program.workarounds)
    yield from (one.pattern for one in program.signs)


def test_names_are_unique_and_fit_annotations() -> None:
    names = [program.name for program in PROGRAMS]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []


def test_there_is_no_file_that_all_leaves_out() -> None:
    files = {path.stem for path in Path(all_programs.__file__).parent.glob("*.py")} - {"all", "__init__"}
    assert {name for name in vars(all_programs) if name in files} == files
    assert len([program for program in PROGRAMS if program.needs]) >= 35


def check_patterns(program: Program) -> None:
    for pattern in patterns(program):
        re.compile(pattern)


def check_that_marks_match_no_common_text(program: Program) -> None:
    marks = program.marks
    assert marks.images or marks.command or marks.own_env or (marks.env and marks.ports)
    for pattern in filter(None, (marks.images, marks.env, marks.own_env)):
        assert [word for word in ("", "app", "server", "PATH", "debian") if re.fullmatch(pattern, word)] == []
    for pattern in filter(None, (marks.command, marks.unless_command)):
        lines = ("", "/app/server --port 80", "sh -c sleep 3600", "python3 main.py", "node index.js")
        assert [line for line in lines if re.search(pattern, line, re.IGNORECASE)] == []


def check_that_marks_are_whole(program: Program) -> None:
    marks = program.marks
    assert not marks.env or marks.ports, "variables decide only with a port, or as own_env"
    assert bool(marks.labels) == bool(marks.containers), "labels decide only with the name of a container"
    assert not marks.unless or marks.images


def check_settings(program: Program) -> None:
    names = [setting.name for setting in program.settings]
    assert len(names) == len(set(names))
    for setting in program.settings:
        assert setting.args or setting.env or setting.image, f"no pod can show {setting.name}"
        assert not setting.args or re.compile(setting.args).groups == 1, f"{setting.name}: its one group is the value"
        assert setting.default >= 0


def check_sizes(program: Program) -> None:
    """The defaults are tried on two GPUs with 8 GiB."""
    shown = values(program)
    for need in program.needs:
        assert need.when(shown) in (True, False)
        for formula in filter(None, (need.size, need.busy)):
            amount = formula(shown)
            assert amount is None or all(term.words and term.size_bytes >= 0 for term in amount.terms)
        if need.busy:
            assert need.size is not None, f"{need.words}: busy counts only beside a size: take no_least"
            least, busy = need.size(shown), need.busy(shown)
            assert least is not None
            assert busy is not None
            assert least.size_bytes < busy.size_bytes, f"{need.words}: no more under load than at least"


def check_that_needs_say_what_happens(program: Program) -> None:
    for need in program.needs:
        assert need.words
        if need.uses is Uses.DEV_SHM and (need.size or need.less is not Less.FAILS):
            assert need.symptom, f"{need.words}: what does it do with less?"
        assert not (need.size and need.less is Less.ADAPTS), "sizes add up: what adapts must not enlarge what fails"


def check_releases(program: Program) -> None:
    for need in program.needs:
        assert all(number >= 0 for number in (*need.since, *need.until))
        assert not need.until or need.since < need.until
        assert program.marks.version or not (need.since or need.until), "no tag shows the release"


def check_that_a_pod_without_sysctls_has_enough(program: Program) -> None:
    for name, least in program.sysctls.items():
        assert len(least) == len(KERNEL_DEFAULTS[name])
        assert all(want <= has for want, has in zip(least, KERNEL_DEFAULTS[name], strict=True)), (
            f"{name}: every pod that sets none would FAIL"
        )


def check_that_guesses_give_no_fail(program: Program) -> None:
    if any(source.startswith(GUESSED) for source in program.sources):
        assert not program.sysctls
        assert not program.one_pid_namespace
        assert [need.words for need in program.needs if need.size and need.less is Less.FAILS] == []


def check_knobs(program: Program) -> None:
    for knob in program.knobs:
        assert knob.labels or knob.kinds, f"{knob.owner}: nothing shows that it owns a pod"
        assert knob.words
        if knob.set:
            assert isinstance(yaml.safe_load(knob.set.format(size="1Gi")), dict)


def check_words(program: Program) -> None:
    for sign in program.signs:
        check_sign(sign)
    for one in program.workarounds:
        assert one.words
        assert one.costs
        assert one.fix


def check_sign(sign: Sign) -> None:
    assert sign.cause
    assert sign.fix
    assert not sign.cause.endswith(".")
    assert not sign.fix.endswith(".")
    assert set(sign.checks) <= {check.id for check in CHECKS}
    assert set(re.compile(sign.pattern).groupindex) <= {"bytes"}
    assert not re.search(sign.pattern, "", re.IGNORECASE)


def check_sources(program: Program) -> None:
    assert program.sources or not program.needs
    for source in program.sources:
        assert source.startswith(("https://", "measured: ", GUESSED))


#: All that a file has to hold.
CHECKED: t.Final = (
    check_patterns,
    check_that_marks_match_no_common_text,
    check_that_marks_are_whole,
    check_settings,
    check_sizes,
    check_that_needs_say_what_happens,
    check_releases,
    check_that_a_pod_without_sysctls_has_enough,
    check_that_guesses_give_no_fail,
    check_knobs,
    check_words,
    check_sources,
)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_file_holds_what_it_has_to(program: Program) -> None:
    for check in CHECKED:
        check(program)


def test_general_signs_say_what_to_do() -> None:
    for sign in signs.GENERAL:
        check_sign(sign)


# ------------------------------------------------------------------------------ where a pod shows a setting

_BY_NAME: t.Final = {program.name: program for program in PROGRAMS}


@pytest.mark.parametrize(
    ("name", "command", "env", "setting", "value"),
    [
        ("postgresql", "postgres -c work_mem=64MB", {}, "work_mem", 64 * MIB),
        ("postgresql", "postgres --work-mem='1GB'", {}, "work_mem", 1024 * MIB),
        ("postgresql", "postgres -c hash_mem_multiplier=1.5", {}, "hash_mem_percent", 150),
        ("postgresql", "postgres -c dynamic_shared_memory_type=mmap", {}, "dynamic_shared_memory_in_dev_shm", 0),
        ("postgresql", "postgres -c min_dynamic_shared_memory=512", {}, "min_dynamic_shared_memory", 512 * MIB),
        ("vllm", "vllm serve x --tensor-parallel-size 4", {}, "tensor_parallel_size", 4),
        ("vllm", "vllm serve x --tensor_parallel_size=8", {}, "tensor_parallel_size", 8),
        ("vllm", "vllm serve x -tp 2", {}, "tensor_parallel_size", 2),
        ("vllm", "vllm serve x", {"VLLM_MQ_MAX_CHUNK_BYTES_MB": "1"}, "chunk_mib", 1),
        ("sglang", "sglang serve x --tp-size 8", {}, "tp", 8),
        ("text_generation_inference", "", {"NUM_SHARD": "4"}, "num_shard", 4),
        ("chromium", "chrome --disable-dev-shm-usage", {}, "disable_dev_shm_usage", 1),
        ("chromium", "chrome", {"SE_BROWSER_ARGS_DISABLE_DSHM": "false"}, "disable_dev_shm_usage", 0),
        ("aeron", "java -Daeron.ipc.term.buffer.length=1m x", {}, "ipc_term", MIB),
        ("aeron", "java x", {"JAVA_TOOL_OPTIONS": "-Xmx1g -Daeron.term.buffer.length=64k"}, "term", 65536),
        ("aeron", "java x", {"AERON_TERM_BUFFER_LENGTH": "1048576"}, "term", MIB),
        ("aeron", "java x", {"JAVA_TOOL_OPTIONS": "-Xmx1g"}, "term", 16 * MIB),
        ("aeron", "aeronmd", {"AERON_DIR": "/tmp/aeron-x"}, "dir_in_dev_shm", 0),
        ("aeron", "aeronmd", {"AERON_DIR": "/dev/shm/aeron-x"}, "dir_in_dev_shm", 1),
        ("jvm", "java -XX:AllocateHeapAt=/dev/shm -Xmx256m x", {}, "heap", 256 * MIB),
        ("jvm", "java -jar x", {"JAVA_OPTS": "-Xmx2g -XX:+UseLargePages"}, "large_pages", 1),
        ("jvm", "java -XX:-UseLargePages x", {}, "large_pages", 0),
        ("jvm", "java x", {"JAVA_OPTS": "$BASE_OPTS"}, "large_pages", 0),
        ("jvm", "java x", {"JAVA_OPTS": "none"}, "large_pages", 0),
        ("jvm", "java x", {"JAVA_OPTS": "$BASE_OPTS -XX:+UseLargePages"}, "large_pages", 1),
        ("aeron", "java x", {"JAVA_OPTS": "$BASE_OPTS"}, "dir_in_dev_shm", 1),
        ("ray", "ray start --object-store-memory=1000000000", {}, "object_store_memory", 10**9),
        ("ray", "ray start --plasma-directory=/mnt/x", {}, "plasma_directory_elsewhere", 1),
        ("pytorch", "torchrun t.py --num_workers=8 --batch-size 64", {}, "num_workers", 8),
        ("pytorch", "python train.py", {}, "trains", 0),
        ("python_multiprocessing", "m.SharedMemory(create=True,size=100<<20)", {}, "shared_memory", 100 * MIB),
        ("prometheus_client", "", {"PROMETHEUS_MULTIPROC_DIR": "/tmp/prom"}, "in_dev_shm", 0),
        ("prometheus_client", "", {"PROMETHEUS_MULTIPROC_DIR": "/dev/shm/prom"}, "in_dev_shm", 1),
        (
            "gitlab",
            "",
            {"GITLAB_OMNIBUS_CONFIG": "puma['prometheus_multiproc_dir'] = '/run/x'"},
            "metrics_elsewhere",
            1,
        ),
        ("ros2", "ros2 run a b", {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, "fastdds", 0),
        ("ros2", "ros2 run a b", {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}, "shm_transport", 0),
        (
            "triton",
            "tritonserver --backend-config=python,shm-default-byte-size=2097152",
            {},
            "shm_default_byte_size",
            2 * MIB,
        ),
        (
            "qemu",
            "qemu-system-x86_64 -object memory-backend-file,id=m,size=256M,mem-path=/dev/shm",
            {},
            "size",
            256 * MIB,
        ),
        ("zabbix_server", "", {"ZBX_CACHESIZE": "128M"}, "CACHESIZE", 128 * MIB),
        ("oracle", "sqlplus alter system set memory_target=2G", {}, "memory_target", 2048 * MIB),
        ("gstreamer", "gst-launch-1.0 x ! shmsink shm-size=134217728", {}, "shm_size", 128 * MIB),
        ("openmpi", "mpirun --oversubscribe -np 24 ./a", {}, "ranks", 24),
        ("nccl", "x", {"NCCL_SHM_DISABLE": "1"}, "nccl_shm_disable", 1),
        ("dpdk", "dpdk-testpmd --no-huge -m 64", {}, "no_huge", 1),
        ("iceoryx", "iox-roudi -c /etc/roudi.toml", {}, "configured", 1),
    ],
)
def test_where_a_pod_shows_a_setting(name: str, command: str, env: dict[str, str], setting: str, value: int) -> None:
    container = {
        "name": "app",
        "image": "x",
        "command": command.split(),
        "env": [{"name": key, "value": text} for key, text in env.items()],
    }
    pod = shape({}, {"containers": [container]})
    assert recognise.values(_BY_NAME[name], pod.containers[0])[setting] == value


@pytest.mark.parametrize(
    "text", ["", "many", "-1", "64 MB of it", "$(SIZE)", "inf", "1e999", "9" * 30, "1<<9999999999"]
)
def test_a_setting_that_cannot_be_read_counts_as_its_default(text: str) -> None:
    for program in PROGRAMS:
        for setting in program.settings:
            assert _read(setting, text) >= 0


def _read(setting: Setting, text: str) -> int:
    try:
        return setting.read(text)
    except ValueError:
        return setting.default


# ------------------------------------------------------------------------------ the page


def _example() -> Program:
    page = (Path(__file__).parents[5] / "docs" / "adding-a-program.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    names: dict[str, t.Any] = {}
    exec(code, names)
    found = names["PROGRAM"]
    assert isinstance(found, Program)
    return found


def test_the_example_of_the_page_is_complete() -> None:
    for check in CHECKED:
        check(_example())


@pytest.mark.parametrize(
    ("reference", "command", "wanted"),
    [
        ("team/frameserver:v2.4", ["--max-clients=8"], ["frames"]),
        ("team/frameserver:v3.0", [], []),
        ("debian", ["/usr/sbin/frameserverd", "--frame-size", "6m"], []),
        ("team/frameserver-exporter:1", [], None),
        ("debian", ["echo", "frameserverd"], None),
    ],
)
def test_the_example_of_the_page_is_recognised(reference: str, command: list[str], wanted: list[str] | None) -> None:
    pod = shape({}, {"containers": [{"name": "app", "image": reference, "args": command}]})
    found = recognise.recognised(pod, pod.containers[0], [_example()])
    needs = [need.words for run in found for need in run.needs() if need.uses is Uses.DEV_SHM]
    assert (needs if found else None) == wanted
