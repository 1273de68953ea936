"""The sandbox org over real HTTP: sessions, describe, upserts, limits and error bodies."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from connector.sandbox.org.app import create_salesforce_app
from connector.sandbox.org.filling import populate
from connector.sandbox.org.hooks import HookedOrg
from connector.sandbox.org.rows.ids import to_18

DATA = "/services/data/v67.0"
COURSE, COURSE_KEY = "LMS_Course__c", "Absorb_Course_Id__c"
ENROLLMENT, ENROLLMENT_KEY = "LMS_Enrollment__c", "Absorb_Enrollment_Id__c"


class Client:
    """A logged-in HTTP client of one org."""

    def __init__(self, org: HookedOrg, http: httpx.Client) -> None:
        self.org = org
        self.http = http
        self.login()

    def token(self, **form: str) -> httpx.Response:
        return self.http.post("/services/oauth2/token", data=form)

    def login(self) -> None:
        answer = self.token(
            grant_type="client_credentials",
            client_id=self.org.client_id,
            client_secret=self.org.client_secret,
        )
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def collect(self, name: str, key: str, *records: dict[str, Any], all_or_none: bool = False) -> Any:
        body = {
            "allOrNone": all_or_none,
            "records": [{"attributes": {"type": name}, **record} for record in records],
        }
        answer = self.http.patch(f"{DATA}/composite/sobjects/{name}/{key}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def course(self, key: str = "c-1", **values: Any) -> Any:
        return self.collect(COURSE, COURSE_KEY, {COURSE_KEY: key, "Name": "Safety", **values})[0]

    def enrollment(self, key: str = "e-1", **values: Any) -> Any:
        return self.collect(ENROLLMENT, ENROLLMENT_KEY, {ENROLLMENT_KEY: key, **values})[0]

    def query(self, soql: str) -> Any:
        return self.http.get(f"{DATA}/query", params={"q": soql}).json()


class Host:
    """Hands each request to the org of the running test, so that one server serves all tests."""

    app: Starlette

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(scope="module")
def host() -> Iterator[tuple[Host, str]]:
    host = Host()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(host, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield host, f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def sf(host: tuple[Host, str]) -> Iterator[Client]:
    org = HookedOrg()
    host[0].app = create_salesforce_app(org)
    with httpx.Client(base_url=host[1]) as http:
        yield Client(org, http)


def error(result: dict[str, Any]) -> tuple[str, list[str]]:
    assert result["success"] is False
    (only,) = result["errors"]
    return only["statusCode"], only["fields"]


# Sessions


def test_token_response_has_what_the_flow_promises(sf: Client) -> None:
    org = sf.org
    body = sf.token(grant_type="client_credentials", client_id=org.client_id, client_secret=org.client_secret).json()
    assert body["instance_url"] == str(sf.http.base_url).rstrip("/")
    assert body["token_type"] == "Bearer"
    assert body["issued_at"].isdigit()
    assert "expires_in" not in body


def test_token_by_basic_header(sf: Client) -> None:
    answer = sf.http.post(
        "/services/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(sf.org.client_id, sf.org.client_secret),
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"client_id": "other"}, "invalid_client_id"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_token_refusals(sf: Client, change: dict[str, str], code: str) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": sf.org.client_id,
        "client_secret": sf.org.client_secret,
    }
    answer = sf.token(**{**form, **change})
    assert (answer.status_code, answer.json()["error"]) == (400, code)
    assert answer.json()["error_description"]


def test_expired_session_is_401_until_the_next_login(sf: Client) -> None:
    sf.org.expire_sessions()
    answer = sf.http.get(f"{DATA}/limits")
    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    sf.login()
    assert sf.http.get(f"{DATA}/limits").status_code == 200


# Limits and versions


def test_each_answer_reports_usage_and_the_spent_allowance_is_403(sf: Client) -> None:
    sf.org.set_api_usage(3, 5)
    assert sf.http.get(f"{DATA}/limits").headers["sforce-limit-info"] == "api-usage=4/5"
    assert sf.http.get(f"{DATA}/limits").json()["DailyApiRequests"] == {"Max": 5, "Remaining": 0}
    answer = sf.http.get(f"{DATA}/sobjects/User/describe")
    assert answer.status_code == 403
    assert answer.json()[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"
    assert answer.headers["sforce-limit-info"] == "api-usage=5/5"


def test_injected_refusal_is_served_once(sf: Client) -> None:
    sf.org.refuse_next((503, "SERVER_UNAVAILABLE"))
    assert sf.http.get(f"{DATA}/limits").status_code == 503
    assert sf.http.get(f"{DATA}/limits").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/services/data", 200),
        ("/services/data/v67.0/", 200),
        ("/services/data/v67.0/sobjects", 200),
        ("/services/data/v99.0/limits", 404),
        ("/services/data/v20.0/limits", 410),
        ("/services/data/v67.0/nonsense", 404),
        ("/services/data/v67.0/sobjects/Nope__c/describe", 404),
        ("/services/data/v59.0/sobjects/LearningItemProgress/describe", 404),
        ("/services/data/v67.0/query?q=" + "x" * 17_000, 414),
    ],
)
def test_paths(sf: Client, path: str, status: int) -> None:
    answer = sf.http.get(path)
    assert answer.status_code == status
    if status >= 400:
        assert set(answer.json()[0]) == {"message", "errorCode"}


# Describe


def test_describe_tells_the_metadata(sf: Client) -> None:
    body = sf.http.get(f"{DATA}/sobjects/{ENROLLMENT}/describe").json()
    fields = {field["name"]: field for field in body["fields"]}
    assert body["createable"] is True
    key = fields[ENROLLMENT_KEY]
    assert (key["externalId"], key["unique"], key["nillable"], key["length"]) == (True, True, False, 36)
    assert fields["Days_In_Progress__c"]["calculated"] is True
    assert fields["Days_In_Progress__c"]["createable"] is False
    assert fields["LMS_Course__c"]["relationshipName"] == "LMS_Course__r"
    assert len(fields["Progress_Status__c"]["picklistValues"]) == 9
    assert fields["Progress_Status__c"]["restrictedPicklist"] is True


def test_describe_follows_the_administrator(sf: Client) -> None:
    sf.org.remove_field(ENROLLMENT, "Score__c")
    sf.org.deactivate_picklist_value(ENROLLMENT, "Progress_Status__c", "Behind")
    body = sf.http.get(f"{DATA}/sobjects/{ENROLLMENT}/describe").json()
    fields = {field["name"]: field for field in body["fields"]}
    assert "Score__c" not in fields
    inactive = [v["value"] for v in fields["Progress_Status__c"]["picklistValues"] if not v["active"]]
    assert inactive == ["Behind"]
    assert error(sf.enrollment(Score__c=1))[0] == "INVALID_FIELD"
    assert error(sf.enrollment(Progress_Status__c="Behind"))[0] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    sf.org.remove_object(ENROLLMENT)
    assert sf.http.get(f"{DATA}/sobjects/{ENROLLMENT}/describe").status_code == 404


def test_learning_item_progress_can_be_read_and_never_written(sf: Client) -> None:
    populate(sf.org, [{"id": f"u{at}", "externalId": f"E-{at}"} for at in range(50)], "all")
    body = sf.http.get(f"{DATA}/sobjects/LearningItemProgress/describe").json()
    assert (body["createable"], body["updateable"], body["queryable"]) == (False, False, True)
    assert not any(field["createable"] or field["updateable"] for field in body["fields"])
    found = sf.query("SELECT Id, Owner.Email, ProgressStatus FROM LearningItemProgress")
    assert found["totalSize"] == 25
    record_id = found["records"][0]["Id"]
    for answer in (
        sf.http.post(f"{DATA}/sobjects/LearningItemProgress", json={"ProgressStatus": "Completed"}),
        sf.http.patch(f"{DATA}/sobjects/LearningItemProgress/{record_id}", json={"CompletedPercent": 1}),
    ):
        assert answer.status_code == 400
        assert answer.json()[0]["errorCode"] == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    assert sf.http.delete(f"{DATA}/sobjects/LearningItemProgress/{record_id}").status_code == 400


# Collections upsert


def test_upsert_creates_then_updates_without_regard_to_case(sf: Client) -> None:
    first, again, changed = sf.course("ABC"), sf.course("ABC"), sf.course("abc", Name="Other")
    assert (first["created"], again["created"], changed["created"]) == (True, False, False)
    assert first["id"] == again["id"] == changed["id"]
    assert to_18(first["id"][:15]) == first["id"]
    counts = sf.org.write_counts
    assert counts["objects"][COURSE] == {"created": 1, "unchanged": 1, "updated": 1, "failed": 0}
    assert counts["collection_calls"] == 3


def test_results_keep_the_order_and_a_bad_record_spares_the_others(sf: Client) -> None:
    results = sf.collect(
        COURSE,
        COURSE_KEY,
        {COURSE_KEY: "1", "Name": "a"},
        {COURSE_KEY: "2", "Nope__c": 1},
        {COURSE_KEY: "3", "Name": "c"},
    )
    assert [result["success"] for result in results] == [True, False, True]
    assert error(results[1])[0] == "INVALID_FIELD"


def test_all_or_none_rolls_everything_back(sf: Client) -> None:
    good, bad = {COURSE_KEY: "1"}, {COURSE_KEY: "2", "Name": "x" * 81}
    results = sf.collect(COURSE, COURSE_KEY, good, bad, all_or_none=True)
    codes = [error(result)[0] for result in results]
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "STRING_TOO_LONG"]
    assert sf.org.records(COURSE) == []


def test_one_call_may_name_a_key_once(sf: Client) -> None:
    results = sf.collect(COURSE, COURSE_KEY, {COURSE_KEY: "1"}, {COURSE_KEY: "1"})
    assert results[0]["success"]
    assert error(results[1])[0] == "DUPLICATE_VALUE"


@pytest.mark.parametrize(
    ("values", "code", "fields"),
    [
        ({"Nope__c": 1}, "INVALID_FIELD", []),
        ({"Progress_Status__c": "Done"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Progress_Status__c"]),
        ({"Certificate_Id__c": "x" * 37}, "STRING_TOO_LONG", ["Certificate_Id__c"]),
        ({"Certificate_Id__c": 7}, "INVALID_TYPE_ON_FIELD_IN_RECORD", ["Certificate_Id__c"]),
        ({"Score__c": "high"}, "INVALID_TYPE_ON_FIELD_IN_RECORD", ["Score__c"]),
        ({"Removed__c": "true"}, "INVALID_TYPE_ON_FIELD_IN_RECORD", ["Removed__c"]),
        ({"Removed__c": None}, "INVALID_TYPE_ON_FIELD_IN_RECORD", ["Removed__c"]),
        ({"Due_Date__c": "2024-05-01"}, "INVALID_TYPE_ON_FIELD_IN_RECORD", ["Due_Date__c"]),
        ({"Due_Date__c": "2024-05-01T00:00:00"}, "INVALID_TYPE_ON_FIELD_IN_RECORD", ["Due_Date__c"]),
        ({"Due_Date__c": "9999-12-31T00:00:00Z"}, "NUMBER_OUTSIDE_VALID_RANGE", ["Due_Date__c"]),
        ({"Score__c": 1000}, "NUMBER_OUTSIDE_VALID_RANGE", ["Score__c"]),
        ({"Days_In_Progress__c": 4}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["Days_In_Progress__c"]),
        ({"Learner_User__c": "nobody"}, "MALFORMED_ID", ["Learner_User__c"]),
        ({"Learner_User__c": "0035g0000000001AAA"}, "MALFORMED_ID", ["Learner_User__c"]),
        ({"Learner_User__c": "0055g0000000zzz"}, "INVALID_CROSS_REFERENCE_KEY", ["Learner_User__c"]),
        ({"LMS_Course__r": {"Absorb_Course_Id__c": "none"}}, "INVALID_FIELD", []),
        ({"LMS_Course__r": {"Name": "none"}}, "INVALID_FIELD", []),
        ({ENROLLMENT_KEY: None}, "MISSING_ARGUMENT", [ENROLLMENT_KEY]),
        ({"Id": "a0Y5g0000000001AAA"}, "INVALID_FIELD", []),
    ],
)
def test_refused_values(sf: Client, values: dict[str, Any], code: str, fields: list[str]) -> None:
    assert error(sf.enrollment(**values)) == (code, fields)
    assert sf.org.record_counts()[ENROLLMENT] == 0


def test_parent_by_external_id_and_stored_forms(sf: Client) -> None:
    course = sf.course("c-1")
    result = sf.enrollment(
        LMS_Course__r={"Absorb_Course_Id__c": "C-1"},
        Assigned_Date__c="2024-05-01T02:00:00.987+02:00",
        Completed_Date__c="2024-05-11T12:00:00Z",
        Certificate_Id__c="",
        Score__c=88,
    )
    row = sf.http.get(f"{DATA}/sobjects/{ENROLLMENT}/{ENROLLMENT_KEY}/E-1").json()
    assert row["Id"] == result["id"]
    assert row["LMS_Course__c"] == course["id"]
    assert row["Assigned_Date__c"] == "2024-05-01T00:00:00.000+0000"
    assert row["Days_In_Progress__c"] == 10.0
    assert row["Certificate_Id__c"] is None
    assert (row["Is_Current__c"], row["Removed__c"], row["Name"]) == (True, False, "LE-0000001")
    missing = sf.enrollment(LMS_Course__r={"Absorb_Course_Id__c": "zz"})
    assert missing["errors"][0]["message"].startswith("Foreign key external ID: zz not found for field")


def test_queued_record_errors_are_served_in_order(sf: Client) -> None:
    sf.org.fail_next("UNABLE_TO_LOCK_ROW")
    assert error(sf.course())[0] == "UNABLE_TO_LOCK_ROW"
    assert sf.course()["created"] is True


def test_malformed_collections_are_400(sf: Client) -> None:
    url = f"{DATA}/composite/sobjects/{COURSE}/{COURSE_KEY}"
    record = {"attributes": {"type": COURSE}, COURSE_KEY: "1"}
    other = {"attributes": {"type": ENROLLMENT}, COURSE_KEY: "1"}
    bodies: list[Any] = [
        {"records": [record] * 201},
        {"records": [other]},
        {"records": [{COURSE_KEY: "1"}]},
        {},
        [],
    ]
    for body in bodies:
        assert sf.http.patch(url, json=body).status_code == 400
    assert sf.http.patch(url, content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert sf.http.patch(url, content=b"{}").status_code == 415
    assert sf.http.patch(f"{DATA}/composite/sobjects/{COURSE}/Name", json={}).status_code == 404
    assert sf.http.post(url, json={}).status_code == 405


# Single records


def test_single_record_life_cycle(sf: Client) -> None:
    url = f"{DATA}/sobjects/{COURSE}"
    made = sf.http.post(url, json={COURSE_KEY: "1", "Name": "a"})
    assert made.status_code == 201
    record_id = made.json()["id"]
    assert sf.http.post(url, json={COURSE_KEY: "1"}).json()[0]["errorCode"] == "DUPLICATE_VALUE"
    missing = sf.http.post(url, json={"Name": "a"}).json()[0]
    assert (missing["errorCode"], missing["fields"]) == ("REQUIRED_FIELD_MISSING", [COURSE_KEY])
    assert sf.http.patch(f"{url}/{record_id}", json={"Name": "b"}).status_code == 204
    assert sf.http.patch(f"{url}/{COURSE_KEY}/1", json={"Name": "c"}).status_code == 200
    assert sf.http.patch(f"{url}/{COURSE_KEY}/2", json={"Name": "d"}).status_code == 201
    assert sf.http.get(f"{url}/{record_id}", params={"fields": "Name"}).json()["Name"] == "c"
    assert sf.http.delete(f"{url}/{record_id}").status_code == 204
    assert sf.http.get(f"{url}/{record_id}").status_code == 404
    assert sf.query(f"SELECT COUNT() FROM {COURSE}")["totalSize"] == 1
    bin_ = sf.http.get(f"{DATA}/queryAll", params={"q": f"SELECT Id FROM {COURSE} WHERE IsDeleted = true"})
    assert bin_.json()["totalSize"] == 1


def test_control_endpoints_need_no_session(sf: Client) -> None:
    sf.course()
    del sf.http.headers["Authorization"]
    state = sf.http.get("/_sandbox/org").json()
    assert state["records"][COURSE] == 1
    assert state["writes"]["objects"][COURSE]["created"] == 1
    assert state["calls"]["by_resource"]["PATCH /composite/sobjects/{object}/{field}"] == 1
    assert len(sf.http.get(f"/_sandbox/records/{COURSE}").json()) == 1


def test_controls_refuse_every_record_and_hide_a_field(sf: Client) -> None:
    refuse = {"share": 1, "code": "STRING_TOO_LONG"}
    assert sf.http.post("/_sandbox/refuse", json=refuse).json() == refuse
    answer = sf.http.post(f"{DATA}/sobjects/{COURSE}", json={"Name": "a", "Absorb_Course_Id__c": "c-1"})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "STRING_TOO_LONG")
    sf.http.post("/_sandbox/refuse", json={"share": 0})
    sf.course()
    hide = {"object": COURSE, "field": "Vendor__c"}
    assert sf.http.post("/_sandbox/hide", json=hide).json() == hide
    names = {field["name"] for field in sf.http.get(f"{DATA}/sobjects/{COURSE}/describe").json()["fields"]}
    assert "Vendor__c" not in names
    for path, body in (("hide", hide), ("refuse", {"share": "all"})):
        assert sf.http.post(f"/_sandbox/{path}", json=body).status_code == 400
