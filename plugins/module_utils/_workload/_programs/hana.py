# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""SAP HANA. Its sizes are not known well enough for a verdict: only what it shares memory by."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Marks,
    Need,
    Program,
    Uses,
    runs,
)

PROGRAM: t.Final = Program(
    name="hana",
    title="SAP HANA",
    marks=Marks(
        images=r"hanaexpress(-.*)?|hana(-(express|server))?",
        unless=r".*(exporter|client|operator|backint).*",
        command=runs("HDB start|hdbdaemon") + "|--agree-to-sap-license",
        ports=(39013, 39017, 39041),
    ),
    needs=(Need(Uses.SYSV_SHM, "the row store"), Need(Uses.DEV_SHM, "fast restart, where it is configured")),
    sources=("general knowledge: SAP notes 2382421 and 1410736; not measured",),
)
