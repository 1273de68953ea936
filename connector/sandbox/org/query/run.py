"""Runs parsed SOQL over the records of the sandbox org.

Text compares without regard to case; a null differs
from every value and is neither below nor above one, as in SOQL.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.instants import offset_instant, org_text
from connector.sandbox.org.errors import refused
from connector.sandbox.org.query.soql import Comparison, Condition, Group, Literal, Order, Query, parse
from connector.sandbox.org.rows.ids import to_18
from connector.sandbox.org.rows.table import Row, Table, attributes
from connector.sandbox.org.rows.values import evaluate
from connector.sandbox.org.schema.model import FieldSchema

Getter = Callable[[Row], Any]
Test = Callable[[Row], bool]
_NUMERIC = {"double", "percent", "int"}


@dataclass(slots=True)
class Result:
    """Matching records in order, and how to print one for an API version."""

    rows: list[Row]
    project: Callable[[Row, str], Row]
    count_only: bool = False


def run(tables: Mapping[str, Table], text: str, now: datetime, *, include_deleted: bool = False) -> Result:
    """The matching records of a query."""
    return _Runner(tables, parse(text), now).run(include_deleted=include_deleted)


class _Runner:
    def __init__(self, tables: Mapping[str, Table], query: Query, now: datetime) -> None:
        self._tables = tables
        self._query = query
        self._now = now
        table = tables.get(query.object.lower())
        if table is None:
            text = f"sObject type '{query.object}' is not supported."
            raise _misnamed(query, "INVALID_TYPE", text, "custom object", name="entity")
        self._table = table

    def run(self, *, include_deleted: bool) -> Result:
        query, table = self._query, self._table
        printers = [self._printer(path) for path in query.fields]
        test = self._compile(query.where) if query.where else None
        rows = self._narrow(query.where)
        if rows is None:
            rows = list(table.rows.values())
        if include_deleted:
            rows = [*rows, *table.recycled.values()]
        if test:
            rows = [row for row in rows if test(row)]
        for order in reversed(query.order):
            rows = self._sorted(rows, order)
        rows = rows[query.offset :]
        if query.limit is not None:
            rows = rows[: query.limit]
        return Result(rows, _projector(table, printers), count_only=not query.fields)

    def _narrow(self, where: Condition | None) -> list[Row] | None:
        """Records that an index yields for a condition that every result must meet."""
        parts = where.parts if isinstance(where, Group) and where.op == "and" else (where,)
        for part in parts:
            if not isinstance(part, Comparison) or part.op not in {"=", "in"}:
                continue
            field = self._table.schema.field(part.path)
            if field is None or any(literal.kind != "string" for literal in part.literals):
                continue
            values = dict.fromkeys(literal.value.lower() for literal in part.literals)
            if field.type == "id":
                values = dict.fromkeys(to_18(literal.value) or "" for literal in part.literals)
            found = self._table.candidates(field.name, values)
            if found is not None:
                return sorted(found, key=lambda row: str(row["Id"]))
        return None

    def _sorted(self, rows: list[Row], order: Order) -> list[Row]:
        get, _ = self._resolve(self._table, order.path)
        nulls = [row for row in rows if get(row) is None]
        others = [row for row in rows if get(row) is not None]
        others.sort(key=lambda row: _fold(get(row)), reverse=order.descending)
        return others + nulls if order.nulls_last else nulls + others

    def _resolve(self, table: Table, path: str) -> tuple[Getter, FieldSchema]:
        head, dot, rest = path.partition(".")
        if not dot or head.lower() == table.schema.name.lower():
            return self._own_field(table, rest or head)
        parent = self._parent(table, head)
        link = table.schema.relationships[head.lower()].name
        get, field = self._resolve(parent, rest)

        def through(row: Row) -> Any:
            up = parent.rows.get(row.get(link) or "")
            return None if up is None else get(up)

        return through, field

    def _parent(self, table: Table, relationship: str) -> Table:
        field = table.schema.relationships.get(relationship.lower())
        parent = self._tables.get((field.reference_to or "").lower()) if field else None
        if parent is None:
            text = f"Didn't understand relationship '{relationship}' in field path."
            raise _misnamed(self._query, "INVALID_FIELD", text, "custom relationship", end="__r")
        return parent

    def _own_field(self, table: Table, name: str) -> tuple[Getter, FieldSchema]:
        field = table.schema.field(name)
        if field is None:
            text = f"No such column '{name}' on entity '{table.schema.name}'."
            raise _misnamed(self._query, "INVALID_FIELD", text, "custom field")
        formula, key, now = field.formula, field.name, self._now
        if formula is not None:
            return lambda row: evaluate(formula, row, now), field
        return lambda row: row.get(key), field

    def _printer(self, path: str) -> tuple[list[tuple[str, Table]], str, Getter]:
        """How to print one selected field: the parents on the way, its own name, its value."""
        get, field = self._resolve(self._table, path)
        steps: list[tuple[str, Table]] = []
        table = self._table
        *heads, _ = path.split(".")
        for head in heads[1:] if heads and heads[0].lower() == table.schema.name.lower() else heads:
            link = table.schema.relationships[head.lower()]
            table = self._parent(table, head)
            steps.append((link.relationship_name or head, table))
        return steps, field.name, get

    def _compile(self, condition: Condition) -> Test:
        if isinstance(condition, Comparison):
            return self._comparison(condition)
        tests = [self._compile(part) for part in condition.parts]
        if condition.op == "not":
            return lambda row: not tests[0](row)
        if condition.op == "and":
            return lambda row: all(test(row) for test in tests)
        return lambda row: any(test(row) for test in tests)

    def _comparison(self, condition: Comparison) -> Test:
        get, field = self._resolve(self._table, condition.path)
        values = [_operand(field, literal) for literal in condition.literals]
        op, value = condition.op, values[0]
        if op == "like":
            return lambda row: (text := get(row)) is not None and bool(value.fullmatch(str(text)))
        if op in {"in", "=", "not in", "!="}:
            wanted, positive = set(values), op in {"in", "="}
            return lambda row: (_key(field, get(row)) in wanted) is positive
        compare = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[op]
        if value is None:
            return lambda _row: False
        return lambda row: (found := get(row)) is not None and bool(compare(_key(field, found), value))


def _misnamed(query: Query, code: str, text: str, what: str, *, end: str = "__c", name: str = "") -> Refusal:
    hint = f"If you are attempting to use a {what}, be sure to append the '{end}' after the {name or what} name."
    return refused(code, f"{query.text}\nERROR at Row:1:Column:1\n{text} {hint}")


def _projector(table: Table, printers: list[tuple[list[tuple[str, Table]], str, Getter]]) -> Callable[[Row, str], Row]:
    def project(row: Row, version: str) -> Row:
        out: Row = {"attributes": attributes(table.schema, row["Id"], version)}
        for steps, name, get in printers:
            target = _descend(out, row, table, steps, version)
            if target is not None:
                target[name] = get(row)
        return out

    return project


def _descend(out: Row, row: Row, table: Table, steps: list[tuple[str, Table]], version: str) -> Row | None:
    """The nested object that a related field is printed into; None where there is no such parent."""
    for relationship, parent in steps:
        link = table.schema.relationships[relationship.lower()].name
        up = parent.rows.get(row.get(link) or "")
        if up is None:
            out[relationship] = None
            return None
        out = out.setdefault(relationship, {"attributes": attributes(parent.schema, up["Id"], version)})
        row, table = up, parent
    return out


def _fold(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _key(field: FieldSchema, value: Any) -> Any:
    return value if field.type in {"id", "reference"} else _fold(value)


def _operand(field: FieldSchema, literal: Literal) -> Any:
    """The literal in the form that stored values have; 400 where its kind does not fit the field."""
    if literal.kind == "null":
        return None
    if field.type in {"id", "reference"} and literal.kind == "string":
        full = to_18(literal.value)
        if full is None:
            raise refused("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.value}")
        return full
    wanted = {"datetime": "datetime", "boolean": "boolean"}.get(field.type, "string")
    if field.type in _NUMERIC:
        wanted = "number"
    if literal.kind == "pattern" and wanted == "string":
        return literal.value
    if literal.kind != wanted:
        quoted = " and should not be enclosed in quotes" if literal.kind == "string" else ""
        text = f"value of filter criterion for field '{field.name}' must be of type {field.type}{quoted}"
        raise refused("INVALID_FIELD", text)
    if wanted == "datetime":
        moment = offset_instant(literal.value)
        if moment is None:
            raise refused("MALFORMED_QUERY", f"invalid dateTime: {literal.value}")
        return org_text(moment).lower()
    return _fold(literal.value)
