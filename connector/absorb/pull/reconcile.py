"""Absorb deletes in silence: a full sweep of ids finds enrollments that vanished, and marks them removed.

An incremental read cannot see a deletion. The sweep is a full pull that also notes every id it meets. It removes only
on the strength of complete answers, and refuses when what it saw could as well be a role that lost its view: a list not
read to its end, a course that suddenly answers with nothing, more rows gone than the operator allows.
"""

import asyncio
import shutil
from dataclasses import dataclass, field
from datetime import datetime

from connector.absorb.pull.options import Context, Limits, PullOptions, PullReport, Sweep
from connector.absorb.pull.pull import pull_lock, run
from connector.progress import Progress
from connector.settings import Settings
from connector.times import utc_now
from connector.warehouse.database import Connection, count
from connector.warehouse.statements import statements

sql = statements(__package__)

DEFAULT_MAX_REMOVED_PERCENT = 5.0
NAMED_COURSES = 5


@dataclass(frozen=True, slots=True)
class ReconcileOptions:
    """`allow_empty`: an operator has checked that courses which answer with nothing really are empty."""

    max_removed_percent: float = DEFAULT_MAX_REMOVED_PERCENT
    allow_empty: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(slots=True)
class ReconcileReport:
    """What the sweep saw, and what it did. `refused` says why it removed nothing."""

    pull: PullReport
    courses: int = 0
    courses_gone: int = 0
    live: int = 0
    vanished: int = 0
    removed: int = 0
    refused: list[str] = field(default_factory=list)
    unmapped: int = 0

    @property
    def complete(self) -> bool:
        """True when the sweep was trusted and nothing waits for a fix."""
        return not self.refused and not self.unmapped and self.pull.complete

    @property
    def vanished_percent(self) -> float:
        """Share of the live rows that were not met."""
        return 100.0 * self.vanished / self.live if self.live else 0.0


def reconcile(
    settings: Settings, run_id: str, options: ReconcileOptions | None = None, progress: Progress | None = None
) -> ReconcileReport:
    """Sweep every course and mark what vanished. Raises LearnsyncError when the sweep itself could not run."""
    options = options or ReconcileOptions()
    started = utc_now()
    folder = settings.warehouse.landing / f"{run_id}-sweep"
    try:
        with pull_lock(settings, run_id):
            with Sweep(folder) as sweep:
                streams = ("users", "courses", "enrollments")
                swept = PullOptions(streams, full=True, sweep=sweep, limits=options.limits)
                context = Context.of(settings, run_id, "reconcile", swept, progress)
                report = ReconcileReport(asyncio.run(run(context)))
            _settle(context, sweep, report, options, started)
            return report
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settle(
    context: Context, sweep: Sweep, report: ReconcileReport, options: ReconcileOptions, started: datetime
) -> None:
    """Compare with the warehouse, and mark what vanished unless something speaks against it."""
    enrollments = report.pull.streams["enrollments"]
    report.courses, report.courses_gone = enrollments.lists, len(enrollments.tombstones)
    names = {"tenant_id": context.settings.tenant_id}
    with context.warehouse.transaction() as connection:
        connection.execute(sql("sweep_ids"), {"ids": str(sweep.ids)})
        connection.execute(sql("sweep_courses"), {"courses": str(sweep.courses)})
        connection.execute(sql("sweep_vanished"), {"started_at": started, **names})
        live = "SELECT count(*) FROM absorb.enrollments WHERE tenant_id = $tenant_id AND _removed_at IS NULL"
        report.live = count(connection, live, names)
        report.vanished = count(connection, "SELECT count(*) FROM vanished")
        report.refused = _doubts(connection, sweep, report, options)
        if report.vanished and not report.refused:
            connection.execute(sql("sweep_apply"), {"now": utc_now(), "run_id": context.run_id, **names})
            report.removed = report.vanished


def _doubts(connection: Connection, sweep: Sweep, report: ReconcileReport, options: ReconcileOptions) -> list[str]:
    """Every reason not to act, in words for the operator."""
    doubts = []
    failures = report.pull.streams["enrollments"].failures
    if failures or report.pull.streams["courses"].failures:
        named = ", ".join(list(failures)[:NAMED_COURSES])
        doubts.append(f"{len(failures)} course(s) could not be read to the end ({named}): the sweep is incomplete")
    if sweep.doubtful:
        doubts.append(
            f"{len(sweep.doubtful)} course(s) served rows without an id, or counted more rows than they served:"
            " the sweep is incomplete"
        )
    if report.live and not report.courses:
        doubts.append("the portal shows no courses at all, though enrollments are known")
    empty = connection.execute(sql("sweep_empty")).fetchall()
    if empty and not options.allow_empty:
        named = ", ".join(f"{course} ({rows:,} known)" for course, rows in empty[:NAMED_COURSES])
        doubts.append(
            f"{len(empty)} course(s) answered with no enrollments though some are known: {named}; a role that lost its"
            " view looks the same. Check in the portal; if they really are empty, run again with --allow-empty"
        )
    if report.vanished_percent > options.max_removed_percent:
        doubts.append(
            f"{report.vanished:,} of {report.live:,} enrollments ({report.vanished_percent:.1f} %) were not met,"
            f" more than --max-removed-percent {options.max_removed_percent:g} allows; a role that lost its view looks"
            " the same. Check in the portal; if they really are gone, allow more for one run"
        )
    return doubts
