# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the probe prints, read strictly: a whole, fresh, undamaged block or nothing."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
import zlib
from urllib.parse import quote

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason

PROTOCOL = 1
BLOCK_LIMIT = 65536

Scalar: t.TypeAlias = "str | int | bool"
Args = t.Mapping[str, Scalar]

_PRINTABLE = re.compile(rb"[\x20-\x7e\n]*")
_BEGIN = b'\n{"podshm":'
_READY = b'{"ready":true}\n'
_NONCE = re.compile(r"[0-9a-f]{32}")

#: How an error begins that follows from an earlier step of the session: an answer for the rule, as a failed call is.
#: Every other error says that the step itself was not done.
_OF_THE_SESSION: t.Final = "this session "


@dataclasses.dataclass(frozen=True)
class Observation:
    """What one step saw."""

    step: str
    nonce: str
    facts: t.Mapping[str, Scalar]
    calls: tuple[t.Mapping[str, Scalar], ...]
    error: str | None
    refused: bool = False
    """Whether the probe did not do the step: it does not know it, or its arguments, or could not report it whole."""


def argv(step: str, nonce: str, args: Args) -> list[str]:
    """The probe's arguments for a step that is a container's own command."""
    if not _NONCE.fullmatch(nonce):
        raise ValueError("a nonce is 32 lower case hex digits")
    return [step, f"nonce={nonce}", *(f"{name}={_encode(value)}" for name, value in args.items())]


def command(step: str, nonce: str, args: Args) -> str:
    """The same as a line for a session's standard input."""
    return " ".join(argv(step, nonce, args)) + "\n"


def _encode(value: Scalar) -> str:
    return quote(str(int(value)) if isinstance(value, bool) else str(value), safe="/:,")


def complete(data: bytes, nonce: str) -> int | None:
    """Where the block of this nonce ends in a stream, or None if it hasn't ended yet."""
    start = 0
    tail = f'"nonce":"{nonce}"'.encode()
    while True:
        start = data.find(b'{"end":', start)
        if start < 0:
            return None
        end = data.find(b"\n", start)
        if end < 0:
            return None
        if (start == 0 or data[start - 1 : start] == b"\n") and tail in data[start:end]:
            return end + 1
        start = end


def ready(data: bytes, nonce: str) -> int | None:
    """The index after the answer's C(ready) line, or after the whole answer if it ended without waiting."""
    begin = data.find(nonce.encode("ascii"))
    found = data.find(_READY, begin) if begin >= 0 else -1
    return found + len(_READY) if found >= 0 else complete(data, nonce)


def last_block(data: bytes) -> bytes:
    """The block that ends the data, and what may follow the block before it: a log has more than one."""
    return data[data.rfind(_BEGIN) + 1 :] if _BEGIN in data else data


def parse(data: bytes, step: str, nonce: str, limit: int = BLOCK_LIMIT) -> Observation:
    """Read exactly one block of this step and nonce; raise Inconclusive for anything else."""
    if len(data) > limit:
        raise _bad(f"more than {limit} bytes")
    if not _PRINTABLE.fullmatch(data):
        raise _bad("bytes that the probe never prints")
    if not data.endswith(b"\n"):
        raise _bad("it is cut off" if data else "there is none")
    *body, last = data[:-1].split(b"\n")
    records = [_record(line) for line in body]
    _check_end(_record(last), data[: len(data) - len(last) - 1], len(body), step, nonce)
    _check_begin(records[0] if records else {}, step, nonce)
    return _observation(records[1:], step, nonce)


def _bad(detail: str) -> Inconclusive:
    return Inconclusive(Reason.BAD_OUTPUT, f"the probe's output is unusable: {detail}")


def _record(line: bytes) -> dict[str, Scalar]:
    try:
        record = json.loads(line, object_pairs_hook=_unique, parse_float=_no_number, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _bad("a line is not valid JSON") from None
    if not isinstance(record, dict):
        raise _bad("a line is not a JSON object")
    if not all(isinstance(value, (str, int)) for value in record.values()):
        raise _bad("a line holds something else than text, integers and booleans")
    return record


def _unique(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a name occurs twice")
    return record


def _no_number(text: str) -> t.NoReturn:
    raise ValueError("not an integer")


def _is_int(value: Scalar | None) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_end(record: dict[str, Scalar], before: bytes, lines: int, step: str, nonce: str) -> None:
    if "end" not in record:
        raise _bad("it does not end with a sentinel")
    if set(record) != {"end", "nonce", "lines", "crc32"}:
        raise _bad("its sentinel is malformed")
    if record["nonce"] != nonce:
        raise _bad("its sentinel is of another run (stale nonce)")
    if record["end"] != step:
        raise _bad("its sentinel is of another step")
    if not _is_int(record["lines"]) or record["lines"] != lines:
        raise _bad("lines are missing or added")
    if record["crc32"] != f"{zlib.crc32(before):08x}":
        raise _bad("its checksum is wrong")


def _check_begin(record: dict[str, Scalar], step: str, nonce: str) -> None:
    if "podshm" not in record:
        raise _bad("it does not begin with a probe's first line")
    if not _is_int(record["podshm"]) or record["podshm"] != PROTOCOL:
        raise _bad(f"its protocol is not version {PROTOCOL}")
    if set(record) != {"podshm", "step", "nonce", "probe"} or not isinstance(record["probe"], str):
        raise _bad("its first line is malformed")
    if record["nonce"] != nonce:
        raise _bad("its first line is of another run (stale nonce)")
    if record["step"] != step:
        raise _bad("its first line is of another step")


def _observation(records: list[dict[str, Scalar]], step: str, nonce: str) -> Observation:
    facts: dict[str, Scalar] = {}
    calls: list[dict[str, Scalar]] = []
    error: str | None = None
    refused = False
    for record in records:
        if isinstance(record.get("call"), str) and _is_int(record.get("result")):
            calls.append(record)
        elif isinstance(record.get("fact"), str) and set(record) == {"fact", "value"}:
            name = str(record["fact"])
            if name in facts:
                raise _bad("a fact is given twice")
            facts[name] = record["value"]
        elif isinstance(record.get("error"), str) and set(record) <= {"error", "argument"} and error is None:
            error = " ".join(str(value) for value in reversed(list(record.values())))
            refused = not str(record["error"]).startswith(_OF_THE_SESSION)
        elif record != {"ready": True}:
            raise _bad("a line is of an unknown kind")
    return Observation(step, nonce, facts, tuple(calls), error, refused)
