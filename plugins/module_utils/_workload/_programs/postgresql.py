# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""PostgreSQL, and what runs it."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import KIB, MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Formula,
    Knob,
    Marks,
    Need,
    Program,
    Setting,
    Sign,
    Sure,
    Uses,
    Values,
    Workaround,
    bytes_in,
    rounded_text,
    runs,
)


def _option(name: str) -> str:
    """Finds a setting in the command line, as the server takes it: V(-c name=value), V(--name=value)."""
    return rf"(?:-c\s*|--){name.replace('_', '[-_]')}\s*=\s*[\"']?([^\s\"',]+)"


_memory = bytes_in(KIB)

#: hash_mem_multiplier in hundredths, where the pod does not show it: 1.0 up to 14, 2.0 since.
_OLD_PERCENT: t.Final = 100
_PERCENT: t.Final = 200


def _hundredths(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,9})?", text):
        raise ValueError(f"not a factor: {text[:20]!r}")
    return round(float(text) * 100)


def _hash_mem(values: Values, percent: int) -> int:
    return values["work_mem"] * (values["hash_mem_percent"] or percent) // 100


def _join(percent: int) -> Formula:
    """One parallel hash join or aggregate."""

    def amount(values: Values) -> Amount:
        processes = values["max_parallel_workers_per_gather"] + 1
        each = _hash_mem(values, percent)
        words = f"for a parallel join ({processes} processes x work_mem x hash_mem_multiplier {rounded_text(each)})"
        return Amount.of(("at rest", 2 * MIB), (words, processes * each))

    return amount


def _joins(percent: int) -> Formula:
    """As many as all workers can run; segments grow in doubling steps, so that twice the sum can be reserved."""

    def amount(values: Values) -> Amount:
        processes = values["max_parallel_workers_per_gather"] + 1
        at_once = max(1, values["max_parallel_workers"] // max(1, values["max_parallel_workers_per_gather"]))
        each = _hash_mem(values, percent)
        words = (
            f"for {at_once} parallel joins at a time (twice {processes} processes x work_mem x hash_mem_multiplier "
            f"{rounded_text(each)})"
        )
        return Amount.of(("at rest", 16 * MIB), (words, 2 * at_once * processes * each))

    return amount


def _vacuum(values: Values) -> Amount:
    """Dead tuples of a VACUUM with parallel workers (13 to 16): one segment of maintenance_work_mem and a header."""
    return Amount.of(("for VACUUM (maintenance_work_mem)", values["maintenance_work_mem"] + 64 * KIB))


def _in_dev_shm(values: Values) -> bool:
    return values["dynamic_shared_memory_in_dev_shm"] == 1 and values["min_dynamic_shared_memory"] == 0


def _joins_in_parallel(values: Values) -> bool:
    return _in_dev_shm(values) and values["max_parallel_workers_per_gather"] > 0


_SYMPTOM: t.Final = "statements fail with SQLSTATE 53100, No space left on device; the server lives"

PROGRAM: t.Final = Program(
    name="postgresql",
    title="PostgreSQL",
    marks=Marks(
        images=r"postgres(ql)?(-(repmgr|ha|\d.*))?|spilo(-\d+)?|postgis|timescaledb(-(ha|postgis))?"
        r"|crunchy-postgres(-(ha|gis.*))?|percona-(distribution-)?postgresql|pgvector|citus|edb-postgres-(advanced|extended).*"
        r"|enterprisedb|harbor-db|pgautoupgrade|cybertec-pg-container",
        unless=r".*(exporter|client|backup).*|pgbouncer.*|pgadmin.*|pgbackrest.*|pgpool.*|postgres-operator.*|postgrest.*",
        command=runs(
            r"postgres(?!\s+(--version|--help|(?-i:-V|-C))\b)|postmaster|patroni|manager instance run|stolon-keeper|run-postgresql(-\w+)?"
        )
        + r"|\bpg_ctl\b.*\bstart\b|/postgresql(-repmgr)?/run\.sh\b",
        unless_command=r"\b(pg_dump|pg_dumpall|pg_restore|pg_basebackup|pg_isready|pg_receivewal|pgbench|psql|createdb|vacuumdb"
        r"|pg_amcheck|pgbackrest|wal-g|barman\S*)\b|\bstolon-(sentinel|proxy)\b",
        env=r"PGDATA|PATRONI_.*|SPILO_CONFIGURATION|POSTGRESQL_DATA_DIR",
        ports=(5432,),
        is_server=True,
        labels=(
            "cnpg.io/cluster",
            "application=spilo",
            "postgres-operator.crunchydata.com/cluster",
            "app.kubernetes.io/name=postgresql",
            "stackgres.io/cluster",
        ),
        containers="postgres|postgresql|database|db|patroni",
        # also pg15 and ppg15.3 anywhere in the tag; spilo's own 3.0 is none
        version=r"pg-?(\d{2})(?:\.(\d+))?|^(?:[a-z]+\d*-)?(9|1\d|2\d)(?:\.(\d+))?(?!\d)",
        # Citus has releases of its own: 13 is an extension of PostgreSQL 15 to 17
        unversioned="citus",
    ),
    settings=(
        Setting("work_mem", 4 * MIB, _option("work_mem"), read=_memory),
        # in hundredths; 0 where the release decides
        Setting("hash_mem_percent", 0, _option("hash_mem_multiplier"), read=_hundredths),
        Setting("maintenance_work_mem", 64 * MIB, _option("maintenance_work_mem"), read=_memory),
        Setting("max_parallel_workers_per_gather", 2, _option("max_parallel_workers_per_gather")),
        Setting("max_parallel_maintenance_workers", 2, _option("max_parallel_maintenance_workers")),
        # of the eight, as many as the statements of a busy server share
        Setting("max_parallel_workers", 8, _option("max_parallel_workers")),
        Setting("min_dynamic_shared_memory", 0, _option("min_dynamic_shared_memory"), read=bytes_in(MIB)),
        Setting(
            "dynamic_shared_memory_in_dev_shm",
            1,
            _option("dynamic_shared_memory_type"),
            read=lambda text: int(text.lower() == "posix"),
        ),
        # try, the default, takes ordinary pages where there are no others
        Setting("huge_pages_on", 0, _option("huge_pages"), read=lambda text: int(text.lower() == "on")),
    ),
    needs=(
        Need(
            Uses.DEV_SHM,
            "parallel queries",
            _join(_OLD_PERCENT),
            _joins(_OLD_PERCENT),
            symptom=_SYMPTOM,
            when=_joins_in_parallel,
            until=(15,),
        ),
        Need(
            Uses.DEV_SHM,
            "parallel queries",
            _join(_PERCENT),
            _joins(_PERCENT),
            symptom=_SYMPTOM,
            when=_joins_in_parallel,
            since=(15,),
        ),
        Need(
            Uses.DEV_SHM,
            "VACUUM of a table of 300 MB or more with two indexes",
            _vacuum,
            symptom=_SYMPTOM,
            when=lambda values: _in_dev_shm(values) and values["max_parallel_maintenance_workers"] > 0,
            since=(13,),
            until=(17,),
        ),
        Need(
            Uses.HUGE_PAGES,
            "huge_pages=on",
            symptom="it does not start",
            when=lambda values: bool(values["huge_pages_on"]),
        ),
        Need(Uses.SYSV_SHM, "one small segment, by which a second server on the same data is noticed"),
    ),
    # kernel.sem is none of its sysctls: on Linux its semaphores are unnamed POSIX ones in its main segment (measured)
    sysctls={"kernel.shmmax": (1024,), "kernel.shmmni": (1,)},
    one_user=True,
    knobs=(
        Knob(
            "CloudNativePG",
            "spec of the Cluster",
            ("cnpg.io/cluster",),
            ("Cluster",),
            "spec: {{ephemeralVolumesSizeLimit: {{shm: {size}}}}}",
        ),
        Knob(
            "Zalando postgres-operator",
            "spec of the postgresql; it has no size: the memory limits of the pod bound it",
            ("application=spilo",),
            ("postgresql",),
            "spec: {{enableShmVolume: true}}",
        ),
        Knob(
            "Crunchy PGO or Percona's operator",
            "it mounts a volume without a sizeLimit: the memory limits of the pod bound it",
            ("postgres-operator.crunchydata.com/cluster",),
            ("PostgresCluster", "PerconaPGCluster"),
        ),
        Knob(
            "Bitnami chart postgresql",
            "values of the chart",
            # the name alone is what everybody calls it
            (
                "app.kubernetes.io/name=postgresql,app.kubernetes.io/component=primary",
                "app.kubernetes.io/name=postgresql,app.kubernetes.io/component=read",
            ),
            (),
            "shmVolume: {{enabled: true, sizeLimit: {size}}}",
        ),
        Knob(
            "Bitnami chart postgresql-ha",
            "values of the chart, as postgresql.extraVolumes with a mount on /dev/shm in postgresql.extraVolumeMounts",
            ("app.kubernetes.io/name=postgresql-ha",),
            (),
            "postgresql: {{extraVolumes: [{{name: dshm, emptyDir: {{medium: Memory, sizeLimit: {size}}}}}]}}",
        ),
        Knob(
            "Harbor chart",
            "values of the chart",
            ("app=harbor",),
            (),
            "database: {{internal: {{shmSizeLimit: {size}}}}}",
        ),
    ),
    workarounds=(
        Workaround(
            r"dynamic_shared_memory_type\s*=\s*[\"']?mmap",
            "dynamic_shared_memory_type=mmap",
            "parallel queries write their shared memory to the data volume",
            "mount an emptyDir of medium Memory on /dev/shm, and remove the setting",
        ),
    ),
    signs=(
        # a little more than 64 MiB: the array of dead tuples as maintenance_work_mem has it by default, with its header
        Sign(
            r"could not resize shared memory segment \"?/?PostgreSQL\.\d+\"? to (?P<bytes>67(?!108864)[12]\d{5}) bytes: No space",
            Sure.CERTAIN,
            "/dev/shm of 64 MiB is too small for VACUUM of a large table with the default of maintenance_work_mem (13 to 16)",
            "mount an emptyDir of medium Memory on /dev/shm, or run VACUUM (PARALLEL 0)",
            ("SHM301", "SHM308"),
        ),
        Sign(
            r"could not resize shared memory segment( \"?/?PostgreSQL\.\d+\"? to (?P<bytes>\d+) bytes)?[:.] No space left on device",
            Sure.CERTAIN,
            "/dev/shm is full",
            "mount an emptyDir of medium Memory on /dev/shm, or set min_dynamic_shared_memory",
            ("SHM301", "SHM308"),
        ),
        Sign(
            r"could not open shared memory segment \"?/?PostgreSQL\.\d+\"?: No such file or directory",
            Sure.LIKELY,
            "its file was removed, by systemd's RemoveIPC on the node with hostIPC, or two mounts of /dev/shm differ",
            "do without hostIPC, and mount one volume in all containers that share",
            ("SHM503", "SHM204"),
        ),
        Sign(
            r"could not create semaphores: No space left on device",
            Sure.CERTAIN,
            "kernel.sem of the pod is too small for a build with System V semaphores, or sets were leaked",
            "set kernel.sem in the securityContext of the pod",
            ("SHM601", "SHM604"),
        ),
        Sign(
            r"could not create shared memory segment: (Invalid argument|Cannot allocate memory|No space left on device)",
            Sure.LIKELY,
            "kernel.shmmax, shmall or shmmni of the pod is too small",
            "set the sysctl in the securityContext of the pod, or shared_memory_type=mmap",
            ("SHM601", "SHM603"),
        ),
        Sign(
            r"pre-existing shared memory block .*is still in use",
            Sure.LIKELY,
            "the System V segment of a server that was killed lives on in the pod",
            "delete the pod; a restart of the container keeps the segment",
            ("SHM207",),
        ),
        Sign(
            r"could not map anonymous shared memory: Cannot allocate memory",
            Sure.LIKELY,
            "shared_buffers is more than the memory limit or the huge pages of the container",
            "raise the memory limit, or lower shared_buffers",
            ("SHM310", "SHM605"),
        ),
        Sign(
            r"(server|child) process .*was terminated by signal 7|child process was terminated by signal 7",
            Sure.LIKELY,
            "huge pages on the node without a limit for them on the container, or /dev/shm is full",
            "set huge_pages=off or a limit hugepages-2Mi, or mount an emptyDir of medium Memory on /dev/shm",
            ("SHM605", "SHM309"),
        ),
        Sign(
            r"server process .*was terminated by signal 9",
            Sure.LIKELY,
            "the kernel killed it for memory: what is in /dev/shm counts against the limit of the container",
            "raise the memory limit above sizeLimit plus what the server itself needs",
            ("SHM310", "SHM311"),
        ),
        Sign(
            r"PG::DiskFull|psycopg2?\.errors\.DiskFull|SQLSTATE\[?\s*\(?53100|SQLSTATE: 53100",
            Sure.LIKELY,
            "a statement found the server's /dev/shm full, if its data volume is not",
            "look for could not resize shared memory segment in the server's log",
            ("SHM301", "SHM308"),
        ),
    ),
    sources=(
        "https://github.com/postgres/postgres/blob/master/src/backend/storage/ipc/dsm_impl.c",
        "https://github.com/docker-library/docs/blob/master/postgres/content.md",
        "https://github.com/cloudnative-pg/cloudnative-pg/blob/main/docs/src/postgresql_conf.md",
        "measured: 15.18, a parallel hash join with work_mem=64MB, and VACUUM of 405 MB with default settings, fail at 64 MiB",
        "measured: 15.18 serves with kernel.sem = 250 32000 32 0, and makes no System V semaphore",
    ),
)
