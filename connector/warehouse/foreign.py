"""A DuckDB file that something else made is refused, and stays as it is to the byte."""

from pathlib import Path

import duckdb

from connector.errors import WarehouseError
from connector.warehouse.memory import Means
from connector.warehouse.statements import literal, statements
from connector.warehouse.trouble import PATH_VARIABLE

sql = statements(__package__)

MOST_NAMED = 3


def refuse_foreign(connection: duckdb.DuckDBPyConnection, path: Path, database: str = "warehouse") -> None:
    """Raise WarehouseError where the attached database holds tables or views and no migrations of learnsync's.

    A file without any table is a new warehouse: a run may have been killed right after it made the file.
    """
    things = [name for (name,) in connection.execute(sql("foreign_things"), {"database": database}).fetchall()]
    if things:
        named = ", ".join(things[:MOST_NAMED]) + (" and more" if len(things) > MOST_NAMED else "")
        raise WarehouseError(
            f"{PATH_VARIABLE} = {path}: this DuckDB file is not a warehouse of learnsync, it holds {named}."
            " Nothing was changed in it.",
            remedy="Point the variable at a file that only learnsync writes, or at a new one.",
        )


def look_before_replay(path: Path, means: Means) -> None:
    """Refuse a foreign file with a write-ahead log beside it: attaching it for writing would replay the log into it.

    Raises WarehouseError, and duckdb.Error where the file cannot be opened.
    """
    if not path.is_file() or not path.with_name(path.name + ".wal").is_file():
        return
    with duckdb.connect(":memory:", config=means.config(path)) as connection:
        connection.execute(f"ATTACH {literal(path)} AS looked_at (TYPE duckdb, READ_ONLY)")
        refuse_foreign(connection, path, "looked_at")
