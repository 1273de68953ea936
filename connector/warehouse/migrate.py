"""Numbered SQL migrations, each applied and recorded in one transaction."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import duckdb

from connector.errors import WarehouseError
from connector.warehouse.database import PATH_VARIABLE, Connection

_NAME = re.compile(r"^(\d{4})_(\w+)\.sql$")


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
    known = connection.execute(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'ops' AND table_name = 'migrations'"
    ).fetchone()
    if not known or not known[0]:
        return 0
    newest = connection.execute("SELECT coalesce(max(version), 0) FROM ops.migrations").fetchone()
    return int(newest[0]) if newest else 0


def migrate(connection: Connection, path: Path) -> list[int]:
    """Bring the file up to date; returns the versions applied. Raises WarehouseError if it is of a newer learnsync."""
    steps = available()
    current = applied_version(connection)
    if current > steps[-1][0]:
        raise WarehouseError(
            f"{path} was written by a newer learnsync (schema {current}, this one knows {steps[-1][0]}).",
            remedy="Upgrade learnsync, or point LEARNSYNC_WAREHOUSE__PATH at another file.",
        )
    applied = []
    for version, name, text in steps:
        if version > current:
            connection.execute("BEGIN")
            try:
                connection.execute(text)
                connection.execute("INSERT INTO ops.migrations VALUES (?, ?, now())", [version, name])
            except duckdb.Error as failure:
                connection.execute("ROLLBACK")
                raise WarehouseError(
                    f"{PATH_VARIABLE} = {path}: migration {version:04d}_{name} failed and was rolled back:"
                    f" {str(failure).splitlines()[0]}",
                    remedy="Point the variable at a file that only learnsync writes, or at a new one.",
                ) from None
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            applied.append(version)
    return applied
