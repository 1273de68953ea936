"""What Salesforce is asked for assignments, and what a record of the answer says. No input or output."""

import re
from collections.abc import Mapping
from typing import Any

from connector.errors import ApiError, SettingsError
from connector.settings import AssignmentSettings, variable
from connector.times import parse_instant

QUERY = variable("assignments", "query")
# Codes by which an org refuses a query's text (docs/facts/salesforce.md section 3f), except for a missing object.
REFUSED_QUERY = frozenset({"INVALID_FIELD", "MALFORMED_QUERY", "INVALID_QUERY_FILTER_OPERATOR"})
# Settings of the fields that may hold a date → what it is called in a record that was read.
DATES = {"start_field": "start_at", "due_field": "due_at"}
_SELECT = re.compile(r"\s*SELECT\s+(?P<fields>.+?)\s+FROM\s+\w+", re.IGNORECASE | re.DOTALL)


def wanted(section: AssignmentSettings) -> dict[str, str]:
    """Variable → the field that a record must have because of it; those of dates only where they were set."""
    fields = {
        QUERY: "Id",
        variable("assignments", "learner_field"): section.learner_field,
        variable("assignments", "course_field"): section.course_field,
    }
    return fields | {
        variable("assignments", name): getattr(section, name) for name in DATES if name in section.model_fields_set
    }


def check_query(section: AssignmentSettings) -> None:
    """Raise SettingsError when the query is no SELECT, or does not select Id and both fields.

    A list with parentheses (a subquery, FIELDS()) is left to the org and to `read_record`.
    """
    found = _SELECT.match(section.query)
    if found is None:
        raise SettingsError(
            f"{QUERY} is not a SOQL query: it must read SELECT … FROM ….",
            remedy="Unset it, or write a query that selects Id and the fields of learner and course.",
        )
    if "(" in found["fields"]:
        return
    selected = {name.strip().lower() for name in found["fields"].split(",")}
    for setting, field in wanted(section).items():
        if field.lower() not in selected:
            raise _not_selected(setting, field)


def read_record(section: AssignmentSettings, record: Mapping[str, Any]) -> dict[str, str | None]:
    """{assignment_id, learner, course, start_at, due_at} of one record; instants are ISO texts in UTC.

    Raises SettingsError when it lacks one of the fields, or holds no date where one is expected.
    """
    fields = wanted(section)
    names = ("assignment_id", "learner", "course")
    values = dict(zip(names, [_value(record, *entry) for entry in list(fields.items())[:3]], strict=True))
    if not values["assignment_id"]:
        raise _not_selected(QUERY, "Id")
    return values | {name: _date(section, record, setting) for setting, name in DATES.items()}


def _date(section: AssignmentSettings, record: Mapping[str, Any], name: str) -> str | None:
    """A date without a time is its midnight in UTC, which Absorb's due dates mean a whole day by."""
    setting, field = variable("assignments", name), getattr(section, name)
    try:
        value = _value(record, setting, field)
    except SettingsError:
        if name in section.model_fields_set:
            raise
        return None  # a query of one's own need not select dates
    try:
        return parse_instant(value).isoformat() if value else None
    except ValueError:
        raise SettingsError(
            f"{setting} = {field} holds {str(value)[:40]!r}, which is no date.",
            remedy="Name a field of type Date or Date/Time.",
        ) from None


def refusal(failure: ApiError) -> SettingsError | None:
    """What the org's refusal of the query means for the settings; None where it is about something else."""
    if failure.status == 404 or failure.code == "INVALID_TYPE":
        return SettingsError(
            f"The org has no object that {QUERY} could read, or the run-as user may not see it: {failure.message}",
            remedy="LearningItemAssignment comes with the Enablement add-on. Let the run-as user read it, or set"
            f" {QUERY} to a query over an object of your own (docs/assignments.md).",
        )
    if failure.code in REFUSED_QUERY:
        return SettingsError(
            f"The org refuses {QUERY}: {failure.message}",
            remedy="Correct the query; it may only name fields that the run-as user can read (docs/assignments.md).",
        )
    return None


def _value(record: Mapping[str, Any], setting: str, path: str) -> str | None:
    """The field at a dotted path, in any letter case, as SOQL has it; None below a parent that is not there."""
    here: Any = record
    for part in path.split("."):
        if here is None:
            return None
        folded = {name.lower(): value for name, value in here.items()} if isinstance(here, Mapping) else {}
        if part.lower() not in folded:
            raise _not_selected(setting, path)
        here = folded[part.lower()]
    if isinstance(here, Mapping | list):
        raise _not_selected(setting, path)
    return None if here is None else str(here)


def _not_selected(setting: str, field: str) -> SettingsError:
    because = "" if setting == QUERY else f", which {setting} names"
    return SettingsError(
        f"{QUERY} does not select {field}{because}.",
        remedy="Select Id and the fields of learner and course, such as"
        " SELECT Id, AssigneeId, LearningItemId FROM LearningItemAssignment.",
    )
