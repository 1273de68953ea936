"""Which courses a pull of enrollments asks."""

from __future__ import annotations

from datetime import timedelta

from connector.absorb.pull import polling
from connector.absorb.pull.options import Context, StreamReport
from connector.errors import IncompleteError
from connector.times import utc_now
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements

sql = statements(__package__)


def courses_to_ask(connection: Connection, context: Context, report: StreamReport) -> list[str]:
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
