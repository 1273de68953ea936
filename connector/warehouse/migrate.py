"""Numbered SQL migrations: those that a file lacks are applied and recorded in one transaction."""

import re
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import duckdb

from connector.errors import WarehouseError
from connector.warehouse.connection import PATH_VARIABLE, Connection, committed, count

_NAME = re.compile(r"^(\d{4})_(\w+)\.sql$")


@lru_cache
def available() -> list[tuple[int, str, str]]:
    """(version, name, sql) of every migration, in order."""
    found = []
    for entry in files("connector.warehouse").joinpath("migrations").iterdir():
        named = _NAME.match(entry.name)
        if named:
            found.append((int(named[1]), named[2], entry.read_text("utf-8")))
    return sorted(found)


def applied_version(connection: Connection) -> int:
    """The newest migration this file has, 0 for a new file."""
    known = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'ops' AND table_name = 'migrations'"
    return count(connection, "SELECT max(version) FROM ops.migrations") if count(connection, known) else 0


def migrate(connection: Connection, path: Path) -> list[int]:
    """Bring the file up to date; returns the versions applied.

    Raises WarehouseError, which leaves the file as it was: it is of a newer learnsync, or not learnsync's own.
    """
    steps = available()
    current = applied_version(connection)
    if current > steps[-1][0]:
        raise WarehouseError(
            f"{path} was written by a newer learnsync (schema {current}, this one knows {steps[-1][0]}).",
            remedy="Upgrade learnsync, or point LEARNSYNC_WAREHOUSE__PATH at another file.",
        )
    due = [step for step in steps if step[0] > current]
    if due:
        with committed(connection):
            for step in due:
                _apply(connection, step, path)
    return [version for version, _, _ in due]


def _apply(connection: Connection, step: tuple[int, str, str], path: Path) -> None:
    version, name, text = step
    try:
        connection.execute(text)
        connection.execute("INSERT INTO ops.migrations VALUES (?, ?, now())", [version, name])
    except duckdb.Error as failure:
        raise WarehouseError(
            f"{PATH_VARIABLE} = {path}: migration {version:04d}_{name} failed and was rolled back:"
            f" {str(failure).splitlines()[0]}",
            remedy="Point the variable at a file that only learnsync writes, or at a new one.",
        ) from None
