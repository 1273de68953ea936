"""Where the parts of a JSON text begin and end, found without reading their values.

A reader of JSON refuses a whole page for one value that it cannot hold: half a surrogate pair, a byte that is no UTF-8,
a number of thousands of digits, hundreds of levels. This scanner looks at brackets, quotes, colons and commas only, to
any depth, so that the rows around such a value can be told from it. Text whose grammar is broken is refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from pydantic_core import from_json

_SPACE = rb"[ \t\r\n]*+"
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_OTHER = rb'[^ \t\r\n"{}\[\],:]++'
_SCALAR = rb"(?:" + _STRING + rb"|" + _OTHER + rb")" + _SPACE
_MEMBER = _STRING + _SPACE + rb":" + _SPACE + _SCALAR


def _flat(opens: bytes, item: bytes, closes: bytes) -> bytes:
    return opens + _SPACE + rb"(?:" + item + rb"(?:," + _SPACE + item + rb")*+)?+" + closes


_ONE = rb"(?P<string>" + _STRING + rb")|(?P<mark>[{}\[\],:])|(?P<other>" + _OTHER + rb")"
# An object or array without others in it is one token: a page is mostly such rows.
_FLAT = rb"(?P<flat>" + _flat(rb"\{", _MEMBER, rb"\}") + rb"|" + _flat(rb"\[", _SCALAR, rb"\]") + rb")|"
_TOKEN = re.compile(_SPACE + rb"(?:" + _ONE + rb")", re.DOTALL)
_LARGE_TOKEN = re.compile(_SPACE + rb"(?:" + _FLAT + _ONE + rb")", re.DOTALL)
_CLOSER = {b"{": b"}", b"[": b"]"}


@dataclass(frozen=True, slots=True)
class Part:
    """A member of an object or an element of an array: where its value stands. `key` as written; empty in an array."""

    key: bytes
    start: int
    end: int

    @property
    def name(self) -> str | None:
        """The key; None where it cannot be read."""
        try:
            return str(from_json(self.key))
        except ValueError:
            return None


class _Due(Enum):
    VALUE = "a value"
    FIRST_VALUE = "a value or the array's end"
    KEY = "a key"
    FIRST_KEY = "a key or the object's end"
    COLON = "a colon"
    NEXT = "a comma or an end"


_VALUES = (_Due.VALUE, _Due.FIRST_VALUE)
_KEYS = (_Due.KEY, _Due.FIRST_KEY)
_MAY_CLOSE = {b"}": (_Due.NEXT, _Due.FIRST_KEY), b"]": (_Due.NEXT, _Due.FIRST_VALUE)}


@dataclass(slots=True)
class _Grammar:
    """What may come next. `closers` are the ends of all open arrays and objects."""

    due: _Due = _Due.VALUE
    closers: list[bytes] = field(default_factory=list)

    def take(self, mark: bytes | None, *, is_string: bool) -> None:
        """One token: a mark, a string or another value. Raises ValueError where it may not stand here."""
        due = self.due
        if mark is None:
            if due not in _VALUES and not (is_string and due in _KEYS):
                raise ValueError(f"{due.value} was due")
            self.due = _Due.NEXT if due in _VALUES else _Due.COLON
        elif mark in _CLOSER and due in _VALUES:
            self.closers.append(_CLOSER[mark])
            self.due = _Due.FIRST_KEY if mark == b"{" else _Due.FIRST_VALUE
        elif self.closers and mark == self.closers[-1] and due in _MAY_CLOSE[mark]:
            self.closers.pop()
            self.due = _Due.NEXT
        elif mark == b"," and due is _Due.NEXT:
            self.due = _Due.KEY if self.closers[-1] == b"}" else _Due.VALUE
        elif mark == b":" and due is _Due.COLON:
            self.due = _Due.VALUE
        else:
            raise ValueError(f"{due.value} was due")


def parts(data: bytes, start: int = 0) -> list[Part]:
    """What the object or array that begins at `start` holds. Raises ValueError where the grammar of JSON is broken."""
    return list(_parts(data, start, whole=False))


def parts_of_whole(data: bytes) -> list[Part]:
    """The same of a text that is nothing but one object or array."""
    return list(_parts(data, 0, whole=True))


def _parts(data: bytes, at: int, *, whole: bool) -> Iterator[Part]:
    grammar, key, begin = _Grammar(), b"", None
    while True:
        token = (_LARGE_TOKEN if grammar.closers else _TOKEN).match(data, at)
        if token is None:
            raise ValueError("the text ends too early")
        at, depth, due, mark = token.end(), len(grammar.closers), grammar.due, token["mark"]
        grammar.take(mark, is_string=token["string"] is not None)
        if depth == 1 and due in _KEYS:
            key = token[0].strip()
        elif depth == 1 and due in _VALUES and grammar.closers:
            begin = token.start(str(token.lastgroup))
        if len(grammar.closers) == 1 and grammar.due is _Due.NEXT and begin is not None:
            yield Part(key, begin, at)
            begin = None
        if not grammar.closers:
            break
    if not depth or (whole and data[at:].strip()):
        raise ValueError("one object or array was due")
