"""The Learnings Graph of the sandbox org: POST, PATCH and GET (docs/facts/salesforce.md section 6).

Asymmetry and slips are those of the documents: POST takes ``prerequisites`` as an array and PATCH as an object, the
counter of successes is misspelt, and GET spells ``fullfilledBy`` with three l. Messages begin with an error code, as
those of other Salesforce resources do; the documents show none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .org import Org
from .org_api import Call, resource
from .org_education import COURSE_FIELDS
from .org_errors import RecordError, RequestError
from .org_ids import checksum, to_18
from .org_store import Row, Table
from .org_values import coerce

PATH = "/connect/education/academic-operations/learnings"
SINCE = 62.0
_TYPES = ("Learning Course", "Learning Program")
_REQUIREMENTS = ("prerequisites", "corequisites", "recommended")
_ITEM = {"learning", *_REQUIREMENTS, "outcomes"}
_LEARNING = {
    *COURSE_FIELDS, "type", "learningId", "learningCourseId", "learningCourseCustomFields", "learningProgramId",
    "learningProgramCustomFields", "topLevelProgram",
}  # fmt: skip
_MAPPING = {
    "type", "achievementContributors", "courseExternalId", "duration", "durationUnit", "isPrimary", "learningId",
    "learningAchievementId", "learningOutcomeId", "minimumGrade", "name", "description", "programExternalId",
}  # fmt: skip
_MAPPING_TYPES = ("Single Achievement", "Group Achievement", "Skill Achievement")


def learning_routes(org: Org) -> list[Route]:
    """The collection, and one learning by id or by a course's external id."""
    return [
        resource(org, PATH, POST=_post, PATCH=_patch),
        resource(org, PATH + "/{id}", GET=_get),
    ]


def _post(call: Call) -> Response:
    return _manage(call, list, _create, 201)


def _patch(call: Call) -> Response:
    return _manage(call, dict, _update, 200)


def _manage(call: Call, shape: type, write: Callable[[Org, Row], Row], status: int) -> Response:
    _check_version(call)
    items = call.json_object().get("learnings")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise RequestError(400, "JSON_PARSER_ERROR", "learnings must be an array of objects that is not empty")
    for item in items:
        _check_shape(item, shape)
    with call.org.lock:
        details = [_one(call.org, item, write) for item in items]
    good = sum(detail["success"] for detail in details)
    body = {
        "status": "SUCCESS" if good == len(details) else "FAILURE" if not good else "PARTIAL_SUCCESS",
        "successeCount": good,  # so misspelt in the published sample
        "failureCount": len(details) - good,
        "details": details,
    }
    return JSONResponse(body, status_code=status if good else call.org.learnings_refusal_status)


def _one(org: Org, item: Row, write: Callable[[Org, Row], Row]) -> Row:
    try:
        org.check_fault()
        return {"success": True, "errors": [], **write(org, item)}
    except RecordError as refusal:
        field = refusal.fields[0] if refusal.fields else None
        return {"success": False, "errors": [{"field": field, "message": f"{refusal.code}: {refusal.message}"}]}


def _check_version(call: Call) -> None:
    if float(call.version) < SINCE:
        raise RequestError(404, "NOT_FOUND", "The requested resource does not exist")
    for name in ("Learning", "LearningCourse"):
        call.org.schema(name)  # 404 where Education Cloud is not enabled


def _check_shape(item: Row, shape: type) -> None:
    """Wrong names and wrong kinds of value refuse the whole request, as a Connect resource's parser does."""
    _known(item, _ITEM)
    learning = item.get("learning")
    if not isinstance(learning, dict):
        raise RequestError(400, "JSON_PARSER_ERROR", "learning is required")
    _known(learning, _LEARNING)
    for name in _REQUIREMENTS:
        value = item.get(name, shape())
        if not isinstance(value, shape):
            wanted = "an array" if shape is list else "an object"
            raise RequestError(400, "JSON_PARSER_ERROR", f"Cannot deserialize {name}: {wanted} is expected")
        _check_requirements(value)
    if not isinstance(item.get("outcomes", []), list):
        raise RequestError(400, "JSON_PARSER_ERROR", "Cannot deserialize outcomes: an array is expected")


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
        raise RequestError(400, "JSON_PARSER_ERROR", "an object is expected")
    unknown = sorted(set(value) - names)
    if unknown:
        raise RequestError(400, "JSON_PARSER_ERROR", f'Unrecognized field "{unknown[0]}"')


def _create(org: Org, item: Row) -> Row:
    learning = item["learning"]
    for name in ("learningId", "learningCourseId"):
        if name in learning:
            raise RecordError("INVALID_FIELD_FOR_INSERT_UPDATE", f"{name} can't be specified on create", name)
    values = _values(org, learning, None)
    if not values.get("Name"):
        raise RecordError("REQUIRED_FIELD_MISSING", "Required fields are missing: [name]", "name")
    wanted = {name: [_mapping(org, entry) for entry in item.get(name, [])] for name in _REQUIREMENTS}
    made = org.write_row("Learning", None, {"Name": values["Name"], "Type": learning["type"]})
    course = org.write_row("LearningCourse", None, values | {"LearningId": made["Id"]})
    items = _add_items(org, made["Id"], wanted)
    return _said(made["Id"], course["Id"], items)


def _update(org: Org, item: Row) -> Row:
    learning = item["learning"]
    learning_id = to_18(str(learning.get("learningId", "")))
    row = org.table("Learning").rows.get(learning_id or "")
    if row is None:
        raise RecordError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", "learningId")
    course = _course_of(org, row["Id"])
    if learning.get("learningCourseId", course["Id"]) != course["Id"]:
        raise RecordError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", "learningCourseId")
    values = _values(org, learning, course)
    if "Name" in values and not values["Name"]:
        raise RecordError("REQUIRED_FIELD_MISSING", "Required fields are missing: [name]", "name")
    wanted, gone = {}, []
    for name in _REQUIREMENTS:
        change = item.get(name, {})
        wanted[name] = [_mapping(org, entry) for entry in change.get("createRecords", [])]
        gone += [_own_item(org, row["Id"], name, entry) for entry in change.get("deleteRecords", [])]
    org.write_row("LearningCourse", course, values)
    if "Name" in values:
        org.write_row("Learning", row, {"Name": values["Name"]})
    org.table("LearningFoundationItem").delete_all(gone)
    return _said(row["Id"], course["Id"], _add_items(org, row["Id"], wanted))


def _values(org: Org, learning: Row, course: Row | None) -> Row:
    """The fields of LearningCourse, each judged as any field of the org is."""
    if learning.get("type") not in _TYPES:
        raise RecordError("REQUIRED_FIELD_MISSING", f"type must be one of {', '.join(_TYPES)}", "type")
    if learning["type"] != "Learning Course":
        raise RecordError("INVALID_FIELD", "The sandbox keeps learning courses only", "type")
    table = org.table("LearningCourse")
    values: Row = {}
    for name, field_name in COURSE_FIELDS.items():
        if name in learning:
            given = learning[name]
            if name == "courseNumber" and isinstance(given, int | float) and not isinstance(given, bool):
                given = str(given)  # a string by the table of properties, a number in the samples
            values[field_name] = coerce(table.schema.fields[field_name.lower()], given)
    for name, given in (learning.get("learningCourseCustomFields") or {}).items():
        field = table.schema.field(name)
        if field is None or not name.endswith("__c"):
            raise RecordError("INVALID_FIELD", f"No such column '{name}' on entity 'LearningCourse'", name)
        values[field.name] = coerce(field, given)
        _check_unique(table, field.name, values[field.name], course)
    return values


def _check_unique(table: Table, name: str, value: Any, course: Row | None) -> None:
    field = table.schema.fields[name.lower()]
    others = [hit for hit in table.find(name, value) if hit != (course or {}).get("Id")] if value else []
    if field.unique and others:
        text = f"duplicate value found: {name} duplicates value on record with id: {others[0]}"
        raise RecordError("DUPLICATE_VALUE", text, name)


def _mapping(org: Org, entry: Row) -> Row:
    """A requirement as it will be kept. Group and skill achievements are accepted, and kept without contributors."""
    if entry.get("type") not in _MAPPING_TYPES:
        raise RecordError("REQUIRED_FIELD_MISSING", f"type must be one of {', '.join(_MAPPING_TYPES)}", "type")
    learning_id = entry.get("learningId")
    if entry["type"] == "Single Achievement" and not (learning_id or entry.get("learningAchievementId")):
        raise RecordError("REQUIRED_FIELD_MISSING", "Required fields are missing: [learningId]", "learningId")
    if learning_id is not None and to_18(str(learning_id)) not in org.table("Learning").rows:
        raise RecordError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", "learningId")
    return {
        "RequiredLearningId": learning_id, "LearningAchievementId": entry.get("learningAchievementId"),
        "MinimumNumericGrade": entry.get("minimumGrade"), "Duration": entry.get("duration"),
        "DurationUnit": entry.get("durationUnit"),
    }  # fmt: skip


def _add_items(org: Org, learning_id: str, wanted: dict[str, list[Row]]) -> list[str]:
    made = []
    for kind, rows in wanted.items():
        for row in rows:
            values = row | {"Kind": kind, "LearningId": learning_id}
            item = org.write_row("LearningFoundationItem", None, values)
            if not item["LearningAchievementId"]:
                item["LearningAchievementId"] = _achievement(item["Id"])
            made.append(item["Id"])
    return made


def _own_item(org: Org, learning_id: str, kind: str, entry: Row) -> str:
    item = org.table("LearningFoundationItem").rows.get(to_18(str(entry.get("foundationItemId", ""))) or "")
    if item is None or item["LearningId"] != learning_id or item["Kind"] != kind:
        raise RecordError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", "foundationItemId")
    return str(item["Id"])


def _achievement(item_id: str) -> str:
    id15 = "0u9" + item_id[3:15]
    return id15 + checksum(id15)


def _said(learning_id: str, course_id: str, items: list[str]) -> Row:
    return {
        "learningId": learning_id, "learningCourseId": course_id,
        "learningAchievementIds": [_achievement(item) for item in items],
        "learningFoundationItemIds": items, "learningOutcomeItemIds": [],
    }  # fmt: skip


def _course_of(org: Org, learning_id: str) -> Row:
    rows = org.table("LearningCourse").rows.values()
    return next(row for row in rows if row["LearningId"] == learning_id)


def _get(call: Call) -> Response:
    _check_version(call)
    key = call.request.query_params.get("course_external_id_field")
    with call.org.lock:
        if key is None:
            row = call.org.table("Learning").rows.get(to_18(call.path["id"]) or "")
            found = _course_of(call.org, row["Id"]) if row else None
        else:
            table = call.org.table("LearningCourse")
            field = call.org.external_id(table.schema, key)
            found = next((table.rows[hit] for hit in table.find(field.name, call.path["id"])), None)
        if found is None:
            raise RequestError(404, "NOT_FOUND", "The requested resource does not exist")
        return JSONResponse(_graph(call.org, found))


def _graph(org: Org, course: Row) -> Row:
    items = org.table("LearningFoundationItem").rows.values()
    own = [row for row in items if row["LearningId"] == course["LearningId"]]
    shown = {kind: [_foundation(org, row) for row in own if row["Kind"] == kind] for kind in _REQUIREMENTS}
    return {"learning": _learning(org, course), **shown, "outcomes": []}


def _learning(org: Org, course: Row) -> Row:
    custom = [field.name for field in org.table("LearningCourse").schema.fields.values() if field.name.endswith("__c")]
    return {
        "learningId": course["LearningId"], "learningCourseId": course["Id"], "type": "Learning Course",
        **{name: course.get(field) for name, field in COURSE_FIELDS.items()},
        "learningCourseCustomFields": {name: course.get(name) for name in custom},
    }  # fmt: skip


def _foundation(org: Org, item: Row) -> Row:
    required = item.get("RequiredLearningId")
    fulfilled = []
    if required:
        course = _course_of(org, required)
        learning = {"learningId": required, "learningCourseId": course["Id"], "name": course["Name"]}
        fulfilled = [{"learningOutcomeItem": None, "learning": learning | {"type": "LearningCourse"}}]
    return {
        "learningFoundationItemId": item["Id"], "learningAchievementId": item["LearningAchievementId"],
        "learningAchievementType": "LearningCourse", "minimumNumericGrade": item.get("MinimumNumericGrade"),
        "duration": item.get("Duration"), "durationUnit": item.get("DurationUnit"),
        "fullfilledBy": fulfilled,  # so spelt in the published sample
    }  # fmt: skip
