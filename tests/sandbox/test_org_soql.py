"""SOQL of the sandbox org: a table of queries, their errors, and paging by locator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.org.hooks import HookedOrg


@pytest.fixture(scope="module")
def org() -> HookedOrg:
    org = HookedOrg(now=lambda: datetime(2024, 6, 1, 12, tzinfo=UTC))
    courses: list[dict[str, Any]] = [
        {"Absorb_Course_Id__c": "c1", "Name": "Alpha"},
        {"Absorb_Course_Id__c": "c2", "Name": "it's 100%", "Active__c": False},
    ]
    assert all(r["success"] for r in org.upsert("LMS_Course__c", "Absorb_Course_Id__c", courses))
    parent: dict[str, Any] = {"LMS_Course__r": {"Absorb_Course_Id__c": "c1"}}
    rows: list[dict[str, Any]] = [
        {"Absorb_Enrollment_Id__c": "E1", "Score__c": 10, "Progress_Status__c": "Overdue", **parent},
        {"Absorb_Enrollment_Id__c": "E2", "Score__c": 20, "Removed__c": True, **parent},
        {"Absorb_Enrollment_Id__c": "E3", "Due_Date__c": "2024-05-01T10:00:00Z"},
    ]
    results = org.upsert("LMS_Enrollment__c", "Absorb_Enrollment_Id__c", rows)
    assert all(r["success"] for r in results)
    return org


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", "E1 E2 E3"),
        ("WHERE Absorb_Enrollment_Id__c = 'e1'", "E1"),
        ("WHERE Absorb_Enrollment_Id__c IN ('e3', 'E1', 'nope')", "E1 E3"),
        ("WHERE Absorb_Enrollment_Id__c NOT IN ('e3')", "E1 E2"),
        ("WHERE Absorb_Enrollment_Id__c LIKE 'e_' AND Score__c > 10", "E2"),
        ("WHERE Score__c = null", "E3"),
        ("WHERE Score__c != null", "E1 E2"),
        ("WHERE Score__c <> 10", "E2 E3"),
        ("WHERE Score__c <= 10", "E1"),
        ("WHERE Score__c >= 10.0 AND Removed__c = false", "E1"),
        ("WHERE NOT Removed__c = true", "E1 E3"),
        ("WHERE (Score__c = 10 OR Score__c = 20) AND (NOT Removed__c = true)", "E1"),
        ("WHERE Due_Date__c < 2024-05-01T12:00:01+02:00", "E3"),
        ("WHERE Due_Date__c < 2024-05-01T12:00:00+02:00", ""),
        ("WHERE CreatedDate >= 2024-06-01T12:00:00Z AND SystemModstamp < 2024-06-01T12:00:00.001Z", ""),
        ("WHERE LMS_Course__r.Absorb_Course_Id__c = 'C1'", "E1 E2"),
        ("WHERE LMS_Course__r.Name = null", "E3"),
        ("WHERE Progress_Status__c IN ('Overdue', null)", "E1 E2 E3"),
        ("ORDER BY Score__c DESC", "E3 E2 E1"),
        ("ORDER BY Score__c DESC NULLS LAST LIMIT 2", "E2 E1"),
        ("ORDER BY Removed__c, Absorb_Enrollment_Id__c DESC", "E3 E1 E2"),
        ("ORDER BY Absorb_Enrollment_Id__c LIMIT 1 OFFSET 1", "E2"),
    ],
)
def test_queries(org: HookedOrg, where: str, found: str) -> None:
    page = org.query(f"SELECT Absorb_Enrollment_Id__c FROM LMS_Enrollment__c {where}")
    assert " ".join(row["Absorb_Enrollment_Id__c"] for row in page.records) == found


@pytest.mark.parametrize("pattern", [r"it\'s 100\%", "%100_", "IT_S%"])
def test_like_and_escapes(org: HookedOrg, pattern: str) -> None:
    page = org.query(f"select Id from lms_course__c where name like '{pattern}'")
    assert page.total == 1


def test_related_fields_are_nested_and_absent_parents_null(org: HookedOrg) -> None:
    related = "LMS_Course__r.Name, LMS_Course__r.Absorb_Course_Id__c"
    soql = f"SELECT Id, {related} FROM LMS_Enrollment__c ORDER BY Name"
    first, _, last = org.query(soql).records
    assert first["attributes"]["type"] == "LMS_Enrollment__c"
    assert first["attributes"]["url"].endswith(first["Id"])
    assert first["LMS_Course__r"]["Name"] == "Alpha"
    assert first["LMS_Course__r"]["attributes"]["type"] == "LMS_Course__c"
    assert last["LMS_Course__r"] is None


def test_count(org: HookedOrg) -> None:
    page = org.query("SELECT COUNT() FROM LMS_Enrollment__c WHERE Score__c > 5")
    assert page.as_dict("67.0") == {"totalSize": 2, "done": True, "records": []}


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT FROM User", "MALFORMED_QUERY"),
        ("SELECT Id User", "MALFORMED_QUERY"),
        ("SELECT Id FROM User WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM User WHERE Name = unquoted", "MALFORMED_QUERY"),
        ("SELECT Id FROM User WHERE Name = 'open", "MALFORMED_QUERY"),
        ("SELECT Id FROM User WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM User LIMIT -1", "MALFORMED_QUERY"),
        ("SELECT Id FROM User OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("SELECT Nope__c FROM User", "INVALID_FIELD"),
        ("SELECT Id FROM User WHERE Nope__c = 1", "INVALID_FIELD"),
        ("SELECT Nope__r.Id FROM User", "INVALID_FIELD"),
        ("SELECT Id FROM User WHERE IsActive = 'true'", "INVALID_FIELD"),
        ("SELECT Id FROM User WHERE SystemModstamp > '2024-01-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM User WHERE Email = 5", "INVALID_FIELD"),
        ("SELECT Id FROM User WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Nope__c", "INVALID_TYPE"),
    ],
)
def test_refused_queries(org: HookedOrg, soql: str, code: str) -> None:
    with pytest.raises(Refusal) as refusal:
        org.query(soql)
    assert (refusal.value.status, refusal.value.code) == (400, code)


def test_pages_by_locator_hold_every_record_once() -> None:
    org = HookedOrg()
    for start in range(0, 4500, 200):
        records = [{"Absorb_Course_Id__c": f"c{at}"} for at in range(start, min(start + 200, 4500))]
        org.upsert("LMS_Course__c", "Absorb_Course_Id__c", records)
    page = org.query("SELECT Absorb_Course_Id__c FROM LMS_Course__c")
    keys = [row["Absorb_Course_Id__c"] for row in page.records]
    while page.locator:
        assert page.as_dict("67.0")["nextRecordsUrl"] == f"/services/data/v67.0/query/{page.locator}"
        page = org.query_more(page.locator)
        keys += [row["Absorb_Course_Id__c"] for row in page.records]
    assert len(keys) == len(set(keys)) == 4500
    with pytest.raises(Refusal, match="invalid query locator"):
        org.query_more("01g5g0000000zzzAAA-2000")
