"""Which objects are read back, and into which columns. Facts: docs/facts/salesforce.md sections 0 and 5."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.salesforce.targets import COURSE, ENROLLMENT, OrgObject, value_of
from mappings import FieldMap

SQL_TYPES = {
    "IsActive": "BOOLEAN", "IsDeleted": "BOOLEAN", "SystemModstamp": "TIMESTAMPTZ", "CompletedDate": "TIMESTAMPTZ",
    "StartDate": "TIMESTAMPTZ", "CompletedPercent": "DOUBLE", "CompletedOnDay": "INTEGER", "DaysInProgress": "INTEGER",
    "fields": "JSON",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Readable:
    """An object and its table in the schema `salesforce`.

    `columns` are the table's; `where` narrows a full read, and `expected` says in SQL which rows `h` of the table such
    a read must meet; `logged` says that getUpdated and getDeleted serve it.
    """

    object: str
    table: str
    columns: tuple[str, ...]
    where: str = ""
    expected: str = "true"
    deletable: bool = True
    logged: bool = True
    target: OrgObject | None = field(default=None, compare=False)

    def select(self, fields: tuple[FieldMap, ...] = ()) -> tuple[str, ...]:
        """The SOQL names to ask for; `fields` are those of a target's field map that the org has."""
        if self.target is None:
            return self.columns
        own = [column for column in self.columns if column not in {"external_id", "fields"}]
        return tuple(dict.fromkeys([*own, self.target.key, *(entry.field for entry in fields)]))

    def row(self, record: Mapping[str, Any], fields: tuple[FieldMap, ...] = ()) -> dict[str, Any]:
        """A record of a query as a row of the table."""
        row = {column: record.get(column) for column in self.columns}
        if self.target is not None:
            row["external_id"] = record.get(self.target.key)
            row["fields"] = dict(_member(record, entry) for entry in fields)
        return row


def _member(record: Mapping[str, Any], entry: FieldMap) -> tuple[str, Any]:
    """A field in the shape that a payload has: parents nested under their relationship."""
    relation, _, key = entry.field.partition(".")
    value = value_of(record, entry)
    return relation, {key: value} if key else value


_OWN = ("Id", "external_id", "fields", "SystemModstamp", "LastModifiedById", "IsDeleted")

# Users are deactivated, never deleted, and have no IsDeleted. Matching rules may use no columns but these.
USER = Readable(
    "User", "users", ("Id", "FederationIdentifier", "Email", "Username", "IsActive", "SystemModstamp"),
    deletable=False, logged=False,
)  # fmt: skip
# No rule can match a contact without an email address; one that loses its address comes along with the changes.
CONTACT = Readable(
    "Contact", "contacts", ("Id", "Email", "SystemModstamp", "IsDeleted"),
    where="Email != null", expected='h."Email" IS NOT NULL',
)  # fmt: skip
# This and LearningItemProgress come with the Enablement add-on only (docs/facts/salesforce.md section 0).
ITEM = Readable("LearningItem", "learning_items", ("Id", "Name", "Type", "SystemModstamp", "IsDeleted"))
PROGRESS = Readable(
    "LearningItemProgress",
    "learning_item_progress",
    (
        "Id", "OwnerId", "LearningItemId", "ProgressStatus", "CompletedPercent", "CompletedDate", "CompletedOnDay",
        "DaysInProgress", "StartDate", "SystemModstamp", "IsDeleted",
    ),
)  # fmt: skip
OWN_COURSES = Readable(COURSE.object, "lms_courses", _OWN, target=COURSE)
OWN_ENROLLMENTS = Readable(ENROLLMENT.object, "lms_enrollments", _OWN, target=ENROLLMENT)

PEOPLE = {readable.object: readable for readable in (USER, CONTACT)}
OWN = (OWN_COURSES, OWN_ENROLLMENTS)
