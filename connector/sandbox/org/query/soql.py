"""Parser for the part of SOQL that the connector and its users send (docs/facts/salesforce.md section 5).

``SELECT fields | COUNT() FROM X [WHERE …] [ORDER BY …] [LIMIT n] [OFFSET n]``. Anything else is a
MALFORMED_QUERY, as it is in an org for text that is not SOQL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.org.errors import refused

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<datetime>\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:?\d\d))
    | (?P<date>\d{4}-\d\d-\d\d(?!\d))
    | (?P<number>[+-]?\d+(?:\.\d+)?)
    | (?P<name>[A-Za-z_][\w.]*)
    | (?P<op>!=|<>|<=|>=|=|<|>)
    | (?P<punct>[(),])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
# A LIKE pattern keeps its escaped wildcards apart from the real ones until it is compiled.
_RESERVED = {"and", "or", "not", "in", "like", "from", "where", "order", "limit", "offset", "null"}


@dataclass(frozen=True, slots=True)
class Literal:
    """A value in a query, with the kind it was written as."""

    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """``path op literal``; IN and NOT IN carry several literals."""

    path: str
    op: str
    literals: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """``and``, ``or`` or ``not`` over other conditions."""

    op: str
    parts: tuple[Condition, ...]


Condition = Comparison | Group


@dataclass(frozen=True, slots=True)
class Order:
    """One ORDER BY term."""

    path: str
    descending: bool = False
    nulls_last: bool = False


@dataclass(slots=True)
class Query:
    """A parsed query; no fields means COUNT()."""

    text: str
    object: str
    fields: list[str] = field(default_factory=list)
    where: Condition | None = None
    order: list[Order] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0


def malformed(message: str) -> Refusal:
    """The refusal of text that is not a query."""
    return refused("MALFORMED_QUERY", message)


def parse(text: str) -> Query:
    """Parses a query; raises Refusal where an org would answer 400."""
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokenize(text)
        self._at = 0

    def query(self) -> Query:
        self._expect("select")
        fields = self._select()
        self._expect("from")
        out = Query(self._text, self._name(), fields)
        if self._accept("where"):
            out.where = self._condition()
        if self._accept("order"):
            self._expect("by")
            out.order = self._comma_separated(self._order_term)
        if self._accept("limit"):
            out.limit = self._count()
        if self._accept("offset"):
            out.offset = self._count()
            if out.offset > 2000:
                raise refused("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
        if self._at < len(self._tokens):
            raise self._unexpected()
        return out

    def _select(self) -> list[str]:
        if self._peek() == "count" and self._peek(1) == "(":
            self._at += 2
            self._expect(")")
            return []
        return self._comma_separated(self._name)

    def _comma_separated(self, item: Any) -> list[Any]:
        out = [item()]
        while self._accept(","):
            out.append(item())
        return out

    def _condition(self) -> Condition:
        parts = [self._term()]
        # An org refuses AND beside OR without parentheses instead of assuming a precedence.
        op = self._peek() if self._peek() in {"and", "or"} else ""
        while op and self._accept(op):
            parts.append(self._term())
        if self._peek() in {"and", "or"}:
            raise self._unexpected()
        return Group(op, tuple(parts)) if op else parts[0]

    def _term(self) -> Condition:
        if self._accept("not"):
            return Group("not", (self._term(),))
        if self._accept("("):
            inner = self._condition()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        path = self._name()
        if self._accept("not"):
            self._expect("in")
            return Comparison(path, "not in", self._literals())
        if self._accept("in"):
            return Comparison(path, "in", self._literals())
        if self._accept("like"):
            return Comparison(path, "like", (self._like(),))
        kind, op = self._next()
        if kind != "op":
            self._at -= 1
            raise self._unexpected()
        return Comparison(path, "!=" if op == "<>" else op, (self._literal(),))

    def _literals(self) -> tuple[Literal, ...]:
        self._expect("(")
        out = self._comma_separated(self._literal)
        self._expect(")")
        return tuple(out)

    def _literal(self) -> Literal:
        kind, text = self._next()
        if kind == "string":
            return Literal("string", _unescape(text))
        if kind == "number":
            return Literal("number", float(text))
        if kind in {"date", "datetime"}:
            return Literal(kind, text.upper())
        if text.lower() == "null":
            return Literal("null", None)
        if text.lower() in {"true", "false"}:
            return Literal("boolean", text.lower() == "true")
        self._at -= 1
        raise self._unexpected()

    def _like(self) -> Literal:
        kind, text = self._next()
        if kind != "string":
            self._at -= 1
            raise self._unexpected()
        return Literal("pattern", _like_regex(text))

    def _order_term(self) -> Order:
        path = self._name()
        descending = self._accept("desc") or (self._accept("asc") and False)
        last = False
        if self._accept("nulls"):
            last = self._accept("last")
            if not last:
                self._expect("first")
        return Order(path, descending, last)

    def _count(self) -> int:
        kind, text = self._next()
        if kind != "number" or not text.isdigit():
            self._at -= 1
            raise self._unexpected()
        return int(text)

    def _name(self) -> str:
        kind, text = self._next()
        if kind != "name" or text.lower() in _RESERVED:
            self._at -= 1
            raise self._unexpected()
        return text

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at][1].lower() if at < len(self._tokens) else ""

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise malformed("unexpected token: '<EOF>'")
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, word: str) -> bool:
        if self._peek() != word:
            return False
        self._at += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise self._unexpected()

    def _unexpected(self) -> Refusal:
        found = self._tokens[self._at][1] if self._at < len(self._tokens) else "<EOF>"
        return malformed(f"unexpected token: '{found}'")


def _tokenize(text: str) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise malformed(f"line 1:{at} no viable alternative at character '{text[at:].lstrip()[:1]}'")
        out.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return out


def _unescape(quoted: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), quoted[1:-1], flags=re.DOTALL)


def _like_regex(quoted: str) -> re.Pattern[str]:
    out = ""
    for part in re.findall(r"\\.|.", quoted[1:-1], flags=re.DOTALL):
        if part == "%":
            out += ".*"
        elif part == "_":
            out += "."
        else:
            out += re.escape(_unescape(f"'{part}'"))
    return re.compile(out, re.IGNORECASE | re.DOTALL)
