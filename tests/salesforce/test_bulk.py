"""Pushes by Bulk API 2.0: what the org holds afterwards, what is sent, and what a kill or a failing job leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_push as by_collections
from test_push import (
    ENROLLMENT,
    REPO,
    AtStage,
    assert_org_is_the_map,
    catch_up,
    enrollments,
    in_org,
    ledger,
    totals,
    writes,
)  # fmt: skip

from connector import sync
from connector.cli.commands.push import show_push
from connector.errors import ApiBudgetError, IncompleteError, ServerFaultError
from connector.progress import Progress, Silent
from connector.push.difference import read
from connector.push.outcomes import STATES, RowResult, classify, final_outcome
from connector.push.reports import Pauses, PushOptions, PushReport
from connector.salesforce.push import bulk_files
from connector.salesforce.push.bulk_files import Part
from connector.salesforce.push.bulk_jobs import BulkJobs
from connector.salesforce.push.bulk_ledger import Again, BulkLedger
from connector.salesforce.push.bulk_results import extract
from connector.sandbox.server import Sandbox
from connector.settings import Settings, load_settings
from connector.warehouse.database import Warehouse
from mappings import load_mapping

start, sandbox, ready = by_collections.start, by_collections.sandbox, by_collections.ready
KEY = "Absorb_Enrollment_Id__c"
QUICK = Pauses(between_tries=0.1, first_poll=0.005)


def run_push(
    settings: Settings, options: PushOptions | None = None, progress: Progress | None = None, pauses: Pauses = QUICK
) -> PushReport:
    """A push that waits for a shorter time than an org would like."""
    return sync.run_push(settings, replace(options or PushOptions(), pauses=pauses), progress)


@pytest.fixture
def settings_of_bulk(ready: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Pulled and built; more than 50 records go in bulk, the org works off 100 rows per poll."""
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__BULK_THRESHOLD", "50")
    sandbox.org.bulk.batch_rows = 100
    return load_settings()


def open_rows(settings: Settings) -> list[Any]:
    return ledger(settings, "state = 'sent'")


def job_of(sandbox: Sandbox, at: int = -1) -> Any:
    return list(sandbox.org.bulk.jobs.values())[at]


# -- what is sent -----------------------------------------------------------------------------------------------------


def test_above_the_threshold_records_go_as_one_job_and_the_org_is_the_map(
    sandbox: Sandbox, settings_of_bulk: Settings
) -> None:
    report = run_push(settings_of_bulk)
    done = enrollments(report)
    assert report.complete
    assert (report.targets["lms_course"].method, done.method) == ("collections", "bulk")
    assert done.jobs == list(sandbox.org.bulk.jobs)
    assert done.sent == done.accepted == done.created == done.create == sandbox.org.bulk.rows_received > 400
    assert sandbox.org.write_counts["collection_calls"] == 1  # the courses
    assert_org_is_the_map(sandbox, settings_of_bulk)
    ids = {key: row["Id"] for key, row in in_org(sandbox, ENROLLMENT, KEY).items()}
    for row in ledger(settings_of_bulk, f"target_object = '{ENROLLMENT}'"):
        assert (row["state"], row["attempts"], row["job_id"]) == ("accepted", 1, done.jobs[0])
        assert row["salesforce_id"] == ids[row["external_id"]]
        assert row["accepted_hash"] == row["payload_hash"]
        assert row["accepted_at"] >= row["last_sent_at"]


def test_a_repeated_push_sends_nothing(sandbox: Sandbox, settings_of_bulk: Settings) -> None:
    run_push(settings_of_bulk)
    before = sandbox.org.bulk.rows_received
    again = run_push(settings_of_bulk)
    assert [(target.sent, target.method) for target in again.targets.values()] == [(0, ""), (0, "")]
    assert sandbox.org.bulk.rows_received == before
    assert again.resumed == []


def test_exactly_the_threshold_still_goes_by_collections(sandbox: Sandbox, settings_of_bulk: Settings) -> None:
    run_push(settings_of_bulk, by_collections.COURSES_ONLY)
    assert enrollments(run_push(settings_of_bulk, PushOptions(limit=50))).method == "collections"
    assert enrollments(run_push(settings_of_bulk, PushOptions(limit=51))).method == "bulk"
    assert sandbox.org.bulk.rows_received == 51
    assert sandbox.org.record_counts()[ENROLLMENT] == 101


def test_a_dry_run_says_the_method_and_calls_no_job(sandbox: Sandbox, settings_of_bulk: Settings) -> None:
    report = run_push(settings_of_bulk, PushOptions(dry_run=True))
    assert enrollments(report).method == "bulk"
    assert sandbox.org.bulk.jobs == {}
    assert totals(report) == totals(run_push(settings_of_bulk))


def test_values_that_csv_finds_hard_and_values_that_go(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Courses have the free texts: they go in bulk here, with commas, quotes, line ends and every alphabet."""
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__BULK_THRESHOLD", "1")
    texts = ['a, "b"', "line\nbreak", "crlf\r\nend", "Übung 日本 🎓", '""', "semi;tab\tx", "'", "x" * 255]
    keys = sorted(row["id"] for row in sandbox.portal.rows("courses"))
    with Warehouse.of(ready).connect() as connection:
        for key, text in zip(keys, texts, strict=True):
            connection.execute("UPDATE absorb.courses SET vendor = ?, name = ? WHERE id = ?", [text, text, key])
        connection.execute("UPDATE absorb.courses SET external_id = 'here'")
    assert run_push(load_settings()).complete
    assert_org_is_the_map(sandbox, ready)
    with Warehouse.of(ready).connect() as connection:
        connection.execute("UPDATE absorb.courses SET vendor = NULL, external_id = ''")
    report = run_push(load_settings(), by_collections.COURSES_ONLY)
    assert (report.targets["lms_course"].update, report.targets["lms_course"].method) == (8, "bulk")
    held = sandbox.org.records("LMS_Course__c")
    assert {(row["Vendor__c"], row["External_Reference__c"]) for row in held} == {(None, None)}


def test_a_value_that_goes_becomes_null(sandbox: Sandbox, settings_of_bulk: Settings) -> None:
    run_push(settings_of_bulk)
    keys = list(in_org(sandbox, ENROLLMENT, KEY))
    sandbox.portal.edit(keys, changes={"dateDue": None, "dateStarted": None, "score": None, "progress": 12.5})
    catch_up(settings_of_bulk)
    hold = enrollments(run_push(settings_of_bulk)).hold  # so many values at once go only when somebody says so
    report = enrollments(run_push(settings_of_bulk, PushOptions(approve=[hold.id])))
    assert (report.method, report.created) == ("bulk", 0)
    held = in_org(sandbox, ENROLLMENT, KEY).values()
    assert {(row["Due_Date__c"], row["Start_Date__c"], row["Score__c"]) for row in held} == {(None, None, None)}
    assert_org_is_the_map(sandbox, settings_of_bulk)


def test_files_split_by_size_keep_parents_together_and_stay_below_the_limit(
    sandbox: Sandbox, settings_of_bulk: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, list[str]]] = []
    upload = BulkJobs.upload

    async def watched(self: BulkJobs, job_id: str, file: Path) -> None:
        lines = file.read_bytes().decode().splitlines()
        column = lines[0].split(",").index("LMS_Course__r.Absorb_Course_Id__c")
        sent.append((file.stat().st_size, [line.split(",")[column] for line in lines[1:]]))
        await upload(self, job_id, file)

    monkeypatch.setattr(BulkJobs, "upload", watched)
    monkeypatch.setattr(bulk_files, "MAX_FILE_BYTES", 30_000)
    sandbox.org.bulk.max_bytes = 30_000
    report = run_push(settings_of_bulk)
    assert report.complete
    assert len(enrollments(report).jobs) == len(sent) > 3
    assert max(size for size, _ in sent) <= 30_000
    parents = [parent for _, chunk in sent for parent in chunk]
    assert parents == sorted(parents)
    assert len(parents) == enrollments(report).accepted
    assert_org_is_the_map(sandbox, settings_of_bulk)


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_refused_rows_land_in_the_ledger_with_code_and_text(sandbox: Sandbox, settings_of_bulk: Settings) -> None:
    run_push(settings_of_bulk, by_collections.COURSES_ONLY)
    sandbox.org.fail_next("FIELD_CUSTOM_VALIDATION_EXCEPTION", "ENTITY_IS_LOCKED", "UNABLE_TO_LOCK_ROW")
    report = run_push(settings_of_bulk)
    done = enrollments(report)
    assert (done.rejected, done.deferred, done.sent) == (1, 1, done.create)
    assert done.accepted == done.create - 2, "the locked row goes again in the same run"
    assert done.errors == {"FIELD_CUSTOM_VALIDATION_EXCEPTION": 1, "ENTITY_IS_LOCKED": 1}
    assert not report.complete
    states = {row["error_code"]: row for row in ledger(settings_of_bulk, "error_code IS NOT NULL")}
    assert states["FIELD_CUSTOM_VALIDATION_EXCEPTION"]["state"] == "rejected"
    assert states["FIELD_CUSTOM_VALIDATION_EXCEPTION"]["error_text"] == "injected fault"
    assert (states["ENTITY_IS_LOCKED"]["state"], len(states)) == ("deferred", 2)
    again = enrollments(run_push(settings_of_bulk))
    assert (again.sent, again.accepted, again.held) == (1, 1, 1)


def test_too_many_locked_rows_wait_for_the_next_push(
    sandbox: Sandbox, settings_of_bulk: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.salesforce.push.objects.RETRY_LIMIT", 60)
    run_push(settings_of_bulk, by_collections.COURSES_ONLY)
    sandbox.org.fail_next(*["UNABLE_TO_LOCK_ROW"] * 61)
    report = enrollments(run_push(settings_of_bulk))
    assert (report.deferred, report.errors) == (61, {"UNABLE_TO_LOCK_ROW": 61})
    again = enrollments(run_push(settings_of_bulk))
    assert (again.method, again.accepted) == ("bulk", 61)
    assert_org_is_the_map(sandbox, settings_of_bulk)


def test_a_stop_code_ends_the_run_with_the_jobs_outcomes_kept(sandbox: Sandbox, settings_of_bulk: Settings) -> None:
    run_push(settings_of_bulk, by_collections.COURSES_ONLY)
    sandbox.org.fail_next("STORAGE_LIMIT_EXCEEDED")
    with pytest.raises(IncompleteError, match="STORAGE_LIMIT_EXCEEDED"):
        run_push(settings_of_bulk)
    states = Counter(row["state"] for row in ledger(settings_of_bulk, f"target_object = '{ENROLLMENT}'"))
    assert states["deferred"] == 1
    assert states["accepted"] > 400
    assert run_push(settings_of_bulk).complete


def test_a_job_that_fails_half_way_keeps_what_it_did_and_the_next_push_completes(
    sandbox: Sandbox, settings_of_bulk: Settings
) -> None:
    sandbox.org.fail_job_after(150)
    with pytest.raises(IncompleteError) as caught:
        run_push(settings_of_bulk)
    assert caught.value.exit_code == 1
    assert job_of(sandbox).id in str(caught.value)
    assert "injected fault" in str(caught.value)
    rows = ledger(settings_of_bulk, f"target_object = '{ENROLLMENT}'")
    states = Counter((row["state"], row["error_code"]) for row in rows)
    assert states["accepted", None] == 150 == sandbox.org.record_counts()[ENROLLMENT]
    assert states["deferred", "UNPROCESSED"] == len(rows) - 150 > 50
    assert all(job_of(sandbox).id in row["error_text"] for row in rows if row["state"] == "deferred")
    received = sandbox.org.bulk.rows_received
    report = run_push(settings_of_bulk)
    assert report.complete
    assert sandbox.org.bulk.rows_received - received == received - 150, "an accepted row was sent again"
    assert_org_is_the_map(sandbox, settings_of_bulk)


def test_a_job_whose_file_the_org_cannot_read_leaves_every_row_due(
    sandbox: Sandbox, settings_of_bulk: Settings
) -> None:
    run_push(settings_of_bulk, by_collections.COURSES_ONLY)
    hide = AtStage(ENROLLMENT, lambda: sandbox.org.remove_field(ENROLLMENT, "Credits__c"))
    with pytest.raises(IncompleteError, match="Field name not found : Credits__c"):
        run_push(settings_of_bulk, progress=hide)
    assert {row["state"] for row in ledger(settings_of_bulk, f"target_object = '{ENROLLMENT}'")} == {"deferred"}


def test_each_row_of_a_job_gets_the_verdict_that_the_policy_has_for_its_answer(
    sandbox: Sandbox, ready: Settings, tmp_path: Path
) -> None:
    rules = load_mapping().errors
    texts = {"", *(rule.contains for rule in rules)}
    said = [
        (code, f"about {text.upper()}: really") for code in {rule.code for rule in rules} | {"NEW"} for text in texts
    ]
    files = {name: tmp_path / name for name in ("successful", "failed")}
    for file in files.values():
        file.write_text("")
    # Every answer to two rows: one that ended the run before in the same way, and one that did not.
    keys = {f"{place}{number}": pair for number, pair in enumerate(said) for place in ("first", "again")}
    lines = [f'"","{code}:{text}:A__c, B__c--","{key}"' for key, (code, text) in keys.items()]
    files["failed"].write_text("\n".join(['"sf__Id","sf__Error","absorb_enrollment_id__c"', *lines]) + "\n")
    rows = [(key, code if key.startswith("again") else None) for key, (code, _) in keys.items()] + [("none", None)]
    spooled, again = tmp_path / "rows.parquet", tmp_path / "again.ndjson"
    with Warehouse.of(ready).connect() as connection:
        connection.execute(
            "CREATE TEMP TABLE rows (part INT, external_id TEXT, sort_key TEXT, payload_hash TEXT, payload TEXT,"
            " prior_code TEXT)"
        )
        connection.executemany("INSERT INTO rows VALUES (0, $1, $1, 'h', '{}', $2)", rows)
        connection.execute(f"COPY rows TO '{spooled}'")
    found = BulkLedger(Warehouse.of(ready), "default", "org", ENROLLMENT, "run")
    found.enter("job", spooled, Part(0, tmp_path / "x", len(rows)))
    files = {name: extract(file, KEY) for name, file in files.items()}
    settled = found.settle("job", files, rules, unprocessed="nothing said", again=Again(spooled, spooled, again))
    wanted = {}
    for key, prior in rows[:-1]:
        outcome = classify(RowResult.refused(*keys[key]), rules)
        wanted[key] = (STATES[final_outcome(outcome, keys[key][0], prior, 0)], *keys[key])
    wanted["none"] = ("deferred", "UNPROCESSED", "nothing said")
    kept = {row["external_id"]: (row["state"], row["error_code"], row["error_text"]) for row in ledger(ready)}
    assert kept == wanted
    tried = {key for key, pair in keys.items() if classify(RowResult.refused(*pair), rules) in ("retry", "few", "once")}
    spool = {item.external_id: item.prior_code for item in read(again)}
    assert spool == {key: prior for key, prior in rows if key in tried}
    assert (settled.again, settled.accepted, settled.unprocessed) == (len(tried), 0, 1)
    assert settled.stop is not None


# -- sessions, budget, transport --------------------------------------------------------------------------------------


class Expiring(Silent):
    """Ends every session whenever there is progress."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._org = sandbox.org

    def stage(self, name: str, total: int | None = None) -> None:
        self._org.expire_sessions()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._org.expire_sessions()


def test_sessions_that_end_all_the_time_do_not_end_a_job(
    sandbox: Sandbox, settings_of_bulk: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = BulkJobs.upload

    async def expired(self: BulkJobs, job_id: str, file: Path) -> None:
        sandbox.org.expire_sessions()
        await upload(self, job_id, file)

    monkeypatch.setattr(BulkJobs, "upload", expired)
    report = run_push(settings_of_bulk, progress=Expiring(sandbox))
    assert report.complete
    assert len(sandbox.org.bulk.jobs) == 1
    assert sandbox.org.calls["POST /services/oauth2/token"] > 4
    assert_org_is_the_map(sandbox, settings_of_bulk)


def test_a_budget_reached_while_a_job_runs_leaves_it_to_the_next_push(
    sandbox: Sandbox, settings_of_bulk: Settings
) -> None:
    sandbox.org.bulk.hold = 2

    class Spent(Silent):
        def stage(self, name: str, total: int | None = None) -> None:
            self.armed = name == ENROLLMENT

        def advance(self, steps: int = 1, note: str = "") -> None:
            if self.armed:
                sandbox.org.set_api_usage(99, 100)

    with pytest.raises(ApiBudgetError):
        run_push(settings_of_bulk, progress=Spent())
    assert len(open_rows(settings_of_bulk)) == sandbox.org.bulk.rows_received > 400
    sandbox.org.set_api_usage(0, 100_000)
    report = run_push(settings_of_bulk)
    assert (report.resumed, enrollments(report).sent, report.complete) == ([job_of(sandbox).id], 0, True)
    assert_org_is_the_map(sandbox, settings_of_bulk)


def test_a_failed_upload_is_aborted_and_its_rows_go_in_a_new_job(
    sandbox: Sandbox, settings_of_bulk: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = BulkJobs.upload
    failures = [503]

    async def failing(self: BulkJobs, job_id: str, file: Path) -> None:
        await upload(self, job_id, file)
        if failures:
            raise ServerFaultError("the answer was lost", status=failures.pop())

    monkeypatch.setattr(BulkJobs, "upload", failing)
    report = run_push(settings_of_bulk)
    assert [job.state for job in sandbox.org.bulk.jobs.values()] == ["Aborted", "JobComplete"]
    assert enrollments(report).jobs == [job_of(sandbox).id]
    assert report.complete
    assert sandbox.org.record_counts()[ENROLLMENT] == enrollments(report).created == enrollments(report).sent


def test_results_are_read_again_when_the_org_fails_on_them(
    sandbox: Sandbox, settings_of_bulk: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    download = BulkJobs.download

    async def troubled(self: BulkJobs, info: Any, folder: Path, key: str) -> dict[str, Path]:
        sandbox.org.refuse_next((503, "SERVER_UNAVAILABLE"))
        return await download(self, info, folder, key)

    monkeypatch.setattr(BulkJobs, "download", troubled)
    assert run_push(settings_of_bulk).complete
    assert_org_is_the_map(sandbox, settings_of_bulk)


def test_a_close_whose_answer_was_lost_is_not_an_error(
    sandbox: Sandbox, settings_of_bulk: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_state = BulkJobs.set_state

    async def twice(self: BulkJobs, job_id: str, state: str) -> Any:
        await set_state(self, job_id, state)
        return await set_state(self, job_id, state)

    monkeypatch.setattr(BulkJobs, "set_state", twice)
    assert run_push(settings_of_bulk).complete
    assert len(sandbox.org.bulk.jobs) == 1


# -- a process that dies ----------------------------------------------------------------------------------------------

DIES = """
import asyncio, sys
from connector.http import session as http
from connector.push.reports import Pauses, PushOptions
from connector.salesforce.push import bulk_jobs as bulk
from connector.settings import load_settings
from connector.sync import run_push

http.CHUNK_BYTES = 5_000
if sys.argv[1] == "upload":
    read = http._read_chunks

    async def stalls(path):
        async for chunk in read(path):
            yield chunk
            print("half", flush=True)
            await asyncio.sleep(60)

    http._read_chunks = stalls
if sys.argv[1] == "close":
    async def stalls(self, job_id, state):
        print("half", flush=True)
        await asyncio.sleep(60)

    bulk.BulkJobs.set_state = stalls
if sys.argv[1] == "poll":
    async def stalls(self, job_id, *_):
        await self.info(job_id)
        print("half", flush=True)
        await asyncio.sleep(60)

    bulk.BulkJobs.wait = stalls
if sys.argv[1] == "results":
    async def stalls(self, info, folder, key):
        print("half", flush=True)
        await asyncio.sleep(60)

    bulk.BulkJobs.download = stalls
run_push(load_settings(), PushOptions(pauses=Pauses(first_poll=0.005)))
"""


def kill_a_push_at(place: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DIES, place], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(REPO)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n", process.communicate()[1]
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=20) == -signal.SIGKILL
    process.communicate()


@pytest.mark.lets_go
@pytest.mark.parametrize(
    ("place", "state", "sent_again"),
    [
        ("upload", "Open", True),
        pytest.param("close", "Open", True, marks=pytest.mark.soak),
        pytest.param("poll", "InProgress", False, marks=pytest.mark.soak),
        ("results", "JobComplete", False),
    ],
)
def test_a_push_killed_with_a_job_under_way_takes_it_up_and_sends_no_row_twice(
    sandbox: Sandbox, settings_of_bulk: Settings, place: str, state: str, sent_again: bool
) -> None:
    due = enrollments(run_push(settings_of_bulk, PushOptions(dry_run=True))).create
    kill_a_push_at(place)
    assert job_of(sandbox).state == state
    assert len(open_rows(settings_of_bulk)) == due, "the job must be in the ledger before its upload"
    report = run_push(settings_of_bulk)
    assert report.complete
    assert report.resumed == [job_of(sandbox, 0).id]
    assert job_of(sandbox, 0).state == ("Aborted" if sent_again else "JobComplete")
    assert enrollments(report).sent == (due if sent_again else 0)
    if place != "close":  # there the file was with the org, which had not been told to use it
        assert sandbox.org.bulk.rows_received == due
    assert sandbox.org.record_counts()[ENROLLMENT] == due
    assert writes(sandbox) == {"created": due, "failed": 0}
    rows = ledger(settings_of_bulk, f"target_object = '{ENROLLMENT}'")
    assert Counter(row["state"] for row in rows) == {"accepted": due}
    assert_org_is_the_map(sandbox, settings_of_bulk)
    assert enrollments(run_push(settings_of_bulk)).sent == 0


def test_a_job_that_was_purged_meanwhile_is_sent_again(sandbox: Sandbox, settings_of_bulk: Settings) -> None:
    kill_a_push_at("poll")
    sandbox.org.bulk.purge()
    report = run_push(settings_of_bulk)
    assert report.complete
    assert enrollments(report).sent == enrollments(report).accepted > 400
    assert_org_is_the_map(sandbox, settings_of_bulk)


def test_a_job_aborted_by_an_admin_leaves_the_unprocessed_rows_to_the_push_that_takes_it_up(
    sandbox: Sandbox, settings_of_bulk: Settings
) -> None:
    kill_a_push_at("poll")
    job = job_of(sandbox)
    sandbox.org.bulk.work(job, sandbox.org.schema(ENROLLMENT), lambda rows: sandbox.org.upsert(ENROLLMENT, KEY, rows))
    sandbox.org.bulk.abort(job)
    done = job.processed
    assert 0 < done < sandbox.org.bulk.rows_received
    report = run_push(settings_of_bulk)
    assert report.complete
    assert enrollments(report).sent == len(job.rows.waiting) == enrollments(report).created
    assert writes(sandbox)["created"] == done + len(job.rows.waiting)
    assert_org_is_the_map(sandbox, settings_of_bulk)


def test_a_job_that_takes_too_long_is_left_to_the_next_push(sandbox: Sandbox, settings_of_bulk: Settings) -> None:
    sandbox.org.bulk.hold = 1_000_000
    with pytest.raises(
        IncompleteError, match=r"has not ended after .* hours \(LEARNSYNC_LIMITS__JOB_HOURS\): InProgress"
    ):
        run_push(load_settings(limits={"job_hours": 0.1 / 3600}))
    sandbox.org.bulk.hold = 0
    assert enrollments(run_push(settings_of_bulk)).sent == 0
    assert_org_is_the_map(sandbox, settings_of_bulk)


@pytest.mark.lets_go
def test_the_tables_say_how_records_went(
    sandbox: Sandbox, settings_of_bulk: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    show_push(run_push(settings_of_bulk, PushOptions(dry_run=True)))
    shown = capsys.readouterr().out
    assert "LMS_Course__c would go by collections" in shown
    assert "LMS_Enrollment__c would go by Bulk API 2.0" in shown
    kill_a_push_at("poll")
    sandbox.portal.edit(60, changes={"score": 1.5})
    catch_up(settings_of_bulk)
    show_push(run_push(settings_of_bulk))
    shown = capsys.readouterr().out
    assert f"took up bulk job(s) of an earlier push: {job_of(sandbox, 0).id}" in shown
    assert "LMS_Enrollment__c" in shown


def test_nothing_of_a_job_stays_on_disk(sandbox: Sandbox, settings_of_bulk: Settings) -> None:
    run_push(settings_of_bulk)
    kept = [path for path in settings_of_bulk.warehouse.path.parent.rglob("*") if path.suffix in {".csv", ".parquet"}]
    assert kept == []
