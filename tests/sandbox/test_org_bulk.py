"""Bulk API 2.0 ingest of the sandbox org over real HTTP: docs/facts/salesforce.md section 3a."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import test_org_rest as rest
from test_org_rest import COURSE, COURSE_KEY, DATA, ENROLLMENT, ENROLLMENT_KEY, Client, Host

from connector.sandbox.org.app import create_salesforce_app
from connector.sandbox.org.hooks import HookedOrg

host = rest.host
JOBS = f"{DATA}/jobs/ingest"
RESULTS = ("successfulResults", "failedResults", "unprocessedrecords")


class Bulk(Client):
    """The steps of a job."""

    def create(self, name: str = COURSE, key: str = COURSE_KEY, **more: Any) -> httpx.Response:
        body = {"object": name, "operation": "upsert", "externalIdFieldName": key, "contentType": "CSV", **more}
        return self.http.post(JOBS, json=body)

    def put(self, job: str, text: str | bytes, kind: str = "text/csv") -> httpx.Response:
        content = text.encode() if isinstance(text, str) else text
        return self.http.put(f"{JOBS}/{job}/batches", content=content, headers={"content-type": kind})

    def state(self, job: str, state: str) -> httpx.Response:
        return self.http.patch(f"{JOBS}/{job}", json={"state": state})

    def info(self, job: str) -> Any:
        return self.http.get(f"{JOBS}/{job}").json()

    def end(self, job: str) -> Any:
        for _ in range(20):
            if (info := self.info(job))["state"] in {"JobComplete", "Failed", "Aborted"}:
                return info
        raise AssertionError("the job does not end")

    def run(self, text: str | bytes, name: str = COURSE, key: str = COURSE_KEY, **more: Any) -> Any:
        job = self.create(name, key, **more).json()["id"]
        assert self.put(job, text).status_code == 201
        assert self.state(job, "UploadComplete").json()["state"] == "UploadComplete"
        return self.end(job)

    def result(self, job: str, name: str) -> list[dict[str, str]]:
        answer = self.http.get(f"{JOBS}/{job}/{name}/")
        assert answer.headers["content-type"] == "text/csv"
        return list(csv.DictReader(io.StringIO(answer.text, newline="")))


@pytest.fixture
def bulk(host: tuple[Host, str]) -> Iterator[Bulk]:
    org = HookedOrg()
    host[0].app = create_salesforce_app(org)
    with httpx.Client(base_url=host[1]) as http:
        yield Bulk(org, http)


def courses(count: int, ending: str = "\n") -> str:
    rows = [f"{COURSE_KEY},Name,Vendor__c,Active__c", *(f"c-{n:03d},Course {n},v{n},true" for n in range(count))]
    return ending.join(rows) + ending


def test_a_job_goes_through_its_states_and_writes_its_rows(bulk: Bulk) -> None:
    made = bulk.create()
    assert made.status_code == 200
    job = made.json()
    assert (job["state"], job["jobType"], job["apiVersion"], job["lineEnding"]) == ("Open", "V2Ingest", 67.0, "LF")
    assert job["contentUrl"] == f"services/data/v67.0/jobs/ingest/{job['id']}/batches"
    assert bulk.info(job["id"])["state"] == "Open", "nothing moves before the job is closed"
    assert bulk.put(job["id"], courses(30)).status_code == 201
    closed = bulk.state(job["id"], "UploadComplete").json()
    assert "contentUrl" not in closed
    assert [bulk.info(job["id"])["state"] for _ in range(3)] == ["InProgress", "JobComplete", "JobComplete"]
    info = bulk.info(job["id"])
    assert (info["numberRecordsProcessed"], info["numberRecordsFailed"]) == (30, 0)
    assert bulk.org.record_counts()[COURSE] == 30
    assert [entry["id"] for entry in bulk.http.get(JOBS).json()["records"]] == [job["id"]]


def test_results_carry_the_columns_in_an_order_of_their_own(bulk: Bulk) -> None:
    bulk.course("c-003")
    bulk.org.fail_next("UNABLE_TO_LOCK_ROW")
    job = bulk.run(courses(30))["id"]
    done = bulk.result(job, "successfulResults")
    assert list(done[0]) == ["sf__Id", "sf__Created", COURSE_KEY, "Name", "Vendor__c", "Active__c"]
    keys = [row[COURSE_KEY] for row in done]
    assert keys != sorted(keys)
    assert sorted(keys) == [f"c-{n:03d}" for n in range(1, 30)]
    assert {row[COURSE_KEY] for row in done if row["sf__Created"] == "false"} == {"c-003"}
    ids = {row["Absorb_Course_Id__c"]: row["Id"] for row in bulk.org.records(COURSE)}
    assert all(row["sf__Id"] == ids[row[COURSE_KEY]] for row in done)
    (failed,) = bulk.result(job, "failedResults")
    assert failed["sf__Error"] == "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"
    assert (failed["sf__Id"], failed[COURSE_KEY]) == ("", "c-000")
    assert bulk.result(job, "unprocessedrecords") == []


def test_an_empty_cell_leaves_a_value_and_na_clears_it(bulk: Bulk) -> None:
    bulk.course("c-1", Vendor__c="kept", External_Reference__c="gone")
    bulk.run(f"{COURSE_KEY},Name,Vendor__c,External_Reference__c\nc-1,New,,#N/A\n")
    (row,) = bulk.org.records(COURSE)
    assert (row["Name"], row["Vendor__c"], row["External_Reference__c"]) == ("New", "kept", None)


def test_types_quotes_and_parents(bulk: Bulk) -> None:
    bulk.course("c-1")
    text = (
        f"{ENROLLMENT_KEY},LMS_Course__r.{COURSE_KEY},Score__c,Is_Current__c,Certificate_Id__c\r\n"
        'e-1,c-1,12.5,TRUE,"a ""b"", c\nd"\r\n'
        "e-2,c-9,1,false,x\r\n"
        "e-3,c-1,much,false,x\r\n"
    )
    info = bulk.run(text, ENROLLMENT, ENROLLMENT_KEY, lineEnding="CRLF")
    assert (info["numberRecordsProcessed"], info["numberRecordsFailed"]) == (3, 2)
    (row,) = bulk.org.records(ENROLLMENT)
    assert (row["Score__c"], row["Is_Current__c"], row["Certificate_Id__c"]) == (12.5, True, 'a "b", c\nd')
    codes = {row[ENROLLMENT_KEY]: row["sf__Error"] for row in bulk.result(info["id"], "failedResults")}
    assert codes["e-2"].startswith("INVALID_FIELD:Foreign key external ID: c-9 not found")
    assert codes["e-3"].startswith("INVALID_TYPE_ON_FIELD_IN_RECORD:")
    assert codes["e-3"].endswith(":Score__c--")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xef\xbb\xbf" + courses(1).encode(), "InvalidBatch : Field name not found : \ufeff"),
        (f"{COURSE_KEY},Nope__c,Never__c\nc-1,a,b\n".encode(), "InvalidBatch : Field name not found : Nope__c"),
        (f"{COURSE_KEY},Nope__r.X\nc-1,a\n".encode(), "InvalidBatch : Field name not found : Nope__r.X"),
        (courses(1, "\r\n").encode(), "ClientInputError : LineEnding is invalid on user data."),
        (b"Name\na\n", f"InvalidBatch : The external id {COURSE_KEY}"),
        (f"{COURSE_KEY},Name\nc-1\n".encode(), "InvalidBatch : The number of values"),
        (f"{COURSE_KEY},Name\nc-1,\xe4\n".encode("latin-1"), "InvalidBatch : The file is not UTF-8"),
        (f'{COURSE_KEY},Name\n"c-1" ,a\n'.encode(), "InvalidBatch : The file is not valid CSV"),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_whole_job(bulk: Bulk, content: bytes, message: str) -> None:
    info = bulk.run(content)
    assert info["state"] == "Failed"
    assert info["errorMessage"].startswith(message)
    assert bulk.org.record_counts()[COURSE] == 0


def test_a_job_that_fails_half_way_keeps_what_it_wrote_and_names_the_rest(bulk: Bulk) -> None:
    bulk.org.bulk.batch_rows = 4
    bulk.org.fail_job_after(10)
    info = bulk.run(courses(25))
    assert (info["state"], info["numberRecordsProcessed"]) == ("Failed", 10)
    assert bulk.org.record_counts()[COURSE] == len(bulk.result(info["id"], "successfulResults")) == 10
    assert len(bulk.result(info["id"], "unprocessedrecords")) == 15
    assert bulk.run(courses(25))["state"] == "JobComplete", "one job only"


def test_an_aborted_job_keeps_what_it_wrote_and_names_the_rest(bulk: Bulk) -> None:
    bulk.org.bulk.batch_rows = 4
    job = bulk.create().json()["id"]
    bulk.put(job, courses(10))
    bulk.state(job, "UploadComplete")
    assert [bulk.info(job)["numberRecordsProcessed"] for _ in range(2)] == [0, 4]
    assert bulk.state(job, "Aborted").json()["state"] == "Aborted"
    assert bulk.info(job)["numberRecordsProcessed"] == 4
    assert len(bulk.result(job, "unprocessedrecords")) == 6
    assert bulk.state(job, "Aborted").status_code == 400


def test_a_held_job_does_not_move(bulk: Bulk) -> None:
    bulk.org.bulk.hold = 3
    job = bulk.create().json()["id"]
    bulk.put(job, courses(1))
    bulk.state(job, "UploadComplete")
    assert [bulk.info(job)["state"] for _ in range(4)] == ["InProgress"] * 3 + ["JobComplete"]


def test_uploads_that_are_refused(bulk: Bulk) -> None:
    job = bulk.create().json()["id"]
    assert bulk.put(job, "x", "application/json").status_code == 415
    bulk.org.bulk.max_bytes = 5
    assert bulk.put(job, "123456").status_code == 400
    assert bulk.put(job, "12345").status_code == 201
    twice = bulk.put(job, "12345")
    assert (twice.status_code, twice.json()[0]["errorCode"]) == (400, "INVALIDBATCH")
    bulk.state(job, "Aborted")
    late = bulk.put(job, "12345")
    assert (late.status_code, late.json()[0]["errorCode"]) == (400, "INVALIDJOBSTATE")
    assert bulk.state(job, "UploadComplete").status_code == 400


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"operation": "insert"}, 400), ({"object": "Nope__c"}, 404), ({"externalIdFieldName": "Name"}, 404),
        ({"externalIdFieldName": ""}, 400), ({"lineEnding": "CR"}, 400), ({"columnDelimiter": "TAB"}, 400),
    ],
)  # fmt: skip
def test_jobs_that_are_refused(bulk: Bulk, change: dict[str, str], status: int) -> None:
    body = {"object": COURSE, "operation": "upsert", "externalIdFieldName": COURSE_KEY, "contentType": "CSV"}
    assert bulk.http.post(JOBS, json=body | change).status_code == status


def test_jobs_are_deleted_purged_and_then_unknown(bulk: Bulk) -> None:
    job = bulk.create().json()["id"]
    assert bulk.http.delete(f"{JOBS}/{job}").status_code == 400
    bulk.state(job, "Aborted")
    assert bulk.http.delete(f"{JOBS}/{job}").status_code == 204
    assert bulk.http.get(f"{JOBS}/{job}").status_code == 404
    job = bulk.run(courses(2))["id"]
    bulk.org.bulk.purge()
    for path in ("", *(f"/{name}/" for name in RESULTS)):
        assert bulk.http.get(f"{JOBS}/{job}{path}").status_code == 404


def test_results_are_read_with_the_version_of_the_job(bulk: Bulk) -> None:
    job = bulk.run(courses(2))["id"]
    assert bulk.http.get(f"/services/data/v66.0/jobs/ingest/{job}/successfulResults/").status_code == 409


def test_results_are_compressed_for_those_who_accept_it(bulk: Bulk) -> None:
    job = bulk.run(courses(500))["id"]
    path = f"{JOBS}/{job}/successfulResults"
    assert bulk.http.get(path).headers["content-encoding"] == "gzip"
    plain = bulk.http.get(path, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == bulk.http.get(path).text


def test_jobs_need_a_session_and_count_as_calls(bulk: Bulk) -> None:
    used = bulk.org.sessions.api_used
    job = bulk.create().json()["id"]
    assert bulk.org.sessions.api_used == used + 1
    bulk.org.expire_sessions()
    assert bulk.info(job)[0]["errorCode"] == "INVALID_SESSION_ID"
    assert bulk.put(job, "x").status_code == 401
    assert bulk.org.bulk.rows_received == 0
