"""The sweep that a sync makes by itself: when it is due, what it finds, and that it stays silent on other days."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from support import query

from connector.absorb.pull.options import PullOptions
from connector.absorb.pull.pull import pull
from connector.absorb.pull.reconcile import sweep_is_due
from connector.cli.commands.sync import show_sync
from connector.cli.tables import reported
from connector.sandbox.server import Sandbox
from connector.settings import Settings, load_settings
from connector.sync import SyncReport, run_due_sweep, run_sync
from connector.times import utc_now
from connector.warehouse.database import Warehouse, available


def without_org(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"salesforce": settings.salesforce.model_copy(update={"login_url": None})},
    )


def aged(settings: Settings, days: float) -> None:
    """Let every sweep be that old."""
    query(Warehouse.of(settings), "UPDATE ops.sweeps SET swept_at = now() - to_seconds(?)", [days * 86_400])


def tell(sandbox: Sandbox, act: str, **body: Any) -> None:
    httpx.post(f"{sandbox.absorb_url}/_sandbox/{act}", json=body).raise_for_status()


def delete(sandbox: Sandbox, **ids: list[str]) -> None:
    for stream, some in ids.items():
        tell(sandbox, "delete", stream=stream, ids=some)


def removed(settings: Settings, stream: str) -> set[str]:
    found = query(Warehouse.of(settings), f"SELECT id FROM absorb.{stream} WHERE _removed_at IS NOT NULL")
    return {str(row_id) for (row_id,) in found}


def figures(report: SyncReport) -> dict[str, tuple[int, int]]:
    assert report.sweep.report is not None
    return {stream: (lost.removed, lost.returned) for stream, lost in report.sweep.report.losses.items()}


def test_a_sync_sweeps_when_one_is_due_and_only_then(sandbox: Sandbox, settings: Settings) -> None:
    settings = without_org(settings)
    sandbox.portal.edit(3)
    for _ in ("first: a whole reading counts as a sweep", "again: not due"):
        report = run_sync(settings)
        assert (report.complete, report.sweep.report, report.sweep.error) == (True, None, "")
    user, department, *enrolled = (
        min(sandbox.portal.rows("users"), key=lambda row: row["dateEdited"]),
        sandbox.portal.rows("departments")[-1],
        *sorted(sandbox.portal.rows("enrollments"), key=lambda row: row["dateEdited"])[:5],
    )
    lost = [row["id"] for row in enrolled]
    delete(sandbox, users=[user["id"]], enrollments=lost, departments=[department["id"]])
    aged(settings, 6.9)
    assert run_sync(settings).sweep.report is None
    aged(settings, 7.1)
    never = settings.model_copy(update={"absorb": settings.absorb.model_copy(update={"reconcile_days": 0})})
    assert run_sync(never).sweep.report is None
    report = run_sync(settings)
    assert report.complete
    assert figures(report)["users"] == figures(report)["departments"] == (1, 0)
    assert removed(settings, "users") == {user["id"]}
    assert removed(settings, "departments") == {department["id"]}
    assert removed(settings, "enrollments") >= {*lost}
    assert run_sync(settings).sweep.report is None
    tell(sandbox, "restore")  # exactly as they were, old dateEdited and all: no pull meets them
    assert run_sync(settings).pull.streams["enrollments"].counts.returned == 0
    aged(settings, 8)
    report = run_sync(settings)
    assert figures(report)["users"] == figures(report)["departments"] == (0, 1)
    assert figures(report)["enrollments"][1] >= 5
    assert all(removed(settings, stream) == set() for stream in ("users", "departments", "enrollments"))
    assert query(Warehouse.of(settings), "SELECT count(*) FROM learning_record WHERE is_deleted") == [(0,)]


def test_a_sweep_refused_for_doubt_makes_the_sync_incomplete_and_the_sync_goes_on(
    sandbox: Sandbox, settings: Settings
) -> None:
    settings = without_org(settings)
    run_sync(settings)
    lost = [row["id"] for row in sandbox.portal.users()][: sandbox.portal.count("users") // 3]
    tell(sandbox, "delete", stream="users", ids=lost)
    [edited] = sandbox.portal.edit(1)
    aged(settings, 30)
    report = run_sync(settings)
    assert report.sweep.report is not None
    assert any(f"{len(lost):,} of" in reason and "users" in reason for reason in report.sweep.report.refused)
    assert all(removed(settings, stream) == set() for stream in ("users", "departments", "enrollments"))
    outcome = reported(report, show_sync)
    assert (outcome.exit_code, len(outcome.document["sweep"]["report"]["refused"])) >= (1, 1)
    stored = query(Warehouse.of(settings), "SELECT date_edited FROM absorb.enrollments WHERE id = ?", [edited])
    assert stored != []
    assert report.publish is not None
    # It stays due, and heals with the portal.
    tell(sandbox, "restore")
    healed = run_sync(settings)
    assert (healed.complete, healed.sweep.trusted) == (True, True)
    assert healed.sweep.report is not None


def test_a_course_is_inactive_in_the_org_only_when_a_second_sync_meets_its_404(
    sandbox: Sandbox, settings: Settings
) -> None:
    def active() -> Any:
        assert sandbox.org is not None
        rows = sandbox.org.records("LMS_Course__c")
        return next(row["Active__c"] for row in rows if row["Absorb_Course_Id__c"] == course)

    assert run_sync(settings).complete
    course = next(row["id"].lower() for row in sandbox.portal.courses() if not row["activeStatus"])
    tell(sandbox, "refuse", course_id=course)
    assert run_sync(settings).pull.streams["enrollments"].tombstones == [course]
    assert active() is True
    assert run_sync(settings).pull.streams["enrollments"].tombstones == []
    delete(sandbox, courses=[course])
    aged(settings, 8)
    report = run_sync(settings)  # the sweep and the pull of one sync are one meeting
    assert report.sweep.report is not None
    assert report.sweep.report.courses_gone == len(report.pull.streams["enrollments"].tombstones) == 1
    assert active() is True
    assert removed(settings, "courses") == set()
    run_sync(settings)
    assert active() is False
    assert removed(settings, "courses") == {course}


def test_part_of_a_first_pull_is_no_sweep(sandbox: Sandbox, settings: Settings) -> None:
    settings = without_org(settings)
    since = utc_now() - timedelta(days=30)
    pull(settings, "some", PullOptions(since=since))
    assert sweep_is_due(settings)  # what is older than --since was not compared
    swept = run_due_sweep(settings, utc_now())
    assert swept.trusted
    assert not sweep_is_due(settings)


@pytest.mark.lets_go
def test_a_warehouse_of_before_keeps_its_marks_and_is_due(tmp_path: Path) -> None:
    path, course = tmp_path / "old.duckdb", "c0000000-0000-4000-8000-000000000001"
    with duckdb.connect(str(path)) as old:
        for version, name, text in available():
            if version < 17:
                old.execute(text)
                old.execute("INSERT INTO ops.migrations VALUES (?, ?, now())", [version, name])
        stamps = "'default', uuid(), now(), 'run'"
        old.execute(f"INSERT INTO absorb.departments (tenant_id, id, _loaded_at, _run_id) VALUES ({stamps})")
        old.execute(
            "INSERT INTO absorb.courses (tenant_id, id, _loaded_at, _run_id, _removed_at)"
            f" VALUES ('default', '{course}', now(), 'run', now())"
        )
        old.execute(f"INSERT INTO absorb.attempts (tenant_id, id, _loaded_at, _run_id, status) VALUES ({stamps}, 3)")
    settings = load_settings(warehouse={"path": path})
    assert sweep_is_due(settings)
    warehouse = Warehouse.of(settings)
    assert query(warehouse, "SELECT CAST(course_id AS VARCHAR) FROM ops.courses_missing") == [(course,)]
    assert query(warehouse, "SELECT count(*) FROM ops.detail_streams") == [(4,)]  # details are not all read again
