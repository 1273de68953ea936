"""No index holds the keys of the large tables: files of before lose theirs, merges keep keys unique, checks count."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from support import enrollment, load, query

from connector.cli.commands.doctor import examine
from connector.settings import load_settings
from connector.streams import MODELS
from connector.warehouse import unindexed
from connector.warehouse.database import Warehouse, available
from connector.warehouse.keys import KEYS, all_repeated, repeated
from pipelines import checks
from pipelines.tables import Look

VALUES = {
    "VARCHAR": "'it''s ' || i",
    "UUID": "CAST(md5(CAST(i AS VARCHAR)) AS UUID)",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ '2026-01-01 00:00:00+00' + i * INTERVAL 1 HOUR",
    "JSON": """'{"a": [' || i || ', null]}'""",
    "BOOLEAN": "i % 2 = 0",
    "VARCHAR[]": "[CAST(i AS VARCHAR)]",
    "DATE": "DATE '2026-01-01' + CAST(i AS INTEGER)",
}
KILLED = """
import os, sys
from pathlib import Path
from connector.warehouse import unindexed
from connector.warehouse.database import Warehouse

copy, copied = unindexed._copy, []

def until_half(*args):
    copy(*args)
    copied.append(args)
    if len(copied) == int(sys.argv[2]):
        os._exit(9)

unindexed._copy = until_half
with Warehouse(Path(sys.argv[1])).connect():
    os._exit(9)  # committed; the log beside the file is not part of it yet
"""


def content(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Rows, columns, comments and views of everything that the migrations up to the one before made."""
    tables = connection.execute(
        "SELECT schema_name || '.' || table_name, comment FROM duckdb_tables()"
        " WHERE table_name <> 'migrations' ORDER BY ALL"
    ).fetchall()
    found: dict[str, Any] = {"tables": tables}
    columns = (
        "SELECT schema_name, table_name, column_name, data_type, is_nullable, column_default, comment"
        " FROM duckdb_columns() WHERE NOT internal ORDER BY schema_name, table_name, column_index"
    )
    found["columns"] = connection.execute(columns).fetchall()
    views = connection.execute("SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE NOT internal")
    for name in [name for name, _ in tables] + [name for (name,) in views.fetchall()]:
        found[name] = connection.execute(f"FROM {name} ORDER BY ALL").fetchall()
    return found


def indexed(connection: duckdb.DuckDBPyConnection) -> set[str]:
    query = "SELECT schema_name || '.' || table_name FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
    return {name for (name,) in connection.execute(query).fetchall()}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file of the version before, with rows in every table, and comments."""
    path = tmp_path / "old.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for version, name, text in available():
            if version < unindexed.VERSION:
                connection.execute(text)
                connection.execute("INSERT INTO ops.migrations VALUES (?, ?, now())", [version, name])
        for table in connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall():
            if table != ("ops", "migrations"):
                fill(connection, *table)
        connection.execute("COMMENT ON TABLE absorb.enrollments IS 'who takes ''what'''")
        connection.execute("COMMENT ON COLUMN absorb.enrollments.progress IS 'in percent'")
    return path


def fill(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> None:
    where = "WHERE schema_name = ? AND table_name = ? ORDER BY column_index"
    types = connection.execute(f"SELECT data_type FROM duckdb_columns() {where}", [schema, table]).fetchall()
    values = ", ".join(f"CAST({VALUES.get(kind, 'i')} AS {kind})" for (kind,) in types)
    connection.execute(f'INSERT INTO {schema}."{table}" SELECT {values} FROM range(5) AS r(i)')


@pytest.mark.lets_go
def test_a_file_with_key_indexes_loses_them_and_nothing_else(old: Path) -> None:
    with duckdb.connect(str(old), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        before, keyed = content(connection), indexed(connection)
    assert keyed >= unindexed.TABLES
    with Warehouse(old).connect():
        pass
    with duckdb.connect(str(old), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        after = content(connection)
        assert indexed(connection) == keyed - unindexed.TABLES
    for name in before.keys() - {"tables", "columns"}:
        width = len(before[name][0]) if before[name] else 0  # later migrations add columns at the end
        assert [row[:width] for row in after[name]] == before[name], name
    assert set(before["tables"]) <= set(after["tables"])
    assert set(before["columns"]) <= set(after["columns"])
    assert len(before["absorb.enrollments"]) == 5


@pytest.mark.lets_go
@pytest.mark.parametrize(("copies", "is_old"), [(4, True), (1000, False)], ids=["in the middle", "right after"])
def test_a_kill_while_indexes_are_dropped_leaves_the_old_file_or_the_new_one(
    old: Path, copies: int, *, is_old: bool
) -> None:
    with duckdb.connect(str(old), read_only=True) as connection:
        before = connection.execute("FROM absorb.enrollments ORDER BY ALL").fetchall()
    assert subprocess.run([sys.executable, "-c", KILLED, str(old), str(copies)], check=False).returncode == 9
    with duckdb.connect(str(old)) as connection:
        assert bool(indexed(connection) & unindexed.TABLES) is is_old
        assert connection.execute("FROM absorb.enrollments ORDER BY ALL").fetchall() == before
    with Warehouse(old).connect() as connection:
        assert not indexed(connection) & unindexed.TABLES
        assert connection.execute("SELECT count(*) FROM salesforce.push_ledger").fetchone() == (5,)
        assert connection.execute("FROM absorb.enrollments ORDER BY ALL").fetchall() == before


def test_every_large_table_has_a_key_and_none_of_them_an_index(new_warehouse: Path) -> None:
    with duckdb.connect(str(new_warehouse), read_only=True) as connection:
        assert not indexed(connection) & set(KEYS)
    assert set(KEYS) >= {f"absorb.{stream}" for stream in MODELS} | unindexed.TABLES


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb")


def test_merges_keep_keys_unique(warehouse: Warehouse) -> None:
    rows = [enrollment() for _ in range(4)]
    load(warehouse, rows, rows[2:])
    load(warehouse, [rows[0], rows[1] | {"progress": 5.0}], [enrollment(), rows[1] | {"id": rows[1]["id"].upper()}])
    with warehouse.connect() as connection:
        assert all_repeated(connection) == {}
    assert query(warehouse, "SELECT count(*) FROM absorb.enrollments") == [(5,)]


def test_a_key_that_stands_twice_is_counted_and_doctor_fails(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(warehouse, [enrollment(), enrollment()])
    query(warehouse, "INSERT INTO absorb.enrollments FROM absorb.enrollments LIMIT 1")
    with warehouse.connect() as connection:
        assert repeated(connection, "absorb.enrollments") == 1
        assert repeated(connection, "absorb.users") == 0
        assert all_repeated(connection) == {"absorb.enrollments": 1}
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(warehouse.path))
    [found] = [finding for finding in examine() if finding.check == "keys"]
    assert found.verdict == "fail"
    assert "absorb.enrollments (1)" in found.text


def test_the_asset_check_fails_where_a_key_stands_twice(warehouse: Warehouse) -> None:
    load(warehouse, [enrollment(), enrollment()])
    look = Look(load_settings(warehouse={"path": warehouse.path}), unique="absorb.enrollments")
    for repeats in (0, 1):
        with warehouse.connect() as connection:
            look(connection)
        checked = checks.keys_unique(look.repeated, "absorb.enrollments")
        assert (checked.passed, checked.severity) == (not repeats, dg.AssetCheckSeverity.ERROR)
        query(warehouse, "INSERT INTO absorb.enrollments FROM absorb.enrollments LIMIT 1")
