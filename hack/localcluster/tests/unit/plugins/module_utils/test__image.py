# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image archives, read back as a runtime reads them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import typing as t

from ansible_collections.abcdesktopio.localcluster.plugins.module_utils import _image as image

PAUSE = image.pause("registry.k8s.io/pause:3", b"program")
BUSYBOX = image.busybox("1.2.3", b"box", ["busybox", "sh", "ls"])


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: member for member in tar}


def blobs(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: t.cast("t.IO[bytes]", tar.extractfile(member)).read() for member in tar}


def follow(files: dict[str, bytes], descriptor: dict[str, t.Any]) -> bytes:
    blob = files["blobs/" + descriptor["digest"].replace(":", "/")]
    assert hashlib.sha256(blob).hexdigest() == descriptor["digest"].removeprefix("sha256:")
    assert len(blob) == descriptor["size"]
    return blob


def test_every_digest_leads_to_its_blob() -> None:
    files = blobs(image.archive([PAUSE, BUSYBOX], "amd64"))
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads(files["index.json"])
    names = [each["annotations"]["io.containerd.image.name"] for each in index["manifests"]]
    assert names == ["registry.k8s.io/pause:3", "docker.io/library/busybox:1.2.3"]
    for each in index["manifests"]:
        manifest = json.loads(follow(files, each))
        (layer,) = manifest["layers"]
        config = json.loads(follow(files, manifest["config"]))
        assert config["rootfs"]["diff_ids"] == [layer["digest"]]
        assert config["architecture"] == "amd64"
        follow(files, layer)


def test_the_same_input_gives_the_same_bytes() -> None:
    assert image.archive([PAUSE, BUSYBOX], "amd64") == image.archive([PAUSE, BUSYBOX], "amd64")
    assert image.archive([PAUSE], "amd64") != image.archive([PAUSE], "arm64")


def test_pause_does_not_run_as_root() -> None:
    assert PAUSE.config == {"Entrypoint": ["/pause"], "User": "65535:65535"}


def test_busybox_has_its_applets() -> None:
    files = blobs(image.archive([BUSYBOX], "amd64"))
    manifest = json.loads(follow(files, json.loads(files["index.json"])["manifests"][0]))
    entries = members(follow(files, manifest["layers"][0]))
    assert entries["bin/busybox"].mode == 0o755
    assert entries["bin/sh"].linkname == "busybox"
    assert entries["tmp"].mode == 0o1777
    assert entries["bin/busybox"].isfile()
