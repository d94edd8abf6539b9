# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Playwright and Puppeteer, which pass --disable-dev-shm-usage to each Chromium that they start."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import Marks, Need, Program, Uses

PROGRAM: t.Final = Program(
    name="playwright",
    title="Playwright or Puppeteer",
    marks=Marks(
        images=r"playwright(-(python|java|dotnet|mcp))?|puppeteer",
        unless=r".*(report|exporter|operator).*",
        command=r"(^|[\s/])playwright (test|run-server|launch-server|codegen)\b",
        env=r"PLAYWRIGHT_.*|PUPPETEER_.*",
        ports=(3000, 9222),
    ),
    needs=(Need(Uses.MEMFD, "pages; older browsers have files in /tmp"),),
    sources=(
        "https://github.com/microsoft/playwright/blob/main/packages/playwright-core/src/server/chromium/chromiumSwitches.ts",
        "measured: Chromium 153 works at 64 MiB with Puppeteer's own arguments, and crashes without the flag",
    ),
)
