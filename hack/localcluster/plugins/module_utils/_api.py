# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few requests to the API server that show whether a cluster is well.

This file is PRIVATE to the collection.
"""

from __future__ import annotations

import http.client
import json
import ssl
import typing as t

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._errors import ClusterError, Deadline
from ansible_collections.abcdesktopio.localcluster.plugins.module_utils._layout import Layout


class Api:
    """An administrator's connection. The client library would cost 0.5 s."""

    def __init__(self, layout: Layout, deadline: Deadline, check: t.Callable[[], None]) -> None:
        self._layout, self._deadline, self._check = layout, deadline, check
        self._tls = ssl.create_default_context(cafile=layout.pki("ca.crt"))
        self._tls.load_cert_chain(layout.pki("admin.crt"), layout.pki("admin.key"))

    def _connection(self, port: int, timeout: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", port, context=self._tls, timeout=timeout)

    def healthy(self, user: str, path: str) -> bool:
        self._check()
        connection = self._connection(self._layout.ports[user], 5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def request(self, method: str, path: str, body: t.Any = None) -> dict[str, t.Any]:
        connection = self._connection(self._layout.ports["apiserver"], 30)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            document: dict[str, t.Any] = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ClusterError(f"cluster {self._layout.name}: {method} {path} failed: {error}") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise ClusterError(f"cluster {self._layout.name}: {method} {path} failed: {document.get('message')}")
        return document

    def watch(self, path: str, name: str, condition: t.Callable[[dict[str, t.Any]], bool]) -> bool:
        """Follow one object until it is as it should be. False when the time is up."""
        while self._deadline.left():
            self._check()
            # In pieces, to see in between whether all processes still live.
            seconds = max(1, min(5, int(self._deadline.left())))
            connection = self._connection(self._layout.ports["apiserver"], seconds + 5)
            try:
                query = f"?watch=true&timeoutSeconds={seconds}&fieldSelector=metadata.name%3D{name}"
                connection.request("GET", path + query)
                response = connection.getresponse()
                while line := response.readline():
                    event = json.loads(line)
                    if event["type"] in ("ADDED", "MODIFIED") and condition(event["object"]):
                        return True
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                continue
            finally:
                connection.close()
        return False
