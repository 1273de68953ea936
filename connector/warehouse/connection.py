"""An open DuckDB file: its type and settings, transactions on it, and what every written row is stamped with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import duckdb

from connector.settings import variable

PATH_VARIABLE = variable("warehouse", "path")
Connection = duckdb.DuckDBPyConnection

# Order in the file carries no meaning here, and keeping it costs memory on bulk writes. DuckDB would draw its progress
# bar into standard output, where `--json` puts one object and nothing else.
SETTINGS = "SET TimeZone = 'UTC'; SET preserve_insertion_order = false; SET enable_progress_bar = false"


@dataclass(frozen=True, slots=True)
class Stamp:
    """Whose rows are written, by which run, and when."""

    tenant_id: str
    run_id: str
    now: datetime

    @property
    def names(self) -> dict[str, str]:
        """Tenant and run as parameters of a statement."""
        return {"tenant_id": self.tenant_id, "run_id": self.run_id}


def count(connection: Connection, statement: str, values: object = None) -> int:
    """The one number that a statement answers with: what it counted, or how many rows it wrote."""
    found = connection.execute(statement, values).fetchone()
    return int(found[0] or 0) if found else 0


@contextmanager
def committed(connection: Connection) -> Iterator[None]:
    """BEGIN … COMMIT on an open connection; any exception rolls everything back."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
