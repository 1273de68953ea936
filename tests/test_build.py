"""The two canonical tables: what each column says, and that a rebuild touches only what differs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support import COURSE, USER, Row, enrollment, load, new_id, query, records

from connector.canonical.build import build
from connector.errors import WarehouseError
from connector.settings import Settings, load_settings
from connector.times import parse_instant
from connector.warehouse.database import Warehouse
from tests.ulid import learning_record_id

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)

# The fields of docs/facts/learning-records.md, name by name.
LEARNING_RECORD = [
    "id", "tenant_id", "app_id", "created_at", "updated_at", "created_by", "updated_by", "source", "source_type",
    "is_deleted", "deleted_at", "deleted_by", "schema_version", "person_id", "title", "provider", "completed_at",
    "expires_at", "score", "passed", "certification_ref", "linked_cohort_id", "linked_assessment_id",
]  # fmt: skip


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb")


def settings_for(warehouse: Warehouse, **changes: Any) -> Settings:
    values = {"warehouse": {"path": warehouse.path}, "mapping": {"as_of": AS_OF}}
    return load_settings(**(values | changes))


def record_of(warehouse: Warehouse, row: Row, tenant_id: str = "default") -> Row:
    record_id = learning_record_id(tenant_id, "absorb", row["id"], parse_instant(row["dateAdded"]))
    (found,) = records(warehouse, "FROM learning_record WHERE id = ?", [record_id])
    return found


def tables(warehouse: Warehouse, where: str = "true") -> dict[str, list[Row]]:
    """Both tables whole, physical row numbers included: a rewritten row would move."""
    return {
        name: records(warehouse, f"SELECT rowid, * FROM {name} WHERE {where} ORDER BY rowid")
        for name in ("learning_record", "learning_item_progress", "learning_item_progress_history")
    }


def test_learning_record_has_exactly_the_columns_of_its_definition(warehouse: Warehouse) -> None:
    found = query(warehouse, "SELECT column_name FROM (DESCRIBE learning_record)")
    assert [name for (name,) in found] == LEARNING_RECORD


def test_learning_item_progress_has_exactly_the_columns_of_its_definition(warehouse: Warehouse) -> None:
    found = query(warehouse, "SELECT column_name FROM (DESCRIBE learning_item_progress)")
    assert [name for (name,) in found] == [
        "tenant_id", "enrollment_id", "learning_record_id", "user_id", "course_id", "OwnerId", "LearningItemId",
        "ProgressStatus", "CompletedPercent", "CompletedDate", "CompletedOnDay", "DaysInProgress", "StartDate",
        "absorb_status", "rule", "due_at", "is_current",
    ]  # fmt: skip


def test_a_record_says_what_its_enrollment_says(warehouse: Warehouse) -> None:
    certificate, bundle = new_id(), new_id()
    row = enrollment(
        status=3, score=87.5, dateCompleted="2026-02-01T09:00:00.1234567", dateExpires="2027-02-01T00:00:00Z",
        certificateId=certificate.upper(), courseCollectionId=bundle,
    )  # fmt: skip
    load(warehouse, [row])
    build(settings_for(warehouse), "b")
    found = record_of(warehouse, row)
    stamps = (found.pop("created_at"), found.pop("updated_at"))
    assert stamps[0] == stamps[1]
    assert {name: str(value) if type(value).__name__ == "UUID" else value for name, value in found.items()} == {
        "id": learning_record_id("default", "absorb", row["id"], datetime(2026, 1, 1, 10, tzinfo=UTC)),
        "tenant_id": "default", "app_id": None, "created_by": None, "updated_by": None,
        "source": "absorb", "source_type": "api", "is_deleted": False, "deleted_at": None, "deleted_by": None,
        "schema_version": 1, "person_id": USER, "title": "First Aid", "provider": "Absorb LMS",
        "completed_at": datetime(2026, 2, 1, 9, 0, 0, 123_456, tzinfo=UTC),
        "expires_at": datetime(2027, 2, 1, tzinfo=UTC),
        "score": 87.5, "passed": True, "certification_ref": certificate, "linked_cohort_id": bundle,
        "linked_assessment_id": None,
    }  # fmt: skip


def test_passed_is_known_for_complete_and_failed_only(warehouse: Warehouse) -> None:
    rows = [enrollment(status=status, dateCompleted="2026-02-01T09:00:00") for status in range(13)]
    load(warehouse, rows)
    build(settings_for(warehouse), "b")
    found = [record_of(warehouse, row) for row in rows]
    assert [row["passed"] for row in found] == [{3: True, 5: False}.get(status) for status in range(13)]
    assert [status for status, row in enumerate(found) if row["completed_at"] is not None] == [3]


def test_score_is_0_to_100_or_unknown(warehouse: Warehouse) -> None:
    expected = {None: None, 0: 0.0, 100: 100.0, 55.5: 55.5, -0.1: None, 100.1: None}
    rows = {score: enrollment(score=score) for score in expected}
    load(warehouse, list(rows.values()))
    build(settings_for(warehouse), "b")
    assert {score: record_of(warehouse, row)["score"] for score, row in rows.items()} == expected


@pytest.mark.parametrize(
    ("course", "title", "provider"),
    [
        (None, "First Aid", "Absorb LMS"),
        ({"name": "First Aid 2026", "vendor": "Northwind"}, "First Aid 2026", "Northwind"),
        ({"name": "First Aid 2026", "vendor": None}, "First Aid 2026", "Absorb LMS"),
        ({"name": None, "vendor": "  "}, "First Aid", "Absorb LMS"),
    ],
)
def test_title_and_provider_come_from_the_course(
    warehouse: Warehouse, course: Row | None, title: str, provider: str
) -> None:
    row = enrollment()
    load(warehouse, [row])
    if course:
        load(warehouse, [{"id": COURSE} | course], stream="courses")
    build(settings_for(warehouse), "b")
    found = record_of(warehouse, row)
    assert (found["title"], found["provider"]) == (title, provider)


def test_the_tenants_provider_stands_in_for_a_missing_vendor(warehouse: Warehouse) -> None:
    row = enrollment()
    load(warehouse, [row])
    build(settings_for(warehouse, provider="Acme Academy"), "b")
    assert record_of(warehouse, row)["provider"] == "Acme Academy"


def test_another_tenants_course_lends_no_title(warehouse: Warehouse) -> None:
    row = enrollment()
    load(warehouse, [row])
    load(warehouse, [{"id": COURSE, "name": "Theirs", "vendor": "Theirs"}], stream="courses", tenant_id="other")
    build(settings_for(warehouse), "b")
    assert record_of(warehouse, row)["title"] == "First Aid"


def test_what_vanished_is_soft_deleted_and_comes_back(warehouse: Warehouse) -> None:
    row = enrollment()
    load(warehouse, [row])
    query(warehouse, "UPDATE absorb.enrollments SET _removed_at = TIMESTAMPTZ '2026-02-02 00:00:00+00'")
    build(settings_for(warehouse), "b")
    found = record_of(warehouse, row)
    assert (found["is_deleted"], found["deleted_at"]) == (True, datetime(2026, 2, 2, tzinfo=UTC))
    load(warehouse, [row])
    build(settings_for(warehouse), "b")
    found = record_of(warehouse, row)
    assert (found["is_deleted"], found["deleted_at"]) == (False, None)


def test_an_enrollment_of_unknown_status_still_has_its_record(warehouse: Warehouse) -> None:
    row = enrollment(status=99)
    load(warehouse, [row])
    assert not build(settings_for(warehouse), "b").complete
    assert record_of(warehouse, row)["passed"] is None


# -- history ---------------------------------------------------------------------------------------------

HISTORY = """
    SELECT status, rule, percent, valid_from, valid_to FROM learning_item_progress_history
    ORDER BY valid_from, valid_to NULLS LAST, rowid
"""


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


def built(warehouse: Warehouse, as_of: datetime, row: Row) -> list[tuple[Any, ...]]:
    """The history of the one enrollment after a build at `as_of`: (status, rule, percent, from, to) by time."""
    load(warehouse, [row])
    build(settings_for(warehouse, mapping={"as_of": as_of}), "b")
    found = query(warehouse, HISTORY)
    progress = query(warehouse, 'SELECT "ProgressStatus", rule, "CompletedPercent" FROM learning_item_progress')
    assert [one[:3] for one in found if one[4] is None] == progress, "the open row says what the table says"
    return found


def test_each_status_an_enrollment_had_leaves_one_row(warehouse: Warehouse) -> None:
    row = enrollment(dateAdded="2026-03-01T00:00:01", dateDue="2026-03-11T00:00:00")
    first = built(warehouse, day(2), row | {"progress": 5})
    assert first == [("OnTrack", "on_track", 5, day(2), None)]
    assert built(warehouse, day(3), row | {"progress": 20.5}) == [("OnTrack", "on_track", 20.5, day(2), None)]
    assert [one[0] for one in built(warehouse, day(9), row)] == ["OnTrack", "Behind"]
    # A rule that changes within a status follows; the calendar alone makes the next row.
    built(warehouse, day(10), row | {"status": 4})
    built(warehouse, day(12), row | {"status": 4})
    done = row | {"status": 3, "dateCompleted": "2026-03-12T10:00:00"}
    expected = [
        ("OnTrack", "on_track", 20.5, day(2), day(9)),
        ("Behind", "unsuccessful", 0, day(9), day(12)),
        ("Overdue", "overdue", 0, day(12), day(13)),
        ("CompletedLate", "completed_late", 100, day(13), None),
    ]
    assert built(warehouse, day(13), done) == expected
    assert built(warehouse, day(20), done) == expected


def test_the_history_has_no_row_while_no_map_knows_the_status(warehouse: Warehouse) -> None:
    row = enrollment(status=0)
    built(warehouse, day(1), row)
    built(warehouse, day(2), row | {"status": 99})
    assert built(warehouse, day(3), row) == [
        ("NotStarted", "not_started", 0, day(1), day(2)), ("NotStarted", "not_started", 0, day(3), None),
    ]  # fmt: skip


def test_a_build_as_of_an_earlier_or_the_same_instant_leaves_no_overlap(warehouse: Warehouse) -> None:
    row = enrollment(status=0)
    built(warehouse, day(5), row)
    built(warehouse, day(5), row | {"status": 1})
    assert built(warehouse, day(2), row | {"status": 6}) == [
        ("NotStarted", "not_started", 0, day(5), day(5)),
        ("InProgress", "in_progress", 0, day(5), day(5)),
        ("NoLongerTracking", "withdrawn", 0, day(5), None),
    ]


def test_the_history_is_of_one_tenant_and_of_the_builds_transaction(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = enrollment(status=0)
    for tenant_id in ("a", "b"):
        load(warehouse, [row], tenant_id=tenant_id)
        build(settings_for(warehouse, tenant_id=tenant_id), tenant_id)
    before = tables(warehouse)
    load(warehouse, [row | {"status": 1}], tenant_id="b")
    with monkeypatch.context() as broken:
        broken.setattr("connector.canonical.build.pending_quarantine", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build(settings_for(warehouse, tenant_id="b"), "fails")
    assert tables(warehouse) == before
    assert build(settings_for(warehouse, tenant_id="b"), "b").moves == {"NotStarted → InProgress": 1}
    assert build(settings_for(warehouse, tenant_id="b"), "b").moves == {}
    assert tables(warehouse, "tenant_id = 'a'") == {
        name: [row for row in rows if row["tenant_id"] == "a"] for name, rows in before.items()
    }
    counted = query(warehouse, "SELECT tenant_id, count(*) FROM learning_item_progress_history GROUP BY ALL")
    assert dict(counted) == {"a": 1, "b": 2}


# -- rebuilding ------------------------------------------------------------------------------------------


def some_rows() -> list[Row]:
    return [
        enrollment(status=status, progress=progress, score=progress, dateDue=due, dateCompleted="2026-02-01T09:00:00")
        for status in (0, 1, 3, 5)
        for progress in (None, 33.335, 99.999)
        for due in (None, "2026-02-20T00:00:00", "2026-04-01T10:00:00.1234567")
    ]


def test_a_second_build_touches_no_row(warehouse: Warehouse) -> None:
    load(warehouse, some_rows())
    settings = settings_for(warehouse)
    first = build(settings, "one")
    before = tables(warehouse)
    second = build(settings, "two")
    assert tables(warehouse) == before
    assert [(c.rows, c.inserted, c.updated, c.deleted) for c in first.tables.values()] == [(36, 36, 0, 0)] * 2
    assert [(c.rows, c.inserted, c.updated, c.deleted, c.unchanged) for c in second.tables.values()] == [
        (36, 0, 0, 0, 36)
    ] * 2
    assert first.statuses == second.statuses
    assert sum(first.statuses.values()) == 36


def test_table_by_table_is_the_same_as_both_at_once(warehouse: Warehouse) -> None:
    load(warehouse, some_rows())
    settings = settings_for(warehouse)
    for table in ("learning_record", "learning_item_progress"):
        assert set(build(settings, "one", (table,)).tables) == {table}
    before = tables(warehouse)
    build(settings, "two")
    assert tables(warehouse) == before


def test_updated_at_moves_with_a_change_and_created_at_stays(warehouse: Warehouse) -> None:
    rows = some_rows()
    load(warehouse, rows)
    settings = settings_for(warehouse)
    build(settings, "one")
    before = [record_of(warehouse, row) for row in rows[:2]]
    load(warehouse, [rows[0] | {"score": 12.0}])
    report = build(settings, "two")
    after = [record_of(warehouse, row) for row in rows[:2]]
    assert (report.tables["learning_record"].updated, report.tables["learning_item_progress"].updated) == (1, 0)
    assert after[0]["created_at"] == before[0]["created_at"]
    assert after[0]["updated_at"] > before[0]["updated_at"]
    assert after[1] == before[1]


def test_a_change_that_no_record_shows_moves_nothing(warehouse: Warehouse) -> None:
    row = enrollment()
    load(warehouse, [row])
    settings = settings_for(warehouse)
    build(settings, "one")
    before = tables(warehouse)
    assert load(warehouse, [row | {"timeSpentTicks": 99, "dateEdited": "2026-02-05T10:00:00"}]).updated == 1
    build(settings, "two")
    assert tables(warehouse) == before


def test_a_renamed_course_updates_its_records(warehouse: Warehouse) -> None:
    rows = [enrollment(), enrollment(), enrollment(courseId=new_id())]
    load(warehouse, rows)
    settings = settings_for(warehouse)
    build(settings, "one")
    load(warehouse, [{"id": COURSE, "name": "Renamed"}], stream="courses")
    assert build(settings, "two").tables["learning_record"].updated == 2


def test_a_passing_day_updates_progress_and_no_record(warehouse: Warehouse) -> None:
    load(warehouse, [enrollment(status=1)])
    build(settings_for(warehouse), "one")
    later = settings_for(warehouse, mapping={"as_of": datetime(2026, 3, 2, 12, tzinfo=UTC)})
    report = build(later, "two")
    assert (report.tables["learning_record"].updated, report.tables["learning_item_progress"].updated) == (0, 1)


def test_a_changed_date_added_leaves_no_orphan(warehouse: Warehouse) -> None:
    row = enrollment()
    load(warehouse, [row])
    settings = settings_for(warehouse)
    build(settings, "one")
    moved = row | {"dateAdded": "2025-12-31T10:00:00"}
    load(warehouse, [moved])
    report = build(settings, "two")
    counts = report.tables["learning_record"]
    assert (counts.rows, counts.inserted, counts.deleted) == (1, 1, 1)
    joined = query(
        warehouse,
        "SELECT r.id FROM learning_item_progress AS p JOIN learning_record AS r ON r.id = p.learning_record_id",
    )
    assert joined == [(record_of(warehouse, moved)["id"],)]
    assert query(warehouse, "SELECT count(*) FROM learning_record") == [(1,)]


def test_rows_of_another_tenant_are_not_touched(warehouse: Warehouse) -> None:
    rows = some_rows()
    for tenant_id in ("a", "b"):
        load(warehouse, rows, tenant_id=tenant_id)
        build(settings_for(warehouse, tenant_id=tenant_id), tenant_id)
    before = tables(warehouse, "tenant_id = 'a'")
    load(warehouse, [row | {"score": 1.0, "status": 5} for row in rows], tenant_id="b")
    query(warehouse, "DELETE FROM absorb.enrollments WHERE tenant_id = 'b' AND progress IS NULL")
    report = build(settings_for(warehouse, tenant_id="b"), "again")
    assert report.tables["learning_record"].deleted == 12
    assert tables(warehouse, "tenant_id = 'a'") == before


def test_another_tenants_unknown_status_is_not_ours(warehouse: Warehouse) -> None:
    load(warehouse, [enrollment(status=99)], tenant_id="a")
    load(warehouse, [enrollment()], tenant_id="b")
    assert not build(settings_for(warehouse, tenant_id="a"), "a").complete
    assert build(settings_for(warehouse, tenant_id="b"), "b").complete
    assert query(warehouse, "SELECT tenant_id, resolved_at FROM ops.quarantine") == [("a", None)]


def test_an_empty_warehouse_builds(warehouse: Warehouse) -> None:
    report = build(settings_for(warehouse), "b")
    assert report.complete
    assert [counts.rows for counts in report.tables.values()] == [0, 0]


def test_a_warehouse_that_cannot_be_opened_names_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(WarehouseError, match="LEARNSYNC_WAREHOUSE__PATH"):
        build(load_settings(warehouse={"path": tmp_path / "file" / "w.duckdb"}), "b")
