"""What the analysts' file holds: the tables, columns and views that `published.csv` names, never a whole copy.

Rows as received, quarantine, contact data and what a push is made of stay in the writer's file. A table or column that
a migration adds is left out until a line of `published.csv` decides it, which a test asks for.
"""

import csv
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import duckdb

from connector import __version__
from connector.warehouse.database import Connection, available, committed, count
from connector.warehouse.statements import identifier, literal, statements

sql = statements(__package__)

# Rows of a table that are published; of the others, all.
_CONDITIONS = {"salesforce.contacts": "published_contacts"}


@lru_cache
def decisions() -> dict[str, dict[str, str]]:
    """Table or view → column → yes, no, or empty (the column is there for a view, without values); `*` is all."""
    found: dict[str, dict[str, str]] = {}
    text = files("connector.warehouse").joinpath("published.csv").read_text("utf-8")
    for line in csv.DictReader(text.splitlines()):
        found.setdefault(line["table"], {})[line["column"]] = line["published"]
    return found


def fill(connection: Connection, run_id: str) -> None:
    """Fill the attached database `draft` with what is published of the attached warehouse, as of one instant."""
    with committed(connection):
        for name in ("absorb", "ops", "salesforce"):
            connection.execute(f"CREATE SCHEMA draft.{name}")
        views = [table for table, columns in decisions().items() if not _copy(connection, table, columns)]
        connection.execute("USE draft")
        for (text,) in connection.execute(sql("published_views"), {"views": views}).fetchall():
            connection.execute(text)
        made_by = {"version": __version__, "schema_version": available()[-1][0], "run_id": run_id}
        connection.execute(sql("published_note"), made_by)
        connection.execute("USE warehouse")


def _copy(connection: Connection, table: str, columns: dict[str, str]) -> bool:
    """Copy the published columns of a table, if it has any; False for what is published whole, which is a view."""
    if columns == {"*": "yes"}:
        return False
    chosen = ", ".join(_select(name, how) for name, how in columns.items() if how != "no")
    if chosen:
        schema, name = table.split(".")
        place = f"{identifier(schema)}.{identifier(name)}"
        condition = sql(_CONDITIONS[table]) if table in _CONDITIONS else "true"
        connection.execute(
            f"CREATE TABLE draft.{place} AS SELECT {chosen} FROM warehouse.{place} AS source WHERE {condition}"
        )
    return True


def _select(name: str, how: str) -> str:
    column = identifier(name)
    return column if how == "yes" else f"CASE WHEN false THEN {column} END AS {column}"


def is_ours(connection: Connection, path: Path) -> bool:
    """Whether the file at `path` may be replaced: learnsync published it, or it is empty.

    A file that cannot be opened (somebody writes to it, it is damaged) and one of an earlier version, which cannot be
    told from a warehouse, must have been published by this warehouse.
    """
    if not path.exists() or not path.stat().st_size:
        return True
    return _has_note(connection, path) or any(
        Path(known).resolve() == path.resolve() for (known,) in connection.execute(sql("published_before")).fetchall()
    )


def _has_note(connection: Connection, path: Path) -> bool:
    try:
        connection.execute(f"ATTACH {literal(path)} AS looked_at (TYPE duckdb, READ_ONLY)")
    except duckdb.Error:
        return False
    try:
        return bool(count(connection, sql("published_known")))
    finally:
        connection.execute("DETACH looked_at")
