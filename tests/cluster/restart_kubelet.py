# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart the kubelet of a local cluster: C(restart_kubelet.py NAME [SIZE]). The collection's own role brings it back.

With a size it is a kubelet that does harm: the volumes of SHM403 have that size afterwards.
"""

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
    name, *size = sys.argv[1:]
    root = pathlib.Path("/var/lib/podshm", name)
    record = json.loads((root / "run/kubelet.json").read_text("utf-8"))
    handle = os.pidfd_open(record["pid"])
    signal.pidfd_send_signal(handle, signal.SIGTERM)
    select.select([handle], [], [], 20)
    os.close(handle)
    for volume in root.glob("kubelet/pods/*/volumes/kubernetes.io~empty-dir/kept") if size else ():
        subprocess.run(["mount", "-o", f"remount,size={size[0]}", volume], check=True)
    playbook = pathlib.Path(sys.executable).with_name("ansible-playbook")
    extra = json.dumps({"localcluster_names": [name]})
    subprocess.run(
        [playbook, "abcdesktopio.localcluster.clusters", "--extra-vars", extra],
        cwd=pathlib.Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        check=True,
    )


if __name__ == "__main__":
    main()
