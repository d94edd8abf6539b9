# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCI image archives, written without a registry and without a tool. Pure, and the same bytes each time.

This file is PRIVATE to the collection.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile
import typing as t


@dataclasses.dataclass(frozen=True)
class Image:
    """An image of one layer."""

    reference: str
    config: dict[str, t.Any]
    files: dict[str, bytes] = dataclasses.field(default_factory=dict)
    links: dict[str, str] = dataclasses.field(default_factory=dict)
    folders: dict[str, int] = dataclasses.field(default_factory=dict)


def pause(reference: str, binary: bytes) -> Image:
    return Image(reference, {"Entrypoint": ["/pause"], "User": "65535:65535"}, files={"pause": binary})


def busybox(version: str, binary: bytes, applets: t.Iterable[str]) -> Image:
    return Image(
        f"docker.io/library/busybox:{version}",
        {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
        files={
            "bin/busybox": binary,
            "etc/passwd": b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
            "etc/group": b"root:x:0:\nnobody:x:65534:\n",
        },
        links={f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"},
        folders={"bin": 0o755, "etc": 0o755, "tmp": 0o1777},
    )


def _tar(files: t.Mapping[str, bytes], links: t.Mapping[str, str], folders: t.Mapping[str, int]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(folders):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, folders[name]
            tar.addfile(entry)
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o644 if name.startswith("etc/") else 0o755
            tar.addfile(entry, io.BytesIO(files[name]))
        for name in sorted(links):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, links[name]
            tar.addfile(entry)
    return buffer.getvalue()


def archive(images: t.Iterable[Image], architecture: str) -> bytes:
    """One OCI layout as a tar, with all the images in it."""
    blobs: dict[str, bytes] = {}

    def add(blob: bytes, media_type: str) -> dict[str, t.Any]:
        digest = hashlib.sha256(blob).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = blob
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(blob)}

    def add_json(document: dict[str, t.Any], media_type: str) -> dict[str, t.Any]:
        return add(json.dumps(document, sort_keys=True).encode(), media_type)

    manifests = []
    for image in images:
        layer = add(_tar(image.files, image.links, image.folders), "application/vnd.oci.image.layer.v1.tar")
        config = add_json(
            {
                "architecture": architecture,
                "os": "linux",
                "config": image.config,
                "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
            },
            "application/vnd.oci.image.config.v1+json",
        )
        media_type = "application/vnd.oci.image.manifest.v1+json"
        manifest = add_json(
            {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer]}, media_type
        )
        tag = image.reference.rpartition(":")[2]
        annotations = {"io.containerd.image.name": image.reference, "org.opencontainers.image.ref.name": tag}
        manifests.append({**manifest, "annotations": annotations})

    index = json.dumps({"schemaVersion": 2, "manifests": manifests}, sort_keys=True).encode()
    return _tar({"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index, **blobs}, {}, {})
