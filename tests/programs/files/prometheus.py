# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""prometheus.py --workers N --labels N: as many processes, each with one metric of each kind, and so many label values."""

import argparse
import os

parser = argparse.ArgumentParser()
parser.add_argument("--workers", type=int)
parser.add_argument("--labels", type=int)
args = parser.parse_args()
os.makedirs(os.environ["PROMETHEUS_MULTIPROC_DIR"], exist_ok=True)

import prometheus_client as p  # noqa: E402

counter = p.Counter("requests", "requests", ["path"])
others = (p.Gauge("busy", "busy"), p.Histogram("seconds", "seconds"), p.Summary("size", "size"))
for worker in range(args.workers):
    if os.fork() == 0:
        for number in range(args.labels):
            counter.labels(f"/some/long/path/with/an/identifier/{number:06}").inc()
        others[0].set(1)
        others[1].observe(1)
        others[2].observe(1)
        os._exit(0)
    _pid, status = os.wait()
    if status:
        print("worker", worker, "ended by signal", status & 127)
        break
else:
    print("it is done")
folder = os.statvfs("/dev/shm")
print("in use:", (folder.f_blocks - folder.f_bfree) * folder.f_frsize >> 10, "KiB")
