# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import html
import json
import urllib.parse

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _reason, _secrets

SECRET = 'c0rrect/horse+batt&ry "staple"<é'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        urllib.parse.quote(SECRET),
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote_plus(SECRET),
        urllib.parse.quote(SECRET, safe="").replace("%2F", "%2f"),
        html.escape(SECRET),
        json.dumps(SECRET),
        json.dumps(SECRET).replace("\\u00e9", "\\u00E9"),
        json.dumps(SECRET, ensure_ascii=False),
        # as Go writes JSON, and HTML in two ways
        json.dumps(SECRET, ensure_ascii=False).replace("&", "\\u0026").replace("<", "\\u003c"),
        html.escape(SECRET, quote=False).replace('"', "&#34;"),
        html.escape(SECRET, quote=False).replace('"', "&#34;").replace("+", "&#43;"),
        repr(SECRET),
        repr(SECRET.encode())[1:],
    ],
)
def test_a_value_is_hidden_in_every_form(form: str) -> None:
    secrets = _secrets.Secrets()
    secrets.add({"token": [SECRET]})
    shown = secrets.hidden(f"before {form} after")
    assert shown.replace('"', "").replace("'", "") == "before ******** after"


@pytest.mark.parametrize("before", ["", "u", "us", "use", "user:", '{"token": "'])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_value_is_hidden_in_the_base64_of_a_longer_text(before: str, encode: type[bytes]) -> None:
    secrets = _secrets.Secrets()
    secrets.add(SECRET)
    code = encode(f"{before}{SECRET}\n".encode()).decode()
    shown = secrets.hidden(f"x {code} y")
    assert "********" in shown
    # a few characters depend on what is around it
    assert len(shown.replace("*", "")) <= len(base64.b64encode(before.encode())) + 8


def test_a_value_of_several_lines_is_hidden_line_by_line_and_decoded() -> None:
    secrets = _secrets.Secrets()
    pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIJ4kq\nLr3PzqQ0Nn==\n-----END EC PRIVATE KEY-----\n"
    secrets.add(base64.b64encode(pem.encode()).decode())
    assert secrets.hidden("the line MHcCAQEEIJ4kq of a key") == "the line ******** of a key"
    assert secrets.hidden(f"in full: {pem}") == "in full: ********\n"


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        ("a", "a pod has a name", "a pod has a name"),
        ("pod", "pod podshm", "pod podshm"),
        ("shm1", "podshm1: shm1", "podshm1: ********"),
        ("podshm-1", "podshm-12", "********2"),
        ("", "pod", "pod"),
    ],
)
def test_a_short_value_does_not_blank_the_text(value: str, text: str, shown: str) -> None:
    secrets = _secrets.Secrets()
    secrets.add(value)
    assert secrets.hidden(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no way to http://u:pw@h:3128/p", "no way to http://********@h:3128/p"),
        ("socks5h://pw@h", "socks5h://********@h"),
        ("https://h/a@b is kept", "https://h/a@b is kept"),
        ("{'Authorization': 'Bearer x'}", "{'Authorization': '********'}"),
        ("Proxy-Authorization: Basic eA==, more", "Proxy-Authorization: ********, more"),
        ('{"authorization":"x","a":1}', '{"authorization":"********","a":1}'),
        ("Bearer 0123456789abcdef.x", "Bearer ********"),
        # several values of a header, and a text in a text
        ('{"Authorization":["Bearer x"]}', '{"Authorization":["********"]}'),
        ("map[Authorization:[Bearer x] A:[b]]", "map[Authorization:[********] A:[b]]"),
        (r'"{\"authorization\":\"Bearer x\"}"', r'"{\"authorization\":\"********\"}"'),
        ("basic authentication", "basic authentication"),
        ("a eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrIn0.c2ln b", "a ******** b"),
        ("-----BEGIN RSA PRIVATE KEY----- MIIE", "********"),
        ("the authorization mode is Node", "the authorization mode is Node"),
    ],
)
def test_a_shape_that_is_a_secret_whatever_it_is(text: str, shown: str) -> None:
    assert _secrets.Secrets().hidden(text) == shown


def test_all_texts_in_a_value_but_words_of_ours() -> None:
    secrets = _secrets.Secrets()
    secrets.add("UNREACHABLE")
    answer = {"status": "UNREACHABLE", "msg": ["UNREACHABLE"], "n": 1, "b": True, "x": None}
    shown = secrets.hidden_in(answer, but=("status",))
    assert shown == {"status": "UNREACHABLE", "msg": ["********"], "n": 1, "b": True, "x": None}


@pytest.mark.parametrize(
    "words", [_reason.quote, _reason.line, lambda text: str(_reason.Inconclusive(_reason.Reason.INVALID, text))]
)
def test_a_secret_is_hidden_before_a_text_is_cut(words: type[str]) -> None:
    _secrets.KNOWN.add("correct-horse\tbattery-staple")
    for length in range(380, 402):
        assert "correct" not in words("x" * length + " correct-horse\tbattery-staple")


@pytest.mark.parametrize(
    "words", [_reason.quote, _reason.line, lambda text: str(_reason.Inconclusive(_reason.Reason.INVALID, text))]
)
def test_foreign_words_are_one_short_printable_line(words: type[str]) -> None:
    shown = words("\x1b[31m\r\n\x00\u202e\x9b {{ 7 * 7 }} " + "long " * 1_000_000)
    assert shown.startswith("?[31m ??? {{ 7 * 7 }} long long")
    assert shown.isprintable()
    assert len(shown) <= 2000
