# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One pod created, seen running, deleted and seen gone: what no check of a cluster can be faster than.

Plain Python and the Kubernetes client, the parts of it that are cheap to import; no Ansible, no probe, no exec. The pod
is the sandbox image once more, which is on every node and obeys SIGTERM at once. Every wait is a watch.
Called by bench.py: floor.py KUBECONFIG CONTEXT.
"""

from __future__ import annotations

import secrets
import sys
import typing as t

from kubernetes import config
from kubernetes.dynamic import DynamicClient

NAMESPACE = "default"
SECONDS = 60


def pause_image(nodes: t.Any) -> str:
    """The sandbox image that the first node lists."""
    names = [name for image in nodes.items[0].status.images for name in image.names if "/pause:" in name]
    if not names:
        raise SystemExit("floor.py: the first node lists no pause image")
    return str(names[0])


def manifest(name: str, image: str) -> dict[str, t.Any]:
    """A pod that does nothing."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": SECONDS,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "containers": [
                {
                    "name": "pause",
                    "image": image,
                    "imagePullPolicy": "Never",
                    "resources": {"requests": {"cpu": "50m"}, "limits": {"memory": "16Mi"}},
                }
            ],
        },
    }


def wait(pods: t.Any, name: str, version: str, wanted: t.Callable[[dict[str, t.Any]], bool]) -> str:
    """Follow the pod until an event is the wanted one; returns the version at which it was."""
    events = pods.watch(
        namespace=NAMESPACE, field_selector=f"metadata.name={name}", resource_version=version, timeout=SECONDS
    )
    for event in events:
        if wanted(event):
            return str(event["raw_object"]["metadata"]["resourceVersion"])
    raise SystemExit(f"floor.py: pod {name} did not get there within {SECONDS} s")


def main(kubeconfig: str, context: str) -> None:
    client = DynamicClient(config.new_client_from_config(kubeconfig, context))
    pods = client.resources.get(api_version="v1", kind="Pod")
    image = pause_image(client.resources.get(api_version="v1", kind="Node").get())
    name = f"podshm-floor-{secrets.token_hex(5)}"
    version = pods.create(namespace=NAMESPACE, body=manifest(name, image)).metadata.resourceVersion
    try:
        version = wait(pods, name, version, lambda event: event["raw_object"]["status"].get("phase") == "Running")
    finally:
        pods.delete(namespace=NAMESPACE, name=name)
    wait(pods, name, version, lambda event: event["type"] == "DELETED")


if __name__ == "__main__":
    main(*sys.argv[1:])
