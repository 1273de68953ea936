"""Warehouse → the two canonical tables, recomputed on every run because half of the statuses depend on today."""

from datetime import timedelta
from typing import Any

import dagster as dg

from connector.canonical.build import BuildReport, load_maps
from connector.settings import Settings
from connector.sync import run_build, watermark_lag
from pipelines import checks, lineage
from pipelines.defs import absorb
from pipelines.resources import RETRY_LATER, LearnsyncResource
from pipelines.tables import Metadata, counts_table, rows_of, table_metadata, timed

# Warn after eight missed quarters of an hour, fail after a day.
FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=24), warn_window=timedelta(hours=2))

_SHARED: dict[str, Any] = {
    "group_name": "canonical",
    "kinds": {"duckdb", "sql"},
    "owners": absorb.OWNERS,
    "pool": absorb.WRITER_POOL,
    "retry_policy": RETRY_LATER,
}
_SIZES = """
    SELECT
      (SELECT count(*) FROM absorb.enrollments WHERE tenant_id = $tenant_id),
      (SELECT count(*) FROM learning_record WHERE tenant_id = $tenant_id),
      (SELECT count(*) FROM learning_item_progress WHERE tenant_id = $tenant_id)
"""
_UNMAPPED = """
    SELECT reason, count(*) FROM ops.quarantine
    WHERE tenant_id = $tenant_id AND stage = 'map' AND resolved_at IS NULL
    GROUP BY ALL
"""


@dg.asset(
    deps=[absorb.enrollments, absorb.courses, *absorb.DETAILS],
    metadata={"dagster/table_name": "learning_record"},
    check_specs=[
        checks.spec("learning_record", "one_per_enrollment", "One record for each row of absorb.enrollments.")
    ],
    **_SHARED,
)
def learning_record(learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """The LearningRecord of each enrollment: what was learned, from whom, with what result."""
    with learnsync.session() as settings:
        report, took = timed(lambda: run_build(settings, table="learning_record"))
        [[(enrolled, records, _)]] = rows_of(settings, _SIZES)
        metadata = _describe(settings, report, "learning_record") | took
    complete = checks.hard("one_per_enrollment", passed=records == enrolled, records=records, enrollments=enrolled)
    return dg.MaterializeResult(metadata=metadata, check_results=[complete])


@dg.asset(
    deps=[learning_record, absorb.enrollments],
    metadata={"dagster/table_name": "learning_item_progress"},
    check_specs=[
        checks.spec(
            "learning_item_progress", "every_status_mapped", "A rule of the status map decides every enrollment."
        ),
        checks.spec("learning_item_progress", "rows_add_up", "Rows here + unmapped rows = rows of absorb.enrollments."),
    ],
    freshness_policy=FRESH,
    **_SHARED,
)
def learning_item_progress(learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """Where each learner stands today, in the words of Salesforce's LearningItemProgress."""
    with learnsync.session() as settings:
        report, took = timed(lambda: run_build(settings, table="learning_item_progress"))
        [(enrolled, _, rows)], unmapped = rows_of(settings, _SIZES, _UNMAPPED)
        lag = watermark_lag(settings).get("enrollments")
        metadata = _describe(settings, report, "learning_item_progress") | took
    metadata["statuses"] = counts_table("ProgressStatus", report.statuses)
    if lag is not None and lag.lag_seconds is not None:
        metadata["watermark_lag_seconds"] = round(lag.lag_seconds, 3)
    return dg.MaterializeResult(metadata=metadata, check_results=_check(report, enrolled, rows, dict(unmapped)))


def _describe(settings: Settings, report: BuildReport, table: str) -> Metadata:
    sources = lineage.sources_of(load_maps(settings), table)
    counts = report.tables[table]
    metadata = table_metadata(settings, table, lineage.notes(sources)) | {
        "dagster/column_lineage": lineage.column_lineage(sources),
        "inserted": counts.inserted,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "deleted": counts.deleted,
        "unmapped": report.unmapped,
    }
    if report.as_of is not None:
        metadata["as_of"] = dg.MetadataValue.timestamp(report.as_of)
    return metadata


def _check(report: BuildReport, enrolled: int, rows: int, unmapped: dict[str, int]) -> list[dg.AssetCheckResult]:
    return [
        checks.soft(
            "every_status_mapped",
            passed=report.complete,
            description="" if report.complete else "Add the status to the map; these rows are in no target until then.",
            unmapped=report.unmapped,
            reasons=counts_table("reason", unmapped),
        ),
        checks.hard(
            "rows_add_up",
            passed=rows + report.unmapped == enrolled,
            rows=rows,
            unmapped=report.unmapped,
            enrollments=enrolled,
        ),
    ]
