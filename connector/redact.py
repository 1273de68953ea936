"""Keeps secrets out of every text a person or a log can see: known values, and fields that are secret by name.

A server may echo a login in other spellings than we sent: a value is also found percent-encoded, form-encoded, escaped
as JSON or HTML, several times over too, and in base64, by itself or inside something longer, as in `user:password`.
"""

import logging
import re
from base64 import b64encode
from functools import cache, lru_cache
from html.entities import html5
from itertools import groupby
from typing import Any, NamedTuple

MASK = "***"
_SECRET_FIELDS = re.compile(
    r'(?i)(["\']?(?:password|privatekey|client_secret|access_token|refresh_token|assertion|api_?key)["\']?\s*[:=]\s*)'
    r'("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[^\s,&}]+)'
)
_AUTHORIZATION = re.compile(r"(?i)\b((?:bearer|basic) +)[\w.~+/=-]{20,}")
_RUN = re.compile(r"[A-Za-z0-9]+")
# What a text in base64 consists of, in its spelling for addresses too.
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")
_SHORT = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
# Limits of how often over a character may be escaped, so that no text of a server makes a search slow.
_AGAIN = "{0,4}"
_AMPERSAND = rf"(?:&|\\{{1,16}}+u0026)(?:amp;){_AGAIN}"
_SLASH = rf"(?:\\|%(?:25){_AGAIN}5[cC]|{_AMPERSAND}(?:#92|#[xX]5[cC]|bsol);)"
_SLASHES = _SLASH + "{1,16}+"


class _Form(NamedTuple):
    """One way to find a secret. `mark` is in every text that `pattern` fits, and is looked for first, being quick."""

    mark: str
    pattern: str
    in_base64: bool


_known: set[str] = set()


def register(*secrets: str | None) -> None:
    """Remember values (passwords, keys, tokens) so that `scrub` removes them wherever they appear."""
    # Very short values would blank out ordinary words; nothing that guards an account is that short.
    _known.update(secret for secret in secrets if secret and len(secret) >= 6)


def scrub(text: str) -> str:
    """Return `text` with registered secrets, in whatever spelling, and secret-looking fields masked."""
    for secret in sorted(_known, key=len, reverse=True):
        for form in _forms(secret):
            if form.mark in text:
                text = _masked(text, form)
    return _AUTHORIZATION.sub(rf"\1{MASK}", _SECRET_FIELDS.sub(rf"\1{MASK}", text))


@lru_cache(1024)
def _forms(secret: str) -> tuple[_Form, ...]:
    plain = "".join(_spelled(letter, len(list(run))) for letter, run in groupby(secret))
    cores = sorted({core for data in _encodings(secret) for core in _cores(data)})
    inside = (_Form(_mark(core), "".join(map(_digit, core)), in_base64=True) for core in cores)
    return _Form(_mark(secret), plain, in_base64=False), *inside


def _mark(text: str) -> str:
    """The longest run of letters and digits: they are the same in every spelling."""
    return max(_RUN.findall(text), key=len, default="")


@lru_cache(4096)
def _spelled(letter: str, times: int = 1) -> str:
    """The pattern of a character, so many times in a row, in all its spellings."""
    if letter.isascii() and letter.isalnum():
        return letter * times
    ways = [re.escape(letter), *_percent(letter), _entity(letter), *([r"\+"] if letter == " " else [])]
    spelled = f"(?:(?:{_SLASHES})?(?:{'|'.join(ways)})|{'|'.join(_backslash(letter))}){{{times}}}"
    # Backslashes in a row are taken together: how many of them are one is not to be told.
    return f"(?:{_SLASH}{{{times},{16 * times}}}+|{spelled})" if letter == "\\" else spelled


def _percent(letter: str) -> list[str]:
    return ["".join(f"%(?:25){_AGAIN}{_hex(f'{byte:02x}')}" for byte in data) for data in _encodings(letter)]


def _backslash(letter: str) -> list[str]:
    """As JSON and programming languages escape it; above U+FFFF as two surrogates in JSON."""
    data = letter.encode("utf-16-be", "surrogatepass")
    ways = [f"{_SLASHES}U{_hex(format(ord(letter), '08x'))}"]
    ways += ["".join(f"{_SLASHES}u{_hex(data[at : at + 2].hex())}" for at in range(0, len(data), 2))]
    if ord(letter) < 256:
        ways.append(f"{_SLASHES}x{_hex(f'{ord(letter):02x}')}")
    if letter in _SHORT:
        ways.append(f"{_SLASHES}{_SHORT[letter]}")
    return ways


def _entity(letter: str) -> str:
    number = ord(letter)
    names = [re.escape(name) for name in _entity_names().get(letter, ())]
    ways = [f"#0{{0,8}}{number};", f"#[xX]0{{0,8}}{_hex(format(number, 'x'))};", *names]
    return f"{_AMPERSAND}(?:{'|'.join(ways)})"


@cache
def _entity_names() -> dict[str, list[str]]:
    """Character → HTML's names for it, with their semicolon."""
    names: dict[str, list[str]] = {}
    for name, letter in html5.items():
        if name.endswith(";"):
            names.setdefault(letter, []).append(name)
    return names


def _hex(digits: str) -> str:
    """Hexadecimal digits in either case."""
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def _encodings(text: str) -> list[bytes]:
    """The text as UTF-8, and as Latin-1 where that differs: a header of older clients is that."""
    found = [text.encode("utf-8", "surrogatepass")]
    if not text.isascii() and all(ord(letter) < 256 for letter in text):
        found.append(text.encode("latin-1"))
    return found


def _cores(data: bytes) -> list[str]:
    """What base64 makes of the bytes wherever they stand in something longer: for each of the three places in a group.

    Characters that also hold bits of what stands before or after are left out.
    """
    found = []
    for before in range(3):
        encoded = b64encode(bytes(before) + data).decode()
        found.append(encoded[-(-before * 4 // 3) : (before + len(data)) * 4 // 3])
    return found


def _digit(digit: str) -> str:
    """A digit of base64 in its spellings; 62 and 63 have another character in addresses."""
    return {"+": rf"(?:{_spelled('+')}|-)", "/": rf"(?:{_spelled('/')}|_)"}.get(digit, digit)


def _masked(text: str, form: _Form) -> str:
    """The text without the secret; of base64 the rest goes too, which may hold the secret's first and last bits."""
    kept, position = [], 0
    for found in re.finditer(form.pattern, text):
        start, end = found.span()
        if form.in_base64:
            while start > position and text[start - 1] in _BASE64:
                start -= 1
            while end < len(text) and text[end] in _BASE64:
                end += 1
        if end > position:
            kept += [text[position : max(start, position)], MASK]
            position = end
    return "".join([*kept, text[position:]])


class RedactingFilter(logging.Filter):
    """Scrubs the finished message of each record, arguments and exception text included."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = scrub(record.getMessage())
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = scrub(logging.Formatter().formatException(record.exc_info))
        return True


def install(*names: str) -> None:
    """Attach the filter to the named loggers and to their handlers (child loggers bypass a logger's own filter)."""
    redacting = RedactingFilter()
    for name in names:
        logger: Any = logging.getLogger(name)
        for target in (logger, *logger.handlers):
            if not any(isinstance(present, RedactingFilter) for present in target.filters):
                target.addFilter(redacting)
