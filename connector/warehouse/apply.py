"""Making a table equal to a computed one, touching only the rows that differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.times import utc_now
from connector.warehouse.database import Connection, count
from connector.warehouse.statements import identifier, statements

sql = statements(__package__)


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
    connection: Connection, table: str, key: str, tenant_id: str, *, stamps: Mapping[str, bool] = {}, keep: bool = False
) -> TableCounts:
    """Make `table` equal to the temp table `computed` for one tenant. Call inside a transaction.

    The temp table `changes` has the keys of rows that were new, differed, or are gone, and `is_new`: true, false, null.
    With `keep`, rows that `computed` does not have stay. `stamps`: columns that take the time of the write; True where
    an update moves them too, False for inserts only.
    """
    columns = [str(row[0]) for row in connection.execute("DESCRIBE computed").fetchall()]
    parts = {"table": table, "key": identifier(key)}
    rows_differ = {"held_row": listed(columns, "held."), "computed_row": listed(columns, "computed.")}
    connection.execute(sql("apply_changes", **rows_differ, **parts))
    deleted = 0 if keep else count(connection, sql("apply_gone", **parts), {"tenant_id": tenant_id})
    if deleted:
        connection.execute(sql("apply_delete", **parts), {"tenant_id": tenant_id})
    [(rows, new, changed)] = connection.execute(sql("apply_counts")).fetchall()
    now = {"now": utc_now()} if stamps else {}
    if new:
        stamp = {"stamp_columns": "".join(f", {name}" for name in stamps), "stamp_values": ", $now" * len(stamps)}
        connection.execute(sql("apply_new", columns=listed(columns), **stamp, **parts), now)
    if changed:
        data = [name for name in columns if name not in {key, "tenant_id"}]
        connection.execute(sql("apply_update", assignments=_assignments(data, stamps), **parts), now)
    return TableCounts(rows, new, changed, deleted)


def listed(columns: Sequence[str], prefix: str = "") -> str:
    """The columns as SQL takes them, each behind the prefix, such as a table's name and a point."""
    return ", ".join(prefix + identifier(column) for column in columns)


def _assignments(columns: Sequence[str], stamps: Mapping[str, bool]) -> str:
    data = [f"{identifier(name)} = changed.{identifier(name)}" for name in columns]
    return ", ".join([*data, *(f"{name} = $now" for name, moves in stamps.items() if moves)])
