# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""antsibull-docs, with temporary folders whose names end in a letter.

The pages that it checks name the folder that it copies the collection to. Python ends one name in 37 with an underscore,
which is a link in reStructuredText: "Unknown target name".
"""

from __future__ import annotations

import sys
import tempfile
import typing as t
from unittest import mock

from antsibull_docs.cli.antsibull_docs import run

_mkdtemp = tempfile.mkdtemp


def mkdtemp(suffix: str | None = None, *where: t.Any, **more: t.Any) -> str:
    """Create a temporary folder."""
    return str(_mkdtemp(f"{suffix or ''}x", *where, **more))


if __name__ == "__main__":
    with mock.patch.object(tempfile, "mkdtemp", mkdtemp):
        sys.exit(run(["antsibull-docs", *sys.argv[1:]]))
