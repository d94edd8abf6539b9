# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module runs in a pod: its service account is in the folder that the environment names, for us and for the client."""

from __future__ import annotations

import os
from unittest import mock

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import source


def inject() -> None:
    from kubernetes.config import incluster_config

    folder = os.environ["PODSHM_TEST_SERVICE_ACCOUNT"]
    mock.patch.object(source, "_SERVICE_ACCOUNT", folder).start()
    mock.patch.object(incluster_config, "SERVICE_TOKEN_FILENAME", f"{folder}/token").start()
    mock.patch.object(incluster_config, "SERVICE_CERT_FILENAME", f"{folder}/ca.crt").start()
