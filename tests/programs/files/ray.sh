#!/bin/sh
# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# ray.sh COMMAND [OPTION ...]: start Ray's head, and put an object into its store.
cd /tmp || exit
if ! "$@" 2>&1; then
    tail -n 5 /tmp/ray/session_latest/logs/gcs_server.* /tmp/ray/session_latest/logs/raylet.* 2>/dev/null
    exit 1
fi
/usr/bin/python3 - <<'END'
import numpy, ray
ray.init(address="auto", log_to_driver=False)
reference = ray.put(numpy.ones(80 << 20, "b"))
assert ray.get(reference).nbytes == 80 << 20
paths = [line.split()[5] for line in open("/proc/self/maps") if "plasma" in line]
print("its objects are in", paths[0], flush=True)
END
code=$?
ray stop --force >/dev/null 2>&1
exit $code
