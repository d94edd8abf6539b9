# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""A command of the user's on this machine: bounded, and ended with everything that it started.

Not run_command of AnsibleModule, which has no timeout. Not the timeout of subprocess or asyncio either: after it, both wait
without a bound for what the command has started and left its output to.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
import typing as t

__all__ = ("Command",)

#: How much of the output is read, in bytes.
OUTPUT_BYTES: t.Final = 1 << 20

#: How long (seconds) a killed process gets to end: one that hangs in the kernel does not.
_KILL_SECONDS: t.Final = 2


class Command:
    """A command that runs.

    :param reads: C(stdout) or C(stderr); the other is dropped.
    :raises OSError: it cannot be run.
    """

    def __init__(
        self, words: t.Sequence[str], reads: str, environment: t.Mapping[str, str] | None = None, folder: str = ""
    ) -> None:
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if reads == "stdout" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if reads == "stderr" else subprocess.DEVNULL,
            cwd=folder or None,
            env=environment,
            # a group of its own, so that it can be ended as a whole
            start_new_session=True,
        )
        self._pipe = t.cast("t.IO[bytes]", self._process.stdout or self._process.stderr)

    @property
    def code(self) -> int | None:
        """The exit code; below 0, a signal; nothing as long as it has none."""
        return self._process.returncode

    def output(self, seconds: float) -> bytes:
        """All that is written until its end: by itself, and by what it started and left its output to.

        Whatever this raises, nothing of it runs afterwards.

        :raises TimeoutError: after so many seconds.
        :raises OverflowError: it is too much.
        """
        until = time.monotonic() + seconds
        output = b""
        try:
            while select.select([self._pipe], [], [], max(0.0, until - time.monotonic()))[0]:
                data = os.read(self._pipe.fileno(), 65536)
                output += data
                if len(output) > OUTPUT_BYTES:
                    raise OverflowError
                if not data:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self._process.wait(max(0.0, until - time.monotonic()))
                    break
            if self.code is None:
                raise TimeoutError
        except BaseException:
            self.kill()
            raise
        finally:
            self._pipe.close()
        return output

    def kill(self) -> None:
        """End it with everything that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_SECONDS)
