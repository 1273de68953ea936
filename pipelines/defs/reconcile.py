"""Absorb deletes in silence: once a week every id is looked at, and what vanished is marked removed."""

import dagster as dg

from connector.absorb.pull.reconcile import DEFAULT_MAX_REMOVED_PERCENT, DueSweep, ReconcileOptions, ReconcileReport
from connector.sync import run_reconcile
from pipelines import checks
from pipelines.conventions import POOL, RETRY_LATER, WRITER_TAG
from pipelines.defs import absorb
from pipelines.resources import LearnsyncResource
from pipelines.tables import Metadata


class ReconcileConfig(dg.Config):
    """How much may vanish in one run before the sweep is distrusted."""

    max_removed_percent: float = DEFAULT_MAX_REMOVED_PERCENT
    allow_empty: bool = False


@dg.asset(
    key=["absorb", "reconciliation"],
    deps=[absorb.enrollments],
    group_name="absorb",
    kinds={"duckdb"},
    pool=POOL,
    retry_policy=RETRY_LATER,
    check_specs=[checks.spec("absorb/reconciliation", "sweep_trusted", "The sweep was complete and plausible.")],
)
def reconciliation(config: ReconcileConfig, learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """A full sweep of ids: what vanished in Absorb is marked removed, and the tables are rebuilt."""
    with learnsync.session() as settings:
        report = run_reconcile(settings, ReconcileOptions(config.max_removed_percent, config.allow_empty))
    trusted = absorb.sweep_trusted(DueSweep(report))
    return dg.MaterializeResult(metadata=_metadata(report), check_results=[trusted])


def _metadata(report: ReconcileReport) -> Metadata:
    enrollments = report.pull.streams["enrollments"]
    return {
        "live": report.live,
        "vanished": report.vanished,
        "vanished_percent": round(report.vanished_percent, 3),
        "removed": report.removed,
        "returned": report.returned,
        "users_removed": report.others["users"].removed,
        "departments_removed": report.others["departments"].removed,
        "courses": report.courses,
        "courses_gone": report.courses_gone,
        "api_calls": enrollments.requests,
        "duration_seconds": round(enrollments.seconds, 3),
    }


reconcile = dg.define_asset_job(
    "reconcile",
    selection=[reconciliation],
    description="Find what vanished in Absorb. Removes nothing when the sweep looks incomplete. A sync does the same by"
    " itself when the last sweep is older than LEARNSYNC_ABSORB__RECONCILE_DAYS.",
    tags=WRITER_TAG,
)

# Ships stopped, like the sync: a sweep reads the whole portal.
weekly = dg.ScheduleDefinition(
    name="reconcile_weekly", job=reconcile, cron_schedule="20 2 * * 0", execution_timezone="UTC"
)
