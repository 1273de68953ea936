"""Odd answers of the Learnings Graph and to `learnsync assign`: read, or an error of ours, whatever comes."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from odd import odd_json
from support import examples

from connector.assignments.query import read_record
from connector.errors import LearnsyncError
from connector.http.answers import Answer
from connector.push.difference import Item
from connector.salesforce.client import SalesforceClient
from connector.salesforce.learnings.api import LearningsGraph
from connector.salesforce.learnings.changes import differences, updated
from connector.salesforce.learnings.models import CreateLearning, LearningInput
from connector.settings import AssignmentSettings
from mappings import load_mapping

KEY = "Absorb_Course_Id__c"
FIELDS = load_mapping().learnings
GRAPH = {
    "learning": {
        "learningId": "0vQ1", "learningCourseId": "0vR1", "name": "First Aid", "active": True, "duration": 2.5,
        "activeFromDate": "2026-01-01T00:00:00.00Z", "learningCourseCustomFields": {KEY: "c1", "X__c": None},
    },
    "prerequisites": [
        {"learningFoundationItemId": "1", "fullfilledBy": [{"learning": {"learningId": "0vQ2"}}]},
    ],
    "recommended": [],
}  # fmt: skip
MANAGED = {"successCount": 1, "details": [{"success": True, "learningId": "0vQ1", "errors": []}]}
REFUSED = {"details": [{"success": False, "errors": [{"field": "name", "message": "REQUIRED_FIELD_MISSING: name"}]}]}
ITEM = Item(
    "c1",
    "hash",
    {"learning": {"type": "Learning Course", "name": "Fire"}, "prerequisites": ["c2"], "recommended": ["c3"]},
)
IDS = {"c1": "0vQ1", "c2": "0vQ2", "c3": "0vQ3"}


class Served:
    """An org that gives one answer to every call."""

    version = "67.0"

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def call(self, method: str, path: str, **_: Any) -> Answer:
        return Answer(method, path, 200, {}, self._body)


def graph(body: bytes) -> LearningsGraph:
    return LearningsGraph(cast(SalesforceClient, Served(body)), KEY)


@pytest.mark.property
@hypothesis_settings(max_examples=examples(120))
@given(odd_json(GRAPH))
def test_any_answer_about_a_learning_is_read_or_an_error_of_ours(body: bytes) -> None:
    try:
        found = asyncio.run(graph(body).find("c1"))
    except LearnsyncError as failure:
        said = str(failure)
        assert "GET /services/data/v67.0/connect/education/academic-operations/learnings/c1" in said
        return
    assert found is None or found.learning.learning_id
    list(differences(FIELDS, ITEM, found, IDS, ["c3"]))
    if found:
        updated(ITEM, found, IDS, ["c3"])


@pytest.mark.property
@pytest.mark.parametrize("good", [MANAGED, REFUSED])
@hypothesis_settings(max_examples=examples(60))
@given(data=st.data())
def test_any_answer_to_a_write_is_an_outcome_or_an_error_of_ours(good: Any, data: Any) -> None:
    learning = CreateLearning(learning=LearningInput(type="Learning Course", name="First Aid"))
    try:
        result = asyncio.run(graph(data.draw(odd_json(good))).write(learning))
    except LearnsyncError:
        return
    assert result.remote_id if result.success else result.code


def test_ordinary_answers_are_read() -> None:
    found = asyncio.run(graph(json.dumps(GRAPH).encode()).find("c1"))
    assert found is not None
    assert found.requirements("prerequisites")[0].learning_ids == {"0vQ2"}
    assert asyncio.run(graph(b'{"learning": null}').find("c1")) is None


@pytest.mark.property
@hypothesis_settings(max_examples=examples(100))
@given(
    odd_json({"Id": "0vA1", "AssigneeId": "005", "LearningItemId": "0vL", "StartDate": None, "DueDate": "2026-01-05"})
)
def test_any_assignment_is_read_or_an_error_of_ours(body: bytes) -> None:
    try:
        record = json.loads(body)
    except ValueError:
        return  # the client has refused the page
    if isinstance(record, dict):
        try:
            values = read_record(AssignmentSettings(), record)
        except LearnsyncError:
            return
        assert all(value is None or isinstance(value, str) for value in values.values())
