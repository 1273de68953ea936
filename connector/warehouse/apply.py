"""Making a table equal to a computed one, touching only the rows that differ."""

from __future__ import annotations

from dataclasses import dataclass

from connector.times import utc_now
from connector.warehouse.database import Connection, sql


@dataclass(slots=True)
class TableCounts:
    """What a build did to one table."""

    rows: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def unchanged(self) -> int:
        """Rows left as they were."""
        return self.rows - self.inserted - self.updated


def apply_computed(
    connection: Connection,
    table: str,
    key: str,
    tenant_id: str,
    *,
    stamps: dict[str, tuple[str, str | None]] | None = None,
) -> TableCounts:
    """Make `table` equal to the temp table `computed` for a tenant. `stamps`: column → SQL on (insert, update)."""
    described = connection.execute("DESCRIBE computed").fetchall()
    columns = [str(row[0]) for row in described]

    def listed(prefix: str) -> str:
        return ", ".join(f'{prefix}."{column}"' for column in columns)

    find, delete = sql(
        "apply_computed", table=table, key=f'"{key}"', held=listed("held"), computed=listed("computed")
    ).split(";\n\n")
    connection.execute(find)
    deleted = connection.execute(delete, {"tenant_id": tenant_id}).fetchone()
    new, changed = connection.execute(
        "SELECT count(*) FILTER (WHERE _is_new), count(*) FILTER (WHERE NOT _is_new) FROM changed"
    ).fetchone() or (0, 0)
    if new or changed:
        _apply_changed(connection, table, key, columns, stamps or {})
    rows = connection.execute("SELECT count(*) FROM computed").fetchone()
    return TableCounts(int(rows[0]) if rows else 0, new, changed, int(deleted[0]) if deleted else 0)


def _apply_changed(
    connection: Connection,
    table: str,
    key: str,
    columns: list[str],
    stamps: dict[str, tuple[str, str | None]],
) -> None:
    updates = [f'"{column}" = changed."{column}"' for column in columns if column not in {key, "tenant_id"}]
    updates += [f"{column} = {on_update}" for column, (_, on_update) in stamps.items() if on_update]
    statement = sql(
        "apply_changed",
        table=table,
        key=f'"{key}"',
        assignments=", ".join(updates),
        columns=", ".join([*(f'"{column}"' for column in columns), *stamps]),
        values=", ".join([*(f'changed."{column}"' for column in columns), *(insert for insert, _ in stamps.values())]),
    )
    connection.execute(statement, {"now": utc_now()} if stamps else {})
