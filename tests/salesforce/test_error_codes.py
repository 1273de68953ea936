"""Every error code of one record, end to end: what the ledger keeps, and when the record is sent again.

The org refuses chosen records with chosen codes, all in one push, by collections and again by bulk jobs. Four pushes
follow one another: the first, one over nothing new, one over other payloads, and one that the org has nothing against.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support import records

import mappings
from connector.absorb.pull.options import PullOptions
from connector.errors import IncompleteError
from connector.push.reports import Pauses, PushOptions, PushReport
from connector.salesforce.push import collections as engine
from connector.sandbox.org import Org
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.sync import run_pull, run_push
from connector.warehouse.database import Warehouse

COURSES_ONLY = PushOptions(targets=("lms_course",), pauses=Pauses(between_tries=0, first_poll=0.001))
LOCK = "UNABLE_TO_LOCK_ROW"
METHODS = ("collections", "bulk")
NEW_NAME = "Renamed since"


@dataclass(frozen=True)
class Way:
    """Ledger states after the first and the second push, and how often each of the three pushes sends the record."""

    states: tuple[str, str]
    sent: tuple[int, int, int]


# Three more tries in each run, for as many runs as it takes.
RETRY = Way(("deferred", "deferred"), (4, 4, 4))
# The same, but a second run of them is the last.
FEW = Way(("deferred", "rejected"), (4, 4, 4))
ONCE = Way(("rejected", "rejected"), (2, 0, 2))
DEFER = Way(("deferred", "deferred"), (1, 1, 1))
PERMANENT = Way(("rejected", "rejected"), (1, 0, 1))

# The table of published codes: (code, text of the org, what becomes of the record).
CASES: list[tuple[str, str, Way]] = [
    (LOCK, "unable to obtain exclusive access to this record or 1 records: 001xx0", RETRY),
    ("TOO_MANY_APEX_REQUESTS", "too many concurrent requests; wait and resend", RETRY),
    ("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "maintenance in progress", DEFER),
    ("REQUEST_RUNNING_TOO_LONG", "your request was running for too long", RETRY),
    ("SERVER_UNAVAILABLE", "server too busy", RETRY),
    ("QUERY_TIMEOUT", "the query timed out", RETRY),
    ("TEMPORARY_QUERY_MORE_FAILURE", "try again", RETRY),
    ("UNKNOWN_EXCEPTION", "an unexpected error occurred", FEW),
    ("INTERNAL_ERROR", "an internal server error", FEW),
    ("ALL_OR_NONE_OPERATION_ROLLED_BACK", "rolled back with another record", RETRY),
    ("PROCESSING_HALTED", "halted after another failure", RETRY),
    ("DUPLICATE_VALUE", "duplicate value found: Absorb_Course_Id__c duplicates value on record with id: a0X", ONCE),
    ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value for restricted picklist field", PERMANENT),
    ("REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", PERMANENT),
    ("STRING_TOO_LONG", "data value too large", PERMANENT),
    ("NUMBER_OUTSIDE_VALID_RANGE", "value outside of valid range", PERMANENT),
    ("INVALID_TYPE_ON_FIELD_IN_RECORD", "value not of required type", PERMANENT),
    ("MALFORMED_ID", "id value of incorrect type", PERMANENT),
    ("INVALID_EMAIL_ADDRESS", "invalid email address", PERMANENT),
    ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", DEFER),
    ("INVALID_FIELD", "Foreign key external ID: x not found for field y in entity LMS_Course__c", DEFER),
    ("ENTITY_IS_DELETED", "entity is deleted", DEFER),
    ("DUPLICATE_EXTERNAL_ID", "more than one record found", PERMANENT),
    ("DUPLICATES_DETECTED", "use one of these records?", PERMANENT),
    ("MULTIPLE_RECORDS_FOUND", "more than one", PERMANENT),
    ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "the rule of the admin says no: really, no", PERMANENT),
    ("FIELD_FILTER_VALIDATION_EXCEPTION", "value does not match the filter", PERMANENT),
    ("CANNOT_EXECUTE_FLOW_TRIGGER", "we can't save this record because a flow failed; try again", ONCE),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "MyTrigger: execution of BeforeInsert: null pointer", PERMANENT),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"MyTrigger: caused by: Upsert failed; first error: {LOCK}, ids", RETRY),
    ("ENTITY_IS_LOCKED", "this record is locked for approval", DEFER),
    ("INVALID_OPERATION", "the record is in an approval process", DEFER),
    ("INACTIVE_OWNER_OR_USER", "operation performed with inactive user", DEFER),
    ("A_CODE_OF_NEXT_YEAR", "nobody knows", PERMANENT),
]
# Codes that end the run.
STOPS = [
    ("INSUFFICIENT_ACCESS", "insufficient access"),
    ("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id"),
    ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "insufficient access rights on cross-reference id"),
    ("INVALID_FIELD", "No such column 'Vendor__c' on sobject of type LMS_Course__c"),
    ("INVALID_FIELD_FOR_INSERT_UPDATE", "unable to create/update fields: Vendor__c"),
    ("INVALID_TYPE", "sObject type is not supported"),
    ("INVALID_TYPE_FOR_OPERATION", "type does not take this operation"),
    ("INVALID_ENTITY_FOR_UPSERT", "entity does not take an upsert"),
    ("INVALID_EXTERNAL_ID_FIELD_NAME", "is not an external id"),
    ("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded"),
    ("LICENSE_LIMIT_EXCEEDED", "license limit exceeded"),
    ("TOO_MANY_JOBS", "too many jobs"),
]


@dataclass
class Seen:
    """What four pushes did to every course."""

    keys: list[str]
    sent: list[dict[str, int]] = field(default_factory=list)
    ledgers: list[dict[str, dict[str, Any]]] = field(default_factory=list)
    reports: list[PushReport] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as found:
        for name in [name for name in os.environ if name.upper().startswith("LEARNSYNC_")]:
            found.delenv(name)
        yield found


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    # One course more than there are cases: it is never refused.
    with Sandbox(SandboxOptions(scale=0, courses=len(CASES) + 1, rate_limit=0)) as running:
        yield running


@pytest.fixture(scope="module")
def org(box: Sandbox) -> Org:
    assert box.org is not None
    return box.org


@pytest.fixture(scope="module")
def pulled(box: Sandbox, patch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse that holds the courses."""
    folder = tmp_path_factory.mktemp("pulled")
    patch.chdir(folder)
    for name, value in box.settings().items():
        patch.setenv(name, value)
    patch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(folder / "warehouse.duckdb"))
    run_pull(load_settings(), PullOptions(("courses",)))
    return folder / "warehouse.duckdb"


def fresh(pulled: Path, folder: Path, patch: pytest.MonkeyPatch, box: Sandbox, method: str) -> Settings:
    for name, value in box.settings().items():
        patch.setenv(name, value)
    patch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(folder / "warehouse.duckdb"))
    patch.setenv("LEARNSYNC_SALESFORCE__BULK_THRESHOLD", "1" if method == "bulk" else "2000")
    shutil.copy(pulled, folder / "warehouse.duckdb")
    return load_settings()


def ledger(settings: Settings) -> dict[str, dict[str, Any]]:
    return {row["external_id"]: row for row in records(Warehouse.of(settings), "FROM salesforce.push_ledger")}


def rename(settings: Settings, keys: list[str]) -> None:
    """New payloads, as a pull would bring them."""
    with Warehouse.of(settings).connect() as connection:
        connection.execute(
            "UPDATE absorb.courses SET name = ? WHERE list_contains(?, CAST(id AS VARCHAR))", [NEW_NAME, keys]
        )


def empty(org: Org) -> None:
    """Delete the courses of the tests before: a new warehouse would find them, and send only what differs."""
    org.delete("LMS_Course__c", [row["Id"] for row in org.records("LMS_Course__c")])


@pytest.fixture(scope="module", params=METHODS)
def seen(
    request: pytest.FixtureRequest, box: Sandbox, org: Org, pulled: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Seen]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp(request.param)
        patch.chdir(folder)
        settings = fresh(pulled, folder, patch, box, request.param)
        keys = sorted(str(row["id"]) for row in records(Warehouse.of(settings), "SELECT id FROM absorb.courses"))
        found = Seen(keys)
        for step in range(4):
            org.forgive()
            for key, (code, text, _) in zip(keys, CASES, strict=False):
                if step < 3:
                    org.refuse_record(key, code, text)
            if step == 2:
                rename(settings, keys)
            found.reports.append(run_push(settings, COURSES_ONLY))
            found.sent.append(dict(org.refusals))
            found.ledgers.append(ledger(settings))
            if step == 2:
                rejected = [key for key, row in found.ledgers[2].items() if row["state"] == "rejected"]
                with Warehouse.of(settings).connect() as connection:  # what `learnsync rejects retry` does
                    connection.execute("UPDATE salesforce.push_ledger SET state = 'deferred' WHERE state = 'rejected'")
                assert rejected
        found.named = {row["Absorb_Course_Id__c"]: row["Name"] for row in org.records("LMS_Course__c")}
        org.forgive()
        org.delete("LMS_Course__c", [row["Id"] for row in org.records("LMS_Course__c")])
        yield found


@pytest.mark.parametrize("at", range(len(CASES)), ids=[f"{code}-{text[:12]}" for code, text, _ in CASES])
def test_what_becomes_of_a_refused_record(seen: Seen, at: int) -> None:
    code, text, way = CASES[at]
    key = seen.keys[at]
    sent = [counts.get(key, 0) for counts in seen.sent]
    assert [ledger[key]["state"] for ledger in seen.ledgers] == [*way.states, way.states[0], "accepted"]
    for ledger in seen.ledgers[:3]:
        assert (ledger[key]["error_code"], ledger[key]["error_text"]) == (code, text)
        assert ledger[key]["accepted_hash"] is None
    assert sent == [*way.sent, 0]
    last = seen.ledgers[3][key]
    assert (last["error_code"], last["accepted_hash"]) == (None, last["payload_hash"])
    assert seen.named[key] == NEW_NAME


def test_the_reports_count_what_the_ledger_holds(seen: Seen) -> None:
    untouched = seen.keys[len(CASES)]
    for report, held in zip(seen.reports, seen.ledgers, strict=True):
        outcome = report.targets["lms_course"]
        assert report.complete is (report is seen.reports[3])
        states = [row["state"] for row in held.values()]
        assert outcome.rejected + outcome.held == states.count("rejected")
        assert outcome.deferred == states.count("deferred")
        assert held[untouched]["state"] == "accepted"
    first, second, third, last = (report.targets["lms_course"] for report in seen.reports)
    held = [way for _, _, way in CASES if way in (PERMANENT, ONCE)]
    assert (first.held, second.held, third.held, last.held) == (0, len(held), 0, 0)
    assert (first.sent, third.sent, last.sent) == (len(CASES) + 1, len(CASES) + 1, len(CASES))
    assert second.sent == len(CASES) - len(held)
    assert sum(first.errors.values()) == len(CASES)


@pytest.mark.parametrize("method", METHODS)
def test_a_rejected_record_is_due_again_when_the_map_changes(
    box: Sandbox, org: Org, pulled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    settings = fresh(pulled, tmp_path, monkeypatch, box, method)
    key = min(ledger_key(settings))
    org.refuse_record(key, "STRING_TOO_LONG")
    run_push(settings, COURSES_ONLY)
    assert run_push(settings, COURSES_ONLY).targets["lms_course"].held == 1
    folder = tmp_path / "maps"
    folder.mkdir()
    text = (mappings.PACKAGED / "salesforce_fields.csv").read_text("utf-8")
    kept = [line for line in text.splitlines(keepends=True) if "Vendor__c" not in line]
    (folder / "salesforce_fields.csv").write_text("".join(kept), "utf-8")
    monkeypatch.setenv("LEARNSYNC_MAPPING__DIR", str(folder))
    org.forgive()
    outcome = run_push(load_settings(), COURSES_ONLY).targets["lms_course"]
    assert (outcome.held, outcome.rejected, outcome.sent) == (0, 0, len(CASES) + 1)
    assert ledger(settings)[key]["state"] == "accepted"


def ledger_key(settings: Settings) -> list[str]:
    return [str(row["id"]) for row in records(Warehouse.of(settings), "SELECT id FROM absorb.courses")]


@pytest.mark.parametrize("method", ["collections", pytest.param("bulk", marks=pytest.mark.soak)])
@pytest.mark.parametrize(("code", "text"), STOPS, ids=[f"{code}-{text[:12]}" for code, text in STOPS])
def test_a_code_that_needs_an_admin_stops_the_run_and_leaves_everything_due(
    box: Sandbox,
    org: Org,
    pulled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    patch: pytest.MonkeyPatch,
    code: str,
    text: str,
    method: str,
) -> None:
    settings = fresh(pulled, tmp_path, monkeypatch, box, method)
    monkeypatch.setattr(engine, "COLLECTION_LIMIT", 10)
    empty(org)
    stopped, locked = sorted(ledger_key(settings))[:2]
    org.refuse_record(stopped, code, text)
    org.refuse_record(locked, LOCK)
    with pytest.raises(IncompleteError) as caught:
        run_push(settings, COURSES_ONLY)
    assert caught.value.exit_code == 1
    for words in (code, text, "LMS_Course__c"):
        assert words in caught.value.message
    assert "an admin of the org" in caught.value.remedy
    assert org.refusals == {stopped: 1, locked: 1}, "nothing is sent after the stop"
    held = ledger(settings)
    assert (held[stopped]["state"], held[stopped]["error_code"], held[stopped]["error_text"]) == (
        "deferred",
        code,
        text,
    )
    assert sum(row["state"] == "accepted" for row in held.values()) == (
        8 if method == "collections" else len(CASES) - 1
    )
    org.forgive()
    again = run_push(settings, COURSES_ONLY)
    assert again.complete
    assert again.targets["lms_course"].accepted == len(CASES) + 1 - (8 if method == "collections" else len(CASES) - 1)


def test_only_the_culprit_of_a_roll_back_is_left_out_of_the_next_try(
    box: Sandbox, org: Org, pulled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patch: pytest.MonkeyPatch
) -> None:
    """A record that another one dragged down passes as soon as it goes without it."""
    settings = fresh(pulled, tmp_path, monkeypatch, box, "collections")
    culprit, *others = sorted(ledger_key(settings))
    empty(org)
    org.refuse_record(culprit, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    for key in others[:5]:
        org.refuse_record(key, "ALL_OR_NONE_OPERATION_ROLLED_BACK")
    calls: list[set[str]] = []
    real = org.upsert

    def watch(name: str, key: str, rows: Any, *rest: Any, **named: Any) -> Any:
        calls.append({row["Absorb_Course_Id__c"] for row in rows})
        if len(calls) > 1:
            org.forgive()
        return real(name, key, rows, *rest, **named)

    monkeypatch.setattr(org, "upsert", watch)
    outcome = run_push(settings, COURSES_ONLY).targets["lms_course"]
    assert calls == [{culprit, *others}, set(others[:5])]
    assert (outcome.rejected, outcome.deferred, outcome.accepted) == (1, 0, len(CASES))
