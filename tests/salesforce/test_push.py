"""What the org holds after a push, what a push sends, and what becomes of records that the org refuses."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from started import Start, catch_up, portal_of, started
from support import Row, forget_what_is_known, query, records

import mappings
from connector.errors import ApiBudgetError, BadRequestError, IdentityError, IncompleteError, MappingError
from connector.progress import Silent
from connector.push import outcomes, values
from connector.push.reports import PushOptions, PushReport
from connector.salesforce.push import collections as collections_push
from connector.sandbox.server import Sandbox
from connector.settings import Settings, load_settings
from connector.sync import run_adopt, run_build, run_push
from connector.warehouse.database import Warehouse

REPO = Path(__file__).resolve().parents[2]
COURSE, ENROLLMENT = "LMS_Course__c", "LMS_Enrollment__c"
LABELS = (
    "NotStarted", "InProgress", "PendingApproval", "Complete", "NotComplete", "Failed", "Declined",
    "PendingEvaluationRequired", "OnWaitlist", "Absent", "NotApplicable", "PendingProctor", "ReadyForReview",
)  # fmt: skip
SYSTEM = {
    "Id", "IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp",
    "OwnerId",
}  # fmt: skip
COURSES_ONLY = PushOptions(targets=("lms_course",))
EVERYTHING = """
    SELECT p.*, r.*, e.*, m.salesforce_user_id, m.salesforce_contact_id, m.outcome,
      p."ProgressStatus" AS progress_status, p.rule AS progress_rule, p."CompletedPercent" AS percent,
      p.absorb_status AS code, r.score AS valid_score
    FROM learning_item_progress AS p
    JOIN learning_record AS r ON r.id = p.learning_record_id
    JOIN absorb.enrollments AS e ON e.id = p.enrollment_id
    LEFT JOIN salesforce.learner_matches AS m ON m.user_id = p.user_id
"""


class AtStage(Silent):
    """Does something once, when a stage begins."""

    def __init__(self, name: str, deed: Any) -> None:
        self._name, self._deed = name, deed

    def stage(self, name: str, total: int | None = None) -> None:
        if name == self._name:
            self._deed()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    return started(tmp_path_factory.mktemp("start"), scale=600, courses=8)


@pytest.fixture
def sandbox(start: Start) -> Iterator[Sandbox]:
    """A portal with the rows of `start`, and an org of this test's own."""
    with portal_of(start) as running:
        yield running


@pytest.fixture
def ready(start: Start, sandbox: Sandbox, settings: Settings) -> Settings:
    """Pulled and built, nothing pushed yet."""
    shutil.copy(start.warehouse, settings.warehouse.path)
    settings.warehouse.landing.mkdir()
    return settings


def totals(report: PushReport) -> dict[str, tuple[int, int, int, int]]:
    """(create, update, unchanged, blocked) per object."""
    return {t.object: (t.create, t.update, t.unchanged, sum(t.blocked.values())) for t in report.targets.values()}


def enrollments(report: PushReport) -> Any:
    return report.targets["lms_enrollment"]


def ledger(settings: Settings, where: str = "true") -> list[Row]:
    return records(Warehouse.of(settings), f"FROM salesforce.push_ledger WHERE {where} ORDER BY ALL")


def writes(sandbox: Sandbox, name: str = ENROLLMENT) -> dict[str, int]:
    assert sandbox.org is not None
    return dict(sandbox.org.write_counts["objects"].get(name, {}))


def in_org(sandbox: Sandbox, name: str, key: str) -> dict[str, Row]:
    assert sandbox.org is not None
    found = sandbox.org.records(name)
    assert len({row[key] for row in found}) == len(found), "a record twice"
    return {row[key]: row for row in found}


def moment(value: datetime | None) -> str | None:
    """An instant as the org keeps it: whole seconds, UTC."""
    return None if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def number(value: Any, digits: int = 2) -> float | None:
    return None if value is None else round(float(value), digits)


def expected_enrollment(row: Row, courses: dict[str, Row]) -> Row:
    return {
        "Absorb_Enrollment_Id__c": str(row["enrollment_id"]),
        "LMS_Course__c": courses[str(row["course_id"])]["Id"],
        "Learner_User__c": row["salesforce_user_id"],
        "Learner_Contact__c": row["salesforce_contact_id"],
        "Absorb_Status__c": LABELS[row["code"]],
        "Progress_Status__c": row["progress_status"],
        "Progress_Rule__c": row["progress_rule"],
        "Completed_Percent__c": number(row["percent"]),
        "Score__c": number(row["valid_score"]),
        "Start_Date__c": moment(row["StartDate"]),
        "Completed_Date__c": moment(row["CompletedDate"]),
        "Due_Date__c": moment(row["due_at"]),
        "Expires_Date__c": moment(row["date_expires"]),
        "Assigned_Date__c": moment(row["date_added"]),
        "Completed_On_Day__c": number(row["CompletedOnDay"]),
        "Certificate_Id__c": row["certification_ref"],
        "Credits__c": number(row["credits"]),
        "Is_Current__c": row["is_current"],
        "Removed__c": row["is_deleted"],
        "Learning_Record_Id__c": row["learning_record_id"],
    }


def expected_course(row: Row) -> Row:
    return {
        "Absorb_Course_Id__c": str(row["id"]),
        "Name": row["name"][:80],
        "Full_Name__c": row["name"][:255],
        "Course_Type__c": row["course_type"],
        "Vendor__c": (row["vendor"] or "").strip() or None,
        "Active__c": (row["active_status"] or 0) == 0,
        "External_Reference__c": (row["external_id"] or "").strip() or None,
    }


def own(row: Row, *without: str) -> Row:
    return {name: value for name, value in row.items() if name not in SYSTEM | set(without)}


def assert_org_is_the_map(sandbox: Sandbox, settings: Settings, *, unmatched_too: bool = False) -> None:
    """Every pushed record, field by field, against the warehouse; and no record too many or too few."""
    warehouse = Warehouse.of(settings)
    courses = in_org(sandbox, COURSE, "Absorb_Course_Id__c")
    wanted = {str(row["id"]): expected_course(row) for row in records(warehouse, "FROM absorb.courses")}
    assert {key: own(row) for key, row in courses.items()} == wanted
    rows = records(warehouse, EVERYTHING)
    wanted = {
        str(row["enrollment_id"]): expected_enrollment(row, courses)
        for row in rows
        if row["outcome"] == "matched" or unmatched_too
    }
    held = in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c")
    assert {key: own(row, "Name", "Days_In_Progress__c", "Expired__c") for key, row in held.items()} == wanted


def assert_formulas_agree(sandbox: Sandbox, settings: Settings) -> None:
    """The org's formulas say what the warehouse says; the org's clock has gone on since the build by seconds."""
    computed = 'SELECT enrollment_id, "DaysInProgress", absorb_status = 3 FROM learning_item_progress'
    days = {str(key): (number, done) for key, number, done in query(Warehouse.of(settings), computed)}
    held = in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c")
    seen = set()
    for key, row in held.items():
        number, done = days[key]
        seen.add((done, None if number is None else number > 0))
        found = row["Days_In_Progress__c"]
        assert found == number or (not done and found == number + 1)
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        assert row["Expired__c"] == ((row["Expires_Date__c"] or "9999")[:10] < today)
    assert {(True, True), (True, False), (True, None), (False, True)} <= seen
    assert {row["Expired__c"] for row in held.values()} == {True, False}


# -- what is sent -----------------------------------------------------------------------------------------------------


def test_the_first_push_makes_the_org_equal_the_map_field_by_field(sandbox: Sandbox, settings: Settings) -> None:
    portal = sandbox.portal
    keys = sorted(row["id"] for row in portal.rows("enrollments"))
    portal.edit(keys[0:9], changes={"certificateId": "854FAAE6-C690-435D-8316-0DD91AF758B4", "credits": 2.5})
    portal.edit(keys[9:18], changes={"dateExpires": "2030-02-28T23:59:59.999", "score": 0})
    portal.edit(keys[18:27], changes={"score": 130, "dateDue": "2031-07-01T00:00:00", "status": 1, "progress": 33.333})
    portal.edit(keys[27:36], changes={"score": None, "credits": None, "dateStarted": None, "dateDue": None})
    # A completion that was recorded years after it happened, one that nobody dated, and one that has lapsed.
    portal.edit(keys[60:69], changes={"status": 3, "dateCompleted": "2019-05-18T10:00:00"})
    portal.edit(keys[69:78], changes={"status": 3, "dateCompleted": None})
    portal.edit(keys[78:87], changes={"dateExpires": "2024-05-18T10:00:00"})
    catch_up(settings)
    with Warehouse.of(settings).connect() as connection:  # what a full sweep finds to have vanished
        connection.execute(
            "UPDATE absorb.enrollments SET _removed_at = '2026-02-01T00:00:00Z' WHERE list_contains($1, id::VARCHAR)",
            [keys[36:60]],
        )
        forget_what_is_known(connection)
    run_build(settings)
    report = run_push(settings)
    assert report.complete
    assert enrollments(report).created == enrollments(report).accepted == enrollments(report).create > 400
    assert report.targets["lms_course"].created == 8
    assert_org_is_the_map(sandbox, settings)
    held = in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c").values()
    assert {row["Removed__c"] for row in held} == {True, False}
    for row in held:
        if row["Removed__c"]:
            kept = row["Absorb_Status__c"] == "Complete"
            assert row["Progress_Rule__c"].startswith("completed") if kept else row["Progress_Rule__c"] == "removed"
    assert_formulas_agree(sandbox, settings)
    for name in ("Score__c", "Credits__c", "Certificate_Id__c", "Expires_Date__c", "Due_Date__c", "Learner_Contact__c"):
        assert len({row[name] is None for row in held}) == 2, f"{name}: both null and not null must be proved"


def test_a_second_push_sends_nothing(sandbox: Sandbox, ready: Settings) -> None:
    first = run_push(ready)
    before = sandbox.org.write_counts
    again = run_push(ready)
    assert again.complete
    assert [target.sent for target in again.targets.values()] == [0, 0]
    assert enrollments(again).unchanged == enrollments(first).create
    assert sandbox.org.write_counts == before


def test_courses_are_in_the_org_before_the_first_enrollment(sandbox: Sandbox, ready: Settings) -> None:
    seen: list[dict[str, int]] = []
    run_push(ready, progress=AtStage(ENROLLMENT, lambda: seen.append(sandbox.org.record_counts())))
    assert [(counts[COURSE], counts[ENROLLMENT]) for counts in seen] == [(8, 0)]


def test_an_edit_sends_exactly_the_edited_record(sandbox: Sandbox, ready: Settings) -> None:
    run_push(ready)
    chosen = sorted(in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c"))[7]
    sandbox.portal.edit([chosen], changes={"score": 12.25, "status": 5})
    before = writes(sandbox)
    catch_up(ready)
    report = run_push(ready)
    assert totals(report)[ENROLLMENT][:2] == (0, 1)
    assert report.targets["lms_course"].sent == 0
    assert enrollments(report).created == 0
    after = writes(sandbox)
    assert (after["created"], after["updated"]) == (before["created"], before.get("updated", 0) + 1)
    record = in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c")[chosen]
    assert (record["Score__c"], record["Absorb_Status__c"]) == (12.25, "Failed")
    assert_org_is_the_map(sandbox, ready)


def test_a_value_that_goes_becomes_null_in_the_org(sandbox: Sandbox, ready: Settings) -> None:
    run_push(ready)
    held = in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c")
    chosen = next(key for key, row in held.items() if row["Due_Date__c"] and row["Start_Date__c"])
    sandbox.portal.edit([chosen], changes={"dateDue": None, "dateStarted": None})
    catch_up(ready)
    run_push(ready)
    record = in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c")[chosen]
    assert (record["Due_Date__c"], record["Start_Date__c"]) == (None, None)


def test_a_day_passing_alone_sends_only_rows_whose_status_changed(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(UTC).replace(microsecond=0)
    due = (today + timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%S.5")
    active = {row["id"] for row in sandbox.portal.rows("users") if row["activeStatus"] == 0}
    keys = sorted(row["id"] for row in sandbox.portal.rows("enrollments") if row["userId"] in active)[:20]
    sandbox.portal.edit(
        keys, changes={"status": 1, "isActive": True, "dateDue": due, "dateCompleted": None, "progress": 99.0}
    )
    monkeypatch.setenv("LEARNSYNC_MAPPING__AS_OF", today.isoformat())
    catch_up(load_settings())
    run_push(load_settings())
    statuses = 'SELECT enrollment_id, "ProgressStatus", "DaysInProgress" FROM learning_item_progress'
    before = {row[0]: row[1:] for row in query(Warehouse.of(settings), statuses)}
    untouched = in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c")

    monkeypatch.setenv("LEARNSYNC_MAPPING__AS_OF", (today + timedelta(days=1)).isoformat())
    run_build(load_settings())
    report = run_push(load_settings())
    after = {row[0]: row[1:] for row in query(Warehouse.of(settings), statuses)}
    changed = {str(key) for key in after if after[key][0] != before[key][0]} & set(untouched)
    days = {str(key) for key in after if after[key][1] != before[key][1]} & set(untouched)
    assert changed
    assert len(days - changed) > 50, "many rows must differ by the day alone"
    assert totals(report)[ENROLLMENT][:2] == (0, len(changed))
    now = in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c")
    assert {key for key in now if now[key]["Progress_Status__c"] != untouched[key]["Progress_Status__c"]} == changed
    assert_org_is_the_map(sandbox, settings)


def test_a_limit_sends_no_more_than_so_many_and_repeats_reach_the_end(sandbox: Sandbox, ready: Settings) -> None:
    options = PushOptions(limit=220)
    sent = []
    while not sent or sent[-1]:
        report = run_push(ready, options)
        sent.append(enrollments(report).sent)
    assert sent[0] == 220
    assert max(sent) == 220
    assert writes(sandbox)["created"] == sum(sent) == len(in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c"))
    assert_org_is_the_map(sandbox, ready)


# -- dry run ----------------------------------------------------------------------------------------------------------


def contents(settings: Settings) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    with Warehouse.of(settings).connect() as connection:
        names = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() ORDER BY ALL").fetchall()
        return {
            f"{schema}.{table}": sorted(map(repr, connection.execute(f'FROM "{schema}"."{table}"').fetchall()))
            for schema, table in names
        }


@pytest.mark.parametrize("pushed_before", [False, True])
def test_a_dry_run_writes_nothing_anywhere_and_says_what_the_push_then_does(
    sandbox: Sandbox, ready: Settings, pushed_before: bool
) -> None:
    if pushed_before:
        run_push(ready, PushOptions(limit=100))
        sandbox.portal.edit(50)
        catch_up(ready)
        some_user = next(row["Id"] for row in sandbox.org.records("User") if row["FederationIdentifier"])
        sandbox.org.set_values("User", some_user, IsActive=False)
    before = contents(ready)
    org = (sandbox.org.write_counts, sandbox.org.records(ENROLLMENT))
    files = {path for path in ready.warehouse.path.parent.rglob("*") if path.is_file()}

    dry = run_push(ready, PushOptions(dry_run=True))

    assert contents(ready) == before
    assert "salesforce.users" in before
    assert (sandbox.org.write_counts, sandbox.org.records(ENROLLMENT)) == org
    assert {path for path in ready.warehouse.path.parent.rglob("*") if path.is_file()} == files
    assert dry.dry_run
    assert [target.sent for target in dry.targets.values()] == [0, 0]
    real = run_push(ready)
    assert totals(dry) == totals(real)
    assert dry.learners == real.learners
    sampled = [
        [{name: one[name] for name in ("action", "external_id", "payload")} for one in target.samples]
        for target in dry.targets.values()
    ]
    assert sampled == [t.samples for t in real.targets.values()]
    assert enrollments(real).accepted == enrollments(dry).create + enrollments(dry).update > 0


def test_a_dry_run_shows_samples_of_each_action(sandbox: Sandbox, ready: Settings) -> None:
    shown = enrollments(run_push(ready, PushOptions(dry_run=True))).samples
    assert {sample["action"] for sample in shown} == {"create", "unmatched", "ambiguous"}
    for sample in shown:
        assert sample["payload"]["Absorb_Enrollment_Id__c"] == sample["external_id"]


def test_a_dry_run_shows_old_and_new_of_each_field_that_differs(sandbox: Sandbox, ready: Settings) -> None:
    run_push(ready)
    sandbox.portal.edit(30)
    catch_up(ready)
    shown = [s for s in enrollments(run_push(ready, PushOptions(dry_run=True, samples=50))).samples if "changes" in s]
    assert shown
    records = in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c")
    for sample in shown:
        assert sample["action"] == "update"
        assert sample["changes"], "it would not be sent otherwise"
        for change in sample["changes"]:
            assert change["new"] == sample["payload"][change["field"]]
            assert change["old"] == records[sample["external_id"]][change["field"]]
    run_push(ready)
    kinds = {field.field: field.kind for field in mappings.load_mapping().object_fields(ENROLLMENT)}
    for sample in shown:
        record = in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c")[sample["external_id"]]
        for change in sample["changes"]:
            kind = kinds[change["field"]]
            assert values.in_org(record[change["field"]], kind) == values.in_org(change["new"], kind)
    full = enrollments(run_push(ready, PushOptions(dry_run=True, full=True))).samples
    assert [sample["changes"] for sample in full if sample["action"] == "update"] == [[], [], []]


def test_a_dry_run_shows_what_somebody_changed_in_the_org(sandbox: Sandbox, ready: Settings) -> None:
    run_push(ready)
    record = next(iter(in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c").values()))
    sandbox.org.set_values(ENROLLMENT, record["Id"], Completed_Percent__c=12.5, Certificate_Id__c=None)
    report = enrollments(run_push(ready, PushOptions(dry_run=True, full=True, samples=1000)))
    found = {s["external_id"]: s["changes"] for s in report.samples if s.get("changes")}
    (changed,) = found.values()
    assert {"field": "Completed_Percent__c", "old": 12.5, "new": record["Completed_Percent__c"]} in changed


def test_a_full_push_sends_everything_again_and_repairs_the_org(sandbox: Sandbox, ready: Settings) -> None:
    first = enrollments(run_push(ready))
    records = list(in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c").values())
    sandbox.org.set_values(ENROLLMENT, records[0]["Id"], Completed_Percent__c=12.5)
    sandbox.org.delete(ENROLLMENT, [records[1]["Id"]])
    assert enrollments(run_push(ready)).sent == 0
    full = enrollments(run_push(ready, PushOptions(full=True)))
    assert (full.sent, full.accepted, full.created) == (first.sent, first.sent, 1)
    assert_org_is_the_map(sandbox, ready)
    assert enrollments(run_push(ready)).sent == 0


def test_a_call_refused_whole_is_halved_until_the_record_at_fault_stands_alone(
    sandbox: Sandbox, ready: Settings
) -> None:
    run_push(ready, COURSES_ONLY)
    refusals = [(400, "JSON_PARSER_ERROR")] * 8  # 200 records, 100, 50, 25, 12, 6, 3, 1
    report = run_push(ready, progress=AtStage(ENROLLMENT, lambda: sandbox.org.refuse_next(*refusals)))
    assert not report.complete
    outcome = enrollments(report)
    assert (outcome.rejected, outcome.accepted) == (1, outcome.create - 1)
    (row,) = ledger(ready, "state = 'rejected'")
    assert row["error_code"] == "JSON_PARSER_ERROR"
    assert outcome.errors == {"JSON_PARSER_ERROR": 1}


def test_an_org_that_refuses_every_call_whole_ends_the_run(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collections_push, "MOST_ISOLATED", 2)
    run_push(ready, COURSES_ONLY)
    refusals = [(400, "JSON_PARSER_ERROR")] * 60
    with pytest.raises(BadRequestError, match="JSON_PARSER_ERROR"):
        run_push(ready, progress=AtStage(ENROLLMENT, lambda: sandbox.org.refuse_next(*refusals)))


# -- blocked ----------------------------------------------------------------------------------------------------------


def test_blocked_learners_are_counted_by_reason_and_leave_the_push_complete(sandbox: Sandbox, ready: Settings) -> None:
    report = run_push(ready)
    reasons = query(
        Warehouse.of(ready),
        "SELECT m.outcome, count(*) FROM absorb.enrollments JOIN salesforce.learner_matches AS m USING (user_id)"
        " WHERE m.outcome <> 'matched' GROUP BY ALL",
    )
    assert report.complete
    assert enrollments(report).blocked == dict(reasons)
    assert set(enrollments(report).blocked) == {"unmatched", "ambiguous"}
    assert enrollments(report).create + sum(enrollments(report).blocked.values()) == 600


def test_push_unmatched_sends_blocked_learners_without_a_lookup(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = run_push(ready).targets["lms_enrollment"].blocked
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__PUSH_UNMATCHED", "true")
    report = run_push(load_settings())
    assert enrollments(report).blocked == {}
    assert totals(report)[ENROLLMENT][:2] == (sum(blocked.values()), 0)
    held = in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c").values()
    assert sum(not (row["Learner_User__c"] or row["Learner_Contact__c"]) for row in held) == sum(blocked.values())
    assert_org_is_the_map(sandbox, ready, unmatched_too=True)


# -- ledger, orgs, maps -----------------------------------------------------------------------------------------------


def test_the_ledger_has_one_row_per_record_with_the_orgs_own_id(sandbox: Sandbox, ready: Settings) -> None:
    report = run_push(ready)
    rows = ledger(ready)
    assert len(rows) == 8 + enrollments(report).accepted
    ids = {row["Absorb_Course_Id__c"]: row["Id"] for row in sandbox.org.records(COURSE)}
    ids |= {row["Absorb_Enrollment_Id__c"]: row["Id"] for row in sandbox.org.records(ENROLLMENT)}
    (run_id,) = query(Warehouse.of(ready), "SELECT run_id FROM ops.runs WHERE command = 'push'")[0]
    for row in rows:
        assert row["salesforce_id"] == ids[row["external_id"]]
        assert (row["state"], row["attempts"], row["error_code"], row["run_id"]) == ("accepted", 1, None, run_id)
        assert row["accepted_hash"] == row["payload_hash"]
        assert len(row["payload_hash"]) == 64
        assert row["first_sent_at"] == row["last_sent_at"] == row["accepted_at"]
        assert row["org_id"] == sandbox.org.sessions.org_id[: len(row["org_id"])]
        assert row["tenant_id"] == "default"


def test_an_adopted_org_gets_everything_again_and_the_first_stays_known(
    start: Start, sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_push(ready)
    first = ledger(ready)
    home = {name: value for name, value in sandbox.settings().items() if "SALESFORCE" in name}
    with portal_of(start) as other:
        for name in home:
            monkeypatch.setenv(name, other.settings()[name])
        with pytest.raises(IdentityError):
            run_push(load_settings())
        run_adopt(load_settings())
        report = run_push(load_settings())
        assert report.targets["lms_course"].created == 8
        assert enrollments(report).created == enrollments(report).create == other.org.record_counts()[ENROLLMENT] > 300
        assert_org_is_the_map(other, ready)
    assert len({row["org_id"] for row in ledger(ready)}) == 2
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    run_adopt(load_settings())
    back = run_push(load_settings())
    assert (back.targets["lms_course"].sent, enrollments(back).create) == (0, 0)
    known = {row["org_id"] for row in first}
    assert [row for row in ledger(ready) if row["org_id"] in known and row["attempts"] == 1]


def test_a_changed_field_map_sends_the_records_it_changes_and_no_others(
    sandbox: Sandbox, ready: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_push(ready)
    own_maps = tmp_path / "maps"
    own_maps.mkdir()
    packaged = (mappings.PACKAGED / "salesforce_fields.csv").read_text("utf-8")
    line = "LMS_Course__c,Vendor__c,vendor,text,no"
    assert line in packaged
    (own_maps / "salesforce_fields.csv").write_text(packaged.replace(line, line.replace(",vendor,", ",course_id,")))
    monkeypatch.setenv("LEARNSYNC_MAPPING__DIR", str(own_maps))
    report = run_push(load_settings())
    assert totals(report)[COURSE] == (0, 8, 0, 0)
    assert enrollments(report).sent == 0
    assert all(row["Vendor__c"] == row["Absorb_Course_Id__c"] for row in sandbox.org.records(COURSE))


def test_a_field_map_that_names_a_column_nobody_has_is_one_message(
    ready: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = (mappings.PACKAGED / "salesforce_fields.csv").read_text("utf-8")
    line = "LMS_Course__c,Vendor__c,vendor,text,no"
    own_maps = tmp_path / "maps"
    own_maps.mkdir()
    (own_maps / "salesforce_fields.csv").write_text(packaged.replace(line, line.replace(",vendor,", ",vendour,")))
    monkeypatch.setenv("LEARNSYNC_MAPPING__DIR", str(own_maps))
    with pytest.raises(MappingError, match=r"salesforce_fields\.csv.*vendour"):
        run_push(load_settings())


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_a_record_refused_for_good_is_held_back_until_its_payload_changes(sandbox: Sandbox, ready: Settings) -> None:
    run_push(ready, COURSES_ONLY)
    sandbox.org.fail_next("FIELD_CUSTOM_VALIDATION_EXCEPTION")
    report = run_push(ready)
    assert not report.complete
    assert (enrollments(report).rejected, enrollments(report).deferred) == (1, 0)
    assert enrollments(report).errors == {"FIELD_CUSTOM_VALIDATION_EXCEPTION": 1}
    assert enrollments(report).accepted == enrollments(report).create - 1
    (refused,) = ledger(ready, "state = 'rejected'")
    assert (refused["error_code"], refused["error_text"]) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "injected fault")
    assert (refused["accepted_hash"], refused["accepted_at"], refused["salesforce_id"]) == (None, None, None)

    before = sandbox.org.write_counts
    again = run_push(ready)
    assert (enrollments(again).held, enrollments(again).sent, again.complete) == (1, 0, False)
    assert sandbox.org.write_counts == before

    sandbox.portal.edit([refused["external_id"]], changes={"score": 77.5})
    catch_up(ready)
    last = run_push(ready)
    assert (enrollments(last).accepted, enrollments(last).held, last.complete) == (1, 0, True)
    (settled,) = ledger(ready, f"external_id = '{refused['external_id']}'")
    assert (settled["state"], settled["error_code"], settled["attempts"]) == ("accepted", None, 2)
    assert_org_is_the_map(sandbox, ready)


def test_an_update_refused_for_good_keeps_the_orgs_id_and_what_it_accepted_before(
    sandbox: Sandbox, ready: Settings
) -> None:
    run_push(ready)
    chosen = sorted(in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c"))[0]
    (before,) = ledger(ready, f"external_id = '{chosen}'")
    sandbox.portal.edit([chosen], changes={"score": 1.5})
    catch_up(ready)
    sandbox.org.fail_next("STRING_TOO_LONG")
    run_push(ready)
    (after,) = ledger(ready, f"external_id = '{chosen}'")
    assert after["state"] == "rejected"
    assert (after["salesforce_id"], after["accepted_hash"]) == (before["salesforce_id"], before["accepted_hash"])
    assert after["payload_hash"] != before["payload_hash"]


@pytest.mark.parametrize("code", ["INVALID_CROSS_REFERENCE_KEY", "INACTIVE_OWNER_OR_USER"])
def test_a_deferred_record_is_sent_again_by_the_next_push(sandbox: Sandbox, ready: Settings, code: str) -> None:
    run_push(ready, COURSES_ONLY)
    sandbox.org.fail_next(code)
    report = run_push(ready)
    assert (enrollments(report).deferred, enrollments(report).rejected, report.complete) == (1, 0, False)
    assert [row["error_code"] for row in ledger(ready, "state = 'deferred'")] == [code]
    again = run_push(ready)
    assert (enrollments(again).sent, enrollments(again).accepted, again.complete) == (1, 1, True)
    assert_org_is_the_map(sandbox, ready)


def test_enrollments_of_a_refused_course_wait_for_it(sandbox: Sandbox, ready: Settings) -> None:
    sandbox.org.fail_next("FIELD_CUSTOM_VALIDATION_EXCEPTION")
    report = run_push(ready)
    assert report.targets["lms_course"].rejected == 1
    assert enrollments(report).errors.keys() == {"INVALID_FIELD"}
    assert enrollments(report).deferred > 0
    assert enrollments(report).rejected == 0
    (course,) = ledger(ready, "state = 'rejected'")
    sandbox.portal.patch("courses", course["external_id"], {"name": "A name that the rule likes"})
    catch_up(ready)
    again = run_push(ready)
    assert again.complete
    assert enrollments(again).accepted == enrollments(report).deferred
    assert_org_is_the_map(sandbox, ready)


def test_a_locked_row_is_tried_again_within_the_run_and_ends_accepted(sandbox: Sandbox, ready: Settings) -> None:
    run_push(ready, COURSES_ONLY)
    sandbox.org.fail_next(*["UNABLE_TO_LOCK_ROW"] * 60)
    report = run_push(ready)
    assert report.complete
    assert enrollments(report).accepted == enrollments(report).create == enrollments(report).sent
    assert enrollments(report).errors == {}
    assert writes(sandbox)["failed"] == 60
    assert {row["state"] for row in ledger(ready)} == {"accepted"}
    assert_org_is_the_map(sandbox, ready)


def test_a_lock_that_stays_is_deferred_to_the_next_run(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(outcomes.TRIES_AGAIN, "retry", 1)
    run_push(ready, COURSES_ONLY)
    options = PushOptions(limit=3)
    sandbox.org.fail_next(*["UNABLE_TO_LOCK_ROW"] * 6)
    report = run_push(ready, options)
    assert (enrollments(report).deferred, enrollments(report).accepted, report.complete) == (3, 0, False)
    again = run_push(ready, options)
    assert (enrollments(again).accepted, enrollments(again).deferred) == (3, 0)
    assert not again.complete, "the limit leaves the rest due"


@pytest.mark.parametrize("code", ["INSUFFICIENT_ACCESS_OR_READONLY", "STORAGE_LIMIT_EXCEEDED"])
def test_a_stop_code_ends_the_run_and_keeps_what_was_accepted(sandbox: Sandbox, ready: Settings, code: str) -> None:
    run_push(ready, COURSES_ONLY)
    sandbox.org.fail_next(code)
    with pytest.raises(IncompleteError) as caught:
        run_push(ready)
    assert caught.value.exit_code == 1
    assert code in str(caught.value)
    assert ENROLLMENT in str(caught.value)
    assert "admin" in caught.value.remedy
    assert writes(sandbox) == {"created": 199, "failed": 1}  # the first collection, and no other
    states = query(
        Warehouse.of(ready),
        f"SELECT state, count(*) FROM salesforce.push_ledger WHERE target_object = '{ENROLLMENT}' GROUP BY ALL",
    )
    assert dict(states) == {"accepted": 199, "deferred": 1}
    ((outcome, message),) = query(
        Warehouse.of(ready),
        "SELECT outcome, message FROM ops.runs WHERE command = 'push' ORDER BY started_at DESC LIMIT 1",
    )
    assert outcome == "failed"
    assert code in message
    assert run_push(ready).complete
    assert_org_is_the_map(sandbox, ready)


def test_a_session_that_ends_in_the_middle_is_renewed_once(sandbox: Sandbox, ready: Settings) -> None:
    report = run_push(ready, progress=AtStage(ENROLLMENT, sandbox.org.expire_sessions))
    assert report.complete
    assert sandbox.org.calls["POST /services/oauth2/token"] == 2
    assert_org_is_the_map(sandbox, ready)


def test_a_budget_reached_in_the_middle_ends_the_run_and_keeps_what_was_accepted(
    sandbox: Sandbox, ready: Settings
) -> None:
    with pytest.raises(ApiBudgetError) as caught:
        run_push(ready, progress=AtStage(ENROLLMENT, lambda: sandbox.org.set_api_usage(93, 100)))
    assert caught.value.exit_code == 1
    assert len(ledger(ready, f"target_object = '{ENROLLMENT}' AND state = 'accepted'")) == 200
    sandbox.org.set_api_usage(0, 100_000)
    assert run_push(ready).complete
    assert writes(sandbox).get("unchanged", 0) == 0, "an accepted record was sent again"
    assert_org_is_the_map(sandbox, ready)


def test_a_record_keeps_its_lookup_and_goes_on_being_updated_when_its_learner_matches_nobody_any_more(
    sandbox: Sandbox, ready: Settings
) -> None:
    run_push(ready)
    held = in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c").values()
    person = next(row["Learner_User__c"] for row in held if row["Learner_User__c"])
    theirs = sum(row["Learner_User__c"] == person for row in held)
    sandbox.org.set_values("User", person, IsActive=False, Email="gone@org.example", FederationIdentifier=None)
    report = run_push(ready)
    run_build(ready)
    owners = query(Warehouse.of(ready), 'SELECT count(*) FROM learning_item_progress WHERE "OwnerId" = ?', [person])
    assert owners == [(0,)]
    assert enrollments(report).unchanged == len(held), "the lookup stays, so nothing changes by itself"
    assert enrollments(report).rejected + enrollments(report).deferred == 0
    with Warehouse.of(ready).transaction() as connection:
        connection.execute(
            "UPDATE absorb.enrollments SET _removed_at = now() WHERE user_id IN"
            " (SELECT user_id FROM salesforce.learner_matches WHERE last_user_id = ?)", [person]
        )  # fmt: skip
        forget_what_is_known(connection)
    run_build(ready)
    assert enrollments(run_push(ready)).accepted >= theirs
    now = in_org(sandbox, ENROLLMENT, "Absorb_Enrollment_Id__c").values()
    assert [row["Removed__c"] for row in now if row["Learner_User__c"] == person] == [True] * theirs


# -- a process that dies ----------------------------------------------------------------------------------------------

PUSH = """
import connector.salesforce.push.collections as engine
from connector.settings import load_settings
from connector.sync import run_push

engine.COLLECTION_LIMIT, engine.FLUSH_RECORDS = 10, 60
assert run_push(load_settings()).complete
"""


def start_push() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PUSH], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(REPO)},
    )  # fmt: skip


@pytest.mark.lets_go
def test_a_push_killed_in_the_middle_leaves_no_record_twice_and_the_next_one_ends_it(
    sandbox: Sandbox, ready: Settings
) -> None:
    due = enrollments(run_push(ready, PushOptions(dry_run=True))).create
    for goal in (25, 190, 330):
        process = start_push()
        deadline = time.monotonic() + 30
        while sandbox.org.record_counts()[ENROLLMENT] < goal:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "the push does not get on"
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=20) == -signal.SIGKILL
        process.communicate()
    reached = sandbox.org.record_counts()[ENROLLMENT]
    assert 330 <= reached < due, "a kill must fall into the middle"
    known = ledger(ready, f"target_object = '{ENROLLMENT}'")
    assert len(known) < reached, "a kill must fall between sending and the ledger"
    assert {row["state"] for row in known} == {"accepted"}

    report = run_push(ready)

    assert report.complete
    assert sandbox.org.record_counts()[ENROLLMENT] == due
    rows = ledger(ready)
    assert len(rows) == due + 8
    assert {row["state"] for row in rows} == {"accepted"}
    assert writes(sandbox).get("updated", 0) == 0, "a repeat changed a record"
    assert_org_is_the_map(sandbox, ready)
    outcomes = query(Warehouse.of(ready), "SELECT outcome FROM ops.runs WHERE command = 'push' ORDER BY started_at")
    assert outcomes == [("interrupted",)] * 3 + [("complete",)]


def test_a_push_leaves_no_spooled_records_behind(sandbox: Sandbox, ready: Settings) -> None:
    landing = ready.warehouse.landing
    run_push(ready)
    sandbox.org.fail_next("STORAGE_LIMIT_EXCEEDED")
    sandbox.portal.edit(3)
    catch_up(ready)
    with pytest.raises(IncompleteError):
        run_push(ready)
    assert [path.name for path in landing.iterdir() if path.is_dir()] == []
    shutil.rmtree(landing)
