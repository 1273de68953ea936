"""``_filter`` and ``_sort``: a small OData-v2 parser compiled to parametrised SQL.

Syntax: docs/facts/absorb.md section 4. Anything else is refused with a 422.
"""

import re
from dataclasses import dataclass

from connector.sandbox.kit.instants import canonical
from connector.sandbox.kit.tokens import Token, Tokens
from connector.sandbox.portal.errors import unprocessable
from connector.sandbox.portal.schema import Kind, Stream


@dataclass(frozen=True)
class Condition:
    """A WHERE clause and its parameters."""

    sql: str
    parameters: tuple[object, ...] = ()


@dataclass(frozen=True)
class _Operand:
    sql: str
    kind: Kind | None  # None: the null literal
    parameters: tuple[object, ...] = ()
    literal: bool = False


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<guid>guid'[^']*') | (?P<date>datetime(?:offset)?'[^']*') | (?P<text>'(?:[^']|'')*')
    | (?P<number>-?\d+(?:\.\d+)?[MmDdFfLl]?(?![\w-])) | (?P<name>[A-Za-z_][\w]*(?:/[A-Za-z_]\w*)*)
    | (?P<mark>[(),])
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COMPARE = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "IS", "ne": "IS NOT"}
_FUNCTIONS = {"substringof", "startswith", "endswith", "tolower", "toupper"}
_MAX_TOKENS = 400


def compile_filter(text: str, stream: Stream) -> Condition:
    """Compile a filter over one stream."""
    tokens = Tokens(
        text,
        _TOKEN,
        lambda place: unprocessable(f"Syntax error at position {place} in the filter."),
        lambda word: unprocessable(f"Unexpected '{word}' in the filter." if word else "The filter ends too early."),
    )
    if len(tokens.all) > _MAX_TOKENS:
        raise unprocessable("The filter is too long.")
    condition = _Parser(tokens, stream).any_of()
    tokens.finish()
    return condition


def compile_sort(text: str, stream: Stream) -> list[tuple[str, bool]]:
    """Return (SQL expression, descending) for each field of ``_sort=a,-b``."""
    order = []
    for part in text.split(","):
        name = part.strip()
        descending = name.startswith("-")
        field = stream.find(name.lstrip("-"))
        if field is None or field in stream.closed or stream.fields[field] == "array":
            raise unprocessable(f"The field '{name.lstrip('-')}' does not support sorting.")
        order.append((stream.expression(field), descending))
    return order


@dataclass
class _Parser:
    """Recursive descent: or, and, not, comparison."""

    _tokens: Tokens
    _stream: Stream

    def any_of(self) -> Condition:
        found = self._all_of()
        while self._tokens.accept("or"):
            found = _join(found, "OR", self._all_of())
        return found

    def _all_of(self) -> Condition:
        found = self._negated()
        while self._tokens.accept("and"):
            found = _join(found, "AND", self._negated())
        return found

    def _negated(self) -> Condition:
        if self._tokens.accept("not"):
            inner = self._negated()
            return Condition(f"(NOT coalesce({inner.sql}, 0))", inner.parameters)
        return self._comparison()

    def _comparison(self) -> Condition:
        if self._tokens.accept("("):
            inner = self.any_of()
            self._tokens.expect(")")
            return inner
        left = self._operand()
        operator = self._tokens.peek()
        if operator not in _COMPARE:
            if left.kind != "bool":
                raise unprocessable("The filter is not a true-or-false expression.")
            return Condition(f"coalesce({left.sql}, 0)", left.parameters)
        self._tokens.take()
        return _compare(left, operator, self._operand())

    def _operand(self) -> _Operand:
        token = self._tokens.take()
        if token.kind != "name":
            return _literal(token)
        word = token.text.lower()
        if word in _FUNCTIONS and self._tokens.accept("("):
            return self._call(word)
        if word == "null":
            return _Operand("NULL", None, literal=True)
        if word in {"true", "false"}:
            return _Operand("1" if word == "true" else "0", "bool", literal=True)
        return self._field(token.text)

    def _field(self, name: str) -> _Operand:
        field = self._stream.find(name)
        if field is None or field in self._stream.closed or self._stream.fields[field] == "array":
            raise unprocessable(f"The field '{name}' does not support filtering.")
        return _Operand(self._stream.expression(field), self._stream.fields[field])

    def _call(self, name: str) -> _Operand:
        first = self._text_operand()
        if name in {"tolower", "toupper"}:
            self._tokens.expect(")")
            return _Operand(f"{name[2:]}({first.sql})", "text", first.parameters)
        self._tokens.expect(",")
        second = self._text_operand()
        self._tokens.expect(")")
        whole, part = (second, first) if name == "substringof" else (first, second)
        tests = {
            "substringof": ("instr(lower({w}), lower({p})) > 0", "wp"),
            "startswith": ("instr(lower({w}), lower({p})) = 1", "wp"),
            "endswith": ("lower(substr({w}, -max(length({p}), 1))) = lower({p})", "wpp"),
        }
        shape, uses = tests[name]
        by_use = {"w": whole.parameters, "p": part.parameters}
        parameters = tuple(value for use in uses for value in by_use[use])
        return _Operand(f"({shape.format(w=whole.sql, p=part.sql)})", "bool", parameters)

    def _text_operand(self) -> _Operand:
        operand = self._operand()
        if operand.kind != "text":
            raise unprocessable("Text functions need text arguments.")
        return operand


def _literal(token: Token) -> _Operand:
    inner = token.text[token.text.find("'") + 1 : -1]
    if token.kind == "guid" and _GUID.fullmatch(inner.lower()):
        return _Operand("?", "guid", (inner.lower(),), literal=True)
    if token.kind == "date" and (moment := canonical(inner)):
        return _Operand("?", "date", (moment,), literal=True)
    if token.kind == "text":
        return _Operand("?", "text", (inner.replace("''", "'"),), literal=True)
    if token.kind == "number":
        return _Operand("?", "number", (float(token.text.rstrip("MmDdFfLl")),), literal=True)
    raise unprocessable(f"Unexpected {token.text} in the filter.")


def _compare(left: _Operand, operator: str, right: _Operand) -> Condition:
    parameters = left.parameters + right.parameters
    if left.kind is None or right.kind is None:
        if operator not in {"eq", "ne"}:
            raise unprocessable("null can only be compared with eq and ne.")
        return Condition(f"({left.sql} {_COMPARE[operator]} {right.sql})", parameters)
    if left.kind != right.kind:
        # A quoted text is no date and no guid here: whether the portal takes it is not known.
        raise unprocessable(f"Cannot compare {left.kind} with {right.kind}.")
    # Text compares without case, as the vendor's example startsWith(lastname,'leb') implies.
    collate = " COLLATE NOCASE" if left.kind == "text" and not _exact(left, right) else ""
    # '=' is served by an index where IS is not, and no literal is null here.
    sign = "=" if operator == "eq" else _COMPARE[operator]
    return Condition(f"({left.sql} {sign} {right.sql}{collate})", parameters)


def _exact(left: _Operand, right: _Operand) -> bool:
    """tolower() and toupper() ask for an exact comparison of what they return."""
    return any(side.sql.startswith(("lower(", "upper(")) for side in (left, right))


def _join(left: Condition, word: str, right: Condition) -> Condition:
    return Condition(f"({left.sql} {word} {right.sql})", left.parameters + right.parameters)
