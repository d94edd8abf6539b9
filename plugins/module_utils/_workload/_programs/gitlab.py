# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""GitLab in one image (omnibus): its metrics are files in /dev/shm."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import MIB
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Amount,
    Marks,
    Need,
    Program,
    Setting,
    Sign,
    Sure,
    Uses,
    Values,
    no_least,
    runs,
)


def _metrics(_values: Values) -> Amount:
    return Amount.of(("for metrics of its workers, as its documentation has it", 256 * MIB))


def _elsewhere(text: str) -> int:
    """Whether its configuration has the metrics in another folder, or none."""
    return int(bool(re.search(r"prometheus_multiproc_dir|prometheus_monitoring\['enable'\]\s*=\s*false", text)))


PROGRAM: t.Final = Program(
    name="gitlab",
    title="GitLab",
    marks=Marks(
        is_server=True,
        images=r"gitlab-[ce]e",
        unless=r".*(exporter|runner|operator|backup|toolbox|qa).*",
        command=runs("gitlab-ctl reconfigure|/assets/(wrapper|init-container)"),
        unless_command=r"(^|[\s/])gitlab-(backup|rake|runner)\b",
        env=r"GITLAB_OMNIBUS_CONFIG",
        ports=(22, 80, 443),
        version=r"^(\d+)\.(\d+)",
    ),
    settings=(Setting("metrics_elsewhere", 0, env=("GITLAB_OMNIBUS_CONFIG",), read=_elsewhere),),
    needs=(
        Need(
            Uses.DEV_SHM,
            "metrics",
            no_least,
            _metrics,
            symptom="metrics are lost, and older releases die by SIGBUS",
            when=lambda values: not values["metrics_elsewhere"],
        ),
        Need(Uses.DEV_SHM, "its PostgreSQL"),
    ),
    signs=(
        Sign(
            r"/dev/shm/gitlab/\S+ failed with unmapped file"
            r"|Can't reserve (?P<bytes>\d+) bytes for memory-mapped file in /dev/shm/gitlab",
            Sure.CERTAIN,
            "/dev/shm is full of its metrics",
            "mount an emptyDir of medium Memory with sizeLimit: 512Mi on /dev/shm",
            ("SHM308",),
        ),
        Sign(
            r"entry_parser\.rb.*\[BUG\] Bus Error",
            Sure.LIKELY,
            "/dev/shm is full of its metrics",
            "mount an emptyDir of medium Memory with sizeLimit: 512Mi on /dev/shm",
            ("SHM309",),
        ),
    ),
    sources=(
        "https://docs.gitlab.com/install/docker/troubleshooting/",
        "https://gitlab.com/gitlab-org/omnibus-gitlab/-/issues/5476",
        "https://gitlab.com/gitlab-org/omnibus-gitlab/-/issues/8971",
    ),
)
