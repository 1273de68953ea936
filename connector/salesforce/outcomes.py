"""What an error code of one record means for it: decided by mappings/salesforce_errors.csv, without I/O."""

from __future__ import annotations

from connector.salesforce.client import RowResult
from mappings import ErrorRule

# The states of salesforce.push_ledger that an outcome leads to.
STATES = {"retry": "deferred", "defer": "deferred", "stop": "deferred", "permanent": "rejected"}


def classify(result: RowResult, rules: tuple[ErrorRule, ...]) -> str:
    """`accepted`, or the class of the record's error: retry, defer, permanent or stop."""
    if result.success:
        return "accepted"
    text = (result.text or "").lower()
    for rule in rules:
        if rule.code == result.code and rule.contains.lower() in text:
            return rule.outcome
    return "permanent"
