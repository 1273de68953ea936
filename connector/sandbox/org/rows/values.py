"""What an org accepts as the value of a field, and how it stores it.

Codes are those of docs/facts/salesforce.md section 3e. The wordings follow the texts that orgs are publicly seen
to print; none was taken from a live org.

Formula fields are evaluated on reading, by the text of the shipped formula: when the metadata changes and FORMULAS does
not, the field reads as null and a test fails, instead of the sandbox computing something that the org does not.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.instants import offset_instant, org_text
from connector.sandbox.org.errors import refused
from connector.sandbox.org.rows.ids import to_18
from connector.sandbox.org.schema.model import FieldSchema

# An org's calendar runs from 1700 to 4000; an LMS likes 9999-12-31 for "never", 0001-01-01 for "unset".
_YEARS = range(1700, 4001)


def coerce(field: FieldSchema, value: Any) -> Any:
    """The value as stored; raises Refusal where an org would refuse it."""
    if value is None:
        return None
    convert = _COERCE.get(field.type)
    return convert(field, value) if convert else _text(field, value)


def bad_value(field: FieldSchema, code: str, text: str) -> Refusal:
    """The refusal of a field's value."""
    return refused(code, f"{field.label}: {text}", field.name)


def malformed_id(field: FieldSchema, value: Any) -> Refusal:
    """The refusal of what is not an id of the object that a field refers to."""
    return bad_value(field, "MALFORMED_ID", f"id value of incorrect type: {value}")


def _bad_type(field: FieldSchema, wanted: str, value: Any) -> Refusal:
    kinds = {bool: "VALUE_BOOLEAN", str: "VALUE_STRING", int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT"}
    kind = kinds.get(type(value), "START_OBJECT")
    text = f"cannot deserialize instance of {wanted} from {kind} value {value}"
    return bad_value(field, "INVALID_TYPE_ON_FIELD_IN_RECORD", text)


def _text(field: FieldSchema, value: Any) -> str | None:
    if not isinstance(value, str):
        raise _bad_type(field, "string", value)
    stored = value.strip()
    if len(stored) > field.length:
        text = f"data value too large: {stored} (max length={field.length})"
        raise bad_value(field, "STRING_TOO_LONG", text)
    return stored or None


def _picklist(field: FieldSchema, value: Any) -> str | None:
    stored = _text(field, value)
    if stored is not None and field.restricted_picklist and not field.picklist.get(stored):
        text = f"bad value for restricted picklist field: {stored}"
        raise bad_value(field, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", text)
    return stored


def _boolean(field: FieldSchema, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _bad_type(field, "boolean", value)
    return value


def _number(field: FieldSchema, value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _bad_type(field, "double", value)
    if abs(value) >= 10 ** (field.precision - field.scale):
        text = f"value outside of valid range on numeric field: {value}"
        raise bad_value(field, "NUMBER_OUTSIDE_VALID_RANGE", text)
    return float(value)


def _datetime(field: FieldSchema, value: Any) -> str:
    moment = offset_instant(value) if isinstance(value, str) else None
    if moment is None:
        raise _bad_type(field, "datetime", value)
    if moment.year not in _YEARS:
        raise bad_value(field, "NUMBER_OUTSIDE_VALID_RANGE", f"invalid date: {value}")
    return org_text(moment)


def _id(field: FieldSchema, value: Any) -> str | None:
    if value == "":
        return None
    full = to_18(value) if isinstance(value, str) else None
    if full is None:
        raise malformed_id(field, value)
    return full


_COERCE: dict[str, Callable[[FieldSchema, Any], Any]] = {
    "picklist": _picklist,
    "boolean": _boolean,
    "double": _number,
    "percent": _number,
    "datetime": _datetime,
    "reference": _id,
    "id": _id,
}


def _days_in_progress(row: dict[str, Any], now: datetime) -> float | None:
    assigned = offset_instant(row.get("Assigned_Date__c") or "")
    completed = offset_instant(row.get("Completed_Date__c") or "")
    if assigned is None or (completed is None and row.get("Absorb_Status__c") == "Complete"):
        return None
    return float(max(0, math.floor(((completed or now) - assigned).total_seconds() / 86_400)))


def _expired(row: dict[str, Any], now: datetime) -> bool:
    expires = offset_instant(row.get("Expires_Date__c") or "")
    return expires is not None and expires.astimezone(UTC).date() < now.astimezone(UTC).date()


FORMULAS: dict[str, Callable[[dict[str, Any], datetime], Any]] = {
    "IF(OR(ISBLANK(Assigned_Date__c), AND(ISBLANK(Completed_Date__c), ISPICKVAL(Absorb_Status__c, "
    '"Complete"))), NULL, MAX(0, FLOOR(IF(ISBLANK(Completed_Date__c), NOW(), Completed_Date__c)'
    " - Assigned_Date__c)))": _days_in_progress,
    "IF(ISBLANK(Expires_Date__c), FALSE, DATEVALUE(Expires_Date__c) < TODAY())": _expired,
}


def evaluate(formula: str, row: dict[str, Any], now: datetime) -> Any:
    """The value of a formula for a record, or None where the sandbox does not know the formula."""
    known = FORMULAS.get(formula)
    return known(row, now) if known else None
