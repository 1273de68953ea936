"""The objects that learnsync writes, in the order their lookups need, and the SQL of their payloads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connector.errors import SettingsError
from mappings import FieldMap


@dataclass(frozen=True, slots=True)
class Target:
    """A Salesforce object, its upsert key, and the query in mappings/sql that feeds it.

    The key Id means: records are updated by it and never created.
    """

    name: str
    object: str
    key: str
    query: str

    @property
    def update_only(self) -> bool:
        """True where only records that are there already are written."""
        return self.key == "Id"

    @property
    def rights(self) -> tuple[str, ...]:
        """What describe must say of the object and of each field sent."""
        return ("updateable",) if self.update_only else ("createable", "updateable")


COURSE = Target("lms_course", "LMS_Course__c", "Absorb_Course_Id__c", "push_courses")
ENROLLMENT = Target("lms_enrollment", "LMS_Enrollment__c", "Absorb_Enrollment_Id__c", "push_enrollments")
# Salesforce's own record; pushed to only when named (connector/salesforce/push/native.py).
PROGRESS = Target("learning_item_progress", "LearningItemProgress", "Id", "push_progress")
# What a push writes unless told otherwise, and everything it can be told to write.
TARGETS = {target.name: target for target in (COURSE, ENROLLMENT)}
ALL_TARGETS = {**TARGETS, PROGRESS.name: PROGRESS}


def check_targets(names: Sequence[str] | None) -> tuple[str, ...]:
    """The names, or those of a push that is not told. Raises SettingsError for one that is no target."""
    unknown = [name for name in names or () if name not in ALL_TARGETS]
    if unknown:
        raise SettingsError(f"--target {unknown[0]} is not a target.", remedy=f"Use any of {', '.join(ALL_TARGETS)}.")
    return tuple(names or TARGETS)


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
