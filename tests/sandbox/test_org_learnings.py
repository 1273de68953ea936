"""The Learnings Graph of the sandbox org: what it takes, what it refuses, and how it says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from connector.sandbox.org.hooks import HookedOrg
from connector.sandbox.server import Sandbox, SandboxOptions

PATH = "/connect/education/academic-operations/learnings"
LEARNING = {"type": "Learning Course", "name": "Algorithms", "courseNumber": 601, "active": True, "duration": 4}


@dataclass
class Graph:
    """The resource over HTTP, with a session."""

    org: HookedOrg
    http: httpx.Client

    def send(self, method: str, *items: Any, version: str = "67.0") -> httpx.Response:
        return self.http.request(method, f"/services/data/v{version}{PATH}", json={"learnings": list(items)})

    def made(self, **changes: Any) -> str:
        answer = self.send("POST", {"learning": LEARNING | changes})
        return str(answer.json()["details"][0]["learningId"])

    def get(self, name: str, **params: str) -> httpx.Response:
        return self.http.get(f"/services/data/v67.0{PATH}/{name}", params=params)


@pytest.fixture(scope="module")
def graph() -> Iterator[Graph]:
    with Sandbox(SandboxOptions(scale=0, courses=1)) as box:
        assert box.org is not None
        form = {
            "grant_type": "client_credentials", "client_id": box.org.client_id,
            "client_secret": box.org.client_secret,
        }  # fmt: skip
        with httpx.Client(base_url=box.salesforce_url) as http:
            token = http.post("/services/oauth2/token", data=form).json()["access_token"]
            http.headers["authorization"] = f"Bearer {token}"
            yield Graph(box.org, http)


def test_a_post_answers_ids_and_the_misspelt_counter(graph: Graph) -> None:
    needed = graph.made(name="First")
    wanted = {"type": "Single Achievement", "learningId": needed, "minimumGrade": 7}
    answer = graph.send("POST", {"learning": LEARNING, "prerequisites": [wanted], "outcomes": []})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["status"], body["successeCount"], body["failureCount"]) == ("SUCCESS", 1, 0)
    detail = body["details"][0]
    assert (detail["learningId"][:3], detail["learningCourseId"][:3]) == ("0ty", "0vY")
    shown = graph.get(detail["learningId"]).json()
    assert shown["learning"] | LEARNING | {"courseNumber": "601"} == shown["learning"]
    (item,) = shown["prerequisites"]
    assert item["learningFoundationItemId"] == detail["learningFoundationItemIds"][0]
    assert item["minimumNumericGrade"] == 7
    assert item["fullfilledBy"][0]["learning"]["learningId"] == needed


def test_a_patch_adds_and_deletes_requirements_and_leaves_the_rest(graph: Graph) -> None:
    first, second, owner = graph.made(), graph.made(), graph.made(description="Keep me")

    def patch(change: Any) -> Any:
        learning = {"learningId": owner, "type": "Learning Course", "name": "Changed"}
        return graph.send("PATCH", {"learning": learning, "corequisites": change, "recommended": {}}).json()

    made = patch({"createRecords": [{"type": "Single Achievement", "learningId": first}]})
    (item,) = made["details"][0]["learningFoundationItemIds"]
    patch(
        {
            "createRecords": [{"type": "Single Achievement", "learningId": second}],
            "deleteRecords": [{"foundationItemId": item}],
        }
    )
    shown = graph.get(owner).json()
    assert (shown["learning"]["name"], shown["learning"]["description"]) == ("Changed", "Keep me")
    assert [by["learning"]["learningId"] for e in shown["corequisites"] for by in e["fullfilledBy"]] == [second]
    again = patch({"deleteRecords": [{"foundationItemId": item}]})
    assert again["details"][0]["errors"][0]["field"] == "foundationItemId"


def test_the_graph_keeps_and_shows_what_it_is_sent(graph: Graph) -> None:
    first, second = graph.made(name="One"), graph.made(name="Two")
    group = {
        "type": "Group Achievement",
        "achievementContributors": [
            {"id": first, "minimumGrade": 7, "type": "Learning"},
            {"id": second, "minimumGrade": 6.5, "type": "Learning"},
        ],
    }
    recommended = {"type": "Single Achievement", "learningId": first, "minimumGrade": 3, "durationUnit": "Credit Hours"}
    skill = {"type": "Skill Achievement", "name": "Sorting", "description": "Orders data."}
    item = {"learning": LEARNING, "prerequisites": [group], "recommended": [recommended], "outcomes": [skill]}
    made = graph.send("POST", item).json()["details"][0]["learningId"]
    shown = graph.get(made).json()
    for kind, sent in (("prerequisites", group), ("recommended", recommended), ("outcomes", skill)):
        assert [entry | sent for entry in shown[kind]] == shown[kind]
    assert [by["learning"]["learningId"] for by in shown["prerequisites"][0]["fullfilledBy"]] == [first, second]
    learning = {"type": "Learning Course", "learningId": made}
    graph.send("PATCH", {"learning": learning})
    assert len(graph.get(made).json()["outcomes"]) == 1
    graph.send("PATCH", {"learning": learning, "outcomes": [skill | {"name": "Searching"}]})
    assert [entry["name"] for entry in graph.get(made).json()["outcomes"]] == ["Searching"]
    nobody = group | {"achievementContributors": [{"id": "0ty5g0ZZZZZZZZZ", "type": "Learning"}]}
    refused = graph.send("POST", {"learning": LEARNING, "prerequisites": [nobody]}).json()["details"][0]
    assert refused["errors"][0]["field"] == "id"


@pytest.mark.parametrize(
    ("method", "item"),
    [
        ("POST", {"learning": LEARNING, "prerequisites": {}}),
        ("POST", {"learning": LEARNING, "prerequisites": {"createRecords": []}}),
        ("PATCH", {"learning": LEARNING, "prerequisites": []}),
        ("PATCH", {"learning": LEARNING, "outcomes": {}}),
        ("POST", {"learning": LEARNING | {"title": "x"}}),
        ("POST", {"learning": LEARNING, "extras": []}),
        ("POST", {"learning": LEARNING, "prerequisites": [{"kind": "Single Achievement"}]}),
        ("PATCH", {"learning": LEARNING, "prerequisites": {"deleteRecords": [{"id": "0ww"}]}}),
        ("POST", {}),
    ],
)
def test_a_body_of_the_wrong_shape_refuses_the_request(graph: Graph, method: str, item: Any) -> None:
    answer = graph.send(method, item)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")


@pytest.mark.parametrize(
    ("method", "learning", "field", "code"),
    [
        ("POST", LEARNING | {"learningId": "0ty5g0000000001AAA"}, "learningId", "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("POST", {"type": "Learning Course"}, "name", "REQUIRED_FIELD_MISSING"),
        ("POST", {"name": "x"}, "type", "REQUIRED_FIELD_MISSING"),
        ("POST", LEARNING | {"durationUnit": "Fortnights"}, "DurationUnit", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("POST", LEARNING | {"activeFromDate": "soon"}, "ActiveFromDate", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("POST", LEARNING | {"learningCourseCustomFields": {"Not__c": 1}}, "Not__c", "INVALID_FIELD"),
        ("PATCH", LEARNING, "learningId", "INVALID_CROSS_REFERENCE_KEY"),
        ("PATCH", LEARNING | {"learningId": "0ty5g0ZZZZZZZZZ"}, "learningId", "INVALID_CROSS_REFERENCE_KEY"),
    ],
)
def test_a_learning_that_is_not_valid_is_refused_with_its_field(
    graph: Graph, method: str, learning: Any, field: str, code: str
) -> None:
    before = graph.org.record_counts()
    body = graph.send(method, {"learning": learning}).json()
    assert (body["successeCount"], body["failureCount"], body["details"][0]["success"]) == (0, 1, False)
    (error,) = body["details"][0]["errors"]
    assert error["field"] == field
    assert error["message"].startswith(f"{code}: ")
    assert graph.org.record_counts() == before


def test_the_external_id_is_unique_and_finds_a_learning(graph: Graph) -> None:
    key = {"learningCourseCustomFields": {"Absorb_Course_Id__c": "c0000000-0000-4000-8000-00000000000A"}}
    made = graph.made(**key)
    twice = graph.send("POST", {"learning": LEARNING | key}).json()["details"][0]
    assert twice["errors"][0]["message"].startswith("DUPLICATE_VALUE: ")
    by_key = {"course_external_id_field": "Absorb_Course_Id__c"}
    found = graph.get("c0000000-0000-4000-8000-00000000000a", **by_key)
    assert found.json()["learning"]["learningId"] == made
    assert graph.get("none", **by_key).status_code == 404
    assert graph.get("none").status_code == 404
    assert graph.get(made, course_external_id_field="Name").status_code == 404


def test_the_resource_came_with_version_62(graph: Graph) -> None:
    assert graph.send("POST", {"learning": LEARNING}, version="61.0").status_code == 404
    assert graph.send("POST", {"learning": LEARNING}, version="62.0").status_code == 201


def test_one_call_may_hold_several_of_which_some_fail(graph: Graph) -> None:
    body = graph.send("POST", {"learning": LEARNING}, {"learning": {"type": "Learning Course"}}).json()
    assert (body["status"], body["successeCount"], body["failureCount"]) == ("PARTIAL_SUCCESS", 1, 1)
