"""What a table looks like after a write, in the metadata keys that Dagster's catalog understands."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import dagster as dg

from connector.settings import Settings
from connector.warehouse.database import Connection
from connector.warehouse.keys import key_of, repeated
from connector.warehouse.statements import statements
from connector.warehouse.watermarks import StreamLag, watermark_lag
from mappings import FieldMap

sql = statements(__package__)

Metadata = dict[str, Any]
Row = tuple[Any, ...]
Report = TypeVar("Report")


def timed(work: Callable[[], Report]) -> tuple[Report, Metadata]:
    """What the work returned, and how long it took."""
    started = time.monotonic()
    report = work()
    return report, {"duration_seconds": round(time.monotonic() - started, 3)}


class Look:
    """What an asset shows of the warehouse, read in the opening that ends its stage (`look=` of the stages)."""

    def __init__(
        self, settings: Settings, *queries: str, tables: Iterable[str] = (), unique: str = "", **values: Any
    ) -> None:
        """`queries` are names of pipelines/sql, bound to the tenant and `values`; `tables` are `schema.table`.

        Of the table `unique` the keys are counted that stand in more than one row: `repeated`.
        """
        self._values = {"tenant_id": settings.tenant_id, **values}
        self._queries, self._tables = queries, tuple(tables)
        self._described: dict[str, tuple[list[Row], Sequence[str], int]] = {}
        self.rows: dict[str, list[Row]] = {}
        self._unique = unique
        self.repeated = 0
        self.lag: dict[str, StreamLag] = {}

    def __call__(self, connection: Connection) -> None:
        """Read everything."""
        if self._tables:
            self._describe(connection)
        self.rows = {name: _run(connection, sql(name), self._values) for name in self._queries}
        self.lag = watermark_lag(connection, self._values["tenant_id"])
        self.repeated = repeated(connection, self._unique) if self._unique else 0

    def _describe(self, connection: Connection) -> None:
        """Columns of all tables at once: DuckDB's catalog takes as long for one as for ten."""
        full = {table: table if "." in table else f"main.{table}" for table in self._tables}
        columns = defaultdict[str, list[Row]](list)
        for name, *column in connection.execute(sql("columns"), {"tables": list(full.values())}).fetchall():
            columns[name].append(tuple(column))
        for table, name in full.items():
            count = f"SELECT count(*) FROM {table} WHERE tenant_id = $tenant_id"
            [(rows,)] = _run(connection, count, self._values)
            self._described[table] = columns[name], key_of(table), rows

    def table(self, table: str, notes: Mapping[str, str]) -> Metadata:
        """Name, the tenant's row count, and columns of `schema.table` as they were then, each with its note."""
        columns, key, rows = self._described[table]
        return {
            "dagster/table_name": table,
            "dagster/row_count": rows,
            "dagster/column_schema": _schema(columns, key, notes),
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
