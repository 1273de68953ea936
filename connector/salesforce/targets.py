"""The two objects that learnsync writes, in the order their lookups need, and the SQL of their payloads."""

from __future__ import annotations

from dataclasses import dataclass

from mappings import FieldMap


@dataclass(frozen=True, slots=True)
class Target:
    """A Salesforce object, its upsert key, and the query in mappings/sql that feeds it."""

    name: str
    object: str
    key: str
    query: str


COURSE = Target("lms_course", "LMS_Course__c", "Absorb_Course_Id__c", "push_courses")
ENROLLMENT = Target("lms_enrollment", "LMS_Enrollment__c", "Absorb_Enrollment_Id__c", "push_enrollments")
TARGETS = {target.name: target for target in (COURSE, ENROLLMENT)}


def payload_sql(fields: tuple[FieldMap, ...]) -> str:
    """One JSON object per record: the body of an upsert, and what the difference is computed from."""
    parts = [f"{_literal(name)}, {value}" for name, value in map(_member, fields)]
    return f"CAST(json_object({', '.join(parts)}) AS VARCHAR)"


def _member(field: FieldMap) -> tuple[str, str]:
    if field.kind == "parent":
        relation, _, key = field.field.partition(".")
        return relation, f"json_object({_literal(key)}, {field.source})"
    if field.kind == "datetime":
        # Salesforce keeps whole seconds; milliseconds and a zone are part of the documented form.
        return field.field, f"strftime(timezone('UTC', {field.source}), '%Y-%m-%dT%H:%M:%S.%gZ')"
    if field.kind == "checkbox":
        return field.field, f"coalesce({field.source}, false)"
    return field.field, field.source


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
