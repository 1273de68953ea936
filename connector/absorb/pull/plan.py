"""Which lists of a stream a pull reads, and from where each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.absorb.pull import polling
from connector.absorb.pull.options import ALL, Context, PullOptions, StreamReport
from connector.errors import IncompleteError
from connector.times import utc_now
from connector.warehouse import runs
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements
from connector.warehouse.watermarks import ResumePoint, read_resume_points, read_watermarks

sql = statements(__package__)


@dataclass(frozen=True, slots=True)
class Start:
    """Where a walk begins; `floor` is what the warehouse holds already, `covers` whether its end may be claimed."""

    since: datetime | None
    floor: datetime | None = None
    covers: bool = True


@dataclass(frozen=True, slots=True)
class Starts:
    """The starts of one stream's walks: from the watermark less the overlap, or from where a killed walk was."""

    options: PullOptions
    overlap: timedelta
    marks: Mapping[str, datetime | None]
    points: Mapping[str, ResumePoint]

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


def plan(context: Context, report: StreamReport) -> tuple[list[str], Starts]:
    """The scopes of the lists to read, and their starts. Raises IncompleteError when no course can be known."""
    tenant_id, overlap = context.settings.tenant_id, timedelta(minutes=context.settings.absorb.overlap_minutes)
    with context.warehouse.connect() as connection:
        runs.end_killed(connection, tenant_id, context.command, context.run_id)
        marks = read_watermarks(connection, tenant_id, report.stream)
        points = read_resume_points(connection, tenant_id, report.stream)
        scopes = _courses(connection, context, report) if report.stream == "enrollments" else [ALL]
    return scopes, Starts(context.options, overlap, marks, points)


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
    chosen = _due(connection, names, known, bound)
    report.left_out = len(known) - len(chosen)
    return chosen


def _due(connection: Connection, names: dict[str, str], known: list[str], bound: timedelta) -> list[str]:
    """Those that may not wait for a later pull."""
    starts = [row[0] for row in connection.execute(sql("pull_starts"), names).fetchall()]
    read = {row[0]: polling.Polled(*row) for row in connection.execute(sql("courses_read"), names).fetchall()}
    now = utc_now()
    courses = [read.get(course, polling.Polled(course, None, None)) for course in known]
    return polling.due(courses, now, polling.cadence_of(starts, now), bound)
