"""Opening the DuckDB file: one writer at a time, so open late, close soon, and wait for another process's lock.

Facts: docs/facts/duckdb.md section C5. A second process, read-only or not, is refused while one holds the file; the
operating system drops the lock when a process dies, so waiting always ends. What is opened is brought up to date first,
by the numbered migrations that it lacks.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Self

import duckdb
from tenacity import Retrying, retry_if_exception, stop_after_delay, stop_any, stop_when_event_set, wait_random

from connector import stopping
from connector.errors import WarehouseError, WarehouseLockedError
from connector.files import make_folder, tighten_tree
from connector.settings import Settings, variable
from connector.warehouse import unindexed
from connector.warehouse.creation import create, no_folder
from connector.warehouse.engine import Engine, beside
from connector.warehouse.foreign import refuse_foreign
from connector.warehouse.memory import Means
from connector.warehouse.trouble import PATH_VARIABLE, explain, first_line, told

Connection = duckdb.DuckDBPyConnection

# Order in the file carries no meaning here, and keeping it costs memory on bulk writes. DuckDB would draw its progress
# bar into standard output, where `--json` puts one object and nothing else.
SETTINGS = "USE warehouse; SET TimeZone = 'UTC'; SET preserve_insertion_order = false; SET enable_progress_bar = false"
_MIGRATION = re.compile(r"^(\d{4})_(\w+)\.sql$")


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


def roll_back(connection: Connection) -> None:
    """End the transaction where what broke off did not end it already; also of a connection that is closed.

    A statement that the handler of a signal broke off still runs in DuckDB's own threads, and what comes next on its
    connection waits for it: it is interrupted first.
    """
    with suppress(duckdb.Error):
        connection.interrupt()
        connection.execute("ROLLBACK")


@contextmanager
def committed(connection: Connection, *, keep: bool = True) -> Iterator[None]:
    """BEGIN … COMMIT on an open connection; any exception rolls everything back, and so does the end without `keep`."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        roll_back(connection)
        raise
    connection.execute("COMMIT" if keep else "ROLLBACK")


@lru_cache
def available() -> list[tuple[int, str, str]]:
    """(version, name, sql) of every migration, in order."""
    entries = files("connector.warehouse").joinpath("migrations").iterdir()
    named = ((entry, _MIGRATION.match(entry.name)) for entry in entries)
    return sorted((int(name[1]), name[2], entry.read_text("utf-8")) for entry, name in named if name)


def applied_version(connection: Connection) -> int:
    """The newest migration this file has, 0 for a new file."""
    known = (
        "SELECT count(*) FROM duckdb_columns() WHERE database_name = current_database()"
        " AND schema_name = 'ops' AND table_name = 'migrations' AND column_name = 'version' AND data_type = 'INTEGER'"
    )
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
        refuse_foreign(connection, path)
        with committed(connection):
            for step in due:
                _migrate_one(connection, step, path)
    return [version for version, _, _ in due]


def _migrate_one(connection: Connection, step: tuple[int, str, str], path: Path) -> None:
    version, name, text = step
    try:
        connection.execute(text)
        if version == unindexed.VERSION:
            unindexed.drop_key_indexes(connection)
        connection.execute("INSERT INTO ops.migrations VALUES (?, ?, now())", [version, name])
    except duckdb.Error as failure:
        raise explain(failure, path) or WarehouseError(
            f"{PATH_VARIABLE} = {path}: migration {version:04d}_{name} failed and was rolled back:"
            f" {first_line(failure).rstrip('.')}.",
            remedy="Point the variable at a file that only learnsync writes, or at a new one.",
        ) from None


def _is_lock_error(failure: BaseException) -> bool:
    return isinstance(failure, duckdb.IOException) and "lock on file" in str(failure)


def is_there(settings: Settings) -> bool:
    """False where no file is at the path; true also where nobody may look: opening it says why."""
    try:
        return settings.warehouse.path.exists()
    except OSError:
        return True


def _fill(connection: Connection, path: Path) -> None:
    """Every table of a warehouse, in a file that has none."""
    connection.execute(SETTINGS)
    migrate(connection, path)


class Warehouse:
    """The writer's file. Connections are short-lived; each is UTC and already migrated.

    `is_new` is true once this object has made the file.
    """

    def __init__(self, path: Path, *, lock_timeout_seconds: float = 60.0, means: Means | None = None) -> None:
        self.path = path
        self._means = means or Means.usual()
        self.is_new = False
        self._lock_timeout = lock_timeout_seconds
        self._migrated = False
        self._guards: list[Callable[[Connection], None]] = []

    @classmethod
    def of(cls, settings: Settings, *, lock_timeout_seconds: float | None = None) -> Self:
        """The warehouse these settings name; they also say how long its lock is waited for, unless told otherwise."""
        place = settings.warehouse
        wait = place.lock_timeout_seconds if lock_timeout_seconds is None else lock_timeout_seconds
        return cls(place.path, lock_timeout_seconds=wait, means=Means.of(settings))

    @classmethod
    def existing(cls, settings: Settings) -> Self:
        """The same, for who only looks: a missing file is not made. Raises WarehouseError where there is none."""
        if not is_there(settings):
            raise WarehouseError(
                f"{PATH_VARIABLE} = {settings.warehouse.path}: there is no warehouse.",
                remedy="Run `learnsync pull`, which makes it; or correct the variable, or mount the disk it names.",
            )
        return cls.of(settings)

    def require(self, guard: Callable[[Connection], None]) -> None:
        """Call `guard` first in the next connection; while it raises, nobody gets one."""
        self._guards.append(guard)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A read-write connection. Raises WarehouseLockedError (another process keeps the file), WarehouseError."""
        engine, connection = self._open()
        failed = True
        try:
            with told(self.path), stopping.interruptible(connection.interrupt):
                self._prepare(connection)
                yield connection
            failed = False
        finally:
            if failed:
                connection.interrupt()  # see roll_back
            engine.close(connection, quiet=failed)

    def _prepare(self, connection: Connection) -> None:
        connection.execute(SETTINGS)
        if not self._migrated:
            self.is_new = 1 in migrate(connection, self.path) or self.is_new
            for own in beside(self.path.resolve()):  # as an earlier version may have left them
                tighten_tree(own)
            self._migrated = True
        while self._guards:
            self._guards[0](connection)
            self._guards.pop(0)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection inside BEGIN … COMMIT; any exception rolls everything back."""
        with self.connect() as connection, committed(connection):
            yield connection

    def _open(self) -> tuple[Engine, Connection]:
        retrying = Retrying(
            retry=retry_if_exception(_is_lock_error),
            stop=stop_any(stop_after_delay(self._lock_timeout), stop_when_event_set(stopping.asked)),
            wait=wait_random(0.02, 0.25),
            reraise=True,
        )
        try:
            if not self.path.exists():
                make_folder(self.path.parent)
                made = create(self.path, lambda connection: _fill(connection, self.path), self._means)
                self.is_new = made or self.is_new
            return retrying(Engine.open, self.path, self._means)
        except (duckdb.Error, MemoryError) as failure:
            if stopping.requested():
                raise KeyboardInterrupt from failure
            raise explain(failure, self.path) or self._explain(failure) from None
        except OSError as failure:
            raise no_folder(self.path, failure) from None

    def _explain(self, failure: Exception) -> WarehouseError:
        if _is_lock_error(failure):
            holder = re.search(r"held in (.+?)\. ", str(failure) + " ")
            by = f" ({holder[1]})" if holder else ""
            return WarehouseLockedError(
                f"{self.path} is in use by another process{by} and stayed so for {self._lock_timeout:g} s.",
                remedy="Let that process finish, close it, or raise"
                f" {variable('warehouse', 'lock_timeout_seconds')}. To look at data meanwhile, open the published copy"
                f" ({variable('warehouse', 'publish_path')}).",
            )
        return WarehouseError(
            f"{PATH_VARIABLE} = {self.path} cannot be opened: {first_line(failure).rstrip('.')}.",
            remedy="Point the variable at a DuckDB file, or at a new file in a folder that this user may write to.",
        )
