"""A warehouse that was lost: the ledger is filled from the org before anything is sent to it."""

from __future__ import annotations

from typing import Any

import pytest
from support import query

from connector.push.reports import PushOptions, PushReport
from connector.sandbox.server import Sandbox
from connector.settings import Settings
from connector.sync import run_build, run_check, run_pull, run_push, run_sync
from connector.warehouse.database import Warehouse

COURSE, ENROLLMENT = "LMS_Course__c", "LMS_Enrollment__c"


def figures(report: PushReport) -> dict[str, tuple[int, int, int]]:
    """(create, update, unchanged) per object."""
    return {it.object: (it.create, it.update, it.unchanged) for it in report.targets.values()}


def lose(settings: Settings) -> None:
    """The warehouse is gone, as on a disk that is not mounted."""
    with Warehouse.of(settings).connect() as connection:
        for schema, name in connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall():
            if (schema, name) != ("ops", "migrations"):
                connection.execute(f'DELETE FROM {schema}."{name}"')


def ledger(settings: Settings) -> list[tuple[Any, ...]]:
    columns = "target_object, external_id, accepted_hash, salesforce_id, state"
    return query(Warehouse.of(settings), f"SELECT {columns} FROM salesforce.push_ledger ORDER BY ALL")


def same_but(rows: list[tuple[Any, ...]], *keys: str) -> list[tuple[Any, ...]]:
    return [row for row in rows if row[1] not in keys]


@pytest.mark.parametrize("method", ["collections", pytest.param("bulk", marks=pytest.mark.soak)])
def test_a_lost_ledger_is_rebuilt_from_the_org_and_only_differences_are_sent(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    first = run_sync(settings).push
    assert first is not None
    made = figures(first)
    assert made[ENROLLMENT][0] > 300
    assert not any(target.notes for target in first.targets.values())
    before, held = ledger(settings), sandbox.org.records(ENROLLMENT)
    lose(settings)
    run_pull(settings)
    run_build(settings)

    dry = run_push(settings, PushOptions(dry_run=True))
    assert figures(dry) == {name: (0, 0, create) for name, (create, _, _) in made.items()}
    assert ledger(settings) == [], "a dry run writes nothing"

    # Meanwhile: one record edited in the portal, one in the org, one deleted in the org, one enrolled anew.
    by_key = {row["Absorb_Enrollment_Id__c"]: row for row in held}
    edited, touched, deleted = [key for key, row in by_key.items() if row["Progress_Status__c"] != "NoLongerTracking"][
        :3
    ]
    sandbox.portal.edit([edited], changes={"score": 77.77})
    sandbox.org.set_values(ENROLLMENT, by_key[touched]["Id"], Score__c=1)
    sandbox.org.delete(ENROLLMENT, [by_key[deleted]["Id"]])
    if method == "bulk":
        monkeypatch.setattr(settings.salesforce, "bulk_threshold", 0)
    run_pull(settings)
    run_build(settings)
    report = run_push(settings)
    create, update, unchanged = figures(report)[ENROLLMENT]
    assert (create, update, unchanged) == (1, 2, made[ENROLLMENT][0] - 3)
    assert report.targets["lms_enrollment"].method == method
    assert report.targets["lms_enrollment"].created == 1
    assert report.targets["lms_enrollment"].sent == 3
    assert "were in the org already" in report.targets["lms_enrollment"].notes[0]
    now = {row["Absorb_Enrollment_Id__c"]: row for row in sandbox.org.records(ENROLLMENT)}
    assert now[edited]["Score__c"] == 77.77
    assert now[touched]["Score__c"] == by_key[touched]["Score__c"]
    changed = {edited, deleted}
    assert [row for row in ledger(settings) if row[1] not in changed] == [
        row for row in before if row[1] not in changed
    ]
    # From here on it is an ordinary warehouse.
    assert run_check(settings).drift == {}
    again = run_push(settings)
    assert not any(target.sent or target.notes for target in again.targets.values())


def test_a_learner_who_matches_nobody_any_more_keeps_the_records(sandbox: Sandbox, settings: Settings) -> None:
    first = run_sync(settings).push
    assert first is not None
    lose(settings)
    person = next(row["Learner_User__c"] for row in sandbox.org.records(ENROLLMENT) if row["Learner_User__c"])
    sandbox.org.set_values("User", person, IsActive=False)
    theirs = [row for row in sandbox.org.records(ENROLLMENT) if row["Learner_User__c"] == person]
    report = run_sync(settings).push
    assert report is not None
    create, update, unchanged = figures(report)[ENROLLMENT]
    assert (create, update + unchanged) == (0, figures(first)[ENROLLMENT][0])
    assert update == len(theirs)


def test_records_of_another_tenant_in_the_same_org_are_not_ours(sandbox: Sandbox, settings: Settings) -> None:
    sandbox.org.load(COURSE, {"Name": "Theirs", "Absorb_Course_Id__c": "0f0f0f0f-0000-4000-8000-000000000001"})
    report = run_sync(settings).push
    assert report is not None
    assert figures(report)[COURSE] == (8, 0, 0)
    assert not report.targets["lms_course"].notes
    assert query(Warehouse.of(settings), "SELECT count(*) FROM salesforce.push_ledger WHERE state <> 'accepted'") == [
        (0,)
    ]
