"""An open DuckDB file: its type, its settings, and transactions on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from connector.settings import variable

PATH_VARIABLE = variable("warehouse", "path")
Connection = duckdb.DuckDBPyConnection

# Order in the file carries no meaning here, and keeping it costs memory on bulk writes. DuckDB would draw its progress
# bar into standard output, where `--json` puts one object and nothing else.
SETTINGS = "SET TimeZone = 'UTC'; SET preserve_insertion_order = false; SET enable_progress_bar = false"


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
