"""Which objects are read back, and into which columns. Facts: docs/facts/salesforce.md sections 0 and 5."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.salesforce.targets import COURSE, ENROLLMENT, OrgObject, value_of
from connector.times import parse_instant
from mappings import FieldMap

SQL_TYPES = {
    "IsActive": "BOOLEAN", "IsDeleted": "BOOLEAN", "SystemModstamp": "TIMESTAMPTZ", "CompletedDate": "TIMESTAMPTZ",
    "StartDate": "TIMESTAMPTZ", "CompletedPercent": "DOUBLE", "CompletedOnDay": "INTEGER", "DaysInProgress": "INTEGER",
    "fields": "JSON",
}  # fmt: skip


def _is_instant(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(parse_instant(value))
    except ValueError:
        return False


def _is_number(value: object, below: float = 1e300) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < below


# What a column takes; anything else would become null without a word.
_FITS: dict[str, Callable[[object], bool]] = {
    "VARCHAR": lambda value: isinstance(value, str),
    "BOOLEAN": lambda value: isinstance(value, bool),
    "TIMESTAMPTZ": _is_instant,
    "DOUBLE": _is_number,
    "INTEGER": lambda value: _is_number(value, 2**31),
}
# By these a record is found again, and told from an older reading of it.
_NEEDED = frozenset({"Id", "SystemModstamp"})


# An id begins with three characters that name its object. A lookup to people refuses the id of anything else.
KEY_PREFIXES = {"User": "005", "Contact": "003"}


@dataclass(frozen=True, slots=True)
class Readable:
    """An object and its table in the schema `salesforce`.

    `columns` are the table's; `extra` are further fields, kept in its column `fields`; `where` narrows a full read;
    `logged` says that getUpdated and getDeleted serve it.
    """

    object: str
    table: str
    columns: tuple[str, ...]
    extra: tuple[str, ...] = ()
    where: str = ""
    deletable: bool = True
    logged: bool = True
    target: OrgObject | None = field(default=None, compare=False)

    def select(self, fields: tuple[FieldMap, ...] = ()) -> tuple[str, ...]:
        """The SOQL names to ask for; `fields` are those of a target's field map that the org has."""
        if self.target is None:
            return (*(column for column in self.columns if column != "fields"), *self.extra)
        own = [column for column in self.columns if column not in {"external_id", "fields"}]
        return tuple(dict.fromkeys([*own, self.target.key, *(entry.field for entry in fields)]))

    def misfit(self, record: Mapping[str, Any], asked: Collection[str]) -> str:
        """Why a record that was asked for with these fields can be no row of the table; empty where it can."""
        for column in self.columns:
            value = record.get(column)
            if value is None and column in _NEEDED and column in asked:
                return f"a record of {self.object} without {column}"
            kind = SQL_TYPES.get(column, "VARCHAR")
            if value is not None and column != "fields" and not _FITS[kind](value):
                return f"a record of {self.object} whose {column} is no {kind.lower()}"
        prefix = KEY_PREFIXES.get(self.object, "")
        if not str(record.get("Id", prefix)).startswith(prefix):
            return f"a record of {self.object} with the id of another object"
        key = record.get(self.target.key) if self.target else None
        return "" if key is None or isinstance(key, str) else f"a record of {self.object} whose key is no text"

    def row(self, record: Mapping[str, Any], fields: tuple[FieldMap, ...] = ()) -> dict[str, Any]:
        """A record of a query as a row of the table."""
        row = {column: record.get(column) for column in self.columns}
        if self.target is not None:
            row["external_id"] = record.get(self.target.key)
            row["fields"] = dict(_member(record, entry) for entry in fields)
        elif self.extra:  # the org spells its names in its own way
            spelled = {name.lower(): value for name, value in record.items()}
            row["fields"] = {name: _text(spelled.get(name.lower())) for name in self.extra}
        return row


def _member(record: Mapping[str, Any], entry: FieldMap) -> tuple[str, Any]:
    """A field in the shape that a payload has: parents nested under their relationship."""
    relation, _, key = entry.field.partition(".")
    value = value_of(record, entry)
    return relation, {key: value} if key else value


def _text(value: Any) -> str | None:
    """A compared value as text; the org writes a whole number of a number field as 77.0."""
    whole = isinstance(value, float) and value.is_integer()
    return None if value is None else str(int(value) if whole else value)


_OWN = ("Id", "external_id", "fields", "SystemModstamp", "LastModifiedById", "IsDeleted")

# Users are deactivated, never deleted, and have no IsDeleted.
USER = Readable(
    "User", "users", ("Id", "FederationIdentifier", "Email", "Username", "IsActive", "SystemModstamp", "fields"),
    deletable=False, logged=False,
)  # fmt: skip
CONTACT = Readable("Contact", "contacts", ("Id", "Email", "SystemModstamp", "IsDeleted", "fields"))
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

OWN = (OWN_COURSES, OWN_ENROLLMENTS)
