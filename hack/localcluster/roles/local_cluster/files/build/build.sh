#!/usr/bin/env bash
# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Build one program into FOLDER/NAME; FOLDER appears when it is complete.
#   build.sh NAME FOLDER LOG go SOURCE PACKAGE TAGS LDFLAGS
#   build.sh NAME FOLDER LOG c SOURCE
# The output goes to LOG. When it fails, the end of LOG goes to the standard output.
set -euo pipefail
name=$1 folder=$2 log=$3 language=$4 source=$5
partial=$folder.partial

mkdir -p "$(dirname "$log")" "$(dirname "$folder")"
# Another checkout may be building the same. The lock ends with this process, however that ends.
exec 9>"$(dirname "$folder")/.lock"
flock 9
[ ! -e "$folder" ] || exit 0

build() {
    rm -rf "$partial"
    mkdir "$partial"
    if [ "$language" = go ]; then
        GOTOOLCHAIN=local GOWORK=off GOFLAGS='' go build -C "$source" -mod=readonly -trimpath -buildvcs=false \
            -tags "$7" -ldflags "$8" -o "$partial/$name" "$6"
    else
        gcc -static -Os -s -Wall -Wextra -Werror -o "$partial/$name" "$source"
    fi
}

if ! (build "$@") >"$log" 2>&1 9>&-; then
    tail -n 15 "$log"
    exit 1
fi
mv -T "$partial" "$folder"
