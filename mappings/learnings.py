"""Checks learnings_fields.csv: which field of a Learning is filled from which column of sql/push_learnings.sql."""

import re
from dataclasses import dataclass

from mappings.cells import NAME, Rows, check_unique
from mappings.errors import MappingError

FILE = "learnings_fields.csv"
COURSE = "Learning Course"
CUSTOM = "learningCourseCustomFields"
# Learning Input (docs/facts/salesforce.md section 6) less the ids that the org gives out and what is for programs only.
FIELDS = (
    "type", "name", "provider", "description", "courseLevelDescription", "subjectAbbreviation", "fieldOfStudy",
    "courseNumber", "active", "activeFromDate", "activeToDate", "duration", "durationUnit", "cipCode", "academicLevel",
)  # fmt: skip
KINDS = ("text", "number", "checkbox", "datetime", "constant", "key")
_CUSTOM_FIELD = re.compile(rf"^{CUSTOM}\.[A-Za-z]\w*__c$", re.ASCII)


@dataclass(frozen=True, slots=True)
class LearningField:
    """One row of learnings_fields.csv."""

    field: str
    source: str
    kind: str

    @property
    def custom(self) -> str | None:
        """The API name of a custom field of LearningCourse, None for a field of the API's own."""
        head, _, name = self.field.partition(".")
        return name if head == CUSTOM else None


def learning_fields(rows: Rows) -> tuple[LearningField, ...]:
    """The rows as fields. Raises MappingError, which names the line, or the row that is missing."""
    fields = tuple(_field(row, number) for number, row in rows)
    check_unique(FILE, [entry.field for entry in fields])
    by_name = {entry.field: entry for entry in fields}
    kind = by_name.get("type")
    if kind is None or kind.kind != "constant" or kind.source != COURSE:
        raise MappingError(f"{FILE}: needs the row type,{COURSE},constant (programs are not supported)")
    if "name" not in by_name:
        raise MappingError(f"{FILE}: needs a row for name: a learning without one is refused")
    keys = [entry for entry in fields if entry.kind == "key"]
    if len(keys) != 1 or keys[0].custom is None:
        raise MappingError(
            f"{FILE}: needs exactly one row of kind key, {CUSTOM}.<Field>__c, by which a learning is found again"
        )
    return fields


def _field(row: dict[str, str], number: int) -> LearningField:
    where = f"{FILE} line {number}"
    if row["field"] not in FIELDS and not _CUSTOM_FIELD.match(row["field"]):
        raise MappingError(f"{where}: {row['field']!r} must be {CUSTOM}.<Field>__c or one of {', '.join(FIELDS)}")
    if row["kind"] not in KINDS:
        raise MappingError(f"{where}: kind must be one of {', '.join(KINDS)}")
    if not row["source"] or (row["kind"] != "constant" and not NAME.match(row["source"])):
        raise MappingError(f"{where}: source must be a column name; a value of its own is of kind constant")
    return LearningField(row["field"], row["source"], row["kind"])
