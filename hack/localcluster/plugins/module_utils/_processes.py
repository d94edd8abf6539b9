# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes: started with a mark, found by it, and ended.

This file is PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import typing as t

try:
    import psutil

    IMPORT_ERROR: ImportError | None = None
except ImportError as error:
    IMPORT_ERROR = error

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._errors import ClusterError, Deadline

# Every process of a cluster carries this, and so do the shims and runtimes that containerd starts.
MARK = "PODSHM_CLUSTER"


@dataclasses.dataclass(frozen=True)
class Process:
    """A process that can be put on record.

    Its start is counted in ticks since boot: with the id that names it for ever, whatever happens to the clock.
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this id now. None if there is none, or it has ended already."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            # Its first thread may end before the others, which still hold its ports.
            if process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD) or process.num_threads() > 1:
                # psutil adds the time of the boot, which changes with the clock.
                since_boot = process.create_time() - psutil.boot_time()
                return cls(pid, round(since_boot * os.sysconf("SC_CLK_TCK")))
        return None

    def alive(self) -> bool:
        """True while this very process runs."""
        return Process.of(self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        with contextlib.suppress(psutil.NoSuchProcess):
            # The handle is taken first: it refuses to signal a later process with the same id.
            handle = psutil.Process(self.pid)
            if self.alive():
                handle.send_signal(number)


def spawn(argv: t.Sequence[str], log: str, mark: str) -> psutil.Popen:
    """Start a process that outlives this one, with nothing of our surroundings: no terminal, no proxy variables."""
    file = pathlib.Path(log)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if file.exists():
        file.replace(f"{log}.1")
    folder = os.path.dirname(argv[0])
    environment = {"PATH": f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", MARK: mark}
    with file.open("wb") as output:
        return psutil.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd="/",
            umask=0o022,
            start_new_session=True,
        )


def end(processes: t.Collection[Process], number: signal.Signals, patience: float) -> None:
    """Signal the processes and wait until they are gone; those that are not get SIGKILL when patience is over."""

    def all_gone() -> bool:
        return not any(process.alive() for process in processes)

    for process in processes:
        process.signal(number)
    # psutil.wait_procs also waits until parents reap them, which the first process of a container often does not.
    if not Deadline(patience).until(all_gone):
        for process in processes:
            process.signal(signal.SIGKILL)
    if not Deadline(10).until(all_gone):
        hanging = ", ".join(str(process.pid) for process in processes if process.alive())
        raise ClusterError(f"process {hanging} does not end even by SIGKILL: it hangs in the kernel")


def marked(mark: str) -> set[int]:
    """Ids of the processes that were started for this cluster, shims and left-over runtimes included.

    :param mark: the cluster's folder.
    """
    # gVisor's sandboxes begin with an empty environment; their arguments say where their state is.
    state = f"--root={mark}/run/oci/"
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark or any(each.startswith(state) for each in process.cmdline()):
                found.add(process.pid)
    return found
