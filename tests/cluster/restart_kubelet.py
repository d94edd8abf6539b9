# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart the kubelet of a local cluster: C(restart_kubelet.py NAME). The collection's own role brings it back."""

from __future__ import annotations

import json
import os
import pathlib
import select
import signal
import subprocess
import sys


def main() -> None:
    """End the process that is on record, and start what is missing."""
    (name,) = sys.argv[1:]
    record = json.loads(pathlib.Path("/var/lib/podshm", name, "run/kubelet.json").read_text("utf-8"))
    handle = os.pidfd_open(record["pid"])
    signal.pidfd_send_signal(handle, signal.SIGTERM)
    select.select([handle], [], [], 20)
    os.close(handle)
    playbook = pathlib.Path(sys.executable).with_name("ansible-playbook")
    extra = json.dumps({"podshm_local_clusters": [name]})
    subprocess.run(
        [playbook, "playbooks/clusters.yml", "--extra-vars", extra],
        cwd=pathlib.Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        check=True,
    )


if __name__ == "__main__":
    main()
