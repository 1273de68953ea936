"""What an asset shows of the warehouse is read with few statements: each costs, and the file is open meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connector.settings import Settings
from connector.warehouse.database import Warehouse
from pipelines.tables import Look

TABLES = ("absorb.enrollments", "learning_record", "salesforce.push_ledger")


class Counting:
    """A connection that notes what it is asked."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.asked: list[str] = []

    def execute(self, query: str, *values: Any) -> Any:
        self.asked.append(query)
        return self._connection.execute(query, *values)


def test_the_catalog_is_read_once_for_all_tables_of_an_asset(tmp_path: Path) -> None:
    look, asked = Look(Settings(), tables=TABLES), []
    with Warehouse(tmp_path / "warehouse.duckdb").connect() as connection:
        for one in (Look(Settings(), tables=TABLES[:1]), look):
            counting = Counting(connection)
            one(counting)  # type: ignore[arg-type]
            asked.append(sum("duckdb_" in query for query in counting.asked))
        columns = {
            table: connection.execute(f"SELECT column_name FROM (DESCRIBE {table})").fetchall() for table in TABLES
        }
    assert asked[0] == asked[1] > 0
    for table, found in columns.items():
        shown = look.table(table, {"id": "a note"})
        assert [(column.name,) for column in shown["dagster/column_schema"].columns] == found
        assert shown["dagster/row_count"] == 0


def test_enrollments_without_parents_are_counted(tmp_path: Path) -> None:
    look = Look(Settings(), "parents")
    with Warehouse(tmp_path / "warehouse.duckdb").connect() as connection:
        for stream, letters in (("users", "ab"), ("courses", "c")):
            for letter in letters:
                _put(connection, stream, id=letter * 32)
        for number, (user, course) in enumerate((("a", "c"), ("b", "d"), ("e", "d"))):
            dates = {"date_added": "2026-01-01", "date_edited": "2026-01-01"}
            whose = {"user_id": user * 32, "course_id": course * 32}
            _put(connection, "enrollments", id=f"{number:032x}", status=0, is_active=True, **whose, **dates)
        look(connection)
    assert look.rows["parents"] == [(1, 2, 3)]


def _put(connection: Any, stream: str, **values: Any) -> None:
    values |= {"tenant_id": "default", "_loaded_at": "2026-01-01", "_run_id": "r"}
    named, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO absorb.{stream} ({named}) VALUES ({marks})", list(values.values()))
