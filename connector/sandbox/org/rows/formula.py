"""Formula fields of the shipped metadata, evaluated on reading.

Keyed by the text of the formula: when the metadata changes and this module does not, the field reads as null
and a test fails, instead of the sandbox computing something that the org does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from connector.sandbox.kit.instants import offset_instant


def _days_in_progress(row: dict[str, Any], now: datetime) -> float | None:
    assigned = offset_instant(row.get("Assigned_Date__c") or "")
    if assigned is None:
        return None
    end = offset_instant(row.get("Completed_Date__c") or "") or now
    # FLOOR of a Salesforce formula goes towards zero for negative numbers.
    return float(math.trunc((end - assigned).total_seconds() / 86_400))


FORMULAS: dict[str, Callable[[dict[str, Any], datetime], Any]] = {
    "IF(ISBLANK(Assigned_Date__c), NULL, FLOOR(IF(ISBLANK(Completed_Date__c), NOW(), Completed_Date__c)"
    " - Assigned_Date__c))": _days_in_progress
}


def evaluate(formula: str, row: dict[str, Any], now: datetime) -> Any:
    """The value of a formula for a record, or None where the sandbox does not know the formula."""
    known = FORMULAS.get(formula)
    return known(row, now) if known else None
