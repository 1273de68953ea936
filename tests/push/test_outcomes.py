"""What each error code of one record means: the published classes, and that the shipped table has no dead line."""

from __future__ import annotations

import pytest

from connector.push.outcomes import STATES, RowResult, classify, final_outcome, tried_again
from mappings import load_mapping

RULES = load_mapping().errors
LOCK = "UNABLE_TO_LOCK_ROW"
PLAIN = "some text of the org"

# facts: Salesforce's per-record codes and their classes (code, message, class).
TABLE = [
    (LOCK, "unable to obtain exclusive access to this record or 1 records: 001xx", "retry"),
    ("TOO_MANY_APEX_REQUESTS", PLAIN, "retry"),
    ("REQUEST_RUNNING_TOO_LONG", PLAIN, "retry"),
    ("SERVER_UNAVAILABLE", PLAIN, "retry"),
    ("QUERY_TIMEOUT", PLAIN, "retry"),
    ("TEMPORARY_QUERY_MORE_FAILURE", PLAIN, "retry"),
    ("UNKNOWN_EXCEPTION", PLAIN, "few"),
    ("INTERNAL_ERROR", PLAIN, "few"),
    ("ALL_OR_NONE_OPERATION_ROLLED_BACK", PLAIN, "retry"),
    ("PROCESSING_HALTED", PLAIN, "retry"),
    ("DUPLICATE_VALUE", "duplicate value found: Absorb_Enrollment_Id__c", "once"),
    ("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", PLAIN, "defer"),
    ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", "defer"),
    ("INVALID_FIELD", "Foreign key external ID: x not found for field y in entity LMS_Course__c", "defer"),
    ("INVALID_FIELD", "foreign key EXTERNAL id: x not found", "defer"),
    ("ENTITY_IS_DELETED", "entity is deleted", "defer"),
    ("ENTITY_IS_LOCKED", PLAIN, "defer"),
    ("INVALID_OPERATION", PLAIN, "defer"),
    ("INACTIVE_OWNER_OR_USER", PLAIN, "defer"),
    ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", PLAIN, "permanent"),
    ("REQUIRED_FIELD_MISSING", PLAIN, "permanent"),
    ("STRING_TOO_LONG", PLAIN, "permanent"),
    ("NUMBER_OUTSIDE_VALID_RANGE", PLAIN, "permanent"),
    ("INVALID_TYPE_ON_FIELD_IN_RECORD", PLAIN, "permanent"),
    ("MALFORMED_ID", PLAIN, "permanent"),
    ("INVALID_EMAIL_ADDRESS", PLAIN, "permanent"),
    ("DUPLICATE_EXTERNAL_ID", PLAIN, "permanent"),
    ("DUPLICATES_DETECTED", PLAIN, "permanent"),
    ("MULTIPLE_RECORDS_FOUND", PLAIN, "permanent"),
    ("FIELD_CUSTOM_VALIDATION_EXCEPTION", PLAIN, "permanent"),
    ("FIELD_FILTER_VALIDATION_EXCEPTION", PLAIN, "permanent"),
    ("CANNOT_EXECUTE_FLOW_TRIGGER", PLAIN, "once"),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "execution of BeforeInsert: null pointer", "permanent"),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"execution of AfterUpdate caused by: {LOCK}, ids", "retry"),
    ("INSUFFICIENT_ACCESS", PLAIN, "stop"),
    ("INSUFFICIENT_ACCESS_OR_READONLY", PLAIN, "stop"),
    ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", PLAIN, "stop"),
    ("INVALID_FIELD", "No such column 'Score__c' on sobject of type LMS_Enrollment__c", "stop"),
    ("INVALID_FIELD_FOR_INSERT_UPDATE", PLAIN, "stop"),
    ("INVALID_TYPE", PLAIN, "stop"),
    ("INVALID_TYPE_FOR_OPERATION", PLAIN, "stop"),
    ("INVALID_ENTITY_FOR_UPSERT", PLAIN, "stop"),
    ("INVALID_EXTERNAL_ID_FIELD_NAME", PLAIN, "stop"),
    ("STORAGE_LIMIT_EXCEEDED", PLAIN, "stop"),
    ("LICENSE_LIMIT_EXCEEDED", PLAIN, "stop"),
    ("TOO_MANY_JOBS", PLAIN, "stop"),
    ("A_CODE_OF_NEXT_YEAR", PLAIN, "permanent"),
    (None, None, "permanent"),
]


def refused(code: str | None, text: str | None) -> RowResult:
    return RowResult(success=False, created=False, remote_id=None, code=code, text=text)


@pytest.mark.parametrize(("code", "text", "outcome"), TABLE)
def test_each_code_has_its_published_class(code: str | None, text: str | None, outcome: str) -> None:
    assert classify(refused(code, text), RULES) == outcome


def test_every_line_of_the_shipped_table_is_in_the_published_one_and_decides_its_own_case() -> None:
    published = {(code, outcome) for code, _, outcome in TABLE}
    for rule in RULES:
        assert (rule.code, rule.outcome) in published
        assert classify(refused(rule.code, f"text with {rule.contains}"), RULES) == rule.outcome


@pytest.mark.parametrize("code", [None, LOCK, "STORAGE_LIMIT_EXCEEDED"])
def test_a_success_is_accepted_whatever_else_it_says(code: str | None) -> None:
    assert classify(RowResult(True, False, "a0X", code, None), RULES) == "accepted"


def test_every_outcome_leads_to_a_state_of_the_ledger() -> None:
    deferred = ("retry", "few", "once", "defer", "stop")
    assert dict.fromkeys(deferred, "deferred") | {"permanent": "rejected", "accepted": "accepted"} == STATES
    assert {rule.outcome for rule in RULES} | {"permanent", "accepted"} == STATES.keys()


@pytest.mark.parametrize("code", ["NO_ANSWER", "UNPROCESSED", "PREREQUISITE_MISSING"])
def test_codes_of_our_own_wait_for_the_next_push(code: str) -> None:
    assert classify(refused(code, PLAIN), RULES) == classify(refused(code, PLAIN), ()) == "defer"


@pytest.mark.parametrize(
    ("outcome", "tries"), [("retry", 3), ("few", 3), ("once", 1), ("defer", 0), ("permanent", 0), ("stop", 0)]
)
def test_how_often_each_outcome_is_tried_again_within_a_run(outcome: str, tries: int) -> None:
    assert [tried_again(outcome, number) for number in range(5)] == [number < tries for number in range(5)]


@pytest.mark.parametrize(
    ("outcome", "prior", "last"),
    [
        ("retry", "X", "retry"),
        ("few", None, "few"),
        ("few", "OTHER", "few"),
        ("few", "X", "permanent"),
        ("once", None, "permanent"),
        ("defer", "X", "defer"),
        ("stop", "X", "stop"),
        ("accepted", "X", "accepted"),
    ],
)
def test_what_is_left_when_the_tries_of_a_run_are_spent(outcome: str, prior: str | None, last: str) -> None:
    assert final_outcome(outcome, "X", prior, 3) == last


@pytest.mark.parametrize(
    ("outcome", "prior", "last"),
    [
        ("retry", "X", "retry"),
        ("few", None, "few"),
        ("few", "X", "permanent"),
        ("once", None, "once"),
        ("once", "X", "once"),
    ],
)
def test_what_is_left_when_a_run_ends_before_the_tries_are_spent(outcome: str, prior: str | None, last: str) -> None:
    """As for the rows of a bulk job that are too many to go again."""
    assert final_outcome(outcome, "X", prior, 0) == last
