"""A push that would change too much of what the org has waits for somebody; an ordinary one does not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from started import Start, catch_up, portal_of, started
from support import Row, forget_what_is_known, records
from typer.testing import CliRunner

from connector.cli.commands import doctor
from connector.cli.main import app
from connector.errors import SettingsError
from connector.push import changes
from connector.push.changes import exceeds
from connector.push.reports import PushOptions, PushReport
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.sync import run_build, run_check, run_push
from connector.warehouse.database import Warehouse
from mappings import PACKAGED

ENROLLMENT = "LMS_Enrollment__c"
AS_OF = "2027-06-01T12:00:00Z"


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    def all_on_the_way(box: Sandbox) -> None:
        """Everybody has time left until a day that is the same for all, and after each one's start."""
        open_ = {"status": 1, "isActive": True, "dateCompleted": None, "progress": 99.0}
        open_ |= {"dateAdded": "2026-01-01T10:00:00", "accessDate": None}
        keys = [row["id"] for row in box.portal.rows("enrollments")]
        box.portal.edit(keys, changes={**open_, "dateDue": "2027-06-30T00:00:00"})

    folder, today = tmp_path_factory.mktemp("start"), {"LEARNSYNC_MAPPING__AS_OF": AS_OF}
    return started(folder, scale=240, courses=5, variables=today, before=all_on_the_way)


@pytest.fixture
def sandbox(start: Start) -> Iterator[Sandbox]:
    with portal_of(start) as running:
        yield running


@pytest.fixture
def pushed(start: Start, sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Pulled, built and pushed for the first time, which is never held."""
    shutil.copy(start.warehouse, settings.warehouse.path)
    settings.warehouse.landing.mkdir()
    monkeypatch.setenv("LEARNSYNC_MAPPING__AS_OF", AS_OF)
    first = run_push(load_settings())
    assert (first.complete, enrollments(first).hold) == (True, None)
    assert len(sandbox.org.records(ENROLLMENT)) > 180
    return load_settings()


def enrollments(report: PushReport) -> Any:
    return report.targets["lms_enrollment"]


def held_rows(settings: Settings) -> list[Row]:
    return records(Warehouse.of(settings), "FROM ops.holds ORDER BY created_at, id")


def some(sandbox: Sandbox, number: int) -> list[str]:
    return sorted(row["Absorb_Enrollment_Id__c"] for row in sandbox.org.records(ENROLLMENT))[:number]


def in_org(sandbox: Sandbox, field: str) -> list[Any]:
    return [row[field] for row in sandbox.org.records(ENROLLMENT)]


@pytest.mark.parametrize(
    ("changed", "of", "percent", "too_many"),
    [(100, 100, 30, False), (101, 101, 30, True), (101, 336, 30, True), (101, 337, 30, False), (300, 1000, 30, False),
     (301, 1000, 30, True), (1000, 1000, 100, False), (101, 100_000, 0, True)],
)  # fmt: skip
def test_more_than_the_percentage_and_more_than_a_hundred(
    changed: int, of: int, percent: float, too_many: bool
) -> None:
    assert exceeds(changed, of, percent) is too_many


def test_many_changes_at_once_are_held_until_exactly_that_plan_is_approved(sandbox: Sandbox, pushed: Settings) -> None:
    before = sandbox.org.write_counts
    chosen = some(sandbox, 150)
    sandbox.portal.edit(chosen, changes={"status": 6, "dateDue": None})
    sandbox.portal.patch("courses", sandbox.portal.rows("courses")[0]["id"], {"name": "Renamed"})
    catch_up(load_settings())
    dry = run_push(pushed, PushOptions(dry_run=True))
    assert (enrollments(dry).hold.id, dry.complete, held_rows(pushed)) == ("", False, [])

    report = run_push(pushed)

    hold, there = enrollments(report).hold, len(sandbox.org.records(ENROLLMENT))
    assert not report.complete
    assert enrollments(report).sent == 0
    assert report.targets["lms_course"].accepted == 1
    assert sandbox.org.write_counts["objects"][ENROLLMENT] == before["objects"][ENROLLMENT]
    assert (hold.counts["records"], hold.counts["status"], hold.counts["blank"]) == (there, 150, {"Due_Date__c": 150})
    assert hold.counts["statuses"] == {"OnTrack → NoLongerTracking": 150}
    assert f"learnsync push --approve {hold.id}" in hold.message
    assert "MAX_CHANGE_PERCENT" in hold.message
    assert "map changed" not in hold.message
    assert enrollments(run_push(pushed)).hold == hold, "the same plan is the same hold"
    assert enrollments(run_push(pushed, PushOptions(dry_run=True))).hold.id == hold.id

    sandbox.portal.edit(some(sandbox, 151)[150:], changes={"score": 12.0})
    catch_up(load_settings())
    changed = run_push(pushed, PushOptions(approve=[hold.id]))
    anew = enrollments(changed).hold
    assert (enrollments(changed).sent, anew.id != hold.id, hold.id in anew.message) == (0, True, True)
    assert [(row["id"], row["resolved_at"] is None) for row in held_rows(pushed)] == [(hold.id, False), (anew.id, True)]

    done = run_push(pushed, PushOptions(approve=[anew.id]))
    assert (done.complete, list(done.targets), enrollments(done).accepted) == (True, ["lms_enrollment"], 151)
    assert in_org(sandbox, "Progress_Status__c").count("NoLongerTracking") == 150
    last = held_rows(pushed)[-1]
    assert last["approved_at"] is not None
    assert last["resolved_at"] is not None
    assert run_push(pushed).complete
    assert records(Warehouse.of(pushed), "FROM ops.hold_records") == []


def test_the_commands_show_a_hold_and_approve_it(sandbox: Sandbox, pushed: Settings) -> None:
    sandbox.portal.edit(some(sandbox, 150), changes={"status": 6})
    catch_up(load_settings())
    code, report = command("push")
    hold = report["targets"]["lms_enrollment"]["hold"]
    assert (code, report["complete"], hold["object"]) == (1, False, ENROLLMENT)
    code, status = command("status")
    assert (code, [it["id"] for it in status["holds"]]) == (1, [hold["id"]])
    [finding] = [it for it in doctor.examine() if it.check == "push"]
    assert (finding.verdict, finding.remedy) == ("warn", f"learnsync push --approve {hold['id']}")
    shown = CliRunner().invoke(app, ["push", "--dry-run"], env=dict(os.environ))
    assert shown.exit_code == 1
    assert f"approve it with `learnsync push --approve {hold['id']}`" in shown.stdout
    assert "150 OnTrack → NoLongerTracking" in shown.stdout
    unknown = CliRunner().invoke(app, ["push", "--approve", "NOSUCH"], env=dict(os.environ))
    assert isinstance(unknown.exception, SettingsError)
    assert hold["id"] in unknown.exception.remedy
    code, done = command("push", "--approve", hold["id"])
    assert (code, done["targets"]["lms_enrollment"]["accepted"]) == (0, 150)
    code, status = command("status")
    assert (code, status["holds"]) == (0, [])


def command(name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, [name, "--json", *arguments], env=dict(os.environ))
    return done.exit_code, json.loads(done.stdout)


def test_what_is_mended_at_the_source_is_held_no_more(
    sandbox: Sandbox, pushed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = some(sandbox, 150)
    sandbox.portal.edit(chosen, changes={"status": 6})
    catch_up(load_settings())
    assert enrollments(run_push(pushed)).hold
    with monkeypatch.context() as never:
        never.setenv("LEARNSYNC_SALESFORCE__MAX_CHANGE_PERCENT", "100")
        assert run_push(load_settings(), PushOptions(dry_run=True)).complete
    sandbox.portal.edit(chosen, changes={"status": 1})
    catch_up(load_settings())
    report = run_push(pushed)
    assert (report.complete, enrollments(report).sent) == (True, 0)
    assert [row["resolved_at"] is None for row in held_rows(pushed)] == [False]


def test_what_a_failure_leaves_of_an_approved_plan_is_not_held_again(sandbox: Sandbox, pushed: Settings) -> None:
    sandbox.portal.edit(some(sandbox, 150), changes={"status": 6})
    catch_up(load_settings())
    hold = enrollments(run_push(pushed)).hold
    part = run_push(pushed, PushOptions(approve=[hold.id], limit=60))
    assert (enrollments(part).accepted, part.complete) == (60, False)
    rest = run_push(pushed)
    assert (enrollments(rest).accepted, rest.complete) == (90, True)
    assert held_rows(pushed)[0]["resolved_at"] is not None


def test_when_nobody_matches_any_more_and_when_all_is_removed_the_push_is_held(
    sandbox: Sandbox, pushed: Settings
) -> None:
    """A role that lost its view of people: no payload changes, for a record keeps its lookup."""
    for row in sandbox.portal.rows("users"):
        sandbox.portal.patch("users", row["id"], {"externalId": None, "emailAddress": None})
    catch_up(load_settings())
    report = run_push(pushed)
    hold, there = enrollments(report).hold, len(sandbox.org.records(ENROLLMENT))
    assert (report.complete, enrollments(report).update) == (False, 0)
    assert hold.counts["learner"] == hold.counts["records"] == there
    assert "would lose their learner" in hold.reason
    approved = run_push(pushed, PushOptions(approve=[hold.id]))
    assert approved.complete
    assert all(
        user or contact
        for user, contact in zip(*(in_org(sandbox, f"Learner_{it}__c") for it in ("User", "Contact")), strict=True)
    )
    assert run_push(pushed).complete, "what was approved is not held again"

    with Warehouse.of(pushed).connect() as connection:  # as a sweep does
        connection.execute("UPDATE absorb.enrollments SET _removed_at = now()")
        forget_what_is_known(connection)
    run_build(pushed)
    assert enrollments(run_push(pushed)).hold.counts["removed"] == there


def test_a_catalogue_that_loses_a_field_is_held_object_by_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "LEAST_RECORDS", 10)  # a call per learning: few make a quick test
    with Sandbox(SandboxOptions(scale=24, courses=12, rate_limit=0)) as box:
        limits = {f"LEARNSYNC_ABSORB__{name}": "5000" for name in ("REQUESTS_PER_SECOND", "BURST")}
        where = {"LEARNSYNC_WAREHOUSE__PATH": str(tmp_path / "warehouse.duckdb")}
        switch = {"LEARNSYNC_SALESFORCE__LEARNINGS_GRAPH": "true"}
        for name, value in {**box.settings(), **limits, **where, **switch}.items():
            monkeypatch.setenv(name, value)
        for row in box.portal.rows("courses"):
            box.portal.patch("courses", row["id"], {"description": "What it is about.", "vendor": "Acme"})
        catch_up(load_settings())
        assert run_push(load_settings()).complete
        for row in box.portal.rows("courses"):
            box.portal.patch("courses", row["id"], {"description": None, "vendor": None})
        catch_up(load_settings())
        report = run_push(load_settings())
        holds = {name: target.hold and target.hold.counts["blank"] for name, target in report.targets.items()}
        assert holds == {"lms_course": {"Vendor__c": 12}, "lms_enrollment": None, "learning": {"description": 12}}
        assert not report.complete
        done = run_push(load_settings(), PushOptions(approve=[report.targets["learning"].hold.id]))
        assert (list(done.targets), done.targets["learning"].accepted) == (["learning"], 12)


def own_map(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str) -> None:
    folder.mkdir(exist_ok=True)
    text = (PACKAGED / name).read_text("utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), "utf-8")
    monkeypatch.setenv("LEARNSYNC_MAPPING__DIR", str(folder))


def test_a_changed_map_is_held_and_said_to_be_changed(
    sandbox: Sandbox, pushed: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = "on_track,any,any,1,any,any,any,any,OnTrack"
    own_map(tmp_path / "maps", monkeypatch, "progress_status.csv", rule, rule.replace("OnTrack", "InProgress"))
    run_build(load_settings())
    report = run_push(load_settings())
    hold = enrollments(report).hold
    assert "The map changed since the last push: progress_status.csv." in hold.message
    assert hold.counts["status"] == len(sandbox.org.records(ENROLLMENT))
    assert run_push(load_settings(), PushOptions(approve=[hold.id])).complete
    assert set(in_org(sandbox, "Progress_Status__c")) == {"InProgress"}


def test_a_changed_map_is_held_below_the_percentage_too(
    sandbox: Sandbox, pushed: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__MAX_CHANGE_PERCENT", "95")
    sandbox.portal.edit(some(sandbox, 150), changes={"status": 5})
    catch_up(load_settings())
    edits = run_push(load_settings())
    assert (edits.complete, enrollments(edits).accepted) == (True, 150), "edits of the portal, by the same map"
    text = (PACKAGED / "progress_status.csv").read_text("utf-8")
    [rule] = [line for line in text.splitlines() if line.startswith("unsuccessful,")]
    own_map(tmp_path / "maps", monkeypatch, "progress_status.csv", rule, rule.replace("Behind", "NotStarted"))
    run_build(load_settings())
    with monkeypatch.context() as fewer:
        fewer.setattr(changes, "LEAST_RECORDS", 150)
        assert enrollments(run_push(load_settings(), PushOptions(dry_run=True))).hold is None, (
            "a person's work of a day"
        )
    hold = enrollments(run_push(load_settings())).hold
    assert hold.counts["statuses"] == {"Behind → NotStarted": 150}
    assert "allows 95 %, and after a change of the map 100 changed statuses whatever their share" in hold.message
    assert "The map changed since the last push: progress_status.csv." in hold.message


def of_the_version_before(settings: Settings) -> None:
    """Take from a warehouse what an earlier version did not keep."""
    with Warehouse.of(settings).connect() as connection:
        for name in ("salesforce.push_state", "salesforce.push_plans", "ops.builds"):
            connection.execute(f"DELETE FROM {name}")
        connection.execute("UPDATE ops.migrations SET applied_at = now() WHERE version = 12")


def test_an_upgrade_that_begins_with_a_push_is_held_by_the_next_build(
    sandbox: Sandbox, pushed: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statuses of that push are of the old rules still. Nothing was ever read back: the org is read before it."""
    of_the_version_before(pushed)
    assert run_push(pushed).complete
    assert records(Warehouse.of(pushed), "FROM salesforce.lms_enrollments") != []
    rule = "on_track,any,any,1,any,any,any,any,OnTrack"
    own_map(tmp_path / "maps", monkeypatch, "progress_status.csv", rule, rule.replace("OnTrack", "InProgress"))
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__MAX_CHANGE_PERCENT", "99.9")
    run_build(load_settings())
    hold = enrollments(run_push(load_settings())).hold
    assert hold.counts["status"] == len(sandbox.org.records(ENROLLMENT))
    assert "which an earlier version of learnsync made" in hold.message


@pytest.mark.parametrize("read_back", [True, False])
def test_a_warehouse_of_the_version_before_knows_what_the_org_has_from_its_copies(
    sandbox: Sandbox, pushed: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_back: bool
) -> None:
    if read_back:
        run_check(pushed)
    of_the_version_before(pushed)
    with monkeypatch.context() as later:
        later.setenv("LEARNSYNC_MAPPING__AS_OF", "2027-07-01T00:30:00Z")
        run_build(load_settings())
        dry = enrollments(run_push(load_settings(), PushOptions(dry_run=True)))
        assert (dry.hold, dry.update) == (None, len(sandbox.org.records(ENROLLMENT)))
    rule = "on_track,any,any,1,any,any,any,any,OnTrack"
    own_map(tmp_path / "maps", monkeypatch, "progress_status.csv", rule, rule.replace("OnTrack", "InProgress"))
    run_build(load_settings())
    hold = enrollments(run_push(load_settings())).hold
    assert hold.counts["status"] == len(sandbox.org.records(ENROLLMENT))
    assert "The map changed since the last push, which an earlier version of learnsync made" in hold.message
    assert run_push(load_settings(), PushOptions(approve=[hold.id])).complete
    assert set(in_org(sandbox, "Progress_Status__c")) == {"InProgress"}


# -- an ordinary day ---------------------------------------------------------------------------------------------------


def test_the_calendar_is_not_held(sandbox: Sandbox, pushed: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A due date that is the same for everybody passes at midnight; a push that failed half-way then goes on."""
    there = len(sandbox.org.records(ENROLLMENT))
    monkeypatch.setenv("LEARNSYNC_MAPPING__AS_OF", "2027-07-01T00:00:01Z")
    run_build(load_settings())
    part = run_push(load_settings(), PushOptions(limit=50))
    assert (enrollments(part).hold, enrollments(part).accepted) == (None, 50)
    monkeypatch.setenv("LEARNSYNC_MAPPING__AS_OF", "2027-07-01T00:15:01Z")
    run_build(load_settings())
    rest = run_push(load_settings())
    assert (enrollments(rest).hold, enrollments(rest).accepted, rest.complete) == (None, there - 50, True)
    assert set(in_org(sandbox, "Progress_Status__c")) == {"Overdue"}
    assert held_rows(pushed) == []


def test_a_warehouse_that_was_lost_compares_with_what_the_org_has(
    sandbox: Sandbox, pushed: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "new.duckdb"))
    monkeypatch.setenv("LEARNSYNC_MAPPING__AS_OF", "2027-07-01T00:00:01Z")
    catch_up(load_settings())
    dry = enrollments(run_push(load_settings(), PushOptions(dry_run=True)))
    assert (dry.hold, dry.create, dry.update) == (None, 0, len(sandbox.org.records(ENROLLMENT))), "the calendar alone"
    sandbox.portal.edit(some(sandbox, 150), changes={"status": 6})
    catch_up(load_settings())
    hold = enrollments(run_push(load_settings())).hold
    assert hold.counts["status"] == 150
    assert enrollments(run_push(load_settings())).hold == hold
    assert "This warehouse did not make the last push" in hold.message


def test_mistakes_are_held_on_the_day_of_a_due_date_too(
    sandbox: Sandbox, pushed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.portal.edit(some(sandbox, 150), changes={"dateDue": "2027-05-01T00:00:00"})
    monkeypatch.setenv("LEARNSYNC_MAPPING__AS_OF", "2027-07-01T00:00:01Z")
    catch_up(load_settings())
    counts = enrollments(run_push(load_settings())).hold.counts
    assert (counts["status"], counts["calendar"]) == (150, counts["records"] - 150)


def test_changes_of_a_day_a_comment_and_a_new_field_are_not_held(
    sandbox: Sandbox, pushed: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__MAX_CHANGE_PERCENT", "80")
    own_map(tmp_path / "maps", monkeypatch, "progress_status.csv", "rule,", "# Read with the training team.\nrule,")
    sandbox.portal.edit(some(sandbox, 150), changes={"status": 6})
    catch_up(load_settings())
    day = run_push(load_settings())
    assert (enrollments(day).hold, enrollments(day).accepted, day.complete) == (None, 150, True)
    field = "LMS_Enrollment__c,Completed_Percent__c,completed_percent,number,yes,\n"
    with monkeypatch.context() as without:
        own_map(tmp_path / "fewer", without, "salesforce_fields.csv", field, "")
        fewer = enrollments(run_push(load_settings()))
    more = enrollments(run_push(load_settings()))
    assert (fewer.hold, more.hold) == (None, None)
    assert fewer.accepted == more.accepted == len(sandbox.org.records(ENROLLMENT))
