"""Absent is not null: what a row does not carry stays, and a field that a whole list stops carrying is named."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from support import Row, enrollment, load, query, records

from connector.cli.commands import rejects as rejected
from connector.settings import load_settings
from connector.times import utc_now
from connector.warehouse import fields
from connector.warehouse.database import Stamp, Warehouse, available

_tenants = itertools.count(1)
DUE = "2026-05-01T00:00:00"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """One file for all: each test works on a tenant of its own."""
    return Warehouse(tmp_path_factory.mktemp("fields") / "warehouse.duckdb")


@pytest.fixture
def tenant() -> str:
    return f"t{next(_tenants)}"


def without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def sparse(row: Row) -> Row:
    """As a portal that leaves out what is null would serve it."""
    return {name: value for name, value in row.items() if value is not None}


def judged(
    warehouse: Warehouse, tenant: str, run: str, *pages: Sequence[Row], stream: str = "enrollments"
) -> tuple[list[str], list[str]]:
    """What is reported as vanished and as emptied after a pull that reads these pages, each as a batch."""
    for page in pages:
        load(warehouse, page, stream=stream, tenant_id=tenant, run_id=run)
    with warehouse.transaction() as connection:
        fields.judge(connection, Stamp(tenant, run, utc_now()))
        found = fields.vanished(connection, tenant), fields.emptied(connection, tenant)
    return [str(one) for one in found[0]], [str(one) for one in found[1]]


def due_dates(warehouse: Warehouse, tenant: str) -> list[date | None]:
    query_ = "SELECT _due_day FROM absorb.enrollments WHERE tenant_id = ? ORDER BY _due_day NULLS LAST"
    return [day for (day,) in query(warehouse, query_, [tenant])]


# -- one row ---------------------------------------------------------------------------------------------


def test_what_a_row_does_not_carry_stays_and_null_is_null(warehouse: Warehouse, tenant: str) -> None:
    row = enrollment(dateDue=DUE, score=80.0, jobTitle="Nurse", progress=10.0)
    load(warehouse, [row], tenant_id=tenant)
    counts = load(
        warehouse, [without(row, "dateDue", "jobTitle") | {"score": None, "progress": 20.0}], tenant_id=tenant
    )
    assert counts.updated == 1
    [held] = records(warehouse, "FROM absorb.enrollments WHERE tenant_id = ?", [tenant])
    assert (held["_due_day"], held["date_due"].year, held["job_title"]) == (date(2026, 5, 1), 2026, "Nurse")
    assert (held["score"], held["progress"]) == (None, 20.0)


def test_a_row_that_lacks_a_field_and_nothing_else_is_unchanged(warehouse: Warehouse, tenant: str) -> None:
    rows = [enrollment(dateDue=DUE), enrollment()]
    load(warehouse, rows, tenant_id=tenant)
    counts = load(warehouse, [without(row, "dateDue", "avatar") for row in rows], tenant_id=tenant)
    assert (counts.inserted, counts.updated, counts.unchanged) == (0, 0, 2)


def test_rows_of_one_batch_keep_only_what_they_lack_themselves(warehouse: Warehouse, tenant: str) -> None:
    one, two, new = enrollment(dateDue=DUE), enrollment(dateDue=DUE), enrollment(dateDue=DUE)
    load(warehouse, [one, two], tenant_id=tenant)
    load(warehouse, [without(one, "dateDue"), two | {"dateDue": None}, without(new, "dateDue")], tenant_id=tenant)
    assert due_dates(warehouse, tenant) == [date(2026, 5, 1), None, None]


@pytest.mark.parametrize(("earlier", "expected"), [(DUE, date(2026, 5, 1)), (None, None)])
def test_an_earlier_reading_in_the_batch_comes_before_what_is_stored(
    warehouse: Warehouse, tenant: str, earlier: str | None, expected: date | None
) -> None:
    row = enrollment(dateDue="2025-01-01T00:00:00")
    load(warehouse, [row], tenant_id=tenant)
    load(warehouse, [row | {"dateDue": earlier}], [without(row, "dateDue") | {"progress": 5.0}], tenant_id=tenant)
    assert due_dates(warehouse, tenant) == [expected]


def test_either_name_of_the_title_carries_it(warehouse: Warehouse, tenant: str) -> None:
    row = enrollment(courseName="Old")
    load(warehouse, [row], tenant_id=tenant)
    load(warehouse, [without(row, "courseName") | {"name": None}], tenant_id=tenant)
    assert query(warehouse, "SELECT course_name FROM absorb.enrollments WHERE tenant_id = ?", [tenant]) == [(None,)]


def test_a_retry_of_quarantined_rows_leaves_what_they_do_not_carry(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    rows = [enrollment(dateDue=DUE) for _ in range(25)]
    judged(warehouse, "default", "first", rows)
    lacking = [without(row, "dateDue") | {"progress": 7.0} for row in rows]
    judged(warehouse, "default", "second", [row | {"status": "done"} for row in rows])
    for row in lacking:
        query(warehouse, "UPDATE ops.quarantine SET raw = ? WHERE source_id = ?", [json.dumps(row), row["id"]])
    assert rejected.retry(load_settings(warehouse={"path": warehouse.path})).loaded["enrollments"] == 25
    assert query(warehouse, "SELECT DISTINCT progress, _due_day FROM absorb.enrollments") == [(7.0, date(2026, 5, 1))]
    # What was received another day says nothing of what the portal serves now.
    assert judged(warehouse, "default", "third") == ([], [])
    assert query(warehouse, "SELECT max(missed) FROM ops.fields") == [(0,)]


# -- a field that vanished -------------------------------------------------------------------------------


def test_a_field_that_a_whole_list_lacks_is_named_until_it_is_back(warehouse: Warehouse, tenant: str) -> None:
    rows = [enrollment(dateDue=DUE if number % 3 else None) for number in range(40)]
    lacking = [without(row, "dateDue") for row in rows]
    assert judged(warehouse, tenant, "1", rows[:20], rows[20:]) == ([], [])
    assert judged(warehouse, tenant, "2", lacking[:20], lacking[20:]) == (["enrollments.dateDue"], [])
    assert judged(warehouse, tenant, "3", lacking[:1]) == (["enrollments.dateDue"], [])
    assert judged(warehouse, tenant, "4") == (["enrollments.dateDue"], [])
    assert judged(warehouse, tenant, "5", rows[:1]) == ([], [])
    assert len([day for day in due_dates(warehouse, tenant) if day]) == 26


def test_a_field_that_was_never_served_is_not_missed(warehouse: Warehouse, tenant: str) -> None:
    names = ("timeSpentTicks", "accessDate", "courseCollectionId", "avatar")
    rows = [without(enrollment(), *names) for _ in range(130)]
    for run in ("1", "2"):
        assert judged(warehouse, tenant, run, rows) == ([], [])


def test_one_row_is_enough_where_every_row_carried_the_field(warehouse: Warehouse, tenant: str) -> None:
    rows = [enrollment(dateDue=DUE if number % 2 else None) for number in range(120)]
    assert judged(warehouse, tenant, "1", rows)[0] == []
    assert judged(warehouse, tenant, "2", [without(enrollment(), "dateDue")], [enrollment()])[0] == []
    assert judged(warehouse, tenant, "3", [without(enrollment(), "dateDue")])[0] == ["enrollments.dateDue"]


def test_a_few_rows_are_no_proof_where_not_every_row_carried_it_and_many_small_pulls_are(
    warehouse: Warehouse, tenant: str
) -> None:
    known = [enrollment(dateDue=DUE) for _ in range(90)]
    assert judged(warehouse, tenant, "1", known)[0] == []
    for number in range(3):
        edited = [without(row, "dateDue") | {"score": 50.0} for row in known[6 * number : 6 * number + 6]]
        assert judged(warehouse, tenant, f"2-{number}", edited)[0] == []
        # The overlap of the next pull meets the rows again, unchanged.
        assert judged(warehouse, tenant, f"3-{number}", edited)[0] == []
    two_more = [without(row, "dateDue") | {"score": 50.0} for row in known[18:20]]
    assert judged(warehouse, tenant, "4", two_more)[0] == ["enrollments.dateDue"]


def test_a_portal_that_leaves_out_nulls_is_an_ordinary_portal(warehouse: Warehouse, tenant: str) -> None:
    rows = [sparse(enrollment(dateDue=DUE if number % 3 else None)) for number in range(150)]
    assert judged(warehouse, tenant, "1", rows) == ([], [])
    assert judged(warehouse, tenant, "2", rows[:50], rows[50:]) == ([], [])
    # A course without due dates is assigned to many: nobody of them ever had one.
    assert judged(warehouse, tenant, "3", [sparse(enrollment()) for _ in range(200)]) == ([], [])
    # The list read whole has it nowhere, though a hundred rows had it.
    assert judged(warehouse, tenant, "4", [without(row, "dateDue") for row in rows]) == (["enrollments.dateDue"], [])


def test_a_small_list_lacks_a_field_when_all_its_rows_do(warehouse: Warehouse, tenant: str) -> None:
    rows = [{"id": enrollment()["id"], "name": f"Department {number}"} for number in range(3)]
    judged(warehouse, tenant, "1", rows, stream="departments")
    lacking = [without(row, "name") for row in rows]
    assert judged(warehouse, tenant, "2", lacking[:2], stream="departments")[0] == []
    assert judged(warehouse, tenant, "3", lacking, stream="departments")[0] == ["departments.name"]


def test_a_required_field_that_vanished_is_named_too(warehouse: Warehouse, tenant: str) -> None:
    rows = [enrollment() for _ in range(120)]
    judged(warehouse, tenant, "1", rows)
    assert judged(warehouse, tenant, "2", [without(row, "status") for row in rows])[0] == ["enrollments.status"]
    assert query(warehouse, "SELECT DISTINCT status FROM absorb.enrollments WHERE tenant_id = ?", [tenant]) == [(1,)]


def test_rows_stored_before_fields_were_watched_count_as_served(warehouse: Warehouse, tenant: str) -> None:
    rows = [enrollment(dateDue=DUE) for _ in range(30)]
    judged(warehouse, tenant, "1", rows)
    query(warehouse, "DELETE FROM ops.fields WHERE tenant_id = ?", [tenant])
    lacking = [without(row, "dateDue", "avatar") for row in rows]
    assert judged(warehouse, tenant, "2", lacking)[0] == ["enrollments.dateDue"]


def test_clearing_rejects_settles_what_vanished_until_it_is_back(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    settings = load_settings(warehouse={"path": warehouse.path})
    rows = [enrollment(dateDue=DUE) for _ in range(30)]
    lacking = [without(row, "dateDue") for row in rows]
    judged(warehouse, "default", "1", rows)
    judged(warehouse, "default", "2", lacking)
    assert rejected.clear(settings) == rejected.Cleared(rows=0, fields=1)
    assert judged(warehouse, "default", "3", lacking) == ([], [])
    judged(warehouse, "default", "4", rows)
    assert judged(warehouse, "default", "5", lacking)[0] == ["enrollments.dateDue"]


# -- values that vanished --------------------------------------------------------------------------------


def test_a_jump_of_nulls_is_named_until_the_values_are_back(warehouse: Warehouse, tenant: str) -> None:
    rows = [enrollment(dateDue=None if number < 3 else DUE) for number in range(150)]
    fewer = [row | {"dateDue": None} if number < 90 else row for number, row in enumerate(rows)]
    assert judged(warehouse, tenant, "1", rows) == ([], [])
    named = "enrollments.dateDue (2 % → 60 % null in 150 rows)"
    assert judged(warehouse, tenant, "2", fewer[:70], fewer[70:]) == ([], [named])
    assert judged(warehouse, tenant, "3", fewer) == ([], [named])
    assert judged(warehouse, tenant, "4", rows) == ([], [])


def test_new_rows_without_values_and_a_few_that_lose_theirs_are_no_jump(warehouse: Warehouse, tenant: str) -> None:
    rows = [enrollment(dateDue=DUE, dateStarted=DUE, score=80.0) for _ in range(150)]
    judged(warehouse, tenant, "1", rows)
    # Everybody is enrolled in something new; forty learners lose their due date.
    new = [enrollment() for _ in range(400)]
    changed = [row | {"dateDue": None} for row in rows[:40]]
    assert judged(warehouse, tenant, "2", new, [*changed, *rows[40:]]) == ([], [])


# -- a warehouse of the version before -------------------------------------------------------------------

OLD_ROW = """
    INSERT INTO absorb.enrollments BY NAME
    SELECT 'default' AS tenant_id, uuid() AS id, uuid() AS course_id, uuid() AS user_id, 1 AS status, true AS is_active,
      TIMESTAMPTZ '2026-01-01 10:00:00+00' AS date_added, TIMESTAMPTZ '2026-01-01 10:00:00+00' AS date_edited,
      TIMESTAMPTZ '0001-01-01 00:00:00+00' AS date_due, DATE '0001-01-01' AS _due_day,
      TIMESTAMPTZ '2026-01-01 10:00:00+00' AS date_started, now() AS _loaded_at, 'old' AS _run_id
"""


@pytest.mark.lets_go
def test_empty_dates_that_are_stored_become_null_when_an_older_warehouse_opens(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "old.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for version, name, text in available():
            if version < 11:
                connection.execute(text)
                connection.execute("INSERT INTO ops.migrations VALUES (?, ?, now())", [version, name])
        connection.execute(OLD_ROW)
    held = query(Warehouse(tmp_path / "old.duckdb"), "SELECT date_due, _due_day, date_started FROM absorb.enrollments")
    assert held == [(None, None, datetime(2026, 1, 1, 10, tzinfo=UTC))]
