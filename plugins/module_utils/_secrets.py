# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What must never be shown: the one place that knows it, and the one function that takes it out of a text.

Whatever reads a secret adds it here first. What is shown goes through :meth:`Secrets.hidden`: foreign words before they are
cut (_reason.quote), and all that a module returns (_module). A secret is known by its value, in the forms that it can take in
an answer, or by its shape.
"""

from __future__ import annotations

import base64
import html
import json
import re
import typing as t
import urllib.parse

__all__ = ("KNOWN", "STARS", "Secrets", "url_secrets")

#: What stands for a secret, as in Ansible.
STARS: t.Final = "********"

#: From this length on a value is a secret wherever it stands. A shorter one can be a part of any word: it is one only as a
#: whole word, and a very short one only by its shape.
_ANYWHERE: t.Final = 8
_WORD: t.Final = 4

#: What is a secret whatever its value is. The group "kept" stays.
_SHAPES: t.Final = re.compile(
    # user and password in a URL
    r"(?P<kept>\b[a-z][a-z0-9+.-]*://)[^\s/?#\"'<>]*@"
    # a header with credentials, in the words of HTTP, JSON, Python or Go, also of several values
    r"|(?P<header>\b(?:proxy-)?authorization\b\\*[\"']?\s*[:=]\s*[\[(]?(?:b(?=[\"']))?\\*[\"']?)(?:[a-z]+\s+)?[^\s\"',;)}\]\\]+"
    r"|(?P<scheme>\b(?:bearer|basic)\s+)[a-z0-9._~+/=-]{16,}"
    # a JSON web token
    r"|\beyJ[a-z0-9_-]{8,}(?:\.[a-z0-9_-]+)*\.?"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.IGNORECASE | re.DOTALL,
)


class Secrets:
    """Texts that must not be shown. Values are only ever added."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, *values: object) -> None:
        """Remember values: texts, and all texts in lists and dictionaries."""
        found = {form for value in values for text in leaves(value) for form in _forms(text)}
        if found - self._forms:
            self._forms |= found
            # the longest first: it can contain another
            words = sorted(self._forms, key=lambda form: (-len(form), form))
            self._pattern = re.compile("|".join(_expression(word) for word in words))

    def hidden(self, text: str) -> str:
        """The text without what is secret in it."""
        if self._pattern:
            text = self._pattern.sub(STARS, text)
        return _SHAPES.sub(_starred, text)

    def hidden_in(self, value: t.Any, but: t.Collection[str] = ()) -> t.Any:
        """A copy of a value in which all texts are without what is secret.

        :param but: the keys of dictionaries below which there are words of ours alone.
        """
        if isinstance(value, str):
            return self.hidden(value)
        if isinstance(value, dict):
            return {key: one if key in but else self.hidden_in(one, but) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.hidden_in(one, but) for one in value]
        return value


#: Of this process: a module, or the action of one host.
KNOWN: t.Final = Secrets()


def leaves(value: object) -> set[str]:
    """All texts in a value, numbers among them."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple, set)):
        return {leaf for each in value for leaf in leaves(each)}
    return set() if value is None or isinstance(value, bool) else {str(value)}


def url_secrets(url: object) -> set[str]:
    """User and password of a URL or of C(user:password@host): together, and the password alone.

    A password can contain what a URL must not; then what takes the URL apart quotes a part of it.
    """
    before, at, _host = str(url or "").rpartition("@")
    login = before.partition("://")[2] or before
    password = login.partition(":")[2]
    # an @ in the path of a URL without a login
    if not at or re.match(r"\d+/", password) or (not password and "/" in login):
        return set()
    parts = (login, password, *re.split("[/?#@:]", password))
    return {text for one in parts for text in (one, urllib.parse.unquote(one)) if one}


def _starred(found: re.Match[str]) -> str:
    kept = next((text for text in found.groupdict().values() if text), "")
    return f"{kept}{STARS}{'@' if found['kept'] else ''}"


def _expression(word: str) -> str:
    # the codes of a URL and of JSON are written in both cases
    escaped = re.sub(r"%[0-9A-Fa-f]{2}|\\\\u[0-9A-Fa-f]{4}", lambda code: f"(?i:{code[0]})", re.escape(word))
    return escaped if len(word) >= _ANYWHERE else rf"(?<!\w){escaped}(?!\w)"


def _forms(text: str) -> set[str]:
    """The forms in which a value can stand in an answer: as it is, encoded, line by line."""
    lines = {text.strip(), *(line.strip() for line in text.splitlines())}
    # a key of a kubeconfig is itself encoded
    lines |= {line.strip() for one in tuple(lines) for line in _decoded(one).splitlines()}
    found: set[str] = set()
    for line in (line for line in lines if len(line) >= _WORD and not re.fullmatch("-----.*-----", line)):
        found.add(line)
        if len(line) >= _ANYWHERE:
            found |= _encoded(line)
    return found


def _encoded(text: str) -> set[str]:
    raw = text.encode("utf-8", "surrogatepass")
    found = {" ".join(text.split()), repr(text)[1:-1], repr(raw)[2:-1]}
    for plain in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        # Go has codes for what HTML knows, too
        found |= {plain, _replaced(plain, "&<>", lambda letter: rf"\u{ord(letter):04x}")}
    found.add(html.escape(text))
    # two packages of Go: one has a code for +, too
    for letters in ("\"'", "\"'+"):
        found.add(_replaced(html.escape(text, quote=False), letters, lambda letter: f"&#{ord(letter)};"))
    found |= {urllib.parse.quote(text), urllib.parse.quote(text, safe=""), urllib.parse.quote_plus(text)}
    for before in range(3):
        # within a longer text its code begins in the first, second or third byte of a group, and its ends depend on the others
        code = base64.b64encode(bytes(before) + raw).decode("ascii")
        whole = code[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        found |= {whole, whole.translate(str.maketrans("+/", "-_"))}
    return {form for form in found if len(form) >= _ANYWHERE}


def _replaced(text: str, letters: str, code: t.Callable[[str], str]) -> str:
    return "".join(code(letter) if letter in letters else letter for letter in text)


def _decoded(text: str) -> str:
    """What a text is the base64 of, if that is a PEM file."""
    try:
        plain = base64.b64decode("".join(text.split()), validate=True).decode("ascii")
    except ValueError:
        return ""
    return plain if plain.startswith("-----BEGIN") else ""
