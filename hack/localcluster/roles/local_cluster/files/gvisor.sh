#!/usr/bin/env bash
# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# gVisor's runsc as an OCI runtime of containerd's runc shim; runsc is found in PATH. gVisor's own shim lowers its
# oom_score_adj, which needs CAP_SYS_RESOURCE. The runc shim expects three things that runsc does not do:
# - a process per container that ends with the container, with its exit code: here one that waits for it
# - the container's output where "create" writes, not where "start" does
# - runc's words about a container that is gone already
set -u
runsc=(runsc --ignore-cgroups --platform=systrap)
root='' pid_file='' command=''
for ((at = 1; at <= $#; at++)); do
    case ${!at} in
    --root) ((at++)) && root=${!at} ;;
    --pid-file) ((at++)) && pid_file=${!at} ;;
    create | start | kill | delete | exec | state) command=${command:-${!at}} ;;
    esac
done
id=${!#}
waiter=${root%/*}/waiter-$id

wait_for_it() {
    local state answer ended=
    # it cannot be waited for before it is started, nor after its sandbox has ended
    until answer=$("${runsc[@]}" --root "$root" wait "$id" 2>/dev/null) && [[ $answer =~ \"exitStatus\":([0-9]+) ]]; do
        [[ $ended ]] && exit 137
        state=$("${runsc[@]}" --root "$root" state "$id" 2>/dev/null) || exit 137
        # it could have run in the meantime
        if [[ $state == *'"stopped"'* ]]; then ended=true; else sleep 0.1; fi
    done
    exit "${BASH_REMATCH[1]}"
}

case $command in
create)
    "${runsc[@]}" "$@" || exit
    wait_for_it &
    printf %s $! | tee "$waiter" >"$pid_file"
    ;;
start)
    own=/proc/$(<"$waiter")/fd
    exec "${runsc[@]}" "$@" <"$own/0" >"$own/1" 2>"$own/2"
    ;;
kill)
    answer=$("${runsc[@]}" "$@" 2>&1) && exit
    [[ $answer == *'not running'* ]] && answer='container not running'
    printf '%s\n' "$answer" >&2
    exit 1
    ;;
delete)
    rm -f "$waiter"
    exec "${runsc[@]}" "$@"
    ;;
*) exec "${runsc[@]}" "$@" ;;
esac
