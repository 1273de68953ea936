"""What a table looks like after a write, in the metadata keys that Dagster's catalog understands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import dagster as dg

from connector.settings import Settings
from connector.warehouse.database import Connection, Warehouse
from mappings import FieldMap

Metadata = dict[str, Any]
Row = tuple[Any, ...]
Report = TypeVar("Report")

_COLUMNS = """
    SELECT column_name, data_type, is_nullable = 'YES'
    FROM information_schema.columns
    WHERE table_catalog = current_database() AND table_schema = $schema AND table_name = $table
    ORDER BY ordinal_position
"""
_KEY = """
    SELECT constraint_column_names
    FROM duckdb_constraints()
    WHERE database_name = current_database() AND schema_name = $schema AND table_name = $table
      AND constraint_type = 'PRIMARY KEY'
"""


def timed(work: Callable[[], Report]) -> tuple[Report, Metadata]:
    """What the work returned, and how long it took."""
    started = time.monotonic()
    report = work()
    return report, {"duration_seconds": round(time.monotonic() - started, 3)}


def rows_of(settings: Settings, *queries: str, **values: Any) -> list[list[Row]]:
    """The rows of each query, bound to the tenant and `values`, from one opening of the warehouse."""
    with Warehouse.of(settings).connect() as connection:
        return [_run(connection, query, {"tenant_id": settings.tenant_id, **values}) for query in queries]


def table_metadata(settings: Settings, table: str, notes: Mapping[str, str]) -> Metadata:
    """Name, the tenant's row count, and columns of `schema.table` as they are in the file now, each with its note."""
    schema, _, name = table.rpartition(".")
    where = {"schema": schema or "main", "table": name}
    with Warehouse.of(settings).connect() as connection:
        columns = connection.execute(_COLUMNS, where).fetchall()
        key = connection.execute(_KEY, where).fetchone()
        count = f"SELECT count(*) FROM {table} WHERE tenant_id = ?"
        rows = connection.execute(count, [settings.tenant_id]).fetchone()
    return {
        "dagster/table_name": table,
        "dagster/row_count": rows[0] if rows else 0,
        "dagster/column_schema": _schema(columns, key[0] if key else [], notes),
    }


def object_schema(fields: Iterable[FieldMap]) -> dg.TableSchema:
    """The columns of a Salesforce object as the field map fills them."""
    columns = [
        dg.TableColumn(
            field.field,
            field.kind,
            description=f"from {field.source}"
            + ("" if field.required else "; left out where the org does not have it"),
            constraints=dg.TableColumnConstraints(nullable=True),
        )
        for field in fields
    ]
    return dg.TableSchema(columns)


def table_value(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> dg.TableMetadataValue:
    """A small table, shown as one; numbers stay numbers and everything else becomes text."""
    records = [dg.TableRecord(dict(zip(columns, map(_plain, row), strict=True))) for row in rows]
    shown = [dg.TableColumn(name, _type_of(name, records)) for name in columns]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(shown))


def counts_table(label: str, counts: Mapping[str, int]) -> dg.TableMetadataValue:
    """Counts by name, largest first."""
    return table_value([label, "rows"], sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _schema(columns: Sequence[Row], key: Sequence[str], notes: Mapping[str, str]) -> dg.TableSchema:
    made = [
        dg.TableColumn(name, kind, notes.get(name), dg.TableColumnConstraints(nullable=nullable))
        for name, kind, nullable in columns
    ]
    constraints = [f"PRIMARY KEY ({', '.join(key)})"] if key else []
    return dg.TableSchema(made, constraints=dg.TableConstraints(other=constraints))


def _run(connection: Connection, query: str, values: Mapping[str, Any]) -> list[Row]:
    # DuckDB refuses values that a statement does not name.
    return connection.execute(query, {name: value for name, value in values.items() if f"${name}" in query}).fetchall()


def _type_of(column: str, records: Sequence[dg.TableRecord]) -> str:
    numeric = bool(records) and all(isinstance(record.data[column], int | float) for record in records)
    return "number" if numeric else "string"


def _plain(value: Any) -> str | int | float | bool:
    return value if isinstance(value, str | int | float | bool) else str(value)
