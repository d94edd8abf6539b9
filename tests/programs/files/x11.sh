#!/bin/sh
# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# x11.sh CLIENT [ARGUMENT ...]: wait for the server in the other container, and run a client of it.
until [ -S "/tmp/.X11-unix/X${DISPLAY#:}" ]; do sleep 0.2; done
exec "$@"
