"""What an error code of one record means for it: decided by mappings/salesforce_errors.csv, without I/O.

The classes are those of docs/facts/salesforce.md section 3e.
"""

from __future__ import annotations

from typing import Any

from connector.salesforce.client import RowResult
from mappings import ErrorRule

# How often a record is tried again within a run, by outcome.
TRIES_AGAIN = {"retry": 3, "few": 3, "once": 1}
ROUNDS = max(TRIES_AGAIN.values())
# The states of salesforce.push_ledger that an outcome leads to while tries are left.
STATES = {
    "retry": "deferred", "few": "deferred", "once": "deferred", "defer": "deferred", "stop": "deferred",
    "permanent": "rejected",
}  # fmt: skip


def classify(result: RowResult, rules: tuple[ErrorRule, ...]) -> str:
    """`accepted`, or the class of the record's error: retry, few, once, defer, permanent or stop."""
    if result.success:
        return "accepted"
    text = (result.text or "").lower()
    for rule in rules:
        if rule.code == result.code and rule.contains.lower() in text:
            return rule.outcome
    return "permanent"


def ledger_row(external_id: str, payload_hash: str, result: RowResult, outcome: str) -> dict[str, Any]:
    """What connector/push/sql/ledger_put.sql takes for one record."""
    return {
        "external_id": external_id,
        "payload_hash": payload_hash,
        "salesforce_id": result.salesforce_id,
        "state": "accepted" if outcome == "accepted" else STATES[outcome],
        "error_code": result.code,
        "error_text": result.text,
    }


def tried_again(outcome: str, tries: int) -> bool:
    """Whether a record with this outcome has another try in this run, after `tries` tries before the last one."""
    return tries < TRIES_AGAIN.get(outcome, 0)


def last_word(outcome: str, code: str | None, prior_code: str | None) -> str:
    """The outcome once no try is left in this run; `prior_code` is what the same payload ended the last run with."""
    if outcome == "once" or (outcome == "few" and code == prior_code):
        return "permanent"
    return outcome
