# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: written in one step, read as far as they are whole, and locks on folders.

This file is PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re
import typing as t


def write(path: str, content: str | bytes, mode: int = 0o600) -> bool:
    """Replace the file in one step when its content or mode differ. True if it did."""
    data = content.encode() if isinstance(content, str) else content
    file = pathlib.Path(path)
    with contextlib.suppress(FileNotFoundError):
        if file.read_bytes() == data and file.stat().st_mode & 0o777 == mode:
            return False
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "wb") as stream:
        os.fchmod(descriptor, mode)
        stream.write(data)
    temporary.replace(file)
    return True


def read_json(path: str) -> dict[str, t.Any]:
    """The object in the file; empty when there is none or it was cut short."""
    try:
        document = json.loads(pathlib.Path(path).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def last_error(log: str) -> str:
    """The last line of a log that names an error, else the last line."""
    try:
        lines = pathlib.Path(log).read_text(errors="replace").strip().splitlines()
    except OSError:
        return "it wrote no log"
    errors = [line for line in lines if re.match(r"[EF]\d{4} ", line) or "error" in line.lower()]
    return (errors or lines or ["its log is empty"])[-1][:400]


def digest(*parts: bytes) -> str:
    result = hashlib.sha256()
    for part in parts:
        result.update(len(part).to_bytes(8, "big") + part)
    return result.hexdigest()


@contextlib.contextmanager
def locked(folder: str) -> t.Iterator[None]:
    """Hold the folder for this process alone. The lock is the folder itself, so that none stays behind."""
    descriptor = _lock(folder)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(folder: str) -> int:
    while True:
        with contextlib.suppress(FileExistsError):
            os.makedirs(folder, mode=0o711)
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Whoever held it before could have removed the folder.
            if os.path.exists(folder) and os.path.samestat(os.stat(folder), os.fstat(descriptor)):
                return descriptor
            os.close(descriptor)
