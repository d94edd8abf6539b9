# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program decides: of `make programs` (tests/programs) what the machine of a local cluster has anyway."""

from __future__ import annotations

import harness
import trial


def test_what_the_audit_says_of_python_is_what_python_does(alpha: harness.Cluster, namespace: str) -> None:
    rows = trial.predict(trial.entries(["python"]))
    with trial.named_images(alpha, rows):
        trial.run(alpha, namespace, rows)
    print(trial.table(rows))
    assert [row.wrong() for row in rows] == [""] * len(rows)
    assert [row.came.value for row in rows if row.came] == ["fails", "works", "works"]
