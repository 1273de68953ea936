"""DuckDB engines of this process, each with one file attached while somebody uses it."""

import logging
import os
import threading
from pathlib import Path
from typing import ClassVar, Self

import duckdb

from connector import files, machine
from connector.absent import skip_if_absent
from connector.warehouse.foreign import look_before_replay
from connector.warehouse.memory import Means
from connector.warehouse.statements import literal

log = logging.getLogger(__name__)
skip_if_absent("pandas")

Connection = duckdb.DuckDBPyConnection


class Engine:
    """A DuckDB engine of this process to which one file is attached for as long as it is open.

    Attaching a file takes a third of the time of starting an engine for it. The lock on the file is held from the first
    `open` to the last `close`, as if each were a connection of its own.
    """

    kept: ClassVar[dict[tuple[int, Path], Self]] = {}  # by process and file; a fork must not use its parent's
    most_kept = 8
    guard = threading.Lock()

    def __init__(self, key: tuple[int, Path], means: Means) -> None:
        self._base = duckdb.connect(":memory:", config=means.config(key[1]))
        self._key = key
        self._means = means
        self._users = 0

    @classmethod
    def open(cls, path: Path, means: Means | None = None) -> tuple[Self, Connection]:
        """Attach the file where it is not. Raises duckdb.Error and WarehouseError, after which nothing is held.

        Other `means` than before count from the next opening on that finds nobody else using the file.
        """
        key, means = (os.getpid(), path.resolve()), means or Means.usual()
        files.deny_others_by_default()
        with cls.guard:
            known = cls.kept.get(key)
            if known and not known._users and known._means != means:
                cls.kept.pop(key)._base.close()  # DuckDB takes no other folder to spill to once it has used one
            if key not in cls.kept:
                idle = [other for other, engine in cls.kept.items() if other[0] == key[0] and not engine._users]
                for other in idle[: -cls.most_kept]:
                    cls.kept.pop(other)._base.close()
                cls.kept[key] = cls(key, means)
            engine = cls.kept[key]
            if not engine._users:
                look_before_replay(path, means)
                engine._base.execute(f"ATTACH {literal(key[1])} AS warehouse (TYPE duckdb)")
            engine._users += 1
            return engine, engine._base.cursor()

    def close(self, connection: Connection, *, quiet: bool = False) -> None:
        """End a connection, rolling back what it left open, and detach the file after the last one.

        A failure to detach is logged; not as a warning where what failed is told anyway: before this (`quiet`), or,
        for want of room, when the file is opened again.
        """
        connection.close()
        with self.guard:
            self._users -= 1
            if self._users:
                return
            try:
                self._base.execute("DETACH warehouse")
            except duckdb.Error as failure:  # what was committed is in the file or beside it, in its log
                level = logging.INFO if quiet or machine.remedy_in(str(failure)) else logging.WARNING
                log.log(level, "%s could not be detached: %s", self._key[1], str(failure).replace("\n", " "))
                self.kept.pop(self._key)._base.close()


def beside(path: Path) -> tuple[Path, ...]:
    """The file, its write-ahead log, and where queries spill to."""
    return (path, *(path.with_name(path.name + ending) for ending in (".wal", ".tmp")))
