"""The published file: each table and column is decided, people's contact data stay behind, and its queries work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from support import query

from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import load_settings
from connector.sync import run_publish, run_sync
from connector.warehouse.database import Warehouse
from connector.warehouse.published import decisions

REPO = Path(__file__).resolve().parents[2]
MARK = "Mark-7151"
CONTACT_DATA = {
    "address": MARK, "address2": MARK, "city": MARK, "postalCode": MARK, "phone": MARK, "notes": MARK,
    "middleName": MARK, "ccEmailAddresses": [MARK], "customFields": {"string1": MARK}, "anotherField": MARK,
}  # fmt: skip
SENSITIVE = re.compile(r"addr|mail|phone|notes|city|postal|province|country|custom|_extra|^raw$|payload$|^stats$", re.I)

Rows = list[tuple[object, ...]]


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse of which everything is filled that a sync fills, beside its published file learning.duckdb."""
    folder = tmp_path_factory.mktemp("published")
    with Sandbox(SandboxOptions(scale=100, courses=3, rate_limit=0)) as box, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, value in box.settings().items():
            patch.setenv(name, value)
        patch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(folder / "warehouse.duckdb"))
        patch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_PATH", str(folder / "learning.duckdb"))
        for row in box.portal.rows("users"):
            box.portal.put_row("users", row | CONTACT_DATA)
        bad = box.portal.rows("enrollments")[0]
        box.portal.put_row("enrollments", bad | {"progress": MARK})
        run_sync(load_settings())
        warehouse = Warehouse(folder / "warehouse.duckdb")
        with warehouse.connect() as connection:
            new = "INSERT INTO salesforce.contacts (tenant_id, \"Id\", \"Email\") VALUES ('default', '003none', $1)"
            for statement in (new, "UPDATE salesforce.push_ledger SET content = $1"):
                connection.execute(statement, [MARK])
        run_publish(load_settings())
        yield warehouse


@pytest.fixture
def copy(synced: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file as an analyst opens it."""
    with duckdb.connect(str(synced.path.with_name("learning.duckdb")), read_only=True) as connection:
        yield connection


TABLES = """
SELECT schema_name || '.' || table_name, list(column_name ORDER BY column_index)
FROM duckdb_columns() WHERE database_name = current_database() AND NOT internal
  AND (schema_name, table_name) IN (SELECT (schema_name, table_name) FROM duckdb_tables())
GROUP BY ALL
UNION ALL
SELECT schema_name || '.' || view_name, ['*'] FROM duckdb_views()
WHERE database_name = current_database() AND NOT internal
"""


def holding(rows_of: duckdb.DuckDBPyConnection, text: str) -> list[str]:
    """The tables that hold a text anywhere."""
    names = [name for (name,) in rows_of.execute(f"SELECT * EXCLUDE (c) FROM ({TABLES}) AS t (name, c)").fetchall()]
    found = "SELECT 1 FROM {} AS t WHERE contains(CAST(t AS VARCHAR), $1) LIMIT 1"
    return [name for name in names if rows_of.execute(found.format(name), [text]).fetchall()]


def test_every_table_and_column_of_the_warehouse_is_published_or_left_out_by_a_line(new_warehouse: Path) -> None:
    """Whoever adds one to a migration decides here: connector/warehouse/published.csv."""
    there = dict(query(Warehouse(new_warehouse), TABLES))
    listed = {table: list(columns) for table, columns in decisions().items()}
    left_out = {table for table, columns in decisions().items() if columns == {"*": "no"}}
    assert sorted(listed) == sorted(there)
    assert {t: sorted(c) for t, c in listed.items() if t not in left_out} == {
        t: sorted(c) for t, c in there.items() if t not in left_out
    }
    assert {how for columns in decisions().values() for how in columns.values()} == {"yes", "no", "empty"}


def test_the_file_has_what_the_lines_say(copy: duckdb.DuckDBPyConnection) -> None:
    listed = {t: [name for name, how in columns.items() if how != "no"] for t, columns in decisions().items()}
    own = {"ops.published": ["published_at", "version", "schema_version", "run_id"]}
    assert dict(copy.execute(TABLES).fetchall()) == {table: c for table, c in listed.items() if c} | own


def test_contact_data_and_rows_as_received_stay_in_the_warehouse(
    synced: Warehouse, copy: duckdb.DuckDBPyConnection
) -> None:
    with synced.connect() as connection:
        known = {"absorb.users", "ops.quarantine", "salesforce.contacts", "salesforce.push_ledger"}
        assert known <= set(holding(connection, MARK))
        assert connection.execute("SELECT count(*) FROM absorb.users WHERE _extra IS NOT NULL").fetchone() != (0,)
    assert holding(copy, MARK) == []
    columns = copy.execute("SELECT column_name FROM duckdb_columns() WHERE NOT internal").fetchall()
    assert [name for (name,) in columns if SENSITIVE.search(name)] == []
    people = "SELECT unnest([salesforce_contact_id, last_contact_id, shared_id]) FROM salesforce.learner_matches"
    matched = f'SELECT count(*), count(*) FILTER ("Id" IN ({people})) FROM salesforce.contacts'
    [(all_, of_learners)] = copy.execute(matched).fetchall()
    assert all_ == of_learners > 0


def test_rows_that_are_published_are_all_there(synced: Warehouse, copy: duckdb.DuckDBPyConnection) -> None:
    def counts(connection: duckdb.DuckDBPyConnection) -> Rows:
        tables = [table for table, columns in decisions().items() if "*" not in columns and "contacts" not in table]
        return [
            (table, *one) for table in tables for one in connection.execute(f"SELECT count(*) FROM {table}").fetchall()
        ]

    with synced.connect() as connection:
        there = dict(counts(connection))
    found = dict(counts(copy))
    assert found == there
    filled = {"main.learning_record", "main.learning_item_progress", "absorb.users", "salesforce.learner_matches"}
    assert all(found[table] for table in filled)


def documented() -> dict[str, str]:
    """Queries that README.md and docs show: place → SQL."""
    found = {}
    for path in (REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))):
        text = path.read_text("utf-8")
        blocks = re.findall(r"```sql\n(.*?)```", text, re.S) + re.findall(r'con\.sql\("""(.*?)"""\)', text, re.S)
        queries = [*blocks, *re.findall(r"`(SELECT [^`]+)`", text)]
        found |= {f"{path.name} {number}": one for number, one in enumerate(queries, 1)}
    return found


def test_queries_and_tables_that_the_documents_show_work_on_the_published_file(
    copy: duckdb.DuckDBPyConnection,
) -> None:
    assert len(documented()) >= 6
    for place, statement in documented().items():
        try:
            copy.execute(statement).fetchall()
        except duckdb.Error as failure:
            pytest.fail(f"{place}: {failure}")
    section = (REPO / "README.md").read_text("utf-8").partition("## For analysts")[2].partition("\n## ")[0]
    named = [re.findall(r"`([^`]+)`", cell) for cell in re.findall(r"^\| (`[^|]+) \|", section, re.M)]
    assert len(named) > 10
    for cell in named:
        schema = "main"
        for name in re.findall(r"[\w.]+", ",".join(cell)):  # what comes after a comma is of the same schema
            schema, _, table = name.rpartition(".") if "." in name else (schema, "", name)
            copy.execute(f"SELECT count(*) FROM {schema}.{table}").fetchall()


def test_every_view_works_in_the_published_file(copy: duckdb.DuckDBPyConnection) -> None:
    views = [table for table, columns in decisions().items() if columns == {"*": "yes"}]
    assert {"salesforce.drift", "salesforce.current_ledger", "ops.learning_record_ledger"} <= set(views)
    for view in views:
        copy.execute(f"SELECT * FROM {view}").fetchall()
    assert copy.execute("SELECT count(*) FROM salesforce.current_ledger").fetchone() != (0,)
