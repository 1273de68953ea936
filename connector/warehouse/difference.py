"""What differs between what is to be published and the file published last, found by hashes of whole rows.

No stamp and no log of changes is relied on: every row is looked at, by a hash of 64 bits of all its published values,
which takes a tenth of the time of writing it. A table whose number of rows and sum of hashes are those noted last is
the same. Of another one, rows whose hash the file has not are new there, and rows of the file whose hash the warehouse
has not are gone; a row that changed is both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from connector.warehouse.database import Connection, count
from connector.warehouse.published import Table, tables
from connector.warehouse.statements import identifier, statements

sql = statements(__package__)

# Of all rows of the file: past this share, writing it whole is cheaper, and gives the room of replaced rows back.
MOST_REPLACED, LEAST_REPLACED = 0.2, 1_000
# Of a row that goes and one that comes: so many are compared value by value.
MOST_PAIRS = 5_000_000
# Rows about publishing itself: alone they are no reason to publish again.
_RUNS = "ops.runs"


@dataclass(frozen=True, slots=True)
class Print:
    """How many rows of a table are published, the sum of their hashes, and how many are not published."""

    rows: int
    total: int
    kept_back: int = 0


@dataclass(slots=True)
class Difference:
    """What a comparison found. `why_whole` says why the file is to be written whole; empty where it need not be."""

    prints: dict[str, Print] = field(default_factory=dict)
    changed: list[Table] = field(default_factory=list)
    new: int = 0
    gone: int = 0
    why_whole: str = ""


def compare(connection: Connection, known: Mapping[str, Print] | None, replaced: int) -> Difference:
    """Compare the warehouse with the file published last, attached as `last`; part of the caller's transaction.

    `known` are the prints of what that file holds, None where there is no such file; `replaced` is how many of its rows
    were replaced since it was written whole.
    """
    found = Difference(why_whole="" if known is not None else "no file that is known from before")
    # The table of runs comes last: it is compared where anything is to be written.
    for table in sorted(tables(), key=lambda table: table.name == _RUNS):
        now = found.prints[table.name] = _print(connection, table)
        if known is None or (now == known[table.name] and not (table.name == _RUNS and found.changed)):
            continue
        found.changed.append(table)
        if not found.why_whole:
            _differ(connection, table, found, known[table.name])
    most = MOST_REPLACED * sum(each.rows for each in found.prints.values())
    if found.gone + replaced > max(most, LEAST_REPLACED) and not found.why_whole:
        found.why_whole = "many rows were replaced"
    return found


def _print(connection: Connection, table: Table) -> Print:
    """The print of what is to be published of a table; leaves the hashes of its rows in `published_now`."""
    connection.execute(sql("print", person=table.hashed_person, hashed=table.hashed, rows=table.rows))
    of_others = f"row NOT IN (SELECT rowid FROM warehouse.{table.place} WHERE command = 'publish')"
    condition = of_others if table.name == _RUNS else "true"
    query = f"SELECT count(*), coalesce(sum(hash), 0) FROM published_now WHERE {condition}"
    [(rows, total)] = connection.execute(query).fetchall()
    # One more that is kept back is a change too: to publish once too often costs little.
    there = count(connection, f"SELECT count(*) FROM warehouse.{table.place}") if table.is_partly_published else rows
    return Print(rows, int(total), there - rows)


def _differ(connection: Connection, table: Table, found: Difference, before: Print) -> None:
    """Note in a temp table which rows of a table are new and which are gone, and whether the file must be whole."""
    differing, now = differing_of(table), found.prints[table.name]
    parts = {"person": table.hashed_person, "hashed": table.hashed, "place": table.place, "differing": differing}
    connection.execute(sql("difference", **parts))
    counted = connection.execute(sql("difference_counts", differing=differing)).fetchall()
    new, added, gone, taken = map(int, counted[0])
    found.new += new
    found.gone += gone
    if table.name != _RUNS and (before.rows + new - gone, before.total + added - taken) != (now.rows, now.total):
        found.why_whole = f"{table.name} holds equal rows"
    elif erased(connection, table):
        found.why_whole = f"data of a person are gone from {table.name}"


def erased(connection: Connection, table: Table) -> int:
    """How many rows go with data of a person that vanish: DuckDB keeps a deleted row in the file, unseen by queries.

    What was empty before is no loss. Whether only that changed is looked at where few rows are in question.
    """
    differing = differing_of(table)
    vanished = count(connection, sql("erased", differing=differing))
    pairs = vanished * count(connection, f"SELECT count(new_row) FROM {differing}")
    if not 0 < pairs <= MOST_PAIRS:
        return vanished
    same = " AND ".join(f"(gone.{one} IS NULL OR gone.{one} = new.{one})" for one in map(identifier, table.of_person))
    return count(connection, sql("erased_values", differing=differing, place=table.place, rows=table.rows, same=same))


def differing_of(table: Table) -> str:
    """The temp table of the rows that differ: (new_row in the warehouse, gone_row in the file, hash, person)."""
    return f"temp.{identifier('differing ' + table.name)}"


def apply(connection: Connection, changed: list[Table]) -> None:
    """Replace in `draft`, a copy of `last`, the rows that `compare` found to differ."""
    for table in changed:
        differing = differing_of(table)
        connection.execute(f"DELETE FROM draft.{table.place} WHERE rowid IN (SELECT gone_row FROM {differing})")
        new = f"source.rowid IN (SELECT new_row FROM {differing})"
        connection.execute(f"INSERT INTO draft.{table.place} SELECT {table.selected} FROM {table.rows} AND {new}")
