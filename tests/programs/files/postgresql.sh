#!/bin/sh
# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postgresql.sh FILE SERVER [OPTION ...]: make a database, run its server, and run the statements of the file.
statements=$1
shift
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
cd /tmp
initdb --pgdata=data --auth=trust --no-sync >/dev/null || exit
"$@" -D data -c listen_addresses= -c unix_socket_directories=/tmp -c fsync=off -c autovacuum=off &
until psql --host=/tmp --quiet --command='select 1' postgres >/dev/null 2>&1; do sleep 0.2; done
psql --host=/tmp --quiet --no-psqlrc --tuples-only --set=ON_ERROR_STOP=1 --file="$statements" postgres
code=$?
kill -INT $!
wait
exit $code
