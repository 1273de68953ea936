"""Making a table equal to a computed one, touching only the rows that differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class Target:
    """A table to make equal to a computed one, and its key beside tenant_id.

    `stamps`: columns that take the time of the write; True where an update moves them too, False for inserts only.
    `before`: columns whose stored values the temp table `changes` keeps, as `held_<column>`. `besides`: columns of the
    computed table that are not the target's.
    """

    table: str
    key: str
    stamps: Mapping[str, bool] = field(default_factory=dict)
    before: Sequence[str] = ()
    besides: Sequence[str] = ()

    def columns(self, connection: Connection) -> list[str]:
        """The columns of the temp table `computed` that the table has, the key among them."""
        found = connection.execute("SELECT * FROM computed LIMIT 0").description or []
        return [str(column[0]) for column in found if column[0] not in self.besides]


def apply_computed(
    connection: Connection, table: str, key: str, tenant_id: str, *, stamps: Mapping[str, bool] = {}, keep: bool = False
) -> TableCounts:
    """Make `table` equal to the temp table `computed` for one tenant. Call inside a transaction.

    The temp table `changes` has the keys of rows that were new, differed, or are gone, and `is_new`: true, false, null.
    With `keep`, rows that `computed` does not have stay.
    """
    target = Target(table, key, stamps)
    counts = apply_rows(connection, target)
    if not keep:
        parts = {"table": table, "key": identifier(key)}
        counts.deleted = count(connection, sql("apply_gone", **parts), {"tenant_id": tenant_id})
        if counts.deleted:
            connection.execute(sql("apply_delete", **parts), {"tenant_id": tenant_id})
    return counts


def apply_rows(connection: Connection, target: Target, *, empty: bool = False) -> TableCounts:
    """Insert the rows of `computed` that are new, and update those that differ; other rows stay. Fills `changes`.

    `empty`: the table is known to have no rows of the tenant, so that all are new. Call inside a transaction.
    """
    columns = target.columns(connection)
    parts = {"table": target.table, "key": identifier(target.key)}
    name = "apply_all" if empty else "apply_changes"
    connection.execute(sql(name, **parts, **_compared(target, columns, empty=empty)))
    [(rows, new, changed)] = connection.execute(sql("apply_counts")).fetchall()
    now = {"now": utc_now()} if target.stamps else {}
    if new:
        _insert(connection, target, columns, now, all_of_them=new == rows)
    if changed:
        _update(connection, target, columns, now)
    return TableCounts(rows, new, changed)


def _compared(target: Target, columns: Sequence[str], *, empty: bool) -> dict[str, str]:
    """What `changes` is made of beside keys: which columns differ, and what some of them held."""
    differ = [f"held.{identifier(name)} IS DISTINCT FROM computed.{identifier(name)}" for name in columns]
    held = "nullif({0}, {0})" if empty else "held.{0}"  # a null of its type
    before = [f", {held.format(identifier(name))} AS {identifier(f'held_{name}')}" for name in target.before]
    return {"differs": ", ".join(differ), "differ": " OR ".join(differ), "before": "".join(before)}


def _insert(
    connection: Connection, target: Target, columns: Sequence[str], now: Mapping[str, object], *, all_of_them: bool
) -> None:
    names = "".join(f", {name}" for name in target.stamps)
    stamps = {"stamp_columns": names, "stamp_values": ", $now" * len(target.stamps)}
    key = identifier(target.key)
    new = "true" if all_of_them else f"{key} IN (SELECT {key} FROM changes WHERE is_new)"
    connection.execute(sql("apply_new", table=target.table, columns=listed(columns), new=new, **stamps), now)


def _update(connection: Connection, target: Target, columns: Sequence[str], now: Mapping[str, object]) -> None:
    """Write only the columns in which a row differs: one value that is set has DuckDB write a block anew."""
    flags = ", ".join(f"bool_or(differs[{number}])" for number in range(1, len(columns) + 1))
    [differ] = connection.execute(f"SELECT {flags} FROM changes WHERE NOT is_new").fetchall()
    data = [f"{identifier(name)} = changed.{identifier(name)}" for name, it in zip(columns, differ, strict=True) if it]
    assignments = ", ".join([*data, *(f"{name} = $now" for name, moves in target.stamps.items() if moves)])
    parts = {"table": target.table, "key": identifier(target.key), "assignments": assignments}
    connection.execute(sql("apply_update", **parts), now)


def listed(columns: Sequence[str], prefix: str = "") -> str:
    """The columns as SQL takes them, each behind the prefix, such as a table's name and a point."""
    return ", ".join(prefix + identifier(column) for column in columns)
