"""When changes are enough and when everything is read: a decision table with its boundaries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.salesforce.readback.read import OVERLAP, Checkpoint, reason_for_full

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
FRESH = Checkpoint("Contact", "00D1", NOW, NOW, "Id, Email")


def reason(known: Checkpoint | None, *, deletable: bool = True, asked: bool = False) -> str:
    return reason_for_full(known, org_id="00D1", fields="Id, Email", now=NOW, deletable=deletable, asked=asked)


@pytest.mark.parametrize(
    ("known", "deletable", "expected"),
    [
        (FRESH, True, ""),
        (None, True, "first read"),
        (replace(FRESH, org_id="00D2"), True, "another org"),
        (replace(FRESH, fields="Id"), True, "other fields"),
        # The window is measured from where the increment would begin, overlap included.
        (replace(FRESH, covered_until=NOW - 15 * DAY + OVERLAP + SECOND), True, ""),
        (replace(FRESH, covered_until=NOW - 15 * DAY + OVERLAP), True, "last read more than 15 days ago"),
        (replace(FRESH, covered_until=NOW - 15 * DAY + OVERLAP), False, ""),
        (replace(FRESH, covered_until=NOW - 30 * DAY + OVERLAP + SECOND), False, ""),
        (replace(FRESH, covered_until=NOW - 30 * DAY + OVERLAP), False, "last read more than 30 days ago"),
        (replace(FRESH, full_at=NOW - 30 * DAY + SECOND), True, ""),
        (replace(FRESH, full_at=NOW - 30 * DAY), True, "last full read 30 days ago"),
        # A checkpoint that is ahead of the org's clock is no reason to read everything.
        (replace(FRESH, covered_until=NOW + DAY, full_at=NOW + DAY), True, ""),
    ],
)
def test_what_is_read(known: Checkpoint | None, deletable: bool, expected: str) -> None:
    assert reason(known, deletable=deletable) == expected


def test_a_full_read_may_be_asked_for() -> None:
    assert reason(FRESH, asked=True) == "asked for"
    assert reason(None, asked=True) == "first read"
