"""Opening the DuckDB file: one writer at a time, so open late, close soon, and wait for another process's lock.

Facts: docs/facts/duckdb.md section C5. A second process, read-only or not, is refused while one holds the file; the
operating system drops the lock when a process dies, so waiting always ends.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import duckdb
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from connector.errors import WarehouseError, WarehouseLockedError
from connector.settings import Settings, variable
from connector.warehouse.connection import PATH_VARIABLE, SETTINGS, Connection, Stamp, committed, count
from connector.warehouse.migrate import migrate

__all__ = ["PATH_VARIABLE", "Connection", "Stamp", "Warehouse", "committed", "count"]


def _is_lock_error(failure: BaseException) -> bool:
    return isinstance(failure, duckdb.IOException) and "lock on file" in str(failure)


class Warehouse:
    """The writer's file. Connections are short-lived; each is UTC and already migrated."""

    def __init__(self, path: Path, *, lock_timeout_seconds: float = 60.0, variable: str = PATH_VARIABLE) -> None:
        self.path = path
        self._lock_timeout = lock_timeout_seconds
        self._variable = variable
        self._migrated = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The warehouse these settings name."""
        return cls(settings.warehouse.path, lock_timeout_seconds=settings.warehouse.lock_timeout_seconds)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A read-write connection. Raises WarehouseLockedError (another process keeps the file), WarehouseError."""
        connection = self._open()
        try:
            connection.execute(SETTINGS)
            if not self._migrated:
                migrate(connection, self.path)
                self._migrated = True
            yield connection
        finally:
            connection.close()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection inside BEGIN … COMMIT; any exception rolls everything back."""
        with self.connect() as connection, committed(connection):
            yield connection

    def _open(self) -> Connection:
        retrying = Retrying(
            retry=retry_if_exception(_is_lock_error),
            stop=stop_after_delay(self._lock_timeout),
            wait=wait_random(0.02, 0.25),
            reraise=True,
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return retrying(duckdb.connect, str(self.path))
        except duckdb.Error as failure:
            raise self._explain(failure) from None
        except OSError as failure:
            raise WarehouseError(
                f"{self._variable} = {self.path}: the folder cannot be used ({failure.strerror or failure}).",
                remedy="Point the variable at a file in a folder that this user may write to.",
            ) from None

    def _explain(self, failure: duckdb.Error) -> WarehouseError:
        if _is_lock_error(failure):
            holder = re.search(r"held in (.+?)\. ", str(failure) + " ")
            by = f" ({holder[1]})" if holder else ""
            return WarehouseLockedError(
                f"{self.path} is in use by another process{by} and stayed so for {self._lock_timeout:g} s.",
                remedy="Let that process finish, close it, or raise"
                f" {variable('warehouse', 'lock_timeout_seconds')}. To look at data meanwhile, open the published copy"
                f" ({variable('warehouse', 'publish_path')}).",
            )
        first_line = str(failure).splitlines()[0]
        return WarehouseError(
            f"{self._variable} = {self.path} cannot be opened: {first_line}",
            remedy="Point the variable at a DuckDB file, or at a new file in a folder that this user may write to.",
        )
