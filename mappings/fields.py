"""salesforce_fields.csv and salesforce_errors.csv: which field is filled from which column, and what an error means."""

import re
from dataclasses import dataclass

from mappings.cells import NAME, YES_NO, Rows, check_unique
from mappings.errors import MappingError

FILE = "salesforce_fields.csv"
ERRORS_FILE = "salesforce_errors.csv"
_OUTCOMES = ("retry", "few", "once", "defer", "permanent", "stop")
_KINDS = ("text", "number", "checkbox", "datetime", "reference", "parent")
_API_NAME = re.compile(r"^[A-Za-z]\w*(\.[A-Za-z]\w*)?$", re.ASCII)


@dataclass(frozen=True, slots=True)
class FieldMap:
    """One row of salesforce_fields.csv."""

    object: str
    field: str
    source: str
    kind: str
    required: bool
    longest: int | None = None  # characters of a text: what is sent is cut to them


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One row of salesforce_errors.csv."""

    code: str
    contains: str
    outcome: str


def field_maps(rows: Rows, packaged: Rows) -> tuple[FieldMap, ...]:
    """The rows of salesforce_fields.csv. Raises MappingError, which names the line.

    Where they have no column `longest`, the lengths are those of the packaged file for the same object and source.
    """
    known = {(row["object"], row["source"], row["kind"]): row["longest"] for _, row in packaged}
    fields = tuple(
        _field({"longest": known.get((row["object"], row["source"], row["kind"]), ""), **row}, number)
        for number, row in rows
    )
    check_unique(FILE, [f"{entry.object}.{entry.field}" for entry in fields])
    return fields


def error_rules(rows: Rows) -> tuple[ErrorRule, ...]:
    """The rows of salesforce_errors.csv. Raises MappingError, which names the line."""
    return tuple(_error_rule(row, number) for number, row in rows)


def _field(row: dict[str, str], number: int) -> FieldMap:
    where = f"{FILE} line {number}"
    if not _API_NAME.match(row["field"]) or not _API_NAME.match(row["object"]) or not NAME.match(row["source"]):
        raise MappingError(f"{where}: object and field must be API names, source a column name")
    if row["kind"] not in _KINDS or row["required"] not in YES_NO:
        raise MappingError(f"{where}: kind must be one of {', '.join(_KINDS)}; required yes or no")
    if (row["kind"] == "parent") != ("." in row["field"]):
        raise MappingError(f"{where}: a parent is written Relationship__r.External_Id__c, and only a parent is")
    longest = row["longest"]
    if longest and not (longest.isdecimal() and int(longest) and row["kind"] == "text"):
        raise MappingError(f"{where}: longest is a number of characters, for a text only")
    most = int(longest) if longest else None
    return FieldMap(row["object"], row["field"], row["source"], row["kind"], row["required"] == "yes", most)


def _error_rule(row: dict[str, str], number: int) -> ErrorRule:
    if row["outcome"] not in _OUTCOMES or not row["code"]:
        raise MappingError(f"{ERRORS_FILE} line {number}: needs a code and one of {', '.join(_OUTCOMES)}")
    return ErrorRule(row["code"], row["contains"], row["outcome"])
