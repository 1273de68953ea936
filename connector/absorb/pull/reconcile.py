"""Absorb deletes in silence: a full sweep of ids finds what vanished, and marks it removed.

An incremental read cannot see a deletion. The sweep is a full pull of departments, users, courses and enrollments that
also notes every id it meets. It removes only on the strength of complete answers, and removes nothing at all when what
it saw could as well be a role that lost its view: a list not read to its end, a list that suddenly answers with
nothing, more rows gone than the operator allows.
"""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.absorb.pull.options import ALL, ORDER, Context, Limits, PullOptions, PullReport, Sweep
from connector.absorb.pull.pull import pull_lock, run
from connector.progress import Progress
from connector.settings import Settings
from connector.times import utc_now
from connector.warehouse import changed
from connector.warehouse.database import Connection, Stamp, Warehouse, is_there
from connector.warehouse.room import require_room_to_pull
from connector.warehouse.statements import statements
from connector.warehouse.sweeps import SWEPT, put_sweeps, streams_due

sql = statements(__package__)

DEFAULT_MAX_REMOVED_PERCENT = 5.0
NAMED_LISTS = 5
# Departments and users go one at a time, and in a small portal one is more than five percent.
ALWAYS_ALLOWED = {"departments": 1, "users": 1}


@dataclass(frozen=True, slots=True)
class ReconcileOptions:
    """`allow_empty`: an operator has checked that courses which answer with nothing really are empty.

    `begun_at`: when the sync began that the sweep is part of.
    """

    max_removed_percent: float = DEFAULT_MAX_REMOVED_PERCENT
    allow_empty: bool = False
    limits: Limits = field(default_factory=Limits)
    begun_at: datetime | None = None


@dataclass(slots=True)
class Losses:
    """Of one stream: live rows, those not met, those marked removed, and removed ones that returned."""

    live: int = 0
    vanished: int = 0
    removed: int = 0
    returned: int = 0

    @property
    def vanished_percent(self) -> float:
        """Share of the live rows that were not met."""
        return 100.0 * self.vanished / self.live if self.live else 0.0


@dataclass(slots=True)
class ReconcileReport(Losses):
    """What the sweep saw, and what it did: the figures are those of enrollments, `others` has users and departments.

    `refused` says why nothing was removed.
    """

    pull: PullReport = field(default_factory=PullReport)
    courses: int = 0
    courses_gone: int = 0
    others: dict[str, Losses] = field(default_factory=lambda: {"users": Losses(), "departments": Losses()})
    refused: list[str] = field(default_factory=list)
    unmapped: int = 0

    @property
    def complete(self) -> bool:
        """True when the sweep was trusted and nothing waits for a fix."""
        return not self.refused and not self.unmapped and self.pull.complete

    @property
    def losses(self) -> dict[str, Losses]:
        """The figures of every stream that is swept."""
        return {"enrollments": self, **self.others}


@dataclass(slots=True)
class DueSweep:
    """The sweep of a sync: `report` is None where none was due, or where it broke off, for the reason in `error`."""

    report: ReconcileReport | None = None
    error: str = ""

    @property
    def trusted(self) -> bool:
        """False when what vanished was not marked though a sweep was due."""
        return not self.error and not (self.report and self.report.refused)

    @property
    def whole(self) -> bool:
        """True when every list was just read whole: the pull that follows needs the changes only."""
        return self.report is not None and not any(one.failures for one in self.report.pull.streams.values())


def sweep_is_due(settings: Settings) -> bool:
    """True when a list with live rows was not compared for LEARNSYNC_ABSORB__RECONCILE_DAYS, unless that is 0."""
    days = settings.absorb.reconcile_days
    if not days or not is_there(settings):
        return False
    with Warehouse.of(settings).connect() as connection:
        return bool(streams_due(connection, settings.tenant_id, utc_now() - timedelta(days=days)))


def reconcile(
    settings: Settings, run_id: str, options: ReconcileOptions | None = None, progress: Progress | None = None
) -> ReconcileReport:
    """Sweep every list and mark what vanished. Raises LearnsyncError when the sweep itself could not run."""
    options = options or ReconcileOptions()
    folder = settings.warehouse.landing / f"{run_id}-sweep"
    require_room_to_pull(settings)
    try:
        with pull_lock(settings, run_id):
            with Sweep(folder) as sweep:
                swept = PullOptions(ORDER, full=True, sweep=sweep, limits=options.limits, begun_at=options.begun_at)
                context = Context.of(settings, run_id, "reconcile", swept, progress)
                report = ReconcileReport(pull=asyncio.run(run(context)))
            _settle(context, sweep, report, options)
            return report
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settle(context: Context, sweep: Sweep, report: ReconcileReport, options: ReconcileOptions) -> None:
    """Compare with the warehouse, and mark what vanished unless something speaks against it."""
    enrollments = report.pull.streams["enrollments"]
    report.courses, report.courses_gone = enrollments.lists, len(enrollments.tombstones)
    stamp = Stamp(context.settings.tenant_id, context.run_id, utc_now())
    with context.warehouse.transaction() as connection:
        _compare(connection, sweep, report, context)
        report.refused = list(_doubts(connection, sweep, report, options))
        if not report.refused:
            _remove(connection, report, stamp)
            put_sweeps(connection, SWEPT, context.begun_at, stamp)


def _compare(connection: Connection, sweep: Sweep, report: ReconcileReport, context: Context) -> None:
    """Count what is live and what of it was not met, by stream."""
    tenant = {"tenant_id": context.settings.tenant_id}
    connection.execute(sql("sweep_ids"), {"ids": str(sweep.ids), **tenant})
    connection.execute(sql("sweep_lists"), {"lists": str(sweep.lists)})
    connection.execute(sql("sweep_live"), tenant)
    connection.execute(sql("sweep_vanished"), {"begun_at": context.begun_at, **tenant})
    for stream, live, vanished in connection.execute(sql("sweep_counts")).fetchall():
        report.losses[stream].live, report.losses[stream].vanished = live, vanished
    for stream, lost in report.losses.items():
        lost.returned = report.pull.streams[stream].counts.returned


def _remove(connection: Connection, report: ReconcileReport, stamp: Stamp) -> None:
    for stream, lost in report.losses.items():
        if lost.vanished:
            values = {"now": stamp.now, "stream": stream, **stamp.names}
            connection.execute(sql("sweep_apply", stream=stream), values)
            gone = "SELECT id FROM vanished WHERE stream = $vanished_from"
            changed.note(connection, stamp.tenant_id, stream, gone, {"vanished_from": stream})
            lost.removed = lost.vanished


def _doubts(connection: Connection, sweep: Sweep, report: ReconcileReport, options: ReconcileOptions) -> Iterator[str]:
    """Every reason not to act, in words for the operator."""
    failures = report.pull.streams["enrollments"].failures
    if failures:
        named = ", ".join(list(failures)[:NAMED_LISTS])
        yield f"{len(failures)} course(s) could not be read to the end ({named}): the sweep is incomplete"
    if sweep.doubtful:
        yield (
            f"{len(sweep.doubtful)} list(s) served rows without an id, or counted more rows than they served"
            f" ({', '.join(sorted(map(_named, sweep.doubtful))[:NAMED_LISTS])}): the sweep is incomplete"
        )
    if report.live and not report.courses:
        yield "the portal shows no courses at all, though enrollments are known"
    empty = connection.execute(sql("sweep_empty")).fetchall()
    yield from _doubts_of_empty([(scope, rows) for _, scope, rows in empty if scope != ALL], options)
    whole = {stream: rows for stream, scope, rows in empty if scope == ALL}
    for stream, rows in whole.items():
        yield f"the portal shows no {stream} though {rows:,} are known; a role that lost its view looks the same"
    for stream, lost in report.losses.items():
        if stream not in whole:
            yield from _doubts_of_many(stream, lost, options.max_removed_percent)


def _doubts_of_empty(empty: list[tuple[str, int]], options: ReconcileOptions) -> Iterator[str]:
    if empty and not options.allow_empty:
        named = ", ".join(f"{course} ({rows:,} known)" for course, rows in empty[:NAMED_LISTS])
        yield (
            f"{len(empty)} course(s) answered with no enrollments though some are known: {named}; a role that lost its"
            " view looks the same. Check in the portal; if they really are empty, run"
            " `learnsync reconcile --allow-empty`"
        )


def _doubts_of_many(stream: str, lost: Losses, percent: float) -> Iterator[str]:
    allowed = max(lost.live * percent / 100, ALWAYS_ALLOWED.get(stream, 0) if percent else 0)
    if lost.vanished > allowed:
        yield (
            f"{lost.vanished:,} of {lost.live:,} {stream} ({lost.vanished_percent:.1f} %) were not met, more than"
            f" --max-removed-percent {percent:g} allows; a role that lost its view looks the same. Check in the portal;"
            " if they really are gone, run `learnsync reconcile` once with a larger --max-removed-percent"
        )


def _named(doubtful: tuple[str, str]) -> str:
    stream, scope = doubtful
    return stream if scope == ALL else scope
