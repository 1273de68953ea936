"""Education Cloud objects of the sandbox org, as far as the Learnings Graph fills them.

Facts: docs/facts/salesforce.md section 6. Read-only over the sObject resources here: the graph's own resource writes
them (``org_learnings``). The external id of LearningCourse is read from the metadata that ships in
``mappings/salesforce/education-cloud``.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from importlib import resources

from .org_schema import FieldSchema, ObjectSchema, custom_field, object_schema, read_only

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
_NO_WRITES = {"createable": False, "updateable": False, "deletable": False, "since": 57.0}


def education_objects() -> list[ObjectSchema]:
    """Learning, LearningCourse and LearningFoundationItem."""
    return [_learning(), _learning_course(), _foundation_item()]


def _text(name: str, length: int = 255) -> FieldSchema:
    return FieldSchema(name, "string", name, length=length)


def _picklist(name: str, values: tuple[str, ...]) -> FieldSchema:
    return FieldSchema(
        name, "picklist", name, length=255, restricted_picklist=True, picklist=dict.fromkeys(values, True)
    )


def _learning() -> ObjectSchema:
    fields = [
        FieldSchema("Name", "string", "Name", length=255, nillable=False, name_field=True),
        _text("Type", 40),
    ]
    return object_schema("Learning", "Learning", "Learnings", "0ty", fields, **_NO_WRITES)


def _learning_course() -> ObjectSchema:
    fields = [
        FieldSchema("LearningId", "reference", "Learning ID", length=18, nillable=False, reference_to="Learning"),
        FieldSchema("Name", "string", "Name", length=255, nillable=False, name_field=True),
        FieldSchema("ProviderId", "id", "Provider ID", length=18),
        _text("Description"),
        _text("CourseLevelDescription"),
        _text("SubjectAbbreviation", 80),
        _text("FieldOfStudy"),
        _text("CourseNumber"),
        FieldSchema("IsActive", "boolean", "Active", nillable=False, defaulted_on_create=True, default=False),
        FieldSchema("ActiveFromDate", "datetime", "Active From Date"),
        FieldSchema("ActiveToDate", "datetime", "Active To Date"),
        FieldSchema("Duration", "double", "Duration", precision=18, scale=2),
        _picklist("DurationUnit", DURATION_UNITS),
        _text("CipCode", 80),
        _picklist("AcademicLevel", ACADEMIC_LEVELS),
        *_shipped_fields(),
    ]
    return object_schema("LearningCourse", "Learning Course", "Learning Courses", "0vY", fields, **_NO_WRITES)


def _shipped_fields() -> list[FieldSchema]:
    folder = resources.files("mappings").joinpath(
        "salesforce/education-cloud/main/default/objects/LearningCourse/fields"
    )
    files = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return [custom_field(ET.fromstring(entry.read_bytes())) for entry in files]  # noqa: S314 - our own packaged files


def _foundation_item() -> ObjectSchema:
    fields = [
        _text("Kind", 40),
        read_only("LearningId", "reference", "Learning ID", length=18, reference_to="Learning"),
        read_only("RequiredLearningId", "reference", "Required Learning ID", length=18, reference_to="Learning"),
        read_only("LearningAchievementId", "id", "Learning Achievement ID", length=18),
        FieldSchema("MinimumNumericGrade", "double", "Minimum Numeric Grade", precision=18, scale=2),
        FieldSchema("Duration", "double", "Duration", precision=18, scale=2),
        _picklist("DurationUnit", DURATION_UNITS),
    ]
    return object_schema(
        "LearningFoundationItem",
        "Learning Foundation Item",
        "Learning Foundation Items",
        "0ww",
        fields,
        name_format=None,
        **_NO_WRITES,
    )
