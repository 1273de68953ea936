"""One bad row holds up nobody: it goes to quarantine, and the rest of its list is loaded."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hostile import Call, Fault, Row, Script, Stage, altered, quiet, spelled
from support import query, records
from test_pull import assert_truth, counts, fitting, held

from connector.absorb import client
from connector.absorb.pull.options import PullOptions, PullReport
from connector.absorb.pull.pull import pull
from connector.absorb.pull.reconcile import ReconcileOptions, reconcile
from connector.cli.commands.rejects import retry
from connector.errors import IncompleteError
from connector.sandbox.portal import Portal
from connector.sandbox.portal.generator import generate
from connector.settings import LimitSettings, Settings
from connector.warehouse.database import Warehouse, available

MARK = "@@"
PENDING = "SELECT source_id, raw, reason FROM ops.quarantine WHERE resolved_at IS NULL ORDER BY ALL"


@pytest.fixture
def stage(serving: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Three courses, 60 enrollments."""
    monkeypatch.setattr(client, "GARBLED_PAUSE_SECONDS", 0.001)
    portal = Portal()
    generate(portal, scale=60, courses=3, now=datetime.now(UTC) - timedelta(hours=3))
    serving.show(portal)
    return serving


@pytest.fixture
def settings(stage: Stage, tmp_path: Path) -> Settings:
    return stage.settings(tmp_path / "warehouse.duckdb", page_size=10)


def marked(stage: Stage, stream: str, number: int = 7) -> str:
    """Mark a row of the portal, so that `spelling` changes it on its way; returns its id."""
    row = stage.portal.rows(stream)[number]
    name = "name" if stream in {"departments", "courses"} else "jobTitle"
    stage.portal.put_row(stream, row | {name: MARK})
    return row["id"].lower()


def spelling(**values: bytes) -> Script:
    """Wherever a marked row of these lists is served, its marked field is served as the list's value."""

    def script(call: Call) -> Fault | None:
        value = values.get(call.kind)
        return None if value is None else spelled(lambda body: body.replace(json.dumps(MARK).encode(), value))

    return script


def others(stage: Stage, stream: str, *but: str) -> dict[str, Row]:
    """What the warehouse should hold without these rows."""
    return {row_id: row for row_id, row in fitting(stream, stage.portal.rows(stream)).items() if row_id not in but}


def pending(settings: Settings) -> list[Row]:
    return records(Warehouse.of(settings), PENDING)


def failures(report: PullReport) -> dict[str, dict[str, str]]:
    return {name: one.failures for name, one in report.streams.items() if one.failures}


def test_a_row_that_cannot_be_read_goes_to_quarantine_alone(stage: Stage, tmp_path: Path) -> None:
    """One of each kind; tests/absorb/test_bodies.py has every kind."""
    settings = stage.settings(tmp_path / "warehouse.duckdb")
    values = {
        "departments": b"1" * 5_000, "users": rb'"a\ud800b"', "courses": b'"a\xffb"',
        "enrollments": b"[" * 300 + b"]" * 300,
    }  # fmt: skip
    bad = {stream: marked(stage, stream, 0) for stream in values}
    stage.script = spelling(**values)
    report = pull(settings, "first")
    assert (failures(report), report.complete, report.pending) == ({}, False, len(bad))
    for stream, row_id in bad.items():
        assert held(settings, stream) == others(stage, stream, row_id), stream
    waiting = {row["source_id"]: row for row in pending(settings)}
    assert waiting.keys() == set(bad.values())
    for stream, value in values.items():
        assert "cannot be read as JSON" in waiting[bad[stream]]["reason"]
        assert value.decode("utf-8", "backslashreplace") in json.loads(waiting[bad[stream]]["raw"])

    # They wait there until the portal serves them otherwise: no retry can do more.
    retried = retry(settings)
    assert (retried.still_unfit, sum(retried.loaded.values())) == (len(bad), 0)
    stage.script = quiet
    assert pull(settings, "second", PullOptions(full=True)).complete
    assert_truth(settings, stage)


def test_a_page_that_is_no_json_is_asked_for_in_smaller_pages(
    stage: Stage, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [marked(stage, "enrollments", number) for number in (3, 4, 40)]
    user = marked(stage, "users", 5)
    stage.script = spelling(enrollments=b'"a"b"', users=b"[1")
    with caplog.at_level(logging.WARNING):
        report = pull(settings, "first")
    assert "asked for in smaller pages" in caplog.text
    assert failures(report) == {}
    assert held(settings, "enrollments") == others(stage, "enrollments", *bad)
    assert held(settings, "users") == others(stage, "users", user)
    assert [row["source_id"] for row in pending(settings)] == sorted([*bad, user])

    # Such a row may have come in part only: its list is read again from where it was, until the row is whole.
    stage.script = quiet
    assert pull(settings, "second").complete
    assert_truth(settings, stage)
    assert pending(settings) == []


def test_an_answer_that_ends_within_a_row_costs_that_row(stage: Stage, settings: Settings) -> None:
    """A portal that dies while it writes one row, every time."""
    bad = marked(stage, "enrollments")
    fault = spelled(lambda body: body.partition(json.dumps(MARK).encode())[0])
    stage.script = lambda call: fault if call.kind == "enrollments" else None
    report = pull(settings, "first")
    assert (report.streams["enrollments"].failures, report.pending) == ({}, 1)
    assert held(settings, "enrollments") == others(stage, "enrollments", bad)
    stage.script = quiet
    assert pull(settings, "second").complete
    assert_truth(settings, stage)


def test_rows_that_move_while_a_page_is_asked_for_in_smaller_ones_are_not_missed(
    stage: Stage, settings: Settings
) -> None:
    """After each of the first smaller pages the first row of the list is edited: all behind it slide to the left."""
    bad, met = marked(stage, "enrollments", 30), 0
    course = stage.portal.rows("enrollments")[30]["courseId"].lower()
    fault = spelling(enrollments=b'"a"b"')

    def script(call: Call) -> Fault | None:
        nonlocal met
        if call.kind == "enrollments" and course in call.path and call.query["_limit"] in {"1", "2", "4"} and met < 6:
            met += 1
            rows = [row for row in stage.portal.rows("enrollments") if row["courseId"].lower() == course]
            stage.portal.edit([min(rows, key=lambda row: row["dateEdited"])["id"]], changes={"progress": 1.0 * met})
        return fault(call)

    stage.script = script
    report = pull(settings, "first")
    assert report.streams["enrollments"].failures == {}
    assert met == 6
    assert held(settings, "enrollments").keys() == others(stage, "enrollments", bad).keys()
    assert pull(settings, "second").pending == 1
    assert held(settings, "enrollments") == others(stage, "enrollments", bad)


def test_a_list_in_which_nothing_can_be_read_is_left_after_a_few_rows(stage: Stage, settings: Settings) -> None:
    course = stage.portal.rows("enrollments")[0]["courseId"].lower()
    fault = spelled(lambda body: body[:-2])
    stage.script = lambda call: fault if course in call.path else None
    report = pull(settings, "first")
    assert list(report.streams["enrollments"].failures) == [course]
    assert "a page that is not JSON" in report.streams["enrollments"].failures[course]
    assert (report.pending, len([call for call in stage.calls if course in call.path]) < 40) == (0, True)
    stage.script = quiet
    assert pull(settings, "second").complete
    assert_truth(settings, stage)


# -- dates that are none -------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_a_date_that_is_none_spoils_no_later_pull(stage: Stage, tmp_path: Path, moment: str) -> None:
    """Each list has rows that say so, and one course nothing else."""
    settings = stage.settings(tmp_path / "warehouse.duckdb")
    course = stage.portal.rows("enrollments")[0]["courseId"]
    for stream in ("users", "courses"):
        stage.portal.put_row(stream, stage.portal.rows(stream)[0] | {"dateEdited": moment})
    for row in stage.portal.rows("enrollments"):
        if row["courseId"] == course:
            stage.portal.put_row("enrollments", row | {"dateEdited": moment})
    for run in ("first", "second"):
        report = pull(settings, run)
        assert failures(report) == {}
        assert_truth(settings, stage)
    edited = stage.portal.edit(5)
    later = pull(settings, "third")
    assert (
        counts(later)["enrollments"][1] + counts(later)["enrollments"][0]
        >= len([row_id for row_id in edited if row_id.lower() in held(settings, "enrollments")]) - 1
    )
    assert_truth(settings, stage)


def test_a_watermark_of_an_older_version_is_put_right(stage: Stage, tmp_path: Path) -> None:
    settings = stage.settings(tmp_path / "warehouse.duckdb")
    pull(settings, "first")
    query(Warehouse.of(settings), "UPDATE ops.watermarks SET watermark = '0001-01-01 00:00:00+00'")
    with Warehouse.of(settings).transaction() as connection:
        connection.execute(next(text for version, _, text in available() if version == 19))
    assert pull(settings, "second").complete
    early = "SELECT count(*) FROM ops.watermarks WHERE watermark < '1900-01-01 00:00:00+00'"
    assert query(Warehouse.of(settings), early) == [(0,)]


# -- the same id in two courses ------------------------------------------------------------------------------


def twin_in(course: str, twin: dict[str, Any]) -> Script:
    """The list of `course` serves one row more."""

    def add(document: dict[str, Any]) -> None:
        document["enrollments"] = [*document["enrollments"], twin]
        document["totalItems"] += 1

    fault = altered(add)
    return lambda call: fault if course.lower() in call.path else None


def test_the_same_id_in_two_courses_swaps_nothing_in_silence(stage: Stage, tmp_path: Path) -> None:
    settings = stage.settings(tmp_path / "warehouse.duckdb")
    rows = stage.portal.rows("enrollments")
    own = rows[0]
    other = next(row["courseId"] for row in rows if row["courseId"] != own["courseId"])
    assert pull(settings, "before").complete
    twin = own | {"courseId": other, "progress": 12.5, "dateEdited": datetime.now(UTC).isoformat()}
    stage.script = twin_in(other, twin)
    for run in ("first", "second"):
        assert (report := pull(settings, run)).complete is False
        assert report.pending == 1
        assert_truth(settings, stage)
        [waiting] = pending(settings)
        assert waiting["source_id"] == f"{own['id']}@{other}".lower()
        assert json.loads(waiting["raw"]) == twin
        assert own["courseId"].lower() in waiting["reason"]
    # A retry changes nothing while the other one is there, and neither does a sweep that meets both.
    swept = reconcile(settings, "sweep", ReconcileOptions(100))
    assert (swept.refused, swept.removed, retry(settings).still_unfit) == ([], 0, 1)
    assert_truth(settings, stage)
    # Once the first one is gone, the enrollment has moved: a sweep sees that, and a retry takes the other one.
    stage.portal.delete([own["id"]])
    swept = reconcile(settings, "after it moved", ReconcileOptions(100))
    assert (swept.refused, swept.removed, retry(settings).still_unfit) == ([], 1, 0)
    assert held(settings, "enrollments")[own["id"].lower()]["course_id"] == other.lower()
    assert pull(settings, "last").complete


# -- lists without an end ------------------------------------------------------------------------------------


def test_a_list_that_serves_the_same_page_for_ever_is_left(stage: Stage, settings: Settings) -> None:
    course = stage.portal.rows("enrollments")[0]["courseId"].lower()
    rows: list[Row] = []

    def repeat(document: dict[str, Any]) -> None:
        rows[:] = rows or document["enrollments"] * 20
        document |= {"enrollments": rows, "totalItems": 10**6, "limit": len(rows)}

    fault = altered(repeat)
    stage.script = lambda call: fault if course in call.path else None
    report = pull(settings, "first")
    assert list(report.streams["enrollments"].failures) == [course]
    assert "pages in a row held no row that the pages before them had not" in failures(report)["enrollments"][course]
    assert len([call for call in stage.calls if course in call.path]) < 1_000
    stage.script = quiet
    assert pull(settings, "second").complete
    assert_truth(settings, stage)


def test_a_list_of_more_pages_than_allowed_goes_on_with_the_next_pull(stage: Stage, tmp_path: Path) -> None:
    settings = stage.settings(tmp_path / "warehouse.duckdb", page_size=10)
    settings = settings.model_copy(update={"limits": LimitSettings(list_pages=3)})
    allowed = stage.settings(tmp_path / "warehouse.duckdb", page_size=1000)
    pull(allowed, "catalogue", PullOptions(streams=["departments", "users", "courses"]))
    loaded = -1
    while not (report := pull(settings, f"run {loaded}", PullOptions(streams=["enrollments"]))).complete:
        for message in failures(report)["enrollments"].values():
            assert "no end after 3 pages" in message
            assert "LEARNSYNC_LIMITS__LIST_PAGES" in message
        loaded, before = len(held(settings, "enrollments")), loaded
        assert loaded > before
    assert loaded > 0
    assert_truth(settings, stage)
    with pytest.raises(IncompleteError, match="LIMITS__LIST_PAGES") as failure:
        pull(settings, "users", PullOptions(streams=["users"], full=True))
    assert failure.value.exit_code == 1
