"""Opening the warehouse: waiting for another process, giving up with its name, and files that are none of ours."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from support import query

from connector.errors import WarehouseError, WarehouseLockedError
from connector.settings import Settings, load_settings
from connector.warehouse.database import Warehouse, available, migrate, roll_back
from connector.warehouse.engine import Engine
from connector.warehouse.publish import publish
from connector.warehouse.statements import fill

pytestmark = pytest.mark.lets_go

HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that keeps the file open until its input ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
    finally:
        holder.communicate("\n", timeout=20)


def test_a_new_file_is_made_with_its_folders_and_migrated(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "deep" / "down" / "warehouse.duckdb")
    newest, name, _ = available()[-1]
    assert query(warehouse, "SELECT max(version), max_by(name, version) FROM ops.migrations") == [(newest, name)]
    assert query(warehouse, "SELECT current_setting('TimeZone')") == [("UTC",)]


def test_opening_again_applies_nothing(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    before = query(Warehouse(path), "FROM ops.migrations")
    assert query(Warehouse(path), "FROM ops.migrations") == before
    with Warehouse(path).connect() as connection:
        assert migrate(connection, path) == []


def test_it_waits_until_another_process_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with held(path) as holder:
        assert holder.stdin is not None
        threading.Timer(0.4, holder.stdin.write, ["\n"]).start()
        threading.Timer(0.5, holder.stdin.flush).start()
        assert query(Warehouse(path, lock_timeout_seconds=20), "SELECT 1") == [(1,)]
        assert holder.wait(timeout=20) == 0


def test_a_lock_falls_with_the_process_that_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with held(path) as holder:
        holder.kill()
        assert query(Warehouse(path, lock_timeout_seconds=20), "SELECT 1") == [(1,)]


def test_it_gives_up_naming_the_file_and_the_process(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with held(path) as holder:
        warehouse = Warehouse(path, lock_timeout_seconds=0.1)
        with pytest.raises(WarehouseLockedError) as refusal, warehouse.connect():
            raise AssertionError("the file is held")
        message = str(refusal.value)
        assert str(path) in message
        assert str(holder.pid) in message
        assert "LEARNSYNC_WAREHOUSE__LOCK_TIMEOUT_SECONDS" in message
        assert refusal.value.exit_code == 2


def test_the_settings_say_which_file_and_how_long_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.duckdb"
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(path))
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__LOCK_TIMEOUT_SECONDS", "0")
    with held(path), pytest.raises(WarehouseLockedError), Warehouse.of(load_settings()).connect():
        raise AssertionError("the file is held")


def refused(path: Path) -> str:
    with pytest.raises(WarehouseError) as refusal, Warehouse(path, lock_timeout_seconds=0).connect():
        raise AssertionError("this file cannot be a warehouse")
    assert not isinstance(refusal.value, WarehouseLockedError)
    assert refusal.value.exit_code == 2
    return str(refusal.value)


def test_a_folder_under_a_file_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    message = refused(tmp_path / "file" / "warehouse.duckdb")
    assert "LEARNSYNC_WAREHOUSE__PATH" in message
    assert str(tmp_path / "file") in message


def test_a_folder_in_place_of_a_file_names_the_variable(tmp_path: Path) -> None:
    assert "LEARNSYNC_WAREHOUSE__PATH" in refused(tmp_path)


def test_a_folder_that_may_not_be_written_names_the_variable(tmp_path: Path) -> None:
    path = tmp_path / "locked" / "warehouse.duckdb"
    path.parent.mkdir()
    if os.geteuid() == 0:
        # No mode keeps root out, so here the name leads to a place below a regular file, where nobody can make one.
        (tmp_path / "file").touch()
        path.symlink_to(tmp_path / "file" / "warehouse.duckdb")
    path.parent.chmod(0o500)
    assert "LEARNSYNC_WAREHOUSE__PATH" in refused(path)


@pytest.mark.parametrize("content", [b"not a database, just text " * 400, b"\x00" * 20_000], ids=["text", "zeros"])
def test_a_file_that_is_no_database_names_the_variable_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    assert "LEARNSYNC_WAREHOUSE__PATH" in refused(path)
    assert path.read_bytes() == content


def test_a_file_of_a_newer_version_names_the_variable_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    query(Warehouse(path), "INSERT INTO ops.migrations VALUES (9999, 'from_the_future', now())")
    message = refused(path)
    assert "LEARNSYNC_WAREHOUSE__PATH" in message
    assert "newer learnsync" in message
    assert "9999" in message
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT max(version) FROM ops.migrations").fetchone() == (9999,)


def test_somebody_elses_database_gets_all_of_a_migration_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE learning_item_progress (theirs INTEGER)")
        connection.execute("INSERT INTO learning_item_progress VALUES (7)")
    with pytest.raises((WarehouseError, duckdb.Error)), Warehouse(path).connect():
        raise AssertionError("a table of that name is taken")
    with duckdb.connect(str(path)) as connection:
        tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
        schemas = connection.execute("SELECT schema_name FROM duckdb_schemas() WHERE NOT internal").fetchall()
        assert tables == [("main", "learning_item_progress")]
        assert schemas in ([], [("main",)])
        assert connection.execute("FROM learning_item_progress").fetchall() == [(7,)]


def test_a_failed_migration_names_the_variable(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE learning_record (theirs INTEGER)")
    assert "LEARNSYNC_WAREHOUSE__PATH" in refused(path)


def test_a_transaction_keeps_all_or_nothing(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    with warehouse.transaction() as connection:
        connection.execute("CREATE TABLE kept (n INTEGER)")
    statements = ["INSERT INTO kept VALUES (1)", "CREATE TABLE lost (n INTEGER)", "SELECT error('stop')"]
    with pytest.raises(duckdb.Error, match="stop"), warehouse.transaction() as connection:
        [connection.execute(statement) for statement in statements]
    assert query(warehouse, "FROM kept") == []
    assert query(warehouse, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'lost'") == [(0,)]


def test_a_roll_back_of_what_is_over_is_none(tmp_path: Path) -> None:
    """A signal may come between two statements of a clean-up, which is then done late."""
    with Warehouse(tmp_path / "warehouse.duckdb").connect() as connection:
        roll_back(connection)
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    roll_back(connection)


def test_a_connection_is_closed_after_use_so_that_others_may_open_the_file(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with pytest.raises(ZeroDivisionError), Warehouse(path).connect():
        raise ZeroDivisionError
    with held(path) as holder:
        assert holder.poll() is None


def test_a_placeholder_without_a_part_is_an_error() -> None:
    assert fill("a {{b}} c", b="{{c}}") == "a {{c}} c"
    with pytest.raises(KeyError):
        fill("{{missing}}")


def test_a_publish_clears_what_killed_ones_left_and_nothing_else(tmp_path: Path, settings: Settings) -> None:
    with Warehouse.of(settings).connect():
        pass
    target = settings.warehouse.publish_path
    target.parent.mkdir(parents=True, exist_ok=True)
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    dead = target.with_name(f".{target.name}.{ended.stdout.strip()}.draft")
    alive = target.with_name(f".{target.name}.1.draft")
    for left in (dead, dead.with_name(dead.name + ".wal"), alive):
        left.write_text("half")
    publish(settings)
    assert [path.name for path in target.parent.glob(f".{target.name}.*")] == [alive.name]


def opened_elsewhere(path: Path) -> bool:
    """Whether another process can open the file now."""
    code = "import duckdb, sys; duckdb.connect(sys.argv[1]).close()"
    return subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False).returncode == 0


def test_the_file_is_held_from_the_first_opening_of_a_process_to_its_last_close(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with Warehouse(path).connect() as outer:
        with Warehouse(path).connect() as inner:
            inner.execute("CREATE TABLE main.noted AS SELECT 1 AS one")
        assert outer.execute("SELECT one FROM main.noted").fetchall() == [(1,)]
        assert not opened_elsewhere(path)
    assert opened_elsewhere(path)


def test_many_files_one_after_another_keep_few_engines(tmp_path: Path) -> None:
    for number in range(2 * Engine.most_kept):
        with Warehouse(tmp_path / f"{number}.duckdb").connect() as connection:
            assert connection.execute("SELECT current_database()").fetchone() == ("warehouse",)
    assert len(Engine.kept) <= Engine.most_kept + 1
