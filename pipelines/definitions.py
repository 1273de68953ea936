"""What Dagster loads. Needs no settings, no credentials and no warehouse: those are read when an asset runs."""

import dagster as dg

from pipelines.conventions import OWNERS
from pipelines.defs import absorb, assignments, jobs, reconcile, salesforce, upkeep
from pipelines.resources import LearnsyncResource, scrub_logs

scrub_logs("connector", "pipelines")

ASSETS = [
    *jobs.ASSETS,
    *absorb.DETAILS,
    salesforce.push_preview,
    reconcile.reconciliation,
    assignments.assigned_enrollments,
]

defs = dg.Definitions(
    assets=dg.map_asset_specs(lambda spec: spec.replace_attributes(owners=OWNERS), ASSETS),
    jobs=[jobs.incremental_sync, jobs.full_sync, jobs.publish, reconcile.reconcile, upkeep.prune_runs],
    schedules=[jobs.every_quarter_hour, reconcile.weekly, upkeep.prune_daily],
    sensors=[jobs.publish_without_push],
    resources={"learnsync": LearnsyncResource()},
    # One process: the warehouse is a local file with one writer, and the steps are short.
    executor=dg.in_process_executor,
)
