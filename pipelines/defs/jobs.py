"""The jobs that sync, and the schedule: a quarter of an hour apart, one writer at a time."""

import dagster as dg

from pipelines.conventions import WRITER_TAG
from pipelines.defs import absorb, canonical, catalogue, matches, published, readback, salesforce

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

# How the names of the steps that talk to a target begin.
TARGETS = ("salesforce__", "performance__")
PULLS = [absorb.departments, absorb.users, absorb.courses, absorb.enrollments]
ASSETS = [
    *PULLS,
    matches.match_org,
    canonical.learning_record,
    canonical.learning_item_progress,
    salesforce.push_lms,
    catalogue.learning,
    catalogue.learning_records,
    readback.read_back,
    published.published_warehouse,
]

incremental_sync = dg.define_asset_job(
    "incremental_sync",
    selection=ASSETS,
    description="Pull what changed since the watermarks, match, rebuild, push the differences, read back, publish.",
    tags=WRITER_TAG,
)

full_sync = dg.define_asset_job(
    "full_sync",
    selection=ASSETS,
    description="The same, reading every list from its beginning. Safe at any time: rows that stand are left alone.",
    config=dg.RunConfig(
        ops={
            **{asset.op.name: absorb.PullConfig(full=True) for asset in PULLS},
            matches.match_org.op.name: matches.ReadbackConfig(full=True),
            readback.read_back.op.name: matches.ReadbackConfig(full=True),
        }
    ),
    tags=WRITER_TAG,
)

publish = dg.define_asset_job(
    "publish",
    selection=[canonical.learning_record, canonical.learning_item_progress, published.published_warehouse],
    description="Rebuild from what the warehouse holds now, and replace the analysts' file.",
    tags=WRITER_TAG,
)


# Ships stopped: opening the UI for the first time must not start polling somebody's portal.
@dg.schedule(
    job=incremental_sync,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    description="Every quarter of an hour; skipped while a sync is running or waiting.",
)
def every_quarter_hour(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """An incremental sync, unless one is running or waiting: runs must not pile up behind a long first pull."""
    under_way = dg.RunsFilter(tags=WRITER_TAG, statuses=UNFINISHED)
    found = context.instance.get_runs(under_way, limit=1)
    if found:
        return dg.SkipReason(f"Run {found[0].run_id} ({found[0].job_name}) has not finished.")
    return dg.RunRequest()


# Runs from the start: it only copies a local file, and only after a sync that somebody began.
@dg.run_failure_sensor(
    monitored_jobs=[incremental_sync, full_sync],
    request_job=publish,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def publish_without_push(context: dg.RunFailureSensorContext) -> dg.RunRequest | dg.SkipReason:
    """When a target could not be read or pushed to, analysts still get what was pulled, rebuilt."""
    failed = {event.step_key or "" for event in context.get_step_failure_events()}
    if not failed or not all(step.startswith(TARGETS) for step in failed):
        return dg.SkipReason("The run failed before there was something new to publish.")
    return dg.RunRequest(run_key=context.dagster_run.run_id)
