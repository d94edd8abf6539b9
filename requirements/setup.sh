#!/usr/bin/env bash
# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# setup.sh run|local|quick|test|docs|mutants: makes .venv with what run.txt pins, and what the named one and those that it
# builds on do. Writes nothing outside the checkout, but for one Debian package, and that only as root and when local
# clusters are wanted.
set -euo pipefail
cd -P "$(dirname "$0")/.."

# Prints the first interpreter that is new enough.
find_python() {
    local python
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    echo "setup: no Python 3.11 or newer found; install one, or name it: make PYTHON=/path/to/python3" >&2
    return 1
}

# Debian splits ensurepip off into a package of its own.
need_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    if [[ $(id -u) -eq 0 && -z ${KUBECONFIG:-}${INVENTORY:-} ]] && command -v apt-get >/dev/null; then
        echo "setup: installing Debian's python3-venv"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv >/dev/null
        "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    fi
    echo "setup: $1 cannot make virtual environments; install python3-venv (Debian, Ubuntu), or name another one: make PYTHON=/path/to/python3" >&2
    return 1
}

kind=$1
mkdir -p .build/tmp
export TMPDIR=$PWD/.build/tmp
# An interrupted run, a moved checkout or an upgraded Python leave a .venv that no longer starts.
if ! grep -qsF "$PWD/.venv" .venv/bin/activate || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    need_venv "$python"
    "$python" -m venv --clear .venv
fi
echo "setup: installing requirements/$kind.txt into .venv (half a minute, once)"
case $kind in
run) kinds=(run) ;;
local) kinds=(run local) ;;
quick) kinds=(run quick) ;;
test) kinds=(run local quick test) ;;
docs) kinds=(run local quick test docs) ;;
mutants) kinds=(run quick mutants) ;;
esac
wanted=("${kinds[@]/#/--requirement=requirements/}")
# Not compiled for the loop of seconds: that would take as long as the rest. Everything else is, since where
# PYTHONDONTWRITEBYTECODE is set, as in many images, each start of Ansible would compile the Kubernetes client again.
compile=--compile
[[ $kind == quick ]] && compile=--no-compile
.venv/bin/python -m pip install --quiet --no-cache-dir "$compile" --disable-pip-version-check \
    --constraint requirements/constraints.txt "${wanted[@]/%/.txt}"
.venv/bin/python requirements/install_collections.py
touch "${kinds[@]/#/.venv/.}"
