"""The two further targets on the command line: chosen, checked, listed when refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import query
from typer.testing import CliRunner

from connector.cli.commands import doctor, explain
from connector.cli.commands import rejects as rejected
from connector.cli.commands import status as reporting
from connector.cli.main import app
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.sync import run_build, run_pull
from connector.warehouse.database import Warehouse


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    options = SandboxOptions(scale=40, courses=4, rate_limit=0, learning_records=True)
    with Sandbox(options) as running:
        yield running


@pytest.fixture
def ready(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Both targets on, and everything pulled and built."""
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__LEARNINGS_GRAPH", "true")
    monkeypatch.setenv("LEARNSYNC_LEARNING_RECORDS__REQUESTS_PER_SECOND", "5000")
    run_pull(settings)
    run_build(settings)
    return load_settings()


def push(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, ["push", "--json", *arguments], env=dict(os.environ))
    return done.exit_code, json.loads(done.stdout)


def test_a_push_goes_to_every_target_that_is_set(ready: Settings) -> None:
    code, report = push()
    assert code == 0
    assert list(report["targets"]) == ["lms_course", "lms_enrollment", "learning", "learning_records"]
    assert all(target["accepted"] == target["create"] > 0 for target in report["targets"].values())
    assert push()[1]["targets"]["learning_records"]["sent"] == 0


def test_targets_can_be_chosen(ready: Settings, sandbox: Sandbox) -> None:
    code, report = push("--target", "learning", "--target", "learning_records", "--dry-run")
    assert (code, list(report["targets"])) == (0, ["learning", "learning_records"])
    assert (sandbox.org.records("Learning"), sandbox.records.rows) == ([], {})


def test_what_is_refused_is_pending_listed_and_due_again_on_request(ready: Settings, sandbox: Sandbox) -> None:
    with Warehouse.of(ready).connect() as connection:
        connection.execute("UPDATE learning_record SET score = 101 WHERE completed_at IS NOT NULL")
    sandbox.org.fail_next("FIELD_CUSTOM_VALIDATION_EXCEPTION")
    code, report = push("--target", "learning", "--target", "learning_records")
    refused = report["targets"]["learning_records"]["rejected"]
    assert code == 1
    assert (refused > 0, report["targets"]["learning"]["rejected"]) == (True, 1)
    # A course may require the one that was refused, and wait for it.
    waiting = report["targets"]["learning"]["deferred"]
    pending = reporting.collect(ready).pending
    assert (pending["push(es) rejected"], pending.get("push(es) deferred", 0)) == (refused + 1, waiting)
    listing = rejected.collect(ready, 500)
    assert listing["pending"] == len(listing["pushes"]) == refused + 1 + waiting
    assert {row["target_object"] for row in listing["pushes"]} == {"Learning", "LearningRecord"}
    assert rejected.retry(ready).pushes_due == refused + 1
    with Warehouse.of(ready).connect() as connection:
        connection.execute("UPDATE learning_record SET score = 99 WHERE completed_at IS NOT NULL")
    assert push("--target", "learning", "--target", "learning_records")[0] == 0
    assert reporting.collect(ready).pending == {}


def test_explain_shows_what_the_api_has_of_an_enrollment(ready: Settings, sandbox: Sandbox) -> None:
    push("--target", "learning_records")
    statement = (
        "SELECT CAST(enrollment_id AS VARCHAR), remote_id FROM learning_item_progress"
        " JOIN ops.learning_record_ledger ON record_id = learning_record_id LIMIT 1"
    )
    [(enrollment_id, remote_id)] = query(Warehouse.of(ready), statement)
    story = explain.collect(ready, enrollment_id)
    assert story["record_push"]["remote_id"] == remote_id
    assert remote_id in sandbox.records.rows


def test_one_target_that_fails_does_not_keep_the_others(ready: Settings, sandbox: Sandbox) -> None:
    sandbox.org.remove_object("LMS_Course__c")
    done = CliRunner().invoke(app, ["push"], env=dict(os.environ))
    assert "LMS_Course__c" in str(done.exception)
    assert len(sandbox.org.records("Learning")) == 4
    assert len(sandbox.records.rows) > 0


def test_doctor_looks_at_both(ready: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {finding.check: finding for finding in doctor.examine()}
    assert found["salesforce learnings"].verdict == found["learning records"].verdict == "ok"
    sandbox.org.remove_field("LearningCourse", "Absorb_Course_Id__c")
    monkeypatch.setenv("LEARNSYNC_LEARNING_RECORDS__API_KEY", "wrong")
    found = {finding.check: finding for finding in doctor.examine()}
    assert "Absorb_Course_Id__c does not exist" in found["salesforce learnings"].text
    assert "LEARNSYNC_LEARNING_RECORDS__API_KEY" in found["learning records"].remedy


def test_without_the_switches_nothing_is_said_of_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("BASE_URL", "API_KEY"):
        monkeypatch.delenv(f"LEARNSYNC_LEARNING_RECORDS__{name}")
    checks = {finding.check for finding in doctor.examine()}
    assert checks.isdisjoint({"salesforce learnings", "learning records"})
