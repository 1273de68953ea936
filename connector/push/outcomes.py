"""What the answer to one record means for it: decided by mappings/salesforce_errors.csv, without I/O.

The classes are those of docs/facts/salesforce.md section 3e.
"""

from dataclasses import dataclass
from typing import Any, Self

from connector.errors import IncompleteError
from mappings import ErrorRule

# How often a record is tried again within a run, by outcome.
TRIES_AGAIN = {"retry": 3, "few": 3, "once": 1}
# The states of salesforce.push_ledger that an outcome leads to when its run ends.
STATES = {
    "accepted": "accepted", "retry": "deferred", "few": "deferred", "once": "deferred", "defer": "deferred",
    "stop": "deferred", "permanent": "rejected",
}  # fmt: skip
# Codes of ours, beside those of the target. All but the last two wait for the next push.
NO_ANSWER, UNPROCESSED, PREREQUISITE_MISSING = "NO_ANSWER", "UNPROCESSED", "PREREQUISITE_MISSING"
INVALID_PAYLOAD, CONFLICT = "INVALID_PAYLOAD", "CONFLICT"
WAITING = frozenset({NO_ANSWER, UNPROCESSED, PREREQUISITE_MISSING})


@dataclass(frozen=True, slots=True)
class RowResult:
    """What a target answered about one record; `remote_id` is the id that it has there."""

    success: bool
    created: bool
    remote_id: str | None
    code: str | None
    text: str | None

    @classmethod
    def refused(cls, code: str, text: str) -> Self:
        """A result without success."""
        return cls(success=False, created=False, remote_id=None, code=code, text=text)


def classify(result: RowResult, rules: tuple[ErrorRule, ...]) -> str:
    """`accepted`, or the class of the record's error: retry, few, once, defer, permanent or stop."""
    if result.success:
        return "accepted"
    if result.code in WAITING:
        return "defer"
    text = (result.text or "").lower()
    for rule in rules:
        if rule.code == result.code and rule.contains.lower() in text:
            return rule.outcome
    return "permanent"


def tried_again(outcome: str, tries: int) -> bool:
    """Whether a record with this outcome has another try in this run, after `tries` tries before the last one."""
    return tries < TRIES_AGAIN.get(outcome, 0)


def final_outcome(outcome: str, code: str | None, prior_code: str | None, tries: int) -> str:
    """The outcome where this run ends for the record, after `tries` tries before the last one.

    `prior_code` is what the same payload ended the run before with.
    """
    if (outcome == "once" and not tried_again(outcome, tries)) or (outcome == "few" and code == prior_code):
        return "permanent"
    return outcome


def ledger_row(external_id: str, payload_hash: str, result: RowResult, outcome: str) -> dict[str, Any]:
    """What connector/push/sql/ledger_put.sql takes for one record."""
    return {
        "external_id": external_id,
        "payload_hash": payload_hash,
        "salesforce_id": result.remote_id,
        "state": STATES[outcome],
        "created": result.created,
        "error_code": result.code,
        "error_text": result.text,
    }


def stop_error(object_name: str, said: str) -> IncompleteError:
    """What ends a push when the target refuses records for a reason that concerns all of them."""
    return IncompleteError(
        f"The org refuses {object_name} records: {said}.",
        remedy="This needs an admin of the org; what was not pushed stays due.",
    )
