"""The Learnings Graph of the sandbox org: POST, PATCH and GET (docs/facts/salesforce.md section 6).

Wrong names and wrong kinds of value refuse the whole request, as a Connect resource's parser does. POST takes
``prerequisites`` as an array and PATCH as an object, as documented.

Slips are those of the documents: the counter of successes is misspelt, and GET spells ``fullfilledBy`` with three l.
Messages begin with an error code, as those of other Salesforce resources do; the documents show none.
"""

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.routes import Table, json_response
from connector.sandbox.org.call import Call, unreadable
from connector.sandbox.org.errors import not_found
from connector.sandbox.org.learnings.graph import COURSE_FIELDS, REQUIREMENTS, course_of, create, graph, update
from connector.sandbox.org.org import Org
from connector.sandbox.org.rows.ids import to_18
from connector.sandbox.org.rows.table import Row

PATH = "/connect/education/academic-operations/learnings"
SINCE = 62.0
_ITEM = {"learning", *REQUIREMENTS, "outcomes"}
_LEARNING = {
    *COURSE_FIELDS, "type", "learningId", "learningCourseId", "learningCourseCustomFields", "learningProgramId",
    "learningProgramCustomFields", "topLevelProgram",
}  # fmt: skip
_MAPPING = {
    "type", "achievementContributors", "courseExternalId", "duration", "durationUnit", "isPrimary", "learningId",
    "learningAchievementId", "learningOutcomeId", "minimumGrade", "name", "description", "programExternalId",
}  # fmt: skip


def _check_shape(item: Row, shape: type) -> None:
    """Raises Refusal where an item of ``learnings`` is not of the documented shape."""
    _known(item, _ITEM)
    learning = item.get("learning")
    if not isinstance(learning, dict):
        raise unreadable("learning is required")
    _known(learning, _LEARNING)
    for name in REQUIREMENTS:
        value = item.get(name, shape())
        if not isinstance(value, shape):
            wanted = "an array" if shape is list else "an object"
            raise unreadable(f"Cannot deserialize {name}: {wanted} is expected")
        _check_requirements(value)
    if not isinstance(item.get("outcomes", []), list):
        raise unreadable("Cannot deserialize outcomes: an array is expected")
    _check_requirements(item.get("outcomes", []))


def _check_requirements(value: Any) -> None:
    if isinstance(value, dict):
        _known(value, {"createRecords", "deleteRecords"})
        for entry in value.get("deleteRecords", []):
            _known(entry, {"foundationItemId"})
        value = value.get("createRecords", [])
    for entry in value:
        _known(entry, _MAPPING)


def _known(value: Any, names: set[str]) -> None:
    if not isinstance(value, dict):
        raise unreadable("an object is expected")
    unknown = sorted(set(value) - names)
    if unknown:
        raise unreadable(f'Unrecognized field "{unknown[0]}"')


def _manage(call: Call, shape: type, write: Callable[[Org, Row], Row], status: int) -> Response:
    _check_version(call)
    items = call.json_object().get("learnings")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise unreadable("learnings must be an array of objects that is not empty")
    for item in items:
        _check_shape(item, shape)
    details = [_one(call.house, item, write) for item in items]
    good = sum(detail["success"] for detail in details)
    body = {
        "status": "SUCCESS" if good == len(details) else "FAILURE" if not good else "PARTIAL_SUCCESS",
        "successeCount": good,  # so misspelt in the published sample
        "failureCount": len(details) - good,
        "details": details,
    }
    return json_response(body, status=status if good else call.house.faults.learnings_status)


def _one(org: Org, item: Row, write: Callable[[Org, Row], Row]) -> Row:
    try:
        org.faults.check({})
        return {"success": True, "errors": [], **write(org, item)}
    except Refusal as refusal:
        field = next(iter(refusal.details), None)
        return {"success": False, "errors": [{"field": field, "message": f"{refusal.code}: {refusal.message}"}]}


def _check_version(call: Call) -> None:
    if float(call.version) < SINCE:
        raise not_found()
    for name in ("Learning", "LearningCourse"):
        call.house.schema(name)  # 404 where Education Cloud is not enabled


def _get(call: Call) -> Response:
    _check_version(call)
    key = call.query.get("course_external_id_field")
    if key is None:
        row = call.house.table("Learning").rows.get(to_18(call.path["id"]) or "")
        found = course_of(call.house, row["Id"]) if row else None
    else:
        table = call.house.table("LearningCourse")
        field = call.house.external_id(table.schema, key)
        found = next((table.rows[hit] for hit in table.find(field.name, call.path["id"])), None)
    if found is None:
        raise not_found()
    return json_response(graph(call.house, found))


LEARNINGS: Table[Call] = {
    PATH: {
        "POST": lambda call: _manage(call, list, create, 201),
        "PATCH": lambda call: _manage(call, dict, update, 200),
    },
    PATH + "/{id}": {"GET": _get},
}
