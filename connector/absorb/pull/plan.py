"""Which lists of a stream a pull reads, and from where each.

Absorb has no list of all enrollments, so a pull costs one request a course, and most courses are quiet most of the
time. With `LEARNSYNC_ABSORB__MAX_STALENESS_MINUTES` set, a course is asked again after a fraction of the time that
it has been quiet, and never so late that it is unread for longer than the bound.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from connector.absorb.dialects import Dialect, Dialects
from connector.absorb.pull.options import ALL, Context, PullOptions, StreamReport
from connector.errors import IncompleteError
from connector.times import utc_now
from connector.warehouse import runs
from connector.warehouse.database import Connection, count
from connector.warehouse.dialects import KeptDialect, forget_dialects, put_dialect, read_dialects
from connector.warehouse.statements import statements
from connector.warehouse.watermarks import ResumePoint, read_resume_points, read_watermarks

sql = statements(__package__)

# A course that has been quiet for eight hours may wait one.
QUIET_FRACTION = 1 / 8
# Waits are cut to between this share and the whole, by course, so that quiet courses do not all fall due together.
LEAST_SHARE = 0.5
# A list that is read whole, because the portal refused to be asked by date, is asked by date again after this.
ASK_AGAIN_AFTER = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Start:
    """Where a walk begins; `floor` is what the warehouse holds already, `covers` whether its end may be claimed."""

    since: datetime | None
    floor: datetime | None = None
    covers: bool = True


@dataclass(frozen=True, slots=True)
class Starts:
    """The starts of one stream's walks: from the watermark less the overlap, or from where a killed walk was.

    `new`: the warehouse holds no row of the stream yet, so none can have vanished.
    """

    options: PullOptions
    overlap: timedelta
    marks: Mapping[str, datetime | None]
    points: Mapping[str, ResumePoint]
    new: bool = False

    def of(self, scope: str) -> Start:
        """Where the list of `scope` begins; `--since` and `--full` come first."""
        mark = self.marks.get(scope)
        asked = self.options.since
        # Account-wide lists are small, and a new warehouse needs them whole to know whose and what the enrollments are.
        if asked is not None and (scope != ALL or mark is not None):
            # A walk that begins later than the list's watermark leaves a gap and may not move it.
            return Start(asked, covers=mark is not None and asked <= mark)
        if self.options.full:
            return Start(None)
        since = mark - self.overlap if mark is not None else None
        point = self.points.get(scope)
        if point is not None and point.key is not None:
            # What became visible late while the killed walk ran is read again, like the overlap of any pull.
            key = min(point.key, point.ceiling - self.overlap)
            if since is None or key > since:
                return Start(key, floor=key)
        return Start(since)


@dataclass(frozen=True, slots=True)
class Polled:
    """What is known of one course: when it was last read to its end, and the newest change seen in it."""

    scope_id: str
    last_read: datetime | None
    last_change: datetime | None


def plan(context: Context, report: StreamReport) -> tuple[list[str], Starts]:
    """The scopes of the lists to read, and their starts. Raises IncompleteError when no course can be known."""
    tenant_id, overlap = context.settings.tenant_id, timedelta(minutes=context.settings.absorb.overlap_minutes)
    with context.warehouse.connect() as connection:
        runs.end_killed(connection, tenant_id, context.command, context.run_id)
        marks = read_watermarks(connection, tenant_id, report.stream)
        points = read_resume_points(connection, tenant_id, report.stream)
        context.client.dialects = _dialects(connection, context)
        scopes = _courses(connection, context, report) if report.stream == "enrollments" else [ALL]
        held = f"SELECT count(*) FROM (SELECT 1 FROM absorb.{report.stream} WHERE tenant_id = $tenant_id LIMIT 1)"
        new = not count(connection, held, {"tenant_id": tenant_id})
    return scopes, Starts(context.options, overlap, marks, points, new)


def _dialects(connection: Connection, context: Context) -> Dialects:
    """How this portal's lists are asked for changes; what is found out from now on is kept at once."""
    tenant_id, portal = context.settings.tenant_id, context.settings.absorb.url
    # Reading whole is dear, so what was refused is tried again now and then.
    forget_dialects(connection, tenant_id, portal, Dialect.WHOLE.value, utc_now() - ASK_AGAIN_AFTER)
    known = {one.stream: Dialect(one.dialect) for one in read_dialects(connection, tenant_id, portal)}

    def keep(stream: str, dialect: Dialect, refusal: str) -> None:
        with context.warehouse.transaction() as writer:
            put_dialect(writer, tenant_id, portal, KeptDialect(stream, dialect.value, refusal, utc_now()))

    return Dialects(known, keep)


def _courses(connection: Connection, context: Context, report: StreamReport) -> list[str]:
    """Ids of the courses to ask now, largest first; `report` gets how many were left out.

    A sweep asks courses that were gone as well: they may be back, and their rows must be accounted for. Raises
    IncompleteError when no course can be known.
    """
    names = {"tenant_id": context.settings.tenant_id}
    query = {**names, "gone_too": context.options.sweep is not None}
    known = [row[0] for row in connection.execute(sql("courses_known"), query).fetchall()]
    if not known and "courses" not in context.options.streams:
        raise IncompleteError(
            "No courses are known yet, and enrollments are read course by course.",
            remedy="Pull the courses too: `learnsync pull`, or add --stream courses.",
        )
    bound = timedelta(minutes=context.settings.absorb.max_staleness_minutes)
    if not bound or context.options.full or context.options.since is not None:
        return known
    chosen = _courses_due(connection, names, known, bound)
    report.left_out = len(known) - len(chosen)
    return chosen


def _courses_due(connection: Connection, names: dict[str, str], known: list[str], bound: timedelta) -> list[str]:
    """Those that may not wait for a later pull."""
    starts = [row[0] for row in connection.execute(sql("pull_starts"), names).fetchall()]
    read = {row[0]: Polled(*row) for row in connection.execute(sql("courses_read"), names).fetchall()}
    now = utc_now()
    courses = [read.get(course, Polled(course, None, None)) for course in known]
    return due(courses, now, cadence_of(starts, now), bound)


# -- which courses to ask now: decisions only, no clock and no I/O -----------------------------------------------------


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
