# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each sign of a program, and each general one, is found in a line as programs write it; and in no ordinary one."""

from __future__ import annotations

import re
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import signs
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS

#: Program ("" for a general sign) -> lines, each of another sign.
LINES: t.Final[dict[str, tuple[str, ...]]] = {
    "postgresql": (
        'ERROR:  could not resize shared memory segment "/PostgreSQL.95411088" to 16777216 bytes: No space left on device',
        'ERROR:  could not resize shared memory segment "/PostgreSQL.95411088" to 67128704 bytes: No space left on device',
        'FATAL:  could not open shared memory segment "/PostgreSQL.1804289383": No such file or directory',
        "FATAL:  could not create semaphores: No space left on device",
        "FATAL:  could not create shared memory segment: Invalid argument",
        "FATAL:  pre-existing shared memory block (key 5432001, ID 0) is still in use",
        "FATAL:  could not map anonymous shared memory: Cannot allocate memory",
        "LOG:  server process (PID 77) was terminated by signal 7: Bus error",
        "LOG:  server process (PID 77) was terminated by signal 9: Killed",
        "ActiveRecord::StatementInvalid (PG::DiskFull: ERROR:  could not extend)",
    ),
    "aeron": (
        (
            "io.aeron.exceptions.RegistrationException: ERROR - insufficient usable storage for new log of length=201330688 "
            "usable=58716160 in /dev/shm (tmpfs), errorCodeValue=12"
        ),
        "WARNING: space is running low: threshold=167772160 usable=58716160 in /dev/shm (tmpfs)",
    ),
    "aerospike": ("WARNING (xmem): You can increase shared memory size by: sysctl -w kernel.shmmax=1073741824",),
    "apache": (
        "[core:emerg] (28)No space left on device: AH00023: Couldn't create the mpm-accept mutex",
        "[core:crit] AH00004: Unable to create or access scoreboard (anonymous shared memory failure)",
    ),
    "chromium": (
        "selenium.common.exceptions.WebDriverException: session deleted because of page crash from tab crashed",
        "Error: Protocol error (Runtime.callFunctionOn): Target closed",
        (
            "WARNING:discardable_shared_memory_manager.cc(197)] Less than 64MB of free space in temporary directory for shared "
            "memory files: 63"
        ),
        "[77:77:1126/040000.000:FATAL:memory.cc(22)] Out of memory. size=262144",
        "This is frequently caused by incorrect permissions on /dev/shm.  Try 'sudo chmod 1777 /dev/shm' to fix.",
    ),
    "corosync": ("couldn't allocate file /dev/shm/qb-7-8-9-aBcDeF/qb-event: No space left on device (28)",),
    "dpdk": ("EAL: No free 2048 kB hugepages reported on node 0",),
    "envoy": (
        "panic: cannot open shared memory region /envoy_shared_memory_0 check user permissions. Error: File exists",
        "panic: cannot open shared memory region /envoy_shared_memory_0 check user permissions. Error: Permission denied",
    ),
    "frigate": (
        "frigate.app WARNING : The current SHM size of 63.0MB is too small, recommend increasing it to at least 120.5MB.",
    ),
    "firefox": ("Gah. Your tab just crashed.",),
    "gitlab": (
        "writing value to /dev/shm/gitlab/puma/gauge_all_puma_master-0.db failed with unmapped file",
        "/opt/gitlab/embedded/lib/entry_parser.rb:16: [BUG] Bus Error at 0x00007f",
    ),
    "iceoryx": (
        (
            "While setting the acquired shared memory to zero a fatal SIGBUS signal appeared caused by memset. The shared memory "
            "object with the following properties [ name = root, sizeInBytes = 149264720, access mode = AccessMode::READ_WRITE ]"
        ),
        "2026-11-26 08:42:56.633 [ Error ]: ICEORYX error! POSH__SHM_APP_MAPP_ERR",
    ),
    "ibm_mq": ("AMQ6119S: An internal IBM MQ error has occurred (shmget: EINVAL)",),
    "db2": ("SQL1220N  The database manager failed to allocate shared memory.",),
    "informix": ("oninit: Fatal error in shared memory creation",),
    "jax": (
        "Detected multiple GPUs but /dev/shm size is only 64.0 MB. Use: --shm-size=64g",
        "WARNING: Your shm is currenly less than 1GB. This may cause SIGBUS errors.",
    ),
    "jibri": ("/dev/shm must be at least 2GB in size",),
    "jvm": (
        "Error in mapping Java heap at the given filesystem directory. error(28)",
        "java.lang.InternalError: a fault occurred in a recent unsafe memory access operation in compiled Java code",
        "[gc] Not enough space available on the backing filesystem to hold the current max Java heap",
    ),
    "lightllm": ("WARNING Insufficient shared memory (SHM) available. Required: 30.5G, Available: 0.06G",),
    "lmcache": ("RuntimeError: CUDA error in cudaIpcOpenMemHandle: invalid argument",),
    "mpich": ("YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Bus error (signal 7)",),
    "nccl": (
        (
            "misc/shmutils.cc:87 NCCL WARN Error: failed to extend /dev/shm/nccl-WU88OE to 9637892 bytes, error: No space left "
            "on device (28)"
        ),
        "NCCL WARN Error while creating shared memory segment /dev/shm/nccl-WU88OE (size 9637888), error: No space left (28)",
        "NCCL WARN Call to posix_fallocate failed : No space left on device",
        "NCCL WARN Error while attaching to shared memory segment /dev/shm/nccl-Xq0eXa (size 9637888), No such file",
        "NCCL WARN unlink shared memory /dev/shm/nccl-Xq0eXa failed, error: No such file or directory",
        "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1275, unhandled system error (run with ...",
    ),
    "opensearch": ("java.io.IOException: /dev/shm/performanceanalyzer/1: No space left on device",),
    "openmpi": (
        "It appears as if there is not enough space for /dev/shm/osc_sm.vm.7f800001.0.3 (the shared-memory backing",
        "  Space Requested: 134222088 B",
    ),
    "oracle": (
        "ORA-00845: MEMORY_TARGET not supported on this system",
        "ORA-27104: system-defined limits for shared memory was misconfigured",
        "ORA-27125: unable to create shared memory segment",
        'ORA-04035: unable to allocate 4096 bytes of shared memory in shared object cache "JOXSHM" of size "134217728"',
        "ERROR: Low free space [65536] in /dev/shm. Need at least 4GB space. Exiting.",
    ),
    "pulseaudio": ("E: [pulseaudio] shm.c: shm_open() failed: No such file or directory",),
    "python_multiprocessing": (
        "resource_tracker: There appear to be 1 leaked shared_memory objects to clean up at shutdown",
        "FileNotFoundError: [Errno 2] No such file or directory: '/psm_3c7e0f29'",
        "OSError: [Errno 28] No space left on device in multiprocessing/synchronize.py SemLock",
        "multiprocessing/synchronize.py SemLock: OSError: [Errno 30] Read-only file system",
        "sl = self._semlock = _multiprocessing.SemLock( FileNotFoundError: [Errno 2] No such file or directory",
        '  File "/usr/lib/python3.11/multiprocessing/synchronize.py", line 57, in __init__',
    ),
    "pytorch": (
        "RuntimeError: DataLoader worker (pid 125) is killed by signal: Bus error. It is possible that dataloader's workers",
        "RuntimeError: DataLoader worker (pid 125) is killed by signal: Killed.",
        "RuntimeError: DataLoader worker (pid(s) 26263) exited unexpectedly",
        "RuntimeError: unable to allocate shared memory(shm) for file </torch_26263_1_2>: No space left on device (28)",
        "RuntimeError: unable to open shared memory object </torch_1_2> in read-write mode: Too many open files (24)",
        "RuntimeError: unable to write to file </torch_1394_2747491098>",
        "RuntimeError: unable to mmap 1024 bytes from file </torch_29003_2>: Cannot allocate memory (12)",
        "RuntimeError: unable to open shared memory object </torch_1_2> in read-write mode: No such file or directory (2)",
    ),
    "qemu": (
        "qemu-system-x86_64: unable to map backing store for guest RAM: Cannot allocate memory",
        "error: kvm run failed Bad address",
    ),
    "ray": (
        "WARNING: The object store is using /tmp/ray instead of /dev/shm because /dev/shm has only 67108864 bytes available.",
        "ValueError: The configured object store size (12.58 GB) exceeds /dev/shm size (0.067108864 GB).",
        (
            "System memory request exceeds memory available in /dev/shm. The request is for 10200547328 bytes, and the amount "
            "available is 9663676416 bytes."
        ),
    ),
    "ros2": ("[RTPS_TRANSPORT_SHM Error] Failed init_port fastrtps_port7413: open_and_lock_file failed",),
    "rti_connext": ("NDDS_Transport_Shmem_create:failed to initialize shared memory resource segment for key 0x4",),
    "sglang": ("scheduler died during initialization (exit code: -7). If you see an OOM before it",),
    "triton": (
        (
            "Internal: Unable to initialize shared memory key 'triton_python_backend_shm_region_3' to requested size (67108864 "
            "bytes)."
        ),
        "Failed to increase the shared memory pool size to 134217728 bytes. If you are running Triton inside docker",
        "Unable to open shared memory region: '/input_simple'",
        "Stub process 'model_0' is not healthy.",
    ),
    "ucx": (
        "mm_posix.c:88 UCX ERROR Not enough memory to write total of 4208440835 bytes. Please check that /dev/shm or the",
        "UCX ERROR Failed to allocate memory pool (name=mm_recv_desc) chunk: Out of memory",
        "UCX ERROR mm ep failed to connect to remote FIFO id 0xc00000: Shared memory error",
        "UCX ERROR shmget(size=134221824 flags=0x7b0) for mm_recv_desc failed: No space left on device, please check shared",
        "UCX ERROR shmget(size=2097152) failed: please check for CAP_IPC_LOCK privilege for using SHM_HUGETLB",
        "Caught signal 7 (Bus error: nonexistent physical address)",
    ),
    "vllm": (
        "RuntimeError: Insufficient space in /dev/shm: 160 MiB required, 64 MiB free. Increase /dev/shm (e.g. --shm-size",
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.",
    ),
    "x11": (
        "X Error of failed request:  BadAccess, Major opcode 130 (MIT-SHM), Minor opcode 1 (X_ShmAttach)",
        "x11perf: failed to attach shared memory",
        "Gdk: shmget failed: error 28 (No space left on device)",
    ),
    "zabbix_agent": (
        "cannot allocate shared memory of size 219056: [22] Invalid argument",
        "zabbix_agentd [7]: cannot create locks: cannot allocate shared memory for locks",
        "zabbix_agentd [7]: cannot initialize collector: cannot allocate shared memory for collector",
        "cannot create Semaphore: [28] No space left on device",
    ),
    "": (
        'Usage of EmptyDir volume "dshm" exceeds the limit "1Gi".',
        'forbidden sysctl: "kernel.shmmax" not allowlisted',
        'pods "a" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostIPC=true)',
        'pods "a" is forbidden: violates PodSecurity "baseline:latest": hostPath volumes (volume "shm")',
        'The Pod "a" is invalid: spec.volumes[0].emptyDir.sizeLimit: Invalid value: "-1"',
        "StartError: failed to create containerd task: runc create failed: container init was killed: signal: killed",
        "runc create failed: unable to start container process: container init was OOM-killed (memory limit too low?)",
        "Last State: Terminated, Reason: OOMKilled, Exit Code: 137",
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 12Mi.",
        "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.",
        "ImportError: /dev/shm/a.so: failed to map segment from shared object: Operation not permitted",
        "SIGBUS received; this is most likely due to filling up the filesystem where cache resides.",
        "dd: error writing '/dev/shm/x': No space left on device",
        "Error: ENOSPC: no space left on device, write '/dev/shm/x'",
        'ftruncate of the ring: Os { code: 28, kind: StorageFull, message: "No space left on device" }',
        "ring of 2 GiB is larger than the 64 MiB of /dev/shm: not enough, run with --shm-size",
        "shmget: Cannot allocate memory",
        "shmat(3): Permission denied",
        "semget(0x51): No such file or directory",
        "shmget(IPC_PRIVATE, 4096, 0600) failed: Function not implemented",
        "shm_open(/ring): Too many open files",
        "FileNotFoundError: [Errno 2] No such file or directory: '/dev/shm/ring'",
        "touch: cannot touch '/dev/shm/x': Read-only file system",
        "shm_open /dev/shm/x: Permission denied",
        "shmget(key=5432001, size=40, 03600): Invalid argument",
        "PHP Warning:  sem_get(): failed for key 0x61000000: No space left on device in index.php",
        "sem_open: No such file or directory",
        "mq_open: Too many open files",
        "[rank0] failed (exitcode: -7) local_rank: 0 (pid: 54) of binary: /usr/bin/python3",
        "semget(IPC_PRIVATE, 17): No space left on device",
        "/entrypoint.sh: line 7:    17 Bus error               (core dumped) ./app",
    ),
}

#: What looks like it, or is ordinary: nothing is to be said.
NOTHING: t.Final = (
    "ERROR:  out of shared memory",
    "HINT:  You might need to increase max_locks_per_transaction.",
    "RESOURCE_EXHAUSTED: Shared memory size limit exceeded: requested 73728, available: 65536",
    "triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 147456",
    'ngx_slab_alloc() failed: no memory in upstream zone "backend"',
    "could not allocate new session in SSL session shared cache",
    "failed to create inotify watcher: No space left on device",
    "No available shared memory broadcast block found in 60 seconds.",
    "Zend OPcache: Unable to reattach to base address of shared memory",
    'ERROR:  could not extend file "base/5/1": No space left on device',
    "java.io.IOException: No space left on device",
    "Killed",
    "exited with code 1",
    "exit code: 1350",
    "exit code 0 after 135 s",
    "listening on port 7, signal 15 received",
    "shared_buffers = 128MB",
    "GET /dev/shm/x 200",
    "Error while creating shared memory segment /dev/shm/nccl-a (size 9637888), Cuda failure 1 'invalid argument'",
    "NCCL INFO Channel 00 : 0[0] -> 1[1] via SHM/direct/direct",
    "opened /dev/shm/aeron-app/cnc.dat",
    "tmpfs  65536  0  65536  0% /dev/shm",
    "fallocate: fallocate failed: Text file busy",
    "shm_open(/ring) = 3",
    "semget(0x51, 1, 0600) = 4",
    "[Errno 2] No such file or directory: '/data/x'",
)


def _sign(line: str) -> signs.Match | None:
    found = signs.matches(line, PROGRAMS)
    assert len(found) < 2
    return found[0] if found else None


_BY_NAME: t.Final = {program.name: program for program in PROGRAMS}


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in LINES.items() for line in lines], ids=lambda value: value[:40]
)
def test_a_line_is_the_sign_of_its_program(name: str, line: str) -> None:
    match = _sign(line)
    assert match is not None
    assert match.program == (_BY_NAME[name].title if name else "")


def test_no_pattern_takes_long_for_a_long_line() -> None:
    """Where two repetitions can take the same characters, a line of 4,000 takes minutes."""
    every = [sign.pattern for program in PROGRAMS for sign in program.signs] + [sign.pattern for sign in signs.GENERAL]
    assert [pattern for pattern in every if re.search(r"\\[Sw][*+]\??\.[*+]", pattern)] == []


def test_every_sign_has_a_line() -> None:
    seen = {match.sign.pattern for lines in LINES.values() for line in lines if (match := _sign(line))}
    every = [sign for program in PROGRAMS for sign in program.signs] + list(signs.GENERAL)
    assert {sign.pattern for sign in every} - seen == set()


@pytest.mark.parametrize("line", NOTHING)
def test_an_ordinary_line_says_nothing(line: str) -> None:
    assert _sign(line) is None


@pytest.mark.parametrize(
    ("line", "size"),
    [
        (LINES["postgresql"][0], 16777216),
        (LINES["postgresql"][1], 67128704),
        (LINES["aeron"][0], 201330688),
        (LINES["iceoryx"][0], 149264720),
        (LINES["nccl"][0], 9637892),
        (LINES["ray"][2], 10200547328),
        (LINES["zabbix_agent"][0], 219056),
        (LINES["openmpi"][1], 134222088),
    ],
)
def test_what_was_missing_is_read_from_the_line(line: str, size: int) -> None:
    match = _sign(line)
    assert match is not None
    assert match.size_bytes == size


_CHROME: t.Final = (
    "platform_shared_memory_region_posix.cc(214)] Creating shared memory in /dev/shm/.org.chromium.a failed: "
)
_FULL: t.Final = "/dev/shm is full"


@pytest.mark.parametrize(
    ("line", "is_full"),
    [
        (f"{_CHROME}No space left on device (28)", True),
        (f"{_CHROME}Too many open files (24)", False),
        (f"{_CHROME}Permission denied (13)", False),
        (
            "NCCL WARN Error: failed to extend /dev/shm/nccl-a to 9637892 bytes, error: No space left on device (28)",
            True,
        ),
        (
            "NCCL WARN Error: failed to extend /dev/shm/nccl-a to 9637892 bytes, error: Cannot allocate memory (12)",
            False,
        ),
        (
            "NCCL WARN Error while creating shared memory segment nccl-a (size 9637888), error: Too many open files",
            False,
        ),
        ("RuntimeError: unable to write to file </torch_1_2>: No space left on device (28)", True),
        (
            "RuntimeError: unable to open shared memory object </torch_1> in read-write mode: Permission denied (13)",
            False,
        ),
        (
            "Unable to initialize shared memory key 'region' to requested size (67108864 bytes): Permission denied",
            False,
        ),
        ("RuntimeError: unable to mmap 1024 bytes from file </torch_29003_2>: Cannot allocate memory (12)", False),
    ],
)
def test_a_folder_is_full_only_where_no_other_error_is_named(line: str, is_full: bool) -> None:
    match = _sign(line)
    assert (match is not None and match.sign.cause == _FULL) == is_full


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("exitcode  : -7 (pid: 34)", "a process died by SIGBUS"),
        ("Task exited with return code -7", "a process died by SIGBUS"),
        ("      Exit Code:    135", "a mapped file could not grow"),
        ("exitCode: 135", "a mapped file could not grow"),
        ("      Exit Code:    137", "the memory limit is reached"),
        ("Container killed on request. Exit code is 137", "the memory limit is reached"),
        ("pq: could not resize shared memory segment. No space left on device", "/dev/shm is full"),
        ("E: shm.c: shm_open() failed: Permission denied", "another user has created the file"),
        (f"{_CHROME}Too many open files (24)", "the process has too many files open"),
    ],
)
def test_words_that_differ_a_little_mean_the_same(line: str, cause: str) -> None:
    match = _sign(line)
    assert match is not None
    assert match.sign.cause.startswith(cause)
