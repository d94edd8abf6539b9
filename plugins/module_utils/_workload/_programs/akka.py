# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Akka and Pekko with Artery over Aeron. Their sizes are Aeron's; nothing of their own was measured."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs import aeron
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Less,
    Marks,
    Need,
    Program,
    Uses,
    no_least,
)

PROGRAM: t.Final = Program(
    name="akka_artery",
    title="Akka or Pekko with Artery by Aeron",
    marks=Marks(
        command=r"-D(akka|pekko)\.remote\.artery\.transport=aeron-udp|-D(akka|pekko)\.remote\.artery\.advanced\.aeron\.",
        own_env=r"(AKKA|PEKKO)_REMOTE_ARTERY_ADVANCED_AERON_.*",
    ),
    settings=aeron.SETTINGS,
    needs=(
        Need(
            Uses.DEV_SHM,
            "logs of Aeron",
            no_least,
            aeron.busy,
            less=Less.DEGRADES,
            symptom="nodes do not connect",
            when=lambda values: bool(values["dir_in_dev_shm"]),
        ),
    ),
    sources=("https://doc.akka.io/libraries/akka-core/current/remoting-artery.html",),
)
