"""When to try a call again, and how long to wait: decisions only, no clock and no network."""

from dataclasses import dataclass
from datetime import datetime

from connector.times import parse_http_date

RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
ATTEMPTS = 6
FIRST_WAIT_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
LONGEST_RETRY_AFTER_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Try again after this many seconds (full jitter up to `backoff`, but never before `at_least`)."""

    backoff: float
    at_least: float = 0.0


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not try again; `retry_after` is what the server asked for when that was too long to wait."""

    retry_after: float | None = None


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """`Retry-After` as seconds from `now`: a number or an HTTP date; None when absent or unreadable."""
    if value is None:
        return None
    try:
        return max(0.0, float(value.strip()))
    except ValueError:
        moment = parse_http_date(value)
        return None if moment is None else max(0.0, (moment - now).total_seconds())


def decide(attempt: int, status: int | None, retry_after: float | None = None) -> Wait | GiveUp:
    """After attempt number `attempt` (1-based) ended with `status` (None: no answer), wait or give up.

    A call is never repeated before its Retry-After; one that is longer than a run may wait ends the call.
    """
    if status is not None and status not in RETRYABLE_STATUSES:
        return GiveUp()
    if retry_after is not None and retry_after > LONGEST_RETRY_AFTER_SECONDS:
        return GiveUp(retry_after)
    if attempt >= ATTEMPTS:
        return GiveUp(retry_after)
    backoff = min(LONGEST_BACKOFF_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
    return Wait(backoff, retry_after or 0.0)
