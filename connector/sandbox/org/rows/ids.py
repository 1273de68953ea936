"""Salesforce record ids: key prefix, 15 case-sensitive characters, and the suffix of the long form."""

from collections.abc import Iterator
from string import ascii_uppercase, digits

_BASE62 = digits + ascii_uppercase + ascii_uppercase.lower()
_CASES = str.maketrans(_BASE62, "".join("1" if char in ascii_uppercase else "0" for char in _BASE62))
_SUFFIX = ascii_uppercase + "012345"
# The characters after the key prefix name the instance in a real id; any fixed text will do here.
_INSTANCE = "5g0"


def checksum(id15: str) -> str:
    """Three characters that say which of the fifteen are upper case, five at a time, lowest bit first."""
    cases = id15.translate(_CASES)
    return "".join(_SUFFIX[int(cases[at : at + 5][::-1], 2)] for at in (0, 5, 10))


def long_form(id15: str) -> str:
    """The 18 characters of a 15-character id."""
    return id15 + checksum(id15)


def to_18(value: str) -> str | None:
    """The 18-character form of a 15- or 18-character id, or None where it is no id at all."""
    if len(value) not in (15, 18) or not value.isascii() or not value.isalnum():
        return None
    full = long_form(value[:15])
    return full if len(value) == 15 or full == value else None


def record_ids(prefix: str) -> Iterator[str]:
    """Endless distinct ids for one key prefix, in ascending order."""
    number = 0
    while True:
        number += 1
        yield long_form(prefix + _INSTANCE + _base62(number))


def _base62(number: int, width: int = 9) -> str:
    out = ""
    while number:
        number, rest = divmod(number, 62)
        out = _BASE62[rest] + out
    return out.rjust(width, "0")
