# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module of the collection in this process, as Ansible runs it: run_module.py MODULE [FAULT].

The module is real; only the archive that it travels in is missing. Its arguments are JSON on standard input. A fault is
a Python module with a function `inject`, which breaks what a test wants broken: faults/ here, and broken/ in tests/worlds.
"""

from __future__ import annotations

import importlib
import json
import runpy
import sys

from ansible.module_utils.testing import patch_module_args


def main(module: str, *faults: str) -> None:
    """Break what is to be broken, and run the module."""
    for fault in faults:
        importlib.import_module(fault).inject()
    with patch_module_args(json.load(sys.stdin)):
        runpy.run_module(f"ansible_collections.abcdesktopio.podshm.plugins.modules.{module}", run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
