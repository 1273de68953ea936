"""A new warehouse is there whole or not at all, and one that another process made is left alone."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support import query

from connector.errors import WarehouseError
from connector.warehouse.creation import create
from connector.warehouse.database import Warehouse

pytestmark = pytest.mark.lets_go


def fill(connection: Any) -> None:
    connection.execute("CREATE TABLE warehouse.ours (n INTEGER)")


def tables(path: Path) -> list[tuple[str]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def break_off(connection: Any) -> None:
        fill(connection)
        connection.execute("SELECT error('no more room')")

    with pytest.raises(duckdb.Error, match="no more room"):
        create(tmp_path / "warehouse.duckdb", break_off)
    assert list(tmp_path.iterdir()) == []


def test_who_comes_second_leaves_the_file_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"

    def overtaken(connection: Any) -> None:
        assert create(path, fill)

    assert not create(path, overtaken)
    assert tables(path) == [("ours",)]
    assert list(tmp_path.iterdir()) == [path]


def test_many_at_once_make_one_warehouse(tmp_path: Path) -> None:
    path, made = tmp_path / "warehouse.duckdb", list[bool]()

    def open_it() -> None:
        warehouse = Warehouse(path)
        query(warehouse, "SELECT 1")
        made.append(warehouse.is_new)

    threads = [threading.Thread(target=open_it) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False, False, True]
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    (tmp_path / f".{path.name}.{ended.stdout.strip()}.abcdef.new").touch()
    assert create(path, fill)
    assert list(tmp_path.iterdir()) == [path]


def test_the_log_of_a_file_that_is_gone_is_not_made_part_of_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    log = tmp_path / "warehouse.duckdb.wal"
    log.write_bytes(b"what was committed last")
    with pytest.raises(WarehouseError, match=r"LEARNSYNC_WAREHOUSE__PATH.*mv .*\.wal"):
        query(Warehouse(path), "SELECT 1")
    assert log.read_bytes() == b"what was committed last"
    assert not path.exists()
