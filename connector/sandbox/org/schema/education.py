"""Education Cloud objects of the sandbox org, as the Learnings Graph fills them (docs/facts/salesforce.md section 6).

Read-only over the sObject resources here: the graph's own resource writes them (``learnings``). The external id of
LearningCourse is read from the metadata that ships in ``mappings/salesforce/education-cloud``.
"""

from __future__ import annotations

from typing import Any

from connector.sandbox.org.schema.metadata import load_fields, shipped
from connector.sandbox.org.schema.model import FieldSchema, ObjectSchema, choice, object_schema, read_only, reference
from connector.sandbox.org.schema.standard import NO_WRITES

DURATION_UNITS = ("Clock Hours", "Continuing Education Units", "Credit Hours", "No Credit", "Other")
ACADEMIC_LEVELS = (
    "Pre-K/Preschool", "Elementary", "Middle School", "High School", "Undergraduate", "Graduate", "Doctorate",
    "Post-Baccalaureate Certificate", "Adult Education", "Professional Education",
)  # fmt: skip
# Field of the API → field of LearningCourse that keeps it.
COURSE_FIELDS = {
    "name": "Name", "provider": "ProviderId", "description": "Description",
    "courseLevelDescription": "CourseLevelDescription", "subjectAbbreviation": "SubjectAbbreviation",
    "fieldOfStudy": "FieldOfStudy", "courseNumber": "CourseNumber", "active": "IsActive",
    "activeFromDate": "ActiveFromDate", "activeToDate": "ActiveToDate", "duration": "Duration",
    "durationUnit": "DurationUnit", "cipCode": "CipCode", "academicLevel": "AcademicLevel",
}  # fmt: skip
_RIGHTS = {**NO_WRITES, "since": 57.0}
_SHIPPED = "education-cloud/main/default/objects/LearningCourse/fields"


def education_objects() -> list[ObjectSchema]:
    """Learning, LearningCourse and LearningFoundationItem."""
    return [_learning(), _learning_course(), _foundation_item()]


def _text(name: str, length: int = 255, **properties: Any) -> FieldSchema:
    return FieldSchema(name, "string", name, length=length, **properties)


def _number(name: str, label: str) -> FieldSchema:
    return FieldSchema(name, "double", label, precision=18, scale=2)


def _picklist(name: str, values: tuple[str, ...]) -> FieldSchema:
    return FieldSchema(name, "picklist", name, **choice(*values))


def _learning() -> ObjectSchema:
    fields = [_text("Name", nillable=False, name_field=True), _text("Type", 40)]
    return object_schema("Learning", "Learning", "Learnings", "0ty", fields, **_RIGHTS)


def _learning_course() -> ObjectSchema:
    fields = [
        FieldSchema("LearningId", "reference", "Learning ID", **reference("Learning")),
        _text("Name", nillable=False, name_field=True),
        FieldSchema("ProviderId", "id", "Provider ID", length=18),
        *(_text(name) for name in ("Description", "CourseLevelDescription")),
        _text("SubjectAbbreviation", 80),
        *(_text(name) for name in ("FieldOfStudy", "CourseNumber")),
        FieldSchema("IsActive", "boolean", "Active", nillable=False, defaulted_on_create=True, default=False),
        FieldSchema("ActiveFromDate", "datetime", "Active From Date"),
        FieldSchema("ActiveToDate", "datetime", "Active To Date"),
        _number("Duration", "Duration"),
        _picklist("DurationUnit", DURATION_UNITS),
        _text("CipCode", 80),
        _picklist("AcademicLevel", ACADEMIC_LEVELS),
        *load_fields(shipped(_SHIPPED)),
    ]
    return object_schema("LearningCourse", "Learning Course", "Learning Courses", "0vY", fields, **_RIGHTS)


def _foundation_item() -> ObjectSchema:
    learning = reference("Learning") | {"nillable": True}
    fields = [
        _text("Kind", 40),
        read_only("LearningId", "reference", "Learning ID", **learning),
        read_only("RequiredLearningId", "reference", "Required Learning ID", **learning),
        read_only("LearningAchievementId", "id", "Learning Achievement ID", length=18),
        _number("MinimumNumericGrade", "Minimum Numeric Grade"),
        _number("Duration", "Duration"),
        _picklist("DurationUnit", DURATION_UNITS),
    ]
    label = "Learning Foundation Item"
    return object_schema("LearningFoundationItem", label, label + "s", "0ww", fields, **_RIGHTS)
