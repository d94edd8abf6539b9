# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A block is read whole, fresh and undamaged, or not at all."""

from __future__ import annotations

import json
import random
import typing as t
import zlib
from urllib.parse import unquote

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe import protocol
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive

STEP, NONCE = "sysv_shm_read", "0123456789abcdef" * 2
BEGIN: dict[str, t.Any] = {"podshm": 1, "step": STEP, "nonce": NONCE, "probe": "0.1.0"}
CALL = {"call": "shmget", "key": "0x5a010203", "result": -1, "errno": "ENOENT"}
FOUND = {"fact": "found", "value": False}


def block(*records: t.Any, begin: dict[str, t.Any] | None = None, **end: t.Any) -> bytes:
    """What the probe would print, with a sentinel that fits unless end says otherwise."""
    lines = [
        record if isinstance(record, bytes) else json.dumps(record).encode() for record in (begin or BEGIN, *records)
    ]
    body = b"".join(line + b"\n" for line in lines)
    sentinel = {"end": STEP, "nonce": NONCE, "lines": len(lines), "crc32": f"{zlib.crc32(body):08x}", **end}
    return body + json.dumps(sentinel, separators=(",", ":")).encode() + b"\n"


def refusal(data: bytes, limit: int = protocol.BLOCK_LIMIT) -> str:
    """Why data is no block of ours."""
    with pytest.raises(Inconclusive) as caught:
        protocol.parse(data, STEP, NONCE, limit)
    assert caught.value.reason == "BadOutput"
    assert caught.value.detail.isprintable()
    return caught.value.detail


def test_a_whole_block() -> None:
    size = {"fact": "size_bytes", "value": 2**64 - 1}
    text = {"fact": "text", "value": "\u0000\u00e9"}
    seen = protocol.parse(block(CALL, FOUND, {"ready": True}, size, text), STEP, NONCE)
    assert (seen.step, seen.nonce, seen.error) == (STEP, NONCE, None)
    assert seen.calls == (CALL,)
    assert seen.facts == {"found": False, "size_bytes": 2**64 - 1, "text": "\u0000\u00e9"}


def test_a_block_with_an_error() -> None:
    error = {"error": "unknown argument", "argument": "foo"}
    assert protocol.parse(block(error), STEP, NONCE).error == "foo unknown argument"
    seen = protocol.parse(block({"error": "unknown step"}), STEP, NONCE)
    assert (seen.error, seen.refused) == ("unknown step", True)


def test_an_error_that_follows_from_an_earlier_step_refuses_nothing() -> None:
    error = {"error": "this session holds no such segment", "argument": "key"}
    seen = protocol.parse(block(error), STEP, NONCE)
    assert (seen.error, seen.refused) == ("key this session holds no such segment", False)


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"", "there is none"),
        (block(FOUND)[:-1], "it is cut off"),
        (b"\n", "a line is not valid JSON"),
        (block(FOUND) + b"\n", "a line is not valid JSON"),
        (block(FOUND) + b"OCI runtime warning\n", "a line is not valid JSON"),
        (b"warning\n" + block(FOUND), "a line is not valid JSON"),
        (b'{"note":"warning"}\n' + block(FOUND), "lines are missing or added"),
        (block(FOUND) + block(FOUND), "lines are missing or added"),
        (block(FOUND).replace(b"\n", b"\r\n"), "bytes that the probe never prints"),
        (b"\x1b[2J" + block(FOUND), "bytes that the probe never prints"),
        (block(FOUND).replace(b"found", b"f\xc3\xbcnd"), "bytes that the probe never prints"),
        (block(FOUND).replace(b"found", b"f\x00und"), "bytes that the probe never prints"),
        (block(FOUND).replace(b"found", b"lound"), "its checksum is wrong"),
        (block(FOUND, crc32="00000000"), "its checksum is wrong"),
        (block(FOUND, crc32=0), "its checksum is wrong"),
        (block(FOUND, lines=3), "lines are missing or added"),
        (block(FOUND, lines=True), "lines are missing or added"),
        (block(FOUND, lines="2"), "lines are missing or added"),
        (block(FOUND, end="fill"), "its sentinel is of another step"),
        (block(FOUND, nonce="f" * 32), "its sentinel is of another run (stale nonce)"),
        (block(FOUND, more=1), "its sentinel is malformed"),
        (block(FOUND, begin={**BEGIN, "nonce": "f" * 32}), "its first line is of another run (stale nonce)"),
        (block(FOUND, begin={**BEGIN, "step": "fill"}), "its first line is of another step"),
        (block(FOUND, begin={**BEGIN, "podshm": 2}), "its protocol is not version 1"),
        (block(FOUND, begin={**BEGIN, "podshm": True}), "its protocol is not version 1"),
        (block(FOUND, begin={**BEGIN, "more": 1}), "its first line is malformed"),
        (block(FOUND, begin={**BEGIN, "probe": 1}), "its first line is malformed"),
        (block(FOUND, begin=FOUND), "it does not begin with a probe's first line"),
        (b"".join(block(FOUND).splitlines(True)[:-1]), "it does not end with a sentinel"),
        (block(BEGIN), "a line is of an unknown kind"),
        (block({"ready": False}), "a line is of an unknown kind"),
        (block({"ready": 1, "more": 1}), "a line is of an unknown kind"),
        (block({"call": "shmget"}), "a line is of an unknown kind"),
        (block({"call": "shmget", "result": "0"}), "a line is of an unknown kind"),
        (block({"call": "shmget", "result": True}), "a line is of an unknown kind"),
        (block({"fact": "found"}), "a line is of an unknown kind"),
        (block({"fact": "found", "value": 1, "more": 1}), "a line is of an unknown kind"),
        (block({"error": "a"}, {"error": "b"}), "a line is of an unknown kind"),
        (block({}), "a line is of an unknown kind"),
        (block(FOUND, FOUND), "a fact is given twice"),
        (block([1]), "a line is not a JSON object"),
        (block(b"1"), "a line is not a JSON object"),
        (block(b'{"fact":"a","value":1,"value":2}'), "a line is not valid JSON"),
        (block(b'{"fact":"a","value":1.5}'), "a line is not valid JSON"),
        (block(b'{"fact":"a","value":NaN}'), "a line is not valid JSON"),
        (block(b'{"fact":"a","value":' + b"9" * 5000 + b"}"), "a line is not valid JSON"),
        (block(b"[" * 50000), "a line is not valid JSON"),
        (block({"fact": "a", "value": None}), "a line holds something else than text, integers and booleans"),
        (block({"fact": "a", "value": {}}), "a line holds something else than text, integers and booleans"),
        (block({"fact": "a", "value": "x" * 65536}), "more than 65536 bytes"),
    ],
)
def test_everything_else_decides_nothing(data: bytes, detail: str) -> None:
    assert refusal(data) == f"the probe's output is unusable: {detail}"


def test_the_detail_never_carries_what_came() -> None:
    assert "secret" not in refusal(b'{"fact":"secret","value":"\x1bsecret"}\n')
    assert "secret" not in refusal(block({"fact": "secret", "value": 1}, {"fact": "secret", "value": 2}))


def test_the_limit_is_the_callers() -> None:
    data = block(FOUND)
    assert protocol.parse(data, STEP, NONCE, len(data)).facts == {"found": False}
    assert "more than" in refusal(data, len(data) - 1)


def test_no_prefix_and_no_suffix_is_a_block() -> None:
    data = block(CALL, FOUND, {"fact": "text", "value": "This is the way the world ends..."})
    for cut in range(len(data)):
        refusal(data[:cut])
        refusal(data[cut + 1 :])


def test_no_single_damage_goes_unseen() -> None:
    data = block(CALL, FOUND, {"fact": "size_bytes", "value": 67108864})
    dice = random.Random(3)
    for at in range(len(data)):
        for byte in {*dice.choices(range(256), k=8), ord(" "), ord("0"), ord("\n")} - {data[at]}:
            refusal(data[:at] + bytes([byte]) + data[at + 1 :])
        refusal(data[:at] + data[at + 1 :])


def test_complete_finds_the_end_of_its_own_block_only() -> None:
    data = block(CALL, FOUND)
    for cut in range(len(data)):
        assert protocol.complete(data[:cut], NONCE) is None
    assert protocol.complete(data + data, NONCE) == len(data)
    assert protocol.complete(data, "f" * 32) is None
    stale = data.replace(NONCE.encode(), b"f" * 32)
    assert protocol.complete(stale + data, NONCE) == len(stale + data)


def test_complete_is_not_fooled_by_a_sentinel_inside_a_line() -> None:
    inside = b'x{"end":"sysv_shm_read","nonce":"' + NONCE.encode() + b'"}\n'
    assert protocol.complete(inside, NONCE) is None
    assert protocol.complete(inside + block(FOUND), NONCE) == len(inside + block(FOUND))


def test_a_request() -> None:
    args: protocol.Args = {"path": "/dev/shm", "text": "a b%=\n\u00e9", "make": True, "size": 512}
    assert protocol.argv("ftok", NONCE, args) == [
        "ftok",
        f"nonce={NONCE}",
        "path=/dev/shm",
        "text=a%20b%25%3D%0A%C3%A9",
        "make=1",
        "size=512",
    ]
    line = protocol.command("ftok", NONCE, args)
    assert line == " ".join(protocol.argv("ftok", NONCE, args)) + "\n"
    assert line.isascii()
    assert unquote(line.split()[3]) == "text=a b%=\n\u00e9"


@pytest.mark.parametrize("nonce", ["", "A" * 32, "a" * 31, "a" * 33, "a" * 32 + "\n"])
def test_a_request_needs_a_nonce(nonce: str) -> None:
    with pytest.raises(ValueError, match="32 lower case hex digits"):
        protocol.command("selftest", nonce, {})
