#!/bin/sh
# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# iceoryx.sh COMMAND [ARGUMENT ...]: run an application when RouDi, in the other container, has made its socket.
cd /tmp || exit
until [ -S /tmp/roudi ]; do sleep 0.2; done
"$@" >/tmp/screen 2>&1
code=$?
sed 's/\x1b[[(][0-9;?]*[a-zA-Z]//g' /tmp/screen | tail -c 2000
echo
if grep -q 'Process: roudi' /tmp/screen; then
    echo 'the application sees RouDi'
    exit
fi
exit $code
