"""The objects that learnsync writes, in the order their lookups need, and the SQL of their payloads."""

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, replace
from typing import Any

from connector.push.difference import ByChange, Source, json_object, value_sql
from connector.push.watch import LEARNER, REMOVED, STATUS, Watch, WatchedField
from connector.settings import Settings
from connector.warehouse.statements import literal, statements
from mappings import FieldMap, Mapping

sql = statements(__package__)


@dataclass(frozen=True, slots=True)
class OrgObject:
    """A Salesforce object, its upsert key, and the query in mappings/sql that feeds it.

    The key Id means: records are updated by it and never created. `copies` is the table that our records are read
    back into.
    """

    name: str
    object: str
    key: str
    query: str
    copies: str = ""

    @property
    def update_only(self) -> bool:
        """True where only records that are there already are written."""
        return self.key == "Id"

    @property
    def rights(self) -> tuple[str, ...]:
        """What describe must say of the object and of each field sent."""
        return ("updateable",) if self.update_only else ("createable", "updateable")


COURSE = OrgObject("lms_course", "LMS_Course__c", "Absorb_Course_Id__c", "push_courses", "salesforce.lms_courses")
ENROLLMENT = OrgObject(
    "lms_enrollment", "LMS_Enrollment__c", "Absorb_Enrollment_Id__c", "push_enrollments", "salesforce.lms_enrollments"
)
# Salesforce's own record; pushed to only when named (preflight.permit_progress).
PROGRESS = OrgObject("learning_item_progress", "LearningItemProgress", "Id", "push_progress")
# What a push writes unless told otherwise, and everything it can be told to write.
TARGETS = {target.name: target for target in (COURSE, ENROLLMENT)}
ALL_TARGETS = {**TARGETS, PROGRESS.name: PROGRESS}


def source(target: OrgObject, fields: tuple[FieldMap, ...], maps: Mapping, settings: Settings) -> Source:
    """What the records of an object are made of; `fields` are those that the org can take."""
    query = maps.sql(target.query)
    values = {"push_unmatched": settings.salesforce.push_unmatched} if "$push_unmatched" in query else {}
    files = f"salesforce_fields.csv and sql/{target.query}.sql"
    made = Source(query, payload_sql(fields), files, values, update_only=target.update_only)
    if target is not ENROLLMENT or not maps.is_packaged(target.query):
        return made
    by_change = ByChange(
        maps.sql(target.query, progress="looked_at_progress"), sql("looked_at_progress"), sql("changed_enrollments")
    )
    return replace(made, by_change=by_change)


def watch(target: OrgObject, fields: tuple[FieldMap, ...]) -> Watch:
    """What of the records of an object a push may not change in large numbers unasked.

    Of Salesforce's own records only lost values are watched: their statuses have no instant to look back to.
    """
    parts = {"progress_status": STATUS, "removed": REMOVED} if target is ENROLLMENT else {}
    watched = [
        WatchedField(
            field.field, json_path(field), LEARNER if field.kind == "reference" else parts.get(field.source, "")
        )
        for field in fields
        if field.source in parts or field.kind not in {"checkbox", "parent"}
    ]
    return Watch(tuple(watched), target.copies, enrollments=target is ENROLLMENT)


def payload_sql(fields: tuple[FieldMap, ...]) -> str:
    """The body of an upsert, and what the difference is computed from."""
    return json_object(dict(map(_member, fields)))


def json_path(field: FieldMap) -> str:
    """Where the payload holds a field, as an SQL literal; a parent lies inside its relationship."""
    steps = field.field.split(".") if field.kind == "parent" else [field.field]
    return literal("$" + "".join(f'."{step}"' for step in steps))


def value_of(record: MappingType[str, Any], field: FieldMap) -> Any:
    """A field of a record or payload; that of a parent lies inside its relationship."""
    relation, dot, key = field.field.partition(".")
    value = record.get(relation)
    if not dot:
        return value
    return value.get(key) if isinstance(value, MappingType) else None


def _member(field: FieldMap) -> tuple[str, str]:
    if field.kind == "parent":
        relation, _, key = field.field.partition(".")
        return relation, json_object({key: field.source})
    if field.longest:
        return field.field, f"left({field.source}, {field.longest})"
    # Salesforce keeps whole seconds of an instant; milliseconds and a zone are part of the documented form.
    return field.field, value_sql(field.source, field.kind)
