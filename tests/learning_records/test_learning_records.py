"""LearningRecords in their API: created once, whatever happens to the answers."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from started import started
from support import Row, query, records
from typer.testing import CliRunner

from connector import sync
from connector.cli.commands import rejects, status
from connector.cli.commands.push import show_push
from connector.cli.main import app
from connector.errors import AuthenticationError, LearnsyncError, NotFoundError, ServerFaultError, SettingsError
from connector.learning_records import client as api
from connector.learning_records import outdated
from connector.learning_records import target as engine
from connector.learning_records.models import LearningRecord, NewLearningRecord
from connector.push.ledger import Ledger
from connector.push.reports import Pauses, PushOptions, PushReport, TargetReport
from connector.sandbox.records import app as records_app
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.warehouse.database import Warehouse

REPO = Path(__file__).resolve().parents[2]
# The fields that the page of the API names (docs/facts/learning-records.md).
PAGE = REPO / "tests" / "data" / "learning_record_fields.csv"
SENT = tuple(name for name in NewLearningRecord.model_fields if name != "source_type")
ONLY = PushOptions(targets=("learning_records",))
QUICK = Pauses(between_tries=0)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse that has pulled and built a small portal."""
    return started(tmp_path_factory.mktemp("built"), scale=60, courses=4).warehouse


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The LearningRecord API; nothing else of the sandbox is used."""
    options = SandboxOptions(scale=0, courses=1, salesforce=False, learning_records=True)
    with Sandbox(options) as box:
        yield box


@pytest.fixture
def ready(built: Path, sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    shutil.copy(built, settings.warehouse.path)
    monkeypatch.setenv("LEARNSYNC_LEARNING_RECORDS__REQUESTS_PER_SECOND", "5000")
    return load_settings()


def run_push(settings: Settings, options: PushOptions | None = None) -> PushReport:
    """A push whose pauses take no time."""
    return sync.run_push(settings, replace(options or PushOptions(), pauses=QUICK))


def send(settings: Settings, **options: Any) -> TargetReport:
    return run_push(settings, PushOptions(targets=("learning_records",), **options)).targets["learning_records"]


def due(settings: Settings) -> int:
    return int(query(Warehouse.of(settings), "SELECT count(*) FROM learning_record WHERE passed IS NOT NULL")[0][0])


def ledger(settings: Settings, where: str = "true") -> list[Row]:
    return records(Warehouse.of(settings), f"FROM ops.learning_record_ledger WHERE {where} ORDER BY record_id")


def kept(sandbox: Sandbox) -> list[Row]:
    assert sandbox.records is not None
    return list(sandbox.records.rows.values())


def calls(sandbox: Sandbox, method: str) -> int:
    assert sandbox.records is not None
    return sandbox.records.calls[method]


def assert_each_is_there_once(sandbox: Sandbox, settings: Settings) -> None:
    """The API holds exactly the records with a result, each under the id that the ledger has."""
    rows = {row["id"]: row for row in kept(sandbox)}
    accepted = ledger(settings, "state = 'accepted'")
    assert sorted(row["remote_id"] for row in accepted) == sorted(rows)
    assert len(accepted) == due(settings)
    mine = {row["id"]: row for row in records(Warehouse.of(settings), "FROM learning_record")}
    for entry in accepted:
        theirs = LearningRecord.model_validate(rows[entry["remote_id"]])
        ours = mine[entry["record_id"]]
        for name in SENT:
            value = ours[name]
            if name in {"person_id", "linked_cohort_id", "linked_assessment_id"} and value is not None:
                value = str(value)
            found = getattr(theirs, name)
            if name.endswith("_at") and value is not None:
                value = value.replace(microsecond=value.microsecond // 1000 * 1000)
            assert found == value, name


def test_every_field_of_the_page_is_modelled_and_every_operation_offered() -> None:
    with PAGE.open(encoding="utf-8", newline="") as lines:
        page = {line["field"]: line for line in csv.DictReader(lines)}
    assert len(page) == 23
    assert set(page) == set(LearningRecord.model_fields)
    assert set(page) == {*records_app.STAMPED, *records_app.WRITABLE}
    assert api.PATH == "/api/v1/performance/learning-records"
    assert all(hasattr(api.LearningRecordsApi, name) for name in ("list", "get", "create"))
    assert tuple(page["source_type"]["values"].split()) == records_app.SOURCE_TYPES


def test_records_with_a_result_are_created_once(sandbox: Sandbox, ready: Settings) -> None:
    report = send(ready)
    assert report.accepted == report.created == report.create == due(ready) > 10
    assert report.blocked == {"no result yet": 60 - due(ready)}
    assert {row["passed"] for row in kept(sandbox)} == {True, False}
    assert report.notes == []
    assert_each_is_there_once(sandbox, ready)
    again = send(ready)
    assert (again.sent, again.unchanged) == (0, due(ready))
    assert calls(sandbox, "POST") == due(ready)


def test_it_is_pushed_with_everything_when_it_is_configured_and_needs_no_org(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(run_push(ready).targets) == ["learning_records"]
    monkeypatch.delenv("LEARNSYNC_LEARNING_RECORDS__BASE_URL")
    with pytest.raises(SettingsError, match="LEARNSYNC_LEARNING_RECORDS__BASE_URL is not set"):
        send(load_settings())


def test_a_dry_run_asks_nothing_and_writes_nothing(
    sandbox: Sandbox, ready: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run_push(ready, PushOptions(targets=("learning_records",), dry_run=True))
    target = report.targets["learning_records"]
    assert (target.create, target.sent) == (due(ready), 0)
    assert target.samples[0]["payload"]["source"] == "absorb"
    assert (ledger(ready), kept(sandbox), calls(sandbox, "GET")) == ([], [], 0)
    show_push(report)
    assert "LearningRecord would go one a call" in capsys.readouterr().out


def test_a_limit_leaves_the_rest_due(sandbox: Sandbox, ready: Settings) -> None:
    report = run_push(ready, PushOptions(targets=("learning_records",), limit=3))
    assert (report.targets["learning_records"].sent, report.complete) == (3, False)
    send(ready)
    assert_each_is_there_once(sandbox, ready)


def change(settings: Settings, values: str, *ids: str) -> None:
    with Warehouse.of(settings).connect() as connection:
        connection.execute(f"UPDATE learning_record SET {values} WHERE list_contains($ids, id)", {"ids": list(ids)})


def all_ids(settings: Settings) -> list[str]:
    return [row[0] for row in query(Warehouse.of(settings), "SELECT id FROM learning_record")]


def test_a_completed_record_without_a_date_is_sent(sandbox: Sandbox, ready: Settings) -> None:
    one = query(Warehouse.of(ready), "SELECT min(id) FROM learning_record WHERE passed")[0][0]
    change(ready, "completed_at = NULL", one)
    assert send(ready).accepted == due(ready)
    assert_each_is_there_once(sandbox, ready)


def test_an_api_that_wants_a_date_refuses_those_without_and_no_others(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade they come in a row, and are not taken for a fault of the API."""
    monkeypatch.setattr(engine, "MOST_ALIKE", 1)
    really = records_app._check

    def strict(body: Any) -> Row:
        if not body.get("completed_at"):
            raise records_app._refusal(422, "validation_error", "not valid", completed_at="is required")
        return really(body)

    monkeypatch.setattr(records_app, "_check", strict)
    change(ready, "completed_at = NULL", *all_ids(ready))
    report = send(ready)
    assert report.rejected == due(ready) > 3
    assert "completed_at" in ledger(ready)[0]["error_text"]


def test_what_changes_after_its_creation_is_outdated_with_the_reason_until_it_is_settled(
    sandbox: Sandbox, ready: Settings
) -> None:
    send(ready)
    first, second = (row["record_id"] for row in ledger(ready)[:2])
    change(ready, "score = 12.5, passed = NULL", first)
    change(ready, "is_deleted = true", second)
    dry = send(ready, dry_run=True)
    changed = next(sample for sample in dry.samples if sample["external_id"] == first)
    assert [(it["field"], it["new"]) for it in changed["changes"]] == [("score", "12.5"), ("passed", None)]
    assert ledger(ready, "state = 'outdated'") == []
    full = run_push(ready, ONLY)
    report = full.targets["learning_records"]
    assert (report.sent, report.outdated, report.pending) == (0, {"score, passed": 1, "removed": 1}, 2)
    assert not full.complete
    assert "outdated" not in report.blocked
    told = {row["record_id"]: (row["error_code"], row["error_text"]) for row in ledger(ready, "state = 'outdated'")}
    assert told[second] == ("REMOVED", "removed: false → true")
    assert told[first][0] == "CHANGED"
    assert told[first][1].endswith("→ 12.5; passed: true → null")
    assert status.collect(ready).pending == {"record(s) outdated in the LearningRecord API": 2}
    assert not status.collect(ready).complete
    assert rejects.collect(ready, 10)["pending"] == 2
    change(ready, "is_deleted = false", second)
    assert send(ready).outdated == {"score, passed": 1}
    assert ledger(ready, "state = 'accepted'")[0]["record_id"] == second
    listed = CliRunner().invoke(app, ["rejects", "list", "--object", "LearningRecord"])
    assert (listed.exit_code, "outdated" in listed.stdout) == (1, True)
    wrong = CliRunner().invoke(app, ["rejects", "clear", "--yes", "--id", first])
    assert isinstance(wrong.exception, SettingsError)  # --id without --outdated would settle everything
    settled = CliRunner().invoke(app, ["rejects", "clear", "--outdated", "--yes", "--id", first])
    assert "Settled 1 outdated record(s)" in settled.stdout
    assert (send(ready).outdated, status.collect(ready).pending) == ({}, {})
    change(ready, "title = 'Another name'", first)  # what was settled was another difference
    assert send(ready).outdated == {"title, score, passed": 1}
    assert len(kept(sandbox)) == due(ready) + 1


LINKED = "linked_cohort_id = uuid(), linked_assessment_id = uuid()"


def test_ids_that_details_fill_in_later_make_nothing_outdated(sandbox: Sandbox, ready: Settings) -> None:
    send(ready)
    every = [row["record_id"] for row in ledger(ready)]
    change(ready, LINKED, *every)
    report = send(ready)
    assert (report.unchanged, report.outdated, report.pending, report.sent) == (len(every), {}, 0, 0)
    assert {row["state"] for row in ledger(ready)} == {"accepted"}


@pytest.mark.parametrize("one_by_one", [0, 50])
def test_what_an_earlier_version_sent_is_read_before_it_is_called_outdated(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch, one_by_one: int
) -> None:
    """Its ledger has a fingerprint of what was sent, from which nobody can tell what differs."""
    monkeypatch.setattr(outdated, "ASKED_ONE_BY_ONE", one_by_one)
    send(ready)
    every = [row["record_id"] for row in ledger(ready)]
    with Warehouse.of(ready).connect() as connection:
        connection.execute("UPDATE salesforce.push_ledger SET content = sha256(content)")
    change(ready, LINKED, *every[:5])
    change(ready, "score = 12.5", every[0], every[1])
    sandbox.records.rows[ledger(ready)[1]["remote_id"]]["is_deleted"] = True
    assert send(ready, dry_run=True).outdated == {"unknown": 5}
    report = send(ready)
    assert (report.outdated, report.unchanged) == ({"not found": 1, "score": 1}, due(ready) - 2)
    assert [row["error_code"] for row in ledger(ready, "state = 'outdated'")] == ["CHANGED", "NOT_FOUND"]
    asked = calls(sandbox, "GET")
    assert send(ready).outdated == {"not found": 1, "score": 1}
    assert calls(sandbox, "GET") == asked


@pytest.mark.lets_go
def test_a_new_warehouse_takes_over_records_whose_details_it_has_not_read(
    sandbox: Sandbox, ready: Settings, built: Path
) -> None:
    change(ready, LINKED, *all_ids(ready))
    send(ready)
    shutil.copy(built, ready.warehouse.path)
    report = send(ready)
    assert (report.create, report.unchanged, report.outdated) == (0, due(ready), {})


def test_a_refused_record_is_held_with_code_and_text_until_it_changes(sandbox: Sandbox, ready: Settings) -> None:
    bad = query(Warehouse.of(ready), "SELECT min(id) FROM learning_record WHERE passed IS NOT NULL")[0][0]
    with Warehouse.of(ready).connect() as connection:
        connection.execute("UPDATE learning_record SET score = 101 WHERE id = ?", [bad])
    report = send(ready)
    assert (report.rejected, report.errors) == (1, {"validation_error": 1})
    refused = ledger(ready, "state = 'rejected'")
    assert [row["record_id"] for row in refused] == [bad]
    assert "score" in refused[0]["error_text"]
    again = send(ready)
    assert (again.held, again.sent, again.pending) == (1, 0, 1)
    with Warehouse.of(ready).connect() as connection:
        connection.execute("UPDATE learning_record SET score = 100 WHERE id = ?", [bad])
    assert send(ready).accepted == 1
    assert_each_is_there_once(sandbox, ready)


# -- answers that are lost ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lost", "503-after", "503", "429"])
def test_an_answer_that_is_lost_makes_no_second_record(sandbox: Sandbox, ready: Settings, fault: str) -> None:
    assert sandbox.record_answers is not None
    sandbox.record_answers.queue([fault, fault])
    report = send(ready)
    assert sandbox.record_answers.met == 2
    assert report.accepted == report.created == due(ready)
    assert_each_is_there_once(sandbox, ready)


@pytest.mark.parametrize("faults", [["served", "503"], ["lost", "503-after"], ["503", "lost"], ["served", "lost"]])
def test_twins_are_told_apart_when_an_answer_is_lost(sandbox: Sandbox, ready: Settings, faults: list[str]) -> None:
    """Two enrollments of one person that say the same: each gets a record of its own."""
    one = query(Warehouse.of(ready), "SELECT min(id) FROM learning_record WHERE passed IS NOT NULL")[0][0]
    with Warehouse.of(ready).connect() as connection:
        connection.execute("DELETE FROM learning_record WHERE id <> ?", [one])
        twin = "INSERT INTO learning_record SELECT * REPLACE (left(id, 29) || '*' AS id) FROM learning_record"
        connection.execute(twin)
    assert sandbox.record_answers is not None
    sandbox.record_answers.queue(faults)
    assert send(ready).accepted == 2
    assert_each_is_there_once(sandbox, ready)


def test_an_outcome_that_stays_unknown_is_settled_by_the_next_push(sandbox: Sandbox, ready: Settings) -> None:
    assert sandbox.record_answers is not None
    sandbox.record_answers.queue(["503"] * 3)
    report = send(ready, limit=1)
    assert (report.deferred, report.errors) == (1, {"NO_ANSWER": 1})
    assert ledger(ready)[0]["state"] == "deferred"
    send(ready)
    assert_each_is_there_once(sandbox, ready)


def test_a_record_that_changed_while_its_creation_was_unknown_is_not_created_again(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_between_post_and_ledger()
    done = ledger(ready)
    assert {row["state"] for row in done} == {"sent"}
    with Warehouse.of(ready).connect() as connection:
        connection.execute("UPDATE learning_record SET score = 1.5 WHERE id = ?", [done[0]["record_id"]])
    report = send(ready)
    assert report.outdated == {"score": 1}
    assert len(kept(sandbox)) == due(ready)
    assert [row["record_id"] for row in ledger(ready, "state = 'outdated'")] == [done[0]["record_id"]]


def test_an_api_that_keeps_failing_ends_the_push_soon(sandbox: Sandbox, ready: Settings) -> None:
    assert sandbox.record_answers is not None
    sandbox.record_answers.queue(["503"] * 1000)
    with pytest.raises(ServerFaultError):
        send(ready)
    assert sandbox.record_answers.met <= 27
    assert {row["state"] for row in ledger(ready)} <= {"sent", "deferred"}
    sandbox.record_answers.clear()
    send(ready)
    assert_each_is_there_once(sandbox, ready)


@pytest.mark.lets_go
@pytest.mark.parametrize("limit", [None, 3])
def test_a_new_warehouse_finds_the_records_of_the_old_one(
    sandbox: Sandbox, ready: Settings, built: Path, limit: int | None
) -> None:
    send(ready, limit=due(ready) - 4)
    shutil.copy(built, ready.warehouse.path)
    report = send(ready, limit=limit)
    assert (report.create, report.unchanged) == (4, due(ready) - 4)
    assert report.notes == [f"{due(ready) - 4} record(s) were in the API already and are taken over"]
    send(ready)
    assert_each_is_there_once(sandbox, ready)
    assert calls(sandbox, "POST") == due(ready)


@pytest.mark.lets_go
def test_a_new_warehouse_that_is_killed_while_it_takes_records_over_looks_again(
    sandbox: Sandbox, ready: Settings, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(ready)
    shutil.copy(built, ready.warehouse.path)

    def dies(self: Ledger, rows: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "found", dies)
        with pytest.raises(KeyboardInterrupt):
            send(ready)
    assert send(ready).unchanged == due(ready)
    assert_each_is_there_once(sandbox, ready)


# Dies with the records made and their outcome not written: SIGKILL from outside, at a moment the push announces.
DIES = """
import time
from connector.learning_records import target
from connector.push.ledger import Ledger
from connector.push.reports import PushOptions
from connector.settings import load_settings
from connector.sync import run_push

def stalls(self, rows):
    if rows:
        print("made", flush=True)
        time.sleep(60)

Ledger.put = stalls
target.BATCH = 5
run_push(load_settings(), PushOptions(targets=("learning_records",)))
"""


def kill_between_post_and_ledger() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DIES], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(REPO)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "made\n", process.communicate()[1]
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=20) == -signal.SIGKILL
    process.communicate()


def test_a_push_killed_between_post_and_ledger_makes_no_record_twice(sandbox: Sandbox, ready: Settings) -> None:
    kill_between_post_and_ledger()
    assert len(kept(sandbox)) == 5
    assert [(row["state"], row["remote_id"]) for row in ledger(ready)] == [("sent", None)] * 5
    report = send(ready)
    assert report.created == report.create == due(ready) - 5
    assert report.notes == ["5 record(s) of an earlier push, whose answer was lost, were found"]
    assert_each_is_there_once(sandbox, ready)
    assert calls(sandbox, "POST") == due(ready)


@pytest.mark.parametrize(("kind", "most"), [("302", 0), ("408", 0), ("422", engine.MOST_ALIKE)])
def test_what_every_call_meets_rejects_no_record_for_it(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch, kind: str, most: int
) -> None:
    """A gateway that sends calls elsewhere, or refuses all alike, says nothing of the records."""
    monkeypatch.setattr(engine, "MOST_ALIKE", 5)
    sandbox.record_answers.queue([kind] * 2000)
    with pytest.raises(LearnsyncError):
        send(ready)
    assert len(ledger(ready, "state = 'rejected'")) <= min(most, 5 + engine.CONCURRENCY)
    sandbox.record_answers.clear()
    again = send(ready, full=True)
    assert (again.held, again.pending) == (0, 0)


def test_faults_of_every_kind_all_the_time(ready: Settings, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    options = SandboxOptions(scale=0, courses=1, salesforce=False, learning_records=True, faults="flaky")
    with Sandbox(options) as flaky:
        for name, value in flaky.settings().items():
            monkeypatch.setenv(name, value)
        for _ in range(3):
            report = send(load_settings(), limit=12)
            assert report.rejected == 0
        assert len(kept(flaky)) == len(ledger(load_settings(), "state = 'accepted'"))


# -- settings and answers ----------------------------------------------------------------------------------------------


def test_a_wrong_key_is_named_and_never_shown(ready: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNSYNC_LEARNING_RECORDS__API_KEY", "wrong-key-of-a-test")
    with pytest.raises(AuthenticationError, match="refused the key") as refused:
        send(load_settings())
    assert "LEARNSYNC_LEARNING_RECORDS__API_KEY" in refused.value.remedy
    assert "wrong-key" not in str(refused.value)


def test_a_wrong_address_is_named(sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNSYNC_LEARNING_RECORDS__BASE_URL", f"{sandbox.records_url}/elsewhere")
    with pytest.raises(NotFoundError, match="does not know") as refused:
        send(load_settings())
    assert "LEARNSYNC_LEARNING_RECORDS__BASE_URL" in refused.value.remedy


@pytest.mark.parametrize("address", ["http://records.example", "records.example", "https://u:p@records.example"])
def test_an_address_that_cannot_be_used_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("LEARNSYNC_LEARNING_RECORDS__BASE_URL", address)
    with pytest.raises(SettingsError, match="LEARNSYNC_LEARNING_RECORDS__BASE_URL"):
        load_settings()
