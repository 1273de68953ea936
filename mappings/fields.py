"""salesforce_fields.csv and salesforce_errors.csv: which field is filled from which column, and what an error means."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mappings.cells import NAME, YES_NO, check_unique
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


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One row of salesforce_errors.csv."""

    code: str
    contains: str
    outcome: str


def field_maps(rows: Iterable[tuple[int, dict[str, str]]]) -> tuple[FieldMap, ...]:
    """The rows of salesforce_fields.csv. Raises MappingError, which names the line."""
    fields = tuple(_field(row, number) for number, row in rows)
    check_unique(FILE, [f"{entry.object}.{entry.field}" for entry in fields])
    return fields


def error_rules(rows: Iterable[tuple[int, dict[str, str]]]) -> tuple[ErrorRule, ...]:
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
    return FieldMap(row["object"], row["field"], row["source"], row["kind"], row["required"] == "yes")


def _error_rule(row: dict[str, str], number: int) -> ErrorRule:
    if row["outcome"] not in _OUTCOMES or not row["code"]:
        raise MappingError(f"{ERRORS_FILE} line {number}: needs a code and one of {', '.join(_OUTCOMES)}")
    return ErrorRule(row["code"], row["contains"], row["outcome"])
