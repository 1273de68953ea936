"""The packaged status map against docs/status-map.md: by hand row by row, and by property against a plain reading.

Every row goes the whole way: landed JSON, load, build.
"""

# ruff: noqa: E501 - tables read best with one row per line
from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import USER, Row, enrollment, examples, load, new_id, query, records

from connector.canonical.build import BuildReport, build
from connector.settings import Settings, load_settings
from connector.warehouse.database import Warehouse
from tests.ulid import learning_record_id

MICROSECOND = timedelta(microseconds=1)
AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Learners whom the portal calls inactive, active, and says nothing of; `USER` of most rows is not in absorb.users.
LEFT, HERE, SILENT = (f"a0000000-0000-4000-8000-00000000000{number}" for number in (2, 3, 4))
PEOPLE = [{"id": LEFT, "activeStatus": 1}, {"id": HERE, "activeStatus": 0}, {"id": SILENT, "activeStatus": None}]
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland")

_tenants = itertools.count(1)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """One file for the module: each build works on a tenant of its own."""
    return Warehouse(tmp_path_factory.mktemp("progress") / "warehouse.duckdb")


def settings_for(warehouse: Warehouse, tenant_id: str, as_of: datetime, timezone: str = "UTC", **more: Any) -> Settings:
    return load_settings(
        tenant_id=tenant_id,
        warehouse={"path": warehouse.path},
        mapping={"as_of": as_of, "timezone": timezone, **more},
    )


@dataclass
class Built:
    """What a build made of some rows, by enrollment id."""

    tenant_id: str
    report: BuildReport
    progress: dict[str, Row]


def run(
    warehouse: Warehouse,
    rows: list[Row],
    *,
    as_of: datetime = AS_OF,
    timezone: str = "UTC",
    removed: set[str] | None = None,
    **more: Any,
) -> Built:
    """Load the rows for a new tenant and build."""
    tenant_id = f"t{next(_tenants)}"
    load(warehouse, rows, tenant_id=tenant_id)
    load(warehouse, PEOPLE, stream="users", tenant_id=tenant_id)
    for row_id in removed or set():
        query(
            warehouse,
            "UPDATE absorb.enrollments SET _removed_at = now() WHERE tenant_id = ? AND id = ?",
            [tenant_id, row_id],
        )
    return rebuilt(warehouse, tenant_id, as_of=as_of, timezone=timezone, **more)


def rebuilt(warehouse: Warehouse, tenant_id: str, *, as_of: datetime, timezone: str, **more: Any) -> Built:
    """Build what is loaded."""
    report = build(settings_for(warehouse, tenant_id, as_of, timezone, **more), "build")
    found = records(warehouse, "FROM learning_item_progress WHERE tenant_id = ?", [tenant_id])
    return Built(tenant_id, report, {str(row["enrollment_id"]): row for row in found})


# -- the rules, one by one ---------------------------------------------------------------------------

PAST, FUTURE = "2026-02-20T08:00:00.5", "2026-04-10T08:00:00.5"
LONG_PAST = "2026-01-15T08:00:00.5"
# From 1 January to 10 April is 99 days, of which 59 have passed at AS_OF: 59.6 % expected, 49.6 % tolerated.
PACED = {"dateAdded": "2026-01-01T12:00:00", "dateDue": "2026-04-10T12:00:00"}

# One row per rule and border, over all 13 statuses: what an org with the contract's map must show.
RULES = [
    ("completed_late by a microsecond", {"status": 3, "dateDue": "2026-02-01T09:00:00", "dateCompleted": "2026-02-01T09:00:00.000001"}, "completed_late", "CompletedLate"),
    ("completed exactly when due", {"status": 3, "dateDue": "2026-02-01T09:00:00", "dateCompleted": "2026-02-01T09:00:00"}, "completed_on_time", "CompletedOnTime"),
    ("completed on the due day's evening", {"status": 3, "dateDue": "2026-02-01T00:00:00", "dateCompleted": "2026-02-01T23:59:59.999999"}, "completed_on_time", "CompletedOnTime"),
    ("completed as the day after begins", {"status": 3, "dateDue": "2026-02-01T00:00:00", "dateCompleted": "2026-02-02T00:00:00"}, "completed_late", "CompletedLate"),
    ("completed without a due date", {"status": 3, "dateCompleted": "2026-02-01T09:00:00"}, "completed", "Completed"),
    ("completed, nobody knows when", {"status": 3, "dateDue": PAST}, "completed", "Completed"),
    ("completed history keeps its verdict", {"status": 3, "isActive": False, "dateCompleted": "2026-02-01T09:00:00"}, "completed", "Completed"),
    ("late history keeps its verdict", {"status": 3, "isActive": False, "dateDue": LONG_PAST, "dateCompleted": PAST}, "completed_late", "CompletedLate"),
    ("completed by somebody who left", {"status": 3, "userId": LEFT, "dateDue": PAST, "dateCompleted": LONG_PAST}, "completed_on_time", "CompletedOnTime"),
    ("somebody who left", {"status": 1, "userId": LEFT, "dateDue": FUTURE, "progress": 99}, "learner_inactive", "NoLongerTracking"),
    ("somebody who left, overdue", {"status": 0, "userId": LEFT, "dateDue": PAST}, "learner_inactive", "NoLongerTracking"),
    ("somebody who left, waiting", {"status": 8, "userId": LEFT}, "learner_inactive", "NoLongerTracking"),
    ("somebody who left, of old", {"status": 1, "userId": LEFT, "isActive": False}, "learner_inactive", "NoLongerTracking"),
    ("somebody known and active", {"status": 0, "userId": HERE}, "not_started", "NotStarted"),
    ("somebody known of whom nothing is said", {"status": 0, "userId": SILENT}, "not_started", "NotStarted"),
    ("history", {"status": 1, "isActive": False, "dateDue": PAST}, "historical", "NoLongerTracking"),
    ("waiting history", {"status": 2, "isActive": False}, "historical", "NoLongerTracking"),
    ("declined", {"status": 6, "dateDue": PAST}, "withdrawn", "NoLongerTracking"),
    ("not applicable", {"status": 10}, "withdrawn", "NoLongerTracking"),
    ("pending approval", {"status": 2, "dateDue": FUTURE}, "waiting_to_start", "NotStarted"),
    ("pending approval, overdue", {"status": 2, "dateDue": PAST}, "waiting_to_start", "NotStarted"),
    ("on the waiting list", {"status": 8}, "waiting_to_start", "NotStarted"),
    ("on the waiting list, overdue for long", {"status": 8, "dateDue": LONG_PAST}, "waiting_to_start", "NotStarted"),
    ("awaiting evaluation", {"status": 7, "dateDue": FUTURE}, "awaiting_review", "InProgress"),
    ("awaiting evaluation without a due date", {"status": 7}, "awaiting_review", "InProgress"),
    ("awaiting a proctor, overdue", {"status": 11, "dateDue": PAST}, "awaiting_review", "InProgress"),
    ("ready for review, overdue for long", {"status": 12, "dateDue": LONG_PAST}, "awaiting_review", "InProgress"),
    ("overdue, not started", {"status": 0, "dateDue": PAST}, "overdue", "Overdue"),
    ("overdue, failed", {"status": 5, "dateDue": PAST}, "overdue", "Overdue"),
    ("overdue for years, failed", {"status": 5, "dateDue": "2019-01-15T08:00:00.5", "dateAdded": "2018-01-15T08:00:00"}, "overdue", "Overdue"),
    ("overdue by a microsecond", {"status": 1, "dateDue": "2026-03-01T11:59:59.999999"}, "overdue", "Overdue"),
    ("due this instant", {"status": 0, "dateDue": "2026-03-01T12:00:00"}, "not_started", "NotStarted"),
    ("due today", {"status": 0, "dateDue": "2026-03-01T00:00:00"}, "not_started", "NotStarted"),
    ("due yesterday", {"status": 0, "dateDue": "2026-02-28T00:00:00"}, "overdue", "Overdue"),
    ("not complete", {"status": 4}, "unsuccessful", "Behind"),
    ("failed before the due date", {"status": 5, "dateDue": FUTURE}, "unsuccessful", "Behind"),
    ("absent", {"status": 9, "dateDue": FUTURE}, "unsuccessful", "Behind"),
    ("not started", {"status": 0}, "not_started", "NotStarted"),
    ("in progress without a due date", {"status": 1, "progress": 1}, "in_progress", "InProgress"),
    ("due before it was added", {"dateAdded": "2026-03-20T00:00:01", "dateDue": "2026-03-10T00:00:01", "progress": 0}, "in_progress", "InProgress"),
    ("due the moment it was added", {"dateAdded": "2026-03-20T00:00:01", "dateDue": "2026-03-20T00:00:01", "progress": 0}, "in_progress", "InProgress"),
    ("due before it can be reached", {**PACED, "accessDate": "2026-04-20T12:00:00"}, "in_progress", "InProgress"),
    ("behind the straight line", {**PACED, "progress": 49.59}, "behind", "Behind"),
    ("behind within tolerance", {**PACED, "progress": 49.60}, "on_track", "OnTrack"),
    ("exactly at the tolerance", {"dateAdded": "2026-02-19T12:00:00", "dateDue": "2026-03-11T12:00:00", "progress": 40}, "on_track", "OnTrack"),
    ("a hundredth below the tolerance", {"dateAdded": "2026-02-19T12:00:00", "dateDue": "2026-03-11T12:00:00", "progress": 39.99}, "behind", "Behind"),
    ("no progress known", {**PACED, "progress": None}, "behind", "Behind"),
    ("measured from a later access date", {**PACED, "accessDate": "2026-02-27T12:00:00", "progress": 0}, "on_track", "OnTrack"),
    ("an earlier access date changes nothing", {**PACED, "accessDate": "2025-06-01T00:00:00", "progress": 49.6}, "on_track", "OnTrack"),
    ("not begun yet", {"dateAdded": "2026-03-10T00:00:01", "dateDue": "2026-03-20T00:00:01", "progress": 0}, "on_track", "OnTrack"),
]  # fmt: skip


@pytest.fixture(scope="module")
def decided(warehouse: Warehouse) -> dict[str, Row]:
    """Every row of RULES, built once; by its description."""
    rows = {text: enrollment(**{"courseName": text, **changes}) for text, changes, _, _ in RULES}
    built = run(warehouse, list(rows.values()))
    assert built.report.complete
    return {text: built.progress[row["id"]] for text, row in rows.items()}


@pytest.mark.parametrize(("text", "rule", "status"), [(text, rule, status) for text, _, rule, status in RULES])
def test_rule(decided: dict[str, Row], text: str, rule: str, status: str) -> None:
    assert (decided[text]["rule"], decided[text]["ProgressStatus"]) == (rule, status)


def test_what_vanished_is_no_longer_tracked_unless_it_was_completed(warehouse: Warehouse) -> None:
    done = {"status": 3, "dateCompleted": "2026-02-01T09:00:00"}
    rows = [
        enrollment(**done), enrollment(**done, dateDue="2026-01-20T00:00:00", userId=LEFT, isActive=False),
        enrollment(status=1), enrollment(status=1, userId=LEFT), enrollment(status=0),
    ]  # fmt: skip
    built = run(warehouse, rows, removed={row["id"] for row in rows[:4]})
    found = [built.progress[row["id"]] for row in rows]
    assert [row["rule"] for row in found] == ["completed", "completed_late", "removed", "removed", "not_started"]
    assert [row["is_current"] for row in found] == [False, False, False, False, True]
    assert [row["CompletedPercent"] for row in found[:2]] == [100, 100]


FIELDS = [
    ("100 when complete", {"status": 3, "progress": 12.5}, {"CompletedPercent": Decimal("100.00")}),
    ("clamped below", {"progress": -3}, {"CompletedPercent": Decimal("0.00")}),
    ("clamped above", {"progress": 130.5}, {"CompletedPercent": Decimal("100.00")}),
    ("nothing known", {"progress": None}, {"CompletedPercent": Decimal("0.00")}),
    ("two decimals", {"progress": 33.3333}, {"CompletedPercent": Decimal("33.33")}),
    ("a completion date counts for status 3 only", {"status": 5, "dateCompleted": PAST}, {"CompletedDate": None, "CompletedOnDay": None, "DaysInProgress": 59}),
    ("days from the start", {"status": 3, "dateStarted": "2026-01-10T10:00:00", "dateCompleted": "2026-01-12T09:59:59"},
     {"CompletedOnDay": 1, "DaysInProgress": 10, "StartDate": datetime(2026, 1, 10, 10, tzinfo=UTC)}),
    ("exactly two days", {"status": 3, "dateStarted": "2026-01-10T10:00:00", "dateCompleted": "2026-01-12T10:00:00"}, {"CompletedOnDay": 2}),
    ("days from dateAdded when never started", {"status": 3, "dateCompleted": "2026-01-12T10:00:00"}, {"CompletedOnDay": 11, "StartDate": None}),
    ("completed before started", {"status": 3, "dateStarted": "2026-02-10T10:00:00", "dateCompleted": "2026-02-07T09:00:00"}, {"CompletedOnDay": 0}),
    ("completed years before it was added", {"status": 3, "dateAdded": "2026-01-01T10:00:00", "dateCompleted": "2020-05-18T10:00:00"}, {"CompletedOnDay": 0, "DaysInProgress": 0}),
    ("added in the future", {"status": 1, "dateAdded": "2026-03-01T12:00:01"}, {"DaysInProgress": 0}),
    ("a second short of two days", {"status": 1, "dateAdded": "2026-02-27T12:00:01"}, {"DaysInProgress": 1}),
    ("an unknown completion date has no days", {"status": 3}, {"DaysInProgress": None}),
    ("an unknown completion date has no day", {"status": 3, "dateStarted": "2026-01-10T10:00:00"}, {"CompletedOnDay": None, "CompletedDate": None}),
    ("open: days until as_of", {"status": 1}, {"DaysInProgress": 59, "CompletedOnDay": None}),
    ("history is not current", {"isActive": False}, {"is_current": False}),
    ("due_at of an instant is the instant", {"dateDue": "2026-04-10T08:00:00.5"}, {"due_at": datetime(2026, 4, 10, 8, 0, 0, 500_000, tzinfo=UTC)}),
    ("due_at of a day is its last microsecond", {"dateDue": "2026-04-10T00:00:00"}, {"due_at": datetime(2026, 4, 10, 23, 59, 59, 999_999, tzinfo=UTC)}),
]  # fmt: skip


@pytest.fixture(scope="module")
def filled(warehouse: Warehouse) -> list[Row]:
    """Every row of FIELDS, built once, in order."""
    rows = [enrollment(**changes) for _, changes, _ in FIELDS]
    built = run(warehouse, rows)
    return [built.progress[row["id"]] for row in rows]


@pytest.mark.parametrize("number", range(len(FIELDS)), ids=[text for text, _, _ in FIELDS])
def test_field(filled: list[Row], number: int) -> None:
    expected = FIELDS[number][2]
    assert {name: filled[number][name] for name in expected} == expected


# -- calendar days -----------------------------------------------------------------------------------

MIDNIGHTS = (
    "{}T00:00:00", "{}T00:00:00.0", "{}T00:00:00.0000000", "{}T00:00:00Z", "{}", "{}T00:00:00+02:00", "{}T00:00:00.000-0500",
)  # fmt: skip


@pytest.mark.parametrize("form", MIDNIGHTS)
def test_each_spelling_of_midnight_is_a_calendar_day(warehouse: Warehouse, form: str) -> None:
    row = enrollment(dateDue=form.format("2026-04-10"))
    found = run(warehouse, [row], timezone="America/New_York").progress[row["id"]]
    assert found["due_at"] == datetime(2026, 4, 11, 3, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-04-10T00:00:00.0000001", "2026-04-10T00:00:00.000001Z", "2026-04-10T00:00:01"])
def test_a_moment_after_midnight_is_an_instant(warehouse: Warehouse, text: str) -> None:
    row = enrollment(dateDue=text)
    found = run(warehouse, [row], timezone="America/New_York").progress[row["id"]]
    assert found["due_at"] - datetime(2026, 4, 10, tzinfo=UTC) <= timedelta(seconds=1)


@pytest.mark.parametrize(
    ("timezone", "day", "ends"),
    [
        ("UTC", "2026-03-01", "2026-03-01T23:59:59.999999Z"),
        ("Asia/Kolkata", "2026-03-01", "2026-03-01T18:29:59.999999Z"),
        ("Europe/Berlin", "2026-03-28", "2026-03-28T22:59:59.999999Z"),
        ("Europe/Berlin", "2026-03-29", "2026-03-29T21:59:59.999999Z"),  # a day of 23 hours
        ("Europe/Berlin", "2026-10-25", "2026-10-25T22:59:59.999999Z"),  # a day of 25 hours
        ("America/New_York", "2026-11-01", "2026-11-02T04:59:59.999999Z"),
        ("Pacific/Auckland", "2026-04-05", "2026-04-05T11:59:59.999999Z"),
        ("Africa/Cairo", "2026-04-23", "2026-04-23T21:59:59.999999Z"),  # the next midnight does not exist
        ("Africa/Cairo", "2026-10-29", "2026-10-29T21:59:59.999999Z"),  # the last hour happens twice
        ("America/Havana", "2026-10-31", "2026-11-01T03:59:59.999999Z"),  # the next midnight happens twice
        ("Atlantic/Azores", "2026-10-24", "2026-10-24T23:59:59.999999Z"),  # the next midnight happens twice
    ],
)
def test_a_due_day_ends_with_its_last_local_microsecond(
    warehouse: Warehouse, timezone: str, day: str, ends: str
) -> None:
    row = enrollment(dateDue=f"{day}T00:00:00")
    found = run(warehouse, [row], timezone=timezone).progress[row["id"]]
    assert found["due_at"] == datetime.fromisoformat(ends)


# -- parameters --------------------------------------------------------------------------------------


def parameters(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "parameters.toml").write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize(
    ("days", "due", "rule"),
    [
        ("0", "2026-03-01T11:59:59.999999", "long_overdue"),
        ("30", "2026-01-30T12:00:00", "overdue"),
        ("30", "2026-01-30T11:59:59.999999", "long_overdue"),
        ("7", "2026-02-22T12:00:00", "overdue"),
        ("7", "2026-02-22T11:59:59.999999", "long_overdue"),
        ('"never"', "2019-02-22T11:00:00", "overdue"),
    ],
)
def test_the_days_after_which_tracking_ends_are_a_parameter(
    warehouse: Warehouse, tmp_path: Path, days: str, due: str, rule: str
) -> None:
    row = enrollment(dateDue=due)
    built = run(warehouse, [row], dir=parameters(tmp_path / "maps", f"no_longer_tracking_after_days = {days}"))
    assert built.progress[row["id"]]["rule"] == rule


def test_the_pace_tolerance_is_a_parameter(warehouse: Warehouse, tmp_path: Path) -> None:
    rows = [enrollment(**PACED, progress=progress) for progress in (59.59, 59.6)]
    built = run(warehouse, rows, dir=parameters(tmp_path / "maps", "pace_tolerance = 0"))
    assert [built.progress[row["id"]]["rule"] for row in rows] == ["behind", "on_track"]


def test_a_table_written_before_the_column_learner_came_means_what_it_meant(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    (maps / "progress_status.csv").write_text(
        "rule,removed,status,is_active,due,completion,pace,progress_status\n"
        "removed,yes,any,any,any,any,any,NoLongerTracking\n"
        "done,any,3,any,any,any,any,Completed\n"
        "undated,any,any,any,none,any,any,InProgress\n"
        "other,any,any,any,any,any,any,Overdue\n",
        "utf-8",
    )
    rows = [enrollment(userId=LEFT), enrollment(status=3), enrollment(status=3), enrollment(dateDue=FUTURE)]
    built = run(warehouse, rows, removed={rows[1]["id"]}, dir=maps)
    assert [built.progress[row["id"]]["rule"] for row in rows] == ["undated", "removed", "done", "other"]


# -- a status that no map knows ----------------------------------------------------------------------


def quarantine(warehouse: Warehouse, tenant_id: str) -> list[Row]:
    return records(warehouse, "FROM ops.quarantine WHERE tenant_id = ? AND stage = 'map'", [tenant_id])


@pytest.mark.parametrize("status", [99, 13, -1])
def test_an_unknown_status_is_kept_and_quarantined_and_in_no_target(warehouse: Warehouse, status: int) -> None:
    odd, good = enrollment(status=status), enrollment()
    built = run(warehouse, [odd, good])
    assert (built.report.complete, built.report.unmapped) == (False, 1)
    assert set(built.progress) == {good["id"]}
    kept = query(
        warehouse,
        "SELECT CAST(id AS VARCHAR), status FROM absorb.enrollments WHERE tenant_id = ? AND id = ?",
        [built.tenant_id, odd["id"]],
    )
    assert kept == [(odd["id"], status)]
    (reject,) = quarantine(warehouse, built.tenant_id)
    assert (reject["source_id"], reject["stream"], reject["field"]) == (odd["id"], "enrollments", "status")
    assert (reject["reason"], reject["attempts"], reject["resolved_at"]) == (f"unmapped status {status}", 1, None)


def test_an_unknown_status_is_settled_when_absorb_corrects_it(warehouse: Warehouse) -> None:
    odd = enrollment(status=99)
    built = run(warehouse, [odd])
    settings = settings_for(warehouse, built.tenant_id, AS_OF)
    again = build(settings, "again")
    assert (again.complete, quarantine(warehouse, built.tenant_id)[0]["attempts"]) == (False, 2)
    load(warehouse, [odd | {"status": 0}], tenant_id=built.tenant_id)
    corrected = build(settings, "corrected")
    assert (corrected.complete, corrected.unmapped) == (True, 0)
    assert quarantine(warehouse, built.tenant_id)[0]["resolved_at"] is not None
    assert corrected.statuses == {"NotStarted": 1}


def test_an_unknown_status_is_settled_when_the_map_learns_it(warehouse: Warehouse, tmp_path: Path) -> None:
    built = run(warehouse, [enrollment(status=13)])
    packaged = Path(__file__).resolve().parents[2] / "mappings"
    maps = tmp_path / "maps"
    maps.mkdir()
    for name in ("absorb_statuses.csv", "progress_status.csv"):
        (maps / name).write_text((packaged / name).read_text("utf-8"), "utf-8")
    with (maps / "absorb_statuses.csv").open("a", encoding="utf-8") as file:
        file.write("13,Paused\n")
    with (maps / "progress_status.csv").open("a", encoding="utf-8") as file:
        file.write("paused,any,any,13,any,any,any,any,InProgress,The portal says so.\n")
    report = build(settings_for(warehouse, built.tenant_id, AS_OF, dir=maps), "taught")
    assert (report.complete, report.statuses) == (True, {"InProgress": 1})
    assert quarantine(warehouse, built.tenant_id)[0]["resolved_at"] is not None


def test_a_row_that_becomes_unmappable_leaves_the_target(warehouse: Warehouse) -> None:
    row = enrollment(status=0)
    built = run(warehouse, [row])
    load(warehouse, [row | {"status": 99}], tenant_id=built.tenant_id)
    report = build(settings_for(warehouse, built.tenant_id, AS_OF), "later")
    assert (report.complete, report.statuses) == (False, {})
    assert report.tables["learning_item_progress"].deleted == 1


# -- a plain reading of docs/status-map.md -----------------------------------------------------------------


def instant(text: str | None) -> datetime | None:
    """A source value as an instant: naive means UTC, digits beyond the sixth are cut."""
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def due_of(text: str | None, zone: ZoneInfo) -> datetime | None:
    if text is None:
        return None
    clock = text[11:].rstrip("Z").split("+")[0].split("-")[0]
    if clock.replace("0", "").replace(":", "").replace(".", "") == "":
        last = datetime.combine(date.fromisoformat(text[:10]), time(23, 59, 59, 999_999), zone)
        return last.replace(fold=1).astimezone(UTC)
    return instant(text)


def rule_of(row: Row, removed: bool, due: datetime | None, as_of: datetime, days: int | None) -> tuple[str, str]:
    status, completed = row["status"], instant(row["dateCompleted"])
    if status == 3:
        if due is None or completed is None:
            return "completed", "Completed"
        return ("completed_late", "CompletedLate") if completed > due else ("completed_on_time", "CompletedOnTime")
    gone = {"removed": removed, "learner_inactive": row["userId"] == LEFT, "historical": row["isActive"] is False}
    for rule in [name for name, applies in gone.items() if applies]:
        return rule, "NoLongerTracking"
    if status in (6, 10):
        return "withdrawn", "NoLongerTracking"
    if status in (2, 8):
        return "waiting_to_start", "NotStarted"
    if status in (7, 11, 12):
        return "awaiting_review", "InProgress"
    if due is not None and as_of > due:
        after = None if days is None else due + timedelta(days=days)
        return ("overdue", "Overdue") if after is None or as_of <= after else ("long_overdue", "NoLongerTracking")
    if status != 1:
        return ("not_started", "NotStarted") if status == 0 else ("unsuccessful", "Behind")
    added, access = instant(row["dateAdded"]), instant(row["accessDate"])
    assert added is not None
    start = access if access is not None and access > added else added
    if due is None or due <= start:
        return "in_progress", "InProgress"
    expected = 100 * Fraction((as_of - start) // MICROSECOND, (due - start) // MICROSECOND)
    if Fraction(str(row["progress"] or 0)) < expected - 10:
        return "behind", "Behind"
    return "on_track", "OnTrack"


def reference(row: Row, removed: bool, as_of: datetime, zone: ZoneInfo, tenant_id: str, days: int | None = None) -> Row:
    """learning_item_progress for one source row, as docs/status-map.md says it."""
    due = due_of(row["dateDue"], zone)
    rule, progress_status = rule_of(row, removed, due, as_of, days)
    added, started, completed = (instant(row[name]) for name in ("dateAdded", "dateStarted", "dateCompleted"))
    assert added is not None
    done = row["status"] == 3
    percent = Decimal(100) if done else min(Decimal(100), max(Decimal(0), Decimal(str(row["progress"] or 0))))
    until = completed if done else as_of
    return {
        "tenant_id": tenant_id,
        "enrollment_id": row["id"],
        "learning_record_id": learning_record_id(tenant_id, "absorb", row["id"], added),
        "user_id": row["userId"],
        "course_id": row["courseId"],
        "OwnerId": None,
        "LearningItemId": None,
        "ProgressStatus": progress_status,
        "CompletedPercent": percent.quantize(Decimal("0.01")),
        "CompletedDate": completed if done else None,
        "CompletedOnDay": max(0, (completed - (started or added)).days) if done and completed else None,
        "DaysInProgress": max(0, (until - added).days) if until else None,
        "StartDate": started,
        "absorb_status": row["status"],
        "rule": rule,
        "due_at": due,
        "is_current": row["isActive"] and not removed,
    }


# Moments at which a rule can turn: DST days of the zones above, year's end, a leap day, and any other.
anchors = st.sampled_from(
    [
        datetime(2026, 3, 8, 6, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
        datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
        datetime(2026, 9, 26, 14, tzinfo=UTC),
        datetime(2026, 4, 4, 14, tzinfo=UTC),
        datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
    ]
) | st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


def day_end(as_of: datetime, zone: ZoneInfo, days: int) -> datetime:
    local = as_of.astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(local, time(23, 59, 59, 999_999), zone).astimezone(UTC)


@st.composite
def moments(draw: st.DrawFn, as_of: datetime, due: datetime | None = None) -> datetime:
    """An instant that is likely to stand at a border: of as_of, of 30 days ago, or of a due date."""
    bases = [as_of, as_of - timedelta(days=30), as_of - timedelta(days=30, microseconds=1), *([due] if due else [])]
    base = draw(st.sampled_from(bases))
    step = draw(
        st.sampled_from([-MICROSECOND, timedelta(0), MICROSECOND])
        | st.timedeltas(timedelta(days=-400), timedelta(days=100))
    )
    return base + step


@st.composite
def spelled(draw: st.DrawFn, moment: datetime) -> str:
    """An instant in one of the spellings that portals use."""
    zone = draw(st.sampled_from(["", "Z", "+00:00", "+05:30", "-08:00"]))
    if zone[1:]:
        sign = 1 if zone[0] == "+" else -1
        moment += sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[4:]))
    seventh = draw(st.sampled_from(["", "0", "9"])) if moment.microsecond else ""
    fraction = f".{moment.microsecond:06d}{seventh}" if moment.microsecond or draw(st.booleans()) else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}{zone}"


@st.composite
def source_rows(draw: st.DrawFn, as_of: datetime, zone: ZoneInfo) -> Row:
    kind = draw(st.sampled_from(["none", "day", "instant"]))
    due_text: str | None = None
    if kind == "day":
        day = as_of.astimezone(zone).date() + timedelta(
            days=draw(st.sampled_from([-32, -31, -30, -29, -1, 0, 1]) | st.integers(-200, 200))
        )
        due_text = draw(st.sampled_from(MIDNIGHTS)).format(day.isoformat())
    elif kind == "instant":
        due_text = draw(spelled(draw(moments(as_of))))
    due = due_of(due_text, zone)
    optional = st.none() | moments(as_of, due).flatmap(spelled)
    return enrollment(
        id=str(draw(st.uuids())),
        status=draw(st.sampled_from([1, 1, 3, 3, *range(13)])),
        userId=draw(st.sampled_from([USER, USER, HERE, SILENT, LEFT])),
        isActive=draw(st.sampled_from([True, True, True, False])),
        progress=draw(st.none() | st.integers(-2000, 12_000).map(lambda hundredths: hundredths / 100)),
        dateAdded=draw(moments(as_of, due).flatmap(spelled)),
        accessDate=draw(optional),
        dateStarted=draw(optional),
        dateCompleted=draw(optional),
        dateDue=due_text,
    )


@st.composite
def portals(draw: st.DrawFn) -> tuple[str, datetime, list[Row], set[str], int | None]:
    """A time zone, an as_of that may end a day or a due date's 30 days, rows around it, and whether the 30 days count."""
    timezone = draw(st.sampled_from(ZONES))
    zone = ZoneInfo(timezone)
    as_of = draw(anchors)
    if draw(st.booleans()):
        as_of = day_end(as_of, zone, 0) + draw(st.sampled_from([timedelta(0), MICROSECOND]))
    rows = draw(st.lists(source_rows(as_of, zone), min_size=20, max_size=50, unique_by=lambda row: row["id"]))
    removed = draw(st.sets(st.sampled_from([row["id"] for row in rows]), max_size=2))
    return timezone, as_of, rows, removed, draw(st.sampled_from([None, 30]))


@pytest.fixture(scope="module")
def thirty_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An override folder that ends tracking 30 days after the due date."""
    return parameters(tmp_path_factory.mktemp("thirty") / "maps", "no_longer_tracking_after_days = 30")


@pytest.mark.property
@given(portals())
@hypothesis_settings(
    max_examples=examples(6), phases=[Phase.explicit, Phase.generate]
)  # the differing rows alone tell enough
def test_every_column_is_what_the_contract_says(
    warehouse: Warehouse, thirty_days: Path, portal: tuple[str, datetime, list[Row], set[str], int | None]
) -> None:
    timezone, as_of, rows, removed, days = portal
    own = {"dir": thirty_days} if days else {}
    # First as of 40 days before, so that what the second build leaves standing is compared too.
    earlier = run(warehouse, rows, as_of=as_of - timedelta(days=40), timezone=timezone, removed=removed, **own)
    built = rebuilt(warehouse, earlier.tenant_id, as_of=as_of, timezone=timezone, **own)
    assert built.report.complete
    assert len(built.progress) == len(rows)
    differing = []
    for row in rows:
        expected = reference(row, row["id"] in removed, as_of, ZoneInfo(timezone), built.tenant_id, days)
        found = built.progress[row["id"]]
        found |= {name: str(found[name]) for name in ("enrollment_id", "user_id", "course_id")}
        if found != expected:
            wrong = {name: (found[name], expected[name]) for name in expected if found[name] != expected[name]}
            differing.append((wrong, {name: value for name, value in row.items() if value is not None}))
    assert differing == []


def test_the_calendar_alone_changes_a_status(warehouse: Warehouse) -> None:
    row = enrollment(id=new_id(), dateAdded="2026-03-01T12:00:00", dateDue="2026-03-11T00:00:00", progress=5)
    built = run(warehouse, [row], as_of=datetime(2026, 3, 2, tzinfo=UTC))
    seen = [built.progress[row["id"]]["ProgressStatus"]]
    for day in (5, 11, 12):
        build(settings_for(warehouse, built.tenant_id, datetime(2026, 3, day, 6, tzinfo=UTC)), "later")
        seen += [
            status
            for (status,) in query(
                warehouse, 'SELECT "ProgressStatus" FROM learning_item_progress WHERE tenant_id = ?', [built.tenant_id]
            )
        ]
    assert seen == ["OnTrack", "Behind", "Behind", "Overdue"]
