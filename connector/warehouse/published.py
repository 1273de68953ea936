"""What the analysts' file holds: the tables, columns and views that `published.csv` names, never a whole copy.

Rows as received, quarantine, contact data and what a push is made of stay in the writer's file. A table or column that
a migration adds is left out until a line of `published.csv` decides it, which a test asks for.
"""

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import duckdb

from connector import __version__
from connector.warehouse.database import Connection, available, count
from connector.warehouse.statements import identifier, literal, statements

sql = statements(__package__)

# Rows of a table that are published; of the others, all.
_CONDITIONS = {"salesforce.contacts": "published_contacts"}


@lru_cache
def decisions() -> dict[str, dict[str, str]]:
    """Table or view → column → yes, no, or empty (the column is there for a view, without values); `*` is all."""
    found: dict[str, dict[str, str]] = {}
    for line in _lines("published.csv"):
        found.setdefault(line["table"], {})[line["column"]] = line["published"]
    return found


@lru_cache
def lingering() -> set[tuple[str, str]]:
    """(table, column) whose former values may stay, unseen by queries, in the file until it is written whole.

    They say how far somebody got, or nothing of a person. Whatever is not listed is taken to be of a person.
    """
    return {(line["table"], line["column"]) for line in _lines("lingering.csv")}


def _lines(name: str) -> list[dict[str, str]]:
    text = files("connector.warehouse").joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@dataclass(frozen=True, slots=True)
class Table:
    """A table of which columns are published, and the SQL that reads it. `columns` is as in `decisions`."""

    name: str
    columns: dict[str, str]

    @property
    def place(self) -> str:
        """Schema and name, quoted."""
        return ".".join(map(identifier, self.name.split(".")))

    @property
    def selected(self) -> str:
        """The published columns, in the order of the file."""
        return ", ".join(_select(name, how) for name, how in self.columns.items() if how != "no")

    @property
    def rows(self) -> str:
        """The rows to publish: what comes after FROM, with a condition that more may be added to."""
        condition = sql(_CONDITIONS[self.name]) if self.name in _CONDITIONS else "true"
        return f"warehouse.{self.place} AS source WHERE ({condition})"

    @property
    def is_partly_published(self) -> bool:
        """Whether some of its rows are kept back."""
        return self.name in _CONDITIONS

    @property
    def hashed_person(self) -> str:
        """A hash, UBIGINT, of the published values of a row without the columns of `lingering`."""
        return _hash("0", self.of_person)

    @property
    def hashed(self) -> str:
        """The same of all published values; equal in warehouse and file."""
        return _hash(self.hashed_person, (name for name in self._published if name not in self.of_person))

    @property
    def of_person(self) -> list[str]:
        """The published columns that are not of `lingering`."""
        return [name for name in self._published if (self.name, name) not in lingering()]

    @property
    def _published(self) -> list[str]:
        return [name for name, how in self.columns.items() if how == "yes"]


def _hash(first: str, names: Iterable[str]) -> str:
    return f"hash({', '.join([first, *map(identifier, names)])})"


def _select(name: str, how: str) -> str:
    column = identifier(name)
    return column if how == "yes" else f"CASE WHEN false THEN {column} END AS {column}"


def tables() -> list[Table]:
    """Every table of which something is published."""
    listed = [Table(name, columns) for name, columns in decisions().items() if "*" not in columns]
    return [table for table in listed if table.selected]


def made_of() -> str:
    """A digest of all that decides what is published, besides the rows: another one means another file."""
    parts = (__version__, duckdb.__version__, available()[-1][0], decisions(), sorted(lingering()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def fill(connection: Connection, run_id: str) -> None:
    """Fill the attached, empty database `draft` with what is published of the attached warehouse."""
    for name in ("absorb", "ops", "salesforce"):
        connection.execute(f"CREATE SCHEMA draft.{name}")
    for table in tables():
        connection.execute(f"CREATE TABLE draft.{table.place} AS SELECT {table.selected} FROM {table.rows}")
    connection.execute("USE draft")
    views = [name for name, columns in decisions().items() if columns == {"*": "yes"}]
    for (text,) in connection.execute(sql("published_views"), {"views": views}).fetchall():
        connection.execute(text)
    connection.execute("USE warehouse")
    note(connection, run_id)


def note(connection: Connection, run_id: str) -> None:
    """Write into `draft` when it was made and by what."""
    made_by = {"version": __version__, "schema_version": available()[-1][0], "run_id": run_id}
    connection.execute(sql("published_note"), made_by)


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
