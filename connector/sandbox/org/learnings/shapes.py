"""The shape of a request to the Learnings Graph.

Wrong names and wrong kinds of value refuse the whole request, as a Connect resource's parser does. POST takes
``prerequisites`` as an array and PATCH as an object, as documented.
"""

from __future__ import annotations

from typing import Any

from connector.sandbox.org.call import unreadable
from connector.sandbox.org.rows.table import Row

REQUIREMENTS = ("prerequisites", "corequisites", "recommended")
# Field of the API → field of LearningCourse that keeps it.
COURSE_FIELDS = {
    "name": "Name", "provider": "ProviderId", "description": "Description",
    "courseLevelDescription": "CourseLevelDescription", "subjectAbbreviation": "SubjectAbbreviation",
    "fieldOfStudy": "FieldOfStudy", "courseNumber": "CourseNumber", "active": "IsActive",
    "activeFromDate": "ActiveFromDate", "activeToDate": "ActiveToDate", "duration": "Duration",
    "durationUnit": "DurationUnit", "cipCode": "CipCode", "academicLevel": "AcademicLevel",
}  # fmt: skip
_ITEM = {"learning", *REQUIREMENTS, "outcomes"}
_LEARNING = {
    *COURSE_FIELDS, "type", "learningId", "learningCourseId", "learningCourseCustomFields", "learningProgramId",
    "learningProgramCustomFields", "topLevelProgram",
}  # fmt: skip
_MAPPING = {
    "type", "achievementContributors", "courseExternalId", "duration", "durationUnit", "isPrimary", "learningId",
    "learningAchievementId", "learningOutcomeId", "minimumGrade", "name", "description", "programExternalId",
}  # fmt: skip


def check_shape(item: Row, shape: type) -> None:
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
