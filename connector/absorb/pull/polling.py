"""Which courses to ask now: often where learners are active, seldom where nothing moves, never later than the bound.

Absorb has no list of all enrollments, so a pull costs one request a course, and most courses are quiet most of the
time. With `LEARNSYNC_ABSORB__MAX_STALENESS_MINUTES` set, a course is asked again after a fraction of the time that
it has been quiet, and never so late that it is unread for longer than the bound. Decisions only: no clock, no I/O.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

# A course that has been quiet for eight hours may wait one.
QUIET_FRACTION = 1 / 8
# Waits are cut to between this share and the whole, by course, so that quiet courses do not all fall due together.
LEAST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Polled:
    """What is known of one course: when it was last read to its end, and the newest change seen in it."""

    scope_id: str
    last_read: datetime | None
    last_change: datetime | None


def wait_of(course: Polled, bound: timedelta) -> timedelta:
    """How long after its last reading the course may be left alone."""
    if course.last_read is None:
        return timedelta(0)
    quiet = bound / QUIET_FRACTION if course.last_change is None else course.last_read - course.last_change
    wanted = min(bound, max(timedelta(0), quiet) * QUIET_FRACTION)
    return wanted * (LEAST_SHARE + (1 - LEAST_SHARE) * _share(course.scope_id))


def is_due(course: Polled, now: datetime, cadence: timedelta, bound: timedelta) -> bool:
    """True when leaving the course to the next pull, `cadence` from now, would keep it waiting for too long."""
    if course.last_read is None:
        return True
    return now + cadence - course.last_read > wait_of(course, bound)


def due(courses: Sequence[Polled], now: datetime, cadence: timedelta | None, bound: timedelta) -> list[str]:
    """The ids to ask now, in the order given. Without a bound or a known cadence: all of them."""
    if bound <= timedelta(0) or cadence is None:
        return [course.scope_id for course in courses]
    return [course.scope_id for course in courses if is_due(course, now, cadence, bound)]


def cadence_of(starts: Sequence[datetime], now: datetime) -> timedelta | None:
    """The longest gap between the latest pulls, this one included; None without a pull to measure from."""
    moments = sorted([*starts, now])
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    return max(gaps, default=None)


def _share(scope_id: str) -> float:
    """A number from 0 to 1 that is the course's own and never changes."""
    return int(hashlib.sha256(scope_id.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
