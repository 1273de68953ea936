"""Dagster keeps every run and its events forever and has no setting against it, so a job deletes the old ones."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_BATCH = 200


class PruneConfig(dg.Config):
    """How long Dagster's history of runs is kept."""

    older_than_days: int = Field(default=30, ge=1, description="Finished runs that began longer ago are deleted.")


@dg.op
def delete_old_runs(context: dg.OpExecutionContext, config: PruneConfig) -> dict[str, int]:
    """Delete finished runs with their events and logs. Each asset's latest materialization stays, however old."""
    before = datetime.now(UTC) - timedelta(days=config.older_than_days)
    keep = latest_runs(context.instance)
    deleted = 0
    while batch := old_runs(context.instance, before, keep):
        for run_id in batch:
            delete_run(context.instance, run_id)
        deleted += len(batch)
    context.log.info(f"Deleted {deleted} runs that began before {before:%Y-%m-%d %H:%M} UTC.")
    context.add_output_metadata({"deleted": deleted, "kept_as_latest": len(keep)})
    return {"deleted": deleted}


def latest_runs(instance: dg.DagsterInstance) -> set[str]:
    """Runs that made the newest materialization of some asset: without them the asset would look never made."""
    events = (instance.get_latest_materialization_event(key) for key in instance.all_asset_keys())
    return {event.run_id for event in events if event is not None}


def old_runs(instance: dg.DagsterInstance, before: datetime, keep: set[str]) -> list[str]:
    """Ids of some finished runs created before an instant, oldest first."""
    wanted = dg.RunsFilter(statuses=FINISHED, created_before=before)
    # As many more as are kept: a batch is empty only when nothing is left to delete.
    records = instance.get_run_records(wanted, limit=_BATCH + len(keep), ascending=True)
    return [record.dagster_run.run_id for record in records if record.dagster_run.run_id not in keep]


def delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """One run, its events, and what it printed."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.delete_run(run_id)


@dg.job
def prune_runs() -> None:
    """Keeps Dagster's own history from growing forever. Touches no warehouse."""
    delete_old_runs()


# Ships stopped, like every schedule here.
prune_daily = dg.ScheduleDefinition(
    name="prune_daily",
    job=prune_runs,
    cron_schedule="10 3 * * *",
    execution_timezone="UTC",
    description="Prune runs older than 30 days, each night.",
)
