"""getUpdated, getDeleted, other users' sessions and the recycle bin of the sandbox org, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connector.sandbox.server import Sandbox, SandboxOptions

DATA = "/services/data/v67.0"
NOW = datetime(2026, 3, 1, 12, 30, 20, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=100, courses=3, rate_limit=0, now=lambda: clock.now)) as running:
        yield running


@pytest.fixture
def http(box: Sandbox) -> Iterator[httpx.Client]:
    form = {"grant_type": "client_credentials", "client_id": box.org.client_id, "client_secret": box.org.client_secret}
    with httpx.Client(base_url=box.salesforce_url) as client:
        token = client.post("/services/oauth2/token", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def ask(http: httpx.Client, resource: str, start: datetime, end: datetime, name: str = "LMS_Course__c") -> Any:
    window = {"start": start.isoformat(), "end": end.isoformat()}
    return http.get(f"{DATA}/sobjects/{name}/{resource}/", params=window)


def course(http: httpx.Client, key: str) -> str:
    answer = http.post(f"{DATA}/sobjects/LMS_Course__c", json={"Absorb_Course_Id__c": key, "Name": key})
    return str(answer.json()["id"])


def test_updates_are_named_by_their_stamp_in_whole_minutes(box: Sandbox, http: httpx.Client, clock: Clock) -> None:
    first = course(http, "c-1")
    clock.now += timedelta(minutes=10)
    second = course(http, "c-2")
    clock.now += timedelta(minutes=1)
    answer = ask(http, "updated", NOW - timedelta(hours=1), clock.now).json()
    assert answer == {"ids": sorted([first, second]), "latestDateCovered": "2026-03-01T12:41:00.000+0000"}
    assert ask(http, "updated", NOW + timedelta(minutes=1), clock.now).json()["ids"] == [second]
    assert ask(http, "updated", NOW, NOW + timedelta(minutes=5)).json()["ids"] == [first], "seconds are ignored"
    http.delete(f"{DATA}/sobjects/LMS_Course__c/{first}")
    assert ask(http, "updated", NOW, clock.now).json()["ids"] == [second]


def test_deletions_stay_known_when_the_bin_is_emptied(box: Sandbox, http: httpx.Client, clock: Clock) -> None:
    gone = course(http, "c-1")
    assert http.delete(f"{DATA}/sobjects/LMS_Course__c/{gone}").status_code == 204
    clock.now += timedelta(minutes=2)
    every = {"q": "SELECT Id, IsDeleted FROM LMS_Course__c"}
    assert http.get(f"{DATA}/query", params=every).json()["records"] == []
    assert [row["IsDeleted"] for row in http.get(f"{DATA}/queryAll", params=every).json()["records"]] == [True]
    for _ in range(2):
        answer = ask(http, "deleted", NOW - timedelta(hours=1), clock.now).json()
        assert answer["deletedRecords"] == [{"id": gone, "deletedDate": "2026-03-01T12:30:20.000+0000"}]
        assert answer["earliestDateAvailable"] == "2026-02-14T12:32:20.000+0000"
        box.org.empty_recycle_bin("LMS_Course__c")
    assert http.get(f"{DATA}/queryAll", params=every).json()["records"] == []
    box.org.replication.purge_log()
    answer = ask(http, "deleted", NOW - timedelta(hours=1), clock.now).json()
    assert (answer["deletedRecords"], answer["earliestDateAvailable"]) == ([], "2026-03-01T12:32:20.000+0000")


@pytest.mark.parametrize(
    ("resource", "back", "length", "code"),
    [
        ("updated", timedelta(days=30, minutes=1), timedelta(days=1), "INVALID_REPLICATION_DATE"),
        ("updated", timedelta(days=29), timedelta(days=1), None),
        ("deleted", timedelta(days=15, minutes=1), timedelta(days=1), "INVALID_REPLICATION_DATE"),
        ("deleted", timedelta(days=14), timedelta(days=1), None),
        ("updated", timedelta(seconds=10), timedelta(seconds=9), "INVALID_REPLICATION_DATE"),
        ("deleted", timedelta(hours=1), timedelta(hours=-1), "INVALID_REPLICATION_DATE"),
    ],
)
def test_windows(http: httpx.Client, resource: str, back: timedelta, length: timedelta, code: str | None) -> None:
    answer = ask(http, resource, NOW - back, NOW - back + length)
    assert answer.status_code == (400 if code else 200)
    if code:
        assert answer.json()[0]["errorCode"] == code


def test_a_window_without_instants_and_too_many_ids_are_refused(box: Sandbox, http: httpx.Client, clock: Clock) -> None:
    assert http.get(f"{DATA}/sobjects/LMS_Course__c/updated", params={"start": "yesterday"}).status_code == 400
    course(http, "c-1")
    course(http, "c-2")
    clock.now += timedelta(minutes=1)
    box.org.replication.id_limit = 1
    answer = ask(http, "updated", NOW - timedelta(hours=1), clock.now)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "EXCEEDED_ID_LIMIT")
    assert ask(http, "updated", NOW - timedelta(hours=1), clock.now, "Nothing__c").status_code == 404


def test_somebody_elses_writes_bear_their_id(box: Sandbox, http: httpx.Client) -> None:
    made = course(http, "c-1")
    assert box.org.record("LMS_Course__c", made)["LastModifiedById"] == box.org.user_id
    person = box.org.records("User")[1]["Id"]
    token = http.post(f"/_sandbox/session/{person}").json()["access_token"]
    theirs = {"Authorization": f"Bearer {token}"}
    path = f"{DATA}/sobjects/LMS_Course__c/{made}"
    assert http.patch(path, json={"Vendor__c": "Theirs"}, headers=theirs).status_code == 204
    record = box.org.record("LMS_Course__c", made)
    assert (record["CreatedById"], record["LastModifiedById"]) == (box.org.user_id, person)
    assert http.post("/_sandbox/session/005000000000000AAA").status_code == 404


def test_deleting_a_course_clears_the_lookups_at_it(box: Sandbox, http: httpx.Client) -> None:
    made = course(http, "c-1")
    body = {"Absorb_Enrollment_Id__c": "e-1", "LMS_Course__c": made}
    child = http.post(f"{DATA}/sobjects/LMS_Enrollment__c", json=body).json()["id"]
    http.delete(f"{DATA}/sobjects/LMS_Course__c/{made}")
    assert box.org.record("LMS_Enrollment__c", child)["LMS_Course__c"] is None


def test_native_progress_is_the_orgs_own_and_some_are_assigned(box: Sandbox) -> None:
    names = {row["Id"]: row["Name"].lower() for row in box.org.records("LearningItem")}
    courses = {row["name"].lower() for row in box.portal.courses()}
    related = [row for row in box.org.records("LearningItemProgress") if names[row["LearningItemId"]] in courses]
    assert len({(row["OwnerId"], row["LearningItemId"]) for row in related}) == len(related) > 5
    # Statuses that an enrollment without a due date, of which there are only such here, would never have.
    assert {row["ProgressStatus"] for row in related} & {"Behind", "Overdue", "CompletedLate", "OnTrack"}
    for row in related:
        done = row["ProgressStatus"].startswith("Completed")
        assert done == (row["CompletedDate"] is not None) == (row["CompletedPercent"] == 100)
    assigned = box.org.records("LearningItemAssignment")
    assert len(assigned) > 3
    assert (
        {row["DueDate"] is None for row in assigned} == {row["StartDate"] is None for row in assigned} == {True, False}
    )
