"""Parser for the part of SOQL that the connector and its users send (docs/facts/salesforce.md section 5).

``SELECT fields | COUNT() FROM X [WHERE …] [ORDER BY …] [LIMIT n] [OFFSET n]``. Anything else is a
MALFORMED_QUERY, as it is in an org for text that is not SOQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.tokens import Tokens
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
T = TypeVar("T")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
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
        def stray(place: int) -> Refusal:
            first = text[place:].lstrip()[:1]
            return malformed(f"line 1:{place} no viable alternative at character '{first}'")

        self._text = text
        self._tokens = Tokens(text, _TOKEN, stray, lambda word: malformed(f"unexpected token: '{word or '<EOF>'}'"))

    def query(self) -> Query:
        tokens = self._tokens
        tokens.expect("select")
        fields = self._select()
        tokens.expect("from")
        out = Query(self._text, self._name(), fields)
        if tokens.accept("where"):
            out.where = self._condition()
        if tokens.accept("order"):
            tokens.expect("by")
            out.order = self._comma_separated(self._order_term)
        if tokens.accept("limit"):
            out.limit = self._count()
        if tokens.accept("offset"):
            out.offset = self._count()
            if out.offset > 2000:
                raise refused("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
        tokens.finish()
        return out

    def _select(self) -> list[str]:
        if self._tokens.peek() == "count" and self._tokens.peek(1) == "(":
            self._tokens.take()
            self._tokens.take()
            self._tokens.expect(")")
            return []
        return self._comma_separated(self._name)

    def _comma_separated(self, item: Callable[[], T]) -> list[T]:
        out = [item()]
        while self._tokens.accept(","):
            out.append(item())
        return out

    def _condition(self) -> Condition:
        parts = [self._term()]
        # An org refuses AND beside OR without parentheses instead of assuming a precedence.
        op = self._tokens.peek() if self._tokens.peek() in {"and", "or"} else ""
        while op and self._tokens.accept(op):
            parts.append(self._term())
        if self._tokens.peek() in {"and", "or"}:
            raise self._tokens.unexpected()
        return Group(op, tuple(parts)) if op else parts[0]

    def _term(self) -> Condition:
        if self._tokens.accept("not"):
            return Group("not", (self._term(),))
        if self._tokens.accept("("):
            inner = self._condition()
            self._tokens.expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        path = self._name()
        if self._tokens.accept("not"):
            self._tokens.expect("in")
            return Comparison(path, "not in", self._literals())
        if self._tokens.accept("in"):
            return Comparison(path, "in", self._literals())
        if self._tokens.accept("like"):
            pattern = _like_regex(self._tokens.take("string").text)
            return Comparison(path, "like", (Literal("pattern", pattern),))
        op = self._tokens.take("op").text
        return Comparison(path, "!=" if op == "<>" else op, (self._literal(),))

    def _literals(self) -> tuple[Literal, ...]:
        self._tokens.expect("(")
        out = self._comma_separated(self._literal)
        self._tokens.expect(")")
        return tuple(out)

    def _literal(self) -> Literal:
        word = self._tokens.peek()
        if word in {"null", "true", "false"}:
            self._tokens.take()
            return Literal("null", None) if word == "null" else Literal("boolean", word == "true")
        token = self._tokens.take("string", "number", "date", "datetime")
        if token.kind == "string":
            return Literal("string", _unescape(token.text))
        if token.kind == "number":
            return Literal("number", float(token.text))
        return Literal(token.kind, token.text.upper())

    def _order_term(self) -> Order:
        path = self._name()
        descending = self._tokens.accept("desc") or (self._tokens.accept("asc") and False)
        last = False
        if self._tokens.accept("nulls"):
            last = self._tokens.accept("last")
            if not last:
                self._tokens.expect("first")
        return Order(path, descending, last)

    def _count(self) -> int:
        if not self._tokens.peek().isdigit():
            raise self._tokens.unexpected()
        return int(self._tokens.take().text)

    def _name(self) -> str:
        if self._tokens.peek() in _RESERVED:
            raise self._tokens.unexpected()
        return self._tokens.take("name").text


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
