"""ops.fields: which fields a portal serves, so that one that vanishes or whose values vanish is noticed.

A row that lacks a field keeps the value it has (`fill_absent`). That alone would hide that the portal stopped serving
the field: so what each batch carried is counted in its transaction, and judged when the pull ends (docs/operators.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.streams import MODELS
from connector.streams.rows import AbsorbRow
from connector.warehouse.database import Connection, Stamp, count
from connector.warehouse.schema import DAY_COLUMNS, SourceColumn, source_columns
from connector.warehouse.shapes import Shapes
from connector.warehouse.statements import rows_param, statements

sql = statements(__package__)

# A field that so many rows carried without an exception is served with every row: one row without is enough.
SURE = 100
# Else so many rows that should have carried it and did not are no chance; in a smaller list, all of them.
ENOUGH_MISSED = 20
# A jump: so many rows that were known before, and so many percentage points more of them null than before.
ENOUGH_REREAD = 100
JUMP_POINTS = 30


@dataclass(frozen=True, slots=True)
class Vanished:
    """A field that the portal served and serves no more: every stored value stays as it was."""

    stream: str
    field: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.stream}.{self.field}"


@dataclass(frozen=True, slots=True)
class Emptied:
    """A field whose share of nulls jumped: of `reread` known rows, `null_before` had no value, then `null_after`."""

    stream: str
    field: str
    since: datetime
    reread: int
    null_before: int
    null_after: int

    def __str__(self) -> str:
        before, after = (f"{100 * rows / self.reread:.0f} %" for rows in (self.null_before, self.null_after))
        return f"{self.stream}.{self.field} ({before} → {after} null in {self.reread:,} rows)"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a batch says of one field: rows that carry it, and, for rows without it, which should have.

    `with_value`: rows of the batch that have a stored value. `new_…`: only those that the batch adds or changes.
    `reread` rows were known before, `empty_…` of them null.
    """

    field: str
    rows: int
    carried: int
    with_value: int
    new_rows: int
    new_with_value: int
    reread: int
    empty_before: int
    empty_after: int


@dataclass(frozen=True, slots=True)
class Known:
    """Of the staged rows: how many are stored already, and how many of these have a value of each source column."""

    rows: int
    values: Mapping[str, int]


def known(connection: Connection, model: type[AbsorbRow]) -> Known:
    """What is stored of the staged rows. Call before they are merged."""
    columns = source_columns(model)
    rows, *values = _count(connection, [_counts(columns, "stored.")], "staged JOIN stored ON stored.id = staged.id")
    return Known(rows, dict(zip((column.name for column in columns), values, strict=True)))


def fill_absent(connection: Connection, model: type[AbsorbRow], shapes: Shapes, before: Known) -> None:
    """Give the staged rows, for each field that they do not carry, the value that is known already.

    A row without a required field is not staged: it is quarantined, and what is stored stays as it is.
    """
    optional = [column for column in source_columns(model) if not column.required]
    lacking = {column.name: shapes.lacking(column) for column in optional}
    # Most often no row has a value of a field that is missing, for the portal never served it.
    lacking = {name: found for name, found in lacking.items() if before.values[name] or len(found) < len(shapes.keys)}
    lacking |= {
        day: lacking[name] for (stream, name), day in DAY_COLUMNS.items() if stream == model.stream and name in lacking
    }
    absent = {name: ", ".join(map(str, found)) for name, found in lacking.items() if found}
    if not absent:
        return
    earlier = [
        f"arg_max({{'value': {name}}}, seq) FILTER (WHERE _shape NOT IN ({found})) AS {name}"
        for name, found in absent.items()
    ]
    filled = [
        f"CASE WHEN staged._shape NOT IN ({found}) THEN staged.{name}"
        f" WHEN earlier.{name} IS NOT NULL THEN earlier.{name}.value ELSE stored.{name} END AS {name}"
        for name, found in absent.items()
    ]
    connection.execute(sql("fill_absent", earlier=", ".join(earlier), filled=", ".join(filled)))


def record(connection: Connection, model: type[AbsorbRow], shapes: Shapes, before: Known, stamp: Stamp) -> None:
    """Count what the batch carries. Call in its transaction, when `delta` is made and before it is written."""
    if not shapes.total:
        return
    _begin(connection, model, stamp)
    names = {**stamp.names, "stream": model.stream}
    seen = {"seen": rows_param(_seen(connection, model, shapes, before))}
    connection.execute(sql("fields_carried", seen=sql("fields_seen")), names | seen)
    if any(shapes.lacking(column) for column in source_columns(model)):
        connection.execute(sql("fields_missed", seen=sql("fields_seen")), {**names, **seen, "sure": SURE})


def _begin(connection: Connection, model: type[AbsorbRow], stamp: Stamp) -> None:
    """Rows that a learnsync without ops.fields stored say which fields were served before."""
    values = {"tenant_id": stamp.tenant_id, "stream": model.stream}
    if count(connection, sql("fields_known"), values):
        return
    columns = source_columns(model)
    held = f"SELECT count(*), {_counts(columns, '')} FROM absorb.{model.stream} WHERE tenant_id = $tenant_id"
    rows, *carried = connection.execute(held, {"tenant_id": stamp.tenant_id}).fetchall()[0]
    served = [
        Seen(column.keys[0], rows, found, *[0] * 6) for column, found in zip(columns, carried, strict=True) if found
    ]
    if served:
        before = {**values, "run_id": "", "seen": rows_param(served)}
        connection.execute(sql("fields_carried", seen=sql("fields_seen")), before)


def judge(connection: Connection, stamp: Stamp) -> None:
    """Say which fields vanished and which were emptied, by what the pull of `stamp` read. Call inside a transaction."""
    missing = connection.execute(sql("fields_missing"), {**stamp.names, "sure": SURE}).fetchall()
    for stream, field, missed, always in missing:
        if always or missed >= min(ENOUGH_MISSED, _stored(connection, stream, field, stamp.tenant_id)):
            gone = "UPDATE ops.fields SET vanished_at = ? WHERE tenant_id = ? AND stream = ? AND field = ?"
            connection.execute(gone, [stamp.now, stamp.tenant_id, stream, field])
    jump = {"now": stamp.now, "enough": ENOUGH_REREAD, "points": JUMP_POINTS}
    connection.execute(sql("fields_emptied"), {**stamp.names, **jump})


def vanished(connection: Connection, tenant_id: str) -> list[Vanished]:
    """The fields that are reported as vanished."""
    query = (
        "SELECT stream, field, vanished_at FROM ops.fields WHERE tenant_id = ? AND vanished_at IS NOT NULL ORDER BY ALL"
    )
    return [Vanished(*row) for row in connection.execute(query, [tenant_id]).fetchall()]


def emptied(connection: Connection, tenant_id: str) -> list[Emptied]:
    """The fields whose share of nulls jumped."""
    query = (
        "SELECT stream, field, emptied_at, emptied_reread, emptied_from, emptied_to FROM ops.fields"
        " WHERE tenant_id = ? AND emptied_at IS NOT NULL ORDER BY ALL"
    )
    return [Emptied(*row) for row in connection.execute(query, [tenant_id]).fetchall()]


def settle(connection: Connection, tenant_id: str, now: datetime) -> int:
    """An operator says that these fields are well as they are; returns how many. What comes back is watched again."""
    return count(connection, sql("fields_settle"), {"tenant_id": tenant_id, "now": now})


def _seen(connection: Connection, model: type[AbsorbRow], shapes: Shapes, before: Known) -> list[Seen]:
    columns = source_columns(model)
    after, changed, new = _changes(connection, columns, before)
    return [
        Seen(
            column.keys[0], shapes.total, shapes.carrying(column), before.values[column.name], new, changed[number],
            before.rows, before.rows - before.values[column.name], before.rows - after[number],
        )
        for number, column in enumerate(columns)
    ]  # fmt: skip


def _changes(
    connection: Connection, columns: Sequence[SourceColumn], before: Known
) -> tuple[Sequence[int], Sequence[int], int]:
    """Values of each column in rows known before, as staged; stored ones of rows that change; rows new or changed."""
    new = count(connection, "SELECT count(*) FROM delta")
    if not before.rows:
        return [0] * len(columns), [0] * len(columns), new
    figures = [_counts(columns, "staged."), _counts(columns, "stored.", " FILTER (delta.id IS NOT NULL)")]
    source = "staged JOIN stored ON stored.id = staged.id LEFT JOIN delta ON delta.id = staged.id"
    _, *found = _count(connection, figures, source)
    return found[: len(columns)], found[len(columns) :], new


def _count(connection: Connection, figures: Sequence[str], source: str) -> tuple[int, ...]:
    """How many rows, then the figures."""
    found: tuple[int, ...] = connection.execute(f"SELECT count(*), {', '.join(figures)} FROM {source}").fetchall()[0]
    return found


def _counts(columns: Sequence[SourceColumn], prefix: str, condition: str = "") -> str:
    return ", ".join(f"count({prefix}{column.name}){condition}" for column in columns)


def _stored(connection: Connection, stream: str, field: str, tenant_id: str) -> int:
    """How many rows should carry the field: those that have a value of it."""
    column = next(column for column in source_columns(MODELS[stream]) if column.keys[0] == field)
    return count(
        connection,
        f"SELECT count({column.name}) FROM absorb.{stream} WHERE tenant_id = $tenant_id AND _removed_at IS NULL",
        {"tenant_id": tenant_id},
    )
