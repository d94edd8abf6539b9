# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-in for the get-pip that ansible-test fetches from its own server: uses the wheel in ensurepip.

With it ansible-test needs nothing but PyPI.
"""

from __future__ import annotations

import ensurepip
import sys
from pathlib import Path


def main() -> int:
    """Install what the command line names, with ensurepip's pip."""
    (wheel,) = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
    sys.path.insert(0, str(wheel))
    from pip._internal.cli.main import main as pip_main

    # get-pip's own options, which pip does not know
    arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
    return pip_main(["install", "--upgrade", "--force-reinstall", *arguments])


if __name__ == "__main__":
    sys.exit(main())
