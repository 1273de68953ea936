"""A pull over real HTTP: whatever the portal does, the warehouse ends up with what the portal holds."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support import Row, query, records

from connector.absorb.pull.options import PullOptions, PullReport
from connector.absorb.pull.pull import pull
from connector.errors import AuthenticationError, LearnsyncError, SettingsError, WarehouseError
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.streams import STREAMS
from connector.warehouse.database import Warehouse
from connector.warehouse.schema import data_columns, source_columns
from connector.warehouse.watermarks import read_watermarks


@contextmanager
def running(
    tmp_path: Path, faults: str = "none", scale: int = 400, **absorb: Any
) -> Iterator[tuple[Sandbox, Settings]]:
    """A portal with a fault profile, and settings that point at it."""
    options = SandboxOptions(scale=scale, courses=8, rate_limit=0, faults=faults, salesforce=False)
    with Sandbox(options) as sandbox:
        values = {
            "base_url": sandbox.absorb_url,
            "api_key": sandbox.absorb.api_key,
            "username": sandbox.absorb.username,
            "password": sandbox.absorb.password,
            "requests_per_second": 5000,
            "burst": 5000,
        }
        yield sandbox, load_settings(absorb=values | absorb, warehouse={"path": tmp_path / "warehouse.duckdb"})


def fitting(stream: str, rows: list[Row]) -> dict[str, Row]:
    """What the rows of the portal should be in the warehouse: column by column, by id."""
    model = STREAMS[stream]
    found = {}
    for row in rows:
        try:
            parsed = model.model_validate(row)
        except ValidationError:
            continue
        found[parsed.id] = {column.name: getattr(parsed, column.name) for column in source_columns(model)}
    return found


def held(settings: Settings, stream: str) -> dict[str, Row]:
    columns = [column for column in data_columns(STREAMS[stream]) if not column.startswith("_")]
    rows = records(Warehouse.of(settings), f"SELECT {', '.join(columns)} FROM absorb.{stream}")
    kinds = {column.name: column.sql_type for column in source_columns(STREAMS[stream])}
    return {
        str(row["id"]): {
            name: json.loads(value) if value is not None and kinds[name] == "JSON"
            else str(value) if value is not None and kinds[name] == "UUID"
            else value
            for name, value in row.items()
        }
        for row in rows
    }  # fmt: skip


def assert_truth(settings: Settings, sandbox: Sandbox) -> None:
    """Every stream in the warehouse is the portal's, value by value."""
    for stream in STREAMS:
        assert held(settings, stream) == fitting(stream, sandbox.portal.rows(stream)), stream


def watermarks(settings: Settings) -> dict[str, datetime | None]:
    with Warehouse.of(settings).connect() as connection:
        return read_watermarks(connection, settings.tenant_id, "enrollments")


def counts(report: PullReport) -> dict[str, tuple[int, int]]:
    return {name: (stream.counts.inserted, stream.counts.updated) for name, stream in report.streams.items()}


NOTHING_NEW = {"departments": (0, 0), "users": (0, 0), "courses": (0, 0), "enrollments": (0, 0)}


@pytest.mark.parametrize(
    ("faults", "page_size"),
    [
        ("none", 1000),
        ("none", 23),
        ("flaky", 100),
        pytest.param("stray401", 1000, marks=pytest.mark.soak),
        pytest.param("unsorted", 23, marks=pytest.mark.soak),
        pytest.param("nosort", 23, marks=pytest.mark.soak),
        ("shuffled", 23),
    ],
)
def test_a_pull_ends_with_what_the_portal_holds_whatever_goes_wrong(
    tmp_path: Path, faults: str, page_size: int
) -> None:
    with running(tmp_path, faults, page_size=page_size) as (sandbox, settings):
        report = pull(settings, "first")
        assert report.complete
        assert_truth(settings, sandbox)
        assert counts(report)["enrollments"] == (400, 0)
        sandbox.portal.edit(15)
        sandbox.portal.edit(60, same_instant=True)
        sandbox.portal.insert(5)
        assert pull(settings, "second").complete
        assert_truth(settings, sandbox)


def test_slow_answers_change_nothing(tmp_path: Path) -> None:
    with running(tmp_path, "slow", scale=60) as (sandbox, settings):
        assert pull(settings, "first").complete
        assert_truth(settings, sandbox)


def test_a_pull_through_the_environment_fills_every_stream(sandbox: Sandbox, settings: Settings) -> None:
    report = pull(settings, "first")
    assert report.complete
    assert list(report.streams) == ["departments", "users", "courses", "enrollments"]
    assert report.streams["enrollments"].lists == 8
    assert report.streams["enrollments"].counts.inserted == 600
    assert_truth(settings, sandbox)


def test_a_second_pull_changes_nothing(sandbox: Sandbox, settings: Settings) -> None:
    pull(settings, "first")
    warehouse = Warehouse.of(settings)
    before = {stream: records(warehouse, f"FROM absorb.{stream} ORDER BY id") for stream in STREAMS}
    report = pull(settings, "second")
    assert counts(report) == NOTHING_NEW
    assert {stream: records(warehouse, f"FROM absorb.{stream} ORDER BY id") for stream in STREAMS} == before


def test_a_second_pull_reads_only_what_may_be_new(sandbox: Sandbox, settings: Settings) -> None:
    first = pull(settings, "first")
    second = pull(settings, "second")
    assert second.streams["enrollments"].counts.read < first.streams["enrollments"].counts.read / 4


def test_edits_and_inserts_arrive_and_only_they(sandbox: Sandbox, settings: Settings) -> None:
    pull(settings, "first")
    edited = sandbox.portal.edit(20)
    added = sandbox.portal.insert(7)
    report = pull(settings, "second")
    assert counts(report) == NOTHING_NEW | {"enrollments": (7, 20)}
    moved = query(Warehouse.of(settings), "SELECT CAST(id AS VARCHAR) FROM absorb.enrollments WHERE _run_id = 'second'")
    assert {row_id for (row_id,) in moved} == {row_id.lower() for row_id in [*edited, *added]}
    assert_truth(settings, sandbox)


def test_changes_while_it_runs_arrive_with_the_next_pull_at_the_latest(sandbox: Sandbox, settings: Settings) -> None:
    class Meddling:
        """Somebody edits whenever a list has been read."""

        def stage(self, name: str, total: int | None = None) -> None:
            sandbox.portal.edit(5)

        def advance(self, steps: int = 1, note: str = "") -> None:
            sandbox.portal.edit(3)
            sandbox.portal.insert(1)

    small = settings.model_copy(update={"absorb": settings.absorb.model_copy(update={"page_size": 20})})
    pull(small, "first", progress=Meddling())
    pull(small, "second")
    assert_truth(settings, sandbox)


def test_a_deleted_course_is_marked_and_its_enrollments_stay(sandbox: Sandbox, settings: Settings) -> None:
    pull(settings, "first")
    course = max(
        sandbox.portal.courses(),
        key=lambda c: len([e for e in sandbox.portal.rows("enrollments") if e["courseId"] == c["id"]]),
    )
    warehouse = Warehouse.of(settings)
    size = query(warehouse, "SELECT count(*) FROM absorb.enrollments WHERE course_id = ?", [course["id"]])
    sandbox.portal.delete_course(course["id"])
    report = pull(settings, "second")
    assert report.complete
    assert report.streams["enrollments"].tombstones == [course["id"].lower()]
    gone = "SELECT CAST(id AS VARCHAR), _removed_at FROM absorb.courses WHERE _removed_at IS NOT NULL"
    assert query(warehouse, gone) == []  # one 404 may be a role that lost its view
    again = pull(settings, "third")
    assert again.streams["enrollments"].tombstones == [course["id"].lower()]
    marked = query(warehouse, gone)
    assert [row_id for row_id, _ in marked] == [course["id"].lower()]
    assert query(warehouse, "SELECT count(*) FROM absorb.enrollments WHERE course_id = ?", [course["id"]]) == size
    # It is asked for a while more, and stays marked as of then.
    assert pull(settings, "fourth").streams["enrollments"].tombstones == [course["id"].lower()]
    assert query(warehouse, gone) == marked


def test_a_course_that_answers_again_is_no_longer_marked_gone(sandbox: Sandbox, settings: Settings) -> None:
    pull(settings, "first")
    with Warehouse.of(settings).transaction() as connection:
        connection.execute("UPDATE absorb.courses SET _removed_at = now() - INTERVAL 1 HOUR")
    pull(settings, "second")
    assert query(Warehouse.of(settings), "SELECT count(*) FROM absorb.courses WHERE _removed_at IS NOT NULL") == [(0,)]


# -- watermarks ------------------------------------------------------------------------------------------


def test_a_watermark_claims_no_more_than_was_read(sandbox: Sandbox, settings: Settings) -> None:
    pull(settings, "first")
    newest = {}
    for row in held(settings, "enrollments").values():
        newest[row["course_id"]] = max(row["date_edited"], newest.get(row["course_id"], row["date_edited"]))
    marks = watermarks(settings)
    assert len(marks) == 8
    for course, mark in marks.items():
        assert mark is None if course not in newest else mark is not None and mark <= newest[course]


def test_since_later_than_the_watermark_does_not_move_it(sandbox: Sandbox, settings: Settings) -> None:
    pull(settings, "first")
    before = watermarks(settings)
    missed = sandbox.portal.edit(10)
    since = datetime.now(UTC) + timedelta(hours=1)
    sandbox.portal.put_row("enrollments", sandbox.portal.rows("enrollments")[0] | {"dateEdited": "2099-01-01T00:00:00"})
    pull(settings, "later", PullOptions(since=since))
    assert watermarks(settings) == before
    report = pull(settings, "catching up")
    assert report.streams["enrollments"].counts.updated >= len(missed) - 1
    assert_truth(settings, sandbox)


def test_since_on_a_new_warehouse_claims_nothing(sandbox: Sandbox, settings: Settings) -> None:
    pull(settings, "catalogue", PullOptions(streams=["courses"]))
    pull(settings, "first", PullOptions(since=datetime.now(UTC) - timedelta(days=30)))
    assert set(watermarks(settings).values()) == {None}
    assert 0 < len(held(settings, "enrollments")) < 600
    pull(settings, "second")
    assert_truth(settings, sandbox)


def test_since_earlier_than_the_watermark_reads_again(sandbox: Sandbox, settings: Settings) -> None:
    pull(settings, "first")
    report = pull(settings, "again", PullOptions(since=datetime(2000, 1, 1, tzinfo=UTC)))
    assert report.streams["enrollments"].counts.read >= 600
    assert counts(report) == NOTHING_NEW


def test_an_edit_far_behind_the_watermark_needs_a_full_pull(sandbox: Sandbox, settings: Settings) -> None:
    pull(settings, "first")
    row = sandbox.portal.rows("enrollments")[0]
    sandbox.portal.put_row("enrollments", row | {"fullName": "Changed In Silence", "dateEdited": "2001-01-01T00:00:00"})
    assert counts(pull(settings, "incremental")) == NOTHING_NEW
    report = pull(settings, "full", PullOptions(full=True))
    assert counts(report)["enrollments"] == (0, 1)
    assert_truth(settings, sandbox)


def test_the_overlap_catches_edits_shortly_behind_the_watermark(sandbox: Sandbox, settings: Settings) -> None:
    pull(settings, "first")
    course, mark = next((course, mark) for course, mark in watermarks(settings).items() if mark is not None)
    row = next(row for row in sandbox.portal.rows("enrollments") if row["courseId"].lower() == course)
    late = (mark - timedelta(minutes=29)).strftime("%Y-%m-%dT%H:%M:%S")
    sandbox.portal.put_row("enrollments", row | {"fullName": "Committed Late", "dateEdited": late})
    assert counts(pull(settings, "second"))["enrollments"] == (0, 1)


def test_single_streams_may_be_pulled(sandbox: Sandbox, settings: Settings) -> None:
    assert list(pull(settings, "one", PullOptions(streams=["users"])).streams) == ["users"]
    assert list(pull(settings, "two", PullOptions(streams=["enrollments", "courses"])).streams) == [
        "courses",
        "enrollments",
    ]
    assert len(held(settings, "enrollments")) == 600
    assert held(settings, "departments") == {}


def test_an_unknown_stream_is_refused_before_any_call(sandbox: Sandbox, settings: Settings) -> None:
    with pytest.raises(SettingsError, match=r"--stream grades.*enrollments") as refusal:
        pull(settings, "r", PullOptions(streams=["users", "grades"]))
    assert refusal.value.exit_code == 2
    assert not settings.warehouse.path.exists()


# -- bad rows --------------------------------------------------------------------------------------------


def test_malformed_rows_are_quarantined_whole_and_the_rest_is_loaded(tmp_path: Path) -> None:
    with running(tmp_path, "malformed") as (sandbox, settings):
        report = pull(settings, "first")
        served = {row["id"]: row for row in sandbox.portal.rows("enrollments")}
        good = fitting("enrollments", list(served.values()))
        bad = {row_id: row for row_id, row in served.items() if row_id.lower() not in good}
        assert len(bad) == 8
        assert_truth(settings, sandbox)
        assert (report.complete, report.pending) == (False, 8)
        assert report.streams["enrollments"].counts.quarantined >= 8
        rejects = records(Warehouse.of(settings), "FROM ops.quarantine")
        assert {reject["source_id"]: json.loads(reject["raw"]) for reject in rejects} == {
            row_id.lower(): row for row_id, row in bad.items()
        }
        assert all(reject["field"] and reject["reason"] and reject["resolved_at"] is None for reject in rejects)
        assert "not-a-guid" not in "".join(reject["reason"] for reject in rejects)


def test_corrected_rows_settle_their_quarantine(tmp_path: Path) -> None:
    with running(tmp_path, "malformed") as (sandbox, settings):
        pull(settings, "first")
        rejects = records(Warehouse.of(settings), "SELECT * FROM ops.quarantine")
        repaired = next(
            row for row in sandbox.portal.rows("enrollments") if row["id"].lower() in held(settings, "enrollments")
        )
        for reject in rejects:
            row = json.loads(reject["raw"])
            for name, value in repaired.items():
                if name not in row or name == reject["field"]:
                    row[name] = value
            sandbox.portal.put_row("enrollments", row)
            sandbox.portal.patch("enrollments", row["id"], {})
        report = pull(settings, "second")
        assert (report.complete, report.pending) == (True, 0)
        assert len(held(settings, "enrollments")) == 400
        assert_truth(settings, sandbox)


def test_a_row_without_an_id_is_quarantined_and_holds_up_nobody(sandbox: Sandbox, settings: Settings) -> None:
    course = sandbox.portal.courses()[0]["id"]
    sandbox.portal.put_row("enrollments", {"courseId": course, "note": "no id at all"}, course_id=course)
    report = pull(settings, "first")
    assert (report.complete, report.pending) == (False, 1)
    assert_truth(settings, sandbox)


# -- refusals --------------------------------------------------------------------------------------------


def test_two_pulls_at_once_are_refused(sandbox: Sandbox, settings: Settings) -> None:
    landing = settings.warehouse.landing
    landing.mkdir(parents=True)
    with (landing / ".pull.lock").open("a+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write("process 4711, run nightly")
        other.flush()
        with pytest.raises(WarehouseError, match="process 4711, run nightly") as refusal:
            pull(settings, "second")
    assert refusal.value.exit_code == 2
    assert pull(settings, "third").complete


def test_the_landing_folder_is_empty_afterwards(sandbox: Sandbox, settings: Settings) -> None:
    left = settings.warehouse.landing / "20260105T101500-0a1b2c3d" / "users"
    left.mkdir(parents=True)
    (left / "0000000001.json").write_text("{}", "utf-8")
    pull(settings, "first")
    assert [path.name for path in settings.warehouse.landing.iterdir()] == [".pull.lock"]


def test_landed_pages_may_be_kept(sandbox: Sandbox, settings: Settings) -> None:
    keeping = settings.model_copy(update={"warehouse": settings.warehouse.model_copy(update={"keep_landing": True})})
    pull(keeping, "first")
    pages = list((settings.warehouse.landing / "first" / "enrollments").glob("*.json"))
    kept = [row["id"] for path in pages for row in json.loads(path.read_text("utf-8"))["enrollments"]]
    assert {*kept} == {row["id"] for row in sandbox.portal.rows("enrollments")}


def test_a_refused_login_leaves_nothing_behind(sandbox: Sandbox, settings: Settings) -> None:
    wrong = load_settings(absorb={"password": "wrong-password"})
    with pytest.raises(AuthenticationError):
        pull(wrong, "first")
    assert [path.name for path in settings.warehouse.landing.iterdir()] == [".pull.lock"]


def test_a_folder_that_cannot_be_used_names_its_variable(sandbox: Sandbox, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    wrong = load_settings(warehouse={"path": tmp_path / "file" / "warehouse.duckdb"})
    with pytest.raises(LearnsyncError, match="LEARNSYNC_WAREHOUSE__PATH"):
        pull(wrong, "first")


def test_a_failure_to_load_ends_the_pull_with_its_cause(sandbox: Sandbox, settings: Settings) -> None:
    """The loader dies while workers still fetch: the pull ends with the loader's own error, and claims nothing."""
    pull(settings, "first", PullOptions(streams=["courses"]))
    query(Warehouse.of(settings), "DROP TABLE absorb.enrollments")
    query(Warehouse.of(settings), "CREATE TABLE absorb.enrollments (tenant_id VARCHAR, course_id UUID)")
    with pytest.raises(Exception, match="held"):
        pull(settings, "second", PullOptions(streams=["enrollments"]))
    assert watermarks(settings) == {}
