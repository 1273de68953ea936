"""The note of the file published last: what it holds, and whether it still lies there as it was written."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from connector.times import utc_now
from connector.warehouse.database import Connection
from connector.warehouse.difference import Print
from connector.warehouse.published import made_of
from connector.warehouse.stale_log import is_being_written, log_of
from connector.warehouse.statements import statements

sql = statements(__package__)

# A file is written whole at least this often, so that no former value stays in it for longer.
WHOLE_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Note:
    """When the file was last written whole, how many of its rows were replaced since, and what it holds."""

    whole_at: datetime
    replaced: int
    prints: dict[str, Print]

    @classmethod
    def take(cls, connection: Connection, target: Path) -> Self | None:
        """The note of the file at `target`, removed from the warehouse until `keep` writes the next one.

        So whatever breaks off in between, the next publish writes the file whole. None where the file there is not the
        one that was written last, somebody writes into it, what is published is decided otherwise now, or its time has
        come.
        """
        found = connection.execute("DELETE FROM ops.published_file RETURNING *").fetchall()
        if len(found) != 1 or found[0][:5] != _state(target) or log_of(target).exists() or is_being_written(target):
            return None
        whole_at, replaced = found[0][5:]
        if not timedelta(0) <= utc_now() - whole_at < WHOLE_EVERY:
            return None
        rows = connection.execute("SELECT * FROM ops.published_tables").fetchall()
        return cls(whole_at, replaced, {name: Print(number, int(total), kept) for name, number, total, kept in rows})

    def keep(self, connection: Connection, target: Path) -> None:
        """Note the file that lies at `target` now; part of the caller's transaction."""
        connection.execute("DELETE FROM ops.published_file; DELETE FROM ops.published_tables")
        values = [*(_state(target) or ()), self.whole_at, self.replaced]
        connection.execute("INSERT INTO ops.published_file VALUES ($1, $2, $3, $4, $5, $6, $7)", values)
        rows = [
            {"table_name": name, "rows": one.rows, "total": str(one.total), "kept_back": one.kept_back}
            for name, one in self.prints.items()
        ]
        connection.execute(sql("published_tables"), {"tables": rows})


def _state(target: Path) -> tuple[str, int, int, int, str] | None:
    """What tells the file at `target` from one that anybody put or changed there; None where there is none."""
    try:
        found = target.stat()
    except FileNotFoundError:
        return None
    return str(target.resolve()), found.st_size, found.st_mtime_ns, found.st_ino, made_of()
