"""A client that was written for real orgs, simple-salesforce, judges the sandbox org over HTTP."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceOperationError,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

from connector.sandbox.org.hooks import HookedOrg
from connector.sandbox.server import Sandbox, SandboxOptions

COURSE, COURSE_KEY = "LMS_Course__c", "Absorb_Course_Id__c"
ENROLLMENT, ENROLLMENT_KEY = "LMS_Enrollment__c", "Absorb_Enrollment_Id__c"
SMALL_PAGES = {"Sforce-Query-Options": "batchSize=200"}
MISSING_ID = "a0X000000000001AAA"


class Loopback(HTTPAdapter):
    """Carries what is meant for https://…salesforce.com to the sandbox; the client knows no plain http."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def send(self, request: Any, *args: Any, **options: Any) -> requests.Response:
        parts = urlsplit(request.url)
        request.url = f"{self._base}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        return super().send(request, *args, **options)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=40, courses=4, rate_limit=0)) as running:
        yield running


@pytest.fixture
def org(box: Sandbox) -> HookedOrg:
    assert box.org is not None
    box.org.delete(COURSE, [row["Id"] for row in box.org.records(COURSE)])
    return box.org


def session_of(box: Sandbox) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", Loopback(box.salesforce_url))
    return session


def login(box: Sandbox, **changes: str) -> Salesforce:
    assert box.org is not None
    options = {
        "consumer_key": box.org.client_id, "consumer_secret": box.org.client_secret, "domain": "acme.my",
        "version": "67.0",
    }  # fmt: skip
    return Salesforce(session=session_of(box), **options | changes)


@pytest.fixture
def sf(box: Sandbox, org: HookedOrg) -> Salesforce:
    return login(box)


def courses(org: HookedOrg, number: int) -> list[str]:
    keys = [f"c-{at:04d}" for at in range(number)]
    org.upsert(COURSE, COURSE_KEY, [{COURSE_KEY: key, "Name": f"Course {key}"} for key in keys])
    return keys


# -- sessions -----------------------------------------------------------------------------------------------------


def test_login_by_client_credentials_gives_a_session_on_the_instance(box: Sandbox, sf: Salesforce) -> None:
    assert sf.auth_type == "client-credentials"
    assert f"http://{sf.sf_instance}" == box.salesforce_url
    assert sf.session_id.startswith("00D")


def test_login_by_a_signed_assertion_gives_the_same(box: Sandbox, org: HookedOrg) -> None:
    sf = Salesforce(
        session=session_of(box), username="learnsync@org.example", consumer_key=org.client_id,
        privatekey=org.jwt.private_key, domain="login", version="67.0",
    )  # fmt: skip
    assert sf.auth_type == "jwt-bearer"
    assert sf.limits()["DailyApiRequests"]["Max"] == org.sessions.api_max
    with pytest.raises(SalesforceAuthenticationFailed) as caught:
        Salesforce(
            session=session_of(box), username="learnsync@org.example", consumer_key=org.client_id,
            privatekey=org.jwt.private_key, domain="test", version="67.0",
        )  # fmt: skip
    assert (caught.value.code, caught.value.auth_message) == ("invalid_grant", "audience is invalid")


@pytest.mark.parametrize(
    ("name", "code"), [("consumer_key", "invalid_client_id"), ("consumer_secret", "invalid_client")]
)
def test_wrong_credentials_are_refused_with_the_oauth_code(box: Sandbox, org: HookedOrg, name: str, code: str) -> None:
    with pytest.raises(SalesforceAuthenticationFailed) as caught:
        login(box, **{name: "wrong"})
    assert caught.value.code == code
    assert caught.value.auth_message


def test_an_ended_session_is_renewed_by_the_client_itself(org: HookedOrg, sf: Salesforce) -> None:
    before = sf.session_id
    org.expire_sessions()
    assert sf.query(f"SELECT COUNT() FROM {COURSE}")["totalSize"] == 0
    assert sf.session_id != before


def test_a_session_that_cannot_be_renewed_is_expired(box: Sandbox, org: HookedOrg, sf: Salesforce) -> None:
    fixed = Salesforce(session=session_of(box), session_id=sf.session_id, instance=sf.sf_instance, version="67.0")
    org.expire_sessions()
    with pytest.raises(SalesforceExpiredSession) as caught:
        fixed.limits()
    assert caught.value.content[0]["errorCode"] == "INVALID_SESSION_ID"


# -- reading --------------------------------------------------------------------------------------------------------


def test_query_more_and_query_all_walk_over_pages(org: HookedOrg, sf: Salesforce) -> None:
    keys = courses(org, 450)
    soql = f"SELECT Id, Name, {COURSE_KEY} FROM {COURSE} ORDER BY {COURSE_KEY}"
    first = sf.query(soql, headers=SMALL_PAGES)
    assert (first["totalSize"], first["done"], len(first["records"])) == (450, False, 200)
    by_url = sf.query_more(first["nextRecordsUrl"], identifier_is_url=True, headers=SMALL_PAGES)
    by_id = sf.query_more(first["nextRecordsUrl"].rpartition("/")[2], headers=SMALL_PAGES)
    assert by_url["records"] == by_id["records"]
    assert [row[COURSE_KEY] for row in by_url["records"]] == keys[200:400]
    everything = sf.query_all(soql, headers=SMALL_PAGES)
    assert everything["totalSize"] == 450
    assert [row[COURSE_KEY] for row in everything["records"]] == keys
    assert everything["records"][0]["attributes"]["type"] == COURSE


def test_query_all_with_deleted_sees_the_recycle_bin(org: HookedOrg, sf: Salesforce) -> None:
    courses(org, 3)
    soql = f"SELECT Id, IsDeleted FROM {COURSE} WHERE {COURSE_KEY} = 'c-0001'"
    (record,) = sf.query(soql)["records"]
    sf.LMS_Course__c.delete(record["Id"])
    assert sf.query(soql)["totalSize"] == 0
    assert record["Id"] in {row["Id"] for row in sf.query_all(f"SELECT Id FROM {COURSE}", True)["records"]}


def test_describe_of_the_org_and_of_an_object(sf: Salesforce) -> None:
    listed = sf.describe()
    assert listed["encoding"] == "UTF-8"
    assert {COURSE, ENROLLMENT, "User"} <= {entry["name"] for entry in listed["sobjects"]}
    described = sf.LMS_Enrollment__c.describe()
    fields = {field["name"]: field for field in described["fields"]}
    assert (described["createable"], described["updateable"]) == (True, True)
    assert fields[ENROLLMENT_KEY]["externalId"]
    assert fields["Progress_Status__c"]["restrictedPicklist"]
    assert "OnTrack" in {entry["value"] for entry in fields["Progress_Status__c"]["picklistValues"]}
    assert sf.LMS_Enrollment__c.metadata()["objectDescribe"]["name"] == ENROLLMENT


def test_limits_and_the_usage_header(org: HookedOrg, sf: Salesforce) -> None:
    daily = sf.limits()["DailyApiRequests"]
    assert 0 < daily["Remaining"] < daily["Max"]
    assert sf.api_usage["api-usage"].total == daily["Max"]
    assert sf.api_usage["api-usage"].used == org.sessions.api_used


# -- writing one record -------------------------------------------------------------------------------------------


def test_create_get_update_delete(sf: Salesforce) -> None:
    made = sf.LMS_Course__c.create({COURSE_KEY: "c-1", "Name": "Safety"})
    assert (made["success"], made["errors"]) == (True, [])
    assert sf.LMS_Course__c.get(made["id"])["Name"] == "Safety"
    assert sf.LMS_Course__c.update(made["id"], {"Name": "Fire safety"}) == 204
    assert sf.LMS_Course__c.get_by_custom_id(COURSE_KEY, "c-1")["Name"] == "Fire safety"
    assert sf.LMS_Course__c.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound) as caught:
        sf.LMS_Course__c.get(made["id"])
    assert caught.value.content[0]["errorCode"] == "ENTITY_IS_DELETED"


def test_upsert_by_external_id_creates_then_updates_and_nests_the_parent(org: HookedOrg, sf: Salesforce) -> None:
    assert sf.LMS_Course__c.upsert(f"{COURSE_KEY}/c 1", {"Name": "Safety"}) == 201
    assert sf.LMS_Course__c.upsert(f"{COURSE_KEY}/c 1", {"Name": "Fire safety"}) == 200
    answer = sf.LMS_Enrollment__c.upsert(
        f"{ENROLLMENT_KEY}/e-1", {"LMS_Course__r": {COURSE_KEY: "c 1"}}, raw_response=True
    )
    assert answer.json()["created"] is True
    (course,) = org.records(COURSE)
    assert org.record(ENROLLMENT, answer.json()["id"])["LMS_Course__c"] == course["Id"]
    assert course["Name"] == "Fire safety"


@pytest.mark.parametrize(
    ("body", "code", "fields"),
    [
        ({"Name": "x", "Nonsense__c": 1}, "INVALID_FIELD", None),
        ({"Name": "x" * 81}, "STRING_TOO_LONG", ["Name"]),
        ({"Name": "x", "Active__c": "maybe"}, "INVALID_TYPE_ON_FIELD_IN_RECORD", ["Active__c"]),
    ],
)
def test_a_refused_record_is_a_malformed_request_with_its_code(
    sf: Salesforce, body: dict[str, Any], code: str, fields: list[str] | None
) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.LMS_Course__c.upsert(f"{COURSE_KEY}/c-1", body)
    (entry,) = caught.value.content
    assert entry["errorCode"] == code
    assert entry.get("fields") == fields


def test_a_query_that_is_none_and_an_unknown_object(sf: Salesforce) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.query("SELECT FROM nothing")
    assert caught.value.content[0]["errorCode"] == "MALFORMED_QUERY"
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.query("SELECT Id FROM Nothing__c")
    assert caught.value.content[0]["errorCode"] == "INVALID_TYPE"
    for act in (sf.Nothing__c.describe, lambda: sf.LMS_Course__c.get(MISSING_ID)):
        with pytest.raises(SalesforceResourceNotFound) as missing:
            act()
        assert missing.value.content[0]["errorCode"] == "NOT_FOUND"


def test_several_matches_are_listed_by_address(org: HookedOrg, sf: Salesforce) -> None:
    """An external id that is not unique, as administrators may make one."""
    ids = [sf.LMS_Course__c.create({COURSE_KEY: key, "Name": "Twin"})["id"] for key in ("t-1", "t-2")]
    for record_id in ids:
        org.set_values(COURSE, record_id, External_Reference__c="t")
    field = org.schema(COURSE).fields["external_reference__c"]
    field.external_id = True
    try:
        with pytest.raises(SalesforceMoreThanOneRecord) as caught:
            sf.LMS_Course__c.upsert("External_Reference__c/t", {"Name": "x"})
    finally:
        field.external_id = False
    assert [address.rpartition("/")[2] for address in caught.value.content] == ids


def test_a_spent_allowance_is_a_refused_request(org: HookedOrg, sf: Salesforce) -> None:
    org.refuse_next((403, "REQUEST_LIMIT_EXCEEDED"))
    with pytest.raises(SalesforceRefusedRequest) as caught:
        sf.limits()
    assert caught.value.content[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"


# -- bulk -----------------------------------------------------------------------------------------------------------


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_bulk_upsert_in_several_jobs_reports_every_row(org: HookedOrg, sf: Salesforce) -> None:
    courses(org, 10)
    sent = [{COURSE_KEY: f"c-{at:04d}", "Name": "x" * 99 if at % 50 == 7 else f"New {at}"} for at in range(250)]
    org.bulk.batch_rows = 60
    jobs = sf.bulk2.LMS_Course__c.upsert(records=sent, external_id_field=COURSE_KEY, batch_size=100, wait=0)
    assert [job["numberRecordsTotal"] for job in jobs] == [100, 100, 50]
    assert [(job["numberRecordsProcessed"], job["numberRecordsFailed"]) for job in jobs] == [
        (100, 2), (100, 2), (50, 1),
    ]  # fmt: skip
    good = [row for job in jobs for row in rows(sf.bulk2.LMS_Course__c.get_successful_records(job["job_id"]))]
    bad = [row for job in jobs for row in rows(sf.bulk2.LMS_Course__c.get_failed_records(job["job_id"]))]
    left = [row for job in jobs for row in rows(sf.bulk2.LMS_Course__c.get_unprocessed_records(job["job_id"]))]
    assert sorted(row[COURSE_KEY] for row in good + bad) == [row[COURSE_KEY] for row in sent]
    assert left == []
    assert {row["sf__Created"] for row in good if row[COURSE_KEY] <= "c-0009"} == {"false"}
    assert {row["sf__Created"] for row in good if row[COURSE_KEY] > "c-0009"} == {"true"}
    assert {row["sf__Id"] for row in good} == {row["Id"] for row in org.records(COURSE) if "New" in row["Name"]}
    assert {row["sf__Error"].split(":")[0] for row in bad} == {"STRING_TOO_LONG"}


def test_bulk_empty_cells_say_nothing_and_the_null_mark_empties(org: HookedOrg, sf: Salesforce) -> None:
    first = [{COURSE_KEY: key, "Name": "A", "Vendor__c": "Acme"} for key in ("c-1", "c-2")]
    bulk = sf.bulk2.LMS_Course__c
    bulk.upsert(records=first, external_id_field=COURSE_KEY, wait=0)
    second = [{COURSE_KEY: "c-1", "Vendor__c": ""}, {COURSE_KEY: "c-2", "Vendor__c": "#N/A"}]
    bulk.upsert(records=second, external_id_field=COURSE_KEY, wait=0)
    assert {row[COURSE_KEY]: row["Vendor__c"] for row in org.records(COURSE)} == {"c-1": "Acme", "c-2": None}


def test_a_file_that_cannot_be_read_fails_the_job_with_the_orgs_words(org: HookedOrg, sf: Salesforce) -> None:
    with pytest.raises(SalesforceOperationError, match="InvalidBatch : Field name not found : Nonsense__c"):
        sf.bulk2.LMS_Course__c.upsert(
            records=[{COURSE_KEY: "c-1", "Nonsense__c": "1"}], external_id_field=COURSE_KEY, wait=0
        )
    assert org.records(COURSE) == []


def test_all_results_of_a_job_that_stopped_half_way(org: HookedOrg, sf: Salesforce) -> None:
    sent = [{COURSE_KEY: f"c-{at}", "Name": "x"} for at in range(30)]
    org.fail_job_after(10)
    with pytest.raises(SalesforceOperationError):
        sf.bulk2.LMS_Course__c.upsert(records=sent, external_id_field=COURSE_KEY, wait=0)
    results = sf.bulk2.LMS_Course__c.get_all_ingest_records(list(org.bulk.jobs)[-1])
    assert {name: len(found) for name, found in results.items()} == {
        "successfulRecords": 10, "failedRecords": 0, "unprocessedRecords": 20,
    }  # fmt: skip
