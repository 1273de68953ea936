"""Salesforce record ids: key prefix, 15 case-sensitive characters, and the suffix of the long form."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_uppercase, digits

_BASE62 = digits + ascii_uppercase + ascii_uppercase.lower()
_SUFFIX = ascii_uppercase + "012345"
# The characters after the key prefix name the instance in a real id; any fixed text will do here.
_INSTANCE = "5g0"


def checksum(id15: str) -> str:
    """Three characters that say which of the fifteen are upper case, five at a time, lowest bit first."""
    return "".join(
        _SUFFIX[sum(1 << bit for bit, char in enumerate(id15[at : at + 5]) if char in ascii_uppercase)]
        for at in (0, 5, 10)
    )


def to_18(value: str) -> str | None:
    """The 18-character form of a 15- or 18-character id, or None where it is no id at all."""
    if len(value) not in (15, 18) or not value.isascii() or not value.isalnum():
        return None
    full = value[:15] + checksum(value[:15])
    return full if len(value) == 15 or full == value else None


def record_ids(prefix: str) -> Iterator[str]:
    """Endless distinct ids for one key prefix, in ascending order."""
    number = 0
    while True:
        number += 1
        id15 = prefix + _INSTANCE + _base62(number)
        yield id15 + checksum(id15)


def _base62(number: int, width: int = 9) -> str:
    out = ""
    while number:
        number, rest = divmod(number, 62)
        out = _BASE62[rest] + out
    return out.rjust(width, "0")
