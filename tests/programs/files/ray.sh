#!/bin/sh
# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# ray.sh COMMAND [OPTION ...]: start Ray's head, and put an object into its store.
cd /tmp || exit
tries=3
until "$@" >start.log 2>&1; do
    cat start.log
    tries=$((tries - 1))
    # on a busy machine, one of its processes now and then dies at the start
    [ $tries -gt 0 ] && grep -q 'timed out during startup' start.log || exit 1
    ray stop --force >/dev/null 2>&1
done
cat start.log
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
