"""The retry decision as one table, and how Retry-After is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.http.retry import (
    ATTEMPTS,
    LONGEST_BACKOFF_SECONDS,
    RETRYABLE_STATUSES,
    GiveUp,
    Wait,
    decide,
    retry_after_seconds,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempt", "status", "retry_after", "verdict"),
    [
        (1, 200, None, GiveUp()),
        (1, 204, None, GiveUp()),
        (1, 301, None, GiveUp()),
        (1, 400, None, GiveUp()),
        (1, 401, None, GiveUp()),
        (1, 403, None, GiveUp()),
        (1, 404, None, GiveUp()),
        (1, 409, None, GiveUp()),
        (1, 422, None, GiveUp()),
        (1, 501, None, GiveUp()),
        (1, 400, 5.0, GiveUp()),
        (1, 408, None, Wait(0.5)),
        (1, 425, None, Wait(0.5)),
        (1, 429, None, Wait(0.5)),
        (1, 500, None, Wait(0.5)),
        (1, 502, None, Wait(0.5)),
        (1, 503, None, Wait(0.5)),
        (1, 504, None, Wait(0.5)),
        (1, None, None, Wait(0.5)),
        (2, 503, None, Wait(1.0)),
        (3, 503, None, Wait(2.0)),
        (5, None, None, Wait(8.0)),
        (6, None, None, GiveUp()),
        (6, 503, None, GiveUp()),
        (6, 429, 5.0, GiveUp(5.0)),
        (7, 503, None, GiveUp()),
        (1, 429, 0.0, Wait(0.5, 0.0)),
        (1, 429, 1.5, Wait(0.5, 1.5)),
        (1, 429, 300.0, Wait(0.5, 300.0)),
        (1, 429, 300.001, GiveUp(300.001)),
        (1, 503, 3600.0, GiveUp(3600.0)),
    ],
)
def test_decision(attempt: int, status: int | None, retry_after: float | None, verdict: Wait | GiveUp) -> None:
    assert decide(attempt, status, retry_after) == verdict


@given(st.integers(1, 20), st.none() | st.sampled_from(sorted(RETRYABLE_STATUSES)), st.none() | st.floats(0, 1e6))
def test_the_servers_word_is_never_undercut(attempt: int, status: int | None, retry_after: float | None) -> None:
    verdict = decide(attempt, status, retry_after)
    if isinstance(verdict, Wait):
        assert attempt < ATTEMPTS
        assert verdict.at_least == (retry_after or 0.0)
        assert 0 < verdict.backoff <= LONGEST_BACKOFF_SECONDS
    else:
        assert attempt >= ATTEMPTS or (retry_after or 0) > 300


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("0", 0.0),
        ("1", 1.0),
        (" 2.5 ", 2.5),
        ("-3", 0.0),
        ("86400", 86_400.0),
        (format_datetime(NOW + timedelta(seconds=7), usegmt=True), 7.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        (format_datetime(NOW + timedelta(hours=1), usegmt=True), 3600.0),
        ("Sun, 01 Mar 2026 13:00:30 +0100", 1830.0 - 1800.0),
        ("Sun, 01 Mar 2026 12:00:30", 30.0),
        ("Sun, 99 Mar 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize("header", ["nan", "inf", "-inf", "infinity"])
def test_a_number_that_is_none_never_becomes_a_wait(header: str) -> None:
    verdict = decide(1, 429, retry_after_seconds(header, NOW))
    assert isinstance(verdict, GiveUp) or 0 <= verdict.at_least <= 300
