"""The Learnings Graph itself: creating and changing learnings with their requirements, and showing one."""

from connector.sandbox.org.errors import missing, no_such_record, refused
from connector.sandbox.org.org import Org
from connector.sandbox.org.rows.ids import long_form, to_18
from connector.sandbox.org.rows.table import Row
from connector.sandbox.org.rows.upsert import refuse_duplicate
from connector.sandbox.org.rows.values import coerce

REQUIREMENTS = ("prerequisites", "corequisites", "recommended")
OUTCOMES = "outcomes"
# Field of the API → field of LearningCourse that keeps it.
COURSE_FIELDS = {
    "name": "Name", "provider": "ProviderId", "description": "Description",
    "courseLevelDescription": "CourseLevelDescription", "subjectAbbreviation": "SubjectAbbreviation",
    "fieldOfStudy": "FieldOfStudy", "courseNumber": "CourseNumber", "active": "IsActive",
    "activeFromDate": "ActiveFromDate", "activeToDate": "ActiveToDate", "duration": "Duration",
    "durationUnit": "DurationUnit", "cipCode": "CipCode", "academicLevel": "AcademicLevel",
}  # fmt: skip
_TYPES = ("Learning Course", "Learning Program")
_MAPPING_TYPES = ("Single Achievement", "Group Achievement", "Skill Achievement")


def create(org: Org, item: Row) -> Row:
    """Makes a learning with its course and requirements; its ids. Raises Refusal."""
    learning = item["learning"]
    for name in ("learningId", "learningCourseId"):
        if name in learning:
            raise refused("INVALID_FIELD_FOR_INSERT_UPDATE", f"{name} can't be specified on create", name)
    values = _values(org, learning, None)
    if not values.get("Name"):
        raise missing("name")
    kinds = (*REQUIREMENTS, OUTCOMES)
    wanted = {name: [_mapping(org, entry) for entry in item.get(name, [])] for name in kinds}
    made = org.write_row("Learning", None, {"Name": values["Name"], "Type": learning["type"]})
    course = org.write_row("LearningCourse", None, values | {"LearningId": made["Id"]})
    items = _add_items(org, made["Id"], wanted)
    return _answered(made["Id"], course["Id"], items)


def update(org: Org, item: Row) -> Row:
    """Writes what an item names, and only that; its ids. Raises Refusal."""
    learning = item["learning"]
    learning_id = to_18(str(learning.get("learningId", "")))
    row = org.table("Learning").rows.get(learning_id or "")
    if row is None:
        raise no_such_record("learningId")
    course = course_of(org, row["Id"])
    if learning.get("learningCourseId", course["Id"]) != course["Id"]:
        raise no_such_record("learningCourseId")
    values = _values(org, learning, course)
    if "Name" in values and not values["Name"]:
        raise missing("name")
    wanted, gone = {}, []
    for name in REQUIREMENTS:
        change = item.get(name, {})
        wanted[name] = [_mapping(org, entry) for entry in change.get("createRecords", [])]
        gone += [_own_item(org, row["Id"], name, entry) for entry in change.get("deleteRecords", [])]
    if OUTCOMES in item:  # a plain list: it takes the place of what was there
        wanted[OUTCOMES], gone = _outcomes(org, row["Id"], item[OUTCOMES], gone)
    org.write_row("LearningCourse", course, values)
    if "Name" in values:
        org.write_row("Learning", row, {"Name": values["Name"]})
    org.table("LearningFoundationItem").delete_all(gone)
    return _answered(row["Id"], course["Id"], _add_items(org, row["Id"], wanted))


def _outcomes(org: Org, learning_id: str, given: list[Row], gone: list[str]) -> tuple[list[Row], list[str]]:
    there = [entry["Id"] for entry in _items(org, learning_id, OUTCOMES)]
    return [_mapping(org, entry) for entry in given], gone + there


def _values(org: Org, learning: Row, course: Row | None) -> Row:
    """The fields of LearningCourse, each judged as any field of the org is."""
    if learning.get("type") not in _TYPES:
        raise refused("REQUIRED_FIELD_MISSING", f"type must be one of {', '.join(_TYPES)}", "type")
    if learning["type"] != "Learning Course":
        raise refused("INVALID_FIELD", "The sandbox keeps learning courses only", "type")
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
            raise refused("INVALID_FIELD", f"No such column '{name}' on entity 'LearningCourse'", name)
        values[field.name] = coerce(field, given)
        if field.unique:
            refuse_duplicate(table, field.name, values[field.name], course)
    return values


def _mapping(org: Org, entry: Row) -> Row:
    """A requirement or outcome as it will be kept: whole, as it was sent."""
    if entry.get("type") not in _MAPPING_TYPES:
        raise refused("REQUIRED_FIELD_MISSING", f"type must be one of {', '.join(_MAPPING_TYPES)}", "type")
    learning_id = entry.get("learningId")
    if entry["type"] == "Single Achievement" and not (learning_id or entry.get("learningAchievementId")):
        raise missing("learningId")
    if entry["type"] == "Skill Achievement" and not entry.get("name"):
        raise missing("name")
    for named in _learning_ids(entry):
        if to_18(str(named)) not in org.table("Learning").rows:
            raise no_such_record("learningId" if named == learning_id else "id")
    return {
        "RequiredLearningId": learning_id, "LearningAchievementId": entry.get("learningAchievementId"),
        "MinimumNumericGrade": entry.get("minimumGrade"), "Duration": entry.get("duration"),
        "DurationUnit": entry.get("durationUnit"), "Given": dict(entry),
    }  # fmt: skip


def _learning_ids(entry: Row) -> list[str]:
    """The learnings that a requirement names, one by itself or several as contributors."""
    contributors = [one.get("id") for one in entry.get("achievementContributors") or [] if isinstance(one, dict)]
    return [named for named in (entry.get("learningId"), *contributors) if named]


def _items(org: Org, learning_id: str, kind: str) -> list[Row]:
    rows = org.table("LearningFoundationItem").rows.values()
    return [row for row in rows if row["LearningId"] == learning_id and row["Kind"] == kind]


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
        raise no_such_record("foundationItemId")
    return str(item["Id"])


def _achievement(item_id: str) -> str:
    return long_form("0u9" + item_id[3:15])


def _answered(learning_id: str, course_id: str, items: list[str]) -> Row:
    return {
        "learningId": learning_id, "learningCourseId": course_id,
        "learningAchievementIds": [_achievement(item) for item in items],
        "learningFoundationItemIds": items, "learningOutcomeItemIds": [],
    }  # fmt: skip


def course_of(org: Org, learning_id: str) -> Row:
    """The LearningCourse of a Learning."""
    rows = org.table("LearningCourse").rows.values()
    return next(row for row in rows if row["LearningId"] == learning_id)


def graph(org: Org, course: Row) -> Row:
    """A course with its requirements, as GET shows it."""
    learning_id = course["LearningId"]
    kinds = (*REQUIREMENTS, OUTCOMES)
    shown = {kind: [_foundation(org, row) for row in _items(org, learning_id, kind)] for kind in kinds}
    return {"learning": _learning(org, course), **shown}


def _learning(org: Org, course: Row) -> Row:
    custom = [field.name for field in org.table("LearningCourse").schema.fields.values() if field.name.endswith("__c")]
    return {
        "learningId": course["LearningId"], "learningCourseId": course["Id"], "type": "Learning Course",
        **{name: course.get(field) for name, field in COURSE_FIELDS.items()},
        "learningCourseCustomFields": {name: course.get(name) for name in custom},
    }  # fmt: skip


def _foundation(org: Org, item: Row) -> Row:
    """An item by the names of GET, beside everything that it was sent with."""
    given = item.get("Given") or {}
    required = _learning_ids(given) or [item["RequiredLearningId"]] * bool(item.get("RequiredLearningId"))
    return {
        **{name: value for name, value in given.items() if name not in {"duration", "durationUnit"}},
        "learningFoundationItemId": item["Id"], "learningAchievementId": item["LearningAchievementId"],
        "learningAchievementType": "LearningCourse", "minimumNumericGrade": item.get("MinimumNumericGrade"),
        "duration": item.get("Duration"), "durationUnit": item.get("DurationUnit"),
        "fullfilledBy": [_fulfilled(org, to_18(str(named)) or "") for named in required],  # so spelt in the sample
    }  # fmt: skip


def _fulfilled(org: Org, learning_id: str) -> Row:
    course = course_of(org, learning_id)
    learning = {"learningId": learning_id, "learningCourseId": course["Id"], "name": course["Name"]}
    return {"learningOutcomeItem": None, "learning": learning | {"type": "LearningCourse"}}
