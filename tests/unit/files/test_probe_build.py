# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The committed binaries are built from these sources, small, static, and for the right machines."""

from __future__ import annotations

import importlib.util
import pathlib
import platform
import re
import shutil
import struct
import subprocess
import types

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import payload, protocol

SOURCES = pathlib.Path(__file__).resolve().parents[3] / "files" / "probe"
# Kubernetes' architecture -> the byte order of its ELF, the number of its machine, and the largest page of its kernels
MACHINES = {
    "amd64": ("<", 62, 4096),
    "arm64": ("<", 183, 65536),
    "ppc64le": ("<", 21, 65536),
    "riscv64": ("<", 243, 4096),
    "s390x": (">", 22, 4096),
}
PT_LOAD, PT_INTERP, PF_X, PF_W = 1, 3, 1, 2


def builder() -> types.ModuleType:
    """files/probe/build.py, which is no package's module."""
    spec = importlib.util.spec_from_file_location("podshm_probe_build", SOURCES / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def committed() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((SOURCES / "bin").iterdir())}


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs the compiler: pip install ziglang")
def test_a_rebuild_in_another_folder_gives_the_same_bytes(tmp_path: pathlib.Path) -> None:
    elsewhere = tmp_path / "some where" / "else"
    shutil.copytree(SOURCES, elsewhere, ignore=shutil.ignore_patterns("bin"))
    assert builder().build(elsewhere) == committed()


def test_the_payload_holds_the_committed_binaries() -> None:
    build = builder()
    assert build.PAYLOAD.read_text(encoding="ascii") == build.payload(committed())
    assert {arch: payload.binary(arch) for arch in payload.BINARIES} == committed()


def test_version_and_protocol_are_the_sources() -> None:
    text = (SOURCES / "probe.h").read_text(encoding="ascii")
    assert re.findall(r'^#define PROBE_VERSION "(.*)"$', text, re.MULTILINE) == [payload.VERSION]
    assert re.findall(r"^#define PROBE_PROTOCOL (\d+)$", text, re.MULTILINE) == [str(payload.PROTOCOL)]
    assert payload.PROTOCOL == protocol.PROTOCOL


@pytest.mark.parametrize("arch", sorted(MACHINES))
def test_a_binary_is_small_static_and_for_its_machine(arch: str) -> None:
    elf = payload.binary(arch)
    order, number, page = MACHINES[arch]
    assert len(elf) <= 72 * 1024
    assert elf[:6] == b"\x7fELF\x02" + {"<": b"\x01", ">": b"\x02"}[order]
    kind, machine, _version, _entry, table = struct.unpack_from(f"{order}HHIQQ", elf, 16)
    size, count = struct.unpack_from(f"{order}HH", elf, 54)
    assert (kind, machine) == (2, number)
    headers = [struct.unpack_from(f"{order}IIQQQQQQ", elf, table + i * size) for i in range(count)]
    assert PT_INTERP not in {header[0] for header in headers}
    loads = [header for header in headers if header[0] == PT_LOAD]
    assert not any(flags & PF_X and flags & PF_W for _type, flags, *_rest in loads)
    for _type, _flags, offset, address, _physical, _in_file, _in_memory, alignment in loads:
        assert alignment == page  # kernels with such pages must be able to map it
        assert (address - offset) % page == 0
    assert not any(path in elf for path in (b"/root", b"/tmp", b"/home", b"/work"))


def test_every_step_has_a_page_in_the_protocol() -> None:
    table = (SOURCES / "main.c").read_text(encoding="ascii")
    steps = set(re.findall(r'^\t\{"(\w+)", ', table, re.MULTILINE)) - {"spam"}
    text = (SOURCES.parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert steps
    assert steps == set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def test_every_fact_has_a_place_in_the_protocol() -> None:
    sources = "".join(path.read_text(encoding="ascii") for path in sorted(SOURCES.glob("*.c")))
    formats = re.findall(
        r'\b(?:emit_facts|emit_namespace|emit_rlimit|emit_beyond)\(((?:\s*"[^"]*")+|[^;]*?"[^"]*")', sources
    )
    facts = {fact for text in formats for fact in re.findall(r"(\w+)[=?](?=%|unlimited)", text)}
    facts |= set(re.findall(r'"(rlimit_\w+)"', sources)) | {"kernel_shmmax", "fs_mqueue_queues_max"}
    text = (SOURCES.parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert len(facts) > 100
    assert facts - set(re.findall(r"`(\w+)`", text)) == set()


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs the compiler: pip install ziglang")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="runs the probe for amd64")
def test_broken_output_decides_nothing(tmp_path: pathlib.Path) -> None:
    """A build for tests can break its own output; no committed binary can."""
    assert all(b"This is not what was asked for" not in elf for elf in committed().values())
    probe = tmp_path / "probe"
    probe.write_bytes(builder().compile_probe("amd64", SOURCES, ("-DPODSHM_TEST",)))
    probe.chmod(0o755)
    nonce = "0123456789abcdef" * 2

    def spam(**args: str | int) -> bytes:
        words = protocol.argv("spam", nonce, args)
        return subprocess.run([probe, *words], stdout=subprocess.PIPE, check=True).stdout

    assert protocol.parse(spam(bytes=0, mode="plain"), "spam", nonce).error is None
    for mode in ("wrongnonce", "badcrc", "truncated", "nosentinel"):
        with pytest.raises(_reason.Inconclusive):
            protocol.parse(spam(mode=mode), "spam", nonce)
    for mode, size in (("plain", 1), ("escapes", 1), ("plain", 3000000)):
        with pytest.raises(_reason.Inconclusive):
            protocol.parse(spam(bytes=size, mode=mode), "spam", nonce)
