"""Deletions: the sweep marks what vanished, and does nothing at all when it cannot be sure."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile import ROLE_REFUSED, Call, Fault, Row, Stage, altered, reply, times
from support import USER, enrollment, first, new_id, query, records

from connector import redact
from connector.absorb import client
from connector.absorb.login import password
from connector.absorb.pull.pull import pull
from connector.absorb.pull.reconcile import ReconcileOptions, ReconcileReport, reconcile
from connector.canonical.build import build
from connector.cli.main import main
from connector.errors import IdentityError, ServerFaultError
from connector.http import retry
from connector.sandbox.portal import Portal
from connector.settings import Settings
from connector.sync import run_reconcile
from connector.warehouse.database import Warehouse
from connector.warehouse.quarantine import pending_quarantine

COURSES = [f"c0000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3)]
SIZES = (60, 30, 10)
STAMP = "2026-01-05T10:00:00"
WIDE = ReconcileOptions(max_removed_percent=100)


@pytest.fixture
def stage(serving: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A portal of three courses with 60, 30 and 10 enrollments."""
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(client, "GARBLED_PAUSE_SECONDS", 0.01)
    portal = Portal()
    name = {"username": "ada", "firstName": "Ada", "lastName": "Park"}
    portal.load("users", [{"id": USER, "dateEdited": STAMP, "dateAdded": STAMP} | name])
    portal.load("courses", [{"id": key, "name": "A", "dateEdited": STAMP, "dateAdded": STAMP} for key in COURSES])
    for course, size in zip(COURSES, SIZES, strict=True):
        portal.load("enrollments", [enrollment(courseId=course) for _ in range(size)])
    serving.show(portal)
    return serving


@pytest.fixture
def settings(stage: Stage, tmp_path: Path) -> Settings:
    """A warehouse that holds all of `stage` and is built."""
    found = stage.settings(tmp_path / "warehouse.duckdb")
    assert pull(found, "first").complete
    build(found, "build")
    return found


def ids_of(stage: Stage, course: int) -> list[str]:
    return [row["id"] for row in stage.portal.rows("enrollments") if row["courseId"] == COURSES[course]]


def removed(settings: Settings) -> set[str]:
    return {
        str(row_id)
        for (row_id,) in query(
            Warehouse.of(settings), "SELECT id FROM absorb.enrollments WHERE _removed_at IS NOT NULL"
        )
    }


def contents(settings: Settings) -> list[Row]:
    return records(Warehouse.of(settings), "FROM absorb.enrollments ORDER BY id")


def refused(settings: Settings, options: ReconcileOptions | None = None) -> str:
    """The one reason for which this sweep changed nothing."""
    before = contents(settings)
    report = reconcile(settings, "sweep", options)
    assert not report.complete
    assert report.removed == 0
    assert contents(settings) == before
    assert len(report.refused) == 1, report.refused
    return report.refused[0]


def figures(report: ReconcileReport) -> tuple[int, int, int]:
    return report.live, report.vanished, report.removed


# -- removal and return ----------------------------------------------------------------------------------


def test_rows_that_vanished_are_marked_and_only_they(stage: Stage, settings: Settings) -> None:
    before = {str(row["id"]): row for row in contents(settings)}
    gone = {*ids_of(stage, 0)[:3], *ids_of(stage, 1)[:1]}
    stage.portal.delete([*gone])
    report = reconcile(settings, "sweep")
    assert report.complete
    assert figures(report) == (100, 4, 4)
    assert removed(settings) == gone
    for row in contents(settings):
        row_id = str(row["id"])
        if row_id not in gone:
            assert row == before[row_id]
        else:
            assert row | {"_removed_at": None, "_run_id": None} == before[row_id] | {"_run_id": None}
            assert row["_run_id"] == "sweep"


def test_a_removed_row_is_told_as_deleted_and_no_longer_tracked(stage: Stage, settings: Settings) -> None:
    gone = ids_of(stage, 0)[0]
    stage.portal.delete([gone])
    run_reconcile(settings)
    warehouse = Warehouse.of(settings)
    record = "SELECT is_deleted, deleted_at IS NOT NULL, count(*) FROM learning_record GROUP BY ALL ORDER BY 1"
    assert query(warehouse, record) == [(False, False, 99), (True, True, 1)]
    stamps = query(
        warehouse,
        "SELECT r.deleted_at = e._removed_at FROM learning_record AS r"
        " JOIN learning_item_progress AS p ON p.learning_record_id = r.id"
        " JOIN absorb.enrollments AS e ON e.id = p.enrollment_id WHERE r.is_deleted",
    )
    assert stamps == [(True,)]
    rules = query(warehouse, 'SELECT "ProgressStatus", rule, count(*) FROM learning_item_progress GROUP BY ALL')
    assert ("NoLongerTracking", "removed", 1) in rules
    assert sum(number for _, rule, number in rules if rule != "removed") == 99


def test_a_second_sweep_changes_nothing(stage: Stage, settings: Settings) -> None:
    stage.portal.delete(ids_of(stage, 0)[:4])
    assert reconcile(settings, "sweep").removed == 4
    before = contents(settings)
    again = reconcile(settings, "again")
    assert again.complete
    assert figures(again) == (96, 0, 0)
    assert contents(settings) == before


@pytest.mark.parametrize("act", ["pull", "reconcile"])
def test_a_row_that_returns_is_live_again(stage: Stage, settings: Settings, act: str) -> None:
    rows = [row for row in stage.portal.rows("enrollments") if row["courseId"] == COURSES[0]][:2]
    stage.portal.delete([row["id"] for row in rows])
    run_reconcile(settings)
    assert len(removed(settings)) == 2
    stage.portal.put_row("enrollments", rows[0])  # exactly as it was, old dateEdited and all
    if act == "pull":
        stage.portal.edit([rows[0]["id"]], changes={})  # a pull sees what was edited since
        assert pull(settings, "second").complete
        build(settings, "build again")
    else:
        assert run_reconcile(settings).complete
    assert removed(settings) == {rows[1]["id"]}
    told = "SELECT count(*) FROM learning_record WHERE is_deleted"
    assert query(Warehouse.of(settings), told) == [(1,)]
    rule = "SELECT count(*) FROM learning_item_progress WHERE rule = 'removed'"
    assert query(Warehouse.of(settings), rule) == [(1,)]


def test_the_sweep_leaves_no_file_behind(stage: Stage, settings: Settings) -> None:
    reconcile(settings, "sweep")
    assert not (settings.warehouse.landing / "sweep-sweep").exists()


def test_rows_added_while_it_sweeps_are_not_taken_for_vanished(stage: Stage, settings: Settings) -> None:
    def script(call: Call) -> Fault | None:
        if call.kind == "enrollments":
            stage.portal.enroll(USER, COURSES[0])
            stage.portal.edit(3)
        return None

    stage.script = script
    report = reconcile(settings.model_copy(update={"absorb": settings.absorb.model_copy(update={"page_size": 7})}), "s")
    assert report.complete
    assert (report.vanished, removed(settings)) == (0, set())


# -- users and departments -------------------------------------------------------------------------------


def marked(settings: Settings, stream: str) -> int:
    found = f"SELECT count(*) FROM absorb.{stream} WHERE _removed_at IS NOT NULL"
    return int(query(Warehouse.of(settings), found)[0][0])


def populated(stage: Stage, settings: Settings) -> list[str]:
    """Forty users more and two departments, pulled: their ids, the users' first."""
    template, stamps = stage.portal.users()[0], {"dateEdited": STAMP, "dateAdded": STAMP}
    users = [template | {"id": new_id(), "username": f"user.{number}"} for number in range(40)]
    root = {"id": new_id(), "name": "Sales", **stamps}
    departments = [root, {"id": new_id(), "name": "Support", "parentId": root["id"], **stamps}]
    stage.portal.load("users", users)
    stage.portal.load("departments", departments)
    assert pull(settings, "more").complete
    return [row["id"] for row in [*users, *departments]]


def test_users_and_departments_that_vanished_are_marked_and_live_again_when_they_return(
    stage: Stage, settings: Settings
) -> None:
    *_, user, first, department = populated(stage, settings)
    stage.portal.remove("users", [user])
    stage.portal.remove("departments", [department])
    report = reconcile(settings, "sweep")
    assert report.complete
    assert {name: (lost.live, lost.removed) for name, lost in report.others.items()} == {
        "users": (41, 1),
        "departments": (2, 1),  # one is always allowed: half of the departments of a small portal may go
    }
    assert (marked(settings, "users"), marked(settings, "departments"), removed(settings)) == (1, 1, set())
    stage.portal.restore()
    again = reconcile(settings, "again")
    assert {name: lost.returned for name, lost in again.others.items()} == {"users": 1, "departments": 1}
    assert (marked(settings, "users"), marked(settings, "departments")) == (0, 0)
    code, printed = command(stage, settings, "reconcile")
    assert code == 0
    assert not any(
        word in printed for word in ("returned", "of 41 users", "nothing removed")
    )  # silent when all is there
    stage.portal.remove("departments", [first, department])
    with pytest.raises(IdentityError, match="show no department"):
        refused(settings)


def _empty(document: dict[str, Any]) -> None:
    document |= {"users": [], "totalItems": 0, "returnedItems": 0}


def _half(document: dict[str, Any]) -> None:
    document["users"] = document["users"][:20]
    document |= {"totalItems": 20, "returnedItems": 20}


def _nameless(document: dict[str, Any]) -> None:
    document["users"][0]["id"] = None


@pytest.mark.parametrize(
    ("damage", "said"), [(_empty, "shows no users"), (_half, "21 of 41 users"), (_nameless, "than they served (users)")]
)
def test_a_doubt_in_one_list_stops_every_removal(
    stage: Stage, settings: Settings, damage: Callable[[dict[str, Any]], None], said: str
) -> None:
    populated(stage, settings)
    stage.portal.delete(ids_of(stage, 0)[:2])
    stage.script = lambda call: altered(damage) if call.kind == "users" else None
    assert said in refused(settings)
    assert (marked(settings, "users"), removed(settings)) == (0, set())


# -- courses that are gone -------------------------------------------------------------------------------


def test_a_course_that_is_gone_takes_its_enrollments_along_when_it_is_met_gone_again(
    stage: Stage, settings: Settings
) -> None:
    gone = {*ids_of(stage, 2)}
    stage.portal.delete_course(COURSES[2])
    first = reconcile(settings, "sweep", WIDE)
    assert (first.courses, first.courses_gone) == (3, 1)
    assert removed(settings) == set()  # one 404 may be a role that lost its view for a moment
    second = reconcile(settings, "again", ReconcileOptions(max_removed_percent=10))
    assert second.complete
    assert figures(second) == (100, 10, 10)
    assert removed(settings) == gone


def test_a_course_that_is_gone_counts_towards_the_limit(stage: Stage, settings: Settings) -> None:
    stage.portal.delete_course(COURSES[2])
    assert pull(settings, "second").complete
    assert "10 of 100 enrollments (10.0 %)" in refused(settings)


def test_a_course_that_came_back_brings_its_rows_back(stage: Stage, settings: Settings) -> None:
    rows = [row for row in stage.portal.rows("enrollments") if row["courseId"] == COURSES[2]]
    course = stage.portal.get("courses", COURSES[2])
    assert course is not None
    stage.portal.delete_course(COURSES[2])
    assert pull(settings, "second").complete
    assert reconcile(settings, "sweep", WIDE).removed == 10
    stage.portal.put_row("courses", course)
    stage.portal.load("enrollments", rows)
    assert reconcile(settings, "again").complete
    assert removed(settings) == set()


# -- refusals --------------------------------------------------------------------------------------------


UNREADABLE = {
    "500": reply(500),
    "html": reply(200, "<html></html>"),
    "no list": reply(200, '{"enrollments": 1}'),
    "role": reply(403, ROLE_REFUSED),
    "422": reply(422),
}


@pytest.mark.parametrize("fault", first(3, UNREADABLE))
def test_one_course_that_cannot_be_read_stops_every_removal(stage: Stage, settings: Settings, fault: Fault) -> None:
    stage.portal.delete(ids_of(stage, 0)[:2])
    stage.script = lambda call: fault if call.path == f"/courses/{COURSES[1]}/enrollments" else None
    reason = refused(settings, WIDE)
    assert COURSES[1] in reason
    assert "incomplete" in reason


def test_a_course_that_counts_more_rows_than_it_serves_stops_every_removal(stage: Stage, settings: Settings) -> None:
    hidden = {*ids_of(stage, 0)[:2]}

    def hide(document: dict[str, Any]) -> None:
        document["enrollments"] = [row for row in document["enrollments"] if row["id"] not in hidden]

    stage.script = lambda call: altered(hide) if COURSES[0] in call.path else None
    report = reconcile(settings, "sweep")
    assert removed(settings) == set()
    assert not report.complete


def test_an_empty_course_where_rows_were_known_stops_every_removal(stage: Stage, settings: Settings) -> None:
    stage.portal.delete([*ids_of(stage, 2), ids_of(stage, 0)[0]])
    reason = refused(settings, WIDE)
    assert COURSES[2] in reason
    assert "10 known" in reason
    assert "--allow-empty" in reason


def test_allow_empty_takes_the_operators_word(stage: Stage, settings: Settings) -> None:
    gone = {*ids_of(stage, 2)}
    stage.portal.delete([*gone])
    report = reconcile(settings, "sweep", ReconcileOptions(max_removed_percent=10, allow_empty=True))
    assert report.complete
    assert removed(settings) == gone


def test_allow_empty_does_not_lift_the_limit(stage: Stage, settings: Settings) -> None:
    stage.portal.delete(ids_of(stage, 2))
    assert "--max-removed-percent" in refused(settings, ReconcileOptions(allow_empty=True))


def test_a_portal_in_which_every_course_is_empty_removes_nothing_and_says_so(stage: Stage, settings: Settings) -> None:
    """What a role that lost its view of all enrollments looks like."""
    stage.portal.delete([*ids_of(stage, 0), *ids_of(stage, 1), *ids_of(stage, 2)])
    before = contents(settings)
    report = reconcile(settings, "sweep")
    assert not report.complete
    assert figures(report) == (100, 100, 0)
    assert contents(settings) == before
    assert any("--allow-empty" in reason for reason in report.refused)
    assert any("--max-removed-percent" in reason for reason in report.refused)


def test_a_portal_in_which_every_course_fails_removes_nothing_and_says_so(stage: Stage, settings: Settings) -> None:
    stage.script = lambda call: reply(500) if call.kind == "enrollments" else None
    before = contents(settings)
    with pytest.raises(ServerFaultError):
        reconcile(settings, "sweep", WIDE)
    assert contents(settings) == before


def test_a_portal_without_courses_or_enrollments_is_swept_in_peace(stage: Stage, tmp_path: Path) -> None:
    stage.show(Portal())
    report = reconcile(stage.settings(tmp_path / "new.duckdb"), "sweep")
    assert report.complete
    assert figures(report) == (0, 0, 0)


@pytest.mark.parametrize(("gone", "acts"), [(5, True), (6, False)], ids=["exactly at", "just above"])
def test_the_limit_is_five_percent_of_the_live_rows(stage: Stage, settings: Settings, gone: int, acts: bool) -> None:
    stage.portal.delete(ids_of(stage, 0)[:gone])
    report = reconcile(settings, "sweep")
    assert report.complete is acts
    assert report.vanished == gone
    assert len(removed(settings)) == (gone if acts else 0)
    assert acts or "6 of 100 enrollments (6.0 %)" in report.refused[0]


@pytest.mark.parametrize(("percent", "acts"), [(3.0, True), (2.99, False), (0.0, False), (100.0, True)])
def test_the_limit_is_what_the_operator_says(stage: Stage, settings: Settings, percent: float, acts: bool) -> None:
    stage.portal.delete(ids_of(stage, 0)[:3])
    assert reconcile(settings, "sweep", ReconcileOptions(max_removed_percent=percent)).complete is acts


def test_rows_removed_before_do_not_count_as_live(stage: Stage, settings: Settings) -> None:
    stage.portal.delete(ids_of(stage, 0)[:50])
    assert reconcile(settings, "sweep", WIDE).removed == 50
    stage.portal.delete(ids_of(stage, 1)[:3])
    assert "3 of 50 enrollments (6.0 %)" in refused(settings)


BAD_IDS = {"absent": None, "a number": 7, "no GUID": "enrollment-7", "empty": ""}


@pytest.mark.parametrize("bad", first(2, BAD_IDS))
def test_a_row_without_a_usable_id_could_be_any_of_ours(stage: Stage, settings: Settings, bad: object) -> None:
    """The row that changed its id is there still: to take it for vanished would be wrong."""
    lost = ids_of(stage, 0)[0]

    def damage(document: dict[str, Any]) -> None:
        for row in document["enrollments"]:
            if row["id"] == lost:
                row["id"] = bad

    stage.script = lambda call: altered(damage) if COURSES[0] in call.path else None
    before = contents(settings)
    report = reconcile(settings, "sweep", WIDE)
    assert contents(settings) == before
    assert not report.complete
    assert any("without" in reason and "id" in reason for reason in report.refused)


DAMAGES = {
    "a text": {"status": "done"},
    "no learner": {"userId": None},
    "no date": {"dateEdited": "soon"},
    "no number": {"progress": "a lot"},
    "null": {"status": None},
}


@pytest.mark.parametrize("damage", first(2, DAMAGES))
def test_quarantined_rows_are_there_and_not_removed(stage: Stage, settings: Settings, damage: Row) -> None:
    row = next(row for row in stage.portal.rows("enrollments") if row["courseId"] == COURSES[0])
    stage.portal.put_row("enrollments", row | damage)
    stage.portal.delete(ids_of(stage, 1)[:1])
    report = reconcile(settings, "sweep")
    assert figures(report) == (100, 1, 1)
    assert row["id"] not in removed(settings)
    with Warehouse.of(settings).connect() as connection:
        assert pending_quarantine(connection, settings.tenant_id) == 1


def test_upper_case_ids_are_the_same_ids(stage: Stage, settings: Settings) -> None:
    def shout(document: dict[str, Any]) -> None:
        for row in document["enrollments"]:
            row["id"], row["courseId"] = row["id"].upper(), row["courseId"].upper()

    stage.script = lambda call: altered(shout) if call.kind == "enrollments" else None
    report = reconcile(settings, "sweep")
    assert report.complete
    assert report.vanished == 0


def test_a_sweep_through_passing_faults_is_trusted(stage: Stage, settings: Settings) -> None:
    gone = ids_of(stage, 0)[:2]
    stage.portal.delete(gone)
    stage.script = times(4, reply(503), reply(429), reply(200, "<html></html>"))
    report = reconcile(settings, "sweep")
    assert report.complete
    assert removed(settings) == {*gone}


# -- the command -----------------------------------------------------------------------------------------


def command(stage: Stage, settings: Settings, *arguments: str) -> tuple[int, str]:
    """Run `learnsync <arguments>` as if in a new process: its exit code, and what it printed."""
    values = {
        "LEARNSYNC_ABSORB__BASE_URL": stage.url,
        "LEARNSYNC_ABSORB__API_KEY": stage.absorb.api_key,
        "LEARNSYNC_ABSORB__USERNAME": stage.absorb.username,
        "LEARNSYNC_ABSORB__PASSWORD": stage.absorb.password,
        "LEARNSYNC_WAREHOUSE__PATH": str(settings.warehouse.path),
        "COLUMNS": "200",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LEARNSYNC_")]:
            patch.delenv(name)
        for name, value in values.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["learnsync", *arguments])
        patch.setattr(sys, "stdout", io.StringIO())
        patch.setattr(sys, "stderr", io.StringIO())
        patch.setattr(redact, "_known", set())
        patch.setattr(password, "_accounts", {})
        patch.setattr(logging.getLogger(), "handlers", [])
        with pytest.raises(SystemExit) as left:
            main()
        printed = sys.stdout.getvalue() + sys.stderr.getvalue()
    assert "Traceback" not in printed, printed
    return int(left.value.code or 0), printed


def test_the_command_says_what_it_removed(stage: Stage, settings: Settings) -> None:
    stage.portal.delete(ids_of(stage, 0)[:5])
    code, printed = command(stage, settings, "reconcile")
    assert code == 0
    assert "of 100 live enrollments 5 were not met (5.00 %), 5 marked removed" in printed


def test_the_command_says_why_it_removed_nothing(stage: Stage, settings: Settings) -> None:
    stage.portal.delete(ids_of(stage, 0)[:6])
    code, printed = command(stage, settings, "reconcile")
    assert code == 1
    assert "0 marked removed" in printed
    assert "6 of 100 enrollments (6.0 %)" in printed
    assert removed(settings) == set()
    assert command(stage, settings, "reconcile", "--max-removed-percent", "6")[0] == 0
    assert len(removed(settings)) == 6


def test_the_command_answers_in_json(stage: Stage, settings: Settings) -> None:
    stage.portal.delete(ids_of(stage, 2))
    code, printed = command(stage, settings, "reconcile", "--json", "--max-removed-percent", "50")
    told = json.loads(next(line for line in printed.splitlines() if line.startswith("{")))
    assert code == 1
    assert (told["complete"], told["vanished"], told["removed"]) == (False, 10, 0)
    assert "--allow-empty" in told["refused"][0]
    arguments = ("reconcile", "--json", "--max-removed-percent", "50", "--allow-empty")
    code, printed = command(stage, settings, *arguments)
    told = json.loads(next(line for line in printed.splitlines() if line.startswith("{")))
    assert (code, told["complete"], told["removed"]) == (0, True, 10)


def test_the_command_on_a_portal_that_lost_every_row_ends_with_one_message(stage: Stage, settings: Settings) -> None:
    stage.portal.delete([*ids_of(stage, 0), *ids_of(stage, 1), *ids_of(stage, 2)])
    code, printed = command(stage, settings, "reconcile")
    assert code == 1
    assert "--allow-empty" in printed
    assert removed(settings) == set()
