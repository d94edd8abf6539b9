# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Credential plugins: the command of a kubeconfig that prints a token or a certificate.

The Kubernetes client would run it without a bound and quote what it writes, which can be a secret. And it would pass over
its failure and send the request without credentials.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import json
import os
import threading
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._command import Command
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import source
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import quote
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._secrets import KNOWN, leaves

with contextlib.suppress(ImportError):
    from kubernetes.config import kube_config  # without that client nothing in here is called

__all__ = ("PluginError", "Plugins")

#: How long (seconds) a plugin takes at most; what waits for it can have less time, and ends it then.
_SECONDS: t.Final = 20

#: What it prints beside secrets.
_PUBLIC: t.Final = ("expirationTimestamp", "clientCertificateData")


class PluginError(BaseException):
    """A plugin gave no credentials. No Exception: those the client logs, and goes on."""


class Plugins:
    """The plugins of one run. They share their fate: what was started is ended with everything that it started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Command, str] = {}

    def install(self) -> None:
        """Run those that the Kubernetes client needs from now on, also to renew a token."""
        kube_config.ExecProvider = lambda config, cwd="", cluster=None: _Provider(self, config, cwd, cluster)
        atexit.register(self.end)

    def end(self) -> str:
        """End all that run; returns the name of one, or nothing."""
        with self._lock:
            running, self._running = self._running, {}
        for command in running:
            command.kill()
        return next(iter(running.values()), "")

    def output(self, words: t.Sequence[str], environment: dict[str, str], folder: str) -> bytes:
        """What a command prints.

        :raises PluginError: it failed, wrote too much, or did not end in time.
        """
        name = quote(os.path.basename(words[0]))
        try:
            command = Command(words, "stdout", environment, folder)
        except OSError as error:
            raise PluginError(f"{name} cannot be run: {error.strerror}: {quote(words[0])}") from None
        with self._lock:
            self._running[command] = name
        try:
            output = command.output(_SECONDS)
        except OverflowError:
            raise PluginError(f"{name} wrote too much, and was killed") from None
        except TimeoutError:
            raise PluginError(f"{name} did not end within {_SECONDS} s, and was killed") from None
        finally:
            with self._lock:
                self._running.pop(command, "")
        if command.code:
            raise PluginError(f"{name} ended with {command.code} (what it wrote to stderr is not shown)")
        return output


class _Provider:
    """What the client calls ExecProvider."""

    def __init__(self, plugins: Plugins, config: t.Any, folder: str, cluster: t.Any) -> None:
        self._plugins = plugins
        # the client's own nodes, or what is in them
        self._config = getattr(config, "value", config)
        self._folder = folder
        self._cluster = getattr(cluster, "value", cluster) or {}

    def run(self) -> dict[str, t.Any]:
        """The credentials (client.authentication.k8s.io, the status of an ExecCredential)."""
        words = [str(self._config.get("command") or ""), *(str(word) for word in self._config.get("args") or ())]
        name = quote(os.path.basename(words[0]))
        if not name:
            raise PluginError("has no command")
        try:
            variables = {str(one["name"]): str(one.get("value") or "") for one in self._config.get("env") or ()}
            environment = {**os.environ, **variables, "KUBERNETES_EXEC_INFO": json.dumps(self._info())}
        except (LookupError, TypeError, AttributeError):
            raise PluginError(f"{name} cannot be run: its env is not a list of names and values") from None
        try:
            answer = json.loads(self._plugins.output(words, environment, self._folder))
            status = dict(answer["status"])
            version = answer["apiVersion"]
        except (ValueError, LookupError, TypeError):
            raise PluginError(f"{name} did not print an ExecCredential with a status") from None
        KNOWN.add(leaves([value for key, value in status.items() if key not in _PUBLIC]))
        if version != self._config.get("apiVersion"):
            raise PluginError(f"{name} speaks another apiVersion than the kubeconfig says")
        if not status.get("token") and not (status.get("clientCertificateData") and status.get("clientKeyData")):
            raise PluginError(f"{name} printed neither a token nor a certificate with its key")
        return status

    def _info(self) -> dict[str, t.Any]:
        spec: dict[str, t.Any] = {"interactive": False}
        if self._config.get("provideClusterInfo"):
            cluster = dict(self._cluster)
            authority = cluster.pop("certificate-authority", None)
            if authority:
                # a plugin is given what is in the file
                with contextlib.suppress(OSError):
                    data = base64.b64encode(source.read(str(authority))).decode("ascii")
                    cluster.setdefault("certificate-authority-data", data)
            for one in cluster.pop("extensions", None) or ():
                if one.get("name") == "client.authentication.k8s.io/exec":
                    cluster["config"] = one.get("extension")
            spec["cluster"] = cluster
        return {"apiVersion": self._config.get("apiVersion"), "kind": "ExecCredential", "spec": spec}
