# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules on a real cluster: what they answer when nothing is wrong."""

from __future__ import annotations

from harness import Cluster, ask, passes


def test_all_checks(alpha: Cluster, namespace: str) -> None:
    answer = ask(alpha, namespace=namespace)
    passes(answer)
    print(answer.seconds, answer.msg)
