"""The stages that the CLI and Dagster call, each recorded in ops.runs: pull → build → push → readback → publish."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from connector.absorb.pull.options import ORDER, PullOptions, PullReport
from connector.absorb.pull.pull import pull
from connector.absorb.pull.reconcile import ReconcileOptions, ReconcileReport, reconcile
from connector.assignments import AssignOptions, AssignReport, assign, require_assignments
from connector.canonical.build import BuildReport, build, build_one
from connector.destinations import chosen, configured, push_all
from connector.errors import ApiBudgetError, LearnsyncError, ThrottledError
from connector.progress import Progress
from connector.push.reports import PushReport
from connector.salesforce.push.objects import PushOptions
from connector.salesforce.readback.readback import ReadbackOptions, ReadbackReport, readback
from connector.settings import Settings, require_absorb, require_salesforce
from connector.times import utc_now
from connector.warehouse import runs
from connector.warehouse.database import Warehouse
from connector.warehouse.publish import PublishReport, publish

log = logging.getLogger(__name__)

Report = TypeVar("Report")


@dataclass(slots=True)
class Recorded:
    """A run being recorded: the stage sets `complete` and `stats` before it ends."""

    run_id: str
    complete: bool = True
    stats: dict[str, Any] = field(default_factory=dict)


@contextmanager
def recorded(settings: Settings, command: str) -> Iterator[Recorded]:
    """Keep a row in ops.runs for the length of a stage, whatever way it ends."""
    warehouse = Warehouse.of(settings)
    run = Recorded(runs.begin(warehouse, settings.tenant_id, command))
    try:
        yield run
    except LearnsyncError as failure:
        runs.finish(warehouse, run.run_id, "failed", str(failure), run.stats)
        raise
    except BaseException as failure:
        runs.finish(warehouse, run.run_id, "failed", type(failure).__name__, run.stats)
        raise
    runs.finish(warehouse, run.run_id, "complete" if run.complete else "incomplete", "", run.stats)


def _stage(settings: Settings, command: str, work: Callable[[str], Report]) -> Report:
    with recorded(settings, command) as run:
        report = work(run.run_id)
        run.complete = bool(getattr(report, "complete", True))
        run.stats = as_stats(report)
        return report


def as_stats(report: object) -> dict[str, Any]:
    """A report as plain values for JSON, its derived figures included."""
    assert dataclasses.is_dataclass(report)
    assert not isinstance(report, type)
    stats = dataclasses.asdict(report)
    stats["complete"] = bool(getattr(report, "complete", True))
    return stats


def run_pull(
    settings: Settings,
    *,
    streams: Sequence[str] = ORDER,
    full: bool = False,
    since: datetime | None = None,
    progress: Progress | None = None,
) -> PullReport:
    """Absorb → warehouse."""
    require_absorb(settings)
    options = PullOptions(streams=streams, full=full, since=since)
    return _stage(settings, "pull", lambda run_id: pull(settings, run_id, options, progress))


def run_reconcile(
    settings: Settings, options: ReconcileOptions | None = None, progress: Progress | None = None
) -> ReconcileReport:
    """Full id sweep: marks enrollments that vanished in Absorb, then rebuilds, so that the tables say so."""
    require_absorb(settings)
    report = _stage(settings, "reconcile", lambda run_id: reconcile(settings, run_id, options, progress))
    report.unmapped = run_build(settings).unmapped
    return report


def run_build(settings: Settings, table: str | None = None) -> BuildReport:
    """Warehouse → canonical tables; `table` restricts it to learning_record or learning_item_progress."""
    if table is None:
        return _stage(settings, "build", lambda run_id: build(settings, run_id))
    return _stage(settings, "build", lambda run_id: build_one(settings, run_id, table))


def run_push(settings: Settings, options: PushOptions | None = None, progress: Progress | None = None) -> PushReport:
    """Differences → the targets. A dry run is not recorded: it writes nothing anywhere."""
    options = options or PushOptions()
    chosen(settings, options.targets)  # before a run is recorded: a wrong setting is no run
    if options.dry_run:
        return push_all(settings, runs.new_run_id(), options, progress)
    return _stage(settings, "push", lambda run_id: push_all(settings, run_id, options, progress))


def run_readback(
    settings: Settings, options: ReadbackOptions | None = None, progress: Progress | None = None
) -> ReadbackReport:
    """Salesforce → warehouse: what became of our records there, and native progress to compare with."""
    require_salesforce(settings)
    return _stage(settings, "readback", lambda run_id: readback(settings, run_id, options, progress))


def run_assign(
    settings: Settings, options: AssignOptions | None = None, progress: Progress | None = None
) -> AssignReport:
    """Assignments of Salesforce → enrollments in Absorb. No part of a sync. A dry run is not recorded."""
    options = options or AssignOptions()
    require_assignments(settings, options)
    if not options.apply:
        return assign(settings, runs.new_run_id(), options, progress)
    return _stage(settings, "assign", lambda run_id: assign(settings, run_id, options, progress))


def run_publish(settings: Settings) -> PublishReport:
    """Replace the analysts' file."""
    return _stage(settings, "publish", lambda _: publish(settings))


@dataclass(slots=True)
class SyncReport:
    """All stages of one sync. `push` is None when no target is set; `readback` without an org, and when it failed."""

    pull: PullReport
    build: BuildReport
    push: PushReport | None
    publish: PublishReport
    seconds: dict[str, float]
    readback: ReadbackReport | None = None
    # Why the read-back could not be done; the push before it stands.
    readback_error: str = ""

    @property
    def complete(self) -> bool:
        """True when every stage was."""
        pushed = self.push is None or self.push.complete
        return self.pull.complete and self.build.complete and pushed and not self.readback_error


def run_sync(settings: Settings, *, full: bool = False, progress: Progress | None = None) -> SyncReport:
    """Pull, build, push (where a target is set), read back (where an org is), and publish: whatever the push said."""
    seconds: dict[str, float] = {}
    pulled = _timed(seconds, "pull", lambda: run_pull(settings, full=full, progress=progress))
    built = _timed(seconds, "build", lambda: run_build(settings))
    pushed: PushReport | None = None
    read: ReadbackReport | None = None
    read_error = ""
    push_failure: LearnsyncError | None = None
    try:
        if configured(settings):
            try:
                pushed = _timed(seconds, "push", lambda: run_push(settings, progress=progress))
            except LearnsyncError as failure:
                push_failure = failure
            # A target that fails is no reason not to look what became of the records of another.
            if settings.salesforce.login_url and not isinstance(push_failure, ApiBudgetError | ThrottledError):
                # The push has just read the people.
                options = ReadbackOptions(full=full, people=full)
                try:
                    read = _timed(seconds, "readback", lambda: run_readback(settings, options, progress))
                except LearnsyncError as failure:
                    read_error = str(failure)
                    log.warning("the read-back failed: %s", failure)
        else:
            log.info("no push: no target is set")
    finally:
        # Analysts get what was pulled and built whatever a target says.
        published = _timed(seconds, "publish", lambda: run_publish(settings))
    if push_failure:
        raise push_failure
    return SyncReport(pulled, built, pushed, published, seconds, read, read_error)


def _timed(seconds: dict[str, float], name: str, work: Callable[[], Report]) -> Report:
    started = time.monotonic()
    try:
        return work()
    finally:
        seconds[name] = time.monotonic() - started


@dataclass(frozen=True, slots=True)
class StreamLag:
    """How far behind a stream's watermarks are."""

    stream: str
    lists: int
    newest: datetime | None
    oldest_completed_at: datetime | None

    @property
    def lag_seconds(self) -> float | None:
        """Seconds since the least recently read list was read to its end."""
        return None if self.oldest_completed_at is None else (utc_now() - self.oldest_completed_at).total_seconds()


def watermark_lag(settings: Settings) -> dict[str, StreamLag]:
    """Stream → watermark figures of this tenant; lists of courses known to be gone do not count."""
    query = """
        SELECT w.stream, count(*), max(w.watermark), min(w.completed_at)
        FROM ops.watermarks AS w
        LEFT JOIN absorb.courses AS c ON c.tenant_id = w.tenant_id AND CAST(c.id AS VARCHAR) = w.scope_id
        WHERE w.tenant_id = ? AND c._removed_at IS NULL
        GROUP BY ALL ORDER BY ALL
    """
    with Warehouse.of(settings).connect() as connection:
        rows = connection.execute(query, [settings.tenant_id]).fetchall()
    return {row[0]: StreamLag(*row) for row in rows}
